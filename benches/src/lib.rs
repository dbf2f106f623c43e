//! What the benches share: real tensors tiled to size, buffers that start anywhere, and jobs whose results are
//! checked as they are timed.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use half::bf16;
use safetensors::{Dtype, SafeTensors};
use tahq::{Config, Decoder, Element, Encoder, Level, SourceType};

/// Bytes of a page, within which a buffer starts anywhere.
const PAGE: usize = 4096;

const SMOLLM2: &[u8] = include_bytes!("../../tests/data/smollm2_acts.safetensors");

/// Whether the benches only prove that they run (`cargo bench -- --test`): tensors are then small.
#[must_use]
pub fn proving() -> bool {
    std::env::args().any(|arg| arg == "--test")
}

/// SmolLM2's activations, tiled to a size as `tahq bench` does: row r holds token r after one layer after
/// another, as far as the width goes. They come from bf16: the low half of each f32 is zero.
#[must_use]
pub fn activations(rows: u32, width: u32) -> Vec<f32> {
    tiled(&tensors(SMOLLM2), rows, width)
}

/// The same with noise in the low halves, as those of an f32 are for whoever packs bytes: the zeros of bf16, and
/// rows that repeat, would be a gift to lz4 and zstd.
#[must_use]
pub fn full_activations(rows: u32, width: u32) -> Vec<f32> {
    let mut random = Random(3);
    let mut x = activations(rows, width);
    for x in x.iter_mut().filter(|x| **x != 0.0) {
        *x = f32::from_bits(x.to_bits() | random.below(1 << 16) as u32);
    }
    x
}

/// Channels and values of each tensor.
fn tensors(file: &[u8]) -> Vec<(usize, Vec<f32>)> {
    let file = SafeTensors::deserialize(file).expect("the test data are well-formed");
    let mut names = file.names();
    names.sort_unstable();
    let widened = |name| {
        let tensor = file.tensor(name).expect("named by the file");
        assert_eq!(tensor.dtype(), Dtype::BF16, "{name}");
        let pairs = tensor.data().as_chunks().0.iter();
        let values = pairs.map(|&pair| bf16::from_le_bytes(pair).to_f32()).collect();
        (*tensor.shape().last().expect("three dimensions"), values)
    };
    names.into_iter().map(widened).collect()
}

fn tiled(cuts: &[(usize, Vec<f32>)], rows: u32, width: u32) -> Vec<f32> {
    let mut x = Vec::with_capacity(rows as usize * width as usize);
    for r in 0..rows as usize {
        let mut rest = width as usize;
        for (channels, values) in cuts.iter().cycle() {
            if rest == 0 {
                break;
            }
            let token = values
                .chunks_exact(*channels)
                .cycle()
                .nth(r % (values.len() / channels));
            let taken = rest.min(*channels);
            x.extend_from_slice(&token.expect("a tensor of some rows")[..taken]);
            rest -= taken;
        }
    }
    x
}

/// The frame that the scalar level makes of `x`.
#[must_use]
pub fn scalar_frame<E: Element>(config: Config, x: &[E], rows: u32, width: u32) -> Vec<u8> {
    let room = config
        .max_frame_len(rows, width, E::SOURCE)
        .expect("a frame below 4 GiB");
    let mut frame = vec![0; room];
    let encoder = Encoder::new(config).expect("a valid configuration");
    let encoder = encoder.with_level(Level::SCALAR);
    let len = encoder.encode(x, rows, width, &mut frame).expect("finite values");
    frame.truncate(len);
    frame
}

/// The values that the scalar level gives.
#[must_use]
pub fn scalar_values(frame: &[u8], elements: usize) -> Vec<f32> {
    let mut y = vec![0.0; elements];
    let decoder = Decoder::new().with_level(Level::SCALAR);
    decoder.decode(frame, &mut y).expect("our own frame");
    y
}

/// A small generator, for places in memory.
#[derive(Clone, Copy, Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % end
    }
}

/// A buffer that can be moved about: by whole elements, anywhere within a page.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    values: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy> Placed<T> {
    /// A buffer of `len` times `value`.
    pub fn filled(len: usize, value: T) -> Self {
        Self {
            values: vec![value; len + PAGE / size_of::<T>()],
            start: 0,
            len,
        }
    }

    /// A buffer that holds `values`.
    pub fn holding(values: &[T]) -> Self {
        let mut placed = Self::filled(values.len(), values[0]);
        placed.copy_from_slice(values);
        placed
    }

    /// Moves the content to a place drawn from `random`.
    pub fn place(&mut self, random: &mut Random) {
        let start = random.below(PAGE / size_of::<T>());
        self.values.copy_within(self.start..self.start + self.len, start);
        self.start = start;
    }
}

