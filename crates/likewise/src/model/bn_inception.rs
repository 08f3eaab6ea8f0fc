//! BN-Inception (Ioffe and Szegedy 2015), the backbone of many metric-learning papers, as the Caffe
//! port of its weights has it: flat names such as `inception_3a_3x3_reduce_bn.weight`, biases
//! before batch normalisation, and images in the order blue, green, red.

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor};
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
/// What a walk through the module calls a layer.
const CONTAINER: &str = "Struct:BnInception";

/// What the last branch of a block does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pool {
    /// Average over 3×3, then a convolution to so many channels.
    Average(usize),
    /// Maximum over 3×3, then a convolution to so many channels.
    Max(usize),
    /// Maximum over 3×3 with stride 2; the other branches halve the map as well.
    Halve,
}

/// A block at the published width.
struct Plan {
    name: &'static str,
    /// Channels of the 1×1 branch, if there is one.
    one: Option<usize>,
    /// Channels of the 3×3 branch: reduced, output.
    three: [usize; 2],
    /// Channels of the branch of two 3×3 convolutions: reduced, both outputs.
    double: [usize; 2],
    pool: Pool,
}

const fn plan(
    name: &'static str,
    one: Option<usize>,
    three: [usize; 2],
    double: [usize; 2],
    pool: Pool,
) -> Plan {
    Plan {
        name,
        one,
        three,
        double,
        pool,
    }
}

const BLOCKS: [Plan; 10] = [
    plan("3a", Some(64), [64, 64], [64, 96], Pool::Average(32)),
    plan("3b", Some(64), [64, 96], [64, 96], Pool::Average(64)),
    plan("3c", None, [128, 160], [64, 96], Pool::Halve),
    plan("4a", Some(224), [64, 96], [96, 128], Pool::Average(128)),
    plan("4b", Some(192), [96, 128], [96, 128], Pool::Average(128)),
    plan("4c", Some(160), [128, 160], [128, 160], Pool::Average(128)),
    plan("4d", Some(96), [128, 192], [160, 192], Pool::Average(128)),
    plan("4e", None, [128, 192], [192, 256], Pool::Halve),
    plan("5a", Some(352), [192, 320], [160, 224], Pool::Average(128)),
    plan("5b", Some(352), [192, 320], [192, 224], Pool::Max(128)),
];

/// BN-Inception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BnInceptionConfig {
    /// Channels of the stem, an even number; all others are in proportion. Features: 16 · `width`.
    pub width: usize,
}

impl Default for BnInceptionConfig {
    fn default() -> Self {
        Self {
            width: PUBLISHED_WIDTH,
        }
    }
}

impl BnInceptionConfig {
    /// Dimension of the features for images `[channels, height, width]`.
    ///
    /// # Errors
    ///
    /// An odd width, or images whose maps cannot be halved as often as the network does: its
    /// convolutions round an odd side up and its poolings down.
    pub fn feature_dim(&self, [_, height, width]: [usize; 3]) -> Result<usize> {
        if self.width == 0 || !self.width.is_multiple_of(2) {
            return Err(Error::Recipe(format!(
                "bn_inception: width = {}; use an even number ({PUBLISHED_WIDTH} is the published network)",
                self.width
            )));
        }
        if ![height, width].into_iter().all(fits) {
            return Err(Error::Recipe(format!(
                "bn_inception: an image of {height}×{width} cannot be halved by convolutions and poolings \
                 alike; use multiples of 32 such as 224"
            )));
        }
        Ok(self.channels(1024))
    }

    fn channels(&self, published: usize) -> usize {
        published * self.width / PUBLISHED_WIDTH
    }

    pub(super) fn trace(&self, input: [usize; 3], trace: &mut Trace) {
        let halved = |[channels, height, width]: [usize; 3]| {
            let side = |side| max_pooled(side, 3, 2);
            [channels, side(height), side(width)]
        };
        let conv = |shape, sizes: [usize; 3], trace: &mut Trace| {
            trace.bias(sizes[0]);
            trace.convolution(shape, sizes, true)
        };
        let [first, third] = [64, 192].map(|channels| self.channels(channels));
        let shape = conv(input, [first, 7, 2], trace);
        let shape = trace.max_pool(halved(shape));
        let shape = conv(shape, [first, 1, 1], trace);
        let shape = conv(shape, [third, 3, 1], trace);
        let mut shape = trace.max_pool(halved(shape));
        trace.end_segment(shape);
        for block in &BLOCKS {
            let stride = block.stride();
            let mut output = 0;
            if let Some(one) = block.one {
                output += conv(shape, [self.channels(one), 1, 1], trace)[0];
            }
            let [three_in, three] = block.three.map(|channels| self.channels(channels));
            let inside = conv(shape, [three_in, 1, 1], trace);
            let side = conv(inside, [three, 3, stride], trace);
            let [double_in, double] = block.double.map(|channels| self.channels(channels));
            let inside = conv(shape, [double_in, 1, 1], trace);
            let inside = conv(inside, [double, 3, 1], trace);
            conv(inside, [double, 3, stride], trace);
            output += three + double;
            output += match block.pool {
                Pool::Halve => trace.max_pool(halved(shape))[0],
                Pool::Average(channels) => conv(
                    trace.average_pool(shape),
                    [self.channels(channels), 1, 1],
                    trace,
                )[0],
                Pool::Max(channels) => conv(
                    trace.max_pool(shape),
                    [self.channels(channels), 1, 1],
                    trace,
                )[0],
            };
            shape = trace.concatenation([output, side[1], side[2]]);
            trace.end_segment(shape);
        }
    }

