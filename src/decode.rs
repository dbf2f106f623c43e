//! The decoding driver: frame, then for each tile unpack, inverse rotation, scaling, channel exponents.
//!
//! Decoding is exact but for the last steps: an element is one integer times one unit. See
//! `SPEC.md` for the argument, and for what is refused.

use core::ops::Range;

use half::{bf16, f16};

use crate::arch::{Kernel, LANES, Level, Simd, array};
use crate::element::{Element, ElementsMut, with_elements};
use crate::error::DecodeError;
use crate::frame::{Descriptor, Encoding, Frame, Header, Row, SourceType};
use crate::pack;
use crate::quantise::wire_unit;
use crate::rotate::{self, Tile};
use crate::tile::{self, MAX_TILE};

/// Decodes frames into buffers that the caller owns.
///
/// ```
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// use tahq::{Config, Decoder, Encoder};
///
/// let x = [0.5f32; 2 * 64];
/// let mut frame = [0; 256];
/// let len = Encoder::new(Config::INT4)?.encode(&x, 2, 64, &mut frame)?;
///
/// let mut y = [0.0f32; 2 * 64];
/// let header = Decoder::new().decode(&frame[..len], &mut y)?;
/// assert_eq!((header.rows, header.width), (2, 64));
/// assert_eq!(x, y);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder<'t> {
    level: Level,
    table: Option<&'t [i8]>,
}

impl<'t> Decoder<'t> {
    /// A decoder at the fastest level of this machine, without an agreed table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same at another level. Every level gives the same bits.
    #[must_use]
    pub const fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// The same with an agreed table of channel exponents, one for each channel. Frames that do not use an
    /// agreed table ignore it.
    #[must_use]
    pub const fn with_exponents(self, table: &'t [i8]) -> Self {
        Self {
            table: Some(table),
            ..self
        }
    }

