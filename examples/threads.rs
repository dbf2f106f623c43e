//! One frame by several threads of one's own: rows are shared out with `std::thread::scope`, without rayon and
//! without features.
//!
//! ```sh
//! cargo run --release --example threads
//! ```
//!
//! `Encoder::plan` and `Plan::seal`, which takes the checksum, stay on one thread, and so does `Decoder::parse`,
//! which verifies it. The rows between are independent. (The feature `rayon` shares out the checksum too.)

use std::error::Error;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use tahq::{Config, DecodeError, Decoder, EncodeError, Encoder, SourceType};

const ROWS: u32 = 4096;
const WIDTH: u32 = 2048;

/// Calls of each operation; the fastest counts, the others met something else on the machine.
const CALLS: u32 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let cores = thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let x = activations();
    let encoder = Encoder::new(Config::INT4)?;
    let decoder = Decoder::new();
    let room = Config::INT4.max_frame_len(ROWS, WIDTH, SourceType::F32)?;

    // What the threads must give.
    let mut expected = vec![0; room];
    let len = encoder.encode(&x, ROWS, WIDTH, &mut expected)?;
    expected.truncate(len);
    let mut values = vec![0.0f32; x.len()];
    decoder.decode(&expected, &mut values)?;

    println!(
        "{ROWS} x {WIDTH} f32, {:.1} MB, in a frame of {:.1} MB; {cores} cores",
        size_of_val(&x[..]) as f64 / 1e6,
        len as f64 / 1e6
    );
    let mut counts = vec![1, 2, 4, cores];
    counts.sort_unstable();
    counts.dedup();
    let mut frame = vec![0; room];
    let mut y = vec![f32::NAN; x.len()];
    let mut alone = None;
    for threads in counts {
        let encoding = fastest(|| encode(&encoder, &x, &mut frame, threads))?;
        if frame[..len] != expected {
            return Err(format!("{threads} threads made other bytes").into());
        }
        let decoding = fastest(|| decode(&decoder, &frame[..len], &mut y, threads))?;
        if y != values {
            return Err(format!("{threads} threads made other values").into());
        }
        let (first_encoding, first_decoding) = *alone.get_or_insert((encoding, decoding));
        println!(
            "{threads:>3} thread{} encode {:>7.2} ms ({:.2}x)  decode {:>7.2} ms ({:.2}x)  same bytes and values",
            if threads == 1 { " " } else { "s" },
            encoding.as_secs_f64() * 1e3,
            first_encoding.as_secs_f64() / encoding.as_secs_f64(),
            decoding.as_secs_f64() * 1e3,
            first_decoding.as_secs_f64() / decoding.as_secs_f64(),
        );
    }
    Ok(())
}

/// Encodes into `out` by so many threads; returns the frame's length.
fn encode(encoder: &Encoder<'_>, x: &[f32], out: &mut [u8], threads: u32) -> Result<usize, EncodeError> {
    let (plan, blocks) = encoder.plan(x, ROWS, WIDTH, out)?;
    // The blocks of a range of rows lie together: each thread gets those of its own.
    let mut pieces = Vec::new();
    let mut rest = &mut *blocks;
    for rows in shares(threads) {
        let len = plan.row_bytes(rows.clone())?.len();
        let (piece, after) = rest.split_at_mut(len);
        pieces.push((rows, piece));
        rest = after;
    }
    thread::scope(|scope| {
        let workers: Vec<_> = pieces
            .into_iter()
            .map(|(rows, piece)| scope.spawn(|| plan.encode_rows(rows.clone(), &x[elements(rows)], piece)))
            .collect();
        // The first of several faults, as one thread would name it.
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("encode_rows does not panic"))
    })?;
    plan.seal(blocks)
}

/// Decodes into `out` by so many threads.
fn decode(decoder: &Decoder<'_>, frame: &[u8], out: &mut [f32], threads: u32) -> Result<(), DecodeError> {
    let frame = decoder.parse(frame)?;
    let mut pieces = Vec::new();
    let mut rest = &mut *out;
    for rows in shares(threads) {
        let (piece, after) = rest.split_at_mut(elements(rows.clone()).len());
        pieces.push((rows, piece));
        rest = after;
    }
    let frame = &frame;
    let result = thread::scope(|scope| {
        let workers: Vec<_> = pieces
            .into_iter()
            .map(|(rows, piece)| scope.spawn(move || decoder.decode_rows(frame, rows, piece)))
            .collect();
        // The first of several faults, as one thread would name it.
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("decode_rows does not panic"))
    });
    // A piece that fails is zeros, the others hold what they decoded to.
    if result.is_err() {
        out.fill(0.0);
    }
    result
}

/// Rows in as many ranges as there are threads.
fn shares(threads: u32) -> impl Iterator<Item = Range<u32>> {
    (0..threads).map(move |i| ROWS * i / threads..ROWS * (i + 1) / threads)
}

/// Where the elements of `rows` lie in the tensor.
fn elements(rows: Range<u32>) -> Range<usize> {
    (rows.start * WIDTH) as usize..(rows.end * WIDTH) as usize
}

/// The least time of a few calls.
fn fastest<T, E>(mut call: impl FnMut() -> Result<T, E>) -> Result<Duration, E> {
    let mut least = Duration::MAX;
    for _ in 0..CALLS {
        let start = Instant::now();
        call()?;
        least = least.min(start.elapsed());
    }
    Ok(least)
}

/// Something like activations: noise of each channel's own loudness, and now and then an outlier.
fn activations() -> Vec<f32> {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let loudness: Vec<f32> = (0..WIDTH).map(|_| (3.0 * noise()).exp2()).collect();
    (0..ROWS * WIDTH)
        .map(|i| {
            let x = loudness[(i % WIDTH) as usize] * (noise() + noise() + noise());
            if i % 97 == 0 { 20.0 * x } else { x }
        })
        .collect()
}
