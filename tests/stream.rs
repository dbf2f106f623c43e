//! Streams: the same events, values and faults however the bytes are cut; the same values as the whole decoder; the
//! same bytes as the whole encoder; and the next frame is found after whatever goes wrong.

mod common;
mod reference;

use std::fs;
use std::path::Path;

use half::{bf16, f16};
use reference::Rng;
use tahq::{
    Allocation, Config, DecodeError, Decoder, Element, EncodeError, Encoder, Event, Exponents, Header, Level,
    Rounding, SourceType, StreamDecoder, StreamError, StreamFault, TileSize, WholeTensor,
};

/// What a stream decoder told, with a row's values as bits.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Header(Header),
    Row(u32, Vec<u32>),
    End(Header),
    Error(StreamError),
}

/// What it told and its position then.
type Story = Vec<(u64, Told)>;

/// What no decoder writes, so that a value left alone shows.
const DIRT: f32 = f32::from_bits(0x7fc0_d127);

struct Listener<'t, const N: usize> {
    decoder: StreamDecoder<'t, N>,
    /// Elements of the row buffer.
    room: usize,
    width: usize,
    story: Story,
}

impl<'t, const N: usize> Listener<'t, N> {
    fn new(table: Option<&'t [i8]>, room: usize) -> Self {
        let decoder = StreamDecoder::new();
        Self {
            decoder: match table {
                Some(table) => decoder.with_exponents(table),
                None => decoder,
            },
            room,
            width: 0,
            story: Vec::new(),
        }
    }

    /// Pushes a piece until all of it is taken and nothing is left to tell.
    fn push(&mut self, mut piece: &[u8]) {
        loop {
            let mut row = vec![DIRT; self.room];
            let result = self.decoder.push(&mut piece, &mut row);
            let untouched = |values: &[f32]| values.iter().all(|x| x.to_bits() == DIRT.to_bits());
            let told = match result {
                Ok(None) => {
                    assert!(piece.is_empty() && untouched(&row));
                    return;
                }
                Ok(Some(Event::Header(header))) => {
                    assert!(untouched(&row));
                    self.width = header.width as usize;
                    Told::Header(header)
                }
                Ok(Some(Event::Row { index })) => {
                    let (values, rest) = row.split_at(self.width);
                    assert!(untouched(rest));
                    Told::Row(index, values.iter().map(|x| x.to_bits()).collect())
                }
                Ok(Some(Event::End(header))) => {
                    assert!(untouched(&row));
                    Told::End(header)
                }
                Err(error) => {
                    assert!(row.iter().all(|x| x.to_bits() == 0), "old content after an error");
                    Told::Error(error)
                }
            };
            self.story.push((self.decoder.position(), told));
        }
    }

    /// Ends the stream and listens to what was held back.
    fn finish(mut self) -> Story {
        loop {
            let result = self.decoder.finish();
            let over = result.is_ok();
            if let Err(error) = result {
                self.story.push((self.decoder.position(), Told::Error(error)));
            }
            self.push(&[]);
            if over {
                return self.story;
            }
        }
    }
}

fn listen<'p, const N: usize>(
    table: Option<&[i8]>,
    room: usize,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Story {
    let mut listener = Listener::<N>::new(table, room);
    for piece in pieces {
        listener.push(piece);
    }
    listener.finish()
}

/// Cuts at random: many short pieces, empty ones among them.
fn pieces<'b>(mut bytes: &'b [u8], rng: &mut Rng) -> Vec<&'b [u8]> {
    let most = rng.pick(&[2, 9, 40, 300]);
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(rng.below(most).min(bytes.len() as u64) as usize);
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// The story of `bytes`, which must be the same for every cut.
fn story<const N: usize>(table: Option<&[i8]>, room: usize, bytes: &[u8], rng: &mut Rng) -> Story {
    let whole = listen::<N>(table, room, [bytes]);
    assert_eq!(listen::<N>(table, room, bytes.chunks(1)), whole, "byte by byte");
    for _ in 0..3 {
        let seed = rng.clone();
        let pieces = pieces(bytes, rng);
        assert_eq!(listen::<N>(table, room, pieces), whole, "cut by {seed:?}");
    }
    whole
}

