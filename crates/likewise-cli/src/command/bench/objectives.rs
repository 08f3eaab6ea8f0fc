//! `likewise bench objectives`: mining, loss and backward pass for every objective with every miner
//! that serves it, on embeddings made up in memory.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use burn::tensor::{Device, Tensor, TensorData};
use likewise::batch::BatchLabels;
use likewise::miner::{self, Miner, Tuples};
use likewise::objective::{self, Embeddings, Objective, RankingObjective, Setting};
use likewise::pairwise::Pairwise;
use likewise::random::{self, Purpose};
use rand::Rng;
use serde::Serialize;
use serde_json::json;

use super::{check_names, median, use_threads, wait};
use crate::args::BenchObjectives;
use crate::device::choose;
use crate::memory::Peak;
use crate::output::outln;
use crate::progress::{Task, say};

/// Images of each class in a batch.
const SAMPLES_PER_CLASS: usize = 2;
/// Training classes at least, as in the smallest benchmark (CUB200).
const CLASSES: usize = 100;
/// What `--miner` calls having none.
const NO_MINER: &str = "none";
/// Repetitions go on until they have taken this long together.
const ENOUGH: Duration = Duration::from_millis(300);

/// An objective with a miner that serves it, or without one.
#[derive(Clone, Copy)]
struct Pair {
    objective: &'static objective::Entry,
    miner: Option<&'static miner::Entry>,
}

/// One measurement.
#[derive(Serialize)]
struct Measurement {
    objective: &'static str,
    miner: Option<&'static str>,
    batch: usize,
    milliseconds: f64,
    fastest_milliseconds: f64,
    /// Largest amount of memory above what was in use before, in MB; absent where the device does
    /// not say.
    peak_megabytes: Option<f64>,
}

/// Measures and prints a row for each pair.
pub fn run(options: &BenchObjectives) -> Result<()> {
    if options.repeats == 0 || options.dim == 0 {
        bail!("--repeats and --dim must be at least 1");
    }
    let odd = |&&batch: &&usize| batch < 4 || !batch.is_multiple_of(SAMPLES_PER_CLASS);
    if let Some(batch) = options.batch.iter().find(odd) {
        bail!("--batch {batch}: an even number of at least 4");
    }
    let threads = use_threads(options.run.threads)?;
    let pairs = pairs(options)?;
    let device = choose(&options.run.device)?;
    let mut task = Task::new("measuring", (pairs.len() * options.batch.len()) as u64);
    let mut measurements = Vec::new();
    for &pair in &pairs {
        for &batch in &options.batch {
            let case = Case::new(pair, batch, options.dim, &device.device)?;
            measurements.push(case.measure(options.repeats)?);
            task.update(measurements.len() as u64, pair.objective.name);
        }
    }
    task.finish();
    if options.run.json {
        let result = json!({
            "device": device,
            "threads": threads,
            "dimension": options.dim,
            "samples_per_class": SAMPLES_PER_CLASS,
            "measurements": measurements,
        });
        outln!("{result}");
    } else {
        say(format!(
            "median of mining + loss + backward, D = {}, {} a class; {}, {threads} threads",
            options.dim, SAMPLES_PER_CLASS, device.name
        ));
        print(&measurements, &options.batch)?;
    }
    Ok(())
}

/// The pairs asked for, each objective with all its miners.
fn pairs(options: &BenchObjectives) -> Result<Vec<Pair>> {
    let objectives: Vec<&str> = objective::TABLE.iter().map(|entry| entry.name).collect();
    let miners = miner::TABLE.iter().map(|entry| entry.name);
    let miners: Vec<&str> = miners.chain([NO_MINER]).collect();
    check_names("--objective", &options.objective, &objectives)?;
    check_names("--miner", &options.miner, &miners)?;
    let asked = |names: &[String], name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let mut pairs = Vec::new();
    for objective in objective::TABLE {
        if !asked(&options.objective, objective.name) {
            continue;
        }
        let wanted = |miner: &Option<&miner::Entry>| {
            asked(&options.miner, miner.map_or(NO_MINER, |miner| miner.name))
        };
        let miners = objective.miners().filter(wanted);
        pairs.extend(miners.map(|miner| Pair { objective, miner }));
    }
    if pairs.is_empty() {
        bail!("no objective asked for takes a miner asked for");
    }
    Ok(pairs)
}

