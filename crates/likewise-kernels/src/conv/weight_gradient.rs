//! Gradient of the kernel of a convolution: products of the output gradient with the patches of
//! the input, summed over all positions of all images.

use std::borrow::Cow;
use std::ops::Range;

use super::pack::{self, Positions};
use super::scratch::with_scratch;
use super::shape::{Gather, Window};
use crate::parallel;
use crate::tile::{COLUMNS, Lanes, ROWS, multiply_add};

/// Patch values a work item holds at a time, in bytes.
const PATCHES_BYTES: usize = 512 << 10;
/// Patch values of a position in a work item, about. More reuse the transposed output gradient more
/// often, fewer make more items.
const ITEM_DEPTH: usize = 160;
/// Work items aimed at. The sums of an item are added in the order of items, so this must not
/// depend on the number of threads.
const ITEMS: usize = 16;
/// Positions transposed at a time: 8 KiB of panel stay in the first-level cache.
const TRANSPOSED: usize = 64;

/// A tile of the transposed gradient: 8 patch values, 32 output channels.
type Tile = [Lanes; ROWS];

/// Gradients of a kernel `[channels out, channels in, kernel height, kernel width]` and of the factor
/// of each of its output channels.
pub struct KernelGradient {
    pub weight: Vec<f32>,
    /// Empty where there is no factor.
    pub scale: Vec<f32>,
}

/// Gradients of the sum of `y · y_grad`, where `y` is the convolution of `x` (of shape `shape`) with
/// `scale · weight`.
pub fn weight_gradient(
    x: &[f32],
    shape: [usize; 4],
    y_grad: &[f32],
    weight: &[f32],
    scale: Option<&[f32]>,
    window: &Window,
) -> KernelGradient {
    let [batch, channels_in, height, width] = shape;
    let gather = Gather::patches(channels_in, [height, width], window);
    let channels_out = weight.len() / gather.depth();
    let channels = (ITEM_DEPTH / window.taps()).max(1).min(channels_in);
    let blocks = channels_in.div_ceil(channels);
    let images = batch.div_ceil(ITEMS.div_ceil(blocks)).max(1);
    let parts = batch.div_ceil(images);
    let columns = channels_out.div_ceil(COLUMNS);
    let block = |block: usize| {
        let channels = block * channels..channels_in.min((block + 1) * channels);
        channels.start * window.taps()..channels.end * window.taps()
    };

    let work: Vec<(usize, usize)> = (0..parts)
        .flat_map(|part| (0..blocks).map(move |block| (part, block)))
        .collect();
    let sums = parallel::map(work, |(part, index)| {
        let (from, to) = (part * images, batch.min((part + 1) * images));
        let x = &x[from * gather.image()..to * gather.image()];
        let image = channels_out * gather.positions();
        let y_grad = &y_grad[from * image..to * image];
        let depth = block(index);
        let mut sums = vec![[Lanes::ZERO; ROWS]; depth.len().div_ceil(ROWS) * columns];
        add_products(x, &gather, depth, y_grad, channels_out, &mut sums);
        sums
    });

    let depth = gather.depth();
    let mut gradient = vec![0.0; channels_out * depth];
    let groups: Vec<(usize, &mut [f32])> =
        gradient.chunks_mut(COLUMNS * depth).enumerate().collect();
    let factors = parallel::map(groups, |(column, rows)| {
        for (index, sums) in sums.iter().enumerate() {
            let tiles = sums.iter().skip(column).step_by(columns);
            add_tiles(tiles, rows, depth, block(index % blocks));
        }
        let outputs = column * COLUMNS..channels_out.min((column + 1) * COLUMNS);
        let Some(scale) = scale else {
            return Vec::new();
        };
        let rows = rows.chunks_exact_mut(depth);
        let kernels = weight[outputs.start * depth..].chunks_exact(depth);
        rows.zip(kernels)
            .zip(&scale[outputs])
            .map(|((row, kernel), &scale)| divide_gradient(row, kernel, scale))
            .collect()
    });
    KernelGradient {
        weight: gradient,
        scale: factors.concat(),
    }
}

/// From the gradient of `scale · kernel` to that of `kernel`, in place, and that of `scale`.
fn divide_gradient(gradient: &mut [f32], kernel: &[f32], scale: f32) -> f32 {
    const PARTS: usize = 32;
    let mut sums = [0.0f64; PARTS];
    for (gradient, kernel) in gradient.chunks(PARTS).zip(kernel.chunks(PARTS)) {
        for ((sum, gradient), kernel) in sums.iter_mut().zip(gradient).zip(kernel) {
            *sum += f64::from(*gradient) * f64::from(*kernel);
        }
    }
    gradient.iter_mut().for_each(|value| *value *= scale);
    sums.iter().sum::<f64>() as f32
}

