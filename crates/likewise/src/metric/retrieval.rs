//! Ranks of the items a query should find, in its own split or in a separate gallery.

use std::collections::BTreeMap;

use super::neighbours::count_ranks;
use super::points::{Points, Space, check_labels};
use crate::{Error, Result};

/// Embeddings with their classes: one side of a search.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Row-major N×D.
    pub embeddings: &'a [f32],
    /// D, at least 1.
    pub dim: usize,
    /// Class of each of the N rows; any numbers, the same ones on both sides.
    pub labels: &'a [u32],
}

impl Side<'_> {
    /// Checks one side of a search in two sets; one row is enough. `name` says which side it is.
    ///
    /// # Errors
    /// Names the first thing that is wrong; for a NaN or infinity, its row and column.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let data = |text: String| Err(Error::Data(text));
        if self.dim == 0 {
            return data(format!(
                "the {name} embeddings have dimension 0; it must be at least 1"
            ));
        }
        if self.embeddings.is_empty() {
            return data(format!("there are no {name} embeddings"));
        }
        if !self.embeddings.len().is_multiple_of(self.dim) {
            return data(format!(
                "{} values of {name} embeddings are not whole rows of dimension {}",
                self.embeddings.len(),
                self.dim
            ));
        }
        if let Some(at) = self.embeddings.iter().position(|value| !value.is_finite()) {
            let (row, column) = (at / self.dim, at % self.dim);
            return Err(Error::NotFinite(format!(
                "{name} embedding {row} holds {} in column {column}: the network has diverged \
                 or its input is not finite",
                self.embeddings[at]
            )));
        }
        check_labels(self.labels, self.embeddings.len() / self.dim)
            .map_err(|error| Error::Data(format!("{name}: {error}")))
    }
}

/// Calls `visit(query, ranks)` once for every query row, in any order: `ranks` are the 1-based
/// places, ascending, of the gallery rows with the query's label among all rows it is compared
/// with, nearest first and, at equal distance, lower index first. With `same_rows` both sides are
/// one split and a query is not compared with itself. Both sides are checked and of one dimension.
pub(super) fn rank_positives(
    queries: Side<'_>,
    gallery: Side<'_>,
    same_rows: bool,
    space: Space,
    mut visit: impl FnMut(usize, &[u32]),
) {
    let items = Points::new(gallery.embeddings, gallery.dim, space);
    if same_rows {
        count_ranks(&items, gallery.labels, space, visit);
        return;
    }
    let mut rows_of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, &label) in gallery.labels.iter().enumerate() {
        rows_of.entry(label).or_default().push(row);
    }
    let items = items.pack(0..gallery.labels.len());
    let points = Points::new(queries.embeddings, queries.dim, space);
    for (query, label) in queries.labels.iter().enumerate() {
        let Some(positives) = rows_of.get(label) else {
            visit(query, &[]);
            continue;
        };
        let row: Vec<f64> = points.row(query).collect();
        visit(query, &ranks_of(positives, &items.scores_to(&row, space)));
    }
}

/// Places of `positives` when all rows are ordered by score, then by index.
fn ranks_of(positives: &[usize], scores: &[f64]) -> Vec<u32> {
    let before = |a: usize, b: usize| scores[a].total_cmp(&scores[b]).then(a.cmp(&b)).is_lt();
    let mut ordered = positives.to_vec();
    ordered.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(a.cmp(&b)));
    // Rows that come after exactly i positives, a positive itself among them.
    let mut after = vec![0u32; ordered.len() + 1];
    for row in 0..scores.len() {
        after[ordered.partition_point(|&positive| before(positive, row))] += 1;
    }
    let mut rank = 0;
    let cumulated = after.into_iter().take(ordered.len()).map(|rows| {
        rank += rows;
        rank
    });
    cumulated.collect()
}
