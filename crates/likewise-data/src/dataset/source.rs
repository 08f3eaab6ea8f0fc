//! Naming a data source: what a user types after `--data` or writes in a recipe.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use likewise::{Error, Result};

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
    /// CUB200-2011 as published: `images/001.Black_footed_Albatross/*.jpg`.
    Cub200(PathBuf),
    /// CARS196 in class folders: `images/<class>/*.jpg`.
    Cars196(PathBuf),
    /// Stanford Online Products with its `Ebay_train.txt` and `Ebay_test.txt`.
    OnlineProducts(PathBuf),
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
            Self::Cub200(_) => "cub200".to_owned(),
            Self::Cars196(_) => "cars196".to_owned(),
            Self::OnlineProducts(_) => "online_products".to_owned(),
            Self::Folder(path) | Self::Csv(path) => last_part(path),
            Self::Shards(paths) => paths
                .first()
                .map_or_else(|| "shards".to_owned(), |path| last_part(path)),
        }
    }
}

/// `emoji`, `KIND:PATH` with a kind of `folder`, `csv`, `shards`, `cub200`, `cars196`,
/// `online_products`, or a bare path, whose kind is found by looking at it: a `.csv` or `.tar`
/// file, a folder of `.tar` files, any other folder.
impl FromStr for DataSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "emoji" {
            return Ok(Self::EmbeddedEmoji);
        }
        if let Some((kind, path)) = text.split_once(':') {
            let path = PathBuf::from(path);
            match kind {
                "folder" => return Ok(Self::Folder(path)),
                "csv" => return Ok(Self::Csv(path)),
                "shards" => return shards_at(&path),
                "cub200" => return Ok(Self::Cub200(path)),
                "cars196" => return Ok(Self::Cars196(path)),
                "online_products" => return Ok(Self::OnlineProducts(path)),
                _ => {}
            }
        }
        recognise(Path::new(text))
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
             csv, shards, cub200, cars196, online_products)",
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
