//! Mean, spread and covariance of rows of a pool.

use nalgebra::{DMatrix, DVector};

use super::points::Points;

/// Some rows of a pool around their mean.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    /// μ, `[D]`.
    pub mean: DVector<f64>,
    /// The rows less μ, as columns: `[D, m]`.
    pub centred: DMatrix<f64>,
}

impl Moments {
    /// Those of the `rows`, at least one; a row may come more than once.
    pub fn of(points: &Points, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|&row| points.row(row)).copied();
        let mut centred = DMatrix::from_iterator(points.dimension(), rows.len(), values);
        let mean = centred.column_mean();
        for mut sample in centred.column_iter_mut() {
            sample -= &mean;
        }
        Self { mean, centred }
    }

    /// Number of rows m.
    pub fn count(&self) -> usize {
        self.centred.ncols()
    }

    /// Population standard deviation of each coordinate (squares divided by m), `[D]`.
    pub fn std(&self) -> DVector<f64> {
        let mut sums = DVector::zeros(self.centred.nrows());
        for sample in self.centred.column_iter() {
            sums += sample.component_mul(&sample);
        }
        sums.map(|sum: f64| (sum / self.count() as f64).sqrt())
    }

    /// Σ, `[D, D]`, divided by m − 1; zero for a single row.
    pub fn covariance(&self) -> DMatrix<f64> {
        &self.centred * self.centred.transpose() / self.freedom()
    }

    /// tr Σ.
    pub fn variance(&self) -> f64 {
        self.centred.norm_squared() / self.freedom()
    }

    /// What squares are divided by: m − 1, at least 1.
    pub fn freedom(&self) -> f64 {
        (self.count().max(2) - 1) as f64
    }
}
