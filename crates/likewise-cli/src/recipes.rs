//! The recipes that come with the program, and how a recipe is found and read.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use likewise::recipe::Layers;

/// Group of the recipes that others extend and that are none by themselves.
const BASES: &str = "base";

/// A recipe compiled into the program.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// Path below `configs` without `.toml`, as given to `--config`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Every file below `configs`, sorted by name.
const EMBEDDED: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/recipes.rs"));

impl Embedded {
    /// The folder it is in; empty at the top.
    pub fn group(&self) -> &'static str {
        self.name.split_once('/').map_or("", |(group, _)| group)
    }

    /// The embedded file of this name, with or without `.toml`.
    pub fn named(name: &str) -> Option<&'static Self> {
        let name = name.strip_suffix(".toml").unwrap_or(name);
        EMBEDDED.iter().find(|embedded| embedded.name == name)
    }

    /// Those that can be run.
    pub fn recipes() -> impl Iterator<Item = &'static Self> {
        EMBEDDED.iter().filter(|embedded| embedded.group() != BASES)
    }

    /// What it says, together with what it extends.
    pub fn layers(&self) -> Result<Layers> {
        layers(self.read(), true)
    }

    fn read(&self) -> (String, String) {
        (format!("{}.toml", self.name), self.text.to_string())
    }
}

/// Reads the recipe `config`: the name of an embedded one, or a file.
pub fn read(config: &str) -> Result<Layers> {
    match Embedded::recipes().find(|recipe| recipe.name == config) {
        Some(recipe) => recipe.layers(),
        None => layers(read_file(Path::new(config))?, false),
    }
}

/// A recipe and those it extends. What an embedded one extends is embedded, whatever lies on the disk.
fn layers((name, text): (String, String), mut is_embedded: bool) -> Result<Layers> {
    let layers = Layers::from_toml(&text, &name, &mut |file, base| {
        let near = beside(file, base);
        let named = if is_embedded {
            let parts: Vec<_> = near.iter().map(|part| part.to_string_lossy()).collect();
            Embedded::named(&parts.join("/"))
        } else if near.exists() {
            None
        } else {
            Embedded::named(base)
        };
        if let Some(recipe) = named {
            is_embedded = true;
            return Ok(recipe.read());
        }
        read_file(&near)
            .map_err(|error| likewise::Error::Recipe(format!("{file} extends {base}: {error:#}")))
    })?;
    Ok(layers)
}

/// The path `base`, as it stands in `file`.
fn beside(file: &str, base: &str) -> PathBuf {
    let mut path = PathBuf::new();
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    for part in folder.join(base).components() {
        // Only folders that are named are left again: `..` may go up beyond the first one.
        let named = matches!(path.components().next_back(), Some(Component::Normal(_)));
        if part == Component::ParentDir && named {
            path.pop();
        } else {
            path.push(part);
        }
    }
    path
}

/// Assignments that choose an objective, a miner and the like, and those that set something of what
/// was chosen, whatever their order on the command line.
pub fn in_order(assignments: &[String]) -> (Vec<&String>, Vec<&String>) {
    let changes = |assignment: &&String| Layers::changes_kind(assignment);
    assignments.iter().partition(changes)
}

/// How the recipe nearest to a name that there is none of is called.
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix("configs/").unwrap_or(name);
    let name = name.strip_suffix(".toml").unwrap_or(name);
    let names = Embedded::recipes().map(|recipe| recipe.name);
    names
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| *distance <= other.len() / 3)
        .min()
        .map(|(_, other)| other)
}

fn read_file(path: &Path) -> Result<(String, String)> {
    if path.is_dir() {
        bail!("{} is a folder, not a recipe", path.display());
    }
    let text = fs::read_to_string(path).with_context(|| {
        let name = path.display().to_string();
        let meant = nearest(&name).map_or(String::new(), |name| format!("did you mean {name}? "));
        format!("cannot read the recipe {name} ({meant}`likewise recipes` lists those that come with the program)")
    })?;
    Ok((path.display().to_string(), text))
}
