//! Parameters by name: what checkpoints hold and weight files bring. Names are the paths of
//! fields; running statistics are included.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData, Transaction};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::init::ModulePath;
use crate::error::{Error, Result};

/// Tensors on the host by name.
pub type StateDict = BTreeMap<String, TensorData>;

/// Reads every float parameter and running statistic of `module` back, in one transfer.
///
/// # Errors
///
/// [`Error::Device`] if the device fails.
pub async fn state_dict<M: Module>(module: &M) -> Result<StateDict> {
    let mut reader = Reader {
        path: ModulePath::default(),
        names: Vec::new(),
        transaction: Transaction::default(),
    };
    module.visit(&mut reader);
    let data = reader.transaction.execute_async().await.map_err(|error| {
        Error::Device(format!(
            "the parameters could not be read from the device: {error}"
        ))
    })?;
    Ok(reader
        .names
        .into_iter()
        .zip(data.into_iter().map(own))
        .collect())
}

/// A tensor on the host, in memory of its own.
///
/// # Errors
///
/// [`Error::Device`] if the device fails.
pub(crate) async fn read<const D: usize>(tensor: Tensor<D>) -> Result<TensorData> {
    let data = tensor.into_data_async().await;
    data.map(own)
        .map_err(|error| Error::Device(format!("reading a tensor failed: {error:?}")))
}

/// The values of a tensor on the host, row-major.
///
/// # Errors
///
/// [`Error::Device`] if the device fails or the values are not of single precision.
pub(crate) async fn read_values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    read(tensor)
        .await?
        .try_to_vec()
        .map_err(|error| Error::Device(format!("a tensor is not f32: {error:?}")))
}

/// A copy in memory of its own. What the library reads back from a GPU may lie in memory that it
/// uses again for later transfers (seen with Burn 0.22.1 on wgpu: values kept for a while, then
/// uploaded, had changed).
fn own(data: TensorData) -> TensorData {
    let (shape, dtype) = (data.shape().clone(), data.dtype());
    TensorData::from_bytes_vec(data.bytes().to_vec(), shape, dtype)
}

struct Reader {
    path: ModulePath,
    names: Vec<String>,
    transaction: Transaction,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.names.push(self.path.joined());
        let transaction = std::mem::take(&mut self.transaction);
        self.transaction = transaction.register(param.val().without_autodiff());
    }
}

/// Puts `state` into `module`, converting each tensor to the type the module uses. Identities
/// and what is trainable stay as they are.
///
/// # Errors
///
/// [`Error::Weights`] naming what is missing, unexpected or of another shape; `module` is
/// unchanged then.
pub fn load_state_dict<M: Module>(module: &mut M, state: &StateDict) -> Result<()> {
    check(&shapes(module), state)?;
    let mut writer = Writer {
        path: ModulePath::default(),
        state,
    };
    *module = module.clone().map(&mut writer);
    Ok(())
}

/// The shape of every float parameter and running statistic of `module` by name.
pub fn shapes<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
    let mut shapes = Shapes {
        path: ModulePath::default(),
        found: BTreeMap::new(),
    };
    module.visit(&mut shapes);
    shapes.found
}

struct Shapes {
    path: ModulePath,
    found: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found
            .insert(self.path.joined(), param.lazy_shape().to_vec());
    }
}

struct Writer<'a> {
    path: ModulePath,
    state: &'a StateDict,
}

impl ModuleMapper for Writer<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.exit(container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(data) = self.state.get(&self.path.joined()) else {
            return param;
        };
        param.map(|old| {
            let data = data.clone().convert_dtype(old.dtype());
            Tensor::from_data(data, &old.device()).set_require_grad(old.is_require_grad())
        })
    }
}

fn check(module: &BTreeMap<String, Vec<usize>>, state: &StateDict) -> Result<()> {
    let missing = module
        .keys()
        .filter(|name| !state.contains_key(*name))
        .cloned()
        .collect();
    let unexpected = state
        .keys()
        .filter(|name| !module.contains_key(*name))
        .cloned()
        .collect();
    let differing = module
        .iter()
        .filter_map(|(name, shape)| {
            let found = state.get(name)?.shape().to_vec();
            (found != *shape).then(|| format!("{name} is {found:?} instead of {shape:?}"))
        })
        .collect();
    let not_float = module
        .keys()
        .filter_map(|name| Some((name, state.get(name)?.dtype())))
        .filter(|(_, dtype)| !dtype.is_float())
        .map(|(name, dtype)| format!("{name} ({dtype:?})"))
        .collect();
    let problems: [(&str, Vec<String>); 4] = [
        ("missing", missing),
        ("not part of the network", unexpected),
        ("of another shape", differing),
        ("not floating point", not_float),
    ];
    let sentences: Vec<String> = problems
        .iter()
        .filter_map(|(problem, names)| list(problem, names))
        .collect();
    if sentences.is_empty() {
        return Ok(());
    }
    Err(Error::Weights(format!(
        "the weights do not fit the network, nothing was loaded; {}",
        sentences.join("; ")
    )))
}

