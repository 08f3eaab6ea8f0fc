//! The gallery in the order in which the inner loop reads it.

use super::frame::Frame;
use super::rows::Rows;
use crate::tile::{COLUMNS, Lanes};

/// Panels of a tile of the gallery, whose scores are computed before any is looked at.
const PANELS: usize = 16;
/// Rows of such a tile.
pub const TILE: usize = PANELS * COLUMNS;

/// Rows of the gallery in panels of [`COLUMNS`], component by component. The last panel is filled
/// up with rows at an infinite offset.
pub struct Packed {
    panels: Vec<Lanes>,
    biases: Vec<Lanes>,
    bounds: Vec<Bound>,
    dim: usize,
}

/// Largest norm and size of the bias of the rows of a tile.
#[derive(Clone, Copy, Default)]
pub struct Bound {
    pub norm: f64,
    pub bias: f64,
}

impl Packed {
    /// Packs `rows`.
    pub fn new(frame: &Frame, rows: Rows<'_>) -> Self {
        let (count, dim) = (rows.len(), rows.dim());
        let panels = count.div_ceil(COLUMNS);
        let mut packed = Self {
            panels: vec![Lanes::ZERO; panels * dim],
            biases: vec![Lanes([f32::INFINITY; COLUMNS]); panels],
            bounds: vec![Bound::default(); count.div_ceil(TILE)],
            dim,
        };
        let (mut row, mut values) = (vec![0.0; dim], vec![0.0; dim]);
        for index in 0..count {
            rows.read(index, &mut row);
            let placed = frame.place(&row, 1.0, &mut values);
            let (panel, column) = (index / COLUMNS, index % COLUMNS);
            let lanes = &mut packed.panels[panel * dim..(panel + 1) * dim];
            for (lanes, &value) in lanes.iter_mut().zip(&values) {
                lanes.0[column] = value;
            }
            packed.biases[panel].0[column] = placed.bias as f32;
            let bound = &mut packed.bounds[index / TILE];
            bound.norm = bound.norm.max(placed.norm);
            bound.bias = bound.bias.max(placed.bias.abs());
        }
        packed
    }

    /// The tiles, in the order of the rows.
    pub fn tiles(&self) -> impl Iterator<Item = Tile<'_>> {
        let panels = self.panels.chunks(PANELS * self.dim);
        let biases = self.biases.chunks(PANELS);
        let tiles = panels.zip(biases).zip(&self.bounds).enumerate();
        tiles.map(|(index, ((panels, biases), &bound))| Tile {
            first: index * TILE,
            panels,
            biases,
            bound,
            dim: self.dim,
        })
    }

    /// The bound of all tiles.
    pub fn bound(&self) -> Bound {
        let largest = |a: Bound, b: &Bound| Bound {
            norm: a.norm.max(b.norm),
            bias: a.bias.max(b.bias),
        };
        self.bounds.iter().fold(Bound::default(), largest)
    }
}

/// [`TILE`] rows of the gallery; the last tile may have fewer.
#[derive(Clone, Copy)]
pub struct Tile<'a> {
    /// Number of the first row.
    pub first: usize,
    /// Panel after panel.
    pub panels: &'a [Lanes],
    /// Biases, a panel's in each.
    pub biases: &'a [Lanes],
    /// Bound of the rows.
    pub bound: Bound,
    /// Components.
    pub dim: usize,
}
