//! GoogLeNet with batch normalisation, as torchvision has it. Fields are named as there, so its
//! weight files load without a table of names; the auxiliary classifiers are left out.

use burn::module::Module;
use burn::tensor::Tensor;
use likewise_kernels::Epilogue;
use serde::{Deserialize, Serialize};

use super::backbone::Segment;
use super::batch_norm::BatchNorm2d;
use super::conv::{Conv2d, Conv2dConfig};
use super::cost::Trace;
use super::init::ParameterSource;
use super::pooling::{max_pool, max_pooled};
use crate::error::{Error, Result};

/// Channels of the stem in the published network, to which all others are in proportion.
const PUBLISHED_WIDTH: usize = 64;
/// Smallest part of the published width that leaves every number of channels whole.
const WIDTH_STEP: usize = 8;
/// Added to variances, as in the weights' TensorFlow origin.
const EPSILON: f64 = 1e-3;
/// Kernel of the max pooling inside a block.
const BRANCH_POOL: usize = 3;

/// Channels of the branches of each block, at the published width: 1×1; 3×3 reduced, 3×3; "5×5"
/// reduced, "5×5"; behind the pooling.
const BLOCKS: [[usize; 6]; 9] = [
    [64, 96, 128, 16, 32, 32],
    [128, 128, 192, 32, 96, 64],
    [192, 96, 208, 16, 48, 64],
    [160, 112, 224, 24, 64, 64],
    [128, 128, 256, 24, 64, 64],
    [112, 144, 288, 32, 64, 64],
    [256, 160, 320, 32, 128, 128],
    [256, 160, 320, 32, 128, 128],
    [384, 192, 384, 48, 128, 128],
];
const NAMES: [&str; 9] = ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"];

/// The kernel of the max pooling, of stride 2, in front of a block.
fn pool_before(block: usize) -> Option<usize> {
    match NAMES[block] {
        "3a" | "4a" => Some(3),
        "5a" => Some(2),
        _ => None,
    }
}

/// GoogLeNet (Inception v1) with batch normalisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GooglenetConfig {
    /// Channels of the stem, a multiple of 8; all others are in proportion. Features: 16 · `width`.
    pub width: usize,
}

impl Default for GooglenetConfig {
    fn default() -> Self {
        Self {
            width: PUBLISHED_WIDTH,
        }
    }
}

impl GooglenetConfig {
    /// Dimension of the features for images `[channels, height, width]`.
    ///
    /// # Errors
    ///
    /// A width that is no multiple of 8, or images of fewer than 15 pixels.
    pub fn feature_dim(&self, [_, height, width]: [usize; 3]) -> Result<usize> {
        if self.width == 0 || !self.width.is_multiple_of(WIDTH_STEP) {
            return Err(Error::Recipe(format!(
                "googlenet: width = {}; use a multiple of {WIDTH_STEP} ({PUBLISHED_WIDTH} is the published \
                 network)",
                self.width
            )));
        }
        if height.min(width) < 15 {
            return Err(Error::Recipe(format!(
                "googlenet: an image of {height}×{width} is too small; use at least 15×15"
            )));
        }
        Ok(self.channels(1024))
    }

    fn channels(&self, published: usize) -> usize {
        published * self.width / PUBLISHED_WIDTH
    }

    fn block(&self, index: usize) -> [usize; 6] {
        BLOCKS[index].map(|channels| self.channels(channels))
    }

    pub(super) fn trace(&self, input: [usize; 3], trace: &mut Trace) {
        let pooled = |[channels, height, width]: [usize; 3], kernel| {
            let side = |side| max_pooled(side, kernel, 2);
            [channels, side(height), side(width)]
        };
        let [first, third] = [64, 192].map(|channels| self.channels(channels));
        let shape = trace.convolution(input, [first, 7, 2], true);
        let shape = trace.max_pool(pooled(shape, 3));
        let shape = trace.convolution(shape, [first, 1, 1], true);
        let mut shape = trace.convolution(shape, [third, 3, 1], true);
        trace.end_segment(shape);
        for index in 0..BLOCKS.len() {
            if let Some(kernel) = pool_before(index) {
                shape = trace.max_pool(pooled(shape, kernel));
            }
            let [one, three_in, three, five_in, five, pool] = self.block(index);
            trace.convolution(shape, [one, 1, 1], true);
            for (inside, output) in [(three_in, three), (five_in, five)] {
                let inside = trace.convolution(shape, [inside, 1, 1], true);
                trace.convolution(inside, [output, 3, 1], true);
            }
            let after = trace.max_pool(shape);
            trace.convolution(after, [pool, 1, 1], true);
            shape = trace.concatenation([one + three + five + pool, shape[1], shape[2]]);
            trace.end_segment(shape);
        }
    }

