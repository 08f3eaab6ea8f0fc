//! JPEG by libjpeg-turbo (as MozJPEG ships it): the decoder behind Pillow, so that pixels are those
//! the field trains on, with vector code where it was built with `nasm`. Only blocks that are asked
//! for are transformed. The calls into C are all here.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use image::metadata::Orientation;
use mozjpeg_sys as ffi;

use crate::rgb::{Part, Region, RgbImage};

/// Pixels of the largest image that is decoded; a damaged header must not fill the memory.
const PIXEL_LIMIT: usize = 1 << 28;

/// What the markers before the image data say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Markers {
    /// Whether an end-of-image marker follows the start of the scan.
    pub complete: bool,
    /// Turns that a viewer makes.
    pub orientation: Orientation,
}

impl Markers {
    /// Walks the headers. An EXIF thumbnail has an end marker of its own, so that looking for the
    /// marker alone would not find truncated files, and the decoder fills missing rows with grey.
    pub fn read(bytes: &[u8]) -> Self {
        const START_OF_SCAN: u8 = 0xDA;
        const APPLICATION_1: u8 = 0xE1;
        const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
        let mut markers = Self {
            complete: false,
            orientation: Orientation::NoTransforms,
        };
        let mut at = 2;
        while at + 4 <= bytes.len() {
            if bytes[at] != 0xFF {
                at += 1;
                continue;
            }
            let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            match bytes[at + 1] {
                START_OF_SCAN => {
                    // From the end: there the marker is, but for what a camera appended.
                    let mut pairs = bytes[at..].windows(2).rev();
                    markers.complete = pairs.any(|pair| pair == END_OF_IMAGE);
                    break;
                }
                // Fill bytes and markers without a length.
                0xFF => at += 1,
                0x00 | 0x01 | 0xD0..=0xD8 => at += 2,
                marker => {
                    let content = bytes.get(at + 4..at + 2 + length.max(2));
                    let exif = content.and_then(|content| content.strip_prefix(b"Exif\0\0"));
                    if let (APPLICATION_1, Some(exif)) = (marker, exif) {
                        // An unreadable EXIF block is no reason to refuse the picture.
                        let found = Orientation::from_exif_chunk(exif);
                        markers.orientation = found.unwrap_or(markers.orientation);
                    }
                    at += 2 + length;
                }
            }
        }
        markers
    }
}

/// A JPEG whose header was read.
pub(crate) struct Jpeg<'a> {
    decompressor: Decompressor<'a>,
    width: usize,
    height: usize,
}

impl<'a> Jpeg<'a> {
    /// Reads the header. None: colours that have to be converted elsewhere (CMYK, YCCK).
    pub fn open(bytes: &'a [u8]) -> Result<Option<Self>, String> {
        let mut decompressor = Decompressor::new(bytes)?;
        let colours = decompressor.info.jpeg_color_space;
        let known = [
            ffi::J_COLOR_SPACE::JCS_YCbCr,
            ffi::J_COLOR_SPACE::JCS_GRAYSCALE,
            ffi::J_COLOR_SPACE::JCS_RGB,
        ];
        if !known.contains(&colours) {
            return Ok(None);
        }
        decompressor.info.out_color_space = ffi::J_COLOR_SPACE::JCS_RGB;
        let (width, height) = (
            decompressor.info.image_width as usize,
            decompressor.info.image_height as usize,
        );
        if width == 0 || height == 0 || width.saturating_mul(height) > PIXEL_LIMIT {
            return Err(format!("{width}x{height} pixels cannot be decoded"));
        }
        Ok(Some(Self {
            decompressor,
            width,
            height,
        }))
    }

    /// Width and height of the whole image, in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Decodes at least `region` of the image, shrunk by `reduction` (1, 2, 4 or 8) in the discrete
    /// cosine transform.
    pub fn decode(mut self, region: Region, reduction: usize) -> Result<Part, String> {
        let decompressor = &mut self.decompressor;
        decompressor.info.scale_num = 1;
        decompressor.info.scale_denom = u32::try_from(reduction).unwrap_or(1);
        decompressor.start()?;
        let whole = (
            decompressor.info.output_width as usize,
            decompressor.info.output_height as usize,
        );
        // Interpolated colours depend on neighbours, which must not be cut off: one block more on
        // each side, where a block of the coarsest component is this many pixels.
        let block = |factor: std::ffi::c_int| usize::try_from(factor).unwrap_or(1) * 8 / reduction;
        let (across, down) = (
            block(decompressor.info.max_h_samp_factor).max(1),
            block(decompressor.info.max_v_samp_factor).max(1),
        );
        let first =
            |from: usize, block: usize| (from / reduction / block).saturating_sub(1) * block;
        let last =
            |to: usize, block: usize, whole: usize| (to.div_ceil(reduction) + block).min(whole);
        let left = first(region.left, across);
        let right = last(region.left + region.width, across, whole.0);
        let top = first(region.top, down);
        let bottom = last(region.top + region.height, down, whole.1);
        let (left, width) = decompressor.crop(left, right - left)?;
        decompressor.skip(top)?;
        let pixels = decompressor.rows(width, bottom - top)?;
        let image = RgbImage::new(width, bottom - top, pixels).ok_or("the image has no pixels")?;
        Ok(Part {
            image: image.into(),
            left,
            top,
            whole,
            reduction,
        })
    }
}

