//! Products of a weight matrix with image patches: the convolution and the gradient of its input.

use super::pack::{self, Positions};
use super::scratch::with_scratch;
use super::shape::Gather;
use super::shape::{Phase, Window, phases};
use crate::parallel;
use crate::tile::{COLUMNS, Lanes, ROWS, multiply_add};

/// Patches a work item holds at a time, in bytes; leaves part of a 1 MiB second-level cache to
/// the weights streaming by.
const PANELS_BYTES: usize = 640 << 10;
/// Positions a work item has at least (while there are images), so that weights are reused.
const ITEM_POSITIONS: usize = 128;

/// Where products go: rows of the weight matrix are output channels.
#[derive(Clone, Copy)]
struct Target {
    channels: usize,
    size: [usize; 2],
    /// Place of the first position, and distance of positions along each axis.
    origin: [usize; 2],
    step: [usize; 2],
}

/// `y[n, o] = bias[o] + Σ_c weight[o, c] ⋆ x[n, c]`, with `x` `[batch, channels in, height, width]`,
/// `weight` `[channels out, channels in, kernel height, kernel width]`.
pub fn forward(
    x: &[f32],
    shape: [usize; 4],
    weight: &[f32],
    bias: &[f32],
    window: &Window,
) -> Vec<f32> {
    let [batch, channels_in, height, width] = shape;
    let gather = Gather::patches(channels_in, [height, width], window);
    let target = Target {
        channels: bias.len(),
        size: gather.grid,
        origin: [0, 0],
        step: [1, 1],
    };
    let mut y = vec![0.0; batch * target.channels * gather.positions()];
    let images = ITEM_POSITIONS.div_ceil(gather.positions());
    let items = x
        .chunks(images * gather.image())
        .zip(y.chunks_mut(images * target.channels * gather.positions()))
        .collect();
    parallel::for_each(items, |(x, y)| {
        correlate(x, &gather, weight, bias, y, &target);
    });
    y
}

/// Gradient of the sum of `y · y_grad` with respect to `x`, whose shape is `shape`.
pub fn input_gradient(
    y_grad: &[f32],
    shape: [usize; 4],
    weight: &[f32],
    window: &Window,
) -> Vec<f32> {
    let [batch, channels_in, height, width] = shape;
    let channels_out = weight.len() / (channels_in * window.taps());
    let phases: Vec<(Phase, Vec<f32>)> = phases(channels_out, [height, width], window)
        .into_iter()
        .filter(|phase| !phase.kernel_taps.is_empty())
        .map(|phase| {
            let weight = transposed_taps(weight, channels_in, window.taps(), &phase.kernel_taps);
            (phase, weight)
        })
        .collect();
    let bias = vec![0.0; channels_in];
    let mut x_grad = vec![0.0; batch * channels_in * height * width];
    let positions: usize = window.output([height, width]).iter().product();
    let images = ITEM_POSITIONS.div_ceil(positions);
    let items = y_grad
        .chunks(images * channels_out * positions)
        .zip(x_grad.chunks_mut(images * channels_in * height * width))
        .collect();
    parallel::for_each(items, |(y_grad, x_grad)| {
        for (Phase { gather, origin, .. }, weight) in &phases {
            let (size, step) = ([height, width], window.stride);
            let target = Target {
                channels: channels_in,
                size,
                origin: *origin,
                step,
            };
            correlate(y_grad, gather, weight, &bias, x_grad, &target);
        }
    });
    x_grad
}

/// `[out, in, all taps]` → `[in, out, taps]`.
fn transposed_taps(
    weight: &[f32],
    channels_in: usize,
    all_taps: usize,
    taps: &[usize],
) -> Vec<f32> {
    let channels_out = weight.len() / (channels_in * all_taps);
    let mut transposed = Vec::with_capacity(channels_in * channels_out * taps.len());
    for input in 0..channels_in {
        for output in 0..channels_out {
            let kernel = &weight[(output * channels_in + input) * all_taps..][..all_taps];
            transposed.extend(taps.iter().map(|&tap| kernel[tap]));
        }
    }
    transposed
}

/// One work item: some images of the input, and the same images of the output.
fn correlate(
    images: &[f32],
    gather: &Gather,
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    target: &Target,
) {
    let depth = gather.depth();
    let padded = pack::padded(images, gather);
    let positions = Positions::new(gather, images.len() / gather.image());
    let panels = positions.len().div_ceil(COLUMNS);
    let held = (PANELS_BYTES / (depth * size_of::<Lanes>())).clamp(1, panels);
    with_scratch(held * depth, 0, |lanes, _| {
        for first in (0..panels).step_by(held) {
            let count = held.min(panels - first);
            let runs: Vec<Vec<Run>> = (first..first + count)
                .map(|panel| {
                    let from = panel * COLUMNS;
                    runs(from..positions.len().min(from + COLUMNS), gather, target)
                })
                .collect();
            for (panel, lanes) in lanes.chunks_exact_mut(depth).take(count).enumerate() {
                positions.panel(&padded, gather, (first + panel) * COLUMNS, lanes);
            }
            for from in (0..target.channels).step_by(ROWS) {
                // The last tile repeats the last row; only distinct rows are stored.
                let row = |r: usize| (from + r).min(target.channels - 1);
                let rows = std::array::from_fn(|r| &weight[row(r) * depth..(row(r) + 1) * depth]);
                let start = std::array::from_fn(|r| Lanes([bias[row(r)]; COLUMNS]));
                for (lanes, runs) in lanes.chunks_exact(depth).zip(&runs) {
                    let mut tile = start;
                    multiply_add(rows, lanes, &mut tile);
                    store(
                        &tile[..ROWS.min(target.channels - from)],
                        from,
                        runs,
                        output,
                        target,
                    );
                }
            }
        }
    });
}

/// Positions of a panel that go to places of equal distance in the output.
struct Run {
    lane: usize,
    length: usize,
    /// Place in channel 0.
    place: usize,
}

/// The places of `positions`.
fn runs(positions: std::ops::Range<usize>, gather: &Gather, target: &Target) -> Vec<Run> {
    let [rows, columns] = gather.grid;
    // Without gaps between positions, an image is one run.
    let whole = target.step == [1, 1];
    let period = if whole { rows * columns } else { columns };
    let mut runs = Vec::new();
    let mut position = positions.start;
    while position < positions.end {
        let end = positions.end.min((position / period + 1) * period);
        let (image, within) = (position / (rows * columns), position % (rows * columns));
        let y = target.origin[0] + within / columns * target.step[0];
        let x = target.origin[1] + within % columns * target.step[1];
        let place =
            image * target.channels * target.size[0] * target.size[1] + y * target.size[1] + x;
        runs.push(Run {
            lane: position - positions.start,
            length: end - position,
            place,
        });
        position = end;
    }
    runs
}

fn store(tile: &[Lanes], channel: usize, runs: &[Run], output: &mut [f32], target: &Target) {
    let plane = target.size[0] * target.size[1];
    for (row, values) in tile.iter().enumerate() {
        for run in runs {
            let place = run.place + (channel + row) * plane;
            if run.length == COLUMNS && target.step[1] == 1 {
                // The common case, with a length the compiler knows.
                output[place..place + COLUMNS].copy_from_slice(&values.0);
            } else {
                let places = output[place..].iter_mut().step_by(target.step[1]);
                for (place, value) in places.zip(&values.0[run.lane..run.lane + run.length]) {
                    *place = *value;
                }
            }
        }
    }
}
