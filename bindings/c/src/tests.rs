//! What the border must do with arguments that are wrong, and that codes and messages are complete. What it does with
//! right ones, and with frames that are wrong, is tested from C: `tests/abi.c`.

use core::ptr::{null, null_mut};
use std::collections::BTreeSet;

use ::tahq::{ConfigError, DecodeError, EncodeError};

use super::*;
use crate::config::{Element, LevelCode, Preset};
use crate::status::MESSAGES;

const F32: u32 = Element::F32 as u32;
const ROWS: u32 = 3;
const WIDTH: u32 = 40;
const ELEMENTS: usize = (ROWS * WIDTH) as usize;
const BYTES: usize = ELEMENTS * 4;

fn config() -> Config {
    Config::of(&::tahq::Config::INT4)
}

fn blank() -> Error {
    Error {
        argument: null(),
        ..Fault::Argument(Status::Ok, c"").detail()
    }
}

fn options() -> DecodeOptions {
    DecodeOptions {
        struct_size: size_of::<DecodeOptions>() as u32,
        level: 0,
        table: null(),
        table_len: 0,
    }
}

fn frame() -> Vec<u8> {
    let x: Vec<f32> = (0..ELEMENTS).map(|i| (i as f32 * 0.7).sin()).collect();
    let mut frame = vec![0; 1024];
    let mut len = 0;
    let mut error = blank();
    // SAFETY: all of it is there.
    let status = unsafe {
        tahq_encode(
            &config(),
            F32,
            x.as_ptr().cast(),
            BYTES,
            ROWS,
            WIDTH,
            frame.as_mut_ptr(),
            frame.len(),
            &mut len,
            &mut error,
        )
    };
    assert_eq!(status, Status::Ok);
    frame.truncate(len);
    frame
}

fn argument(error: &Error) -> &str {
    if error.argument.is_null() {
        return "";
    }
    // SAFETY: a static string.
    unsafe { CStr::from_ptr(error.argument) }.to_str().expect("ASCII")
}

fn text(error: &Error) -> &str {
    // SAFETY: the message ends in a zero byte.
    unsafe { CStr::from_ptr(error.message.as_ptr()) }
        .to_str()
        .expect("ASCII")
}

/// One call of `tahq_decode` with arguments that can be spoilt, into an output that is not zero.
struct Decode {
    frame: Vec<u8>,
    out: [f32; ELEMENTS + 1],
    header: Header,
    error: Error,
    options: DecodeOptions,
}

impl Decode {
    fn new() -> Self {
        Self {
            frame: frame(),
            out: [7.0; ELEMENTS + 1],
            header: Header::of(&::tahq::Header::parse(&frame()).expect("a frame").0, 9),
            error: blank(),
            options: options(),
        }
    }

    fn run(&mut self, out: *mut c_void, out_size: usize, element: u32) -> Status {
        // SAFETY: what is wrong with these arguments is what the function finds out.
        unsafe {
            tahq_decode(
                self.frame.as_ptr(),
                self.frame.len(),
                element,
                out,
                out_size,
                &self.options,
                &mut self.header,
                &mut self.error,
            )
        }
    }

    /// The status and the argument of a call that must leave zeros in the first `zeros` bytes of the output alone.
    fn refused(&mut self, at: usize, size: usize, element: u32) -> (Status, String) {
        let out = self.out.as_mut_ptr().cast::<u8>().wrapping_add(at).cast();
        let status = self.run(out, size, element);
        let bytes: &[u8] = bytemuck::cast_slice(&self.out);
        assert!(bytes[at..at + size].iter().all(|&byte| byte == 0), "old content");
        let old = 7f32.to_ne_bytes();
        let rest = bytes
            .iter()
            .enumerate()
            .filter(|(i, _)| !(at..at + size).contains(i));
        for (i, &byte) in rest {
            assert_eq!(byte, old[i % 4], "byte {i} is not the output's");
        }
        assert_eq!(
            (self.header.rows, self.header.body_size, self.header.source),
            (0, 0, 0)
        );
        assert_eq!(self.error.status, status);
        assert!(!text(&self.error).is_empty());
        (status, argument(&self.error).into())
    }
}

