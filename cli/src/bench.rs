//! `tahq bench`: how fast the codec is by itself, next to memcpy.

use std::hint::black_box;
use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use half::{bf16, f16};
use rayon::ThreadPoolBuilder;
use serde::Serialize;
use tahq::{Config, Decoder, Element, Encoder, Frame, Level, Rotation};

use crate::demo::quality::{Quality, figure, median};
use crate::demo::tensors::{self, Cut, Model};
use crate::failure::Failure;
use crate::level;
use crate::measure::show_db;
use crate::output::Output;
use crate::presets::{self, Effort, Preset};
use crate::progress::Progress;

const EXAMPLES: &str = "Examples:
  tahq bench
  tahq bench --rows 4096 --preset int4,tah-quant --effort fast,balanced
  tahq bench --dtype f32,f16,bf16 --threads 1,2
  tahq bench --plain --level all --json";

/// The most source bytes of a case: there are four buffers of this size.
const MOST_BYTES: u64 = 1 << 31;

/// Every repetition takes at least so long, or else is made of several calls.
const REPETITION: Duration = Duration::from_millis(2);

/// The least repetitions of each operation.
const LEAST_SAMPLES: usize = 3;

/// A decoder whose values are further off than this, in dB, is broken at any preset.
const SANE_DB: f64 = 5.0;

/// Measure how fast tensors are encoded and decoded
///
/// Options that take a list measure every combination. The data are SmolLM2's activations: row r holds token r
/// (mod 256) after layers 1, 8, 15, 22, 29, 1, ... one after another, 576 channels each, as far as the width
/// goes; as f16, what is too large for it is limited to its largest value.
///
/// GB/s are bytes of the source in its own element type. Encoding makes a whole frame, checksum and all;
/// decoding verifies the checksum. With several threads, ranges of rows are shared out to a pool; memcpy is on
/// one thread always, of the same bytes into a warm buffer. Repetitions of memcpy, encoding, memcpy and decoding
/// take turns, each of at least 2 ms and after a call that is not timed; with several threads, which slept
/// meanwhile, after as many calls as are timed. Figures are medians; a ratio is the median over repetitions of
/// the speed relative to that of the memcpy just before. Every repetition must give the bytes and the values of
/// the first.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Rows (tokens) of the tensor
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "256",
        value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    rows: Vec<u32>,
    /// Channels of the tensor
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "4096",
        value_parser = clap::value_parser!(u32).range(1..), allow_negative_numbers = true)]
    width: Vec<u32>,
    /// Element types
    #[arg(long, value_enum, value_delimiter = ',', default_value = "f32")]
    dtype: Vec<Dtype>,
    /// Presets
    #[arg(long, short, value_enum, value_delimiter = ',', default_value = "int4")]
    preset: Vec<Preset>,
    /// Efforts
    #[arg(long, short, value_enum, value_delimiter = ',', default_value = "balanced")]
    effort: Vec<Effort>,
    /// Numbers of threads
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=1024), allow_negative_numbers = true)]
    threads: Vec<u32>,
    /// Instruction-set levels, or `all` [default: the fastest]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = levels)]
    level: Vec<Levels>,
    /// Rotate no tile
    #[arg(long)]
    plain: bool,
    /// Time for each combination; it takes longer where a few repetitions do
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds, allow_negative_numbers = true)]
    seconds: f64,
    /// Repetitions of each operation, instead of --seconds
    #[arg(long, value_name = "N", conflicts_with = "seconds", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    samples: Option<u32>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        Ok(_) => Err("must be from 0 to 86400".to_owned()),
        Err(_) => Err("not a number".to_owned()),
    }
}

/// What one entry of `--level` stands for.
#[derive(Clone, Copy, Debug)]
enum Levels {
    All,
    One(Level),
}

fn levels(name: &str) -> Result<Levels, String> {
    match name {
        "all" => Ok(Levels::All),
        name => level::parse(name).map(Levels::One),
    }
}

