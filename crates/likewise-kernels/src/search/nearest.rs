//! The nearest rows of each query.

use super::frame::Frame;
use super::offsets::{Offsets, Queries};
use super::packed::{Packed, TILE, Tile};
use super::rows::{Rows, own_row};
use crate::parallel;
use crate::score::Score;

/// Queries of a work item, which share a pass over the gallery.
const ITEM: usize = 64;
/// Offsets looked at together.
const LANES: usize = 32;

/// A row of the gallery and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// The row.
    pub row: u32,
    /// Its score against the query.
    pub score: f64,
}

/// For each row of `queries` whose number is in `which`, the `k` rows of `gallery` with the smallest
/// scores, nearest first and, at equal score, lower row first; all of them where `k` is larger.
/// `own` is as in [`Ranking`](super::Ranking). Exact as [`Ranking`](super::Ranking).
pub fn nearest(
    queries: Rows<'_>,
    gallery: Rows<'_>,
    score: Score,
    own: Option<&[u32]>,
    which: &[u32],
    k: usize,
) -> Vec<Vec<Neighbour>> {
    if k == 0 || gallery.is_empty() {
        return vec![Vec::new(); which.len()];
    }
    let frame = Frame::new(queries, gallery, score);
    let packed = Packed::new(&frame, gallery);
    let items = parallel::map(which.chunks(ITEM).collect(), |which: &[u32]| {
        let placed = Queries::new(&frame, queries, which.iter().copied());
        let bound = packed.bound();
        let mut lists: Vec<List> = placed
            .placed
            .iter()
            .zip(which)
            .map(|(place, &query)| List {
                own: own_row(own, query),
                slack: 2.0 * frame.error(place.norm, bound.norm, bound.bias),
                limit: f32::INFINITY,
                candidates: Vec::new(),
            })
            .collect();
        let mut buffer = Offsets::default();
        for tile in packed.tiles() {
            placed.offsets(tile, &mut buffer, |first, offsets| {
                for (list, offsets) in lists[first..].iter_mut().zip(offsets) {
                    list.add(tile, offsets, k);
                }
            });
        }
        let mut values = vec![0.0; queries.dim()];
        let finish = |(list, &query): (List, &u32)| {
            queries.read(query as usize, &mut values);
            list.finish(k, |row| gallery.score(&values, row as usize, score))
        };
        lists.into_iter().zip(which).map(finish).collect::<Vec<_>>()
    });
    items.into_iter().flatten().collect()
}

/// Rows that may be among the nearest of a query.
struct List {
    own: Option<u32>,
    /// By how much offsets may be swapped by rounding.
    slack: f64,
    /// Offsets above cannot be among the nearest.
    limit: f32,
    candidates: Vec<(f32, u32)>,
}

impl List {
    fn add(&mut self, tile: Tile<'_>, offsets: &[f32; TILE], k: usize) {
        for (chunk, offsets) in offsets.as_chunks::<LANES>().0.iter().enumerate() {
            let near = offsets
                .iter()
                .fold(false, |near, &o| near | (o <= self.limit));
            if !near {
                continue;
            }
            let first = (tile.first + chunk * LANES) as u32;
            for (row, &offset) in (first..).zip(offsets) {
                if offset <= self.limit && offset < f32::INFINITY && Some(row) != self.own {
                    self.candidates.push((offset, row));
                }
            }
        }
        if self.candidates.len() > 2 * k + TILE {
            self.prune(k);
        }
    }

    fn prune(&mut self, k: usize) {
        if self.candidates.len() <= k {
            return;
        }
        let (_, kth, _) = self
            .candidates
            .select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0));
        self.limit = ((f64::from(kth.0) + self.slack) as f32).next_up();
        let limit = self.limit;
        self.candidates.retain(|&(offset, _)| offset <= limit);
    }

    fn finish(mut self, k: usize, score: impl Fn(u32) -> f64) -> Vec<Neighbour> {
        self.prune(k);
        let mut found: Vec<Neighbour> = self
            .candidates
            .into_iter()
            .map(|(_, row)| Neighbour {
                row,
                score: score(row),
            })
            .collect();
        found.sort_unstable_by(|a, b| a.score.total_cmp(&b.score).then(a.row.cmp(&b.row)));
        found.truncate(k);
        found
    }
}
