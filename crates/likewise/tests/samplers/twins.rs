//! Selections and costs written once more with plain loops, on random data.

use likewise::sampler::d2_coreset::{Normal, Spread};
use likewise::sampler::distance_histogram::Profile;
use likewise::sampler::frechet::Target;
use likewise::sampler::{Points, greedy_coreset};
use proptest::prelude::*;

use crate::data::{assert_close, noise};

/// Rows as nested lists.
fn lists(values: &[f32], dimension: usize) -> Vec<Vec<f64>> {
    values
        .chunks_exact(dimension)
        .map(|row| row.iter().map(|&value| value.into()).collect())
        .collect()
}

fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum()
}

fn mean_and_std(rows: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let n = rows.len() as f64;
    let over = |value: &dyn Fn(&Vec<f64>) -> f64| rows.iter().map(value).sum::<f64>() / n;
    let axes = 0..rows[0].len();
    let mean: Vec<f64> = axes.clone().map(|axis| over(&|row| row[axis])).collect();
    let std = axes
        .map(|axis| over(&|row| (row[axis] - mean[axis]).powi(2)).sqrt())
        .collect();
    (mean, std)
}

fn distances(rows: &[Vec<f64>]) -> Vec<f64> {
    let mut found = Vec::new();
    for i in 0..rows.len() {
        for j in i + 1..rows.len() {
            found.push(squared(&rows[i], &rows[j]).sqrt());
        }
    }
    found
}

/// W₁ of two histograms from their definition by quantiles: sorted masses at bin centres are
/// moved in order.
fn earth_mover(a: &[f64], b: &[f64], width: f64) -> f64 {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    let (mut i, mut j, mut work) = (0, 0, 0.0);
    while i < a.len() && j < b.len() {
        let moved = a[i].min(b[j]);
        work += moved * width * (i as f64 - j as f64).abs();
        a[i] -= moved;
        b[j] -= moved;
        if a[i] <= 0.0 {
            i += 1;
        } else {
            j += 1;
        }
    }
    work
}

/// The eigenvalues of a symmetric matrix by Jacobi rotations.
fn eigenvalues(mut a: Vec<Vec<f64>>) -> Vec<f64> {
    let n = a.len();
    for _ in 0..60 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() < 1e-300 {
                    continue;
                }
                let theta = 0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p]);
                let (s, c) = theta.sin_cos();
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (above, below) = a.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
    }
    (0..n).map(|i| a[i][i]).collect()
}

