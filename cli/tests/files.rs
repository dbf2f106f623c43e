//! `encode` and `decode` of tensor files.

mod common;

use std::collections::HashMap;

use common::*;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

const DATA: [&str; 5] = [
    "minilm_acts.safetensors",
    "minilm_grads.safetensors",
    "smollm2_acts.safetensors",
    "smollm2_f32_b15.safetensors",
    "smollm2_grads.safetensors",
];

#[test]
fn real_tensors_come_back() {
    let folder = Folder::new();
    let (container, out) = (folder.path("x.tahq"), folder.path("x.safetensors"));
    for name in DATA {
        let source = data(name);
        tahq(["encode", &source, &container]).ok();
        tahq(["decode", &container, &out]).ok();
        let (source, out) = (read(&source), read(&out));
        let (_, before) = SafeTensors::read_metadata(&source).unwrap();
        let (_, after) = SafeTensors::read_metadata(&out).unwrap();
        assert_eq!(before.metadata(), after.metadata());
        assert_eq!(before.tensors().len(), after.tensors().len());
        for (tensor_name, info) in before.tensors() {
            let other = after.info(&tensor_name).unwrap();
            assert_eq!((info.dtype, &info.shape), (other.dtype, &other.shape));
            assert_eq!(info.data_offsets, other.data_offsets);
            let (x, y) = (tensor(&source, &tensor_name), tensor(&out, &tensor_name));
            let db = snr(&x, &y, info.shape[2]);
            assert!(db > 19.0, "{name} {tensor_name}: {db} dB");
        }
        assert!(read(&container).len() * 3 < source.len());
    }
    assert_eq!(folder.names(), ["x.safetensors", "x.tahq"]);
}

#[test]
fn every_preset_and_effort() {
    let folder = Folder::new();
    let (container, out) = (folder.path("x.tahq"), folder.path("x.safetensors"));
    let source = data("smollm2_f32_b15.safetensors");
    let x = tensor(&read(&source), "act.15");
    for (preset, least) in PRESETS {
        for effort in ["fast", "balanced"] {
            tahq(["encode", &source, &container, "-p", preset, "-e", effort]).ok();
            tahq(["decode", &container, &out]).ok();
            let db = snr(&x, &tensor(&read(&out), "act.15"), 576);
            assert!(db > least, "{preset} {effort}: {db} dB");
        }
    }
    tahq(["encode", &source, &container, "--effort", "best", "--rows", "32"]).ok();
    tahq(["decode", &container, &out]).ok();
    assert!(snr(&x, &tensor(&read(&out), "act.15"), 576) > 24.0);
}

#[test]
fn a_container_is_a_safetensors_file() {
    let folder = Folder::new();
    let integers: Vec<u8> = (0..24).collect();
    let metadata = HashMap::from([("licence".to_owned(), "some \"text\"".to_owned())]);
    let x = waves(2 * 40, 70);
    let file = safetensors(
        &[
            ("x.weight", Dtype::F32, &[2, 40, 70], &bytes(&x)),
            ("positions", Dtype::I64, &[3], &integers),
            ("mask", Dtype::BOOL, &[2, 0], &[]),
        ],
        Some(metadata.clone()),
    );
    let source = folder.file("x.safetensors", &file);
    let (first, second, out) = (
        folder.path("1.tahq"),
        folder.path("2.tahq"),
        folder.path("y.safetensors"),
    );
    tahq(["encode", &source, &first]).ok();
    tahq(["encode", &source, &second]).ok();
    let container = read(&first);
    assert_eq!(container, read(&second), "the same input gives the same bytes");
    let parsed = SafeTensors::deserialize(&container).unwrap();
    let frames = parsed.tensor("x.weight").unwrap();
    assert_eq!(frames.dtype(), Dtype::U8);
    // Two samples, two frames, which the library can find.
    let len = tahq::frame_len(frames.data()).unwrap();
    assert_eq!(len * 2, frames.data().len());
    assert_eq!(parsed.tensor("positions").unwrap().data(), &integers[..]);

    tahq(["decode", &first, &out]).ok();
    let out = read(&out);
    let parsed = SafeTensors::deserialize(&out).unwrap();
    assert_eq!(parsed.tensor("positions").unwrap().data(), &integers[..]);
    assert_eq!(parsed.tensor("positions").unwrap().dtype(), Dtype::I64);
    assert_eq!(parsed.tensor("mask").unwrap().shape(), [2, 0]);
    assert!(snr(&x, &tensor(&out, "x.weight"), 70) > 18.0);
    let (_, header) = SafeTensors::read_metadata(&out).unwrap();
    assert_eq!(header.metadata(), &Some(metadata));
}

