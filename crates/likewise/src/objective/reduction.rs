//! What objectives over tuples and pairs share: a hinge that is honest about NaN, means over what
//! counts, and terms that several of them are made of.

use burn::tensor::{Bool, Int, Tensor};
use likewise_kernels::log_sum_exp;

use super::{Outcome, Statistic};
use crate::batch::{BatchLabels, indicators};
use crate::miner::{Triplets, indices};
use crate::pairwise::root;

/// max(0, x), inactive at exactly 0. NaN stays NaN, so that a broken batch shows in the loss; the
/// maximum of some devices would hide it.
pub(super) fn hinge<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let inactive = x.clone().lower_equal_elem(0.0);
    x.mask_fill(inactive, 0.0)
}

/// 1 where a term is active (above 0), without gradient.
pub(super) fn active<const D: usize>(terms: &Tensor<D>) -> Tensor<D> {
    terms.clone().inner().greater_elem(0.0).float()
}

/// log(1 + exp(x)) of each row of `[N, 1]`, without overflow.
pub(super) fn softplus(x: Tensor<2>) -> Tensor<2> {
    let all = Tensor::<2, Bool>::full(x.dims(), true, &x.device().inner());
    log_sum_exp(x, all, true)
}

/// √(s + ε) of squared distances s; with ε = 0 its derivative at s = 0 is zero.
pub(super) fn root_above<const D: usize>(squared: Tensor<D>, epsilon: f64) -> Tensor<D> {
    if epsilon > 0.0 {
        squared.add_scalar(epsilon).sqrt()
    } else {
        root(squared)
    }
}

/// Mean length of the rows of `[R, D]`, `[1]`.
pub(super) fn mean_norm(rows: Tensor<2>) -> Tensor<1> {
    root(rows.square().sum_dim(1)).mean()
}

/// Mean of the losses `[T]` of the triplets that count, 0 when none does.
pub(super) fn mean_over(triplets: &Triplets, losses: Tensor<1>) -> Outcome {
    mean(losses, triplets.valid.clone(), ["tuples", "active_tuples"])
}

/// Mean of the losses `[R, 1]` of the anchors that count (`counted` `[R]`: 1 or 0), 0 when none does.
pub(super) fn mean_over_anchors(losses: Tensor<2>, counted: Tensor<1>) -> Outcome {
    mean(
        losses.squeeze_dim(1),
        counted,
        ["anchors", "active_anchors"],
    )
}

/// Mean of the losses where `counted` is 1; the names are those of the statistics of how many
/// count, and how many of them are above 0.
pub(super) fn mean(losses: Tensor<1>, counted: Tensor<1>, names: [&'static str; 2]) -> Outcome {
    let count = counted.clone().sum();
    let active = (active(&losses) * counted.clone()).sum();
    let loss = (losses * counted).sum() / count.clone().clamp_min(1.0);
    Outcome {
        loss,
        statistics: vec![
            Statistic::new(names[0], count),
            Statistic::new(names[1], active),
        ],
    }
}

/// `weight` times the mean length of the embeddings `[R, D]`, but 0 when nothing counts (`counted`
/// `[R]`: 1 or 0).
pub(super) fn norm_penalty(rows: Tensor<2>, weight: f64, counted: &Tensor<1>) -> Tensor<1> {
    let any = counted.clone().sum().clamp_max(1.0);
    mean_norm(rows).mul_scalar(weight) * any
}

/// A loss whose `value` `[1]` and `gradient` `[R, C]` with respect to `at` `[R, C]` were computed
/// without differentiation. NaN in `at` makes it NaN.
pub(super) fn with_gradient(value: Tensor<1>, at: Tensor<2>, gradient: Tensor<2>) -> Tensor<1> {
    let linear = (at * gradient).sum();
    let constant = linear.clone().inner();
    // Stated, because devices may take x − x for 0 whatever x is.
    let value = value.mask_where(constant.clone().is_nan(), constant.clone());
    value + (linear - constant)
}

/// All positive pairs of a batch of R anchors as a list of P, padded to a multiple of R so that
/// devices meet the same shapes in most steps.
pub(super) struct PositivePairs {
    /// Anchors, `[P]`.
    pub rows: Tensor<1, Int>,
    /// References, `[P]`.
    pub columns: Tensor<1, Int>,
    /// 1 for a pair, 0 for padding, `[P]`.
    pub valid: Tensor<1>,
}

impl PositivePairs {
    pub fn of(labels: &BatchLabels) -> Self {
        let of_row = |row| labels.positives_of(row).map(move |column| (row, column));
        let (mut rows, mut columns): (Vec<usize>, Vec<usize>) =
            (0..labels.len()).flat_map(of_row).unzip();
        let pairs = rows.len();
        let length = pairs.max(1).next_multiple_of(labels.len().max(1));
        rows.resize(length, 0);
        columns.resize(length, 0);
        let valid: Vec<bool> = (0..length).map(|pair| pair < pairs).collect();
        let device = labels.device.device();
        Self {
            rows: indices(&rows, &device),
            columns: indices(&columns, &device),
            valid: indicators(&valid, &device),
        }
    }
}
