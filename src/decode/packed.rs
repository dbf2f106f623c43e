//! Uniform frames of 64 nibbles a tile into f32, at levels that transform nibbles from the packed bytes on.
//!
//! A whole tile is multiplied by its step, eight units, and the zero point is added to the one element that has it
//! afterwards, as a product of its own. That is exact as long as no product overflows which the sum would have brought
//! back.

use core::ops::Range;

use crate::arch::{LANES, Part, Simd, WORD_PLUS, WORD_POWERS, WordPowers, array};
use crate::checksum::Shares;
use crate::error::DecodeError;
use crate::exponents;
use crate::frame::{BASE_MAX, DESCRIPTOR_LEN, DescriptorWord, Frame, PREFIX_LEN, Pivots, RowLayout};
use crate::part::{from, part, part_mut, split, split_mut};
use crate::quantise::wire_unit;

use super::powers::Powers;
use super::{One, Tail, holds_nibbles};

/// Elements of a tile, and vectors.
const G: usize = 64;
const N: usize = G / LANES;

/// Whether [`Rows`] are what `frame` has.
pub(super) fn holds(frame: &Frame<'_>) -> bool {
    holds_nibbles(frame) && frame.header().tile_len() == G
}

/// The bases of rows in which no product overflows and all units are normal, times the channels' powers as well.
#[inline(always)]
fn exact_bases((least, most): (i32, i32)) -> Range<u32> {
    // Biased exponents of units are 1 to 32 above the base, and a sum is below 2^23 of them.
    let end = 254 - 32 - 23 - most.max(0) + 1;
    (-least).max(0) as u32..end.clamp(0, i32::from(BASE_MAX) + 1) as u32
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
                powers,
                ready: ready(s, powers.exponents(), extremes, last),
                extremes,
                out: own,
                shares: self.shares,
            })?;
        }
        s.outline(Alike {
            frame: self.frame,
            rows: middle..self.rows.end,
            powers,
            ready: None,
            extremes,
            out: last,
            shares: self.shares,
        })
    }
}

/// The bytes of the exponents of a tile's channels, and their powers less the least of all: next to one another, so that the
/// loop over a row's tiles keeps one address for both.
type Ready = [[i16; LANES]; 3];

#[inline(always)]
fn words_of(ready: &Ready) -> &WordPowers {
    ready.last_chunk().unwrap_or(&[[0; LANES]; 2])
}

#[inline(always)]
fn exponents_of(ready: &Ready) -> &[i8; G] {
    bytemuck::cast_ref(&ready[0])
}

/// What whole tiles' channels have [`Ready`], made in `room`, of which the start is overwritten; `None` where exponents are too
/// far apart.
#[inline(always)]
fn ready<'k, S: Simd>(
    s: S,
    exponents: Option<&[i8]>,
    (least, most): (i32, i32),
    room: &'k mut [f32],
) -> Option<&'k [Ready]> {
    if most - least > WORD_POWERS {
        return None;
    }
    let tiles = exponents?.as_chunks::<G>().0;
    let room: &mut [i16] = bytemuck::try_cast_slice_mut(room).ok()?;
    let room = room.as_chunks_mut().0.as_chunks_mut().0.get_mut(..tiles.len())?;
    for (to, exponents) in room.iter_mut().zip(tiles) {
        let [low, high] = s.word_powers(exponents, least as i8);
        *to = [bytemuck::cast(*exponents), low, high];
    }
    Some(room)
}

/// Rows that are multiplied by the same powers.
struct Alike<'s, 'k, 'b> {
    frame: &'k Frame<'k>,
    rows: Range<u32>,
    powers: Powers<'s>,
    /// The powers of whole tiles, where they are ready.
    ready: Option<&'s [Ready]>,
    /// The least exponent and the largest.
    extremes: (i32, i32),
    out: &'s mut [f32],
    shares: &'s mut Shares<'b>,
}

