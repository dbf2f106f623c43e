//! Arguments as they come over the border: pointers that are checked before they are used.
//!
//! Every function describes its arguments as [`Span`]s, has [`check`] look at all of them, and only then makes
//! slices. What cannot be checked, that the memory is there and is the caller's, is the caller's contract.

use core::ffi::CStr;

use crate::status::{Error, Fault, Status};

/// The bytes of one argument.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    at: *mut u8,
    size: usize,
    align: usize,
    written: bool,
    /// May not be null even where `size` is 0.
    needed: bool,
    name: &'static CStr,
}

impl Span {
    /// A buffer that is read.
    pub(crate) fn read<T>(at: *const T, size: usize, align: usize, name: &'static CStr) -> Self {
        Self {
            at: at.cast_mut().cast(),
            size,
            align,
            written: false,
            needed: false,
            name,
        }
    }

    /// A buffer that is written to.
    pub(crate) fn write<T>(at: *mut T, size: usize, align: usize, name: &'static CStr) -> Self {
        Self {
            at: at.cast(),
            written: true,
            ..Self::read(at, size, align, name)
        }
    }

    /// One value that is read.
    pub(crate) fn read_one<T>(at: *const T, name: &'static CStr) -> Self {
        Self {
            needed: true,
            ..Self::read(at, size_of::<T>(), align_of::<T>(), name)
        }
    }

    /// One value that is written.
    pub(crate) fn write_one<T>(at: *mut T, name: &'static CStr) -> Self {
        Self {
            needed: true,
            ..Self::write(at, size_of::<T>(), align_of::<T>(), name)
        }
    }

    /// One value that is read, or null.
    pub(crate) fn read_optional<T>(at: *const T, name: &'static CStr) -> Self {
        let size = if at.is_null() { 0 } else { size_of::<T>() };
        Self::read(at, size, align_of::<T>(), name)
    }

    /// One value that is written, or null.
    pub(crate) fn write_optional<T>(at: *mut T, name: &'static CStr) -> Self {
        let size = if at.is_null() { 0 } else { size_of::<T>() };
        Self::write(at, size, align_of::<T>(), name)
    }

    fn fault(&self, status: Status) -> Fault {
        Fault::Argument(status, self.name)
    }

    /// One past the last byte, where the address space has it.
    fn end(&self) -> Option<usize> {
        let end = self.at.addr().checked_add(self.size)?;
        (self.size <= isize::MAX as usize).then_some(end)
    }

    /// Whether there can be memory of this size at this address.
    fn possible(&self) -> bool {
        !self.at.is_null() && self.end().is_some()
    }

    fn check(&self) -> Result<(), Fault> {
        if self.at.is_null() {
            let wanted = self.needed || self.size > 0;
            return if wanted {
                Err(self.fault(Status::NullPointer))
            } else {
                Ok(())
            };
        }
        if self.end().is_none() {
            return Err(self.fault(Status::BadSize));
        }
        if self.size > 0 && !self.at.addr().is_multiple_of(self.align) {
            return Err(self.fault(Status::Misaligned));
        }
        Ok(())
    }

    fn overlaps(&self, other: &Self) -> bool {
        match (self.end(), other.end()) {
            (Some(end), Some(other_end)) => {
                self.size > 0 && other.size > 0 && self.at.addr() < other_end && other.at.addr() < end
            }
            _ => false,
        }
    }

    /// Zeros, whatever else is wrong with the call, where there can be memory at all.
    ///
    /// # Safety
    ///
    /// A span that is [`Span::possible`] is memory that the caller lets be written to, and no reference to it lives.
    unsafe fn clear(&self) {
        if self.possible() {
            // SAFETY: by the contract above; bytes have no alignment.
            unsafe { self.at.write_bytes(0, self.size) };
        }
    }
}

