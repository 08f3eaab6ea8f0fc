//! What the device can do at best: a product of two square matrices, the operation that processors
//! and their libraries are made for.

use std::time::Instant;

use burn::tensor::{Device, Distribution, FloatDType, Tensor};
use likewise::model::Precision;
use likewise_kernels::{ConvFinish, conv2d};
use serde::Serialize;

use super::super::wait;

/// Rows of the matrices: doubled until a product takes long enough to be measured well.
const ROWS: [usize; 6] = [256, 512, 1024, 2048, 4096, 8192];
const LONG_ENOUGH: f64 = 0.015;
const REPEATS: usize = 5;

/// The fastest product.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ceiling {
    /// Rows and columns of both matrices.
    pub rows: usize,
    /// Floating-point operations a second, a multiply-add being two.
    pub flops_per_second: f64,
}

/// Measures products in `precision`, by the tensor library and as a convolution of 1×1, which is the
/// same product with kernels of our own where there are some; the faster one counts.
pub fn measure(device: &Device, precision: Precision) -> Ceiling {
    let mut best = Ceiling {
        rows: 0,
        flops_per_second: 0.0,
    };
    for rows in ROWS {
        let matrix = || {
            let values =
                Tensor::<2>::random([rows, rows], Distribution::Uniform(-1.0, 1.0), device);
            values.cast(dtype(precision))
        };
        let (a, b) = (matrix(), matrix());
        let library = || wait_for(a.clone().matmul(b.clone()));
        let side = 32;
        let convolution = || {
            let map = b.clone().reshape([1, rows, rows / side, side]);
            let weight = a.clone().reshape([rows, rows, 1, 1]);
            wait_for(conv2d(map, weight, [1, 1], [0, 0], ConvFinish::default()));
        };
        let seconds = fastest(library).min(fastest(convolution));
        let flops_per_second = 2.0 * (rows as f64).powi(3) / seconds;
        if flops_per_second > best.flops_per_second {
            best = Ceiling {
                rows,
                flops_per_second,
            };
        }
        if seconds > LONG_ENOUGH {
            break;
        }
    }
    best
}

/// Seconds of the fastest call.
fn fastest(product: impl Fn()) -> f64 {
    // The first one chooses and compiles a kernel.
    product();
    let timed = || {
        let begun = Instant::now();
        product();
        begun.elapsed().as_secs_f64()
    };
    (0..REPEATS).map(|_| timed()).fold(f64::INFINITY, f64::min)
}

/// Reads one value: reading all of them would be measured, too.
fn wait_for<const D: usize>(product: Tensor<D>) {
    wait(product.slice([0; D].map(|first| first..first + 1)));
}

fn dtype(precision: Precision) -> FloatDType {
    match precision {
        Precision::F32 => FloatDType::F32,
        Precision::F16 => FloatDType::F16,
        Precision::Bf16 => FloatDType::BF16,
    }
}
