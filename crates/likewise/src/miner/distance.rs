//! Distance-weighted negatives (Wu et al., Sampling Matters in Deep Embedding Learning, 2017):
//! weights inverse to the density of pairwise distances on the unit sphere give negatives of all
//! distances the same chance.

use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::choice::{choose, gumbel, uniform_positives};
use super::triplets::indices;
use super::{RhoSwitch, TripletMiner, Triplets, rho};
use crate::batch::BatchLabels;
use crate::pairwise::Pairwise;
use crate::{Result, check};

/// The density is not defined beyond two opposite points; distances are clamped to 2 − this.
const ANTIPODE_GAP: f64 = 1e-4;

/// For every row: p uniform in its class (the row itself when it is alone), n with probability
/// ∝ d̂^(2−D) (1 − d̂²/4)^((3−D)/2) among the other classes, d̂ = clamp(d, lower_cutoff, 2 − 1e-4).
/// Embeddings must be unit vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Distance {
    /// Smaller distances weigh as much as this one; greater than 0, less than 2.
    pub lower_cutoff: f64,
    /// Negatives farther than this are never drawn, and an anchor may be left without one;
    /// absent: all are drawn. Greater than 0, at most 2.
    pub upper_cutoff: Option<f64>,
    /// The ρ-switch on the drawn triplets; absent: none.
    pub rho: Option<RhoSwitch>,
}

impl Default for Distance {
    fn default() -> Self {
        Self {
            lower_cutoff: 0.5,
            upper_cutoff: None,
            rho: None,
        }
    }
}

impl TripletMiner for Distance {
    fn validate(&self) -> Result<()> {
        use std::ops::Bound::{Excluded, Included};
        check::number(
            "miner.lower_cutoff",
            self.lower_cutoff,
            (Excluded(0.0), Excluded(2.0)),
        )?;
        if let Some(upper) = self.upper_cutoff {
            check::number("miner.upper_cutoff", upper, (Excluded(0.0), Included(2.0)))?;
        }
        rho::validate(self.rho.as_ref())
    }

    fn rho(&self) -> Option<&RhoSwitch> {
        self.rho.as_ref()
    }

    fn draw(&self, pairwise: &Pairwise, labels: &BatchLabels, rng: &mut ChaCha8Rng) -> Triplets {
        let (size, dimension) = (labels.len(), pairwise.dimension());
        let distance = pairwise.distance_values();
        let device = distance.device();
        let positive = indices(&uniform_positives(labels, rng), &device);
        let mut candidates = labels.negative.clone();
        if let Some(upper) = self.upper_cutoff {
            candidates = candidates.bool_and(distance.clone().lower_equal_elem(upper));
        }
        let scores = self.log_weight(distance, dimension) + gumbel(rng, size, &device);
        let mut triplets = Triplets::of_each_row(
            &vec![true; size],
            positive,
            choose(scores, candidates.clone()),
        );
        triplets.valid = candidates.any_dim(1).squeeze_dim::<1>(1).float();
        triplets
    }
}

impl Distance {
    /// Logarithm of the weight of a distance between unit vectors of `dimension` coordinates, up
    /// to a constant. ln(1 − d²/4) is taken as ln u + ln(2 − u) with u = 1 − d/2, which has no
    /// cancellation near d = 2.
    fn log_weight(&self, distance: Tensor<2>, dimension: usize) -> Tensor<2> {
        let dimension = dimension as f64;
        // The comparison sends NaN to the clamp, so that scores are always numbers.
        let inside = distance.clone().lower_elem(2.0);
        let distance = distance
            .mask_fill(inside.bool_not(), 2.0)
            .clamp_min(self.lower_cutoff);
        let u = distance
            .clone()
            .mul_scalar(-0.5)
            .add_scalar(1.0)
            .clamp_min(0.5 * ANTIPODE_GAP);
        let density = u.clone().log() + u.mul_scalar(-1.0).add_scalar(2.0).log();
        distance
            .clamp_max(2.0 - ANTIPODE_GAP)
            .log()
            .mul_scalar(2.0 - dimension)
            - density.mul_scalar(0.5 * (dimension - 3.0))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// The single-precision weights against the formula in double precision, from coincident to
    /// opposite points.
    #[test]
    fn log_weights_are_exact_up_to_the_antipode() {
        let distances: Vec<f32> = (0..=4000).map(|i| i as f32 * 5e-4).collect();
        let count = distances.len();
        for dimension in [2, 3, 8, 128, 512] {
            let input = TensorData::new(distances.clone(), [1, count]);
            let input = Tensor::from_data(input, &Device::flex());
            let actual = Distance::default().log_weight(input, dimension).into_data();
            let actual: Vec<f32> = actual.try_to_vec().unwrap();
            for (&distance, &actual) in distances.iter().zip(&actual) {
                let d = f64::from(distance).clamp(0.5, 2.0 - ANTIPODE_GAP);
                let sphere = f64::from(dimension as u32);
                let density = 0.5 * (sphere - 3.0) * (1.0 - 0.25 * d * d).ln();
                let expected = (2.0 - sphere) * d.ln() - density;
                let allowed = 1e-5 + 1e-6 * sphere;
                assert!(
                    (f64::from(actual) - expected).abs() < allowed,
                    "D = {dimension}, d = {d}: {actual} instead of {expected}"
                );
            }
        }
    }

    #[test]
    fn log_weights_are_numbers_whatever_the_distance() {
        let odd = [f32::NAN, f32::INFINITY, 2.0, 2.000_001, 7.0, 0.0];
        let input = Tensor::from_data(TensorData::new(odd.to_vec(), [1, 6]), &Device::flex());
        let weights = Distance::default().log_weight(input, 128).into_data();
        let weights: Vec<f32> = weights.try_to_vec().unwrap();
        assert!(
            weights.iter().all(|weight| weight.is_finite()),
            "{weights:?}"
        );
        assert_eq!(weights[..4], [weights[4]; 4]);
    }
}
