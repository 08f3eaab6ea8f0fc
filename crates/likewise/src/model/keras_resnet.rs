//! ResNet50 as Keras (and before it Caffe) stores it, in torchvision's names. The result computes
//! the same function in evaluation, from images normalised as torchvision's are.

use burn::tensor::TensorData;

use super::state::StateDict;
use crate::error::{Error, Result};

/// What the original network subtracts from blue, green and red on the scale 0 to 255.
const CAFFE_MEAN: [f32; 3] = [103.939, 116.779, 123.68];
/// torchvision's normalisation of blue, green and red.
const MEAN: [f32; 3] = [0.406, 0.456, 0.485];
const STD: [f32; 3] = [0.225, 0.224, 0.229];
/// Added to variances by Keras' batch normalisation, and by torchvision's.
const KERAS_EPSILON: f64 = 1e-3;
const EPSILON: f64 = 1e-5;
/// The stem's outputs are divided by this, which brings its weights to the size of torchvision's;
/// its batch normalisation takes it back exactly.
const STEM_SCALE: f32 = 0.225 * 255.0;
/// Keras' number of each stage, and its blocks.
const STAGES: [(usize, usize); 4] = [(2, 3), (3, 4), (4, 6), (5, 3)];

/// Converts `weights` with Keras' names (`conv1/kernel`, `bn2a_branch2a/gamma`, `fc1000/bias`, …)
/// to torchvision's. The strides of this network lie in the 1×1 convolutions: see
/// [`ResnetConfig::stride_in_1x1`](super::ResnetConfig::stride_in_1x1).
///
/// Biases of convolutions move into the means of the batch normalisations behind them, ε = 10⁻³
/// becomes 10⁻⁵ by way of the variances, and the stem takes red, green and blue with torchvision's
/// normalisation instead of blue, green and red from 0 to 255. Only what the stem's padding stands
/// for changes, by at most half a grey level.
///
/// # Errors
///
/// [`Error::Weights`] if a tensor is missing, left over or of an unexpected shape.
pub fn from_keras(weights: StateDict) -> Result<StateDict> {
    let mut source = Source(weights);
    let mut converted = StateDict::new();
    for names in layer_names() {
        let layer = ConvBatchNorm::take(&mut source, &names)?;
        let layer = if names.conv == "conv1" {
            layer.with_torchvision_input()?
        } else {
            layer
        };
        layer.put(&mut converted, &names);
    }
    let (shape, kernel) = source.take("fc1000/kernel")?;
    let [input, output] = shape[..] else {
        return Err(unexpected("fc1000/kernel", &shape));
    };
    let transposed = transpose(&kernel, [1, 1, input, output]);
    insert(
        &mut converted,
        "fc.weight".into(),
        transposed,
        &[output, input],
    );
    let bias = source.vector("fc1000/bias", output)?;
    insert(&mut converted, "fc.bias".into(), bias, &[output]);
    match source.0.keys().next() {
        None => Ok(converted),
        Some(name) => Err(Error::Weights(format!(
            "{} tensors are not part of a Keras ResNet50, among them {name}",
            source.0.len()
        ))),
    }
}

/// Names of a convolution and its batch normalisation, there and here.
struct LayerNames {
    keras_conv: String,
    keras_norm: String,
    conv: String,
    norm: String,
}

fn layer_names() -> Vec<LayerNames> {
    let mut layers = vec![LayerNames {
        keras_conv: "conv1".into(),
        keras_norm: "bn_conv1".into(),
        conv: "conv1".into(),
        norm: "bn1".into(),
    }];
    for (stage, (keras_stage, blocks)) in STAGES.into_iter().enumerate() {
        for (block, letter) in ('a'..).take(blocks).enumerate() {
            let path = format!("layer{}.{block}", stage + 1);
            let mut layer = |branch: &str, conv: String, norm: String| {
                layers.push(LayerNames {
                    keras_conv: format!("res{keras_stage}{letter}_branch{branch}"),
                    keras_norm: format!("bn{keras_stage}{letter}_branch{branch}"),
                    conv,
                    norm,
                });
            };
            for (index, branch) in ["2a", "2b", "2c"].into_iter().enumerate() {
                let number = index + 1;
                layer(
                    branch,
                    format!("{path}.conv{number}"),
                    format!("{path}.bn{number}"),
                );
            }
            if block == 0 {
                layer(
                    "1",
                    format!("{path}.downsample.0"),
                    format!("{path}.downsample.1"),
                );
            }
        }
    }
    layers
}

