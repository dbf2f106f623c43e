//! CRC-32 of IEEE 802.3, reflected, for machines whose fast way `crc32fast` does not find without `std`, and for those
//! on which its tables of 16 KiB are more than the rest of a decoder.

#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
use super::aarch64::crc32 as machine;
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
))]
use super::array;
#[cfg(target_arch = "x86_64")]
use super::x86_64::crc32 as machine;

/// The polynomial without its highest term; the highest bit is the constant term.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// What four bits come to: a table of 64 bytes, where one for bytes would be an eighth of a decoder for microcontrollers.
static TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut bits = 0;
    while bits < 16 {
        table[bits] = shifted(bits as u32, 4);
        bits += 1;
    }
    table
};

/// `x` times the power `by` of the indeterminate, modulo the polynomial.
const fn shifted(mut x: u32, by: usize) -> u32 {
    let mut i = 0;
    while i < by {
        x = x >> 1 ^ if x & 1 == 1 { POLYNOMIAL } else { 0 };
        i += 1;
    }
    x
}

/// The power `n` of the indeterminate modulo the polynomial, as carry-less multiplication of reflected numbers wants it:
/// one bit up.
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
))]
const fn power(n: usize) -> u64 {
    (shifted(1 << 31, n) as u64) << 1
}

/// Bytes of a register.
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
))]
pub(super) const REGISTER: usize = 16;

/// Registers of 16 bytes and carry-less multiplication. A value of the implementing type is the proof that the machine
/// has it.
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
))]
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
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
))]
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

/// Continues `crc`, of which neither end is complemented, over `bytes`.
pub(crate) fn update(crc: u32, bytes: &[u8]) -> u32 {
    #[cfg(any(
        target_arch = "x86_64",
        all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
    ))]
    {
        let (registers, rest) = bytes.as_chunks();
        if let Some((first, registers)) = registers.split_first_chunk()
            && let Some(folded) = machine::folded(crc, first, registers)
        {
            return bytewise(bytewise(0, &folded), rest);
        }
    }
    bytewise(crc, bytes)
}

fn bytewise(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, &byte| {
        let crc = crc ^ u32::from(byte);
        let crc = TABLE[crc as usize % 16] ^ crc >> 4;
        TABLE[crc as usize % 16] ^ crc >> 4
    })
}

/// What [`update`] would give over the bytes of `crc` and then `len` zeros: `crc` times a power of the indeterminate,
/// by squaring.
#[cfg(feature = "rayon")]
pub(crate) fn zeros(mut crc: u32, mut len: u64) -> u32 {
    // One byte of zeros.
    let mut factor = shifted(1 << 31, 8);
    while len > 0 {
        if len & 1 == 1 {
            crc = product(crc, factor);
        }
        factor = product(factor, factor);
        len >>= 1;
    }
    crc
}

/// The product of two remainders.
#[cfg(feature = "rayon")]
fn product(a: u32, mut b: u32) -> u32 {
    let mut sum = 0;
    let mut bit = 1 << 31;
    while bit != 0 {
        if a & bit != 0 {
            sum ^= b;
        }
        b = shifted(b, 1);
        bit >>= 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_alignment() {
        let bytes: std::vec::Vec<u8> = (0..2000u32).map(|i| ((i * i) >> 3) as u8).collect();
        for start in 0..17 {
            for len in (0..300).chain([511, 512, 513, 1900]) {
                let bytes = &bytes[start..start + len];
                let crc = (start as u32).wrapping_mul(0x9e37_79b9) ^ len as u32;
                let by_definition = bytes
                    .iter()
                    .fold(crc, |crc, &byte| shifted(crc ^ u32::from(byte), 8));
                assert_eq!(update(crc, bytes), by_definition, "{len} bytes from {start}");
            }
        }
        assert_eq!(!update(!0, b"123456789"), 0xcbf4_3926);
    }

    #[cfg(feature = "rayon")]
    #[test]
    fn zeros_are_skipped() {
        for len in [0, 1, 2, 7, 64, 1000] {
            assert_eq!(
                zeros(0x1234_5678, len as u64),
                update(0x1234_5678, &[0; 1000][..len]),
                "{len}"
            );
        }
    }
}
