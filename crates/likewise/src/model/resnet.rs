//! ResNet with bottleneck blocks (He et al. 2016), the backbone of most published results.
//! Fields are named as in torchvision, so its weight files load without a table of names.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::ops::MaxPoolOptions;
use likewise_kernels::{Epilogue, max_pool2d};
use serde::{Deserialize, Serialize};

use super::backbone::Segment;
use super::batch_norm::BatchNorm2d;
use super::conv::{Conv2d, Conv2dConfig};
use super::cost::Trace;
use super::init::ParameterSource;
use crate::error::{Error, Result};

/// Channels leaving a block for each channel inside it.
const EXPANSION: usize = 4;

/// A bottleneck ResNet; the default is ResNet50.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResnetConfig {
    /// Channels of the stem; the stages use 1, 2, 4 and 8 times as many inside their blocks and
    /// four times that between them. Features: 32 · `width`.
    pub width: usize,
    /// Blocks of each of the four stages: `[3, 4, 6, 3]` is ResNet50, `[3, 4, 23, 3]` ResNet101.
    pub layers: [usize; 4],
    /// Whether a block that halves the image does so in its first 1×1 convolution (the paper's
    /// v1, Caffe weights) rather than in the 3×3 one (v1.5, torchvision weights).
    pub stride_in_1x1: bool,
}

impl Default for ResnetConfig {
    fn default() -> Self {
        Self {
            width: 64,
            layers: [3, 4, 6, 3],
            stride_in_1x1: false,
        }
    }
}

impl ResnetConfig {
    /// Dimension of the features; any image of at least one pixel works.
    ///
    /// # Errors
    ///
    /// A width or a number of blocks of zero.
    pub fn feature_dim(&self) -> Result<usize> {
        if self.width == 0 {
            return Err(Error::Recipe(
                "resnet: width = 0; use 1 or more (64 for ResNet50)".into(),
            ));
        }
        if self.layers.contains(&0) {
            return Err(Error::Recipe(format!(
                "resnet: layers = {:?} contains a stage without blocks; use 1 or more for each",
                self.layers
            )));
        }
        Ok(8 * self.width * EXPANSION)
    }

    pub(super) fn trace(&self, input: [usize; 3], trace: &mut Trace) {
        let [_, height, width] = trace.convolution(input, [self.width, 7, 2], true);
        let mut shape = trace.max_pool([self.width, height.div_ceil(2), width.div_ceil(2)]);
        trace.end_segment(shape);
        for (stage, &blocks) in self.layers.iter().enumerate() {
            let planes = self.width << stage;
            for block in 0..blocks {
                let stride = if block == 0 && stage > 0 { 2 } else { 1 };
                let output = planes * EXPANSION;
                if stride != 1 || shape[0] != output {
                    trace.convolution(shape, [output, 1, stride], false);
                }
                let (first, second) = if self.stride_in_1x1 {
                    (stride, 1)
                } else {
                    (1, stride)
                };
                let inside = trace.convolution(shape, [planes, 1, first], true);
                let inside = trace.convolution(inside, [planes, 3, second], true);
                shape = trace.convolution(inside, [output, 1, 1], true);
                trace.addition(shape);
                trace.end_segment(shape);
            }
        }
    }

    pub(super) fn init(&self, input_channels: usize, source: &ParameterSource) -> Resnet {
        let stem = Conv2dConfig {
            input: input_channels,
            output: self.width,
            kernel: 7,
            stride: 2,
        };
        let stage = |index: usize| {
            let planes = self.width << index;
            // The first stage follows the stem's max pooling and keeps the size.
            let (input, stride) = if index == 0 {
                (self.width, 1)
            } else {
                (planes / 2 * EXPANSION, 2)
            };
            let source = source.child(format!("layer{}", index + 1));
            let block = |position: usize| {
                let (input, stride) = if position == 0 {
                    (input, stride)
                } else {
                    (planes * EXPANSION, 1)
                };
                let source = source.child(position.to_string());
                Bottleneck::new(input, planes, stride, self.stride_in_1x1, &source)
            };
            (0..self.layers[index]).map(block).collect()
        };
        Resnet {
            conv1: stem.init(&source.child("conv1")),
            bn1: BatchNorm2d::new(self.width, &source.child("bn1")),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
        }
    }
}

