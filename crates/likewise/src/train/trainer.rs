//! The training loop, turned inside out: each call of [`Trainer::next_event`] does one piece of
//! work and says what happened. Pausing is not calling.

mod evaluation;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::bank::Bank;
use super::doctor::Doctor;
use super::embed::Embedding;
use super::memories::Memories;
use super::stage::StageListener;
use super::step::{Differentiated, Differentiation};
use super::{
    BatchSource, Best, CheckpointState, EmbeddedSplit, Event, Finished, ImageBatch, Learner,
    Observation, Observed, Optimizer, ParameterGradients, Pass, Progress, Split, Stage, Step,
    Subject,
};
use crate::miner::Miner;
use crate::model::{Pretrained, state};
use crate::random::{self, Purpose};
use crate::recipe::{Protocol, Recipe};
use crate::sampler::{BatchPlan, ClassIndex};
use crate::{Error, Result};

/// What the next call does.
#[derive(Debug)]
enum Phase {
    Start,
    Evaluate(Subject, Split),
    Embed(Embedding),
    StartEpoch,
    Batches,
    Checkpoint,
    Conclude,
    Done,
}

/// A run: the learner, its optimizer and the position in the recipe.
#[derive(Debug)]
pub struct Trainer {
    recipe: Recipe,
    device: Device,
    learner: Learner,
    optimizer: Optimizer,
    /// Of the epoch that is reported if no better one comes.
    selected: Option<Learner>,
    /// Bests that the learner is since the last checkpoint.
    improved: Vec<Best>,
    /// Epoch that just ended, if its network is to be kept for good.
    keep: Option<u32>,
    classes: Arc<ClassIndex>,
    batches_per_epoch: u32,
    miner: Option<Miner>,
    memories: Memories,
    doctor: Doctor,
    observations: Vec<(u32, Observation)>,
    progress: Progress,
    loss_sum: Tensor<1>,
    phase: Phase,
    /// To be given out before anything else is done.
    pending: VecDeque<Event>,
    listener: StageListener,
    /// Whether the recipe asks for pretrained weights that have not been given yet.
    lacks_weights: bool,
}

impl Trainer {
    /// A run from its beginning. `device` is the plain device; the trainer adds autodiff.
    pub fn new(recipe: &Recipe, source: &dyn BatchSource, device: &Device) -> Result<Self> {
        recipe.validate()?;
        let labels = source.labels(Split::Train);
        let classes = ClassIndex::new(labels);
        recipe.sampler.validate_data(&classes)?;
        if source.labels(Split::Test).is_empty() {
            return Err(Error::Data(
                "the test split is empty: nothing could be evaluated".into(),
            ));
        }
        let autodiff = device.clone().autodiff();
        let learner = Learner::new(
            recipe,
            source.image_shape(),
            classes.classes().len(),
            &autodiff,
        )?;
        recipe.train.precision.check(device)?;
        if recipe.train.early_stopping.is_some() && source.labels(Split::Validation).is_empty() {
            return Err(Error::Data(
                "train.early_stopping needs validation classes, and the data has none: remove it, or \
                 give some with data.split"
                    .into(),
            ));
        }
        let mut optimizer = Optimizer::new(
            recipe.optimizer.clone(),
            recipe
                .objective
                .learning_rate()
                .unwrap_or(recipe.optimizer.learning_rate),
        );
        if recipe.train.precision.needs_loss_scale() {
            optimizer = optimizer.with_loss_scale(device);
        }
        let batches = recipe.sampler.batches_per_epoch(&classes);
        Ok(Self {
            recipe: recipe.clone(),
            device: device.clone(),
            learner,
            optimizer,
            selected: None,
            improved: Vec::new(),
            keep: None,
            batches_per_epoch: u32::try_from(batches).unwrap_or(u32::MAX),
            classes: Arc::new(classes),
            memories: Memories::new(recipe, device),
            doctor: Doctor::new(recipe),
            observations: Vec::new(),
            miner: recipe
                .miner
                .as_ref()
                .map(|miner| Miner::serving(miner, recipe.objective.entry().tuples))
                .transpose()?,
            progress: Progress {
                epoch: 1,
                ..Progress::default()
            },
            loss_sum: Tensor::zeros([1], device),
            phase: Phase::Start,
            pending: VecDeque::new(),
            listener: StageListener::default(),
            lacks_weights: recipe.model.pretrained,
        })
    }

