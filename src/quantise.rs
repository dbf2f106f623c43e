//! Numbers to codes and back: units, zero points, the choice among them, and rounding.
//!
//! The encoder works on rows scaled to about 1 (see `tile::Scale`), so units here are those of the wire
//! times a power of two. Eight units make one step of the code; the zero point counts units. Every
//! decision is taken against the wire's own numbers, never against unrounded ones.

use crate::arch::{BLOCK, Folded, LANES, LookedUp, ROUNDER, Simd, array};
use crate::config::{Config, Effort, Fit};
use crate::frame::{DESCRIPTOR_LEN, Descriptor};
use crate::rotate::{Codes, Tile, Words};
use crate::tile;

/// The bits of `1 / (1 + m / 8)`.
const RECIPROCALS: [u32; 8] = {
    let mut table = [0; 8];
    let mut m = 0;
    while m < 8 {
        table[m] = (1.0 / (1.0 + m as f32 / 8.0)).to_bits();
        m += 1;
    }
    table
};

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
        self.value_of(i32::from(code))
    }

    /// `1 / (8 value)`, rounded to nearest as a division would.
    #[inline(always)]
    fn reciprocal(self, code: u8) -> f32 {
        let exponent = (i32::from(code) + self.bias) >> 3;
        f32::from_bits((RECIPROCALS[usize::from(code % 8)] as i32 + ((124 - exponent) << 23)) as u32)
    }

    /// The code of the unit nearest to `size`, on the scale of its bits.
    #[inline(always)]
    fn nearest(self, size: f32) -> u8 {
        self.nearest_code(size) as u8
    }

    #[inline(always)]
    fn nearest_code(self, size: f32) -> i32 {
        let top = ((size.to_bits() + 0x8_0000) >> 20) as i32;
        within_u8(top - self.bias)
    }

    #[inline(always)]
    fn value_of(self, code: i32) -> f32 {
        f32::from_bits(((code + self.bias) << 20) as u32)
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
        self.code_at_least(size) as u8
    }

    #[inline(always)]
    fn code_at_least(self, size: f32) -> i32 {
        let top = ((size.to_bits() + 0xf_ffff) >> 20) as i32;
        within_u8(top - self.bias)
    }
}

