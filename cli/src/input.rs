//! Where data come from: standard input or a file, read to the end in pieces, or sought in.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek};
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

/// A file of which all is there.
pub(crate) struct Whole {
    /// Its name in messages.
    pub(crate) name: String,
    pub(crate) from: File,
    /// Its bytes.
    pub(crate) len: u64,
}

impl Whole {
    /// The file at `path`, or standard input for `-`, by way of a [`spool`].
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            let input = Input::open(None)?;
            let name = input.name.clone();
            let (from, len) = spool(input)?;
            return Ok(Self { name, from, len });
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
            from: file,
            len: metadata.len(),
        })
    }
}

/// All that a pipe gives, in a nameless file that can be sought in, and its length: a sender that never ends fills no memory.
pub(crate) fn spool(mut from: impl Read) -> Result<(File, u64), Failure> {
    let fail = |error| Failure::io("temporary file for standard input", &error);
    let mut file = tempfile::tempfile().map_err(fail)?;
    let len = io::copy(&mut from, &mut file).map_err(fail)?;
    file.rewind().map_err(fail)?;
    Ok((file, len))
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
