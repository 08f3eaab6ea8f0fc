//! From what the user asked for to a device, and the reason to tell them.

use anyhow::{Result, bail};
use burn::tensor::Device;
use serde::Serialize;

use super::adapters::{Adapter, Kind, adapters};
use super::self_check::self_check;
use super::settings;
use crate::args::DeviceChoice;

/// A device ready for tensors.
#[derive(Clone, Debug, Serialize)]
pub struct Chosen {
    /// The device.
    #[serde(skip)]
    pub device: Device,
    /// `flex` or `wgpu<wgsl>`: which program computes.
    pub backend: String,
    /// Name for people.
    pub name: String,
    /// Why it was taken.
    pub reason: String,
    /// The adapter, if it is not the processor.
    pub adapter: Option<Adapter>,
}

/// Takes the device `choice` asks for: the first GPU, or else the processor, under `auto`.
pub fn choose(choice: &DeviceChoice) -> Result<Chosen> {
    configure(choice);
    let chosen = match choice.device.as_str() {
        "auto" => auto(),
        "cpu" => Ok(processor("asked for with --device cpu")),
        "gpu" => numbered_gpu(0),
        "software" => software(),
        other => match other.strip_prefix("gpu:").map(str::parse::<usize>) {
            Some(Ok(index)) => numbered_gpu(index),
            _ => bail!("--device {other}: use auto, cpu, gpu, gpu:N (N from 0) or software"),
        },
    }?;
    if chosen.adapter.is_some() && !choice.skip_self_check {
        refuse_wrong_numbers(&chosen)?;
    }
    Ok(chosen)
}

fn auto() -> Result<Chosen> {
    let found = adapters();
    match found
        .iter()
        .find(|adapter| adapter.is_gpu() && adapter.device_kind().is_some())
    {
        Some(adapter) => open(adapter, "the first GPU found"),
        None if found.is_empty() => Ok(processor("no graphics adapter found")),
        None => Ok(processor(
            "no GPU found, and software adapters are slower than the processor itself",
        )),
    }
}

fn numbered_gpu(index: usize) -> Result<Chosen> {
    let found = adapters();
    let gpus: Vec<&Adapter> = found.iter().filter(|adapter| adapter.is_gpu()).collect();
    match gpus.get(index) {
        Some(adapter) => open(adapter, "asked for with --device"),
        None if gpus.is_empty() => {
            bail!(
                "--device gpu: this machine has no GPU that Vulkan, Metal or DX12 can see; use --device cpu"
            )
        }
        None => bail!(
            "--device gpu:{index}: this machine has {} GPU(s), numbered from 0; see likewise device",
            gpus.len()
        ),
    }
}

fn software() -> Result<Chosen> {
    let found = adapters();
    match found.iter().find(|adapter| adapter.kind == Kind::Software) {
        Some(adapter) => open(adapter, "asked for with --device software"),
        None => bail!(
            "--device software: no software Vulkan driver found; on Debian or Ubuntu: apt install \
             mesa-vulkan-drivers libvulkan1"
        ),
    }
}

fn processor(reason: &str) -> Chosen {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Chosen {
        device: Device::flex(),
        backend: "flex".into(),
        name: format!("the processor ({threads} threads)"),
        reason: reason.into(),
        adapter: None,
    }
}

fn open(adapter: &Adapter, reason: &str) -> Result<Chosen> {
    let Some(kind) = adapter.device_kind() else {
        bail!("{} cannot be addressed; use --device cpu", adapter.name);
    };
    if adapter.kind == Kind::Software {
        settings::minimal_tuning();
    }
    let device = match Device::wgpu_options()
        .graphics_api(adapter.graphics_api)
        .device_kind(kind)
        .init()
    {
        Ok(device) => device,
        Err(error) => bail!(
            "{} cannot be opened: {error}; use --device cpu",
            adapter.name
        ),
    };
    Ok(Chosen {
        device,
        backend: "wgpu<wgsl>".into(),
        name: format!("{} ({})", adapter.name, adapter.interface),
        reason: reason.into(),
        adapter: Some(adapter.clone()),
    })
}

fn refuse_wrong_numbers(chosen: &Chosen) -> Result<()> {
    let failed: Vec<String> = self_check(&chosen.device)
        .into_iter()
        .filter(|check| !check.passed)
        .map(|check| format!("{} (differs by {:.1e})", check.name, check.difference))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    bail!(
        "{} computes wrong numbers: {}. Update its driver, try --no-fusion, use --device cpu, or go on \
         at your own risk with --skip-self-check",
        chosen.name,
        failed.join(", ")
    )
}

/// Settings that must stand before the first tensor exists.
fn configure(choice: &DeviceChoice) {
    if choice.no_fusion {
        settings::disable_fusion();
    }
}
