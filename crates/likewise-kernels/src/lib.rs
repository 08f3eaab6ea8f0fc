//! Burn operations with hand-written kernels.
//!
//! Each operation is a function on [`Tensor`](burn::tensor::Tensor)s, differentiable unless it says
//! otherwise, that picks its form from the device at run time:
//!
//! | device | form |
//! |---|---|
//! | WGSL (WebGPU in the browser; Vulkan, Metal or DirectX through wgpu) | `shaders/*.wgsl` |
//! | `flex` | loops over slices, on all cores natively |
//! | SPIR-V, MSL, CUDA | Burn's tensor operations (the *twin*) |
//!
//! The twin also serves number formats other than `f32`, and is the reference in tests; operations
//! without a shader run it on all GPUs. Under Burn's fusion an operation with a shader is one opaque
//! step between fused ones. Shaders are checked when this crate is built, against the limits that
//! every WebGPU device has. [`search`] is the part for the processor alone: exact search of whole
//! splits.

mod assign_nearest;
mod blocks;
mod choice;
#[allow(
    unsafe_code,
    reason = "functions compiled for AVX2 or AVX-512 are called after asking the processor for them"
)]
mod conv;
mod elementary;
mod flex;
mod gram;
mod launch;
mod log_sum_exp;
mod pairwise_distance;
mod parallel;
mod plain_search;
mod rank_count;
mod rows;
mod score;
pub mod search;
mod shaders;
mod simd;
mod spectrum;
mod tile;
mod top_k;

pub use assign_nearest::{assign_nearest, assign_nearest_twin};
pub use choice::{
    choose_on_sphere, choose_on_sphere_twin, choose_uniform, choose_uniform_twin, choose_weighted,
    choose_weighted_twin, sphere_log_weight,
};
pub use conv::{ConvFinish, Epilogue, batch_norm_train, conv2d, max_pool2d};
pub use gram::{gram, gram_twin};
pub use log_sum_exp::{log_sum_exp, log_sum_exp_twin};
pub use pairwise_distance::{
    Measure, pairwise_distance, pairwise_distance_twin, pairwise_squared_distance,
    pairwise_squared_distance_twin,
};
pub use rank_count::{rank_count, rank_count_twin};
pub use score::Score;
pub use spectrum::{host_singular_values, singular_values, singular_values_twin};
pub use top_k::{LARGEST_K, top_k, top_k_twin};
