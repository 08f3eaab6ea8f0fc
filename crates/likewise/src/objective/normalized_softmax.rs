//! Normalised softmax loss on the sphere (Wang et al., NormFace: L2 Hypersphere Embedding for Face
//! Verification, 2017): classification by the cosine of embedding and class vector.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::classification::{ClassSimilarity, class_vectors};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// Mean cross-entropy of z·ŵ_c/T, both embedding z and class vectors ŵ_c scaled to length 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormalizedSoftmaxConfig {
    /// T: cosines are divided by it; greater than 0. (The paper learns 1/T.)
    pub temperature: f64,
    /// Learning rate of the class vectors; at least 0.
    pub learning_rate: f64,
}

impl Default for NormalizedSoftmaxConfig {
    fn default() -> Self {
        Self {
            temperature: 0.05,
            learning_rate: 5e-4,
        }
    }
}

impl Hyperparameters for NormalizedSoftmaxConfig {
    type Objective = NormalizedSoftmax;

    fn validate(&self) -> Result<()> {
        check::number("objective.temperature", self.temperature, check::POSITIVE)?;
        check::number("objective.learning_rate", self.learning_rate, 0.0..)
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(self.learning_rate)
    }

    fn init(&self, setting: Setting, device: &Device) -> NormalizedSoftmax {
        NormalizedSoftmax {
            class_vectors: class_vectors(setting, device),
            config: self.clone(),
        }
    }
}

/// The normalised softmax objective.
#[derive(Module, Debug)]
pub struct NormalizedSoftmax {
    /// A direction for each class, `[C, D]`, of any length.
    pub class_vectors: Param<Tensor<2>>,
    #[module(skip)]
    config: NormalizedSoftmaxConfig,
}

impl RankingObjective for NormalizedSoftmax {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let embeddings = pairwise.unit().anchors();
        let classes = self.class_vectors.val();
        let similarity = ClassSimilarity::with_vectors(embeddings, classes, labels);
        Ok(similarity.cross_entropy(self.config.temperature.recip(), |own| own))
    }
}
