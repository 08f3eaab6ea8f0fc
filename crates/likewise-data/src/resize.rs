//! Bilinear resampling with area-scaled support, bit for bit as Pillow up to 12.0 does it: a
//! plain 2x2 bilinear filter shifts Recall@1, so pixels must match those the field trains on.
//! Horizontal pass first, rounded to 8 bits, then the vertical one; 22-bit integer weights.

use crate::rgb::{Part, Region, RgbImage};

const PRECISION: u32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);

/// An axis to be resized, and which outputs are wanted.
#[derive(Clone, Copy, Debug)]
struct Axis {
    /// Pixel that the others are counted from.
    base: usize,
    /// Where the resized stretch begins, in pixels from the base.
    origin: f64,
    /// Its length in pixels.
    length: f64,
    /// Pixels from the base on that taps may read.
    limit: usize,
    /// Pixels that the stretch becomes.
    output: usize,
    /// First wanted one.
    first: usize,
    /// Number of wanted ones.
    count: usize,
}

impl Axis {
    /// `length` pixels from `from` on become `output`. In an image shrunk by `reduction` to `whole`
    /// pixels the stretch begins and ends between pixels, and taps may reach over its ends.
    #[expect(clippy::cast_precision_loss, reason = "image sides are far below 2^52")]
    fn new(
        (from, length): (usize, usize),
        (reduction, whole): (usize, usize),
        output: usize,
        (first, count): (usize, usize),
    ) -> Self {
        let (base, origin, limit) = match reduction {
            1 => (from, 0.0, length),
            _ => (0, from as f64 / reduction as f64, whole),
        };
        Self {
            base,
            origin,
            length: length as f64 / reduction as f64,
            limit,
            output,
            first,
            count,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "image sides are far below 2^52")]
    fn is_kept(&self) -> bool {
        self.origin == 0.0 && self.length == self.output as f64
    }
}

/// Weights of the input pixels under each output pixel of one axis.
#[derive(Debug, Default)]
struct Taps {
    /// First input pixel and number of taps, per output pixel.
    spans: Vec<(usize, usize)>,
    /// Weights of all output pixels, one after the other.
    weights: Vec<i32>,
    exact: Vec<f64>,
    padded: Vec<i32>,
}

impl Taps {
    /// Computes the taps of some outputs of an axis.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "image sides are far below 2^52; truncation is part of the algorithm"
    )]
    fn compute(&mut self, axis: &Axis) {
        self.spans.clear();
        self.weights.clear();
        let outputs = axis.first..axis.first + axis.count;
        if axis.is_kept() {
            // One tap of weight one: an axis that keeps its size is left untouched.
            self.spans.extend(outputs.map(|at| (axis.base + at, 1)));
            self.weights.resize(axis.count, 1 << PRECISION);
            return;
        }
        let scale = axis.length / axis.output as f64;
        let support = scale.max(1.0);
        for at in outputs {
            let centre = axis.origin + (at as f64 + 0.5) * scale;
            let begin = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(axis.limit);
            self.exact.clear();
            self.exact.extend(
                (begin..end).map(|tap| {
                    (1.0 - ((tap as f64 + 0.5 - centre) * (1.0 / support)).abs()).max(0.0)
                }),
            );
            let sum: f64 = self.exact.iter().sum();
            let unit = f64::from(1 << PRECISION);
            self.weights.extend(
                self.exact
                    .iter()
                    .map(|weight| (weight / sum * unit + 0.5) as i32),
            );
            self.spans.push((axis.base + begin, end - begin));
        }
    }

    /// Input pixels that any tap reads: first and one past the last.
    fn extent(&self) -> (usize, usize) {
        let begin = self.spans.first().map_or(0, |span| span.0);
        let end = self.spans.last().map_or(0, |span| span.0 + span.1);
        (begin, end)
    }

    /// Gives all outputs as many taps, with weights of zero: loops of known length are what vector
    /// code is made of. No pixel outside of [`Self::extent`] is read for it.
    fn make_uniform(&mut self) -> usize {
        let (_, end) = self.extent();
        let most = self.spans.iter().map(|span| span.1).max().unwrap_or(0);
        self.padded.clear();
        let mut rest = self.weights.as_slice();
        for (begin, count) in &mut self.spans {
            let (weights, tail) = rest.split_at(*count);
            rest = tail;
            let from = (*begin).min(end - most);
            let before = self.padded.len() + *begin - from;
            let after = self.padded.len() + most;
            self.padded.resize(before, 0);
            self.padded.extend_from_slice(weights);
            self.padded.resize(after, 0);
            (*begin, *count) = (from, most);
        }
        std::mem::swap(&mut self.padded, &mut self.weights);
        most
    }

    /// Spans with their weights.
    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let mut rest = self.weights.as_slice();
        self.spans.iter().map(move |&(begin, count)| {
            let (weights, tail) = rest.split_at(count);
            rest = tail;
            (begin, weights)
        })
    }
}

