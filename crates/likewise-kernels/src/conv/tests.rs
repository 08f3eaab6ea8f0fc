//! Bits must not depend on the number of threads, nor on the run or the vectors' length.

use super::batch_norm::{self, Planes, Saved};
use super::finish::Finish;
use super::shape::Window;
use super::{Epilogue, correlate, weight_gradient};
use crate::simd::{Baseline, Narrow};
use crate::tile::{COLUMNS, Lanes, ROWS, blocks, multiply_add};

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
    let (scale, shift) = (numbers(outputs), vec![0.25; outputs]);
    let finish = Finish {
        scale: Some(&scale),
        shift: Some(&shift),
        ..Finish::NOTHING
    };
    let y = correlate::forward(&x, shape, &weight, &finish, window);
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
    let scale = Some(&scale[..]);
    let x_grad = correlate::input_gradient(&grads.x, shape, &weight, scale, window);
    let kernel = weight_gradient::weight_gradient(&x, shape, &grads.x, &weight, scale, window);
    [
        y,
        norm.output,
        norm.mean,
        norm.variance,
        grads.x,
        grads.gamma,
        grads.beta,
        x_grad,
        kernel.weight,
        kernel.scale,
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
        // Several blocks along the depth, and of channels.
        ([3, 150, 5, 6], 200, &strided),
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

#[test]
fn every_instruction_set_computes_the_same_tile() {
    let depth = 37;
    let (weights, columns) = (numbers(ROWS * depth), numbers(depth * COLUMNS));
    let rows: [&[f32]; ROWS] = std::array::from_fn(|r| &weights[r * depth..(r + 1) * depth]);
    let panel: Vec<Lanes> = columns
        .as_chunks::<COLUMNS>()
        .0
        .iter()
        .map(|&columns| Lanes(columns))
        .collect();
    let tile = |run: &dyn Fn(&mut [Lanes; ROWS])| {
        let mut tile = [Lanes([0.5; COLUMNS]); ROWS];
        run(&mut tile);
        tile.map(|lanes| lanes.0).as_flattened().to_vec()
    };
    // The blocks of each instruction set, computed here without its instructions.
    let avx512 = tile(&|tile| blocks::<8, 32, Narrow>(rows, &panel, tile));
    let avx2 = tile(&|tile| blocks::<4, 16, Narrow>(rows, &panel, tile));
    let unfused = tile(&|tile| blocks::<4, 8, Baseline>(rows, &panel, tile));
    assert_eq!(bits(&avx512), bits(&avx2));
    for actual in [
        avx512,
        unfused,
        tile(&|tile| multiply_add(rows, &panel, tile)),
    ] {
        for (index, actual) in actual.iter().enumerate() {
            let (row, column) = (index / COLUMNS, index % COLUMNS);
            let products = rows[row].iter().zip(&panel);
            let sum: f64 = products
                .map(|(&a, lanes)| f64::from(a) * f64::from(lanes.0[column]))
                .sum();
            assert!(
                (f64::from(*actual) - sum - 0.5).abs() < 1e-5,
                "row {row}, column {column}"
            );
        }
    }
}
