//! Distance distribution matching (DDM, Roth et al. 2020): of several random batches, the one
//! whose pairwise distances are spread most like those of a large pool.

use nalgebra::DVector;
use serde::{Deserialize, Serialize};

use super::candidates::{candidate, cheapest};
use super::moments::Moments;
use super::points::{Points, squared_distance};
use super::pool::Pool;
use super::sizes::{check_batch, check_pool};
use super::{BankSettings, BatchSampler, Draw};
use crate::{Result, check};

/// All pairs of the pool are kept, so that its size is bounded.
const MAX_POOL: usize = 4096;

/// The cheapest of several random batches out of a pool, by the cost
/// ‖μ* − μ‖ + ‖σ* − σ‖ + 2w·W₁(h*, h) of mean, standard deviation and histogram of distances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DistanceHistogram {
    /// Images in a batch, B.
    pub batch_size: usize,
    /// Images of each class drawn, n; divides B.
    pub samples_per_class: usize,
    /// Images in the pool, drawn class by class anew for each batch; from B to 4096.
    pub pool_size: usize,
    /// Batches compared; at least 1.
    pub candidates: usize,
    /// Bins of the histograms, from 1 to 65535.
    pub bins: usize,
    /// w: weight of the Wasserstein distance of the histograms, which counts twice; at least 0.
    pub wasserstein_weight: f64,
    /// Project the pool's embeddings to so many random dimensions, drawn anew for each batch.
    pub projection_dim: Option<usize>,
    /// How the memory bank is kept.
    pub bank: BankSettings,
}

impl Default for DistanceHistogram {
    fn default() -> Self {
        Self {
            batch_size: 112,
            samples_per_class: 2,
            pool_size: 512,
            candidates: 10,
            bins: 50,
            wasserstein_weight: 75.0,
            projection_dim: None,
            bank: BankSettings::default(),
        }
    }
}

impl BatchSampler for DistanceHistogram {
    fn validate(&self) -> Result<()> {
        check_batch(self.batch_size, self.samples_per_class)?;
        check::number("sampler.candidates", self.candidates as f64, 1.0..)?;
        let bins = 1.0..=f64::from(u16::MAX);
        check::number("sampler.bins", self.bins as f64, bins)?;
        check::number("sampler.wasserstein_weight", self.wasserstein_weight, 0.0..)?;
        let largest = 0.0..=MAX_POOL as f64;
        check::number("sampler.pool_size", self.pool_size as f64, largest)?;
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
        let profile = Profile::new(&pool.points, self.bins);
        let best = cheapest(
            self.candidates,
            || candidate(&classes, self.batch_size / n, n, rng),
            |rows| profile.cost(rows).total(self.wasserstein_weight),
        );
        Ok(pool.images_at(&best))
    }
}

/// The terms by which a candidate differs from its pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// ‖μ* − μ‖ of the means.
    pub mean: f64,
    /// ‖σ* − σ‖ of the population standard deviations, coordinate by coordinate.
    pub std: f64,
    /// W₁ of the histograms of distances: bin width times Σ|CDF* − CDF|, in units of distance.
    pub wasserstein: f64,
}

impl Cost {
    /// The sum; W₁ counts once in each direction.
    pub fn total(&self, wasserstein_weight: f64) -> f64 {
        self.mean + self.std + 2.0 * wasserstein_weight * self.wasserstein
    }
}

/// What candidates are compared with. Their distances are distances of the pool, so each pair is
/// measured and put into its bin once.
#[derive(Clone, Debug)]
pub struct Profile<'a> {
    pool: &'a Points,
    mean: DVector<f64>,
    std: DVector<f64>,
    range: (f64, f64),
    histogram: Vec<f64>,
    /// Bin of each pair of rows, by [`pair_number`].
    bins: Vec<u16>,
}

/// Place of the pair (a, b), a > b, in (1, 0), (2, 0), (2, 1), (3, 0), …
fn pair_number(a: usize, b: usize) -> usize {
    a * a.saturating_sub(1) / 2 + b
}

impl<'a> Profile<'a> {
    /// The profile of all rows (at least two) of `pool`; `bins` from 1 to 65535 over the range of
    /// their distances.
    pub fn new(pool: &'a Points, bins: usize) -> Self {
        let mut distances = Vec::with_capacity(pair_number(pool.len(), 0));
        for a in 0..pool.len() {
            let row = pool.row(a);
            distances.extend((0..a).map(|b| squared_distance(row, pool.row(b)).sqrt()));
        }
        let range = distances
            .iter()
            .fold((f64::INFINITY, 0.0f64), |(least, largest), &distance| {
                (least.min(distance), largest.max(distance))
            });
        let width = (range.1 - range.0) / bins as f64;
        let bin_of = |distance: f64| {
            // Equal distances have no width to divide by.
            let bin = if width > 0.0 {
                (distance - range.0) / width
            } else {
                0.0
            };
            (bin as usize).min(bins - 1) as u16
        };
        let moments = Moments::of(pool, &pool.all());
        let mut profile = Self {
            pool,
            std: moments.std(),
            mean: moments.mean,
            range,
            histogram: vec![0.0; bins],
            bins: distances.into_iter().map(bin_of).collect(),
        };
        profile.histogram = profile.histogram_of(&pool.all());
        profile
    }

    /// Smallest and largest distance of two rows of the pool.
    pub fn range(&self) -> (f64, f64) {
        self.range
    }

    /// Shares of the pool's pairs in each bin.
    pub fn histogram(&self) -> &[f64] {
        &self.histogram
    }

    /// Shares of the pairs of `rows` in each bin. A row paired with itself is at distance 0; it
    /// counts only if the range begins there. All shares are 0 if no pair counts.
    pub fn histogram_of(&self, rows: &[usize]) -> Vec<f64> {
        let mut counts = vec![0u32; self.histogram.len()];
        for (place, &a) in rows.iter().enumerate() {
            for &b in &rows[..place] {
                if a != b {
                    let pair = pair_number(a.max(b), a.min(b));
                    counts[usize::from(self.bins[pair])] += 1;
                } else if self.range.0 == 0.0 {
                    counts[0] += 1;
                }
            }
        }
        let pairs = counts.iter().sum::<u32>().max(1);
        counts
            .into_iter()
            .map(|count| f64::from(count) / f64::from(pairs))
            .collect()
    }

    /// How the candidate batch of these `rows` (at least one) differs from the pool.
    pub fn cost(&self, rows: &[usize]) -> Cost {
        let moments = Moments::of(self.pool, rows);
        let width = (self.range.1 - self.range.0) / self.histogram.len() as f64;
        let (mut ahead, mut sum) = (0.0f64, 0.0);
        for (expected, found) in self.histogram.iter().zip(self.histogram_of(rows)) {
            ahead += expected - found;
            sum += ahead.abs();
        }
        Cost {
            mean: (&self.mean - &moments.mean).norm(),
            std: (&self.std - moments.std()).norm(),
            wasserstein: width * sum,
        }
    }
}
