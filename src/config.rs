//! What an encoder is asked to do: presets, knobs, and their validation.
//!
//! Nothing here reaches the wire but through the header's fields: a decoder never needs the
//! configuration that a frame was made with.

use crate::error::{ConfigError, EncodeError};
use crate::frame::{Encoding, ExponentMode, Header, SourceType};

/// Values in a tile (`G`): the unit of rotation and of quantisation parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TileSize {
    /// 32 channels.
    G32,
    /// 64 channels, the default.
    #[default]
    G64,
    /// 128 channels.
    G128,
}

impl TileSize {
    /// The number of values, 32, 64 or 128.
    #[must_use]
    pub const fn len(self) -> usize {
        1 << self.log2()
    }

    /// Never true; here because a `len` asks for it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }

    /// log2 of the number of values, as the header carries it.
    #[must_use]
    pub const fn log2(self) -> u8 {
        match self {
            Self::G32 => 5,
            Self::G64 => 6,
            Self::G128 => 7,
        }
    }
}

/// What gets the wide code width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Granularity {
    /// Whole rows (tokens), ranked within the frame: one frame is one sample.
    Row,
    /// Tiles, ranked within their row.
    Tile,
}

/// By what rows or tiles are ranked for the wide code width; the highest get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Rank {
    /// Shannon entropy of the magnitudes (TAH-Quant).
    Entropy,
    /// Largest range after the transform; for rows, of their widest tile.
    Range,
}

/// An exact fraction, so that counts are the same on every target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Share {
    /// Numerator.
    pub parts: u32,
    /// Denominator, above 0.
    pub of: u32,
}

impl Share {
    /// Four in five, the paper's.
    pub const FOUR_FIFTHS: Self = Self { parts: 4, of: 5 };

    /// The denominator, which a validated configuration never has as 0.
    const fn nonzero(self) -> u32 {
        if self.of == 0 { 1 } else { self.of }
    }

    /// `n * share` to the nearest integer, ties to even, in exact arithmetic.
    #[must_use]
    pub(crate) const fn nearest(self, n: u32) -> u32 {
        let (product, of) = (n as u64 * self.parts as u64, self.nonzero() as u64);
        let (quotient, twice) = (product / of, product % of * 2);
        let up = twice > of || (twice == of && quotient % 2 == 1);
        (quotient + up as u64) as u32
    }

    /// `n * share` rounded up, in exact arithmetic.
    #[must_use]
    pub(crate) const fn ceiling(self, n: u32) -> u32 {
        (n as u64 * self.parts as u64).div_ceil(self.nonzero() as u64) as u32
    }
}

/// How code widths are given out.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Allocation {
    /// No quantisation: the elements as they are, NaN and infinities included.
    Raw,
    /// Every tile has `hi` bits; `lo` is ignored.
    Uniform,
    /// A share of rows or tiles has `hi` bits, the others `lo`.
    Mixed {
        /// Rows or tiles.
        granularity: Granularity,
        /// The share that has `hi` bits.
        share: Share,
        /// By what they are ranked.
        rank: Rank,
    },
    /// Rows whose Euclidean norm is at most `below`, and rows that the caller's mask drops, vanish
    /// from the wire and decode to zeros; the others have `hi` bits. `lo` is ignored.
    Prune {
        /// The threshold; 0 drops all-zero rows only.
        below: f32,
    },
}

/// Which tiles are rotated by the Walsh-Hadamard transform.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Rotation {
    /// None.
    Never,
    /// Those whose largest magnitude is at least `tau` times the second largest (TAH-Quant). 0
    /// rotates every tile, infinity none.
    Ratio {
        /// The threshold; the paper's is 2.
        tau: f32,
    },
    /// Those whose range it narrows, as far as the effort finds out.
    Narrower,
}

/// Channel exponents: powers of two taken out of each channel before tiling, so that one loud channel
/// does not drown its tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Exponents {
    /// None.
    None,
    /// Estimated from the tensor and sent in the frame, for frames of at least `min_rows` rows.
    /// Shorter frames use the caller's table as an agreed one where there is one, else none.
    Estimated {
        /// The least number of rows that is worth 8 bits a channel.
        min_rows: u32,
        /// At most so many rows, evenly spaced, are looked at, by [`Effort::Fast`] no more than half of a frame's; 0
        /// means all, by every effort. A value near the end of f32's range in a row that is not looked at may not fit
        /// the exponents: [`EncodeError::ExponentOverflow`].
        sample: u32,
    },
    /// The caller's table, sent in the frame.
    InFrame,
    /// The caller's table, which the receiver has as well.
    Agreed,
}

