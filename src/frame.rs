//! The frame's bytes: [`Header`] (the plain values) beside [`Frame`] (a checked view of borrowed
//! bytes), and where each row block lies. No floating point here.
//!
//! [`Frame::parse`] checks the header, every size, the checksum, the channel exponents and the row map;
//! its accessors cannot fail afterwards. What lies inside a row block is checked as it is decoded, or
//! for all rows by [`Frame::validate`].

use core::ops::Range;

use crate::checksum::checksum;
use crate::error::DecodeError;
use crate::part::{from, part, split};

/// The first four bytes of every frame.
pub(crate) const MAGIC: [u8; 4] = *b"TAHQ";
/// The version that this crate writes and reads.
pub(crate) const VERSION: u8 = 1;
/// Bytes of the header.
pub const HEADER_LEN: usize = 28;
/// Bytes of the checksum at the end.
pub const CHECKSUM_LEN: usize = 4;
/// The largest base of a row.
pub(crate) const BASE_MAX: u8 = 222;
/// The smallest channel exponent.
pub(crate) const EXPONENT_MIN: i8 = -126;

/// Bytes of a row's prefix.
pub(crate) const PREFIX_LEN: usize = 4;
/// Bytes of a tile's descriptor.
pub(crate) const DESCRIPTOR_LEN: usize = 4;

mod field {
    use core::ops::Range;
    pub(super) const MAGIC: Range<usize> = 0..4;
    pub(super) const VERSION: usize = 4;
    pub(super) const ENCODING: usize = 5;
    pub(super) const LOG2_TILE: usize = 6;
    pub(super) const WIDTHS: usize = 7;
    pub(super) const SOURCE: usize = 8;
    pub(super) const EXPONENTS: usize = 9;
    pub(super) const TABLE_CHECK: Range<usize> = 10..12;
    pub(super) const ROWS: Range<usize> = 12..16;
    pub(super) const WIDTH: Range<usize> = 16..20;
    pub(super) const QUOTA: Range<usize> = 20..24;
    pub(super) const BODY_LEN: Range<usize> = 24..28;
}

/// How the body is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Encoding {
    /// The elements as they are.
    Raw = 0,
    /// One code width.
    Uniform = 1,
    /// Two code widths, chosen tile by tile.
    TileMixed = 2,
    /// Two code widths, chosen row by row.
    RowMixed = 3,
}

/// The element type that a frame was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum SourceType {
    /// IEEE 754 binary32.
    F32 = 1,
    /// IEEE 754 binary16.
    F16 = 2,
    /// bfloat16.
    Bf16 = 3,
}

impl SourceType {
    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// Where the channel exponents are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum ExponentMode {
    /// There are none.
    None = 0,
    /// In the frame.
    InFrame = 1,
    /// Agreed between the two ends; the header holds a check of the table.
    Agreed = 2,
}

/// A frame's header as plain values. Lengths follow from these fields alone.
///
/// The fields are public so that a transport with framing of its own can carry them its own way; every
/// use validates them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// How the body is laid out.
    pub encoding: Encoding,
    /// log2 of the tile size: 5, 6 or 7; 0 for raw.
    pub log2_tile: u8,
    /// The wide code width, 1..=8; 0 for raw.
    pub hi: u8,
    /// The narrow code width, 0..=`hi`.
    pub lo: u8,
    /// The element type of the source; a hint, but for raw the type of the body.
    pub source: SourceType,
    /// Where the channel exponents are.
    pub exponents: ExponentMode,
    /// The low half of the CRC-32 of the agreed table, else 0.
    pub table_check: u16,
    /// Rows (tokens).
    pub rows: u32,
    /// Channels of a row.
    pub width: u32,
    /// Tile-mixed: `hi` tiles of every row; row-mixed: `hi` rows; else 0.
    pub quota: u32,
}

/// Sizes of a row block of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowLayout {
    pub(crate) tiles: usize,
    /// Bytes of the tile map, 0 where there is none.
    pub(crate) map_len: usize,
    /// Bytes of the whole block.
    pub(crate) len: usize,
}

impl RowLayout {
    pub(crate) const fn map(&self) -> Range<usize> {
        PREFIX_LEN..PREFIX_LEN + self.map_len
    }

    pub(crate) const fn descriptors(&self) -> Range<usize> {
        let start = PREFIX_LEN + self.map_len;
        start..start + self.tiles * DESCRIPTOR_LEN
    }

    pub(crate) const fn codes(&self) -> Range<usize> {
        PREFIX_LEN + self.map_len + self.tiles * DESCRIPTOR_LEN..self.len
    }
}

