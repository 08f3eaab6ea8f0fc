//! What objectives with learned representatives of the classes share: similarities of a batch with
//! the classes, the similarity with the own class apart from the others, and a cross-entropy that
//! is exact for small losses and never overflows.

use burn::module::Param;
use burn::tensor::{Bool, Device, Int, Tensor};
use likewise_kernels::log_sum_exp;

use super::{Outcome, Setting, Statistic, parameters};
use crate::batch::BatchLabels;
use crate::model::l2_normalize;
use crate::pairwise::entries;

/// Similarities of R embeddings with C classes.
pub(super) struct ClassSimilarity {
    /// With every class, `[R, C]`.
    all: Tensor<2>,
    /// With the own class, `[R, 1]`.
    own: Tensor<2>,
    /// The classes that are not the embedding's own, `[R, C]`.
    others: Tensor<2, Bool>,
}

impl ClassSimilarity {
    /// Of the anchors behind `labels`, from their similarities with the classes, `[R, C]`.
    pub fn new(all: Tensor<2>, labels: &BatchLabels) -> Self {
        let [rows, classes] = all.dims();
        let own = entries(all.clone(), &row_numbers(labels), &labels.anchors());
        Self {
            own: own.reshape([rows, 1]),
            others: own_class(labels, classes).bool_not(),
            all,
        }
    }

    /// Of `embeddings` `[R, D]` with `class_vectors` `[C, D]` scaled to length 1.
    pub fn with_vectors(
        embeddings: Tensor<2>,
        class_vectors: Tensor<2>,
        labels: &BatchLabels,
    ) -> Self {
        let classes = l2_normalize(class_vectors).transpose();
        Self::new(embeddings.matmul(classes), labels)
    }

    /// Mean cross-entropy of logits `scale` · similarity, with `margin` applied to the similarities
    /// with the own classes `[R, 1]` before.
    ///
    /// Each is log(1 + Σ exp(other − own)) over the other classes: a single class gives 0.
    pub fn cross_entropy(self, scale: f64, margin: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Outcome {
        let statistics = vec![self.accuracy()];
        let excess = (self.all - margin(self.own)).mul_scalar(scale);
        let loss = log_sum_exp(excess, self.others, true).mean();
        Outcome { loss, statistics }
    }

    /// Mean of log Σ exp(scale · (other − own)) over the other classes; if there are none, of
    /// `scale` · (1 − own).
    pub fn log_ratio(self, scale: f64) -> Outcome {
        let statistics = vec![self.accuracy()];
        let loss = if self.all.dims()[1] == 1 {
            self.own.neg().add_scalar(1.0).mul_scalar(scale).mean()
        } else {
            let excess = (self.all - self.own).mul_scalar(scale);
            log_sum_exp(excess, self.others, false).mean()
        };
        Outcome { loss, statistics }
    }

    /// Share of the embeddings that no other class is more similar to than their own.
    fn accuracy(&self) -> Statistic {
        accuracy(&self.own, self.all.clone().inner().max_dim(1))
    }
}

/// 0..R on the device of `labels`, `[R]`.
pub(super) fn row_numbers(labels: &BatchLabels) -> Tensor<1, Int> {
    Tensor::arange(0..labels.len() as i64, &labels.device.device())
}

/// `[R, C]`: whether the class is that of the anchor.
pub(super) fn own_class(labels: &BatchLabels, classes: usize) -> Tensor<2, Bool> {
    let rows = labels.len();
    let classes_in_order = Tensor::<1, Int>::arange(0..classes as i64, &labels.device.device());
    let each_class = classes_in_order
        .reshape([1, classes])
        .expand([rows, classes]);
    let anchors = labels.anchors().reshape([rows, 1]);
    anchors.expand([rows, classes]).equal(each_class)
}

/// Share of the embeddings whose similarity with their `own` class is the `largest`, in the same
/// order.
pub(super) fn accuracy<const N: usize>(own: &Tensor<N>, largest: Tensor<N>) -> Statistic {
    let own = own.clone().inner();
    Statistic::new("accuracy", own.greater_equal(largest).float().mean())
}

/// Bound of the uniform initial values of class vectors: 1/√D.
pub(super) fn class_vector_bound(setting: Setting) -> f64 {
    (setting.dimension as f64).sqrt().recip()
}

/// Initial class vectors `[C, D]`, for a field `class_vectors`: uniform within
/// [`class_vector_bound`].
pub(super) fn class_vectors(setting: Setting, device: &Device) -> Param<Tensor<2>> {
    let shape = [setting.classes, setting.dimension];
    parameters(setting, device).uniform("class_vectors", shape, class_vector_bound(setting))
}

/// Initial proxies `[C, D]`, for a field `proxies`: normal with standard deviation 1/8.
pub(super) fn proxies(setting: Setting, device: &Device) -> Param<Tensor<2>> {
    let shape = [setting.classes, setting.dimension];
    parameters(setting, device).normal("proxies", shape, 0.125)
}

/// Similarities of `embeddings` `[R, D]` with K `centres` of each class `[C, K, D]` scaled to length
/// 1: `[R, K, C]`, so that what is done for each class runs over neighbours in memory.
pub(super) fn centre_similarity(embeddings: Tensor<2>, centres: Tensor<3>) -> Tensor<3> {
    let [classes, count, dimension] = centres.dims();
    let centres = centres
        .swap_dims(0, 1)
        .reshape([count * classes, dimension]);
    let [rows, _] = embeddings.dims();
    embeddings
        .matmul(l2_normalize(centres).transpose())
        .reshape([rows, count, classes])
}
