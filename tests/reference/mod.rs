//! Reference implementation of the TAHQ frame format, version 1.
//!
//! One scalar file in the order of `SPEC.md`, whose section numbers the comments give. It shares no code with
//! the crate and depends on nothing but the standard library, so that agreement between the two means
//! something. Where the specification gives a definition, the definition is what runs here: the rotation is
//! the full sum over a row of the matrix, a code is looked up bit field by bit field, sizes are computed in
//! `u128`. It is slow on purpose.
//!
//! Three parts: the decoder (sections 2 to 8 of the specification), a writer that lays out whatever it is
//! told to, valid or not, and a generator of random valid frames and of damaged ones. Integration tests and
//! fuzz targets include this file by path.

#![allow(dead_code, unreachable_pub)]

/// Why a frame is refused. The variants bear the names of section 8 and of the crate's `DecodeError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    Truncated,
    TrailingBytes,
    BadMagic,
    UnsupportedVersion,
    UnknownEncoding,
    BadTileSize,
    BadWidths,
    UnknownSourceType,
    UnknownExponents,
    BadTableCheck,
    BadQuota,
    BodyLength,
    FrameTooLarge,
    Checksum,
    RawPadding,
    ExponentPadding,
    ExponentRange,
    RowMapPadding,
    RowMapCount,
    BadBase,
    RowPadding,
    TileMapPadding,
    TileMapCount,
    BadTransform,
    TableMissing,
    TableLength,
    TableMismatch,
    TableRange,
}

