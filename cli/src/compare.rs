//! `tahq compare`: presets side by side on the tensors of a file.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Serialize;
use tahq::{Decoder, Element, EncodeStats, Encoder, Level};

use crate::coder::locate;
use crate::container;
use crate::failure::Failure;
use crate::input::Whole;
use crate::measure::{row_nmse, show_db, snr_db, stats_db};
use crate::output::Output;
use crate::presets::{self, Effort, Preset};
use crate::progress::Progress;
use crate::tensor::{FloatType, Layout, Piece, Values, with_values};
use crate::tensor_file::{Tensor, TensorFile};

const EXAMPLES: &str = "Examples:
  tahq compare acts.safetensors
  tahq compare acts.safetensors --preset int4 --preset mixed --effort best
  tahq compare grads.npy --json";

/// Compare presets on the tensors of a file (safetensors or .npy)
///
/// Every matrix of rows is one frame, as with `tahq encode`. Bits count whole frames. SNR is the mean over rows
/// (tokens) of the relative squared error, in dB; rows of zeros are left out. `worst row` is the row with the
/// largest relative error. `clipped` counts values limited by the range of codes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Tensor file; `-` is standard input, kept in a temporary file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Presets to compare, all of them unless told; may be repeated
    #[arg(long, short, value_enum, value_delimiter = ',')]
    preset: Vec<Preset>,
    /// Time spent for quality
    #[arg(long, short, value_enum, default_value_t)]
    effort: Effort,
    /// Compare on this tensor alone
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,
    /// The most rows of one frame [default: a whole sample]
    #[arg(long, value_name = "N", value_parser = crate::count::parse, allow_negative_numbers = true)]
    rows: Option<std::num::NonZeroU32>,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Instruction-set level to run at, the fastest unless told; the result is the same
    #[arg(long, value_name = "NAME", value_parser = crate::level::parse)]
    level: Option<Level>,
}

/// What one preset made of one tensor, or of all.
#[derive(Clone, Debug, Default)]
struct Account {
    stats: EncodeStats,
    source_bytes: u64,
    worst: Option<Worst>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Worst {
    snr_db: f64,
    sample: u64,
    row: u64,
}

/// As it is written with `--json`.
#[derive(Serialize)]
struct Line {
    tensor: Option<String>,
    dtype: Option<&'static str>,
    shape: Option<Vec<usize>>,
    preset: &'static str,
    effort: &'static str,
    bits_per_element: Option<f64>,
    compression: Option<f64>,
    snr_db: Option<f64>,
    worst_row: Option<Worst>,
    rotated_share: Option<f64>,
    high_share: Option<f64>,
    clipped: u64,
    pruned_rows: u64,
    elements: u64,
    bytes: usize,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let presets = match &args.preset[..] {
        [] => Preset::ALL.to_vec(),
        some => some.to_vec(),
    };
    let mut file = TensorFile::of(Whole::open(&args.file)?)?;
    let name = file.name().to_owned();
    if container::is_container(&file.metadata) {
        return Err(Failure::new(format_args!(
            "{name}: is encoded already; compare takes the source"
        )));
    }
    let wanted = |tensor: &Tensor| args.tensor.as_ref().is_none_or(|wanted| tensor.name == *wanted);
    let tensors: Vec<(Tensor, FloatType)> = file
        .tensors
        .iter()
        .filter(|tensor| wanted(tensor))
        .filter_map(|tensor| Some((tensor.clone(), tensor.float()?)))
        .collect();
    if tensors.is_empty() {
        return Err(Failure::new(match &args.tensor {
            Some(wanted) => format!("{name}: no tensor of floats named {wanted}"),
            None => format!("{name}: no tensor of floats in this file"),
        }));
    }
    let encoders = presets
        .iter()
        .map(|&preset| {
            let encoder = Encoder::new(presets::config(preset, args.effort))?;
            Ok(encoder.with_level(args.level.unwrap_or_default()))
        })
        .collect::<Result<Vec<_>, Failure>>()?;

    let progress = Progress::bytes(tensors.iter().map(|(tensor, _)| tensor.len).sum());
    let mut all = vec![Account::default(); presets.len()];
    let mut each = Vec::new();
    for (tensor, float) in &tensors {
        progress.message(&tensor.name);
        let mut accounts = vec![Account::default(); presets.len()];
        for piece in Layout::of(&tensor.shape).pieces(args.rows.map(std::num::NonZeroU32::get)) {
            let values = file.values(tensor, *float, piece.elements.clone())?;
            let bytes = (piece.elements.end - piece.elements.start) * float.size() as u64;
            let measured = measure_all(&encoders, &values, &piece)
                .map_err(|failure| failure.context(format_args!("{name}: tensor {}", tensor.name)))?;
            for (account, mut measured) in accounts.iter_mut().zip(measured) {
                measured.source_bytes = bytes;
                account.merge(&measured);
            }
            progress.add(bytes);
        }
        all.iter_mut()
            .zip(&accounts)
            .for_each(|(all, one)| all.merge(one));
        each.push(accounts);
    }
    drop(progress);

