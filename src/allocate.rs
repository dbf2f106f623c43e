//! Who gets the wide code width: ranking keys, and the selection of the highest or lowest of them
//! without moving or copying any.

use crate::arch::{BLOCK, Folded, LANES, Simd, array, next_bit};
use crate::frame;
use crate::part::{copy, part};
use crate::rotate::Tile;
use crate::tile::Statistic;

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

/// [`log2`] of a block's numbers, and of ones beyond them.
#[inline(always)]
fn log2_of_each<S: Simd>(s: S, x: &[f32; BLOCK]) -> [f32; LANES] {
    let mut lanes = [1.0; LANES];
    for (lane, &x) in lanes.iter_mut().zip(x) {
        *lane = x;
    }
    s.store(log2(s, s.load(&lanes)), &mut lanes);
    lanes
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
    let mut sums = [1.0; BLOCK];
    for t in 0..S::TILES {
        sums[t] = magnitudes[t] as f32;
    }
    let lanes = log2_of_each(s, &sums);
    let mut entropies = [0.0; BLOCK];
    for t in 0..S::TILES {
        let entropy = f64::from(lanes[t]) - logarithms[t] / magnitudes[t];
        // Not where it is NaN either, as it is for a sum of 0.
        entropies[t] = if entropy > 0.0 { entropy as f32 } else { 0.0 };
    }
    entropies
}

/// `log2 m - m + 1` on 1 <= m < 2, times 2^23: a minimax fit, 6.4e-4 in the logarithm.
const ROUGH: [f32; 4] = [-9_677_272.0, 17_178_897.0, -8_823_767.0, 1_327_486.4];

/// No rough entropy is farther from [`entropies`]' than this, where the sum of magnitudes is 0 or [`ROUGH_LEAST`] at least:
/// the fit's error, and what rounds sums of numbers 127 above the logarithms.
const ROUGH_ERROR: f32 = 1e-3;

/// Below this, magnitudes may be subnormal, of which the rough logarithm means nothing.
const ROUGH_LEAST: f32 = 1e-25;

/// As [`entropy_sums`], with a logarithm that is 2^23 times one 127 larger, but for the first of [`ROUGH`], and rough: the
/// bits of a number are 2^23 times its exponent plus its mantissa.
pub(crate) struct RoughSums;

impl Statistic for RoughSums {
    // Nothing more is needed of the tiles.
    const KEEPS: bool = false;

    #[inline(always)]
    fn of<S: Simd, const N: usize>(s: S, x: &Tile<S, N>) -> (Folded, Folded) {
        let mut magnitudes = s.splat(0.0);
        let mut logarithms = s.splat(0.0);
        for &x in x {
            let a = s.abs(x);
            let bits = s.bits(a);
            let mantissa = s.add_i(s.shr::<9>(s.shl::<9>(bits)), s.splat_i(127 << 23));
            let m = s.float_of_bits(mantissa);
            let mut bend = s.splat(ROUGH[3]);
            for &coefficient in ROUGH[1..3].iter().rev() {
                bend = s.add(s.mul(bend, m), s.splat(coefficient));
            }
            let logarithm = s.add(s.to_float(bits), s.mul(bend, m));
            magnitudes = s.add(magnitudes, a);
            logarithms = s.add(logarithms, s.mul(a, logarithm));
        }
        (s.fold_add(magnitudes), s.fold_add(logarithms))
    }
}

/// Entropies from what [`RoughSums`] gives; `None` where magnitudes are too small for that.
#[inline(always)]
pub(crate) fn rough_entropies<S: Simd>(
    s: S,
    magnitudes: &[f32; BLOCK],
    logarithms: &[f32; BLOCK],
) -> Option<[f32; BLOCK]> {
    let lanes = log2_of_each(s, magnitudes);
    let mut small = 0;
    let mut entropies = [0.0; BLOCK];
    for t in 0..S::TILES {
        let mean = (logarithms[t] / magnitudes[t] + ROUGH[0]) * (1.0 / (1 << 23) as f32) - 127.0;
        let entropy = lanes[t] - mean;
        // Not where it is NaN either.
        entropies[t] = if entropy > 0.0 { entropy } else { 0.0 };
        small |= i32::from(magnitudes[t] > 0.0) & i32::from(magnitudes[t] < ROUGH_LEAST);
    }
    (small == 0).then_some(entropies)
}

/// Tiles that are so close to the limit of what is selected that rough entropies do not tell, in order.
#[derive(Debug)]
pub(crate) struct Close {
    tiles: [u32; BLOCK],
    count: usize,
    /// How many of them are selected.
    wanted: usize,
}

impl Close {
    pub(crate) fn tiles(&self) -> &[u32] {
        part(&self.tiles, 0..self.count)
    }

    /// Whether it is to be found out which.
    pub(crate) const fn is_open(&self) -> bool {
        self.wanted < self.count
    }

