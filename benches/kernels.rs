//! Kernels by level: one row of 4096 channels and less, without header, checksum or channel exponents, so that
//! next to nothing but the named kernel and what it cannot do without is timed.
//!
//! ```sh
//! cargo bench -p tahq-benches --bench kernels
//! cargo bench -p tahq-benches --bench kernels -- 'unpack'
//! ```
//!
//! Every row stays in the first caches. Results are compared to the scalar level's.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tahq::{
    Allocation, Config, Decoder, Effort, Element, Encoder, Exponents, Fit, Frame, Granularity, Level, Plan,
    Rank, Rotation, Rounding, Share, TileSize, bf16, f16,
};
use tahq_benches::{Job, Placed, Random, activations, same_bits, scalar_frame, timed};

const WIDTH: u32 = 4096;

const TILES: [TileSize; 3] = [TileSize::G32, TileSize::G64, TileSize::G128];

/// Range, quantise, pack: what every tile takes. Other kernels are this and one thing more.
const LEAST: Config = Config {
    rotation: Rotation::Never,
    exponents: Exponents::None,
    fit: Fit::Range,
    effort: Effort::Fast,
    ..Config::INT4
};

const ROTATED: Config = Config {
    rotation: Rotation::Ratio { tau: 0.0 },
    ..LEAST
};

const fn of_width(config: Config, width: u8) -> Config {
    Config {
        hi: width,
        lo: width,
        ..config
    }
}

const fn ranked(rank: Rank) -> Config {
    Config {
        lo: 3,
        allocation: Allocation::Mixed {
            granularity: Granularity::Tile,
            share: Share::FOUR_FIFTHS,
            rank,
        },
        ..LEAST
    }
}

struct EncodeRow<'p, E> {
    plan: &'p Plan<'p>,
    x: Placed<E>,
    block: Placed<u8>,
    expected: &'p [u8],
}

impl<E: Element> Job for EncodeRow<'_, E> {
    fn prepare(&mut self, random: &mut Random) {
        self.x.place(random);
        self.block.place(random);
        self.block.fill(0xa5);
    }

    fn run(&mut self) {
        let result = self.plan.encode_rows(0..1, &self.x, &mut self.block);
        result.expect("finite values");
    }

    fn check(&self) {
        assert!(*self.block == *self.expected, "other bytes than scalar");
    }
}

struct DecodeRow<'f, E> {
    decoder: Decoder<'f>,
    frame: Frame<'f>,
    y: Placed<E>,
    expected: &'f [f32],
}

impl<E: Element> Job for DecodeRow<'_, E> {
    fn prepare(&mut self, random: &mut Random) {
        self.y.place(random);
        self.y.fill(E::from_f32(f32::NAN));
    }

    fn run(&mut self) {
        let result = self.decoder.decode_rows(&self.frame, 0..1, &mut self.y);
        result.expect("our own frame");
    }

    fn check(&self) {
        let y: Vec<f32> = self.y.iter().map(|y| y.to_f32()).collect();
        assert!(same_bits(&y, self.expected), "other values than scalar");
    }
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, id: BenchmarkId, mut job: impl Job) {
    let mut random = Random(1);
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|runs| timed(&mut job, &mut random, runs));
    });
}

/// The first token is massive; this is one of the others.
fn row<E: Element>(width: u32) -> Vec<E> {
    let x = activations(8, width);
    x[7 * width as usize..].iter().map(|&x| E::from_f32(x)).collect()
}

fn group<'c>(criterion: &'c mut Criterion, name: &str, width: u32) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::from(width)));
    group.sample_size(30);
    group
}

fn encode_row<E: Element>(criterion: &mut Criterion, kernel: &str, case: &str, config: Config, width: u32) {
    let mut group = group(criterion, kernel, width);
    let x: Vec<E> = row(width);
    let whole = scalar_frame(config, &x, 1, width);
    for level in Level::available() {
        let encoder = Encoder::new(config).expect("valid").with_level(level);
        let mut frame = whole.clone();
        let (plan, blocks) = encoder.plan(&x, 1, width, &mut frame).expect("room for it");
        let bytes = plan.row_bytes(0..1).expect("one row");
        let start = whole.len() - blocks.len();
        let expected = &whole[start + bytes.start..start + bytes.end];
        let job = EncodeRow {
            plan: &plan,
            x: Placed::holding(&x),
            block: Placed::filled(expected.len(), 0),
            expected,
        };
        measure(&mut group, BenchmarkId::new(case, level.name()), job);
    }
}

