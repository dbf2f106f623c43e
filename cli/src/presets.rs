//! Names of presets and efforts as the command line takes them.

use std::fmt;

use clap::ValueEnum;
use tahq::Config;

/// What to encode with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Preset {
    /// TAH-Quant, tile level: 4 bits for four tiles in five, 3 for the others.
    TahQuant,
    /// TAH-Quant, token level: 4 bits for four rows in five, 3 for the others.
    TahQuantToken,
    /// 4 bits, channel exponents: the default.
    #[default]
    #[value(name = "int4")]
    Int4,
    /// Four tiles in five at 4 bits, the others at 3, channel exponents.
    Mixed,
    /// 3 bits, channel exponents.
    #[value(name = "int3")]
    Int3,
    /// 6 bits, all-zero rows vanish: for activation gradients.
    Gradient,
    /// 8 bits, near lossless.
    #[value(name = "int8")]
    Int8,
}

impl Preset {
    /// Every preset, in the order of tables.
    pub(crate) const ALL: [Self; 7] = [
        Self::TahQuant,
        Self::TahQuantToken,
        Self::Int4,
        Self::Mixed,
        Self::Int3,
        Self::Gradient,
        Self::Int8,
    ];

    /// The name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TahQuant => "tah-quant",
            Self::TahQuantToken => "tah-quant-token",
            Self::Int4 => "int4",
            Self::Mixed => "mixed",
            Self::Int3 => "int3",
            Self::Gradient => "gradient",
            Self::Int8 => "int8",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Time spent for quality; the wire and the decoder are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Effort {
    /// Least time: everything by rule.
    Fast,
    /// The default.
    #[default]
    Balanced,
    /// Everything searched; many times slower.
    Best,
}

impl Effort {
    /// The name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Best => "best",
        }
    }
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The library's configuration of that name.
pub(crate) const fn config(preset: Preset, effort: Effort) -> Config {
    let config = match preset {
        Preset::TahQuant => Config::TAH_QUANT,
        Preset::TahQuantToken => Config::TAH_QUANT_TOKEN,
        Preset::Int4 => Config::INT4,
        Preset::Mixed => Config::MIXED,
        Preset::Int3 => Config::INT3,
        Preset::Gradient => Config::GRADIENT,
        Preset::Int8 => Config::INT8,
    };
    let effort = match effort {
        Effort::Fast => tahq::Effort::Fast,
        Effort::Balanced => tahq::Effort::Balanced,
        Effort::Best => tahq::Effort::Best,
    };
    Config { effort, ..config }
}
