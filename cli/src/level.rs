//! The `--level` option: an instruction-set level by name.

use tahq::Level;

/// Reads a level's name; for clap's `value_parser`.
pub(crate) fn parse(name: &str) -> Result<Level, String> {
    Level::named(name).ok_or_else(|| format!("this machine has {}", names().join(", ")))
}

/// Names of the levels that this machine has, the fastest last.
pub(crate) fn names() -> Vec<&'static str> {
    Level::available().map(|level| level.name()).collect()
}