    /// Gives the backbone the weights that the recipe asks for with `model.pretrained = true`, before
    /// the first event.
    ///
    /// # Errors
    /// [`Error::Weights`] if they are not those of this network; nothing is loaded then.
    pub fn load_pretrained(&mut self, weights: Pretrained) -> Result<()> {
        weights.check(&self.recipe.model)?;
        self.learner.network.load_pretrained(weights.tensors)?;
        self.lacks_weights = false;
        Ok(())
    }

    /// The same run, continued from `state`: the rest equals that of the uninterrupted run.
    pub fn resume(
        recipe: &Recipe,
        source: &dyn BatchSource,
        device: &Device,
        state: CheckpointState,
    ) -> Result<Self> {
        let mut trainer = Self::new(recipe, source, device)?;
        if let Some(selected) = state.selected {
            let mut learner = trainer.learner.clone();
            state::load_state_dict(&mut learner, &selected)?;
            trainer.selected = Some(learner);
        }
        state::load_state_dict(&mut trainer.learner, &state.learner)?;
        trainer.lacks_weights = false;
        let moments = state
            .optimizer
            .into_iter()
            .map(|(name, data)| (name, Tensor::from_data(data, device)))
            .collect();
        trainer.optimizer.restore(state.progress.steps, moments)?;
        trainer.memories.restore(&state.memory, device)?;
        trainer.loss_sum = Tensor::from_data([state.progress.loss_sum], device);
        trainer.progress = state.progress;
        Ok(trainer)
    }

    /// Counters of the run.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What is being trained.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// Tells `listener` from now on whenever a part of a step has been asked of the device, which may
    /// not have done it by then. In steps of several chunks or batches stages repeat.
    pub fn listen_to_stages(&mut self, listener: impl Fn(Stage) + 'static) {
        self.listener = StageListener(Some(Box::new(listener)));
    }

