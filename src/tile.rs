//! Tiles in and out of rows: loading with the channel exponents taken out, tails, and the statistics
//! that decisions rest on.

use bytemuck::Zeroable;

use crate::arch::{BLOCK, Folded, LANES, Part, Simd, array, exchanged};
use crate::element::Lanes;
use crate::part::{copy, from, part_mut, split_mut};
use crate::rotate::Tile;

/// The largest tile.
pub(crate) const MAX_TILE: usize = 128;

/// Powers of two that bring a row to about 1, or leave it where it is near: channel c is multiplied by `2^(-k_c - exponent)`.
///
/// All arithmetic of the encoder is on numbers so scaled: squares do not overflow, and those that vanish
/// are of numbers below the least unit of their row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale<'a> {
    pub(crate) exponents: Option<&'a [i8]>,
    /// `2^(-k_c)` of each channel, where these are ready.
    pub(crate) powers: Option<&'a [f32]>,
    pub(crate) exponent: i32,
    /// What brings the row to about 1: the exponent, or where that is 0 some that is near.
    pub(crate) to_one: i32,
    /// The row's elements as they are lie below 2 to this power.
    pub(crate) octave: i32,
    /// Some power is not a normal f32, but a product of two.
    pub(crate) split: bool,
}

/// Tiles that will be read later. They are asked for a half at a time by two of the stages that tiles here go through: a
/// core waits for more than a dozen lines only where it has nothing else to do, and stages that read what is asked for are
/// not those that should wait for the same buffers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    first: *const u8,
    /// Bytes of a tile.
    len: usize,
}

impl Ahead {
    pub(crate) const NOTHING: Self = Self {
        first: core::ptr::null(),
        len: 0,
    };

    /// What `elements` start with, tiles of `tile_len`; where they end does not matter.
    pub(crate) fn new<E>(elements: &[E], tile_len: usize) -> Self {
        Self {
            first: elements.as_ptr().cast(),
            len: tile_len * size_of::<E>(),
        }
    }

    /// Some tiles further on.
    pub(crate) fn on(mut self, tiles: usize) -> Self {
        self.first = self.first.wrapping_add(tiles * self.len);
        self
    }

    /// Goes on by a tile, of `N` vectors, and asks for its first or its second half. The first tile is left out, so that the
    /// first of a page is asked for before its page is read.
    #[inline(always)]
    pub(crate) fn prefetch_next<S: Simd, const N: usize>(&mut self, s: S, half: usize) {
        self.first = self.first.wrapping_add(self.len);
        let half = self.first.wrapping_add(half * (self.len / 2));
        for line in 0..N {
            s.prefetch_far(half.wrapping_add(line * (self.len / (2 * N))));
        }
    }
}

/// Splits off the `index`th run of `G` elements of a row, fewer in the tail.
#[inline(always)]
pub(crate) fn run<T, const G: usize>(row: &[T], index: usize) -> &[T] {
    let rest = from(row, index * G);
    rest.get(..G).unwrap_or(rest)
}

/// Run `index` of `row` as a whole tile, zeros beyond the row: `padded` holds it where the row ends.
#[inline(always)]
pub(crate) fn whole<'a, T: Copy + Zeroable, const G: usize>(
    row: &'a [T],
    index: usize,
    padded: &'a mut [T; G],
) -> &'a [T; G] {
    let run = run::<T, G>(row, index);
    match run.first_chunk::<G>() {
        Some(run) => run,
        None => {
            padded.fill_with(T::zeroed);
            copy(part_mut(padded, 0..run.len()), run);
            padded
        }
    }
}

/// What is folded of tiles while they are loaded.
pub(crate) trait Statistic {
    /// Whether something is.
    const FOLDS: bool = true;
    /// Whether the tiles are needed beside it.
    const KEEPS: bool = true;

    fn of<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> (Folded, Folded);
}

/// Least and largest values.
pub(crate) struct Bounds;

impl Statistic for Bounds {
    #[inline(always)]
    fn of<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> (Folded, Folded) {
        (least(s, x), most(s, x))
    }
}

