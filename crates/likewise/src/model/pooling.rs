//! From a feature map to a feature vector, and the max pooling between blocks.

use burn::tensor::Tensor;
use burn::tensor::ops::MaxPoolOptions;
use likewise_kernels::max_pool2d;
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

/// Maximum over windows of `kernel`×`kernel` as Caffe counts them: with stride 1 the size stays, with
/// a larger one it is rounded up, the last window reaching past the border.
pub(super) fn max_pool(map: Tensor<4>, kernel: usize, stride: usize) -> Tensor<4> {
    let mut options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]);
    if stride == 1 {
        options = options.with_padding([kernel / 2; 2]);
    }
    options.ceil_mode = stride > 1;
    max_pool2d(map, options)
}

/// The side of such a map; the window has to start inside it.
pub(super) fn max_pooled(side: usize, kernel: usize, stride: usize) -> usize {
    if stride == 1 {
        return side;
    }
    let windows = side.saturating_sub(kernel).div_ceil(stride) + 1;
    if side == 0 { 0 } else { windows }
}
