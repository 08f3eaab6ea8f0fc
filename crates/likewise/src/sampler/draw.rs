//! What a sampler is asked: which batch, and from what.

use rand_chacha::ChaCha8Rng;

use super::{ClassIndex, MemoryBank};
use crate::random::{self, Purpose};
use crate::{Error, Result};

/// One batch to be drawn. Equal draws give equal batches.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// The training images by class.
    pub index: &'a ClassIndex,
    /// Their embeddings, for samplers that look at them.
    pub bank: Option<&'a MemoryBank>,
    /// Seed of the run.
    pub seed: u64,
    /// Number of the epoch.
    pub epoch: u32,
    /// Number of the batch in its epoch.
    pub batch: u32,
}

impl Draw<'_> {
    /// The batch's stream of random numbers for its choice of images.
    pub fn choices(&self) -> ChaCha8Rng {
        self.stream(0)
    }

    /// Its stream for the projection, apart, so that a projection leaves the pool as it is.
    pub(super) fn projection(&self) -> ChaCha8Rng {
        self.stream(1)
    }

    fn stream(&self, item: u64) -> ChaCha8Rng {
        random::stream(
            self.seed,
            Purpose::BatchSampler,
            self.epoch,
            self.batch,
            item,
        )
    }

    /// The memory bank.
    ///
    /// # Errors
    /// [`Error::Data`] when there is none, or it has another number of rows than there are images.
    pub fn bank(&self) -> Result<&MemoryBank> {
        let bank = self.bank.ok_or_else(|| {
            Error::Data(
                "this sampler draws batches by the embeddings of the training images, but there \
                 is no memory bank: fill one, or choose sampler.name = \"spc\""
                    .into(),
            )
        })?;
        if bank.rows() != self.index.images() {
            return Err(Error::Data(format!(
                "the memory bank has {} rows, but the training split {} images",
                bank.rows(),
                self.index.images()
            )));
        }
        Ok(bank)
    }
}
