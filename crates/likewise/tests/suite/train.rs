//! The trainer on images made up in memory: it learns, repeats itself, continues where it was
//! stopped, and does the same on every device.

use burn::tensor::Device;
use likewise::recipe::Recipe;
use likewise::train::{
    Best, CheckpointState, Evaluation, Event, Finished, Schedule, Split, Subject, Trainer,
};

use crate::support::{Case, assert_close, values};
use crate::waves::{Waves, recipe};

pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "train::loss_falls_and_unseen_classes_are_told_apart",
            learns,
        ),
        Case::new("train::equals_the_processor", equals_the_processor),
        Case::new("train::continues_where_it_was_stopped", continues),
        Case::new("train::protocol_paper_reports_maxima", protocol_paper),
        Case::new(
            "train::keeps_the_best_of_each_metric_and_split",
            keeps_the_best,
        ),
        Case::new("train::stops_early_and_so_when_continued", stops_early),
        Case::new(
            "train::without_validation_classes_it_warns",
            without_validation,
        ),
        Case::new("train::sgd_matches_its_formula", sgd_matches_its_formula),
        Case::new(
            "train::a_loss_that_is_not_finite_stops_the_run",
            stops_at_nan,
        ),
    ]
}

/// Everything a run said that a test looks at.
#[derive(Default)]
struct Story {
    losses: Vec<f64>,
    epoch_losses: Vec<f64>,
    warnings: Vec<String>,
    evaluations: Vec<Evaluation>,
    checkpoints: Vec<CheckpointState>,
    finished: Option<Finished>,
    last: CheckpointState,
}

impl Story {
    fn recall(&self) -> (f64, f64) {
        let finished = self.finished.as_ref().unwrap();
        let untrained = finished.baselines.untrained.as_ref().unwrap();
        (
            untrained.get("recall@1").unwrap(),
            finished.metrics.get("recall@1").unwrap(),
        )
    }
}

/// The state of a checkpoint as it is read again: with the network that is selected until then.
fn stored(recipe: &Recipe, checkpoints: &[CheckpointState]) -> CheckpointState {
    let mut state = checkpoints.last().unwrap().clone();
    let selects = |best: &Best| {
        let split = recipe.train.protocol.choosing_split();
        (best.split, best.metric) == (split, recipe.evaluation.select)
    };
    let mut earlier = checkpoints.iter().rev();
    let selected = earlier.find(|state| state.improved.iter().any(selects));
    state.selected = selected.map(|state| state.learner.clone());
    state
}

fn tell(mut trainer: Trainer, source: &mut Waves) -> Story {
    let mut story = Story::default();
    while let Some(event) = pollster::block_on(trainer.next_event(source)).unwrap() {
        match event {
            Event::Step(step) => story.losses.extend(values(step.loss)),
            Event::EpochFinished { loss, .. } => story.epoch_losses.push(loss),
            Event::Warning(text) => story.warnings.push(text),
            Event::Evaluated(evaluation) => story.evaluations.push(evaluation),
            Event::CheckpointDue(state) => story.checkpoints.push(*state),
            Event::Finished(finished) => story.finished = Some(finished),
            _ => {}
        }
    }
    assert!(trainer.is_done());
    story.last = pollster::block_on(trainer.checkpoint()).unwrap();
    story
}

fn run(recipe: &Recipe, device: &Device) -> Story {
    let mut source = Waves::new();
    let trainer = Trainer::new(recipe, &source, device).unwrap();
    tell(trainer, &mut source)
}

fn learns(device: &Device) {
    let story = run(&recipe(&["train.epochs=12"]), device);
    let (first, last) = (story.epoch_losses[0], story.epoch_losses[11]);
    assert!(
        last < 0.8 * first,
        "mean loss {first} in the first epoch, {last} in the last"
    );
    let (untrained, trained) = story.recall();
    assert!(
        trained >= untrained,
        "recall@1 of unseen classes {untrained} before, {trained} after"
    );
}

fn equals_the_processor(device: &Device) {
    let recipe = recipe(&["miner.rho={p_switch=0.3}"]);
    let here = run(&recipe, device);
    let there = run(&recipe, &Device::flex());
    let steps = here.losses.len().min(6);
    // Rounding differs between devices, and a tuple that flips at a boundary changes all later
    // steps: the first steps agree closely, the rest in its course.
    assert_close(
        "first losses",
        &here.losses[..steps],
        &there.losses[..steps],
        1e-4,
        2e-3,
    );
    assert_close(
        "epoch losses",
        &here.epoch_losses,
        &there.epoch_losses,
        0.02,
        0.1,
    );
}

