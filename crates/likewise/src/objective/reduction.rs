//! What pair-based objectives share: a hinge that is honest about NaN, and means over the tuples
//! that count.

use burn::tensor::Tensor;

use super::{Outcome, Statistic};
use crate::miner::Triplets;

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

/// Mean of the losses `[T]` of the triplets that count, 0 when none does.
pub(super) fn mean_over(triplets: &Triplets, losses: Tensor<1>) -> Outcome {
    let count = triplets.count();
    let active = (active(&losses) * triplets.valid.clone()).sum();
    let loss = (losses * triplets.valid.clone()).sum() / count.clone().clamp_min(1.0);
    Outcome {
        loss,
        statistics: vec![
            Statistic::new("tuples", count),
            Statistic::new("active_tuples", active),
        ],
    }
}
