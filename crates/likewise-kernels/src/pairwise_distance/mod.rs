//! Squared Euclidean distances between all rows of two matrices: the one quantity that miners and
//! ranking objectives are functions of. Computed from differences, not from inner products, so
//! that near and coincident rows lose no digits.

mod autodiff;
mod cube;
mod distances;
mod flex;
mod gradient;
mod twin;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
#[cfg(not(target_family = "wasm"))]
use burn::tensor::Shape;
use burn::tensor::Tensor;

/// Squared Euclidean distances ‖x_i − y_j‖² between the rows of `x` `[N, D]` and the rows of `y`
/// `[M, D]`: `[N, M]`, with gradients for both.
///
/// Coincident rows have distance exactly 0 and contribute exactly 0 to the gradient;
/// `x` and `y` may be the same tensor, and the result is then exactly symmetric.
///
/// # Panics
///
/// If the rows of `x` and `y` differ in length.
pub fn pairwise_squared_distance(x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
    check(&x, &y);
    Tensor::from_dispatch(Dispatch::squared_distance(
        x.into_dispatch(),
        y.into_dispatch(),
    ))
}

/// The same as [`pairwise_squared_distance`] from Burn's own tensor operations, with gradients from
/// Burn's differentiation: slower, and the reference that the kernels are tested against.
///
/// # Panics
///
/// If the rows of `x` and `y` differ in length.
pub fn pairwise_squared_distance_twin(x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
    check(&x, &y);
    Tensor::from_dispatch(twin::forward::<Dispatch>(
        x.into_dispatch(),
        y.into_dispatch(),
    ))
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
    /// ‖x_i − y_j‖² for `x` `[N, D]` and `y` `[M, D]`: `[N, M]`.
    #[fusion(dtype = x, shape = Shape::new([x[0], y[0]]))]
    fn squared_distance(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self>;

    /// 2 Σ_j g_ij (x_i − y_j), the gradient for `x` `[N, D]` given the gradient `g` `[N, M]` of the
    /// distances to `y` `[M, D]`. The gradient for y is the same with `g` transposed and x and y
    /// exchanged.
    #[fusion(dtype = x, shape = x)]
    fn squared_distance_gradient(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        twin::gradient::<Self>(gradient, x, y)
    }

    /// The gradient for `x` `[N, D]` given the gradient `[N, N]` of the distances to itself.
    #[fusion(default)]
    fn squared_distance_self_gradient(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        // Both roles of the rows at once.
        let transposed = Self::float_transpose(gradient.clone());
        let both = Self::float_add(gradient, transposed);
        Self::squared_distance_gradient(both, x.clone(), x)
    }
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
