//! ProxyNCA (Movshovitz-Attias et al., No Fuss Distance Metric Learning Using Proxies, 2017): an
//! embedding is to be nearer to the proxy of its class than to those of all others.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::classification::{ClassSimilarity, proxies};
use super::{Hyperparameters, Outcome, RankingObjective, Setting};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// mean_i [δ_y + log Σ_{c≠y} exp(−δ_c)], δ_c = ‖s·z − s·p̂_c‖² = s²(2 − 2 z·p̂_c), both embedding
/// z and proxies p̂_c scaled to length 1.
///
/// The own proxy is not in the sum, as published, so the loss has no lower bound at 0. With a
/// single class the sum is empty and left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyncaConfig {
    /// s: the length to which embeddings and proxies are scaled; greater than 0. (1 in the paper;
    /// 3, a temperature of 1/9, in the reference experiments.)
    pub scale: f64,
    /// Learning rate of the proxies; at least 0.
    pub learning_rate: f64,
}

impl Default for ProxyncaConfig {
    fn default() -> Self {
        Self {
            scale: 3.0,
            learning_rate: 5e-4,
        }
    }
}

impl Hyperparameters for ProxyncaConfig {
    type Objective = Proxynca;

    fn validate(&self) -> Result<()> {
        check::number("objective.scale", self.scale, check::POSITIVE)?;
        check::number("objective.learning_rate", self.learning_rate, 0.0..)
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(self.learning_rate)
    }

    fn init(&self, setting: Setting, device: &Device) -> Proxynca {
        Proxynca {
            proxies: proxies(setting, device),
            config: self.clone(),
        }
    }
}

/// The ProxyNCA objective.
#[derive(Module, Debug)]
pub struct Proxynca {
    /// A proxy for each class, `[C, D]`, of any length.
    pub proxies: Param<Tensor<2>>,
    #[module(skip)]
    config: ProxyncaConfig,
}

impl RankingObjective for Proxynca {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let embeddings = pairwise.unit().anchors();
        let proxies = self.proxies.val();
        let similarity = ClassSimilarity::with_vectors(embeddings, proxies, labels);
        // The constant 2s² of δ cancels between the own class and the others.
        Ok(similarity.log_ratio(2.0 * self.config.scale.powi(2)))
    }
}