fn ends(story: &Story) -> Vec<u64> {
    let end = |(at, told): &(u64, Told)| matches!(told, Told::End(_)).then_some(*at);
    story.iter().filter_map(end).collect()
}

fn faults(story: &Story) -> Vec<StreamError> {
    let fault = |(_, told): &(u64, Told)| match told {
        Told::Error(error) => Some(*error),
        _ => None,
    };
    story.iter().filter_map(fault).collect()
}

/// The variant of a fault in a frame.
fn name(error: &StreamError) -> String {
    let text = match error.fault {
        StreamFault::Frame(fault) => format!("{fault:?}"),
        fault => format!("{fault:?}"),
    };
    text.split([' ', '{', '(']).next().expect("a name").to_string()
}

struct Vector {
    name: String,
    bytes: Vec<u8>,
    table: Option<Vec<i8>>,
}

fn vectors(folder: &str) -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(folder);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("the vectors are there")
        .filter_map(|entry| {
            let name = entry.expect("readable").file_name();
            Some(name.to_str()?.strip_suffix(".tahq")?.to_string())
        })
        .collect();
    names.sort_unstable();
    let read = |name: &str, extension: &str| fs::read(folder.join(format!("{name}.{extension}"))).ok();
    names
        .into_iter()
        .map(|name| Vector {
            bytes: read(&name, "tahq").expect("listed a line above"),
            table: read(&name, "exponents").map(|table| table.into_iter().map(|k| k as i8).collect()),
            name,
        })
        .collect()
}

/// What a decoder must tell of a sound frame that ends at `end` of the stream.
fn expected(vector: &Vector, end: u64) -> Vec<Told> {
    let (header, _) = Header::parse(&vector.bytes).expect("a good vector");
    let mut decoder = Decoder::new();
    if let Some(table) = &vector.table {
        decoder = decoder.with_exponents(table);
    }
    let mut values = vec![DIRT; header.elements() as usize];
    decoder
        .decode(&vector.bytes, &mut values)
        .unwrap_or_else(|error| panic!("{}, which ends at {end}: {error}", vector.name));
    let mut told = vec![Told::Header(header)];
    if !header.is_empty() {
        let rows = values.chunks_exact(header.width as usize).enumerate();
        told.extend(rows.map(|(r, row)| Told::Row(r as u32, row.iter().map(|x| x.to_bits()).collect())));
    }
    told.push(Told::End(header));
    told
}

const N: usize = 1 << 14;

#[test]
fn good_vectors_in_every_cut() {
    let mut rng = Rng::named("good vectors in every cut");
    println!("seed {rng:?}");
    let vectors = vectors("good");
    assert!(vectors.len() > 300);
    let mut cuts = 0;
    for vector in &vectors {
        let (header, _) = Header::parse(&vector.bytes).expect("good");
        assert!(header.stream_capacity().expect("small") <= N);
        let room = if header.is_empty() {
            0
        } else {
            header.width as usize
        } + 3;
        let table = vector.table.as_deref();
        let end = vector.bytes.len() as u64;
        let story = story::<N>(table, room, &vector.bytes, &mut rng);
        assert_eq!(ends(&story), [end], "{}", vector.name);
        let told: Vec<Told> = story.iter().map(|(_, told)| told.clone()).collect();
        assert!(told == expected(vector, end), "{}", vector.name);
        if vector.bytes.len() <= 160 {
            for at in 0..=vector.bytes.len() {
                let (first, second) = vector.bytes.split_at(at);
                assert!(
                    listen::<N>(table, room, [first, second]) == story,
                    "{} cut at {at}",
                    vector.name
                );
                cuts += 1;
            }
        }
    }
    assert!(cuts > 5_000, "{cuts} cuts in two");
}

