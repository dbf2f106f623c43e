//! The checksum by carry-less multiplication: four registers of 16 bytes are carried 64 bytes on at a time (V. Gopal and
//! others, "Fast CRC computation for generic polynomials using PCLMULQDQ", Intel, 2009).

use core::arch::x86_64::*;

use crate::arch::crc32::power;

cpufeatures::new!(detected, "pclmulqdq");

/// Bytes of a register.
const REGISTER: usize = 16;

/// Factors that carry the two halves of a register `bytes` on, the first half of which is 64 bits ahead.
const fn factors(bytes: usize) -> (i64, i64) {
    (power(8 * bytes + 32), power(8 * bytes - 32))
}

/// Whole registers of `bytes`, four at least, reduced to the one that leaves the same remainder from 0 as they do from
/// `crc`; and the bytes that follow.
pub(in crate::arch) fn fold(crc: u32, bytes: &[u8]) -> Option<([u8; REGISTER], &[u8])> {
    let (registers, rest) = bytes.as_chunks::<REGISTER>();
    let (first, registers) = registers.split_first_chunk::<4>()?;
    // SAFETY: the machine has the instructions.
    detected::get().then(|| (unsafe { fold_registers(crc, first, registers) }, rest))
}

#[target_feature(enable = "pclmulqdq")]
fn fold_registers(crc: u32, first: &[[u8; REGISTER]; 4], registers: &[[u8; REGISTER]]) -> [u8; REGISTER] {
    const FOUR: (i64, i64) = factors(4 * REGISTER);
    const ONE: (i64, i64) = factors(REGISTER);
    let by_four = _mm_set_epi64x(FOUR.1, FOUR.0);
    let by_one = _mm_set_epi64x(ONE.1, ONE.0);
    let mut sums = [load(&first[0]), load(&first[1]), load(&first[2]), load(&first[3])];
    sums[0] = _mm_xor_si128(sums[0], _mm_cvtsi32_si128(crc as i32));
    let (fours, ones) = registers.as_chunks::<4>();
    for four in fours {
        for (sum, register) in sums.iter_mut().zip(four) {
            *sum = _mm_xor_si128(carried(*sum, by_four), load(register));
        }
    }
    let [mut sum, rest @ ..] = sums;
    for next in rest {
        sum = _mm_xor_si128(carried(sum, by_one), next);
    }
    for register in ones {
        sum = _mm_xor_si128(carried(sum, by_one), load(register));
    }
    let mut out = [0; REGISTER];
    // SAFETY: `out` has the 16 bytes, and no alignment is asked for.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), sum) };
    out
}

#[inline]
#[target_feature(enable = "pclmulqdq")]
fn carried(sum: __m128i, by: __m128i) -> __m128i {
    _mm_xor_si128(
        _mm_clmulepi64_si128::<0x00>(sum, by),
        _mm_clmulepi64_si128::<0x11>(sum, by),
    )
}

#[inline]
fn load(register: &[u8; REGISTER]) -> __m128i {
    // SAFETY: the reference has the 16 bytes, and no alignment is asked for; every x86-64 has SSE2.
    unsafe { _mm_loadu_si128(register.as_ptr().cast()) }
}
