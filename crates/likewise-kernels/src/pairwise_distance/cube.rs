//! The pairwise distance on GPUs: `shaders/pairwise_squared_distance*.wgsl`, or tensor operations
//! where WGSL cannot be run.

use burn::backend::wgpu::{CubeBackend, CubeTensor, into_contiguous};

use super::{PairwiseDistance, Sizes, twin};
use crate::launch::{Shader, accepts, launch};

/// Side of the square tile of the output that a workgroup computes.
const TILE: usize = 16;

const FORWARD: Shader = Shader {
    name: "pairwise_squared_distance",
    source: include_str!("../../../../shaders/pairwise_squared_distance.wgsl"),
    workgroup: [16, 16],
};

const BACKWARD: Shader = Shader {
    name: "pairwise_squared_distance_backward",
    source: include_str!("../../../../shaders/pairwise_squared_distance_backward.wgsl"),
    workgroup: [16, 16],
};

impl PairwiseDistance for CubeBackend {
    fn squared_distance(x: CubeTensor, y: CubeTensor) -> CubeTensor {
        let sizes = Sizes::of(&x, &y);
        let shape = [sizes.x_rows, sizes.y_rows];
        if !accepts(&[&x, &y]) || !indexable(shape) || sizes.is_empty() {
            return twin::forward::<Self>(x, y);
        }
        let inputs = vec![into_contiguous(x), into_contiguous(y)];
        launch(FORWARD, tiles(shape), inputs, shape, words(sizes))
    }

    fn squared_distance_gradient(gradient: CubeTensor, x: CubeTensor, y: CubeTensor) -> CubeTensor {
        let sizes = Sizes::of(&x, &y);
        if !accepts(&[&gradient, &x, &y]) || sizes.is_empty() {
            return twin::gradient::<Self>(gradient, x, y);
        }
        let shape = [sizes.x_rows, sizes.components];
        let inputs = [gradient, x, y].map(into_contiguous).to_vec();
        launch(BACKWARD, tiles(shape), inputs, shape, words(sizes))
    }
}

/// Whether 32-bit indices reach every element.
fn indexable(shape: [usize; 2]) -> bool {
    shape[0]
        .checked_mul(shape[1])
        .is_some_and(|elements| u32::try_from(elements).is_ok())
}

/// Workgroups for an output of this shape, at most 2^28 for one that is `indexable`.
fn tiles(shape: [usize; 2]) -> u32 {
    (shape[0].div_ceil(TILE) * shape[1].div_ceil(TILE)) as u32
}

/// `Sizes` of the shaders.
fn words(sizes: Sizes) -> [u32; 4] {
    [
        sizes.x_rows as u32,
        sizes.y_rows as u32,
        sizes.components as u32,
        0,
    ]
}
