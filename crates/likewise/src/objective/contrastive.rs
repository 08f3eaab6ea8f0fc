//! Contrastive loss (Hadsell et al., Dimensionality Reduction by Learning an Invariant Mapping,
//! 2006) in the linear form of the reference experiments: pull positives together, push negatives
//! beyond a margin.

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::reduction::{active, hinge, mean_over, root_above};
use super::{Hyperparameters, Outcome, RankingObjective, Setting, Statistic};
use crate::batch::BatchLabels;
use crate::miner::{PairSets, TupleKind, Tuples};
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// mean [d(a,p) − m⁺]₊ + mean [m⁻ − d(a,n)]₊ over triplets, Euclidean (not squared) distances; over
/// pair sets, the mean over all positive pairs plus that over all negative pairs.
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

impl Hyperparameters for ContrastiveConfig {
    type Objective = Contrastive;

    fn validate(&self) -> Result<()> {
        check::number("objective.pos_margin", self.pos_margin, 0.0..)?;
        check::number("objective.neg_margin", self.neg_margin, 0.0..)?;
        check::number("objective.distance_eps", self.distance_eps, 0.0..)
    }

    fn collapsed_loss(&self) -> Option<f64> {
        Some(self.neg_margin)
    }

    fn init(&self, _: Setting, _: &Device) -> Contrastive {
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
    fn forward(
        &self,
        pairwise: &Pairwise,
        labels: &BatchLabels,
        tuples: &Tuples,
    ) -> Result<Outcome> {
        if tuples.kind() == TupleKind::PairSets {
            return Ok(self.over_pairs(pairwise, &tuples.pair_sets_or_all(labels)?));
        }
        let triplets = tuples.triplets()?;
        let distance = |other| self.distance(pairwise.squared_distances(&triplets.anchor, other));
        let pull = self.pull(distance(&triplets.positive));
        let push = self.push(distance(&triplets.negative));
        Ok(mean_over(triplets, pull + push))
    }
}

impl Contrastive {
    /// Mean over the positive pairs plus mean over the negative pairs.
    fn over_pairs(&self, pairwise: &Pairwise, sets: &PairSets) -> Outcome {
        let distance = self.distance(pairwise.squared_distance());
        let mean = |losses: Tensor<2>, pairs: &Tensor<2, Bool>| {
            let losses = losses.mask_fill(pairs.clone().bool_not(), 0.0);
            let count = pairs.clone().float().sum();
            let active = active(&losses).sum();
            (count.clone(), active, losses.sum() / count.clamp_min(1.0))
        };
        let (positives, pulled, pull) = mean(self.pull(distance.clone()), &sets.positive);
        let (negatives, pushed, push) = mean(self.push(distance), &sets.negative);
        Outcome {
            loss: pull + push,
            statistics: vec![
                Statistic::new("pairs", positives + negatives),
                Statistic::new("active_pairs", pulled + pushed),
            ],
        }
    }

    fn pull<const N: usize>(&self, distance: Tensor<N>) -> Tensor<N> {
        hinge(distance.sub_scalar(self.config.pos_margin))
    }

    fn push<const N: usize>(&self, distance: Tensor<N>) -> Tensor<N> {
        hinge(distance.mul_scalar(-1.0).add_scalar(self.config.neg_margin))
    }

    fn distance<const N: usize>(&self, squared: Tensor<N>) -> Tensor<N> {
        root_above(squared, self.config.distance_eps)
    }
}
