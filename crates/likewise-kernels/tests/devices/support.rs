//! What every case shares: its form, numbers, tensors, asynchronous reads and comparisons. Reads
//! are asynchronous because a browser has no other.

use std::pin::Pin;
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};

/// A test on its way.
type Running = Pin<Box<dyn Future<Output = ()>>>;

/// A test that runs once on each kind of device. It fails by panicking.
#[derive(Clone)]
pub struct Case {
    /// `operation::what_holds`.
    pub name: String,
    /// The test.
    pub run: Arc<dyn Fn(Device) -> Running + Send + Sync>,
}

impl Case {
    /// A test called `name` (use `operation::what_holds`).
    pub fn new<F: Future<Output = ()> + 'static>(
        name: impl Into<String>,
        run: impl Fn(Device) -> F + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            run: Arc::new(move |device| Box::pin(run(device))),
        }
    }
}

/// Numbers in [−1, 1) of 24 bits, the same on every machine.
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // Xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A matrix of these row-major values.
pub fn tensor(data: &[f32], shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
}

/// Reads a tensor back, in f64.
pub async fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let data = tensor.into_data_async().await.expect("readable tensor");
    data.convert::<f64>().try_to_vec().expect("float tensor")
}

/// Reads whole numbers back.
pub async fn integers<const D: usize>(tensor: Tensor<D, Int>) -> Vec<i64> {
    let data = tensor.into_data_async().await.expect("readable tensor");
    data.convert::<i64>().try_to_vec().expect("integer tensor")
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
