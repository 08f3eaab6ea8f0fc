//! Rows as exact search sees them: numbers of single or double precision, read in double precision,
//! as they are or divided by their norm. Scores are sums of double precision in a fixed order, so
//! that equal rows have equal scores, on every processor.

use crate::score::Score;

/// Stands for the gallery row of a query that is not in the gallery.
pub const NOT_IN_GALLERY: u32 = u32::MAX;

/// Partial sums of a score.
const LANES: usize = 8;

/// Rows of a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    values: Values<'a>,
    dim: usize,
    /// What each row is divided by.
    norms: Option<&'a [f64]>,
}

#[derive(Clone, Copy, Debug)]
enum Values<'a> {
    Single(&'a [f32]),
    Double(&'a [f64]),
}

impl<'a> Rows<'a> {
    /// The rows of `values`, row-major `[N, dim]`, finite, `dim` at least 1.
    pub fn new(values: &'a [f32], dim: usize) -> Self {
        Self {
            values: Values::Single(values),
            dim,
            norms: None,
        }
    }

    /// The same from double precision.
    pub fn double(values: &'a [f64], dim: usize) -> Self {
        Self {
            values: Values::Double(values),
            dim,
            norms: None,
        }
    }

    /// These rows, each divided by its one of `norms` (see [`norms`]).
    pub fn divided(self, norms: &'a [f64]) -> Self {
        Self {
            norms: Some(norms),
            ..self
        }
    }

    /// Components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        let count = match self.values {
            Values::Single(values) => values.len(),
            Values::Double(values) => values.len(),
        };
        count / self.dim
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes `row` into `output` (of `dim` elements).
    pub fn read(&self, row: usize, output: &mut [f64]) {
        let range = row * self.dim..(row + 1) * self.dim;
        let norm = self.norm(row);
        match self.values {
            Values::Single(values) => {
                for (output, &value) in output.iter_mut().zip(&values[range]) {
                    *output = f64::from(value) / norm;
                }
            }
            Values::Double(values) => {
                for (output, &value) in output.iter_mut().zip(&values[range]) {
                    *output = value / norm;
                }
            }
        }
    }

    /// Score of `row` against `query` (of `dim` elements).
    pub fn score(&self, query: &[f64], row: usize, score: Score) -> f64 {
        let range = row * self.dim..(row + 1) * self.dim;
        let norm = self.norm(row);
        let total = match self.values {
            Values::Single(values) => total(query, &values[range], norm, score),
            Values::Double(values) => total(query, &values[range], norm, score),
        };
        // Zeros of both signs are the same score.
        total + 0.0
    }

    fn norm(&self, row: usize) -> f64 {
        self.norms.map_or(1.0, |norms| norms[row])
    }
}

/// The gallery row of `query` itself.
pub(super) fn own_row(own: Option<&[u32]>, query: u32) -> Option<u32> {
    own.map(|own| own[query as usize])
        .filter(|&row| row != NOT_IN_GALLERY)
}

/// Euclidean norm of each row of `values` `[N, dim]`; 1 for zero rows.
pub fn norms(values: &[f32], dim: usize) -> Vec<f64> {
    let norm = |row: &[f32]| {
        let norm = row
            .iter()
            .map(|&value| f64::from(value).powi(2))
            .sum::<f64>()
            .sqrt();
        if norm > 0.0 { norm } else { 1.0 }
    };
    values.chunks_exact(dim).map(norm).collect()
}

fn total<T: Copy + Into<f64>>(query: &[f64], row: &[T], norm: f64, score: Score) -> f64 {
    // Divisions take longer than all the rest.
    if norm == 1.0 {
        return match score {
            Score::SquaredEuclidean => sum(query, row, |q, x| square(q - x.into())),
            Score::Cosine => -sum(query, row, |q, x| q * x.into()),
        };
    }
    match score {
        Score::SquaredEuclidean => sum(query, row, |q, x| square(q - x.into() / norm)),
        Score::Cosine => -sum(query, row, |q, x| q * (x.into() / norm)),
    }
}

fn square(x: f64) -> f64 {
    x * x
}

#[inline(always)]
fn sum<T: Copy>(query: &[f64], row: &[T], term: impl Fn(f64, T) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (queries, query_rest) = query.as_chunks::<LANES>();
    let (rows, row_rest) = row.as_chunks::<LANES>();
    for (query, row) in queries.iter().zip(rows) {
        for ((lane, &q), &x) in lanes.iter_mut().zip(query).zip(row) {
            *lane += term(q, x);
        }
    }
    for ((lane, &q), &x) in lanes.iter_mut().zip(query_rest).zip(row_rest) {
        *lane += term(q, x);
    }
    lanes.iter().sum()
}
