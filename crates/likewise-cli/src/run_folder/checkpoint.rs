//! Checkpoints that survive a power cut at any moment: each is a folder written under a temporary
//! name and renamed when complete, and only then does what it replaces go. The last but one stays,
//! for the day when the last one cannot be read.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use likewise::model::StateDict;
use likewise::recipe::Recipe;
use likewise::train::{CheckpointState, Progress, best_name};

use super::recipe::{differences, parse_recipe};
use super::tensors::{read_tensors, write_tensors};
use crate::output;

const TEMPORARY: &str = ".writing-";
const LAST: &str = "last";
/// Network and objective.
const LEARNER: &str = "learner.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
/// Embeddings remembered from earlier steps, for runs that do.
const MEMORY: &str = "memory.safetensors";
const STATE: &str = "state.json";
const RECIPE: &str = "recipe.toml";
/// States of an unfinished run kept below `last`.
const STATES: usize = 2;

/// Stores `state` of a run with this `recipe` below `folder`: whole as `last/<epoch>-<batch>`, and its
/// network as `best-<split>-<metric>/<epoch>` and `<epoch>` where it is to be kept under these names.
pub fn store(folder: &Path, state: &CheckpointState, recipe: &str) -> Result<()> {
    let progress = &state.progress;
    let network = |place: &Path| {
        write_tensors(&place.join(LEARNER), &state.learner)?;
        write_text(&place.join(RECIPE), recipe)
    };
    for best in &state.improved {
        complete(&folder.join(best.name()), &epoch_name(best.epoch), network)?;
    }
    if let Some(epoch) = state.keep {
        complete(folder, &epoch_name(epoch), network)?;
    }
    let last = folder.join(LAST);
    complete(&last, &state_name(progress), |place| {
        network(place)?;
        write_tensors(&place.join(OPTIMIZER), &state.optimizer)?;
        if !state.memory.is_empty() {
            write_tensors(&place.join(MEMORY), &state.memory)?;
        }
        let text = serde_json::to_string_pretty(progress).context("counters are no JSON")?;
        write_text(&place.join(STATE), &text)
    })?;
    remove_replaced(folder, if progress.finished { 1 } else { STATES });
    Ok(())
}

/// The newest state below `folder`, of a run with this `recipe`.
pub fn load(folder: &Path, recipe: &Recipe) -> Result<Option<CheckpointState>> {
    let mut states = states(folder);
    let Some(newest) = states.pop() else {
        return Ok(None);
    };
    let state = read(folder, &newest, recipe).map_err(|error| {
        let way_out = match states.pop() {
            Some(earlier) if read(folder, &earlier, recipe).is_ok() => format!(
                "delete {} to continue from the checkpoint before it, {}",
                newest.display(),
                earlier.display()
            ),
            _ => format!(
                "put the right file back, or begin again in another folder with --run; other \
                 checkpoints in {} are as they were",
                folder.display()
            ),
        };
        anyhow!("{error:#}; {way_out}")
    })?;
    Ok(Some(state))
}

fn read(folder: &Path, place: &Path, recipe: &Recipe) -> Result<CheckpointState> {
    let stored = place.join(RECIPE);
    let stored = parse_recipe(&read_text(&stored)?, &stored)?;
    if stored != *recipe {
        bail!(
            "{} is a checkpoint of another recipe ({})",
            place.display(),
            differences(&stored, recipe)
        );
    }
    let progress = read_progress(place)?;
    let (split, metric) = (
        recipe.train.protocol.choosing_split(),
        recipe.evaluation.select,
    );
    let selected = progress.best_of(split, metric).map(|best| {
        let place = folder.join(best.name()).join(epoch_name(best.epoch));
        read_tensors(&place.join(LEARNER))
    });
    let memory = place.join(MEMORY);
    let memory = if memory.exists() {
        read_tensors(&memory)?
    } else {
        StateDict::default()
    };
    Ok(CheckpointState {
        progress,
        memory,
        learner: read_tensors(&place.join(LEARNER))?,
        optimizer: read_tensors(&place.join(OPTIMIZER))?,
        selected: selected.transpose()?,
        ..CheckpointState::default()
    })
}

