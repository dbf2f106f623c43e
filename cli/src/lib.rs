//! The `tahq` command: encodes, decodes, inspects and compares transformer activations.
//!
//! Whatever goes wrong is one line on standard error and a non-zero exit code. A library so that the fuzzer can call
//! what reads files of unknown origin; it promises no interface.

mod bench;
mod coder;
mod compare;
mod container;
mod count;
mod decode;
mod demo;
mod encode;
mod failure;
mod filter;
mod frames;
mod input;
mod inspect;
mod level;
mod measure;
mod npy;
mod output;
mod presets;
mod progress;
mod raw;
mod safetensors_file;
mod tensor;
mod tensor_file;

use std::io::Write;
use std::panic;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use failure::Failure;

/// Compress the activations and gradients that the stages of a pipeline-parallel transformer exchange.
#[derive(Debug, Parser)]
#[command(name = "tahq", version, max_term_width = 110, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  tahq demo
  tahq encode acts.safetensors acts.tahq
  tahq inspect acts.tahq --png acts.png
  tahq decode acts.tahq acts.safetensors
  tahq compare acts.safetensors

Every command explains itself: tahq COMMAND --help";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Encode(encode::Args),
    Decode(decode::Args),
    Inspect(inspect::Args),
    Compare(compare::Args),
    Bench(bench::Args),
    Filter(filter::Args),
}

/// Runs the command that the program's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    // A panic would be a fault of this program; say so on one line as with every other failure.
    panic::set_hook(Box::new(|info| {
        let _ = writeln!(
            std::io::stderr(),
            "tahq: internal error: {}",
            one_line(&info.to_string())
        );
    }));
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "tahq: {}", failure.line());
            ExitCode::from(failure.code())
        }
    }
}

/// What `tahq inspect` writes about the file at `path`, with or without `--json`, into `out`.
///
/// # Errors
///
/// The line that the command would end with.
pub fn inspect(path: &Path, json: bool, out: &mut impl Write) -> Result<(), String> {
    inspect::report(path, json, out).map_err(|failure| failure.line())
}

fn run() -> Result<(), Failure> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    match &cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Encode(args) => encode::run(args),
        Command::Decode(args) => decode::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Filter(args) => filter::run(args),
    }
}

/// Help and version go to standard output; anything else becomes one line.
fn refuse(error: &clap::Error) -> Result<(), Failure> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let mut out = output::Output::stdout();
        write!(out, "{}", error.render())?;
        return out.finish();
    }
    if matches!(
        error.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return Err(Failure::usage("a command is missing; see tahq --help"));
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let end = text
        .find("\n\nUsage:")
        .or_else(|| text.find("\n\nFor more information"));
    // What clap would have on a line of its own.
    let text = text[..end.unwrap_or(text.len())].replace("\n\n  tip: ", "; ");
    let line = one_line(&text);
    Err(Failure::usage(format_args!("{line}; see --help")))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
