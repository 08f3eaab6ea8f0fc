//! Random projection of a pool: distances in few dimensions are cheaper and less concentrated.

use nalgebra::DMatrix;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::points::Points;

/// `points` (`[n, D]`) times a D×`dimension` matrix whose entries are uniform in ±1/√D.
pub(super) fn project(points: &Points, dimension: usize, rng: &mut ChaCha8Rng) -> Points {
    let bound = 1.0 / (points.dimension() as f64).sqrt();
    let weights = DMatrix::from_fn(dimension, points.dimension(), |_, _| {
        rng.random_range(-bound..bound)
    });
    Points::from_matrix(&(weights * points.as_columns()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn unit_vectors_show_the_weights_and_sums_of_rows_stay_sums() {
        let rows = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 2.0, 3.0, 0.0, 0.0];
        let points = Points::new(&rows, 4).unwrap();
        let mut entries = Vec::new();
        for batch in 0..500 {
            let mut rng = stream(1, Purpose::BatchSampler, 0, batch, 1);
            let projected = project(&points, 3, &mut rng);
            assert_eq!((projected.len(), projected.dimension()), (3, 3));
            for column in 0..3 {
                let [a, b, sum] = [0, 1, 2].map(|row| projected.row(row)[column]);
                assert!((2.0 * a + 3.0 * b - sum).abs() < 1e-12);
                entries.extend([a, b]);
            }
        }
        // Uniform in ±1/2: within the bounds, mean 0, variance 1/12.
        assert!(entries.iter().all(|entry| entry.abs() <= 0.5));
        let n = entries.len() as f64;
        let mean = entries.iter().sum::<f64>() / n;
        let variance = entries.iter().map(|entry| entry * entry).sum::<f64>() / n;
        assert!(mean.abs() < 0.02, "mean {mean}");
        assert!((variance - 1.0 / 12.0).abs() < 0.005, "variance {variance}");
    }
}
