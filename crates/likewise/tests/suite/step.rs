//! What surrounds the objective in a step: chunks, memories, observation and the doctor's eye.

use burn::tensor::Device;
use likewise::objective::{self, CrossBatchMemory, CrossBatchSettings};
use likewise::recipe::Recipe;
use likewise::train::{CheckpointState, DISTANCE_BINS, Event, Observed, Step, Trainer};

use crate::support::{Case, assert_close, assert_close_norm, values};
use crate::waves::{Waves, recipe, recipe_with};

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(
            "step::memory_keeps_the_latest_in_order",
            memory_keeps_the_latest,
        ),
        Case::new(
            "step::memory_is_compared_with_after_the_warm_up",
            memory_after_warm_up,
        ),
        Case::new("step::memories_survive_an_interruption", memories_survive),
        Case::new("step::the_bank_follows_the_network", the_bank_follows),
        Case::new("step::observations_say_what_happened", observations),
        Case::new("step::the_doctor_speaks_up", the_doctor_speaks_up),
        Case::new("step::a_broken_learner_is_not_stored", broken_learner),
    ];
    cases.extend(objective::TABLE.iter().map(|entry| {
        Case::new(
            format!("step::chunks_give_the_whole_gradient_{}", entry.name),
            move |device| chunks_equal_the_whole(entry, device),
        )
    }));
    cases
}

/// A recipe for an objective with the first miner that serves it, if it needs one.
fn recipe_for(entry: &objective::Entry, more: &[&str]) -> Recipe {
    let mut assignments = vec!["optimizer.name=sgd", "optimizer.learning_rate=0.1"];
    assignments.extend(more);
    let miner = entry.miners().next().expect("it can be used");
    recipe_with(entry, miner, &assignments)
}

/// The first `count` steps of a run, and its state after them.
pub fn first_steps(recipe: &Recipe, count: usize, device: &Device) -> (Vec<Step>, CheckpointState) {
    let mut source = Waves::new();
    let mut trainer = Trainer::new(recipe, &source, device).unwrap();
    let mut steps = Vec::new();
    while steps.len() < count {
        match pollster::block_on(trainer.next_event(&mut source)).unwrap() {
            Some(Event::Step(step)) => steps.push(step),
            Some(_) => {}
            None => panic!("the run ended after {} steps", steps.len()),
        }
    }
    (steps, pollster::block_on(trainer.checkpoint()).unwrap())
}

/// Batches of 16 in chunks of at most 5: loss and parameters after a step are those of the whole
/// batch, for the objective's own parameters too.
fn chunks_equal_the_whole(entry: &objective::Entry, device: &Device) {
    let whole = first_steps(&recipe_for(entry, &[]), 1, device);
    let chunked = first_steps(&recipe_for(entry, &["train.chunk_size=5"]), 1, device);
    assert_close(
        entry.name,
        &values(chunked.0[0].loss.clone()),
        &values(whole.0[0].loss.clone()),
        1e-6,
        2e-5,
    );
    assert_eq!(chunked.1.learner.len(), whole.1.learner.len());
    for (path, data) in &whole.1.learner {
        let expected: Vec<f64> = data.iter::<f64>().collect();
        let actual: Vec<f64> = chunked.1.learner[path].iter::<f64>().collect();
        let what = format!("{} {path}", entry.name);
        assert_close_norm(&what, &actual, &expected, 1e-6, 2e-5);
    }
    // The step did move the network.
    let mut source = Waves::new();
    let mut start = Trainer::new(&recipe_for(entry, &[]), &source, device).unwrap();
    pollster::block_on(start.next_event(&mut source)).unwrap();
    let start = pollster::block_on(start.checkpoint()).unwrap();
    assert!(
        start.learner != whole.1.learner,
        "{}: nothing moved",
        entry.name
    );
}

fn memory(size: usize, warm_up: u32, device: &Device) -> CrossBatchMemory {
    CrossBatchMemory::new(&CrossBatchSettings { size, warm_up }, 2, device)
}

