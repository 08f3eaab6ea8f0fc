//! Files of `torch.save`: the zip archives of PyTorch 1.6 and later, and the stream of pickles of
//! those before, in which torchvision's first ImageNet weights still are.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use anyhow::{Context, Result, bail};
use burn::tensor::{DType, TensorData};
use likewise::model::StateDict;
use zip::ZipArchive;

use super::pickle::{self, Tensor, Value};

/// How the old format begins: a pickle of the number 0x1950a86a20f9469cfc6c.
const MAGIC: [u8; 15] = [
    0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.',
];
/// Version of the old format; there has been no other.
const PROTOCOL: i64 = 1001;
/// Keys under which training programs keep the state dict beside other things.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];
/// Prefix that `DataParallel` puts before every name.
const PARALLEL: &str = "module.";
/// Values a tensor may have at most; a view can claim any number.
const MAX_VALUES: usize = 1 << 30;

/// Whether the bytes are an archive.
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// Whether the bytes are in the old format.
pub fn is_legacy(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The state dict in an archive.
pub fn read_zip(bytes: &[u8]) -> Result<StateDict> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).context("the archive is damaged")?;
    let pickle_name = archive
        .file_names()
        .find(|name| name.ends_with("/data.pkl"))
        .context("the archive holds no data.pkl: torch.save did not write it")?
        .to_owned();
    let folder = pickle_name.trim_end_matches("data.pkl").to_owned();
    let mut entry = |name: &str| -> Result<Vec<u8>> {
        let mut file = archive
            .by_name(&format!("{folder}{name}"))
            .with_context(|| format!("the archive is damaged: {name}"))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)
            .with_context(|| format!("the archive is damaged: {name}"))?;
        Ok(content)
    };
    if entry("byteorder").is_ok_and(|order| order != b"little") {
        bail!("it was written on a big-endian machine, which is not supported");
    }
    let (root, _) = pickle::read(&entry("data.pkl")?)?;
    let tensors = described(&root)?;
    let mut storages = HashMap::new();
    for (_, tensor) in &tensors {
        let key = &tensor.storage.key;
        if !storages.contains_key(key) {
            storages.insert(key.clone(), entry(&format!("data/{key}"))?);
        }
    }
    collect(&tensors, |key| storages.get(key).map(Vec::as_slice))
}

/// The state dict in a file of the old format.
pub fn read_legacy(bytes: &[u8]) -> Result<StateDict> {
    let mut at = 0;
    let mut next = || -> Result<Value> {
        let rest = bytes.get(at..).context("the file ends too early")?;
        let (value, length) = pickle::read(rest)?;
        at += length;
        Ok(value)
    };
    let (_magic, protocol, system) = (next()?, next()?, next()?);
    if !matches!(protocol, Value::Int(PROTOCOL)) {
        bail!("its format is of an unknown version");
    }
    if let Value::Dict(entries) = &system {
        let big = |(key, value): &(Value, Value)| {
            key.text().is_ok_and(|key| key == "little_endian")
                && matches!(value, Value::Bool(false))
        };
        if entries.borrow().iter().any(big) {
            bail!("it was written on a big-endian machine, which is not supported");
        }
    }
    let tensors = described(&next()?)?;
    let Value::List(keys) = next()? else {
        bail!("the list of its storages is missing");
    };
    let counts: HashMap<&str, (usize, DType)> = tensors
        .iter()
        .map(|(_, tensor)| &tensor.storage)
        .map(|storage| (storage.key.as_str(), (storage.count, storage.dtype)))
        .collect();
    let mut storages: HashMap<String, &[u8]> = HashMap::new();
    for key in keys.borrow().iter() {
        let key = key.text()?;
        let &(count, dtype) = counts.get(key).with_context(|| {
            format!("storage {key} belongs to something that is no tensor of the state dict")
        })?;
        let header = bytes.get(at..at + 8).context("the file ends too early")?;
        let stored = u64::from_le_bytes(header.try_into()?);
        if stored != count as u64 {
            bail!("storage {key} has {stored} values instead of {count}");
        }
        let length = count
            .checked_mul(dtype.size())
            .context("a storage is too large")?;
        let content = bytes.get(at + 8..).and_then(|rest| rest.get(..length));
        storages.insert(key.to_owned(), content.context("the file ends too early")?);
        at += 8 + length;
    }
    collect(&tensors, |key| storages.get(key).copied())
}

