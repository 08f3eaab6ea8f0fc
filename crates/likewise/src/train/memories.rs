//! What a run remembers of earlier steps beside its parameters: the memory bank that batches are
//! drawn from, and the embeddings that batches are compared with. Either, both or none.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};

use super::ImageBatch;
use super::bank::Bank;
use crate::model::state;
use crate::objective::CrossBatchMemory;
use crate::recipe::Recipe;
use crate::{Error, Result};

/// Names of the cross-batch memory in checkpoints.
const EMBEDDINGS: &str = "cross_batch.embeddings";
const LABELS: &str = "cross_batch.labels";

/// The memories of one run.
#[derive(Debug)]
pub(super) struct Memories {
    pub bank: Option<Bank>,
    pub cross_batch: Option<CrossBatchMemory>,
}

impl Memories {
    /// Those that `recipe` asks for, empty, on the plain `device`.
    pub fn new(recipe: &Recipe, device: &Device) -> Self {
        let dimension = recipe.model.embedding_dim;
        let cross_batch = recipe.cross_batch_memory.as_ref();
        Self {
            bank: recipe.sampler.bank().map(Bank::new),
            cross_batch: cross_batch
                .map(|settings| CrossBatchMemory::new(settings, dimension, device)),
        }
    }

    /// Remembers the embeddings `[B, D]` of a step, on the device.
    pub fn push(&mut self, images: &ImageBatch, embeddings: Tensor<2>) {
        if let Some(bank) = &mut self.bank {
            bank.push(&images.rows, embeddings.clone());
        }
        if let Some(memory) = &mut self.cross_batch {
            memory.push(embeddings, &images.labels);
        }
    }

    /// Everything a checkpoint needs.
    pub async fn save(&self) -> Result<BTreeMap<String, TensorData>> {
        let mut tensors = BTreeMap::new();
        if let Some(bank) = &self.bank {
            bank.save(&mut tensors).await?;
        }
        if let Some(memory) = &self.cross_batch {
            let (embeddings, labels) = memory.state();
            tensors.insert(EMBEDDINGS.into(), state::read(embeddings).await?);
            tensors.insert(LABELS.into(), labels);
        }
        Ok(tensors)
    }

    /// Takes up what [`save`](Self::save) gave.
    pub fn restore(
        &mut self,
        tensors: &BTreeMap<String, TensorData>,
        device: &Device,
    ) -> Result<()> {
        if let Some(bank) = &mut self.bank {
            bank.restore(tensors, device)?;
        }
        if let Some(memory) = &mut self.cross_batch {
            let found = |name: &str| {
                let tensor = tensors.get(name).cloned();
                tensor.ok_or_else(|| Error::Weights(format!("the checkpoint holds no `{name}`")))
            };
            memory.restore(found(EMBEDDINGS)?, &found(LABELS)?)?;
        }
        Ok(())
    }
}
