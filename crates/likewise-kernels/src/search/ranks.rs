//! Ranks of the positives of each query: how many rows of the gallery come before each of them.
//! Everything that retrieval metrics need, without a sort of the gallery, a limit on the length of
//! the ranking or a matrix of all scores.

use super::frame::Frame;
use super::offsets::{Offsets, Queries};
use super::packed::{Packed, TILE, Tile};
use super::rows::{Rows, own_row};
use crate::parallel;
use crate::score::Score;
use crate::simd::vectorized;

/// Queries of a work item, which share a pass over the gallery.
const ITEM: usize = 192;
/// Work items between two calls of the visitor.
const WAVE: usize = 16;
/// Positives of all queries of a wave, about, at most: bounds the memory.
const WAVE_POSITIVES: usize = 1 << 22;
/// Up to this many positives are compared with all rows, side by side; of more, the place of each
/// row among them is searched.
const FEW: usize = 24;
/// Offsets compared side by side.
const LANES: usize = 16;

/// What ranks are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ranking<'a> {
    /// The queries.
    pub queries: Rows<'a>,
    /// What they are searched in.
    pub gallery: Rows<'a>,
    /// How rows are compared.
    pub score: Score,
    /// The gallery row of each query itself, which is not found for it, or
    /// [`NOT_IN_GALLERY`](super::NOT_IN_GALLERY). None if no query is in the gallery.
    pub own: Option<&'a [u32]>,
}

impl Ranking<'_> {
    /// Calls `visit(query, found)` for the queries of `order`, one after the other: `found` are the
    /// rows `positives(query)` of the gallery, but the query itself, with their places from 1
    /// among all of its rows but that one, nearest first and, at equal score, lower row first.
    ///
    /// Scores are compared as if computed in double precision: they are computed in single
    /// precision, and again where the error of that could change a place. The ranks are the same
    /// for any processor and number of threads. Time O(Q·G·D), memory O((Q + G)·D).
    pub fn visit<'p>(
        &self,
        order: &[u32],
        positives: impl Fn(u32) -> &'p [u32] + Sync,
        mut visit: impl FnMut(u32, &Found),
    ) {
        let frame = Frame::new(self.queries, self.gallery, self.score);
        let packed = Packed::new(&frame, self.gallery);
        let search = Search {
            ranking: *self,
            frame: &frame,
            packed: &packed,
        };
        let largest = order.iter().map(|&query| positives(query).len()).max();
        let item = (WAVE_POSITIVES / WAVE / largest.unwrap_or(0).max(1)).clamp(1, ITEM);
        for wave in order.chunks(WAVE * item) {
            let items: Vec<&[u32]> = wave.chunks(item).collect();
            let found = parallel::map(items, |item| search.item(item, &positives));
            for (&query, found) in wave.iter().zip(found.iter().flatten()) {
                visit(query, found);
            }
        }
    }
}

/// What a query was asked to find, nearest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Rows of the gallery.
    pub rows: Vec<u32>,
    /// Their places, ascending, from 1.
    pub ranks: Vec<u32>,
}

struct Search<'a> {
    ranking: Ranking<'a>,
    frame: &'a Frame,
    packed: &'a Packed,
}

