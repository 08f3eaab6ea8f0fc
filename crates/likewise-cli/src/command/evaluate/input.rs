//! What is evaluated: a split of a run folder, or embeddings and labels from files.

use std::path::Path;

use anyhow::{Context, Result, bail};
use likewise::train::EmbeddedSplit;

use super::{arrays, checkpoint};
use crate::args::Evaluate;
use crate::run_folder::{read_class_names, read_embeddings, read_recipe};

/// Embeddings with the names of their classes.
pub struct Input {
    pub queries: EmbeddedSplit,
    /// What is searched, if not the queries themselves.
    pub gallery: Option<EmbeddedSplit>,
    class_names: Vec<String>,
}

impl Input {
    pub fn read(options: &Evaluate) -> Result<Self> {
        match (&options.run, &options.embeddings, &options.labels) {
            (Some(run), _, _) if options.checkpoint.is_some() => {
                let (rows, class_names) = checkpoint::embed(run, options)?;
                Ok(Self::of_split(rows, class_names))
            }
            (Some(run), _, _) => Self::of_run(run, &options.split),
            (None, Some(embeddings), Some(labels)) => {
                let gallery = options.gallery_embeddings.as_deref();
                let gallery = gallery.zip(options.gallery_labels.as_deref());
                Self::of_files((embeddings, labels), gallery)
            }
            _ => bail!("give the folder of a run, or --embeddings FILE with --labels FILE"),
        }
    }

    fn of_run(run: &Path, split: &str) -> Result<Self> {
        let file = embeddings_of_run(run, split)?;
        let queries = read_embeddings(&file)?;
        let mut class_names = read_class_names(&file)?;
        let classes = queries
            .labels
            .iter()
            .max()
            .map_or(0, |&label| label as usize + 1);
        // Files of earlier versions have no names.
        let numbers = class_names.len()..classes;
        class_names.extend(numbers.map(|label| label.to_string()));
        Ok(Self::of_split(queries, class_names))
    }

    fn of_split(rows: EmbeddedSplit, class_names: Vec<String>) -> Self {
        match rows.queries_and_gallery() {
            Some((queries, gallery)) => Self {
                queries,
                gallery: Some(gallery),
                class_names,
            },
            None => Self {
                queries: rows,
                gallery: None,
                class_names,
            },
        }
    }

    fn of_files(queries: (&Path, &Path), gallery: Option<(&Path, &Path)>) -> Result<Self> {
        let queries = Rows::read(queries)?;
        let gallery = gallery.map(Rows::read).transpose()?;
        let mut numbers = queries.labels.clone();
        numbers.extend(gallery.iter().flat_map(|gallery| &gallery.labels));
        numbers.sort_unstable();
        numbers.dedup();
        Ok(Self {
            queries: queries.numbered(&numbers)?,
            gallery: gallery
                .map(|gallery| gallery.numbered(&numbers))
                .transpose()?,
            class_names: numbers.iter().map(ToString::to_string).collect(),
        })
    }

    /// The name of a class, or its number in the file of labels.
    pub fn class_name(&self, label: u32) -> &str {
        let name = self.class_names.get(label as usize);
        name.map_or("", String::as_str)
    }
}

/// One pair of files.
struct Rows {
    values: Vec<f32>,
    dim: usize,
    labels: Vec<i64>,
}

impl Rows {
    fn read((embeddings, labels): (&Path, &Path)) -> Result<Self> {
        let (values, dim) = arrays::matrix(embeddings)?;
        let rows = values.len() / dim;
        let numbers = arrays::labels(labels)?;
        if numbers.len() != rows {
            bail!(
                "{} has {rows} rows, but {} has {} labels",
                embeddings.display(),
                labels.display(),
                numbers.len()
            );
        }
        Ok(Self {
            values,
            dim,
            labels: numbers,
        })
    }

    /// The rows with each label replaced by its place among all `numbers`, ascending.
    fn numbered(self, numbers: &[i64]) -> Result<EmbeddedSplit> {
        let place = |&label: &i64| u32::try_from(numbers.partition_point(|&other| other < label));
        let labels: Vec<u32> = self
            .labels
            .iter()
            .map(place)
            .collect::<Result<_, _>>()
            .context("more classes than can be counted")?;
        Ok(EmbeddedSplit {
            rows: (0..labels.len()).collect(),
            values: self.values,
            dim: self.dim,
            labels,
            gallery: None,
        })
    }
}

fn embeddings_of_run(run: &Path, split: &str) -> Result<std::path::PathBuf> {
    read_recipe(run)?;
    let folder = run.join("embeddings");
    let file = folder.join(format!("{split}.safetensors"));
    if file.exists() {
        return Ok(file);
    }
    let stem = |entry: std::fs::DirEntry| {
        let path = entry.path();
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries.filter_map(stem).collect();
    found.sort();
    if found.is_empty() {
        bail!(
            "{} has no embeddings yet: finish it with likewise train --resume",
            run.display()
        );
    }
    bail!(
        "{} has no embeddings `{split}`; it has: {}",
        run.display(),
        found.join(", ")
    );
}
