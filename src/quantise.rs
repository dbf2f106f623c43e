//! Numbers to codes and back: units, zero points, the choice among them, and rounding.
//!
//! The encoder works on rows scaled to about 1 (see `tile::Scale`), so units here are those of the wire
//! times a power of two. Eight units make one step of the code; the zero point counts units. Every
//! decision is taken against the wire's own numbers, never against unrounded ones.

use crate::arch::{LANES, Part, Simd};
use crate::config::{Effort, Fit};
use crate::frame::Descriptor;
use crate::rotate::Tile;

/// Adding and taking away 1.5 * 2^23 rounds a small number to an integer, to nearest, ties to even.
const ROUNDER: f32 = 12_582_912.0;

/// Zero points beyond this are avoided by a coarser unit, so that centring cannot overflow i16.
const ZERO_POINT_REACH: f32 = 32_000.0;

/// The 256 units of a row: `(8 + m) * 2^(e + shift)` for the code `8 e + m`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units {
    /// What to add to a code to have the top bits of its unit as f32.
    bias: i32,
}

impl Units {
    pub(crate) const fn new(shift: i32) -> Self {
        Self {
            bias: (shift + 130) * 8,
        }
    }

    #[inline(always)]
    fn value(self, code: u8) -> f32 {
        f32::from_bits(((i32::from(code) + self.bias) << 20) as u32)
    }

    /// The code of the unit nearest to `size`, on the scale of its bits.
    #[inline(always)]
    fn nearest(self, size: f32) -> u8 {
        let top = ((size.to_bits() + 0x8_0000) >> 20) as i32;
        (top - self.bias).clamp(0, 255) as u8
    }

    /// The code of the least unit that is a power of two and not below `size`.
    fn power_at_least(self, size: f32) -> u8 {
        let top = ((size.to_bits() + 0x7f_ffff) >> 23 << 3) as i32;
        // Units are powers of two where the bias, a multiple of 8, leaves a mantissa of 0.
        (top - self.bias).clamp(0, 248) as u8
    }

    /// The code of the least unit that is not below `size`, which is not negative; the largest unit where
    /// there is none.
    #[inline(always)]
    fn at_least(self, size: f32) -> u8 {
        let top = ((size.to_bits() + 0xf_ffff) >> 20) as i32;
        (top - self.bias).clamp(0, 255) as u8
    }
}

/// The unit that a decoder computes: exact, a normal f32 for every valid base.
#[inline(always)]
pub(crate) fn wire_unit(base: u8, unit: u8) -> f32 {
    f32::from_bits((u32::from(base) * 8 + 8 + u32::from(unit)) << 20)
}

/// A quantisation grid: unit, zero point and what follows from them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub(crate) unit: u8,
    pub(crate) zero_point: i16,
    /// `unit * zero_point`, exact.
    offset: f32,
    /// Eight units.
    step: f32,
    reciprocal: f32,
    /// The largest code.
    top: f32,
}

#[inline(always)]
fn top_code(width: u8) -> f32 {
    ((1u32 << width) - 1) as f32
}

#[inline(always)]
fn round(x: f32) -> f32 {
    // Limited first: the trick holds below 2^22.
    (x.clamp(-32_768.0, 32_767.0) + ROUNDER) - ROUNDER
}

impl Grid {
    /// The grid of unit code `unit` whose offset is nearest to `offset`.
    #[inline(always)]
    fn new(units: Units, unit: u8, offset: f32, width: u8) -> Self {
        let value = units.value(unit);
        let zero_point = round(offset / value);
        Self::at(value, unit, zero_point, top_code(width))
    }

    #[inline(always)]
    fn at(value: f32, unit: u8, zero_point: f32, top: f32) -> Self {
        Self {
            unit,
            zero_point: zero_point as i16,
            offset: zero_point * value,
            step: 8.0 * value,
            reciprocal: 1.0 / (8.0 * value),
            top,
        }
    }

    /// The grid of unit code `unit` with `low..=high` in its middle.
    #[inline(always)]
    fn centred(units: Units, unit: u8, low: f32, high: f32, width: u8) -> Self {
        let half = 4.0 * units.value(unit) * top_code(width);
        Self::new(units, unit, 0.5 * (low + high) - half, width)
    }

