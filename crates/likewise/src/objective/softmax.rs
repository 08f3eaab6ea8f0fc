//! Softmax loss with normalised class vectors (Zhai and Wu, Classification is a Strong Baseline for
//! Deep Metric Learning, 2019): classification with a temperature and without biases.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::classification::{ClassSimilarity, class_vectors};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// Mean cross-entropy of e·ŵ_c/T, ŵ_c the class vectors scaled to length 1; the embeddings are
/// taken as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoftmaxConfig {
    /// T: similarities are divided by it; greater than 0. (0.05 in the paper.)
    pub temperature: f64,
    /// Learning rate of the class vectors; at least 0. (Roth et al. 2020 used 1e-5 on CUB200-2011
    /// and CARS196, and 2e-3 on Stanford Online Products, whose classes are many and small.)
    pub learning_rate: f64,
}

impl Default for SoftmaxConfig {
    fn default() -> Self {
        Self {
            temperature: 0.05,
            learning_rate: 1e-5,
        }
    }
}

impl Hyperparameters for SoftmaxConfig {
    type Objective = Softmax;

    fn validate(&self) -> Result<()> {
        check::number("objective.temperature", self.temperature, check::POSITIVE)?;
        check::number("objective.learning_rate", self.learning_rate, 0.0..)
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(self.learning_rate)
    }

    fn init(&self, setting: Setting, device: &Device) -> Softmax {
        Softmax {
            class_vectors: class_vectors(setting, device),
            config: self.clone(),
        }
    }
}

/// The softmax objective.
#[derive(Module, Debug)]
pub struct Softmax {
    /// A direction for each class, `[C, D]`, of any length.
    pub class_vectors: Param<Tensor<2>>,
    #[module(skip)]
    config: SoftmaxConfig,
}

impl RankingObjective for Softmax {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let classes = self.class_vectors.val();
        let similarity = ClassSimilarity::with_vectors(pairwise.anchors(), classes, labels);
        Ok(similarity.cross_entropy(self.config.temperature.recip(), |own| own))
    }
}
