//! One step up to its gradients: embed, mine, compare, differentiate. In chunks, the gradient of the
//! loss with respect to all embeddings is computed first and carried back chunk by chunk (Gao et
//! al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, 2021): the batch is
//! then bounded by the embeddings, not by the network's activations.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::recompute::SegmentInputs;
use super::stage::StageListener;
use super::{ImageBatch, Learner, Observation, ParameterGradients, Stage};
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
    /// Whether activations inside the network's segments are computed again instead of kept.
    pub recompute: bool,
    /// What the loss is scaled with, `[1]`, if it is.
    pub loss_scale: Option<Tensor<1>>,
    /// Who wants to know when a stage is over.
    pub listener: &'a StageListener,
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
        let mut inputs = None;
        let embeddings = if chunks.len() > 1 {
            self.embed_in_chunks(images, &chunks).require_grad()
        } else {
            let pixels = images.take_tensor(&self.device.clone().autodiff());
            self.listener.ended(Stage::Upload);
            if self.recompute {
                let (kept, embeddings) = SegmentInputs::run(&self.untracked(), pixels);
                inputs = Some(kept);
                Tensor::from_inner(embeddings).require_grad()
            } else {
                self.learner.network.forward(pixels).embeddings
            }
        };
        self.listener.ended(Stage::Forward);
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
        self.listener.ended(Stage::Loss);
        let mut found = match &self.loss_scale {
            Some(scale) => (loss.clone() * Tensor::from_inner(scale.clone())).backward(),
            None => loss.backward(),
        };
        let mut gradients = ParameterGradients::take(self.learner, &mut found);
        if chunks.len() > 1 || inputs.is_some() {
            let gradient = embeddings
                .grad_remove(&mut found)
                .unwrap_or_else(|| embeddings.clone().inner().zeros_like());
            match inputs {
                Some(inputs) => gradients.add(inputs.backward(self.learner, gradient)),
                None => {
                    for chunk in chunks {
                        gradients.add(self.carry_back(images, chunk, &gradient));
                    }
                }
            }
        }
        if let Some(scale) = &self.loss_scale {
            gradients.scale(&scale.clone().recip());
        }
        self.listener.ended(Stage::Backward);
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

    /// Embeddings of all rows without keeping the network's activations.
    fn embed_in_chunks(&self, images: &ImageBatch, chunks: &[Range<usize>]) -> Tensor<2> {
        let network = self.untracked();
        let parts = chunks
            .iter()
            .map(|chunk| self.embed(&network, images, chunk.clone()).inner());
        Tensor::from_inner(Tensor::cat(parts.collect(), 0))
    }

    /// A clone of the network that records no gradients. Its running statistics are its own, so that
    /// those of the network see each image once.
    fn untracked(&self) -> Network {
        self.learner.network.clone().no_grad()
    }

    /// Gradients of the network's parameters for some of the rows, given those of the embeddings.
    fn carry_back(
        &self,
        images: &ImageBatch,
        chunk: Range<usize>,
        gradient: &Tensor<2>,
    ) -> ParameterGradients {
        let gradient = gradient.clone().narrow(0, chunk.start, chunk.len());
        if self.recompute {
            let images = images.rows_as_tensor(chunk, &self.device.clone().autodiff());
            let (inputs, _) = SegmentInputs::run(&self.untracked(), images);
            return inputs.backward(self.learner, gradient);
        }
        let embeddings = self.embed(&self.learner.network, images, chunk);
        let product = (embeddings * Tensor::from_inner(gradient)).sum();
        ParameterGradients::of(self.learner, product.backward())
    }

    fn embed(&self, network: &Network, images: &ImageBatch, rows: Range<usize>) -> Tensor<2> {
        let images = images.rows_as_tensor(rows, &self.device.clone().autodiff());
        network.forward(images).embeddings
    }
}
