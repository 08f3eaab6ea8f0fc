//! Differentiation of the pairwise distance. Its inputs are kept for the backward pass, and
//! recomputed there if the checkpointing strategy has let go of them; of its values, only
//! Euclidean distances are.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

use super::{Measure, PairwiseDistance};

impl<B: PairwiseDistance, C: CheckpointStrategy> PairwiseDistance for Autodiff<B, C> {
    fn pairwise_distance(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        measure: Measure,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), y.node()];
        match DistanceBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prepared) => {
                let nodes = [prepared.checkpoint(&x), prepared.checkpoint(&y)];
                let output = B::pairwise_distance(x.into_primitive(), y.into_primitive(), measure);
                let values = (measure == Measure::Euclidean).then(|| output.clone());
                let state = State {
                    nodes,
                    measure,
                    values,
                };
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::pairwise_distance(
                x.into_primitive(),
                y.into_primitive(),
                measure,
            )),
        }
    }
}

#[derive(Debug)]
struct DistanceBackward;

#[derive(Clone, Debug)]
struct State<B: PairwiseDistance> {
    /// Of x and y.
    nodes: [NodeId; 2],
    measure: Measure,
    values: Option<FloatTensor<B>>,
}

impl<B: PairwiseDistance> Backward<B, 2> for DistanceBackward {
    type State = State<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [x_node, y_node] = ops.parents;
        let State {
            nodes,
            measure,
            values,
        } = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let weights = measure.weights::<B>(gradient, values);
        let [x, y]: [FloatTensor<B>; 2] = nodes.map(|node| checkpointer.retrieve_node_output(node));

        let products = measure.of_products();
        if nodes[0] == nodes[1] {
            if let Some(node) = x_node {
                let gradient = B::pair_self_gradient(weights, x, products);
                gradients.register::<B>(node.id, gradient);
            }
            return;
        }
        if let Some(node) = x_node {
            let x_gradient = B::pair_gradient(weights.clone(), x.clone(), y.clone(), products);
            gradients.register::<B>(node.id, x_gradient);
        }
        if let Some(node) = y_node {
            let transposed = B::float_transpose(weights);
            gradients.register::<B>(node.id, B::pair_gradient(transposed, y, x, products));
        }
    }
}
