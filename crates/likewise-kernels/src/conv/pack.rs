//! Brings image patches into the two orders the products need: panels of neighbouring positions,
//! or one row of positions for each patch value. Both copy runs of neighbours.

use std::ops::Range;
use std::sync::OnceLock;

use super::shape::Gather;
use crate::simd::vectorized;
use crate::tile::Lanes;

/// Images `[n, channels, height, width]`, and the same surrounded with zeros and split into planes once
/// somebody has asked for that.
pub struct Padded<'a> {
    images: &'a [f32],
    planes: OnceLock<Vec<f32>>,
}

impl<'a> Padded<'a> {
    pub fn new(images: &'a [f32]) -> Self {
        Self {
            images,
            planes: OnceLock::new(),
        }
    }

    /// The images as `gather` reads them, which must be a way that pads alike each time.
    pub fn values(&self, gather: &Gather) -> &[f32] {
        if gather.is_unpadded() {
            self.images
        } else {
            let channels = 0..gather.channels;
            self.planes
                .get_or_init(|| planes(self.images, gather, channels))
        }
    }
}

/// Some channels of images `[n, gather.channels, height, width]`, surrounded with zeros and split into
/// the planes of `gather`.
pub fn planes(images: &[f32], gather: &Gather, channels: Range<usize>) -> Vec<f32> {
    let plane: usize = gather.size.iter().product();
    let images = images.chunks_exact(gather.image());
    let mut planes = vec![0.0; images.len() * channels.len() * gather.planes()];
    let from = images
        .flat_map(|image| image[channels.start * plane..channels.end * plane].chunks_exact(plane));
    for (image, planes) in from.zip(planes.chunks_exact_mut(gather.planes())) {
        split(image, gather, planes);
    }
    planes
}

/// One channel of one image into its planes, which hold zeros.
fn split(image: &[f32], gather: &Gather, planes: &mut [f32]) {
    let width = gather.size[1];
    let ([row_step, column_step], [_, columns]) = (gather.stride, gather.plane);
    for (residue, plane) in gather
        .residues
        .iter()
        .zip(planes.chunks_exact_mut(gather.plane[0] * columns))
    {
        let ([skipped_rows, first_row], [skipped_columns, first_column]) =
            (gather.first(0, residue[0]), gather.first(1, residue[1]));
        let rows = image.chunks_exact(width).skip(first_row).step_by(row_step);
        for (row, plane) in rows.zip(plane.chunks_exact_mut(columns).skip(skipped_rows)) {
            let (row, plane) = (&row[first_column..], &mut plane[skipped_columns..]);
            match column_step {
                1 => {
                    let length = plane.len().min(row.len());
                    plane[..length].copy_from_slice(&row[..length]);
                }
                2 => {
                    let (pairs, last) = row.as_chunks::<2>();
                    let length = plane.len().min(pairs.len());
                    for (to, pair) in plane.iter_mut().zip(pairs) {
                        *to = pair[0];
                    }
                    if let ([value], Some(to)) = (last, plane.get_mut(length)) {
                        *to = *value;
                    }
                }
                _ => {
                    let values = row.iter().step_by(column_step);
                    plane
                        .iter_mut()
                        .zip(values)
                        .for_each(|(to, from)| *to = *from);
                }
            }
        }
    }
}

impl Gather {
    /// For a residue of an axis: values of its plane before the image begins, and the image's first
    /// row (or column) in it.
    fn first(&self, axis: usize, residue: usize) -> [usize; 2] {
        let (before, step) = (self.before[axis], self.stride[axis]);
        let skipped = before.saturating_sub(residue).div_ceil(step);
        [skipped, skipped * step + residue - before]
    }
}

/// Neighbouring positions whose values are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Image of the positions.
    pub image: usize,
    /// First position, counted from the first asked for.
    pub lane: usize,
    pub length: usize,
    /// Where the first lies: in the whole images for reading, in one channel for writing.
    pub place: usize,
}

