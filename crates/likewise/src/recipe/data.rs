//! The `[data]` table: which images, how they are divided, what is done to them.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The `[data]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataSettings {
    /// `emoji` (embedded); the path of a folder of class folders, a CSV file or tar shards; or a
    /// benchmark: `cub200`, `cars196`, `online_products` or `in_shop`, with `:` and its path, or
    /// alone when the path is given by `--data`.
    pub source: String,
    /// CSV or JSON file that says the split of each class, instead of what the data says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_file: Option<String>,
    /// Part of the training images that chooses the epoch, where the data brings no such part.
    /// Absent: `split.validation` of the classes, if the data is divided by `split`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<ValidationSettings>,
    /// Take a copy of a benchmark whose numbers of classes and images are not the official ones.
    pub allow_custom: bool,
    /// Side of the square images the network sees, in pixels.
    pub image_size: usize,
    /// Length of the shorter side before the centre crop of evaluation; 0 means
    /// image_size · 256/224, the ratio of the papers.
    pub resize: usize,
    /// Training augmentation.
    pub augmentation: Augmentation,
    /// Smallest and largest area of a random crop, as fractions of the image.
    pub crop_area: [f32; 2],
    /// Probability of mirroring a training image.
    pub flip: f32,
    /// Mean of each channel (R, G, B), subtracted after scaling to [0, 1].
    pub mean: [f32; 3],
    /// Standard deviation of each channel, divided by.
    pub std: [f32; 3],
    /// Pixels are those of Pillow and torchvision. `false`: images that are made at least twice
    /// smaller are shrunk while they are decoded, which is faster.
    pub exact: bool,
    /// Folder where decoded images are kept; runs may share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    /// Length that the shorter side of kept images is shrunk to, in pixels; 0: not shrunk. Takes
    /// `exact = false`: an image that was shrunk once is cut differently.
    pub cache_side: usize,
    /// What to do with a file that cannot be decoded.
    pub on_bad_image: OnBadImage,
    /// Fractions of the classes in each split, when the data comes without one.
    pub split: SplitFractions,
    /// Seed of that split, apart from the run's seed so that runs stay comparable.
    pub split_seed: u64,
}

impl Default for DataSettings {
    fn default() -> Self {
        Self {
            source: "emoji".into(),
            split_file: None,
            validation: None,
            allow_custom: false,
            image_size: 224,
            resize: 0,
            augmentation: Augmentation::Base,
            crop_area: [0.08, 1.0],
            flip: 0.5,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            exact: true,
            cache: None,
            cache_side: 0,
            on_bad_image: OnBadImage::Fail,
            split: SplitFractions::default(),
            split_seed: 0,
        }
    }
}

impl DataSettings {
    /// Length of the shorter side before the centre crop of evaluation.
    pub fn resize(&self) -> usize {
        if self.resize == 0 {
            (self.image_size * 256 + 112) / 224
        } else {
            self.resize
        }
    }

    /// Refuses values outside their range, naming the key.
    pub(super) fn validate(&self) -> Result<()> {
        let data = self;
        if !(8..=1024).contains(&data.image_size) {
            return Err(Error::Recipe(format!(
                "data.image_size = {}: between 8 and 1024",
                data.image_size
            )));
        }
        if data.resize() < data.image_size {
            return Err(Error::Recipe(format!(
                "data.resize = {} is smaller than data.image_size = {}: the centre crop would not \
                 fit",
                data.resize, data.image_size
            )));
        }
        let [smallest, largest] = data.crop_area;
        if !(smallest > 0.0 && smallest <= largest && largest <= 1.0) {
            return Err(Error::Recipe(format!(
                "data.crop_area = [{smallest}, {largest}]: two fractions, 0 < smallest ≤ largest ≤ 1"
            )));
        }
        if !(0.0..=1.0).contains(&data.flip) {
            return Err(Error::Recipe(format!(
                "data.flip = {}: between 0 and 1",
                data.flip
            )));
        }
        if data.mean.iter().any(|m| !m.is_finite())
            || data.std.iter().any(|s| !(s.is_finite() && *s > 0.0))
        {
            return Err(Error::Recipe(
                "data.mean must be finite and data.std positive".into(),
            ));
        }
        self.validate_cache()?;
        self.validate_split()
    }

