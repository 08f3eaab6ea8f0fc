//! Control for distance-weighted mining: the same draws with labels that say nothing. What an
//! objective learns from these triplets it does not learn from classes.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::distance::Distance;
use super::{RhoSwitch, TripletMiner, Triplets};
use crate::Result;
use crate::batch::{BatchLabels, EMPTY};
use crate::pairwise::Pairwise;

/// [`Distance`] with the labels of the batch randomly permuted (together with those of the memory,
/// where there is one). The ρ-switch goes by the true labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RandomDistance(pub Distance);

impl TripletMiner for RandomDistance {
    fn validate(&self) -> Result<()> {
        self.0.validate()
    }

    fn rho(&self) -> Option<&RhoSwitch> {
        self.0.rho()
    }

    fn draw(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        let permuted = permuted(labels, rng);
        let anchors = self.0.anchors(&permuted, labels, rng);
        self.0.draw_for(anchors, pairwise, &permuted, rng)
    }
}

/// The same labels in random order; empty places stay where they are.
fn permuted(labels: &BatchLabels, rng: &mut ChaCha8Rng) -> BatchLabels {
    let filled = |label: &&u32| **label != EMPTY;
    let mut shuffled: Vec<u32> = labels.host.iter().filter(filled).copied().collect();
    shuffled.shuffle(rng);
    let mut next = shuffled.into_iter();
    let host: Vec<u32> = labels
        .host
        .iter()
        .map(|&label| match label {
            EMPTY => EMPTY,
            _ => next.next().unwrap_or(EMPTY),
        })
        .collect();
    let (batch, memory) = host.split_at(labels.len());
    BatchLabels::with_memory(batch, memory, &labels.device.device())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::*;
    use crate::random::{Purpose, stream};

    proptest! {
        #[test]
        fn labels_change_places_and_empty_places_stay(
            labels in prop::collection::vec(0u32..4, 1..12),
            memory in prop::collection::vec(prop::option::of(0u32..5), 0..8),
            seed: u64,
        ) {
            let memory: Vec<u32> = memory.into_iter().map(|label| label.unwrap_or(EMPTY)).collect();
            let before = BatchLabels::with_memory(&labels, &memory, &Device::flex());
            let after = permuted(&before, &mut stream(seed, Purpose::Miner, 0, 0, 0));
            prop_assert_eq!(after.len(), before.len());
            for (&old, &new) in before.host.iter().zip(&after.host) {
                prop_assert_eq!(old == EMPTY, new == EMPTY);
            }
            let sorted = |labels: &BatchLabels| {
                let mut host = labels.host.clone();
                host.sort_unstable();
                host
            };
            prop_assert_eq!(sorted(&before), sorted(&after));
        }
    }
}
