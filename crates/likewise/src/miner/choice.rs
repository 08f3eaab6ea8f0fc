//! Random choices inside the rows of a B×B matrix without a read-back: the host draws the noise,
//! the device takes a masked argmax.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::batch::BatchLabels;

/// Score of entries that must not be chosen; finite, and far below any log-weight plus noise.
const EXCLUDED: f32 = -1e30;

/// Independent standard Gumbel noise `[size, size]`: the argmax of log w + noise is a draw with
/// probabilities proportional to w (the Gumbel-max method).
pub(super) fn gumbel(rng: &mut ChaCha8Rng, size: usize, device: &Device) -> Tensor<2> {
    let draw = |_| {
        let uniform = (f64::from(rng.random::<u32>()) + 0.5) / 4_294_967_296.0;
        -(-uniform.ln()).ln() as f32
    };
    let values: Vec<f32> = (0..size * size).map(draw).collect();
    Tensor::from_data(TensorData::new(values, [size, size]), device)
}

/// For each row, the column of the largest score among the `allowed` ones, `[rows]`. A row
/// without an allowed column gives some valid column number.
pub(super) fn choose(scores: Tensor<2>, allowed: Tensor<2, Bool>) -> Tensor<1, Int> {
    scores
        .mask_fill(allowed.bool_not(), EXCLUDED)
        .argmax(1)
        .squeeze_dim::<1>(1)
}

/// Row by row, `preferred` where it holds for any column, else `fallback`.
pub(super) fn or_else(preferred: Tensor<2, Bool>, fallback: Tensor<2, Bool>) -> Tensor<2, Bool> {
    let empty = preferred
        .clone()
        .any_dim(1)
        .bool_not()
        .expand(fallback.dims());
    preferred.bool_or(fallback.bool_and(empty))
}

/// The candidate that a number of [0, 1) falls on, all with equal chances, for each row: `[rows]`.
/// A row without a candidate gives some valid column number.
pub(super) fn choose_uniformly(candidates: Tensor<2, Bool>, uniform: Tensor<1>) -> Tensor<1, Int> {
    let [rows, _] = candidates.dims();
    let count = candidates.clone().float().cumsum(1);
    let total = candidates.clone().float().sum_dim(1);
    let number = (uniform.reshape([rows, 1]) * total.clone()).floor();
    let number = number.min_pair(total.sub_scalar(1.0));
    let hit = (count - number.add_scalar(1.0)).equal_elem(0.0);
    hit.bool_and(candidates)
        .float()
        .argmax(1)
        .squeeze_dim::<1>(1)
}

/// A uniformly drawn other reference of the same class for each anchor; the anchor itself where it
/// is the only one of its class.
pub(super) fn uniform_positives(labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Vec<usize> {
    (0..labels.len())
        .map(|row| uniform(labels.positives_of(row), rng).unwrap_or(row))
        .collect()
}

/// A uniform draw; nothing (and no number used) when there is nothing to draw from.
pub(super) fn uniform(
    rows: impl Iterator<Item = usize> + Clone,
    rng: &mut ChaCha8Rng,
) -> Option<usize> {
    let count = rows.clone().count() as u32;
    let mut rows = rows;
    (count > 0).then(|| rows.nth(rng.random_range(0..count) as usize))?
}

/// Whether each anchor has both a positive and a negative.
pub(super) fn complete_anchors(labels: &BatchLabels) -> Vec<bool> {
    (0..labels.len())
        .map(|row| labels.positive_count(row) > 0 && labels.negative_count(row) > 0)
        .collect()
}
