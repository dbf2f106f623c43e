//! The data of `examples/bare-metal`: what the tensors of `tests/data`, the encoder and the reference decoder give.
//! `TAHQ_BLESS=1` writes it anew, after a change of the encoder's choices.

mod common;
mod reference;

use std::fs;
use std::path::Path;

use half::bf16;
use tahq::{Config, Encoder, Exponents, SourceType, estimate_exponents};

const ROWS: u32 = 16;

#[test]
fn data_is_as_generated() {
    let samples = common::samples();
    let sample = samples
        .iter()
        .find(|sample| sample.name == "smollm2_acts act.15 [0]")
        .expect("the massive activation is in this one");
    let (width, x) = (sample.width, &sample.values[..(ROWS * sample.width) as usize]);
    let x: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(x)).collect();
    let mut table = vec![0; width as usize];
    estimate_exponents(&x, ROWS, width, 0, &mut table);
    let config = Config {
        exponents: Exponents::InFrame,
        ..Config::INT4
    };
    let mut frame = vec![
        0;
        config
            .max_frame_len(ROWS, width, SourceType::Bf16)
            .expect("small")
    ];
    Encoder::new(config)
        .expect("valid")
        .with_exponents(&table)
        .encode(&x, ROWS, width, &mut frame)
        .expect("finite");
    let decoded = reference::decode(&frame, None).expect("sound");
    let values: Vec<u8> = decoded.bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let tensor = x.iter().flat_map(|x| x.to_le_bytes()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/bare-metal/data");
    for (name, expected) in [
        ("tensor.bf16", tensor),
        ("frame.tahq", frame),
        ("values.crc32", reference::crc32(&values).to_le_bytes().to_vec()),
    ] {
        let path = folder.join(name);
        if std::env::var_os("TAHQ_BLESS").is_some_and(|value| value == "1") {
            fs::write(&path, &expected).expect("writable");
        }
        let found = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(found == expected, "{name} is not what the encoder makes");
    }
}
