//! The benchmarks of the field in the layouts they are published in, with their official splits
//! and counts. A copy that is not whole is refused with what is missing and where it belongs:
//! figures of another set of images could not be compared with anybody's.

mod cars196;
mod cub200;
mod in_shop;
mod matlab;
mod online_products;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use likewise::{Error, Result};

use super::assemble::listed;
use super::folder::unreadable;
use super::{Entry, Listing, Location, Part, Split};

/// A published benchmark of image retrieval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Benchmark {
    /// CUB200-2011 (Wah et al. 2011): bird species.
    Cub200,
    /// CARS196 (Krause et al. 2013): car models.
    Cars196,
    /// Stanford Online Products (Oh Song et al. 2016): products of a market place.
    OnlineProducts,
    /// In-Shop Clothes Retrieval (Liu et al. 2016): garments, queries against a gallery.
    InShop,
}

/// Classes and images of one part of a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// What the part is called.
    pub part: &'static str,
    /// Number of classes.
    pub classes: usize,
    /// Number of images.
    pub images: usize,
}

const fn counts(part: &'static str, classes: usize, images: usize) -> Counts {
    Counts {
        part,
        classes,
        images,
    }
}

impl Benchmark {
    /// All benchmarks.
    pub const ALL: [Self; 4] = [
        Self::Cub200,
        Self::Cars196,
        Self::OnlineProducts,
        Self::InShop,
    ];

    /// Name in recipes and run folders.
    pub fn key(self) -> &'static str {
        match self {
            Self::Cub200 => "cub200",
            Self::Cars196 => "cars196",
            Self::OnlineProducts => "online_products",
            Self::InShop => "in_shop",
        }
    }

    /// Name in the literature.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cub200 => "CUB200-2011",
            Self::Cars196 => "CARS196",
            Self::OnlineProducts => "Stanford Online Products",
            Self::InShop => "In-Shop Clothes Retrieval",
        }
    }

    /// The benchmark of this [`Self::key`].
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|other| other.key() == key)
    }

    /// What its folder looks like, in one line.
    pub fn layout(self) -> &'static str {
        match self {
            Self::Cub200 => {
                "images/001.Black_footed_Albatross/*.jpg to images/200.Common_Yellowthroat/*.jpg"
            }
            Self::Cars196 => {
                "one folder for each of the 196 models (in images/, or in train/ and test/); or \
                 cars_train/, cars_test/, devkit/cars_train_annos.mat and \
                 cars_test_annos_withlabels.mat; or car_ims/ and cars_annos.mat"
            }
            Self::OnlineProducts => "Ebay_train.txt, Ebay_test.txt, bicycle_final/*.JPG and so on",
            Self::InShop => "Eval/list_eval_partition.txt and img/WOMEN/..., img/MEN/...",
        }
    }

    /// Official classes and images of each part.
    pub fn official(self) -> &'static [Counts] {
        const CUB: &[Counts] = &[counts("train", 100, 5864), counts("test", 100, 5924)];
        const CARS: &[Counts] = &[counts("train", 98, 8054), counts("test", 98, 8131)];
        const SOP: &[Counts] = &[
            counts("train", 11_318, 59_551),
            counts("test", 11_316, 60_502),
        ];
        const IN_SHOP: &[Counts] = &[
            counts("train", 3997, 25_882),
            counts("query", 3985, 14_218),
            counts("gallery", 3985, 12_612),
        ];
        match self {
            Self::Cub200 => CUB,
            Self::Cars196 => CARS,
            Self::OnlineProducts => SOP,
            Self::InShop => IN_SHOP,
        }
    }

    pub(super) fn list(self, root: &Path, allow_custom: bool) -> Result<Listing> {
        if !root.exists() {
            return Err(Error::Data(format!(
                "{}: no such folder; the folder of {} holds {}",
                root.display(),
                self.title(),
                self.layout()
            )));
        }
        let found = match self {
            Self::Cub200 => cub200::list(root)?,
            Self::Cars196 => cars196::list(root)?,
            Self::OnlineProducts => online_products::list(root)?,
            Self::InShop => in_shop::list(root)?,
        };
        let mut listing = self.check(root, found, allow_custom)?;
        listing.as_published = !allow_custom;
        Ok(listing)
    }

    fn check(self, root: &Path, found: Found, allow_custom: bool) -> Result<Listing> {
        let entries = &found.listing.entries;
        if entries.is_empty() {
            return Err(Error::Data(format!(
                "{}: no images of {} found; its folder holds {}",
                root.display(),
                self.title(),
                self.layout()
            )));
        }
        let counted: Vec<Counts> = (self.official().iter())
            .map(|official| count(entries, official.part))
            .collect();
        if counted == self.official() || allow_custom {
            return Ok(found.listing);
        }
        Err(Error::Data(format!(
            "{}: not the whole {}: {}; complete it, or take what is there with --set \
             data.allow_custom=true (its figures are then not those of the benchmark)",
            root.display(),
            self.title(),
            self.difference(&counted, &found)
        )))
    }

    /// What is missing or too much, and where it belongs.
    fn difference(self, counted: &[Counts], found: &Found) -> String {
        let parts = counted.iter().zip(self.official());
        let parts: Vec<String> = parts
            .filter(|(counted, official)| counted != official)
            .map(|(counted, official)| {
                format!(
                    "{} {} classes with {} images instead of {} with {}",
                    official.part,
                    counted.classes,
                    counted.images,
                    official.classes,
                    official.images
                )
            })
            .collect();
        let mut text = parts.join(", ");
        let missing: Vec<&str> = found.missing.iter().map(String::as_str).collect();
        if !missing.is_empty() {
            text = format!(
                "{text}; missing in {}: {}",
                found.images.display(),
                listed(&missing)
            );
        }
        text
    }
}

