//! The decoding driver: frame, then for each tile unpack, inverse rotation, scaling, channel exponents.
//!
//! Decoding is exact but for the last steps: an element is one integer times one unit. See
//! `SPEC.md` for the argument, and for what is refused.

mod packed;
pub(crate) mod portable;
mod powers;
mod sink;

use core::ops::Range;

use half::{bf16, f16};

use crate::arch::{BLOCK, Kernel, LANES, Level, Part, Scales, Simd, array, exchanged, next_bit};
use crate::checksum::{Checksum, Shares};
use crate::element::{Element, ElementsMut, Lanes, with_elements};
use crate::error::DecodeError;
use crate::frame::{Descriptor, Encoding, Frame, Header, ROTATED, Row, Sealed, SourceType};
use crate::pack;
use crate::part::{copy, from, part, part_mut, split, split_mut};
use crate::quantise::wire_unit;
use crate::rotate::{self, Codes, Tile};
use crate::tile::{self, MAX_TILE};
use powers::{Powers, TilePowers};
use sink::{Place, Sink, Stage, tiles_together};

/// Bytes of output from which on it is stored past the caches: with what is read beside it, it would not stay in them.
const STREAMED: usize = 8 << 20;

/// How many bytes before they are decoded codes are asked for: more than those of which the checksum is taken before, where
/// rows have fewer.
const AHEAD: usize = 4 * Shares::RUN;

/// Bytes of a frame from which on its rows are decoded while their bytes are near from the checksum.
const LARGE: usize = 256 << 10;

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
        // Machines without an operating system have no caches to speak of, and little room for code.
        let sealed = if cfg!(target_os = "none") || frame.len() < LARGE {
            None
        } else {
            self.decodable(frame, out.len())
        };
        let result = match sealed {
            Some((sealed, frame)) => {
                let (sum, result) =
                    self.rows_and_checksum(&frame, 0..frame.header().rows, sealed.checked, out);
                sealed.verify(sum.value()).and(result).map(|()| sealed.header)
            }
            // Where something is wrong before the first row, the order of faults is that of small frames.
            None => self
                .parse(frame)
                .and_then(|frame| self.all_rows(&frame, E::elements_mut(out))),
        };
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
        let streamed = size_of_val(out) >= STREAMED;
        let result = self.some_rows(frame, rows, E::elements_mut(out), streamed, &mut Shares::none());
        self.fence(streamed);
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
        let streamed = with_elements!(ElementsMut, &out, out => size_of_val(*out)) >= STREAMED;
        let result = self.some_rows(frame, 0..header.rows, out, streamed, &mut Shares::none());
        self.fence(streamed);
        result.map(|()| header)
    }

    /// The frame, if it is whole and fits this decoder and `elements`, as far as can be said without the
    /// checksum and without looking at a row.
    pub(crate) fn decodable<'a>(&self, frame: &'a [u8], elements: usize) -> Option<(Sealed<'a>, Frame<'a>)>
    where
        't: 'a,
    {
        let sealed = Sealed::parse(frame).ok()?;
        if sealed.header.elements() != elements as u64 {
            return None;
        }
        let frame = Frame::from_body(sealed.header, sealed.body(), self.table).ok()?;
        Some((sealed, frame))
    }

    /// Decodes `rows`, of which `out` has the elements, and takes the checksum of `bytes` meanwhile. The bytes may be
    /// anything: the rows' own checks bound what decoding them before the checksum is known can do, and nobody sees `out`
    /// until it is.
    pub(crate) fn rows_and_checksum<E: Element>(
        &self,
        frame: &Frame<'_>,
        rows: Range<u32>,
        bytes: &[u8],
        out: &mut [E],
    ) -> (Checksum, Result<(), DecodeError>) {
        let mut shares = Shares::new(bytes, rows.end.saturating_sub(rows.start));
        let streamed = size_of_val(out) >= STREAMED;
        let result = self.some_rows(frame, rows, E::elements_mut(out), streamed, &mut shares);
        self.fence(streamed);
        (shares.whole(), result)
    }

    /// Orders what was `streamed` before whatever follows; once a call, since it waits until all has left.
    fn fence(&self, streamed: bool) {
        if streamed {
            self.level.run(Fence);
        }
    }

    /// `out` is not zeroed on error, and may have channels' powers in it then. It is stored past the caches where
    /// `streamed`, if the level can; then [`Decoder::fence`] is to follow.
    pub(crate) fn some_rows(
        &self,
        frame: &Frame<'_>,
        rows: Range<u32>,
        out: ElementsMut<'_>,
        streamed: bool,
        shares: &mut Shares<'_>,
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
                decode_raw(frame, rows, out, shares);
                return Ok(());
            }
            self.level.run(DecodeRows {
                frame,
                rows,
                out,
                streamed,
                shares,
            })
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