#[test]
fn a_right_call_decodes() {
    let mut d = Decode::new();
    let out = d.out.as_mut_ptr().cast();
    assert_eq!(d.run(out, BYTES, F32), Status::Ok);
    assert_eq!((d.header.rows, d.header.width), (ROWS, WIDTH));
    assert_eq!(d.header.body_size as usize + 32, d.frame.len());
    let mut y = [0f32; ELEMENTS];
    ::tahq::Decoder::new().decode(&d.frame, &mut y).expect("decodes");
    assert_eq!(d.out[..ELEMENTS], y);
    assert_eq!(d.out[ELEMENTS], 7.0);
}

#[test]
fn null_pointers() {
    let mut d = Decode::new();
    assert_eq!(d.run(null_mut(), BYTES, F32), Status::NullPointer);
    assert_eq!(argument(&d.error), "out");
    // A size of 0 needs no memory, and is too little here.
    assert_eq!(d.run(null_mut(), 0, F32), Status::DecodeOutputLength);
    assert_eq!((d.error.needed, d.error.available), (ELEMENTS as u64, 0));

    d.options.table_len = 1;
    assert_eq!(d.refused(0, BYTES, F32), (Status::NullPointer, "table".into()));

    // SAFETY: null pointers are what the functions find out.
    unsafe {
        let (mut out, mut size, mut error) = ([7u8; 64], 7usize, blank());
        let status = tahq_decode(
            null(),
            9,
            2,
            out.as_mut_ptr().cast(),
            64,
            null(),
            null_mut(),
            &mut error,
        );
        assert_eq!((status, argument(&error)), (Status::NullPointer, "frame"));
        assert_eq!(out, [0; 64]);
        let status = tahq_decode(
            null(),
            0,
            2,
            out.as_mut_ptr().cast(),
            64,
            null(),
            null_mut(),
            null_mut(),
        );
        assert_eq!(status, Status::DecodeTruncated);
        for status in [
            tahq_encode(
                null(),
                F32,
                null(),
                0,
                0,
                0,
                out.as_mut_ptr(),
                64,
                &mut size,
                &mut error,
            ),
            tahq_max_frame_len(null(), F32, 1, 1, &mut size, null_mut()),
            tahq_encode(
                &config(),
                F32,
                null(),
                4,
                1,
                1,
                out.as_mut_ptr(),
                64,
                &mut size,
                null_mut(),
            ),
            tahq_encode(
                &config(),
                F32,
                null(),
                0,
                0,
                0,
                null_mut(),
                64,
                &mut size,
                null_mut(),
            ),
            tahq_encode(
                &config(),
                F32,
                null(),
                0,
                0,
                0,
                out.as_mut_ptr(),
                64,
                null_mut(),
                null_mut(),
            ),
            tahq_parse_header(null(), 28, null_mut(), null_mut()),
            tahq_parse_header(out.as_ptr(), 28, null_mut(), null_mut()),
            tahq_frame_len(null(), 28, &mut size, null_mut()),
            tahq_config_init(null_mut(), size_of::<Config>(), 0),
            tahq_config_check(null(), null_mut()),
            tahq_level_from_name(null(), &mut 0),
            tahq_level_from_name(c"avx2".as_ptr(), null_mut()),
            tahq_estimate_exponents(F32, null(), 4, 1, 1, 0, out.as_mut_ptr().cast(), 1, null_mut()),
            tahq_decode_body(null(), out.as_ptr(), 8, 2, null_mut(), 0, null(), null_mut()),
        ] {
            assert_eq!(status, Status::NullPointer);
        }
        assert_eq!(size, 0);
    }
}

