//! From the options of a measurement to the recipe whose step is measured.

use anyhow::{Result, bail};
use likewise::miner::TupleKind;
use likewise::model::preset;
use likewise::objective::{self, Embeddings};
use likewise::recipe::{Layers, Recipe};
use toml::Value;

use crate::args::BenchTrain;
use crate::recipes;

/// The recipe that `--config` names, as the other options change it.
pub fn recipe(options: &BenchTrain) -> Result<Recipe> {
    let mut layers = recipes::read(&options.config)?;
    // Made-up images need no weight files, and evaluation is not measured here.
    for assignment in [
        "model.pretrained=false",
        "model.weights=",
        "evaluation.every=0",
        "evaluation.splits=[]",
        "evaluation.keep_best=",
        "train.early_stopping=",
        "evaluation.metrics=[\"recall@1\"]",
        "evaluation.progress=[\"recall@1\"]",
        "evaluation.select=recall@1",
    ] {
        layers.set(assignment)?;
    }
    if let Some(name) = &options.arch {
        choose_backbone(&mut layers, name)?;
    }
    if let Some(name) = &options.objective {
        choose_objective(&mut layers, name)?;
    }
    if let Some(batch) = options.batch {
        layers.set(&format!("sampler.batch_size={batch}"))?;
    }
    if let Some(size) = options.size {
        layers.set(&format!("data.image_size={size}"))?;
        layers.set("data.resize=0")?;
    }
    if let Some(precision) = &options.precision {
        layers.set(&format!("train.precision={precision}"))?;
    }
    let (kinds, others) = recipes::in_order(&options.set);
    for assignment in kinds.into_iter().chain(others) {
        layers.set(assignment)?;
    }
    Ok(layers.into_recipe()?)
}

/// A backbone by its short name, at the size and with the BatchNorm it is usually trained with.
fn choose_backbone(layers: &mut Layers, name: &str) -> Result<()> {
    let backbone = preset(name)?;
    let architecture = backbone.architecture();
    let path = ["model", "backbone"].map(String::from);
    layers.set_value(&path, Value::try_from(backbone)?)?;
    layers.set(&format!("name={name}"))?;
    // What starts from published weights keeps their statistics.
    let pretrained = architecture.weights.is_some();
    layers.set(&format!(
        "model.frozen_batch_norm={}",
        pretrained && architecture.batch_norm
    ))?;
    layers.set("model.pooling=average")?;
    if pretrained {
        layers.set(&format!("data.image_size={}", architecture.images.size))?;
        layers.set(&format!("data.resize={}", architecture.images.resize))?;
    }
    Ok(())
}

/// An objective with a miner that it takes, and with embeddings that it is defined for.
fn choose_objective(layers: &mut Layers, name: &str) -> Result<()> {
    let Some(entry) = objective::TABLE.iter().find(|entry| entry.name == name) else {
        let names: Vec<&str> = objective::TABLE.iter().map(|entry| entry.name).collect();
        bail!("--objective {name}: not one of {}", names.join(", "));
    };
    layers.set(&format!("objective.name={name}"))?;
    layers.set(&format!(
        "model.normalize={}",
        entry.embeddings != Embeddings::Raw
    ))?;
    let miner = match entry.tuples[0] {
        TupleKind::None => "",
        TupleKind::NPairs => "npair",
        TupleKind::PairSets => "lifted",
        TupleKind::Triplets | TupleKind::Quadruplets => "distance",
    };
    match miner {
        "" => layers.set("miner=")?,
        miner => layers.set(&format!("miner.name={miner}"))?,
    }
    Ok(())
}
