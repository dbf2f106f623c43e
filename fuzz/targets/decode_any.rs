//! Arbitrary bytes as frames and as bodies, at every level and to every type: no panic, the same result at each level,
//! and zeros after an error.

use half::{bf16, f16};
use tahq::{Encoding, ExponentMode, Frame, Header, Level, SourceType};

use super::case::{Case, Output, assert_zeros, bytes, elements, filled};

pub(crate) fn run(data: &[u8]) {
    let Some(case) = Case::of(data, 0) else {
        return;
    };
    let _ = tahq::frame_len(&case.frame);
    all_ways::<f32>(&case);
    match case.choice & 3 {
        0 => all_ways::<f16>(&case),
        1 => all_ways::<bf16>(&case),
        _ => {}
    }
    views(&case);
    body(&case);
}

/// A whole frame, at every level, as elements and as bytes.
fn all_ways<E: Output>(case: &Case) {
    let len = case.elements();
    let mut first: Option<(Vec<E>, _)> = None;
    for level in Level::available() {
        let decoder = case.decoder(level);
        let mut out = filled::<E>(len, 0xa5);
        let result = decoder.decode(&case.frame, &mut out);
        if result.is_err() {
            assert_zeros(&out);
        }
        match &first {
            None => first = Some((out, result)),
            Some((expected, of_first)) => {
                assert_eq!(of_first, &result, "{}", level.name());
                assert!(bytes(expected) == bytes(&out), "{}, {}", level.name(), E::name());
            }
        }
    }
    let Some((values, result)) = first else {
        unreachable!("the level scalar is always there")
    };

    let mut out = filled::<E>(len, 0x5a);
    let element = [SourceType::F32, SourceType::F16, SourceType::Bf16][E::TYPE as usize];
    let as_bytes =
        case.decoder(Level::detect())
            .decode_bytes(&case.frame, element, bytemuck::cast_slice_mut(&mut out));
    assert_eq!(result, as_bytes);
    assert!(bytes(&out) == bytes(&values));

    // Some rows are the same rows.
    let decoder = case.decoder(Level::detect());
    let Ok(frame) = decoder.parse(&case.frame) else {
        return;
    };
    let Ok(header) = result else { return };
    let rows = u32::from(case.choice >> 2) % header.rows.saturating_add(1);
    for range in [0..rows, rows..header.rows] {
        let at = |row: u32| row as usize * header.width as usize;
        let expected = &values[at(range.start)..at(range.end)];
        let mut out = filled::<E>(expected.len(), 0xff);
        assert_eq!(Ok(()), decoder.decode_rows(&frame, range, &mut out));
        assert!(bytes(&out) == bytes(expected));
    }
}

/// What a view of a frame says is what decoding says.
fn views(case: &Case) {
    let table = case.table.as_deref();
    let parsed = Frame::parse(&case.frame, table);
    let Ok(frame) = parsed else {
        return;
    };
    let header = *frame.header();
    let again = header.to_bytes().expect("a header that was read");
    assert!(case.frame.starts_with(&again));
    assert_eq!(header.frame_len(), Ok(case.frame.len()));
    assert_eq!(tahq::frame_len(&case.frame), Ok(case.frame.len()));
    let len = elements(&header);
    if len as u64 == header.elements() {
        let mut out = filled::<f32>(len, 0xa5);
        let decoded = case.decoder(Level::detect()).decode(&case.frame, &mut out);
        assert_eq!(frame.validate(), decoded.map(|_| ()));
        for (index, row) in frame.rows(0..header.rows.min(1 << 12)) {
            assert_eq!(row.is_some(), frame.row(index).is_some());
            let Some(row) = row else { continue };
            assert!(header.encoding == Encoding::TileMixed || row.tiles() == header.tiles() as usize);
            for tile in 0..row.tiles() + 1 {
                assert!(row.code_width(tile) <= 8);
                let _ = row.descriptor(tile);
            }
            let _ = row.base();
        }
    }
    assert!(frame.row(header.rows).is_none() && !frame.row_is_hi(header.rows));
    if let Some(exponents) = frame.exponents() {
        assert_eq!(exponents.len() as u64, u64::from(header.width));
    }
}

/// The bytes behind the header as a body, with the header's fields as they come.
fn body(case: &Case) {
    let Some((b, rest)) = case.frame.split_first_chunk::<28>() else {
        return;
    };
    let word = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
    let header = Header {
        encoding: [
            Encoding::Raw,
            Encoding::Uniform,
            Encoding::TileMixed,
            Encoding::RowMixed,
        ][usize::from(b[5] & 3)],
        log2_tile: b[6],
        hi: b[7] >> 4,
        lo: b[7] & 15,
        source: [SourceType::F32, SourceType::F16, SourceType::Bf16][usize::from(b[8].wrapping_sub(1) % 3)],
        exponents: [ExponentMode::None, ExponentMode::InFrame, ExponentMode::Agreed][usize::from(b[9] % 3)],
        table_check: u16::from_le_bytes([b[10], b[11]]),
        rows: word(12),
        width: word(16),
        quota: word(20),
    };
    let rest = match header.body_len() {
        // A body of the right length, where there are bytes enough.
        Ok(len) if case.choice & 4 == 0 => rest.get(..len as usize).unwrap_or(rest),
        _ => rest,
    };
    let len = elements(&header);
    let mut first: Option<(Vec<f32>, _)> = None;
    for level in Level::available() {
        let mut out = filled::<f32>(len, 0xa5);
        let result = case.decoder(level).decode_body(&header, rest, &mut out);
        if result.is_err() {
            assert_zeros(&out);
        }
        match &first {
            None => first = Some((out, result)),
            Some((expected, of_first)) => {
                assert_eq!(of_first, &result, "{}", level.name());
                assert!(bytes(expected) == bytes(&out), "{}", level.name());
            }
        }
    }
}
