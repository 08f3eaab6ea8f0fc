//! Kernels against loops in double precision, on each device, with and without what surrounds them
//! in training: other operations before and after, checkpointing, shared and strided inputs.

use burn::tensor::{Device, Tensor};
use likewise_kernels::{pairwise_squared_distance, pairwise_squared_distance_twin};

use crate::support::{Case, assert_close, assert_close_norm, tensor, values};

/// Rows of x, rows of y, components: single elements, one less and one more than a tile and than a
/// vector, batches of the papers.
const SIZES: [[usize; 3]; 12] = [
    [1, 1, 1],
    [1, 40, 3],
    [5, 3, 2],
    [15, 16, 17],
    [16, 17, 15],
    [17, 15, 16],
    [33, 4, 31],
    [4, 33, 33],
    [64, 31, 40],
    [112, 128, 128],
    [130, 65, 300],
    [9, 257, 48],
];

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES
        .into_iter()
        .map(|[n, m, d]| {
            Case::new(
                format!("kernels::pairwise_distance_{n}x{m}x{d}"),
                move |device| {
                    against_loops(device, [n, m, d], pairwise_squared_distance);
                },
            )
        })
        .collect();
    cases.extend([
        Case::new("kernels::pairwise_distance_twin", |device| {
            against_loops(device, [17, 15, 16], pairwise_squared_distance_twin);
            against_loops(device, [5, 3, 2], pairwise_squared_distance_twin);
        }),
        Case::new("kernels::pairwise_distance_twin_in_blocks", |device| {
            against_loops(device, [300, 250, 64], pairwise_squared_distance_twin);
        }),
        Case::new(
            "kernels::pairwise_distance_of_rows_with_themselves",
            with_themselves,
        ),
        Case::new("kernels::pairwise_distance_of_strided_rows", strided),
        Case::new(
            "kernels::pairwise_distance_gradient_of_few_pairs",
            few_pairs,
        ),
        Case::new(
            "kernels::pairwise_distance_gradient_of_not_a_number",
            gradient_of_not_a_number,
        ),
        Case::new("kernels::pairwise_distance_of_coincident_rows", coincident),
        Case::new("kernels::pairwise_distance_of_near_rows", near),
        Case::new(
            "kernels::pairwise_distance_between_other_operations",
            between_operations,
        ),
        Case::new("kernels::pairwise_distance_with_one_constant", one_constant),
        Case::new(
            "kernels::pairwise_distance_with_checkpointing",
            checkpointing,
        ),
        Case::new("kernels::pairwise_distance_of_not_a_number", not_a_number),
        Case::new("kernels::pairwise_distance_without_rows", without_rows),
    ]);
    cases
}

/// `[rows, columns]` numbers in [−1, 1], the same on every machine.
fn matrix(rows: usize, columns: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // Xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..rows * columns).map(|_| next()).collect()
}

/// Distances of rows of x to rows of y, and the gradients for x and y given that of the distances.
struct Loops {
    distance: Vec<f64>,
    x_gradient: Vec<f64>,
    y_gradient: Vec<f64>,
}

fn loops(x: &[f32], y: &[f32], weight: &[f64], [n, m, d]: [usize; 3]) -> Loops {
    let mut result = Loops {
        distance: vec![0.0; n * m],
        x_gradient: vec![0.0; n * d],
        y_gradient: vec![0.0; m * d],
    };
    for i in 0..n {
        for j in 0..m {
            for k in 0..d {
                let difference = f64::from(x[i * d + k]) - f64::from(y[j * d + k]);
                result.distance[i * m + j] += difference * difference;
                result.x_gradient[i * d + k] += 2.0 * weight[i * m + j] * difference;
                result.y_gradient[j * d + k] -= 2.0 * weight[i * m + j] * difference;
            }
        }
    }
    result
}

fn wide(data: &[f32]) -> Vec<f64> {
    data.iter().map(|&value| f64::from(value)).collect()
}

