//! Bytes to normalised floats in planes: (value/255 - mean)/deviation, `[3, size, size]`.

use likewise::{Error, Result};

/// Mean and standard deviation of each channel, on the scale 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// Mean of red, green and blue.
    pub mean: [f32; 3],
    /// Standard deviation of red, green and blue, above 0.
    pub std: [f32; 3],
}

impl Normalization {
    /// The statistics that ImageNet-trained networks of torchvision expect.
    pub const IMAGENET: Self = Self {
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };

    /// Values 0..1 as they are.
    pub const IDENTITY: Self = Self {
        mean: [0.0; 3],
        std: [1.0; 3],
    };

    pub(super) fn check(&self) -> Result<()> {
        let finite = self
            .mean
            .iter()
            .chain(&self.std)
            .all(|value| value.is_finite());
        if finite && self.std.iter().all(|&value| value > 0.0) {
            return Ok(());
        }
        Err(Error::Recipe(format!(
            "normalisation needs finite means and deviations above 0, not {:?} and {:?}",
            self.mean, self.std
        )))
    }
}

/// The normalised value of every byte, per channel.
#[derive(Clone, Debug)]
pub(super) struct Table(Box<[[f32; 256]; 3]>);

impl Table {
    pub(super) fn new(normalization: &Normalization) -> Self {
        let mut table = Box::new([[0.0; 256]; 3]);
        for (channel, values) in table.iter_mut().enumerate() {
            let (mean, std) = (normalization.mean[channel], normalization.std[channel]);
            for (byte, value) in (0u8..=255).zip(values.iter_mut()) {
                *value = (f32::from(byte) / 255.0 - mean) / std;
            }
        }
        Self(table)
    }

    /// `[size, size, 3]` bytes to `[3, size, size]` values, mirrored if `flip`.
    pub(super) fn write(&self, pixels: &[u8], size: usize, flip: bool, out: &mut [f32]) {
        let [red, green, blue] = &*self.0;
        let (out_red, rest) = out.split_at_mut(size * size);
        let (out_green, out_blue) = rest.split_at_mut(size * size);
        let rows = pixels
            .chunks_exact(size * 3)
            .zip(out_red.chunks_exact_mut(size))
            .zip(
                out_green
                    .chunks_exact_mut(size)
                    .zip(out_blue.chunks_exact_mut(size)),
            );
        for ((row, to_red), (to_green, to_blue)) in rows {
            for (x, pixel) in row.chunks_exact(3).enumerate() {
                let at = if flip { size - 1 - x } else { x };
                to_red[at] = red[usize::from(pixel[0])];
                to_green[at] = green[usize::from(pixel[1])];
                to_blue[at] = blue[usize::from(pixel[2])];
            }
        }
    }
}
