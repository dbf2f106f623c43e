//! The encoder gives the same bytes for the same input and settings: in debug and release, at every level, on
//! every target. The checksums of its frames of the real tensors are pinned in `encoder_bytes.txt`.
//!
//! Unlike the format's vectors these may change: whoever improves the encoder writes them anew with
//! `TAHQ_BLESS=1 cargo test --test encoder_bytes`, in the commit that says why.

mod common;

use std::fmt::Write as _;
use std::path::Path;

use half::{bf16, f16};
use tahq::{Config, Effort, Element, Encoder, Level, Rounding, TileSize};

fn checksum<E: Element>(encoder: &Encoder<'_>, x: &[E], rows: u32, width: u32) -> String {
    let bound = encoder
        .config()
        .max_frame_len(rows, width, E::SOURCE)
        .expect("a small frame");
    let mut frame = vec![0; bound];
    let len = encoder.encode(x, rows, width, &mut frame).expect("finite values");
    // The frame's own checksum covers all of it.
    let end: [u8; 4] = frame[len - 4..len].try_into().expect("four bytes");
    format!("{len:>7} {:08x}", u32::from_le_bytes(end))
}

fn table(level: Level) -> String {
    let variants = [
        (
            "int4 G32",
            Config {
                tile: TileSize::G32,
                ..Config::INT4
            },
        ),
        (
            "mixed G128",
            Config {
                tile: TileSize::G128,
                ..Config::MIXED
            },
        ),
        (
            "gradient stochastic",
            Config {
                rounding: Rounding::Stochastic { seed: 250_601_352 },
                ..Config::GRADIENT
            },
        ),
    ];
    let mut text = String::new();
    for sample in common::samples() {
        let mut line = |name: &str, value: String| {
            writeln!(text, "{:<32} {name:<28} {value}", sample.name).expect("a string takes anything");
        };
        let width = sample.width as usize;
        for (name, config) in common::PRESETS.into_iter().chain(variants) {
            for effort in [Effort::Fast, Effort::Balanced, Effort::Best] {
                let encoder = Encoder::new(Config { effort, ..config })
                    .expect("valid")
                    .with_level(level);
                // Searching everything is slow without optimisation: a few rows show it as well.
                let rows = if effort == Effort::Best { 3 } else { sample.rows };
                let x = &sample.values[..rows as usize * width];
                line(
                    &format!("{name} {effort:?}"),
                    checksum(&encoder, x, rows, sample.width),
                );
            }
        }
        let encoder = Encoder::new(Config::INT4).expect("valid").with_level(level);
        // A width that is no multiple of the tile size, in half precision.
        let odd = (width - 23) as u32;
        let rows = 40;
        let x = &sample.values[..rows as usize * odd as usize];
        let narrow: Vec<f16> = x.iter().map(|&x| f16::from_f32(x)).collect();
        line("int4 f16 tail", checksum(&encoder, &narrow, rows, odd));
        let narrow: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(x)).collect();
        line("int4 bf16 tail", checksum(&encoder, &narrow, rows, odd));
    }
    text
}

#[test]
fn encoder_bytes_are_pinned() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encoder_bytes.txt");
    let scalar = table(Level::SCALAR);
    if std::env::var_os("TAHQ_BLESS").is_some() {
        std::fs::write(&path, &scalar).expect("the tests' folder can be written to");
    }
    let pinned = std::fs::read_to_string(&path).expect("the table is checked in");
    for level in Level::available() {
        let table = if level == Level::SCALAR {
            scalar.clone()
        } else {
            table(level)
        };
        for (got, expected) in table.lines().zip(pinned.lines()) {
            assert_eq!(got, expected, "level {}", level.name());
        }
        assert_eq!(table.lines().count(), pinned.lines().count());
        println!("level {}: {} frames", level.name(), table.lines().count());
    }
}
