//! Which quantity of two rows is computed.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;
use burn::backend::{TensorMetadata, get_device_settings};

/// A quantity of two rows x and y.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// ‖x − y‖², computed from differences: exactly 0 for coincident rows.
    SquaredEuclidean,
    /// ‖x − y‖, computed from differences as well; its gradient is 0 where it is 0.
    Euclidean,
    /// 1 − cos(x, y), 0 (up to rounding, which may leave less than 0) to 2; 1, with gradient 0, for
    /// rows of which one is zero.
    Cosine,
    /// The inner product x · y: a similarity, larger for closer rows.
    DotProduct,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 4] = [
        Self::SquaredEuclidean,
        Self::Euclidean,
        Self::Cosine,
        Self::DotProduct,
    ];
}

/// Weights of the pairs of rows in the gradient of squared distances, given the gradient g of the
/// distances: g / 2d, and 0 where a distance is, whatever g is there.
pub(super) fn through_root<B: Backend>(
    gradient: FloatTensor<B>,
    distance: FloatTensor<B>,
) -> FloatTensor<B> {
    let bools = get_device_settings::<B>(&distance.device()).bool_dtype;
    let zero = B::float_equal_elem(distance.clone(), 0.0f32.into(), bools);
    let half = B::float_mul_scalar(gradient, 0.5f32.into());
    B::float_mask_fill(B::float_div(half, distance), zero, 0.0f32.into())
}
