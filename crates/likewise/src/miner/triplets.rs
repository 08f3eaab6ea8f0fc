//! The tuples that pair-based objectives learn from, as index tensors on the device, so that
//! nothing has to be read back between miner and objective.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::anchors::Anchors;
use crate::batch::indicators;

/// A list of T triplets: an anchor of the batch with a positive and a negative reference. What
/// serves as negative may be of the anchor's class: the ρ-switch and the controls make it so.
///
/// T is constant from batch to batch (it pads with tuples that are not valid), so that devices
/// meet the same shapes in every step.
#[derive(Clone, Debug)]
pub struct Triplets {
    /// Anchor row of the first tuples, on the host; tuples beyond its length are padding.
    pub anchors: Vec<usize>,
    /// Anchor rows, `[T]`.
    pub anchor: Tensor<1, Int>,
    /// Positive references, `[T]`.
    pub positive: Tensor<1, Int>,
    /// Negative references, `[T]`.
    pub negative: Tensor<1, Int>,
    /// 1 for a tuple that counts, 0 for padding and anchors without a candidate, `[T]`.
    pub valid: Tensor<1>,
    /// Which of the tuples of `anchors` the ρ-switch made; all of those are valid.
    pub switched: Vec<bool>,
}

impl Triplets {
    /// Triplets chosen on the host, padded to at least `length` (and at least one) tuples.
    /// `device` is the plain device of the batch.
    pub fn from_rows(rows: &[[usize; 3]], length: usize, device: &Device) -> Self {
        let length = length.max(rows.len()).max(1);
        let column = |member: usize| {
            let mut values: Vec<usize> = rows.iter().map(|row| row[member]).collect();
            values.resize(length, 0);
            indices(&values, device)
        };
        let mut valid = vec![true; rows.len()];
        valid.resize(length, false);
        Self {
            anchors: rows.iter().map(|row| row[0]).collect(),
            anchor: column(0),
            positive: column(1),
            negative: column(2),
            valid: indicators(&valid, device),
            switched: vec![false; rows.len()],
        }
    }

    /// A triplet of each of the `anchors`, which say which of them count.
    pub(super) fn of_anchors(
        anchors: Anchors,
        positive: Tensor<1, Int>,
        negative: Tensor<1, Int>,
    ) -> Self {
        Self {
            positive,
            negative,
            valid: indicators(&anchors.valid, &anchors.index.device()),
            switched: vec![false; anchors.len()],
            anchor: anchors.index,
            anchors: anchors.rows,
        }
    }

    /// Number of tuples that count, `[1]`, on the device.
    pub fn count(&self) -> Tensor<1> {
        self.valid.clone().sum()
    }

    /// Number of tuples the ρ-switch made.
    pub fn switched_count(&self) -> usize {
        self.switched.iter().filter(|&&switched| switched).count()
    }
}

/// Row numbers as an index tensor.
pub(crate) fn indices(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    Tensor::from_data(TensorData::new(values, [rows.len()]), device)
}
