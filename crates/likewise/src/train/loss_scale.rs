//! Scaling of the loss for half precision, so that gradients below its smallest number survive
//! (Micikevicius et al., Mixed Precision Training, ICLR 2018). The scale adapts on the device:
//! halved when gradients overflow, doubled after many steps without; no step waits for it.

use burn::tensor::{Device, Tensor};

use super::ParameterGradients;

/// Scale of the first step.
const INITIAL: f32 = 65_536.0;
/// Smallest and largest scale.
const RANGE: [f32; 2] = [1.0, 16_777_216.0];
/// Steps without overflow after which the scale is doubled.
const GROWTH_INTERVAL: f32 = 2_000.0;
/// Sums of magnitudes from here on count as overflown; comparisons with NaN do not hold, so that it
/// counts as well.
const LARGEST_SUM: f32 = 1e30;

/// The scale and the number of steps since it last changed.
#[derive(Clone, Debug)]
pub(super) struct LossScale {
    value: Tensor<1>,
    clean_steps: Tensor<1>,
}

impl LossScale {
    pub fn new(device: &Device) -> Self {
        Self {
            value: Tensor::from_data([INITIAL], device),
            clean_steps: Tensor::from_data([0.0], device),
        }
    }

    /// `[1]`.
    pub fn value(&self) -> Tensor<1> {
        self.value.clone()
    }

    /// Scale and clean steps, `[2]`.
    pub fn state(&self) -> Tensor<1> {
        Tensor::cat(vec![self.value.clone(), self.clean_steps.clone()], 0)
    }

    pub fn restore(&mut self, state: Tensor<1>) {
        self.value = state.clone().narrow(0, 0, 1);
        self.clean_steps = state.narrow(0, 1, 1);
    }

    /// Looks at unscaled gradients, replaces them by zeros if one overflowed, adapts the scale, and
    /// returns 1 if all are finite and 0 if not, `[1]`.
    pub fn settle(&mut self, gradients: &mut ParameterGradients) -> Tensor<1> {
        let Some(total) = gradients.total() else {
            return self.value.clone().ones_like();
        };
        let finite = total.lower_elem(LARGEST_SUM);
        gradients.clear_if(&finite.clone().bool_not());
        let finite = finite.float();
        let clean = self.clean_steps.clone().add_scalar(1.0) * finite.clone();
        let grow = clean.clone().greater_equal_elem(GROWTH_INTERVAL).float();
        let factor = finite.clone().add_scalar(1.0).mul_scalar(0.5) * grow.clone().add_scalar(1.0);
        self.value = (self.value.clone() * factor).clamp(RANGE[0], RANGE[1]);
        self.clean_steps = clean.clone() - clean * grow;
        finite
    }
}
