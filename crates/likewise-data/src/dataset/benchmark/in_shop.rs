//! In-Shop Clothes Retrieval: `list_eval_partition.txt` says everything. The test garments have
//! queries and a gallery, and are judged by finding the one in the other.

use std::path::Path;

use likewise::{Error, Result};

use super::{Found, first_file, folder_with, read_text};
use crate::dataset::{Entry, Part, Split};

const LIST: &str = "list_eval_partition.txt";
const FOLDERS: [&str; 4] = [
    "In-shop Clothes Retrieval Benchmark",
    "In-shop",
    "inshop",
    "in_shop",
];

pub(super) fn list(root: &Path) -> Result<Found> {
    let places = [LIST, "Eval", "Anno"];
    let root = places
        .iter()
        .map(|name| folder_with(root, &FOLDERS, name))
        .find(|folder| folder != root)
        .unwrap_or_else(|| root.to_owned());
    let in_eval = format!("Eval/{LIST}");
    let in_anno = format!("Anno/{LIST}");
    let file = first_file(&root, &[LIST, &in_eval, &in_anno]).ok_or_else(|| {
        Error::Data(format!(
            "{}: {LIST} is missing; it belongs there or in Eval/, and says which garment each image \
             shows and whether it trains, asks or is searched",
            root.display()
        ))
    })?;
    let mut found = Found {
        images: folder_with(&root, &["Img"], "img"),
        ..Found::default()
    };
    read_list(&file, &mut found)?;
    Ok(found)
}

/// The number of images, a header, then `image_name item_id evaluation_status`.
fn read_list(file: &Path, found: &mut Found) -> Result<()> {
    let text = read_text(file)?;
    let lines = text.lines().enumerate().skip(2);
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |what: &str| Error::Data(format!("{}:{}: {what}", file.display(), number + 1));
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [path, class, status] = fields[..] else {
            return Err(wrong("expected `image_name item_id evaluation_status`"));
        };
        let (split, part) = match status {
            "train" => (Split::Train, Part::Both),
            "query" => (Split::Test, Part::Query),
            "gallery" => (Split::Test, Part::Gallery),
            _ => return Err(wrong(&format!("`{status}` is not train, query or gallery"))),
        };
        found.add(path, |location, bytes| Entry {
            name: path.to_owned(),
            class: class.to_owned(),
            superclass: category(path),
            split: Some(split),
            part,
            bytes,
            location,
        })?;
    }
    Ok(())
}

/// `WOMEN/Dresses` of `img/WOMEN/Dresses/id_00000002/02_1_front.jpg`.
fn category(path: &str) -> Option<String> {
    let folders: Vec<&str> = path.split('/').collect();
    match folders[..] {
        ["img", kind, category, _, _] => Some(format!("{kind}/{category}")),
        _ => None,
    }
}
