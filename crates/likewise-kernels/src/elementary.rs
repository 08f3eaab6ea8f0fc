//! Exponential and logarithm in single precision without branches, for loops that the compiler is
//! to vectorise (those of the standard library are calls).

use crate::simd::Instructions;

/// Below this the exponential is no normal number, and taken to be 0.
const EXP_LOWEST: f32 = -87.336_54;
/// 1.5 · 2²³: adding it rounds to a whole number, found in the lowest bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts, the first short enough for exact products with exponents.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// eˣ for x up to 80, to within 2 units in the last place; 0 where it would be less than the
/// smallest normal number; not a number for one that is none.
#[inline(always)]
pub fn exp<I: Instructions>(x: f32) -> f32 {
    let inside = if x < EXP_LOWEST { EXP_LOWEST } else { x };
    let shifted = I::multiply_add(inside, std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = I::multiply_add(whole, -LN_2[0], inside);
    let rest = I::multiply_add(whole, -LN_2[1], rest);
    // Minimax polynomial for (eʳ − 1 − r) / r² on ±ln(2)/2 (Cephes).
    let mut sum = 1.987_569_1e-4;
    for coefficient in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        5e-1,
    ] {
        sum = I::multiply_add(sum, rest, coefficient);
    }
    let mantissa = I::multiply_add(sum, rest * rest, rest) + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let power = f32::from_bits(exponent.wrapping_add(127) << 23);
    let result = mantissa * power;
    if x < EXP_LOWEST { 0.0 } else { result }
}

/// ln x for normal positive x, to within 2 units in the last place.
#[inline(always)]
pub fn ln<I: Instructions>(x: f32) -> f32 {
    // Bits of √½: mantissas are taken from [√½, √2).
    const ROOT: u32 = 0x3f35_04f3;
    let bits = x.to_bits();
    let exponent = (bits.wrapping_sub(ROOT) as i32) >> 23;
    let mantissa = f32::from_bits(bits.wrapping_sub((exponent << 23) as u32));
    let exponent = exponent as f32;
    let f = mantissa - 1.0;
    // Minimax polynomial for (ln(1 + f) − f + f²/2) / f³ (Cephes).
    let mut sum = 7.037_683_6e-2;
    for coefficient in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        sum = I::multiply_add(sum, f, coefficient);
    }
    let square = f * f;
    let small = I::multiply_add(sum, f * square, exponent * LN_2[1]);
    let small = I::multiply_add(square, -0.5, small);
    I::multiply_add(exponent, LN_2[0], f + small)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Baseline, vectorized};

    vectorized! {
        fn exp_all<I>(x: &[f32], y: &mut [f32]) {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = exp::<I>(x);
            }
        }
    }

    vectorized! {
        fn ln_all<I>(x: &[f32], y: &mut [f32]) {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = ln::<I>(x);
            }
        }
    }

    /// Largest difference from the function in double precision, in units of the last place.
    fn worst(x: &[f32], y: &[f32], expected: fn(f64) -> f64) -> f64 {
        let error = |(&x, &y): (&f32, &f32)| {
            let expected = expected(f64::from(x));
            let unit = f64::from((expected as f32).abs().next_up() - (expected as f32).abs());
            (f64::from(y) - expected).abs() / unit
        };
        x.iter().zip(y).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn exponential_is_accurate() {
        let x: Vec<f32> = (0..2_000_000).map(|i| i as f32 * 8.3e-5 - 87.0).collect();
        let mut y = vec![0.0; x.len()];
        exp_all(&x, &mut y);
        assert!(worst(&x, &y, f64::exp) < 2.0);
        let y: Vec<f32> = x.iter().map(|&x| exp::<Baseline>(x)).collect();
        assert!(worst(&x, &y, f64::exp) < 2.0);
    }

    #[test]
    fn exponential_at_the_ends() {
        let x = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1e30,
            -88.0,
            -0.0,
            0.0,
            f32::NAN,
        ];
        let mut y = [1.0; 7];
        exp_all(&x, &mut y);
        assert_eq!(y[..6], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        assert!(y[6].is_nan());
    }

    #[test]
    fn logarithm_is_accurate() {
        let mut x: Vec<f32> = (1..2_000_000).map(|i| i as f32 * 2e-6).collect();
        x.extend((0..250).map(|i| 2f32.powi(i - 125) * 1.3));
        let mut y = vec![0.0; x.len()];
        ln_all(&x, &mut y);
        assert!(worst(&x, &y, f64::ln) < 2.0);
        let y: Vec<f32> = x.iter().map(|&x| ln::<Baseline>(x)).collect();
        assert!(worst(&x, &y, f64::ln) < 2.0);
    }
}
