//! Batch norm with the statistics of the batch, together with the ReLU and max pool that follow
//! it. One work item is one channel: it fits the second-level cache, so that the passes over it
//! (mean, variance, output; sums and gradient) read main memory once.

use super::epilogue::{Affine, Epilogue, PoolScratch};
use crate::parallel;
use crate::simd::vectorized;

/// Partial sums, so that additions do not wait for each other. Enough that the compiler keeps the
/// loop over them, and vectorises it.
const PARTS: usize = 64;

/// Sizes of the input, with the two spatial axes.
#[derive(Clone, Copy)]
pub struct Planes {
    pub channels: usize,
    pub size: [usize; 2],
}

impl Planes {
    fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// The planes of one channel, image by image.
    #[inline(always)]
    fn of<'a>(&self, values: &'a [f32], channel: usize) -> impl Iterator<Item = &'a [f32]> + Clone {
        values
            .chunks_exact(self.plane().max(1))
            .skip(channel)
            .step_by(self.channels)
    }

    /// For each channel its planes, image by image.
    fn by_channel<'a>(&self, values: &'a mut [f32], plane: usize) -> Vec<Vec<&'a mut [f32]>> {
        let images = values.len() / (self.channels * plane).max(1);
        let mut channels: Vec<Vec<&mut [f32]>> = (0..self.channels)
            .map(|_| Vec::with_capacity(images))
            .collect();
        for image in values.chunks_exact_mut((self.channels * plane).max(1)) {
            for (channel, plane) in channels
                .iter_mut()
                .zip(image.chunks_exact_mut(plane.max(1)))
            {
                channel.push(plane);
            }
        }
        channels
    }
}

/// Output, batch mean and biased batch variance.
pub struct Forward {
    pub output: Vec<f32>,
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

/// `epilogue(gamma · (x − mean) / √(variance + epsilon) + beta)`.
pub fn forward(
    x: &[f32],
    planes: &Planes,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f64,
    epilogue: Epilogue,
) -> Forward {
    let output_size = epilogue.output(planes.size);
    let output_plane = output_size[0] * output_size[1];
    let images = x.len() / (planes.channels * planes.plane());
    let mut output = vec![0.0; images * planes.channels * output_plane];
    let mut mean = vec![0.0; planes.channels];
    let mut variance = vec![0.0; planes.channels];
    let outputs = planes.by_channel(&mut output, output_plane);
    let statistics = mean.iter_mut().zip(&mut variance);
    let items = outputs.into_iter().zip(statistics).enumerate().collect();
    parallel::for_each(items, |(channel, (mut outputs, (mean, variance)))| {
        let parameters = (gamma[channel], beta[channel], epsilon);
        channel_forward(
            x,
            planes,
            channel,
            parameters,
            epilogue,
            &mut outputs,
            (mean, variance),
        );
    });
    Forward {
        output,
        mean,
        variance,
    }
}

/// Gradients of the input, gamma and beta.
pub struct Backward {
    pub x: Vec<f32>,
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
}

/// The inputs and statistics of a forward pass.
pub struct Saved<'a> {
    pub x: &'a [f32],
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
    pub mean: &'a [f32],
    pub variance: &'a [f32],
    pub epsilon: f64,
}

/// Gradients of the sum of `output · output_grad`.
pub fn backward(
    saved: &Saved,
    planes: &Planes,
    epilogue: Epilogue,
    output_grad: &[f32],
) -> Backward {
    let mut x_grad = vec![0.0; saved.x.len()];
    let mut gamma_grad = vec![0.0; planes.channels];
    let mut beta_grad = vec![0.0; planes.channels];
    let x_grads = planes.by_channel(&mut x_grad, planes.plane());
    let parameters = gamma_grad.iter_mut().zip(&mut beta_grad);
    let items = x_grads.into_iter().zip(parameters).enumerate().collect();
    parallel::for_each(items, |(channel, (mut x_grads, gradients))| {
        channel_backward(
            saved,
            planes,
            channel,
            epilogue,
            output_grad,
            &mut x_grads,
            gradients,
        );
    });
    Backward {
        x: x_grad,
        gamma: gamma_grad,
        beta: beta_grad,
    }
}

