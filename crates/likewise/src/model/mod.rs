//! Networks: a backbone that turns images into features, and a head that turns features into
//! embeddings. Every parameter has a name (its path), from which its initial value, its identity
//! for the optimizer and its key in checkpoints follow.

pub mod architecture;
pub mod backbone;
pub mod batch_norm;
pub mod bn_inception;
pub mod conv;
pub mod conv_net;
pub mod cost;
pub mod googlenet;
pub mod init;
pub mod keras_resnet;
pub mod linear;
pub mod mlp;
pub mod network;
pub mod normalize;
pub mod pooling;
mod position;
pub mod precision;
pub mod pretrained;
pub mod resnet;
pub mod running_statistic;
pub mod state;
pub mod vit;

pub use architecture::{ARCHITECTURES, Architecture, ImageInput, PRESETS, preset};
pub use backbone::{Backbone, BackboneConfig};
pub use bn_inception::BnInceptionConfig;
pub use conv_net::ConvNetConfig;
pub use cost::{Cost, Kept};
pub use googlenet::GooglenetConfig;
pub use init::assign_ids;
pub use mlp::MlpConfig;
pub use network::{HeadInit, Network, NetworkConfig, NetworkOutput};
pub use normalize::l2_normalize;
pub use pooling::Pooling;
pub use precision::Precision;
pub use pretrained::{Fit, Pretrained};
pub use resnet::ResnetConfig;
pub use state::StateDict;
pub use vit::VitConfig;
