//! Random choices without a read-back. What labels alone decide is drawn on the host; for the rest
//! the host draws one uniform number a row, and the device finds the column it falls on.

use std::collections::HashSet;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use likewise_kernels::choose_uniform;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::triplets::indices;
use crate::batch::BatchLabels;

/// Independent uniform numbers of [0, 1), `[count]`.
pub(super) fn uniform_numbers(count: usize, rng: &mut ChaCha8Rng, device: &Device) -> Tensor<1> {
    let numbers: Vec<f32> = (0..count).map(|_| rng.random()).collect();
    Tensor::from_data(TensorData::new(numbers, [count]), device)
}

/// A uniformly drawn one of the `preferred` columns of each row, or what `otherwise` says where
/// there is none: `[rows]`, the same on every device.
pub(super) fn choose_preferred(
    preferred: Tensor<2, Bool>,
    otherwise: &[usize],
    rng: &mut ChaCha8Rng,
) -> Tensor<1, Int> {
    let device = preferred.device();
    let uniform = uniform_numbers(otherwise.len(), rng, &device);
    let some = preferred.clone().any_dim(1).squeeze_dim::<1>(1);
    indices(otherwise, &device).mask_where(some, choose_uniform(preferred, uniform))
}

/// Number `number` (from 0) of the other references of the class of anchor `row`, in ascending
/// order.
pub(super) fn positive(labels: &BatchLabels, row: usize, number: usize) -> usize {
    let class = labels.class_of(row);
    let reference = class[number];
    if reference < row {
        reference
    } else {
        class[number + 1]
    }
}

/// A uniformly drawn other reference of the class of anchor `row`; nothing (and no number used)
/// when there is none.
pub(super) fn draw_positive(
    labels: &BatchLabels,
    row: usize,
    rng: &mut ChaCha8Rng,
) -> Option<usize> {
    let count = labels.positive_count(row);
    (count > 0).then(|| positive(labels, row, below(count, rng)))
}

/// A uniformly drawn other reference of the class of each of `rows`; the row itself where it is
/// the only one.
pub(super) fn draw_positives(
    labels: &BatchLabels,
    rows: &[usize],
    rng: &mut ChaCha8Rng,
) -> Vec<usize> {
    rows.iter()
        .map(|&row| draw_positive(labels, row, rng).unwrap_or(row))
        .collect()
}

/// A uniformly drawn number below `count`, which is not 0.
pub(super) fn below(count: usize, rng: &mut ChaCha8Rng) -> usize {
    rng.random_range(0..count as u64) as usize
}

/// `count` different numbers below `total`, every set equally likely (Floyd's algorithm); all of
/// them when there are not more.
pub(super) fn distinct(total: u64, count: u64, rng: &mut ChaCha8Rng) -> Vec<u64> {
    if total <= count {
        return (0..total).collect();
    }
    let mut seen = HashSet::new();
    (total - count..total)
        .map(|last| {
            let drawn = rng.random_range(0..=last);
            let chosen = if seen.contains(&drawn) { last } else { drawn };
            seen.insert(chosen);
            chosen
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::{Purpose, stream};

    proptest! {
        #[test]
        fn numbers_are_distinct_and_in_range(total in 0u64..60, count in 0u64..60, seed: u64) {
            let drawn = distinct(total, count, &mut stream(seed, Purpose::Miner, 0, 0, 0));
            prop_assert_eq!(drawn.len() as u64, total.min(count));
            prop_assert!(drawn.iter().all(|&number| number < total));
            prop_assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
        }

        #[test]
        fn positives_are_numbered_in_order(labels in prop::collection::vec(0u32..4, 1..12)) {
            let batch = BatchLabels::new(&labels, &Device::flex());
            for row in 0..labels.len() {
                let numbered: Vec<usize> = (0..batch.positive_count(row))
                    .map(|number| positive(&batch, row, number))
                    .collect();
                prop_assert_eq!(numbered, batch.positives_of(row).collect::<Vec<_>>());
            }
        }
    }
}
