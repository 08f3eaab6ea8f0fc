//! Lloyd's k-means for the clustering metrics: exact in double precision, deterministic for a
//! seed, and never left with an empty cluster where a point could fill it.

use likewise_kernels::Score;
use likewise_kernels::search::{self, Nearest, Rows};

use super::points::{Points, Space, check_embeddings, normalize};
use super::seeding::plus_plus;
use crate::{Error, Result};

/// Iterations of every k-means behind a metric.
pub const ITERATIONS: usize = 20;

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
    let rows = points.rows();
    let prepared = search::Points::new(rows, Score::SquaredEuclidean);
    let (mut centroids, mut nearest) = match start {
        Start::PlusPlus { clusters, seed } => plus_plus(&prepared, clusters, seed),
        Start::Centroids(values) => {
            let centroids: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
            let nearest = assign(&prepared, &centroids);
            (centroids, nearest)
        }
    };
    let mut inertia = Vec::with_capacity(iterations + 1);
    for _ in 0..iterations {
        inertia.push(total(&nearest));
        fill_empty_clusters(&mut nearest, centroids.len() / rows.dim());
        let moved = update(rows, &nearest, &mut centroids);
        nearest = reassign(&prepared, &centroids, &moved, &nearest);
    }
    inertia.push(total(&nearest));
    if space == Space::Cosine {
        centroids.chunks_exact_mut(rows.dim()).for_each(normalize);
        nearest = assign(&search::Points::new(rows, Score::Cosine), &centroids);
    }
    let assignment = nearest
        .into_iter()
        .map(|nearest| nearest.centroid)
        .collect();
    KMeans {
        centroids,
        assignment,
        inertia,
    }
}

fn total(nearest: &[Nearest]) -> f64 {
    nearest.iter().map(|nearest| nearest.score).sum()
}

/// The nearest centroid of every point.
fn assign(points: &search::Points<'_>, centroids: &[f64]) -> Vec<Nearest> {
    let rows = points.rows();
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    let numbers: Vec<u32> = (0..(centroids.len() / rows.dim()) as u32).collect();
    let centroids = Rows::double(centroids, rows.dim());
    points.assign(&all, centroids, &numbers, &vec![Nearest::NONE; rows.len()])
}

/// [`assign`] after the centroids of the `moved` clusters have moved from where the points had
/// found their `nearest`. A point whose own centroid has come no farther is compared with the moved
/// ones only: the others were farther before.
fn reassign(
    points: &search::Points<'_>,
    centroids: &[f64],
    moved: &[bool],
    nearest: &[Nearest],
) -> Vec<Nearest> {
    let (rows, dim) = (points.rows(), points.rows().dim());
    let all = Rows::double(centroids, dim);
    let mut known = nearest.to_vec();
    let mut values = vec![0.0; dim];
    let (mut farther, mut others) = (Vec::new(), Vec::new());
    for (point, known) in known.iter_mut().enumerate() {
        let before = known.score;
        let own = known.centroid as usize;
        if moved[own] {
            rows.read(point, &mut values);
            known.score = all.score(&values, own, Score::SquaredEuclidean);
        }
        let list = if known.score > before {
            &mut farther
        } else {
            &mut others
        };
        list.push(point as u32);
    }
    let every: Vec<u32> = (0..moved.len() as u32).collect();
    let some: Vec<u32> = every
        .iter()
        .copied()
        .filter(|&cluster| moved[cluster as usize])
        .collect();
    let moved_rows: Vec<f64> = some
        .iter()
        .flat_map(|&cluster| &centroids[cluster as usize * dim..][..dim])
        .copied()
        .collect();
    let groups = [
        (&farther, points.assign(&farther, all, &every, &known)),
        (
            &others,
            points.assign(&others, Rows::double(&moved_rows, dim), &some, &known),
        ),
    ];
    for (which, found) in groups {
        for (&point, found) in which.iter().zip(found) {
            known[point as usize] = found;
        }
    }
    known
}

/// Gives every empty cluster the point farthest from its centroid, out of clusters that keep
/// another. Coincident points are left: splitting them would change nothing.
fn fill_empty_clusters(nearest: &mut [Nearest], clusters: usize) {
    let mut sizes = vec![0usize; clusters];
    for point in nearest.iter() {
        sizes[point.centroid as usize] += 1;
    }
    for empty in 0..clusters {
        if sizes[empty] > 0 {
            continue;
        }
        let candidates = nearest
            .iter_mut()
            .filter(|point| sizes[point.centroid as usize] > 1 && point.score > 0.0);
        let Some(point) = candidates.max_by(|a, b| a.score.total_cmp(&b.score)) else {
            return;
        };
        sizes[point.centroid as usize] -= 1;
        sizes[empty] = 1;
        *point = Nearest {
            centroid: empty as u32,
            score: 0.0,
        };
    }
}

/// Puts each centroid at the mean of its points; one without points stays. Tells which have moved.
fn update(rows: Rows<'_>, nearest: &[Nearest], centroids: &mut [f64]) -> Vec<bool> {
    let dim = rows.dim();
    let mut sums = vec![0.0; centroids.len()];
    let mut sizes = vec![0usize; centroids.len() / dim];
    let mut values = vec![0.0; dim];
    for (row, point) in nearest.iter().enumerate() {
        let cluster = point.centroid as usize;
        sizes[cluster] += 1;
        rows.read(row, &mut values);
        for (sum, value) in sums[cluster * dim..].iter_mut().zip(&values) {
            *sum += value;
        }
    }
    let clusters = centroids
        .chunks_exact_mut(dim)
        .zip(sums.chunks_exact(dim))
        .zip(sizes);
    let put = |((centroid, sum), size): ((&mut [f64], &[f64]), usize)| {
        let mut moved = false;
        for (value, sum) in centroid.iter_mut().zip(sum).filter(|_| size > 0) {
            let mean = sum / size as f64;
            moved |= *value != mean;
            *value = mean;
        }
        moved
    };
    clusters.map(put).collect()
}
