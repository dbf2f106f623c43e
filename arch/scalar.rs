//! The portable level: arrays and loops, the twin that every other level is held against.

use core::convert::Infallible;

use half::{bf16, f16};

use super::{
    BLOCK, Folded, FoldedWords, LANES, LookedUp, Part, ROUNDER, SIGNS_H, Simd, WhtNibbles, array,
    rotated_by_halves, sign_row,
};

/// Stack is dear where this level runs, and so are operations on numbers of no tile.
const TILES: usize = 4;

/// The level that every machine has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

// These loops are functions of their own: inlined into a kernel of hundreds of operations, all unrolled, they
// take minutes to compile and many kilobytes, and are no faster.

#[inline(never)]
fn map<A: Copy, B>(a: &[A; LANES], f: impl Fn(A) -> B) -> [B; LANES] {
    core::array::from_fn(|i| f(a[i]))
}

#[inline(never)]
fn zip<A: Copy, B>(a: &[A; LANES], b: &[A; LANES], f: impl Fn(A, A) -> B) -> [B; LANES] {
    core::array::from_fn(|i| f(a[i], b[i]))
}

/// Folds halves until `TO` are left.
#[inline(never)]
fn fold<A: Copy, const FROM: usize, const TO: usize>(mut a: [A; FROM], f: impl Fn(A, A) -> A) -> [A; TO] {
    let mut half = FROM / 2;
    while half >= TO {
        for i in 0..half {
            a[i] = f(a[i], a[i + half]);
        }
        half /= 2;
    }
    array!(TO, i => a[i])
}

#[inline(never)]
fn reduce<A: Copy + Default, const FOLDED: usize>(
    a: &[[A; FOLDED]; BLOCK],
    f: impl Fn(A, A) -> A,
) -> [A; BLOCK] {
    let mut reduced = [A::default(); BLOCK];
    for (reduced, &a) in reduced.iter_mut().zip(a).take(TILES) {
        *reduced = fold::<_, FOLDED, 1>(a, &f)[0];
    }
    reduced
}

