//! Embeddings and labels from the files other programs write.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use npyz::{DType, NpyFile, TypeChar};
use safetensors::{Dtype, SafeTensors};

/// A matrix `[N, D]` as row-major f32 values, and D.
pub fn matrix(path: &Path) -> Result<(Vec<f32>, usize)> {
    let array = read(path, "embeddings")?;
    let &[rows, dim] = array.shape.as_slice() else {
        bail!(
            "{}: embeddings have shape {:?}, not [N, D]",
            path.display(),
            array.shape
        );
    };
    if rows == 0 || dim == 0 {
        bail!(
            "{}: embeddings of shape [{rows}, {dim}] are empty",
            path.display()
        );
    }
    match array.values {
        Values::Floats(values) => Ok((values, dim)),
        Values::Integers(_) => bail!(
            "{}: embeddings must be f32 or f64, found integers",
            path.display()
        ),
    }
}

/// Labels `[N]`.
pub fn labels(path: &Path) -> Result<Vec<i64>> {
    let is_text = path
        .extension()
        .is_some_and(|extension| extension == "txt" || extension == "csv");
    let values = if is_text {
        text_labels(path)?
    } else {
        array_labels(path)?
    };
    if values.is_empty() {
        bail!("{}: no labels", path.display());
    }
    Ok(values)
}

fn array_labels(path: &Path) -> Result<Vec<i64>> {
    let array = read(path, "labels")?;
    match (array.values, array.shape.as_slice()) {
        (Values::Integers(values), [_] | [_, 1]) => Ok(values),
        (Values::Floats(_), _) => {
            bail!("{}: labels must be integers, found floats", path.display())
        }
        (_, shape) => bail!("{}: labels have shape {shape:?}, not [N]", path.display()),
    }
}

fn text_labels(path: &Path) -> Result<Vec<i64>> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            line.trim().parse().with_context(|| {
                format!(
                    "{}:{number}: `{}` is no integer label",
                    path.display(),
                    line.trim()
                )
            })
        })
        .collect()
}

struct Array {
    shape: Vec<usize>,
    values: Values,
}

enum Values {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

fn read(path: &Path, name: &str) -> Result<Array> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => {
            npy(&bytes).with_context(|| format!("{} is no readable .npy file", path.display()))
        }
        Some("safetensors") => tensor(&bytes, name, path),
        _ => bail!(
            "{}: {name} must be a .npy or .safetensors file",
            path.display()
        ),
    }
}

fn npy(bytes: &[u8]) -> Result<Array> {
    let file = NpyFile::new(bytes)?;
    let shape = file
        .shape()
        .iter()
        .map(|&size| usize::try_from(size))
        .collect::<Result<Vec<_>, _>>()?;
    if file.order() == npyz::Order::Fortran && shape.len() > 1 {
        bail!("it is in Fortran order: save it with numpy.ascontiguousarray");
    }
    let DType::Plain(kind) = file.dtype() else {
        bail!("it holds records, not numbers")
    };
    let values = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Float, 4) => Values::Floats(file.into_vec::<f32>()?),
        (TypeChar::Float, 8) => Values::Floats(
            file.into_vec::<f64>()?
                .into_iter()
                .map(|v| v as f32)
                .collect(),
        ),
        (TypeChar::Int, 8) => Values::Integers(file.into_vec::<i64>()?),
        (TypeChar::Int, 4) => Values::Integers(
            file.into_vec::<i32>()?
                .into_iter()
                .map(Into::into)
                .collect(),
        ),
        (TypeChar::Int, 2) => Values::Integers(
            file.into_vec::<i16>()?
                .into_iter()
                .map(Into::into)
                .collect(),
        ),
        (TypeChar::Int, 1) => {
            Values::Integers(file.into_vec::<i8>()?.into_iter().map(Into::into).collect())
        }
        (TypeChar::Uint, 4) => Values::Integers(
            file.into_vec::<u32>()?
                .into_iter()
                .map(Into::into)
                .collect(),
        ),
        (TypeChar::Uint, 2) => Values::Integers(
            file.into_vec::<u16>()?
                .into_iter()
                .map(Into::into)
                .collect(),
        ),
        (TypeChar::Uint, 1) => {
            Values::Integers(file.into_vec::<u8>()?.into_iter().map(Into::into).collect())
        }
        (kind, size) => {
            bail!("its type {kind:?}{size} is not supported: f4, f8, or integers up to i8")
        }
    };
    Ok(Array { shape, values })
}

fn tensor(bytes: &[u8], name: &str, path: &Path) -> Result<Array> {
    let file = SafeTensors::deserialize(bytes)
        .with_context(|| format!("{} is no readable safetensors file", path.display()))?;
    let names = file.names();
    let view = match names.as_slice() {
        [only] => file.tensor(only),
        _ => file.tensor(name),
    }
    .with_context(|| {
        format!(
            "{} has several tensors but none called `{name}`",
            path.display()
        )
    })?;
    let data = view.data();
    let values = match view.dtype() {
        Dtype::F32 => Values::Floats(chunks(data).map(f32::from_le_bytes).collect()),
        Dtype::F64 => Values::Floats(chunks(data).map(|b| f64::from_le_bytes(b) as f32).collect()),
        Dtype::I64 => Values::Integers(chunks(data).map(i64::from_le_bytes).collect()),
        Dtype::I32 => {
            Values::Integers(chunks(data).map(|b| i32::from_le_bytes(b).into()).collect())
        }
        Dtype::U8 => Values::Integers(data.iter().map(|&value| value.into()).collect()),
        other => bail!(
            "{}: type {other:?} is not supported: F32, F64, I64, I32 or U8",
            path.display()
        ),
    };
    Ok(Array {
        shape: view.shape().to_vec(),
        values,
    })
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes
        .chunks_exact(N)
        .filter_map(|chunk| chunk.try_into().ok())
}
