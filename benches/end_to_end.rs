//! Whole frames by level: cached and in DRAM, on one thread and on several.
//!
//! ```sh
//! cargo bench -p tahq-benches --bench end_to_end
//! cargo bench -p tahq-benches --bench end_to_end -- 'decode.*avx2'
//! ```
//!
//! Throughput is in bytes of the f32 tensor. Each sample places the buffers anew and ends with a comparison to
//! what the scalar level gives. `tahq bench` gives the same figures next to memcpy's.

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use rayon::ThreadPoolBuilder;
use tahq::{Config, Decoder, Effort, Encoder, Level, Rotation};
use tahq_benches::{Decode, Encode, Job, Random, activations, proving, scalar_frame, scalar_values, timed};

const fn with_effort(config: Config, effort: Effort) -> Config {
    Config { effort, ..config }
}

const ENCODERS: [(&str, Config); 7] = [
    ("int4 fast", with_effort(Config::INT4, Effort::Fast)),
    ("int4 balanced", Config::INT4),
    ("int4 best", with_effort(Config::INT4, Effort::Best)),
    ("tah-quant fast", with_effort(Config::TAH_QUANT, Effort::Fast)),
    ("mixed balanced", Config::MIXED),
    ("int8 fast", with_effort(Config::INT8, Effort::Fast)),
    ("int8 balanced", Config::INT8),
];

const PLAIN: Config = Config {
    rotation: Rotation::Never,
    ..Config::INT4
};

const DECODERS: [(&str, Config); 5] = [
    ("int4", Config::INT4),
    ("int4 plain", PLAIN),
    ("tah-quant", Config::TAH_QUANT),
    ("mixed", Config::MIXED),
    ("int8", Config::INT8),
];

/// Where a tensor is, and its shape: 4 MiB are in the last caches, 64 MiB are not.
fn sizes() -> [(&'static str, (u32, u32)); 2] {
    if proving() {
        [("cached", (8, 4096)), ("DRAM", (40, 4096))]
    } else {
        [("cached", (256, 4096)), ("DRAM", (4096, 4096))]
    }
}

fn group<'c>(criterion: &'c mut Criterion, name: &str, elements: usize) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(elements as u64 * 4));
    // A sample is one call or a few.
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    group
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, id: BenchmarkId, mut job: impl Job) {
    let mut random = Random(1);
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|runs| timed(&mut job, &mut random, runs));
    });
}

fn encode(criterion: &mut Criterion) {
    for (place, shape) in sizes() {
        let x = activations(shape.0, shape.1);
        let mut group = group(criterion, &format!("encode {place}"), x.len());
        for (name, config) in ENCODERS {
            let expected = scalar_frame(config, &x, shape.0, shape.1);
            for level in Level::available() {
                let encoder = Encoder::new(config).expect("valid").with_level(level);
                let id = BenchmarkId::new(name, level.name());
                measure(&mut group, id, Encode::new(encoder, &x, shape, &expected));
            }
        }
    }
}

fn decode(criterion: &mut Criterion) {
    for (place, shape) in sizes() {
        let x = activations(shape.0, shape.1);
        let mut group = group(criterion, &format!("decode {place}"), x.len());
        for (name, config) in DECODERS {
            let frame = scalar_frame(config, &x, shape.0, shape.1);
            let expected = scalar_values(&frame, x.len());
            for level in Level::available() {
                let decoder = Decoder::new().with_level(level);
                let id = BenchmarkId::new(name, level.name());
                measure(&mut group, id, Decode::new(decoder, &frame, &expected));
            }
        }
    }
}

/// By the fastest level, over pools of one thread and more.
fn threads(criterion: &mut Criterion) {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut counts = vec![1, 2, 4, cores];
    counts.sort_unstable();
    counts.dedup();
    counts.retain(|&count| count <= cores.max(2));
    for (place, shape) in sizes() {
        let x = activations(shape.0, shape.1);
        let mut group = group(criterion, &format!("threads {place}"), x.len());
        for (name, config) in [
            ("int4 fast", with_effort(Config::INT4, Effort::Fast)),
            (
                "tah-quant-token fast",
                with_effort(Config::TAH_QUANT_TOKEN, Effort::Fast),
            ),
        ] {
            let frame = scalar_frame(config, &x, shape.0, shape.1);
            let values = scalar_values(&frame, x.len());
            for &count in &counts {
                let pool = ThreadPoolBuilder::new().num_threads(count).build();
                let pool = pool.expect("a pool");
                // Within the pool, so that the calling thread is one of its own.
                let mut within =
                    |what: &str, job: &mut (dyn FnMut(&mut Random, u64) -> std::time::Duration + Send)| {
                        let mut random = Random(1);
                        group.bench_function(BenchmarkId::new(format!("{what} {name}"), count), |bencher| {
                            bencher.iter_custom(|runs| pool.install(|| job(&mut random, runs)));
                        });
                    };
                let encoder = Encoder::new(config).expect("valid");
                let mut encode = Encode::new(encoder, &x, shape, &frame).parallel();
                within("encode", &mut |random, runs| timed(&mut encode, random, runs));
                let mut decode = Decode::new(Decoder::new(), &frame, &values).parallel();
                within("decode", &mut |random, runs| timed(&mut decode, random, runs));
            }
        }
    }
}

criterion_group!(benches, encode, decode, threads);
criterion_main!(benches);