#[test]
fn misaligned_pointers() {
    let mut d = Decode::new();
    assert_eq!(d.refused(1, BYTES, F32), (Status::Misaligned, "out".into()));
    let mut d = Decode::new();
    assert_eq!(
        d.refused(3, BYTES / 2, Element::F16 as u32),
        (Status::Misaligned, "out".into())
    );
    let mut d = Decode::new();
    assert_eq!(
        d.refused(0, BYTES - 1, F32),
        (Status::DecodeMisaligned, "".into())
    );

    let mut words = [0u64; 32];
    let odd = words.as_mut_ptr().cast::<u8>().wrapping_add(1);
    let (mut out, mut size) = ([7f32; 8], 7usize);
    // SAFETY: misaligned pointers are what the functions find out.
    unsafe {
        let status = tahq_decode(
            null(),
            0,
            F32,
            out.as_mut_ptr().cast(),
            32,
            null(),
            null_mut(),
            odd.cast(),
        );
        assert_eq!((status, out), (Status::Misaligned, [0.0; 8]));
        for status in [
            tahq_decode(null(), 0, F32, null_mut(), 0, odd.cast(), null_mut(), null_mut()),
            tahq_decode(null(), 0, F32, null_mut(), 0, null(), odd.cast(), null_mut()),
            tahq_encode(
                odd.cast(),
                F32,
                null(),
                0,
                0,
                0,
                null_mut(),
                0,
                &mut size,
                null_mut(),
            ),
            tahq_encode(
                &config(),
                F32,
                odd.cast(),
                4,
                1,
                1,
                null_mut(),
                0,
                &mut size,
                null_mut(),
            ),
            tahq_encode(
                &config(),
                F32,
                null(),
                0,
                0,
                0,
                null_mut(),
                0,
                odd.cast(),
                null_mut(),
            ),
            tahq_config_init(odd.cast(), size_of::<Config>(), 0),
        ] {
            assert_eq!(status, Status::Misaligned);
        }
    }
}

#[test]
fn overlapping_buffers() {
    let d = Decode::new();
    // One block of memory that holds everything.
    let mut memory = [0u64; 256];
    let base = memory.as_mut_ptr().cast::<u8>();
    let at = |offset: usize| base.wrapping_add(offset);
    let frame_at = |offset: usize| {
        // SAFETY: within `memory`.
        unsafe { at(offset).copy_from_nonoverlapping(d.frame.as_ptr(), d.frame.len()) };
        at(offset).cast_const()
    };
    let mut error = blank();
    // SAFETY: within `memory`; the overlaps are what the functions find out.
    unsafe {
        let len = d.frame.len();
        // The last byte of one is the first of the other.
        let out = at(len.next_multiple_of(4) - 4).cast();
        let status = tahq_decode(frame_at(0), len, F32, out, BYTES, null(), null_mut(), &mut error);
        assert_eq!((status, argument(&error)), (Status::Overlap, "out"));
        assert!((0..BYTES).all(|i| out.cast::<u8>().add(i).read() == 0));
        // Side by side is apart.
        let out = at(len.next_multiple_of(4)).cast();
        let status = tahq_decode(frame_at(0), len, F32, out, BYTES, null(), null_mut(), &mut error);
        assert_eq!(status, Status::Ok);

        let out = at(1024).cast();
        let header = at(1024 + 8).cast();
        let status = tahq_decode(frame_at(0), len, F32, out, BYTES, null(), header, &mut error);
        assert_eq!((status, argument(&error)), (Status::Overlap, "out"));

        // An error within the output is not written to: the output holds zeros.
        let inner: *mut Error = at(1024 + 16).cast();
        inner.write(blank());
        let status = tahq_decode(frame_at(0), len, F32, out, BYTES, null(), null_mut(), inner);
        assert_eq!(status, Status::Overlap);
        assert!((0..BYTES).all(|i| out.cast::<u8>().add(i).read() == 0));

        // An error within the frame leaves the frame as it is.
        let inner: *mut Error = at(64).cast();
        inner.write(blank());
        let status = tahq_decode(at(0), 512, F32, at(1024).cast(), BYTES, null(), null_mut(), inner);
        assert_eq!(status, Status::Overlap);
        assert_eq!(inner.read().status, Status::Ok);

        let c: *mut Config = at(0).cast();
        c.write(config());
        let mut size = 7;
        let x = at(512).cast_const().cast();
        let status = tahq_encode(c, F32, x, 64, 1, 16, at(512 + 63), 256, &mut size, &mut error);
        assert_eq!((status, argument(&error), size), (Status::Overlap, "out", 0));
        let status = tahq_encode(c, F32, x, 64, 1, 16, at(8), 256, &mut size, &mut error);
        assert_eq!(status, Status::Overlap);
        // The table and the tensor are only read: they may be the same memory.
        (*c).table = x.cast();
        (*c).table_len = 16;
        let status = tahq_encode(c, F32, x, 64, 1, 16, at(1024), 256, &mut size, &mut error);
        assert_eq!(status, Status::Ok, "{}", text(&error));
    }
}

