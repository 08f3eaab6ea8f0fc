//! Fixture files, and random splits with repeated rows and classes of one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

fn folder() -> PathBuf {
    std::env::var_os("LIKEWISE_FIXTURES")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
            PathBuf::from,
        )
        .join("metrics")
}

fn bytes(file: &str) -> Vec<u8> {
    let path = folder().join(file);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// One set of the manifest with its tensors.
pub struct Set {
    pub name: String,
    pub entry: Value,
    pub inputs: BTreeMap<String, Vec<f64>>,
    pub expected: BTreeMap<String, Vec<f64>>,
}

/// Every set of the manifest.
pub fn sets() -> Vec<Set> {
    let manifest: Value =
        serde_json::from_slice(&bytes("manifest.json")).expect("manifest.json is JSON");
    assert_eq!(manifest["kind"], "metrics");
    let sets = manifest["sets"].as_array().expect("sets");
    assert!(!sets.is_empty());
    let text = |entry: &Value, key: &str| entry[key].as_str().expect(key).to_owned();
    sets.iter()
        .map(|entry| Set {
            name: text(entry, "name"),
            entry: entry.clone(),
            inputs: tensors(&text(entry, "inputs")),
            expected: tensors(&text(entry, "expected")),
        })
        .collect()
}

impl Set {
    pub fn dim(&self) -> usize {
        self.entry["embedding_dim"].as_u64().expect("embedding_dim") as usize
    }

    /// Single-precision input; the file stores F32, so nothing is rounded.
    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.inputs[name]
            .iter()
            .map(|&value| value as f32)
            .collect()
    }

    pub fn integers(&self, name: &str) -> Vec<u32> {
        self.inputs[name]
            .iter()
            .map(|&value| value as u32)
            .collect()
    }
}

fn tensors(file: &str) -> BTreeMap<String, Vec<f64>> {
    let bytes = bytes(file);
    let parsed = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{file}: {e}"));
    let read = |dtype, data: &[u8]| -> Vec<f64> {
        match dtype {
            Dtype::F32 => data
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()).into())
                .collect(),
            Dtype::I32 => data
                .chunks_exact(4)
                .map(|b| i32::from_le_bytes(b.try_into().unwrap()).into())
                .collect(),
            Dtype::F64 => data
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
                .collect(),
            Dtype::I64 => data
                .chunks_exact(8)
                .map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64)
                .collect(),
            other => panic!("{file}: unexpected type {other:?}"),
        }
    };
    parsed
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, read(view.dtype(), view.data())))
        .collect()
}

/// `|actual − expected| ≤ absolute + relative·|expected|`, element by element.
pub fn assert_close(what: &str, actual: &[f64], expected: &[f64], absolute: f64, relative: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}: number of values");
    for (index, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let allowed = absolute + relative * e.abs();
        assert!(
            (a - e).abs() <= allowed,
            "{what}[{index}]: {a} instead of {e} (allowed {allowed:e})"
        );
    }
}

/// A random split: clustered rows, about a fifth repeated, and at least one class of one.
#[derive(Clone, Debug)]
pub struct RandomSplit {
    pub embeddings: Vec<f32>,
    pub dim: usize,
    pub labels: Vec<u32>,
}

impl RandomSplit {
    pub fn new(seed: u64, rows: usize, dim: usize, classes: u32) -> Self {
        Self::with_repeats(seed, rows, dim, classes, 0.2)
    }

    /// The same with another share of repeated rows.
    pub fn with_repeats(seed: u64, rows: usize, dim: usize, classes: u32, share: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut labels: Vec<u32> = (0..rows).map(|_| random.random_range(0..classes)).collect();
        labels[rows / 2] = classes;
        let mut embeddings: Vec<f32> = Vec::new();
        for (row, &label) in labels.iter().enumerate() {
            if row > 0 && random.random_bool(share) {
                let copied = random.random_range(0..row) * dim;
                embeddings.extend_from_within(copied..copied + dim);
            } else {
                let towards = |d: usize| if d as u32 == label { 0.7 } else { 0.0 };
                embeddings.extend((0..dim).map(|d| random.random_range(-1.0..1.0f32) + towards(d)));
            }
        }
        Self {
            embeddings,
            dim,
            labels,
        }
    }

    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.embeddings[row * self.dim..][..self.dim]
    }
}
