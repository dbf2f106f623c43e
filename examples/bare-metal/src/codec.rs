//! Decodes a frame of real activations from flash, whole and as a stream, compares the values, encodes it back row by
//! row and compares the bytes. Prints what it took and ends with exit code 0 where all was right.
#![no_std]
#![no_main]

mod host;
#[cfg(feature = "defmt")]
mod log;
mod measure;

use core::panic::PanicInfo;

use cortex_m_rt::entry;
use tahq::{Config, Decoder, Encoder, Event, Exponents, SourceType, StreamDecoder, bf16};

use measure::{Cost, Meter};

/// The tensor and its frame, as `tests/bare_metal.rs` makes them.
static TENSOR: &[u8] = include_bytes!("../data/tensor.bf16");
static FRAME: &[u8] = include_bytes!("../data/frame.tahq");
/// The CRC-32 of the values in f32, little-endian.
static VALUES: [u8; 4] = *include_bytes!("../data/values.crc32");

const CONFIG: Config = Config {
    exponents: Exponents::InFrame,
    ..Config::INT4
};
const ROWS: u32 = 16;
const WIDTH: usize = 576;
const N: usize = match CONFIG.stream_capacity(ROWS, WIDTH as u32, SourceType::Bf16) {
    Ok(len) => len,
    Err(_) => panic!("no such frame"),
};

/// The bytes that come over a link at once.
const PIECE: usize = 61;

/// Bit by bit: slow and short, and not the library's.
struct Crc(u32);

impl Crc {
    fn update(&mut self, row: &[f32]) {
        for byte in row.iter().flat_map(|x| x.to_le_bytes()) {
            self.0 ^= u32::from(byte);
            for _ in 0..8 {
                self.0 = self.0 >> 1 ^ 0xedb8_8320 & (self.0 & 1).wrapping_neg();
            }
        }
    }

    fn is(self, expected: u32) -> bool {
        !self.0 == expected
    }
}

/// What rows took together: instructions add up, the stack is that of the deepest.
fn add(total: &mut Cost, cost: &Cost) {
    total.instructions += cost.instructions;
    total.stack = total.stack.max(cost.stack);
}

fn report(what: &str, cost: &Cost) {
    let tenths = cost.instructions * 10 / (u64::from(ROWS) * WIDTH as u64);
    say!(
        "{what}: {}.{} instructions an element, {} bytes of stack",
        tenths / 10,
        tenths % 10,
        cost.stack
    );
}

const NOTHING: Cost = Cost {
    instructions: 0,
    stack: 0,
};

/// Rows of a frame that is all there, as a receiver of packets decodes them.
fn decode(meter: &Meter, expected: u32, row: &mut [f32; WIDTH]) -> Result<(), &'static str> {
    let decoder = Decoder::new();
    let (frame, mut total) = meter.measure(|| decoder.parse(FRAME));
    let frame = frame.map_err(|_| "the frame is refused")?;
    let mut crc = Crc(u32::MAX);
    for r in 0..ROWS {
        let (result, cost) = meter.measure(|| decoder.decode_rows(&frame, r..r + 1, row));
        result.map_err(|_| "a row is refused")?;
        add(&mut total, &cost);
        crc.update(row);
    }
    report("decode", &total);
    crc.is(expected).then_some(()).ok_or("the values differ")
}

/// The same in pieces, after one byte of noise.
fn stream(meter: &Meter, expected: u32, row: &mut [f32; WIDTH]) -> Result<(), &'static str> {
    let mut decoder = StreamDecoder::<N>::new();
    let mut crc = Crc(u32::MAX);
    let mut total = NOTHING;
    let (mut lost, mut rows, mut ends) = (0, 0, 0);
    for mut piece in core::iter::once(&b"?"[..]).chain(FRAME.chunks(PIECE)) {
        loop {
            let (event, cost) = meter.measure(|| decoder.push(&mut piece, row));
            add(&mut total, &cost);
            match event {
                Ok(None) => break,
                Ok(Some(Event::Header(_))) => {}
                Ok(Some(Event::Row { .. })) => {
                    rows += 1;
                    crc.update(row);
                }
                Ok(Some(Event::End(_))) => ends += 1,
                Err(_) => lost += 1,
            }
        }
    }
    report("stream decode", &total);
    if (lost, rows, ends) != (1, ROWS, 1) {
        return Err("the stream's events differ");
    }
    crc.is(expected).then_some(()).ok_or("the stream's values differ")
}

/// Back to the same bytes.
fn encode(meter: &Meter) -> Result<(), &'static str> {
    let frame = Decoder::new().parse(FRAME).map_err(|_| "the frame is refused")?;
    let table = frame.exponents().ok_or("the frame has no exponents")?;
    let encoder = Encoder::new(CONFIG)
        .map_err(|_| "the configuration is refused")?
        .with_exponents(table);
    let mut piece = [0; N];
    let mut rest = FRAME;
    let mut same = |piece: &[u8]| match rest.strip_prefix(piece) {
        Some(next) => {
            rest = next;
            Ok(())
        }
        None => Err("the bytes differ"),
    };
    let (started, mut total) = meter.measure(|| encoder.stream::<bf16>(ROWS, WIDTH as u32, &mut piece));
    let (mut rows, len) = started.map_err(|_| "the encoder refuses")?;
    same(&piece[..len])?;
    let mut x = [bf16::ZERO; WIDTH];
    for row in TENSOR.chunks_exact(2 * WIDTH) {
        for (x, bytes) in x.iter_mut().zip(row.chunks_exact(2)) {
            *x = bf16::from_le_bytes([bytes[0], bytes[1]]);
        }
        let (len, cost) = meter.measure(|| rows.row(&x, &mut piece));
        add(&mut total, &cost);
        same(&piece[..len.map_err(|_| "the encoder refuses a row")?])?;
    }
    let (len, cost) = meter.measure(|| rows.finish(&mut piece));
    add(&mut total, &cost);
    same(&piece[..len.map_err(|_| "the encoder refuses to end")?])?;
    report("encode", &total);
    rest.is_empty().then_some(()).ok_or("bytes are missing")
}

fn run() -> Result<(), &'static str> {
    let mut expected = u32::from_le_bytes(VALUES);
    // So that the check can be seen to fail.
    if host::was_told("planted-fault") {
        expected ^= 1;
    }
    let meter = Meter::new();
    let mut row = [f32::NAN; WIDTH];
    encode(&meter)?;
    stream(&meter, expected, &mut row)?;
    row.fill(f32::NAN);
    decode(&meter, expected, &mut row)?;
    #[cfg(feature = "defmt")]
    log::everything(FRAME)?;
    Ok(())
}

#[entry]
fn main() -> ! {
    match run() {
        Ok(()) => {
            say!("ok");
            host::exit(0)
        }
        Err(fault) => {
            say!("failed: {fault}");
            host::exit(1)
        }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    say!("failed: panic");
    host::exit(2)
}
