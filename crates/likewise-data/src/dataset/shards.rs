//! Tar shards in the WebDataset layout: `KEY.jpg` with `KEY.cls` or `KEY.json` beside it. A tar
//! of class folders needs no such labels; `train/`, `validation/`, `test/` above them is the split.
//! Only positions are kept; images are read where they lie.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use likewise::{Error, Result};
use tar::Archive;

use super::{Entry, Listing, Location, Part, Split};
use crate::decode::has_image_extension;

/// One tar archive, on disk or in memory.
#[derive(Clone, Debug)]
pub(crate) enum Shard {
    File(PathBuf),
    Memory {
        name: &'static str,
        bytes: Arc<[u8]>,
    },
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Memory { name, .. } => formatter.write_str(name),
        }
    }
}

impl Shard {
    /// The archive's path, if it is a file.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Memory { .. } => None,
        }
    }

    /// `length` bytes from `offset` on.
    pub fn read(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::File(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(offset))?;
                let mut bytes = Vec::new();
                file.take(length).read_to_end(&mut bytes)?;
                match bytes.len() as u64 == length {
                    true => Ok(bytes),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
            Self::Memory { bytes, .. } => {
                let range = usize::try_from(offset)
                    .ok()
                    .zip(usize::try_from(offset + length).ok());
                let part = range.and_then(|(from, to)| bytes.get(from..to));
                part.map(<[u8]>::to_vec)
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
        }
    }

    fn members(&self) -> io::Result<Vec<Member>> {
        match self {
            Self::File(path) => {
                let file = File::open(path)?;
                let length = file.metadata()?.len();
                members(io::BufReader::new(file), length)
            }
            Self::Memory { bytes, .. } => members(Cursor::new(&**bytes), bytes.len() as u64),
        }
    }
}

struct Member {
    path: String,
    offset: u64,
    length: u64,
    /// Content of a `.cls` or `.json` member.
    text: Option<String>,
}

/// Largest `.cls` or `.json` member that is read, in bytes.
const LABEL_LIMIT: u64 = 1 << 20;

fn members<R: Read + Seek>(reader: R, length: u64) -> io::Result<Vec<Member>> {
    let mut archive = Archive::new(reader);
    let mut found = Vec::new();
    for entry in archive.entries_with_seek()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
        let (offset, size) = (entry.raw_file_position(), entry.size());
        if offset.saturating_add(size) > length {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{path} is cut off"),
            ));
        }
        let is_label = path.ends_with(".cls") || path.ends_with(".json");
        let text = match is_label && size <= LABEL_LIMIT {
            true => {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                Some(text)
            }
            false => None,
        };
        found.push(Member {
            path,
            offset,
            length: size,
            text,
        });
    }
    Ok(found)
}

/// Label and split from a `.cls` or `.json` member.
#[derive(Clone, Debug, Default)]
struct Label {
    class: Option<String>,
    split: Option<Split>,
}

pub(super) fn list(paths: &[PathBuf]) -> Result<Listing> {
    if paths.is_empty() {
        return Err(Error::Data("no tar shard given".to_owned()));
    }
    list_shards(paths.iter().map(|path| Shard::File(path.clone())).collect())
}

pub(super) fn list_shards(shards: Vec<Shard>) -> Result<Listing> {
    let mut entries = Vec::new();
    for (number, shard) in shards.iter().enumerate() {
        let found = shard.members().map_err(|error| broken(shard, &error))?;
        let before = entries.len();
        add_members(number, shard, &found, &mut entries)?;
        if entries.len() == before {
            return Err(Error::Data(format!("{shard}: holds no images")));
        }
    }
    qualify_repeated_keys(&mut entries, &shards);
    Ok(Listing {
        entries,
        shards,
        ..Listing::default()
    })
}

/// Shards may each count their keys from zero; then the shard's file name tells them apart.
fn qualify_repeated_keys(entries: &mut [Entry], shards: &[Shard]) {
    let mut first_shard: HashMap<&str, usize> = HashMap::new();
    let repeated = entries.iter().any(|entry| match entry.location {
        Location::Shard { shard, .. } => *first_shard.entry(&entry.name).or_insert(shard) != shard,
        Location::File(_) => false,
    });
    if !repeated {
        return;
    }
    for entry in entries {
        if let (Location::Shard { shard, .. }, name) = (&entry.location, &mut entry.name) {
            let path = shards[*shard].to_string().replace('\\', "/");
            let file = path.rsplit('/').next().unwrap_or(&path);
            *name = format!("{file}/{name}");
        }
    }
}