fn decode_raw<E: Element>(frame: &Frame<'_>, rows: Range<u32>, out: &mut [E], shares: &mut Shares<'_>) {
    let header = frame.header();
    let size = header.source.size();
    let start = header.row_offset(&[], rows.start);
    let (mut bytes, mut out) = (from(frame.blocks(), start), out);
    let mut left = rows.end - rows.start;
    while left > 0 {
        let now = shares.before_rows(left);
        left -= now;
        let count = now as usize * header.width as usize;
        let (own, rest) = split(bytes, count * size);
        bytes = rest;
        let (elements, rest) = split_mut(out, count);
        out = rest;
        for (out, bytes) in elements.iter_mut().zip(own.chunks_exact(size)) {
            *out = match header.source {
                // Its own type keeps every bit, of a NaN as well.
                source if source == E::SOURCE => E::from_wire(bytes),
                SourceType::F32 => E::from_f32(f32::from_wire(bytes)),
                SourceType::F16 => E::from_f32(f16::from_wire(bytes).to_f32()),
                SourceType::Bf16 => E::from_f32(bf16::from_wire(bytes).to_f32()),
            };
        }
    }
}

struct DecodeRows<'k, 'b, E> {
    frame: &'k Frame<'k>,
    rows: Range<u32>,
    out: &'k mut [E],
    streamed: bool,
    shares: &'k mut Shares<'b>,
}

impl<E: Lanes> Kernel for DecodeRows<'_, '_, E> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        if const { !S::VECTORS } {
            return portable::decode_rows(self.frame, self.rows, self.out, self.shares);
        }
        if const { S::PACKED && matches!(E::SOURCE, SourceType::F32) }
            && packed::holds(self.frame)
            && let ElementsMut::F32(out) = E::elements_mut(self.out)
        {
            return s.outline(packed::Rows {
                frame: self.frame,
                rows: self.rows,
                out,
                shares: self.shares,
            });
        }
        if const { S::STREAMS } && self.streamed {
            let header = self.frame.header();
            let whole = header.tile_len() == 64 && sink::rows_are_lines(self.out, header.width as usize);
            return if whole {
                s.outline(Each::<E, 2, 64, LINES>(self))
            } else {
                self.sized::<S, STAGED>(s)
            };
        }
        self.sized::<S, CACHED>(s)
    }
}

/// See [`Decoder::fence`].
struct Fence;

impl Kernel for Fence {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        s.fence();
    }
}

/// The ways that rows are stored: as usual; past the caches, where tiles are whole lines; past them by way of a [`Stage`].
const CACHED: u8 = 0;
const LINES: u8 = 1;
const STAGED: u8 = 2;

/// Rows of tiles of one size: a function of its own, with a stack frame for no other.
struct Each<'k, 'b, E, const N: usize, const G: usize, const WAY: u8>(DecodeRows<'k, 'b, E>);

impl<S: Simd, E: Lanes, const N: usize, const G: usize, const WAY: u8> Part<S>
    for Each<'_, '_, E, N, G, WAY>
{
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run(self, s: S) -> Self::Output {
        match WAY {
            LINES => self.0.each::<S, N, G, true>(s, None),
            STAGED => self.0.each::<S, N, G, false>(s, Some(&mut Stage::new())),
            _ => self.0.each::<S, N, G, false>(s, None),
        }
    }
}

impl<E: Lanes> DecodeRows<'_, '_, E> {
    #[inline(always)]
    fn sized<S: Simd, const WAY: u8>(self, s: S) -> Result<(), DecodeError> {
        match self.frame.header().tile_len() {
            32 => s.outline(Each::<E, 1, 32, WAY>(self)),
            64 => s.outline(Each::<E, 2, 64, WAY>(self)),
            _ => s.outline(Each::<E, 4, MAX_TILE, WAY>(self)),
        }
    }

