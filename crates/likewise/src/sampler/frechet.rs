//! Fréchet distance matching (FRD, Roth et al. 2020): of several random batches, the one whose
//! normal distribution is nearest to that of a large pool (Dowson and Landau 1982).

use nalgebra::{DMatrix, SymmetricEigen};
use serde::{Deserialize, Serialize};

use super::candidates::{candidate, cheapest};
use super::moments::Moments;
use super::points::Points;
use super::pool::Pool;
use super::sizes::{check_batch, check_pool};
use super::{BankSettings, BatchSampler, Draw};
use crate::{Result, check};

/// The nearest of several random batches out of a pool, by the Fréchet distance of normal
/// distributions, ‖μ* − μ‖² + tr Σ* + tr Σ − 2 tr (A^½ B A^½)^½ with A = Σ* + εI, B = Σ + εI.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Frechet {
    /// Images in a batch, B.
    pub batch_size: usize,
    /// Images of each class drawn, n; divides B.
    pub samples_per_class: usize,
    /// Images in the pool, drawn class by class anew for each batch; at least B.
    pub pool_size: usize,
    /// Batches compared; at least 1.
    pub candidates: usize,
    /// ε: added to the diagonals of both covariances; at least 0. With 0 the distance is exact,
    /// and faster where embeddings have more dimensions than the batch images.
    pub epsilon: f64,
    /// Project the pool's embeddings to so many random dimensions, drawn anew for each batch.
    pub projection_dim: Option<usize>,
    /// How the memory bank is kept.
    pub bank: BankSettings,
}

impl Default for Frechet {
    fn default() -> Self {
        Self {
            batch_size: 112,
            samples_per_class: 2,
            pool_size: 512,
            candidates: 10,
            epsilon: 0.0,
            projection_dim: None,
            bank: BankSettings::default(),
        }
    }
}

impl BatchSampler for Frechet {
    fn validate(&self) -> Result<()> {
        check_batch(self.batch_size, self.samples_per_class)?;
        check::number("sampler.candidates", self.candidates as f64, 1.0..)?;
        check::number("sampler.epsilon", self.epsilon, 0.0..)?;
        let Self { projection_dim, .. } = *self;
        check_pool(self.pool_size, self.batch_size, projection_dim, &self.bank)
    }

    fn bank(&self) -> Option<&BankSettings> {
        Some(&self.bank)
    }

    fn draw(&self, draw: &Draw<'_>) -> Result<Vec<usize>> {
        let rng = &mut draw.choices();
        let n = self.samples_per_class;
        let pool = Pool::by_class(draw, self.pool_size, n, self.projection_dim, rng)?;
        let classes = pool.groups(draw, n);
        let target = Target::new(&pool.points, self.batch_size, self.epsilon);
        let best = cheapest(
            self.candidates,
            || candidate(&classes, self.batch_size / n, n, rng),
            |rows| target.distance(rows),
        );
        Ok(pool.images_at(&best))
    }
}

/// The distribution of a pool, prepared for many comparisons.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    pool: &'a Points,
    moments: Moments,
    epsilon: f64,
    form: Form,
}

/// Two matrices have the eigenvalues of A·B, apart from zeros. The one of the candidate's rows is
/// smaller when it has few, but exists only without ε; either keeps what it needs of the pool.
#[derive(Clone, Debug)]
enum Form {
    /// Σ* (`[D, D]`), for Yᵀ Σ* Y / (m − 1) of the m centred rows Y.
    Rows(DMatrix<f64>),
    /// A and A^½, for A^½ B A^½.
    Coordinates { a: DMatrix<f64>, root: DMatrix<f64> },
}

impl<'a> Target<'a> {
    /// The target of all rows of `pool`, for candidates of about `candidate_rows` rows (the number
    /// decides how fast they are compared, not the result) and ε ≥ 0.
    pub fn new(pool: &'a Points, candidate_rows: usize, epsilon: f64) -> Self {
        let moments = Moments::of(pool, &pool.all());
        let mut a = moments.covariance();
        let form = if epsilon == 0.0 && candidate_rows <= pool.dimension() {
            Form::Rows(a)
        } else {
            for axis in 0..a.nrows() {
                a[(axis, axis)] += epsilon;
            }
            let root = square_root(&a);
            Form::Coordinates { a, root }
        };
        Self {
            pool,
            moments,
            epsilon,
            form,
        }
    }

    /// The distance from the candidate batch of these `rows` (at least one; covariances are
    /// divided by their number less 1).
    pub fn distance(&self, rows: &[usize]) -> f64 {
        let candidate = Moments::of(self.pool, rows);
        let difference = (&self.moments.mean - &candidate.mean).norm_squared();
        difference + self.moments.variance() + candidate.variance()
            - 2.0 * self.trace_of_root(&candidate)
    }

    fn trace_of_root(&self, candidate: &Moments) -> f64 {
        let centred = &candidate.centred;
        let product = match &self.form {
            Form::Rows(covariance) => {
                centred.transpose() * (covariance * centred) / candidate.freedom()
            }
            Form::Coordinates { a, root } => {
                let turned = root * centred;
                &turned * turned.transpose() / candidate.freedom() + a * self.epsilon
            }
        };
        // Rounding makes eigenvalues of a singular matrix slightly negative.
        product
            .symmetric_eigenvalues()
            .iter()
            .map(|value| value.max(0.0).sqrt())
            .sum()
    }
}

/// The square root of a symmetric matrix without negative eigenvalues.
fn square_root(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    let SymmetricEigen {
        eigenvectors,
        eigenvalues,
    } = SymmetricEigen::new(matrix.clone());
    let mut scaled = eigenvectors.clone();
    for (mut vector, value) in scaled.column_iter_mut().zip(&eigenvalues) {
        vector *= value.max(0.0).sqrt();
    }
    scaled * eigenvectors.transpose()
}