/// Checks every span by itself, then that none that is written to overlaps another.
pub(crate) fn check(spans: &[Span]) -> Result<(), Fault> {
    for span in spans {
        span.check()?;
    }
    for (i, span) in spans.iter().enumerate() {
        for other in &spans[..i] {
            if (span.written || other.written) && span.overlaps(other) {
                let named = if other.written { other } else { span };
                return Err(named.fault(Status::Overlap));
            }
        }
    }
    Ok(())
}

/// A slice of a checked argument.
///
/// # Safety
///
/// `at` and `len` are those of a span that [`check`] found nothing wrong with, and no one writes to the memory during
/// the call.
pub(crate) unsafe fn slice<'a, T>(at: *const T, len: usize) -> &'a [T] {
    if len == 0 || at.is_null() {
        return &[];
    }
    // SAFETY: not null, aligned, of a possible size; the caller's memory, unwritten, by the contract above.
    unsafe { core::slice::from_raw_parts(at, len) }
}

/// A slice to write to of a checked argument.
///
/// # Safety
///
/// As [`slice`], and no one else reads or writes the memory during the call.
pub(crate) unsafe fn slice_mut<'a, T>(at: *mut T, len: usize) -> &'a mut [T] {
    if len == 0 || at.is_null() {
        return &mut [];
    }
    // SAFETY: not null, aligned, of a possible size; the caller's memory and, by `check`, apart from all others.
    unsafe { core::slice::from_raw_parts_mut(at, len) }
}

/// Checks a structure that begins with its size.
///
/// # Safety
///
/// `at` is null, or a u32 is there to be read.
unsafe fn check_sized<T>(at: *const T, name: &'static CStr) -> Result<(), Fault> {
    Span::read_one(at, name).check()?;
    // SAFETY: not null and aligned for T, whose first field is a u32; there by the contract above.
    let size = unsafe { at.cast::<u32>().read() };
    if size as usize != size_of::<T>() {
        return Err(Fault::Argument(Status::StructSize, name));
    }
    Ok(())
}

/// Copies a structure that begins with its size.
///
/// # Safety
///
/// `at` is null, or a u32 is there to be read and, where that is the size of `T`, a `T`, which consists of plain numbers
/// and pointers.
pub(crate) unsafe fn sized<T: Copy>(at: *const T, name: &'static CStr) -> Result<T, Fault> {
    // SAFETY: the same contract.
    unsafe { check_sized(at, name) }?;
    // SAFETY: not null, aligned, and by its own account a whole T, of which all bits mean something.
    Ok(unsafe { at.read() })
}

/// What every function does around its work: after a fault everything in `clear` is zeros, and `error` tells of it.
/// `work` must include `error`, first, in what it has [`check`] look at.
///
/// # Safety
///
/// `error` is null or points to the caller's `Error`; each of `clear` that can be memory at all is the caller's to write
/// to.
pub(crate) unsafe fn call(
    error: *mut Error,
    clear: &[Span],
    work: impl FnOnce() -> Result<(), Fault>,
) -> Status {
    let checked = if error.is_null() {
        Ok(())
    } else {
        // SAFETY: the caller's structure.
        unsafe { check_sized(error, c"error") }
    };
    let usable = checked.is_ok() && !error.is_null();
    let Err(fault) = checked.and_then(|()| work()) else {
        return Status::Ok;
    };
    // An `error` that overlaps something is not written to.
    let span = error_span(error);
    let overlaps = matches!(fault, Fault::Argument(Status::Overlap, name) if name == span.name)
        || clear.iter().any(|cleared| cleared.overlaps(&span));
    if usable && !overlaps {
        // SAFETY: not null, aligned, the caller's and of the right size.
        unsafe { error.write(fault.detail()) };
    }
    for span in clear {
        // SAFETY: the caller's to write to; `work` is over, and its slices with it.
        unsafe { span.clear() };
    }
    fault.status()
}

/// The span of the detail that every function may be given.
pub(crate) fn error_span(error: *mut Error) -> Span {
    Span::write_optional(error, c"error")
}