fn covariance(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (mean, _) = mean_and_std(rows);
    let d = mean.len();
    let entry = |i: usize, j: usize| {
        let products = rows.iter().map(|r| (r[i] - mean[i]) * (r[j] - mean[j]));
        products.sum::<f64>() / (rows.len() - 1) as f64
    };
    (0..d)
        .map(|i| (0..d).map(|j| entry(i, j)).collect())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn greedy_coreset_is_the_literal_algorithm(seed in any::<u64>(), n in 2usize..60, d in 1usize..20, count in 1usize..70) {
        let values = noise(seed, n, d);
        let rows = lists(&values, d);
        let matrix: Vec<Vec<f64>> = rows.iter().map(|a| rows.iter().map(|b| squared(a, b)).collect()).collect();
        let mut scores: Vec<f64> = matrix.iter().map(|row| row.iter().map(|x| x * x).sum::<f64>().sqrt()).collect();
        let mut picks = vec![seed as usize % n];
        while picks.len() < count.min(n) {
            for (score, row) in scores.iter_mut().zip(&matrix) {
                *score = score.min(row[picks[picks.len() - 1]]);
            }
            let mut best = 0;
            for row in 0..n {
                if scores[row] > scores[best] { best = row; }
            }
            picks.push(best);
        }
        let points = Points::new(&values, d).unwrap();
        prop_assert_eq!(greedy_coreset::select(&points, picks[0], count), picks);
    }

    #[test]
    fn d2_weights_are_density_times_distance(seed in any::<u64>(), n in 5usize..30, d in 1usize..4) {
        let values = noise(seed, n, d);
        let rows = lists(&values, d);
        let points = Points::new(&values, d).unwrap();
        let (picks, lambda, ridge) = ([0, 3, 4], 1.5, 0.1);
        let mut sigma = covariance(&rows);
        (0..d).for_each(|axis| sigma[axis][axis] += ridge);
        let (mean, _) = mean_and_std(&rows);
        let weights: Vec<f64> = (0..n).map(|row| {
            if picks.contains(&row) { return 0.0; }
            let centred: Vec<f64> = rows[row].iter().zip(&mean).map(|(x, m)| x - m).collect();
            let (form, determinant) = quadratic_form(&sigma, &centred);
            let density = (-0.5 * form).exp() / (std::f64::consts::TAU.powi(d as i32) * determinant).sqrt();
            let distance: f64 = picks.iter().map(|&p| squared(&rows[row], &rows[p])).sum();
            density * distance.powf(lambda)
        }).collect();
        let sum: f64 = weights.iter().sum();
        let expected: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
        let density = Normal::fit(&points, ridge).unwrap().log_density(&points);
        let mut spread = Spread::new(&points, density, lambda, picks[0]);
        spread.pick(picks[1]);
        spread.pick(picks[2]);
        assert_close("probability", &spread.probabilities(), &expected, 1e-9);
        assert_close("weight", &spread.log_weights().iter().map(|w| w.exp()).collect::<Vec<_>>(), &weights, 1e-9);
    }

    #[test]
    fn distance_histogram_costs_are_those_of_plain_loops(seed in any::<u64>(), n in 8usize..40, d in 1usize..20, bins in 1usize..60) {
        let values = noise(seed, n, d);
        let rows = lists(&values, d);
        let candidate = [1, 5, 2, 7, 1];
        let subset: Vec<Vec<f64>> = candidate.iter().map(|&row| rows[row].clone()).collect();
        let all = distances(&rows);
        let low = all.iter().copied().fold(f64::INFINITY, f64::min);
        let high = all.iter().copied().fold(0.0, f64::max);
        let width = (high - low) / bins as f64;
        let histogram = |found: &[f64]| {
            let mut shares = vec![0.0; bins];
            let inside: Vec<f64> = found.iter().copied().filter(|&x| x >= low).collect();
            for x in &inside {
                shares[(((x - low) / width) as usize).min(bins - 1)] += 1.0 / inside.len() as f64;
            }
            shares
        };
        let points = Points::new(&values, d).unwrap();
        let profile = Profile::new(&points, bins);
        let (h_all, h_subset) = (histogram(&all), histogram(&distances(&subset)));
        assert_close("range", &[profile.range().0, profile.range().1], &[low, high], 1e-12);
        assert_close("pool", profile.histogram(), &h_all, 1e-9);
        assert_close("candidate", &profile.histogram_of(&candidate), &h_subset, 1e-9);
        let (mean, std) = mean_and_std(&rows);
        let (mean_c, std_c) = mean_and_std(&subset);
        let cost = profile.cost(&candidate);
        let expected = [squared(&mean, &mean_c).sqrt(), squared(&std, &std_c).sqrt(), earth_mover(&h_all, &h_subset, width)];
        assert_close("terms", &[cost.mean, cost.std, cost.wasserstein], &expected, 1e-9);
        assert_close("total", &[cost.total(75.0)], &[expected[0] + expected[1] + 150.0 * expected[2]], 1e-9);
    }

    #[test]
    fn frechet_distances_are_those_of_plain_loops_in_either_form(seed in any::<u64>(), n in 8usize..40, d in 1usize..9, m in 2usize..14) {
        let values = noise(seed, n, d);
        let rows = lists(&values, d);
        let candidate: Vec<usize> = (0..m).map(|i| (i * 7 + 1) % n).collect();
        let subset: Vec<Vec<f64>> = candidate.iter().map(|&row| rows[row].clone()).collect();
        let (a, b) = (covariance(&rows), covariance(&subset));
        // With A = L Lᵀ, LᵀBL has the eigenvalues of A·B.
        let l = cholesky(&a);
        let product: Vec<Vec<f64>> = (0..d).map(|i| (0..d).map(|j| {
            (0..d).flat_map(|p| (0..d).map(move |q| (p, q))).map(|(p, q)| l[p][i] * b[p][q] * l[q][j]).sum()
        }).collect()).collect();
        let root: f64 = eigenvalues(product).iter().map(|value| value.max(0.0).sqrt()).sum();
        let trace: f64 = (0..d).map(|i| a[i][i] + b[i][i]).sum();
        let expected = squared(&mean_and_std(&rows).0, &mean_and_std(&subset).0) + trace - 2.0 * root;
        let points = Points::new(&values, d).unwrap();
        for announced in [1, d + 1] {
            let found = Target::new(&points, announced, 0.0).distance(&candidate);
            assert_close("distance", &[found], &[expected], 1e-6);
        }
    }
}

/// xᵀ Σ⁻¹ x and det Σ by the Cholesky factor.
fn quadratic_form(sigma: &[Vec<f64>], x: &[f64]) -> (f64, f64) {
    let l = cholesky(sigma);
    let mut solved: Vec<f64> = Vec::new();
    for i in 0..x.len() {
        let known: f64 = (0..i).map(|j| l[i][j] * solved[j]).sum();
        solved.push((x[i] - known) / l[i][i]);
    }
    let determinant = (0..x.len()).map(|i| l[i][i].powi(2)).product();
    (solved.iter().map(|value| value * value).sum(), determinant)
}

fn cholesky(a: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = a.len();
    let mut l = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            l[i][j] = if i == j {
                (a[i][i] - known).max(0.0).sqrt()
            } else if l[j][j] > 0.0 {
                (a[i][j] - known) / l[j][j]
            } else {
                0.0
            };
        }
    }
    l
}
