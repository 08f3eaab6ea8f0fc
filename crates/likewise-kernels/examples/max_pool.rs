//! Time of the max pooling of ResNet50's stem beside Burn's own on the processor:
//! `max_pool [BATCH [SIZE]]`, with images of SIZE pixels.

use std::time::Instant;

use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, TensorData, module};
use likewise_kernels::max_pool2d;

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let batch = numbers.first().copied().unwrap_or(8);
    let size = numbers.get(1).copied().unwrap_or(224) / 2;
    let shape = [batch, 64, size, size];
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|i: usize| (i as f32 * 0.37).sin().max(0.0))
        .collect();
    let options = MaxPoolOptions::new([3, 3])
        .with_stride([2, 2])
        .with_padding([1, 1]);
    let burns = |x| module::max_pool2d(x, options.clone());
    let ours = |x| max_pool2d(x, options.clone());
    let pools: [(&str, &dyn Fn(Tensor<4>) -> Tensor<4>); 2] = [("Burn", &burns), ("ours", &ours)];
    for (name, pool) in pools {
        let (mut forward, mut both) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..10 {
            let data = TensorData::new(values.clone(), shape);
            let x = Tensor::<4>::from_data(data, &Device::flex().autodiff()).require_grad();
            let start = Instant::now();
            let y = pool(x.clone());
            forward = forward.min(start.elapsed().as_secs_f64());
            let _ = y.sum().backward();
            both = both.min(start.elapsed().as_secs_f64());
        }
        println!(
            "{name}: {:.1} ms forward, {:.1} ms with the backward pass",
            1e3 * forward,
            1e3 * both
        );
    }
}
