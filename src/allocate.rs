//! Who gets the wide code width: ranking keys, and the selection of the highest or lowest of them
//! without moving or copying any.

use crate::arch::{BLOCK, Folded, LANES, Simd, array};
use crate::rotate::Tile;

/// log2(1 + t) / t on sqrt(1/2) <= 1 + t <= sqrt(2): a minimax fit, 2e-6 in the logarithm.
const LOG2: [f32; 6] = [
    1.442_713_5,
    -0.721_131_9,
    0.479_348_63,
    -0.367_488_86,
    0.322_148_44,
    -0.206_589_09,
];
/// Bits of sqrt(1/2), where the mantissa's interval starts.
const SQRT_HALF: i32 = 0x3f35_04f3;

/// log2 of positive lanes; some finite value for 0 and subnormals. Correct to about 2e-6.
#[inline(always)]
fn log2<S: Simd>(s: S, x: S::F) -> S::F {
    let bits = s.bits(x);
    let above = s.add_i(bits, s.splat_i((128 << 23) - SQRT_HALF));
    let exponent = s.sub_i(s.shr::<23>(above), s.splat_i(128));
    let mantissa = s.float_of_bits(s.sub_i(bits, s.shl::<23>(exponent)));
    let t = s.sub(mantissa, s.splat(1.0));
    let mut sum = s.splat(LOG2[5]);
    for &coefficient in LOG2[..5].iter().rev() {
        sum = s.add(s.mul(sum, t), s.splat(coefficient));
    }
    s.add(s.to_float(exponent), s.mul(sum, t))
}

/// Sums over a tile that give the Shannon entropy of its magnitudes `a`: of `a`, and of `a log2 a`. Those of tiles add
/// up to those of their row.
#[inline(always)]
pub(crate) fn entropy_sums<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> (Folded, Folded) {
    let mut magnitudes = s.splat(0.0);
    let mut logarithms = s.splat(0.0);
    for &x in x {
        let a = s.abs(x);
        magnitudes = s.add(magnitudes, a);
        logarithms = s.add(logarithms, s.mul(a, log2(s, a)));
    }
    (s.fold_add(magnitudes), s.fold_add(logarithms))
}

/// The entropies in bits, `-sum p log2 p` with `p = a / sum a`, of sums of `a` and of `a log2 a`; 0 where every
/// magnitude is 0.
#[inline(always)]
pub(crate) fn entropies<S: Simd>(s: S, magnitudes: &[f64; BLOCK], logarithms: &[f64; BLOCK]) -> [f32; BLOCK] {
    let mut lanes = [1.0; LANES];
    for (lane, &magnitude) in lanes.iter_mut().zip(magnitudes) {
        *lane = magnitude as f32;
    }
    let whole = log2(s, s.load(&lanes));
    s.store(whole, &mut lanes);
    array!(BLOCK, t => {
        let entropy = f64::from(lanes[t]) - logarithms[t] / magnitudes[t];
        // Not where it is NaN either, as it is for a sum of 0.
        if entropy > 0.0 { entropy as f32 } else { 0.0 }
    })
}

/// A key that orders as the number does; `score` is not negative.
#[inline(always)]
pub(crate) fn key(score: f32) -> [u8; 4] {
    (score + 0.0).to_bits().to_le_bytes()
}

/// Which end of the order is selected; of equal keys the first come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Highest,
    Lowest,
}

