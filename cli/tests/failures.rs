//! Whatever goes wrong is one line and a non-zero exit code, and leaves nothing half-written.

mod common;

use std::fs::File;
use std::process::Stdio;

use common::*;
use safetensors::Dtype;

#[test]
fn options_that_make_no_sense() {
    tahq([""; 0]).fails(&["command is missing"]);
    tahq(["frobnicate"]).fails(&["frobnicate"]);
    tahq(["encode"]).fails(&["IN"]);
    tahq(["encode", "x"]).fails(&["OUT"]);
    tahq(["encode", "x", "y", "--preset", "int5"]).fails(&["int5", "int4"]);
    tahq(["encode", "x", "y", "--effort", "none"]).fails(&["none", "balanced"]);
    tahq(["encode", "x", "y", "--level", "none"]).fails(&["none", "scalar"]);
    tahq(["encode", "x", "y", "--width", "4"]).fails(&["--raw"]);
    tahq(["encode", "x", "y", "--rows", "0"]).fails(&["--rows"]);
    tahq(["decode", "x"]).fails(&["OUT"]);
    tahq(["decode", "--raw", "--dtype", "f16"]).fails(&["--dtype"]);
    tahq(["decode", "x", "y", "--dtype", "int8"]).fails(&["bf16"]);
    tahq(["compare"]).fails(&["FILE"]);
    tahq(["inspect", "x", "--frame", "-1"]).fails(&["-1"]);
}

#[test]
fn every_command_explains_itself() {
    assert!(tahq(["--help"]).text().contains("Examples:"));
    assert!(tahq(["--version"]).text().starts_with("tahq "));
    for command in ["encode", "decode", "inspect", "compare", "filter"] {
        let text = tahq([command, "--help"]).text();
        assert!(
            text.contains("Examples:") && text.contains(&format!("tahq {command}")),
            "{text}"
        );
    }
    for command in ["demo", "bench"] {
        assert!(tahq([command, "--help"]).text().contains("Usage:"));
    }
}

#[test]
fn files_that_are_not_there_or_not_what_they_should_be() {
    let folder = Folder::new();
    let out = folder.path("out.safetensors");
    let none = folder.path("none");
    let text = folder.file("text", b"these are not tensors at all, just words");
    let empty = folder.file("empty", b"");
    let here = folder.path(".");
    let tensors = data("minilm_acts.safetensors");
    for command in ["encode", "decode"] {
        tahq([command, &none, &out]).fails(&["none", "No such file"]);
        tahq([command, &here, &out]).fails(&["is a directory"]);
        tahq([command, &text, &out]).fails(&["text", "neither"]);
        tahq([command, &empty, &out]).fails(&["empty"]);
    }
    for command in ["inspect", "compare"] {
        tahq([command, &none]).fails(&["none", "No such file"]);
        tahq([command, &here]).fails(&["is a directory"]);
        tahq([command, &text]).fails(&["text", "neither"]);
    }
    tahq(["compare", &empty]).fails(&["empty"]);
    tahq(["decode", &tensors, &out]).fails(&["not encoded"]);
    tahq(["inspect", &tensors]).fails(&["not encoded"]);

    let container = folder.path("x.tahq");
    tahq(["encode", &tensors, &container]).ok();
    tahq(["encode", &container, &out]).fails(&["container already"]);
    tahq(["compare", &container]).fails(&["encoded already"]);
    tahq(["decode", &container, &folder.path("out.pt")]).fails(&[".safetensors or .npy"]);
    tahq(["decode", &container, &folder.path("no/such/folder.safetensors")]).fails(&["No such file"]);
    tahq(["decode", &container, &folder.path(".")]).fails(&["directory"]);
    assert_eq!(folder.names(), ["empty", "text", "x.tahq"]);
}

#[test]
fn tensor_files_that_are_damaged() {
    let folder = Folder::new();
    let out = folder.path("out.tahq");
    let whole = read(data("minilm_acts.safetensors"));
    for len in [1, 7, 8, 100, 5000, whole.len() - 1] {
        tahq(["encode", &folder.file("x", &whole[..len]), &out]).fails(&[]);
    }
    let mut long = whole.clone();
    long.push(0);
    tahq(["encode", &folder.file("x", &long), &out]).fails(&["1 bytes follow"]);
    let mut bad = whole;
    bad[9] = b'x';
    tahq(["encode", &folder.file("x", &bad), &out]).fails(&["safetensors header"]);
    tahq([
        "encode",
        &folder.file("x", b"\xff\xff\xff\x00\x00\x00\x00\x00{}"),
        &out,
    ])
    .fails(&["cut short"]);

    let data = bytes(&waves(2, 3));
    tahq([
        "encode",
        &folder.file("x", &npy("<f4", false, "(2, 3)", &data[1..])),
        &out,
    ])
    .fails(&["cut short"]);
    tahq([
        "encode",
        &folder.file("x", &npy("<i4", false, "(2, 3)", &data)),
        &out,
    ])
    .fails(&["<i4"]);
    tahq([
        "encode",
        &folder.file("x", &npy("<f4", false, "(-2, 3)", &data)),
        &out,
    ])
    .fails(&["header"]);
    let huge = "(4294967296, 4294967296, 3)";
    tahq(["encode", &folder.file("x", &npy("<f4", false, huge, &data)), &out]).fails(&["impossible"]);
    tahq(["encode", &folder.file("x", b"\x93NUMPY\x01"), &out]).fails(&["cut short"]);

    let integers = safetensors(&[("i", Dtype::I8, &[3], &[1, 2, 3])], None);
    tahq(["encode", &folder.file("x", &integers), &out]).fails(&["no tensor of floats"]);
    tahq(["compare", &folder.file("x", &integers)]).fails(&["no tensor of floats"]);
    assert_eq!(folder.names(), ["x"]);
}

