//! k-means++ (Arthur & Vassilvitskii 2007): centroids are points, each drawn in proportion to the
//! squared distance from the nearest one drawn before. Points are proposed in blocks by the
//! distances at the start of the block and accepted in proportion to what is left of them, which
//! gives the same distribution as draws one by one and lets blocks of distances be computed.

use likewise_kernels::Score;
use likewise_kernels::search::{Nearest, Points, Rows};
use rand::Rng;

use crate::random::{Purpose, stream};

/// Points proposed in a block at most, and the share of the centroids so far.
const BLOCK: usize = 512;
const SHARE: usize = 4;

/// `clusters` points as centroids, row-major, and the nearest of them for each point.
pub(super) fn plus_plus(
    points: &Points<'_>,
    clusters: usize,
    seed: u64,
) -> (Vec<f64>, Vec<Nearest>) {
    let rows = points.rows();
    let mut random = stream(seed, Purpose::KMeans, 0, 0, 0);
    let mut drawn = vec![random.random_range(0..rows.len() as u64) as u32];
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    let mut centroids = coordinates(rows, &drawn);
    let mut nearest = vec![Nearest::NONE; rows.len()];
    let mut compared = 0;
    loop {
        let numbers: Vec<u32> = (compared as u32..drawn.len() as u32).collect();
        let new = Rows::double(&centroids[compared * rows.dim()..], rows.dim());
        nearest = points.assign(&all, new, &numbers, &nearest);
        compared = drawn.len();
        let missing = clusters - compared;
        if missing == 0 {
            return (centroids, nearest);
        }
        let proposals = (compared / SHARE).clamp(1, BLOCK);
        let mut block = draw(rows, &nearest, proposals, &mut random);
        if block.is_empty() {
            // All points coincide with centroids.
            block = (compared as u32..clusters as u32).collect();
        }
        block.truncate(missing);
        centroids.extend(coordinates(rows, &block));
        drawn.extend(block);
    }
}

fn coordinates(rows: Rows<'_>, which: &[u32]) -> Vec<f64> {
    let mut values = vec![0.0; which.len() * rows.dim()];
    for (&row, values) in which.iter().zip(values.chunks_exact_mut(rows.dim())) {
        rows.read(row as usize, values);
    }
    values
}

/// Draws points in turn, `proposals` of them before rejection: at least one, unless all squared
/// distances in `nearest` are zero.
fn draw(rows: Rows<'_>, nearest: &[Nearest], proposals: usize, random: &mut impl Rng) -> Vec<u32> {
    let mut total = 0.0;
    let running: Vec<f64> = nearest
        .iter()
        .map(|nearest| {
            total += nearest.score;
            total
        })
        .collect();
    let Some(last) = nearest.iter().rposition(|nearest| nearest.score > 0.0) else {
        return Vec::new();
    };
    let (mut accepted, mut coordinates) = (Vec::new(), Vec::new());
    for _ in 0..proposals {
        let target = random.random::<f64>() * total;
        let row = running.partition_point(|&sum| sum <= target).min(last);
        let mut values = vec![0.0; rows.dim()];
        rows.read(row, &mut values);
        let so_far = Rows::double(&coordinates, rows.dim());
        let left = (0..so_far.len())
            .map(|other| so_far.score(&values, other, Score::SquaredEuclidean))
            .fold(nearest[row].score, f64::min);
        if random.random::<f64>() * nearest[row].score < left {
            accepted.push(row as u32);
            coordinates.extend(values);
        }
    }
    accepted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second of two points drawn in one block is distributed as if distances had been computed
    /// anew after the first.
    #[test]
    fn blocks_do_not_change_the_distribution() {
        let values = [0.0f32, 1.0, 1.5, 4.0, 6.0];
        let rows = Rows::new(&values, 1);
        // One centroid at 0 before the block.
        let squares = |to: &[f32], x: f32| {
            to.iter()
                .map(|&y| f64::from((x - y) * (x - y)))
                .fold(f64::INFINITY, f64::min)
        };
        let nearest: Vec<Nearest> = values
            .iter()
            .map(|&x| Nearest {
                centroid: 0,
                score: squares(&[0.0], x),
            })
            .collect();
        let mut counts = [[0.0f64; 5]; 5];
        let mut pairs = 0.0;
        for item in 0..40_000 {
            let mut random = stream(7, Purpose::KMeans, 0, 0, item);
            if let [first, second, ..] = draw(rows, &nearest, 8, &mut random)[..] {
                counts[first as usize][second as usize] += 1.0;
                pairs += 1.0;
            }
        }
        assert!(pairs > 20_000.0, "only {pairs} pairs");
        for first in 1..5 {
            let weights = values.map(|x| squares(&[0.0, values[first]], x));
            let (total, all) = (
                weights.iter().sum::<f64>(),
                counts[first].iter().sum::<f64>(),
            );
            let mut statistic = 0.0;
            for (&weight, &count) in weights.iter().zip(&counts[first]) {
                let expected = all * weight / total;
                if weight == 0.0 {
                    assert_eq!(count, 0.0, "a point at a centroid was drawn");
                } else {
                    statistic += (count - expected).powi(2) / expected;
                }
            }
            // Two or three degrees of freedom; 1e-5 exceed this by chance.
            assert!(statistic < 26.0, "after point {first}: χ² {statistic}");
        }
    }
}
