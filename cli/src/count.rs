//! Numbers of something, of which there is one at the least.

use std::num::NonZeroU32;

/// Reads one; the error says what it may be.
pub(crate) fn parse(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .map_err(|_| format!("must be a whole number from 1 to {}", u32::MAX))
}
