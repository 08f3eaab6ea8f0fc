//! CARS196 in the layouts it is passed around in: class folders; the published archive with its
//! devkit; the later single archive with `cars_annos.mat`. Of all of them the first 98 models
//! train and the rest is test, whatever the archive's own division for classification says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use likewise::{Error, Result};

use super::matlab::{self, Structure, Value};
use super::{Found, first_file, folder_with};
use crate::dataset::folder::{add_class, file_name, folders, images_in};
use crate::dataset::{Entry, Part, Split, shards};

/// Greatest number of a training model.
const LAST_TRAINING: usize = 98;

pub(super) fn list(root: &Path) -> Result<Found> {
    if root.is_file() {
        let listing = shards::list(&[root.to_owned()])?;
        let images = root.to_owned();
        return Ok(first_half_trains(Found {
            listing,
            images,
            ..Found::default()
        }));
    }
    const ALONE: &str = "cars_annos.mat";
    const TRAIN: &str = "cars_train_annos.mat";
    const PARENTS: [&str; 3] = ["cars196", "stanford_cars", "car_data"];
    let alone = folder_with(root, &PARENTS, ALONE);
    if let Some(file) = first_file(&alone, &[ALONE, "devkit/cars_annos.mat"]) {
        return with_annotations(&alone, &[(file, "")]);
    }
    let root = ["devkit", "cars_train", "images", "train"]
        .iter()
        .map(|name| folder_with(root, &PARENTS, name))
        .find(|folder| folder != root)
        .unwrap_or_else(|| root.to_owned());
    if !root.join("cars_train").is_dir() && !root.join("devkit").is_dir() {
        return class_folders(&root);
    }
    let train = first_file(&root, &["devkit/cars_train_annos.mat", TRAIN])
        .ok_or_else(|| not_there(&root, "devkit/cars_train_annos.mat"))?;
    let labelled = "cars_test_annos_withlabels.mat";
    let below = format!("devkit/{labelled}");
    let test = first_file(&root, &[labelled, &below]).ok_or_else(|| not_there(&root, labelled))?;
    with_annotations(&root, &[(train, "cars_train/"), (test, "cars_test/")])
}

fn not_there(root: &Path, file: &str) -> Error {
    Error::Data(format!(
        "{}: {file} is missing; it says which model each image of cars_train/ and cars_test/ shows",
        root.display()
    ))
}

/// Class folders in `images`, in the root, or in `train` and `test`.
fn class_folders(root: &Path) -> Result<Found> {
    let images = images_in(root);
    let mut found = Found {
        images: images.clone(),
        ..Found::default()
    };
    let mut classes = folders(&images)?;
    let halves = |path: &PathBuf| ["train", "test"].contains(&file_name(path).as_str());
    if classes.len() == 2 && classes.iter().all(halves) {
        let inside: Vec<_> = classes
            .iter()
            .map(|half| folders(half))
            .collect::<Result<_>>()?;
        classes = inside.concat();
    }
    for class in classes {
        add_class(root, &class, None, &mut found.listing.entries)?;
    }
    Ok(first_half_trains(found))
}

/// The first half of the classes by name trains.
fn first_half_trains(mut found: Found) -> Found {
    let entries = &mut found.listing.entries;
    let mut classes: Vec<String> = entries.iter().map(|entry| entry.class.clone()).collect();
    classes.sort_unstable();
    classes.dedup();
    let train = &classes[..classes.len() / 2];
    for entry in entries {
        entry.split = Some(match train.binary_search(&entry.class) {
            Ok(_) => Split::Train,
            Err(_) => Split::Test,
        });
    }
    found
}

/// Images that files of annotations name, each file with the folder its names are relative to.
fn with_annotations(root: &Path, files: &[(PathBuf, &str)]) -> Result<Found> {
    let mut found = Found {
        images: root.to_owned(),
        ..Found::default()
    };
    let mut names = match first_file(root, &["devkit/cars_meta.mat", "cars_meta.mat"]) {
        Some(file) => class_names(&read(&file)?),
        None => Vec::new(),
    };
    for (file, folder) in files {
        let contents = read(file)?;
        if names.is_empty() {
            names = class_names(&contents);
        }
        let Some(Value::Structures(annotations)) = contents.get("annotations") else {
            return Err(damaged(file, "no struct `annotations`"));
        };
        for annotation in annotations {
            let (path, class) = image_and_class(annotation).map_err(|text| damaged(file, &text))?;
            add(&mut found, &format!("{folder}{path}"), class, &names)?;
        }
    }
    Ok(found)
}

fn add(found: &mut Found, path: &str, class: usize, names: &[String]) -> Result<()> {
    let name = class.checked_sub(1).and_then(|place| names.get(place));
    // Numbered, so that the order of names is the order of models.
    let class_name = match name {
        Some(name) => format!("{class:03} {name}"),
        None => format!("{class:03}"),
    };
    let split = if class <= LAST_TRAINING {
        Split::Train
    } else {
        Split::Test
    };
    found.add(path, |location, bytes| Entry {
        name: path.to_owned(),
        class: class_name,
        superclass: None,
        split: Some(split),
        part: Part::Both,
        bytes,
        location,
    })
}

fn image_and_class(annotation: &Structure) -> std::result::Result<(&str, usize), String> {
    let path = ["fname", "relative_im_path"]
        .iter()
        .find_map(|field| annotation.get(*field));
    let Some(Value::Text(path)) = path else {
        return Err("an annotation without `fname` or `relative_im_path`".to_owned());
    };
    let class = match annotation.get("class") {
        Some(Value::Numbers(numbers)) => numbers.first().copied().unwrap_or(0.0),
        _ => {
            return Err(format!(
                "no `class` for {path} (the list of test images without labels is of no use: \
                 cars_test_annos_withlabels.mat is needed)"
            ));
        }
    };
    if !(1.0..=999.0).contains(&class) {
        return Err(format!("class {class} of {path}"));
    }
    Ok((path, class as usize))
}

fn class_names(contents: &BTreeMap<String, Value>) -> Vec<String> {
    let Some(Value::Cells(cells)) = contents.get("class_names") else {
        return Vec::new();
    };
    let text = |value: &Value| match value {
        Value::Text(text) => text.replace('/', "-"),
        _ => String::new(),
    };
    cells.iter().map(text).collect()
}

fn read(file: &Path) -> Result<BTreeMap<String, Value>> {
    let bytes =
        std::fs::read(file).map_err(|error| crate::dataset::folder::unreadable(file, &error))?;
    matlab::read(&bytes).map_err(|text| damaged(file, &text))
}

fn damaged(file: &Path, text: &str) -> Error {
    Error::Data(format!("{}: {text}", file.display()))
}
