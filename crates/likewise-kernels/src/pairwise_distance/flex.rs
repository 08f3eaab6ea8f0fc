//! The pairwise distance on the CPU: loops over blocks of rows, written so that the compiler turns
//! the innermost ones into vector instructions.

use burn::backend::{Flex, flex::FlexTensor};
use burn::tensor::{DType, TensorData};

use super::{PairwiseDistance, Sizes, twin};

/// Components added up side by side. A fixed number, whatever the processor's vectors are, so that
/// results are the same everywhere.
const LANES: usize = 8;
/// Rows of y compared with a row of x at a time.
const GROUP: usize = 4;
/// Components of a gradient computed at a time, as long as there are as many.
const SPAN: usize = 32;
/// Rows of the output that are computed together, while the same rows of y are in cache.
const BLOCK: usize = 16;

impl PairwiseDistance for Flex {
    fn squared_distance(x: FlexTensor, y: FlexTensor) -> FlexTensor {
        let sizes = Sizes::of(&x, &y);
        if sizes.is_empty() || [&x, &y].iter().any(|tensor| tensor.dtype() != DType::F32) {
            return twin::forward::<Self>(x, y);
        }
        let (x, y) = (x.to_contiguous(), y.to_contiguous());
        let (x, y) = (values(&x), values(&y));
        let mut output = vec![0.0; sizes.x_rows * sizes.y_rows];
        for_each_block(&mut output, BLOCK * sizes.y_rows, |index, block| {
            let first = index * BLOCK * sizes.components;
            let count = block.len() / sizes.y_rows * sizes.components;
            distances(&x[first..first + count], y, sizes.components, block);
        });
        tensor(output, [sizes.x_rows, sizes.y_rows])
    }

    fn squared_distance_gradient(gradient: FlexTensor, x: FlexTensor, y: FlexTensor) -> FlexTensor {
        let sizes = Sizes::of(&x, &y);
        if sizes.is_empty()
            || [&gradient, &x, &y]
                .iter()
                .any(|tensor| tensor.dtype() != DType::F32)
        {
            return twin::gradient::<Self>(gradient, x, y);
        }
        let [gradient, x, y] = [gradient, x, y].map(|tensor| tensor.to_contiguous());
        let [gradient, x, y] = [&gradient, &x, &y].map(values);
        let mut output = vec![0.0; sizes.x_rows * sizes.components];
        for_each_block(&mut output, BLOCK * sizes.components, |index, block| {
            let rows = block.len() / sizes.components;
            let weights = &gradient[index * BLOCK * sizes.y_rows..][..rows * sizes.y_rows];
            let x = &x[index * BLOCK * sizes.components..][..block.len()];
            row_gradients(weights, x, y, sizes.components, block);
        });
        tensor(output, [sizes.x_rows, sizes.components])
    }
}

/// Squared distances of some rows of x to all rows of y.
fn distances(x: &[f32], y: &[f32], components: usize, output: &mut [f32]) {
    let y_rows = y.len() / components;
    for (index, group) in y.chunks(GROUP * components).enumerate() {
        let first = index * GROUP;
        for (x, output) in x
            .chunks_exact(components)
            .zip(output.chunks_exact_mut(y_rows))
        {
            let output = &mut output[first..];
            if group.len() == GROUP * components {
                let ys: [_; GROUP] =
                    std::array::from_fn(|j| &group[j * components..][..components]);
                output[..GROUP].copy_from_slice(&squared_distances(x, ys));
            } else {
                for (y, output) in group.chunks_exact(components).zip(output) {
                    [*output] = squared_distances(x, [y]);
                }
            }
        }
    }
}

/// Squared distances of one row to several. Each is added up in the same order however many there
/// are, so that d(x, y) = d(y, x) exactly.
#[inline(always)]
fn squared_distances<const N: usize>(x: &[f32], ys: [&[f32]; N]) -> [f32; N] {
    let (x_chunks, x_rest) = x.as_chunks::<LANES>();
    let y_chunks = ys.map(|y| &y.as_chunks::<LANES>().0[..x_chunks.len()]);
    let mut sums = [[0.0f32; LANES]; N];
    for (k, x) in x_chunks.iter().enumerate() {
        for (sums, y) in sums.iter_mut().zip(y_chunks) {
            for lane in 0..LANES {
                let difference = x[lane] - y[k][lane];
                sums[lane] += difference * difference;
            }
        }
    }
    let rest = ys.map(|y| &y[x.len() - x_rest.len()..]);
    std::array::from_fn(|j| {
        let rest = x_rest
            .iter()
            .zip(rest[j])
            .map(|(x, y)| (x - y) * (x - y))
            .sum::<f32>();
        halves(sums[j]) + rest
    })
}

/// Sum of the lanes, by halves.
#[inline(always)]
fn halves(lanes: [f32; LANES]) -> f32 {
    let four: [f32; 4] = std::array::from_fn(|i| lanes[i] + lanes[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// 2 Σ_j w_ij (x_i − y_j) for some rows of x.
fn row_gradients(weights: &[f32], x: &[f32], y: &[f32], components: usize, output: &mut [f32]) {
    let mut first = 0;
    while first < components {
        first += match components - first {
            SPAN.. => span_gradients::<SPAN>(weights, x, y, components, first, output),
            LANES.. => span_gradients::<LANES>(weights, x, y, components, first, output),
            _ => span_gradients::<1>(weights, x, y, components, first, output),
        }
    }
}

/// The same for `N` components from `first` on. Returns `N`.
fn span_gradients<const N: usize>(
    weights: &[f32],
    x: &[f32],
    y: &[f32],
    components: usize,
    first: usize,
    output: &mut [f32],
) -> usize {
    let weights = weights.chunks_exact(y.len() / components);
    for ((weights, x), output) in weights
        .zip(x.chunks_exact(components))
        .zip(output.chunks_exact_mut(components))
    {
        let x: &[f32; N] = x[first..].first_chunk().expect("components are left");
        let mut sums = [0.0f32; N];
        for (weight, y) in weights.iter().zip(y.chunks_exact(components)) {
            for ((sum, x), y) in sums.iter_mut().zip(x).zip(&y[first..first + N]) {
                *sum += weight * (x - y);
            }
        }
        output[first..first + N].copy_from_slice(&sums.map(|sum| 2.0 * sum));
    }
    N
}

/// Calls `f` with the number and the elements of each block, in parallel where there are threads.
fn for_each_block(output: &mut [f32], block: usize, f: impl Fn(usize, &mut [f32]) + Send + Sync) {
    #[cfg(not(target_family = "wasm"))]
    {
        use rayon::prelude::*;
        output
            .par_chunks_mut(block)
            .enumerate()
            .for_each(|(index, block)| f(index, block));
    }
    #[cfg(target_family = "wasm")]
    output
        .chunks_mut(block)
        .enumerate()
        .for_each(|(index, block)| f(index, block));
}

/// The values of a contiguous tensor.
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor
        .as_slice()
        .expect("contiguous and of single precision")
}

fn tensor(values: Vec<f32>, shape: [usize; 2]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
