//! Other things that one could do with the same activations, as engines beside tahq's.
//!
//! ```sh
//! cargo bench -p tahq-benches --bench peers
//! ```
//!
//! - `memcpy`: 32 bits an element.
//! - `lz4`, `zstd`: level 1, lossless.
//! - `bitpacking 4x`, `8x`: the crate of that name (SSE3, AVX2) packs 4-bit codes, one in each u32. No tensor is
//!   quantised: this is the packing alone.
//! - `plain i4`: the largest magnitude of 64 elements as scale, rounded to 4 bits, by a loop that the compiler
//!   vectorises; for the instructions that the target is built for, so with
//!   `RUSTFLAGS='-C target-cpu=native'` it is another one.
//! - `crc32`: the checksum of an `int4` frame, the least that verifying it takes.
//!
//! Bits an element are printed. Throughput is in bytes of the f32 tensor (of the u32 codes for `bitpacking`),
//! on one thread, and every result is checked: round trips are exact where the engine is lossless, and within
//! half a step where it is not.

use std::hint::black_box;

use bitpacking::{BitPacker, BitPacker4x, BitPacker8x};
use bytemuck::{cast_slice, cast_slice_mut};
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use lz4::block::CompressionMode;
use tahq::{Config, Decoder, Effort, Encoder, SourceType};
use tahq_benches::{Job, Placed, Random, full_activations, proving, scalar_frame, timed};

/// Packs 32-bit words, the bits of f32 or codes, into bytes and back.
trait Engine {
    fn name(&self) -> &'static str;
    /// The most bytes for so many words.
    fn room(&self, words: usize) -> usize;
    /// Returns the bytes written.
    fn pack(&mut self, words: &[u32], out: &mut [u8]) -> usize;
    fn unpack(&mut self, bytes: &[u8], words: &mut [u32]);
    /// Panics unless `unpacked` is what it may be.
    fn check(&self, words: &[u32], unpacked: &[u32]) {
        assert!(words == unpacked, "{} is not lossless", self.name());
    }
}

struct Memcpy;

impl Engine for Memcpy {
    fn name(&self) -> &'static str {
        "memcpy"
    }
    fn room(&self, words: usize) -> usize {
        4 * words
    }
    fn pack(&mut self, words: &[u32], out: &mut [u8]) -> usize {
        out.copy_from_slice(cast_slice(words));
        out.len()
    }
    fn unpack(&mut self, bytes: &[u8], words: &mut [u32]) {
        cast_slice_mut(words).copy_from_slice(bytes);
    }
}

struct Lz4;

impl Engine for Lz4 {
    fn name(&self) -> &'static str {
        "lz4"
    }
    fn room(&self, words: usize) -> usize {
        lz4::block::compress_bound(4 * words).expect("below 2 GiB")
    }
    fn pack(&mut self, words: &[u32], out: &mut [u8]) -> usize {
        let mode = Some(CompressionMode::FAST(1));
        lz4::block::compress_to_buffer(cast_slice(words), mode, false, out).expect("room for it")
    }
    fn unpack(&mut self, bytes: &[u8], words: &mut [u32]) {
        let len = size_of_val(words);
        let size = Some(i32::try_from(len).expect("below 2 GiB"));
        let written = lz4::block::decompress_to_buffer(bytes, size, cast_slice_mut(words));
        assert_eq!(written.expect("our own bytes"), len);
    }
}

struct Zstd {
    compressor: zstd::bulk::Compressor<'static>,
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl Zstd {
    fn new() -> Self {
        Self {
            compressor: zstd::bulk::Compressor::new(1).expect("level 1"),
            decompressor: zstd::bulk::Decompressor::new().expect("a context"),
        }
    }
}

impl Engine for Zstd {
    fn name(&self) -> &'static str {
        "zstd"
    }
    fn room(&self, words: usize) -> usize {
        zstd::zstd_safe::compress_bound(4 * words)
    }
    fn pack(&mut self, words: &[u32], out: &mut [u8]) -> usize {
        let bytes: &[u8] = cast_slice(words);
        self.compressor
            .compress_to_buffer(bytes, out)
            .expect("room for it")
    }
    fn unpack(&mut self, bytes: &[u8], words: &mut [u32]) {
        let words: &mut [u8] = cast_slice_mut(words);
        let written = self.decompressor.decompress_to_buffer(bytes, words);
        assert_eq!(written.expect("our own bytes"), words.len());
    }
}

struct Packer<P>(&'static str, P);

impl<P: BitPacker> Engine for Packer<P> {
    fn name(&self) -> &'static str {
        self.0
    }
    fn room(&self, words: usize) -> usize {
        words / 2
    }
    fn pack(&mut self, words: &[u32], out: &mut [u8]) -> usize {
        let blocks = words.chunks_exact(P::BLOCK_LEN);
        for (words, bytes) in blocks.zip(out.chunks_exact_mut(P::BLOCK_LEN / 2)) {
            self.1.compress(words, bytes, 4);
        }
        out.len()
    }
    fn unpack(&mut self, bytes: &[u8], words: &mut [u32]) {
        let blocks = words.chunks_exact_mut(P::BLOCK_LEN);
        for (words, bytes) in blocks.zip(bytes.chunks_exact(P::BLOCK_LEN / 2)) {
            self.1.decompress(bytes, words, 4);
        }
    }
}

