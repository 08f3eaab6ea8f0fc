//! The one in-memory picture of this crate: 8-bit RGB, rows top to bottom, no padding. Whatever
//! a file held (grey, palette, alpha, CMYK, 16 bits), it is this from decoding on.

use std::sync::Arc;

/// An 8-bit RGB image of at least one pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RgbImage {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl RgbImage {
    /// Wraps `pixels` (`[height, width, 3]`, row-major); `None` when the length does not fit or
    /// the image has no pixel.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Option<Self> {
        let fits = width > 0 && height > 0 && pixels.len() == width * height * 3;
        fits.then_some(Self {
            width,
            height,
            pixels,
        })
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All values, `[height, width, 3]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All values, without the image.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Row `y` (0 at the top), `[width, 3]`.
    pub fn row(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width * 3..(y + 1) * self.width * 3]
    }

    /// Row `y` and all below it.
    pub(crate) fn rows_from(&self, y: usize) -> &[u8] {
        &self.pixels[y * self.width * 3..]
    }

    /// The whole image as a region.
    pub fn region(&self) -> Region {
        Region {
            left: 0,
            top: 0,
            width: self.width,
            height: self.height,
        }
    }

    /// Memory held by the values, in bytes.
    pub fn bytes(&self) -> u64 {
        self.pixels.len() as u64
    }
}

/// A part of an image, as decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The pixels.
    pub image: Arc<RgbImage>,
    /// Column of the (reduced) whole image that the first column is.
    pub left: usize,
    /// Row of the (reduced) whole image that the first row is.
    pub top: usize,
    /// Width and height of the (reduced) whole image.
    pub whole: (usize, usize),
    /// How many times smaller than the file's the pixels are: 1, 2, 4 or 8.
    pub reduction: usize,
}

impl Part {
    /// Width and height of the file's image, as far as a reduced one tells.
    pub fn size(&self) -> (usize, usize) {
        (self.whole.0 * self.reduction, self.whole.1 * self.reduction)
    }
}

impl From<RgbImage> for Part {
    fn from(image: RgbImage) -> Self {
        Arc::new(image).into()
    }
}

impl From<Arc<RgbImage>> for Part {
    fn from(image: Arc<RgbImage>) -> Self {
        Self {
            left: 0,
            top: 0,
            whole: (image.width(), image.height()),
            reduction: 1,
            image,
        }
    }
}

/// A rectangle of pixels, measured from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Number of columns.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
}
