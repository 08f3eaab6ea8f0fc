//! Negatives by a fixed histogram over distances: the starting points of learned mining policies
//! (Roth et al., PADS: Policy-Adapted Sampling for Visual Similarity Learning, 2020).

use std::ops::Bound::{Excluded, Unbounded};
use std::ops::Range;

use likewise_kernels::{choose_uniform, choose_weighted};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::anchors::{Anchors, complete, validate_budget};
use super::choice::{draw_positives, uniform_numbers};
use super::negatives::Negatives;
use super::triplets::indices;
use super::{RhoSwitch, TripletMiner, Triplets, rho};
use crate::batch::BatchLabels;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// Mass of a bin that has none by its mode, so that its negatives are drawn when there are no
/// others.
const FLOOR: f64 = 1e-15;

/// For every anchor with a positive: p uniform in its class, n with probability ∝ the mass of the
/// bin its distance lies in; beyond the limits 0, and uniform in the other classes when nothing is
/// left. Bins lie between n support points spread evenly from limit to limit, (t_k, t_k+1], the
/// first with its left edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parametric {
    /// Which bins have mass.
    pub mode: Mode,
    /// Number of support points, one more than bins; 2 to 10,000.
    pub n_support: usize,
    /// Smallest and largest distance at which negatives are drawn, 0 ≤ smallest < largest.
    pub limits: [f64; 2],
    /// Number of triplets of a batch, spread evenly over the anchors, 1 to 1,000,000; absent: one
    /// for each anchor.
    pub budget: Option<usize>,
    /// The ρ-switch on the drawn triplets; absent: none.
    pub rho: Option<RhoSwitch>,
}

/// Which bins of the histogram have mass, by their left edge t.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All.
    #[default]
    Uniform,
    /// t ≤ 0.5.
    Hards,
    /// 0.3 ≤ t ≤ 0.7.
    Semihards,
    /// t ≤ 0.3.
    Veryhards,
}

impl Mode {
    fn has_mass(self, edge: f64) -> bool {
        match self {
            Self::Uniform => true,
            Self::Hards => edge <= 0.5,
            Self::Semihards => (0.3..=0.7).contains(&edge),
            Self::Veryhards => edge <= 0.3,
        }
    }
}

impl Default for Parametric {
    fn default() -> Self {
        Self {
            mode: Mode::Uniform,
            n_support: 30,
            limits: [0.1, 1.4],
            budget: None,
            rho: None,
        }
    }
}

impl TripletMiner for Parametric {
    fn validate(&self) -> Result<()> {
        let [smallest, largest] = self.limits;
        check::number("miner.n_support", self.n_support as f64, 2.0..=10_000.0)?;
        check::number("miner.limits[0]", smallest, 0.0..)?;
        check::number("miner.limits[1]", largest, (Excluded(smallest), Unbounded))?;
        validate_budget(self.budget)?;
        rho::validate(self.rho.as_ref())
    }

    fn rho(&self) -> Option<&RhoSwitch> {
        self.rho.as_ref()
    }

    fn draw(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        let anchors = Anchors::new(labels, self.budget, |row| complete(labels, row), rng);
        let squared = anchors.rows_of(pairwise.squared_distance_values());
        let device = squared.device();
        let positives = draw_positives(labels, &anchors.rows, rng);
        let any = Negatives::new(labels).draw(&anchors.rows, rng);
        let uniform = uniform_numbers(anchors.len(), rng, &device);
        let [smallest, largest] = self.limits.map(|limit| limit * limit);
        let candidates = squared
            .clone()
            .greater_equal_elem(smallest)
            .bool_and(squared.clone().lower_equal_elem(largest))
            .bool_and(anchors.rows_of(labels.negative.clone()));
        let some = candidates.clone().any_dim(1).squeeze_dim::<1>(1);
        let bins = self.bins_with_mass();
        let chosen = if bins.is_empty() || bins.len() == self.n_support - 1 {
            choose_uniform(candidates, uniform)
        } else {
            let lower = if bins.start == 0 {
                -1.0
            } else {
                self.support(bins.start).powi(2)
            };
            let upper = self.support(bins.end).powi(2);
            let has_mass = squared
                .clone()
                .greater_elem(lower)
                .bool_and(squared.lower_equal_elem(upper));
            let log_weights = has_mass.float().mul_scalar(-FLOOR.ln());
            choose_weighted(log_weights, candidates, uniform)
        };
        let negative = indices(&any, &device).mask_where(some, chosen);
        Triplets::of_anchors(anchors, indices(&positives, &device), negative)
    }
}

impl Parametric {
    /// Support point `number`, 0 to n − 1.
    fn support(&self, number: usize) -> f64 {
        let [smallest, largest] = self.limits;
        let step = (largest - smallest) / (self.n_support - 1) as f64;
        smallest + number as f64 * step
    }

    /// The bins that have mass, which are neighbours; all of them have the same.
    fn bins_with_mass(&self) -> Range<usize> {
        let has_mass = |&bin: &usize| self.mode.has_mass(self.support(bin));
        let bins = 0..self.n_support - 1;
        let count = bins.clone().filter(has_mass).count();
        let first = bins.clone().find(has_mass).unwrap_or(bins.end);
        first..first + count
    }
}