    fn validate_cache(&self) -> Result<()> {
        let side = self.cache_side;
        if side == 0 {
            return Ok(());
        }
        if self.cache.is_none() {
            return Err(Error::Recipe(format!(
                "data.cache_side = {side} without data.cache: name the folder that keeps the images"
            )));
        }
        if self.exact {
            return Err(Error::Recipe(format!(
                "data.cache_side = {side} shrinks images before they are cut, which data.exact = true \
                 forbids: set data.exact = false, or data.cache_side = 0"
            )));
        }
        if side < self.resize() {
            return Err(Error::Recipe(format!(
                "data.cache_side = {side} is smaller than data.resize = {}: evaluated images would \
                 be enlarged again",
                self.resize()
            )));
        }
        Ok(())
    }

    fn validate_split(&self) -> Result<()> {
        let split = self.split;
        let fractions = [split.train, split.validation];
        if fractions.iter().any(|f| !(0.0..=1.0).contains(f))
            || split.train <= 0.0
            || split.train + split.validation >= 1.0
        {
            return Err(Error::Recipe(format!(
                "data.split = {{ train = {}, validation = {} }}: fractions of the classes, train \
                 above 0 and both together below 1 (the rest is the test split)",
                split.train, split.validation
            )));
        }
        if let Some(validation) = self.validation
            && !(validation.fraction > 0.0 && validation.fraction < 1.0)
        {
            return Err(Error::Recipe(format!(
                "data.validation.fraction = {}: between 0 and 1, both excluded (remove the \
                 data.validation table for no validation)",
                validation.fraction
            )));
        }
        Ok(())
    }
}

/// Training augmentations (Roth et al. 2020, supplementary; each ends with the same
/// normalisation).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Augmentation {
    /// The evaluation transform, unaltered.
    None,
    /// Random resized crop and mirroring.
    #[default]
    Base,
    /// Base with random greyscale and colour jitter.
    Adv,
    /// Base at 256/224 of the size.
    Big,
    /// Resize, random crop without change of scale, and mirroring.
    Red,
}

/// What to do with a file that cannot be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBadImage {
    /// Stop with an error that names the file.
    #[default]
    Fail,
    /// Use another image of the class and count the file in the report.
    Skip,
}

/// Fractions of the classes in each split; the rest is the test split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitFractions {
    /// Fraction of the classes trained on.
    pub train: f64,
    /// Fraction of the classes that choose the epoch.
    pub validation: f64,
}

/// The `[data.validation]` table: which training images choose the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValidationSettings {
    /// Whole classes, or some images of every class.
    pub by: ValidationUnit,
    /// Fraction of the training classes, or of the images of each training class.
    pub fraction: f64,
    /// Which of them.
    pub take: ValidationTake,
}

impl Default for ValidationSettings {
    fn default() -> Self {
        Self {
            by: ValidationUnit::Class,
            fraction: 0.2,
            take: ValidationTake::Last,
        }
    }
}

/// What a validation part is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidationUnit {
    /// Whole classes: the epoch is chosen by classes the network has not seen.
    #[default]
    Class,
    /// Images of the classes trained on: says how well they are learned, not how well the network
    /// does on unseen classes.
    Sample,
}

/// Which classes, or which images of a class, are taken for validation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidationTake {
    /// The last by name.
    #[default]
    Last,
    /// Those that are left when evenly spaced ones stay in training.
    Spaced,
    /// Drawn with `split_seed`.
    Random,
}

impl Default for SplitFractions {
    fn default() -> Self {
        Self {
            train: 0.4,
            validation: 0.1,
        }
    }
}
