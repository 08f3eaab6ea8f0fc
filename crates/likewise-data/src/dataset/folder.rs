//! A folder of class folders; if its folders are called `train`, `validation` (or `val`) and
//! `test`, each of them holds class folders and the split is honoured.

use std::path::{Path, PathBuf};

use likewise::{Error, Result};

use super::{Entry, Listing, Location, Part, Split};
use crate::decode::has_image_extension;

pub(super) fn list(root: &Path) -> Result<Listing> {
    let classes = folders(root)?;
    let mut listing = Listing::default();
    let splits: Vec<Option<Split>> = classes
        .iter()
        .map(|folder| file_name(folder).parse().ok())
        .collect();
    let is_split = !classes.is_empty() && splits.iter().all(Option::is_some);
    if is_split {
        for (folder, split) in classes.iter().zip(&splits) {
            for class in folders(folder)? {
                add_class(root, &class, *split, &mut listing.entries)?;
            }
        }
    } else {
        for class in &classes {
            add_class(root, class, None, &mut listing.entries)?;
        }
    }
    if listing.entries.is_empty() {
        return Err(Error::Data(format!(
            "{}: no images in class folders; expected {}/CLASS/IMAGE.jpg (or png, webp, gif, bmp, \
             pnm)",
            root.display(),
            root.display()
        )));
    }
    if classes.len() == 1 && !is_split {
        return Err(Error::Data(format!(
            "{}: holds a single folder; if that is the folder of class folders, use {}",
            root.display(),
            classes[0].display()
        )));
    }
    Ok(listing)
}

/// The folder `images` of `root` if there is one, else `root`.
pub(super) fn images_in(root: &Path) -> PathBuf {
    let images = root.join("images");
    match images.is_dir() {
        true => images,
        false => root.to_owned(),
    }
}

/// Adds every image at any depth below a class folder.
pub(super) fn add_class(
    root: &Path,
    class: &Path,
    split: Option<Split>,
    entries: &mut Vec<Entry>,
) -> Result<()> {
    let name = file_name(class);
    let mut pending = vec![class.to_owned()];
    while let Some(folder) = pending.pop() {
        for path in self::entries(&folder)? {
            if path.is_dir() {
                pending.push(path);
            } else if has_image_extension(&file_name(&path)) {
                let bytes = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
                entries.push(Entry {
                    name: relative_name(root, &path),
                    class: name.clone(),
                    superclass: None,
                    split,
                    part: Part::Both,
                    bytes: bytes.len(),
                    location: Location::File(path),
                });
            }
        }
    }
    Ok(())
}

/// What lies directly in a folder, without hidden files (which covers the `._` companions that
/// macOS leaves in archives).
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .map_err(|error| unreadable(folder, &error))?;
    let paths = listed.into_iter().map(|entry| entry.path());
    Ok(paths
        .filter(|path| !file_name(path).starts_with('.'))
        .collect())
}

/// The folders directly in a folder, sorted by name.
pub(super) fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = entries(folder)?;
    found.retain(|path| path.is_dir());
    found.sort();
    Ok(found)
}

/// The path below `root`, `/`-separated.
pub(super) fn relative_name(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Data(format!("{}: cannot read: {error}", path.display()))
}
