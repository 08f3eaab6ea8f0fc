//! Max pooling for training on the CPU: rows of windows at a time, and a byte for where each maximum
//! was (Burn's own takes windows one by one, and 64 bits).

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::ops::MaxPoolOptions;

use crate::flex::{has_loops, tensor, values};
use crate::parallel;
use crate::simd::vectorized;

/// Windows treated at a time: two AVX-512 registers of values and of places.
const BLOCK: usize = 32;
/// Values of the input in a work item, about.
const ITEM: usize = 1 << 17;

/// Two-dimensional max pooling of `x` `[N, C, H, W]`: `[N, C, H', W']`, as Burn's operation of that
/// name sizes it. The gradient goes to the first of a window's largest values; NaN counts as the
/// largest, the last one if there are several.
///
/// # Panics
///
/// If a stride is 0.
pub fn max_pool2d(x: Tensor<4>, options: MaxPoolOptions<2>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    match Pool::new([height, width], &options) {
        Some(pool) if has_loops(&x) => {
            Tensor::from_dispatch(Dispatch::max_pool(x.into_dispatch(), pool))
        }
        _ => burn::tensor::module::max_pool2d(x, options),
    }
}

/// Sizes of a max pooling; `[rows, columns]` each.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Places around the input, which hold nothing.
    padding: [usize; 2],
    input: [usize; 2],
    output: [usize; 2],
}

impl Pool {
    /// `None` for what the loops here do not cover.
    fn new(input: [usize; 2], options: &MaxPoolOptions<2>) -> Option<Self> {
        let (kernel, stride) = (options.kernel_size, options.stride);
        let symmetric = options.padding.iter().all(|(begin, end)| begin == end);
        let places = kernel[0].checked_mul(kernel[1])?;
        let covered = options.dilation == [1, 1] && symmetric && places <= 1 << u8::BITS;
        if !covered || input.contains(&0) {
            return None;
        }
        let padding = options.padding.map(|(begin, _)| begin);
        let mut output = [0; 2];
        for (axis, output) in output.iter_mut().enumerate() {
            let span = (input[axis] + 2 * padding[axis]).checked_sub(kernel[axis])?;
            *output = span / stride[axis] + 1;
            // A last window that hangs over the end, if it starts before the end.
            if options.ceil_mode
                && span % stride[axis] != 0
                && *output * stride[axis] < input[axis] + padding[axis]
            {
                *output += 1;
            }
            // Each window has a value in it.
            if padding[axis] >= kernel[axis]
                || (*output - 1) * stride[axis] >= input[axis] + padding[axis]
            {
                return None;
            }
        }
        Some(Self {
            kernel,
            stride,
            padding,
            input,
            output,
        })
    }

    fn input_plane(&self) -> usize {
        self.input[0] * self.input[1]
    }

