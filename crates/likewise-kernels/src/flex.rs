//! Between Burn's CPU tensors and the slices that loops run over.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::IntTensorOps;
use burn::backend::tensor::IntTensor;
use burn::tensor::{DType, Device, IntDType, Tensor, TensorData};

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

/// Whole numbers.
pub fn whole_numbers(tensor: IntTensor<Flex>) -> Vec<i64> {
    let tensor = Flex::int_cast(tensor, IntDType::I64).to_contiguous();
    let numbers: &[i64] = tensor.as_slice().expect("contiguous, of 64 bits");
    numbers.to_vec()
}

/// A tensor of these whole numbers, of type `dtype`.
pub fn integers(numbers: Vec<i32>, shape: &[usize], dtype: IntDType) -> IntTensor<Flex> {
    let tensor = IntTensor::<Flex>::from_data(TensorData::new(numbers, shape));
    if DType::from(dtype) == tensor.dtype() {
        tensor
    } else {
        Flex::int_cast(tensor, dtype)
    }
}
