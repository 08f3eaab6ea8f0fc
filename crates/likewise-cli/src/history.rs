//! What happened in a run, as the lines of `events.jsonl`: the one record from which tables,
//! curves and the report are made.

use std::collections::BTreeMap;

use likewise::metric::MetricValues;
use likewise::train::{Baselines, Best, Observed, Split, Subject};
use serde::{Deserialize, Serialize};

use crate::memory::MemoryUse;

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Record {
    /// The run began or was continued.
    Started {
        /// Seconds since 1970.
        time: u64,
        /// Epochs of the recipe.
        epochs: u32,
        /// Batches in an epoch.
        batches_per_epoch: u32,
        /// Epoch that begins or goes on.
        epoch: u32,
        /// Batch that comes next.
        batch: u32,
        /// Device that computes.
        device: String,
    },
    /// A step was taken.
    Step {
        /// Epoch, from 1.
        epoch: u32,
        /// Batch, from 0.
        batch: u32,
        /// Loss of the batch.
        loss: f32,
        /// Learning rate of the backbone.
        learning_rate: f64,
    },
    /// Losses were read from the device, which had done all steps until then.
    Throughput {
        /// Epoch, from 1.
        epoch: u32,
        /// Batch of the last of these steps, from 0.
        batch: u32,
        /// Training speed since the record before this one, or since the epoch began.
        images_per_second: f64,
    },
    /// A step was looked at more closely.
    Observed {
        /// Epoch, from 1.
        epoch: u32,
        /// Batch, from 0.
        batch: u32,
        /// What was seen.
        #[serde(flatten)]
        seen: Observed,
    },
    /// The memory bank that batches are drawn from was filled.
    BankFilled {
        /// Epoch before which it was filled.
        epoch: u32,
        /// Duration.
        seconds: f64,
    },
    /// An epoch ended.
    Epoch {
        /// Epoch, from 1.
        epoch: u32,
        /// Mean loss.
        loss: f64,
        /// Duration.
        seconds: f64,
        /// Training speed.
        images_per_second: f64,
    },
    /// A split was evaluated.
    Evaluated {
        /// Epoch; 0 before training.
        epoch: u32,
        /// What was evaluated.
        subject: Subject,
        /// The split.
        split: Split,
        /// Values by name.
        metrics: MetricValues,
        /// Duration.
        seconds: f64,
    },
    /// Early stopping ended the training.
    StoppedEarly {
        /// Epoch that was the last, from 1.
        epoch: u32,
        /// The epoch that is reported.
        best: Best,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Epoch that begins or goes on from it.
        epoch: u32,
        /// Batch that comes next.
        batch: u32,
    },
    /// Something to know that did not stop the run.
    Warning {
        /// The text.
        message: String,
    },
    /// The user stopped the run after a step.
    Interrupted {
        /// Epoch.
        epoch: u32,
        /// Batch that comes next.
        batch: u32,
    },
    /// What the run took of memory.
    Memory {
        /// What was estimated before the first step, on the device.
        estimated_bytes: u64,
        /// The most that was held.
        #[serde(flatten)]
        used: MemoryUse,
    },
    /// The result; the last line.
    Finished {
        /// Protocol of model selection.
        protocol: String,
        /// Epoch whose network was selected.
        selected_epoch: u32,
        /// Epoch after which early stopping ended the run.
        #[serde(default)]
        stopped_after: Option<u32>,
        /// Test metrics of that network.
        metrics: MetricValues,
        /// The comparison.
        baselines: Box<Baselines>,
        /// Files left out because they could not be decoded.
        skipped_images: usize,
        /// Time spent in this process.
        seconds: f64,
    },
}

/// All records of a run. Where an epoch was repeated after an interruption, the last one counts.
#[derive(Clone, Debug, Default)]
pub struct History {
    records: Vec<Record>,
}

