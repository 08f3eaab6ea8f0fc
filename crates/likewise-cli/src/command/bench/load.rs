//! `likewise bench load`: images a second of processor time, and where it goes. Processor time,
//! because that is what a core has to give whatever else the machine does.

mod photographs;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cpu_time::ThreadTime;
use likewise::random::{Purpose, stream};
use likewise::recipe::Augmentation;
use likewise_data::decode::Picture;
use likewise_data::transform::Scratch;
use likewise_data::{
    DataSource, Dataset, DatasetOptions, Normalization, Transform, TransformOptions,
};
use serde::Serialize;
use serde_json::json;

use crate::args::BenchLoad;
use crate::output::outln;
use crate::progress::say;

/// What a stage of loading an image is called, in order.
const STAGES: [&str; 4] = ["read", "decode", "resize", "rest"];

/// Measures both transforms.
pub fn run(options: &BenchLoad) -> Result<()> {
    for (option, value) in [
        ("--workers", options.workers),
        ("--images", options.images),
        ("--repeats", options.repeats),
    ] {
        if value == 0 {
            bail!("{option} 0: at least 1");
        }
    }
    if !(16..=8192).contains(&options.photo_width) {
        bail!("--photo-width {}: between 16 and 8192", options.photo_width);
    }
    if let Some(folder) = &options.write {
        photographs::write(folder, options.images, options.photo_width)?;
        say(format!(
            "{}: {} images written",
            folder.display(),
            options.images
        ));
        return Ok(());
    }
    let made_up = tempfile::tempdir().context("no folder for temporary files")?;
    let source = match &options.data {
        Some(data) => data.parse()?,
        None => {
            photographs::write(made_up.path(), options.images, options.photo_width)?;
            DataSource::Folder(made_up.path().to_owned())
        }
    };
    let custom = DatasetOptions {
        allow_custom: true,
        ..DatasetOptions::default()
    };
    let dataset = Dataset::open(&source, &custom)?;
    let transforms = TransformOptions {
        augmentation: augmentation(&options.augmentation)?,
        size: options.image_size,
        ..TransformOptions::default()
    };
    let mut found = Vec::new();
    for (name, transform) in [
        ("train", transforms.train()?),
        ("evaluate", transforms.evaluate()?),
    ] {
        let mut measured = measure(name, &dataset, &transform, options)?;
        if options.inexact {
            let plain = TransformOptions {
                normalization: Normalization::IDENTITY,
                ..transforms.clone()
            };
            let plain = match name {
                "train" => plain.train()?,
                _ => plain.evaluate()?,
            };
            measured.difference = Some(difference(&dataset, &plain, options.images)?);
        }
        found.push(measured);
    }
    print(&dataset, &found, options)
}

fn augmentation(name: &str) -> Result<Augmentation> {
    serde_json::from_value(json!(name))
        .with_context(|| format!("--augmentation {name}: not one of base, adv, big, red, none"))
}

/// The fastest run of one transform.
#[derive(Debug, Serialize)]
struct Measurement {
    transform: &'static str,
    images_per_cpu_second: f64,
    images_per_second: f64,
    /// Processor time of an image in each of [`STAGES`], in milliseconds.
    milliseconds: [f64; STAGES.len()],
    /// How far inexact pixels are from exact ones.
    difference: Option<Difference>,
}

/// How far inexact pixels are from exact ones, in grey levels (0 to 255), over all images.
#[derive(Clone, Copy, Debug, Serialize)]
struct Difference {
    /// Share of the images that were shrunk in decoding.
    reduced: f64,
    mean: f64,
    max: f64,
}

fn measure(
    name: &'static str,
    dataset: &Dataset,
    transform: &Transform,
    options: &BenchLoad,
) -> Result<Measurement> {
    let mut best: Option<([Duration; STAGES.len()], Duration)> = None;
    for _ in 0..options.repeats {
        let start = Instant::now();
        let stages = one_run(dataset, transform, options)?;
        let run = (stages, start.elapsed());
        let total = |stages: &[Duration]| stages.iter().sum::<Duration>();
        if best.is_none_or(|best| total(&run.0) < total(&best.0)) {
            best = Some(run);
        }
    }
    let (stages, wall) = best.unwrap_or_default();
    let images = options.images as f64;
    let seconds: f64 = stages.iter().map(Duration::as_secs_f64).sum();
    Ok(Measurement {
        transform: name,
        images_per_cpu_second: images / seconds,
        images_per_second: images / wall.as_secs_f64(),
        milliseconds: stages.map(|stage| 1e3 * stage.as_secs_f64() / images),
        difference: None,
    })
}

