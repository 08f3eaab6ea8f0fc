//! Projection of embeddings onto the unit sphere.

use burn::tensor::Tensor;

/// Norm below which a row counts as zero. Large enough that its square and the gradient 1/floor
/// are ordinary single-precision numbers.
const NORM_FLOOR: f64 = 1e-6;

/// Divides each row of `[B, D]` by its Euclidean norm, or by 10⁻⁶ if the norm is smaller: a zero
/// row stays zero, and its gradient is finite.
pub fn l2_normalize(rows: Tensor<2>) -> Tensor<2> {
    let squared_norms = rows.clone().square().sum_dim(1);
    let norms = squared_norms.clamp_min(NORM_FLOOR * NORM_FLOOR).sqrt();
    rows / norms
}