const fn to_usize(n: u64) -> Result<usize, DecodeError> {
    if n > usize::MAX as u64 {
        Err(DecodeError::FrameTooLarge)
    } else {
        Ok(n as usize)
    }
}

const fn word_map_len(bits: u32) -> u64 {
    bits.div_ceil(32) as u64 * 4
}

impl Header {
    pub(crate) const fn raw(rows: u32, width: u32, source: SourceType) -> Self {
        Self {
            encoding: Encoding::Raw,
            log2_tile: 0,
            hi: 0,
            lo: 0,
            source,
            exponents: ExponentMode::None,
            table_check: 0,
            rows,
            width,
            quota: 0,
        }
    }

    /// True where there is nothing to carry: no rows or no channels.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows == 0 || self.width == 0
    }

    /// Values of a tile, `G`; 0 for raw.
    #[must_use]
    pub const fn tile_len(&self) -> usize {
        match self.log2_tile {
            5 => 32,
            6 => 64,
            7 => 128,
            _ => 0,
        }
    }

    /// Tiles of a row, `T`; 0 for raw.
    #[must_use]
    pub const fn tiles(&self) -> u32 {
        match self.tile_len() {
            0 => 0,
            g => self.width.div_ceil(g as u32),
        }
    }

    /// Elements of the tensor.
    #[must_use]
    pub const fn elements(&self) -> u64 {
        self.rows as u64 * self.width as u64
    }

    /// Checks every field against the format's rules.
    ///
    /// # Errors
    ///
    /// The first field that is out of rule.
    pub const fn validate(&self) -> Result<(), DecodeError> {
        let widths = Err(DecodeError::BadWidths {
            found: self.hi << 4 | (self.lo & 15),
        });
        let raw = matches!(self.encoding, Encoding::Raw);
        let bad_tile = if raw {
            self.log2_tile != 0
        } else {
            self.tile_len() == 0
        };
        if bad_tile {
            return Err(DecodeError::BadTileSize {
                found: self.log2_tile,
            });
        }
        if raw {
            if self.hi != 0 || self.lo != 0 {
                return widths;
            }
            if !matches!(self.exponents, ExponentMode::None) {
                return Err(DecodeError::UnknownExponents {
                    found: self.exponents as u8,
                });
            }
        } else if self.hi == 0
            || self.hi > 8
            || self.lo > self.hi
            || (matches!(self.encoding, Encoding::Uniform) && self.lo != self.hi)
        {
            return widths;
        }
        if !matches!(self.exponents, ExponentMode::Agreed) && self.table_check != 0 {
            return Err(DecodeError::BadTableCheck {
                found: self.table_check,
            });
        }
        let max = match self.encoding {
            _ if self.is_empty() => 0,
            Encoding::Raw | Encoding::Uniform => 0,
            Encoding::TileMixed => self.tiles(),
            Encoding::RowMixed => self.rows,
        };
        if self.quota > max {
            return Err(DecodeError::BadQuota {
                found: self.quota,
                max,
            });
        }
        Ok(())
    }

    /// Length of a row block whose tiles have `hi_tiles` times `hi` bits and else `lo`, as an exact integer.
    const fn row_len_exact(&self, hi_tiles: u32, lo: u8) -> u64 {
        let tiles = self.tiles();
        let map = if matches!(self.encoding, Encoding::TileMixed) {
            word_map_len(tiles)
        } else {
            0
        };
        let code_unit = self.tile_len() as u64 / 8;
        let codes = (hi_tiles as u64 * self.hi as u64 + (tiles - hi_tiles) as u64 * lo as u64) * code_unit;
        PREFIX_LEN as u64 + map + tiles as u64 * DESCRIPTOR_LEN as u64 + codes
    }

    /// Exact lengths of a row block that is `hi` and of one that is not.
    const fn row_lens_exact(&self) -> (u64, u64) {
        match self.encoding {
            Encoding::Raw => {
                let len = self.width as u64 * self.source.size() as u64;
                (len, len)
            }
            Encoding::Uniform => {
                let len = self.row_len_exact(self.tiles(), 0);
                (len, len)
            }
            Encoding::TileMixed => {
                let len = self.row_len_exact(self.quota, self.lo);
                (len, len)
            }
            Encoding::RowMixed => {
                let hi = self.row_len_exact(self.tiles(), 0);
                let lo = if self.lo == 0 {
                    0
                } else {
                    self.row_len_exact(0, self.lo)
                };
                (hi, lo)
            }
        }
    }

    /// Bytes of the body, exact.
    ///
    /// # Errors
    ///
    /// A field out of rule, or [`DecodeError::FrameTooLarge`] at 2^32 bytes and above.
    pub const fn body_len(&self) -> Result<u32, DecodeError> {
        if let Err(error) = self.validate() {
            return Err(error);
        }
        if self.is_empty() {
            return Ok(0);
        }
        // A row block is below 2^35 and there are fewer than 2^32 rows: u128 cannot wrap.
        let (hi, lo) = self.row_lens_exact();
        let hi_rows = match self.encoding {
            Encoding::RowMixed => self.quota,
            _ => self.rows,
        };
        let rows = hi as u128 * hi_rows as u128 + lo as u128 * (self.rows - hi_rows) as u128;
        let prelude = self.exponents_len() + self.row_map_len();
        let total = (rows + prelude as u128).next_multiple_of(4);
        if total > u32::MAX as u128 {
            Err(DecodeError::FrameTooLarge)
        } else {
            Ok(total as u32)
        }
    }

    /// Bytes of the frame: header, body and checksum.
    ///
    /// # Errors
    ///
    /// As [`Header::body_len`], and where the frame does not fit this target's `usize`.
    pub const fn frame_len(&self) -> Result<usize, DecodeError> {
        match self.body_len() {
            Ok(body) => to_usize(body as u64 + (HEADER_LEN + CHECKSUM_LEN) as u64),
            Err(error) => Err(error),
        }
    }

    /// Bytes of the channel exponents in the body, padding included.
    const fn exponents_len(&self) -> u64 {
        if matches!(self.exponents, ExponentMode::InFrame) && !self.is_empty() {
            (self.width as u64).next_multiple_of(4)
        } else {
            0
        }
    }

    /// Bytes of the row map in the body.
    const fn row_map_len(&self) -> u64 {
        if matches!(self.encoding, Encoding::RowMixed) && !self.is_empty() {
            word_map_len(self.rows)
        } else {
            0
        }
    }

    /// Bytes of the buffer that a [`StreamDecoder`](crate::StreamDecoder) needs for such a frame, and of the longest
    /// piece that a [`StreamEncoder`](crate::StreamEncoder) writes: channel exponents and row map, the longest row
    /// block, padding and checksum; or the header, where it is longer than those of them that follow the row map.
    ///
    /// # Errors
    ///
    /// As [`Header::body_len`], and where the buffer would not fit this target's `usize`.
    pub const fn stream_capacity(&self) -> Result<usize, DecodeError> {
        if let Err(error) = self.body_len() {
            return Err(error);
        }
        let (hi, lo) = self.row_lens_exact();
        let row = match self.encoding {
            _ if self.is_empty() => 0,
            Encoding::RowMixed if self.quota == 0 => lo,
            _ => hi,
        };
        // What is left over of a word is padded, in some numbers of rows.
        let last = row + row % 4 + CHECKSUM_LEN as u64;
        let longest = if last < HEADER_LEN as u64 {
            HEADER_LEN as u64
        } else {
            last
        };
        to_usize(self.exponents_len() + self.row_map_len() + longest)
    }

    /// The header of a frame that has one row of this one, all of it `hi` or not, and nothing before its block.
    pub(crate) const fn of_row(&self, hi: bool) -> Self {
        let mut header = Self {
            exponents: ExponentMode::None,
            table_check: 0,
            rows: 1,
            ..*self
        };
        if matches!(self.encoding, Encoding::RowMixed) {
            let width = if hi { self.hi } else { self.lo };
            header.encoding = Encoding::Uniform;
            header.hi = width;
            header.lo = width;
            header.quota = 0;
        }
        header
    }

    /// Bytes of the body before the row blocks; fits where [`Header::frame_len`] does.
    pub(crate) const fn prelude_len(&self) -> usize {
        (self.exponents_len() + self.row_map_len()) as usize
    }

    /// The row map within the body.
    pub(crate) const fn row_map(&self) -> Range<usize> {
        let start = self.exponents_len() as usize;
        start..start + self.row_map_len() as usize
    }

    /// Sizes of the row blocks of rows that are `hi`, or are not; fits where [`Header::frame_len`] does
    /// and such a row exists.
    pub(crate) const fn row_layout(&self, hi: bool) -> RowLayout {
        let (hi_len, lo_len) = self.row_lens_exact();
        RowLayout {
            tiles: self.tiles() as usize,
            map_len: if matches!(self.encoding, Encoding::TileMixed) {
                word_map_len(self.tiles()) as usize
            } else {
                0
            },
            len: if hi { hi_len } else { lo_len } as usize,
        }
    }

    /// Where the block of `row` starts among the row blocks. `row` may be `rows`, which gives their
    /// end. `row_map` is empty but for row-mixed frames.
    pub(crate) fn row_offset(&self, row_map: &[u8], row: u32) -> usize {
        let (hi_len, lo_len) = self.row_lens_exact();
        let hi_rows = match self.encoding {
            Encoding::RowMixed => count_before(row_map, row),
            _ => row,
        };
        (hi_len * u64::from(hi_rows) + lo_len * u64::from(row - hi_rows)) as usize
    }

    /// Reads and checks a header, of which `bytes` must hold the first [`HEADER_LEN`] bytes, and returns
    /// it with the length of its body.
    ///
    /// # Errors
    ///
    /// What is missing or out of rule.
    pub fn parse(bytes: &[u8]) -> Result<(Self, u32), DecodeError> {
        let Some(b) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(DecodeError::Truncated {
                needed: HEADER_LEN as u64,
                available: bytes.len(),
            });
        };
        let found = [b[0], b[1], b[2], b[3]];
        if found != MAGIC {
            return Err(DecodeError::BadMagic { found });
        }
        if b[field::VERSION] != VERSION {
            return Err(DecodeError::UnsupportedVersion {
                found: b[field::VERSION],
            });
        }
        let encoding = match b[field::ENCODING] {
            0 => Encoding::Raw,
            1 => Encoding::Uniform,
            2 => Encoding::TileMixed,
            3 => Encoding::RowMixed,
            found => return Err(DecodeError::UnknownEncoding { found }),
        };
        let source = match b[field::SOURCE] {
            1 => SourceType::F32,
            2 => SourceType::F16,
            3 => SourceType::Bf16,
            found => return Err(DecodeError::UnknownSourceType { found }),
        };
        let exponents = match b[field::EXPONENTS] {
            0 => ExponentMode::None,
            1 => ExponentMode::InFrame,
            2 => ExponentMode::Agreed,
            found => return Err(DecodeError::UnknownExponents { found }),
        };
        let header = Self {
            encoding,
            log2_tile: b[field::LOG2_TILE],
            hi: b[field::WIDTHS] >> 4,
            lo: b[field::WIDTHS] & 15,
            source,
            exponents,
            table_check: u16::from_le_bytes([b[field::TABLE_CHECK.start], b[field::TABLE_CHECK.start + 1]]),
            rows: word(b, field::ROWS.start),
            width: word(b, field::WIDTH.start),
            quota: word(b, field::QUOTA.start),
        };
        let expected = header.body_len()?;
        let found = word(b, field::BODY_LEN.start);
        if found != expected {
            return Err(DecodeError::BodyLength { found, expected });
        }
        Ok((header, expected))
    }

    /// The header's bytes.
    ///
    /// # Errors
    ///
    /// A field out of rule, or a body of 2^32 bytes and above.
    pub fn to_bytes(&self) -> Result<[u8; HEADER_LEN], DecodeError> {
        let body_len = self.body_len()?;
        let mut b = [0; HEADER_LEN];
        b[field::MAGIC].copy_from_slice(&MAGIC);
        b[field::VERSION] = VERSION;
        b[field::ENCODING] = self.encoding as u8;
        b[field::LOG2_TILE] = self.log2_tile;
        b[field::WIDTHS] = self.hi << 4 | self.lo;
        b[field::SOURCE] = self.source as u8;
        b[field::EXPONENTS] = self.exponents as u8;
        b[field::TABLE_CHECK].copy_from_slice(&self.table_check.to_le_bytes());
        b[field::ROWS].copy_from_slice(&self.rows.to_le_bytes());
        b[field::WIDTH].copy_from_slice(&self.width.to_le_bytes());
        b[field::QUOTA].copy_from_slice(&self.quota.to_le_bytes());
        b[field::BODY_LEN].copy_from_slice(&body_len.to_le_bytes());
        Ok(b)
    }
}

