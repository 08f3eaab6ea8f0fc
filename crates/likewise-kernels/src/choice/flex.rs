//! The choices on the CPU, in passes over one row at a time.

use super::operation::Weights;
use super::sphere::Sphere;
use super::twin::BOUND;
use crate::elementary::{exp, ln};
use crate::parallel;
use crate::rows::{LANES, item_rows, largest};
use crate::simd::{Instructions, vectorized};

/// Columns of the chosen candidates of each row.
pub fn uniform(candidates: &[u8], uniform: &[f32]) -> Vec<i32> {
    let mut output = vec![0; uniform.len()];
    let columns = candidates.len() / uniform.len();
    let rows = item_rows(columns);
    parallel::for_each_chunk(&mut output, rows, |index, output| {
        let from = index * rows;
        let candidates = &candidates[from * columns..][..output.len() * columns];
        uniform_rows(candidates, &uniform[from..], output);
    });
    output
}

/// The same by the weights of `values`.
pub fn weighted(values: &[f32], candidates: &[u8], uniform: &[f32], weights: Weights) -> Vec<i32> {
    let mut output = vec![0; uniform.len()];
    let columns = candidates.len() / uniform.len();
    let rows = item_rows(columns);
    parallel::for_each_chunk(&mut output, rows, |index, output| {
        let from = index * rows;
        let elements = from * columns..(from + output.len()) * columns;
        weighted_rows(
            (&values[elements.clone()], weights),
            &candidates[elements],
            &uniform[from..],
            output,
        );
    });
    output
}

vectorized! {
    fn uniform_rows(candidates: &[u8], uniform: &[f32], output: &mut [i32]) {
        let rows = candidates.chunks_exact(candidates.len() / output.len());
        for ((row, &uniform), output) in rows.zip(uniform).zip(output) {
            let total = row.chunks(LANES).map(count).sum::<u32>();
            // In single precision, as on every device.
            let number = (uniform * total as f32).floor() as u32;
            *output = nth(row, number.min(total.saturating_sub(1)));
        }
    }
}

/// Column of the candidate with this number, 0 without candidates.
#[inline(always)]
fn nth(row: &[u8], mut number: u32) -> i32 {
    for (index, chunk) in row.chunks(LANES).enumerate() {
        let candidates = count(chunk);
        if number < candidates {
            let mut columns = (0..).zip(chunk).filter(|&(_, &candidate)| candidate != 0);
            let column: i32 = columns.nth(number as usize).map_or(0, |(column, _)| column);
            return (index * LANES) as i32 + column;
        }
        number -= candidates;
    }
    0
}

/// Candidates among at most 255.
#[inline(always)]
fn count(chunk: &[u8]) -> u32 {
    let candidates: u8 = chunk
        .iter()
        .map(|&candidate| u8::from(candidate != 0))
        .sum();
    candidates.into()
}

vectorized! {
    /// `values` come with what they are.
    fn weighted_rows<I>(
        values: (&[f32], Weights),
        candidates: &[u8],
        uniform: &[f32],
        output: &mut [i32],
    ) {
        let columns = candidates.len() / output.len();
        let mut row = vec![f32::NEG_INFINITY; columns.next_multiple_of(LANES)];
        let mut sums = vec![0.0; row.len() / LANES];
        let rows = values.0.chunks_exact(columns).zip(candidates.chunks_exact(columns));
        for (((entries, candidates), &uniform), output) in rows.zip(uniform).zip(output) {
            match values.1 {
                Weights::Logarithms => {
                    fill(&mut row, entries, candidates, |value| {
                        let value = if value > -BOUND { value } else { -BOUND };
                        if value < BOUND { value } else { BOUND }
                    });
                }
                Weights::Sphere(sphere) => {
                    fill(&mut row, entries, candidates, |value| sphere.log_weight::<I>(value));
                }
            }
            row[columns..].fill(f32::NEG_INFINITY);
            to_weights::<I>(&mut row, &mut sums);
            *output = invert(&row, &sums, uniform);
        }
    }
}

/// `log_weight` of each candidate's value, −∞ for the others.
#[inline(always)]
fn fill(row: &mut [f32], values: &[f32], candidates: &[u8], log_weight: impl Fn(f32) -> f32) {
    for ((row, &value), &candidate) in row.iter_mut().zip(values).zip(candidates) {
        let value = log_weight(value);
        *row = if candidate == 0 {
            f32::NEG_INFINITY
        } else {
            value
        };
    }
}

/// Replaces log-weights by weights, at most 1, and gives the sums of each chunk of lanes.
#[inline(always)]
fn to_weights<I: Instructions>(row: &mut [f32], sums: &mut [f64]) {
    let largest = largest(row).max(-BOUND);
    for (chunk, sum) in row.as_chunks_mut::<LANES>().0.iter_mut().zip(sums) {
        for value in chunk.iter_mut() {
            *value = exp::<I>(*value - largest);
        }
        let mut lanes = [0.0f32; 8];
        for part in chunk.as_chunks::<8>().0 {
            for (lane, &value) in lanes.iter_mut().zip(part) {
                *lane += value;
            }
        }
        *sum = lanes.iter().copied().map(f64::from).sum();
    }
}

/// The first column whose cumulative weight exceeds `uniform` times the total; where rounding has
/// passed it by, the last one of positive weight before that.
#[inline(always)]
fn invert(row: &[f32], sums: &[f64], uniform: f32) -> i32 {
    let target = f64::from(uniform) * sums.iter().sum::<f64>();
    let (mut cumulative, mut chosen) = (0.0, 0i32);
    for (index, (chunk, &sum)) in row.as_chunks::<LANES>().0.iter().zip(sums).enumerate() {
        if cumulative + sum <= target {
            cumulative += sum;
            continue;
        }
        for (column, &weight) in chunk.iter().enumerate() {
            cumulative += f64::from(weight);
            if weight > 0.0 {
                chosen = (index * LANES + column) as i32;
            }
            if cumulative > target {
                return chosen;
            }
        }
        // The chunk's weights, added one by one, came to less than their sum.
        return chosen;
    }
    // The total came to no more than the target, or there are no candidates.
    row.iter().rposition(|&weight| weight > 0.0).unwrap_or(0) as i32
}

impl Sphere {
    /// The log-weight of a squared distance.
    #[inline(always)]
    fn log_weight<I: Instructions>(&self, squared: f32) -> f32 {
        // What is not a number fails every comparison.
        let squared = if squared < 4.0 { squared } else { 4.0 };
        let squared = squared.max(self.range[0]);
        let rest = (1.0 - 0.25 * squared).max(self.lowest);
        let squared = squared.min(self.range[1]);
        self.slope * ln::<I>(squared) + self.bend * ln::<I>(rest)
    }
}
