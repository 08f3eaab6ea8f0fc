//! A CSV list `path,label[,split]`: the way to use images where they lie. The header is optional;
//! with one, the columns may be in any order and others are ignored.

use std::collections::HashMap;
use std::path::Path;

use ::csv::{ReaderBuilder, StringRecord, Trim};
use likewise::{Error, Result};

use super::folder::unreadable;
use super::{Entry, Listing, Location, Part, Split};

/// Which column holds what.
struct Columns {
    path: usize,
    label: usize,
    split: Option<usize>,
}

pub(super) fn list(file: &Path) -> Result<Listing> {
    let text = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text));
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut listing = Listing::default();
    let mut seen: HashMap<String, (u64, String)> = HashMap::new();
    let mut columns = None;
    let mut record = StringRecord::new();
    loop {
        let more = reader.read_record(&mut record).map_err(|error| {
            let line = error.position().map_or(0, ::csv::Position::line);
            at(file, line, &format!("unreadable: {error}"))
        })?;
        if !more {
            break;
        }
        let line = record.position().map_or(0, ::csv::Position::line);
        let known = match &columns {
            Some(known) => known,
            None => {
                let (found, is_header) = find_columns(&record);
                let found = columns.insert(found);
                if is_header {
                    continue;
                }
                found
            }
        };
        let entry = read_entry(&record, known, folder).map_err(|text| at(file, line, &text))?;
        refuse_second_listing(&mut seen, &entry, line).map_err(|text| at(file, line, &text))?;
        listing.entries.push(entry);
    }
    if listing.entries.is_empty() {
        return Err(Error::Data(format!("{}: lists no images", file.display())));
    }
    Ok(listing)
}

/// The columns named by a header, or `path,label,split` in this order.
fn find_columns(first: &StringRecord) -> (Columns, bool) {
    let position = |names: &[&str]| {
        first
            .iter()
            .position(|field| names.contains(&field.to_ascii_lowercase().as_str()))
    };
    let path = position(&["path", "image", "file", "filename"]);
    let label = position(&["label", "class"]);
    match (path, label) {
        (Some(path), Some(label)) => (
            Columns {
                path,
                label,
                split: position(&["split"]),
            },
            true,
        ),
        _ => (
            Columns {
                path: 0,
                label: 1,
                split: Some(2),
            },
            false,
        ),
    }
}

fn read_entry(
    record: &StringRecord,
    columns: &Columns,
    folder: &Path,
) -> std::result::Result<Entry, String> {
    let field = |column: usize| record.get(column).filter(|text| !text.is_empty());
    let (Some(path), Some(label)) = (field(columns.path), field(columns.label)) else {
        return Err("expected path,label or path,label,split".to_owned());
    };
    let split = match columns.split.and_then(field) {
        Some(text) => Some(text.parse::<Split>().map_err(|error| error.to_string())?),
        None => None,
    };
    let location = folder.join(path);
    let bytes = match std::fs::metadata(&location) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => return Err(format!("{} is no file", location.display())),
        Err(error) => return Err(format!("{}: {error}", location.display())),
    };
    Ok(Entry {
        name: path.replace('\\', "/"),
        class: label.to_owned(),
        superclass: None,
        split,
        part: Part::Both,
        bytes,
        location: Location::File(location),
    })
}

fn refuse_second_listing(
    seen: &mut HashMap<String, (u64, String)>,
    entry: &Entry,
    line: u64,
) -> std::result::Result<(), String> {
    let Some((before, label)) = seen.insert(entry.name.clone(), (line, entry.class.clone())) else {
        return Ok(());
    };
    if label == entry.class {
        return Err(format!("{} is already listed in line {before}", entry.name));
    }
    Err(format!(
        "{} is labelled `{}` here and `{label}` in line {before}",
        entry.name, entry.class
    ))
}

fn at(file: &Path, line: u64, text: &str) -> Error {
    Error::Data(format!("{}:{line}: {text}", file.display()))
}
