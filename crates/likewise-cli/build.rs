//! Tells the program which commit and compiler it comes from, and puts the recipes into it.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output
            .status
            .success()
            .then(|| text.trim().to_string())
            .filter(|text| !text.is_empty())
    };
    if let Some(commit) = output("git", &["describe", "--always", "--dirty", "--abbrev=12"]) {
        println!("cargo::rustc-env=LIKEWISE_GIT_COMMIT={commit}");
    }
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = output(&rustc, &["--version"]).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=LIKEWISE_RUSTC={version}");
    println!("cargo::rerun-if-changed=../../.git/HEAD");
    println!("cargo::rerun-if-changed=../../.git/index");
    embed_recipes()
}

/// Writes the table of every file below `configs`, by name without `.toml`.
fn embed_recipes() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../configs");
    println!("cargo::rerun-if-changed=../../configs");
    let mut files = Vec::new();
    find(&root, &mut files)?;
    let mut named = Vec::new();
    for file in files {
        let parts = file.strip_prefix(&root)?.with_extension("");
        let parts = parts.iter().map(|part| part.to_string_lossy());
        named.push((parts.collect::<Vec<_>>().join("/"), file));
    }
    named.sort();
    let mut table = String::from("&[\n");
    for (name, file) in named {
        let file = file.canonicalize()?;
        writeln!(
            table,
            "Embedded {{ name: {name:?}, text: include_str!({file:?}) }},"
        )?;
    }
    table += "]\n";
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("recipes.rs"), table)?;
    Ok(())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    Ok(())
}
