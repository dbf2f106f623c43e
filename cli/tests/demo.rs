//! `tahq demo` as a program.

use std::io::Read;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn demo(options: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tahq"))
        .arg("demo")
        .args(options.split_whitespace())
        .output()
        .unwrap()
}

fn report(options: &str) -> Value {
    let output = demo(&format!("{options} --json"));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The schemes of a report by name.
fn scheme<'a>(report: &'a Value, name: &str) -> &'a Value {
    let schemes = report["schemes"].as_array().unwrap();
    schemes.iter().find(|scheme| scheme["scheme"] == name).unwrap()
}

fn number(scheme: &Value, key: &str) -> f64 {
    scheme[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} in {scheme}"))
}

fn within(scheme: &Value, key: &str, range: std::ops::RangeInclusive<f64>) {
    let found = number(scheme, key);
    assert!(range.contains(&found), "{key} {found} is not within {range:?}");
}

fn fails(options: &str, expected: &str) {
    let output = demo(options);
    assert_eq!(output.status.code(), Some(2), "{options}");
    assert!(output.stdout.is_empty(), "{options}");
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains(expected), "{options}: {line}");
}

#[test]
fn figures_are_sane() {
    let report = report("--mbit 10000 --steps 1 --micro-batches 2 --gradients same");
    assert_eq!(
        (number(&report, "mbit"), number(&report, "micro_batches")),
        (10000.0, 2.0)
    );
    let names: Vec<_> = report["schemes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["scheme"])
        .collect();
    let all = [
        "f32",
        "f16",
        "tah-quant",
        "tah-quant-token",
        "int4",
        "mixed",
        "int3",
        "gradient",
        "int8",
    ];
    assert_eq!(names, all);
    for name in all {
        let scheme = scheme(&report, name);
        for key in ["encode_gbps", "decode_gbps", "step_ms", "speed_up"] {
            assert!(number(scheme, key) > 0.0, "{key} of {name}");
        }
        assert_eq!(scheme["gradients"], name);
    }

    let exact = scheme(&report, "f32");
    assert_eq!(exact["exact"], true);
    assert!(exact["activation_snr_db"].is_null() && exact["break_even_mbit"].is_null());
    within(exact, "bits_per_element", 32.0..=32.1);
    within(exact, "compression", 1.0..=1.0);
    within(exact, "speed_up", 1.0..=1.0);

    let half = scheme(&report, "f16");
    within(half, "compression", 1.99..=2.0);
    within(half, "activation_snr_db", 60.0..=300.0);
    // Gradients reach below its range.
    assert!(number(half, "underflows") > 0.0);
    assert!(half["break_even_mbit_vs_f16"].is_null());

    let int4 = scheme(&report, "int4");
    within(int4, "bits_per_element", 4.5..=4.8);
    within(int4, "activation_bits", 4.5..=4.8);
    within(int4, "compression", 6.0..=7.2);
    within(int4, "activation_snr_db", 20.0..=30.0);
    within(int4, "gradient_snr_db", 18.0..=30.0);
    assert!(number(int4, "break_even_mbit") > number(int4, "break_even_mbit_vs_f16"));

    let paper = scheme(&report, "tah-quant");
    within(paper, "bits_per_element", 4.2..=4.5);
    within(paper, "activation_snr_db", 15.0..=22.0);
    within(scheme(&report, "int8"), "activation_snr_db", 42.0..=60.0);
}

#[test]
fn gradients_have_a_preset_of_their_own() {
    let report = report("--mbit 10000 --steps 1 --micro-batches 1 --model minilm --preset int3,int8");
    let [int3, int8] = ["int3", "int8"].map(|name| scheme(&report, name));
    assert_eq!(
        (&int3["gradients"], &int8["gradients"]),
        (&"gradient".into(), &"int8".into())
    );
    within(int3, "activation_bits", 3.4..=4.0);
    within(int3, "gradient_bits", 6.3..=7.0);
    within(int8, "gradient_bits", 8.3..=9.0);
}

#[test]
fn a_slow_link_pays() {
    // 0.2 MB each way in f32: 315 ms at 10 Mbit/s. In f16, since a codec without optimisation is no match.
    let report = report("--mbit 10 --steps 1 --micro-batches 1 --model minilm --preset int4 --effort fast");
    for name in ["f32", "f16", "int4"] {
        let scheme = scheme(&report, name);
        assert!(
            number(scheme, "step_ms") >= number(scheme, "wire_bytes_a_step") * 8.0 / 10e3,
            "{scheme}"
        );
    }
    within(scheme(&report, "f16"), "speed_up", 1.4..=2.1);
}

#[test]
fn passes_take_their_time() {
    let options = "--mbit 10000 --steps 1 --micro-batches 2 --preset int8 --compute-ms 10";
    // Two micro-batches forth and back through two stages; a stage computes one while the other sends.
    assert!(number(scheme(&report(options), "f32"), "step_ms") >= 50.0);
}

#[test]
fn the_table_fits_a_terminal() {
    let output = demo("--mbit 10000 --steps 1 --micro-batches 1 --preset tah-quant-token,int8");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    for shown in ["f32", "tah-quant-token", "exact", "SNR, dB", "Time a step", "█"] {
        assert!(text.contains(shown), "{shown} in {text}");
    }
}

#[test]
fn options_that_make_no_sense_are_one_line() {
    for rate in ["0", "-1", "NaN", "inf", "1e300", "0.01"] {
        fails(&format!("--mbit {rate}"), "must be from 0.1 to 1000000");
    }
    fails("--mbit fast", "not a number");
    fails("--mbit", "--mbit");
    fails("--steps 0", "--steps");
    fails("--micro-batches 0", "--micro-batches");
    fails("--micro-batches 17", "there are 16");
    fails("--model minilm --micro-batches 7", "there are 6");
    fails("--compute-ms -1", "must be from 0 to 60000");
    fails("--preset int5", "int5");
    fails("--gradients int5", "must be same or one of");
    fails("--effort most", "most");
    fails("--model gpt", "gpt");
}

#[test]
fn a_closed_pipe_is_one_line() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tahq"))
        .args([
            "demo",
            "--mbit",
            "10000",
            "--steps",
            "1",
            "--micro-batches",
            "1",
            "--preset",
            "int4",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "tahq: standard output: Broken pipe\n");
    assert!(!child.wait().unwrap().success());
}
