//! The Gram matrix of `likewise_kernels` against naive loops and Burn's own operations.

use burn::tensor::{Device, Tensor, TensorData};
use likewise_kernels::{gram, gram_twin};

use crate::support::{Case, assert_close, assert_close_norm, values};

pub fn cases() -> Vec<Case> {
    vec![
        Case::new("gram::equals_naive_loops", equals_naive_loops),
        Case::new("gram::gradient_equals_the_twins", gradient_equals_the_twins),
        Case::new("gram::keeps_nan", keeps_nan),
    ]
}

const SHAPES: [[usize; 2]; 5] = [[1, 1], [2, 5], [17, 3], [48, 16], [65, 130]];

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 1.7).sin()).collect()
}

fn rows([rows, columns]: [usize; 2], device: &Device) -> Tensor<2> {
    let data = TensorData::new(numbers(rows * columns), [rows, columns]);
    Tensor::from_data(data, device)
}

fn equals_naive_loops(device: &Device) {
    for shape @ [size, components] in SHAPES {
        let x = numbers(size * components);
        let row = |i: usize| &x[i * components..][..components];
        let product = |i: usize, j: usize| -> f64 {
            let terms = row(i).iter().zip(row(j));
            terms.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let expected: Vec<f64> = (0..size * size)
            .map(|at| product(at / size, at % size))
            .collect();
        let actual = values(gram(rows(shape, device)));
        assert_close(&format!("{shape:?}"), &actual, &expected, 1e-5, 1e-5);
    }
}

/// For a gradient that is neither symmetric nor in the order of its axes, and for rows that are part
/// of a larger matrix.
fn gradient_equals_the_twins(device: &Device) {
    let device = &device.clone().autodiff();
    for [size, components] in SHAPES {
        let gradient = |of: fn(Tensor<2>) -> Tensor<2>| {
            let whole = rows([components, size + 1], device).require_grad();
            let x = whole.clone().transpose().narrow(0, 1, size);
            let weights = rows([size, size], device).transpose();
            let gradients = (of(x) * weights).sum().backward();
            values(whole.grad(&gradients).expect("tracked"))
        };
        let what = format!("{size} rows of {components}");
        assert_close_norm(&what, &gradient(gram), &gradient(gram_twin), 1e-6, 1e-5);
    }
}

fn keeps_nan(device: &Device) {
    let x = Tensor::<2>::from_data([[1.0, f32::NAN], [0.0, 2.0]], device);
    let products = values(gram(x));
    assert!(products[..3].iter().all(|product| product.is_nan()));
    assert_eq!(products[3], 4.0);
}
