//! The checksum by carry-less multiplication.

use core::arch::aarch64::*;

use crate::arch::carry_less::{CarryLess, REGISTER, fold, remainder};

cpufeatures::new!(detected, "aes");

/// Proof that the machine has PMULL on 64 bits, which comes with its AES instructions.
#[derive(Clone, Copy)]
struct Pmull(());

/// `crc` continued over these registers, where the machine has the instruction.
pub(in crate::arch) fn updated(
    crc: u32,
    first: &[[u8; REGISTER]; 4],
    registers: &[[u8; REGISTER]],
) -> Option<u32> {
    // SAFETY: the machine has the instruction.
    detected::get().then(|| unsafe { enabled(Pmull(()), crc, first, registers) })
}

#[target_feature(enable = "neon,aes")]
fn enabled(pmull: Pmull, crc: u32, first: &[[u8; REGISTER]; 4], registers: &[[u8; REGISTER]]) -> u32 {
    remainder(pmull, &fold(pmull, crc, first, registers))
}

impl CarryLess<REGISTER> for Pmull {
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
    fn multiplied(self, a: uint8x16_t, by: (u64, u64)) -> uint8x16_t {
        // SAFETY: `self` proves that the machine has PMULL; NEON is this target's.
        unsafe { products(a, by) }
    }
}

/// In a function that has the instruction, or intrinsics are calls.
#[inline]
#[target_feature(enable = "neon,aes")]
fn products(a: uint8x16_t, by: (u64, u64)) -> uint8x16_t {
    let halves = vreinterpretq_u64_u8(a);
    let low = vmull_p64(vgetq_lane_u64::<0>(halves), by.0);
    let high = vmull_p64(vgetq_lane_u64::<1>(halves), by.1);
    veorq_u8(vreinterpretq_u8_p128(low), vreinterpretq_u8_p128(high))
}
