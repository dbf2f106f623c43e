//! WebAssembly's 128-bit vectors: eight of f32 or i32 are a logical vector, four of i16, two of bytes. A module either
//! has the instructions or cannot be loaded, so that there is nothing to detect.

use core::arch::wasm32::*;
use core::convert::Infallible;

use crate::arch::{
    BLOCK, Folded, FoldedWords, LANES, LookedUp, Part, Simd, WhtNibbles, array, one_at, rotated_by_halves,
    sign_row, tiles_are_lanes, walsh, word_signs,
};

/// The level of a module that was compiled with the instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Simd128;

/// An instruction on each of several vectors.
macro_rules! each {
    ($n:literal, $f:ident, $a:expr) => {{
        let a = $a;
        array!($n, i => $f(a[i]))
    }};
    ($n:literal, $f:ident, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        array!($n, i => $f(a[i], b[i]))
    }};
}

/// Sixteen bytes from the pointer on. Unaligned is as good.
macro_rules! load {
    ($from:expr) => {
        v128_load($from.cast())
    };
}

/// The first two folds: lanes 16 and 8 apart are vectors apart.
macro_rules! fold {
    ($f:ident, $a:expr) => {{
        let a = $a;
        let folded = array!(2, i => $f($f(a[i], a[i + 4]), $f(a[i + 2], a[i + 6])));
        let mut lanes = [0.0f32; 8];
        // SAFETY: the array has the 16 bytes that are written.
        unsafe {
            v128_store(lanes.as_mut_ptr().cast(), folded[0]);
            v128_store(lanes.as_mut_ptr().add(4).cast(), folded[1]);
        }
        lanes
    }};
}

/// The last three folds of eight vectors, transposed: each fold but the first takes two vectors at once.
macro_rules! reduce {
    ($f:ident, $a:expr) => {{
        let a: &[Folded; BLOCK] = $a;
        let four = array!(BLOCK, t => {
            // SAFETY: 32 bytes are readable behind each reference.
            unsafe { $f(load!(a[t].as_ptr()), load!(a[t].as_ptr().add(4))) }
        });
        let two = array!(BLOCK / 2, t => $f(
            i32x4_shuffle::<0, 1, 4, 5>(four[2 * t], four[2 * t + 1]),
            i32x4_shuffle::<2, 3, 6, 7>(four[2 * t], four[2 * t + 1])
        ));
        let mut reduced = [0.0f32; BLOCK];
        for t in 0..BLOCK / 4 {
            let one = $f(
                i32x4_shuffle::<0, 2, 4, 6>(two[2 * t], two[2 * t + 1]),
                i32x4_shuffle::<1, 3, 5, 7>(two[2 * t], two[2 * t + 1]),
            );
            // SAFETY: the array has the 32 bytes that are written.
            unsafe { v128_store(reduced.as_mut_ptr().add(4 * t).cast(), one) };
        }
        reduced
    }};
}

/// Of i32 to bytes: saturated to i16, and then by `$narrow`.
macro_rules! pack {
    ($narrow:ident, $a:expr) => {{
        let a = $a;
        array!(2, i => $narrow(
            i16x8_narrow_i32x4(a[4 * i], a[4 * i + 1]),
            i16x8_narrow_i32x4(a[4 * i + 2], a[4 * i + 3])
        ))
    }};
}

/// Lanes of both, one of each by turns: the lower half of the result is one vector, the upper another. Exchanges a
/// vector for a lane, so that every stage of a butterfly is one of whole vectors; one exchange more than there are
/// bits in a lane's number restores the order.
macro_rules! exchange_bytes {
    ($a:expr) => {{
        let a = $a;
        [
            i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a[0], a[1]),
            i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(a[0], a[1]),
        ]
    }};
}

macro_rules! exchange_words {
    ($a:expr) => {{
        let a = $a;
        [
            i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(a[0], a[1]),
            i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(a[0], a[1]),
        ]
    }};
}

/// A stage of a butterfly between two vectors.
macro_rules! stage {
    ($add:ident, $sub:ident, $a:expr) => {{
        let a = $a;
        [$add(a[0], a[1]), $sub(a[0], a[1])]
    }};
}

/// A stage between the vectors of an array that are `$stride` apart.
macro_rules! stages {
    ($n:expr, $stride:expr, $add:ident, $sub:ident, $a:expr) => {{
        let mut a = $a;
        let mut i = 0;
        while i < $n {
            if i & $stride == 0 {
                [a[i], a[i + $stride]] = stage!($add, $sub, [a[i], a[i + $stride]]);
            }
            i += 1;
        }
        a
    }};
}

/// A stage of [`Simd::sign_ranges`] between two vectors.
macro_rules! sign_stage {
    ($l:expr, $n:expr) => {{
        let (l, n) = ($l, $n);
        (
            [i8x16_max(l[0], l[1]), i8x16_max(l[0], n[1])],
            [i8x16_max(n[0], n[1]), i8x16_max(n[0], l[1])],
        )
    }};
}

