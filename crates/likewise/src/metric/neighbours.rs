//! Exact neighbour search. Retrieval metrics need no neighbour list: the ranks of a query's
//! positives say everything, and counting the items before each of them needs neither a sort of
//! the split nor an N×N matrix. The query is excluded by its index, so repeated rows are safe.

use super::points::{Packed, Points, Space, check_embeddings, check_labels, rows_by_class, scan};
use crate::{Error, Result};

/// Queries that share one pass over the items; bounds the working memory and keeps it in cache.
const BLOCK: usize = 32;

/// Calls `visit(query, ranks)` once for every row: `ranks` are the 1-based places, ascending, of
/// the other rows with the query's label among all N − 1 other rows, nearest first and, at equal
/// distance, lower index first. Rows whose label occurs once get no ranks. Rows of one class are
/// visited together, classes in the order of their labels.
///
/// `embeddings` are row-major N×D, `labels` N. Time O(N²·D), memory O(N·D).
///
/// # Errors
/// Embeddings or labels that do not pass [`check_embeddings`] and [`check_labels`].
pub fn positive_ranks(
    embeddings: &[f32],
    dim: usize,
    labels: &[u32],
    space: Space,
    visit: impl FnMut(usize, &[u32]),
) -> Result<()> {
    check_labels(labels, check_embeddings(embeddings, dim)?)?;
    count_ranks(&Points::new(embeddings, dim, space), labels, space, visit);
    Ok(())
}

/// [`positive_ranks`] of checked points.
pub(super) fn count_ranks(
    points: &Points<'_>,
    labels: &[u32],
    space: Space,
    mut visit: impl FnMut(usize, &[u32]),
) {
    let items = points.pack(0..points.len());
    let mut block: Vec<Counter> = Vec::with_capacity(BLOCK);
    let mut finish = |block: &mut Vec<Counter>| {
        count_block(points, &items, space, block);
        for counter in block.drain(..) {
            visit(counter.query, &counter.into_ranks());
        }
    };
    for class in rows_by_class(labels) {
        let members = points.pack(class.iter().copied());
        for &query in &class {
            block.push(Counter::new(points, query, &class, &members, space));
            if block.len() == BLOCK {
                finish(&mut block);
            }
        }
    }
    finish(&mut block);
}

fn count_block(points: &Points<'_>, items: &Packed, space: Space, block: &mut [Counter]) {
    let queries = points.pack(block.iter().map(|counter| counter.query));
    scan(&queries, items, space, |query, item, score| {
        block[query].count(item, score);
    });
}

/// Counts, for each positive of one query, the items that come before it.
struct Counter {
    query: usize,
    /// Scores and rows of the positives, nearest first.
    positives: Vec<(f64, usize)>,
    farthest: f64,
    /// Items that come after `i` positives, for each `i` below the number of positives.
    items_after: Vec<u32>,
}

impl Counter {
    fn new(
        points: &Points<'_>,
        query: usize,
        class: &[usize],
        members: &Packed,
        space: Space,
    ) -> Self {
        let row: Vec<f64> = points.row(query).collect();
        let scores = members.scores_to(&row, space);
        let mut positives: Vec<(f64, usize)> = scores
            .into_iter()
            .zip(class.iter().copied())
            .filter(|&(_, row)| row != query)
            .collect();
        positives.sort_by(nearest_first);
        let farthest = positives
            .last()
            .map_or(f64::NEG_INFINITY, |&(score, _)| score);
        let items_after = vec![0; positives.len()];
        Self {
            query,
            positives,
            farthest,
            items_after,
        }
    }

    fn count(&mut self, item: usize, score: f64) {
        if score > self.farthest || item == self.query {
            return;
        }
        let mut before = self
            .positives
            .partition_point(|&(positive, _)| positive < score);
        if self
            .positives
            .get(before)
            .is_some_and(|&(positive, _)| positive == score)
        {
            before = self.positives.partition_point(|&(positive, row)| {
                positive < score || (positive == score && row <= item)
            });
        }
        if let Some(items) = self.items_after.get_mut(before) {
            *items += 1;
        }
    }

    fn into_ranks(self) -> Vec<u32> {
        let mut rank = 1;
        let add = |items: u32| {
            rank += items;
            rank
        };
        self.items_after.into_iter().map(add).collect()
    }
}

/// One item of a neighbour list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Index of the item in the split.
    pub row: usize,
    /// Euclidean distance, or 1 − cosine, to the query.
    pub distance: f64,
}

/// The `k` nearest other rows of each of `queries` (row indices), nearest first and, at equal
/// distance, lower index first; all N − 1 where `k` is larger. `embeddings` are row-major N×D.
///
/// # Errors
/// Embeddings that do not pass [`check_embeddings`], or a query that is not a row.
pub fn nearest_neighbours(
    embeddings: &[f32],
    dim: usize,
    space: Space,
    queries: &[usize],
    k: usize,
) -> Result<Vec<Vec<Neighbour>>> {
    let rows = check_embeddings(embeddings, dim)?;
    if let Some(query) = queries.iter().find(|&&query| query >= rows) {
        return Err(Error::Data(format!(
            "query {query} is not one of the {rows} embeddings"
        )));
    }
    let points = Points::new(embeddings, dim, space);
    let items = points.pack(0..rows);
    let nearest = |&query: &usize| {
        let row: Vec<f64> = points.row(query).collect();
        let scores = items.scores_to(&row, space);
        let mut found: Vec<(f64, usize)> = scores
            .into_iter()
            .zip(0..)
            .filter(|&(_, row)| row != query)
            .collect();
        if k < found.len() {
            found.select_nth_unstable_by(k, nearest_first);
            found.truncate(k);
        }
        found.sort_unstable_by(nearest_first);
        found
            .into_iter()
            .map(|(score, row)| Neighbour {
                row,
                distance: distance(score, space),
            })
            .collect()
    };
    Ok(queries.iter().map(nearest).collect())
}

fn nearest_first(a: &(f64, usize), b: &(f64, usize)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

fn distance(score: f64, space: Space) -> f64 {
    match space {
        Space::Euclidean => score.sqrt(),
        Space::Cosine => 1.0 + score,
    }
}
