//! Singular values in double precision on the processor. The eigenvalues of the Gram matrix drown
//! small ones in noise near 1e-8 of the largest, so it serves well-conditioned matrices only.

use nalgebra::{DMatrix, DVector};

use super::double_gram::double_gram;

/// Ratio of the extreme eigenvalues of the Gram matrix up to which their square roots keep nine
/// digits.
const GRAM_CONDITION: f64 = 1e6;

/// Singular values of `values`, finite and row-major `[N, dim]`, min(N, dim) of them, largest first:
/// from the eigenvalues of the Gram matrix where the largest value is at most 1000 times the
/// smallest, else from the matrix itself. Time O(N·D²), memory O(D²).
pub fn singular_values(values: &[f32], dim: usize) -> Vec<f64> {
    let tall = values.len() / dim >= dim;
    let well_conditioned = tall.then(|| from_gram(values, dim)).flatten();
    well_conditioned.unwrap_or_else(|| from_triangle(values, dim))
}

/// Square roots of the eigenvalues of the Gram matrix; none where that would lose digits.
fn from_gram(values: &[f32], dim: usize) -> Option<Vec<f64>> {
    let gram = DMatrix::from_vec(dim, dim, double_gram(values, dim));
    let found = descending(&gram.symmetric_eigenvalues());
    let (largest, smallest) = (found[0], found[dim - 1]);
    let accurate = smallest * GRAM_CONDITION >= largest && smallest > 0.0;
    accurate.then(|| found.iter().map(|value| value.sqrt()).collect())
}

/// Householder QR over blocks of rows, then the SVD of the D×D triangle.
fn from_triangle(values: &[f32], dim: usize) -> Vec<f64> {
    let mut triangle = DMatrix::<f64>::zeros(0, dim);
    for block in values.chunks(4 * dim.max(64) * dim) {
        let rows = block.iter().map(|&value| f64::from(value));
        let kept = triangle.nrows();
        let mut stacked = triangle.resize_vertically(kept + block.len() / dim, 0.0);
        let block = DMatrix::from_row_iterator(block.len() / dim, dim, rows);
        stacked.rows_mut(kept, block.nrows()).copy_from(&block);
        triangle = stacked.qr().r();
    }
    descending(&triangle.singular_values())
}

fn descending(values: &DVector<f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.iter().copied().collect();
    values.sort_by(|a, b| b.total_cmp(a));
    values
}
