//! Every measure against loops in double precision, with and without what surrounds it in training.

mod loops;
mod squared;

use burn::tensor::{Device, Tensor};
use likewise_kernels::{Measure, pairwise_distance, pairwise_distance_twin};

use crate::support::{Case, assert_close, tensor, values};
use loops::{Loops, loops, matrix, wide};

/// Rows of x, rows of y, components: single elements, one less and one more than a tile and than a
/// vector, batches of the papers, long rows.
const SIZES: [[usize; 3]; 16] = [
    [1, 1, 1],
    [1, 40, 3],
    [5, 3, 2],
    [15, 16, 17],
    [16, 17, 15],
    [17, 15, 16],
    [31, 33, 32],
    [32, 32, 31],
    [33, 31, 33],
    [65, 4, 31],
    [4, 65, 33],
    [64, 31, 40],
    [112, 128, 128],
    [130, 65, 300],
    [9, 257, 48],
    [3, 5, 2048],
];

/// Sizes at which gradients of products are compared as well: they are Burn's matrix products, each
/// of which is tuned on a WGSL device, slowly.
const PRODUCT_GRADIENTS: [[usize; 3]; 4] = [[1, 1, 1], [17, 15, 16], [33, 31, 33], [112, 128, 128]];

type Operation = fn(Tensor<2>, Tensor<2>, Measure) -> Tensor<2>;

pub fn cases() -> Vec<Case> {
    let mut cases = squared::cases();
    for [n, m, d] in SIZES {
        cases.push(Case::new(
            format!("pairwise_distance::{n}x{m}x{d}"),
            move |device| against_loops(device, [n, m, d], pairwise_distance),
        ));
    }
    cases.extend([
        Case::new("pairwise_distance::twin", |device| {
            against_loops(device, [17, 15, 16], pairwise_distance_twin)
        }),
        Case::new("pairwise_distance::twin_in_blocks", |device| {
            against_loops(device, [300, 250, 64], pairwise_distance_twin)
        }),
        Case::new(
            "pairwise_distance::of_rows_with_themselves",
            with_themselves,
        ),
        Case::new("pairwise_distance::of_zero_rows", zero_rows),
        Case::new("pairwise_distance::cosine_of_extreme_rows", extreme_rows),
        Case::new(
            "pairwise_distance::gradient_at_coincident_rows",
            gradient_at_coincident_rows,
        ),
        Case::new("pairwise_distance::with_one_constant", one_constant),
        Case::new("pairwise_distance::with_checkpointing", checkpointing),
        Case::new("pairwise_distance::of_not_a_number", not_a_number),
        Case::new("pairwise_distance::without_rows", without_rows),
        Case::new("pairwise_distance::more_tiles_than_workgroups", many_rows),
    ]);
    cases
}

/// Distances, and gradients of a sum of them weighted by numbers of `[n, m]`.
async fn computed(
    operation: Operation,
    measure: Measure,
    [x, y]: [Tensor<2>; 2],
    weight: Tensor<2>,
) -> Loops {
    let distance = operation(x.clone(), y.clone(), measure);
    assert_eq!(distance.dims(), [x.dims()[0], y.dims()[0]]);
    let gradients = (distance.clone() * weight).sum().backward();
    Loops {
        distance: values(distance.inner()).await,
        x_gradient: values(x.grad(&gradients).expect("gradient for x")).await,
        y_gradient: values(y.grad(&gradients).expect("gradient for y")).await,
    }
}

fn assert_same(measure: Measure, components: usize, actual: &Loops, expected: &Loops) {
    let what = |part: &str| format!("{measure:?}, {part}");
    let absolute = match measure {
        Measure::SquaredEuclidean | Measure::Euclidean => 0.0,
        Measure::Cosine => 2e-6,
        Measure::DotProduct => 1e-6 * components as f64,
    };
    assert_close(
        &what("values"),
        &actual.distance,
        &expected.distance,
        absolute,
        1e-5,
    );
    for (part, actual, expected) in [
        ("gradient for x", &actual.x_gradient, &expected.x_gradient),
        ("gradient for y", &actual.y_gradient, &expected.y_gradient),
    ] {
        assert_close(&what(part), actual, expected, 1e-4, 1e-5);
        assert_close_norm(&what(part), actual, expected, 2e-6);
    }
}

