//! What a network costs, from its sizes alone: multiply-adds, parameters, and the values of maps
//! that a training step has to keep. Nothing is made on a device for it.

use super::network::NetworkConfig;
use crate::error::Result;

/// Which maps are kept for the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Convolution, normalisation with fixed statistics and ReLU are one operation, which keeps its
    /// output.
    Fused,
    /// Each of them is an operation, which keeps what its own gradient needs.
    Separate,
}

/// What one image costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-adds of convolutions and fully connected layers in a forward pass. A training step
    /// takes three times as many: its backward pass does each layer's twice.
    pub multiply_adds: u64,
    /// Learned parameters, whatever the number of images.
    pub parameters: u64,
    /// Values of maps that are kept from the forward to the backward pass.
    pub kept: u64,
    /// The same with `gradient_checkpointing`: the most there is at any time of what passes between
    /// segments and of what the segment keeps that is computed again.
    pub kept_with_checkpointing: u64,
    /// Values of the largest map.
    pub largest_map: u64,
}

impl NetworkConfig {
    /// What an image `[channels, height, width]` costs.
    ///
    /// # Errors
    ///
    /// As [`feature_dim`](Self::feature_dim).
    pub fn cost(&self, input: [usize; 3], kept: Kept) -> Result<Cost> {
        let features = self.feature_dim(input)?;
        let mut trace = Trace {
            cost: Cost::default(),
            separate: kept == Kept::Separate || !self.frozen_batch_norm,
            short_places: kept == Kept::Fused,
            between: 0,
            segment: 0,
            largest_in_segment: 0,
            most: 0,
        };
        trace.keep(volume(input));
        trace.end_segment(input);
        self.backbone.trace(input, &mut trace);
        trace.linear(features, self.embedding_dim);
        trace.end_segment([self.embedding_dim, 1, 1]);
        trace.cost.kept_with_checkpointing = trace.most.max(trace.between);
        Ok(trace.cost)
    }
}

/// Follows an image through the layers of a network.
#[derive(Debug)]
pub struct Trace {
    cost: Cost,
    /// Whether a normalisation keeps the output of its convolution.
    separate: bool,
    /// Whether a max pooling keeps a byte for where each maximum was, not two values.
    short_places: bool,
    /// Values that pass between segments so far.
    between: u64,
    /// Values that the present segment keeps so far.
    segment: u64,
    /// Values of the largest map of the present segment.
    largest_in_segment: u64,
    /// The most that gradient checkpointing holds while it goes back through a segment.
    most: u64,
}

impl Trace {
    /// A square convolution of `[channels, height, width]` padded by `kernel / 2`, normalised, with a
    /// ReLU behind it or not; returns the shape of its output.
    pub(super) fn convolution(
        &mut self,
        [channels, height, width]: [usize; 3],
        [output, kernel, stride]: [usize; 3],
        relu: bool,
    ) -> [usize; 3] {
        let shape = [output, height.div_ceil(stride), width.div_ceil(stride)];
        let weights = (channels * kernel * kernel) as u64 * output as u64;
        self.cost.multiply_adds += weights * volume([1, shape[1], shape[2]]);
        self.cost.parameters += weights + 2 * output as u64;
        self.cost.largest_map = self.cost.largest_map.max(volume(shape));
        self.largest_in_segment = self.largest_in_segment.max(volume(shape));
        if self.separate {
            self.keep(volume(shape));
        }
        if relu {
            self.keep(volume(shape));
        }
        shape
    }

    /// The addition of a shortcut, before the ReLU of the convolution it is added to.
    pub(super) fn addition(&mut self, shape: [usize; 3]) {
        if self.separate {
            self.keep(volume(shape));
        }
    }

    /// A max pooling; returns the shape of its output.
    pub(super) fn max_pool(&mut self, shape: [usize; 3]) -> [usize; 3] {
        let values = volume(shape);
        let places = if self.short_places {
            values.div_ceil(4)
        } else {
            2 * values
        };
        self.keep(values + places);
        shape
    }

