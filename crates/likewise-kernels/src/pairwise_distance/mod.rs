//! Distances and inner products between all rows of two matrices: what miners and objectives are
//! functions of. Distances are computed from differences, not from inner products, so that near and
//! coincident rows lose no digits.

mod autodiff;
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
    let [x, y] = rows_for(measure, [x, y]);
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
    let [x, y] = rows_for(measure, [x, y]);
    // A square root has no finite gradient at 0.
    let (inner, root) = match measure {
        Measure::Euclidean => (Measure::SquaredEuclidean, true),
        other => (other, false),
    };
    let output = Tensor::from_dispatch(twin::forward::<Dispatch>(
        x.into_dispatch(),
        y.into_dispatch(),
        inner,
    ));
    if root { root_or_zero(output) } else { output }
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

/// The rows that the measure is computed of: for cosines, scaled to length 1.
fn rows_for(measure: Measure, rows: [Tensor<2>; 2]) -> [Tensor<2>; 2] {
    match measure {
        Measure::Cosine => rows.map(unit),
        _ => rows,
    }
}

/// Rows of `x` scaled to length 1; zero rows stay zero, with gradient 0.
fn unit(x: Tensor<2>) -> Tensor<2> {
    if x.dims().contains(&0) {
        return x;
    }
    // Scaled first to a largest component of 1, of which squares neither overflow nor vanish.
    let largest = x.clone().detach().abs().max_dim(1);
    let zero = largest.clone().equal_elem(0.0);
    let x = x / largest.mask_fill(zero.clone(), 1.0);
    let square = x.clone().square().sum_dim(1).mask_fill(zero.clone(), 1.0);
    let unit = x.clone() / square.sqrt();
    unit.mask_fill(zero.expand(x.shape()), 0.0)
}

/// The square root, with gradient 0 at 0.
fn root_or_zero(square: Tensor<2>) -> Tensor<2> {
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

/// The operation and its derivatives for each backend. Rows of cosines are of length 1, or zero,
/// already.
#[backend_extension(Autodiff, Cube, Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait PairwiseDistance: Backend {
    /// `measure` of the rows of `x` `[N, D]` with those of `y` `[M, D]`: `[N, M]`.
    #[fusion(dtype = x, shape = Shape::new([x[0], y[0]]))]
    fn pairwise_distance(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        measure: Measure,
    ) -> FloatTensor<Self>;

    /// The gradient for `x` `[N, D]` given the gradient w `[N, M]` of the squared distances to `y`
    /// `[M, D]`, 2 Σ_j w_ij (x_i − y_j), or, for `products`, of the inner products, Σ_j w_ij y_j.
    /// The gradient for y is the same with w transposed and x and y exchanged.
    #[fusion(dtype = x, shape = x)]
    fn pair_gradient(
        weights: FloatTensor<Self>,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        products: bool,
    ) -> FloatTensor<Self> {
        twin::gradient::<Self>(weights, x, y, products)
    }

    /// The gradient for `x` `[N, D]` given the gradient `[N, N]` of what its rows have with each
    /// other.
    #[fusion(default)]
    fn pair_self_gradient(
        weights: FloatTensor<Self>,
        x: FloatTensor<Self>,
        products: bool,
    ) -> FloatTensor<Self> {
        // Both roles of the rows at once.
        let transposed = Self::float_transpose(weights.clone());
        let both = Self::float_add(weights, transposed);
        Self::pair_gradient(both, x.clone(), x, products)
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