/// A piece of work: what is cut out of an image, what it becomes, and which part of that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The part of the image that is resized.
    pub region: Region,
    /// Width and height it is resized to.
    pub resized: (usize, usize),
    /// The wanted part of the result.
    pub window: Region,
}

impl Cut {
    /// How many times (1, 2, 4 or 8) an image may be shrunk in decoding so that resizing still
    /// makes it smaller.
    pub fn reduction(&self) -> usize {
        let factor = (self.region.width / self.resized.0.max(1))
            .min(self.region.height / self.resized.1.max(1));
        [8, 4, 2].into_iter().find(|&by| factor >= by).unwrap_or(1)
    }

    /// The pixels that the wanted part is computed from.
    pub fn needed(&self) -> Region {
        let (across, down) = self.axes(1, (0, 0));
        let extent = |axis: &Axis| {
            let mut taps = Taps::default();
            let last = axis.count.saturating_sub(1);
            for at in [0, last] {
                let mut end = Taps::default();
                end.compute(&Axis {
                    first: axis.first + at,
                    count: 1,
                    ..*axis
                });
                taps.spans.append(&mut end.spans);
            }
            let (begin, end) = taps.extent();
            (begin, end - begin)
        };
        let ((left, width), (top, height)) = (extent(&across), extent(&down));
        Region {
            left,
            top,
            width,
            height,
        }
    }

    fn axes(&self, reduction: usize, whole: (usize, usize)) -> (Axis, Axis) {
        let Self {
            region,
            resized,
            window,
        } = self;
        (
            Axis::new(
                (region.left, region.width),
                (reduction, whole.0),
                resized.0,
                (window.left, window.width),
            ),
            Axis::new(
                (region.top, region.height),
                (reduction, whole.1),
                resized.1,
                (window.top, window.height),
            ),
        )
    }
}

/// Resizes images, keeping its buffers between calls.
#[derive(Debug, Default)]
pub struct Resizer {
    horizontal: Taps,
    vertical: Taps,
    rows: Vec<u8>,
    /// The last row of an image and a byte after it.
    last_row: Vec<u8>,
}

impl Resizer {
    /// Writes the wanted part of a cut to `out` (`[window.height, window.width, 3]`, cleared
    /// first). Only pixels that it needs are computed.
    ///
    /// The region must lie inside the image, the window inside the resized image, and `source` must
    /// hold the pixels [`Cut::needed`] names.
    pub fn resize(&mut self, source: &Part, cut: &Cut, out: &mut Vec<u8>) {
        let (across, down) = cut.axes(source.reduction, source.whole);
        self.horizontal.compute(&across);
        self.vertical.compute(&down);
        let (first, end) = self.vertical.extent();
        let width = cut.window.width * 3;
        // Pixels are written as four bytes.
        let stride = width + 1;
        let arch = pulp::Arch::new();

        self.rows.clear();
        self.rows.resize((end - first) * stride, 0);
        if across.is_kept() {
            let from = (self.horizontal.extent().0 - source.left) * 3;
            for (y, to) in (first..end).zip(self.rows.chunks_exact_mut(stride)) {
                let row = source.image.row(y - source.top);
                to[..width].copy_from_slice(&row[from..][..width]);
            }
        } else {
            let count = self.horizontal.make_uniform();
            let mut pass = HorizontalPass {
                source,
                taps: &self.horizontal,
                first,
                stride,
                last_row: &mut self.last_row,
                out: &mut self.rows,
            };
            arch.dispatch(
                #[inline(always)]
                || pass.run(count),
            );
        }

        out.clear();
        if down.is_kept() {
            let rows = self.rows.chunks_exact(stride);
            rows.for_each(|row| out.extend_from_slice(&row[..width]));
            return;
        }
        out.resize(cut.window.height * width, 0);
        let (vertical, rows) = (&self.vertical, &self.rows);
        arch.dispatch(
            #[inline(always)]
            || vertical_pass(rows, (stride, width), first, vertical, out),
        );
    }
}

/// All rows that the vertical pass needs.
struct HorizontalPass<'a> {
    source: &'a Part,
    taps: &'a Taps,
    /// Row of the image that the first row of `out` comes from.
    first: usize,
    stride: usize,
    last_row: &'a mut Vec<u8>,
    out: &'a mut [u8],
}

