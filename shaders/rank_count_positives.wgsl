// What rank_count.wgsl needs: the scores of the positives as whole numbers of the same order, and
// counts of zero. One invocation serves one positive.
//
// Scores are added up in the order of rank_count.wgsl, by the same `fma`: duplicates tie exactly.

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

// [query_rows, positives]; 0 for padding, which is below every key.
@group(0) @binding(3)
var<storage, read_write> keys: array<u32>;

@group(0) @binding(4)
var<storage, read_write> counts: array<u32>;

@group(0) @binding(5)
var<storage, read> sizes: Sizes;

// include shared/order.wgsl

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let place = (group.y * groups.x + group.x) * 256u + index;
    if (place >= sizes.query_rows * sizes.positives) {
        return;
    }
    counts[place] = 0u;
    let row = positives[place];
    if (row < 0 || u32(row) >= sizes.gallery_rows) {
        keys[place] = 0u;
        return;
    }

    let query_first = place / sizes.positives * sizes.components;
    let gallery_first = u32(row) * sizes.components;
    var score = 0.0;
    if (sizes.score == EUCLIDEAN) {
        for (var k = 0u; k < sizes.components; k++) {
            let difference = queries[query_first + k] - gallery[gallery_first + k];
            score = fma(difference, difference, score);
        }
    } else {
        for (var k = 0u; k < sizes.components; k++) {
            score = fma(queries[query_first + k], gallery[gallery_first + k], score);
        }
        score = -score;
    }
    keys[place] = ordered(vec4(score)).x;
}