/// Folds words to two vectors.
macro_rules! fold_words {
    ($f:ident, $a:expr) => {{
        let a = $a;
        let mut folded: FoldedWords = [0; 16];
        // SAFETY: the array has the 32 bytes that are written.
        unsafe {
            v128_store(folded.as_mut_ptr().cast(), $f(a[0], a[2]));
            v128_store(folded.as_mut_ptr().add(8).cast(), $f(a[1], a[3]));
        }
        folded
    }};
}

/// The other folds, each but the first of two vectors at once.
macro_rules! reduce_words {
    ($f:ident, $a:expr) => {{
        let a: &[FoldedWords; BLOCK] = $a;
        let eight = array!(BLOCK, t => {
            // SAFETY: 32 bytes are readable behind each reference.
            unsafe { $f(load!(a[t].as_ptr()), load!(a[t].as_ptr().add(8))) }
        });
        let four = array!(BLOCK / 2, t => $f(
            i64x2_shuffle::<0, 2>(eight[2 * t], eight[2 * t + 1]),
            i64x2_shuffle::<1, 3>(eight[2 * t], eight[2 * t + 1])
        ));
        let two = array!(BLOCK / 4, t => $f(
            i32x4_shuffle::<0, 2, 4, 6>(four[2 * t], four[2 * t + 1]),
            i32x4_shuffle::<1, 3, 5, 7>(four[2 * t], four[2 * t + 1])
        ));
        let mut reduced = [0i16; BLOCK];
        for t in 0..BLOCK / 8 {
            let one = $f(
                i16x8_shuffle::<0, 2, 4, 6, 8, 10, 12, 14>(two[2 * t], two[2 * t + 1]),
                i16x8_shuffle::<1, 3, 5, 7, 9, 11, 13, 15>(two[2 * t], two[2 * t + 1]),
            );
            // SAFETY: the array has the 32 bytes that are written.
            unsafe { v128_store(reduced.as_mut_ptr().add(8 * t).cast(), one) };
        }
        reduced
    }};
}

/// 1 and -1 by which words in the order of [`Simd128::wht_words`] are multiplied for a row of the matrix; the second half negated. Bits 4, 0, 3, 2
/// and 1 of a word's number, from the highest of its place down.
static WORD_SIGNS: [[i16; LANES]; 2 * LANES] =
    word_signs(array!(LANES, at => at & 16 | (at & 7) << 1 | at >> 3 & 1));

/// All ones for the elements of 32 that a row of the matrix negates; then for the others.
static NEGATED: [[i8; LANES]; 2 * LANES] = {
    let mut table = [[0; LANES]; 2 * LANES];
    let mut row = 0;
    while row < LANES {
        let mut at = 0;
        while at < LANES {
            let negated = -(walsh(row, at) as i8);
            table[row][at] = negated;
            table[row + LANES][at] = !negated;
            at += 1;
        }
        row += 1;
    }
    table
};

/// The f32 of four numbers of f16 in the lower halves of lanes: their exponent is made f32's by a product, exact also
/// for subnormal numbers.
#[inline(always)]
fn from_f16(h: v128) -> v128 {
    let magnitude = i32x4_shl(v128_and(h, i32x4_splat(0x7fff)), 13);
    let sign = i32x4_shl(v128_and(h, i32x4_splat(0x8000)), 16);
    let scaled = f32x4_mul(magnitude, f32x4_splat(5.192_296_9e33));
    let special = i32x4_gt(magnitude, i32x4_splat(0x0f7f_ffff));
    let scaled = v128_or(scaled, v128_and(special, i32x4_splat(0x7f80_0000)));
    v128_or(scaled, sign)
}

/// The bits of four numbers rounded to f16, none a NaN.
#[inline(always)]
fn to_f16(v: v128) -> v128 {
    let sign = v128_and(u32x4_shr(v, 16), i32x4_splat(0x8000));
    let magnitude = v128_and(v, i32x4_splat(0x7fff_ffff));
    // Half a unit in the last place, less one for even numbers: ties go to even.
    let odd = v128_and(u32x4_shr(magnitude, 13), i32x4_splat(1));
    let rebased = i32x4_add(magnitude, i32x4_splat((-112 << 23) + 0xfff));
    let normal = u32x4_shr(i32x4_add(rebased, odd), 13);
    // A sum with 0.5 rounds to the subnormal numbers' unit.
    let subnormal = i32x4_sub(f32x4_add(magnitude, f32x4_splat(0.5)), f32x4_splat(0.5));
    let bits = v128_bitselect(subnormal, normal, i32x4_lt(magnitude, i32x4_splat(0x3880_0000)));
    let infinite = i32x4_gt(magnitude, i32x4_splat(0x477f_ffff));
    v128_or(v128_bitselect(i32x4_splat(0x7c00), bits, infinite), sign)
}

