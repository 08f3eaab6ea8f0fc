//! Embeddings as every metric sees them: checked once, read as f64, and packed for the one inner
//! loop (squared distance or inner product of all pairs) that retrieval and clustering share.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How two embeddings are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// Euclidean distance of the embeddings as they are.
    Euclidean,
    /// Cosine of the angle between embeddings. A zero vector has cosine 0 with every other.
    Cosine,
}

/// Checks embeddings (row-major, N×D): D ≥ 1, whole rows, at least two of them, all finite.
/// Returns N.
///
/// # Errors
/// Names the first thing that is wrong; for a NaN or infinity, its row and column.
pub fn check_embeddings(embeddings: &[f32], dim: usize) -> Result<usize> {
    let data = |text: String| Err(Error::Data(text));
    if dim == 0 {
        return data("the embedding dimension is 0; it must be at least 1".into());
    }
    if embeddings.is_empty() {
        return data("there are no embeddings; a split needs at least two images".into());
    }
    if !embeddings.len().is_multiple_of(dim) {
        return data(format!(
            "{} embedding values are not whole rows of dimension {dim}",
            embeddings.len()
        ));
    }
    if embeddings.len() == dim {
        return data("there is one embedding only; a split needs at least two images".into());
    }
    if let Some(at) = embeddings.iter().position(|value| !value.is_finite()) {
        let (row, column, value) = (at / dim, at % dim, embeddings[at]);
        return Err(Error::NotFinite(format!(
            "embedding {row} holds {value} in column {column}: \
             the network has diverged or its input is not finite"
        )));
    }
    Ok(embeddings.len() / dim)
}

/// Checks that there is one label for each of the `rows` embeddings.
///
/// # Errors
/// Names both counts.
pub fn check_labels(labels: &[u32], rows: usize) -> Result<()> {
    if labels.len() == rows {
        return Ok(());
    }
    Err(Error::Data(format!(
        "{} labels for {rows} embeddings; each embedding needs one label",
        labels.len()
    )))
}

/// N rows of D coordinates in f64, as they are or divided by their Euclidean norm.
pub(super) struct Points<'a> {
    embeddings: &'a [f32],
    dim: usize,
    norms: Option<Vec<f64>>,
}

impl<'a> Points<'a> {
    /// The rows of checked `embeddings`; in cosine space each is divided by its norm, and a zero
    /// row stays zero.
    pub fn new(embeddings: &'a [f32], dim: usize, space: Space) -> Self {
        let norms =
            (space == Space::Cosine).then(|| embeddings.chunks_exact(dim).map(divisor).collect());
        Self {
            embeddings,
            dim,
            norms,
        }
    }

    /// Number of rows N.
    pub fn len(&self) -> usize {
        self.embeddings.len() / self.dim
    }

    /// Number of coordinates D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The coordinates of one row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = f64> + '_ {
        let norm = self.norms.as_ref().map_or(1.0, |norms| norms[row]);
        self.embeddings[row * self.dim..][..self.dim]
            .iter()
            .map(move |&value| f64::from(value) / norm)
    }

    /// The given rows, packed.
    pub fn pack(&self, rows: impl Iterator<Item = usize>) -> Packed {
        Packed::new(self.dim, rows.map(|row| self.row(row)))
    }
}

fn divisor(row: &[f32]) -> f64 {
    let norm = row
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt();
    if norm > 0.0 { norm } else { 1.0 }
}

const LANES: usize = 4;

/// Rows in groups of four, each group transposed, so that the inner loop runs over four rows at
/// a time and vectorises although every sum keeps the order of the coordinates: equal rows get
/// bit-equal scores.
pub(super) struct Packed {
    dim: usize,
    len: usize,
    values: Vec<[f64; LANES]>,
}

impl Packed {
    /// Packs `rows` of `dim` coordinates each.
    pub fn new(dim: usize, rows: impl Iterator<Item = impl Iterator<Item = f64>>) -> Self {
        let (mut len, mut values) = (0, Vec::new());
        for row in rows {
            let (group, lane) = (len / LANES, len % LANES);
            values.resize((group + 1) * dim, [0.0; LANES]);
            for (slot, value) in values[group * dim..].iter_mut().zip(row) {
                slot[lane] = value;
            }
            len += 1;
        }
        Self { dim, len, values }
    }

    /// Score of each packed row against `row`: see [`scan`].
    pub fn scores_to(&self, row: &[f64], space: Space) -> Vec<f64> {
        let mut scores = Vec::with_capacity(self.len + LANES);
        for group in self.values.chunks_exact(self.dim) {
            let one = row.iter().map(|&value| [value]);
            let [lanes] = match space {
                Space::Euclidean => tile(one, group, add_squared_difference),
                Space::Cosine => tile(one, group, subtract_product),
            };
            scores.extend(lanes);
        }
        scores.truncate(self.len);
        scores
    }
}

/// Calls `visit(query, item, score)` for every pair of packed rows. A smaller score is nearer:
/// the squared distance, or in cosine space minus the inner product.
pub(super) fn scan(
    queries: &Packed,
    items: &Packed,
    space: Space,
    visit: impl FnMut(usize, usize, f64),
) {
    match space {
        Space::Euclidean => scan_with(queries, items, add_squared_difference, visit),
        Space::Cosine => scan_with(queries, items, subtract_product, visit),
    }
}

fn scan_with(
    queries: &Packed,
    items: &Packed,
    add: impl Fn(f64, f64, f64) -> f64 + Copy,
    mut visit: impl FnMut(usize, usize, f64),
) {
    for (item_group, item_values) in items.values.chunks_exact(items.dim).enumerate() {
        let first_item = item_group * LANES;
        let last_item = items.len.min(first_item + LANES);
        for (query_group, query_values) in queries.values.chunks_exact(queries.dim).enumerate() {
            let scores = tile(query_values.iter().copied(), item_values, add);
            let first_query = query_group * LANES;
            for (query, scores) in (first_query..queries.len).zip(scores) {
                for (item, score) in (first_item..last_item).zip(scores) {
                    visit(query, item, score);
                }
            }
        }
    }
}

fn tile<const Q: usize>(
    queries: impl Iterator<Item = [f64; Q]>,
    items: &[[f64; LANES]],
    add: impl Fn(f64, f64, f64) -> f64,
) -> [[f64; LANES]; Q] {
    let mut sums = [[0.0; LANES]; Q];
    for (query, item) in queries.zip(items) {
        for (sums, &q) in sums.iter_mut().zip(&query) {
            for (sum, &x) in sums.iter_mut().zip(item) {
                *sum = add(*sum, q, x);
            }
        }
    }
    sums
}

fn add_squared_difference(sum: f64, query: f64, item: f64) -> f64 {
    let difference = query - item;
    sum + difference * difference
}

fn subtract_product(sum: f64, query: f64, item: f64) -> f64 {
    sum - query * item
}

/// Divides a vector by its Euclidean norm; a zero vector stays.
pub(super) fn normalize(row: &mut [f64]) {
    let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
    if norm > 0.0 {
        row.iter_mut().for_each(|value| *value /= norm);
    }
}

/// Rows of each class, classes in the order of their labels, rows in the order of the split.
pub(super) fn rows_by_class(labels: &[u32]) -> Vec<Vec<usize>> {
    let mut rows: Vec<usize> = (0..labels.len()).collect();
    rows.sort_by_key(|&row| labels[row]);
    rows.chunk_by(|&a, &b| labels[a] == labels[b])
        .map(<[usize]>::to_vec)
        .collect()
}
