//! Levels of AArch64.

pub(super) mod crc32;
pub(super) mod neon;
