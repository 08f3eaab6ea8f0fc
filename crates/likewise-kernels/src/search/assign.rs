//! The nearest centroid of each point, from scratch or given what is known already.

use super::frame::Frame;
use super::offsets::{Offsets, Queries};
use super::packed::{Packed, TILE, Tile};
use super::rows::Rows;
use crate::parallel;
use crate::score::Score;
use crate::simd::vectorized;

/// Points of a work item, which share a pass over the centroids.
const ITEM: usize = 192;
/// Offsets compared side by side.
const LANES: usize = 32;

/// The centroid of a point and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// Number of the centroid.
    pub centroid: u32,
    /// Its score, infinite where none has been compared.
    pub score: f64,
}

impl Nearest {
    /// No centroid yet.
    pub const NONE: Self = Self {
        centroid: u32::MAX,
        score: f64::INFINITY,
    };

    /// Whether this one is preferred: by score and, at equal score, by number.
    pub fn precedes(&self, other: &Self) -> bool {
        (self.score, self.centroid) < (other.score, other.centroid)
    }
}

/// Points prepared for repeated assignment.
pub struct Points<'a> {
    rows: Rows<'a>,
    frame: Frame,
    score: Score,
    placed: Queries,
}

impl<'a> Points<'a> {
    /// Prepares the points. Memory O(N·D), in single precision.
    pub fn new(rows: Rows<'a>, score: Score) -> Self {
        let frame = Frame::new(rows, rows, score);
        let placed = Queries::new(&frame, rows, 0..rows.len() as u32);
        Self {
            rows,
            frame,
            score,
            placed,
        }
    }

    /// The points themselves.
    pub fn rows(&self) -> Rows<'a> {
        self.rows
    }

    /// For the points `which`, the better of the nearest of `centroids`, whose numbers are
    /// `numbers`, ascending, and of what is `known`, one entry for each point. Results are exact as
    /// those of [`Ranking`](super::Ranking).
    pub fn assign(
        &self,
        which: &[u32],
        centroids: Rows<'_>,
        numbers: &[u32],
        known: &[Nearest],
    ) -> Vec<Nearest> {
        let packed = Packed::new(&self.frame, centroids);
        let items = which.chunks(ITEM).collect();
        let found = parallel::map(items, |which: &[u32]| {
            self.item(which, centroids, &packed, numbers, known)
        });
        found.into_iter().flatten().collect()
    }

    fn item(
        &self,
        which: &[u32],
        centroids: Rows<'_>,
        packed: &Packed,
        numbers: &[u32],
        known: &[Nearest],
    ) -> Vec<Nearest> {
        let points = self.placed.select(which);
        let bound = packed.bound();
        let mut searches: Vec<Search> = which
            .iter()
            .zip(&points.placed)
            .map(|(&point, place)| {
                let known = known[point as usize];
                let offset = self.frame.slope() * known.score + place.constant;
                let error = self.frame.error(place.norm, bound.norm, bound.bias);
                Search::new(known, offset, error)
            })
            .collect();
        let mut buffer = Offsets::default();
        for tile in packed.tiles() {
            points.offsets(tile, &mut buffer, |first, offsets| {
                for (search, offsets) in searches[first..].iter_mut().zip(offsets) {
                    search.add(tile, offsets);
                }
            });
        }
        let mut values = vec![0.0; self.rows.dim()];
        let finish = |(search, &point): (Search, &u32)| {
            self.rows.read(point as usize, &mut values);
            search.finish(|row| Nearest {
                centroid: numbers[row as usize],
                score: centroids.score(&values, row as usize, self.score),
            })
        };
        searches.into_iter().zip(which).map(finish).collect()
    }
}

/// The search for the nearest centroid of one point.
struct Search {
    known: Nearest,
    slack: f32,
    /// Offsets above cannot be the nearest's.
    limit: f32,
    candidates: Vec<(f32, u32)>,
}

impl Search {
    fn new(known: Nearest, offset: f64, error: f64) -> Self {
        Self {
            known,
            slack: ((2.0 * error) as f32).next_up(),
            limit: ((offset + error) as f32).next_up(),
            candidates: Vec::new(),
        }
    }

    fn add(&mut self, tile: Tile<'_>, offsets: &[f32; TILE]) {
        let mut smallest = f32::INFINITY;
        minimum(offsets, &mut smallest);
        if smallest > self.limit || smallest == f32::INFINITY {
            return;
        }
        self.limit = self.limit.min((smallest + self.slack).next_up());
        for (row, &offset) in (tile.first as u32..).zip(offsets) {
            if offset <= self.limit && offset < f32::INFINITY {
                self.candidates.push((offset, row));
            }
        }
    }

    fn finish(self, nearest: impl Fn(u32) -> Nearest) -> Nearest {
        let mut best = self.known;
        for (offset, row) in self.candidates {
            if offset <= self.limit {
                let found = nearest(row);
                if found.precedes(&best) {
                    best = found;
                }
            }
        }
        best
    }
}

vectorized! {
    fn minimum<_I>(offsets: &[f32; TILE], smallest: &mut f32) {
        let mut lanes = [f32::INFINITY; LANES];
        for chunk in offsets.as_chunks::<LANES>().0 {
            for (lane, &offset) in lanes.iter_mut().zip(chunk) {
                *lane = if offset < *lane { offset } else { *lane };
            }
        }
        *smallest = lanes.iter().copied().fold(f32::INFINITY, f32::min);
    }
}