impl HorizontalPass<'_> {
    #[inline(always)]
    fn run(&mut self, count: usize) {
        match count {
            2 => self.with_taps::<2>(),
            3 => self.with_taps::<3>(),
            4 => self.with_taps::<4>(),
            5 => self.with_taps::<5>(),
            6 => self.with_taps::<6>(),
            _ => self.with_any_taps(count),
        }
    }

    #[inline(always)]
    fn with_taps<const N: usize>(&mut self) {
        let (weights, _) = self.taps.weights.as_chunks::<N>();
        self.rows(|row, begin, place| {
            let pixels = &row[begin * 3..][..N * 3 + 1];
            let mut sums = [HALF; 4];
            for (tap, &weight) in weights[place].iter().enumerate() {
                add(&mut sums, weight, &pixels[tap * 3..tap * 3 + 4]);
            }
            sums
        });
    }

    #[inline(always)]
    fn with_any_taps(&mut self, count: usize) {
        let weights = self.taps.weights.as_slice();
        self.rows(|row, begin, place| {
            let pixels = &row[begin * 3..][..count * 3 + 1];
            let mut sums = [HALF; 4];
            for (tap, &weight) in weights[place * count..][..count].iter().enumerate() {
                add(&mut sums, weight, &pixels[tap * 3..tap * 3 + 4]);
            }
            sums
        });
    }

    /// Calls `sums` with each row, and with the first tap and the place of each of its outputs. A
    /// byte can be read after the last pixel of a row.
    #[inline(always)]
    fn rows(&mut self, sums: impl Fn(&[u8], usize, usize) -> [i32; 4]) {
        let Part {
            image, left, top, ..
        } = self.source;
        for (number, out) in self.out.chunks_exact_mut(self.stride).enumerate() {
            let y = self.first + number - top;
            let mut row = image.from_row(y);
            if y + 1 == image.height() {
                self.last_row.clear();
                self.last_row.extend_from_slice(row);
                self.last_row.push(0);
                row = self.last_row;
            }
            for (place, &(begin, _)) in self.taps.spans.iter().enumerate() {
                let bytes = sums(row, begin - left, place).map(to_byte);
                out[place * 3..place * 3 + 4].copy_from_slice(&bytes);
            }
        }
    }
}

#[inline(always)]
fn add(sums: &mut [i32; 4], weight: i32, pixel: &[u8]) {
    for (sum, &value) in sums.iter_mut().zip(pixel) {
        *sum += weight * i32::from(value);
    }
}

/// Values computed side by side.
const LANES: usize = 32;

/// All rows of the result from `rows`, which start with row `first`.
#[inline(always)]
fn vertical_pass(
    rows: &[u8],
    (stride, width): (usize, usize),
    first: usize,
    taps: &Taps,
    out: &mut [u8],
) {
    for ((begin, weights), out) in taps.iter().zip(out.chunks_exact_mut(width)) {
        let rows = &rows[(begin - first) * stride..];
        let (chunks, rest) = out.as_chunks_mut::<LANES>();
        for (place, chunk) in chunks.iter_mut().enumerate() {
            *chunk = weighted(rows, place * LANES, stride, weights);
        }
        let done = chunks.len() * LANES;
        for (place, value) in rest.iter_mut().enumerate() {
            [*value] = weighted(rows, done + place, stride, weights);
        }
    }
}

/// The weighted sums of `N` values from `at` on, over rows `stride` apart.
#[inline(always)]
fn weighted<const N: usize>(rows: &[u8], at: usize, stride: usize, weights: &[i32]) -> [u8; N] {
    let mut sums = [HALF; N];
    for (row, &weight) in weights.iter().enumerate() {
        let values = &rows[row * stride + at..][..N];
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += weight * i32::from(value);
        }
    }
    sums.map(to_byte)
}

#[expect(clippy::cast_sign_loss, reason = "clamped to 0..=255")]
#[inline(always)]
fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Resizes a whole image to `width` x `height`, both at least 1.
pub fn resize(source: &RgbImage, width: usize, height: usize) -> RgbImage {
    let mut pixels = Vec::new();
    let window = Region {
        left: 0,
        top: 0,
        width,
        height,
    };
    let cut = Cut {
        region: source.region(),
        resized: (width, height),
        window,
    };
    Resizer::default().resize(&source.clone().into(), &cut, &mut pixels);
    RgbImage::new(width, height, pixels).unwrap_or_else(|| source.clone())
}
