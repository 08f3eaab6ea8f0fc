//! Stanford Online Products: the two lists `Ebay_train.txt` and `Ebay_test.txt` say everything.

use std::path::Path;

use likewise::{Error, Result};

use super::{Found, first_file, folder_with, read_text};
use crate::dataset::folder::images_in;
use crate::dataset::{Entry, Part, Split};

const FOLDERS: [&str; 2] = ["Stanford_Online_Products", "online_products"];

/// Lists in the root or in `Info_Files`, images below the root or below `images`.
pub(super) fn list(root: &Path) -> Result<Found> {
    let at_root = folder_with(root, &FOLDERS, "Ebay_train.txt");
    let root = match at_root == root {
        true => folder_with(root, &FOLDERS, "Info_Files"),
        false => at_root,
    };
    let mut found = Found {
        images: images_in(&root),
        ..Found::default()
    };
    for (list, split) in [
        ("Ebay_train.txt", Split::Train),
        ("Ebay_test.txt", Split::Test),
    ] {
        let file = first_file(&root, &[list, &format!("Info_Files/{list}")]).ok_or_else(|| {
            Error::Data(format!(
                "{}: {list} is missing; it belongs there or in Info_Files/, and says which product \
                 each image shows",
                root.display()
            ))
        })?;
        add_list(&file, split, &mut found)?;
    }
    Ok(found)
}

/// One list: a header, then `image_id class_id super_class_id path`, space-separated.
fn add_list(file: &Path, split: Split, found: &mut Found) -> Result<()> {
    let text = read_text(file)?;
    let lines = text.lines().enumerate().skip(1);
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, class, superclass, path] = fields[..] else {
            return Err(Error::Data(format!(
                "{}:{}: expected `image_id class_id super_class_id path`",
                file.display(),
                number + 1
            )));
        };
        let kind = path.split_once('/').map_or(superclass, |(folder, _)| {
            folder.strip_suffix("_final").unwrap_or(folder)
        });
        found.add(path, |location, bytes| Entry {
            name: path.to_owned(),
            // Padded, so that the order of names is the order of ids.
            class: format!("{class:0>5}"),
            superclass: Some(kind.to_owned()),
            split: Some(split),
            part: Part::Both,
            bytes,
            location,
        })?;
    }
    Ok(())
}
