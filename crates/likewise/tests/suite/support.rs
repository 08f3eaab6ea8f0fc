//! What every test of the suite shares: devices, fixtures and comparisons.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use libtest_mimic::Trial;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::wgsl::{adapter_required, wgsl_device};

/// A test that is run once on each kind of device. It fails by panicking.
pub struct Case {
    name: String,
    run: Arc<dyn Fn(&Device) + Send + Sync>,
}

impl Case {
    /// A test called `name` (use `family::what_holds`).
    pub fn new(name: impl Into<String>, run: impl Fn(&Device) + Send + Sync + 'static) -> Self {
        Self {
            name: name.into(),
            run: Arc::new(run),
        }
    }

    /// The two trials of this case: `…::flex` and `…::wgsl`.
    pub fn into_trials(self) -> [Trial; 2] {
        let (flex, wgsl) = (Arc::clone(&self.run), self.run);
        let missing = wgsl_device().is_none();
        [
            Trial::test(format!("{}::flex", self.name), move || {
                flex(&Device::flex());
                Ok(())
            }),
            Trial::test(format!("{}::wgsl", self.name), move || {
                match wgsl_device() {
                    Some(device) => {
                        wgsl(&device);
                        Ok(())
                    }
                    None => {
                        Err("LIKEWISE_REQUIRE_GPU=1, but this machine has no WGSL adapter".into())
                    }
                }
            })
            .with_ignored_flag(missing && !adapter_required()),
        ]
    }
}

/// Numbers in [0, 1) of 24 bits, the same on every machine.
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // Xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u32 << 24) as f32
    };
    (0..count).map(|_| next()).collect()
}

/// A matrix of these row-major values.
pub fn tensor(data: &[f32], shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
}

/// Folder of one kind of fixtures: below `LIKEWISE_FIXTURES` when that is set, else the copy
/// committed beside the tests.
pub fn fixtures(kind: &str) -> PathBuf {
    std::env::var_os("LIKEWISE_FIXTURES")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"),
            PathBuf::from,
        )
        .join(kind)
}

/// The manifest of one kind of fixtures.
pub fn manifest(kind: &str) -> Value {
    let path = fixtures(kind).join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A tensor of a fixture file, widened to f64.
#[derive(Clone, Debug)]
pub struct Array {
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub values: Vec<f64>,
}

impl Array {
    /// The tensor on `device` in single precision.
    pub fn tensor<const D: usize>(&self, device: &Device) -> Tensor<D> {
        let values: Vec<f32> = self.values.iter().map(|&value| value as f32).collect();
        Tensor::from_data(TensorData::new(values, self.shape.clone()), device)
    }

    /// The values as class labels or row indices.
    pub fn indices(&self) -> Vec<u32> {
        self.values.iter().map(|&value| value as u32).collect()
    }
}

/// All tensors of a safetensors file.
pub fn tensors(kind: &str, file: &str) -> BTreeMap<String, Array> {
    let path = fixtures(kind).join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file =
        SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => data
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]).into())
                    .collect(),
                Dtype::F64 => data
                    .chunks_exact(8)
                    .map(|b| f64::from_le_bytes(eight(b)))
                    .collect(),
                Dtype::I64 => data
                    .chunks_exact(8)
                    .map(|b| i64::from_le_bytes(eight(b)) as f64)
                    .collect(),
                Dtype::U8 | Dtype::BOOL => data.iter().map(|&b| f64::from(b)).collect(),
                other => panic!("{name}: unexpected type {other:?}"),
            };
            (
                name,
                Array {
                    shape: view.shape().to_vec(),
                    values,
                },
            )
        })
        .collect()
}

fn eight(bytes: &[u8]) -> [u8; 8] {
    bytes.try_into().expect("chunks of eight bytes")
}

/// Reads a tensor back, in f64.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor
        .into_data()
        .convert::<f64>()
        .try_to_vec()
        .expect("float tensor")
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

/// `‖actual − expected‖ ≤ absolute + relative·‖expected‖` (Frobenius).
pub fn assert_close_norm(
    what: &str,
    actual: &[f64],
    expected: &[f64],
    absolute: f64,
    relative: f64,
) {
    assert_eq!(actual.len(), expected.len(), "{what}: number of values");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut actual.iter().zip(expected).map(|(a, e)| a - e));
    let allowed = absolute + relative * norm(&mut expected.iter().copied());
    assert!(
        difference <= allowed,
        "{what}: differs by {difference:e} in norm (allowed {allowed:e})"
    );
}
