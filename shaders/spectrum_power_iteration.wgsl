// One round of a block power iteration for all singular values: vectors are turned until each is
// orthogonal to all others; their norms are then the singular values.
//
// Multiplying all vectors by the Gram matrix and orthogonalising them again separates neighbouring
// values only as fast as the powers of their ratio. So the subspace spanned by two blocks of
// vectors is solved exactly instead (Rayleigh-Ritz): the Gram matrix of the two blocks is
// diagonalised by Jacobi rotations, the product of the rotations is orthogonalised, and applied to
// the vectors. A sweep of rounds brings all pairs of blocks together; the convergence is quadratic.
// The inner products are those of the vectors as they are now, so that small singular values do not
// drown in the rounding of a Gram matrix of the whole.
//
// One workgroup turns one pair of blocks. All leave at once in the sweeps after one that found the
// vectors orthogonal.

struct Sizes {
    vectors: u32,
    length: u32,
    sweep: u32,
    round: u32,
}

@group(0) @binding(0)
var<storage, read_write> vectors: array<f32>;

// Bits of the largest absolute value of the input; then for each sweep those of the largest cosine
// found; then for each sweep those of the largest squared norm found.
@group(0) @binding(1)
var<storage, read_write> state: array<atomic<u32>>;

@group(0) @binding(2)
var<storage, read> sizes: Sizes;

const BLOCK = 16u;
const PAIR = 32u;
// A row takes one element more, so that a column lies in different memory banks.
const PITCH = PAIR + 1u;
// As in `cube.rs`.
const SWEEPS = 16u;
const COSINES = 1u;
const NORMS = COSINES + SWEEPS;
// A sweep that finds no larger cosine is the last: what it leaves is rounding.
const CONVERGED = 2e-6;
// Cosines of which none is larger are rounding.
const NEGLIGIBLE = 1e-7;
const NOT_FINITE = 0x7f800000u;

var<workgroup> gram: array<f32, PAIR * PITCH>;
var<workgroup> basis: array<f32, PAIR * PITCH>;
var<workgroup> tile: array<f32, PAIR * PITCH>;
var<workgroup> cosine: array<f32, BLOCK>;
var<workgroup> sine: array<f32, BLOCK>;
var<workgroup> row_worst: array<f32, PAIR>;
var<workgroup> largest: f32;
var<workgroup> goes_on: u32;

// The pair with number `index` in round `round` of a tournament of `players`, an even number: the
// last player stays, the others move in a circle.
fn opponents(index: u32, round: u32, players: u32) -> vec2<u32> {
    let moving = players - 1u;
    if (index == 0u) {
        return vec2(round, moving);
    }
    return vec2((round + index) % moving, (round + moving - index) % moving);
}

// Number of the vector with number `place` in a pair of blocks.
fn vector_at(place: u32, blocks: vec2<u32>) -> u32 {
    return select(blocks.y, blocks.x, place < BLOCK) * BLOCK + place % BLOCK;
}

// Loads components from `first` on, zero for those and for vectors that do not exist.
fn load_tile(first: u32, blocks: vec2<u32>, lane: u32) {
    for (var index = lane; index < PAIR * PAIR; index += 256u) {
        let place = index / PAIR;
        let vector = vector_at(place, blocks);
        let component = first + index % PAIR;
        var value = 0.0;
        if (vector < sizes.vectors && component < sizes.length) {
            value = vectors[vector * sizes.length + component];
        }
        tile[place * PITCH + index % PAIR] = value;
    }
}

// Inner products of all vectors of the pair.
fn multiply_vectors(blocks: vec2<u32>, local: vec2<u32>, lane: u32) {
    var upper = vec2(0.0);
    var lower = vec2(0.0);
    for (var first = 0u; first < sizes.length; first += PAIR) {
        load_tile(first, blocks, lane);
        workgroupBarrier();
        // Sums of sums lose fewer digits.
        var upper_part = vec2(0.0);
        var lower_part = vec2(0.0);
        for (var k = 0u; k < PAIR; k++) {
            let right = vec2(tile[local.x * PITCH + k], tile[(local.x + BLOCK) * PITCH + k]);
            upper_part += tile[local.y * PITCH + k] * right;
            lower_part += tile[(local.y + BLOCK) * PITCH + k] * right;
        }
        upper += upper_part;
        lower += lower_part;
        workgroupBarrier();
    }
    gram[local.y * PITCH + local.x] = upper.x;
    gram[local.y * PITCH + local.x + BLOCK] = upper.y;
    gram[(local.y + BLOCK) * PITCH + local.x] = lower.x;
    gram[(local.y + BLOCK) * PITCH + local.x + BLOCK] = lower.y;
}