    /// The same with its zero point moved by a few units.
    #[inline(always)]
    fn moved(self, by: i8) -> Self {
        let zero_point = self.zero_point.saturating_add(i16::from(by));
        Self {
            zero_point,
            offset: f32::from(zero_point) * (0.125 * self.step),
            ..self
        }
    }

    /// What no code is farther from its neighbour than.
    pub(crate) const fn step(&self) -> f32 {
        self.step
    }

    /// The ideal codes, not rounded, within the range of codes.
    #[inline(always)]
    fn ideal<S: Simd>(&self, s: S, x: S::F) -> S::F {
        let t = s.mul(s.sub(x, s.splat(self.offset)), s.splat(self.reciprocal));
        s.min(s.max(t, s.splat(0.0)), s.splat(self.top))
    }

    #[inline(always)]
    fn nearest<S: Simd>(&self, s: S, x: S::F) -> S::F {
        let rounder = s.splat(ROUNDER);
        s.sub(s.add(self.ideal(s, x), rounder), rounder)
    }

    /// Squared error of a tile on this grid, rounding to nearest.
    #[inline(always)]
    pub(crate) fn squared_error<S: Simd, const N: usize>(&self, s: S, x: &Tile<S, N>) -> f32 {
        let (step, offset) = (s.splat(self.step), s.splat(self.offset));
        let mut acc = s.splat(0.0);
        for &x in x {
            let error = s.sub(s.sub(x, offset), s.mul(self.nearest(s, x), step));
            acc = s.add(acc, s.mul(error, error));
        }
        s.reduce_add(acc)
    }

    /// Values whose ideal code lies more than half a step beyond the codes.
    pub(crate) fn clipped<S: Simd, const N: usize>(&self, s: S, x: &Tile<S, N>) -> u32 {
        let half = s.splat(0.5);
        let mut count = 0.0;
        for &x in x {
            let t = s.mul(s.sub(x, s.splat(self.offset)), s.splat(self.reciprocal));
            let beyond = s.sub(s.abs(s.sub(t, self.ideal(s, x))), half);
            let ones = s.and(s.gt(beyond, s.splat(0.0)), s.bits(s.splat(1.0)));
            count += s.reduce_add(s.float_of_bits(ones));
        }
        count as u32
    }

    /// The codes of a tile.
    #[inline(always)]
    pub(crate) fn codes<S: Simd, const N: usize>(
        &self,
        s: S,
        x: &Tile<S, N>,
        dither: Option<Dither>,
        codes: &mut [u8],
    ) {
        let codes = codes.as_chunks_mut::<LANES>().0;
        for (v, (&x, codes)) in x.iter().zip(codes).enumerate() {
            let code = match dither {
                // Below 2^22, the bits of the sum with the rounder end in those of the integer.
                None => s.bits(s.add(self.ideal(s, x), s.splat(ROUNDER))),
                Some(dither) => dither.round(s, self.ideal(s, x), v),
            };
            s.store_u8(code, codes);
        }
    }

    pub(crate) fn descriptor(&self, pivot: Option<u8>) -> Descriptor {
        Descriptor {
            zero_point: self.zero_point,
            unit: self.unit,
            pivot,
        }
    }
}

/// Stochastic rounding: up with the probability of the fraction, by a hash of (seed, row, channel).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dither {
    key: u32,
    first: u32,
}

impl Dither {
    /// The stream of one row.
    #[inline(always)]
    pub(crate) fn new(seed: u64, row: u32) -> Self {
        let low = mix(row ^ mix(seed as u32));
        Self {
            key: mix(low.wrapping_add((seed >> 32) as u32)),
            first: 0,
        }
    }

    /// The part of the stream that starts at `channel`.
    #[inline(always)]
    pub(crate) const fn at(self, channel: u32) -> Self {
        Self {
            first: channel,
            ..self
        }
    }

