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

// Comes before no positive.
const ABSENT = 0xffffffffu;
// Gallery rows of a tile whose scores are compared at a time.
const HALF = 32u;

// include shared/order.wgsl
// include shared/scores.wgsl

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

    var keys_of_columns = scores(query_first, gallery_first, local.xy);

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
