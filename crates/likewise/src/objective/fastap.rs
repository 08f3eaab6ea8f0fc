//! FastAP (Cakir et al., Deep Metric Learning to Rank, 2019): average precision of the ranking of
//! the batch for each anchor, made differentiable by histograms of the distances.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::pair_histogram::PairHistogram;
use super::reduction::{active, mean_over_anchors, with_gradient};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// Largest squared distance of unit vectors.
const FARTHEST: f64 = 4.0;

/// mean_i (1 − Σ_l h⁺_l H⁺_l / (|P_i| H_l)) over the anchors with a positive; h⁺ and h are histograms
/// of the squared distances of unit vectors to positives and to all others on L + 1 nodes from 0 to
/// 4 with linear weights, H⁺ and H their cumulative sums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FastApConfig {
    /// L: number of bins, 1 to 4096. (10 in the paper.)
    pub num_bins: usize,
}

impl Default for FastApConfig {
    fn default() -> Self {
        Self { num_bins: 10 }
    }
}

impl Hyperparameters for FastApConfig {
    type Objective = FastAp;

    fn validate(&self) -> Result<()> {
        check::number("objective.num_bins", self.num_bins as f64, 1.0..=4096.0)
    }

    fn init(&self, _: Setting, _: &Device) -> FastAp {
        FastAp {
            config: self.clone(),
        }
    }
}

/// The FastAP objective.
#[derive(Module, Debug)]
pub struct FastAp {
    #[module(skip)]
    config: FastApConfig,
}

impl RankingObjective for FastAp {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let nodes = self.config.num_bins + 1;
        let similarity = pairwise.unit().similarity();
        // (2 − 2 s) / Δ.
        let per_unit = 2.0 * self.config.num_bins as f64 / FARTHEST;
        let position = similarity
            .clone()
            .inner()
            .mul_scalar(-per_unit)
            .add_scalar(per_unit);
        let histogram = PairHistogram::new(position, nodes, &labels.positive, &labels.negative);
        let (positive, negative) = (histogram.positive.clone(), histogram.negative.clone());
        let positives = positive.clone().sum_dim(1);
        let counted = active(&positives);
        // Without negatives the precision is 1 throughout.
        let ranked = counted.clone() * active(&negative.clone().sum_dim(1));
        let positives = positives.clamp_min(1.0);

        let positives_up_to = positive.clone().cumsum(1);
        let up_to = positives_up_to.clone() + negative.cumsum(1);
        let nothing = up_to.clone().lower_equal_elem(0.0);
        let up_to = up_to.mask_fill(nothing, 1.0);
        let precision = positives_up_to / up_to.clone();
        let average = (positive.clone() * precision.clone()).sum_dim(1) / positives.clone();
        let losses = average.neg().add_scalar(1.0) * ranked.clone();

        // Derivatives of −Σ_l h⁺_l H⁺_l / H_l for the weights on node k + 1 less those on node k, and
        // the sign of the position.
        let share = positive / up_to;
        let push = share.clone() * precision.clone();
        let next = precision.clone().narrow(1, 1, nodes - 1);
        let next = Tensor::cat(vec![next, precision.clone().narrow(1, nodes - 1, 1)], 1);
        let pull = next - precision - share + push.clone();
        let count = counted.clone().sum().clamp_min(1.0).reshape([1, 1]);
        let weight = (ranked.clone() / positives / count).mul_scalar(per_unit);
        let gradient = histogram.gradient(pull * weight.clone(), push * weight);
        let mut outcome = mean_over_anchors(losses, counted.squeeze_dim(1));
        outcome.loss = with_gradient(outcome.loss, similarity, gradient);
        Ok(outcome)
    }
}
