//! Every public entry of the library behind a C function, with all that it is given unknown to the compiler: settings,
//! shapes, lengths, levels, bytes. The panic handler calls a function that does not exist, so that this library links
//! only if the compiler has proved that no panic can be reached. `.ci/no-panic.sh` builds it, and requires that it
//! does not link with the feature `planted`.

#![no_std]

use core::hint::black_box;
use core::slice::{from_raw_parts, from_raw_parts_mut};

use tahq::{
    Allocation, Config, Decoder, Effort, EncodeStats, Encoder, Encoding, Event, ExponentMode, Exponents, Fit,
    Frame, Granularity, Header, Level, Plan, Rank, Rotation, Rounding, Share, SourceType, StreamDecoder,
    TileSize, bf16, f16,
};

#[cfg(not(feature = "found"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_can_be_reached() -> !;
    }
    unsafe { a_panic_can_be_reached() }
}

#[cfg(feature = "found")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        black_box(());
    }
}

#[cfg(feature = "planted")]
#[unsafe(no_mangle)]
pub extern "C" fn planted(index: usize) -> u8 {
    black_box([1, 2, 3])[index]
}

/// A slice of the caller's.
///
/// # Safety
///
/// `len` elements are at `at`.
unsafe fn slice<'a, T>(at: *const T, len: usize) -> &'a [T] {
    unsafe { from_raw_parts(at, len) }
}

/// As [`slice`], to write to.
unsafe fn slice_mut<'a, T>(at: *mut T, len: usize) -> &'a mut [T] {
    unsafe { from_raw_parts_mut(at, len) }
}

fn optional<T>(slice: &[T], there: bool) -> Option<&[T]> {
    there.then_some(slice)
}

/// Settings as numbers that mean something whatever they are.
#[repr(C)]
pub struct Settings {
    tile: u8,
    hi: u8,
    lo: u8,
    allocation: u8,
    rotation: u8,
    exponents: u8,
    fit: u8,
    rounding: u8,
    effort: u8,
    granularity: u8,
    rank: u8,
    level: u8,
    with_table: bool,
    with_mask: bool,
    share: [u32; 2],
    below: f32,
    tau: f32,
    min_rows: u32,
    sample: u32,
    seed: u64,
}

impl Settings {
    fn config(&self) -> Config {
        Config {
            tile: match self.tile {
                0 => TileSize::G32,
                1 => TileSize::G64,
                _ => TileSize::G128,
            },
            hi: self.hi,
            lo: self.lo,
            allocation: match self.allocation {
                0 => Allocation::Raw,
                1 => Allocation::Uniform,
                2 => Allocation::Prune { below: self.below },
                _ => Allocation::Mixed {
                    granularity: match self.granularity {
                        0 => Granularity::Row,
                        _ => Granularity::Tile,
                    },
                    share: Share {
                        parts: self.share[0],
                        of: self.share[1],
                    },
                    rank: match self.rank {
                        0 => Rank::Entropy,
                        _ => Rank::Range,
                    },
                },
            },
            rotation: match self.rotation {
                0 => Rotation::Never,
                1 => Rotation::Ratio { tau: self.tau },
                _ => Rotation::Narrower,
            },
            exponents: match self.exponents {
                0 => Exponents::None,
                1 => Exponents::InFrame,
                2 => Exponents::Agreed,
                _ => Exponents::Estimated {
                    min_rows: self.min_rows,
                    sample: self.sample,
                },
            },
            fit: match self.fit {
                0 => Fit::Range,
                _ => Fit::LeastError,
            },
            rounding: match self.rounding {
                0 => Rounding::Nearest,
                _ => Rounding::Stochastic { seed: self.seed },
            },
            effort: match self.effort {
                0 => Effort::Fast,
                1 => Effort::Balanced,
                _ => Effort::Best,
            },
        }
    }

    fn level(&self) -> Level {
        level(self.level)
    }

    fn encoder<'a>(&self, table: &'a [i8], keep: &'a [bool]) -> Option<Encoder<'a>> {
        let mut encoder = Encoder::new(self.config()).ok()?.with_level(self.level());
        if self.with_table {
            encoder = encoder.with_exponents(table);
        }
        if self.with_mask {
            encoder = encoder.with_mask(keep);
        }
        Some(encoder)
    }
}

fn level(number: u8) -> Level {
    Level::available().nth(number.into()).unwrap_or_default()
}

fn source(number: u8) -> SourceType {
    match number {
        0 => SourceType::F32,
        1 => SourceType::F16,
        _ => SourceType::Bf16,
    }
}

fn decoder(level: Level, table: Option<&[i8]>) -> Decoder<'_> {
    let decoder = Decoder::new().with_level(level);
    match table {
        Some(table) => decoder.with_exponents(table),
        None => decoder,
    }
}

