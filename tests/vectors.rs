//! The checked-in vectors: that they are what `corpus` says they are, that the reference and the crate both
//! accept the good ones bit for bit and refuse the bad ones by name, and that the frames which `SPEC.md` takes
//! apart are among them. `TAHQ_BLESS=1` writes the files anew.

mod corpus;
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use reference::{Fault, SourceType};

fn table_bytes(table: &[i8]) -> Vec<u8> {
    table.iter().map(|&k| k as u8).collect()
}

fn good_files() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut add =
        |name: String, content| assert!(files.insert(name.clone(), content).is_none(), "two of {name}");
    for vector in corpus::good() {
        let name = vector.name;
        add(
            format!("{name}.f32"),
            vector
                .f32_bits
                .iter()
                .flat_map(|bits| bits.to_le_bytes())
                .collect(),
        );
        if let Some(table) = &vector.table {
            add(format!("{name}.exponents"), table_bytes(table));
        }
        add(format!("{name}.tahq"), vector.frame);
    }
    files
}

fn bad_files() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut manifest = BTreeMap::new();
    let mut add =
        |name: String, content| assert!(files.insert(name.clone(), content).is_none(), "two of {name}");
    for vector in corpus::bad() {
        let name = vector.name;
        manifest.insert(name.clone(), vector.fault);
        if let Some(table) = &vector.table {
            add(format!("{name}.exponents"), table_bytes(table));
        }
        add(format!("{name}.tahq"), vector.frame);
    }
    let mut text = String::from(
        "# Frames that must be refused, each with one fault: the frame's name and the error's.\n\
         # Where NAME.exponents exists it is the agreed table that the decoder is given.\n",
    );
    for (name, fault) in manifest {
        text += &format!("{name} {fault:?}\n");
    }
    add("MANIFEST.txt".into(), text.into_bytes());
    files
}

fn found_in(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Where the vectors are; when asked to, writes them before any test reads them.
fn folder(name: &str) -> PathBuf {
    static BLESSED: Once = Once::new();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    BLESSED.call_once(|| {
        if std::env::var_os("TAHQ_BLESS").is_none_or(|value| value != "1") {
            return;
        }
        for (folder, files) in [
            (vectors.join("good"), good_files()),
            (vectors.join("bad"), bad_files()),
        ] {
            fs::create_dir_all(&folder).unwrap();
            for name in found_in(&folder).iter().filter(|&name| !files.contains_key(name)) {
                fs::remove_file(folder.join(name)).unwrap();
            }
            for (name, content) in &files {
                fs::write(folder.join(name), content).unwrap();
            }
        }
    });
    vectors.join(name)
}

/// Holds a folder against what it should contain: the same files and the same bytes.
fn settle(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    let found = found_in(folder);
    let expected: BTreeSet<String> = files.keys().cloned().collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    let extra: Vec<_> = found.difference(&expected).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{}: missing {missing:?}, extra {extra:?}",
        folder.display()
    );
    for (name, content) in files {
        assert!(
            fs::read(folder.join(name)).unwrap() == *content,
            "{name} is not what the reference writes"
        );
    }
}

#[test]
fn good_vectors_are_as_generated() {
    settle(&folder("good"), &good_files());
}

#[test]
fn bad_vectors_are_as_generated() {
    settle(&folder("bad"), &bad_files());
}

/// A vector as it is on disk.
struct Stored {
    name: String,
    frame: Vec<u8>,
    table: Option<Vec<i8>>,
}

impl Stored {
    fn read(folder: &Path, name: &str) -> Stored {
        let read = |extension: &str| fs::read(folder.join(format!("{name}.{extension}"))).ok();
        Stored {
            name: name.into(),
            frame: read("tahq").unwrap_or_else(|| panic!("{name}.tahq is missing")),
            table: read("exponents").map(|bytes| bytes.into_iter().map(|byte| byte as i8).collect()),
        }
    }
}

fn stored_good() -> Vec<(Stored, Vec<u32>)> {
    let folder = folder("good");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .strip_suffix(".tahq")
                .map(String::from)
        })
        .collect();
    names.sort();
    assert!(names.len() > 100, "only {} good vectors were found", names.len());
    let vector = |name: &String| {
        let bytes = fs::read(folder.join(format!("{name}.f32"))).unwrap();
        (
            Stored::read(&folder, name),
            bytes.chunks(4).map(|bits| reference::read_u32(bits, 0)).collect(),
        )
    };
    names.iter().map(vector).collect()
}

