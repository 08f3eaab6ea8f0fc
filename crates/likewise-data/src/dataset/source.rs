//! Naming a data source: what a user types after `--data` or writes in a recipe.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use likewise::{Error, Result};

use super::Benchmark;

/// A place that labelled images come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// The emoji pack inside the program.
    EmbeddedEmoji,
    /// A folder of class folders, or of `train`, `validation` and `test` folders of class folders.
    Folder(PathBuf),
    /// A CSV file `path,label[,split]`; paths relative to the file.
    Csv(PathBuf),
    /// Tar shards in the WebDataset layout, or tars of class folders.
    Shards(Vec<PathBuf>),
    /// A published benchmark in its folder; CUB200-2011 and CARS196 may also be a tar file.
    Benchmark(Benchmark, PathBuf),
}

impl DataSource {
    /// A short name for run folders.
    pub fn name(&self) -> String {
        let last_part = |path: &Path| {
            let stem = if path.is_dir() {
                path.file_name()
            } else {
                path.file_stem()
            };
            stem.map_or_else(
                || "data".to_owned(),
                |stem| stem.to_string_lossy().into_owned(),
            )
        };
        match self {
            Self::EmbeddedEmoji => "emoji".to_owned(),
            Self::Benchmark(benchmark, _) => benchmark.key().to_owned(),
            Self::Folder(path) | Self::Csv(path) => last_part(path),
            Self::Shards(paths) => paths
                .first()
                .map_or_else(|| "shards".to_owned(), |path| last_part(path)),
        }
    }

    /// The source that `data`, typed by a user, means for a recipe whose own source is `recipe`: a
    /// recipe of a benchmark says which, the user says where.
    pub fn located(recipe: &str, data: &str) -> String {
        let named = recipe.split_once(':').map_or(recipe, |(kind, _)| kind);
        let complete = data == "emoji" || kind_and_path(data).is_some();
        match Benchmark::of_key(named) {
            Some(benchmark) if !complete => format!("{}:{data}", benchmark.key()),
            _ => data.to_owned(),
        }
    }
}

/// `KIND:PATH` of a known kind.
fn kind_and_path(text: &str) -> Option<(&str, &str)> {
    let (kind, path) = text.split_once(':')?;
    let known = ["folder", "csv", "shards"].contains(&kind) || Benchmark::of_key(kind).is_some();
    known.then_some((kind, path))
}

/// `emoji`, `KIND:PATH` with a kind of `folder`, `csv`, `shards` or the key of a [`Benchmark`], or
/// a bare path, whose kind is found by looking at it: a `.csv` or `.tar` file, a folder of `.tar`
/// files, any other folder.
impl FromStr for DataSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "emoji" {
            return Ok(Self::EmbeddedEmoji);
        }
        if let Some(benchmark) = Benchmark::of_key(text) {
            return Err(Error::Data(format!(
                "{} is wanted, and nothing says where it is: give its folder with --data PATH (or \
                 data.source = \"{text}:PATH\"). The folder holds {}",
                benchmark.title(),
                benchmark.layout()
            )));
        }
        let Some((kind, path)) = kind_and_path(text) else {
            return recognise(Path::new(text));
        };
        let path = PathBuf::from(path);
        match (kind, Benchmark::of_key(kind)) {
            (_, Some(benchmark)) => Ok(Self::Benchmark(benchmark, path)),
            ("folder", None) => Ok(Self::Folder(path)),
            ("csv", None) => Ok(Self::Csv(path)),
            _ => shards_at(&path),
        }
    }
}

fn recognise(path: &Path) -> Result<DataSource> {
    if path.is_dir() {
        let tars = tars_in(path)?;
        return Ok(match tars.is_empty() {
            true => DataSource::Folder(path.to_owned()),
            false => DataSource::Shards(tars),
        });
    }
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        _ if !path.exists() => Err(Error::Data(format!(
            "{}: no such file or folder (give a path, `emoji`, or KIND:PATH with a kind of folder, \
             csv, shards, cub200, cars196, online_products, in_shop)",
            path.display()
        ))),
        Some("csv") => Ok(DataSource::Csv(path.to_owned())),
        Some("tar") => Ok(DataSource::Shards(vec![path.to_owned()])),
        _ => Err(Error::Data(format!(
            "{}: neither a folder nor a .csv or .tar file; unpack archives first",
            path.display()
        ))),
    }
}

fn shards_at(path: &Path) -> Result<DataSource> {
    if !path.is_dir() {
        return Ok(DataSource::Shards(vec![path.to_owned()]));
    }
    let tars = tars_in(path)?;
    if tars.is_empty() {
        return Err(Error::Data(format!(
            "{}: holds no .tar file",
            path.display()
        )));
    }
    Ok(DataSource::Shards(tars))
}

/// The `.tar` files directly in a folder, sorted.
fn tars_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut tars: Vec<PathBuf> = super::folder::entries(folder)?
        .into_iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|ending| ending.eq_ignore_ascii_case("tar"))
        })
        .collect();
    tars.sort();
    Ok(tars)
}
