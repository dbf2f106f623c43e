//! Instructions and stack of a piece of work.
//!
//! Under qemu's `-icount shift=0` time passes by the instruction, so the system timer counts them in units that a loop
//! of known length tells. The stack is painted before the work and looked at afterwards.

use core::arch::asm;
use core::ptr;

unsafe extern "C" {
    /// The end of what is static, from the linker script.
    static mut __sheap: u32;
}

const PAINT: u32 = 0xc0de_d00d;

const CONTROL: *mut u32 = 0xe000_e010 as *mut u32;
const RELOAD: *mut u32 = 0xe000_e014 as *mut u32;
const CURRENT: *mut u32 = 0xe000_e018 as *mut u32;
const TICKS: u32 = 1 << 24;

/// Turns of the loop that the timer is held against; each has two instructions.
const TURNS: u32 = 1 << 20;

/// What a piece of work took.
pub struct Cost {
    pub instructions: u64,
    pub stack: usize,
}

pub struct Meter {
    /// Ticks of the loop.
    ticks: u32,
}

impl Meter {
    pub fn new() -> Self {
        // SAFETY: the system timer is there on each Cortex-M that qemu has, and nobody else uses it.
        unsafe {
            RELOAD.write_volatile(TICKS - 1);
            CURRENT.write_volatile(0);
            CONTROL.write_volatile(0b101);
        }
        let start = now();
        // SAFETY: counts a register down.
        unsafe {
            asm!("2:", "subs {n}, {n}, #1", "bne 2b", n = inout(reg) TURNS => _);
        }
        Self { ticks: since(start) }
    }

    /// Does the work. The stack is what it uses below the caller's frame.
    #[inline(never)]
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> (T, Cost) {
        let top = paint();
        let start = now();
        let result = apart(work);
        let ticks = since(start);
        let cost = Cost {
            instructions: u64::from(ticks) * u64::from(2 * TURNS) / u64::from(self.ticks),
            stack: top - lowest_touched(),
        };
        (result, cost)
    }
}

/// In a frame of its own, below the paint's upper end.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

fn now() -> u32 {
    // SAFETY: as above.
    unsafe { CURRENT.read_volatile() }
}

fn since(start: u32) -> u32 {
    // It counts down.
    start.wrapping_sub(now()) % TICKS
}

/// Paints the free part of the stack and gives its upper end.
#[inline(always)]
fn paint() -> usize {
    let top: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {top}, sp", top = out(reg) top) };
    let mut at = (&raw mut __sheap) as usize;
    while at < top {
        // SAFETY: between the statics and the stack there is only unused memory; no call is made meanwhile that could
        // use the stack.
        unsafe { ptr::write_volatile(at as *mut u32, PAINT) };
        at += 4;
    }
    top
}

fn lowest_touched() -> usize {
    let mut at = (&raw mut __sheap) as usize;
    // SAFETY: within the stack, which ends in what the caller has written.
    while unsafe { ptr::read_volatile(at as *const u32) } == PAINT {
        at += 4;
    }
    at
}
