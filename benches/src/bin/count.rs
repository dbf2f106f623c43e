//! One call of the codec, to have its instructions counted: the same number on each run, whatever else the machine
//! does.
//!
//! ```text
//! cargo build --release -p tahq-benches --bin count
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='count::encode' \
//!     target/release/count int4-fast avx2
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='count::decode' \
//!     target/release/count int4-fast avx2
//! ```
//!
//! Divide what is collected by the elements that are printed.

use std::hint::black_box;
use std::process::ExitCode;

use tahq::{Config, Decoder, Effort, Encoder, Level, Rotation};

const ROWS: u32 = 64;
const WIDTH: u32 = 4096;

fn config(name: &str) -> Option<Config> {
    let fast = |config| Config {
        effort: Effort::Fast,
        ..config
    };
    Some(match name {
        "int4-fast" => fast(Config::INT4),
        "int4-balanced" => Config::INT4,
        "int4-best" => Config {
            effort: Effort::Best,
            ..Config::INT4
        },
        "int4-plain" => Config {
            rotation: Rotation::Never,
            ..fast(Config::INT4)
        },
        "mixed" => Config::MIXED,
        "tah-quant" => fast(Config::TAH_QUANT),
        "int8" => Config::INT8,
        _ => return None,
    })
}

#[inline(never)]
fn encode(encoder: &Encoder<'_>, x: &[f32], frame: &mut [u8]) -> usize {
    encoder
        .encode(x, ROWS, WIDTH, frame)
        .expect("finite values, and room")
}

#[inline(never)]
fn decode(decoder: &Decoder<'_>, frame: &[u8], y: &mut [f32]) {
    decoder.decode(frame, y).expect("our own frame");
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let preset = args.next().unwrap_or_default();
    let level = args.next().unwrap_or_default();
    let (Some(config), Some(level)) = (config(&preset), Level::named(&level)) else {
        eprintln!(
            "usage: count int4-fast|int4-balanced|int4-best|int4-plain|mixed|tah-quant|int8 LEVEL\n\
             levels here: {}",
            Level::available().map(Level::name).collect::<Vec<_>>().join(", ")
        );
        return ExitCode::from(2);
    };
    let x = tahq_benches::activations(ROWS, WIDTH);
    let encoder = Encoder::new(config).expect("a preset is valid").with_level(level);
    let room = config
        .max_frame_len(ROWS, WIDTH, tahq::SourceType::F32)
        .expect("a small frame");
    let mut frame = vec![0; room];
    let len = encode(&encoder, black_box(&x), &mut frame);
    let mut y = vec![0.0; x.len()];
    decode(
        &Decoder::new().with_level(level),
        black_box(&frame[..len]),
        &mut y,
    );
    black_box(&y);
    println!("{preset} {}: {} elements, {len} bytes", level.name(), x.len());
    ExitCode::SUCCESS
}
