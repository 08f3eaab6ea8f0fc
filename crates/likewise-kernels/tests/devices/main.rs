//! Operations against loops in double precision on each device: `flex`, a WGSL device and, compiled
//! for wasm32, the browser's WebGPU. A machine without an adapter reports the WGSL trials as
//! ignored, never as passed; `LIKEWISE_REQUIRE_GPU=1` turns that into a failure.

mod assign_nearest;
#[cfg(target_family = "wasm")]
mod browser;
mod choice;
#[cfg(not(target_family = "wasm"))]
mod native;
mod pairwise_distance;
mod rank_count;
mod ranking;
mod spectrum;
mod support;
mod top_k;

use support::Case;

/// Every case, by family.
fn cases() -> Vec<Case> {
    let families = [
        assign_nearest::cases(),
        choice::cases(),
        pairwise_distance::cases(),
        rank_count::cases(),
        spectrum::cases(),
        top_k::cases(),
    ];
    families.into_iter().flatten().collect()
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    native::run(cases());
}

/// The page calls what `browser` exports.
#[cfg(target_family = "wasm")]
fn main() {}