fn word(b: &[u8; HEADER_LEN], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

/// The length of the frame that starts with `bytes`, of which the first [`HEADER_LEN`] are enough. Needs
/// no more than what every version promises, so a reader can skip a frame that it cannot decode.
///
/// # Errors
///
/// [`DecodeError::Truncated`] below [`HEADER_LEN`] bytes, [`DecodeError::BadMagic`], and
/// [`DecodeError::FrameTooLarge`] where the frame does not fit this target's `usize`.
pub fn frame_len(bytes: &[u8]) -> Result<usize, DecodeError> {
    let Some(b) = bytes.first_chunk::<HEADER_LEN>() else {
        return Err(DecodeError::Truncated {
            needed: HEADER_LEN as u64,
            available: bytes.len(),
        });
    };
    let found = [b[0], b[1], b[2], b[3]];
    if found != MAGIC {
        return Err(DecodeError::BadMagic { found });
    }
    to_usize(u64::from(word(b, field::BODY_LEN.start)) + (HEADER_LEN + CHECKSUM_LEN) as u64)
}

/// The check of an agreed table of channel exponents, as the header carries it.
#[must_use]
pub fn table_check(table: &[i8]) -> u16 {
    checksum(bytemuck::cast_slice(table)) as u16
}

pub(crate) fn bit(map: &[u8], index: usize) -> bool {
    map.get(index / 8)
        .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// Bits `index` and the next 15 at least of a map, lowest first; zeros beyond its end.
#[inline(always)]
pub(crate) fn bits_from(map: &[u8], index: usize) -> u32 {
    let mut word = [0; 4];
    for (to, byte) in word.iter_mut().zip(from(map, index / 8)) {
        *to = *byte;
    }
    u32::from_le_bytes(word) >> (index % 8)
}

pub(crate) fn set_bit(map: &mut [u8], index: usize) {
    if let Some(byte) = map.get_mut(index / 8) {
        *byte |= 1 << (index % 8);
    }
}

pub(crate) fn clear_bit(map: &mut [u8], index: usize) {
    if let Some(byte) = map.get_mut(index / 8) {
        *byte &= !(1 << (index % 8));
    }
}

/// Bits set among the first `end`.
fn count_before(map: &[u8], end: u32) -> u32 {
    let (whole, rest) = ((end / 8) as usize, end % 8);
    let (before, after) = split(map, whole);
    let count: u32 = before.iter().map(|byte| byte.count_ones()).sum();
    match after {
        [byte, ..] => count + (byte & ((1 << rest) - 1)).count_ones(),
        [] => count,
    }
}

/// Bits set in the whole map, or `None` where one at `used` or beyond is.
pub(crate) fn count_checked(map: &[u8], used: u32) -> Option<u32> {
    let all: u32 = map.iter().map(|byte| byte.count_ones()).sum();
    (count_before(map, used) == all).then_some(all)
}

/// The bytes of one frame, of which no more is known than the header and that none is missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed<'a> {
    pub(crate) header: Header,
    /// What the checksum covers.
    pub(crate) checked: &'a [u8],
    checksum: u32,
}

impl<'a> Sealed<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (header, _) = Header::parse(bytes)?;
        let needed = header.frame_len()?;
        check_len(bytes, needed)?;
        let Some((checked, checksum)) = bytes.split_last_chunk::<CHECKSUM_LEN>() else {
            let (needed, available) = (needed as u64, bytes.len());
            return Err(DecodeError::Truncated { needed, available });
        };
        let checksum = u32::from_le_bytes(*checksum);
        Ok(Self {
            header,
            checked,
            checksum,
        })
    }

    pub(crate) fn body(&self) -> &'a [u8] {
        from(self.checked, HEADER_LEN)
    }

    /// `computed`: the CRC-32 of what the checksum covers.
    pub(crate) fn verify(&self, computed: u32) -> Result<(), DecodeError> {
        let found = self.checksum;
        if found == computed {
            Ok(())
        } else {
            Err(DecodeError::Checksum { found, computed })
        }
    }
}

