//! `compare`.

mod common;

use common::*;
use safetensors::Dtype;
use serde_json::Value;

fn lines(args: &[&str]) -> Vec<Value> {
    let out = tahq([args, &["--json"]].concat()).ok();
    serde_json::from_slice::<Value>(&out)
        .unwrap()
        .as_array()
        .unwrap()
        .clone()
}

#[test]
fn presets_side_by_side() {
    let file = data("smollm2_f32_b15.safetensors");
    let text = tahq(["compare", &file]).text();
    for (preset, _) in PRESETS {
        assert_eq!(text.matches(&format!("  {preset} ")).count(), 3, "{text}");
    }
    let lines = lines(&["compare", &file]);
    assert_eq!(lines.len(), 3 * PRESETS.len());
    for (line, (preset, least)) in lines.iter().zip(PRESETS) {
        assert_eq!(
            (&line["tensor"], &line["preset"]),
            (&Value::from("act.15"), &Value::from(preset))
        );
        let (snr, worst) = (
            line["snr_db"].as_f64().unwrap(),
            line["worst_row"]["snr_db"].as_f64().unwrap(),
        );
        assert!(snr > least && worst < snr, "{line}");
        let (bits, ratio) = (
            line["bits_per_element"].as_f64().unwrap(),
            line["compression"].as_f64().unwrap(),
        );
        assert!((bits * ratio - 32.0).abs() < 1e-9);
        let (bytes, elements) = (
            line["bytes"].as_f64().unwrap(),
            line["elements"].as_f64().unwrap(),
        );
        assert_eq!(bits, bytes * 8.0 / elements);
    }
    assert_eq!(lines.last().unwrap()["tensor"], Value::Null);
}

#[test]
fn the_figures_are_those_of_the_codec() {
    let folder = Folder::new();
    let file = data("smollm2_acts.safetensors");
    let (container, out) = (folder.path("x.tahq"), folder.path("y.safetensors"));
    tahq(["encode", &file, &container, "-p", "mixed"]).ok();
    tahq(["decode", &container, &out, "--dtype", "f32"]).ok();
    let (x, y) = (tensor(&read(&file), "act.22"), tensor(&read(&out), "act.22"));
    let lines = lines(&[
        "compare", &file, "--preset", "mixed", "--tensor", "act.22", "--level", "scalar",
    ]);
    assert_eq!(lines.len(), 2);
    assert!((lines[0]["snr_db"].as_f64().unwrap() - snr(&x, &y, 576)).abs() < 1e-6);
    let (worst, row) = x
        .chunks(576)
        .zip(y.chunks(576))
        .enumerate()
        .map(|(row, (x, y))| (snr(x, y, 576), row))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap();
    let found = &lines[0]["worst_row"];
    assert!((found["snr_db"].as_f64().unwrap() - worst).abs() < 1e-6);
    assert_eq!(
        (&found["sample"], &found["row"]),
        (&Value::from(row / 128), &Value::from(row % 128))
    );
}

#[test]
fn options() {
    let file = data("minilm_acts.safetensors");
    let of = |args: &[&str]| lines(&[&["compare", &file, "--tensor", "act.01"], args].concat())[0].clone();
    let snr = |line: &Value| line["snr_db"].as_f64().unwrap();
    assert!(snr(&of(&["-p", "int4", "-e", "best"])) > snr(&of(&["-p", "int4", "-e", "fast"])));
    assert_eq!(
        lines(&["compare", &file, "-p", "int3,int8", "--preset", "mixed"]).len(),
        4 * 3
    );
    // Short frames have no channel exponents.
    assert!(
        of(&["-p", "int4", "--rows", "8"])["bits_per_element"] != of(&["-p", "int4"])["bits_per_element"]
    );
    tahq(["compare", &file, "--tensor", "none"]).fails(&["none"]);
    tahq(["compare", &file, "--preset", "int5"]).fails(&["int5"]);
}

#[test]
fn odd_tensors() {
    let folder = Folder::new();
    let file = safetensors(
        &[
            ("zeros", Dtype::F32, &[2, 3], &[0; 24]),
            ("empty", Dtype::F16, &[0, 3], &[]),
            ("integers", Dtype::I8, &[2], &[1, 2]),
        ],
        None,
    );
    let file = folder.file("x.safetensors", &file);
    let text = tahq(["compare", &file]).text();
    assert!(
        text.contains("zeros") && text.contains("empty") && !text.contains("integers"),
        "{text}"
    );
    assert!(!text.contains("NaN"), "{text}");
    for line in lines(&["compare", &file]) {
        assert_eq!(line["snr_db"], Value::Null);
    }
    let npy = folder.file("x.npy", &npy("<f4", false, "(40, 64)", &bytes(&waves(40, 64))));
    assert_eq!(lines(&["compare", &npy]).len(), 14);
    let mut nan = waves(2, 4);
    nan[6] = f32::NAN;
    let file = safetensors(&[("x", Dtype::F32, &[2, 4], &bytes(&nan))], None);
    tahq(["compare", &folder.file("nan", &file)]).fails(&["tensor x", "row 1", "channel 2"]);
}
