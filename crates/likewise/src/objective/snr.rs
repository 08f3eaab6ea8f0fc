//! Signal-to-noise-ratio loss (Yuan et al., Signal-to-Noise Ratio: A Robust Distance Metric for Deep
//! Metric Learning, 2019): a triplet loss whose distance is the variance of the difference over the
//! variance of the anchor.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use super::reduction::{active, hinge};
use super::{Hyperparameters, Outcome, RankingObjective, Setting, Statistic};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// λ unless it is stated, or the miner says otherwise.
pub(crate) const REG_LAMBDA: f64 = 0.005;
/// Sum of squared deviations below which an anchor has no signal to divide by.
const NO_SIGNAL: f64 = 1e-12;

/// Σ [r⁺ − r⁻ + m]₊ / (number of terms above 0) + λ mean |Σ_d a_d| over triplets, with
/// r = Var(a − x) / Var(a), variances over the D coordinates of a vector. An anchor whose
/// coordinates are all equal has no variance; its differences are not divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnrConfig {
    /// m: ratios r⁻ larger than r⁺ by this are left alone; at least 0. (0.2 in Roth et al. 2020.)
    pub margin: f64,
    /// λ ≥ 0: weight of the penalty on coordinates of anchors that do not sum to 0. Absent, a recipe
    /// fills in the value of the reference experiments: 0 with the miners `distance` and
    /// `random_distance` without a ρ-switch, else 0.005.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reg_lambda: Option<f64>,
}

impl Default for SnrConfig {
    fn default() -> Self {
        Self {
            margin: 0.2,
            reg_lambda: None,
        }
    }
}

impl SnrConfig {
    /// λ that is used.
    pub fn reg_lambda(&self) -> f64 {
        self.reg_lambda.unwrap_or(REG_LAMBDA)
    }
}

impl Hyperparameters for SnrConfig {
    type Objective = Snr;

    fn validate(&self) -> Result<()> {
        check::number("objective.margin", self.margin, 0.0..)?;
        check::number("objective.reg_lambda", self.reg_lambda(), 0.0..)
    }

    /// Both ratios are 0; the penalty depends on where the embeddings are.
    fn collapsed_loss(&self) -> Option<f64> {
        (self.reg_lambda() == 0.0).then_some(self.margin)
    }

    fn init(&self, _: Setting, _: &Device) -> Snr {
        Snr {
            config: self.clone(),
        }
    }
}

/// The signal-to-noise-ratio objective.
#[derive(Module, Debug)]
pub struct Snr {
    #[module(skip)]
    config: SnrConfig,
}

impl RankingObjective for Snr {
    fn forward(&self, pairwise: &Pairwise, _: &BatchLabels, tuples: &Tuples) -> Result<Outcome> {
        let triplets = tuples.triplets()?;
        // A difference of centred vectors is the centred difference, so that variances are lengths;
        // D − 1 cancels in their ratio.
        let references = centred(pairwise.references());
        let anchors = centred(pairwise.anchors()).select(0, triplets.anchor.clone());
        let signal = squared_norm(anchors.clone());
        let none = signal.clone().lower_equal_elem(NO_SIGNAL);
        let signal = signal.mask_fill(none, 1.0);
        let ratio = |other: &Tensor<1, Int>| {
            let difference = anchors.clone() - references.clone().select(0, other.clone());
            squared_norm(difference) / signal.clone()
        };
        let excess = ratio(&triplets.positive) - ratio(&triplets.negative);
        let terms = hinge(excess.add_scalar(self.config.margin)) * triplets.valid.clone();
        let active = active(&terms).sum();
        let mut loss = terms.sum() / active.clone().clamp_min(1.0);
        let count = triplets.count();
        if self.config.reg_lambda() > 0.0 {
            let sums = pairwise.anchors().sum_dim(1).squeeze_dim::<1>(1);
            let sums = sums.select(0, triplets.anchor.clone()).abs() * triplets.valid.clone();
            let penalty = sums.sum() / count.clone().clamp_min(1.0);
            loss = loss + penalty.mul_scalar(self.config.reg_lambda());
        }
        let statistics = vec![
            Statistic::new("tuples", count),
            Statistic::new("active_tuples", active),
        ];
        Ok(Outcome { loss, statistics })
    }
}

/// Rows minus the mean of their coordinates.
fn centred(rows: Tensor<2>) -> Tensor<2> {
    let mean = rows.clone().mean_dim(1);
    rows - mean
}

fn squared_norm(rows: Tensor<2>) -> Tensor<1> {
    rows.square().sum_dim(1).squeeze_dim(1)
}