/// Two selections, where `clamp` would be branches, which no compiler makes vectors of.
#[allow(clippy::manual_clamp)]
#[inline(always)]
fn within_u8(code: i32) -> i32 {
    code.max(0).min(255)
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

/// The largest code of `width` bits.
#[inline(always)]
pub(crate) const fn top_code(width: u8) -> u8 {
    ((1u32 << width) - 1) as u8
}

#[inline(always)]
const fn top_value(width: u8) -> f32 {
    top_code(width) as f32
}

/// Within i16.
#[inline(always)]
fn limited_zero_point(x: f32) -> f32 {
    let limited = if x > 32_767.0 { 32_767.0 } else { x };
    if limited < -32_768.0 { -32_768.0 } else { limited }
}

#[inline(always)]
fn round(x: f32) -> f32 {
    // Limited first: the trick holds below 2^22.
    (limited_zero_point(x) + ROUNDER) - ROUNDER
}

impl Grid {
    /// The grid of unit code `unit` whose offset is nearest to `offset`.
    #[inline(always)]
    fn new(units: Units, unit: u8, offset: f32, width: u8) -> Self {
        let zero_point = round(offset * (8.0 * units.reciprocal(unit)));
        Self::at(units, unit, zero_point, top_value(width))
    }

    #[inline(always)]
    fn at(units: Units, unit: u8, zero_point: f32, top: f32) -> Self {
        let value = units.value(unit);
        Self {
            unit,
            zero_point: zero_point as i16,
            offset: zero_point * value,
            step: 8.0 * value,
            reciprocal: units.reciprocal(unit),
            top,
        }
    }

    /// The grid of unit code `unit` with `low..=high` in its middle.
    #[inline(always)]
    fn centred(units: Units, unit: u8, low: f32, high: f32, width: u8) -> Self {
        let half = 4.0 * units.value(unit) * top_value(width);
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

    /// The ideal codes, not rounded; some may be beyond the range of codes.
    #[inline(always)]
    fn ideal<S: Simd>(&self, s: S, x: S::F) -> S::F {
        s.mul(s.sub(x, s.splat(self.offset)), s.splat(self.reciprocal))
    }

    /// Within the range of codes.
    #[inline(always)]
    fn limited<S: Simd>(&self, s: S, t: S::F) -> S::F {
        s.min(s.max(t, s.splat(0.0)), s.splat(self.top))
    }

    /// Squared error of a tile on this grid, rounding to nearest, in squares of a step.
    #[inline(always)]
    pub(crate) fn squared_steps<S: Simd, const N: usize>(&self, s: S, x: &Tile<S, N>) -> Folded {
        let mut acc = s.splat(0.0);
        for &x in x {
            let t = self.ideal(s, x);
            // Limited first: so far from 0 as a code may lie, rounding is exact.
            let error = s.sub(t, s.round(self.limited(s, t)));
            acc = s.add(acc, s.mul(error, error));
        }
        s.fold_add(acc)
    }

    /// What [`Grid::squared_steps`] comes to in squares of the values.
    #[inline(always)]
    pub(crate) fn squared_error(&self, steps: f32) -> f32 {
        steps * (self.step * self.step)
    }

    /// Values whose ideal code lies more than half a step beyond the codes.
    pub(crate) fn clipped<S: Simd, const N: usize>(&self, s: S, x: &Tile<S, N>) -> u32 {
        let mut count = 0;
        for &x in x {
            let t = self.ideal(s, x);
            count += s
                .above(s.abs(s.sub(t, self.limited(s, t))), s.splat(0.5))
                .count_ones();
        }
        count
    }

    /// The codes of a tile, `top` at the most.
    #[inline(always)]
    pub(crate) fn codes<S: Simd, const N: usize>(&self, s: S, x: &Tile<S, N>, top: u8) -> Codes<S, N> {
        let top = s.splat_b(top);
        let codes = self.bytes(s, x);
        array!(N, v => s.min_b(codes[v], top))
    }

    /// The same without a limit but that of bytes.
    #[inline(always)]
    pub(crate) fn bytes<S: Simd, const N: usize>(&self, s: S, x: &Tile<S, N>) -> Codes<S, N> {
        s.tile_to_bytes(array!(N, v => self.ideal(s, x[v])))
    }

    /// The lowest eight bits of rounded codes, in any order.
    #[inline(always)]
    pub(crate) fn low_bytes<S: Simd, const N: usize>(&self, s: S, x: &Tile<S, N>) -> Codes<S, N> {
        array!(N, v => s.low_bytes(s.truncate(s.round(self.ideal(s, x[v])))))
    }

    /// The codes of a tile, rounded by chance. The tile starts at vector `first` of what `dither` counts from.
    #[inline(always)]
    pub(crate) fn dithered<S: Simd, const N: usize>(
        &self,
        s: S,
        x: &Tile<S, N>,
        dither: Dither,
        first: usize,
    ) -> Codes<S, N> {
        array!(N, v => {
            let limited = self.limited(s, self.ideal(s, x[v]));
            s.low_bytes(dither.round(s, limited, first + v))
        })
    }

    /// Of a tile that is not rotated.
    pub(crate) fn descriptor(&self) -> Descriptor {
        Descriptor {
            zero_point: self.zero_point,
            unit: self.unit,
            pivot: None,
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

    /// Rounds the `v`th vector of non-negative ideal codes.
    #[inline(always)]
    fn round<S: Simd>(self, s: S, t: S::F, v: usize) -> S::I {
        let first = self.first.wrapping_add((v * LANES) as u32);
        let counter = s.add_i(s.load_i(&COUNT), s.splat_i(first as i32));
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

/// The numbers of the lanes.
static COUNT: [i32; LANES] = {
    let mut count = [0; LANES];
    let mut i = 0;
    while i < LANES {
        count[i] = i as i32;
        i += 1;
    }
    count
};

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

/// A grid with its squared error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    pub(crate) grid: Grid,
    pub(crate) error: f32,
}

impl Chosen {
    #[inline(always)]
    fn tried<S: Simd, const N: usize>(s: S, grid: Grid, x: &Tile<S, N>) -> Self {
        let steps = tile::single(grid.squared_steps(s, x), |a, b| a + b);
        Self {
            grid,
            error: grid.squared_error(steps),
        }
    }

    #[inline(always)]
    fn better(self, other: Self) -> Self {
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

/// The two moves of the zero point, in units, from which [`Fitting::search`] starts.
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

/// Codes of up to so many bits have room in a byte for four fractional bits.
pub(crate) const WIDEST_OF_SIXTEENTHS: u8 = 4;

/// 64 times the cosine and the sine of the middles of a whole turn's sixteenths.
static WAVES: [[i8; 16]; 2] = [
    [
        63, 53, 36, 12, -12, -36, -53, -63, -63, -53, -36, -12, 12, 36, 53, 63,
    ],
    [
        12, 36, 53, 63, 63, 53, 36, 12, -12, -36, -53, -63, -63, -53, -36, -12,
    ],
];

/// Where between two codes the numbers of a tile lie together: the sum of the points that the fractions of their ideal
/// codes are on a circle, for [`phases`]. The lower four bits of each of `fractions` are one, in whole sixteenths.
///
/// The square of what rounding leaves is a wave over the fraction, most of which is its first harmonic. So this sum tells
/// what every move of the zero point does to the sum of squares, but for numbers beyond the codes.
#[inline(always)]
pub(crate) fn phase<S: Simd, const N: usize>(s: S, fractions: Codes<S, N>) -> LookedUp {
    s.sums_looked_up(&WAVES, fractions)
}

/// What [`phase`] saw of each tile: how far along the circle, and how far across.
#[inline(always)]
pub(crate) fn phases<S: Simd, const N: usize>(s: S, seen: &[LookedUp; BLOCK]) -> [[i32; BLOCK]; 2] {
    s.reduce_looked_up::<N>(seen)
}

/// The amplitude of the first harmonic of squares, in squares of a step, of which a circle of radius 64 is the unit.
const HARMONIC: f32 = 1.0 / (64.0 * core::f32::consts::PI * core::f32::consts::PI);

/// The moves of zero points, in units, that leave the least squares of tiles whose phases and bounds are known, as far as
/// these tell: the least and the largest number may lie beyond the codes, where what is left does not begin anew at
/// every code. 0 for tiles whose bit is not set in `moved`.
#[inline(always)]
pub(crate) fn best_moves<S: Simd>(
    moved: u32,
    [along, across]: &[[i32; BLOCK]; 2],
    (low, high): (&[f32; BLOCK], &[f32; BLOCK]),
    grids: &Grids,
) -> [f32; BLOCK] {
    let mut moves = [0.0; BLOCK];
    for t in 0..S::TILES {
        // The wave at no move and at a quarter of a turn; a turn by an eighth is both times the cosine and the sine of it.
        let (none, quarter) = (along[t] as f32 * -HARMONIC, across[t] as f32 * -HARMONIC);
        let (sum, difference) = (
            (none + quarter) * core::f32::consts::FRAC_1_SQRT_2,
            (none - quarter) * core::f32::consts::FRAC_1_SQRT_2,
        );
        // A number `d` steps beyond the last code, from 0.5 to 1.5, leaves `d^2 - (d - 1)^2 = 2 d - 1` more squares than if there
        // were a next code, which is linear in the move, a quarter a unit. Codes of up to 4 bits never leave more beyond;
        // wider ones by a tenth of a step, for which this counts a little less than it costs.
        let below = (grids.offset[t] - low[t]) * (2.0 * grids.reciprocal[t]) - 1.0;
        let above = (high[t] - grids.offset[t]) * (2.0 * grids.reciprocal[t]) - (2.0 * grids.top[t] + 1.0);
        let mut least = f32::MAX;
        for (by, wave) in [
            (0.0, none),
            (1.0, sum),
            (-1.0, difference),
            (2.0, quarter),
            (-2.0, -quarter),
            (3.0, -difference),
            (-3.0, -sum),
            (-4.0, -none),
        ] {
            let (below, above) = (below + 0.25 * by, above - 0.25 * by);
            let beyond = if below > 0.0 { below } else { 0.0 } + if above > 0.0 { above } else { 0.0 };
            let error = beyond + wave;
            moves[t] = if error < least { by } else { moves[t] };
            least = if error < least { error } else { least };
        }
        moves[t] = if moved >> t & 1 != 0 { moves[t] } else { 0.0 };
    }
    moves
}

/// What rounds sixteenths to codes on a grid whose zero point is moved: half a step, less what the zero point was moved by,
/// a unit being two sixteenths of a step.
#[inline(always)]
pub(crate) fn halves<S: Simd>(moves: &[f32; BLOCK]) -> [u8; BLOCK] {
    let mut halves = [0; BLOCK];
    for t in 0..S::TILES {
        halves[t] = (HALF - 2.0 * moves[t] + ROUNDER).to_bits() as u8;
    }
    halves
}

/// The codes, `top` at the most, of sixteenths to which [`halves`] were added.
#[inline(always)]
pub(crate) fn codes_of_sixteenths<S: Simd, const N: usize>(
    s: S,
    raised: Codes<S, N>,
    top: u8,
) -> Codes<S, N> {
    let (mask, top) = (s.splat_b(15), s.splat_b(top));
    array!(N, v => s.min_b(s.and_b(s.shr_b(raised[v], &[4; LANES / 4]), mask), top))
}

/// The grids of a block of tiles, tiles as lanes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(crate) struct Grids {
    offset: [f32; BLOCK],
    step: [f32; BLOCK],
    reciprocal: [f32; BLOCK],
    top: [f32; BLOCK],
    zero_point: [i16; BLOCK],
    unit: [u8; BLOCK],
}

impl Grids {
    pub(crate) const fn new() -> Self {
        Self {
            offset: [0.0; BLOCK],
            step: [0.0; BLOCK],
            reciprocal: [0.0; BLOCK],
            top: [0.0; BLOCK],
            zero_point: [0; BLOCK],
            unit: [0; BLOCK],
        }
    }

    #[inline(always)]
    pub(crate) fn get(&self, t: usize) -> Grid {
        let t = t % BLOCK;
        Grid {
            unit: self.unit[t],
            zero_point: self.zero_point[t],
            offset: self.offset[t],
            step: self.step[t],
            reciprocal: self.reciprocal[t],
            top: self.top[t],
        }
    }

    /// The largest of all steps, those of tiles before among them where the block has fewer.
    #[inline(always)]
    pub(crate) fn largest_step(&self) -> f32 {
        // As integers, which order as positive numbers do: a maximum of f32 is no vector operation to a compiler.
        let mut largest = 0;
        for step in self.step {
            largest = largest.max(step.to_bits() as i32);
        }
        f32::from_bits(largest as u32)
    }

    /// How many steps the ranges of tiles are of which the bounds are given; none where codes reach too far for words, of which
    /// so many are 1: where their middle is so far from zero, or a number within the bounds from the middle, with half a
    /// step for what the zero point may be moved by.
    #[inline(always)]
    pub(crate) fn word_steps<S: Simd>(&self, s: S, [low, high]: [S::T; 2], words_of_one: S::T) -> S::T {
        let step = s.load_t(&self.step);
        let centre = s.add_t(s.load_t(&self.offset), s.mul_t(step, s.splat_t(8.0)));
        let farthest = s.max_t(s.abs_t(s.sub_t(centre, low)), s.abs_t(s.sub_t(high, centre)));
        let reach = s.add_t(s.max_t(farthest, s.abs_t(centre)), s.mul_t(step, s.splat_t(0.5)));
        let steps = s.mul_t(s.sub_t(high, low), s.load_t(&self.reciprocal));
        s.where_below(
            s.splat_t(f32::from(i16::MAX)),
            s.mul_t(reach, words_of_one),
            s.splat_t(0.0),
            steps,
        )
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, t: usize, grid: Grid) {
        let t = t % BLOCK;
        self.unit[t] = grid.unit;
        self.zero_point[t] = grid.zero_point;
        self.offset[t] = grid.offset;
        self.step[t] = grid.step;
        self.reciprocal[t] = grid.reciprocal;
        self.top[t] = grid.top;
    }

    /// The grids for words of which one is worth `units`, and so many are 1. Gives codes in whole sixteenths, `more` added.
    #[inline(always)]
    pub(crate) fn of_words<S: Simd>(
        &self,
        s: S,
        units: &[f32; BLOCK],
        words: &[f32; BLOCK],
        more: f32,
    ) -> WordGrids {
        let reciprocals = s.mul_t(s.load_t(&self.reciprocal), s.splat_t(16.0 * 32768.0));
        let factors = s.mul_t(s.load_t(units), reciprocals);
        // Half of a sixteenth more, as rounding takes it away: see [`Grids::finer`].
        let half = s.splat_t((128.5 - more) * (1.0 / 16.0));
        let centre = s.add_t(s.load_t(&self.offset), s.mul_t(s.load_t(&self.step), half));
        let centres = s.mul_t(centre, s.load_t(words));
        let (least, most) = (s.splat_t(f32::from(i16::MIN)), s.splat_t(f32::from(i16::MAX)));
        let factors = s.store_t(s.max_t(s.min_t(factors, most), least));
        let centres = s.store_t(s.max_t(s.min_t(centres, most), least));
        let mut grids = WordGrids {
            factor: [0; BLOCK],
            centre: [0; BLOCK],
        };
        for t in 0..S::TILES {
            grids.factor[t] = integer(factors[t]);
            grids.centre[t] = integer(centres[t]);
        }
        grids
    }

    /// The grids of steps a sixteenth as large, half of one lower: their codes are whole sixteenths, of which
    /// a code is cut by half a step as it is rounded.
    #[inline(always)]
    pub(crate) fn finer<S: Simd>(&self) -> Self {
        let mut finer = *self;
        for t in 0..S::TILES {
            finer.offset[t] += self.step[t] * (0.5 / 16.0);
            finer.reciprocal[t] *= 16.0;
        }
        finer
    }

    /// The tiles' descriptors, of which the transforms are given: what [`Descriptor::to_bytes`] makes of one.
    #[inline(always)]
    pub(crate) fn describe<S: Simd>(&self, s: S, transforms: &[u8; BLOCK]) -> [[u8; DESCRIPTOR_LEN]; BLOCK] {
        s.quads(&self.zero_point, [&self.unit, transforms])
    }

    /// The same with zero points moved by as many units.
    #[inline(always)]
    pub(crate) fn moved<S: Simd>(&self, by: &[f32; BLOCK]) -> Self {
        let mut moved = *self;
        for t in 0..S::TILES {
            let zero_point = limited_zero_point(f32::from(self.zero_point[t]) + by[t]);
            moved.offset[t] = zero_point * (0.125 * self.step[t]);
            moved.zero_point[t] = integer(zero_point);
        }
        moved
    }
}

/// Grids of words, tiles as lanes: a word's distance from `centre` times `factor` over 2^15 is that of its code from 8, in
/// sixteenths. The zero point is as exact as words are, as a part of it that all coefficients lack is one error of the pivot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WordGrids {
    factor: [i16; BLOCK],
    centre: [i16; BLOCK],
}

impl WordGrids {
    /// The codes of tile `t` in sixteenths.
    #[inline(always)]
    pub(crate) fn sixteenths<S: Simd, const N: usize>(
        &self,
        s: S,
        t: usize,
        words: &Words<S, N>,
    ) -> Codes<S, N> {
        let t = t % BLOCK;
        let (factor, centre) = (s.splat_h(self.factor[t]), s.splat_h(self.centre[t]));
        let distances = array!(N, v => s.mul_high_h(s.sub_saturated_h(words[v], centre), factor));
        s.words_to_bytes(distances)
    }
}

/// Half a code in sixteenths.
pub(crate) const HALF: f32 = 8.0;

/// The nearest integer to a number within i16.
#[inline(always)]
fn integer(x: f32) -> i16 {
    (x + ROUNDER).to_bits() as i16
}

/// What the grid of a tile is, or is to be chosen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    One,
    /// A grid, its zero point moved by what suits the tile.
    Moved,
    Two,
}

/// The tiles of each kind but [`Kind::One`], a bit for each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kinds {
    pub(crate) moved: u32,
    pub(crate) two: u32,
}

/// The first of [`Fitting::candidates`] of each tile of a block, those of the common kind together; tiles without codes are
/// left out. Only the first `count` are tiles.
#[inline(always)]
pub(crate) fn fit_all<S: Simd>(
    (low, high): (&[f32; BLOCK], &[f32; BLOCK]),
    widths: &[u8; BLOCK],
    count: usize,
    units: Units,
    config: &Config,
    grids: &mut Grids,
) -> Kinds {
    let two = config.fit == Fit::LeastError && config.effort != Effort::Fast;
    let common_width = widths[0].max(1);
    let mut tops = [top_value(common_width); BLOCK];
    let mut spreads = [steps_of_range(config, common_width); BLOCK];
    if *widths != [common_width; BLOCK] {
        for t in 0..S::TILES {
            let width = widths[t].max(1);
            tops[t] = top_value(width);
            spreads[t] = steps_of_range(config, width);
        }
    }
    // Arrays of one kind of number, and no branch: a compiler makes vectors of these.
    let (low, high) = (*low, *high);
    let mut codes = [0i32; BLOCK];
    let mut uncommon = [0i32; BLOCK];
    let (mut values, mut reciprocals) = ([0.0; BLOCK], [0.0; BLOCK]);
    let mut zero_points = [0.0; BLOCK];
    for t in 0..S::TILES {
        let range = high[t] - low[t];
        codes[t] = units.nearest_code(range * spreads[t]);
        let least = units.code_at_least(reach(low[t], high[t]));
        uncommon[t] = i32::from(codes[t] < least) | i32::from(range == 0.0);
    }
    for t in 0..S::TILES {
        values[t] = units.value_of(codes[t]);
        reciprocals[t] = 1.0 / (8.0 * values[t]);
        let first = 0.5 * (low[t] + high[t]) - 4.0 * values[t] * tops[t];
        zero_points[t] = round(first * (8.0 * reciprocals[t]));
    }
    for t in 0..S::TILES {
        grids.offset[t] = zero_points[t] * values[t];
        grids.step[t] = 8.0 * values[t];
    }
    for t in 0..S::TILES {
        grids.zero_point[t] = integer(zero_points[t]);
    }
    for t in 0..S::TILES {
        grids.unit[t] = codes[t] as u8;
    }
    grids.reciprocal = reciprocals;
    grids.top = tops;
    // Whatever there is beyond the tiles has no say.
    for uncommon in uncommon.iter_mut().skip(count) {
        *uncommon = 0;
    }
    let tiles = (1 << count.min(BLOCK)) - 1;
    let mut kinds = Kinds {
        moved: if two { tiles } else { 0 },
        two: 0,
    };
    let narrow = two && widths.iter().fold(u8::MAX, |least, &width| least.min(width)) <= 2;
    if uncommon == [0; BLOCK] && !narrow {
        return kinds;
    }
    for t in 0..count.min(S::TILES) {
        if widths[t] == 0 {
            kinds.moved &= !(1 << t);
        } else if uncommon[t] != 0 || (two && widths[t] <= 2) {
            let fitting = Fitting {
                bounds: (low[t], high[t]),
                width: widths[t],
                units,
                fit: config.fit,
                effort: config.effort,
            };
            let (grid, kind, _) = fitting.candidates();
            grids.set(t, grid);
            kinds.moved &= !(u32::from(kind != Kind::Moved) << t);
            kinds.two |= u32::from(kind == Kind::Two) << t;
        }
    }
    kinds
}

/// The step of codes of `width` bits for a range of 1, in eighths.
#[inline(always)]
fn steps_of_range(config: &Config, width: u8) -> f32 {
    spread(config.fit, config.effort, width) * (0.125 * RECIPROCAL_TOPS[usize::from(width % 9)])
}

/// `1 / (2^width - 1)`.
const RECIPROCAL_TOPS: [f32; 9] = {
    let mut table = [0.0; 9];
    let mut width = 1;
    while width < 9 {
        table[width] = 1.0 / top_value(width as u8);
        width += 1;
    }
    table
};

/// The entry of [`SPREAD`] that is meant.
#[inline(always)]
fn spread(fit: Fit, effort: Effort, width: u8) -> f32 {
    let [one, searched] = SPREAD[usize::from(width - 1) % 8];
    match (fit, effort) {
        // Nothing is clipped but by the rounding of the unit.
        (Fit::Range, _) => one.max(1.0),
        (Fit::LeastError, Effort::Fast) => one,
        (Fit::LeastError, _) => searched,
    }
}

/// Values (or coefficients) of a tile whose grid is to be chosen, for codes of at least one bit.
#[derive(Clone, Copy)]
pub(crate) struct Fitting {
    /// The least and the largest.
    pub(crate) bounds: (f32, f32),
    pub(crate) width: u8,
    pub(crate) units: Units,
    pub(crate) fit: Fit,
    pub(crate) effort: Effort,
}

impl Fitting {
    /// The grid that is best by rule, or from which it is to be found out; the second where there are two.
    #[inline(always)]
    pub(crate) fn candidates(&self) -> (Grid, Kind, Grid) {
        let (low, high) = self.bounds;
        let least = self.units.at_least(reach(low, high));
        let code = self.near(spread(self.fit, self.effort, self.width));
        if high == low {
            let grid = constant(low, self.width, self.units);
            return (grid, Kind::One, grid);
        }
        if code < least {
            // Nearly constant, far from zero. Where the codes reach beyond the range, the first is put on its
            // end.
            let reach = 8.0 * self.units.value(least) * top_value(self.width);
            let grid = if reach >= high - low {
                Grid::new(self.units, least, low, self.width)
            } else {
                self.centred(least)
            };
            return (grid, Kind::One, grid);
        }
        let centre = self.centred(code);
        match (self.fit, self.effort) {
            (_, Effort::Fast) | (Fit::Range, Effort::Balanced) => (centre, Kind::One, centre),
            // So few codes that a tile with an outlier and one without want other units altogether.
            _ if self.width <= 2 => (centre, Kind::Two, self.centred(self.near(1.0))),
            _ => (centre, Kind::Moved, centre),
        }
    }

    /// The unit nearest to the range divided by the codes, times `spread`.
    #[inline(always)]
    fn near(&self, spread: f32) -> u8 {
        let range = self.bounds.1 - self.bounds.0;
        let top = RECIPROCAL_TOPS[usize::from(self.width % 9)];
        self.units.nearest(range * (spread * (0.125 * top)))
    }

    #[inline(always)]
    fn centred(&self, code: u8) -> Grid {
        Grid::centred(self.units, code, self.bounds.0, self.bounds.1, self.width)
    }

    /// The search of [`Effort::Best`] for the values `x`: units and zero points around the better of the candidates,
    /// where there are two.
    #[inline(always)]
    pub(crate) fn search<S: Simd, const N: usize>(&self, s: S, x: &Tile<S, N>) -> Chosen {
        let (first, kind, second) = self.candidates();
        let (first, second) = match kind {
            Kind::One => return Chosen::tried(s, first, x),
            Kind::Moved => {
                let [down, up] = MOVES[usize::from(self.width.wrapping_sub(1)) % MOVES.len()];
                (first.moved(down), first.moved(up))
            }
            Kind::Two => (first, second),
        };
        let mut best = Chosen::tried(s, first, x).better(Chosen::tried(s, second, x));
        let least = self.units.at_least(reach(self.bounds.0, self.bounds.1));
        let code = best.grid.unit;
        for code in code.saturating_sub(2).max(least)..=code.saturating_add(1) {
            let centre = self.centred(code);
            for by in -4..=4 {
                best = best.better(Chosen::tried(s, centre.moved(by), x));
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
    let top = top_value(width);
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
        let grid = Grid::at(units, unit, zero_point.max(-32_768.0), top);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Scalar;

    /// Bounds of all kinds of tiles: wide, nearly constant, constant, far from zero, of one sign.
    fn bounds(seed: u32) -> ([f32; BLOCK], [f32; BLOCK]) {
        let (mut low, mut high) = ([0.0; BLOCK], [0.0; BLOCK]);
        for t in 0..BLOCK {
            let hash = mix(seed ^ mix(t as u32));
            let centre = (hash % 2001) as f32 / 1000.0 - 1.0;
            let spread = match hash >> 16 & 7 {
                0 => 0.0,
                1 => 1e-7,
                2 => 1e-4,
                n => n as f32 / 9.0,
            };
            (low[t], high[t]) = (centre - spread, centre + spread * 0.8);
        }
        (low, high)
    }

    #[test]
    fn tiles_as_lanes_are_fitted_as_one_by_one() {
        let parts = |grid: Grid| {
            (
                grid.unit,
                grid.zero_point,
                grid.offset.to_bits(),
                grid.step.to_bits(),
                grid.reciprocal.to_bits(),
                grid.top.to_bits(),
            )
        };
        let (mut moved, mut twos) = (0, 0);
        for seed in 0..8000 {
            let (low, high) = bounds(seed);
            let hash = mix(seed ^ 0x5555);
            let width = 1 + (hash % 8) as u8;
            let narrow = if hash & 1 << 8 == 0 {
                width
            } else {
                1 + (hash >> 9 & 7) as u8
            };
            let widths = array!(BLOCK, t => if hash >> t & 1 == 0 { width } else { narrow });
            let units = Units::new(-32 - i32::from(width));
            for effort in [Effort::Fast, Effort::Balanced] {
                for fit in [Fit::Range, Fit::LeastError] {
                    let config = Config {
                        effort,
                        fit,
                        ..Config::INT4
                    };
                    let mut grids = Grids::new();
                    // Whatever there is beyond the tiles has no say.
                    let count = 1 + (hash >> 17) as usize % Scalar::TILES;
                    let kinds = fit_all::<Scalar>((&low, &high), &widths, count, units, &config, &mut grids);
                    assert_eq!((kinds.moved | kinds.two) >> count, 0);
                    for t in 0..count {
                        let fitting = Fitting {
                            bounds: (low[t], high[t]),
                            width: widths[t],
                            units,
                            fit,
                            effort,
                        };
                        let (grid, kind, _) = fitting.candidates();
                        let at = (seed, t, widths[t], effort, fit);
                        assert_eq!(parts(grids.get(t)), parts(grid), "{at:?}");
                        let of_kind = [Kind::Moved, Kind::Two].map(|of| u32::from(kind == of));
                        assert_eq!([kinds.moved >> t & 1, kinds.two >> t & 1], of_kind, "{at:?}");
                        moved += usize::from(kind == Kind::Moved);
                        twos += usize::from(kind == Kind::Two);
                    }
                }
            }
        }
        assert!(moved > 1000 && twos > 1000);
    }
}
