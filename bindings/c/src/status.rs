//! Numeric codes, the detail that goes with one, and how the library's errors become both.

use core::ffi::{CStr, c_char};
use core::fmt::{self, Write};

use ::tahq::{ConfigError, DecodeError, EncodeError};

/// What a function returns: TAHQ_STATUS_OK, or why it did nothing. The numbers stay as they are; new ones may be
/// added. Those from 100 on are the configuration's, from 200 on the encoder's, from 300 on the decoder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A pointer is null where it may not be; a buffer's may be where its size is 0.
    NullPointer = 1,
    /// A pointer is not aligned for what it points to.
    Misaligned = 2,
    /// A buffer that is written to overlaps another argument.
    Overlap = 3,
    /// A size that no buffer can have at its address.
    BadSize = 4,
    /// A `struct_size` that this library does not know, too short or of a later version: was it set?
    StructSize = 5,
    /// A number that none of the values of its type has, or a reserved field that is not 0.
    UnknownValue = 6,
    /// This machine does not have the instruction-set level asked for.
    LevelUnavailable = 7,
    /// The header was made for another ABI than the library.
    AbiVersion = 8,
    /// An error that has no code of its own yet.
    Other = 99,

    /// Code widths out of rule: 1 <= hi <= 8, lo <= hi, and lo >= 1 where rows are ranked (`found`: 256 hi + lo).
    ConfigWidths = 100,
    /// The share is not between 0 and 1 (`found`: its parts, `expected`: of how many).
    ConfigShare = 101,
    /// The rotation threshold is not a number of at least 0.
    ConfigTau = 102,
    /// The pruning threshold is not finite or below 0.
    ConfigPrune = 103,

    /// The input does not hold rows x width elements (`needed`, `available`: elements).
    EncodeInputLength = 200,
    /// The output buffer is too short (`needed`, `available`: bytes).
    EncodeOutputLength = 201,
    /// The body would reach 2^32 bytes, or a size does not fit `size_t`.
    EncodeFrameTooLarge = 202,
    /// NaN or an infinity (`row`, `channel`).
    EncodeNonFinite = 203,
    /// A given channel exponent does not fit the tensor (`row`, `channel`).
    EncodeExponentOverflow = 204,
    /// A table of channel exponents is asked for and none was given.
    EncodeTableMissing = 205,
    /// The table of channel exponents does not hold one for each channel (`needed`, `available`).
    EncodeTableLength = 206,
    /// An exponent of the given table is below -126 (`channel`).
    EncodeTableRange = 207,
    /// The row mask does not hold one entry for each row, or the allocation drops no rows (`needed`, `available`).
    EncodeMask = 208,
    /// Rows that the frame does not have (`row`: the first, `needed`: one past the last, `available`: the frame's).
    EncodeRowRange = 209,
    /// The input is no whole number of elements.
    EncodeMisaligned = 210,
    /// The configuration needs the whole tensor and cannot encode row by row.
    EncodeNotByRows = 211,
    /// A stream of rows was ended early (`available`: rows encoded, `needed`: rows of the frame).
    EncodeRowsMissing = 212,

    /// Fewer bytes than the frame has (`needed`, `available`: bytes).
    DecodeTruncated = 300,
    /// More bytes than the one frame (`needed`, `available`: bytes).
    DecodeTrailingBytes = 301,
    /// Not a TAHQ frame (`found`: the first four bytes, the first lowest).
    DecodeBadMagic = 302,
    /// A version that this library does not know (`found`).
    DecodeUnsupportedVersion = 303,
    /// An encoding that means nothing (`found`).
    DecodeUnknownEncoding = 304,
    /// A tile size that means nothing (`found`: its log2).
    DecodeBadTileSize = 305,
    /// Code widths out of rule (`found`: hi in bits 4 to 7, lo in bits 0 to 3).
    DecodeBadWidths = 306,
    /// A source type that means nothing (`found`).
    DecodeUnknownSourceType = 307,
    /// A channel-exponents field that means nothing (`found`).
    DecodeUnknownExponents = 308,
    /// A table check although no table is agreed (`found`).
    DecodeBadTableCheck = 309,
    /// A quota out of rule (`found`, `expected`: the most).
    DecodeBadQuota = 310,
    /// The body-length field is not what the other fields give (`found`, `expected`).
    DecodeBodyLength = 311,
    /// The body would reach 2^32 bytes, or a size does not fit `size_t`.
    DecodeFrameTooLarge = 312,
    /// The checksum does not match (`found` in the frame, `expected` by its bytes).
    DecodeChecksum = 313,
    /// Padding of a raw body is not zero (`found`: its offset in the body).
    DecodeRawPadding = 314,
    /// Padding after the channel exponents is not zero (`found`: its offset in the body).
    DecodeExponentPadding = 315,
    /// A channel exponent in the frame is below -126 (`channel`).
    DecodeExponentRange = 316,
    /// Unused bits of the row map are set.
    DecodeRowMapPadding = 317,
    /// The row map does not have `quota` bits set (`found`, `expected`).
    DecodeRowMapCount = 318,
    /// A row's base is above 222 (`row`, `found`).
    DecodeBadBase = 319,
    /// The bytes after a row's base are not zero (`row`).
    DecodeRowPadding = 320,
    /// Unused bits of a row's tile map are set (`row`).
    DecodeTileMapPadding = 321,
    /// A row's tile map does not have `quota` bits set (`row`, `found`, `expected`).
    DecodeTileMapCount = 322,
    /// A transform byte that means nothing (`row`, `tile`, `found`).
    DecodeBadTransform = 323,
    /// The frame needs the agreed table of channel exponents and none was given.
    DecodeTableMissing = 324,
    /// The agreed table does not hold one exponent for each channel (`needed`, `available`).
    DecodeTableLength = 325,
    /// The agreed table is not the frame's (`found`: its check, `expected`: the frame's).
    DecodeTableMismatch = 326,
    /// An exponent of the agreed table is below -126 (`channel`).
    DecodeTableRange = 327,
    /// The output buffer does not have the size of what is decoded (`needed`, `available`: elements).
    DecodeOutputLength = 328,
    /// Rows that the frame does not have (`row`: the first, `needed`: one past the last, `available`: the frame's).
    DecodeRowRange = 329,
    /// The output is no whole number of elements.
    DecodeMisaligned = 330,
}

