//! `likewise bench train`: how many images a second the training step itself takes in, with images
//! made up in memory so that no decoder is measured.

use std::time::Instant;

use anyhow::{Result, bail};
use likewise::random::{self, Purpose};
use likewise::recipe::Recipe;
use likewise::train::{BatchSource, Event, ImageBatch, Pass, Split, Trainer};
use rand::Rng;
use serde_json::json;

use super::{median, use_threads, wait};
use crate::args::BenchTrain;
use crate::device::choose;
use crate::memory::Peak;
use crate::output::outln;
use crate::progress::Task;
use crate::recipes;

const CLASSES: usize = 200;
const IMAGES_PER_CLASS: usize = 8;
const TEST_IMAGES: u32 = 8;

/// Measures and prints the median step.
pub fn run(options: &BenchTrain) -> Result<()> {
    if options.steps == 0 {
        bail!("--steps 0: at least 1");
    }
    let threads = use_threads(options.run.threads)?;
    let mut layers = recipes::read(&options.config)?;
    let (kinds, others) = recipes::in_order(&options.set);
    for assignment in kinds.into_iter().chain(others) {
        layers.set(assignment)?;
    }
    let recipe = layers.into_recipe()?;
    let device = choose(&options.run.device)?;
    let mut source = SyntheticSource::new(&recipe);
    let mut trainer = Trainer::new(&recipe, &source, &device.device)?;
    let warm_up = options.steps.div_ceil(3);
    let mut task = Task::new("training steps", (warm_up + options.steps) as u64);
    let mut seconds = Vec::new();
    let peak = Peak::watch(&device.device);
    let mut begun = Instant::now();
    while seconds.len() < warm_up + options.steps {
        match pollster::block_on(trainer.next_event(&mut source))? {
            Some(Event::Step(step)) => {
                // Reading the loss waits until the device has done the step.
                wait(step.loss);
                seconds.push(begun.elapsed().as_secs_f64());
                task.update(seconds.len() as u64, "");
                begun = Instant::now();
            }
            Some(_) => begun = Instant::now(),
            None => bail!("the recipe has too few epochs for {} steps", options.steps),
        }
    }
    task.finish();
    let peak = peak.bytes().map(|bytes| bytes as f64 / 1e6);
    let mut measured = seconds.split_off(warm_up);
    let median = median(&mut measured);
    let batch = recipe.sampler.batch_size();
    if options.run.json {
        let result = json!({
            "recipe": recipe.name,
            "device": device,
            "threads": threads,
            "batch_size": batch,
            "image_size": recipe.data.image_size,
            "median_step_ms": 1e3 * median,
            "fastest_step_ms": 1e3 * measured[0],
            "images_per_second": batch as f64 / median,
            "peak_megabytes": peak,
        });
        outln!("{result}");
    } else {
        outln!(
            "{}: {:.0} images/s (median step {:.1} ms, fastest {:.1} ms{}; batch {batch}, {} px, {}, {threads} threads)",
            recipe.name,
            batch as f64 / median,
            1e3 * median,
            1e3 * measured[0],
            peak.map_or(String::new(), |peak| format!(", {peak:.0} MB")),
            recipe.data.image_size,
            device.name,
        );
    }
    Ok(())
}

/// Noise images, made once.
struct SyntheticSource {
    shape: [usize; 3],
    train: Vec<u32>,
    test: Vec<u32>,
    noise: Vec<f32>,
    queue: Vec<Vec<u32>>,
}

impl SyntheticSource {
    fn new(recipe: &Recipe) -> Self {
        let size = recipe.data.image_size;
        let shape = [3, size, size];
        let largest = recipe
            .sampler
            .batch_size()
            .max(recipe.evaluation.batch_size);
        let mut rng = random::stream(0, Purpose::Augmentation, 0, 0, 0);
        let noise = (0..largest * 3 * size * size)
            .map(|_| rng.random_range(-2.0..2.0))
            .collect();
        let images = (CLASSES * IMAGES_PER_CLASS).max(2 * recipe.sampler.batch_size());
        let classes = CLASSES.max(recipe.sampler.batch_size());
        let train = (0..images).map(|image| (image % classes) as u32).collect();
        let test = (0..TEST_IMAGES).map(|image| image / 2).collect();
        Self {
            shape,
            train,
            test,
            noise,
            queue: Vec::new(),
        }
    }
}

impl BatchSource for SyntheticSource {
    fn image_shape(&self) -> [usize; 3] {
        self.shape
    }

    fn labels(&self, split: Split) -> &[u32] {
        match split {
            Split::Train => &self.train,
            Split::Validation => &[],
            Split::Test => &self.test,
        }
    }

    fn begin(&mut self, pass: Pass) -> likewise::Result<()> {
        let labels_of =
            |images: Vec<usize>| images.into_iter().map(|image| self.train[image]).collect();
        self.queue = match pass {
            Pass::Training(plan) => plan
                .batches
                .clone()
                .map(|batch| plan.batch(batch).map(labels_of))
                .collect::<likewise::Result<_>>()?,
            Pass::Evaluation { .. } => vec![self.test.clone()],
        };
        self.queue.reverse();
        Ok(())
    }

    fn next_batch(&mut self) -> likewise::Result<Option<ImageBatch>> {
        let Some(labels) = self.queue.pop() else {
            return Ok(None);
        };
        let values = labels.len() * self.shape.iter().product::<usize>();
        let rows = (0..labels.len()).collect();
        Ok(Some(ImageBatch {
            pixels: self.noise[..values].to_vec(),
            shape: self.shape,
            labels,
            rows,
        }))
    }
}
