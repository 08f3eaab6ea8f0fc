//! Soft-hard mining: hard positives and negatives relative to the extremes of the batch, then
//! uniform among them (Roth & Brattoli, 2019), which avoids the outliers of extreme-hard mining.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::choice::{choose, complete_anchors, gumbel, or_else};
use super::{RhoSwitch, TripletMiner, Triplets, rho};
use crate::Result;
use crate::batch::BatchLabels;
use crate::pairwise::Pairwise;

/// Larger than any distance, for rows without a negative.
const BEYOND: f64 = 1e30;

/// For every row with a positive: p uniform in {p: d_ap > min_n d_an}, n uniform in
/// {n: d_an < max_p d_ap}, independently; an empty set falls back to its whole side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Softhard {
    /// The ρ-switch on the drawn triplets; absent: none.
    pub rho: Option<RhoSwitch>,
}

impl TripletMiner for Softhard {
    fn validate(&self) -> Result<()> {
        rho::validate(self.rho.as_ref())
    }

    fn rho(&self) -> Option<&RhoSwitch> {
        self.rho.as_ref()
    }

    fn draw(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        let size = labels.len();
        let distance = pairwise.distance_values();
        let device = distance.device();
        let (positives, negatives) = (labels.positive.clone(), labels.negative.clone());
        let nearest_negative = distance
            .clone()
            .mask_fill(negatives.clone().bool_not(), BEYOND)
            .min_dim(1);
        let farthest_positive = distance
            .clone()
            .mask_fill(positives.clone().bool_not(), -BEYOND)
            .max_dim(1);
        let hard_positives = (distance.clone() - nearest_negative).greater_elem(0.0);
        let hard_negatives = (distance - farthest_positive).lower_elem(0.0);
        let positive = choose(
            gumbel(rng, size, &device),
            or_else(positives.clone().bool_and(hard_positives), positives),
        );
        let negative = choose(
            gumbel(rng, size, &device),
            or_else(negatives.clone().bool_and(hard_negatives), negatives),
        );
        Triplets::of_each_row(&complete_anchors(labels), positive, negative)
    }
}
