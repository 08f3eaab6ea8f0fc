//! The tables and keys of a recipe, with their defaults: written once, here.

use serde::{Deserialize, Serialize};

use super::DataSettings;
use crate::metric::{MetricName, MetricSet};
use crate::miner::MinerConfig;
use crate::model::{NetworkConfig, Precision};
use crate::objective::{CrossBatchSettings, ObjectiveConfig};
use crate::sampler::SamplerConfig;
use crate::train::{OptimizerConfig, Split};

/// Everything that defines a run, apart from the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the recipe; part of the run folder's path.
    #[serde(default)]
    pub name: String,
    /// One sentence for lists.
    #[serde(default)]
    pub summary: String,
    /// Paper (authors, year) the setting comes from; empty if it is our own.
    #[serde(default)]
    pub paper: String,
    /// Expected Recall@1 of unseen classes in percent with its spread, as text; empty if unknown.
    #[serde(default)]
    pub expected: String,
    /// Seed of every random choice of the run.
    #[serde(default)]
    pub seed: u64,
    /// Images: where from, what size, how augmented.
    #[serde(default)]
    pub data: DataSettings,
    /// Network.
    pub model: NetworkConfig,
    /// Training objective.
    pub objective: ObjectiveConfig,
    /// Batch miner; absent for objectives that take no tuples.
    #[serde(default)]
    pub miner: Option<MinerConfig>,
    /// Embeddings of earlier batches to compare with; absent: the batch alone.
    #[serde(default)]
    pub cross_batch_memory: Option<CrossBatchSettings>,
    /// Batch sampler.
    #[serde(default)]
    pub sampler: SamplerConfig,
    /// Optimizer, learning rates and schedule.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// Length of training and protocol of model selection.
    #[serde(default)]
    pub train: TrainSettings,
    /// Metrics and when to compute them.
    #[serde(default)]
    pub evaluation: EvaluationSettings,
}

/// Which classes choose the epoch that is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Validation classes choose; the test classes are read once, at the end.
    Validation,
    /// The test classes are evaluated in every evaluation epoch and each metric's maximum is
    /// reported, as in the published results.
    Paper,
}

impl Protocol {
    /// Name in recipes and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Paper => "paper",
        }
    }
}

/// The `[train]` table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainSettings {
    /// Number of epochs, each of ⌊N/B⌋ independent batches.
    pub epochs: u32,
    /// Which classes choose the epoch.
    pub protocol: Protocol,
    /// Images embedded at once in a step. The gradient is that of the whole batch all the same; a
    /// smaller number takes less memory and embeds every image twice. Networks whose BatchNorm is
    /// trained normalise each chunk by itself. Absent: the whole batch at once.
    pub chunk_size: Option<usize>,
    /// Batches compared each by itself whose mean gradient makes one step of the optimizer: a larger
    /// batch for the weights, not for the miner. To compare more images with each other use
    /// `chunk_size`.
    pub accumulation_steps: u32,
    /// Whether activations inside the blocks of the network are computed again in the backward pass
    /// instead of being kept: less memory for about a third more work, with the gradient of the
    /// whole batch.
    pub gradient_checkpointing: bool,
    /// Type of the maps inside the backbone while training: `f32`, or `f16` or `bf16` where the device
    /// computes in it. Parameters, embeddings, losses and evaluation stay in single precision.
    pub precision: Precision,
    /// Epochs between checkpoints that are kept for good; 0 keeps the last and the best ones only.
    pub checkpoint_every: u32,
    /// Ends a run that does not improve any more, by `evaluation.select` on the validation classes;
    /// not under protocol `paper`. Absent: all epochs are trained.
    pub early_stopping: Option<EarlyStopping>,
    /// Every how manieth step is looked at more closely (active tuples, distances, gradients, rank
    /// of the embeddings); 0: none, and no warnings about what was seen.
    pub observe_every: u32,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            epochs: 150,
            protocol: Protocol::Validation,
            chunk_size: None,
            accumulation_steps: 1,
            gradient_checkpointing: false,
            precision: Precision::F32,
            checkpoint_every: 0,
            early_stopping: None,
            observe_every: 10,
        }
    }
}

/// `train.early_stopping`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Evaluations without a new best after which the run ends.
    pub patience: u32,
    /// By how much a value has to be better to count as a new best.
    #[serde(default)]
    pub min_delta: f64,
}

/// The `[evaluation]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationSettings {
    /// Metrics of the final evaluation.
    pub metrics: MetricSet,
    /// Metrics computed while training.
    pub progress: MetricSet,
    /// Epochs between evaluations; 0 evaluates only before and after training.
    pub every: u32,
    /// Metric that chooses the epoch that is reported; one of `progress`.
    pub select: MetricName,
    /// Splits evaluated while training beside the one whose classes choose the epoch (`validation`
    /// or, under protocol `paper`, `test`).
    pub splits: Vec<Split>,
    /// Metrics beside `select` whose best network is kept, for each evaluated split by itself.
    pub keep_best: Option<MetricSet>,
    /// Images embedded at once.
    pub batch_size: usize,
}

impl Default for EvaluationSettings {
    fn default() -> Self {
        let set = |names: &[&str]| MetricSet::parse(names).expect("names of the table");
        Self {
            metrics: set(&[
                "recall@1",
                "recall@2",
                "recall@4",
                "recall@8",
                "map_at_r",
                "r_precision",
                "nmi",
                "f1",
                "dists@intra",
                "dists@inter",
                "dists@intra_over_inter",
                "rho_spectrum@1",
                "rho_spectrum@2",
            ]),
            progress: set(&["recall@1", "map_at_r"]),
            every: 1,
            select: "recall@1".parse().expect("a name of the table"),
            splits: Vec::new(),
            keep_best: None,
            batch_size: 128,
        }
    }
}
