//! CRC-32 of IEEE 802.3, reflected, for machines whose fast way `crc32fast` does not find without `std`, and for those
//! on which its tables of 16 KiB are more than the rest of a decoder.

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
#[cfg(target_arch = "x86_64")]
pub(super) const fn power(n: usize) -> i64 {
    (shifted(1 << 31, n) as i64) << 1
}

/// Continues `crc`, of which neither end is complemented, over `bytes`.
pub(crate) fn update(crc: u32, bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if let Some((folded, rest)) = super::x86_64::crc32::fold(crc, bytes) {
        return bytewise(bytewise(0, &folded), rest);
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