#[test]
fn every_level_and_element_type() {
    for vector in vectors("good").iter().step_by(7) {
        let (header, _) = Header::parse(&vector.bytes).expect("good");
        let elements = header.elements() as usize;
        for level in Level::available() {
            let mut whole = Decoder::new().with_level(level);
            let mut stream = StreamDecoder::<N>::new().with_level(level);
            if let Some(table) = &vector.table {
                whole = whole.with_exponents(table);
                stream = stream.with_exponents(table);
            }
            let mut values = vec![f16::NAN; elements];
            whole.decode(&vector.bytes, &mut values).expect("good");
            let mut row = vec![f16::NAN; if elements == 0 { 0 } else { header.width as usize }];
            let mut got = Vec::new();
            let mut bytes = &vector.bytes[..];
            while let Some(event) = stream.push(&mut bytes, &mut row).expect("good") {
                if let Event::Row { .. } = event {
                    got.extend(row.iter().map(|x| x.to_bits()));
                }
            }
            let values: Vec<u16> = values.iter().map(|x| x.to_bits()).collect();
            assert!(got == values, "{} at {}", vector.name, level.name());
        }
    }
}

#[test]
fn bad_vectors_are_refused_by_name() {
    let mut rng = Rng::named("bad vectors");
    println!("seed {rng:?}");
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/bad/MANIFEST.txt"))
            .expect("the manifest is there");
    let mut refused = 0;
    for vector in vectors("bad") {
        let expected = manifest
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{} ", vector.name)))
            .expect("every bad vector is listed");
        let story = story::<N>(vector.table.as_deref(), 4096, &vector.bytes, &mut rng);
        let faults = faults(&story);
        if expected == "TrailingBytes" {
            // In a stream, what follows a frame is the next.
            assert!(!ends(&story).is_empty(), "{}", vector.name);
            continue;
        }
        assert!(ends(&story).is_empty(), "{}", vector.name);
        // Of a frame that is not there, a stream sees the size first.
        if expected == "Truncated" && vector.bytes.is_empty() {
            assert!(faults.is_empty());
            continue;
        }
        let first = faults
            .first()
            .unwrap_or_else(|| panic!("{}: not refused", vector.name));
        let too_large = expected == "Truncated" && name(first) == "Capacity";
        assert!(
            name(first) == expected || too_large,
            "{}: {first:?}, not {expected}",
            vector.name
        );
        refused += 1;
    }
    assert!(refused > 340, "{refused} vectors");
}

/// Rows that are none like another.
fn tensor(rows: u32, width: u32, rng: &mut Rng) -> Vec<f32> {
    (0..rows * width)
        .map(|i| {
            let x = (rng.below(1 << 20) as f32 - 524_288.0) / 65_536.0;
            if i % 37 == 5 { 20.0 * x } else { x }
        })
        .collect()
}

fn frame(config: Config, rows: u32, width: u32, rng: &mut Rng) -> Vec<u8> {
    let x = tensor(rows, width, rng);
    let mut bytes = vec![0; config.max_frame_len(rows, width, SourceType::F32).expect("small")];
    let len = Encoder::new(config)
        .expect("valid")
        .encode(&x, rows, width, &mut bytes)
        .expect("finite");
    bytes.truncate(len);
    bytes
}

fn some_config(rng: &mut Rng) -> Config {
    let config = rng.pick(&common::PRESETS).1;
    Config {
        tile: rng.pick(&[TileSize::G32, TileSize::G64, TileSize::G128]),
        exponents: rng.pick(&[Exponents::None, Config::INT4.exponents]),
        ..config
    }
}

