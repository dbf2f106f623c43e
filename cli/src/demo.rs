//! `tahq demo`: two pipeline stages that send each other real tensors over a slow link.

mod link;
mod pipeline;
pub(crate) mod quality;
pub(crate) mod tensors;

use std::io::Write;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use self::pipeline::{Coding, Conditions, MicroBatch, Scheme, Tensor, Timing};
use self::quality::{figure, median};
use self::tensors::{Cut, Model};
use crate::failure::Failure;
use crate::measure::show_db;
use crate::output::Output;
use crate::presets::{self, Effort, Preset};
use crate::progress::Progress;

const EXAMPLES: &str = "Examples:
  tahq demo
  tahq demo --mbit 1000 --effort fast
  tahq demo --preset tah-quant,int4 --model smollm2 --compute-ms 5
  tahq demo --json > demo.json";

/// Cells of the longest bar of the chart.
const BAR: f64 = 64.0;

/// Watch two pipeline stages exchange real activations and gradients over a slow link
///
/// Two stages, a thread each, are joined by TCP on loopback. Whoever sends paces the bytes of the frames at
/// --mbit; TCP's and IP's own bytes are not counted. A micro-batch is one sample of 128 tokens at one cut of a
/// model. A step sends the activations of all micro-batches forward, then all their gradients back, as GPipe
/// does; a stage has sent a micro-batch before it computes and encodes the next. Every receiver checks what it
/// decodes, bit for bit, against a decode before the run.
///
/// The table compares f32 and f16 as they are with the presets. A preset is what activations are sent with;
/// their gradients go at `gradient` (6 bits), in the row of int8 at int8, unless --gradients says otherwise.
/// SNR is the mean over tokens of the relative squared error, in dB, rows of zeros left out. GB/s are f32 bytes
/// a second of encoding and decoding on one thread, the median over frames, in a program that mostly waits for
/// the link: `tahq bench` measures the codec by itself. Compression pays on links slower than the last column:
/// at that rate the time it saves on the wire is the time it takes to encode and decode.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Rate of the link in each direction, in millions of bits a second
    #[arg(long, value_name = "RATE", default_value = "100", value_parser = rate, allow_negative_numbers = true)]
    mbit: f64,
    /// Presets to compare with f32 and f16, all of them unless told; may be repeated
    #[arg(long, short, alias = "presets", value_enum, value_delimiter = ',')]
    preset: Vec<Preset>,
    /// Time spent for quality
    #[arg(long, short, value_enum, default_value_t)]
    effort: Effort,
    /// What gradients are sent with: a preset, or `same` for that of the activations
    #[arg(long, value_name = "PRESET", value_parser = gradients)]
    gradients: Option<Gradients>,
    /// Whose tensors to send
    #[arg(long, value_enum, default_value_t)]
    model: Models,
    /// Steps of each scheme; the median is shown
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// Micro-batches of a step, picked evenly from those there are [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    micro_batches: Option<u32>,
    /// How long a forward or a backward pass of a stage takes
    #[arg(long, value_name = "MS", default_value = "0", value_parser = milliseconds, allow_negative_numbers = true)]
    compute_ms: f64,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    bounded(text, 0.1, 1e6)
}

fn milliseconds(text: &str) -> Result<f64, String> {
    bounded(text, 0.0, 60_000.0)
}

fn bounded(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    // False for NaN.
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("must be from {least} to {most}"))
    }
}

/// What gradients are sent with.
#[derive(Clone, Copy, Debug)]
enum Gradients {
    Same,
    Preset(Preset),
}

fn gradients(name: &str) -> Result<Gradients, String> {
    if name == "same" {
        return Ok(Gradients::Same);
    }
    let preset = Preset::ALL.into_iter().find(|preset| preset.name() == name);
    preset.map(Gradients::Preset).ok_or_else(|| {
        let names = Preset::ALL.map(Preset::name).join(", ");
        format!("must be same or one of {names}")
    })
}

/// Whose tensors to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Models {
    /// SmolLM2-135M, 576 channels, five cuts.
    Smollm2,
    /// all-MiniLM-L6-v2, 384 channels, three cuts.
    Minilm,
    /// Both.
    #[default]
    All,
}

