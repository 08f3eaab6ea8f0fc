//! What follows a convolution in the same operation, against the operations one after another.

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData, activation, module};
use likewise_kernels::{ConvFinish, conv2d};

use crate::support::{Case, assert_close_norm, numbers, values};

pub fn cases() -> Vec<Case> {
    let mut cases = vec![Case::new("conv_finish::keeps_nan", keeps_nan)];
    for (name, parts) in [
        ("scale_shift", [true, true, false, false]),
        ("scale_shift_relu", [true, true, false, true]),
        ("everything", [true; 4]),
        ("residual", [false, false, true, false]),
        ("relu", [false, false, false, true]),
    ] {
        cases.push(Case::new(
            format!("conv_finish::equals_operations_{name}"),
            move |device| {
                // On other devices it is operations one after another.
                let layers = if *device == Device::flex() {
                    LAYERS
                } else {
                    &LAYERS[..1]
                };
                layers
                    .iter()
                    .for_each(|layer| equals_operations(layer, parts, device));
            },
        ));
    }
    cases
}

struct Layer {
    input: [usize; 4],
    outputs: usize,
    kernel: usize,
    stride: usize,
}

/// A small one; 1×1 with a depth of several blocks, at stride 1 and 2; 3×3 of several blocks; the
/// stem; a single position; maps narrower and wider than a panel.
const LAYERS: &[Layer] = &[
    layer([2, 3, 5, 7], 4, 3, 1),
    layer([3, 1300, 7, 7], 33, 1, 1),
    layer([2, 70, 9, 8], 130, 1, 2),
    layer([2, 150, 6, 5], 72, 3, 2),
    layer([2, 3, 31, 45], 16, 7, 2),
    layer([5, 24, 1, 1], 40, 3, 1),
    layer([1, 8, 4, 67], 9, 3, 1),
];

const fn layer(input: [usize; 4], outputs: usize, kernel: usize, stride: usize) -> Layer {
    Layer {
        input,
        outputs,
        kernel,
        stride,
    }
}

fn tensor<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values: Vec<f32> = numbers(shape.iter().product(), seed)
        .into_iter()
        .map(|value| value - 0.5)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Output, and gradients of everything that goes in.
fn run(layer: &Layer, parts: [bool; 4], fused: bool, device: &Device) -> Vec<Vec<f64>> {
    let device = device.clone().autodiff();
    let [scaled, shifted, added, relu] = parts;
    let [batch, channels, height, width] = layer.input;
    let (outputs, kernel) = (layer.outputs, layer.kernel);
    let (stride, padding) = ([layer.stride; 2], [kernel / 2; 2]);
    let size = |length: usize| (length + 2 * padding[0] - kernel) / layer.stride + 1;
    let output = [batch, outputs, size(height), size(width)];
    let x = tensor(1, layer.input, &device).require_grad();
    let weight = tensor(2, [outputs, channels, kernel, kernel], &device).require_grad();
    let [scale, shift] = [3, 4].map(|seed| tensor(seed, [outputs], &device).require_grad());
    let residual = tensor(5, output, &device).require_grad();
    let y = if fused {
        let finish = ConvFinish {
            scale: scaled.then(|| scale.clone()),
            shift: shifted.then(|| shift.clone()),
            residual: added.then(|| residual.clone()),
            relu,
        };
        conv2d(x.clone(), weight.clone(), stride, padding, finish)
    } else {
        let options = ConvOptions::new(stride, padding, [1, 1], 1);
        let mut y = module::conv2d(x.clone(), weight.clone(), None, options);
        let per_channel = |values: &Tensor<1>| values.clone().reshape([1, outputs, 1, 1]);
        if scaled {
            y = y * per_channel(&scale);
        }
        if shifted {
            y = y + per_channel(&shift);
        }
        if added {
            y = y + residual.clone();
        }
        if relu { activation::relu(y) } else { y }
    };
    assert_eq!(y.dims(), output);
    let gradients = (y.clone() * tensor(6, output, &device)).sum().backward();
    let mut found = vec![values(y.inner())];
    found.extend(x.grad(&gradients).map(values));
    found.extend(weight.grad(&gradients).map(values));
    found.extend(scale.grad(&gradients).map(values));
    found.extend(shift.grad(&gradients).map(values));
    found.extend(residual.grad(&gradients).map(values));
    let tracked = [scaled, shifted, added]
        .iter()
        .filter(|&&part| part)
        .count();
    assert_eq!(found.len(), 3 + tracked);
    found
}

fn equals_operations(layer: &Layer, parts: [bool; 4], device: &Device) {
    let actual = run(layer, parts, true, device);
    let expected = run(layer, parts, false, device);
    for (index, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
        let what = format!("{:?} {parts:?}, tensor {index}", layer.input);
        assert_close_norm(&what, actual, expected, 1e-6, 2e-5);
    }
}

fn keeps_nan(device: &Device) {
    let x = Tensor::<4>::from_data([[[[f32::NAN, -1.0]]]], device);
    let weight = Tensor::<4>::from_data([[[[1.0]]]], device);
    let finish = ConvFinish {
        relu: true,
        ..ConvFinish::default()
    };
    let y = values(conv2d(x, weight, [1, 1], [0, 0], finish));
    assert!(y[0].is_nan() && y[1] == 0.0, "{y:?}");
}
