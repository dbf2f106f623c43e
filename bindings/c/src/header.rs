//! A frame's header as plain numbers.

use ::tahq::{DecodeError, Encoding as E, ExponentMode as X, SourceType};

use crate::status::Fault;

/// How the body of a frame is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
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

/// Where the channel exponents of a frame are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ExponentMode {
    /// There are none.
    None = 0,
    /// In the frame.
    InFrame = 1,
    /// Agreed between the two ends.
    Agreed = 2,
}

/// A frame's header. A transport with framing of its own may carry these fields its own way; the functions that are
/// given them check every one. Its layout stays as it is for version 1 of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// Rows (tokens).
    pub rows: u32,
    /// Channels of a row.
    pub width: u32,
    /// Tile-mixed: wide tiles of every row; row-mixed: wide rows; else 0.
    pub quota: u32,
    /// Bytes of the body. It follows from the other fields: written by the library, never read.
    pub body_size: u32,
    /// The check of the agreed table, else 0.
    pub table_check: u16,
    /// A tahq_encoding.
    pub encoding: u8,
    /// log2 of the tile size: 5, 6 or 7; 0 for raw.
    pub log2_tile: u8,
    /// The wide code width, 1 to 8; 0 for raw.
    pub hi: u8,
    /// The narrow code width, 0 to `hi`.
    pub lo: u8,
    /// A tahq_element: what the frame was made from.
    pub source: u8,
    /// A tahq_exponent_mode.
    pub exponents: u8,
}

impl Header {
    pub(crate) const fn of(header: &::tahq::Header, body_size: u32) -> Self {
        Self {
            rows: header.rows,
            width: header.width,
            quota: header.quota,
            body_size,
            table_check: header.table_check,
            encoding: header.encoding as u8,
            log2_tile: header.log2_tile,
            hi: header.hi,
            lo: header.lo,
            source: header.source as u8,
            exponents: header.exponents as u8,
        }
    }

    /// The library's own; its user validates it.
    pub(crate) const fn checked(&self) -> Result<::tahq::Header, Fault> {
        Ok(::tahq::Header {
            encoding: match self.encoding {
                0 => E::Raw,
                1 => E::Uniform,
                2 => E::TileMixed,
                3 => E::RowMixed,
                found => return Err(Fault::Decode(DecodeError::UnknownEncoding { found })),
            },
            log2_tile: self.log2_tile,
            hi: self.hi,
            lo: self.lo,
            source: match self.source {
                1 => SourceType::F32,
                2 => SourceType::F16,
                3 => SourceType::Bf16,
                found => return Err(Fault::Decode(DecodeError::UnknownSourceType { found })),
            },
            exponents: match self.exponents {
                0 => X::None,
                1 => X::InFrame,
                2 => X::Agreed,
                found => return Err(Fault::Decode(DecodeError::UnknownExponents { found })),
            },
            table_check: self.table_check,
            rows: self.rows,
            width: self.width,
            quota: self.quota,
        })
    }
}
