//! Two builds of the library against each other, in pairs: a machine that is slow for a while is so for both.
//!
//! The build before the change goes first:
//!
//! ```sh
//! git stash                                   # or: git worktree add ../before main && cd ../before
//! cargo bench -p tahq-benches --bench paired --no-run
//! ```
//!
//! Cargo names the executable that it made; keep a copy, then compare the build after the change to it:
//!
//! ```sh
//! cp target/release/deps/paired-0123456789abcdef target/before
//! git stash pop
//! cargo bench -q -p tahq-benches --bench paired -- compare target/before --time 5
//! cargo bench -q -p tahq-benches --bench paired -- compare target/before --time 5 --filter '*/int4*'
//! ```
//!
//! A line gives the mean times of before and after and their difference; an asterisk marks one that is
//! significant. First compare a build to a copy of itself: what differs then is the machine's noise.
//! `cargo bench -p tahq-benches --bench paired` lists the names.
//!
//! Both executables are to be built from this file as it stands: copy `benches/` over an older tree.

use std::hint::black_box;

use tahq::{Config, Decoder, Effort, Encoder, Level, Rotation, SourceType};
use tahq_benches::{Placed, Random, activations, same_bits, scalar_frame, scalar_values};
use tango_bench::{Benchmark, benchmark_fn, tango_benchmarks};

const WIDTH: u32 = 4096;

const ENCODERS: [(&str, Config); 6] = [
    ("int4 fast", with_effort(Config::INT4, Effort::Fast)),
    ("int4 balanced", Config::INT4),
    ("int4 best", with_effort(Config::INT4, Effort::Best)),
    ("tah-quant fast", with_effort(Config::TAH_QUANT, Effort::Fast)),
    ("mixed balanced", Config::MIXED),
    ("int8 balanced", Config::INT8),
];

const DECODERS: [(&str, Config); 5] = [
    ("int4", Config::INT4),
    (
        "int4 plain",
        Config {
            rotation: Rotation::Never,
            ..Config::INT4
        },
    ),
    ("tah-quant", Config::TAH_QUANT),
    ("mixed", Config::MIXED),
    ("int8", Config::INT8),
];

const fn with_effort(config: Config, effort: Effort) -> Config {
    Config { effort, ..config }
}

/// A few rows, which stay in the caches and leave time for many pairs, and 64 MiB.
const ROWS: [(&str, u32); 2] = [("32 rows", 32), ("4096 rows", 4096)];

fn encode(level: Level, place: &str, rows: u32, name: &str, config: Config) -> Benchmark {
    let title = format!("{}/encode {place}/{name}", level.name());
    benchmark_fn(title, move |bencher| {
        let mut random = Random(bencher.seed);
        let values = activations(rows, WIDTH);
        let encoder = Encoder::new(config).expect("valid").with_level(level);
        let room = config.max_frame_len(rows, WIDTH, SourceType::F32);
        let mut x = Placed::holding(&values);
        let mut frame = Placed::filled(room.expect("a frame below 4 GiB"), 0);
        x.place(&mut random);
        frame.place(&mut random);
        let len = encoder
            .encode(&x, rows, WIDTH, &mut frame)
            .expect("finite values");
        // Of this build's own scalar level: an encoder may choose otherwise than it did.
        assert!(frame[..len] == scalar_frame(config, &values, rows, WIDTH));
        bencher.iter(move || encoder.encode(black_box(&x), rows, WIDTH, &mut frame).is_ok())
    })
}

fn decode(level: Level, place: &str, rows: u32, name: &str, config: Config) -> Benchmark {
    let title = format!("{}/decode {place}/{name}", level.name());
    benchmark_fn(title, move |bencher| {
        let mut random = Random(bencher.seed);
        let bytes = scalar_frame(config, &activations(rows, WIDTH), rows, WIDTH);
        let expected = scalar_values(&bytes, rows as usize * WIDTH as usize);
        let decoder = Decoder::new().with_level(level);
        let mut frame = Placed::holding(&bytes);
        let mut y = Placed::filled(expected.len(), f32::NAN);
        frame.place(&mut random);
        y.place(&mut random);
        decoder.decode(&frame, &mut y).expect("our own frame");
        assert!(same_bits(&y, &expected));
        bencher.iter(move || decoder.decode(black_box(&frame), &mut y).is_ok())
    })
}

fn benchmarks() -> Vec<Benchmark> {
    let mut all = Vec::new();
    // The fastest level first: it is the one that most changes are about.
    let mut levels: Vec<Level> = Level::available().collect();
    levels.reverse();
    for level in levels {
        for (place, rows) in ROWS {
            all.extend(ENCODERS.map(|(name, config)| encode(level, place, rows, name, config)));
            all.extend(DECODERS.map(|(name, config)| decode(level, place, rows, name, config)));
        }
    }
    all
}

tango_benchmarks!(benchmarks());
