//! Binomial deviance (Yi et al., Deep Metric Learning for Practical Person Re-Identification, 2014):
//! logistic regression on the cosines of all pairs of a batch, around a threshold.

use burn::module::{Module, Param};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Bool, Device, Tensor};
use likewise::batch::BatchLabels;
use likewise::miner::Tuples;
use likewise::objective::{
    Hyperparameters, Outcome, RankingObjective, Setting, Statistic, parameters,
};
use likewise::pairwise::Pairwise;
use likewise::{Result, check};
use serde::{Deserialize, Serialize};

/// mean_p log(1 + exp(−α(s_p − β))) over the positive pairs plus mean_n log(1 + exp(αC(s_n − β)))
/// over the negative ones, s their cosines. A kind of pair that the batch does not have counts as 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BinomialDevianceConfig {
    /// α: sharpness; greater than 0. (2 in Opitz et al., Deep Metric Learning with BIER, 2018.)
    pub alpha: f64,
    /// C: how much sharper negative pairs are; greater than 0. (25 there.)
    pub negative_cost: f64,
    /// β: cosine around which pairs are told apart, at the start of training; from −1 to 1. (0.5
    /// and constant there.)
    pub threshold: f64,
    /// Learning rate of β; at least 0, and 0 keeps it constant.
    pub learning_rate: f64,
}

impl Default for BinomialDevianceConfig {
    fn default() -> Self {
        Self {
            alpha: 2.0,
            negative_cost: 25.0,
            threshold: 0.5,
            learning_rate: 5e-4,
        }
    }
}

impl Hyperparameters for BinomialDevianceConfig {
    type Objective = BinomialDeviance;

    fn validate(&self) -> Result<()> {
        check::number("objective.alpha", self.alpha, check::POSITIVE)?;
        let cost = self.negative_cost;
        check::number("objective.negative_cost", cost, check::POSITIVE)?;
        check::number("objective.threshold", self.threshold, -1.0..=1.0)?;
        check::number("objective.learning_rate", self.learning_rate, 0.0..)
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(self.learning_rate)
    }

    fn init(&self, setting: Setting, device: &Device) -> BinomialDeviance {
        let start = self.threshold as f32;
        BinomialDeviance {
            threshold: parameters(setting, device).constant("threshold", [1], start),
            config: self.clone(),
        }
    }
}

/// The binomial deviance objective.
#[derive(Module, Debug)]
pub struct BinomialDeviance {
    /// β, `[1]`.
    pub threshold: Param<Tensor<1>>,
    #[module(skip)]
    config: BinomialDevianceConfig,
}

impl RankingObjective for BinomialDeviance {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let BinomialDevianceConfig {
            alpha,
            negative_cost,
            ..
        } = self.config;
        let threshold = self.threshold.val();
        let cosine = pairwise.unit().similarity();
        let excess = cosine - threshold.clone().reshape([1, 1]);
        // log(1 + exp(x)) = −log σ(−x), which does not overflow.
        let pull = log_sigmoid(excess.clone().mul_scalar(alpha)).neg();
        let push = log_sigmoid(excess.mul_scalar(-alpha * negative_cost)).neg();
        let loss = mean_over(pull, &labels.positive) + mean_over(push, &labels.negative);
        Ok(Outcome {
            loss,
            statistics: vec![Statistic::new("threshold", threshold)],
        })
    }
}

/// Mean of the entries of `losses` `[R, C]` at the `pairs`, 0 if there are none: `[1]`.
fn mean_over(losses: Tensor<2>, pairs: &Tensor<2, Bool>) -> Tensor<1> {
    let count = pairs.clone().float().sum().clamp_min(1.0);
    let sum = losses.mask_fill(pairs.clone().bool_not(), 0.0).sum();
    sum / count
}
