//! Running the hand-written WGSL below `shaders/` on CubeCL's devices.

use burn::backend::tensor::FloatTensor;
use burn::backend::wgpu::{
    CubeBackend, CubeDim, CubeTensor, KernelSource, SourceKernel, SourceTemplate, into_contiguous,
};
use burn::backend::{Backend, Dispatch};
use burn::tensor::{DType, Device, Shape, Tensor};
use cubecl::ir::attributes::BufferIOAttr;
use cubecl::prelude::{CubeCount, KernelId};
use cubecl::server::{KernelArguments, MetadataBindingInfo};

/// Workgroups that WebGPU allows along one dimension of a dispatch.
const WORKGROUPS: u32 = 65_535;

/// A file in `shaders/`.
#[derive(Clone, Copy, Debug)]
pub struct Shader {
    /// Name of the file without its extension, the same in no other shader.
    pub name: &'static str,
    /// The text.
    pub source: &'static str,
    /// Its `@workgroup_size`.
    pub workgroup: [u32; 2],
}

impl Shader {
    fn cube_dim(&self) -> CubeDim {
        let [width, height] = self.workgroup;
        CubeDim::new_2d(width, height)
    }
}

impl KernelSource for Shader {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.source)
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>()
            .info(self.name)
            .cube_dim(self.cube_dim().0)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// Whether WGSL can be run on these tensors: they are of single precision, small enough for 32-bit
/// indices, and CubeCL compiles to WGSL for their device. Where it compiles to SPIR-V, MSL or CUDA
/// instead it refuses text in another language.
pub fn accepts(tensors: &[&FloatTensor<CubeBackend>]) -> bool {
    tensors.iter().all(|tensor| {
        tensor.dtype == DType::F32
            && tensor.client.name() == "wgpu<wgsl>"
            && u32::try_from(tensor.meta.num_elements()).is_ok()
    })
}

/// Whether CubeCL compiles to WGSL for this device.
pub fn is_wgsl(device: &Device) -> bool {
    Dispatch::name(device.as_dispatch()).contains("wgpu<wgsl>")
}

/// Whether WGSL can be run on these matrices, and on others of `elements` elements: as [`accepts`].
pub fn accepts_matrices(matrices: &[&Tensor<2>], elements: usize) -> bool {
    matrices.iter().all(|matrix| {
        matrix.dtype() == DType::F32 && u32::try_from(matrix.shape().num_elements()).is_ok()
    }) && u32::try_from(elements).is_ok()
        && matrices.iter().all(|matrix| is_wgsl(&matrix.device()))
}

/// Runs `shader` in `workgroups` workgroups on contiguous `inputs`, followed in its bindings by the
/// output, of shape `shape` and of single precision, and by `sizes`.
pub fn launch(
    shader: Shader,
    workgroups: u32,
    inputs: Vec<CubeTensor>,
    shape: impl Into<Shape>,
    sizes: [u32; 4],
) -> CubeTensor {
    launch_as(DType::F32, shader, workgroups, inputs, shape, sizes)
}

/// The same for an output of another 32-bit type, and any even number of parameters of 32 bits.
pub fn launch_as<const N: usize>(
    dtype: DType,
    shader: Shader,
    workgroups: u32,
    inputs: Vec<CubeTensor>,
    shape: impl Into<Shape>,
    parameters: [u32; N],
) -> CubeTensor {
    let output = empty(&inputs[0], shape, dtype);
    launch_into(shader, workgroups, inputs, &[&output], parameters);
    output
}

