//! Spectral decay ρ(Φ) (Roth et al. 2020): how far the singular values of the embedding matrix,
//! neither centred nor rescaled, are from uniform.

use likewise_kernels::host_singular_values;

use super::points::check_embeddings;
use crate::Result;

/// Singular values below this share of the largest count as this share.
pub const FLOOR: f64 = 1e-12;

/// Singular values of `embeddings` (row-major N×D), min(N, D) of them, largest first, in double
/// precision. Time O(N·D²), memory O(D²).
///
/// # Errors
/// Embeddings that do not pass [`check_embeddings`].
pub fn singular_values(embeddings: &[f32], dim: usize) -> Result<Vec<f64>> {
    check_embeddings(embeddings, dim)?;
    Ok(host_singular_values(embeddings, dim))
}

/// A spectrum scaled to sum 1.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalizedSpectrum {
    /// Shares, largest first.
    pub shares: Vec<f64>,
    /// How many of them were raised to the floor. Divergences then measure the floor, too.
    pub floored: usize,
}

/// The spectrum without its `dropped` largest values, each raised to `floor` times the largest of
/// all, and scaled to sum 1. `singular_values` are sorted, largest first. None if no value is left
/// or all are zero.
pub fn normalized_spectrum(
    singular_values: &[f64],
    dropped: usize,
    floor: f64,
) -> Option<NormalizedSpectrum> {
    let least = floor * singular_values.first().filter(|&&largest| largest > 0.0)?;
    let kept = singular_values
        .get(dropped..)
        .filter(|kept| !kept.is_empty())?;
    let sum: f64 = kept.iter().map(|value| value.max(least)).sum();
    Some(NormalizedSpectrum {
        shares: kept.iter().map(|value| value.max(least) / sum).collect(),
        floored: kept.iter().filter(|&&value| value < least).count(),
    })
}

impl NormalizedSpectrum {
    /// KL(U‖S) of the uniform distribution from this spectrum; 0 if flat, unbounded above.
    pub fn divergence_from_uniform(&self) -> f64 {
        let uniform = 1.0 / self.shares.len() as f64;
        self.shares
            .iter()
            .map(|share| uniform * (uniform / share).ln())
            .sum::<f64>()
            .max(0.0)
    }

    /// KL(S‖U) of this spectrum from the uniform distribution; 0 if flat, at most ln n.
    pub fn divergence_to_uniform(&self) -> f64 {
        let uniform = 1.0 / self.shares.len() as f64;
        self.shares
            .iter()
            .map(|share| share * (share / uniform).ln())
            .sum::<f64>()
            .max(0.0)
    }
}

/// `rho_spectrum@m` for m ≠ 0: the spectrum without its |m| − 1 largest values, compared with
/// uniform, KL(U‖S) for m > 0 and KL(S‖U) for m < 0. Also returns how many values were floored.
/// None where [`normalized_spectrum`] is.
pub fn spectral_decay(singular_values: &[f64], m: i32, floor: f64) -> Option<(f64, usize)> {
    let dropped = (m.unsigned_abs() as usize).saturating_sub(1);
    let spectrum = normalized_spectrum(singular_values, dropped, floor)?;
    let value = if m < 0 {
        spectrum.divergence_to_uniform()
    } else {
        spectrum.divergence_from_uniform()
    };
    Some((value, spectrum.floored))
}
