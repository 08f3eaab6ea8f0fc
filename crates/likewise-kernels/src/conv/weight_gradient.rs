//! Gradient of the kernel of a convolution: products of the output gradient with the patches of
//! the input, summed over all positions of all images.

use super::pack::{self, Positions};
use super::scratch::with_scratch;
use super::shape::{Gather, Window};
use crate::parallel;
use crate::tile::{COLUMNS, Lanes, ROWS, multiply_add};

/// Patch values a work item holds at a time, in bytes.
const PATCHES_BYTES: usize = 512 << 10;
/// Input channels of a work item.
const ITEM_CHANNELS: usize = 32;
/// Work items aimed at. The sums of an item are added in the order of items, so this must not
/// depend on the number of threads.
const ITEMS: usize = 16;

/// Positions transposed at a time: 8 KiB of panel stay in the first-level cache.
const TRANSPOSED: usize = 64;

/// A tile of the transposed gradient: 8 patch values, 32 output channels.
type Tile = [Lanes; ROWS];

/// Gradient of the sum of `y · y_grad` with respect to `weight`
/// `[channels out, channels in, kernel height, kernel width]`.
pub fn weight_gradient(
    x: &[f32],
    shape: [usize; 4],
    y_grad: &[f32],
    channels_out: usize,
    window: &Window,
) -> Vec<f32> {
    let [batch, channels_in, height, width] = shape;
    let gather = Gather::patches(channels_in, [height, width], window);
    let blocks = channels_in.div_ceil(ITEM_CHANNELS);
    let images = batch.div_ceil(ITEMS.div_ceil(blocks)).max(1);
    let parts = batch.div_ceil(images);
    let tiles = |channels: usize| {
        (channels * window.taps()).div_ceil(ROWS) * channels_out.div_ceil(COLUMNS)
    };

    let mut sums: Vec<Vec<Tile>> = Vec::with_capacity(parts * blocks);
    let block_channels =
        |block: usize| block * ITEM_CHANNELS..channels_in.min((block + 1) * ITEM_CHANNELS);
    for item in 0..parts * blocks {
        sums.push(vec![
            [Lanes::ZERO; ROWS];
            tiles(block_channels(item % blocks).len())
        ]);
    }
    let items = sums.iter_mut().enumerate().collect();
    parallel::for_each(items, |(item, sums)| {
        let (from, to) = (
            item / blocks * images,
            batch.min((item / blocks + 1) * images),
        );
        let x = &x[from * gather.image()..to * gather.image()];
        let image = channels_out * gather.positions();
        let y_grad = &y_grad[from * image..to * image];
        add_products(
            x,
            &gather,
            block_channels(item % blocks),
            y_grad,
            channels_out,
            sums,
        );
    });

    let mut gradient = vec![0.0; channels_out * gather.depth()];
    let rows = gradient.chunks_mut(gather.depth()).enumerate().collect();
    let columns = channels_out.div_ceil(COLUMNS);
    parallel::for_each(rows, |(output, row): (usize, &mut [f32])| {
        let block_depth = ITEM_CHANNELS * window.taps();
        for (index, part) in sums.iter().enumerate() {
            let row = &mut row[index % blocks * block_depth..];
            let tiles = part.iter().skip(output / COLUMNS).step_by(columns);
            for (value, lanes) in row.iter_mut().zip(tiles.flatten()) {
                *value += lanes.0[output % COLUMNS];
            }
        }
    });
    gradient
}

/// Adds the products of some images to `sums`, tiles in order (patch values, output channels).
fn add_products(
    x: &[f32],
    gather: &Gather,
    channels: std::ops::Range<usize>,
    y_grad: &[f32],
    channels_out: usize,
    sums: &mut [Tile],
) {
    let padded = pack::padded(x, gather);
    let positions = Positions::new(gather, x.len() / gather.image());
    let depth = channels.len() * gather.taps.len();
    let columns = channels_out.div_ceil(COLUMNS);
    let held = PATCHES_BYTES / (depth * size_of::<f32>()) / COLUMNS * COLUMNS;
    let held = held.clamp(COLUMNS, 512);
    with_scratch(columns * held, depth * held, |lanes, values| {
        for from in (0..positions.len()).step_by(held) {
            let length = held.min(positions.len() - from);
            let (rows, lanes) = (
                &mut values[..depth * length],
                &mut lanes[..columns * length],
            );
            positions.rows(&padded, gather, channels.clone(), [from, length], rows);
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

/// Gradient of the bias: sums of `y_grad` `[batch, channels, positions]` over batch and positions.
pub fn bias_gradient(y_grad: &[f32], channels: usize, positions: usize) -> Vec<f32> {
    let mut gradient = vec![0.0f64; channels];
    for image in y_grad.chunks_exact(channels * positions) {
        for (sum, plane) in gradient.iter_mut().zip(image.chunks_exact(positions)) {
            *sum += plane.iter().map(|&value| f64::from(value)).sum::<f64>();
        }
    }
    gradient.into_iter().map(|sum| sum as f32).collect()
}
