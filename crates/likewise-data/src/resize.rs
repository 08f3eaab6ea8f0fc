//! Bilinear resampling with area-scaled support, bit for bit as Pillow up to 12.0 does it: a
//! plain 2x2 bilinear filter shifts Recall@1, so pixels must match those the field trains on.
//! Horizontal pass first, rounded to 8 bits, then the vertical one; 22-bit integer weights.

use crate::rgb::{Region, RgbImage};

const PRECISION: u32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);

/// Weights of the input pixels under each output pixel of one axis.
#[derive(Debug, Default)]
struct Taps {
    /// First input pixel and number of taps, per output pixel.
    spans: Vec<(usize, usize)>,
    /// Weights of all output pixels, one after the other.
    weights: Vec<i32>,
    exact: Vec<f64>,
}

impl Taps {
    /// Computes the taps of outputs `first..first + count` of an axis resized from `input` to
    /// `output` pixels.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "image sides are far below 2^52; truncation is part of the algorithm"
    )]
    fn compute(&mut self, input: usize, output: usize, first: usize, count: usize) {
        self.spans.clear();
        self.weights.clear();
        if input == output {
            // One tap of weight one: an axis that keeps its size is left untouched.
            self.spans.extend((first..first + count).map(|at| (at, 1)));
            self.weights.resize(count, 1 << PRECISION);
            return;
        }
        let scale = input as f64 / output as f64;
        let support = scale.max(1.0);
        for at in first..first + count {
            let centre = (at as f64 + 0.5) * scale;
            let begin = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(input);
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
            self.spans.push((begin, end - begin));
        }
    }

    /// Input pixels that any tap reads: first and one past the last.
    fn extent(&self) -> (usize, usize) {
        let begin = self.spans.first().map_or(0, |span| span.0);
        let end = self.spans.last().map_or(0, |span| span.0 + span.1);
        (begin, end)
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

/// Resizes images, keeping its buffers between calls.
#[derive(Debug, Default)]
pub struct Resizer {
    horizontal: Taps,
    vertical: Taps,
    rows: Vec<u8>,
    sums: Vec<i32>,
}

impl Resizer {
    /// Crops `source` to `region`, resizes the crop to `width` x `height` and writes the part
    /// `window` of the result to `out` (`[window.height, window.width, 3]`, cleared first). Only
    /// pixels that the window needs are computed.
    ///
    /// `region` must lie inside `source` and `window` inside the resized image.
    pub fn resize(
        &mut self,
        source: &RgbImage,
        region: Region,
        (width, height): (usize, usize),
        window: Region,
        out: &mut Vec<u8>,
    ) {
        debug_assert!(region.left + region.width <= source.width());
        debug_assert!(region.top + region.height <= source.height());
        debug_assert!(window.left + window.width <= width && window.top + window.height <= height);
        self.horizontal
            .compute(region.width, width, window.left, window.width);
        self.vertical
            .compute(region.height, height, window.top, window.height);
        let (first, end) = self.vertical.extent();

        self.rows.clear();
        for y in first..end {
            let row = &source.row(region.top + y)[region.left * 3..][..region.width * 3];
            if region.width == width {
                self.rows
                    .extend_from_slice(&row[window.left * 3..][..window.width * 3]);
            } else {
                horizontal_pass(row, &self.horizontal, &mut self.rows);
            }
        }

        let stride = window.width * 3;
        out.clear();
        if region.height == height {
            out.extend_from_slice(&self.rows);
            return;
        }
        for (begin, weights) in self.vertical.iter() {
            self.sums.clear();
            self.sums.resize(stride, HALF);
            let rows = self.rows[(begin - first) * stride..].chunks_exact(stride);
            for (row, &weight) in rows.zip(weights) {
                for (sum, &value) in self.sums.iter_mut().zip(row) {
                    *sum += weight * i32::from(value);
                }
            }
            out.extend(self.sums.iter().map(|&sum| to_byte(sum)));
        }
    }
}

fn horizontal_pass(row: &[u8], taps: &Taps, out: &mut Vec<u8>) {
    for (begin, weights) in taps.iter() {
        let mut sums = [HALF; 3];
        for (pixel, &weight) in row[begin * 3..].chunks_exact(3).zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += weight * i32::from(value);
            }
        }
        out.extend_from_slice(&sums.map(to_byte));
    }
}

#[expect(clippy::cast_sign_loss, reason = "clamped to 0..=255")]
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
    Resizer::default().resize(
        source,
        source.region(),
        (width, height),
        window,
        &mut pixels,
    );
    RgbImage::new(width, height, pixels).unwrap_or_else(|| source.clone())
}
