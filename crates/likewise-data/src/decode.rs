//! Bytes of an image file to RGB. Data sets mix grey, palette, transparent, CMYK, 16-bit, rotated
//! and animated files; a network must see all of them as plain RGB, the way a viewer shows them.

use std::io::Cursor;
use std::sync::Arc;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use likewise::{Error, Result};

#[cfg(not(target_family = "wasm"))]
use crate::jpeg::{Jpeg, Markers};
use crate::rgb::{Part, Region, RgbImage};

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
    Picture::open(bytes)?.decode()
}

/// An image of known size, of which a part may be decoded.
pub struct Picture<'a>(Inner<'a>);

enum Inner<'a> {
    #[cfg(not(target_family = "wasm"))]
    Jpeg(Jpeg<'a>),
    /// A format, or a JPEG, that can only be decoded as a whole.
    Whole(RgbImage, std::marker::PhantomData<&'a ()>),
}

impl<'a> Picture<'a> {
    /// Reads the size of an image; see [`decode`].
    ///
    /// # Errors
    /// As [`decode`]; what is wrong with the data of a JPEG is found in decoding it.
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        let format = image::guess_format(bytes)
            .map_err(|_| Error::Data("not a JPEG, PNG, WebP, GIF, BMP or PNM image".to_owned()))?;
        #[cfg(not(target_family = "wasm"))]
        if format == ImageFormat::Jpeg {
            let markers = Markers::read(bytes);
            if !markers.complete {
                return Err(Error::Data(
                    "the JPEG ends too early (truncated file)".to_owned(),
                ));
            }
            if let Some(jpeg) = Jpeg::open(bytes).map_err(damaged)? {
                if markers.orientation == Orientation::NoTransforms {
                    return Ok(Self(Inner::Jpeg(jpeg)));
                }
                let image = whole(jpeg)?;
                return Ok(Self::whole(turned(image, markers.orientation)?));
            }
        }
        decode_whole(bytes, format).map(Self::whole)
    }

    fn whole(image: RgbImage) -> Self {
        Self(Inner::Whole(image, std::marker::PhantomData))
    }

    /// Width and height, in pixels.
    pub fn size(&self) -> (usize, usize) {
        match &self.0 {
            #[cfg(not(target_family = "wasm"))]
            Inner::Jpeg(jpeg) => jpeg.size(),
            Inner::Whole(image, _) => (image.width(), image.height()),
        }
    }

    /// The whole image.
    ///
    /// # Errors
    /// [`Error::Data`] when the data is damaged.
    pub fn decode(self) -> Result<RgbImage> {
        match self.0 {
            #[cfg(not(target_family = "wasm"))]
            Inner::Jpeg(jpeg) => whole(jpeg),
            Inner::Whole(image, _) => Ok(image),
        }
    }

    /// At least `region` of the image, pixel for pixel as in the whole if `reduction` is 1. A
    /// `reduction` of 2, 4 or 8 may shrink it by as much while decoding.
    ///
    /// # Errors
    /// [`Error::Data`] when the data is damaged.
    pub fn decode_part(self, region: Region, reduction: usize) -> Result<Part> {
        match self.0 {
            #[cfg(not(target_family = "wasm"))]
            Inner::Jpeg(jpeg) => jpeg.decode(region, reduction).map_err(damaged),
            Inner::Whole(image, _) => Ok(image.into()),
        }
    }
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::Data(format!("damaged image: {error}"))
}

#[cfg(not(target_family = "wasm"))]
fn whole(jpeg: Jpeg<'_>) -> Result<RgbImage> {
    let (width, height) = jpeg.size();
    let region = Region {
        left: 0,
        top: 0,
        width,
        height,
    };
    let part = jpeg.decode(region, 1).map_err(damaged)?;
    Ok(Arc::unwrap_or_clone(part.image))
}

#[cfg(not(target_family = "wasm"))]
fn turned(image: RgbImage, orientation: Orientation) -> Result<RgbImage> {
    let (width, height) = (image.width() as u32, image.height() as u32);
    let buffer = image::RgbImage::from_raw(width, height, image.into_pixels());
    let mut picture = DynamicImage::ImageRgb8(buffer.ok_or_else(no_pixels)?);
    picture.apply_orientation(orientation);
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    RgbImage::new(width, height, picture.into_rgb8().into_raw()).ok_or_else(no_pixels)
}

fn no_pixels() -> Error {
    Error::Data("the image has no pixels".to_owned())
}

/// Everything but the usual JPEG.
fn decode_whole(bytes: &[u8], format: ImageFormat) -> Result<RgbImage> {
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
    RgbImage::new(width, height, pixels).ok_or_else(no_pixels)
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
