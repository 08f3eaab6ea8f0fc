//! Triplet loss (Schroff et al., FaceNet, 2015): the negative must be farther than the positive by
//! a margin, in squared distance.

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::reduction::{hinge, mean_over};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// mean [d(a,p)² − d(a,n)² + m]₊ over triplets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TripletConfig {
    /// m, in units of squared distance; at least 0.
    pub margin: f64,
}

impl Default for TripletConfig {
    fn default() -> Self {
        Self { margin: 0.2 }
    }
}

impl Hyperparameters for TripletConfig {
    type Objective = Triplet;

    fn validate(&self) -> Result<()> {
        check::number("objective.margin", self.margin, 0.0..)
    }

    fn collapsed_loss(&self) -> Option<f64> {
        Some(self.margin)
    }

    fn init(&self, _: Setting, _: &Device) -> Triplet {
        Triplet {
            config: self.clone(),
        }
    }
}

/// The triplet objective.
#[derive(Module, Debug)]
pub struct Triplet {
    #[module(skip)]
    config: TripletConfig,
}

impl RankingObjective for Triplet {
    fn forward(&self, pairwise: &Pairwise, _: &BatchLabels, tuples: &Tuples) -> Result<Outcome> {
        let triplets = tuples.triplets()?;
        let to_positive = pairwise.squared_distances(&triplets.anchor, &triplets.positive);
        let to_negative = pairwise.squared_distances(&triplets.anchor, &triplets.negative);
        let losses = hinge((to_positive - to_negative).add_scalar(self.config.margin));
        Ok(mean_over(triplets, losses))
    }
}