    let mut out = Output::stdout();
    if args.json {
        let mut lines = Vec::new();
        for ((tensor, float), accounts) in tensors.iter().zip(&each) {
            for (preset, account) in presets.iter().zip(accounts) {
                lines.push(Line {
                    tensor: Some(tensor.name.clone()),
                    dtype: Some(float.name()),
                    shape: Some(tensor.shape.clone()),
                    ..account.line(*preset, args.effort)
                });
            }
        }
        lines.extend(
            presets
                .iter()
                .zip(&all)
                .map(|(preset, account)| account.line(*preset, args.effort)),
        );
        serde_json::to_writer_pretty(&mut out, &lines)?;
        writeln!(out)?;
    } else {
        for ((tensor, float), accounts) in tensors.iter().zip(&each) {
            writeln!(out, "{}  {} {:?}", tensor.name, float.name(), tensor.shape)?;
            table(&mut out, &presets, accounts)?;
        }
        if tensors.len() > 1 {
            writeln!(out, "all {} tensors", tensors.len())?;
            table(&mut out, &presets, &all)?;
        }
    }
    out.finish()
}

/// Every preset on one piece, on as many threads as the machine has.
fn measure_all(encoders: &[Encoder<'_>], values: &Values, piece: &Piece) -> Result<Vec<Account>, Failure> {
    let next = AtomicUsize::new(0);
    let results: Vec<_> = encoders.iter().map(|_| Mutex::new(None)).collect();
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(encoders.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let mine = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(encoder), Some(result)) = (encoders.get(mine), results.get(mine)) else {
                        break;
                    };
                    let account = with_values!(values, x => measure(encoder, x, piece));
                    if let Ok(mut slot) = result.lock() {
                        *slot = Some(account);
                    }
                }
            });
        }
    });
    results
        .into_iter()
        .map(|result| match result.into_inner() {
            Ok(Some(account)) => account,
            _ => Err(Failure::new("a thread stopped early")),
        })
        .collect()
}

fn measure<E: Element>(encoder: &Encoder<'_>, x: &[E], piece: &Piece) -> Result<Account, Failure> {
    let fail = |error| locate(error, piece, "");
    let len = encoder
        .config()
        .max_frame_len(piece.rows, piece.width, E::SOURCE)
        .map_err(fail)?;
    let mut frame = vec![0; len];
    let stats = encoder
        .encode_with_stats(x, piece.rows, piece.width, &mut frame)
        .map_err(fail)?;
    let mut decoded = vec![0f32; x.len()];
    Decoder::new().decode(&frame[..stats.bytes], &mut decoded)?;
    let width = piece.width as usize;
    let mut worst: Option<Worst> = None;
    for (row, (x, y)) in x.chunks_exact(width).zip(decoded.chunks_exact(width)).enumerate() {
        let x: Vec<f32> = x.iter().map(|x| x.to_f32()).collect();
        let Some(nmse) = row_nmse(&x, y) else { continue };
        let snr_db = snr_db(nmse);
        if worst.is_none_or(|worst| snr_db < worst.snr_db) {
            worst = Some(Worst {
                snr_db,
                sample: piece.sample,
                row: piece.row + row as u64,
            });
        }
    }
    Ok(Account {
        stats,
        source_bytes: 0,
        worst,
    })
}

impl Account {
    fn merge(&mut self, other: &Self) {
        self.stats.merge(&other.stats);
        self.source_bytes += other.source_bytes;
        self.worst = match (self.worst, other.worst) {
            (Some(a), Some(b)) if b.snr_db < a.snr_db => Some(b),
            (a, b) => a.or(b),
        };
    }

    fn line(&self, preset: Preset, effort: Effort) -> Line {
        let stats = &self.stats;
        let finite = |x: f64| x.is_finite().then_some(x);
        Line {
            tensor: None,
            dtype: None,
            shape: None,
            preset: preset.name(),
            effort: effort.name(),
            bits_per_element: finite(stats.bits_per_element()),
            compression: finite(self.source_bytes as f64 / stats.bytes as f64),
            snr_db: finite(stats_db(stats)),
            worst_row: self.worst.filter(|worst| worst.snr_db.is_finite()),
            rotated_share: finite(stats.rotated_share()),
            high_share: finite(stats.high_share()),
            clipped: stats.clipped,
            pruned_rows: stats.pruned,
            elements: stats.elements,
            bytes: stats.bytes,
        }
    }
}

fn table(out: &mut Output, presets: &[Preset], accounts: &[Account]) -> Result<(), Failure> {
    writeln!(
        out,
        "  {:<16} {:>9} {:>8} {:>8} {:>9}  {:<14} {:>8} {:>9} {:>7}",
        "preset",
        "bits/elem",
        "smaller",
        "SNR dB",
        "worst dB",
        "at sample/row",
        "rotated",
        "clipped",
        "pruned"
    )?;
    for (preset, account) in presets.iter().zip(accounts) {
        let line = account.line(*preset, Effort::default());
        let number = |x: Option<f64>, digits: usize, unit: &str| {
            x.map_or("-".to_owned(), |x| format!("{x:.digits$}{unit}"))
        };
        let (worst, at) = match account.worst {
            Some(worst) => (show_db(worst.snr_db), format!("{}/{}", worst.sample, worst.row)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        writeln!(
            out,
            "  {preset:<16} {:>9} {:>8} {:>8} {worst:>9}  {at:<14} {:>8} {:>9} {:>7}",
            number(line.bits_per_element, 4, ""),
            number(line.compression, 2, "x"),
            show_db(stats_db(&account.stats)),
            number(line.rotated_share.map(|share| share * 100.0), 1, " %"),
            line.clipped,
            line.pruned_rows,
        )?;
    }
    writeln!(out)?;
    Ok(())
}
