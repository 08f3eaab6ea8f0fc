//! The fully connected layer, with weights laid out as in PyTorch files.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::linear;

use super::init::ParameterSource;
use super::precision::as_input;

/// `y = x Wᵀ + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Param<Tensor<1>>,
}

impl Linear {
    /// Weight and bias from U(−1/√in, 1/√in), PyTorch's default.
    pub fn new(input: usize, output: usize, source: &ParameterSource) -> Self {
        let bound = 1.0 / (input as f64).sqrt();
        Self {
            weight: source.uniform("weight", [output, input], bound),
            bias: source.uniform("bias", [output], bound),
        }
    }

    /// `[B, in]` → `[B, out]`.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let weight = as_input(self.weight.val(), &input);
        let bias = as_input(self.bias.val(), &input);
        linear(input, weight.transpose(), Some(bias))
    }
}
