//! The crate against the reference on random frames: all values bit for bit, and the same judgement of damaged
//! frames. A frame that goes wrong is printed by its seed, and `TAHQ_SEED` runs that one alone; `TAHQ_ROUNDS` runs
//! so many times as many frames.

mod reference;

use half::{bf16, f16};
use reference::{Encoding, Fault, Rng, Sample, SourceType, random_frame};

/// Runs a test on frame after frame, each from a seed of its own.
fn each_seed(name: &str, count: u64, test: impl Fn(&mut Rng)) {
    let seeds = match std::env::var("TAHQ_SEED") {
        Ok(seed) => vec![seed.parse().expect("TAHQ_SEED is a decimal number")],
        Err(_) => {
            let rounds = std::env::var("TAHQ_ROUNDS").map_or(1, |rounds| rounds.parse().expect("a number"));
            let mut rng = Rng::named(name);
            (0..count * rounds).map(|_| rng.draw()).collect()
        }
    };
    for seed in seeds {
        let run = || test(&mut Rng(seed));
        if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
            eprintln!("{name}: run again with TAHQ_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn decoder(table: Option<&[i8]>) -> tahq::Decoder<'_> {
    match table {
        Some(table) => tahq::Decoder::new().with_exponents(table),
        None => tahq::Decoder::new(),
    }
}

/// Whether a frame's values may differ in a NaN's sign and payload when they come out as `to`.
fn converts(header: &reference::Header, to: SourceType) -> bool {
    header.encoding == Encoding::Raw && header.source != to
}

fn is_nan(bits: u32, of: SourceType) -> bool {
    match of {
        SourceType::F32 => bits & 0x7fff_ffff > 0x7f80_0000,
        SourceType::F16 => bits & 0x7fff > 0x7c00,
        SourceType::Bf16 => bits & 0x7fff > 0x7f80,
    }
}

#[track_caller]
fn assert_same(header: &reference::Header, to: SourceType, expected: &[u32], got: &[u32]) {
    assert_eq!(expected.len(), got.len(), "{header:?}");
    for (i, (&expected, &got)) in expected.iter().zip(got).enumerate() {
        let same = expected == got || converts(header, to) && is_nan(expected, to) && is_nan(got, to);
        let (row, channel) = (i / header.width as usize, i % header.width as usize);
        assert!(
            same,
            "{header:?}: row {row}, channel {channel} is {got:#x} and should be {expected:#x} ({to:?})"
        );
    }
}

fn expected_bits(sample: &Sample, to: SourceType) -> (reference::Header, Vec<u32>) {
    let table = sample.table.as_deref();
    let narrow = |decoded: reference::Decoded<u16>| {
        (
            decoded.header,
            decoded.bits.into_iter().map(u32::from).collect::<Vec<_>>(),
        )
    };
    match to {
        SourceType::F32 => {
            reference::decode(&sample.frame, table).map(|decoded| (decoded.header, decoded.bits))
        }
        SourceType::F16 => reference::decode_f16(&sample.frame, table).map(narrow),
        SourceType::Bf16 => reference::decode_bf16(&sample.frame, table).map(narrow),
    }
    .unwrap()
}

/// Element types that a frame can be decoded to, and their bits.
trait Output: tahq::Element + Copy {
    const TYPE: SourceType;
    fn from_bits(bits: u32) -> Self;
    fn bits(self) -> u32;
}

impl Output for f32 {
    const TYPE: SourceType = SourceType::F32;
    fn from_bits(bits: u32) -> f32 {
        f32::from_bits(bits)
    }
    fn bits(self) -> u32 {
        self.to_bits()
    }
}

impl Output for f16 {
    const TYPE: SourceType = SourceType::F16;
    fn from_bits(bits: u32) -> f16 {
        f16::from_bits(bits as u16)
    }
    fn bits(self) -> u32 {
        self.to_bits().into()
    }
}

impl Output for bf16 {
    const TYPE: SourceType = SourceType::Bf16;
    fn from_bits(bits: u32) -> bf16 {
        bf16::from_bits(bits as u16)
    }
    fn bits(self) -> u32 {
        self.to_bits().into()
    }
}

fn bits_of<E: Output>(values: &[E]) -> Vec<u32> {
    values.iter().map(|value| value.bits()).collect()
}

/// One random frame, whole and by ranges of rows, into a buffer of arbitrary content.
fn decodes_alike<E: Output>(rng: &mut Rng) {
    let sample = random_frame(rng);
    let (header, expected) = expected_bits(&sample, E::TYPE);
    let decoder = decoder(sample.table.as_deref());
    let fill = E::from_bits(rng.draw() as u32);

    let mut out = vec![fill; expected.len()];
    let decoded = decoder.decode(&sample.frame, &mut out).unwrap();
    assert_same_header(&header, &decoded);
    assert_same(&header, E::TYPE, &expected, &bits_of(&out));

    let frame = tahq::Frame::parse(&sample.frame, sample.table.as_deref()).unwrap();
    let rows = u64::from(header.rows);
    for _ in 0..3 {
        let start = rng.range(0, rows);
        let end = rng.range(start, rows);
        let values = (start * u64::from(header.width)) as usize..(end * u64::from(header.width)) as usize;
        let mut out = vec![fill; values.len()];
        decoder
            .decode_rows(&frame, start as u32..end as u32, &mut out)
            .unwrap();
        assert_same(&header, E::TYPE, &expected[values], &bits_of(&out));
    }
}

#[track_caller]
fn assert_same_header(expected: &reference::Header, got: &tahq::Header) {
    let got = [
        got.encoding as u32,
        got.log2_tile.into(),
        got.hi.into(),
        got.lo.into(),
        got.source as u32 - 1,
        got.exponents as u32,
        got.table_check.into(),
        got.rows,
        got.width,
        got.quota,
    ];
    let expected = [
        expected.encoding as u32,
        expected.log2_tile.into(),
        expected.hi.into(),
        expected.lo.into(),
        expected.source as u32,
        expected.exponents as u32,
        expected.table_check.into(),
        expected.rows,
        expected.width,
        expected.quota,
    ];
    assert_eq!(expected, got);
}

#[test]
fn random_frames_decode_alike_to_f32() {
    each_seed("f32", 1500, decodes_alike::<f32>);
}

#[test]
fn random_frames_decode_alike_to_f16() {
    each_seed("f16", 1000, decodes_alike::<f16>);
}

#[test]
fn random_frames_decode_alike_to_bf16() {
    each_seed("bf16", 1000, decodes_alike::<bf16>);
}

/// Damage that is accepted by one and refused by the other, or that is read differently, is a fault of either.
#[test]
fn damaged_frames_are_judged_alike() {
    each_seed("damage", 6000, |rng| {
        let mut sample = random_frame(rng);
        for _ in 0..rng.range(1, 2) {
            reference::damage(rng, &mut sample);
        }
        let table = sample.table.as_deref();
        let opened = reference::Frame::open(&sample.frame, table);
        let claimed = match sample.frame.get(12..20) {
            Some(field) => {
                u64::from(reference::read_u32(field, 0)) * u64::from(reference::read_u32(field, 4))
            }
            None => 0,
        };
        // Rows without codes may claim any number of values: those frames need a buffer that no one has.
        if claimed > 1 << 20 {
            return;
        }
        let mut out = vec![f32::from_bits(rng.draw() as u32); claimed as usize];
        let judged = decoder(table).decode(&sample.frame, &mut out);
        match (opened, judged) {
            (Err(_), Err(_)) => {}
            (Ok(_), Ok(decoded)) => {
                let (header, expected) = expected_bits(&sample, SourceType::F32);
                assert_same_header(&header, &decoded);
                assert_same(&header, SourceType::F32, &expected, &bits_of(&out));
            }
            (Ok(frame), Err(error)) => panic!("refused a valid frame: {error:?}, {:?}", frame.header),
            (Err(fault), Ok(_)) => panic!("accepted a frame with a fault: {fault:?}"),
        }
    });
}

/// The damage reaches every rule, or the test above would not say much.
#[test]
fn damage_reaches_every_fault() {
    let mut seen = std::collections::BTreeMap::new();
    let mut rng = Rng(1);
    for _ in 0..20_000 {
        let mut sample = random_frame(&mut rng);
        reference::damage(&mut rng, &mut sample);
        let fault = reference::Frame::open(&sample.frame, sample.table.as_deref())
            .map(|_| ())
            .err();
        *seen.entry(fault).or_insert(0) += 1;
    }
    let unseen: Vec<_> = Fault::ALL
        .iter()
        .filter(|&&fault| !seen.contains_key(&Some(fault)))
        .collect();
    assert!(unseen.is_empty(), "never seen: {unseen:?} among {seen:?}");
    assert!(seen.contains_key(&None), "no damage left a frame valid");
}

/// Random frames are valid and are spread over what a header can say.
#[test]
fn random_frames_are_valid_and_varied() {
    let mut seen = std::collections::BTreeSet::new();
    let mut rng = Rng(2);
    for _ in 0..8000 {
        let sample = random_frame(&mut rng);
        let frame = reference::Frame::open(&sample.frame, sample.table.as_deref()).unwrap();
        let header = frame.header;
        seen.insert((header.encoding as u8, header.log2_tile, header.hi, header.lo));
    }
    // Uniform: 8 widths; mixed: 44 pairs each; three tile sizes; and raw.
    assert_eq!(seen.len(), 3 * (8 + 44 + 44) + 1);
}
