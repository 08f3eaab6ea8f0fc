//! The negatives of each anchor without listing them: references sorted by class, in which those
//! of other classes are what lies before and behind the anchor's own class.

use rand_chacha::ChaCha8Rng;

use super::choice::below;
use crate::batch::{BatchLabels, EMPTY};

/// The references of a batch that hold something, sorted by class.
pub(super) struct Negatives<'a> {
    labels: &'a BatchLabels,
    by_class: Vec<usize>,
}

impl<'a> Negatives<'a> {
    /// Of the batch with these `labels`.
    pub fn new(labels: &'a BatchLabels) -> Self {
        let mut by_class: Vec<usize> = (0..labels.references())
            .filter(|&reference| labels.host[reference] != EMPTY)
            .collect();
        by_class.sort_by_key(|&reference| labels.host[reference]);
        Self { labels, by_class }
    }

    /// Number `number` (from 0) of the references of other classes than that of anchor `row`.
    pub fn get(&self, row: usize, number: usize) -> usize {
        let own = self.labels.host[row];
        let before = self
            .by_class
            .partition_point(|&reference| self.labels.host[reference] < own);
        if number < before {
            self.by_class[number]
        } else {
            self.by_class[number + self.labels.class_of(row).len()]
        }
    }

    /// A uniformly drawn negative for each of `rows`; the row itself where there is none.
    pub fn draw(&self, rows: &[usize], rng: &mut ChaCha8Rng) -> Vec<usize> {
        let one = |&row: &usize| match self.labels.negative_count(row) {
            0 => row,
            count => self.get(row, below(count, rng)),
        };
        rows.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_negative_has_one_number(
            labels in prop::collection::vec(0u32..4, 1..12),
            memory in prop::collection::vec(prop::option::of(0u32..5), 0..8),
        ) {
            let memory: Vec<u32> = memory.into_iter().map(|label| label.unwrap_or(EMPTY)).collect();
            let batch = BatchLabels::with_memory(&labels, &memory, &Device::flex());
            let negatives = Negatives::new(&batch);
            for (row, &own) in labels.iter().enumerate() {
                let mut numbered: Vec<usize> = (0..batch.negative_count(row))
                    .map(|number| negatives.get(row, number))
                    .collect();
                numbered.sort_unstable();
                let expected: Vec<usize> = (0..batch.references())
                    .filter(|&other| ![own, EMPTY].contains(&batch.host[other]))
                    .collect();
                prop_assert_eq!(numbered, expected);
            }
        }
    }
}