fn broken(shard: &Shard, error: &io::Error) -> Error {
    let compressed = match shard {
        Shard::File(path) => path.extension().is_some_and(|ending| ending != "tar"),
        Shard::Memory { .. } => false,
    };
    let advice = match compressed {
        true => "; compressed archives must be unpacked to .tar, images are read at random",
        false => "",
    };
    match error.kind() {
        io::ErrorKind::NotFound => Error::Data(format!("{shard}: no such file")),
        _ => Error::Data(format!(
            "{shard}: truncated or damaged tar ({error}){advice}"
        )),
    }
}

fn add_members(
    number: usize,
    shard: &Shard,
    members: &[Member],
    entries: &mut Vec<Entry>,
) -> Result<()> {
    let mut labels: BTreeMap<&str, Label> = BTreeMap::new();
    for member in members {
        if let Some(text) = &member.text {
            let label = labels.entry(key(&member.path)).or_default();
            read_label(&member.path, text, label)
                .map_err(|text| Error::Data(format!("{shard}: {}: {text}", member.path)))?;
        }
    }
    for member in members.iter().filter(|member| is_image(&member.path)) {
        let label = match labels.get(key(&member.path)) {
            Some(label) => label.clone(),
            None => label_from_folders(&member.path),
        };
        let Some(class) = label.class else {
            return Err(Error::Data(format!(
                "{shard}: {}: no label; expected a .cls or .json member of the same key, or a \
                 class folder",
                member.path
            )));
        };
        entries.push(Entry {
            name: member.path.clone(),
            class,
            superclass: None,
            split: label.split,
            part: Part::Both,
            bytes: member.length,
            location: Location::Shard {
                shard: number,
                offset: member.offset,
            },
        });
    }
    Ok(())
}

/// A member's key: everything up to the first dot of its file name.
fn key(path: &str) -> &str {
    let name_at = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = path[name_at..]
        .find('.')
        .map_or(path.len(), |dot| name_at + dot);
    &path[..dot]
}

fn is_image(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !name.starts_with('.') && has_image_extension(name)
}

/// `[SPLIT/]...CLASS/IMAGE`.
fn label_from_folders(path: &str) -> Label {
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.pop();
    let class = folders.pop().map(str::to_owned);
    Label {
        class,
        split: folders.first().and_then(|folder| folder.parse().ok()),
    }
}

fn read_label(path: &str, text: &str, label: &mut Label) -> std::result::Result<(), String> {
    if path.ends_with(".cls") {
        label.class = Some(text.trim().to_owned()).filter(|class| !class.is_empty());
        return if label.class.is_some() {
            Ok(())
        } else {
            Err("empty label".to_owned())
        };
    }
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("unreadable JSON: {error}"))?;
    if let Some(class) = json
        .get("class")
        .or_else(|| json.get("label"))
        .and_then(word)
    {
        label.class = Some(class);
    }
    if let Some(split) = json.get("split").and_then(word) {
        label.split = Some(split.parse().map_err(|error: Error| error.to_string())?);
    }
    Ok(())
}

fn word(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_at_the_first_dot_of_the_file_name() {
        assert_eq!(key("a.b/000.seg.png"), "a.b/000");
        assert_eq!(key("000.jpg"), "000");
        assert_eq!(key("a/b"), "a/b");
    }

    #[test]
    fn folders_give_class_and_split() {
        let label = label_from_folders("train/cat/1.png");
        assert_eq!(
            (label.class.as_deref(), label.split),
            (Some("cat"), Some(Split::Train))
        );
        let label = label_from_folders("001.Albatross/1.jpg");
        assert_eq!(
            (label.class.as_deref(), label.split),
            (Some("001.Albatross"), None)
        );
        assert_eq!(label_from_folders("1.jpg").class, None);
        // A class called like a split is a class when nothing is above it.
        let label = label_from_folders("test/1.jpg");
        assert_eq!((label.class.as_deref(), label.split), (Some("test"), None));
    }
}
