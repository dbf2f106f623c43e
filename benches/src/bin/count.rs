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
//!
//! Where there is no callgrind, an emulator can count: decoding is repeated as often as the third argument says, once
//! without it, and encoding as often as the fifth, so that two runs differ by so many calls. The fourth is the width. For
//! NEON, and a frame without channel exponents, which is encoded once:
//!
//! ```text
//! qemu-aarch64 -one-insn-per-tb -d exec,nochain -D trace target/aarch64-unknown-linux-gnu/release/count \
//!     int4-balanced-unscaled neon 10 576 1
//! ```

use std::hint::black_box;
use std::process::ExitCode;

use tahq::{Config, Decoder, Effort, Encoder, Exponents, Level, Rotation};

const ROWS: u32 = 64;
const WIDTH: u32 = 4096;

fn config(name: &str) -> Option<Config> {
    if let Some(scaled) = name.strip_suffix("-unscaled") {
        return Some(Config {
            exponents: Exponents::None,
            ..config(scaled)?
        });
    }
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
fn encode(encoder: &Encoder<'_>, x: &[f32], width: u32, frame: &mut [u8]) -> usize {
    encoder
        .encode(x, ROWS, width, frame)
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
    let mut number = |default| match args.next() {
        Some(arg) => arg.parse().ok(),
        None => Some(default),
    };
    let (calls, width, encoded) = (number(1), number(WIDTH), number(1));
    let (Some(config), Some(level), Some(calls), Some(width), Some(encoded @ 1..)) =
        (config(&preset), Level::named(&level), calls, width, encoded)
    else {
        eprintln!(
            "usage: count PRESET[-unscaled] LEVEL [DECODED] [WIDTH] [ENCODED]\n\
             presets: int4-fast, int4-balanced, int4-best, int4-plain, mixed, tah-quant, int8\n\
             levels here: {}",
            Level::available().map(Level::name).collect::<Vec<_>>().join(", ")
        );
        return ExitCode::from(2);
    };
    let x = tahq_benches::activations(ROWS, width);
    let encoder = Encoder::new(config).expect("a preset is valid").with_level(level);
    let room = config
        .max_frame_len(ROWS, width, tahq::SourceType::F32)
        .expect("a small frame");
    let mut frame = vec![0; room];
    let mut len = 0;
    for _ in 0..encoded {
        len = encode(&encoder, black_box(&x), width, &mut frame);
    }
    let mut y = vec![0.0; x.len()];
    for _ in 0..calls {
        decode(
            &Decoder::new().with_level(level),
            black_box(&frame[..len]),
            &mut y,
        );
    }
    black_box(&y);
    println!("{preset} {}: {} elements, {len} bytes", level.name(), x.len());
    ExitCode::SUCCESS
}
