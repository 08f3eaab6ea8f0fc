//! One shape for every source of labelled images: folders, CSV lists, tar shards, the published
//! benchmarks and the embedded pack all become a [`Dataset`] of items with class and split.

mod assemble;
mod benchmark;
mod csv;
mod fingerprint;
mod folder;
mod pack;
mod shards;
mod source;
mod split;
mod split_file;
mod validation;

use std::path::PathBuf;

use likewise::{Error, Result};

pub use benchmark::{Benchmark, Counts};
pub use pack::{EmojiClass, EmojiIndex, EmojiSource};
pub use source::DataSource;
pub use split::{ClassOrder, Split, SplitOptions};
// What users choose among is named in recipes.
pub use likewise::recipe::{ValidationSettings, ValidationTake, ValidationUnit};

use crate::decode::decode;
use crate::rgb::RgbImage;
pub(crate) use fingerprint::hexadecimal;
use shards::Shard;

/// How a source is turned into a dataset.
#[derive(Clone, Debug, Default)]
pub struct DatasetOptions {
    /// How classes are divided when the data does not say so itself.
    pub split: SplitOptions,
    /// CSV or JSON file with the split of each class, instead of what the data says.
    pub split_file: Option<PathBuf>,
    /// Classes with fewer images are left out (0 and 1 keep all).
    pub min_images: usize,
    /// Accept a copy of a published benchmark whose counts differ from the official ones.
    pub allow_custom: bool,
}

/// Where an item's bytes lie.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    File(PathBuf),
    Shard { shard: usize, offset: u64 },
}

/// One labelled image.
#[derive(Clone, Debug)]
pub struct Item {
    /// Path inside the dataset, `/`-separated; the same on every machine.
    pub name: String,
    /// Index into [`Dataset::classes`].
    pub class: usize,
    /// Class index within the item's split, contiguous from 0.
    pub label: u32,
    /// Class of the class (the kind of product of Stanford Online Products), an index into
    /// [`Dataset::superclasses`].
    pub superclass: Option<usize>,
    /// The split it belongs to.
    pub split: Split,
    /// Whether it asks, is searched, or both.
    pub part: Part,
    /// Size of the encoded file, in bytes.
    pub bytes: u64,
    pub(crate) location: Location,
}

impl Item {
    /// File name without its ending; in the emoji pack this is the vendor.
    pub fn stem(&self) -> &str {
        let file = self.name.rsplit('/').next().unwrap_or(&self.name);
        file.rsplit_once('.').map_or(file, |(stem, _)| stem)
    }
}

/// What an image is for in the evaluation of its split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Each image asks, and all others are searched.
    #[default]
    Both,
    /// Asks alone.
    Query,
    /// Is searched alone.
    Gallery,
}

/// The items of one split.
#[derive(Clone, Debug, Default)]
pub struct SplitItems {
    /// Item indices into [`Dataset::items`], ascending.
    pub indices: Vec<usize>,
    /// Label of each index: 0..C, contiguous in this split.
    pub labels: Vec<u32>,
    /// Name of each label, sorted.
    pub class_names: Vec<String>,
    /// Item indices of each label.
    pub members: Vec<Vec<usize>>,
    /// Whether each item is searched (gallery) or asks (query); none when every item does both.
    pub gallery: Option<Vec<bool>>,
}

impl SplitItems {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether the split has no images.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Number of classes C.
    pub fn num_classes(&self) -> usize {
        self.class_names.len()
    }
}

/// Labelled images with their split. Cheap to share behind an `Arc`; images are read on demand.
#[derive(Clone, Debug)]
pub struct Dataset {
    name: String,
    classes: Vec<String>,
    superclasses: Vec<String>,
    items: Vec<Item>,
    splits: [SplitItems; 3],
    shards: Vec<Shard>,
    fingerprint: String,
    split_fingerprint: String,
}

impl Dataset {
    /// Lists the images of `source` and divides them into splits. No image is decoded.
    ///
    /// # Errors
    /// [`Error::Data`] naming the path, line or class at fault: nothing found, unreadable files,
    /// contradicting labels, too few classes, a training class with one image.
    pub fn open(source: &DataSource, options: &DatasetOptions) -> Result<Self> {
        let listing = match source {
            DataSource::EmbeddedEmoji => pack::list()?,
            DataSource::Folder(path) => folder::list(path)?,
            DataSource::Csv(path) => csv::list(path)?,
            DataSource::Shards(paths) => shards::list(paths)?,
            DataSource::Benchmark(benchmark, path) => benchmark.list(path, options.allow_custom)?,
        };
        assemble::assemble(source.name(), listing, options)
    }

