//! Decoding without vectors, for the scalar level: small, and within some hundred bytes of stack, as microcontrollers
//! want it. Whatever the tile size, one loop serves it.

use core::ops::Range;

use super::bad_transform;
use crate::arch;
use crate::checksum::Shares;
use crate::element::Element;
use crate::error::DecodeError;
use crate::frame::{Descriptor, Frame, Row};
use crate::pack;
use crate::part::{from, part_mut, split};
use crate::quantise::wire_unit;
use crate::tile::{MAX_TILE, power_of_two};

/// Decodes `rows` of a frame that is not raw.
pub(super) fn decode_rows<E: Element>(
    frame: &Frame<'_>,
    rows: Range<u32>,
    out: &mut [E],
    shares: &mut Shares<'_>,
) -> Result<(), DecodeError> {
    let outs = out.chunks_exact_mut((frame.header().width as usize).max(1));
    for ((index, row), out) in frame.rows(rows).zip(outs) {
        shares.before_row();
        match row {
            Some(row) => decode_row(&row, frame.header().tile_len(), index, frame.exponents(), out)?,
            None => out.fill(E::from_f32(0.0)),
        }
    }
    Ok(())
}

fn decode_row<E: Element>(
    row: &Row<'_>,
    tile_len: usize,
    index: u32,
    exponents: Option<&[i8]>,
    out: &mut [E],
) -> Result<(), DecodeError> {
    row.validate_prefix(index)?;
    let mut packed = row.codes();
    let tiles = out.chunks_mut(tile_len.max(1)).zip(row.descriptors());
    for (t, (out, bytes)) in tiles.enumerate() {
        if !decode_next(row, tile_len, t, bytes, &mut packed, exponents, out) {
            return Err(bad_transform(index, t, bytes));
        }
    }
    Ok(())
}

/// Decodes tile `t` of a row, of descriptor `bytes`, whose codes `packed` starts with, and takes them off; whether its
/// transform means something.
#[inline(always)]
pub(crate) fn decode_next<E: Element>(
    row: &Row<'_>,
    tile_len: usize,
    t: usize,
    bytes: &[u8; 4],
    packed: &mut &[u8],
    exponents: Option<&[i8]>,
    out: &mut [E],
) -> bool {
    let Ok(descriptor) = Descriptor::parse(*bytes, tile_len) else {
        return false;
    };
    let width = row.code_width(t);
    let (own, rest) = split(packed, pack::packed_len(tile_len, width));
    *packed = rest;
    let mut codes = [0; MAX_TILE];
    let codes = part_mut(&mut codes, 0..tile_len);
    pack::unpack_each(own, width, codes);
    let exponents = exponents.map(|table| from(table, t * tile_len));
    decode_tile(codes, descriptor, row.base(), exponents, out);
    true
}

/// Decodes the tile of `codes`, which are lost, to `out`, which may be shorter where the row ends. `exponents` are those
/// from the tile's first channel on.
pub(crate) fn decode_tile<E: Element>(
    codes: &mut [i16],
    descriptor: Descriptor,
    base: u8,
    exponents: Option<&[i8]>,
    out: &mut [E],
) {
    let unit = wire_unit(base, descriptor.unit);
    let zero_point = i32::from(descriptor.zero_point);
    let Some(pivot) = descriptor.pivot else {
        scale(
            out,
            exponents,
            unit,
            codes.iter().map(|&n| 8 * i32::from(n) + zero_point),
        );
        return;
    };
    let pivot = usize::from(pivot);
    arch::wht_integers(codes, pivot);
    scale(out, exponents, unit, codes.iter().map(|&n| 8 * i32::from(n)));
    // The zero point is the pivot's alone, all of its share.
    if let (Some(out), Some(&n)) = (out.get_mut(pivot..=pivot), codes.get(pivot)) {
        let n = 8 * i32::from(n) + codes.len() as i32 * zero_point;
        let exponents = exponents.map(|table| from(table, pivot));
        scale(out, exponents, unit, core::iter::once(n));
    }
}

/// Integers times the unit, and times the powers of their channels.
#[inline(always)]
fn scale<E: Element>(
    out: &mut [E],
    exponents: Option<&[i8]>,
    unit: f32,
    integers: impl Iterator<Item = i32>,
) {
    let values = out.iter_mut().zip(integers);
    match exponents {
        None => values.for_each(|(out, n)| *out = E::from_f32(n as f32 * unit)),
        Some(table) => values.zip(table).for_each(|((out, n), &k)| {
            let power = power_of_two(k);
            *out = E::from_f32(n as f32 * unit * power);
        }),
    }
}
