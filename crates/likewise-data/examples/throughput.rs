//! Images a second that one thread decodes and transforms, and that the loader delivers:
//! `cargo run --release -p likewise-data --example throughput -- SOURCE [SIZE]`.

use std::sync::Arc;
use std::time::Instant;

use likewise::Result;
use likewise::random::{Purpose, stream};
use likewise_data::rgb::Part;
use likewise_data::transform::Scratch;
use likewise_data::{
    DataSource, Dataset, DatasetOptions, Loader, LoaderOptions, Split, TransformOptions,
};

/// Images timed at most.
const IMAGES: usize = 1000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let source: DataSource = arguments.first().map_or("emoji", String::as_str).parse()?;
    let size = arguments
        .get(1)
        .and_then(|size| size.parse().ok())
        .unwrap_or(224);
    let dataset = Arc::new(Dataset::open(&source, &DatasetOptions::default())?);
    let options = TransformOptions {
        size,
        ..TransformOptions::default()
    };
    let indices: Vec<usize> = dataset
        .split(Split::Train)
        .indices
        .iter()
        .copied()
        .take(IMAGES)
        .collect();
    one_thread(&dataset, &options, &indices)?;
    with_loader(&dataset, &options, &indices)
}

fn one_thread(dataset: &Dataset, options: &TransformOptions, indices: &[usize]) -> Result<()> {
    let start = Instant::now();
    let images = indices
        .iter()
        .map(|&index| dataset.decode(index).map(Part::from))
        .collect::<Result<Vec<_>>>()?;
    report("decode", images.len(), start);
    for (name, transform) in [
        ("train", options.train()?),
        ("evaluate", options.evaluate()?),
    ] {
        let mut out = vec![0.0; transform.values()];
        let mut scratch = Scratch::default();
        let start = Instant::now();
        for (item, image) in (0..).zip(&images) {
            let mut rng = stream(0, Purpose::Augmentation, 0, 0, item);
            transform.apply(image, &mut rng, &mut scratch, &mut out);
        }
        report(&format!("{name} transform"), images.len(), start);
    }
    Ok(())
}

fn with_loader(
    dataset: &Arc<Dataset>,
    options: &TransformOptions,
    indices: &[usize],
) -> Result<()> {
    let workers = LoaderOptions {
        workers: 1,
        ..LoaderOptions::default()
    };
    let loader = Loader::new(Arc::clone(dataset), options, workers)?;
    for pass in [
        "loader, 1 worker, first pass",
        "loader, 1 worker, from memory",
    ] {
        let start = Instant::now();
        let mut batches = loader.evaluate(indices, 112)?;
        for batch in batches.by_ref() {
            batch?;
        }
        report(pass, indices.len(), start);
        println!("  {:?}", batches.statistics());
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a thousand images")]
fn report(what: &str, images: usize, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {:.0} images/s", images as f64 / seconds);
}
