//! What the level [`super::avx512`] is compiled against: the machine's instructions. In tests it is compiled a second
//! time, against [`super::model`].

pub(super) use core::arch::x86_64::*;

use core::arch::asm;

use super::{Asked, align_frame};
use crate::arch::{Part, Simd};

cpufeatures::new!(features, "avx512f", "avx512bw", "avx512vl", "avx512vbmi", "gfni");

static VNNI: Asked = Asked::new();
static BF16: Asked = Asked::new();

/// Whether the machine, and its operating system, have the features that [`enabled`] requires beside those of AVX2's level.
pub(super) fn detected() -> bool {
    // Where AVX-512 is, so is leaf 7.
    features::get() && VNNI.or_ask((7, 0), |leaf| leaf.ecx & 1 << 11)
}

/// Proof that the machine has AVX512_BF16, which the level does not ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Narrower(());

impl Narrower {
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        // Where this part of leaf 7 is not, it is zeros.
        BF16.or_ask((7, 1), |leaf| leaf.eax & 1 << 5).then_some(Self(()))
    }

    /// Two registers rounded to bf16, and subnormal numbers to zero. The instruction is written by its name: for its
    /// intrinsic it would have to be enabled in everything that this is inlined into.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn narrow(self, low: __m512, high: __m512) -> __m512i {
        let halves;
        // SAFETY: `self` proves that the machine has the instruction, which reads and writes the registers that are named.
        unsafe {
            asm!(
                "vcvtne2ps2bf16 {halves}, {high}, {low}",
                halves = lateout(zmm_reg) halves,
                high = in(zmm_reg) high,
                low = in(zmm_reg) low,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        halves
    }
}

/// Runs `part` in a function that has the instructions.
#[inline(never)]
#[target_feature(enable = "avx2,f16c,bmi1,bmi2,popcnt,avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni,gfni")]
pub(super) fn enabled<S: Simd, P: Part<S>>(s: S, part: P) -> P::Output {
    align_frame();
    part.run(s)
}
