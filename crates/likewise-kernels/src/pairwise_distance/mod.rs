//! Distances and inner products between all rows of two matrices: what miners and objectives are
//! functions of. Distances are computed from differences, not from inner products, so that near and
//! coincident rows lose no digits.

mod autodiff;
mod cosine;
mod cube;
mod distances;
mod flex;
mod gradient;
mod measure;
mod twin;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
#[cfg(not(target_family = "wasm"))]
use burn::tensor::Shape;
use burn::tensor::Tensor;

pub use measure::Measure;

/// `measure` of each row of `x` `[N, D]` with each row of `y` `[M, D]`: `[N, M]`, with gradients
/// for both.
///
/// Coincident rows have Euclidean distances of exactly 0 and contribute exactly 0 to their gradient;
/// `x` and `y` may be the same tensor, and Euclidean distances are then exactly symmetric. Distances
/// below about 1e-19, whose squares are too small for single precision, may count as 0.
///
/// # Panics
///
/// If the rows of `x` and `y` differ in length.
pub fn pairwise_distance(x: Tensor<2>, y: Tensor<2>, measure: Measure) -> Tensor<2> {
    check(&x, &y);
    Tensor::from_dispatch(Dispatch::pairwise_distance(
        x.into_dispatch(),
        y.into_dispatch(),
        measure,
    ))
}

/// The same as [`pairwise_distance`] from Burn's own tensor operations, with gradients from Burn's
/// differentiation: slower, and the reference that the kernels are tested against.
///
/// # Panics
///
/// If the rows of `x` and `y` differ in length.
pub fn pairwise_distance_twin(x: Tensor<2>, y: Tensor<2>, measure: Measure) -> Tensor<2> {
    check(&x, &y);
    let (x, y) = (x.into_dispatch(), y.into_dispatch());
    let squared = |x, y| Tensor::from_dispatch(twin::squared::<Dispatch>(x, y));
    match measure {
        Measure::SquaredEuclidean => squared(x, y),
        Measure::Euclidean => root(squared(x, y)),
        Measure::Cosine => Tensor::from_dispatch(twin::cosines::<Dispatch>(x, y)),
        Measure::DotProduct => Tensor::from_dispatch(twin::products::<Dispatch>(x, y)),
    }
}

/// Squared Euclidean distances ‖x_i − y_j‖² between the rows of `x` `[N, D]` and the rows of `y`
/// `[M, D]`: [`pairwise_distance`] by [`Measure::SquaredEuclidean`].
///
/// # Panics
///
/// If the rows of `x` and `y` differ in length.
pub fn pairwise_squared_distance(x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
    pairwise_distance(x, y, Measure::SquaredEuclidean)
}

/// The same as [`pairwise_squared_distance`] from Burn's own tensor operations.
///
/// # Panics
///
/// If the rows of `x` and `y` differ in length.
pub fn pairwise_squared_distance_twin(x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
    pairwise_distance_twin(x, y, Measure::SquaredEuclidean)
}

/// The square root, with gradient 0 at 0.
fn root(square: Tensor<2>) -> Tensor<2> {
    let zero = square.clone().equal_elem(0.0);
    let root = square.mask_fill(zero.clone(), 1.0).sqrt();
    root.mask_fill(zero, 0.0)
}

fn check(x: &Tensor<2>, y: &Tensor<2>) {
    let ([_, x_columns], [_, y_columns]) = (x.dims(), y.dims());
    assert_eq!(
        x_columns, y_columns,
        "pairwise distance: rows of x and y differ in length"
    );
}

/// The operation and its derivative for each backend.
#[backend_extension(Autodiff, Cube, Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait PairwiseDistance: Backend {
    /// `measure` of the rows of `x` `[N, D]` with those of `y` `[M, D]`: `[N, M]`.
    #[fusion(dtype = x, shape = Shape::new([x[0], y[0]]))]
    fn pairwise_distance(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        measure: Measure,
    ) -> FloatTensor<Self>;

    /// 2 Σ_j g_ij (x_i − y_j), the gradient for `x` `[N, D]` given the gradient `g` `[N, M]` of the
    /// squared distances to `y` `[M, D]`. The gradient for y is the same with `g` transposed and x
    /// and y exchanged.
    #[fusion(dtype = x, shape = x)]
    fn squared_distance_gradient(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        twin::gradient::<Self>(gradient, x, y)
    }

    /// The gradient for `x` `[N, D]` given the gradient `[N, N]` of the squared distances to itself.
    #[fusion(default)]
    fn squared_distance_self_gradient(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::squared_distance_gradient(both_roles::<Self>(gradient), x.clone(), x)
    }
}

/// g + gᵀ: the gradient of what rows have with each other, for both roles of a row at once.
fn both_roles<B: Backend>(gradient: FloatTensor<B>) -> FloatTensor<B> {
    B::float_add(gradient.clone(), B::float_transpose(gradient))
}

/// Rows of x, rows of y and components of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    x_rows: usize,
    y_rows: usize,
    components: usize,
}

impl Sizes {
    fn of(x: &impl TensorMetadata, y: &impl TensorMetadata) -> Self {
        let ([x_rows, components], [y_rows, _]) = (x.shape().dims(), y.shape().dims());
        Self {
            x_rows,
            y_rows,
            components,
        }
    }

    /// Whether there is nothing to add up.
    fn is_empty(&self) -> bool {
        self.x_rows == 0 || self.y_rows == 0 || self.components == 0
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    #[should_panic(expected = "rows of x and y differ in length")]
    fn rows_of_different_length_are_refused() {
        let device = Device::flex();
        let (x, y) = (
            Tensor::zeros([2, 3], &device),
            Tensor::zeros([2, 4], &device),
        );
        let _distance = pairwise_squared_distance(x, y);
    }
}
