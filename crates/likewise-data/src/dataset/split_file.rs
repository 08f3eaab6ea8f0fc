//! A split of one's own: a CSV or JSON file that says the split of each class. Every class of the
//! data must be named, and no other, so that a misspelt name cannot change what is measured.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ::csv::{ReaderBuilder, Trim};
use likewise::{Error, Result};
use serde_json::Value;

use super::assemble::listed;
use super::folder::unreadable;
use super::{Entry, Part, Split};

/// What the file calls classes that belong to no split.
const UNUSED: &str = "unused";

/// The split of each class; none: the class is not used.
#[derive(Debug)]
pub(super) struct SplitFile {
    path: PathBuf,
    splits: BTreeMap<String, Option<Split>>,
}

impl SplitFile {
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
        let mut file = Self {
            path: path.to_owned(),
            splits: BTreeMap::new(),
        };
        let is_json = path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
        if is_json {
            file.read_json(text)?;
        } else {
            file.read_csv(text)?;
        }
        if file.splits.is_empty() {
            return Err(file.wrong("names no class"));
        }
        Ok(file)
    }

    /// Lines `class,split`, a header optional.
    fn read_csv(&mut self, text: &[u8]) -> Result<()> {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .comment(Some(b'#'))
            .from_reader(text);
        for record in reader.records() {
            let record = record.map_err(|error| self.wrong(&format!("unreadable: {error}")))?;
            let line = record.position().map_or(0, ::csv::Position::line);
            let fields: Vec<&str> = record.iter().collect();
            match fields[..] {
                ["class", "split"] if self.splits.is_empty() => {}
                [class, split] => self
                    .add(class, split)
                    .map_err(|text| self.wrong(&format!("line {line}: {text}")))?,
                _ => return Err(self.wrong(&format!("line {line}: expected `class,split`"))),
            }
        }
        Ok(())
    }

    /// `{"train": ["a", "b"], "test": ["c"]}` or `{"a": "train", "c": "test"}`.
    fn read_json(&mut self, text: &[u8]) -> Result<()> {
        let object: BTreeMap<String, Value> = serde_json::from_slice(text)
            .map_err(|error| self.wrong(&format!("unreadable JSON: {error}")))?;
        for (key, value) in object {
            let added = match value {
                Value::String(split) => self.add(&key, &split),
                Value::Array(classes) => (classes.iter()).try_for_each(|class| match class {
                    Value::String(class) => self.add(class, &key),
                    Value::Number(class) => self.add(&class.to_string(), &key),
                    other => Err(format!("`{other}` in `{key}` is no class name")),
                }),
                _ => Err(format!(
                    "`{key}`: expected the split of a class, or a split with a list of its classes"
                )),
            };
            added.map_err(|text| self.wrong(&text))?;
        }
        Ok(())
    }

    fn add(&mut self, class: &str, split: &str) -> std::result::Result<(), String> {
        let parsed =
            match split.eq_ignore_ascii_case(UNUSED) {
                true => None,
                false => Some(split.parse::<Split>().map_err(|_| {
                    format!("`{split}` is not train, validation, test or {UNUSED}")
                })?),
            };
        match self.splits.insert(class.to_owned(), parsed) {
            Some(before) if before != parsed => Err(format!("class `{class}` has two splits")),
            Some(_) => Err(format!("class `{class}` is named twice")),
            None => Ok(()),
        }
    }

    /// Gives every entry the split of its class and drops those of unused classes. Queries and
    /// gallery of the data mean nothing in another split.
    pub fn apply(&self, entries: &mut Vec<Entry>) -> Result<()> {
        let classes: BTreeSet<&str> = entries.iter().map(|entry| entry.class.as_str()).collect();
        let named = |class: &&&str| self.splits.contains_key(**class);
        let (_, unnamed): (Vec<&str>, Vec<&str>) = classes.iter().partition(named);
        if !unnamed.is_empty() {
            return Err(self.wrong(&format!(
                "does not name {} of the {} classes of the data: {}; give each a split, or \
                 `{UNUSED}` to leave it out",
                unnamed.len(),
                classes.len(),
                listed(&unnamed)
            )));
        }
        let unknown: Vec<&str> = (self.splits.keys())
            .map(String::as_str)
            .filter(|class| !classes.contains(class))
            .collect();
        if !unknown.is_empty() {
            let example = classes.first().map_or("", |class| class);
            return Err(self.wrong(&format!(
                "names {} that the data does not have: {} (its classes are called like `{example}`)",
                match unknown.len() {
                    1 => "a class".to_owned(),
                    count => format!("{count} classes"),
                },
                listed(&unknown)
            )));
        }
        for entry in entries.iter_mut() {
            entry.split = self.splits[&entry.class];
            entry.part = Part::Both;
        }
        entries.retain(|entry| entry.split.is_some());
        Ok(())
    }

    fn wrong(&self, text: &str) -> Error {
        Error::Data(format!("{}: {text}", self.path.display()))
    }
}
