//! `tahq inspect`: what is in a file of frames, also in a broken one.

mod canvas;
mod grid;
mod heatmap;
mod survey;
mod text;
mod wire;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tahq::{DecodeError, frame_len};

use crate::container::{self, Original};
use crate::failure::{Failure, named};
use crate::frames::FrameReader;
use crate::input::{Input, fill, open_file, spool};
use crate::npy;
use crate::output::{Output, distinct};
use crate::progress::Progress;
use crate::safetensors_file;
use crate::tensor::{self, FloatType};
use survey::{Fault, Survey};

/// Frames that get a line of their own.
const FRAME_LINES: u64 = 40;

const EXAMPLES: &str = "Examples:
  tahq inspect acts.tahq
  tahq inspect acts.tahq --frame 3 --png frame3.png
  tahq inspect acts.frames --json
  some-sender | tahq inspect -

In the picture, rows run down and tiles across. Left: the typical error of an element in each tile,
log2, as its quantisation step (and its rotation) makes it. Right: rotated tiles, and code widths where
there are two.";

/// Show what is in a container or a stream of frames, also a truncated or broken one
///
/// Prints every frame's header and size, the shares of code widths and rotated tiles, and for one frame a map
/// of its rotated tiles. What is broken is shown as far as it can be read, with the byte, frame, row and tile
/// where it breaks, and the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Container or stream of frames; `-` is standard input, of which a container is kept in a temporary file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The frame that is shown in detail, counted from 0 [default: the first broken one, else the first]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    frame: Option<u64>,
    /// Draw that frame's tiles as a heat map; `-` is standard output, without the report
    #[arg(long, value_name = "OUT")]
    png: Option<PathBuf>,
    /// List every frame, and not only the first 40
    #[arg(long)]
    all: bool,
    /// Write JSON, with every frame
    #[arg(long)]
    json: bool,
}

/// All that was seen, as it is written with `--json`.
#[derive(Default, Serialize)]
struct Report {
    file: String,
    kind: &'static str,
    preset: Option<String>,
    bytes: u64,
    frames: u64,
    elements: u64,
    frame_bytes: u64,
    bits_per_element: Option<f64>,
    /// Tiles by their code width, 0 to 8 bits.
    tiles_by_width: [u64; 9],
    rotated_tiles: u64,
    rotated_share: Option<f64>,
    metadata: BTreeMap<String, String>,
    tensors: Vec<TensorReport>,
    /// Of a stream, which has no tensors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stream: Vec<FrameReport>,
    fault_count: u64,
    faults: Vec<Fault>,
}

#[derive(Serialize)]
struct TensorReport {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    encoded: bool,
    bytes: u64,
    elements: u64,
    bits_per_element: Option<f64>,
    frames: Vec<FrameReport>,
}

#[derive(Serialize)]
struct FrameReport {
    number: u64,
    offset: u64,
    bytes: u64,
    header: Option<HeaderReport>,
    rows_present: u32,
    rows_pruned: u32,
    tiles_by_width: [u64; 9],
    rotated_tiles: u64,
    bases: Option<(u8, u8)>,
    channel_exponents: Option<(i8, i8)>,
    fault_count: u64,
}

#[derive(Serialize)]
struct HeaderReport {
    encoding: &'static str,
    tile: usize,
    hi: u8,
    lo: u8,
    source: &'static str,
    exponents: &'static str,
    table_check: u16,
    rows: u32,
    width: u32,
    quota: u32,
    bytes: Option<usize>,
}

impl FrameReport {
    fn of(survey: &Survey) -> Self {
        Self {
            number: survey.number,
            offset: survey.offset,
            bytes: survey.bytes,
            header: survey.header.map(|header| HeaderReport {
                encoding: text::encoding(header.encoding),
                tile: header.tile_len(),
                hi: header.hi,
                lo: header.lo,
                source: FloatType::of(header.source).name(),
                exponents: text::exponents(header.exponents),
                table_check: header.table_check,
                rows: header.rows,
                width: header.width,
                quota: header.quota,
                bytes: header.frame_len().ok(),
            }),
            rows_present: survey.rows_present,
            rows_pruned: survey.rows_pruned,
            tiles_by_width: survey.widths,
            rotated_tiles: survey.rotated,
            bases: survey.bases,
            channel_exponents: survey.exponents,
            fault_count: survey.faults.len() as u64 + survey.more_faults,
        }
    }
}