fn stored_bad() -> Vec<(Stored, String)> {
    let folder = folder("bad");
    let manifest = fs::read_to_string(folder.join("MANIFEST.txt")).unwrap();
    let vectors: Vec<_> = manifest
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, fault) = line.split_once(' ').unwrap();
            (Stored::read(&folder, name), fault.to_string())
        })
        .collect();
    assert!(
        vectors.len() > 100,
        "only {} bad vectors were found",
        vectors.len()
    );
    vectors
}

// ---------------------------------------------------------------------------------------------------------
// The reference against the vectors
// ---------------------------------------------------------------------------------------------------------

#[test]
fn reference_decodes_good_vectors() {
    for (vector, expected) in stored_good() {
        let decoded = reference::decode(&vector.frame, vector.table.as_deref());
        let decoded = decoded.unwrap_or_else(|fault| panic!("{}: {fault:?}", vector.name));
        assert!(decoded.bits == expected, "{}", vector.name);
        // A table that is not asked for is not looked at.
        if vector.table.is_none() {
            let decoded = reference::decode(&vector.frame, Some(&[-128]));
            assert_eq!(
                decoded.map(|decoded| decoded.bits),
                Ok(expected),
                "{}",
                vector.name
            );
        }
    }
}

#[test]
fn reference_refuses_bad_vectors_by_name() {
    let mut seen = BTreeSet::new();
    for (vector, expected) in stored_bad() {
        let fault = reference::Frame::open(&vector.frame, vector.table.as_deref())
            .map(|_| ())
            .unwrap_err();
        assert_eq!(fault.name(), expected, "{}", vector.name);
        seen.insert(fault);
    }
    let unseen: Vec<_> = Fault::ALL.iter().filter(|fault| !seen.contains(fault)).collect();
    assert!(unseen.is_empty(), "no vector for {unseen:?}");
}

/// The vectors cover the header's space, whatever the generator comes to look like.
#[test]
fn good_vectors_cover_the_format() {
    let mut seen = BTreeSet::new();
    let mut values = [false; 6];
    for (vector, bits) in stored_good() {
        let header = reference::Header::parse(&vector.frame).unwrap();
        seen.insert(format!(
            "{:?} {} {} {}",
            header.encoding, header.log2_tile, header.hi, header.lo
        ));
        seen.insert(format!("{:?} {:?}", header.encoding, header.exponents));
        seen.insert(format!("{:?} {:?}", header.encoding, header.source));
        if header.encoding == reference::Encoding::Raw {
            continue;
        }
        for value in bits.into_iter().map(f32::from_bits) {
            assert!(!value.is_nan(), "{}", vector.name);
            values[0] |= value == f32::INFINITY;
            values[1] |= value == f32::NEG_INFINITY;
            values[2] |= value.is_subnormal();
            values[3] |= value.to_bits() == 0;
            values[4] |= value.to_bits() == 1 << 31;
            values[5] |= value.is_normal();
        }
    }
    assert_eq!(
        values, [true; 6],
        "infinities, subnormals, zeros of both signs, normal values"
    );
    for hi in 1..=8 {
        for log2_tile in 5..=7 {
            assert!(seen.contains(&format!("Uniform {log2_tile} {hi} {hi}")));
        }
        for lo in 0..=hi {
            assert!(seen.contains(&format!("TileMixed 5 {hi} {lo}")));
            assert!(seen.contains(&format!("RowMixed 5 {hi} {lo}")));
        }
    }
    for encoding in ["Uniform", "TileMixed", "RowMixed"] {
        for exponents in ["None", "InFrame", "Agreed"] {
            assert!(seen.contains(&format!("{encoding} {exponents}")));
        }
    }
    for source in ["F32", "F16", "Bf16"] {
        assert!(seen.contains(&format!("Raw {source}")));
    }
}

// ---------------------------------------------------------------------------------------------------------
// The reference against itself and against arithmetic
// ---------------------------------------------------------------------------------------------------------

