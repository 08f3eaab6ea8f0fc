//! The first pass: pixels of a row are weighted sums of its pixels. Pixels of three bytes fit no
//! vector, so that vector code gathers the channels of two taps, and sums in two halves the products
//! of bytes and 22-bit weights, which have no instruction of their own. The sums are exact.

use super::taps::Taps;
use super::{HALF, to_byte};
use crate::rgb::Part;

/// Bytes written after the end of a row.
pub(super) const SLACK: usize = 1;
/// Bytes that may be read from the first byte of a pair of taps on.
const READ: usize = 16;
/// Bits of the lower half of a weight.
#[cfg(target_arch = "x86_64")]
const LOW_BITS: u32 = 11;

/// Buffers kept between calls.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Rows near the end of the image, with room to read on after them.
    last_rows: Vec<u8>,
    /// Lower and upper halves of the weights of each pair of taps.
    #[cfg(target_arch = "x86_64")]
    halves: Vec<[i32; 2]>,
}

/// All rows that the vertical pass needs.
pub(super) struct HorizontalPass<'a> {
    pub source: &'a Part,
    /// As many taps for each output.
    pub taps: &'a Taps,
    /// Row of the image that the first row written comes from.
    pub first: usize,
    /// Distance of rows written, in bytes.
    pub stride: usize,
}

impl HorizontalPass<'_> {
    /// Fills `out`, whose length is a multiple of the stride.
    pub fn run(&self, buffers: &mut Buffers, out: &mut [u8]) {
        let rows = Rows::new(self, out.len() / self.stride, &mut buffers.last_rows);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            self.run_v3(simd, &rows, &mut buffers.halves, out);
            return;
        }
        for (number, out) in out.chunks_exact_mut(self.stride).enumerate() {
            self.row(rows.row(number), out);
        }
    }

    /// One row, on any processor.
    fn row(&self, row: &[u8], out: &mut [u8]) {
        for (place, (begin, weights)) in self.taps.iter().enumerate() {
            let pixels = &row[(begin - self.source.left) * 3..];
            let mut sums = [HALF; 3];
            for (pixel, &weight) in pixels.chunks_exact(3).zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += weight * i32::from(value);
                }
            }
            out[place * 3..place * 3 + 3].copy_from_slice(&sums.map(to_byte));
        }
    }
}

/// Source rows that can be read on for [`READ`] bytes from any pixel.
struct Rows<'a> {
    pass: &'a HorizontalPass<'a>,
    /// First row that lies in `last`, counted from the first of the pass.
    last_from: usize,
    last: &'a [u8],
}

impl<'a> Rows<'a> {
    fn new(pass: &'a HorizontalPass<'a>, count: usize, last: &'a mut Vec<u8>) -> Self {
        let image = &pass.source.image;
        let row_bytes = image.width() * 3;
        let first = pass.first - pass.source.top;
        // Rows that fewer than READ bytes follow.
        let copied = READ.div_ceil(row_bytes).min(image.height());
        let from = (image.height() - copied).max(first);
        last.clear();
        if from < first + count {
            last.extend_from_slice(image.rows_from(from));
            last.resize(last.len() + READ, 0);
        }
        Self {
            pass,
            last_from: from - first,
            last,
        }
    }

