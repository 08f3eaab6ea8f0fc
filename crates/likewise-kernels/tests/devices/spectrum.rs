//! Singular values: the kernel, the loops and the twin against nalgebra's in double precision.

use burn::tensor::{Device, Tensor, TensorData};
use likewise_kernels::{singular_values, singular_values_twin};
use nalgebra::DMatrix;

use crate::support::{Case, assert_close, numbers, tensor, values};

/// Error of a value that is allowed, relative to the largest value.
const TOLERANCE: f64 = 5e-7;

/// The twin turns vectors by rotations of single precision, one after the other.
const TWIN_TOLERANCE: f64 = 2e-6;

/// A matrix in single precision.
#[derive(Clone)]
struct Matrix {
    values: Vec<f32>,
    shape: [usize; 2],
}

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = matrices().into_iter().map(agreement).collect();
    cases.extend(small_matrices().into_iter().map(twin_agreement));
    cases.extend([
        Case::new("spectrum::what_is_not_finite_spreads", spreads),
        Case::new("spectrum::large_and_small_numbers", scales),
        Case::new("spectrum::an_empty_matrix_has_no_values", empty),
        Case::new("spectrum::the_order_of_rows_is_nothing", order),
    ]);
    cases
}

fn matrices() -> Vec<(&'static str, Matrix)> {
    vec![
        ("one_number", random([1, 1])),
        ("one_row", random([1, 70])),
        ("one_column", random([70, 1])),
        ("two_rows", random([2, 3])),
        ("fewer_rows_than_columns", random([37, 50])),
        ("fewer_columns_than_rows", random([300, 33])),
        ("a_full_block", random([64, 32])),
        ("square", random([65, 65])),
        ("a_batch_of_embeddings", normalised(random([112, 128]))),
        ("wide_embeddings", normalised(random([200, 512]))),
        ("zeros", diagonal(&[0.0; 20], [20, 30])),
        ("a_rank_of_5", rank(5, [90, 40])),
        ("duplicates", repeated(random([30, 64]), 3)),
        ("equal_rows", repeated(random([1, 24]), 40)),
        ("orthogonal_rows", mixed(&[1.0; 48], [48, 64])),
        ("nearly_flat", mixed(&geometric(64, 0.9999), [80, 64])),
        ("geometric", mixed(&geometric(40, 0.7), [200, 40])),
        ("steep", mixed(&geometric(128, 0.8), [128, 128])),
        ("collapsed", mixed(&collapsed(96), [112, 96])),
    ]
}

/// For the twin, which takes long on GPUs.
fn small_matrices() -> Vec<(&'static str, Matrix)> {
    vec![
        ("one_number", random([1, 1])),
        ("one_row", random([1, 70])),
        ("two_columns", random([5, 2])),
        ("three_rows", random([3, 5])),
        ("fewer_columns_than_rows", random([40, 12])),
        ("a_rank_of_2", rank(2, [9, 6])),
        ("geometric", mixed(&geometric(6, 0.1), [6, 10])),
    ]
}

