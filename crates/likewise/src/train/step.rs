//! One step up to its gradients: embed, mine, compare, differentiate. In chunks, the gradient of the
//! loss with respect to all embeddings is computed first and carried back chunk by chunk (Gao et
//! al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, 2021): the batch is
//! then bounded by the embeddings, not by the network's activations.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::{ImageBatch, Learner, Observation, ParameterGradients};
use crate::Result;
use crate::batch::BatchLabels;
use crate::miner::{Miner, Tuples};
use crate::model::Network;
use crate::objective::{CrossBatchMemory, Outcome, RankingObjective};
use crate::pairwise::Pairwise;

/// What a step works with.
pub(super) struct Differentiation<'a> {
    pub learner: &'a Learner,
    pub miner: Option<&'a Miner>,
    pub memory: Option<&'a CrossBatchMemory>,
    /// The plain device.
    pub device: &'a Device,
    /// Images embedded at once; all without one.
    pub chunk_size: Option<usize>,
    /// Whether to look at more than the loss.
    pub observe: bool,
}

/// What a step found; everything stays on the device.
pub(super) struct Differentiated {
    /// The loss, `[1]`.
    pub loss: Tensor<1>,
    /// Embeddings before the update, `[B, D]`.
    pub embeddings: Tensor<2>,
    pub gradients: ParameterGradients,
    pub observation: Option<Observation>,
}

impl Differentiation<'_> {
    /// The loss of a batch and its gradients with respect to every parameter. The pixels of `images`
    /// may be gone afterwards.
    pub fn run(&self, images: &mut ImageBatch, rng: &mut ChaCha8Rng) -> Result<Differentiated> {
        let chunks = self.chunks(images.len());
        let embeddings = if chunks.len() == 1 {
            let pixels = images.take_tensor(&self.device.clone().autodiff());
            self.learner.network.forward(pixels).embeddings
        } else {
            self.embed_in_chunks(images, &chunks).require_grad()
        };
        let (pairwise, labels) = match self.memory {
            Some(memory) => memory.compare(embeddings.clone(), &images.labels),
            None => (
                Pairwise::new(embeddings.clone()),
                BatchLabels::new(&images.labels, self.device),
            ),
        };
        let tuples = match self.miner {
            Some(miner) => miner.mine(&pairwise, &labels, rng),
            None => Tuples::None,
        };
        let Outcome { loss, statistics } = self
            .learner
            .objective
            .forward(&pairwise, &labels, &tuples)?;
        let mut found = loss.backward();
        let mut gradients = ParameterGradients::take(self.learner, &mut found);
        if chunks.len() > 1 {
            let gradient = embeddings
                .grad_remove(&mut found)
                .unwrap_or_else(|| embeddings.clone().inner().zeros_like());
            for chunk in chunks {
                gradients.add(self.carry_back(images, chunk, &gradient));
            }
        }
        let switched = tuples.switched_count();
        let observation = self
            .observe
            .then(|| Observation::new(&pairwise, &labels, statistics, switched, &gradients));
        Ok(Differentiated {
            loss: loss.inner(),
            embeddings: embeddings.inner(),
            gradients,
            observation,
        })
    }

    /// As few chunks of nearly equal size as the chunk size allows.
    fn chunks(&self, rows: usize) -> Vec<Range<usize>> {
        let count = self
            .chunk_size
            .map_or(1, |size| rows.div_ceil(size.max(1)))
            .max(1);
        (0..count)
            .map(|chunk| chunk * rows / count..(chunk + 1) * rows / count)
            .collect()
    }

    /// Embeddings of all rows without keeping the network's activations: a clone is used that records
    /// no gradients. Its running statistics are its own, so that those of the network see each image
    /// once.
    fn embed_in_chunks(&self, images: &ImageBatch, chunks: &[Range<usize>]) -> Tensor<2> {
        let network = self.learner.network.clone().no_grad();
        let parts = chunks
            .iter()
            .map(|chunk| self.embed(&network, images, chunk.clone()).inner());
        Tensor::from_inner(Tensor::cat(parts.collect(), 0))
    }

    /// Gradients of the network's parameters for some of the rows, given those of the embeddings.
    fn carry_back(
        &self,
        images: &ImageBatch,
        chunk: Range<usize>,
        gradient: &Tensor<2>,
    ) -> ParameterGradients {
        let embeddings = self.embed(&self.learner.network, images, chunk.clone());
        let gradient = Tensor::from_inner(gradient.clone().narrow(0, chunk.start, chunk.len()));
        let product = (embeddings * gradient).sum();
        ParameterGradients::of(self.learner, product.backward())
    }

    fn embed(&self, network: &Network, images: &ImageBatch, rows: Range<usize>) -> Tensor<2> {
        let images = images.rows_as_tensor(rows, &self.device.clone().autodiff());
        network.forward(images).embeddings
    }
}
