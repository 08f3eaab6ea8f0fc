//! Proxy-Anchor loss (Kim et al., Proxy Anchor Loss for Deep Metric Learning, 2020): each proxy is
//! an anchor that weighs the embeddings of the batch by how hard they are.

use std::collections::HashSet;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use likewise_kernels::log_sum_exp;
use serde::{Deserialize, Serialize};

use super::classification::{accuracy, own_class, proxies, row_numbers};
use super::{Hyperparameters, Outcome, RankingObjective, Setting, Statistic};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::model::l2_normalize;
use crate::pairwise::{Pairwise, entries};
use crate::{Result, check};

/// (1/|C⁺|) Σ_c log(1 + Σ_{i∈c} exp(−α(cos_ic − δ))) + (1/C) Σ_c log(1 + Σ_{i∉c} exp(α(cos_ic + δ))),
/// cos_ic the cosine of embedding i with proxy c, C⁺ the classes in the batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyAnchorConfig {
    /// δ: cosine that positives are to exceed, and negatives to stay below by its negative; from 0
    /// to 1. (0.1 in the paper.)
    pub margin: f64,
    /// α: sharpness; greater than 0. (32 in the paper.)
    pub alpha: f64,
    /// Learning rate of the proxies; at least 0. (100 times the network's, 1e-2, in the paper.)
    pub learning_rate: f64,
}

impl Default for ProxyAnchorConfig {
    fn default() -> Self {
        Self {
            margin: 0.1,
            alpha: 32.0,
            learning_rate: 1e-2,
        }
    }
}

impl Hyperparameters for ProxyAnchorConfig {
    type Objective = ProxyAnchor;

    fn validate(&self) -> Result<()> {
        check::number("objective.margin", self.margin, 0.0..=1.0)?;
        check::number("objective.alpha", self.alpha, check::POSITIVE)?;
        check::number("objective.learning_rate", self.learning_rate, 0.0..)
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(self.learning_rate)
    }

    fn init(&self, setting: Setting, device: &Device) -> ProxyAnchor {
        ProxyAnchor {
            proxies: proxies(setting, device),
            config: self.clone(),
        }
    }
}

/// The Proxy-Anchor objective.
#[derive(Module, Debug)]
pub struct ProxyAnchor {
    /// A proxy for each class, `[C, D]`, of any length.
    pub proxies: Param<Tensor<2>>,
    #[module(skip)]
    config: ProxyAnchorConfig,
}

impl RankingObjective for ProxyAnchor {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let ProxyAnchorConfig { margin, alpha, .. } = self.config;
        let proxies = l2_normalize(self.proxies.val());
        let [classes, _] = proxies.dims();
        // A row for each proxy, a column for each embedding.
        let cosine = proxies.matmul(pairwise.unit().anchors().transpose());
        let own = own_class(labels, classes).transpose();

        let pull = cosine.clone().sub_scalar(margin).mul_scalar(-alpha);
        let push = cosine.clone().add_scalar(margin).mul_scalar(alpha);
        let pull = log_sum_exp(pull, own.clone(), true).sum();
        let push = log_sum_exp(push, own.bool_not(), true).sum();
        let loss = pull.div_scalar(present(labels) as f64) + push.div_scalar(classes as f64);
        Ok(Outcome {
            loss,
            statistics: vec![matched(cosine.inner(), labels)],
        })
    }
}

/// Number of different classes in the batch, 1 if it is empty.
fn present(labels: &BatchLabels) -> usize {
    let classes: HashSet<u32> = labels.host[..labels.len()].iter().copied().collect();
    classes.len().max(1)
}

/// Share of the embeddings whose nearest proxy, by `cosine` `[C, R]`, is that of their class.
fn matched(cosine: Tensor<2>, labels: &BatchLabels) -> Statistic {
    let own = entries(cosine.clone(), &labels.anchors(), &row_numbers(labels));
    accuracy(&own, cosine.max_dim(0).squeeze_dim(0))
}
