// Distances, or inner products, between the rows of x and the rows of y. Squared distances are sums
// of squared differences: exactly zero for coincident rows, exactly symmetric.
//
// One workgroup computes a square tile of results, one invocation 64 of them in registers, all pairs
// of eight rows of x and eight of y, or, for more workgroups in small batches, 16. Workgroups are
// numbered through both dimensions of the dispatch; those past the last tile leave at once.

struct Sizes {
    x_rows: u32,
    y_rows: u32,
    components: u32,
    // 0: squared Euclidean, 1: Euclidean, 2: inner product, 3: cosine, of rows of length 1.
    measure: u32,
    // Quadruples of rows of x, and of y, of an invocation: 1 or 2.
    quadruples: u32,
    // 1: y is x, its binding is not read, and tiles below the diagonal are those above it.
    symmetric: u32,
}

@group(0) @binding(0)
var<storage, read_write> x: array<f32>;

@group(0) @binding(1)
var<storage, read_write> y: array<f32>;

@group(0) @binding(2)
var<storage, read_write> distances: array<f32>;

@group(0) @binding(3)
var<storage, read> sizes: Sizes;

// Invocations along a side of the workgroup, and rows between those of a quadruple.
const SIDE = 8u;
// Rows of the quadruples of a side's invocations.
const ROWS = 4u * SIDE;
// Components in workgroup memory at a time.
const DEPTH = 16u;
// The quadruples of one component take one element more, so that components lie in different
// memory banks.
const PITCH = 2u * SIDE + 1u;

// Element `component * PITCH + r` has that component of the tile's rows r, r + 8, r + 16, r + 24,
// and the one with `SIDE` more of those 32 rows further down.
var<workgroup> x_tile: array<vec4<f32>, DEPTH * PITCH>;
var<workgroup> y_tile: array<vec4<f32>, DEPTH * PITCH>;

// Components outside are zero. Read without a branch, from a place that is never outside.
fn x_value(row: u32, component: u32) -> f32 {
    let inside = row < sizes.x_rows && component < sizes.components;
    return select(0.0, x[select(0u, row * sizes.components + component, inside)], inside);
}

fn y_value(row: u32, component: u32) -> f32 {
    if (sizes.symmetric == 1u) {
        return x_value(row, component);
    }
    let inside = row < sizes.y_rows && component < sizes.components;
    return select(0.0, y[select(0u, row * sizes.components + component, inside)], inside);
}

fn load(x_first: u32, y_first: u32, first: u32, index: u32) {
    let component = first + index % DEPTH;
    for (var r = index / DEPTH; r < sizes.quadruples * SIDE; r += SIDE * SIDE / DEPTH) {
        let cell = index % DEPTH * PITCH + r;
        let row = r / SIDE * ROWS + r % SIDE;
        let i = x_first + row;
        x_tile[cell] = vec4(
            x_value(i, component),
            x_value(i + SIDE, component),
            x_value(i + 2u * SIDE, component),
            x_value(i + 3u * SIDE, component),
        );
        let j = y_first + row;
        y_tile[cell] = vec4(
            y_value(j, component),
            y_value(j + SIDE, component),
            y_value(j + 2u * SIDE, component),
            y_value(j + 3u * SIDE, component),
        );
    }
}

// Adds something of each element of a with each of b, a column for each of a.
fn add_products(sums: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4(
        fma(vec4(a.x), b, sums[0]),
        fma(vec4(a.y), b, sums[1]),
        fma(vec4(a.z), b, sums[2]),
        fma(vec4(a.w), b, sums[3]),
    );
}

fn add_squares(sums: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    let x = a.x - b;
    let y = a.y - b;
    let z = a.z - b;
    let w = a.w - b;
    return mat4x4(
        fma(x, x, sums[0]),
        fma(y, y, sums[1]),
        fma(z, z, sums[2]),
        fma(w, w, sums[3]),
    );
}