/// A header as a transport may hand it on: nothing in it is checked.
#[repr(C)]
pub struct Fields {
    encoding: u8,
    log2_tile: u8,
    hi: u8,
    lo: u8,
    source: u8,
    exponents: u8,
    table_check: u16,
    rows: u32,
    width: u32,
    quota: u32,
}

impl Fields {
    fn header(&self) -> Header {
        Header {
            encoding: match self.encoding {
                0 => Encoding::Raw,
                1 => Encoding::Uniform,
                2 => Encoding::TileMixed,
                _ => Encoding::RowMixed,
            },
            log2_tile: self.log2_tile,
            hi: self.hi,
            lo: self.lo,
            source: source(self.source),
            exponents: match self.exponents {
                0 => ExponentMode::None,
                1 => ExponentMode::InFrame,
                _ => ExponentMode::Agreed,
            },
            table_check: self.table_check,
            rows: self.rows,
            width: self.width,
            quota: self.quota,
        }
    }
}

/// The entries that are generic over the element type.
macro_rules! entries {
    ($element:ty: $encode:ident, $encode_with_stats:ident, $encode_body:ident, $plan:ident, $decode:ident,
     $decode_body:ident, $decode_rows:ident, $estimate:ident, $delta:ident, $push:ident, $stream:ident) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $encode(
            settings: &Settings,
            x: *const $element,
            len: usize,
            rows: u32,
            width: u32,
            table: *const i8,
            table_len: usize,
            keep: *const bool,
            keep_len: usize,
            out: *mut u8,
            out_len: usize,
        ) -> usize {
            let (table, keep) = unsafe { (slice(table, table_len), slice(keep, keep_len)) };
            let (x, out) = unsafe { (slice(x, len), slice_mut(out, out_len)) };
            let Some(encoder) = settings.encoder(table, keep) else {
                return 0;
            };
            encoder.encode(x, rows, width, out).unwrap_or(0)
        }

        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $encode_with_stats(
            settings: &Settings,
            x: *const $element,
            len: usize,
            rows: u32,
            width: u32,
            table: *const i8,
            table_len: usize,
            keep: *const bool,
            keep_len: usize,
            out: *mut u8,
            out_len: usize,
            stats: &mut EncodeStats,
        ) -> bool {
            let (table, keep) = unsafe { (slice(table, table_len), slice(keep, keep_len)) };
            let (x, out) = unsafe { (slice(x, len), slice_mut(out, out_len)) };
            let Some(encoder) = settings.encoder(table, keep) else {
                return false;
            };
            match encoder.encode_with_stats(x, rows, width, out) {
                Ok(result) => {
                    stats.merge(&result);
                    true
                }
                Err(_) => false,
            }
        }

        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $encode_body(
            settings: &Settings,
            x: *const $element,
            len: usize,
            rows: u32,
            width: u32,
            table: *const i8,
            table_len: usize,
            keep: *const bool,
            keep_len: usize,
            out: *mut u8,
            out_len: usize,
            header: &mut Option<Header>,
        ) -> usize {
            let (table, keep) = unsafe { (slice(table, table_len), slice(keep, keep_len)) };
            let (x, out) = unsafe { (slice(x, len), slice_mut(out, out_len)) };
            let Some(encoder) = settings.encoder(table, keep) else {
                return 0;
            };
            match encoder.encode_body(x, rows, width, out) {
                Ok((of_body, len)) => {
                    *header = Some(of_body);
                    len
                }
                Err(_) => 0,
            }
        }

        /// The plan goes out and comes back in, as if its rows were encoded by threads.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $plan(
            settings: &Settings,
            x: *const $element,
            len: usize,
            rows: u32,
            width: u32,
            table: *const i8,
            table_len: usize,
            keep: *const bool,
            keep_len: usize,
            out: *mut u8,
            out_len: usize,
            first: u32,
            end: u32,
            piece: *mut u8,
            piece_len: usize,
            stats: &mut EncodeStats,
        ) -> usize {
            let (table, keep) = unsafe { (slice(table, table_len), slice(keep, keep_len)) };
            let (x, out) = unsafe { (slice(x, len), slice_mut(out, out_len)) };
            let Some(encoder) = settings.encoder(table, keep) else {
                return 0;
            };
            let Ok((plan, blocks)) = encoder.plan(x, rows, width, out) else {
                return 0;
            };
            let plan: Plan<'_> = black_box(plan);
            let blocks = black_box(blocks);
            let piece = unsafe { slice_mut(piece, piece_len) };
            black_box(plan.header());
            let _ = black_box(plan.row_bytes(first..end));
            let _ = black_box(plan.encode_rows(first..end, x, piece));
            if let Ok(result) = plan.encode_rows_with_stats(first..end, x, piece) {
                stats.merge(&result);
            }
            plan.seal(blocks).unwrap_or(0)
        }

        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $decode(
            number: u8,
            frame: *const u8,
            frame_len: usize,
            table: *const i8,
            table_len: usize,
            with_table: bool,
            out: *mut $element,
            len: usize,
        ) -> bool {
            let (frame, table) = unsafe { (slice(frame, frame_len), slice(table, table_len)) };
            let out = unsafe { slice_mut(out, len) };
            decoder(level(number), optional(table, with_table))
                .decode(frame, out)
                .is_ok()
        }

        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $decode_body(
            number: u8,
            fields: &Fields,
            body: *const u8,
            body_len: usize,
            table: *const i8,
            table_len: usize,
            with_table: bool,
            out: *mut $element,
            len: usize,
        ) -> bool {
            let (body, table) = unsafe { (slice(body, body_len), slice(table, table_len)) };
            let out = unsafe { slice_mut(out, len) };
            decoder(level(number), optional(table, with_table))
                .decode_body(&fields.header(), body, out)
                .is_ok()
        }

        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $decode_rows(
            number: u8,
            frame: *const u8,
            frame_len: usize,
            table: *const i8,
            table_len: usize,
            with_table: bool,
            first: u32,
            end: u32,
            out: *mut $element,
            len: usize,
        ) -> bool {
            let (frame, table) = unsafe { (slice(frame, frame_len), slice(table, table_len)) };
            let out = unsafe { slice_mut(out, len) };
            let decoder = decoder(level(number), optional(table, with_table));
            let Ok(frame) = decoder.parse(frame) else {
                return false;
            };
            decoder
                .decode_rows(&black_box(frame), first..end, out)
                .is_ok()
        }

        /// Bytes of a stream, until there is something to tell.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $push(
            decoder: &mut StreamDecoder<'static, CAPACITY>,
            bytes: *const u8,
            bytes_len: usize,
            row: *mut $element,
            len: usize,
            event: &mut Option<Event>,
        ) -> usize {
            let (mut bytes, row) = unsafe { (slice(bytes, bytes_len), slice_mut(row, len)) };
            if let Ok(told) = decoder.push(&mut bytes, row) {
                *event = told;
            }
            bytes.len()
        }

        /// A frame row by row.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $stream(
            settings: &Settings,
            x: *const $element,
            len: usize,
            rows: u32,
            width: u32,
            table: *const i8,
            table_len: usize,
            keep: *const bool,
            keep_len: usize,
            out: *mut u8,
            out_len: usize,
        ) -> usize {
            let (table, keep) = unsafe { (slice(table, table_len), slice(keep, keep_len)) };
            let (x, out) = unsafe { (slice(x, len), slice_mut(out, out_len)) };
            let Some(encoder) = settings.encoder(table, keep) else {
                return 0;
            };
            let Ok((stream, begun)) = encoder.stream::<$element>(rows, width, out) else {
                return 0;
            };
            let mut stream = black_box(stream);
            black_box((stream.header(), stream.next_row()));
            let row = stream.row(x, out).unwrap_or(0);
            let end = stream.finish(out).unwrap_or(0);
            begun.wrapping_add(row).wrapping_add(end)
        }

        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $estimate(
            x: *const $element,
            len: usize,
            rows: u32,
            width: u32,
            sample: u32,
            table: *mut i8,
            table_len: usize,
        ) {
            let (x, table) = unsafe { (slice(x, len), slice_mut(table, table_len)) };
            tahq::estimate_exponents(x, rows, width, sample, table);
        }

        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $delta(
            settings: &Settings,
            x: *const $element,
            len: usize,
            rows: u32,
            width: u32,
            table: *const i8,
            table_len: usize,
            reference: *mut f32,
            reference_len: usize,
            scratch: *mut f32,
            scratch_len: usize,
            out: *mut u8,
            out_len: usize,
        ) -> bool {
            let (x, out) = unsafe { (slice(x, len), slice_mut(out, out_len)) };
            let table = unsafe { slice(table, table_len) };
            let reference = unsafe { slice_mut(reference, reference_len) };
            let scratch = unsafe { slice_mut(scratch, scratch_len) };
            let Some(encoder) = settings.encoder(table, &[]) else {
                return false;
            };
            let encoded = tahq::delta::encode(&encoder, x, reference, rows, width, scratch, out);
            let decoder = decoder(settings.level(), optional(table, settings.with_table));
            encoded.is_ok() && tahq::delta::apply(&decoder, out, reference, scratch).is_ok()
        }
    };
}

