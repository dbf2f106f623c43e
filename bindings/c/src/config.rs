//! Configurations as plain numbers.

use core::ffi::CStr;

use ::tahq::{
    Allocation as A, Decoder, Effort as E, Encoder, Exponents as X, Fit as F, Granularity as G, Level,
    Rank as R, Rotation as W, Rounding as Q, Share, SourceType, TileSize,
};

use crate::memory::{self, Span};
use crate::status::{Fault, Status};

/// The type of an element. The same numbers as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Element {
    /// IEEE 754 binary32, `float`.
    F32 = 1,
    /// IEEE 754 binary16.
    F16 = 2,
    /// bfloat16, the upper half of a binary32.
    Bf16 = 3,
}

/// An instruction-set level. Every level gives the same bytes and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum LevelCode {
    /// The fastest that the machine has.
    Auto = 0,
    /// Portable code, always there.
    Scalar = 1,
    /// x86-64 with AVX2 and FMA.
    Avx2 = 2,
    /// x86-64 with AVX-512 F, BW, VL, VBMI and VNNI, and GFNI.
    Avx512 = 3,
    /// AArch64 with NEON.
    Neon = 4,
    /// WebAssembly with simd128.
    Simd128 = 5,
}

pub(crate) const LEVELS: [(u32, &CStr); 6] = [
    (LevelCode::Auto as u32, c"auto"),
    (LevelCode::Scalar as u32, c"scalar"),
    (LevelCode::Avx2 as u32, c"avx2"),
    (LevelCode::Avx512 as u32, c"avx512"),
    (LevelCode::Neon as u32, c"neon"),
    (LevelCode::Simd128 as u32, c"simd128"),
];

/// What a configuration starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Preset {
    /// 4 bits, channel exponents: the default.
    Int4 = 0,
    /// 4 bits for four tiles in five, 3 for the others, by range.
    Mixed = 1,
    /// 3 bits.
    Int3 = 2,
    /// 6 bits, all-zero rows vanish: for gradients.
    Gradient = 3,
    /// 8 bits, near lossless.
    Int8 = 4,
    /// The elements as they are, NaN and infinities included.
    Raw = 5,
    /// TAH-Quant (arXiv 2506.01352 v2), tile level.
    TahQuant = 6,
    /// TAH-Quant (arXiv 2506.01352 v1 and its reference code), token level. One frame is one sample.
    TahQuantToken = 7,
}

/// How code widths are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Allocation {
    /// No quantisation: the elements as they are.
    Raw = 0,
    /// Every tile has `hi` bits; `lo` is ignored.
    Uniform = 1,
    /// A share (`share_parts / share_of`) of rows or tiles (`granularity`) has `hi` bits, the others `lo`; `rank` says
    /// which.
    Mixed = 2,
    /// Rows whose Euclidean norm is at most `prune_below`, and rows that the mask `keep` drops, vanish from the wire
    /// and decode to zeros; the others have `hi` bits. `lo` is ignored.
    Prune = 3,
}

/// What gets the wide code width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Granularity {
    /// Whole rows (tokens), ranked within the frame.
    Row = 0,
    /// Tiles, ranked within their row.
    Tile = 1,
}

/// By what rows or tiles are ranked; the highest get the wide code width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Rank {
    /// Shannon entropy of the magnitudes (TAH-Quant).
    Entropy = 0,
    /// Largest range after the transform.
    Range = 1,
}

/// Which tiles are rotated by the Walsh-Hadamard transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Rotation {
    /// None.
    Never = 0,
    /// Those whose largest magnitude is at least `tau` times the second largest (TAH-Quant).
    Ratio = 1,
    /// Those whose range it narrows, as far as the effort finds out.
    Narrower = 2,
}

/// Channel exponents: powers of two taken out of each channel before tiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Exponents {
    /// None.
    None = 0,
    /// Estimated and sent in the frame, for frames of at least `exponents_min_rows` rows, from at most
    /// `exponents_sample` of them (0: all). Shorter frames use `table` as an agreed one where it is given, else none.
    Estimated = 1,
    /// `table`, sent in the frame.
    InFrame = 2,
    /// `table`, which the receiver has as well.
    Agreed = 3,
}