/// Frames with noise between them; some have a wrong bit, miss bytes or have too many. All others are found.
#[test]
fn sound_frames_are_found_between_damaged_ones() {
    let mut rng = Rng::named("sound frames");
    println!("seed {rng:?}");
    let (mut sound, mut damaged) = (0, 0);
    for _ in 0..60 {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..12 {
            let (rows, width) = (rng.range(2, 40) as u32, rng.range(1, 200) as u32);
            let config = some_config(&mut rng);
            let mut bytes = frame(config, rows, width, &mut rng);
            let (header, _) = Header::parse(&bytes).expect("sound");
            // No more than a row block is lost: more may take the next header along.
            let least = if header.lo == 0 { header.hi } else { header.lo };
            let few = (header.tiles() as u64 * u64::from(least) * header.tile_len() as u64 / 8).min(90);
            match rng.below(6) {
                0 => {
                    let bit = rng.below(bytes.len() as u64 * 8) as usize;
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
                1 => {
                    let from = rng.below(bytes.len() as u64) as usize;
                    let to = (from + rng.range(1, few) as usize).min(bytes.len());
                    // Unless what is left is the same.
                    bytes.drain(from..to);
                }
                2 => {
                    let at = rng.range(1, bytes.len() as u64 - 1) as usize;
                    bytes.splice(at..at, (0..rng.range(1, 9)).map(|i| i as u8 ^ 0x5a));
                }
                _ => {
                    stream.extend(&bytes);
                    expected.push(stream.len() as u64);
                    sound += 1;
                    bytes.clear();
                }
            }
            damaged += u32::from(!bytes.is_empty());
            stream.extend(bytes);
            if rng.one_in(3) {
                stream.extend((0..rng.below(60)).map(|_| rng.pick(b"TAHQ\x01\x01\x05\x44\x00")));
            }
        }
        let story = story::<N>(None, 200, &stream, &mut rng);
        assert_eq!(ends(&story), expected);
    }
    assert!(sound > 300 && damaged > 200, "{sound} sound, {damaged} damaged");
}

/// A sender that begins anew at any byte of a frame: what is told does not depend on the cuts, and with room for two
/// rows the new frame is found.
#[test]
fn a_sender_that_begins_anew() {
    let mut rng = Rng::named("anew");
    println!("seed {rng:?}");
    const WIDTH: u32 = 1 << 8;
    const TIGHT: usize = match Config::INT4.stream_capacity(33, WIDTH, SourceType::F32) {
        Ok(len) => len,
        Err(_) => panic!("no such frame"),
    };
    for config in [Config::INT4, Config::INT3, Config::MIXED] {
        let old = frame(config, 33, WIDTH, &mut rng);
        let new = frame(config, 3, WIDTH, &mut rng);
        let (mut tight, mut roomy) = (0, 0);
        let starts = (0..old.len()).step_by(5);
        for at in starts.clone() {
            let stream = [&old[..at], &new[..]].concat();
            let room = WIDTH as usize;
            let story = listen::<TIGHT>(None, room, [&stream[..]]);
            let with_room = listen::<{ 2 * TIGHT }>(None, room, [&stream[..]]);
            if at % 7 == 0 {
                assert_eq!(listen::<TIGHT>(None, room, stream.chunks(50)), story, "at {at}");
                let cut = listen::<{ 2 * TIGHT }>(None, room, stream.chunks(50));
                assert_eq!(cut, with_room, "at {at}");
            }
            let found = |story: &Story| usize::from(ends(story) == [stream.len() as u64]);
            tight += found(&story);
            roomy += found(&with_room);
            assert!(at > 28 || found(&story) == 1, "{config:?} at {at}");
        }
        println!("{tight} and {roomy} of {}", starts.len());
        assert!(roomy * 100 > starts.len() * 95 && tight < roomy);
    }
    // Between two rows: the magic is no row prefix.
    let old = frame(Config::INT8, 8, 64, &mut rng);
    let new = frame(Config::INT8, 1, 64, &mut rng);
    for row in 0..8 {
        let at = 28 + row * (4 + 4 + 64);
        let story = story::<N>(None, 64, &[&old[..at], &new[..]].concat(), &mut rng);
        assert_eq!(ends(&story), [(at + new.len()) as u64]);
        let error = faults(&story)[0];
        assert_eq!(error.position, at as u64);
        assert_eq!(
            error.fault,
            StreamFault::Frame(DecodeError::RowPadding { row: row as u32 })
        );
    }
}

/// One fault, one error, at the byte where the part starts that has it.
#[test]
fn faults_have_positions() {
    let mut rng = Rng::named("positions");
    let good = frame(Config::INT8, 2, 64, &mut rng);
    let row = 4 + 4 + 64;
    let at = |offset: usize, flip: u8| {
        let mut bad = good.clone();
        bad[offset] ^= flip;
        let stream = [&good[..], &bad, &good].concat();
        let story = story::<N>(None, 64, &stream, &mut Rng(offset as u64));
        assert_eq!(ends(&story), [good.len() as u64, stream.len() as u64]);
        let [error] = faults(&story)[..] else {
            panic!("one fault expected: {:?}", faults(&story));
        };
        (error.position as usize - good.len(), name(&error))
    };
    assert_eq!(at(0, 1), (0, "BadMagic".into()));
    assert_eq!(at(4, 2), (0, "UnsupportedVersion".into()));
    assert_eq!(at(13, 1), (0, "BodyLength".into()));
    assert_eq!(at(28 + 1, 1), (28, "RowPadding".into()));
    assert_eq!(at(28 + row + 2, 1), (28 + row, "RowPadding".into()));
    assert_eq!(at(28 + row + 7, 0x40), (28 + row, "BadTransform".into()));
    assert_eq!(at(28 + 2 * row - 1, 1), (28 + 2 * row, "Checksum".into()));
    assert_eq!(at(good.len() - 1, 1), (28 + 2 * row, "Checksum".into()));
}

#[test]
fn noise_is_reported_once() {
    let mut rng = Rng::named("noise");
    let good = frame(Config::INT4, 2, 64, &mut rng);
    // Headers that are none, of which nothing is told.
    let noise = [&b"xTATAHQ"[..], &good[..27], b"TAHQ\x01\x09", &[0; 40]].concat();
    let stream = [&noise[..], &good].concat();
    let told = story::<N>(None, 64, &stream, &mut rng);
    assert_eq!(ends(&told), [stream.len() as u64]);
    let found = *b"xTAT";
    let expected = StreamError {
        position: 0,
        fault: StreamFault::Frame(DecodeError::BadMagic { found }),
    };
    assert_eq!(faults(&told), [expected]);
}

#[test]
fn a_stream_may_end_anywhere() {
    let mut rng = Rng::named("ends");
    for config in [Config::INT4, Config::MIXED, Config::TAH_QUANT_TOKEN, Config::RAW] {
        let good = frame(config, 33, 37, &mut rng);
        for len in 0..good.len() {
            let told = listen::<N>(None, 37, [&good[..len]]);
            assert!(ends(&told).is_empty());
            match faults(&told)[..] {
                [] => assert_eq!(len, 0),
                [error] => {
                    let needed = if len < 28 { 28 } else { good.len() as u64 };
                    let available = len;
                    let fault = StreamFault::Frame(DecodeError::Truncated { needed, available });
                    assert_eq!(error.fault, fault);
                }
                _ => panic!("several faults"),
            }
        }
        // Afterwards the decoder is as new.
        let mut listener = Listener::<N>::new(None, 37);
        listener.push(&good[..good.len() / 2]);
        assert!(listener.decoder.finish().is_err());
        listener.push(&[]);
        assert_eq!(listener.decoder.finish(), Ok(()));
        listener.push(&good);
        assert_eq!(ends(&listener.story).len(), 1);
        assert_eq!(faults(&listener.story), []);
    }
}

/// A whole frame within what the end of the stream left unfinished.
#[test]
fn the_end_gives_back_what_was_held() {
    let mut rng = Rng::named("held");
    let outer = frame(
        Config {
            exponents: Exponents::None,
            ..Config::INT8
        },
        2,
        2000,
        &mut rng,
    );
    let inner = frame(Config::INT3, 2, 64, &mut rng);
    let stream = [&outer[..40], &inner, &inner].concat();
    let told = story::<N>(None, 2000, &stream, &mut rng);
    assert_eq!(
        ends(&told),
        [(40 + inner.len()) as u64, (40 + 2 * inner.len()) as u64]
    );
    assert_eq!(faults(&told).len(), 1);
}

/// The capacity that a configuration gives is enough, and one byte less is refused with the number needed.
#[test]
fn capacities_are_exact() {
    macro_rules! check {
        ($config:expr, $rows:expr, $width:expr) => {{
            const EXACT: usize = match $config.stream_capacity($rows, $width, SourceType::F32) {
                Ok(len) => len,
                Err(_) => panic!("no such frame"),
            };
            const SHORT: usize = EXACT - 1;
            let mut rng = Rng($width);
            let good = frame($config, $rows, $width, &mut rng);
            let (header, _) = Header::parse(&good).expect("sound");
            assert_eq!(header.stream_capacity(), Ok(EXACT));
            let next = frame(Config::INT3, 1, 20, &mut rng);
            let stream = [&good[..], &next, &good].concat();
            let told = story::<EXACT>(None, $width, &stream, &mut rng);
            assert_eq!((ends(&told).len(), faults(&told)), (3, vec![]));
            // The frame that fits is found, and the other is told of each time.
            let told = story::<SHORT>(None, $width, &stream, &mut rng);
            let ends = ends(&told);
            assert_eq!(ends, [(good.len() + next.len()) as u64]);
            let fault = StreamFault::Capacity {
                needed: EXACT,
                available: SHORT,
            };
            let positions = [0, (good.len() + next.len()) as u64];
            assert_eq!(
                faults(&told),
                positions.map(|position| StreamError { position, fault })
            );
        }};
    }
    check!(Config::INT4, 40, 96);
    check!(Config::INT4, 8, 1000);
    check!(Config::MIXED, 5, 300);
    check!(Config::TAH_QUANT_TOKEN, 70, 64);
    check!(Config::GRADIENT, 40, 65);
    check!(Config::RAW, 3, 33);
}

/// No configuration needs more than is said beforehand, for as many rows or fewer.
#[test]
fn capacities_bound_those_of_frames() {
    let mut rng = Rng::named("capacities");
    for _ in 0..300 {
        let config = Config {
            allocation: rng.pick(&[
                Config::INT4.allocation,
                Config::MIXED.allocation,
                Config::GRADIENT.allocation,
                Config::TAH_QUANT_TOKEN.allocation,
                Allocation::Raw,
            ]),
            lo: 1,
            ..some_config(&mut rng)
        };
        let (rows, width) = (rng.range(0, 70) as u32, rng.range(0, 90) as u32);
        for source in [SourceType::F32, SourceType::F16, SourceType::Bf16] {
            let bound = config.stream_capacity(rows, width, source).expect("small");
            assert!(bound >= 28);
            for fewer in 0..=rows {
                assert!(config.stream_capacity(fewer, width, source).expect("small") <= bound);
            }
        }
        let (header, _) = Header::parse(&frame(config, rows, width, &mut rng)).expect("sound");
        let bound = config
            .stream_capacity(rows, width, SourceType::F32)
            .expect("small");
        assert!(header.stream_capacity().expect("small") <= bound);
    }
}

#[test]
fn short_row_buffers_end_their_frame() {
    let mut rng = Rng::named("short");
    let wide = frame(Config::INT4, 3, 65, &mut rng);
    let narrow = frame(Config::GRADIENT, 3, 64, &mut rng);
    let stream = [&wide[..], &narrow].concat();
    let told = story::<N>(None, 64, &stream, &mut rng);
    assert_eq!(ends(&told), [stream.len() as u64]);
    let fault = StreamFault::Frame(DecodeError::OutputLength {
        needed: 65,
        available: 64,
    });
    assert_eq!(faults(&told), [StreamError { position: 28, fault }]);
}

#[test]
fn tables_are_checked_before_the_frame() {
    let mut rng = Rng::named("tables");
    let table: Vec<i8> = (0..50).map(|c| (c % 5) as i8 - 2).collect();
    let other = [1; 50];
    let x = tensor(4, 50, &mut rng);
    let config = Config {
        exponents: Exponents::Agreed,
        ..Config::INT4
    };
    let mut bytes = vec![0; 4096];
    let len = Encoder::new(config)
        .expect("valid")
        .with_exponents(&table)
        .encode(&x, 4, 50, &mut bytes)
        .expect("finite");
    let bytes = &bytes[..len];
    assert_eq!(ends(&story::<N>(Some(&table), 50, bytes, &mut rng)), [len as u64]);
    for (table, expected) in [
        (None, "TableMissing"),
        (Some(&table[1..]), "TableLength"),
        (Some(&other[..]), "TableMismatch"),
    ] {
        let told = story::<N>(table, 50, bytes, &mut rng);
        let [error] = faults(&told)[..] else {
            panic!("one fault expected");
        };
        assert_eq!((error.position, name(&error)), (0, expected.into()));
        assert_eq!(told.len(), 1, "no header is told of");
    }
}

/// Headers within headers within headers: each is looked at, and the end comes.
#[test]
fn nests_of_headers_come_to_an_end() {
    let mut rng = Rng::named("nests");
    // Exponents that fill the buffer and are headers themselves. The number of rows is no exponent.
    let header = Header {
        rows: 0x80,
        width: 8000,
        ..Header::parse(&frame(Config::INT4, 32, 32, &mut rng))
            .expect("sound")
            .0
    };
    let header = header.to_bytes().expect("valid");
    let mut stream = header.repeat(700);
    stream.extend([0x80; 9000]);
    stream.extend(frame(Config::INT4, 32, 32, &mut rng));
    let told = story::<N>(None, 8000, &stream, &mut rng);
    assert_eq!(ends(&told), [stream.len() as u64]);
    let headers = told.iter().filter(|(_, told)| matches!(told, Told::Header(_)));
    assert_eq!(headers.count(), 701);
}

#[test]
fn the_state_has_the_size_that_is_stated() {
    assert!(size_of::<StreamDecoder<'_, 1024>>() <= 1024 + 256);
    assert!(size_of::<tahq::StreamEncoder<'_, f32>>() <= 512);
}

// ---------------------------------------------------------------------------------------------------------
// Row by row to bytes
// ---------------------------------------------------------------------------------------------------------

fn by_rows<E: Element>(
    encoder: &Encoder<'_>,
    x: &[E],
    rows: u32,
    width: u32,
) -> Result<Vec<u8>, EncodeError> {
    let capacity = encoder.config().stream_capacity(rows, width, E::SOURCE)?;
    // Nothing of what was there before may be sent.
    let mut piece = vec![0xa5; capacity];
    let (mut stream, len) = encoder.stream::<E>(rows, width, &mut piece)?;
    let mut bytes = piece[..len].to_vec();
    if width == 0 {
        assert_eq!(stream.next_row(), 0);
    } else {
        for (r, row) in x.chunks_exact(width as usize).enumerate() {
            assert_eq!(stream.next_row(), r as u32);
            piece.fill(0xa5);
            let len = stream.row(row, &mut piece)?;
            bytes.extend(&piece[..len]);
        }
        assert!(matches!(
            stream.row(&x[..0], &mut piece),
            Err(EncodeError::RowRange { .. })
        ));
    }
    piece.fill(0xa5);
    let len = stream.finish(&mut piece)?;
    bytes.extend(&piece[..len]);
    Ok(bytes)
}

/// Both encoders' bytes, which must be the same; whether the frame can be written by rows.
fn same_bytes<E: Element>(encoder: &Encoder<'_>, x: &[E], rows: u32, width: u32) -> bool {
    let mut whole = vec![
        0;
        encoder
            .config()
            .max_frame_len(rows, width, E::SOURCE)
            .expect("small")
    ];
    let expected = encoder
        .encode(x, rows, width, &mut whole)
        .map(|len| whole[..len].to_vec());
    match by_rows(encoder, x, rows, width) {
        Err(EncodeError::NotByRows(_)) => false,
        bytes => {
            assert!(
                bytes == expected,
                "{:?}, {rows} x {width}: {:?}",
                encoder.config(),
                bytes.map(|bytes| bytes.len())
            );
            true
        }
    }
}

#[test]
fn rows_give_the_bytes_of_the_whole() {
    let mut rng = Rng::named("rows");
    println!("seed {rng:?}");
    let mut written = 0;
    for round in 0..400u64 {
        let (rows, width) = (rng.below(40) as u32, rng.below(200) as u32);
        let x = tensor(rows, width, &mut rng);
        let table: Vec<i8> = (0..width).map(|_| rng.below(7) as i8 - 3).collect();
        let mask: Vec<bool> = (0..rows).map(|_| !rng.one_in(4)).collect();
        let config = Config {
            exponents: rng.pick(&[
                Exponents::None,
                Exponents::InFrame,
                Exponents::Agreed,
                Config::INT4.exponents,
            ]),
            rounding: rng.pick(&[Rounding::Nearest, Rounding::Stochastic { seed: round }]),
            ..if rng.one_in(6) {
                Config::RAW
            } else {
                some_config(&mut rng)
            }
        };
        let mut encoder = Encoder::new(config).expect("valid").with_exponents(&table);
        if matches!(config.allocation, Allocation::Prune { .. }) {
            encoder = encoder.with_mask(&mask);
        }
        let halves: Vec<f16> = x.iter().map(|&x| f16::from_f32(x)).collect();
        let brains: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(x)).collect();
        let by_rows = same_bytes(&encoder, &x, rows, width);
        assert_eq!(same_bytes(&encoder, &halves, rows, width), by_rows);
        assert_eq!(same_bytes(&encoder, &brains, rows, width), by_rows);
        written += u32::from(by_rows);
    }
    assert!(written > 200, "{written} of 400");
}

/// Every preset on real activations: those that need the whole tensor say so, and their rowwise kin do not.
#[test]
fn presets_by_rows() {
    let sample = &common::samples()[0];
    let (rows, width, x) = (sample.rows, sample.width, &sample.values);
    let obstacle = |config: Config| {
        let encoder = Encoder::new(config).expect("valid");
        match by_rows(&encoder, x, rows, width) {
            Err(EncodeError::NotByRows(obstacle)) => Some(obstacle),
            Err(error) => panic!("{error}"),
            Ok(_) => {
                assert!(same_bytes(&encoder, x, rows, width));
                None
            }
        }
    };
    let all = [("raw", Config::RAW)];
    for (name, config) in common::PRESETS.into_iter().chain(all) {
        let expected = match name {
            "tah-quant" | "raw" => None,
            "tah-quant-token" => Some(WholeTensor::RankedRows),
            _ => Some(WholeTensor::EstimatedExponents),
        };
        assert_eq!(obstacle(config), expected, "{name}");
        let without = Config {
            exponents: Exponents::None,
            ..config
        };
        let expected = match name {
            "tah-quant-token" => Some(WholeTensor::RankedRows),
            "gradient" => Some(WholeTensor::DroppedRows),
            _ => None,
        };
        assert_eq!(obstacle(without), expected, "{name} without exponents");
    }
    // The table that the whole encoder would have estimated makes the same frame.
    let mut table = vec![0; width as usize];
    tahq::estimate_exponents(x, rows, width, 64, &mut table);
    let config = Config {
        exponents: Exponents::InFrame,
        ..Config::INT4
    };
    let encoder = Encoder::new(config).expect("valid").with_exponents(&table);
    let mut whole = vec![
        0;
        Config::INT4
            .max_frame_len(rows, width, SourceType::F32)
            .expect("small")
    ];
    let len = Encoder::new(Config::INT4)
        .expect("valid")
        .encode(x, rows, width, &mut whole)
        .expect("finite");
    assert!(by_rows(&encoder, x, rows, width).expect("finite") == whole[..len]);
}

#[test]
fn a_row_that_is_refused_is_still_to_come() {
    let mut rng = Rng::named("refused");
    let config = Config {
        exponents: Exponents::None,
        ..Config::INT4
    };
    let x = tensor(2, 70, &mut rng);
    let encoder = Encoder::new(config).expect("valid");
    let mut piece = vec![0; 400];
    assert_eq!(
        encoder.stream::<f32>(2, 70, &mut piece[..27]).map(|_| ()),
        Err(EncodeError::OutputLength {
            needed: 28,
            available: 27
        })
    );
    let (mut stream, len) = encoder.stream::<f32>(2, 70, &mut piece).expect("small");
    let mut bytes = piece[..len].to_vec();
    for (r, row) in x.chunks_exact(70).enumerate() {
        let rows_missing = EncodeError::RowsMissing {
            encoded: r as u32,
            rows: 2,
        };
        assert_eq!(stream.finish(&mut piece), Err(rows_missing));
        let mut bad = row.to_vec();
        bad[3] = f32::NAN;
        let fault = EncodeError::NonFinite {
            row: r as u32,
            channel: 3,
        };
        assert_eq!(stream.row(&bad, &mut piece), Err(fault));
        assert!(matches!(
            stream.row(&row[1..], &mut piece),
            Err(EncodeError::InputLength { .. })
        ));
        assert!(matches!(
            stream.row(row, &mut piece[..10]),
            Err(EncodeError::OutputLength { .. })
        ));
        let len = stream.row(row, &mut piece).expect("finite");
        bytes.extend(&piece[..len]);
    }
    assert!(matches!(
        stream.finish(&mut piece[..3]),
        Err(EncodeError::OutputLength {
            needed: 4,
            available: 3
        })
    ));
    let len = stream.finish(&mut piece).expect("all rows");
    bytes.extend(&piece[..len]);
    let mut whole = vec![0; 4096];
    let len = encoder.encode(&x, 2, 70, &mut whole).expect("finite");
    assert!(bytes == whole[..len]);
}
