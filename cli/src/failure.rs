//! How the command fails: one line on standard error and an exit code.

use std::fmt;
use std::io;
use std::path::Path;

use tahq::{ConfigError, DecodeError, EncodeError};

/// Exit code for what goes wrong at run time.
const EXIT_FAILURE: u8 = 1;
/// Exit code for options that make no sense.
const EXIT_USAGE: u8 = 2;
/// Exit code of a command that was interrupted, as shells have it.
pub(crate) const EXIT_INTERRUPTED: i32 = 130;

/// Why the command stops.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
    /// Whether the message names where it happened, to which nothing is to be added.
    placed: bool,
}

impl Failure {
    /// A failure with one line to say.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            code: EXIT_FAILURE,
            placed: false,
        }
    }

    /// A failure of the options given, whose values clap cannot judge.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            code: EXIT_USAGE,
            placed: false,
        }
    }

    /// An I/O error of what `name` names.
    pub(crate) fn io(name: impl fmt::Display, error: &io::Error) -> Self {
        Self::from(named(name, error))
    }

    /// An I/O error of the file at `path`.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        Self::io(path.display(), error)
    }

    /// An error of [`Output`](crate::output::Output), whatever is read meanwhile.
    pub(crate) fn output(error: io::Error) -> Self {
        Self {
            placed: true,
            ..Self::from(error)
        }
    }

    /// The same with where it happened in front.
    pub(crate) fn context(self, place: impl fmt::Display) -> Self {
        if self.placed {
            return self;
        }
        Self {
            message: format!("{place}: {}", self.message),
            ..self
        }
    }

    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        self.code
    }

    /// What to say, on one line.
    pub(crate) fn line(&self) -> String {
        self.message.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The same error with a name in front.
pub(crate) fn named(name: impl fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: {}", describe(error)))
}

/// An I/O error without the operating system's number.
fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

impl From<io::Error> for Failure {
    /// For errors that say themselves where they come from, as those of [`Output`](crate::output::Output) and
    /// [`Input`](crate::input::Input) do.
    fn from(error: io::Error) -> Self {
        Self::new(describe(&error))
    }
}

impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        Self::new(error)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::new(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => Self::from(io::Error::from(kind)),
            None => Self::new(error),
        }
    }
}