/// Tiles of 64: a scale, then two codes a byte, those of elements i and i + 32.
struct PlainI4;

const TILE: usize = 64;
const TILE_BYTES: usize = 4 + TILE / 2;

/// Added to a number of at most 22 bits, it leaves the nearest integer in the low bits.
const NEAREST: f32 = 12_582_912.0;

impl PlainI4 {
    fn scale(x: &[f32; TILE]) -> f32 {
        x.iter()
            .fold(0.0f32, |most, x| if x.abs() > most { x.abs() } else { most })
            / 7.0
    }
}

impl Engine for PlainI4 {
    fn name(&self) -> &'static str {
        "plain i4"
    }
    fn room(&self, words: usize) -> usize {
        words / TILE * TILE_BYTES
    }
    fn pack(&mut self, words: &[u32], out: &mut [u8]) -> usize {
        let x: &[f32] = cast_slice(words);
        let (tiles, bytes) = (x.as_chunks::<TILE>().0, out.as_chunks_mut::<TILE_BYTES>().0);
        for (x, bytes) in tiles.iter().zip(bytes) {
            let scale = Self::scale(x);
            let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
            let code = |x: f32| (x * inverse + (NEAREST + 8.0)).to_bits() as u8 & 15;
            let (head, codes) = bytes.split_at_mut(4);
            head.copy_from_slice(&scale.to_le_bytes());
            let (low, high) = x.split_at(TILE / 2);
            for ((byte, &low), &high) in codes.iter_mut().zip(low).zip(high) {
                *byte = code(low) | code(high) << 4;
            }
        }
        out.len()
    }
    fn unpack(&mut self, bytes: &[u8], words: &mut [u32]) {
        let y: &mut [f32] = cast_slice_mut(words);
        let (tiles, bytes) = (y.as_chunks_mut::<TILE>().0, bytes.as_chunks::<TILE_BYTES>().0);
        for (y, bytes) in tiles.iter_mut().zip(bytes) {
            let (head, codes) = bytes.split_at(4);
            let scale = f32::from_le_bytes([head[0], head[1], head[2], head[3]]);
            let value = |code: u8| (i32::from(code) - 8) as f32 * scale;
            let (low, high) = y.split_at_mut(TILE / 2);
            for ((&byte, low), high) in codes.iter().zip(low).zip(high) {
                *low = value(byte & 15);
                *high = value(byte >> 4);
            }
        }
    }
    fn check(&self, words: &[u32], unpacked: &[u32]) {
        let (x, y): (&[f32], &[f32]) = (cast_slice(words), cast_slice(unpacked));
        for (x, y) in x.as_chunks::<TILE>().0.iter().zip(y.as_chunks::<TILE>().0) {
            let step = Self::scale(x);
            let near = x.iter().zip(y).all(|(x, y)| (x - y).abs() <= 0.501 * step);
            assert!(near, "plain i4 is off by more than half a step");
        }
    }
}

struct Tahq {
    name: &'static str,
    config: Config,
    shape: (u32, u32),
}

impl Engine for Tahq {
    fn name(&self) -> &'static str {
        self.name
    }
    fn room(&self, _words: usize) -> usize {
        let (rows, width) = self.shape;
        let room = self.config.max_frame_len(rows, width, SourceType::F32);
        room.expect("a frame below 4 GiB")
    }
    fn pack(&mut self, words: &[u32], out: &mut [u8]) -> usize {
        let encoder = Encoder::new(self.config).expect("valid");
        let len = encoder.encode::<f32>(cast_slice(words), self.shape.0, self.shape.1, out);
        len.expect("finite values")
    }
    fn unpack(&mut self, bytes: &[u8], words: &mut [u32]) {
        let result = Decoder::new().decode::<f32>(bytes, cast_slice_mut(words));
        result.expect("our own frame");
    }
    fn check(&self, words: &[u32], unpacked: &[u32]) {
        let frame = scalar_frame::<f32>(self.config, cast_slice(words), self.shape.0, self.shape.1);
        let expected = tahq_benches::scalar_values(&frame, words.len());
        assert!(
            unpacked == cast_slice::<f32, u32>(&expected),
            "other values than scalar"
        );
    }
}

/// What an engine works on; the words and bytes of a checked round trip.
struct Data<'a> {
    engine: &'a mut dyn Engine,
    words: Placed<u32>,
    bytes: Placed<u8>,
    len: usize,
}

struct Pack<'a>(Data<'a>, &'a [u8]);

