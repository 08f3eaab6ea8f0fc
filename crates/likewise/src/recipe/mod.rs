//! A recipe says everything that defines a run. It is read in two stages: what was typed (TOML,
//! `extends`, `--set`; unknown keys refused) and what it means (`Recipe::validate`), so that the
//! trainer never meets an impossible combination.

mod check;
mod data;
mod layers;
mod resolve;
mod settings;

pub use data::{
    Augmentation, DataSettings, OnBadImage, SplitFractions, ValidationSettings, ValidationTake,
    ValidationUnit,
};
pub use layers::{Layers, ReadBase, parse_assignment};
pub use settings::{EarlyStopping, EvaluationSettings, Protocol, Recipe, TrainSettings};
