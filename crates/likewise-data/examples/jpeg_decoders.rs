//! The JPEG decoder of this crate beside that of the `image` crate (zune-jpeg), on every `.jpg` of
//! class folders: `cargo run --release -p likewise-data --example jpeg_decoders -- FOLDER`.

use std::time::Instant;

use likewise::{Error, Result};
use likewise_data::decode::decode;
use likewise_data::{DataSource, Dataset, DatasetOptions};

/// Rounds, of which the fastest counts.
const ROUNDS: usize = 7;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1);
    let folder = folder.ok_or_else(|| Error::Data("name a folder of class folders".to_owned()))?;
    let source: DataSource = folder.parse()?;
    let dataset = Dataset::open(&source, &DatasetOptions::default())?;
    let count = dataset.items().len().min(200);
    let files = (0..count)
        .map(|index| dataset.read(index))
        .collect::<Result<Vec<_>>>()?;
    let other = |bytes: &[u8]| -> Result<Vec<u8>> {
        let image = image::load_from_memory(bytes);
        let image = image.map_err(|error| Error::Data(error.to_string()))?;
        Ok(image.into_rgb8().into_raw())
    };
    measure("libjpeg-turbo", &files, |bytes| {
        Ok(decode(bytes)?.into_pixels())
    })?;
    measure("zune-jpeg", &files, other)?;
    let (mut values, mut differing, mut sum, mut most) = (0usize, 0usize, 0u64, 0u8);
    for bytes in &files {
        let (ours, theirs) = (decode(bytes)?.into_pixels(), other(bytes)?);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let difference = ours.abs_diff(*theirs);
            differing += usize::from(difference > 0);
            sum += u64::from(difference);
            most = most.max(difference);
        }
        values += ours.len();
    }
    println!(
        "{:.1} % of the values differ, by {:.3} in the mean of all, {most} at most",
        100.0 * differing as f64 / values as f64,
        sum as f64 / values as f64
    );
    Ok(())
}

fn measure(name: &str, files: &[Vec<u8>], decode: impl Fn(&[u8]) -> Result<Vec<u8>>) -> Result<()> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for file in files {
            std::hint::black_box(decode(file)?);
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name}: {:.0} images/s", files.len() as f64 / best);
    Ok(())
}
