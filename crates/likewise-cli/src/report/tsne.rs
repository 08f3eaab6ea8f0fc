//! Exact t-SNE (van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 2008).
//!
//! O(N²) a step, with rows computed in parallel and sums taken in a fixed order, so that the map
//! does not depend on the machine's number of cores.

use rayon::prelude::*;

const STEPS: usize = 500;
/// Steps during which attraction is exaggerated, so that groups can pass through each other.
const EXAGGERATED_STEPS: usize = 125;
const EXAGGERATION: f32 = 12.0;
/// Standard deviation of the start (Kobak and Berens, Nature Communications 2019).
const START_SPREAD: f32 = 1e-4;
/// Lanes of the inner loop; the compiler turns a lane array into vector instructions.
const LANES: usize = 8;

/// Places of the rows of `data` (row-major, `dimension` values a row), starting from `start`, which
/// is scaled down. `perplexity` is the effective number of neighbours, below the number of rows.
pub fn tsne(data: &[f32], dimension: usize, perplexity: f32, start: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let count = start.len();
    let affinities = affinities(data, dimension, perplexity, count);
    let mut x = scaled(start.iter().map(|p| p[0]).collect(), start);
    let mut y = scaled(start.iter().map(|p| p[1]).collect(), start);
    let rate = (count as f32 / EXAGGERATION / 4.0).max(50.0);
    let mut motion = [Motion::new(count), Motion::new(count)];
    let mut forces = vec![Forces::default(); count];
    for step in 0..STEPS {
        let early = step < EXAGGERATED_STEPS;
        let (attraction, momentum) = if early {
            (EXAGGERATION, 0.5)
        } else {
            (1.0, 0.8)
        };
        forces.par_iter_mut().enumerate().for_each(|(i, force)| {
            *force = Forces::at(i, &affinities[i * count..(i + 1) * count], &x, &y);
        });
        let total: f64 = forces.iter().map(|f| f64::from(f.weight)).sum();
        let total = total.max(f64::MIN_POSITIVE) as f32;
        for (i, force) in forces.iter().enumerate() {
            let gradient = |k: usize| 4.0 * (attraction * force.pull[k] - force.push[k] / total);
            x[i] += motion[0].advance(i, gradient(0), rate, momentum);
            y[i] += motion[1].advance(i, gradient(1), rate, momentum);
        }
    }
    x.into_iter().zip(y).map(|(x, y)| [x, y]).collect()
}

fn scaled(values: Vec<f32>, start: &[[f32; 2]]) -> Vec<f32> {
    let square: f32 = start.iter().map(|p| p[0] * p[0]).sum();
    let deviation = (square / start.len() as f32).sqrt().max(f32::MIN_POSITIVE);
    values
        .into_iter()
        .map(|v| v / deviation * START_SPREAD)
        .collect()
}

/// Velocity and step size factor of one coordinate of every point.
struct Motion {
    velocity: Vec<f32>,
    gain: Vec<f32>,
}

impl Motion {
    fn new(count: usize) -> Self {
        Self {
            velocity: vec![0.0; count],
            gain: vec![1.0; count],
        }
    }

    fn advance(&mut self, i: usize, gradient: f32, rate: f32, momentum: f32) -> f32 {
        let turns = (gradient > 0.0) == (self.velocity[i] > 0.0);
        self.gain[i] = if turns {
            (0.8 * self.gain[i]).max(0.01)
        } else {
            self.gain[i] + 0.2
        };
        self.velocity[i] = momentum * self.velocity[i] - rate * self.gain[i] * gradient;
        self.velocity[i]
    }
}

/// Sums over all other points: similarity on the map, attraction, repulsion.
#[derive(Clone, Default)]
struct Forces {
    weight: f32,
    pull: [f32; 2],
    push: [f32; 2],
}

impl Forces {
    fn at(i: usize, affinities: &[f32], x: &[f32], y: &[f32]) -> Self {
        let mut lanes = [[0f32; LANES]; 5];
        let mut add = |lane: usize, affinity: f32, x_other: f32, y_other: f32| {
            let (dx, dy) = (x[i] - x_other, y[i] - y_other);
            let similarity = 1.0 / (1.0 + dx * dx + dy * dy);
            let pull = affinity * similarity;
            let push = similarity * similarity;
            lanes[0][lane] += similarity;
            lanes[1][lane] += pull * dx;
            lanes[2][lane] += pull * dy;
            lanes[3][lane] += push * dx;
            lanes[4][lane] += push * dy;
        };
        let (affinity_blocks, affinity_rest) = affinities.as_chunks::<LANES>();
        let (x_blocks, x_rest) = x.as_chunks::<LANES>();
        let (y_blocks, y_rest) = y.as_chunks::<LANES>();
        for ((affinity, x), y) in affinity_blocks.iter().zip(x_blocks).zip(y_blocks) {
            for lane in 0..LANES {
                add(lane, affinity[lane], x[lane], y[lane]);
            }
        }
        for ((affinity, x), y) in affinity_rest.iter().zip(x_rest).zip(y_rest) {
            add(0, *affinity, *x, *y);
        }
        let sum = |k: usize| lanes[k].iter().sum::<f32>();
        // The point itself was counted with similarity 1 and no force.
        Self {
            weight: sum(0) - 1.0,
            pull: [sum(1), sum(2)],
            push: [sum(3), sum(4)],
        }
    }
}

