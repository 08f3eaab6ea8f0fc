//! Milliseconds of the ranking operations on `B` queries, the gallery being the queries themselves,
//! with 128 components, beside the same from Burn's tensor operations (the twins), on the first WGSL
//! device.
//!
//! Usage: `cargo run --release -p likewise-kernels --example ranking [repeats] [B] [twin repeats]`

use std::time::Instant;

use burn::tensor::{Device, DeviceType, Int, Tensor, TensorData};
use likewise_kernels::{
    Score, assign_nearest, assign_nearest_twin, rank_count, rank_count_twin, top_k, top_k_twin,
};

const DIMENSION: usize = 128;
const POSITIVES: usize = 8;
const K: usize = 10;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().map(|text| text.parse().expect("a number"));
    let (repeats, only, twin_repeats) = (number(), number(), number());
    let (repeats, twin_repeats) = (repeats.unwrap_or(5), twin_repeats.unwrap_or(1));
    let devices = Device::enumerate(DeviceType::Wgpu).into_vec();
    let device = devices.into_iter().next().expect("a WGSL device");
    for batch in [112, 512, 2048] {
        if only.is_some_and(|only: usize| only != batch) {
            continue;
        }
        println!("B = {batch}: least milliseconds of {repeats}, twins of {twin_repeats}");
        let bench = Bench::new(batch, &device);
        for score in [Score::SquaredEuclidean, Score::Cosine] {
            bench.all(score, repeats, twin_repeats);
        }
    }
}

struct Bench {
    rows: Tensor<2>,
    positives: Tensor<2, Int>,
    own: Tensor<1, Int>,
}

impl Bench {
    fn new(batch: usize, device: &Device) -> Self {
        let number = |index: usize| ((index * 7919) % 10_007) as f32 * 1e-4 - 0.5;
        let values: Vec<f32> = (0..batch * DIMENSION).map(number).collect();
        let positives: Vec<i64> = (0..batch * POSITIVES)
            .map(|index| (index * 13 % batch) as i64)
            .collect();
        let own: Vec<i64> = (0..batch as i64).collect();
        Self {
            rows: Tensor::from_data(TensorData::new(values, [batch, DIMENSION]), device),
            positives: Tensor::from_data(TensorData::new(positives, [batch, POSITIVES]), device),
            own: Tensor::from_data(TensorData::new(own, [batch]), device),
        }
    }

    fn all(&self, score: Score, repeats: usize, twin_repeats: usize) {
        let rows = || (self.rows.clone(), self.rows.clone());
        let own = || self.own.clone();
        let compare = |name: &str, kernel: &dyn Fn(), twin: &dyn Fn()| {
            let (kernel, twin) = (least(repeats, kernel), least(twin_repeats, twin));
            println!("{name:>16} {score:?}: {kernel:10.2}   twin {twin:10.2}");
        };
        let ranks = |operation: fn(_, _, _, _, _) -> Tensor<2, Int>| {
            let (queries, gallery) = rows();
            read(operation(
                queries,
                gallery,
                self.positives.clone(),
                own(),
                score,
            ));
        };
        compare("rank_count", &|| ranks(rank_count), &|| {
            ranks(rank_count_twin)
        });
        let first = |operation: fn(_, _, _, _, _) -> (Tensor<2, Int>, Tensor<2>)| {
            let (queries, gallery) = rows();
            read(operation(queries, gallery, own(), K, score).0);
        };
        compare("top_k", &|| first(top_k), &|| first(top_k_twin));
        let nearest = |operation: fn(_, _, _) -> (Tensor<1, Int>, Tensor<1>)| {
            let (points, centroids) = rows();
            read(operation(points, centroids, score).0);
        };
        compare("assign_nearest", &|| nearest(assign_nearest), &|| {
            nearest(assign_nearest_twin)
        });
    }
}

/// Waits for the values: the read itself returns before they are computed.
fn read<const N: usize>(tensor: Tensor<N, Int>) {
    std::hint::black_box(tensor.into_data().as_bytes().iter().max());
}

/// Least milliseconds of `repeats` runs after one more.
fn least(repeats: usize, f: &dyn Fn()) -> f64 {
    f();
    let run = |_| {
        let start = Instant::now();
        f();
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..repeats.max(1)).map(run).fold(f64::INFINITY, f64::min)
}
