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

/// A ResNet of one narrow block a stage, from scratch.
const SMALL_RESNET: [&str; 4] = [
    "model.pretrained=false",
    "model.weights=",
    "model.backbone.width=8",
    "model.backbone.layers=[1, 1, 1, 1]",
];

/// Shrinks epochs, batches, images and, if it is a ResNet that starts from no weight file of the
/// command line, the network. Objective, miner, embedding dimension and metrics stay as they are.
pub fn shrink(layers: &mut Layers, has_weights: bool) -> Result<()> {
    for assignment in SMALL {
        layers.set(assignment)?;
    }
    let architecture = layers.value(&["model", "backbone", "architecture"]);
    if architecture.and_then(Value::as_str) == Some("resnet") && !has_weights {
        for assignment in SMALL_RESNET {
            layers.set(assignment)?;
        }
    }
    Ok(())
}
