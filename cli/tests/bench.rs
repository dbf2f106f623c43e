//! `tahq bench` as a program.

use std::process::{Command, Output};

use serde_json::Value;

fn bench(options: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tahq"))
        .arg("bench")
        .args(options.split_whitespace())
        .output()
        .unwrap()
}

fn cases(options: &str) -> Vec<Value> {
    let output = bench(&format!("{options} --json"));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_case_has_every_key() {
    let options = "--rows 1,40 --width 577 --dtype f32,f16,bf16 --preset int4,tah-quant --effort fast \
                   --threads 1,2 --level all --samples 1";
    let cases = cases(options);
    let levels = tahq::Level::available().count();
    assert_eq!(cases.len(), 2 * 3 * 2 * 2 * levels);
    for case in &cases {
        for key in ["dtype", "preset", "effort", "level"] {
            assert!(case[key].is_string(), "{key} in {case}");
        }
        for key in ["rows", "width", "threads", "samples"] {
            assert!(case[key].is_u64(), "{key} in {case}");
        }
        let figures = [
            "encode_gbps",
            "decode_gbps",
            "memcpy_gbps",
            "encode_ratio",
            "decode_ratio",
            "bits_per_element",
            "snr_db",
        ];
        for key in figures {
            assert!(
                case[key].as_f64().is_some_and(|figure| figure > 0.0),
                "{key} in {case}"
            );
        }
        assert_eq!(case["width"], 577);
    }
    for (key, value) in [("dtype", "bf16"), ("preset", "tah-quant"), ("level", "scalar")] {
        assert!(cases.iter().any(|case| case[key] == value), "{key} {value}");
    }
    assert!(cases.iter().any(|case| case["threads"] == 2));
}

#[test]
fn the_data_are_real_activations() {
    let cases = cases("--rows 128 --width 1152 --samples 1");
    let figure = |key: &str| cases[0][key].as_f64().unwrap();
    assert!((4.5..4.8).contains(&figure("bits_per_element")), "{cases:?}");
    assert!((22.0..28.0).contains(&figure("snr_db")), "{cases:?}");
    assert!((0.6..0.95).contains(&figure("rotated_share")), "{cases:?}");
}

#[test]
fn plain_rotates_nothing() {
    for case in cases("--rows 64 --width 576 --preset int4,tah-quant,int8 --plain --samples 1") {
        assert_eq!(
            (&case["rotated_share"], &case["plain"]),
            (&0.0.into(), &true.into())
        );
    }
}

#[test]
fn the_table_has_a_line_for_each_case() {
    let output = bench("--rows 8 --width 64,128 --samples 1");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    assert!(text.contains("8 x 64 ") && text.contains("8 x 128 "), "{text}");
}

#[test]
fn options_that_make_no_sense_are_one_line() {
    let wrong = [
        ("--rows 0", "--rows"),
        ("--width 0", "--width"),
        ("--width 4096,x", "--width"),
        ("--dtype f64", "f64"),
        ("--preset int5", "int5"),
        ("--threads 0", "--threads"),
        ("--level mmx", "this machine has"),
        ("--seconds NaN", "must be from 0 to 86400"),
        ("--seconds -1", "must be from 0 to 86400"),
        ("--samples 0", "--samples"),
        ("--seconds 1 --samples 1", "cannot be used with"),
        ("--rows 4294967295 --width 4294967295", "more than 2 GiB"),
    ];
    for (options, expected) in wrong {
        let output = bench(options);
        assert_eq!(output.status.code(), Some(2), "{options}");
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.contains(expected), "{options}: {line}");
        assert!(output.stdout.is_empty(), "{options}");
    }
}