impl<S: Simd> Part<S> for Alike<'_, '_, '_> {
    type Output = Result<(), DecodeError>;

    #[inline(always)]
    fn run(self, s: S) -> Self::Output {
        let (header, powers) = (self.frame.header(), self.powers);
        let (layout, width) = (header.row_layout(true), header.width as usize);
        let (mut rows, mut out) = (self.rows, self.out);
        let mut run = 0;
        while !rows.is_empty() {
            if run == 0 {
                run = self.shares.before_rows(rows.end - rows.start);
            }
            let blocks = self.frame.uniform_blocks(rows.start);
            let done = s.outline(Whole {
                blocks: part(blocks, 0..run as usize * layout.len),
                layout,
                width,
                bases: exact_bases(self.extremes),
                exponents: powers.exponents().map(|table| table.as_chunks().0),
                ready: self.ready,
                least: self.extremes.0,
                out: part_mut(out, 0..run as usize * width),
            });
            let done = done.min(run);
            let (own, rest) = split_mut(out, done as usize * width);
            out = rest;
            if !width.is_multiple_of(G) {
                let own = own.chunks_exact_mut(width);
                for ((index, row), out) in self.frame.uniform_rows(rows.start..rows.start + done).zip(own) {
                    let t = width / G;
                    s.outline(Tail::<f32, N, G> {
                        row: &{ row },
                        index,
                        t,
                        packed: from(row.codes(), t * (G / 2)),
                        exponents: powers.exponents(),
                        out: split_mut(out, t * G).1,
                    })?;
                }
            }
            (rows.start, run) = (rows.start + done, run - done);
            if run == 0 {
                continue;
            }
            // This one is not as most are.
            let Some((index, row)) = self.frame.uniform_rows(rows.start..rows.end).next() else {
                break;
            };
            let (own, rest) = split_mut(out, width);
            s.outline(One::<f32, N, G> {
                row,
                index,
                powers,
                out: own,
            })?;
            out = rest;
            (rows.start, run) = (rows.start + 1, run - 1);
        }
        Ok(())
    }
}

/// The whole tiles of some rows, up to one that is not valid, or not exact in the way that is meant here: a function of its own,
/// so that their loop has the registers.
struct Whole<'k> {
    /// The rows' blocks.
    blocks: &'k [u8],
    layout: RowLayout,
    width: usize,
    bases: Range<u32>,
    exponents: Option<&'k [[i8; G]]>,
    ready: Option<&'k [Ready]>,
    /// The least exponent.
    least: i32,
    out: &'k mut [f32],
}

impl<S: Simd> Part<S> for Whole<'_> {
    /// How many rows were decoded.
    type Output = u32;

    #[inline(always)]
    fn run(self, s: S) -> u32 {
        let least = self.least;
        let outs = self.out.chunks_exact_mut(self.width.max(1));
        let mut done = 0;
        for (block, out) in self.blocks.chunks_exact(self.layout.len.max(1)).zip(outs) {
            let (prefix, rest) = split(block, PREFIX_LEN);
            let (descriptors, packed) = split(rest, self.layout.tiles * DESCRIPTOR_LEN);
            // With what is to be zero behind it.
            let base = prefix
                .first_chunk()
                .map_or(u32::MAX, |prefix| u32::from_le_bytes(*prefix));
            if !self.bases.contains(&base) {
                return done;
            }
            let base = base as u8;
            let packed = packed.as_chunks().0.as_chunks().0;
            let tiles = descriptors
                .as_chunks()
                .0
                .iter()
                .zip(packed)
                .zip(out.as_chunks_mut().0);
            let pivots = &mut Pivots::default();
            match (self.exponents, self.ready) {
                (None, _) => {
                    for ((descriptor, packed), out) in tiles {
                        if !tile(s, base, descriptor, pivots, packed, TilePower::One, out) {
                            return done;
                        }
                    }
                }
                (Some(exponents), None) => {
                    for (((descriptor, packed), out), exponents) in tiles.zip(exponents) {
                        let power = TilePower::Exponents(exponents);
                        if !tile(s, base, descriptor, pivots, packed, power, out) {
                            return done;
                        }
                    }
                }
                (Some(_), Some(ready)) => {
                    for (((descriptor, packed), out), ready) in tiles.zip(ready) {
                        let power = TilePower::Ready { ready, least };
                        if !tile(s, base, descriptor, pivots, packed, power, out) {
                            return done;
                        }
                    }
                }
            }
            if pivots.went_beyond() {
                return done;
            }
            done += 1;
        }
        done
    }
}

/// The powers of a tile's channels.
#[derive(Clone, Copy)]
enum TilePower<'k> {
    One,
    Exponents(&'k [i8; G]),
    Ready {
        ready: &'k Ready,
        /// The least exponent of all.
        least: i32,
    },
}

impl TilePower<'_> {
    /// Times the step, of one channel.
    #[inline(always)]
    fn one(self, step: f32, channel: usize) -> f32 {
        match self {
            Self::One => step,
            Self::Exponents(exponents) => times_power(step, i32::from(exponents[channel % G])),
            Self::Ready { ready, .. } => times_power(step, i32::from(exponents_of(ready)[channel % G])),
        }
    }
}

