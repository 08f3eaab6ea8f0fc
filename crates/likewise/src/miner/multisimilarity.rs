//! Informative pairs (Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep
//! Metric Learning, 2019): negatives not much less similar to the anchor than its least similar
//! positive, positives not much more similar than its most similar negative.

use burn::tensor::{Bool, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::PairSets;
use crate::batch::BatchLabels;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// Beyond any similarity, and finite.
const FAR: f64 = 1e30;

/// For every anchor i, with S = e·eᵀ: the negatives n with S_in + ε > min_p S_ip and the positives p
/// with S_ip − ε < max_n S_in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultisimilarityPairs {
    /// ε: slack of the selection; at least 0.
    pub margin: f64,
}

impl Default for MultisimilarityPairs {
    fn default() -> Self {
        Self { margin: 0.1 }
    }
}

impl MultisimilarityPairs {
    pub(super) fn validate(&self) -> Result<()> {
        check::number("miner.margin", self.margin, 0.0..)
    }

    pub(super) fn mine(
        &self,
        pairwise: &Pairwise,
        labels: &BatchLabels,
        _: &mut ChaCha8Rng,
    ) -> PairSets {
        informative(pairwise.similarity().inner(), labels, self.margin)
    }
}

/// The pairs kept of a plain matrix of similarities `[R, C]`, with slack `margin`. Conditions say
/// what is dropped, so that NaN is kept and shows in the loss.
pub(crate) fn informative(similarity: Tensor<2>, labels: &BatchLabels, margin: f64) -> PairSets {
    let without = |mask: &Tensor<2, Bool>| mask.clone().bool_not();
    let least_positive = similarity
        .clone()
        .mask_fill(without(&labels.positive), FAR)
        .min_dim(1);
    let largest_negative = similarity
        .clone()
        .mask_fill(without(&labels.negative), -FAR)
        .max_dim(1);
    let easy_negative = similarity
        .clone()
        .lower_equal(least_positive.sub_scalar(margin));
    let easy_positive = similarity.greater_equal(largest_negative.add_scalar(margin));
    PairSets {
        positive: labels.positive.clone().bool_and(easy_positive.bool_not()),
        negative: labels.negative.clone().bool_and(easy_negative.bool_not()),
    }
}
