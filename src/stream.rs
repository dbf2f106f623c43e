//! A row at a time, for links that deliver pieces: UART, SPI, packets.
//!
//! [`StreamDecoder`] takes bytes as they come and gives rows as they complete, with room for one row block.
//! [`StreamEncoder`] is its counterpart: header, rows, checksum, each as soon as it can be known.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! use tahq::{Config, Encoder, Event, Exponents, SourceType, StreamDecoder};
//!
//! const CONFIG: Config = Config { exponents: Exponents::None, ..Config::INT4 };
//! const ROWS: u32 = 40;
//! const WIDTH: u32 = 96;
//! const N: usize = match CONFIG.stream_capacity(ROWS, WIDTH, SourceType::F32) {
//!     Ok(len) => len,
//!     Err(_) => panic!("no such frame"),
//! };
//!
//! // One end.
//! let mut link = Vec::new();
//! let mut piece = [0; N];
//! let (mut rows, len) = Encoder::new(CONFIG)?.stream::<f32>(ROWS, WIDTH, &mut piece)?;
//! link.extend(&piece[..len]);
//! for r in 0..ROWS {
//!     let x: [f32; WIDTH as usize] = core::array::from_fn(|c| (r as f32 + c as f32 * 0.7).sin());
//!     let len = rows.row(&x, &mut piece)?;
//!     link.extend(&piece[..len]);
//! }
//! let len = rows.finish(&mut piece)?;
//! link.extend(&piece[..len]);
//!
//! // The other, with pieces of 100 bytes.
//! let mut decoder = StreamDecoder::<N>::new();
//! let mut row = [0.0f32; WIDTH as usize];
//! let mut verdicts = 0;
//! for mut packet in link.chunks(100) {
//!     loop {
//!         match decoder.push(&mut packet, &mut row) {
//!             Ok(None) => break,
//!             Ok(Some(Event::Header(header))) => println!("{} rows", header.rows),
//!             Ok(Some(Event::Row { index })) => println!("row {index}: {}", row[0]),
//!             Ok(Some(Event::End(_))) => verdicts += 1,
//!             Err(error) => println!("{error}"),
//!         }
//!     }
//! }
//! # assert_eq!(verdicts, 1);
//! # Ok(())
//! # }
//! ```

use core::marker::PhantomData;
use core::ops::Range;

use heapless::Vec;

use crate::arch::Level;
use crate::checksum::{Checksum, Shares};
use crate::config::{Allocation, Granularity};
use crate::decode::Decoder;
use crate::element::{Element, ElementsMut, with_elements};
use crate::encode::{Encoder, Plan};
use crate::error::{DecodeError, EncodeError, StreamError, StreamFault, WholeTensor};
use crate::frame::{
    self, CHECKSUM_LEN, Encoding, ExponentMode, Frame, HEADER_LEN, Header, MAGIC, Row, RowLayout,
};
use crate::part::{copy, from, move_within, part, split, split_mut};

/// What a [`StreamDecoder`] has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// A frame has begun, which the decoder has the room and the table for.
    Header(Header),
    /// A row is in the first `width` elements of the row buffer. Provisional: its checksum is still to come. Rows
    /// come in order, dropped ones as zeros; an empty frame has none.
    Row {
        /// Which row of its frame.
        index: u32,
    },
    /// The frame is complete and its checksum is right: all its rows are what was sent.
    End(Header),
}

