// Distances, or inner products, between the rows of x and the rows of y. Squared distances are sums
// of squared differences: exactly zero for coincident rows, exactly symmetric.
//
// One workgroup computes a square tile of results, one invocation 16 of them in registers: all
// pairs of four rows of x and four of y. Workgroups are numbered through both dimensions of the
// dispatch; those past the last tile leave at once.

struct Sizes {
    x_rows: u32,
    y_rows: u32,
    components: u32,
    // 0: squared Euclidean, 1: Euclidean, 2: cosine (of rows of length 1), 3: inner product.
    measure: u32,
}

@group(0) @binding(0)
var<storage, read_write> x: array<f32>;

@group(0) @binding(1)
var<storage, read_write> y: array<f32>;

@group(0) @binding(2)
var<storage, read_write> distances: array<f32>;

@group(0) @binding(3)
var<storage, read> sizes: Sizes;

// Invocations along a side of the workgroup, and rows between the four of an invocation.
const SIDE = 8u;
const TILE = 4u * SIDE;
// Components in workgroup memory at a time.
const DEPTH = 16u;
// The quadruples of one component take one element more, so that components lie in different
// memory banks.
const PITCH = SIDE + 1u;

// Element `component * PITCH + r` has that component of the tile's rows r, r + 8, r + 16, r + 24.
var<workgroup> x_tile: array<vec4<f32>, DEPTH * PITCH>;
var<workgroup> y_tile: array<vec4<f32>, DEPTH * PITCH>;

fn x_value(row: u32, component: u32) -> f32 {
    if (row < sizes.x_rows && component < sizes.components) {
        return x[row * sizes.components + component];
    }
    return 0.0;
}

fn y_value(row: u32, component: u32) -> f32 {
    if (row < sizes.y_rows && component < sizes.components) {
        return y[row * sizes.components + component];
    }
    return 0.0;
}

fn load(x_first: u32, y_first: u32, first: u32, index: u32) {
    let component = first + index % DEPTH;
    for (var r = index / DEPTH; r < SIDE; r += SIDE * SIDE / DEPTH) {
        let cell = index % DEPTH * PITCH + r;
        let i = x_first + r;
        x_tile[cell] = vec4(
            x_value(i, component),
            x_value(i + SIDE, component),
            x_value(i + 2u * SIDE, component),
            x_value(i + 3u * SIDE, component),
        );
        let j = y_first + r;
        y_tile[cell] = vec4(
            y_value(j, component),
            y_value(j + SIDE, component),
            y_value(j + 2u * SIDE, component),
            y_value(j + 3u * SIDE, component),
        );
    }
}

fn store(row: u32, column: u32, sums: vec4<f32>) {
    if (row >= sizes.x_rows) {
        return;
    }
    var results = sums;
    if (sizes.measure == 1u) {
        results = select(sqrt(sums), vec4(0.0), sums == vec4(0.0));
    } else if (sizes.measure == 2u) {
        results = 1.0 - sums;
    }
    let place = row * sizes.y_rows;
    if (column < sizes.y_rows) {
        distances[place + column] = results.x;
    }
    if (column + SIDE < sizes.y_rows) {
        distances[place + column + SIDE] = results.y;
    }
    if (column + 2u * SIDE < sizes.y_rows) {
        distances[place + column + 2u * SIDE] = results.z;
    }
    if (column + 3u * SIDE < sizes.y_rows) {
        distances[place + column + 3u * SIDE] = results.w;
    }
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let tiles_across = (sizes.y_rows + TILE - 1u) / TILE;
    let tile = group.y * groups.x + group.x;
    let x_first = tile / tiles_across * TILE;
    let y_first = tile % tiles_across * TILE;
    if (x_first >= sizes.x_rows) {
        return;
    }

    // One vector for each row of x.
    var sums_0 = vec4(0.0);
    var sums_1 = vec4(0.0);
    var sums_2 = vec4(0.0);
    var sums_3 = vec4(0.0);
    let products = sizes.measure >= 2u;
    for (var first = 0u; first < sizes.components; first += DEPTH) {
        load(x_first, y_first, first, index);
        workgroupBarrier();

        let end = min(DEPTH, sizes.components - first) * PITCH;
        if (products) {
            for (var k = 0u; k < end; k += PITCH) {
                let a = x_tile[k + local.y];
                let b = y_tile[k + local.x];
                sums_0 += a.x * b;
                sums_1 += a.y * b;
                sums_2 += a.z * b;
                sums_3 += a.w * b;
            }
        } else {
            for (var k = 0u; k < end; k += PITCH) {
                let a = x_tile[k + local.y];
                let b = y_tile[k + local.x];
                let difference_0 = a.x - b;
                let difference_1 = a.y - b;
                let difference_2 = a.z - b;
                let difference_3 = a.w - b;
                sums_0 += difference_0 * difference_0;
                sums_1 += difference_1 * difference_1;
                sums_2 += difference_2 * difference_2;
                sums_3 += difference_3 * difference_3;
            }
        }
        workgroupBarrier();
    }

    let row = x_first + local.y;
    let column = y_first + local.x;
    store(row, column, sums_0);
    store(row + SIDE, column, sums_1);
    store(row + 2u * SIDE, column, sums_2);
    store(row + 3u * SIDE, column, sums_3);
}
