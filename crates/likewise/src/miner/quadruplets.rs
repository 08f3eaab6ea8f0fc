//! Quadruplets: the triplets of any miner, each with a second negative of a third class (Chen et
//! al., Beyond Triplet Loss: A Deep Quadruplet Network for Person Re-Identification, 2017).

use burn::tensor::{Int, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Triplets;
use super::choice::choose_uniformly;
use crate::batch::{BatchLabels, EMPTY};

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
    /// nor the negative's.
    pub fn complete(triplets: Triplets, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Self {
        let [tuples] = triplets.valid.dims();
        let device = triplets.valid.device();
        let columns = labels.references();
        let classes = labels.device.clone();
        let other_than = |row: &Tensor<1, Int>| {
            let class = classes.clone().select(0, row.clone()).reshape([tuples, 1]);
            classes
                .clone()
                .reshape([1, columns])
                .not_equal(class.clone())
        };
        let filled: Vec<bool> = labels.host.iter().map(|&label| label != EMPTY).collect();
        let filled: Tensor<2, burn::tensor::Bool> =
            Tensor::from_data(TensorData::new(filled, [1, columns]), &device);
        let candidates = other_than(&triplets.anchor)
            .bool_and(other_than(&triplets.negative))
            .bool_and(filled.expand([tuples, columns]));
        let uniform: Vec<f32> = (0..tuples).map(|_| rng.random()).collect();
        let uniform = Tensor::from_data(TensorData::new(uniform, [tuples]), &device);
        let has_second = candidates.clone().any_dim(1).float().squeeze_dim::<1>(1);
        Self {
            second_negative: choose_uniformly(candidates, uniform),
            has_second: has_second * triplets.valid.clone(),
            triplets,
        }
    }
}
