//! Frames one after another: reading them from a stream, and decoding one into little-endian bytes
//! without trusting its sizes.

use std::fmt;
use std::io::{self, Read, Write};

use half::{bf16, f16};
use tahq::{DecodeError, Decoder, Element, Encoding, Frame, HEADER_LEN, Header};

use crate::failure::Failure;
use crate::input::fill;
use crate::tensor::{FloatType, write_le};

/// Elements that are decoded at a time.
const CHUNK: u64 = 1 << 20;

/// Reads frames one after another.
pub(crate) struct FrameReader<R> {
    from: R,
    index: u64,
    offset: u64,
    buffer: Vec<u8>,
}

/// Where a frame is in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The frame's number, from 0.
    pub(crate) index: u64,
    /// Its first byte.
    pub(crate) offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {} at byte {}", self.index, self.offset)
    }
}

/// The next frame of a stream, or as much of it as there is.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) place: Place,
    /// What was read: the whole frame, unless the stream ends before, or just its header if that is bad.
    pub(crate) bytes: &'a [u8],
    /// The header, and the length that the frame should have.
    pub(crate) header: Result<(Header, u64), DecodeError>,
}

impl<'a> Piece<'a> {
    /// Whether the stream ended within it.
    pub(crate) const fn is_cut(&self) -> bool {
        match self.header {
            Ok((_, len)) => (self.bytes.len() as u64) < len,
            Err(_) => self.bytes.len() < HEADER_LEN,
        }
    }

    /// The whole frame's bytes.
    pub(crate) fn whole(&self) -> Result<&'a [u8], Failure> {
        if self.is_cut() {
            return Err(Failure::new(format_args!("{}: {}", self.place, self.cut())));
        }
        match self.header {
            Ok(_) => Ok(self.bytes),
            Err(error) => Err(Failure::new(format_args!("{}: {error}", self.place))),
        }
    }

    /// Says how a cut frame is cut.
    pub(crate) fn cut(&self) -> String {
        let needed = match self.header {
            Ok((_, len)) => len,
            Err(_) => HEADER_LEN as u64,
        };
        let available = self.bytes.len();
        let what = if available < HEADER_LEN { "header " } else { "" };
        format!(
            "cut short, {available} of {needed} {what}bytes; the input ends at byte {}",
            self.place.offset + available as u64
        )
    }
}

impl<R: Read> FrameReader<R> {
    /// A reader of what `from` gives, whose first byte is called byte `offset`.
    pub(crate) const fn new(from: R, offset: u64) -> Self {
        Self {
            from,
            index: 0,
            offset,
            buffer: Vec::new(),
        }
    }

    /// The next frame; `None` at the end of the stream. After a bad header the stream goes on behind it, and
    /// so most likely nowhere, unless [`FrameReader::skip`] is told what else belongs to the frame.
    pub(crate) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        let place = Place {
            index: self.index,
            offset: self.offset,
        };
        self.buffer.resize(HEADER_LEN, 0);
        let read = fill(&mut self.from, &mut self.buffer)?;
        self.buffer.truncate(read);
        if read == 0 {
            return Ok(None);
        }
        let header =
            Header::parse(&self.buffer).and_then(|(header, _)| Ok((header, header.frame_len()? as u64)));
        if let Ok((_, len)) = header {
            // Grows with what arrives: a header that lies costs nothing.
            let body = len - HEADER_LEN as u64;
            self.from.by_ref().take(body).read_to_end(&mut self.buffer)?;
        }
        self.index += 1;
        self.offset += self.buffer.len() as u64;
        Ok(Some(Piece {
            place,
            bytes: &self.buffer,
            header,
        }))
    }

    /// Passes over bytes; returns how many there were.
    pub(crate) fn skip(&mut self, len: u64) -> io::Result<u64> {
        let skipped = io::copy(&mut self.from.by_ref().take(len), &mut io::sink())?;
        self.offset += skipped;
        Ok(skipped)
    }
}

/// Decodes one whole frame and writes its elements, in chunks of rows. Nothing is written unless all of the
/// frame is valid.
pub(crate) fn decode_to(
    decoder: &Decoder<'_>,
    bytes: &[u8],
    float: FloatType,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let frame = decoder.parse(bytes)?;
    frame.validate()?;
    match float {
        FloatType::F64 => decode_chunks::<f32, _>(decoder, &frame, out, |out, chunk| {
            let wide: Vec<u8> = chunk.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
            out.write_all(&wide)
        }),
        FloatType::F32 => decode_chunks::<f32, _>(decoder, &frame, out, write_le),
        FloatType::F16 => decode_chunks::<f16, _>(decoder, &frame, out, write_le),
        FloatType::Bf16 => decode_chunks::<bf16, _>(decoder, &frame, out, write_le),
    }
}

fn decode_chunks<E: Element, W: Write>(
    decoder: &Decoder<'_>,
    frame: &Frame<'_>,
    out: &mut W,
    write: impl Fn(&mut W, &[E]) -> io::Result<()>,
) -> Result<(), Failure> {
    let header = *frame.header();
    if header.is_empty() {
        return Ok(());
    }
    let width = u64::from(header.width);
    let step = (CHUNK / width).clamp(1, u64::from(header.rows)) as u32;
    let mut chunk: Vec<E> = Vec::new();
    let mut start = 0;
    while start < header.rows {
        let end = header.rows.min(start.saturating_add(step));
        // Rows that take no bytes may claim any width; they never need to be in memory.
        if step == 1 && is_pruned(frame, start) {
            write_zeros(width, &mut chunk, |zeros| write(out, zeros))?;
        } else {
            let len = u64::from(end - start) * width;
            resize(&mut chunk, len)?;
            decoder.decode_rows(frame, start..end, &mut chunk)?;
            write(out, &chunk).map_err(Failure::output)?;
        }
        start = end;
    }
    Ok(())
}

/// Whether a row of a valid frame has no block: it is all zeros.
pub(crate) fn is_pruned(frame: &Frame<'_>, row: u32) -> bool {
    let header = frame.header();
    header.encoding == Encoding::RowMixed && header.lo == 0 && !frame.row_is_hi(row)
}

fn resize<E: Element>(chunk: &mut Vec<E>, len: u64) -> Result<(), Failure> {
    let memory = || Failure::new(format_args!("a row of {len} elements does not fit into memory"));
    let len = usize::try_from(len).map_err(|_| memory())?;
    chunk.truncate(len);
    chunk.try_reserve_exact(len - chunk.len()).map_err(|_| memory())?;
    chunk.resize(len, E::from_f32(0.0));
    Ok(())
}

fn write_zeros<E: Element>(
    mut count: u64,
    chunk: &mut Vec<E>,
    mut write: impl FnMut(&[E]) -> io::Result<()>,
) -> Result<(), Failure> {
    chunk.clear();
    resize(chunk, count.min(CHUNK))?;
    while count > 0 {
        let len = count.min(CHUNK);
        write(&chunk[..len as usize]).map_err(Failure::output)?;
        count -= len;
    }
    Ok(())
}
