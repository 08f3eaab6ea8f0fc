//! How much memory training will take, from the recipe alone: before the first step, when there is
//! still time to change it.

use serde::Serialize;

use super::OptimizerName;
use crate::Result;
use crate::model::Kept;
use crate::objective::Family;
use crate::recipe::Recipe;

/// Bytes of a value in single precision.
const SINGLE: u64 = 4;
/// Matrices of a batch against its references that the most demanding pairs of objective and miner
/// hold at once (`likewise bench objectives`).
const MATRICES: u64 = 8;

/// Bytes that a step takes on the device. What the program itself, its loader and the driver take is
/// not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryEstimate {
    /// Learned parameters, their gradients, the optimizer's moments, and the best parameters so far.
    pub parameters: u64,
    /// Matrices of the batch, which the number of images embedded at once does not change.
    pub batch: u64,
    /// What each image embedded at once adds: maps kept for the backward pass.
    pub per_image: u64,
    /// Images embedded at once.
    pub images: usize,
    /// What dividing the batch into chunks would add, if it is not divided yet: the gradients of chunks
    /// are added to those of the earlier ones.
    pub chunking: u64,
    /// The largest single tensor.
    pub largest_tensor: u64,
}

impl MemoryEstimate {
    /// The estimate for `classes` training classes, on a device that keeps maps as `kept` says.
    ///
    /// # Errors
    ///
    /// Sizes that cannot work, as in [`Recipe::validate`].
    pub fn new(recipe: &Recipe, classes: usize, kept: Kept) -> Result<Self> {
        let size = recipe.data.image_size;
        let cost = recipe.model.cost([3, size, size], kept)?;
        let batch = recipe.sampler.batch_size();
        let images = recipe
            .train
            .chunk_size
            .unwrap_or(batch)
            .clamp(1, batch.max(1));
        let proxies = match recipe.objective.entry().family {
            Family::Proxies => classes as u64,
            _ => 0,
        };
        let learned = cost.parameters + proxies * recipe.model.embedding_dim as u64;
        let moments = match recipe.optimizer.name {
            OptimizerName::Adam => 2,
            OptimizerName::Sgd => 1,
        };
        let remembered = recipe
            .cross_batch_memory
            .as_ref()
            .map_or(0, |memory| memory.size);
        let references = (batch + remembered) as u64 + proxies;
        let precision = recipe.train.precision.bytes() as u64;
        let kept = if recipe.train.gradient_checkpointing {
            cost.kept_with_checkpointing
        } else {
            cost.kept
        };
        // Those of several batches are, too.
        let is_split = images < batch || recipe.train.accumulation_steps > 1;
        let copies = 3 + moments + u64::from(is_split);
        let gradient = learned * SINGLE;
        Ok(Self {
            chunking: if is_split { 0 } else { gradient },
            parameters: copies * gradient,
            batch: MATRICES * batch as u64 * references * SINGLE,
            per_image: kept * precision,
            images,
            largest_tensor: cost.largest_map * precision * images as u64,
        })
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.parameters + self.batch + self.per_image * self.images as u64
    }

    /// How many images can be embedded at once in so many bytes, at most all there are; 0 if none can.
    pub fn images_within(&self, bytes: u64) -> usize {
        if bytes >= self.bytes() {
            return self.images;
        }
        let rest = bytes.saturating_sub(self.parameters + self.batch + self.chunking);
        let images = rest / self.per_image.max(1);
        usize::try_from(images)
            .unwrap_or(usize::MAX)
            .min(self.images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(more: &str) -> MemoryEstimate {
        let text = format!(
            "model.backbone = {{ architecture = 'resnet' }}\nmodel.frozen_batch_norm = true\n\
             objective.name = 'multisimilarity'\nsampler.name = 'spc'\n{more}"
        );
        let recipe: Recipe = toml::from_str(&text).unwrap();
        MemoryEstimate::new(&recipe, 100, Kept::Fused).unwrap()
    }

    #[test]
    fn the_batch_decides_and_chunks_bound_it() {
        let (whole, chunks) = (estimate(""), estimate("train.chunk_size = 28"));
        assert_eq!((whole.images, chunks.images), (112, 28));
        assert_eq!(
            whole.bytes() + whole.chunking - chunks.bytes(),
            84 * whole.per_image
        );
        // More than a chunk cannot be embedded at once.
        assert_eq!(estimate("train.chunk_size = 1000"), whole);
        // About 45 MB an image, and 5 values for each of 23.8 million parameters.
        assert!(
            (35..60).contains(&(whole.per_image / 1_000_000)),
            "{whole:?}"
        );
        assert!(
            (470..480).contains(&(whole.parameters / 1_000_000)),
            "{whole:?}"
        );
    }

    #[test]
    fn what_fits_is_what_the_estimate_says_it_takes() {
        let whole = estimate("");
        assert_eq!(whole.images_within(whole.bytes()), 112);
        let chunk = whole.images_within(whole.bytes() - 1);
        assert_eq!(chunk, 109);
        let chunks = estimate(&format!("train.chunk_size = {chunk}"));
        assert!(chunks.bytes() < whole.bytes());
        assert_eq!(whole.images_within(whole.parameters), 0);
        assert_eq!(whole.images_within(0), 0);
    }

    #[test]
    fn settings_that_save_memory_lower_the_estimate() {
        let whole = estimate("");
        for saving in [
            "train.gradient_checkpointing = true",
            "train.precision = 'f16'",
            "data.image_size = 160",
        ] {
            assert!(
                estimate(saving).per_image < 3 * whole.per_image / 4,
                "{saving}"
            );
        }
        let sgd = estimate("optimizer.name = 'sgd'");
        assert_eq!(5 * sgd.parameters, 4 * whole.parameters);
        let remembers = estimate("cross_batch_memory.size = 4096");
        assert!(remembers.batch > 30 * whole.batch);
    }
}
