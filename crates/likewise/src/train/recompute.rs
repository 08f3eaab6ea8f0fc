//! Gradients of the network without keeping its activations: the maps between its segments are
//! kept, and what lies inside a segment is computed again when its turn in the backward pass comes
//! (Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016).

use burn::tensor::Tensor;

use super::{Learner, ParameterGradients};
use crate::model::Network;

/// The inputs of a network's segments, and of what follows the last, all detached.
pub(super) struct SegmentInputs(Vec<Tensor<4>>);

impl SegmentInputs {
    /// Runs `network`, which records no gradients, on images `[B, C, H, W]`; also returns the
    /// embeddings, `[B, D]`.
    pub fn run(network: &Network, images: Tensor<4>) -> (Self, Tensor<2>) {
        let mut inputs = vec![network.prepare(images).inner()];
        for segment in network.backbone.segments() {
            if let Some(input) = inputs.last() {
                inputs.push(segment(Tensor::from_inner(input.clone())).inner());
            }
        }
        let last = inputs.last().cloned();
        let embeddings = last.map(|map| network.finish(Tensor::from_inner(map)).embeddings.inner());
        let embeddings = embeddings.expect("there is at least the input of the first segment");
        (Self(inputs), embeddings)
    }

    /// Gradients of all parameters of the network of `learner`, given those of the embeddings,
    /// `[B, D]`. Each segment's activations live only while its own gradients are computed.
    pub fn backward(mut self, learner: &Learner, gradient: Tensor<2>) -> ParameterGradients {
        let network = &learner.network;
        let mut gradients = ParameterGradients::default();
        let mut back = |input: Option<Tensor<4>>,
                        product: &dyn Fn(Tensor<4>) -> Tensor<1>|
         -> Option<Tensor<4>> {
            let input = Tensor::from_inner(input?).require_grad();
            let mut found = product(input.clone()).backward();
            gradients.add(ParameterGradients::take(learner, &mut found));
            input.grad_remove(&mut found)
        };
        let gradient = Tensor::from_inner(gradient);
        let mut output = back(self.0.pop(), &|map| {
            (network.finish(map).embeddings * gradient.clone()).sum()
        });
        for segment in network.backbone.segments().into_iter().rev() {
            let Some(gradient) = output else { break };
            let gradient = Tensor::from_inner(gradient);
            output = back(self.0.pop(), &|map| (segment(map) * gradient.clone()).sum());
        }
        gradients
    }
}