fn memory_keeps_the_latest(device: &Device) {
    use burn::tensor::Tensor;
    let rows = |from: f32| Tensor::<2>::from_data([[from, 0.0], [from + 1.0, 0.0]], device);
    let mut kept = memory(5, 0, device);
    for (step, labels) in [[7, 7], [8, 9], [7, 8]].into_iter().enumerate() {
        kept.push(rows(10.0 * step as f32), &labels);
    }
    let (pairwise, labels) = kept.compare(rows(90.0), &[7, 9]);
    assert_eq!((pairwise.dims(), labels.references()), ([2, 7], 7));
    let references = values(pairwise.references());
    let first: Vec<f64> = references.iter().copied().step_by(2).collect();
    assert_eq!(first, [90.0, 91.0, 1.0, 10.0, 11.0, 20.0, 21.0]);
    assert_eq!(labels.host, [7, 9, 7, 8, 9, 7, 8]);
    assert_eq!(labels.positives_of(0).collect::<Vec<_>>(), [2, 5]);
    let (embeddings, state) = kept.state();
    let mut restored = memory(5, 3, device);
    restored.restore(embeddings.into_data(), &state).unwrap();
    let (again, labels) = restored.compare(rows(90.0), &[7, 9]);
    assert_eq!(values(again.references()), references);
    assert_eq!(labels.host, [7, 9, 7, 8, 9, 7, 8]);
    let other = memory(4, 0, device).state();
    let error = restored.restore(other.0.into_data(), &other.1);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("cross-batch memory")
    );
}

/// One step too large for single precision: no checkpoint is to hold what it left.
fn broken_learner(device: &Device) {
    let recipe = recipe(&["optimizer.name=sgd", "optimizer.learning_rate=1e39"]);
    let mut source = Waves::new();
    let mut trainer = Trainer::new(&recipe, &source, device).unwrap();
    while !matches!(
        pollster::block_on(trainer.next_event(&mut source)).unwrap(),
        Some(Event::Step(_))
    ) {}
    let error = pollster::block_on(trainer.checkpoint()).unwrap_err();
    assert!(matches!(error, likewise::Error::NotFinite(_)), "{error:?}");
    assert!(error.to_string().contains("optimizer.learning_rate"));
}

/// Losses with and without a memory are the same up to the end of the warm-up, and then differ.
fn memory_after_warm_up(device: &Device) {
    let losses = |more: &[&str]| -> Vec<f64> {
        let mut settings = vec![
            "miner={name=\"lifted\"}",
            "objective={name=\"contrastive\"}",
        ];
        settings.extend(more);
        let (steps, _) = first_steps(&recipe(&settings), 5, device);
        steps
            .into_iter()
            .flat_map(|step| values(step.loss))
            .collect()
    };
    let plain = losses(&[]);
    let with = losses(&["cross_batch_memory={size=40, warm_up=3}"]);
    assert_close("warm-up", &with[..3], &plain[..3], 1e-6, 1e-5);
    assert!((with[3] - plain[3]).abs() > 1e-4, "{with:?} and {plain:?}");
}

/// Stopped in the middle of an epoch, a run with a memory bank and a cross-batch memory ends with
/// the same bits.
fn memories_survive(device: &Device) {
    if *device != Device::flex() {
        return;
    }
    let recipe = recipe(&[
        "sampler={name=\"greedy_coreset\", batch_size=8, pool_size=24}",
        "sampler.bank={momentum=0.25, refresh_every=2}",
        "cross_batch_memory={size=20, warm_up=2}",
        "train.epochs=3",
    ]);
    let finish = |mut trainer: Trainer| {
        let mut source = Waves::new();
        while pollster::block_on(trainer.next_event(&mut source))
            .unwrap()
            .is_some()
        {}
        pollster::block_on(trainer.checkpoint()).unwrap()
    };
    let whole = finish(Trainer::new(&recipe, &Waves::new(), device).unwrap());
    for steps in [3, 8] {
        let (_, state) = first_steps(&recipe, steps, device);
        assert!(state.memory.contains_key("bank.embeddings"));
        assert!(state.memory.contains_key("bank.pending"));
        let resumed = Trainer::resume(&recipe, &Waves::new(), device, state).unwrap();
        let resumed = finish(resumed);
        assert_eq!(resumed.learner, whole.learner, "after {steps} steps");
        assert_eq!(resumed.memory, whole.memory, "after {steps} steps");
    }
}

