// Norms of vectors, the largest first, scaled back; if the input was not finite, all not a number.
//
// One workgroup. Groups of 16 invocations compute a norm each and put it in place of the vector's
// first component; then each norm is written behind those that are larger.

struct Sizes {
    vectors: u32,
    length: u32,
    unused_1: u32,
    unused_2: u32,
}

@group(0) @binding(0)
var<storage, read_write> vectors: array<f32>;

// Element 0 holds the bits of the largest absolute value of the input.
@group(0) @binding(1)
var<storage, read_write> state: array<u32>;

// Bits of the values, because a shader may not compute what is no number.
@group(0) @binding(2)
var<storage, read_write> values: array<u32>;

@group(0) @binding(3)
var<storage, read> sizes: Sizes;

const WIDTH = 256u;
const TEAM = 16u;
const NOT_FINITE = 0x7f800000u;
const NOT_A_NUMBER = 0x7fc00000u;

var<workgroup> sums: array<f32, WIDTH>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if (group.x + group.y > 0u) {
        return;
    }
    for (var first = 0u; first < sizes.vectors; first += WIDTH / TEAM) {
        let vector = first + lane / TEAM;
        var sum = 0.0;
        if (vector < sizes.vectors) {
            for (var k = lane % TEAM; k < sizes.length; k += TEAM) {
                let value = vectors[vector * sizes.length + k];
                sum += value * value;
            }
        }
        sums[lane] = sum;
        workgroupBarrier();
        if (lane % TEAM == 0u && vector < sizes.vectors) {
            for (var k = 1u; k < TEAM; k++) {
                sum += sums[lane + k];
            }
            vectors[vector * sizes.length] = sqrt(sum);
        }
        workgroupBarrier();
    }
    storageBarrier();

    let largest = state[0];
    let scale = bitcast<f32>(clamp(largest >> 23u, 1u, 253u) << 23u);
    for (var vector = lane; vector < sizes.vectors; vector += WIDTH) {
        let norm = vectors[vector * sizes.length];
        var place = 0u;
        for (var other = 0u; other < sizes.vectors; other++) {
            let other_norm = vectors[other * sizes.length];
            let before = other_norm > norm || (other_norm == norm && other < vector);
            place += select(0u, 1u, before);
        }
        // Where norms are no numbers, places repeat, and what is written is the same.
        if (largest >= NOT_FINITE) {
            values[vector] = NOT_A_NUMBER;
        } else {
            values[place] = bitcast<u32>(norm * scale);
        }
    }
}
