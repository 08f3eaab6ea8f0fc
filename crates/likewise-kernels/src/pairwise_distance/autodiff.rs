//! Differentiation of the pairwise distance. Only its inputs are kept for the backward pass, and
//! they are recomputed there if the checkpointing strategy has let go of them.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

use super::PairwiseDistance;

impl<B: PairwiseDistance, C: CheckpointStrategy> PairwiseDistance for Autodiff<B, C> {
    fn squared_distance(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node(), y.node()];
        match SquaredDistanceBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prepared) => {
                let state = [prepared.checkpoint(&x), prepared.checkpoint(&y)];
                let output = B::squared_distance(x.into_primitive(), y.into_primitive());
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::squared_distance(x.into_primitive(), y.into_primitive()))
            }
        }
    }
}

#[derive(Debug)]
struct SquaredDistanceBackward;

impl<B: PairwiseDistance> Backward<B, 2> for SquaredDistanceBackward {
    /// Nodes of x and y.
    type State = [NodeId; 2];

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [x_node, y_node] = ops.parents;
        let gradient = gradients.consume::<B>(&ops.node);
        let [x, y]: [FloatTensor<B>; 2] = ops
            .state
            .map(|node| checkpointer.retrieve_node_output(node));

        if ops.state[0] == ops.state[1] {
            if let Some(node) = x_node {
                gradients.register::<B>(node.id, B::squared_distance_self_gradient(gradient, x));
            }
            return;
        }
        if let Some(node) = x_node {
            let x_gradient = B::squared_distance_gradient(gradient.clone(), x.clone(), y.clone());
            gradients.register::<B>(node.id, x_gradient);
        }
        if let Some(node) = y_node {
            let transposed = B::float_transpose(gradient);
            gradients.register::<B>(node.id, B::squared_distance_gradient(transposed, y, x));
        }
    }
}