/// Nothing.
pub(crate) struct Nothing;

impl Statistic for Nothing {
    const FOLDS: bool = false;

    #[inline(always)]
    fn of<S: Simd, const N: usize>(_: S, _: &Tile<S, N>) -> (Folded, Folded) {
        (Zeroable::zeroed(), Zeroable::zeroed())
    }
}

/// Loads the tile at `index` of `row`, scaled, into `to`; channels beyond the row are 0.
#[inline(always)]
pub(crate) fn load<S: Simd, E: Lanes, const N: usize, const G: usize>(
    s: S,
    row: &[E],
    index: usize,
    scale: &Scale<'_>,
    to: &mut [[f32; LANES]; N],
) {
    let (to, unused) = (
        core::slice::from_mut(to),
        [&mut Zeroable::zeroed(), &mut Zeroable::zeroed()],
    );
    load_several::<S, E, Nothing, N, G>(s, row, index, scale, to, unused, None);
}

/// Loads the tiles from `start` on as [`load`] does, a block at the most, folds their statistics into `folded`, and asks for
/// the first half of each of the tiles `ahead`, where there are some.
#[inline(always)]
pub(crate) fn load_several<S: Simd, E: Lanes, F: Statistic, const N: usize, const G: usize>(
    s: S,
    row: &[E],
    start: usize,
    scale: &Scale<'_>,
    to: &mut [[[f32; LANES]; N]],
    folded: [&mut [Folded; BLOCK]; 2],
    mut ahead: Option<Ahead>,
) {
    let elements = from(row, start * G);
    let whole = if scale.split {
        0
    } else {
        to.len().min(elements.len() / G)
    };
    let (common, rare) = split_mut(to, whole);
    let elements = elements.as_chunks::<LANES>().0.as_chunks::<N>().0;
    let one = 127 - scale.exponent;
    macro_rules! put {
        ($x:expr, $to:expr, $first:expr, $second:expr) => {{
            let x: Tile<S, N> = $x;
            if F::KEEPS {
                store::<S, N>(s, &x, $to);
            }
            if F::FOLDS {
                (*$first, *$second) = F::of(s, &x);
            }
            if let Some(ahead) = &mut ahead {
                ahead.prefetch_next::<S, N>(s, 0);
            }
        }};
    }
    let [firsts, seconds] = folded;
    let both = firsts.iter_mut().zip(seconds.iter_mut());
    let common = common.iter_mut().zip(elements).zip(both);
    let ready = scale.powers.filter(|_| S::POWERS_READY && scale.exponent == 0);
    match (scale.exponents, ready) {
        (None, _) if scale.exponent == 0 => {
            for ((to, elements), (first, second)) in common {
                put!(array!(N, v => E::load(s, &elements[v])), to, first, second);
            }
        }
        (None, _) => {
            let factor = s.splat(f32::from_bits((one as u32) << 23));
            for ((to, elements), (first, second)) in common {
                put!(
                    array!(N, v => s.mul(E::load(s, &elements[v]), factor)),
                    to,
                    first,
                    second
                );
            }
        }
        (Some(_), Some(powers)) => {
            let powers = from(powers, start * G).as_chunks::<LANES>().0.as_chunks::<N>().0;
            for (((to, elements), (first, second)), powers) in common.zip(powers) {
                put!(
                    array!(N, v => s.mul(E::load(s, &elements[v]), s.load(&powers[v]))),
                    to,
                    first,
                    second
                );
            }
        }
        (Some(table), None) => {
            let exponents = from(table, start * G).as_chunks::<LANES>().0.as_chunks::<N>().0;
            for (((to, elements), (first, second)), exponents) in common.zip(exponents) {
                put!(
                    array!(N, v => {
                        s.mul(E::load(s, &elements[v]), s.powers_below(one, &exponents[v]))
                    }),
                    to,
                    first,
                    second
                );
            }
        }
    }
    // What is rare is a function of its own.
    for (i, to) in rare.iter_mut().enumerate() {
        s.outline(Rare::<E, N, G> {
            row,
            index: start + whole + i,
            scale,
            to: &mut *to,
        });
        if F::FOLDS {
            let (t, x) = ((whole + i) % BLOCK, array!(N, v => s.load(&to[v])));
            (firsts[t], seconds[t]) = F::of(s, &x);
        }
    }
}

