//! Histogram loss (Ustinova & Lempitsky, Learning Deep Embeddings with Histogram Loss, 2016): the
//! probability that a random negative pair is more similar than a random positive one.

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::pair_histogram::PairHistogram;
use super::reduction::with_gradient;
use super::{Hyperparameters, Outcome, RankingObjective, Setting, Statistic};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// Σ_r h⁻_r Σ_{q≤r} h⁺_q, h⁺ and h⁻ the normalised histograms of the similarities of positive and
/// negative pairs, each pair once, on R nodes from −1 to 1 with linear weights; 0 if one kind of
/// pair is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistogramConfig {
    /// R: number of nodes, 2 to 4096. (151 in the paper; 65 for CUB and CARS, 11 for SOP in Roth et
    /// al. 2020.)
    pub n_bins: usize,
}

impl Default for HistogramConfig {
    fn default() -> Self {
        Self { n_bins: 65 }
    }
}

impl Hyperparameters for HistogramConfig {
    type Objective = Histogram;

    fn validate(&self) -> Result<()> {
        check::number("objective.n_bins", self.n_bins as f64, 2.0..=4096.0)
    }

    fn init(&self, _: Setting, _: &Device) -> Histogram {
        Histogram {
            config: self.clone(),
        }
    }
}

/// The histogram objective.
#[derive(Module, Debug)]
pub struct Histogram {
    #[module(skip)]
    config: HistogramConfig,
}

impl RankingObjective for Histogram {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let nodes = self.config.n_bins;
        let [rows, columns] = pairwise.dims();
        let similarity = pairwise.similarity();
        // The second of the two entries of each pair of the batch.
        let repeated = Tensor::<2, Bool>::tril_mask([rows, columns], 0, &labels.positive.device());
        let once = |pairs: &Tensor<2, Bool>| pairs.clone().bool_and(repeated.clone());
        let (positive, negative) = (once(&labels.positive), once(&labels.negative));
        let per_unit = (nodes - 1) as f64 / 2.0;
        let position = similarity
            .clone()
            .inner()
            .mul_scalar(per_unit)
            .add_scalar(per_unit);
        let histogram = PairHistogram::new(position, nodes, &positive, &negative);

        let positive = histogram.positive.clone().sum_dim(0);
        let negative = histogram.negative.clone().sum_dim(0);
        let [positive_pairs, negative_pairs] =
            [&positive, &negative].map(|weights| weights.clone().sum().reshape([1, 1]));
        let positive = positive / positive_pairs.clone().clamp_min(1.0);
        let negative = negative / negative_pairs.clone().clamp_min(1.0);
        let value = (negative.clone() * positive.clone().cumsum(1)).sum();

        // A positive pair that moves up leaves the negatives on its bin's lower node behind; a
        // negative pair that moves up reaches the positives on its bin's upper node.
        let next = positive.narrow(1, 1, nodes - 1);
        let next = Tensor::cat(vec![next.clone(), next.zeros_like().narrow(1, 0, 1)], 1);
        let for_positive =
            negative.neg().mul_scalar(per_unit) / positive_pairs.clone().clamp_min(1.0);
        let for_negative = next.mul_scalar(per_unit) / negative_pairs.clone().clamp_min(1.0);
        let each = |slopes: Tensor<2>| slopes.expand([rows, nodes]);
        let gradient = histogram.gradient(each(for_positive), each(for_negative));
        Ok(Outcome {
            loss: with_gradient(value, similarity, gradient),
            statistics: vec![
                Statistic::new("positive_pairs", positive_pairs.reshape([1])),
                Statistic::new("negative_pairs", negative_pairs.reshape([1])),
            ],
        })
    }
}
