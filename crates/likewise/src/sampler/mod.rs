//! Batch samplers decide which images form a batch: in metric learning the composition of the
//! batch, not the pass over the data, defines what can be compared.

mod spc;
mod spc_random;

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use spc::SamplesPerClass;
pub use spc_random::SpcRandom;

use crate::random::{self, Purpose};
use crate::{Error, Result};

/// The images of each training class, by dataset index.
#[derive(Clone, Debug)]
pub struct ClassIndex {
    classes: Vec<Vec<usize>>,
    images: usize,
}

impl ClassIndex {
    /// Groups the images 0..N by their label; classes without an image are left out.
    pub fn new(labels: &[u32]) -> Self {
        let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (image, &label) in labels.iter().enumerate() {
            classes.entry(label).or_default().push(image);
        }
        Self {
            classes: classes.into_values().collect(),
            images: labels.len(),
        }
    }

    /// Images of each class, in order of the label.
    pub fn classes(&self) -> &[Vec<usize>] {
        &self.classes
    }

    /// Number of images N.
    pub fn images(&self) -> usize {
        self.images
    }
}

/// Which sampler, with its settings: the `[sampler]` table of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum SamplerConfig {
    /// SPC-n.
    Spc(SamplesPerClass),
    /// SPC-R.
    SpcRandom(SpcRandom),
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self::Spc(SamplesPerClass::default())
    }
}

/// One row of the table of samplers.
#[derive(Clone, Copy, Debug)]
pub struct SamplerInfo {
    /// Name in recipes.
    pub name: &'static str,
    /// Name in the literature.
    pub title: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Whether it needs embeddings of the whole training set.
    pub memory_bank: bool,
}

/// Every batch sampler.
pub const TABLE: &[SamplerInfo] = &[
    SamplerInfo {
        name: "spc",
        title: "SPC-n",
        summary: "random classes, n random images of each",
        memory_bank: false,
    },
    SamplerInfo {
        name: "spc_random",
        title: "SPC-R",
        summary: "random images (class first), with one positive pair guaranteed",
        memory_bank: false,
    },
];

impl SamplerConfig {
    /// Images in a batch, B.
    pub fn batch_size(&self) -> usize {
        match self {
            Self::Spc(sampler) => sampler.batch_size,
            Self::SpcRandom(sampler) => sampler.batch_size,
        }
    }

    /// Replaces the batch size (for smoke runs).
    pub fn set_batch_size(&mut self, size: usize) {
        match self {
            Self::Spc(sampler) => sampler.batch_size = size,
            Self::SpcRandom(sampler) => sampler.batch_size = size,
        }
    }

    /// Refuses sizes that cannot form a batch.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Spc(sampler) => sampler.validate(),
            Self::SpcRandom(sampler) => sampler.validate(),
        }
    }

    /// Refuses data from which no batch can be drawn.
    pub fn validate_data(&self, index: &ClassIndex) -> Result<()> {
        let needed = match self {
            Self::Spc(sampler) => sampler.classes_needed(),
            Self::SpcRandom(_) => 2,
        };
        let found = index.classes().len();
        if found < needed {
            return Err(Error::Data(format!(
                "the training split has {found} classes, but a batch of {} images needs at least \
                 {needed}: lower sampler.batch_size, raise sampler.samples_per_class, or add data",
                self.batch_size()
            )));
        }
        if index.images() < self.batch_size() {
            return Err(Error::Data(format!(
                "the training split has {} images, fewer than one batch: lower \
                 sampler.batch_size (now {})",
                index.images(),
                self.batch_size()
            )));
        }
        Ok(())
    }

    /// Batches in an epoch: ⌊N/B⌋. An epoch is not a pass over the data: every batch is an
    /// independent draw.
    pub fn batches_per_epoch(&self, index: &ClassIndex) -> usize {
        index.images() / self.batch_size()
    }

    /// Dataset indices of one batch, a function of (seed, epoch, batch) alone.
    pub fn batch(&self, index: &ClassIndex, seed: u64, epoch: u32, batch: u32) -> Vec<usize> {
        let mut rng: ChaCha8Rng = random::stream(seed, Purpose::BatchSampler, epoch, batch, 0);
        match self {
            Self::Spc(sampler) => sampler.draw(index, &mut rng),
            Self::SpcRandom(sampler) => sampler.draw(index, &mut rng),
        }
    }
}
