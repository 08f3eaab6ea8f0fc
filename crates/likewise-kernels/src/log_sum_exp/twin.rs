//! The logarithm of the sum from tensor operations.

use burn::tensor::{Bool, Tensor};

use super::EMPTY;

/// Added to sums so that the logarithm of an empty one is finite; nothing beside any other sum,
/// whose largest term is 1.
const TINY: f32 = 1e-37;

pub fn log_sum_exp(x: Tensor<2>, kept: Tensor<2, Bool>, with_one: bool) -> Tensor<2> {
    let [rows, columns] = x.dims();
    if rows == 0 || columns == 0 {
        let empty = if with_one { 0.0 } else { EMPTY };
        return Tensor::full([rows, 1], empty, &x.device());
    }
    // Far enough below every shift that the exponential is 0.
    let x = x.mask_fill(kept.bool_not(), 2.0 * EMPTY);
    let lowest = if with_one { 0.0 } else { EMPTY };
    // An infinite shift would make the entry itself not a number.
    let shift = x.clone().inner().max_dim(1).clamp(lowest, f32::MAX);
    let sum = (x - shift.clone()).exp().sum_dim(1);
    if with_one {
        // 1 + Σ, the 1 shifted too; exact for small sums.
        shift.clone() + (sum + (shift.neg().exp() - 1.0)).log1p()
    } else {
        shift + sum.add_scalar(TINY).log()
    }
}
