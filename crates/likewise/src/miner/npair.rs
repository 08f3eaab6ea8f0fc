//! N-pairs (Sohn, Improved Deep Metric Learning with Multi-class N-pair Loss Objective, 2016): one
//! positive for each anchor, to be told from all its negatives at once.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::NPairs;
use super::choice::draw_positives;
use super::triplets::indices;
use crate::Result;
use crate::batch::BatchLabels;
use crate::pairwise::Pairwise;

/// For every anchor with a positive: p uniform in its class, without the anchor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Npair {}

impl Npair {
    /// There is nothing that could be out of range.
    #[allow(clippy::unused_self, reason = "as every miner")]
    pub(super) fn validate(&self) -> Result<()> {
        Ok(())
    }

    #[allow(clippy::unused_self, reason = "as every miner")]
    pub(super) fn mine(&self, _: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> NPairs {
        let rows: Vec<usize> = (0..labels.len()).collect();
        let positives = draw_positives(labels, &rows, rng);
        NPairs {
            positive: indices(&positives, &labels.device.device()),
            valid: labels.with_positive(),
        }
    }
}
