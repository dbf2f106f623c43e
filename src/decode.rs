//! The decoding driver: frame, then for each tile unpack, inverse rotation, scaling, channel exponents.
//!
//! Decoding is exact but for the last steps: an element is one integer times one unit. See
//! `SPEC.md` for the argument, and for what is refused.

use core::ops::Range;

use half::{bf16, f16};

use crate::arch::{Kernel, LANES, Level, Simd, array};
use crate::element::{Element, ElementsMut, Lanes, with_elements};
use crate::error::DecodeError;
use crate::frame::{Descriptor, Encoding, Frame, Header, Row, SourceType};
use crate::pack;
use crate::quantise::wire_unit;
use crate::rotate::{self, Codes, Tile};
use crate::tile::{self, MAX_TILE};

/// Bytes of output from which on it is stored past the caches: it would not stay in them.
const STREAMED: usize = 16 << 20;

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

impl<E: Lanes> Kernel for DecodeRows<'_, E> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let streams = size_of_val(self.out) >= STREAMED;
        match (self.frame.header().tile_len(), streams) {
            (32, _) => self.each::<S, 1, 32, false>(s),
            (64, false) => self.each::<S, 2, 64, false>(s),
            (64, true) => self.each::<S, 2, 64, true>(s),
            _ => self.each::<S, 4, MAX_TILE, false>(s),
        }
    }
}

impl<E: Lanes> DecodeRows<'_, E> {
    #[inline(always)]
    fn each<S: Simd, const N: usize, const G: usize, const STREAM: bool>(
        self,
        s: S,
    ) -> Result<(), DecodeError> {
        let outs = self.out.chunks_exact_mut(self.frame.header().width as usize);
        let mut result = Ok(());
        for ((index, row), out) in self.frame.rows(self.rows).zip(outs) {
            match row {
                Some(row) => {
                    result = decode_row::<S, E, N, G, STREAM>(s, &row, index, self.frame.exponents(), out);
                    if result.is_err() {
                        break;
                    }
                }
                None => out.fill(E::from_f32(0.0)),
            }
        }
        if STREAM {
            s.fence();
        }
        result
    }
}

/// Decodes one row block into `out`.
#[inline(always)]
fn decode_row<S: Simd, E: Lanes, const N: usize, const G: usize, const STREAM: bool>(
    s: S,
    row: &Row<'_>,
    index: u32,
    exponents: Option<&[i8]>,
    out: &mut [E],
) -> Result<(), DecodeError> {
    row.validate_prefix(index)?;
    let mut codes = row.codes();
    for (t, (bytes, out)) in row.descriptors().iter().zip(out.chunks_mut(G)).enumerate() {
        let descriptor = match Descriptor::parse(*bytes, G) {
            Ok(descriptor) => descriptor,
            Err(found) => {
                return Err(DecodeError::BadTransform {
                    row: index,
                    tile: t as u32,
                    found,
                });
            }
        };
        let (packed, rest) = codes.split_at(pack::packed_len(G, row.code_width(t)));
        codes = rest;
        let y: Tile<S, N> = decode_tile::<S, N, G>(s, row, t, packed, descriptor, exponents);
        if out.len() == G {
            for (y, out) in y.into_iter().zip(out.as_chunks_mut::<LANES>().0) {
                E::store::<S, STREAM>(s, y, out);
            }
        } else {
            let mut values = [[E::zeroed(); LANES]; N];
            for (y, values) in y.into_iter().zip(&mut values) {
                E::store::<S, false>(s, y, values);
            }
            out.copy_from_slice(&values.as_flattened()[..out.len()]);
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
    let width = row.code_width(t);
    let codes = pack::unpack::<S, N>(s, packed, width);
    let y = reconstruct(s, &codes, width, descriptor, row.base());
    match exponents {
        Some(table) => tile::apply_exponents::<S, N, G>(s, &y, table, t),
        None => y,
    }
}

/// The values of a tile of codes of `width` bits before the channel exponents: exact, or an infinity by overflow.
#[inline(always)]
pub(crate) fn reconstruct<S: Simd, const N: usize>(
    s: S,
    codes: &Codes<S, N>,
    width: u8,
    descriptor: Descriptor,
    base: u8,
) -> Tile<S, N> {
    let unit = s.splat(wire_unit(base, descriptor.unit));
    match descriptor.pivot {
        Some(pivot) => {
            let pivot = usize::from(pivot);
            let n = s.add_at(
                rotate::inverse(s, codes, width, pivot),
                pivot,
                descriptor.zero_point,
            );
            array!(N, v => s.mul(s.to_float(n[v]), unit))
        }
        None => {
            let zero_point = s.splat(f32::from(descriptor.zero_point));
            array!(N, v => s.mul(s.add(s.eight_times(codes[v]), zero_point), unit))
        }
    }
}