/// Every status with its message.
pub(crate) const MESSAGES: &[(Status, &CStr)] = &[
    (Status::Ok, c"done"),
    (Status::NullPointer, c"a pointer is null"),
    (
        Status::Misaligned,
        c"a pointer is misaligned for what it points to",
    ),
    (
        Status::Overlap,
        c"a buffer that is written to overlaps another argument",
    ),
    (Status::BadSize, c"no buffer can have this size at its address"),
    (
        Status::StructSize,
        c"unknown struct_size: it must be the sizeof of the structure",
    ),
    (Status::UnknownValue, c"a number that means nothing for its type"),
    (
        Status::LevelUnavailable,
        c"this machine does not have the instruction-set level",
    ),
    (
        Status::AbiVersion,
        c"the header was made for another ABI than the library",
    ),
    (Status::Other, c"an error without a code of its own"),
    (Status::ConfigWidths, c"code widths out of rule"),
    (Status::ConfigShare, c"the share is not between 0 and 1"),
    (Status::ConfigTau, c"tau must be a number of at least 0"),
    (
        Status::ConfigPrune,
        c"the pruning threshold must be finite and at least 0",
    ),
    (
        Status::EncodeInputLength,
        c"the input does not hold rows x width elements",
    ),
    (Status::EncodeOutputLength, c"the output buffer is too short"),
    (Status::EncodeFrameTooLarge, c"the frame would be too large"),
    (Status::EncodeNonFinite, c"the input holds a NaN or an infinity"),
    (
        Status::EncodeExponentOverflow,
        c"an element overflows when its channel exponent is taken out",
    ),
    (
        Status::EncodeTableMissing,
        c"no table of channel exponents was given",
    ),
    (
        Status::EncodeTableLength,
        c"the table of channel exponents has not one entry a channel",
    ),
    (
        Status::EncodeTableRange,
        c"a channel exponent of the given table is below -126",
    ),
    (
        Status::EncodeMask,
        c"the row mask has not one entry a row, or the allocation drops no rows",
    ),
    (
        Status::EncodeRowRange,
        c"a row range that is not within the frame",
    ),
    (
        Status::EncodeMisaligned,
        c"the input is no whole number of elements",
    ),
    (
        Status::EncodeNotByRows,
        c"the configuration needs the whole tensor, not row by row",
    ),
    (
        Status::EncodeRowsMissing,
        c"a stream of rows was ended before its last row",
    ),
    (Status::DecodeTruncated, c"the frame is truncated"),
    (Status::DecodeTrailingBytes, c"there are bytes after the frame"),
    (Status::DecodeBadMagic, c"not a TAHQ frame"),
    (Status::DecodeUnsupportedVersion, c"unsupported version"),
    (Status::DecodeUnknownEncoding, c"unknown encoding"),
    (Status::DecodeBadTileSize, c"bad tile size"),
    (Status::DecodeBadWidths, c"bad code widths"),
    (Status::DecodeUnknownSourceType, c"unknown source type"),
    (Status::DecodeUnknownExponents, c"bad channel-exponents field"),
    (
        Status::DecodeBadTableCheck,
        c"a table check in a frame without an agreed table",
    ),
    (Status::DecodeBadQuota, c"the quota is out of rule"),
    (
        Status::DecodeBodyLength,
        c"the body length is not what the header's other fields give",
    ),
    (Status::DecodeFrameTooLarge, c"the frame is too large"),
    (Status::DecodeChecksum, c"the checksum does not match"),
    (Status::DecodeRawPadding, c"padding of the raw body is not zero"),
    (
        Status::DecodeExponentPadding,
        c"padding of the channel exponents is not zero",
    ),
    (Status::DecodeExponentRange, c"a channel exponent is below -126"),
    (Status::DecodeRowMapPadding, c"unused bits of the row map are set"),
    (
        Status::DecodeRowMapCount,
        c"the row map does not have as many rows set as the quota",
    ),
    (Status::DecodeBadBase, c"the base of a row is above 222"),
    (
        Status::DecodeRowPadding,
        c"the padding of a row's prefix is not zero",
    ),
    (Status::DecodeTileMapPadding, c"unused bits of a tile map are set"),
    (
        Status::DecodeTileMapCount,
        c"a tile map does not have as many tiles set as the quota",
    ),
    (Status::DecodeBadTransform, c"bad transform byte"),
    (
        Status::DecodeTableMissing,
        c"the frame needs the agreed table of channel exponents",
    ),
    (
        Status::DecodeTableLength,
        c"the agreed table has not one entry a channel",
    ),
    (
        Status::DecodeTableMismatch,
        c"the frame was made with another table",
    ),
    (
        Status::DecodeTableRange,
        c"a channel exponent of the agreed table is below -126",
    ),
    (
        Status::DecodeOutputLength,
        c"the output does not have the size of what is decoded",
    ),
    (
        Status::DecodeRowRange,
        c"a row range that is not within the frame",
    ),
    (
        Status::DecodeMisaligned,
        c"the output is no whole number of elements",
    ),
];

