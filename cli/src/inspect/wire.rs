//! Where the parts of a frame lie, for saying where it broke. Follows `SPEC.md`; the library checks and
//! decodes, this only counts bytes.

use tahq::{DecodeError, Encoding, ExponentMode, HEADER_LEN, Header};

/// Bytes of a row's prefix.
const PREFIX: u64 = 4;
/// Bytes of a tile's descriptor; the last is the transform.
const DESCRIPTOR: u64 = 4;

/// Sizes of the parts of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    header: Header,
    /// Bytes of the channel exponents.
    pub(super) exponents: u64,
    /// Bytes of the row map.
    pub(super) row_map: u64,
    /// Bytes of a row's tile map.
    tile_map: u64,
    tiles: u64,
}

/// A place within a row block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InRow {
    pub(super) tile: Option<u32>,
}

const fn map_len(bits: u32) -> u64 {
    bits.div_ceil(32) as u64 * 4
}

impl Body {
    /// The parts of the body of a valid header.
    pub(super) fn of(header: &Header) -> Self {
        let empty = header.is_empty();
        let in_frame = header.exponents == ExponentMode::InFrame && !empty;
        let row_mixed = header.encoding == Encoding::RowMixed && !empty;
        Self {
            header: *header,
            exponents: if in_frame {
                u64::from(header.width).next_multiple_of(4)
            } else {
                0
            },
            row_map: if row_mixed { map_len(header.rows) } else { 0 },
            tile_map: if header.encoding == Encoding::TileMixed {
                map_len(header.tiles())
            } else {
                0
            },
            tiles: u64::from(header.tiles()),
        }
    }

    /// Bytes of the body before the row blocks.
    pub(super) const fn prelude(&self) -> u64 {
        self.exponents + self.row_map
    }

    /// Bytes of the codes of one tile.
    fn codes(&self, width: u8) -> u64 {
        self.header.tile_len() as u64 / 8 * u64::from(width)
    }

    /// Bytes of the block of a row that is `hi`, or is not.
    pub(super) fn row(&self, hi: bool) -> u64 {
        let header = &self.header;
        let fixed = PREFIX + self.tile_map + self.tiles * DESCRIPTOR;
        match header.encoding {
            Encoding::Raw => u64::from(header.width) * header.source.size() as u64,
            Encoding::TileMixed => {
                let high = u64::from(header.quota);
                fixed + high * self.codes(header.hi) + (self.tiles - high) * self.codes(header.lo)
            }
            Encoding::RowMixed if !hi && header.lo == 0 => 0,
            Encoding::RowMixed if !hi => fixed + self.tiles * self.codes(header.lo),
            Encoding::RowMixed | Encoding::Uniform => fixed + self.tiles * self.codes(header.hi),
        }
    }

    /// What lies at byte `at` of the block of a row, of which `block` is what there is.
    pub(super) fn locate(&self, block: &[u8], at: u64, hi: bool) -> InRow {
        let header = &self.header;
        let descriptors = PREFIX + self.tile_map;
        let codes = descriptors + self.tiles * DESCRIPTOR;
        let tile = if header.encoding == Encoding::Raw || at < descriptors {
            None
        } else if at < codes {
            Some((at - descriptors) / DESCRIPTOR)
        } else {
            let is_high = |tile: u64| match header.encoding {
                Encoding::TileMixed => {
                    let byte = block.get((PREFIX + tile / 8) as usize);
                    byte.is_some_and(|byte| byte >> (tile % 8) & 1 == 1)
                }
                _ => hi,
            };
            let mut end = codes;
            (0..self.tiles).find(|&tile| {
                end += self.codes(if is_high(tile) { header.hi } else { header.lo });
                at < end
            })
        };
        InRow {
            tile: tile.map(|tile| tile as u32),
        }
    }
}