/// A checked view of one frame's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    header: Header,
    exponents: Option<&'a [i8]>,
    row_map: &'a [u8],
    blocks: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Checks `bytes`, which must be exactly one frame: header, sizes, checksum, channel exponents and
    /// row map. `table` is the agreed table of channel exponents, ignored by frames that do not use one.
    ///
    /// # Errors
    ///
    /// The first fault found.
    pub fn parse(bytes: &'a [u8], table: Option<&'a [i8]>) -> Result<Self, DecodeError> {
        let sealed = Sealed::parse(bytes)?;
        sealed.verify(checksum(sealed.checked))?;
        Self::from_body(sealed.header, sealed.body(), table)
    }

    /// As [`Frame::parse`], for a transport that carries the header's fields its own way: checks the
    /// header's fields, the body's length, the channel exponents and the row map. There is no checksum.
    ///
    /// # Errors
    ///
    /// The first fault found.
    pub fn from_body(header: Header, body: &'a [u8], table: Option<&'a [i8]>) -> Result<Self, DecodeError> {
        let needed = to_usize(header.body_len()? as u64)?;
        check_len(body, needed)?;
        let exponents = check_exponents(&header, body, table)?;
        let row_map = check_row_map(&header, body)?;
        let blocks = from(body, header.prelude_len());
        if header.encoding == Encoding::Raw && !header.is_empty() {
            let end = header.elements() as usize * header.source.size();
            if let Some(at) = from(blocks, end).iter().position(|&byte| byte != 0) {
                return Err(DecodeError::RawPadding {
                    offset: (end + at) as u32,
                });
            }
        }
        Ok(Self {
            header,
            exponents,
            row_map,
            blocks,
        })
    }

    /// A frame of one row, whose block is `block`, of the length that [`Header::row_layout`] gives.
    pub(crate) const fn of_row(
        header: &Header,
        hi: bool,
        exponents: Option<&'a [i8]>,
        block: &'a [u8],
    ) -> Self {
        Self {
            header: header.of_row(hi),
            exponents,
            row_map: &[],
            blocks: block,
        }
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The channel exponents, one for each channel, whether they came in the frame or were agreed.
    #[must_use]
    pub const fn exponents(&self) -> Option<&'a [i8]> {
        self.exponents
    }

    /// Whether all of `row` has the `hi` code width; for tile-mixed frames ask each tile.
    #[must_use]
    pub fn row_is_hi(&self, row: u32) -> bool {
        row < self.header.rows
            && match self.header.encoding {
                Encoding::RowMixed => !self.header.is_empty() && bit(self.row_map, row as usize),
                _ => true,
            }
    }

    /// The bytes of the blocks of all rows.
    pub(crate) const fn blocks(&self) -> &'a [u8] {
        self.blocks
    }

    /// A view of the block of `row`; none for raw and empty frames, pruned rows and rows beyond the last.
    #[must_use]
    pub fn row(&self, row: u32) -> Option<Row<'a>> {
        if row >= self.header.rows {
            return None;
        }
        self.rows(row..row + 1).next().and_then(|(_, view)| view)
    }

    /// Checks the blocks of all rows without decoding them.
    ///
    /// # Errors
    ///
    /// The first fault found.
    pub fn validate(&self) -> Result<(), DecodeError> {
        if self.blocks.is_empty() {
            return Ok(());
        }
        for (row, view) in self.rows(0..self.header.rows) {
            if let Some(view) = view {
                view.validate(row)?;
            }
        }
        Ok(())
    }

    /// The blocks of the rows of `range` of a uniform frame that is not empty: of one length, so that there is less to find
    /// out for each than in [`Frame::rows`].
    #[inline(always)]
    pub(crate) fn uniform_rows(&self, range: Range<u32>) -> impl Iterator<Item = (u32, Row<'a>)> + use<'a> {
        let header = self.header;
        let layout = header.row_layout(true);
        let blocks = self.uniform_blocks(range.start).chunks_exact(layout.len.max(1));
        range.zip(blocks.map(move |block| Row::of_block(header, true, layout, block)))
    }

    /// The bytes of these rows' blocks, from row `start` on.
    #[inline(always)]
    pub(crate) fn uniform_blocks(&self, start: u32) -> &'a [u8] {
        from(self.blocks, self.header.row_offset(&[], start))
    }

    /// The rows of `range`, those that the frame has, in order; `None` as [`Frame::row`] gives it. Faster
    /// than asking for each, where rows have two lengths.
    pub fn rows(&self, range: Range<u32>) -> impl Iterator<Item = (u32, Option<Row<'a>>)> + use<'a> {
        let frame = *self;
        let end = range.end.min(frame.header.rows);
        let range = range.start.min(end)..end;
        let mut offset = match frame.blocks {
            [] => 0,
            _ => frame.header.row_offset(frame.row_map, range.start),
        };
        let layouts = [frame.header.row_layout(false), frame.header.row_layout(true)];
        let quantised = frame.header.encoding != Encoding::Raw && !frame.header.is_empty();
        range.map(move |row| {
            let hi = frame.row_is_hi(row);
            let layout = layouts[usize::from(hi)];
            if !quantised || layout.len == 0 {
                return (row, None);
            }
            let bytes = part(frame.blocks, offset..offset + layout.len);
            offset += layout.len;
            let header = frame.header;
            (row, Some(Row::of_block(header, hi, layout, bytes)))
        })
    }
}

