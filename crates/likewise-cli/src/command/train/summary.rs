//! The table after training: what was learned, beside the two baselines.

use anyhow::Result;
use likewise::metric::MetricValues;
use likewise::recipe::Recipe;
use serde_json::json;

use super::report::unit;
use crate::history::Record;
use crate::output::outln;
use crate::run_folder::RunFolder;

/// Prints the result for people, or as one JSON object.
pub fn print(recipe: &Recipe, folder: &RunFolder, as_json: bool) -> Result<()> {
    let finished = folder
        .history()
        .records()
        .iter()
        .rev()
        .find(|record| matches!(record, Record::Finished { .. }));
    let Some(Record::Finished {
        protocol,
        selected_epoch,
        stopped_after,
        metrics,
        baselines,
        skipped_images,
        seconds,
    }) = finished
    else {
        return Ok(());
    };
    let memory = folder.history().memory();
    let report = folder.path().join("report.html");
    if as_json {
        let result = json!({
            "run": folder.path(),
            "report": report,
            "recipe": recipe.name,
            "seed": recipe.seed,
            "protocol": protocol,
            "selected_epoch": selected_epoch,
            "stopped_after": stopped_after,
            "metrics": metrics,
            "baselines": baselines,
            "skipped_images": skipped_images,
            "seconds": seconds,
            "memory": memory.map(|(estimated, used)| {
                json!({
                    "estimated_bytes": estimated,
                    "process_bytes": used.process_bytes,
                    "device_bytes": used.device_bytes,
                })
            }),
        });
        outln!("{result}");
        return Ok(());
    }
    outln!("\nunseen classes (test), epoch {selected_epoch} chosen by protocol {protocol}");
    if let Some(epoch) = stopped_after {
        outln!(
            "early stopping after epoch {epoch} of {}",
            recipe.train.epochs
        );
    }
    let (without_training, start) = baselines.without_training();
    let width = without_training.len().max(11);
    outln!(
        "{:26} {:>width$} {:>11} {:>11}",
        "metric",
        without_training,
        "untrained",
        "trained"
    );
    for (&name, &value) in &metrics.scalars {
        let baseline = |values: Option<&MetricValues>| {
            let value = values.and_then(|values| values.scalars.get(&name));
            value.map_or_else(|| "–".into(), |&value| unit(name).text(value))
        };
        outln!(
            "{:26} {:>width$} {:>11} {:>11}",
            name.to_string(),
            baseline(start),
            baseline(baselines.untrained.as_ref()),
            unit(name).text(value)
        );
    }
    if *skipped_images > 0 {
        outln!("{skipped_images} images could not be decoded and were left out");
    }
    if let Some((_, used)) = memory {
        outln!("\nmemory  {} at the peak", used.text());
    }
    outln!("report  {}", report.display());
    Ok(())
}
