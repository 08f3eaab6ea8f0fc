//! Quadruplets: the triplets of any miner, each with a second negative of a third class (Chen et
//! al., Beyond Triplet Loss: A Deep Quadruplet Network for Person Re-Identification, 2017).

use burn::tensor::{Int, Tensor};
use likewise_kernels::choose_uniform;
use rand_chacha::ChaCha8Rng;

use super::Triplets;
use super::anchors::rows_of;
use super::choice::uniform_numbers;
use crate::batch::BatchLabels;

/// Triplets (a, p, n) with a second negative q.
#[derive(Clone, Debug)]
pub struct Quadruplets {
    /// The triplets, T.
    pub triplets: Triplets,
    /// Reference that is the second negative of each, `[T]`.
    pub second_negative: Tensor<1, Int>,
    /// 1 where there is one, else 0, `[T]`.
    pub has_second: Tensor<1>,
}

impl Quadruplets {
    /// Completes triplets: q is uniform among the references whose class is neither the anchor's
    /// nor the negative's, which need not differ.
    pub fn complete(triplets: Triplets, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Self {
        let [tuples] = triplets.valid.dims();
        let device = triplets.valid.device();
        let classes = labels.device.clone();
        let class_of_negative = classes.clone().select(0, triplets.negative.clone());
        let third_class = classes
            .reshape([1, labels.references()])
            .not_equal(class_of_negative.reshape([tuples, 1]));
        let negatives = rows_of(labels.negative.clone(), &triplets.anchors, &triplets.anchor);
        let candidates = negatives.bool_and(third_class);
        let uniform = uniform_numbers(tuples, rng, &device);
        let has_second = candidates.clone().any_dim(1).float().squeeze_dim::<1>(1);
        Self {
            second_negative: choose_uniform(candidates, uniform),
            has_second: has_second * triplets.valid.clone(),
            triplets,
        }
    }
}
