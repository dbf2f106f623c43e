//! `encode --raw`, `decode --raw` and `filter`.

mod common;

use common::*;
use tahq::{Config, Decoder, Encoder, Exponents, SourceType};

fn frame(config: Config, x: &[f32], rows: u32, width: u32) -> Vec<u8> {
    let mut frame = vec![0; config.max_frame_len(rows, width, SourceType::F32).unwrap()];
    let len = Encoder::new(config)
        .unwrap()
        .encode(x, rows, width, &mut frame)
        .unwrap();
    frame.truncate(len);
    frame
}

#[test]
fn raw_there_and_back() {
    let x = waves(300, 96);
    let frames = pipe(["encode", "--raw", "--width", "96"], &bytes(&x)).ok();
    let mut expected = frame(Config::INT4, &x[..256 * 96], 256, 96);
    expected.extend(frame(Config::INT4, &x[256 * 96..], 44, 96));
    assert_eq!(frames, expected, "256 rows a frame");
    let y = floats(&pipe(["decode", "--raw"], &frames).ok());
    assert!(snr(&x, &y, 96) > 18.0);
    for (preset, least) in PRESETS {
        let frames = pipe(
            ["encode", "--raw", "-w", "96", "--rows", "128", "--preset", preset],
            &bytes(&x),
        )
        .ok();
        let y = floats(&pipe(["decode", "--raw", "--level", "scalar"], &frames).ok());
        assert!(snr(&x, &y, 96) > least - 3.0, "{preset}");
    }
}

#[test]
fn decoding_gives_the_library_s_bits() {
    let x = waves(40, 200);
    for config in [
        Config::INT4,
        Config::TAH_QUANT,
        Config::TAH_QUANT_TOKEN,
        Config::GRADIENT,
        Config::RAW,
    ] {
        let frame = frame(config, &x, 40, 200);
        let mut y = vec![0f32; x.len()];
        Decoder::new().decode(&frame, &mut y).unwrap();
        assert_eq!(pipe(["decode", "--raw"], &frame).ok(), bytes(&y));
    }
}

#[test]
fn files_instead_of_pipes() {
    let folder = Folder::new();
    let x = waves(10, 64);
    let source = folder.file("x.f32", &bytes(&x));
    let (frames, out) = (folder.path("x.frames"), folder.path("y.f32"));
    tahq(["encode", "--raw", "--width", "64", &source, &frames]).ok();
    tahq(["decode", "--raw", &frames, &out]).ok();
    assert!(snr(&x, &floats(&read(&out)), 64) > 15.0);
    assert_eq!(
        pipe(["decode", "--raw", "-", "-"], &read(&frames)).ok(),
        read(&out)
    );
}

#[test]
fn nothing_in_nothing_out() {
    assert_eq!(pipe(["encode", "--raw", "--width", "8"], &[]).ok(), [0u8; 0]);
    assert_eq!(pipe(["decode", "--raw"], &[]).ok(), [0u8; 0]);
    let run = pipe(["filter", "--width", "8"], &[]);
    assert_eq!(run.stderr, "bits_per_element=0.0000\n");
    assert_eq!(run.ok(), [0u8; 0]);
    // Empty frames decode to nothing, between others as well.
    let x = waves(2, 8);
    let mut frames = frame(Config::INT4, &[], 0, 8);
    frames.extend(frame(Config::INT8, &x, 2, 8));
    frames.extend(frame(Config::INT4, &[], 5, 0));
    assert_eq!(pipe(["decode", "--raw"], &frames).ok().len(), x.len() * 4);
}

