//! The recipes that come with the program, and how a recipe is found and read.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use likewise::recipe::Layers;

/// A recipe compiled into the program.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// Name without `.toml`, as given to `--config`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Every recipe that comes with the program.
pub const EMBEDDED: &[Embedded] = &[Embedded {
    name: "emoji",
    text: include_str!("../../../configs/emoji.toml"),
}];

/// Reads the recipe `config`: the name of an embedded one, or a file.
pub fn read(config: &str) -> Result<Layers> {
    let (name, text) = match EMBEDDED.iter().find(|recipe| recipe.name == config) {
        Some(recipe) => (format!("{}.toml", recipe.name), recipe.text.to_string()),
        None => read_file(Path::new(config))?,
    };
    let layers = Layers::from_toml(&text, &name, &mut |file, base| {
        let near = Path::new(file).parent().map(|folder| folder.join(base));
        let path = near.unwrap_or_else(|| PathBuf::from(base));
        let stem = base.trim_end_matches(".toml");
        match EMBEDDED.iter().find(|recipe| recipe.name == stem) {
            Some(recipe) if !path.exists() => Ok((base.to_string(), recipe.text.to_string())),
            _ => read_file(&path).map_err(|error| {
                likewise::Error::Recipe(format!("{file} extends {base}: {error:#}"))
            }),
        }
    })?;
    Ok(layers)
}

/// Assignments that choose an objective, a miner and the like, and those that set something of what
/// was chosen, whatever their order on the command line.
pub fn in_order(assignments: &[String]) -> (Vec<&String>, Vec<&String>) {
    let changes = |assignment: &&String| Layers::changes_kind(assignment);
    assignments.iter().partition(changes)
}

fn read_file(path: &Path) -> Result<(String, String)> {
    if path.is_dir() {
        bail!("{} is a folder, not a recipe", path.display());
    }
    let text = fs::read_to_string(path).with_context(|| {
        let names: Vec<&str> = EMBEDDED.iter().map(|recipe| recipe.name).collect();
        format!(
            "cannot read the recipe {} (recipes that come with the program: {})",
            path.display(),
            names.join(", ")
        )
    })?;
    Ok((path.display().to_string(), text))
}
