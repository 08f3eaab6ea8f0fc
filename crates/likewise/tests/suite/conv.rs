//! Convolution and batch norm of `likewise_kernels` against Burn's own operations on `flex`, naive
//! loops and finite differences.

use burn::tensor::module::{self, BatchNormTrainOutput};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData, activation};
use likewise_kernels::{ConvFinish, Epilogue, batch_norm_train, conv2d};

use crate::support::{Case, assert_close, assert_close_norm, values};

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = LAYERS
        .iter()
        .map(|layer| {
            Case::new(format!("conv::agrees_with_burn_{}", layer.name), |device| {
                // Elsewhere Burn's operation itself runs: `conv::elsewhere_burn_runs`.
                if has_kernels(device) {
                    agree(layer, device);
                }
            })
        })
        .collect();
    cases.push(Case::new("conv::elsewhere_burn_runs", |device| {
        for layer in LAYERS
            .iter()
            .filter(|layer| ["3x3_odd", "oblong"].contains(&layer.name))
        {
            agree(layer, device);
        }
    }));
    cases.push(Case::new("conv::equals_naive_loops", equals_naive_loops));
    cases.push(Case::new(
        "conv::gradients_match_finite_differences",
        convolution_differences,
    ));
    cases.push(Case::new(
        "conv::only_tracked_inputs_get_gradients",
        only_tracked_inputs,
    ));
    cases.push(Case::new(
        "conv::norm_gradients_match_finite_differences",
        norm_differences,
    ));
    cases.push(Case::new("conv::norm_keeps_nan", norm_keeps_nan));
    cases.push(Case::new(
        "conv::norm_of_many_values_equals_the_processor",
        norm_of_many_values,
    ));
    for (name, epilogue) in EPILOGUES {
        cases.push(Case::new(
            format!("conv::norm_agrees_with_burn_{name}"),
            move |device| {
                let shapes = if has_kernels(device) {
                    NORM_SHAPES
                } else {
                    &NORM_SHAPES[..1]
                };
                for shape in shapes {
                    norm_agrees(*shape, epilogue, device);
                }
            },
        ));
    }
    cases
}

/// Nothing but this bias.
fn plus(bias: Option<Tensor<1>>) -> ConvFinish {
    ConvFinish {
        shift: bias,
        ..ConvFinish::default()
    }
}

fn has_kernels(device: &Device) -> bool {
    *device == Device::flex()
}

const EPILOGUES: [(&str, Epilogue); 3] = [
    ("alone", Epilogue::None),
    ("relu", Epilogue::Relu),
    ("relu_max_pool", Epilogue::ReluMaxPool),
];

/// Odd sizes, sizes below and above the kernels' block sizes, a single row.
const NORM_SHAPES: &[[usize; 4]] = &[
    [5, 3, 32, 32],
    [3, 33, 7, 9],
    [112, 4, 4, 4],
    [2, 5, 3, 2],
    [4, 2, 2, 67],
];

struct Layer {
    name: &'static str,
    input: [usize; 4],
    outputs: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    bias: bool,
}

const fn layer(
    name: &'static str,
    input: [usize; 4],
    outputs: usize,
    [kernel, stride, padding]: [usize; 3],
    bias: bool,
) -> Layer {
    let (kernel, stride, padding) = ([kernel; 2], [stride; 2], [padding; 2]);
    Layer {
        name,
        input,
        outputs,
        kernel,
        stride,
        padding,
        bias,
    }
}

/// The kinds of layers of ResNet50 and of small networks, and sizes that divide nothing.
const LAYERS: &[Layer] = &[
    layer("3x3", [3, 3, 32, 32], 32, [3, 1, 1], false),
    layer("3x3_deep", [33, 40, 4, 4], 70, [3, 1, 1], true),
    layer("3x3_odd", [4, 5, 13, 7], 9, [3, 1, 1], true),
    layer("3x3_stride_2", [3, 6, 14, 14], 10, [3, 2, 1], false),
    layer("3x3_stride_2_odd", [2, 3, 15, 9], 4, [3, 2, 1], true),
    layer(
        "3x3_stride_3_unreached",
        [2, 3, 12, 11],
        4,
        [3, 3, 0],
        false,
    ),
    layer("1x1", [3, 70, 7, 7], 33, [1, 1, 0], false),
    layer("1x1_stride_2", [3, 8, 8, 9], 16, [1, 2, 0], false),
    layer("7x7_stride_2", [2, 3, 30, 30], 8, [7, 2, 3], false),
    layer("2x2_wide_padding", [2, 3, 5, 6], 4, [2, 1, 3], true),
    layer("whole_image", [5, 4, 6, 6], 3, [6, 1, 0], true),
    Layer {
        name: "oblong",
        input: [3, 4, 9, 20],
        outputs: 5,
        kernel: [2, 5],
        stride: [3, 1],
        padding: [0, 2],
        bias: true,
    },
];

