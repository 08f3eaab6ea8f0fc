//! Squared distances in loops: tiles of some rows of x by some rows of y, whose sums stay in vector
//! registers. The lanes of a vector are rows of y, so that every distance is added up in the order
//! of the components, by itself: d(x, y) = d(y, x) exactly, wherever they are in their matrices.

use crate::parallel;
use crate::simd::{Instructions, vectorized};

/// Rows of y in a panel, and rows of x in a work item.
const PANEL: usize = 32;
/// Rows of x in a tile, at most.
const ROWS: usize = 8;
/// Components added up before their sum is added to that of the components before; keeps rounding
/// errors small.
const DEPTH: usize = 64;
/// Side of the blocks in which a matrix is transposed.
const BLOCK: usize = 16;

/// One component of the rows of a panel. Aligned so that no vector crosses a cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes([f32; PANEL]);

/// Squared distances of the rows of x to the rows of y, row by row.
pub fn distances(x: &[f32], y: &[f32], components: usize) -> Vec<f32> {
    let y_rows = y.len() / components;
    let symmetric = std::ptr::eq(x, y);
    let panels = pack(y, components);
    let mut output = vec![0.0; x.len() / components * y_rows];
    parallel::for_each_chunk(&mut output, PANEL * y_rows, |index, output| {
        let first = index * PANEL * components;
        let count = output.len() / y_rows * components;
        // The other half of a symmetric matrix is copied afterwards.
        let panel = if symmetric { index } else { 0 };
        item(&x[first..first + count], &panels, components, panel, output);
    });
    if symmetric {
        mirror(&mut output, y_rows, 0);
    }
    output
}

/// The rows of y, panel after panel, component by component; zeros fill the last panel.
fn pack(y: &[f32], components: usize) -> Vec<Lanes> {
    let panels = (y.len() / components).div_ceil(PANEL);
    let mut packed = vec![Lanes([0.0; PANEL]); panels * components];
    let panels = packed.chunks_exact_mut(components);
    for (panel, rows) in panels.zip(y.chunks(PANEL * components)) {
        for (column, row) in rows.chunks_exact(components).enumerate() {
            for (lanes, &value) in panel.iter_mut().zip(row) {
                lanes.0[column] = value;
            }
        }
    }
    packed
}

vectorized! {
    /// Distances of up to `PANEL` rows of x to the rows of the panels from number `from` on.
    fn item<I>(x: &[f32], panels: &[Lanes], components: usize, from: usize, output: &mut [f32]) {
        let y_rows = output.len() / (x.len() / components);
        for (index, panel) in panels.chunks_exact(components).enumerate().skip(from) {
            let first = index * PANEL;
            let columns = PANEL.min(y_rows - first);
            let tiles = x.chunks(ROWS * components).zip(output.chunks_mut(ROWS * y_rows));
            for (x, output) in tiles {
                let tile = tile::<I>(x, panel);
                for (output, lanes) in output.chunks_exact_mut(y_rows).zip(&tile) {
                    output[first..first + columns].copy_from_slice(&lanes.0[..columns]);
                }
            }
        }
    }
}

/// Distances of up to `ROWS` rows to those of a panel.
#[inline(always)]
fn tile<I: Instructions>(x: &[f32], panel: &[Lanes]) -> [Lanes; ROWS] {
    let last = x.len() / panel.len() - 1;
    // Of missing rows, the results are not used.
    let rows: [&[f32]; ROWS] =
        std::array::from_fn(|r| &x[r.min(last) * panel.len()..][..panel.len()]);
    let mut tile = [Lanes([0.0; PANEL]); ROWS];
    if I::WIDE {
        blocks::<I, 8, 32>(rows, panel, &mut tile);
    } else if I::FUSED {
        blocks::<I, 4, 16>(rows, panel, &mut tile);
    } else {
        blocks::<I, 4, 8>(rows, panel, &mut tile);
    }
    tile
}

