//! ArcFace (Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition, 2019):
//! classification by cosine, in which the angle to the own class counts as larger by a margin.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::angular_margin;
use super::classification::{ClassSimilarity, class_vectors};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// Mean cross-entropy of s·cos(θ_y + m) for the own class and s·cos θ_c for the others, cos θ_c =
/// e·ŵ_c, ŵ_c the class vectors scaled to length 1. Only cos θ_y is kept from ±1, by 10⁻⁷.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArcfaceConfig {
    /// m: added to the angle to the own class, in radians; from 0 (a plain softmax over cosines) to
    /// π. (0.5 in the paper.)
    pub angular_margin: f64,
    /// s: the length to which embeddings are scaled; greater than 0. (64 in the paper.)
    pub feature_scale: f64,
    /// Where θ_y + m is beyond π, take s·(cos θ_y − m sin m), which goes on falling, instead.
    pub monotonic: bool,
    /// Scale embeddings to length 1 here. Changes nothing where the network does so already.
    pub normalize: bool,
    /// Learning rate of the class vectors; at least 0.
    pub learning_rate: f64,
}

impl Default for ArcfaceConfig {
    fn default() -> Self {
        Self {
            angular_margin: 0.5,
            feature_scale: 16.0,
            monotonic: false,
            normalize: false,
            learning_rate: 5e-4,
        }
    }
}

impl Hyperparameters for ArcfaceConfig {
    type Objective = Arcface;

    fn validate(&self) -> Result<()> {
        angular_margin::validate(self.angular_margin)?;
        let scale = self.feature_scale;
        check::number("objective.feature_scale", scale, check::POSITIVE)?;
        check::number("objective.learning_rate", self.learning_rate, 0.0..)
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(self.learning_rate)
    }

    fn init(&self, setting: Setting, device: &Device) -> Arcface {
        Arcface {
            class_vectors: class_vectors(setting, device),
            config: self.clone(),
        }
    }
}

/// The ArcFace objective.
#[derive(Module, Debug)]
pub struct Arcface {
    /// A direction for each class, `[C, D]`, of any length.
    pub class_vectors: Param<Tensor<2>>,
    #[module(skip)]
    config: ArcfaceConfig,
}

impl RankingObjective for Arcface {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let embeddings = if self.config.normalize {
            pairwise.unit().anchors()
        } else {
            pairwise.anchors()
        };
        let classes = self.class_vectors.val();
        let similarity = ClassSimilarity::with_vectors(embeddings, classes, labels);
        let (angle, monotonic) = (self.config.angular_margin, self.config.monotonic);
        let margin = |own| angular_margin::turned(own, angle, monotonic);
        Ok(similarity.cross_entropy(self.config.feature_scale, margin))
    }
}
