//! The checksum by carry-less multiplication.

use core::arch::x86_64::*;

use crate::arch::carry_less::{CarryLess, REGISTER, WIDE, fold, remainder};

cpufeatures::new!(detected, "pclmulqdq");
cpufeatures::new!(detected_wide, "avx512f", "vpclmulqdq");

/// Proof that the machine has the instruction PCLMULQDQ.
#[derive(Clone, Copy)]
struct Clmul(());

/// `crc` continued over these registers, where the machine has the instruction.
pub(in crate::arch) fn updated(
    crc: u32,
    first: &[[u8; REGISTER]; 4],
    registers: &[[u8; REGISTER]],
) -> Option<u32> {
    // SAFETY: the machine has the instruction.
    detected::get().then(|| unsafe { enabled(Clmul(()), crc, first, registers) })
}

#[target_feature(enable = "pclmulqdq")]
fn enabled(clmul: Clmul, crc: u32, first: &[[u8; REGISTER]; 4], registers: &[[u8; REGISTER]]) -> u32 {
    remainder(clmul, &fold(clmul, crc, first, registers))
}

impl CarryLess<REGISTER> for Clmul {
    type Register = __m128i;

    #[inline(always)]
    fn load(self, bytes: &[u8; REGISTER]) -> __m128i {
        // SAFETY: the reference has the 16 bytes, and no alignment is asked for; every x86-64 has SSE2.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }
    #[inline(always)]
    fn bytes(self, a: __m128i) -> [u8; REGISTER] {
        let mut bytes = [0; REGISTER];
        // SAFETY: the array has the 16 bytes, and no alignment is asked for; every x86-64 has SSE2.
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), a) };
        bytes
    }
    #[inline(always)]
    fn xor(self, a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_xor_si128(a, b) }
    }
    #[inline(always)]
    fn products(self, a: __m128i, by: (u64, u64)) -> [__m128i; 2] {
        // SAFETY: `self` proves that the machine has PCLMULQDQ; every x86-64 has SSE2.
        unsafe {
            let by = _mm_set_epi64x(by.1 as i64, by.0 as i64);
            [
                _mm_clmulepi64_si128::<0x00>(a, by),
                _mm_clmulepi64_si128::<0x11>(a, by),
            ]
        }
    }
}

/// Proof that the machine has VPCLMULQDQ on registers of AVX-512 F.
#[derive(Clone, Copy)]
struct WideClmul(());

/// [`fold`] by registers of 64 bytes, where the machine has the instruction.
pub(in crate::arch) fn folded_wide(
    crc: u32,
    first: &[[u8; WIDE]; 4],
    registers: &[[u8; WIDE]],
) -> Option<[u8; WIDE]> {
    // SAFETY: the machine has the instructions.
    detected_wide::get().then(|| unsafe { enabled_wide(WideClmul(()), crc, first, registers) })
}

#[target_feature(enable = "avx512f,vpclmulqdq")]
fn enabled_wide(clmul: WideClmul, crc: u32, first: &[[u8; WIDE]; 4], registers: &[[u8; WIDE]]) -> [u8; WIDE] {
    fold(clmul, crc, first, registers)
}

impl CarryLess<WIDE> for WideClmul {
    type Register = __m512i;

    #[inline(always)]
    fn load(self, bytes: &[u8; WIDE]) -> __m512i {
        // SAFETY: AVX-512 F by the token; the reference has the 64 bytes, and no alignment is asked for.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }
    #[inline(always)]
    fn bytes(self, a: __m512i) -> [u8; WIDE] {
        let mut bytes = [0; WIDE];
        // SAFETY: AVX-512 F by the token; the array has the 64 bytes, and no alignment is asked for.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), a) };
        bytes
    }
    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: AVX-512 F by the token.
        unsafe { _mm512_xor_si512(a, b) }
    }
    #[inline(always)]
    fn products(self, a: __m512i, by: (u64, u64)) -> [__m512i; 2] {
        // SAFETY: `self` proves that the machine has VPCLMULQDQ and AVX-512 F.
        unsafe {
            let by = _mm512_set4_epi64(by.1 as i64, by.0 as i64, by.1 as i64, by.0 as i64);
            [
                _mm512_clmulepi64_epi128::<0x00>(a, by),
                _mm512_clmulepi64_epi128::<0x11>(a, by),
            ]
        }
    }
}
