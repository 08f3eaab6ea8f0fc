//! `likewise recipes`.

use anyhow::{Result, bail};
use likewise::recipe::Recipe;
use serde_json::json;

use crate::args::Recipes;
use crate::output::{out, outln};
use crate::recipes::{Embedded, nearest};

/// Lists the recipes, or prints one.
pub fn run(options: &Recipes) -> Result<()> {
    if let Some(name) = &options.name {
        return print(name, options);
    }
    let mut rows = Vec::new();
    for embedded in Embedded::recipes() {
        rows.push((embedded, embedded.layers()?.into_recipe()?));
    }
    // What stands alone comes first.
    rows.sort_by_key(|(embedded, _)| !embedded.group().is_empty());
    if options.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(embedded, recipe)| {
                json!({
                    "name": embedded.name,
                    "group": embedded.group(),
                    "summary": recipe.summary,
                    "paper": recipe.paper,
                    "expected": recipe.expected,
                    "command": command(embedded.name, recipe),
                })
            })
            .collect();
        outln!("{}", json!({ "recipes": rows }));
        return Ok(());
    }
    let widths = |text: fn(&(&Embedded, Recipe)) -> usize| rows.iter().map(text).max().unwrap_or(0);
    let name_width = widths(|(embedded, _)| embedded.name.len());
    let expected_width = widths(|(_, recipe)| match recipe.paper.is_empty() {
        true => 0,
        false => recipe.expected.chars().count(),
    });
    let mut group = "";
    for (embedded, recipe) in &rows {
        let name = embedded.name;
        if embedded.group().is_empty() {
            outln!(
                "{name}\n  {}\n  expected: {}",
                recipe.summary,
                recipe.expected
            );
            outln!("  run: {}", command(name, recipe));
            continue;
        }
        if embedded.group() != group {
            group = embedded.group();
            outln!("\n{group}: {}", recipe.paper);
            outln!("  run: {}", command(&format!("{group}/NAME"), recipe));
        }
        outln!(
            "  {name:name_width$}  {:expected_width$}  {}",
            recipe.expected,
            recipe.summary
        );
    }
    Ok(())
}

/// The text of one recipe, or all it says once what it extends is filled in.
fn print(name: &str, options: &Recipes) -> Result<()> {
    let Some(embedded) = Embedded::named(name) else {
        let meant = nearest(name).map_or(String::new(), |name| format!("did you mean `{name}`? "));
        bail!("there is no recipe `{name}`; {meant}`likewise recipes` lists them");
    };
    if options.resolved {
        out!("{}", toml::to_string(&embedded.layers()?.into_recipe()?)?);
    } else {
        out!("{}", embedded.text);
    }
    Ok(())
}

fn command(name: &str, recipe: &Recipe) -> String {
    let mut command = format!("likewise train --config {name}");
    if recipe.data.source != "emoji" {
        command += " --data PATH";
    }
    if recipe.model.pretrained {
        command += " --weights FILE";
    }
    command
}
