//! The frame's checksum: CRC-32 of IEEE 802.3, at memory speed where the machine has the instructions, with and without
//! `std`.

use crate::arch::{LINE, crc32};
use crate::part::split;

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

/// Rows of a run of about `run` bytes, of `rows` that have `bytes`: what is coded between two updates of a checksum.
pub(crate) fn rows_of_a_run(rows: u32, bytes: usize, run: usize) -> u32 {
    let runs = u32::try_from(bytes / run + 1).unwrap_or(u32::MAX);
    rows.div_ceil(runs).max(1)
}

/// A checksum that is taken of bytes while the rows that they hold are decoded, a share before each run of rows: they are
/// read from memory once.
pub(crate) struct Shares<'k> {
    sum: Checksum,
    /// What it is not taken of yet, and how many rows that is.
    bytes: &'k [u8],
    rows: u32,
    /// Rows of a run, and those before the next share.
    run: u32,
    until: u32,
}

impl<'k> Shares<'k> {
    /// Bytes of a run. While a run's are looked at, what was decoded last is on its way to memory; were they many more,
    /// that would stand still.
    pub(crate) const RUN: usize = 8 << 10;

    /// Shares of `bytes`, which hold `rows`.
    pub(crate) fn new(bytes: &'k [u8], rows: u32) -> Self {
        Self {
            sum: Checksum::new(),
            bytes,
            rows,
            run: rows_of_a_run(rows, bytes.len(), Self::RUN),
            until: 0,
        }
    }

    /// No bytes and no shares.
    pub(crate) const fn none() -> Self {
        Self {
            sum: Checksum::new(),
            bytes: &[],
            rows: 0,
            run: 0,
            until: u32::MAX,
        }
    }

    /// To be called before each row.
    #[inline(always)]
    pub(crate) fn before_row(&mut self) {
        self.before_rows(1);
    }

    /// To be called before some rows of `left`: how many, one at least where any are left.
    #[inline(always)]
    pub(crate) fn before_rows(&mut self, left: u32) -> u32 {
        // Without an operating system there are no caches to speak of, and little room for code.
        if cfg!(target_os = "none") {
            return left;
        }
        if self.until == 0 {
            self.next();
        }
        let now = self.until.min(left);
        self.until -= now;
        now
    }

    #[inline(never)]
    fn next(&mut self) {
        let run = self.run.min(self.rows).max(1);
        // Where the rows' own blocks are divided, but for what precedes them and where rows differ in length; what is no
        // whole number of registers takes longest.
        let share = (self.bytes.len() as u64).saturating_mul(u64::from(run)) / u64::from(self.rows.max(1));
        let share = (share as usize).next_multiple_of(4 * LINE);
        let (own, rest) = split(self.bytes, share.min(self.bytes.len()));
        self.sum.update(own);
        self.bytes = rest;
        self.rows = self.rows.saturating_sub(run);
        self.until = run;
    }

    /// The checksum of all bytes.
    pub(crate) fn whole(mut self) -> Checksum {
        self.sum.update(self.bytes);
        self.sum
    }
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

    #[test]
    fn shares_make_the_whole() {
        let bytes: std::vec::Vec<u8> = (0..50_000u32).map(|i| ((i * 7) >> 1) as u8).collect();
        for len in [0, 1, 255, 256, 5000, 50_000] {
            for rows in [1, 2, 3, 7, 100, 10_000] {
                // All rows, fewer as after an error, and more than there are.
                for asked in [0, 1, rows / 2, rows, rows + 1] {
                    let mut shares = Shares::new(&bytes[..len], rows);
                    let per_row = len / rows as usize;
                    for row in 0..asked as usize {
                        shares.before_row();
                        let taken = len - shares.bytes.len();
                        assert!(
                            taken >= row.min(rows as usize) * per_row,
                            "row {row} of {rows}, {len} bytes"
                        );
                        let near = (row + 3) * per_row + Shares::RUN + 8 * LINE;
                        assert!(taken <= near, "row {row} of {rows}, {len} bytes");
                    }
                    assert_eq!(shares.whole().value(), checksum(&bytes[..len]));
                }
                let mut shares = Shares::new(&bytes[..len], rows);
                let mut left = rows;
                while left > 0 {
                    let now = shares.before_rows(left);
                    assert!(now > 0 && now <= left, "{left} of {rows} rows, {len} bytes");
                    left -= now;
                }
                assert_eq!(shares.whole().value(), checksum(&bytes[..len]));
            }
        }
        assert_eq!(Shares::new(&bytes, 0).whole().value(), checksum(&bytes));
        let mut none = Shares::none();
        assert_eq!(none.before_rows(7), 7);
        assert_eq!(none.whole().value(), checksum(&[]));
    }
}