/// Classes and images of a part among `entries`.
fn count(entries: &[Entry], part: &'static str) -> Counts {
    let is_part = |entry: &&Entry| match part {
        "query" => entry.part == Part::Query,
        "gallery" => entry.part == Part::Gallery,
        _ => entry.split.map(Split::name) == Some(part),
    };
    let of_part = || entries.iter().filter(is_part);
    let classes: BTreeSet<&str> = of_part().map(|entry| entry.class.as_str()).collect();
    counts(part, classes.len(), of_part().count())
}

/// What a reader found, and what it knows to be missing.
#[derive(Debug, Default)]
struct Found {
    listing: Listing,
    /// Where images belong.
    images: PathBuf,
    /// Images and folders that are not there, relative to `images`.
    missing: Vec<String>,
}

impl Found {
    /// Adds the image at `path` below the folder of images, if it exists.
    fn add(&mut self, path: &str, describe: impl FnOnce(Location, u64) -> Entry) -> Result<()> {
        let location = self.images.join(path);
        match std::fs::metadata(&location) {
            Ok(metadata) => {
                let entry = describe(Location::File(location), metadata.len());
                self.listing.entries.push(entry);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.missing.push(path.to_owned());
            }
            Err(error) => return Err(unreadable(&location, &error)),
        }
        Ok(())
    }
}

/// The first of `folders` of `root` that holds `name`, or `root`: archives unpack into a folder of
/// their own, and users name either.
fn folder_with(root: &Path, folders: &[&str], name: &str) -> PathBuf {
    let inside = folders.iter().map(|folder| root.join(folder));
    std::iter::once(root.to_owned())
        .chain(inside)
        .find(|folder| folder.join(name).exists())
        .unwrap_or_else(|| root.to_owned())
}

/// The first of `candidates` that is a file.
fn first_file(root: &Path, candidates: &[&str]) -> Option<PathBuf> {
    let mut files = candidates.iter().map(|name| root.join(name));
    files.find(|file| file.is_file())
}

/// Reads a list of the benchmark.
fn read_text(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))
}
