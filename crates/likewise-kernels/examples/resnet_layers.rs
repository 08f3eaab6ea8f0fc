//! Processor time of each kind of convolution of a ResNet50, with the frozen batch norm and ReLU that
//! follow it, for `benches/compare_layers.py`: `resnet_layers BATCH SIZE [REPEATS]` prints a line
//! `inputs outputs size kernel stride count forward-ms backward-ms` for each kind.

use burn::tensor::{Device, Tensor, TensorData};
use likewise_kernels::{ConvFinish, conv2d};

/// A convolution of so many input and output channels, of square images.
#[derive(Clone, Copy, PartialEq)]
struct Layer {
    inputs: usize,
    outputs: usize,
    size: usize,
    kernel: usize,
    stride: usize,
}

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let [batch, size] = numbers[..2] else {
        eprintln!("usage: resnet_layers BATCH SIZE [REPEATS]");
        std::process::exit(2);
    };
    let repeats = numbers.get(2).copied().unwrap_or(5);
    for (layer, count) in kinds(size) {
        let [forward, backward] = layer.measure(batch, repeats);
        let Layer {
            inputs,
            outputs,
            size,
            kernel,
            stride,
        } = layer;
        println!("{inputs} {outputs} {size} {kernel} {stride} {count} {forward:.3} {backward:.3}");
    }
}

/// The kinds of convolutions for images of `size`, and how many there are of each.
fn kinds(size: usize) -> Vec<(Layer, usize)> {
    let mut kinds: Vec<(Layer, usize)> = Vec::new();
    let mut add = |inputs, outputs, size, kernel, stride| {
        let layer = Layer {
            inputs,
            outputs,
            size,
            kernel,
            stride,
        };
        match kinds.iter_mut().find(|(known, _)| *known == layer) {
            Some((_, count)) => *count += 1,
            None => kinds.push((layer, 1)),
        }
    };
    add(3, 64, size, 7, 2);
    let (mut size, mut inputs) = (size.div_ceil(2).div_ceil(2), 64);
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        let planes = 64 << stage;
        for block in 0..blocks {
            let stride = if block == 0 && stage > 0 { 2 } else { 1 };
            if block == 0 {
                add(inputs, 4 * planes, size, 1, stride);
            }
            add(inputs, planes, size, 1, 1);
            add(planes, planes, size, 3, stride);
            size = size.div_ceil(stride);
            add(planes, 4 * planes, size, 1, 1);
            inputs = 4 * planes;
        }
    }
    kinds
}

impl Layer {
    /// Least processor time of a forward and of a backward pass, in ms.
    fn measure(self, batch: usize, repeats: usize) -> [f64; 2] {
        let device = Device::flex().autodiff();
        let values = |count: usize| -> Vec<f32> {
            (0..count).map(|i| (i as f32 * 0.37).sin() * 0.1).collect()
        };
        let shape = [batch, self.inputs, self.size, self.size];
        let data = TensorData::new(values(shape.iter().product()), shape);
        let x = Tensor::<4>::from_data(data, &device).require_grad();
        let shape = [self.outputs, self.inputs, self.kernel, self.kernel];
        let data = TensorData::new(values(shape.iter().product()), shape);
        let weight = Tensor::<4>::from_data(data, &device).require_grad();
        let vector = || Tensor::<1>::ones([self.outputs], &device).require_grad();
        let (scale, shift) = (vector(), vector());
        let mut least = [f64::INFINITY; 2];
        for _ in 0..repeats {
            let finish = ConvFinish {
                scale: Some(scale.clone()),
                shift: Some(shift.clone()),
                residual: None,
                relu: true,
            };
            let (stride, padding) = ([self.stride; 2], [self.kernel / 2; 2]);
            let start = processor_ms();
            let y = conv2d(x.clone(), weight.clone(), stride, padding, finish);
            let middle = processor_ms();
            let loss = y.sum();
            let before = processor_ms();
            let gradients = loss.backward();
            let end = processor_ms();
            drop(gradients);
            least[0] = least[0].min(middle - start);
            least[1] = least[1].min(end - before);
        }
        least
    }
}

/// Time all threads of this process have run so far, where Linux says it; else 0.
fn processor_ms() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let nanoseconds: u64 = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|times| times.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    1e-6 * nanoseconds as f64
}