    pub(super) fn init(&self, input_channels: usize, source: &ParameterSource) -> BnInception {
        let layer = |name: String, input, output, kernel, stride| {
            let conv = Conv2dConfig {
                input,
                output,
                kernel,
                stride,
            };
            let norm = format!("{name}_bn");
            Layer {
                conv: conv
                    .init(&source.child(&name))
                    .with_bias(&source.child(&name)),
                bn: BatchNorm2d::new(output, &source.child(norm)),
                name,
            }
        };
        let [first, third] = [64, 192].map(|channels| self.channels(channels));
        let mut input = third;
        let block = |plan: &Plan| {
            let layer = |part: &str, input, output, kernel, stride| {
                let name = format!("inception_{}_{part}", plan.name);
                layer(name, input, output, kernel, stride)
            };
            let stride = plan.stride();
            let one = plan.one.map(|one| self.channels(one));
            let [three_in, three] = plan.three.map(|channels| self.channels(channels));
            let [double_in, double] = plan.double.map(|channels| self.channels(channels));
            let projected = match plan.pool {
                Pool::Average(channels) | Pool::Max(channels) => Some(self.channels(channels)),
                Pool::Halve => None,
            };
            let block = Block {
                one: one.map(|one| layer("1x1", input, one, 1, 1)),
                three: [
                    layer("3x3_reduce", input, three_in, 1, 1),
                    layer("3x3", three_in, three, 3, stride),
                ],
                double: [
                    layer("double_3x3_reduce", input, double_in, 1, 1),
                    layer("double_3x3_1", double_in, double, 3, 1),
                    layer("double_3x3_2", double, double, 3, stride),
                ],
                pool: plan.pool,
                projection: projected.map(|output| layer("pool_proj", input, output, 1, 1)),
            };
            input = one.unwrap_or(0) + three + double + projected.unwrap_or(input);
            block
        };
        let blocks = BLOCKS.iter().map(block).collect();
        BnInception {
            stem: [
                layer("conv1_7x7_s2".into(), input_channels, first, 7, 2),
                layer("conv2_3x3_reduce".into(), first, first, 1, 1),
                layer("conv2_3x3".into(), first, third, 3, 1),
            ],
            blocks,
        }
    }
}

impl Plan {
    fn stride(&self) -> usize {
        if self.pool == Pool::Halve { 2 } else { 1 }
    }
}

/// Whether convolutions and poolings side by side agree about a side of so many pixels.
fn fits(side: usize) -> bool {
    let stem = max_pooled(max_pooled(side.div_ceil(2), 3, 2), 3, 2);
    let [first, second] = [stem, stem.div_ceil(2)];
    [first, second]
        .into_iter()
        .all(|side| side >= 2 && side.is_multiple_of(2))
}

/// See [`BnInceptionConfig`]. A module by hand, because its parameters are named by the Caffe layers
/// and not by where they are.
#[derive(Clone, Debug)]
pub struct BnInception {
    stem: [Layer; 3],
    blocks: Vec<Block>,
}

