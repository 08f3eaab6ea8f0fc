//! The coordinates in which scores are computed in single precision: moved to the mean of the
//! gallery and scaled, so that rounding errors are small beside the differences of scores, however
//! far the rows lie from the origin and however large they are.

use super::rows::Rows;
use crate::score::Score;

/// Unit roundoff of single precision.
const ROUNDOFF: f64 = 1.0 / (1u64 << 24) as f64;

/// Components whose products are added up before their sum is added to that of the others; keeps
/// rounding errors small.
pub const DEPTH: usize = 64;

/// A shift and a scale. In them the *offset* of a row y from a query q is
/// `bias(y) − ⟨q, y⟩`, a linear function of their score with a slope that all queries share.
pub struct Frame {
    centre: Vec<f64>,
    scale: f64,
    score: Score,
}

/// What is known of a row in the frame beside its components.
#[derive(Clone, Copy)]
pub struct Placed {
    /// Norm of the row.
    pub norm: f64,
    /// Part of its offsets that does not depend on the query.
    pub bias: f64,
    /// Offset less slope times score for this row as a query.
    pub constant: f64,
}

impl Frame {
    /// The frame for scores of `queries` against `gallery`.
    pub fn new(queries: Rows<'_>, gallery: Rows<'_>, score: Score) -> Self {
        let mut centre = vec![0.0; gallery.dim()];
        let mut row = vec![0.0; gallery.dim()];
        for index in 0..gallery.len() {
            gallery.read(index, &mut row);
            centre.iter_mut().zip(&row).for_each(|(sum, x)| *sum += x);
        }
        centre
            .iter_mut()
            .for_each(|sum| *sum /= gallery.len().max(1) as f64);
        let mut radius = 0.0f64;
        for rows in [queries, gallery] {
            for index in 0..rows.len() {
                rows.read(index, &mut row);
                let squares = row.iter().zip(&centre).map(|(x, c)| (x - c).powi(2));
                radius = radius.max(squares.sum::<f64>());
            }
        }
        // A power of two changes no digit.
        let scale = if radius > 0.0 {
            (-0.5 * radius.log2()).floor().exp2()
        } else {
            1.0
        };
        Self {
            centre,
            scale,
            score,
        }
    }

    /// Places a row, whose components times `sign` are rounded into `values`.
    pub fn place(&self, row: &[f64], sign: f64, values: &mut [f32]) -> Placed {
        let (mut squares, mut along) = (0.0, 0.0);
        for ((x, c), value) in row.iter().zip(&self.centre).zip(values) {
            let moved = (x - c) * self.scale;
            squares += moved * moved;
            along += moved * c * self.scale;
            *value = (sign * moved) as f32;
        }
        let (bias, constant) = match self.score {
            Score::SquaredEuclidean => (0.5 * squares, -0.5 * squares),
            Score::Cosine => {
                let centre = self.centre.iter().map(|c| (c * self.scale).powi(2));
                (-along, along + centre.sum::<f64>())
            }
        };
        Placed {
            norm: squares.sqrt(),
            bias,
            constant,
        }
    }

    /// Change of the offset with the score.
    pub fn slope(&self) -> f64 {
        match self.score {
            Score::SquaredEuclidean => 0.5 * self.scale * self.scale,
            Score::Cosine => self.scale * self.scale,
        }
    }

    /// How far an offset computed in single precision, with partial sums over [`DEPTH`]
    /// components, is from the true one at most: for a query of norm `query`, rows of norms up to
    /// `row` and biases up to `bias`. Standard bounds (Higham 2002, Accuracy and Stability of
    /// Numerical Algorithms, 3.1), with room for the rounding of the comparison itself.
    pub fn error(&self, query: f64, row: f64, bias: f64) -> f64 {
        let sums = self.centre.len().div_ceil(DEPTH);
        let products = (DEPTH.min(self.centre.len()) + sums + 6) as f64 * query * row;
        let biases = (sums + 5) as f64 * bias;
        let norms = self.centre.iter().map(|c| (c * self.scale).powi(2));
        let largest = norms.sum::<f64>() + query * query + row * row;
        1.02 * ROUNDOFF * (products + biases) + 1e-13 * largest
    }
}
