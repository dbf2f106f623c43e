//! Where results go: standard output, a special file, or a new file that gets its name when it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use crate::failure::{EXIT_INTERRUPTED, Failure, named};

const BUFFER: usize = 1 << 16;

/// New files that have not got their names yet, and such as have since.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has a new file removed if the command is interrupted before it gets its name. Commands that make none end by the signal.
fn remove_if_interrupted(path: &Path) {
    let mut all = unfinished();
    if all.is_empty() {
        // Where there can be no handler, what is interrupted leaves a file.
        let _ = ctrlc::set_handler(|| {
            for path in unfinished().iter() {
                // What is finished or dropped has gone from there.
                let _ = fs::remove_file(path);
            }
            process::exit(EXIT_INTERRUPTED);
        });
    }
    all.push(path.to_owned());
}

/// Refuses an output that is the input itself, which would be lost.
pub(crate) fn distinct(input: &Path, output: &Path) -> Result<(), Failure> {
    match (fs::canonicalize(input), fs::canonicalize(output)) {
        (Ok(input), Ok(to)) if input == to && to.is_file() => Err(Failure::usage(format_args!(
            "{}: is the input; name another file",
            output.display()
        ))),
        // What cannot be found is not the input, or is reported when it is opened.
        _ => Ok(()),
    }
}

/// A destination. Its errors name it.
pub(crate) struct Output {
    name: String,
    to: BufWriter<Destination>,
}

enum Destination {
    Stdout(StdoutLock<'static>),
    /// A device, pipe or socket: there is nothing to rename.
    Special(File),
    /// Removed when dropped before [`Output::finish`].
    File {
        temporary: NamedTempFile,
        path: PathBuf,
    },
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(to) => to.write(bytes),
            Self::Special(to) => to.write(bytes),
            Self::File { temporary, .. } => temporary.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(to) => to.flush(),
            Self::Special(to) => to.flush(),
            Self::File { temporary, .. } => temporary.flush(),
        }
    }
}

impl Output {
    /// Standard output.
    pub(crate) fn stdout() -> Self {
        Self::of(
            "standard output".to_owned(),
            Destination::Stdout(io::stdout().lock()),
        )
    }

    /// The file at `path`, or standard output for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::stdout());
        }
        let name = path.display().to_string();
        let fail = |error: io::Error| Failure::io(&name, &error);
        let existing = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(Failure::new(format_args!("{name}: is a directory")));
            }
            Ok(metadata) if !metadata.is_file() => {
                let file = File::options().write(true).open(path).map_err(fail)?;
                return Ok(Self::of(name, Destination::Special(file)));
            }
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(fail(error)),
        };
        // Through a link to the file itself, so that the link stays one.
        let path = match existing {
            Some(_) => fs::canonicalize(path).map_err(fail)?,
            None => path.to_owned(),
        };
        let temporary = builder(existing.map(|metadata| metadata.permissions()))
            .tempfile_in(folder(&path))
            .map_err(fail)?;
        remove_if_interrupted(temporary.path());
        Ok(Self::of(name, Destination::File { temporary, path }))
    }

    fn of(name: String, to: Destination) -> Self {
        Self {
            name,
            to: BufWriter::with_capacity(BUFFER, to),
        }
    }

    /// A nameless file for data that must be complete before it can be written, on the same disk where
    /// there is one.
    pub(crate) fn spool(&self) -> Result<File, Failure> {
        match self.to.get_ref() {
            Destination::File { path, .. } => tempfile::tempfile_in(folder(path)),
            _ => tempfile::tempfile(),
        }
        .map_err(|error| Failure::io(format_args!("temporary file for {}", self.name), &error))
    }

    /// Writes what is buffered and gives the file its name.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush()?;
        let name = self.name;
        let destination = self
            .to
            .into_inner()
            .map_err(|error| Failure::io(&name, error.error()))?;
        if let Destination::File { temporary, path } = destination {
            temporary
                .persist(&path)
                .map_err(|error| Failure::io(&name, &error.error))?;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes).map_err(|error| named(&self.name, &error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush().map_err(|error| named(&self.name, &error))
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Temporary files are private unless told otherwise; this one becomes an ordinary file.
fn builder(permissions: Option<fs::Permissions>) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tahq-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = permissions.map_or(0o666, |permissions| permissions.mode() & 0o777);
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    drop(permissions);
    builder
}
