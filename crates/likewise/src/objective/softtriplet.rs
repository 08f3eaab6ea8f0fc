//! SoftTriple loss (Qian et al., SoftTriple Loss: Deep Metric Learning Without Triplet Sampling,
//! 2019): a class has several centres, whose similarities are averaged with more weight on the
//! nearer ones.

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::classification::{ClassSimilarity, centre_similarity};
use super::{Hyperparameters, Outcome, RankingObjective, Setting, parameters};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::model::l2_normalize;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// Squared distance of two centres that coincide: keeps the derivative of the root finite.
const DISTANCE_EPS: f64 = 1e-5;

/// Mean cross-entropy of λ(S_c − δ·1[c = y]) + τ·R, S_c = Σ_k softmax_k(e·ĉ_ck/γ)·e·ĉ_ck, the K
/// centres ĉ_ck of each class scaled to length 1; R = Σ_c Σ_{k<k'} √(2 + 10⁻⁵ − 2 ĉ_ck·ĉ_ck') /
/// (C·K·(K − 1)) draws the centres of a class together and is 0 for K = 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SofttripletConfig {
    /// K: centres of a class; at least 1. (10 in the paper.)
    pub n_centroids: usize,
    /// δ: taken off the similarity with the own class; from 0 to 2. (0.01 in the paper.)
    pub margin_delta: f64,
    /// γ: temperature of the average over centres; greater than 0. (0.1 in the paper.)
    pub gamma: f64,
    /// λ: factor of the similarities; greater than 0. (20 in the paper.)
    pub lam: f64,
    /// τ: weight of the distances between centres of a class; at least 0. (0.2 in the paper.)
    pub reg_weight: f64,
    /// Learning rate of the centres, at least 0; that of the network unless given. (1e-2, a hundred
    /// times the network's, in the paper's code.)
    pub learning_rate: Option<f64>,
}

impl Default for SofttripletConfig {
    fn default() -> Self {
        Self {
            n_centroids: 2,
            margin_delta: 0.01,
            gamma: 0.1,
            lam: 8.0,
            reg_weight: 0.2,
            learning_rate: None,
        }
    }
}

impl Hyperparameters for SofttripletConfig {
    type Objective = Softtriplet;

    fn validate(&self) -> Result<()> {
        check::number("objective.n_centroids", self.n_centroids as f64, 1.0..)?;
        check::number("objective.margin_delta", self.margin_delta, 0.0..=2.0)?;
        check::number("objective.gamma", self.gamma, check::POSITIVE)?;
        check::number("objective.lam", self.lam, check::POSITIVE)?;
        check::number("objective.reg_weight", self.reg_weight, 0.0..)?;
        let rate = self.learning_rate.unwrap_or_default();
        check::number("objective.learning_rate", rate, 0.0..)
    }

    fn learning_rate(&self) -> Option<f64> {
        self.learning_rate
    }

    fn init(&self, setting: Setting, device: &Device) -> Softtriplet {
        let centres = setting.classes * self.n_centroids;
        Softtriplet {
            centroids: parameters(setting, device).uniform(
                "centroids",
                [setting.classes, self.n_centroids, setting.dimension],
                (centres as f64).sqrt().recip(),
            ),
            config: self.clone(),
        }
    }
}

/// The SoftTriple objective.
#[derive(Module, Debug)]
pub struct Softtriplet {
    /// Directions of the centres of each class, `[C, K, D]`, of any length.
    pub centroids: Param<Tensor<3>>,
    #[module(skip)]
    config: SofttripletConfig,
}

impl RankingObjective for Softtriplet {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let SofttripletConfig {
            margin_delta,
            gamma,
            lam,
            reg_weight,
            ..
        } = self.config;
        let centres = self.centroids.val();
        let similarity = centre_similarity(pairwise.anchors(), centres.clone());
        let weight = softmax(similarity.clone().div_scalar(gamma), 1);
        let relaxed = (weight * similarity).sum_dim(1).squeeze_dim(1);
        let mut outcome = ClassSimilarity::new(relaxed, labels)
            .cross_entropy(lam, |own| own.sub_scalar(margin_delta));
        if reg_weight > 0.0 && self.config.n_centroids > 1 {
            outcome.loss = outcome.loss + spread(centres).mul_scalar(reg_weight);
        }
        Ok(outcome)
    }
}

/// Half the mean distance of two centres of one class, over the centres `[C, K, D]`: `[1]`.
fn spread(centres: Tensor<3>) -> Tensor<1> {
    let [classes, count, dimension] = centres.dims();
    let centres = l2_normalize(centres.reshape([classes * count, dimension]));
    let centres = centres.reshape([classes, count, dimension]);
    let cosine = centres.clone().matmul(centres.swap_dims(1, 2));
    let squared = cosine.mul_scalar(-2.0).add_scalar(2.0 + DISTANCE_EPS);
    // Where centres coincide, rounding could leave a negative number.
    let coincident = squared.clone().lower_elem(DISTANCE_EPS);
    let distance = squared.mask_fill(coincident, DISTANCE_EPS).sqrt();
    let pairs = Tensor::ones([1, count, count], &distance.device()).triu(1);
    let normalizer = (classes * count * (count - 1)) as f64;
    (distance * pairs).sum().div_scalar(normalizer)
}
