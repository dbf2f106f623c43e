//! The input of the targets that decode: two bytes of choices, a table of channel exponents if one is chosen, and a
//! frame. A checksum stops a fuzzer, and so does every length that follows from another field: the choices can have
//! them set right.

use half::{bf16, f16};
use tahq::{Element, Level};

use super::reference::{self, Encoding, Exponents, HEADER_LEN, Header, SourceType};

/// Elements of a tensor, at most: work on one input is bounded.
pub(crate) const MOST: u64 = 1 << 11;

/// The checksum is set right.
pub(crate) const SEAL: u8 = 1;
/// The header is made valid, a field that is valid being kept; the body is cut or filled up to the length that follows,
/// and sealed.
pub(crate) const SHAPE: u8 = 2;
/// With [`SHAPE`]: maps, paddings, prefixes and transforms of the body are made valid as well.
pub(crate) const MEND: u8 = 4;
/// A table of channel exponents precedes the frame: its length in two bytes, and its bytes.
pub(crate) const TABLE: u8 = 8;

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) flags: u8,
    /// For the target.
    pub(crate) choice: u8,
    pub(crate) table: Option<Vec<i8>>,
    pub(crate) frame: Vec<u8>,
}

impl Case {
    /// Reads an input; `forced` are choices that are taken for made.
    pub(crate) fn of(data: &[u8], forced: u8) -> Option<Self> {
        let (&[flags, choice], mut rest) = data.split_first_chunk()?;
        let flags = flags | forced;
        let mut table = None;
        if flags & TABLE != 0 {
            let (&len, after) = rest.split_first_chunk()?;
            let len = usize::from(u16::from_le_bytes(len)).min(after.len());
            let (entries, after) = after.split_at(len);
            table = Some(entries.iter().map(|&byte| byte as i8).collect());
            rest = after;
        }
        let mut case = Self {
            flags,
            choice,
            table,
            frame: rest.to_vec(),
        };
        if flags & SHAPE != 0 {
            case.shape();
        }
        if flags & (SEAL | SHAPE) != 0 {
            reference::seal(&mut case.frame);
        }
        Some(case)
    }

    pub(crate) fn decoder(&self, level: Level) -> tahq::Decoder<'_> {
        let decoder = tahq::Decoder::new().with_level(level);
        match &self.table {
            Some(table) => decoder.with_exponents(table),
            None => decoder,
        }
    }

    /// The number of elements that a buffer for the frame must have; a wrong one where the frame names none or too
    /// many.
    pub(crate) fn elements(&self) -> usize {
        match tahq::Header::parse(&self.frame) {
            Ok((header, _)) => elements(&header),
            Err(_) => 37,
        }
    }

    fn shape(&mut self) {
        let mend = self.flags & MEND != 0;
        if self.frame.len() < HEADER_LEN {
            self.frame.resize(HEADER_LEN, 0);
        }
        let header = header(&self.frame, self.table.is_some());
        if let Some(table) = &mut self.table
            && header.exponents == Exponents::Agreed
            && !header.is_empty()
            && mend
        {
            table.resize(header.width as usize, 0);
            table.iter_mut().for_each(|k| *k = (*k).max(-126));
        }
        let header = Header {
            table_check: match (&self.table, header.exponents) {
                (Some(table), Exponents::Agreed) => reference::table_check(table),
                _ => 0,
            },
            ..header
        };
        let len = header.exact_body_length() as usize;
        self.frame.resize(HEADER_LEN + len, 0);
        write_header(&header, &mut self.frame);
        if mend {
            mend_body(&header, &mut self.frame[HEADER_LEN..]);
        }
        // For the checksum.
        self.frame.extend([0; 4]);
    }
}

/// The number of elements of a tensor of this header, or a wrong one where that would be too many.
pub(crate) fn elements(header: &tahq::Header) -> usize {
    match header.elements() {
        n @ 0..=MOST => n as usize,
        _ => 41,
    }
}

/// A valid header for `b`, its table check and body length aside.
fn header(b: &[u8], table: bool) -> Header {
    let encoding = [
        Encoding::Raw,
        Encoding::Uniform,
        Encoding::TileMixed,
        Encoding::RowMixed,
    ][usize::from(b[5] & 3)];
    let raw = encoding == Encoding::Raw;
    let log2_tile = match b[6] {
        _ if raw => 0,
        valid @ 5..=7 => valid,
        other => 5 + other % 3,
    };
    let hi = match b[7] >> 4 {
        _ if raw => 0,
        valid @ 1..=8 => valid,
        other => 1 + other % 8,
    };
    let lo = match (encoding, b[7] & 15) {
        (Encoding::Raw | Encoding::Uniform, _) => hi,
        (_, lo) if lo > hi => lo % (hi + 1),
        (_, lo) => lo,
    };
    let sources = [SourceType::F32, SourceType::F16, SourceType::Bf16];
    let exponents = match b[9] % 3 {
        1 if !raw => Exponents::InFrame,
        2 if !raw && table => Exponents::Agreed,
        _ => Exponents::None,
    };
    let (mut rows, mut width) = (reference::read_u32(b, 12), reference::read_u32(b, 16));
    if u64::from(rows) * u64::from(width) > MOST {
        width %= 400;
        rows %= 1 + MOST as u32 / width.max(1);
    }
    let mut header = Header {
        encoding,
        log2_tile,
        hi,
        lo,
        source: sources[usize::from(b[8].wrapping_sub(1) % 3)],
        exponents,
        table_check: 0,
        rows,
        width,
        quota: 0,
        body_length: 0,
    };
    // A row takes whole tiles.
    if !raw && !header.is_empty() {
        let padded = header.tiles() * header.tile_size();
        if u64::from(header.rows) * padded > 2 * MOST {
            header.rows %= 1 + (2 * MOST / padded) as u32;
        }
    }
    let most = match encoding {
        _ if header.is_empty() => 0,
        Encoding::Raw | Encoding::Uniform => 0,
        Encoding::TileMixed => header.tiles() as u32,
        Encoding::RowMixed => header.rows,
    };
    let quota = reference::read_u32(b, 20);
    header.quota = if quota > most { quota % (most + 1) } else { quota };
    header
}

