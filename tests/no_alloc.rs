//! No entry of the library allocates: the allocator of this program counts, for the thread that asks it to.
// A global allocator cannot be had without.
#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use tahq::{
    Config, Decoder, Effort, Element, EncodeStats, Encoder, Exponents, Frame, Header, Level, SourceType,
    StreamDecoder, TileSize, bf16, delta, estimate_exponents, f16,
};

struct Counting;

thread_local! {
    /// How often this thread allocated, where that is counted.
    static COUNT: Cell<Option<usize>> = const { Cell::new(None) };
}

fn note() {
    COUNT.with(|count| count.set(count.get().map(|n| n + 1)));
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are those that the callee asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note();
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work`, which may not allocate.
#[track_caller]
fn silent<T>(work: impl FnOnce() -> T) -> T {
    let (result, count) = counted(work);
    assert_eq!(count, 0, "allocations");
    result
}

fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    COUNT.set(Some(0));
    let result = work();
    let count = COUNT.replace(None).expect("set above");
    (result, count)
}

#[test]
fn allocations_are_counted() {
    let (boxed, count) = counted(|| black_box(Box::new(1)));
    assert_eq!((*boxed, count), (1, 1));
    let ((), count) = counted(|| drop(boxed));
    assert_eq!(count, 1);
}

#[test]
fn no_entry_allocates() {
    let mut calls = 0;
    for preset in common::presets() {
        for effort in [Effort::Fast, Effort::Balanced, Effort::Best] {
            for tile in [TileSize::G32, TileSize::G64, TileSize::G128] {
                for exponents in [Exponents::InFrame, preset.exponents] {
                    for level in Level::available() {
                        let config = Config {
                            effort,
                            tile,
                            exponents,
                            ..preset
                        };
                        every_entry::<f32>(config, level);
                        every_entry::<f16>(config, level);
                        every_entry::<bf16>(config, level);
                        calls += 1;
                    }
                }
            }
        }
    }
    assert_eq!(calls, 8 * 3 * 3 * 2 * Level::available().count());
}

fn every_entry<E: Element>(config: Config, level: Level) {
    let (rows, width) = (33, 150);
    let x: Vec<E> = (0..rows * width)
        .map(|i| E::from_f32((i as f32 * 0.37).sin() * if i % 41 == 0 { 30.0 } else { 1.0 }))
        .collect();
    let mut table = vec![0i8; width as usize];
    let bound = silent(|| config.max_frame_len(rows, width, E::SOURCE)).expect("a small frame");
    let mut frame = vec![0; bound];
    let mut other = vec![0; bound];
    let mut y = vec![E::from_f32(0.0); x.len()];
    let mut scratch = vec![0.0f32; x.len()];
    let mut reference = vec![0.0f32; x.len()];

    let len = silent(|| {
        estimate_exponents(&x, rows, width, 0, &mut table);
        let encoder = Encoder::new(config)
            .expect("a valid configuration")
            .with_level(level)
            .with_exponents(&table);
        let len = encoder.encode(&x, rows, width, &mut frame).expect("encodes");
        let stats: EncodeStats = encoder
            .encode_with_stats(&x, rows, width, &mut other)
            .expect("encodes");
        assert_eq!(stats.bytes, len);
        let (plan, blocks) = encoder.plan(&x, rows, width, &mut other).expect("encodes");
        for range in [0..7, 7..rows] {
            let elements = (range.start * width) as usize..(range.end * width) as usize;
            let bytes = plan.row_bytes(range.clone()).expect("rows");
            plan.encode_rows(range, &x[elements], &mut blocks[bytes])
                .expect("encodes");
        }
        assert_eq!(plan.seal(blocks), Ok(len));
        encoder.encode_body(&x, rows, width, &mut other).expect("encodes");
        // Row by row, where that gives a frame.
        if let Ok((mut stream, _)) = encoder.stream::<E>(rows, width, &mut other) {
            for x in x.chunks(width as usize) {
                stream.row(x, &mut other).expect("encodes");
            }
            stream.finish(&mut other).expect("every row is there");
        }
        len
    });
    let frame = &frame[..len];
    silent(|| {
        let decoder = Decoder::new().with_level(level).with_exponents(&table);
        decoder.decode(frame, &mut y).expect("decodes");
        decoder
            .decode_bytes(frame, E::SOURCE, bytemuck::cast_slice_mut(&mut y))
            .expect("decodes");
        let (header, body_len) = Header::parse(frame).expect("a header");
        decoder
            .decode_body(&header, &frame[28..28 + body_len as usize], &mut y)
            .expect("decodes");
        let view: Frame<'_> = decoder.parse(frame).expect("a frame");
        assert_eq!(view.validate(), Ok(()));
        decoder
            .decode_rows(&view, 3..5, &mut y[..2 * width as usize])
            .expect("decodes");
        let tiles: usize = view
            .rows(0..rows)
            .filter_map(|(_, row)| row)
            .map(|row| row.tiles())
            .sum();
        assert_eq!(tiles == 0, header.tiles() == 0);
        assert!(decoder.decode(&frame[..len - 1], &mut y).is_err());

        let mut stream = StreamDecoder::<2000>::new()
            .with_level(level)
            .with_exponents(&table);
        let mut told = 0;
        for mut piece in frame.chunks(77) {
            while stream.push(&mut piece, &mut y).expect("decodes").is_some() {
                told += 1;
            }
        }
        assert_eq!(told, rows + 2);
        assert_eq!(stream.finish(), Ok(()));

        if E::SOURCE == SourceType::F32 {
            let encoder = Encoder::new(config)
                .expect("a valid configuration")
                .with_level(level)
                .with_exponents(&table);
            let len = delta::encode(&encoder, &x, &reference, rows, width, &mut scratch, &mut other)
                .expect("encodes");
            delta::apply(&decoder, &other[..len], &mut reference, &mut scratch).expect("decodes");
        }
    });
}
