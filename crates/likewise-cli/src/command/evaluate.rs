//! `likewise evaluate`.

mod arrays;

use anyhow::{Result, bail};
use likewise::metric::{self, METRICS, MetricSet};
use likewise::train::EmbeddedSplit;
use serde_json::json;

use super::train::unit;
use crate::args::Evaluate;
use crate::output::outln;
use crate::run_folder::{read_embeddings, read_recipe};

/// Computes metrics of a finished run, or of embeddings and labels from files.
pub fn run(options: &Evaluate) -> Result<()> {
    let stored = match (&options.run, &options.embeddings, &options.labels) {
        (Some(run), _, _) => from_run(run, &options.split)?,
        (None, Some(embeddings), Some(labels)) => {
            let (values, dim) = arrays::matrix(embeddings)?;
            let rows = values.len() / dim;
            let labels_of = arrays::labels(labels)?;
            if labels_of.len() != rows {
                bail!(
                    "{} has {rows} rows, but {} has {} labels",
                    embeddings.display(),
                    labels.display(),
                    labels_of.len()
                );
            }
            EmbeddedSplit {
                values,
                dim,
                labels: labels_of,
                rows: (0..rows).collect(),
            }
        }
        _ => bail!("give the folder of a run, or --embeddings FILE with --labels FILE"),
    };
    let request = if options.metrics.is_empty() {
        every_metric()
    } else {
        MetricSet::parse(&options.metrics)?
    };
    let values = metric::evaluate(
        &stored.values,
        stored.dim,
        &stored.labels,
        &request,
        options.seed,
    )?;
    if options.json {
        outln!("{}", json!(values));
        return Ok(());
    }
    let classes: std::collections::BTreeSet<u32> = stored.labels.iter().copied().collect();
    outln!(
        "{} images of {} classes, {} dimensions",
        stored.labels.len(),
        classes.len(),
        stored.dim
    );
    for (&name, &value) in &values.scalars {
        outln!("{:30} {:>11}", name.to_string(), unit(name).text(value));
    }
    Ok(())
}

fn from_run(run: &std::path::Path, split: &str) -> Result<EmbeddedSplit> {
    read_recipe(run)?;
    let folder = run.join("embeddings");
    let file = folder.join(format!("{split}.safetensors"));
    if !file.exists() {
        let mut found: Vec<String> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                entry
                    .ok()?
                    .path()
                    .file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned())
            })
            .collect();
        found.sort();
        if found.is_empty() {
            bail!(
                "{} has no embeddings yet: finish it with likewise train --resume",
                run.display()
            );
        }
        bail!(
            "{} has no embeddings `{split}`; it has: {}",
            run.display(),
            found.join(", ")
        );
    }
    read_embeddings(&file)
}

/// Every metric of the table, with the numbers of neighbours and offsets in common use.
fn every_metric() -> MetricSet {
    let mut set = MetricSet::default();
    let more = METRICS
        .iter()
        .map(|metric| metric.name.replace("@k", "@8").replace("@m", "@1"));
    let more = more.chain([
        "recall@10".into(),
        "recall@100".into(),
        "recall@1000".into(),
    ]);
    for name in more {
        if let Ok(name) = name.parse() {
            set.insert(name);
        }
    }
    set
}
