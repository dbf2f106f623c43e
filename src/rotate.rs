//! The Walsh-Hadamard transform of a tile about a pivot, forward in words of 16 bits or, where it is to be exact, in f32, and
//! inverse in integers.
//!
//! A rotated tile carries `c = H x' / G`, with `x'_i = x_(i XOR p)`: the pivot `p` comes to index 0, where
//! `H` times a constant is, and so its energy is one constant offset of all coefficients. The exchange
//! only flips signs by row `p` of `H`, `c_k = (-1)^popcount(k AND p) (H x)_k / G`, and nothing is permuted
//! either way. The transform with the pivot first is TAH-Quant's (arXiv 2506.01352); the XOR exchange of
//! all pairs instead of one swap is this format's.

use crate::arch::{LANES, ROUNDER, SIGNS, Simd, array, sign_row, word_peak};

/// A tile in registers: `N` vectors of 32 values.
pub(crate) type Tile<S, const N: usize> = [<S as Simd>::F; N];

/// The codes of a tile in registers, a byte each.
pub(crate) type Codes<S, const N: usize> = [<S as Simd>::B; N];

/// The coefficients of a tile in registers, as words in the level's own order.
pub(crate) type Words<S, const N: usize> = [<S as Simd>::H; N];

/// `H x / G`: the coefficients about pivot 0. Butterflies run from the longest stride to the shortest.
#[inline(always)]
pub(crate) fn spectrum<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> Tile<S, N> {
    let mut c = *x;
    let mut stride = N / 2;
    while stride > 0 {
        let mut v = 0;
        while v < N {
            if v & stride == 0 {
                (c[v], c[v + stride]) = (s.add(c[v], c[v + stride]), s.sub(c[v], c[v + stride]));
            }
            v += 1;
        }
        stride /= 2;
    }
    let scale = s.splat(1.0 / (N * LANES) as f32);
    array!(N, v => s.mul(s.wht(c[v]), scale))
}

/// From the coefficients about pivot 0 to those about `pivot`.
#[inline(always)]
pub(crate) fn about<S: Simd, const N: usize>(s: S, spectrum: &Tile<S, N>, pivot: usize) -> Tile<S, N> {
    array!(N, v => {
        let signs = s.load(&SIGNS[sign_row(pivot, v)]);
        s.float_of_bits(s.xor(s.bits(spectrum[v]), s.bits(signs)))
    })
}

/// What the largest magnitude of a tile becomes in [`words`]. A coefficient has up to `G`
/// times that; one that exceeds i16 has so large a part of it that the range of the elements is narrower than that of
/// coefficients.
pub(crate) const fn word_of_peak(tile_len: usize) -> f32 {
    match tile_len {
        32 => 2700.0,
        64 => 2000.0,
        _ => 1400.0,
    }
}

const _: () = assert!(word_of_peak(LANES) <= word_peak(1) as f32);
const _: () = assert!(word_of_peak(2 * LANES) <= word_peak(2) as f32);
const _: () = assert!(word_of_peak(4 * LANES) <= word_peak(4) as f32);

/// What is below this in magnitude was not limited: see [`Simd::wht_words`].
pub(crate) const WORD_LIMIT: f32 = i16::MAX as f32;

/// Elements times `factor`, rounded: what that leaves out is 2000 times less than the largest.
#[inline(always)]
pub(crate) fn words<S: Simd, const N: usize>(s: S, x: &Tile<S, N>, factor: f32) -> Words<S, N> {
    let factor = s.splat(factor);
    s.words(array!(N, v => s.mul(x[v], factor)))
}

/// `H x` of elements times `factor`.
#[inline(always)]
pub(crate) fn word_spectrum<S: Simd, const N: usize>(s: S, x: &Tile<S, N>, factor: f32) -> Words<S, N> {
    s.wht_words(words(s, x, factor))
}

/// Steps of the largest coefficient in which [`pivot_ranges`] counts.
pub(crate) const RANGE_STEPS: f32 = 127.0;

/// What brings words of which `peak` is the largest magnitude to [`RANGE_STEPS`] and not above, over 2^15. Magnitudes of -2^15
/// count as nothing in it: words of such a tile were limited, and it stays plain whatever its pivot.
#[inline(always)]
pub(crate) fn range_factor(peak: i16) -> i16 {
    let (peak, least) = (f32::from(peak), RANGE_STEPS * 32768.0 / WORD_LIMIT);
    let factor = RANGE_STEPS * 32768.0 / if peak > least { peak } else { least };
    // Rounded down, or up by a thousandth: compilers make no vectors of a conversion to i16.
    (factor - 0.499 + ROUNDER).to_bits() as i16
}

/// The pivots of the least of [`pivot_ranges`] of two tiles of words times the factors over 2^15.
#[inline(always)]
pub(crate) fn narrowest_pivots<S: Simd, const N: usize>(
    s: S,
    spectra: [&Words<S, N>; 2],
    factors: [i16; 2],
) -> [usize; 2] {
    let values = array!(2, t => {
        let factor = s.splat_h(factors[t]);
        array!(N, v => s.mul_high_h(spectra[t][v], factor))
    });
    s.narrowest_two(values)
}

