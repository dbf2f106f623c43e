//! What the level [`super::avx512`] is compiled against: the machine's instructions. In tests it is compiled a second
//! time, against [`super::model`].

pub(super) use core::arch::x86_64::*;

use super::Asked;
use crate::arch::{Part, Simd};

cpufeatures::new!(features, "avx512f", "avx512bw", "avx512vl", "avx512vbmi", "gfni");

static VNNI: Asked = Asked::new();

/// Whether the machine, and its operating system, have the features that [`enabled`] requires beside those of AVX2's level.
pub(super) fn detected() -> bool {
    // Where AVX-512 is, so is leaf 7.
    features::get() && VNNI.or_ask(7, |leaf| leaf.ecx & 1 << 11)
}

/// Runs `part` in a function that has the instructions.
#[inline(never)]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2,popcnt,avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni,gfni")]
pub(super) fn enabled<S: Simd, P: Part<S>>(s: S, part: P) -> P::Output {
    part.run(s)
}
