//! Gram matrix of the components of many rows in double precision, the short way to the singular
//! values of a tall matrix.

use crate::parallel;
use crate::simd::vectorized;

/// Rows of a work item.
const ITEM: usize = 2048;
/// Work items whose matrices are held at a time.
const WAVE: usize = 16;
/// Rows converted to double precision at a time.
const BLOCK: usize = 128;
/// Rows and columns of the part of the result that is held in registers.
const TILE: [usize; 2] = [8, 16];

/// AᵀA `[D, D]`, row-major, for `values` A, row-major `[N, dim]`. The sums are the same for any
/// number of threads.
pub fn double_gram(values: &[f32], dim: usize) -> Vec<f64> {
    let width = dim.next_multiple_of(TILE[1]);
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
    let mut gram = vec![0.0; width * width];
    let mut block = vec![0.0; BLOCK * width];
    for rows in rows.chunks(BLOCK * dim) {
        let count = rows.len() / dim;
        for (wide, row) in block.chunks_exact_mut(width).zip(rows.chunks_exact(dim)) {
            for (wide, &value) in wide.iter_mut().zip(row) {
                *wide = f64::from(value);
            }
        }
        add(&block[..count * width], width, &mut gram);
    }
    gram
}

vectorized! {
    /// Adds the products of the rows of `block` to the upper triangle of `gram`.
    fn add<I>(block: &[f64], width: usize, gram: &mut [f64]) {
        for first in (0..width).step_by(TILE[0]) {
            for column in (first / TILE[1] * TILE[1]..width).step_by(TILE[1]) {
                let mut sums = [[0.0; TILE[1]]; TILE[0]];
                for row in block.chunks_exact(width) {
                    let (left, right) = (&row[first..first + TILE[0]], &row[column..column + TILE[1]]);
                    for (sums, &l) in sums.iter_mut().zip(left) {
                        for (sum, &r) in sums.iter_mut().zip(right) {
                            *sum = if I::FUSED { l.mul_add(r, *sum) } else { l * r + *sum };
                        }
                    }
                }
                for (row, sums) in (first..).zip(&sums) {
                    let gram = &mut gram[row * width + column..][..TILE[1]];
                    gram.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
                }
            }
        }
    }
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
