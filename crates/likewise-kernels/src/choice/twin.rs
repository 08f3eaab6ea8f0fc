//! The choices from tensor operations: what runs on devices and number formats without a kernel, and
//! the reference for those with one.

use burn::tensor::{Bool, Int, Tensor};

/// Log-weights are clamped to ± this.
pub const BOUND: f32 = 1e30;

/// Entries whose sums are computed together. On GPUs Burn 0.22.1 adds up a cumulative sum from its
/// start for each entry: blocks make that affordable.
const BLOCK: usize = 32;

pub fn uniform(candidates: Tensor<2, Bool>, uniform: Tensor<1>) -> Tensor<1, Int> {
    let [rows, columns] = candidates.dims();
    if rows == 0 || columns == 0 {
        return Tensor::zeros([rows], &candidates.device());
    }
    // Whole numbers, exact in single precision.
    let count = cumulative_sum(candidates.float());
    let total = count.clone().narrow(1, columns - 1, 1);
    let number = (uniform.reshape([rows, 1]) * total.clone()).floor();
    let number = number.min_pair(total.sub_scalar(1.0));
    // The candidate's column is the number of columns before it.
    let before = count.lower_equal(number.expand([rows, columns]));
    before.float().sum_dim(1).squeeze_dim::<1>(1).int()
}

pub fn weighted(
    log_weights: Tensor<2>,
    candidates: Tensor<2, Bool>,
    uniform: Tensor<1>,
) -> Tensor<1, Int> {
    let [rows, columns] = candidates.dims();
    let device = candidates.device();
    if rows == 0 || columns == 0 {
        return Tensor::zeros([rows], &device);
    }
    let number = log_weights.clone().greater_elem(-BOUND);
    let log_weights = log_weights
        .mask_fill(number.bool_not(), -BOUND)
        .clamp_max(BOUND)
        .mask_fill(candidates.bool_not(), -2.0 * BOUND);
    let largest = log_weights.clone().max_dim(1).clamp_min(-BOUND);
    let weights = (log_weights - largest).exp();
    let positive = weights.clone().greater_elem(0.0);

    let cumulative = cumulative_sum(weights);
    let target = cumulative.clone().narrow(1, columns - 1, 1) * uniform.reshape([rows, 1]);
    let beyond = cumulative.greater(target.expand([rows, columns]));
    let column = Tensor::<1, Int>::arange(0..columns as i64, &device)
        .float()
        .reshape([1, columns])
        .expand([rows, columns]);
    let first = column
        .clone()
        .mask_fill(positive.clone().bool_and(beyond).bool_not(), columns as f32)
        .min_dim(1);
    // Rounding may leave no entry beyond the target.
    let last = column.mask_fill(positive.bool_not(), 0.0).max_dim(1);
    first.min_pair(last).squeeze_dim::<1>(1).int()
}

/// Sums of each row's entries up to each of them, `[R, C]`.
fn cumulative_sum(x: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = x.dims();
    let padding = columns.next_multiple_of(BLOCK) - columns;
    let padded = if padding == 0 {
        x
    } else {
        let zeros = Tensor::zeros([rows, padding], &x.device());
        Tensor::cat(vec![x, zeros], 1)
    };
    let blocks = (columns + padding) / BLOCK;
    let within = padded.reshape([rows, blocks, BLOCK]).cumsum(2);
    let total = within.clone().narrow(2, BLOCK - 1, 1);
    let before = total.clone().cumsum(1) - total;
    (within + before)
        .reshape([rows, columns + padding])
        .narrow(1, 0, columns)
}
