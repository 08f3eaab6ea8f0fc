//! Made-up images with the statistics of photographs: amplitudes fall with frequency, colours vary
//! less than brightness. How long a JPEG takes to decode depends on little else.

use std::path::Path;

use anyhow::{Context, Result};
use image::{Rgb, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use likewise::random::{Purpose, stream};
use rand::Rng;

use crate::output;

const QUALITY: u8 = 90;
/// Classes they are sorted into, so that they make a dataset.
const CLASSES: usize = 4;
/// Pictures that differ; more are copies.
const DIFFERENT: usize = 40;

/// Writes `count` images of `width` pixels, four fifths as high, into class folders of `folder`.
pub fn write(folder: &Path, count: usize, width: usize) -> Result<()> {
    let height = width * 4 / 5;
    let mut encoded = Vec::new();
    for number in 0..count.clamp(2 * CLASSES, DIFFERENT) {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, QUALITY);
        // Colours at half the resolution, as cameras write them.
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        encoder
            .encode(
                &picture(number as u64, width, height),
                width as u16,
                height as u16,
                ColorType::Rgb,
            )
            .context("a made-up image cannot be encoded")?;
        encoded.push(bytes);
    }
    for number in 0..count.max(2 * CLASSES) {
        let class = folder.join(format!("class{}", number % CLASSES));
        std::fs::create_dir_all(&class)
            .with_context(|| format!("cannot create {}", class.display()))?;
        let bytes = &encoded[number % encoded.len()];
        output::write(&class.join(format!("{number:05}.jpg")), bytes)?;
    }
    Ok(())
}

fn picture(number: u64, width: usize, height: usize) -> RgbImage {
    let mut rng = stream(number, Purpose::Report, 0, 0, 0);
    let brightness = field(&mut rng, (width, height), 50.0, 0.8);
    let colour = [
        field(&mut rng, (width, height), 25.0, 0.45),
        field(&mut rng, (width, height), 25.0, 0.45),
    ];
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        let (light, blue, red) = (128.0 + brightness[at], colour[0][at], colour[1][at]);
        let byte = |value: f32| value.clamp(0.0, 255.0) as u8;
        Rgb([
            byte(light + 1.4 * red),
            byte(light - 0.34 * blue - 0.71 * red),
            byte(light + 1.77 * blue),
        ])
    })
}

/// A sum of random grids, each twice as fine as the one before and `fall` times as strong.
fn field(
    rng: &mut impl Rng,
    (width, height): (usize, usize),
    mut strength: f32,
    fall: f32,
) -> Vec<f32> {
    let mut sum = vec![0.0; width * height];
    let mut cell = 256;
    while cell >= 2 {
        let columns = width / cell + 2;
        let rows = height / cell + 2;
        let grid: Vec<f32> = (0..columns * rows)
            .map(|_| rng.random_range(-strength..strength))
            .collect();
        for (at, value) in sum.iter_mut().enumerate() {
            *value += interpolated(&grid, columns, cell, at % width, at / width);
        }
        strength *= fall;
        cell /= 2;
    }
    sum
}

fn interpolated(grid: &[f32], columns: usize, cell: usize, x: usize, y: usize) -> f32 {
    let corner = (y / cell) * columns + x / cell;
    let share = |at: usize| (at % cell) as f32 / cell as f32;
    let (right, down) = (share(x), share(y));
    let top = grid[corner] * (1.0 - right) + grid[corner + 1] * right;
    let bottom = grid[corner + columns] * (1.0 - right) + grid[corner + columns + 1] * right;
    top * (1.0 - down) + bottom * down
}