/// Symmetric input affinities, N×N, that sum to 1.
fn affinities(data: &[f32], dimension: usize, perplexity: f32, count: usize) -> Vec<f32> {
    let rows: Vec<&[f32]> = data.chunks_exact(dimension).collect();
    let mut affinities = vec![0f32; count * count];
    affinities
        .par_chunks_mut(count)
        .enumerate()
        .for_each(|(i, row)| {
            let distances: Vec<f32> = rows
                .iter()
                .map(|other| squared_distance(rows[i], other))
                .collect();
            conditional(i, &distances, perplexity, row);
        });
    for i in 0..count {
        for j in i + 1..count {
            let mean = (affinities[i * count + j] + affinities[j * count + i]) / (2 * count) as f32;
            affinities[i * count + j] = mean;
            affinities[j * count + i] = mean;
        }
    }
    affinities
}

/// Gaussian weights of the neighbours of point `i`, normalised, whose entropy is ln(perplexity).
fn conditional(i: usize, distances: &[f32], perplexity: f32, weights: &mut [f32]) {
    let others = || {
        distances
            .iter()
            .enumerate()
            .filter(|(j, _)| *j != i)
            .map(|(_, d)| *d)
    };
    let nearest = others().fold(f32::INFINITY, f32::min);
    let mean = others().map(|d| d - nearest).sum::<f32>() / (distances.len() - 1) as f32;
    let (mut low, mut high) = (0f32, f32::INFINITY);
    let mut precision = mean.max(f32::MIN_POSITIVE).recip().min(f32::MAX);
    for _ in 0..64 {
        let (mut sum, mut moment) = (0f32, 0f32);
        for (j, (weight, distance)) in weights.iter_mut().zip(distances).enumerate() {
            let excess = distance - nearest;
            *weight = if j == i {
                0.0
            } else {
                (-precision * excess).exp()
            };
            sum += *weight;
            moment += *weight * excess;
        }
        weights.iter_mut().for_each(|w| *w /= sum);
        let surplus = sum.ln() + precision * moment / sum - perplexity.ln();
        if surplus.abs() < 1e-4 {
            break;
        }
        if surplus > 0.0 {
            low = precision;
            precision = if high.is_finite() {
                0.5 * (low + high)
            } else {
                (2.0 * low).min(f32::MAX)
            };
        } else {
            high = precision;
            precision = 0.5 * (low + high);
        }
    }
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            lanes[lane] += (a[lane] - b[lane]).powi(2);
        }
    }
    lanes.iter().sum::<f32>()
        + a_rest
            .iter()
            .zip(b_rest)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(count: usize) -> Vec<f32> {
        (0..count * 3)
            .map(|i| (i as f32 * 0.7).sin() + i as f32 * 0.01)
            .collect()
    }

    #[test]
    fn affinities_have_the_wanted_perplexity_and_sum_to_one() {
        let (count, perplexity) = (60, 9.0);
        let data = line(count);
        let joint = affinities(&data, 3, perplexity, count);
        assert!((joint.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        let distances: Vec<f32> = data
            .chunks(3)
            .map(|row| squared_distance(&data[..3], row))
            .collect();
        let mut weights = vec![0.0; count];
        conditional(0, &distances, perplexity, &mut weights);
        let entropy: f32 = weights
            .iter()
            .filter(|w| **w > 0.0)
            .map(|w| -w * w.ln())
            .sum();
        assert!(
            (entropy.exp() - perplexity).abs() < 0.01,
            "{}",
            entropy.exp()
        );
        assert_eq!(weights[0], 0.0);
    }

    #[test]
    fn forces_agree_with_plain_loops() {
        let count = 21;
        let x: Vec<f32> = (0..count).map(|i| (i as f32 * 1.3).sin()).collect();
        let y: Vec<f32> = (0..count).map(|i| (i as f32 * 0.4).cos()).collect();
        let affinity: Vec<f32> = (0..count).map(|i| i as f32 / 100.0).collect();
        let fast = Forces::at(5, &affinity, &x, &y);
        let (mut weight, mut pull, mut push) = (0.0, [0.0; 2], [0.0; 2]);
        for j in (0..count).filter(|j| *j != 5) {
            let delta = [x[5] - x[j], y[5] - y[j]];
            let similarity = 1.0 / (1.0 + delta[0].powi(2) + delta[1].powi(2));
            weight += similarity;
            for k in 0..2 {
                pull[k] += affinity[j] * similarity * delta[k];
                push[k] += similarity * similarity * delta[k];
            }
        }
        let near = |a: f32, b: f32| (a - b).abs() < 1e-5 * (1.0 + b.abs());
        assert!(near(fast.weight, weight));
        assert!((0..2).all(|k| near(fast.pull[k], pull[k]) && near(fast.push[k], push[k])));
    }
}