    #[inline(always)]
    fn each<S: Simd, const N: usize, const G: usize, const LINES: bool>(
        self,
        s: S,
        mut stage: Option<&mut Stage<E>>,
    ) -> Result<(), DecodeError> {
        let width = self.frame.header().width as usize;
        let powers = Powers::of::<S, E>(s, self.frame.exponents());
        // The last rows have room for the powers of all others' channels, until they are decoded themselves.
        let others = powers.rows_before::<E>(self.rows.end - self.rows.start);
        let (own, last) = split_mut(self.out, others as usize * width);
        let middle = self.rows.start + others;
        if others > 0 {
            let (rows, powers) = (self.rows.start..middle, powers.ready(s, last));
            // Where the powers and a row of output are more than a first-level cache has, rows share some powers at a time.
            let together = !LINES && stage.is_none() && width > tiles_together::<G>() * G;
            if together && holds_nibbles(self.frame) {
                s.outline(Together::<E, N, G> {
                    frame: self.frame,
                    rows,
                    powers,
                    width,
                    out: own,
                    shares: &mut *self.shares,
                })?;
            } else {
                let (rows, sink) = (self.frame.rows(rows), Sink::new(own, stage.as_deref_mut()));
                rows_into::<S, E, N, G, LINES>(s, rows, powers, self.shares, width, sink)?;
            }
        }
        let (rows, sink) = (self.frame.rows(middle..self.rows.end), Sink::new(last, stage));
        rows_into::<S, E, N, G, LINES>(s, rows, powers, self.shares, width, sink)
    }
}

/// Decodes rows one after the other, and after an error an unspecified part of them.
#[inline(always)]
fn rows_into<'r, S: Simd, E: Lanes, const N: usize, const G: usize, const LINES: bool>(
    s: S,
    rows: impl Iterator<Item = (u32, Option<Row<'r>>)>,
    powers: Powers<'_>,
    shares: &mut Shares<'_>,
    width: usize,
    mut sink: Sink<'_, '_, E>,
) -> Result<(), DecodeError> {
    let mut result = Ok(());
    for (index, row) in rows {
        shares.before_row();
        match row {
            Some(row) => {
                result = decode_row::<S, E, N, G, LINES>(s, &row, index, powers, width, &mut sink);
                if result.is_err() {
                    break;
                }
            }
            None => sink.direct(width).fill(E::from_f32(0.0)),
        }
    }
    sink.finish(s);
    result
}

/// Rows of 4-bit codes, [`TOGETHER`] at a time.
struct Together<'s, 'k, 'b, E, const N: usize, const G: usize> {
    frame: &'s Frame<'k>,
    rows: Range<u32>,
    powers: Powers<'s>,
    width: usize,
    out: &'s mut [E],
    shares: &'s mut Shares<'b>,
}

/// Rows that are decoded together.
const TOGETHER: usize = 4;

impl<S: Simd, E: Lanes, const N: usize, const G: usize> Part<S> for Together<'_, '_, '_, E, N, G> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run(self, s: S) -> Self::Output {
        let (powers, width) = (self.powers, self.width.max(1));
        let mut rows = self.frame.uniform_rows(self.rows);
        for out in self.out.chunks_mut(TOGETHER * width) {
            let some = [rows.next(), rows.next(), rows.next(), rows.next()];
            for _ in some.iter().flatten() {
                self.shares.before_row();
            }
            if let [Some((_, a)), Some((_, b)), Some((_, c)), Some((_, d))] = some
                && s.outline(RowsOfNibbles::<E, N, G> {
                    rows: &[a, b, c, d],
                    powers,
                    width,
                    out: &mut *out,
                })
            {
                continue;
            }
            // Too few, or some fault, of which the first counts.
            for ((index, row), out) in some.into_iter().flatten().zip(out.chunks_exact_mut(width)) {
                s.outline(One::<E, N, G> {
                    row,
                    index,
                    powers,
                    out,
                })?;
            }
        }
        Ok(())
    }
}

/// Some of the tiles of every row, then the next ones. Says whether all were decoded, which rows with faults are not, and rows
/// of large units.
struct RowsOfNibbles<'s, 'k, E, const N: usize, const G: usize> {
    rows: &'s [Row<'k>; TOGETHER],
    powers: Powers<'s>,
    width: usize,
    out: &'s mut [E],
}