fn difference(dataset: &Dataset, transform: &Transform, images: usize) -> Result<Difference> {
    let images = images.min(dataset.items().len());
    let mut scratch = Scratch::default();
    let (mut reduced, mut sum, mut max) = (0usize, 0.0f64, 0.0f64);
    for index in 0..images {
        let bytes = dataset.read(index)?;
        let mut load = |exact: bool| -> Result<(Vec<f32>, bool)> {
            let mut rng = stream(0, Purpose::Augmentation, 0, 0, index as u64);
            let picture = Picture::open(&bytes)?;
            let cut = transform.cut(picture.size(), &mut rng);
            let reduction = if exact { 1 } else { cut.reduction() };
            let part = picture.decode_part(cut.needed(), reduction)?;
            let mut out = vec![0.0; transform.values()];
            transform.resize(&part, &cut, &mut scratch);
            transform.finish(&mut rng, &mut scratch, &mut out);
            Ok((out, part.reduction > 1))
        };
        let (exact, _) = load(true)?;
        let (inexact, was_reduced) = load(false)?;
        reduced += usize::from(was_reduced);
        for (exact, inexact) in exact.iter().zip(&inexact) {
            let levels = 255.0 * f64::from((exact - inexact).abs());
            sum += levels;
            max = max.max(levels);
        }
    }
    Ok(Difference {
        reduced: reduced as f64 / images as f64,
        mean: sum / (images * transform.values()) as f64,
        max,
    })
}

/// Loads every image once, each thread its share, and returns the processor time of each stage.
fn one_run(
    dataset: &Dataset,
    transform: &Transform,
    options: &BenchLoad,
) -> Result<[Duration; STAGES.len()]> {
    let worker = |first: usize| -> Result<[Duration; STAGES.len()]> {
        let mut stages = [Duration::ZERO; STAGES.len()];
        let mut out = vec![0.0; transform.values()];
        let mut scratch = Scratch::default();
        for image in (first..options.images).step_by(options.workers) {
            let mut clock = Clock::start()?;
            let mut rng = stream(0, Purpose::Augmentation, 0, 0, image as u64);
            let index = image % dataset.items().len();
            let bytes = dataset.read(index)?;
            stages[0] += clock.lap()?;
            let named = |error| anyhow::anyhow!("{}: {error}", dataset.items()[index].name);
            let picture = Picture::open(&bytes).map_err(named)?;
            let cut = transform.cut(picture.size(), &mut rng);
            let reduction = if options.inexact { cut.reduction() } else { 1 };
            let part = picture
                .decode_part(cut.needed(), reduction)
                .map_err(named)?;
            stages[1] += clock.lap()?;
            transform.resize(&part, &cut, &mut scratch);
            stages[2] += clock.lap()?;
            transform.finish(&mut rng, &mut scratch, &mut out);
            std::hint::black_box(&out);
            stages[3] += clock.lap()?;
        }
        Ok(stages)
    };
    let results: Vec<Result<[Duration; STAGES.len()]>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.workers)
            .map(|first| scope.spawn(move || worker(first)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                let joined = thread.join();
                joined.unwrap_or_else(|_| bail!("a loading thread panicked"))
            })
            .collect()
    });
    let mut sum = [Duration::ZERO; STAGES.len()];
    for result in results {
        for (sum, stage) in sum.iter_mut().zip(result?) {
            *sum += stage;
        }
    }
    Ok(sum)
}

/// Processor time of this thread.
struct Clock(ThreadTime);

impl Clock {
    fn start() -> Result<Self> {
        let now = ThreadTime::try_now();
        Ok(Self(now.context("the processor time cannot be read")?))
    }

    /// Time since the last call.
    fn lap(&mut self) -> Result<Duration> {
        let now = Self::start()?;
        let time = now.0.duration_since(self.0);
        *self = now;
        Ok(time)
    }
}

fn print(dataset: &Dataset, found: &[Measurement], options: &BenchLoad) -> Result<()> {
    let items = dataset.items();
    let used = &items[..options.images.min(items.len())];
    let kilobytes =
        used.iter().map(|item| item.bytes).sum::<u64>() as f64 / 1e3 / used.len() as f64;
    if options.json {
        let result = json!({
            "data": options.data.as_deref().unwrap_or("made up"),
            "images": options.images,
            "mean_kilobytes": kilobytes,
            "image_size": options.image_size,
            "augmentation": options.augmentation,
            "exact": !options.inexact,
            "workers": options.workers,
            "stages": STAGES,
            "measurements": found,
        });
        outln!("{result}");
        return Ok(());
    }
    say(format!(
        "{} images of {kilobytes:.0} kB to {} px, {}, {}, {} workers",
        options.images,
        options.image_size,
        options.augmentation,
        if options.inexact { "inexact" } else { "exact" },
        options.workers
    ));
    let stages = STAGES.map(|stage| format!("{:>11}", format!("{stage}, ms")));
    outln!(
        "{:<10}{:>14}{:>12}{}",
        "transform",
        "images/s/core",
        "images/s",
        stages.concat()
    );
    for found in found {
        let stages = found.milliseconds.map(|stage| format!("{stage:>11.3}"));
        outln!(
            "{:<10}{:>14.0}{:>12.0}{}",
            found.transform,
            found.images_per_cpu_second,
            found.images_per_second,
            stages.concat()
        );
    }
    for found in found {
        if let Some(difference) = found.difference {
            say(format!(
                "{}: {:.0} % of the images shrunk in decoding; pixels differ from exact ones by {:.3} \
                 grey levels in the mean, {:.0} at most",
                found.transform,
                100.0 * difference.reduced,
                difference.mean,
                difference.max
            ));
        }
    }
    Ok(())
}