    /// Rounds the `v`th vector of a tile of non-negative ideal codes.
    #[inline(always)]
    fn round<S: Simd>(self, s: S, t: S::F, v: usize) -> S::I {
        let first = self.first.wrapping_add((v * LANES) as u32);
        let counter = s.add_i(s.iota(), s.splat_i(first as i32));
        let hash = mix_lanes(
            s,
            s.add_i(
                s.mul_i(counter, s.splat_i(0x9e37_79b9u32 as i32)),
                s.splat_i(self.key as i32),
            ),
        );
        // 24 bits, uniform on 0..1; exact.
        let uniform = s.mul(s.to_float(s.shr::<8>(hash)), s.splat(1.0 / 16_777_216.0));
        let below = s.truncate(t);
        let up = s.gt(s.sub(t, s.to_float(below)), uniform);
        s.sub_i(below, up)
    }
}

/// A 32-bit finaliser with two multiplications (Wellons' lowbias32).
const fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ x >> 16
}

#[inline(always)]
fn mix_lanes<S: Simd>(s: S, x: S::I) -> S::I {
    let x = s.xor(x, s.shr::<16>(x));
    let x = s.mul_i(x, s.splat_i(0x7feb_352d));
    let x = s.xor(x, s.shr::<15>(x));
    let x = s.mul_i(x, s.splat_i(0x846c_a68bu32 as i32));
    s.xor(x, s.shr::<16>(x))
}

/// A grid with the squared error that it was chosen for, 0 where none was computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    pub(crate) grid: Grid,
    pub(crate) error: f32,
}

impl Chosen {
    #[inline(always)]
    pub(crate) fn better(self, other: Self) -> Self {
        if other.error < self.error { other } else { self }
    }
}

/// Step of the codes of 1 to 8 bits, times `2^b - 1` and divided by the tile's range, that leaves the least
/// error on real activations with one unit and zero point; and with the zero point searched. Narrow
/// codes gain by clipping, wide ones by room for the zero point.
const SPREAD: [[f32; 2]; 8] = [
    [0.4, 0.4],
    [0.65, 0.67],
    [0.88, 0.895],
    [0.955, 0.97],
    [1.0, 1.0],
    [1.03, 1.03],
    [1.045, 1.045],
    [1.06, 1.06],
];

/// The two moves of the zero point, in units, that are worth comparing.
const MOVES: [[i8; 2]; 8] = [
    [-1, 1],
    [-1, 1],
    [-1, 2],
    [-2, 1],
    [-2, 2],
    [-2, 2],
    [-2, 2],
    [-2, 2],
];

/// A tile of values (or coefficients) whose grid is to be chosen, for codes of at least one bit.
#[derive(Clone, Copy)]
pub(crate) struct Fitting<'x, S: Simd, const N: usize> {
    pub(crate) x: &'x Tile<S, N>,
    pub(crate) bounds: (f32, f32),
    pub(crate) width: u8,
    pub(crate) units: Units,
    pub(crate) fit: Fit,
}

