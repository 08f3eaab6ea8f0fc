//! The folder of a run: everything needed to understand, continue and compare it.

mod checkpoint;
mod recipe;
mod tensors;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use likewise::model::StateDict;
use likewise::recipe::Recipe;
use likewise::train::CheckpointState;

use crate::history::{History, Record};
use crate::output;

pub use recipe::{differences, read_recipe, settings};
pub use tensors::{read_class_names, read_embeddings, write_embeddings};

const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// An open run folder; no other process can open it meanwhile.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    recipe: Recipe,
    events: File,
    history: History,
    _lock: File,
}

impl RunFolder {
    /// Makes the folder of a new run. An unfinished or finished run there is never overwritten.
    pub fn create(path: &Path, recipe: &Recipe) -> Result<Self> {
        let lock = lock(path)?;
        if path.join("recipe.toml").exists() {
            bail!(
                "{} already holds a run: continue it with --resume, choose another folder with --run, \
                 or delete it",
                path.display()
            );
        }
        output::write(&path.join("recipe.toml"), recipe_text(recipe)?.as_bytes())?;
        Self::open(path, recipe.clone(), lock)
    }

    /// Opens the folder of an earlier run to continue it.
    pub fn resume(path: &Path) -> Result<Self> {
        if !path.join("recipe.toml").exists() {
            bail!(
                "{} holds no run to resume: start one without --resume",
                path.display()
            );
        }
        let lock = lock(path)?;
        checkpoint::remove_leftovers(path);
        Self::open(path, read_recipe(path)?, lock)
    }

    fn open(path: &Path, recipe: Recipe, lock: File) -> Result<Self> {
        let file = path.join("events.jsonl");
        let history = read_history(path)?;
        // A line cut off by a power failure would spoil the next one.
        let whole: String = history
            .records()
            .iter()
            .map(|record| Ok(serde_json::to_string(record)? + "\n"))
            .collect::<Result<_>>()?;
        output::write(&file, whole.as_bytes())?;
        let events = OpenOptions::new()
            .append(true)
            .open(&file)
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self {
            path: path.to_path_buf(),
            recipe,
            events,
            history,
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What happened so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Appends a record to `events.jsonl`.
    pub fn record(&mut self, record: Record) -> Result<()> {
        let mut line =
            serde_json::to_string(&record).context("an event cannot be written as JSON")?;
        line.push('\n');
        self.events.write_all(line.as_bytes()).with_context(|| {
            format!("cannot write {}", self.path.join("events.jsonl").display())
        })?;
        self.history.push(record);
        Ok(())
    }

    /// Rewrites `metrics.csv` from the history.
    pub fn write_metrics(&self) -> Result<()> {
        output::write(
            &self.path.join("metrics.csv"),
            self.history.to_csv().as_bytes(),
        )
    }

    /// Stores a state; what it replaces is removed only when the new one is complete.
    pub fn store(&self, state: &CheckpointState) -> Result<()> {
        checkpoint::store(&self.checkpoints(), state, &recipe_text(&self.recipe)?)
    }

    /// The last complete state, `None` if the run has none yet.
    pub fn load(&self) -> Result<Option<CheckpointState>> {
        checkpoint::load(&self.checkpoints(), &self.recipe)
    }

    /// The recipe of the run.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }
}

/// The network and objective that the run in `path` keeps under `name`, and where.
pub fn read_network(path: &Path, name: &str, recipe: &Recipe) -> Result<(PathBuf, StateDict)> {
    checkpoint::load_network(&path.join("checkpoints"), name, recipe)
}

/// A recipe as TOML.
pub fn recipe_text(recipe: &Recipe) -> Result<String> {
    toml::to_string_pretty(recipe).context("the recipe cannot be written as TOML")
}

/// The history of the run in `path`; empty if it has no events yet.
pub fn read_history(path: &Path) -> Result<History> {
    let file = path.join("events.jsonl");
    if !file.exists() {
        return Ok(History::default());
    }
    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    History::parse(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

fn lock(path: &Path) -> Result<File> {
    fs::create_dir_all(path)
        .with_context(|| format!("cannot make the run folder {}", path.display()))?;
    let file = path.join("lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    // The lock of a process that was just killed is free only when the system has buried it.
    for _ in 0..LOCK_ATTEMPTS {
        if lock.try_lock().is_ok() {
            return Ok(lock);
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "{} is in use by another process: wait for it, or choose another folder with --run",
            path.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", file.display()))
        }
    }
}