/// A tile that the row ends in, or whose scaling is by powers that one f32 does not hold: by two of them, exact as
/// one would be.
struct Rare<'a, 't, E, const N: usize, const G: usize> {
    row: &'a [E],
    index: usize,
    scale: &'a Scale<'a>,
    to: &'t mut [[f32; LANES]; N],
}

impl<S: Simd, E: Lanes, const N: usize, const G: usize> Part<S> for Rare<'_, '_, E, N, G> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let mut padded = [E::zeroed(); G];
        let elements = whole(self.row, self.index, &mut padded).as_chunks::<LANES>().0;
        let mut padded = [0; G];
        let table = self.scale.exponents.unwrap_or(&[0; G]);
        let table = if self.scale.exponents.is_some() {
            whole(table, self.index, &mut padded)
        } else {
            &padded
        };
        // Numbers scaled by less than 2^-250 vanish beside their row.
        let least = s.splat_i(-250);
        // Makes the power positive, so that it can be halved by a shift; 256 of it are each half's.
        let even = s.splat_i(512);
        let bias = s.splat_i(127 - 256);
        let exponents = table.as_chunks::<LANES>().0;
        for (to, (elements, exponents)) in self.to.iter_mut().zip(elements.iter().zip(exponents)) {
            let power = s.sub_i(s.splat_i(-self.scale.exponent), s.load_i8(exponents));
            let power = s.add_i(s.max_i(power, least), even);
            let half = s.shr::<1>(power);
            let first = s.float_of_bits(s.shl::<23>(s.add_i(half, bias)));
            let second = s.float_of_bits(s.shl::<23>(s.add_i(s.sub_i(power, half), bias)));
            s.store(s.mul(s.mul(E::load(s, elements), first), second), to);
        }
    }
}

/// As [`Lanes::peak_exponent`] with the channel exponents taken out, powers below 2^-126 taken for 2^-126.
pub(crate) fn equalised_peak_exponent<E: Lanes>(row: &[E], table: &[i8]) -> i32 {
    let mut bits = 0;
    for (element, k) in row.iter().zip(table) {
        let factor = f32::from_bits(((127 - i32::from(*k)).max(1) as u32) << 23);
        bits = bits.max((element.to_f32() * factor).abs().to_bits() as i32);
    }
    bits >> 23
}

/// Multiplies a tile that is exchanged by `pivot` by `2^k_c`: the last step of decoding. `exponents` has one for each
/// element.
#[inline(always)]
pub(crate) fn apply_exponents<S: Simd, const N: usize>(
    s: S,
    y: &Tile<S, N>,
    exponents: &[i8],
    pivot: usize,
) -> Tile<S, N> {
    // There is one for each element.
    let exponents = exponents
        .as_chunks::<LANES>()
        .0
        .first_chunk::<N>()
        .unwrap_or(&[[0; LANES]; N]);
    array!(N, v => s.mul(y[v], powers_of_two(s, &exponents[exchanged::<S>(v, pivot) % N])))
}

/// `2^k` for each exponent of channels, which are above -127.
#[inline(always)]
pub(crate) fn powers_of_two<S: Simd>(s: S, exponents: &[i8; LANES]) -> S::F {
    s.times_powers(1.0, exponents)
}

/// [`powers_of_two`] of one.
pub(crate) fn power_of_two(exponent: i8) -> f32 {
    f32::from_bits(((i32::from(exponent) + 127) as u32) << 23)
}

#[inline(always)]
pub(crate) fn store<S: Simd, const N: usize>(s: S, x: &Tile<S, N>, to: &mut [[f32; LANES]]) {
    for (x, to) in x.iter().zip(to) {
        s.store(*x, to);
    }
}

