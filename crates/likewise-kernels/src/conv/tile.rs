//! The inner product all of this module's arithmetic is done with: a few rows times a panel of
//! columns, held in vector registers. It is plain safe code that the compiler vectorises once for
//! each instruction set; sums run over the depth in order, so every fused instruction set gives
//! the same bits.

use crate::simd::{InstructionSet, instruction_set};

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
#[cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "calls code for instructions the processor was found to have"
    )
)]
pub fn multiply_add(rows: [&[f32]; ROWS], panel: &[Lanes], tile: &mut [Lanes; ROWS]) {
    match instruction_set() {
        // SAFETY: `instruction_set` has found these instructions on this processor.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { multiply_add_avx512(rows, panel, tile) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { multiply_add_avx2(rows, panel, tile) },
        InstructionSet::Baseline => {
            blocks::<4, 8, { cfg!(target_arch = "aarch64") }>(rows, panel, tile);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
fn multiply_add_avx512(rows: [&[f32]; ROWS], panel: &[Lanes], tile: &mut [Lanes; ROWS]) {
    blocks::<8, 32, true>(rows, panel, tile);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_add_avx2(rows: [&[f32]; ROWS], panel: &[Lanes], tile: &mut [Lanes; ROWS]) {
    blocks::<4, 16, true>(rows, panel, tile);
}

/// Splits the tile into blocks of `R`×`L` that fit the register file.
#[inline(always)]
pub(super) fn blocks<const R: usize, const L: usize, const FUSED: bool>(
    rows: [&[f32]; ROWS],
    panel: &[Lanes],
    tile: &mut [Lanes; ROWS],
) {
    for (block, tile) in tile.chunks_exact_mut(R).enumerate() {
        let rows: [&[f32]; R] = std::array::from_fn(|r| &rows[block * R + r][..panel.len()]);
        for from in (0..COLUMNS).step_by(L) {
            block_multiply_add::<R, L, FUSED>(rows, panel, from, tile);
        }
    }
}

#[inline(always)]
fn block_multiply_add<const R: usize, const L: usize, const FUSED: bool>(
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
                sums[r][l] = if FUSED {
                    value.mul_add(columns[l], sums[r][l])
                } else {
                    value * columns[l] + sums[r][l]
                };
            }
        }
    }
    for (sums, tile) in sums.iter().zip(tile) {
        tile.0[from..from + L].copy_from_slice(sums);
    }
}
