//! The pairwise distance on the CPU.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, flex::FlexTensor};
use burn::tensor::DType;

use super::gradient::{self, Weights};
use super::{Measure, PairwiseDistance, Sizes, distances, twin};
use crate::flex::{tensor, values};

impl PairwiseDistance for Flex {
    fn pairwise_distance(x: FlexTensor, y: FlexTensor, measure: Measure) -> FlexTensor {
        let sizes = Sizes::of(&x, &y);
        if sizes.is_empty() || !is_single(&[&x, &y]) || measure.of_products() {
            return twin::forward::<Self>(x, y, measure);
        }
        let (x, y) = (x.to_contiguous(), y.to_contiguous());
        let output = distances::distances(values(&x), values(&y), sizes.components);
        measure.finish::<Self>(tensor(output, &[sizes.x_rows, sizes.y_rows]))
    }

    fn pair_gradient(
        weights: FlexTensor,
        x: FlexTensor,
        y: FlexTensor,
        products: bool,
    ) -> FlexTensor {
        let sizes = Sizes::of(&x, &y);
        if sizes.is_empty() || !is_single(&[&weights, &x, &y]) || products {
            return twin::gradient::<Self>(weights, x, y, products);
        }
        let (x, y) = (x.to_contiguous(), y.to_contiguous());
        let columns = weights.transpose(0, 1);
        let output = if columns.is_contiguous() {
            let weights = Weights::Columns(values(&columns));
            gradient::gradient(weights, values(&x), values(&y), sizes.components)
        } else {
            let rows = weights.to_contiguous();
            let weights = Weights::Rows(values(&rows));
            gradient::gradient(weights, values(&x), values(&y), sizes.components)
        };
        tensor(output, &[sizes.x_rows, sizes.components])
    }

    fn pair_self_gradient(weights: FlexTensor, x: FlexTensor, products: bool) -> FlexTensor {
        let sizes = Sizes::of(&x, &x);
        if sizes.is_empty() || !is_single(&[&weights, &x]) || products {
            let both = Self::float_add(weights.clone(), weights.transpose(0, 1));
            return twin::gradient::<Self>(both, x.clone(), x, products);
        }
        let (weights, x) = (weights.to_contiguous(), x.to_contiguous());
        let weights = Weights::Both(values(&weights));
        let output = gradient::gradient(weights, values(&x), values(&x), sizes.components);
        tensor(output, &[sizes.x_rows, sizes.components])
    }
}

fn is_single(tensors: &[&FlexTensor]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
}
