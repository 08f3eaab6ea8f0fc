//! What a run was computed with, for whoever wants to repeat it.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::device::Chosen;

/// `environment.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    /// Version of this program.
    pub version: &'static str,
    /// Commit it was built from, if it was built in a repository.
    pub git: Option<&'static str>,
    /// Version of the tensor library.
    pub burn: &'static str,
    /// Compiler.
    pub rustc: &'static str,
    /// Operating system and processor architecture.
    pub system: String,
    /// Cores available.
    pub cores: usize,
    /// Device and why it was taken.
    pub device: Chosen,
    /// Command line.
    pub command: Vec<String>,
    /// Fingerprint of the dataset: names, sizes, labels and splits.
    pub dataset: String,
    /// The pretrained weights the run began with.
    pub weights: Option<WeightsUsed>,
}

/// A file of pretrained weights, so that it can be told from others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WeightsUsed {
    /// Its path as given.
    pub file: String,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

impl Environment {
    /// The environment of this process.
    pub fn new(device: &Chosen, dataset: String, weights: Option<WeightsUsed>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            git: option_env!("LIKEWISE_GIT_COMMIT"),
            burn: "0.22.1",
            rustc: env!("LIKEWISE_RUSTC"),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            device: device.clone(),
            command: std::env::args().collect(),
            dataset,
            weights,
        }
    }
}

/// The weights that the run in `folder` began with, according to its `environment.json`.
pub fn weights_of(folder: &Path) -> Result<Option<WeightsUsed>> {
    #[derive(Deserialize)]
    struct Earlier {
        weights: Option<WeightsUsed>,
    }
    let file = folder.join("environment.json");
    if !file.exists() {
        return Ok(None);
    }
    let failed = || format!("cannot read {}", file.display());
    let text = std::fs::read(&file).with_context(failed)?;
    let earlier: Earlier = serde_json::from_slice(&text).with_context(failed)?;
    Ok(earlier.weights)
}