fn continues(device: &Device) {
    // Off the processor steps repeat up to rounding only; there an objective is taken that does not
    // magnify it by choosing tuples.
    let mut settings = vec!["sampler.batch_size=8", "train.epochs=3"];
    if *device != Device::flex() {
        settings.extend([
            "miner=",
            "objective.name=multisimilarity",
            "optimizer.learning_rate=1e-3",
        ]);
    }
    let recipe = recipe(&settings);
    let whole = run(&recipe, device);
    // From the end of the first epoch, and from the middle of the second.
    let mut source = Waves::new();
    let mut trainer = Trainer::new(&recipe, &source, device).unwrap();
    let mut steps = 0;
    while steps < 9 {
        let event = pollster::block_on(trainer.next_event(&mut source)).unwrap();
        steps += usize::from(matches!(event, Some(Event::Step(_))));
    }
    let middle = pollster::block_on(trainer.checkpoint()).unwrap();
    assert!(
        middle.progress.batch > 0,
        "stopped between two epochs: {:?}",
        middle.progress
    );
    let first = stored(&recipe, &whole.checkpoints[..2]);
    let middle = CheckpointState {
        selected: first.selected.clone(),
        ..middle
    };
    for state in [first, middle] {
        let mut source = Waves::new();
        let resumed = Trainer::resume(&recipe, &source, device, state).unwrap();
        let rest = tell(resumed, &mut source);
        let rest_of_whole = &whole.epoch_losses[3 - rest.epoch_losses.len()..];
        if *device == Device::flex() {
            assert_eq!(rest.last.learner, whole.last.learner);
            assert_eq!(rest.last.optimizer, whole.last.optimizer);
            assert_eq!(rest.last.progress, whole.last.progress);
            assert_eq!(rest.epoch_losses, rest_of_whole);
        } else {
            let steps = whole.losses.len() - rest.losses.len();
            let next = &whole.losses[steps..steps + 1];
            assert_close("next step", &rest.losses[..1], next, 0.02, 0.1);
            assert_close(
                "epoch losses",
                &rest.epoch_losses,
                rest_of_whole,
                0.02,
                0.05,
            );
        }
    }
}

fn protocol_paper(device: &Device) {
    let story = run(&recipe(&["train.protocol=paper", "train.epochs=3"]), device);
    let finished = story.finished.unwrap();
    let best = story
        .last
        .progress
        .best_of(Split::Test, "recall@1".parse().unwrap())
        .unwrap()
        .value;
    assert!(finished.metrics.get("recall@1").unwrap() >= best);
    assert!(finished.metrics.get("nmi").is_some());
}

/// The best epochs, found again by looking through all evaluations.
fn keeps_the_best(device: &Device) {
    let recipe = recipe(&[
        "train.protocol=paper",
        "train.epochs=4",
        "train.checkpoint_every=2",
        "evaluation.splits=[\"train\", \"validation\"]",
        "evaluation.keep_best=[\"nmi\"]",
    ]);
    let story = run(&recipe, device);
    let (recall, nmi) = ("recall@1".parse().unwrap(), "nmi".parse().unwrap());
    for (split, metric) in Split::ALL
        .into_iter()
        .flat_map(|split| [(split, recall), (split, nmi)])
    {
        let mut expected: Option<(u32, f64)> = None;
        let evaluations = story.evaluations.iter().filter(|evaluation| {
            (evaluation.subject, evaluation.split) == (Subject::Training, split)
        });
        let mut count = 0;
        for evaluation in evaluations {
            count += 1;
            let value = evaluation.metrics.scalars[&metric];
            if expected.is_none_or(|(_, best)| value > best) {
                expected = Some((evaluation.epoch, value));
            }
        }
        assert_eq!(count, 4, "evaluations of {split:?}");
        let best = story.last.progress.best_of(split, metric).unwrap();
        assert_eq!(
            Some((best.epoch, best.value)),
            expected,
            "{split:?} {metric}"
        );
        // Its network was given out once, with the checkpoint after its epoch.
        let states = story.checkpoints.iter();
        let with = states.filter(|state| state.improved.contains(best));
        assert_eq!(
            with.map(|state| state.progress.epoch).collect::<Vec<_>>(),
            [best.epoch + 1]
        );
    }
    let kept = story.checkpoints.iter().map(|state| state.keep);
    assert_eq!(
        kept.collect::<Vec<_>>(),
        [None, None, Some(2), None, Some(4)]
    );
    let finished = story.finished.unwrap();
    let selected = story.last.progress.best_of(Split::Test, recall).unwrap();
    assert_eq!(finished.selected_epoch, selected.epoch);
}

