// Scores of all pairs of a query and a gallery row as whole numbers of the same order.
//
// One workgroup computes a square tile. Workgroups past the last tile leave at once.

struct Sizes {
    query_rows: u32,
    gallery_rows: u32,
    components: u32,
    score: u32,
}

@group(0) @binding(0)
var<storage, read_write> queries: array<f32>;

@group(0) @binding(1)
var<storage, read_write> gallery: array<f32>;

// [query_rows, gallery_rows]
@group(0) @binding(2)
var<storage, read_write> keys: array<u32>;

@group(0) @binding(3)
var<storage, read> sizes: Sizes;

const EUCLIDEAN = 0u;
const NOT_A_NUMBER = 0xfffffffeu;
// Rows on each side of a tile; an invocation computes the scores of 4 by 4.
const SIDE = 64u;
// Components of a tile that are held at a time.
const DEPTH = 16u;
// Groups of 4 rows, and 1 more, so that accesses spread over the memory banks.
const PITCH = 17u;

// Components of queries and gallery rows: each vector belongs to 4 neighbouring rows.
var<workgroup> tile: array<vec4<f32>, 2 * DEPTH * PITCH>;

// Scores as whole numbers of the same order; what is not a number comes last. Made from bits,
// because compilers may assume that there is nothing that is not a number.
fn ordered(score: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(score);
    let magnitude = bits & vec4(0x7fffffffu);
    let positive = magnitude | vec4(0x80000000u);
    let key = select(vec4(0x80000000u) - magnitude, positive, bits == magnitude);
    return select(key, vec4(NOT_A_NUMBER), magnitude > vec4(0x7f800000u));
}

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let tiles_across = (sizes.gallery_rows + SIDE - 1u) / SIDE;
    let number = group.y * groups.x + group.x;
    let query_first = number / tiles_across * SIDE;
    let gallery_first = number % tiles_across * SIDE;
    if (query_first >= sizes.query_rows) {
        return;
    }

    var column_0 = vec4(0.0);
    var column_1 = vec4(0.0);
    var column_2 = vec4(0.0);
    var column_3 = vec4(0.0);
    for (var first = 0u; first < sizes.components; first += DEPTH) {
        let component = first + local.x;
        var x = vec4(0.0);
        var y = vec4(0.0);
        if (component < sizes.components) {
            for (var i = 0u; i < 4u; i++) {
                let x_row = query_first + 4u * local.y + i;
                if (x_row < sizes.query_rows) {
                    x[i] = queries[x_row * sizes.components + component];
                }
                let y_row = gallery_first + 4u * local.y + i;
                if (y_row < sizes.gallery_rows) {
                    y[i] = gallery[y_row * sizes.components + component];
                }
            }
        }
        tile[local.x * PITCH + local.y] = x;
        tile[(DEPTH + local.x) * PITCH + local.y] = y;
        workgroupBarrier();

        if (sizes.score == EUCLIDEAN) {
            for (var k = 0u; k < DEPTH; k++) {
                let x = tile[k * PITCH + local.y];
                let y = tile[(DEPTH + k) * PITCH + local.x];
                let difference_0 = x - vec4(y.x);
                let difference_1 = x - vec4(y.y);
                let difference_2 = x - vec4(y.z);
                let difference_3 = x - vec4(y.w);
                column_0 = fma(difference_0, difference_0, column_0);
                column_1 = fma(difference_1, difference_1, column_1);
                column_2 = fma(difference_2, difference_2, column_2);
                column_3 = fma(difference_3, difference_3, column_3);
            }
        } else {
            for (var k = 0u; k < DEPTH; k++) {
                let x = tile[k * PITCH + local.y];
                let y = tile[(DEPTH + k) * PITCH + local.x];
                column_0 = fma(x, vec4(y.x), column_0);
                column_1 = fma(x, vec4(y.y), column_1);
                column_2 = fma(x, vec4(y.z), column_2);
                column_3 = fma(x, vec4(y.w), column_3);
            }
        }
        workgroupBarrier();
    }
    let sign = select(-1.0, 1.0, sizes.score == EUCLIDEAN);
    var keys_of_columns = array<vec4<u32>, 4>(
        ordered(sign * column_0),
        ordered(sign * column_1),
        ordered(sign * column_2),
        ordered(sign * column_3),
    );

    for (var i = 0u; i < 4u; i++) {
        let query = query_first + 4u * local.y + i;
        for (var j = 0u; j < 4u; j++) {
            let row = gallery_first + 4u * local.x + j;
            if (query < sizes.query_rows && row < sizes.gallery_rows) {
                keys[query * sizes.gallery_rows + row] = keys_of_columns[j][i];
            }
        }
    }
}
