//! Smooth-AP (Brown et al., Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval, 2020):
//! the average precision of the batch's ranking for each query, with sigmoids for comparisons.

use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::reduction::{mean_over_anchors, with_gradient};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// mean_q (1 − (1/n_q) Σ_i rank⁺(i) / rank(i)), i over the n_q items of the query's class, where
/// rank(i) = 1 + Σ_{j≠i} σ((s_qj − s_qi)/τ) over all items, rank⁺ the same over those of the class, s
/// cosines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmoothApConfig {
    /// τ: softness of a comparison, in units of the cosine; greater than 0. (0.01 in the paper.)
    pub temperature: f64,
    /// Whether a query is an item of its own list, as in the published code; otherwise it is left
    /// out, and queries without a positive are skipped.
    pub include_query: bool,
}

impl Default for SmoothApConfig {
    fn default() -> Self {
        Self {
            temperature: 0.01,
            include_query: true,
        }
    }
}

impl Hyperparameters for SmoothApConfig {
    type Objective = SmoothAp;

    fn validate(&self) -> Result<()> {
        check::number("objective.temperature", self.temperature, check::POSITIVE)
    }

    fn init(&self, _: Setting, _: &Device) -> SmoothAp {
        SmoothAp {
            config: self.clone(),
        }
    }
}

/// The Smooth-AP objective.
#[derive(Module, Debug)]
pub struct SmoothAp {
    #[module(skip)]
    config: SmoothApConfig,
}

impl RankingObjective for SmoothAp {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let similarity = pairwise.unit().similarity();
        let items = Items::of(labels, self.config.include_query);
        let counted = items.share.clone().sum_dim(1).greater_elem(0.0).float();
        let ranking = Ranking::of(
            similarity.clone().inner(),
            labels,
            &items,
            1.0 / self.config.temperature,
        );
        let losses = ranking.precision.neg().add_scalar(1.0) * counted.clone();
        let mut outcome = mean_over_anchors(losses, counted.clone().squeeze_dim(1));
        let count = counted.sum().clamp_min(1.0).reshape([1, 1]);
        let gradient = ranking.gradient.neg() / count;
        outcome.loss = with_gradient(outcome.loss, similarity, gradient);
        Ok(outcome)
    }
}

/// The items of each query's class, K at most.
struct Items {
    /// Columns, `[R, K]`, padded with 0.
    column: Tensor<2, Int>,
    /// 1 / n_q for an item, 0 for padding, `[R, K]`.
    share: Tensor<2>,
    /// Whether any query has a negative.
    any_negative: bool,
}

impl Items {
    fn of(labels: &BatchLabels, include_query: bool) -> Self {
        let rows = labels.len();
        let of_row = |row: usize| {
            let class = labels.class_of(row).iter().copied();
            class.filter(move |&column| include_query || column != row)
        };
        let width = (0..rows).map(|row| of_row(row).count()).max();
        let width = width.unwrap_or(0).max(1);
        let mut columns = vec![0i32; rows * width];
        let mut shares = vec![0.0f32; rows * width];
        for row in 0..rows {
            let share = 1.0 / of_row(row).count() as f32;
            for (place, column) in of_row(row).enumerate() {
                columns[row * width + place] = column as i32;
                shares[row * width + place] = share;
            }
        }
        let device = labels.device.device();
        Self {
            column: Tensor::from_data(TensorData::new(columns, [rows, width]), &device),
            share: Tensor::from_data(TensorData::new(shares, [rows, width]), &device),
            any_negative: (0..rows).any(|row| labels.negative_count(row) > 0),
        }
    }
}

/// Average precision of each query, and its gradient. Computed item by item, so that nothing larger
/// than the matrix of similarities is held.
struct Ranking {
    /// `[R, 1]`; 1 where a query has no negative.
    precision: Tensor<2>,
    /// Derivative of each row's precision with respect to its similarities, `[R, C]`.
    gradient: Tensor<2>,
}

impl Ranking {
    fn of(similarity: Tensor<2>, labels: &BatchLabels, items: &Items, sharpness: f64) -> Self {
        let [rows, width] = items.column.dims();
        let mut gradient = similarity.zeros_like();
        let mut precision = Tensor::zeros([rows, 1], &similarity.device());
        if !items.any_negative {
            return Self {
                precision: precision.add_scalar(1.0),
                gradient,
            };
        }
        let others = labels.negative.clone().bool_not();
        let present = items.share.clone().greater_elem(0.0).float();
        let scaled = similarity.mul_scalar(sharpness);
        let members = scaled.clone().gather(1, items.column.clone());
        let mut member_gradient = members.zeros_like();
        let mut own = Vec::with_capacity(width);
        for item in 0..width {
            let of_item = |values: &Tensor<2>| values.clone().narrow(1, item, 1);
            let place = of_item(&members);
            let negatives_above =
                sigmoid(scaled.clone() - place.clone()).mask_fill(others.clone(), 0.0);
            let positives_above = sigmoid(members.clone() - place) * present.clone();
            // The item itself adds ½ to what is above it, and is to add 1.
            let positive_rank = positives_above.clone().sum_dim(1).add_scalar(0.5);
            let negative_rank = negatives_above.clone().sum_dim(1);
            let rank = positive_rank.clone() + negative_rank.clone();
            let share = of_item(&items.share);
            precision = precision + share.clone() * positive_rank.clone() / rank.clone();

            let weight = share.mul_scalar(sharpness) / rank.square();
            let for_negatives = slope(negatives_above) * (weight.clone() * positive_rank).neg();
            let for_positives = slope(positives_above) * (weight * negative_rank);
            own.push((for_negatives.clone().sum_dim(1) + for_positives.clone().sum_dim(1)).neg());
            gradient = gradient + for_negatives;
            member_gradient = member_gradient + for_positives;
        }
        let member_gradient = member_gradient + Tensor::cat(own, 1);
        Self {
            precision,
            gradient: gradient.scatter(
                1,
                items.column.clone(),
                member_gradient * present,
                IndexingUpdateOp::Add,
            ),
        }
    }
}

/// Derivative of the sigmoid, from its value.
fn slope(value: Tensor<2>) -> Tensor<2> {
    value.clone() * value.neg().add_scalar(1.0)
}
