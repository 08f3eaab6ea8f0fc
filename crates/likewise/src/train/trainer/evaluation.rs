//! Evaluation in the course of a run: which splits and metrics, and what follows from their values.

use super::{Phase, Trainer};
use crate::Result;
use crate::metric::{Direction, MetricSet, MetricValues, Quantity};
use crate::recipe::Protocol;
use crate::train::embed::Embedding;
use crate::train::{BatchSource, Evaluation, Event, Split, Subject};

impl Trainer {
    pub(super) fn begin_evaluation(
        &mut self,
        subject: Subject,
        split: Split,
        source: &mut dyn BatchSource,
    ) -> Result<Event> {
        let embedding =
            Embedding::begin(subject, split, self.recipe.evaluation.batch_size, source)?;
        let images = embedding.images;
        self.phase = Phase::Embed(embedding);
        Ok(Event::EvaluationStarted {
            subject,
            split,
            images,
        })
    }

    pub(super) async fn embed(
        &mut self,
        mut embedding: Embedding,
        source: &mut dyn BatchSource,
    ) -> Result<Event> {
        let network = match embedding.subject {
            Subject::RawPixels => None,
            Subject::Selected => Some(
                self.selected
                    .as_ref()
                    .unwrap_or(&self.learner)
                    .network
                    .for_evaluation(),
            ),
            Subject::Untrained
            | Subject::PretrainedFeatures
            | Subject::Training
            | Subject::MemoryBank => Some(self.learner.network.for_evaluation()),
        };
        if let Some(done) = embedding
            .advance(network.as_ref(), &self.device, source)
            .await?
        {
            let images = embedding.images;
            self.phase = Phase::Embed(embedding);
            return Ok(Event::Embedded { done, images });
        }
        let (subject, split) = (embedding.subject, embedding.split);
        let embedded = embedding.into_embedded(&*source);
        if subject == Subject::MemoryBank {
            return self.fill_bank(&embedded);
        }
        let requested = self.requested(subject);
        let (metrics, _) = embedded.evaluate(&requested, self.recipe.seed)?;
        for (name, note) in &metrics.notes {
            self.warn(format!("{name}: {note}"));
        }
        let epoch = self.evaluated_epoch(subject);
        self.phase = self.after_evaluation(subject, split, &metrics, source);
        Ok(Event::Evaluated(Evaluation {
            subject,
            epoch,
            split,
            metrics,
            embedded,
        }))
    }

    fn evaluated_epoch(&self, subject: Subject) -> u32 {
        match subject {
            Subject::Untrained | Subject::RawPixels | Subject::PretrainedFeatures => 0,
            Subject::Training | Subject::MemoryBank => self.progress.epoch,
            Subject::Selected => self.selected_epoch(),
        }
    }

    /// The epoch that is reported: the best by the selecting metric, else the last.
    pub(super) fn selected_epoch(&self) -> u32 {
        let split = self.recipe.train.protocol.choosing_split();
        let best = self.progress.best_of(split, self.recipe.evaluation.select);
        best.map_or(self.progress.epoch - 1, |best| best.epoch)
    }

    fn requested(&self, subject: Subject) -> MetricSet {
        let evaluation = &self.recipe.evaluation;
        match (subject, self.recipe.train.protocol) {
            // Clustering and the spectrum of thousands of dimensions would take minutes, and say
            // little: pixels are compared as what they are, a way to retrieve images.
            (Subject::RawPixels | Subject::PretrainedFeatures, _) => evaluation
                .metrics
                .iter()
                .filter(|name| name.quantity() <= Quantity::MapC)
                .collect(),
            (Subject::Training, Protocol::Validation) => evaluation.progress.clone(),
            (Subject::Training, Protocol::Paper) => evaluation
                .metrics
                .iter()
                .chain(evaluation.progress.iter())
                .collect(),
            (Subject::MemoryBank, _) => MetricSet::default(),
            (Subject::Untrained | Subject::Selected, _) => evaluation.metrics.clone(),
        }
    }

    fn after_evaluation(
        &mut self,
        subject: Subject,
        split: Split,
        metrics: &MetricValues,
        source: &dyn BatchSource,
    ) -> Phase {
        match subject {
            Subject::Untrained => {
                self.progress.baselines.untrained = Some(metrics.clone());
                let baseline = if self.recipe.model.pretrained {
                    Subject::PretrainedFeatures
                } else {
                    Subject::RawPixels
                };
                Phase::Evaluate(baseline, Split::Test)
            }
            Subject::PretrainedFeatures => {
                self.progress.baselines.pretrained_features = Some(metrics.clone());
                Phase::Checkpoint
            }
            Subject::RawPixels => {
                self.progress.baselines.raw_pixels = Some(metrics.clone());
                Phase::Checkpoint
            }
            Subject::Training => {
                self.consider(split, metrics);
                let mut others = self.evaluated_splits(source).into_iter();
                match others
                    .by_ref()
                    .find(|&other| other == split)
                    .and(others.next())
                {
                    Some(next) => Phase::Evaluate(Subject::Training, next),
                    None => {
                        self.end_epoch();
                        Phase::Checkpoint
                    }
                }
            }
            Subject::MemoryBank => Phase::StartEpoch,
            Subject::Selected => {
                raise(&mut self.progress.maxima, metrics);
                Phase::Conclude
            }
        }
    }

    /// Splits to evaluate while training that have images.
    pub(super) fn evaluated_splits(&self, source: &dyn BatchSource) -> Vec<Split> {
        let mut splits = self.recipe.evaluated_splits();
        splits.retain(|&split| !source.labels(split).is_empty());
        splits
    }

    /// Keeps the learner when it is to be reported, and ends the run when that is not to be
    /// expected any more.
    fn consider(&mut self, split: Split, metrics: &MetricValues) {
        let (choosing, select) = (
            self.recipe.train.protocol.choosing_split(),
            self.recipe.evaluation.select,
        );
        if self.recipe.train.protocol == Protocol::Paper && split == choosing {
            raise(&mut self.progress.maxima, metrics);
        }
        let improved = self.progress.consider(&self.recipe, split, metrics);
        if improved
            .iter()
            .any(|best| (best.split, best.metric) == (choosing, select))
        {
            self.selected = Some(self.learner.clone());
        }
        self.improved.extend(improved);
        if split == choosing
            && self.progress.stopped_after.is_some()
            && let Some(best) = self.progress.best_of(choosing, select).cloned()
        {
            let epoch = self.progress.epoch;
            self.pending.push_back(Event::StoppedEarly { epoch, best });
        }
    }
}

/// Takes over `newer`, except where an older score is better.
fn raise(best: &mut MetricValues, newer: &MetricValues) {
    for (&name, &value) in &newer.scalars {
        let entry = best.scalars.entry(name).or_insert(value);
        if name.metric().direction != Direction::Higher || value > *entry {
            *entry = value;
        }
    }
    best.arrays.extend(
        newer
            .arrays
            .iter()
            .map(|(&name, values)| (name, values.clone())),
    );
}