/// Words to the lanes of four vectors, zeros above.
#[inline(always)]
fn load_words(from: &[u16; LANES]) -> [v128; 8] {
    let from = from.as_ptr();
    // SAFETY: 64 bytes are readable behind the reference.
    let words = unsafe { array!(4, i => load!(from.add(8 * i))) };
    array!(8, i => if i % 2 == 0 {
        u32x4_extend_low_u16x8(words[i / 2])
    } else {
        u32x4_extend_high_u16x8(words[i / 2])
    })
}

/// The inverse, of lanes below 2^16.
#[inline(always)]
fn store_words(v: [v128; 8], to: &mut [u16; LANES]) {
    let to = to.as_mut_ptr();
    for i in 0..4 {
        // SAFETY: 64 bytes are writable behind the reference.
        unsafe {
            v128_store(to.add(8 * i).cast(), u16x8_narrow_i32x4(v[2 * i], v[2 * i + 1]));
        }
    }
}

/// Each lane shifted right by its own count below 8: as there is no such instruction, one of 64 bits after products by
/// powers of two.
#[inline(always)]
fn shifted_right(a: v128, by: &[u32; 4]) -> v128 {
    if *by == [by[0]; 4] {
        return u32x4_shr(a, by[0]);
    }
    let powers = u32x4(256 >> by[0], 256 >> by[1], 256 >> by[2], 256 >> by[3]);
    let low = u64x2_shr(u64x2_extmul_low_u32x4(a, powers), 8);
    let high = u64x2_shr(u64x2_extmul_high_u32x4(a, powers), 8);
    i32x4_shuffle::<0, 2, 4, 6>(low, high)
}

#[inline(always)]
fn shifted_left(a: v128, by: &[u32; 4]) -> v128 {
    if *by == [by[0]; 4] {
        return u32x4_shl(a, by[0]);
    }
    i32x4_mul(a, u32x4(1 << by[0], 1 << by[1], 1 << by[2], 1 << by[3]))
}

/// A bit for each lane, which is all ones or 0.
#[inline(always)]
fn bit_of_each(a: [v128; 8]) -> u32 {
    // All ones and zeros stay what they are when they are narrowed.
    let bytes = pack!(i8x16_narrow_i16x8, a);
    u32::from(i8x16_bitmask(bytes[0])) | u32::from(i8x16_bitmask(bytes[1])) << 16
}

impl Simd for Simd128 {
    type Narrower = Infallible;
    type Scratch = [[f32; LANES]; 2 * BLOCK];
    type Words = [[i16; LANES]; 2 * BLOCK];
    type F = [v128; 8];
    type I = [v128; 8];
    type H = [v128; 4];
    type B = [v128; 2];

