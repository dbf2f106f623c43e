//! Errors: one small `Copy` enum a direction, each variant a distinct fault that says where it is.
//!
//! Nothing in this crate panics on bad input; everything that can be wrong is one of these.

use core::fmt;

/// A [`Config`](crate::Config) that cannot be encoded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConfigError {
    /// Code widths must satisfy `1 <= hi <= 8` and `lo <= hi`; a ranked row allocation needs `lo >= 1`.
    Widths {
        /// The wide code width asked for.
        hi: u8,
        /// The narrow code width asked for.
        lo: u8,
    },
    /// A share must be a fraction `parts / of` with `of > 0` and `parts <= of`.
    Share {
        /// Numerator.
        parts: u32,
        /// Denominator.
        of: u32,
    },
    /// The rotation threshold `tau` must be at least 0 and not NaN (infinity means never).
    Tau,
    /// The pruning threshold must be finite and at least 0.
    Prune,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Widths { hi, lo } => write!(
                f,
                "code widths hi {hi} and lo {lo} are out of rule: 1 <= hi <= 8, lo <= hi, and lo >= 1 where rows are ranked"
            ),
            Self::Share { parts, of } => write!(f, "share {parts}/{of} is not between 0 and 1"),
            Self::Tau => write!(f, "tau must be a number of at least 0"),
            Self::Prune => write!(f, "the pruning threshold must be finite and at least 0"),
        }
    }
}

impl core::error::Error for ConfigError {}

/// Why a tensor could not be encoded. Nothing of the output may be used after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EncodeError {
    /// The input does not hold `rows * width` elements.
    InputLength {
        /// Elements that the shape asks for.
        needed: u64,
        /// Elements given.
        available: usize,
    },
    /// The output buffer is too short.
    OutputLength {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        available: usize,
    },
    /// The body would reach 2^32 bytes, or a size does not fit this target's `usize`.
    FrameTooLarge,
    /// NaN or an infinity where only finite values can be coded.
    NonFinite {
        /// Row (token) of the first such value.
        row: u32,
        /// Channel of the first such value.
        channel: u32,
    },
    /// `x * 2^-k` is not finite: the channel exponents, given or estimated from a sample of the rows, do not fit this
    /// tensor.
    ExponentOverflow {
        /// Row (token) of the first such value.
        row: u32,
        /// Channel of the first such value.
        channel: u32,
    },
    /// The configuration asks for the caller's table of channel exponents and none was given.
    TableMissing,
    /// The table of channel exponents does not hold one entry for each channel.
    TableLength {
        /// Entries needed (`width`).
        needed: u32,
        /// Entries given.
        available: usize,
    },
    /// A channel exponent of the given table is below -126.
    TableRange {
        /// The first such channel.
        channel: u32,
    },
    /// The row mask does not hold one entry for each row, or the configuration cannot drop rows.
    Mask {
        /// Entries needed (`rows`).
        needed: u32,
        /// Entries given.
        available: usize,
    },
    /// A row range that is not within the frame's rows.
    RowRange {
        /// First row asked for.
        start: u32,
        /// One past the last row asked for.
        end: u32,
        /// Rows of the frame.
        rows: u32,
    },
    /// The byte buffer is not aligned for its element type, or is no whole number of elements.
    Misaligned,
    /// A frame cannot be written row by row: something before its first row follows from all rows.
    NotByRows(WholeTensor),
    /// A stream of rows was ended before its last row.
    RowsMissing {
        /// Rows encoded.
        encoded: u32,
        /// Rows of the frame.
        rows: u32,
    },
}

