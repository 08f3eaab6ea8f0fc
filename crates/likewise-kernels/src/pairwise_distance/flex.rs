//! The pairwise distance on the CPU.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, flex::FlexTensor};
use burn::tensor::DType;

use super::gradient::{self, Weights};
use super::{Measure, PairwiseDistance, Sizes, both_roles, distances, twin};
use crate::flex::{tensor, values};

impl PairwiseDistance for Flex {
    fn pairwise_distance(x: FlexTensor, y: FlexTensor, measure: Measure) -> FlexTensor {
        match measure {
            Measure::SquaredEuclidean => squared(x, y),
            Measure::Euclidean => Self::float_sqrt(squared(x, y)),
            Measure::Cosine => twin::cosines::<Self>(x, y),
            Measure::DotProduct => twin::products::<Self>(x, y),
        }
    }

    fn squared_distance_gradient(gradient: FlexTensor, x: FlexTensor, y: FlexTensor) -> FlexTensor {
        let sizes = Sizes::of(&x, &y);
        if sizes.is_empty() || !is_single(&[&gradient, &x, &y]) {
            return twin::gradient::<Self>(gradient, x, y);
        }
        let (x, y) = (x.to_contiguous(), y.to_contiguous());
        let columns = gradient.transpose(0, 1);
        let output = if columns.is_contiguous() {
            let weights = Weights::Columns(values(&columns));
            gradient::gradient(weights, values(&x), values(&y), sizes.components)
        } else {
            let rows = gradient.to_contiguous();
            let weights = Weights::Rows(values(&rows));
            gradient::gradient(weights, values(&x), values(&y), sizes.components)
        };
        tensor(output, &[sizes.x_rows, sizes.components])
    }

    fn squared_distance_self_gradient(gradient: FlexTensor, x: FlexTensor) -> FlexTensor {
        let sizes = Sizes::of(&x, &x);
        if sizes.is_empty() || !is_single(&[&gradient, &x]) {
            return twin::gradient::<Self>(both_roles::<Self>(gradient), x.clone(), x);
        }
        let (gradient, x) = (gradient.to_contiguous(), x.to_contiguous());
        let weights = Weights::Both(values(&gradient));
        let output = gradient::gradient(weights, values(&x), values(&x), sizes.components);
        tensor(output, &[sizes.x_rows, sizes.components])
    }
}

fn squared(x: FlexTensor, y: FlexTensor) -> FlexTensor {
    let sizes = Sizes::of(&x, &y);
    if sizes.is_empty() || !is_single(&[&x, &y]) {
        return twin::squared::<Flex>(x, y);
    }
    let (x, y) = (x.to_contiguous(), y.to_contiguous());
    let output = distances::distances(values(&x), values(&y), sizes.components);
    tensor(output, &[sizes.x_rows, sizes.y_rows])
}

fn is_single(tensors: &[&FlexTensor]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
}
