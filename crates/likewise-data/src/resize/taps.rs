//! Which pixels an output pixel is made of, and how much of each.

use super::PRECISION;

/// An axis to be resized, and which outputs are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
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
    pub first: usize,
    /// Number of wanted ones.
    pub count: usize,
}

impl Axis {
    /// `length` pixels from `from` on become `output`. In an image shrunk by `reduction` to `whole`
    /// pixels the stretch begins and ends between pixels, and taps may reach over its ends.
    #[expect(clippy::cast_precision_loss, reason = "image sides are far below 2^52")]
    pub fn new(
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
    pub fn is_kept(&self) -> bool {
        self.origin == 0.0 && self.length == self.output as f64
    }
}

/// Weights of the input pixels under each output pixel of one axis.
#[derive(Debug, Default)]
pub(super) struct Taps {
    /// First input pixel and number of taps, per output pixel.
    pub spans: Vec<(usize, usize)>,
    /// Weights of all output pixels, one after the other.
    pub weights: Vec<i32>,
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
    pub fn compute(&mut self, axis: &Axis) {
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
    pub fn extent(&self) -> (usize, usize) {
        let begin = self.spans.first().map_or(0, |span| span.0);
        let end = self.spans.last().map_or(0, |span| span.0 + span.1);
        (begin, end)
    }

    /// Gives all outputs as many taps, with weights of zero: loops of known length are what vector
    /// code is made of. No pixel outside of [`Self::extent`] is read for it.
    pub fn make_uniform(&mut self) -> usize {
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
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let mut rest = self.weights.as_slice();
        self.spans.iter().map(move |&(begin, count)| {
            let (weights, tail) = rest.split_at(count);
            rest = tail;
            (begin, weights)
        })
    }
}
