// The rows of a matrix, or its columns where those are fewer, one after the other and scaled by a
// power of two so that the largest absolute value lies between 1 and 4.
//
// One invocation writes one component.

struct Sizes {
    rows: u32,
    columns: u32,
    unused_1: u32,
    unused_2: u32,
}

@group(0) @binding(0)
var<storage, read_write> x: array<f32>;

// Element 0 holds the bits of the largest absolute value.
@group(0) @binding(1)
var<storage, read_write> state: array<u32>;

@group(0) @binding(2)
var<storage, read_write> vectors: array<f32>;

@group(0) @binding(3)
var<storage, read> sizes: Sizes;

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 256u + lane;
    if (index >= sizes.rows * sizes.columns) {
        return;
    }
    var source = index;
    if (sizes.rows > sizes.columns) {
        source = index % sizes.rows * sizes.columns + index / sizes.rows;
    }
    let exponent = clamp(state[0] >> 23u, 1u, 253u);
    vectors[index] = x[source] * bitcast<f32>((254u - exponent) << 23u);
}
