//! Between Burn's CPU tensors and the slices that loops run over.

use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Whether this crate's loops can run on `x`: on the CPU and of single precision.
pub fn has_loops<const N: usize>(x: &Tensor<N>) -> bool {
    x.device() == Device::flex() && x.dtype() == DType::F32
}

/// The values of a contiguous tensor of single precision.
pub fn values(tensor: &FlexTensor) -> &[f32] {
    tensor
        .as_slice()
        .expect("contiguous and of single precision")
}

/// The values of a contiguous tensor of truth values: 0 is false.
pub fn flags(tensor: &FlexTensor) -> &[u8] {
    let (start, end) = tensor
        .layout()
        .contiguous_offsets()
        .expect("contiguous tensor");
    &tensor.storage()[start..end]
}

/// A tensor of these values.
pub fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