impl Fault {
    /// Every fault there is, so that a test can ask whether each has a vector.
    pub const ALL: [Fault; 28] = [
        Fault::Truncated,
        Fault::TrailingBytes,
        Fault::BadMagic,
        Fault::UnsupportedVersion,
        Fault::UnknownEncoding,
        Fault::BadTileSize,
        Fault::BadWidths,
        Fault::UnknownSourceType,
        Fault::UnknownExponents,
        Fault::BadTableCheck,
        Fault::BadQuota,
        Fault::BodyLength,
        Fault::FrameTooLarge,
        Fault::Checksum,
        Fault::RawPadding,
        Fault::ExponentPadding,
        Fault::ExponentRange,
        Fault::RowMapPadding,
        Fault::RowMapCount,
        Fault::BadBase,
        Fault::RowPadding,
        Fault::TileMapPadding,
        Fault::TileMapCount,
        Fault::BadTransform,
        Fault::TableMissing,
        Fault::TableLength,
        Fault::TableMismatch,
        Fault::TableRange,
    ];

    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

// ---------------------------------------------------------------------------------------------------------
// Section 2: conventions
// ---------------------------------------------------------------------------------------------------------

pub fn read_u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Bit `index` of a map of little-endian u32 words.
fn map_bit(map: &[u8], index: u64) -> bool {
    let word = read_u32(map, 4 * usize::try_from(index / 32).unwrap());
    word >> (index % 32) & 1 == 1
}

/// `v` rounded to binary32, to nearest, ties to even: what a float conversion does in Rust. All products that
/// are rounded here are exact in binary64 beforehand.
fn f32_of(v: f64) -> f32 {
    v as f32
}

/// `2^k` in binary64, for exponents in its normal range.
fn power_of_two(k: i32) -> f64 {
    f64::from_bits(u64::try_from(1023 + k).unwrap() << 52)
}

/// CRC-32/ISO-HDLC, a bit at a time: reflected polynomial 0x04c11db7, initial and final value all ones.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

/// The 16 bits by which a header names an agreed table of channel exponents.
pub fn table_check(table: &[i8]) -> u16 {
    let bytes: Vec<u8> = table.iter().map(|&k| k as u8).collect();
    (crc32(&bytes) & 0xffff) as u16
}

// ---------------------------------------------------------------------------------------------------------
// Section 3: frame and header
// ---------------------------------------------------------------------------------------------------------

pub const HEADER_LEN: usize = 28;
pub const CHECKSUM_LEN: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Raw,
    Uniform,
    TileMixed,
    RowMixed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceType {
    F32,
    F16,
    Bf16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exponents {
    None,
    InFrame,
    Agreed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub encoding: Encoding,
    /// log2 of the tile size, 0 in a raw frame.
    pub log2_tile: u8,
    pub hi: u8,
    pub lo: u8,
    pub source: SourceType,
    pub exponents: Exponents,
    pub table_check: u16,
    pub rows: u32,
    pub width: u32,
    pub quota: u32,
    pub body_length: u32,
}

impl Header {
    /// Reads the 28 bytes of a header and holds each field against its rule, the sizes last.
    pub fn parse(bytes: &[u8]) -> Result<Header, Fault> {
        let header = Header::parse_fields(bytes)?;
        let exact = header.exact_body_length();
        if exact >= 1 << 32 {
            return Err(Fault::FrameTooLarge);
        }
        if u128::from(header.body_length) != exact {
            return Err(Fault::BodyLength);
        }
        Ok(header)
    }

    /// All fields but the body length, in their order.
    fn parse_fields(bytes: &[u8]) -> Result<Header, Fault> {
        if bytes.len() < HEADER_LEN {
            return Err(Fault::Truncated);
        }
        if &bytes[0..4] != b"TAHQ" {
            return Err(Fault::BadMagic);
        }
        if bytes[4] != 1 {
            return Err(Fault::UnsupportedVersion);
        }
        let encoding = match bytes[5] {
            0 => Encoding::Raw,
            1 => Encoding::Uniform,
            2 => Encoding::TileMixed,
            3 => Encoding::RowMixed,
            _ => return Err(Fault::UnknownEncoding),
        };
        let raw = encoding == Encoding::Raw;

        let log2_tile = bytes[6];
        match log2_tile {
            0 if raw => {}
            5..=7 if !raw => {}
            _ => return Err(Fault::BadTileSize),
        }

        let (hi, lo) = (bytes[7] >> 4, bytes[7] & 15);
        let widths_hold = match encoding {
            Encoding::Raw => hi == 0 && lo == 0,
            Encoding::Uniform => (1..=8).contains(&hi) && lo == hi,
            Encoding::TileMixed | Encoding::RowMixed => (1..=8).contains(&hi) && lo <= hi,
        };
        if !widths_hold {
            return Err(Fault::BadWidths);
        }

        let source = match bytes[8] {
            1 => SourceType::F32,
            2 => SourceType::F16,
            3 => SourceType::Bf16,
            _ => return Err(Fault::UnknownSourceType),
        };
        let exponents = match bytes[9] {
            0 => Exponents::None,
            1 if !raw => Exponents::InFrame,
            2 if !raw => Exponents::Agreed,
            _ => return Err(Fault::UnknownExponents),
        };
        let table_check = read_u16(bytes, 10);
        if exponents != Exponents::Agreed && table_check != 0 {
            return Err(Fault::BadTableCheck);
        }

        let header = Header {
            encoding,
            log2_tile,
            hi,
            lo,
            source,
            exponents,
            table_check,
            rows: read_u32(bytes, 12),
            width: read_u32(bytes, 16),
            quota: read_u32(bytes, 20),
            body_length: read_u32(bytes, 24),
        };
        let most = match encoding {
            _ if header.is_empty() => 0,
            Encoding::Raw | Encoding::Uniform => 0,
            Encoding::TileMixed => header.tiles(),
            Encoding::RowMixed => u64::from(header.rows),
        };
        if u64::from(header.quota) > most {
            return Err(Fault::BadQuota);
        }
        Ok(header)
    }

    /// Section 3.3: a tensor without elements has an empty body.
    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.width == 0
    }

    pub fn elements(&self) -> u64 {
        u64::from(self.rows) * u64::from(self.width)
    }

    /// `G`. Not asked of raw frames.
    pub fn tile_size(&self) -> u64 {
        1 << self.log2_tile
    }

    /// `T`, the tiles of a row.
    pub fn tiles(&self) -> u64 {
        u64::from(self.width).div_ceil(self.tile_size())
    }

    /// Bytes of one element of a raw body.
    pub fn element_size(&self) -> usize {
        match self.source {
            SourceType::F32 => 4,
            SourceType::F16 | SourceType::Bf16 => 2,
        }
    }

    /// Section 10: the length of the body, exactly, from all other fields.
    pub fn exact_body_length(&self) -> u128 {
        if self.is_empty() {
            return 0;
        }
        let (rows, width) = (u128::from(self.rows), u128::from(self.width));
        if self.encoding == Encoding::Raw {
            return (rows * width * self.element_size() as u128).next_multiple_of(4);
        }
        let table = match self.exponents {
            Exponents::InFrame => width.next_multiple_of(4),
            Exponents::None | Exponents::Agreed => 0,
        };
        let quota = u128::from(self.quota);
        table
            + match self.encoding {
                Encoding::Raw => unreachable!("handled above"),
                Encoding::Uniform | Encoding::TileMixed => rows * u128::from(self.row_block_length(true)),
                Encoding::RowMixed => {
                    rows.div_ceil(32) * 4
                        + quota * u128::from(self.row_block_length(true))
                        + (rows - quota) * u128::from(self.row_block_length(false))
                }
            }
    }

    /// The length of a row's block; `high` tells the two kinds of row of a row-mixed frame apart and means
    /// nothing elsewhere.
    pub fn row_block_length(&self, high: bool) -> u64 {
        let (tiles, quota) = (self.tiles(), u64::from(self.quota));
        let codes = |bits: u8| self.tile_size() / 8 * u64::from(bits);
        match self.encoding {
            Encoding::Raw => unreachable!("raw frames have no row blocks"),
            Encoding::Uniform => 4 + tiles * (4 + codes(self.hi)),
            Encoding::TileMixed => {
                4 + tiles.div_ceil(32) * 4
                    + tiles * 4
                    + quota * codes(self.hi)
                    + (tiles - quota) * codes(self.lo)
            }
            Encoding::RowMixed if high => 4 + tiles * (4 + codes(self.hi)),
            Encoding::RowMixed if self.lo == 0 => 0,
            Encoding::RowMixed => 4 + tiles * (4 + codes(self.lo)),
        }
    }
}

/// A frame found valid in every byte. Nothing in it is larger than the input, whatever the header says, but for
/// one entry a row.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    pub header: Header,
    body: &'a [u8],
    /// One `k_c` a channel, where the frame has channel exponents and elements.
    exponents: Option<Vec<i8>>,
    /// Where each row's block starts in the body and whether it is high; `None` for a row without a block.
    blocks: Vec<Option<(usize, bool)>>,
}