#[test]
fn reference_checksum_is_the_usual_one() {
    assert_eq!(reference::crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(reference::crc32(b""), 0);
}

/// Planes written and codes read are separate pieces of code; here are bytes known from the definition.
#[test]
fn reference_planes_are_as_defined() {
    let mut codes = vec![0; 32];
    codes[1] = 0b101;
    codes[31] = 0b110;
    // A plane of two bits, eight bytes: element 31 is in byte 7 at bit 6. Then one of one bit, four bytes.
    assert_eq!(
        reference::planes(&codes, 3),
        [0, 0b10, 0, 0, 0, 0, 0, 0b11 << 6, 0, 1, 0, 0]
    );
    assert_eq!(reference::planes(&codes, 0), []);
    assert_eq!(reference::planes(&codes, 8), codes);
}

#[test]
fn reference_conversions_round_to_even() {
    for bits in 0..=u16::MAX {
        let value = f32::from_bits(reference::f32_from_f16(bits));
        if !value.is_nan() {
            assert_eq!(reference::f16_from_f32(value.to_bits()), bits);
            // The halfway point to the next value goes to the even one of the two.
            let above = f32::from_bits(reference::f32_from_f16(bits.wrapping_add(1)));
            if bits & 0x7fff < 0x7bff {
                let half = ((f64::from(value) + f64::from(above)) / 2.0) as f32;
                assert_eq!(
                    reference::f16_from_f32(half.to_bits()),
                    bits + (bits & 1),
                    "{bits:#x}"
                );
                let more = half.to_bits() + 1;
                assert_eq!(reference::f16_from_f32(more), bits + 1, "{bits:#x}");
                assert_eq!(reference::f16_from_f32(half.to_bits() - 1), bits, "{bits:#x}");
            }
        }
        if !f32::from_bits(u32::from(bits) << 16).is_nan() {
            let exact = u32::from(bits) << 16;
            assert_eq!(reference::bf16_from_f32(exact), bits);
            if bits & 0x7fff < 0x7f80 {
                assert_eq!(reference::bf16_from_f32(exact | 0x8000), bits + (bits & 1));
                assert_eq!(reference::bf16_from_f32(exact | 0x8001), bits + 1);
                assert_eq!(reference::bf16_from_f32(exact | 0x7fff), bits);
            }
        }
    }
    // 65520 is the least that rounds to infinity.
    assert_eq!(reference::f16_from_f32(65519.996f32.to_bits()), 0x7bff);
    assert_eq!(reference::f16_from_f32(65520f32.to_bits()), 0x7c00);
    assert_eq!(reference::f16_from_f32(f32::INFINITY.to_bits()), 0x7c00);
    assert_eq!(reference::f16_from_f32(1), 0);
    assert_eq!(reference::f16_from_f32(0x8000_0001), 0x8000);
    // A NaN stays one whatever its payload.
    for nan in [0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0x7fc0_0000] {
        assert!(reference::f16_from_f32(nan) & 0x7fff > 0x7c00);
        assert!(reference::bf16_from_f32(nan) & 0x7fff > 0x7f80);
    }
}

/// Sizes near 2^32 that are valid: the header is fine and only the bytes are missing.
#[test]
fn reference_takes_large_sizes_for_what_they_are() {
    let header = |encoding, widths: u8, rows: u32, width: u32, body: u32| {
        let mut bytes = b"TAHQ\x01".to_vec();
        bytes.extend([encoding, if encoding == 0 { 0 } else { 5 }, widths, 1, 0, 0, 0]);
        bytes.extend(
            [rows, width, 0, body]
                .iter()
                .flat_map(|field| field.to_le_bytes()),
        );
        bytes
    };
    for bytes in [
        header(0, 0, (1 << 30) - 1, 1, u32::MAX - 3),
        header(3, 0x80, u32::MAX, u32::MAX, 1 << 29),
        header(1, 0x11, 1, u32::MAX, (1 << 30) + 4),
        header(2, 0x80, 1, u32::MAX, (1 << 29) + (1 << 24) + 4),
    ] {
        assert!(reference::Header::parse(&bytes).is_ok());
        assert_eq!(
            reference::Frame::open(&bytes, None).unwrap_err(),
            Fault::Truncated
        );
    }
}

// ---------------------------------------------------------------------------------------------------------
// The specification's worked frames
// ---------------------------------------------------------------------------------------------------------

/// The fenced blocks of `SPEC.md` whose info string is `kind vector=NAME`, without their remarks.
fn spec_blocks(kind: &str) -> Vec<(String, Vec<String>)> {
    let spec = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("SPEC.md")).unwrap();
    let mut blocks = Vec::new();
    let mut lines = spec.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix(&format!("```{kind} vector=")) else {
            continue;
        };
        let words = lines
            .by_ref()
            .take_while(|line| *line != "```")
            .flat_map(|line| {
                line.split('#')
                    .next()
                    .unwrap()
                    .split_whitespace()
                    .map(String::from)
                    .collect::<Vec<_>>()
            })
            .collect();
        blocks.push((name.to_string(), words));
    }
    blocks
}