impl<S: Simd, E: Lanes, const N: usize, const G: usize> Part<S> for RowsOfNibbles<'_, '_, E, N, G> {
    type Output = bool;

    #[inline(always)]
    fn run(self, s: S) -> bool {
        for row in self.rows {
            if row.validate_prefix(0).is_err() || !units_are_small(row.base()) {
                return false;
            }
        }
        let tiles = self.width / G;
        for first in (0..tiles).step_by(tiles_together::<G>()) {
            let end = tiles.min(first + tiles_together::<G>());
            for (row, out) in self.rows.iter().zip(self.out.chunks_exact_mut(self.width)) {
                let narrower = self.powers.narrower::<S, E>(s, row.base());
                let mut tiles = Nibbles::<E, G, N, false> {
                    base: row.base(),
                    descriptors: part(row.descriptors(), first..end),
                    codes: part(row.codes(), first * (G / 2)..end * (G / 2))
                        .as_chunks()
                        .0
                        .as_chunks()
                        .0,
                    powers: self.powers.tiles(first),
                    place: Place::new(part_mut(out, first * G..end * G).as_chunks_mut().0),
                };
                if tiles.decode(s, narrower).is_err() {
                    return false;
                }
            }
        }
        if self.width.is_multiple_of(G) {
            return true;
        }
        for (row, out) in self.rows.iter().zip(self.out.chunks_exact_mut(self.width)) {
            let done = s.outline(Tail::<E, N, G> {
                row,
                index: 0,
                t: tiles,
                packed: from(row.codes(), tiles * (G / 2)),
                exponents: self.powers.exponents(),
                out: split_mut(out, tiles * G).1,
            });
            if done.is_err() {
                return false;
            }
        }
        true
    }
}

/// One row: see [`decode_row`].
struct One<'k, E, const N: usize, const G: usize> {
    row: Row<'k>,
    index: u32,
    powers: Powers<'k>,
    out: &'k mut [E],
}

impl<S: Simd, E: Lanes, const N: usize, const G: usize> Part<S> for One<'_, E, N, G> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run(self, s: S) -> Self::Output {
        let width = self.out.len();
        let mut sink = Sink::new(self.out, None);
        decode_row::<S, E, N, G, false>(s, &self.row, self.index, self.powers, width, &mut sink)
    }
}

/// Decodes one row block, `width` elements.
#[inline(always)]
fn decode_row<S: Simd, E: Lanes, const N: usize, const G: usize, const LINES: bool>(
    s: S,
    row: &Row<'_>,
    index: u32,
    powers: Powers<'_>,
    width: usize,
    sink: &mut Sink<'_, '_, E>,
) -> Result<(), DecodeError> {
    row.validate_prefix(index)?;
    let count = width / G;
    // Each a function of its own, for the stack's sake.
    let packed = if row.single_width() == Some(4) && units_are_small(row.base()) {
        s.outline(NibbleTiles::<E, G, N, LINES> {
            row,
            index,
            powers,
            count,
            sink,
        })?
    } else {
        s.outline(Tiles::<E, G, N, LINES> {
            row,
            index,
            powers,
            count,
            sink,
        })?
    };
    let tail = width % G;
    if tail == 0 {
        return Ok(());
    }
    s.outline(Tail::<E, N, G> {
        row,
        index,
        t: count,
        packed,
        exponents: powers.exponents(),
        out: sink.direct(tail),
    })
}

/// Whether all rows that `frame` has are of 4-bit codes.
fn holds_nibbles(frame: &Frame<'_>) -> bool {
    let header = frame.header();
    header.encoding == Encoding::Uniform && header.hi == 4 && !header.is_empty()
}

/// Whether 2^24 of every unit of a row are finite, as [`Simd::rotated`] asks for.
#[inline(always)]
fn units_are_small(base: u8) -> bool {
    // Biased exponents of units are 1 to 32 above the base.
    i32::from(base) + 32 + 24 <= 254
}

/// The whole tiles of a row of any code width, or of two. Gives the codes that follow, as [`NibbleTiles`] does.
struct Tiles<'s, 'o, 'k, 'r, E, const G: usize, const N: usize, const LINES: bool> {
    row: &'s Row<'r>,
    index: u32,
    powers: Powers<'s>,
    count: usize,
    sink: &'s mut Sink<'o, 'k, E>,
}

