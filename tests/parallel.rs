//! The threads of a pool give the bytes, the values and the errors of one.
#![cfg(feature = "rayon")]

mod common;
mod reference;

use half::{bf16, f16};
use rayon::ThreadPoolBuilder;
use reference::Rng;
use tahq::{
    Allocation, CHECKSUM_LEN, Config, DecodeError, Decoder, Element, EncodeError, Encoder, Exponents, Level,
    Rounding,
};

/// Sizes of the pools: one, a power of two, an odd one, and more than there are pieces.
const POOLS: [usize; 4] = [1, 2, 3, 16];

/// None, one, fewer than pieces, not divisible into equal pieces; wide and narrow rows; a tail.
const SHAPES: [(u32, u32); 9] = [
    (0, 0),
    (0, 576),
    (3000, 0),
    (1, 576),
    (1, 40_000),
    (5, 20_011),
    (250, 576),
    (1001, 70),
    (20_000, 3),
];

fn in_pools(run: impl Fn(usize) + Sync) {
    for threads in POOLS {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(|| run(threads));
    }
}

/// Real activations and gradients, one after another; every seventh row is zero, for the presets that drop it.
fn tensor(rows: u32, width: u32) -> Vec<f32> {
    let samples = common::bf16_samples();
    let mut values = samples.iter().flat_map(|sample| &sample.values).cycle();
    let mut x: Vec<f32> = values
        .by_ref()
        .take(rows as usize * width as usize)
        .copied()
        .collect();
    if width > 0 {
        for row in x.chunks_exact_mut(width as usize).skip(2).step_by(7) {
            row.fill(0.0);
        }
    }
    x
}

fn presets() -> impl Iterator<Item = (&'static str, Config)> {
    let seeded = Config {
        rounding: Rounding::Stochastic { seed: 7 },
        ..Config::INT4
    };
    let quiet = Config {
        allocation: Allocation::Prune { below: 1.0 },
        ..Config::INT4
    };
    let others = [("raw", Config::RAW), ("stochastic", seeded), ("pruned", quiet)];
    common::PRESETS.into_iter().chain(others)
}

fn sequential<E: Element>(encoder: &Encoder<'_>, x: &[E], rows: u32, width: u32) -> Vec<u8> {
    let len = encoder.config().max_frame_len(rows, width, E::SOURCE);
    let mut frame = vec![0x5a; len.expect("a small frame")];
    let len = encoder.encode(x, rows, width, &mut frame).expect("finite values");
    frame.truncate(len);
    frame
}

fn same_bytes_and_values<E: Element + Send + Sync>(config: Config, rows: u32, width: u32, what: &str) {
    let x: Vec<E> = tensor(rows, width).into_iter().map(E::from_f32).collect();
    let encoder = Encoder::new(config).expect("valid");
    let expected = sequential(&encoder, &x, rows, width);
    let mut values = vec![E::from_f32(1.0); x.len()];
    let header = Decoder::new()
        .decode(&expected, &mut values)
        .expect("our own frame");
    in_pools(|threads| {
        // Longer than needed and not empty, as a caller's buffer is.
        let mut frame = vec![0xa5; expected.len() + 9];
        let len = encoder.encode_parallel(&x, rows, width, &mut frame);
        assert_eq!(len, Ok(expected.len()), "{what}, {threads} threads");
        assert!(frame[..expected.len()] == expected, "{what}, {threads} threads");
        assert_eq!(frame[expected.len()..], [0xa5; 9]);

        let mut y = vec![E::from_f32(f32::NAN); x.len()];
        assert_eq!(Decoder::new().decode_parallel(&expected, &mut y), Ok(header));
        let same = bytemuck::cast_slice::<E, u8>(&y) == bytemuck::cast_slice::<E, u8>(&values);
        assert!(same, "{what}, {threads} threads");
    });
}

#[test]
fn every_preset_and_shape() {
    for (name, config) in presets() {
        for (rows, width) in SHAPES {
            same_bytes_and_values::<f32>(config, rows, width, &format!("{name} f32 {rows} x {width}"));
        }
        same_bytes_and_values::<f16>(config, 300, 200, &format!("{name} f16"));
        same_bytes_and_values::<bf16>(config, 300, 200, &format!("{name} bf16"));
    }
}