/// How the unit and the zero point of a tile are fitted to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fit {
    /// The codes span the tile's range (TAH-Quant), as nearly as the wire's units allow. [`Effort::Best`]
    /// searches from there.
    Range,
    /// The least squared error that the effort finds.
    LeastError,
}

/// How a value between two codes is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Rounding {
    /// To the nearest code, ties to even.
    Nearest,
    /// Up or down with the probabilities that keep the expectation: unbiased. Counter-based, keyed by
    /// (seed, row, channel), the same bits on every target. Use another seed for each frame.
    Stochastic {
        /// The key.
        seed: u64,
    },
}

/// Time spent for quality. The wire and the decoder are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Effort {
    /// Rotation about the largest magnitude; unit and zero point by rule; exponents from half of the rows at the
    /// most, unless told to look at all.
    Fast,
    /// Rotation about the pivot of the narrowest range; the zero point that suits what rounding leaves.
    #[default]
    Balanced,
    /// Both transforms and several pivots tried, units and zero points searched, decided by true squared
    /// error. Many times slower.
    Best,
}

/// Everything an encoder is asked to do. Start from a preset and change what you need:
///
/// ```
/// use tahq::{Config, Effort};
///
/// let config = Config { effort: Effort::Best, ..Config::INT4 };
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// Tile size G.
    pub tile: TileSize,
    /// The wide code width in bits, 1..=8.
    pub hi: u8,
    /// The narrow code width in bits, 0..=`hi`.
    pub lo: u8,
    /// Who gets which width.
    pub allocation: Allocation,
    /// Which tiles are rotated.
    pub rotation: Rotation,
    /// Channel exponents.
    pub exponents: Exponents,
    /// How units and zero points are fitted.
    pub fit: Fit,
    /// Rounding.
    pub rounding: Rounding,
    /// Time spent for quality.
    pub effort: Effort,
}

impl Default for Config {
    fn default() -> Self {
        Self::INT4
    }
}

impl Config {
    /// 4 bits, uniform, channel exponents: the default. About 4.6 bits an element all told.
    pub const INT4: Self = Self {
        tile: TileSize::G64,
        hi: 4,
        lo: 4,
        allocation: Allocation::Uniform,
        rotation: Rotation::Narrower,
        exponents: Exponents::Estimated {
            min_rows: 32,
            sample: 64,
        },
        fit: Fit::LeastError,
        rounding: Rounding::Nearest,
        effort: Effort::Balanced,
    };

    /// Four tiles in five at 4 bits, the others at 3: the paper's rate.
    pub const MIXED: Self = Self {
        lo: 3,
        allocation: Allocation::Mixed {
            granularity: Granularity::Tile,
            share: Share::FOUR_FIFTHS,
            rank: Rank::Range,
        },
        ..Self::INT4
    };

    /// 3 bits, uniform.
    pub const INT3: Self = Self {
        hi: 3,
        lo: 3,
        ..Self::INT4
    };

    /// 6 bits; all-zero rows vanish. For activation gradients.
    pub const GRADIENT: Self = Self {
        hi: 6,
        lo: 0,
        allocation: Allocation::Prune { below: 0.0 },
        ..Self::INT4
    };

    /// 8 bits, near lossless.
    pub const INT8: Self = Self {
        hi: 8,
        lo: 8,
        ..Self::INT4
    };

    /// The elements as they are: lossless, NaN and infinities included.
    pub const RAW: Self = Self {
        allocation: Allocation::Raw,
        ..Self::INT4
    };

    /// TAH-Quant (arXiv 2506.01352 v2), tile level: tiles ranked by entropy within their row, 80 %
    /// INT4 and 20 % INT3, rotated where the largest magnitude is twice the second.
    pub const TAH_QUANT: Self = Self {
        tile: TileSize::G64,
        hi: 4,
        lo: 3,
        allocation: Allocation::Mixed {
            granularity: Granularity::Tile,
            share: Share::FOUR_FIFTHS,
            rank: Rank::Entropy,
        },
        rotation: Rotation::Ratio { tau: 2.0 },
        exponents: Exponents::None,
        fit: Fit::Range,
        rounding: Rounding::Nearest,
        effort: Effort::Balanced,
    };

