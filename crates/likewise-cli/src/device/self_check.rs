//! A GPU driver can compute wrong numbers without saying so. Before a run, the operations it
//! rests on are compared with the processor's.

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use likewise::random::{self, Purpose};
use rand::Rng;
use serde::Serialize;

/// Largest accepted difference, relative to the largest value.
const TOLERANCE: f32 = 1e-3;

/// A name and what computes it.
type Case = (&'static str, fn(&Device) -> Vec<f32>);

/// One compared operation.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was computed.
    pub name: &'static str,
    /// Largest difference from the processor, relative to the largest value.
    pub difference: f32,
    /// Whether that is acceptable.
    pub passed: bool,
}

/// Three convolutions with their gradients and one hand-written kernel, on `device` and on the
/// processor.
pub fn self_check(device: &Device) -> Vec<Check> {
    let cases: [Case; 4] = [
        ("3x3 convolution with gradients", |device| {
            convolution(device, 16, 24, 3, 1)
        }),
        ("1x1 convolution with gradients", |device| {
            convolution(device, 32, 48, 1, 1)
        }),
        ("strided convolution with gradients", |device| {
            convolution(device, 8, 16, 3, 2)
        }),
        ("pairwise distance kernel with gradient", pairwise),
    ];
    cases
        .into_iter()
        .map(|(name, compute)| {
            let difference = relative_difference(&compute(device), &compute(&Device::flex()));
            Check {
                name,
                difference,
                passed: difference <= TOLERANCE,
            }
        })
        .collect()
}

fn relative_difference(values: &[f32], expected: &[f32]) -> f32 {
    if values.len() != expected.len() || values.iter().any(|value| !value.is_finite()) {
        return f32::INFINITY;
    }
    let largest = expected
        .iter()
        .fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let difference = values
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    difference / largest
}

fn noise<const D: usize>(shape: [usize; D], item: u64, device: &Device) -> Tensor<D> {
    let mut rng = random::stream(0, Purpose::Initialization, 0, 0, item);
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn convolution(
    device: &Device,
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
) -> Vec<f32> {
    let device = device.clone().autodiff();
    let images = noise([4, input, 14, 14], 1, &device).require_grad();
    let weight = noise([output, input, kernel, kernel], 2, &device).require_grad();
    let padding = kernel / 2;
    let options = ConvOptions::new([stride, stride], [padding, padding], [1, 1], 1);
    let result = conv2d(images.clone(), weight.clone(), None, options);
    let gradients = (result.clone() * result.clone()).mean().backward();
    let parts = [
        Some(result.inner()),
        images.grad(&gradients),
        weight.grad(&gradients),
    ];
    parts.into_iter().flatten().flat_map(read).collect()
}

fn pairwise(device: &Device) -> Vec<f32> {
    let device = device.clone().autodiff();
    let rows = noise([37, 21], 3, &device).require_grad();
    let squared = likewise_kernels::pairwise_squared_distance(rows.clone(), rows.clone());
    let gradients = squared.clone().mean().backward();
    let mut values = read(squared.inner());
    values.extend(rows.grad(&gradients).into_iter().flat_map(read));
    values
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap_or_default()
}
