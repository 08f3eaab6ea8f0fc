//! Ranks of the items a query should find, in its own split or in a separate gallery.

use std::collections::BTreeMap;

use likewise_kernels::search::Ranking;

use super::points::{Points, Space, check_labels, check_rows, rows_by_class};
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
        let rows = check_rows(self.embeddings, self.dim, &format!("{name} "))?;
        check_labels(self.labels, rows).map_err(|error| Error::Data(format!("{name}: {error}")))
    }
}

/// Calls `visit(query, ranks)` once for every query row, classes in the order of their labels:
/// `ranks` are the 1-based places, ascending, of the gallery rows with the query's label among all
/// rows it is compared with, nearest first and, at equal distance, lower index first. With
/// `same_rows` both sides are one split and a query is not compared with itself. Both sides are
/// checked and of one dimension.
pub(super) fn rank_positives(
    queries: Side<'_>,
    gallery: Side<'_>,
    same_rows: bool,
    space: Space,
    mut visit: impl FnMut(usize, &[u32]),
) {
    let classes: BTreeMap<u32, Vec<u32>> = rows_by_class(gallery.labels)
        .into_iter()
        .map(|rows| (gallery.labels[rows[0] as usize], rows))
        .collect();
    let positives = |query: u32| {
        let rows = classes.get(&queries.labels[query as usize]);
        rows.map_or(&[][..], Vec::as_slice)
    };
    let items = Points::new(gallery.embeddings, gallery.dim, space);
    let others = (!same_rows).then(|| Points::new(queries.embeddings, queries.dim, space));
    let identity: Vec<u32> = (0..queries.labels.len() as u32).collect();
    let ranking = Ranking {
        queries: others.as_ref().unwrap_or(&items).rows(),
        gallery: items.rows(),
        score: space.score(),
        own: same_rows.then_some(&identity[..]),
    };
    let order = rows_by_class(queries.labels).concat();
    ranking.visit(&order, positives, |query, found| {
        visit(query as usize, &found.ranks);
    });
}
