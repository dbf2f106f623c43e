//! Uniform frames of 64 nibbles a tile into f32, at levels that transform nibbles from the packed bytes on.
//!
//! A whole tile is multiplied by its step, eight units, and the zero point is added to the one element that has it
//! afterwards, as a product of its own. That is exact as long as no product overflows which the sum would have brought
//! back.

use core::ops::Range;

use crate::arch::{LANES, Part, Simd, array};
use crate::checksum::Shares;
use crate::error::DecodeError;
use crate::exponents;
use crate::frame::{DescriptorWord, Frame, Pivots, Row};
use crate::part::{split, split_mut};
use crate::quantise::wire_unit;

use super::powers::{Powers, TilePowers};
use super::{One, Tail, holds_nibbles};

/// Elements of a tile, and vectors.
const G: usize = 64;
const N: usize = G / LANES;

/// Whether [`Rows`] are what `frame` has.
pub(super) fn holds(frame: &Frame<'_>) -> bool {
    holds_nibbles(frame) && frame.header().tile_len() == G
}

/// Whether no product overflows and all units are normal, times the channels' powers as well, in a row of this base.
#[inline(always)]
fn is_exact(base: u8, (least, most): (i32, i32)) -> bool {
    // Biased exponents of units are 1 to 32 above the base, and a sum is below 2^23 of them.
    let base = i32::from(base);
    base + least >= 0 && base + 32 + 23 + most.max(0) <= 254
}

/// Rows of a frame that [`holds`] them.
pub(super) struct Rows<'k, 'b> {
    pub(super) frame: &'k Frame<'k>,
    pub(super) rows: Range<u32>,
    pub(super) out: &'k mut [f32],
    pub(super) shares: &'k mut Shares<'b>,
}

impl<S: Simd> Part<S> for Rows<'_, '_> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run(self, s: S) -> Self::Output {
        let header = self.frame.header();
        let powers = Powers::of::<S, f32>(s, self.frame.exponents());
        let extremes = exponents::extremes(powers.exponents());
        // The last rows have room for the powers of all others' channels, until they are decoded themselves.
        let others = powers.rows_before::<f32>(self.rows.end - self.rows.start);
        let (own, last) = split_mut(self.out, others as usize * header.width as usize);
        let middle = self.rows.start + others;
        if others > 0 {
            s.outline(Alike {
                frame: self.frame,
                rows: self.rows.start..middle,
                powers: powers.ready(s, last),
                extremes,
                out: own,
                shares: self.shares,
            })?;
        }
        s.outline(Alike {
            frame: self.frame,
            rows: middle..self.rows.end,
            powers,
            extremes,
            out: last,
            shares: self.shares,
        })
    }
}

/// Rows that are multiplied by the same powers.
struct Alike<'s, 'k, 'b> {
    frame: &'k Frame<'k>,
    rows: Range<u32>,
    powers: Powers<'s>,
    /// The least exponent and the largest.
    extremes: (i32, i32),
    out: &'s mut [f32],
    shares: &'s mut Shares<'b>,
}

impl<S: Simd> Part<S> for Alike<'_, '_, '_> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run(self, s: S) -> Self::Output {
        let powers = self.powers;
        let outs = self
            .out
            .chunks_exact_mut((self.frame.header().width as usize).max(1));
        for ((index, row), out) in self.frame.uniform_rows(self.rows).zip(outs) {
            self.shares.before_row();
            row.validate_prefix(index)?;
            let base = row.base();
            if !is_exact(base, self.extremes) {
                s.outline(One::<f32, N, G> {
                    row,
                    index,
                    powers,
                    out,
                })?;
                continue;
            }
            let (whole, tail) = out.as_chunks_mut::<G>();
            let t = whole.len();
            let (packed, rest) = split(row.codes(), t * (G / 2));
            let packed = packed.as_chunks().0.as_chunks().0;
            let tiles = row.descriptors().iter().zip(packed).zip(whole);
            let pivots = &mut Pivots::default();
            match powers.tiles::<G>(0) {
                TilePowers::One => {
                    for ((descriptor, packed), out) in tiles {
                        if !tile(s, base, descriptor, pivots, packed, TilePower::One, out) {
                            return Row::validate(&{ row }, index);
                        }
                    }
                }
                TilePowers::Exponents(tables) => {
                    for (((descriptor, packed), out), table) in tiles.zip(tables) {
                        if !tile(
                            s,
                            base,
                            descriptor,
                            pivots,
                            packed,
                            TilePower::Exponents(table),
                            out,
                        ) {
                            return Row::validate(&{ row }, index);
                        }
                    }
                }
                TilePowers::Ready(tables) => {
                    for (((descriptor, packed), out), table) in tiles.zip(tables) {
                        if !tile(s, base, descriptor, pivots, packed, TilePower::Ready(table), out) {
                            return Row::validate(&{ row }, index);
                        }
                    }
                }
            }
            if pivots.went_beyond() {
                return Row::validate(&{ row }, index);
            }
            if !tail.is_empty() {
                s.outline(Tail::<f32, N, G> {
                    row: &{ row },
                    index,
                    t,
                    packed: rest,
                    exponents: powers.exponents(),
                    out: tail,
                })?;
            }
        }
        Ok(())
    }
}

