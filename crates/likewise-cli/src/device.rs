//! Which device a run uses, and whether its numbers can be trusted.

mod adapters;
mod choice;
mod self_check;
mod settings;

pub use adapters::{Kind, adapters};
pub use choice::{Chosen, choose};
pub use self_check::{Check, self_check};