/// How the unit and the zero point of a tile are fitted to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Fit {
    /// The codes span the tile's range (TAH-Quant).
    Range = 0,
    /// The least squared error that the effort finds.
    LeastError = 1,
}

/// How a value between two codes is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Rounding {
    /// To the nearest code, ties to even.
    Nearest = 0,
    /// Up or down with the probabilities that keep the expectation, keyed by `seed`, row and channel. Use another seed
    /// for each frame.
    Stochastic = 1,
}

/// Time spent for quality. The wire and the decoder are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Effort {
    /// By rule.
    Fast = 0,
    /// A little search.
    Balanced = 1,
    /// Much search, many times slower.
    Best = 2,
}

/// Everything that an encoder is asked to do. Fill it with `tahq_config_init`, then change what you need. Fields that
/// the chosen allocation, rotation, exponents or rounding does not name are ignored.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Config {
    /// `sizeof(tahq_config)`, as `tahq_config_init` sets it.
    pub struct_size: u32,
    /// A tahq_level.
    pub level: u32,
    /// Channels of a tile: 32, 64 or 128.
    pub tile_size: u32,
    /// The wide code width in bits, 1 to 8.
    pub hi: u32,
    /// The narrow code width in bits, 0 to `hi`.
    pub lo: u32,
    /// A tahq_allocation.
    pub allocation: u32,
    /// A tahq_granularity, for TAHQ_ALLOCATION_MIXED.
    pub granularity: u32,
    /// A tahq_rank, for TAHQ_ALLOCATION_MIXED.
    pub rank: u32,
    /// Numerator of the share of wide rows or tiles, for TAHQ_ALLOCATION_MIXED.
    pub share_parts: u32,
    /// Its denominator, above 0.
    pub share_of: u32,
    /// The norm up to which rows vanish, for TAHQ_ALLOCATION_PRUNE; 0 drops all-zero rows only.
    pub prune_below: f32,
    /// A tahq_rotation.
    pub rotation: u32,
    /// The threshold of TAHQ_ROTATION_RATIO, at least 0; infinity rotates nothing.
    pub tau: f32,
    /// A tahq_exponents.
    pub exponents: u32,
    /// The least rows that are worth a table in the frame, for TAHQ_EXPONENTS_ESTIMATED.
    pub exponents_min_rows: u32,
    /// The most rows to look at, for TAHQ_EXPONENTS_ESTIMATED; 0 means all.
    pub exponents_sample: u32,
    /// A tahq_fit.
    pub fit: u32,
    /// A tahq_rounding.
    pub rounding: u32,
    /// A tahq_effort.
    pub effort: u32,
    /// 0.
    pub reserved: u32,
    /// The key of TAHQ_ROUNDING_STOCHASTIC.
    pub seed: u64,
    /// The caller's table of channel exponents, one a channel, or null.
    pub table: *const i8,
    /// Its entries.
    pub table_len: usize,
    /// The rows to keep, 1 or 0 each, for TAHQ_ALLOCATION_PRUNE, or null for all.
    pub keep: *const u8,
    /// Its entries.
    pub keep_len: usize,
}

/// What a decoder may be told. Null in its place means: the fastest level, no agreed table.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DecodeOptions {
    /// `sizeof(tahq_decode_options)`, set by the caller.
    pub struct_size: u32,
    /// A tahq_level.
    pub level: u32,
    /// The agreed table of channel exponents, one a channel, or null. Frames that use none ignore it.
    pub table: *const i8,
    /// Its entries.
    pub table_len: usize,
}

const fn unknown(name: &'static CStr) -> Fault {
    Fault::Argument(Status::UnknownValue, name)
}

pub(crate) const fn element(value: u32) -> Result<SourceType, Fault> {
    match value {
        1 => Ok(SourceType::F32),
        2 => Ok(SourceType::F16),
        3 => Ok(SourceType::Bf16),
        _ => Err(unknown(c"element")),
    }
}

pub(crate) fn level(value: u32) -> Result<Level, Fault> {
    if value == LevelCode::Auto as u32 {
        return Ok(Level::detect());
    }
    let known = LEVELS.iter().find(|(code, _)| *code == value);
    let (_, name) = known.ok_or(unknown(c"level"))?;
    name.to_str()
        .ok()
        .and_then(Level::named)
        .ok_or(Fault::Argument(Status::LevelUnavailable, c"level"))
}

