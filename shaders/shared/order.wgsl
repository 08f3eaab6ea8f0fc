const EUCLIDEAN = 0u;
const NOT_A_NUMBER = 0xfffffffeu;

// Scores as whole numbers of the same order; what is not a number comes last. Made from bits,
// because compilers may assume that there is nothing that is not a number.
fn ordered(score: vec4<f32>) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(score);
    let magnitude = bits & vec4(0x7fffffffu);
    let positive = magnitude | vec4(0x80000000u);
    let key = select(vec4(0x80000000u) - magnitude, positive, bits == magnitude);
    return select(key, vec4(NOT_A_NUMBER), magnitude > vec4(0x7f800000u));
}
