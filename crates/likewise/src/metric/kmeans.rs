//! Lloyd's k-means for the clustering metrics: double precision, deterministic for a seed, and
//! never left with an empty cluster where a point could fill it.

use rand::Rng;

use super::points::{Packed, Points, Space, check_embeddings, normalize, scan};
use crate::random::{Purpose, stream};
use crate::{Error, Result};

/// Iterations of every k-means behind a metric.
pub const ITERATIONS: usize = 20;

/// Points assigned in one pass over the centroids.
const BLOCK: usize = 32;

/// Where k-means starts.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// k-means++ (Arthur & Vassilvitskii 2007): points drawn in proportion to the squared
    /// distance from the nearest point drawn before.
    PlusPlus {
        /// Number of clusters K, 1..=N.
        clusters: usize,
        /// Seed of the run.
        seed: u64,
    },
    /// These centroids, row-major K×D.
    Centroids(&'a [f32]),
}

/// A clustering of N points of dimension D into K clusters.
#[derive(Clone, Debug)]
pub struct KMeans {
    /// Centroids, row-major K×D.
    pub centroids: Vec<f64>,
    /// Cluster of each point, in 0..K; at equal distance the lower number.
    pub assignment: Vec<u32>,
    /// Sum of squared distances to the nearest centroid: entry i before update i + 1, the last
    /// after the last update (in cosine space, before the centroids are normalised). Never
    /// increasing.
    pub inertia: Vec<f64>,
}

/// Clusters `embeddings` (row-major N×D) with `iterations` rounds of assignment and update and a
/// final assignment. A cluster that loses its last point takes over the point farthest from its
/// own centroid.
///
/// In cosine space rows are divided by their norm first; the resulting centroids are normalised
/// and the final assignment is by inner product.
///
/// # Errors
/// Embeddings that do not pass [`check_embeddings`], K outside 1..=N, or initial centroids that
/// are not finite rows of dimension D.
pub fn kmeans(
    embeddings: &[f32],
    dim: usize,
    space: Space,
    start: Start<'_>,
    iterations: usize,
) -> Result<KMeans> {
    let rows = check_embeddings(embeddings, dim)?;
    let clusters = match start {
        Start::PlusPlus { clusters, .. } => clusters,
        Start::Centroids(centroids) => check_centroids(centroids, dim)?,
    };
    if clusters == 0 || clusters > rows {
        return Err(Error::Data(format!(
            "k-means cannot make {clusters} clusters of {rows} embeddings"
        )));
    }
    Ok(cluster(
        &Points::new(embeddings, dim, space),
        space,
        start,
        iterations,
    ))
}

fn check_centroids(centroids: &[f32], dim: usize) -> Result<usize> {
    if !centroids.len().is_multiple_of(dim) || !centroids.iter().all(|value| value.is_finite()) {
        return Err(Error::Data(format!(
            "the initial centroids are not finite rows of dimension {dim}"
        )));
    }
    Ok(centroids.len() / dim)
}

/// [`kmeans`] of checked points.
pub(super) fn cluster(
    points: &Points<'_>,
    space: Space,
    start: Start<'_>,
    iterations: usize,
) -> KMeans {
    let mut centroids = match start {
        Start::PlusPlus { clusters, seed } => plus_plus(points, clusters, seed),
        Start::Centroids(values) => values.iter().map(|&value| f64::from(value)).collect(),
    };
    let mut inertia = Vec::with_capacity(iterations + 1);
    for _ in 0..iterations {
        let mut nearest = assign(points, &centroids, Space::Euclidean);
        inertia.push(total(&nearest));
        fill_empty_clusters(&mut nearest, centroids.len() / points.dim());
        update(points, &nearest, &mut centroids);
    }
    let mut nearest = assign(points, &centroids, Space::Euclidean);
    inertia.push(total(&nearest));
    if space == Space::Cosine {
        centroids.chunks_exact_mut(points.dim()).for_each(normalize);
        nearest = assign(points, &centroids, Space::Cosine);
    }
    let assignment = nearest
        .into_iter()
        .map(|nearest| nearest.cluster as u32)
        .collect();
    KMeans {
        centroids,
        assignment,
        inertia,
    }
}