fn stops_early(device: &Device) {
    // Nothing is learned, so that the first evaluation stays the best.
    let recipe = recipe(&[
        "optimizer.learning_rate=1e-30",
        "optimizer.weight_decay=0",
        "objective.learning_rate=1e-30",
        "train.epochs=9",
        "train.early_stopping={patience=2}",
    ]);
    let whole = run(&recipe, device);
    let finished = whole.finished.as_ref().unwrap();
    assert_eq!(
        (finished.selected_epoch, finished.stopped_after),
        (1, Some(3))
    );
    assert_eq!(whole.epoch_losses.len(), 3);
    for count in 2..=whole.checkpoints.len() {
        let state = stored(&recipe, &whole.checkpoints[..count]);
        let mut source = Waves::new();
        let resumed = Trainer::resume(&recipe, &source, device, state).unwrap();
        let rest = tell(resumed, &mut source);
        let finished = rest.finished.unwrap();
        assert_eq!(
            (finished.selected_epoch, finished.stopped_after),
            (1, Some(3))
        );
        assert_eq!(rest.last.progress.patience, whole.last.progress.patience);
        assert_eq!(rest.epoch_losses.len(), whole.checkpoints.len() - count);
    }
    let mut source = Waves::new();
    source.splits[Split::Validation.index()].clear();
    let error = Trainer::new(&recipe, &source, device)
        .unwrap_err()
        .to_string();
    assert!(error.contains("train.early_stopping"), "{error}");
}

fn without_validation(device: &Device) {
    let mut source = Waves::new();
    source.splits[Split::Validation.index()].clear();
    let settings = [
        "train.epochs=1",
        "evaluation.splits=[\"validation\", \"train\"]",
    ];
    let trainer = Trainer::new(&recipe(&settings), &source, device).unwrap();
    let story = tell(trainer, &mut source);
    let left_out = |text: &String| text.contains("evaluation.splits");
    assert!(story.warnings.iter().any(left_out), "{:?}", story.warnings);
    let evaluated = |evaluation: &&Evaluation| evaluation.subject == Subject::Training;
    let splits: Vec<Split> = story
        .evaluations
        .iter()
        .filter(evaluated)
        .map(|one| one.split)
        .collect();
    assert_eq!(splits, [Split::Train]);
    assert!(
        story
            .warnings
            .iter()
            .any(|text| text.contains("validation")),
        "{:?}",
        story.warnings
    );
    assert_eq!(story.finished.unwrap().selected_epoch, 1);
}

/// Two steps of momentum 0.9 with weight decay on a linear map, against the formula.
fn sgd_matches_its_formula(device: &Device) {
    use burn::module::{Module, Param};
    use burn::tensor::Tensor;
    use likewise::train::{Optimizer, OptimizerConfig, OptimizerName, ParameterGradients};

    #[derive(Module, Debug)]
    struct Weights {
        weight: Param<Tensor<1>>,
    }

    let device = device.clone().autodiff();
    let start = Tensor::<1>::from_floats([1.0, -2.0], &device);
    let mut weights = Weights {
        weight: Param::from_tensor(start).set_require_grad(true),
    };
    let config = OptimizerConfig {
        name: OptimizerName::Sgd,
        learning_rate: 0.1,
        weight_decay: 0.01,
        schedule: Schedule::default(),
        ..OptimizerConfig::default()
    };
    let mut optimizer = Optimizer::new(config, 0.0);
    let (mut expected, mut velocity) = ([1.0f64, -2.0], [0.0f64; 2]);
    for _ in 0..2 {
        let loss = (weights.weight.val() * weights.weight.val()).sum();
        let gradients = ParameterGradients::of(&weights, loss.backward());
        weights = optimizer.step(weights, gradients, 0.5);
        for axis in 0..2 {
            let gradient = 2.0 * expected[axis] + 0.01 * expected[axis];
            velocity[axis] = 0.9 * velocity[axis] + gradient;
            expected[axis] -= 0.05 * velocity[axis];
        }
    }
    assert_close(
        "weights",
        &values(weights.weight.val().inner()),
        &expected,
        1e-6,
        1e-6,
    );
}

fn stops_at_nan(device: &Device) {
    let mut source = Waves::new();
    let recipe = recipe(&["optimizer.learning_rate=1e30", "train.epochs=3"]);
    let mut trainer = Trainer::new(&recipe, &source, device).unwrap();
    let error = loop {
        match pollster::block_on(trainer.next_event(&mut source)) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the run ended as if nothing had happened"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(
        error.contains("optimizer.learning_rate") || error.contains("NaN"),
        "{error}"
    );
}