impl<S: Simd, const N: usize> Fitting<'_, S, N> {
    /// Chooses as the effort asks.
    #[inline(always)]
    pub(crate) fn choose(self, s: S, effort: Effort) -> Chosen {
        let (low, high) = self.bounds;
        let least = self.units.at_least(reach(low, high));
        let [one, searched] = SPREAD[usize::from(self.width) - 1];
        let code = self.near(match (self.fit, effort) {
            // Nothing is clipped but by the rounding of the unit.
            (Fit::Range, _) => one.max(1.0),
            (Fit::LeastError, Effort::Fast) => one,
            (Fit::LeastError, _) => searched,
        });
        if high == low {
            return Chosen {
                grid: constant(low, self.width, self.units),
                error: 0.0,
            };
        }
        if code < least {
            // Nearly constant, far from zero. Where the codes reach beyond the range, the first is put on its
            // end.
            let reach = 8.0 * self.units.value(least) * top_code(self.width);
            return Chosen {
                grid: if reach >= high - low {
                    Grid::new(self.units, least, low, self.width)
                } else {
                    self.centred(least)
                },
                error: 0.0,
            };
        }
        match (self.fit, effort) {
            (_, Effort::Fast) | (Fit::Range, Effort::Balanced) => Chosen {
                grid: self.centred(code),
                error: 0.0,
            },
            (Fit::LeastError, Effort::Balanced) => self.balanced(s, code),
            (_, Effort::Best) => s.outline(Search {
                fitting: self,
                code,
                least,
            }),
        }
    }

    /// The unit nearest to the range divided by the codes, times `spread`.
    #[inline(always)]
    fn near(&self, spread: f32) -> u8 {
        let range = self.bounds.1 - self.bounds.0;
        self.units
            .nearest(range * (spread / (8.0 * top_code(self.width))))
    }

    #[inline(always)]
    fn centred(&self, code: u8) -> Grid {
        Grid::centred(self.units, code, self.bounds.0, self.bounds.1, self.width)
    }

    #[inline(always)]
    fn tried(&self, s: S, grid: Grid) -> Chosen {
        Chosen {
            grid,
            error: grid.squared_error(s, self.x),
        }
    }

    /// The better of two grids.
    #[inline(always)]
    fn balanced(&self, s: S, code: u8) -> Chosen {
        let centre = self.centred(code);
        let (first, second) = if self.width <= 2 {
            // So few codes that a tile with an outlier and one without want other units altogether.
            (centre, self.centred(self.near(1.0)))
        } else {
            let [down, up] = MOVES[usize::from(self.width) - 1];
            (centre.moved(down), centre.moved(up))
        };
        self.tried(s, first).better(self.tried(s, second))
    }
}

/// The search of [`Effort::Best`]: units and zero points around the better of two grids.
struct Search<'x, S: Simd, const N: usize> {
    fitting: Fitting<'x, S, N>,
    code: u8,
    least: u8,
}

impl<S: Simd, const N: usize> Part<S> for Search<'_, S, N> {
    type Output = Chosen;

    #[inline(always)]
    fn run(self, s: S) -> Chosen {
        let mut best = self.fitting.balanced(s, self.code);
        let code = best.grid.unit;
        for code in code.saturating_sub(2).max(self.least)..=code.saturating_add(1) {
            let centre = self.fitting.centred(code);
            for by in -4..=4 {
                best = best.better(self.fitting.tried(s, centre.moved(by)));
            }
        }
        best
    }
}

/// The least unit for which the zero point of values between `low` and `high` fits.
#[inline(always)]
fn reach(low: f32, high: f32) -> f32 {
    (if -low > high { -low } else { high }).abs() * (1.0 / ZERO_POINT_REACH)
}

/// Where the grid of [`cover`] may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Anywhere,
    /// Where the values that it adds to those covered do not lie beyond 0: negative numbers are covered by
    /// values among which 0 is, or which end below it; positive ones start at 0 or above anyway.
    TowardsZero,
}

/// The grid that covers `low..=high` without clipping: for stochastic rounding, which must not be biased,
/// and for values next to the end of the source type's range.
pub(crate) fn cover((low, high): (f32, f32), width: u8, units: Units, start: Start) -> Grid {
    let top = top_code(width);
    let least = units.at_least(reach(low, high));
    let mut unit = units.at_least((high - low) * (1.0 / 8.0) / top).max(least);
    loop {
        let value = units.value(unit);
        let mut zero_point = round(low / value);
        if zero_point * value > low {
            zero_point -= 1.0;
        }
        if start == Start::TowardsZero && low < 0.0 {
            zero_point = ((zero_point as i32).div_euclid(8) * 8) as f32;
        }
        let grid = Grid::at(value, unit, zero_point.max(-32_768.0), top);
        if unit == 255 || grid.offset + grid.step * top >= high {
            return grid;
        }
        unit += 1;
    }
}

/// The grid whose first value is `value`, as nearly as a zero point can say: for a constant, and for the
/// spike of a tile without codes. The unit is a power of two, so that values of up to 14 significant bits, as
/// bf16 and f16 have, are exact.
pub(crate) fn constant(value: f32, width: u8, units: Units) -> Grid {
    let unit = units.power_at_least(reach(value, value));
    Grid::new(units, unit, value, width)
}
