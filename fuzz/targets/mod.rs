//! What the fuzz targets do with an input. `tests/regressions.rs` includes this file as well and replays the inputs of
//! `fuzz/regressions`.

#![allow(dead_code)]

mod case;
pub(crate) mod decode_any;
pub(crate) mod decode_differential;
pub(crate) mod no_leak;
#[path = "../../tests/reference/mod.rs"]
mod reference;
pub(crate) mod round_trip;
pub(crate) mod stream_splits;