/// Decodes frames from a stream of bytes that comes in pieces of any size.
///
/// `N` is the number of bytes that it can hold: at least 28, and for each frame to be decoded
/// [`Header::stream_capacity`], which [`Config::stream_capacity`](crate::Config::stream_capacity) bounds beforehand.
/// Its own size is `N` bytes and at most 256 more; it allocates nothing and keeps no row of values.
///
/// Events and errors depend on the bytes alone, not on how they were cut into pieces.
///
/// # After an error
///
/// Everything of the frame so far is void. The decoder looks for the next valid header, in what it still holds and
/// then in what follows: a refused header is searched again from its second byte, refused exponents, row maps and row
/// blocks from their first byte, with the first row block what precedes it, and after a wrong checksum the last row
/// block. So a frame that starts in the middle of another, as it does where bytes were lost or the sender began anew,
/// is found unless its header went by as the content of a row that could be decoded. Where `N` has room for one more
/// row block than is needed, that row is searched again too. What is skipped is reported once, by the error that
/// started it; headers refused in the search are not reported.
///
/// # Work
///
/// A byte is copied once and decoded once, and searched again as often as frames turn out to be none. Bytes made for
/// the purpose can have the held bytes checked, but not decoded, once for every header among them: every 28 bytes.
#[derive(Clone, Debug)]
pub struct StreamDecoder<'t, const N: usize> {
    decoder: Decoder<'t>,
    /// What precedes the rows, from `prelude.start`; then, from `keep`, what may be searched again; from `at` on, the
    /// part of a frame that is being read.
    held: Vec<u8, N>,
    prelude: Range<usize>,
    keep: usize,
    at: usize,
    /// Bytes of the stream that were taken: the position of the end of `held`.
    taken: u64,
    frame: Option<Open>,
    /// Whether a fault was reported since the last frame.
    lost: bool,
}

/// A frame that has begun.
#[derive(Clone, Debug)]
struct Open {
    header: Header,
    checksum: Checksum,
    begun: bool,
    /// The row to come.
    row: u32,
    /// Bytes of the last row block.
    last: usize,
    /// Bytes of buffer that the frame needs.
    needed: usize,
    /// Bytes of the body, and how many of them are to come.
    body: u32,
    left: u32,
}

