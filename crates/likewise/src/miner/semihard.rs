//! Semi-hard negatives: farther than the positive, but within the margin (Schroff et al., FaceNet,
//! 2015), drawn uniformly. Hardest negatives collapse training early; these do not.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::anchors::{Anchors, complete, validate_budget};
use super::choice::{choose_preferred, draw_positives};
use super::negatives::Negatives;
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
    /// Number of triplets of a batch, spread evenly over the anchors, 1 to 1,000,000; absent: one
    /// for each anchor.
    pub budget: Option<usize>,
    /// The ρ-switch on the drawn triplets; absent: none.
    pub rho: Option<RhoSwitch>,
}

impl Default for Semihard {
    fn default() -> Self {
        Self {
            margin: 0.2,
            budget: None,
            rho: None,
        }
    }
}

impl TripletMiner for Semihard {
    fn validate(&self) -> Result<()> {
        check::number("miner.margin", self.margin, check::POSITIVE)?;
        validate_budget(self.budget)?;
        rho::validate(self.rho.as_ref())
    }

    fn rho(&self) -> Option<&RhoSwitch> {
        self.rho.as_ref()
    }

    fn draw(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        let anchors = Anchors::new(labels, self.budget, |row| complete(labels, row), rng);
        let squared = pairwise.squared_distance_values();
        let positives = draw_positives(labels, &anchors.rows, rng);
        let positive = indices(&positives, &squared.device());
        let nearest = entries(squared.clone(), &anchors.index, &positive);
        let nearest = nearest.reshape([anchors.len(), 1]);
        let farthest = nearest.clone().sqrt().add_scalar(self.margin).square();
        let squared = anchors.rows_of(squared);
        let band = squared
            .clone()
            .greater(nearest)
            .bool_and(squared.lower(farthest))
            .bool_and(anchors.rows_of(labels.negative.clone()));
        let any = Negatives::new(labels).draw(&anchors.rows, rng);
        let negative = choose_preferred(band, &any, rng);
        Triplets::of_anchors(anchors, positive, negative)
    }
}
