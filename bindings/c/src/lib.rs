//! The C interface of TAHQ. `include/tahq.h` is its documentation, generated from this crate: the comments of public
//! items are written for readers of C.
//!
//! - `memory`: pointers, checked, and what every function does around its work;
//! - `status`: codes and details;
//! - `config`, `header`: the library's types as plain numbers;
//! - this file: the functions.

// The one place beside `arch/` that needs it.
#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]
// The header's first comment says it once for all functions.
#![allow(clippy::missing_safety_doc)]

use core::ffi::{CStr, c_char, c_void};

use ::tahq::{DecodeError, EncodeError, Frame, SourceType};
use half::{bf16, f16};

pub mod config;
pub mod header;
mod memory;
pub mod status;
#[cfg(test)]
mod tests;

use config::{Config, DecodeOptions};
use header::Header;
use memory::{Span, call, check, error_span, sized, slice, slice_mut};
use status::{Error, Fault, Status};

/// The version of this interface. It changes where a program has to be compiled again.
pub const TAHQ_ABI_VERSION: u32 = 1;
/// Bytes of a frame before its body.
pub const TAHQ_HEADER_SIZE: usize = 28;
/// Bytes of a frame after its body.
pub const TAHQ_CHECKSUM_SIZE: usize = 4;

const _: () = assert!(TAHQ_HEADER_SIZE == ::tahq::HEADER_LEN && TAHQ_CHECKSUM_SIZE == ::tahq::CHECKSUM_LEN);

/// Runs `$body` with `$T` the Rust type of an element.
macro_rules! typed {
    ($element:expr, $T:ident => $body:expr) => {
        match $element {
            SourceType::F32 => {
                type $T = f32;
                $body
            }
            SourceType::F16 => {
                type $T = f16;
                $body
            }
            SourceType::Bf16 => {
                type $T = bf16;
                $body
            }
        }
    };
}

/// Elements in so many bytes.
fn whole<E>(size: usize, element: usize, partial: E) -> Result<usize, E> {
    if size.is_multiple_of(element) {
        Ok(size / element)
    } else {
        Err(partial)
    }
}

/// Writes what a function returns by a pointer that may be null.
///
/// # Safety
///
/// `to` is null, or was checked.
unsafe fn give<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: checked, by the contract above.
        unsafe { to.write(value) };
    }
}

/// The ABI version of the library.
#[unsafe(no_mangle)]
pub extern "C" fn tahq_abi_version() -> u32 {
    TAHQ_ABI_VERSION
}

/// Whether the library fits the header that a program was compiled with: `tahq_abi_check(TAHQ_ABI_VERSION)` gives
/// TAHQ_STATUS_OK or TAHQ_STATUS_ABI_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn tahq_abi_check(header_version: u32) -> Status {
    if header_version == TAHQ_ABI_VERSION {
        Status::Ok
    } else {
        Status::AbiVersion
    }
}

/// The version of the library, such as "0.1.0". Static.
#[unsafe(no_mangle)]
pub extern "C" fn tahq_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// What a status means, in English; never null. Static.
#[unsafe(no_mangle)]
pub extern "C" fn tahq_status_message(status: i32) -> *const c_char {
    status::message(status).as_ptr()
}

/// The fastest tahq_level that the machine has.
#[unsafe(no_mangle)]
pub extern "C" fn tahq_level_detect() -> u32 {
    let fastest = ::tahq::Level::detect().name();
    config::LEVELS
        .iter()
        .find(|(_, name)| name.to_bytes() == fastest.as_bytes())
        .map_or(config::LevelCode::Scalar as u32, |(code, _)| *code)
}

/// Whether the machine has a tahq_level.
#[unsafe(no_mangle)]
pub extern "C" fn tahq_level_available(level: u32) -> bool {
    config::level(level).is_ok()
}

/// The name of a tahq_level, such as "avx2", whether the machine has it or not; null for a number that is none. Static.
#[unsafe(no_mangle)]
pub extern "C" fn tahq_level_name(level: u32) -> *const c_char {
    config::LEVELS
        .iter()
        .find(|(code, _)| *code == level)
        .map_or(core::ptr::null(), |(_, name)| name.as_ptr())
}

