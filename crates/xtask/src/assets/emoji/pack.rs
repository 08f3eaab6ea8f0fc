//! Writing the pack: a tar shard a split, with class folders, and an index beside them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::{Compression, GzBuilder};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::encode::encode;
use super::icons::{Class, IconSet, SIZE};

/// Most bytes the committed pack may have.
const LIMIT: usize = 5_000_000;

/// Key of the split; changing it changes which classes are tested.
const SPLIT_SEED: u64 = 0;

#[derive(Serialize)]
struct Index {
    size: u32,
    split_seed: u64,
    images: usize,
    sha256: BTreeMap<String, String>,
    sources: Vec<Source>,
    classes: Vec<ClassEntry>,
}

#[derive(Serialize)]
struct Source {
    vendor: String,
    package: String,
    version: String,
    author: String,
    url: String,
    license: String,
    images: usize,
}

#[derive(Serialize)]
struct ClassEntry {
    name: String,
    split: &'static str,
    vendors: Vec<String>,
}

/// Renders, encodes and writes everything to `out`; other files there (licences) stay.
pub fn write(sets: &[IconSet], classes: &[Class], out: &Path) -> Result<()> {
    let splits = divide(classes);
    let mut shards: BTreeMap<&str, tar::Builder<Vec<u8>>> = BTreeMap::new();
    let mut images = vec![0; sets.len()];
    let mut error = Deviation::default();
    for drawing in draw_all(sets, classes)? {
        let split = splits[drawing.class];
        let shard = shards
            .entry(split)
            .or_insert_with(|| tar::Builder::new(Vec::new()));
        let path = format!(
            "{split}/{}/{}.webp",
            drawing.class,
            sets[drawing.set].vendor()
        );
        append(shard, &path, &drawing.encoded)?;
        error.add(&drawing)?;
        images[drawing.set] += 1;
    }

    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let mut sha256 = BTreeMap::new();
    let mut total = 0;
    for (split, shard) in shards {
        let tar = shard.into_inner()?;
        let name = format!("emoji-{split}.tar");
        let digest = Sha256::digest(&tar);
        sha256.insert(
            name.clone(),
            digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        );
        let compressed = compress(&tar)?;
        total += compressed.len();
        std::fs::write(out.join(format!("{name}.gz")), &compressed)?;
    }
    let index = index(sets, classes, &splits, &images, sha256);
    let text = to_text(&index)?;
    total += text.len();
    std::fs::write(out.join("emoji.json"), text)?;
    println!(
        "{} classes, {} images, {:.2} MB; {:.1} % exact, greatest deviation {}, mean PSNR of the \
         rest {:.1} dB",
        classes.len(),
        index.images,
        megabytes(total),
        error.exact_percent(),
        error.greatest,
        error.mean_psnr(),
    );
    ensure!(
        total <= LIMIT,
        "the pack has {total} bytes; at most {LIMIT} are allowed"
    );
    Ok(())
}

struct Drawing<'a> {
    class: &'a str,
    set: usize,
    pixels: Vec<u8>,
    encoded: Vec<u8>,
}

/// Renders and encodes all drawings on all cores, in the order of `classes`.
fn draw_all<'a>(sets: &[IconSet], classes: &'a [Class]) -> Result<Vec<Drawing<'a>>> {
    let draw = |class: &'a Class| {
        class.sets.iter().map(move |&set| {
            let pixels = sets[set].render(&class.name)?;
            let encoded = encode(&pixels)?;
            Ok(Drawing {
                class: &class.name,
                set,
                pixels,
                encoded,
            })
        })
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = classes
            .chunks(classes.len().div_ceil(cores))
            .map(|part| scope.spawn(move || part.iter().flat_map(draw).collect::<Result<Vec<_>>>()))
            .collect();
        let mut drawings = Vec::new();
        for worker in workers {
            let part = worker
                .join()
                .map_err(|_| anyhow::anyhow!("a rendering thread failed"))?;
            drawings.extend(part?);
        }
        Ok(drawings)
    })
}

