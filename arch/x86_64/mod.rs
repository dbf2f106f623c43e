//! Levels of x86-64.

pub(super) mod avx2;
#[allow(clippy::duplicate_mod)]
pub(super) mod avx512;
pub(super) mod crc32;
mod machine;
#[cfg(test)]
pub(super) mod model;

use core::arch::asm;
use core::arch::x86_64::{__cpuid_count, CpuidResult};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::arch::Line;

/// Aligns the stack frame of the function that this is inlined into to a line. The compiler keeps vectors that it has no
/// registers for at multiples of 16 bytes, where some lie across two lines; and in a process whose stack happens to lie so,
/// across two pages, for which a core waits every time.
#[inline(always)]
fn align_frame() {
    let line = MaybeUninit::<Line>::uninit();
    // SAFETY: there is no instruction, so nothing is read or written; what has an address is on the stack, aligned.
    unsafe { asm!("/* {} */", in(reg) line.as_ptr(), options(readonly, nostack, preserves_flags)) };
}

/// Whether the machine has a feature that `cpufeatures` does not know: 0 for not asked yet, 1 for no, 2 for yes. Asking takes
/// a microsecond where a hypervisor answers.
struct Asked(AtomicU8);

impl Asked {
    const fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// `bit` is not zero where the machine has it; the machine has the leaf, of which this is a part.
    fn or_ask(&self, (leaf, part): (u32, u32), bit: fn(CpuidResult) -> u32) -> bool {
        match self.0.load(Ordering::Relaxed) {
            0 => {
                // SAFETY: every x86_64 has the instruction; older compilers do not know it.
                #[allow(unused_unsafe)]
                let found = bit(unsafe { __cpuid_count(leaf, part) }) != 0;
                self.0.store(1 + u8::from(found), Ordering::Relaxed);
                found
            }
            found => found == 2,
        }
    }
}
