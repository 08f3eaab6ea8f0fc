//! Batch miners: exact support and distribution against golden tables, the ρ-switch and budgets
//! around each of them, memories, degenerate batches, and equality of draws between devices.

mod budget;
mod controls;
mod degenerate;
mod devices;
mod golden;
mod memory;
mod pairs;
mod quadruplets;
mod statistics;
mod switch;

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor};
use likewise::batch::{BatchLabels, EMPTY};
use likewise::miner::{Entry, Miner, MinerConfig, TABLE, Triplets, TupleKind, Tuples};
use likewise::pairwise::Pairwise;
use likewise::random::{Purpose, stream};

use crate::support::{Array, Case, manifest, tensors, values};
use statistics::Counts;

type Triplet = [usize; 3];

pub fn cases() -> Vec<Case> {
    [
        budget::cases(),
        controls::cases(),
        degenerate::cases(),
        devices::cases(),
        golden::cases(),
        memory::cases(),
        pairs::cases(),
        quadruplets::cases(),
        switch::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Names of the batches of the fixtures.
fn sets() -> Vec<String> {
    let manifest = manifest("miners");
    let names = manifest["sets"].as_array().unwrap().iter();
    names
        .map(|set| set["name"].as_str().unwrap().to_string())
        .collect()
}

/// One batch of the fixtures with its tables.
struct Set {
    embeddings: Array,
    labels: Vec<u32>,
    expected: BTreeMap<String, Array>,
    settings: serde_json::Value,
    /// How many of the rows are the batch; the others are a memory, followed by empty places.
    anchors: usize,
}

impl Set {
    fn load(name: &str) -> Self {
        let manifest = manifest("miners");
        let set = manifest["sets"]
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["name"] == name)
            .unwrap();
        let inputs = tensors("miners", set["inputs"].as_str().unwrap());
        let labels = inputs["labels"].indices();
        Self {
            embeddings: inputs["embeddings_normalized"].clone(),
            expected: tensors("miners", set["expected"].as_str().unwrap()),
            settings: manifest["settings"].clone(),
            anchors: labels.len(),
            labels,
        }
    }

    /// The same with the last third of the rows as a memory: for the anchors that remain every
    /// table holds as it is.
    fn with_memory(mut self) -> Self {
        self.anchors = self.size() - self.size() / 3;
        self
    }

    fn batch(&self, device: &Device) -> (Pairwise, BatchLabels) {
        let rows: Tensor<2> = self.embeddings.tensor(device);
        let size = self.size();
        if self.anchors == size {
            return (Pairwise::new(rows), BatchLabels::new(&self.labels, device));
        }
        let [_, dimension] = rows.dims();
        let part = |from, to| rows.clone().slice([from..to, 0..dimension]);
        // Empty places hold what would be drawn most often.
        let memory = Tensor::cat(vec![part(self.anchors, size), part(0, 4)], 0);
        let (batch, remembered) = self.labels.split_at(self.anchors);
        let remembered = [remembered, &[EMPTY; 4]].concat();
        (
            Pairwise::with_memory(part(0, self.anchors), memory),
            BatchLabels::with_memory(batch, &remembered, device),
        )
    }

    fn size(&self) -> usize {
        self.labels.len()
    }

    /// Row `row` of an expected matrix.
    fn row(&self, name: &str, row: usize) -> &[f64] {
        let array = &self.expected[name];
        let width = array.shape[1];
        &array.values[row * width..(row + 1) * width]
    }

    /// Whether element `row` of an expected mask is set.
    fn is(&self, name: &str, row: usize) -> bool {
        self.expected[name].values[row] == 1.0
    }

    fn setting(&self, name: &str) -> f64 {
        self.settings[name].as_f64().unwrap()
    }
}

fn miner(text: &str) -> MinerConfig {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The miners of triplets.
fn triplet_miners() -> impl Iterator<Item = &'static Entry> {
    TABLE
        .iter()
        .filter(|entry| entry.tuples == TupleKind::Triplets)
}

/// The tuples of one batch.
fn mine_any(config: &MinerConfig, pairwise: &Pairwise, labels: &BatchLabels, seed: u64) -> Tuples {
    let mut rng = stream(seed, Purpose::Miner, 0, 0, 0);
    Miner::new(config).unwrap().mine(pairwise, labels, &mut rng)
}

/// The triplets of one batch.
fn mine(config: &MinerConfig, pairwise: &Pairwise, labels: &BatchLabels, seed: u64) -> Triplets {
    match mine_any(config, pairwise, labels, seed) {
        Tuples::Triplets(triplets) => triplets,
        other => panic!("{config:?} made {other:?}"),
    }
}

/// Every triplet, if it is valid.
fn read_all(triplets: &Triplets) -> Vec<Option<Triplet>> {
    let [anchor, positive, negative] =
        [&triplets.anchor, &triplets.positive, &triplets.negative].map(Clone::clone);
    let rows = read_rows(Tensor::cat(vec![anchor, positive, negative], 0));
    let valid = values(triplets.valid.clone());
    let length = valid.len();
    (0..length)
        .map(|tuple| {
            let triplet = [rows[tuple], rows[length + tuple], rows[2 * length + tuple]];
            (valid[tuple] == 1.0).then_some(triplet)
        })
        .collect()
}

/// The valid triplets.
fn read(triplets: &Triplets) -> Vec<Triplet> {
    read_all(triplets).into_iter().flatten().collect()
}

fn read_rows(rows: Tensor<1, Int>) -> Vec<usize> {
    let data = rows.into_data();
    data.iter::<i64>().map(|row| row as usize).collect()
}

/// Number of batches of 24 tuples to mine: over 1e5 tuples where that is quick.
fn batches(device: &Device) -> u64 {
    if *device == Device::flex() { 4400 } else { 100 }
}

fn count(config: &MinerConfig, set: &Set, device: &Device) -> Counts {
    let (pairwise, labels) = set.batch(device);
    let mut counts = Counts::new();
    for seed in 0..batches(device) {
        for triplet in read(&mine(config, &pairwise, &labels, seed)) {
            *counts.entry(triplet).or_insert(0) += 1;
        }
    }
    counts
}

/// Points of the unit circle at the given angles, in degrees.
fn circle(angles: &[f64], device: &Device) -> Tensor<2> {
    let coordinates = angles
        .iter()
        .flat_map(|angle| [angle.to_radians().cos(), angle.to_radians().sin()]);
    Array {
        shape: vec![angles.len(), 2],
        values: coordinates.collect(),
    }
    .tensor(device)
}
