//! The vision transformer (Dosovitskiy et al. 2021), the backbone of today's best results. Fields are
//! named as in timm and DINO, so their weight files load without a table of names.

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::module::layer_norm;
use burn::tensor::{Tensor, TensorData};
use likewise_kernels::{ConvFinish, conv2d};
use serde::{Deserialize, Serialize};

use super::backbone::Segment;
use super::cost::Trace;
use super::init::ParameterSource;
use super::linear::Linear;
use super::position::resampling;
use super::precision::as_input;
use crate::error::{Error, Result};

/// Deviation of initial weights and embeddings.
const DEVIATION: f64 = 0.02;
/// Added to variances by layer normalisation.
const EPSILON: f64 = 1e-6;

/// A vision transformer with a class token; the default is ViT-S/16.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VitConfig {
    /// Length of a token, a multiple of `heads`; the feature dimension.
    pub embed_dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads of each block.
    pub heads: usize,
    /// Side of a patch, in pixels.
    pub patch: usize,
    /// Patches along each side that the position embeddings are for (14: 224 pixels). They are
    /// interpolated for images of another size.
    pub grid: usize,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self {
            embed_dim: 384,
            depth: 12,
            heads: 6,
            patch: 16,
            grid: 14,
        }
    }
}

impl VitConfig {
    /// Dimension of the features for images `[channels, height, width]`.
    ///
    /// # Errors
    ///
    /// A size of zero, a length that the heads do not divide, or images that patches do not fill.
    pub fn feature_dim(&self, [_, height, width]: [usize; 3]) -> Result<usize> {
        let refuse = |problem: String| Err(Error::Recipe(format!("vit: {problem}")));
        let sizes = [
            ("embed_dim", self.embed_dim),
            ("depth", self.depth),
            ("heads", self.heads),
            ("patch", self.patch),
            ("grid", self.grid),
        ];
        if let Some((key, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return refuse(format!("{key} = 0; use 1 or more"));
        }
        if !self.embed_dim.is_multiple_of(self.heads) {
            return refuse(format!(
                "embed_dim = {} is not a multiple of heads = {}",
                self.embed_dim, self.heads
            ));
        }
        let patch = self.patch;
        if !height.is_multiple_of(patch) || !width.is_multiple_of(patch) {
            return refuse(format!(
                "an image of {height}×{width} is not a whole number of patches of {patch}; use a \
                 multiple of {patch}"
            ));
        }
        Ok(self.embed_dim)
    }

    pub(super) fn trace(&self, [channels, height, width]: [usize; 3], trace: &mut Trace) {
        let (dim, patches) = (self.embed_dim, height / self.patch * (width / self.patch));
        let tokens = patches + 1;
        trace.product(patches, channels * self.patch * self.patch, dim);
        trace.bias(dim * (self.grid * self.grid + 2));
        trace.bias(2 * dim);
        trace.end_segment([tokens, dim, 1]);
        for _ in 0..self.depth {
            trace.bias(4 * dim);
            trace.product(tokens, dim, 3 * dim);
            trace.attention(tokens, dim, self.heads);
            trace.product(tokens, dim, dim);
            trace.product(tokens, dim, 4 * dim);
            trace.product(tokens, 4 * dim, dim);
            // Both normalisations, both sums and the activation.
            trace.activations(tokens * 8 * dim);
            trace.end_segment([tokens, dim, 1]);
        }
    }

    pub(super) fn init(&self, input_channels: usize, source: &ParameterSource) -> Vit {
        let dim = self.embed_dim;
        let blocks = source.child("blocks");
        let projection = source.child("patch_embed.proj");
        let kernel = [dim, input_channels, self.patch, self.patch];
        Vit {
            cls_token: source.normal("cls_token", [1, 1, dim], DEVIATION),
            pos_embed: source.normal("pos_embed", [1, self.grid * self.grid + 1, dim], DEVIATION),
            patch_embed: PatchEmbed {
                proj: PatchProjection {
                    weight: projection.normal("weight", kernel, DEVIATION),
                    bias: projection.constant("bias", [dim], 0.0),
                },
            },
            blocks: (0..self.depth)
                .map(|index| VitBlock::new(dim, self.heads, &blocks.child(index.to_string())))
                .collect(),
            norm: LayerNorm::new(dim, &source.child("norm")),
            grid: self.grid,
        }
    }
}

/// See [`VitConfig`]. Its maps between segments are tokens, `[B, 1, 1 + patches, embed_dim]`, the
/// class token first.
#[derive(Module, Debug)]
pub struct Vit {
    /// Class token, `[1, 1, embed_dim]`.
    pub cls_token: Param<Tensor<3>>,
    /// Position embeddings of the class token and the patches, `[1, 1 + grid², embed_dim]`.
    pub pos_embed: Param<Tensor<3>>,
    /// Patches to tokens.
    pub patch_embed: PatchEmbed,
    /// Transformer blocks.
    pub blocks: Vec<VitBlock>,
    /// Normalisation of the output.
    pub norm: LayerNorm,
    #[module(skip)]
    grid: usize,
}

impl Vit {
    /// Tokens of the images `[B, C, H, W]`, then the blocks.
    pub(super) fn segments(&self) -> Vec<Segment<'_>> {
        let tokens: Segment<'_> = Box::new(|images| self.tokens(images));
        let block = |block| -> Segment<'_> { Box::new(move |map| VitBlock::forward(block, map)) };
        std::iter::once(tokens)
            .chain(self.blocks.iter().map(block))
            .collect()
    }

