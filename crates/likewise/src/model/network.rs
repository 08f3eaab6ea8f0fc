//! The network that is trained: backbone, pooling, embedding head and normalisation.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::backbone::{Backbone, BackboneConfig};
use super::batch_norm::use_batch_statistics;
use super::init::ParameterSource;
use super::linear::Linear;
use super::normalize::l2_normalize;
use super::pooling::Pooling;
use super::precision::Precision;
use super::pretrained::Fit;
use super::state::{self, StateDict};
use crate::error::{Error, Result};

/// A network as a recipe describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// What turns images into features.
    pub backbone: BackboneConfig,
    /// Dimension of the embedding.
    #[serde(default = "default_embedding_dim")]
    pub embedding_dim: usize,
    /// Whether embeddings are scaled to unit length.
    #[serde(default = "default_normalize")]
    pub normalize: bool,
    /// Whether the running statistics of batch normalisation stay as loaded during training,
    /// with scale and shift still trained: what papers that start from ImageNet weights call
    /// frozen. Leave it off when training from scratch.
    #[serde(default)]
    pub frozen_batch_norm: bool,
    /// How a feature map becomes a feature vector.
    #[serde(default)]
    pub pooling: Pooling,
    /// Where the weights of the head start.
    #[serde(default)]
    pub head_init: HeadInit,
    /// Whether training starts from published weights, which `weights` or the option `--weights`
    /// then has to name.
    #[serde(default)]
    pub pretrained: bool,
    /// The file of these weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
}

/// Initial values of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadInit {
    /// Weight and bias from U(−1/√in, 1/√in), PyTorch's default.
    #[default]
    Uniform,
    /// Weight from N(0, 2/out), bias 0 (He et al. 2015, by the fan-out).
    He,
}

impl HeadInit {
    fn head(self, features: usize, embedding_dim: usize, source: &ParameterSource) -> Linear {
        match self {
            Self::Uniform => Linear::new(features, embedding_dim, source),
            Self::He => {
                let deviation = (2.0 / embedding_dim as f64).sqrt();
                Linear::normal(features, embedding_dim, deviation, source)
            }
        }
    }
}

fn default_embedding_dim() -> usize {
    128
}

fn default_normalize() -> bool {
    true
}

impl NetworkConfig {
    /// All defaults with this backbone.
    pub fn new(backbone: BackboneConfig) -> Self {
        Self {
            backbone,
            embedding_dim: default_embedding_dim(),
            normalize: default_normalize(),
            frozen_batch_norm: false,
            pooling: Pooling::default(),
            head_init: HeadInit::default(),
            pretrained: false,
            weights: None,
        }
    }

    /// Refuses to start without the weights that [`pretrained`](Self::pretrained) asks for.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] with the file needed and the option that takes it.
    pub fn check_weights_named(&self) -> Result<()> {
        if !self.pretrained || self.weights.is_some() {
            return Ok(());
        }
        let architecture = self.backbone.architecture();
        let file = architecture
            .weights
            .map_or("a file of them", |weights| weights.file);
        Err(Error::Weights(format!(
            "the recipe starts from pretrained weights (model.pretrained = true), but names no file: \
             --weights FILE takes {file}; `likewise weights import` makes a file of another source \
             (see the chapter on weights). --set model.pretrained=false starts from scratch"
        )))
    }

    /// Checks the configuration for images `[channels, height, width]` and returns the dimension
    /// of the features. Makes nothing on a device.
    ///
    /// # Errors
    ///
    /// Sizes that cannot work, or settings the backbone has no use for.
    pub fn feature_dim(&self, input: [usize; 3]) -> Result<usize> {
        if self.embedding_dim == 0 {
            return Err(Error::Recipe(
                "embedding_dim = 0; use 1 or more (128 is usual)".into(),
            ));
        }
        let architecture = self.backbone.architecture();
        let unused = [
            (
                self.frozen_batch_norm && !architecture.batch_norm,
                "frozen_batch_norm = true",
                "batch normalisation",
            ),
            (
                self.pooling != Pooling::Average && !architecture.feature_map,
                "pooling = \"average_max\"",
                "feature map to pool",
            ),
        ];
        for (set, setting, lacking) in unused {
            if set {
                let name = architecture.name;
                return Err(Error::Recipe(format!(
                    "{setting}, but the backbone {name} has no {lacking}; remove it"
                )));
            }
        }
        if let (Some(file), false) = (&self.weights, self.pretrained) {
            return Err(Error::Recipe(format!(
                "model.weights = \"{file}\", but model.pretrained = false: set it to true, or remove \
                 model.weights"
            )));
        }
        self.backbone.feature_dim(input)
    }

    /// Makes the network for images `[channels, height, width]`, with initial values that depend
    /// on `seed` alone. On an autodiff device it is ready for training.
    ///
    /// # Errors
    ///
    /// As [`feature_dim`](Self::feature_dim).
    pub fn init(&self, seed: u64, input: [usize; 3], device: &Device) -> Result<Network> {
        let features = self.feature_dim(input)?;
        let root = ParameterSource::new(seed, "", device);
        let backbone = self.backbone.init(input, &root.child("backbone"));
        Ok(Network {
            backbone: use_batch_statistics(backbone, !self.frozen_batch_norm),
            head: self
                .head_init
                .head(features, self.embedding_dim, &root.child("head")),
            pooling: self.pooling,
            normalize: self.normalize,
            precision: Precision::F32,
        })
    }
}

