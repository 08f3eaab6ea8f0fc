//! N-pair loss (Sohn, Improved Deep Metric Learning with Multi-class N-pair Loss Objective, 2016):
//! the positive of an anchor against all its negatives at once, by inner products.

use burn::module::Module;
use burn::tensor::Device;
use likewise_kernels::log_sum_exp;
use serde::{Deserialize, Serialize};

use super::reduction::{mean_over_anchors, norm_penalty, softplus};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// mean_i log(1 + Σ_n exp(e_i·e_n − e_i·e_p)) + l2 mean ‖e‖, n over all negatives of anchor i, the
/// second mean over the whole batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NPairConfig {
    /// Weight of the mean length (not squared) of the embeddings; at least 0. (0.005 in Roth et al.
    /// 2020.)
    pub l2: f64,
}

impl Default for NPairConfig {
    fn default() -> Self {
        Self { l2: 0.005 }
    }
}

impl Hyperparameters for NPairConfig {
    type Objective = NPair;

    fn validate(&self) -> Result<()> {
        check::number("objective.l2", self.l2, 0.0..)
    }

    fn penalises_norm(&self) -> bool {
        self.l2 != 0.0
    }

    fn init(&self, _: Setting, _: &Device) -> NPair {
        NPair {
            config: self.clone(),
        }
    }
}

/// The N-pair objective.
#[derive(Module, Debug)]
pub struct NPair {
    #[module(skip)]
    config: NPairConfig,
}

impl RankingObjective for NPair {
    fn forward(
        &self,
        pairwise: &Pairwise,
        labels: &BatchLabels,
        tuples: &Tuples,
    ) -> Result<Outcome> {
        let pairs = tuples.n_pairs()?;
        let push = log_sum_exp(pairwise.similarity(), labels.negative.clone(), false);
        let losses = softplus(push - pairwise.row_similarity(&pairs.positive));
        let mut outcome = mean_over_anchors(losses, pairs.valid.clone());
        if self.config.l2 != 0.0 {
            let penalty = norm_penalty(pairwise.anchors(), self.config.l2, &pairs.valid);
            outcome.loss = outcome.loss + penalty;
        }
        Ok(outcome)
    }
}