    /// The emoji pack inside the program: 965 classes, 4,759 drawings of 64 x 64 pixels, with its
    /// own class-disjoint split.
    ///
    /// # Errors
    /// None in a sound build; a damaged pack is reported as [`Error::Data`].
    pub fn embedded_emoji() -> Result<Self> {
        Self::open(&DataSource::EmbeddedEmoji, &DatasetOptions::default())
    }

    /// A short name for run folders: `emoji`, `cub200`, or the last part of the path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All class names, sorted.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Names of the classes of classes, sorted; empty for data without.
    pub fn superclasses(&self) -> &[String] {
        &self.superclasses
    }

    /// All items, sorted by name.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The items of one split; may be empty for validation.
    pub fn split(&self, split: Split) -> &SplitItems {
        &self.splits[split.index()]
    }

    /// SHA-256 (hexadecimal) over the sorted names, sizes and class names: equal exactly when two
    /// machines list the same data.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// SHA-256 (hexadecimal) over the sorted names, their splits and, where there are any, parts.
    pub fn split_fingerprint(&self) -> &str {
        &self.split_fingerprint
    }

    /// The encoded bytes of an item.
    ///
    /// # Errors
    /// [`Error::Data`] naming the item when it cannot be read or `index` is out of range.
    pub fn read(&self, index: usize) -> Result<Vec<u8>> {
        let item = self.item(index)?;
        let bytes = match &item.location {
            Location::File(path) => std::fs::read(path),
            Location::Shard { shard, offset } => self.shards[*shard].read(*offset, item.bytes),
        };
        bytes.map_err(|error| Error::Data(format!("{}: cannot read: {error}", self.place(item))))
    }

    /// The decoded image of an item.
    ///
    /// # Errors
    /// [`Error::Data`] naming the item when it cannot be read or decoded.
    pub fn decode(&self, index: usize) -> Result<RgbImage> {
        let bytes = self.read(index)?;
        decode(&bytes).map_err(|error| self.at_item(index, &error))
    }

    /// An error with the item's file before it.
    pub(crate) fn at_item(&self, index: usize, error: &Error) -> Error {
        let place = self.items.get(index).map(|item| self.place(item));
        Error::Data(format!("{}: {error}", place.unwrap_or_default()))
    }

    /// Text that changes when an item's file does: its place, size and time of change.
    pub(crate) fn stamp(&self, index: usize) -> Result<String> {
        let item = self.item(index)?;
        let (file, offset) = match &item.location {
            Location::File(path) => (Some(path), 0),
            Location::Shard { shard, offset } => (self.shards[*shard].file(), *offset),
        };
        let changed = match file {
            Some(path) => std::fs::metadata(path)
                .and_then(|metadata| metadata.modified())
                .map_err(|error| folder::unreadable(path, &error))?
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default(),
            None => std::time::Duration::ZERO,
        };
        let path = file.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        Ok(format!(
            "{:?} {} {offset} {} {}",
            path,
            item.name,
            item.bytes,
            changed.as_nanos()
        ))
    }

    fn item(&self, index: usize) -> Result<&Item> {
        self.items.get(index).ok_or_else(|| {
            let count = self.items.len();
            Error::Data(format!(
                "{} has {count} images; there is no number {index}",
                self.name
            ))
        })
    }

    /// The full path of an item's file, or shard and member.
    fn place(&self, item: &Item) -> String {
        match &item.location {
            Location::File(path) => path.display().to_string(),
            Location::Shard { shard, .. } => format!("{}: {}", self.shards[*shard], item.name),
        }
    }
}

/// What a reader finds: one entry an image, in any order.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub entries: Vec<Entry>,
    pub shards: Vec<Shard>,
    /// Taken as published, training classes with a single image included.
    pub as_published: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub name: String,
    pub class: String,
    pub superclass: Option<String>,
    pub split: Option<Split>,
    pub part: Part,
    pub bytes: u64,
    pub location: Location,
}