/// Checks that there are exactly the bytes `needed`.
fn check_len(bytes: &[u8], needed: usize) -> Result<(), DecodeError> {
    let (needed, available) = (needed as u64, bytes.len());
    match available as u64 {
        len if len < needed => Err(DecodeError::Truncated { needed, available }),
        len if len > needed => Err(DecodeError::TrailingBytes { needed, available }),
        _ => Ok(()),
    }
}

/// Checks the row map, which `body` must at least hold, and returns it.
pub(crate) fn check_row_map<'a>(header: &Header, body: &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let row_map = part(body, header.row_map());
    if header.encoding == Encoding::RowMixed && !header.is_empty() {
        let found = count_checked(row_map, header.rows).ok_or(DecodeError::RowMapPadding)?;
        if found != header.quota {
            return Err(DecodeError::RowMapCount {
                found,
                expected: header.quota,
            });
        }
    }
    Ok(row_map)
}

/// The first channel whose exponent is not allowed.
pub(crate) fn exponent_out_of_range(table: &[i8]) -> Option<usize> {
    // Most tables have none, which the least says; a compiler makes vectors of it.
    let least = table.iter().fold(i8::MAX, |least, &k| least.min(k));
    if least >= EXPONENT_MIN {
        return None;
    }
    table.iter().position(|&k| k < EXPONENT_MIN)
}