/// Half of the classes train, a tenth validates, the rest tests: classes ordered by a hash of seed
/// and name, so that a class added later does not move the others much.
fn divide(classes: &[Class]) -> BTreeMap<&str, &'static str> {
    let mut order: Vec<(String, &str)> = classes
        .iter()
        .map(|class| {
            let digest = Sha256::digest(format!("emoji split {SPLIT_SEED} {}", class.name));
            (
                digest.iter().map(|byte| format!("{byte:02x}")).collect(),
                class.name.as_str(),
            )
        })
        .collect();
    order.sort();
    let (train, validation) = (classes.len() / 2, classes.len() / 10);
    order
        .into_iter()
        .enumerate()
        .map(|(rank, (_, name))| match rank {
            _ if rank < train => (name, "train"),
            _ if rank < train + validation => (name, "validation"),
            _ => (name, "test"),
        })
        .collect()
}

fn append(shard: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) -> Result<()> {
    // Default owner, time and mode fields are zero, so the archive depends on its content alone.
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    shard
        .append_data(&mut header, path, content)
        .with_context(|| path.to_owned())
}

fn compress(tar: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    encoder.write_all(tar)?;
    Ok(encoder.finish()?)
}

fn index(
    sets: &[IconSet],
    classes: &[Class],
    splits: &BTreeMap<&str, &'static str>,
    images: &[usize],
    sha256: BTreeMap<String, String>,
) -> Index {
    let sources = sets.iter().zip(images).map(|(set, &images)| Source {
        vendor: set.vendor().to_owned(),
        package: set.package.clone(),
        version: set.version.clone(),
        author: set.info.author.name.clone(),
        url: set.info.author.url.clone(),
        license: set.info.license.spdx.clone(),
        images,
    });
    let entries = classes.iter().map(|class| ClassEntry {
        name: class.name.clone(),
        split: splits[class.name.as_str()],
        vendors: class
            .sets
            .iter()
            .map(|&set| sets[set].vendor().to_owned())
            .collect(),
    });
    Index {
        size: SIZE,
        split_seed: SPLIT_SEED,
        images: images.iter().sum(),
        sha256,
        sources: sources.collect(),
        classes: entries.collect(),
    }
}

/// JSON with one class a line: readable and small in a diff.
fn to_text(index: &Index) -> Result<String> {
    let mut head = serde_json::to_value(index)?;
    let classes = head.as_object_mut().and_then(|head| head.remove("classes"));
    let classes = classes
        .as_ref()
        .and_then(|value| value.as_array())
        .context("no classes")?;
    let lines: Vec<String> = classes.iter().map(ToString::to_string).collect();
    let head = serde_json::to_string_pretty(&head)?;
    let head = head.trim_end_matches(['}', '\n']);
    Ok(format!(
        "{head},\n  \"classes\": [\n    {}\n  ]\n}}\n",
        lines.join(",\n    ")
    ))
}

/// How far the stored drawings are from the rendered ones.
#[derive(Default)]
struct Deviation {
    exact: usize,
    images: usize,
    greatest: u8,
    psnr: f64,
}

impl Deviation {
    fn add(&mut self, drawing: &Drawing) -> Result<()> {
        let decoded = image::load_from_memory(&drawing.encoded)?.into_rgb8();
        let values = decoded.iter().zip(&drawing.pixels);
        let differences = values.map(|(left, right)| left.abs_diff(*right));
        let greatest = differences.clone().max().unwrap_or(0);
        let squares: f64 = differences.map(|by| f64::from(by).powi(2)).sum();
        self.images += 1;
        self.greatest = self.greatest.max(greatest);
        if greatest == 0 {
            self.exact += 1;
        } else {
            let mean = squares / f64::from(SIZE * SIZE * 3);
            self.psnr += 10.0 * (255.0f64.powi(2) / mean).log10();
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "thousands of images")]
    fn exact_percent(&self) -> f64 {
        100.0 * self.exact as f64 / self.images.max(1) as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "thousands of images")]
    fn mean_psnr(&self) -> f64 {
        self.psnr / (self.images - self.exact).max(1) as f64
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few million bytes")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