/// Where in a frame an error lies, for those of which that is known without looking at the rows.
pub(super) fn frame_offset(error: &DecodeError, header: Option<&Header>) -> u64 {
    let body = header.map(Body::of);
    let exponents = body.map_or(0, |body| body.exponents);
    HEADER_LEN as u64
        + match *error {
            DecodeError::BadMagic { .. } => return 0,
            DecodeError::UnsupportedVersion { .. } => return 4,
            DecodeError::UnknownEncoding { .. } => return 5,
            DecodeError::BadTileSize { .. } => return 6,
            DecodeError::BadWidths { .. } => return 7,
            DecodeError::UnknownSourceType { .. } => return 8,
            DecodeError::UnknownExponents { .. } => return 9,
            DecodeError::BadTableCheck { .. } | DecodeError::TableMismatch { .. } => return 10,
            DecodeError::BadQuota { .. } => return 20,
            DecodeError::BodyLength { .. } | DecodeError::FrameTooLarge => return 24,
            DecodeError::ExponentPadding { offset } => u64::from(offset),
            DecodeError::RawPadding { offset } => u64::from(offset),
            DecodeError::ExponentRange { channel } => u64::from(channel),
            DecodeError::RowMapPadding | DecodeError::RowMapCount { .. } => exponents,
            DecodeError::Checksum { .. } => header
                .and_then(|header| header.body_len().ok())
                .map_or(0, u64::from),
            _ => 0,
        }
}

/// Where in its block an error of a row lies, and in which tile.
pub(super) fn row_offset(error: &DecodeError, header: &Header) -> (u64, Option<u32>) {
    let body = Body::of(header);
    match *error {
        DecodeError::RowPadding { .. } => (1, None),
        DecodeError::TileMapPadding { .. } | DecodeError::TileMapCount { .. } => (PREFIX, None),
        DecodeError::BadTransform { tile, .. } => {
            let descriptor = PREFIX + body.tile_map + u64::from(tile) * DESCRIPTOR;
            (descriptor + DESCRIPTOR - 1, Some(tile))
        }
        _ => (0, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tahq::{Config, Encoder, SourceType};

    fn header(config: Config, rows: u32, width: u32) -> Header {
        let x: Vec<f32> = (0..rows * width).map(|i| (i as f32).sin()).collect();
        let mut frame = vec![0; config.max_frame_len(rows, width, SourceType::F32).unwrap()];
        Encoder::new(config)
            .unwrap()
            .encode(&x, rows, width, &mut frame)
            .unwrap();
        Header::parse(&frame).unwrap().0
    }

    #[test]
    fn parts_add_up_to_the_body() {
        for config in [
            Config::INT4,
            Config::TAH_QUANT,
            Config::TAH_QUANT_TOKEN,
            Config::GRADIENT,
            Config::RAW,
        ] {
            for (rows, width) in [(1, 1), (40, 200), (33, 64)] {
                let header = header(config, rows, width);
                let body = Body::of(&header);
                let high = if header.encoding == Encoding::RowMixed {
                    header.quota
                } else {
                    rows
                };
                let rows_len = body.row(true) * u64::from(high) + body.row(false) * u64::from(rows - high);
                let len = (body.prelude() + rows_len).next_multiple_of(4);
                assert_eq!(
                    len,
                    u64::from(header.body_len().unwrap()),
                    "{config:?} {rows} x {width}"
                );
            }
        }
    }

    #[test]
    fn bytes_of_a_block() {
        let header = header(Config::MIXED, 4, 256);
        let body = Body::of(&header);
        assert_eq!((header.tiles(), header.quota), (4, 3));
        let mut block = vec![0; body.row(true) as usize];
        block[4] = 0b1011;
        let tile = |at| body.locate(&block, at, true).tile;
        // Prefix 4, map 4, descriptors 16, codes of 32, 32, 24 and 32 bytes.
        let found = [0, 7, 8, 23, 24, 55, 56, 88, 111, 112, 143, 144].map(tile);
        let expected = [
            None,
            None,
            Some(0),
            Some(3),
            Some(0),
            Some(0),
            Some(1),
            Some(2),
            Some(2),
            Some(3),
            Some(3),
            None,
        ];
        assert_eq!(found, expected);
    }
}