/// Why a call failed, in detail. Which of the numbers mean something depends on the status, whose comment names
/// them; the others are 0. Set `struct_size` before the first use; the library writes all other fields where a call
/// fails, and none where it succeeds.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Error {
    /// `sizeof(tahq_error)`, set by the caller.
    pub struct_size: u32,
    /// What the function returned.
    pub status: Status,
    /// A row (token).
    pub row: u32,
    /// A channel of that row, or of the table.
    pub channel: u32,
    /// A tile of that row.
    pub tile: u32,
    /// 0.
    pub reserved: u32,
    /// How much was needed.
    pub needed: u64,
    /// How much there was.
    pub available: u64,
    /// What was found.
    pub found: u64,
    /// What should have been there.
    pub expected: u64,
    /// The argument or field that is at fault, where one is alone; else null. Static.
    pub argument: *const c_char,
    /// The whole in English, with its numbers; ends in a zero byte.
    pub message: [c_char; 160],
}

/// Why a call fails.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Something that only this interface can find, in an argument of that name.
    Argument(Status, &'static CStr),
    Config(ConfigError),
    Encode(EncodeError),
    Decode(DecodeError),
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<EncodeError> for Fault {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(status, name) => {
                write!(f, "{}: {}", text(name), text(message(*status as i32)))
            }
            Self::Config(error) => error.fmt(f),
            Self::Encode(error) => error.fmt(f),
            Self::Decode(error) => error.fmt(f),
        }
    }
}

fn text(text: &CStr) -> &str {
    text.to_str().unwrap_or("")
}

pub(crate) fn message(status: i32) -> &'static CStr {
    MESSAGES
        .iter()
        .find(|(known, _)| *known as i32 == status)
        .map_or(c"unknown status", |(_, message)| message)
}