/// Values, and gradients of a weighted sum of the distances.
fn against_loops(
    device: &Device,
    [n, m, d]: [usize; 3],
    operation: fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
) {
    let device = device.clone().autodiff();
    let (x, y, weight) = (matrix(n, d, 1), matrix(m, d, 2), matrix(n, m, 3));
    let expected = loops(&x, &y, &wide(&weight), [n, m, d]);

    let x = tensor(&x, [n, d], &device).require_grad();
    let y = tensor(&y, [m, d], &device).require_grad();
    let distance = operation(x.clone(), y.clone());
    assert_eq!(distance.dims(), [n, m]);
    let loss = (distance.clone() * tensor(&weight, [n, m], &device)).sum();
    let gradients = loss.backward();

    assert_close(
        "distance",
        &values(distance.inner()),
        &expected.distance,
        0.0,
        1e-5,
    );
    let x_gradient = values(x.grad(&gradients).expect("gradient for x"));
    let y_gradient = values(y.grad(&gradients).expect("gradient for y"));
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
    assert_close_norm(
        "gradient for x",
        &x_gradient,
        &expected.x_gradient,
        0.0,
        1e-6,
    );
    assert_close_norm(
        "gradient for y",
        &y_gradient,
        &expected.y_gradient,
        0.0,
        1e-6,
    );
}

/// The same tensor in both roles: exact symmetry and zeros, and gradients of both roles added up.
fn with_themselves(device: &Device) {
    let device = device.clone().autodiff();
    for [n, d] in [[1, 1], [17, 33], [70, 3], [112, 128], [203, 65]] {
        let (data, weight) = (matrix(n, d, 4), matrix(n, n, 5));
        let expected = loops(&data, &data, &wide(&weight), [n, n, d]);
        let x = tensor(&data, [n, d], &device).require_grad();
        let distance = pairwise_squared_distance(x.clone(), x.clone());
        let gradients = (distance.clone() * tensor(&weight, [n, n], &device))
            .sum()
            .backward();

        let distance = values(distance.inner());
        assert_close("distance", &distance, &expected.distance, 0.0, 1e-5);
        for i in 0..n {
            assert_eq!(distance[i * n + i], 0.0, "diagonal, row {i}");
            for j in 0..i {
                assert_eq!(
                    distance[i * n + j],
                    distance[j * n + i],
                    "symmetry, {i} and {j}"
                );
            }
        }
        let both: Vec<f64> = expected
            .x_gradient
            .iter()
            .zip(&expected.y_gradient)
            .map(|(x, y)| x + y)
            .collect();
        let gradient = values(x.grad(&gradients).expect("gradient"));
        assert_close("gradient", &gradient, &both, 1e-4, 1e-5);
    }
}

/// Transposed, sliced and repeated inputs, and a transposed gradient.
fn strided(device: &Device) {
    let device = device.clone().autodiff();
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
        &values(distance.inner()),
        &expected.distance,
        0.0,
        1e-5,
    );
    let x_gradient = values(x.grad(&gradients).expect("gradient for x").transpose());
    let y_gradient = values(y.grad(&gradients).expect("gradient for y").narrow(0, 5, m));
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
    let distance = values(pairwise_squared_distance(row.clone(), row).inner());
    assert_eq!(distance, vec![0.0; 1600]);
}

/// Weights of which nearly all are zero, as after mining.
fn few_pairs(device: &Device) {
    let device = device.clone().autodiff();
    let [n, d] = [150, 40];
    let (data, mut weight) = (matrix(n, d, 22), matrix(n, n, 23));
    for (index, value) in weight.iter_mut().enumerate() {
        if !index.is_multiple_of(197) {
            *value = if index.is_multiple_of(2) { 0.0 } else { -0.0 };
        }
    }
    let expected = loops(&data, &data, &wide(&weight), [n, n, d]);
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
    let gradient = values(x.grad(&gradients).expect("gradient"));
    assert_close("to itself", &gradient, &both, 1e-5, 1e-5);

    let y = tensor(&data, [n, d], &device).require_grad();
    let gradients = loss(y.clone()).backward();
    let x_gradient = values(x.grad(&gradients).expect("gradient for x"));
    let y_gradient = values(y.grad(&gradients).expect("gradient for y"));
    assert_close("for x", &x_gradient, &expected.x_gradient, 1e-5, 1e-5);
    assert_close("for y", &y_gradient, &expected.y_gradient, 1e-5, 1e-5);
}

