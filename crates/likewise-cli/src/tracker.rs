//! Experiment trackers: programs other than this one that show how runs go. Each is fed with the
//! records that `events.jsonl` holds, and none of them can stop or slow a run: one that fails is
//! left out, with one warning.

mod choice;
mod mlflow;
mod series;
mod tensorboard;

use std::fmt::Debug;

use anyhow::Result;

pub use choice::TrackerChoice;

use crate::environment::Environment;
use crate::history::Record;
use crate::run_folder::RunFolder;

/// How a run ended, as trackers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All is done.
    Finished,
    /// The user stopped it.
    Stopped,
    /// An error ended it.
    Failed,
}

/// What follows a run.
pub trait Tracker: Debug {
    /// Takes note of a record.
    fn record(&mut self, record: &Record) -> Result<()>;

    /// Something to know that does not leave it out.
    fn warning(&mut self) -> Option<String> {
        None
    }

    /// Takes note of the end of the run.
    fn close(&mut self, ending: Ending) -> Result<()>;
}

/// The trackers of one run.
#[derive(Debug, Default)]
pub struct Trackers {
    open: Vec<(TrackerChoice, Box<dyn Tracker>)>,
}

impl Trackers {
    /// Opens the trackers that were chosen. Those that know nothing of the run yet are told its
    /// history.
    pub fn open(
        choices: &[TrackerChoice],
        folder: &RunFolder,
        environment: &Environment,
    ) -> Result<Self> {
        let mut trackers = Self::default();
        for choice in choices {
            let tracker: Box<dyn Tracker> = match choice {
                TrackerChoice::TensorBoard => Box::new(tensorboard::TensorBoard::open(folder)?),
                TrackerChoice::Mlflow(server) => {
                    Box::new(mlflow::Mlflow::open(server, folder, environment)?)
                }
            };
            trackers.open.push((choice.clone(), tracker));
        }
        Ok(trackers)
    }

    /// Tells all of them; what is to be said of those that failed.
    pub fn record(&mut self, record: &Record) -> Vec<String> {
        self.each(|tracker| tracker.record(record))
    }

    /// Tells all of them how the run ended; what is to be said of those that failed.
    pub fn close(&mut self, ending: Ending) -> Vec<String> {
        let warnings = self.each(|tracker| tracker.close(ending));
        self.open.clear();
        warnings
    }

    fn each(&mut self, mut tell: impl FnMut(&mut dyn Tracker) -> Result<()>) -> Vec<String> {
        let mut warnings = Vec::new();
        self.open.retain_mut(|(choice, tracker)| {
            let told = tell(tracker.as_mut());
            warnings.extend(
                told.as_ref()
                    .err()
                    .map(|error| format!("{} is left out: {error:#}", choice.name())),
            );
            let warning = tracker.warning().filter(|_| told.is_ok());
            warnings.extend(warning.map(|text| format!("{}: {text}", choice.name())));
            told.is_ok()
        });
        warnings
    }
}