impl<'a> Frame<'a> {
    /// Checks a frame, header first, then length, checksum and the body's contents in the order in which they
    /// are stored. `table` is the agreed table of channel exponents; frames that need none ignore it.
    pub fn open(frame: &'a [u8], table: Option<&[i8]>) -> Result<Frame<'a>, Fault> {
        let header = Header::parse(frame)?;

        // Section 3.2: length and checksum.
        let end = HEADER_LEN as u128 + u128::from(header.body_length);
        let total = end + CHECKSUM_LEN as u128;
        if (frame.len() as u128) < total {
            return Err(Fault::Truncated);
        }
        if frame.len() as u128 > total {
            return Err(Fault::TrailingBytes);
        }
        let end = usize::try_from(end).unwrap();
        if crc32(&frame[..end]) != read_u32(frame, end) {
            return Err(Fault::Checksum);
        }

        let mut opened = Frame {
            header,
            body: &frame[HEADER_LEN..end],
            exponents: None,
            blocks: Vec::new(),
        };
        // Section 3.3: nothing to look at, and no table needed.
        if header.is_empty() {
            return Ok(opened);
        }
        if header.encoding == Encoding::Raw {
            opened.check_raw()?;
        } else {
            opened.check_rows(table)?;
        }
        Ok(opened)
    }

    // -----------------------------------------------------------------------------------------------------
    // Section 4: raw body
    // -----------------------------------------------------------------------------------------------------

    fn check_raw(&self) -> Result<(), Fault> {
        let used = usize::try_from(self.header.elements()).unwrap() * self.header.element_size();
        if self.body[used..].iter().any(|&byte| byte != 0) {
            return Err(Fault::RawPadding);
        }
        Ok(())
    }

    // -----------------------------------------------------------------------------------------------------
    // Section 5: quantised body
    // -----------------------------------------------------------------------------------------------------

    fn check_rows(&mut self, table: Option<&[i8]>) -> Result<(), Fault> {
        let header = self.header;
        let body = self.body;
        let mut at = 0;

        // 5.1: channel exponents.
        let width = u64::from(header.width);
        match header.exponents {
            Exponents::None => {}
            Exponents::InFrame => {
                let used = usize::try_from(width).unwrap();
                at = used.next_multiple_of(4);
                let stored: Vec<i8> = body[..used].iter().map(|&byte| byte as i8).collect();
                if stored.iter().any(|&k| k < -126) {
                    return Err(Fault::ExponentRange);
                }
                if body[used..at].iter().any(|&byte| byte != 0) {
                    return Err(Fault::ExponentPadding);
                }
                self.exponents = Some(stored);
            }
            Exponents::Agreed => {
                let table = table.ok_or(Fault::TableMissing)?;
                if table.len() as u64 != width {
                    return Err(Fault::TableLength);
                }
                if table_check(table) != header.table_check {
                    return Err(Fault::TableMismatch);
                }
                if table.iter().any(|&k| k < -126) {
                    return Err(Fault::TableRange);
                }
                self.exponents = Some(table.to_vec());
            }
        }

        // 5.2: row map.
        let rows = u64::from(header.rows);
        let mut high = Vec::new();
        if header.encoding == Encoding::RowMixed {
            let length = usize::try_from(rows.div_ceil(32) * 4).unwrap();
            let map = &body[at..at + length];
            high = read_map(map, rows, header.quota, Fault::RowMapPadding, Fault::RowMapCount)?;
            at += length;
        }

        // 5.3: row blocks.
        for row in 0..rows {
            let high = header.encoding != Encoding::RowMixed || high[usize::try_from(row).unwrap()];
            let length = usize::try_from(header.row_block_length(high)).unwrap();
            if length == 0 {
                self.blocks.push(None);
                continue;
            }
            self.check_block(&body[at..at + length])?;
            self.blocks.push(Some((at, high)));
            at += length;
        }
        assert_eq!(at, body.len(), "the parts of a body make up its length");
        Ok(())
    }

    // -----------------------------------------------------------------------------------------------------
    // Section 6: row block
    // -----------------------------------------------------------------------------------------------------

    fn check_block(&self, block: &[u8]) -> Result<(), Fault> {
        let header = self.header;

        // 6.1: row prefix.
        if block[0] > 222 {
            return Err(Fault::BadBase);
        }
        if block[1..4] != [0, 0, 0] {
            return Err(Fault::RowPadding);
        }

        // 6.2: tile map.
        let tiles = header.tiles();
        let mut at = 4;
        if header.encoding == Encoding::TileMixed {
            let length = usize::try_from(tiles.div_ceil(32) * 4).unwrap();
            let map = &block[at..at + length];
            read_map(
                map,
                tiles,
                header.quota,
                Fault::TileMapPadding,
                Fault::TileMapCount,
            )?;
            at += length;
        }

        // 6.3: tile descriptors, of which the transform alone can be wrong.
        for tile in 0..usize::try_from(tiles).unwrap() {
            let transform = block[at + 4 * tile + 3];
            if transform != 0 && (transform < 0x80 || u64::from(transform & 0x7f) >= header.tile_size()) {
                return Err(Fault::BadTransform);
            }
        }
        Ok(())
    }

    /// The values of one row as binary32 bits.
    pub fn row_f32(&self, row: u32) -> Vec<u32> {
        let header = self.header;
        assert!(row < header.rows, "row {row} of {}", header.rows);
        if header.is_empty() {
            return Vec::new();
        }
        if header.encoding == Encoding::Raw {
            return self
                .raw_row(row)
                .into_iter()
                .map(|bits| self.raw_as_f32(bits))
                .collect();
        }
        let width = usize::try_from(header.width).unwrap();
        // 5.3: a row without a block is +0 throughout.
        let Some((start, high)) = self.blocks[row as usize] else {
            return vec![0; width];
        };
        let length = usize::try_from(header.row_block_length(high)).unwrap();
        let block = &self.body[start..start + length];

        let tiles = usize::try_from(header.tiles()).unwrap();
        let tile_size = usize::try_from(header.tile_size()).unwrap();
        let base = block[0];
        let map = &block[4..];
        let descriptors = match header.encoding {
            Encoding::TileMixed => 4 + tiles.div_ceil(32) * 4,
            _ => 4,
        };
        let mut codes_at = descriptors + 4 * tiles;

        let mut values = Vec::new();
        for tile in 0..tiles {
            let high = match header.encoding {
                Encoding::TileMixed => map_bit(map, tile as u64),
                _ => high,
            };
            let bits = if high { header.hi } else { header.lo };
            let descriptor = &block[descriptors + 4 * tile..][..4];
            let z = read_u16(descriptor, 0) as i16;

            // 6.4: codes.
            let codes_length = tile_size / 8 * usize::from(bits);
            let stored = &block[codes_at..codes_at + codes_length];
            codes_at += codes_length;
            let codes: Vec<u32> = (0..tile_size).map(|i| code(stored, tile_size, bits, i)).collect();

            values.extend(tile_values(base, z, descriptor[2], descriptor[3], &codes));
        }
        assert_eq!(codes_at, length, "the parts of a block make up its length");

        // The codes beyond `width` have taken part in the transform; their values end here.
        values.truncate(width);

        // 7.5: channel exponents.
        if let Some(exponents) = &self.exponents {
            for (x, &k) in values.iter_mut().zip(exponents) {
                *x = f32_of(f64::from(*x) * power_of_two(i32::from(k)));
            }
        }
        values.into_iter().map(f32::to_bits).collect()
    }

    /// The values of one row as binary16 bits: section 7.6.
    pub fn row_f16(&self, row: u32) -> Vec<u16> {
        if self.header.encoding == Encoding::Raw && self.header.source == SourceType::F16 {
            return self.raw_row(row).into_iter().map(|bits| bits as u16).collect();
        }
        self.row_f32(row).into_iter().map(f16_from_f32).collect()
    }

    /// The values of one row as bfloat16 bits: section 7.6.
    pub fn row_bf16(&self, row: u32) -> Vec<u16> {
        if self.header.encoding == Encoding::Raw && self.header.source == SourceType::Bf16 {
            return self.raw_row(row).into_iter().map(|bits| bits as u16).collect();
        }
        self.row_f32(row).into_iter().map(bf16_from_f32).collect()
    }

    /// Section 4: the elements of a row of a raw frame, as the bits of their own type.
    fn raw_row(&self, row: u32) -> Vec<u32> {
        let size = self.header.element_size();
        let length = usize::try_from(self.header.width).unwrap() * size;
        let start = row as usize * length;
        self.body[start..start + length]
            .chunks(size)
            .map(|element| match size {
                4 => read_u32(element, 0),
                _ => u32::from(read_u16(element, 0)),
            })
            .collect()
    }

    fn raw_as_f32(&self, bits: u32) -> u32 {
        match self.header.source {
            SourceType::F32 => bits,
            SourceType::F16 => f32_from_f16(bits as u16),
            SourceType::Bf16 => bits << 16,
        }
    }
}

/// Sections 5.2 and 6.2: the first `used` bits of a map, of which `quota` are set while all others are clear.
fn read_map(map: &[u8], used: u64, quota: u32, padding: Fault, count: Fault) -> Result<Vec<bool>, Fault> {
    let bits: Vec<bool> = (0..map.len() as u64 * 8)
        .map(|index| map_bit(map, index))
        .collect();
    let (bits, unused) = bits.split_at(usize::try_from(used).unwrap());
    if unused.contains(&true) {
        return Err(padding);
    }
    if bits.iter().filter(|&&bit| bit).count() as u64 != u64::from(quota) {
        return Err(count);
    }
    Ok(bits.to_vec())
}

/// Section 6.4: the code of element `i`, gathered from its planes, most significant first.
fn code(stored: &[u8], tile_size: usize, bits: u8, i: usize) -> u32 {
    let mut code = 0;
    let mut plane = 0;
    for w in [8, 4, 2, 1] {
        if usize::from(bits) & w != 0 {
            let n = tile_size * w / 8;
            let byte = u32::from(stored[plane + i % n]);
            let field = byte >> (w * (i / n)) & ((1 << w) - 1);
            code = code << w | field;
            plane += n;
        }
    }
    code
}

// ---------------------------------------------------------------------------------------------------------
// Section 7: values
// ---------------------------------------------------------------------------------------------------------

/// `x_i` of a whole tile.
fn tile_values(base: u8, z: i16, unit: u8, transform: u8, codes: &[u32]) -> Vec<f32> {
    let tile_size = codes.len();
    let z = i64::from(z);

    // 7.1: the unit.
    let (e, m) = (i32::from(unit >> 3), f64::from(unit & 7));
    let u = (8.0 + m) * power_of_two(i32::from(base) + e - 129);

    // 7.3: plain tiles.
    if transform == 0 {
        return codes
            .iter()
            .map(|&q| f32_of(u * (8 * i64::from(q) + z) as f64))
            .collect();
    }

    // 7.4: rotated tiles.
    let pivot = usize::from(transform & 0x7f);
    let mut sums: Vec<i64> = (0..tile_size)
        .map(|i| {
            let signed = |(k, &q): (usize, &u32)| match (i & k).count_ones() % 2 {
                0 => i64::from(q),
                _ => -i64::from(q),
            };
            8 * codes.iter().enumerate().map(signed).sum::<i64>()
        })
        .collect();
    sums[0] += tile_size as i64 * z;
    (0..tile_size)
        .map(|i| f32_of(u * sums[i ^ pivot] as f64))
        .collect()
}

/// Section 7.6: binary32 bits rounded to binary16, to nearest, ties to even.
pub fn f16_from_f32(bits: u32) -> u16 {
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00 | (magnitude >> 13 & 0x1ff) as u16;
    }
    let exponent = (magnitude >> 23) as i32;
    // Below 2^-126 there is nothing that binary16 could hold.
    if exponent == 0 {
        return sign;
    }
    let significand = magnitude & 0x007f_ffff | 0x0080_0000;
    // The value is significand * 2^(exponent - 150). Binary16 has a quantum of 2^-24 up to 2^-14 and then
    // eleven significant bits: `drop` binary digits of the significand lie below it.
    let normal = exponent >= 113;
    let drop = if normal { 13 } else { 126 - exponent };
    if drop > 24 {
        return sign;
    }
    let kept = round_to_even(significand, drop as u32);
    // A carry out of the significand runs into the exponent, which is what it should do.
    let rounded = if normal {
        ((exponent - 113) as u32) * 0x400 + kept
    } else {
        kept
    };
    sign | rounded.min(0x7c00) as u16
}