/// An element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dtype {
    F32,
    F16,
    Bf16,
}

impl Dtype {
    const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    const fn size(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// One combination of the options.
#[derive(Clone, Copy, Debug)]
struct Case {
    rows: u32,
    width: u32,
    dtype: Dtype,
    preset: Preset,
    effort: Effort,
    threads: u32,
    level: Level,
    plain: bool,
}

impl Case {
    fn all(args: &Args) -> Vec<Self> {
        let mut levels: Vec<Level> = Vec::new();
        for wanted in &args.level {
            match wanted {
                Levels::All => levels.extend(Level::available()),
                Levels::One(level) => levels.push(*level),
            }
        }
        if levels.is_empty() {
            levels.push(Level::detect());
        }
        let mut cases = Vec::new();
        for &rows in &args.rows {
            for &width in &args.width {
                for &dtype in &args.dtype {
                    for &preset in &args.preset {
                        for &effort in &args.effort {
                            for &threads in &args.threads {
                                cases.extend(levels.iter().map(|&level| Self {
                                    rows,
                                    width,
                                    dtype,
                                    preset,
                                    effort,
                                    threads,
                                    level,
                                    plain: args.plain,
                                }));
                            }
                        }
                    }
                }
            }
        }
        cases
    }

    fn config(&self) -> Config {
        let config = presets::config(self.preset, self.effort);
        if self.plain {
            let rotation = Rotation::Never;
            return Config { rotation, ..config };
        }
        config
    }

    fn check(&self) -> Result<(), Failure> {
        if u64::from(self.rows).saturating_mul(u64::from(self.width) * self.dtype.size()) > MOST_BYTES {
            return Err(Failure::usage(format_args!(
                "{} x {} {} is more than 2 GiB",
                self.rows,
                self.width,
                self.dtype.name()
            )));
        }
        Ok(())
    }
}

/// The figures of a case, as they are written with `--json`.
#[derive(Serialize)]
struct Line {
    rows: u32,
    width: u32,
    dtype: &'static str,
    preset: &'static str,
    effort: &'static str,
    threads: u32,
    level: &'static str,
    plain: bool,
    encode_gbps: Option<f64>,
    decode_gbps: Option<f64>,
    memcpy_gbps: Option<f64>,
    encode_ratio: Option<f64>,
    decode_ratio: Option<f64>,
    bits_per_element: Option<f64>,
    /// Null where every value came through exactly.
    snr_db: Option<f64>,
    rotated_share: Option<f64>,
    samples: usize,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let cases = Case::all(args);
    cases.iter().try_for_each(Case::check)?;
    let cuts = tensors::cuts(Model::Smollm2)?;
    let length = match args.samples {
        Some(samples) => Length::Samples(samples as usize),
        None => Length::Time(Duration::from_secs_f64(args.seconds)),
    };
    let progress = Progress::steps(cases.len() as u64);
    let mut lines = Vec::new();
    for case in &cases {
        progress.message(&format!(
            "{} x {} {} {} {} x{} {}",
            case.rows,
            case.width,
            case.dtype.name(),
            case.preset,
            case.effort,
            case.threads,
            case.level.name()
        ));
        lines.push(match case.dtype {
            Dtype::F32 => measure::<f32>(case, &cuts, length)?,
            Dtype::F16 => measure::<f16>(case, &cuts, length)?,
            Dtype::Bf16 => measure::<bf16>(case, &cuts, length)?,
        });
        progress.add(1);
    }
    drop(progress);

    let mut out = Output::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &lines)?;
        writeln!(out)?;
    } else {
        table(&mut out, &lines)?;
    }
    out.finish()
}

