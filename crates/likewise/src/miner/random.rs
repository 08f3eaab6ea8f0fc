//! Uniformly random triplets: the baseline of every comparison of miners. It looks at labels
//! only, so it is drawn on the host.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::anchors::validate_budget;
use super::choice::{distinct, positive};
use super::negatives::Negatives;
use super::{RhoSwitch, TripletMiner, Triplets, rho};
use crate::Result;
use crate::batch::BatchLabels;
use crate::pairwise::Pairwise;

/// Different triplets, uniform over all valid ones (a ≠ p, y_a = y_p ≠ y_n), without replacement;
/// all of them when there are fewer than asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Random {
    /// Number of triplets of a batch, 1 to 1,000,000; absent: as many as the batch has rows, B.
    pub budget: Option<usize>,
    /// The ρ-switch on the drawn triplets; absent: none.
    pub rho: Option<RhoSwitch>,
}

impl TripletMiner for Random {
    fn validate(&self) -> Result<()> {
        validate_budget(self.budget)?;
        rho::validate(self.rho.as_ref())
    }

    fn rho(&self) -> Option<&RhoSwitch> {
        self.rho.as_ref()
    }

    fn draw(&self, _: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        let every = EveryTriplet::new(labels);
        let count = self.budget.unwrap_or(labels.len());
        let rows: Vec<[usize; 3]> = distinct(every.len(), count as u64, rng)
            .into_iter()
            .map(|number| every.triplet(number))
            .collect();
        Triplets::from_rows(&rows, count, &labels.device.device())
    }
}

/// All valid triplets of a batch, numbered without being listed.
struct EveryTriplet<'a> {
    labels: &'a BatchLabels,
    negatives: Negatives<'a>,
    /// Number of triplets of the anchors up to and including each row.
    cumulative: Vec<u64>,
}

impl<'a> EveryTriplet<'a> {
    fn new(labels: &'a BatchLabels) -> Self {
        let mut total = 0;
        let cumulative = (0..labels.len())
            .map(|row| {
                total += labels.positive_count(row) as u64 * labels.negative_count(row) as u64;
                total
            })
            .collect();
        Self {
            labels,
            negatives: Negatives::new(labels),
            cumulative,
        }
    }

    fn len(&self) -> u64 {
        self.cumulative.last().copied().unwrap_or(0)
    }

    fn triplet(&self, number: u64) -> [usize; 3] {
        let anchor = self.cumulative.partition_point(|&end| end <= number);
        let before = match anchor {
            0 => 0,
            anchor => self.cumulative[anchor - 1],
        };
        let within = (number - before) as usize;
        let width = self.labels.negative_count(anchor);
        [
            anchor,
            positive(self.labels, anchor, within / width),
            self.negatives.get(anchor, within % width),
        ]
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::*;
    use crate::batch::EMPTY;

    fn naive(labels: &[u32], memory: &[u32]) -> Vec<[usize; 3]> {
        let all = [labels, memory].concat();
        let references = || 0..all.len();
        let mut triplets = Vec::new();
        for a in 0..labels.len() {
            for p in references().filter(|&p| p != a && all[p] == all[a]) {
                let negatives = references().filter(|&n| all[n] != all[a] && all[n] != EMPTY);
                triplets.extend(negatives.map(|n| [a, p, n]));
            }
        }
        triplets
    }

    proptest! {
        #[test]
        fn numbering_lists_every_valid_triplet_once(
            labels in prop::collection::vec(0u32..4, 1..12),
            memory in prop::collection::vec(prop::option::of(0u32..5), 0..6),
        ) {
            let memory: Vec<u32> = memory.into_iter().map(|label| label.unwrap_or(EMPTY)).collect();
            let batch = BatchLabels::with_memory(&labels, &memory, &Device::flex());
            let every = EveryTriplet::new(&batch);
            let mut listed: Vec<_> = (0..every.len()).map(|number| every.triplet(number)).collect();
            listed.sort_unstable();
            prop_assert_eq!(listed, naive(&labels, &memory));
        }
    }
}