/// For every pivot, the range of the coefficients about it, in steps of a [`RANGE_STEPS`]th of `peak`, the largest
/// magnitude of `spectrum`, above 0.
///
/// A pivot only chooses signs, so the largest of all coefficients under each choice comes from one
/// butterfly whose sums are maxima.
#[inline(always)]
pub(crate) fn pivot_ranges<S: Simd, const N: usize>(s: S, spectrum: &Tile<S, N>, peak: f32) -> Codes<S, N> {
    let scale = s.splat(RANGE_STEPS / peak);
    s.sign_ranges(array!(N, v => s.to_signed_bytes(s.mul(spectrum[v], scale))))
}

/// The same ranges, that of `pivot` made the widest.
#[inline(always)]
pub(crate) fn without<S: Simd, const N: usize>(s: S, ranges: &Codes<S, N>, pivot: usize) -> Codes<S, N> {
    let mut bytes = [[0; LANES]; N];
    for (bytes, &ranges) in bytes.iter_mut().zip(ranges) {
        s.store_or(ranges, bytes);
    }
    bytes.as_flattened_mut()[pivot % (N * LANES)] = u8::MAX;
    array!(N, v => s.repeat(&bytes[v]))
}

/// The integers `N_(i XOR pivot)` of `codes` below `2^width`. All that the zero point has to do with them is that it is
/// added `G` times to the element that is the pivot. Vectors may be [`Simd::EXCHANGED`].
#[inline(always)]
pub(crate) fn inverse<S: Simd, const N: usize>(
    s: S,
    codes: &Codes<S, N>,
    width: u8,
    pivot: usize,
    zero_point: i16,
) -> [S::I; N] {
    if width <= 4 {
        s.wht_codes(*codes, pivot, zero_point)
    } else {
        s.wht_wide_codes(*codes, pivot, zero_point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{Scalar, walsh};

    fn sylvester(i: usize, k: usize) -> f64 {
        if walsh(i, k) { -1.0 } else { 1.0 }
    }

    fn forward_by_definition<const N: usize>() {
        let g = N * LANES;
        let x: [[f32; LANES]; N] =
            core::array::from_fn(|v| core::array::from_fn(|l| ((v * LANES + l) as f32 * 1.7).sin() + 0.3));
        let at = |i: usize| f64::from(x[i / LANES][i % LANES]);
        for pivot in 0..g {
            let c = about::<_, N>(Scalar, &spectrum::<_, N>(Scalar, &x), pivot);
            for k in 0..g {
                let exact: f64 = (0..g).map(|i| sylvester(k, i) * at(i ^ pivot)).sum::<f64>() / g as f64;
                assert!(
                    (f64::from(c[k / LANES][k % LANES]) - exact).abs() < 1e-6,
                    "G {g} pivot {pivot} k {k}"
                );
            }
        }
    }

    fn inverse_by_definition<const N: usize>(width: u8) {
        let g = N * LANES;
        let top = (1u32 << width) - 1;
        let q: [[u8; LANES]; N] = core::array::from_fn(|v| {
            core::array::from_fn(|l| (((v * LANES + l) as u32 * 89 + 3) % (top + 1)) as u8)
        });
        let at = |i: usize| i32::from(q[i / LANES][i % LANES]);
        for pivot in 0..g {
            let zero_point = (pivot as i16).wrapping_mul(511) ^ -77;
            let n = inverse::<Scalar, N>(Scalar, &q, width, pivot, zero_point);
            for i in 0..g {
                let exact: i32 = (0..g).map(|k| sylvester(i ^ pivot, k) as i32 * at(k)).sum();
                let offset = if i == pivot {
                    g as i32 * i32::from(zero_point)
                } else {
                    0
                };
                assert_eq!(
                    n[i / LANES][i % LANES],
                    8 * exact + offset,
                    "G {g} pivot {pivot} i {i}"
                );
            }
        }
    }

    #[test]
    fn ranges_about_every_pivot() {
        let x: [[f32; LANES]; 2] =
            core::array::from_fn(|v| core::array::from_fn(|l| ((v * LANES + l) as f32 * 2.3).sin().powi(5)));
        let whole = spectrum::<_, 2>(Scalar, &x);
        let peak = whole
            .as_flattened()
            .iter()
            .fold(0f32, |peak, c| peak.max(c.abs()));
        let ranges = pivot_ranges::<_, 2>(Scalar, &whole, peak);
        let mut least = (u8::MAX, 0);
        for (pivot, &range) in ranges.as_flattened().iter().enumerate() {
            let c = about::<_, 2>(Scalar, &whole, pivot);
            let values = c
                .as_flattened()
                .iter()
                .map(|c| (c * RANGE_STEPS / peak).round_ties_even() as i16);
            let exact = values.clone().max().unwrap() - values.min().unwrap();
            assert!(
                (i16::from(range) - exact).abs() <= 1,
                "pivot {pivot}: {range} {exact}"
            );
            least = least.min((range, pivot));
        }
        assert_eq!(Scalar.least(&ranges), least.1);
    }

    #[test]
    fn transforms_match_their_definition() {
        forward_by_definition::<1>();
        forward_by_definition::<2>();
        forward_by_definition::<4>();
        for width in [1, 3, 4, 5, 8] {
            inverse_by_definition::<1>(width);
            inverse_by_definition::<2>(width);
            inverse_by_definition::<4>(width);
        }
    }
}
