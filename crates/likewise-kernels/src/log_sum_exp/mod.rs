//! Logarithms of sums of exponentials of some entries of each row: what losses with a soft maximum
//! or a cross-entropy over pairs are made of.

mod flex;
mod operation;
mod twin;

use burn::backend::Dispatch;
use burn::tensor::{Bool, Tensor};

use crate::flex::has_loops;
use operation::LogSumExp;

/// What the logarithm of an empty sum is: finite, so that nothing computed from it is not a number.
const EMPTY: f32 = -1e30;

/// `log Σ_j exp(x_ij)` over the entries of each row of `x` `[R, C]` that are `kept` `[R, C]`, or
/// `log(1 + Σ_j exp(x_ij))` `with_one`: `[R, 1]`, with a gradient for `x`. Nothing overflows.
///
/// Entries that are not kept have no influence, whatever they are, and gradient exactly 0; a kept
/// entry that is not a number makes the value of its row one too. A row with nothing (or only −∞)
/// to add up gives 0 `with_one`, else −1e30, with gradient 0.
///
/// # Panics
///
/// If `x` and `kept` differ in shape.
pub fn log_sum_exp(x: Tensor<2>, kept: Tensor<2, Bool>, with_one: bool) -> Tensor<2> {
    check(&x, &kept);
    if x.dims().contains(&0) || !has_loops(&x) {
        return twin::log_sum_exp(x, kept, with_one);
    }
    Tensor::from_dispatch(Dispatch::row_log_sum_exp(
        x.into_dispatch(),
        kept.into_dispatch(),
        with_one,
    ))
}

/// The same as [`log_sum_exp`] from Burn's own tensor operations, with gradients from Burn's
/// differentiation: what runs on GPUs, and the reference that the loops are tested against.
///
/// # Panics
///
/// If `x` and `kept` differ in shape.
pub fn log_sum_exp_twin(x: Tensor<2>, kept: Tensor<2, Bool>, with_one: bool) -> Tensor<2> {
    check(&x, &kept);
    twin::log_sum_exp(x, kept, with_one)
}

fn check(x: &Tensor<2>, kept: &Tensor<2, Bool>) {
    assert_eq!(
        x.dims(),
        kept.dims(),
        "log_sum_exp: shapes of the entries and of those kept"
    );
}
