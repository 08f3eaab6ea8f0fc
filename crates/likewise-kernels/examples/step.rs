//! Images per second of one training step of a small convolutional network on the CPU, with Burn's
//! operations and with this crate's. `benches/pytorch_step.py` times the same step in PyTorch.
//!
//! Usage: `RAYON_NUM_THREADS=2 cargo run --release -p likewise-kernels --example step
//! [burn|likewise|both] [steps]`

use std::time::Instant;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Distribution, Tensor, activation, module};
use likewise_kernels::{ConvFinish, Epilogue, batch_norm_train, conv2d};

const BATCH: usize = 112;

#[derive(Module, Debug)]
struct Block {
    convolution: Conv2d,
    norm: BatchNorm,
}

impl Block {
    fn new([inputs, outputs]: [usize; 2], device: &Device) -> Self {
        Self {
            convolution: Conv2dConfig::new([inputs, outputs], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device),
            norm: BatchNormConfig::new(outputs).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>, operations: Operations) -> Tensor<4> {
        match operations {
            Operations::Burn => {
                let x = activation::relu(self.norm.forward(self.convolution.forward(x)));
                module::max_pool2d(x, MaxPoolOptions::new([2, 2]))
            }
            Operations::Likewise => {
                let x = conv2d(
                    x,
                    self.convolution.weight.val(),
                    [1, 1],
                    [1, 1],
                    ConvFinish::default(),
                );
                let BatchNorm {
                    gamma,
                    beta,
                    epsilon,
                    ..
                } = &self.norm;
                let result =
                    batch_norm_train(x, gamma.val(), beta.val(), *epsilon, Epilogue::ReluMaxPool);
                self.update_statistics(result.mean, result.variance);
                result.output
            }
        }
    }
}

impl Block {
    /// What Burn's `BatchNorm` does with the statistics of a batch.
    fn update_statistics(&self, mean: Tensor<1>, variance: Tensor<1>) {
        let momentum = self.norm.momentum;
        let statistics = [
            (&self.norm.running_mean, mean),
            (&self.norm.running_var, variance),
        ];
        for (running, batch) in statistics {
            running.update(running.value_sync() * (1.0 - momentum) + batch * momentum);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Operations {
    Burn,
    Likewise,
}

#[derive(Module, Debug)]
struct Network {
    blocks: Vec<Block>,
    head: Linear,
}

impl Network {
    fn new(device: &Device) -> Self {
        let widths = [3, 32, 64, 128, 256];
        let blocks = widths
            .windows(2)
            .map(|pair| Block::new([pair[0], pair[1]], device))
            .collect();
        Self {
            blocks,
            head: LinearConfig::new(256, 128).init(device),
        }
    }

    fn forward(&self, mut x: Tensor<4>, operations: Operations) -> Tensor<2> {
        for block in &self.blocks {
            x = block.forward(x, operations);
        }
        let [batch, channels, height, width] = x.dims();
        let pooled = x.reshape([batch, channels, height * width]).mean_dim(2);
        self.head.forward(pooled.reshape([batch, channels]))
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let which = arguments.next().unwrap_or_else(|| "both".into());
    let steps = arguments
        .next()
        .map_or(30, |steps| steps.parse().expect("number of steps"));
    for (name, operations) in [
        ("burn", Operations::Burn),
        ("likewise", Operations::Likewise),
    ] {
        if which == name || which == "both" {
            time(operations, steps);
        }
    }
}

fn time(operations: Operations, steps: usize) {
    let device = Device::flex().autodiff();
    device.seed(0);
    let mut network = Network::new(&device);
    let mut adam = AdamConfig::new().init();
    let normal = Distribution::Normal(0.0, 1.0);
    let images = Tensor::<4>::random([BATCH, 3, 32, 32], normal, &device);
    let target = Tensor::<2>::random([BATCH, 128], normal, &device);

    let mut milliseconds = Vec::new();
    let mut parts = [const { Vec::new() }; 3];
    for step in 0..steps + 3 {
        let start = Instant::now();
        let loss = (network.forward(images.clone(), operations) * target.clone()).mean();
        let forward = start.elapsed();
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        let backward = start.elapsed() - forward;
        network = adam.step(1e-3, network, gradients);
        let total = start.elapsed();
        if step < 3 {
            continue;
        }
        milliseconds.push(total.as_secs_f64() * 1e3);
        for (part, time) in parts
            .iter_mut()
            .zip([forward, backward, total - forward - backward])
        {
            part.push(time.as_secs_f64() * 1e3);
        }
    }
    let best = milliseconds.iter().copied().fold(f64::INFINITY, f64::min);
    let median_step = median(&mut milliseconds);
    let [forward, backward, adam] = parts.map(|mut part| median(&mut part));
    println!(
        "{operations:?}: {:.0} images/s (median {median_step:.1} ms, best {best:.1} ms; forward \
         {forward:.1}, backward {backward:.1}, Adam {adam:.1})",
        BATCH as f64 / median_step * 1e3,
    );
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
