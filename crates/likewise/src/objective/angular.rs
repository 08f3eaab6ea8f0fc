//! Angular loss (Wang et al., Deep Metric Learning with Angular Loss, 2017) with the N-pair loss,
//! as in the paper's batch form: bounds the angle at the negative of each triangle.

use std::ops::Bound;

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

/// Exponents of the N-pair part are clamped to ± this, with zero gradient beyond.
const EXPONENT_LIMIT: f64 = 50.0;

/// λ mean_i log(1 + Σ_n exp(4 tan²α (z_i + z_p)·z_n − 2 (1 + tan²α) z_i·z_p)) plus the N-pair loss,
/// mean_i log(1 + Σ_n exp(e_i·e_n − e_i·e_p)) + l2 mean ‖e‖, with exponents clamped to ±50;
/// z = e/‖e‖, n over all negatives of anchor i.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AngularConfig {
    /// α: upper bound of the angle in degrees, between 0 and 90 (both excluded). (36 to 55 in the
    /// paper, 45 in Roth et al. 2020.)
    pub alpha_degrees: f64,
    /// λ: weight of the angular part; at least 0. (2 in both papers.)
    pub ang_weight: f64,
    /// Weight of the mean length (not squared) of the embeddings; at least 0. (0.005 in Roth et al.
    /// 2020.)
    pub l2: f64,
}

impl Default for AngularConfig {
    fn default() -> Self {
        Self {
            alpha_degrees: 45.0,
            ang_weight: 2.0,
            l2: 0.005,
        }
    }
}

impl Hyperparameters for AngularConfig {
    type Objective = Angular;

    fn validate(&self) -> Result<()> {
        let acute = (Bound::Excluded(0.0), Bound::Excluded(90.0));
        check::number("objective.alpha_degrees", self.alpha_degrees, acute)?;
        check::number("objective.ang_weight", self.ang_weight, 0.0..)?;
        check::number("objective.l2", self.l2, 0.0..)
    }

    fn penalises_norm(&self) -> bool {
        self.l2 != 0.0
    }

    fn init(&self, _: Setting, _: &Device) -> Angular {
        Angular {
            config: self.clone(),
        }
    }
}

/// The angular objective.
#[derive(Module, Debug)]
pub struct Angular {
    #[module(skip)]
    config: AngularConfig,
}

impl RankingObjective for Angular {
    fn forward(
        &self,
        pairwise: &Pairwise,
        labels: &BatchLabels,
        tuples: &Tuples,
    ) -> Result<Outcome> {
        let pairs = tuples.n_pairs()?;
        let negative = &labels.negative;
        let exponent = pairwise.similarity() - pairwise.row_similarity(&pairs.positive);
        let exponent = exponent.clamp(-EXPONENT_LIMIT, EXPONENT_LIMIT);
        let n_pair = log_sum_exp(exponent, negative.clone(), true);

        let squared_tangent = self.config.alpha_degrees.to_radians().tan().powi(2);
        let unit = pairwise.unit();
        let sums = unit.anchors() + unit.references().select(0, pairs.positive.clone());
        let exponent = sums
            .mul_scalar(4.0 * squared_tangent)
            .matmul(unit.references().transpose());
        let pull = unit.row_similarity(&pairs.positive);
        let pull = pull.mul_scalar(2.0 * (1.0 + squared_tangent));
        let angular = softplus(log_sum_exp(exponent, negative.clone(), false) - pull);

        let losses = n_pair + angular.mul_scalar(self.config.ang_weight);
        let mut outcome = mean_over_anchors(losses, pairs.valid.clone());
        if self.config.l2 != 0.0 {
            let penalty = norm_penalty(pairwise.anchors(), self.config.l2, &pairs.valid);
            outcome.loss = outcome.loss + penalty;
        }
        Ok(outcome)
    }
}