impl<const N: usize> Default for StreamDecoder<'_, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'t, const N: usize> StreamDecoder<'t, N> {
    /// A decoder at the fastest level of this machine, without an agreed table, at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        const { assert!(N >= HEADER_LEN, "a header has 28 bytes") };
        Self {
            decoder: Decoder::new(),
            held: Vec::new(),
            prelude: 0..0,
            keep: 0,
            at: 0,
            taken: 0,
            frame: None,
            lost: false,
        }
    }

    /// The same at another level. Every level gives the same bits.
    #[must_use]
    pub fn with_level(self, level: Level) -> Self {
        Self {
            decoder: self.decoder.with_level(level),
            ..self
        }
    }

    /// The same with an agreed table of channel exponents, one for each channel. Frames that do not use an agreed
    /// table ignore it.
    #[must_use]
    pub fn with_exponents(self, table: &'t [i8]) -> Self {
        Self {
            decoder: self.decoder.with_exponents(table),
            ..self
        }
    }

    /// How far the stream has been understood: bytes from its start to the end of what the last event or error was
    /// about. Bytes after it, if any, are held and not told of yet.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position_of(self.at)
    }

    /// Takes from the front of `bytes` until there is something to tell, or all are taken: `Ok(None)`. Call it until
    /// then, with the same `bytes`, which loses what was taken. Values go to `row`, which must have at least as many
    /// elements as the frame has channels; only the first so many are written, by [`Event::Row`] alone.
    ///
    /// # Errors
    ///
    /// What was refused, and where in the stream; `row` is then all zeros. The next call goes on after it: no error
    /// is final. A row buffer that is too short ends its frame as well.
    pub fn push<E: Element>(
        &mut self,
        bytes: &mut &[u8],
        row: &mut [E],
    ) -> Result<Option<Event>, StreamError> {
        let result = self.advance(bytes, E::elements_mut(row));
        if result.is_err() {
            row.fill(E::from_f32(0.0));
        }
        result
    }

    /// Says that no more bytes will come for now: the stream is over, or the line has been idle for so long that an
    /// unfinished frame will never be finished. What comes next is taken for the start of a frame.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] where a frame is unfinished; it is void. Frames that began inside may be among what
    /// the decoder holds: [`StreamDecoder::push`] gives them, with no bytes, and then this function says `Ok`.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        let available = self.held.len() - self.at;
        let position = self.position_of(self.at);
        if let Some(open) = &self.frame {
            let needed = u64::from(open.body) + (HEADER_LEN + CHECKSUM_LEN) as u64;
            let missing = (u64::from(open.left) + CHECKSUM_LEN as u64).saturating_sub(available as u64);
            let fault = DecodeError::Truncated {
                needed,
                available: usize::try_from(needed - missing).unwrap_or(usize::MAX),
            };
            return Err(self.lose(self.keep, position, StreamFault::Frame(fault)));
        }
        let unfinished = !self.lost && available > 0;
        self.held.clear();
        (self.prelude, self.keep, self.at) = (0..0, 0, 0);
        self.lost = false;
        if unfinished {
            let needed = HEADER_LEN as u64;
            let fault = StreamFault::Frame(DecodeError::Truncated { needed, available });
            return Err(StreamError { position, fault });
        }
        Ok(())
    }

    /// Where `held[index]` was in the stream; `index` is `keep` at least.
    fn position_of(&self, index: usize) -> u64 {
        self.taken.wrapping_sub((self.held.len() - index) as u64)
    }

    /// Gives up the frame, to search from `held[from]` on.
    fn lose(&mut self, from: usize, position: u64, fault: StreamFault) -> StreamError {
        // Where no row block was accepted, what precedes them is in doubt as well, and still there.
        let from = if from == self.prelude.end {
            self.prelude.start
        } else {
            from
        };
        self.close();
        (self.keep, self.at) = (from, from);
        self.lost = true;
        StreamError { position, fault }
    }

    fn close(&mut self) {
        self.frame = None;
        self.prelude = 0..0;
        self.keep = self.at;
    }

    fn take(&mut self, count: usize, bytes: &mut &[u8]) {
        let (taken, rest) = split(bytes, count);
        *bytes = rest;
        self.taken = self.taken.wrapping_add(count as u64);
        // There is room: the capacity was checked against the header.
        let fits = self.held.extend_from_slice(taken);
        debug_assert!(fits.is_ok());
    }

    /// Has the part at `at` complete, of `len` bytes, if there are enough.
    fn complete(&mut self, len: usize, bytes: &mut &[u8]) -> bool {
        let missing = len.saturating_sub(self.held.len() - self.at);
        if missing > 0 {
            self.compact();
            self.take(missing.min(bytes.len()), bytes);
        }
        self.held.len() - self.at >= len
    }

    /// Moves what is of use to the front.
    fn compact(&mut self) {
        let prelude = self.prelude.len();
        if self.keep == prelude {
            return;
        }
        move_within(&mut self.held, self.prelude.start, self.prelude.end, 0);
        let end = self.held.len();
        move_within(&mut self.held, self.keep, end, prelude);
        self.held.truncate(end - (self.keep - prelude));
        self.at -= self.keep - prelude;
        self.keep = prelude;
        self.prelude = 0..prelude;
    }

    fn advance(&mut self, bytes: &mut &[u8], row: ElementsMut<'_>) -> Result<Option<Event>, StreamError> {
        let Some(mut open) = self.frame.take() else {
            let header = self.search(bytes)?;
            return Ok(header.map(Event::Header));
        };
        // Put back unless it ends here.
        match self.read(&mut open, bytes, row) {
            Ok(Some(Event::End(header))) => {
                self.close();
                self.lost = false;
                Ok(Some(Event::End(header)))
            }
            Ok(event) => {
                self.frame = Some(open);
                Ok(event)
            }
            Err(fault) => {
                let position = self.position_of(self.at);
                Err(self.lose(self.keep, position, StreamFault::Frame(fault)))
            }
        }
    }

    /// Finds the next header and opens its frame.
    fn search(&mut self, bytes: &mut &[u8]) -> Result<Option<Header>, StreamError> {
        loop {
            if self.lost {
                self.skip(bytes);
            }
            self.keep = self.at;
            if !self.complete(MAGIC.len(), bytes) {
                return Ok(None);
            }
            let bad_magic = !from(&self.held, self.at).starts_with(&MAGIC);
            if !bad_magic && !self.complete(HEADER_LEN, bytes) {
                return Ok(None);
            }
            let position = self.position_of(self.at);
            let again = self.at + 1;
            let found = from(&self.held, self.at);
            let fault = if bad_magic {
                DecodeError::BadMagic {
                    found: *found.first_chunk().unwrap_or(&[0; 4]),
                }
            } else {
                match Header::parse(found) {
                    Ok((header, left)) => {
                        return match self.fits(&header) {
                            Ok(needed) => {
                                self.open(header, left, needed);
                                Ok(Some(header))
                            }
                            // Whoever waits for this frame learns of it, however the search began.
                            Err(fault) => Err(self.lose(again, position, fault)),
                        };
                    }
                    Err(fault) => fault,
                }
            };
            if !self.lost {
                return Err(self.lose(again, position, StreamFault::Frame(fault)));
            }
            self.at = again;
        }
    }

    /// Leaves out what cannot be the start of a frame.
    fn skip(&mut self, bytes: &mut &[u8]) {
        let first = |bytes: &[u8]| bytes.iter().position(|&byte| byte == MAGIC[0]);
        if let Some(candidate) = first(from(&self.held, self.at)) {
            self.at += candidate;
            return;
        }
        self.held.clear();
        self.at = 0;
        let skipped = first(bytes).unwrap_or(bytes.len());
        *bytes = from(bytes, skipped);
        self.taken = self.taken.wrapping_add(skipped as u64);
    }

    /// Whether a frame can be decoded at all: how many bytes of buffer it needs.
    fn fits(&self, header: &Header) -> Result<usize, StreamFault> {
        let needed = header.stream_capacity().map_err(StreamFault::Frame)?;
        if needed > N {
            return Err(StreamFault::Capacity { needed, available: N });
        }
        if header.exponents == ExponentMode::Agreed {
            frame::check_exponents(header, &[], self.decoder.exponents()).map_err(StreamFault::Frame)?;
        }
        Ok(needed)
    }

    fn open(&mut self, header: Header, left: u32, needed: usize) {
        let mut checksum = Checksum::new();
        checksum.update(part(&self.held, self.at..self.at + HEADER_LEN));
        self.at += HEADER_LEN;
        self.keep = self.at;
        self.frame = Some(Open {
            header,
            checksum,
            begun: false,
            row: 0,
            last: 0,
            needed,
            body: left,
            left,
        });
    }

    /// Reads on in the body.
    fn read(
        &mut self,
        open: &mut Open,
        bytes: &mut &[u8],
        out: ElementsMut<'_>,
    ) -> Result<Option<Event>, DecodeError> {
        let header = open.header;
        if !open.begun {
            let len = header.prelude_len();
            if !self.complete(len, bytes) {
                return Ok(None);
            }
            let prelude = self.at..self.at + len;
            let held = part(&self.held, prelude.clone());
            frame::check_exponents(&header, held, self.decoder.exponents())
                .and_then(|_| frame::check_row_map(&header, held))?;
            open.checksum.update(held);
            open.left -= len as u32;
            open.begun = true;
            self.at = prelude.end;
            self.keep = prelude.end;
            self.prelude = prelude;
        }
        if open.row < header.rows && !header.is_empty() {
            return self.read_row(open, bytes, out);
        }
        let padding = open.left as usize;
        if !self.complete(padding + CHECKSUM_LEN, bytes) {
            return Ok(None);
        }
        let (padded, checksum) = split(from(&self.held, self.at), padding);
        if let Some(at) = padded.iter().position(|&byte| byte != 0) {
            let offset = open.body - open.left + at as u32;
            return Err(DecodeError::RawPadding { offset });
        }
        open.checksum.update(padded);
        let found = u32::from_le_bytes(*checksum.first_chunk().unwrap_or(&[0; 4]));
        let computed = open.checksum.value();
        if found != computed {
            return Err(DecodeError::Checksum { found, computed });
        }
        self.at += padding + CHECKSUM_LEN;
        Ok(Some(Event::End(header)))
    }

    fn read_row(
        &mut self,
        open: &mut Open,
        bytes: &mut &[u8],
        out: ElementsMut<'_>,
    ) -> Result<Option<Event>, DecodeError> {
        let (header, index) = (open.header, open.row);
        let hi = match header.encoding {
            Encoding::RowMixed => {
                let map = part(part(&self.held, self.prelude.clone()), header.row_map());
                frame::bit(map, index as usize)
            }
            _ => true,
        };
        let layout = header.row_layout(hi);
        if layout.len > 0 {
            let spare = N - open.needed;
            self.keep = self.at - if open.last <= spare { open.last } else { 0 };
        }
        if !self.complete(layout.len, bytes) {
            return Ok(None);
        }
        let block = part(&self.held, self.at..self.at + layout.len);
        let prelude = part(&self.held, self.prelude.clone());
        self.decode_row(&header, hi, layout, index, prelude, block, out)?;
        open.checksum.update(block);
        if layout.len > 0 {
            open.last = layout.len;
        }
        open.left -= layout.len as u32;
        open.row += 1;
        self.at += layout.len;
        Ok(Some(Event::Row { index }))
    }

    #[allow(clippy::too_many_arguments)]
    fn decode_row(
        &self,
        header: &Header,
        hi: bool,
        layout: RowLayout,
        index: u32,
        prelude: &[u8],
        block: &[u8],
        out: ElementsMut<'_>,
    ) -> Result<(), DecodeError> {
        let needed = header.width as usize;
        with_elements!(ElementsMut, out, out => {
            let available = out.len();
            let Some(out) = out.get_mut(..needed) else {
                return Err(DecodeError::OutputLength { needed: u64::from(header.width), available });
            };
            if block.is_empty() {
                out.fill(Element::from_f32(0.0));
                return Ok(());
            }
            if header.encoding != Encoding::Raw {
                Row::of_block(*header, hi, layout, block).validate(index)?;
            }
            let exponents = match header.exponents {
                ExponentMode::None => None,
                ExponentMode::InFrame => Some(bytemuck::cast_slice(part(prelude, 0..needed))),
                ExponentMode::Agreed => self.decoder.exponents(),
            };
            let frame = Frame::of_row(header, hi, exponents, block);
            self.decoder
                .some_rows(&frame, 0..1, Element::elements_mut(out), false, &mut Shares::none())
        })
    }
}

