//! Max pooling against naive loops on every device, and against Burn's own operation on `flex`.

use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, TensorData, activation, module};
use likewise_kernels::max_pool2d;

use crate::support::{Case, assert_close, numbers, values};

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = LAYERS
        .iter()
        .map(|layer| {
            let name = format!("max_pool::equals_naive_loops_{}", layer.name);
            Case::new(name, |device| equals_naive_loops(layer, device))
        })
        .collect();
    cases.push(Case::new("max_pool::agrees_with_burn", |device| {
        // Elsewhere Burn's operation itself runs.
        if *device == Device::flex() {
            LAYERS
                .iter()
                .for_each(|layer| agrees_with_burn(layer, device));
        }
    }));
    cases.push(Case::new("max_pool::keeps_nan", keeps_nan));
    cases.push(Case::new(
        "max_pool::gradients_match_finite_differences",
        finite_differences,
    ));
    cases
}

struct Layer {
    name: &'static str,
    input: [usize; 4],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    ceil: bool,
}

const fn layer(name: &'static str, input: [usize; 4], sizes: [usize; 3], ceil: bool) -> Layer {
    let [kernel, stride, padding] = sizes;
    Layer {
        name,
        input,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 2],
        ceil,
    }
}

/// The stem of a ResNet, at even and odd sizes, a single position, and wider than a block; poolings of
/// other networks; sizes that differ by axis; more places than a byte counts.
const LAYERS: &[Layer] = &[
    layer("stem", [3, 5, 14, 14], [3, 2, 1], false),
    layer("stem_odd", [2, 3, 13, 7], [3, 2, 1], false),
    layer("stem_one", [1, 2, 1, 1], [3, 2, 1], false),
    layer("stem_wide", [1, 2, 5, 131], [3, 2, 1], false),
    layer("stem_ceil", [2, 3, 14, 9], [3, 2, 0], true),
    layer("pairs", [2, 3, 8, 9], [2, 2, 0], false),
    layer("dense", [2, 3, 6, 9], [3, 1, 1], false),
    layer("sparse", [2, 3, 11, 10], [2, 3, 0], false),
    Layer {
        name: "oblong",
        input: [2, 2, 9, 40],
        kernel: [2, 5],
        stride: [3, 2],
        padding: [1, 2],
        ceil: true,
    },
    layer("large", [1, 1, 20, 18], [17, 1, 0], false),
];

impl Layer {
    fn options(&self) -> MaxPoolOptions<2> {
        MaxPoolOptions::new(self.kernel)
            .with_stride(self.stride)
            .with_padding(self.padding)
            .with_ceil_mode(self.ceil)
    }
}

/// Different values in an order of chance.
fn different(count: usize, seed: u64) -> Vec<f32> {
    let mut order: Vec<usize> = (0..count).collect();
    let keys = numbers(count, seed);
    order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
    let middle = count as f32 / 2.0;
    order.iter().map(|&place| place as f32 - middle).collect()
}

/// Output and gradient of the input, for the sum of the output with weights of chance.
fn run(
    x: &[f32],
    layer: &Layer,
    pool: impl Fn(Tensor<4>) -> Tensor<4>,
    device: &Device,
) -> (Vec<f64>, Vec<f64>, [usize; 4]) {
    let device = device.clone().autodiff();
    let data = TensorData::new(x.to_vec(), layer.input);
    let x = Tensor::<4>::from_data(data, &device).require_grad();
    let y = pool(x.clone());
    let shape = y.dims();
    let weights = TensorData::new(numbers(shape.iter().product(), 9), shape);
    let gradients = (y.clone() * Tensor::from_data(weights, &device))
        .sum()
        .backward();
    let grad = x.grad(&gradients).expect("tracked");
    (values(y.inner()), values(grad), shape)
}