#[test]
fn a_bad_frame_stops_the_stream_and_writes_nothing() {
    let x = waves(4, 64);
    let good = frame(Config::INT4, &x, 4, 64);
    let first = pipe(["decode", "--raw"], &good).ok();
    let at = good.len().to_string();
    let follow = |bytes: &[u8]| {
        let run = pipe(["decode", "--raw"], &[&good[..], bytes].concat());
        assert_eq!(run.stdout, first, "the first frame and no byte more");
        run.fails(&["frame 1", &at])
    };
    for len in [1, 27, 28, 40, good.len() - 1] {
        let end = (good.len() + len).to_string();
        follow(&good[..len]).fails(&["cut short", &end]);
    }
    let mut bad = good.clone();
    bad[60] ^= 1;
    follow(&bad).fails(&["checksum"]);
    follow(b"not a frame, but long enough to be a header of one").fails(&["magic"]);
    let mut bad = good.clone();
    bad[4] = 2;
    follow(&bad).fails(&["version 2"]);
    // A transform byte that means nothing, the checksum right: found before a byte is written.
    let mut bad = good[..good.len() - 4].to_vec();
    let at_transform = 28 + 3 * ((bad.len() - 28) / 4) + 4 + 3;
    bad[at_transform] = 1;
    let checksum = checksum(&bad);
    bad.extend(checksum.to_le_bytes());
    follow(&bad).fails(&["row 3", "transform"]);
}

#[test]
fn a_header_s_word_costs_no_memory() {
    // Claims a body of nearly 4 GiB.
    let header = tahq::Header {
        encoding: tahq::Encoding::Uniform,
        log2_tile: 6,
        hi: 8,
        lo: 8,
        source: SourceType::F32,
        exponents: tahq::ExponentMode::None,
        table_check: 0,
        rows: 59_000_000,
        width: 64,
        quota: 0,
    };
    let claim = header.to_bytes().unwrap();
    pipe(["decode", "--raw"], &claim).fails(&["frame 0", "cut short", "28 of"]);

    // Pruned rows that decode to 32 GiB of zeros: they are streamed.
    let header = tahq::Header {
        encoding: tahq::Encoding::RowMixed,
        lo: 0,
        rows: 2,
        width: u32::MAX,
        ..header
    };
    let mut frame = header.to_bytes().unwrap().to_vec();
    frame.extend([0; 4]);
    let sum = checksum(&frame);
    frame.extend(sum.to_le_bytes());
    let mut child = command(["decode", "--raw"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &frame).unwrap();
    let mut zeros = vec![1; 1 << 20];
    let mut stdout = child.stdout.take().unwrap();
    std::io::Read::read_exact(&mut stdout, &mut zeros).unwrap();
    assert!(zeros.iter().all(|&byte| byte == 0));
    // Closing the pipe ends it.
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.ends_with(b"standard output: Broken pipe\n"));
}

#[test]
fn raw_input_must_be_whole_rows() {
    let x = bytes(&waves(3, 10));
    pipe(["encode", "--raw", "--width", "10"], &x[..x.len() - 8]).fails(&["row 2", "8 of 10"]);
    pipe(["encode", "--raw", "--width", "10"], &x[..x.len() - 1]).fails(&["3 bytes"]);
    pipe(["encode", "--raw"], &x).fails(&["--width"]);
    pipe(["encode", "--raw", "--width", "0"], &x).fails(&["--width"]);
    // The widest rows there are, and no memory for them on a promise.
    pipe(
        ["encode", "--raw", "--width", "4294967295", "--rows", "4294967295"],
        &x,
    )
    .fails(&["row 0", "30 of 4294967295"]);
    let mut nan = waves(300, 10);
    nan[2999] = f32::INFINITY;
    pipe(["encode", "--raw", "--width", "10"], &bytes(&nan)).fails(&["row 299", "channel 9"]);
    let frames = pipe(
        ["encode", "--raw", "--width", "10", "--raw-non-finite"],
        &bytes(&nan),
    )
    .ok();
    assert_eq!(pipe(["decode", "--raw"], &frames).ok().len(), 300 * 40);
}