entries!(f32: encode_f32, encode_with_stats_f32, encode_body_f32, plan_f32, decode_f32, decode_body_f32,
    decode_rows_f32, estimate_f32, delta_f32, push_f32, stream_f32);
entries!(f16: encode_f16, encode_with_stats_f16, encode_body_f16, plan_f16, decode_f16, decode_body_f16,
    decode_rows_f16, estimate_f16, delta_f16, push_f16, stream_f16);
entries!(bf16: encode_bf16, encode_with_stats_bf16, encode_body_bf16, plan_bf16, decode_bf16, decode_body_bf16,
    decode_rows_bf16, estimate_bf16, delta_bf16, push_bf16, stream_bf16);

#[unsafe(no_mangle)]
pub unsafe extern "C" fn encode_bytes(
    settings: &Settings,
    element: u8,
    x: *const u8,
    len: usize,
    rows: u32,
    width: u32,
    out: *mut u8,
    out_len: usize,
) -> usize {
    let (x, out) = unsafe { (slice(x, len), slice_mut(out, out_len)) };
    let Some(encoder) = settings.encoder(&[], &[]) else {
        return 0;
    };
    encoder
        .encode_bytes(source(element), x, rows, width, out)
        .unwrap_or(0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn decode_bytes(
    number: u8,
    element: u8,
    frame: *const u8,
    frame_len: usize,
    out: *mut u8,
    len: usize,
) -> bool {
    let (frame, out) = unsafe { (slice(frame, frame_len), slice_mut(out, len)) };
    decoder(level(number), None)
        .decode_bytes(frame, source(element), out)
        .is_ok()
}

/// Every view of a frame.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn views(
    frame: *const u8,
    frame_len: usize,
    table: *const i8,
    table_len: usize,
    with_table: bool,
    fields: Option<&Fields>,
    number: u32,
    tile: usize,
    end: u32,
) -> u64 {
    let (bytes, table) = unsafe { (slice(frame, frame_len), slice(table, table_len)) };
    let table = optional(table, with_table);
    let _ = black_box(tahq::frame_len(bytes));
    let _ = black_box(Header::parse(bytes));
    let frame = match fields {
        Some(fields) => Frame::from_body(fields.header(), bytes, table),
        None => Frame::parse(bytes, table),
    };
    let Ok(frame) = frame else { return 0 };
    let frame = black_box(frame);
    let _ = black_box(frame.validate());
    black_box((frame.header(), frame.exponents(), frame.row_is_hi(number)));
    let mut sum = 0u64;
    let rows = frame.rows(number..end).map(|(_, row)| row);
    for row in rows.chain([frame.row(number)]).flatten() {
        let row = black_box(row);
        let pivot = row.descriptor(tile).and_then(|descriptor| descriptor.pivot);
        let tiles = row.tiles() as u64;
        sum = sum.wrapping_add(tiles).wrapping_add(
            u64::from(row.base()) + u64::from(row.code_width(tile)) + u64::from(pivot.unwrap_or(0)),
        );
    }
    sum
}

/// Bytes that a stream decoder holds.
const CAPACITY: usize = 1000;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn stream_begin(
    decoder: &mut StreamDecoder<'static, CAPACITY>,
    number: u8,
    table: *const i8,
    table_len: usize,
    with_table: bool,
) {
    *decoder = StreamDecoder::new().with_level(level(number));
    if with_table {
        *decoder = decoder.clone().with_exponents(unsafe { slice(table, table_len) });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn stream_finish(decoder: &mut StreamDecoder<'static, CAPACITY>) -> u64 {
    match decoder.finish() {
        Ok(()) => decoder.position(),
        Err(error) => error.position,
    }
}

/// Sizes and names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn values(
    settings: &Settings,
    fields: &Fields,
    rows: u32,
    width: u32,
    element: u8,
    table: *const i8,
    table_len: usize,
    name: *const u8,
    name_len: usize,
    stats: &EncodeStats,
) -> u64 {
    let (table, name) = unsafe { (slice(table, table_len), slice(name, name_len)) };
    let config = settings.config();
    let _ = black_box(config.validate());
    let _ = black_box(config.max_frame_len(rows, width, source(element)));
    let header = fields.header();
    let _ = black_box((header.validate(), header.body_len(), header.frame_len()));
    let _ = black_box(header.to_bytes());
    let _ = black_box((
        header.stream_capacity(),
        config.stream_capacity(rows, width, source(element)),
    ));
    black_box((
        header.is_empty(),
        header.tile_len(),
        header.tiles(),
        header.elements(),
    ));
    black_box(tahq::table_check(table));
    black_box((
        stats.bits_per_element(),
        stats.rotated_share(),
        stats.high_share(),
        stats.nmse(),
    ));
    if let Ok(name) = core::str::from_utf8(name) {
        black_box(Level::named(name));
    }
    Level::available().map(|level| level.name().len() as u64).sum()
}
