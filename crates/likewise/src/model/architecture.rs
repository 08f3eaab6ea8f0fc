//! The table of architectures, from which help, documentation, menus and the handling of weight
//! files are made.

use super::backbone::BackboneConfig;
use super::bn_inception::BnInceptionConfig;
use super::conv_net::ConvNetConfig;
use super::googlenet::GooglenetConfig;
use super::mlp::MlpConfig;
use super::resnet::ResnetConfig;
use super::vit::VitConfig;
use crate::error::{Error, Result};

/// What every architecture says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Architecture {
    /// Value of the key `architecture`.
    pub name: &'static str,
    /// Where it was published.
    pub paper: &'static str,
    /// What it is for, in one sentence.
    pub purpose: &'static str,
    /// Whether it has batch normalisation.
    pub batch_norm: bool,
    /// Whether it has a feature map to pool.
    pub feature_map: bool,
    /// The images its published weights were learned from.
    pub images: ImageInput,
    /// Its published weights, if there are any.
    pub weights: Option<PublishedWeights>,
    /// The configuration with all defaults.
    pub default: fn() -> BackboneConfig,
}

/// How images are prepared for a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageInput {
    /// Side of the square, in pixels.
    pub size: usize,
    /// Length of the shorter side before the centre crop of evaluation.
    pub resize: usize,
    /// Mean of red, green and blue on the scale 0 to 1.
    pub mean: [f32; 3],
    /// What red, green and blue are divided by, on the same scale.
    pub std: [f32; 3],
}

impl ImageInput {
    /// As torchvision prepares images for its ImageNet networks.
    pub const IMAGENET: Self = Self {
        size: 224,
        resize: 256,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };
}

/// What is known of an architecture's weight files.
#[derive(Clone, Copy, Debug)]
pub struct PublishedWeights {
    /// The file the literature uses, and whose it is.
    pub file: &'static str,
    /// Name of the layer that classifies, which a backbone has no use for.
    pub classifier: &'static str,
    /// Names of other parts that a backbone has no use for.
    pub unused: &'static [&'static str],
}

impl Architecture {
    /// Whether weight files of this architecture have a tensor of this name that a backbone does not
    /// take: the classifier, counters of batches, other parts for training only.
    pub fn leaves_over(&self, name: &str) -> bool {
        let Some(weights) = &self.weights else {
            return false;
        };
        let below = |part: &&str| {
            name.strip_prefix(part)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        name.ends_with(".num_batches_tracked")
            || below(&weights.classifier)
            || weights.unused.iter().any(below)
    }
}

/// All architectures.
pub const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        name: "mlp",
        paper: "Rosenblatt 1958; Rumelhart, Hinton and Williams 1986",
        purpose: "points and very small images; the diagonal-lines experiment",
        batch_norm: false,
        feature_map: false,
        images: ImageInput::IMAGENET,
        weights: None,
        default: || BackboneConfig::Mlp(MlpConfig::default()),
    },
    Architecture {
        name: "conv_net",
        paper: "Simonyan and Zisserman, ICLR 2015 (3×3 stages); Ioffe and Szegedy, ICML 2015",
        purpose: "training from scratch on images of 32 to 64 pixels, on a processor or in the browser",
        batch_norm: true,
        feature_map: true,
        images: ImageInput::IMAGENET,
        weights: None,
        default: || BackboneConfig::ConvNet(ConvNetConfig::default()),
    },
    Architecture {
        name: "resnet",
        paper: "He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
        purpose: "ResNet50 and its relatives at 224 pixels, usually from ImageNet weights",
        batch_norm: true,
        feature_map: true,
        images: ImageInput::IMAGENET,
        weights: Some(PublishedWeights {
            file: "resnet50-19c8e357.pth, torchvision's first ImageNet weights",
            classifier: "fc",
            unused: &[],
        }),
        default: || BackboneConfig::Resnet(ResnetConfig::default()),
    },
    Architecture {
        name: "bn_inception",
        paper: "Ioffe and Szegedy, Batch Normalization, ICML 2015",
        purpose: "the backbone of many metric-learning papers, from the Caffe port's ImageNet weights",
        batch_norm: true,
        feature_map: true,
        images: ImageInput {
            size: 224,
            resize: 256,
            mean: [0.502, 0.4588, 0.4078],
            std: [0.0039; 3],
        },
        weights: Some(PublishedWeights {
            file: "bn_inception-52deb4733.pth, the Caffe port of pretrainedmodels",
            classifier: "last_linear",
            unused: &[],
        }),
        default: || BackboneConfig::BnInception(BnInceptionConfig::default()),
    },
    Architecture {
        name: "googlenet",
        paper: "Szegedy et al., Going Deeper with Convolutions, CVPR 2015 (with batch normalisation)",
        purpose: "the backbone of early metric-learning papers, from torchvision's ImageNet weights",
        batch_norm: true,
        feature_map: true,
        // What `transform_input` makes of torchvision's usual images.
        images: ImageInput {
            size: 227,
            resize: 256,
            mean: [0.5; 3],
            std: [0.5; 3],
        },
        weights: Some(PublishedWeights {
            file: "googlenet-1378be20.pth, torchvision's ImageNet weights",
            classifier: "fc",
            unused: &["aux1", "aux2"],
        }),
        default: || BackboneConfig::Googlenet(GooglenetConfig::default()),
    },
    Architecture {
        name: "vit",
        paper: "Dosovitskiy et al., An Image is Worth 16×16 Words, ICLR 2021; Caron et al., ICCV 2021 (DINO)",
        purpose: "ViT-S/16 and its relatives, from DINO's or ImageNet-21k weights",
        batch_norm: false,
        feature_map: false,
        images: ImageInput::IMAGENET,
        weights: Some(PublishedWeights {
            file: "dino_deitsmall16_pretrain.pth, DINO's, or timm's vit_small_patch16_224",
            classifier: "head",
            unused: &[],
        }),
        default: || BackboneConfig::Vit(VitConfig::default()),
    },
];

/// A short name, and the configuration it stands for.
type Preset = (&'static str, fn() -> BackboneConfig);

/// Short names of common configurations, as command lines use them.
pub const PRESETS: &[Preset] = &[
    ("resnet50", || {
        BackboneConfig::Resnet(ResnetConfig::default())
    }),
    ("bn_inception", || {
        BackboneConfig::BnInception(BnInceptionConfig::default())
    }),
    ("googlenet", || {
        BackboneConfig::Googlenet(GooglenetConfig::default())
    }),
    ("vit_s16", || BackboneConfig::Vit(VitConfig::default())),
    ("conv_net", || {
        BackboneConfig::ConvNet(ConvNetConfig::default())
    }),
    ("mlp", || BackboneConfig::Mlp(MlpConfig::default())),
];

/// The backbone of a name in [`PRESETS`].
///
/// # Errors
///
/// [`Error::Recipe`] listing the names there are.
pub fn preset(name: &str) -> Result<BackboneConfig> {
    match PRESETS.iter().find(|(preset, _)| *preset == name) {
        Some((_, config)) => Ok(config()),
        None => {
            let names: Vec<&str> = PRESETS.iter().map(|(preset, _)| *preset).collect();
            Err(Error::Recipe(format!(
                "there is no architecture `{name}`: use one of {}",
                names.join(", ")
            )))
        }
    }
}

/// The entry of an architecture.
pub(super) fn entry(name: &str) -> &'static Architecture {
    let found = ARCHITECTURES.iter().find(|entry| entry.name == name);
    found.unwrap_or(&ARCHITECTURES[0])
}
