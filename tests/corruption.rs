//! Damage on the way: every single flipped bit, every burst of up to 32 bits and every truncation of a set of frames is
//! refused, headers that claim anything cost nothing, and damaged bodies, which have no checksum, leak nothing.
//! `docs/robustness.md` says what a CRC-32 cannot see.

mod reference;

use reference::{CHECKSUM_LEN, Encoding, Exponents, HEADER_LEN, Rng, Shape, SourceType, random_parts};
use tahq::{DecodeError, Decoder, Frame, Header, Level};

struct Sample {
    name: String,
    frame: Vec<u8>,
    table: Option<Vec<i8>>,
    elements: usize,
}

impl Sample {
    fn decoder(&self) -> Decoder<'_> {
        match &self.table {
            Some(table) => Decoder::new().with_exponents(table),
            None => Decoder::new(),
        }
    }

    fn header(&self) -> Header {
        Header::parse(&self.frame).expect("a valid frame").0
    }

    /// Asserts that a damaged copy is refused and that nothing is left in the output.
    #[track_caller]
    fn assert_refused(&self, bytes: &[u8], damage: impl Fn() -> String) -> DecodeError {
        let decoder = self.decoder();
        let mut out = vec![f32::from_bits(0xa5a5_a5a5); self.elements];
        let error = match decoder.decode(bytes, &mut out) {
            Ok(_) => panic!("{}: {} was accepted", self.name, damage()),
            Err(error) => error,
        };
        assert!(
            out.iter().all(|x| x.to_bits() == 0),
            "{}: {} left values",
            self.name,
            damage()
        );
        // Not for the buffer's length alone.
        assert!(
            decoder.parse(bytes).and_then(|frame| frame.validate()).is_err(),
            "{}: {} was accepted",
            self.name,
            damage()
        );
        error
    }
}