/// Sets the bits of `map`, of which bit `i % 8` of byte `i / 8` is key `i`'s, where a key is among the `count` highest or
/// lowest, and clears those of the others; of equal keys the first come first. The last key selected is searched two
/// bits at a time, by counts of the keys below three limits: nothing is moved, and a compiler makes vectors of the counts.
#[inline(always)]
pub(crate) fn select(keys: &[[u8; 4]], count: usize, end: End, map: &mut [u8]) {
    map.fill(0);
    if count == 0 || count > keys.len() {
        return;
    }
    let count = count as u32;
    // Searching the lowest of flipped keys finds the highest.
    let flip = if end == End::Highest { u32::MAX } else { 0 };
    let read = |key: &[u8; 4]| u32::from_le_bytes(*key) ^ flip;
    let (mut some, mut all) = (0, u32::MAX);
    for key in keys {
        some |= read(key);
        all &= read(key);
    }
    // Fewer than `count` keys are below `last`: so many are. The bits above those in which keys differ are known.
    let unknown = (32 - (some ^ all).leading_zeros()).next_multiple_of(2);
    let (mut last, mut below) = (all.unbounded_shr(unknown).unbounded_shl(unknown), 0u32);
    for shift in (0..unknown).step_by(2).rev() {
        let limits = array!(3, i => last + ((i as u32 + 1) << shift));
        let [mut first, mut second, mut third] = [0u32; 3];
        for key in keys {
            let key = read(key);
            first += u32::from(key < limits[0]);
            second += u32::from(key < limits[1]);
            third += u32::from(key < limits[2]);
        }
        for (limit, fewer) in limits.into_iter().zip([first, second, third]) {
            if fewer < count {
                (last, below) = (limit, fewer);
            }
        }
    }
    // Of the keys that are the last one, so many are still selected.
    let mut remaining = count - below;
    for (keys, byte) in keys.chunks(8).zip(map) {
        for (i, key) in keys.iter().enumerate() {
            let key = read(key);
            let one_of_the_last = (key == last) & (remaining > 0);
            remaining -= u32::from(one_of_the_last);
            *byte |= u8::from((key < last) | one_of_the_last) << i;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Scalar;

    #[test]
    fn log2_is_close_everywhere() {
        let mut worst = 0.0f64;
        for exponent in -60..3 {
            for step in 0..2000 {
                let x = (1.0 + step as f32 / 2000.0) * 2f32.powi(exponent);
                let got = log2(Scalar, [x; LANES])[0];
                let exact = f64::from(x).log2();
                // Relative to the last place of the result.
                let error = (f64::from(got) - exact).abs() - exact.abs() * 6e-8;
                worst = worst.max(error);
            }
        }
        assert!(worst < 2.5e-6, "{worst}");
    }

    fn entropy(x: &[[f32; LANES]; 2]) -> f32 {
        let (magnitudes, logarithms) = entropy_sums::<_, 2>(Scalar, x);
        let whole = |folded: Folded| folded.iter().map(|&part| f64::from(part)).sum::<f64>();
        entropies(Scalar, &[whole(magnitudes); BLOCK], &[whole(logarithms); BLOCK])[3]
    }

    #[test]
    fn entropy_of_known_distributions() {
        assert!((entropy(&[[0.25; LANES]; 2]) - 6.0).abs() < 1e-5);
        let mut spike = [[0.0; LANES]; 2];
        spike[1][3] = -1.75;
        assert!(entropy(&spike) < 1e-5);
        assert_eq!(entropy(&[[0.0; LANES]; 2]), 0.0);
    }

    #[test]
    fn selection_is_a_stable_sort_by_other_means() {
        let mut state = 1u32;
        for case in 0..400usize {
            let n = case % 67 + 1;
            let mut keys = [[0u8; 4]; 67];
            for key in &mut keys[..n] {
                state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                // Few distinct values, so that ties are common.
                *key = (state >> (if case % 3 == 0 { 0 } else { 29 })).to_le_bytes();
            }
            let keys = &keys[..n];
            for count in 0..=n {
                for end in [End::Highest, End::Lowest] {
                    let mut order = [0usize; 67];
                    for (i, slot) in order.iter_mut().enumerate() {
                        *slot = i;
                    }
                    let order = &mut order[..n];
                    order.sort_by_key(|&i| {
                        let key = u32::from_le_bytes(keys[i]);
                        (if end == End::Highest { !key } else { key }, i)
                    });
                    let mut expected = [false; 67];
                    for &i in &order[..count] {
                        expected[i] = true;
                    }
                    let mut map = [0xff; 9];
                    select(keys, count, end, &mut map);
                    let got: [bool; 67] = core::array::from_fn(|i| map[i / 8] >> (i % 8) & 1 == 1);
                    assert_eq!(got, expected);
                }
            }
        }
    }
}
