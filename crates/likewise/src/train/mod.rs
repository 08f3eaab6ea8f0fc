//! Training as a stream of events: a trainer that is pulled step by step, and what it needs of
//! the world (a source of image batches) and gives to it (events, states to store).

mod checkpoint;
mod embed;
mod event;
mod learner;
mod optimizer;
mod schedule;
mod source;
mod trainer;

pub use checkpoint::{CheckpointState, Progress};
pub use event::{Baselines, EmbeddedSplit, Evaluation, Event, Finished, Step, Subject};
pub use learner::Learner;
pub use optimizer::{Optimizer, OptimizerConfig, OptimizerName};
pub use schedule::Schedule;
pub use source::{BatchSource, ImageBatch, Pass, Split};
pub use trainer::Trainer;
