//! Frames with a valid header and the right checksum, their bodies arbitrary, against the reference implementation:
//! the same bits, or refused by both.

use half::{bf16, f16};
use tahq::Level;

use super::case::{Case, Output, SHAPE, assert_zeros, filled, is_nan};
use super::reference::{self, Encoding, Fault, SourceType};

pub(crate) fn run(data: &[u8]) {
    let Some(case) = Case::of(data, SHAPE) else {
        return;
    };
    match case.choice & 3 {
        0 => compare::<f16>(&case),
        1 => compare::<bf16>(&case),
        _ => compare::<f32>(&case),
    }
}

fn expected<E: Output>(case: &Case) -> Result<(reference::Header, Vec<u32>), Fault> {
    let (frame, table) = (&case.frame, case.table.as_deref());
    let wide = |decoded: reference::Decoded<u16>| {
        (decoded.header, decoded.bits.into_iter().map(u32::from).collect())
    };
    match E::TYPE {
        SourceType::F32 => reference::decode(frame, table).map(|decoded| (decoded.header, decoded.bits)),
        SourceType::F16 => reference::decode_f16(frame, table).map(wide),
        SourceType::Bf16 => reference::decode_bf16(frame, table).map(wide),
    }
}

fn compare<E: Output>(case: &Case) {
    let expected = expected::<E>(case);
    for level in Level::available() {
        let mut out = filled::<E>(case.elements(), 0xa5);
        let decoded = case.decoder(level).decode(&case.frame, &mut out);
        match (&expected, decoded) {
            (Ok((header, bits)), Ok(_)) => {
                // A NaN that changes its type may change its sign and payload.
                let converts = header.encoding == Encoding::Raw && header.source != E::TYPE;
                assert_eq!(bits.len(), out.len());
                for (i, (&expected, out)) in bits.iter().zip(&out).enumerate() {
                    let got = out.bits();
                    assert!(
                        expected == got || converts && is_nan(expected, E::TYPE) && is_nan(got, E::TYPE),
                        "{}, {}, element {i}: {got:#x}, should be {expected:#x}; {header:?}",
                        level.name(),
                        E::name()
                    );
                }
            }
            (Err(_), Err(_)) => assert_zeros(&out),
            (Ok((header, _)), Err(error)) => {
                panic!("{}: refused a valid frame: {error:?}; {header:?}", level.name())
            }
            (Err(fault), Ok(header)) => {
                panic!("{}: accepted a frame with {fault:?}; {header:?}", level.name())
            }
        }
    }
}