fn equals_naive_loops(layer: &Layer, device: &Device) {
    let x = different(layer.input.iter().product(), 3);
    let (y, grad, shape) = run(&x, layer, |x| max_pool2d(x, layer.options()), device);
    let [_, _, height, width] = layer.input;
    let [batch, channels, rows, columns] = shape;
    assert_eq!([batch, channels], layer.input[..2]);
    let weights = numbers(y.len(), 9);
    let mut expected = vec![f64::NEG_INFINITY; y.len()];
    let mut expected_grad = vec![0.0; x.len()];
    for (index, expected) in expected.iter_mut().enumerate() {
        let (plane, row, column) = (
            index / (rows * columns),
            index / columns % rows,
            index % columns,
        );
        // Rows and columns of the window that are inside.
        let inside = |axis: usize, position: usize, size: usize| {
            let start = position * layer.stride[axis];
            let places = start..start + layer.kernel[axis];
            places
                .filter_map(move |place| place.checked_sub(layer.padding[axis]))
                .filter(move |&place| place < size)
        };
        let mut at = None;
        for i in inside(0, row, height) {
            for j in inside(1, column, width) {
                let place = (plane * height + i) * width + j;
                if f64::from(x[place]) > *expected {
                    (*expected, at) = (f64::from(x[place]), Some(place));
                }
            }
        }
        expected_grad[at.expect("a window with a value in it")] += f64::from(weights[index]);
    }
    assert_eq!(y, expected, "{}", layer.name);
    assert_close(layer.name, &grad, &expected_grad, 1e-6, 1e-6);
}

/// To the bit, equal values included: of those that a ReLU made 0, the first gets the gradient.
fn agrees_with_burn(layer: &Layer, device: &Device) {
    let x: Vec<f32> = numbers(layer.input.iter().product(), 5)
        .into_iter()
        .map(|value| (8.0 * value).floor() - 5.0)
        .collect();
    let ours = |x| max_pool2d(activation::relu(x), layer.options());
    let burns = |x| module::max_pool2d(activation::relu(x), layer.options());
    let actual = run(&x, layer, ours, device);
    let expected = run(&x, layer, burns, device);
    assert_eq!(actual.2, expected.2, "{}: shape", layer.name);
    assert_eq!(actual.0, expected.0, "{}: output", layer.name);
    assert_close(layer.name, &actual.1, &expected.1, 1e-6, 1e-6);
    let lowest = vec![f32::NEG_INFINITY; x.len()];
    let ours = |x| max_pool2d(x, layer.options());
    let burns = |x| module::max_pool2d(x, layer.options());
    let actual = run(&lowest, layer, ours, device);
    let expected = run(&lowest, layer, burns, device);
    assert_eq!(actual.0, expected.0, "{}: lowest values", layer.name);
    assert_close(layer.name, &actual.1, &expected.1, 1e-6, 1e-6);
}

fn keeps_nan(device: &Device) {
    // WGSL leaves open what a comparison with NaN gives.
    if *device != Device::flex() {
        return;
    }
    let layer = layer("nan", [1, 1, 4, 4], [2, 2, 0], false);
    let mut x = different(16, 1);
    (x[1], x[4]) = (f32::NAN, f32::NAN);
    let (y, grad, _) = run(&x, &layer, |x| max_pool2d(x, layer.options()), device);
    assert!(y[0].is_nan() && y[1..].iter().all(|value| value.is_finite()));
    assert!(grad[1] == 0.0 && grad[4] > 0.0, "{grad:?}");
}

fn finite_differences(device: &Device) {
    let layer = &LAYERS[1];
    let x = different(layer.input.iter().product(), 7);
    let pool = |x| max_pool2d(x, layer.options());
    let (y, grad, _) = run(&x, layer, pool, device);
    let weights = numbers(y.len(), 9);
    let loss = |x: &[f32]| -> f64 {
        let data = TensorData::new(x.to_vec(), layer.input);
        let y = values(pool(Tensor::from_data(data, device)));
        y.iter()
            .zip(&weights)
            .map(|(y, weight)| y * f64::from(*weight))
            .sum()
    };
    // Values are 1 apart, so that a step of 1/4 changes no order.
    for place in (0..x.len()).step_by(17) {
        let [above, below] = [0.25, -0.25].map(|step| {
            let mut x = x.clone();
            x[place] += step;
            loss(&x)
        });
        let slope = (above - below) / 0.5;
        assert_close("slope", &[grad[place]], &[slope], 1e-5, 1e-5);
    }
}