impl Job for Pack<'_> {
    fn prepare(&mut self, random: &mut Random) {
        self.0.words.place(random);
        self.0.bytes.place(random);
        self.0.bytes.fill(0xa5);
    }
    fn run(&mut self) {
        let data = &mut self.0;
        data.len = data.engine.pack(black_box(&data.words), &mut data.bytes);
    }
    fn check(&self) {
        assert!(
            self.0.bytes[..self.0.len] == *self.1,
            "{}: other bytes",
            self.0.engine.name()
        );
    }
}

struct Unpack<'a>(Data<'a>, &'a [u32]);

impl Job for Unpack<'_> {
    fn prepare(&mut self, random: &mut Random) {
        self.0.words.place(random);
        self.0.bytes.place(random);
        self.0.words.fill(u32::MAX);
    }
    fn run(&mut self) {
        let data = &mut self.0;
        data.engine.unpack(black_box(&data.bytes), &mut data.words);
    }
    fn check(&self) {
        assert!(*self.0.words == *self.1, "{}: other words", self.0.engine.name());
    }
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, place: &str, engine: &mut dyn Engine, words: &[u32]) {
    let name = engine.name();
    let mut bytes = vec![0; engine.room(words.len())];
    let len = engine.pack(words, &mut bytes);
    bytes.truncate(len);
    let mut unpacked = vec![u32::MAX; words.len()];
    engine.unpack(&bytes, &mut unpacked);
    engine.check(words, &unpacked);
    let bits = len as f64 * 8.0 / words.len() as f64;
    println!("{place}: {name} takes {bits:.2} bits an element");

    let mut random = Random(1);
    let mut pack = Pack(
        Data {
            words: Placed::holding(words),
            bytes: Placed::filled(engine.room(words.len()), 0),
            engine: &mut *engine,
            len: 0,
        },
        &bytes,
    );
    group.bench_function(BenchmarkId::new("encode", name), |bencher| {
        bencher.iter_custom(|runs| timed(&mut pack, &mut random, runs));
    });
    let mut unpack = Unpack(
        Data {
            words: Placed::filled(words.len(), 0),
            bytes: Placed::holding(&bytes),
            engine,
            len,
        },
        &unpacked,
    );
    group.bench_function(BenchmarkId::new("decode", name), |bencher| {
        bencher.iter_custom(|runs| timed(&mut unpack, &mut random, runs));
    });
}

/// The checksum of a frame.
struct Checksum {
    frame: Placed<u8>,
    computed: u32,
    expected: u32,
}

impl Job for Checksum {
    fn prepare(&mut self, random: &mut Random) {
        self.frame.place(random);
    }
    fn run(&mut self) {
        self.computed = crc32fast::hash(black_box(&self.frame));
    }
    fn check(&self) {
        assert_eq!(self.computed, self.expected);
    }
}

fn peers(criterion: &mut Criterion) {
    let rows = if proving() { [8, 40] } else { [256, 4096] };
    for (place, rows) in ["cached", "DRAM"].into_iter().zip(rows) {
        let shape = (rows, 4096);
        let x = full_activations(shape.0, shape.1);
        let mut group = criterion.benchmark_group(format!("peers {place}"));
        group.throughput(Throughput::Bytes(x.len() as u64 * 4));
        group.sampling_mode(SamplingMode::Flat).sample_size(20);

        let fast = Config {
            effort: Effort::Fast,
            ..Config::INT4
        };
        let tahq = |name, config| Tahq { name, config, shape };
        let engines: [&mut dyn Engine; 6] = [
            &mut Memcpy,
            &mut Lz4,
            &mut Zstd::new(),
            &mut PlainI4,
            &mut tahq("tahq int4 fast", fast),
            &mut tahq("tahq int4 balanced", Config::INT4),
        ];
        for engine in engines {
            measure(&mut group, place, engine, cast_slice(&x));
        }
        // Codes as they come from a quantiser: of all sixteen, the middle ones more often.
        let mut random = Random(2);
        let codes: Vec<u32> = (0..x.len())
            .map(|_| (random.below(8) + random.below(9)) as u32)
            .collect();
        measure(
            &mut group,
            place,
            &mut Packer("bitpacking 4x", BitPacker4x::new()),
            &codes,
        );
        measure(
            &mut group,
            place,
            &mut Packer("bitpacking 8x", BitPacker8x::new()),
            &codes,
        );

        let frame = scalar_frame(fast, &x, shape.0, shape.1);
        let (checked, checksum) = frame.split_at(frame.len() - tahq::CHECKSUM_LEN);
        let mut checksum = Checksum {
            frame: Placed::holding(checked),
            computed: 0,
            expected: u32::from_le_bytes(checksum.try_into().expect("four bytes")),
        };
        let mut random = Random(1);
        group.bench_function(BenchmarkId::new("decode", "crc32"), |bencher| {
            bencher.iter_custom(|runs| timed(&mut checksum, &mut random, runs));
        });
    }
}

criterion_group!(benches, peers);
criterion_main!(benches);
