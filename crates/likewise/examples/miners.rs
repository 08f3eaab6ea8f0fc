//! Times every miner on the CPU: `RAYON_NUM_THREADS=1 cargo run --release -p likewise --example
//! miners`. Distances and labels are there before the clock starts; the tuples are read back.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use likewise::batch::BatchLabels;
use likewise::miner::{Miner, MinerConfig, TABLE, TupleKind, Tuples};
use likewise::pairwise::Pairwise;
use likewise::random::{Purpose, stream};
use rand::Rng;

const DIMENSION: usize = 128;

fn main() {
    println!("{:>5} {:>20} {:>9}", "batch", "miner", "ms");
    for size in [112, 512, 1024] {
        let device = Device::flex();
        let mut rng = stream(0, Purpose::Toy, 0, 0, 0);
        let rows: Vec<f32> = (0..size * DIMENSION)
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        let rows: Tensor<2> = Tensor::from_data(TensorData::new(rows, [size, DIMENSION]), &device);
        let lengths = rows.clone().square().sum_dim(1).sqrt();
        let pairwise = Pairwise::new(rows / lengths);
        pairwise.squared_distance_values();
        pairwise.similarity();
        let labels: Vec<u32> = (0..size as u32).map(|row| row / 2).collect();
        let labels = BatchLabels::new(&labels, &device);
        for entry in TABLE {
            time(
                entry.name,
                &(entry.default)(),
                entry.tuples,
                &pairwise,
                &labels,
            );
        }
        let hards: MinerConfig =
            toml::from_str("name = \"parametric\"\nmode = \"hards\"").expect("a valid miner");
        time(
            "parametric, hards",
            &hards,
            TupleKind::Triplets,
            &pairwise,
            &labels,
        );
        let distance: MinerConfig = toml::from_str("name = \"distance\"").expect("a valid miner");
        time(
            "distance, quadruplets",
            &distance,
            TupleKind::Quadruplets,
            &pairwise,
            &labels,
        );
    }
}

/// Prints the shortest of several times.
fn time(
    name: &str,
    config: &MinerConfig,
    kind: TupleKind,
    pairwise: &Pairwise,
    labels: &BatchLabels,
) {
    let miner = Miner::serving(config, &[kind]).expect("a valid miner");
    let shortest = (0..30)
        .map(|batch| {
            let start = Instant::now();
            let mut rng = stream(0, Purpose::Miner, 0, batch, 0);
            finish(&miner.mine(pairwise, labels, &mut rng));
            start.elapsed()
        })
        .min()
        .unwrap_or(Duration::ZERO);
    let milliseconds = shortest.as_secs_f64() * 1e3;
    println!("{:>5} {name:>20} {milliseconds:>9.3}", labels.len());
}

fn finish(tuples: &Tuples) {
    match tuples {
        Tuples::Triplets(triplets) => drop(triplets.negative.clone().into_data()),
        Tuples::Quadruplets(quadruplets) => drop(quadruplets.second_negative.clone().into_data()),
        Tuples::NPairs(pairs) => drop(pairs.positive.clone().into_data()),
        Tuples::PairSets(sets) => drop(sets.negative.clone().into_data()),
        Tuples::None => {}
    }
}
