//! `inspect`, of whole and of broken files.

mod common;

use common::*;
use serde_json::Value;

struct Files {
    folder: Folder,
    container: String,
    /// Two frames of 40 x 200.
    frames: String,
}

fn files(preset: &str) -> Files {
    let folder = Folder::new();
    let container = folder.path("x.tahq");
    tahq([
        "encode",
        &data("minilm_grads.safetensors"),
        &container,
        "-q",
        "-p",
        preset,
    ])
    .ok();
    let x = bytes(&waves(80, 200));
    let frames = pipe(["encode", "--raw", "-w", "200", "--rows", "40", "-p", preset], &x).ok();
    let frames = folder.file("x.frames", &frames);
    Files {
        folder,
        container,
        frames,
    }
}

fn json(run: Run) -> (Option<i32>, Value) {
    (run.code, serde_json::from_slice(&run.stdout).unwrap())
}

/// Sets the checksum of the first frame right.
fn seal(frame: &mut [u8]) {
    let end = frame.len() - 4;
    let crc = checksum(&frame[..end]);
    frame[end..].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn whole_files() {
    for (preset, _) in PRESETS {
        let files = files(preset);
        let text = tahq(["inspect", &files.container]).text();
        assert!(text.contains("container, 3 tensors, 6 frames"), "{text}");
        assert!(
            text.contains("grad.03  BF16 [2, 128, 384]") && text.contains(preset),
            "{text}"
        );
        assert!(
            text.contains("rotation map: 128 rows down, 6 tiles across"),
            "{text}"
        );
        let (code, report) = json(tahq(["inspect", &files.container, "--json"]));
        assert_eq!(code, Some(0));
        assert_eq!(report["frames"], 6);
        assert_eq!(report["fault_count"], 0);
        let frame = &report["tensors"][1]["frames"][1];
        assert_eq!(
            (&frame["number"], &frame["header"]["rows"]),
            (&Value::from(3), &Value::from(128))
        );
        let bits = report["bits_per_element"].as_f64().unwrap();
        assert!((3.0..9.0).contains(&bits));
        let tiles: u64 = report["tiles_by_width"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap())
            .sum();
        let pruned: u64 = report["tensors"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|tensor| tensor["frames"].as_array().unwrap())
            .map(|frame| frame["rows_pruned"].as_u64().unwrap())
            .sum();
        assert_eq!(tiles + pruned * 6, 6 * 128 * 6);

        let text = tahq(["inspect", &files.frames, "--frame", "1"]).text();
        assert!(
            text.contains("stream, 2 frames") && text.contains("frame 1 in detail"),
            "{text}"
        );
        let stream = read(&files.frames);
        assert!(pipe(["inspect", "-"], &stream).text().contains("2 frames"));
        let (_, report) = json(tahq(["inspect", &files.frames, "--json"]));
        assert_eq!(report["stream"][1]["offset"], tahq::frame_len(&stream).unwrap());
    }
}

#[test]
fn shares_of_widths() {
    let files = files("tah-quant");
    let (_, report) = json(tahq(["inspect", &files.frames, "--json"]));
    // Four tiles a row: 80 % of them, to the nearest, are 3.
    assert_eq!(report["tiles_by_width"][4], 3 * 80);
    assert_eq!(report["tiles_by_width"][3], 80);
}

#[test]
fn pictures() {
    let files = files("mixed");
    let png = files.folder.path("x.png");
    for args in [&["--frame", "1"][..], &[]] {
        tahq([&["inspect", &files.container, "--png", &png], args].concat()).ok();
        let decoder = png::Decoder::new(std::io::Cursor::new(read(&png)));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let colours: std::collections::HashSet<_> = pixels.chunks(3).map(<[u8]>::to_vec).collect();
        assert!(colours.len() > 20, "a heat map has many colours");
    }
    tahq(["inspect", &files.container, "--frame", "6"]).fails(&["no frame 6", "6"]);
    tahq(["inspect", &files.container, "--frame", "6", "--png", &png]).fails(&["no frame 6"]);
    // By itself on standard output, which the report does not share.
    tahq(["inspect", &files.container, "--png", &png]).ok();
    let piped = tahq(["inspect", &files.container, "--png", "-"]).ok();
    assert!(piped == read(&png));
    tahq(["inspect", &files.container, "--png", "-", "--json"]).fails(&["--json", "--png"]);
    // A fault is told before that there is nothing to draw.
    let whole = read(&files.container);
    let cut = files.folder.file("cut.tahq", &whole[..whole.len() - 9]);
    tahq(["inspect", &cut, "--frame", "9", "--png", &png]).fails(&["cut short"]);
    let nowhere = files.folder.path("no/such/x.png");
    tahq(["inspect", &files.container, "--png", &nowhere]).fails(&["No such file"]);
}

#[test]
fn large_and_odd_frames() {
    let folder = Folder::new();
    let png = folder.path("x.png");
    for (rows, width) in [(3000, 3), (1, 200_000), (1, 1)] {
        let x = bytes(&waves(rows, width));
        let args = [
            "encode",
            "--raw",
            "-w",
            &width.to_string(),
            "--rows",
            &rows.to_string(),
        ];
        let frames = folder.file("x", &pipe(args, &x).ok());
        let text = tahq(["inspect", &frames, "--png", &png]).text();
        assert!(
            text.lines().count() < 50 && text.lines().all(|line| line.len() < 200),
            "{text}"
        );
        assert!(read(&png).starts_with(b"\x89PNG"));
    }
    // Nothing, frames of nothing, raw frames.
    assert!(pipe(["inspect", "-"], &[]).text().contains("0 frames"));
    let nan = bytes(&[f32::NAN; 8]);
    let raw = folder.file(
        "raw",
        &pipe(["encode", "--raw", "-w", "4", "--raw-non-finite"], &nan).ok(),
    );
    assert!(tahq(["inspect", &raw]).text().contains("raw"));
    tahq(["inspect", &raw, "--png", &png]).fails(&["no tiles"]);
    // Many frames: the first are listed, all are counted.
    let many = folder.file(
        "many",
        &pipe(
            ["encode", "--raw", "-w", "4", "--rows", "1"],
            &bytes(&waves(100, 4)),
        )
        .ok(),
    );
    let text = tahq(["inspect", &many]).text();
    assert!(text.contains("100 frames") && text.contains("60 more frames") && text.lines().count() < 60);
    assert!(tahq(["inspect", &many, "--all"]).text().lines().count() > 100);
}

#[test]
fn cut_streams() {
    for preset in ["int4", "tah-quant", "tah-quant-token", "gradient"] {
        let files = files(preset);
        let stream = read(&files.frames);
        let second = tahq::frame_len(&stream).unwrap();
        for len in [
            1,
            20,
            28,
            100,
            second - 5,
            second - 1,
            second + 1,
            second + 1000,
            stream.len() - 1,
        ] {
            let cut = files.folder.file("cut", &stream[..len]);
            let frame = if len < second { "frame 0" } else { "frame 1" };
            let run = tahq(["inspect", &cut, "--json"]);
            let (code, report) = json(run);
            assert_eq!(code, Some(1));
            assert_eq!(report["fault_count"], 1, "{preset} {len}");
            assert_eq!(report["faults"][0]["offset"], len);
            tahq(["inspect", &cut]).fails(&[frame, &format!("byte {len}"), "cut short"]);
        }
        // Within the rows it says which row and tile, and draws what is there.
        let png = files.folder.path("x.png");
        let cut = files.folder.file("cut", &stream[..second - second / 3]);
        let run = tahq(["inspect", &cut, "--png", &png]).fails(&["row ", "tile "]);
        assert!(String::from_utf8_lossy(&run.stdout).contains("????"));
        assert!(read(&png).starts_with(b"\x89PNG"));
    }
}

#[test]
fn broken_frames() {
    let files = files("int4");
    let stream = read(&files.frames);
    let second = tahq::frame_len(&stream).unwrap();
    let rest = &stream[second..];
    // 200 channels: 200 bytes of exponents, then rows of 4 + 4 * 4 + 4 * 32 bytes.
    let row = |r: usize| 28 + 200 + r * 148;
    let broken = |at: usize, value: u8, sealed: bool| {
        let mut bad = stream[..second].to_vec();
        bad[at] = value;
        if sealed {
            seal(&mut bad);
        }
        bad.extend(rest);
        tahq(["inspect", &files.folder.file("bad", &bad), "--json"])
    };
    let transform = row(7) + 4 + 2 * 4 + 3;
    for (at, value, tile, word) in [
        (transform, 1, Some(2), "transform"),
        (row(7), 223, None, "base 223"),
        (row(7) + 2, 1, None, "padding"),
    ] {
        let (code, report) = json(broken(at, value, true).fails(&["row 7", word]));
        assert_eq!(code, Some(1));
        assert_eq!(report["frames"], 2, "the next frame is found");
        let fault = &report["faults"][0];
        let offset = if word == "padding" { at - 1 } else { at };
        assert_eq!(fault["offset"], offset);
        assert_eq!(
            (&fault["frame"], &fault["row"]),
            (&Value::from(0), &Value::from(7))
        );
        assert_eq!(fault["tile"], tile.map_or(Value::Null, Value::from));
    }
    // A wrong checksum comes with its cause, where that can be found.
    let (_, report) = json(broken(transform, 1, false).fails(&["checksum", "2 faults"]));
    assert_eq!(report["faults"][1]["offset"], transform);
    broken(row(3) + 30, 0x5a, false).fails(&["frame 0", "checksum"]);
    // Channel exponents.
    let (_, report) = json(broken(28 + 9, 0x80, true).fails(&["channel 9"]));
    assert_eq!(report["faults"][0]["offset"], 37);
    // Headers: the next frame is found by the length.
    for (at, value, word) in [
        (4, 9, "version 9"),
        (5, 9, "encoding 9"),
        (6, 9, "tile size"),
        (7, 0x99, "widths"),
    ] {
        let (_, report) = json(broken(at, value, true).fails(&["frame 0", word]));
        assert_eq!(report["faults"][0]["offset"], at);
        assert_eq!(report["frames"], 2);
        assert_eq!(report["fault_count"], 1);
    }
    // A file that does not start with a frame is no stream of frames; later on the stream just ends.
    let mut bad = stream.clone();
    bad[0] = b'X';
    tahq(["inspect", &files.folder.file("bad", &bad)]).fails(&["neither"]);
    bad.copy_from_slice(&stream);
    bad[second] = b'X';
    let words = ["frame 1", &second.to_string(), "magic"];
    tahq(["inspect", &files.folder.file("bad", &bad)]).fails(&words);
}

#[test]
fn broken_maps() {
    let tile_mixed = files("tah-quant");
    let stream = read(&tile_mixed.frames);
    let second = tahq::frame_len(&stream).unwrap();
    // Rows of 4 + 4 + 4 * 4 + 3 * 32 + 24 bytes; the map of row 5 with one tile too many.
    let map = 28 + 5 * 144 + 4;
    let mut bad = stream[..second].to_vec();
    bad[map] = 0b1111;
    seal(&mut bad);
    let (_, report) =
        json(tahq(["inspect", &tile_mixed.folder.file("bad", &bad), "--json"]).fails(&["row 5", "tile map"]));
    assert_eq!(report["faults"][0]["offset"], map);

    let row_mixed = files("tah-quant-token");
    let stream = read(&row_mixed.frames);
    let mut bad = stream[..tahq::frame_len(&stream).unwrap()].to_vec();
    bad[28] ^= 1;
    seal(&mut bad);
    let (_, report) =
        json(tahq(["inspect", &row_mixed.folder.file("bad", &bad), "--json"]).fails(&["row map"]));
    assert_eq!(report["faults"][0]["offset"], 28);
}

#[test]
fn cut_and_broken_containers() {
    let files = files("int4");
    let whole = read(&files.container);
    let cut = files.folder.file("cut", &whole[..whole.len() / 2]);
    let run = tahq(["inspect", &cut]).fails(&["frame 2", "row ", "cut short", "faults"]);
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(
        text.contains("grad.01") && text.contains("BROKEN") && text.contains("grad.05: cut short"),
        "{text}"
    );
    let cut = files.folder.file("cut", &whole[..100]);
    tahq(["inspect", &cut]).fails(&["header is cut short"]);
    let mut bad = whole.clone();
    let at = bad.len() - 1000;
    bad[at] ^= 1;
    bad.push(0);
    let bad = files.folder.file("bad", &bad);
    let (code, report) = json(tahq(["inspect", &bad, "--json"]));
    assert_eq!((code, &report["fault_count"]), (Some(1), &Value::from(2)));
    assert_eq!(report["faults"][0]["frame"], 5);
    assert_eq!(report["faults"][1]["offset"], whole.len());
}

#[test]
fn random_damage_never_panics() {
    let files = files("gradient");
    let stream = read(&files.frames);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for case in 0..60 {
        let mut bad = stream.clone();
        for _ in 0..1 + next(4) {
            let at = if case % 2 == 0 { next(300) } else { next(bad.len()) };
            bad[at] = next(256) as u8;
        }
        bad.truncate(bad.len() - next(2) * next(bad.len()));
        let sound = pipe(["decode", "--raw"], &bad);
        let seen = pipe(["inspect", "-"], &bad);
        assert_eq!(
            sound.code, seen.code,
            "case {case}: {} {}",
            sound.stderr, seen.stderr
        );
        if seen.code != Some(0) {
            seen.fails(&[]);
        }
    }
}
