//! Products of a weight matrix with image patches: the convolution and the gradient of its input.
//! A work item is some images and some output channels; patches are cut along their depth as well,
//! so that a block of them stays in the second-level cache while all weights pass by.

use std::ops::Range;
use std::sync::Arc;

use super::finish::Finish;
use super::pack::{self, Padded, Positions, Run};
use super::scratch::with_scratch;
use super::shape::{Gather, Phase, Window, phases};
use crate::parallel;
use crate::tile::{COLUMNS, Lanes, ROWS, multiply_add};

/// Patch values held at a time, in bytes; leaves part of a 1 MiB second-level cache to the weights
/// streaming by.
const PANELS_BYTES: usize = 640 << 10;
/// Patch values of one position held at a time.
const BLOCK_DEPTH: usize = 640;
/// Positions a work item has at least (while there are images), so that weights are reused.
const ITEM_POSITIONS: usize = 256;
/// Output channels a work item has at least, so that patches are reused.
const ITEM_CHANNELS: usize = 64;
/// Work items aimed at for each thread.
const ITEMS_PER_THREAD: usize = 4;

/// `y[n, o] = finish(Σ_c weight[o, c] ⋆ x[n, c])`, with `x` `[batch, channels in, height, width]`,
/// `weight` `[channels out, channels in, kernel height, kernel width]`.
pub fn forward(
    x: &[f32],
    shape: [usize; 4],
    weight: &[f32],
    finish: &Finish,
    window: &Window,
) -> Vec<f32> {
    let [batch, channels_in, height, width] = shape;
    let gather = Gather::patches(channels_in, [height, width], window);
    let grid = gather.grid;
    let target = Target {
        channels: weight.len() / gather.depth(),
        plane: grid[0] * grid[1],
        positions: Positions {
            grid,
            origin: 0,
            step: [grid[1], 1],
            image: 0,
        },
    };
    let mut y = vec![0.0; batch * target.channels * target.plane];
    let image = gather.image();
    let items = items(x, image, gather.positions(), &mut y, &target);
    parallel::for_each(items, |mut item| {
        correlate(&mut item, &gather, weight, finish, &target);
    });
    y
}

/// Gradient of the sum of `y · y_grad` with respect to `x`, whose shape is `shape`, where the weight
/// of output channel o is `scale[o] · weight[o]`.
pub fn input_gradient(
    y_grad: &[f32],
    shape: [usize; 4],
    weight: &[f32],
    scale: Option<&[f32]>,
    window: &Window,
) -> Vec<f32> {
    let [batch, channels_in, height, width] = shape;
    let channels_out = weight.len() / (channels_in * window.taps());
    let phases: Vec<(Phase, Vec<f32>)> = phases(channels_out, [height, width], window)
        .into_iter()
        .filter(|phase| !phase.kernel_taps.is_empty())
        .map(|phase| {
            let weight = transposed(
                weight,
                channels_in,
                window.taps(),
                &phase.kernel_taps,
                scale,
            );
            (phase, weight)
        })
        .collect();
    let target = |origin: [usize; 2], grid| Target {
        channels: channels_in,
        plane: height * width,
        positions: Positions {
            grid,
            origin: origin[0] * width + origin[1],
            step: [window.stride[0] * width, window.stride[1]],
            image: 0,
        },
    };
    let mut x_grad = vec![0.0; batch * channels_in * height * width];
    let positions: usize = window.output([height, width]).iter().product();
    let image = channels_out * positions;
    let whole = target([0, 0], [height, width]);
    let items = items(y_grad, image, positions, &mut x_grad, &whole);
    parallel::for_each(items, |mut item| {
        for (Phase { gather, origin, .. }, weight) in &phases {
            let target = target(*origin, gather.grid);
            correlate(&mut item, gather, weight, &Finish::NOTHING, &target);
        }
    });
    x_grad
}

