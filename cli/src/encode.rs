//! `tahq encode`: a tensor file to a container, or raw f32 to frames.

use std::io::{self, Seek, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use safetensors::Dtype;

use crate::coder::{Coder, Options, locate};
use crate::container;
use crate::failure::Failure;
use crate::input::Whole;
use crate::measure::{show_db, stats_db};
use crate::output::{Output, distinct};
use crate::progress::Progress;
use crate::raw;
use crate::safetensors_file;
use crate::tensor::{FloatType, Layout, with_values};
use crate::tensor_file::{Tensor, TensorFile};

const EXAMPLES: &str = "Examples:
  tahq encode acts.safetensors acts.tahq
  tahq encode grads.npy grads.tahq --preset gradient --stats
  tahq encode --raw --width 576 < acts.f32 > acts.frames";

/// Encode a tensor file (safetensors or .npy), or raw f32
///
/// OUT is a container: a safetensors file in which every tensor of floats has become its frames, under the
/// same name, with dtype, shape and metadata kept for `tahq decode`; other tensors stay as they are. The last
/// dimension is the width, the one before it the rows; each matrix of rows is one frame (a sample), cut
/// where it has more than 2^25 elements. f64 goes by way of f32.
///
/// With --raw: little-endian f32, rows of --width values, from standard input (or IN) to frames, one after
/// another and nothing else, on standard output (or OUT).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Tensor file; `-` is standard input, with --raw the default, else kept in a temporary file
    #[arg(value_name = "IN", required_unless_present = "raw")]
    pub(crate) input: Option<PathBuf>,
    /// Where the result goes; `-` is standard output, and with --raw the default
    #[arg(value_name = "OUT", required_unless_present = "raw")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: Options,
    /// Raw little-endian f32 in, frames out
    #[arg(long, requires = "width")]
    pub(crate) raw: bool,
    /// Channels of a row of raw input
    #[arg(long, short, value_name = "C", requires = "raw", value_parser = crate::count::parse, allow_negative_numbers = true)]
    pub(crate) width: Option<NonZeroU32>,
    /// The most rows of one frame [default: a whole sample; with --raw 256]
    #[arg(long, value_name = "N", value_parser = crate::count::parse, allow_negative_numbers = true)]
    pub(crate) rows: Option<NonZeroU32>,
    /// With --raw: agreed table of channel exponents, one signed byte a channel, for frames too short to bring their
    /// own
    #[arg(long, value_name = "FILE", requires = "raw")]
    pub(crate) exponents: Option<PathBuf>,
    /// Keep frames with NaN or infinities as they are instead of refusing them
    #[arg(long)]
    pub(crate) raw_non_finite: bool,
    /// Measure the error too, which takes a decoding
    #[arg(long, short)]
    pub(crate) stats: bool,
    /// No summary
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// How to get around a value that cannot be coded.
pub(crate) const RAW_HINT: &str = "; --raw-non-finite keeps such frames as they are";

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match (args.width, &args.input, &args.output) {
        (Some(width), input, output) if args.raw => {
            raw::encode(args, width, input.as_deref(), output.as_deref())
        }
        (_, Some(input), Some(output)) => encode_file(args, input, output),
        _ => Err(Failure::usage("IN and OUT are needed; see --help")),
    }
}

fn encode_file(args: &Args, input: &Path, output: &Path) -> Result<(), Failure> {
    distinct(input, output)?;
    let mut file = TensorFile::of(Whole::open(input)?)?;
    let name = file.name().to_owned();
    let in_file = |failure: Failure| failure.context(&name);
    let metadata = container::metadata(&file, args.options.preset, args.options.effort).map_err(in_file)?;
    let tensors = file.tensors.clone();
    if file.tensors.iter().all(|tensor| tensor.float().is_none()) {
        return Err(in_file(Failure::new("no tensor of floats in this file")));
    }
    let mut coder = Coder::new(args.options.encoder()?)
        .measuring(args.stats)
        .raw_non_finite(args.raw_non_finite)?;

    let mut out = Output::open(output)?;
    // The header comes first and holds the sizes, which are known last.
    let mut spool = io::BufWriter::new(out.spool()?);
    let progress = Progress::bytes(tensors.iter().map(|tensor| tensor.len).sum());
    let mut sizes = Vec::with_capacity(tensors.len());
    let mut source_bytes = 0;
    for tensor in &tensors {
        progress.message(&tensor.name);
        match tensor.float() {
            Some(float) => {
                let before = coder.stats().bytes;
                encode_tensor(args, &mut file, tensor, float, &mut coder, &mut spool, &progress)
                    .map_err(|failure| in_file(failure.context(format_args!("tensor {}", tensor.name))))?;
                sizes.push((coder.stats().bytes - before) as u64);
                source_bytes += tensor.len;
            }
            None => sizes.push(tensor.len),
        }
    }

    let entries = tensors
        .iter()
        .zip(&sizes)
        .map(|(tensor, &len)| match tensor.float() {
            Some(_) => (tensor.name.as_str(), Dtype::U8, vec![len as usize], len),
            None => (tensor.name.as_str(), tensor.dtype, tensor.shape.clone(), len),
        });
    safetensors_file::write_header(&mut out, &metadata, entries)?;
    let mut spool = spool
        .into_inner()
        .map_err(|error| Failure::io("temporary file", error.error()))?;
    spool
        .rewind()
        .map_err(|error| Failure::io("temporary file", &error))?;
    for (tensor, &len) in tensors.iter().zip(&sizes) {
        let copied = match tensor.float() {
            Some(_) => io::copy(&mut io::Read::take(&spool, len), &mut out)?,
            None => {
                progress.add(len);
                io::copy(&mut file.bytes(tensor, 0..len)?, &mut out)?
            }
        };
        if copied != len {
            return Err(in_file(Failure::new("became shorter while being read")));
        }
    }
    out.finish()?;
    drop(progress);
    if !args.quiet {
        summary(&coder, source_bytes, args.stats);
    }
    Ok(())
}

fn encode_tensor(
    args: &Args,
    file: &mut TensorFile,
    tensor: &Tensor,
    float: FloatType,
    coder: &mut Coder<'_>,
    out: &mut impl Write,
    progress: &Progress,
) -> Result<(), Failure> {
    for piece in Layout::of(&tensor.shape).pieces(args.rows.map(NonZeroU32::get)) {
        let values = file.values(tensor, float, piece.elements.clone())?;
        let frame = with_values!(&values, x => coder.encode(x, piece.rows, piece.width))
            .map_err(|error| locate(error, &piece, RAW_HINT))?;
        out.write_all(frame)
            .map_err(|error| Failure::io("temporary file", &error))?;
        progress.add((piece.elements.end - piece.elements.start) * float.size() as u64);
    }
    Ok(())
}

/// Says on standard error what came of it.
pub(crate) fn summary(coder: &Coder<'_>, source_bytes: u64, measured: bool) {
    let stats = coder.stats();
    let mut line = format!("{} elements in {} frames", stats.elements, coder.frames());
    if stats.elements > 0 {
        line += &format!(
            ": {:.4} bits an element, {:.2} times smaller",
            stats.bits_per_element(),
            source_bytes as f64 / stats.bytes as f64
        );
        if measured {
            line += &format!(", SNR {} dB", show_db(stats_db(stats)));
        }
    }
    if coder.raw_frames() > 0 {
        line += &format!(
            "; {} frames kept raw for their NaN or infinities",
            coder.raw_frames()
        );
    }
    // Nothing depends on it: the result is complete.
    let _ = writeln!(io::stderr(), "{line}");
}
