//! The pairwise distance from tensor operations: the reference for the kernels, and what runs on
//! devices and number formats without one.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Slice};

use super::{Measure, Sizes, cosine};

/// Elements of the differences of some rows of x with all rows of y that are held at a time: all
/// `N·M·D` of them would be too large for batches of thousands.
const DIFFERENCES: usize = 1 << 22;

/// `measure` of the rows of `x` `[N, D]` with those of `y` `[M, D]`: `[N, M]`. For
/// values alone: the gradient of a Euclidean distance is infinite where it is 0.
pub fn forward<B: Backend>(
    x: FloatTensor<B>,
    y: FloatTensor<B>,
    measure: Measure,
) -> FloatTensor<B> {
    match measure {
        Measure::SquaredEuclidean => squared::<B>(x, y),
        Measure::Euclidean => B::float_sqrt(squared::<B>(x, y)),
        Measure::Cosine => cosines::<B>(x, y),
        Measure::DotProduct => products::<B>(x, y),
    }
}

/// 1 − cos(x_i, y_j).
pub fn cosines<B: Backend>(x: FloatTensor<B>, y: FloatTensor<B>) -> FloatTensor<B> {
    let [x, y] = [x, y].map(cosine::unit::<B>);
    cosine::one_minus::<B>(products::<B>(x, y))
}

/// x_i · y_j.
pub fn products<B: Backend>(x: FloatTensor<B>, y: FloatTensor<B>) -> FloatTensor<B> {
    let sizes = Sizes::of(&x, &y);
    if sizes.is_empty() {
        return zeros::<B>([sizes.x_rows, sizes.y_rows], &x);
    }
    B::float_matmul(x, B::float_transpose(y))
}

/// ‖x_i − y_j‖².
pub fn squared<B: Backend>(x: FloatTensor<B>, y: FloatTensor<B>) -> FloatTensor<B> {
    let sizes = Sizes::of(&x, &y);
    if sizes.is_empty() {
        return zeros::<B>([sizes.x_rows, sizes.y_rows], &x);
    }
    let blocks = blocks(sizes).map(|block| {
        let difference = differences::<B>(rows::<B>(x.clone(), block), y.clone());
        let square = B::float_mul(difference.clone(), difference);
        B::float_reshape(
            B::float_sum_dim(square, 2),
            Shape::new([block[1] - block[0], sizes.y_rows]),
        )
    });
    join::<B>(blocks.collect())
}

/// 2 Σ_j g_ij (x_i − y_j) for `gradient` g `[N, M]`, `x` `[N, D]` and `y` `[M, D]`: `[N, D]`.
pub fn gradient<B: Backend>(
    gradient: FloatTensor<B>,
    x: FloatTensor<B>,
    y: FloatTensor<B>,
) -> FloatTensor<B> {
    let sizes = Sizes::of(&x, &y);
    if sizes.is_empty() {
        return zeros::<B>([sizes.x_rows, sizes.components], &x);
    }
    let blocks = blocks(sizes).map(|block| {
        let count = block[1] - block[0];
        let difference = differences::<B>(rows::<B>(x.clone(), block), y.clone());
        let weight = rows::<B>(gradient.clone(), block);
        let weight = B::float_reshape(weight, Shape::new([count, sizes.y_rows, 1]));
        let sum = B::float_sum_dim(B::float_mul(weight, difference), 1);
        let sum = B::float_reshape(sum, Shape::new([count, sizes.components]));
        B::float_mul_scalar(sum, 2.0f32.into())
    });
    join::<B>(blocks.collect())
}

/// Σ_j g_ij y_j, the gradient for `x` of inner products, given theirs, `gradient` g `[N, M]`.
pub fn product_gradient<B: Backend>(
    gradient: FloatTensor<B>,
    x: FloatTensor<B>,
    y: FloatTensor<B>,
) -> FloatTensor<B> {
    let sizes = Sizes::of(&x, &y);
    if sizes.is_empty() {
        return zeros::<B>([sizes.x_rows, sizes.components], &x);
    }
    B::float_matmul(gradient, y)
}

/// First and one past the last row of each block of rows of x.
fn blocks(sizes: Sizes) -> impl Iterator<Item = [usize; 2]> {
    let step = (DIFFERENCES / (sizes.y_rows * sizes.components)).max(1);
    (0..sizes.x_rows)
        .step_by(step)
        .map(move |first| [first, (first + step).min(sizes.x_rows)])
}

fn rows<B: Backend>(tensor: FloatTensor<B>, [first, end]: [usize; 2]) -> FloatTensor<B> {
    let columns = tensor.shape()[1];
    B::float_slice(tensor, &[Slice::from(first..end), Slice::from(0..columns)])
}

/// x_i − y_j: `[N, M, D]`.
fn differences<B: Backend>(x: FloatTensor<B>, y: FloatTensor<B>) -> FloatTensor<B> {
    let sizes = Sizes::of(&x, &y);
    let x = B::float_reshape(x, Shape::new([sizes.x_rows, 1, sizes.components]));
    let y = B::float_reshape(y, Shape::new([1, sizes.y_rows, sizes.components]));
    B::float_sub(x, y)
}

fn join<B: Backend>(mut blocks: Vec<FloatTensor<B>>) -> FloatTensor<B> {
    if blocks.len() == 1 {
        blocks.remove(0)
    } else {
        B::float_cat(blocks, 0)
    }
}

fn zeros<B: Backend>(shape: [usize; 2], like: &FloatTensor<B>) -> FloatTensor<B> {
    B::float_zeros(Shape::new(shape), &like.device(), like.dtype().into())
}