/// The tahq_level of a name, which ends in a zero byte. TAHQ_STATUS_UNKNOWN_VALUE where there is none;
/// TAHQ_STATUS_LEVEL_UNAVAILABLE, with `level` written, where this machine does not have it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_level_from_name(name: *const c_char, level: *mut u32) -> Status {
    // The name's length is not known before it is read, and reading it disturbs nothing.
    let checked = check(&[Span::read_one(name, c"name"), Span::write_one(level, c"level")]);
    if let Err(fault) = checked {
        return fault.status();
    }
    // SAFETY: not null; a string by the caller's word, read here alone.
    let name = unsafe { CStr::from_ptr(name) };
    let Some((code, _)) = config::LEVELS.iter().find(|(_, known)| *known == name) else {
        return Status::UnknownValue;
    };
    // SAFETY: checked.
    unsafe { level.write(*code) };
    config::level(*code).map_or_else(|fault| fault.status(), |_| Status::Ok)
}

/// Fills `config`, of `struct_size` bytes (`sizeof *config`), with a tahq_preset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_config_init(config: *mut Config, struct_size: usize, preset: u32) -> Status {
    let work = || {
        check(&[Span::write_one(config, c"config")])?;
        if struct_size != size_of::<Config>() {
            return Err(Fault::Argument(Status::StructSize, c"config"));
        }
        let value = Config::of(&config::preset(preset)?);
        // SAFETY: checked, and as large as this library knows it.
        unsafe { config.write(value) };
        Ok(())
    };
    // SAFETY: no detail, nothing to clear.
    unsafe { call(core::ptr::null_mut(), &[], work) }
}

/// Checks every knob of a configuration, without a tensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_config_check(config: *const Config, error: *mut Error) -> Status {
    let work = || {
        // SAFETY: the caller's structure, numbers and pointers.
        let c = unsafe { sized(config, c"config") }?;
        let [table, keep] = c.spans();
        check(&[error_span(error), Span::read_one(config, c"config"), table, keep])?;
        // SAFETY: checked.
        unsafe { c.encoder() }?;
        Ok(())
    };
    // SAFETY: the caller's structure; nothing to clear.
    unsafe { call(error, &[], work) }
}

/// Bytes of the longest frame of `rows` x `width` elements of type `element` (a tahq_element) that a configuration can
/// give; exact, unless rows are pruned. A body alone is shorter by TAHQ_HEADER_SIZE + TAHQ_CHECKSUM_SIZE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_max_frame_len(
    config: *const Config,
    element: u32,
    rows: u32,
    width: u32,
    frame_size: *mut usize,
    error: *mut Error,
) -> Status {
    let to = Span::write_one(frame_size, c"frame_size");
    let work = || {
        // SAFETY: the caller's structure, numbers and pointers.
        let c = unsafe { sized(config, c"config") }?;
        check(&[error_span(error), Span::read_one(config, c"config"), to])?;
        let len = c
            .checked()?
            .max_frame_len(rows, width, config::element(element)?)?;
        // SAFETY: checked.
        unsafe { frame_size.write(len) };
        Ok(())
    };
    // SAFETY: the caller's structure and number.
    unsafe { call(error, &[to], work) }
}

/// Encodes `rows` x `width` elements of type `element` (a tahq_element), row-major, in `x`, `x_size` bytes, as one frame
/// at the start of `out`, `out_size` bytes; `tahq_max_frame_len` says how many it takes. `frame_size` gets the bytes
/// written, 0 after an error, when the content of `out` is unspecified.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_encode(
    config: *const Config,
    element: u32,
    x: *const c_void,
    x_size: usize,
    rows: u32,
    width: u32,
    out: *mut u8,
    out_size: usize,
    frame_size: *mut usize,
    error: *mut Error,
) -> Status {
    let to = Span::write_one(frame_size, c"frame_size");
    let work = || {
        // SAFETY: the caller's structure, numbers and pointers.
        let c = unsafe { sized(config, c"config") }?;
        let element = config::element(element)?;
        let [table, keep] = c.spans();
        check(&[
            error_span(error),
            Span::read_one(config, c"config"),
            table,
            keep,
            Span::read(x, x_size, element.size(), c"x"),
            Span::write(out, out_size, 1, c"out"),
            to,
        ])?;
        let elements = whole(x_size, element.size(), EncodeError::Misaligned)?;
        // SAFETY: checked.
        let encoder = unsafe { c.encoder() }?;
        // SAFETY: checked.
        let out = unsafe { slice_mut(out, out_size) };
        let len = typed!(element, T => {
            // SAFETY: checked; so many elements are in `x_size` bytes, and any bits are one.
            let x = unsafe { slice::<T>(x.cast(), elements) };
            encoder.encode(x, rows, width, out)
        })?;
        // SAFETY: checked.
        unsafe { frame_size.write(len) };
        Ok(())
    };
    // SAFETY: the caller's structure and number.
    unsafe { call(error, &[to], work) }
}