    /// Sets the bits of those whose keys, which are in the same order, are the highest; of equal keys the first come first.
    /// Where it is not to be found out they may be any.
    pub(crate) fn select(&self, keys: &[[u8; 4]; BLOCK], map: &mut [u8]) {
        let keys = array!(BLOCK, t => u32::from_le_bytes(keys[t]));
        for (i, &tile) in self.tiles().iter().enumerate() {
            let mut before = 0;
            for j in 0..self.count.min(BLOCK) {
                before += usize::from((keys[j] > keys[i % BLOCK]) | ((keys[j] == keys[i % BLOCK]) & (j < i)));
            }
            if before < self.wanted {
                frame::set_bit(map, tile as usize);
            }
        }
    }
}

/// As [`select`] of the highest, as far as keys of rough entropies tell, and the tiles of which they do not. `None` where
/// these are more than a block.
#[inline(always)]
pub(crate) fn select_roughly<S: Simd>(s: S, keys: &[[u8; 4]], count: usize, map: &mut [u8]) -> Option<Close> {
    map.fill(0);
    let mut close = Close {
        tiles: [0; BLOCK],
        count: 0,
        wanted: 0,
    };
    if count == 0 || count > keys.len() {
        return Some(close);
    }
    // Somewhat finer than what is known of an entropy, which is 7 at most.
    const BITS: u32 = 10;
    let (last, _) = search(keys, count as u32, u32::MAX, BITS);
    // The last one selected is between these.
    let [most, least] = [!last, !(last | ((1 << BITS) - 1))].map(f32::from_bits);
    let certain = s.splat(most + 2.0 * ROUGH_ERROR);
    // Of what is not above it, and of all where it is below 0.
    let possible = least - 2.0 * ROUGH_ERROR;
    let impossible = s.splat(if possible > 0.0 {
        f32::from_bits(possible.to_bits() - 1)
    } else {
        -0.5
    });
    let mut high = 0;
    for (i, (keys, map)) in keys.chunks(LANES).zip(map.chunks_mut(LANES / 8)).enumerate() {
        // What is not there is below every key.
        let mut entropies = [-1.0; LANES];
        for (entropy, key) in entropies.iter_mut().zip(keys) {
            *entropy = f32::from_le_bytes(*key);
        }
        let entropies = s.load(&entropies);
        let above = s.above(entropies, certain);
        let mut near = s.above(entropies, impossible) & !above;
        high += above.count_ones();
        copy(map, part(&above.to_le_bytes(), 0..map.len()));
        while near != 0 {
            *close.tiles.get_mut(close.count)? = (LANES * i + next_bit(&mut near)) as u32;
            close.count += 1;
        }
    }
    close.wanted = count.saturating_sub(high as usize);
    Some(close)
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

/// The last of the `count` lowest keys, with the bits of `flip` changed, and how many are below it. The lowest `unknown` bits
/// of it may be left open: they are then 0. It is searched two bits at a time, by counts of the keys below three limits:
/// nothing is moved, and a compiler makes vectors of the counts.
#[inline(always)]
fn search(keys: &[[u8; 4]], count: u32, flip: u32, unknown: u32) -> (u32, u32) {
    let read = |key: &[u8; 4]| u32::from_le_bytes(*key) ^ flip;
    let (mut some, mut all) = (0, u32::MAX);
    for key in keys {
        some |= read(key);
        all &= read(key);
    }
    // Fewer than `count` keys are below `last`: so many are. The bits above those in which keys differ are known.
    let differ = (32 - (some ^ all).leading_zeros())
        .next_multiple_of(2)
        .max(unknown);
    let (mut last, mut below) = (all.unbounded_shr(differ).unbounded_shl(differ), 0u32);
    for shift in (unknown..differ).step_by(2).rev() {
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
    (last, below)
}

/// Sets the bits of `map`, of which bit `i % 8` of byte `i / 8` is key `i`'s, where a key is among the `count` highest or
/// lowest, and clears those of the others; of equal keys the first come first.
#[inline(always)]
pub(crate) fn select(keys: &[[u8; 4]], count: usize, end: End, map: &mut [u8]) {
    map.fill(0);
    if count == 0 || count > keys.len() {
        return;
    }
    let count = count as u32;
    // Searching the lowest of flipped keys finds the highest.
    let flip = if end == End::Highest { u32::MAX } else { 0 };
    let (last, below) = search(keys, count, flip, 0);
    // Of the keys that are the last one, so many are still selected.
    let mut remaining = count - below;
    for (keys, byte) in keys.chunks(8).zip(map) {
        let keys = eight(keys, flip);
        let up_to_last = at_most(&keys, last);
        *byte = if last == 0 { 0 } else { at_most(&keys, last - 1) };
        let mut of_the_last = up_to_last ^ *byte;
        while of_the_last != 0 && remaining > 0 {
            *byte |= of_the_last & of_the_last.wrapping_neg();
            of_the_last &= of_the_last - 1;
            remaining -= 1;
        }
    }
}

/// Up to eight keys with the bits of `flip` changed, and the highest number where there are no more.
#[inline(always)]
fn eight(keys: &[[u8; 4]], flip: u32) -> [u32; 8] {
    match keys.first_chunk::<8>() {
        Some(keys) => array!(8, i => u32::from_le_bytes(keys[i]) ^ flip),
        None => array!(8, i => keys.get(i).map_or(u32::MAX, |key| u32::from_le_bytes(*key) ^ flip)),
    }
}

/// Bit `i` is set where key `i` is `limit` at the most. A compiler makes vectors of this.
#[inline(always)]
fn at_most(keys: &[u32; 8], limit: u32) -> u8 {
    let mut bits = [0u32; 8];
    for i in 0..8 {
        bits[i] = if keys[i] <= limit { 1 << i } else { 0 };
    }
    bits.iter().fold(0, |all, bit| all | bit) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Scalar;
    use crate::tile;

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

    fn entropy<const N: usize>(x: &[[f32; LANES]; N]) -> f32 {
        let (magnitudes, logarithms) = entropy_sums::<_, N>(Scalar, x);
        let whole = |folded: [f32; 8]| folded.iter().map(|&part| f64::from(part)).sum::<f64>();
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

    /// A number of 16 bits at random.
    fn draw(state: &mut u32) -> u32 {
        *state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        *state >> 16
    }

    /// The farthest that a rough entropy is from the exact one.
    fn rough_distance<const N: usize>() -> f32 {
        let mut state = 7;
        let mut worst = 0.0f32;
        for case in 0..4000 {
            let octaves = [1, 3, 10, 40, 100][case % 5];
            let mut x = [[0.0; LANES]; N];
            for x in x.as_flattened_mut() {
                let magnitude = (1.0 + draw(&mut state) as f32 / 65536.0)
                    * f32::from_bits((127 - draw(&mut state) % octaves) << 23);
                let sign = if draw(&mut state) & 1 == 0 { 1.0 } else { -1.0 };
                // Zeros, and subnormal numbers beside others.
                *x = match draw(&mut state) % 32 {
                    0 => 0.0,
                    1 => f32::from_bits(draw(&mut state)),
                    _ => sign * magnitude,
                };
            }
            let (magnitudes, logarithms) = RoughSums::of::<_, N>(Scalar, &x);
            let [magnitudes, logarithms] =
                [magnitudes, logarithms].map(|folded| [tile::single(folded, |a, b| a + b); BLOCK]);
            let rough = rough_entropies(Scalar, &magnitudes, &logarithms).expect("large enough")[2];
            worst = worst.max((rough - entropy(&x)).abs());
        }
        worst
    }

    #[test]
    fn rough_entropies_are_as_close_as_they_say() {
        for worst in [
            rough_distance::<1>(),
            rough_distance::<2>(),
            rough_distance::<4>(),
        ] {
            assert!((ROUGH_ERROR / 4.0..ROUGH_ERROR).contains(&worst), "{worst}");
        }
        assert_eq!(
            rough_entropies(Scalar, &[0.0; BLOCK], &[0.0; BLOCK]),
            Some([0.0; BLOCK])
        );
        let mut magnitudes = [1.0; BLOCK];
        magnitudes[Scalar::TILES - 1] = 1e-30;
        assert_eq!(rough_entropies(Scalar, &magnitudes, &[0.0; BLOCK]), None);
    }

    #[test]
    fn rough_selection_is_selection() {
        let mut state = 3;
        let (mut open, mut given_up) = (0, 0);
        for case in 0..2000 {
            let n = 1 + draw(&mut state) as usize % 90;
            let spread = [0.0, 0.003, 0.05, 1.0][case % 4];
            let (mut fine, mut rough) = ([[0; 4]; 90], [[0; 4]; 90]);
            for (fine, rough) in fine.iter_mut().zip(&mut rough) {
                let entropy =
                    if case % 32 < 4 { 0.0 } else { 5.0 } + spread * (draw(&mut state) % 512) as f32 / 512.0;
                let error = ROUGH_ERROR * (draw(&mut state) as f32 / 32768.0 - 1.0);
                (*fine, *rough) = (key(entropy), key((entropy + error).max(0.0)));
            }
            let (fine, rough) = (&fine[..n], &rough[..n]);
            let count = draw(&mut state) as usize % (n + 1);
            let (mut expected, mut got) = ([0; 12], [0xff; 12]);
            select(fine, count, End::Highest, &mut expected);
            let Some(close) = select_roughly(Scalar, rough, count, &mut got) else {
                given_up += 1;
                continue;
            };
            open += u32::from(close.is_open());
            let mut keys = [[0; 4]; BLOCK];
            for (key, &t) in keys.iter_mut().zip(close.tiles()) {
                *key = fine[t as usize];
            }
            close.select(&keys, &mut got);
            assert_eq!(got, expected, "case {case}, {count} of {n}");
        }
        assert!(open > 100 && given_up > 100, "{open} {given_up}");
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
