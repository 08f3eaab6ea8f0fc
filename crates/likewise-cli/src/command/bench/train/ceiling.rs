//! What the device can do at best: a product of two square matrices, the operation that processors
//! and their libraries are made for.

use std::time::Instant;

use burn::tensor::{Device, Distribution, FloatDType, Tensor};
use likewise::model::Precision;
use serde::Serialize;

use super::super::wait;

/// Rows of the matrices: doubled until a product takes long enough to be measured well.
const ROWS: [usize; 4] = [1024, 2048, 4096, 8192];
const LONG_ENOUGH: f64 = 0.05;
const REPEATS: usize = 5;

/// The fastest product.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Ceiling {
    /// Rows and columns of both matrices.
    pub rows: usize,
    /// Floating-point operations a second, a multiply-add being two.
    pub flops_per_second: f64,
}

/// Measures products in `precision`.
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
        let product = || {
            let begun = Instant::now();
            // One value of the result: reading all of it would be measured, too.
            wait(a.clone().matmul(b.clone()).slice([0..1, 0..1]));
            begun.elapsed().as_secs_f64()
        };
        // The first product chooses and compiles a kernel.
        product();
        let fastest = (0..REPEATS)
            .map(|_| product())
            .fold(f64::INFINITY, f64::min);
        let flops_per_second = 2.0 * (rows as f64).powi(3) / fastest;
        if flops_per_second > best.flops_per_second {
            best = Ceiling {
                rows,
                flops_per_second,
            };
        }
        if fastest > LONG_ENOUGH {
            break;
        }
    }
    best
}

fn dtype(precision: Precision) -> FloatDType {
    match precision {
        Precision::F32 => FloatDType::F32,
        Precision::F16 => FloatDType::F16,
        Precision::Bf16 => FloatDType::BF16,
    }
}
