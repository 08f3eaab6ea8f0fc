//! D² coreset (Roth et al. 2020, reference code): the seeds of a batch are drawn by density times
//! squared distance to the seeds before (D² weighting, Arthur and Vassilvitskii 2007), so that
//! they are typical of a random pool and apart from each other.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::classmates::fill_up;
use super::moments::Moments;
use super::points::{Points, squared_distance};
use super::pool::Pool;
use super::sizes::{check_batch, check_pool};
use super::{BankSettings, BatchSampler, Draw};
use crate::{Error, Result, check};

/// B/n images of a random pool, drawn with probability ∝ g · D^λ, then n − 1 random images of the
/// class of each. g is the density of a normal distribution fitted to the pool, D the sum of the
/// squared distances to the images drawn before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct D2Coreset {
    /// Images in a batch, B.
    pub batch_size: usize,
    /// Images for each seed with the seed itself, n; divides B.
    pub samples_per_class: usize,
    /// Images in the pool, drawn anew for each batch; at least B/n.
    pub pool_size: usize,
    /// λ: weight of distance against density; at least 0.
    pub lambda: f64,
    /// Added to the diagonal of the covariance, as a share of its mean; greater than 0.
    pub ridge: f64,
    /// Project the pool's embeddings to so many random dimensions, drawn anew for each batch.
    pub projection_dim: Option<usize>,
    /// How the memory bank is kept.
    pub bank: BankSettings,
}

impl Default for D2Coreset {
    fn default() -> Self {
        Self {
            batch_size: 112,
            samples_per_class: 2,
            pool_size: 512,
            lambda: 1.0,
            ridge: 1e-6,
            projection_dim: None,
            bank: BankSettings::default(),
        }
    }
}

impl BatchSampler for D2Coreset {
    fn validate(&self) -> Result<()> {
        check_batch(self.batch_size, self.samples_per_class)?;
        check::number("sampler.lambda", self.lambda, 0.0..)?;
        check::number("sampler.ridge", self.ridge, check::POSITIVE)?;
        let seeds = self.batch_size / self.samples_per_class;
        check_pool(self.pool_size, seeds, self.projection_dim, &self.bank)
    }

    fn bank(&self) -> Option<&BankSettings> {
        Some(&self.bank)
    }

    fn draw(&self, draw: &Draw<'_>) -> Result<Vec<usize>> {
        let rng = &mut draw.choices();
        let pool = Pool::uniform(draw, self.pool_size, self.projection_dim, rng)?;
        let moments = Moments::of(&pool.points, &pool.points.all());
        // A pool of equal rows has no variance to take a share of.
        let variance = moments.variance() / pool.points.dimension() as f64;
        let ridge = self.ridge * if variance > 0.0 { variance } else { 1.0 };
        let normal = Normal::from_moments(moments, ridge)?;
        let first = nearest(&pool.points, &normal.draw(rng));
        let log_density = normal.log_density(&pool.points);
        let mut spread = Spread::new(&pool.points, log_density, self.lambda, first);
        while spread.picks().len() < self.batch_size / self.samples_per_class {
            spread.pick(choose(&spread.probabilities(), rng));
        }
        let seeds = pool.images_at(spread.picks());
        Ok(fill_up(&seeds, self.samples_per_class, draw.index, rng))
    }
}

/// The row nearest to `point`, `[D]`; of equally near ones the first.
pub fn nearest(points: &Points, point: &[f64]) -> usize {
    let distance = |row: usize| squared_distance(points.row(row), point);
    (1..points.len())
        .fold((0, distance(0)), |best, row| {
            let found = distance(row);
            if found < best.1 { (row, found) } else { best }
        })
        .0
}

/// A normal distribution N(μ, Σ + ridge·I), fitted to rows; Σ is divided by n − 1.
#[derive(Clone, Debug)]
pub struct Normal {
    mean: DVector<f64>,
    cholesky: Cholesky<f64, Dyn>,
}

impl Normal {
    /// The distribution of all rows of `points`.
    ///
    /// # Errors
    /// [`Error::Recipe`] when Σ + `ridge`·I is not positive definite: `ridge` is too small.
    pub fn fit(points: &Points, ridge: f64) -> Result<Self> {
        Self::from_moments(Moments::of(points, &points.all()), ridge)
    }

    fn from_moments(moments: Moments, ridge: f64) -> Result<Self> {
        let mut covariance: DMatrix<f64> = moments.covariance();
        for axis in 0..covariance.nrows() {
            covariance[(axis, axis)] += ridge;
        }
        let cholesky = Cholesky::new(covariance).ok_or_else(|| {
            Error::Recipe(
                "the embeddings vary in too few directions for a density: raise sampler.ridge"
                    .into(),
            )
        })?;
        Ok(Self {
            mean: moments.mean,
            cholesky,
        })
    }

    /// log N(φ; μ, Σ + ridge·I) of each row φ, `[n]`.
    pub fn log_density(&self, points: &Points) -> Vec<f64> {
        let mut white = points.as_columns().into_owned();
        for mut sample in white.column_iter_mut() {
            sample -= &self.mean;
        }
        let triangle = self.cholesky.l_dirty();
        triangle.solve_lower_triangular_unchecked_mut(&mut white);
        let log_root_determinant: f64 = triangle.diagonal().map(f64::ln).sum();
        let dimension = self.mean.len() as f64;
        let constant = 0.5 * dimension * std::f64::consts::TAU.ln() + log_root_determinant;
        white
            .column_iter()
            .map(|sample| -0.5 * sample.norm_squared() - constant)
            .collect()
    }