impl<'r, S: Simd, E: Lanes, const G: usize, const N: usize, const LINES: bool> Part<S>
    for Tiles<'_, '_, '_, 'r, E, G, N, LINES>
{
    type Output = Result<&'r [u8], DecodeError>;

    #[inline(always)]
    fn run(self, s: S) -> Self::Output {
        let (row, index) = (self.row, self.index);
        let mut packed = row.codes();
        let narrower = self.powers.narrower::<S, E>(s, row.base());
        let powers = self.powers.tiles::<G>(0);
        for first in (0..self.count).step_by(tiles_together::<G>()) {
            let count = tiles_together::<G>().min(self.count - first);
            let mut place = self.sink.place::<G, LINES>(count);
            let descriptors = part(row.descriptors(), first..first + count);
            for (i, descriptor) in descriptors.iter().enumerate() {
                let t = first + i;
                let width = row.code_width(t);
                let (own, rest) = split(packed, pack::packed_len(G, width));
                packed = rest;
                let tile = Packed::<S, N>::read::<G>(s, descriptor, own, width, (index, t))?;
                let (y, pivot) = (tile.values(s, row.base()), tile.exchanged_by());
                place.put(s, i, powers.times(s, t, y, pivot), pivot, narrower);
            }
            place.finish(s);
            self.sink.advance(count * G);
        }
        Ok(packed)
    }
}

/// Tiles of a row that are sorted by their transforms together, at the most.
const SORTED: usize = tiles_together::<32>();

/// The whole tiles of a row of 4-bit codes, the commonest. The rotated ones and the plain ones are decoded one kind after
/// the other, some at a time: which kind the next one is cannot be predicted. Rotated ones go in pairs.
struct NibbleTiles<'s, 'o, 'k, 'r, E, const G: usize, const N: usize, const LINES: bool> {
    row: &'s Row<'r>,
    index: u32,
    powers: Powers<'s>,
    count: usize,
    sink: &'s mut Sink<'o, 'k, E>,
}

impl<'r, S: Simd, E: Lanes, const G: usize, const N: usize, const LINES: bool> Part<S>
    for NibbleTiles<'_, '_, '_, 'r, E, G, N, LINES>
{
    type Output = Result<&'r [u8], DecodeError>;

    #[inline(always)]
    fn run(self, s: S) -> Self::Output {
        let (mut codes, rest) = split(self.row.codes(), self.count * (G / 2));
        let narrower = self.powers.narrower::<S, E>(s, self.row.base());
        for first in (0..self.count).step_by(tiles_together::<G>()) {
            let count = tiles_together::<G>().min(self.count - first);
            let (own, later) = split(codes, count * (G / 2));
            codes = later;
            let descriptors = part(self.row.descriptors(), first..first + count);
            let mut tiles = Nibbles::<E, G, N, LINES> {
                base: self.row.base(),
                descriptors,
                codes: own.as_chunks().0.as_chunks().0,
                powers: self.powers.tiles(first),
                place: self.sink.place::<G, LINES>(count),
            };
            if let Err(t) = tiles.decode(s, narrower) {
                let descriptor = descriptors.get(t).unwrap_or(&[0; 4]);
                return Err(bad_transform(self.index, first + t, descriptor));
            }
            tiles.place.finish(s);
            self.sink.advance(count * G);
        }
        Ok(rest)
    }
}

/// At most [`SORTED`] tiles of 4-bit codes.
struct Nibbles<'s, 'k, E, const G: usize, const N: usize, const LINES: bool> {
    base: u8,
    descriptors: &'s [[u8; 4]],
    codes: &'s [[[u8; LANES / 2]; N]],
    powers: TilePowers<'s, G>,
    place: Place<'s, 'k, E, G, LINES>,
}

