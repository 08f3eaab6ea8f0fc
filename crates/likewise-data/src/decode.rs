//! Bytes of an image file to RGB. Data sets mix grey, palette, transparent, CMYK, 16-bit, rotated
//! and animated files; a network must see all of them as plain RGB, the way a viewer shows them.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use likewise::{Error, Result};

use crate::rgb::RgbImage;

/// File name endings taken for images, in lower case.
pub const EXTENSIONS: [&str; 10] = [
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "ppm", "pgm", "pbm", "pnm",
];

/// Whether a path ends like an image file (upper or lower case).
pub fn has_image_extension(path: &str) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(_, ending)| EXTENSIONS.contains(&ending.to_ascii_lowercase().as_str()))
}

/// Decodes a JPEG, PNG, WebP, GIF, BMP or PNM file; the format is found from the content.
///
/// * grey and palette images become RGB; 16-bit values are rounded to 8 bits;
/// * transparent pixels are laid over white;
/// * CMYK and YCCK JPEGs are read as inverted, the convention of all common writers;
/// * the EXIF orientation is applied;
/// * of an animation the first frame is taken.
///
/// # Errors
/// [`Error::Data`] when the bytes are no such image, are damaged or end too early.
pub fn decode(bytes: &[u8]) -> Result<RgbImage> {
    let format = image::guess_format(bytes)
        .map_err(|_| Error::Data("not a JPEG, PNG, WebP, GIF, BMP or PNM image".to_owned()))?;
    if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
        return Err(Error::Data(
            "the JPEG ends too early (truncated file)".to_owned(),
        ));
    }
    let damaged = |error| Error::Data(format!("damaged image: {error}"));
    let reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    // An unreadable EXIF block is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = if picture.color().has_alpha() {
        over_white(&picture.into_rgba8().into_raw())
    } else {
        picture.into_rgb8().into_raw()
    };
    RgbImage::new(width, height, pixels)
        .ok_or_else(|| Error::Data("the image has no pixels".to_owned()))
}

/// RGBA to RGB over a white background, rounded to nearest.
fn over_white(rgba: &[u8]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for pixel in rgba.chunks_exact(4) {
        let alpha = u32::from(pixel[3]);
        for &value in &pixel[..3] {
            let blended = (u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255;
            rgb.push(u8::try_from(blended).unwrap_or(u8::MAX));
        }
    }
    rgb
}

/// Whether an end-of-image marker follows the start of the scan. The decoder fills missing rows
/// with grey instead of failing, so this is where a truncated download is found. Headers are
/// walked first because an EXIF thumbnail has an end marker of its own.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
    let mut at = 2;
    while at + 4 <= bytes.len() {
        if bytes[at] != 0xFF {
            at += 1;
            continue;
        }
        match bytes[at + 1] {
            START_OF_SCAN => return bytes[at..].windows(2).any(|pair| pair == END_OF_IMAGE),
            // Fill bytes and markers without a length.
            0xFF => at += 1,
            0x00 | 0x01 | 0xD0..=0xD8 => at += 2,
            _ => at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]])),
        }
    }
    false
}