/// The powers of a tile's channels.
#[derive(Clone, Copy)]
enum TilePower<'k> {
    One,
    Exponents(&'k [i8; G]),
    Ready(&'k [f32; G]),
}

impl TilePower<'_> {
    /// Times the step, of all channels.
    #[inline(always)]
    fn all<S: Simd>(self, s: S, step: f32) -> [S::F; N] {
        match self {
            Self::One => [s.splat(step); N],
            Self::Exponents(table) => {
                let table = table.as_chunks::<LANES>().0;
                array!(N, v => s.times_powers(step, &table[v]))
            }
            Self::Ready(powers) => {
                let (powers, step) = (powers.as_chunks().0, s.splat(step));
                array!(N, v => s.mul(s.load(&powers[v]), step))
            }
        }
    }

    /// Times the step, of one channel.
    #[inline(always)]
    fn one(self, step: f32, channel: usize) -> f32 {
        match self {
            Self::One => step,
            Self::Exponents(table) => f32::from_bits(
                step.to_bits()
                    .wrapping_add_signed(i32::from(table[channel % G]) << 23),
            ),
            Self::Ready(powers) => powers[channel % G] * step,
        }
    }
}

/// Decodes a tile, or says that its transform is not valid, if `pivots` will not say so.
#[inline(always)]
fn tile<S: Simd>(
    s: S,
    base: u8,
    descriptor: &[u8; 4],
    pivots: &mut Pivots<G>,
    packed: &[[u8; LANES / 2]; N],
    powers: TilePower<'_>,
    out: &mut [f32; G],
) -> bool {
    let tile = DescriptorWord::new(*descriptor);
    // Eight units: three octaves above one.
    let step = wire_unit(base.wrapping_add(3), tile.unit());
    if tile.is_rotated() {
        let pivot = tile.pivot(pivots);
        store(s, s.wht_packed(packed, pivot), powers.all(s, step), out);
        // 64 zero points of an eighth of a step.
        let zero_points = (8 * i32::from(tile.zero_point())) as f32;
        out[pivot] = s.plus_product(out[pivot], zero_points, powers.one(step, pivot));
        return true;
    }
    if !tile.is_plain() {
        return false;
    }
    let steps = s.packed_plus(packed, f32::from(tile.zero_point()) / 8.0);
    store(s, steps, powers.all(s, step), out);
    true
}