vectorized! {
    /// Forward pass of one channel. `parameters` are gamma, beta and epsilon.
    fn channel_forward(
        x: &[f32],
        planes: &Planes,
        channel: usize,
        parameters: (f32, f32, f64),
        epilogue: Epilogue,
        outputs: &mut [&mut [f32]],
        statistics: (&mut f32, &mut f32),
    ) {
        let x = planes.of(x, channel);
        let (mean, variance) = moments(x.clone());
        (*statistics.0, *statistics.1) = (mean, variance);
        let (gamma, beta, epsilon) = parameters;
        let affine = Affine::new(mean, variance, epsilon, gamma, beta);
        for (x, y) in x.zip(outputs) {
            epilogue.forward(x, y, affine, planes.size);
        }
    }
}

vectorized! {
    /// Backward pass of one channel. `gradients` are those of gamma and beta.
    fn channel_backward(
        saved: &Saved,
        planes: &Planes,
        channel: usize,
        epilogue: Epilogue,
        output_grad: &[f32],
        x_grads: &mut [&mut [f32]],
        gradients: (&mut f32, &mut f32),
    ) {
        let (mean, variance) = (saved.mean[channel], saved.variance[channel]);
        let (gamma, beta, epsilon) = (saved.gamma[channel], saved.beta[channel], saved.epsilon);
        let affine = Affine::new(mean, variance, epsilon, gamma, beta);
        // An empty output (of a single row or column, pooled) has no planes to read.
        let outputs = Planes { size: epilogue.output(planes.size), ..*planes };
        let mut output_grads = outputs.of(output_grad, channel);
        let (mut sums, mut centred_sums) = ([0.0f64; PARTS], [0.0f64; PARTS]);
        let mut scratch = PoolScratch::default();
        for (x, x_grad) in planes.of(saved.x, channel).zip(&mut *x_grads) {
            let output_grad = output_grads.next().unwrap_or(&[]);
            epilogue.backward(x, output_grad, x_grad, affine, planes.size, &mut scratch);
            add_parts(&mut sums, x_grad, x, |grad, _| f64::from(grad));
            add_parts(&mut centred_sums, x_grad, x, |grad, x| f64::from(grad) * f64::from(x - mean));
        }
        let count = (x_grads.len() * planes.plane()) as f64;
        let inverse = 1.0 / (f64::from(variance) + epsilon).sqrt();
        let (sum, centred_sum) = (total(&sums), total(&centred_sums));
        (*gradients.0, *gradients.1) = ((centred_sum * inverse) as f32, sum as f32);
        let shift = (sum / count) as f32;
        let slope = (centred_sum * inverse * inverse / count) as f32;
        for (x, x_grad) in planes.of(saved.x, channel).zip(x_grads) {
            for (grad, x) in x_grad.iter_mut().zip(x) {
                *grad = affine.scale * (*grad - shift - (x - mean) * slope);
            }
        }
    }
}

/// Mean and biased variance.
#[inline(always)]
fn moments<'a>(planes: impl Iterator<Item = &'a [f32]> + Clone) -> (f32, f32) {
    let (mut sums, mut count) = ([0.0; PARTS], 0);
    for plane in planes.clone() {
        count += plane.len();
        add_parts(&mut sums, plane, plane, |value, _| f64::from(value));
    }
    let mean = total(&sums) / count as f64;
    let mut squares = [0.0; PARTS];
    for plane in planes {
        add_parts(&mut squares, plane, plane, |value, _| {
            let centred = f64::from(value) - mean;
            centred * centred
        });
    }
    (mean as f32, (total(&squares) / count as f64) as f32)
}

/// Adds `term` of each pair to one of the partial sums.
#[inline(always)]
fn add_parts(sums: &mut [f64; PARTS], a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f64) {
    for (a, b) in a.chunks(PARTS).zip(b.chunks(PARTS)) {
        for (sum, (&a, &b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += term(a, b);
        }
    }
}

/// The sum of partial sums, in order.
#[inline(always)]
fn total(parts: &[f64; PARTS]) -> f64 {
    parts.iter().sum()
}