/// ‖actual − expected‖ ≤ relative · ‖expected‖, besides rounding of what should be zero.
fn assert_close_norm(what: &str, actual: &[f64], expected: &[f64], relative: f64) {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut actual.iter().zip(expected).map(|(a, e)| a - e));
    let allowed = 1e-5 + relative * norm(&mut expected.iter().copied());
    assert!(
        difference <= allowed,
        "{what}: differs by {difference:e} in norm (allowed {allowed:e})"
    );
}

async fn against_loops(device: Device, [n, m, d]: [usize; 3], operation: Operation) {
    let device = device.autodiff();
    let (x, y, weight) = (matrix(n, d, 1), matrix(m, d, 2), matrix(n, m, 3));
    for measure in Measure::ALL {
        let mut expected = loops(measure, &x, &y, &wide(&weight), [n, m, d]);
        let inputs = [
            tensor(&x, [n, d], &device).require_grad(),
            tensor(&y, [m, d], &device).require_grad(),
        ];
        let products = matches!(measure, Measure::Cosine | Measure::DotProduct);
        let actual = if products && !PRODUCT_GRADIENTS.contains(&[n, m, d]) {
            let [x, y] = inputs;
            expected.x_gradient.clear();
            expected.y_gradient.clear();
            Loops {
                distance: values(operation(x, y, measure).inner()).await,
                x_gradient: Vec::new(),
                y_gradient: Vec::new(),
            }
        } else {
            let weight = tensor(&weight, [n, m], &device);
            computed(operation, measure, inputs, weight).await
        };
        assert_same(measure, d, &actual, &expected);
    }
}

/// The same tensor in both roles: exact symmetry, exact zeros of distances, and gradients of both
/// roles added up.
async fn with_themselves(device: Device) {
    let device = device.autodiff();
    for [n, d] in [[1, 1], [17, 33], [40, 9], [70, 3], [112, 128], [203, 65]] {
        for measure in Measure::ALL {
            let (data, weight) = (matrix(n, d, 4), matrix(n, n, 5));
            let mut expected = loops(measure, &data, &data, &wide(&weight), [n, n, d]);
            let both = expected.x_gradient.iter().zip(&expected.y_gradient);
            expected.x_gradient = both.map(|(x, y)| x + y).collect();
            let x = tensor(&data, [n, d], &device).require_grad();
            let weight = tensor(&weight, [n, n], &device);
            let mut actual = computed(pairwise_distance, measure, [x.clone(), x], weight).await;
            actual.y_gradient.clone_from(&expected.y_gradient);
            assert_same(measure, d, &actual, &expected);
            if matches!(measure, Measure::SquaredEuclidean | Measure::Euclidean) {
                assert_symmetric(&actual.distance, n);
            }
        }
    }
}

fn assert_symmetric(distance: &[f64], n: usize) {
    for i in 0..n {
        assert_eq!(distance[i * n + i], 0.0, "diagonal, row {i}");
        for j in 0..i {
            let pair = [i * n + j, j * n + i].map(|index| distance[index]);
            assert_eq!(pair[0], pair[1], "symmetry, {i} and {j}");
        }
    }
}

/// Zero rows have a cosine distance of 1 to every row and to each other, and no gradient.
async fn zero_rows(device: Device) {
    let device = device.autodiff();
    let [n, m, d] = [9, 35, 20];
    let (mut x, mut y, weight) = (matrix(n, d, 26), matrix(m, d, 27), matrix(n, m, 28));
    x[3 * d..4 * d].fill(0.0);
    y[33 * d..34 * d].fill(-0.0);
    for operation in [pairwise_distance as Operation, pairwise_distance_twin] {
        let expected = loops(Measure::Cosine, &x, &y, &wide(&weight), [n, m, d]);
        let inputs = [
            tensor(&x, [n, d], &device).require_grad(),
            tensor(&y, [m, d], &device).require_grad(),
        ];
        let weight = tensor(&weight, [n, m], &device);
        let actual = computed(operation, Measure::Cosine, inputs, weight).await;
        assert_same(Measure::Cosine, d, &actual, &expected);
        assert_eq!(actual.distance[3 * m..4 * m], vec![1.0; m]);
        assert_eq!(actual.x_gradient[3 * d..4 * d], vec![0.0; d]);
        assert_eq!(actual.y_gradient[33 * d..34 * d], vec![0.0; d]);
    }
}