    #[cfg(feature = "rayon")]
    pub(crate) const fn exponents(&self) -> Option<&'t [i8]> {
        self.table
    }

    /// Checks `frame` as [`Frame::parse`] does, with this decoder's table.
    ///
    /// # Errors
    ///
    /// The first fault found.
    pub fn parse<'a>(&self, frame: &'a [u8]) -> Result<Frame<'a>, DecodeError>
    where
        't: 'a,
    {
        Frame::parse(frame, self.table)
    }

    /// Decodes one whole frame into `out`, `rows x width` elements, row-major, of any element type: the
    /// exact f32, rounded once more for f16 and bf16. `frame` must be exactly one frame.
    ///
    /// # Errors
    ///
    /// The first fault found; `out` is then all zeros.
    pub fn decode<E: Element>(&self, frame: &[u8], out: &mut [E]) -> Result<Header, DecodeError> {
        let result = self
            .parse(frame)
            .and_then(|frame| self.all_rows(&frame, E::elements_mut(out)));
        zero_on_error(result, out)
    }

    /// Decodes a body whose header came some other way. There is no checksum: the transport vouches for the
    /// bytes, or what decodes is whatever they say.
    ///
    /// # Errors
    ///
    /// The first fault found; `out` is then all zeros.
    pub fn decode_body<E: Element>(
        &self,
        header: &Header,
        body: &[u8],
        out: &mut [E],
    ) -> Result<Header, DecodeError> {
        let result = Frame::from_body(*header, body, self.table)
            .and_then(|frame| self.all_rows(&frame, E::elements_mut(out)));
        zero_on_error(result, out)
    }

    /// Decodes `rows` of a checked frame into `out`, `rows.len() x width` elements. Ranges are independent:
    /// they may be decoded in any order, or at the same time by several threads.
    ///
    /// # Errors
    ///
    /// The first fault found in these rows; `out` is then all zeros.
    pub fn decode_rows<E: Element>(
        &self,
        frame: &Frame<'_>,
        rows: Range<u32>,
        out: &mut [E],
    ) -> Result<(), DecodeError> {
        let result = self.some_rows(frame, rows, E::elements_mut(out));
        zero_on_error(result, out)
    }

    /// As [`Decoder::decode`] into bytes in the machine's own order, aligned for elements of type
    /// `element`.
    ///
    /// # Errors
    ///
    /// As [`Decoder::decode`], and [`DecodeError::Misaligned`]; `out` is then all zeros.
    pub fn decode_bytes(
        &self,
        frame: &[u8],
        element: SourceType,
        out: &mut [u8],
    ) -> Result<Header, DecodeError> {
        let result = match element {
            SourceType::F32 => bytemuck::try_cast_slice_mut(out).map(|out| self.decode::<f32>(frame, out)),
            SourceType::F16 => bytemuck::try_cast_slice_mut(out).map(|out| self.decode::<f16>(frame, out)),
            SourceType::Bf16 => bytemuck::try_cast_slice_mut(out).map(|out| self.decode::<bf16>(frame, out)),
        };
        match result {
            Ok(result) => result,
            Err(_) => zero_on_error(Err(DecodeError::Misaligned), out),
        }
    }

    fn all_rows(&self, frame: &Frame<'_>, out: ElementsMut<'_>) -> Result<Header, DecodeError> {
        let header = *frame.header();
        self.some_rows(frame, 0..header.rows, out)?;
        Ok(header)
    }

    fn some_rows(
        &self,
        frame: &Frame<'_>,
        rows: Range<u32>,
        out: ElementsMut<'_>,
    ) -> Result<(), DecodeError> {
        let header = frame.header();
        if rows.start > rows.end || rows.end > header.rows {
            return Err(DecodeError::RowRange {
                start: rows.start,
                end: rows.end,
                rows: header.rows,
            });
        }
        let needed = u64::from(rows.end - rows.start) * u64::from(header.width);
        let available = with_elements!(ElementsMut, &out, out => out.len());
        if available as u64 != needed {
            return Err(DecodeError::OutputLength { needed, available });
        }
        if needed == 0 {
            return Ok(());
        }
        with_elements!(ElementsMut, out, out => {
            if header.encoding == Encoding::Raw {
                decode_raw(frame, rows, out);
                return Ok(());
            }
            self.level.run(DecodeRows { frame, rows, out })
        })
    }
}

pub(crate) fn zero_on_error<T, E: bytemuck::Zeroable>(
    result: Result<T, DecodeError>,
    out: &mut [E],
) -> Result<T, DecodeError> {
    if result.is_err() {
        out.fill_with(E::zeroed);
    }
    result
}

fn decode_raw<E: Element>(frame: &Frame<'_>, rows: Range<u32>, out: &mut [E]) {
    let header = frame.header();
    let size = header.source.size();
    let start = header.row_offset(&[], rows.start);
    let elements = frame.blocks()[start..].chunks_exact(size);
    for (out, bytes) in out.iter_mut().zip(elements) {
        *out = match header.source {
            // Its own type keeps every bit, of a NaN as well.
            source if source == E::SOURCE => E::from_wire(bytes),
            SourceType::F32 => E::from_f32(f32::from_wire(bytes)),
            SourceType::F16 => E::from_f32(f16::from_wire(bytes).to_f32()),
            SourceType::Bf16 => E::from_f32(bf16::from_wire(bytes).to_f32()),
        };
    }
}

struct DecodeRows<'k, E> {
    frame: &'k Frame<'k>,
    rows: Range<u32>,
    out: &'k mut [E],
}

impl<E: Element> Kernel for DecodeRows<'_, E> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        match self.frame.header().tile_len() {
            32 => self.each::<S, 2, 32>(s),
            64 => self.each::<S, 4, 64>(s),
            _ => self.each::<S, 8, MAX_TILE>(s),
        }
    }
}