    #[inline(never)]
    fn outline<P: Part<Self>>(self, part: P) -> P::Output {
        part.run(self)
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        let from = from.as_ptr();
        // SAFETY: 32 floats are readable behind the reference.
        unsafe { array!(8, i => load!(from.add(4 * i))) }
    }
    #[inline(always)]
    fn load_f16(self, from: &[u16; LANES]) -> Self::F {
        each!(8, from_f16, load_words(from))
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16; LANES]) -> Self::F {
        let words = load_words(from);
        array!(8, i => i32x4_shl(words[i], 16))
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        let to = to.as_mut_ptr();
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: 32 floats are writable behind the reference.
            unsafe { v128_store(to.add(4 * i).cast(), v) }
        }
    }
    #[inline(always)]
    fn store_f16(self, v: Self::F, to: &mut [u16; LANES]) {
        store_words(each!(8, to_f16, v), to);
    }
    #[inline(always)]
    fn store_bf16(self, v: Self::F, to: &mut [u16; LANES], _: Option<Self::Narrower>) {
        // Half a unit in the last place, less one for even numbers: ties go to even.
        let rounded = array!(8, i => {
            let odd = v128_and(u32x4_shr(v[i], 16), i32x4_splat(1));
            let bits = i32x4_add(i32x4_add(v[i], i32x4_splat(0x7fff)), odd);
            u32x4_shr(bits, 16)
        });
        store_words(rounded, to);
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [f32x4_splat(x); 8]
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each!(8, f32x4_add, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each!(8, f32x4_sub, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each!(8, f32x4_mul, a, b)
    }
    // Those that leave zeros and NaN alone, an instruction of the machine each.
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each!(8, f32x4_pmin, a, b)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each!(8, f32x4_pmax, a, b)
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        each!(8, f32x4_abs, a)
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        each!(8, f32x4_nearest, a)
    }
    #[inline(always)]
    fn gt(self, a: Self::F, b: Self::F) -> Self::I {
        each!(8, f32x4_gt, a, b)
    }
    #[inline(always)]
    fn above(self, a: Self::F, b: Self::F) -> u32 {
        bit_of_each(self.gt(a, b))
    }
    tiles_are_lanes!();

    #[inline(always)]
    fn where_below(self, narrow: Self::T, wide: Self::T, a: Self::T, b: Self::T) -> Self::T {
        array!(8, i => v128_bitselect(a[i], b[i], f32x4_lt(narrow[i], wide[i])))
    }
    #[inline(always)]
    fn load_t(self, from: &[f32; BLOCK]) -> Self::T {
        let from = from.as_ptr();
        // SAFETY: 16 floats are readable behind the reference.
        let lanes = unsafe { array!(BLOCK / 4, i => load!(from.add(4 * i))) };
        array!(8, i => if i < BLOCK / 4 { lanes[i % (BLOCK / 4)] } else { f32x4_splat(0.0) })
    }
    #[inline(always)]
    fn store_t(self, a: Self::T) -> [f32; BLOCK] {
        let mut to = [0.0; BLOCK];
        for (i, a) in a.into_iter().take(BLOCK / 4).enumerate() {
            // SAFETY: the array has the 16 floats that are written.
            unsafe { v128_store(to.as_mut_ptr().add(4 * i).cast(), a) };
        }
        to
    }
    #[inline(always)]
    fn above_t(self, a: Self::T, b: Self::T) -> u32 {
        self.above(a, b) & ((1 << BLOCK) - 1)
    }
    #[inline(always)]
    fn bytes_where(self, bits: u32, bytes: &[u8; BLOCK]) -> [u8; BLOCK] {
        let lanes = u64x2(0x8040_2010_0804_0201, 0x8040_2010_0804_0201);
        let each = u64x2(0x0101_0101_0101_0101, 0x0101_0101_0101_0101);
        let bits = i64x2_mul(u64x2(u64::from(bits & 0xff), u64::from(bits >> 8 & 0xff)), each);
        let set = i8x16_eq(v128_and(bits, lanes), lanes);
        let mut chosen = [0; BLOCK];
        // SAFETY: 16 bytes are readable behind the reference, and writable in the array.
        unsafe { v128_store(chosen.as_mut_ptr().cast(), v128_and(load!(bytes.as_ptr()), set)) };
        chosen
    }
    #[inline(always)]
    fn at_least(self, a: &[u8; BLOCK], least: u8) -> u32 {
        // SAFETY: 16 bytes are readable behind the reference.
        let a = unsafe { load!(a.as_ptr()) };
        u32::from(u8x16_bitmask(u8x16_ge(a, u8x16_splat(least))))
    }
    #[inline(always)]
    fn bits(self, a: Self::F) -> Self::I {
        a
    }
    #[inline(always)]
    fn float_of_bits(self, a: Self::I) -> Self::F {
        a
    }
    #[inline(always)]
    fn truncate(self, a: Self::F) -> Self::I {
        each!(8, i32x4_trunc_sat_f32x4, a)
    }
    #[inline(always)]
    fn to_float(self, a: Self::I) -> Self::F {
        each!(8, f32x4_convert_i32x4, a)
    }
    #[inline(always)]
    fn wht(self, a: Self::F) -> Self::F {
        let a = stages!(8, 4, f32x4_add, f32x4_sub, a);
        let a = stages!(8, 2, f32x4_add, f32x4_sub, a);
        let mut a = stages!(8, 1, f32x4_add, f32x4_sub, a);
        for pair in a.as_chunks_mut::<2>().0 {
            let halves = [
                i32x4_shuffle::<0, 1, 4, 5>(pair[0], pair[1]),
                i32x4_shuffle::<2, 3, 6, 7>(pair[0], pair[1]),
            ];
            let [s, d] = stage!(f32x4_add, f32x4_sub, halves);
            let evens_odds = [
                i32x4_shuffle::<0, 2, 4, 6>(s, d),
                i32x4_shuffle::<1, 3, 5, 7>(s, d),
            ];
            let [s, d] = stage!(f32x4_add, f32x4_sub, evens_odds);
            *pair = [
                i32x4_shuffle::<0, 4, 2, 6>(s, d),
                i32x4_shuffle::<1, 5, 3, 7>(s, d),
            ];
        }
        a
    }
    #[inline(always)]
    fn fold_add(self, a: Self::F) -> Folded {
        fold!(f32x4_add, a)
    }
    #[inline(always)]
    fn fold_min(self, a: Self::F) -> Folded {
        fold!(f32x4_pmin, a)
    }
    #[inline(always)]
    fn fold_max(self, a: Self::F) -> Folded {
        fold!(f32x4_pmax, a)
    }
    #[inline(always)]
    fn reduce_add(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce!(f32x4_add, a)
    }
    #[inline(always)]
    fn reduce_min(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce!(f32x4_pmin, a)
    }
    #[inline(always)]
    fn reduce_max(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce!(f32x4_pmax, a)
    }

    #[inline(always)]
    fn load_i(self, from: &[i32; LANES]) -> Self::I {
        let from = from.as_ptr();
        // SAFETY: 32 numbers are readable behind the reference.
        unsafe { array!(8, i => load!(from.add(4 * i))) }
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> Self::I {
        let from = from.as_ptr();
        // SAFETY: 32 bytes are readable behind the reference.
        let words = unsafe { array!(4, i => i16x8_load_extend_i8x8(from.add(8 * i))) };
        self.h_to_i(words)
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> Self::I {
        [i32x4_splat(x); 8]
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(8, i32x4_add, a, b)
    }
    #[inline(always)]
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(8, i32x4_sub, a, b)
    }
    #[inline(always)]
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(8, i32x4_mul, a, b)
    }
    #[inline(always)]
    fn max_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(8, i32x4_max, a, b)
    }
    #[inline(always)]
    fn xor(self, a: Self::I, b: Self::I) -> Self::I {
        each!(8, v128_xor, a, b)
    }
    #[inline(always)]
    fn shl<const BITS: i32>(self, a: Self::I) -> Self::I {
        array!(8, i => i32x4_shl(a[i], BITS as u32))
    }
    #[inline(always)]
    fn shr<const BITS: i32>(self, a: Self::I) -> Self::I {
        array!(8, i => u32x4_shr(a[i], BITS as u32))
    }
    #[inline(always)]
    fn reduce_max_i(self, a: Self::I) -> i32 {
        let mut most = a[0];
        for &a in &a[1..] {
            most = i32x4_max(most, a);
        }
        let most = i32x4_max(most, i32x4_shuffle::<2, 3, 0, 1>(most, most));
        i32x4_extract_lane::<0>(i32x4_max(most, i32x4_shuffle::<1, 0, 3, 2>(most, most)))
    }
    #[inline(always)]
    fn add_at<const N: usize>(self, a: [Self::I; N], at: usize, x: i16) -> [Self::I; N] {
        let whole = self.splat_i(i32::from(x) * (N * LANES) as i32);
        let one = one_at::<N>(at);
        array!(N, v => {
            let one = self.load_i(&one[v]);
            self.add_i(a[v], each!(8, v128_and, one, whole))
        })
    }
    #[inline(always)]
    fn low_bytes(self, a: Self::I) -> Self::B {
        pack!(u8x16_narrow_i16x8, {
            let mask = self.splat_i(0xff);
            each!(8, v128_and, a, mask)
        })
    }

    #[inline(always)]
    fn to_bytes(self, a: Self::F) -> Self::B {
        pack!(u8x16_narrow_i16x8, self.truncate(self.round(a)))
    }
    #[inline(always)]
    fn to_signed_bytes(self, a: Self::F) -> Self::B {
        pack!(i8x16_narrow_i16x8, self.truncate(self.round(a)))
    }
    #[inline(always)]
    fn eight_times(self, a: Self::B) -> Self::F {
        self.to_float(self.shl::<3>(self.h_to_i(self.bytes_to_h(a))))
    }
    #[inline(always)]
    fn bytes_to_h(self, a: Self::B) -> Self::H {
        [
            u16x8_extend_low_u8x16(a[0]),
            u16x8_extend_high_u8x16(a[0]),
            u16x8_extend_low_u8x16(a[1]),
            u16x8_extend_high_u8x16(a[1]),
        ]
    }
    #[inline(always)]
    fn splat_b(self, x: u8) -> Self::B {
        [u8x16_splat(x); 2]
    }
    #[inline(always)]
    fn repeat<const BYTES: usize>(self, from: &[u8; BYTES]) -> Self::B {
        let at = from.as_ptr();
        // SAFETY: as many bytes as the slice has are read.
        unsafe {
            match BYTES {
                4 => [v128_load32_splat(at.cast()); 2],
                8 => [v128_load64_splat(at.cast()); 2],
                16 => [load!(at); 2],
                32 => [load!(at), load!(at.add(16))],
                _ => unreachable!("bytes are repeated by 4, 8, 16 or 32"),
            }
        }
    }
    #[inline(always)]
    fn store_or<const BYTES: usize>(self, a: Self::B, to: &mut [u8; BYTES]) {
        let at = to.as_mut_ptr();
        // SAFETY: as many bytes as the slice has are written.
        unsafe {
            if BYTES == 32 {
                v128_store(at.cast(), a[0]);
                return v128_store(at.add(16).cast(), a[1]);
            }
            let a = v128_or(a[0], a[1]);
            if BYTES == 16 {
                return v128_store(at.cast(), a);
            }
            let a = v128_or(a, i64x2_shuffle::<1, 0>(a, a));
            match BYTES {
                8 => v128_store64_lane::<0>(a, at.cast()),
                4 => v128_store32_lane::<0>(v128_or(a, i32x4_shuffle::<1, 0, 3, 2>(a, a)), at.cast()),
                _ => unreachable!("bytes are folded to 4, 8, 16 or 32"),
            }
        }
    }
    #[inline(always)]
    fn and_b(self, a: Self::B, b: Self::B) -> Self::B {
        each!(2, v128_and, a, b)
    }
    #[inline(always)]
    fn or_b(self, a: Self::B, b: Self::B) -> Self::B {
        each!(2, v128_or, a, b)
    }
    #[inline(always)]
    fn sums_looked_up<const N: usize>(self, tables: &[[i8; 16]; 2], at: [Self::B; N]) -> LookedUp {
        let mut folded = [[0; 4]; 2];
        for (folded, table) in folded.iter_mut().zip(tables) {
            let table = bytemuck::cast::<[i8; 16], [u32; 4]>(*table);
            let table = u32x4(table[0], table[1], table[2], table[3]);
            let mut sums = i16x8_splat(0);
            for at in at.as_flattened() {
                let found = i8x16_swizzle(table, v128_and(*at, u8x16_splat(15)));
                sums = i16x8_add(sums, i16x8_extadd_pairwise_i8x16(found));
            }
            // SAFETY: the array has the 16 bytes that are written.
            unsafe { v128_store(folded.as_mut_ptr().cast(), i32x4_extadd_pairwise_i16x8(sums)) };
        }
        bytemuck::cast(folded)
    }
    /// Four of the one sum, then four of the other.
    #[inline(always)]
    fn reduce_looked_up<const N: usize>(self, a: &[LookedUp; BLOCK]) -> [[i32; BLOCK]; 2] {
        // Without an overflow: what is there of tiles of which nothing was looked up may be anything.
        array!(2, i => array!(BLOCK, t => {
            let four = &a[t][4 * i..];
            (four[0].wrapping_add(four[1])).wrapping_add(four[2].wrapping_add(four[3]))
        }))
    }
    #[inline(always)]
    fn add_saturated_b(self, a: Self::B, b: Self::B) -> Self::B {
        each!(2, u8x16_add_sat, a, b)
    }
    #[inline(always)]
    fn min_b(self, a: Self::B, b: Self::B) -> Self::B {
        each!(2, u8x16_min, a, b)
    }
    #[inline(always)]
    fn shl_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B {
        let by = by.as_chunks::<4>().0;
        [shifted_left(a[0], &by[0]), shifted_left(a[1], &by[1])]
    }
    #[inline(always)]
    fn shr_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B {
        let by = by.as_chunks::<4>().0;
        [shifted_right(a[0], &by[0]), shifted_right(a[1], &by[1])]
    }
    #[inline(always)]
    fn least<const N: usize>(self, a: &[Self::B; N]) -> usize {
        let a = a.as_flattened();
        let mut least = a[0];
        for &a in &a[1..] {
            least = u8x16_min(least, a);
        }
        let least = u8x16_min(least, i64x2_shuffle::<1, 0>(least, least));
        let least = u8x16_min(least, u64x2_shr(least, 32));
        let least = u8x16_min(least, u32x4_shr(least, 16));
        let least = u8x16_min(least, u16x8_shr(least, 8));
        let least = u8x16_splat(u8x16_extract_lane::<0>(least));
        let mut v = 0;
        loop {
            let mask = i8x16_bitmask(i8x16_eq(a[v], least));
            // The last vector has it where no other does.
            if mask != 0 || v + 1 == a.len() {
                break 16 * v + mask.trailing_zeros() as usize % 16;
            }
            v += 1;
        }
    }
    #[inline(always)]
    fn sign_ranges<const N: usize>(self, values: [Self::B; N]) -> [Self::B; N] {
        let mut l = values;
        let mut n = array!(N, v => each!(2, i8x16_neg, values[v]));
        let mut stride = N / 2;
        while stride > 0 {
            for v in 0..N {
                if v & stride == 0 {
                    for i in 0..2 {
                        let (largest, negated) =
                            sign_stage!([l[v][i], l[v + stride][i]], [n[v][i], n[v + stride][i]]);
                        [l[v][i], l[v + stride][i]] = largest;
                        [n[v][i], n[v + stride][i]] = negated;
                    }
                }
            }
            stride /= 2;
        }
        array!(N, v => {
            let (l, n) = sign_stage!(l[v], n[v]);
            let (l, n) = sign_stage!(exchange_bytes!(l), exchange_bytes!(n));
            let (l, n) = sign_stage!(exchange_bytes!(l), exchange_bytes!(n));
            let (l, n) = sign_stage!(exchange_bytes!(l), exchange_bytes!(n));
            let (l, n) = sign_stage!(exchange_bytes!(l), exchange_bytes!(n));
            exchange_bytes!(each!(2, i8x16_add, l, n))
        })
    }

    #[inline(always)]
    fn load_h(self, from: &[i16; LANES]) -> Self::H {
        let from = from.as_ptr();
        // SAFETY: 64 bytes are readable behind the reference.
        unsafe { array!(4, i => load!(from.add(8 * i))) }
    }
    #[inline(always)]
    fn store_h(self, v: Self::H, to: &mut [i16; LANES]) {
        let to = to.as_mut_ptr();
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: 64 bytes are writable behind the reference.
            unsafe { v128_store(to.add(8 * i).cast(), v) }
        }
    }
    #[inline(always)]
    fn splat_h(self, x: i16) -> Self::H {
        [i16x8_splat(x); 4]
    }
    #[inline(always)]
    fn add_h(self, a: Self::H, b: Self::H) -> Self::H {
        each!(4, i16x8_add, a, b)
    }
    #[inline(always)]
    fn sub_h(self, a: Self::H, b: Self::H) -> Self::H {
        each!(4, i16x8_sub, a, b)
    }
    #[inline(always)]
    fn xor_h(self, a: Self::H, b: Self::H) -> Self::H {
        each!(4, v128_xor, a, b)
    }
    #[inline(always)]
    fn min_h(self, a: Self::H, b: Self::H) -> Self::H {
        each!(4, i16x8_min, a, b)
    }
    #[inline(always)]
    fn max_h(self, a: Self::H, b: Self::H) -> Self::H {
        each!(4, i16x8_max, a, b)
    }
    #[inline(always)]
    fn abs_h(self, a: Self::H) -> Self::H {
        array!(4, i => i16x8_abs(a[i]))
    }
    #[inline(always)]
    fn sub_saturated_h(self, a: Self::H, b: Self::H) -> Self::H {
        each!(4, i16x8_sub_sat, a, b)
    }
    #[inline(always)]
    fn mul_high_h(self, a: Self::H, b: Self::H) -> Self::H {
        each!(4, i16x8_q15mulr_sat, a, b)
    }
    #[inline(always)]
    fn fold_min_h(self, a: Self::H) -> FoldedWords {
        fold_words!(i16x8_min, a)
    }
    #[inline(always)]
    fn fold_max_h(self, a: Self::H) -> FoldedWords {
        fold_words!(i16x8_max, a)
    }
    #[inline(always)]
    fn reduce_min_h(self, a: &[FoldedWords; BLOCK]) -> [i16; BLOCK] {
        reduce_words!(i16x8_min, a)
    }
    #[inline(always)]
    fn reduce_max_h(self, a: &[FoldedWords; BLOCK]) -> [i16; BLOCK] {
        reduce_words!(i16x8_max, a)
    }
    /// In the order of lanes.
    #[inline(always)]
    fn words<const N: usize>(self, a: [Self::F; N]) -> [Self::H; N] {
        array!(N, v => {
            let a = array!(8, i => i32x4_trunc_sat_f32x4(f32x4_nearest(a[v][i])));
            array!(4, i => i16x8_narrow_i32x4(a[2 * i], a[2 * i + 1]))
        })
    }
    #[inline(always)]
    fn first_word<const N: usize>(self, a: [Self::H; N], x: i16) -> usize {
        let x = i16x8_splat(x);
        for v in 0..N {
            let equal = array!(4, i => i16x8_eq(a[v][i], x));
            let bits = array!(2, i => i8x16_bitmask(i8x16_narrow_i16x8(equal[2 * i], equal[2 * i + 1])));
            let bits = u32::from(bits[0]) | u32::from(bits[1]) << 16;
            if bits != 0 {
                return LANES * v + bits.trailing_zeros() as usize % LANES;
            }
        }
        0
    }
    /// Two bits of a lane's number are the vectors', and three are exchanged for one of those.
    #[inline(always)]
    fn wht_words<const N: usize>(self, mut a: [Self::H; N]) -> [Self::H; N] {
        let mut stride = N / 2;
        while stride > 0 {
            for v in 0..N {
                if v & stride == 0 {
                    for i in 0..4 {
                        [a[v][i], a[v + stride][i]] =
                            stage!(i16x8_add_sat, i16x8_sub_sat, [a[v][i], a[v + stride][i]]);
                    }
                }
            }
            stride /= 2;
        }
        array!(N, v => {
            let mut a = stages!(4, 2, i16x8_add_sat, i16x8_sub_sat, a[v]);
            for pair in a.as_chunks_mut::<2>().0 {
                *pair = stage!(i16x8_add_sat, i16x8_sub_sat, *pair);
                for _ in 0..3 {
                    *pair = stage!(i16x8_add_sat, i16x8_sub_sat, exchange_words!(*pair));
                }
            }
            a
        })
    }
    #[inline(always)]
    fn flip_words<const N: usize>(self, a: [Self::H; N], row: usize) -> [Self::H; N] {
        array!(N, v => {
            each!(4, i16x8_mul, a[v], self.load_h(&WORD_SIGNS[sign_row(row, v) % WORD_SIGNS.len()]))
        })
    }
    #[inline(always)]
    fn words_to_signed_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N] {
        array!(N, v => array!(2, i => {
            // Bit 0 of a word's number is that of the vector, of two.
            let bytes = i8x16_narrow_i16x8(a[v][2 * i], a[v][2 * i + 1]);
            i8x16_shuffle::<0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15>(bytes, bytes)
        }))
    }
    #[inline(always)]
    fn words_to_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N] {
        let bytes = self.words_to_signed_bytes(a);
        array!(N, v => array!(2, i => v128_xor(bytes[v][i], u8x16_splat(128))))
    }
    #[inline(always)]
    fn wht_h(self, a: Self::H) -> Self::H {
        let mut a = stages!(4, 2, i16x8_add, i16x8_sub, a);
        for pair in a.as_chunks_mut::<2>().0 {
            let a = stage!(i16x8_add, i16x8_sub, *pair);
            let a = stage!(i16x8_add, i16x8_sub, exchange_words!(a));
            let a = stage!(i16x8_add, i16x8_sub, exchange_words!(a));
            let a = stage!(i16x8_add, i16x8_sub, exchange_words!(a));
            *pair = exchange_words!(a);
        }
        a
    }
    #[inline(always)]
    fn h_to_i(self, a: Self::H) -> Self::I {
        array!(8, i => if i % 2 == 0 {
            i32x4_extend_low_i16x8(a[i / 2])
        } else {
            i32x4_extend_high_i16x8(a[i / 2])
        })
    }
    rotated_by_halves!();
}