fn store_one(row: u32, column: u32, value: f32, mirrored: bool) {
    if (row < sizes.x_rows && column < sizes.y_rows) {
        distances[row * sizes.y_rows + column] = value;
        if (mirrored) {
            distances[column * sizes.y_rows + row] = value;
        }
    }
}

fn store_row(row: u32, column: u32, sums: vec4<f32>, mirrored: bool) {
    var results = sums;
    if (sizes.measure == 1u) {
        results = select(sqrt(sums), vec4(0.0), sums == vec4(0.0));
    } else if (sizes.measure == 3u) {
        results = 1.0 - sums;
    }
    store_one(row, column, results.x, mirrored);
    store_one(row, column + SIDE, results.y, mirrored);
    store_one(row, column + 2u * SIDE, results.z, mirrored);
    store_one(row, column + 3u * SIDE, results.w, mirrored);
}

fn store(row: u32, column: u32, sums: mat4x4<f32>, mirrored: bool) {
    store_row(row, column, sums[0], mirrored);
    store_row(row + SIDE, column, sums[1], mirrored);
    store_row(row + 2u * SIDE, column, sums[2], mirrored);
    store_row(row + 3u * SIDE, column, sums[3], mirrored);
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let side = sizes.quadruples * ROWS;
    let tiles_across = (sizes.y_rows + side - 1u) / side;
    let tile = group.y * groups.x + group.x;
    let x_first = tile / tiles_across * side;
    let y_first = tile % tiles_across * side;
    let mirrored = sizes.symmetric == 1u && x_first != y_first;
    if (x_first >= sizes.x_rows || (mirrored && y_first < x_first)) {
        return;
    }

    // Of the first or second quadruple of x with the first or second of y.
    var sums_00 = mat4x4<f32>();
    var sums_01 = mat4x4<f32>();
    var sums_10 = mat4x4<f32>();
    var sums_11 = mat4x4<f32>();
    let large = sizes.quadruples == 2u;
    for (var first = 0u; first < sizes.components; first += DEPTH) {
        load(x_first, y_first, first, index);
        workgroupBarrier();

        let end = min(DEPTH, sizes.components - first) * PITCH;
        if (sizes.measure >= 2u && large) {
            for (var k = 0u; k < end; k += PITCH) {
                let a_0 = x_tile[k + local.y];
                let b_0 = y_tile[k + local.x];
                let a_1 = x_tile[k + SIDE + local.y];
                let b_1 = y_tile[k + SIDE + local.x];
                sums_00 = add_products(sums_00, a_0, b_0);
                sums_01 = add_products(sums_01, a_0, b_1);
                sums_10 = add_products(sums_10, a_1, b_0);
                sums_11 = add_products(sums_11, a_1, b_1);
            }
        } else if (sizes.measure >= 2u) {
            for (var k = 0u; k < end; k += PITCH) {
                sums_00 = add_products(sums_00, x_tile[k + local.y], y_tile[k + local.x]);
            }
        } else if (large) {
            for (var k = 0u; k < end; k += PITCH) {
                let a_0 = x_tile[k + local.y];
                let b_0 = y_tile[k + local.x];
                let a_1 = x_tile[k + SIDE + local.y];
                let b_1 = y_tile[k + SIDE + local.x];
                sums_00 = add_squares(sums_00, a_0, b_0);
                sums_01 = add_squares(sums_01, a_0, b_1);
                sums_10 = add_squares(sums_10, a_1, b_0);
                sums_11 = add_squares(sums_11, a_1, b_1);
            }
        } else {
            for (var k = 0u; k < end; k += PITCH) {
                sums_00 = add_squares(sums_00, x_tile[k + local.y], y_tile[k + local.x]);
            }
        }
        workgroupBarrier();
    }

    let row = x_first + local.y;
    let column = y_first + local.x;
    store(row, column, sums_00, mirrored);
    if (large) {
        store(row, column + ROWS, sums_01, mirrored);
        store(row + ROWS, column, sums_10, mirrored);
        store(row + ROWS, column + ROWS, sums_11, mirrored);
    }
}
