//! The decoder alone, whole frames to f32, for its size. Linked, never run.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use tahq::Decoder;

/// Decodes the frame of `len` bytes to `elements` values; whether it could.
///
/// # Safety
///
/// The pointers must be valid for that many bytes and values.
#[unsafe(no_mangle)]
unsafe extern "C" fn decode(frame: *const u8, len: usize, out: *mut f32, elements: usize) -> bool {
    // SAFETY: the caller vouches for both.
    let (frame, out) = unsafe {
        (
            core::slice::from_raw_parts(frame, len),
            core::slice::from_raw_parts_mut(out, elements),
        )
    };
    Decoder::new().decode(frame, out).is_ok()
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
