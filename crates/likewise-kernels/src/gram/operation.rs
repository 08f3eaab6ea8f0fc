//! The Gram matrix as Burn sees it on `flex`, and its differentiation.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use crate::flex::{tensor, values};
use crate::parallel::for_each_chunk;

/// Rows and columns of a tile: as many as lie in cache in both directions.
const TILE: usize = 16;

type Primitive = FloatTensor<Flex>;

/// The operation. There is at least one row and column.
#[backend_extension(Autodiff, Flex)]
pub trait Gram: Backend {
    /// x·xᵀ for `x` `[N, D]`: `[N, N]`.
    fn inner_products(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Gram for Flex {
    fn inner_products(x: Primitive) -> Primitive {
        Self::float_matmul(x.clone(), Self::float_transpose(x))
    }
}

impl<C: CheckpointStrategy> Gram for Autodiff<Flex, C> {
    fn inner_products(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match GramBackward
            .prepare::<C>([x.node()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prepared) => {
                let node = prepared.checkpoint(&x);
                prepared.finish(node, Flex::inner_products(x.into_primitive()))
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(Flex::inner_products(x.into_primitive()))
            }
        }
    }
}

#[derive(Debug)]
struct GramBackward;

impl Backward<Flex, 1> for GramBackward {
    /// Node of x.
    type State = NodeId;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let x: Primitive = checkpointer.retrieve_node_output(ops.state);
        let [node] = ops.parents;
        if let Some(node) = node {
            let [rows, _] = x.shape().dims();
            let both = tensor(plus_transposed(values(&gradient), rows), &[rows, rows]);
            gradients.register::<Flex>(node.id, Flex::float_matmul(both, x));
        }
    }
}

/// g + gᵀ for `g` `[size, size]`.
fn plus_transposed(g: &[f32], size: usize) -> Vec<f32> {
    let mut sum = g.to_vec();
    for_each_chunk(&mut sum, TILE * size, |index, rows| {
        for first in (0..size).step_by(TILE) {
            let columns = first..(first + TILE).min(size);
            for (row, values) in rows.chunks_exact_mut(size).enumerate() {
                let row = index * TILE + row;
                let transposed = g[first * size..].iter().skip(row).step_by(size);
                for (value, other) in values[columns.clone()].iter_mut().zip(transposed) {
                    *value += other;
                }
            }
        }
    });
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_added_to_its_transpose_in_tiles_of_any_size() {
        for size in [1, 2, 15, 16, 17, 40] {
            let g: Vec<f32> = (0..size * size).map(|i| (i * i % 97) as f32).collect();
            let sum = plus_transposed(&g, size);
            for (row, column) in (0..size).flat_map(|row| (0..size).map(move |c| (row, c))) {
                let expected = g[row * size + column] + g[column * size + row];
                assert_eq!(
                    sum[row * size + column],
                    expected,
                    "{size}: {row}, {column}"
                );
            }
        }
    }
}