/// See [`ResnetConfig`].
#[derive(Module, Debug)]
pub struct Resnet {
    /// 7×7 convolution of the stem, stride 2.
    pub conv1: Conv2d,
    /// Its normalisation.
    pub bn1: BatchNorm2d,
    /// First stage, at 1/4 of the image's size.
    pub layer1: Vec<Bottleneck>,
    /// Second stage, at 1/8.
    pub layer2: Vec<Bottleneck>,
    /// Third stage, at 1/16.
    pub layer3: Vec<Bottleneck>,
    /// Fourth stage, at 1/32.
    pub layer4: Vec<Bottleneck>,
}

impl Resnet {
    /// Stem and blocks: `[B, C, H, W]` → feature map `[B, 32 · width, ⌈H/32⌉, ⌈W/32⌉]`.
    pub(super) fn segments(&self) -> Vec<Segment<'_>> {
        let stages = [&self.layer1, &self.layer2, &self.layer3, &self.layer4];
        let stem: Segment<'_> = Box::new(|images| self.stem(images, |_, _| {}));
        let block = |block| -> Segment<'_> { Box::new(move |map| Bottleneck::forward(block, map)) };
        std::iter::once(stem)
            .chain(stages.into_iter().flatten().map(block))
            .collect()
    }

    fn stem(&self, images: Tensor<4>, mut observe: impl FnMut(&str, &Tensor<4>)) -> Tensor<4> {
        let map = self.bn1.after(&self.conv1, images, None, Epilogue::Relu);
        observe("stem_before_maxpool", &map);
        let pool = MaxPoolOptions::new([3, 3])
            .with_stride([2, 2])
            .with_padding([1, 1]);
        max_pool2d(map, pool)
    }

    /// `[B, C, H, W]` → the last map; shows `observe` each intermediate map with its name:
    /// `stem_before_maxpool`, `stem`, `layer1` to `layer4`.
    pub fn forward_observed(
        &self,
        images: Tensor<4>,
        mut observe: impl FnMut(&str, &Tensor<4>),
    ) -> Tensor<4> {
        let mut map = self.stem(images, &mut observe);
        observe("stem", &map);
        let stages = [
            ("layer1", &self.layer1),
            ("layer2", &self.layer2),
            ("layer3", &self.layer3),
            ("layer4", &self.layer4),
        ];
        for (name, blocks) in stages {
            map = blocks.iter().fold(map, |map, block| block.forward(map));
            observe(name, &map);
        }
        map
    }
}

/// 1×1 convolution, 3×3 convolution, expanding 1×1 convolution, and a shortcut around them.
#[derive(Module, Debug)]
pub struct Bottleneck {
    /// Reducing 1×1 convolution.
    pub conv1: Conv2d,
    /// Normalisation of `conv1`.
    pub bn1: BatchNorm2d,
    /// 3×3 convolution.
    pub conv2: Conv2d,
    /// Normalisation of `conv2`.
    pub bn2: BatchNorm2d,
    /// Expanding 1×1 convolution.
    pub conv3: Conv2d,
    /// Normalisation of `conv3`.
    pub bn3: BatchNorm2d,
    /// Projection of the shortcut where the block changes the shape.
    pub downsample: Option<(Conv2d, BatchNorm2d)>,
}

impl Bottleneck {
    fn new(
        input: usize,
        planes: usize,
        stride: usize,
        stride_in_1x1: bool,
        source: &ParameterSource,
    ) -> Self {
        let output = planes * EXPANSION;
        let conv = |name: &str, input, output, kernel, stride| {
            Conv2dConfig {
                input,
                output,
                kernel,
                stride,
            }
            .init(&source.child(name))
        };
        let norm = |name: &str, channels| BatchNorm2d::new(channels, &source.child(name));
        let (first, second) = if stride_in_1x1 {
            (stride, 1)
        } else {
            (1, stride)
        };
        let reshaped = stride != 1 || input != output;
        Self {
            conv1: conv("conv1", input, planes, 1, first),
            bn1: norm("bn1", planes),
            conv2: conv("conv2", planes, planes, 3, second),
            bn2: norm("bn2", planes),
            conv3: conv("conv3", planes, output, 1, 1),
            bn3: norm("bn3", output),
            downsample: reshaped.then(|| {
                (
                    conv("downsample.0", input, output, 1, stride),
                    norm("downsample.1", output),
                )
            }),
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let shortcut = match &self.downsample {
            Some((conv, norm)) => norm.after(conv, input.clone(), None, Epilogue::None),
            None => input.clone(),
        };
        let map = self.bn1.after(&self.conv1, input, None, Epilogue::Relu);
        let map = self.bn2.after(&self.conv2, map, None, Epilogue::Relu);
        self.bn3
            .after(&self.conv3, map, Some(shortcut), Epilogue::Relu)
    }
}