/// Numbers in −1..1 without pattern.
fn numbers(seed: u32, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn tensor<const D: usize>(seed: u32, shape: [usize; D], device: &Device) -> Tensor<D> {
    let count = shape.iter().product();
    Tensor::from_data(TensorData::new(numbers(seed, count), shape), device)
}

/// A tensor whose memory is not in the order of its axes, and is part of a larger one.
fn scattered(seed: u32, [a, b, c, d]: [usize; 4], device: &Device) -> Tensor<4> {
    let whole = tensor(seed, [d, b, a + 1, c], device).permute([2, 1, 3, 0]);
    whole.slice([1..a + 1, 0..b, 0..c, 0..d])
}

/// Output and gradients of `f`, for a gradient of the output that is not uniform.
fn run<const N: usize>(
    inputs: [Tensor<4>; N],
    vectors: [Tensor<1>; 2],
    f: impl Fn([Tensor<4>; N], [Tensor<1>; 2]) -> Tensor<4>,
) -> Vec<Vec<f64>> {
    let inputs = inputs.map(Tensor::require_grad);
    let vectors = vectors.map(Tensor::require_grad);
    let output = f(inputs.clone(), vectors.clone());
    // In another order than the output's memory, as gradients of permutations come.
    let [n, c, h, w] = output.dims();
    let output_grad = tensor(9, [h, w, n, c], &output.device()).permute([2, 3, 0, 1]);
    let gradients = (output.clone() * output_grad).sum().backward();
    let mut results = vec![values(output)];
    results.extend(
        inputs
            .iter()
            .map(|input| values(input.grad(&gradients).expect("tracked"))),
    );
    let vectors = vectors.iter().filter_map(|vector| vector.grad(&gradients));
    results.extend(vectors.map(values));
    results
}

fn compare(actual: &[Vec<f64>], expected: &[Vec<f64>], what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}: gradients");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert_close_norm(
            &format!("{what}, result {index}"),
            actual,
            expected,
            1e-5,
            2e-5,
        );
    }
}

fn agree(layer: &Layer, device: &Device) {
    let &Layer {
        input,
        outputs,
        kernel: [height, width],
        stride,
        padding,
        ..
    } = layer;
    for scatter in [false, true] {
        let inputs = |device: &Device| {
            let make = if scatter { scattered } else { tensor::<4> };
            let weight = make(2, [outputs, input[1], height, width], device);
            (
                [make(1, input, device), weight],
                [(); 2].map(|()| tensor(3, [outputs], device)),
            )
        };
        let bias = |[bias, _]: [Tensor<1>; 2]| layer.bias.then_some(bias);
        let (tensors, vectors) = inputs(&device.clone().autodiff());
        let actual = run(tensors, vectors, |[x, w], vectors| {
            conv2d(x, w, stride, padding, plus(bias(vectors)))
        });
        let (tensors, vectors) = inputs(&Device::flex().autodiff());
        let expected = run(tensors, vectors, |[x, w], vectors| {
            module::conv2d(
                x,
                w,
                bias(vectors),
                ConvOptions::new(stride, padding, [1, 1], 1),
            )
        });
        compare(&actual, &expected, layer.name);
    }
}

fn equals_naive_loops(device: &Device) {
    let ([n, c, h, w], o, k, stride, padding) = ([2, 3, 6, 5], 4, 3, 2, 1);
    let (x, weight, bias) = (
        numbers(1, n * c * h * w),
        numbers(2, o * c * k * k),
        numbers(3, o),
    );
    let output = conv2d(
        tensor(1, [n, c, h, w], device),
        tensor(2, [o, c, k, k], device),
        [stride; 2],
        [padding; 2],
        plus(Some(tensor(3, [o], device))),
    );
    let [_, _, rows, columns] = output.dims();
    assert_eq!((rows, columns), (3, 3));
    let mut expected = Vec::new();
    for (image, out) in (0..n).flat_map(|image| (0..o).map(move |out| (image, out))) {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |col| (row, col))) {
            let mut sum = f64::from(bias[out]);
            for channel in 0..c {
                for (dy, dx) in (0..k).flat_map(|dy| (0..k).map(move |dx| (dy, dx))) {
                    let (y, x_) = (row * stride + dy, column * stride + dx);
                    if (padding..h + padding).contains(&y) && (padding..w + padding).contains(&x_) {
                        let at = ((image * c + channel) * h + y - padding) * w + x_ - padding;
                        let tap = ((out * c + channel) * k + dy) * k + dx;
                        sum += f64::from(x[at]) * f64::from(weight[tap]);
                    }
                }
            }
            expected.push(sum);
        }
    }
    assert_close("output", &values(output), &expected, 1e-5, 1e-5);
}

