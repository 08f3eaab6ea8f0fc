//! Distance-weighted negatives (Wu et al., Sampling Matters in Deep Embedding Learning, 2017):
//! weights inverse to the density of pairwise distances on the unit sphere give negatives of all
//! distances the same chance.

use likewise_kernels::choose_on_sphere;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::anchors::{Anchors, validate_budget};
use super::choice::{draw_positives, uniform_numbers};
use super::triplets::indices;
use super::{RhoSwitch, TripletMiner, Triplets, rho};
use crate::batch::BatchLabels;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// For every row: p uniform in its class (the row itself when it is alone), n with probability
/// ∝ d̂^(2−D) (1 − d̂²/4)^((3−D)/2) among the other classes, d̂ = clamp(d, lower_cutoff, 2 − 1e-4).
/// Embeddings must be unit vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Distance {
    /// Smaller distances weigh as much as this one; greater than 0, less than 2.
    pub lower_cutoff: f64,
    /// Negatives farther than this are never drawn, and an anchor may be left without one;
    /// absent: all are drawn. Greater than 0, at most 2.
    pub upper_cutoff: Option<f64>,
    /// Number of triplets of a batch, spread evenly over the anchors, 1 to 1,000,000; absent: one
    /// for each anchor.
    pub budget: Option<usize>,
    /// The ρ-switch on the drawn triplets; absent: none.
    pub rho: Option<RhoSwitch>,
}

impl Default for Distance {
    fn default() -> Self {
        Self {
            lower_cutoff: 0.5,
            upper_cutoff: None,
            budget: None,
            rho: None,
        }
    }
}

impl TripletMiner for Distance {
    fn validate(&self) -> Result<()> {
        use std::ops::Bound::{Excluded, Included};
        check::number(
            "miner.lower_cutoff",
            self.lower_cutoff,
            (Excluded(0.0), Excluded(2.0)),
        )?;
        if let Some(upper) = self.upper_cutoff {
            check::number("miner.upper_cutoff", upper, (Excluded(0.0), Included(2.0)))?;
        }
        validate_budget(self.budget)?;
        rho::validate(self.rho.as_ref())
    }

    fn rho(&self) -> Option<&RhoSwitch> {
        self.rho.as_ref()
    }

    fn draw(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        let anchors = self.anchors(labels, labels, rng);
        self.draw_for(anchors, pairwise, labels, rng)
    }
}

impl Distance {
    /// The anchors that have a negative by `labels` and, where the switch needs one, a positive by
    /// `classes`.
    pub(super) fn anchors(
        &self,
        labels: &BatchLabels,
        classes: &BatchLabels,
        rng: &mut ChaCha8Rng,
    ) -> Anchors {
        let eligible = |row| {
            labels.negative_count(row) > 0
                && (self.rho.is_none() || classes.positive_count(row) > 0)
        };
        Anchors::new(labels, self.budget, eligible, rng)
    }

    /// The triplets of these `anchors`.
    pub(super) fn draw_for(
        &self,
        anchors: Anchors,
        pairwise: &Pairwise,
        labels: &BatchLabels,
        rng: &mut ChaCha8Rng,
    ) -> Triplets {
        let squared = anchors.rows_of(pairwise.squared_distance_values());
        let device = squared.device();
        let positives = draw_positives(labels, &anchors.rows, rng);
        let uniform = uniform_numbers(anchors.len(), rng, &device);
        let mut candidates = anchors.rows_of(labels.negative.clone());
        if let Some(upper) = self.upper_cutoff {
            candidates = candidates.bool_and(squared.clone().lower_equal_elem(upper * upper));
        }
        let negative = choose_on_sphere(
            squared,
            candidates.clone(),
            uniform,
            pairwise.dimension(),
            self.lower_cutoff,
        );
        let mut triplets = Triplets::of_anchors(anchors, indices(&positives, &device), negative);
        if self.upper_cutoff.is_some() {
            let some = candidates.any_dim(1).squeeze_dim::<1>(1).float();
            triplets.valid = triplets.valid * some;
        }
        triplets
    }
}