    /// The class token of the last block's output, normalised: `[B, embed_dim]`.
    pub(super) fn finish(&self, tokens: Tensor<4>) -> Tensor<2> {
        let [batch, _, _, dim] = tokens.dims();
        let class = tokens.narrow(2, 0, 1).reshape([batch, dim]);
        self.norm.forward(class)
    }

    fn tokens(&self, images: Tensor<4>) -> Tensor<4> {
        let patches = self.patch_embed.proj.forward(images);
        let [batch, dim, rows, columns] = patches.dims();
        let patches: Tensor<3> = patches.reshape([batch, dim, rows * columns]);
        let patches: Tensor<3> = patches.swap_dims(1, 2);
        let class = as_input(self.cls_token.val(), &patches).expand([batch, 1, dim]);
        let positions = as_input(self.positions([rows, columns]), &patches);
        let tokens = Tensor::cat(vec![class, patches], 1) + positions;
        tokens.reshape([batch, 1, rows * columns + 1, dim])
    }

    /// Position embeddings for so many rows and columns of patches, `[1, 1 + rows · columns, D]`.
    fn positions(&self, [rows, columns]: [usize; 2]) -> Tensor<3> {
        let stored = self.pos_embed.val();
        let old = self.grid * self.grid;
        if [rows, columns] == [self.grid; 2] {
            return stored;
        }
        let device = stored.device();
        let weights = TensorData::new(
            resampling([self.grid; 2], [rows, columns]),
            [1, rows * columns, old],
        );
        let weights = Tensor::<3>::from_data(weights, &device);
        let class = stored.clone().narrow(1, 0, 1);
        let patches = weights.matmul(stored.narrow(1, 1, old));
        Tensor::cat(vec![class, patches], 1)
    }
}

/// The part of the network that makes tokens of patches.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// One linear map for all patches.
    pub proj: PatchProjection,
}

/// A convolution as wide as its stride.
#[derive(Module, Debug)]
pub struct PatchProjection {
    /// `[embed_dim, C, patch, patch]`.
    pub weight: Param<Tensor<4>>,
    /// `[embed_dim]`.
    pub bias: Param<Tensor<1>>,
}

impl PatchProjection {
    fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.val();
        let [_, _, patch, _] = weight.dims();
        let finish = ConvFinish {
            shift: Some(self.bias.val()),
            ..ConvFinish::default()
        };
        conv2d(images, weight, [patch; 2], [0; 2], finish)
    }
}

/// Attention and a two-layer perceptron, each behind a normalisation and with a shortcut around it.
#[derive(Module, Debug)]
pub struct VitBlock {
    /// Normalisation before the attention.
    pub norm1: LayerNorm,
    /// Attention among all tokens of an image.
    pub attn: Attention,
    /// Normalisation before the perceptron.
    pub norm2: LayerNorm,
    /// Perceptron, for each token by itself.
    pub mlp: TokenMlp,
}