/// The cluster of one point.
#[derive(Clone, Copy)]
struct Nearest {
    cluster: usize,
    score: f64,
}

fn total(nearest: &[Nearest]) -> f64 {
    nearest.iter().map(|nearest| nearest.score).sum()
}

fn assign(points: &Points<'_>, centroids: &[f64], space: Space) -> Vec<Nearest> {
    let packed = pack(centroids, points.dim());
    let mut nearest = vec![
        Nearest {
            cluster: 0,
            score: f64::INFINITY
        };
        points.len()
    ];
    for (block, nearest) in nearest.chunks_mut(BLOCK).enumerate() {
        let first = block * BLOCK;
        let queries = points.pack(first..first + nearest.len());
        scan(&queries, &packed, space, |query, cluster, score| {
            if score < nearest[query].score {
                nearest[query] = Nearest { cluster, score };
            }
        });
    }
    nearest
}

fn pack(rows: &[f64], dim: usize) -> Packed {
    Packed::new(dim, rows.chunks_exact(dim).map(|row| row.iter().copied()))
}

/// Gives every empty cluster the point farthest from its centroid, out of clusters that keep
/// another. Coincident points are left: splitting them would change nothing.
fn fill_empty_clusters(nearest: &mut [Nearest], clusters: usize) {
    let mut sizes = vec![0usize; clusters];
    for point in nearest.iter() {
        sizes[point.cluster] += 1;
    }
    for empty in 0..clusters {
        if sizes[empty] > 0 {
            continue;
        }
        let candidates = nearest
            .iter_mut()
            .filter(|point| sizes[point.cluster] > 1 && point.score > 0.0);
        let Some(point) = candidates.max_by(|a, b| a.score.total_cmp(&b.score)) else {
            return;
        };
        sizes[point.cluster] -= 1;
        sizes[empty] = 1;
        *point = Nearest {
            cluster: empty,
            score: 0.0,
        };
    }
}

/// Moves each centroid to the mean of its points; one without points stays.
fn update(points: &Points<'_>, nearest: &[Nearest], centroids: &mut [f64]) {
    let dim = points.dim();
    let mut sums = vec![0.0; centroids.len()];
    let mut sizes = vec![0usize; centroids.len() / dim];
    for (row, point) in nearest.iter().enumerate() {
        sizes[point.cluster] += 1;
        for (sum, value) in sums[point.cluster * dim..].iter_mut().zip(points.row(row)) {
            *sum += value;
        }
    }
    let clusters = centroids
        .chunks_exact_mut(dim)
        .zip(sums.chunks_exact(dim))
        .zip(sizes);
    for ((centroid, sum), size) in clusters.filter(|(_, size)| *size > 0) {
        for (value, sum) in centroid.iter_mut().zip(sum) {
            *value = sum / size as f64;
        }
    }
}

fn plus_plus(points: &Points<'_>, clusters: usize, seed: u64) -> Vec<f64> {
    let mut random = stream(seed, Purpose::KMeans, 0, 0, 0);
    let packed = points.pack(0..points.len());
    let mut centroids = Vec::with_capacity(clusters * points.dim());
    let mut squared = vec![f64::INFINITY; points.len()];
    for cluster in 0..clusters {
        let row = if cluster == 0 {
            random.random_range(0..points.len() as u64) as usize
        } else {
            draw(&squared, random.random()).unwrap_or(cluster)
        };
        let centroid: Vec<f64> = points.row(row).collect();
        for (squared, new) in squared
            .iter_mut()
            .zip(packed.scores_to(&centroid, Space::Euclidean))
        {
            *squared = squared.min(new);
        }
        centroids.extend(centroid);
    }
    centroids
}

/// The index at which the running sum of `weights` passes the share `uniform` (0..1) of their
/// total; none if all are zero.
fn draw(weights: &[f64], uniform: f64) -> Option<usize> {
    let mut remaining = uniform * weights.iter().sum::<f64>();
    let mut last = None;
    for (index, &weight) in weights
        .iter()
        .enumerate()
        .filter(|(_, weight)| **weight > 0.0)
    {
        last = Some(index);
        remaining -= weight;
        if remaining < 0.0 {
            break;
        }
    }
    last
}