fn decode_row<E: Element>(criterion: &mut Criterion, kernel: &str, case: &str, config: Config, width: u32) {
    let mut group = group(criterion, kernel, width);
    let frame = scalar_frame(config, &row::<f32>(width), 1, width);
    let mut expected = vec![E::from_f32(0.0); width as usize];
    let scalar = Decoder::new().with_level(Level::SCALAR);
    scalar.decode(&frame, &mut expected).expect("our own frame");
    let expected: Vec<f32> = expected.iter().map(|y| y.to_f32()).collect();
    for level in Level::available() {
        let decoder = Decoder::new().with_level(level);
        let job = DecodeRow {
            decoder,
            frame: decoder.parse(&frame).expect("our own frame"),
            y: Placed::filled(width as usize, E::from_f32(0.0)),
            expected: &expected,
        };
        measure(&mut group, BenchmarkId::new(case, level.name()), job);
    }
}

fn encoding(c: &mut Criterion) {
    for tile in TILES {
        let case = format!("G {}", tile.len());
        let with = |config| Config { tile, ..config };
        let run =
            |c: &mut Criterion, kernel, config| encode_row::<f32>(c, kernel, &case, with(config), WIDTH);
        run(c, "range, quantise, pack", LEAST);
        run(c, "forward rotation", ROTATED);
        run(
            c,
            "choice of rotation by ratio",
            Config {
                rotation: Rotation::Ratio { tau: 2.0 },
                ..LEAST
            },
        );
        run(
            c,
            "choice of rotation by range",
            Config {
                rotation: Rotation::Narrower,
                ..LEAST
            },
        );
        let fitted = Config {
            fit: Fit::LeastError,
            ..ROTATED
        };
        run(c, "fit", fitted);
        run(
            c,
            "fit, balanced",
            Config {
                effort: Effort::Balanced,
                ..fitted
            },
        );
        let searched = Config {
            rotation: Rotation::Narrower,
            effort: Effort::Best,
            ..fitted
        };
        run(c, "search of pivots", searched);
        run(
            c,
            "stochastic rounding",
            Config {
                rounding: Rounding::Stochastic { seed: 1 },
                ..LEAST
            },
        );
        run(c, "rank by entropy", ranked(Rank::Entropy));
        run(c, "rank by range", ranked(Rank::Range));
    }
    for width in 1..=8 {
        encode_row::<f32>(c, "pack", &format!("{width} bits"), of_width(LEAST, width), WIDTH);
    }
    encode_row::<bf16>(c, "load and encode", "bf16", LEAST, WIDTH);
    encode_row::<f16>(c, "load and encode", "f16", LEAST, WIDTH);
    encode_row::<f32>(c, "tail, encode", "a tile and a channel", LEAST, 65);
    encode_row::<f32>(c, "tail, encode", "a channel", LEAST, 1);
}

fn decoding(c: &mut Criterion) {
    for tile in TILES {
        let case = format!("G {}", tile.len());
        decode_row::<f32>(c, "unpack and scale", &case, Config { tile, ..LEAST }, WIDTH);
        decode_row::<f32>(c, "inverse rotation", &case, Config { tile, ..ROTATED }, WIDTH);
    }
    for width in 1..=8 {
        decode_row::<f32>(
            c,
            "unpack",
            &format!("{width} bits"),
            of_width(LEAST, width),
            WIDTH,
        );
    }
    decode_row::<bf16>(c, "decode and store", "bf16", LEAST, WIDTH);
    decode_row::<f16>(c, "decode and store", "f16", LEAST, WIDTH);
    decode_row::<f32>(c, "tail, decode", "a tile and a channel", LEAST, 65);
    decode_row::<f32>(c, "tail, decode", "a channel", LEAST, 1);
}

/// There are many: each is short.
fn briefly() -> Criterion {
    Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
}

criterion_group!(name = benches; config = briefly(); targets = encoding, decoding);
criterion_main!(benches);