/// Writes what fits of a text, which is ASCII.
struct Text<'a> {
    to: &'a mut [c_char],
    len: usize,
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The last byte stays zero.
        let room = self.to.len() - 1 - self.len;
        let len = text.len().min(room);
        for (to, byte) in self.to[self.len..].iter_mut().zip(&text.as_bytes()[..len]) {
            *to = *byte as c_char;
        }
        self.len += len;
        if len < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Fault {
    /// The status alone, which costs nothing.
    pub(crate) const fn status(&self) -> Status {
        match *self {
            Self::Argument(status, _) => status,
            Self::Config(error) => match error {
                ConfigError::Widths { .. } => Status::ConfigWidths,
                ConfigError::Share { .. } => Status::ConfigShare,
                ConfigError::Tau => Status::ConfigTau,
                ConfigError::Prune => Status::ConfigPrune,
                _ => Status::Other,
            },
            Self::Encode(error) => match error {
                EncodeError::InputLength { .. } => Status::EncodeInputLength,
                EncodeError::OutputLength { .. } => Status::EncodeOutputLength,
                EncodeError::FrameTooLarge => Status::EncodeFrameTooLarge,
                EncodeError::NonFinite { .. } => Status::EncodeNonFinite,
                EncodeError::ExponentOverflow { .. } => Status::EncodeExponentOverflow,
                EncodeError::TableMissing => Status::EncodeTableMissing,
                EncodeError::TableLength { .. } => Status::EncodeTableLength,
                EncodeError::TableRange { .. } => Status::EncodeTableRange,
                EncodeError::Mask { .. } => Status::EncodeMask,
                EncodeError::RowRange { .. } => Status::EncodeRowRange,
                EncodeError::Misaligned => Status::EncodeMisaligned,
                EncodeError::NotByRows(_) => Status::EncodeNotByRows,
                EncodeError::RowsMissing { .. } => Status::EncodeRowsMissing,
                _ => Status::Other,
            },
            Self::Decode(error) => match error {
                DecodeError::Truncated { .. } => Status::DecodeTruncated,
                DecodeError::TrailingBytes { .. } => Status::DecodeTrailingBytes,
                DecodeError::BadMagic { .. } => Status::DecodeBadMagic,
                DecodeError::UnsupportedVersion { .. } => Status::DecodeUnsupportedVersion,
                DecodeError::UnknownEncoding { .. } => Status::DecodeUnknownEncoding,
                DecodeError::BadTileSize { .. } => Status::DecodeBadTileSize,
                DecodeError::BadWidths { .. } => Status::DecodeBadWidths,
                DecodeError::UnknownSourceType { .. } => Status::DecodeUnknownSourceType,
                DecodeError::UnknownExponents { .. } => Status::DecodeUnknownExponents,
                DecodeError::BadTableCheck { .. } => Status::DecodeBadTableCheck,
                DecodeError::BadQuota { .. } => Status::DecodeBadQuota,
                DecodeError::BodyLength { .. } => Status::DecodeBodyLength,
                DecodeError::FrameTooLarge => Status::DecodeFrameTooLarge,
                DecodeError::Checksum { .. } => Status::DecodeChecksum,
                DecodeError::RawPadding { .. } => Status::DecodeRawPadding,
                DecodeError::ExponentPadding { .. } => Status::DecodeExponentPadding,
                DecodeError::ExponentRange { .. } => Status::DecodeExponentRange,
                DecodeError::RowMapPadding => Status::DecodeRowMapPadding,
                DecodeError::RowMapCount { .. } => Status::DecodeRowMapCount,
                DecodeError::BadBase { .. } => Status::DecodeBadBase,
                DecodeError::RowPadding { .. } => Status::DecodeRowPadding,
                DecodeError::TileMapPadding { .. } => Status::DecodeTileMapPadding,
                DecodeError::TileMapCount { .. } => Status::DecodeTileMapCount,
                DecodeError::BadTransform { .. } => Status::DecodeBadTransform,
                DecodeError::TableMissing => Status::DecodeTableMissing,
                DecodeError::TableLength { .. } => Status::DecodeTableLength,
                DecodeError::TableMismatch { .. } => Status::DecodeTableMismatch,
                DecodeError::TableRange { .. } => Status::DecodeTableRange,
                DecodeError::OutputLength { .. } => Status::DecodeOutputLength,
                DecodeError::RowRange { .. } => Status::DecodeRowRange,
                DecodeError::Misaligned => Status::DecodeMisaligned,
                _ => Status::Other,
            },
        }
    }

    /// Everything that is known of the fault.
    pub(crate) fn detail(&self) -> Error {
        let mut detail = Error {
            struct_size: size_of::<Error>() as u32,
            status: self.status(),
            row: 0,
            channel: 0,
            tile: 0,
            reserved: 0,
            needed: 0,
            available: 0,
            found: 0,
            expected: 0,
            argument: core::ptr::null(),
            message: [0; 160],
        };
        let mut text = Text {
            to: &mut detail.message,
            len: 0,
        };
        // A message that does not fit is cut.
        let _ = write!(text, "{self}");
        match *self {
            Self::Argument(_, name) => detail.argument = name.as_ptr(),
            Self::Config(error) => match error {
                ConfigError::Widths { hi, lo } => detail.found = u64::from(hi) << 8 | u64::from(lo),
                ConfigError::Share { parts, of } => {
                    detail.found = u64::from(parts);
                    detail.expected = u64::from(of);
                }
                _ => {}
            },
            Self::Encode(error) => detail.encode(error),
            Self::Decode(error) => detail.decode(error),
        }
        detail
    }
}

