//! Singular values on the CPU.

use burn::backend::{Flex, TensorMetadata, flex::FlexTensor};
use burn::tensor::DType;

use super::{Spectrum, host};
use crate::flex::{tensor, values};

impl Spectrum for Flex {
    fn singular_values(x: FlexTensor) -> FlexTensor {
        if x.dtype() != DType::F32 {
            return Self::singular_values_twin(x);
        }
        let [rows, columns] = x.shape().dims();
        let found = host::singular_values(values(&x.to_contiguous()), rows, columns);
        let found: Vec<f32> = found.into_iter().map(|value| value as f32).collect();
        let count = found.len();
        tensor(found, &[count])
    }
}
