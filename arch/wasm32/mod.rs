//! Levels of WebAssembly.

pub(super) mod simd128;
