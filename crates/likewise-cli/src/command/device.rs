//! `likewise device`.

use anyhow::{Result, bail};
use serde_json::json;

use crate::args::Device;
use crate::device::{Check, adapters, choose, self_check};
use crate::output::outln;

const MIB: u64 = 1 << 20;

/// Lists adapters, the choice with its reason, and the self-check.
pub fn run(options: &Device) -> Result<()> {
    // The check is shown below whatever it says; the choice itself must not fail on it.
    let mut choice = options.device.clone();
    choice.skip_self_check = true;
    let chosen = choose(&choice)?;
    let found = adapters();
    let checks: Vec<Check> = match chosen.adapter {
        Some(_) => self_check(&chosen.device),
        None => Vec::new(),
    };
    let passed = checks.iter().all(|check| check.passed);
    if options.json {
        outln!(
            "{}",
            json!({ "adapters": found, "chosen": chosen, "self_check": checks, "passed": passed })
        );
    } else {
        if found.is_empty() {
            outln!("adapters: none that Vulkan, Metal or DX12 can see");
        }
        for adapter in &found {
            outln!(
                "{:?} adapter {}: {} ({}, {})\n  limits: {} MiB a buffer, {} invocations and {} KiB a \
                 workgroup, {} storage buffers a kernel",
                adapter.kind,
                adapter.index,
                adapter.name,
                adapter.interface,
                adapter.driver,
                adapter.max_buffer_binding / MIB,
                adapter.max_workgroup_invocations,
                adapter.max_workgroup_storage >> 10,
                adapter.max_storage_buffers,
            );
        }
        outln!(
            "--device {} takes {} [{}]: {}",
            choice.device,
            chosen.name,
            chosen.backend,
            chosen.reason
        );
        for check in &checks {
            let mark = if check.passed { "ok    " } else { "WRONG " };
            outln!(
                "  {mark} {}: differs from the processor by {:.1e}",
                check.name,
                check.difference
            );
        }
    }
    if !passed {
        bail!(
            "{} computes wrong numbers: update its driver, try --no-fusion, or use --device cpu",
            chosen.name
        );
    }
    Ok(())
}
