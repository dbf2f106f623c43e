//! The checksum by carry-less multiplication.

use core::arch::aarch64::*;

use crate::arch::carry_less::{CarryLess, REGISTER, fold, remainder};

cpufeatures::new!(detected, "aes");
cpufeatures::new!(detected_three, "aes", "sha3");

/// Proof that the machine has PMULL on 64 bits, which no machine has AES instructions without; and where `EOR3` is set, EOR3
/// as well, one of the SHA-3 instructions, which no machine has SHA-512's without. Some operating systems are asked for
/// either.
#[derive(Clone, Copy)]
struct Pmull<const EOR3: bool>(());

/// `crc` continued over these registers, where the machine has the instruction.
pub(in crate::arch) fn updated(
    crc: u32,
    first: &[[u8; REGISTER]; 4],
    registers: &[[u8; REGISTER]],
) -> Option<u32> {
    if detected_three::get() {
        // SAFETY: the machine has both instructions.
        return Some(unsafe { enabled_three(Pmull(()), crc, first, registers) });
    }
    // SAFETY: the machine has the instruction.
    detected::get().then(|| unsafe { enabled(Pmull(()), crc, first, registers) })
}

#[target_feature(enable = "neon,aes")]
fn enabled(pmull: Pmull<false>, crc: u32, first: &[[u8; REGISTER]; 4], registers: &[[u8; REGISTER]]) -> u32 {
    remainder(pmull, &fold(pmull, crc, first, registers))
}

#[target_feature(enable = "neon,aes,sha3")]
fn enabled_three(
    pmull: Pmull<true>,
    crc: u32,
    first: &[[u8; REGISTER]; 4],
    registers: &[[u8; REGISTER]],
) -> u32 {
    remainder(pmull, &fold(pmull, crc, first, registers))
}

impl<const EOR3: bool> CarryLess<REGISTER> for Pmull<EOR3> {
    type Register = uint8x16_t;

    #[inline(always)]
    fn load(self, bytes: &[u8; REGISTER]) -> uint8x16_t {
        // SAFETY: the reference has the 16 bytes; NEON is this target's.
        unsafe { vld1q_u8(bytes.as_ptr()) }
    }
    #[inline(always)]
    fn bytes(self, a: uint8x16_t) -> [u8; REGISTER] {
        let mut bytes = [0; REGISTER];
        // SAFETY: the array has the 16 bytes; NEON is this target's.
        unsafe { vst1q_u8(bytes.as_mut_ptr(), a) };
        bytes
    }
    #[inline(always)]
    fn xor(self, a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        // SAFETY: NEON is this target's.
        unsafe { veorq_u8(a, b) }
    }
    #[inline(always)]
    fn xor_three(self, a: uint8x16_t, b: uint8x16_t, c: uint8x16_t) -> uint8x16_t {
        if EOR3 {
            // SAFETY: `self` proves that the machine has EOR3; NEON is this target's.
            unsafe { sum_of_three(a, b, c) }
        } else {
            self.xor(self.xor(a, b), c)
        }
    }
    #[inline(always)]
    fn products(self, a: uint8x16_t, by: (u64, u64)) -> [uint8x16_t; 2] {
        // SAFETY: `self` proves that the machine has PMULL; NEON is this target's.
        unsafe { products(a, by) }
    }
}

// In functions that have the instructions, or intrinsics are calls.

#[inline]
#[target_feature(enable = "neon,sha3")]
fn sum_of_three(a: uint8x16_t, b: uint8x16_t, c: uint8x16_t) -> uint8x16_t {
    veor3q_u8(a, b, c)
}

#[inline]
#[target_feature(enable = "neon,aes")]
fn products(a: uint8x16_t, by: (u64, u64)) -> [uint8x16_t; 2] {
    let halves = vreinterpretq_u64_u8(a);
    let low = vmull_p64(vgetq_lane_u64::<0>(halves), by.0);
    let high = vmull_p64(vgetq_lane_u64::<1>(halves), by.1);
    [vreinterpretq_u8_p128(low), vreinterpretq_u8_p128(high)]
}