/// As `tahq_encode`, but a body alone, for a transport that carries the header's fields its own way. `header` gets these
/// fields, all 0 after an error, and `body_size` the bytes written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_encode_body(
    config: *const Config,
    element: u32,
    x: *const c_void,
    x_size: usize,
    rows: u32,
    width: u32,
    out: *mut u8,
    out_size: usize,
    header: *mut Header,
    body_size: *mut usize,
    error: *mut Error,
) -> Status {
    let to = [
        Span::write_one(header, c"header"),
        Span::write_one(body_size, c"body_size"),
    ];
    let work = || {
        // SAFETY: the caller's structure, numbers and pointers.
        let c = unsafe { sized(config, c"config") }?;
        let element = config::element(element)?;
        let [table, keep] = c.spans();
        check(&[
            error_span(error),
            Span::read_one(config, c"config"),
            table,
            keep,
            Span::read(x, x_size, element.size(), c"x"),
            Span::write(out, out_size, 1, c"out"),
            to[0],
            to[1],
        ])?;
        let elements = whole(x_size, element.size(), EncodeError::Misaligned)?;
        // SAFETY: checked.
        let encoder = unsafe { c.encoder() }?;
        // SAFETY: checked.
        let out = unsafe { slice_mut(out, out_size) };
        let (fields, len) = typed!(element, T => {
            // SAFETY: checked; so many elements are in `x_size` bytes, and any bits are one.
            let x = unsafe { slice::<T>(x.cast(), elements) };
            encoder.encode_body(x, rows, width, out)
        })?;
        // SAFETY: checked.
        unsafe { header.write(Header::of(&fields, fields.body_len()?)) };
        // SAFETY: checked.
        unsafe { body_size.write(len) };
        Ok(())
    };
    // SAFETY: the caller's structures and number.
    unsafe { call(error, &to, work) }
}

/// Estimates one channel exponent a channel from a calibration tensor (as for `tahq_encode`) into `table`, which has
/// `table_len` = `width` entries. At most `sample` rows, evenly spaced, are looked at; 0 means all. Elements that are
/// not finite give some table. After an error the table holds zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_estimate_exponents(
    element: u32,
    x: *const c_void,
    x_size: usize,
    rows: u32,
    width: u32,
    sample: u32,
    table: *mut i8,
    table_len: usize,
    error: *mut Error,
) -> Status {
    let to = Span::write(table, table_len, 1, c"table");
    let work = || {
        let element = config::element(element)?;
        check(&[error_span(error), Span::read(x, x_size, element.size(), c"x"), to])?;
        let available = whole(x_size, element.size(), EncodeError::Misaligned)?;
        let needed = u64::from(rows) * u64::from(width);
        if available as u64 != needed {
            return Err(EncodeError::InputLength { needed, available }.into());
        }
        if table_len as u64 != u64::from(width) {
            return Err(EncodeError::TableLength {
                needed: width,
                available: table_len,
            }
            .into());
        }
        // SAFETY: checked.
        let table = unsafe { slice_mut(table, table_len) };
        typed!(element, T => {
            // SAFETY: checked; so many elements are in `x_size` bytes, and any bits are one.
            let x = unsafe { slice::<T>(x.cast(), available) };
            ::tahq::estimate_exponents(x, rows, width, sample, table);
        });
        Ok(())
    };
    // SAFETY: the caller's structure and table.
    unsafe { call(error, &[to], work) }
}

/// The length of the frame that `bytes` starts with, of which the first TAHQ_HEADER_SIZE are enough. It works for every
/// version of the format, so a reader can skip a frame that it cannot decode. The fields are not checked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_frame_len(
    bytes: *const u8,
    bytes_size: usize,
    frame_size: *mut usize,
    error: *mut Error,
) -> Status {
    let to = Span::write_one(frame_size, c"frame_size");
    let work = || {
        check(&[error_span(error), Span::read(bytes, bytes_size, 1, c"bytes"), to])?;
        // SAFETY: checked.
        let len = ::tahq::frame_len(unsafe { slice(bytes, bytes_size) })?;
        // SAFETY: checked.
        unsafe { frame_size.write(len) };
        Ok(())
    };
    // SAFETY: the caller's structure and number.
    unsafe { call(error, &[to], work) }
}

