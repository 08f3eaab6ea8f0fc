// Gradient of a sum of squared distances, weighted pair by pair, for the rows of x:
// 2 sum_j weight[i, j] (x[i] - y[j]), from differences as well.
//
// One workgroup computes a square tile of the gradient, walking along the rows of y; one invocation
// computes 16 elements in registers: four components of four rows. Workgroups past the last tile
// leave at once.

struct Sizes {
    x_rows: u32,
    y_rows: u32,
    components: u32,
    unused: u32,
}

// Weights of the pairs, [x_rows, y_rows].
@group(0) @binding(0)
var<storage, read_write> weights: array<f32>;

@group(0) @binding(1)
var<storage, read_write> x: array<f32>;

@group(0) @binding(2)
var<storage, read_write> y: array<f32>;

@group(0) @binding(3)
var<storage, read_write> x_gradient: array<f32>;

@group(0) @binding(4)
var<storage, read> sizes: Sizes;

// Invocations along a side of the workgroup, and rows or components between the four of an
// invocation.
const SIDE = 8u;
const TILE = 4u * SIDE;
// Rows of y in workgroup memory at a time.
const DEPTH = 16u;
// The quadruples of one row of y take one element more, so that rows lie in different memory banks.
const PITCH = SIDE + 1u;

// Element `j * PITCH + r` has the weights of row j with the tile's rows r, r + 8, r + 16, r + 24.
var<workgroup> weight_tile: array<vec4<f32>, DEPTH * PITCH>;
// Element `j * PITCH + c` has the tile's components c, c + 8, c + 16, c + 24 of row j.
var<workgroup> y_tile: array<vec4<f32>, DEPTH * PITCH>;

fn weight(row: u32, column: u32) -> f32 {
    if (row < sizes.x_rows && column < sizes.y_rows) {
        return weights[row * sizes.y_rows + column];
    }
    return 0.0;
}

fn y_value(row: u32, component: u32) -> f32 {
    if (row < sizes.y_rows && component < sizes.components) {
        return y[row * sizes.components + component];
    }
    return 0.0;
}

fn x_value(row: u32, component: u32) -> f32 {
    if (row < sizes.x_rows && component < sizes.components) {
        return x[row * sizes.components + component];
    }
    return 0.0;
}

fn x_values(row: u32, component: u32) -> vec4<f32> {
    return vec4(
        x_value(row, component),
        x_value(row, component + SIDE),
        x_value(row, component + 2u * SIDE),
        x_value(row, component + 3u * SIDE),
    );
}

fn load(x_first: u32, component_first: u32, first: u32, index: u32) {
    let column = first + index % DEPTH;
    for (var r = index / DEPTH; r < SIDE; r += SIDE * SIDE / DEPTH) {
        let i = x_first + r;
        weight_tile[index % DEPTH * PITCH + r] = vec4(
            weight(i, column),
            weight(i + SIDE, column),
            weight(i + 2u * SIDE, column),
            weight(i + 3u * SIDE, column),
        );
    }
    let component = component_first + index % SIDE;
    for (var j = index / SIDE; j < DEPTH; j += SIDE) {
        y_tile[j * PITCH + index % SIDE] = vec4(
            y_value(first + j, component),
            y_value(first + j, component + SIDE),
            y_value(first + j, component + 2u * SIDE),
            y_value(first + j, component + 3u * SIDE),
        );
    }
}

fn store(row: u32, component: u32, sums: vec4<f32>) {
    if (row >= sizes.x_rows) {
        return;
    }
    let results = 2.0 * sums;
    let place = row * sizes.components;
    if (component < sizes.components) {
        x_gradient[place + component] = results.x;
    }
    if (component + SIDE < sizes.components) {
        x_gradient[place + component + SIDE] = results.y;
    }
    if (component + 2u * SIDE < sizes.components) {
        x_gradient[place + component + 2u * SIDE] = results.z;
    }
    if (component + 3u * SIDE < sizes.components) {
        x_gradient[place + component + 3u * SIDE] = results.w;
    }
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let tiles_across = (sizes.components + TILE - 1u) / TILE;
    let tile = group.y * groups.x + group.x;
    let x_first = tile / tiles_across * TILE;
    let component_first = tile % tiles_across * TILE;
    if (x_first >= sizes.x_rows) {
        return;
    }

    let row = x_first + local.y;
    let component = component_first + local.x;
    let x_0 = x_values(row, component);
    let x_1 = x_values(row + SIDE, component);
    let x_2 = x_values(row + 2u * SIDE, component);
    let x_3 = x_values(row + 3u * SIDE, component);
    // One vector of components for each row.
    var sums_0 = vec4(0.0);
    var sums_1 = vec4(0.0);
    var sums_2 = vec4(0.0);
    var sums_3 = vec4(0.0);
    for (var first = 0u; first < sizes.y_rows; first += DEPTH) {
        load(x_first, component_first, first, index);
        workgroupBarrier();

        // Not to the end of the tile: zero times an infinite component would not be zero.
        let end = min(DEPTH, sizes.y_rows - first) * PITCH;
        for (var k = 0u; k < end; k += PITCH) {
            let w = weight_tile[k + local.y];
            let b = y_tile[k + local.x];
            sums_0 += w.x * (x_0 - b);
            sums_1 += w.y * (x_1 - b);
            sums_2 += w.z * (x_2 - b);
            sums_3 += w.w * (x_3 - b);
        }
        workgroupBarrier();
    }

    store(row, component, sums_0);
    store(row + SIDE, component, sums_1);
    store(row + 2u * SIDE, component, sums_2);
    store(row + 3u * SIDE, component, sums_3);
}
