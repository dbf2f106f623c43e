//! The frame's checksum: CRC-32 of IEEE 802.3, at memory speed where the machine has the instructions, with and without
//! `std`.

use crate::arch::crc32;

/// A checksum over bytes that come in pieces.
#[derive(Clone, Debug)]
pub(crate) struct Checksum {
    crc: u32,
    #[cfg(feature = "rayon")]
    len: u64,
}

impl Checksum {
    pub(crate) const fn new() -> Self {
        Self {
            crc: !0,
            #[cfg(feature = "rayon")]
            len: 0,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.crc = crc32::update(self.crc, bytes);
        #[cfg(feature = "rayon")]
        {
            self.len += bytes.len() as u64;
        }
    }

    /// Appends what `next` has seen.
    #[cfg(feature = "rayon")]
    pub(crate) fn append(&mut self, next: &Self) {
        self.crc = crc32::zeros(self.crc ^ !0, next.len) ^ next.crc;
        self.len += next.len;
    }

    pub(crate) const fn value(&self) -> u32 {
        !self.crc
    }
}

/// Bytes that are still near when they are used again.
pub(crate) const RUN: usize = 32 << 10;

/// Rows of a run, of `rows` that have `bytes`: what is coded between two updates of a checksum.
pub(crate) fn rows_of_a_run(rows: u32, bytes: usize) -> u32 {
    let runs = u32::try_from(bytes / RUN + 1).unwrap_or(u32::MAX);
    rows.div_ceil(runs).max(1)
}

/// The checksum of `bytes`.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let mut checksum = Checksum::new();
    checksum.update(bytes);
    checksum.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_whole() {
        let bytes: std::vec::Vec<u8> = (0..1000u32).map(|i| ((i * 7) >> 1) as u8).collect();
        for at in [0, 1, 63, 64, 500, 999, 1000] {
            let (first, second) = bytes.split_at(at);
            let mut pieces = Checksum::new();
            pieces.update(first);
            #[cfg(feature = "rayon")]
            {
                let mut appended = pieces.clone();
                let mut next = Checksum::new();
                next.update(second);
                appended.append(&next);
                assert_eq!(appended.value(), checksum(&bytes), "appended at {at}");
            }
            pieces.update(second);
            assert_eq!(pieces.value(), checksum(&bytes), "at {at}");
        }
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }
}