    /// A point drawn from the distribution, `[D]`.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let standard = DVector::from_fn(self.mean.len(), |_, _| standard_normal(rng));
        let point = self.cholesky.l() * standard + &self.mean;
        point.as_slice().to_vec()
    }
}

/// Box and Muller's method; the first uniform number is in (0, 1].
fn standard_normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// A selection in progress: which rows are picked, and how likely the others are next.
#[derive(Clone, Debug)]
pub struct Spread<'a> {
    points: &'a Points,
    log_density: Vec<f64>,
    lambda: f64,
    picks: Vec<usize>,
    picked: Vec<bool>,
    distances: Vec<f64>,
}

impl<'a> Spread<'a> {
    /// Begins with one picked row; `log_density` has one value a row.
    pub fn new(points: &'a Points, log_density: Vec<f64>, lambda: f64, first: usize) -> Self {
        let mut spread = Self {
            points,
            log_density,
            lambda,
            picks: Vec::new(),
            picked: vec![false; points.len()],
            distances: vec![0.0; points.len()],
        };
        spread.pick(first);
        spread
    }

    /// Adds a row.
    pub fn pick(&mut self, row: usize) {
        let picked = self.points.row(row);
        for (other, distance) in self.distances.iter_mut().enumerate() {
            *distance += squared_distance(picked, self.points.row(other));
        }
        self.picks.push(row);
        self.picked[row] = true;
    }

    /// The rows picked so far, in order.
    pub fn picks(&self) -> &[usize] {
        &self.picks
    }

    /// log g + λ log D of each row, `[n]`; −∞ for picked rows.
    pub fn log_weights(&self) -> Vec<f64> {
        let weight = |row: usize| match self.picked[row] {
            true => f64::NEG_INFINITY,
            // 0 · log 0 would not be a number.
            false if self.lambda == 0.0 => self.log_density[row],
            false => self.log_density[row] + self.lambda * self.distances[row].ln(),
        };
        (0..self.points.len()).map(weight).collect()
    }

    /// Probability of each row to be the next, `[n]`. Where all rows left coincide with picked
    /// ones, they are equally likely; where none is left, all are 0.
    pub fn probabilities(&self) -> Vec<f64> {
        let log_weights = self.log_weights();
        let largest = log_weights
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = if largest > f64::NEG_INFINITY {
            log_weights
                .iter()
                .map(|weight| (weight - largest).exp())
                .collect()
        } else {
            let left = |&picked: &bool| f64::from(u8::from(!picked));
            self.picked.iter().map(left).collect()
        };
        let sum: f64 = weights.iter().sum();
        weights
            .iter()
            .map(|weight| if sum > 0.0 { weight / sum } else { 0.0 })
            .collect()
    }
}

/// A row drawn with these probabilities, at least one of them above 0.
fn choose(probabilities: &[f64], rng: &mut ChaCha8Rng) -> usize {
    let mut left = rng.random::<f64>();
    let mut chosen = 0;
    for (row, &probability) in probabilities.iter().enumerate() {
        if probability > 0.0 {
            // Rounding may leave a rest after the last row: it stays the choice.
            chosen = row;
            if left < probability {
                break;
            }
            left -= probability;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn draws_have_the_mean_and_covariance_of_the_distribution() {
        let points = Points::new(&[0.0, 0.0, 2.0, 1.0, 4.0, 0.0, 2.0, 3.0], 2).unwrap();
        let normal = Normal::fit(&points, 0.5).unwrap();
        let mut rng = stream(0, Purpose::BatchSampler, 0, 0, 0);
        let draws: Vec<Vec<f64>> = (0..40_000).map(|_| normal.draw(&mut rng)).collect();
        let mean_of = |value: &dyn Fn(&[f64]) -> f64| {
            draws.iter().map(|draw| value(draw)).sum::<f64>() / draws.len() as f64
        };
        // Σ = [[8/3, 0], [0, 2]] of the four rows, plus the ridge; μ = (2, 1).
        for (value, expected) in [
            (mean_of(&|x| x[0]), 2.0),
            (mean_of(&|x| x[1]), 1.0),
            (mean_of(&|x| (x[0] - 2.0).powi(2)), 8.0 / 3.0 + 0.5),
            (mean_of(&|x| (x[1] - 1.0).powi(2)), 2.5),
            (mean_of(&|x| (x[0] - 2.0) * (x[1] - 1.0)), 0.0),
        ] {
            assert!((value - expected).abs() < 0.08, "{value} for {expected}");
        }
    }

    #[test]
    fn choices_have_their_probabilities_and_impossible_rows_never_come() {
        let mut rng = stream(0, Purpose::BatchSampler, 0, 0, 0);
        let probabilities = [0.0, 0.5, 0.0, 0.2, 0.3, 0.0];
        let mut counts = [0u32; 6];
        for _ in 0..10_000 {
            counts[choose(&probabilities, &mut rng)] += 1;
        }
        assert_eq!((counts[0], counts[2], counts[5]), (0, 0, 0));
        let chi_square: f64 = [1, 3, 4]
            .iter()
            .map(|&row| {
                let expected = 1e4 * probabilities[row];
                (f64::from(counts[row]) - expected).powi(2) / expected
            })
            .sum();
        assert!(chi_square < 13.8, "chi-square {chi_square}, p < 0.001");
    }
}
