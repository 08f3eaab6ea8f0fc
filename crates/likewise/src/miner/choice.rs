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

/// A uniformly drawn other row of the same class for each row; the row itself where it is the
/// only one of its class.
pub(super) fn uniform_positives(labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Vec<usize> {
    (0..labels.len())
        .map(|row| uniform(&labels.positives_of(row), rng).unwrap_or(row))
        .collect()
}

/// A uniform draw from `rows`; nothing (and no number used) when it is empty.
pub(super) fn uniform(rows: &[usize], rng: &mut ChaCha8Rng) -> Option<usize> {
    (!rows.is_empty()).then(|| rows[rng.random_range(0..rows.len() as u32) as usize])
}

/// Whether each row has both a positive and a negative.
pub(super) fn complete_anchors(labels: &BatchLabels) -> Vec<bool> {
    let host = &labels.host;
    let has_negative = |row: usize| host.iter().any(|&label| label != host[row]);
    let has_positive = |row: usize| !labels.positives_of(row).is_empty();
    (0..labels.len())
        .map(|row| has_positive(row) && has_negative(row))
        .collect()
}
