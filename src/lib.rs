//! TAHQ is a codec for the activations and activation gradients that the stages of a pipeline-parallel
//! transformer send each other over slow networks: about 4.6 bits an element, decoded to the same bits on
//! every machine.
//!
//! `no_std`, allocation-free, on buffers that the caller owns; it panics on no input. A tensor is `rows x
//! width`, row-major: a row is a token, its `width` values are channels.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! use tahq::{Config, Decoder, Encoder, SourceType};
//!
//! let (rows, width) = (128, 576);
//! let x: Vec<f32> = (0..rows * width).map(|i| (i as f32 * 0.37).sin()).collect();
//!
//! let mut frame = vec![0; Config::INT4.max_frame_len(rows, width, SourceType::F32)?];
//! let len = Encoder::new(Config::INT4)?.encode(&x, rows, width, &mut frame)?;
//!
//! let mut y = vec![0.0f32; x.len()];
//! Decoder::new().decode(&frame[..len], &mut y)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! - [`Config`]: presets and knobs of an encoder. [`Config::INT4`] is the default, [`Config::TAH_QUANT`] is
//!   TAH-Quant (arXiv 2506.01352) on the same wire.
//! - [`Encoder`]: whole frames ([`Encoder::encode`]), bodies alone ([`Encoder::encode_body`]), or row ranges in
//!   any order and by any threads ([`Encoder::plan`]).
//! - [`Decoder`]: the same backwards ([`Decoder::decode`], [`Decoder::decode_body`],
//!   [`Decoder::decode_rows`]).
//! - [`Frame`], [`Header`], [`Row`]: the bytes, as checked views and plain values.
//! - [`delta`]: differences from the last visit of an example, as AQ-SGD sends them.
//! - [`estimate_exponents`]: a table of channel exponents for both ends of a connection.
//! - [`StreamDecoder`], [`StreamEncoder`]: a row at a time, over links that deliver pieces.
//! - [`ConfigError`], [`EncodeError`], [`DecodeError`], [`StreamError`]: everything that can go wrong.
//!
//! `SPEC.md` is the wire format. It governs the bytes and the decoder; how an encoder chooses among valid
//! encodings is not part of it and keeps improving.
//!
//! # Guarantees
//!
//! - Decoding gives the same bits on every target and at every [`Level`]; so does encoding, in debug and
//!   release.
//! - Every input gives a result or an error: no panic, no allocation, no recursion, no unbounded work. After
//!   a decoding error the output buffer holds zeros.
//! - What an encoder writes decodes to finite values, in f32 and in the source type.
//!
//! # Features
//!
//! - `std`: run-time detection in dependencies, of half-precision conversions. It changes no result.
//! - `rayon` (with `std`): whole frames over the threads of a rayon pool, `Encoder::encode_parallel` and
//!   `Decoder::decode_parallel`, with the same results. Without it, threads of the caller's own can share the
//!   rows: `examples/threads.rs` does.
//! - `defmt`: `defmt::Format` on every public type. Views and codecs are logged by what they are about, not by the
//!   bytes and tables that they borrow.
#![no_std]

#[cfg(test)]
extern crate std;

#[path = "../arch/mod.rs"]
mod arch;

mod allocate;
mod checksum;
mod config;
mod decode;
pub mod delta;
mod element;
mod encode;
mod error;
mod exponents;
#[cfg(feature = "defmt")]
mod format;
mod frame;
mod pack;
#[cfg(feature = "rayon")]
mod parallel;
mod part;
mod quantise;
mod rotate;
mod stream;
mod tile;

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

pub use arch::Level;
pub use config::{
    Allocation, Config, Effort, Exponents, Fit, Granularity, Rank, Rotation, Rounding, Share, TileSize,
};
pub use decode::Decoder;
pub use element::Element;
pub use encode::{EncodeStats, Encoder, Plan};
pub use error::{ConfigError, DecodeError, EncodeError, StreamError, StreamFault, WholeTensor};
pub use exponents::estimate_exponents;
pub use frame::{
    CHECKSUM_LEN, Descriptor, Encoding, ExponentMode, Frame, HEADER_LEN, Header, Row, SourceType, frame_len,
    table_check,
};
pub use half::{bf16, f16};
pub use stream::{Event, StreamDecoder, StreamEncoder};
