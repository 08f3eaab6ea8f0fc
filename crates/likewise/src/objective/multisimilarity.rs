//! Multi-similarity loss (Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep
//! Metric Learning, 2019): mines informative pairs of the whole similarity matrix itself and weighs
//! them by a soft maximum.

use burn::module::Module;
use burn::tensor::Device;
use likewise_kernels::log_sum_exp;
use serde::{Deserialize, Serialize};

use super::{Hyperparameters, Outcome, RankingObjective, Setting, Statistic};
use crate::batch::BatchLabels;
use crate::miner::multisimilarity::informative;
use crate::miner::{PairSets, Tuples};
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// S = e·eᵀ; anchor i keeps negatives with S_in + ε > min_p S_ip and positives with
/// S_ip − ε < max_n S_in. Mean over the anchors that keep both kinds of
/// (1/α) log(1 + Σ_p exp(−α(S_ip − λ))) + (1/β) log(1 + Σ_n exp(β(S_in − λ))).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultisimilarityConfig {
    /// α: sharpness on positive pairs; greater than 0. (2 in the paper.)
    pub pos_weight: f64,
    /// β: sharpness on negative pairs; greater than 0. (50 in the paper.)
    pub neg_weight: f64,
    /// ε: slack of the pair selection; at least 0. (0.1 in the paper.)
    pub margin: f64,
    /// λ: similarity at which pairs begin to matter. (1 in the paper.)
    pub thresh: f64,
}

impl Default for MultisimilarityConfig {
    fn default() -> Self {
        Self {
            pos_weight: 2.0,
            neg_weight: 40.0,
            margin: 0.1,
            thresh: 0.5,
        }
    }
}

impl Hyperparameters for MultisimilarityConfig {
    type Objective = Multisimilarity;

    fn validate(&self) -> Result<()> {
        check::number("objective.pos_weight", self.pos_weight, check::POSITIVE)?;
        check::number("objective.neg_weight", self.neg_weight, check::POSITIVE)?;
        check::number("objective.margin", self.margin, 0.0..)?;
        check::number("objective.thresh", self.thresh, ..)
    }

    fn init(&self, _: Setting, _: &Device) -> Multisimilarity {
        Multisimilarity {
            config: self.clone(),
        }
    }
}

/// The multi-similarity objective.
#[derive(Module, Debug)]
pub struct Multisimilarity {
    #[module(skip)]
    config: MultisimilarityConfig,
}

impl RankingObjective for Multisimilarity {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let MultisimilarityConfig {
            pos_weight,
            neg_weight,
            margin,
            thresh,
        } = self.config;
        let similarity = pairwise.similarity();
        let PairSets {
            positive: positives,
            negative: negatives,
        } = informative(similarity.clone().inner(), labels, margin);
        let kept = positives
            .clone()
            .any_dim(1)
            .bool_and(negatives.clone().any_dim(1))
            .float();
        let excess = similarity.sub_scalar(thresh);
        let pull = log_sum_exp(
            excess.clone().mul_scalar(-pos_weight),
            positives.clone(),
            true,
        );
        let push = log_sum_exp(excess.mul_scalar(neg_weight), negatives.clone(), true);
        let losses = pull.div_scalar(pos_weight) + push.div_scalar(neg_weight);
        let count = kept.clone().sum();
        Ok(Outcome {
            loss: (losses * kept).sum() / count.clone().clamp_min(1.0),
            statistics: vec![
                Statistic::new("active_anchors", count),
                Statistic::new("positive_pairs", positives.float().sum()),
                Statistic::new("negative_pairs", negatives.float().sum()),
            ],
        })
    }
}
