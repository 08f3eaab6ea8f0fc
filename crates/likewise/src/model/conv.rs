//! Two-dimensional convolution: the single place where models call the operation.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use likewise_kernels::{ConvFinish, conv2d};

use super::init::ParameterSource;

/// A convolution with a square kernel and equal stride and padding on both axes. A batch
/// normalisation follows, whose shift takes the place of a bias; networks whose weights were
/// published with one have it all the same.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[out, in, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    padding: usize,
}

/// Sizes of a [`Conv2d`].
#[derive(Clone, Copy, Debug)]
pub struct Conv2dConfig {
    /// Channels of the input.
    pub input: usize,
    /// Channels of the output.
    pub output: usize,
    /// Height and width of the kernel; odd.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
}

impl Conv2dConfig {
    /// A convolution padded by `kernel / 2`, with weights from N(0, 2 / fan-out), fan-out =
    /// out · kernel² (He et al. 2015, as torchvision starts its ResNets).
    pub fn init(self, source: &ParameterSource) -> Conv2d {
        let shape = [self.output, self.input, self.kernel, self.kernel];
        let fan_out = (self.output * self.kernel * self.kernel) as f64;
        Conv2d {
            weight: source.normal("weight", shape, (2.0 / fan_out).sqrt()),
            bias: None,
            stride: self.stride,
            padding: self.kernel / 2,
        }
    }
}

impl Conv2d {
    /// The same with a bias, 0 at first; `source` is that of the convolution.
    #[must_use]
    pub fn with_bias(mut self, source: &ParameterSource) -> Self {
        let output = self.weight.lazy_shape()[0];
        self.bias = Some(source.constant("bias", [output], 0.0));
        self
    }

    /// `[B, in, H, W]` → `[B, out, ⌈H / stride⌉, ⌈W / stride⌉]`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let finish = ConvFinish {
            shift: self.bias.as_ref().map(Param::val),
            ..ConvFinish::default()
        };
        self.forward_finished(input, finish)
    }

    /// Without the bias, which is part of `finish`, and with what follows in one operation.
    pub fn forward_finished(&self, input: Tensor<4>, finish: ConvFinish) -> Tensor<4> {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        conv2d(input, self.weight.val(), stride, padding, finish)
    }
}