#[test]
fn every_level() {
    let (rows, width) = (250, 576);
    let x = tensor(rows, width);
    let encoder = Encoder::new(Config::INT4).expect("valid");
    let expected = sequential(&encoder, &x, rows, width);
    let mut values = vec![0.0f32; x.len()];
    Decoder::new()
        .decode(&expected, &mut values)
        .expect("our own frame");
    for level in Level::available() {
        in_pools(|_| {
            let mut frame = vec![0; expected.len()];
            let encoder = encoder.with_level(level);
            let len = encoder.encode_parallel(&x, rows, width, &mut frame);
            assert_eq!(len, Ok(expected.len()));
            assert!(frame == expected, "{}", level.name());
            let mut y = vec![f32::NAN; x.len()];
            let decoder = Decoder::new().with_level(level);
            decoder.decode_parallel(&frame, &mut y).expect("our own frame");
            assert!(y == values, "{}", level.name());
        });
    }
}

#[test]
fn agreed_tables_and_masks() {
    let (rows, width) = (400, 160);
    let x = tensor(rows, width);
    let table: Vec<i8> = (0..width).map(|channel| (channel % 5) as i8).collect();
    let keep: Vec<bool> = (0..rows).map(|row| row % 3 != 0).collect();
    let config = Config {
        exponents: Exponents::Agreed,
        ..Config::GRADIENT
    };
    let encoder = Encoder::new(config).expect("valid");
    let encoder = encoder.with_exponents(&table).with_mask(&keep);
    let expected = sequential(&encoder, &x, rows, width);
    let decoder = Decoder::new().with_exponents(&table);
    let mut values = vec![0.0f32; x.len()];
    decoder.decode(&expected, &mut values).expect("our own frame");
    in_pools(|_| {
        let mut frame = vec![0; expected.len()];
        let len = encoder.encode_parallel(&x, rows, width, &mut frame);
        assert_eq!(len, Ok(expected.len()));
        assert!(frame == expected);
        let mut y = vec![f32::NAN; x.len()];
        decoder.decode_parallel(&frame, &mut y).expect("our own frame");
        assert!(y == values);
        fails_alike(&Decoder::new(), &frame, x.len());
    });
}

/// Both refuse, for the same reason; returns it.
fn refused(encoder: &Encoder<'_>, x: &[f32], rows: u32, width: u32, room: usize) -> EncodeError {
    let mut out = vec![0; room];
    let expected = encoder
        .encode(x, rows, width, &mut out)
        .expect_err("cannot be encoded");
    in_pools(|threads| {
        let mut out = vec![0; room];
        let error = encoder.encode_parallel(x, rows, width, &mut out);
        assert_eq!(error, Err(expected), "{threads} threads");
    });
    expected
}

#[test]
fn what_cannot_be_encoded_is_named_alike() {
    let (rows, width) = (300, 256);
    let clean = tensor(rows, width);
    let encoder = Encoder::new(Config::INT4).expect("valid");
    let room = sequential(&encoder, &clean, rows, width).len();
    let at = |row: u32, channel: u32| (row * width + channel) as usize;

    for faults in [
        vec![(299, 255)],
        vec![(40, 3), (7, 200), (280, 0)],
        vec![(0, 0), (299, 0)],
    ] {
        let mut x = clean.clone();
        for &(row, channel) in &faults {
            x[at(row, channel)] = f32::NAN;
        }
        let &(row, channel) = faults.iter().min().expect("one at least");
        let error = refused(&encoder, &x, rows, width, room);
        assert_eq!(error, EncodeError::NonFinite { row, channel });
    }

    // Of two kinds of fault the first in order.
    let table = vec![-100; width as usize];
    let agreed = Config {
        exponents: Exponents::Agreed,
        ..Config::INT4
    };
    let agreed = Encoder::new(agreed).expect("valid").with_exponents(&table);
    let mut x = vec![1e-3f32; clean.len()];
    (x[at(90, 17)], x[at(210, 4)]) = (1e30, f32::INFINITY);
    let error = refused(&agreed, &x, rows, width, room);
    assert_eq!(error, EncodeError::ExponentOverflow { row: 90, channel: 17 });

    for room in [0, 27, 28, 40, room - 1] {
        refused(&encoder, &clean, rows, width, room);
    }
    refused(&encoder, &clean[1..], rows, width, room);
    refused(&encoder, &clean, rows + 1, width, room);
    refused(&encoder, &clean, u32::MAX, u32::MAX, room);
    let keep = [true; 3];
    refused(&encoder.with_mask(&keep), &clean, rows, width, room);
    refused(&agreed.with_exponents(&table[1..]), &clean, rows, width, room);
}

