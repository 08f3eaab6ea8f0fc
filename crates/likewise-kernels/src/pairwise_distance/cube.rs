//! The pairwise distance on GPUs: `shaders/pairwise_distance*.wgsl`, or tensor operations where WGSL
//! cannot be run.

use burn::backend::wgpu::{CubeBackend, CubeTensor, into_contiguous};

use super::{Measure, PairwiseDistance, Sizes, twin};
use crate::launch::{Shader, accepts, launch};

/// Side of the square tile of the output that a workgroup computes.
const TILE: usize = 32;

const FORWARD: Shader = Shader {
    name: "pairwise_distance",
    source: include_str!("../../../../shaders/pairwise_distance.wgsl"),
    workgroup: [8, 8],
};

const BACKWARD: Shader = Shader {
    name: "pairwise_distance_backward",
    source: include_str!("../../../../shaders/pairwise_distance_backward.wgsl"),
    workgroup: [8, 8],
};

// What is too large to be bound cannot exist: CubeCL has no buffer larger than the device's binding.
impl PairwiseDistance for CubeBackend {
    fn pairwise_distance(x: CubeTensor, y: CubeTensor, measure: Measure) -> CubeTensor {
        let sizes = Sizes::of(&x, &y);
        let shape = [sizes.x_rows, sizes.y_rows];
        if !accepts(&[&x, &y]) || !indexable(shape) || sizes.is_empty() {
            return twin::forward::<Self>(x, y, measure);
        }
        let inputs = [x, y].map(into_contiguous).to_vec();
        let words = words(sizes, measure as u32);
        launch(FORWARD, tiles(shape), inputs, shape, words)
    }

    fn pair_gradient(
        weights: CubeTensor,
        x: CubeTensor,
        y: CubeTensor,
        products: bool,
    ) -> CubeTensor {
        let sizes = Sizes::of(&x, &y);
        if !accepts(&[&weights, &x, &y]) || sizes.is_empty() {
            return twin::gradient::<Self>(weights, x, y, products);
        }
        let shape = [sizes.x_rows, sizes.components];
        let inputs = [weights, x, y].map(into_contiguous).to_vec();
        let words = words(sizes, u32::from(products));
        launch(BACKWARD, tiles(shape), inputs, shape, words)
    }
}

/// Whether 32-bit indices reach every element.
fn indexable(shape: [usize; 2]) -> bool {
    shape[0]
        .checked_mul(shape[1])
        .is_some_and(|elements| u32::try_from(elements).is_ok())
}

/// Workgroups for an output of this shape, at most 2^27 for one that is `indexable`.
fn tiles(shape: [usize; 2]) -> u32 {
    (shape[0].div_ceil(TILE) * shape[1].div_ceil(TILE)) as u32
}

/// `Sizes` of the shaders.
fn words(sizes: Sizes, last: u32) -> [u32; 4] {
    [
        sizes.x_rows as u32,
        sizes.y_rows as u32,
        sizes.components as u32,
        last,
    ]
}
