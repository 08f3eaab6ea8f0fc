//! `--smoke`: a run of seconds that goes through every part, on any machine and without weight files.

use anyhow::Result;
use likewise::recipe::Layers;
use toml::Value;

/// One epoch of small batches of small images.
const SMALL: [&str; 4] = [
    "train.epochs=1",
    "sampler.batch_size=16",
    "data.image_size=32",
    "data.resize=0",
];

/// From scratch.
const WITHOUT_WEIGHTS: [&str; 2] = ["model.pretrained=false", "model.weights="];

/// What makes a network of an architecture small: fewer channels, fewer blocks.
fn small(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "resnet" => &[
            "model.backbone.width=8",
            "model.backbone.layers=[1, 1, 1, 1]",
        ],
        "bn_inception" | "googlenet" => &["model.backbone.width=8"],
        "vit" => &[
            "model.backbone.embed_dim=48",
            "model.backbone.depth=2",
            "model.backbone.heads=2",
        ],
        _ => &[],
    }
}

/// Shrinks epochs, batches, images and, if it is a published network that starts from no weight file of
/// the command line, the network. Objective, miner, embedding dimension and metrics stay as they are.
pub fn shrink(layers: &mut Layers, has_weights: bool) -> Result<()> {
    for assignment in SMALL {
        layers.set(assignment)?;
    }
    let architecture = layers.value(&["model", "backbone", "architecture"]);
    let small = architecture.and_then(Value::as_str).map_or(&[][..], small);
    if !has_weights && !small.is_empty() {
        for assignment in WITHOUT_WEIGHTS.iter().chain(small) {
            layers.set(assignment)?;
        }
    }
    Ok(())
}