/// A row that is not a number makes the gradients of the rows it is compared with none either, even
/// where the weight is zero: it cannot be overlooked.
fn gradient_of_not_a_number(device: &Device) {
    let device = device.clone().autodiff();
    let [n, m, d] = [20, 70, 18];
    for odd in [f32::NAN, f32::INFINITY] {
        let mut y = matrix(m, d, 24);
        y[66 * d + 5] = odd;
        let x = tensor(&matrix(n, d, 25), [n, d], &device).require_grad();
        let distance = pairwise_squared_distance(x.clone(), tensor(&y, [m, d], &device));
        let gradients = (distance * Tensor::<2>::zeros([n, m], &device))
            .sum()
            .backward();
        let gradient = values(x.grad(&gradients).expect("gradient"));
        for (index, value) in gradient.into_iter().enumerate() {
            assert_eq!(value.is_nan(), index % d == 5, "element {index}: {value}");
        }
    }
}

/// Equal rows of different tensors: distance and gradient are exactly zero.
fn coincident(device: &Device) {
    let device = device.clone().autodiff();
    let d = 37;
    let data: Vec<f32> = matrix(1, d, 9).iter().map(|value| value * 1e3).collect();
    let x = tensor(&data.repeat(20), [20, d], &device).require_grad();
    let y = tensor(&data.repeat(18), [18, d], &device).require_grad();
    let distance = pairwise_squared_distance(x.clone(), y.clone());
    let gradients = distance.clone().sum().backward();
    assert_eq!(values(distance.inner()), vec![0.0; 20 * 18]);
    assert_eq!(
        values(x.grad(&gradients).expect("gradient for x")),
        vec![0.0; 20 * d]
    );
    assert_eq!(
        values(y.grad(&gradients).expect("gradient for y")),
        vec![0.0; 18 * d]
    );
}

/// Rows far from zero and near to each other: inner products would lose every digit.
fn near(device: &Device) {
    let [n, d] = [18, 20];
    let steps: Vec<f32> = matrix(n, d, 10)
        .iter()
        .map(|value| (value * 64.0).round())
        .collect();
    let data: Vec<f32> = steps.iter().map(|step| 1000.0 + step / 1024.0).collect();
    let x = tensor(&data, [n, d], device);
    let distance = values(pairwise_squared_distance(x.clone(), x));
    let expected = loops(&data, &data, &vec![0.0; n * n], [n, n, d]);
    assert_close("distance", &distance, &expected.distance, 0.0, 1e-5);
}

