//! From a decoded image to the values a network reads: the augmentations of training, the one
//! fixed transform of evaluation, normalisation. Pixel for pixel what torchvision does on Pillow
//! images; every random choice comes from a stream keyed by the image's place in the run.

mod color;
mod crop;
mod normalize;

pub use likewise::recipe::Augmentation;
use likewise::{Error, Result};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub use color::{adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, greyscale};
pub use crop::{center_crop_offset, random_resized_region, shorter_side_size};
pub use normalize::Normalization;

pub use crate::resize::Cut;

use crate::resize::Resizer;
use crate::rgb::{Part, Region};
use normalize::Table;

/// The choices from which both transforms of a run are made.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformOptions {
    /// What is done to training images.
    pub augmentation: Augmentation,
    /// Side of the square the network reads, in pixels (`big` reads 256/224 of it).
    pub size: usize,
    /// Shorter side before the centre crop (evaluation, `none`) and before the random crop
    /// (`red`), in pixels; at least `size`. Default: `size` x 256/224, rounded.
    pub resize: Option<usize>,
    /// Area of a random resized crop as a share of the image's, least and greatest, in (0, 1].
    pub crop_area: (f64, f64),
    /// Width over height of a random resized crop, least and greatest.
    pub crop_aspect: (f64, f64),
    /// Probability of mirroring a training image, 0 to 1.
    pub flip: f64,
    /// Mean and deviation taken off at the end.
    pub normalization: Normalization,
}

impl Default for TransformOptions {
    fn default() -> Self {
        Self {
            augmentation: Augmentation::Base,
            size: 224,
            resize: None,
            crop_area: (0.08, 1.0),
            crop_aspect: (3.0 / 4.0, 4.0 / 3.0),
            flip: 0.5,
            normalization: Normalization::IMAGENET,
        }
    }
}

impl TransformOptions {
    /// Side of the square both transforms give, in pixels.
    pub fn output_size(&self) -> usize {
        match self.augmentation {
            Augmentation::Big => enlarged(self.size),
            _ => self.size,
        }
    }

    /// Shorter side before the crop, in pixels.
    pub fn resized_size(&self) -> usize {
        self.resize.unwrap_or_else(|| enlarged(self.size))
    }

    /// The transform of training images.
    ///
    /// # Errors
    /// [`Error::Recipe`] when a value is out of its range.
    pub fn train(&self) -> Result<Transform> {
        let resized = Geometry::RandomResized {
            area: self.crop_area,
            aspect: self.crop_aspect,
        };
        let geometry = match self.augmentation {
            Augmentation::None => return self.evaluate(),
            Augmentation::Base | Augmentation::Adv | Augmentation::Big => resized,
            Augmentation::Red => Geometry::Random {
                resize: self.resized_size(),
            },
        };
        self.build(geometry, self.flip, self.augmentation == Augmentation::Adv)
    }

    /// The transform of evaluated images: shorter side resized, centre crop, nothing random.
    ///
    /// # Errors
    /// [`Error::Recipe`] when a value is out of its range.
    pub fn evaluate(&self) -> Result<Transform> {
        self.build(
            Geometry::Center {
                resize: self.resized_size(),
            },
            0.0,
            false,
        )
    }

    fn build(&self, geometry: Geometry, flip: f64, jitter: bool) -> Result<Transform> {
        self.check()?;
        let table = Table::new(&self.normalization);
        Ok(Transform {
            size: self.output_size(),
            geometry,
            flip,
            jitter,
            table,
        })
    }

    fn check(&self) -> Result<()> {
        let refuse = |text: String| Err(Error::Recipe(text));
        let (size, resize) = (self.output_size(), self.resized_size());
        if !(1..=8192).contains(&size) {
            return refuse(format!("image size must be 1 to 8192 pixels, not {size}"));
        }
        if resize < size || resize > 16384 {
            return refuse(format!(
                "resize must be from the image size ({size}) to 16384 pixels, not {resize}"
            ));
        }
        if !(0.0..=1.0).contains(&self.flip) {
            return refuse(format!("flip must be from 0 to 1, not {}", self.flip));
        }
        let (least, greatest) = self.crop_area;
        if !(0.0 < least && least <= greatest && greatest <= 1.0) {
            return refuse(format!(
                "crop area must satisfy 0 < least <= greatest <= 1, not {least} and {greatest}"
            ));
        }
        let (narrow, wide) = self.crop_aspect;
        if !(0.0 < narrow && narrow <= wide && wide.is_finite()) {
            return refuse(format!(
                "crop aspect must satisfy 0 < least <= greatest, not {narrow} and {wide}"
            ));
        }
        self.normalization.check()
    }
}

