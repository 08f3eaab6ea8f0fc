//! Cross-batch memory (Wang et al., Cross-Batch Memory for Embedding Learning, 2020): embeddings of
//! the latest batches, which change slowly, are compared with as well. It wraps any objective and
//! miner of tuples or pairs: they see more references than the batch has rows.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::batch::{BatchLabels, EMPTY};
use crate::pairwise::Pairwise;
use crate::{Error, Result};

/// The `[cross_batch_memory]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrossBatchSettings {
    /// Embeddings remembered, M; at least 1. (The paper goes up to the whole training set.)
    pub size: usize,
    /// Steps before the memory is compared with: early embeddings drift too fast. (1,000 in the
    /// paper.)
    pub warm_up: u32,
}

impl Default for CrossBatchSettings {
    fn default() -> Self {
        Self {
            size: 4096,
            warm_up: 1000,
        }
    }
}

impl CrossBatchSettings {
    /// Refuses a memory of nothing.
    ///
    /// # Errors
    /// [`Error::Recipe`] naming the key.
    pub fn validate(&self) -> Result<()> {
        if self.size == 0 {
            return Err(Error::Recipe(
                "`cross_batch_memory.size = 0`: at least 1 (or leave the table out)".into(),
            ));
        }
        Ok(())
    }
}

/// The latest M embeddings, oldest first, without gradient.
#[derive(Clone, Debug)]
pub struct CrossBatchMemory {
    settings: CrossBatchSettings,
    embeddings: Tensor<2>,
    labels: Vec<u32>,
    steps: u32,
}

impl CrossBatchMemory {
    /// An empty memory of embeddings of D = `dimension` coordinates on the plain `device`.
    pub fn new(settings: &CrossBatchSettings, dimension: usize, device: &Device) -> Self {
        Self {
            embeddings: Tensor::zeros([settings.size, dimension], device),
            labels: vec![EMPTY; settings.size],
            settings: settings.clone(),
            steps: 0,
        }
    }

    /// The embeddings `[B, D]` of a batch and their labels, against each other and, once the
    /// warm-up is over, against the memory.
    pub fn compare(&self, embeddings: Tensor<2>, labels: &[u32]) -> (Pairwise, BatchLabels) {
        let device = embeddings.device();
        if self.steps < self.settings.warm_up {
            return (Pairwise::new(embeddings), BatchLabels::new(labels, &device));
        }
        (
            Pairwise::with_memory(embeddings, self.embeddings.clone()),
            BatchLabels::with_memory(labels, &self.labels, &device),
        )
    }

    /// Remembers the embeddings `[B, D]` of a step, on the plain device, and forgets the oldest.
    pub fn push(&mut self, embeddings: Tensor<2>, labels: &[u32]) {
        let (size, rows) = (self.settings.size, labels.len());
        let all = Tensor::cat(vec![self.embeddings.clone(), embeddings], 0);
        self.embeddings = all.narrow(0, rows, size);
        self.labels.extend_from_slice(labels);
        self.labels.drain(..rows);
        self.steps = self.steps.saturating_add(1);
    }

    /// The embeddings `[M, D]`, still on the device, and the labels (−1 for an empty place) with
    /// the number of steps behind them, `[M + 1]`: all that a checkpoint needs.
    pub fn state(&self) -> (Tensor<2>, TensorData) {
        let mut labels: Vec<i64> = self
            .labels
            .iter()
            .map(|&label| if label == EMPTY { -1 } else { i64::from(label) })
            .collect();
        labels.push(i64::from(self.steps));
        let length = labels.len();
        (self.embeddings.clone(), TensorData::new(labels, [length]))
    }

    /// Takes up what [`state`](Self::state) gave.
    ///
    /// # Errors
    /// [`Error::Weights`] when it is of another size.
    pub fn restore(&mut self, embeddings: TensorData, labels: &TensorData) -> Result<()> {
        let [size, dimension] = self.embeddings.dims();
        let labels: Vec<i64> = labels.iter::<i64>().collect();
        let Some((&steps, labels)) = labels.split_last() else {
            return Err(Error::Weights(
                "the cross-batch memory has no labels".into(),
            ));
        };
        if embeddings.shape().to_vec() != [size, dimension] || labels.len() != size {
            return Err(Error::Weights(format!(
                "the cross-batch memory holds {:?} embeddings and {} labels, not [{size}, \
                 {dimension}] and {size}",
                embeddings.shape().to_vec(),
                labels.len()
            )));
        }
        self.embeddings = Tensor::from_data(embeddings, &self.embeddings.device());
        self.labels = labels
            .iter()
            .map(|&label| u32::try_from(label).unwrap_or(EMPTY))
            .collect();
        self.steps = u32::try_from(steps).unwrap_or(0);
        Ok(())
    }
}
