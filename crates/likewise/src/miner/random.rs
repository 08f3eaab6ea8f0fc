//! Uniformly random triplets: the baseline of every comparison of miners. It looks at labels
//! only, so it is drawn on the host.

use std::collections::HashSet;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{RhoSwitch, TripletMiner, Triplets, rho};
use crate::Result;
use crate::batch::{BatchLabels, EMPTY};
use crate::pairwise::Pairwise;

/// B different triplets, uniform over all valid ones (a ≠ p, y_a = y_p ≠ y_n), without
/// replacement; all of them when there are fewer than B.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Random {
    /// The ρ-switch on the drawn triplets; absent: none.
    pub rho: Option<RhoSwitch>,
}

impl TripletMiner for Random {
    fn validate(&self) -> Result<()> {
        rho::validate(self.rho.as_ref())
    }

    fn rho(&self) -> Option<&RhoSwitch> {
        self.rho.as_ref()
    }

    fn draw(&self, _: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        let every = EveryTriplet::new(labels);
        let rows: Vec<[usize; 3]> = distinct(every.len(), labels.len() as u64, rng)
            .into_iter()
            .map(|number| every.triplet(number))
            .collect();
        Triplets::from_rows(&rows, labels.len(), &labels.device.device())
    }
}

/// All valid triplets of a batch, numbered without being listed.
struct EveryTriplet {
    positives: Vec<Vec<usize>>,
    negatives: Vec<Vec<usize>>,
    /// Number of triplets of the anchors up to and including each row.
    cumulative: Vec<u64>,
}

impl EveryTriplet {
    fn new(labels: &BatchLabels) -> Self {
        let positives: Vec<Vec<usize>> = (0..labels.len())
            .map(|row| labels.positives_of(row).collect())
            .collect();
        let negatives: Vec<_> = (0..labels.len())
            .map(|row| negatives_of(labels, row))
            .collect();
        let mut total = 0;
        let cumulative = positives
            .iter()
            .zip(&negatives)
            .map(|(p, n)| {
                total += p.len() as u64 * n.len() as u64;
                total
            })
            .collect();
        Self {
            positives,
            negatives,
            cumulative,
        }
    }

    fn len(&self) -> u64 {
        self.cumulative.last().copied().unwrap_or(0)
    }

    fn triplet(&self, number: u64) -> [usize; 3] {
        let anchor = self.cumulative.partition_point(|&end| end <= number);
        let within = number
            - if anchor == 0 {
                0
            } else {
                self.cumulative[anchor - 1]
            };
        let (positives, negatives) = (&self.positives[anchor], &self.negatives[anchor]);
        let width = negatives.len() as u64;
        [
            anchor,
            positives[(within / width) as usize],
            negatives[(within % width) as usize],
        ]
    }
}

/// References of other classes than that of anchor `row`.
fn negatives_of(labels: &BatchLabels, row: usize) -> Vec<usize> {
    let label = labels.host[row];
    let other = |&column: &usize| ![label, EMPTY].contains(&labels.host[column]);
    (0..labels.references()).filter(other).collect()
}

/// `count` different numbers below `total`, every set equally likely (Floyd's algorithm); all of
/// them when there are not more.
fn distinct(total: u64, count: u64, rng: &mut ChaCha8Rng) -> Vec<u64> {
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
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::*;
    use crate::random::{Purpose, stream};

    fn naive(labels: &[u32]) -> Vec<[usize; 3]> {
        let rows = 0..labels.len();
        let mut all = Vec::new();
        for a in rows.clone() {
            for p in rows.clone().filter(|&p| p != a && labels[p] == labels[a]) {
                all.extend(
                    rows.clone()
                        .filter(|&n| labels[n] != labels[a])
                        .map(|n| [a, p, n]),
                );
            }
        }
        all
    }

    proptest! {
        #[test]
        fn numbering_lists_every_valid_triplet_once(labels in prop::collection::vec(0u32..4, 1..12)) {
            let every = EveryTriplet::new(&BatchLabels::new(&labels, &Device::flex()));
            let listed: Vec<_> = (0..every.len()).map(|number| every.triplet(number)).collect();
            prop_assert_eq!(listed, naive(&labels));
        }

        #[test]
        fn numbers_are_distinct_and_in_range(total in 0u64..60, count in 0u64..60, seed: u64) {
            let drawn = distinct(total, count, &mut stream(seed, Purpose::Miner, 0, 0, 0));
            prop_assert_eq!(drawn.len() as u64, total.min(count));
            prop_assert!(drawn.iter().all(|&number| number < total));
            prop_assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
        }
    }
}
