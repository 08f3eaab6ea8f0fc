//! SPC-R: the sampler with the least structure that still guarantees one positive pair
//! (Roth et al. 2020, section 3).

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{BatchSampler, Draw};
use crate::{Error, Result};

/// B − 1 draws of a class and an image of it, then one more image of a class already drawn.
/// Class-uniform, not image-uniform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpcRandom {
    /// Images in a batch, B.
    pub batch_size: usize,
}

impl Default for SpcRandom {
    fn default() -> Self {
        Self { batch_size: 112 }
    }
}

impl BatchSampler for SpcRandom {
    fn validate(&self) -> Result<()> {
        if self.batch_size < 2 {
            return Err(Error::Recipe(format!(
                "sampler.batch_size = {} is too small: at least 2",
                self.batch_size
            )));
        }
        Ok(())
    }

    fn draw(&self, draw: &Draw<'_>) -> Result<Vec<usize>> {
        let rng = &mut draw.choices();
        let classes = draw.index.classes();
        let image_of = |class: usize, rng: &mut ChaCha8Rng| {
            let images: &Vec<usize> = &classes[class];
            images[rng.random_range(0..images.len())]
        };
        let chosen: Vec<usize> = (0..self.batch_size - 1)
            .map(|_| rng.random_range(0..classes.len()))
            .collect();
        let mut batch: Vec<usize> = chosen.iter().map(|&class| image_of(class, rng)).collect();
        let paired = rng.random_range(0..chosen.len());
        // Another image where the class has one: an image beside itself is no positive pair.
        let images = &classes[chosen[paired]];
        let mut mate = image_of(chosen[paired], rng);
        while images.len() > 1 && mate == batch[paired] {
            mate = image_of(chosen[paired], rng);
        }
        batch.push(mate);
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::{ClassIndex, SamplerConfig};

    #[test]
    fn every_batch_holds_a_positive_pair_of_different_images() {
        let labels: Vec<u32> = (0..400).map(|image| image / 2).collect();
        let index = ClassIndex::new(&labels);
        let sampler = SamplerConfig::SpcRandom(SpcRandom { batch_size: 6 });
        for batch in 0..500 {
            let images = sampler.batch(&index, None, 1, 0, batch).unwrap();
            let last = images[5];
            assert!(
                images[..5]
                    .iter()
                    .any(|&i| i != last && labels[i] == labels[last])
            );
        }
    }

    #[test]
    fn classes_are_uniform_whatever_their_size() {
        let labels: Vec<u32> = (0..110).map(|image| u32::from(image >= 10)).collect();
        let index = ClassIndex::new(&labels);
        let sampler = SamplerConfig::SpcRandom(SpcRandom { batch_size: 5 });
        let draws: Vec<usize> = (0..4_000)
            .flat_map(|batch| sampler.batch(&index, None, 0, 0, batch).unwrap()[..4].to_vec())
            .collect();
        let small = draws.iter().filter(|&&image| labels[image] == 0).count() as f64;
        let rate = small / draws.len() as f64;
        assert!(
            (rate - 0.5).abs() < 0.02,
            "the small class in {rate} of the draws"
        );
    }
}
