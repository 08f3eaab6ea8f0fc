//! Gram matrix of the components of many rows in double precision, the short way to the singular
//! values of a tall matrix.

use crate::parallel;
use crate::simd::{Instructions, vectorized};

/// Rows of a work item.
const ITEM: usize = 2048;
/// Work items whose matrices are held at a time.
const WAVE: usize = 16;
/// Rows converted to double precision at a time.
const BLOCK: usize = 128;
/// Rows and columns of the part of the result that is held in registers.
const ROWS: usize = 8;
const COLUMNS: usize = 16;

/// AᵀA `[D, D]`, row-major, for `values` A, row-major `[N, dim]`. The sums are the same for any
/// number of threads.
pub fn double_gram(values: &[f32], dim: usize) -> Vec<f64> {
    let width = dim.next_multiple_of(COLUMNS);
    let mut total = vec![0.0; width * width];
    let items: Vec<&[f32]> = values.chunks(ITEM * dim).collect();
    for wave in items.chunks(WAVE) {
        for gram in parallel::map(wave.to_vec(), |rows| item(rows, dim, width)) {
            total.iter_mut().zip(&gram).for_each(|(sum, x)| *sum += x);
        }
    }
    let entry = |index: usize| {
        let (row, column) = (index / dim, index % dim);
        total[row.min(column) * width + row.max(column)]
    };
    (0..dim * dim).map(entry).collect()
}

fn item(rows: &[f32], dim: usize, width: usize) -> Vec<f64> {
    let groups = width / COLUMNS;
    let mut gram = vec![[0.0; COLUMNS]; width * groups];
    let mut block = vec![[0.0; COLUMNS]; BLOCK * groups];
    for rows in rows.chunks(BLOCK * dim) {
        let count = rows.len() / dim;
        for (wide, row) in block.chunks_exact_mut(groups).zip(rows.chunks_exact(dim)) {
            for (wide, &value) in wide.as_flattened_mut().iter_mut().zip(row) {
                *wide = f64::from(value);
            }
        }
        add(&block[..count * groups], groups, &mut gram);
    }
    gram.into_flattened()
}

vectorized! {
    /// Adds the products of the rows of `block` to the upper triangle of `gram`.
    fn add<I>(block: &[[f64; COLUMNS]], groups: usize, gram: &mut [[f64; COLUMNS]]) {
        for left in 0..groups {
            for right in left..groups {
                for half in [0, ROWS] {
                    let sums = tile::<I>(block, groups, left, half, right);
                    for (i, sums) in sums.iter().enumerate() {
                        let row = left * COLUMNS + half + i;
                        let gram = &mut gram[row * groups + right];
                        gram.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
                    }
                }
            }
        }
    }
}

/// Sums of the products of [`ROWS`] columns of the group `left`, from number `half` on, with the
/// columns of the group `right`.
#[inline(always)]
fn tile<I: Instructions>(
    block: &[[f64; COLUMNS]],
    groups: usize,
    left: usize,
    half: usize,
    right: usize,
) -> [[f64; COLUMNS]; ROWS] {
    let mut sums = [[0.0; COLUMNS]; ROWS];
    let lefts = block[left..].iter().step_by(groups);
    let rights = block[right..].iter().step_by(groups);
    for (left, right) in lefts.zip(rights) {
        for i in 0..ROWS {
            let value = left[half + i];
            for j in 0..COLUMNS {
                sums[i][j] = if I::FUSED {
                    value.mul_add(right[j], sums[i][j])
                } else {
                    value * right[j] + sums[i][j]
                };
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gram_is_the_sum_of_products() {
        for (count, dim) in [(1, 1), (3, 7), (130, 16), (2100, 33)] {
            let values: Vec<f32> = (0..count * dim)
                .map(|index| ((index * 7919) % 1000) as f32 * 1e-3 - 0.5)
                .collect();
            let gram = double_gram(&values, dim);
            for i in 0..dim {
                for j in 0..dim {
                    let expected: f64 = values
                        .chunks_exact(dim)
                        .map(|row| f64::from(row[i]) * f64::from(row[j]))
                        .sum();
                    assert!(
                        (gram[i * dim + j] - expected).abs() <= 1e-12 * count as f64,
                        "{count}x{dim}: entry {i}, {j}"
                    );
                }
            }
        }
    }
}
