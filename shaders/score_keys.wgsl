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