#[inline(always)]
fn least_of(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[inline(always)]
fn largest_of(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn limited(a: f32, low: f32, high: f32) -> f32 {
    least_of(largest_of(a, low), high)
}

/// Every pair of lanes `stride` apart, from the longest stride to the shortest.
#[inline(never)]
fn butterfly<A: Copy>(a: &mut [A], f: impl Fn(A, A) -> (A, A)) {
    butterfly_exchanged(a, 0, f);
}

/// Walsh-Hadamard butterfly over 32, 64 or 128 integers, of which no partial sum overflows; that of number i comes to
/// number i XOR `exchange`.
#[inline(never)]
pub(crate) fn wht_integers(a: &mut [i16], exchange: usize) {
    butterfly_exchanged(a, exchange, |a, b| (a.wrapping_add(b), a.wrapping_sub(b)));
}

/// Three strides at a time, while what they combine is in registers; a power of two from 32 to 128 lanes.
#[inline(always)]
fn butterfly_exchanged<A: Copy>(a: &mut [A], exchange: usize, f: impl Fn(A, A) -> (A, A)) {
    match a.len() {
        32 => strides::<A, 4>(a, 8, exchange, &f),
        64 => strides::<A, 8>(a, 8, exchange, &f),
        _ => {
            strides::<A, 4>(a, 32, exchange, &f);
            strides::<A, 4>(a, 8, exchange, &f);
        }
    }
    strides::<A, 8>(a, 1, exchange, &f);
}

/// The strides `R / 2 * least`, and so on by halves, to `least`.
#[inline(always)]
fn strides<A: Copy, const R: usize>(a: &mut [A], least: usize, exchange: usize, f: impl Fn(A, A) -> (A, A)) {
    let exchange = exchange / least;
    for group in a.chunks_exact_mut(R * least) {
        for i in 0..least {
            let mut lanes = [group[i]; R];
            for j in 1..R {
                lanes[j] = group[i + j * least];
            }
            let mut stride = R / 2;
            while stride > 0 {
                for j in 0..R {
                    if j & stride == 0 {
                        (lanes[j], lanes[j + stride]) = f(lanes[j], lanes[j + stride]);
                    }
                }
                stride /= 2;
            }
            for j in 0..R {
                group[i + (j ^ exchange) % R * least] = lanes[j];
            }
        }
    }
}

/// Eight bytes of two at a time.
#[inline(always)]
fn pairs(a: [u8; LANES], b: [u8; LANES], f: impl Fn(u64, u64) -> u64) -> [u8; LANES] {
    let mut out = a;
    for (out, b) in out.as_chunks_mut().0.iter_mut().zip(b.as_chunks().0) {
        *out = f(u64::from_ne_bytes(*out), u64::from_ne_bytes(*b)).to_ne_bytes();
    }
    out
}

impl Simd for Scalar {
    type F = [f32; LANES];
    type I = [i32; LANES];
    type H = [i16; LANES];
    type B = [u8; LANES];

    const VECTORS: bool = false;

    type Narrower = Infallible;
    type Scratch = [[f32; LANES]; 2 * TILES];
    type Words = [[i16; LANES]; 2 * TILES];

    #[inline(never)]
    fn outline<P: Part<Self>>(self, part: P) -> P::Output {
        part.run(self)
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        *from
    }
    #[inline(always)]
    fn load_f16(self, from: &[u16; LANES]) -> Self::F {
        map(from, |bits| f16::from_bits(bits).to_f32())
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16; LANES]) -> Self::F {
        map(from, |bits| f32::from_bits(u32::from(bits) << 16))
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        *to = v;
    }
    #[inline(always)]
    fn store_f16(self, v: Self::F, to: &mut [u16; LANES]) {
        *to = map(&v, |v| f16::from_f32(v).to_bits());
    }
    #[inline(always)]
    fn store_bf16(self, v: Self::F, to: &mut [u16; LANES], _: Option<Self::Narrower>) {
        *to = map(&v, |v| bf16::from_f32(v).to_bits());
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(&a, &b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(&a, &b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(&a, &b, |a, b| a * b)
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        zip(&a, &b, least_of)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(&a, &b, largest_of)
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        map(&a, f32::abs)
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        map(&a, |a| (a + ROUNDER) - ROUNDER)
    }
    #[inline(always)]
    fn gt(self, a: Self::F, b: Self::F) -> Self::I {
        zip(&a, &b, |a, b| -i32::from(a > b))
    }
    #[inline(never)]
    fn above(self, a: Self::F, b: Self::F) -> u32 {
        let mut mask = 0;
        for (i, (a, b)) in a.into_iter().zip(b).enumerate() {
            mask |= u32::from(a > b) << i;
        }
        mask
    }
    const TILES: usize = TILES;
    type T = [f32; TILES];

    #[inline(always)]
    fn load_t(self, from: &[f32; BLOCK]) -> Self::T {
        array!(TILES, t => from[t])
    }
    #[inline(always)]
    fn store_t(self, a: Self::T) -> [f32; BLOCK] {
        let mut out = [0.0; BLOCK];
        out[..TILES].copy_from_slice(&a);
        out
    }
    #[inline(always)]
    fn splat_t(self, x: f32) -> Self::T {
        [x; TILES]
    }
    #[inline(always)]
    fn add_t(self, a: Self::T, b: Self::T) -> Self::T {
        array!(TILES, t => a[t] + b[t])
    }
    #[inline(always)]
    fn sub_t(self, a: Self::T, b: Self::T) -> Self::T {
        array!(TILES, t => a[t] - b[t])
    }
    #[inline(always)]
    fn mul_t(self, a: Self::T, b: Self::T) -> Self::T {
        array!(TILES, t => a[t] * b[t])
    }
    #[inline(always)]
    fn min_t(self, a: Self::T, b: Self::T) -> Self::T {
        array!(TILES, t => least_of(a[t], b[t]))
    }
    #[inline(always)]
    fn max_t(self, a: Self::T, b: Self::T) -> Self::T {
        array!(TILES, t => largest_of(a[t], b[t]))
    }
    #[inline(always)]
    fn abs_t(self, a: Self::T) -> Self::T {
        array!(TILES, t => a[t].abs())
    }
    #[inline(always)]
    fn where_below(self, narrow: Self::T, wide: Self::T, a: Self::T, b: Self::T) -> Self::T {
        array!(TILES, t => if narrow[t] < wide[t] { a[t] } else { b[t] })
    }
    #[inline(always)]
    fn above_t(self, a: Self::T, b: Self::T) -> u32 {
        (0..TILES).fold(0, |bits, t| bits | u32::from(a[t] > b[t]) << t)
    }
    #[inline(never)]
    fn bytes_where(self, bits: u32, bytes: &[u8; BLOCK]) -> [u8; BLOCK] {
        core::array::from_fn(|t| if bits >> t & 1 == 1 { bytes[t] } else { 0 })
    }
    #[inline(always)]
    fn at_least(self, a: &[u8; BLOCK], least: u8) -> u32 {
        let mut mask = 0;
        for (i, &a) in a.iter().enumerate() {
            mask |= u32::from(a >= least) << i;
        }
        mask
    }
    #[inline(always)]
    fn bits(self, a: Self::F) -> Self::I {
        map(&a, |a| a.to_bits() as i32)
    }
    #[inline(always)]
    fn float_of_bits(self, a: Self::I) -> Self::F {
        map(&a, |a| f32::from_bits(a as u32))
    }
    #[inline(always)]
    fn truncate(self, a: Self::F) -> Self::I {
        map(&a, |a| a as i32)
    }
    #[inline(always)]
    fn to_float(self, a: Self::I) -> Self::F {
        map(&a, |a| a as f32)
    }
    #[inline(always)]
    fn wht(self, mut a: Self::F) -> Self::F {
        butterfly(&mut a, |a, b| (a + b, a - b));
        a
    }
    #[inline(always)]
    fn fold_add(self, a: Self::F) -> Folded {
        fold(a, |a, b| a + b)
    }
    #[inline(always)]
    fn fold_min(self, a: Self::F) -> Folded {
        fold(a, least_of)
    }
    #[inline(always)]
    fn fold_max(self, a: Self::F) -> Folded {
        fold(a, largest_of)
    }
    #[inline(always)]
    fn reduce_add(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce(a, |a, b| a + b)
    }
    #[inline(always)]
    fn reduce_min(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce(a, least_of)
    }
    #[inline(always)]
    fn reduce_max(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce(a, largest_of)
    }

    #[inline(always)]
    fn load_i(self, from: &[i32; LANES]) -> Self::I {
        *from
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> Self::I {
        map(from, i32::from)
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> Self::I {
        [x; LANES]
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(&a, &b, i32::wrapping_add)
    }
    #[inline(always)]
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(&a, &b, i32::wrapping_sub)
    }
    #[inline(always)]
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(&a, &b, i32::wrapping_mul)
    }
    #[inline(always)]
    fn max_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(&a, &b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn xor(self, a: Self::I, b: Self::I) -> Self::I {
        zip(&a, &b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn shl<const BITS: i32>(self, a: Self::I) -> Self::I {
        map(&a, |a| a << BITS)
    }
    #[inline(always)]
    fn shr<const BITS: i32>(self, a: Self::I) -> Self::I {
        map(&a, |a| (a as u32 >> BITS) as i32)
    }
    #[inline(always)]
    fn reduce_max_i(self, a: Self::I) -> i32 {
        fold::<_, LANES, 1>(a, |a, b| if a > b { a } else { b })[0]
    }
    #[inline(always)]
    fn add_at<const N: usize>(self, mut a: [Self::I; N], at: usize, x: i16) -> [Self::I; N] {
        a.as_flattened_mut()[at % (N * LANES)] += i32::from(x) * (N * LANES) as i32;
        a
    }
    #[inline(always)]
    fn low_bytes(self, a: Self::I) -> Self::B {
        map(&a, |a| a as u8)
    }

    #[inline(always)]
    fn to_bytes(self, a: Self::F) -> Self::B {
        map(&a, |a| (limited(a, 0.0, 255.0) + ROUNDER).to_bits() as u8)
    }
    #[inline(always)]
    fn to_signed_bytes(self, a: Self::F) -> Self::B {
        map(&a, |a| (limited(a, -128.0, 127.0) + ROUNDER).to_bits() as u8)
    }
    #[inline(always)]
    fn eight_times(self, a: Self::B) -> Self::F {
        map(&a, |a| 8.0 * f32::from(a))
    }
    #[inline(always)]
    fn bytes_to_h(self, a: Self::B) -> Self::H {
        map(&a, i16::from)
    }
    #[inline(always)]
    fn splat_b(self, x: u8) -> Self::B {
        [x; LANES]
    }
    #[inline(never)]
    fn repeat<const BYTES: usize>(self, from: &[u8; BYTES]) -> Self::B {
        array!(LANES, i => from[i % BYTES])
    }
    #[inline(never)]
    fn store_or<const BYTES: usize>(self, a: Self::B, to: &mut [u8; BYTES]) {
        *to = [0; BYTES];
        for part in a.as_chunks::<BYTES>().0 {
            for (to, a) in to.iter_mut().zip(part) {
                *to |= a;
            }
        }
    }
    #[inline(always)]
    fn and_b(self, a: Self::B, b: Self::B) -> Self::B {
        pairs(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn or_b(self, a: Self::B, b: Self::B) -> Self::B {
        pairs(a, b, |a, b| a | b)
    }
    #[inline(always)]
    fn sums_looked_up<const N: usize>(self, [a, b]: &[[i8; 16]; 2], at: [Self::B; N]) -> LookedUp {
        let mut sums = [0; 8];
        for &at in at.as_flattened() {
            sums[0] += i32::from(a[usize::from(at % 16)]);
            sums[1] += i32::from(b[usize::from(at % 16)]);
        }
        sums
    }
    #[inline(always)]
    fn reduce_looked_up<const N: usize>(self, a: &[LookedUp; BLOCK]) -> [[i32; BLOCK]; 2] {
        array!(2, i => array!(BLOCK, t => a[t][i]))
    }
    #[inline(always)]
    fn add_saturated_b(self, a: Self::B, b: Self::B) -> Self::B {
        zip(&a, &b, u8::saturating_add)
    }
    #[inline(always)]
    fn min_b(self, a: Self::B, b: Self::B) -> Self::B {
        zip(&a, &b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn shl_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B {
        let mut out = a;
        for (out, by) in out.as_chunks_mut().0.iter_mut().zip(by) {
            *out = (u32::from_le_bytes(*out) << by).to_le_bytes();
        }
        out
    }
    #[inline(always)]
    fn shr_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B {
        let mut out = a;
        for (out, by) in out.as_chunks_mut().0.iter_mut().zip(by) {
            *out = (u32::from_le_bytes(*out) >> by).to_le_bytes();
        }
        out
    }
    #[inline(never)]
    fn least<const N: usize>(self, a: &[Self::B; N]) -> usize {
        let (mut at, mut least) = (0, u8::MAX);
        for (i, &byte) in a.as_flattened().iter().enumerate() {
            if byte < least {
                (at, least) = (i, byte);
            }
        }
        at
    }
    #[inline(never)]
    fn sign_ranges<const N: usize>(self, values: [Self::B; N]) -> [Self::B; N] {
        let mut pairs = [[(0i8, 0i8); LANES]; N];
        for (pair, &value) in pairs.as_flattened_mut().iter_mut().zip(values.as_flattened()) {
            *pair = (value as i8, (value as i8).wrapping_neg());
        }
        butterfly(pairs.as_flattened_mut(), |low, high| {
            (
                (low.0.max(high.0), low.1.max(high.1)),
                (low.0.max(high.1), low.1.max(high.0)),
            )
        });
        array!(N, v => map(&pairs[v], |(largest, negated)| largest.wrapping_add(negated) as u8))
    }

    #[inline(always)]
    fn load_h(self, from: &[i16; LANES]) -> Self::H {
        *from
    }
    #[inline(always)]
    fn store_h(self, v: Self::H, to: &mut [i16; LANES]) {
        *to = v;
    }
    #[inline(always)]
    fn splat_h(self, x: i16) -> Self::H {
        [x; LANES]
    }
    #[inline(always)]
    fn add_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(&a, &b, i16::wrapping_add)
    }
    #[inline(always)]
    fn sub_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(&a, &b, i16::wrapping_sub)
    }
    #[inline(always)]
    fn xor_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(&a, &b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn min_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(&a, &b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(&a, &b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn abs_h(self, a: Self::H) -> Self::H {
        map(&a, i16::wrapping_abs)
    }
    #[inline(always)]
    fn sub_saturated_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(&a, &b, i16::saturating_sub)
    }
    #[inline(always)]
    fn mul_high_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(&a, &b, |a, b| {
            ((i32::from(a) * i32::from(b) + 0x4000) >> 15) as i16
        })
    }
    #[inline(always)]
    fn fold_min_h(self, a: Self::H) -> FoldedWords {
        fold(a, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn fold_max_h(self, a: Self::H) -> FoldedWords {
        fold(a, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn reduce_min_h(self, a: &[FoldedWords; BLOCK]) -> [i16; BLOCK] {
        reduce(a, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn reduce_max_h(self, a: &[FoldedWords; BLOCK]) -> [i16; BLOCK] {
        reduce(a, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn words<const N: usize>(self, a: [Self::F; N]) -> [Self::H; N] {
        array!(N, v => map(&a[v], |a| (a + ROUNDER).to_bits() as i16))
    }
    #[inline(never)]
    fn first_word<const N: usize>(self, a: [Self::H; N], x: i16) -> usize {
        let position = a.as_flattened().iter().position(|&word| word == x);
        position.unwrap_or(0)
    }
    #[inline(never)]
    fn wht_words<const N: usize>(self, mut a: [Self::H; N]) -> [Self::H; N] {
        butterfly(a.as_flattened_mut(), |a, b| {
            (a.saturating_add(b), a.saturating_sub(b))
        });
        a
    }
    #[inline(never)]
    fn flip_words<const N: usize>(self, mut a: [Self::H; N], row: usize) -> [Self::H; N] {
        for (v, a) in a.iter_mut().enumerate() {
            let negated = SIGNS_H[sign_row(row, v) % SIGNS_H.len()];
            for (a, negated) in a.iter_mut().zip(negated) {
                *a = (*a ^ negated).wrapping_sub(negated);
            }
        }
        a
    }
    #[inline(always)]
    fn words_to_signed_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N] {
        array!(N, v => map(&a[v], |a| a.clamp(-128, 127) as u8))
    }
    #[inline(always)]
    fn words_to_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N] {
        array!(N, v => map(&a[v], |a| (a.clamp(-128, 127) + 128) as u8))
    }
    #[inline(always)]
    fn wht_h(self, mut a: Self::H) -> Self::H {
        wht_integers(&mut a, 0);
        a
    }
    #[inline(always)]
    fn h_to_i(self, a: Self::H) -> Self::I {
        map(&a, i32::from)
    }
    rotated_by_halves!();
}

impl WhtNibbles for Scalar {
    type Nibbles<const N: usize> = [Self::H; N];

    #[inline(never)]
    fn wht_nibbles<const N: usize>(self, a: [Self::B; N], row: usize) -> [Self::H; N] {
        let mut sums = [[0i16; LANES]; N];
        for (sum, &byte) in sums.as_flattened_mut().iter_mut().zip(a.as_flattened()) {
            *sum = i16::from(byte);
        }
        // Signs by a row exchange the sums: that of element i is at i XOR row.
        wht_integers(sums.as_flattened_mut(), row);
        sums
    }
    #[inline(always)]
    fn wht_nibbles_end<const N: usize>(self, a: [Self::H; N], row: usize, x: i16) -> [Self::I; N] {
        self.add_at(array!(N, v => map(&a[v], |n| 8 * i32::from(n))), row, x)
    }
}
