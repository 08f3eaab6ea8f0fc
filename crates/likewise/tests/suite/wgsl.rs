//! The WGSL device that tests run on.

use std::sync::OnceLock;

use burn::tensor::{Device, DeviceType};
use cubecl::config::CubeClRuntimeConfig;
use cubecl::config::RuntimeConfig;
use cubecl::config::autotune::AutotuneLevel;

/// Whether a test without an adapter has to fail instead of being ignored.
pub fn adapter_required() -> bool {
    std::env::var("LIKEWISE_REQUIRE_GPU").is_ok_and(|value| value == "1")
}

/// The first WGSL device of this machine, software adapters included.
pub fn wgsl_device() -> Option<Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    DEVICE
        .get_or_init(|| {
            minimal_tuning();
            Device::enumerate(DeviceType::Wgpu)
                .into_vec()
                .into_iter()
                .next()
        })
        .clone()
}

/// Careful choice among candidate kernels would take most of the time of these tests.
fn minimal_tuning() {
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.autotune.level = AutotuneLevel::Minimal;
    config.autotune.bench.min_samples = 1;
    config.autotune.bench.max_samples = 1;
    config.autotune.bench.short_circuit_samples = 1;
    config.autotune.bench.adaptive = false;
    CubeClRuntimeConfig::try_set(config);
}
