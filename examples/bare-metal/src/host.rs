//! The debugger's end of semihosting, which qemu plays: text out, the command line in, and the exit code.

use core::arch::asm;
use core::fmt;

/// One call to the host.
fn call(operation: usize, argument: *const usize) -> usize {
    let result;
    // SAFETY: the host reads, and for the command line writes, what `argument` says, which the callers below own.
    unsafe {
        asm!("bkpt #0xab", inlateout("r0") operation => result, in("r1") argument, options(nostack));
    }
    result
}

/// Text for the host's console.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The host takes text that ends in a zero.
        for chunk in text.as_bytes().chunks(63) {
            let mut line = [0u8; 64];
            line[..chunk.len()].copy_from_slice(chunk);
            call(0x04, line.as_ptr().cast());
        }
        Ok(())
    }
}

/// Prints a line on the host's console.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => {{
        use core::fmt::Write as _;
        let _ = writeln!($crate::host::Console, $($arg)*);
    }};
}

/// Whether the host's command line holds `word`.
pub fn was_told(word: &str) -> bool {
    let mut line = [0u8; 80];
    let block = [line.as_mut_ptr() as usize, line.len()];
    if call(0x15, block.as_ptr()) != 0 {
        return false;
    }
    // SAFETY: the host has written to it behind the compiler's back.
    let line = unsafe { core::ptr::read_volatile(&line) };
    line.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Ends the emulation with an exit code.
pub fn exit(code: u32) -> ! {
    // "Application exit", of semihosting's extended form.
    let block = [0x20026, code as usize];
    call(0x20, block.as_ptr());
    loop {}
}
