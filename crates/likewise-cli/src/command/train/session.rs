//! What the program does with each event of a run.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use burn::tensor::Tensor;
use likewise::Error;
use likewise::train::{CheckpointState, Evaluation, Event, Finished, Observation, Step, Subject};

use super::report::unit;
use crate::device::Chosen;
use crate::history::{Record, subject_name};
use crate::memory::MemoryUse;
use crate::progress::{Task, say};
use crate::run_folder::{RunFolder, write_embeddings};
use crate::source::LoaderSource;
use crate::tracker::{self, Trackers};

/// Steps whose losses are read from the device together: reading one waits for the device.
const READ_EVERY: usize = 8;

/// One process's share of a run.
#[derive(Debug)]
pub struct Session<'a> {
    device: &'a Chosen,
    folder: &'a mut RunFolder,
    trackers: Trackers,
    protocol: &'static str,
    task: Option<Task>,
    epochs: u32,
    batches_per_epoch: u32,
    unread: Vec<Step>,
    observed: Vec<(u32, Box<Observation>)>,
    latest_loss: f32,
    /// Images of the steps in `unread`, and since when they are computed.
    unread_images: usize,
    unread_since: Instant,
    epoch_images: usize,
    epoch_started: Instant,
    evaluation_started: Instant,
    started: Instant,
    result: Option<Finished>,
}

impl<'a> Session<'a> {
    /// A session on an open folder.
    pub fn new(device: &'a Chosen, folder: &'a mut RunFolder, trackers: Trackers) -> Self {
        let now = Instant::now();
        Self {
            device,
            protocol: folder.recipe().train.protocol.name(),
            folder,
            trackers,
            task: None,
            epochs: 0,
            batches_per_epoch: 0,
            unread: Vec::new(),
            observed: Vec::new(),
            latest_loss: f32::NAN,
            unread_images: 0,
            unread_since: now,
            epoch_images: 0,
            epoch_started: now,
            evaluation_started: now,
            started: now,
            result: None,
        }
    }