#[test]
fn worked_bytes_are_the_vectors() {
    let blocks = spec_blocks("hex");
    let encodings: BTreeSet<u8> = blocks
        .iter()
        .map(|(name, words)| {
            let bytes: Vec<u8> = words
                .iter()
                .map(|word| u8::from_str_radix(word, 16).unwrap())
                .collect();
            let vector = Stored::read(&folder("good"), name);
            assert_eq!(bytes, vector.frame, "SPEC.md on {name}");
            bytes[5]
        })
        .collect();
    assert_eq!(
        encodings,
        BTreeSet::from([0, 1, 2, 3]),
        "one worked frame of each encoding"
    );
}

#[test]
fn worked_values_are_the_vectors() {
    let blocks = spec_blocks("values");
    assert_eq!(blocks.len(), spec_blocks("hex").len());
    for (name, words) in blocks {
        let vector = Stored::read(&folder("good"), &name);
        let decoded = reference::decode(&vector.frame, vector.table.as_deref()).unwrap();
        let values: Vec<u32> = words
            .iter()
            .map(|word| word.parse::<f32>().unwrap().to_bits())
            .collect();
        assert_eq!(values, decoded.bits, "SPEC.md on {name}");
    }
}

/// Section 8 names each fault, and nothing else by such a name.
#[test]
fn specification_names_every_fault() {
    let spec = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("SPEC.md")).unwrap();
    for fault in Fault::ALL {
        assert!(
            spec.contains(&format!("`{fault:?}`")),
            "SPEC.md does not name {fault:?}"
        );
    }
}

// ---------------------------------------------------------------------------------------------------------
// The crate against the vectors
// ---------------------------------------------------------------------------------------------------------

/// A NaN that was converted may have any sign and payload; all else is compared bit for bit.
fn agrees(expected: u32, got: f32, converted: bool) -> bool {
    expected == got.to_bits() || converted && got.is_nan() && f32::from_bits(expected).is_nan()
}

/// Runs the crate's decoder into `out`, which may hold anything.
fn crate_decode(vector: &Stored, out: &mut [f32]) -> Result<tahq::Header, tahq::DecodeError> {
    match &vector.table {
        Some(table) => tahq::Decoder::new()
            .with_exponents(table)
            .decode(&vector.frame, out),
        None => tahq::Decoder::new().decode(&vector.frame, out),
    }
}

#[test]
fn crate_decodes_good_vectors() {
    for (vector, expected) in stored_good() {
        let header = reference::Header::parse(&vector.frame).unwrap();
        let converted = header.source != SourceType::F32;
        // Over two different fills, so that a value left unwritten shows.
        for fill in [0xffff_ffff, 0x3f80_0000] {
            let mut out = vec![f32::from_bits(fill); expected.len()];
            let decoded =
                crate_decode(&vector, &mut out).unwrap_or_else(|error| panic!("{}: {error:?}", vector.name));
            assert_eq!(
                (decoded.rows, decoded.width, decoded.quota),
                (header.rows, header.width, header.quota)
            );
            for (i, (&expected, &got)) in expected.iter().zip(&out).enumerate() {
                assert!(
                    agrees(expected, got, converted),
                    "{}: value {i} is {got:?}, not {expected:#x}",
                    vector.name
                );
            }
        }
    }
}

#[test]
fn crate_refuses_bad_vectors_by_name() {
    for (vector, expected) in stored_bad() {
        // As many values as the header claims, where that is few, so that the buffer is not the fault.
        let claimed = match vector.frame.get(12..20) {
            Some(field) => {
                u64::from(reference::read_u32(field, 0)) * u64::from(reference::read_u32(field, 4))
            }
            None => 0,
        };
        let mut out = vec![1.0; if claimed <= 1 << 16 { claimed as usize } else { 0 }];
        let error = crate_decode(&vector, &mut out).map(|_| ()).unwrap_err();
        let name = format!("{error:?}");
        let name = name.split([' ', '{', '(']).next().unwrap();
        assert_eq!(name, expected, "{}", vector.name);
    }
}