/// Both refuse, for the same reason, and leave zeros; returns it.
fn fails_alike(decoder: &Decoder<'_>, frame: &[u8], len: usize) -> DecodeError {
    let mut y = vec![1.0f32; len];
    let expected = decoder.decode(frame, &mut y).expect_err("a broken frame");
    in_pools(|threads| {
        let mut y = vec![1.0f32; len];
        let error = decoder.decode_parallel(frame, &mut y);
        assert_eq!(error, Err(expected), "{threads} threads");
        assert!(y.iter().all(|y| y.to_bits() == 0), "{threads} threads");
    });
    expected
}

fn reseal(frame: &mut [u8]) {
    let (checked, checksum) = frame.split_at_mut(frame.len() - CHECKSUM_LEN);
    checksum.copy_from_slice(&crc32fast::hash(checked).to_le_bytes());
}

#[test]
fn broken_frames_are_refused_alike() {
    let (rows, width) = (300, 256);
    let x = tensor(rows, width);
    let len = x.len();
    let decoder = Decoder::new();
    for (name, config) in presets() {
        let good = sequential(&Encoder::new(config).expect("valid"), &x, rows, width);

        // Any byte, in any piece: the checksum is of all of them.
        let mut rng = Rng::named(name);
        for _ in 0..20 {
            let at = 28 + rng.draw() as usize % (good.len() - 28);
            let mut bad = good.clone();
            bad[at] ^= 1 << (rng.draw() % 8);
            let error = fails_alike(&decoder, &bad, len);
            assert!(matches!(error, DecodeError::Checksum { .. }), "{name} byte {at}");
        }
        for at in 0..28 {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            fails_alike(&decoder, &bad, len);
        }

        for cut in [0, 27, 28, good.len() / 2, good.len() - 1] {
            fails_alike(&decoder, &good[..cut], len);
        }
        let mut long = good.clone();
        long.push(0);
        fails_alike(&decoder, &long, len);

        // The output's length counts only where the checksum holds.
        let error = fails_alike(&decoder, &good, len - 1);
        assert!(matches!(error, DecodeError::OutputLength { .. }), "{name}");
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 1;
        let error = fails_alike(&decoder, &bad, len + 1);
        assert!(matches!(error, DecodeError::Checksum { .. }), "{name}");
    }
}

#[test]
fn of_faults_behind_a_good_checksum_the_first_counts() {
    let (rows, width) = (300, 256);
    let x = tensor(rows, width);
    let config = Config {
        exponents: Exponents::None,
        allocation: Allocation::Uniform,
        ..Config::INT4
    };
    let good = sequential(&Encoder::new(config).expect("valid"), &x, rows, width);
    let block = (good.len() - 28 - CHECKSUM_LEN) / rows as usize;
    let start = |row: usize| 28 + row * block;

    let mut bad = good.clone();
    // A base out of rule, and before it in order but later in the row a transform that means nothing.
    bad[start(200)] = 255;
    bad[start(131) + 4 + 4 * 3 + 3] = 1;
    reseal(&mut bad);
    let error = fails_alike(&Decoder::new(), &bad, x.len());
    let expected = DecodeError::BadTransform {
        row: 131,
        tile: 3,
        found: 1,
    };
    assert_eq!(error, expected);
    // The same without the checksum: nothing else about it is told.
    bad[start(299)] ^= 1;
    let error = fails_alike(&Decoder::new(), &bad, x.len());
    assert!(matches!(error, DecodeError::Checksum { .. }));
}
