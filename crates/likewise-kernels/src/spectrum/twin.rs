//! Singular values from tensor operations: one-sided Jacobi iteration (Hestenes, 1958) on all
//! disjoint pairs of vectors at once, in the order of a tournament (Brent and Luk, 1985).

use std::ops::Range;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Slice, TensorData};

/// Without a read-back nothing can be known of the convergence, which is quadratic: more sweeps
/// than matrices of a thousand rows need.
const SWEEPS: usize = 12;

/// Added to what is divided by, if it may be zero. The vectors are scaled to numbers around 1.
const TINY: f32 = 1e-30;

/// Singular values of `x` `[N, D]`, the largest first: `[min(N, D)]`.
pub fn singular_values<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [rows, columns] = x.shape().dims();
    let x = if rows <= columns {
        x
    } else {
        B::float_transpose(x)
    };
    let (count, length) = (rows.min(columns), rows.max(columns));
    let largest = B::float_max(B::float_abs(x.clone()));
    let scale = B::float_reshape(
        B::float_add_scalar(largest, TINY.into()),
        Shape::new([1, 1]),
    );
    let x = B::float_div(x, scale.clone());

    // Zero for finite numbers, else not a number.
    let check = B::float_mul_scalar(B::float_sum(x.clone()), 0.0f32.into());
    let check = B::float_reshape(check, Shape::new([1, 1]));

    let norms = norms::<B>(orthogonal::<B>(even::<B>(x, [count, length])));
    let sorted = part::<B>(sorted::<B>(norms), 0..count);
    let values = B::float_add(B::float_mul(sorted, scale), check);
    B::float_reshape(values, Shape::new([count]))
}

/// With a row of zeros more if the number of rows is odd.
fn even<B: Backend>(x: FloatTensor<B>, [count, length]: [usize; 2]) -> FloatTensor<B> {
    if count % 2 == 0 {
        return x;
    }
    let zeros = B::float_zeros(Shape::new([1, length]), &x.device(), x.dtype().into());
    B::float_cat(vec![x, zeros], 0)
}

/// Turns rows, of which there is an even number, until each is orthogonal to all others.
fn orthogonal<B: Backend>(mut rows: FloatTensor<B>) -> FloatTensor<B> {
    let half = rows.shape()[0] / 2;
    for _ in 0..SWEEPS * (2 * half - 1) {
        let first = part::<B>(rows.clone(), 0..half);
        let second = part::<B>(rows, half..2 * half);
        let (first, second) = turned::<B>(first, second);
        // The first row stays, the others move in a circle: along the first half, back along the
        // second.
        rows = if half == 1 {
            B::float_cat(vec![first, second], 0)
        } else {
            let parts = [
                (&first, 0..1),
                (&second, 0..1),
                (&first, 1..half - 1),
                (&second, 1..half),
                (&first, half - 1..half),
            ];
            let parts = parts.into_iter().filter(|(_, rows)| !rows.is_empty());
            let parts = parts.map(|(half, rows)| part::<B>(half.clone(), rows));
            B::float_cat(parts.collect(), 0)
        };
    }
    rows
}

/// Turns each row of `a` and its row of `b` in their plane until they are orthogonal.
fn turned<B: Backend>(a: FloatTensor<B>, b: FloatTensor<B>) -> (FloatTensor<B>, FloatTensor<B>) {
    let dot = |a: &FloatTensor<B>, b: &FloatTensor<B>| {
        B::float_sum_dim(B::float_mul(a.clone(), b.clone()), 1)
    };
    let double = B::float_mul_scalar(dot(&a, &b), 2.0f32.into());
    let difference = B::float_sub(dot(&b, &b), dot(&a, &a));
    let squares = B::float_add(
        B::float_mul(difference.clone(), difference.clone()),
        B::float_mul(double.clone(), double.clone()),
    );
    let size = B::float_abs(difference.clone());
    let sum = B::float_add(size, B::float_sqrt(squares));
    let tangent = B::float_div(double, B::float_add_scalar(sum, TINY.into()));
    // The sign of the difference, + for zero.
    let sign = B::float_sign(B::float_add_scalar(
        B::float_sign(difference),
        0.5f32.into(),
    ));
    let tangent = B::float_mul(tangent, sign);

    let square = B::float_mul(tangent.clone(), tangent.clone());
    let cosine = B::float_recip(B::float_sqrt(B::float_add_scalar(square, 1.0f32.into())));
    let sine = B::float_mul(cosine.clone(), tangent);
    let scaled =
        |factor: &FloatTensor<B>, x: &FloatTensor<B>| B::float_mul(factor.clone(), x.clone());
    (
        B::float_sub(scaled(&cosine, &a), scaled(&sine, &b)),
        B::float_add(scaled(&sine, &a), scaled(&cosine, &b)),
    )
}

/// Norms of rows: `[R, 1]`.
fn norms<B: Backend>(rows: FloatTensor<B>) -> FloatTensor<B> {
    B::float_sqrt(B::float_sum_dim(B::float_mul(rows.clone(), rows), 1))
}

/// Numbers `[R, 1]`, the largest first. Sorting would read them back on GPUs: number k is the
/// smallest of those with at most k larger ones.
fn sorted<B: Backend>(numbers: FloatTensor<B>) -> FloatTensor<B> {
    let count = numbers.shape()[0];
    let (device, dtype) = (numbers.device(), numbers.dtype());
    let column = numbers.clone();
    let row = B::float_reshape(numbers, Shape::new([1, count]));
    let square = Shape::new([count, count]);
    // Entry (j, i) is 1 where number j is larger than number i.
    let zeros = B::float_zeros(square.clone(), &device, dtype.into());
    let difference = B::float_sub(column, B::float_add(zeros, row.clone()));
    let larger = B::float_clamp_min(B::float_sign(difference), 0.0f32.into());
    let rank = B::float_sum_dim(larger, 0);

    let places = (0..count).map(|place| place as f32).collect::<Vec<_>>();
    let places = B::float_cast(
        B::float_from_data(TensorData::new(places, [count, 1]), &device),
        dtype.into(),
    );
    // Entry (k, i) is 0 where number i has at most k larger ones, else far above every number.
    let beyond = B::float_clamp_min(B::float_sign(B::float_sub(rank, places)), 0.0f32.into());
    let candidates = B::float_add(B::float_mul_scalar(beyond, (1.0 / TINY).into()), row);
    B::float_min_dim(candidates, 1)
}

fn part<B: Backend>(x: FloatTensor<B>, rows: Range<usize>) -> FloatTensor<B> {
    let columns = x.shape()[1];
    B::float_slice(x, &[Slice::from(rows), Slice::from(0..columns)])
}
