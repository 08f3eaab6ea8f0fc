//! Gradients of squared distances in loops. Sums run over differences, so that coincident rows
//! contribute exactly 0, and leave out pairs of weight 0, of which there are many after mining.

use crate::parallel;
use crate::simd::{Instructions, vectorized};

/// Rows of x in a work item.
const ITEM: usize = 32;
/// Rows of x in a tile.
const ROWS: usize = 8;
/// Rows of y that all rows of an item are taken together with while they are in cache.
const BLOCK: usize = 64;
/// Larger numbers have differences that may be infinite, of which even zero weights matter.
const BOUND: f32 = 0.25 * f32::MAX;

/// Where the weight w_ij of row i of x (N rows) and row j of y (M rows) is found.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// In row i, column j of this matrix `[N, M]`.
    Rows(&'a [f32]),
    /// In row j, column i of this matrix `[M, N]`.
    Columns(&'a [f32]),
    /// The sum of both, of the same matrix (N = M).
    Both(&'a [f32]),
}

/// A row of y, and its weights in a tile.
#[derive(Clone, Copy, Default)]
struct Entry {
    row: usize,
    weights: [f32; ROWS],
}

/// 2 Σ_j w_ij (x_i − y_j), row by row.
pub fn gradient(weights: Weights, x: &[f32], y: &[f32], components: usize) -> Vec<f32> {
    let bounded = [x, y].iter().all(|values| {
        values
            .iter()
            .fold(true, |all, value| all & (value.abs() < BOUND))
    });
    let mut output = vec![0.0; x.len()];
    parallel::for_each_chunk(&mut output, ITEM * components, |index, output| {
        let rows = Rows {
            x,
            y,
            components,
            skip_zeros: bounded,
        };
        item(rows, weights, index * ITEM, output);
    });
    output
}

/// The rows of both matrices.
#[derive(Clone, Copy)]
struct Rows<'a> {
    x: &'a [f32],
    y: &'a [f32],
    components: usize,
    skip_zeros: bool,
}

vectorized! {
    /// Gradients of the rows of x from number `first` on, as many as there is room for.
    fn item<I>(rows: Rows, weights: Weights, first: usize, output: &mut [f32]) {
        let components = rows.components;
        let y_rows = rows.y.len() / components;
        let mut entries = [Entry::default(); BLOCK];
        for from in (0..y_rows).step_by(BLOCK) {
            let block = BLOCK.min(y_rows - from);
            for (tile, output) in output.chunks_mut(ROWS * components).enumerate() {
                let first = first + tile * ROWS;
                let count = output.len() / components;
                read_weights(weights, [first, count], from, rows, &mut entries[..block]);
                let used = if rows.skip_zeros { compact(&mut entries[..block]) } else { block };
                if used > 0 {
                    let x = &rows.x[first * components..][..output.len()];
                    add::<I>(&entries[..used], x, rows, output);
                }
            }
        }
        for value in output {
            *value *= 2.0;
        }
    }
}

/// Weights of the `count` rows of x from `first` on with each row of y from number `from` on; zero
/// for the rows missing in the tile.
#[inline(always)]
fn read_weights(
    weights: Weights,
    [first, count]: [usize; 2],
    from: usize,
    rows: Rows,
    entries: &mut [Entry],
) {
    let (x_rows, y_rows) = (
        rows.x.len() / rows.components,
        rows.y.len() / rows.components,
    );
    for (j, entry) in (from..).zip(&mut *entries) {
        *entry = Entry {
            row: j,
            weights: [0.0; ROWS],
        };
    }
    if let Weights::Rows(matrix) | Weights::Both(matrix) = weights {
        for r in 0..count {
            let row = &matrix[(first + r) * y_rows + from..][..entries.len()];
            for (entry, &weight) in entries.iter_mut().zip(row) {
                entry.weights[r] = weight;
            }
        }
    }
    if let Weights::Columns(matrix) | Weights::Both(matrix) = weights {
        for (j, entry) in (from..).zip(entries) {
            let column = &matrix[j * x_rows + first..][..count];
            for (weight, &other) in entry.weights.iter_mut().zip(column) {
                *weight += other;
            }
        }
    }
}

/// Moves entries with a weight other than 0 to the front; gives their number.
#[inline(always)]
fn compact(entries: &mut [Entry]) -> usize {
    let mut used = 0;
    for index in 0..entries.len() {
        let entry = entries[index];
        entries[used] = entry;
        let bits = entry
            .weights
            .iter()
            .fold(0, |bits, weight| bits | weight.to_bits());
        // All but the sign.
        used += usize::from(bits << 1 != 0);
    }
    used
}

/// Adds Σ_j w_ij (x_i − y_j) over the entries to the rows of a tile.
#[inline(always)]
fn add<I: Instructions>(entries: &[Entry], x: &[f32], rows: Rows, output: &mut [f32]) {
    let mut first = 0;
    while first < rows.components {
        let span = [first, rows.components];
        first += match rows.components - first {
            32.. if I::WIDE => add_span::<I, 8, 32>(entries, x, rows.y, span, output),
            16.. if I::FUSED => add_span::<I, 4, 16>(entries, x, rows.y, span, output),
            8.. => add_span::<I, 4, 8>(entries, x, rows.y, span, output),
            _ => add_span::<I, 8, 1>(entries, x, rows.y, span, output),
        };
    }
}

/// The same for `N` components from the first of `span` on, for `R` rows at a time. Gives `N`.
#[inline(always)]
fn add_span<I: Instructions, const R: usize, const N: usize>(
    entries: &[Entry],
    x: &[f32],
    y: &[f32],
    [first, components]: [usize; 2],
    output: &mut [f32],
) -> usize {
    let rows = x.len() / components;
    for top in (0..rows).step_by(R) {
        // Rows that are missing have weight 0; their sums are not used.
        let place = |r: usize| (top + r).min(rows - 1) * components + first;
        let mut sums = [[0.0f32; N]; R];
        let mut own = [[0.0f32; N]; R];
        for r in 0..R {
            own[r].copy_from_slice(&x[place(r)..][..N]);
            sums[r].copy_from_slice(&output[place(r)..][..N]);
        }
        for entry in entries {
            let mut other = [0.0f32; N];
            other.copy_from_slice(&y[entry.row * components + first..][..N]);
            for r in 0..R {
                let weight = entry.weights[top + r];
                for l in 0..N {
                    sums[r][l] = I::multiply_add(weight, own[r][l] - other[l], sums[r][l]);
                }
            }
        }
        for r in 0..R.min(rows - top) {
            output[place(r)..][..N].copy_from_slice(&sums[r]);
        }
    }
    N
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Baseline, Narrow};

    fn sums<I: Instructions>(entries: &[Entry], rows: Rows) -> Vec<f32> {
        let mut output = vec![0.0; rows.x.len()];
        add::<I>(entries, rows.x, rows, &mut output);
        output
    }

    #[test]
    fn every_instruction_set_computes_the_same_sums() {
        // Spans of every width.
        let (count, others, components) = (5, 9, 32 + 16 + 8 + 3);
        let number = |index: usize| ((index * 7919) % 1000) as f32 * 1e-3 - 0.5;
        let x: Vec<f32> = (0..count * components).map(number).collect();
        let y: Vec<f32> = (0..others * components)
            .map(|index| number(index + 13))
            .collect();
        let rows = Rows {
            x: &x,
            y: &y,
            components,
            skip_zeros: false,
        };
        let weight = |row, r| if r < count { number(row * 31 + r) } else { 0.0 };
        let entries: Vec<Entry> = (0..others)
            .map(|row| Entry {
                row,
                weights: std::array::from_fn(|r| weight(row, r)),
            })
            .collect();
        let results = [
            sums::<Baseline>(&entries, rows),
            sums::<Narrow>(&entries, rows),
        ];
        for index in 0..x.len() {
            let (r, k) = (index / components, index % components);
            let expected: f64 = (0..others)
                .map(|row| {
                    let difference = f64::from(x[index]) - f64::from(y[row * components + k]);
                    f64::from(weight(row, r)) * difference
                })
                .sum();
            for result in &results {
                assert!(
                    (f64::from(result[index]) - expected).abs() < 1e-6,
                    "element {index}"
                );
            }
        }
    }
}