impl Error {
    fn encode(&mut self, error: EncodeError) {
        match error {
            EncodeError::InputLength { needed, available } => {
                (self.needed, self.available) = (needed, available as u64);
            }
            EncodeError::OutputLength { needed, available } => {
                (self.needed, self.available) = (needed as u64, available as u64);
            }
            EncodeError::TableLength { needed, available } | EncodeError::Mask { needed, available } => {
                (self.needed, self.available) = (u64::from(needed), available as u64);
            }
            EncodeError::NonFinite { row, channel } | EncodeError::ExponentOverflow { row, channel } => {
                (self.row, self.channel) = (row, channel);
            }
            EncodeError::TableRange { channel } => self.channel = channel,
            EncodeError::RowRange { start, end, rows } => {
                (self.row, self.needed, self.available) = (start, u64::from(end), u64::from(rows));
            }
            EncodeError::RowsMissing { encoded, rows } => {
                (self.available, self.needed) = (u64::from(encoded), u64::from(rows));
            }
            _ => {}
        }
    }

    fn decode(&mut self, error: DecodeError) {
        match error {
            DecodeError::Truncated { needed, available }
            | DecodeError::TrailingBytes { needed, available }
            | DecodeError::OutputLength { needed, available } => {
                (self.needed, self.available) = (needed, available as u64);
            }
            DecodeError::TableLength { needed, available } => {
                (self.needed, self.available) = (u64::from(needed), available as u64);
            }
            DecodeError::BadMagic { found } => self.found = u64::from(u32::from_le_bytes(found)),
            DecodeError::UnsupportedVersion { found }
            | DecodeError::UnknownEncoding { found }
            | DecodeError::BadTileSize { found }
            | DecodeError::BadWidths { found }
            | DecodeError::UnknownSourceType { found }
            | DecodeError::UnknownExponents { found } => self.found = u64::from(found),
            DecodeError::BadTableCheck { found } => self.found = u64::from(found),
            DecodeError::BadQuota { found, max: expected }
            | DecodeError::BodyLength { found, expected }
            | DecodeError::Checksum {
                found,
                computed: expected,
            }
            | DecodeError::RowMapCount { found, expected } => {
                (self.found, self.expected) = (u64::from(found), u64::from(expected));
            }
            DecodeError::RawPadding { offset } | DecodeError::ExponentPadding { offset } => {
                self.found = u64::from(offset);
            }
            DecodeError::ExponentRange { channel } | DecodeError::TableRange { channel } => {
                self.channel = channel;
            }
            DecodeError::BadBase { row, found } => (self.row, self.found) = (row, u64::from(found)),
            DecodeError::RowPadding { row } | DecodeError::TileMapPadding { row } => self.row = row,
            DecodeError::TileMapCount { row, found, expected } => {
                (self.row, self.found, self.expected) = (row, u64::from(found), u64::from(expected));
            }
            DecodeError::BadTransform { row, tile, found } => {
                (self.row, self.tile, self.found) = (row, tile, u64::from(found));
            }
            DecodeError::TableMismatch { expected, found } => {
                (self.expected, self.found) = (u64::from(expected), u64::from(found));
            }
            DecodeError::RowRange { start, end, rows } => {
                (self.row, self.needed, self.available) = (start, u64::from(end), u64::from(rows));
            }
            _ => {}
        }
    }
}