fn table(out: &mut Output, lines: &[Line]) -> Result<(), Failure> {
    writeln!(
        out,
        "{:>13} {:<5} {:<15} {:<8} {:>3} {:<8} {:>5} {:>6} {:>6} {:>7} {:>7} {:>6} {:>6}",
        "", "", "", "", "", "", "", "", "", "GB/s", "", "of", "memcpy"
    )?;
    writeln!(
        out,
        "{:>13} {:<5} {:<15} {:<8} {:>3} {:<8} {:>5} {:>6} {:>6} {:>7} {:>7} {:>6} {:>6}",
        "rows x width",
        "type",
        "preset",
        "effort",
        "thr",
        "level",
        "bits",
        "SNR",
        "memcpy",
        "encode",
        "decode",
        "enc",
        "dec"
    )?;
    let show = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.2}"));
    let ratio = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.3}"));
    for line in lines {
        writeln!(
            out,
            "{:>13} {:<5} {:<15} {:<8} {:>3} {:<8} {:>5} {:>6} {:>6} {:>7} {:>7} {:>6} {:>6}",
            format!("{} x {}", line.rows, line.width),
            line.dtype,
            line.preset,
            line.effort,
            line.threads,
            line.level,
            show(line.bits_per_element),
            show_db(line.snr_db.unwrap_or(f64::INFINITY)),
            show(line.memcpy_gbps),
            show(line.encode_gbps),
            show(line.decode_gbps),
            ratio(line.encode_ratio),
            ratio(line.decode_ratio),
        )?;
    }
    Ok(())
}

/// How long to measure a case.
#[derive(Clone, Copy, Debug)]
enum Length {
    Samples(usize),
    Time(Duration),
}

impl Length {
    fn reached(self, samples: usize, since: Instant) -> bool {
        match self {
            Self::Samples(wanted) => samples >= wanted,
            Self::Time(wanted) => samples >= LEAST_SAMPLES && since.elapsed() >= wanted,
        }
    }
}

