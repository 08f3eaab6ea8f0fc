//! Sets of pairs for the generalised lifted structure loss (Hermans et al., In Defense of the
//! Triplet Loss for Person Re-Identification, 2017, after Oh Song et al., Deep Metric Learning via
//! Lifted Structured Feature Embedding, 2016): each anchor with all it can be compared with.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::PairSets;
use crate::Result;
use crate::batch::BatchLabels;
use crate::pairwise::Pairwise;

/// For every anchor: all its positives and all its negatives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifted {}

impl Lifted {
    /// There is nothing that could be out of range.
    #[allow(clippy::unused_self, reason = "as every miner")]
    pub(super) fn validate(&self) -> Result<()> {
        Ok(())
    }

    #[allow(clippy::unused_self, reason = "as every miner")]
    pub(super) fn mine(&self, _: &Pairwise, labels: &BatchLabels, _: &mut ChaCha8Rng) -> PairSets {
        PairSets::all(labels)
    }
}
