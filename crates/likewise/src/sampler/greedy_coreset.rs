//! Greedy coreset (Roth et al. 2020): the seeds of a batch cover a random pool as a greedy
//! solution of the k-centre problem (Gonzalez 1985) does; each then gets random classmates.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::classmates::fill_up;
use super::points::{Points, squared_distance};
use super::pool::Pool;
use super::sizes::{check_batch, check_pool};
use super::{BankSettings, BatchSampler, Draw};
use crate::Result;

/// Share of the scores that the softened choice passes over.
const SOFTENED_QUANTILE: f64 = 0.97;

/// B/n images of a random pool, each as far as possible from those before it, then n − 1 random
/// images of the class of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GreedyCoreset {
    /// Images in a batch, B.
    pub batch_size: usize,
    /// Images for each seed with the seed itself, n; divides B.
    pub samples_per_class: usize,
    /// Images in the pool, drawn anew for each batch; at least B/n.
    pub pool_size: usize,
    /// Choose uniformly among the farthest 3 % instead of the farthest alone.
    pub softened: bool,
    /// Project the pool's embeddings to so many random dimensions, drawn anew for each batch.
    pub projection_dim: Option<usize>,
    /// How the memory bank is kept.
    pub bank: BankSettings,
}

impl Default for GreedyCoreset {
    fn default() -> Self {
        Self {
            batch_size: 112,
            samples_per_class: 2,
            pool_size: 512,
            softened: false,
            projection_dim: None,
            bank: BankSettings::default(),
        }
    }
}

impl BatchSampler for GreedyCoreset {
    fn validate(&self) -> Result<()> {
        check_batch(self.batch_size, self.samples_per_class)?;
        let seeds = self.batch_size / self.samples_per_class;
        check_pool(self.pool_size, seeds, self.projection_dim, &self.bank)
    }

    fn bank(&self) -> Option<&BankSettings> {
        Some(&self.bank)
    }

    fn draw(&self, draw: &Draw<'_>) -> Result<Vec<usize>> {
        let rng = &mut draw.choices();
        let pool = Pool::uniform(draw, self.pool_size, self.projection_dim, rng)?;
        let first = rng.random_range(0..pool.images.len());
        let seeds = self.batch_size / self.samples_per_class;
        let picks = if self.softened {
            select_softened(&pool.points, first, seeds, rng)
        } else {
            select(&pool.points, first, seeds)
        };
        let seeds = pool.images_at(&picks);
        Ok(fill_up(&seeds, self.samples_per_class, draw.index, rng))
    }
}

/// `count` rows (at most all), the first given, then always the one farthest from those before.
pub fn select(points: &Points, first: usize, count: usize) -> Vec<usize> {
    let mut cover = Cover::new(points, first);
    while cover.picks().len() < count.min(points.len()) {
        cover.pick(cover.farthest());
    }
    cover.picks
}

/// As [`select`], but always one of the [farthest few](Cover::farthest_few), uniformly drawn.
pub fn select_softened(
    points: &Points,
    first: usize,
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<usize> {
    let mut cover = Cover::new(points, first);
    while cover.picks().len() < count.min(points.len()) {
        let few = cover.farthest_few();
        cover.pick(few[rng.random_range(0..few.len())]);
    }
    cover.picks
}

/// A selection in progress: which rows are picked, and how far the others are from them.
///
/// The original starts the scores at the norms of the rows of the matrix of squared distances.
/// None of them is below the squared distance to the first pick, so they never count.
#[derive(Clone, Debug)]
pub struct Cover<'a> {
    points: &'a Points,
    picks: Vec<usize>,
    scores: Vec<f64>,
}

impl<'a> Cover<'a> {
    /// Begins with one picked row.
    pub fn new(points: &'a Points, first: usize) -> Self {
        let mut cover = Self {
            points,
            picks: Vec::new(),
            scores: vec![f64::INFINITY; points.len()],
        };
        cover.pick(first);
        cover
    }

    /// Adds a row.
    pub fn pick(&mut self, row: usize) {
        let picked = self.points.row(row);
        for (other, score) in self.scores.iter_mut().enumerate() {
            *score = score.min(squared_distance(picked, self.points.row(other)));
        }
        self.picks.push(row);
    }

    /// The rows picked so far, in order.
    pub fn picks(&self) -> &[usize] {
        &self.picks
    }

    /// Squared distance of each row to the nearest pick, `[n]`.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// Of the rows not picked (at least one), that with the largest score; of equal ones the first.
    pub fn farthest(&self) -> usize {
        let mut rows = self.not_picked().into_iter();
        let first = rows.next().expect("a row that is not picked");
        rows.fold(first, |best, row| {
            if self.scores[row] > self.scores[best] {
                row
            } else {
                best
            }
        })
    }

    /// Of the rows not picked (at least one), those with a score of at least the 97th percentile
    /// (linear between scores) of all rows; never empty.
    pub fn farthest_few(&self) -> Vec<usize> {
        let threshold = quantile(&self.scores, SOFTENED_QUANTILE);
        let mut rows = self.not_picked();
        rows.retain(|&row| self.scores[row] >= threshold);
        rows
    }

    fn not_picked(&self) -> Vec<usize> {
        let mut picked = vec![false; self.points.len()];
        for &row in &self.picks {
            picked[row] = true;
        }
        (0..picked.len()).filter(|&row| !picked[row]).collect()
    }
}

/// The value below which the `share` of `values` (at least one) lies, linear between values.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (place - place.floor()) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_linear_between_values() {
        let values: Vec<f64> = (0..11).rev().map(f64::from).collect();
        assert!((quantile(&values, 0.97) - 9.7).abs() < 1e-12);
        assert_eq!(quantile(&[3.0], 0.97), 3.0);
    }
}
