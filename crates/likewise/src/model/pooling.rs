//! From a feature map to a feature vector.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// How the feature map of a convolutional backbone is summarised over positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Global average.
    #[default]
    Average,
    /// Global average plus global maximum ("double" pooling).
    AverageMax,
}

impl Pooling {
    /// `[B, C, H, W]` → `[B, C]`.
    pub fn forward(self, map: Tensor<4>) -> Tensor<2> {
        let [batch, channels, height, width] = map.dims();
        let positions: Tensor<3> = map.reshape([batch, channels, height * width]);
        let pooled = match self {
            Self::Average => positions.mean_dim(2),
            Self::AverageMax => positions.clone().mean_dim(2) + positions.max_dim(2),
        };
        pooled.reshape([batch, channels])
    }
}