// The largest of |a·b| / (max(|a|, |b|)·s) over pairs of vectors, with s the largest norm: what
// their not being orthogonal can change a singular value by, relative to the largest one.
fn measure(lane: u32) {
    if (lane < PAIR) {
        var square = 0.0;
        if (sizes.sweep > 0u) {
            square = bitcast<f32>(atomicLoad(&state[NORMS + sizes.sweep - 1u]));
        }
        for (var j = 0u; j < PAIR; j++) {
            square = max(square, gram[j * PITCH + j]);
        }
        var worst = 0.0;
        let own = gram[lane * PITCH + lane];
        for (var j = 0u; j < PAIR; j++) {
            let limit = max(max(own, gram[j * PITCH + j]) * square, 1e-30);
            let product = select(abs(gram[lane * PITCH + j]), 0.0, j == lane);
            worst = max(worst, product / sqrt(limit));
        }
        row_worst[lane] = worst;
        if (lane == 0u) {
            largest = square;
        }
    }
    workgroupBarrier();
    if (lane == 0u) {
        var worst = 0.0;
        for (var j = 0u; j < PAIR; j++) {
            worst = max(worst, row_worst[j]);
        }
        atomicMax(&state[COSINES + sizes.sweep], bitcast<u32>(worst));
        atomicMax(&state[NORMS + sizes.sweep], bitcast<u32>(largest));
        goes_on = select(0u, 1u, worst > NEGLIGIBLE);
    }
}

// One tournament of Jacobi rotations of the Gram matrix; `basis` becomes their product.
fn diagonalise(local: vec2<u32>, lane: u32) {
    for (var round = 0u; round < PAIR - 1u; round++) {
        if (lane < BLOCK) {
            let pair = opponents(lane, round, PAIR);
            let product = gram[pair.x * PITCH + pair.y];
            let difference = gram[pair.y * PITCH + pair.y] - gram[pair.x * PITCH + pair.x];
            let root = sqrt(difference * difference + 4.0 * product * product);
            let sum = abs(difference) + root;
            var tangent = 0.0;
            if (sum > 0.0) {
                tangent = 2.0 * product / select(sum, -sum, difference < 0.0);
            }
            let scale = 1.0 / sqrt(1.0 + tangent * tangent);
            cosine[lane] = scale;
            sine[lane] = scale * tangent;
        }
        workgroupBarrier();

        let rows = opponents(local.y, round, PAIR);
        let columns = opponents(local.x, round, PAIR);
        let c = vec2(cosine[local.x], cosine[local.y]);
        let s = vec2(sine[local.x], sine[local.y]);
        let places = vec4(
            rows.x * PITCH + columns.x,
            rows.x * PITCH + columns.y,
            rows.y * PITCH + columns.x,
            rows.y * PITCH + columns.y,
        );
        let old = vec4(gram[places.x], gram[places.y], gram[places.z], gram[places.w]);
        // Columns, then rows.
        let first = c.x * old.xz - s.x * old.yw;
        let second = s.x * old.xz + c.x * old.yw;
        let on_diagonal = local.x == local.y;
        gram[places.x] = c.y * first.x - s.y * first.y;
        gram[places.y] = select(c.y * second.x - s.y * second.y, 0.0, on_diagonal);
        gram[places.z] = select(s.y * first.x + c.y * first.y, 0.0, on_diagonal);
        gram[places.w] = s.y * second.x + c.y * second.y;
        for (var row = local.y; row < PAIR; row += BLOCK) {
            let x = basis[row * PITCH + columns.x];
            let y = basis[row * PITCH + columns.y];
            basis[row * PITCH + columns.x] = c.x * x - s.x * y;
            basis[row * PITCH + columns.y] = s.x * x + c.x * y;
        }
        workgroupBarrier();
    }
}