/// Images to embeddings. Parameters of the backbone are named `backbone.…`, the head's are
/// `head.weight` and `head.bias`.
///
/// Clones share no running statistics: the network whose `forward` was called is the one to hand
/// to the optimizer.
#[derive(Module, Debug)]
pub struct Network {
    /// Images to features.
    pub backbone: Backbone,
    /// Features to embeddings, before normalisation.
    pub head: Linear,
    #[module(skip)]
    pooling: Pooling,
    #[module(skip)]
    normalize: bool,
    #[module(skip)]
    precision: Precision,
}

/// What a network says about a batch of B images.
#[derive(Clone, Debug)]
pub struct NetworkOutput {
    /// Pooled output of the backbone, `[B, F]`.
    pub features: Tensor<2>,
    /// Embeddings, `[B, D]`; unit vectors if the network normalises.
    pub embeddings: Tensor<2>,
}

impl Network {
    /// Embeds images `[B, C, H, W]`. Records gradients, and statistics of the batch unless they
    /// are frozen, if network and images are on an autodiff device.
    ///
    /// # Panics
    ///
    /// If the images do not have the channels (for `mlp` also height and width) of the network.
    pub fn forward(&self, images: Tensor<4>) -> NetworkOutput {
        let segments = self.backbone.segments();
        let map = segments
            .iter()
            .fold(self.prepare(images), |map, segment| segment(map));
        self.finish(map)
    }

    /// Images as the first of the backbone's segments takes them.
    pub(crate) fn prepare(&self, images: Tensor<4>) -> Tensor<4> {
        self.precision.cast(images)
    }

    /// Output of the backbone's last segment → features and embeddings.
    pub(crate) fn finish(&self, map: Tensor<4>) -> NetworkOutput {
        let features = Precision::F32.cast(self.backbone.finish(map, self.pooling));
        let embeddings = self.embed(features.clone());
        NetworkOutput {
            features,
            embeddings,
        }
    }

    /// The network with maps of this precision inside its backbone.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Features `[B, F]` → embeddings `[B, D]`.
    pub fn embed(&self, features: Tensor<2>) -> Tensor<2> {
        let embeddings = self.head.forward(features);
        if self.normalize {
            l2_normalize(embeddings)
        } else {
            embeddings
        }
    }

    /// The network with gradients recorded; what was frozen stays frozen.
    #[must_use]
    pub fn for_training(self) -> Self {
        self.train()
    }

    /// A view for evaluation on the same parameters: no gradients, running statistics in batch
    /// normalisation, single precision. Give it images from the device without autodiff.
    #[must_use]
    pub fn for_evaluation(&self) -> Self {
        self.valid().with_precision(Precision::F32)
    }

    /// How the tensors of a weight file fit the backbone.
    pub fn fit(&self, weights: &StateDict) -> Fit {
        let shapes = state::shapes(&self.backbone);
        Fit::new(weights, &shapes, self.backbone.architecture())
    }

    /// Takes over the backbone of a published state dict, under its published names. Its
    /// classifier is ignored and the head keeps its values.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] if names or shapes differ, with all of them; nothing is loaded then.
    pub fn load_pretrained(&mut self, mut weights: StateDict) -> Result<()> {
        let fit = self.fit(&weights);
        fit.require()?;
        for name in &fit.leftovers {
            weights.remove(name);
        }
        state::load_state_dict(&mut self.backbone, &weights)
    }

    /// As [`load_pretrained`](Self::load_pretrained), with the classifier as the head: the whole
    /// network as it was published. Its embeddings are the logits.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] also if there is no classifier, or one of another shape than the head's.
    pub fn load_classifier(&mut self, weights: StateDict) -> Result<()> {
        let mut head = StateDict::new();
        if let Some(published) = &self.backbone.architecture().weights {
            for part in ["weight", "bias"] {
                let data = weights.get(&format!("{}.{part}", published.classifier));
                head.extend(data.map(|data| (part.to_owned(), data.clone())));
            }
        }
        let mut network = self.clone();
        network.load_pretrained(weights)?;
        state::load_state_dict(&mut network.head, &head)?;
        *self = network;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::conv_net::ConvNetConfig;
    use super::super::mlp::MlpConfig;
    use super::*;

    #[test]
    fn a_backbone_alone_is_a_whole_configuration() {
        let typed = json!({ "backbone": { "architecture": "conv_net" } });
        let config: NetworkConfig = serde_json::from_value(typed).unwrap();
        let default = ConvNetConfig::default();
        assert_eq!(config, NetworkConfig::new(BackboneConfig::ConvNet(default)));
        assert_eq!((config.embedding_dim, config.normalize), (128, true));
        assert!(!config.frozen_batch_norm);
        let again = serde_json::to_value(&config).unwrap();
        assert_eq!(
            serde_json::from_value::<NetworkConfig>(again).unwrap(),
            config
        );
    }

    #[test]
    fn settings_without_effect_are_refused_by_name() {
        let mlp = NetworkConfig::new(BackboneConfig::Mlp(MlpConfig::default()));
        assert_eq!(mlp.feature_dim([1, 1, 2]).unwrap(), 256);
        let refused = |config: NetworkConfig, key: &str| {
            let error = config.feature_dim([1, 1, 2]).unwrap_err().to_string();
            assert!(error.contains(key), "{error} should name {key}");
        };
        refused(
            NetworkConfig {
                frozen_batch_norm: true,
                ..mlp.clone()
            },
            "frozen_batch_norm",
        );
        refused(
            NetworkConfig {
                pooling: Pooling::AverageMax,
                ..mlp.clone()
            },
            "pooling",
        );
        refused(
            NetworkConfig {
                embedding_dim: 0,
                ..mlp
            },
            "embedding_dim",
        );
    }
}