/// Reads and checks the header of the frame that `bytes` starts with, of which the first TAHQ_HEADER_SIZE are enough.
/// After an error `header` holds zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_parse_header(
    bytes: *const u8,
    bytes_size: usize,
    header: *mut Header,
    error: *mut Error,
) -> Status {
    let to = Span::write_one(header, c"header");
    let work = || {
        check(&[error_span(error), Span::read(bytes, bytes_size, 1, c"bytes"), to])?;
        // SAFETY: checked.
        let (fields, body_size) = ::tahq::Header::parse(unsafe { slice(bytes, bytes_size) })?;
        // SAFETY: checked.
        unsafe { header.write(Header::of(&fields, body_size)) };
        Ok(())
    };
    // SAFETY: the caller's structures.
    unsafe { call(error, &[to], work) }
}

/// Checks one whole frame, checksum and every row, without decoding it. `options` and `header` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_validate(
    frame: *const u8,
    frame_size: usize,
    options: *const DecodeOptions,
    header: *mut Header,
    error: *mut Error,
) -> Status {
    let to = Span::write_optional(header, c"header");
    let work = || {
        // SAFETY: the caller's structure.
        let o = unsafe { DecodeOptions::of(options) }?;
        check(&[
            error_span(error),
            Span::read_optional(options, c"options"),
            o.span(),
            Span::read(frame, frame_size, 1, c"frame"),
            to,
        ])?;
        // SAFETY: checked.
        let decoder = unsafe { o.decoder() }?;
        // SAFETY: checked.
        let frame = decoder.parse(unsafe { slice(frame, frame_size) })?;
        frame.validate()?;
        let fields = frame.header();
        // SAFETY: checked.
        unsafe { give(header, Header::of(fields, fields.body_len()?)) };
        Ok(())
    };
    // SAFETY: the caller's structures.
    unsafe { call(error, &[to], work) }
}

/// Decodes one whole frame, exactly `frame_size` bytes, into `out`: `rows` x `width` elements of type `element` (a
/// tahq_element, whatever the frame was made from), row-major, exactly `out_size` bytes. `options` and `header` may be
/// null. After an error `out` and `header` hold zeros, never what was there before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_decode(
    frame: *const u8,
    frame_size: usize,
    element: u32,
    out: *mut c_void,
    out_size: usize,
    options: *const DecodeOptions,
    header: *mut Header,
    error: *mut Error,
) -> Status {
    let work = |element: SourceType, to: [Span; 2]| {
        // SAFETY: the caller's structure.
        let o = unsafe { DecodeOptions::of(options) }?;
        check(&[
            error_span(error),
            Span::read_optional(options, c"options"),
            o.span(),
            Span::read(frame, frame_size, 1, c"frame"),
            to[0],
            to[1],
        ])?;
        let elements = whole(out_size, element.size(), DecodeError::Misaligned)?;
        // SAFETY: checked.
        let decoder = unsafe { o.decoder() }?;
        // SAFETY: checked.
        let frame = unsafe { slice(frame, frame_size) };
        let fields = typed!(element, T => {
            // SAFETY: checked; so many elements are in `out_size` bytes, and any bits are one.
            decoder.decode(frame, unsafe { slice_mut::<T>(out.cast(), elements) })
        })?;
        // SAFETY: checked.
        unsafe { give(header, Header::of(&fields, fields.body_len()?)) };
        Ok(())
    };
    // SAFETY: the caller's structures and buffer.
    unsafe { call_out(element, out, out_size, header, error, work) }
}

/// As `tahq_decode`, for a body whose header came some other way. There is no checksum: the transport vouches for the
/// bytes, or what decodes is whatever they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_decode_body(
    header: *const Header,
    body: *const u8,
    body_size: usize,
    element: u32,
    out: *mut c_void,
    out_size: usize,
    options: *const DecodeOptions,
    error: *mut Error,
) -> Status {
    // SAFETY: the same contract.
    unsafe {
        decode_some(
            Bytes::Body(header, body, body_size),
            None,
            element,
            out,
            out_size,
            options,
            error,
        )
    }
}

