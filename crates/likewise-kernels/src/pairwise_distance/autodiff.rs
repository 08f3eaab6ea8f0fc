//! Differentiation of the pairwise distance. Its inputs are kept for the backward pass, and
//! recomputed there if the checkpointing strategy has let go of them; of its values, only
//! Euclidean distances are.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;

use super::measure::through_root;
use super::{Measure, PairwiseDistance, both_roles, cosine, twin};

impl<B: PairwiseDistance, C: CheckpointStrategy> PairwiseDistance for Autodiff<B, C> {
    fn pairwise_distance(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        measure: Measure,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), y.node()];
        if measure == Measure::Cosine {
            let same = nodes[0].id() == nodes[1].id();
            return cosine::distance::<Self>(x, y, same);
        }
        match DistanceBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prepared) => {
                let nodes = [prepared.checkpoint(&x), prepared.checkpoint(&y)];
                let output = B::pairwise_distance(x.into_primitive(), y.into_primitive(), measure);
                let distance = (measure == Measure::Euclidean).then(|| output.clone());
                let state = State {
                    nodes,
                    measure,
                    distance,
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
    /// Euclidean distances, if these are what was computed.
    distance: Option<FloatTensor<B>>,
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
            distance,
        } = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        let [x, y]: [FloatTensor<B>; 2] = nodes.map(|node| checkpointer.retrieve_node_output(node));
        let gradient = match distance {
            Some(distance) => through_root::<B>(gradient, distance),
            None => gradient,
        };
        let products = measure == Measure::DotProduct;
        if nodes[0] == nodes[1] {
            if let Some(node) = x_node {
                let x_gradient = if products {
                    twin::product_gradient::<B>(both_roles::<B>(gradient), x.clone(), x)
                } else {
                    B::squared_distance_self_gradient(gradient, x)
                };
                gradients.register::<B>(node.id, x_gradient);
            }
            return;
        }
        let for_first = |gradient, x, y| {
            if products {
                twin::product_gradient::<B>(gradient, x, y)
            } else {
                B::squared_distance_gradient(gradient, x, y)
            }
        };
        if let Some(node) = x_node {
            let x_gradient = for_first(gradient.clone(), x.clone(), y.clone());
            gradients.register::<B>(node.id, x_gradient);
        }
        if let Some(node) = y_node {
            let transposed = B::float_transpose(gradient);
            gradients.register::<B>(node.id, for_first(transposed, y, x));
        }
    }
}
