//! Supervised contrastive loss (Khosla et al., Supervised Contrastive Learning, 2020, the form with
//! the sum outside the logarithm): all positives of an anchor against everything else.

use burn::module::Module;
use burn::tensor::Device;
use likewise_kernels::log_sum_exp;
use serde::{Deserialize, Serialize};

use super::reduction::mean_over_anchors;
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// mean_i −(1/|P_i|) Σ_p (s_ip/τ − log Σ_j exp(s_ij/τ)) over the anchors with a positive, s cosines, j
/// over positives and negatives; 0 if the batch has no negative pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SupConConfig {
    /// τ: temperature; greater than 0. (0.1 in the paper.)
    pub temperature: f64,
}

impl Default for SupConConfig {
    fn default() -> Self {
        Self { temperature: 0.1 }
    }
}

impl Hyperparameters for SupConConfig {
    type Objective = SupCon;

    fn validate(&self) -> Result<()> {
        check::number("objective.temperature", self.temperature, check::POSITIVE)
    }

    fn init(&self, _: Setting, _: &Device) -> SupCon {
        SupCon {
            config: self.clone(),
        }
    }
}

/// The supervised contrastive objective.
#[derive(Module, Debug)]
pub struct SupCon {
    #[module(skip)]
    config: SupConConfig,
}

impl RankingObjective for SupCon {
    fn forward(
        &self,
        pairwise: &Pairwise,
        labels: &BatchLabels,
        tuples: &Tuples,
    ) -> Result<Outcome> {
        let sharpness = 1.0 / self.config.temperature;
        let sets = tuples.pair_sets_or_all(labels)?;
        let similarity = pairwise.unit().similarity();
        let others = sets.positive.clone().bool_or(sets.negative.clone());
        let all = log_sum_exp(similarity.clone().mul_scalar(sharpness), others, false);
        let positive = sets.positive.clone().float();
        let positives = positive.clone().sum_dim(1);
        let pull = (similarity * positive).sum_dim(1) / positives.clone().clamp_min(1.0);
        let losses = all - pull.mul_scalar(sharpness);
        // An anchor without others has the logarithm of an empty sum, and no gradient.
        let has_positive = positives.greater_elem(0.0);
        let losses = losses.mask_fill(has_positive.clone().bool_not(), 0.0);
        let mut outcome = mean_over_anchors(losses, has_positive.float().squeeze_dim(1));
        outcome.loss = outcome.loss * sets.negative.any().float();
        Ok(outcome)
    }
}
