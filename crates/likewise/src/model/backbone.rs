//! The choice of a backbone: one enum for recipes, one for networks.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::architecture::{self, Architecture};
use super::bn_inception::{BnInception, BnInceptionConfig};
use super::conv_net::{ConvNet, ConvNetConfig};
use super::cost::Trace;
use super::googlenet::{Googlenet, GooglenetConfig};
use super::init::ParameterSource;
use super::mlp::{Mlp, MlpConfig};
use super::pooling::Pooling;
use super::resnet::{Resnet, ResnetConfig};
use super::vit::{Vit, VitConfig};
use crate::error::{Error, Result};

/// A backbone and its sizes, chosen by the key `architecture`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case")]
pub enum BackboneConfig {
    /// Fully connected layers.
    Mlp(MlpConfig),
    /// Small convolutional network.
    ConvNet(ConvNetConfig),
    /// Bottleneck ResNet.
    Resnet(ResnetConfig),
    /// BN-Inception.
    BnInception(BnInceptionConfig),
    /// GoogLeNet with batch normalisation.
    Googlenet(GooglenetConfig),
    /// Vision transformer.
    Vit(VitConfig),
}

impl BackboneConfig {
    /// The entry of this architecture in [`ARCHITECTURES`](super::ARCHITECTURES).
    pub fn architecture(&self) -> &'static Architecture {
        architecture::entry(match self {
            Self::Mlp(_) => "mlp",
            Self::ConvNet(_) => "conv_net",
            Self::Resnet(_) => "resnet",
            Self::BnInception(_) => "bn_inception",
            Self::Googlenet(_) => "googlenet",
            Self::Vit(_) => "vit",
        })
    }

    /// Dimension of the features for images `[channels, height, width]`.
    ///
    /// # Errors
    ///
    /// Sizes that cannot work; the message names the key.
    pub fn feature_dim(&self, input: [usize; 3]) -> Result<usize> {
        if input.contains(&0) {
            let [channels, height, width] = input;
            return Err(Error::Data(format!(
                "images of {channels}×{height}×{width} (channels×height×width) are empty"
            )));
        }
        match self {
            Self::Mlp(config) => config.feature_dim(input),
            Self::ConvNet(config) => config.feature_dim(input),
            Self::Resnet(config) => config.feature_dim(),
            Self::BnInception(config) => config.feature_dim(input),
            Self::Googlenet(config) => config.feature_dim(input),
            Self::Vit(config) => config.feature_dim(input),
        }
    }

    /// Follows an image `[channels, height, width]` through its layers.
    pub(super) fn trace(&self, input: [usize; 3], trace: &mut Trace) {
        match self {
            Self::Mlp(config) => config.trace(input, trace),
            Self::ConvNet(config) => config.trace(input, trace),
            Self::Resnet(config) => config.trace(input, trace),
            Self::BnInception(config) => config.trace(input, trace),
            Self::Googlenet(config) => config.trace(input, trace),
            Self::Vit(config) => config.trace(input, trace),
        }
    }

    /// Makes the backbone for images `[channels, height, width]`; call
    /// [`feature_dim`](Self::feature_dim) first, which finds sizes that cannot work.
    pub(super) fn init(&self, input: [usize; 3], source: &ParameterSource) -> Backbone {
        match self {
            Self::Mlp(config) => Backbone::Mlp(config.init(input, source)),
            Self::ConvNet(config) => Backbone::ConvNet(config.init(input[0], source)),
            Self::Resnet(config) => Backbone::Resnet(config.init(input[0], source)),
            Self::BnInception(config) => Backbone::BnInception(config.init(input[0], source)),
            Self::Googlenet(config) => Backbone::Googlenet(config.init(input[0], source)),
            Self::Vit(config) => Backbone::Vit(config.init(input[0], source)),
        }
    }
}

/// The part of a network that turns images into features.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one backbone exists per network, and it is not moved in the step"
)]
pub enum Backbone {
    /// Fully connected layers.
    Mlp(Mlp),
    /// Small convolutional network.
    ConvNet(ConvNet),
    /// Bottleneck ResNet.
    Resnet(Resnet),
    /// BN-Inception.
    BnInception(BnInception),
    /// GoogLeNet with batch normalisation.
    Googlenet(Googlenet),
    /// Vision transformer.
    Vit(Vit),
}

/// A piece of a backbone that hands one map to the next.
pub type Segment<'a> = Box<dyn Fn(Tensor<4>) -> Tensor<4> + 'a>;