#[test]
fn shapes_and_types_come_back() {
    let folder = Folder::new();
    let x = waves(24, 5);
    let half: Vec<u8> = x.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
    let brain: Vec<u8> = x.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
    let double: Vec<u8> = x.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
    let single = bytes(&x);
    let tensors: [(&str, Dtype, &[usize], &[u8]); 9] = [
        ("0d", Dtype::F32, &[], &single[4..8]),
        ("1d", Dtype::F16, &[120], &half),
        ("2d", Dtype::BF16, &[24, 5], &brain),
        ("3d", Dtype::F64, &[4, 6, 5], &double),
        ("4d", Dtype::F32, &[2, 2, 6, 5], &single),
        ("5d", Dtype::F32, &[1, 2, 2, 6, 5], &single),
        ("no rows", Dtype::F32, &[0, 5], &[]),
        ("no width", Dtype::F16, &[3, 0], &[]),
        ("no samples", Dtype::BF16, &[0, 3, 5], &[]),
    ];
    let source = folder.file("x.safetensors", &safetensors(&tensors, None));
    let (container, out) = (folder.path("x.tahq"), folder.path("y.safetensors"));
    tahq(["encode", &source, &container, "--preset", "int8"]).ok();
    tahq(["decode", &container, &out]).ok();
    let (before, after) = (read(&source), read(&out));
    let parsed = SafeTensors::deserialize(&after).unwrap();
    for (name, dtype, shape, data) in tensors {
        let view = parsed.tensor(name).unwrap();
        assert_eq!((view.dtype(), view.shape()), (dtype, shape), "{name}");
        if !data.is_empty() {
            let width = shape.last().copied().unwrap_or(1);
            let db = snr(&tensor(&before, name), &tensor(&after, name), width);
            assert!(db > 35.0, "{name}: {db} dB");
        }
    }
    // Another type for all of them.
    for (option, dtype) in [("f32", Dtype::F32), ("f16", Dtype::F16), ("bf16", Dtype::BF16)] {
        tahq(["decode", &container, &out, "--dtype", option]).ok();
        let out = read(&out);
        let parsed = SafeTensors::deserialize(&out).unwrap();
        assert!(
            tensors
                .iter()
                .all(|(name, ..)| parsed.tensor(name).unwrap().dtype() == dtype)
        );
    }
}