/// `x` times two to the power of `exponent`, normal like `x`.
#[inline(always)]
fn times_power(x: f32, exponent: i32) -> f32 {
    f32::from_bits(x.to_bits().wrapping_add_signed(exponent << 23))
}

/// Decodes a tile, or says that its transform is not valid, if `pivots` will not say so.
#[inline(always)]
fn tile<S: Simd>(
    s: S,
    base: u8,
    descriptor: &[u8; 4],
    pivots: &mut Pivots<G>,
    packed: &[[u8; LANES / 2]; N],
    power: TilePower<'_>,
    out: &mut [f32; G],
) -> bool {
    let tile = DescriptorWord::new(*descriptor);
    // Eight units: three octaves above one.
    let step = wire_unit(base.wrapping_add(3), tile.unit());
    if tile.is_rotated() {
        let pivot = tile.pivot(pivots);
        let values = match power {
            TilePower::One => times(s, s.wht_packed(packed, pivot), [s.splat(step); N]),
            TilePower::Exponents(table) => times(s, s.wht_packed(packed, pivot), factors(s, step, table)),
            TilePower::Ready { ready, least } => {
                s.wht_packed_times(packed, pivot, words_of(ready), times_power(step, least))
            }
        };
        store(s, values, out);
        // 64 zero points of an eighth of a step.
        let zero_points = (8 * i32::from(tile.zero_point())) as f32;
        out[pivot] = s.plus_product(out[pivot], zero_points, power.one(step, pivot));
        return true;
    }
    if !tile.is_plain() {
        return false;
    }
    let zero_point = tile.zero_point();
    let values = match power {
        TilePower::Ready { ready, least } if zero_point <= WORD_PLUS => {
            let unit = wire_unit(base, tile.unit());
            s.packed_plus_times(packed, zero_point, words_of(ready), times_power(unit, least))
        }
        TilePower::One => {
            let steps = s.packed_plus(packed, f32::from(zero_point) / 8.0);
            times(s, steps, [s.splat(step); N])
        }
        TilePower::Exponents(exponents) => {
            let steps = s.packed_plus(packed, f32::from(zero_point) / 8.0);
            times(s, steps, factors(s, step, exponents))
        }
        TilePower::Ready { ready, .. } => {
            let steps = s.packed_plus(packed, f32::from(zero_point) / 8.0);
            times(s, steps, factors(s, step, exponents_of(ready)))
        }
    };
    store(s, values, out);
    true
}

/// The step times the powers of channels.
#[inline(always)]
fn factors<S: Simd>(s: S, step: f32, exponents: &[i8; G]) -> [S::F; N] {
    let exponents = exponents.as_chunks::<LANES>().0;
    array!(N, v => s.times_powers(step, &exponents[v]))
}

#[inline(always)]
fn times<S: Simd>(s: S, steps: [S::F; N], factors: [S::F; N]) -> [S::F; N] {
    array!(N, v => s.mul(steps[v], factors[v]))
}

#[inline(always)]
fn store<S: Simd>(s: S, values: [S::F; N], out: &mut [f32; G]) {
    for (v, out) in out.as_chunks_mut().0.iter_mut().enumerate().take(N) {
        s.store(values[v], out);
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
            for exponents in [None, Some(0), Some(3), Some(7), Some(8), Some(40), Some(127)] {
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

                // Of several faults the first is told: with row 3's, a prefix of a row before and of one after.
                let prefix = |row: usize| header.prelude_len() + row * header.row_layout(true).len;
                for (at, found, expected) in [
                    (prefix(2), 223, DecodeError::BadBase { row: 2, found: 223 }),
                    (prefix(1) + 3, 1, DecodeError::RowPadding { row: 1 }),
                    (
                        prefix(9) + 1,
                        1,
                        DecodeError::BadTransform {
                            row: 3,
                            tile,
                            found: 0xff,
                        },
                    ),
                ] {
                    let before = core::mem::replace(&mut body[at], found);
                    for level in Level::available() {
                        let mut y = vec![f32::NAN; len];
                        let decoder = Decoder::new().with_level(level);
                        assert_eq!(decoder.decode_body(&header, &body, &mut y), Err(expected));
                        assert!(y.iter().all(|&y| y.to_bits() == 0));
                    }
                    body[at] = before;
                }
            }
        }
    }
}
