//! What was measured, for people and for programs.

use anyhow::Result;
use likewise::recipe::Recipe;
use likewise::train::Stage;
use serde_json::{Map, json};

use super::Measurement;
use crate::device::Chosen;
use crate::memory::gigabytes;
use crate::output::outln;

/// Prints a measurement.
pub fn print(
    found: &Measurement,
    recipe: &Recipe,
    device: &Chosen,
    threads: usize,
    as_json: bool,
) -> Result<()> {
    let batch = recipe.sampler.batch_size();
    let images = batch * recipe.train.accumulation_steps as usize;
    let (median, fastest) = (found.median(), found.steps[0]);
    let flops = found.flops_per_second(images);
    let share = flops / found.ceiling.flops_per_second;
    let peak = found.peak.map(|bytes| bytes as f64 / 1e6);
    if as_json {
        let stages: Map<_, _> = found
            .stages
            .iter()
            .map(|(stage, seconds)| (stage.name().to_string(), json!(1e3 * seconds)))
            .collect();
        let result = json!({
            "recipe": recipe.name,
            "architecture": recipe.model.backbone.architecture().name,
            "objective": recipe.objective.name(),
            "precision": recipe.train.precision.name(),
            "device": device,
            "threads": threads,
            "batch_size": batch,
            "image_size": recipe.data.image_size,
            "median_step_ms": 1e3 * median,
            "fastest_step_ms": 1e3 * fastest,
            "images_per_second": images as f64 / median,
            "stages_ms": stages,
            "peak_megabytes": peak,
            "estimated_megabytes": found.estimate.bytes() as f64 / 1e6,
            "estimate": found.estimate,
            "memory": found.memory,
            "multiply_adds_per_image": found.multiply_adds,
            "flops_per_second": flops,
            "ceiling": found.ceiling,
            "share_of_ceiling": share,
        });
        outln!("{result}");
        return Ok(());
    }
    outln!(
        "{}: {} images/s (median step {:.1} ms, fastest {:.1} ms{}; batch {batch}, {} px, {}, {}, {}, {threads} threads)",
        recipe.name,
        speed(images as f64 / median),
        1e3 * median,
        1e3 * fastest,
        peak.map_or(String::new(), |peak| format!(", {peak:.0} MB")),
        recipe.data.image_size,
        recipe.objective.name(),
        recipe.train.precision.name(),
        device.name,
    );
    let stage = |(stage, seconds): &(Stage, f64)| format!("{} {:.1}", stage.name(), 1e3 * seconds);
    let stages: Vec<String> = found.stages.iter().map(stage).collect();
    outln!(
        "  ms a stage (the device drained after each): {}",
        stages.join(", ")
    );
    outln!(
        "  memory at the peak: {} (estimated before the first step: {})",
        found.memory.text(),
        gigabytes(found.estimate.bytes()),
    );
    outln!(
        "  {:.2} GFLOP an image forward; {:.3} TFLOP/s in the step, {:.0} % of the {:.3} TFLOP/s of a product of \
         {} rows",
        2e-9 * found.multiply_adds as f64,
        1e-12 * flops,
        1e2 * share,
        1e-12 * found.ceiling.flops_per_second,
        found.ceiling.rows,
    );
    Ok(())
}

/// Images a second: whole numbers where there are many.
fn speed(images: f64) -> String {
    match images {
        0.0..20.0 => format!("{images:.2}"),
        _ => format!("{images:.0}"),
    }
}