    /// Whether the last event was given out.
    pub fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// Does the next piece of work. `None` after [`Event::Finished`].
    pub async fn next_event(&mut self, source: &mut dyn BatchSource) -> Result<Option<Event>> {
        if let Some(event) = self.pending.pop_front() {
            return Ok(Some(event));
        }
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Start if self.lacks_weights => Err(Error::Weights(
                "the recipe starts from pretrained weights, but none were loaded".into(),
            )),
            Phase::Start => Ok(Some(self.start(source))),
            Phase::Evaluate(subject, split) => {
                self.begin_evaluation(subject, split, source).map(Some)
            }
            Phase::Embed(embedding) => self.embed(embedding, source).await.map(Some),
            Phase::StartEpoch => self.start_epoch(source).map(Some),
            Phase::Batches => self.batch(source).await.map(Some),
            Phase::Checkpoint => {
                let state = self.checkpoint().await?;
                self.phase = self.after_checkpoint();
                Ok(Some(Event::CheckpointDue(Box::new(state))))
            }
            Phase::Conclude => Ok(Some(Event::Finished(self.conclude()))),
            Phase::Done => Ok(None),
        }
    }

    /// The state as it is now, read from the device.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if a parameter is not finite: there is no going on from there.
    pub async fn checkpoint(&mut self) -> Result<CheckpointState> {
        self.progress.steps = self.optimizer.steps();
        self.progress.loss_sum = read_scalar(self.loss_sum.clone()).await?;
        if !read_scalar(self.learner.magnitude()).await?.is_finite() {
            return Err(self.not_finite(self.progress.loss_sum.into(), &[]));
        }
        let mut optimizer = BTreeMap::new();
        for (name, tensor) in self.optimizer.tensors() {
            optimizer.insert(name, state::read(tensor).await?);
        }
        Ok(CheckpointState {
            progress: self.progress.clone(),
            learner: state::state_dict(&self.learner).await?,
            optimizer,
            memory: self.memories.save().await?,
            improved: std::mem::take(&mut self.improved),
            keep: self.keep.take(),
            selected: None,
        })
    }

    fn start(&mut self, source: &dyn BatchSource) -> Event {
        if self.recipe.train.protocol == Protocol::Validation && !self.has_validation(source) {
            self.warn(
                "there are no validation classes to choose an epoch with: the last epoch is reported"
                    .into(),
            );
        }
        for split in self.recipe.evaluation.splits.clone() {
            if source.labels(split).is_empty() {
                let name = split.name();
                self.warn(format!(
                    "evaluation.splits names \"{name}\", but the data has no {name} images: it is left out"
                ));
            }
        }
        self.phase = if self.progress.baselines.untrained.is_none() {
            Phase::Evaluate(Subject::Untrained, Split::Test)
        } else {
            self.after_checkpoint()
        };
        Event::Started {
            epochs: self.recipe.train.epochs,
            batches_per_epoch: self.batches_per_epoch,
            epoch: self.progress.epoch,
            batch: self.progress.batch,
        }
    }

    fn has_validation(&self, source: &dyn BatchSource) -> bool {
        !source.labels(Split::Validation).is_empty()
    }

    fn warn(&mut self, text: String) {
        self.pending.push_back(Event::Warning(text));
    }

    fn end_epoch(&mut self) {
        let every = self.recipe.train.checkpoint_every;
        if every > 0 && self.progress.epoch.is_multiple_of(every) {
            self.keep = Some(self.progress.epoch);
        }
        self.progress.epoch += 1;
        self.progress.batch = 0;
        self.loss_sum = Tensor::zeros([1], &self.device);
    }

    fn after_checkpoint(&self) -> Phase {
        if self.progress.finished {
            Phase::Done
        } else if self.progress.epoch > self.recipe.train.epochs
            || self.progress.stopped_after.is_some()
        {
            Phase::Evaluate(Subject::Selected, Split::Test)
        } else {
            Phase::StartEpoch
        }
    }

    fn start_epoch(&mut self, source: &mut dyn BatchSource) -> Result<Event> {
        let (epoch, first_batch) = (self.progress.epoch, self.progress.batch);
        let filled = self.progress.bank_filled;
        if self
            .memories
            .bank
            .as_ref()
            .is_some_and(|bank| bank.is_due(epoch, filled))
        {
            return self.begin_evaluation(Subject::MemoryBank, Split::Train, source);
        }
        source.begin(Pass::Training(BatchPlan::new(
            &self.recipe.sampler,
            &self.classes,
            self.memories.bank.as_ref().and_then(Bank::current),
            self.recipe.seed,
            epoch,
            first_batch..self.batches_per_epoch,
        )))?;
        self.phase = Phase::Batches;
        Ok(Event::EpochStarted { epoch })
    }

    fn fill_bank(&mut self, embedded: &EmbeddedSplit) -> Result<Event> {
        let epoch = self.progress.epoch;
        if let Some(bank) = &mut self.memories.bank {
            bank.fill(embedded, self.classes.images())?;
        }
        self.progress.bank_filled = Some(epoch);
        self.phase = Phase::StartEpoch;
        Ok(Event::BankFilled { epoch })
    }

    async fn batch(&mut self, source: &mut dyn BatchSource) -> Result<Event> {
        let epoch = self.progress.epoch;
        let Some(images) = source.next_batch()? else {
            return self.finish_epoch(source).await;
        };
        let factor = self.recipe.optimizer.schedule.factor(
            epoch,
            self.recipe.train.epochs,
            self.progress.batch,
            self.batches_per_epoch,
        );
        let mut sum = self.compare(images)?;
        let mut batches = 1;
        while batches < self.recipe.train.accumulation_steps
            && let Some(images) = source.next_batch()?
        {
            sum.add(self.compare(images)?);
            batches += 1;
        }
        let Accumulated {
            mut loss,
            mut gradients,
            images,
            observation,
        } = sum;
        if batches > 1 {
            let share = loss.clone().full_like(1.0 / f64::from(batches));
            loss = loss * share.clone();
            gradients.scale(&share);
        }
        self.learner = self.optimizer.step(self.learner.clone(), gradients, factor);
        self.listener.ended(Stage::Optimizer);
        self.phase = Phase::Batches;
        Ok(Event::Step(Step {
            epoch,
            batch: self.progress.batch - 1,
            loss,
            learning_rate: self.recipe.optimizer.learning_rate * factor,
            images,
            observation: observation.map(Box::new),
        }))
    }

    /// Differentiates one batch and takes note of it; the weights stay as they are.
    fn compare(&mut self, mut images: ImageBatch) -> Result<Accumulated> {
        let Differentiated {
            loss,
            embeddings,
            gradients,
            observation,
        } = self.differentiate(&mut images)?;
        self.memories.push(&images, embeddings);
        self.observations
            .extend(observation.clone().map(|seen| (self.progress.batch, seen)));
        self.loss_sum = self.loss_sum.clone() + loss.clone();
        self.progress.batch += 1;
        Ok(Accumulated {
            loss,
            gradients,
            images: images.len(),
            observation,
        })
    }

    fn differentiate(&self, images: &mut ImageBatch) -> Result<Differentiated> {
        let every = self.recipe.train.observe_every;
        let differentiation = Differentiation {
            learner: &self.learner,
            miner: self.miner.as_ref(),
            memory: self.memories.cross_batch.as_ref(),
            device: &self.device,
            chunk_size: self.recipe.train.chunk_size,
            recompute: self.recipe.train.gradient_checkpointing,
            loss_scale: self.optimizer.loss_scale(),
            listener: &self.listener,
            observe: every > 0 && self.progress.batch.is_multiple_of(every),
        };
        differentiation.run(images, &mut self.miner_stream())
    }

    fn miner_stream(&self) -> ChaCha8Rng {
        let Progress { epoch, batch, .. } = self.progress;
        random::stream(self.recipe.seed, Purpose::Miner, epoch, batch, 0)
    }

    async fn finish_epoch(&mut self, source: &dyn BatchSource) -> Result<Event> {
        let epoch = self.progress.epoch;
        let loss = f64::from(read_scalar(self.loss_sum.clone()).await?)
            / f64::from(self.batches_per_epoch);
        let mut observed = Vec::new();
        for (batch, observation) in std::mem::take(&mut self.observations) {
            observed.push((batch, observation.read().await?));
        }
        let finite = read_scalar(self.learner.magnitude()).await?.is_finite();
        if !(loss.is_finite() && finite) {
            return Err(self.not_finite(loss, &observed));
        }
        if let Some(bank) = &mut self.memories.bank {
            bank.update().await?;
        }
        let steps: Vec<Observed> = observed.iter().map(|(_, seen)| seen.clone()).collect();
        for text in self.doctor.examine(epoch, loss, &steps) {
            self.warn(text);
        }
        self.phase = self.after_epoch(source);
        Ok(Event::EpochFinished {
            epoch,
            loss,
            observed,
        })
    }

    fn not_finite(&self, loss: f64, observed: &[(u32, Observed)]) -> Error {
        let epoch = self.progress.epoch;
        let broken = observed
            .iter()
            .find(|(_, seen)| !(seen.mean_norm.is_finite() && seen.gradient_max.is_finite()));
        let seen = match broken {
            Some((batch, seen)) if !seen.mean_norm.is_finite() => {
                format!("the embeddings are not numbers any more in batch {batch}")
            }
            Some((batch, _)) => format!("the gradient is not finite in batch {batch}"),
            None => "embeddings and gradients were finite in the steps looked at".into(),
        };
        let what = if loss.is_finite() {
            "a parameter is not finite any more after".into()
        } else {
            format!("the loss became {loss} in")
        };
        Error::NotFinite(format!(
            "{what} epoch {epoch} ({seen}): lower optimizer.learning_rate (now \
             {}), or check the data",
            self.recipe.optimizer.learning_rate
        ))
    }

    fn after_epoch(&mut self, source: &dyn BatchSource) -> Phase {
        let every = self.recipe.evaluation.every;
        let due = every > 0
            && (self.progress.epoch.is_multiple_of(every)
                || self.progress.epoch == self.recipe.train.epochs);
        match self.evaluated_splits(source).first() {
            Some(&split) if due => Phase::Evaluate(Subject::Training, split),
            _ => {
                self.end_epoch();
                Phase::Checkpoint
            }
        }
    }

    fn conclude(&mut self) -> Finished {
        self.progress.finished = true;
        Finished {
            selected_epoch: self.selected_epoch(),
            stopped_after: self.progress.stopped_after,
            metrics: self.progress.maxima.clone(),
            baselines: self.progress.baselines.clone(),
        }
    }
}

/// Sums over the batches of one step.
struct Accumulated {
    loss: Tensor<1>,
    gradients: ParameterGradients,
    images: usize,
    observation: Option<Observation>,
}

impl Accumulated {
    fn add(&mut self, other: Self) {
        self.loss = self.loss.clone() + other.loss;
        self.gradients.add(other.gradients);
        self.images += other.images;
        self.observation = self.observation.take().or(other.observation);
    }
}

async fn read_scalar(tensor: Tensor<1>) -> Result<f32> {
    let value = state::read_values(tensor).await?.first().copied();
    value.ok_or_else(|| Error::Device("a scalar has no value".into()))
}
