//! Singular values on GPUs: `shaders/spectrum_*.wgsl`, or tensor operations where WGSL cannot be
//! run.

use burn::backend::TensorMetadata;
use burn::backend::ops::FloatTensorOps;
use burn::backend::wgpu::{CubeBackend, CubeTensor, into_contiguous};
use burn::tensor::Shape;

use super::Spectrum;
use crate::launch::{accepts, launch, launch_into};
use crate::shaders;

/// Invocations in a workgroup.
const WIDTH: usize = 256;

/// Vectors that a workgroup makes orthogonal to each other: two blocks.
const PAIR: usize = 32;

/// At most this many sweeps over all pairs of blocks. About eight are usual.
const SWEEPS: usize = 16;

/// Elements that an invocation looks through.
const ELEMENTS: usize = 16;

impl Spectrum for CubeBackend {
    fn singular_values(x: CubeTensor) -> CubeTensor {
        if !accepts(&[&x]) {
            return Self::singular_values_twin(x);
        }
        let [rows, columns] = x.shape().dims();
        let (elements, count, length) = (rows * columns, rows.min(columns), rows.max(columns));
        let x = into_contiguous(x);
        // Zero is zero in bits too.
        let state = Self::float_zeros(Shape::new([1 + 2 * SWEEPS]), &x.device, x.dtype.into());

        let words = [elements as u32, 0, 0, 0];
        let groups = elements.div_ceil(WIDTH * ELEMENTS) as u32;
        launch_into(
            shaders::SPECTRUM_SCALE,
            groups,
            Vec::new(),
            &[&x, &state],
            words,
        );
        let groups = elements.div_ceil(WIDTH) as u32;
        let words = [rows as u32, columns as u32, 0, 0];
        let inputs = vec![x, state.clone()];
        let vectors = launch(
            shaders::SPECTRUM_VECTORS,
            groups,
            inputs,
            [count, length],
            words,
        );

        let pairs = count.div_ceil(PAIR);
        for sweep in 0..SWEEPS {
            for round in 0..2 * pairs - 1 {
                let words = [count, length, sweep, round].map(|number| number as u32);
                let groups = pairs as u32;
                let changed = [&vectors, &state];
                launch_into(
                    shaders::SPECTRUM_POWER_ITERATION,
                    groups,
                    Vec::new(),
                    &changed,
                    words,
                );
            }
        }
        let words = [count as u32, length as u32, 0, 0];
        launch(
            shaders::SPECTRUM_VALUES,
            1,
            vec![vectors, state],
            [count],
            words,
        )
    }
}