#[inline(always)]
pub(crate) fn least<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> Folded {
    let mut low = x[0];
    for &x in &x[1..] {
        low = s.min(low, x);
    }
    s.fold_min(low)
}

#[inline(always)]
pub(crate) fn most<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> Folded {
    let mut high = x[0];
    for &x in &x[1..] {
        high = s.max(high, x);
    }
    s.fold_max(high)
}

/// Sum over a tile: lanes accumulate over its vectors, then fold.
#[inline(always)]
pub(crate) fn sum<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> Folded {
    let mut acc = x[0];
    for &x in &x[1..] {
        acc = s.add(acc, x);
    }
    s.fold_add(acc)
}

/// Replaces the channels beyond the first `valid` by the mean of those, which widens no range and adds little to the
/// transform. What they decode to is dropped.
pub(crate) fn pad<S: Simd, const N: usize>(s: S, x: &mut [[f32; LANES]; N], valid: usize) {
    s.outline(Pad { x, valid });
}

struct Pad<'t, const N: usize> {
    x: &'t mut [[f32; LANES]; N],
    valid: usize,
}

impl<S: Simd, const N: usize> Part<S> for Pad<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let tile: Tile<S, N> = array!(N, v => s.load(&self.x[v]));
        let mean = single(sum(s, &tile), |a, b| a + b) / self.valid as f32;
        split_mut(self.x.as_flattened_mut(), self.valid).1.fill(mean);
    }
}

/// What a single [`Folded`] comes to.
#[inline(always)]
pub(crate) fn single(mut lanes: Folded, f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut len = lanes.len();
    while len > 1 {
        len /= 2;
        for i in 0..len {
            lanes[i] = f(lanes[i], lanes[i + len]);
        }
    }
    lanes[0]
}

/// Least and largest value of a single tile.
#[inline(always)]
pub(crate) fn bounds<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> (f32, f32) {
    // A sum with +0 gives +0 for either zero, whichever of two the level's minimum chose.
    (
        single(least(s, x), |a, b| if a < b { a } else { b }) + 0.0,
        single(most(s, x), |a, b| if a > b { a } else { b }) + 0.0,
    )
}

/// How many elements are above `limit` in magnitude when they are multiplied by `factor`.
#[inline(always)]
pub(crate) fn count_above<S: Simd, const N: usize>(s: S, x: &Tile<S, N>, factor: f32, limit: f32) -> u32 {
    let (factor, limit) = (s.splat(factor), s.splat(limit));
    let above = array!(N, v => s.above(s.mul(s.abs(x[v]), factor), limit));
    let mut count = 0;
    for pair in above.chunks(2) {
        // One count for both.
        let [low, high] = [pair[0], *pair.get(1).unwrap_or(&0)];
        count += (u64::from(low) | u64::from(high) << 32).count_ones();
    }
    count
}

/// The lowest lane of which a bit is set, where one is.
#[inline(always)]
fn lowest<const N: usize>(hits: [u32; N]) -> usize {
    let (mut low, mut high) = (0u64, 0u64);
    for (v, hits) in hits.into_iter().enumerate() {
        let half = if v < 2 { &mut low } else { &mut high };
        *half |= u64::from(hits) << (v % 2 * LANES);
    }
    // One count where there is one half.
    let zeros = if const { N <= 2 } || low != 0 {
        low.trailing_zeros()
    } else {
        64 + high.trailing_zeros()
    };
    zeros as usize % (N * LANES)
}

/// The lowest channel whose magnitude is `largest`, above 0.
#[inline(always)]
pub(crate) fn position<S: Simd, const N: usize>(s: S, x: &Tile<S, N>, largest: f32) -> usize {
    // Least representable below `largest`, so that a strict comparison finds it.
    let below = s.splat(f32::from_bits(largest.to_bits().saturating_sub(1)));
    lowest(array!(N, v => s.above(s.abs(x[v]), below)))
}
