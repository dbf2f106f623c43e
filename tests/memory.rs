//! A short walk through every preset, element type, tile size and level on buffers of exactly the right length, each a
//! block of its own: for memcheck and the address sanitizer, which see what lies beyond. `.ci/sanitize.sh` runs it under
//! both.
// For the planted fault alone.
#![allow(unsafe_code)]

mod common;

use std::hint::black_box;

use tahq::{Config, Decoder, Effort, Element, Encoder, Level, TileSize, bf16, f16};

fn exact<E: Element>(level: Level) -> u64 {
    let mut sum = 0u64;
    for (i, config) in common::presets().enumerate() {
        for (j, tile) in [TileSize::G32, TileSize::G64, TileSize::G128]
            .into_iter()
            .enumerate()
        {
            let effort = [Effort::Fast, Effort::Balanced, Effort::Best][(i + j) % 3];
            let config = Config {
                tile,
                effort,
                ..config
            };
            for (rows, width) in [(1, 1), (2, 31), (3, 130), (33, 64)] {
                let x: Box<[E]> = (0..rows * width)
                    .map(|i| E::from_f32((i as f32 * 0.37).sin() * if i % 41 == 0 { 30.0 } else { 1.0 }))
                    .collect();
                let encoder = Encoder::new(config)
                    .expect("a valid configuration")
                    .with_level(level);
                let mut frame =
                    vec![0; config.max_frame_len(rows, width, E::SOURCE).expect("small")].into_boxed_slice();
                let len = encoder.encode(&x, rows, width, &mut frame).expect("encodes");
                let frame: Box<[u8]> = frame[..len].into();
                let mut y = vec![E::from_f32(f32::NAN); x.len()].into_boxed_slice();
                Decoder::new()
                    .with_level(level)
                    .decode(&frame, &mut y)
                    .expect("decodes");
                // Every bit of the result decides something: memcheck reports a decision on what was never written.
                for y in &y {
                    if y.to_f32() < 0.25 {
                        sum += 1;
                    }
                }
            }
        }
    }
    sum
}

#[test]
fn buffers_of_the_exact_length() {
    for level in Level::available() {
        let sum = exact::<f32>(level) + exact::<f16>(level) + exact::<bf16>(level);
        assert!(sum > 1000, "{sum}");
        println!("level {}: {sum}", level.name());
    }
}

/// Run by `.ci/sanitize.sh`, which requires that it is found.
#[test]
#[ignore = "reads beyond a block, on purpose"]
fn planted_fault() {
    let block = vec![1u8; 40].into_boxed_slice();
    // SAFETY: none. It is the fault.
    let beyond = unsafe { *black_box(block.as_ptr()).add(black_box(43)) };
    println!("{}", if beyond > 7 { "a" } else { "b" });
}
