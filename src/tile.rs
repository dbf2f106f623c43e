//! Tiles in and out of rows: loading with the channel exponents taken out, tails, and the statistics
//! that decisions rest on.

use crate::arch::{LANES, Part, Simd, array};
use crate::element::Element;
use crate::rotate::Tile;

/// The largest tile.
pub(crate) const MAX_TILE: usize = 128;

/// Powers of two that bring a row to about 1: channel c is multiplied by `2^(-k_c - exponent)`.
///
/// All arithmetic of the encoder is on numbers so scaled: squares do not overflow, and those that vanish
/// are of numbers below the least unit of their row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale<'a> {
    pub(crate) exponents: Option<&'a [i8]>,
    pub(crate) exponent: i32,
    pub(crate) factors: Factors,
}

/// How the powers of a [`Scale`] are represented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Factors {
    /// Powers below 2^-126 are taken for 2^-126, which bounds the result from above.
    Bounding,
    /// Every power is a normal f32.
    Single,
    /// Every power is a product of two normal f32.
    Split,
}

/// Splits off the `index`th run of `G` elements of a row, fewer in the tail.
#[inline(always)]
pub(crate) fn run<T, const G: usize>(row: &[T], index: usize) -> &[T] {
    let rest = &row[index * G..];
    &rest[..rest.len().min(G)]
}

/// Loads the tile at `index` of `row`, scaled; channels beyond the row are 0.
#[inline(always)]
pub(crate) fn load<S: Simd, E: Element, const N: usize, const G: usize>(
    s: S,
    row: &[E],
    index: usize,
    scale: &Scale<'_>,
) -> Tile<S, N> {
    let elements = run::<E, G>(row, index);
    let exponents = scale.exponents.map(|table| run::<i8, G>(table, index));
    if let Some(values) = E::as_f32(elements)
        && values.len() == G
    {
        return scaled(s, values, exponents, scale);
    }
    let mut values = [0.0; G];
    for (value, element) in values.iter_mut().zip(elements) {
        *value = element.to_f32();
    }
    let Some(exponents) = exponents else {
        return scaled(s, &values, None, scale);
    };
    if exponents.len() == G {
        return scaled(s, &values, Some(exponents), scale);
    }
    let mut padded = [0; G];
    padded[..exponents.len()].copy_from_slice(exponents);
    scaled(s, &values, Some(&padded), scale)
}

#[inline(always)]
fn scaled<S: Simd, const N: usize>(
    s: S,
    values: &[f32],
    exponents: Option<&[i8]>,
    scale: &Scale<'_>,
) -> Tile<S, N> {
    let values = values.as_chunks::<LANES>().0;
    if scale.factors == Factors::Split {
        return s.outline(Split::<N> {
            values,
            exponents,
            exponent: scale.exponent,
        });
    }
    let one = 127 - scale.exponent;
    let Some(exponents) = exponents else {
        let factor = s.splat(f32::from_bits((one.clamp(1, 254) as u32) << 23));
        return array!(N, v => s.mul(s.load(&values[v]), factor));
    };
    let exponents = exponents.as_chunks::<LANES>().0;
    let (one, least) = (s.splat_i(one), s.splat_i(1));
    array!(N, v => {
        let biased = s.max_i(s.sub_i(one, s.load_i8(&exponents[v])), least);
        s.mul(s.load(&values[v]), s.float_of_bits(s.shl::<23>(biased)))
    })
}

/// Scaling by powers that one f32 does not hold: by two of them, exact as one would be.
struct Split<'a, const N: usize> {
    values: &'a [[f32; LANES]],
    exponents: Option<&'a [i8]>,
    exponent: i32,
}

impl<S: Simd, const N: usize> Part<S> for Split<'_, N> {
    type Output = Tile<S, N>;

    #[inline(always)]
    fn run(self, s: S) -> Tile<S, N> {
        let exponents = self.exponents.unwrap_or(&[0; MAX_TILE]).as_chunks::<LANES>().0;
        // Numbers scaled by less than 2^-250 vanish beside their row.
        let least = s.splat_i(-250);
        // Makes the power positive, so that it can be halved by a shift; 256 of it are each half's.
        let whole = s.splat_i(512);
        let bias = s.splat_i(127 - 256);
        array!(N, v => {
            let power = s.sub_i(s.splat_i(-self.exponent), s.load_i8(&exponents[v]));
            let power = s.add_i(s.max_i(power, least), whole);
            let half = s.shr::<1>(power);
            let first = s.float_of_bits(s.shl::<23>(s.add_i(half, bias)));
            let second = s.float_of_bits(s.shl::<23>(s.add_i(s.sub_i(power, half), bias)));
            s.mul(s.mul(s.load(&self.values[v]), first), second)
        })
    }
}

