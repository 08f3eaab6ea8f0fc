// Squared Euclidean distances between the rows of x and the rows of y, from differences: exactly
// zero for coincident rows.
//
// One invocation computes one distance, one workgroup a square tile of them. Workgroups are
// numbered through both dimensions of the dispatch; those past the last tile leave at once.

struct Sizes {
    x_rows: u32,
    y_rows: u32,
    components: u32,
    unused: u32,
}

@group(0) @binding(0)
var<storage, read_write> x: array<f32>;

@group(0) @binding(1)
var<storage, read_write> y: array<f32>;

@group(0) @binding(2)
var<storage, read_write> distances: array<f32>;

@group(0) @binding(3)
var<storage, read> sizes: Sizes;

const TILE = 16u;
// A row of a tile takes one element more, so that a column lies in different memory banks.
const PITCH = TILE + 1u;

var<workgroup> x_tile: array<f32, TILE * PITCH>;
var<workgroup> y_tile: array<f32, TILE * PITCH>;

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let tiles_across = (sizes.y_rows + TILE - 1u) / TILE;
    let tile = group.y * groups.x + group.x;
    let x_first = tile / tiles_across * TILE;
    let y_first = tile % tiles_across * TILE;
    if (x_first >= sizes.x_rows) {
        return;
    }

    let row = x_first + local.y;
    let y_loaded = y_first + local.y;
    let cell = local.y * PITCH + local.x;
    var sum = 0.0;
    for (var first = 0u; first < sizes.components; first += TILE) {
        let component = first + local.x;
        let inside = component < sizes.components;
        var x_value = 0.0;
        if (inside && row < sizes.x_rows) {
            x_value = x[row * sizes.components + component];
        }
        var y_value = 0.0;
        if (inside && y_loaded < sizes.y_rows) {
            y_value = y[y_loaded * sizes.components + component];
        }
        x_tile[cell] = x_value;
        y_tile[cell] = y_value;
        workgroupBarrier();

        for (var k = 0u; k < TILE; k++) {
            let difference = x_tile[local.y * PITCH + k] - y_tile[local.x * PITCH + k];
            sum += difference * difference;
        }
        workgroupBarrier();
    }

    let column = y_first + local.x;
    if (row < sizes.x_rows && column < sizes.y_rows) {
        distances[row * sizes.y_rows + column] = sum;
    }
}
