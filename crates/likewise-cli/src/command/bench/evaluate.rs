//! `likewise bench evaluate`: time and memory of the metrics, family by family, on embeddings made
//! up in memory.

use std::time::Instant;

use anyhow::{Result, bail};
use burn::tensor::Device;
use likewise::metric::{self, MetricSet, MetricValues};
use likewise::random::{self, Purpose};
use rand::Rng;
use serde::Serialize;
use serde_json::json;

use super::use_threads;
use crate::args::{BenchEvaluate, Preset};
use crate::memory::Peak;
use crate::output::outln;
use crate::progress::say;

/// Length of the noise around a class's centre, of length 1.
const SPREAD: f32 = 1.4;

/// Metrics measured together, as they are computed together.
const FAMILIES: [(&str, &[&str]); 4] = [
    (
        "retrieval",
        &[
            "recall@1", "recall@2", "recall@4", "map_at_r", "mAP_lim", "mAP_1000", "mAP_c",
        ],
    ),
    (
        "density",
        &["dists@intra", "dists@inter", "dists@intra_over_inter"],
    ),
    (
        "spectrum",
        &[
            "rho_spectrum@0",
            "rho_spectrum@-1",
            "rho_spectrum@1",
            "rho_spectrum@2",
            "rho_spectrum@10",
        ],
    ),
    ("clustering", &["nmi", "f1"]),
];

/// One family on one split.
#[derive(Serialize)]
struct Measurement {
    rows: usize,
    family: &'static str,
    seconds: f64,
    /// Largest amount of memory above what was in use before, the embeddings, in MB.
    peak_megabytes: f64,
    values: MetricValues,
}

/// Measures and prints a row for each family and split.
pub fn run(options: &BenchEvaluate) -> Result<()> {
    let threads = use_threads(options.threads)?;
    let (rows, classes) = match options.preset {
        Preset::Cub => (5_924, 100),
        Preset::Cars => (8_131, 98),
        Preset::Sop => (60_502, 11_316),
    };
    let sizes = if options.rows.is_empty() {
        vec![rows]
    } else {
        options.rows.clone()
    };
    if options.dim == 0 || sizes.iter().any(|&rows| rows < 2) {
        bail!("--dim must be at least 1, and --rows at least 2");
    }
    let mut measurements = Vec::new();
    for &size in &sizes {
        // As many rows a class as in the preset.
        let classes = (size * classes / rows).max(1);
        say(format!(
            "{size} rows of {classes} classes, D = {}, {threads} threads",
            options.dim
        ));
        let (embeddings, labels) = split(size, options.dim, classes);
        for (family, names) in FAMILIES {
            if family == "clustering" && !options.clustering {
                continue;
            }
            let requested = MetricSet::parse(names)?;
            let peak = Peak::watch(&Device::flex());
            let start = Instant::now();
            let values = metric::evaluate(&embeddings, options.dim, &labels, &requested, 0)?;
            let seconds = start.elapsed().as_secs_f64();
            measurements.push(Measurement {
                rows: size,
                family,
                seconds,
                peak_megabytes: peak.bytes().unwrap_or(0) as f64 / 1e6,
                values,
            });
        }
    }
    if options.json {
        let result = json!({
            "threads": threads,
            "dimension": options.dim,
            "measurements": measurements,
        });
        outln!("{result}");
        return Ok(());
    }
    outln!(
        "{:>8}  {:<12}{:>10}{:>10}  value",
        "rows",
        "family",
        "seconds",
        "peak, MB"
    );
    for found in &measurements {
        let values = found.values.scalars.iter();
        let first = values
            .map(|(name, value)| format!("{name} {value:.4}"))
            .next();
        outln!(
            "{:>8}  {:<12}{:>10.3}{:>10.1}  {}",
            found.rows,
            found.family,
            found.seconds,
            found.peak_megabytes,
            first.unwrap_or_default()
        );
    }
    Ok(())
}

/// Unit embeddings around class centres, and their labels.
fn split(rows: usize, dim: usize, classes: usize) -> (Vec<f32>, Vec<u32>) {
    let mut rng = random::stream(0, Purpose::Initialization, 0, 0, 0);
    let mut direction = || {
        // Sums of uniform numbers are near enough to normal.
        let normal = |_| (0..4).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>();
        let mut values: Vec<f32> = (0..dim).map(normal).collect();
        normalize(&mut values);
        values
    };
    let mut embeddings = Vec::with_capacity(rows * dim);
    let mut labels = Vec::with_capacity(rows);
    let mut centre = Vec::new();
    for row in 0..rows {
        let label = (row * classes / rows) as u32;
        if labels.last() != Some(&label) {
            centre = direction();
        }
        labels.push(label);
        let noise = direction();
        let mut values: Vec<f32> = centre
            .iter()
            .zip(noise)
            .map(|(c, n)| c + SPREAD * n)
            .collect();
        normalize(&mut values);
        embeddings.extend(values);
    }
    (embeddings, labels)
}

fn normalize(values: &mut [f32]) {
    let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values
        .iter_mut()
        .for_each(|value| *value /= norm.max(f32::MIN_POSITIVE));
}