/// Multiplies by `2^k_c`: the last step of decoding.
#[inline(always)]
pub(crate) fn apply_exponents<S: Simd, const N: usize>(s: S, y: &mut Tile<S, N>, exponents: &[i8]) {
    let exponents = exponents.as_chunks::<LANES>().0;
    let bias = s.splat_i(127);
    for (y, k) in y.iter_mut().zip(exponents) {
        *y = s.mul(*y, s.float_of_bits(s.shl::<23>(s.add_i(s.load_i8(k), bias))));
    }
}

/// The bits of the largest magnitude of a tile: above those of infinity where a NaN is in it.
#[inline(always)]
pub(crate) fn peak_bits<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> S::I {
    let mut peak = s.bits(s.abs(x[0]));
    for &x in &x[1..] {
        peak = s.max_i(peak, s.bits(s.abs(x)));
    }
    peak
}

/// Replaces the channels beyond the row by the mean of the others, which widens no range and adds little
/// to the transform. What they decode to is dropped.
#[inline(always)]
pub(crate) fn pad<S: Simd, const N: usize, const G: usize>(s: S, x: &mut Tile<S, N>, valid: usize) {
    let mean = sum(s, x) / valid as f32;
    let mut values = [0.0; G];
    store(s, x, &mut values);
    values[valid..].fill(mean);
    let chunks = values.as_chunks::<LANES>().0;
    *x = array!(N, v => s.load(&chunks[v]));
}

#[inline(always)]
pub(crate) fn store<S: Simd, const N: usize>(s: S, x: &Tile<S, N>, to: &mut [f32]) {
    for (x, to) in x.iter().zip(to.as_chunks_mut::<LANES>().0) {
        s.store(*x, to);
    }
}

/// Sum over a tile: lanes accumulate over its vectors, then fold.
#[inline(always)]
pub(crate) fn sum<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> f32 {
    let mut acc = x[0];
    for &x in &x[1..] {
        acc = s.add(acc, x);
    }
    s.reduce_add(acc)
}

/// Least and largest value of a tile.
#[inline(always)]
pub(crate) fn bounds<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> (f32, f32) {
    let (mut low, mut high) = (x[0], x[0]);
    for &x in &x[1..] {
        low = s.min(low, x);
        high = s.max(high, x);
    }
    // A sum with +0 gives +0 for either zero, whichever of two the level's minimum chose.
    (s.reduce_min(low) + 0.0, s.reduce_max(high) + 0.0)
}

/// Sum of squares, in the order of [`sum`].
#[inline(always)]
pub(crate) fn energy<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> f32 {
    let mut acc = s.mul(x[0], x[0]);
    for &x in &x[1..] {
        acc = s.add(acc, s.mul(x, x));
    }
    s.reduce_add(acc)
}

/// The two largest magnitudes and the channel of the largest, the lowest of several.
#[inline(always)]
pub(crate) fn peaks<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> (f32, f32, usize) {
    let mut first = s.abs(x[0]);
    let mut second = s.splat(0.0);
    for &x in &x[1..] {
        let a = s.abs(x);
        second = s.max(second, s.min(first, a));
        first = s.max(first, a);
    }
    let largest = s.reduce_max(first);
    // Exactly one lane gives its first up for its second; were there two, the second largest is the largest.
    let mut firsts = [0.0; LANES];
    let mut seconds = [0.0; LANES];
    s.store(first, &mut firsts);
    s.store(second, &mut seconds);
    let mut second = s.reduce_max(second);
    let mut seen = false;
    for &value in &firsts {
        let duplicate = value == largest && seen;
        seen |= value == largest;
        if (value != largest || duplicate) && value > second {
            second = value;
        }
    }
    (largest, second, position(s, x, largest))
}

/// The lowest channel whose magnitude is `largest`.
#[inline(always)]
pub(crate) fn position<S: Simd, const N: usize>(s: S, x: &Tile<S, N>, largest: f32) -> usize {
    // Least representable below `largest`, so that a strict comparison finds it.
    let below = s.splat(f32::from_bits(largest.to_bits().saturating_sub(1)));
    for (v, &x) in x.iter().enumerate() {
        let hit = s.gt(s.abs(x), below);
        if s.reduce_max_i(s.and(hit, s.splat_i(1))) != 0 {
            let mut bytes = [0; LANES];
            s.store_u8(hit, &mut bytes);
            return v * LANES + bytes.iter().position(|&hit| hit != 0).unwrap_or(0);
        }
    }
    0
}