impl Search<'_> {
    fn item<'p>(&self, which: &[u32], positives: &impl Fn(u32) -> &'p [u32]) -> Vec<Found> {
        let queries = Queries::new(self.frame, self.ranking.queries, which.iter().copied());
        let mut counters: Vec<Counter> = which
            .iter()
            .enumerate()
            .map(|(index, &query)| self.counter(&queries, index, query, positives(query)))
            .collect();
        let mut buffer = Offsets::default();
        for tile in self.packed.tiles() {
            queries.offsets(tile, &mut buffer, |first, offsets| {
                let counters = &mut counters[first..first + offsets.len()];
                for (counter, offsets) in counters.iter_mut().zip(offsets) {
                    self.count(counter, tile, offsets);
                }
            });
        }
        counters.into_iter().map(Counter::into_found).collect()
    }

    fn counter(&self, queries: &Queries, index: usize, query: u32, positives: &[u32]) -> Counter {
        let (rows, gallery) = (self.ranking.queries, self.ranking.gallery);
        let own = own_row(self.ranking.own, query);
        let mut values = vec![0.0; rows.dim()];
        rows.read(query as usize, &mut values);
        let score = |row: u32| gallery.score(&values, row as usize, self.ranking.score);
        let mut positives: Vec<Positive> = positives
            .iter()
            .filter(|&&row| Some(row) != own)
            .map(|&row| Positive {
                score: score(row),
                row,
            })
            .collect();
        positives.sort_unstable_by(Positive::nearest_first);
        let placed = &queries.placed[index];
        let slope = self.frame.slope();
        let offsets: Vec<f64> = positives
            .iter()
            .map(|positive| slope * positive.score + placed.constant)
            .collect();
        let bound = self.packed.bound();
        let error = self.frame.error(placed.norm, bound.norm, bound.bias);
        Counter {
            own,
            norm: placed.norm,
            before: vec![0; positives.len()],
            bands: if positives.len() > FEW {
                offsets
                    .iter()
                    .map(|&offset| Band::new(offset, error))
                    .collect()
            } else {
                Vec::new()
            },
            offsets,
            positives,
            values,
        }
    }

    fn count(&self, counter: &mut Counter, tile: Tile<'_>, offsets: &mut [f32; TILE]) {
        if counter.positives.is_empty() {
            return;
        }
        let last = tile.first + TILE;
        if let Some(own) = counter.own.map(|own| own as usize)
            && (tile.first..last).contains(&own)
        {
            offsets[own - tile.first] = f32::INFINITY;
        }
        if counter.bands.is_empty() {
            self.count_few(counter, tile, offsets);
        } else {
            self.count_many(counter, tile, offsets);
        }
    }

    fn count_few(&self, counter: &mut Counter, tile: Tile<'_>, offsets: &[f32; TILE]) {
        let error = self
            .frame
            .error(counter.norm, tile.bound.norm, tile.bound.bias);
        let mut bands = [Band::default(); FEW];
        for (band, &offset) in bands.iter_mut().zip(&counter.offsets) {
            *band = Band::new(offset, error);
        }
        let bands = &bands[..counter.offsets.len()];
        let mut counts = [[0; 2]; FEW];
        below(offsets, bands, &mut counts);
        for (index, (&band, [before, within])) in bands.iter().zip(counts).enumerate() {
            counter.before[index] += before;
            if before == within {
                continue;
            }
            let positive = counter.positives[index];
            for (row, &offset) in (tile.first as u32..).zip(offsets) {
                if band.contains(offset) && self.exact(counter, row).precedes(&positive) {
                    counter.before[index] += 1;
                }
            }
        }
    }

    /// Counts in `before` the rows between the positive before and this one.
    fn count_many(&self, counter: &mut Counter, tile: Tile<'_>, offsets: &[f32; TILE]) {
        let farthest = counter.bands[counter.bands.len() - 1].high;
        for (row, &offset) in (tile.first as u32..).zip(offsets) {
            if offset > farthest {
                continue;
            }
            let mut place = counter.bands.partition_point(|band| band.high < offset);
            if counter
                .bands
                .get(place)
                .is_some_and(|band| band.low <= offset)
            {
                let found = self.exact(counter, row);
                place = counter
                    .positives
                    .partition_point(|positive| !found.precedes(positive));
            }
            if let Some(before) = counter.before.get_mut(place) {
                *before += 1;
            }
        }
    }

    fn exact(&self, counter: &Counter, row: u32) -> Positive {
        let gallery = self.ranking.gallery;
        Positive {
            score: gallery.score(&counter.values, row as usize, self.ranking.score),
            row,
        }
    }
}

/// A row of the gallery with its score.
#[derive(Clone, Copy)]
struct Positive {
    score: f64,
    row: u32,
}

impl Positive {
    fn nearest_first(&self, other: &Self) -> std::cmp::Ordering {
        self.score
            .total_cmp(&other.score)
            .then(self.row.cmp(&other.row))
    }

    fn precedes(&self, other: &Self) -> bool {
        self.nearest_first(other).is_lt()
    }
}

/// Offsets that single precision cannot tell from a positive's.
#[derive(Clone, Copy, Default)]
struct Band {
    low: f32,
    high: f32,
}

impl Band {
    fn new(offset: f64, error: f64) -> Self {
        Self {
            low: ((offset - error) as f32).next_down(),
            high: ((offset + error) as f32).next_up(),
        }
    }

    fn contains(self, offset: f32) -> bool {
        self.low <= offset && offset <= self.high
    }
}

/// What is counted for a query.
struct Counter {
    own: Option<u32>,
    values: Vec<f64>,
    norm: f64,
    /// Nearest first.
    positives: Vec<Positive>,
    /// Their offsets.
    offsets: Vec<f64>,
    /// Their bands, if there are many.
    bands: Vec<Band>,
    /// Rows before each positive; if there are many, after the positive before.
    before: Vec<u32>,
}

impl Counter {
    fn into_found(self) -> Found {
        let mut ranks = self.before;
        if !self.bands.is_empty() {
            for index in 1..ranks.len() {
                ranks[index] += ranks[index - 1];
            }
        }
        ranks.iter_mut().for_each(|rank| *rank += 1);
        let rows = self.positives.iter().map(|positive| positive.row);
        Found {
            rows: rows.collect(),
            ranks,
        }
    }
}

vectorized! {
    /// For each band the number of offsets below it, and of those not above it.
    fn below<_I>(offsets: &[f32; TILE], bands: &[Band], counts: &mut [[u32; 2]; FEW]) {
        for (band, counts) in bands.iter().zip(counts) {
            let (mut before, mut within) = ([0u32; LANES], [0u32; LANES]);
            for chunk in offsets.as_chunks::<LANES>().0 {
                for lane in 0..LANES {
                    before[lane] += u32::from(chunk[lane] < band.low);
                    within[lane] += u32::from(chunk[lane] <= band.high);
                }
            }
            *counts = [before.iter().sum(), within.iter().sum()];
        }
    }
}
