//! Every measure and its gradients in loops, in double precision.

use likewise_kernels::Measure;

use crate::support::numbers;

/// Measures of rows of x with rows of y, and the gradients for x and y given that of the measures.
pub struct Loops {
    pub distance: Vec<f64>,
    pub x_gradient: Vec<f64>,
    pub y_gradient: Vec<f64>,
}

/// `[rows, columns]` numbers in [−1, 1), the same on every machine.
pub fn matrix(rows: usize, columns: usize, seed: u64) -> Vec<f32> {
    numbers(rows * columns, seed)
}

pub fn wide(data: &[f32]) -> Vec<f64> {
    data.iter().map(|&value| f64::from(value)).collect()
}

pub fn loops(
    measure: Measure,
    x: &[f32],
    y: &[f32],
    weight: &[f64],
    [n, m, d]: [usize; 3],
) -> Loops {
    let mut result = Loops {
        distance: vec![0.0; n * m],
        x_gradient: vec![0.0; n * d],
        y_gradient: vec![0.0; m * d],
    };
    for i in 0..n {
        for j in 0..m {
            let (a, b) = (wide(&x[i * d..][..d]), wide(&y[j * d..][..d]));
            let (value, slopes) = pair(measure, &a, &b);
            result.distance[i * m + j] = value;
            for (k, [x_slope, y_slope]) in slopes.into_iter().enumerate() {
                result.x_gradient[i * d + k] += weight[i * m + j] * x_slope;
                result.y_gradient[j * d + k] += weight[i * m + j] * y_slope;
            }
        }
    }
    result
}

/// The measure of two rows, and for each component its derivatives by that of either row.
fn pair(measure: Measure, a: &[f64], b: &[f64]) -> (f64, Vec<[f64; 2]>) {
    let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    let by_components = |slope: &dyn Fn(f64, f64) -> [f64; 2]| {
        a.iter().zip(b).map(|(&a, &b)| slope(a, b)).collect()
    };
    match measure {
        Measure::SquaredEuclidean => (
            square,
            by_components(&|a, b| [2.0 * (a - b), 2.0 * (b - a)]),
        ),
        Measure::Euclidean => {
            let root = square.sqrt();
            let scale = if root == 0.0 { 0.0 } else { root.recip() };
            let slopes = by_components(&|a, b| [scale * (a - b), scale * (b - a)]);
            (root, slopes)
        }
        Measure::DotProduct => (product(a, b), by_components(&|a, b| [b, a])),
        Measure::Cosine => {
            let [a_norm, b_norm] = [a, b].map(|row| product(row, row).sqrt());
            if a_norm == 0.0 || b_norm == 0.0 {
                return (1.0, vec![[0.0; 2]; a.len()]);
            }
            let cosine = product(a, b) / (a_norm * b_norm);
            let slopes = by_components(&|a, b| {
                [
                    (cosine * a / a_norm - b / b_norm) / a_norm,
                    (cosine * b / b_norm - a / a_norm) / b_norm,
                ]
            });
            (1.0 - cosine, slopes)
        }
    }
}