pub(crate) fn preset(value: u32) -> Result<::tahq::Config, Fault> {
    use ::tahq::Config as C;
    [
        C::INT4,
        C::MIXED,
        C::INT3,
        C::GRADIENT,
        C::INT8,
        C::RAW,
        C::TAH_QUANT,
        C::TAH_QUANT_TOKEN,
    ]
    .get(value as usize)
    .copied()
    .ok_or(unknown(c"preset"))
}

impl Config {
    pub(crate) const fn of(config: &::tahq::Config) -> Self {
        let mut c = Self {
            struct_size: size_of::<Self>() as u32,
            level: LevelCode::Auto as u32,
            tile_size: config.tile.len() as u32,
            hi: config.hi as u32,
            lo: config.lo as u32,
            allocation: Allocation::Raw as u32,
            granularity: Granularity::Tile as u32,
            rank: Rank::Range as u32,
            share_parts: Share::FOUR_FIFTHS.parts,
            share_of: Share::FOUR_FIFTHS.of,
            prune_below: 0.0,
            rotation: Rotation::Never as u32,
            tau: 2.0,
            exponents: Exponents::None as u32,
            exponents_min_rows: 32,
            exponents_sample: 64,
            fit: match config.fit {
                F::Range => Fit::Range as u32,
                F::LeastError => Fit::LeastError as u32,
            },
            rounding: Rounding::Nearest as u32,
            effort: match config.effort {
                E::Fast => Effort::Fast as u32,
                E::Balanced => Effort::Balanced as u32,
                E::Best => Effort::Best as u32,
            },
            reserved: 0,
            seed: 0,
            table: core::ptr::null(),
            table_len: 0,
            keep: core::ptr::null(),
            keep_len: 0,
        };
        match config.allocation {
            A::Raw => {}
            A::Uniform => c.allocation = Allocation::Uniform as u32,
            A::Mixed {
                granularity,
                share,
                rank,
            } => {
                c.allocation = Allocation::Mixed as u32;
                c.granularity = match granularity {
                    G::Row => Granularity::Row as u32,
                    G::Tile => Granularity::Tile as u32,
                };
                c.rank = match rank {
                    R::Entropy => Rank::Entropy as u32,
                    R::Range => Rank::Range as u32,
                };
                c.share_parts = share.parts;
                c.share_of = share.of;
            }
            A::Prune { below } => {
                c.allocation = Allocation::Prune as u32;
                c.prune_below = below;
            }
        }
        match config.rotation {
            W::Never => {}
            W::Ratio { tau } => {
                c.rotation = Rotation::Ratio as u32;
                c.tau = tau;
            }
            W::Narrower => c.rotation = Rotation::Narrower as u32,
        }
        match config.exponents {
            X::None => {}
            X::Estimated { min_rows, sample } => {
                c.exponents = Exponents::Estimated as u32;
                c.exponents_min_rows = min_rows;
                c.exponents_sample = sample;
            }
            X::InFrame => c.exponents = Exponents::InFrame as u32,
            X::Agreed => c.exponents = Exponents::Agreed as u32,
        }
        if let Q::Stochastic { seed } = config.rounding {
            c.rounding = Rounding::Stochastic as u32;
            c.seed = seed;
        }
        c
    }