/// Writes a frame row by row, as [`Encoder::stream`] begins it. The bytes are those of [`Encoder::encode`].
///
/// Holds no row and no table of its own: a few hundred bytes, whatever the frame.
#[derive(Clone, Debug)]
pub struct StreamEncoder<'a, E> {
    plan: Plan<'a>,
    /// The frame's; that of the plan has rows of one kind.
    header: Header,
    keep: Option<&'a [bool]>,
    checksum: Checksum,
    row: u32,
    /// Bytes of the body to come.
    left: u32,
    elements: PhantomData<E>,
}

impl<'a> Encoder<'a> {
    /// Begins a frame of `rows x width` elements that is written row by row. Writes what precedes the rows to the
    /// start of `out` and returns, with what encodes the rows, how many bytes that are.
    /// [`Config::stream_capacity`](crate::Config::stream_capacity) bounds them.
    ///
    /// Where rows are pruned, [`Encoder::with_mask`] decides alone which: a row that it keeps is sent even if it is
    /// below the threshold.
    ///
    /// # Errors
    ///
    /// What does not fit, and [`EncodeError::NotByRows`] where the configuration needs all rows first.
    pub fn stream<E: Element>(
        &self,
        rows: u32,
        width: u32,
        out: &mut [u8],
    ) -> Result<(StreamEncoder<'a, E>, usize), EncodeError> {
        let (mut header, table) = self.begin(rows, width, E::SOURCE)?;
        let (allocation, keep) = (self.config().allocation, self.mask());
        if !header.is_empty() {
            if header.exponents == ExponentMode::InFrame && table.is_none() {
                return Err(EncodeError::NotByRows(WholeTensor::EstimatedExponents));
            }
            if let Allocation::Mixed {
                granularity: Granularity::Row,
                ..
            } = allocation
            {
                return Err(EncodeError::NotByRows(WholeTensor::RankedRows));
            }
            if matches!(allocation, Allocation::Prune { .. }) {
                let keep = keep.ok_or(EncodeError::NotByRows(WholeTensor::DroppedRows))?;
                header.quota = keep.iter().filter(|&&keep| keep).count() as u32;
            }
        }
        let header_bytes = header.to_bytes().map_err(|_| EncodeError::FrameTooLarge)?;
        let body_len = header.body_len().map_err(|_| EncodeError::FrameTooLarge)?;
        // The longest row block and what precedes the rows must fit this target.
        header.stream_capacity().map_err(|_| EncodeError::FrameTooLarge)?;
        let len = HEADER_LEN + header.prelude_len();
        let out = room(out, len)?;
        let (start, prelude) = split_mut(out, HEADER_LEN);
        copy(start, &header_bytes);
        prelude.fill(0);
        if !header.is_empty() {
            let (exponents, map) = split_mut(prelude, header.row_map().start);
            if let (Some(table), ExponentMode::InFrame) = (table, header.exponents) {
                copy(split_mut(exponents, table.len()).0, bytemuck::cast_slice(table));
            }
            for (row, _) in keep.unwrap_or(&[]).iter().enumerate().filter(|(_, keep)| **keep) {
                frame::set_bit(map, row);
            }
        }
        let mut checksum = Checksum::new();
        checksum.update(out);
        // A row that is kept is like one of a uniform frame.
        let of_rows = Header {
            rows,
            ..header.of_row(true)
        };
        let encoder = StreamEncoder {
            plan: Plan::of_rows(*self, of_rows, if header.is_empty() { None } else { table }),
            header,
            keep,
            checksum,
            row: 0,
            left: body_len - header.prelude_len() as u32,
            elements: PhantomData,
        };
        Ok((encoder, len))
    }
}