/// Section 7.6: binary32 bits rounded to bfloat16, to nearest, ties to even.
pub fn bf16_from_f32(bits: u32) -> u16 {
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7fc0 | (magnitude >> 16) as u16;
    }
    sign | round_to_even(magnitude, 16) as u16
}

fn round_to_even(v: u32, drop: u32) -> u32 {
    let kept = v >> drop;
    let rest = v & ((1 << drop) - 1);
    let half = 1 << (drop - 1);
    kept + u32::from(rest > half || rest == half && kept & 1 == 1)
}

/// Binary16 bits as binary32 bits: exact.
pub fn f32_from_f16(bits: u16) -> u32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let (exponent, fraction) = (u32::from(bits >> 10 & 31), u32::from(bits & 0x3ff));
    sign | match exponent {
        0 => (fraction as f32 * power_of_two(-24) as f32).to_bits(),
        31 => 0x7f80_0000 | fraction << 13,
        _ => (exponent + 112) << 23 | fraction << 13,
    }
}

/// A frame's header and all its values, row-major, as the bits of the output type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<T = u32> {
    pub header: Header,
    pub bits: Vec<T>,
}

impl Decoded<u32> {
    pub fn values(&self) -> Vec<f32> {
        self.bits.iter().map(|&bits| f32::from_bits(bits)).collect()
    }
}