/// What is inspected.
enum Given {
    /// Standard input.
    Input(Input),
    /// A file, and how long it is.
    File(File, u64),
}

impl Given {
    fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Input(Input::open(None)?));
        }
        let file = open_file(path)?;
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        Ok(Self::File(file, len))
    }

    /// 0 where it is not known.
    const fn len(&self) -> u64 {
        match self {
            Self::Input(_) => 0,
            Self::File(_, len) => *len,
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<usize, Failure> {
        match self {
            Self::Input(input) => Ok(fill(input, bytes)?),
            Self::File(file, _) => fill(file, bytes).map_err(|error| Failure::io("the file", &error)),
        }
    }
}

/// The inspection as it goes on.
struct Inspection<'a> {
    args: &'a Args,
    report: Report,
    /// Text for the terminal, in the order of the file.
    lines: Vec<u8>,
    /// The frame to show in detail.
    chosen: Option<Survey>,
    listed: u64,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    run_to(args, &mut Output::stdout())
}

/// Runs the command on the file at `path`, without a picture, and writes its results to `out`.
pub(crate) fn report(path: &Path, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let args = Args {
        file: path.to_owned(),
        frame: None,
        png: None,
        all: false,
        json,
    };
    run_to(&args, out)
}

fn run_to(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    if let Some(png) = &args.png {
        distinct(&args.file, png)?;
    }
    let picture_alone = args.png.as_deref() == Some(Path::new("-"));
    if picture_alone && args.json {
        return Err(Failure::usage(
            "--json and --png - both want standard output: name a file for the picture",
        ));
    }
    let from = Given::open(&args.file)?;
    let name = args.file.display().to_string();
    let mut inspection = Inspection {
        args,
        report: Report {
            file: name.clone(),
            ..Report::default()
        },
        lines: Vec::new(),
        chosen: None,
        listed: 0,
    };
    let whole = inspection.read(from).map_err(|failure| failure.context(&name));
    inspection.total();
    // What was found before the file ended or broke is shown in any case.
    if whole.is_err() && inspection.report.kind.is_empty() {
        return whole;
    }
    if !picture_alone {
        inspection.show(out)?;
        out.flush()?;
    }
    let drawn = match (&args.png, args.frame) {
        (Some(path), _) => inspection.draw(path),
        (None, Some(frame)) if inspection.chosen.is_none() => Err(inspection.no_frame(frame)),
        _ => Ok(()),
    };
    whole?;
    match inspection.report.faults.first() {
        Some(first) => {
            let others = match inspection.report.fault_count {
                1 => String::new(),
                count => format!(" (the first of {count} faults)"),
            };
            Err(Failure::new(format_args!("{name}: {}{others}", first.show())))
        }
        None => drawn,
    }
}