/// `[out, in, all taps]` → `[in, out, taps]`, each output channel times its scale.
fn transposed(
    weight: &[f32],
    channels_in: usize,
    all_taps: usize,
    taps: &[usize],
    scale: Option<&[f32]>,
) -> Vec<f32> {
    let channels_out = weight.len() / (channels_in * all_taps);
    let row = channels_out * taps.len();
    let mut transposed = vec![0.0; channels_in * row];
    // Blocks of inputs and outputs whose lines stay in the first-level cache.
    const BLOCK: usize = 16;
    parallel::for_each_chunk(&mut transposed, BLOCK * row, |block, rows| {
        for outputs in (0..channels_out).step_by(BLOCK) {
            let outputs = outputs..channels_out.min(outputs + BLOCK);
            for (input, row) in rows.chunks_exact_mut(row).enumerate() {
                let input = block * BLOCK + input;
                let kernels = weight[(outputs.start * channels_in + input) * all_taps..]
                    .chunks(channels_in * all_taps)
                    .map(|kernel| &kernel[..all_taps]);
                let row = &mut row[outputs.start * taps.len()..outputs.end * taps.len()];
                let scales = scale.map(|scale| &scale[outputs.clone()]);
                // The common kernels, with a number of taps the compiler knows.
                match *taps {
                    [tap] => pick([tap], kernels, scales, row),
                    [a, b] => pick([a, b], kernels, scales, row),
                    [a, b, c, d] => pick([a, b, c, d], kernels, scales, row),
                    [a, b, c, d, e, f, g, h, i] => {
                        pick([a, b, c, d, e, f, g, h, i], kernels, scales, row);
                    }
                    _ => pick_any(taps, kernels, scales, row),
                }
            }
        }
    });
    transposed
}

/// The values of `taps` of each kernel, times the kernel's scale, one kernel after the other.
#[inline(always)]
fn pick<'a, const N: usize>(
    taps: [usize; N],
    kernels: impl Iterator<Item = &'a [f32]>,
    scales: Option<&[f32]>,
    row: &mut [f32],
) {
    let row = row.as_chunks_mut::<N>().0;
    for (output, (to, kernel)) in row.iter_mut().zip(kernels).enumerate() {
        let scale = scales.map_or(1.0, |scales| scales[output]);
        *to = taps.map(|tap| kernel[tap] * scale);
    }
}

/// As [`pick`].
fn pick_any<'a>(
    taps: &[usize],
    kernels: impl Iterator<Item = &'a [f32]>,
    scales: Option<&[f32]>,
    row: &mut [f32],
) {
    let row = row.chunks_exact_mut(taps.len());
    for (output, (to, kernel)) in row.zip(kernels).enumerate() {
        let scale = scales.map_or(1.0, |scales| scales[output]);
        to.iter_mut()
            .zip(taps)
            .for_each(|(to, &tap)| *to = kernel[tap] * scale);
    }
}

/// Where products go: rows of the weight matrix are output channels.
struct Target {
    channels: usize,
    /// Values of one channel.
    plane: usize,
    /// Places within a channel.
    positions: Positions,
}

/// Some images and some of their output channels.
struct Item<'a> {
    first_image: usize,
    /// Number of images.
    count: usize,
    /// The images, which items of other channels read as well.
    images: Arc<Padded<'a>>,
    channels: Range<usize>,
    /// The channels of each image.
    outputs: Vec<&'a mut [f32]>,
}

/// Cuts the work. Results do not depend on the cut: each output is summed in one item.
fn items<'a>(
    input: &'a [f32],
    image: usize,
    positions: usize,
    output: &'a mut [f32],
    target: &Target,
) -> Vec<Item<'a>> {
    let count = ITEM_POSITIONS.div_ceil(positions.max(1));
    let parts = input.chunks(count * image);
    let groups = (ITEMS_PER_THREAD * parallel::threads()).div_ceil(parts.len().max(1));
    let group = target.channels.div_ceil(groups).max(ITEM_CHANNELS);
    let group = group.next_multiple_of(ROWS).min(target.channels.max(1));
    let mut items = Vec::new();
    let outputs = output.chunks_mut(count * target.channels * target.plane);
    for (part, (images, outputs)) in parts.zip(outputs).enumerate() {
        let first = items.len();
        let shared = Arc::new(Padded::new(images));
        for from in (0..target.channels).step_by(group) {
            items.push(Item {
                first_image: part * count,
                count: images.len() / image,
                images: Arc::clone(&shared),
                channels: from..target.channels.min(from + group),
                outputs: Vec::with_capacity(count),
            });
        }
        for output in outputs.chunks_mut(target.channels * target.plane) {
            let groups = output.chunks_mut(group * target.plane);
            for (item, channels) in items[first..].iter_mut().zip(groups) {
                item.outputs.push(channels);
            }
        }
    }
    items
}

