//! A small convolutional backbone for images of 32 to 64 pixels that trains from scratch on a
//! processor in minutes.

use burn::module::Module;
use burn::tensor::Tensor;
use likewise_kernels::Epilogue;
use serde::{Deserialize, Serialize};

use super::backbone::Segment;
use super::batch_norm::BatchNorm2d;
use super::conv::{Conv2d, Conv2dConfig};
use super::cost::Trace;
use super::init::ParameterSource;
use crate::error::{Error, Result};

/// Stages of 3×3 convolution, batch normalisation and ReLU, with 2×2 max pooling between stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConvNetConfig {
    /// Channels of each stage; the last is the feature dimension.
    pub channels: Vec<usize>,
    /// Convolutions in each stage, 1 or more.
    pub convolutions_per_stage: usize,
    /// How many stages, from the first, end in a 2×2 max pooling that halves the image.
    /// Unset: all but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooled_stages: Option<usize>,
}

impl Default for ConvNetConfig {
    fn default() -> Self {
        Self {
            channels: vec![32, 64, 128, 256],
            convolutions_per_stage: 1,
            pooled_stages: None,
        }
    }
}

impl ConvNetConfig {
    /// Dimension of the features for images `[channels, height, width]`.
    ///
    /// # Errors
    ///
    /// No stage, a size of zero, more pooled stages than stages, or an image too small for them.
    pub fn feature_dim(&self, [_, height, width]: [usize; 3]) -> Result<usize> {
        let refuse = |problem: String| Err(Error::Recipe(format!("conv_net: {problem}")));
        if self.channels.contains(&0) {
            return refuse(format!(
                "channels = {:?} contains a 0; use 1 or more",
                self.channels
            ));
        }
        let Some(&features) = self.channels.last() else {
            return refuse("channels is empty; name at least one stage, such as [32, 64]".into());
        };
        if self.convolutions_per_stage == 0 {
            return refuse("convolutions_per_stage = 0; use 1 or more".into());
        }
        let (pooled, stages) = (self.pooled_stages(), self.channels.len());
        if pooled > stages {
            return refuse(format!(
                "pooled_stages = {pooled}, but there are only {stages} stages"
            ));
        }
        let needed = u32::try_from(pooled)
            .ok()
            .and_then(|shift| 1usize.checked_shl(shift));
        if needed.is_none_or(|needed| height.min(width) < needed) {
            return refuse(format!(
                "an image of {height}×{width} cannot be halved {pooled} times; use larger images or set \
                 pooled_stages = {}",
                height.min(width).max(1).ilog2()
            ));
        }
        Ok(features)
    }

    fn pooled_stages(&self) -> usize {
        self.pooled_stages
            .unwrap_or(self.channels.len().saturating_sub(1))
    }

    pub(super) fn trace(&self, input: [usize; 3], trace: &mut Trace) {
        let mut shape = input;
        for (stage, &output) in self.channels.iter().enumerate() {
            for position in 1..=self.convolutions_per_stage {
                let pooled =
                    position == self.convolutions_per_stage && stage < self.pooled_stages();
                shape = trace.convolution(shape, [output, 3, 1], !pooled);
                if pooled {
                    let [channels, height, width] = shape;
                    shape = trace.fused_max_pool([channels, height / 2, width / 2]);
                }
                trace.end_segment(shape);
            }
        }
    }

    pub(super) fn init(&self, input_channels: usize, source: &ParameterSource) -> ConvNet {
        let source = source.child("blocks");
        let mut blocks: Vec<ConvBlock> = Vec::new();
        let mut input = input_channels;
        for (stage, &output) in self.channels.iter().enumerate() {
            for position in 1..=self.convolutions_per_stage {
                let pool = position == self.convolutions_per_stage && stage < self.pooled_stages();
                let source = source.child(blocks.len().to_string());
                blocks.push(ConvBlock::new(input, output, pool, &source));
                input = output;
            }
        }
        ConvNet { blocks }
    }
}

/// See [`ConvNetConfig`].
#[derive(Module, Debug)]
pub struct ConvNet {
    /// All convolutions in order.
    pub blocks: Vec<ConvBlock>,
}

impl ConvNet {
    /// The blocks: `[B, C, H, W]` → feature map `[B, F, H / 2ᵖ, W / 2ᵖ]` with p pooled stages.
    pub(super) fn segments(&self) -> Vec<Segment<'_>> {
        let block = |block| -> Segment<'_> { Box::new(move |map| ConvBlock::forward(block, map)) };
        self.blocks.iter().map(block).collect()
    }
}

/// Convolution, batch normalisation, ReLU and perhaps pooling.
#[derive(Module, Debug)]
pub struct ConvBlock {
    /// 3×3 convolution.
    pub conv: Conv2d,
    /// Its normalisation.
    pub bn: BatchNorm2d,
    #[module(skip)]
    pool: bool,
}

impl ConvBlock {
    fn new(input: usize, output: usize, pool: bool, source: &ParameterSource) -> Self {
        let conv = Conv2dConfig {
            input,
            output,
            kernel: 3,
            stride: 1,
        };
        Self {
            conv: conv.init(&source.child("conv")),
            bn: BatchNorm2d::new(output, &source.child("bn")),
            pool,
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let epilogue = if self.pool {
            Epilogue::ReluMaxPool
        } else {
            Epilogue::Relu
        };
        self.bn.after(&self.conv, input, None, epilogue)
    }
}
