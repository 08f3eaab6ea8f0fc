//! `likewise recipes`.

use anyhow::{Result, bail};
use serde_json::json;

use crate::args::Recipes;
use crate::output::{out, outln};
use crate::recipes::{EMBEDDED, read};

/// Lists the recipes, or prints one.
pub fn run(options: &Recipes) -> Result<()> {
    if let Some(name) = &options.name {
        match EMBEDDED.iter().find(|recipe| recipe.name == name) {
            Some(recipe) => out!("{}", recipe.text),
            None => bail!("there is no recipe `{name}`; `likewise recipes` lists them"),
        }
        return Ok(());
    }
    let mut rows = Vec::new();
    for embedded in EMBEDDED {
        let recipe = read(embedded.name)?.into_recipe()?;
        rows.push(json!({
            "name": embedded.name,
            "summary": recipe.summary,
            "paper": recipe.paper,
            "expected": recipe.expected,
            "command": format!("likewise train --config {}", embedded.name),
        }));
    }
    if options.json {
        outln!("{}", json!({ "recipes": rows }));
        return Ok(());
    }
    for row in &rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_string();
        outln!("{}\n  {}", text("name"), text("summary"));
        for (title, key) in [
            ("paper", "paper"),
            ("expected", "expected"),
            ("run", "command"),
        ] {
            if !text(key).is_empty() {
                outln!("  {title}: {}", text(key));
            }
        }
    }
    Ok(())
}