impl<E> StreamEncoder<'_, E> {
    /// The frame's header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The row that comes next; the number of rows where all are encoded.
    #[must_use]
    pub const fn next_row(&self) -> u32 {
        self.row
    }
}

impl<E: Element> StreamEncoder<'_, E> {
    /// Encodes the next row, `width` elements, to the start of `out` and returns how many bytes that are: none for a
    /// row that is dropped, whatever it holds.
    ///
    /// # Errors
    ///
    /// What does not fit, or the first value that cannot be encoded. The row is then still to come.
    pub fn row(&mut self, x: &[E], out: &mut [u8]) -> Result<usize, EncodeError> {
        let index = self.row;
        if index >= self.header.rows {
            return Err(EncodeError::RowRange {
                start: index,
                end: index.saturating_add(1),
                rows: self.header.rows,
            });
        }
        if x.len() as u64 != u64::from(self.header.width) {
            return Err(EncodeError::InputLength {
                needed: u64::from(self.header.width),
                available: x.len(),
            });
        }
        let kept = self
            .keep
            .is_none_or(|keep| keep.get(index as usize).copied().unwrap_or(false));
        if self.header.is_empty() || !kept {
            self.row += 1;
            return Ok(0);
        }
        let len = self.header.row_layout(true).len;
        let block = room(out, len)?;
        self.plan.encode_row(index, E::elements(x), block)?;
        self.checksum.update(block);
        self.left -= len as u32;
        self.row += 1;
        Ok(len)
    }

    /// Writes what follows the last row, padding and checksum, to the start of `out` and returns how many bytes that
    /// are: 8 at the most.
    ///
    /// # Errors
    ///
    /// [`EncodeError::RowsMissing`], and [`EncodeError::OutputLength`].
    pub fn finish(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        if self.row < self.header.rows && !self.header.is_empty() {
            return Err(EncodeError::RowsMissing {
                encoded: self.row,
                rows: self.header.rows,
            });
        }
        let padding = self.left as usize;
        let out = room(out, padding + CHECKSUM_LEN)?;
        let (padded, checksum) = split_mut(out, padding);
        padded.fill(0);
        let mut sum = self.checksum.clone();
        sum.update(padded);
        copy(checksum, &sum.value().to_le_bytes());
        Ok(out.len())
    }
}

/// The first `needed` bytes of `out`.
fn room(out: &mut [u8], needed: usize) -> Result<&mut [u8], EncodeError> {
    let available = out.len();
    out.get_mut(..needed)
        .ok_or(EncodeError::OutputLength { needed, available })
}
