//! Where images come from: decode threads natively, memory in the browser.

use std::ops::Range;
use std::str::FromStr;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::sampler::BatchPlan;
use crate::{Error, Result};

/// A part of a dataset; classes of different parts are disjoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Classes trained on.
    Train,
    /// Classes that choose the epoch.
    Validation,
    /// Unseen classes that are reported.
    Test,
}

impl Split {
    /// All splits.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// Place in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// `train`, `validation` (also `val`, `valid`) or `test`, in any case.
impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "train" => Ok(Self::Train),
            "validation" | "val" | "valid" => Ok(Self::Validation),
            "test" => Ok(Self::Test),
            _ => Err(Error::Data(format!(
                "unknown split `{text}`; write train, validation or test"
            ))),
        }
    }
}

/// Images of one batch on the host.
#[derive(Clone, Debug, Default)]
pub struct ImageBatch {
    /// Normalised values, row-major `[N, C, H, W]`.
    pub pixels: Vec<f32>,
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Class of each image.
    pub labels: Vec<u32>,
    /// Place of each image in its split.
    pub rows: Vec<usize>,
}

impl ImageBatch {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Uploads the pixels of some of the images, `[rows, C, H, W]`.
    pub fn rows_as_tensor(&self, rows: Range<usize>, device: &Device) -> Tensor<4> {
        let values: usize = self.shape.iter().product();
        let pixels = self.pixels[rows.start * values..rows.end * values].to_vec();
        self.upload(pixels, rows.len(), device)
    }

    /// Uploads the pixels, `[N, C, H, W]`, and keeps none of them.
    pub fn take_tensor(&mut self, device: &Device) -> Tensor<4> {
        let pixels = std::mem::take(&mut self.pixels);
        self.upload(pixels, self.len(), device)
    }

    fn upload(&self, pixels: Vec<f32>, count: usize, device: &Device) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        Tensor::from_data(
            TensorData::new(pixels, [count, channels, height, width]),
            device,
        )
    }
}

/// One pass over images, announced before it is read so that a source can work ahead.
#[derive(Clone, Debug)]
pub enum Pass {
    /// Training batches with augmentation.
    Training(BatchPlan),
    /// All images of a split in dataset order, with the evaluation transform. Images that cannot
    /// be decoded may be left out.
    Evaluation {
        /// The split.
        split: Split,
        /// Images in a batch.
        batch_size: usize,
    },
}

/// A supply of image batches.
pub trait BatchSource {
    /// Channels, height and width of an image.
    fn image_shape(&self) -> [usize; 3];

    /// Class of every image of a split, in dataset order; training classes are 0..C.
    fn labels(&self, split: Split) -> &[u32];

    /// Whether each image of a split is searched (gallery) or asks (query), in dataset order; none
    /// when every image does both.
    fn gallery(&self, split: Split) -> Option<&[bool]> {
        let _ = split;
        None
    }

    /// Begins a pass; an unfinished one is abandoned.
    fn begin(&mut self, pass: Pass) -> Result<()>;

    /// The next batch of the pass, `None` at its end.
    fn next_batch(&mut self) -> Result<Option<ImageBatch>>;
}
