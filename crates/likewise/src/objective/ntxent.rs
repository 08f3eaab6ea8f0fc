//! Normalised temperature-scaled cross-entropy (Sohn 2016; Chen et al., A Simple Framework for
//! Contrastive Learning of Visual Representations, 2020): each positive pair is told from the
//! negatives of its anchor.

use burn::module::Module;
use burn::tensor::Device;
use likewise_kernels::log_sum_exp;
use serde::{Deserialize, Serialize};

use super::reduction::{PositivePairs, mean, softplus};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::{Pairwise, entries};
use crate::{Result, check};

/// mean over all positive pairs (a, p) of −log(exp(s_ap/τ) / (exp(s_ap/τ) + Σ_n exp(s_an/τ))), s
/// cosines, n over the negatives of the anchor; 0 without a negative pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NtXentConfig {
    /// τ: temperature; greater than 0. (0.1 to 0.5 in Chen et al.)
    pub temperature: f64,
}

impl Default for NtXentConfig {
    fn default() -> Self {
        Self { temperature: 0.07 }
    }
}

impl Hyperparameters for NtXentConfig {
    type Objective = NtXent;

    fn validate(&self) -> Result<()> {
        check::number("objective.temperature", self.temperature, check::POSITIVE)
    }

    fn init(&self, _: Setting, _: &Device) -> NtXent {
        NtXent {
            config: self.clone(),
        }
    }
}

/// The normalised temperature-scaled cross-entropy objective.
#[derive(Module, Debug)]
pub struct NtXent {
    #[module(skip)]
    config: NtXentConfig,
}

impl RankingObjective for NtXent {
    fn forward(
        &self,
        pairwise: &Pairwise,
        labels: &BatchLabels,
        tuples: &Tuples,
    ) -> Result<Outcome> {
        let sharpness = 1.0 / self.config.temperature;
        let sets = tuples.pair_sets_or_all(labels)?;
        let unit = pairwise.unit();
        let scaled = unit.similarity().mul_scalar(sharpness);
        let push = log_sum_exp(scaled, sets.negative, false);
        let pairs = PositivePairs::of(labels);
        let pull = unit.similarities(&pairs.rows, &pairs.columns);
        let push = push.squeeze_dim::<1>(1).select(0, pairs.rows.clone());
        let excess = push - pull.mul_scalar(sharpness);
        let losses = softplus(excess.unsqueeze_dim(1)).squeeze_dim(1);
        let counted = match tuples {
            Tuples::None => pairs.valid,
            _ => pairs.valid * entries(sets.positive.float(), &pairs.rows, &pairs.columns),
        };
        Ok(mean(losses, counted, ["positive_pairs", "active_pairs"]))
    }
}
