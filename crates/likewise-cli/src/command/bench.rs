//! `likewise bench`: what this machine needs for a step, and for its parts.

mod evaluate;
mod kernels;
mod load;
mod objectives;
mod train;

use anyhow::{Context, Result, bail};
use burn::tensor::Tensor;

use crate::args::BenchWhat;

/// Measures what was asked for.
pub fn run(what: &BenchWhat) -> Result<()> {
    match what {
        BenchWhat::Train(options) => train::run(options),
        BenchWhat::Objectives(options) => objectives::run(options),
        BenchWhat::Evaluate(options) => evaluate::run(options),
        BenchWhat::Kernels(options) => kernels::run(options),
        BenchWhat::Load(options) => load::run(options),
    }
}

/// Sets the threads of the CPU backend, if asked to, and returns their number.
fn use_threads(threads: Option<usize>) -> Result<usize> {
    if threads == Some(0) {
        bail!("--threads 0: at least 1");
    }
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("the threads of the CPU backend cannot be set")?;
    }
    Ok(threads.unwrap_or_else(rayon::current_num_threads))
}

/// Waits until the device has computed `tensor`: its bytes are touched, because a read from a GPU is
/// done only when they are.
fn wait<const N: usize>(tensor: Tensor<N>) {
    let data = tensor.into_data();
    std::hint::black_box(data.as_bytes().iter().fold(0, |all, byte| all | byte));
}

/// The middle of some measured seconds.
fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Refuses names that are not among the known ones.
fn check_names(option: &str, names: &[String], known: &[&str]) -> Result<()> {
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => bail!("{option} {name}: not one of {}", known.join(", ")),
        None => Ok(()),
    }
}