/// `Σ output · output_grad` in f64.
fn objective(output: Tensor<4>) -> f64 {
    let output = values(output);
    output
        .iter()
        .zip(numbers(9, output.len()))
        .map(|(y, g)| y * f64::from(g))
        .sum()
}

/// Compares the gradients of `objective(f(…))` at `inputs` with central differences.
fn check_differences<const N: usize>(
    inputs: [(Vec<f32>, Vec<usize>); N],
    device: &Device,
    f: impl Fn([Tensor<4>; N]) -> Tensor<4>,
) {
    let device = device.clone().autodiff();
    let tensors = |inputs: &[(Vec<f32>, Vec<usize>); N]| {
        inputs.each_ref().map(|(values, shape)| {
            Tensor::<4>::from_data(TensorData::new(values.clone(), shape.clone()), &device)
        })
    };
    let tracked = tensors(&inputs).map(Tensor::require_grad);
    let output = f(tracked.clone());
    let output_grad = Tensor::from_data(
        TensorData::new(numbers(9, output.shape().num_elements()), output.dims()),
        &device,
    );
    let gradients = (output * output_grad).sum().backward();
    for index in 0..N {
        let gradient = values(tracked[index].grad(&gradients).expect("tracked"));
        let step = 1e-2f32;
        let differences: Vec<f64> = (0..inputs[index].0.len())
            .map(|place| {
                let at = |step: f32| {
                    let mut moved = inputs.clone();
                    moved[index].0[place] += step;
                    objective(f(tensors(&moved)))
                };
                (at(step) - at(-step)) / (2.0 * f64::from(step))
            })
            .collect();
        assert_close_norm(
            &format!("gradient {index}"),
            &gradient,
            &differences,
            1e-3,
            2e-3,
        );
    }
}

fn convolution_differences(device: &Device) {
    let inputs = [
        (numbers(1, 2 * 2 * 4 * 3), vec![2, 2, 4, 3]),
        (numbers(2, 3 * 2 * 3 * 2), vec![3, 2, 3, 2]),
        (numbers(3, 3), vec![1, 3, 1, 1]),
    ];
    check_differences(inputs, device, |[x, weight, bias]| {
        conv2d(x, weight, [2, 1], [1, 1], plus(Some(bias.reshape([3]))))
    });
}

fn norm_differences(device: &Device) {
    for (_, epilogue) in EPILOGUES {
        // A permutation of evenly spaced values: no window or threshold changes sides within the
        // step of the differences.
        let x: Vec<f32> = (0..48).map(|i| (i * 29 % 48) as f32 * 0.11 - 2.6).collect();
        let inputs = [
            (x, vec![2, 2, 4, 3]),
            (vec![1.3, -0.7], vec![1, 2, 1, 1]),
            (vec![0.21, 0.32], vec![1, 2, 1, 1]),
        ];
        check_differences(inputs, device, |[x, gamma, beta]| {
            batch_norm_train(x, gamma.reshape([2]), beta.reshape([2]), 1e-5, epilogue).output
        });
    }
}

fn only_tracked_inputs(device: &Device) {
    let device = device.clone().autodiff();
    for tracked in 0..3 {
        let mut x = tensor(1, [2, 3, 5, 5], &device);
        let mut weight = tensor(2, [4, 3, 3, 3], &device);
        let mut bias = tensor(3, [4], &device);
        match tracked {
            0 => x = x.require_grad(),
            1 => weight = weight.require_grad(),
            _ => bias = bias.require_grad(),
        }
        let output = conv2d(
            x.clone(),
            weight.clone(),
            [1, 1],
            [1, 1],
            plus(Some(bias.clone())),
        );
        let gradients = output.sum().backward();
        assert_eq!(x.grad(&gradients).is_some(), tracked == 0);
        assert_eq!(weight.grad(&gradients).is_some(), tracked == 1);
        assert_eq!(bias.grad(&gradients).is_some(), tracked == 2);
        if tracked == 2 {
            assert_close(
                "bias",
                &values(bias.grad(&gradients).unwrap()),
                &[50.0; 4],
                1e-4,
                0.0,
            );
        }
    }
}

