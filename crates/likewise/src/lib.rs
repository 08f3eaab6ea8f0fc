//! The science of Likewise: models, objectives, batch miners, batch samplers, metrics and the
//! trainer. Tensor code and plain data only (no file, thread, clock or print), so that the same
//! code runs natively and in the browser.

// So that an objective written outside this crate compiles inside it unchanged.
extern crate self as likewise;

pub mod batch;
pub mod check;
pub mod error;
pub mod metric;
pub mod miner;
pub mod model;
pub mod objective;
pub mod pairwise;
pub mod random;
pub mod recipe;
pub mod sampler;
pub mod toy;
pub mod train;

pub use error::{Error, Result};