/// The network and objective that a run of this `recipe` keeps under `name`: `last`, `best` (the one
/// that is reported), `best-<split>-<metric>` or `epoch-<n>`; with its folder.
pub fn load_network(folder: &Path, name: &str, recipe: &Recipe) -> Result<(PathBuf, StateDict)> {
    let name = match name.strip_prefix("epoch-").map(str::parse) {
        Some(Ok(epoch)) => epoch_name(epoch),
        _ if name == "best" => best_name(
            recipe.train.protocol.choosing_split(),
            recipe.evaluation.select,
        ),
        _ => name.into(),
    };
    let place = names(folder).contains(&name).then(|| folder.join(&name));
    let place = place.and_then(|place| {
        let inside = entries(&place).into_iter().filter(|entry| entry.is_dir());
        if place.join(LEARNER).exists() {
            Some(place)
        } else {
            inside.max()
        }
    });
    let Some(place) = place else {
        bail!(
            "{} holds no checkpoint `{name}`; it has: {}",
            folder.display(),
            names(folder).into_iter().collect::<Vec<_>>().join(", ")
        );
    };
    let network = read_tensors(&place.join(LEARNER))?;
    Ok((place, network))
}

fn names(folder: &Path) -> BTreeSet<String> {
    let names = entries(folder).into_iter().map(|entry| name_of(&entry));
    names.filter(|name| !name.starts_with('.')).collect()
}

/// Removes what an interrupted write left behind in the run folder `run`.
pub fn remove_leftovers(run: &Path) {
    let checkpoints = run.join("checkpoints");
    let mut folders = entries(&checkpoints);
    folders.extend([run.to_path_buf(), run.join("embeddings"), checkpoints]);
    for entry in folders.iter().flat_map(|folder| entries(folder)) {
        if name_of(&entry).starts_with(TEMPORARY) {
            let _ = fs::remove_dir_all(&entry).or_else(|_| fs::remove_file(&entry));
        }
    }
}

fn epoch_name(epoch: u32) -> String {
    format!("epoch-{epoch:06}")
}

/// Names in the order of time: no state is ever stored in the place of another.
fn state_name(progress: &Progress) -> String {
    let (epoch, batch) = (epoch_name(progress.epoch), progress.batch);
    let end = if progress.finished { "-finished" } else { "" };
    format!("{epoch}-batch-{batch:06}{end}")
}

fn complete(folder: &Path, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let (new, place) = (folder.join(format!("{TEMPORARY}{name}")), folder.join(name));
    let written = || -> Result<()> {
        if new.exists() {
            fs::remove_dir_all(&new)?;
        }
        fs::create_dir_all(&new)?;
        fill(&new)?;
        output::sync_folder(&new);
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        Ok(fs::rename(&new, &place)?)
    };
    written().map_err(|error| {
        // A full disk has room again for what the user does next.
        let _ = fs::remove_dir_all(&new);
        let cause = error.root_cause();
        anyhow!(
            "cannot write the checkpoint {}: {cause}; what was stored before is as it was: continue \
             with --resume when that is put right",
            place.display()
        )
    })?;
    output::sync_folder(folder);
    Ok(())
}

/// Removes states that are too old, and best networks that none of the others names. What cannot
/// be removed now is removed after the next checkpoint.
fn remove_replaced(folder: &Path, count: usize) {
    let mut kept = states(folder);
    let old = kept.len().saturating_sub(count);
    for state in kept.drain(..old) {
        let _ = fs::remove_dir_all(state);
    }
    let progress: Vec<Progress> = kept.iter().flat_map(|place| read_progress(place)).collect();
    if progress.len() < kept.len() {
        return;
    }
    let best = progress.iter().flat_map(|progress| &progress.best);
    let named: BTreeSet<PathBuf> = best
        .map(|best| folder.join(best.name()).join(epoch_name(best.epoch)))
        .collect();
    let kinds = entries(folder).into_iter();
    for kind in kinds.filter(|kind| name_of(kind).starts_with("best-")) {
        for entry in entries(&kind) {
            if !named.contains(&entry) {
                let _ = fs::remove_dir_all(entry);
            }
        }
    }
}

/// Complete states, the newest last.
fn states(folder: &Path) -> Vec<PathBuf> {
    let mut found = entries(&folder.join(LAST));
    found.retain(|entry| !name_of(entry).starts_with(TEMPORARY));
    found.sort();
    found
}

fn read_progress(place: &Path) -> Result<Progress> {
    let file = place.join(STATE);
    serde_json::from_str(&read_text(&file)?)
        .with_context(|| format!("{} is damaged or from another version", file.display()))
}

fn read_text(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// For folders that become visible when they are complete.
fn write_text(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text)?;
    Ok(File::open(file)?.sync_all()?)
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
