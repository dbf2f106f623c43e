//! Where data come from: standard input or a file, read to the end in pieces, or sought in.

use std::fs::File;
use std::io::{self, Cursor, IsTerminal, Read, Seek};
use std::path::Path;

use crate::failure::{Failure, named};

/// Elements by which a buffer grows: no length is trusted before its bytes are there.
const PIECE: usize = 1 << 16;

/// A source. Its errors name it.
pub(crate) struct Input {
    name: String,
    from: Box<dyn Read>,
}

impl Input {
    /// The file at `path`, or standard input for `-` and for none, which must not be a terminal.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            Some(path) if path != Path::new("-") => {
                let file = open_file(path)?;
                Ok(Self {
                    name: path.display().to_string(),
                    from: Box::new(file),
                })
            }
            _ if io::stdin().is_terminal() => Err(Failure::usage(
                "standard input is a terminal: pipe or redirect binary data into this command, see --help",
            )),
            _ => Ok(Self {
                name: "standard input".to_owned(),
                from: Box::new(io::stdin().lock()),
            }),
        }
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads little-endian f32 until `values` has grown by `limit` or the input ends.
    pub(crate) fn read_f32(&mut self, values: &mut Vec<f32>, limit: usize) -> Result<(), Failure> {
        let end = values.len().saturating_add(limit);
        while values.len() < end {
            let start = values.len();
            let len = PIECE.min(end - start);
            values.try_reserve(len).map_err(|_| {
                Failure::new(format_args!("{}: too large for this machine's memory", self.name))
            })?;
            values.resize(start + len, 0.0);
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut values[start..]);
            let read = fill(self, bytes)?;
            let piece = &mut values[start..];
            if cfg!(target_endian = "big") {
                piece
                    .iter_mut()
                    .for_each(|x| *x = f32::from_bits(x.to_bits().swap_bytes()));
            }
            if read % 4 != 0 {
                return Err(Failure::new(format_args!(
                    "{}: {} bytes beyond the last whole f32",
                    self.name,
                    read % 4
                )));
            }
            values.truncate(start + read / 4);
            if read < len * 4 {
                break;
            }
        }
        Ok(())
    }
}

impl Read for Input {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.from.read(bytes).map_err(|error| named(&self.name, &error))
    }
}

/// Bytes that can be sought in.
pub(crate) trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

/// A source of which all is there.
pub(crate) struct Whole {
    /// Its name in messages.
    pub(crate) name: String,
    pub(crate) from: Box<dyn Source>,
    /// Its bytes.
    pub(crate) len: u64,
}

impl Whole {
    /// The file at `path`, or standard input for `-`, which is held in memory.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            let mut input = Input::open(None)?;
            let mut bytes = Vec::new();
            input.read_to_end(&mut bytes)?;
            return Ok(Self {
                name: input.name,
                len: bytes.len() as u64,
                from: Box::new(Cursor::new(bytes)),
            });
        }
        let name = path.display().to_string();
        let file = open_file(path)?;
        let metadata = file.metadata().map_err(|error| Failure::file(path, &error))?;
        if !metadata.is_file() {
            return Err(Failure::new(format_args!(
                "{name}: not a regular file; give a pipe as `-`, or see --raw"
            )));
        }
        Ok(Self {
            name,
            from: Box::new(file),
            len: metadata.len(),
        })
    }
}

/// Opens a file for reading; folders are refused here, since some systems do so only on the first read.
pub(crate) fn open_file(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    let metadata = file.metadata().map_err(|error| Failure::file(path, &error))?;
    if metadata.is_dir() {
        return Err(Failure::new(format_args!("{}: is a directory", path.display())));
    }
    Ok(file)
}

/// Reads until `bytes` are full or the input ends; returns how many there were.
pub(crate) fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match from.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A table of channel exponents: a file of one signed byte a channel.
pub(crate) fn read_exponents(path: &Path) -> Result<Vec<i8>, Failure> {
    let mut bytes = Vec::new();
    Input::open(Some(path))?
        .take(u64::from(u32::MAX))
        .read_to_end(&mut bytes)?;
    Ok(bytes.into_iter().map(|byte| byte as i8).collect())
}
