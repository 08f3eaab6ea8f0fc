// The largest absolute value of a matrix, as bits: those of numbers grow with the number, and those
// of infinity and of what is no number lie above all of them.
//
// Workgroups share the elements; any number of them will do.

struct Sizes {
    elements: u32,
    unused_1: u32,
    unused_2: u32,
    unused_3: u32,
}

@group(0) @binding(0)
var<storage, read_write> x: array<u32>;

// Element 0 is the result. It starts at 0.
@group(0) @binding(1)
var<storage, read_write> state: array<atomic<u32>>;

@group(0) @binding(2)
var<storage, read> sizes: Sizes;

const WIDTH = 256u;
const MAGNITUDE = 0x7fffffffu;

var<workgroup> largest: array<u32, WIDTH>;

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let step = groups.x * groups.y * WIDTH;
    var own = 0u;
    var index = (group.y * groups.x + group.x) * WIDTH + lane;
    while (index < sizes.elements) {
        own = max(own, x[index] & MAGNITUDE);
        index += step;
    }
    largest[lane] = own;
    workgroupBarrier();

    for (var half = WIDTH / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            largest[lane] = max(largest[lane], largest[lane + half]);
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        atomicMax(&state[0], largest[0]);
    }
}