/// Stores a tile's products.
#[inline(always)]
fn store<S: Simd>(s: S, steps: [S::F; N], factors: [S::F; N], out: &mut [f32; G]) {
    for (v, out) in out.as_chunks_mut().0.iter_mut().enumerate().take(N) {
        s.store(s.mul(steps[v], factors[v]), out);
    }
}

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use crate::frame::{Encoding, ExponentMode, Header};
    use crate::{Decoder, Element, Level, SourceType, bf16, f16};

    use super::*;

    fn draw(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        *seed >> 33
    }

    /// Rows of random tiles, rotated about each pivot in turn or not at all; some of them of the largest zero points,
    /// or of codes that are all alike.
    fn body(header: &Header, exponents: &[i8], bases: &[u8], seed: &mut u64) -> Vec<u8> {
        let mut body = Vec::from(bytemuck::cast_slice::<i8, u8>(exponents));
        body.resize(header.prelude_len(), 0);
        let mut pivots = (0..64).cycle();
        for &base in bases {
            body.extend([base, 0, 0, 0]);
            for _ in 0..header.tiles() {
                let zero_point = match draw(seed) % 4 {
                    0 => i16::MIN,
                    1 => i16::MAX,
                    2 => (draw(seed) % 33) as i16 - 16,
                    _ => draw(seed) as i16,
                };
                let transform = match draw(seed) % 4 {
                    0 => 0,
                    _ => 0x80 + pivots.next().unwrap(),
                };
                body.extend(zero_point.to_le_bytes());
                body.extend([[draw(seed) as u8, 255, 0][draw(seed) as usize % 3], transform]);
            }
            for _ in 0..header.tiles() {
                let kind = draw(seed) % 4;
                body.extend((0..G / 2).map(|_| match kind {
                    0 => 0xff,
                    1 => 0,
                    _ => draw(seed) as u8,
                }));
            }
        }
        body
    }

    /// Of halves two rows have room for the powers of the others.
    fn halves_are_the_same<E: Element>(header: &Header, body: &[u8]) {
        let len = header.elements() as usize;
        let decoded = |level| {
            let mut y = vec![E::from_f32(77.0); len];
            let decoder = Decoder::new().with_level(level);
            decoder.decode_body(header, body, &mut y).unwrap();
            y.into_iter().map(|y| y.to_f32().to_bits()).collect::<Vec<_>>()
        };
        let expected = decoded(Level::SCALAR);
        for level in Level::available() {
            assert!(decoded(level) == expected, "{}, {header:?}", level.name());
        }
    }

    #[test]
    fn tiles_are_the_same_at_every_level() {
        let seed = &mut 1;
        // An odd number, so that rows of halves need not start where an f32 may.
        let bases = [0, 1, 60, 127, 140, 198, 199, 200, 219, 222, 128];
        // The last so wide that rows share powers, some at a time.
        for width in [1, 63, 64, 65, 640, 64 * 33 + 8] {
            for exponents in [None, Some(0), Some(3), Some(40), Some(127)] {
                let header = Header {
                    encoding: Encoding::Uniform,
                    log2_tile: 6,
                    hi: 4,
                    lo: 4,
                    source: SourceType::F32,
                    exponents: exponents.map_or(ExponentMode::None, |_| ExponentMode::InFrame),
                    table_check: 0,
                    rows: bases.len() as u32,
                    width,
                    quota: 0,
                };
                let table: Vec<i8> = exponents.map_or(vec![], |most: i64| {
                    let channels = 0..width;
                    channels
                        .map(|_| (draw(seed) as i64 % (2 * most + 1) - most).max(-126) as i8)
                        .collect()
                });
                let mut body = body(&header, &table, &bases, seed);
                let len = header.elements() as usize;
                let mut expected = vec![0.0f32; len];
                let scalar = Decoder::new().with_level(Level::SCALAR);
                scalar.decode_body(&header, &body, &mut expected).unwrap();
                for level in Level::available() {
                    let mut y = vec![f32::NAN; len];
                    let decoder = Decoder::new().with_level(level);
                    decoder.decode_body(&header, &body, &mut y).unwrap();
                    for (i, (y, expected)) in y.iter().zip(&expected).enumerate() {
                        let (row, channel) = (i / width as usize, i % width as usize);
                        assert_eq!(
                            y.to_bits(),
                            expected.to_bits(),
                            "{}, width {width}, exponents {exponents:?}, base {}, channel {channel}",
                            level.name(),
                            bases[row],
                        );
                    }
                }

                halves_are_the_same::<f16>(&header, &body);
                halves_are_the_same::<bf16>(&header, &body);

                // The last transform of row 3: one bit too many, one too few, and the like.
                let tile = header.tiles() - 1;
                let at = header.prelude_len() + 3 * header.row_layout(true).len + 4 * (tile as usize + 2) - 1;
                for found in [0xc0, 0x40, 0x3f, 0x01, 0x7f, 0xff] {
                    body[at] = found;
                    for level in Level::available() {
                        let mut y = vec![f32::NAN; len];
                        let decoder = Decoder::new().with_level(level);
                        assert_eq!(
                            decoder.decode_body(&header, &body, &mut y),
                            Err(DecodeError::BadTransform { row: 3, tile, found })
                        );
                        assert!(y.iter().all(|&y| y.to_bits() == 0));
                    }
                }
            }
        }
    }
}
