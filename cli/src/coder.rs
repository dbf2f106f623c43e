//! Encoding one frame after another, with an account of all of them.

use std::fmt;

use tahq::{Config, Element, EncodeError, EncodeStats, Encoder, Level};

use crate::failure::Failure;
use crate::presets::{self, Effort, Preset};
use crate::tensor::Piece;

/// The options that say how to encode.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What to encode with
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) preset: Preset,
    /// Time spent for quality
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) effort: Effort,
    /// Instruction-set level to run at, the fastest unless told; the result is the same
    #[arg(long, value_name = "NAME", value_parser = crate::level::parse)]
    pub(crate) level: Option<Level>,
}

impl Options {
    /// The encoder asked for.
    pub(crate) fn encoder<'t>(&self) -> Result<Encoder<'t>, Failure> {
        let encoder = Encoder::new(presets::config(self.preset, self.effort))?;
        Ok(encoder.with_level(self.level.unwrap_or_default()))
    }
}

/// Encodes frames into a buffer of its own.
pub(crate) struct Coder<'t> {
    encoder: Encoder<'t>,
    /// What frames with NaN or infinities become, if not an error.
    fallback: Option<Encoder<'t>>,
    measure: bool,
    buffer: Vec<u8>,
    stats: EncodeStats,
    frames: u64,
    raw_frames: u64,
}

impl<'t> Coder<'t> {
    /// A coder that keeps sizes.
    pub(crate) const fn new(encoder: Encoder<'t>) -> Self {
        Self {
            encoder,
            fallback: None,
            measure: false,
            buffer: Vec::new(),
            stats: EncodeStats {
                bytes: 0,
                elements: 0,
                tiles: 0,
                rotated: 0,
                high: 0,
                pruned: 0,
                clipped: 0,
                squared_error: 0.0,
                energy: 0.0,
                relative_error: 0.0,
                rows: 0,
            },
            frames: 0,
            raw_frames: 0,
        }
    }

    /// The same, keeping errors as well, which takes a decoding.
    pub(crate) fn measuring(self, measure: bool) -> Self {
        Self { measure, ..self }
    }

    /// The same with raw frames where there are NaN or infinities.
    pub(crate) fn raw_non_finite(self, raw: bool) -> Result<Self, Failure> {
        let fallback = if raw {
            Some(Encoder::new(Config::RAW)?)
        } else {
            None
        };
        Ok(Self { fallback, ..self })
    }

    /// Encodes one frame.
    pub(crate) fn encode<E: Element>(
        &mut self,
        x: &[E],
        rows: u32,
        width: u32,
    ) -> Result<&[u8], EncodeError> {
        let stats = match (self.encode_with(self.encoder, x, rows, width), self.fallback) {
            (Err(EncodeError::NonFinite { .. }), Some(raw)) => {
                let stats = self.encode_with(raw, x, rows, width)?;
                self.raw_frames += 1;
                // Nothing is lost, and no error can be measured against an infinity.
                EncodeStats {
                    bytes: stats.bytes,
                    elements: stats.elements,
                    ..EncodeStats::default()
                }
            }
            (stats, _) => stats?,
        };
        self.stats.merge(&stats);
        self.frames += 1;
        Ok(&self.buffer[..stats.bytes])
    }

    fn encode_with<E: Element>(
        &mut self,
        encoder: Encoder<'t>,
        x: &[E],
        rows: u32,
        width: u32,
    ) -> Result<EncodeStats, EncodeError> {
        let len = encoder.config().max_frame_len(rows, width, E::SOURCE)?;
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        if self.measure {
            return encoder.encode_with_stats(x, rows, width, &mut self.buffer);
        }
        Ok(EncodeStats {
            bytes: encoder.encode(x, rows, width, &mut self.buffer)?,
            elements: x.len() as u64,
            ..EncodeStats::default()
        })
    }

    /// The account of all frames.
    pub(crate) const fn stats(&self) -> &EncodeStats {
        &self.stats
    }

    /// Frames encoded.
    pub(crate) const fn frames(&self) -> u64 {
        self.frames
    }

    /// Frames that had to stay raw.
    pub(crate) const fn raw_frames(&self) -> u64 {
        self.raw_frames
    }
}

/// Says which element of the whole tensor an encoder stumbled over.
pub(crate) fn locate(error: EncodeError, piece: &Piece, hint: &str) -> Failure {
    match error {
        EncodeError::NonFinite { row, channel } => Failure::new(format_args!(
            "{}: NaN or infinity cannot be coded{hint}",
            Spot {
                sample: piece.sample,
                row: piece.row + u64::from(row),
                channel: piece.channel + u64::from(channel)
            }
        )),
        error => Failure::new(format_args!(
            "sample {}, from row {}: {error}",
            piece.sample, piece.row
        )),
    }
}

struct Spot {
    sample: u64,
    row: u64,
    channel: u64,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sample {}, row {}, channel {}",
            self.sample, self.row, self.channel
        )
    }
}