/// Cosines of rows whose squares are beyond single precision.
async fn extreme_rows(device: Device) {
    let [n, d] = [12, 20];
    let mut x = matrix(n, d, 29);
    for (row, scale) in x.chunks_mut(d).zip([1e-30, 1e30, 1.0].into_iter().cycle()) {
        row.iter_mut().for_each(|value| *value *= scale);
    }
    let expected = loops(Measure::Cosine, &x, &x, &vec![0.0; n * n], [n, n, d]);
    let x = tensor(&x, [n, d], &device);
    let actual = values(pairwise_distance(x.clone(), x, Measure::Cosine)).await;
    assert_close("distance", &actual, &expected.distance, 2e-6, 0.0);
}

/// Coincident rows add nothing to the gradient of Euclidean distances, not even if what follows has
/// an infinite slope at 0.
async fn gradient_at_coincident_rows(device: Device) {
    let device = device.autodiff();
    let [n, d] = [20, 18];
    let data = matrix(n, d, 30);
    // Of the sum of the roots of all distances.
    let distance = loops(
        Measure::Euclidean,
        &data,
        &data,
        &vec![0.0; n * n],
        [n, n, d],
    )
    .distance;
    let slope: Vec<f64> = (0..n * n)
        .map(|index| {
            if index / n == index % n {
                0.0
            } else {
                0.5 / distance[index].sqrt()
            }
        })
        .collect();
    let expected = loops(Measure::Euclidean, &data, &data, &slope, [n, n, d]);
    for operation in [pairwise_distance as Operation, pairwise_distance_twin] {
        let x = tensor(&data, [n, d], &device).require_grad();
        let y = tensor(&data, [n, d], &device).require_grad();
        let roots = operation(x.clone(), y.clone(), Measure::Euclidean).sqrt();
        let gradients = roots.sum().backward();
        let x_gradient = values(x.grad(&gradients).expect("gradient for x")).await;
        let y_gradient = values(y.grad(&gradients).expect("gradient for y")).await;
        assert_close("for x", &x_gradient, &expected.x_gradient, 1e-4, 1e-5);
        assert_close("for y", &y_gradient, &expected.y_gradient, 1e-4, 1e-5);
    }
}

/// Only one of the inputs is a parameter, as with proxies or centroids.
async fn one_constant(device: Device) {
    let device = device.autodiff();
    let [n, m, d] = [19, 7, 12];
    let (x_data, y_data, weight) = (matrix(n, d, 13), matrix(m, d, 14), matrix(n, m, 15));
    for measure in Measure::ALL {
        let expected = loops(measure, &x_data, &y_data, &wide(&weight), [n, m, d]);
        let x = tensor(&x_data, [n, d], &device);
        let y = tensor(&y_data, [m, d], &device);
        let loss = |x: &Tensor<2>, y: &Tensor<2>| {
            let distance = pairwise_distance(x.clone(), y.clone(), measure);
            (distance * tensor(&weight, [n, m], &device)).sum()
        };

        let parameter = x.clone().require_grad();
        let gradients = loss(&parameter, &y).backward();
        assert!(y.grad(&gradients).is_none());
        let gradient = values(parameter.grad(&gradients).expect("gradient for x")).await;
        assert_close("for x", &gradient, &expected.x_gradient, 1e-4, 1e-5);

        let parameter = y.clone().require_grad();
        let gradients = loss(&x, &parameter).backward();
        assert!(x.grad(&gradients).is_none());
        let gradient = values(parameter.grad(&gradients).expect("gradient for y")).await;
        assert_close("for y", &gradient, &expected.y_gradient, 1e-4, 1e-5);
    }
}