/// Runs `shader` in `workgroups` workgroups on contiguous `inputs`, followed in its bindings by
/// `outputs`, which it may also read and which nothing else refers to, and by `sizes`.
pub fn launch_into<const N: usize>(
    shader: Shader,
    workgroups: u32,
    inputs: Vec<CubeTensor>,
    outputs: &[&CubeTensor],
    sizes: [u32; N],
) {
    let inputs = distinct(inputs);
    let client = outputs[0].client.clone();
    let mut arguments = KernelArguments::new();
    for input in inputs {
        arguments = arguments.with_buffer_io(input.handle.binding(), BufferIOAttr::ReadOnly);
    }
    for output in outputs {
        let binding = output.handle.clone().binding();
        arguments = arguments.with_buffer_io(binding, BufferIOAttr::ReadWrite);
    }
    arguments = arguments.with_info(MetadataBindingInfo::custom(words(sizes)));

    let [across, down] = fold(workgroups);
    client.launch(
        Box::new(SourceKernel::new(shader, shader.cube_dim())),
        CubeCount::Static(across, down, 1),
        arguments,
    );
}

/// A tensor without defined values, where `like` is.
pub fn empty(like: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    let (client, shape) = (like.client.clone(), shape.into());
    let buffer = client.empty(shape.num_elements() * dtype.size());
    CubeTensor::new_contiguous(client, like.device.clone(), shape, buffer, dtype)
}

/// A tensor for a binding that the shader does not read this time.
pub fn not_read(like: &CubeTensor) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    let buffer = client.empty(size_of::<f32>());
    CubeTensor::new_contiguous(client, device, Shape::new([1]), buffer, DType::F32)
}

/// Whether two tensors are the same elements of the same memory.
pub fn is_same(x: &CubeTensor, y: &CubeTensor) -> bool {
    let place = |tensor: &CubeTensor| (tensor.handle.offset_start, tensor.handle.offset_end);
    memory(x) == memory(y)
        && place(x) == place(y)
        && x.meta.shape() == y.meta.shape()
        && x.meta.strides() == y.meta.strides()
}

/// WebGPU forbids two writable bindings of the same memory, and every binding of a tensor is
/// writable, because tensors share buffers. So a tensor that comes twice is copied.
pub fn distinct(inputs: Vec<CubeTensor>) -> Vec<CubeTensor> {
    let mut result: Vec<CubeTensor> = Vec::with_capacity(inputs.len());
    for input in inputs {
        let shared = result.iter().any(|other| memory(other) == memory(&input));
        result.push(if shared {
            into_contiguous(input.copy())
        } else {
            input
        });
    }
    result
}

fn memory(tensor: &CubeTensor) -> impl PartialEq + use<> {
    tensor.handle.clone().binding().memory.id()
}

/// An even number of 32-bit numbers as the 64-bit words in which CubeCL passes metadata.
fn words<const N: usize>(numbers: [u32; N]) -> Vec<u64> {
    const { assert!(N.is_multiple_of(2)) };
    numbers
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&[low, high]| u64::from(low) | u64::from(high) << 32)
        .collect()
}

/// Workgroups along x and y that are `count` or slightly more in all, neither above the limit.
fn fold(count: u32) -> [u32; 2] {
    let down = count.div_ceil(WORKGROUPS).max(1);
    [count.div_ceil(down), down]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fold_covers_every_workgroup_within_the_limit() {
        let edges = [
            1,
            2,
            WORKGROUPS - 1,
            WORKGROUPS,
            WORKGROUPS + 1,
            2 * WORKGROUPS,
            1 << 20,
            1 << 28,
        ];
        for count in edges.into_iter().chain((1..40).map(|i| i * 104_729)) {
            let [across, down] = fold(count);
            assert!(
                across <= WORKGROUPS && down <= WORKGROUPS,
                "{count}: {across} x {down}"
            );
            assert!(
                across * down >= count,
                "{count}: {across} x {down} are too few"
            );
            assert!(
                across * down - count < down,
                "{count}: {across} x {down} are too many"
            );
        }
    }

    #[test]
    fn fold_is_one_dimensional_up_to_the_limit() {
        assert_eq!(fold(1), [1, 1]);
        assert_eq!(fold(WORKGROUPS), [WORKGROUPS, 1]);
        assert_eq!(fold(WORKGROUPS + 1), [32_768, 2]);
    }

    #[test]
    fn words_hold_sizes_in_order() {
        assert_eq!(
            words([1, 2, 3, u32::MAX]),
            [0x2_0000_0001, 0xffff_ffff_0000_0003]
        );
    }
}
