//! CUB200-2011: species in folders `NNN.Name`, numbers up to 100 train. The number decides, not
//! the rank, so that a part of the species is divided as in the whole.

use std::collections::BTreeSet;
use std::path::Path;

use likewise::{Error, Result};

use super::{Found, folder_with, read_text};
use crate::dataset::folder::{add_class, file_name, folders};
use crate::dataset::{Split, shards};

/// Greatest number of a training species.
const LAST_TRAINING: u32 = 100;
/// Number of species.
const SPECIES: u32 = 200;

pub(super) fn list(root: &Path) -> Result<Found> {
    let mut found = Found::default();
    if root.is_file() {
        found.listing = shards::list(&[root.to_owned()])?;
        found.images = root.to_owned();
    } else {
        let root = folder_with(root, &["CUB_200_2011", "cub200"], "images");
        found.images = super::super::folder::images_in(&root);
        for class in folders(&found.images)? {
            add_class(&root, &class, None, &mut found.listing.entries)?;
        }
        found.missing = missing_images(&root, &found)?;
    }
    let mut numbers = BTreeSet::new();
    for entry in &mut found.listing.entries {
        let number = number(&entry.class).ok_or_else(|| {
            Error::Data(format!(
                "{}: `{}` is not a class folder of CUB200-2011 (expected NNN.Name)",
                found.images.display(),
                entry.class
            ))
        })?;
        numbers.insert(number);
        entry.split = Some(if number <= LAST_TRAINING {
            Split::Train
        } else {
            Split::Test
        });
    }
    if found.missing.is_empty() {
        let absent = (1..=SPECIES).filter(|number| !numbers.contains(number));
        found.missing = absent.map(|number| format!("{number:03}.*")).collect();
    }
    Ok(found)
}

fn number(class: &str) -> Option<u32> {
    class.split_once('.')?.0.parse().ok()
}

/// Images of the archive's own list that are not there; whole species as one.
fn missing_images(root: &Path, found: &Found) -> Result<Vec<String>> {
    let list = root.join("images.txt");
    if !list.is_file() {
        return Ok(Vec::new());
    }
    let text = read_text(&list)?;
    let there: BTreeSet<&str> = (found.listing.entries.iter())
        .map(|entry| entry.name.strip_prefix("images/").unwrap_or(&entry.name))
        .collect();
    let classes: BTreeSet<String> = folders(&found.images)?
        .iter()
        .map(|path| file_name(path))
        .collect();
    let mut missing = Vec::new();
    for path in text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
    {
        let class = path.split_once('/').map_or("", |(class, _)| class);
        let what = match classes.contains(class) {
            true if there.contains(path) => continue,
            true => path.to_owned(),
            false => format!("{class}/"),
        };
        if missing.last() != Some(&what) {
            missing.push(what);
        }
    }
    Ok(missing)
}
