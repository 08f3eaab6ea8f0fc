//! The arithmetic a backbone trains in. Parameters, moments, embeddings and losses are always in
//! single precision; half precision holds for the maps between them (Micikevicius et al., Mixed
//! Precision Training, ICLR 2018).

use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Type of the maps inside the backbone while training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Half precision: 11 bits of mantissa, range 6e-8 to 65,504. The loss is scaled so that small
    /// gradients do not vanish.
    F16,
    /// The other half precision: 8 bits of mantissa, the range of single precision.
    Bf16,
}

impl Precision {
    /// Name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Bytes a value takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Whether gradients leave the range of this type unless the loss is scaled.
    pub fn needs_loss_scale(self) -> bool {
        self == Self::F16
    }

    fn dtype(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::F16 => FloatDType::F16,
            Self::Bf16 => FloatDType::BF16,
        }
    }

    /// `values` in this precision.
    pub(super) fn cast<const D: usize>(self, values: Tensor<D>) -> Tensor<D> {
        values.cast(self.dtype())
    }

    /// Refuses a precision that `device` does not compute in.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] with what to use instead.
    pub fn check(self, device: &Device) -> Result<()> {
        if device.supports_dtype(self.dtype()) {
            return Ok(());
        }
        let others = [Self::F16, Self::Bf16, Self::F32]
            .into_iter()
            .filter(|other| device.supports_dtype(other.dtype()))
            .map(|other| format!("\"{}\"", other.name()));
        Err(Error::Device(format!(
            "train.precision = \"{}\", but this device does not compute in it: use {}",
            self.name(),
            others.collect::<Vec<_>>().join(" or ")
        )))
    }
}

/// A parameter in the precision of what it is applied to; its gradient stays in its own.
pub(super) fn as_input<const D: usize, const E: usize>(
    parameter: Tensor<D>,
    input: &Tensor<E>,
) -> Tensor<D> {
    parameter.cast(FloatDType::from(input.dtype()))
}
