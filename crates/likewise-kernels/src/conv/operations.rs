//! The operations as Burn sees them: a trait that `flex` implements with this module's kernels,
//! and the backward passes.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};
use burn::tensor::TensorData;

use super::batch_norm::{self, Planes, Saved};
use super::epilogue::Epilogue;
use super::shape::Window;
use super::{correlate, weight_gradient};

type Primitive = FloatTensor<Flex>;
type AutodiffTensor = FloatTensor<Autodiff<Flex>>;

/// Operations with kernels for the `flex` backend in single precision.
#[backend_extension(Autodiff, Flex)]
pub trait ConvolutionOps: Backend {
    /// Convolution of `x` `[N, C, H, W]` with `weight` `[O, C, kernel]`, plus `bias` `[O]`.
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        window: Window,
    ) -> FloatTensor<Self>;

    /// Output, batch mean and biased batch variance.
    fn normalization(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        epilogue: Epilogue,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl ConvolutionOps for Flex {
    fn convolution(x: Primitive, weight: Primitive, bias: Primitive, window: Window) -> Primitive {
        let [x, weight, bias] = [x, weight, bias].map(|tensor| tensor.to_contiguous());
        let shape = x.shape().dims::<4>();
        let [height, width] = window.output([shape[2], shape[3]]);
        let channels_out = bias.shape().num_elements();
        let y = correlate::forward(values(&x), shape, values(&weight), values(&bias), &window);
        tensor(y, &[shape[0], channels_out, height, width])
    }

    fn normalization(
        x: Primitive,
        gamma: Primitive,
        beta: Primitive,
        epsilon: f64,
        epilogue: Epilogue,
    ) -> (Primitive, Primitive, Primitive) {
        let [x, gamma, beta] = [x, gamma, beta].map(|tensor| tensor.to_contiguous());
        let [batch, channels, rows, columns] = x.shape().dims();
        let planes = Planes {
            channels,
            size: [rows, columns],
        };
        let result = batch_norm::forward(
            values(&x),
            &planes,
            values(&gamma),
            values(&beta),
            epsilon,
            epilogue,
        );
        let [rows, columns] = epilogue.output(planes.size);
        (
            tensor(result.output, &[batch, channels, rows, columns]),
            tensor(result.mean, &[channels]),
            tensor(result.variance, &[channels]),
        )
    }
}

impl<C: CheckpointStrategy> ConvolutionOps for Autodiff<Flex, C> {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        window: Window,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        match ConvolutionBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prepared) => {
                let state = (
                    prepared.checkpoint(&x),
                    prepared.checkpoint(&weight),
                    window,
                );
                let [x, weight, bias] = [x, weight, bias].map(AutodiffTensor::into_primitive);
                prepared.finish(state, Flex::convolution(x, weight, bias, window))
            }
            OpsKind::UnTracked(prepared) => {
                let [x, weight, bias] = [x, weight, bias].map(AutodiffTensor::into_primitive);
                prepared.finish(Flex::convolution(x, weight, bias, window))
            }
        }
    }

    fn normalization(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        epilogue: Epilogue,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let (output, mean, variance) = match NormalizationBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prepared) => {
                let inputs = [&x, &gamma, &beta].map(|tensor| prepared.checkpoint(tensor));
                let [x, gamma, beta] = [x, gamma, beta].map(AutodiffTensor::into_primitive);
                let (output, mean, variance) =
                    Flex::normalization(x, gamma, beta, epsilon, epilogue);
                let statistics = [mean.clone(), variance.clone()];
                let state = NormalizationState {
                    inputs,
                    statistics,
                    epsilon,
                    epilogue,
                };
                (prepared.finish(state, output), mean, variance)
            }
            OpsKind::UnTracked(prepared) => {
                let [x, gamma, beta] = [x, gamma, beta].map(AutodiffTensor::into_primitive);
                let (output, mean, variance) =
                    Flex::normalization(x, gamma, beta, epsilon, epilogue);
                (prepared.finish(output), mean, variance)
            }
        };
        (
            output,
            FloatTensor::<Self>::new(mean),
            FloatTensor::<Self>::new(variance),
        )
    }
}

#[derive(Debug)]
struct ConvolutionBackward;

impl Backward<Flex, 3> for ConvolutionBackward {
    type State = (NodeId, NodeId, Window);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let (x, weight, window) = ops.state;
        let y_grad = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let x = checkpointer
            .retrieve_node_output::<Primitive>(x)
            .to_contiguous();
        let weight = checkpointer
            .retrieve_node_output::<Primitive>(weight)
            .to_contiguous();
        let (shape, weight_shape) = (x.shape().dims::<4>(), weight.shape().dims::<4>());
        let [_, channels_out, height, width] = y_grad.shape().dims();

        if let Some(node) = x_node {
            let grad = correlate::input_gradient(values(&y_grad), shape, values(&weight), &window);
            gradients.register::<Flex>(node.id, tensor(grad, &shape));
        }
        if let Some(node) = weight_node {
            let (x, y_grad) = (values(&x), values(&y_grad));
            let grad = weight_gradient::weight_gradient(x, shape, y_grad, channels_out, &window);
            gradients.register::<Flex>(node.id, tensor(grad, &weight_shape));
        }
        if let Some(node) = bias_node {
            let grad =
                weight_gradient::bias_gradient(values(&y_grad), channels_out, height * width);
            gradients.register::<Flex>(node.id, tensor(grad, &[channels_out]));
        }
    }
}

#[derive(Debug)]
struct NormalizationBackward;

/// What the gradients of a batch norm are computed from.
#[derive(Clone, Debug)]
struct NormalizationState {
    /// x, gamma and beta.
    inputs: [NodeId; 3],
    /// Batch mean and variance.
    statistics: [Primitive; 2],
    epsilon: f64,
    epilogue: Epilogue,
}

impl Backward<Flex, 3> for NormalizationBackward {
    type State = NormalizationState;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let NormalizationState {
            inputs,
            statistics: [mean, variance],
            epsilon,
            epilogue,
        } = ops.state;
        let output_grad = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x, gamma, beta] = inputs.map(|input| {
            checkpointer
                .retrieve_node_output::<Primitive>(input)
                .to_contiguous()
        });
        let shape = x.shape().dims::<4>();
        let planes = Planes {
            channels: shape[1],
            size: [shape[2], shape[3]],
        };
        let saved = Saved {
            x: values(&x),
            gamma: values(&gamma),
            beta: values(&beta),
            mean: values(&mean),
            variance: values(&variance),
            epsilon,
        };
        let result = batch_norm::backward(&saved, &planes, epilogue, values(&output_grad));
        let [x_node, gamma_node, beta_node] = ops.parents;
        let channels = [shape[1]];
        if let Some(node) = x_node {
            gradients.register::<Flex>(node.id, tensor(result.x, &shape));
        }
        if let Some(node) = gamma_node {
            gradients.register::<Flex>(node.id, tensor(result.gamma, &channels));
        }
        if let Some(node) = beta_node {
            gradients.register::<Flex>(node.id, tensor(result.beta, &channels));
        }
    }
}

/// The values of a contiguous tensor.
fn values(tensor: &Primitive) -> &[f32] {
    tensor
        .as_slice()
        .expect("contiguous and of single precision")
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> Primitive {
    Primitive::from_data(TensorData::new(values, shape))
}