impl WhtNibbles for Simd128 {
    type Nibbles<const N: usize> = [Self::I; N];

    /// Bits 4, 3 and 2 of an element's number in bytes, whose sums of eight nibbles fit; the others in words.
    #[inline(always)]
    fn wht_nibbles<const N: usize>(self, a: [Self::B; N], row: usize) -> [Self::I; N] {
        let mut n = array!(N, v => {
            let flipped = usize::from(walsh(v, row / LANES)) * LANES;
            let at = NEGATED[flipped + row % LANES].as_ptr();
            // SAFETY: the table's row has the 32 bytes that are read.
            let negated = unsafe { [load!(at), load!(at.add(16))] };
            let x = each!(2, v128_xor, a[v], negated);
            let x = each!(2, i8x16_sub, x, negated);
            let x = stage!(i8x16_add, i8x16_sub, x);
            let x = stage!(i8x16_add, i8x16_sub, exchange_bytes!(x));
            let x = stage!(i8x16_add, i8x16_sub, exchange_bytes!(x));
            // Vectors by bit 1, halves by bit 0, and bits 4, 3 and 2 within them.
            let x = exchange_bytes!(x);
            let x = [
                i16x8_extend_low_i8x16(x[0]),
                i16x8_extend_high_i8x16(x[0]),
                i16x8_extend_low_i8x16(x[1]),
                i16x8_extend_high_i8x16(x[1]),
            ];
            let x = stages!(4, 2, i16x8_add, i16x8_sub, x);
            stages!(4, 1, i16x8_add, i16x8_sub, x)
        });
        let mut stride = N / 2;
        while stride > 0 {
            for v in 0..N {
                if v & stride == 0 {
                    let (sums, differences) =
                        (self.add_h(n[v], n[v + stride]), self.sub_h(n[v], n[v + stride]));
                    (n[v], n[v + stride]) = (sums, differences);
                }
            }
            stride /= 2;
        }
        array!(N, v => {
            // By bit 4, with bits 3, 2 and 0 within; of bit 1 either.
            let lower = exchange_words!([n[v][0], n[v][1]]);
            let upper = exchange_words!([n[v][2], n[v][3]]);
            let words = [
                i32x4_shuffle::<0, 4, 1, 5>(lower[0], upper[0]),
                i32x4_shuffle::<2, 6, 3, 7>(lower[0], upper[0]),
                i32x4_shuffle::<0, 4, 1, 5>(lower[1], upper[1]),
                i32x4_shuffle::<2, 6, 3, 7>(lower[1], upper[1]),
            ];
            self.shl::<3>(self.h_to_i(words))
        })
    }
    #[inline(always)]
    fn wht_nibbles_end<const N: usize>(self, a: [Self::I; N], row: usize, x: i16) -> [Self::I; N] {
        self.add_at(a, row, x)
    }
}
