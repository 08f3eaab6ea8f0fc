//! `likewise bench kernels`: each operation with a kernel of its own, and its twin of Burn's tensor
//! operations, on embeddings made up in memory.

mod table;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use serde::Serialize;
use serde_json::json;

use super::{check_names, median, use_threads};
use crate::args::BenchKernels;
use crate::device::choose;
use crate::output::outln;
use crate::progress::{Task, say};
use table::{Entry, Inputs, TABLE, Work};

/// Repetitions go on until they have taken this long together,
const ENOUGH: Duration = Duration::from_millis(300);
/// and end when they have taken this long.
const LIMIT: Duration = Duration::from_secs(8);

/// One measurement.
#[derive(Serialize)]
struct Measurement {
    kernel: &'static str,
    batch: usize,
    kernel_milliseconds: f64,
    twin_milliseconds: f64,
    /// Time of the twin relative to that of the kernel.
    ratio: f64,
    /// Inputs read and outputs written once, per second of the kernel.
    gigabytes_per_second: f64,
    /// Additions and multiplications per second of the kernel; absent where other functions count.
    gigaflops: Option<f64>,
}

/// Measures and prints a row for each kernel and batch size.
pub fn run(options: &BenchKernels) -> Result<()> {
    if options.repeats == 0 || options.dim == 0 || options.batch.contains(&0) {
        bail!("--repeats, --dim and --batch must be at least 1");
    }
    let names: Vec<&str> = TABLE.iter().map(|entry| entry.name).collect();
    check_names("--kernel", &options.kernel, &names)?;
    let asked = |entry: &&Entry| {
        options.kernel.is_empty() || options.kernel.iter().any(|name| name == entry.name)
    };
    let entries: Vec<&Entry> = TABLE.iter().filter(asked).collect();
    let threads = use_threads(options.run.threads)?;
    let device = choose(&options.run.device)?;
    let mut task = Task::new("measuring", (entries.len() * options.batch.len()) as u64);
    let mut measurements = Vec::new();
    for entry in entries {
        for &batch in &options.batch {
            let work = (entry.prepare)(&Inputs::new(batch, options.dim, &device.device));
            measurements.push(measure(entry.name, batch, &work, &device.device, options)?);
            task.update(measurements.len() as u64, entry.name);
        }
    }
    task.finish();
    if options.run.json {
        let result = json!({
            "device": device,
            "threads": threads,
            "dimension": options.dim,
            "measurements": measurements,
        });
        outln!("{result}");
    } else {
        say(format!(
            "median times, D = {}; {} ({}), {threads} threads",
            options.dim, device.name, device.backend
        ));
        print(&measurements)?;
    }
    Ok(())
}

fn measure(
    kernel: &'static str,
    batch: usize,
    work: &Work,
    device: &Device,
    options: &BenchKernels,
) -> Result<Measurement> {
    let [seconds, twin_seconds] = medians([&work.kernel, &work.twin], device, options.repeats)?;
    Ok(Measurement {
        kernel,
        batch,
        kernel_milliseconds: 1e3 * seconds,
        twin_milliseconds: 1e3 * twin_seconds,
        ratio: twin_seconds / seconds,
        gigabytes_per_second: 1e-9 * work.bytes / seconds,
        gigaflops: work.operations.map(|count| 1e-9 * count / seconds),
    })
}

/// Median times of repetitions of either, up to the device having finished. They take turns, so
/// that what else the machine does slows both.
fn medians(either: [&dyn Fn(); 2], device: &Device, repeats: usize) -> Result<[f64; 2]> {
    let timed = |repetition: &dyn Fn()| -> Result<f64> {
        let start = Instant::now();
        repetition();
        device.sync().context("the device has failed")?;
        Ok(start.elapsed().as_secs_f64())
    };
    // The first compile, and what is chosen by trial is chosen.
    for repetition in [either, either].concat() {
        timed(repetition)?;
    }
    let (begun, mut seconds) = (Instant::now(), [Vec::new(), Vec::new()]);
    while seconds[0].is_empty()
        || begun.elapsed() < LIMIT && (seconds[0].len() < repeats || begun.elapsed() < ENOUGH)
    {
        for (repetition, seconds) in either.into_iter().zip(&mut seconds) {
            seconds.push(timed(repetition)?);
        }
    }
    Ok(seconds.map(|mut seconds| median(&mut seconds)))
}

fn print(measurements: &[Measurement]) -> Result<()> {
    outln!(
        "{:<32}{:>6}{:>13}{:>12}{:>8}{:>9}{:>9}",
        "kernel",
        "B",
        "kernel, ms",
        "twin, ms",
        "ratio",
        "GB/s",
        "GFLOP/s"
    );
    for row in measurements {
        let gigaflops = row
            .gigaflops
            .map_or("–".into(), |value| format!("{value:.1}"));
        outln!(
            "{:<32}{:>6}{:>13.3}{:>12.3}{:>8.1}{:>9.2}{gigaflops:>9}",
            row.kernel,
            row.batch,
            row.kernel_milliseconds,
            row.twin_milliseconds,
            row.ratio,
            row.gigabytes_per_second,
        );
    }
    Ok(())
}
