//! A margin on the angle between embedding and class, as ArcFace and its variant with several
//! centres a class apply it.

use std::f64::consts::PI;

use burn::tensor::Tensor;

use crate::{Result, check};

/// Cosines are kept this far from ±1, where the derivative of the angle is infinite.
const CLAMP: f64 = 1e-7;

/// Refuses a margin that turns beyond the opposite direction.
pub(super) fn validate(margin: f64) -> Result<()> {
    check::number("objective.angular_margin", margin, 0.0..=PI)
}

/// cos(θ + `margin`) for `cosine` = cos θ, from cos θ and sin θ alone; cosines beyond ±(1 − 10⁻⁷)
/// count as that and get no gradient.
///
/// From θ = π − `margin` on the result would rise again; if `monotonic`, it goes on falling as
/// cos θ − `margin` · sin `margin`.
pub(super) fn turned(cosine: Tensor<2>, margin: f64, monotonic: bool) -> Tensor<2> {
    let cosine = clamp(cosine);
    let squared_sine = cosine.clone().neg().add_scalar(1.0) * cosine.clone().add_scalar(1.0);
    let turned = cosine.clone().mul_scalar(margin.cos()) - squared_sine.sqrt() * margin.sin();
    if !monotonic {
        return turned;
    }
    let beyond = cosine.clone().lower_elem(-margin.cos());
    turned.mask_where(beyond, cosine.sub_scalar(margin * margin.sin()))
}

/// The clamp of the devices may hide NaN.
fn clamp(cosine: Tensor<2>) -> Tensor<2> {
    let (low, high) = (CLAMP - 1.0, 1.0 - CLAMP);
    let below = cosine.clone().lower_elem(low);
    let above = cosine.clone().greater_elem(high);
    cosine.mask_fill(below, low).mask_fill(above, high)
}