fn decode_with<T>(
    frame: &[u8],
    table: Option<&[i8]>,
    row: impl Fn(&Frame, u32) -> Vec<T>,
) -> Result<Decoded<T>, Fault> {
    let frame = Frame::open(frame, table)?;
    let rows = if frame.header.is_empty() {
        0
    } else {
        frame.header.rows
    };
    Ok(Decoded {
        header: frame.header,
        bits: (0..rows).flat_map(|r| row(&frame, r)).collect(),
    })
}

/// Decodes all rows to binary32 bits. A valid frame may name more values than there is memory for (pruned rows
/// take no bytes), so a caller with untrusted input looks at [`Frame::open`]'s header first.
pub fn decode(frame: &[u8], table: Option<&[i8]>) -> Result<Decoded, Fault> {
    decode_with(frame, table, |frame, row| frame.row_f32(row))
}

/// Decodes all rows to binary16 bits.
pub fn decode_f16(frame: &[u8], table: Option<&[i8]>) -> Result<Decoded<u16>, Fault> {
    decode_with(frame, table, |frame, row| frame.row_f16(row))
}

/// Decodes all rows to bfloat16 bits.
pub fn decode_bf16(frame: &[u8], table: Option<&[i8]>) -> Result<Decoded<u16>, Fault> {
    decode_with(frame, table, |frame, row| frame.row_bf16(row))
}

// ---------------------------------------------------------------------------------------------------------
// The writer: it lays out what it is given and judges nothing, so that wrong frames can be written as well
// ---------------------------------------------------------------------------------------------------------

