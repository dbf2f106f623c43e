//! `tahq decode`: a container or a stream of frames to a tensor file, or frames to raw f32.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use tahq::{Decoder, Level};

use crate::container::{Container, Original};
use crate::failure::{Failure, named};
use crate::frames::{FrameReader, decode_to};
use crate::input::{Whole, fill, read_exponents};
use crate::npy;
use crate::output::{Output, distinct};
use crate::progress::Progress;
use crate::raw;
use crate::safetensors_file;
use crate::tensor::{self, FloatType};
use crate::tensor_file::{Format, NPY_NAME, Tensor, TensorFile};

const EXAMPLES: &str = "Examples:
  tahq decode acts.tahq acts.safetensors
  tahq decode acts.tahq act15.npy --tensor act.15 --dtype f32
  tahq decode acts.frames acts.npy
  tahq decode --raw < acts.frames > acts.f32";

/// Decode to a tensor file (safetensors or .npy), or to raw f32
///
/// IN is a container of `tahq encode`, or a stream of frames of one width. OUT's extension, .safetensors or
/// .npy, says what it becomes; standard output and devices get the format of the source. dtype, shape and
/// metadata are those of the source. A .npy file holds one tensor, and bf16 as f32, since numpy has none.
///
/// With --raw: frames, one after another and nothing else, from standard input (or IN) to little-endian f32
/// on standard output (or OUT). On standard output every frame is written as soon as it has been checked, and
/// nothing of a bad frame is; a file OUT is there when all frames are good, and else as it was.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Container or stream of frames; `-` is standard input, with --raw the default, else kept in a temporary file
    #[arg(value_name = "IN", required_unless_present = "raw")]
    input: Option<PathBuf>,
    /// Where the result goes; `-` is standard output, and with --raw the default
    #[arg(value_name = "OUT", required_unless_present = "raw")]
    output: Option<PathBuf>,
    /// Frames in, raw little-endian f32 out
    #[arg(long, conflicts_with_all = ["dtype", "tensor"])]
    raw: bool,
    /// Element type of the result [default: that of the source]
    #[arg(long, value_enum)]
    dtype: Option<FloatType>,
    /// Decode this tensor alone
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,
    /// Agreed table of channel exponents, one signed byte a channel, for frames that use one
    #[arg(long, value_name = "FILE")]
    exponents: Option<PathBuf>,
    /// Instruction-set level to run at, the fastest unless told; the result is the same
    #[arg(long, value_name = "NAME", value_parser = crate::level::parse)]
    level: Option<Level>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let table = args.exponents.as_deref().map(read_exponents).transpose()?;
    let mut decoder = Decoder::new().with_level(args.level.unwrap_or_default());
    if let Some(table) = &table {
        decoder = decoder.with_exponents(table);
    }
    let (input, output) = match (&args.input, &args.output) {
        (input, output) if args.raw => return raw::decode(&decoder, input.as_deref(), output.as_deref()),
        (Some(input), Some(output)) => (input, output),
        _ => return Err(Failure::usage("IN and OUT are needed; see --help")),
    };
    distinct(input, output)?;
    let mut whole = Whole::open(input)?;
    let mut start = [0; 4];
    let read = fill(&mut whole.from, &mut start).and_then(|read| whole.from.rewind().map(|()| read));
    let read = read.map_err(|error| Failure::io(&whole.name, &error))?;
    if start[..read] == *b"TAHQ" {
        return decode_stream(args, &decoder, whole, output);
    }
    decode_container(args, &decoder, whole, output)
}

/// One tensor of the result.
struct Target<'a> {
    name: &'a str,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Elements, for floats.
    elements: u64,
    len: u64,
}

/// The format that OUT asks for.
fn format(output: &Path, source: Format) -> Result<Format, Failure> {
    match output.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => Ok(Format::Npy),
        Some("safetensors") => Ok(Format::Safetensors),
        _ if output == Path::new("-") || output.metadata().is_ok_and(|metadata| !metadata.is_file()) => {
            Ok(source)
        }
        _ => Err(Failure::usage(format_args!(
            "{}: name the output .safetensors or .npy",
            output.display()
        ))),
    }
}

