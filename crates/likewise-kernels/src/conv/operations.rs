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
use super::finish::Finish;
use super::shape::Window;
use super::{correlate, relu, weight_gradient};

type Primitive = FloatTensor<Flex>;
type AutodiffTensor = FloatTensor<Autodiff<Flex>>;

/// Operations with kernels for the `flex` backend in single precision.
#[backend_extension(Autodiff, Flex)]
pub trait ConvolutionOps: Backend {
    /// `finish(convolution of x with weight)`: `x` `[N, C, H, W]`, `weight` `[O, C, kernel]`, `scale`
    /// and `shift` `[O]`, `residual` of the output's shape; an empty tensor stands for a part that is
    /// not there. A ReLU follows if `relu`.
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        window: Window,
        relu: bool,
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
    fn convolution(
        x: Primitive,
        weight: Primitive,
        scale: Primitive,
        shift: Primitive,
        residual: Primitive,
        window: Window,
        relu: bool,
    ) -> Primitive {
        let [x, weight, scale, shift, residual] =
            [x, weight, scale, shift, residual].map(|tensor| tensor.to_contiguous());
        let [batch, channels, height, width] = x.shape().dims();
        let finish = Finish {
            scale: part(&scale),
            shift: part(&shift),
            residual: part(&residual),
            relu,
        };
        let shape = [batch, channels, height, width];
        let y = correlate::forward(values(&x), shape, values(&weight), &finish, &window);
        let [rows, columns] = window.output([height, width]);
        tensor(y, &[batch, weight.shape()[0], rows, columns])
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
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        window: Window,
        relu: bool,
    ) -> FloatTensor<Self> {
        let nodes = [&x, &weight, &scale, &shift, &residual].map(AutodiffTensor::node);
        let apply = |[x, weight, scale, shift, residual]: [Primitive; 5]| {
            Flex::convolution(x, weight, scale, shift, residual, window, relu)
        };
        let inputs = [x, weight, scale, shift, residual];
        match ConvolutionBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prepared) => {
                let kept = [0, 1].map(|input| prepared.checkpoint(&inputs[input]));
                let inputs = inputs.map(AutodiffTensor::into_primitive);
                let scale = inputs[2].clone();
                let output = apply(inputs);
                let state = ConvolutionState {
                    inputs: kept,
                    scale,
                    output: relu.then(|| output.clone()),
                    window,
                };
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(apply(inputs.map(AutodiffTensor::into_primitive)))
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

/// What the gradients of a convolution are computed from.
#[derive(Clone, Debug)]
struct ConvolutionState {
    /// x and weight.
    inputs: [NodeId; 2],
    scale: Primitive,
    /// Where a ReLU follows: what was positive.
    output: Option<Primitive>,
    window: Window,
}

impl Backward<Flex, 5> for ConvolutionBackward {
    type State = ConvolutionState;

    fn backward(
        self,
        ops: Ops<Self::State, 5>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [x_node, weight_node, scale_node, shift_node, residual_node] = ops.parents;
        let ConvolutionState {
            inputs,
            scale,
            output,
            window,
        } = ops.state;
        let mut y_grad = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [x, weight] = inputs.map(|input| {
            checkpointer
                .retrieve_node_output::<Primitive>(input)
                .to_contiguous()
        });
        let (shape, weight_shape) = (x.shape().dims::<4>(), weight.shape().dims::<4>());
        let [_, channels_out, height, width] = y_grad.shape().dims();
        let (channels, plane) = ([channels_out], height * width);

        if let Some(output) = output {
            let positive = values(&output);
            relu::clear_where_not_positive(y_grad.storage_mut(), positive);
        }
        if let Some(node) = shift_node {
            let grad = relu::sums_of_channels(values(&y_grad), channels_out, plane);
            gradients.register::<Flex>(node.id, tensor(grad, &channels));
        }
        let scale = scale.to_contiguous();
        let scale = part(&scale);
        let (x, weight) = (values(&x), values(&weight));
        if let Some(node) = x_node {
            let y_grad = values(&y_grad);
            let grad = correlate::input_gradient(y_grad, shape, weight, scale, &window);
            gradients.register::<Flex>(node.id, tensor(grad, &shape));
        }
        if weight_node.is_some() || scale_node.is_some() {
            let y_grad = values(&y_grad);
            let grad = weight_gradient::weight_gradient(x, shape, y_grad, weight, scale, &window);
            if let Some(node) = weight_node {
                gradients.register::<Flex>(node.id, tensor(grad.weight, &weight_shape));
            }
            if let Some(node) = scale_node {
                gradients.register::<Flex>(node.id, tensor(grad.scale, &channels));
            }
        }
        if let Some(node) = residual_node {
            gradients.register::<Flex>(node.id, y_grad);
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

/// The values of a part that may be missing.
fn part(tensor: &Primitive) -> Option<&[f32]> {
    let values = values(tensor);
    (!values.is_empty()).then_some(values)
}
