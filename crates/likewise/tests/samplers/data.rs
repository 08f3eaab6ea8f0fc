//! The fixture files, and random training sets with their banks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use likewise::random::{Purpose, stream};
use likewise::sampler::{ClassIndex, MemoryBank, Points};
use rand::Rng;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

fn bytes(file: &str) -> Vec<u8> {
    let path = std::env::var_os("LIKEWISE_FIXTURES")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
            PathBuf::from,
        )
        .join("samplers")
        .join(file);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// One tensor, its integers and masks as numbers.
pub struct Values {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl Values {
    /// The rows of a matrix.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.shape[1])
    }

    /// The values as row numbers.
    pub fn indices(&self) -> Vec<usize> {
        indices(&self.values)
    }

    /// The rows of a matrix of embeddings, stored as F32.
    pub fn points(&self) -> Points {
        let floats: Vec<f32> = self.values.iter().map(|&value| value as f32).collect();
        Points::new(&floats, self.shape[1]).unwrap()
    }
}

/// Row numbers stored as numbers.
pub fn indices(values: &[f64]) -> Vec<usize> {
    values.iter().map(|&value| value as usize).collect()
}

/// The manifest with its tensors.
pub struct Fixture {
    pub manifest: Value,
    inputs: BTreeMap<String, Values>,
    expected: BTreeMap<String, Values>,
}

impl Fixture {
    pub fn read() -> Self {
        let manifest: Value =
            serde_json::from_slice(&bytes("manifest.json")).expect("manifest.json is JSON");
        assert_eq!(manifest["kind"], "batch_samplers");
        let file = |key: &str| tensors(manifest[key].as_str().expect(key));
        Self {
            inputs: file("inputs"),
            expected: file("expected"),
            manifest,
        }
    }

    pub fn input(&self, name: &str) -> &Values {
        &self.inputs[name]
    }

    pub fn expected(&self, name: &str) -> &Values {
        &self.expected[name]
    }

    pub fn number(&self, pointer: &str) -> f64 {
        let value = self.manifest.pointer(pointer).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("manifest: {pointer}"))
    }
}

fn tensors(file: &str) -> BTreeMap<String, Values> {
    let bytes = bytes(file);
    let parsed = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{file}: {e}"));
    let read = |dtype, data: &[u8]| -> Vec<f64> {
        match dtype {
            Dtype::U8 => data.iter().map(|&byte| byte.into()).collect(),
            Dtype::F32 => data
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()).into())
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
    let convert = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let values = Values {
            shape: view.shape().to_vec(),
            values: read(view.dtype(), view.data()),
        };
        (name, values)
    };
    parsed.tensors().into_iter().map(convert).collect()
}

/// `|actual − expected| ≤ allowed·(1 + |expected|)`, element by element.
pub fn assert_close(what: &str, actual: &[f64], expected: &[f64], allowed: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}: number of values");
    for (place, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (a - e).abs() <= allowed * (1.0 + e.abs()),
            "{what}[{place}]: {a} instead of {e}"
        );
    }
}

/// `rows`×`dimension` numbers in ±1.
pub fn noise(seed: u64, rows: usize, dimension: usize) -> Vec<f32> {
    let mut rng = stream(seed, Purpose::Toy, 0, 0, 0);
    (0..rows * dimension)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect()
}

/// A training set of noise around a centre for each class.
pub fn training_set(seed: u64, labels: &[u32], dimension: usize) -> (ClassIndex, MemoryBank) {
    let mut values = noise(seed, labels.len(), dimension);
    for (row, &label) in values.chunks_exact_mut(dimension).zip(labels) {
        row[label as usize % dimension] += 1.0;
    }
    let bank = MemoryBank::new(values, dimension).unwrap();
    (ClassIndex::new(labels), bank)
}
