//! The second pass: rows are weighted sums of rows.

use super::taps::Taps;
use super::{HALF, to_byte};

/// Values computed side by side.
const LANES: usize = 32;

/// All rows of the result from `rows`, which start with row `first`.
#[inline(always)]
pub(super) fn vertical_pass(
    rows: &[u8],
    (stride, width): (usize, usize),
    first: usize,
    taps: &Taps,
    out: &mut [u8],
) {
    for ((begin, weights), out) in taps.iter().zip(out.chunks_exact_mut(width)) {
        let rows = &rows[(begin - first) * stride..];
        let (chunks, rest) = out.as_chunks_mut::<LANES>();
        for (place, chunk) in chunks.iter_mut().enumerate() {
            *chunk = weighted(rows, place * LANES, stride, weights);
        }
        let done = chunks.len() * LANES;
        for (place, value) in rest.iter_mut().enumerate() {
            [*value] = weighted(rows, done + place, stride, weights);
        }
    }
}

/// The weighted sums of `N` values from `at` on, over rows `stride` apart.
#[inline(always)]
fn weighted<const N: usize>(rows: &[u8], at: usize, stride: usize, weights: &[i32]) -> [u8; N] {
    let mut sums = [HALF; N];
    for (row, &weight) in weights.iter().enumerate() {
        let values = &rows[row * stride + at..][..N];
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += weight * i32::from(value);
        }
    }
    let mut bytes = [0; N];
    for (byte, &sum) in bytes.iter_mut().zip(&sums) {
        *byte = to_byte(sum);
    }
    bytes
}
