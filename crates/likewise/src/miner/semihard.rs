//! Semi-hard negatives: farther than the positive, but within the margin (Schroff et al., FaceNet,
//! 2015), drawn uniformly. Hardest negatives collapse training early; these do not.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::choice::{choose, complete_anchors, gumbel, or_else, uniform_positives};
use super::triplets::indices;
use super::{RhoSwitch, TripletMiner, Triplets, rho};
use crate::batch::BatchLabels;
use crate::pairwise::{Pairwise, entries};
use crate::{Result, check};

/// For every row with a positive: p uniform in its class, n uniform in
/// {n: d_ap < d_an < d_ap + margin} (distances, not squared), else uniform in the other classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Semihard {
    /// Width of the semi-hard band, in units of distance; greater than 0.
    pub margin: f64,
    /// The ρ-switch on the drawn triplets; absent: none.
    pub rho: Option<RhoSwitch>,
}

impl Default for Semihard {
    fn default() -> Self {
        Self {
            margin: 0.2,
            rho: None,
        }
    }
}

impl TripletMiner for Semihard {
    fn validate(&self) -> Result<()> {
        check::number("miner.margin", self.margin, check::POSITIVE)?;
        rho::validate(self.rho.as_ref())
    }

    fn rho(&self) -> Option<&RhoSwitch> {
        self.rho.as_ref()
    }

    fn draw(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        let size = labels.len();
        let distance = pairwise.distance_values();
        let device = distance.device();
        let rows: Vec<usize> = (0..size).collect();
        let positive = indices(&uniform_positives(labels, rng), &device);
        let to_positive = entries(distance.clone(), &indices(&rows, &device), &positive);
        let beyond = distance - to_positive.reshape([size, 1]);
        let band = beyond
            .clone()
            .greater_elem(0.0)
            .bool_and(beyond.lower_elem(self.margin));
        let candidates = or_else(
            labels.negative.clone().bool_and(band),
            labels.negative.clone(),
        );
        let negative = choose(gumbel(rng, size, &device), candidates);
        Triplets::of_each_row(&complete_anchors(labels), positive, negative)
    }
}
