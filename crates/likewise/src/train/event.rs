//! What a training run tells its audience. Values that live on the device stay there until
//! somebody reads them.

use std::sync::Arc;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Best, CheckpointState, Observation, Observed, Split};
use crate::Result;
use crate::metric::{self, ClassValues, MetricSet, MetricValues, Side};

/// What was evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The network before its first step.
    Untrained,
    /// Pixels as they enter the network, unprocessed: what an untrained network is compared with.
    RawPixels,
    /// Features of the pretrained backbone, scaled to unit length: what a network that starts from
    /// pretrained weights is compared with.
    PretrainedFeatures,
    /// The network while it is being trained.
    Training,
    /// The network of the selected epoch.
    Selected,
    /// The network as it is, on the training images: not to be measured, but for the memory bank
    /// that batches are drawn from.
    MemoryBank,
}

/// Metrics of one split.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// What was evaluated.
    pub subject: Subject,
    /// Epoch after which it was evaluated; 0 before training.
    pub epoch: u32,
    /// The split.
    pub split: Split,
    /// Values by metric name.
    pub metrics: MetricValues,
    /// The embeddings behind them.
    pub embedded: Arc<EmbeddedSplit>,
}

/// Embeddings of a split, in dataset order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbeddedSplit {
    /// Row-major values `[N, D]`.
    pub values: Vec<f32>,
    /// D.
    pub dim: usize,
    /// Class of each row.
    pub labels: Vec<u32>,
    /// Place of each row in its split: images that could not be decoded are left out.
    pub rows: Vec<usize>,
    /// Whether each row is searched (gallery) or asks (query); none when every row does both.
    pub gallery: Option<Vec<bool>>,
}

impl EmbeddedSplit {
    /// The rows that ask and those that are searched, where they are different ones.
    pub fn queries_and_gallery(&self) -> Option<(Self, Self)> {
        let gallery = self.gallery.as_ref()?;
        let part = |wanted: bool| {
            let mut part = Self {
                dim: self.dim,
                ..Self::default()
            };
            let rows = self.values.chunks_exact(self.dim.max(1)).zip(gallery);
            for (row, (values, _)) in rows
                .enumerate()
                .filter(|(_, (_, searched))| **searched == wanted)
            {
                part.values.extend_from_slice(values);
                part.labels.push(self.labels[row]);
                part.rows.push(self.rows[row]);
            }
            part
        };
        Some((part(false), part(true)))
    }

    /// Metrics of the split, and its retrieval metrics class by class. Where queries and gallery
    /// are different rows, retrieval metrics are of the queries in the gallery, and all others of
    /// all rows together.
    ///
    /// # Errors
    /// As [`metric::evaluate`] and [`metric::evaluate_query_gallery`].
    pub fn evaluate(
        &self,
        requested: &MetricSet,
        seed: u64,
    ) -> Result<(MetricValues, ClassValues)> {
        let whole = |requested: &MetricSet| {
            metric::evaluate_by_class(&self.values, self.dim, &self.labels, requested, seed)
        };
        let Some((queries, gallery)) = self.queries_and_gallery() else {
            return whole(requested);
        };
        let part = |retrieval: bool| -> MetricSet {
            let names = requested.iter();
            names
                .filter(|name| name.is_retrieval() == retrieval)
                .collect()
        };
        let (mut values, classes) =
            metric::evaluate_query_gallery(queries.side(), gallery.side(), &part(true))?;
        let (rest, _) = whole(&part(false))?;
        values.scalars.extend(rest.scalars);
        values.arrays.extend(rest.arrays);
        values.notes.extend(rest.notes);
        Ok((values, classes))
    }

    /// All rows as one side of a search.
    pub fn side(&self) -> Side<'_> {
        Side {
            embeddings: &self.values,
            dim: self.dim,
            labels: &self.labels,
        }
    }
}

/// One optimizer step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Epoch, counted from 1.
    pub epoch: u32,
    /// Batch in the epoch, counted from 0.
    pub batch: u32,
    /// Loss `[1]`, on the device.
    pub loss: Tensor<1>,
    /// Learning rate of the backbone in this step.
    pub learning_rate: f64,
    /// Images in the batch.
    pub images: usize,
    /// More about the step, in every `train.observe_every`-th one.
    pub observation: Option<Box<Observation>>,
}

/// What the trained network is compared with, all on the test split.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// The untrained network.
    pub untrained: Option<MetricValues>,
    /// Nearest neighbours on raw pixels (retrieval metrics only), where training starts from nothing.
    pub raw_pixels: Option<MetricValues>,
    /// Nearest neighbours on pretrained features (retrieval metrics only), where it starts from them.
    #[serde(default)]
    pub pretrained_features: Option<MetricValues>,
}

impl Baselines {
    /// What there is without any training for the task, and what it is called.
    pub fn without_training(&self) -> (&'static str, Option<&MetricValues>) {
        match &self.pretrained_features {
            Some(values) => ("pretrained features", Some(values)),
            None => ("raw pixels", self.raw_pixels.as_ref()),
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The epoch whose network was selected.
    pub selected_epoch: u32,
    /// Epoch after which early stopping ended the run; none if all were trained.
    pub stopped_after: Option<u32>,
    /// Metrics of that network on the test split.
    pub metrics: MetricValues,
    /// The comparison.
    pub baselines: Baselines,
}

/// An event of a training run, in the order of the work.
#[derive(Clone, Debug)]
pub enum Event {
    /// The first event of a run or of its continuation.
    Started {
        /// Epochs of the recipe.
        epochs: u32,
        /// Batches in an epoch.
        batches_per_epoch: u32,
        /// Epoch that begins or goes on, counted from 1.
        epoch: u32,
        /// Batch of that epoch that comes next.
        batch: u32,
    },
    /// Embedding a split begins.
    EvaluationStarted {
        /// What is evaluated.
        subject: Subject,
        /// The split.
        split: Split,
        /// Its number of images.
        images: usize,
    },
    /// More of the split is embedded.
    Embedded {
        /// Images embedded so far.
        done: usize,
        /// Images of the split.
        images: usize,
    },
    /// A split was evaluated.
    Evaluated(Evaluation),
    /// The memory bank holds an embedding of each training image.
    BankFilled {
        /// Epoch before which it was filled.
        epoch: u32,
    },
    /// An epoch begins.
    EpochStarted {
        /// Epoch, counted from 1.
        epoch: u32,
    },
    /// A step was taken.
    Step(Step),
    /// All batches of an epoch are done.
    EpochFinished {
        /// Epoch, counted from 1.
        epoch: u32,
        /// Mean loss over its batches.
        loss: f64,
        /// What was seen of some of its steps, by batch.
        observed: Vec<(u32, Observed)>,
    },
    /// Early stopping: the epochs that are left are not trained.
    StoppedEarly {
        /// Epoch that was the last, counted from 1.
        epoch: u32,
        /// The epoch that is reported.
        best: Best,
    },
    /// The state should be stored; a run can be continued from it.
    CheckpointDue(Box<CheckpointState>),
    /// Something the user should know that does not stop the run.
    Warning(String),
    /// The last event.
    Finished(Finished),
}
