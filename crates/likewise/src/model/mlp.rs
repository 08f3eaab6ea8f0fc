//! Fully connected backbone, for points and very small images.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use serde::{Deserialize, Serialize};

use super::cost::Trace;
use super::init::ParameterSource;
use super::linear::Linear;
use crate::error::{Error, Result};

/// A multilayer perceptron on the flattened input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MlpConfig {
    /// Widths of the hidden layers, each followed by a ReLU. The last one is the feature
    /// dimension; with none the features are the input itself.
    pub hidden: Vec<usize>,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self {
            hidden: vec![256, 256],
        }
    }
}

impl MlpConfig {
    /// Dimension of the features for images `[channels, height, width]`.
    ///
    /// # Errors
    ///
    /// A hidden width of zero.
    pub fn feature_dim(&self, input: [usize; 3]) -> Result<usize> {
        if self.hidden.contains(&0) {
            return Err(Error::Recipe(format!(
                "mlp: hidden = {:?} contains a width of 0; use 1 or more",
                self.hidden
            )));
        }
        Ok(self
            .hidden
            .last()
            .copied()
            .unwrap_or_else(|| input.iter().product()))
    }

    pub(super) fn trace(&self, input: [usize; 3], trace: &mut Trace) {
        let mut width = input.iter().product();
        for &output in &self.hidden {
            trace.linear(width, output);
            width = output;
        }
    }

    pub(super) fn init(&self, input: [usize; 3], source: &ParameterSource) -> Mlp {
        let mut width = input.iter().product();
        let source = source.child("layers");
        let layer = |(index, &output): (usize, &usize)| {
            let layer = Linear::new(width, output, &source.child(index.to_string()));
            width = output;
            layer
        };
        Mlp {
            layers: self.hidden.iter().enumerate().map(layer).collect(),
        }
    }
}

/// See [`MlpConfig`].
#[derive(Module, Debug)]
pub struct Mlp {
    /// Hidden layers.
    pub layers: Vec<Linear>,
}

impl Mlp {
    /// `[B, C, H, W]` → features `[B, F]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let input = images.flatten(1, 3);
        self.layers
            .iter()
            .fold(input, |features, layer| relu(layer.forward(features)))
    }
}
