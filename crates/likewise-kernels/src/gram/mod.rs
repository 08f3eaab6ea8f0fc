//! Inner products of all rows of a matrix with each other. Its gradient takes one matrix product
//! where differentiating `x · xᵀ` takes two.

mod operation;

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::flex::has_loops;
use operation::Gram;

/// The Gram matrix x·xᵀ of the rows of `x` `[N, D]`: `[N, N]`, with a gradient.
pub fn gram(x: Tensor<2>) -> Tensor<2> {
    if x.dims().contains(&0) || !has_loops(&x) {
        return gram_twin(x);
    }
    Tensor::from_dispatch(Dispatch::inner_products(x.into_dispatch()))
}

/// The same as [`gram`] from Burn's own tensor operations, with gradients from Burn's
/// differentiation: what runs on GPUs, and the reference in tests.
pub fn gram_twin(x: Tensor<2>) -> Tensor<2> {
    x.clone().matmul(x.transpose())
}