impl VitBlock {
    fn new(dim: usize, heads: usize, source: &ParameterSource) -> Self {
        Self {
            norm1: LayerNorm::new(dim, &source.child("norm1")),
            attn: Attention::new(dim, heads, &source.child("attn")),
            norm2: LayerNorm::new(dim, &source.child("norm2")),
            mlp: TokenMlp::new(dim, &source.child("mlp")),
        }
    }

    fn forward(&self, tokens: Tensor<4>) -> Tensor<4> {
        let tokens = tokens.clone() + self.attn.forward(self.norm1.forward(tokens));
        tokens.clone() + self.mlp.forward(self.norm2.forward(tokens))
    }
}

/// Scaled dot-product attention with several heads.
#[derive(Module, Debug)]
pub struct Attention {
    /// Tokens to queries, keys and values, in this order.
    pub qkv: Linear,
    /// Mixes the heads.
    pub proj: Linear,
    #[module(skip)]
    heads: usize,
}

impl Attention {
    fn new(dim: usize, heads: usize, source: &ParameterSource) -> Self {
        Self {
            qkv: Linear::normal(dim, 3 * dim, DEVIATION, &source.child("qkv")),
            proj: Linear::normal(dim, dim, DEVIATION, &source.child("proj")),
            heads,
        }
    }

    fn forward(&self, tokens: Tensor<4>) -> Tensor<4> {
        let [batch, _, count, dim] = tokens.dims();
        let (heads, length) = (self.heads, dim / self.heads);
        let all: Tensor<5> = self
            .qkv
            .forward(tokens)
            .reshape([batch, count, 3, heads, length])
            .permute([2, 0, 3, 1, 4]);
        let part = |index| -> Tensor<4> {
            let part: Tensor<5> = all.clone().narrow(0, index, 1);
            part.reshape([batch, heads, count, length])
        };
        let queries = part(0).mul_scalar((length as f64).powf(-0.5));
        let weights = softmax(queries.matmul(part(1).transpose()), 3);
        let mixed = weights.matmul(part(2)).swap_dims(1, 2);
        self.proj.forward(mixed.reshape([batch, 1, count, dim]))
    }
}

/// Two layers with the exact GELU between them.
#[derive(Module, Debug)]
pub struct TokenMlp {
    /// Four times as wide as a token.
    pub fc1: Linear,
    /// Back to a token.
    pub fc2: Linear,
}

impl TokenMlp {
    fn new(dim: usize, source: &ParameterSource) -> Self {
        Self {
            fc1: Linear::normal(dim, 4 * dim, DEVIATION, &source.child("fc1")),
            fc2: Linear::normal(4 * dim, dim, DEVIATION, &source.child("fc2")),
        }
    }

    fn forward(&self, tokens: Tensor<4>) -> Tensor<4> {
        self.fc2.forward(gelu(self.fc1.forward(tokens)))
    }
}

/// x · Φ(x) with the normal distribution function Φ. Burn's own GELU (0.22.1) has the gradient of the tanh
/// approximation where a backend has none of its own, as on GPUs.
fn gelu(input: Tensor<4>) -> Tensor<4> {
    let distribution = input
        .clone()
        .mul_scalar(std::f64::consts::FRAC_1_SQRT_2)
        .erf()
        .add_scalar(1.0)
        .mul_scalar(0.5);
    input * distribution
}

/// Normalisation of each token by itself (Ba, Kiros and Hinton 2016).
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Scale, `[D]`.
    pub weight: Param<Tensor<1>>,
    /// Shift, `[D]`.
    pub bias: Param<Tensor<1>>,
}

impl LayerNorm {
    fn new(dim: usize, source: &ParameterSource) -> Self {
        Self {
            weight: source.constant("weight", [dim], 1.0),
            bias: source.constant("bias", [dim], 0.0),
        }
    }

    /// `[…, D]` → `[…, D]`.
    fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let weight = as_input(self.weight.val(), &input);
        let bias = as_input(self.bias.val(), &input);
        layer_norm(input, weight, Some(bias), EPSILON)
    }
}
