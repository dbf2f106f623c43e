//! Runs the command as a user would, and makes files for it.
#![allow(dead_code)]

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;

/// Presets by name, with the least SNR in dB that real activations have with them.
pub(crate) const PRESETS: [(&str, f64); 7] = [
    ("tah-quant", 12.0),
    ("tah-quant-token", 12.0),
    ("int4", 19.0),
    ("mixed", 17.0),
    ("int3", 13.0),
    ("gradient", 30.0),
    ("int8", 40.0),
];

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    /// Asserts success; returns standard output.
    #[track_caller]
    pub(crate) fn ok(self) -> Vec<u8> {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Asserts success; returns standard output as text.
    #[track_caller]
    pub(crate) fn text(self) -> String {
        String::from_utf8(self.ok()).unwrap()
    }

    /// Asserts a failure as it should be: one line that holds all of `words`, and no panic.
    #[track_caller]
    pub(crate) fn fails(self, words: &[&str]) -> Self {
        assert!(matches!(self.code, Some(1 | 2)), "{self:?}");
        let lines: Vec<_> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{}", self.stderr);
        assert!(lines[0].starts_with("tahq: "), "{}", self.stderr);
        for word in words {
            assert!(lines[0].contains(word), "{word:?} is not in {}", self.stderr);
        }
        self
    }
}

/// The command.
pub(crate) fn command<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tahq"));
    command.args(args);
    command
}

/// Runs the command without input.
pub(crate) fn tahq<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Run {
    pipe(args, &[])
}

/// Runs the command with bytes on standard input.
pub(crate) fn pipe<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>, input: &[u8]) -> Run {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        // It may stop reading early.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap()
    });
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder of its own for a test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file in it.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Names of the files in it, hidden ones too.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A file of the test data.
pub(crate) fn data(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "tests", "data", name]
        .iter()
        .collect();
    path.to_str().unwrap().to_owned()
}

/// Reads a file.
pub(crate) fn read(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// Little-endian bytes.
pub(crate) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Values of little-endian bytes.
pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    assert_eq!(bytes.len() % 4, 0);
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

/// Values that vary as activations do: every channel has its own scale, and there are outliers.
pub(crate) fn waves(rows: usize, width: usize) -> Vec<f32> {
    (0..rows * width)
        .map(|i| {
            let (r, c) = (i / width, i % width);
            let outlier = if (r * 7 + c * 3) % 97 == 0 { 12.0 } else { 1.0 };
            ((r * 31 + c * 17) as f32 * 0.37).sin() * (1.0 + (c % 5) as f32) * outlier
        })
        .collect()
}

/// A safetensors file of `(name, dtype, shape, bytes)`.
pub(crate) fn safetensors(
    tensors: &[(&str, Dtype, &[usize], &[u8])],
    metadata: Option<HashMap<String, String>>,
) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
    safetensors::serialize(views, metadata).unwrap()
}

/// A .npy file of version 1.
pub(crate) fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

/// The data of a .npy file, and its header.
pub(crate) fn npy_parts(file: &[u8]) -> (String, &[u8]) {
    assert_eq!(&file[..8], b"\x93NUMPY\x01\x00");
    let start = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    (
        String::from_utf8(file[10..start].to_vec()).unwrap(),
        &file[start..],
    )
}

/// A tensor of a safetensors file as f32.
pub(crate) fn tensor(file: &[u8], name: &str) -> Vec<f32> {
    let file = SafeTensors::deserialize(file).unwrap();
    let tensor = file.tensor(name).unwrap();
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::F64 => data
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes(b.try_into().unwrap()) as f32)
            .collect(),
        Dtype::F32 => floats(data),
        Dtype::F16 => data
            .chunks_exact(2)
            .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        Dtype::BF16 => data
            .chunks_exact(2)
            .map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// SNR in dB, mean over rows of the relative squared error; rows of zeros are left out.
pub(crate) fn snr(x: &[f32], y: &[f32], width: usize) -> f64 {
    assert_eq!(x.len(), y.len());
    let square = |x: f64| x * x;
    let (mut sum, mut rows) = (0.0, 0);
    for (x, y) in x.chunks(width).zip(y.chunks(width)) {
        let energy: f64 = x.iter().map(|&x| square(f64::from(x))).sum();
        let error: f64 = x
            .iter()
            .zip(y)
            .map(|(&x, &y)| square(f64::from(x) - f64::from(y)))
            .sum();
        if energy > 0.0 {
            sum += error / energy;
            rows += 1;
        }
    }
    -10.0 * (sum / f64::from(rows)).log10()
}

/// CRC-32, bit by bit.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut crc, &byte| {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ ((crc & 1) * 0xedb8_8320);
        }
        crc
    })
}