/// The element type of the result.
fn target(args: &Args, source: FloatType, format: Format) -> Result<FloatType, Failure> {
    match args.dtype {
        Some(FloatType::Bf16) if format == Format::Npy => Err(Failure::usage(
            "a .npy file cannot hold bf16; take f32, or write .safetensors",
        )),
        Some(dtype) => Ok(dtype),
        None if source == FloatType::Bf16 && format == Format::Npy => Ok(FloatType::F32),
        None => Ok(source),
    }
}

fn describe(
    args: &Args,
    tensor: &Tensor,
    original: Option<&Original>,
    format: Format,
) -> Result<(Dtype, u64), Failure> {
    match original {
        Some(original) => {
            let float = target(args, original.dtype, format)?;
            // The product was checked when the container was opened.
            let elements = tensor::elements(&original.shape).unwrap_or(0);
            Ok((safetensors_file::dtype(float), elements * float.size() as u64))
        }
        None => Ok((tensor.dtype, tensor.len)),
    }
}

fn write_header(
    out: &mut Output,
    format: Format,
    metadata: &BTreeMap<String, String>,
    tensors: &[Target<'_>],
) -> Result<(), Failure> {
    match (format, tensors) {
        (Format::Safetensors, _) => {
            let entries = tensors.iter().map(|t| (t.name, t.dtype, t.shape.clone(), t.len));
            safetensors_file::write_header(out, metadata, entries)
        }
        (Format::Npy, [one]) => match safetensors_file::float(one.dtype) {
            Some(float) => npy::write_header(out, float, &one.shape),
            None => Err(Failure::new(format_args!(
                "tensor {}: elements of type {:?} are written to .safetensors only",
                one.name, one.dtype
            ))),
        },
        (Format::Npy, _) => Err(Failure::usage(format_args!(
            "{} tensors do not fit into one .npy file: choose one with --tensor",
            tensors.len()
        ))),
    }
}

fn decode_container(args: &Args, decoder: &Decoder<'_>, input: Whole, output: &Path) -> Result<(), Failure> {
    let mut container = Container::open(input)?;
    let format = format(output, container.format)?;
    let name = container.file.name().to_owned();
    if let Some(wanted) = &args.tensor {
        container.entries.retain(|(tensor, _)| tensor.name == *wanted);
        if container.entries.is_empty() {
            return Err(Failure::usage(format_args!("{name}: no tensor {wanted}")));
        }
    }
    let entries = std::mem::take(&mut container.entries);
    let results = entries
        .iter()
        .map(|(tensor, original)| {
            let (dtype, len) = describe(args, tensor, original.as_ref(), format)?;
            let shape = original
                .as_ref()
                .map_or(&tensor.shape, |original| &original.shape);
            Ok(Target {
                name: &tensor.name,
                dtype,
                elements: tensor::elements(shape).unwrap_or(0),
                shape: shape.clone(),
                len,
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;

    let mut out = Output::open(output)?;
    write_header(&mut out, format, &container.metadata, &results)?;
    let progress = Progress::bytes(entries.iter().map(|(tensor, _)| tensor.len).sum());
    for ((tensor, original), result) in entries.iter().zip(&results) {
        progress.message(&tensor.name);
        match (original, safetensors_file::float(result.dtype)) {
            (Some(_), Some(float)) => decode_tensor(
                decoder,
                &mut container.file,
                tensor,
                result.elements,
                float,
                &mut out,
                &progress,
            )
            .map_err(|failure| failure.context(format_args!("{name}: tensor {}", tensor.name)))?,
            _ => {
                let copied = io::copy(&mut container.file.bytes(tensor, 0..tensor.len)?, &mut out)?;
                if copied != tensor.len {
                    return Err(Failure::new(format_args!(
                        "{name}: became shorter while being read"
                    )));
                }
                progress.add(copied);
            }
        }
    }
    drop(progress);
    out.finish()
}

/// Decodes the frames of one tensor, which must have exactly its elements.
fn decode_tensor(
    decoder: &Decoder<'_>,
    file: &mut TensorFile,
    tensor: &Tensor,
    elements: u64,
    float: FloatType,
    out: &mut Output,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut frames = FrameReader::new(file.bytes(tensor, 0..tensor.len)?, 0);
    let mut left = elements;
    while let Some(piece) = frames.next()? {
        let bytes = piece.whole()?;
        let place = piece.place;
        let count = piece.header.map_or(0, |(header, _)| header.elements());
        left = left.checked_sub(count).ok_or_else(|| {
            Failure::new(format_args!(
                "{place}: more elements than the tensor's {elements}"
            ))
        })?;
        decode_to(decoder, bytes, float, out).map_err(|failure| failure.context(place))?;
        progress.add(bytes.len() as u64);
    }
    match left {
        0 => Ok(()),
        left => Err(Failure::new(format_args!(
            "the frames hold {} of {elements} elements",
            elements - left
        ))),
    }
}

/// What the headers of a stream add up to.
#[derive(Default)]
struct Stream {
    frames: u64,
    /// Rows of every frame; `None` where they differ.
    rows: Option<u32>,
    width: u32,
    all_rows: u64,
    float: Option<FloatType>,
}

impl Stream {
    fn survey(from: impl Read) -> Result<Self, Failure> {
        let mut stream = Self::default();
        let mut frames = FrameReader::new(from, 0);
        while let Some(piece) = frames.next()? {
            let place = piece.place;
            piece.whole()?;
            let Ok((header, _)) = piece.header else { continue };
            let float = FloatType::of(header.source);
            if stream.frames == 0 {
                (stream.rows, stream.width) = (Some(header.rows), header.width);
                stream.float = Some(float);
            }
            if header.width != stream.width {
                return Err(Failure::new(format_args!(
                    "{place}: width {} after {}: frames of one width make a tensor",
                    header.width, stream.width
                )));
            }
            if stream.rows != Some(header.rows) {
                stream.rows = None;
            }
            if stream.float != Some(float) {
                stream.float = Some(FloatType::F32);
            }
            stream.frames += 1;
            stream.all_rows += u64::from(header.rows);
        }
        Ok(stream)
    }

    /// Frames of equal rows are samples; others make one matrix.
    fn shape(&self) -> Result<Vec<usize>, Failure> {
        let dimensions = match self.rows {
            Some(rows) if self.frames > 1 => vec![self.frames, u64::from(rows), u64::from(self.width)],
            _ => vec![self.all_rows, u64::from(self.width)],
        };
        dimensions
            .into_iter()
            .map(usize::try_from)
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .filter(|shape| tensor::elements(shape).and_then(|n| n.checked_mul(8)).is_some())
            .ok_or_else(|| Failure::new("the frames claim more elements than can be counted"))
    }
}

fn decode_stream(args: &Args, decoder: &Decoder<'_>, whole: Whole, output: &Path) -> Result<(), Failure> {
    let Whole {
        name,
        from: mut file,
        len,
    } = whole;
    let stream = Stream::survey(&file).map_err(|failure| failure.context(&name))?;
    if args.tensor.as_deref().is_some_and(|wanted| wanted != NPY_NAME) {
        return Err(Failure::usage(format_args!(
            "{name}: a stream of frames has no tensor names"
        )));
    }
    let format = format(output, Format::Safetensors)?;
    let float = target(args, stream.float.unwrap_or(FloatType::F32), format)?;
    let shape = stream.shape().map_err(|failure| failure.context(&name))?;
    let elements = tensor::elements(&shape).unwrap_or(0);

    let mut out = Output::open(output)?;
    let result = Target {
        name: NPY_NAME,
        dtype: safetensors_file::dtype(float),
        shape,
        elements,
        len: elements * float.size() as u64,
    };
    write_header(&mut out, format, &BTreeMap::new(), &[result])?;
    file.rewind().map_err(|error| Failure::io(&name, &error))?;
    let progress = Progress::bytes(len);
    let mut frames = FrameReader::new(io::BufReader::new(file), 0);
    let mut left = elements;
    while let Some(piece) = frames.next().map_err(|error| named(&name, &error))? {
        let place = format!("{name}: {}", piece.place);
        let bytes = piece.whole().map_err(|failure| failure.context(&name))?;
        let count = piece.header.map_or(0, |(header, _)| header.elements());
        left = left
            .checked_sub(count)
            .ok_or_else(|| Failure::new(format_args!("{name}: changed while being read")))?;
        decode_to(decoder, bytes, float, &mut out).map_err(|failure| failure.context(place))?;
        progress.add(bytes.len() as u64);
    }
    drop(progress);
    if left > 0 {
        return Err(Failure::new(format_args!("{name}: changed while being read")));
    }
    out.finish()
}