// Removes what rounding has left of `basis` not being orthogonal, by a step of Newton and Schulz:
// V + V(1 - VᵀV)/2. Then takes 1 off the diagonal: in late sweeps V differs from 1 by less than a
// number near 1 can tell, and norms would grow from round to round.
fn orthogonalise(local: vec2<u32>) {
    for (var i = local.y; i < PAIR; i += BLOCK) {
        for (var j = local.x; j < PAIR; j += BLOCK) {
            var error = 0.0;
            for (var k = 0u; k < PAIR; k++) {
                let product = basis[k * PITCH + i] * basis[k * PITCH + j];
                error -= select(product, 0.0, i == j && k == i);
            }
            if (i == j) {
                let own = basis[i * PITCH + i];
                error += (1.0 - own) * (1.0 + own);
            }
            tile[i * PITCH + j] = error;
        }
    }
    workgroupBarrier();
    var change = mat2x2<f32>();
    for (var k = 0u; k < PAIR; k++) {
        let error = vec2(tile[k * PITCH + local.x], tile[k * PITCH + local.x + BLOCK]);
        change[0] += basis[local.y * PITCH + k] * error;
        change[1] += basis[(local.y + BLOCK) * PITCH + k] * error;
    }
    workgroupBarrier();
    let one = select(0.0, 1.0, local.x == local.y);
    let upper = local.y * PITCH + local.x;
    let lower = upper + BLOCK * PITCH;
    basis[upper] = (basis[upper] - one) + 0.5 * change[0].x;
    basis[upper + BLOCK] += 0.5 * change[0].y;
    basis[lower] += 0.5 * change[1].x;
    basis[lower + BLOCK] = (basis[lower + BLOCK] - one) + 0.5 * change[1].y;
    workgroupBarrier();
}

// Adds to the vectors their combinations with the coefficients in the columns of `basis`.
fn turn(blocks: vec2<u32>, local: vec2<u32>, lane: u32) {
    for (var first = 0u; first < sizes.length; first += PAIR) {
        load_tile(first, blocks, lane);
        workgroupBarrier();
        for (var place = local.y; place < PAIR; place += BLOCK) {
            var sums = vec2(0.0);
            for (var k = 0u; k < PAIR; k++) {
                let old = vec2(tile[k * PITCH + local.x], tile[k * PITCH + local.x + BLOCK]);
                sums += basis[k * PITCH + place] * old;
            }
            sums += vec2(tile[place * PITCH + local.x], tile[place * PITCH + local.x + BLOCK]);
            let vector = vector_at(place, blocks);
            let component = first + local.x;
            if (vector < sizes.vectors) {
                if (component < sizes.length) {
                    vectors[vector * sizes.length + component] = sums.x;
                }
                if (component + BLOCK < sizes.length) {
                    vectors[vector * sizes.length + component + BLOCK] = sums.y;
                }
            }
        }
        workgroupBarrier();
    }
}

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // An even number of blocks; one may be empty.
    let players = max((sizes.vectors + PAIR - 1u) / PAIR, 1u) * 2u;
    let index = group.y * groups.x + group.x;
    if (index >= players / 2u) {
        return;
    }
    if (lane == 0u) {
        goes_on = select(0u, 1u, atomicLoad(&state[0]) < NOT_FINITE);
        if (sizes.sweep > 0u) {
            let found = bitcast<f32>(atomicLoad(&state[COSINES + sizes.sweep - 1u]));
            goes_on = select(0u, goes_on, found > CONVERGED);
        }
    }
    if (workgroupUniformLoad(&goes_on) == 0u) {
        return;
    }

    let blocks = opponents(index, sizes.round, players);
    multiply_vectors(blocks, local.xy, lane);
    for (var row = local.y; row < PAIR; row += BLOCK) {
        basis[row * PITCH + local.x] = select(0.0, 1.0, row == local.x);
        basis[row * PITCH + local.x + BLOCK] = select(0.0, 1.0, row == local.x + BLOCK);
    }
    workgroupBarrier();
    measure(lane);
    if (workgroupUniformLoad(&goes_on) == 0u) {
        return;
    }
    diagonalise(local.xy, lane);
    diagonalise(local.xy, lane);
    orthogonalise(local.xy);
    turn(blocks, local.xy, lane);
}