impl<'s, E: Lanes, const G: usize, const N: usize, const LINES: bool> Nibbles<'s, '_, E, G, N, LINES> {
    /// The number of a tile whose transform means nothing, where one does.
    #[inline(always)]
    fn decode<S: Simd>(&mut self, s: S, narrower: Option<S::Narrower>) -> Result<(), usize> {
        let mut padded = [[0; 4]; SORTED];
        let descriptors = self.descriptors.first_chunk().unwrap_or_else(|| {
            let len = self.descriptors.len().min(SORTED);
            copy(part_mut(&mut padded, 0..len), part(self.descriptors, 0..len));
            &padded
        });
        let words = array!(SORTED, t => i32::from_le_bytes(descriptors[t]));
        let mut transforms = [0; SORTED];
        s.store_or(s.low_bytes(s.shr::<24>(s.load_i(&words))), &mut transforms);
        let means_nothing = |transform: u8| (transform != 0) & (usize::from(transform ^ ROTATED) >= G);
        let mut nothing = false;
        for transform in transforms {
            nothing |= means_nothing(transform);
        }
        if nothing {
            return Err(transforms.into_iter().position(means_nothing).unwrap_or(0));
        }
        // No branch on what a tile is: a bit for each.
        let [low, high] = bytemuck::cast_ref::<_, [[u8; BLOCK]; 2]>(&transforms);
        let mut rotated = s.at_least(low, ROTATED) | s.at_least(high, ROTATED) << BLOCK;
        let count = self.descriptors.len();
        let mut plain = !rotated & (u32::MAX >> (SORTED - count.clamp(1, SORTED)));
        // So that there is one length to compare a tile's number with.
        let whole = (self.codes.len() == count) & (self.place.len() == count);
        debug_assert!(whole, "tiles that are cut short");
        if !whole {
            return Err(count);
        }
        let scales = self.scales(s, &words);
        let mut begun = None;
        loop {
            let next = self.begin_two(s, &mut rotated, count);
            let now = if const { S::EARLY && !matches!(E::SOURCE, SourceType::F32) } {
                core::mem::replace(&mut begun, next)
            } else {
                next
            };
            if let Some((at, halfway)) = now {
                // Each is stored before the other is ended, so that there are registers for it.
                self.end(s, at[0], halfway[0], &scales, narrower);
                self.end(s, at[1], halfway[1], &scales, narrower);
            } else if begun.is_none() {
                break;
            }
        }
        if rotated != 0 {
            let t = next_bit(&mut rotated);
            let halfway = s.halfway(self.codes(s, t), self.pivot(t));
            self.end(s, t, halfway, &scales, narrower);
        }
        while plain != 0 {
            let t = next_bit(&mut plain);
            if t >= count {
                break;
            }
            let y = s.plain(self.codes(s, t), &scales, t);
            self.put(s, t, y, 0, narrower);
        }
        Ok(())
    }

    /// The next two of the rotated tiles, a bit for each, halfway, if there are two.
    #[inline(always)]
    fn begin_two<S: Simd>(&self, s: S, rotated: &mut u32, count: usize) -> Option<Begun<S, N>> {
        if rotated.count_ones() < 2 {
            return None;
        }
        let at = [next_bit(rotated), next_bit(rotated)];
        if at[0] >= count || at[1] >= count {
            return None;
        }
        let codes = at.map(|t| self.codes(s, t));
        Some((at, s.halfway_two(codes, at.map(|t| self.pivot(t)))))
    }

    #[inline(always)]
    fn codes<S: Simd>(&self, s: S, t: usize) -> &'s [[u8; LANES / 2]; N] {
        let codes = self.codes.get(t).unwrap_or(&[[0; LANES / 2]; N]);
        // Where there is so much that it comes from memory; ahead of the checksum, which reads it first.
        if self.place.is_streamed() {
            s.prefetch(codes.as_ptr().wrapping_byte_add(AHEAD).cast());
        }
        codes
    }

    /// Where the tile is rotated.
    #[inline(always)]
    fn pivot(&self, t: usize) -> usize {
        let descriptor = self.descriptors.get(t).unwrap_or(&[0; 4]);
        usize::from(descriptor[3] & !ROTATED)
    }

    /// The scales of descriptors, as words.
    #[inline(always)]
    fn scales<S: Simd>(&self, s: S, words: &[i32; SORTED]) -> Scales {
        let mut zero_points = [0; SORTED];
        let mut units = [0.0; SORTED];
        for t in 0..SORTED {
            zero_points[t] = words[t] as i16;
            units[t] = wire_unit(self.base, (words[t] >> 16) as u8);
        }
        s.scales::<N>(zero_points, units)
    }

    #[inline(always)]
    fn end<S: Simd>(
        &mut self,
        s: S,
        t: usize,
        halfway: S::Halfway<N>,
        scales: &Scales,
        narrower: Option<S::Narrower>,
    ) {
        let pivot = self.pivot(t);
        let y = s.rotated_end(halfway, pivot, scales, t);
        self.put(s, t, y, pivot, narrower);
    }

    /// `y` is exchanged by a pivot; 0 leaves it.
    #[inline(always)]
    fn put<S: Simd>(&mut self, s: S, t: usize, y: Tile<S, N>, pivot: usize, narrower: Option<S::Narrower>) {
        let y = self.powers.times(s, t, y, pivot);
        self.place.put(s, t, y, pivot, narrower);
    }
}

