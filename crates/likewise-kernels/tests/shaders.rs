//! Every file below `shaders/` is parsed and validated with the compiler that wgpu uses, and held to
//! what every WebGPU device offers and CubeCL relies on: in the browser a broken shader is only
//! logged, and the launch's output keeps what it held.

use std::fs;
use std::path::Path;

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, front::wgsl};

// Limits of WebGPU that every device has. CubeCL keeps one storage buffer for itself.
const INVOCATIONS: u32 = 256;
const WORKGROUP_STORAGE: u32 = 16 * 1024;
const STORAGE_BUFFERS: usize = 8;

#[test]
fn shaders_are_valid_and_within_the_limits_of_every_device() {
    let shaders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shaders");
    let mut problems = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(&shaders).expect("folder of shaders") {
        let path = entry.expect("readable folder").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wgsl")
        {
            count += 1;
            let source = fs::read_to_string(&path).expect("readable shader");
            if let Err(problem) = check(&source) {
                problems.push(format!("{}: {problem}", path.display()));
            }
        }
    }
    assert!(count > 0, "no shader in {}", shaders.display());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn check(source: &str) -> Result<(), String> {
    let module = wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    // No capability: nothing that a device may lack.
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    entry_point(&module)?;
    workgroup_storage(&module)?;
    bindings(&module, &info)?;
    if source.contains("{{") {
        return Err("`{{` would be taken for a placeholder".into());
    }
    Ok(())
}

fn entry_point(module: &Module) -> Result<(), String> {
    let [main] = &module.entry_points[..] else {
        return Err("one entry point is needed".into());
    };
    if main.name != "main" {
        return Err(format!(
            "the entry point must be `main`, not `{}`",
            main.name
        ));
    }
    let invocations: u32 = main.workgroup_size.iter().product();
    if invocations > INVOCATIONS {
        return Err(format!(
            "{invocations} invocations in a workgroup; {INVOCATIONS} are allowed"
        ));
    }
    Ok(())
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

const VALID: &str = "
    @group(0) @binding(0) var<storage, read_write> values: array<f32>;
    var<workgroup> tile: array<f32, 256>;
    @compute @workgroup_size(256)
    fn main(@builtin(local_invocation_index) index: u32) {
        tile[index] = 1.0;
        workgroupBarrier();
        if (index < arrayLength(&values)) { values[index] = tile[255u - index]; }
    }";

#[test]
fn check_refuses_each_fault() {
    check(VALID).expect("a valid shader");
    let faults = [
        ("index] = 1.0", "index] = 1u", "parse or type error"),
        ("fn main", "fn kernel", "entry point's name"),
        (
            "@workgroup_size(256)",
            "@workgroup_size(257)",
            "invocations",
        ),
        ("array<f32, 256>", "array<f32, 4097>", "workgroup memory"),
        ("@binding(0)", "@binding(1)", "gap in the bindings"),
        ("@group(0)", "@group(1)", "group"),
        (
            "var<workgroup>",
            "@group(0) @binding(1) var<storage> unused: f32; var<workgroup>",
            "unused",
        ),
        (
            "workgroupBarrier();",
            "workgroupBarrier(); // {{",
            "placeholder",
        ),
    ];
    for (from, to, what) in faults {
        assert!(VALID.contains(from));
        assert!(
            check(&VALID.replacen(from, to, 1)).is_err(),
            "accepted: {what}"
        );
    }
}
