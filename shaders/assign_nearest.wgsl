// The nearest centroid of each point, the lower one of two that are equally near, and its score.
//
// One workgroup serves 64 points and walks along the centroids. Workgroups past the last point leave
// at once.

struct Sizes {
    query_rows: u32,
    gallery_rows: u32,
    components: u32,
    score: u32,
}

// The points.
@group(0) @binding(0)
var<storage, read_write> queries: array<f32>;

// The centroids.
@group(0) @binding(1)
var<storage, read_write> gallery: array<f32>;

@group(0) @binding(2)
var<storage, read_write> nearest: array<u32>;

// Bits of the scores.
@group(0) @binding(3)
var<storage, read_write> score_bits: array<u32>;

@group(0) @binding(4)
var<storage, read> sizes: Sizes;

// Comes after every other.
const ABSENT = 0xffffffffu;

// The bits of the score that an ordered one was made from.
fn bits(key: u32) -> u32 {
    return select((0x80000000u - key) | 0x80000000u, key & 0x7fffffffu, key >= 0x80000000u);
}

// include shared/order.wgsl
// include shared/scores.wgsl

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let point_first = (group.y * groups.x + group.x) * SIDE;
    if (point_first >= sizes.query_rows) {
        return;
    }

    var best = vec4(ABSENT);
    var best_row = vec4(ABSENT);
    for (var start = 0u; start < sizes.gallery_rows; start += SIDE) {
        var keys_of_columns = scores(point_first, start, local.xy);
        for (var i = 0u; i < 4u; i++) {
            let row = start + 4u * local.x + i;
            let nearer = (keys_of_columns[i] < best) & vec4(row < sizes.gallery_rows);
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
        if (point < sizes.query_rows) {
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