fn write_header(header: &Header, b: &mut [u8]) {
    b[..4].copy_from_slice(b"TAHQ");
    b[4] = 1;
    b[5] = header.encoding as u8;
    b[6] = header.log2_tile;
    b[7] = header.hi << 4 | header.lo;
    b[8] = header.source as u8 + 1;
    b[9] = header.exponents as u8;
    b[10..12].copy_from_slice(&header.table_check.to_le_bytes());
    b[12..16].copy_from_slice(&header.rows.to_le_bytes());
    b[16..20].copy_from_slice(&header.width.to_le_bytes());
    b[20..24].copy_from_slice(&header.quota.to_le_bytes());
    b[24..28].copy_from_slice(&(header.exact_body_length() as u32).to_le_bytes());
}

fn mend_body(header: &Header, mut body: &mut [u8]) {
    if header.is_empty() {
        return;
    }
    if header.encoding == Encoding::Raw {
        let used = header.elements() as usize * header.element_size();
        body[used..].fill(0);
        return;
    }
    if header.exponents == Exponents::InFrame {
        let (table, rest) = body.split_at_mut(header.width.next_multiple_of(4) as usize);
        let (table, padding) = table.split_at_mut(header.width as usize);
        table
            .iter_mut()
            .filter(|k| matches!(**k, 0x80 | 0x81))
            .for_each(|k| *k = 0);
        padding.fill(0);
        body = rest;
    }
    let mut high = vec![true; header.rows as usize];
    if header.encoding == Encoding::RowMixed {
        let (map, rest) = body.split_at_mut(header.rows.div_ceil(32) as usize * 4);
        mend_map(map, header.rows as usize, header.quota);
        for (r, high) in high.iter_mut().enumerate() {
            *high = map[r / 8] >> (r % 8) & 1 == 1;
        }
        body = rest;
    }
    let tiles = header.tiles() as usize;
    for high in high {
        let (block, rest) = body.split_at_mut(header.row_block_length(high) as usize);
        body = rest;
        let Some((prefix, mut block)) = block.split_first_chunk_mut::<4>() else {
            continue;
        };
        *prefix = [prefix[0] % 223, 0, 0, 0];
        if header.encoding == Encoding::TileMixed {
            let (map, rest) = block.split_at_mut(tiles.div_ceil(32) * 4);
            mend_map(map, tiles, header.quota);
            block = rest;
        }
        for descriptor in block[..4 * tiles].chunks_exact_mut(4) {
            descriptor[3] = match descriptor[3] {
                pivot @ 0x80.. => 0x80 | pivot & (header.tile_size() - 1) as u8,
                _ => 0,
            };
        }
    }
}

/// Clears the unused bits of a map, and sets or clears others until `quota` are set.
fn mend_map(map: &mut [u8], used: usize, quota: u32) {
    for bit in used..map.len() * 8 {
        map[bit / 8] &= !(1 << (bit % 8));
    }
    let mut count: u32 = map.iter().map(|byte| byte.count_ones()).sum();
    for bit in 0..used {
        let set = map[bit / 8] >> (bit % 8) & 1 == 1;
        if count < quota && !set || count > quota && set {
            map[bit / 8] ^= 1 << (bit % 8);
            count = if set { count - 1 } else { count + 1 };
        }
    }
}

/// Element types, and the bits that a result has.
pub(crate) trait Output: Element {
    const TYPE: SourceType;
    fn bits(self) -> u32;
    fn name() -> &'static str {
        std::any::type_name::<Self>()
    }
}

impl Output for f32 {
    const TYPE: SourceType = SourceType::F32;
    fn bits(self) -> u32 {
        self.to_bits()
    }
}

impl Output for f16 {
    const TYPE: SourceType = SourceType::F16;
    fn bits(self) -> u32 {
        self.to_bits().into()
    }
}

impl Output for bf16 {
    const TYPE: SourceType = SourceType::Bf16;
    fn bits(self) -> u32 {
        self.to_bits().into()
    }
}

pub(crate) fn is_nan(bits: u32, of: SourceType) -> bool {
    match of {
        SourceType::F32 => bits & 0x7fff_ffff > 0x7f80_0000,
        SourceType::F16 => bits & 0x7fff > 0x7c00,
        SourceType::Bf16 => bits & 0x7fff > 0x7f80,
    }
}

/// A buffer whose bytes are `fill`.
pub(crate) fn filled<E: Output>(len: usize, fill: u8) -> Vec<E> {
    let mut out = vec![E::from_f32(0.0); len];
    bytemuck::cast_slice_mut::<E, u8>(&mut out).fill(fill);
    out
}

/// Its bytes.
pub(crate) fn bytes<E: Output>(values: &[E]) -> &[u8] {
    bytemuck::cast_slice(values)
}

#[track_caller]
pub(crate) fn assert_zeros<E: Output>(values: &[E]) {
    assert!(
        bytes(values).iter().all(|&byte| byte == 0),
        "an error left something in the output"
    );
}
