//! The nearest centroid of each point: what every iteration of k-means consists of.

mod cube;
mod flex;

#[cfg(not(target_family = "wasm"))]
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
#[cfg(not(target_family = "wasm"))]
use burn::tensor::{DType, Shape};
use burn::tensor::{Int, IntDType, Tensor};

use crate::flex::has_loops;
use crate::launch::accepts_matrices;
use crate::score::{Score, with_components};
use crate::top_k::top_k_twin;

/// For each of the `points` `[N, D]` the row of the `centroids` `[K, D]` that has the smallest
/// score, the lower one of two with the same, and that score: `[N]` each. A score that is not a
/// number comes last. There is no gradient.
///
/// # Panics
///
/// If there is no centroid, or points and centroids differ in length.
pub fn assign_nearest(
    points: Tensor<2>,
    centroids: Tensor<2>,
    score: Score,
) -> (Tensor<1, Int>, Tensor<1>) {
    check(&points, &centroids);
    let rows = points.dims()[0];
    let kernel = has_loops(&points) || accepts_matrices(&[&points, &centroids], rows);
    if rows == 0 || !kernel {
        return assign_nearest_twin(points, centroids, score);
    }
    let (points, centroids) = (points.inner(), centroids.inner());
    let (points, centroids) = (with_components(points), with_components(centroids));
    let dtype = points.device().settings().int_dtype;
    let (rows, scores) = Dispatch::nearest_rows(
        points.into_dispatch(),
        centroids.into_dispatch(),
        score,
        dtype,
    );
    (Tensor::from_dispatch(rows), Tensor::from_dispatch(scores))
}

/// The same as [`assign_nearest`] from Burn's own tensor operations: the reference that the kernel is
/// tested against.
///
/// # Panics
///
/// If there is no centroid, or points and centroids differ in length.
pub fn assign_nearest_twin(
    points: Tensor<2>,
    centroids: Tensor<2>,
    score: Score,
) -> (Tensor<1, Int>, Tensor<1>) {
    check(&points, &centroids);
    let own = Tensor::full([points.dims()[0]], -1, &points.device());
    let (rows, scores) = top_k_twin(points, centroids, own, 1, score);
    (rows.squeeze_dim(1), scores.squeeze_dim(1))
}

fn check(points: &Tensor<2>, centroids: &Tensor<2>) {
    let ([_, components], [rows, width]) = (points.dims(), centroids.dims());
    assert_eq!(
        components, width,
        "assign_nearest: points and centroids differ in length"
    );
    assert!(rows > 0, "assign_nearest: there is no centroid");
}

/// The operation for each backend that has a form of its own. Nothing is empty.
#[backend_extension(Cube, Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait AssignNearest: Backend {
    /// Rows, of type `dtype`, and scores, both `[N]`, for `points` `[N, D]` and `centroids` `[K, D]`.
    #[fusion(meta = outputs)]
    fn nearest_rows(
        points: FloatTensor<Self>,
        centroids: FloatTensor<Self>,
        score: Score,
        dtype: IntDType,
    ) -> (IntTensor<Self>, FloatTensor<Self>);
}

#[cfg(not(target_family = "wasm"))]
fn outputs(
    points: &TensorSpec,
    _centroids: &TensorSpec,
    _score: &Score,
    dtype: &IntDType,
) -> (TensorSpec, TensorSpec) {
    let shape = Shape::new([points.shape[0]]);
    let rows = TensorSpec::new(shape.clone(), DType::from(*dtype));
    (rows, TensorSpec::new(shape, points.dtype))
}