    fn output_plane(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Planes of a work item.
    fn planes(&self) -> usize {
        (ITEM / self.input_plane()).max(1)
    }

    /// Columns kept of each residue modulo the stride.
    fn columns(&self) -> usize {
        (self.kernel[1] - 1) / self.stride[1] + self.output[1].next_multiple_of(BLOCK)
    }

    /// Kernel rows (or columns) of a window that lie before the input.
    fn before(&self, axis: usize, window: usize) -> usize {
        self.padding[axis].saturating_sub(window * self.stride[axis])
    }
}

/// The maxima of `planes`, and the place of each in its window (row by row).
fn forward(planes: &[f32], pool: &Pool) -> (Vec<f32>, Vec<u8>) {
    let count = planes.len() / pool.input_plane();
    let mut maxima = vec![0.0; count * pool.output_plane()];
    let mut places = vec![0; maxima.len()];
    let (input, output) = (
        pool.planes() * pool.input_plane(),
        pool.planes() * pool.output_plane(),
    );
    let items = planes.chunks(input).zip(maxima.chunks_mut(output));
    let items = items.zip(places.chunks_mut(output)).collect();
    parallel::for_each(items, |((planes, maxima), places)| {
        pool_planes(planes, pool, maxima, places);
    });
    (maxima, places)
}

/// The gradient of the input from that of the output.
fn backward(output_grad: &[f32], places: &[u8], pool: &Pool) -> Vec<f32> {
    let count = output_grad.len() / pool.output_plane();
    let mut grad = vec![0.0; count * pool.input_plane()];
    let (input, output) = (
        pool.planes() * pool.input_plane(),
        pool.planes() * pool.output_plane(),
    );
    let items = grad.chunks_mut(input).zip(output_grad.chunks(output));
    let items = items.zip(places.chunks(output)).collect();
    let width = pool.input[1];
    let offsets: Vec<usize> = (0..pool.kernel[0] * pool.kernel[1])
        .map(|place| place / pool.kernel[1] * width + place % pool.kernel[1])
        .collect();
    let padding = pool.padding[0] * width + pool.padding[1];
    parallel::for_each(items, |((grad, output_grad), places)| {
        let rows = output_grad
            .chunks_exact(pool.output[1])
            .zip(places.chunks_exact(pool.output[1]));
        for (row, (output_grad, places)) in rows.enumerate() {
            let (plane, row) = (row / pool.output[0], row % pool.output[0]);
            let grad = &mut grad[plane * pool.input_plane()..][..pool.input_plane()];
            let from = row * pool.stride[0] * width;
            for (column, (value, place)) in output_grad.iter().zip(places).enumerate() {
                let window = from + column * pool.stride[1];
                grad[window + offsets[usize::from(*place)] - padding] += value;
            }
        }
    });
    grad
}

vectorized! {
    fn pool_planes(planes: &[f32], pool: &Pool, maxima: &mut [f32], places: &mut [u8]) {
        let columns = pool.columns();
        // Windows that follow each other read neighbours in here; around them is nothing.
        let mut split = vec![f32::NEG_INFINITY; pool.input[0] * pool.stride[1] * columns];
        let mut first = vec![0; pool.output[1].next_multiple_of(BLOCK)];
        for (column, first) in first[..pool.output[1]].iter_mut().enumerate() {
            *first = pool.before(1, column) as u32;
        }
        let results = maxima.chunks_exact_mut(pool.output_plane())
            .zip(places.chunks_exact_mut(pool.output_plane()));
        for (plane, (maxima, places)) in planes.chunks_exact(pool.input_plane()).zip(results) {
            let rows = plane.chunks_exact(pool.input[1]);
            for (row, split) in rows.zip(split.chunks_exact_mut(pool.stride[1] * columns)) {
                split_row(row, pool, columns, split);
            }
            let rows = maxima.chunks_exact_mut(pool.output[1])
                .zip(places.chunks_exact_mut(pool.output[1]));
            for (row, (maxima, places)) in rows.enumerate() {
                for from in (0..pool.output[1]).step_by(BLOCK) {
                    let length = BLOCK.min(pool.output[1] - from);
                    let (values, at) = pool_block(&split, pool, row, from, &first);
                    maxima[from..from + length].copy_from_slice(&values[..length]);
                    for (place, at) in places[from..from + length].iter_mut().zip(at) {
                        *place = at as u8;
                    }
                }
            }
        }
    }
}

/// One row into its residues modulo the stride.
#[inline(always)]
fn split_row(row: &[f32], pool: &Pool, columns: usize, split: &mut [f32]) {
    let (stride, padding) = (pool.stride[1], pool.padding[1]);
    for (residue, to) in split.chunks_exact_mut(columns).enumerate() {
        let skipped = padding.saturating_sub(residue).div_ceil(stride);
        let Some(from) = row.get(skipped * stride + residue - padding..) else {
            continue;
        };
        let to = &mut to[skipped..];
        if stride == 2 {
            let (pairs, rest) = from.as_chunks::<2>();
            let count = to.len().min(pairs.len());
            to.iter_mut()
                .zip(pairs)
                .for_each(|(to, [value, _])| *to = *value);
            if let (Some(to), [value]) = (to.get_mut(count), rest) {
                *to = *value;
            }
        } else {
            let values = from.iter().step_by(stride);
            to.iter_mut()
                .zip(values)
                .for_each(|(to, value)| *to = *value);
        }
    }
}

/// The maxima of the windows from column `from` on of a row of windows, and their places. `first` is the
/// first column within the input of each window.
#[inline(always)]
fn pool_block(
    split: &[f32],
    pool: &Pool,
    row: usize,
    from: usize,
    first: &[u32],
) -> ([f32; BLOCK], [u32; BLOCK]) {
    let (columns, [_, width]) = (pool.columns(), pool.kernel);
    let begin = pool.before(0, row);
    let end = pool.kernel[0].min(pool.input[0] + pool.padding[0] - row * pool.stride[0]);
    let mut maxima = [f32::NEG_INFINITY; BLOCK];
    let mut places = [0; BLOCK];
    places.copy_from_slice(&first[from..from + BLOCK]);
    places
        .iter_mut()
        .for_each(|place| *place += (begin * width) as u32);
    for kernel_row in begin..end {
        let row = row * pool.stride[0] + kernel_row - pool.padding[0];
        for column in 0..width {
            let (residue, shift) = (column % pool.stride[1], column / pool.stride[1]);
            let start = (row * pool.stride[1] + residue) * columns + shift + from;
            let mut values = [0.0; BLOCK];
            values.copy_from_slice(&split[start..start + BLOCK]);
            let place = (kernel_row * width + column) as u32;
            for lane in 0..BLOCK {
                let value = values[lane];
                let larger = (value > maxima[lane]) | value.is_nan();
                maxima[lane] = if larger { value } else { maxima[lane] };
                places[lane] = if larger { place } else { places[lane] };
            }
        }
    }
    (maxima, places)
}

/// Max pooling for the `flex` backend in single precision.
#[backend_extension(Autodiff, Flex)]
pub trait MaxPoolOps: Backend {
    /// The maxima of `x` `[N, C, H, W]`.
    fn max_pool(x: FloatTensor<Self>, pool: Pool) -> FloatTensor<Self>;
}

type Primitive = FloatTensor<Flex>;

/// The maxima of `x` and their places.
fn pooled(x: Primitive, pool: &Pool) -> (Primitive, Vec<u8>) {
    let x = x.to_contiguous();
    let [batch, channels, _, _] = x.shape().dims();
    let (maxima, places) = forward(values(&x), pool);
    let [rows, columns] = pool.output;
    (tensor(maxima, &[batch, channels, rows, columns]), places)
}

impl MaxPoolOps for Flex {
    fn max_pool(x: Primitive, pool: Pool) -> Primitive {
        pooled(x, &pool).0
    }
}

impl<C: CheckpointStrategy> MaxPoolOps for Autodiff<Flex, C> {
    fn max_pool(x: FloatTensor<Self>, pool: Pool) -> FloatTensor<Self> {
        let prepared = MaxPoolBackward.prepare::<C>([x.node()]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (maxima, places) = pooled(x.into_primitive(), &pool);
                let places = Arc::new(places);
                prepared.finish(MaxPoolState { places, pool }, maxima)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(Flex::max_pool(x.into_primitive(), pool))
            }
        }
    }
}

