//! Sub-centre ArcFace (Deng et al., Sub-center ArcFace: Boosting Face Recognition by Large-Scale
//! Noisy Web Faces, 2020): a class has several centres, and the nearest one counts.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::angular_margin;
use super::classification::{ClassSimilarity, centre_similarity, class_vector_bound};
use super::{Hyperparameters, Outcome, RankingObjective, Setting, parameters};
use crate::batch::BatchLabels;
use crate::miner::Tuples;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// ArcFace with cos θ_c = max_k z·ĉ_ck, both embedding z and the K centres ĉ_ck of each class
/// scaled to length 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubcenterArcfaceConfig {
    /// K: centres of a class; at least 1. (3 in the paper.)
    pub n_centroids: usize,
    /// m: added to the angle to the own class, in radians; from 0 to π. (0.5 in the paper.)
    pub angular_margin: f64,
    /// s: the length to which embeddings are scaled; greater than 0. (64 in the paper.)
    pub feature_scale: f64,
    /// Where θ_y + m is beyond π, take s·(cos θ_y − m sin m), which goes on falling, instead.
    pub monotonic: bool,
    /// Learning rate of the centres; at least 0.
    pub learning_rate: f64,
}

impl Default for SubcenterArcfaceConfig {
    fn default() -> Self {
        Self {
            n_centroids: 3,
            angular_margin: 0.5,
            feature_scale: 64.0,
            monotonic: true,
            learning_rate: 5e-4,
        }
    }
}

impl Hyperparameters for SubcenterArcfaceConfig {
    type Objective = SubcenterArcface;

    fn validate(&self) -> Result<()> {
        check::number("objective.n_centroids", self.n_centroids as f64, 1.0..)?;
        angular_margin::validate(self.angular_margin)?;
        let scale = self.feature_scale;
        check::number("objective.feature_scale", scale, check::POSITIVE)?;
        check::number("objective.learning_rate", self.learning_rate, 0.0..)
    }

    fn learning_rate(&self) -> Option<f64> {
        Some(self.learning_rate)
    }

    fn init(&self, setting: Setting, device: &Device) -> SubcenterArcface {
        SubcenterArcface {
            centroids: parameters(setting, device).uniform(
                "centroids",
                [setting.classes, self.n_centroids, setting.dimension],
                class_vector_bound(setting),
            ),
            config: self.clone(),
        }
    }
}

/// The sub-centre ArcFace objective.
#[derive(Module, Debug)]
pub struct SubcenterArcface {
    /// Directions of the centres of each class, `[C, K, D]`, of any length.
    pub centroids: Param<Tensor<3>>,
    #[module(skip)]
    config: SubcenterArcfaceConfig,
}

impl RankingObjective for SubcenterArcface {
    fn forward(&self, pairwise: &Pairwise, labels: &BatchLabels, _: &Tuples) -> Result<Outcome> {
        let embeddings = pairwise.unit().anchors();
        let cosine = nearest(centre_similarity(embeddings, self.centroids.val()));
        let (angle, monotonic) = (self.config.angular_margin, self.config.monotonic);
        let margin = |own| angular_margin::turned(own, angle, monotonic);
        let similarity = ClassSimilarity::new(cosine, labels);
        Ok(similarity.cross_entropy(self.config.feature_scale, margin))
    }
}

/// The largest of the K similarities `[R, K, C]` with each class, the first of equal ones: `[R, C]`.
/// The maximum of some devices would hide NaN.
fn nearest(similarity: Tensor<3>) -> Tensor<2> {
    let centres = similarity.split(1, 1).into_iter();
    let centres = centres.map(|centre| centre.squeeze_dim::<2>(1));
    let largest = centres.reduce(|best, centre| {
        let better = best.clone().lower(centre.clone());
        best.mask_where(better, centre)
    });
    largest.expect("a class has at least one centre")
}
