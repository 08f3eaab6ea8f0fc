//! A map of embeddings: two dimensions in which neighbours stay neighbours.
//!
//! Exact t-SNE, started from the principal components: for a few thousand points it takes seconds,
//! keeps neighbourhoods better than the tree approximation, and gives the same map every time.

use rayon::prelude::*;

use super::tsne::tsne;

/// Points on a map unless the caller wants fewer: what exact t-SNE lays out in about two seconds.
pub const MAP_LIMIT: usize = 1_500;
/// Fewer points than this have no neighbourhoods to preserve; their principal components are shown.
const FEWEST_FOR_TSNE: usize = 16;
/// Power iterations for the principal components.
const ITERATIONS: usize = 60;

/// How a map was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// The two principal components.
    PrincipalComponents,
    /// t-SNE (van der Maaten and Hinton, JMLR 2008) with this perplexity.
    Tsne {
        /// Effective number of neighbours of each point.
        perplexity: f32,
    },
}

impl Method {
    /// The method in one sentence, for a caption.
    pub fn describe(self) -> String {
        match self {
            Method::PrincipalComponents => "Shown are the two principal components.".to_owned(),
            Method::Tsne { perplexity } => format!(
                "Laid out by t-SNE with perplexity {perplexity:.0}, started from the principal components."
            ),
        }
    }
}

/// Places of embeddings on a map.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Row of the embedding matrix of each point; rows are left out above the limit and where a
    /// value is not finite.
    pub rows: Vec<usize>,
    /// Place of each point, in the order of `rows`.
    pub places: Vec<[f32; 2]>,
    /// How the map was made.
    pub method: Method,
}

/// Lays out the row-major matrix `embeddings` with rows of `dimension` values. Above `limit` rows an
/// evenly spaced choice of them is laid out, so data sorted by class keep all their classes.
/// A function of its arguments alone: no randomness, no dependence on the number of threads.
pub fn project(embeddings: &[f32], dimension: usize, limit: usize) -> Layout {
    let all: Vec<&[f32]> = embeddings.chunks_exact(dimension.max(1)).collect();
    let usable: Vec<usize> = (0..all.len())
        .filter(|i| all[*i].iter().all(|v| v.is_finite()))
        .collect();
    let kept = usable.len().min(limit);
    let rows: Vec<usize> = (0..kept).map(|i| usable[i * usable.len() / kept]).collect();
    let mut data: Vec<f32> = rows.iter().flat_map(|i| all[*i].iter().copied()).collect();
    centre(&mut data, dimension);
    let components = principal_components(&data, dimension);
    let spread = components.iter().any(|p| p[0].abs() > 1e-12);
    if rows.len() < FEWEST_FOR_TSNE || !spread {
        return Layout {
            rows,
            places: components,
            method: Method::PrincipalComponents,
        };
    }
    let perplexity = (rows.len() as f32 / 5.0).min(30.0);
    let places = tsne(&data, dimension, perplexity, &components);
    Layout {
        rows,
        places,
        method: Method::Tsne { perplexity },
    }
}

/// Subtracts the mean row and divides by the largest value, so that scales do not matter. Rows that
/// differ by no more than rounding become zero.
fn centre(data: &mut [f32], dimension: usize) {
    let count = data.len() / dimension.max(1);
    let magnitude = largest(data);
    let mut mean = vec![0f64; dimension];
    for row in data.chunks_exact(dimension.max(1)) {
        mean.iter_mut()
            .zip(row)
            .for_each(|(m, v)| *m += f64::from(*v) / count as f64);
    }
    for row in data.chunks_exact_mut(dimension.max(1)) {
        row.iter_mut()
            .zip(&mean)
            .for_each(|(v, m)| *v = (f64::from(*v) - m) as f32);
    }
    let spread = largest(data);
    let scale = if spread > 1e-6 * magnitude {
        spread.recip()
    } else {
        0.0
    };
    data.iter_mut().for_each(|v| *v *= scale);
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0f32, |largest, v| largest.max(v.abs()))
}

/// Coordinates along the two directions of largest variance of centred rows, by power iteration on a
/// pair of orthogonal directions.
fn principal_components(data: &[f32], dimension: usize) -> Vec<[f32; 2]> {
    let dimension = dimension.max(1);
    // Any fixed start that is not orthogonal to the answer will do; these are not for any real data.
    let mut axes: [Vec<f64>; 2] = [1.0, 2.0].map(|k| {
        (0..dimension)
            .map(|i| (1.0 + k * 1.7 * i as f64).sin())
            .collect()
    });
    orthonormalise(&mut axes);
    for _ in 0..ITERATIONS {
        axes = multiply_by_covariance(data, dimension, &axes);
        orthonormalise(&mut axes);
    }
    let along = |row: &[f32], axis: &[f64]| dot(row, axis) as f32;
    data.par_chunks_exact(dimension)
        .map(|row| [0, 1].map(|k| along(row, &axes[k])))
        .collect()
}

