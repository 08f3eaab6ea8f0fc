//! All singular values of a matrix, without a read-back on GPUs: what the spectrum of embeddings is
//! told from during training.

mod cube;
mod double_gram;
mod flex;
mod host;
mod twin;

pub use host::singular_values as host_singular_values;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
#[cfg(not(target_family = "wasm"))]
use burn::tensor::Shape;
use burn::tensor::Tensor;

/// Singular values of `x` `[N, D]`, the largest first: `[min(N, D)]`, without a gradient.
///
/// Each differs from its true value by less than 5e-7 times the largest one (the kernel; on `flex`
/// by rounding alone), however small it is and however `x` is scaled. For ρ, the divergence KL(U‖S)
/// of the uniform spectrum from the values normalised to sum 1, that is at most 1e-6 times the mean
/// of σ₁/σᵢ: about 1e-6 for flat spectra, 1e-4 for values of a hundredth of the largest; a matrix
/// without full rank has values of rounding instead of zero, and a ρ that says nothing. A value
/// above the largest number of single precision is infinite. If `x` holds anything that is not
/// finite, all values are NaN.
///
/// The kernel is a block power iteration (one-sided block Jacobi iteration: Bečka and Vajteršic,
/// *Block-Jacobi SVD algorithms for distributed memory systems I*, 1999). Its rounds, at most 16
/// sweeps of them, are launched at once and leave when the vectors are orthogonal.
pub fn singular_values(x: Tensor<2>) -> Tensor<1> {
    if x.dims().contains(&0) {
        return Tensor::zeros([0], &x.inner().device());
    }
    Tensor::from_dispatch(Dispatch::singular_values(x.inner().into_dispatch()))
}

/// The same as [`singular_values`] from Burn's own tensor operations, thousands of small ones: the
/// reference that the kernel is tested against, and what runs on other GPUs.
pub fn singular_values_twin(x: Tensor<2>) -> Tensor<1> {
    if x.dims().contains(&0) {
        return Tensor::zeros([0], &x.inner().device());
    }
    Tensor::from_dispatch(Dispatch::singular_values_twin(x.inner().into_dispatch()))
}

/// The operation for each backend. There is at least one row and column.
#[backend_extension(Cube, Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait Spectrum: Backend {
    /// Singular values of `x` `[N, D]`, the largest first: `[min(N, D)]`.
    #[fusion(dtype = x, shape = Shape::new([x[0].min(x[1])]))]
    fn singular_values(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The same from tensor operations. They are not fused: Burn 0.22.1 computes wrong numbers where
    /// it fuses the many small ones on two vectors.
    #[fusion(dtype = x, shape = Shape::new([x[0].min(x[1])]))]
    fn singular_values_twin(x: FloatTensor<Self>) -> FloatTensor<Self> {
        twin::singular_values::<Self>(x)
    }
}