/// Decodes the rows from `start` up to but without `end` of one whole frame into `out`, exactly `out_size` bytes. Each
/// call checks the whole frame: where there are many calls, check it once with `tahq_validate` and use
/// `tahq_decode_body_rows`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_decode_rows(
    frame: *const u8,
    frame_size: usize,
    start: u32,
    end: u32,
    element: u32,
    out: *mut c_void,
    out_size: usize,
    options: *const DecodeOptions,
    error: *mut Error,
) -> Status {
    // SAFETY: the same contract.
    unsafe {
        decode_some(
            Bytes::Frame(frame, frame_size),
            Some((start, end)),
            element,
            out,
            out_size,
            options,
            error,
        )
    }
}

/// As `tahq_decode_rows`, for a body whose header came some other way or from `tahq_parse_header`; the body of a frame
/// starts TAHQ_HEADER_SIZE bytes into it and has `header->body_size`. There is no checksum. Ranges are independent:
/// several threads may decode some each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_decode_body_rows(
    header: *const Header,
    body: *const u8,
    body_size: usize,
    start: u32,
    end: u32,
    element: u32,
    out: *mut c_void,
    out_size: usize,
    options: *const DecodeOptions,
    error: *mut Error,
) -> Status {
    // SAFETY: the same contract.
    unsafe {
        decode_some(
            Bytes::Body(header, body, body_size),
            Some((start, end)),
            element,
            out,
            out_size,
            options,
            error,
        )
    }
}

/// Encodes `x - reference` (delta coding between visits of one example, as AQ-SGD does) as one frame at the start of
/// `out`. `x` is as for `tahq_encode`; `reference` and `scratch` hold one float for each element of `x`, their sizes are
/// in bytes; `scratch` holds the difference afterwards. `reference` is zeros before the first visit; call
/// `tahq_delta_apply` with the frame, here and at the receiver, to bring it up to date.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_delta_encode(
    config: *const Config,
    element: u32,
    x: *const c_void,
    x_size: usize,
    rows: u32,
    width: u32,
    reference: *const f32,
    reference_size: usize,
    scratch: *mut f32,
    scratch_size: usize,
    out: *mut u8,
    out_size: usize,
    frame_size: *mut usize,
    error: *mut Error,
) -> Status {
    let to = Span::write_one(frame_size, c"frame_size");
    let work = || {
        // SAFETY: the caller's structure, numbers and pointers.
        let c = unsafe { sized(config, c"config") }?;
        let element = config::element(element)?;
        let [table, keep] = c.spans();
        check(&[
            error_span(error),
            Span::read_one(config, c"config"),
            table,
            keep,
            Span::read(x, x_size, element.size(), c"x"),
            Span::read(reference, reference_size, align_of::<f32>(), c"reference"),
            Span::write(scratch, scratch_size, align_of::<f32>(), c"scratch"),
            Span::write(out, out_size, 1, c"out"),
            to,
        ])?;
        let partial = EncodeError::Misaligned;
        let elements = whole(x_size, element.size(), partial)?;
        // SAFETY: checked.
        let reference = unsafe { slice(reference, whole(reference_size, size_of::<f32>(), partial)?) };
        // SAFETY: checked.
        let scratch = unsafe { slice_mut(scratch, whole(scratch_size, size_of::<f32>(), partial)?) };
        // SAFETY: checked.
        let encoder = unsafe { c.encoder() }?;
        // SAFETY: checked.
        let out = unsafe { slice_mut(out, out_size) };
        let len = typed!(element, T => {
            // SAFETY: checked; so many elements are in `x_size` bytes, and any bits are one.
            let x = unsafe { slice::<T>(x.cast(), elements) };
            ::tahq::delta::encode(&encoder, x, reference, rows, width, scratch, out)
        })?;
        // SAFETY: checked.
        unsafe { frame_size.write(len) };
        Ok(())
    };
    // SAFETY: the caller's structure and number.
    unsafe { call(error, &[to], work) }
}

