//! What a run starts from: a file of pretrained weights, or nothing.

use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use likewise::model::BackboneConfig;
use likewise::recipe::{Layers, Recipe};
use toml::Value;

use crate::args::Train;
use crate::weights::{self, WeightFile};

/// Key that a weight file can state, in the recipe.
const STRIDE: [&str; 3] = ["model", "backbone", "stride_in_1x1"];

/// The weights of a new run, and which key the recipe leaves to them.
#[derive(Debug)]
pub struct Start {
    /// The file, read; none if the run starts from scratch or is resumed.
    pub weights: Option<WeightFile>,
    stride_is_stated: bool,
}

impl Start {
    /// Reads the file that the recipe names, and fills in what the recipe leaves to it. A resumed
    /// run needs no file: its checkpoint has all.
    pub fn read(options: &Train, layers: &mut Layers) -> Result<Self> {
        let stride_is_stated = layers.value(&STRIDE).is_some();
        let file = layers.value(&["model", "weights"]).and_then(Value::as_str);
        let weights = match file {
            Some(file) if !options.resume => Some(weights::read(Path::new(file))?),
            _ => None,
        };
        let stride = match &weights {
            Some(file) => file.weights.stride_in_1x1()?,
            None => None,
        };
        let is_resnet = layers.value(&["model", "backbone", "architecture"]);
        let is_resnet = is_resnet.and_then(Value::as_str) == Some("resnet");
        if let (Some(stride), false, true) = (stride, stride_is_stated, is_resnet) {
            layers.set_value(&STRIDE.map(String::from), Value::Boolean(stride))?;
        }
        Ok(Self {
            weights,
            stride_is_stated,
        })
    }

    /// Refuses a new run whose weights are missing or belong to another network, before anything is
    /// written.
    pub fn check(&self, options: &Train, recipe: &Recipe) -> Result<()> {
        if !options.resume {
            recipe.model.check_weights_named()?;
        }
        let Some(file) = &self.weights else {
            return Ok(());
        };
        file.weights.check(&recipe.model)?;
        let size = recipe.data.image_size;
        let network = recipe.model.init(0, [3, size, size], &Device::flex())?;
        network.fit(&file.weights.tensors).require()?;
        Ok(())
    }

    /// Takes over what the weight file had filled in when the run began.
    pub fn adopt(&self, recipe: &mut Recipe, stored: &Recipe) {
        if recipe.model.pretrained && recipe.model.weights.is_none() {
            recipe.model.weights.clone_from(&stored.model.weights);
        }
        if let (BackboneConfig::Resnet(resnet), BackboneConfig::Resnet(earlier), false) = (
            &mut recipe.model.backbone,
            &stored.model.backbone,
            self.stride_is_stated,
        ) {
            resnet.stride_in_1x1 = earlier.stride_in_1x1;
        }
    }
}
