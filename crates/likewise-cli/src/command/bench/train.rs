//! `likewise bench train`: how many images a second the training step itself takes in, with images
//! made up in memory so that no decoder is measured; where its time goes, and how near it comes to what
//! the device can do.

mod ceiling;
mod print;
mod setting;
mod stopwatch;
mod synthetic;

use std::time::Instant;

use anyhow::{Result, bail};
use burn::tensor::{Device, Tensor};
use likewise::model::Kept;
use likewise::recipe::Recipe;
use likewise::train::{Event, MemoryEstimate, Stage, Trainer};

use super::{use_threads, wait};
use crate::args::BenchTrain;
use crate::device::choose;
use crate::memory::{MemoryUse, Peak, forecast};
use crate::progress::Task;
use ceiling::Ceiling;
use stopwatch::Stopwatch;
use synthetic::{CLASSES, SyntheticSource};

/// Steps between read-backs of losses on devices that work on their own: as many as in training.
const READ_EVERY: usize = 8;

/// What was found.
#[derive(Debug)]
struct Measurement {
    /// Seconds of a step that is left alone, ascending.
    steps: Vec<f64>,
    /// Seconds of each stage of a step, in a pass that waits after each.
    stages: Vec<(Stage, f64)>,
    /// Bytes at the peak of the undisturbed pass beyond those before it.
    peak: Option<usize>,
    /// What was estimated before.
    estimate: MemoryEstimate,
    memory: MemoryUse,
    /// Multiply-adds of one image's forward pass.
    multiply_adds: u64,
    ceiling: Ceiling,
}

impl Measurement {
    fn median(&self) -> f64 {
        self.steps[self.steps.len() / 2]
    }

    /// Operations a second: a multiply-add is two, and a backward pass does each layer's twice.
    fn flops_per_second(&self, images: usize) -> f64 {
        6.0 * self.multiply_adds as f64 * images as f64 / self.median()
    }
}

/// Measures and prints the median step.
pub fn run(options: &BenchTrain) -> Result<()> {
    if options.steps == 0 {
        bail!("--steps 0: at least 1");
    }
    let threads = use_threads(options.run.threads)?;
    let recipe = setting::recipe(options)?;
    let device = choose(&options.run.device)?;
    forecast::check(&recipe, CLASSES, &device)?.say();
    let estimate = forecast::estimate(&recipe, CLASSES, &device)?;
    let size = recipe.data.image_size;
    let cost = recipe.model.cost([3, size, size], Kept::Fused)?;
    let warm_up = options.steps.div_ceil(3);
    let mut bench = Bench::new(&recipe, &device.device, options.steps + 2 * warm_up)?;
    let peak = Peak::watch(&device.device);
    bench.steps(warm_up)?;
    let mut steps = bench.steps(options.steps)?;
    let peak = peak.bytes();
    steps.sort_by(f64::total_cmp);
    let stages = bench.stages(warm_up)?;
    bench.task.finish();
    let memory = MemoryUse::so_far(&device.device);
    let found = Measurement {
        steps,
        stages,
        peak,
        estimate,
        memory,
        multiply_adds: cost.multiply_adds,
        ceiling: ceiling::measure(&device.device, recipe.train.precision),
    };
    print::print(&found, &recipe, &device, threads, options.run.json)
}

/// A training run within its first epoch, so that nothing but steps happens once it has begun.
struct Bench {
    source: SyntheticSource,
    trainer: Trainer,
    device: Device,
    task: Task,
    done: usize,
}

impl Bench {
    /// A run of at least `steps` steps.
    fn new(recipe: &Recipe, device: &Device, steps: usize) -> Result<Self> {
        let source = SyntheticSource::new(recipe, steps);
        Ok(Self {
            trainer: Trainer::new(recipe, &source, device)?,
            source,
            device: device.clone(),
            task: Task::new("training steps", steps as u64),
            done: 0,
        })
    }

    /// Runs up to the end of the next step and returns its loss.
    fn step(&mut self) -> Result<Tensor<1>> {
        loop {
            match pollster::block_on(self.trainer.next_event(&mut self.source))? {
                Some(Event::Step(step)) => {
                    self.done += 1;
                    self.task.update(self.done as u64, "");
                    return Ok(step.loss);
                }
                Some(_) => {}
                None => bail!("the run ended after {} steps", self.done),
            }
        }
    }

    /// Seconds of each of `count` steps. Losses are read as in training: on the processor a step is
    /// done when it returns; elsewhere several are under way, and each counts as their mean.
    fn steps(&mut self, count: usize) -> Result<Vec<f64>> {
        let together = match self.device == Device::flex() {
            true => 1,
            false => READ_EVERY,
        };
        let mut seconds = Vec::new();
        while seconds.len() < count {
            let steps = together.min(count - seconds.len());
            self.device.sync()?;
            let begun = Instant::now();
            for left in (0..steps).rev() {
                let loss = self.step()?;
                if left == 0 {
                    wait(loss);
                }
            }
            let mean = begun.elapsed().as_secs_f64() / steps as f64;
            seconds.extend(std::iter::repeat_n(mean, steps));
        }
        Ok(seconds)
    }

    /// Seconds of each stage, the mean of `count` steps.
    fn stages(&mut self, count: usize) -> Result<Vec<(Stage, f64)>> {
        self.device.sync()?;
        let watch = Stopwatch::attach(&mut self.trainer, &self.device);
        for _ in 0..count {
            self.step()?;
        }
        let stages = watch.seconds()?;
        let mean = |(stage, seconds): (Stage, f64)| (stage, seconds / count as f64);
        Ok(stages.into_iter().map(mean).collect())
    }
}
