//! From a reader's raw entries to a checked [`Dataset`]: order, splits, labels, and the errors
//! that are the same for every source.

use std::collections::{BTreeMap, BTreeSet};

use likewise::{Error, Result};

use super::split::divide;
use super::split_file::SplitFile;
use super::{
    Dataset, DatasetOptions, Entry, Item, Listing, Part, Split, SplitItems, fingerprint, validation,
};

/// Classes named in an error before "and N more".
const NAMED: usize = 5;

pub(super) fn assemble(
    name: String,
    mut listing: Listing,
    options: &DatasetOptions,
) -> Result<Dataset> {
    drop_small_classes(&mut listing.entries, options.min_images);
    if listing.entries.is_empty() {
        return Err(Error::Data(format!(
            "{name}: no class has the {} images that min_images asks for",
            options.min_images
        )));
    }
    listing
        .entries
        .sort_by(|left, right| left.name.cmp(&right.name));
    refuse_duplicates(&listing.entries)?;
    assign_splits(&mut listing.entries, options)?;

    let fingerprint = fingerprint::of_data(&listing.entries);
    let split_fingerprint = fingerprint::of_split(&listing.entries);
    let superclasses: BTreeSet<String> = (listing.entries.iter())
        .filter_map(|entry| entry.superclass.clone())
        .collect();
    let superclasses: Vec<String> = superclasses.into_iter().collect();
    let (classes, items) = label(listing.entries, &superclasses);
    let splits = Split::ALL.map(|split| collect_split(&classes, &items, split));
    check_splits(&name, &splits, listing.as_published)?;
    Ok(Dataset {
        name,
        classes,
        superclasses,
        items,
        splits,
        shards: listing.shards,
        fingerprint,
        split_fingerprint,
    })
}

fn drop_small_classes(entries: &mut Vec<Entry>, min_images: usize) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for entry in entries.iter() {
        *counts.entry(entry.class.clone()).or_default() += 1;
    }
    entries.retain(|entry| counts[&entry.class] >= min_images);
}

/// Honours a split file or a split of the data, or divides the classes; takes validation out of
/// training if asked.
fn assign_splits(entries: &mut Vec<Entry>, options: &DatasetOptions) -> Result<()> {
    if let Some(file) = &options.split_file {
        SplitFile::read(file)?.apply(entries)?;
    }
    let with_split = entries.iter().filter(|entry| entry.split.is_some()).count();
    if with_split == 0 {
        let classes = class_names(entries, None);
        let division = divide(classes.iter().map(String::as_str).collect(), &options.split)?;
        for entry in entries.iter_mut() {
            entry.split = division.get(entry.class.as_str()).copied();
        }
    } else if let Some(without) = entries.iter().find(|entry| entry.split.is_none()) {
        return Err(Error::Data(format!(
            "{}: has no split, but {with_split} other images have one; give all or none",
            without.name
        )));
    }
    let Some(settings) = &options.split.validation_of_train else {
        return Ok(());
    };
    if entries
        .iter()
        .any(|entry| entry.split == Some(Split::Validation))
    {
        return Err(Error::Data(
            "the data has a validation split of its own: remove the data.validation table of the \
             recipe, or that split"
                .to_owned(),
        ));
    }
    validation::take(entries, settings, options.split.seed)
}

/// Distinct class names, sorted: all, or those of one split.
fn class_names(entries: &[Entry], split: Option<Split>) -> Vec<String> {
    let names: BTreeSet<&String> = entries
        .iter()
        .filter(|entry| split.is_none() || entry.split == split)
        .map(|entry| &entry.class)
        .collect();
    names.into_iter().cloned().collect()
}

fn refuse_duplicates(entries: &[Entry]) -> Result<()> {
    match entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
        None => Ok(()),
        Some(pair) if pair[0].class != pair[1].class => Err(Error::Data(format!(
            "{}: labelled both `{}` and `{}`",
            pair[0].name, pair[0].class, pair[1].class
        ))),
        Some(pair) => Err(Error::Data(format!(
            "{}: listed twice; a copy would find itself and raise every retrieval metric",
            pair[0].name
        ))),
    }
}

/// Class indices over everything, labels contiguous in each split.
fn label(entries: Vec<Entry>, superclasses: &[String]) -> (Vec<String>, Vec<Item>) {
    let classes = class_names(&entries, None);
    let rank = |names: &[String], class: &String| names.binary_search(class).unwrap_or(0);
    let of_split = Split::ALL.map(|split| class_names(&entries, Some(split)));
    let items = entries
        .into_iter()
        .map(|entry| {
            let split = entry.split.unwrap_or(Split::Train);
            let label = rank(&of_split[split.index()], &entry.class);
            Item {
                class: rank(&classes, &entry.class),
                label: u32::try_from(label).unwrap_or(u32::MAX),
                superclass: entry.superclass.map(|name| rank(superclasses, &name)),
                split,
                part: entry.part,
                name: entry.name,
                bytes: entry.bytes,
                location: entry.location,
            }
        })
        .collect();
    (classes, items)
}

fn collect_split(classes: &[String], items: &[Item], split: Split) -> SplitItems {
    let mut collected = SplitItems::default();
    let mut names = BTreeMap::new();
    let (mut in_gallery, mut in_parts) = (Vec::new(), false);
    for (index, item) in items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.split == split)
    {
        collected.indices.push(index);
        collected.labels.push(item.label);
        in_gallery.push(item.part == Part::Gallery);
        in_parts |= item.part != Part::Both;
        names.insert(item.label, classes[item.class].clone());
    }
    collected.gallery = in_parts.then_some(in_gallery);
    collected.members = vec![Vec::new(); names.len()];
    collected.class_names = names.into_values().collect();
    for (&index, &label) in collected.indices.iter().zip(&collected.labels) {
        collected.members[label as usize].push(index);
    }
    collected
}

fn check_splits(name: &str, splits: &[SplitItems; 3], as_published: bool) -> Result<()> {
    for split in Split::ALL {
        let items = &splits[split.index()];
        let optional = split == Split::Validation && items.is_empty();
        if items.num_classes() < 2 && !optional {
            return Err(Error::Data(format!(
                "{name}: the {} split has {} classes; at least 2 are needed to tell classes apart",
                split.name(),
                items.num_classes()
            )));
        }
    }
    let train = &splits[Split::Train.index()];
    let lone: Vec<&str> = (train.class_names.iter().zip(&train.members))
        .filter(|(_, members)| members.len() == 1)
        .map(|(class, _)| class.as_str())
        .collect();
    if lone.is_empty() || as_published {
        return Ok(());
    }
    Err(Error::Data(format!(
        "{name}: training classes with a single image have no positive pair: {}; add images or \
         leave such classes out with min_images = 2",
        listed(&lone)
    )))
}

/// The first few names, and how many more there are.
pub(super) fn listed(names: &[&str]) -> String {
    let shown = names
        .iter()
        .take(NAMED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