    /// A max pooling that is part of the operation before it and keeps its output only.
    pub(super) fn fused_max_pool(&mut self, shape: [usize; 3]) -> [usize; 3] {
        self.keep(volume(shape));
        shape
    }

    /// An average pooling that keeps the size; returns the shape.
    pub(super) fn average_pool(&mut self, shape: [usize; 3]) -> [usize; 3] {
        self.keep(volume(shape));
        shape
    }

    /// Maps side by side as one; returns its shape.
    pub(super) fn concatenation(&mut self, shape: [usize; 3]) -> [usize; 3] {
        self.keep(volume(shape));
        shape
    }

    /// Parameters that cost no multiplication.
    pub(super) fn bias(&mut self, count: usize) {
        self.cost.parameters += count as u64;
    }

    /// Values that element-wise operations keep.
    pub(super) fn activations(&mut self, count: usize) {
        self.keep(count as u64);
    }

    /// A fully connected layer with bias, applied to each of so many rows.
    pub(super) fn product(&mut self, rows: usize, input: usize, output: usize) {
        let (weights, outputs) = (input as u64 * output as u64, (rows * output) as u64);
        self.cost.multiply_adds += rows as u64 * weights;
        self.cost.parameters += weights + output as u64;
        self.cost.largest_map = self.cost.largest_map.max(outputs);
        self.largest_in_segment = self.largest_in_segment.max(outputs);
        self.keep(outputs);
    }

    /// Attention among `tokens` of length `dim` with so many heads: weights before and after the
    /// softmax, and the mixture.
    pub(super) fn attention(&mut self, tokens: usize, dim: usize, heads: usize) {
        let weights = (tokens * tokens * heads) as u64;
        self.cost.multiply_adds += 2 * (tokens * tokens) as u64 * dim as u64;
        self.cost.largest_map = self.cost.largest_map.max(weights);
        self.largest_in_segment = self.largest_in_segment.max(weights);
        self.keep(2 * weights + (tokens * dim) as u64);
    }

    /// A fully connected layer.
    pub(super) fn linear(&mut self, input: usize, output: usize) {
        let weights = input as u64 * output as u64;
        self.cost.multiply_adds += weights;
        self.cost.parameters += weights + output as u64;
        self.cost.largest_map = self.cost.largest_map.max(output as u64);
        self.keep(output as u64);
    }

    /// The end of a part that gradient checkpointing computes again as a whole.
    pub(super) fn end_segment(&mut self, output: [usize; 3]) {
        // The gradient of the largest map, and of what it is made from.
        let gradients = 2 * self.largest_in_segment;
        self.most = self.most.max(self.between + self.segment + gradients);
        self.between += volume(output);
        (self.segment, self.largest_in_segment) = (0, 0);
    }

    fn keep(&mut self, values: u64) {
        self.cost.kept += values;
        self.segment += values;
    }
}