/// The bytes of a frame by name. All fields are taken as they are; only the body length and the checksum
/// follow from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameParts {
    pub version: u8,
    pub encoding: u8,
    pub log2_tile: u8,
    pub hi: u8,
    pub lo: u8,
    pub source: u8,
    pub exponents: u8,
    pub table_check: u16,
    pub rows: u32,
    pub width: u32,
    pub quota: u32,
    /// The elements of a raw frame in their own type.
    pub raw: Vec<u8>,
    /// One exponent a channel, written into the frame when `exponents` is 1.
    pub table: Vec<i8>,
    /// Words of the row map.
    pub row_map: Vec<u32>,
    /// The rows that have a block.
    pub blocks: Vec<RowParts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowParts {
    /// `base` and the three bytes after it.
    pub prefix: [u8; 4],
    /// Words of the tile map.
    pub tile_map: Vec<u32>,
    pub tiles: Vec<TileParts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileParts {
    pub z: i16,
    pub unit: u8,
    pub transform: u8,
    /// Code width.
    pub bits: u8,
    /// As many codes as the tile has elements.
    pub codes: Vec<u8>,
}

impl FrameParts {
    pub fn write(&self) -> Vec<u8> {
        let body = self.body();
        let mut frame = Vec::new();
        frame.extend(b"TAHQ");
        frame.extend([
            self.version,
            self.encoding,
            self.log2_tile,
            self.hi << 4 | self.lo,
        ]);
        frame.extend([self.source, self.exponents]);
        frame.extend(self.table_check.to_le_bytes());
        for field in [
            self.rows,
            self.width,
            self.quota,
            u32::try_from(body.len()).unwrap(),
        ] {
            frame.extend(field.to_le_bytes());
        }
        frame.extend(body);
        frame.extend(crc32(&frame).to_le_bytes());
        frame
    }

    fn body(&self) -> Vec<u8> {
        let mut body = self.raw.clone();
        if self.exponents == 1 {
            body.extend(self.table.iter().map(|&k| k as u8));
        }
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(self.row_map.iter().flat_map(|word| word.to_le_bytes()));
        for block in &self.blocks {
            body.extend(block.prefix);
            body.extend(block.tile_map.iter().flat_map(|word| word.to_le_bytes()));
            for tile in &block.tiles {
                body.extend(tile.z.to_le_bytes());
                body.extend([tile.unit, tile.transform]);
            }
            for tile in &block.tiles {
                body.extend(planes(&tile.codes, tile.bits));
            }
        }
        body
    }

    /// The table that a decoder of this frame must be given.
    pub fn agreed(&self) -> Option<Vec<i8>> {
        (self.exponents == 2).then(|| self.table.clone())
    }
}

/// Splits codes into planes, each plane written field by field: the way back from [`code`].
pub fn planes(codes: &[u8], bits: u8) -> Vec<u8> {
    let mut stored = Vec::new();
    let mut below = usize::from(bits);
    for w in [8, 4, 2, 1] {
        if usize::from(bits) & w != 0 {
            below -= w;
            let mut plane = vec![0u8; codes.len() * w / 8];
            let n = plane.len();
            for (i, &code) in codes.iter().enumerate() {
                let field = u32::from(code) >> below & ((1 << w) - 1);
                plane[i % n] |= (field << (w * (i / n))) as u8;
            }
            stored.extend(plane);
        }
    }
    stored
}

/// Words of a map with the given bits.
pub fn map_words(bits: &[bool]) -> Vec<u32> {
    bits.chunks(32)
        .map(|chunk| {
            chunk
                .iter()
                .enumerate()
                .fold(0, |word, (r, &bit)| word | u32::from(bit) << r)
        })
        .collect()
}

/// Writes the checksum anew, for a frame of at least four bytes whose content was changed.
pub fn seal(frame: &mut [u8]) {
    if let Some(end) = frame.len().checked_sub(CHECKSUM_LEN) {
        let checksum = crc32(&frame[..end]);
        frame[end..].copy_from_slice(&checksum.to_le_bytes());
    }
}

// ---------------------------------------------------------------------------------------------------------
// Random frames
// ---------------------------------------------------------------------------------------------------------

/// SplitMix64: the same sequence for the same seed on every machine.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// A generator for a named thing, so that adding a thing leaves the others as they are.
    pub fn named(name: &str) -> Rng {
        Rng(name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// Uniform in `0..n` but for a bias of no importance here.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(n)) >> 64) as u64
    }

    /// Uniform between the bounds, both included.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// What the header of a frame to be generated says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub encoding: Encoding,
    pub log2_tile: u8,
    pub hi: u8,
    pub lo: u8,
    pub source: SourceType,
    pub exponents: Exponents,
    pub rows: u32,
    pub width: u32,
}

impl Shape {
    /// A shape in which all that does not apply to raw frames is set to what raw frames must have.
    fn settled(self) -> Shape {
        match self.encoding {
            Encoding::Raw => Shape {
                log2_tile: 0,
                hi: 0,
                lo: 0,
                exponents: Exponents::None,
                ..self
            },
            Encoding::Uniform => Shape { lo: self.hi, ..self },
            Encoding::TileMixed | Encoding::RowMixed => self,
        }
    }

    fn is_empty(&self) -> bool {
        self.rows == 0 || self.width == 0
    }

    fn tiles(&self) -> usize {
        (self.width as usize).div_ceil(1 << self.log2_tile)
    }

    /// The header's fields; the body is still to come.
    fn header_parts(self) -> FrameParts {
        FrameParts {
            version: 1,
            encoding: self.encoding as u8,
            log2_tile: self.log2_tile,
            hi: self.hi,
            lo: self.lo,
            source: self.source as u8 + 1,
            exponents: self.exponents as u8,
            table_check: 0,
            rows: self.rows,
            width: self.width,
            quota: 0,
            raw: Vec::new(),
            table: Vec::new(),
            row_map: Vec::new(),
            blocks: Vec::new(),
        }
    }
}

/// Any shape, up to a handful of rows of some 600 channels, or many rows of few.
pub fn random_shape(rng: &mut Rng) -> Shape {
    let encoding = rng.pick(&[
        Encoding::Raw,
        Encoding::Uniform,
        Encoding::Uniform,
        Encoding::TileMixed,
        Encoding::TileMixed,
        Encoding::TileMixed,
        Encoding::RowMixed,
        Encoding::RowMixed,
        Encoding::RowMixed,
    ]);
    let log2_tile = rng.range(5, 7) as u8;
    let tile_size = 1u64 << log2_tile;
    let hi = rng.range(1, 8);
    let lo = if rng.one_in(4) { 0 } else { rng.range(0, hi) };
    // Widths at and around multiples of the tile size, and rows around those of a map's word.
    let width = match rng.below(8) {
        0 => rng.range(1, 4),
        1 => tile_size * rng.range(1, 4) - 1,
        2 => tile_size * rng.range(1, 4),
        3 => tile_size * rng.range(1, 4) + 1,
        4 => 32 * rng.range(30, 34) + rng.range(0, 1),
        _ => rng.range(1, 5 * tile_size),
    };
    let rows = match rng.below(8) {
        0 => 1,
        1 if width <= 64 => rng.range(31, 33),
        2 if width <= 64 => rng.range(63, 66),
        _ => rng.range(1, 6),
    };
    let (rows, width) = match rng.below(40) {
        0 => (0, width),
        1 => (rows, 0),
        2 => (0, 0),
        3 => (0, u64::from(u32::MAX)),
        4 => (u64::from(u32::MAX), 0),
        _ => (rows, width),
    };
    Shape {
        encoding,
        log2_tile,
        hi: hi as u8,
        lo: lo as u8,
        source: rng.pick(&[SourceType::F32, SourceType::F16, SourceType::Bf16]),
        exponents: rng.pick(&[Exponents::None, Exponents::InFrame, Exponents::Agreed]),
        rows: rows as u32,
        width: width as u32,
    }
    .settled()
}

/// A random valid frame of the given shape: any bytes that the format allows, its extremes more often than
/// chance would have them.
pub fn random_parts(rng: &mut Rng, shape: Shape) -> FrameParts {
    let shape = shape.settled();
    let mut parts = shape.header_parts();
    if shape.exponents == Exponents::Agreed && (!shape.is_empty() || shape.width < 1 << 16) {
        parts.table = random_table(rng, shape.width);
        parts.table_check = table_check(&parts.table);
    }
    if shape.is_empty() {
        return parts;
    }
    if shape.encoding == Encoding::Raw {
        parts.raw = random_elements(rng, shape);
        return parts;
    }
    if shape.exponents == Exponents::InFrame {
        parts.table = random_table(rng, shape.width);
    }

    let rows = shape.rows as usize;
    let mut high_rows = vec![true; rows];
    match shape.encoding {
        Encoding::Raw | Encoding::Uniform => {}
        Encoding::TileMixed => parts.quota = random_quota(rng, shape.tiles()),
        Encoding::RowMixed => {
            parts.quota = random_quota(rng, rows);
            high_rows = random_bits(rng, rows, parts.quota);
            parts.row_map = map_words(&high_rows);
        }
    }
    for high in high_rows {
        if !high && shape.lo == 0 {
            continue;
        }
        parts.blocks.push(random_row(rng, shape, parts.quota, high));
    }
    parts
}

fn random_quota(rng: &mut Rng, count: usize) -> u32 {
    match rng.below(6) {
        0 => 0,
        1 => count as u32,
        _ => rng.range(0, count as u64) as u32,
    }
}

/// `count` bits of which `set` are set, at random places.
fn random_bits(rng: &mut Rng, count: usize, set: u32) -> Vec<bool> {
    let mut bits: Vec<bool> = (0..count).map(|r| r < set as usize).collect();
    for r in (1..count).rev() {
        bits.swap(r, rng.below(r as u64 + 1) as usize);
    }
    bits
}

fn random_row(rng: &mut Rng, shape: Shape, quota: u32, high: bool) -> RowParts {
    let tiles = shape.tiles();
    let base = match rng.below(6) {
        0 => 0,
        1 => 222,
        2 => rng.range(0, 222),
        _ => rng.range(96, 120),
    };
    let (tile_map, high_tiles) = match shape.encoding {
        Encoding::TileMixed => {
            let bits = random_bits(rng, tiles, quota);
            (map_words(&bits), bits)
        }
        _ => (Vec::new(), vec![high; tiles]),
    };
    RowParts {
        prefix: [base as u8, 0, 0, 0],
        tile_map,
        tiles: high_tiles
            .into_iter()
            .map(|high| random_tile(rng, 1 << shape.log2_tile, if high { shape.hi } else { shape.lo }))
            .collect(),
    }
}

/// A random tile of `tile_size` codes of `bits` bits.
pub fn random_tile(rng: &mut Rng, tile_size: usize, bits: u8) -> TileParts {
    let z = match rng.below(8) {
        0 => i16::MIN,
        1 => i16::MAX,
        2 => 0,
        3 => -8 * (rng.below(256) as i16),
        4 => rng.range(0, 64) as i16 - 32,
        _ => rng.draw() as i16,
    };
    let unit = match rng.below(8) {
        0 => 0,
        1 => 255,
        _ => rng.draw() as u8,
    };
    let transform = match rng.below(8) {
        0..=2 => 0,
        3 => 0x80,
        4 => 0x80 | (tile_size - 1) as u8,
        _ => 0x80 | rng.below(tile_size as u64) as u8,
    };
    let greatest = ((1u32 << bits) - 1) as u8;
    let kind = rng.below(8);
    let lone = rng.below(tile_size as u64) as usize;
    let codes = (0..tile_size)
        .map(|i| match kind {
            0 => 0,
            1 => greatest,
            2 if i != lone => 0,
            2 => greatest,
            _ => rng.draw() as u8 & greatest,
        })
        .collect();
    TileParts {
        z,
        unit,
        transform,
        bits,
        codes,
    }
}

/// Channel exponents within their range.
pub fn random_table(rng: &mut Rng, width: u32) -> Vec<i8> {
    let kind = rng.below(4);
    (0..width)
        .map(|_| match (kind, rng.below(8)) {
            (0, _) => 0,
            (1, _) => rng.range(0, 253) as i32 - 126,
            (_, 0) => -126,
            (_, 1) => 127,
            _ => rng.range(0, 20) as i32 - 10,
        } as i8)
        .collect()
}

fn random_elements(rng: &mut Rng, shape: Shape) -> Vec<u8> {
    let count = u64::from(shape.rows) * u64::from(shape.width);
    let mut bytes = Vec::new();
    for _ in 0..count {
        let special = rng.one_in(8);
        let random = rng.draw();
        // Infinities, quiet and signalling NaN with payloads, zeros and the largest finite value.
        match shape.source {
            SourceType::F32 => {
                let specials = [
                    0x7f80_0000,
                    0xff80_0000,
                    0x7fc0_0000,
                    0x7f80_0001,
                    0xffff_ffff,
                    0x8000_0000,
                    0x7f7f_ffff,
                ];
                let bits = if special {
                    rng.pick(&specials)
                } else {
                    random as u32
                };
                bytes.extend(bits.to_le_bytes());
            }
            SourceType::F16 => {
                let specials = [0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xffff, 0x8000, 0x7bff, 0x0001];
                let bits = if special {
                    rng.pick(&specials)
                } else {
                    random as u16
                };
                bytes.extend(bits.to_le_bytes());
            }
            SourceType::Bf16 => {
                let specials = [0x7f80, 0xff80, 0x7fc0, 0x7f81, 0xffff, 0x8000, 0x7f7f, 0x0001];
                let bits = if special {
                    rng.pick(&specials)
                } else {
                    random as u16
                };
                bytes.extend(bits.to_le_bytes());
            }
        }
    }
    bytes
}

/// A frame with the table that it needs, if it needs one.
#[derive(Clone, Debug)]
pub struct Sample {
    pub frame: Vec<u8>,
    pub table: Option<Vec<i8>>,
}

/// A random valid frame of any shape.
pub fn random_frame(rng: &mut Rng) -> Sample {
    let shape = random_shape(rng);
    let parts = random_parts(rng, shape);
    Sample {
        frame: parts.write(),
        table: parts.agreed(),
    }
}

/// Damages a frame in one of many ways, most of which renew the checksum so that the damage is seen by what
/// lies behind it. What comes out may be valid. A frame already cut short below its least length stays as it is.
pub fn damage(rng: &mut Rng, sample: &mut Sample) {
    let Sample { frame, table } = sample;
    if frame.len() < HEADER_LEN + CHECKSUM_LEN {
        return;
    }
    let fields = [
        0,
        0,
        1,
        2,
        31,
        32,
        33,
        0x3fff_ffff,
        0x4000_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fffe,
        u32::MAX,
    ];
    match rng.below(12) {
        // A flipped bit that the checksum must catch.
        0 => {
            let at = rng.below(frame.len() as u64) as usize;
            frame[at] ^= 1 << rng.below(8);
            return;
        }
        1 => {
            frame.truncate(rng.below(frame.len() as u64) as usize);
            return;
        }
        2 => {
            frame.extend((0..rng.range(1, 8)).map(|_| 0));
            return;
        }
        // The table is another, or none.
        3 => {
            match table {
                Some(table) if !table.is_empty() && rng.one_in(2) => {
                    let at = rng.below(table.len() as u64) as usize;
                    let any = rng.draw() as i8;
                    table[at] = rng.pick(&[i8::MIN, -127, -126, any]);
                    // Its check may be right all the same, which leaves the range of its values to be judged.
                    if rng.one_in(2) {
                        frame[10..12].copy_from_slice(&table_check(table).to_le_bytes());
                    }
                }
                Some(table) if rng.one_in(2) => table.push(0),
                Some(_) => *table = None,
                None => *table = Some(vec![0; read_u32(frame, 16).min(1 << 12) as usize]),
            }
        }
        4 | 5 => frame[rng.range(4, 11) as usize] = rng.draw() as u8 & rng.pick(&[1, 3, 7, 15, 255]),
        6 => {
            let at = rng.pick(&[12, 16, 20, 24]);
            let field = match rng.below(3) {
                0 => read_u32(frame, at).wrapping_add(1),
                1 => read_u32(frame, at).wrapping_sub(1),
                _ => rng.pick(&fields),
            };
            frame[at..at + 4].copy_from_slice(&field.to_le_bytes());
        }
        // Nearly always in the body's first words: exponents, maps, prefixes, descriptors.
        7..=9 if frame.len() > HEADER_LEN + CHECKSUM_LEN => {
            let body = frame.len() - HEADER_LEN - CHECKSUM_LEN;
            let reach = if rng.one_in(3) { body } else { body.min(24) };
            let at = HEADER_LEN + rng.below(reach as u64) as usize;
            frame[at] = if rng.one_in(2) {
                frame[at] ^ 1 << rng.below(8)
            } else {
                rng.draw() as u8
            };
        }
        10 if frame.len() > HEADER_LEN + CHECKSUM_LEN => {
            let at = HEADER_LEN + rng.below((frame.len() - HEADER_LEN - CHECKSUM_LEN) as u64) as usize;
            frame.remove(at);
        }
        _ => {
            let at = rng.below(frame.len() as u64) as usize;
            frame[at] = rng.draw() as u8;
        }
    }
    // A changed field often changes the length: give the frame the body that its header now calls for.
    if rng.one_in(2) {
        let length = Header::parse_fields(frame).map(|header| header.exact_body_length());
        if let Ok(length @ 0..=0x1_0000) = length {
            frame.resize(HEADER_LEN + length as usize + CHECKSUM_LEN, 0);
            frame[24..28].copy_from_slice(&(length as u32).to_le_bytes());
        }
    }
    seal(frame);
}
