//! The emoji pack inside the program: something real to train on in the first minute, without a
//! download. Class = emoji, instance = one vendor's drawing of it; many classes, few images each.

use std::io::Read;
use std::sync::{Arc, OnceLock};

use flate2::read::GzDecoder;
use likewise::{Error, Result};
use serde::{Deserialize, Serialize};

use super::shards::{Shard, list_shards};
use super::{Listing, Split};

const INDEX: &str = include_str!("../../assets/emoji.json");
const SHARDS: [(&str, &[u8]); 3] = [
    (
        "emoji-train.tar.gz",
        include_bytes!("../../assets/emoji-train.tar.gz"),
    ),
    (
        "emoji-validation.tar.gz",
        include_bytes!("../../assets/emoji-validation.tar.gz"),
    ),
    (
        "emoji-test.tar.gz",
        include_bytes!("../../assets/emoji-test.tar.gz"),
    ),
];

/// A package that drawings come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmojiSource {
    /// Vendor key: file name of its drawings.
    pub vendor: String,
    /// npm package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Whose drawings they are.
    pub author: String,
    /// Where they come from.
    pub url: String,
    /// SPDX identifier of the licence.
    pub license: String,
    /// Drawings of this vendor in the pack.
    pub images: usize,
}

/// One class of the pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmojiClass {
    /// The emoji's name, e.g. `alarm-clock`.
    pub name: String,
    /// Its split.
    pub split: Split,
    /// Vendors with a drawing of it, sorted.
    pub vendors: Vec<String>,
}

/// What `emoji.json` says about the pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmojiIndex {
    /// Side of every drawing, in pixels.
    pub size: usize,
    /// Seed of the class-disjoint split.
    pub split_seed: u64,
    /// Number of drawings.
    pub images: usize,
    /// SHA-256 of each shard after decompression, by file name without `.gz`.
    pub sha256: std::collections::BTreeMap<String, String>,
    /// Where the drawings come from and under which licence.
    pub sources: Vec<EmojiSource>,
    /// All classes, sorted by name.
    pub classes: Vec<EmojiClass>,
}

impl EmojiIndex {
    /// Reads the embedded index.
    ///
    /// # Errors
    /// None in a sound build.
    pub fn embedded() -> Result<Self> {
        serde_json::from_str(INDEX).map_err(|error| damaged("emoji.json", &error.to_string()))
    }
}

pub(super) fn list() -> Result<Listing> {
    // Unpacked once a process: opening the pack again costs a listing, not a decompression.
    static UNPACKED: OnceLock<[Arc<[u8]>; 3]> = OnceLock::new();
    let unpacked = match UNPACKED.get() {
        Some(unpacked) => unpacked,
        None => {
            let [train, validation, test] = SHARDS;
            let fresh = [unpack(train)?, unpack(validation)?, unpack(test)?];
            UNPACKED.get_or_init(|| fresh)
        }
    };
    let shards = SHARDS
        .iter()
        .zip(unpacked)
        .map(|((name, _), bytes)| Shard::Memory {
            name,
            bytes: Arc::clone(bytes),
        });
    list_shards(shards.collect())
}

fn unpack((name, bytes): (&str, &[u8])) -> Result<Arc<[u8]>> {
    let mut tar = Vec::new();
    GzDecoder::new(bytes)
        .read_to_end(&mut tar)
        .map_err(|error| damaged(name, &error.to_string()))?;
    Ok(tar.into())
}

fn damaged(file: &str, error: &str) -> Error {
    Error::Data(format!(
        "the embedded emoji pack is damaged ({file}): {error}"
    ))
}