/// Adds the tiles of 32 output channels, whose rows of patch values are `rows`, at `values`. A few
/// tiles at a time, so that cache lines of the rows are written once.
fn add_tiles<'a>(
    mut tiles: impl Iterator<Item = &'a Tile>,
    rows: &mut [f32],
    depth: usize,
    values: Range<usize>,
) {
    const TILES: usize = 4;
    for from in values.clone().step_by(TILES * ROWS) {
        let tiles: [Option<&Tile>; TILES] = std::array::from_fn(|_| tiles.next());
        let count = (TILES * ROWS).min(values.end - from);
        for (column, row) in rows.chunks_exact_mut(depth).enumerate() {
            let row = &mut row[from..from + count];
            for (values, tile) in row.chunks_mut(ROWS).zip(tiles.iter().flatten()) {
                for (value, lanes) in values.iter_mut().zip(*tile) {
                    *value += lanes.0[column];
                }
            }
        }
    }
}

/// Adds the products of some images to `sums`, tiles in order (patch values, output channels). `depth`
/// are the patch values.
fn add_products(
    x: &[f32],
    gather: &Gather,
    depth: Range<usize>,
    y_grad: &[f32],
    channels_out: usize,
    sums: &mut [Tile],
) {
    let (padded, shifts, read) = if gather.is_unpadded() {
        let shifts = gather.shifts()[depth.clone()].to_vec();
        (Cow::Borrowed(x), shifts, Positions::read(gather))
    } else {
        let channels = depth.start / gather.taps.len()..depth.end / gather.taps.len();
        let planes = pack::planes(x, gather, channels.clone());
        let part = Gather {
            channels: channels.len(),
            ..gather.clone()
        };
        (Cow::Owned(planes), part.shifts(), Positions::read(&part))
    };
    let depth = depth.len();
    let positions = x.len() / gather.image() * gather.positions();
    let columns = channels_out.div_ceil(COLUMNS);
    let held = PATCHES_BYTES / (depth * size_of::<f32>()) / COLUMNS * COLUMNS;
    let held = held.clamp(COLUMNS, 512);
    with_scratch(columns * held, depth * held, |lanes, values| {
        for from in (0..positions).step_by(held) {
            let length = held.min(positions - from);
            let (rows, lanes) = (
                &mut values[..depth * length],
                &mut lanes[..columns * length],
            );
            pack::rows(&padded, &read.runs(from..from + length), &shifts, rows);
            transpose(
                y_grad,
                channels_out,
                gather.positions(),
                from,
                lanes,
                length,
            );
            for (tiles, row) in sums.chunks_exact_mut(columns).zip((0..depth).step_by(ROWS)) {
                // The last tile repeats the last row; nothing reads the copies.
                let row = |r: usize| (row + r).min(depth - 1) * length;
                let rows = std::array::from_fn(|r| &rows[row(r)..row(r) + length]);
                for (tile, panel) in tiles.iter_mut().zip(lanes.chunks_exact(length)) {
                    multiply_add(rows, panel, tile);
                }
            }
        }
    });
}

/// Output gradients `[image, channel, position]` → panels of 32 channels, one `Lanes` for each of
/// `length` positions (counted through all images) starting at `from`.
fn transpose(
    y_grad: &[f32],
    channels: usize,
    positions: usize,
    from: usize,
    panels: &mut [Lanes],
    length: usize,
) {
    for (panel, lanes) in panels.chunks_exact_mut(length).enumerate() {
        let mut done = 0;
        while done < length {
            let (image, position) = ((from + done) / positions, (from + done) % positions);
            let count = (positions - position).min(length - done).min(TRANSPOSED);
            for column in 0..COLUMNS {
                let channel = panel * COLUMNS + column;
                let lanes = lanes[done..done + count].iter_mut();
                if channel < channels {
                    let values = &y_grad[(image * channels + channel) * positions + position..];
                    lanes
                        .zip(values)
                        .for_each(|(lanes, &value)| lanes.0[column] = value);
                } else {
                    lanes.for_each(|lanes| lanes.0[column] = 0.0);
                }
            }
            done += count;
        }
    }
}