/// Checks the channel exponents and returns them; those in the frame `body` must at least hold.
pub(crate) fn check_exponents<'a>(
    header: &Header,
    body: &'a [u8],
    table: Option<&'a [i8]>,
) -> Result<Option<&'a [i8]>, DecodeError> {
    let low = |table: &[i8]| exponent_out_of_range(table).map(|at| at as u32);
    match header.exponents {
        ExponentMode::None => Ok(None),
        // An empty frame has no channel to scale: no table is asked for.
        ExponentMode::InFrame | ExponentMode::Agreed if header.is_empty() => Ok(None),
        ExponentMode::InFrame => {
            let (exponents, padding) = split(part(body, 0..header.row_map().start), header.width as usize);
            let exponents: &[i8] = bytemuck::cast_slice(exponents);
            if let Some(at) = padding.iter().position(|&byte| byte != 0) {
                return Err(DecodeError::ExponentPadding {
                    offset: header.width + at as u32,
                });
            }
            match low(exponents) {
                Some(channel) => Err(DecodeError::ExponentRange { channel }),
                None => Ok(Some(exponents)),
            }
        }
        ExponentMode::Agreed => {
            let table = table.ok_or(DecodeError::TableMissing)?;
            if table.len() as u64 != u64::from(header.width) {
                return Err(DecodeError::TableLength {
                    needed: header.width,
                    available: table.len(),
                });
            }
            let found = table_check(table);
            if found != header.table_check {
                return Err(DecodeError::TableMismatch {
                    expected: header.table_check,
                    found,
                });
            }
            match low(table) {
                Some(channel) => Err(DecodeError::TableRange { channel }),
                None => Ok(Some(table)),
            }
        }
    }
}