/// The numbers of two tiles, and the tiles halfway.
type Begun<S, const N: usize> = ([usize; 2], [<S as Simd>::Halfway<N>; 2]);

fn bad_transform(row: u32, tile: usize, descriptor: &[u8; 4]) -> DecodeError {
    DecodeError::BadTransform {
        row,
        tile: tile as u32,
        found: descriptor[3],
    }
}

/// The tile that a row ends in.
struct Tail<'k, E, const N: usize, const G: usize> {
    row: &'k Row<'k>,
    index: u32,
    t: usize,
    packed: &'k [u8],
    exponents: Option<&'k [i8]>,
    out: &'k mut [E],
}

impl<S: Simd, E: Lanes, const N: usize, const G: usize> Part<S> for Tail<'_, E, N, G> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run(self, s: S) -> Self::Output {
        let descriptor = self.row.descriptors().get(self.t).unwrap_or(&[0; 4]);
        let width = self.row.code_width(self.t);
        let tile = Packed::<S, N>::read::<G>(s, descriptor, self.packed, width, (self.index, self.t))?;
        let (mut y, pivot) = (tile.values(s, self.row.base()), tile.exchanged_by());
        if let Some(table) = self.exponents {
            let mut padded = [0; G];
            y = tile::apply_exponents::<S, N>(s, &y, tile::whole(table, self.t, &mut padded), pivot);
        }
        let mut values = [[E::zeroed(); LANES]; N];
        for (v, &y) in y.iter().enumerate() {
            E::store(s, y, &mut values[exchanged::<S>(v, pivot) % N], None);
        }
        let len = self.out.len();
        copy(self.out, part(values.as_flattened(), 0..len));
        Ok(())
    }
}

/// A tile's codes and what they stand for.
struct Packed<S: Simd, const N: usize> {
    codes: Codes<S, N>,
    width: u8,
    descriptor: Descriptor,
}

impl<S: Simd, const N: usize> Packed<S, N> {
    /// Reads a tile whose codes are `packed`; `at` is its row and its place there.
    #[inline(always)]
    fn read<const G: usize>(
        s: S,
        descriptor: &[u8; 4],
        packed: &[u8],
        width: u8,
        at: (u32, usize),
    ) -> Result<Self, DecodeError> {
        let Ok(parsed) = Descriptor::parse(*descriptor, G) else {
            return Err(bad_transform(at.0, at.1, descriptor));
        };
        Ok(Self {
            codes: pack::unpack::<S, N>(s, packed, width),
            width,
            descriptor: parsed,
        })
    }

    /// The pivot that [`Packed::values`] are exchanged by, or 0.
    #[inline(always)]
    fn exchanged_by(&self) -> usize {
        usize::from(self.descriptor.pivot.unwrap_or(0))
    }

    /// The values before the channel exponents: exact, or an infinity by overflow.
    #[inline(always)]
    fn values(&self, s: S, base: u8) -> Tile<S, N> {
        let zero_point = self.descriptor.zero_point;
        let n = match self.descriptor.pivot {
            Some(pivot) => {
                let n = rotate::inverse(s, &self.codes, self.width, usize::from(pivot), zero_point);
                array!(N, v => s.to_float(n[v]))
            }
            None => {
                let zero_point = s.splat(f32::from(zero_point));
                array!(N, v => s.add(s.eight_times(self.codes[v]), zero_point))
            }
        };
        let unit = s.splat(wire_unit(base, self.descriptor.unit));
        array!(N, v => s.mul(n[v], unit))
    }
}
