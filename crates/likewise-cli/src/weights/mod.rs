//! Files of pretrained weights: which format a file is in, whether it is the file its name
//! promises, and its tensors by name.

mod pickle;
mod pytorch;
mod tfjs;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use likewise::model::{Pretrained, state};
use likewise::recipe::Recipe;
use sha2::{Digest, Sha256};

use crate::environment::WeightsUsed;

pub use tfjs::read_package;

/// A file of weights, read and verified.
#[derive(Debug)]
pub struct WeightFile {
    /// Its tensors, and what it says about them.
    pub weights: Pretrained,
    /// The format in words.
    pub format: &'static str,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

impl WeightFile {
    /// What `environment.json` says of it.
    pub fn used(&self, recipe: &Recipe) -> Option<WeightsUsed> {
        Some(WeightsUsed {
            file: recipe.model.weights.clone()?,
            sha256: self.sha256.clone(),
        })
    }
}

/// Reads a file in any of the supported formats.
pub fn read(path: &Path) -> Result<WeightFile> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let sha256 = digest(&bytes);
    if let Some(promised) = promised_digest(path)
        && !sha256.starts_with(promised)
    {
        bail!(
            "{} is not the file its name promises: its SHA-256 begins with {}, not with {promised}. \
             Download it again",
            path.display(),
            &sha256[..promised.len()]
        );
    }
    let failed = || format!("{} cannot be read as weights", path.display());
    let (weights, format) = if pytorch::is_zip(&bytes) {
        let tensors = pytorch::read_zip(&bytes).with_context(failed)?;
        (Pretrained::new(tensors), "PyTorch (zip archive)")
    } else if pytorch::is_legacy(&bytes) {
        let tensors = pytorch::read_legacy(&bytes).with_context(failed)?;
        (Pretrained::new(tensors), "PyTorch (before 1.6)")
    } else if bytes.get(8) == Some(&b'{') {
        let mut weights = Pretrained::new(state::from_safetensors(&bytes).with_context(failed)?);
        weights.metadata = state::safetensors_metadata(&bytes).with_context(failed)?;
        (weights, "safetensors")
    } else {
        bail!(
            "{} is neither a .safetensors file nor a .pth file of torch.save",
            path.display()
        );
    };
    Ok(WeightFile {
        weights,
        format,
        sha256,
    })
}

/// The beginning of its SHA-256 that a name such as `resnet50-19c8e357.pth` ends in.
fn promised_digest(path: &Path) -> Option<&str> {
    let (_, digest) = path.file_stem()?.to_str()?.rsplit_once('-')?;
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (digest.len() == 8 && digest.bytes().all(hexadecimal)).then_some(digest)
}

/// The SHA-256 of `bytes` in hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
