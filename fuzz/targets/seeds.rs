//! What a fuzzer starts from, and what is replayed by `cargo test`: the inputs of `fuzz/regressions`, and seeds made of
//! the test vectors and the test data. With `TAHQ_FUZZ_CORPUS=FOLDER` the seeds are written to FOLDER as well, one
//! folder for each target.

use std::fs;
use std::path::{Path, PathBuf};

/// A name and an input.
pub(crate) type Input = (String, Vec<u8>);

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The command's package is a folder below.
    match here.join("fuzz/regressions").is_dir() {
        true => here.to_owned(),
        false => here.join(".."),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// Every input of `fuzz/regressions/TARGET`.
pub(crate) fn regressions(target: &str) -> Vec<Input> {
    let folder = root().join("fuzz/regressions").join(target);
    let inputs: Vec<_> = files(&folder)
        .iter()
        .map(|path| (stem(path), fs::read(path).unwrap()))
        .collect();
    assert!(!inputs.is_empty(), "{}: no inputs", folder.display());
    inputs
}

/// The seeds of a target; written to a folder where one is asked for.
pub(crate) fn seeds(target: &str) -> Vec<Input> {
    let seeds = match target {
        "round_trip" => tensors(),
        "cli_inspect" => inspected(),
        // Flags as in case.rs: sealed, shaped, mended.
        "decode_any" => [cases(0), cases(0b011)].concat(),
        "decode_differential" => cases(0b111),
        "no_leak" | "stream_splits" => cases(0b001),
        other => panic!("no seeds for {other}"),
    };
    assert!(!seeds.is_empty());
    if let Some(corpus) = std::env::var_os("TAHQ_FUZZ_CORPUS") {
        let folder = Path::new(&corpus).join(target);
        fs::create_dir_all(&folder).unwrap();
        for (name, input) in &seeds {
            fs::write(folder.join(name), input).unwrap();
        }
    }
    seeds
}

struct Vector {
    name: String,
    frame: Vec<u8>,
    table: Option<Vec<u8>>,
}

/// The vectors but for the largest, on which a fuzzer would only be slow.
fn vectors() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for folder in ["good", "bad"] {
        for path in files(&root().join("tests/vectors").join(folder)) {
            if path.extension().is_none_or(|extension| extension != "tahq") {
                continue;
            }
            let frame = fs::read(&path).unwrap();
            if frame.len() <= 1200 {
                vectors.push(Vector {
                    name: stem(&path),
                    frame,
                    table: fs::read(path.with_extension("exponents")).ok(),
                });
            }
        }
    }
    assert!(vectors.len() > 200, "vectors are missing");
    vectors
}

/// Each vector with the choices of `case.rs` in front.
fn cases(flags: u8) -> Vec<Input> {
    let vectors = vectors().into_iter().enumerate();
    vectors
        .map(|(i, vector)| {
            let mut input = vec![flags, (i * 7) as u8];
            if let Some(table) = &vector.table {
                input[0] |= 0b1000;
                input.extend((table.len() as u16).to_le_bytes());
                input.extend(table);
            }
            input.extend(&vector.frame);
            (format!("{}-{flags}", vector.name), input)
        })
        .collect()
}

/// Pieces of the test data after bytes that stand for choices.
fn tensors() -> Vec<Input> {
    let mut inputs = Vec::new();
    for path in files(&root().join("tests/data")) {
        if path
            .extension()
            .is_none_or(|extension| extension != "safetensors")
        {
            continue;
        }
        let data = fs::read(&path).unwrap();
        for i in 0..24usize {
            let choices = (0..16).map(|c| (i * 37 + c * 91 + i * c * 53) as u8);
            let at = data.len() / 3 + 7777 * i;
            let input = choices
                .chain(data[at..at + 200 + 29 * i].iter().copied())
                .collect();
            inputs.push((format!("{}-{i}", stem(&path)), input));
        }
    }
    inputs
}

/// Streams of frames, and a container whole and cut.
fn inspected() -> Vec<Input> {
    let mut inputs = Vec::new();
    let text =
        r#"{"__metadata__":{"tahq.container":"1","tahq.tensor.x":"{\"dtype\":\"F16\",\"shape\":[1,3]}"},"#
            .to_owned()
            + r#""x":{"dtype":"U8","shape":[40],"data_offsets":[0,40]}}"#;
    for vector in vectors() {
        if vector.name == "worked-raw" {
            let mut container = (text.len() as u64).to_le_bytes().to_vec();
            container.extend(text.as_bytes());
            container.extend(&vector.frame);
            for json in [0, 1] {
                for cut in [0, 13, 60, 120] {
                    let kept = &container[..container.len() - cut];
                    inputs.push((format!("container-{json}-{cut}"), [&[json], kept].concat()));
                }
            }
        }
        let mut stream = vec![0];
        stream.extend(&vector.frame);
        stream.extend(&vector.frame);
        inputs.push((vector.name, stream));
    }
    inputs
}