impl History {
    /// Reads the lines of a file. A last line cut off by a power failure is left out.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines: Vec<&str> = text.lines().collect();
        let mut records = Vec::with_capacity(lines.len());
        for (number, line) in lines.iter().enumerate() {
            match serde_json::from_str(line) {
                Ok(record) => records.push(record),
                Err(_) if number + 1 == lines.len() => {}
                Err(error) => return Err(format!("line {}: {error}", number + 1)),
            }
        }
        Ok(Self { records })
    }

    /// Adds a record.
    pub fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Every record in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Loss of each step, by (epoch, batch).
    pub fn step_losses(&self) -> BTreeMap<(u32, u32), f32> {
        let losses = self.records.iter().filter_map(|record| match record {
            Record::Step {
                epoch, batch, loss, ..
            } => Some(((*epoch, *batch), *loss)),
            _ => None,
        });
        losses.collect()
    }

    /// Steps that were looked at more closely, by (epoch, batch).
    pub fn observed(&self) -> BTreeMap<(u32, u32), &Observed> {
        let seen = self.records.iter().filter_map(|record| match record {
            Record::Observed { epoch, batch, seen } => Some(((*epoch, *batch), seen)),
            _ => None,
        });
        seen.collect()
    }

    /// Evaluations by (split, epoch, subject), in that order.
    pub fn evaluations(&self) -> BTreeMap<(Split, u32, &'static str), &MetricValues> {
        let timed = self.timed_evaluations().into_iter();
        timed.map(|(key, (metrics, _))| (key, metrics)).collect()
    }

    /// What the run was estimated to take of memory, in bytes, and what it took.
    pub fn memory(&self) -> Option<(u64, MemoryUse)> {
        let found = self.records.iter().rev();
        let mut found = found.filter_map(|record| match record {
            Record::Memory {
                estimated_bytes,
                used,
            } => Some((*estimated_bytes, *used)),
            _ => None,
        });
        found.next()
    }

    /// Warnings, each once.
    pub fn warnings(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for record in &self.records {
            if let Record::Warning { message } = record
                && !texts.contains(message)
            {
                texts.push(message.clone());
            }
        }
        texts
    }

    /// The table `metrics.csv`: a row per value, epochs before evaluations.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("epoch,split,subject,metric,value\n");
        for (epoch, values) in self.epochs() {
            for (name, value) in values {
                text += &format!("{epoch},train,training,{name},{value}\n");
            }
        }
        for ((split, epoch, subject), (metrics, seconds)) in self.timed_evaluations() {
            for (name, value) in &metrics.scalars {
                text += &format!("{epoch},{},{subject},{name},{value}\n", split.name());
            }
            text += &format!(
                "{epoch},{},{subject},evaluation_seconds,{seconds}\n",
                split.name()
            );
        }
        text
    }

    /// What is known of each epoch's training, by name; the learning rate is that of its last step.
    fn epochs(&self) -> BTreeMap<u32, BTreeMap<&'static str, f64>> {
        let mut epochs: BTreeMap<u32, BTreeMap<&'static str, f64>> = BTreeMap::new();
        for record in &self.records {
            match *record {
                Record::Step {
                    epoch,
                    learning_rate,
                    ..
                } => {
                    let values = epochs.entry(epoch).or_default();
                    values.insert("learning_rate", learning_rate);
                }
                Record::Epoch {
                    epoch,
                    loss,
                    seconds,
                    images_per_second,
                } => epochs.entry(epoch).or_default().extend([
                    ("loss", loss),
                    ("training_seconds", seconds),
                    ("images_per_second", images_per_second),
                ]),
                _ => {}
            }
        }
        epochs
    }

    /// Evaluations with their duration by (split, epoch, subject), in that order.
    fn timed_evaluations(&self) -> BTreeMap<(Split, u32, &'static str), (&MetricValues, f64)> {
        let found = self.records.iter().filter_map(|record| match record {
            Record::Evaluated {
                epoch,
                subject,
                split,
                metrics,
                seconds,
            } => Some((
                (*split, *epoch, subject_name(*subject)),
                (metrics, *seconds),
            )),
            _ => None,
        });
        found.collect()
    }
}

/// Name of a subject in files.
pub fn subject_name(subject: Subject) -> &'static str {
    match subject {
        Subject::Untrained => "untrained",
        Subject::RawPixels => "raw_pixels",
        Subject::PretrainedFeatures => "pretrained_features",
        Subject::Training => "training",
        Subject::Selected => "selected",
        Subject::MemoryBank => "memory_bank",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(batch: u32, loss: f64) -> String {
        format!(r#"{{"event":"step","epoch":1,"batch":{batch},"loss":{loss},"learning_rate":0.1}}"#)
    }

    #[test]
    fn a_repeated_step_counts_once_with_its_last_value() {
        let text = [step(1, 0.5), step(2, 0.4), step(2, 0.25)].join("\n");
        let losses = History::parse(&text).unwrap().step_losses();
        assert_eq!(
            losses.into_iter().collect::<Vec<_>>(),
            [((1, 1), 0.5), ((1, 2), 0.25)]
        );
    }

    #[test]
    fn the_table_holds_training_and_evaluation_of_each_epoch_with_their_times() {
        let epoch =
            r#"{"event":"epoch","epoch":1,"loss":0.5,"seconds":2.0,"images_per_second":8.0}"#;
        let evaluated = r#"{"event":"evaluated","epoch":1,"subject":"training","split":"test",
            "metrics":{"recall@1":0.25},"seconds":3.0}"#
            .replace('\n', "");
        let text = [step(0, 0.5), epoch.into(), evaluated].join("\n");
        let table = History::parse(&text).unwrap().to_csv();
        let expected = [
            "epoch,split,subject,metric,value",
            "1,train,training,images_per_second,8",
            "1,train,training,learning_rate,0.1",
            "1,train,training,loss,0.5",
            "1,train,training,training_seconds,2",
            "1,test,training,recall@1,0.25",
            "1,test,training,evaluation_seconds,3",
        ];
        assert_eq!(table.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_cut_last_line_is_left_out_and_a_broken_one_before_it_is_an_error() {
        let good = step(1, 0.5);
        assert_eq!(
            History::parse(&format!("{good}\n{{\"event\":\"ep"))
                .unwrap()
                .records()
                .len(),
            1
        );
        assert!(
            History::parse(&format!("nonsense\n{good}"))
                .unwrap_err()
                .contains("line 1")
        );
    }
}