/// Small frames of every encoding, with every kind of channel exponents that it may have, two tile sizes and all source
/// types.
fn samples() -> Vec<Sample> {
    let plain = Shape {
        encoding: Encoding::Uniform,
        log2_tile: 5,
        hi: 4,
        lo: 4,
        source: SourceType::F32,
        exponents: Exponents::None,
        rows: 3,
        width: 40,
    };
    let of = |encoding, hi, lo| Shape {
        encoding,
        hi,
        lo,
        ..plain
    };
    let mut shapes = Vec::new();
    for source in [SourceType::F32, SourceType::F16, SourceType::Bf16] {
        shapes.push(Shape {
            log2_tile: 0,
            source,
            width: 7,
            ..of(Encoding::Raw, 0, 0)
        });
    }
    for shape in [
        of(Encoding::Uniform, 4, 4),
        of(Encoding::Uniform, 7, 7),
        of(Encoding::TileMixed, 4, 3),
        of(Encoding::TileMixed, 1, 0),
        of(Encoding::RowMixed, 5, 2),
        of(Encoding::RowMixed, 6, 0),
    ] {
        for exponents in [Exponents::None, Exponents::InFrame, Exponents::Agreed] {
            shapes.push(Shape { exponents, ..shape });
        }
        shapes.push(Shape {
            log2_tile: 7,
            rows: 2,
            width: 130,
            source: SourceType::Bf16,
            ..shape
        });
    }
    let samples: Vec<_> = shapes
        .into_iter()
        .map(|shape| {
            let name = format!("{shape:?}");
            let parts = random_parts(&mut Rng::named(&name), shape);
            let (frame, table) = (parts.write(), parts.agreed());
            Sample {
                name,
                frame,
                table,
                elements: (shape.rows * shape.width) as usize,
            }
        })
        .collect();
    for sample in &samples {
        let mut out = vec![0.0f32; sample.elements];
        sample
            .decoder()
            .decode(&sample.frame, &mut out)
            .expect("undamaged");
    }
    samples
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

#[test]
fn every_flipped_bit_is_refused() {
    for sample in samples() {
        let mut frame = sample.frame.clone();
        for bit in 0..8 * frame.len() {
            flip(&mut frame, bit);
            sample.assert_refused(&frame, || format!("bit {bit}"));
            flip(&mut frame, bit);
        }
    }
}

/// Bits go over a wire the least of a byte first, which is the order of the checksum: a burst starts at any bit.
#[test]
fn every_burst_of_up_to_32_bits_is_refused() {
    let mut rng = Rng::named("bursts");
    for sample in samples() {
        let bits = 8 * sample.frame.len();
        for start in 0..bits {
            for len in 2..=32.min(bits - start) {
                // All of it, its ends, or any bits between its ends.
                for inner in [u32::MAX, 0, rng.draw() as u32] {
                    let mut frame = sample.frame.clone();
                    for i in 0..len {
                        if i == 0 || i == len - 1 || inner >> i & 1 == 1 {
                            flip(&mut frame, start + i);
                        }
                    }
                    if sample.decoder().parse(&frame).is_ok() {
                        sample.assert_refused(&frame, || format!("a burst of {len} bits at bit {start}"));
                    }
                }
            }
        }
    }
}

/// What no checksum of 32 bits can see: here the generator polynomial itself, a burst of 33 bits.
#[test]
fn a_burst_of_33_bits_may_be_accepted() {
    let sample = samples()
        .into_iter()
        .find(|sample| sample.header().encoding == tahq::Encoding::Uniform)
        .expect("there is one");
    let mut frame = sample.frame.clone();
    // Within the codes of the last tile, where every bit is as good as another.
    let start = 8 * (frame.len() - CHECKSUM_LEN - 8);
    for i in 0..33 {
        if 0x1_04c1_1db7u64 >> (32 - i) & 1 == 1 {
            flip(&mut frame, start + i);
        }
    }
    assert_ne!(frame, sample.frame);
    let mut out = vec![0.0f32; sample.elements];
    assert!(sample.decoder().decode(&frame, &mut out).is_ok());
}

#[test]
fn every_truncation_and_every_byte_too_many_is_refused() {
    for sample in samples() {
        for len in 0..sample.frame.len() {
            let error = sample.assert_refused(&sample.frame[..len], || format!("{len} bytes"));
            assert!(
                matches!(error, DecodeError::Truncated { needed, available }
                    if available == len && (needed == HEADER_LEN as u64 || needed == sample.frame.len() as u64)),
                "{error:?}"
            );
        }
        for more in 1..=2 * sample.frame.len() {
            // Zeros, then another frame.
            let mut frame = [&sample.frame[..], &vec![0; more]].concat();
            if more >= sample.frame.len() {
                frame.truncate(sample.frame.len());
                frame.extend(sample.frame.iter().cycle().take(more));
            }
            let error = sample.assert_refused(&frame, || format!("{more} bytes too many"));
            assert!(
                matches!(error, DecodeError::TrailingBytes { needed, available }
                    if needed == sample.frame.len() as u64 && available == frame.len()),
                "{error:?}"
            );
        }
    }
}

/// Bits of a body, which has no checksum: whatever they are taken for, it is the same at every level and over every old
/// content of the output, and after an error there are zeros.
#[test]
fn damaged_bodies_leak_nothing() {
    for sample in samples() {
        let header = sample.header();
        let mut body = sample.frame[HEADER_LEN..sample.frame.len() - CHECKSUM_LEN].to_vec();
        for bit in 0..8 * body.len() {
            flip(&mut body, bit);
            let mut results = Vec::new();
            for level in Level::available() {
                for fill in [0xa5a5_a5a5, 0x3c3c_3c3c] {
                    let mut out = vec![f32::from_bits(fill); sample.elements];
                    let result = sample
                        .decoder()
                        .with_level(level)
                        .decode_body(&header, &body, &mut out);
                    let bits: Vec<u32> = out.iter().map(|x| x.to_bits()).collect();
                    assert!(result.is_ok() || bits.iter().all(|&bits| bits == 0));
                    results.push((result, bits));
                }
            }
            assert!(
                results.iter().all(|result| *result == results[0]),
                "{}: bit {bit}",
                sample.name
            );
            flip(&mut body, bit);
        }
        for len in 0..body.len() {
            let mut out = vec![f32::NAN; sample.elements];
            assert!(
                sample
                    .decoder()
                    .decode_body(&header, &body[..len], &mut out)
                    .is_err()
            );
            assert!(out.iter().all(|x| x.to_bits() == 0));
        }
    }
}

/// Numbers about which sizes go wrong.
const EDGES: [u32; 22] = [
    0,
    1,
    2,
    31,
    32,
    33,
    63,
    64,
    65,
    127,
    128,
    129,
    0xffff,
    0x1_0000,
    0x1_0001,
    0x3fff_ffff,
    0x4000_0000,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    u32::MAX - 1,
    u32::MAX,
];

/// Headers of every kind with sizes about every limit, and a few bytes of body with the right checksum. Sizes are those
/// of the reference, which computes in 128 bits; what is not there is refused without a look at memory.
#[test]
fn claims_of_any_size_are_judged_by_the_bytes_that_are_there() {
    let mut rng = Rng::named("claims");
    let mut accepted = 0;
    let mut too_large = 0;
    for (encoding, log2_tile, hi, lo) in [
        (Encoding::Raw, 0, 0, 0),
        (Encoding::Uniform, 5, 1, 1),
        (Encoding::Uniform, 7, 8, 8),
        (Encoding::TileMixed, 6, 4, 3),
        (Encoding::TileMixed, 7, 1, 0),
        (Encoding::RowMixed, 6, 4, 3),
        (Encoding::RowMixed, 7, 8, 0),
    ] {
        for rows in EDGES {
            for width in EDGES {
                for quota in [0, 1, rows / 2, rows, width.div_ceil(64), rng.draw() as u32] {
                    let mut header = reference::Header {
                        encoding,
                        log2_tile,
                        hi,
                        lo,
                        source: [SourceType::F32, SourceType::F16][(quota % 2) as usize],
                        exponents: match encoding {
                            Encoding::Raw => Exponents::None,
                            _ => [Exponents::None, Exponents::InFrame][(rng.draw() % 2) as usize],
                        },
                        table_check: 0,
                        rows,
                        width,
                        quota,
                        body_length: 0,
                    };
                    let most = match encoding {
                        _ if header.is_empty() => 0,
                        Encoding::Raw | Encoding::Uniform => 0,
                        Encoding::TileMixed => header.tiles(),
                        Encoding::RowMixed => u64::from(rows),
                    };
                    let fits = u64::from(quota) <= most;
                    let exact = if fits { header.exact_body_length() } else { 0 };
                    header.body_length = exact.min(u128::from(u32::MAX)) as u32;
                    let mut frame = header_bytes(&header);
                    frame.resize(HEADER_LEN + exact.min(200) as usize + CHECKSUM_LEN, 0);
                    reference::seal(&mut frame);

                    let expected = reference::Header::parse(&frame).is_ok();
                    let parsed = Header::parse(&frame);
                    assert_eq!(expected, parsed.is_ok(), "{header:?}: {parsed:?}");
                    if fits && exact >= 1 << 32 {
                        too_large += 1;
                        assert_eq!(parsed, Err(DecodeError::FrameTooLarge), "{header:?}");
                    }
                    let there = Frame::parse(&frame, None).and_then(|frame| frame.validate());
                    assert_eq!(
                        there.is_ok(),
                        reference::Frame::open(&frame, None).is_ok(),
                        "{header:?}: {there:?}"
                    );
                    let mut out = [f32::NAN; 64];
                    let decoded = Decoder::new().decode(&frame, &mut out);
                    assert_eq!(
                        decoded.is_ok(),
                        there.is_ok() && header.elements() == 64,
                        "{header:?}"
                    );
                    assert!(out.iter().all(|x| x.to_bits() == 0));
                    accepted += usize::from(there.is_ok());
                }
            }
        }
    }
    assert!(accepted > 500 && too_large > 500, "{accepted}, {too_large}");
}

fn header_bytes(header: &reference::Header) -> Vec<u8> {
    let mut b = b"TAHQ\x01".to_vec();
    b.extend([
        header.encoding as u8,
        header.log2_tile,
        header.hi << 4 | header.lo,
        header.source as u8 + 1,
        header.exponents as u8,
    ]);
    b.extend(header.table_check.to_le_bytes());
    for word in [header.rows, header.width, header.quota, header.body_length] {
        b.extend(word.to_le_bytes());
    }
    b
}
