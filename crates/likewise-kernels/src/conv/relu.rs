//! The gradient of a ReLU, and sums over all values of a channel.

use crate::parallel;
use crate::simd::vectorized;

/// Values a work item holds.
const ITEM: usize = 1 << 16;
/// Partial sums, so that additions do not wait for each other.
const PARTS: usize = 32;

vectorized! {
    fn clear(gradient: &mut [f32], output: &[f32]) {
        for (gradient, output) in gradient.iter_mut().zip(output) {
            *gradient = if *output > 0.0 { *gradient } else { 0.0 };
        }
    }
}

/// Sets the gradient to 0 where the output of the ReLU is not positive.
pub fn clear_where_not_positive(gradient: &mut [f32], output: &[f32]) {
    let items = gradient.chunks_mut(ITEM).zip(output.chunks(ITEM)).collect();
    parallel::for_each(items, |(gradient, output)| clear(gradient, output));
}

vectorized! {
    fn add_parts(values: &[f32], sums: &mut [f64; PARTS]) {
        for values in values.chunks(PARTS) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += f64::from(*value);
            }
        }
    }
}

/// Sums of `values` `[batch, channels, plane]` over batch and plane.
pub fn sums_of_channels(values: &[f32], channels: usize, plane: usize) -> Vec<f32> {
    parallel::map((0..channels).collect(), |channel| {
        let mut sums = [0.0; PARTS];
        let planes = values.chunks_exact(plane.max(1)).skip(channel);
        planes
            .step_by(channels)
            .for_each(|plane| add_parts(plane, &mut sums));
        sums.iter().sum::<f64>() as f32
    })
}
