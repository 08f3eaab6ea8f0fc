// The gallery rows of the smallest scores for each query, in order: smaller scores first, lower rows
// first among the same.
//
// One workgroup serves one query. It narrows down the interval that the last of the wanted rows is
// in, 8 bits of scores (then of row numbers) at a time, until a list can hold what comes before its
// end; then it finds the place of each in the list. Workgroups past the last query leave at once.

struct Sizes {
    query_rows: u32,
    gallery_rows: u32,
    wanted: u32,
    // What the list may hold at most: no less than `wanted`, no more than CAPACITY.
    capacity: u32,
    // Number of the first query: they may come in parts.
    offset: u32,
    unused_0: u32,
    unused_1: vec2<u32>,
}

// Ordered scores, [query_rows, gallery_rows].
@group(0) @binding(0)
var<storage, read_write> keys: array<u32>;

// The gallery row of each query of all parts, which is left out.
@group(0) @binding(1)
var<storage, read_write> own: array<i32>;

// [queries of all parts, wanted]; −1 where there are no more.
@group(0) @binding(2)
var<storage, read_write> rows: array<i32>;

// Bits of the scores.
@group(0) @binding(3)
var<storage, read_write> score_bits: array<u32>;

@group(0) @binding(4)
var<storage, read> sizes: Sizes;

const INVOCATIONS = 256u;
const CAPACITY = 1024u;
const INFINITY = 0x7f800000u;

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> list_keys: array<u32, CAPACITY>;
var<workgroup> list_rows: array<u32, CAPACITY>;
var<workgroup> listed: atomic<u32>;
// A digit, and how many candidates have a lower one and this one.
var<workgroup> found: vec3<u32>;
var<workgroup> own_row: u32;

// The bits of the score that an ordered one was made from.
fn bits(key: u32) -> u32 {
    return select((0x80000000u - key) | 0x80000000u, key & 0x7fffffffu, key >= 0x80000000u);
}

// Finds the digit of the candidate that `remaining` candidates do not come after.
fn find_digit(remaining: u32) {
    var below = 0u;
    for (var digit = 0u; digit < 256u; digit++) {
        let count = atomicLoad(&histogram[digit]);
        if (below + count >= remaining) {
            found = vec3(digit, below, count);
            return;
        }
        below += count;
    }
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let query = group.y * groups.x + group.x;
    if (query >= sizes.query_rows) {
        return;
    }
    if (index == 0u) {
        own_row = bitcast<u32>(own[sizes.offset + query]);
        atomicStore(&listed, 0u);
    }
    let left_out = workgroupUniformLoad(&own_row);
    let available = sizes.gallery_rows - select(0u, 1u, left_out < sizes.gallery_rows);
    let wanted = min(sizes.wanted, available);
    let base = query * sizes.gallery_rows;

    // Candidates for the last of the wanted rows have these digits.
    var key_mask = 0u;
    var key_digits = 0u;
    var row_mask = 0u;
    var row_digits = 0u;
    var before = 0u;
    var candidates = available;
    for (var level = 0u; level < 8u && before + candidates > sizes.capacity; level++) {
        atomicStore(&histogram[index], 0u);
        workgroupBarrier();
        let shift = 24u - level % 4u * 8u;
        for (var row = index; row < sizes.gallery_rows; row += INVOCATIONS) {
            let key = keys[base + row];
            let candidate = (key & key_mask) == key_digits && (row & row_mask) == row_digits;
            if (candidate && row != left_out) {
                let digit = (select(row, key, level < 4u) >> shift) & 0xffu;
                atomicAdd(&histogram[digit], 1u);
            }
        }
        workgroupBarrier();
        if (index == 0u) {
            find_digit(wanted - before);
        }
        let digit = workgroupUniformLoad(&found);
        if (level < 4u) {
            key_mask |= 0xffu << shift;
            key_digits |= digit.x << shift;
        } else {
            row_mask |= 0xffu << shift;
            row_digits |= digit.x << shift;
        }
        before += digit.y;
        candidates = digit.z;
    }

    for (var row = index; row < sizes.gallery_rows; row += INVOCATIONS) {
        let key = keys[base + row];
        let lower = (key & key_mask) < key_digits;
        let candidate = (key & key_mask) == key_digits && (row & row_mask) <= row_digits;
        if ((lower || candidate) && row != left_out) {
            let place = atomicAdd(&listed, 1u);
            if (place < CAPACITY) {
                list_keys[place] = key;
                list_rows[place] = row;
            }
        }
    }
    workgroupBarrier();

    // The place of each row in the list is the number of those that come before it.
    let count = before + candidates;
    let first_output = (sizes.offset + query) * sizes.wanted;
    for (var place = index; place < count; place += INVOCATIONS) {
        let key = list_keys[place];
        let row = list_rows[place];
        var rank = 0u;
        for (var other = 0u; other < count; other++) {
            let other_key = list_keys[other];
            let earlier = other_key == key && list_rows[other] < row;
            rank += select(0u, 1u, other_key < key || earlier);
        }
        if (rank < wanted) {
            rows[first_output + rank] = i32(row);
            score_bits[first_output + rank] = bits(key);
        }
    }
    for (var place = wanted + index; place < sizes.wanted; place += INVOCATIONS) {
        rows[first_output + place] = -1;
        score_bits[first_output + place] = INFINITY;
    }
}
