//! Squared distances as training uses them: of near and coincident rows, with weights of which
//! nearly all are zero, between other operations.

use burn::tensor::{Device, Tensor};
use likewise_kernels::Measure::SquaredEuclidean;
use likewise_kernels::pairwise_squared_distance;

use super::loops::{loops, matrix, wide};
use crate::support::{Case, assert_close, tensor, values};

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("pairwise_distance::of_strided_rows", strided),
        Case::new("pairwise_distance::gradient_of_few_pairs", few_pairs),
        Case::new(
            "pairwise_distance::gradient_of_not_a_number",
            gradient_of_not_a_number,
        ),
        Case::new("pairwise_distance::of_coincident_rows", coincident),
        Case::new("pairwise_distance::of_near_rows", near),
        Case::new(
            "pairwise_distance::between_other_operations",
            between_operations,
        ),
    ]
}

/// Transposed, sliced and repeated inputs, and a transposed gradient.
async fn strided(device: Device) {
    let device = device.autodiff();
    let [n, m, d] = [21, 18, 19];
    let (x_data, y_data, weight) = (matrix(d, n, 6), matrix(m + 7, d, 7), matrix(m, n, 8));
    let transposed = |data: &[f32], [rows, columns]: [usize; 2]| -> Vec<f32> {
        (0..rows * columns)
            .map(|i| data[i % rows * columns + i / rows])
            .collect()
    };
    let x_rows = transposed(&x_data, [d, n]);
    let y_rows = &y_data[5 * d..(5 + m) * d];
    let expected = loops(
        SquaredEuclidean,
        &x_rows,
        y_rows,
        &wide(&transposed(&weight, [m, n])),
        [n, m, d],
    );

    let x = tensor(&x_data, [d, n], &device).require_grad();
    let y = tensor(&y_data, [m + 7, d], &device).require_grad();
    let distance = pairwise_squared_distance(x.clone().transpose(), y.clone().narrow(0, 5, m));
    let loss = (distance.clone().transpose() * tensor(&weight, [m, n], &device)).sum();
    let gradients = loss.backward();
    assert_close(
        "distance",
        &values(distance.inner()).await,
        &expected.distance,
        0.0,
        1e-5,
    );
    let x_gradient = values(x.grad(&gradients).expect("gradient for x").transpose()).await;
    let y_gradient = values(y.grad(&gradients).expect("gradient for y").narrow(0, 5, m)).await;
    assert_close(
        "gradient for x",
        &x_gradient,
        &expected.x_gradient,
        1e-4,
        1e-5,
    );
    assert_close(
        "gradient for y",
        &y_gradient,
        &expected.y_gradient,
        1e-4,
        1e-5,
    );

    // One row, repeated without a copy.
    let row = tensor(&x_data[..d], [1, d], &device).expand([40, d]);
    let distance = values(pairwise_squared_distance(row.clone(), row).inner()).await;
    assert_eq!(distance, vec![0.0; 1600]);
}

/// Weights of which nearly all are zero, as after mining.
async fn few_pairs(device: Device) {
    let device = device.autodiff();
    let [n, d] = [150, 40];
    let (data, mut weight) = (matrix(n, d, 22), matrix(n, n, 23));
    for (index, value) in weight.iter_mut().enumerate() {
        if !index.is_multiple_of(197) {
            *value = if index.is_multiple_of(2) { 0.0 } else { -0.0 };
        }
    }
    let expected = loops(SquaredEuclidean, &data, &data, &wide(&weight), [n, n, d]);
    let both: Vec<f64> = expected
        .x_gradient
        .iter()
        .zip(&expected.y_gradient)
        .map(|(x, y)| x + y)
        .collect();
    let x = tensor(&data, [n, d], &device).require_grad();
    let loss = |y: Tensor<2>| {
        (pairwise_squared_distance(x.clone(), y) * tensor(&weight, [n, n], &device)).sum()
    };

    let gradients = loss(x.clone()).backward();
    let gradient = values(x.grad(&gradients).expect("gradient")).await;
    assert_close("to itself", &gradient, &both, 1e-5, 1e-5);

    let y = tensor(&data, [n, d], &device).require_grad();
    let gradients = loss(y.clone()).backward();
    let x_gradient = values(x.grad(&gradients).expect("gradient for x")).await;
    let y_gradient = values(y.grad(&gradients).expect("gradient for y")).await;
    assert_close("for x", &x_gradient, &expected.x_gradient, 1e-5, 1e-5);
    assert_close("for y", &y_gradient, &expected.y_gradient, 1e-5, 1e-5);
}