impl Inspection<'_> {
    fn read(&mut self, mut from: Given) -> Result<(), Failure> {
        let mut start = [0; 8];
        let read = from.fill(&mut start)?;
        let start = &start[..read];
        if start.starts_with(&npy::MAGIC[..read.min(6)]) && read > 0 {
            return Err(Failure::new("a .npy file, not encoded; see `tahq encode`"));
        }
        let len = from.len();
        self.report.bytes = len;
        if b"TAHQ".starts_with(&start[..read.min(4)]) {
            // Also of pipes, which cannot be rewound.
            return match from {
                Given::Input(input) => self.read_stream(start.chain(input), len),
                Given::File(file, _) => self.read_stream(start.chain(file), len),
            };
        }
        let (file, len) = match from {
            Given::Input(input) => spool(start.chain(input))?,
            Given::File(mut file, len) => {
                file.rewind().map_err(|error| Failure::io("the file", &error))?;
                (file, len)
            }
        };
        self.report.bytes = len;
        self.read_container(file, len)
    }

    fn read_stream(&mut self, from: impl Read, len: u64) -> Result<(), Failure> {
        self.report.kind = "stream";
        let progress = Progress::bytes(len);
        let mut reports = Vec::new();
        self.read_frames(from, 0, &progress, &mut reports)?;
        self.report.stream = reports;
        Ok(())
    }

    /// Reads frames one after another; returns the elements that their headers name.
    fn read_frames(
        &mut self,
        from: impl Read,
        offset: u64,
        progress: &Progress,
        reports: &mut Vec<FrameReport>,
    ) -> Result<u64, Failure> {
        let mut frames = FrameReader::new(from, offset);
        let mut elements = 0u64;
        while let Some(piece) = frames.next().map_err(|error| named("reading", &error))? {
            let survey = Survey::of(&piece, self.report.frames);
            progress.add(survey.bytes);
            let rest = match piece.header {
                Ok((header, _)) => {
                    elements = elements.saturating_add(header.elements());
                    Some(0)
                }
                // Every version has its length in the same place, so the next frame can be found.
                Err(DecodeError::BadMagic { .. }) => None,
                Err(_) => frame_len(piece.bytes)
                    .ok()
                    .map(|len| (len - piece.bytes.len()) as u64),
            };
            let cut = piece.is_cut();
            self.add(survey, reports)?;
            match rest {
                Some(0) => {}
                Some(rest) if !cut => {
                    let skipped = frames.skip(rest).map_err(|error| named("reading", &error))?;
                    self.report.frame_bytes += skipped;
                    progress.add(skipped);
                }
                // Whatever follows, it cannot be told where a frame starts.
                _ => break,
            }
        }
        Ok(elements)
    }

    fn add(&mut self, survey: Survey, reports: &mut Vec<FrameReport>) -> Result<(), Failure> {
        let report = &mut self.report;
        report.frames += 1;
        report.frame_bytes += survey.bytes;
        report.elements += survey.header.map_or(0, |header| header.elements());
        report.rotated_tiles += survey.rotated;
        for (all, one) in report.tiles_by_width.iter_mut().zip(survey.widths) {
            *all += one;
        }
        report.fault_count += survey.faults.len() as u64 + survey.more_faults;
        report.faults.extend(survey.faults.iter().cloned());
        if self.args.json {
            reports.push(FrameReport::of(&survey));
        } else if self.args.all || self.listed < FRAME_LINES || !survey.faults.is_empty() {
            self.listed += 1;
            text::frame_line(&mut self.lines, &survey)?;
        }
        let better = match (&self.chosen, self.args.frame) {
            (_, Some(wanted)) => survey.number == wanted,
            (None, None) => true,
            (Some(chosen), None) => chosen.faults.is_empty() && !survey.faults.is_empty(),
        };
        if better {
            self.chosen = Some(survey);
        }
        Ok(())
    }

    fn fault(&mut self, offset: u64, message: String) {
        self.report.fault_count += 1;
        self.report.faults.push(Fault {
            offset,
            frame: None,
            row: None,
            tile: None,
            message,
        });
    }

    fn read_container(&mut self, mut file: File, len: u64) -> Result<(), Failure> {
        let header = safetensors_file::read_header(&mut file)?;
        if !container::is_container(&header.metadata) {
            return Err(Failure::new(
                "a tensor file, not encoded; see `tahq encode` and `tahq compare`",
            ));
        }
        self.report.kind = "container";
        self.report.preset = container::preset(&header.metadata);
        let progress = Progress::bytes(len);
        for entry in &header.tensors {
            let original = match container::original(&header.metadata, &entry.name) {
                Ok(original) => original,
                Err(failure) => {
                    self.fault(0, failure.to_string());
                    None
                }
            };
            let (dtype, shape) = match &original {
                Some(Original { dtype, shape }) => (dtype.name().to_owned(), shape.clone()),
                None => (format!("{:?}", entry.dtype), entry.shape.clone()),
            };
            let elements = tensor::elements(&shape).unwrap_or(0);
            let bits = (original.is_some() && elements > 0).then(|| entry.len as f64 * 8.0 / elements as f64);
            if !self.args.json {
                let what = match bits {
                    Some(bits) => format!("{bits:.4} bits an element"),
                    None if original.is_some() => "empty".to_owned(),
                    None => "stored as it was".to_owned(),
                };
                writeln!(
                    self.lines,
                    "{}  {dtype} {shape:?}: {} bytes, {what}",
                    entry.name, entry.len
                )?;
            }
            let mut reports = Vec::new();
            let available = entry.len.min(len.saturating_sub(entry.start));
            if original.is_some() {
                progress.message(&entry.name);
                let before = self.report.fault_count;
                file.seek(SeekFrom::Start(entry.start))
                    .map_err(|error| Failure::io("the file", &error))?;
                let found =
                    self.read_frames((&file).take(available), entry.start, &progress, &mut reports)?;
                let faulty = self.report.fault_count > before;
                if found != elements && !faulty && available == entry.len {
                    let message = format!(
                        "tensor {}: its frames hold {found} of {elements} elements",
                        entry.name
                    );
                    self.fault(entry.start, message);
                }
            }
            if available < entry.len {
                let message = format!(
                    "tensor {}: cut short, {available} of {} bytes; the file ends at byte {len}",
                    entry.name, entry.len
                );
                self.fault(len, message);
            }
            self.report.tensors.push(TensorReport {
                name: entry.name.clone(),
                dtype,
                shape,
                encoded: original.is_some(),
                bytes: entry.len,
                elements,
                bits_per_element: bits,
                frames: reports,
            });
        }
        if len > header.end {
            self.fault(
                header.end,
                format!("{} bytes follow the last tensor", len - header.end),
            );
        }
        self.report.metadata = header.metadata;
        Ok(())
    }

    fn total(&mut self) {
        let report = &mut self.report;
        let tiles: u64 = report.tiles_by_width.iter().sum();
        let ratio = |a: f64, b: u64| (b > 0).then(|| a / b as f64);
        report.bits_per_element = ratio(report.frame_bytes as f64 * 8.0, report.elements);
        report.rotated_share = ratio(report.rotated_tiles as f64, tiles);
        if report.bytes == 0 {
            report.bytes = report.frame_bytes;
        }
    }

    fn show(&self, out: &mut impl Write) -> Result<(), Failure> {
        let report = &self.report;
        if self.args.json {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)?;
            return Ok(());
        }
        write!(out, "{}: {}", report.file, report.kind)?;
        if !report.tensors.is_empty() {
            write!(out, ", {} tensors", report.tensors.len())?;
        }
        write!(out, ", {} frames, {} bytes", report.frames, report.bytes)?;
        if let Some(bits) = report.bits_per_element {
            write!(out, ", {bits:.4} bits an element")?;
        }
        if let Some(share) = report.rotated_share {
            write!(out, ", rotated {:.1} %", share * 100.0)?;
        }
        if let Some(preset) = &report.preset {
            write!(out, ", {preset}")?;
        }
        writeln!(out)?;
        out.write_all(&self.lines)?;
        if !self.args.all && self.listed < report.frames {
            writeln!(
                out,
                "  and {} more frames; --all lists them",
                report.frames - self.listed
            )?;
        }
        for fault in report.faults.iter().filter(|fault| fault.frame.is_none()) {
            writeln!(out, "  {}", fault.show())?;
        }
        if let Some(chosen) = &self.chosen {
            text::details(out, chosen)?;
        }
        Ok(())
    }

    fn no_frame(&self, frame: u64) -> Failure {
        Failure::usage(format_args!(
            "no frame {frame}: there are {}, counted from 0",
            self.report.frames
        ))
    }

    fn draw(&self, path: &Path) -> Result<(), Failure> {
        let Some(chosen) = &self.chosen else {
            return Err(match self.args.frame {
                Some(frame) => self.no_frame(frame),
                None => Failure::new(format_args!("{}: no frame to draw", self.report.file)),
            });
        };
        let Some(header) = chosen
            .header
            .filter(|header| header.tiles() > 0 && header.rows > 0)
        else {
            return Err(Failure::new(format_args!(
                "frame {} has no tiles to draw",
                chosen.number
            )));
        };
        let name = self
            .args
            .file
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let canvas = heatmap::draw(chosen, &header, &name.unwrap_or_default());
        let mut out = Output::open(path)?;
        canvas.write_png(&mut out)?;
        out.finish()
    }
}