/// The bit of a descriptor's transform that says that the tile is rotated; the others are the pivot.
pub(crate) const ROTATED: u8 = 0x80;

/// What a tile's descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Descriptor {
    /// The zero point, in eighths of a step.
    pub zero_point: i16,
    /// The unit's minifloat: 5 exponent and 3 mantissa bits.
    pub unit: u8,
    /// The pivot about which the tile is rotated, if it is.
    pub pivot: Option<u8>,
}

impl Descriptor {
    /// Reads four bytes; `Err` holds a transform byte that means nothing in a tile of `tile_len` values.
    #[inline(always)]
    pub(crate) fn parse(bytes: [u8; DESCRIPTOR_LEN], tile_len: usize) -> Result<Self, u8> {
        // One load, where each byte by itself would be one.
        let word = DescriptorWord::new(bytes);
        let transform = word.0 >> 24;
        let pivot = match transform.wrapping_sub(u32::from(ROTATED)) {
            _ if transform == 0 => None,
            pivot if (pivot as usize) < tile_len => Some(pivot as u8),
            _ => return Err(transform as u8),
        };
        Ok(Self {
            zero_point: word.zero_point(),
            unit: word.unit(),
            pivot,
        })
    }

    #[inline(always)]
    pub(crate) fn to_bytes(self) -> [u8; DESCRIPTOR_LEN] {
        let [low, high] = self.zero_point.to_le_bytes();
        [
            low,
            high,
            self.unit,
            self.pivot.map_or(0, |pivot| ROTATED | pivot),
        ]
    }
}

/// A descriptor in one word, for a loop that asks it for as little as it can.
#[derive(Clone, Copy)]
pub(crate) struct DescriptorWord(u32);

impl DescriptorWord {
    #[inline(always)]
    pub(crate) fn new(bytes: [u8; DESCRIPTOR_LEN]) -> Self {
        Self(u32::from_le_bytes(bytes))
    }

    #[inline(always)]
    pub(crate) fn zero_point(self) -> i16 {
        self.0 as i16
    }

