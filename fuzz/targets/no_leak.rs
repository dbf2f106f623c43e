//! Nothing that was in a buffer before a call is in it afterwards: every call is made over two fills.

use half::{bf16, f16};
use tahq::{Config, DecodeError, Encoder, Frame, Level, delta};

use super::case::{Case, Output, assert_zeros, bytes, filled};

const FILLS: [u8; 2] = [0xa5, 0x3c];

pub(crate) fn run(data: &[u8]) {
    let Some(case) = Case::of(data, 0) else {
        return;
    };
    match case.choice & 3 {
        0 => frames::<f16>(&case),
        1 => frames::<bf16>(&case),
        _ => frames::<f32>(&case),
    }
    deltas(&case);
}

/// The result of `decode` over both fills, which must be the same one.
fn twice<E: Output, T: PartialEq + std::fmt::Debug>(
    len: usize,
    mut decode: impl FnMut(&mut [E]) -> Result<T, DecodeError>,
) -> Option<Vec<E>> {
    let [first, second] = FILLS.map(|fill| {
        let mut out = filled::<E>(len, fill);
        let result = decode(&mut out);
        if result.is_err() {
            assert_zeros(&out);
        }
        (out, result)
    });
    assert_eq!(first.1, second.1);
    assert!(
        bytes(&first.0) == bytes(&second.0),
        "what was in the buffer shows in the result"
    );
    first.1.is_ok().then_some(first.0)
}

fn frames<E: Output>(case: &Case) {
    let len = case.elements();
    for level in Level::available() {
        let decoder = case.decoder(level);
        let whole = twice::<E, _>(len, |out| decoder.decode(&case.frame, out));
        if let Ok(frame) = decoder.parse(&case.frame) {
            rows::<E>(case, &decoder, &frame);
        }
        if let Some(values) = whole {
            encoded(case, level, &values);
        }
    }
    // A buffer of a wrong length.
    let _ = twice::<E, _>(len + 1, |out| {
        case.decoder(Level::detect()).decode(&case.frame, out)
    });
}

/// Rows of a frame that may be broken in others.
fn rows<E: Output>(case: &Case, decoder: &tahq::Decoder<'_>, frame: &Frame<'_>) {
    let header = frame.header();
    let start = u32::from(case.choice >> 2).min(header.rows);
    for end in [start.saturating_add(1), header.rows] {
        let len = u64::from(end.min(header.rows) - start) * u64::from(header.width);
        let len = if len > super::case::MOST { 43 } else { len as usize };
        let _ = twice::<E, _>(len, |out| decoder.decode_rows(frame, start..end, out));
    }
}

/// The values encoded once more, into two fills of the frame's buffer.
fn encoded<E: Output>(case: &Case, level: Level, values: &[E]) {
    let Ok((header, _)) = tahq::Header::parse(&case.frame) else {
        return;
    };
    let presets = [
        Config::INT4,
        Config::MIXED,
        Config::GRADIENT,
        Config::TAH_QUANT,
        Config::TAH_QUANT_TOKEN,
        Config::RAW,
    ];
    let config = presets[usize::from(case.choice >> 2) % presets.len()];
    let Ok(encoder) = Encoder::new(config).map(|encoder| encoder.with_level(level)) else {
        unreachable!("a preset is valid")
    };
    let Ok(bound) = config.max_frame_len(header.rows, header.width, E::SOURCE) else {
        return;
    };
    let [first, second] = FILLS.map(|fill| {
        let mut frame = vec![fill; bound];
        let result = encoder.encode(values, header.rows, header.width, &mut frame);
        frame.truncate(*result.as_ref().unwrap_or(&0));
        (frame, result)
    });
    assert_eq!(first, second, "what was in the buffer shows in the frame");
}

/// A difference that is refused leaves the reference as it was, and the scratch zeros.
fn deltas(case: &Case) {
    let len = case.elements();
    let decoder = case.decoder(Level::detect());
    let [first, second] = FILLS.map(|fill| {
        let mut reference = vec![1.5f32; len];
        let mut scratch = filled::<f32>(len, fill);
        let result = delta::apply(&decoder, &case.frame, &mut reference, &mut scratch);
        if result.is_err() {
            assert!(reference.iter().all(|&x| x == 1.5));
            assert_zeros(&scratch);
        }
        (reference, result)
    });
    assert_eq!(first.1, second.1);
    assert!(bytes(&first.0) == bytes(&second.0));
}
