//! Convolution, batch norm and max pooling for training on the CPU.
//!
//! On `flex` devices and single precision they run this module's kernels; elsewhere, Burn's own
//! operations. Results are the same bits from run to run and for any number of threads.

mod batch_norm;
mod correlate;
mod epilogue;
mod finish;
mod max_pool;
mod operations;
mod pack;
mod relu;
mod scratch;
mod shape;
#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
mod weight_gradient;

use burn::backend::Dispatch;
use burn::tensor::module::BatchNormTrainOutput;
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{DType, Device, FloatDType, Tensor, activation};

pub use epilogue::Epilogue;
pub use max_pool::max_pool2d;
use operations::ConvolutionOps;
use shape::Window;

/// What becomes of the sums of a convolution with O output channels:
/// `relu(scale · sum + shift + residual)`, each part only where it is there. A batch norm with fixed
/// statistics is such a scale and shift.
#[derive(Clone, Debug, Default)]
pub struct ConvFinish {
    /// `[O]`.
    pub scale: Option<Tensor<1>>,
    /// `[O]`.
    pub shift: Option<Tensor<1>>,
    /// `[N, O, H', W']`.
    pub residual: Option<Tensor<4>>,
    /// Whether a ReLU follows.
    pub relu: bool,
}

/// Two-dimensional convolution (cross-correlation, as everywhere in deep learning) of `x`
/// `[N, C, H, W]` with `weight` `[O, C, kernel height, kernel width]`, and what follows:
/// `[N, O, H', W']` with `H' = ⌊(H + 2·padding − kernel) / stride⌋ + 1`, likewise `W'`. `padding`
/// zeros are added on both sides of each axis. Differentiable in all tensors. Where `x` is of half
/// precision, the other tensors are rounded to it.
///
/// # Panics
///
/// If shapes disagree, a stride is 0, or the kernel is larger than the padded input.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    stride: [usize; 2],
    padding: [usize; 2],
    finish: ConvFinish,
) -> Tensor<4> {
    let ([batch, channels, height, width], [outputs, inputs, rows, columns]) =
        (x.dims(), weight.dims());
    assert_eq!(
        channels, inputs,
        "conv2d: channels of the input, and those the weight is for"
    );
    assert!(
        stride.iter().all(|&stride| stride > 0),
        "conv2d: stride {stride:?} must be positive"
    );
    assert!(
        rows <= height + 2 * padding[0] && columns <= width + 2 * padding[1],
        "conv2d: kernel {rows}x{columns} is larger than the input {height}x{width} with padding \
         {padding:?}"
    );
    let window = Window {
        kernel: [rows, columns],
        stride,
        padding,
    };
    let [rows, columns] = window.output([height, width]);
    finish.check([batch, outputs, rows, columns]);
    if !has_kernels(&x) {
        let options = ConvOptions::new(stride, padding, [1, 1], 1);
        return finish.by_operations(x, weight, options);
    }
    let nothing = Tensor::<1>::empty([0], &weight.device());
    let vector = |part: Option<Tensor<1>>| part.unwrap_or_else(|| nothing.clone()).into_dispatch();
    let residual = match finish.residual {
        Some(residual) => residual.into_dispatch(),
        None => nothing.clone().into_dispatch(),
    };
    Tensor::from_dispatch(Dispatch::convolution(
        x.into_dispatch(),
        weight.into_dispatch(),
        vector(finish.scale),
        vector(finish.shift),
        residual,
        window,
        finish.relu,
    ))
}

impl ConvFinish {
    fn check(&self, output: [usize; 4]) {
        for vector in [&self.scale, &self.shift].into_iter().flatten() {
            assert_eq!(
                vector.dims(),
                [output[1]],
                "conv2d: scale or shift, and output channels"
            );
        }
        if let Some(residual) = &self.residual {
            assert_eq!(residual.dims(), output, "conv2d: residual and output");
        }
    }

    /// As tensor operations: the scale is multiplied into the weight, which is smaller than a map.
    fn by_operations(self, x: Tensor<4>, weight: Tensor<4>, options: ConvOptions<2>) -> Tensor<4> {
        let weight = match self.scale {
            Some(scale) => {
                let [outputs] = scale.dims();
                weight * scale.reshape([outputs, 1, 1, 1])
            }
            None => weight,
        };
        let precision = FloatDType::from(x.dtype());
        let shift = self.shift.map(|shift| shift.cast(precision));
        let mut y = burn::tensor::module::conv2d(x, weight.cast(precision), shift, options);
        if let Some(residual) = self.residual {
            y = y + residual;
        }
        if self.relu { activation::relu(y) } else { y }
    }
}

/// Batch norm of `x` `[N, C, H, W]` with the statistics of the batch itself, `gamma` and `beta`
/// `[C]` (Ioffe and Szegedy 2015), followed by `epilogue`. Returns the output, and the batch mean
/// and biased batch variance of each channel for running statistics, `[C]` and detached.
/// Differentiable in the three tensors, the dependence of the statistics on `x` included.
///
/// # Panics
///
/// If `gamma` or `beta` is not of shape `[C]`.
pub fn batch_norm_train(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
    epilogue: Epilogue,
) -> BatchNormTrainOutput<4> {
    let [_, channels, _, _] = x.dims();
    assert_eq!(
        gamma.dims(),
        [channels],
        "batch_norm_train: gamma, and channels of the input"
    );
    assert_eq!(
        beta.dims(),
        [channels],
        "batch_norm_train: beta, and channels of the input"
    );
    if !has_kernels(&x) {
        let mut result = batch_norm_by_axes(x, gamma, beta, epsilon);
        result.output = epilogue.apply(result.output);
        return result;
    }
    let (output, mean, variance) = Dispatch::normalization(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon,
        epilogue,
    );
    BatchNormTrainOutput {
        output: Tensor::from_dispatch(output),
        mean: Tensor::from_dispatch(mean),
        variance: Tensor::from_dispatch(variance),
    }
}

/// Batch norm as tensor operations that reduce one axis at a time: Burn 0.22.1's own, which reduces
/// all of a channel's values at once, gives wrong variances on a WGSL device at 112×32×32 values.
fn batch_norm_by_axes(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> BatchNormTrainOutput<4> {
    let [_, channels, _, _] = x.dims();
    let per_channel = |values: Tensor<1>| values.reshape([1, channels, 1, 1]);
    let average = |x: Tensor<4>| x.mean_dim(3).mean_dim(2).mean_dim(0);
    let mean = average(x.clone());
    let centred = x - mean.clone();
    let variance = average(centred.clone() * centred.clone());
    let deviation = variance.clone().add_scalar(epsilon).sqrt();
    BatchNormTrainOutput {
        output: centred / deviation * per_channel(gamma) + per_channel(beta),
        mean: mean.reshape([channels]).detach(),
        variance: variance.reshape([channels]).detach(),
    }
}

impl Epilogue {
    /// The epilogue as operations of its own, on any device.
    pub fn apply(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::None => x,
            Self::Relu => activation::relu(x),
            Self::ReluMaxPool => max_pool(activation::relu(x)),
        }
    }

    /// What is left of the epilogue of `x` after a ReLU.
    pub fn apply_after_relu(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::None | Self::Relu => x,
            Self::ReluMaxPool => max_pool(x),
        }
    }
}

fn has_kernels(x: &Tensor<4>) -> bool {
    x.device() == Device::flex() && x.dtype() == DType::F32
}

fn max_pool(x: Tensor<4>) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([2, 2]))
}
