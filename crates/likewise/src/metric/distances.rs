//! Embedding-space density (Roth et al. 2020): mean distance within classes (π_intra), between
//! class centres (π_inter), and their ratio. The published values use the cosine distance 1 − cos.

use likewise_kernels::search::{Rows, sum_of_distances};

use super::points::{Points, Space, check_embeddings, check_labels, normalize, rows_by_class};
use crate::Result;

/// Mean distances of a split. Each is none where no pair exists to average over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassDistances {
    /// π_intra: mean over ordered pairs of a class, then over classes of two or more.
    pub intra: Option<f64>,
    /// π_inter: mean over ordered pairs of class centres. The centre is the mean of the
    /// embeddings as they are; in cosine space it is normalised afterwards.
    pub inter: Option<f64>,
}

impl ClassDistances {
    /// π_ratio = π_intra / π_inter, the denominator at least 1e-8.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.intra? / self.inter?.max(1e-8))
    }
}

/// Distances within and between the classes of `embeddings` (row-major N×D).
///
/// # Errors
/// Embeddings or labels that do not pass [`check_embeddings`] and [`check_labels`].
pub fn class_distances(
    embeddings: &[f32],
    dim: usize,
    labels: &[u32],
    space: Space,
) -> Result<ClassDistances> {
    check_labels(labels, check_embeddings(embeddings, dim)?)?;
    Ok(class_distances_checked(embeddings, dim, labels, space))
}

/// [`class_distances`] of checked input.
pub(super) fn class_distances_checked(
    embeddings: &[f32],
    dim: usize,
    labels: &[u32],
    space: Space,
) -> ClassDistances {
    let raw = Points::new(embeddings, dim, Space::Euclidean);
    let points = Points::new(embeddings, dim, space);
    let rows_of = |points: &Points<'_>, class: &[u32]| -> Vec<Vec<f64>> {
        class.iter().map(|&row| points.row(row as usize)).collect()
    };
    let classes = rows_by_class(labels);
    let within: Vec<f64> = classes
        .iter()
        .filter_map(|class| mean_distance(&rows_of(&points, class), space))
        .collect();
    let mut centres: Vec<Vec<f64>> = classes
        .iter()
        .map(|class| mean(&rows_of(&raw, class)))
        .collect();
    if space == Space::Cosine {
        centres.iter_mut().for_each(|centre| normalize(centre));
    }
    ClassDistances {
        intra: (!within.is_empty()).then(|| within.iter().sum::<f64>() / within.len() as f64),
        inter: mean_distance(&centres, space),
    }
}

/// Mean distance over ordered pairs of different rows (in cosine space: unit or zero rows).
fn mean_distance(rows: &[Vec<f64>], space: Space) -> Option<f64> {
    if rows.len() < 2 {
        return None;
    }
    Some(match space {
        Space::Euclidean => mean_euclidean_distance(rows),
        Space::Cosine => mean_cosine_distance(rows),
    })
}

fn mean_euclidean_distance(rows: &[Vec<f64>]) -> f64 {
    let sum = sum_of_distances(Rows::double(&rows.concat(), rows[0].len()));
    sum / (rows.len() * (rows.len() - 1)) as f64
}

/// For unit rows 1 − cos is half the squared distance, and the mean of that over pairs is the
/// scatter around the mean over n − 1: linear in n, without cancellation. A zero row is at
/// distance 1 from all others, ½ more than the scatter counts for each of its pairs.
fn mean_cosine_distance(rows: &[Vec<f64>]) -> f64 {
    let centre = mean(rows);
    let scatter: f64 = rows
        .iter()
        .flat_map(|row| row.iter().zip(&centre))
        .map(|(value, mean)| (value - mean).powi(2))
        .sum();
    let zero_rows = rows
        .iter()
        .filter(|row| row.iter().all(|&value| value == 0.0))
        .count();
    scatter / (rows.len() - 1) as f64 + zero_rows as f64 / rows.len() as f64
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let mut mean = vec![0.0; rows[0].len()];
    for row in rows {
        mean.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += value);
    }
    mean.iter_mut().for_each(|sum| *sum /= rows.len() as f64);
    mean
}
