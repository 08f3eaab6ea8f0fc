//! Quadruplet loss (Chen et al., Beyond Triplet Loss: A Deep Quadruplet Network for Person
//! Re-Identification, 2017): positives are also to be closer than two negatives are to each other.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::reduction::{active, hinge, root_above};
use super::{Hyperparameters, Outcome, RankingObjective, Setting, Statistic};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// mean [d(a,p) − d(a,n) + α₁]₊ over triplets + mean [d(a,p) − d(n,q) + α₂]₊ over those with a second
/// negative q of a third class, Euclidean (not squared) distances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuadrupletConfig {
    /// α₁: negatives farther than the positive by this are left alone; at least 0. (1 in the paper,
    /// 0.2 in Roth et al. 2020.)
    pub margin_alpha_1: f64,
    /// α₂: the same for two negatives; at least 0. (0.5 in the paper, 0.2 in Roth et al. 2020.)
    pub margin_alpha_2: f64,
    /// ε ≥ 0 in √(‖x − y‖² + ε). With 0 the gradient of coincident rows is zero.
    pub distance_eps: f64,
}

impl Default for QuadrupletConfig {
    fn default() -> Self {
        Self {
            margin_alpha_1: 0.2,
            margin_alpha_2: 0.2,
            distance_eps: 0.0,
        }
    }
}

impl Hyperparameters for QuadrupletConfig {
    type Objective = Quadruplet;

    fn validate(&self) -> Result<()> {
        check::number("objective.margin_alpha_1", self.margin_alpha_1, 0.0..)?;
        check::number("objective.margin_alpha_2", self.margin_alpha_2, 0.0..)?;
        check::number("objective.distance_eps", self.distance_eps, 0.0..)
    }

    /// As soon as there are three classes.
    fn collapsed_loss(&self) -> Option<f64> {
        Some(self.margin_alpha_1 + self.margin_alpha_2)
    }

    fn init(&self, _: Setting, _: &Device) -> Quadruplet {
        Quadruplet {
            config: self.clone(),
        }
    }
}

/// The quadruplet objective.
#[derive(Module, Debug)]
pub struct Quadruplet {
    #[module(skip)]
    config: QuadrupletConfig,
}

impl RankingObjective for Quadruplet {
    fn forward(&self, pairwise: &Pairwise, _: &BatchLabels, tuples: &Tuples) -> Result<Outcome> {
        let quadruplets = tuples.quadruplets()?;
        let triplets = &quadruplets.triplets;
        let QuadrupletConfig {
            margin_alpha_1,
            margin_alpha_2,
            distance_eps,
        } = self.config;
        let distance = |squared| root_above(squared, distance_eps);
        let from_anchor = |other| distance(pairwise.squared_distances(&triplets.anchor, other));
        let references = pairwise.references();
        let between_negatives = references.clone().select(0, triplets.negative.clone())
            - references.select(0, quadruplets.second_negative.clone());
        let between_negatives = between_negatives.square().sum_dim(1).squeeze_dim::<1>(1);

        let to_positive = from_anchor(&triplets.positive);
        let first = to_positive.clone() - from_anchor(&triplets.negative);
        let second = to_positive - distance(between_negatives);
        let first = hinge(first.add_scalar(margin_alpha_1)) * triplets.valid.clone();
        let second = hinge(second.add_scalar(margin_alpha_2)) * quadruplets.has_second.clone();

        let active_tuples = active(&(first.clone() + second.clone())).sum();
        let (tuples, with_second) = (triplets.count(), quadruplets.has_second.clone().sum());
        let mean = |terms: Tensor<1>, count: &Tensor<1>| terms.sum() / count.clone().clamp_min(1.0);
        Ok(Outcome {
            loss: mean(first, &tuples) + mean(second, &with_second),
            statistics: vec![
                Statistic::new("tuples", tuples),
                Statistic::new("tuples_with_second_negative", with_second),
                Statistic::new("active_tuples", active_tuples),
            ],
        })
    }
}
