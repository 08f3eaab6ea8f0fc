//! Exact neighbour search. Retrieval metrics need no neighbour list: the ranks of a query's
//! positives say everything. The query is excluded by its index, so repeated rows are safe.

use likewise_kernels::search::nearest;

use super::points::{Points, Space, check_embeddings, check_labels};
use super::retrieval::{Side, rank_positives};
use crate::{Error, Result};

/// Calls `visit(query, ranks)` once for every row: `ranks` are the 1-based places, ascending, of
/// the other rows with the query's label among all N − 1 other rows, nearest first and, at equal
/// distance, lower index first. Rows whose label occurs once get no ranks. Rows of one class are
/// visited together, classes in the order of their labels.
///
/// Distances are compared in double precision; the ranks are the same on every processor.
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
    let side = Side {
        embeddings,
        dim,
        labels,
    };
    rank_positives(side, side, true, space, visit);
    Ok(())
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
    let which: Vec<u32> = queries.iter().map(|&query| query as u32).collect();
    let own: Vec<u32> = (0..rows as u32).collect();
    let (all, score) = (points.rows(), space.score());
    let found = nearest(all, all, score, Some(&own), &which, k);
    let neighbour = |found: likewise_kernels::search::Neighbour| Neighbour {
        row: found.row as usize,
        distance: match space {
            Space::Euclidean => found.score.sqrt(),
            Space::Cosine => 1.0 + found.score,
        },
    };
    Ok(found
        .into_iter()
        .map(|list| list.into_iter().map(neighbour).collect())
        .collect())
}
