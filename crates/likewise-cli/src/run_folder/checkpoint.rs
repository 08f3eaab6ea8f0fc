//! Checkpoints that survive a power cut at any moment: each is written under a temporary name,
//! renamed when complete, and only then does its predecessor go.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use likewise::model::StateDict;
use likewise::train::{CheckpointState, Progress};

use super::tensors::{read_tensors, write_tensors};
use crate::output;

const TEMPORARY: &str = ".writing-";
/// Embeddings remembered from earlier steps, for runs that do.
const MEMORY: &str = "memory.safetensors";

/// Stores `state` below `folder`: `last/<epoch>-<batch>` and, when it changed,
/// `best-<metric>/<epoch>`.
pub fn store(folder: &Path, state: &CheckpointState, metric: &str) -> Result<()> {
    let progress = &state.progress;
    let best_folder = folder.join(format!("best-{metric}"));
    let best_name = progress.best_epoch.map(epoch_name);
    if let (Some(best), Some(name), true) = (&state.best, &best_name, state.best_changed) {
        complete(&best_folder, name, |new| {
            write_tensors(&new.join("learner.safetensors"), best)
        })?;
    }
    let last_folder = folder.join("last");
    let last_name = format!("{}-batch-{:06}", epoch_name(progress.epoch), progress.batch);
    complete(&last_folder, &last_name, |new| {
        write_tensors(&new.join("learner.safetensors"), &state.learner)?;
        write_tensors(&new.join("optimizer.safetensors"), &state.optimizer)?;
        if !state.memory.is_empty() {
            write_tensors(&new.join(MEMORY), &state.memory)?;
        }
        output::write_json(&new.join("state.json"), progress)
    })?;
    remove_others(&last_folder, &last_name);
    if let Some(name) = best_name {
        remove_others(&best_folder, &name);
    }
    Ok(())
}

/// The newest complete state below `folder`.
pub fn load(folder: &Path, metric: &str) -> Result<Option<CheckpointState>> {
    let Some(last) = newest(&folder.join("last")) else {
        return Ok(None);
    };
    let file = last.join("state.json");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let progress: Progress = serde_json::from_str(&text)
        .with_context(|| format!("{} is damaged or from another version", file.display()))?;
    let best = match progress.best_epoch {
        Some(epoch) => {
            let file = folder
                .join(format!("best-{metric}"))
                .join(epoch_name(epoch))
                .join("learner.safetensors");
            Some(read_tensors(&file)?)
        }
        None => None,
    };
    let memory = last.join(MEMORY);
    let memory = if memory.exists() {
        read_tensors(&memory)?
    } else {
        StateDict::default()
    };
    Ok(Some(CheckpointState {
        progress,
        memory,
        learner: read_tensors(&last.join("learner.safetensors"))?,
        optimizer: read_tensors(&last.join("optimizer.safetensors"))?,
        best,
        best_changed: false,
    }))
}

/// Removes what an interrupted write left behind.
pub fn remove_leftovers(folder: &Path) {
    for kind in entries(folder) {
        for entry in entries(&kind) {
            if name_of(&entry).starts_with(TEMPORARY) {
                let _ = fs::remove_dir_all(entry);
            }
        }
    }
}

fn epoch_name(epoch: u32) -> String {
    format!("epoch-{epoch:06}")
}

fn complete(folder: &Path, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let (new, place) = (folder.join(format!("{TEMPORARY}{name}")), folder.join(name));
    let failed = || format!("cannot write the checkpoint {}", place.display());
    if new.exists() {
        fs::remove_dir_all(&new).with_context(failed)?;
    }
    fs::create_dir_all(&new).with_context(failed)?;
    fill(&new).with_context(failed)?;
    if place.exists() {
        fs::remove_dir_all(&place).with_context(failed)?;
    }
    fs::rename(&new, &place).with_context(failed)?;
    output::sync_folder(folder);
    Ok(())
}

/// What cannot be removed now is removed after the next checkpoint.
fn remove_others(folder: &Path, name: &str) {
    for entry in entries(folder) {
        if name_of(&entry) != name {
            let _ = fs::remove_dir_all(entry);
        }
    }
}

fn newest(folder: &Path) -> Option<PathBuf> {
    entries(folder)
        .into_iter()
        .filter(|entry| !name_of(entry).starts_with(TEMPORARY))
        .max()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect()
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