impl Models {
    const fn models(self) -> &'static [Model] {
        match self {
            Self::Smollm2 => &[Model::Smollm2],
            Self::Minilm => &[Model::Minilm],
            Self::All => &[Model::Smollm2, Model::Minilm],
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Smollm2 => "smollm2",
            Self::Minilm => "minilm",
            Self::All => "all",
        }
    }
}

/// Everything, as it is written with `--json`.
#[derive(Serialize)]
struct Report {
    mbit: f64,
    model: &'static str,
    micro_batches: usize,
    steps: u32,
    effort: &'static str,
    compute_ms: f64,
    schemes: Vec<Line>,
}

/// A row of the table. Figures that are not finite are null in JSON: the SNR of what is exact, or infinitely
/// wrong; the rate up to which what is not smaller pays.
#[derive(Serialize)]
struct Line {
    scheme: &'static str,
    activations: &'static str,
    gradients: &'static str,
    bits_per_element: f64,
    activation_bits: f64,
    gradient_bits: f64,
    compression: f64,
    #[serde(serialize_with = "finite")]
    activation_snr_db: f64,
    #[serde(serialize_with = "finite")]
    gradient_snr_db: f64,
    exact: bool,
    overflows: u64,
    underflows: u64,
    #[serde(serialize_with = "finite")]
    encode_gbps: f64,
    #[serde(serialize_with = "finite")]
    decode_gbps: f64,
    #[serde(serialize_with = "finite")]
    step_ms: f64,
    #[serde(serialize_with = "finite")]
    speed_up: f64,
    #[serde(serialize_with = "finite")]
    break_even_mbit: f64,
    #[serde(serialize_with = "finite")]
    break_even_mbit_vs_f16: f64,
    wire_bytes_a_step: usize,
}

fn finite<S: serde::Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    figure(*value).serialize(serializer)
}

/// What a row of the table sends.
struct Plan {
    name: &'static str,
    activations: Coding,
    gradients: (&'static str, Coding),
}

impl Plan {
    fn all(args: &Args) -> Vec<Self> {
        let as_is = |name, coding| Self {
            name,
            activations: coding,
            gradients: (name, coding),
        };
        let mut plans = vec![as_is("f32", Coding::F32), as_is("f16", Coding::F16)];
        let coding = |preset| Coding::Codec(presets::config(preset, args.effort));
        let wanted = |preset: &Preset| args.preset.is_empty() || args.preset.contains(preset);
        for preset in Preset::ALL.into_iter().filter(wanted) {
            let gradients = match (args.gradients, preset) {
                (Some(Gradients::Preset(gradients)), _) => gradients,
                // They want more bits than activations, and never fewer.
                (Some(Gradients::Same), _) | (None, Preset::Int8) => preset,
                (None, _) => Preset::Gradient,
            };
            plans.push(Self {
                name: preset.name(),
                activations: coding(preset),
                gradients: (gradients.name(), coding(gradients)),
            });
        }
        plans
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut cuts = Vec::new();
    for &model in args.model.models() {
        cuts.extend(tensors::cuts(model)?);
    }
    let batches = picked(micro_batches(&cuts)?, args.micro_batches)?;
    let conditions = Conditions {
        mbit: args.mbit,
        steps: args.steps as usize,
        pass: Duration::from_secs_f64(args.compute_ms / 1000.0),
    };

    let plans = Plan::all(args);
    let mut schemes = Vec::new();
    for plan in &plans {
        schemes.push(Scheme::new(&batches, plan.activations, plan.gradients.1)?);
    }
    let total: usize = schemes
        .iter()
        .map(|scheme| scheme.bytes() * conditions.steps)
        .sum();
    let progress = Progress::bytes(total as u64);
    let mut lines: Vec<Line> = Vec::new();
    for (plan, scheme) in plans.iter().zip(&schemes) {
        progress.message(plan.name);
        let timing = scheme
            .run(conditions, &progress)
            .map_err(|failure| failure.context(plan.name))?;
        let (f32, f16) = (&schemes[0], &schemes[1]);
        let baseline = lines.first().map(|line| line.step_ms);
        lines.push(line(plan, scheme, timing, baseline, [f32.bytes(), f16.bytes()]));
    }
    drop(progress);

    let report = Report {
        mbit: args.mbit,
        model: args.model.name(),
        micro_batches: batches.len(),
        steps: args.steps,
        effort: args.effort.name(),
        compute_ms: args.compute_ms,
        schemes: lines,
    };
    let mut out = Output::stdout();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        show(&mut out, &report)?;
    }
    out.finish()
}

/// Every sample of every cut.
fn micro_batches(cuts: &[Cut]) -> Result<Vec<MicroBatch<'_>>, Failure> {
    let fits = |n: usize| u32::try_from(n).map_err(|_| Failure::new("a tensor beyond 32 bits"));
    let mut batches = Vec::new();
    for cut in cuts {
        let (rows, width) = (fits(cut.rows)?, fits(cut.width)?);
        for (activations, gradients) in cut.samples() {
            let [activations, gradients] =
                [activations, gradients].map(|values| Tensor { values, rows, width });
            batches.push(MicroBatch {
                activations,
                gradients,
            });
        }
    }
    Ok(batches)
}

