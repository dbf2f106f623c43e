//! Every level that this machine has gives the bits of the scalar one, encoding and decoding, on random and
//! on adversarial data; and every level that it should have is there. `TAHQ_SEED` repeats a failure.

mod reference;

use reference::{Rng, random_frame};
use tahq::{
    Allocation, Config, Decoder, Effort, Encoder, Exponents, Fit, Granularity, Level, Rank, Rotation,
    Rounding, Share, SourceType, TileSize,
};

fn seeds(name: &str, count: usize) -> Vec<u64> {
    match std::env::var("TAHQ_SEED") {
        Ok(seed) => vec![seed.parse().expect("TAHQ_SEED is a decimal number")],
        Err(_) => {
            let mut rng = Rng::named(name);
            (0..count).map(|_| rng.draw()).collect()
        }
    }
}

#[test]
fn expected_levels_are_there() {
    let names: Vec<&str> = Level::available().map(Level::name).collect();
    println!("levels: {}", names.join(", "));
    assert_eq!(names[0], "scalar");
    // Part of every target but those without floating-point registers.
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    assert_eq!(cfg!(target_feature = "neon"), names.contains(&"neon"));
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("f16c")
            && std::is_x86_feature_detected!("fma");
        assert_eq!(avx2, names.contains(&"avx2"));
        let avx512 = avx2
            && std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vl")
            && std::is_x86_feature_detected!("avx512vbmi")
            && std::is_x86_feature_detected!("avx512vnni")
            && std::is_x86_feature_detected!("gfni");
        assert_eq!(avx512, names.contains(&"avx512"));
    }
    #[cfg(target_arch = "wasm32")]
    assert_eq!(cfg!(target_feature = "simd128"), names.contains(&"simd128"));
    assert_eq!(Level::detect().name(), *names.last().expect("scalar at least"));
    assert!(Level::named("no such level").is_none());
}

#[test]
fn decoding_is_the_same_at_every_level() {
    for seed in seeds("levels decode", 3000) {
        let sample = random_frame(&mut Rng(seed));
        let decoder = match sample.table.as_deref() {
            Some(table) => Decoder::new().with_exponents(table),
            None => Decoder::new(),
        };
        let frame = decoder.parse(&sample.frame).expect("a valid frame");
        let header = frame.header();
        let len = header.elements() as usize;
        let mut scalar = vec![0.0f32; len];
        decoder
            .with_level(Level::SCALAR)
            .decode(&sample.frame, &mut scalar)
            .expect("a valid frame");
        for level in Level::available() {
            let mut values = vec![f32::NAN; len];
            decoder
                .with_level(level)
                .decode(&sample.frame, &mut values)
                .expect("a valid frame");
            let same = scalar
                .iter()
                .zip(&values)
                .all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "level {}, TAHQ_SEED={seed}: {header:?}", level.name());
        }
    }
}

/// Numbers that kernels get wrong: ties of the quantiser, zeros of both signs, subnormals, ends of the range.
fn adversarial(rng: &mut Rng, len: usize) -> Vec<f32> {
    let kind = rng.draw() % 8;
    let scale = 2f32.powi((rng.draw() % 250) as i32 - 125);
    (0..len)
        .map(|_| {
            let bits = rng.draw();
            let unit = (bits >> 40) as f32 / 8_388_608.0 - 1.0;
            let whole = (bits % 31) as f32 - 15.0;
            let value = match kind {
                0 => unit * scale,
                1 => whole * scale,
                2 => (whole + 0.5) * scale,
                3 => [0.0, -0.0, scale, -scale][(bits % 4) as usize],
                4 => f32::from_bits((bits & 0x80ff_ffff) as u32),
                5 => f32::from_bits((bits & 0xff7f_ffff) as u32 | 0x0080_0000) * 0.5,
                6 if bits.is_multiple_of(61) => unit * scale * 1000.0,
                6 => unit * scale,
                _ => f32::MAX * unit.signum(),
            };
            if value.is_finite() { value } else { scale }
        })
        .collect()
}

fn random_config(rng: &mut Rng) -> Config {
    let mut pick = |n: u64| (rng.draw() % n) as usize;
    let hi = 1 + pick(8) as u8;
    let granularity = [Granularity::Tile, Granularity::Row][pick(2)];
    let lowest = u8::from(granularity == Granularity::Row);
    let rank = [Rank::Entropy, Rank::Range][pick(2)];
    let share = Share {
        parts: pick(6) as u32,
        of: 5,
    };
    Config {
        tile: [TileSize::G32, TileSize::G64, TileSize::G128][pick(3)],
        hi,
        lo: lowest + pick(u64::from(hi - lowest + 1)) as u8,
        allocation: match pick(4) {
            0 => Allocation::Uniform,
            1 => Allocation::Prune { below: 0.0 },
            _ => Allocation::Mixed {
                granularity,
                share,
                rank,
            },
        },
        rotation: [
            Rotation::Never,
            Rotation::Ratio { tau: 2.0 },
            Rotation::Narrower,
            Rotation::Narrower,
        ][pick(4)],
        exponents: [
            Exponents::None,
            Exponents::Estimated {
                min_rows: 2,
                sample: 0,
            },
        ][pick(2)],
        fit: [Fit::Range, Fit::LeastError][pick(2)],
        rounding: match pick(4) {
            0 => Rounding::Stochastic {
                seed: pick(u64::MAX) as u64,
            },
            _ => Rounding::Nearest,
        },
        effort: [Effort::Fast, Effort::Balanced, Effort::Best][pick(3)],
    }
}

#[test]
fn encoding_is_the_same_at_every_level() {
    for seed in seeds("levels encode", 1500) {
        let mut rng = Rng(seed);
        let config = random_config(&mut rng);
        let (rows, width) = (1 + (rng.draw() % 4) as u32, 1 + (rng.draw() % 300) as u32);
        let x = adversarial(&mut rng, (rows * width) as usize);
        let bound = config
            .max_frame_len(rows, width, SourceType::F32)
            .expect("a small frame");
        let encoder = Encoder::new(config).unwrap_or_else(|error| panic!("{error}: {config:?}"));
        let encode = |level| {
            let mut frame = vec![0; bound];
            let result = encoder.with_level(level).encode(&x, rows, width, &mut frame);
            frame.truncate(*result.as_ref().unwrap_or(&0));
            (result, frame)
        };
        let scalar = encode(Level::SCALAR);
        scalar
            .0
            .as_ref()
            .unwrap_or_else(|error| panic!("{error}, TAHQ_SEED={seed}: {config:?}"));
        for level in Level::available() {
            assert_eq!(
                scalar,
                encode(level),
                "level {}, TAHQ_SEED={seed}: {config:?}",
                level.name()
            );
        }
        let mut y = vec![0.0f32; x.len()];
        Decoder::new().decode(&scalar.1, &mut y).expect("our own frame");
        assert!(y.iter().all(|y| y.is_finite()), "TAHQ_SEED={seed}: {config:?}");
    }
}