#[test]
fn npy_files_come_back() {
    let folder = Folder::new();
    let x = waves(2 * 36, 48);
    let (container, out) = (folder.path("x.tahq"), folder.path("y.npy"));
    let single = bytes(&x);
    let swapped: Vec<u8> = x.iter().flat_map(|x| x.to_be_bytes()).collect();
    let half: Vec<u8> = x.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
    let double: Vec<u8> = x.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
    // Element (s, r, c) at s + 2 (r + 36 c).
    let mut columns = vec![0.0; x.len()];
    for s in 0..2 {
        for r in 0..36 {
            for c in 0..48 {
                columns[s + 2 * (r + 36 * c)] = x[(s * 36 + r) * 48 + c];
            }
        }
    }
    let mut plain = None;
    for (descr, fortran, data) in [
        ("<f4", false, &single),
        (">f4", false, &swapped),
        ("<f4", true, &bytes(&columns)),
        ("<f8", false, &double),
        ("<f2", false, &half),
    ] {
        let source = folder.file("x.npy", &npy(descr, fortran, "(2, 36, 48)", data));
        tahq(["encode", &source, &container]).ok();
        tahq(["decode", &container, &out]).ok();
        let file = read(&out);
        let (header, data) = npy_parts(&file);
        assert!(
            header.contains("'shape': (2,36,48,)") && header.contains("False"),
            "{header}"
        );
        match descr {
            "<f4" | ">f4" => {
                assert!(header.contains("<f4"));
                assert!(snr(&x, &floats(data), 48) > 18.0);
                assert_eq!(
                    plain.get_or_insert(data.to_vec()),
                    data,
                    "the same values, whatever their order"
                );
            }
            "<f8" => assert!(header.contains("<f8") && data.len() == x.len() * 8),
            _ => assert!(header.contains("<f2") && data.len() == x.len() * 2),
        }
    }
    // To the other format.
    let out = folder.path("y.safetensors");
    tahq(["decode", &container, &out]).ok();
    assert!(snr(&x, &tensor(&read(&out), "data"), 48) > 18.0);
    // A container on standard output, and the source's format from there on.
    let source = folder.file("x.npy", &npy("<f4", false, "(72, 48)", &single));
    let container = folder.file("piped", &tahq(["encode", &source, "-"]).ok());
    assert!(tahq(["decode", &container, "-"]).ok().starts_with(b"\x93NUMPY"));
}

#[test]
fn one_tensor_of_many() {
    let folder = Folder::new();
    let (container, npy, part) = (
        folder.path("x.tahq"),
        folder.path("x.npy"),
        folder.path("x.safetensors"),
    );
    tahq(["encode", &data("minilm_acts.safetensors"), &container]).ok();
    tahq(["decode", &container, &npy]).fails(&["3 tensors", "--tensor"]);
    tahq(["decode", &container, &npy, "--tensor", "act.03"]).ok();
    // Numpy has no bf16.
    assert!(npy_parts(&read(&npy)).0.contains("<f4"));
    tahq([
        "decode", &container, &npy, "--tensor", "act.03", "--dtype", "bf16",
    ])
    .fails(&["bf16"]);
    tahq(["decode", &container, &npy, "--tensor", "act.03", "--dtype", "f16"]).ok();
    assert!(npy_parts(&read(&npy)).0.contains("<f2"));
    tahq(["decode", &container, &part, "--tensor", "act.05"]).ok();
    assert_eq!(
        SafeTensors::deserialize(&read(&part)).unwrap().names(),
        ["act.05"]
    );
    tahq(["decode", &container, &part, "--tensor", "nothing"]).fails(&["no tensor nothing"]);
}

#[test]
fn streams_of_frames_become_tensors() {
    let folder = Folder::new();
    let x = waves(50, 64);
    let shape_of = |input: &[u8], rows: &str| {
        let frames = pipe(["encode", "--raw", "--width", "64", "--rows", rows, "-q"], input).ok();
        let (frames, out) = (folder.file("x.frames", &frames), folder.path("x.safetensors"));
        tahq(["decode", &frames, &out]).ok();
        let file = read(&out);
        let parsed = SafeTensors::deserialize(&file).unwrap();
        (
            parsed.tensor("data").unwrap().shape().to_vec(),
            tensor(&file, "data"),
        )
    };
    let (shape, y) = shape_of(&bytes(&x), "50");
    assert_eq!(shape, [50, 64]);
    assert!(snr(&x, &y, 64) > 18.0);
    assert_eq!(shape_of(&bytes(&x), "25").0, [2, 25, 64]);
    assert_eq!(shape_of(&bytes(&x), "40").0, [50, 64]);

    let mut mixed = pipe(["encode", "--raw", "--width", "64"], &bytes(&x)).ok();
    let second = mixed.len();
    mixed.extend(pipe(["encode", "--raw", "--width", "32"], &bytes(&x)).ok());
    let mixed = folder.file("mixed.frames", &mixed);
    tahq(["decode", &mixed, &folder.path("x.npy")]).fails(&["frame 1", &second.to_string(), "width 32"]);
}

