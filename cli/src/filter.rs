//! `tahq filter`: raw f32 through the codec and back, for measuring what a model makes of the loss.

use std::io::{self, Write};
use std::num::NonZeroU32;

use tahq::Decoder;

use crate::coder::{Coder, Options, locate};
use crate::failure::Failure;
use crate::frames::decode_to;
use crate::input::Input;
use crate::output::Output;
use crate::tensor::{FloatType, Piece};

const EXAMPLES: &str = "Examples:
  tahq filter --width 576 --samples 2 < acts.f32 > lossy.f32
  tahq filter --width 576 --preset mixed --effort best < acts.f32 > lossy.f32";

/// Pass raw f32 through the codec: what comes out is what a receiver would get
///
/// Reads little-endian f32 from standard input, all of it, cuts it into --samples frames of equal rows,
/// encodes and decodes each, and writes f32 to standard output. On standard error there is one line,
/// `bits_per_element=4.6123`: bytes of whole frames times 8 over elements (0.0000 for empty input).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Channels of a row
    #[arg(long, short, value_name = "C", value_parser = crate::count::parse, allow_negative_numbers = true)]
    width: NonZeroU32,
    /// Frames of equal rows that the input is cut into
    #[arg(long, short, value_name = "B", default_value = "1", value_parser = crate::count::parse, allow_negative_numbers = true)]
    samples: NonZeroU32,
    #[command(flatten)]
    options: Options,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let (width, samples) = (args.width.get(), args.samples.get());
    let mut coder = Coder::new(args.options.encoder()?);
    let decoder = Decoder::new().with_level(args.options.level.unwrap_or_default());

    let mut input = Input::open(None)?;
    let mut values = Vec::new();
    input.read_f32(&mut values, usize::MAX)?;
    let rows = values.len() / width as usize;
    if values.len() % width as usize != 0 {
        return Err(Failure::new(format_args!(
            "{} values are no whole number of rows of {width}",
            values.len()
        )));
    }
    if !rows.is_multiple_of(samples as usize) {
        return Err(Failure::new(format_args!(
            "{rows} rows cannot be cut into {samples} frames of equal rows"
        )));
    }
    let rows = u32::try_from(rows / samples as usize)
        .map_err(|_| Failure::new("more than 2^32 rows in a frame: give more --samples"))?;

    let mut out = Output::stdout();
    let len = rows as usize * width as usize;
    for sample in 0..if len == 0 { 0 } else { samples as usize } {
        let elements = sample * len..(sample + 1) * len;
        let piece = Piece {
            elements: elements.start as u64..elements.end as u64,
            sample: sample as u64,
            row: 0,
            channel: 0,
            rows,
            width,
        };
        let frame = coder
            .encode(&values[elements], rows, width)
            .map_err(|error| locate(error, &piece, ""))?;
        decode_to(&decoder, frame, FloatType::F32, &mut out)?;
    }
    out.finish()?;
    let bits = if len == 0 {
        0.0
    } else {
        coder.stats().bits_per_element()
    };
    writeln!(io::stderr(), "bits_per_element={bits:.4}")
        .map_err(|error| Failure::io("standard error", &error))
}
