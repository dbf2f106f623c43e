//! What can be seen of one frame, whole, cut or damaged.

use serde::Serialize;
use tahq::{DecodeError, Decoder, Encoding, ExponentMode, Frame, HEADER_LEN, Header};

use super::grid::{Cell, Grid};
use super::wire::{self, Body};
use crate::frames::{self, Piece};

/// Faults of a frame that are listed; the others are only counted.
const LISTED: usize = 16;

/// Something wrong, and where.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fault {
    /// Byte of the file.
    pub(super) offset: u64,
    /// Number of the frame in the file.
    pub(super) frame: Option<u64>,
    pub(super) row: Option<u32>,
    pub(super) tile: Option<u32>,
    pub(super) message: String,
}

impl Fault {
    /// In words.
    pub(super) fn show(&self) -> String {
        let mut text = format!("byte {}", self.offset);
        if let Some(frame) = self.frame {
            text += &format!(", frame {frame}");
        }
        // The library's message may name them already.
        if let Some(row) = self.row.filter(|_| !self.message.starts_with("row ")) {
            text += &format!(", row {row}");
            if let Some(tile) = self.tile {
                text += &format!(", tile {tile}");
            }
        }
        format!("{text}: {}", self.message)
    }
}

/// What was seen of one frame.
#[derive(Debug)]
pub(super) struct Survey {
    /// Number of the frame in the file.
    pub(super) number: u64,
    /// Its first byte in the file.
    pub(super) offset: u64,
    /// Bytes that are there.
    pub(super) bytes: u64,
    pub(super) header: Option<Header>,
    /// Rows that are there.
    pub(super) rows_present: u32,
    pub(super) rows_pruned: u32,
    /// Tiles by their code width.
    pub(super) widths: [u64; 9],
    pub(super) rotated: u64,
    pub(super) bases: Option<(u8, u8)>,
    /// Least and largest channel exponent in the frame.
    pub(super) exponents: Option<(i8, i8)>,
    pub(super) faults: Vec<Fault>,
    /// Faults that are not listed.
    pub(super) more_faults: u64,
    /// Every tile, thinned out where there are very many.
    pub(super) grid: Grid,
}

impl Survey {
    /// Looks at a frame.
    pub(super) fn of(piece: &Piece<'_>, number: u64) -> Self {
        let mut survey = Self {
            number,
            offset: piece.place.offset,
            bytes: piece.bytes.len() as u64,
            header: piece.header.ok().map(|(header, _)| header),
            rows_present: 0,
            rows_pruned: 0,
            widths: [0; 9],
            rotated: 0,
            bases: None,
            exponents: None,
            faults: Vec::new(),
            more_faults: 0,
            grid: Grid::default(),
        };
        match piece.header {
            Ok((header, _)) => survey.body(piece, &header),
            Err(_) if piece.is_cut() => survey.fault(survey.bytes, None, None, piece.cut()),
            Err(error) => survey.fault(wire::frame_offset(&error, None), None, None, error.to_string()),
        }
        survey
    }

    /// Tiles that are there.
    pub(super) fn tiles(&self) -> u64 {
        self.widths.iter().sum()
    }

    fn fault(&mut self, offset: u64, row: Option<u32>, tile: Option<u32>, message: String) {
        if self.faults.len() == LISTED {
            self.more_faults += 1;
            return;
        }
        self.faults.push(Fault {
            offset: self.offset + offset,
            frame: Some(self.number),
            row,
            tile,
            message,
        });
    }

    fn body(&mut self, piece: &Piece<'_>, header: &Header) {
        self.grid = Grid::new(header.rows, header.tiles());
        let layout = Body::of(header);
        let end = header.body_len().map_or(0, |len| len as usize);
        let body = &piece.bytes[HEADER_LEN.min(piece.bytes.len())..];
        let body = &body[..body.len().min(end)];
        let exponents = &body[..body.len().min(layout.exponents as usize)];
        let exponents = &exponents[..exponents.len().min(header.width as usize)];
        let exponents = exponents.iter().map(|&byte| byte as i8);
        self.exponents = exponents.clone().min().zip(exponents.max());

        if piece.is_cut() {
            let (row, tile) = cut_at(header, &layout, body);
            self.fault(self.bytes, row, tile, piece.cut());
        } else if let Err(error) = Frame::parse(piece.bytes, None)
            && !is_about_the_table(&error)
        {
            self.fault(
                wire::frame_offset(&error, Some(header)),
                None,
                None,
                error.to_string(),
            );
            // Behind a wrong checksum the first cause may be found as well.
            if let DecodeError::Checksum { .. } = error
                && let Err(error) = Frame::from_body(*header, body, None)
                && !is_about_the_table(&error)
            {
                self.fault(
                    wire::frame_offset(&error, Some(header)),
                    None,
                    None,
                    error.to_string(),
                );
            }
        }
        if header.is_empty() {
            self.rows_present = header.rows;
            return;
        }
        let (readable, rebuilt) = readable_part(header, &layout, body);
        if let Ok(frame) = Frame::from_body(readable, &rebuilt, None) {
            self.rows(&frame, header, &layout);
        }
    }

