//! The resolved recipe of a run, and how two of them differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use likewise::recipe::{Layers, Recipe};
use toml::Value;

/// The resolved recipe in the folder `path`.
pub fn read_recipe(path: &Path) -> Result<Recipe> {
    let file = path.join("recipe.toml");
    let text = fs::read_to_string(&file).with_context(|| {
        format!(
            "{} is no run folder: cannot read recipe.toml in it",
            path.display()
        )
    })?;
    parse_recipe(&text, &file)
}

/// A resolved recipe, the text of `file`.
pub fn parse_recipe(text: &str, file: &Path) -> Result<Recipe> {
    let name = file.display().to_string();
    let mut none = |_: &str, other: &str| {
        Err(likewise::Error::Recipe(format!(
            "{name}: a resolved recipe cannot extend {other}"
        )))
    };
    Ok(Layers::from_toml(text, &name, &mut none)?.into_recipe()?)
}

/// Every setting of a recipe by its dotted key, as TOML.
pub fn settings(recipe: &Recipe) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    if let Ok(value) = Value::try_from(recipe) {
        flatten("", &value, &mut values);
    }
    values
}

/// The keys in which two recipes differ, with both values.
pub fn differences(there: &Recipe, now: &Recipe) -> String {
    let (there, now) = (settings(there), settings(now));
    let keys: BTreeSet<&String> = there.keys().chain(now.keys()).collect();
    let differing: Vec<String> = keys
        .into_iter()
        .filter(|key| there.get(*key) != now.get(*key))
        .map(|key| {
            let text = |value: Option<&String>| value.cloned().unwrap_or_else(|| "nothing".into());
            format!(
                "{key} = {} there, {} now",
                text(there.get(key)),
                text(now.get(key))
            )
        })
        .collect();
    differing.join("; ")
}

fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let Value::Table(table) = value else {
        into.insert(prefix.to_string(), value.to_string());
        return;
    };
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        flatten(&path, value, into);
    }
}
