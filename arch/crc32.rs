//! CRC-32 of IEEE 802.3, reflected: by carry-less multiplication where there is a level of it and the machine has it, which
//! `crc32fast` finds with `std` only; by a table on bare metal, where `crc32fast`'s of 16 KiB is more than the rest of a
//! decoder; else by `crc32fast`, as on a Cortex-A72 that came without cryptography.

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
pub(super) const fn shifted(mut x: u32, by: usize) -> u32 {
    let mut i = 0;
    while i < by {
        x = x >> 1 ^ if x & 1 == 1 { POLYNOMIAL } else { 0 };
        i += 1;
    }
    x
}

/// Continues `crc`, of which neither end is complemented, over `bytes`.
pub(crate) fn update(crc: u32, bytes: &[u8]) -> u32 {
    #[cfg(any(
        target_arch = "x86_64",
        all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
    ))]
    if let Some((crc, rest)) = super::carry_less::updated(crc, bytes) {
        return bytewise(crc, rest);
    }
    by_tables(crc, bytes)
}

/// [`update`] where there is no carry-less multiplication, or too little to multiply.
#[cfg(not(target_os = "none"))]
fn by_tables(crc: u32, bytes: &[u8]) -> u32 {
    if bytes.len() < FEW {
        return bytewise(crc, bytes);
    }
    let mut hasher = crc32fast::Hasher::new_with_initial(!crc);
    hasher.update(bytes);
    !hasher.finalize()
}

/// Bytes of which a small table has the checksum before a large one is in the cache.
#[cfg(not(target_os = "none"))]
const FEW: usize = 64;

#[cfg(target_os = "none")]
use bytewise as by_tables;

pub(super) fn bytewise(crc: u32, bytes: &[u8]) -> u32 {
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
                assert_eq!(
                    by_tables(crc, bytes),
                    by_definition,
                    "by tables, {len} bytes from {start}"
                );
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
