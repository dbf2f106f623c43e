//! The checksum by carry-less multiplication, written once over what a machine has of it.

#[cfg(target_arch = "aarch64")]
use super::aarch64::crc32 as machine;
use super::array;
use super::crc32::shifted;
#[cfg(target_arch = "x86_64")]
use super::x86_64::crc32 as machine;

/// `crc` continued over the registers that `bytes` starts with, and the bytes that follow, where the machine has the
/// instruction and there are enough.
pub(super) fn updated(crc: u32, bytes: &[u8]) -> Option<(u32, &[u8])> {
    #[cfg(target_arch = "x86_64")]
    if let Some((wide, rest)) = folded_wide(crc, bytes) {
        // What is left stands for the four registers of the usual width that precede the rest.
        let (registers, rest) = rest.as_chunks();
        let first = wide.as_chunks().0.first_chunk()?;
        return Some((machine::updated(0, first, registers)?, rest));
    }
    let (registers, rest) = bytes.as_chunks();
    let (first, registers) = registers.split_first_chunk()?;
    Some((machine::updated(crc, first, registers)?, rest))
}

/// [`fold`] by registers four times as wide.
#[cfg(target_arch = "x86_64")]
fn folded_wide(crc: u32, bytes: &[u8]) -> Option<([u8; WIDE], &[u8])> {
    let (registers, rest) = bytes.as_chunks();
    let (first, registers) = registers.split_first_chunk()?;
    Some((machine::folded_wide(crc, first, registers)?, rest))
}

/// The power `n` of the indeterminate modulo the polynomial, as carry-less multiplication of reflected numbers wants it:
/// one bit up.
const fn power(n: usize) -> u64 {
    (shifted(1 << 31, n) as u64) << 1
}

/// Bytes of a register.
pub(super) const REGISTER: usize = 16;

/// Bytes of a register that has four times as many.
#[cfg(target_arch = "x86_64")]
pub(super) const WIDE: usize = 4 * REGISTER;

/// Registers of `BYTES` bytes and carry-less multiplication of each 16 of them. A value of the implementing type is the
/// proof that the machine has it.
pub(super) trait CarryLess<const BYTES: usize>: Copy {
    type Register: Copy;
    fn load(self, bytes: &[u8; BYTES]) -> Self::Register;
    fn bytes(self, a: Self::Register) -> [u8; BYTES];
    fn xor(self, a: Self::Register, b: Self::Register) -> Self::Register;
    #[inline(always)]
    fn xor_three(self, a: Self::Register, b: Self::Register, c: Self::Register) -> Self::Register {
        self.xor(self.xor(a, b), c)
    }
    /// Of each 16 bytes the lower half times the first factor, and the upper half times the second.
    fn products(self, a: Self::Register, by: (u64, u64)) -> [Self::Register; 2];
    /// The sum of the products.
    #[inline(always)]
    fn multiplied(self, a: Self::Register, by: (u64, u64)) -> Self::Register {
        let [low, high] = self.products(a, by);
        self.xor(low, high)
    }
    /// The sum of the products, carried on by `next`.
    #[inline(always)]
    fn carried(self, a: Self::Register, by: (u64, u64), next: Self::Register) -> Self::Register {
        let [low, high] = self.products(a, by);
        self.xor_three(low, high, next)
    }
}

/// Registers, four at least, reduced to the one that leaves the same remainder from 0 as they do from `crc`: four sums
/// are carried on by four registers at a time (V. Gopal and others, "Fast CRC computation for generic polynomials using
/// PCLMULQDQ", Intel, 2009).
#[inline(always)]
pub(super) fn fold<C: CarryLess<BYTES>, const BYTES: usize>(
    c: C,
    crc: u32,
    first: &[[u8; BYTES]; 4],
    registers: &[[u8; BYTES]],
) -> [u8; BYTES] {
    /// Factors that carry the two halves of 16 bytes on by `bytes`, the first half of which is 64 bits ahead.
    const fn factors(bytes: usize) -> (u64, u64) {
        (power(8 * bytes + 32), power(8 * bytes - 32))
    }
    let by_four = const { factors(4 * BYTES) };
    let by_one = const { factors(BYTES) };
    let mut sums = array!(4, i => c.load(&first[i]));
    let mut start = [0; BYTES];
    if let Some(start) = start.first_chunk_mut() {
        *start = crc.to_le_bytes();
    }
    sums[0] = c.xor(sums[0], c.load(&start));
    let (fours, ones) = registers.as_chunks::<4>();
    let (pairs, last) = fours.as_chunks();
    for [a, b] in pairs {
        sums = array!(4, i => c.carried(sums[i], by_four, c.load(&a[i])));
        sums = array!(4, i => c.carried(sums[i], by_four, c.load(&b[i])));
    }
    for four in last {
        sums = array!(4, i => c.carried(sums[i], by_four, c.load(&four[i])));
    }
    let [mut sum, rest @ ..] = sums;
    for next in rest {
        sum = c.carried(sum, by_one, next);
    }
    for register in ones {
        sum = c.carried(sum, by_one, c.load(register));
    }
    c.bytes(sum)
}

/// The remainder of a register that [`fold`] gives, which is the checksum.
#[inline(always)]
pub(super) fn remainder<C: CarryLess<REGISTER>>(c: C, folded: &[u8; REGISTER]) -> u32 {
    /// As [`power`], with which a product has 32 bits fewer and no zeros at its end.
    const fn short(n: usize) -> u64 {
        (shifted(1 << 31, n - 1) as u64) << 32
    }
    let number = |a| u128::from_le_bytes(c.bytes(a));
    // 128 bits and 32 zeros to 96 bits, and these to 64. What comes first, of the higher powers, is in the lower half.
    let of_96 = c.multiplied(c.load(folded), const { (short(96), short(32)) });
    let of_64 = (number(of_96) ^ number(c.multiplied(of_96, const { (short(64), 0) }))) >> 64;
    let [first, last] = [of_64 as u32, (of_64 >> 32) as u32];
    super::crc32::bytewise(0, &first.to_le_bytes()) ^ last
}