    /// Looks at every row of the readable part.
    fn rows(&mut self, frame: &Frame<'_>, header: &Header, layout: &Body) {
        self.rows_present = frame.header().rows;
        let suspect = frame.validate().is_err();
        let mut values = Vec::new();
        let mut start = HEADER_LEN as u64 + layout.prelude();
        for (index, row) in frame.rows(0..frame.header().rows) {
            let hi = frame.row_is_hi(index);
            let offset = start;
            start += layout.row(hi);
            if frames::is_pruned(frame, index) {
                self.rows_pruned += 1;
                self.grid.fill_row(index, Cell::Pruned);
                continue;
            }
            let Some(row) = row else { continue };
            let fault = if suspect {
                self.check_row(frame, index, &mut values)
            } else {
                None
            };
            let mut broken_tile = None;
            if let Some(error) = fault {
                let (at, tile) = wire::row_offset(&error, header);
                self.fault(offset + at, Some(index), tile, error.to_string());
                broken_tile = tile;
                if tile.is_none() {
                    self.grid.fill_row(index, Cell::Broken);
                    continue;
                }
            }
            let base = row.base();
            let (least, most) = self.bases.unwrap_or((base, base));
            self.bases = Some((least.min(base), most.max(base)));
            for tile in 0..row.tiles() {
                let width = row.code_width(tile);
                self.widths[usize::from(width.min(8))] += 1;
                let cell = match row.descriptor(tile) {
                    Some(descriptor) if broken_tile != Some(tile as u32) => {
                        let rotated = descriptor.pivot.is_some();
                        self.rotated += u64::from(rotated);
                        Cell::Tile {
                            error: expected_error(base, descriptor.unit, rotated, header.tile_len()),
                            width,
                            rotated,
                        }
                    }
                    _ => Cell::Broken,
                };
                self.grid.set(index, tile as u32, cell);
            }
        }
    }

    /// The fault of one row, if it has one.
    fn check_row(&mut self, frame: &Frame<'_>, row: u32, values: &mut Vec<f32>) -> Option<DecodeError> {
        let width = frame.header().width as usize;
        values
            .try_reserve_exact(width.saturating_sub(values.len()))
            .ok()?;
        values.resize(width, 0.0);
        Decoder::new().decode_rows(frame, row..row + 1, values).err()
    }
}

/// log2 of the typical error of an element: a step is eight units, and in a rotated tile the error of every
/// coefficient reaches every element.
fn expected_error(base: u8, unit: u8, rotated: bool, tile_len: usize) -> f32 {
    let mantissa = f32::from(8 + (unit & 7)).log2();
    let step = mantissa + f32::from(base) + f32::from(unit >> 3) - 129.0 + 3.0;
    // The errors within a step are spread evenly.
    let error = step - 12f32.log2() / 2.0;
    if rotated {
        error + (tile_len as f32).log2() / 2.0
    } else {
        error
    }
}

/// Frames with an agreed table are whole without it; only decoding needs it.
const fn is_about_the_table(error: &DecodeError) -> bool {
    matches!(error, DecodeError::TableMissing)
}

fn bit(map: &[u8], index: u32) -> bool {
    map.get(index as usize / 8)
        .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// Rows whose blocks are all there, and the bytes of their blocks.
fn whole_rows(header: &Header, layout: &Body, body: &[u8]) -> (u32, u64) {
    if (body.len() as u64) < layout.prelude() {
        return (0, 0);
    }
    let available = body.len() as u64 - layout.prelude();
    if header.encoding != Encoding::RowMixed {
        let len = layout.row(true);
        let rows = (available / len.max(1)).min(u64::from(header.rows));
        return (rows as u32, rows * len);
    }
    let map = &body[layout.exponents as usize..layout.prelude() as usize];
    let (mut rows, mut used) = (0, 0);
    while rows < header.rows {
        let len = layout.row(bit(map, rows));
        if used + len > available {
            break;
        }
        used += len;
        rows += 1;
    }
    (rows, used)
}

/// A frame of the rows that are there, without channel exponents, which say nothing about tiles: its header
/// and body.
fn readable_part(header: &Header, layout: &Body, body: &[u8]) -> (Header, Vec<u8>) {
    let (rows, used) = whole_rows(header, layout, body);
    let mut readable = Header {
        rows,
        exponents: ExponentMode::None,
        table_check: 0,
        ..*header
    };
    let mut bytes = Vec::new();
    if rows == 0 {
        readable.quota = 0;
        return (readable, bytes);
    }
    let blocks = layout.prelude() as usize..(layout.prelude() + used) as usize;
    if header.encoding == Encoding::RowMixed {
        let map = &body[layout.exponents as usize..blocks.start];
        bytes = map[..rows.div_ceil(32) as usize * 4].to_vec();
        for unused in rows..bytes.len() as u32 * 8 {
            bytes[unused as usize / 8] &= !(1 << (unused % 8));
        }
        readable.quota = bytes.iter().map(|byte| byte.count_ones()).sum();
    }
    bytes.extend_from_slice(&body[blocks]);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    (readable, bytes)
}

/// The row and tile in which a cut body ends.
fn cut_at(header: &Header, layout: &Body, body: &[u8]) -> (Option<u32>, Option<u32>) {
    if header.is_empty() || (body.len() as u64) < layout.prelude() {
        return (None, None);
    }
    let (row, used) = whole_rows(header, layout, body);
    if row >= header.rows {
        return (None, None);
    }
    let map = &body[layout.exponents as usize..layout.prelude() as usize];
    let hi = header.encoding != Encoding::RowMixed || bit(map, row);
    let block = &body[(layout.prelude() + used) as usize..];
    (Some(row), layout.locate(block, block.len() as u64, hi).tile)
}
