//! A memory bank that follows training: filled before it, refreshed now and then, and updated with
//! what the steps of an epoch computed, which is read from the device once, at the epoch's end.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use super::EmbeddedSplit;
use crate::Result;
use crate::model::state;
use crate::sampler::{BankSettings, MemoryBank};

const EMBEDDINGS: &str = "bank.embeddings";
const PENDING: &str = "bank.pending";
const PENDING_ROWS: &str = "bank.pending_rows";

/// The memory bank of a run.
#[derive(Debug)]
pub(super) struct Bank {
    settings: BankSettings,
    /// As it was when the epoch began.
    current: Option<Arc<MemoryBank>>,
    /// Rows and embeddings `[B, D]` of the steps since.
    pending: Vec<(Vec<usize>, Tensor<2>)>,
}

impl Bank {
    pub fn new(settings: &BankSettings) -> Self {
        Self {
            settings: settings.clone(),
            current: None,
            pending: Vec::new(),
        }
    }

    /// What batches of this epoch are drawn from.
    pub fn current(&self) -> Option<&Arc<MemoryBank>> {
        self.current.as_ref()
    }

    /// Whether all images have to be embedded before `epoch` (from 1), given the epoch for which
    /// that was done last.
    pub fn is_due(&self, epoch: u32, filled: Option<u32>) -> bool {
        let every = self.settings.refresh_every;
        let refresh = every > 0 && (epoch - 1).is_multiple_of(every) && filled != Some(epoch);
        self.current.is_none() || refresh
    }

    /// Takes the embeddings of a split of `images` images. Rows of images that could not be
    /// decoded stay zero.
    pub fn fill(&mut self, embedded: &EmbeddedSplit, images: usize) -> Result<()> {
        let dimension = embedded.dim;
        let mut values = vec![0.0; images * dimension];
        for (&row, embedding) in embedded.rows.iter().zip(embedded.values.chunks(dimension)) {
            values[row * dimension..][..dimension].copy_from_slice(embedding);
        }
        self.current = Some(Arc::new(MemoryBank::new(values, dimension)?));
        Ok(())
    }

    /// Remembers what a step computed, on the device.
    pub fn push(&mut self, rows: &[usize], embeddings: Tensor<2>) {
        if self.settings.update {
            self.pending.push((rows.to_vec(), embeddings));
        }
    }

    /// Writes what the epoch's steps computed into the bank.
    pub async fn update(&mut self) -> Result<()> {
        let (rows, values) = self.read_pending().await?;
        self.pending.clear();
        if let Some(bank) = self.current.as_mut().filter(|_| !rows.is_empty()) {
            Arc::make_mut(bank).update(&rows, &values, self.settings.momentum)?;
        }
        Ok(())
    }

    async fn read_pending(&self) -> Result<(Vec<usize>, Vec<f32>)> {
        let rows = self.pending.iter().flat_map(|(rows, _)| rows.clone());
        let parts: Vec<Tensor<2>> = self.pending.iter().map(|(_, part)| part.clone()).collect();
        if parts.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let values = state::read_values(Tensor::cat(parts, 0)).await?;
        Ok((rows.collect(), values))
    }

    /// Everything a checkpoint needs, added to `tensors`.
    pub async fn save(&self, tensors: &mut BTreeMap<String, TensorData>) -> Result<()> {
        let Some(bank) = &self.current else {
            return Ok(());
        };
        let matrix = |values: Vec<f32>| {
            let rows = values.len() / bank.dimension();
            TensorData::new(values, [rows, bank.dimension()])
        };
        tensors.insert(EMBEDDINGS.into(), matrix(bank.values().to_vec()));
        let (rows, values) = self.read_pending().await?;
        if !rows.is_empty() {
            let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
            let length = rows.len();
            tensors.insert(PENDING_ROWS.into(), TensorData::new(rows, [length]));
            tensors.insert(PENDING.into(), matrix(values));
        }
        Ok(())
    }

    /// Takes up what [`save`](Self::save) gave.
    pub fn restore(
        &mut self,
        tensors: &BTreeMap<String, TensorData>,
        device: &Device,
    ) -> Result<()> {
        let Some(embeddings) = tensors.get(EMBEDDINGS) else {
            return Ok(());
        };
        let [_, dimension] = embeddings.shape().dims();
        self.current = Some(Arc::new(MemoryBank::new(
            embeddings.iter::<f32>().collect(),
            dimension,
        )?));
        if let (Some(rows), Some(values)) = (tensors.get(PENDING_ROWS), tensors.get(PENDING)) {
            let rows = rows.iter::<i64>().map(|row| row as usize).collect();
            self.pending = vec![(rows, Tensor::from_data(values.clone(), device))];
        }
        Ok(())
    }
}
