//! The ρ-switch (Roth et al., Revisiting Training Strategies and Generalization Performance in
//! Deep Metric Learning, 2020): now and then a tuple pushes two rows of one class apart, which
//! keeps the spectrum of the embeddings flat. It wraps any triplet miner.

use burn::tensor::{Bool, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Triplets;
use super::choice::draw_positive;
use super::triplets::indices;
use crate::batch::{BatchLabels, indicators};
use crate::{Result, check};

/// Replaces each triplet, with probability `p_switch`, by one whose negative is of the anchor's
/// class. Anchors without another row of their class give no tuple at all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RhoSwitch {
    /// Probability of a switch, 0 to 1.
    pub p_switch: f64,
    /// What a switched triplet consists of.
    pub switch_mode: SwitchMode,
}

/// What a switched triplet consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchMode {
    /// (a, a, p′), p′ uniform among the other rows of the class: only the push remains. The form
    /// of the published code.
    #[default]
    AnchorAsPositive,
    /// (a, p, p): the positive is pulled and pushed at once. The form of the published text.
    KeepPositive,
}

impl Default for RhoSwitch {
    fn default() -> Self {
        Self {
            p_switch: 0.2,
            switch_mode: SwitchMode::default(),
        }
    }
}

/// Refuses a probability outside 0 to 1.
pub(super) fn validate(switch: Option<&RhoSwitch>) -> Result<()> {
    switch.map_or(Ok(()), |rho| {
        check::number("miner.rho.p_switch", rho.p_switch, 0.0..=1.0)
    })
}

impl RhoSwitch {
    /// Switches some of the `triplets` of a batch, drawn on the host.
    pub fn apply(
        &self,
        triplets: Triplets,
        labels: &BatchLabels,
        rng: &mut ChaCha8Rng,
    ) -> Triplets {
        let device = triplets.valid.device();
        let [length] = triplets.valid.dims();
        let (mut switched, mut eligible) = (vec![false; length], vec![false; length]);
        let mut partner = vec![0; length];
        for (tuple, &anchor) in triplets.anchors.iter().enumerate() {
            if let Some(row) = draw_positive(labels, anchor, rng) {
                eligible[tuple] = true;
                switched[tuple] = rng.random_bool(self.p_switch);
                partner[tuple] = row;
            }
        }
        let mask: Tensor<1, Bool> =
            Tensor::from_data(TensorData::new(switched.clone(), [length]), &device);
        let (positive, pushed) = match self.switch_mode {
            SwitchMode::AnchorAsPositive => (
                triplets
                    .positive
                    .mask_where(mask.clone(), triplets.anchor.clone()),
                indices(&partner, &device),
            ),
            SwitchMode::KeepPositive => (triplets.positive.clone(), triplets.positive),
        };
        switched.truncate(triplets.anchors.len());
        Triplets {
            anchors: triplets.anchors,
            anchor: triplets.anchor,
            positive,
            negative: triplets.negative.mask_where(mask.clone(), pushed),
            valid: (triplets.valid * indicators(&eligible, &device)).mask_fill(mask, 1.0),
            switched,
        }
    }
}