fn agreement((name, matrix): (&'static str, Matrix)) -> Case {
    Case::new(format!("spectrum::{name}"), move |device| {
        let matrix = matrix.clone();
        async move { check(&matrix, singular_values, TOLERANCE, &device).await }
    })
}

fn twin_agreement((name, matrix): (&'static str, Matrix)) -> Case {
    Case::new(format!("spectrum::twin::{name}"), move |device| {
        let matrix = matrix.clone();
        async move { check(&matrix, singular_values_twin, TWIN_TOLERANCE, &device).await }
    })
}

async fn check(
    matrix: &Matrix,
    compute: fn(Tensor<2>) -> Tensor<1>,
    tolerance: f64,
    device: &Device,
) {
    let actual = values(compute(matrix.on(device))).await;
    let expected = matrix.singular_values();
    assert_eq!(actual.len(), expected.len(), "number of values");
    assert!(actual.is_sorted_by(|a, b| a >= b), "order: {actual:?}");
    let largest = expected[0];
    let allowed = tolerance * largest;
    assert_close("value", &actual, &expected, allowed, 0.0);

    // What ρ is off by, to first order: the mean of the values' relative errors and the relative
    // error of their sum, which is no larger.
    if expected.iter().all(|value| *value > 1e-4 * largest) {
        let errors = expected.iter().map(|value| allowed / value);
        let allowed = 2.0 * errors.sum::<f64>() / expected.len() as f64;
        let (actual, expected) = (flatness(&actual), flatness(&expected));
        let error = (actual - expected).abs();
        assert!(
            error <= allowed,
            "rho: {actual} instead of {expected} (allowed {allowed:e})"
        );
    }
}

/// KL(U‖S) of the spectrum normalised to sum 1.
fn flatness(values: &[f64]) -> f64 {
    let (count, sum) = (values.len() as f64, values.iter().sum::<f64>());
    let logarithms = values.iter().map(|value| (value / sum).ln());
    -count.ln() - logarithms.sum::<f64>() / count
}

async fn spreads(device: Device) {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in [0, 5 * 40 + 7, 20 * 40 - 1] {
            let mut matrix = random([20, 40]);
            matrix.values[place] = value;
            let actual = values(singular_values(matrix.on(&device))).await;
            assert_eq!(actual.len(), 20);
            let all = actual.iter().all(|value| value.is_nan());
            assert!(all, "{value} at {place}: {actual:?}");
        }
        let mut matrix = random([3, 4]);
        matrix.values[7] = value;
        let actual = values(singular_values_twin(matrix.on(&device))).await;
        assert!(
            actual.iter().all(|value| value.is_nan()),
            "{value}: {actual:?}"
        );
    }
}

async fn scales(device: Device) {
    for exponent in [-100, -20, 20, 100] {
        let mut matrix = random([25, 20]);
        for value in &mut matrix.values {
            *value *= 2f32.powi(exponent);
        }
        check(&matrix, singular_values, TOLERANCE, &device).await;
    }
}

async fn empty(device: Device) {
    for shape in [[0, 5], [5, 0], [0, 0]] {
        for compute in [singular_values, singular_values_twin] {
            assert_eq!(compute(Tensor::zeros(shape, &device)).dims(), [0]);
        }
    }
}

async fn order(device: Device) {
    let matrix = random([45, 60]);
    let mut rows: Vec<&[f32]> = matrix.values.chunks_exact(60).collect();
    rows.reverse();
    let reversed = Matrix {
        values: rows.concat(),
        shape: matrix.shape,
    };
    let forwards = values(singular_values(matrix.on(&device))).await;
    let backwards = values(singular_values(reversed.on(&device))).await;
    // The same matrix seen as a transposed one of other memory layout.
    let columns: Vec<f32> = (0..60)
        .flat_map(|column| matrix.values.iter().skip(column).step_by(60).copied())
        .collect();
    let transposed = tensor(&columns, [60, 45], &device).transpose();
    let transposed = values(singular_values(transposed)).await;
    let again = values(singular_values(matrix.on(&device))).await;
    assert_eq!(forwards, again);
    assert_eq!(forwards, transposed);
    assert_close("rows", &backwards, &forwards, TOLERANCE * forwards[0], 0.0);
}

impl Matrix {
    fn on(&self, device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(self.values.clone(), self.shape), device)
    }

    fn double(&self) -> DMatrix<f64> {
        let [rows, columns] = self.shape;
        DMatrix::from_row_iterator(rows, columns, self.values.iter().copied().map(f64::from))
    }

    /// The largest first.
    fn singular_values(&self) -> Vec<f64> {
        let found = self.double().singular_values();
        let mut values: Vec<f64> = found.iter().copied().collect();
        values.sort_by(|a, b| b.total_cmp(a));
        values
    }
}

fn random(shape: [usize; 2]) -> Matrix {
    Matrix {
        values: numbers(shape[0] * shape[1], (shape[0] * 1000 + shape[1]) as u64),
        shape,
    }
}

/// Rows of norm 1.
fn normalised(mut matrix: Matrix) -> Matrix {
    for row in matrix.values.chunks_exact_mut(matrix.shape[1]) {
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        row.iter_mut().for_each(|value| *value /= norm);
    }
    matrix
}

fn rank(rank: usize, [rows, columns]: [usize; 2]) -> Matrix {
    let product = random([rows, rank]).double() * random([rank, columns]).double();
    single(&product)
}

fn repeated(matrix: Matrix, times: usize) -> Matrix {
    let [rows, columns] = matrix.shape;
    Matrix {
        values: matrix.values.repeat(times),
        shape: [rows * times, columns],
    }
}

fn geometric(count: usize, ratio: f64) -> Vec<f64> {
    (0..count).map(|i| ratio.powi(i as i32)).collect()
}

/// One direction a hundred times as strong as all others.
fn collapsed(count: usize) -> Vec<f64> {
    let mut values = vec![0.01; count];
    values[0] = 1.0;
    values
}

fn diagonal(values: &[f64], [rows, columns]: [usize; 2]) -> Matrix {
    let mut matrix = DMatrix::zeros(rows, columns);
    for (i, &value) in values.iter().enumerate() {
        matrix[(i, i)] = value;
    }
    single(&matrix)
}

/// A matrix with about these singular values, in directions of no order.
fn mixed(values: &[f64], shape: [usize; 2]) -> Matrix {
    let [rows, columns] = shape;
    let basis = |size| random([size, size]).double().qr().q();
    single(&(basis(rows) * diagonal(values, shape).double() * basis(columns)))
}

fn single(matrix: &DMatrix<f64>) -> Matrix {
    Matrix {
        values: matrix
            .transpose()
            .iter()
            .map(|&value| value as f32)
            .collect(),
        shape: [matrix.nrows(), matrix.ncols()],
    }
}
