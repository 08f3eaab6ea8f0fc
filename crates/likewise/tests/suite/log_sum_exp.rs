//! The masked log-sum-exp against loops in double precision, and at its edges.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use likewise_kernels::{log_sum_exp, log_sum_exp_twin};

use crate::support::{self, Case, assert_close, tensor, values};

type Operation = fn(Tensor<2>, Tensor<2, Bool>, bool) -> Tensor<2>;

/// Less, as many as and more than the lanes and the rows of a work item.
const SIZES: [[usize; 2]; 7] = [
    [1, 1],
    [5, 1],
    [3, 63],
    [40, 64],
    [7, 129],
    [112, 112],
    [2, 20_000],
];

const INFINITY: f32 = f32::INFINITY;

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES
        .into_iter()
        .map(|[rows, columns]| {
            Case::new(
                format!("log_sum_exp::against_loops_{rows}x{columns}"),
                move |device| against_loops(device, [rows, columns], log_sum_exp),
            )
        })
        .collect();
    cases.extend([
        Case::new("log_sum_exp::twin_against_loops", |device| {
            against_loops(device, [7, 129], log_sum_exp_twin);
        }),
        Case::new("log_sum_exp::finite_differences", finite_differences),
        Case::new("log_sum_exp::edges", |device| {
            edges(device, log_sum_exp);
            edges(device, log_sum_exp_twin);
        }),
        Case::new("log_sum_exp::not_a_number", not_a_number),
        Case::new("log_sum_exp::small_sums_beside_one", small_sums),
        Case::new("log_sum_exp::strided", strided),
        Case::new("log_sum_exp::of_constants", of_constants),
        Case::new("log_sum_exp::checkpointing", checkpointing),
        Case::new("log_sum_exp::without_entries", without_entries),
    ]);
    cases
}

/// Numbers in [−1, 1), the same on every machine.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let from_zero = support::numbers(count, seed).into_iter();
    from_zero.map(|number| 2.0 * number - 1.0).collect()
}

fn mask(data: &[bool], shape: [usize; 2], device: &Device) -> Tensor<2, Bool> {
    Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
}

/// The value of a row with something to add up, and its derivatives.
fn loops(x: &[f32], kept: &[bool], with_one: bool) -> (f64, Vec<f64>) {
    let entries = || {
        x.iter()
            .zip(kept)
            .map(|(&x, &kept)| (f64::from(x), kept))
            .collect::<Vec<_>>()
    };
    let lowest = if with_one { 0.0 } else { f64::NEG_INFINITY };
    let largest = entries()
        .iter()
        .filter(|(_, kept)| *kept)
        .fold(lowest, |largest, (x, _)| largest.max(*x));
    let weight = |(x, kept): &(f64, bool)| if *kept { (x - largest).exp() } else { 0.0 };
    let one = if with_one { (-largest).exp() } else { 0.0 };
    let sum = one + entries().iter().map(weight).sum::<f64>();
    let value = largest + sum.ln();
    let slopes = entries().iter().map(|entry| weight(entry) / sum).collect();
    (value, slopes)
}

/// Values and gradients of a weighted sum of the rows, in ranges up to overflow.
fn against_loops(device: &Device, [rows, columns]: [usize; 2], operation: Operation) {
    let device = device.clone().autodiff();
    let keep: Vec<bool> = numbers(rows * columns, 2)
        .iter()
        .enumerate()
        // At least one in each row.
        .map(|(index, &value)| value > -0.3 || index % columns == index / columns % columns)
        .collect();
    let weight = numbers(rows, 3);
    for (scale, offset) in [(1.0, 0.0), (30.0, -20.0), (300.0, 100.0), (1e3, -9e3)] {
        let x: Vec<f32> = numbers(rows * columns, 1)
            .iter()
            .map(|value| value * scale + offset)
            .collect();
        for with_one in [false, true] {
            let input = tensor(&x, [rows, columns], &device).require_grad();
            let kept = mask(&keep, [rows, columns], &device);
            let output = operation(input.clone(), kept, with_one);
            assert_eq!(output.dims(), [rows, 1]);
            let weights = tensor(&weight, [rows, 1], &device);
            let gradients = (output.clone() * weights).sum().backward();
            let gradient = values(input.grad(&gradients).expect("gradient"));
            let (mut expected, mut slopes) = (Vec::new(), Vec::new());
            for (row, (x, kept)) in x.chunks(columns).zip(keep.chunks(columns)).enumerate() {
                let (value, slope) = loops(x, kept, with_one);
                expected.push(value);
                slopes.extend(slope.iter().map(|slope| slope * f64::from(weight[row])));
            }
            let what = format!("scale {scale}, with one {with_one}");
            assert_close(&what, &values(output.inner()), &expected, 5e-7, 1e-6);
            // The value's last digit is a relative error of the gradient.
            let relative = 1e-5 + 1.5e-7 * f64::from(scale + offset.abs());
            assert_close(&what, &gradient, &slopes, 1e-30, relative);
            for (index, (gradient, kept)) in gradient.iter().zip(&keep).enumerate() {
                assert!(*kept || *gradient == 0.0, "{what}: entry {index}");
            }
        }
    }
}

