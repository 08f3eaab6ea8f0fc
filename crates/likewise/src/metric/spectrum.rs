//! Spectral decay ρ(Φ) (Roth et al. 2020): how far the singular values of the embedding matrix,
//! neither centred nor rescaled, are from uniform. The eigenvalues of the Gram matrix drown small
//! singular values in noise near 1e-8 of the largest, so it serves well-conditioned matrices only.

use likewise_kernels::double_gram;
use nalgebra::DMatrix;

use super::points::check_embeddings;
use crate::Result;

/// Singular values below this share of the largest count as this share.
pub const FLOOR: f64 = 1e-12;

/// Ratio of the extreme eigenvalues of the Gram matrix up to which their square roots keep nine
/// digits.
const GRAM_CONDITION: f64 = 1e6;

/// Singular values of `embeddings` (row-major N×D), min(N, D) of them, largest first, in double
/// precision: from the eigenvalues of the Gram matrix where the largest is at most 1000 times the
/// smallest, else from the matrix itself. Time O(N·D²), memory O(D²).
///
/// # Errors
/// Embeddings that do not pass [`check_embeddings`].
pub fn singular_values(embeddings: &[f32], dim: usize) -> Result<Vec<f64>> {
    let rows = check_embeddings(embeddings, dim)?;
    if rows >= dim
        && let Some(values) = from_gram(embeddings, dim)
    {
        return Ok(values);
    }
    Ok(from_triangle(embeddings, dim))
}

/// Square roots of the eigenvalues of the Gram matrix; none where that would lose digits.
fn from_gram(embeddings: &[f32], dim: usize) -> Option<Vec<f64>> {
    let gram = DMatrix::from_vec(dim, dim, double_gram(embeddings, dim));
    let mut values: Vec<f64> = gram.symmetric_eigenvalues().iter().copied().collect();
    values.sort_by(|a, b| b.total_cmp(a));
    let accurate = values[dim - 1] * GRAM_CONDITION >= values[0] && values[dim - 1] > 0.0;
    accurate.then(|| values.iter().map(|value| value.sqrt()).collect())
}

/// Householder QR over blocks of rows, then the SVD of the D×D triangle.
fn from_triangle(embeddings: &[f32], dim: usize) -> Vec<f64> {
    let mut triangle = DMatrix::<f64>::zeros(0, dim);
    for block in embeddings.chunks(4 * dim.max(64) * dim) {
        let rows = block.iter().map(|&value| f64::from(value));
        let kept = triangle.nrows();
        let mut stacked = triangle.resize_vertically(kept + block.len() / dim, 0.0);
        let block = DMatrix::from_row_iterator(block.len() / dim, dim, rows);
        stacked.rows_mut(kept, block.nrows()).copy_from(&block);
        triangle = stacked.qr().r();
    }
    let mut values: Vec<f64> = triangle.singular_values().iter().copied().collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
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
