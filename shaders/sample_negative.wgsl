// A random choice of one candidate in each row, with chances in proportion to weights: the first
// column whose cumulative weight exceeds the row's uniform number times the total.
//
// One workgroup chooses for one row, in which each invocation has a segment of neighbouring columns.
// Workgroups past the last row leave at once.

struct Parameters {
    rows: u32,
    columns: u32,
    // What the weights are: 0: all the same, 1: exponentials of the values, 2: the inverse density
    // of distances on the sphere, of which the values are the squares.
    weights: u32,
    // Of the sphere's log-weight slope * ln s + bend * ln(1 - s / 4) of squared distances s.
    slope: f32,
    bend: f32,
    // Smallest and largest s.
    nearest: f32,
    farthest: f32,
    // 1 - s / 4 for the largest s.
    lowest: f32,
}

// 32-bit floats, as words: a compiler may take a comparison's word that there is no NaN.
@group(0) @binding(0)
var<storage, read_write> values: array<u32>;

// Not zero: a candidate.
@group(0) @binding(1)
var<storage, read_write> candidates: array<u32>;

@group(0) @binding(2)
var<storage, read_write> uniform_numbers: array<f32>;

@group(0) @binding(3)
var<storage, read_write> chosen: array<i32>;

@group(0) @binding(4)
var<storage, read> parameters: Parameters;

const INVOCATIONS = 64u;
// Segments in a block of them.
const BLOCK = 8u;
const BLOCKS = INVOCATIONS / BLOCK;
// Log-weights are clamped to +- this.
const BOUND = 1e30;

var<workgroup> maxima: array<f32, INVOCATIONS>;
var<workgroup> block_maxima: array<f32, BLOCKS>;
var<workgroup> sums: array<f32, INVOCATIONS>;
var<workgroup> block_sums: array<f32, BLOCKS>;
// Of the segments of positive weight, the first that reaches beyond the target, and the last.
var<workgroup> first: atomic<u32>;
var<workgroup> last: atomic<u32>;

fn is_candidate(place: u32) -> bool {
    return candidates[place] != 0u;
}

fn log_weight(place: u32) -> f32 {
    let word = values[place];
    let is_number = (word & 0x7fffffffu) <= 0x7f800000u;
    let value = bitcast<f32>(select(0u, word, is_number));
    if (parameters.weights == 1u) {
        return select(-BOUND, clamp(value, -BOUND, BOUND), is_number);
    }
    let squared = select(4.0, clamp(value, parameters.nearest, 4.0), is_number);
    let rest = max(1.0 - 0.25 * squared, parameters.lowest);
    return parameters.slope * log(min(squared, parameters.farthest)) + parameters.bend * log(rest);
}

// Weight of a candidate, at most 1.
fn weight(place: u32, largest_log_weight: f32) -> f32 {
    if (parameters.weights == 0u) {
        return 1.0;
    }
    return exp(log_weight(place) - largest_log_weight);
}

fn largest_of(begin: u32, end: u32) -> f32 {
    var result = -BOUND;
    if (parameters.weights != 0u) {
        for (var place = begin; place < end; place++) {
            if (is_candidate(place)) {
                result = max(result, log_weight(place));
            }
        }
    }
    return result;
}

fn sum_of(begin: u32, end: u32, largest_log_weight: f32) -> f32 {
    var result = 0.0;
    for (var place = begin; place < end; place++) {
        if (is_candidate(place)) {
            result += weight(place, largest_log_weight);
        }
    }
    return result;
}

// The first column of a segment of positive weight whose cumulative weight exceeds the target, or,
// where rounding has passed that by, the last one of positive weight.
fn search(begin: u32, end: u32, largest_log_weight: f32, before: f32, target_sum: f32) -> u32 {
    var cumulative = before;
    var found = begin;
    for (var place = begin; place < end; place++) {
        if (is_candidate(place)) {
            let share = weight(place, largest_log_weight);
            cumulative += share;
            if (share > 0.0) {
                found = place;
                if (cumulative > target_sum) {
                    break;
                }
            }
        }
    }
    return found;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let row = group.y * groups.x + group.x;
    if (row >= parameters.rows) {
        return;
    }
    let columns = parameters.columns;
    let length = (columns + INVOCATIONS - 1u) / INVOCATIONS;
    let begin = row * columns + min(index * length, columns);
    let end = row * columns + min((index + 1u) * length, columns);

    maxima[index] = largest_of(begin, end);
    if (index == 0u) {
        atomicStore(&first, INVOCATIONS);
        atomicStore(&last, 0u);
    }
    workgroupBarrier();
    if (index < BLOCKS) {
        var largest = -BOUND;
        for (var i = 0u; i < BLOCK; i++) {
            largest = max(largest, maxima[index * BLOCK + i]);
        }
        block_maxima[index] = largest;
    }
    workgroupBarrier();
    var largest_log_weight = -BOUND;
    for (var i = 0u; i < BLOCKS; i++) {
        largest_log_weight = max(largest_log_weight, block_maxima[i]);
    }

    let sum = sum_of(begin, end, largest_log_weight);
    sums[index] = sum;
    workgroupBarrier();
    if (index < BLOCKS) {
        var block_sum = 0.0;
        for (var i = 0u; i < BLOCK; i++) {
            block_sum += sums[index * BLOCK + i];
        }
        block_sums[index] = block_sum;
    }
    workgroupBarrier();
    var before = 0.0;
    var total = 0.0;
    for (var i = 0u; i < BLOCKS; i++) {
        before += select(0.0, block_sums[i], i < index / BLOCK);
        total += block_sums[i];
    }
    for (var i = index / BLOCK * BLOCK; i < index; i++) {
        before += sums[i];
    }
    var target_sum = uniform_numbers[row] * total;
    if (parameters.weights == 0u) {
        // The number of the candidate: whole numbers, exact in single precision.
        target_sum = min(floor(target_sum), total - 1.0);
    }

    if (sum > 0.0) {
        atomicMax(&last, index);
        if (before + sum > target_sum) {
            atomicMin(&first, index);
        }
    }
    workgroupBarrier();
    // Rounding may leave nothing beyond the target.
    if (sum > 0.0 && index == min(atomicLoad(&first), atomicLoad(&last))) {
        let place = search(begin, end, largest_log_weight, before, target_sum);
        chosen[row] = i32(place - row * columns);
    } else if (index == 0u && !(total > 0.0)) {
        // No candidate.
        chosen[row] = 0;
    }
}
