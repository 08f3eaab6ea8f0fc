//! The choices as Burn sees them on `flex` and on WGSL devices.

use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
use burn::backend::{Backend, Flex, backend_extension};
#[cfg(not(target_family = "wasm"))]
use burn::tensor::DType;
use burn::tensor::IntDType;

use super::flex;
use super::sphere::Sphere;
use crate::flex::{flags, integers, values};

/// What the values that weights are computed from are.
#[derive(Clone, Copy, Debug)]
pub enum Weights {
    /// Logarithms of the weights.
    Logarithms,
    /// Squared distances on the unit sphere.
    Sphere(Sphere),
}

/// The choices in loops over rows, or in a shader. There is at least one row and column.
#[backend_extension(Cube, Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait Choice: Backend {
    /// Column numbers `[R]` of type `dtype` for `candidates` `[R, C]` and `uniform` `[R]`.
    #[fusion(dtype = DType::from(*dtype), shape = uniform)]
    fn row_choice_uniform(
        candidates: BoolTensor<Self>,
        uniform: FloatTensor<Self>,
        dtype: IntDType,
    ) -> IntTensor<Self>;

    /// The same by the weights of `numbers` `[R, C]`.
    #[fusion(dtype = DType::from(*dtype), shape = uniform)]
    fn row_choice_weighted(
        numbers: FloatTensor<Self>,
        candidates: BoolTensor<Self>,
        uniform: FloatTensor<Self>,
        weights: Weights,
        dtype: IntDType,
    ) -> IntTensor<Self>;
}

impl Choice for Flex {
    fn row_choice_uniform(
        candidates: BoolTensor<Self>,
        uniform: FloatTensor<Self>,
        dtype: IntDType,
    ) -> IntTensor<Self> {
        let (candidates, uniform) = (candidates.to_contiguous(), uniform.to_contiguous());
        indices(flex::uniform(flags(&candidates), values(&uniform)), dtype)
    }

    fn row_choice_weighted(
        numbers: FloatTensor<Self>,
        candidates: BoolTensor<Self>,
        uniform: FloatTensor<Self>,
        weights: Weights,
        dtype: IntDType,
    ) -> IntTensor<Self> {
        let [numbers, candidates, uniform] =
            [numbers, candidates, uniform].map(|tensor| tensor.to_contiguous());
        let columns = flex::weighted(
            values(&numbers),
            flags(&candidates),
            values(&uniform),
            weights,
        );
        indices(columns, dtype)
    }
}

fn indices(columns: Vec<i32>, dtype: IntDType) -> IntTensor<Flex> {
    let rows = columns.len();
    integers(columns, &[rows], dtype)
}
