//! Levels of x86-64.

pub(super) mod avx2;
#[allow(clippy::duplicate_mod)]
pub(super) mod avx512;
pub(super) mod crc32;
mod machine;
#[cfg(test)]
pub(super) mod model;
