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
        let x = x.to_contiguous();
        let x = values(&x);
        let found: Vec<f32> = if x.iter().all(|value| value.is_finite()) {
            let found = host::singular_values(x, columns);
            found.into_iter().map(|value| value as f32).collect()
        } else {
            vec![f32::NAN; rows.min(columns)]
        };
        let count = found.len();
        tensor(found, &[count])
    }
}