fn multiply_by_covariance(data: &[f32], dimension: usize, axes: &[Vec<f64>; 2]) -> [Vec<f64>; 2] {
    let mut product = [vec![0.0; dimension], vec![0.0; dimension]];
    for row in data.chunks_exact(dimension) {
        for (axis, sum) in axes.iter().zip(&mut product) {
            let weight = dot(row, axis);
            sum.iter_mut()
                .zip(row)
                .for_each(|(s, v)| *s += weight * f64::from(*v));
        }
    }
    product
}

fn orthonormalise(axes: &mut [Vec<f64>; 2]) {
    let [first, second] = axes;
    normalise(first);
    let overlap: f64 = first.iter().zip(second.iter()).map(|(a, b)| a * b).sum();
    second
        .iter_mut()
        .zip(first.iter())
        .for_each(|(s, f)| *s -= overlap * f);
    normalise(second);
}

fn normalise(axis: &mut [f64]) {
    let norm = axis.iter().map(|v| v * v).sum::<f64>().sqrt();
    let scale = if norm > 1e-150 { norm.recip() } else { 0.0 };
    axis.iter_mut().for_each(|v| *v *= scale);
}

fn dot(row: &[f32], axis: &[f64]) -> f64 {
    row.iter().zip(axis).map(|(a, b)| f64::from(*a) * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `classes` groups of `each` unit vectors around well separated directions.
    fn groups(classes: usize, each: usize, dimension: usize) -> Vec<f32> {
        let noise = |i: usize| (i as f32 * 12.9898).sin() * 43_758.547 % 1.0;
        (0..classes * each)
            .flat_map(|i| {
                let class = i / each;
                (0..dimension).map(move |k| {
                    let centre = if k == class { 1.0 } else { 0.0 };
                    centre + 0.15 * noise(i * dimension + k)
                })
            })
            .collect()
    }

    fn share_with_neighbour_of_own_class(layout: &Layout, each: usize) -> f64 {
        let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
        let places = &layout.places;
        let right = (0..places.len()).filter(|i| {
            let others = (0..places.len()).filter(|j| j != i);
            let nearest = others.min_by(|a, b| {
                distance(places[*i], places[*a]).total_cmp(&distance(places[*i], places[*b]))
            });
            nearest.is_some_and(|j| layout.rows[j] / each == layout.rows[*i] / each)
        });
        right.count() as f64 / places.len() as f64
    }

    #[test]
    fn groups_stay_together() {
        let layout = project(&groups(8, 25, 16), 16, MAP_LIMIT);
        assert_eq!(layout.method, Method::Tsne { perplexity: 30.0 });
        assert!(share_with_neighbour_of_own_class(&layout, 25) > 0.97);
    }

    #[test]
    fn the_same_map_every_time_with_any_number_of_threads() {
        let data = groups(6, 20, 12);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads");
            pool.install(|| project(&data, 12, MAP_LIMIT).places)
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn the_first_component_is_the_direction_of_largest_variance() {
        let data: Vec<f32> = (0..9)
            .flat_map(|i| [i as f32 * 0.6, i as f32 * 0.8, (i % 2) as f32 * 0.1])
            .collect();
        let layout = project(&data, 3, 100);
        assert_eq!(layout.method, Method::PrincipalComponents);
        // Along (0.6, 0.8) steps are equal, and the largest value 6.4 is scaled to (about) 1.
        let steps: Vec<f32> = layout
            .places
            .windows(2)
            .map(|w| (w[1][0] - w[0][0]).abs())
            .collect();
        assert!(
            steps.iter().all(|s| (s - steps[0]).abs() < 0.02 * steps[0]),
            "{steps:?}"
        );
    }

    #[test]
    fn an_even_choice_is_kept_above_the_limit() {
        let layout = project(&groups(10, 10, 10), 10, 40);
        assert_eq!(layout.rows.len(), 40);
        let classes: Vec<usize> = layout.rows.iter().map(|r| r / 10).collect();
        assert!((0..10).all(|c| classes.iter().filter(|k| **k == c).count() == 4));
    }

    #[test]
    fn degenerate_input_has_a_map_too() {
        assert!(project(&[], 4, 10).places.is_empty());
        assert!(project(&[], 0, 10).places.is_empty());
        assert!(project(&[1.0; 8], 4, 0).places.is_empty());
        assert_eq!(project(&[1.0, 2.0], 2, 10).places, [[0.0, 0.0]]);
        assert_eq!(project(&[1.0; 400], 4, 200).places, [[0.0, 0.0]; 100]);
        let one_line: Vec<f32> = (0..50).map(|i| i as f32).collect();
        let finite = |l: &Layout| l.places.iter().flatten().all(|v| v.is_finite());
        assert!(finite(&project(&one_line, 1, 100)));
        let mut broken = groups(3, 10, 8);
        broken[8] = f32::NAN;
        let layout = project(&broken, 8, 100);
        assert!(finite(&layout) && layout.rows.len() == 29 && !layout.rows.contains(&1));
        let twins: Vec<f32> = groups(2, 20, 8).repeat(2);
        assert!(finite(&project(&twins, 8, 100)));
    }
}