/// The bank is filled before the first epoch, takes the embeddings of each step at the epoch's end,
/// and is filled again when it is told to.
fn the_bank_follows(device: &Device) {
    let bank = |state: &CheckpointState| -> Vec<f64> {
        state.memory["bank.embeddings"].iter::<f64>().collect()
    };
    let run = |more: &[&str]| {
        let mut settings = vec![
            "sampler={name=\"distance_histogram\", batch_size=8, pool_size=24, candidates=3}",
            "train.epochs=4",
        ];
        settings.extend(more);
        let recipe = recipe(&settings);
        let mut source = Waves::new();
        let mut trainer = Trainer::new(&recipe, &source, device).unwrap();
        let (mut filled, mut banks) = (Vec::new(), Vec::new());
        while let Some(event) = pollster::block_on(trainer.next_event(&mut source)).unwrap() {
            match event {
                Event::BankFilled { epoch } => filled.push(epoch),
                Event::CheckpointDue(state) if state.progress.epoch > 1 => banks.push(bank(&state)),
                _ => {}
            }
        }
        (filled, banks)
    };
    let (filled, banks) = run(&[]);
    assert_eq!(filled, [1]);
    assert!(banks.windows(2).all(|pair| pair[0] != pair[1]));
    let (filled, banks) = run(&["sampler.bank={update=false}"]);
    assert_eq!(filled, [1]);
    assert!(banks.windows(2).all(|pair| pair[0] == pair[1]));
    let (filled, _) = run(&["sampler.bank={refresh_every=2}"]);
    assert_eq!(filled, [1, 3]);
}

fn observations(device: &Device) {
    let recipe = recipe(&[
        "train.epochs=1",
        "train.observe_every=2",
        "miner={name=\"semihard\", rho={p_switch=0.5}}",
    ]);
    let mut source = Waves::new();
    let mut trainer = Trainer::new(&recipe, &source, device).unwrap();
    let (mut at_steps, mut at_end) = (Vec::new(), Vec::new());
    while let Some(event) = pollster::block_on(trainer.next_event(&mut source)).unwrap() {
        match event {
            Event::Step(step) => {
                assert_eq!(step.observation.is_some(), step.batch % 2 == 0);
                let seen = step
                    .observation
                    .map(|seen| pollster::block_on(seen.read()).unwrap());
                at_steps.extend(seen.map(|seen| (step.batch, seen)));
            }
            Event::EpochFinished { observed, .. } => at_end = observed,
            _ => {}
        }
    }
    assert_eq!(at_steps, at_end);
    let seen: Vec<&Observed> = at_end.iter().map(|(_, seen)| seen).collect();
    for seen in &seen {
        assert_eq!(seen.statistics["tuples"], 16.0);
        assert!(seen.active_share().unwrap() <= 1.0);
        assert!((seen.mean_norm - 1.0).abs() < 1e-4);
        assert!(seen.effective_rank > 1.0 && seen.effective_rank <= 16.0);
        assert!(seen.gradient_rms > 0.0 && seen.gradient_max >= seen.gradient_rms);
        let pairs = |counts: &[f64]| {
            assert_eq!(counts.len(), DISTANCE_BINS);
            counts.iter().sum::<f64>()
        };
        // Eight classes of two.
        assert_eq!(pairs(&seen.distances.positive), 16.0);
        assert_eq!(pairs(&seen.distances.negative), 16.0 * 14.0);
        assert!(seen.distances.largest <= 2.001);
    }
    let switched: usize = seen.iter().map(|seen| seen.switched).sum();
    assert!(switched > 0 && switched < 16 * seen.len());
}

/// Margins that nothing violates: the trainer warns, names the miner and what to try.
fn the_doctor_speaks_up(device: &Device) {
    let recipe = recipe(&[
        "objective={name=\"contrastive\", pos_margin=9.0, neg_margin=0.0}",
        "miner={name=\"softhard\"}",
        "train.epochs=2",
    ]);
    let mut source = Waves::new();
    let mut trainer = Trainer::new(&recipe, &source, device).unwrap();
    let mut warnings = Vec::new();
    while let Some(event) = pollster::block_on(trainer.next_event(&mut source)).unwrap() {
        if let Event::Warning(text) = event {
            warnings.push(text);
        }
    }
    let told: Vec<&String> = warnings
        .iter()
        .filter(|text| text.contains("no active tuples"))
        .collect();
    assert_eq!(told.len(), 1, "{warnings:?}");
    assert!(told[0].starts_with("epoch 1:") && told[0].contains("softhard"));
}