#[derive(Debug)]
struct MaxPoolBackward;

#[derive(Clone, Debug)]
struct MaxPoolState {
    places: Arc<Vec<u8>>,
    pool: Pool,
}

impl Backward<Flex, 1> for MaxPoolBackward {
    type State = MaxPoolState;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let [x_node] = ops.parents;
        let MaxPoolState { places, pool } = ops.state;
        let output_grad = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [batch, channels, _, _] = output_grad.shape().dims();
        if let Some(node) = x_node {
            let grad = backward(values(&output_grad), &places, &pool);
            let [rows, columns] = pool.input;
            let grad = tensor(grad, &[batch, channels, rows, columns]);
            gradients.register::<Flex>(node.id, grad);
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::*;

    #[test]
    fn bits_do_not_depend_on_threads() {
        let options = MaxPoolOptions::new([3, 3])
            .with_stride([2, 2])
            .with_padding([1, 1]);
        let pool = Pool::new([61, 113], &options).unwrap();
        let mut state = 1_u32;
        let planes: Vec<f32> = (0..70 * pool.input_plane())
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32
            })
            .collect();
        let run = |threads: usize| {
            let threads = rayon::ThreadPoolBuilder::new().num_threads(threads);
            threads.build().unwrap().install(|| {
                let (maxima, places) = forward(&planes, &pool);
                let grad = backward(&maxima, &places, &pool);
                (maxima, places, grad)
            })
        };
        let expected = run(1);
        assert!(expected.2.iter().any(|&value| value != 0.0));
        for threads in [2, 3, 7] {
            assert!(run(threads) == expected, "{threads} threads");
        }
    }
}