/// Inputs that are recomputed in the backward pass.
async fn checkpointing(device: Device) {
    let device = device.autodiff().gradient_checkpointing();
    let [n, m, d] = [19, 18, 20];
    let (x_data, y_data, weight) = (matrix(n, d, 16), matrix(m, d, 17), matrix(n, m, 18));
    let scaled: Vec<f32> = x_data.iter().map(|value| value * 0.5).collect();
    for measure in Measure::ALL {
        let expected = loops(measure, &scaled, &y_data, &wide(&weight), [n, m, d]);
        let x = tensor(&x_data, [n, d], &device).require_grad();
        let y = tensor(&y_data, [m, d], &device).require_grad();
        let distance = pairwise_distance(x.clone() * 0.5, y.clone(), measure);
        let gradients = (distance * tensor(&weight, [n, m], &device))
            .sum()
            .backward();
        let halves: Vec<f64> = expected.x_gradient.iter().map(|g| g * 0.5).collect();
        let x_gradient = values(x.grad(&gradients).expect("gradient for x")).await;
        let y_gradient = values(y.grad(&gradients).expect("gradient for y")).await;
        assert_close("for x", &x_gradient, &halves, 1e-4, 1e-5);
        assert_close("for y", &y_gradient, &expected.y_gradient, 1e-4, 1e-5);
    }
}

/// A number that is none spoils the distances of its row and no other.
async fn not_a_number(device: Device) {
    let [n, d] = [20, 18];
    let mut data = matrix(n, d, 19);
    data[3 * d + 7] = f32::NAN;
    let y = matrix(n, d, 20);
    for measure in Measure::ALL {
        let (x, y) = (tensor(&data, [n, d], &device), tensor(&y, [n, d], &device));
        let distance = values(pairwise_distance(x, y, measure)).await;
        for (index, value) in distance.into_iter().enumerate() {
            let spoilt = index / n == 3;
            assert_eq!(value.is_nan(), spoilt, "{measure:?}, {index}: {value}");
        }
    }
}

/// No rows give no distances; no components, those of zero rows.
async fn without_rows(device: Device) {
    let device = device.autodiff();
    let none = Tensor::<2>::zeros([0, 4], &device);
    let some = tensor(&matrix(3, 4, 21), [3, 4], &device);
    let narrow = Tensor::<2>::zeros([2, 0], &device);
    for measure in Measure::ALL {
        let distance = pairwise_distance(none.clone(), some.clone(), measure);
        assert_eq!(distance.dims(), [0, 3]);
        let distance = pairwise_distance(some.clone(), none.clone(), measure);
        assert_eq!(distance.dims(), [3, 0]);
        let distance = pairwise_distance(narrow.clone(), narrow.clone(), measure);
        let of_zero_rows = if measure == Measure::Cosine { 1.0 } else { 0.0 };
        assert_eq!(values(distance.inner()).await, [of_zero_rows; 4]);
    }
}

/// More tiles than a dispatch has workgroups along one dimension.
async fn many_rows(device: Device) {
    let device = device.autodiff();
    let n = 65_537 * 32 + 5;
    let data = matrix(n, 1, 31);
    let x = tensor(&data, [n, 1], &device).require_grad();
    let y = tensor(&[0.25], [1, 1], &device);
    let distance = pairwise_distance(x.clone(), y, Measure::SquaredEuclidean);
    let gradients = distance.clone().sum().backward();
    let distance = values(distance.inner()).await;
    let gradient = values(x.grad(&gradients).expect("gradient")).await;
    for (index, &value) in data.iter().enumerate() {
        let difference = f64::from(value) - 0.25;
        let off = (distance[index] - difference * difference).abs();
        assert!(off < 1e-6, "distance {index}: {}", distance[index]);
        let off = (gradient[index] - 2.0 * difference).abs();
        assert!(off < 1e-6, "gradient {index}: {}", gradient[index]);
    }
}