impl Backbone {
    /// The entry of its architecture in [`ARCHITECTURES`](super::ARCHITECTURES).
    pub fn architecture(&self) -> &'static Architecture {
        architecture::entry(match self {
            Self::Mlp(_) => "mlp",
            Self::ConvNet(_) => "conv_net",
            Self::Resnet(_) => "resnet",
            Self::BnInception(_) => "bn_inception",
            Self::Googlenet(_) => "googlenet",
            Self::Vit(_) => "vit",
        })
    }

    /// The pieces from the images `[B, C, H, W]` to what [`finish`](Self::finish) takes: blocks
    /// whose activations can be computed again one at a time.
    pub fn segments(&self) -> Vec<Segment<'_>> {
        match self {
            Self::Mlp(_) => Vec::new(),
            Self::ConvNet(backbone) => backbone.segments(),
            Self::Resnet(backbone) => backbone.segments(),
            Self::BnInception(backbone) => backbone.segments(),
            Self::Googlenet(backbone) => backbone.segments(),
            Self::Vit(backbone) => backbone.segments(),
        }
    }

    /// Output of the last segment → features `[B, F]`. `pooling` has no effect without a feature
    /// map.
    pub fn finish(&self, map: Tensor<4>, pooling: Pooling) -> Tensor<2> {
        match self {
            Self::Mlp(backbone) => backbone.forward(map),
            Self::Vit(backbone) => backbone.finish(map),
            Self::ConvNet(_) | Self::Resnet(_) | Self::BnInception(_) | Self::Googlenet(_) => {
                pooling.forward(map)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ARCHITECTURES;
    use super::*;

    #[test]
    fn every_architecture_is_listed_under_the_name_its_configuration_has() {
        for architecture in ARCHITECTURES {
            let config = (architecture.default)();
            let value = serde_json::to_value(&config).unwrap();
            assert_eq!(value["architecture"], architecture.name);
            assert_eq!(config.architecture().name, architecture.name);
            let only_named = serde_json::json!({ "architecture": architecture.name });
            assert_eq!(
                serde_json::from_value::<BackboneConfig>(only_named).unwrap(),
                config
            );
        }
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        for architecture in ARCHITECTURES {
            let typed = serde_json::json!({ "architecture": architecture.name, "witdh": 3 });
            let error = serde_json::from_value::<BackboneConfig>(typed)
                .unwrap_err()
                .to_string();
            assert!(error.contains("witdh"), "{error}");
        }
    }

    #[test]
    fn sizes_that_cannot_work_are_refused_with_the_key() {
        let refused = |config: BackboneConfig, input, key: &str| {
            let error = config.feature_dim(input).unwrap_err().to_string();
            assert!(error.contains(key), "{error} should name {key}");
        };
        let conv_net = |channels: &[usize], convolutions_per_stage, pooled_stages| {
            BackboneConfig::ConvNet(ConvNetConfig {
                channels: channels.to_vec(),
                convolutions_per_stage,
                pooled_stages,
            })
        };
        refused(
            BackboneConfig::Mlp(MlpConfig { hidden: vec![8, 0] }),
            [1, 1, 2],
            "hidden",
        );
        refused(
            BackboneConfig::Mlp(MlpConfig { hidden: vec![8] }),
            [3, 0, 2],
            "3×0×2",
        );
        refused(conv_net(&[], 1, None), [3, 32, 32], "channels");
        refused(conv_net(&[8, 0], 1, None), [3, 32, 32], "channels");
        refused(
            conv_net(&[8], 0, None),
            [3, 32, 32],
            "convolutions_per_stage",
        );
        refused(conv_net(&[8, 8], 1, Some(3)), [3, 32, 32], "pooled_stages");
        refused(conv_net(&[8; 5], 1, None), [3, 15, 64], "pooled_stages = 3");
        refused(conv_net(&[8; 90], 1, None), [3, 32, 32], "89 times");
        let resnet = |width, layers| {
            BackboneConfig::Resnet(ResnetConfig {
                width,
                layers,
                stride_in_1x1: false,
            })
        };
        refused(resnet(0, [1; 4]), [3, 32, 32], "width");
        refused(resnet(8, [1, 1, 0, 1]), [3, 32, 32], "layers");
        assert_eq!(
            conv_net(&[8; 5], 1, None).feature_dim([3, 16, 64]).unwrap(),
            8
        );
        assert_eq!(
            resnet(64, [3, 4, 6, 3]).feature_dim([3, 224, 224]).unwrap(),
            2048
        );
        assert_eq!(
            BackboneConfig::Mlp(MlpConfig { hidden: vec![] })
                .feature_dim([3, 4, 5])
                .unwrap(),
            60
        );
    }
}