    #[inline(always)]
    pub(crate) fn unit(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// Whether the tile is plain; one whose transform means nothing is neither that nor rotated.
    #[inline(always)]
    pub(crate) fn is_plain(self) -> bool {
        self.0 >> 24 == 0
    }

    #[inline(always)]
    pub(crate) fn is_rotated(self) -> bool {
        // By the sign, which is the highest bit.
        const { assert!(ROTATED == 1 << 7) };
        (self.0 as i32) < 0
    }

    /// The pivot of a rotated tile of `G` values, modulo `G`: [`Pivots`] know whether it was below.
    #[inline(always)]
    pub(crate) fn pivot<const G: usize>(self, pivots: &mut Pivots<G>) -> usize {
        const { assert!(G.is_power_of_two() && G <= ROTATED as usize) };
        pivots.any |= self.0;
        (self.0 >> 24) as usize % G
    }
}

/// Whether of many rotated tiles of `G` values one had a pivot beyond it, which is found out together.
#[derive(Default)]
pub(crate) struct Pivots<const G: usize> {
    /// All bits of their descriptors.
    any: u32,
}

impl<const G: usize> Pivots<G> {
    #[inline(always)]
    pub(crate) fn went_beyond(&self) -> bool {
        (self.any >> 24) as u8 & !(ROTATED | (G - 1) as u8) != 0
    }
}

/// A view of one row block.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    header: Header,
    hi: bool,
    layout: RowLayout,
    bytes: &'a [u8],
}

impl<'a> Row<'a> {
    /// A view of `bytes`, which have the layout's length.
    pub(crate) const fn of_block(header: Header, hi: bool, layout: RowLayout, bytes: &'a [u8]) -> Self {
        Self {
            header,
            hi,
            layout,
            bytes,
        }
    }

    /// The row's base: the exponent that its units count from.
    #[must_use]
    pub fn base(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(0)
    }

    /// The code width of tile `tile`.
    #[must_use]
    pub fn code_width(&self, tile: usize) -> u8 {
        match self.single_width() {
            Some(width) => width,
            None if tile < self.layout.tiles && bit(self.map(), tile) => self.header.hi,
            None => self.header.lo,
        }
    }

    /// The code width of all tiles, where they have one.
    pub(crate) const fn single_width(&self) -> Option<u8> {
        match self.header.encoding {
            Encoding::TileMixed => None,
            _ if self.hi => Some(self.header.hi),
            _ => Some(self.header.lo),
        }
    }

    /// The descriptor of tile `tile`, or `None` where there is no such tile or its transform byte means
    /// nothing.
    #[must_use]
    pub fn descriptor(&self, tile: usize) -> Option<Descriptor> {
        let bytes = self.descriptors().get(tile)?;
        Descriptor::parse(*bytes, self.header.tile_len()).ok()
    }

    /// Tiles of the row.
    #[must_use]
    pub const fn tiles(&self) -> usize {
        self.layout.tiles
    }

    fn map(&self) -> &'a [u8] {
        part(self.bytes, self.layout.map())
    }

    pub(crate) fn descriptors(&self) -> &'a [[u8; DESCRIPTOR_LEN]] {
        part(self.bytes, self.layout.descriptors()).as_chunks().0
    }

    pub(crate) fn codes(&self) -> &'a [u8] {
        part(self.bytes, self.layout.codes())
    }

    /// Checks prefix, tile map and transforms; `row` is for the errors.
    pub(crate) fn validate(&self, row: u32) -> Result<(), DecodeError> {
        self.validate_prefix(row)?;
        for (tile, bytes) in self.descriptors().iter().enumerate() {
            Descriptor::parse(*bytes, self.header.tile_len()).map_err(|found| DecodeError::BadTransform {
                row,
                tile: tile as u32,
                found,
            })?;
        }
        Ok(())
    }

    /// Checks what lies before the descriptors.
    #[inline(always)]
    pub(crate) fn validate_prefix(&self, row: u32) -> Result<(), DecodeError> {
        match *self.bytes {
            [found, ..] if found > BASE_MAX => return Err(DecodeError::BadBase { row, found }),
            [_, 0, 0, 0, ..] => {}
            _ => return Err(DecodeError::RowPadding { row }),
        }
        if self.header.encoding == Encoding::TileMixed {
            // By value, so that rows without a map need no place in memory.
            return Row::validate_map(*self, row);
        }
        Ok(())
    }

    fn validate_map(self, row: u32) -> Result<(), DecodeError> {
        let found =
            count_checked(self.map(), self.layout.tiles as u32).ok_or(DecodeError::TileMapPadding { row })?;
        if found != self.header.quota {
            return Err(DecodeError::TileMapCount {
                row,
                found,
                expected: self.header.quota,
            });
        }
        Ok(())
    }
}
