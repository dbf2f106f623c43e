//! The checksum by carry-less multiplication, written once over what a machine has of it.

#[cfg(target_arch = "aarch64")]
use super::aarch64::crc32 as machine;
use super::array;
use super::crc32::shifted;
#[cfg(target_arch = "x86_64")]
use super::x86_64::crc32 as machine;

/// The registers that `bytes` starts with reduced to one, and the bytes that follow, where the machine has the
/// instruction and there are enough: see [`fold`].
pub(super) fn folded(crc: u32, bytes: &[u8]) -> Option<([u8; REGISTER], &[u8])> {
    let (registers, rest) = bytes.as_chunks();
    let (first, registers) = registers.split_first_chunk()?;
    Some((machine::folded(crc, first, registers)?, rest))
}

/// The power `n` of the indeterminate modulo the polynomial, as carry-less multiplication of reflected numbers wants it:
/// one bit up.
const fn power(n: usize) -> u64 {
    (shifted(1 << 31, n) as u64) << 1
}

/// Bytes of a register.
pub(super) const REGISTER: usize = 16;

/// Registers of 16 bytes and carry-less multiplication. A value of the implementing type is the proof that the machine
/// has it.
pub(super) trait CarryLess: Copy {
    type Register: Copy;
    fn load(self, bytes: &[u8; REGISTER]) -> Self::Register;
    fn bytes(self, a: Self::Register) -> [u8; REGISTER];
    fn xor(self, a: Self::Register, b: Self::Register) -> Self::Register;
    /// The lower half times the first factor, plus the upper half times the second.
    fn multiplied(self, a: Self::Register, by: (u64, u64)) -> Self::Register;
}

/// Registers, four at least, reduced to the one that leaves the same remainder from 0 as they do from `crc`: four sums
/// are carried 64 bytes on at a time (V. Gopal and others, "Fast CRC computation for generic polynomials using
/// PCLMULQDQ", Intel, 2009).
#[inline(always)]
pub(super) fn fold<C: CarryLess>(
    c: C,
    crc: u32,
    first: &[[u8; REGISTER]; 4],
    registers: &[[u8; REGISTER]],
) -> [u8; REGISTER] {
    /// Factors that carry the two halves of a register `bytes` on, the first half of which is 64 bits ahead.
    const fn factors(bytes: usize) -> (u64, u64) {
        (power(8 * bytes + 32), power(8 * bytes - 32))
    }
    const BY_FOUR: (u64, u64) = factors(4 * REGISTER);
    const BY_ONE: (u64, u64) = factors(REGISTER);
    let mut sums = array!(4, i => c.load(&first[i]));
    let [a, b, d, e] = crc.to_le_bytes();
    sums[0] = c.xor(sums[0], c.load(&[a, b, d, e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    let (fours, ones) = registers.as_chunks::<4>();
    for four in fours {
        for (sum, register) in sums.iter_mut().zip(four) {
            *sum = c.xor(c.multiplied(*sum, BY_FOUR), c.load(register));
        }
    }
    let [mut sum, rest @ ..] = sums;
    for next in rest {
        sum = c.xor(c.multiplied(sum, BY_ONE), next);
    }
    for register in ones {
        sum = c.xor(c.multiplied(sum, BY_ONE), c.load(register));
    }
    c.bytes(sum)
}
