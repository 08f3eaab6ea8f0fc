//! A run's whole state as plain named tensors and counters: what has to survive a power cut.
//! Random generators need no state, because their key is the position.

use std::collections::BTreeMap;

use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

use super::{Baselines, Best, Patience};
use crate::metric::MetricValues;

/// Counters and results of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Epoch that begins or goes on, counted from 1.
    pub epoch: u32,
    /// Batch of that epoch that comes next, counted from 0.
    pub batch: u32,
    /// Optimizer steps taken.
    pub steps: u32,
    /// Sum of the losses of the epoch's batches so far.
    pub loss_sum: f32,
    /// Epoch for which the memory bank was last filled with embeddings of all training images.
    #[serde(default)]
    pub bank_filled: Option<u32>,
    /// Best epochs so far, one for each kept metric of each evaluated split.
    pub best: Vec<Best>,
    /// State of early stopping, once something was measured.
    pub patience: Option<Patience>,
    /// Epoch after which early stopping ended the run.
    pub stopped_after: Option<u32>,
    /// Best value of each metric over the epochs (protocol `paper`).
    pub maxima: MetricValues,
    /// What the result is compared with.
    pub baselines: Baselines,
    /// Whether the run is complete.
    pub finished: bool,
}

/// State of a run between two steps.
#[derive(Clone, Debug, Default)]
pub struct CheckpointState {
    /// Counters and results.
    pub progress: Progress,
    /// Parameters and statistics of network and objective, by path.
    pub learner: BTreeMap<String, TensorData>,
    /// Moments of the optimizer, by path and name.
    pub optimizer: BTreeMap<String, TensorData>,
    /// Embeddings remembered from earlier steps (memory bank, cross-batch memory), by name; empty
    /// for runs without such a memory.
    pub memory: BTreeMap<String, TensorData>,
    /// Bests that `learner` is, and was not yet at the previous checkpoint.
    pub improved: Vec<Best>,
    /// Epoch under whose number `learner` is to be kept for good (`train.checkpoint_every`).
    pub keep: Option<u32>,
    /// Only to continue from: network and objective of the epoch that is reported if no better one
    /// comes. It was `learner` when it came into being; no copy of it is given out again.
    pub selected: Option<BTreeMap<String, TensorData>>,
}