#[test]
fn agreed_exponents() {
    let folder = Folder::new();
    let x = waves(4, 64);
    let table = folder.file("table", &[1; 64]);
    let frames = pipe(
        ["encode", "--raw", "--width", "64", "--exponents", &table],
        &bytes(&x),
    )
    .ok();
    let own = Config {
        exponents: Exponents::Agreed,
        ..Config::INT4
    };
    let mut expected = vec![0; 4096];
    let encoder = Encoder::new(own).unwrap().with_exponents(&[1; 64]);
    let len = encoder.encode(&x, 4, 64, &mut expected).unwrap();
    assert_eq!(frames, expected[..len]);
    let y = floats(&pipe(["decode", "--raw", "--exponents", &table], &frames).ok());
    assert!(snr(&x, &y, 64) > 15.0);
    pipe(["decode", "--raw"], &frames).fails(&["table"]);
    let other = folder.file("other", &[2; 64]);
    pipe(["decode", "--raw", "--exponents", &other], &frames).fails(&["another table"]);
    let short = folder.file("short", &[1; 63]);
    pipe(["decode", "--raw", "--exponents", &short], &frames).fails(&["63"]);
    pipe(["decode", "--raw", "--exponents", &folder.path("none")], &frames).fails(&["none"]);
    // Frames without one ignore it.
    let frames = pipe(["encode", "--raw", "--width", "64"], &bytes(&x)).ok();
    pipe(["decode", "--raw", "--exponents", &table], &frames).ok();
}

#[test]
fn filters() {
    let x = tensor(&read(data("smollm2_f32_b15.safetensors")), "act.15");
    for (preset, least) in PRESETS {
        let run = pipe(
            [
                "filter",
                "--width",
                "576",
                "--samples",
                "2",
                "--preset",
                preset,
                "--effort",
                "fast",
            ],
            &bytes(&x),
        );
        let bits = run.stderr.strip_prefix("bits_per_element=").unwrap().trim_end();
        assert_eq!(run.stderr.lines().count(), 1);
        let config = match preset {
            "tah-quant" => Config::TAH_QUANT,
            "tah-quant-token" => Config::TAH_QUANT_TOKEN,
            "int4" => Config::INT4,
            "mixed" => Config::MIXED,
            "int3" => Config::INT3,
            "gradient" => Config::GRADIENT,
            _ => Config::INT8,
        };
        let config = Config {
            effort: tahq::Effort::Fast,
            ..config
        };
        let frames = x.chunks(128 * 576).map(|x| frame(config, x, 128, 576));
        let (mut len, mut expected) = (0, Vec::new());
        for frame in frames {
            let mut y = vec![0f32; 128 * 576];
            Decoder::new().decode(&frame, &mut y).unwrap();
            expected.extend(bytes(&y));
            len += frame.len();
        }
        assert_eq!(bits, format!("{:.4}", len as f64 * 8.0 / x.len() as f64));
        let out = run.ok();
        assert!(out == expected, "{preset}: not what the library gives");
        assert!(snr(&x, &floats(&out), 576) > least, "{preset}");
    }
}

#[test]
fn filters_refuse_what_does_not_fit() {
    let x = bytes(&waves(6, 10));
    pipe(["filter", "--width", "10", "--samples", "4"], &x).fails(&["6 rows", "4 frames"]);
    pipe(["filter", "--width", "7"], &x).fails(&["60 values", "rows of 7"]);
    pipe(["filter", "--width", "10"], &x[..9]).fails(&["1 bytes"]);
    pipe(["filter"], &x).fails(&["--width"]);
    pipe(["filter", "--width", "10", "--samples", "0"], &x).fails(&["--samples"]);
    pipe(["filter", "--width", "10", "--preset", "int5"], &x).fails(&["int5", "tah-quant-token"]);
    pipe(["filter", "--width", "10", "--level", "none"], &x).fails(&["--level", "scalar"]);
    let mut nan = waves(6, 10);
    nan[45] = f32::NAN;
    let run = pipe(["filter", "--width", "10", "--samples", "2"], &bytes(&nan));
    run.fails(&["sample 1", "row 1", "channel 5"]);
}
