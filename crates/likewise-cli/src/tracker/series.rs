//! The curves of a run: what each record adds to which of them, under the names that all trackers
//! show.

use likewise::metric::MetricValues;
use likewise::train::Subject;

use crate::history::{Record, subject_name};

/// One point of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Name of the curve, such as `train/loss` or `test/recall@1`.
    pub curve: String,
    /// Batches done until then.
    pub step: u64,
    /// Value.
    pub value: f64,
}

/// Follows the records of a run.
#[derive(Clone, Debug, Default)]
pub struct Series {
    batches_per_epoch: u64,
    /// Batches done.
    done: u64,
    has_checkpoint: bool,
}

impl Series {
    /// The points that a record adds.
    pub fn follow(&mut self, record: &Record) -> Vec<Point> {
        match record {
            Record::Started {
                batches_per_epoch,
                epoch,
                batch,
                ..
            } => {
                self.batches_per_epoch = (*batches_per_epoch).into();
                self.done = self.before(*epoch, *batch);
                Vec::new()
            }
            Record::Step {
                epoch,
                batch,
                loss,
                learning_rate,
            } => {
                self.done = self.before(*epoch, *batch) + 1;
                let values = [
                    ("loss", f64::from(*loss)),
                    ("learning_rate", *learning_rate),
                ];
                self.points("train", values)
            }
            Record::Throughput {
                images_per_second, ..
            } => self.points("train", [("images_per_second", *images_per_second)]),
            Record::Observed { epoch, batch, seen } => {
                let step = self.before(*epoch, *batch) + 1;
                let counted = seen.statistics.iter();
                let values = [
                    ("switched", seen.switched as f64),
                    ("gradient_rms", seen.gradient_rms),
                    ("gradient_max", seen.gradient_max),
                    ("effective_rank", seen.effective_rank),
                    ("mean_norm", seen.mean_norm),
                ];
                let share = seen.active_share().map(|share| ("active_share", share));
                let values = values.into_iter().chain(share);
                let values = values.chain(counted.map(|(name, &value)| (name.as_str(), value)));
                points("batch", step, values)
            }
            Record::Epoch {
                epoch,
                loss,
                seconds,
                images_per_second,
            } => {
                self.done = u64::from(*epoch) * self.batches_per_epoch;
                let values = [
                    ("loss", *loss),
                    ("training_seconds", *seconds),
                    ("images_per_second", *images_per_second),
                ];
                self.points("epoch", values)
            }
            Record::Evaluated {
                subject,
                split,
                metrics,
                seconds,
                ..
            } => match subject {
                Subject::Training => {
                    let mut points = self.metrics(split.name(), self.done, metrics);
                    let duration = [("evaluation_seconds", *seconds)];
                    points.extend(self.points(split.name(), duration));
                    points
                }
                Subject::Untrained | Subject::RawPixels | Subject::PretrainedFeatures => {
                    self.metrics(subject_name(*subject), 0, metrics)
                }
                // What comes of it is the result.
                Subject::Selected | Subject::MemoryBank => Vec::new(),
            },
            Record::Finished {
                selected_epoch,
                metrics,
                ..
            } => {
                let mut points = self.metrics("result", self.done, metrics);
                points.extend(self.points("result", [("epoch", f64::from(*selected_epoch))]));
                points
            }
            Record::Checkpoint { .. } => {
                self.has_checkpoint = true;
                Vec::new()
            }
            Record::BankFilled { .. }
            | Record::Memory { .. }
            | Record::StoppedEarly { .. }
            | Record::Warning { .. }
            | Record::Interrupted { .. } => Vec::new(),
        }
    }

    /// The first step that is not in the state the run goes on from.
    pub fn first_new_step(&self) -> u64 {
        if self.has_checkpoint {
            self.done + 1
        } else {
            0
        }
    }

    fn before(&self, epoch: u32, batch: u32) -> u64 {
        u64::from(epoch.saturating_sub(1)) * self.batches_per_epoch + u64::from(batch)
    }

    fn points<'a>(
        &self,
        group: &str,
        values: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Vec<Point> {
        points(group, self.done, values)
    }

    fn metrics(&self, group: &str, step: u64, metrics: &MetricValues) -> Vec<Point> {
        let point = |(name, &value)| Point {
            curve: format!("{group}/{name}"),
            step,
            value,
        };
        metrics.scalars.iter().map(point).collect()
    }
}

fn points<'a>(
    group: &str,
    step: u64,
    values: impl IntoIterator<Item = (&'a str, f64)>,
) -> Vec<Point> {
    let point = |(name, value)| Point {
        curve: format!("{group}/{name}"),
        step,
        value,
    };
    values.into_iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> Record {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn steps_count_batches_over_all_epochs_and_go_on_after_the_checkpoint() {
        let mut series = Series::default();
        let start = |epoch, batch| {
            record(&format!(
                r#"{{"event":"started","time":1,"epochs":3,"batches_per_epoch":4,"epoch":{epoch},
                "batch":{batch},"device":""}}"#
            ))
        };
        series.follow(&start(1, 0));
        assert_eq!(series.first_new_step(), 0, "nothing is stored yet");
        let step = r#"{"event":"step","epoch":2,"batch":3,"loss":0.5,"learning_rate":0.1}"#;
        let points = series.follow(&record(step));
        let loss = Point {
            curve: "train/loss".into(),
            step: 8,
            value: 0.5,
        };
        assert_eq!(points[0], loss);
        let evaluated = r#"{"event":"evaluated","epoch":2,"subject":"training","split":"test",
            "metrics":{"recall@1":0.25},"seconds":3.0}"#;
        let points = series.follow(&record(evaluated));
        assert_eq!(
            (points[0].curve.as_str(), points[0].step),
            ("test/recall@1", 8)
        );
        assert_eq!(points[1].curve, "test/evaluation_seconds");
        series.follow(&record(r#"{"event":"checkpoint","epoch":3,"batch":0}"#));
        series.follow(&start(3, 0));
        assert_eq!(series.first_new_step(), 9);
        series.follow(&start(2, 1));
        assert_eq!(series.first_new_step(), 6);
    }
}