fn measure<E: Element + Send>(case: &Case, cuts: &[Cut], length: Length) -> Result<Line, Failure> {
    let mut job = Job::<E>::new(case, cuts)?;
    if case.threads == 1 {
        return job.measure(case, length);
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(case.threads as usize)
        .build()
        .map_err(|error| Failure::new(format_args!("{} threads: {error}", case.threads)))?;
    // Within the pool, so that the calling thread is one of its own.
    pool.install(|| job.measure(case, length))
}

/// Bytes of a page, within which [`Buffer::new`] places a buffer.
const PAGE: usize = 4096;

/// A buffer whose pages are there and which starts where it should. A copy between buffers that start at
/// nearly the same place of their pages is many times slower on some processors, and an allocator likes such
/// places.
struct Buffer<T> {
    values: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Clone> Buffer<T> {
    /// `len` times `value`, at `offset` within a page; an error where the machine has no room for it.
    fn new(len: usize, value: T, offset: usize) -> Result<Self, Failure> {
        let all = len + PAGE / size_of::<T>();
        let mut values: Vec<T> = Vec::new();
        values
            .try_reserve_exact(all)
            .map_err(|_| Failure::new(format_args!("no memory for {} bytes", all * size_of::<T>())))?;
        values.resize(all, value);
        let skipped = offset.wrapping_sub(values.as_ptr().addr()) % PAGE;
        let start = skipped / size_of::<T>();
        Ok(Self { values, start, len })
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.values[self.start..][..self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.start..][..self.len]
    }
}

/// The real activations, tiled to a size.
fn tiled<E: Element>(rows: u32, width: u32, cuts: &[Cut]) -> Result<Buffer<E>, Failure> {
    let (rows, width) = (rows as usize, width as usize);
    let mut x = Buffer::new(rows * width, E::from_f32(0.0), 0)?;
    for (r, row) in x.chunks_exact_mut(width).enumerate() {
        let mut rest = row;
        for cut in cuts.iter().cycle() {
            let tokens = cut.activations.len() / cut.width;
            let token = &cut.activations[r % tokens * cut.width..][..cut.width];
            let (piece, after) = rest.split_at_mut(cut.width.min(rest.len()));
            for (to, from) in piece.iter_mut().zip(token) {
                *to = limited(*from);
            }
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    Ok(x)
}

/// Rounded to the type, or its largest value where that is smaller.
fn limited<E: Element>(x: f32) -> E {
    let rounded = E::from_f32(x);
    if rounded.to_f32().is_finite() {
        rounded
    } else {
        E::from_f32(65504.0f32.copysign(x))
    }
}

/// A case with its data and buffers.
struct Job<E> {
    encoder: Encoder<'static>,
    decoder: Decoder<'static>,
    x: Buffer<E>,
    copy: Buffer<E>,
    frame: Buffer<u8>,
    y: Buffer<E>,
}

impl<E: Element + Send> Job<E> {
    fn new(case: &Case, cuts: &[Cut]) -> Result<Self, Failure> {
        let config = case.config();
        let x: Buffer<E> = tiled(case.rows, case.width, cuts)?;
        let len = config.max_frame_len(case.rows, case.width, E::SOURCE)?;
        // What a decoder leaves as it was shows.
        let garbage = E::from_f32(1e4);
        Ok(Self {
            encoder: Encoder::new(config)?.with_level(case.level),
            decoder: Decoder::new().with_level(case.level),
            copy: Buffer::new(x.len(), garbage, PAGE / 2)?,
            frame: Buffer::new(len, 0xa5, PAGE / 4)?,
            y: Buffer::new(x.len(), garbage, PAGE / 2)?,
            x,
        })
    }

    /// Makes the frame; returns its length.
    fn encode(&mut self, case: &Case) -> Result<usize, Failure> {
        let (x, frame) = (black_box(&self.x[..]), &mut self.frame[..]);
        let len = if case.threads == 1 {
            self.encoder.encode(x, case.rows, case.width, frame)
        } else {
            self.encoder.encode_parallel(x, case.rows, case.width, frame)
        };
        Ok(len?)
    }

    /// Decodes the frame.
    fn decode(&mut self, case: &Case, len: usize) -> Result<(), Failure> {
        let frame = black_box(&self.frame[..len]);
        if case.threads == 1 {
            self.decoder.decode(frame, &mut self.y)?;
        } else {
            self.decoder.decode_parallel(frame, &mut self.y)?;
        }
        Ok(())
    }

    fn memcpy(&mut self) {
        self.copy.copy_from_slice(black_box(&self.x[..]));
        black_box(&mut self.copy[..]);
    }

    fn measure(&mut self, case: &Case, length: Length) -> Result<Line, Failure> {
        let len = self.encode(case)?;
        let first_frame = self.frame[..len].to_vec();
        self.decode(case, len)?;
        let mut first = Buffer::new(self.y.len(), self.y[0], 0)?;
        first.copy_from_slice(&self.y);
        let quality = quality(&self.x, &self.y, case.width as usize);
        // An SNR that is not a number is that of zeros alone.
        if quality.snr_db() < SANE_DB {
            return Err(Failure::new(format_args!(
                "{} {} at level {}: decoded to something else ({} dB)",
                case.preset,
                case.effort,
                case.level.name(),
                show_db(quality.snr_db())
            )));
        }
        let unequal = |what: &str| {
            let level = case.level.name();
            Failure::new(format_args!(
                "{} {} at level {level}: {what}",
                case.preset, case.effort
            ))
        };

        let mut memcpy_clock = Clock::new(self, 1, |job| {
            job.memcpy();
            Ok(())
        })?;
        let mut encode_clock = Clock::new(self, case.threads, |job| job.encode(case).map(drop))?;
        let mut decode_clock = Clock::new(self, case.threads, |job| job.decode(case, len))?;
        let (mut memcpy, mut encode, mut decode) = (Vec::new(), Vec::new(), Vec::new());
        let (mut encode_ratio, mut decode_ratio) = (Vec::new(), Vec::new());
        let start = Instant::now();
        while !length.reached(encode.len(), start) {
            let before = memcpy_clock.time(self)?;
            let time = encode_clock.time(self)?;
            memcpy.push(before);
            encode.push(time);
            encode_ratio.push(before / time);
            if self.frame[..len] != first_frame {
                return Err(unequal("encoded to other bytes the next time"));
            }

            let before = memcpy_clock.time(self)?;
            let time = decode_clock.time(self)?;
            memcpy.push(before);
            decode.push(time);
            decode_ratio.push(before / time);
            let [now, then] = [&self.y, &first].map(|y| bytemuck::cast_slice::<E, u8>(y));
            if now != then {
                return Err(unequal("decoded to other values the next time"));
            }
        }

        let samples = encode.len();
        let gbps = |times: &mut [f64]| figure(size_of_val(&self.x[..]) as f64 / median(times) / 1e9);
        Ok(Line {
            rows: case.rows,
            width: case.width,
            dtype: case.dtype.name(),
            preset: case.preset.name(),
            effort: case.effort.name(),
            threads: case.threads,
            level: case.level.name(),
            plain: case.plain,
            encode_gbps: gbps(&mut encode),
            decode_gbps: gbps(&mut decode),
            memcpy_gbps: gbps(&mut memcpy),
            encode_ratio: figure(median(&mut encode_ratio)),
            decode_ratio: figure(median(&mut decode_ratio)),
            bits_per_element: figure(len as f64 * 8.0 / self.x.len() as f64),
            snr_db: figure(quality.snr_db()),
            rotated_share: figure(rotated_share(&self.decoder.parse(&first_frame)?)),
            samples,
        })
    }
}

/// Times one operation of a job.
struct Clock<F> {
    call: F,
    /// Calls of a repetition.
    calls: u32,
    /// Calls before it that are not timed: none where they are long.
    before: u32,
}

impl<F> Clock<F> {
    fn new<E>(job: &mut Job<E>, threads: u32, mut call: F) -> Result<Self, Failure>
    where
        F: FnMut(&mut Job<E>) -> Result<(), Failure>,
    {
        call(job)?;
        // Doubled until it is long enough: a single call may be held up by something else.
        let mut calls = 1u32;
        loop {
            let start = Instant::now();
            for _ in 0..calls {
                call(job)?;
            }
            let time = start.elapsed();
            if time >= REPETITION || calls > u32::MAX / 2 {
                let before = match threads {
                    _ if time / calls >= 10 * REPETITION => 0,
                    1 => 1,
                    // The pool has slept, and the system takes a while to give each thread a processor.
                    _ => calls,
                };
                return Ok(Self { call, calls, before });
            }
            calls *= 2;
        }
    }

    /// Seconds of one call, the mean over a repetition.
    fn time<E>(&mut self, job: &mut Job<E>) -> Result<f64, Failure>
    where
        F: FnMut(&mut Job<E>) -> Result<(), Failure>,
    {
        for _ in 0..self.before {
            (self.call)(job)?;
        }
        let start = Instant::now();
        for _ in 0..self.calls {
            (self.call)(job)?;
        }
        Ok(start.elapsed().as_secs_f64().max(1e-9) / f64::from(self.calls))
    }
}

fn quality<E: Element>(x: &[E], y: &[E], width: usize) -> Quality {
    let mut quality = Quality::default();
    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact(width)) {
        let [x, y] = [x, y].map(|row| row.iter().map(|value| value.to_f32()).collect::<Vec<_>>());
        quality.add(&x, &y, width);
    }
    quality
}

fn rotated_share(frame: &Frame<'_>) -> f64 {
    let (mut tiles, mut rotated) = (0u64, 0u64);
    for row in (0..frame.header().rows).filter_map(|row| frame.row(row)) {
        for tile in 0..row.tiles() {
            tiles += 1;
            rotated += u64::from(
                row.descriptor(tile)
                    .is_some_and(|descriptor| descriptor.pivot.is_some()),
            );
        }
    }
    rotated as f64 / tiles as f64
}
