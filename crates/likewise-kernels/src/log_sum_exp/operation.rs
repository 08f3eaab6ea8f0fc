//! The logarithm of the sum as Burn sees it on `flex`, and its differentiation.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{BoolTensor, FloatTensor};
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};

use super::flex;
use crate::flex::{flags, tensor, values};

type Primitive = FloatTensor<Flex>;

/// The operation in loops over rows. There is at least one row and column.
#[backend_extension(Autodiff, Flex)]
pub trait LogSumExp: Backend {
    /// `[R, 1]` for `x` and `kept` `[R, C]`.
    fn row_log_sum_exp(
        x: FloatTensor<Self>,
        kept: BoolTensor<Self>,
        with_one: bool,
    ) -> FloatTensor<Self>;
}

impl LogSumExp for Flex {
    fn row_log_sum_exp(x: Primitive, kept: BoolTensor<Self>, with_one: bool) -> Primitive {
        let [rows, columns] = x.shape().dims();
        let (x, kept) = (x.to_contiguous(), kept.to_contiguous());
        let output = flex::forward(values(&x), flags(&kept), columns, with_one);
        tensor(output, &[rows, 1])
    }
}

impl<C: CheckpointStrategy> LogSumExp for Autodiff<Flex, C> {
    fn row_log_sum_exp(
        x: FloatTensor<Self>,
        kept: BoolTensor<Self>,
        with_one: bool,
    ) -> FloatTensor<Self> {
        match LogSumExpBackward
            .prepare::<C>([x.node()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prepared) => {
                let node = prepared.checkpoint(&x);
                let output = Flex::row_log_sum_exp(x.into_primitive(), kept.clone(), with_one);
                prepared.finish((node, kept, output.clone()), output)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(Flex::row_log_sum_exp(x.into_primitive(), kept, with_one))
            }
        }
    }
}

#[derive(Debug)]
struct LogSumExpBackward;

impl Backward<Flex, 1> for LogSumExpBackward {
    /// Node of x, the entries kept, and the output.
    type State = (NodeId, BoolTensor<Flex>, Primitive);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (x, kept, output) = ops.state;
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let x = checkpointer
            .retrieve_node_output::<Primitive>(x)
            .to_contiguous();
        let [node] = ops.parents;
        if let Some(node) = node {
            let [rows, columns] = x.shape().dims();
            let kept = kept.to_contiguous();
            let x_gradient = flex::backward(
                values(&gradient),
                values(&x),
                flags(&kept),
                values(&output),
                columns,
            );
            gradients.register::<Flex>(node.id, tensor(x_gradient, &[rows, columns]));
        }
    }
}
