//! TensorBoard: event files in the run folder, written while the run goes on. A continued run begins
//! a file of its own that tells TensorBoard to forget the steps after the checkpoint.

mod event_file;
mod protobuf;

use anyhow::Result;

use self::event_file::EventFile;
use super::series::Series;
use super::{Ending, Tracker};
use crate::history::Record;
use crate::run_folder::{RunFolder, recipe_text};

/// Writes event files.
#[derive(Debug)]
pub struct TensorBoard {
    file: EventFile,
    series: Series,
}

impl TensorBoard {
    /// Begins a new file in the run folder.
    pub fn open(folder: &RunFolder) -> Result<Self> {
        let known = EventFile::exists_in(folder.path());
        let mut tracker = Self {
            file: EventFile::create(folder.path())?,
            series: Series::default(),
        };
        if !known {
            let recipe = recipe_text(folder.recipe())?;
            tracker.file.text("recipe", &code_block(&recipe))?;
        }
        for record in folder.history().records() {
            if known {
                tracker.series.follow(record);
            } else {
                tracker.record(record)?;
            }
        }
        Ok(tracker)
    }
}

impl Tracker for TensorBoard {
    fn record(&mut self, record: &Record) -> Result<()> {
        let points = self.series.follow(record);
        match record {
            Record::Started { .. } => self.file.start(self.series.first_new_step()),
            Record::Observed { seen, .. } => {
                let step = points.first().map_or(0, |point| point.step);
                self.file.scalars(&points)?;
                let (largest, distances) = (seen.distances.largest, &seen.distances);
                for (name, counts) in [
                    ("batch/distances_within_classes", &distances.positive),
                    ("batch/distances_between_classes", &distances.negative),
                ] {
                    self.file.histogram(name, step, largest, counts)?;
                }
                Ok(())
            }
            _ => self.file.scalars(&points),
        }
    }

    fn close(&mut self, _: Ending) -> Result<()> {
        self.file.sync()
    }
}

/// TensorBoard shows texts as Markdown.
fn code_block(text: &str) -> String {
    let lines = text.lines().map(|line| format!("    {line}\n"));
    lines.collect()
}