/// Everything a repetition needs, made before the clock runs.
struct Case {
    pair: Pair,
    objective: Objective,
    miner: Option<Miner>,
    labels: Vec<u32>,
    embeddings: Tensor<2>,
    device: Device,
}

impl Case {
    fn new(pair: Pair, batch: usize, dimension: usize, device: &Device) -> Result<Self> {
        let classes = CLASSES.max(batch / SAMPLES_PER_CLASS);
        let setting = Setting {
            classes,
            dimension,
            seed: 0,
        };
        let autodiff = device.clone().autodiff();
        let config = (pair.objective.default)();
        let miner = pair
            .miner
            .map(|entry| Miner::serving(&(entry.default)(), pair.objective.tuples))
            .transpose()?;
        let unit = pair.objective.embeddings != Embeddings::Raw;
        let values = embeddings(batch, dimension, unit);
        Ok(Self {
            pair,
            objective: config.init(setting, &autodiff)?,
            miner,
            labels: (0..batch)
                .map(|row| (row / SAMPLES_PER_CLASS) as u32)
                .collect(),
            embeddings: Tensor::from_data(TensorData::new(values, [batch, dimension]), &autodiff),
            device: device.clone(),
        })
    }

    /// One repetition, up to the gradient of the embeddings being there.
    fn repeat(&self, number: u32) -> Result<()> {
        let embeddings = self.embeddings.clone().detach().require_grad();
        let pairwise = Pairwise::new(embeddings.clone());
        let labels = BatchLabels::new(&self.labels, &self.device);
        let mut rng = random::stream(0, Purpose::Miner, 0, number, 0);
        let tuples = match &self.miner {
            Some(miner) => miner.mine(&pairwise, &labels, &mut rng),
            None => Tuples::None,
        };
        let loss = self.objective.forward(&pairwise, &labels, &tuples)?.loss;
        let gradients = loss.backward();
        if let Some(gradient) = embeddings.grad(&gradients) {
            wait(gradient.slice([0..1, 0..1]));
        }
        Ok(())
    }

    fn measure(&self, repeats: usize) -> Result<Measurement> {
        self.repeat(0)?;
        let peak = Peak::watch(&self.device);
        self.repeat(1)?;
        let peak = peak.bytes();
        let (begun, mut seconds) = (Instant::now(), Vec::new());
        while seconds.len() < repeats || begun.elapsed() < ENOUGH {
            let start = Instant::now();
            self.repeat(seconds.len() as u32)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        let milliseconds = 1e3 * median(&mut seconds);
        Ok(Measurement {
            objective: self.pair.objective.name,
            miner: self.pair.miner.map(|miner| miner.name),
            batch: self.labels.len(),
            milliseconds,
            fastest_milliseconds: 1e3 * seconds[0],
            peak_megabytes: peak.map(|bytes| bytes as f64 / 1e6),
        })
    }
}

/// Embeddings of classes that overlap, as early in training; of length 1 if `unit`.
fn embeddings(batch: usize, dimension: usize, unit: bool) -> Vec<f32> {
    let mut rng = random::stream(0, Purpose::Initialization, 0, 0, 0);
    let mut noise =
        |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let mut values = Vec::with_capacity(batch * dimension);
    for _ in 0..batch / SAMPLES_PER_CLASS {
        let centre = noise(dimension);
        for _ in 0..SAMPLES_PER_CLASS {
            let row = noise(dimension)
                .into_iter()
                .zip(&centre)
                .map(|(a, b)| a + b);
            let row: Vec<f32> = row.collect();
            let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            let scale = if unit { norm.recip() } else { 1.0 };
            values.extend(row.iter().map(|value| value * scale));
        }
    }
    values
}

/// A table with a row for each pair and two columns for each batch size.
fn print(measurements: &[Measurement], batches: &[usize]) -> Result<()> {
    let heads = batches
        .iter()
        .map(|batch| format!("{:>14}{:>10}", format!("B = {batch}, ms"), "peak, MB"));
    outln!(
        "{:<20}{:<18}{}",
        "objective",
        "miner",
        heads.collect::<String>()
    );
    for row in measurements.chunks(batches.len()) {
        let cells = row.iter().map(|cell| {
            let peak = cell
                .peak_megabytes
                .map_or("–".into(), |peak| format!("{peak:.1}"));
            format!("{:>14.2}{peak:>10}", cell.milliseconds)
        });
        outln!(
            "{:<20}{:<18}{}",
            row[0].objective,
            row[0].miner.unwrap_or("–"),
            cells.collect::<String>()
        );
    }
    Ok(())
}
