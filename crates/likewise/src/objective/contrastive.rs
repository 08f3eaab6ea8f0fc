//! Contrastive loss (Hadsell et al., Dimensionality Reduction by Learning an Invariant Mapping,
//! 2006) in the linear form of the reference experiments: pull positives together, push negatives
//! beyond a margin.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::reduction::{hinge, mean_over};
use super::{Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::{Pairwise, root};
use crate::{Result, check};

/// mean [d(a,p) − m⁺]₊ + mean [m⁻ − d(a,n)]₊ over triplets, Euclidean (not squared) distances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastiveConfig {
    /// m⁺: positives closer than this are left alone; at least 0.
    pub pos_margin: f64,
    /// m⁻: negatives farther than this are left alone; at least 0.
    pub neg_margin: f64,
    /// ε ≥ 0 in √(‖x − y‖² + ε). With 0 the gradient of coincident rows is zero.
    pub distance_eps: f64,
}

impl Default for ContrastiveConfig {
    fn default() -> Self {
        Self {
            pos_margin: 0.0,
            neg_margin: 1.0,
            distance_eps: 0.0,
        }
    }
}

impl ContrastiveConfig {
    pub(super) fn validate(&self) -> Result<()> {
        check::number("objective.pos_margin", self.pos_margin, 0.0..)?;
        check::number("objective.neg_margin", self.neg_margin, 0.0..)?;
        check::number("objective.distance_eps", self.distance_eps, 0.0..)
    }

    pub(super) fn learning_rate(&self) -> Option<f64> {
        None
    }

    pub(super) fn init(&self, _: Setting, _: &Device) -> Contrastive {
        Contrastive {
            config: self.clone(),
        }
    }
}

/// The contrastive objective.
#[derive(Module, Debug)]
pub struct Contrastive {
    #[module(skip)]
    config: ContrastiveConfig,
}

impl RankingObjective for Contrastive {
    fn forward(&self, pairwise: &Pairwise, _: &BatchLabels, tuples: &Tuples) -> Result<Outcome> {
        let triplets = tuples.triplets()?;
        let to_positive =
            self.distance(pairwise.squared_distances(&triplets.anchor, &triplets.positive));
        let to_negative =
            self.distance(pairwise.squared_distances(&triplets.anchor, &triplets.negative));
        let pull = hinge(to_positive.sub_scalar(self.config.pos_margin));
        let push = hinge(
            to_negative
                .mul_scalar(-1.0)
                .add_scalar(self.config.neg_margin),
        );
        Ok(mean_over(triplets, pull + push))
    }
}

impl Contrastive {
    fn distance(&self, squared: Tensor<1>) -> Tensor<1> {
        if self.config.distance_eps > 0.0 {
            squared.add_scalar(self.config.distance_eps).sqrt()
        } else {
            root(squared)
        }
    }
}
