//! Offsets of some queries from all rows of a tile, in single precision: the inner loop of search.

use super::frame::{DEPTH, Frame, Placed};
use super::packed::{TILE, Tile};
use super::rows::Rows;
use crate::simd::vectorized;
use crate::tile::{self, COLUMNS, Lanes, ROWS};

/// Queries whose offsets from a tile are computed before they are looked at, in cache.
pub const BLOCK: usize = 4 * ROWS;

/// Queries in the frame, their components negated. Zeros fill the last group of [`ROWS`].
pub struct Queries {
    /// What is known of each query.
    pub placed: Vec<Placed>,
    values: Vec<f32>,
    dim: usize,
}

impl Queries {
    /// Places the rows `which` of `rows`.
    pub fn new(frame: &Frame, rows: Rows<'_>, which: impl ExactSizeIterator<Item = u32>) -> Self {
        let dim = rows.dim();
        let mut row = vec![0.0; dim];
        let mut values = vec![0.0; which.len().next_multiple_of(ROWS) * dim];
        let places = which
            .zip(values.chunks_exact_mut(dim))
            .map(|(index, values)| {
                rows.read(index as usize, &mut row);
                frame.place(&row, -1.0, values)
            });
        Self {
            placed: places.collect(),
            values,
            dim,
        }
    }

    /// Some of these queries.
    pub fn select(&self, which: &[u32]) -> Self {
        let mut values = vec![0.0; which.len().next_multiple_of(ROWS) * self.dim];
        for (values, &query) in values.chunks_exact_mut(self.dim).zip(which) {
            let first = query as usize * self.dim;
            values.copy_from_slice(&self.values[first..first + self.dim]);
        }
        let placed = which.iter().map(|&query| self.placed[query as usize]);
        Self {
            placed: placed.collect(),
            values,
            dim: self.dim,
        }
    }

    /// Calls `visit` with the number of the first query and the offsets of up to [`BLOCK`] queries
    /// from the rows of `tile`, a row of [`TILE`] for each, infinite beyond the last row.
    pub fn offsets(
        &self,
        tile: Tile<'_>,
        buffer: &mut Offsets,
        mut visit: impl FnMut(usize, &mut [[f32; TILE]]),
    ) {
        for (index, block) in self.values.chunks(BLOCK * self.dim).enumerate() {
            compute(block, tile, &mut buffer.0);
            let first = index * BLOCK;
            let count = BLOCK.min(self.placed.len() - first);
            visit(first, &mut buffer.0[..count]);
        }
    }
}

/// Room for the offsets of a block.
pub struct Offsets(Vec<[f32; TILE]>);

impl Default for Offsets {
    fn default() -> Self {
        Self(vec![[0.0; TILE]; BLOCK])
    }
}

vectorized! {
    fn compute<I>(queries: &[f32], tile: Tile<'_>, output: &mut [[f32; TILE]]) {
        let columns = tile.biases.len() * COLUMNS;
        output.iter_mut().for_each(|output| output[columns..].fill(f32::INFINITY));
        let panels = tile.panels.chunks_exact(tile.dim).zip(tile.biases);
        for (panel, (lanes, bias)) in panels.enumerate() {
            let groups = queries.chunks_exact(ROWS * tile.dim).zip(output.chunks_exact_mut(ROWS));
            for (rows, output) in groups {
                let mut total = [*bias; ROWS];
                for (chunk, lanes) in lanes.chunks(DEPTH).enumerate() {
                    let rows = std::array::from_fn(|r| &rows[r * tile.dim + chunk * DEPTH..]);
                    let mut sum = [Lanes::ZERO; ROWS];
                    tile::multiply_add_with::<I>(rows, lanes, &mut sum);
                    for (total, sum) in total.iter_mut().zip(&sum) {
                        for (total, sum) in total.0.iter_mut().zip(&sum.0) {
                            *total += sum;
                        }
                    }
                }
                for (output, total) in output.iter_mut().zip(&total) {
                    output[panel * COLUMNS..(panel + 1) * COLUMNS].copy_from_slice(&total.0);
                }
            }
        }
    }
}
