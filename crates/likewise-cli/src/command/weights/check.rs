//! `likewise weights check`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use burn::tensor::{DType, Device, TensorData};
use likewise::model::pretrained::compact;
use likewise::model::{BackboneConfig, Fit, NetworkConfig, preset};
use serde_json::{Value, json};

use super::photos::{self, Photo};
use crate::args::WeightsCheck;
use crate::output::outln;
use crate::weights::{self, WeightFile};

/// Reads the file and reports; weights that do not fit are an error after the report.
pub fn run(options: &WeightsCheck) -> Result<ExitCode> {
    let mut backbone = preset(&options.architecture)?;
    let file = weights::read(&options.file)?;
    if let (BackboneConfig::Resnet(resnet), Some(stride)) =
        (&mut backbone, file.weights.stride_in_1x1()?)
    {
        resnet.stride_in_1x1 = stride;
    }
    let config = NetworkConfig::new(backbone);
    let size = config.backbone.architecture().images.size;
    let network = config.init(0, [3, size, size], &Device::flex())?;
    let fit = network.fit(&file.weights.tensors);
    let photos = match &options.photos {
        Some(_) if !fit.is_complete() => Vec::new(),
        Some(path) => photos::classify(path, &config, &file.weights)?,
        None => Vec::new(),
    };
    if options.json {
        outln!("{}", report(options, &file, &fit, &photos));
    } else {
        print(options, &file, &fit, &photos)?;
    }
    Ok(if fit.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(MISFIT)
    })
}

/// Exit code for weights that do not fit; the report says why.
const MISFIT: u8 = 2;

/// Number of values of the parameters and statistics: counters are none.
fn values(file: &WeightFile) -> usize {
    let tensors = file.weights.tensors.values();
    let floats = tensors.filter(|data| data.dtype().is_float());
    floats.map(TensorData::num_elements).sum()
}

fn types(file: &WeightFile) -> Vec<String> {
    let mut types: Vec<DType> = file
        .weights
        .tensors
        .values()
        .map(TensorData::dtype)
        .collect();
    types.sort_by_key(|dtype| format!("{dtype:?}"));
    types.dedup();
    types
        .iter()
        .map(|dtype| format!("{dtype:?}").to_lowercase())
        .collect()
}

fn right(photos: &[Photo]) -> usize {
    photos.iter().filter(|photo| photo.is_right()).count()
}

fn report(options: &WeightsCheck, file: &WeightFile, fit: &Fit, photos: &[Photo]) -> Value {
    let differing: Vec<Value> = fit
        .differing
        .iter()
        .map(|(name, found, expected)| json!({ "name": name, "file": found, "network": expected }))
        .collect();
    let mut report = json!({
        "file": options.file.display().to_string(),
        "format": file.format,
        "sha256": file.sha256,
        "tensors": file.weights.tensors.len(),
        "values": values(file),
        "types": types(file),
        "metadata": file.weights.metadata,
        "architecture": options.architecture,
        "missing": fit.missing,
        "unused": fit.unused,
        "differing": differing,
        "not_float": fit.not_float,
        "leftovers": fit.leftovers,
        "fits": fit.is_complete(),
    });
    if options.photos.is_some() && fit.is_complete() {
        let rows: Vec<Value> = photos
            .iter()
            .map(|photo| {
                json!({
                    "file": photo.name,
                    "class": photo.class,
                    "predicted": photo.predicted,
                    "probability": photo.probability,
                })
            })
            .collect();
        report["photos"] = json!({ "right": right(photos), "of": photos.len(), "each": rows });
    }
    report
}

fn print(options: &WeightsCheck, file: &WeightFile, fit: &Fit, photos: &[Photo]) -> Result<()> {
    outln!("file          {}", options.file.display());
    outln!("format        {}", file.format);
    outln!("SHA-256       {}", file.sha256);
    let (tensors, types) = (file.weights.tensors.len(), types(file).join(", "));
    outln!("tensors       {tensors} ({types}), {} values", values(file));
    for (key, word) in &file.weights.metadata {
        outln!("says          {key} = {word}");
    }
    let lists = [
        ("missing", compact(&fit.missing)),
        ("unused", compact(&fit.unused)),
        ("other shape", fit.differing_words()),
        ("not float", compact(&fit.not_float)),
        ("leftovers", leftovers(&fit.leftovers)),
    ];
    for (title, names) in lists {
        if names.is_empty() {
            outln!("{title:<13} none");
        }
        for (index, name) in names.iter().enumerate() {
            outln!("{:<13} {name}", if index == 0 { title } else { "" });
        }
    }
    let verdict = if fit.is_complete() {
        "fits"
    } else {
        "does not fit"
    };
    outln!("verdict       {verdict} {}", options.architecture);
    if options.photos.is_none() {
        return Ok(());
    }
    if !fit.is_complete() {
        bail!("the photographs were not classified, because the weights do not fit");
    }
    for photo in photos {
        let Photo {
            name,
            class,
            predicted,
            probability,
        } = photo;
        let mark = if photo.is_right() { "right" } else { "wrong" };
        outln!(
            "{mark}         {name}: class {class}, predicted {predicted} ({:.1} %)",
            100.0 * probability
        );
    }
    outln!("top-1         {} of {}", right(photos), photos.len());
    Ok(())
}

/// Counters of batches are one entry: there is one for every batch normalisation.
fn leftovers(names: &[String]) -> Vec<String> {
    let (counters, others): (Vec<String>, Vec<String>) = names
        .iter()
        .cloned()
        .partition(|name| name.ends_with(".num_batches_tracked"));
    let mut words = compact(&others);
    if !counters.is_empty() {
        words.push(format!("*.num_batches_tracked ({})", counters.len()));
    }
    words
}