/// Decodes a frame of differences into `scratch` and adds them to `reference`, both `rows` x `width` floats, their sizes
/// in bytes. `options` and `header` may be null. After an error `reference` is unchanged, and `scratch` and `header` hold
/// zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tahq_delta_apply(
    frame: *const u8,
    frame_size: usize,
    reference: *mut f32,
    reference_size: usize,
    scratch: *mut f32,
    scratch_size: usize,
    options: *const DecodeOptions,
    header: *mut Header,
    error: *mut Error,
) -> Status {
    let to = [
        Span::write(scratch, scratch_size, align_of::<f32>(), c"scratch"),
        Span::write_optional(header, c"header"),
    ];
    let work = || {
        // SAFETY: the caller's structure.
        let o = unsafe { DecodeOptions::of(options) }?;
        check(&[
            error_span(error),
            Span::read_optional(options, c"options"),
            o.span(),
            Span::read(frame, frame_size, 1, c"frame"),
            Span::write(reference, reference_size, align_of::<f32>(), c"reference"),
            to[0],
            to[1],
        ])?;
        let partial = DecodeError::Misaligned;
        // SAFETY: checked.
        let reference = unsafe { slice_mut(reference, whole(reference_size, size_of::<f32>(), partial)?) };
        // SAFETY: checked.
        let scratch = unsafe { slice_mut(scratch, whole(scratch_size, size_of::<f32>(), partial)?) };
        // SAFETY: checked.
        let decoder = unsafe { o.decoder() }?;
        // SAFETY: checked.
        let frame = unsafe { slice(frame, frame_size) };
        let fields = ::tahq::delta::apply(&decoder, frame, reference, scratch)?;
        // SAFETY: checked.
        unsafe { give(header, Header::of(&fields, fields.body_len()?)) };
        Ok(())
    };
    // SAFETY: the caller's structures and buffer. `reference` is not cleared.
    unsafe { call(error, &to, work) }
}

/// [`call`] for a function that decodes into `out` and tells of it in `header`, if not null; both are zeros after every
/// fault.
///
/// # Safety
///
/// As [`call`]; `out` and `header` are the caller's to write to.
unsafe fn call_out(
    element: u32,
    out: *mut c_void,
    out_size: usize,
    header: *mut Header,
    error: *mut Error,
    work: impl FnOnce(SourceType, [Span; 2]) -> Result<(), Fault>,
) -> Status {
    let element = config::element(element);
    let align = element.as_ref().map_or(1, |element| element.size());
    let to = [
        Span::write(out, out_size, align, c"out"),
        Span::write_optional(header, c"header"),
    ];
    // SAFETY: the same contract.
    unsafe { call(error, &to, || work(element?, to)) }
}

/// What rows are decoded from.
enum Bytes {
    Frame(*const u8, usize),
    Body(*const Header, *const u8, usize),
}

/// Decodes a range of rows, or all, into `out`.
///
/// # Safety
///
/// The pointers are the caller's.
unsafe fn decode_some(
    bytes: Bytes,
    rows: Option<(u32, u32)>,
    element: u32,
    out: *mut c_void,
    out_size: usize,
    options: *const DecodeOptions,
    error: *mut Error,
) -> Status {
    let work = |element: SourceType, [target, _]: [Span; 2]| {
        // SAFETY: the caller's structure.
        let o = unsafe { DecodeOptions::of(options) }?;
        let (bytes_span, header) = match bytes {
            Bytes::Frame(frame, size) => (Span::read(frame, size, 1, c"frame"), None),
            Bytes::Body(header, body, size) => (
                Span::read(body, size, 1, c"body"),
                Some(Span::read_one(header, c"header")),
            ),
        };
        check(&[
            error_span(error),
            Span::read_optional(options, c"options"),
            o.span(),
            bytes_span,
            header.unwrap_or(bytes_span),
            target,
        ])?;
        let elements = whole(out_size, element.size(), DecodeError::Misaligned)?;
        // SAFETY: checked.
        let decoder = unsafe { o.decoder() }?;
        let frame = match bytes {
            // SAFETY: checked.
            Bytes::Frame(frame, size) => decoder.parse(unsafe { slice(frame, size) })?,
            Bytes::Body(header, body, size) => {
                // SAFETY: checked; numbers.
                let header = unsafe { header.read() }.checked()?;
                // SAFETY: checked.
                let body = unsafe { slice(body, size) };
                // SAFETY: checked.
                Frame::from_body(header, body, unsafe { o.exponents() })?
            }
        };
        let (start, end) = rows.unwrap_or((0, frame.header().rows));
        typed!(element, T => {
            // SAFETY: checked; so many elements are in `out_size` bytes, and any bits are one.
            decoder.decode_rows(&frame, start..end, unsafe { slice_mut::<T>(out.cast(), elements) })
        })?;
        Ok(())
    };
    // SAFETY: the caller's structures and buffer.
    unsafe { call_out(element, out, out_size, core::ptr::null_mut(), error, work) }
}
