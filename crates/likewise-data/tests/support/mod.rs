//! Small image files and folders for tests.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, Rgb};

/// A PNG of one colour with a mark that depends on `seed`.
pub fn png(seed: u32, width: u32, height: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        let [red, green, _, _] = seed.wrapping_mul(2_654_435_761).to_le_bytes();
        Rgb([red, green.wrapping_add((x * 5) as u8), (y * 7) as u8])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A JPEG of smooth waves that depend on `seed`.
pub fn jpeg(seed: u32, width: u32, height: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        let wave = |step: f32| {
            let at = seed as f32 + step * (x as f32 * 0.13 + y as f32 * 0.09);
            (128.0 + 100.0 * at.sin()) as u8
        };
        Rgb([wave(1.0), wave(0.7), wave(1.4)])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

pub fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// `classes` folders `c00`, `c01`... of `images` PNG files each, of different sizes.
pub fn class_folders(root: &Path, classes: u32, images: u32) {
    for class in 0..classes {
        for number in 0..images {
            let seed = class * 100 + number;
            let file = root.join(format!("c{class:02}/{number}.png"));
            write(&file, &png(seed, 20 + seed % 13, 16 + seed % 7));
        }
    }
}
