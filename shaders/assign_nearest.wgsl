// The nearest centroid of each point, the lower one of two that are equally near, and its score.
//
// One workgroup serves 64 points and walks along the centroids. Workgroups past the last point leave
// at once.

struct Sizes {
    point_rows: u32,
    centroid_rows: u32,
    components: u32,
    score: u32,
}

@group(0) @binding(0)
var<storage, read_write> points: array<f32>;

@group(0) @binding(1)
var<storage, read_write> centroids: array<f32>;

@group(0) @binding(2)
var<storage, read_write> nearest: array<u32>;

// Bits of the scores.
@group(0) @binding(3)
var<storage, read_write> score_bits: array<u32>;

@group(0) @binding(4)
var<storage, read> sizes: Sizes;

const EUCLIDEAN = 0u;
const NOT_A_NUMBER = 0xfffffffeu;
// Comes after every other.
const ABSENT = 0xffffffffu;
// Rows on each side of a tile; an invocation computes the scores of 4 by 4.
const SIDE = 64u;
// Components of a tile that are held at a time.
const DEPTH = 16u;
// Groups of 4 rows, and 1 more, so that accesses spread over the memory banks.
const PITCH = 17u;

// Components of points and centroids, then the nearest of each invocation: each vector belongs to 4
// neighbouring rows.
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

// The bits of the score that an ordered one was made from.
fn bits(key: u32) -> u32 {
    return select((0x80000000u - key) | 0x80000000u, key & 0x7fffffffu, key >= 0x80000000u);
}

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let point_first = (group.y * groups.x + group.x) * SIDE;
    if (point_first >= sizes.point_rows) {
        return;
    }

    var best = vec4(ABSENT);
    var best_row = vec4(ABSENT);
    for (var start = 0u; start < sizes.centroid_rows; start += SIDE) {
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
                    let x_row = point_first + 4u * local.y + i;
                    if (x_row < sizes.point_rows) {
                        x[i] = points[x_row * sizes.components + component];
                    }
                    let y_row = start + 4u * local.y + i;
                    if (y_row < sizes.centroid_rows) {
                        y[i] = centroids[y_row * sizes.components + component];
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
        for (var i = 0u; i < 4u; i++) {
            let row = start + 4u * local.x + i;
            let nearer = (keys_of_columns[i] < best) & vec4(row < sizes.centroid_rows);
            best = select(best, keys_of_columns[i], nearer);
            best_row = select(best_row, vec4(row), nearer);
        }
    }

    tile[local.x * PITCH + local.y] = best;
    tile[(DEPTH + local.x) * PITCH + local.y] = best_row;
    workgroupBarrier();
    // 16 invocations serve 4 points each.
    if (local.y > 0u) {
        return;
    }
    for (var i = 0u; i < 4u; i++) {
        let point = point_first + 4u * local.x + i;
        if (point < sizes.point_rows) {
            var key = ABSENT;
            var row = ABSENT;
            for (var other = 0u; other < 16u; other++) {
                let other_key = tile[other * PITCH + local.x][i];
                let other_row = tile[(DEPTH + other) * PITCH + local.x][i];
                if (other_key < key || (other_key == key && other_row < row)) {
                    key = other_key;
                    row = other_row;
                }
            }
            nearest[point] = row;
            score_bits[point] = bits(key);
        }
    }
}
