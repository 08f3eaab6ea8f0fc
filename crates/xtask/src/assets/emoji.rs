//! The embedded dataset: emoji of five vendors, rendered small. Class = emoji, instance = one
//! vendor's drawing. Everything is deterministic: same packages in, same bytes out.

mod encode;
mod icons;
mod pack;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use icons::IconSet;

/// The npm packages (scope `@iconify-json`) drawings come from. Not `fluent-emoji-flat`, which
/// nearly repeats `fluent-emoji`, and not OpenMoji, whose licence is share-alike.
const PACKAGES: [(&str, &str); 5] = [
    ("emojione", "1.2.3"),
    ("fluent-emoji", "1.2.7"),
    ("noto", "1.2.9"),
    ("noto-v1", "1.2.5"),
    ("twemoji", "1.2.5"),
];

/// A class needs drawings by at least this many vendors.
const MIN_VENDORS: usize = 4;

#[derive(Args)]
pub struct Options {
    /// Folder with the packages as `npm pack` writes them; fetched with npm if not given.
    #[arg(long, value_name = "DIR")]
    sets: Option<PathBuf>,
    /// Folder to write the pack to.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "crates/likewise-data/assets"
    )]
    out: PathBuf,
}

pub fn build(options: &Options) -> Result<()> {
    let fetched = std::env::temp_dir().join(format!("emoji-sets-{}", std::process::id()));
    let folder = match &options.sets {
        Some(folder) => folder.clone(),
        None => {
            fetch(&fetched)?;
            fetched.clone()
        }
    };
    let sets = PACKAGES
        .iter()
        .map(|(name, version)| IconSet::read(&folder, name, version))
        .collect::<Result<Vec<_>>>()?;
    if options.sets.is_none() {
        std::fs::remove_dir_all(&fetched).ok();
    }
    let classes = icons::select(&sets, MIN_VENDORS);
    ensure!(
        !classes.is_empty(),
        "no emoji is drawn by {MIN_VENDORS} of the packages"
    );
    pack::write(&sets, &classes, &options.out)
}

fn fetch(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, version) in PACKAGES {
        let package = format!("@iconify-json/{name}@{version}");
        let status = Command::new("npm")
            .args(["pack", "--silent", &package])
            .current_dir(folder)
            .stdout(std::process::Stdio::null())
            .status()
            .context("npm is needed to fetch the emoji packages; or give --sets DIR")?;
        ensure!(status.success(), "npm pack {package} failed");
    }
    Ok(())
}