/// The gradient is the slope of the operation's own values.
fn finite_differences(device: &Device) {
    let device = device.clone().autodiff();
    let (x, step) = (numbers(6, 4), 1e-2f32);
    let keep = [true, true, false, true, true, false];
    let value = |x: &[f32]| {
        let output = log_sum_exp(
            tensor(x, [2, 3], &device),
            mask(&keep, [2, 3], &device),
            true,
        );
        values(output.inner()).iter().sum::<f64>()
    };
    let input = tensor(&x, [2, 3], &device).require_grad();
    let output = log_sum_exp(input.clone(), mask(&keep, [2, 3], &device), true);
    let gradients = output.sum().backward();
    let differences: Vec<f64> = (0..6)
        .map(|index| {
            let at = |step: f32| {
                let mut x = x.clone();
                x[index] += step;
                value(&x)
            };
            (at(step) - at(-step)) / f64::from(2.0 * step)
        })
        .collect();
    let gradient = values(input.grad(&gradients).expect("gradient"));
    assert_close("gradient", &gradient, &differences, 1e-4, 0.0);
}

/// Nothing kept, nothing but −∞, infinite entries that are not kept, numbers that would overflow.
fn edges(device: &Device, operation: Operation) {
    let device = device.clone().autodiff();
    #[rustfmt::skip]
    let x = [
        1.0, 2.0, 3.0,
        -INFINITY, -INFINITY, 5.0,
        INFINITY, f32::NAN, 2.0,
        3e38, -3e38, 3e38,
        -INFINITY, 1.0, -1e30,
        f32::NAN, INFINITY, -INFINITY,
    ];
    #[rustfmt::skip]
    let keep = [
        false, false, false,
        true, true, false,
        false, false, true,
        true, true, false,
        true, true, true,
        false, false, false,
    ];
    for with_one in [false, true] {
        let input = tensor(&x, [6, 3], &device).require_grad();
        let output = operation(input.clone(), mask(&keep, [6, 3], &device), with_one);
        let gradients = output.clone().sum().backward();
        let one = 1f64.exp();
        let (empty, two, single) = if with_one {
            (0.0, 2f64.exp().ln_1p(), one.ln_1p())
        } else {
            (f64::from(-1e30f32), 2.0, 1.0)
        };
        let expected = [empty, empty, two, f64::from(3e38f32), single, empty];
        assert_close("values", &values(output.inner()), &expected, 0.0, 1e-6);
        let slope = |value: f64| (value - if with_one { value.exp().ln_1p() } else { value }).exp();
        let mut expected = vec![0.0; 18];
        (expected[8], expected[9], expected[13]) = (slope(2.0), 1.0, slope(1.0));
        let gradient = values(input.grad(&gradients).expect("gradient"));
        assert_close("gradients", &gradient, &expected, 0.0, 1e-6);
    }
}

/// A kept entry that is not a number spoils its row and no other.
fn not_a_number(device: &Device) {
    let device = device.clone().autodiff();
    let [rows, columns] = [5, 70];
    let mut x = numbers(rows * columns, 5);
    x[2 * columns + 66] = f32::NAN;
    x[3 * columns + 66] = f32::NAN;
    let mut keep = vec![true; rows * columns];
    keep[3 * columns + 66] = false;
    for with_one in [false, true] {
        let input = tensor(&x, [rows, columns], &device).require_grad();
        let output = log_sum_exp(
            input.clone(),
            mask(&keep, [rows, columns], &device),
            with_one,
        );
        let gradients = output.clone().sum().backward();
        for (row, value) in values(output.inner()).into_iter().enumerate() {
            assert_eq!(value.is_nan(), row == 2, "row {row}: {value}");
        }
        let gradient = values(input.grad(&gradients).expect("gradient"));
        for (index, value) in gradient.into_iter().enumerate() {
            assert_eq!(
                value.is_nan(),
                index / columns == 2,
                "entry {index}: {value}"
            );
        }
    }
}