    /// Deals with one event; true after a step, when a run may be interrupted.
    pub fn handle(&mut self, event: Event, source: &LoaderSource) -> Result<bool> {
        match event {
            Event::Started {
                epochs,
                batches_per_epoch,
                epoch,
                batch,
            } => {
                (self.epochs, self.batches_per_epoch) = (epochs, batches_per_epoch);
                let time = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |time| time.as_secs());
                let device = self.device.name.clone();
                self.record(Record::Started {
                    time,
                    epochs,
                    batches_per_epoch,
                    epoch,
                    batch,
                    device,
                })?;
            }
            Event::EvaluationStarted {
                subject,
                split,
                images,
            } => {
                self.evaluation_started = Instant::now();
                let what = subject_name(subject).replace('_', " ");
                self.begin(
                    format!("evaluating {} ({what})", split.name()),
                    images as u64,
                );
            }
            Event::Embedded { done, .. } => self.advance(done as u64, String::new()),
            Event::Evaluated(evaluation) => self.evaluated(&evaluation, source)?,
            Event::EpochStarted { epoch } => {
                self.epoch_started = Instant::now();
                self.unread_since = self.epoch_started;
                self.epoch_images = 0;
                self.begin(
                    format!("epoch {epoch}/{}", self.epochs),
                    u64::from(self.batches_per_epoch),
                );
            }
            Event::Step(step) => {
                self.step(step, source)?;
                return Ok(true);
            }
            Event::EpochFinished {
                epoch,
                loss,
                observed,
            } => {
                self.observed.clear();
                for (batch, seen) in observed {
                    self.record(Record::Observed { epoch, batch, seen })?;
                }
                self.epoch_finished(epoch, loss)?;
            }
            Event::BankFilled { epoch } => {
                self.end_task();
                let seconds = self.evaluation_started.elapsed().as_secs_f64();
                self.record(Record::BankFilled { epoch, seconds })?;
            }
            Event::StoppedEarly { epoch, best } => {
                say(format!(
                    "stopped after epoch {epoch}: {} of {} is best at {} in epoch {}",
                    best.metric,
                    best.split.name(),
                    unit(best.metric).text(best.value),
                    best.epoch
                ));
                self.record(Record::StoppedEarly { epoch, best })?;
            }
            Event::CheckpointDue(state) => self.store(&state)?,
            Event::Warning(message) => {
                say(format!("warning: {message}"));
                self.record(Record::Warning { message })?;
            }
            Event::Finished(finished) => self.result = Some(finished),
        }
        Ok(false)
    }

    /// Records the losses that are still on the device.
    pub fn flush(&mut self) -> Result<()> {
        let steps = std::mem::take(&mut self.unread);
        if steps.is_empty() {
            return Ok(());
        }
        let losses = Tensor::cat(steps.iter().map(|step| step.loss.clone()).collect(), 0);
        let losses: Vec<f32> = losses
            .into_data()
            .try_to_vec()
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let images = std::mem::take(&mut self.unread_images);
        let seconds = self.unread_since.elapsed().as_secs_f64();
        self.unread_since = Instant::now();
        let last = steps.last().map(|step| (step.epoch, step.batch));
        for (
            Step {
                epoch,
                batch,
                learning_rate,
                ..
            },
            loss,
        ) in steps.into_iter().zip(losses)
        {
            self.latest_loss = loss;
            self.record(Record::Step {
                epoch,
                batch,
                loss,
                learning_rate,
            })?;
            if !loss.is_finite() {
                return Err(self.not_finite(epoch, batch, loss));
            }
        }
        if let Some((epoch, batch)) = last {
            self.record(Record::Throughput {
                epoch,
                batch,
                images_per_second: images as f64 / seconds,
            })?;
        }
        Ok(())
    }

    /// Why the run cannot go on, and from where it can; the first loss that is not finite says it
    /// best.
    pub fn explain(&mut self, error: Error) -> anyhow::Error {
        if !matches!(error, Error::NotFinite(_)) {
            return error.into();
        }
        match self.flush() {
            Err(earlier) => earlier,
            Ok(()) => anyhow::anyhow!("{error}; {}", self.last_checkpoint()),
        }
    }

    fn not_finite(&self, epoch: u32, batch: u32, loss: f32) -> anyhow::Error {
        anyhow::anyhow!(
            "the loss became {loss} in epoch {epoch}, batch {batch}, and the run was stopped: lower \
             optimizer.learning_rate, or check the data; {}",
            self.last_checkpoint()
        )
    }

    fn last_checkpoint(&self) -> String {
        let last = self.folder.history().records().iter().rev();
        let last = last.into_iter().find_map(|record| match record {
            Record::Checkpoint { epoch, batch } => Some(format!(
                "the last good checkpoint, of epoch {epoch} before batch {batch}, is kept in {}",
                self.folder.path().join("checkpoints/last").display()
            )),
            _ => None,
        });
        last.unwrap_or_else(|| "there is no checkpoint yet".into())
    }

    /// Stores the state of an interrupted run.
    pub fn interrupted(&mut self, state: &CheckpointState) -> Result<()> {
        self.end_task();
        self.store(state)?;
        let (epoch, batch) = (state.progress.epoch, state.progress.batch);
        // Their epoch will not end in this process.
        for (batch, seen) in std::mem::take(&mut self.observed) {
            let seen = pollster::block_on(seen.read())?;
            self.record(Record::Observed { epoch, batch, seen })?;
        }
        self.record(Record::Interrupted { epoch, batch })
    }

    /// Records what the run took of memory.
    pub fn memory(&mut self, estimated_bytes: u64) -> Result<()> {
        let used = MemoryUse::so_far(&self.device.device);
        self.folder.record(Record::Memory {
            estimated_bytes,
            used,
        })
    }

    /// Ends the record of the run and stores the final state, in this order: a run that is stopped
    /// in between concludes once more.
    pub fn finish(&mut self, state: &CheckpointState, source: &LoaderSource) -> Result<()> {
        if let Some(finished) = self.result.take() {
            self.record(Record::Finished {
                protocol: self.protocol.to_string(),
                selected_epoch: finished.selected_epoch,
                stopped_after: finished.stopped_after,
                metrics: finished.metrics,
                baselines: Box::new(finished.baselines),
                skipped_images: source.bad_images().len(),
                seconds: self.started.elapsed().as_secs_f64(),
            })?;
        }
        self.folder.write_metrics()?;
        self.folder.store(state)
    }

    /// Writes a record into the folder, then tells the trackers.
    fn record(&mut self, record: Record) -> Result<()> {
        self.folder.record(record)?;
        let latest = self.folder.history().records().last();
        let warnings = latest.map_or_else(Vec::new, |record| self.trackers.record(record));
        self.warn_of_trackers(warnings)
    }

    /// Tells the trackers how the run ended, and waits until they know.
    pub fn close_trackers(&mut self, ending: tracker::Ending) -> Result<()> {
        let warnings = self.trackers.close(ending);
        self.warn_of_trackers(warnings)
    }

    fn warn_of_trackers(&mut self, warnings: Vec<String>) -> Result<()> {
        for message in warnings {
            say(format!("warning: {message}"));
            self.folder.record(Record::Warning { message })?;
        }
        Ok(())
    }

    fn begin(&mut self, title: String, total: u64) {
        self.end_task();
        self.task = Some(Task::new(title, total));
    }

    fn advance(&mut self, done: u64, message: String) {
        if let Some(task) = &mut self.task {
            task.update(done, message);
        }
    }

    fn end_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.finish();
        }
    }

    fn step(&mut self, step: Step, source: &LoaderSource) -> Result<()> {
        let done = u64::from(step.batch) + 1;
        self.epoch_images += step.images;
        self.unread_images += step.images;
        let seen = step.observation.clone();
        self.observed.extend(seen.map(|seen| (step.batch, seen)));
        self.unread.push(step);
        if self.unread.len() >= READ_EVERY {
            self.flush()?;
        }
        let speed = self.epoch_images as f64 / self.epoch_started.elapsed().as_secs_f64();
        let loss = if self.latest_loss.is_finite() {
            format!("loss {:.4} ", self.latest_loss)
        } else {
            String::new()
        };
        let waiting = source.waiting();
        self.advance(done, format!("{loss}{speed:.0} images/s{waiting}"));
        Ok(())
    }

    fn epoch_finished(&mut self, epoch: u32, loss: f64) -> Result<()> {
        self.flush()?;
        self.end_task();
        let seconds = self.epoch_started.elapsed().as_secs_f64();
        let images_per_second = self.epoch_images as f64 / seconds;
        say(format!(
            "epoch {epoch:>3}/{}  loss {loss:.4}  {images_per_second:.0} images/s",
            self.epochs
        ));
        self.record(Record::Epoch {
            epoch,
            loss,
            seconds,
            images_per_second,
        })
    }

    fn evaluated(&mut self, evaluation: &Evaluation, source: &LoaderSource) -> Result<()> {
        self.end_task();
        let Evaluation {
            subject,
            epoch,
            split,
            ..
        } = *evaluation;
        if matches!(subject, Subject::Untrained | Subject::Selected) {
            let name = if subject == Subject::Untrained {
                "-untrained"
            } else {
                ""
            };
            let file = self
                .folder
                .path()
                .join(format!("embeddings/{}{name}.safetensors", split.name()));
            write_embeddings(&file, &evaluation.embedded, source.class_names(split))?;
        }
        if subject == Subject::Training {
            let values: Vec<String> = evaluation
                .metrics
                .scalars
                .iter()
                .map(|(&name, &value)| format!("{name} {}", unit(name).text(value)))
                .collect();
            say(format!("          {}  {}", split.name(), values.join("  ")));
        }
        let seconds = self.evaluation_started.elapsed().as_secs_f64();
        let metrics = evaluation.metrics.clone();
        self.record(Record::Evaluated {
            epoch,
            subject,
            split,
            metrics,
            seconds,
        })?;
        self.folder.write_metrics()
    }

    fn store(&mut self, state: &CheckpointState) -> Result<()> {
        self.folder.store(state)?;
        let (epoch, batch) = (state.progress.epoch, state.progress.batch);
        self.record(Record::Checkpoint { epoch, batch })
    }
}