#[test]
fn sizes_and_structures() {
    let mut d = Decode::new();
    assert_eq!(d.refused(0, BYTES - 4, F32).0, Status::DecodeOutputLength);
    let mut d = Decode::new();
    assert_eq!(d.refused(0, BYTES + 4, F32).0, Status::DecodeOutputLength);
    let mut d = Decode::new();
    d.frame.pop();
    assert_eq!(d.refused(0, BYTES, F32).0, Status::DecodeTruncated);
    for element in [0, 4, u32::MAX] {
        let mut d = Decode::new();
        assert_eq!(
            d.refused(0, BYTES, element),
            (Status::UnknownValue, "element".into())
        );
    }
    for size in [0, 8, size_of::<DecodeOptions>() as u32 + 8, u32::MAX] {
        let mut d = Decode::new();
        d.options.struct_size = size;
        assert_eq!(d.refused(0, BYTES, F32), (Status::StructSize, "options".into()));
    }
    let mut d = Decode::new();
    d.options.level = 6;
    assert_eq!(d.refused(0, BYTES, F32), (Status::UnknownValue, "level".into()));
    if cfg!(not(target_arch = "wasm32")) {
        let mut d = Decode::new();
        d.options.level = LevelCode::Simd128 as u32;
        assert_eq!(
            d.refused(0, BYTES, F32),
            (Status::LevelUnavailable, "level".into())
        );
    }

    // An error whose size was not set is not written to.
    let mut d = Decode::new();
    d.error.struct_size = 0;
    let out = d.out.as_mut_ptr().cast();
    assert_eq!(d.run(out, BYTES, F32), Status::StructSize);
    assert_eq!(d.error.status, Status::Ok);
    assert_eq!(d.out[..ELEMENTS], [0.0; ELEMENTS]);

    // No buffer has these sizes; none is touched.
    let mut d = Decode::new();
    let out = d.out.as_mut_ptr().cast();
    for size in [usize::MAX, usize::MAX - 3, isize::MAX as usize + 1] {
        assert_eq!(d.run(out, size, F32), Status::BadSize);
    }
    assert_eq!(d.out, [7.0; ELEMENTS + 1]);
    // SAFETY: the size is what the function finds out.
    let status = unsafe {
        tahq_decode(
            d.frame.as_ptr(),
            usize::MAX,
            F32,
            out,
            BYTES,
            null(),
            null_mut(),
            null_mut(),
        )
    };
    assert_eq!((status, d.out[0]), (Status::BadSize, 0.0));

    let mut c = config();
    // SAFETY: it is there.
    let init = |c: &mut Config, size, preset| unsafe { tahq_config_init(c, size, preset) };
    assert_eq!(init(&mut c, size_of::<Config>() - 8, 0), Status::StructSize);
    assert_eq!(init(&mut c, size_of::<Config>(), 8), Status::UnknownValue);
}

