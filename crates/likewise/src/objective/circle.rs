//! Circle loss (Sun et al., Circle Loss: A Unified Perspective of Pair Similarity Optimization,
//! 2020): each pair is weighted by how far its cosine is from where it should be.

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use likewise_kernels::log_sum_exp;
use serde::{Deserialize, Serialize};

use super::reduction::{hinge, mean_over_anchors, softplus};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// mean_i log(1 + Σ_n exp(γ [s_n + m]₊ (s_n − m)) · Σ_p exp(−γ [1 + m − s_p]₊ (s_p − (1 − m)))) over
/// the anchors with both positives and negatives, s cosines; the weights in brackets are constants
/// for the gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CircleConfig {
    /// m: positives are to have cosines above 1 − m, negatives below m; 0 to 1. (0.25 in the paper
    /// for faces, 0.4 for fine-grained retrieval.)
    pub m: f64,
    /// γ: scale; greater than 0. (256 in the paper for faces, 80 for fine-grained retrieval.)
    pub gamma: f64,
}

impl Default for CircleConfig {
    fn default() -> Self {
        Self {
            m: 0.4,
            gamma: 80.0,
        }
    }
}

impl Hyperparameters for CircleConfig {
    type Objective = Circle;

    fn validate(&self) -> Result<()> {
        check::number("objective.m", self.m, 0.0..=1.0)?;
        check::number("objective.gamma", self.gamma, check::POSITIVE)
    }

    fn init(&self, _: Setting, _: &Device) -> Circle {
        Circle {
            config: self.clone(),
        }
    }
}

/// The circle objective.
#[derive(Module, Debug)]
pub struct Circle {
    #[module(skip)]
    config: CircleConfig,
}

impl RankingObjective for Circle {
    fn forward(
        &self,
        pairwise: &Pairwise,
        labels: &BatchLabels,
        tuples: &Tuples,
    ) -> Result<Outcome> {
        let sets = tuples.pair_sets_or_all(labels)?;
        let counted = sets.with_both();
        let exponent = self.exponent(pairwise.unit().similarity(), &sets.positive);
        let pull = log_sum_exp(exponent.clone(), sets.positive, false);
        let push = log_sum_exp(exponent, sets.negative, false);
        Ok(mean_over_anchors(softplus(pull + push), counted))
    }
}

impl Circle {
    /// Exponents of all pairs, as those of positives where `positive`, else as those of negatives.
    fn exponent(&self, similarity: Tensor<2>, positive: &Tensor<2, Bool>) -> Tensor<2> {
        let CircleConfig { m, gamma } = self.config;
        let of_negatives = similarity.clone().inner();
        let of_positives = of_negatives.clone();
        let push = hinge(of_negatives.add_scalar(m)).mul_scalar(gamma);
        let pull = hinge(of_positives.neg().add_scalar(1.0 + m)).mul_scalar(-gamma);
        // weight · (s − target), of which only s has a gradient.
        let weight = push.clone().mask_where(positive.clone(), pull.clone());
        let offset = push
            .mul_scalar(-m)
            .mask_where(positive.clone(), pull.mul_scalar(m - 1.0));
        similarity * weight + offset
    }
}
