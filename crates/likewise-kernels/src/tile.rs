//! The inner product convolutions and exact search are made of: a few rows times a panel of
//! columns, held in vector registers. It is plain safe code that the compiler vectorises once for
//! each instruction set; sums run over the depth in order, so every fused instruction set gives
//! the same bits.

use crate::simd::{Instructions, vectorized};

/// Columns of a panel: two AVX-512 registers, four AVX2 ones.
pub const COLUMNS: usize = 32;
/// Rows of a tile.
pub const ROWS: usize = 8;

/// One row of a panel or tile. Aligned so that no vector load crosses a cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Lanes(pub [f32; COLUMNS]);

impl Lanes {
    /// All columns zero.
    pub const ZERO: Self = Self([0.0; COLUMNS]);
}

/// `tile += rows · panel`: row `r`, column `j` gains `Σ_k rows[r][k] · panel[k][j]`. Every row is
/// at least as long as the panel.
pub fn multiply_add(rows: [&[f32]; ROWS], panel: &[Lanes], tile: &mut [Lanes; ROWS]) {
    dispatched(rows, panel, tile);
}

vectorized! {
    fn dispatched<I>(rows: [&[f32]; ROWS], panel: &[Lanes], tile: &mut [Lanes; ROWS]) {
        multiply_add_with::<I>(rows, panel, tile);
    }
}

/// [`multiply_add`] for callers that are compiled for each instruction set themselves.
#[inline(always)]
pub fn multiply_add_with<I: Instructions>(
    rows: [&[f32]; ROWS],
    panel: &[Lanes],
    tile: &mut [Lanes; ROWS],
) {
    if I::WIDE {
        blocks::<8, 32, I>(rows, panel, tile);
    } else if I::FUSED {
        blocks::<4, 16, I>(rows, panel, tile);
    } else {
        blocks::<4, 8, I>(rows, panel, tile);
    }
}

/// Splits the tile into blocks of `R`×`L` that fit the register file.
#[inline(always)]
pub(super) fn blocks<const R: usize, const L: usize, I: Instructions>(
    rows: [&[f32]; ROWS],
    panel: &[Lanes],
    tile: &mut [Lanes; ROWS],
) {
    for (block, tile) in tile.chunks_exact_mut(R).enumerate() {
        let rows: [&[f32]; R] = std::array::from_fn(|r| &rows[block * R + r][..panel.len()]);
        for from in (0..COLUMNS).step_by(L) {
            block_multiply_add::<R, L, I>(rows, panel, from, tile);
        }
    }
}

#[inline(always)]
fn block_multiply_add<const R: usize, const L: usize, I: Instructions>(
    rows: [&[f32]; R],
    panel: &[Lanes],
    from: usize,
    tile: &mut [Lanes],
) {
    // Repeats what the caller has done, here where the compiler can use it to drop bound checks.
    let rows: [&[f32]; R] = std::array::from_fn(|r| &rows[r][..panel.len()]);
    let mut sums = [[0.0f32; L]; R];
    for (sums, tile) in sums.iter_mut().zip(&*tile) {
        sums.copy_from_slice(&tile.0[from..from + L]);
    }
    for (k, lanes) in panel.iter().enumerate() {
        let mut columns = [0.0f32; L];
        columns.copy_from_slice(&lanes.0[from..from + L]);
        for r in 0..R {
            let value = rows[r][k];
            for l in 0..L {
                sums[r][l] = I::multiply_add(value, columns[l], sums[r][l]);
            }
        }
    }
    for (sums, tile) in sums.iter().zip(tile) {
        tile.0[from..from + L].copy_from_slice(sums);
    }
}
