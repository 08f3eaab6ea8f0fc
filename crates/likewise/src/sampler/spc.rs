//! SPC-n: the sampler of nearly all published runs (Roth et al. 2020, section 3).

use rand::Rng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::sizes::check_batch;
use super::{BatchSampler, Draw};
use crate::Result;

/// B/n random classes, n random images of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplesPerClass {
    /// Images in a batch, B.
    pub batch_size: usize,
    /// Images of each class, n; divides B.
    pub samples_per_class: usize,
    /// Draw classes and images with replacement, as the published runs did: a class may then
    /// come twice in a batch, and an image may be paired with itself. Without replacement (the
    /// default) both are excluded as far as the class has enough images.
    pub with_replacement: bool,
}

impl Default for SamplesPerClass {
    fn default() -> Self {
        Self {
            batch_size: 112,
            samples_per_class: 2,
            with_replacement: false,
        }
    }
}

impl BatchSampler for SamplesPerClass {
    fn validate(&self) -> Result<()> {
        check_batch(self.batch_size, self.samples_per_class)
    }

    fn classes_needed(&self) -> usize {
        if self.with_replacement {
            2
        } else {
            self.batch_size / self.samples_per_class
        }
    }

    fn draw(&self, draw: &Draw<'_>) -> Result<Vec<usize>> {
        let rng = &mut draw.choices();
        let classes = draw.index.classes();
        let count = self.batch_size / self.samples_per_class;
        let chosen: Vec<usize> = if self.with_replacement {
            (0..count)
                .map(|_| rng.random_range(0..classes.len()))
                .collect()
        } else {
            sample(rng, classes.len(), count).into_vec()
        };
        Ok(chosen
            .into_iter()
            .flat_map(|class| self.group(&classes[class], rng))
            .collect())
    }
}

impl SamplesPerClass {
    fn group(&self, images: &[usize], rng: &mut ChaCha8Rng) -> Vec<usize> {
        if !self.with_replacement {
            return images_of(images, self.samples_per_class, rng);
        }
        (0..self.samples_per_class)
            .map(|_| images[rng.random_range(0..images.len())])
            .collect()
    }
}

/// `count` random ones of `images` (at least one) without replacement. Fewer images than that are
/// used up and drawn from again, so that batches keep their size.
pub(super) fn images_of(images: &[usize], count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut drawn = Vec::with_capacity(count);
    while drawn.len() < count {
        let amount = images.len().min(count - drawn.len());
        drawn.extend(
            sample(rng, images.len(), amount)
                .into_iter()
                .map(|i| images[i]),
        );
    }
    drawn
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sampler::{ClassIndex, SamplerConfig};

    fn labels() -> Vec<u32> {
        (0..60).map(|image| image % 12).collect()
    }

    #[test]
    fn without_replacement_every_class_comes_once_and_no_image_twice() {
        let index = ClassIndex::new(&labels());
        let sampler = SamplerConfig::Spc(SamplesPerClass {
            batch_size: 24,
            ..Default::default()
        });
        for batch in 0..200 {
            let images = sampler.batch(&index, None, 3, 1, batch).unwrap();
            assert_eq!(images.len(), 24);
            assert_eq!(images.iter().collect::<BTreeSet<_>>().len(), 24);
            for pair in images.chunks(2) {
                assert_eq!(labels()[pair[0]], labels()[pair[1]]);
            }
        }
    }

    #[test]
    fn with_replacement_classes_are_uniform_and_repeat_as_often_as_chance_says() {
        let index = ClassIndex::new(&labels());
        let config = SamplesPerClass {
            batch_size: 8,
            samples_per_class: 2,
            with_replacement: true,
        };
        let sampler = SamplerConfig::Spc(config);
        let draws = 6_000;
        let mut counts = [0u32; 12];
        let mut same_image = 0u32;
        for batch in 0..draws {
            for pair in sampler.batch(&index, None, 0, 0, batch).unwrap().chunks(2) {
                counts[labels()[pair[0]] as usize] += 1;
                same_image += u32::from(pair[0] == pair[1]);
            }
        }
        let pairs = f64::from(draws) * 4.0;
        let expected = pairs / 12.0;
        let chi_square: f64 = counts
            .iter()
            .map(|&n| (f64::from(n) - expected).powi(2) / expected)
            .sum();
        assert!(
            chi_square < 31.3,
            "chi-square {chi_square} for 11 degrees of freedom (p < 0.001)"
        );
        // Classes of five images: the same one twice in a fifth of the pairs.
        let rate = f64::from(same_image) / pairs;
        assert!(
            (rate - 0.2).abs() < 0.01,
            "same image in {rate} of the pairs"
        );
    }

    #[test]
    fn a_class_smaller_than_n_still_fills_its_share() {
        let index = ClassIndex::new(&[0, 0, 1, 1, 2, 2]);
        let sampler = SamplerConfig::Spc(SamplesPerClass {
            batch_size: 8,
            samples_per_class: 4,
            with_replacement: false,
        });
        let batch = sampler.batch(&index, None, 0, 0, 0).unwrap();
        assert_eq!(batch.len(), 8);
        assert_eq!(batch[..4].iter().collect::<BTreeSet<_>>().len(), 2);
    }

    #[test]
    fn sizes_that_cannot_form_a_batch_are_refused_with_the_keys_named() {
        let refused = |batch_size, samples_per_class| {
            SamplesPerClass {
                batch_size,
                samples_per_class,
                with_replacement: false,
            }
            .validate()
            .unwrap_err()
            .to_string()
        };
        assert!(refused(112, 3).contains("does not divide"));
        assert!(refused(4, 4).contains("no negatives"));
        assert!(refused(0, 1).contains("at least 2"));
    }
}
