//! Soft-hard mining: hard positives and negatives relative to the extremes of the batch, then
//! uniform among them (Roth & Brattoli, 2019), which avoids the outliers of extreme-hard mining.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::anchors::{Anchors, complete, validate_budget};
use super::choice::{choose_preferred, draw_positives};
use super::negatives::Negatives;
use super::{RhoSwitch, TripletMiner, Triplets, rho};
use crate::Result;
use crate::batch::BatchLabels;
use crate::pairwise::Pairwise;

/// Larger than any squared distance.
const BEYOND: f64 = 1e30;

/// For every row with a positive: p uniform in {p: d_ap > min_n d_an}, n uniform in
/// {n: d_an < max_p d_ap}, independently; an empty set falls back to its whole side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Softhard {
    /// Number of triplets of a batch, spread evenly over the anchors, 1 to 1,000,000; absent: one
    /// for each anchor.
    pub budget: Option<usize>,
    /// The ρ-switch on the drawn triplets; absent: none.
    pub rho: Option<RhoSwitch>,
}

impl TripletMiner for Softhard {
    fn validate(&self) -> Result<()> {
        validate_budget(self.budget)?;
        rho::validate(self.rho.as_ref())
    }

    fn rho(&self) -> Option<&RhoSwitch> {
        self.rho.as_ref()
    }

    fn draw(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        let anchors = Anchors::new(labels, self.budget, |row| complete(labels, row), rng);
        let squared = anchors.rows_of(pairwise.squared_distance_values());
        let positives = anchors.rows_of(labels.positive.clone());
        let negatives = anchors.rows_of(labels.negative.clone());
        let nearest_negative = squared
            .clone()
            .mask_fill(negatives.clone().bool_not(), BEYOND)
            .min_dim(1);
        let farthest_positive = squared
            .clone()
            .mask_fill(positives.clone().bool_not(), -BEYOND)
            .max_dim(1);
        let hard_positives = squared.clone().greater(nearest_negative);
        let hard_negatives = squared.lower(farthest_positive);
        let any_positive = draw_positives(labels, &anchors.rows, rng);
        let positive = choose_preferred(positives.bool_and(hard_positives), &any_positive, rng);
        let any_negative = Negatives::new(labels).draw(&anchors.rows, rng);
        let negative = choose_preferred(negatives.bool_and(hard_negatives), &any_negative, rng);
        Triplets::of_anchors(anchors, positive, negative)
    }
}
