//! Which vector instructions the processor has, and running code compiled for them.

/// The instruction sets code is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// 512-bit vectors with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 256-bit vectors with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the compilation target has.
    Baseline,
}

/// The widest instruction set of this processor.
pub fn instruction_set() -> InstructionSet {
    #[cfg(target_arch = "x86_64")]
    {
        // The standard library detects once and remembers.
        if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
            return InstructionSet::Baseline;
        }
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
        {
            return InstructionSet::Avx512;
        }
        InstructionSet::Avx2
    }
    #[cfg(not(target_arch = "x86_64"))]
    InstructionSet::Baseline
}

/// What code compiled for an instruction set can count on.
pub trait Instructions {
    /// Multiply-add in one instruction, rounded once.
    const FUSED: bool;
    /// 32 registers of 512 bits, instead of 16 (or more) of at most 256.
    const WIDE: bool;

    /// `a · b + c`, rounded once or twice.
    #[inline(always)]
    fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
        if Self::FUSED {
            a.mul_add(b, c)
        } else {
            a * b + c
        }
    }
}

/// [`InstructionSet::Avx512`].
#[cfg(target_arch = "x86_64")]
pub struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Instructions for Avx512 {
    const FUSED: bool = true;
    const WIDE: bool = true;
}

/// [`InstructionSet::Avx2`].
#[cfg(target_arch = "x86_64")]
pub struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Instructions for Avx2 {
    const FUSED: bool = true;
    const WIDE: bool = false;
}

/// [`InstructionSet::Baseline`].
pub struct Baseline;

impl Instructions for Baseline {
    const FUSED: bool = cfg!(target_arch = "aarch64");
    const WIDE: bool = false;
}

/// Fused instructions on few registers, whatever the processor has: only the arithmetic of
/// [`Avx2`], for tests.
#[cfg(test)]
pub struct Narrow;

#[cfg(test)]
impl Instructions for Narrow {
    const FUSED: bool = true;
    const WIDE: bool = false;
}

/// Compiles a function for each instruction set; a call runs the version for this processor.
/// Functions it calls take part when they are `#[inline(always)]`. The function may have a type
/// parameter, which is then its [`Instructions`]; callers leave it out.
macro_rules! vectorized {
    ($(#[$attribute:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        $crate::simd::vectorized! {
            $(#[$attribute])*
            fn $name<_Instructions>($($argument: $type),*) $body
        }
    };
    (
        $(#[$attribute:meta])*
        fn $name:ident<$set:ident>($($argument:ident: $type:ty),* $(,)?) $body:block
    ) => {
        $(#[$attribute])*
        #[cfg_attr(
            target_arch = "x86_64",
            expect(unsafe_code, reason = "calls code for instructions the processor was found to have")
        )]
        fn $name($($argument: $type),*) {
            #[inline(always)]
            fn body<$set: $crate::simd::Instructions>($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
            fn avx512($($argument: $type),*) {
                body::<$crate::simd::Avx512>($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) {
                body::<$crate::simd::Avx2>($($argument),*)
            }

            match $crate::simd::instruction_set() {
                // SAFETY: `instruction_set` has found these instructions on this processor.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::InstructionSet::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::InstructionSet::Avx2 => unsafe { avx2($($argument),*) },
                $crate::simd::InstructionSet::Baseline => {
                    body::<$crate::simd::Baseline>($($argument),*);
                }
            }
        }
    };
}

pub(crate) use vectorized;