    /// TAH-Quant (arXiv 2506.01352 v1 and its reference code), token level: the fifth of a frame's rows
    /// with the lowest entropy get INT3. One frame is one sample.
    pub const TAH_QUANT_TOKEN: Self = Self {
        allocation: Allocation::Mixed {
            granularity: Granularity::Row,
            share: Share::FOUR_FIFTHS,
            rank: Rank::Entropy,
        },
        ..Self::TAH_QUANT
    };

    /// Checks every knob.
    ///
    /// # Errors
    ///
    /// Names the first setting that is out of rule.
    pub const fn validate(&self) -> Result<(), ConfigError> {
        let ranked_rows = matches!(
            self.allocation,
            Allocation::Mixed {
                granularity: Granularity::Row,
                ..
            }
        );
        if self.hi == 0 || self.hi > 8 || self.lo > self.hi || (ranked_rows && self.lo == 0) {
            return Err(ConfigError::Widths {
                hi: self.hi,
                lo: self.lo,
            });
        }
        if let Allocation::Mixed { share, .. } = self.allocation
            && (share.of == 0 || share.parts > share.of)
        {
            return Err(ConfigError::Share {
                parts: share.parts,
                of: share.of,
            });
        }
        if let Allocation::Prune { below } = self.allocation
            && (below.is_nan() || below < 0.0 || below == f32::INFINITY)
        {
            return Err(ConfigError::Prune);
        }
        if let Rotation::Ratio { tau } = self.rotation
            && (tau.is_nan() || tau < 0.0)
        {
            return Err(ConfigError::Tau);
        }
        Ok(())
    }

    /// The header of a frame of this shape; `table` tells whether the caller has a table of channel
    /// exponents. Where rows are pruned, the quota is the most it can be.
    pub(crate) const fn header(&self, rows: u32, width: u32, source: SourceType, table: bool) -> Header {
        let empty = rows == 0 || width == 0;
        let tiles = width.div_ceil(self.tile.len() as u32);
        let (encoding, lo, quota) = match self.allocation {
            Allocation::Raw => {
                return Header::raw(rows, width, source);
            }
            Allocation::Uniform => (Encoding::Uniform, self.hi, 0),
            Allocation::Mixed {
                granularity: Granularity::Tile,
                share,
                ..
            } => (Encoding::TileMixed, self.lo, share.nearest(tiles)),
            Allocation::Mixed {
                granularity: Granularity::Row,
                share,
                ..
            } => (Encoding::RowMixed, self.lo, share.ceiling(rows)),
            Allocation::Prune { .. } => (Encoding::RowMixed, 0, rows),
        };
        let exponents = match self.exponents {
            Exponents::None => ExponentMode::None,
            Exponents::InFrame => ExponentMode::InFrame,
            Exponents::Agreed => ExponentMode::Agreed,
            Exponents::Estimated { min_rows, .. } => {
                if rows >= min_rows {
                    ExponentMode::InFrame
                } else if table {
                    ExponentMode::Agreed
                } else {
                    ExponentMode::None
                }
            }
        };
        Header {
            encoding,
            log2_tile: self.tile.log2(),
            hi: self.hi,
            lo,
            source,
            exponents,
            table_check: 0,
            rows,
            width,
            quota: if empty { 0 } else { quota },
        }
    }

    /// Bytes of buffer that [`Header::stream_capacity`] asks for, at the most, of a stream of frames of `rows x
    /// width` elements made with this configuration, and of those with fewer rows.
    ///
    /// # Errors
    ///
    /// As [`Config::max_frame_len`].
    pub const fn stream_capacity(
        &self,
        rows: u32,
        width: u32,
        source: SourceType,
    ) -> Result<usize, EncodeError> {
        match self.header(rows, width, source, false).stream_capacity() {
            Ok(len) => Ok(len),
            Err(_) => Err(EncodeError::FrameTooLarge),
        }
    }

    /// Bytes of the longest frame of `rows x width` elements that this configuration can give; exact,
    /// unless rows are pruned ([`Allocation::Prune`]). A table of channel exponents given to the encoder
    /// never makes it longer.
    ///
    /// # Errors
    ///
    /// [`EncodeError::FrameTooLarge`] where the body would reach 2^32 bytes or the frame does not fit
    /// this target's `usize`.
    pub const fn max_frame_len(
        &self,
        rows: u32,
        width: u32,
        source: SourceType,
    ) -> Result<usize, EncodeError> {
        match self.header(rows, width, source, false).frame_len() {
            Ok(len) => Ok(len),
            Err(_) => Err(EncodeError::FrameTooLarge),
        }
    }
}
