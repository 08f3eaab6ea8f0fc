// For each positive of each query the number of gallery rows that come before it: those of a
// smaller score, or of the same score and a lower number.
//
// One workgroup computes the scores of a square tile of queries and gallery rows, compares them with
// those of the queries' positives, and adds what it counted to the result. Workgroups past the last
// tile leave at once.

struct Sizes {
    query_rows: u32,
    gallery_rows: u32,
    components: u32,
    positives: u32,
    score: u32,
    unused_0: u32,
    unused_1: vec2<u32>,
}

@group(0) @binding(0)
var<storage, read_write> queries: array<f32>;

@group(0) @binding(1)
var<storage, read_write> gallery: array<f32>;

// Gallery rows, [query_rows, positives].
@group(0) @binding(2)
var<storage, read_write> positives: array<i32>;

// The gallery row of each query itself, which is not counted.
@group(0) @binding(3)
var<storage, read_write> own: array<i32>;

// Ordered scores of the positives, [query_rows, positives]; 0 for padding.
@group(0) @binding(4)
var<storage, read_write> keys: array<u32>;

@group(0) @binding(5)
var<storage, read_write> counts: array<atomic<u32>>;

@group(0) @binding(6)
var<storage, read> sizes: Sizes;

const EUCLIDEAN = 0u;
const NOT_A_NUMBER = 0xfffffffeu;
// Comes before no positive.
const ABSENT = 0xffffffffu;
// Rows on each side of a tile; an invocation computes the scores of 4 by 4.
const SIDE = 64u;
// Components of a tile that are held at a time.
const DEPTH = 16u;
// Groups of 4 rows, and 1 more, so that accesses spread over the memory banks.
const PITCH = 17u;
// Gallery rows of a tile whose scores are compared at a time.
const HALF = 32u;

// Components of queries and gallery rows, then ordered scores of half the gallery rows: each vector
// belongs to 4 neighbouring rows.
var<workgroup> tile: array<vec4<u32>, 2 * DEPTH * PITCH>;

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
        tile[local.x * PITCH + local.y] = bitcast<vec4<u32>>(x);
        tile[(DEPTH + local.x) * PITCH + local.y] = bitcast<vec4<u32>>(y);
        workgroupBarrier();

        if (sizes.score == EUCLIDEAN) {
            for (var k = 0u; k < DEPTH; k++) {
                let x = bitcast<vec4<f32>>(tile[k * PITCH + local.y]);
                let y = bitcast<vec4<f32>>(tile[(DEPTH + k) * PITCH + local.x]);
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
                let x = bitcast<vec4<f32>>(tile[k * PITCH + local.y]);
                let y = bitcast<vec4<f32>>(tile[(DEPTH + k) * PITCH + local.x]);
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

    var own_rows = vec4(-1);
    for (var i = 0u; i < 4u; i++) {
        let query = query_first + 4u * local.y + i;
        if (query < sizes.query_rows) {
            own_rows[i] = own[query];
        }
    }
    for (var half = 0u; half < 2u; half++) {
        if (local.x * 4u / HALF == half) {
            for (var i = 0u; i < 4u; i++) {
                let column = 4u * local.x + i;
                let row = gallery_first + column;
                let absent = vec4(row >= sizes.gallery_rows)
                    | (own_rows == vec4(i32(row)));
                let key = select(keys_of_columns[i], vec4(ABSENT), absent);
                tile[column % HALF * PITCH + local.y] = key;
            }
        }
        workgroupBarrier();

        let first = query_first + 4u * local.x;
        for (var slot = local.y; slot < sizes.positives; slot += 16u) {
            var limit = vec4(0u);
            var place = vec4(-1);
            for (var i = 0u; i < 4u; i++) {
                if (first + i < sizes.query_rows) {
                    let index = (first + i) * sizes.positives + slot;
                    limit[i] = keys[index];
                    // Of padding the key is below all others, whatever its row.
                    place[i] = select(-1, positives[index], limit[i] != 0u);
                }
            }
            var count = vec4(0u);
            for (var column = 0u; column < HALF; column++) {
                let row = i32(gallery_first + half * HALF + column);
                // The lower row comes first where scores are the same.
                let tied = select(vec4(0u), vec4(1u), vec4(row) < place);
                let before = tile[column * PITCH + local.x] < limit + tied;
                count += select(vec4(0u), vec4(1u), before);
            }
            for (var i = 0u; i < 4u; i++) {
                if (count[i] > 0u) {
                    atomicAdd(&counts[(first + i) * sizes.positives + slot], count[i]);
                }
            }
        }
        workgroupBarrier();
    }
}
