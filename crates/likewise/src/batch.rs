//! A batch as objectives and miners see it: labels on the host, where choices that need no
//! distance are made, and the same-class relation on the device.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Labels of one batch of size B.
#[derive(Clone, Debug)]
pub struct BatchLabels {
    /// Class index of each row, 0..C, on the host.
    pub host: Vec<u32>,
    /// The same on the device, `[B]`.
    pub device: Tensor<1, Int>,
    /// `[B, B]`: row and column share their class and are different rows.
    pub positive: Tensor<2, Bool>,
    /// `[B, B]`: row and column are of different classes.
    pub negative: Tensor<2, Bool>,
}

impl BatchLabels {
    /// Uploads the labels and both relations to `device` (no read-back). They are constants: an
    /// autodiff `device` stands for the device it wraps.
    pub fn new(labels: &[u32], device: &Device) -> Self {
        let device = &device.clone().inner();
        let size = labels.len();
        let pairs = || (0..size).flat_map(|row| (0..size).map(move |column| (row, column)));
        let relation = |holds: &dyn Fn(usize, usize) -> bool| {
            let values: Vec<bool> = pairs().map(|(row, column)| holds(row, column)).collect();
            Tensor::<2, Bool>::from_data(TensorData::new(values, [size, size]), device)
        };
        let indices: Vec<i32> = labels.iter().map(|&label| label.cast_signed()).collect();
        Self {
            host: labels.to_vec(),
            device: Tensor::from_data(TensorData::new(indices, [size]), device),
            positive: relation(&|row, column| row != column && labels[row] == labels[column]),
            negative: relation(&|row, column| labels[row] != labels[column]),
        }
    }

    /// Number of rows B.
    pub fn len(&self) -> usize {
        self.host.len()
    }

    /// Whether the batch has no rows.
    pub fn is_empty(&self) -> bool {
        self.host.is_empty()
    }

    /// Rows of the same class as `row`, without `row` itself.
    pub fn positives_of(&self, row: usize) -> Vec<usize> {
        let label = self.host[row];
        (0..self.len())
            .filter(|&other| other != row && self.host[other] == label)
            .collect()
    }

    /// Rows of other classes than that of `row`.
    pub fn negatives_of(&self, row: usize) -> Vec<usize> {
        let label = self.host[row];
        (0..self.len())
            .filter(|&other| self.host[other] != label)
            .collect()
    }
}
