//! The three benchmarks of the field in the layouts they are passed around in, with their official
//! class-disjoint splits and counts: CUB200-2011, CARS196, Stanford Online Products.

use std::path::{Path, PathBuf};

use likewise::{Error, Result};

use super::folder::{add_class, file_name, folders, unreadable};
use super::{Entry, Listing, Location, Split};

/// Classes and images of training, then of test.
type Counts = [(usize, usize); 2];

/// CUB200-2011: `[images/]NNN.Name/*.jpg`; ids up to half of the classes train.
pub(super) fn cub200(root: &Path, allow_custom: bool) -> Result<Listing> {
    for folder in folders(&images_in(root))? {
        let name = file_name(&folder);
        let numbered = name
            .split_once('.')
            .is_some_and(|(id, _)| id.parse::<u32>().is_ok());
        if !numbered {
            return Err(Error::Data(format!(
                "{}: not a class folder of CUB200-2011 (expected NNN.Name)",
                folder.display()
            )));
        }
    }
    first_half_trains(
        root,
        "CUB200-2011",
        [(100, 5864), (100, 5924)],
        allow_custom,
    )
}

/// CARS196: `[images/]<class>/*.jpg`; the first half of the folders in name order train.
pub(super) fn cars196(root: &Path, allow_custom: bool) -> Result<Listing> {
    first_half_trains(root, "CARS196", [(98, 8054), (98, 8131)], allow_custom)
}

fn first_half_trains(
    root: &Path,
    title: &str,
    official: Counts,
    allow_custom: bool,
) -> Result<Listing> {
    let classes = folders(&images_in(root))?;
    let mut entries = Vec::new();
    for (rank, class) in classes.iter().enumerate() {
        let split = if rank < classes.len() / 2 {
            Split::Train
        } else {
            Split::Test
        };
        add_class(root, class, Some(split), &mut entries)?;
    }
    finish(root, title, entries, official, allow_custom)
}

/// Stanford Online Products: the two lists `Ebay_train.txt` and `Ebay_test.txt` (in the root or in
/// `Info_Files`), images below the root or below `images`.
pub(super) fn online_products(root: &Path, allow_custom: bool) -> Result<Listing> {
    let mut entries = Vec::new();
    for (list, split) in [
        ("Ebay_train.txt", Split::Train),
        ("Ebay_test.txt", Split::Test),
    ] {
        let file = [root.join(list), root.join("Info_Files").join(list)]
            .into_iter()
            .find(|file| file.is_file())
            .ok_or_else(|| Error::Data(format!("{}: {list} is missing", root.display())))?;
        add_products(root, &file, split, &mut entries)?;
    }
    finish(
        root,
        "Stanford Online Products",
        entries,
        [(11318, 59551), (11316, 60502)],
        allow_custom,
    )
}

/// One list: a header, then `image_id class_id super_class_id path`, space-separated.
fn add_products(root: &Path, file: &Path, split: Split, entries: &mut Vec<Entry>) -> Result<()> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let images = images_in(root);
    for (number, line) in text
        .lines()
        .enumerate()
        .skip(1)
        .filter(|(_, line)| !line.is_empty())
    {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, class, _, path] = fields[..] else {
            return Err(Error::Data(format!(
                "{}:{}: expected `image_id class_id super_class_id path`",
                file.display(),
                number + 1
            )));
        };
        let location = images.join(path);
        let metadata =
            std::fs::metadata(&location).map_err(|error| unreadable(&location, &error))?;
        entries.push(Entry {
            name: path.to_owned(),
            // Padded, so that the order of names is the order of ids.
            class: format!("{class:0>5}"),
            split: Some(split),
            bytes: metadata.len(),
            location: Location::File(location),
        });
    }
    Ok(())
}

fn images_in(root: &Path) -> PathBuf {
    let images = root.join("images");
    if images.is_dir() {
        images
    } else {
        root.to_owned()
    }
}

fn finish(
    root: &Path,
    title: &str,
    entries: Vec<Entry>,
    official: Counts,
    allow_custom: bool,
) -> Result<Listing> {
    if entries.is_empty() {
        return Err(Error::Data(format!(
            "{}: no images of {title} found",
            root.display()
        )));
    }
    let counts = [Split::Train, Split::Test].map(|split| {
        let of_split = || entries.iter().filter(|entry| entry.split == Some(split));
        let classes: std::collections::BTreeSet<&str> =
            of_split().map(|entry| entry.class.as_str()).collect();
        (classes.len(), of_split().count())
    });
    if counts != official && !allow_custom {
        let told = |counts: Counts| {
            let [(train, train_images), (test, test_images)] = counts;
            format!("{train} + {test} classes, {train_images} + {test_images} images")
        };
        return Err(Error::Data(format!(
            "{}: this is not the official {title}: {} instead of {} (training + test); fetch the \
             missing part, or set allow_custom to use it anyway",
            root.display(),
            told(counts),
            told(official)
        )));
    }
    Ok(Listing {
        entries,
        ..Listing::default()
    })
}
