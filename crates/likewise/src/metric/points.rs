//! Embeddings as every metric sees them: checked once, and read in double precision, as they are
//! or normalised.

use likewise_kernels::Score;
use likewise_kernels::search::{Rows, norms};
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

impl Space {
    /// How exact search compares the rows of [`Points`] of this space.
    pub(super) fn score(self) -> Score {
        match self {
            Self::Euclidean => Score::SquaredEuclidean,
            Self::Cosine => Score::Cosine,
        }
    }
}

/// Checks embeddings (row-major, N×D): D ≥ 1, whole rows, at least two of them, all finite.
/// Returns N.
///
/// # Errors
/// Names the first thing that is wrong; for a NaN or infinity, its row and column.
pub fn check_embeddings(embeddings: &[f32], dim: usize) -> Result<usize> {
    let data = |text: &str| Err(Error::Data(text.into()));
    if dim == 0 {
        return data("the embedding dimension is 0; it must be at least 1");
    }
    if embeddings.is_empty() {
        return data("there are no embeddings; a split needs at least two images");
    }
    if embeddings.len() == dim {
        return data("there is one embedding only; a split needs at least two images");
    }
    check_rows(embeddings, dim, "")
}

/// [`check_embeddings`] of one row or more. `side` says whose they are, with a space after it.
///
/// # Errors
/// As [`check_embeddings`].
pub(super) fn check_rows(embeddings: &[f32], dim: usize, side: &str) -> Result<usize> {
    let data = |text: String| Err(Error::Data(text));
    if dim == 0 {
        return data(format!(
            "the {side}embeddings have dimension 0; it must be at least 1"
        ));
    }
    if embeddings.is_empty() {
        return data(format!("there are no {side}embeddings"));
    }
    if !embeddings.len().is_multiple_of(dim) {
        return data(format!(
            "{} {side}embedding values are not whole rows of dimension {dim}",
            embeddings.len()
        ));
    }
    if let Some(at) = embeddings.iter().position(|value| !value.is_finite()) {
        let (row, column, value) = (at / dim, at % dim, embeddings[at]);
        return Err(Error::NotFinite(format!(
            "{side}embedding {row} holds {value} in column {column}: \
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

/// N rows of D coordinates, as they are or divided by their Euclidean norm.
pub(super) struct Points<'a> {
    embeddings: &'a [f32],
    dim: usize,
    norms: Option<Vec<f64>>,
}

impl<'a> Points<'a> {
    /// The rows of checked `embeddings`; in cosine space each is divided by its norm, and a zero
    /// row stays zero.
    pub fn new(embeddings: &'a [f32], dim: usize, space: Space) -> Self {
        Self {
            embeddings,
            dim,
            norms: (space == Space::Cosine).then(|| norms(embeddings, dim)),
        }
    }

    /// The rows for exact search.
    pub fn rows(&self) -> Rows<'_> {
        let rows = Rows::new(self.embeddings, self.dim);
        match &self.norms {
            Some(norms) => rows.divided(norms),
            None => rows,
        }
    }

    /// The coordinates of one row.
    pub fn row(&self, row: usize) -> Vec<f64> {
        let mut values = vec![0.0; self.dim];
        self.rows().read(row, &mut values);
        values
    }
}

/// Divides a vector by its Euclidean norm; a zero vector stays.
pub(super) fn normalize(row: &mut [f64]) {
    let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
    if norm > 0.0 {
        row.iter_mut().for_each(|value| *value /= norm);
    }
}

/// Rows of each class, classes in the order of their labels, rows in the order of the split.
pub(super) fn rows_by_class(labels: &[u32]) -> Vec<Vec<u32>> {
    let mut rows: Vec<u32> = (0..labels.len() as u32).collect();
    rows.sort_by_key(|&row| labels[row as usize]);
    rows.chunk_by(|&a, &b| labels[a as usize] == labels[b as usize])
        .map(<[u32]>::to_vec)
        .collect()
}