/// A row that is not a number makes the gradients of the rows it is compared with none either, even
/// where the weight is zero: it cannot be overlooked.
async fn gradient_of_not_a_number(device: Device) {
    let device = device.autodiff();
    let [n, m, d] = [20, 70, 18];
    for odd in [f32::NAN, f32::INFINITY] {
        let mut y = matrix(m, d, 24);
        y[66 * d + 5] = odd;
        let x = tensor(&matrix(n, d, 25), [n, d], &device).require_grad();
        let distance = pairwise_squared_distance(x.clone(), tensor(&y, [m, d], &device));
        let gradients = (distance * Tensor::<2>::zeros([n, m], &device))
            .sum()
            .backward();
        let gradient = values(x.grad(&gradients).expect("gradient")).await;
        for (index, value) in gradient.into_iter().enumerate() {
            assert_eq!(value.is_nan(), index % d == 5, "element {index}: {value}");
        }
    }
}

/// Equal rows of different tensors: distance and gradient are exactly zero.
async fn coincident(device: Device) {
    let device = device.autodiff();
    let d = 37;
    let data: Vec<f32> = matrix(1, d, 9).iter().map(|value| value * 1e3).collect();
    let x = tensor(&data.repeat(20), [20, d], &device).require_grad();
    let y = tensor(&data.repeat(18), [18, d], &device).require_grad();
    let distance = pairwise_squared_distance(x.clone(), y.clone());
    let gradients = distance.clone().sum().backward();
    assert_eq!(values(distance.inner()).await, vec![0.0; 20 * 18]);
    assert_eq!(
        values(x.grad(&gradients).expect("gradient for x")).await,
        vec![0.0; 20 * d]
    );
    assert_eq!(
        values(y.grad(&gradients).expect("gradient for y")).await,
        vec![0.0; 18 * d]
    );
}

/// Rows far from zero and near to each other: inner products would lose every digit.
async fn near(device: Device) {
    let [n, d] = [18, 20];
    let steps: Vec<f32> = matrix(n, d, 10)
        .iter()
        .map(|value| (value * 64.0).round())
        .collect();
    let data: Vec<f32> = steps.iter().map(|step| 1000.0 + step / 1024.0).collect();
    let x = tensor(&data, [n, d], &device);
    let distance = values(pairwise_squared_distance(x.clone(), x)).await;
    let expected = loops(SquaredEuclidean, &data, &data, &vec![0.0; n * n], [n, n, d]);
    assert_close("distance", &distance, &expected.distance, 0.0, 1e-5);
}

/// Inputs that are results, and a result that is used twice by what follows, as in an objective.
async fn between_operations(device: Device) {
    let device = device.autodiff();
    let [n, d] = [40, 24];
    let (data, weight) = (matrix(n, d, 11), matrix(n, n, 12));
    let mask: Vec<f64> = weight
        .iter()
        .map(|&value| f64::from(u8::from(value > 0.0)))
        .collect();
    let scaled: Vec<f32> = data.iter().map(|value| value * 2.0 + 0.5).collect();
    let distance = loops(
        SquaredEuclidean,
        &scaled,
        &scaled,
        &vec![0.0; n * n],
        [n, n, d],
    )
    .distance;
    // Of the sum of mask · √(distance + 1) + distance / 2.
    let slope: Vec<f64> = distance
        .iter()
        .zip(&mask)
        .map(|(d, mask)| mask / (2.0 * (d + 1.0).sqrt()) + 0.5)
        .collect();
    let expected = loops(SquaredEuclidean, &scaled, &scaled, &slope, [n, n, d]);

    let x = tensor(&data, [n, d], &device).require_grad();
    let moved = x.clone() * 2.0 + 0.5;
    let distance = pairwise_squared_distance(moved.clone(), moved);
    let mask = tensor(&weight, [n, n], &device).greater_elem(0.0).float();
    let terms = (distance.clone() + 1.0).sqrt() * mask.clone() + distance.clone() / 2.0;
    let gradients = terms.clone().sum().backward();

    let terms_expected: Vec<f64> = expected
        .distance
        .iter()
        .zip(values(mask.inner()).await)
        .map(|(distance, mask)| (distance + 1.0).sqrt() * mask + distance / 2.0)
        .collect();
    assert_close(
        "terms",
        &values(terms.inner()).await,
        &terms_expected,
        0.0,
        1e-5,
    );
    assert_close(
        "distance",
        &values(distance.inner()).await,
        &expected.distance,
        0.0,
        1e-5,
    );
    let both: Vec<f64> = expected
        .x_gradient
        .iter()
        .zip(&expected.y_gradient)
        .map(|(x, y)| 2.0 * (x + y))
        .collect();
    let gradient = values(x.grad(&gradients).expect("gradient")).await;
    assert_close("gradient", &gradient, &both, 1e-3, 1e-5);
}
