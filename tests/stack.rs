//! How much stack each entry takes, at every level and tile size: measured by what a call changes of a painted stack.
//! In release only; other profiles say nothing about it. `-- --nocapture` prints the table of `docs/robustness.md`.
#![cfg(not(debug_assertions))]
// The stack is painted and read by address.
#![allow(unsafe_code)]

mod common;

use std::hint::black_box;

use tahq::{
    Config, Decoder, Effort, Element, Encoder, Exponents, Frame, Level, SourceType, TileSize, bf16,
    estimate_exponents, f16,
};

/// Bytes that are painted below the caller's frame: more than any entry may take.
const PAINTED: usize = 256 << 10;
/// What the painter's own frame may have; less is not seen.
const OWN: usize = 384;

const fn colour(at: usize) -> u64 {
    (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

/// Bytes of stack that `work` writes to, counted from this function's frame.
#[inline(never)]
fn depth(work: &mut dyn FnMut()) -> usize {
    // What is done at a first call only has been done.
    work();
    let mut local = 0u64;
    let top = black_box(&raw mut local) as usize;
    for at in (top - PAINTED..top - OWN).step_by(8) {
        // SAFETY: the thread that calls has more stack than that, and nothing lives below this function's frame.
        unsafe { (at as *mut u64).write_volatile(colour(at)) };
    }
    work();
    let deepest = (top - PAINTED..top - OWN).step_by(8).find(|&at| {
        // SAFETY: as above.
        let found = unsafe { (at as *const u64).read_volatile() };
        found != colour(at)
    });
    top - deepest.unwrap_or(top - OWN)
}

/// A frame of so many bytes.
#[inline(never)]
fn take<const BYTES: usize>() -> u8 {
    let mut bytes = [1u8; BYTES];
    black_box(&mut bytes)[BYTES / 2]
}

#[test]
fn what_is_taken_is_seen() {
    let taken = depth(&mut || {
        black_box(take::<2000>());
    });
    assert!((2000..2600).contains(&taken), "{taken}");
    let taken = depth(&mut || {
        black_box(take::<100_000>());
    });
    assert!((100_000..100_600).contains(&taken), "{taken}");
}

/// The most that any preset takes, of rows that end within a tile, for each effort of encoding and for decoding.
fn most<E: Element>(level: Level, tile: TileSize) -> ([usize; 3], usize) {
    let (rows, width) = (33, 4 * 128 + 50);
    let x: Vec<E> = (0..rows * width)
        .map(|i| E::from_f32((i as f32 * 0.37).sin() * if i % 41 == 0 { 30.0 } else { 1.0 }))
        .collect();
    let mut table = vec![0i8; width as usize];
    estimate_exponents(&x, rows, width, 0, &mut table);
    let mut y = vec![E::from_f32(0.0); x.len()];
    let mut encoding = [0; 3];
    let mut decoding = 0;
    for preset in common::presets() {
        for (effort, encoding) in [Effort::Fast, Effort::Balanced, Effort::Best]
            .into_iter()
            .zip(&mut encoding)
        {
            for exponents in [preset.exponents, Exponents::InFrame] {
                let config = Config {
                    tile,
                    effort,
                    exponents,
                    ..preset
                };
                let bound = config.max_frame_len(rows, width, E::SOURCE).expect("small");
                let mut frame = vec![0; bound];
                let encoder = Encoder::new(config)
                    .expect("a valid configuration")
                    .with_level(level)
                    .with_exponents(&table);
                let mut len = 0;
                *encoding = (*encoding).max(depth(&mut || {
                    len = encoder.encode(&x, rows, width, &mut frame).expect("encodes");
                }));
                *encoding = (*encoding).max(depth(&mut || {
                    let stats = encoder.encode_with_stats(&x, rows, width, &mut frame);
                    black_box(stats).expect("encodes");
                }));
                let frame = &frame[..len];
                let decoder = Decoder::new().with_level(level);
                decoding = decoding.max(depth(&mut || {
                    decoder.decode(frame, &mut y).expect("decodes");
                }));
                let view = Frame::parse(frame, None).expect("a frame");
                decoding = decoding.max(depth(&mut || {
                    assert_eq!(view.validate(), Ok(()));
                }));
            }
        }
    }
    (encoding, decoding)
}

/// What an entry may take at most: a bound that holds with some room, for other compilers.
const ENCODE: usize = 20 << 10;
const DECODE: usize = 6 << 10;
/// The same of decoding so much that it goes past the caches, to where lines of them are not whole.
const DECODE_MUCH: usize = 24 << 10;

#[test]
fn much_keeps_to_its_bound() {
    let (rows, width) = (4096, 562);
    let x = vec![1.5f32; (rows * width) as usize];
    let mut frame = vec![
        0;
        Config::INT4
            .max_frame_len(rows, width, SourceType::F32)
            .expect("small")
    ];
    let encoder = Encoder::new(Config::INT4).expect("a valid configuration");
    let len = encoder.encode(&x, rows, width, &mut frame).expect("encodes");
    let mut y = vec![0.0f32; x.len()];
    for level in Level::available() {
        let decoder = Decoder::new().with_level(level);
        let taken = depth(&mut || {
            decoder.decode(&frame[..len], &mut y).expect("decodes");
        });
        assert_eq!(x, y);
        println!("{}: {taken} bytes to decode 9 MiB", level.name());
        assert!(taken <= DECODE_MUCH, "{}: {taken} of {DECODE_MUCH}", level.name());
        y.fill(0.0);
    }
}

#[test]
fn every_entry_keeps_to_its_bound() {
    println!("| level | G | encode fast | balanced | best | decode |");
    println!("|---|---|---|---|---|---|");
    for level in Level::available() {
        for tile in [TileSize::G32, TileSize::G64, TileSize::G128] {
            let of = [
                most::<f32>(level, tile),
                most::<f16>(level, tile),
                most::<bf16>(level, tile),
            ];
            let encoding: [usize; 3] = std::array::from_fn(|effort| {
                of.iter().map(|(encoding, _)| encoding[effort]).max().unwrap_or(0)
            });
            let decoding = of.iter().map(|(_, decoding)| *decoding).max().unwrap_or(0);
            let [fast, balanced, best] = encoding;
            println!(
                "| `{}` | {} | {fast} | {balanced} | {best} | {decoding} |",
                level.name(),
                tile.len()
            );
            assert!(
                encoding.iter().all(|&taken| taken <= ENCODE) && decoding <= DECODE,
                "{}, G {}: encode {encoding:?} of {ENCODE}, decode {decoding} of {DECODE}",
                level.name(),
                tile.len()
            );
        }
    }
}
