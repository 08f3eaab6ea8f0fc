//! The batches of an epoch before they are drawn: each is a function of this alone, so that any
//! number of threads may draw them in any order.

use std::ops::Range;
use std::sync::Arc;

use super::{ClassIndex, MemoryBank, SamplerConfig};
use crate::Result;

/// The batches of one epoch.
#[derive(Clone, Debug)]
pub struct BatchPlan {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Numbers of the batches; a resumed epoch starts in its middle.
    pub batches: Range<u32>,
    sampler: SamplerConfig,
    classes: Arc<ClassIndex>,
    bank: Option<Arc<MemoryBank>>,
    seed: u64,
}

impl BatchPlan {
    /// The plan of an epoch. `bank` is as at its beginning.
    pub fn new(
        sampler: &SamplerConfig,
        classes: &Arc<ClassIndex>,
        bank: Option<&Arc<MemoryBank>>,
        seed: u64,
        epoch: u32,
        batches: Range<u32>,
    ) -> Self {
        Self {
            epoch,
            batches,
            sampler: sampler.clone(),
            classes: Arc::clone(classes),
            bank: bank.map(Arc::clone),
            seed,
        }
    }

    /// Places in the training split of the images of a batch.
    ///
    /// # Errors
    /// As [`SamplerConfig::batch`].
    pub fn batch(&self, number: u32) -> Result<Vec<usize>> {
        self.sampler.batch(
            &self.classes,
            self.bank.as_deref(),
            self.seed,
            self.epoch,
            number,
        )
    }
}
