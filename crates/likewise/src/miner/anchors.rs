//! Which rows of a batch are the anchors of its triplets: each of them once, or as many as a
//! budget asks for.

use burn::tensor::kind::Basic;
use burn::tensor::{Int, Tensor};
use rand_chacha::ChaCha8Rng;

use super::choice::distinct;
use super::triplets::indices;
use crate::batch::BatchLabels;
use crate::{Result, check};

/// Largest budget: far more triplets of a batch than anybody compares.
const MOST: f64 = 1e6;

/// Refuses a `budget` of no triplets, or of more than memory can be asked for.
pub(super) fn validate_budget(budget: Option<usize>) -> Result<()> {
    budget.map_or(Ok(()), |budget| {
        check::number("miner.budget", budget as f64, 1.0..=MOST)
    })
}

/// Whether anchor `row` has both a positive and a negative.
pub(super) fn complete(labels: &BatchLabels, row: usize) -> bool {
    labels.positive_count(row) > 0 && labels.negative_count(row) > 0
}

/// Anchor rows of T triplets.
#[derive(Debug)]
pub(super) struct Anchors {
    /// The rows, on the host; they may repeat.
    pub rows: Vec<usize>,
    /// Whether each can have a triplet, as far as the labels say.
    pub valid: Vec<bool>,
    /// The rows on the device, `[T]`.
    pub index: Tensor<1, Int>,
}

impl Anchors {
    /// Each row of the batch once, valid if it is `eligible`; or `budget` rows, spread evenly over
    /// the eligible ones.
    pub fn new(
        labels: &BatchLabels,
        budget: Option<usize>,
        eligible: impl Fn(usize) -> bool,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let eligible: Vec<bool> = (0..labels.len()).map(eligible).collect();
        let rows = match budget {
            None => (0..labels.len()).collect(),
            Some(budget) => spread(&eligible, budget, rng),
        };
        Self {
            index: indices(&rows, &labels.device.device()),
            valid: rows.iter().map(|&row| eligible[row]).collect(),
            rows,
        }
    }

    /// Number of triplets T.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The anchors' rows of a `matrix` `[R, C]`: `[T, C]`.
    pub fn rows_of<K: Basic>(&self, matrix: Tensor<2, K>) -> Tensor<2, K> {
        rows_of(matrix, &self.rows, &self.index)
    }
}

/// Rows `index` `[T]` of a `matrix` `[R, C]`: `[T, C]`. The first of them are `rows`, which saves the
/// copy when that is each row once, in order.
pub(super) fn rows_of<K: Basic>(
    matrix: Tensor<2, K>,
    rows: &[usize],
    index: &Tensor<1, Int>,
) -> Tensor<2, K> {
    let [height, _] = matrix.dims();
    if index.dims() == [height] && rows.iter().copied().eq(0..height) {
        matrix
    } else {
        matrix.select(0, index.clone())
    }
}

/// `count` rows, each of the eligible ones ⌊count/n⌋ or ⌈count/n⌉ times, which of them once more
/// being a uniform choice. When none is eligible the rows are any, so that there are `count` still.
fn spread(eligible: &[bool], count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut from: Vec<usize> = (0..eligible.len()).filter(|&row| eligible[row]).collect();
    if from.is_empty() {
        from = (0..eligible.len()).collect();
    }
    let more = count.checked_rem(from.len()).unwrap_or(0);
    let mut once_more = distinct(from.len() as u64, more as u64, rng);
    once_more.sort_unstable();
    let evenly = from.iter().copied().cycle().take(count - more);
    evenly
        .chain(once_more.into_iter().map(|number| from[number as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::{Purpose, stream};

    proptest! {
        #[test]
        fn rows_are_spread_evenly(
            eligible in prop::collection::vec(any::<bool>(), 1..20),
            count in 1usize..70,
            seed: u64,
        ) {
            let rows = spread(&eligible, count, &mut stream(seed, Purpose::Miner, 0, 0, 0));
            prop_assert_eq!(rows.len(), count);
            let none = !eligible.contains(&true);
            let from: Vec<usize> = (0..eligible.len()).filter(|&row| none || eligible[row]).collect();
            let times = |row: usize| rows.iter().filter(|&&other| other == row).count();
            for &row in &from {
                let least = count / from.len();
                prop_assert!((least..=least + 1).contains(&times(row)));
            }
            prop_assert_eq!(from.iter().map(|&row| times(row)).sum::<usize>(), count);
        }
    }
}
