//! CosFace (Wang et al., CosFace: Large Margin Cosine Loss for Deep Face Recognition, 2018):
//! classification by cosine, in which the own class must win by a margin.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::classification::{ClassSimilarity, class_vectors};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// Mean cross-entropy of s·(z·ŵ_c − m·1[c = y]), both embedding z and class vectors ŵ_c scaled to
/// length 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CosfaceConfig {
    /// m: taken off the cosine with the own class; from 0 to 2. (0.35 in the paper.)
    pub cos_margin: f64,
    /// s: the length to which embeddings are scaled; greater than 0. (64 in the paper.)
    pub feature_scale: f64,
    /// Learning rate of the class vectors; at least 0.
    pub learning_rate: f64,
}

impl Default for CosfaceConfig {
    fn default() -> Self {
        Self {
            cos_margin: 0.35,
            feature_scale: 64.0,
            learning_rate: 5e-4,
        }
    }
}

impl Hyperparameters for CosfaceConfig {
    type Objective = Cosface;

    fn validate(&self) -> Result<()> {
        check::number("objective.cos_margin", self.cos_margin, 0.0..=2.0)?;
        let scale = self.feature_scale;
        check::number("objective.feature_scale", scale, check::POSITIVE)?;
        check::number("objective.learning_rate", self.learning_rate, 0.0..)
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(self.learning_rate)
    }

    fn init(&self, setting: Setting, device: &Device) -> Cosface {
        Cosface {
            class_vectors: class_vectors(setting, device),
            config: self.clone(),
        }
    }
}

/// The CosFace objective.
#[derive(Module, Debug)]
pub struct Cosface {
    /// A direction for each class, `[C, D]`, of any length.
    pub class_vectors: Param<Tensor<2>>,
    #[module(skip)]
    config: CosfaceConfig,
}

impl RankingObjective for Cosface {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let embeddings = pairwise.unit().anchors();
        let classes = self.class_vectors.val();
        let similarity = ClassSimilarity::with_vectors(embeddings, classes, labels);
        let margin = |own: Tensor<2>| own.sub_scalar(self.config.cos_margin);
        Ok(similarity.cross_entropy(self.config.feature_scale, margin))
    }
}
