//! A batch as objectives and miners see it: labels on the host, where choices that need no
//! distance are made, and the same-class relation on the device.

use std::collections::HashMap;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Label of a place in a memory that holds nothing yet: of no class, neither positive nor negative.
pub const EMPTY: u32 = u32::MAX;

/// Labels of a batch of R anchors and of the C references they are compared with; the first R
/// references are the anchors themselves.
#[derive(Clone, Debug)]
pub struct BatchLabels {
    /// Class index of each reference, 0..C, on the host.
    pub host: Vec<u32>,
    /// The same on the device, `[C]`.
    pub device: Tensor<1, Int>,
    /// `[R, C]`: anchor and reference share their class and are not the same row.
    pub positive: Tensor<2, Bool>,
    /// `[R, C]`: anchor and reference are of different classes.
    pub negative: Tensor<2, Bool>,
    anchors: usize,
    members: HashMap<u32, Vec<usize>>,
}

impl BatchLabels {
    /// Uploads labels and both relations to `device` (no read-back). They are constants: an
    /// autodiff `device` stands for the device it wraps.
    pub fn new(labels: &[u32], device: &Device) -> Self {
        Self::with_memory(labels, &[], device)
    }

    /// The same for references that go on with a memory of these labels, [`EMPTY`] where it holds
    /// nothing.
    pub fn with_memory(labels: &[u32], memory: &[u32], device: &Device) -> Self {
        let device = &device.clone().inner();
        let host = [labels, memory].concat();
        let (rows, columns) = (labels.len(), host.len());
        let upload =
            |values| Tensor::<2, Bool>::from_data(TensorData::new(values, [rows, columns]), device);
        let mut positive = Vec::with_capacity(rows * columns);
        let mut negative = Vec::with_capacity(rows * columns);
        for (row, &label) in labels.iter().enumerate() {
            positive.extend(host.iter().map(|&other| other == label));
            negative.extend(host.iter().map(|&other| other != label && other != EMPTY));
            positive[row * columns + row] = false;
        }
        let mut members: HashMap<u32, Vec<usize>> = HashMap::new();
        for (column, &label) in host.iter().enumerate() {
            members.entry(label).or_default().push(column);
        }
        let indices: Vec<i32> = host.iter().map(|&label| label.cast_signed()).collect();
        Self {
            device: Tensor::from_data(TensorData::new(indices, [columns]), device),
            positive: upload(positive),
            negative: upload(negative),
            host,
            anchors: rows,
            members,
        }
    }

    /// Number of anchors R.
    pub fn len(&self) -> usize {
        self.anchors
    }

    /// Whether the batch has no rows.
    pub fn is_empty(&self) -> bool {
        self.anchors == 0
    }

    /// Number of references C.
    pub fn references(&self) -> usize {
        self.host.len()
    }

    /// Class of each anchor on the device, `[R]`.
    pub fn anchors(&self) -> Tensor<1, Int> {
        self.device.clone().narrow(0, 0, self.anchors)
    }

    /// References of the class of anchor `row`, in ascending order, the anchor itself among them.
    pub fn class_of(&self, row: usize) -> &[usize] {
        &self.members[&self.host[row]]
    }

    /// References of the same class as anchor `row`, in ascending order, without itself.
    pub fn positives_of(&self, row: usize) -> impl Iterator<Item = usize> + Clone {
        let class = self.class_of(row).iter().copied();
        class.filter(move |&other| other != row)
    }

    /// Number of references of the same class as anchor `row`, without itself.
    pub fn positive_count(&self, row: usize) -> usize {
        self.class_of(row).len() - 1
    }

    /// Number of references of other classes than that of anchor `row`.
    pub fn negative_count(&self, row: usize) -> usize {
        let empty = self.members.get(&EMPTY).map_or(0, Vec::len);
        self.host.len() - empty - self.class_of(row).len()
    }

    /// 1 for each anchor that has a positive, else 0, `[R]`.
    pub fn with_positive(&self) -> Tensor<1> {
        let flags = (0..self.anchors).map(|row| self.positive_count(row) > 0);
        indicators(&flags.collect::<Vec<_>>(), &self.device.device())
    }

    /// 1 for each anchor that has both a positive and a negative, else 0, `[R]`.
    pub fn with_both(&self) -> Tensor<1> {
        let complete = |row| self.positive_count(row) > 0 && self.negative_count(row) > 0;
        let flags: Vec<bool> = (0..self.anchors).map(complete).collect();
        indicators(&flags, &self.device.device())
    }
}

/// 1 where true, 0 where false.
pub(crate) fn indicators(flags: &[bool], device: &Device) -> Tensor<1> {
    let values: Vec<f32> = flags
        .iter()
        .map(|&flag| f32::from(u8::from(flag)))
        .collect();
    Tensor::from_data(TensorData::new(values, [flags.len()]), device)
}
