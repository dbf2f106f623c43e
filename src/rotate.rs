//! The Walsh-Hadamard transform of a tile about a pivot, forward in f32 and inverse in i16.
//!
//! A rotated tile carries `c = H x' / G`, with `x'_i = x_(i XOR p)`: the pivot `p` comes to index 0, where
//! `H` times a constant is, and so its energy is one constant offset of all coefficients. The exchange
//! only flips signs by row `p` of `H`, `c_k = (-1)^popcount(k AND p) (H x)_k / G`, and nothing is permuted
//! either way. The transform with the pivot first is TAH-Quant's (arXiv 2506.01352); the XOR exchange of
//! all pairs instead of one swap is this format's.

use crate::arch::{LANES, Simd, array};

/// A tile in registers: `N` vectors of 16 values.
pub(crate) type Tile<S, const N: usize> = [<S as Simd>::F; N];

const fn parity(bits: usize) -> bool {
    bits.count_ones() % 2 == 1
}

/// `SIGNS[p][k]`: the sign bit where `H[p][k]` is -1, for the lanes of one vector.
static SIGNS: [[f32; LANES]; LANES] = {
    let mut table = [[0.0; LANES]; LANES];
    let mut p = 0;
    while p < LANES {
        let mut k = 0;
        while k < LANES {
            table[p][k] = if parity(p & k) { -0.0 } else { 0.0 };
            k += 1;
        }
        p += 1;
    }
    table
};

/// As [`SIGNS`], all ones for -1.
static SIGNS_H: [[i16; LANES]; LANES] = {
    let mut table = [[0; LANES]; LANES];
    let mut p = 0;
    while p < LANES {
        let mut k = 0;
        while k < LANES {
            table[p][k] = if parity(p & k) { -1 } else { 0 };
            k += 1;
        }
        p += 1;
    }
    table
};

/// The numbers of a tile's elements.
static PIVOTS: [[i16; LANES]; 128 / LANES] = {
    let mut table = [[0; LANES]; 128 / LANES];
    let mut p = 0;
    while p < 128 {
        table[p / LANES][p % LANES] = p as i16;
        p += 1;
    }
    table
};

/// `ONE_HOT[p][k]`: 1 where `k` is `p`.
static ONE_HOT: [[f32; LANES]; LANES] = {
    let mut table = [[0.0; LANES]; LANES];
    let mut p = 0;
    while p < LANES {
        table[p][p] = 1.0;
        p += 1;
    }
    table
};

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
    let signs = s.bits(s.load(&SIGNS[pivot % LANES]));
    let flipped = s.xor(signs, s.bits(s.splat(-0.0)));
    array!(N, v => {
        let mask = if parity(v & (pivot / LANES)) {
            flipped
        } else {
            signs
        };
        s.float_of_bits(s.xor(s.bits(spectrum[v]), mask))
    })
}

/// Steps of the largest coefficient in which [`pivot_ranges`] counts: a range and a pivot fit into an i16.
const RANGE_STEPS: f32 = 63.0;

/// For every pivot, the range of the coefficients about it, in steps of their peak, times 128, plus the
/// pivot: the least of these names the pivot of the narrowest range, the lowest of several.
///
/// A pivot only chooses signs, so the largest of all coefficients under each choice comes from one
/// butterfly whose sums are maxima. `peak` is the largest magnitude of `spectrum`, above 0.
#[inline(always)]
pub(crate) fn pivot_ranges<S: Simd, const N: usize>(s: S, spectrum: &Tile<S, N>, peak: f32) -> [S::H; N] {
    // Rounds to integers that the low half of the sum's bits holds.
    let rounder = s.splat(12_582_912.0);
    let scale = s.splat(RANGE_STEPS / peak);
    let mut largest: [S::H; N] = array!(N, v => s.narrow(s.bits(s.add(s.mul(spectrum[v], scale), rounder))));
    let zero = s.load_h(&[0; LANES]);
    let mut negated: [S::H; N] = array!(N, v => s.sub_h(zero, largest[v]));
    let mut stride = N / 2;
    while stride > 0 {
        let mut v = 0;
        while v < N {
            if v & stride == 0 {
                let (low, high) = (
                    (largest[v], negated[v]),
                    (largest[v + stride], negated[v + stride]),
                );
                largest[v] = s.max_h(low.0, high.0);
                negated[v] = s.max_h(low.1, high.1);
                largest[v + stride] = s.max_h(low.0, high.1);
                negated[v + stride] = s.max_h(low.1, high.0);
            }
            v += 1;
        }
        stride /= 2;
    }
    array!(N, v => {
        let (l, n) = s.sign_maxima(largest[v], negated[v]);
        s.add_h(s.shl_h::<7>(s.add_h(l, n)), s.load_h(&PIVOTS[v]))
    })
}

/// The pivot of the narrowest range.
#[inline(always)]
pub(crate) fn narrowest<S: Simd, const N: usize>(s: S, ranges: &[S::H; N]) -> usize {
    let mut least = ranges[0];
    for &ranges in &ranges[1..] {
        least = s.min_h(least, ranges);
    }
    usize::from(s.reduce_min_h(least) as u16 % 128)
}

