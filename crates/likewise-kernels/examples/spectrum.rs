//! Milliseconds that all singular values of `N` rows with 128 components take on each device of
//! this machine, by the kernel and by tensor operations (the twin, once), read-back included.
//!
//! Usage: `CUBECL_AUTOTUNE_LEVEL=minimal cargo run --release -p likewise-kernels --example spectrum`

use std::time::Instant;

use burn::tensor::{Device, DeviceType, Distribution, Tensor};
use likewise_kernels::{singular_values, singular_values_twin};

const DIMENSION: usize = 128;
const REPEATS: usize = 3;

fn main() {
    let gpus = Device::enumerate(DeviceType::Wgpu).into_vec();
    for device in [Device::flex()].into_iter().chain(gpus) {
        println!("{device:?}: least milliseconds of {REPEATS}");
        for rows in [112, 512, 2048] {
            let x: Tensor<2> =
                Tensor::random([rows, DIMENSION], Distribution::Default, &Device::flex());
            let x: Tensor<2> = Tensor::from_data(x.into_data(), &device);
            let kernel = least(&x, singular_values);
            let twin = milliseconds(&x, singular_values_twin);
            println!("  N = {rows:4}: {kernel:9.1}, twin {twin:9.1}");
        }
    }
}

/// The first one compiles.
fn least(x: &Tensor<2>, compute: fn(Tensor<2>) -> Tensor<1>) -> f64 {
    let runs = (0..=REPEATS).map(|_| milliseconds(x, compute));
    runs.skip(1).fold(f64::INFINITY, f64::min)
}

fn milliseconds(x: &Tensor<2>, compute: fn(Tensor<2>) -> Tensor<1>) -> f64 {
    let start = Instant::now();
    let _values = compute(x.clone()).into_data();
    start.elapsed().as_secs_f64() * 1e3
}
