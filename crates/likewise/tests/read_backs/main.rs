//! No step of any objective with any miner reads from the device. Every read of a wgpu device maps a
//! buffer, which wgpu's core says in its log; the messages are counted. A program of its own,
//! because other tests read in the same process.

#[path = "../suite/waves.rs"]
mod waves;
#[path = "../suite/wgsl.rs"]
mod wgsl;

use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Device, Tensor};
use libtest_mimic::{Arguments, Trial};
use likewise::miner;
use likewise::objective;
use likewise::train::{Event, Trainer};
use log::{LevelFilter, Log, Metadata, Record};
use waves::{Waves, recipe_with};
use wgsl::{adapter_required, wgsl_device};

/// Steps counted for each pair.
const STEPS: usize = 50;
/// Steps before: kernels are compiled and chosen in them, which reads clocks.
const WARM_UP: usize = 12;

static READS: AtomicUsize = AtomicUsize::new(0);

struct ReadCounter;

impl Log for ReadCounter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("wgpu_core")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = record.args().to_string();
            if text.starts_with("Buffer::map_async") && text.contains("Read") {
                READS.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn flush(&self) {}
}

/// Reads that `work` asks of the device.
fn reads_in<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = READS.load(Ordering::SeqCst);
    let result = work();
    (READS.load(Ordering::SeqCst) - before, result)
}

fn main() {
    let mut arguments = Arguments::from_args();
    // One at a time: the counter is the process's.
    arguments.test_threads = Some(1);
    log::set_logger(&ReadCounter).expect("no other logger is set");
    log::set_max_level(LevelFilter::Trace);
    let ignored = wgsl_device().is_none() && !adapter_required();
    let mut trials = vec![Trial::test(
        "a_read_is_counted",
        on_device(a_read_is_counted),
    )];
    let objectives = objective::TABLE.iter();
    let pairs = objectives.flat_map(|entry| entry.miners().map(move |miner| (entry, miner)));
    for (objective, miner) in pairs {
        let name = format!(
            "{}_with_{}",
            objective.name,
            miner.map_or("no_miner", |miner| miner.name)
        );
        let run = on_device(move |device| steps_read_nothing(objective, miner, device));
        trials.push(Trial::test(name, run));
    }
    let trials = trials
        .into_iter()
        .map(|trial| trial.with_ignored_flag(ignored))
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn on_device(
    run: impl FnOnce(&Device) + Send + 'static,
) -> impl FnOnce() -> Result<(), libtest_mimic::Failed> + Send + 'static {
    move || match wgsl_device() {
        Some(device) => {
            run(&device);
            Ok(())
        }
        None => Err("LIKEWISE_REQUIRE_GPU=1, but this machine has no WGSL adapter".into()),
    }
}

fn a_read_is_counted(device: &Device) {
    let tensor = Tensor::<1>::ones([3], device) + 1.0;
    // The buffer is mapped when the values are used.
    let (reads, values) = reads_in(|| tensor.into_data().iter::<f32>().collect::<Vec<_>>());
    assert!(reads > 0, "reading {values:?} was not noticed");
}

fn steps_read_nothing(objective: &objective::Entry, miner: Option<&miner::Entry>, device: &Device) {
    let settings = [
        "sampler={name=\"spc\", batch_size=8}",
        // Observed, but not read.
        "train.observe_every=4",
        "train.epochs=100",
        "evaluation.every=0",
    ];
    let recipe = recipe_with(objective, miner, &settings);
    let mut source = Waves::new();
    let mut trainer = Trainer::new(&recipe, &source, device).unwrap();
    let mut steps = 0;
    while steps < WARM_UP + STEPS {
        let (reads, event) = reads_in(|| pollster::block_on(trainer.next_event(&mut source)));
        match event.unwrap() {
            Some(Event::Step(_)) => {
                steps += 1;
                assert!(
                    steps <= WARM_UP || reads == 0,
                    "{reads} reads in step {steps}"
                );
            }
            Some(_) => {}
            None => panic!("the run ended after {steps} steps"),
        }
    }
}
