//! The logarithm of the sum on the CPU: each row is copied once, without what is not kept, and the
//! passes over the copy stay in the first-level cache.

use crate::elementary::exp;
use crate::parallel;
use crate::simd::{Instructions, vectorized};

use crate::rows::{LANES, item_rows, largest};

use super::EMPTY;

/// Chunks of lanes that are added up in single precision.
const CHUNKS: usize = 16;

/// Logarithms of the sums of rows of `columns` entries.
pub fn forward(x: &[f32], kept: &[u8], columns: usize, with_one: bool) -> Vec<f32> {
    let mut output = vec![0.0; x.len() / columns];
    let rows = item_rows(columns);
    parallel::for_each_chunk(&mut output, rows, |index, output| {
        let from = index * rows * columns;
        let to = from + output.len() * columns;
        forward_rows(&x[from..to], &kept[from..to], with_one, output);
    });
    output
}

/// `g_i · exp(x_ij − output_i)` for entries that are kept, 0 for the others.
pub fn backward(
    gradient: &[f32],
    x: &[f32],
    kept: &[u8],
    output: &[f32],
    columns: usize,
) -> Vec<f32> {
    let mut x_gradient = vec![0.0; x.len()];
    let rows = item_rows(columns);
    parallel::for_each_chunk(&mut x_gradient, rows * columns, |index, x_gradient| {
        let (row, from) = (index * rows, index * rows * columns);
        let to = from + x_gradient.len();
        let factors = (&gradient[row..], &output[row..]);
        backward_rows(factors, &x[from..to], &kept[from..to], columns, x_gradient);
    });
    x_gradient
}

vectorized! {
    fn forward_rows<I>(x: &[f32], kept: &[u8], with_one: bool, output: &mut [f32]) {
        let columns = x.len() / output.len();
        let mut row = vec![f32::NEG_INFINITY; columns.next_multiple_of(LANES)];
        let rows = x.chunks_exact(columns).zip(kept.chunks_exact(columns));
        for ((x, kept), output) in rows.zip(output) {
            for ((value, &x), &kept) in row.iter_mut().zip(x).zip(kept) {
                *value = if kept == 0 { f32::NEG_INFINITY } else { x };
            }
            *output = row_value::<I>(&row, with_one);
        }
    }
}

#[inline(always)]
fn row_value<I: Instructions>(row: &[f32], with_one: bool) -> f32 {
    let largest = largest(row);
    if largest == f32::INFINITY {
        let any = row.iter().any(|value| value.is_nan());
        return if any { f32::NAN } else { f32::INFINITY };
    }
    let shift = largest.clamp(if with_one { 0.0 } else { EMPTY }, f32::MAX);
    let sum = sum_of_exp::<I>(row, shift);
    let shift = f64::from(shift);
    if with_one {
        (shift + (sum + (-shift).exp_m1()).ln_1p()) as f32
    } else if sum == 0.0 {
        EMPTY
    } else {
        (shift + sum.ln()) as f32
    }
}

/// Σ exp(x − shift).
#[inline(always)]
fn sum_of_exp<I: Instructions>(row: &[f32], shift: f32) -> f64 {
    let mut sum = 0.0;
    for part in row.as_chunks::<LANES>().0.chunks(CHUNKS) {
        let mut lanes = [0.0f32; LANES];
        for chunk in part {
            for (lane, &value) in lanes.iter_mut().zip(chunk) {
                *lane += exp::<I>(value - shift);
            }
        }
        sum += lanes.iter().copied().map(f64::from).sum::<f64>();
    }
    sum
}

vectorized! {
    fn backward_rows<I>(
        factors: (&[f32], &[f32]),
        x: &[f32],
        kept: &[u8],
        columns: usize,
        x_gradient: &mut [f32],
    ) {
        let rows = x.chunks_exact(columns).zip(kept.chunks_exact(columns));
        let factors = factors.0.iter().zip(factors.1);
        for (((x, kept), x_gradient), (&gradient, &output)) in
            rows.zip(x_gradient.chunks_exact_mut(columns)).zip(factors)
        {
            for ((x_gradient, &x), &kept) in x_gradient.iter_mut().zip(x).zip(kept) {
                let value = gradient * exp::<I>(x - output);
                *x_gradient = if kept == 0 { 0.0 } else { value };
            }
        }
    }
}