#[test]
fn values_that_cannot_be_coded() {
    let folder = Folder::new();
    let mut x = waves(2 * 40, 70);
    x[(40 + 3) * 70 + 5] = f32::NAN;
    let file = safetensors(&[("hidden", Dtype::F32, &[2, 40, 70], &bytes(&x))], None);
    let source = folder.file("x.safetensors", &file);
    let container = folder.path("x.tahq");
    let words = [
        "tensor hidden",
        "sample 1",
        "row 3",
        "channel 5",
        "--raw-non-finite",
    ];
    tahq(["encode", &source, &container]).fails(&words);
    // Also where the sample is cut into frames.
    tahq(["encode", &source, &container, "--rows", "2"]).fails(&words);
    assert_eq!(folder.names(), ["x.safetensors"]);

    let run = tahq(["encode", &source, &container, "--raw-non-finite", "--stats"]);
    assert!(run.stderr.contains("1 frames kept raw"), "{}", run.stderr);
    run.ok();
    let out = folder.path("y.safetensors");
    tahq(["decode", &container, &out]).ok();
    let y = tensor(&read(&out), "hidden");
    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&x[40 * 70..]), bits(&y[40 * 70..]), "a raw frame is exact");
    assert!(snr(&x[..40 * 70], &y[..40 * 70], 70) > 18.0);
}

#[test]
fn summaries() {
    let folder = Folder::new();
    let container = folder.path("x.tahq");
    let source = data("minilm_acts.safetensors");
    let run = tahq(["encode", &source, &container, "--stats"]);
    assert!(
        run.stderr.contains("294912 elements in 6 frames: 4.6") && run.stderr.contains("SNR 2"),
        "{}",
        run.stderr
    );
    assert!(!tahq(["encode", &source, &container]).stderr.contains("SNR"));
    assert_eq!(tahq(["encode", &source, &container, "--quiet"]).stderr, "");
}

#[test]
fn standard_input_and_output_take_whole_files() {
    let folder = Folder::new();
    let source = read(data("minilm_acts.safetensors"));
    let container = pipe(["encode", "-", "-", "--quiet"], &source).ok();
    let named = folder.path("x.tahq");
    tahq(["encode", &data("minilm_acts.safetensors"), &named]).ok();
    assert!(container == read(&named));
    let (out, piped) = (
        folder.path("y.safetensors"),
        pipe(["decode", "-", "-"], &container).ok(),
    );
    tahq(["decode", &named, &out]).ok();
    assert!(piped == read(&out));
    let report = |text: String| text.replacen(&named, "-", 1);
    assert_eq!(
        pipe(["inspect", "-"], &container).text(),
        report(tahq(["inspect", &named]).text())
    );
    assert_eq!(
        pipe(["compare", "-", "--preset", "int4"], &source).text(),
        tahq(["compare", &data("minilm_acts.safetensors"), "--preset", "int4"]).text()
    );
    pipe(["decode", "-", "-"], &container[..container.len() - 1]).fails(&["standard input", "cut short"]);
    pipe(["inspect", "-"], &container[..container.len() - 1]).fails(&["cut short"]);
    pipe(["encode", "-", "-"], &container).fails(&["standard input", "already"]);
}

/// What f32 cannot hold is refused and never kept as an infinity, which it is not.
#[test]
fn what_is_beyond_f32_is_refused() {
    let folder = Folder::new();
    let mut values = [0.5f64; 96];
    values[70] = -1e300;
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let source = folder.file("x.npy", &npy("<f8", false, "(2, 48)", &bytes));
    let out = folder.path("x.tahq");
    for more in [&[][..], &["--raw-non-finite"]] {
        tahq([&["encode", &source, &out], more].concat()).fails(&["element 70", "beyond f32"]);
    }
    assert_eq!(folder.names(), ["x.npy"]);
}