impl BnInception {
    /// Stem and blocks: `[B, 3, H, W]`, red first → feature map `[B, 16 · width, H/32, W/32]`.
    pub(super) fn segments(&self) -> Vec<Segment<'_>> {
        let stem: Segment<'_> = Box::new(|images| {
            let [first, second, third] = &self.stem;
            // The weights expect blue first.
            let map = max_pool(first.forward(images.flip([1])), 3, 2);
            max_pool(third.forward(second.forward(map)), 3, 2)
        });
        let block = |block| -> Segment<'_> { Box::new(move |map| Block::forward(block, map)) };
        std::iter::once(stem)
            .chain(self.blocks.iter().map(block))
            .collect()
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.stem
            .iter()
            .chain(self.blocks.iter().flat_map(Block::layers))
    }

    fn map_layers(self, mut map: impl FnMut(Layer) -> Layer) -> Self {
        Self {
            stem: self.stem.map(&mut map),
            blocks: self
                .blocks
                .into_iter()
                .map(|block| block.map_layers(&mut map))
                .collect(),
        }
    }

    /// The same with both modules of each layer changed.
    fn map_modules(
        self,
        conv: impl Fn(Conv2d) -> Conv2d,
        bn: impl Fn(BatchNorm2d) -> BatchNorm2d,
    ) -> Self {
        self.map_layers(|layer| Layer {
            conv: conv(layer.conv),
            bn: bn(layer.bn),
            name: layer.name,
        })
    }
}

/// Convolution, batch normalisation and ReLU; `name` is the convolution's, and with `_bn` behind it
/// the normalisation's.
#[derive(Clone, Debug)]
struct Layer {
    name: String,
    conv: Conv2d,
    bn: BatchNorm2d,
}

impl Layer {
    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.bn.after(&self.conv, input, None, Epilogue::Relu)
    }

    fn norm_name(&self) -> String {
        format!("{}_bn", self.name)
    }
}

/// Three or four branches side by side.
#[derive(Clone, Debug)]
struct Block {
    one: Option<Layer>,
    three: [Layer; 2],
    double: [Layer; 3],
    pool: Pool,
    projection: Option<Layer>,
}

impl Block {
    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let chain = |layers: &[Layer]| {
            layers
                .iter()
                .fold(input.clone(), |map, layer| layer.forward(map))
        };
        let pooled = match self.pool {
            Pool::Average(_) => {
                let options = AvgPoolOptions::new([3, 3])
                    .with_stride([1, 1])
                    .with_padding([1, 1]);
                avg_pool2d(input.clone(), options)
            }
            Pool::Max(_) => max_pool(input.clone(), 3, 1),
            Pool::Halve => max_pool(input.clone(), 3, 2),
        };
        let last = match &self.projection {
            Some(projection) => projection.forward(pooled),
            None => pooled,
        };
        let first = self.one.as_ref().map(|layer| layer.forward(input.clone()));
        let branches = first
            .into_iter()
            .chain([chain(&self.three), chain(&self.double), last]);
        Tensor::cat(branches.collect(), 1)
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.one
            .iter()
            .chain(&self.three)
            .chain(&self.double)
            .chain(&self.projection)
    }

    fn map_layers(self, map: &mut impl FnMut(Layer) -> Layer) -> Self {
        Self {
            one: self.one.map(&mut *map),
            three: self.three.map(&mut *map),
            double: self.double.map(&mut *map),
            pool: self.pool,
            projection: self.projection.map(map),
        }
    }
}

impl Module for BnInception {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for layer in self.layers() {
            let norm = layer.norm_name();
            visitor.enter_module(&layer.name, CONTAINER);
            layer.conv.visit(visitor);
            visitor.exit_module(&layer.name, CONTAINER);
            visitor.enter_module(&norm, CONTAINER);
            layer.bn.visit(visitor);
            visitor.exit_module(&norm, CONTAINER);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        self.map_layers(|layer| {
            let norm = layer.norm_name();
            mapper.enter_module(&layer.name, CONTAINER);
            let conv = layer.conv.map(mapper);
            mapper.exit_module(&layer.name, CONTAINER);
            mapper.enter_module(&norm, CONTAINER);
            let bn = layer.bn.map(mapper);
            mapper.exit_module(&norm, CONTAINER);
            Layer {
                name: layer.name,
                conv,
                bn,
            }
        })
    }

    fn to_device(self, device: &Device) -> Self {
        self.map_modules(|conv| conv.to_device(device), |bn| bn.to_device(device))
    }

    fn fork(self, device: &Device) -> Self {
        self.map_modules(|conv| conv.fork(device), |bn| bn.fork(device))
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        self.layers().fold(devices, |devices, layer| {
            layer
                .bn
                .collect_devices(layer.conv.collect_devices(devices))
        })
    }

    fn materialize(self) -> Self {
        self.map_modules(Conv2d::materialize, BatchNorm2d::materialize)
    }

    fn valid(&self) -> Self {
        self.clone()
            .map_modules(|conv| conv.valid(), |bn| bn.valid())
    }

    fn train(self) -> Self {
        self.map_modules(Conv2d::train, BatchNorm2d::train)
    }
}

impl ModuleDisplayDefault for BnInception {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .add_formatted(&format!("BnInception of {} layers", self.layers().count()))
            .optional()
    }
}

impl ModuleDisplay for BnInception {}
