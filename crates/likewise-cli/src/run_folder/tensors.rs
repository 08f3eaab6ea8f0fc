//! Named tensors and embeddings as safetensors files.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, bail};
use likewise::model::state::{self, StateDict};
use likewise::train::EmbeddedSplit;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::output;

/// Writes named tensors straight to the disk, without a second copy of them in memory, and waits
/// until they are there. Only for folders that become visible when they are complete.
pub fn write_tensors(path: &Path, tensors: &StateDict) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    safetensors::serialize_to_file(state::views(tensors)?, None, path).with_context(failed)?;
    File::open(path)
        .and_then(|file| file.sync_all())
        .with_context(failed)
}

/// Reads named tensors.
pub fn read_tensors(path: &Path) -> Result<StateDict> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    state::from_safetensors(&bytes).with_context(|| format!("{} is damaged", path.display()))
}

/// Key of the names of classes, a JSON list, among the words of an embedding file.
const CLASS_NAMES: &str = "class_names";

/// Writes embeddings `[N, D]`, labels `[N]`, each row's place in its split `[N]`, whether it belongs
/// to the gallery `[N]` if that is apart from the queries, and the name of each label.
pub fn write_embeddings(
    path: &Path,
    embedded: &EmbeddedSplit,
    class_names: &[String],
) -> Result<()> {
    let rows = embedded.labels.len();
    let values: Vec<u8> = embedded
        .values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let labels: Vec<u8> = embedded
        .labels
        .iter()
        .flat_map(|&label| i64::from(label).to_le_bytes())
        .collect();
    let places: Vec<u8> = embedded
        .rows
        .iter()
        .flat_map(|&row| (row as i64).to_le_bytes())
        .collect();
    let gallery = (embedded.gallery.as_ref()).map(|gallery| {
        gallery
            .iter()
            .map(|&searched| u8::from(searched))
            .collect::<Vec<u8>>()
    });
    let mut views = vec![
        (
            "embeddings",
            TensorView::new(Dtype::F32, vec![rows, embedded.dim], &values)?,
        ),
        ("labels", TensorView::new(Dtype::I64, vec![rows], &labels)?),
        ("rows", TensorView::new(Dtype::I64, vec![rows], &places)?),
    ];
    if let Some(gallery) = &gallery {
        views.push(("gallery", TensorView::new(Dtype::U8, vec![rows], gallery)?));
    }
    let names = serde_json::to_string(class_names)?;
    let words = HashMap::from([(CLASS_NAMES.to_owned(), names)]);
    output::write(path, &safetensors::serialize(views, Some(words))?)
}

/// The name of each label that [`write_embeddings`] wrote; empty if it wrote none.
pub fn read_class_names(path: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes)
        .with_context(|| format!("{} is damaged", path.display()))?;
    let names = header
        .metadata()
        .as_ref()
        .and_then(|words| words.get(CLASS_NAMES));
    Ok(names
        .and_then(|names| serde_json::from_str(names).ok())
        .unwrap_or_default())
}

/// Reads what [`write_embeddings`] wrote.
pub fn read_embeddings(path: &Path) -> Result<EmbeddedSplit> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = SafeTensors::deserialize(&bytes)
        .with_context(|| format!("{} is damaged", path.display()))?;
    let embeddings = file.tensor("embeddings")?;
    let &[count, dim] = embeddings.shape() else {
        bail!(
            "{}: embeddings have shape {:?}, not [N, D]",
            path.display(),
            embeddings.shape()
        );
    };
    let labels = integers(file.tensor("labels")?.data());
    let rows = integers(file.tensor("rows")?.data());
    let gallery: Option<Vec<bool>> = (file.tensor("gallery").ok()).map(|gallery| {
        gallery
            .data()
            .iter()
            .map(|&searched| searched != 0)
            .collect()
    });
    let searched = gallery.as_ref().map_or(count, Vec::len);
    if labels.len() != count || rows.len() != count || searched != count {
        bail!(
            "{}: {count} embeddings but {} labels",
            path.display(),
            labels.len()
        );
    }
    Ok(EmbeddedSplit {
        values: floats(embeddings.data()),
        dim,
        labels,
        rows,
        gallery,
    })
}

fn integers<T: TryFrom<i64>>(bytes: &[u8]) -> Vec<T> {
    let numbers = bytes
        .chunks_exact(8)
        .filter_map(|bytes| bytes.try_into().ok().map(i64::from_le_bytes));
    numbers
        .filter_map(|number| T::try_from(number).ok())
        .collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}
