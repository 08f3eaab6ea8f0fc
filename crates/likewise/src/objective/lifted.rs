//! Generalised lifted-structure loss (Oh Song et al., Deep Metric Learning via Lifted Structured
//! Feature Embedding, 2016, in the form of Hermans et al., In Defense of the Triplet Loss for Person
//! Re-Identification, 2017): soft maxima over all positives and all negatives of an anchor.

use burn::module::Module;
use burn::tensor::Device;
use likewise_kernels::log_sum_exp;
use serde::{Deserialize, Serialize};

use super::reduction::{hinge, mean_over_anchors, norm_penalty, root_above};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// mean_i [log Σ_p exp(d(i,p)) + log Σ_n exp(m − d(i,n))]₊ + l2 mean ‖e‖ over the anchors with a
/// positive, Euclidean (not squared) distances; an anchor without a negative contributes 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiftedConfig {
    /// m: distance at which negatives begin to matter; any number. (1 in the papers.)
    pub neg_margin: f64,
    /// Weight of the mean length (not squared) of the embeddings; at least 0. (0.005 in Roth et al.
    /// 2020.)
    pub l2: f64,
    /// ε ≥ 0 in √(‖x − y‖² + ε). With 0 the gradient of coincident rows is zero.
    pub distance_eps: f64,
}

impl Default for LiftedConfig {
    fn default() -> Self {
        Self {
            neg_margin: 1.0,
            l2: 0.005,
            distance_eps: 0.0,
        }
    }
}

impl Hyperparameters for LiftedConfig {
    type Objective = Lifted;

    fn validate(&self) -> Result<()> {
        check::number("objective.neg_margin", self.neg_margin, ..)?;
        check::number("objective.l2", self.l2, 0.0..)?;
        check::number("objective.distance_eps", self.distance_eps, 0.0..)
    }

    fn penalises_norm(&self) -> bool {
        self.l2 != 0.0
    }

    fn init(&self, _: Setting, _: &Device) -> Lifted {
        Lifted {
            config: self.clone(),
        }
    }
}

/// The generalised lifted-structure objective.
#[derive(Module, Debug)]
pub struct Lifted {
    #[module(skip)]
    config: LiftedConfig,
}

impl RankingObjective for Lifted {
    fn forward(&self, pairwise: &Pairwise, _: &BatchLabels, tuples: &Tuples) -> Result<Outcome> {
        let sets = tuples.pair_sets()?;
        let distance = root_above(pairwise.squared_distance(), self.config.distance_eps);
        // Without a negative the second sum is far below 0, and with it what the hinge gets.
        let pull = log_sum_exp(distance.clone(), sets.positive.clone(), false);
        let push = log_sum_exp(distance.neg(), sets.negative.clone(), false);
        let losses = hinge((pull + push).add_scalar(self.config.neg_margin));
        let counted = sets.with_positive();
        let mut outcome = mean_over_anchors(losses, counted.clone());
        if self.config.l2 != 0.0 {
            let penalty = norm_penalty(pairwise.anchors(), self.config.l2, &counted);
            outcome.loss = outcome.loss + penalty;
        }
        Ok(outcome)
    }
}