fn correlate(item: &mut Item, gather: &Gather, weight: &[f32], finish: &Finish, target: &Target) {
    let depth = gather.depth();
    let images = Arc::clone(&item.images);
    let padded = images.values(gather);
    let shifts = gather.shifts();
    let read = Positions::read(gather);
    let positions = item.count * gather.positions();
    let panels = positions.div_ceil(COLUMNS);
    let block = depth.div_ceil(depth.div_ceil(BLOCK_DEPTH).max(1)).max(1);
    let held = (PANELS_BYTES / (block * size_of::<Lanes>())).clamp(1, panels.max(1));
    let tiles = item.channels.len().div_ceil(ROWS);
    // Sums of earlier blocks, if there are several.
    let kept = if block < depth {
        held * tiles * ROWS
    } else {
        0
    };
    with_scratch(held * block + kept, 0, |lanes, _| {
        let (lanes, kept) = lanes.split_at_mut(held * block);
        let kept = kept.as_chunks_mut::<ROWS>().0;
        for first in (0..panels).step_by(held) {
            let count = held.min(panels - first);
            let range = |panel: usize| {
                let from = (first + panel) * COLUMNS;
                from..positions.min(from + COLUMNS)
            };
            let runs = |positions: &Positions| -> Vec<Vec<Run>> {
                (0..count)
                    .map(|panel| positions.runs(range(panel)))
                    .collect()
            };
            let (reads, writes) = (runs(&read), runs(&target.positions));
            for from in (0..depth).step_by(block) {
                let values = from..depth.min(from + block);
                let (is_first, is_last) = (from == 0, values.end == depth);
                let lanes = &mut lanes[..count * values.len()];
                for (lanes, runs) in lanes.chunks_exact_mut(values.len()).zip(&reads) {
                    pack::panel(padded, runs, &shifts[values.clone()], lanes);
                }
                for tile in 0..tiles {
                    let channel = item.channels.start + tile * ROWS;
                    // The last tile repeats the last row; only distinct rows are stored.
                    let row = |r: usize| (channel + r).min(item.channels.end - 1) * depth;
                    let rows = std::array::from_fn(|r| {
                        &weight[row(r) + values.start..row(r) + values.end]
                    });
                    for (panel, lanes) in lanes.chunks_exact(values.len()).enumerate() {
                        let mut sums = [Lanes::ZERO; ROWS];
                        if !is_first {
                            sums = kept[tile * held + panel];
                        }
                        multiply_add(rows, lanes, &mut sums);
                        if is_last {
                            store(item, tile * ROWS, &sums, &writes[panel], finish, target);
                        } else {
                            kept[tile * held + panel] = sums;
                        }
                    }
                }
            }
        }
    });
}

/// Stores the sums of the channels from `first` on, counted within the item.
fn store(
    item: &mut Item,
    first: usize,
    sums: &[Lanes; ROWS],
    runs: &[Run],
    finish: &Finish,
    target: &Target,
) {
    let channels = item.channels.len().min(first + ROWS) - first;
    let step = target.positions.step[1];
    for (row, sums) in sums[..channels].iter().enumerate() {
        let channel = item.channels.start + first + row;
        for run in runs {
            let plane = &mut item.outputs[run.image][(first + row) * target.plane..];
            let image = item.first_image + run.image;
            let plane_in_all = (image * target.channels + channel) * target.plane;
            let sums = &sums.0[run.lane..run.lane + run.length];
            finish.store(
                sums,
                channel,
                &mut plane[run.place..],
                step,
                plane_in_all + run.place,
            );
        }
    }
}