fn norm_agrees(shape: [usize; 4], epilogue: Epilogue, device: &Device) {
    let channels = shape[1];
    for scatter in [false, true] {
        let inputs = |device: &Device| {
            let make = if scatter { scattered } else { tensor::<4> };
            // Far from zero mean and unit variance, to notice cancellation.
            let x = make(1, shape, device) * 3.0 + 10.0;
            (
                [x],
                [
                    tensor(2, [channels], device),
                    tensor(3, [channels], device) * 0.5,
                ],
            )
        };
        let (tensors, vectors) = inputs(&device.clone().autodiff());
        let actual = run(tensors, vectors, |[x], [gamma, beta]| {
            batch_norm_train(x, gamma, beta, 1e-5, epilogue).output
        });
        let (tensors, vectors) = inputs(&Device::flex().autodiff());
        let expected = run(tensors, vectors, |[x], [gamma, beta]| {
            let x = module::batch_norm_train(x, gamma, beta, 1e-5).output;
            match epilogue {
                Epilogue::None => x,
                Epilogue::Relu => activation::relu(x),
                Epilogue::ReluMaxPool => {
                    module::max_pool2d(activation::relu(x), MaxPoolOptions::new([2, 2]))
                }
            }
        });
        compare(&actual, &expected, &format!("{shape:?}"));

        let (([x], [gamma, beta]), ([expected_x], [g, b])) =
            (inputs(device), inputs(&Device::flex()));
        let actual = batch_norm_train(x, gamma, beta, 1e-5, epilogue);
        let expected: BatchNormTrainOutput<4> = module::batch_norm_train(expected_x, g, b, 1e-5);
        assert_close(
            "mean",
            &values(actual.mean),
            &values(expected.mean),
            0.0,
            1e-5,
        );
        assert_close(
            "variance",
            &values(actual.variance),
            &values(expected.variance),
            0.0,
            1e-4,
        );
    }
}

fn norm_keeps_nan(device: &Device) {
    // What a GPU's maximum makes of NaN is up to its compiler.
    if !has_kernels(device) {
        return;
    }
    for (name, epilogue) in EPILOGUES {
        let mut numbers = numbers(1, 2 * 4 * 4);
        numbers[5] = f32::NAN;
        let x = Tensor::from_data(TensorData::new(numbers, [2, 1, 4, 4]), device);
        let output = batch_norm_train(
            x,
            Tensor::ones([1], device),
            Tensor::zeros([1], device),
            1e-5,
            epilogue,
        );
        assert!(
            values(output.output).iter().all(|value| value.is_nan()),
            "{name} hides a NaN"
        );
    }
}

/// A hundred thousand values a channel, where reducing them all at once has gone wrong on GPUs.
fn norm_of_many_values(device: &Device) {
    let shape = [112, 3, 32, 32];
    let noise = |scale: f32| -> Vec<f32> {
        let count = shape.iter().product::<usize>();
        (0..count).map(|i| (i as f32 * scale).sin() + 0.1).collect()
    };
    let (pixels, weights) = (noise(12.9898), noise(0.7531));
    let run = |device: &Device| {
        let device = device.clone().autodiff();
        let map = |values: &[f32]| {
            Tensor::<4>::from_data(TensorData::new(values.to_vec(), shape), &device)
        };
        let x = map(&pixels).require_grad();
        let gamma = Tensor::<1>::from_floats([1.0, 0.5, 2.0], &device).require_grad();
        let beta = Tensor::<1>::from_floats([0.0, -1.0, 0.3], &device).require_grad();
        let result = batch_norm_train(x.clone(), gamma.clone(), beta.clone(), 1e-5, Epilogue::Relu);
        let gradients = (result.output.clone() * map(&weights)).sum().backward();
        (
            values(result.output.inner()),
            [values(result.mean.inner()), values(result.variance.inner())].concat(),
            values(x.grad(&gradients).unwrap()),
            [gamma, beta]
                .map(|vector| values(vector.grad(&gradients).unwrap()))
                .concat(),
        )
    };
    let (here, there) = (run(device), run(&Device::flex()));
    assert_close("output", &here.0, &there.0, 1e-4, 1e-4);
    assert_close("statistics", &here.1, &there.1, 1e-5, 1e-5);
    assert_close_norm("gradient of the map", &here.2, &there.2, 1e-4, 1e-3);
    assert_close("gradients of scale and shift", &here.3, &there.3, 1.0, 1e-3);
    for channel in 0..3 {
        let of_channel: Vec<f64> = pixels
            .chunks_exact(32 * 32)
            .skip(channel)
            .step_by(3)
            .flatten()
            .map(|&value| f64::from(value))
            .collect();
        let mean = of_channel.iter().sum::<f64>() / of_channel.len() as f64;
        let variance = of_channel
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / of_channel.len() as f64;
        assert_close("mean", &here.1[channel..=channel], &[mean], 1e-5, 1e-5);
        assert_close(
            "variance",
            &here.1[3 + channel..=3 + channel],
            &[variance],
            1e-5,
            1e-4,
        );
    }
}
