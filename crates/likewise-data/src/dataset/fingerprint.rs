//! Which data was this? A hash that run folders record and resumption compares, so that numbers
//! from different copies of a dataset are never mistaken for each other.

use sha2::{Digest, Sha256};

use super::{Entry, Part};

/// Over names, sizes and classes; `entries` must be sorted by name.
pub(super) fn of_data(entries: &[Entry]) -> String {
    digest(
        entries
            .iter()
            .map(|entry| format!("{}\0{}\0{}\n", entry.name, entry.bytes, entry.class)),
    )
}

/// Over names, splits and parts; `entries` must be sorted by name.
pub(super) fn of_split(entries: &[Entry]) -> String {
    digest(entries.iter().map(|entry| {
        let part = match entry.part {
            Part::Both => "",
            Part::Query => "/query",
            Part::Gallery => "/gallery",
        };
        let split = entry.split.map_or("", super::Split::name);
        format!("{}\0{split}{part}\n", entry.name)
    }))
}

fn digest(lines: impl Iterator<Item = String>) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line);
    }
    hexadecimal(&hash.finalize())
}

/// Lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