#[test]
fn presets_survive() {
    use ::tahq::Config as C;
    for (preset, expected) in [
        (Preset::Int4, C::INT4),
        (Preset::Mixed, C::MIXED),
        (Preset::Int3, C::INT3),
        (Preset::Gradient, C::GRADIENT),
        (Preset::Int8, C::INT8),
        (Preset::Raw, C::RAW),
        (Preset::TahQuant, C::TAH_QUANT),
        (Preset::TahQuantToken, C::TAH_QUANT_TOKEN),
    ] {
        let mut c = config();
        // SAFETY: it is there.
        let status = unsafe { tahq_config_init(&mut c, size_of::<Config>(), preset as u32) };
        assert_eq!(status, Status::Ok);
        assert_eq!(c.checked().expect("valid"), expected);
    }
}

#[test]
fn every_knob_is_checked() {
    let refuse = |spoil: &dyn Fn(&mut Config), expected: Status, name: &str| {
        let mut c = config();
        c.allocation = config::Allocation::Mixed as u32;
        spoil(&mut c);
        let mut error = blank();
        // SAFETY: it is there.
        let status = unsafe { tahq_config_check(&c, &mut error) };
        assert_eq!((status, argument(&error)), (expected, name));
    };
    refuse(&|_| {}, Status::Ok, "");
    for bad in [99, u32::MAX] {
        refuse(&|c| c.tile_size = bad, Status::UnknownValue, "tile_size");
        refuse(&|c| c.level = bad, Status::UnknownValue, "level");
        refuse(&|c| c.allocation = bad, Status::UnknownValue, "allocation");
        refuse(&|c| c.granularity = bad, Status::UnknownValue, "granularity");
        refuse(&|c| c.rank = bad, Status::UnknownValue, "rank");
        refuse(&|c| c.rotation = bad, Status::UnknownValue, "rotation");
        refuse(&|c| c.exponents = bad, Status::UnknownValue, "exponents");
        refuse(&|c| c.fit = bad, Status::UnknownValue, "fit");
        refuse(&|c| c.rounding = bad, Status::UnknownValue, "rounding");
        refuse(&|c| c.effort = bad, Status::UnknownValue, "effort");
        refuse(&|c| c.reserved = bad, Status::UnknownValue, "reserved");
        refuse(&|c| c.hi = bad, Status::ConfigWidths, "");
        refuse(&|c| c.hi = 256 + 4, Status::ConfigWidths, "");
        refuse(&|c| c.lo = bad, Status::ConfigWidths, "");
        refuse(&|c| c.share_parts = bad, Status::ConfigShare, "");
        refuse(&|c| c.struct_size = bad, Status::StructSize, "config");
    }
    refuse(&|c| c.share_of = 0, Status::ConfigShare, "");
    refuse(&|c| (c.rotation, c.tau) = (1, f32::NAN), Status::ConfigTau, "");
    refuse(
        &|c| (c.allocation, c.prune_below) = (3, -1.0),
        Status::ConfigPrune,
        "",
    );
    // A mask of other than 0 and 1.
    let keep = [1u8, 0, 2];
    refuse(
        &|c| (c.keep, c.keep_len) = (keep.as_ptr(), 3),
        Status::UnknownValue,
        "keep",
    );
    refuse(&|c| (c.keep, c.keep_len) = (keep.as_ptr(), 2), Status::Ok, "");
}

