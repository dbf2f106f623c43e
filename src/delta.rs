//! Delta coding between visits of the same example, as AQ-SGD (arXiv 2206.01299) does: the difference from
//! what the receiver last reconstructed goes over the wire, and both ends add what was decoded to their
//! copy of that reference.
//!
//! The reference buffers are the caller's, one for each example, zeros before its first visit; the codec
//! itself keeps nothing. Both ends call [`apply`] with the same frame and hold the same bits after it.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! use tahq::{Config, Decoder, Encoder, delta};
//!
//! let encoder = Encoder::new(Config::INT4)?;
//! let decoder = Decoder::new();
//! let (mut ours, mut theirs, mut scratch) = ([0.0f32; 64], [0.0f32; 64], [0.0f32; 64]);
//! let mut frame = [0; 256];
//! let x: [f32; 64] = core::array::from_fn(|i| (i as f32).sin());
//! for _ in 0..4 {
//!     let len = delta::encode(&encoder, &x, &ours, 1, 64, &mut scratch, &mut frame)?;
//!     delta::apply(&decoder, &frame[..len], &mut ours, &mut scratch)?;
//!     // The other end, after the frame has arrived.
//!     delta::apply(&decoder, &frame[..len], &mut theirs, &mut scratch)?;
//! }
//! assert_eq!(ours, theirs);
//! assert!(x.iter().zip(theirs).all(|(x, y)| (x - y).abs() < 1e-3));
//! # Ok(())
//! # }
//! ```

use crate::decode::Decoder;
use crate::element::Element;
use crate::encode::Encoder;
use crate::error::{DecodeError, EncodeError};
use crate::frame::Header;

/// Encodes `x - reference`, `rows x width` elements, as one frame at the start of `out`; returns its
/// length. `reference` and `scratch` have as many elements as `x`; `scratch` holds the difference
/// afterwards. Call [`apply`] with the frame to bring `reference` up to date.
///
/// # Errors
///
/// As [`Encoder::encode`]; a difference that overflows is a value that is not finite.
pub fn encode<E: Element>(
    encoder: &Encoder<'_>,
    x: &[E],
    reference: &[f32],
    rows: u32,
    width: u32,
    scratch: &mut [f32],
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    for available in [reference.len(), scratch.len()] {
        if available != x.len() {
            return Err(EncodeError::InputLength {
                needed: x.len() as u64,
                available,
            });
        }
    }
    for ((delta, x), reference) in scratch.iter_mut().zip(x).zip(reference) {
        *delta = x.to_f32() - reference;
    }
    encoder.encode(scratch, rows, width, out)
}

/// Decodes a frame of differences into `scratch` and adds them to `reference`, both `rows x width`
/// elements. A difference that decodes to an infinity, which no frame of [`encode`] does, makes its element
/// of `reference` infinite.
///
/// # Errors
///
/// As [`Decoder::decode`]; `reference` is unchanged then.
pub fn apply(
    decoder: &Decoder<'_>,
    frame: &[u8],
    reference: &mut [f32],
    scratch: &mut [f32],
) -> Result<Header, DecodeError> {
    if reference.len() != scratch.len() {
        return Err(DecodeError::OutputLength {
            needed: scratch.len() as u64,
            available: reference.len(),
        });
    }
    let header = decoder.decode(frame, scratch)?;
    for (reference, delta) in reference.iter_mut().zip(scratch) {
        *reference += *delta;
    }
    Ok(header)
}