/// So many of them, evenly spaced.
fn picked(all: Vec<MicroBatch<'_>>, wanted: Option<u32>) -> Result<Vec<MicroBatch<'_>>, Failure> {
    let len = all.len();
    let wanted = wanted.map_or(len, |wanted| wanted as usize);
    if wanted > len {
        return Err(Failure::usage(format_args!(
            "--micro-batches {wanted}: there are {len}; see --steps for more of them"
        )));
    }
    Ok((0..wanted).map(|index| all[index * len / wanted]).collect())
}

/// The figures of a scheme. `baseline` is the step of f32, in ms; `plain` are the bytes of a step in f32 and
/// in f16.
fn line(
    plan: &Plan,
    scheme: &Scheme<'_>,
    mut timing: Timing,
    baseline: Option<f64>,
    plain: [usize; 2],
) -> Line {
    let [forward, backward] = [&scheme.forward, &scheme.backward];
    let encode = median(&mut timing.encode);
    let decode = median(&mut timing.decode);
    let step_ms = median(&mut timing.steps) * 1e3;
    let source_bytes = ((forward.elements + backward.elements) * size_of::<f32>()) as f64;
    let codec_seconds = source_bytes / encode + source_bytes / decode;
    let break_even = |than: usize| match than.checked_sub(scheme.bytes()) {
        Some(saved @ 1..) => saved as f64 * 8.0 / codec_seconds / 1e6,
        _ => f64::NAN,
    };
    let [activation_snr_db, gradient_snr_db] = [forward, backward].map(|way| way.quality.snr_db());
    Line {
        scheme: plan.name,
        activations: plan.name,
        gradients: plan.gradients.0,
        bits_per_element: scheme.bits(),
        activation_bits: forward.bits(),
        gradient_bits: backward.bits(),
        compression: plain[0] as f64 / scheme.bytes() as f64,
        activation_snr_db,
        gradient_snr_db,
        exact: [activation_snr_db, gradient_snr_db] == [f64::INFINITY; 2],
        overflows: forward.overflows + backward.overflows,
        underflows: forward.underflows + backward.underflows,
        encode_gbps: encode / 1e9,
        decode_gbps: decode / 1e9,
        step_ms,
        speed_up: baseline.unwrap_or(step_ms) / step_ms,
        break_even_mbit: break_even(plain[0]),
        break_even_mbit_vs_f16: break_even(plain[1]),
        wire_bytes_a_step: scheme.bytes(),
    }
}

/// The table, what it needs to be understood, and the chart.
fn show(out: &mut Output, report: &Report) -> Result<(), Failure> {
    writeln!(
        out,
        "Two stages, TCP on loopback at {} Mbit/s each way, {} micro-batches a step, effort {}\n",
        report.mbit, report.micro_batches, report.effort
    )?;
    writeln!(
        out,
        "{:<15} {:^19}  {:>8} {:^13}  {:^13}  {:>7} {:>6}  {:>8}",
        "", "bits an element", "", "SNR, dB", "GB/s", "step", "speed", "pays"
    )?;
    writeln!(
        out,
        "{:<15} {:>6}{:>6}{:>7}  {:>8} {:>6} {:>6}  {:>6} {:>6}  {:>7} {:>6}  {:>8}",
        "scheme", "act", "grad", "both", "smaller", "act", "grad", "encode", "decode", "ms", "up", "below"
    )?;
    for line in &report.schemes {
        writeln!(
            out,
            "{:<15} {:>6.2}{:>6.2}{:>7.2}  {:>7.2}x {:>6} {:>6}  {:>6.2} {:>6.2}  {:>7.1} {:>5.2}x  {:>8}",
            line.scheme,
            line.activation_bits,
            line.gradient_bits,
            line.bits_per_element,
            line.compression,
            show_db(line.activation_snr_db),
            show_db(line.gradient_snr_db),
            line.encode_gbps,
            line.decode_gbps,
            line.step_ms,
            line.speed_up,
            show_rate(line.break_even_mbit),
        )?;
    }
    notes(out, report)?;
    chart(out, report)
}

fn notes(out: &mut Output, report: &Report) -> Result<(), Failure> {
    let mut gradients: Vec<&str> = report.schemes[2..].iter().map(|line| line.gradients).collect();
    let same = report
        .schemes
        .iter()
        .all(|line| line.gradients == line.activations);
    gradients.dedup();
    writeln!(out)?;
    match gradients[..] {
        [] => {}
        _ if same => writeln!(
            out,
            "act: activations; grad: gradients, sent with the same preset."
        )?,
        [all] => writeln!(
            out,
            "act: activations, sent with the preset; grad: gradients, sent with {all}."
        )?,
        [all, last, ..] => writeln!(
            out,
            "act: activations, sent with the preset; grad: gradients, sent with {all}, in the last row {last}."
        )?,
    }
    for line in &report.schemes {
        let (over, under) = (line.overflows, line.underflows);
        if over > 0 {
            writeln!(
                out,
                "{}: {over} values a step are beyond its range and become infinite.",
                line.scheme
            )?;
        }
        if under > 0 {
            writeln!(
                out,
                "{}: {under} values a step are below its range and become zero; no loss scaling here.",
                line.scheme
            )?;
        }
    }
    let compute = match report.compute_ms {
        0.0 => "no time for computing".to_owned(),
        ms => format!("{ms} ms for each pass of a stage"),
    };
    writeln!(
        out,
        "step: all micro-batches forth and back, {compute}; the median of {}.\n\
         pays below: on slower links the wire saves more time than encoding and decoding take.",
        report.steps
    )?;
    Ok(())
}

/// A rate in bits a second, in eight characters.
fn show_rate(mbit: f64) -> String {
    if mbit.is_nan() {
        "-".to_owned()
    } else if mbit < 999.5 {
        format!("{mbit:.0} Mbit")
    } else if mbit < 9950.0 {
        format!("{:.1} Gbit", mbit / 1000.0)
    } else {
        format!("{:.0} Gbit", mbit / 1000.0)
    }
}

/// Time a step as bars: what the link takes, then all the rest.
fn chart(out: &mut Output, report: &Report) -> Result<(), Failure> {
    let lines = &report.schemes;
    let longest = lines.iter().map(|line| line.step_ms).fold(0.0, f64::max);
    let rest = match report.compute_ms {
        0.0 => "encoding and decoding",
        _ => "encoding, decoding and computing",
    };
    writeln!(out, "\nTime a step: █ on the wire, ░ {rest}")?;
    for line in lines {
        let wire_ms = line.wire_bytes_a_step as f64 * 8.0 / (report.mbit * 1e3);
        let cells = |ms: f64| (ms / longest * BAR).round() as usize;
        let all = cells(line.step_ms).max(1);
        let wire = cells(wire_ms).min(all);
        let (wire, rest) = ("█".repeat(wire), "░".repeat(all - wire));
        writeln!(out, "{:<15} {wire}{rest} {:.0} ms", line.scheme, line.step_ms)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_keep_to_their_room() {
        for (mbit, shown) in [
            (f64::NAN, "-"),
            (0.4, "0 Mbit"),
            (999.4, "999 Mbit"),
            (999.6, "1.0 Gbit"),
            (9_949.0, "9.9 Gbit"),
            (9_951.0, "10 Gbit"),
            (11_900.0, "12 Gbit"),
            (250_000.0, "250 Gbit"),
        ] {
            assert_eq!(show_rate(mbit), shown);
            assert!(shown.len() <= 8);
        }
    }
}
