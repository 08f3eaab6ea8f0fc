//! Brings image patches into the two orders the products need: panels of neighbouring positions
//! (`panels`), or one row of positions for each patch value (`rows`).

use std::borrow::Cow;

use super::shape::Gather;
use crate::tile::{COLUMNS, Lanes};

/// The images `images` `[n, channels, height, width]`, surrounded with zeros if need be.
pub fn padded<'a>(images: &'a [f32], gather: &Gather) -> Cow<'a, [f32]> {
    if gather.is_unpadded() {
        return Cow::Borrowed(images);
    }
    let ([height, width], [padded_height, padded_width]) = (gather.size, gather.padded);
    let planes = images.len() / (height * width);
    let mut padded = vec![0.0; planes * padded_height * padded_width];
    let from = gather.before[0] * padded_width + gather.before[1];
    for (plane, padded) in images
        .chunks_exact(height * width)
        .zip(padded.chunks_exact_mut(padded_height * padded_width))
    {
        for (row, padded) in plane
            .chunks_exact(width)
            .zip(padded[from..].chunks_mut(padded_width))
        {
            padded[..width].copy_from_slice(row);
        }
    }
    Cow::Owned(padded)
}

/// The positions of a batch in order (image, row, column), as places in the padded images.
/// Positions come in runs of `run` neighbours; one entry of `starts` is one run.
pub struct Positions {
    starts: Vec<usize>,
    run: usize,
}

impl Positions {
    /// All positions of `images` images.
    pub fn new(gather: &Gather, images: usize) -> Self {
        let run = run_length(gather);
        let [rows, columns] = gather.grid;
        let mut starts = Vec::with_capacity(images * gather.positions() / run);
        for image in 0..images {
            for row in 0..rows {
                let start = image * gather.padded_image() + row * gather.step[0] * gather.padded[1];
                starts.extend(
                    (0..columns)
                        .step_by(run)
                        .map(|x| start + x * gather.step[1]),
                );
            }
        }
        Self { starts, run }
    }

    /// Number of positions.
    pub fn len(&self) -> usize {
        self.starts.len() * self.run
    }

    /// Writes the patch values of the positions `from..from + 32` into `panel`, one `Lanes` for
    /// each value. `from` is a multiple of 32. Lanes past the last position get values that mean
    /// nothing.
    pub fn panel(&self, padded: &[f32], gather: &Gather, from: usize, panel: &mut [Lanes]) {
        match self.run {
            32 => self.panel_of_runs::<32>(padded, gather, from, panel),
            16 => self.panel_of_runs::<16>(padded, gather, from, panel),
            8 => self.panel_of_runs::<8>(padded, gather, from, panel),
            4 => self.panel_of_runs::<4>(padded, gather, from, panel),
            2 => self.panel_of_runs::<2>(padded, gather, from, panel),
            _ => self.panel_of_runs::<1>(padded, gather, from, panel),
        }
    }

    fn panel_of_runs<const RUN: usize>(
        &self,
        padded: &[f32],
        gather: &Gather,
        from: usize,
        panel: &mut [Lanes],
    ) {
        let starts = &self.starts[from / RUN..self.starts.len().min((from + COLUMNS) / RUN)];
        let shifts = shifts(gather, 0..gather.channels);
        for (lanes, shift) in panel.iter_mut().zip(shifts) {
            for (run, start) in lanes.0.chunks_exact_mut(RUN).zip(starts) {
                let start = start + shift;
                run.copy_from_slice(&padded[start..start + RUN]);
            }
        }
    }

    /// Writes one row for each patch value of `channels`: its values at the positions
    /// `from..from + length`. Both are multiples of the run length (32 is one).
    pub fn rows(
        &self,
        padded: &[f32],
        gather: &Gather,
        channels: std::ops::Range<usize>,
        [from, length]: [usize; 2],
        rows: &mut [f32],
    ) {
        match self.run {
            32 => self.rows_of_runs::<32>(padded, gather, channels, [from, length], rows),
            16 => self.rows_of_runs::<16>(padded, gather, channels, [from, length], rows),
            8 => self.rows_of_runs::<8>(padded, gather, channels, [from, length], rows),
            4 => self.rows_of_runs::<4>(padded, gather, channels, [from, length], rows),
            2 => self.rows_of_runs::<2>(padded, gather, channels, [from, length], rows),
            _ => self.rows_of_runs::<1>(padded, gather, channels, [from, length], rows),
        }
    }

    fn rows_of_runs<const RUN: usize>(
        &self,
        padded: &[f32],
        gather: &Gather,
        channels: std::ops::Range<usize>,
        [from, length]: [usize; 2],
        rows: &mut [f32],
    ) {
        let starts = &self.starts[from / RUN..(from + length) / RUN];
        for (row, shift) in rows.chunks_exact_mut(length).zip(shifts(gather, channels)) {
            for (run, start) in row.chunks_exact_mut(RUN).zip(starts) {
                let start = start + shift;
                run.copy_from_slice(&padded[start..start + RUN]);
            }
        }
    }
}

/// Offsets of the patch values of `channels` from a position's place, in order (channel, tap).
fn shifts(gather: &Gather, channels: std::ops::Range<usize>) -> impl Iterator<Item = usize> {
    let plane = gather.padded[0] * gather.padded[1];
    channels.flat_map(move |channel| gather.taps.iter().map(move |tap| channel * plane + tap))
}

/// The longest power of two, at most 32, that divides rows into runs of adjacent values.
fn run_length(gather: &Gather) -> usize {
    if gather.step[1] != 1 {
        return 1;
    }
    (1 << gather.grid[1].trailing_zeros()).min(COLUMNS)
}