    pub(super) fn init(&self, input_channels: usize, source: &ParameterSource) -> Googlenet {
        let [first, third] = [64, 192].map(|channels| self.channels(channels));
        let conv = |name: &str, input, output, kernel, stride| {
            BasicConv2d::new([input, output, kernel, stride], &source.child(name))
        };
        let mut input = third;
        let mut blocks = (0..BLOCKS.len()).map(|index| {
            let source = source.child(format!("inception{}", NAMES[index]));
            let block = Inception::new(input, self.block(index), &source);
            let [one, _, three, _, five, pool] = self.block(index);
            input = one + three + five + pool;
            block
        });
        let mut block = || blocks.next().expect("there are as many blocks as names");
        Googlenet {
            conv1: conv("conv1", input_channels, first, 7, 2),
            conv2: conv("conv2", first, first, 1, 1),
            conv3: conv("conv3", first, third, 3, 1),
            inception3a: block(),
            inception3b: block(),
            inception4a: block(),
            inception4b: block(),
            inception4c: block(),
            inception4d: block(),
            inception4e: block(),
            inception5a: block(),
            inception5b: block(),
        }
    }
}

/// See [`GooglenetConfig`].
#[derive(Module, Debug)]
pub struct Googlenet {
    /// 7×7 convolution of the stem, stride 2.
    pub conv1: BasicConv2d,
    /// 1×1 convolution of the stem.
    pub conv2: BasicConv2d,
    /// 3×3 convolution of the stem.
    pub conv3: BasicConv2d,
    /// First block at 1/8 of the image's size.
    pub inception3a: Inception,
    /// Second block at 1/8.
    pub inception3b: Inception,
    /// First block at 1/16.
    pub inception4a: Inception,
    /// Second block at 1/16.
    pub inception4b: Inception,
    /// Third block at 1/16.
    pub inception4c: Inception,
    /// Fourth block at 1/16.
    pub inception4d: Inception,
    /// Fifth block at 1/16.
    pub inception4e: Inception,
    /// First block at 1/32.
    pub inception5a: Inception,
    /// Second block at 1/32.
    pub inception5b: Inception,
}

impl Googlenet {
    /// Stem and blocks: `[B, C, H, W]` → feature map `[B, 16 · width, H/32, W/32]`, rounded up.
    pub(super) fn segments(&self) -> Vec<Segment<'_>> {
        let stem: Segment<'_> = Box::new(|images| {
            let map = max_pool(self.conv1.forward(images), 3, 2);
            self.conv3.forward(self.conv2.forward(map))
        });
        let blocks = [
            &self.inception3a,
            &self.inception3b,
            &self.inception4a,
            &self.inception4b,
            &self.inception4c,
            &self.inception4d,
            &self.inception4e,
            &self.inception5a,
            &self.inception5b,
        ];
        let blocks = blocks.into_iter().enumerate().map(|(index, block)| {
            let segment: Segment<'_> = Box::new(move |map| match pool_before(index) {
                Some(kernel) => block.forward(max_pool(map, kernel, 2)),
                None => block.forward(map),
            });
            segment
        });
        std::iter::once(stem).chain(blocks).collect()
    }
}

/// Convolution, batch normalisation and ReLU.
#[derive(Module, Debug)]
pub struct BasicConv2d {
    /// Convolution without bias.
    pub conv: Conv2d,
    /// Its normalisation.
    pub bn: BatchNorm2d,
}

impl BasicConv2d {
    fn new([input, output, kernel, stride]: [usize; 4], source: &ParameterSource) -> Self {
        let conv = Conv2dConfig {
            input,
            output,
            kernel,
            stride,
        };
        Self {
            conv: conv.init(&source.child("conv")),
            bn: BatchNorm2d::new(output, &source.child("bn")).with_epsilon(EPSILON),
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.bn.after(&self.conv, input, None, Epilogue::Relu)
    }
}

/// Four branches side by side.
#[derive(Module, Debug)]
pub struct Inception {
    /// 1×1 convolution.
    pub branch1: BasicConv2d,
    /// 1×1 and 3×3 convolution.
    pub branch2: (BasicConv2d, BasicConv2d),
    /// 1×1 convolution and another of 3×3: the paper's 5×5 is 3×3 in torchvision and its weights.
    pub branch3: (BasicConv2d, BasicConv2d),
    /// Kernel of a max pooling that keeps the size, and 1×1 convolution.
    pub branch4: (usize, BasicConv2d),
}

impl Inception {
    fn new(input: usize, channels: [usize; 6], source: &ParameterSource) -> Self {
        let [one, three_in, three, five_in, five, pool] = channels;
        let conv = |name: &str, input, output, kernel| {
            BasicConv2d::new([input, output, kernel, 1], &source.child(name))
        };
        Self {
            branch1: conv("branch1", input, one, 1),
            branch2: (
                conv("branch2.0", input, three_in, 1),
                conv("branch2.1", three_in, three, 3),
            ),
            branch3: (
                conv("branch3.0", input, five_in, 1),
                conv("branch3.1", five_in, five, 3),
            ),
            branch4: (BRANCH_POOL, conv("branch4.1", input, pool, 1)),
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let two = |(first, second): &(BasicConv2d, BasicConv2d)| {
            second.forward(first.forward(input.clone()))
        };
        let (kernel, projection) = &self.branch4;
        let branches = vec![
            self.branch1.forward(input.clone()),
            two(&self.branch2),
            two(&self.branch3),
            projection.forward(max_pool(input.clone(), *kernel, 1)),
        ];
        Tensor::cat(branches, 1)
    }
}