struct Source(StateDict);

impl Source {
    fn take(&mut self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let data = self.0.remove(name).ok_or_else(|| {
            Error::Weights(format!("{name} is missing: this is no Keras ResNet50"))
        })?;
        let shape = data.shape().to_vec();
        let values = data
            .try_to_vec()
            .map_err(|_| Error::Weights(format!("{name} is not in single precision")))?;
        Ok((shape, values))
    }

    fn vector(&mut self, name: &str, length: usize) -> Result<Vec<f32>> {
        let (shape, values) = self.take(name)?;
        if shape != [length] {
            return Err(unexpected(name, &shape));
        }
        Ok(values)
    }
}

fn unexpected(name: &str, shape: &[usize]) -> Error {
    Error::Weights(format!("{name} has the unexpected shape {shape:?}"))
}

/// `[height, width, in, out]` → `[out, in, height, width]`.
fn transpose(values: &[f32], [height, width, input, output]: [usize; 4]) -> Vec<f32> {
    let mut transposed = Vec::with_capacity(values.len());
    for out in 0..output {
        for channel in 0..input {
            for place in 0..height * width {
                transposed.push(values[(place * input + channel) * output + out]);
            }
        }
    }
    transposed
}

fn insert(state: &mut StateDict, name: String, values: Vec<f32>, shape: &[usize]) {
    state.insert(name, TensorData::new(values, shape.to_vec()));
}

struct ConvBatchNorm {
    /// `[out, in, kernel, kernel]`.
    shape: [usize; 4],
    weight: Vec<f32>,
    /// Bias of the convolution.
    bias: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    /// What the outputs of the convolution are divided by.
    scale: f32,
}

impl ConvBatchNorm {
    fn take(source: &mut Source, names: &LayerNames) -> Result<Self> {
        let (conv, norm) = (&names.keras_conv, &names.keras_norm);
        let kernel = format!("{conv}/kernel");
        let (shape, values) = source.take(&kernel)?;
        let [height, width, input, output] = shape[..] else {
            return Err(unexpected(&kernel, &shape));
        };
        let mut vector = |name: String| source.vector(&name, output);
        Ok(Self {
            shape: [output, input, height, width],
            weight: transpose(&values, [height, width, input, output]),
            bias: vector(format!("{conv}/bias"))?,
            gamma: vector(format!("{norm}/gamma"))?,
            beta: vector(format!("{norm}/beta"))?,
            mean: vector(format!("{norm}/moving_mean"))?,
            variance: vector(format!("{norm}/moving_variance"))?,
            scale: 1.0,
        })
    }

    /// The same layer for normalised red, green and blue.
    fn with_torchvision_input(mut self) -> Result<Self> {
        let [_, 3, height, width] = self.shape else {
            return Err(unexpected("conv1/kernel", &self.shape));
        };
        let places = height * width;
        for (filter, bias) in self.weight.chunks_exact_mut(3 * places).zip(&mut self.bias) {
            for (channel, plane) in filter.chunks_exact_mut(places).enumerate() {
                let offset = MEAN[channel] * 255.0 - CAFFE_MEAN[channel];
                *bias += plane.iter().sum::<f32>() * offset;
                for weight in plane {
                    *weight *= STD[channel] * 255.0 / STEM_SCALE;
                }
            }
            let (blue, rest) = filter.split_at_mut(places);
            blue.swap_with_slice(&mut rest[places..]);
        }
        self.scale = STEM_SCALE;
        Ok(self)
    }

    fn put(self, state: &mut StateDict, names: &LayerNames) {
        let (conv, norm, channels) = (&names.conv, &names.norm, [self.shape[0]]);
        let scale = self.scale;
        let means = self.mean.iter().zip(&self.bias);
        let mean = means.map(|(mean, bias)| (mean - bias) / scale).collect();
        let variance = self.variance.iter().map(|&variance| {
            let with_epsilon = f64::from(variance) + KERAS_EPSILON;
            (with_epsilon / f64::from(scale).powi(2) - EPSILON) as f32
        });
        let variance = variance.collect();
        insert(state, format!("{conv}.weight"), self.weight, &self.shape);
        insert(state, format!("{norm}.weight"), self.gamma, &channels);
        insert(state, format!("{norm}.bias"), self.beta, &channels);
        insert(state, format!("{norm}.running_mean"), mean, &channels);
        insert(state, format!("{norm}.running_var"), variance, &channels);
    }
}