/// Splits the tile into blocks of `R`×`L` that fit the register file.
#[inline(always)]
fn blocks<I: Instructions, const R: usize, const L: usize>(
    rows: [&[f32]; ROWS],
    panel: &[Lanes],
    tile: &mut [Lanes; ROWS],
) {
    for (block, tile) in tile.chunks_exact_mut(R).enumerate() {
        for from in (0..PANEL).step_by(L) {
            for (index, panel) in panel.chunks(DEPTH).enumerate() {
                let rows: [&[f32]; R] =
                    std::array::from_fn(|r| &rows[block * R + r][index * DEPTH..]);
                let sums = block_sums::<I, R, L>(rows, panel, from);
                for (sums, tile) in sums.iter().zip(&mut *tile) {
                    for (total, sum) in tile.0[from..from + L].iter_mut().zip(sums) {
                        *total += sum;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn block_sums<I: Instructions, const R: usize, const L: usize>(
    rows: [&[f32]; R],
    panel: &[Lanes],
    from: usize,
) -> [[f32; L]; R] {
    // Lets the compiler drop bound checks.
    let rows: [&[f32]; R] = std::array::from_fn(|r| &rows[r][..panel.len()]);
    let mut sums = [[0.0f32; L]; R];
    for (k, lanes) in panel.iter().enumerate() {
        let mut columns = [0.0f32; L];
        columns.copy_from_slice(&lanes.0[from..from + L]);
        for r in 0..R {
            let value = rows[r][k];
            for l in 0..L {
                let difference = value - columns[l];
                sums[r][l] = I::multiply_add(difference, difference, sums[r][l]);
            }
        }
    }
    sums
}

/// Copies what is above the diagonal blocks of a symmetric matrix to below it, for the rows in
/// `rows`, the first of which has number `first`.
fn mirror(rows: &mut [f32], size: usize, first: usize) {
    let count = rows.len() / size;
    let panels = count.div_ceil(PANEL);
    if panels <= 1 {
        return;
    }
    let middle = panels.div_ceil(2) * PANEL;
    let (top, bottom) = rows.split_at_mut(middle * size);
    parallel::for_each_chunk(bottom, PANEL * size, |index, bottom| {
        transpose(top, first + middle + index * PANEL, bottom, first, size);
    });
    mirror(top, size, first);
    mirror(bottom, size, first + middle);
}

/// Copies columns `from..` of `source`, as many as `target` has rows, to the rows of `target`, from
/// column `to` on.
fn transpose(source: &[f32], from: usize, target: &mut [f32], to: usize, size: usize) {
    for (column, target) in target.chunks_mut(BLOCK * size).enumerate() {
        let from = from + column * BLOCK;
        let height = target.len() / size;
        for (row, source) in source.chunks_exact(BLOCK * size).enumerate() {
            let to = to + row * BLOCK;
            let mut block = [[0.0; BLOCK]; BLOCK];
            for (block, source) in block.iter_mut().zip(source.chunks_exact(size)) {
                block[..height].copy_from_slice(&source[from..from + height]);
            }
            for (i, target) in target.chunks_exact_mut(size).enumerate() {
                for (target, block) in target[to..to + BLOCK].iter_mut().zip(&block) {
                    *target = block[i];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Baseline, Narrow};

    #[test]
    fn every_instruction_set_computes_the_same_tile() {
        let (rows, components) = (5, 70);
        let number = |index: usize| ((index * 7919) % 1000) as f32 * 1e-3;
        let x: Vec<f32> = (0..rows * components).map(number).collect();
        let y: Vec<f32> = (0..PANEL * components)
            .map(|index| number(index + 13))
            .collect();
        let panel = pack(&y, components);
        let (baseline, narrow) = (tile::<Baseline>(&x, &panel), tile::<Narrow>(&x, &panel));
        for (row, x) in x.chunks(components).enumerate() {
            for (column, y) in y.chunks(components).enumerate() {
                let square = |(&x, &y): (&f32, &f32)| (f64::from(x) - f64::from(y)).powi(2);
                let expected: f64 = x.iter().zip(y).map(square).sum();
                for tile in [&baseline, &narrow] {
                    let actual = f64::from(tile[row].0[column]);
                    assert!(
                        (actual - expected).abs() < 1e-6 * expected,
                        "{actual}, {expected}"
                    );
                }
            }
        }
    }
}