/// What an encoder finds only in a whole tensor, and a frame has before its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WholeTensor {
    /// Channel exponents that the encoder estimates. A table from the caller, in the frame or agreed, is an
    /// alternative.
    EstimatedExponents,
    /// Which rows have the wide code width. Tiles ranked within their row are an alternative.
    RankedRows,
    /// Which rows are dropped. A mask from the caller is an alternative.
    DroppedRows,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::InputLength { needed, available } => {
                write!(f, "input holds {available} elements, the shape needs {needed}")
            }
            Self::OutputLength { needed, available } => {
                write!(f, "output holds {available} bytes, {needed} are needed")
            }
            Self::FrameTooLarge => write!(
                f,
                "the frame would reach 2^32 bytes or this target's address space"
            ),
            Self::NonFinite { row, channel } => {
                write!(f, "NaN or infinity at row {row}, channel {channel}")
            }
            Self::ExponentOverflow { row, channel } => write!(
                f,
                "row {row}, channel {channel} overflows when its channel exponent is taken out"
            ),
            Self::TableMissing => write!(f, "no table of channel exponents was given"),
            Self::TableLength { needed, available } => {
                write!(
                    f,
                    "the table of channel exponents holds {available} entries, {needed} are needed"
                )
            }
            Self::TableRange { channel } => {
                write!(f, "the exponent of channel {channel} is below -126")
            }
            Self::Mask { needed, available } => write!(
                f,
                "the row mask holds {available} entries for {needed} rows, or the configuration drops no rows"
            ),
            Self::RowRange { start, end, rows } => {
                write!(f, "rows {start}..{end} are not within the frame's {rows}")
            }
            Self::Misaligned => write!(
                f,
                "the byte buffer is misaligned for its elements or not a whole number of them"
            ),
            Self::NotByRows(WholeTensor::EstimatedExponents) => {
                write!(f, "channel exponents are estimated from all rows: not row by row")
            }
            Self::NotByRows(WholeTensor::RankedRows) => {
                write!(f, "rows are ranked among all rows: not row by row")
            }
            Self::NotByRows(WholeTensor::DroppedRows) => {
                write!(
                    f,
                    "without a mask, the rows to drop follow from all rows: not row by row"
                )
            }
            Self::RowsMissing { encoded, rows } => {
                write!(f, "the frame was ended after {encoded} of its {rows} rows")
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// Why bytes were refused. The output buffer holds zeros after an error, never earlier content.
///
/// Which of several faults is reported is unspecified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DecodeError {
    /// Fewer bytes than the frame has.
    Truncated {
        /// Bytes needed, as far as known from what is there.
        needed: u64,
        /// Bytes given.
        available: usize,
    },
    /// More bytes than the one frame expected.
    TrailingBytes {
        /// Bytes of the frame.
        needed: u64,
        /// Bytes given.
        available: usize,
    },
    /// The first four bytes are not `TAHQ`.
    BadMagic {
        /// What was there.
        found: [u8; 4],
    },
    /// A version this decoder does not know.
    UnsupportedVersion {
        /// What was there.
        found: u8,
    },
    /// An encoding other than raw, uniform, tile-mixed and row-mixed.
    UnknownEncoding {
        /// What was there.
        found: u8,
    },
    /// A tile size other than 32, 64 and 128 (raw: other than none).
    BadTileSize {
        /// The log2 found.
        found: u8,
    },
    /// Code widths out of rule.
    BadWidths {
        /// The byte found: `hi` in bits 4..7, `lo` in bits 0..3.
        found: u8,
    },
    /// A source type other than f32, f16 and bf16.
    UnknownSourceType {
        /// What was there.
        found: u8,
    },
    /// A channel-exponents field that means nothing, or not none for raw.
    UnknownExponents {
        /// What was there.
        found: u8,
    },
    /// A table check although no table is agreed.
    BadTableCheck {
        /// What was there.
        found: u16,
    },
    /// A quota out of rule.
    BadQuota {
        /// What was there.
        found: u32,
        /// The most that this frame may have.
        max: u32,
    },
    /// The body-length field is not what the other fields give.
    BodyLength {
        /// What was there.
        found: u32,
        /// What the other fields give.
        expected: u32,
    },
    /// The body would reach 2^32 bytes, or a size does not fit this target's `usize`.
    FrameTooLarge,
    /// The checksum does not match.
    Checksum {
        /// The checksum in the frame.
        found: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// Padding of a raw body is not zero.
    RawPadding {
        /// Byte offset in the body.
        offset: u32,
    },
    /// Padding after the channel exponents is not zero.
    ExponentPadding {
        /// Byte offset in the body.
        offset: u32,
    },
    /// A channel exponent in the frame is below -126.
    ExponentRange {
        /// Its channel.
        channel: u32,
    },
    /// Unused bits of the row map are set.
    RowMapPadding,
    /// The row map does not have `quota` bits set.
    RowMapCount {
        /// Bits set.
        found: u32,
        /// The quota.
        expected: u32,
    },
    /// A row's base is above 222.
    BadBase {
        /// The row.
        row: u32,
        /// What was there.
        found: u8,
    },
    /// The bytes after a row's base are not zero.
    RowPadding {
        /// The row.
        row: u32,
    },
    /// Unused bits of a row's tile map are set.
    TileMapPadding {
        /// The row.
        row: u32,
    },
    /// A row's tile map does not have `quota` bits set.
    TileMapCount {
        /// The row.
        row: u32,
        /// Bits set.
        found: u32,
        /// The quota.
        expected: u32,
    },
    /// A transform byte that means nothing.
    BadTransform {
        /// The row.
        row: u32,
        /// The tile within the row.
        tile: u32,
        /// What was there.
        found: u8,
    },
    /// The frame needs the agreed table of channel exponents and none was given.
    TableMissing,
    /// The agreed table does not hold one entry for each channel.
    TableLength {
        /// Entries needed (`width`).
        needed: u32,
        /// Entries given.
        available: usize,
    },
    /// The agreed table is not the one that the frame was made with.
    TableMismatch {
        /// The check in the frame.
        expected: u16,
        /// The check of the given table.
        found: u16,
    },
    /// A channel exponent of the given table is below -126.
    TableRange {
        /// The first such channel.
        channel: u32,
    },
    /// The output buffer does not have the size of what is decoded.
    OutputLength {
        /// Elements (or bytes, where bytes were given) needed.
        needed: u64,
        /// Elements (or bytes) given.
        available: usize,
    },
    /// A row range that is not within the frame's rows.
    RowRange {
        /// First row asked for.
        start: u32,
        /// One past the last row asked for.
        end: u32,
        /// Rows of the frame.
        rows: u32,
    },
    /// The output bytes are not aligned for their element type, or are no whole number of elements.
    Misaligned,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { needed, available } => {
                write!(f, "truncated: {available} bytes of at least {needed}")
            }
            Self::TrailingBytes { needed, available } => {
                write!(f, "the frame ends at byte {needed} of {available}")
            }
            Self::BadMagic { found } => write!(
                f,
                "not a TAHQ frame: magic {:02x} {:02x} {:02x} {:02x}",
                found[0], found[1], found[2], found[3]
            ),
            Self::UnsupportedVersion { found } => write!(f, "unsupported version {found}"),
            Self::UnknownEncoding { found } => write!(f, "unknown encoding {found}"),
            Self::BadTileSize { found } => write!(f, "bad tile size: log2 G is {found}"),
            Self::BadWidths { found } => {
                write!(f, "bad code widths: hi {}, lo {}", found >> 4, found & 15)
            }
            Self::UnknownSourceType { found } => write!(f, "unknown source type {found}"),
            Self::UnknownExponents { found } => write!(f, "bad channel-exponents field {found}"),
            Self::BadTableCheck { found } => {
                write!(f, "table check {found:#06x} in a frame without an agreed table")
            }
            Self::BadQuota { found, max } => write!(f, "quota {found} is out of rule, at most {max}"),
            Self::BodyLength { found, expected } => {
                write!(
                    f,
                    "body length {found} in the header, {expected} by its other fields"
                )
            }
            Self::FrameTooLarge => write!(f, "the frame reaches 2^32 bytes or this target's address space"),
            Self::Checksum { found, computed } => {
                write!(
                    f,
                    "checksum {found:#010x} in the frame, {computed:#010x} computed"
                )
            }
            Self::RawPadding { offset } => {
                write!(f, "padding of the raw body is not zero at body byte {offset}")
            }
            Self::ExponentPadding { offset } => {
                write!(
                    f,
                    "padding of the channel exponents is not zero at body byte {offset}"
                )
            }
            Self::ExponentRange { channel } => write!(f, "exponent of channel {channel} is below -126"),
            Self::RowMapPadding => write!(f, "unused bits of the row map are set"),
            Self::RowMapCount { found, expected } => {
                write!(f, "row map has {found} rows set, the quota is {expected}")
            }
            Self::BadBase { row, found } => write!(f, "row {row}: base {found} is above 222"),
            Self::RowPadding { row } => write!(f, "row {row}: prefix padding is not zero"),
            Self::TileMapPadding { row } => write!(f, "row {row}: unused bits of the tile map are set"),
            Self::TileMapCount { row, found, expected } => write!(
                f,
                "row {row}: tile map has {found} tiles set, the quota is {expected}"
            ),
            Self::BadTransform { row, tile, found } => {
                write!(f, "row {row}, tile {tile}: bad transform byte {found:#04x}")
            }
            Self::TableMissing => write!(f, "the frame needs the agreed table of channel exponents"),
            Self::TableLength { needed, available } => {
                write!(
                    f,
                    "the agreed table holds {available} entries, {needed} are needed"
                )
            }
            Self::TableMismatch { expected, found } => {
                write!(
                    f,
                    "the frame was made with another table: check {expected:#06x}, given {found:#06x}"
                )
            }
            Self::TableRange { channel } => {
                write!(f, "agreed table: exponent of channel {channel} is below -126")
            }
            Self::OutputLength { needed, available } => {
                write!(f, "output holds {available}, {needed} are needed")
            }
            Self::RowRange { start, end, rows } => {
                write!(f, "rows {start}..{end} are not within the frame's {rows}")
            }
            Self::Misaligned => write!(
                f,
                "the byte buffer is misaligned for its elements or not a whole number of them"
            ),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Why bytes of a stream were refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StreamError {
    /// Where what was refused begins, in bytes from the start of the stream: a header, the channel exponents and the
    /// row map, a row block, or the padding and the checksum.
    pub position: u64,
    /// The fault.
    pub fault: StreamFault,
}

/// What was wrong in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StreamFault {
    /// The bytes, as for a whole frame; or the row buffer, [`DecodeError::OutputLength`].
    Frame(DecodeError),
    /// The decoder's buffer is too short for this frame.
    Capacity {
        /// Bytes needed: [`Header::stream_capacity`](crate::Header::stream_capacity).
        needed: usize,
        /// Bytes that the buffer has.
        available: usize,
    },
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = self.position;
        match self.fault {
            StreamFault::Frame(error) => write!(f, "at byte {position} of the stream: {error}"),
            StreamFault::Capacity { needed, available } => write!(
                f,
                "at byte {position} of the stream: the frame needs a buffer of {needed} bytes, this one has {available}"
            ),
        }
    }
}

impl core::error::Error for StreamError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.fault {
            StreamFault::Frame(error) => Some(error),
            StreamFault::Capacity { .. } => None,
        }
    }
}