/// libjpeg's object, with what it points to.
struct Decompressor<'a> {
    info: Box<ffi::jpeg_decompress_struct>,
    _errors: Box<ffi::jpeg_error_mgr>,
    _bytes: &'a [u8],
}

/// What libjpeg calls instead of ending the program.
#[cold]
extern "C-unwind" fn fail(info: &mut ffi::jpeg_common_struct) {
    let mut text = [0u8; 80];
    #[expect(
        unsafe_code,
        reason = "libjpeg keeps its error manager valid while it calls back"
    )]
    // SAFETY: `err` was set in `Decompressor::new` and lives as long as `info`. The binding takes the
    // buffer by shared reference, but `format_message` writes into it: it is passed as what it is.
    unsafe {
        type Format = unsafe extern "C-unwind" fn(&mut ffi::jpeg_common_struct, *mut [u8; 80]);
        type Declared = unsafe extern "C-unwind" fn(&mut ffi::jpeg_common_struct, &[u8; 80]);
        if let Some(format) = (*info.err).format_message {
            let format = std::mem::transmute::<Declared, Format>(format);
            format(info, &raw mut text);
        }
    }
    let end = text
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(text.len());
    // No message on standard error: a damaged file is not a defect of the program.
    resume_unwind(Box::new(String::from_utf8_lossy(&text[..end]).into_owned()));
}

#[cold]
extern "C-unwind" fn ignore(_: &mut ffi::jpeg_common_struct, _: std::ffi::c_int) {}

/// Runs calls into libjpeg; its errors arrive as unwinding.
fn guarded<T>(calls: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(calls)).map_err(|payload| match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => resume_unwind(other),
    })
}

#[expect(unsafe_code, reason = "calls into libjpeg")]
impl<'a> Decompressor<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, String> {
        // SAFETY: both structs are plain C data for which zeros are what libjpeg's manual asks for.
        // The boxes give them fixed addresses for as long as the object lives, as the bytes live
        // for `'a`. `jpeg_create_decompress` is called before anything that could fail.
        unsafe {
            let mut errors: Box<ffi::jpeg_error_mgr> = Box::new(std::mem::zeroed());
            ffi::jpeg_std_error(&mut errors);
            errors.error_exit = Some(fail);
            errors.emit_message = Some(ignore);
            let mut info: Box<ffi::jpeg_decompress_struct> = Box::new(std::mem::zeroed());
            info.common.err = &raw mut *errors;
            guarded(|| ffi::jpeg_create_decompress(&mut *info))?;
            let mut decompressor = Self {
                info,
                _errors: errors,
                _bytes: bytes,
            };
            let info = &mut decompressor.info;
            guarded(|| {
                ffi::jpeg_mem_src(info, bytes.as_ptr(), bytes.len() as std::ffi::c_ulong);
                ffi::jpeg_read_header(info, 1);
            })?;
            Ok(decompressor)
        }
    }

    fn start(&mut self) -> Result<(), String> {
        // SAFETY: the header was read; the source lives.
        guarded(|| unsafe { ffi::jpeg_start_decompress(&mut self.info) }).map(drop)
    }

    /// Restricts rows to `width` columns from `left` on, or from a little before; returns which.
    fn crop(&mut self, left: usize, width: usize) -> Result<(usize, usize), String> {
        let (mut from, mut count) = (left as ffi::JDIMENSION, width as ffi::JDIMENSION);
        // SAFETY: decompression was started and no row was read.
        guarded(|| unsafe { ffi::jpeg_crop_scanline(&mut self.info, &mut from, &mut count) })?;
        Ok((from as usize, count as usize))
    }

    fn skip(&mut self, rows: usize) -> Result<(), String> {
        // SAFETY: decompression was started.
        guarded(|| unsafe { ffi::jpeg_skip_scanlines(&mut self.info, rows as ffi::JDIMENSION) })
            .map(drop)
    }

    /// The next `height` rows of `width` pixels.
    fn rows(&mut self, width: usize, height: usize) -> Result<Vec<u8>, String> {
        let stride = width * 3;
        debug_assert_eq!(self.info.output_width as usize, width);
        let mut pixels = vec![0; stride * height];
        for row in pixels.chunks_exact_mut(stride) {
            let mut row = row.as_mut_ptr();
            // SAFETY: one row of `output_width` pixels of three bytes is asked for, and `row` holds
            // exactly that.
            let read =
                guarded(|| unsafe { ffi::jpeg_read_scanlines(&mut self.info, &mut row, 1) })?;
            if read != 1 {
                return Err("the image ends too early".to_owned());
            }
        }
        Ok(pixels)
    }
}

#[expect(unsafe_code, reason = "calls into libjpeg")]
impl Drop for Decompressor<'_> {
    fn drop(&mut self) {
        // SAFETY: the object was created; destroying it is allowed in any state.
        guarded(|| unsafe { ffi::jpeg_destroy_decompress(&mut self.info) }).ok();
    }
}
