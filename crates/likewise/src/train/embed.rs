//! Embedding a whole split, a batch at a time.

use std::sync::Arc;

use burn::tensor::Device;

use super::{BatchSource, EmbeddedSplit, Pass, Split, Subject};
use crate::Result;
use crate::model::{Network, l2_normalize, state};

/// Embeds all images of a split with `network`, which has to be one for evaluation; `progress` is told
/// how many are done.
///
/// # Errors
/// Those of the source and of the device.
pub async fn embed_split(
    network: &Network,
    split: Split,
    batch_size: usize,
    device: &Device,
    source: &mut dyn BatchSource,
    mut progress: impl FnMut(usize),
) -> Result<EmbeddedSplit> {
    let mut embedding = Embedding::begin(Subject::Selected, split, batch_size, source)?;
    while let Some(done) = embedding.advance(Some(network), device, source).await? {
        progress(done);
    }
    Ok(Arc::unwrap_or_clone(embedding.into_embedded(source)))
}

/// A split being embedded.
#[derive(Debug)]
pub(super) struct Embedding {
    pub(super) subject: Subject,
    pub(super) split: Split,
    pub(super) images: usize,
    embedded: EmbeddedSplit,
}

impl Embedding {
    /// Announces the pass to the source.
    pub(super) fn begin(
        subject: Subject,
        split: Split,
        batch_size: usize,
        source: &mut dyn BatchSource,
    ) -> Result<Self> {
        source.begin(Pass::Evaluation { split, batch_size })?;
        let images = source.labels(split).len();
        Ok(Self {
            subject,
            split,
            images,
            embedded: EmbeddedSplit::default(),
        })
    }

    /// Embeds the next batch with `network`, or takes its pixels as they are without one. Returns
    /// the number of images done so far, or `None` when the split is complete.
    pub(super) async fn advance(
        &mut self,
        network: Option<&Network>,
        device: &Device,
        source: &mut dyn BatchSource,
    ) -> Result<Option<usize>> {
        let Some(mut batch) = source.next_batch()? else {
            return Ok(None);
        };
        if batch.is_empty() {
            return Ok(Some(self.embedded.labels.len()));
        }
        self.embedded.labels.append(&mut batch.labels.clone());
        self.embedded.rows.append(&mut batch.rows);
        let count = batch.len();
        let values = match network {
            None => batch.pixels,
            Some(network) => {
                let images = batch.take_tensor(device);
                let output = network.forward(images);
                let embeddings = match self.subject {
                    Subject::PretrainedFeatures => l2_normalize(output.features),
                    _ => output.embeddings,
                };
                state::read_values(embeddings).await?
            }
        };
        self.embedded.dim = values.len() / count;
        self.embedded.values.extend_from_slice(&values);
        Ok(Some(self.embedded.labels.len()))
    }

    /// What was embedded.
    pub(super) fn into_embedded(mut self, source: &dyn BatchSource) -> Arc<EmbeddedSplit> {
        let rows = &self.embedded.rows;
        self.embedded.gallery = source
            .gallery(self.split)
            .map(|gallery| rows.iter().map(|&row| gallery[row]).collect());
        Arc::new(self.embedded)
    }
}