/// The positions of a grid in order (image, row, column), as places.
#[derive(Clone, Copy)]
pub struct Positions {
    pub grid: [usize; 2],
    /// Place of the first position of an image, and distance of rows and of columns.
    pub origin: usize,
    pub step: [usize; 2],
    /// Distance of images.
    pub image: usize,
}

impl Positions {
    /// Where positions read: `place` is that of a tap without offset in the padded images.
    pub fn read(gather: &Gather) -> Self {
        Self {
            grid: gather.grid,
            origin: 0,
            step: [gather.plane[1], 1],
            image: gather.padded_image(),
        }
    }

    /// The runs of `positions`, counted through all images.
    pub fn runs(&self, positions: Range<usize>) -> Vec<Run> {
        let [rows, columns] = self.grid;
        // Without gaps between rows, an image is one run.
        let whole = self.step == [columns, 1];
        let period = if whole { rows * columns } else { columns };
        let mut runs = Vec::new();
        let mut position = positions.start;
        while position < positions.end {
            let end = positions.end.min((position / period + 1) * period);
            let (image, within) = (position / (rows * columns), position % (rows * columns));
            let offset = within / columns * self.step[0] + within % columns * self.step[1];
            runs.push(Run {
                image,
                lane: position - positions.start,
                length: end - position,
                place: image * self.image + self.origin + offset,
            });
            position = end;
        }
        runs
    }
}

vectorized! {
    /// Writes one `Lanes` for each patch value (given by its shift): the values at the positions of
    /// `runs`, at most 32. Lanes past the last position get values that mean nothing.
    fn write_panel(padded: &[f32], runs: &[Run], shifts: &[usize], panel: &mut [Lanes]) {
        for (lanes, shift) in panel.iter_mut().zip(shifts) {
            copy_runs(padded, runs, *shift, &mut lanes.0);
        }
    }
}

/// Writes one `Lanes` for each patch value of `shifts`: the values at the positions of `runs`, at
/// most 32. Lanes past the last position get values that mean nothing.
pub fn panel(padded: &[f32], runs: &[Run], shifts: &[usize], panel: &mut [Lanes]) {
    write_panel(padded, runs, shifts, panel);
}

vectorized! {
    fn write_rows(padded: &[f32], runs: &[Run], shifts: &[usize], rows: &mut [f32]) {
        let length = rows.len() / shifts.len();
        for (row, shift) in rows.chunks_exact_mut(length).zip(shifts) {
            copy_runs(padded, runs, *shift, row);
        }
    }
}

/// Writes one row for each patch value of `shifts`: its values at the positions of `runs`.
pub fn rows(padded: &[f32], runs: &[Run], shifts: &[usize], rows: &mut [f32]) {
    write_rows(padded, runs, shifts, rows);
}

#[inline(always)]
fn copy_runs(values: &[f32], runs: &[Run], shift: usize, row: &mut [f32]) {
    for run in runs {
        let from = run.place + shift;
        match run.length {
            0..=8 => copy::<8>(values, from, row, run),
            9..=16 => copy::<16>(values, from, row, run),
            17..=32 => copy::<32>(values, from, row, run),
            _ => copy_exactly(values, from, row, run),
        }
    }
}

/// Copies `N` values where there is room, more than the run has: the next run writes over them, and a
/// length the compiler knows is faster.
#[inline(always)]
fn copy<const N: usize>(values: &[f32], from: usize, row: &mut [f32], run: &Run) {
    match (
        values.get(from..from + N),
        row.get_mut(run.lane..run.lane + N),
    ) {
        (Some(from), Some(to)) => to.copy_from_slice(from),
        _ => copy_exactly(values, from, row, run),
    }
}

#[inline(always)]
fn copy_exactly(values: &[f32], from: usize, row: &mut [f32], run: &Run) {
    row[run.lane..run.lane + run.length].copy_from_slice(&values[from..from + run.length]);
}
