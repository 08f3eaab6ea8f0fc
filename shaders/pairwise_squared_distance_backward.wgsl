// Gradient of squared Euclidean distances for the rows of x:
// x_gradient[i] = 2 sum_j gradient[i, j] (x[i] - y[j]), from differences as well.
//
// One invocation computes one component of one row, one workgroup a square tile of them, walking
// along the rows of y. Workgroups past the last tile leave at once.

struct Sizes {
    x_rows: u32,
    y_rows: u32,
    components: u32,
    unused: u32,
}

// Gradient of the distances, [x_rows, y_rows].
@group(0) @binding(0)
var<storage, read_write> gradient: array<f32>;

@group(0) @binding(1)
var<storage, read_write> x: array<f32>;

@group(0) @binding(2)
var<storage, read_write> y: array<f32>;

@group(0) @binding(3)
var<storage, read_write> x_gradient: array<f32>;

@group(0) @binding(4)
var<storage, read> sizes: Sizes;

const TILE = 16u;

var<workgroup> gradient_tile: array<f32, TILE * TILE>;
var<workgroup> y_tile: array<f32, TILE * TILE>;

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let tiles_across = (sizes.components + TILE - 1u) / TILE;
    let tile = group.y * groups.x + group.x;
    let x_first = tile / tiles_across * TILE;
    if (x_first >= sizes.x_rows) {
        return;
    }

    let row = x_first + local.y;
    let component = tile % tiles_across * TILE + local.x;
    let inside = row < sizes.x_rows && component < sizes.components;
    var x_value = 0.0;
    if (inside) {
        x_value = x[row * sizes.components + component];
    }
    let cell = local.y * TILE + local.x;
    var sum = 0.0;
    for (var first = 0u; first < sizes.y_rows; first += TILE) {
        var weight = 0.0;
        if (row < sizes.x_rows && first + local.x < sizes.y_rows) {
            weight = gradient[row * sizes.y_rows + first + local.x];
        }
        var y_value = 0.0;
        if (first + local.y < sizes.y_rows && component < sizes.components) {
            y_value = y[(first + local.y) * sizes.components + component];
        }
        gradient_tile[cell] = weight;
        y_tile[cell] = y_value;
        workgroupBarrier();

        // Not to the end of the tile: zero times an infinite component would not be zero.
        let rows = min(TILE, sizes.y_rows - first);
        for (var k = 0u; k < rows; k++) {
            sum += gradient_tile[local.y * TILE + k] * (x_value - y_tile[k * TILE + local.x]);
        }
        workgroupBarrier();
    }

    if (inside) {
        x_gradient[row * sizes.components + component] = 2.0 * sum;
    }
}