/// The integers `N_(i XOR pivot) / 8` of `codes`, but for the zero point, which [`add_zero_point`] adds.
#[inline(always)]
pub(crate) fn inverse<S: Simd, const N: usize>(s: S, codes: &[S::H; N], pivot: usize) -> [S::H; N] {
    let signs = s.load_h(&SIGNS_H[pivot % LANES]);
    let all = s.load_h(&[-1; LANES]);
    let mut n = *codes;
    for (v, n) in n.iter_mut().enumerate() {
        let mask = if parity(v & (pivot / LANES)) {
            s.xor_h(signs, all)
        } else {
            signs
        };
        *n = s.wht_h(s.sub_h(s.xor_h(*n, mask), mask));
    }
    let mut stride = N / 2;
    while stride > 0 {
        let mut v = 0;
        while v < N {
            if v & stride == 0 {
                (n[v], n[v + stride]) = (s.add_h(n[v], n[v + stride]), s.sub_h(n[v], n[v + stride]));
            }
            v += 1;
        }
        stride /= 2;
    }
    n
}

/// Adds `G * z`, the zero point's share, to the element that it belongs to: the pivot.
#[inline(always)]
pub(crate) fn add_zero_point<S: Simd, const N: usize>(
    s: S,
    n: &mut Tile<S, N>,
    pivot: usize,
    zero_point: i16,
) {
    let whole = f32::from(zero_point) * (N * LANES) as f32;
    let (v, lane) = (pivot / LANES, pivot % LANES);
    n[v] = s.add(n[v], s.mul(s.load(&ONE_HOT[lane]), s.splat(whole)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Scalar;

    fn sylvester(i: usize, k: usize) -> f64 {
        if parity(i & k) { -1.0 } else { 1.0 }
    }

    fn forward_by_definition<const N: usize>() {
        let g = N * LANES;
        let x: [[f32; LANES]; N] =
            core::array::from_fn(|v| core::array::from_fn(|l| ((v * LANES + l) as f32 * 1.7).sin() + 0.3));
        let at = |i: usize| f64::from(x[i / LANES][i % LANES]);
        for pivot in 0..g {
            let c = about(Scalar, &spectrum(Scalar, &x), pivot);
            for k in 0..g {
                let exact: f64 = (0..g).map(|i| sylvester(k, i) * at(i ^ pivot)).sum::<f64>() / g as f64;
                let got = f64::from(c[k / LANES][k % LANES]);
                assert!(
                    (got - exact).abs() < 1e-6,
                    "G {g} pivot {pivot} k {k}: {got} {exact}"
                );
            }
        }
    }

    fn inverse_by_definition<const N: usize>() {
        let g = N * LANES;
        let q: [[i16; LANES]; N] =
            core::array::from_fn(|v| core::array::from_fn(|l| ((v * LANES + l) * 89 % 256) as i16));
        let at = |i: usize| i32::from(q[i / LANES][i % LANES]);
        for pivot in 0..g {
            let n = inverse::<Scalar, N>(Scalar, &q, pivot);
            for i in 0..g {
                let exact: i32 = (0..g).map(|k| sylvester(i ^ pivot, k) as i32 * at(k)).sum();
                assert_eq!(
                    i32::from(n[i / LANES][i % LANES]),
                    exact,
                    "G {g} pivot {pivot} i {i}"
                );
            }
        }
    }

    #[test]
    fn ranges_about_every_pivot() {
        let x: [[f32; LANES]; 4] =
            core::array::from_fn(|v| core::array::from_fn(|l| ((v * LANES + l) as f32 * 2.3).sin().powi(5)));
        let whole = spectrum(Scalar, &x);
        let peak = whole
            .as_flattened()
            .iter()
            .fold(0f32, |peak, c| peak.max(c.abs()));
        let ranges = pivot_ranges::<_, 4>(Scalar, &whole, peak);
        let mut least = (i16::MAX, 0);
        for (pivot, &key) in ranges.as_flattened().iter().enumerate() {
            assert_eq!(usize::from(key as u16 % 128), pivot);
            let c = about::<_, 4>(Scalar, &whole, pivot);
            let values = c
                .as_flattened()
                .iter()
                .map(|c| (c * RANGE_STEPS / peak).round_ties_even() as i16);
            let exact = values.clone().max().unwrap() - values.min().unwrap();
            assert!((key / 128 - exact).abs() <= 2, "pivot {pivot}: {key} {exact}");
            least = least.min((key / 128, pivot));
        }
        assert_eq!(narrowest::<_, 4>(Scalar, &ranges), least.1);
    }

    #[test]
    fn transforms_match_their_definition() {
        forward_by_definition::<2>();
        forward_by_definition::<4>();
        forward_by_definition::<8>();
        inverse_by_definition::<2>();
        inverse_by_definition::<4>();
        inverse_by_definition::<8>();
    }
}
