//! Settings of the tensor library that can only be made before the first tensor exists. They are
//! laid over what the user set by file or environment variable.

use burn::BurnConfig;
use cubecl::config::autotune::AutotuneLevel;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use serde_json::json;

/// Runs every operation by itself.
pub fn disable_fusion() {
    let config = json!({ "fusion": { "beam_search": { "max_explorations": 0 } } });
    if let Ok(config) = serde_json::from_value::<BurnConfig>(config) {
        BurnConfig::try_set(config);
    }
}

/// Measures each candidate kernel once and takes the first that will do: on a software adapter
/// careful tuning costs minutes and gains nothing (see docs, benchmarks).
pub fn minimal_tuning() {
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.autotune.level = AutotuneLevel::Minimal;
    config.autotune.bench.min_samples = 1;
    config.autotune.bench.max_samples = 1;
    config.autotune.bench.short_circuit_samples = 1;
    config.autotune.bench.adaptive = false;
    CubeClRuntimeConfig::try_set(config);
}
