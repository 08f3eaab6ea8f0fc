//! Pictures inside the page: small JPEG files as data URIs, and one sheet for many thumbnails,
//! because a thousand data URIs would weigh more than a thousand pictures.

use std::io::Cursor;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};

/// Quality of embedded JPEG files, 1 to 100.
const QUALITY: u8 = 82;

/// A picture as the text of a data URI; `None` if `bytes` is no picture in a known format.
/// Pictures larger than `side` pixels are made smaller, those that are small enough stay as they are.
pub fn data_uri(bytes: &[u8], side: u32) -> Option<Embedded> {
    let format = image::guess_format(bytes).ok()?;
    let picture = image::load_from_memory_with_format(bytes, format).ok()?;
    let (width, height) = (picture.width(), picture.height());
    let light = bytes.len() <= 3 * (side * side) as usize / 4;
    if width.max(height) <= side && light {
        return Some(Embedded::new(format.to_mime_type(), bytes, width, height));
    }
    let small = picture.resize(side.min(width), side.min(height), FilterType::CatmullRom);
    let (width, height) = (small.width(), small.height());
    Some(Embedded::new(
        "image/jpeg",
        &jpeg(&opaque(&small))?,
        width,
        height,
    ))
}

/// A picture that is part of the page.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// `data:` URI.
    pub uri: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Embedded {
    fn new(mime: &str, bytes: &[u8], width: u32, height: u32) -> Self {
        let uri = format!("data:{mime};base64,{}", BASE64_STANDARD.encode(bytes));
        Self { uri, width, height }
    }
}

/// Thumbnails side by side in one picture, row by row.
#[derive(Clone, Debug)]
pub struct SpriteSheet {
    /// The sheet.
    pub picture: Embedded,
    /// Cells a row.
    pub columns: u32,
    /// Number of rows.
    pub rows: u32,
}

impl SpriteSheet {
    /// One cell for each of `thumbnails`, cut to its central square; `None` if there is none.
    /// Cells are 64 pixels wide, and 48 where there are more than 1,200 of them.
    pub fn new(thumbnails: &[RgbImage]) -> Option<Self> {
        let count = u32::try_from(thumbnails.len()).ok().filter(|n| *n > 0)?;
        // Multiples of 16: JPEG blocks then never mix two thumbnails.
        let cell = if count > 1_200 { 48 } else { 64 };
        let columns = (f64::from(count).sqrt().ceil() as u32).min(50);
        let rows = count.div_ceil(columns);
        let mut sheet = RgbImage::new(columns * cell, rows * cell);
        for (i, thumbnail) in (0u32..).zip(thumbnails) {
            let square = square(thumbnail, cell);
            let (x, y) = (i % columns * cell, i / columns * cell);
            imageops::replace(&mut sheet, &square, i64::from(x), i64::from(y));
        }
        let (width, height) = sheet.dimensions();
        let picture = Embedded::new("image/jpeg", &jpeg(&sheet)?, width, height);
        Some(Self {
            picture,
            columns,
            rows,
        })
    }

    /// Column and row of cell `index`.
    pub fn place(&self, index: usize) -> (usize, usize) {
        (index % self.columns as usize, index / self.columns as usize)
    }
}

fn square(picture: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let edge = width.min(height);
    if edge == 0 {
        return RgbImage::new(side, side);
    }
    let cut = imageops::crop_imm(picture, (width - edge) / 2, (height - edge) / 2, edge, edge);
    if edge == side {
        cut.to_image()
    } else {
        imageops::resize(&cut.to_image(), side, side, FilterType::Triangle)
    }
}

/// The picture on a white ground, where it is transparent.
fn opaque(picture: &DynamicImage) -> RgbImage {
    let source = picture.to_rgba8();
    RgbImage::from_fn(source.width(), source.height(), |x, y| {
        let [r, g, b, a] = source.get_pixel(x, y).0;
        let blend =
            |v: u8| ((u32::from(v) * u32::from(a) + 255 * (255 - u32::from(a))) / 255) as u8;
        image::Rgb([r, g, b].map(blend))
    })
}

fn jpeg(picture: &RgbImage) -> Option<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut file, QUALITY)
        .encode_image(picture)
        .ok()?;
    Some(file.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7]));
        picture
            .write_to(&mut file, image::ImageFormat::Png)
            .expect("PNG");
        file.into_inner()
    }

    #[test]
    fn small_pictures_stay_and_large_ones_shrink_in_proportion() {
        let small = data_uri(&png(40, 20), 128).expect("a picture");
        assert!(small.uri.starts_with("data:image/png;base64,iVBOR"));
        let large = data_uri(&png(300, 150), 128).expect("a picture");
        assert!(large.uri.starts_with("data:image/jpeg;base64,/9j/"));
        assert_eq!((large.width, large.height), (128, 64));
        assert!(data_uri(b"no picture", 128).is_none());
        assert!(data_uri(&[], 128).is_none());
    }

    #[test]
    fn a_sheet_has_a_cell_for_each_thumbnail() {
        assert!(SpriteSheet::new(&[]).is_none());
        let thumbnails: Vec<RgbImage> = (0..7u8)
            .map(|i| RgbImage::from_pixel(50 + u32::from(i), 30, image::Rgb([30 * i, 200, 90])))
            .collect();
        let sheet = SpriteSheet::new(&thumbnails).expect("a sheet");
        assert_eq!((sheet.columns, sheet.rows), (3, 3));
        assert_eq!((sheet.picture.width, sheet.picture.height), (192, 192));
        assert_eq!(sheet.place(5), (2, 1));
    }
}