/// The tensors that the root of a file describes, by name.
fn described(root: &Value) -> Result<Vec<(String, Tensor)>> {
    let Value::Dict(entries) = root else {
        bail!("it holds {} instead of a state dict", root.kind());
    };
    let entries = entries.borrow();
    let wrapped = WRAPPERS.iter().find_map(|wrapper| {
        entries.iter().find(|(key, value)| {
            matches!(value, Value::Dict(_)) && key.text().is_ok_and(|key| key == *wrapper)
        })
    });
    if let Some((_, inner)) = wrapped {
        return described(inner);
    }
    let mut tensors = Vec::new();
    for (key, value) in entries.iter() {
        let key = key.text()?;
        match value {
            Value::Tensor(tensor) => tensors.push((key.to_owned(), tensor.clone())),
            other => bail!("its entry {key} is {} instead of a tensor", other.kind()),
        }
    }
    if tensors.is_empty() {
        bail!("it holds no tensors");
    }
    if tensors.iter().all(|(name, _)| name.starts_with(PARALLEL)) {
        for (name, _) in &mut tensors {
            name.drain(..PARALLEL.len());
        }
    }
    Ok(tensors)
}

fn collect<'a>(
    tensors: &[(String, Tensor)],
    storage: impl Fn(&str) -> Option<&'a [u8]>,
) -> Result<StateDict> {
    let mut state = StateDict::new();
    for (name, tensor) in tensors {
        let bytes = storage(&tensor.storage.key)
            .with_context(|| format!("the numbers of {name} are missing"))?;
        let data = view(tensor, bytes).with_context(|| format!("{name} is damaged"))?;
        if state.insert(name.clone(), data).is_some() {
            bail!("{name} occurs twice");
        }
    }
    Ok(state)
}

/// The values of a view, row-major.
fn view(tensor: &Tensor, storage: &[u8]) -> Result<TensorData> {
    let Tensor {
        offset,
        shape,
        strides,
        ..
    } = tensor;
    let (dtype, size) = (tensor.storage.dtype, tensor.storage.dtype.size());
    let values = shape
        .iter()
        .try_fold(1usize, |product, &length| product.checked_mul(length))
        .filter(|&values| values <= MAX_VALUES)
        .with_context(|| format!("its shape {shape:?} is too large"))?;
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(*offset, |sum, (&length, stride)| {
            sum.checked_add(stride.checked_mul(length.saturating_sub(1))?)
        });
    let end = last.and_then(|last| last.checked_add(1)?.checked_mul(size));
    if values > 0 && end.is_none_or(|end| end > storage.len()) {
        bail!("it reaches past the end of its storage");
    }
    let bytes = if values == 0 {
        Vec::new()
    } else if contiguous(shape, strides) {
        storage[offset * size..][..values * size].to_vec()
    } else {
        gather(values, tensor, storage, size)
    };
    Ok(TensorData::from_bytes_vec(bytes, shape.clone(), dtype))
}

fn contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&length, &stride)| {
        let fits = stride == expected || length == 1;
        expected *= length;
        fits
    })
}

fn gather(values: usize, tensor: &Tensor, storage: &[u8], size: usize) -> Vec<u8> {
    let (shape, strides) = (&tensor.shape, &tensor.strides);
    let mut bytes = Vec::with_capacity(values * size);
    let mut index = vec![0; shape.len()];
    for _ in 0..values {
        let steps = index
            .iter()
            .zip(strides)
            .map(|(index, stride)| index * stride);
        let start = (tensor.offset + steps.sum::<usize>()) * size;
        bytes.extend_from_slice(&storage[start..start + size]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    bytes
}