/// `size` x 256/224, rounded: the customary ratio of resized side to crop.
fn enlarged(size: usize) -> usize {
    (size * 256 + 112) / 224
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Geometry {
    Center {
        resize: usize,
    },
    Random {
        resize: usize,
    },
    RandomResized {
        area: (f64, f64),
        aspect: (f64, f64),
    },
}

/// A checked transform; see [`TransformOptions::train`] and [`TransformOptions::evaluate`].
#[derive(Clone, Debug)]
pub struct Transform {
    size: usize,
    geometry: Geometry,
    flip: f64,
    jitter: bool,
    table: Table,
}

/// Buffers of [`Transform::apply`], one a thread.
#[derive(Debug, Default)]
pub struct Scratch {
    resizer: Resizer,
    pixels: Vec<u8>,
}

impl Transform {
    /// Side of the square result, in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Number of values of one result: 3 x size x size.
    pub fn values(&self) -> usize {
        3 * self.size * self.size
    }

    /// Whether results depend on the random stream.
    pub fn is_random(&self) -> bool {
        self.flip > 0.0 || self.jitter || !matches!(self.geometry, Geometry::Center { .. })
    }

    /// Draws where an image of `width` x `height` pixels is cut: the first random choice.
    pub fn cut(&self, (width, height): (usize, usize), rng: &mut ChaCha8Rng) -> Cut {
        let size = self.size;
        let window = |left, top| Region {
            left,
            top,
            width: size,
            height: size,
        };
        let whole = Region {
            left: 0,
            top: 0,
            width,
            height,
        };
        match self.geometry {
            Geometry::RandomResized { area, aspect } => Cut {
                region: random_resized_region((width, height), area, aspect, rng),
                resized: (size, size),
                window: window(0, 0),
            },
            Geometry::Center { resize } => {
                let resized = shorter_side_size((width, height), resize);
                let left = center_crop_offset(resized.0, size);
                let top = center_crop_offset(resized.1, size);
                Cut {
                    region: whole,
                    resized,
                    window: window(left, top),
                }
            }
            Geometry::Random { resize } => {
                let resized = shorter_side_size((width, height), resize);
                let top = crop::random_offset(resized.1, size, rng);
                let left = crop::random_offset(resized.0, size, rng);
                Cut {
                    region: whole,
                    resized,
                    window: window(left, top),
                }
            }
        }
    }

    /// Transforms a whole image and writes the normalised values to `out`, `[3, size, size]`.
    ///
    /// Draws, in this order: cut, greyscale, jitter, flip. `out` must hold [`Self::values`].
    pub fn apply(
        &self,
        image: &Part,
        rng: &mut ChaCha8Rng,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let cut = self.cut(image.size(), rng);
        self.resize(image, &cut, scratch);
        self.finish(rng, scratch, out);
    }

    /// The second step, without a random choice: resizes a cut of an image, of which at least
    /// [`Cut::needed`] was decoded. The pixels stay in `scratch`.
    pub fn resize(&self, part: &Part, cut: &Cut, scratch: &mut Scratch) {
        scratch.resizer.resize(part, cut, &mut scratch.pixels);
    }

    /// The last step: colour, mirroring and normalisation of what [`Self::resize`] left in `scratch`.
    pub fn finish(&self, rng: &mut ChaCha8Rng, scratch: &mut Scratch, out: &mut [f32]) {
        if self.jitter {
            color::random_greyscale(&mut scratch.pixels, 0.2, rng);
            color::random_jitter(&mut scratch.pixels, 0.2, rng);
        }
        let flip = self.flip > 0.0 && rng.random::<f64>() < self.flip;
        self.table.write(&scratch.pixels, self.size, flip, out);
    }
}
