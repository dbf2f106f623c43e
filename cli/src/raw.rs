//! Raw little-endian f32 to a stream of frames, and back.

use std::io::Write;
use std::num::NonZeroU32;
use std::path::Path;

use tahq::Exponents;

use crate::coder::{Coder, locate};
use crate::encode::{self, RAW_HINT};
use crate::failure::Failure;
use crate::frames::{FrameReader, decode_to};
use crate::input::{Input, read_exponents};
use crate::output::{Output, distinct};
use crate::tensor::{FloatType, MAX_PIECE, Piece};

/// Rows of a frame unless told. The channel exponents of a frame cost 8 bits a channel, here 0.03 bits an
/// element.
const ROWS: u32 = 256;

/// Runs `tahq encode --raw`.
pub(crate) fn encode(
    args: &encode::Args,
    width: NonZeroU32,
    input: Option<&Path>,
    output: Option<&Path>,
) -> Result<(), Failure> {
    if let (Some(input), Some(output)) = (input, output) {
        distinct(input, output)?;
    }
    let width = width.get();
    let rows = args.rows.map_or(ROWS, NonZeroU32::get);
    let elements = u64::from(rows) * u64::from(width);
    // A row is never cut, so the widest may exceed the limit.
    let rows = if elements > MAX_PIECE {
        (MAX_PIECE / u64::from(width)).max(1) as u32
    } else {
        rows
    };
    let limit = usize::try_from(u64::from(rows) * u64::from(width))
        .map_err(|_| Failure::usage(format_args!("rows of {width} do not fit into memory")))?;

    let table = args.exponents.as_deref().map(read_exponents).transpose()?;
    let mut encoder = args.options.encoder()?;
    if let Some(table) = &table {
        if encoder.config().exponents == Exponents::None {
            return Err(Failure::usage(format_args!(
                "--exponents: the preset {} has none",
                args.options.preset
            )));
        }
        encoder = encoder.with_exponents(table);
    }
    let mut coder = Coder::new(encoder)
        .measuring(args.stats)
        .raw_non_finite(args.raw_non_finite)?;

    let mut input = Input::open(input)?;
    let mut out = Output::open(output.unwrap_or(Path::new("-")))?;
    let mut values = Vec::new();
    let mut row = 0;
    loop {
        values.clear();
        input.read_f32(&mut values, limit)?;
        if values.len() % width as usize != 0 {
            return Err(Failure::new(format_args!(
                "{}: row {} holds {} of {width} values",
                input.name(),
                row + (values.len() / width as usize) as u64,
                values.len() % width as usize
            )));
        }
        if values.is_empty() {
            break;
        }
        let piece = Piece {
            elements: row * u64::from(width)..row * u64::from(width) + values.len() as u64,
            sample: coder.frames(),
            row: 0,
            channel: 0,
            rows: (values.len() / width as usize) as u32,
            width,
        };
        let frame = coder.encode(&values, piece.rows, width).map_err(|error| {
            locate(
                error,
                &Piece {
                    row,
                    sample: 0,
                    ..piece.clone()
                },
                RAW_HINT,
            )
            .context(input.name())
        })?;
        out.write_all(frame)?;
        row += u64::from(piece.rows);
        if values.len() < limit {
            break;
        }
    }
    out.finish()?;
    if !args.quiet {
        encode::summary(&coder, coder.stats().elements * 4, args.stats);
    }
    Ok(())
}

/// Runs `tahq decode --raw`.
pub(crate) fn decode(
    decoder: &tahq::Decoder<'_>,
    input: Option<&Path>,
    output: Option<&Path>,
) -> Result<(), Failure> {
    if let (Some(input), Some(output)) = (input, output) {
        distinct(input, output)?;
    }
    let input = Input::open(input)?;
    let name = input.name().to_owned();
    let mut out = Output::open(output.unwrap_or(Path::new("-")))?;
    let mut frames = FrameReader::new(input, 0);
    while let Some(piece) = frames.next()? {
        let bytes = piece.whole().map_err(|failure| failure.context(&name));
        let decoded = bytes.and_then(|bytes| {
            let place = format!("{name}: {}", piece.place);
            decode_to(decoder, bytes, FloatType::F32, &mut out).map_err(|failure| failure.context(place))
        });
        if let Err(failure) = decoded {
            // The frames before it are good, and in a pipe they are gone already.
            out.flush()?;
            return Err(failure);
        }
        // Whoever waits for this frame gets it now, not when the next one has come.
        out.flush()?;
    }
    out.finish()
}