#[test]
fn containers_that_are_damaged() {
    let folder = Folder::new();
    let (container, out) = (folder.path("x.tahq"), folder.path("out.safetensors"));
    tahq(["encode", &data("minilm_acts.safetensors"), &container]).ok();
    let whole = read(&container);
    let damaged = |bytes: &[u8]| tahq(["decode", &folder.file("bad", bytes), &out]);
    damaged(&whole[..whole.len() - 1]).fails(&["cut short"]);
    let mut bad = whole.clone();
    let at = bad.len() - 1000;
    bad[at] ^= 0x10;
    damaged(&bad).fails(&["tensor act.05", "frame 1", "checksum"]);
    // Another shape than the frames have.
    let swap = |from: &str, to: &str| {
        let text = String::from_utf8_lossy(&whole[..4096]).into_owned();
        let at = text.find(from).unwrap();
        let mut bad = whole.clone();
        bad[at..at + from.len()].copy_from_slice(to.as_bytes());
        bad
    };
    damaged(&swap("[2,128,384]", "[2,128,385]")).fails(&["hold 98304 of 98560 elements"]);
    damaged(&swap("[2,128,384]", "[2,128,383]")).fails(&["more elements"]);
    damaged(&swap("[2,128,384]", "[2,x28,384]")).fails(&["container entry"]);
    damaged(&swap("\"tahq.container\":\"1\"", "\"tahq.container\":\"2\"")).fails(&["container version 2"]);
    assert_eq!(folder.names(), ["bad", "x.tahq"]);
}