/// log(1 + s) for s far below 1, and its gradient.
fn small_sums(device: &Device) {
    let exact = *device == Device::flex();
    let device = device.clone().autodiff();
    let x = [-12.0, -13.0, -25.0, -40.0];
    let input = tensor(&x, [2, 2], &device).require_grad();
    let output = log_sum_exp(input.clone(), mask(&[true; 4], [2, 2], &device), true);
    let gradients = output.clone().sum().backward();
    let sum = |x: &[f32]| x.iter().map(|&x| f64::from(x).exp()).sum::<f64>();
    let expected = [sum(&x[..2]).ln_1p(), sum(&x[2..]).ln_1p()];
    // Shaders have no ln(1 + x) of their own.
    let (absolute, relative) = if exact { (0.0, 1e-6) } else { (1.2e-7, 1e-6) };
    assert_close(
        "values",
        &values(output.inner()),
        &expected,
        absolute,
        relative,
    );
    let slopes: Vec<f64> = (0..4)
        .map(|index| f64::from(x[index]).exp() / (1.0 + sum(&x[index / 2 * 2..][..2])))
        .collect();
    let gradient = values(input.grad(&gradients).expect("gradient"));
    assert_close("gradient", &gradient, &slopes, 0.0, 1e-5);
}

/// Transposed, sliced and repeated inputs, and a gradient that is no contiguous column.
fn strided(device: &Device) {
    let device = device.clone().autodiff();
    let [rows, columns] = [9, 70];
    let x = numbers(columns * rows, 6);
    let keep: Vec<bool> = numbers(columns * (rows + 3), 7)
        .iter()
        .map(|&value| value > -0.5)
        .collect();
    let input = tensor(&x, [columns, rows], &device).require_grad();
    let kept = mask(&keep, [rows + 3, columns], &device).narrow(0, 2, rows);
    let output = log_sum_exp(input.clone().transpose(), kept, false);
    let gradients = output.clone().sum().backward();
    let gradient = values(input.grad(&gradients).expect("gradient").transpose());
    let (mut expected, mut slopes) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let x: Vec<f32> = (0..columns).map(|column| x[column * rows + row]).collect();
        let (value, slope) = loops(&x, &keep[(row + 2) * columns..][..columns], false);
        expected.push(value);
        slopes.extend(slope);
    }
    assert_close("values", &values(output.inner()), &expected, 1e-6, 1e-6);
    assert_close("gradient", &gradient, &slopes, 0.0, 1e-5);

    let repeated = mask(&[true, false, true], [1, 3], &device).expand([4, 3]);
    let output = log_sum_exp(Tensor::zeros([4, 3], &device), repeated, false);
    assert_close(
        "repeated",
        &values(output.inner()),
        &[2f64.ln(); 4],
        0.0,
        1e-6,
    );
}

/// An input without a gradient, with and without differentiation switched on.
fn of_constants(device: &Device) {
    let expected = [2f64.ln(), 2f64.ln()];
    for device in [device.clone(), device.clone().autodiff()] {
        let x = Tensor::<2>::zeros([2, 3], &device);
        let kept = mask(&[true, true, false, false, true, true], [2, 3], &device);
        let output = log_sum_exp(x, kept, false);
        assert_close("values", &values(output.inner()), &expected, 0.0, 1e-6);
    }
}

/// Inputs that are recomputed in the backward pass.
fn checkpointing(device: &Device) {
    let device = device.clone().autodiff().gradient_checkpointing();
    let (x, keep) = (numbers(20, 8), [true; 20]);
    let input = tensor(&x, [4, 5], &device).require_grad();
    let output = log_sum_exp(input.clone() * 3.0, mask(&keep, [4, 5], &device), true);
    let gradients = output.sum().backward();
    let scaled: Vec<f32> = x.iter().map(|value| value * 3.0).collect();
    let slopes: Vec<f64> = scaled
        .chunks(5)
        .flat_map(|x| loops(x, &keep[..5], true).1)
        .map(|slope| slope * 3.0)
        .collect();
    let gradient = values(input.grad(&gradients).expect("gradient"));
    assert_close("gradient", &gradient, &slopes, 0.0, 1e-5);
}

/// Without columns or rows.
fn without_entries(device: &Device) {
    let of = |[rows, columns]: [usize; 2], with_one| {
        let x = tensor(&[], [rows, columns], device);
        log_sum_exp(x, mask(&[], [rows, columns], device), with_one)
    };
    assert_eq!(values(of([2, 0], true)), [0.0; 2]);
    assert_eq!(values(of([2, 0], false)), [f64::from(-1e30f32); 2]);
    assert_eq!(of([0, 3], true).dims(), [0, 1]);
}