    fn row(&self, number: usize) -> &[u8] {
        let image = &self.pass.source.image;
        match number.checked_sub(self.last_from) {
            Some(number) => &self.last[number * image.width() * 3..],
            None => image.rows_from(self.pass.first - self.pass.source.top + number),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod v3 {
    use std::arch::x86_64::{__m128i, __m256i};

    use pulp::cast;
    use pulp::x86::V3;

    use super::{HALF, HorizontalPass, LOW_BITS, READ, Rows};
    use crate::resize::PRECISION;

    /// Rows computed side by side: two to a register.
    const ROWS: usize = 4;

    /// Red, green and blue of two neighbouring pixels, as pairs of 16-bit numbers.
    const PAIRS: [i8; 16] = [0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1];

    impl HorizontalPass<'_> {
        pub(super) fn run_v3(
            &self,
            simd: V3,
            rows: &Rows<'_>,
            halves: &mut Vec<[i32; 2]>,
            out: &mut [u8],
        ) {
            let taps = self.taps.spans.first().map_or(0, |span| span.1);
            let pairs = taps.div_ceil(2);
            halves.clear();
            for weights in self.taps.weights.chunks_exact(taps.max(1)) {
                halves.extend(weights.chunks(2).map(|pair| {
                    let (first, second) = (pair[0], pair.get(1).copied().unwrap_or(0));
                    let low = (1 << LOW_BITS) - 1;
                    [
                        (first & low) | (second & low) << 16,
                        (first >> LOW_BITS) | (second >> LOW_BITS) << 16,
                    ]
                }));
            }
            let halves: &[[i32; 2]] = halves;
            let groups = out.chunks_mut(self.stride * ROWS).enumerate();
            simd.vectorize(
                #[inline(always)]
                || {
                    for (group, out) in groups {
                        // The last group repeats its last row.
                        let count = out.len() / self.stride;
                        let sources: [&[u8]; ROWS] =
                            std::array::from_fn(|row| rows.row(group * ROWS + row.min(count - 1)));
                        match pairs {
                            1 => self.group::<1>(simd, sources, halves, out),
                            2 => self.group::<2>(simd, sources, halves, out),
                            3 => self.group::<3>(simd, sources, halves, out),
                            _ => self.wide_group(simd, sources, halves, pairs, out),
                        }
                    }
                },
            );
        }

        #[inline(always)]
        fn group<const PAIRS: usize>(
            &self,
            simd: V3,
            sources: [&[u8]; ROWS],
            halves: &[[i32; 2]],
            out: &mut [u8],
        ) {
            let (halves, _) = halves.as_chunks::<PAIRS>();
            for (place, (span, halves)) in self.taps.spans.iter().zip(halves).enumerate() {
                let at = (span.0 - self.source.left) * 3;
                self.pixel(simd, sources, at, halves, place, out);
            }
        }

        #[inline(always)]
        fn wide_group(
            &self,
            simd: V3,
            sources: [&[u8]; ROWS],
            halves: &[[i32; 2]],
            pairs: usize,
            out: &mut [u8],
        ) {
            let halves = halves.chunks_exact(pairs);
            for (place, (span, halves)) in self.taps.spans.iter().zip(halves).enumerate() {
                let at = (span.0 - self.source.left) * 3;
                self.pixel(simd, sources, at, halves, place, out);
            }
        }

        /// One pixel of each row, from byte `at` of the sources on.
        #[inline(always)]
        fn pixel(
            &self,
            simd: V3,
            sources: [&[u8]; ROWS],
            at: usize,
            halves: &[[i32; 2]],
            place: usize,
            out: &mut [u8],
        ) {
            let avx2 = simd.avx2;
            let order: __m256i = cast([PAIRS, PAIRS]);
            let zero: __m256i = cast([0i32; 8]);
            let mut low = [zero; ROWS / 2];
            let mut high = [zero; ROWS / 2];
            for (pair, &[low_weights, high_weights]) in halves.iter().enumerate() {
                let low_weights: __m256i = cast([low_weights; 8]);
                let high_weights: __m256i = cast([high_weights; 8]);
                let load = |row: usize| -> __m128i {
                    let bytes = sources[row][at + pair * 6..].first_chunk::<READ>();
                    cast(*bytes.unwrap_or(&[0; READ]))
                };
                for register in 0..ROWS / 2 {
                    let both: __m256i = cast([load(register * 2), load(register * 2 + 1)]);
                    let channels = avx2._mm256_shuffle_epi8(both, order);
                    let product = avx2._mm256_madd_epi16(channels, low_weights);
                    low[register] = avx2._mm256_add_epi32(low[register], product);
                    let product = avx2._mm256_madd_epi16(channels, high_weights);
                    high[register] = avx2._mm256_add_epi32(high[register], product);
                }
            }
            let half: __m256i = cast([HALF; 8]);
            for register in 0..ROWS / 2 {
                let high = avx2._mm256_slli_epi32::<{ LOW_BITS as i32 }>(high[register]);
                let sum = avx2._mm256_add_epi32(avx2._mm256_add_epi32(high, low[register]), half);
                let values = avx2._mm256_srai_epi32::<{ PRECISION as i32 }>(sum);
                // To bytes, with values above 255 cut off.
                let words = avx2._mm256_packus_epi32(values, values);
                let bytes: [[u8; 4]; 8] = cast(avx2._mm256_packus_epi16(words, words));
                for (row, pixel) in [(register * 2, bytes[0]), (register * 2 + 1, bytes[4])] {
                    if let Some(out) = out.get_mut(row * self.stride + place * 3..)
                        && let Some(out) = out.first_chunk_mut::<4>()
                    {
                        *out = pixel;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::taps::Axis;
    use super::*;
    use crate::rgb::RgbImage;

    /// Vector code and plain code give the same bytes, for images narrower than a register, too.
    #[test]
    fn all_ways_agree() {
        let (mut taps, mut buffers) = (Taps::default(), Buffers::default());
        for width in (1..40).chain([97, 300]) {
            for (output, height) in [(1, 1), (3, 2), (7, 5), (33, 4), (64, 7)] {
                let value = |at: usize| (at.wrapping_mul(0x9E37_79B9) >> 11).to_le_bytes()[0];
                let pixels: Vec<u8> = (0..width * height * 3).map(value).collect();
                let Some(image) = RgbImage::new(width, height, pixels) else {
                    continue;
                };
                taps.compute(&Axis::new((0, width), (1, width), output, (0, output)));
                taps.make_uniform();
                let source = image.into();
                let stride = output * 3 + SLACK;
                for first in 0..height {
                    let pass = HorizontalPass {
                        source: &source,
                        taps: &taps,
                        first,
                        stride,
                    };
                    let mut quick = vec![0; (height - first) * stride];
                    pass.run(&mut buffers, &mut quick);
                    for (number, quick) in quick.chunks_exact(stride).enumerate() {
                        let mut plain = vec![0; stride];
                        pass.row(source.image.row(first + number), &mut plain);
                        let row = format!("{width} to {output}, row {number} from {first}");
                        assert_eq!(quick[..output * 3], plain[..output * 3], "{row}");
                    }
                }
            }
        }
    }
}
