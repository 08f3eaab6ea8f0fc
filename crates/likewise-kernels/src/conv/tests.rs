//! Bits must not depend on the number of threads, nor on the run.

use super::batch_norm::{self, Planes, Saved};
use super::shape::Window;
use super::{Epilogue, correlate, weight_gradient};

fn numbers(count: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Everything computed for one layer.
fn layer(shape: [usize; 4], outputs: usize, window: &Window) -> Vec<Vec<u32>> {
    let x = numbers(shape.iter().product());
    let weight = numbers(outputs * shape[1] * window.taps());
    let y = correlate::forward(&x, shape, &weight, &vec![0.25; outputs], window);
    let planes = Planes {
        channels: outputs,
        size: window.output([shape[2], shape[3]]),
    };
    let (gamma, beta) = (numbers(outputs), numbers(outputs));
    let norm = batch_norm::forward(&y, &planes, &gamma, &beta, 1e-5, Epilogue::ReluMaxPool);
    let saved = Saved {
        x: &y,
        gamma: &gamma,
        beta: &beta,
        mean: &norm.mean,
        variance: &norm.variance,
        epsilon: 1e-5,
    };
    let output_grad = numbers(norm.output.len());
    let grads = batch_norm::backward(&saved, &planes, Epilogue::ReluMaxPool, &output_grad);
    let x_grad = correlate::input_gradient(&grads.x, shape, &weight, window);
    let weight_grad = weight_gradient::weight_gradient(&x, shape, &grads.x, outputs, window);
    [
        y,
        norm.output,
        norm.mean,
        norm.variance,
        grads.x,
        grads.gamma,
        grads.beta,
        x_grad,
        weight_grad,
    ]
    .iter()
    .map(|values| bits(values))
    .collect()
}

#[test]
fn bits_do_not_depend_on_threads() {
    let window = Window {
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
    };
    let strided = Window {
        stride: [2, 2],
        ..window
    };
    for (shape, outputs, window) in [
        ([37, 3, 16, 16], 32, &window),
        ([37, 40, 7, 9], 70, &window),
        ([9, 5, 12, 12], 20, &strided),
    ] {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| layer(shape, outputs, window))
        };
        let expected = run(1);
        for threads in [1, 2, 3, 7] {
            assert!(run(threads) == expected, "{shape:?} with {threads} threads");
        }
    }
}