impl<E: Element> DecodeRows<'_, E> {
    #[inline(always)]
    fn each<S: Simd, const N: usize, const G: usize>(self, s: S) -> Result<(), DecodeError> {
        let outs = self.out.chunks_exact_mut(self.frame.header().width as usize);
        for ((index, row), out) in self.frame.rows(self.rows).zip(outs) {
            match row {
                Some(row) => decode_row::<S, E, N, G>(s, &row, index, self.frame.exponents(), out)?,
                None => out.fill(E::from_f32(0.0)),
            }
        }
        Ok(())
    }
}

/// Decodes one row block into `out`.
#[inline(always)]
pub(crate) fn decode_row<S: Simd, E: Element, const N: usize, const G: usize>(
    s: S,
    row: &Row<'_>,
    index: u32,
    exponents: Option<&[i8]>,
    out: &mut [E],
) -> Result<(), DecodeError> {
    row.validate_prefix(index)?;
    let mut codes = row.codes();
    for (t, (bytes, out)) in row.descriptors().iter().zip(out.chunks_mut(G)).enumerate() {
        let descriptor = Descriptor::parse(*bytes, G).map_err(|found| DecodeError::BadTransform {
            row: index,
            tile: t as u32,
            found,
        })?;
        let width = row.code_width(t);
        let (packed, rest) = codes.split_at(pack::packed_len(G, width));
        codes = rest;
        let y: Tile<S, N> = decode_tile::<S, N, G>(s, row, t, packed, descriptor, exponents);
        let whole = out.len() == G;
        if let Some(out) = E::as_f32_mut(out)
            && whole
        {
            tile::store(s, &y, out);
            continue;
        }
        let mut values = [0.0; G];
        tile::store(s, &y, &mut values);
        for (out, value) in out.iter_mut().zip(values) {
            *out = E::from_f32(value);
        }
    }
    Ok(())
}

/// The values of tile `t` of a row; those beyond the row's width mean nothing.
#[inline(always)]
pub(crate) fn decode_tile<S: Simd, const N: usize, const G: usize>(
    s: S,
    row: &Row<'_>,
    t: usize,
    packed: &[u8],
    descriptor: Descriptor,
    exponents: Option<&[i8]>,
) -> Tile<S, N> {
    let mut codes = [0; G];
    pack::unpack(packed, row.code_width(t), &mut codes);
    let mut y: Tile<S, N> = reconstruct(s, &codes, descriptor, row.base());
    if let Some(table) = exponents {
        let own = tile::run::<i8, G>(table, t);
        if own.len() == G {
            tile::apply_exponents(s, &mut y, own);
        } else {
            let mut padded = [0; G];
            padded[..own.len()].copy_from_slice(own);
            tile::apply_exponents(s, &mut y, &padded);
        }
    }
    y
}

/// The values of a tile before the channel exponents: exact, or an infinity by overflow.
#[inline(always)]
pub(crate) fn reconstruct<S: Simd, const N: usize, const G: usize>(
    s: S,
    codes: &[u8; G],
    descriptor: Descriptor,
    base: u8,
) -> Tile<S, N> {
    let unit = s.splat(wire_unit(base, descriptor.unit));
    let eight = s.splat(8.0);
    let chunks = codes.as_chunks::<LANES>().0;
    let mut q: [S::H; N] = array!(N, v => s.load_u8_h(&chunks[v]));
    if let Some(pivot) = descriptor.pivot {
        q = rotate::inverse(s, &q, usize::from(pivot));
    }
    let mut n: Tile<S, N> = array!(N, v => s.mul(s.h_to_float(q[v]), eight));
    match descriptor.pivot {
        Some(pivot) => rotate::add_zero_point(s, &mut n, usize::from(pivot), descriptor.zero_point),
        None => {
            let zero_point = s.splat(f32::from(descriptor.zero_point));
            n = array!(N, v => s.add(n[v], zero_point));
        }
    }
    array!(N, v => s.mul(n[v], unit))
}
