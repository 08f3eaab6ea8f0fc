// Rows on each side of a tile; an invocation computes the scores of 4 by 4.
const SIDE = 64u;
// Components of a tile that are held at a time.
const DEPTH = 16u;
// Groups of 4 rows, and 1 more, so that accesses spread over the memory banks.
const PITCH = 17u;

// Components of queries and gallery rows: each vector belongs to 4 neighbouring rows. Afterwards for
// whatever else a shader needs.
var<workgroup> tile: array<vec4<u32>, 2 * DEPTH * PITCH>;

// Ordered scores of 4 queries, from number query_first + 4 local.y on, with 4 gallery rows, from
// gallery_first + 4 local.x on: a vector for each gallery row. To be called by all invocations of a
// workgroup of 16 by 16, with the same first rows, from a shader that declares `queries`, `gallery`
// and `sizes`.
fn scores(query_first: u32, gallery_first: u32, local: vec2<u32>) -> array<vec4<u32>, 4> {
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
    return array<vec4<u32>, 4>(
        ordered(sign * column_0),
        ordered(sign * column_1),
        ordered(sign * column_2),
        ordered(sign * column_3),
    );
}
