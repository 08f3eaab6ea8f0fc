//! Embeddings as the bank samplers see them: a few hundred rows, in double precision.

use nalgebra::{DMatrix, DMatrixView};

use crate::{Error, Result};

/// Rows of coordinates, `[n, D]`, all finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    values: Vec<f64>,
    dimension: usize,
}

impl Points {
    /// The rows of row-major `values`.
    ///
    /// # Errors
    /// [`Error::Data`] when they are not one or more whole rows of `dimension` coordinates, and
    /// [`Error::NotFinite`] naming the first value that is not finite.
    pub fn new(values: &[f32], dimension: usize) -> Result<Self> {
        if dimension == 0 || values.is_empty() || !values.len().is_multiple_of(dimension) {
            return Err(Error::Data(format!(
                "{} values are not one or more whole rows of dimension {dimension}",
                values.len()
            )));
        }
        Self::gather(values.chunks_exact(dimension).enumerate(), dimension)
    }

    /// The given rows of `dimension` coordinates, each with the number errors call it by.
    pub(super) fn gather<'a>(
        rows: impl Iterator<Item = (usize, &'a [f32])>,
        dimension: usize,
    ) -> Result<Self> {
        let mut values = Vec::new();
        for (number, row) in rows {
            if let Some(value) = row.iter().find(|value| !value.is_finite()) {
                return Err(Error::NotFinite(format!(
                    "embedding {number} holds {value}, so that no batch can be chosen by distances: \
                     the network has diverged or its input is not finite"
                )));
            }
            values.extend(row.iter().map(|&value| f64::from(value)));
        }
        Ok(Self { values, dimension })
    }

    pub(super) fn from_matrix(samples: &DMatrix<f64>) -> Self {
        Self {
            values: samples.as_slice().to_vec(),
            dimension: samples.nrows(),
        }
    }

    /// Number of rows n.
    pub fn len(&self) -> usize {
        self.values.len() / self.dimension
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Number of coordinates D.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The coordinates of a row below n.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.dimension..][..self.dimension]
    }

    /// The rows as columns of a D×n matrix.
    pub(super) fn as_columns(&self) -> DMatrixView<'_, f64> {
        DMatrixView::from_slice(&self.values, self.dimension, self.len())
    }

    /// Row numbers of all rows.
    pub(super) fn all(&self) -> Vec<usize> {
        (0..self.len()).collect()
    }
}

const LANES: usize = 8;

/// Squared Euclidean distance of two rows of equal length; exactly 0 for equal rows. Eight
/// running sums, so that the loop vectorises with an order of additions that never varies.
pub(super) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let (a_groups, a_rest) = a.as_chunks::<LANES>();
    let (b_groups, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_groups.iter().zip(b_groups) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    let rest: f64 = a_rest
        .iter()
        .zip(b_rest)
        .map(|(a, b)| (a - b) * (a - b))
        .sum();
    sums.iter().sum::<f64>() + rest
}
