//! Distances of all pairs of rows, added up.

use super::rows::Rows;
use crate::parallel;
use crate::simd::vectorized;

/// Rows of a work item.
const ITEM: usize = 64;
/// Rows of a tile, and of the panels they are compared with.
const TILE: [usize; 2] = [4, 16];

/// Sum of the Euclidean distances of all ordered pairs of rows, in double precision; the same for
/// any number of threads. Time O(N²·D).
pub fn sum_of_distances(rows: Rows<'_>) -> f64 {
    let dim = rows.dim();
    let mut values = vec![0.0; rows.len() * dim];
    for (index, row) in values.chunks_exact_mut(dim).enumerate() {
        rows.read(index, row);
    }
    let panels = pack(&values, dim);
    let items = values.chunks(ITEM * dim).collect();
    let sums = parallel::map(items, |queries: &[f64]| {
        let mut sum = 0.0;
        add(queries, &panels, rows.len(), dim, &mut sum);
        sum
    });
    sums.iter().sum()
}

fn pack(values: &[f64], dim: usize) -> Vec<[f64; TILE[1]]> {
    let mut panels = vec![[0.0; TILE[1]]; (values.len() / dim).div_ceil(TILE[1]) * dim];
    for (index, row) in values.chunks_exact(dim).enumerate() {
        let (panel, column) = (index / TILE[1], index % TILE[1]);
        for (lanes, &value) in panels[panel * dim..].iter_mut().zip(row) {
            lanes[column] = value;
        }
    }
    panels
}

vectorized! {
    fn add<_I>(queries: &[f64], panels: &[[f64; TILE[1]]], count: usize, dim: usize, sum: &mut f64) {
        for (index, panel) in panels.chunks_exact(dim).enumerate() {
            let columns = TILE[1].min(count - index * TILE[1]);
            for rows in queries.chunks(TILE[0] * dim) {
                let mut squares = [[0.0f64; TILE[1]]; TILE[0]];
                for (row, squares) in rows.chunks_exact(dim).zip(&mut squares) {
                    for (&q, lanes) in row.iter().zip(panel) {
                        for (square, &x) in squares.iter_mut().zip(lanes) {
                            *square += (q - x) * (q - x);
                        }
                    }
                }
                for squares in &squares[..rows.len() / dim] {
                    *sum += squares[..columns].iter().map(|square| square.sqrt()).sum::<f64>();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_loops() {
        for (count, dim) in [(1, 3), (17, 1), (70, 5)] {
            let values: Vec<f32> = (0..count * dim)
                .map(|index| ((index * 7919) % 1000) as f32 * 1e-3)
                .collect();
            let mut expected = 0.0;
            for a in values.chunks_exact(dim) {
                for b in values.chunks_exact(dim) {
                    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
                    expected += squares.sum::<f64>().sqrt();
                }
            }
            let sum = sum_of_distances(Rows::new(&values, dim));
            assert!(
                (sum - expected).abs() <= 1e-6 * expected,
                "{count}x{dim}: {sum}, {expected}"
            );
        }
    }
}
