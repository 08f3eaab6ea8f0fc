//! What every shader is held to: validity for the compiler that wgpu uses, and the limits of WebGPU
//! that every device has. Asked by the build script, so that a broken shader is a compile error: in
//! the browser it is only logged, and the launch's output keeps what it held.

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, front::wgsl};

// Limits of WebGPU that every device has. CubeCL keeps one storage buffer for itself.
const INVOCATIONS: u32 = 256;
const WORKGROUP_STORAGE: u32 = 16 * 1024;
const STORAGE_BUFFERS: usize = 8;

/// The workgroup size of `source` if it is a kernel that runs everywhere; the reason if it is not.
pub fn check(source: &str) -> Result<[u32; 2], String> {
    let module = wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    // No capability: nothing that a device may lack.
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    let workgroup = entry_point(&module)?;
    workgroup_storage(&module)?;
    bindings(&module, &info)?;
    if source.contains("{{") {
        return Err("`{{` would be taken for a placeholder".into());
    }
    Ok(workgroup)
}

fn entry_point(module: &Module) -> Result<[u32; 2], String> {
    let [main] = &module.entry_points[..] else {
        return Err("one entry point is needed".into());
    };
    if main.name != "main" {
        return Err(format!(
            "the entry point must be `main`, not `{}`",
            main.name
        ));
    }
    let [width, height, depth] = main.workgroup_size;
    if depth != 1 {
        return Err("workgroups have two dimensions at most".into());
    }
    let invocations = width * height;
    if invocations > INVOCATIONS {
        return Err(format!(
            "{invocations} invocations in a workgroup; {INVOCATIONS} are allowed"
        ));
    }
    Ok([width, height])
}

fn workgroup_storage(module: &Module) -> Result<(), String> {
    let size: u32 = module
        .global_variables
        .iter()
        .filter(|(_, variable)| variable.space == AddressSpace::WorkGroup)
        .map(|(_, variable)| {
            module.types[variable.ty]
                .inner
                .size(module.to_ctx())
                .next_multiple_of(16)
        })
        .sum();
    if size > WORKGROUP_STORAGE {
        return Err(format!(
            "{size} bytes of workgroup memory; {WORKGROUP_STORAGE} are allowed"
        ));
    }
    Ok(())
}

/// Bindings are matched with a launch's buffers by number, and the layout is derived from what
/// `main` uses: each must be used, in group 0, numbered from 0.
fn bindings(module: &Module, info: &ModuleInfo) -> Result<(), String> {
    let main = info.get_entry_point(0);
    let mut numbers = Vec::new();
    for (handle, variable) in module.global_variables.iter() {
        let Some(binding) = variable.binding else {
            continue;
        };
        let name = variable.name.as_deref().unwrap_or_default();
        if main[handle].is_empty() {
            return Err(format!("`main` does not use the binding `{name}`"));
        }
        if binding.group != 0 || !matches!(variable.space, AddressSpace::Storage { .. }) {
            return Err(format!("`{name}` must be a storage buffer in group 0"));
        }
        numbers.push(binding.binding);
    }
    numbers.sort_unstable();
    if numbers
        .iter()
        .zip(0..)
        .any(|(&number, expected)| number != expected)
    {
        return Err(format!(
            "bindings must be numbered from 0 without a gap, not {numbers:?}"
        ));
    }
    if numbers.len() >= STORAGE_BUFFERS {
        return Err(format!(
            "{} storage buffers; {} are allowed",
            numbers.len(),
            STORAGE_BUFFERS - 1
        ));
    }
    Ok(())
}
