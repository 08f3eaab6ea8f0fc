//! Batch normalisation (Ioffe and Szegedy 2015) as metric learning uses it: either with the
//! statistics of the batch, or "frozen", where running statistics are fixed while scale and
//! shift stay trainable. Running variances are unbiased, as in PyTorch.

use burn::module::{Flag, Module, ModuleMapper, Param};
use burn::tensor::{FloatDType, Tensor};

use likewise_kernels::{ConvFinish, Epilogue, batch_norm_train};

use super::conv::Conv2d;
use super::init::ParameterSource;
use super::precision::Precision;
use super::running_statistic::RunningStatistic;

/// Added to variances under the root, PyTorch's default.
const EPSILON: f64 = 1e-5;
/// Weight of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// Batch normalisation over the positions of each channel.
#[derive(Module, Debug)]
pub struct BatchNorm2d {
    /// Scale γ, `[C]`.
    pub weight: Param<Tensor<1>>,
    /// Shift β, `[C]`.
    pub bias: Param<Tensor<1>>,
    /// Running mean, `[C]`.
    pub running_mean: RunningStatistic,
    /// Running variance, `[C]`.
    pub running_var: RunningStatistic,
    /// Whether training normalises with (and records) the statistics of the batch.
    pub batch_statistics: Param<Flag>,
    /// Added to variances under the root.
    #[module(skip)]
    epsilon: f64,
}

impl BatchNorm2d {
    /// γ = 1, β = 0, mean 0, variance 1; training uses batch statistics.
    pub fn new(channels: usize, source: &ParameterSource) -> Self {
        Self {
            weight: source.constant("weight", [channels], 1.0),
            bias: source.constant("bias", [channels], 0.0),
            running_mean: RunningStatistic::new("running_mean", channels, 0.0, source),
            running_var: RunningStatistic::new("running_var", channels, 1.0, source),
            batch_statistics: Param::initialized(source.id("batch_statistics"), Flag::new(true)),
            epsilon: EPSILON,
        }
    }

    /// The same with another number added to variances than 10⁻⁵.
    #[must_use]
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// `conv` of `input` `[B, C, H, W]`, normalised; then `residual` is added, and `epilogue` follows.
    /// Batch statistics are used only on input that records gradients, so evaluation needs no other
    /// switch. With fixed statistics all of it is one operation.
    pub fn after(
        &self,
        conv: &Conv2d,
        input: Tensor<4>,
        residual: Option<Tensor<4>>,
        epilogue: Epilogue,
    ) -> Tensor<4> {
        if self.batch_statistics.is_enabled() && input.is_autodiff() {
            let map = conv.forward(input);
            return match residual {
                None => self.forward_with_batch_statistics(map, epilogue),
                Some(residual) => {
                    let map = self.forward_with_batch_statistics(map, Epilogue::None);
                    epilogue.apply(map + residual)
                }
            };
        }
        let [scale, mut shift] = self.scale_and_shift(input.is_autodiff());
        if let Some(bias) = &conv.bias {
            shift = shift + bias.val() * scale.clone();
        }
        let finish = ConvFinish {
            scale: Some(scale),
            shift: Some(shift),
            residual,
            relu: epilogue != Epilogue::None,
        };
        epilogue.apply_after_relu(conv.forward_finished(input, finish))
    }

    fn forward_with_batch_statistics(&self, input: Tensor<4>, epilogue: Epilogue) -> Tensor<4> {
        let [batch, _, height, width] = input.dims();
        let count = (batch * height * width) as f64;
        let (gamma, beta) = (self.weight.val(), self.bias.val());
        // Sums over many values need single precision.
        let (dtype, input) = (input.dtype(), Precision::F32.cast(input));
        let result = batch_norm_train(input, gamma, beta, self.epsilon, epilogue);
        // A single value has no unbiased variance; its biased one, 0, is kept then.
        let unbiased = result.variance.mul_scalar(count / (count - 1.0).max(1.0));
        self.running_mean.update(result.mean, MOMENTUM);
        self.running_var.update(unbiased, MOMENTUM);
        result.output.cast(FloatDType::from(dtype))
    }

    /// What normalisation with the running statistics is: a factor and a shift of each channel,
    /// `[C]` each.
    fn scale_and_shift(&self, autodiff: bool) -> [Tensor<1>; 2] {
        let deviation = self
            .running_var
            .value(autodiff)
            .add_scalar(self.epsilon)
            .sqrt();
        let scale = self.weight.val() / deviation;
        let shift = self.bias.val() - self.running_mean.value(autodiff) * scale.clone();
        [scale, shift]
    }
}

/// Chooses for every batch normalisation in `module` whether training uses the statistics of
/// the batch (`true`) or leaves the running ones fixed (`false`, "frozen"). Scale and shift stay
/// trainable either way.
pub fn use_batch_statistics<M: Module>(module: M, enabled: bool) -> M {
    module.map(&mut UseBatchStatistics { enabled })
}

struct UseBatchStatistics {
    enabled: bool,
}

impl ModuleMapper for UseBatchStatistics {
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        flag.with_value(self.enabled)
    }
}
