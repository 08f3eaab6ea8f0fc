//! Greyscale and colour jitter on bytes, with Pillow's own integer and truncation rules, so that
//! equal factors give equal pixels. All functions work in place on `[pixels, 3]`.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::crop::uniform;

/// Luma of one pixel: Pillow's fixed-point ITU-R 601-2 weights.
#[inline(always)]
fn luma(pixel: &[u8]) -> u8 {
    let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).to_le_bytes()[0]
}

/// Replaces every pixel by its luma in all three channels.
pub fn greyscale(pixels: &mut [u8]) {
    for pixel in pixels.chunks_exact_mut(3) {
        pixel.fill(luma(pixel));
    }
}

/// Greyscale with the given probability; draws one number.
pub(super) fn random_greyscale(pixels: &mut [u8], probability: f64, rng: &mut ChaCha8Rng) {
    if rng.random::<f64>() < probability {
        greyscale(pixels);
    }
}

/// Brightness, contrast and saturation by factors in 1 ± `strength`, hue by ± `strength` of the
/// circle, in random order.
pub(super) fn random_jitter(pixels: &mut [u8], strength: f64, rng: &mut ChaCha8Rng) {
    let mut order = [0, 1, 2, 3];
    order.shuffle(rng);
    let [brightness, contrast, saturation] =
        [(); 3].map(|()| uniform(rng, 1.0 - strength, 1.0 + strength));
    let hue = uniform(rng, -strength, strength);
    // Compiled for the processor's instructions, of which rounding is one.
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || jitter(pixels, order, [brightness, contrast, saturation, hue]),
    );
}

#[inline(always)]
fn jitter(pixels: &mut [u8], order: [u8; 4], [brightness, contrast, saturation, hue]: [f64; 4]) {
    for step in order {
        match step {
            0 => adjust_brightness(pixels, brightness),
            1 => adjust_contrast(pixels, contrast),
            2 => adjust_saturation(pixels, saturation),
            _ => adjust_hue(pixels, hue),
        }
    }
}

/// Blends with black: factor 0 gives black, 1 the image, above 1 a brighter one.
#[inline(always)]
pub fn adjust_brightness(pixels: &mut [u8], factor: f64) {
    let table = blend_table(0, factor);
    for value in pixels {
        *value = table[usize::from(*value)];
    }
}

/// Blends with the image's mean luma.
#[inline(always)]
pub fn adjust_contrast(pixels: &mut [u8], factor: f64) {
    let count = (pixels.len() / 3).max(1) as u64;
    let sum: u64 = pixels
        .chunks_exact(3)
        .map(|pixel| u64::from(luma(pixel)))
        .sum();
    let mean = ((2 * sum + count) / (2 * count)).to_le_bytes()[0];
    let table = blend_table(mean, factor);
    for value in pixels {
        *value = table[usize::from(*value)];
    }
}

/// Blends with the greyscale image.
#[inline(always)]
pub fn adjust_saturation(pixels: &mut [u8], factor: f64) {
    for pixel in pixels.chunks_exact_mut(3) {
        let grey = luma(pixel);
        for value in pixel {
            *value = blend(grey, *value, factor);
        }
    }
}

/// Turns the hue by `turn` of the full circle, -0.5 to 0.5, in Pillow's 8-bit HSV.
#[expect(
    clippy::cast_possible_truncation,
    reason = "Pillow's steps of 1/255, truncated to zero"
)]
#[inline(always)]
pub fn adjust_hue(pixels: &mut [u8], turn: f64) {
    let shift = ((turn * 255.0) as i32).to_le_bytes()[0];
    for pixel in pixels.chunks_exact_mut(3) {
        let (hue, saturation, value) = to_hsv(pixel[0], pixel[1], pixel[2]);
        pixel.copy_from_slice(&from_hsv(hue.wrapping_add(shift), saturation, value));
    }
}

#[inline(always)]
fn blend_table(from: u8, factor: f64) -> [u8; 256] {
    let mut table = [0; 256];
    for (byte, value) in (0u8..=255).zip(&mut table) {
        *value = blend(from, byte, factor);
    }
    table
}

/// from + factor · (to - from) in single precision, truncated and clamped.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "single precision and a saturating, truncating cast are Pillow's rule"
)]
#[inline(always)]
fn blend(from: u8, to: u8, factor: f64) -> u8 {
    (f32::from(from) + factor as f32 * (f32::from(to) - f32::from(from))) as u8
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are 0..=255 and truncated as Pillow does"
)]
#[inline(always)]
fn to_hsv(red: u8, green: u8, blue: u8) -> (u8, u8, u8) {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    if most == least {
        return (0, 0, most);
    }
    let range = f32::from(most - least);
    let [to_red, to_green, to_blue] =
        [red, green, blue].map(|value| f32::from(most - value) / range);
    let sixths = if red == most {
        to_blue - to_green
    } else if green == most {
        // The constants are doubles in Pillow, the result is single.
        (2.0 + f64::from(to_red) - f64::from(to_blue)) as f32
    } else {
        (4.0 + f64::from(to_green) - f64::from(to_red)) as f32
    };
    // From 5/6 to below 11/6, so that this is the remainder by 1.
    let turns = f64::from(sixths) / 6.0 + 1.0;
    let hue = (if turns < 1.0 { turns } else { turns - 1.0 }) as f32;
    let saturation = range / f32::from(most);
    (
        (f64::from(hue) * 255.0) as u8,
        (f64::from(saturation) * 255.0) as u8,
        most,
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are 0..=255 after rounding"
)]
#[inline(always)]
fn from_hsv(hue: u8, saturation: u8, value: u8) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sixths = (f64::from(hue) * 6.0 / 255.0) as f32;
    let sector = sixths.floor();
    let part = f64::from(sixths - sector);
    let strength = f64::from((f64::from(saturation) / 255.0) as f32);
    let scaled = |by: f64| (f64::from(value) * by).round() as u8;
    let falling = scaled(1.0 - strength);
    let down = scaled(1.0 - strength * part);
    let up = scaled(1.0 - strength * (1.0 - part));
    match sector as u8 % 6 {
        0 => [value, up, falling],
        1 => [down, value, falling],
        2 => [falling, value, up],
        3 => [falling, down, value],
        4 => [up, falling, value],
        _ => [value, falling, down],
    }
}