impl<T> Deref for Placed<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.values[self.start..][..self.len]
    }
}

impl<T> DerefMut for Placed<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.start..][..self.len]
    }
}

/// Something to time, with its buffers.
pub trait Job {
    /// Moves the buffers and spoils what earlier runs left.
    fn prepare(&mut self, random: &mut Random);
    /// What is timed.
    fn run(&mut self);
    /// Panics unless the last run gave what it must.
    fn check(&self);
}

/// Time of `runs` runs of a job, for `Bencher::iter_custom`: buffers lie somewhere else each time, and the
/// result is checked.
pub fn timed(job: &mut impl Job, random: &mut Random, runs: u64) -> Duration {
    job.prepare(random);
    // The caches as the runs themselves leave them.
    job.run();
    let start = Instant::now();
    for _ in 0..runs {
        job.run();
    }
    let time = start.elapsed();
    job.check();
    time
}

/// Encoding a whole frame.
#[derive(Debug)]
pub struct Encode<'a> {
    encoder: Encoder<'a>,
    shape: (u32, u32),
    parallel: bool,
    x: Placed<f32>,
    frame: Placed<u8>,
    expected: &'a [u8],
    len: usize,
}

impl<'a> Encode<'a> {
    /// A job that must give `expected`.
    #[must_use]
    pub fn new(encoder: Encoder<'a>, x: &[f32], shape: (u32, u32), expected: &'a [u8]) -> Self {
        let room = encoder.config().max_frame_len(shape.0, shape.1, SourceType::F32);
        Self {
            encoder,
            shape,
            parallel: false,
            x: Placed::holding(x),
            frame: Placed::filled(room.expect("a frame below 4 GiB"), 0),
            expected,
            len: 0,
        }
    }

    /// The same over the current pool's threads.
    #[must_use]
    pub fn parallel(self) -> Self {
        Self {
            parallel: true,
            ..self
        }
    }
}

impl Job for Encode<'_> {
    fn prepare(&mut self, random: &mut Random) {
        self.x.place(random);
        self.frame.place(random);
        self.frame.fill(0xa5);
    }

    fn run(&mut self) {
        let (rows, width) = self.shape;
        let len = if self.parallel {
            self.encoder
                .encode_parallel(&self.x, rows, width, &mut self.frame)
        } else {
            self.encoder.encode(&self.x, rows, width, &mut self.frame)
        };
        self.len = len.expect("finite values");
    }

    fn check(&self) {
        assert!(
            self.frame[..self.len] == *self.expected,
            "other bytes than scalar"
        );
    }
}

/// Decoding a whole frame, checksum verified.
#[derive(Debug)]
pub struct Decode<'a> {
    decoder: Decoder<'a>,
    parallel: bool,
    frame: Placed<u8>,
    y: Placed<f32>,
    expected: &'a [f32],
}

impl<'a> Decode<'a> {
    /// A job that must give `expected`.
    #[must_use]
    pub fn new(decoder: Decoder<'a>, frame: &[u8], expected: &'a [f32]) -> Self {
        Self {
            decoder,
            parallel: false,
            frame: Placed::holding(frame),
            y: Placed::filled(expected.len(), 0.0),
            expected,
        }
    }

    /// The same over the current pool's threads.
    #[must_use]
    pub fn parallel(self) -> Self {
        Self {
            parallel: true,
            ..self
        }
    }
}

impl Job for Decode<'_> {
    fn prepare(&mut self, random: &mut Random) {
        self.frame.place(random);
        self.y.place(random);
        self.y.fill(f32::NAN);
    }

    fn run(&mut self) {
        let header = if self.parallel {
            self.decoder.decode_parallel(&self.frame, &mut self.y)
        } else {
            self.decoder.decode(&self.frame, &mut self.y)
        };
        header.expect("our own frame");
    }

    fn check(&self) {
        assert!(same_bits(&self.y, self.expected), "other values than scalar");
    }
}

/// Whether the bits are the same, those of zeros as well.
#[must_use]
pub fn same_bits(a: &[f32], b: &[f32]) -> bool {
    bytemuck::cast_slice::<f32, u8>(a) == bytemuck::cast_slice::<f32, u8>(b)
}