    /// The library's own, checked.
    pub(crate) fn checked(&self) -> Result<::tahq::Config, Fault> {
        if self.reserved != 0 {
            return Err(unknown(c"reserved"));
        }
        let config = ::tahq::Config {
            tile: match self.tile_size {
                32 => TileSize::G32,
                64 => TileSize::G64,
                128 => TileSize::G128,
                _ => return Err(unknown(c"tile_size")),
            },
            // What does not fit is out of rule all the same.
            hi: u8::try_from(self.hi).unwrap_or(u8::MAX),
            lo: u8::try_from(self.lo).unwrap_or(u8::MAX),
            allocation: match self.allocation {
                0 => A::Raw,
                1 => A::Uniform,
                2 => A::Mixed {
                    granularity: match self.granularity {
                        0 => G::Row,
                        1 => G::Tile,
                        _ => return Err(unknown(c"granularity")),
                    },
                    share: Share {
                        parts: self.share_parts,
                        of: self.share_of,
                    },
                    rank: match self.rank {
                        0 => R::Entropy,
                        1 => R::Range,
                        _ => return Err(unknown(c"rank")),
                    },
                },
                3 => A::Prune {
                    below: self.prune_below,
                },
                _ => return Err(unknown(c"allocation")),
            },
            rotation: match self.rotation {
                0 => W::Never,
                1 => W::Ratio { tau: self.tau },
                2 => W::Narrower,
                _ => return Err(unknown(c"rotation")),
            },
            exponents: match self.exponents {
                0 => X::None,
                1 => X::Estimated {
                    min_rows: self.exponents_min_rows,
                    sample: self.exponents_sample,
                },
                2 => X::InFrame,
                3 => X::Agreed,
                _ => return Err(unknown(c"exponents")),
            },
            fit: match self.fit {
                0 => F::Range,
                1 => F::LeastError,
                _ => return Err(unknown(c"fit")),
            },
            rounding: match self.rounding {
                0 => Q::Nearest,
                1 => Q::Stochastic { seed: self.seed },
                _ => return Err(unknown(c"rounding")),
            },
            effort: match self.effort {
                0 => E::Fast,
                1 => E::Balanced,
                2 => E::Best,
                _ => return Err(unknown(c"effort")),
            },
        };
        config.validate()?;
        Ok(config)
    }
}

impl Config {
    /// What it points to.
    pub(crate) fn spans(&self) -> [Span; 2] {
        [
            Span::read(self.table, self.table_len, 1, c"table"),
            Span::read(self.keep, self.keep_len, 1, c"keep"),
        ]
    }

    /// # Safety
    ///
    /// [`Config::spans`] were checked; what they say is there is the caller's, and not written to during the call.
    pub(crate) unsafe fn encoder<'a>(&self) -> Result<Encoder<'a>, Fault> {
        let mut encoder = Encoder::new(self.checked()?)?.with_level(level(self.level)?);
        if !self.table.is_null() {
            // SAFETY: checked, by the contract above.
            encoder = encoder.with_exponents(unsafe { memory::slice(self.table, self.table_len) });
        }
        if !self.keep.is_null() {
            // SAFETY: checked, by the contract above.
            let keep = unsafe { memory::slice(self.keep, self.keep_len) };
            let keep = bytemuck::checked::try_cast_slice(keep).map_err(|_| unknown(c"keep"))?;
            encoder = encoder.with_mask(keep);
        }
        Ok(encoder)
    }
}

impl DecodeOptions {
    /// Copies the caller's options, or makes the ones that null stands for.
    ///
    /// # Safety
    ///
    /// As [`memory::sized`].
    pub(crate) unsafe fn of(options: *const Self) -> Result<Self, Fault> {
        if options.is_null() {
            return Ok(Self {
                struct_size: size_of::<Self>() as u32,
                level: LevelCode::Auto as u32,
                table: core::ptr::null(),
                table_len: 0,
            });
        }
        // SAFETY: the same contract; numbers and pointers.
        unsafe { memory::sized(options, c"options") }
    }

    /// What it points to.
    pub(crate) fn span(&self) -> Span {
        Span::read(self.table, self.table_len, 1, c"table")
    }

    /// # Safety
    ///
    /// [`DecodeOptions::span`] was checked; what it says is there is the caller's, and not written to during the call.
    pub(crate) unsafe fn decoder<'a>(&self) -> Result<Decoder<'a>, Fault> {
        let decoder = Decoder::new().with_level(level(self.level)?);
        // SAFETY: the same contract.
        Ok(match unsafe { self.exponents() } {
            Some(table) => decoder.with_exponents(table),
            None => decoder,
        })
    }

    /// The agreed table.
    ///
    /// # Safety
    ///
    /// As [`DecodeOptions::decoder`].
    pub(crate) unsafe fn exponents<'a>(&self) -> Option<&'a [i8]> {
        // SAFETY: checked, by the contract above.
        (!self.table.is_null()).then(|| unsafe { memory::slice(self.table, self.table_len) })
    }
}