/// Inputs that are results, and a result that is used twice by what follows, as in an objective.
fn between_operations(device: &Device) {
    let device = device.clone().autodiff();
    let [n, d] = [40, 24];
    let (data, weight) = (matrix(n, d, 11), matrix(n, n, 12));
    let mask: Vec<f64> = weight
        .iter()
        .map(|&value| f64::from(u8::from(value > 0.0)))
        .collect();
    let scaled: Vec<f32> = data.iter().map(|value| value * 2.0 + 0.5).collect();
    let distance = loops(&scaled, &scaled, &vec![0.0; n * n], [n, n, d]).distance;
    // Of the sum of mask · √(distance + 1) + distance / 2.
    let slope: Vec<f64> = distance
        .iter()
        .zip(&mask)
        .map(|(d, mask)| mask / (2.0 * (d + 1.0).sqrt()) + 0.5)
        .collect();
    let expected = loops(&scaled, &scaled, &slope, [n, n, d]);

    let x = tensor(&data, [n, d], &device).require_grad();
    let moved = x.clone() * 2.0 + 0.5;
    let distance = pairwise_squared_distance(moved.clone(), moved);
    let mask = tensor(&weight, [n, n], &device).greater_elem(0.0).float();
    let terms = (distance.clone() + 1.0).sqrt() * mask.clone() + distance.clone() / 2.0;
    let gradients = terms.clone().sum().backward();

    let terms_expected: Vec<f64> = expected
        .distance
        .iter()
        .zip(values(mask.inner()))
        .map(|(distance, mask)| (distance + 1.0).sqrt() * mask + distance / 2.0)
        .collect();
    assert_close("terms", &values(terms.inner()), &terms_expected, 0.0, 1e-5);
    assert_close(
        "distance",
        &values(distance.inner()),
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
    let gradient = values(x.grad(&gradients).expect("gradient"));
    assert_close("gradient", &gradient, &both, 1e-3, 1e-5);
}

/// Only one of the inputs is a parameter, as with proxies or centroids.
fn one_constant(device: &Device) {
    let device = device.clone().autodiff();
    let [n, m, d] = [19, 7, 12];
    let (x_data, y_data, weight) = (matrix(n, d, 13), matrix(m, d, 14), matrix(n, m, 15));
    let expected = loops(&x_data, &y_data, &wide(&weight), [n, m, d]);
    let (x, y) = (
        tensor(&x_data, [n, d], &device),
        tensor(&y_data, [m, d], &device),
    );
    let loss = |x: &Tensor<2>, y: &Tensor<2>| {
        let distance = pairwise_squared_distance(x.clone(), y.clone());
        (distance * tensor(&weight, [n, m], &device)).sum()
    };

    let parameter = x.clone().require_grad();
    let gradients = loss(&parameter, &y).backward();
    assert!(y.grad(&gradients).is_none());
    let gradient = values(parameter.grad(&gradients).expect("gradient for x"));
    assert_close(
        "gradient for x",
        &gradient,
        &expected.x_gradient,
        1e-4,
        1e-5,
    );

    let parameter = y.clone().require_grad();
    let gradients = loss(&x, &parameter).backward();
    assert!(x.grad(&gradients).is_none());
    let gradient = values(parameter.grad(&gradients).expect("gradient for y"));
    assert_close(
        "gradient for y",
        &gradient,
        &expected.y_gradient,
        1e-4,
        1e-5,
    );
}

/// Inputs that are recomputed in the backward pass.
fn checkpointing(device: &Device) {
    let device = device.clone().autodiff().gradient_checkpointing();
    let [n, m, d] = [19, 18, 20];
    let (x_data, y_data, weight) = (matrix(n, d, 16), matrix(m, d, 17), matrix(n, m, 18));
    let scaled: Vec<f32> = x_data.iter().map(|value| value * 0.5).collect();
    let expected = loops(&scaled, &y_data, &wide(&weight), [n, m, d]);
    let x = tensor(&x_data, [n, d], &device).require_grad();
    let y = tensor(&y_data, [m, d], &device).require_grad();
    let distance = pairwise_squared_distance(x.clone() * 0.5, y.clone());
    let gradients = (distance * tensor(&weight, [n, m], &device))
        .sum()
        .backward();
    let x_expected: Vec<f64> = expected
        .x_gradient
        .iter()
        .map(|value| value * 0.5)
        .collect();
    let x_gradient = values(x.grad(&gradients).expect("gradient for x"));
    let y_gradient = values(y.grad(&gradients).expect("gradient for y"));
    assert_close("gradient for x", &x_gradient, &x_expected, 1e-4, 1e-5);
    assert_close(
        "gradient for y",
        &y_gradient,
        &expected.y_gradient,
        1e-4,
        1e-5,
    );
}

/// A number that is none spoils the distances of its row and no other.
fn not_a_number(device: &Device) {
    let [n, d] = [20, 18];
    let mut data = matrix(n, d, 19);
    data[3 * d + 7] = f32::NAN;
    let y = matrix(n, d, 20);
    let distance =
        pairwise_squared_distance(tensor(&data, [n, d], device), tensor(&y, [n, d], device));
    for (index, value) in values(distance).into_iter().enumerate() {
        assert_eq!(value.is_nan(), index / n == 3, "element {index}: {value}");
    }
}

/// No rows give no distances.
fn without_rows(device: &Device) {
    let device = device.clone().autodiff();
    let none = Tensor::<2>::zeros([0, 4], &device);
    let some = tensor(&matrix(3, 4, 21), [3, 4], &device);
    assert_eq!(
        pairwise_squared_distance(none.clone(), some.clone()).dims(),
        [0, 3]
    );
    assert_eq!(pairwise_squared_distance(some, none).dims(), [3, 0]);
}
