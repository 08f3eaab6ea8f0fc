//! The cosine distance from inner products of rows scaled to length 1.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata, get_device_settings};

use super::{Measure, PairwiseDistance};

/// 1 − cos of the rows of x and of y, which are the same rows if `same`: `[N, M]`.
pub fn distance<B: PairwiseDistance>(
    x: FloatTensor<B>,
    y: FloatTensor<B>,
    same: bool,
) -> FloatTensor<B> {
    let x = unit::<B>(x);
    let y = if same { x.clone() } else { unit::<B>(y) };
    one_minus::<B>(B::pairwise_distance(x, y, Measure::DotProduct))
}

pub fn one_minus<B: Backend>(cosine: FloatTensor<B>) -> FloatTensor<B> {
    B::float_add_scalar(B::float_neg(cosine), 1.0f32.into())
}

/// Rows of `x` scaled to length 1; zero rows stay zero, with gradient 0.
pub fn unit<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = x.shape();
    if shape.num_elements() == 0 {
        return x;
    }
    let bools = get_device_settings::<B>(&x.device()).bool_dtype;
    // Scaled first to a largest component of 1, of which squares neither overflow nor vanish.
    let largest = B::float_max_dim(B::float_abs(B::float_detach(x.clone())), 1);
    let zero = B::float_equal_elem(largest.clone(), 0.0f32.into(), bools);
    let largest = B::float_mask_fill(largest, zero.clone(), 1.0f32.into());
    let x = B::float_div(x, largest);
    let square = B::float_sum_dim(B::float_mul(x.clone(), x.clone()), 1);
    let square = B::float_mask_fill(square, zero.clone(), 1.0f32.into());
    let unit = B::float_div(x, B::float_sqrt(square));
    B::float_mask_fill(unit, B::bool_expand(zero, shape), 0.0f32.into())
}
