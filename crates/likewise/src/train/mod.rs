//! Training as a stream of events: a trainer that is pulled step by step, and what it needs of
//! the world (a source of image batches) and gives to it (events, states to store).

mod bank;
mod checkpoint;
mod doctor;
mod embed;
mod event;
mod gradients;
mod learner;
mod loss_scale;
mod memories;
mod memory;
mod observe;
mod optimizer;
mod recompute;
mod schedule;
mod selection;
mod source;
mod stage;
mod step;
mod trainer;

pub use checkpoint::{CheckpointState, Progress};
pub use embed::embed_split;
pub use event::{Baselines, EmbeddedSplit, Evaluation, Event, Finished, Step, Subject};
pub use gradients::ParameterGradients;
pub use learner::Learner;
pub use memory::MemoryEstimate;
pub use observe::{DISTANCE_BINS, DistanceHistogram, Observation, Observed};
pub use optimizer::{Optimizer, OptimizerConfig, OptimizerName};
pub use schedule::Schedule;
pub use selection::{Best, Patience, best_name};
pub use source::{BatchSource, ImageBatch, Pass, Split};
pub use stage::Stage;
pub use trainer::Trainer;
