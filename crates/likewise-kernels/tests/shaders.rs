//! The check of the build script itself: it refuses each kind of fault.

#[path = "../build/check.rs"]
mod check;

use check::check;

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
        (
            "@workgroup_size(256)",
            "@workgroup_size(8, 8, 4)",
            "third dimension",
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
