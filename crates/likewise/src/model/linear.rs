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

    /// Weight from N(0, `deviation`²), bias 0.
    pub fn normal(input: usize, output: usize, deviation: f64, source: &ParameterSource) -> Self {
        Self {
            weight: source.normal("weight", [output, input], deviation),
            bias: source.constant("bias", [output], 0.0),
        }
    }

    /// `[…, in]` → `[…, out]`.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let weight = as_input(self.weight.val(), &input);
        let bias = as_input(self.bias.val(), &input);
        linear(input, weight.transpose(), Some(bias))
    }
}