fn volume(shape: [usize; 3]) -> u64 {
    shape.iter().map(|&size| size as u64).product()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::super::state::state_dict;
    use super::super::{BackboneConfig, ConvNetConfig, MlpConfig, PRESETS, ResnetConfig, preset};
    use super::*;

    fn cost(backbone: BackboneConfig, size: usize, kept: Kept) -> Cost {
        let mut config = NetworkConfig::new(backbone);
        config.frozen_batch_norm = matches!(config.backbone, BackboneConfig::Resnet(_));
        config.cost([3, size, size], kept).unwrap()
    }

    fn resnet(config: ResnetConfig) -> BackboneConfig {
        BackboneConfig::Resnet(config)
    }

    /// Of ResNets with 1,000 classes, as torchvision and the paper's authors state them, less the
    /// classifier and with an embedding of 128.
    #[test]
    fn resnets_cost_what_is_published() {
        let head = (2048 * 128, 2048 * 128 + 128);
        let classifier = (2048 * 1000, 2048 * 1000 + 1000);
        let published = |cost: Cost| {
            let multiply_adds = cost.multiply_adds - head.0 + classifier.0;
            (multiply_adds, cost.parameters - head.1 + classifier.1)
        };
        let resnet50 = cost(resnet(ResnetConfig::default()), 224, Kept::Fused);
        assert_eq!(published(resnet50), (4_089_184_256, 25_557_032));
        let layers = [3, 4, 23, 3];
        let config = ResnetConfig {
            layers,
            ..ResnetConfig::default()
        };
        let resnet101 = cost(resnet(config), 224, Kept::Fused);
        assert_eq!(published(resnet101), (7_801_405_440, 44_549_160));
        let config = ResnetConfig {
            stride_in_1x1: true,
            ..ResnetConfig::default()
        };
        let caffe = cost(resnet(config), 224, Kept::Fused);
        assert_eq!(published(caffe).0 / 10_000_000, 385);
    }

    #[test]
    fn parameters_are_those_of_the_network() {
        let mut configs: Vec<BackboneConfig> = PRESETS.iter().map(|(_, config)| config()).collect();
        configs.push(resnet(ResnetConfig {
            width: 8,
            layers: [1, 2, 1, 1],
            stride_in_1x1: true,
        }));
        configs.push(BackboneConfig::ConvNet(ConvNetConfig {
            channels: vec![8, 16, 4],
            convolutions_per_stage: 2,
            pooled_stages: Some(1),
        }));
        configs.push(BackboneConfig::Mlp(MlpConfig { hidden: vec![7, 5] }));
        for backbone in configs {
            let config = NetworkConfig::new(backbone);
            let input = [3, 32, 32];
            let network = config.init(0, input, &Device::flex()).unwrap();
            let tensors = pollster::block_on(state_dict(&network)).unwrap();
            let learned = tensors
                .iter()
                .filter(|(name, _)| !name.contains(".running_"));
            let count: usize = learned.map(|(_, data)| data.num_elements()).sum();
            let cost = config.cost(input, Kept::Fused).unwrap();
            assert_eq!(cost.parameters, count as u64, "{:?}", config.backbone);
        }
    }

    #[test]
    fn what_is_kept_depends_on_how_it_is_computed() {
        let resnet50 = || preset("resnet50").unwrap();
        let (fused, separate) = (
            cost(resnet50(), 224, Kept::Fused),
            cost(resnet50(), 224, Kept::Separate),
        );
        assert!(fused.kept < separate.kept, "{fused:?} {separate:?}");
        assert_eq!(fused.multiply_adds, separate.multiply_adds);
        // The stem's map, of 64 channels and a quarter of the pixels.
        assert_eq!(fused.largest_map, 64 * 112 * 112);
        for (cost, share) in [(fused, 0.75), (separate, 0.5)] {
            let checkpointed = cost.kept_with_checkpointing as f64;
            assert!(checkpointed < share * cost.kept as f64, "{cost:?}");
        }
    }

    /// By hand: 16 and 32 channels at 8 and 4 pixels, pooled once.
    #[test]
    fn a_small_network_costs_what_a_pencil_says() {
        let backbone = BackboneConfig::ConvNet(ConvNetConfig {
            channels: vec![16, 32],
            convolutions_per_stage: 1,
            pooled_stages: None,
        });
        let mut config = NetworkConfig::new(backbone);
        config.embedding_dim = 10;
        let cost = config.cost([3, 8, 8], Kept::Fused).unwrap();
        assert_eq!(cost.multiply_adds, 3 * 9 * 16 * 64 + 16 * 9 * 32 * 16 + 320);
        assert_eq!(cost.parameters, 3 * 9 * 16 + 32 + 16 * 9 * 32 + 64 + 330);
        assert_eq!(cost.largest_map, 16 * 64);
        // Image, both convolutions' outputs, what follows them, embedding.
        assert_eq!(cost.kept, 192 + 16 * 64 + 16 * 16 + 2 * 32 * 16 + 10);
    }
}
