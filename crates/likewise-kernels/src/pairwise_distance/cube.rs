//! The pairwise distance on GPUs: `shaders/pairwise_distance*.wgsl`, or tensor operations where WGSL
//! cannot be run.

use burn::backend::wgpu::{CubeBackend, CubeTensor, into_contiguous};
use burn::tensor::DType;
use cubecl::Device;
use cubecl::device::WgpuDeviceKind;

use super::{Measure, PairwiseDistance, Sizes, cosine, twin};
use crate::launch::{accepts, is_same, launch, launch_as, not_read};
use crate::shaders;

/// Side of the square tile of the output that a workgroup computes, or half of it.
const TILE: usize = 32;
/// Workgroups that keep a GPU busy,
const UNITS: u32 = 64;
/// and a software device.
const CORES: u32 = 4;

// What is too large to be bound cannot exist: CubeCL has no buffer larger than the device's binding.
impl PairwiseDistance for CubeBackend {
    fn pairwise_distance(x: CubeTensor, y: CubeTensor, measure: Measure) -> CubeTensor {
        let sizes = Sizes::of(&x, &y);
        let shape = [sizes.x_rows, sizes.y_rows];
        if !accepts(&[&x, &y]) || !indexable(shape) || sizes.is_empty() {
            return twin::forward::<Self>(x, y, measure);
        }
        let symmetric = is_same(&x, &y);
        let [x, y] = match measure {
            Measure::Cosine if symmetric => {
                let x = cosine::unit::<Self>(x);
                [x.clone(), x]
            }
            Measure::Cosine => [x, y].map(cosine::unit::<Self>),
            _ => [x, y],
        };
        let x = into_contiguous(x);
        let y = if symmetric {
            not_read(&x)
        } else {
            into_contiguous(y)
        };
        let quadruples = quadruples(shape, &x.device);
        let [a, b, c] = words(sizes);
        let parameters = [
            a,
            b,
            c,
            number(measure),
            quadruples as u32,
            symmetric.into(),
        ];
        let tiles = tiles(shape, quadruples * TILE);
        launch_as(
            DType::F32,
            shaders::PAIRWISE_DISTANCE,
            tiles,
            vec![x, y],
            shape,
            parameters,
        )
    }

    fn squared_distance_gradient(gradient: CubeTensor, x: CubeTensor, y: CubeTensor) -> CubeTensor {
        let sizes = Sizes::of(&x, &y);
        if !accepts(&[&gradient, &x, &y]) || sizes.is_empty() {
            return twin::gradient::<Self>(gradient, x, y);
        }
        let shape = [sizes.x_rows, sizes.components];
        let inputs = [gradient, x, y].map(into_contiguous).to_vec();
        let [a, b, c] = words(sizes);
        launch(
            shaders::PAIRWISE_DISTANCE_BACKWARD,
            tiles(shape, TILE),
            inputs,
            shape,
            [a, b, c, 0],
        )
    }
}

/// `Sizes.measure` of the shader.
fn number(measure: Measure) -> u32 {
    match measure {
        Measure::SquaredEuclidean => 0,
        Measure::Euclidean => 1,
        Measure::DotProduct => 2,
        Measure::Cosine => 3,
    }
}

/// Whether 32-bit indices reach every element.
fn indexable(shape: [usize; 2]) -> bool {
    shape[0]
        .checked_mul(shape[1])
        .is_some_and(|elements| u32::try_from(elements).is_ok())
}

/// Quadruples of rows of x, and of y, whose distances one invocation computes. Two share what they
/// read among more results; one keeps more of the device busy where there are few.
fn quadruples(shape: [usize; 2], device: &Device) -> usize {
    let software = matches!(device, Device::Wgpu(device) if device.kind == WgpuDeviceKind::Cpu);
    let busy = if software { CORES } else { UNITS };
    if tiles(shape, 2 * TILE) < busy { 1 } else { 2 }
}

/// Workgroups for an output of this shape in tiles of this side, at most 2^27 for one that is
/// `indexable`.
fn tiles(shape: [usize; 2], side: usize) -> u32 {
    (shape[0].div_ceil(side) * shape[1].div_ceil(side)) as u32
}

/// The first words of the shaders' `Sizes`.
fn words(sizes: Sizes) -> [u32; 3] {
    [sizes.x_rows, sizes.y_rows, sizes.components].map(|size| size as u32)
}
