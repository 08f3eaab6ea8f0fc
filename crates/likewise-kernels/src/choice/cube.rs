//! The choices on GPUs: `shaders/sample_negative.wgsl`.

use burn::backend::wgpu::{CubeBackend, CubeTensor, into_contiguous};
use burn::tensor::{DType, IntDType, Shape};

use super::operation::{Choice, Weights};
use crate::blocks::cast;
use crate::launch::{launch_as, not_read};
use crate::shaders;

impl Choice for CubeBackend {
    fn row_choice_uniform(
        candidates: CubeTensor,
        uniform: CubeTensor,
        dtype: IntDType,
    ) -> CubeTensor {
        choose(not_read(&uniform), candidates, uniform, [0; 6], dtype)
    }

    fn row_choice_weighted(
        numbers: CubeTensor,
        candidates: CubeTensor,
        uniform: CubeTensor,
        weights: Weights,
        dtype: IntDType,
    ) -> CubeTensor {
        let weights = match weights {
            Weights::Logarithms => [1, 0, 0, 0, 0, 0],
            Weights::Sphere(sphere) => [
                2,
                sphere.slope.to_bits(),
                sphere.bend.to_bits(),
                sphere.range[0].to_bits(),
                sphere.range[1].to_bits(),
                sphere.lowest.to_bits(),
            ],
        };
        choose(numbers, candidates, uniform, weights, dtype)
    }
}

/// `weights` are the shader's parameters after the sizes.
fn choose(
    values: CubeTensor,
    candidates: CubeTensor,
    uniform: CubeTensor,
    weights: [u32; 6],
    dtype: IntDType,
) -> CubeTensor {
    let [rows, columns] = candidates.meta.shape().dims();
    let [a, b, c, d, e, f] = weights;
    let chosen = launch_as(
        DType::I32,
        shaders::SAMPLE_NEGATIVE,
        rows as u32,
        [values, candidates, uniform].map(into_contiguous).to_vec(),
        Shape::new([rows]),
        [rows as u32, columns as u32, a, b, c, d, e, f],
    );
    cast(chosen, dtype)
}