#[test]
fn levels_have_names() {
    let detected = tahq_level_detect();
    assert_ne!(detected, 0);
    assert!(tahq_level_available(detected) && tahq_level_available(1) && !tahq_level_available(6));
    for level in ::tahq::Level::available() {
        let name = std::ffi::CString::new(level.name()).expect("no zero");
        let mut code = 0;
        // SAFETY: a string and a number.
        let status = unsafe { tahq_level_from_name(name.as_ptr(), &mut code) };
        assert_eq!(status, Status::Ok);
        assert_eq!(config::level(code).ok(), Some(level));
        // SAFETY: a static string.
        assert_eq!(unsafe { CStr::from_ptr(tahq_level_name(code)) }, &*name);
    }
    assert!(tahq_level_name(6).is_null());
}

/// The variants of an enum, read from the library's source.
fn variants(name: &str) -> BTreeSet<String> {
    let source = include_str!("../../../src/error.rs");
    let (_, rest) = source
        .split_once(&format!("pub enum {name} {{"))
        .expect("the enum");
    let (body, _) = rest.split_once("\n}").expect("its end");
    let names = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = names.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    names
        .map(|line| line.chars().take_while(char::is_ascii_alphanumeric).collect())
        .collect()
}

#[test]
fn every_error_has_a_code_of_its_own() {
    let expected: BTreeSet<_> = [("Config", 4), ("Encode", 11), ("Decode", 31)]
        .iter()
        .flat_map(|&(kind, least)| {
            let variants = variants(&format!("{kind}Error"));
            assert!(variants.len() >= least, "{kind}Error was not read");
            variants
                .into_iter()
                .map(move |variant| format!("{kind}{variant}"))
        })
        .collect();
    let codes: BTreeSet<_> = MESSAGES
        .iter()
        .filter(|(status, _)| *status as i32 >= 100)
        .map(|(status, _)| format!("{status:?}"))
        .collect();
    assert_eq!(codes, expected);
    let mut numbers: Vec<_> = MESSAGES.iter().map(|(status, _)| *status as i32).collect();
    assert!(numbers.is_sorted());
    numbers.dedup();
    assert_eq!(numbers.len(), MESSAGES.len());
    // SAFETY: a static string.
    let text = |status| unsafe { CStr::from_ptr(tahq_status_message(status)) };
    for (status, message) in MESSAGES {
        assert_eq!(text(*status as i32), *message);
    }
    assert_eq!(text(98), c"unknown status");
    assert_eq!(text(i32::MIN), c"unknown status");
}

#[test]
fn details_carry_the_numbers() {
    let detail = |fault: Fault| fault.detail();
    let e = detail(
        DecodeError::BadTransform {
            row: 3,
            tile: 5,
            found: 9,
        }
        .into(),
    );
    assert_eq!(
        (e.status, e.row, e.tile, e.found),
        (Status::DecodeBadTransform, 3, 5, 9)
    );
    assert_eq!(text(&e), "row 3, tile 5: bad transform byte 0x09");
    let e = detail(DecodeError::BadMagic { found: *b"TAHX" }.into());
    assert_eq!((e.status, e.found), (Status::DecodeBadMagic, 0x5848_4154));
    let e = detail(
        DecodeError::Checksum {
            found: 1,
            computed: 2,
        }
        .into(),
    );
    assert_eq!((e.found, e.expected), (1, 2));
    let e = detail(EncodeError::NonFinite { row: 4, channel: 8 }.into());
    assert_eq!((e.status, e.row, e.channel), (Status::EncodeNonFinite, 4, 8));
    let e = detail(
        EncodeError::OutputLength {
            needed: 4,
            available: 2,
        }
        .into(),
    );
    assert_eq!((e.needed, e.available), (4, 2));
    let e = detail(ConfigError::Widths { hi: 9, lo: 1 }.into());
    assert_eq!((e.status, e.found), (Status::ConfigWidths, 0x901));
    // The longest message fits whole.
    assert!(text(&e).ends_with("where rows are ranked"), "{}", text(&e));
    let e = detail(Fault::Argument(Status::Overlap, c"out"));
    assert_eq!(
        text(&e),
        "out: a buffer that is written to overlaps another argument"
    );
}