/// `problem: a, b, c and 7 more`, or nothing without names.
fn list(problem: &str, names: &[String]) -> Option<String> {
    const SHOWN: usize = 6;
    if names.is_empty() {
        return None;
    }
    let shown = names
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let more = names.len().saturating_sub(SHOWN);
    Some(if more == 0 {
        format!("{problem}: {shown}")
    } else {
        format!("{problem}: {shown} and {more} more")
    })
}

/// The bytes of a safetensors file that holds `state`, with `metadata` in its header.
///
/// # Errors
///
/// [`Error::Weights`] for a type of number the format does not have.
pub fn to_safetensors(
    state: &StateDict,
    metadata: Option<BTreeMap<String, String>>,
) -> Result<Vec<u8>> {
    let metadata = metadata.map(|entries| entries.into_iter().collect());
    safetensors::serialize(views(state)?, metadata)
        .map_err(|error| Error::Weights(format!("the tensors could not be stored: {error}")))
}

/// The tensors of `state` as safetensors writes them, without a copy.
///
/// # Errors
///
/// [`Error::Weights`] for a type of number the format does not have.
pub fn views(state: &StateDict) -> Result<Vec<(&str, TensorView<'_>)>> {
    state
        .iter()
        .map(|(name, data)| {
            let dtype = file_dtype(data.dtype()).ok_or_else(|| {
                Error::Weights(format!("{name}: {:?} cannot be stored", data.dtype()))
            })?;
            let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes());
            let view = view.map_err(|error| Error::Weights(format!("{name}: {error}")))?;
            Ok((name.as_str(), view))
        })
        .collect()
}

/// The tensors of a safetensors file.
///
/// # Errors
///
/// [`Error::Weights`] if the bytes are not such a file or hold a type this crate does not read.
pub fn from_safetensors(bytes: &[u8]) -> Result<StateDict> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        Error::Weights(format!("this is not a readable safetensors file: {error}"))
    })?;
    file.iter()
        .map(|(name, view)| {
            let dtype = tensor_dtype(view.dtype()).ok_or_else(|| {
                Error::Weights(format!("{name}: type {:?} is not supported", view.dtype()))
            })?;
            let data =
                TensorData::try_from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype)
                    .map_err(|error| Error::Weights(format!("{name}: {error}")))?;
            Ok((name.to_owned(), data))
        })
        .collect()
}

/// The words in the header of a safetensors file.
///
/// # Errors
///
/// [`Error::Weights`] if the bytes are not such a file.
pub fn safetensors_metadata(bytes: &[u8]) -> Result<BTreeMap<String, String>> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| {
        Error::Weights(format!("this is not a readable safetensors file: {error}"))
    })?;
    let words = header.metadata().clone().unwrap_or_default();
    Ok(words.into_iter().collect())
}

const DTYPES: [(DType, Dtype); 12] = [
    (DType::F64, Dtype::F64),
    (DType::F32, Dtype::F32),
    (DType::F16, Dtype::F16),
    (DType::BF16, Dtype::BF16),
    (DType::I64, Dtype::I64),
    (DType::I32, Dtype::I32),
    (DType::I16, Dtype::I16),
    (DType::I8, Dtype::I8),
    (DType::U64, Dtype::U64),
    (DType::U32, Dtype::U32),
    (DType::U16, Dtype::U16),
    (DType::U8, Dtype::U8),
];

fn file_dtype(dtype: DType) -> Option<Dtype> {
    DTYPES
        .iter()
        .find(|(tensor, _)| *tensor == dtype)
        .map(|&(_, file)| file)
}

fn tensor_dtype(dtype: Dtype) -> Option<DType> {
    DTYPES
        .iter()
        .find(|(_, file)| *file == dtype)
        .map(|&(tensor, _)| tensor)
}