#[test]
fn an_old_result_survives_a_failure() {
    let folder = Folder::new();
    let out = folder.file("out.tahq", b"precious");
    let mut x = waves(4, 8);
    x[9] = f32::NAN;
    let source = folder.file(
        "x.safetensors",
        &safetensors(&[("x", Dtype::F32, &[4, 8], &bytes(&x))], None),
    );
    tahq(["encode", &source, &out]).fails(&["row 1", "channel 1"]);
    assert_eq!(read(&out), b"precious");
    let cut = folder.file("cut", b"TAHQ");
    let out = folder.file("out.npy", b"precious");
    tahq(["decode", &cut, &out]).fails(&["cut short"]);
    tahq(["decode", "--raw", &cut, &out]).fails(&["cut short"]);
    assert_eq!(read(&out), b"precious");
    assert_eq!(folder.names(), ["cut", "out.npy", "out.tahq", "x.safetensors"]);
    // And is replaced by a success.
    let good = folder.file("good.npy", &npy("<f4", false, "(4, 8)", &bytes(&waves(4, 8))));
    let out = folder.file("out.tahq", b"precious");
    tahq(["encode", &good, &out]).ok();
    assert_ne!(read(&out), b"precious");
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn full_disks() {
        let folder = Folder::new();
        let source = data("minilm_acts.safetensors");
        let container = folder.path("x.tahq");
        tahq(["encode", &source, &container, "-q"]).ok();
        tahq(["encode", &source, "/dev/full"]).fails(&["/dev/full", "No space left"]);
        tahq(["decode", &container, "/dev/full"]).fails(&["/dev/full", "No space left"]);
        tahq(["inspect", &container, "--png", "/dev/full"]).fails(&["/dev/full", "No space left"]);

        let x = folder.file("x.f32", &bytes(&waves(3, 8)));
        let frames = folder.path("x.frames");
        tahq(["encode", "--raw", "--width", "8", &x, &frames]).ok();
        let full = |args: &[&str], input: &str| {
            let child = command(args)
                .stdin(File::open(input).unwrap())
                .stdout(File::options().write(true).open("/dev/full").unwrap())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let output = child.wait_with_output().unwrap();
            let run = Run {
                code: output.status.code(),
                stdout: Vec::new(),
                stderr: String::from_utf8(output.stderr).unwrap(),
            };
            run.fails(&["standard output", "No space left"]);
        };
        full(&["encode", "--raw", "--width", "8"], &x);
        full(&["decode", "--raw"], &frames);
        full(&["filter", "--width", "8"], &x);
        full(&["inspect", &container], &x);
        full(&["compare", &source, "--preset", "int4"], &x);
        full(&["--help"], &x);
        full(&["--version"], &x);
    }

    #[test]
    fn closed_pipes_are_one_line() {
        let folder = Folder::new();
        let x = folder.file("x.f32", &bytes(&waves(4000, 64)));
        let frames = folder.path("x.frames");
        tahq(["encode", "--raw", "--width", "64", &x, &frames]).ok();
        let container = folder.path("x.tahq");
        tahq(["encode", &data("smollm2_acts.safetensors"), &container]).ok();
        for (args, input) in [
            (&["encode", "--raw", "--width", "64", "-q"][..], &x),
            (&["decode", "--raw"], &frames),
            (&["filter", "--width", "64"], &x),
            (&["decode", &container, "-"], &x),
            (&["encode", &data("smollm2_acts.safetensors"), "-"], &x),
            (&["inspect", &container, "--json"], &x),
        ] {
            let (reader, writer) = std::io::pipe().unwrap();
            // Nobody reads.
            drop(reader);
            let child = command(args)
                .stdin(File::open(input).unwrap())
                .stdout(writer)
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{args:?}");
            let line = String::from_utf8_lossy(&output.stderr).to_lowercase();
            assert!(
                line.starts_with("tahq: ") && line.ends_with("broken pipe\n"),
                "{args:?}: {line}"
            );
            assert_eq!(line.lines().count(), 1, "{args:?}: {line}");
        }
    }

    #[test]
    fn the_input_is_not_overwritten() {
        let folder = Folder::new();
        let x = folder.file("x.f32", &bytes(&waves(40, 64)));
        let frames = folder.path("x.frames");
        tahq(["encode", "--raw", "--width", "64", &x, &frames]).ok();
        let container = folder.path("x.tahq");
        tahq(["encode", &data("smollm2_acts.safetensors"), &container]).ok();
        let before = std::fs::read(&container).unwrap();
        for args in [
            &["encode", "--raw", "--width", "64", &x, &x][..],
            &["decode", "--raw", &frames, &frames],
            &["decode", &container, &container],
            &["encode", &container, &container],
            &["inspect", &container, "--png", &container],
        ] {
            tahq(args).fails(&["is the input"]);
        }
        assert_eq!(std::fs::read(&container).unwrap(), before);
    }

    #[test]
    fn devices_and_links() {
        let folder = Folder::new();
        let source = data("minilm_acts.safetensors");
        tahq(["encode", &source, "/dev/null"]).ok();
        let piped = tahq(["encode", &source, "/dev/stdout"]).ok();
        let file = folder.file("x.tahq", b"");
        let link = folder.path("link.tahq");
        symlink(&file, &link).unwrap();
        tahq(["encode", &source, &link]).ok();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&file), piped);
        // An ordinary file, readable as others are; one that is there keeps its mode.
        let fresh = folder.path("fresh.tahq");
        tahq(["encode", &source, &fresh]).ok();
        let mode = |path: &str| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&fresh), mode(&file));
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).unwrap();
        tahq(["encode", &source, &fresh]).ok();
        assert_eq!(mode(&fresh), 0o600);
        // A tensor file must be a file; frames may come from a pipe.
        tahq(["encode", "/dev/null", &fresh]).fails(&["not a regular file"]);
    }
}

#[test]
fn counts_are_at_least_one() {
    for args in [
        &["encode", "--raw", "--width", "-1"][..],
        &["encode", "--raw", "--width", "0"],
        &["encode", "--raw", "--width", "4294967296"],
        &["encode", "x", "y", "--rows", "-3"],
        &["compare", "x", "--rows", "0"],
        &["filter", "--width", "4", "--samples", "many"],
    ] {
        let run = tahq(args).fails(&["a whole number from 1 to 4294967295"]);
        assert_eq!(run.code, Some(2), "{args:?}");
    }
    tahq([
        "encode",
        "--raw",
        "--width",
        "4",
        "--preset",
        "tah-quant",
        "--exponents",
        &data("README.md"),
    ])
    .fails(&["--exponents", "tah-quant"]);
}

/// What cannot be written is not the input's fault.
#[test]
fn write_errors_name_the_output_alone() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let folder = Folder::new();
    let container = folder.path("x.tahq");
    tahq(["encode", &data("minilm_acts.safetensors"), &container]).ok();
    let run = tahq(["decode", &container, "/dev/full"]).fails(&["/dev/full: No space left"]);
    assert!(!run.stderr.contains("x.tahq"), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn an_interrupted_command_leaves_nothing() {
    use std::io::Write;
    let folder = Folder::new();
    let out = folder.file("x.frames", b"of before");
    for signal in ["-INT", "-TERM"] {
        let mut child = command(["encode", "--raw", "--width", "4", "--rows", "1", "-", &out])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // More than is read before the first frame is written.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&[0; 1 << 18]).unwrap();
        while folder.names().len() < 2 {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let id = child.id().to_string();
        // A shell has it built in.
        let kill = ["-c", r#"kill "$0" "$1""#, signal, &id];
        let killed = std::process::Command::new("sh").args(kill).status().unwrap();
        assert!(killed.success());
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
        assert_eq!(folder.names(), ["x.frames"]);
        assert_eq!(read(&out), b"of before");
    }
}
