//! NEON, part of the target, little-endian: a logical vector of f32 or i32 is eight registers, one of i16 four, one of
//! bytes two.
//!
//! The only fused operations multiply by 1 or -1, which is exact: what they round is the sum alone.

use core::arch::aarch64::*;
use core::arch::asm;
use core::convert::Infallible;

use crate::arch::{
    BLOCK, Folded, FoldedWords, LANES, LookedUp, Part, Simd, WhtNibbles, WordPowers, array,
    rotated_by_halves, sign_row, tiles_are_lanes, walsh, word_signs,
};

/// Registers of 16 bytes in a logical vector of f32 or i32.
const WIDE: usize = 8;

/// The level that every machine has for which this module is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Neon;

/// An expression of NEON intrinsics that touch no memory.
macro_rules! neon {
    ($e:expr) => {
        // SAFETY: NEON is part of the target, or this module would not be; it is all that these intrinsics ask for.
        unsafe { $e }
    };
}

/// An intrinsic on each register, with a constant first where there is one.
macro_rules! each {
    ($f:ident, $a:expr) => {{
        let a = $a;
        array!(WIDE, i => neon!($f(a[i])))
    }};
    ($f:ident, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        array!(WIDE, i => neon!($f(a[i], b[i])))
    }};
    ($f:ident::<$c:tt>, $a:expr) => {{
        let a = $a;
        array!(WIDE, i => neon!($f::<$c>(a[i])))
    }};
}

/// The same on both registers of bytes.
macro_rules! both {
    ($f:ident, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        neon!([$f(a[0], b[0]), $f(a[1], b[1])])
    }};
}

/// The first two folds: lanes 16 and 8 apart are registers apart.
macro_rules! fold {
    ($f:ident, $a:expr) => {{
        let a = $a;
        let mut folded = [0.0; 8];
        let to = folded.as_mut_ptr();
        // SAFETY: NEON is part of the target; the array has the eight floats that are written.
        unsafe {
            vst1q_f32(to, $f($f(a[0], a[4]), $f(a[2], a[6])));
            vst1q_f32(to.add(4), $f($f(a[1], a[5]), $f(a[3], a[7])));
        }
        folded
    }};
}

/// The first of the last three folds of each of several: lanes 4 apart.
macro_rules! halves {
    ($f:ident, $a:expr) => {{
        let a: &[Folded; BLOCK] = $a;
        // An address of its own: two registers are loaded at once where they are near.
        let a: *const f32 = opaque_address(a.as_ptr()).cast();
        // SAFETY: NEON is part of the target; each array has the eight floats that are read.
        unsafe { array!(BLOCK, i => $f(vld1q_f32(a.add(8 * i)), vld1q_f32(a.add(8 * i + 4)))) }
    }};
}

/// The last three folds, of which the order does not matter.
macro_rules! reduce {
    ($f:ident, $pairs:ident, $a:expr) => {{
        let four = halves!($f, $a);
        let two = neon!(array!(BLOCK / 2, t => $pairs(four[2 * t], four[2 * t + 1])));
        stored(neon!(array!(BLOCK / 4, t => $pairs(two[2 * t], two[2 * t + 1]))))
    }};
}

/// Folds words to two registers.
macro_rules! fold_words {
    ($f:ident, $a:expr) => {{
        let a = $a;
        let mut folded = [0; 16];
        let to = folded.as_mut_ptr();
        // SAFETY: NEON is part of the target; the array has the 16 words that are written.
        unsafe {
            vst1q_s16(to, $f(a[0], a[2]));
            vst1q_s16(to.add(8), $f(a[1], a[3]));
        }
        folded
    }};
}

/// The other folds, by pairs.
macro_rules! reduce_words {
    ($f:ident, $pairs:ident, $a:expr) => {{
        let a: &[FoldedWords; BLOCK] = $a;
        // As above.
        let a: *const i16 = opaque_address(a.as_ptr()).cast();
        let mut reduced = [0; BLOCK];
        // SAFETY: NEON is part of the target; each array has the 16 words that are read or written.
        unsafe {
            let eight = array!(BLOCK, i => $f(vld1q_s16(a.add(16 * i)), vld1q_s16(a.add(16 * i + 8))));
            let four = array!(BLOCK / 2, i => $pairs(eight[2 * i], eight[2 * i + 1]));
            let two = array!(BLOCK / 4, i => $pairs(four[2 * i], four[2 * i + 1]));
            for i in 0..BLOCK / 8 {
                vst1q_s16(reduced.as_mut_ptr().add(8 * i), $pairs(two[2 * i], two[2 * i + 1]));
            }
        }
        reduced
    }};
}

/// Narrows four registers' lanes to a register of bytes, saturated in two steps.
macro_rules! narrow {
    ($low:ident, $high:ident, $bytes_low:ident, $bytes_high:ident, $a:expr) => {{
        let a = $a;
        let first = $high($low(a[0]), a[1]);
        $bytes_high($bytes_low(first), $high($low(a[2]), a[3]))
    }};
}

/// Sum and difference of two registers.
macro_rules! butterfly {
    ($add:ident, $sub:ident, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        ($a, $b) = neon!(($add(a, b), $sub(a, b)));
    }};
}

/// Exchanges the bit that is the number of the register, of two, for the highest of the lane's: the lanes' other bits
/// move up, and that of the registers comes last. As many times as there are bits restore the order.
macro_rules! zip {
    ($low:ident, $high:ident, $a:expr) => {{
        let a = $a;
        neon!([$low(a[0], a[1]), $high(a[0], a[1])])
    }};
}

/// A stage of [`Simd::sign_ranges`] between two registers of pairs.
macro_rules! sign_stage {
    ($l0:expr, $n0:expr, $l1:expr, $n1:expr) => {{
        let (l, n) = ([$l0, $l1], [$n0, $n1]);
        ($l0, $n0) = neon!((vmaxq_s8(l[0], l[1]), vmaxq_s8(n[0], n[1])));
        ($l1, $n1) = neon!((vmaxq_s8(l[0], n[1]), vmaxq_s8(n[0], l[1])));
    }};
}

/// 1 and -1 by which lanes are multiplied before those 2 apart and 1 apart are added to them.
static HIGH_2: [f32; 4] = [1.0, 1.0, -1.0, -1.0];
static HIGH_1: [f32; 4] = [1.0, -1.0, 1.0, -1.0];

/// The bit of each byte's lane in a mask of eight.
static LANE_BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

/// The numbers of the lanes of a register of bytes.
static LANE_NUMBERS: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Which bytes of a register become the second lowest of four words: those of no lane become zeros.
static SPREAD: [[u8; 16]; 4] = {
    let mut table = [[u8::MAX; 16]; 4];
    let mut i = 0;
    while i < 16 {
        table[i / 4][i % 4 * 4 + 1] = i as u8;
        i += 1;
    }
    table
};

/// Signs of 32 elements of a tile by row of the matrix; the second half negated.
static BYTE_SIGNS: [[i8; LANES]; 2 * LANES] = {
    let mut table = [[0; LANES]; 2 * LANES];
    let mut row = 0;
    while row < LANES {
        let mut k = 0;
        while k < LANES {
            let sign = if walsh(row, k) { -1 } else { 1 };
            table[row][k] = sign;
            table[row + LANES][k] = -sign;
            k += 1;
        }
        row += 1;
    }
    table
};

/// 1 and -1 by which words in the order of [`Neon::wht_words`] are multiplied for a row of the matrix; the second half
/// negated.
static WORD_SIGNS: [[i16; LANES]; 2 * LANES] = word_signs(array!(LANES, at => at));

/// 128 less the number of each of 128 words in the order of [`Neon::words`]: bits 4, 2, 1, 0 and 3, from the highest of its
/// place in a vector down.
static LATENESS: [[u16; 8]; 16] = {
    let mut table = [[0; 8]; 16];
    let mut at = 0;
    while at < 128 {
        let number = at & !15 | (at & 1) << 3 | at >> 1 & 7;
        table[at / 8][at % 8] = 128 - number as u16;
        at += 1;
    }
    table
};

/// Signs of 64 elements by row of the matrix, those 32 apart next to one another by sixteens: in the order in which they are
/// used, so that one instruction loads two registers.
static SIGNS_64: [[i8; 64]; 64] = {
    let mut table = [[0; 64]; 64];
    let mut row = 0;
    while row < 64 {
        let mut k = 0;
        while k < 64 {
            let at = k % 16 + k / 32 * 16 + k / 16 % 2 * 32;
            table[row][at] = if walsh(row, k) { -1 } else { 1 };
            k += 1;
        }
        row += 1;
    }
    table
};

/// Which bytes of a register, and of one that is all [`EXPONENT`], make four floats of [`BIAS`] plus a byte: that is the
/// second lowest, as bit 8 is worth 1. Those of no lane become zeros.
static FLOAT_OF_BYTE: [[u8; 16]; 4] = {
    let mut table = [[u8::MAX; 16]; 4];
    let mut i = 0;
    while i < 16 {
        table[i / 4][i % 4 * 4 + 1] = i as u8;
        table[i / 4][i % 4 * 4 + 3] = 16;
        i += 1;
    }
    table
};

const BIAS: f32 = 32768.0;

/// The highest byte of [`BIAS`], of which the others are zeros.
const EXPONENT: u8 = (BIAS.to_bits() >> 24) as u8;

/// 32 N in the middle, and zeros before and after: [`Neon::add_at`] looks at it through a window.
struct Lone<const N: usize>;

impl<const N: usize> Lone<N> {
    const TABLE: [i16; 2 * 128 - 1] = {
        let mut table = [0; 2 * 128 - 1];
        table[127] = (N * LANES) as i16;
        table
    };
}

#[inline(always)]
fn bytes_of(from: &[u8; 16]) -> uint8x16_t {
    // SAFETY: NEON is part of the target; the array has the 16 bytes that are read.
    unsafe { vld1q_u8(from.as_ptr()) }
}

/// The same register, of which the compiler does not know that the lanes are small: it would narrow the sums that widen,
/// and take the halves of registers apart for that.
#[inline(always)]
fn opaque(mut a: int16x8_t) -> int16x8_t {
    // SAFETY: there is no instruction, so nothing but the register that is named is read or written.
    unsafe { asm!("/* {a:v} */", a = inout(vreg) a, options(pure, nomem, nostack, preserves_flags)) };
    a
}

/// The same address, of which the compiler does not know which it is: it would make each of some that are a distance apart anew,
/// where an instruction that takes two registers apart moves its address on, and load each row of a table from a constant
/// of its own.
#[inline(always)]
fn opaque_address<T>(mut at: *const T) -> *const T {
    // SAFETY: there is no instruction, so nothing but the register that is named is read or written.
    unsafe { asm!("/* {at} */", at = inout(reg) at, options(pure, nomem, nostack, preserves_flags)) };
    at
}

/// The Walsh-Hadamard transform of 64 nibbles by all bits of an element's number but bit 2: bits 5, 1 and 0 in bytes, whose
/// sums of eight nibbles fit, bit 3 in words, and bit 4 by widening, which makes the highest bit of a lane's number one of the
/// register's, for nothing. In what order bits come to be registers is such that no more is needed to restore the order.
#[inline(always)]
fn wht_but_one(packed: &[[u8; LANES / 2]; 2], row: usize) -> [int16x8_t; 8] {
    let signs = SIGNS_64[row % 64].as_ptr();
    // SAFETY: NEON is part of the target; the table's row has the 64 bytes that are read.
    let signs = unsafe { array!(4, i => vld1q_s8(signs.add(16 * i))) };
    let nibbles = halves_of(packed);
    // Bits of the register's number, and of the lane's: (5 4) and (3 2 1 0).
    let mut x = array!(4, i => neon!(vmulq_s8(vreinterpretq_s8_u8(nibbles[i]), signs[i % 2 * 2 + i / 2])));
    for b in 0..2 {
        let mut x_b = [x[b], x[2 + b]];
        butterfly!(vaddq_s8, vsubq_s8, x_b[0], x_b[1]);
        // (1 4) and (3 2 5 0).
        let pairs = neon!([vreinterpretq_s16_s8(x_b[0]), vreinterpretq_s16_s8(x_b[1])]);
        x_b = neon!([
            vreinterpretq_s8_s16(vtrn1q_s16(pairs[0], pairs[1])),
            vreinterpretq_s8_s16(vtrn2q_s16(pairs[0], pairs[1])),
        ]);
        butterfly!(vaddq_s8, vsubq_s8, x_b[0], x_b[1]);
        // (0 4) and (3 2 5 1).
        x_b = neon!([vtrn1q_s8(x_b[0], x_b[1]), vtrn2q_s8(x_b[0], x_b[1])]);
        butterfly!(vaddq_s8, vsubq_s8, x_b[0], x_b[1]);
        // (3 4) and (2 5 1 0).
        [x[b], x[2 + b]] = zip!(vzip1q_s8, vzip2q_s8, x_b);
    }
    // (3 4 2) and (5 1 0).
    let mut words = array!(8, i => neon!({
        let (low, high) = (x[i / 4 * 2], x[i / 4 * 2 + 1]);
        match i % 4 {
            0 => vaddl_s8(vget_low_s8(low), vget_low_s8(high)),
            1 => vaddl_high_s8(low, high),
            2 => vsubl_s8(vget_low_s8(low), vget_low_s8(high)),
            _ => vsubl_high_s8(low, high),
        }
    }));
    for i in 0..4 {
        butterfly!(vaddq_s16, vsubq_s16, words[i], words[i + 4]);
    }
    words
}

/// Registers of four bytes of one and four of the other, and so on.
macro_rules! zip_fours {
    ($zip:ident, $a:expr, $b:expr) => {
        vreinterpretq_u8_u32($zip(vreinterpretq_u32_u8($a), vreinterpretq_u32_u8($b)))
    };
}

/// Bytes as words, `plus` added, in each register four of the first 32 lanes and as many of the others.
#[inline(always)]
fn words_by_fours(bytes: [uint8x16_t; 4], plus: uint16x8_t) -> [int16x8_t; 8] {
    let fours = neon!([
        zip_fours!(vzip1q_u32, bytes[0], bytes[2]),
        zip_fours!(vzip2q_u32, bytes[0], bytes[2]),
        zip_fours!(vzip1q_u32, bytes[1], bytes[3]),
        zip_fours!(vzip2q_u32, bytes[1], bytes[3]),
    ]);
    array!(8, i => neon!(vreinterpretq_s16_u16(if i % 2 == 0 {
        vaddw_u8(plus, vget_low_u8(fours[i / 2]))
    } else {
        vaddw_high_u8(plus, fours[i / 2])
    })))
}

/// Words of which each register has four of the first 32 lanes and as many of the others, times such powers, and times `x`.
#[inline(always)]
fn times_powers_of_two(words: [int16x8_t; 8], powers: &WordPowers, x: f32) -> [[float32x4_t; WIDE]; 2] {
    let from = powers.as_flattened().as_ptr();
    // SAFETY: NEON is part of the target; the array has eight registers.
    let powers = unsafe { array!(8, i => vld1q_s16(from.add(8 * i))) };
    array!(2, v => array!(WIDE, i => neon!({
        let product = if v == 0 {
            vmull_s16(vget_low_s16(words[i]), vget_low_s16(powers[i]))
        } else {
            vmull_high_s16(words[i], powers[i])
        };
        vmulq_n_f32(vcvtq_f32_s32(product), x)
    })))
}

/// Exponents where the upper halves of floats have theirs.
#[inline(always)]
fn exponents_of(exponents: &[i8; LANES]) -> [int16x8_t; 4] {
    let from = exponents.as_ptr();
    // SAFETY: NEON is part of the target; 32 bytes are readable behind the reference.
    let bytes = unsafe { [vld1q_s8(from), vld1q_s8(from.add(16))] };
    array!(4, i => neon!(if i % 2 == 0 {
        vshll_n_s8::<7>(vget_low_s8(bytes[i / 2]))
    } else {
        vshll_high_n_s8::<7>(bytes[i / 2])
    }))
}

/// Floats of their upper halves, the lower ones being zeros.
#[inline(always)]
fn widened(halves: [int16x8_t; 4]) -> [float32x4_t; WIDE] {
    let zero = neon!(vdupq_n_s16(0));
    array!(WIDE, i => neon!(vreinterpretq_f32_s16(if i % 2 == 0 {
        vzip1q_s16(zero, halves[i / 2])
    } else {
        vzip2q_s16(zero, halves[i / 2])
    })))
}

/// The nibbles of 32 bytes, the low ones first.
#[inline(always)]
fn halves_of(packed: &[[u8; LANES / 2]; 2]) -> [uint8x16_t; 4] {
    let packed = packed.as_flattened().as_ptr();
    // SAFETY: NEON is part of the target; the array has the 32 bytes that are read.
    let packed = unsafe { [vld1q_u8(packed), vld1q_u8(packed.add(16))] };
    let low = neon!(vdupq_n_u8(15));
    neon!([
        vandq_u8(packed[0], low),
        vandq_u8(packed[1], low),
        vshrq_n_u8::<4>(packed[0]),
        vshrq_n_u8::<4>(packed[1]),
    ])
}

#[inline(always)]
fn floats_of(from: &[f32; 4]) -> float32x4_t {
    // SAFETY: NEON is part of the target; the array has the four floats that are read.
    unsafe { vld1q_f32(from.as_ptr()) }
}

#[inline(always)]
fn stored(v: [float32x4_t; BLOCK / 4]) -> [f32; BLOCK] {
    let mut to = [0.0; BLOCK];
    for (v, to) in v.into_iter().zip(to.as_chunks_mut::<4>().0) {
        // SAFETY: NEON is part of the target; the array has the four floats that are written.
        unsafe { vst1q_f32(to.as_mut_ptr(), v) };
    }
    to
}

/// The upper halves of f32 of eight lanes, rounded: half a unit in the last place, less one for even numbers, so that
/// ties go to even.
#[inline(always)]
fn rounded_bf16(low: float32x4_t, high: float32x4_t) -> uint16x8_t {
    let bits = neon!([vreinterpretq_u32_f32(low), vreinterpretq_u32_f32(high)]);
    let rounded = array!(2, i => neon!({
        let half = vaddq_u32(bits[i], vdupq_n_u32(0x7fff));
        vreinterpretq_u16_u32(vsraq_n_u32::<31>(half, vshlq_n_u32::<15>(bits[i])))
    }));
    neon!(vuzp2q_u16(rounded[0], rounded[1]))
}

/// A bit for each byte, which is all ones or 0.
#[inline(always)]
fn bit_of_each_byte(a: uint8x16_t) -> u32 {
    let bits = bytes_of(&LANE_BITS);
    neon!({
        let set = vandq_u8(a, bits);
        u32::from(vaddv_u8(vget_low_u8(set))) | u32::from(vaddv_u8(vget_high_u8(set))) << 8
    })
}

impl Neon {
    /// A bit for each lane, which is all ones or 0.
    #[inline(always)]
    fn bit_of_each(self, a: <Self as Simd>::I) -> u32 {
        // All ones and zeros stay what they are when they are narrowed.
        let bytes = self.low_bytes(a);
        let bits = bytes_of(&LANE_BITS);
        neon!({
            let pairs = vpaddq_u8(vandq_u8(bytes[0], bits), vandq_u8(bytes[1], bits));
            let fours = vpaddq_u8(pairs, pairs);
            vgetq_lane_u32::<0>(vreinterpretq_u32_u8(vpaddq_u8(fours, fours)))
        })
    }
}

impl Simd for Neon {
    type Narrower = Infallible;
    type Scratch = [[f32; LANES]; 2 * BLOCK];
    type Words = [[i16; LANES]; 2 * BLOCK];
    type F = [float32x4_t; 8];
    type I = [int32x4_t; 8];
    type H = [int16x8_t; 4];
    type B = [uint8x16_t; 2];

    #[inline(never)]
    fn outline<P: Part<Self>>(self, part: P) -> P::Output {
        part.run(self)
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        let from = from.as_ptr();
        // SAFETY: NEON is part of the target; 32 floats are readable behind the reference.
        unsafe { array!(WIDE, i => vld1q_f32(from.add(4 * i))) }
    }
    #[inline(always)]
    fn load_f16(self, from: &[u16; LANES]) -> Self::F {
        array!(WIDE, i => {
            let wide: float32x4_t;
            // SAFETY: NEON is part of the target; 64 bytes are readable behind the reference. The instruction, whose
            // intrinsic is younger than the least version of the compiler, has no other effect than on its output.
            unsafe {
                asm!(
                    "fcvtl {wide:v}.4s, {half:v}.4h",
                    wide = lateout(vreg) wide,
                    half = in(vreg) vld1_u16(from.as_ptr().add(4 * i)),
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            wide
        })
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16; LANES]) -> Self::F {
        let from = from.as_ptr();
        // SAFETY: NEON is part of the target; 64 bytes are readable behind the reference.
        let halves = unsafe { array!(4, i => vld1q_u16(from.add(8 * i))) };
        let zero = neon!(vdupq_n_u16(0));
        array!(WIDE, i => neon!(vreinterpretq_f32_u16(if i % 2 == 0 {
            vzip1q_u16(zero, halves[i / 2])
        } else {
            vzip2q_u16(zero, halves[i / 2])
        })))
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        let to = to.as_mut_ptr();
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: NEON is part of the target; 32 floats are writable behind the reference.
            unsafe { vst1q_f32(to.add(4 * i), v) }
        }
    }
    #[inline(always)]
    fn store_f16(self, v: Self::F, to: &mut [u16; LANES]) {
        let to = to.as_mut_ptr();
        for (i, v) in v.into_iter().enumerate() {
            let half: uint16x4_t;
            // SAFETY: NEON is part of the target; 64 bytes are writable behind the reference. For the instruction see
            // `load_f16`; it rounds as the target's floating-point environment always does, to nearest.
            unsafe {
                asm!(
                    "fcvtn {half:v}.4h, {wide:v}.4s",
                    half = lateout(vreg) half,
                    wide = in(vreg) v,
                    options(pure, nomem, nostack, preserves_flags)
                );
                vst1_u16(to.add(4 * i), half);
            }
        }
    }
    #[inline(always)]
    fn store_bf16(self, v: Self::F, to: &mut [u16; LANES], _: Option<Self::Narrower>) {
        let to = to.as_mut_ptr();
        for i in 0..4 {
            // SAFETY: NEON is part of the target; 64 bytes are writable behind the reference.
            unsafe { vst1q_u16(to.add(8 * i), rounded_bf16(v[2 * i], v[2 * i + 1])) }
        }
    }
    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        // SAFETY: the instruction reads nothing that a program could see, and faults nowhere.
        unsafe { asm!("prfm pldl1keep, [{}]", in(reg) at, options(nostack, preserves_flags, readonly)) };
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        neon!([vdupq_n_f32(x); WIDE])
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each!(vaddq_f32, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each!(vsubq_f32, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each!(vmulq_f32, a, b)
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each!(vminq_f32, a, b)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each!(vmaxq_f32, a, b)
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        each!(vabsq_f32, a)
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        each!(vrndnq_f32, a)
    }
    #[inline(always)]
    fn gt(self, a: Self::F, b: Self::F) -> Self::I {
        let above = each!(vcgtq_f32, a, b);
        each!(vreinterpretq_s32_u32, above)
    }
    #[inline(always)]
    fn above(self, a: Self::F, b: Self::F) -> u32 {
        self.bit_of_each(self.gt(a, b))
    }
    tiles_are_lanes!();

    #[inline(always)]
    fn where_below(self, narrow: Self::T, wide: Self::T, a: Self::T, b: Self::T) -> Self::T {
        array!(WIDE, i => neon!(vbslq_f32(vcltq_f32(narrow[i], wide[i]), a[i], b[i])))
    }
    #[inline(always)]
    fn load_t(self, from: &[f32; BLOCK]) -> Self::T {
        let from = from.as_ptr();
        // SAFETY: NEON is part of the target; 16 floats are readable behind the reference.
        let lanes = unsafe { array!(BLOCK / 4, i => vld1q_f32(from.add(4 * i))) };
        array!(WIDE, i => if i < BLOCK / 4 { lanes[i % (BLOCK / 4)] } else { neon!(vdupq_n_f32(0.0)) })
    }
    #[inline(always)]
    fn store_t(self, a: Self::T) -> [f32; BLOCK] {
        stored(array!(BLOCK / 4, i => a[i]))
    }
    #[inline(always)]
    fn words_to_t(self, from: &[i16; BLOCK]) -> Self::T {
        let from = from.as_ptr();
        // SAFETY: NEON is part of the target; 16 words are readable behind the reference.
        let words = unsafe { [vld1q_s16(from), vld1q_s16(from.add(8))] };
        let zero = neon!(vdupq_n_s16(0));
        self.to_float(self.h_to_i([words[0], words[1], zero, zero]))
    }
    #[inline(always)]
    fn above_t(self, a: Self::T, b: Self::T) -> u32 {
        let above = neon!(array!(BLOCK / 4, i => vreinterpretq_u16_u32(vcgtq_f32(a[i], b[i]))));
        // All ones and zeros stay what they are when they are narrowed.
        let halves = neon!(array!(2, i => vreinterpretq_u8_u16(vuzp1q_u16(above[2 * i], above[2 * i + 1]))));
        bit_of_each_byte(neon!(vuzp1q_u8(halves[0], halves[1])))
    }
    #[inline(always)]
    fn bytes_where(self, bits: u32, bytes: &[u8; BLOCK]) -> [u8; BLOCK] {
        let mut chosen = [0; BLOCK];
        let (bytes, lanes) = (bytes_of(bytes), bytes_of(&LANE_BITS));
        // SAFETY: NEON is part of the target; the array has the 16 bytes that are written.
        unsafe {
            let bits = vcombine_u8(vdup_n_u8(bits as u8), vdup_n_u8((bits >> 8) as u8));
            vst1q_u8(chosen.as_mut_ptr(), vandq_u8(bytes, vtstq_u8(bits, lanes)));
        }
        chosen
    }
    #[inline(always)]
    fn quads(self, words: &[i16; BLOCK], bytes: [&[u8; BLOCK]; 2]) -> [[u8; 4]; BLOCK] {
        let (low, high) = (bytes_of(bytes[0]), bytes_of(bytes[1]));
        let upper = neon!([
            vreinterpretq_s16_u8(vzip1q_u8(low, high)),
            vreinterpretq_s16_u8(vzip2q_u8(low, high)),
        ]);
        let mut quads = [[0; 4]; BLOCK];
        let to = quads.as_flattened_mut().as_mut_ptr();
        for (i, upper) in upper.into_iter().enumerate() {
            // SAFETY: NEON is part of the target; 16 words are readable behind the reference, and 32 writable in the array.
            unsafe {
                let lower = vld1q_s16(words.as_ptr().add(8 * i));
                vst1q_u8(to.add(32 * i), vreinterpretq_u8_s16(vzip1q_s16(lower, upper)));
                vst1q_u8(
                    to.add(32 * i + 16),
                    vreinterpretq_u8_s16(vzip2q_s16(lower, upper)),
                );
            }
        }
        quads
    }
    #[inline(always)]
    fn at_least(self, a: &[u8; BLOCK], least: u8) -> u32 {
        bit_of_each_byte(neon!(vcgeq_u8(bytes_of(a), vdupq_n_u8(least))))
    }
    #[inline(always)]
    fn bits(self, a: Self::F) -> Self::I {
        each!(vreinterpretq_s32_f32, a)
    }
    #[inline(always)]
    fn float_of_bits(self, a: Self::I) -> Self::F {
        each!(vreinterpretq_f32_s32, a)
    }
    #[inline(always)]
    fn truncate(self, a: Self::F) -> Self::I {
        each!(vcvtq_s32_f32, a)
    }
    #[inline(always)]
    fn to_float(self, a: Self::I) -> Self::F {
        each!(vcvtq_f32_s32, a)
    }
    #[inline(always)]
    fn wht(self, mut a: Self::F) -> Self::F {
        let mut stride = WIDE / 2;
        while stride > 0 {
            for i in 0..WIDE {
                if i & stride == 0 {
                    butterfly!(vaddq_f32, vsubq_f32, a[i], a[i + stride]);
                }
            }
            stride /= 2;
        }
        let (high_2, high_1) = (floats_of(&HIGH_2), floats_of(&HIGH_1));
        array!(WIDE, i => neon!({
            let a = vfmaq_f32(vextq_f32::<2>(a[i], a[i]), a[i], high_2);
            vfmaq_f32(vrev64q_f32(a), a, high_1)
        }))
    }
    #[inline(always)]
    fn fold_add(self, a: Self::F) -> Folded {
        fold!(vaddq_f32, a)
    }
    #[inline(always)]
    fn fold_min(self, a: Self::F) -> Folded {
        fold!(vminq_f32, a)
    }
    #[inline(always)]
    fn fold_max(self, a: Self::F) -> Folded {
        fold!(vmaxq_f32, a)
    }
    #[inline(always)]
    fn reduce_add(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        let four = halves!(vaddq_f32, a);
        // Lanes 2 apart, of two vectors; then neighbours, of four.
        let two = neon!(array!(BLOCK / 2, t => {
            let a = [vreinterpretq_f64_f32(four[2 * t]), vreinterpretq_f64_f32(four[2 * t + 1])];
            vaddq_f32(
                vreinterpretq_f32_f64(vzip1q_f64(a[0], a[1])),
                vreinterpretq_f32_f64(vzip2q_f64(a[0], a[1])),
            )
        }));
        stored(neon!(
            array!(BLOCK / 4, t => vpaddq_f32(two[2 * t], two[2 * t + 1]))
        ))
    }
    #[inline(always)]
    fn reduce_min(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce!(vminq_f32, vpminq_f32, a)
    }
    #[inline(always)]
    fn reduce_max(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce!(vmaxq_f32, vpmaxq_f32, a)
    }

    #[inline(always)]
    fn load_i(self, from: &[i32; LANES]) -> Self::I {
        let from = from.as_ptr();
        // SAFETY: NEON is part of the target; 32 numbers are readable behind the reference.
        unsafe { array!(WIDE, i => vld1q_s32(from.add(4 * i))) }
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> Self::I {
        let from = from.as_ptr();
        // SAFETY: NEON is part of the target; 32 bytes are readable behind the reference.
        let bytes = unsafe { [vld1q_s8(from), vld1q_s8(from.add(16))] };
        self.h_to_i(neon!([
            vmovl_s8(vget_low_s8(bytes[0])),
            vmovl_high_s8(bytes[0]),
            vmovl_s8(vget_low_s8(bytes[1])),
            vmovl_high_s8(bytes[1]),
        ]))
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> Self::I {
        neon!([vdupq_n_s32(x); WIDE])
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(vaddq_s32, a, b)
    }
    #[inline(always)]
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(vsubq_s32, a, b)
    }
    #[inline(always)]
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(vmulq_s32, a, b)
    }
    #[inline(always)]
    fn max_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(vmaxq_s32, a, b)
    }
    #[inline(always)]
    fn xor(self, a: Self::I, b: Self::I) -> Self::I {
        each!(veorq_s32, a, b)
    }
    #[inline(always)]
    fn shl<const BITS: i32>(self, a: Self::I) -> Self::I {
        each!(vshlq_n_s32::<BITS>, a)
    }
    /// The sums of exponents in the upper halves of floats.
    #[inline(always)]
    fn times_powers(self, x: f32, exponents: &[i8; LANES]) -> Self::F {
        let (x, exponents) = (
            neon!(vdupq_n_s16((x.to_bits() >> 16) as i16)),
            exponents_of(exponents),
        );
        widened(array!(4, i => neon!(vaddq_s16(x, exponents[i]))))
    }
    #[inline(always)]
    fn powers_below(self, biased: i32, exponents: &[i8; LANES]) -> Self::F {
        let from = exponents.as_ptr();
        // SAFETY: NEON is part of the target; 32 bytes are readable behind the reference.
        let exponents = unsafe { [vld1q_s8(from), vld1q_s8(from.add(16))] };
        // What there is to be is a byte.
        let biased = neon!(vdupq_n_s8(biased as i8));
        let powers = array!(2, i => neon!(vreinterpretq_u8_s8(vsubq_s8(biased, exponents[i]))));
        widened(array!(4, i => neon!(vreinterpretq_s16_u16(if i % 2 == 0 {
            vshll_n_u8::<7>(vget_low_u8(powers[i / 2]))
        } else {
            vshll_high_n_u8::<7>(powers[i / 2])
        }))))
    }
    /// By the upper halves of floats, as signed numbers, of which the largest is positive, and unsigned ones, of which it is
    /// negative: magnitudes would be an operation more.
    #[inline(always)]
    fn largest_exponent(self, x: &[[f32; LANES]]) -> i32 {
        let mut most = neon!([(vdupq_n_s16(0), vdupq_n_u16(0)); 2]);
        let mut add = |x: &[[f32; LANES]]| {
            let mut at: *const u16 = x.as_ptr().cast();
            for i in 0..4 * x.len() {
                // SAFETY: NEON is part of the target; four times eight floats are readable for each in the slice.
                let halves = unsafe { vld2q_u16(at) };
                at = opaque_address(at.wrapping_add(16));
                let (signed, unsigned) = &mut most[i % 2];
                *signed = neon!(vmaxq_s16(*signed, vreinterpretq_s16_u16(halves.1)));
                *unsigned = neon!(vmaxq_u16(*unsigned, halves.1));
            }
        };
        // Four at a time: the loop itself would be a third of the work.
        let (several, few) = x.as_chunks::<4>();
        for several in several {
            add(several);
        }
        add(few);
        let [a, b] = most;
        let (positive, negative) = neon!((vmaxvq_s16(vmaxq_s16(a.0, b.0)), vmaxvq_u16(vmaxq_u16(a.1, b.1))));
        i32::from(positive).max(i32::from(negative & 0x7fff)) >> 7
    }
    #[inline(always)]
    fn shr<const BITS: i32>(self, a: Self::I) -> Self::I {
        let a = each!(vreinterpretq_u32_s32, a);
        let a = each!(vshrq_n_u32::<BITS>, a);
        each!(vreinterpretq_s32_u32, a)
    }
    #[inline(always)]
    fn reduce_max_i(self, a: Self::I) -> i32 {
        neon!({
            let a = array!(4, i => vmaxq_s32(a[i], a[i + 4]));
            vmaxvq_s32(vmaxq_s32(vmaxq_s32(a[0], a[2]), vmaxq_s32(a[1], a[3])))
        })
    }
    #[inline(always)]
    fn add_at<const N: usize>(self, a: [Self::I; N], at: usize, x: i16) -> [Self::I; N] {
        let window = &Lone::<N>::TABLE[127 - at % 128..];
        let window = window[..N * LANES].as_chunks::<8>().0;
        array!(N, v => array!(WIDE, i => {
            // SAFETY: NEON is part of the target; the chunk has the eight numbers that are read.
            let lone = unsafe { vld1q_s16(window[v * 4 + i / 2].as_ptr()) };
            neon!(if i % 2 == 0 {
                vmlal_n_s16(a[v][i], vget_low_s16(lone), x)
            } else {
                vmlal_high_n_s16(a[v][i], lone, x)
            })
        }))
    }
    #[inline(always)]
    fn low_bytes(self, a: Self::I) -> Self::B {
        let a = each!(vreinterpretq_u16_s32, a);
        neon!({
            let words = array!(4, i => vreinterpretq_u8_u16(vuzp1q_u16(a[2 * i], a[2 * i + 1])));
            [vuzp1q_u8(words[0], words[1]), vuzp1q_u8(words[2], words[3])]
        })
    }

    #[inline(always)]
    fn to_bytes(self, a: Self::F) -> Self::B {
        let a = each!(vcvtnq_s32_f32, a);
        array!(2, h => neon!(narrow!(
            vqmovun_s32,
            vqmovun_high_s32,
            vqmovn_u16,
            vqmovn_high_u16,
            [a[4 * h], a[4 * h + 1], a[4 * h + 2], a[4 * h + 3]]
        )))
    }
    #[inline(always)]
    fn to_signed_bytes(self, a: Self::F) -> Self::B {
        let a = each!(vcvtnq_s32_f32, a);
        array!(2, h => neon!(vreinterpretq_u8_s8(narrow!(
            vqmovn_s32,
            vqmovn_high_s32,
            vqmovn_s16,
            vqmovn_high_s16,
            [a[4 * h], a[4 * h + 1], a[4 * h + 2], a[4 * h + 3]]
        ))))
    }
    #[inline(always)]
    fn eight_times(self, a: Self::B) -> Self::F {
        let spread = array!(4, i => bytes_of(&SPREAD[i]));
        array!(WIDE, i => neon!({
            // 256 times the byte, over 32.
            vcvtq_n_f32_u32::<5>(vreinterpretq_u32_u8(vqtbl1q_u8(a[i / 4], spread[i % 4])))
        }))
    }
    #[inline(always)]
    fn bytes_to_h(self, a: Self::B) -> Self::H {
        neon!([
            vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(a[0]))),
            vreinterpretq_s16_u16(vmovl_high_u8(a[0])),
            vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(a[1]))),
            vreinterpretq_s16_u16(vmovl_high_u8(a[1])),
        ])
    }
    #[inline(always)]
    fn splat_b(self, x: u8) -> Self::B {
        neon!([vdupq_n_u8(x); 2])
    }
    #[inline(always)]
    fn repeat<const BYTES: usize>(self, from: &[u8; BYTES]) -> Self::B {
        let at = from.as_ptr();
        // SAFETY: NEON is part of the target; as many bytes as the array has are read, at any alignment.
        unsafe {
            match BYTES {
                4 => [vreinterpretq_u8_u32(vdupq_n_u32(at.cast::<u32>().read_unaligned())); 2],
                8 => [vreinterpretq_u8_u64(vdupq_n_u64(at.cast::<u64>().read_unaligned())); 2],
                16 => [vld1q_u8(at); 2],
                32 => [vld1q_u8(at), vld1q_u8(at.add(16))],
                _ => unreachable!("bytes are repeated by 4, 8, 16 or 32"),
            }
        }
    }
    #[inline(always)]
    fn store_or<const BYTES: usize>(self, a: Self::B, to: &mut [u8; BYTES]) {
        let at = to.as_mut_ptr();
        // SAFETY: NEON is part of the target; as many bytes as the array has are written, at any alignment.
        unsafe {
            if BYTES == 32 {
                vst1q_u8(at, a[0]);
                return vst1q_u8(at.add(16), a[1]);
            }
            let a = vorrq_u8(a[0], a[1]);
            if BYTES == 16 {
                return vst1q_u8(at, a);
            }
            let a = vorr_u8(vget_low_u8(a), vget_high_u8(a));
            if BYTES == 8 {
                return vst1_u8(at, a);
            }
            let a = vget_lane_u64::<0>(vreinterpret_u64_u8(a));
            match BYTES {
                4 => at.cast::<u32>().write_unaligned((a | a >> 32) as u32),
                _ => unreachable!("bytes are folded to 4, 8, 16 or 32"),
            }
        }
    }
    #[inline(always)]
    fn and_b(self, a: Self::B, b: Self::B) -> Self::B {
        both!(vandq_u8, a, b)
    }
    #[inline(always)]
    fn or_b(self, a: Self::B, b: Self::B) -> Self::B {
        both!(vorrq_u8, a, b)
    }
    #[inline(always)]
    fn sums_looked_up<const N: usize>(self, tables: &[[i8; 16]; 2], at: [Self::B; N]) -> LookedUp {
        // SAFETY: NEON is part of the target; each table has the 16 bytes that are read.
        let tables = unsafe { array!(2, i => vld1q_s8(tables[i].as_ptr())) };
        let mut sums = neon!([vdupq_n_s16(0); 2]);
        for at in at.as_flattened() {
            let at = neon!(vandq_u8(*at, vdupq_n_u8(15)));
            for (sums, table) in sums.iter_mut().zip(tables) {
                *sums = neon!(vpadalq_s8(*sums, vqtbl1q_s8(table, at)));
            }
        }
        let mut folded = [0; 8];
        // SAFETY: NEON is part of the target; the array has room for the eight words.
        unsafe { vst1q_s16(folded.as_mut_ptr().cast(), vpaddq_s16(sums[0], sums[1])) };
        folded
    }
    /// Four words of the one sum, then four of the other.
    #[inline(always)]
    fn reduce_looked_up<const N: usize>(self, a: &[LookedUp; BLOCK]) -> [[i32; BLOCK]; 2] {
        let mut reduced = [[0; BLOCK]; 2];
        for (i, eight) in a.as_chunks::<8>().0.iter().enumerate() {
            // SAFETY: NEON is part of the target; each array has the eight words that are read.
            let eight = unsafe { array!(8, t => vld1q_s16(eight[t].as_ptr().cast())) };
            neon!({
                // What adds up neighbours puts those of the first before those of the second.
                let two = array!(4, i => vpaddq_s16(eight[2 * i], eight[2 * i + 1]));
                let four = array!(2, i => vpaddq_s16(two[2 * i], two[2 * i + 1]));
                let sums = [vuzp1q_s16(four[0], four[1]), vuzp2q_s16(four[0], four[1])];
                for (reduced, sums) in reduced.iter_mut().zip(sums) {
                    let to = reduced.as_mut_ptr().add(8 * i);
                    // SAFETY: of 16 numbers these are eight.
                    vst1q_s32(to, vmovl_s16(vget_low_s16(sums)));
                    vst1q_s32(to.add(4), vmovl_high_s16(sums));
                }
            });
        }
        reduced
    }
    #[inline(always)]
    fn add_saturated_b(self, a: Self::B, b: Self::B) -> Self::B {
        both!(vqaddq_u8, a, b)
    }
    #[inline(always)]
    fn min_b(self, a: Self::B, b: Self::B) -> Self::B {
        both!(vminq_u8, a, b)
    }
    #[inline(always)]
    fn shl_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B {
        let by = by.as_ptr().cast::<i32>();
        // SAFETY: NEON is part of the target; the array has the eight numbers that are read.
        unsafe {
            array!(2, i => vreinterpretq_u8_u32(vshlq_u32(
                vreinterpretq_u32_u8(a[i]),
                vld1q_s32(by.add(4 * i))
            )))
        }
    }
    #[inline(always)]
    fn shr_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B {
        let by = by.as_ptr().cast::<i32>();
        // SAFETY: NEON is part of the target; the array has the eight numbers that are read.
        unsafe {
            array!(2, i => vreinterpretq_u8_u32(vshlq_u32(
                vreinterpretq_u32_u8(a[i]),
                vnegq_s32(vld1q_s32(by.add(4 * i)))
            )))
        }
    }
    #[inline(always)]
    fn upper_halves(self, low: Self::B, high: Self::B) -> Self::B {
        neon!([vsriq_n_u8::<4>(high[0], low[0]), vsriq_n_u8::<4>(high[1], low[1])])
    }
    #[inline(always)]
    fn least<const N: usize>(self, a: &[Self::B; N]) -> usize {
        let numbers = bytes_of(&LANE_NUMBERS);
        neon!({
            let mut least = vminq_u8(a[0][0], a[0][1]);
            for a in &a[1..] {
                least = vminq_u8(least, vminq_u8(a[0], a[1]));
            }
            let least = vdupq_n_u8(vminvq_u8(least));
            // The numbers of the lanes that have it, and all ones where others are; some lane has it.
            let mut first = vdupq_n_u8(u8::MAX);
            for (v, a) in a.iter().enumerate() {
                for h in 0..2 {
                    let number = vaddq_u8(numbers, vdupq_n_u8((v * LANES + h * 16) as u8));
                    first = vminq_u8(first, vornq_u8(number, vceqq_u8(a[h], least)));
                }
            }
            usize::from(vminvq_u8(first))
        })
    }
    /// Zipping exchanges a register for a lane, so that every stage is one of whole registers; five times restore the
    /// order, the last time of the sums alone.
    #[inline(always)]
    fn sign_ranges<const N: usize>(self, values: [Self::B; N]) -> [Self::B; N] {
        let mut l = array!(N, v => {
            neon!([vreinterpretq_s8_u8(values[v][0]), vreinterpretq_s8_u8(values[v][1])])
        });
        let mut n = array!(N, v => neon!([vnegq_s8(l[v][0]), vnegq_s8(l[v][1])]));
        let mut stride = N / 2;
        while stride > 0 {
            for v in 0..N {
                if v & stride == 0 {
                    for h in 0..2 {
                        sign_stage!(l[v][h], n[v][h], l[v + stride][h], n[v + stride][h]);
                    }
                }
            }
            stride /= 2;
        }
        array!(N, v => {
            let (mut l, mut n) = (l[v], n[v]);
            sign_stage!(l[0], n[0], l[1], n[1]);
            for _ in 0..4 {
                (l, n) = (zip!(vzip1q_s8, vzip2q_s8, l), zip!(vzip1q_s8, vzip2q_s8, n));
                sign_stage!(l[0], n[0], l[1], n[1]);
            }
            let sums = neon!([vaddq_s8(l[0], n[0]), vaddq_s8(l[1], n[1])]);
            let sums = zip!(vzip1q_s8, vzip2q_s8, sums);
            neon!([vreinterpretq_u8_s8(sums[0]), vreinterpretq_u8_s8(sums[1])])
        })
    }

    #[inline(always)]
    fn load_h(self, from: &[i16; LANES]) -> Self::H {
        // An address of its own: two registers are loaded at once where they are near it.
        let from = opaque_address(from.as_ptr());
        // SAFETY: NEON is part of the target; 64 bytes are readable behind the reference.
        unsafe { array!(4, i => vld1q_s16(from.add(8 * i))) }
    }
    #[inline(always)]
    fn store_h(self, v: Self::H, to: &mut [i16; LANES]) {
        let to = to.as_mut_ptr();
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: NEON is part of the target; 64 bytes are writable behind the reference.
            unsafe { vst1q_s16(to.add(8 * i), v) }
        }
    }
    #[inline(always)]
    fn splat_h(self, x: i16) -> Self::H {
        neon!([vdupq_n_s16(x); 4])
    }
    #[inline(always)]
    fn add_h(self, a: Self::H, b: Self::H) -> Self::H {
        array!(4, i => neon!(vaddq_s16(a[i], b[i])))
    }
    #[inline(always)]
    fn sub_h(self, a: Self::H, b: Self::H) -> Self::H {
        array!(4, i => neon!(vsubq_s16(a[i], b[i])))
    }
    #[inline(always)]
    fn xor_h(self, a: Self::H, b: Self::H) -> Self::H {
        array!(4, i => neon!(veorq_s16(a[i], b[i])))
    }
    #[inline(always)]
    fn min_h(self, a: Self::H, b: Self::H) -> Self::H {
        array!(4, i => neon!(vminq_s16(a[i], b[i])))
    }
    #[inline(always)]
    fn max_h(self, a: Self::H, b: Self::H) -> Self::H {
        array!(4, i => neon!(vmaxq_s16(a[i], b[i])))
    }
    #[inline(always)]
    fn abs_h(self, a: Self::H) -> Self::H {
        array!(4, i => neon!(vabsq_s16(a[i])))
    }
    #[inline(always)]
    fn sub_saturated_h(self, a: Self::H, b: Self::H) -> Self::H {
        array!(4, i => neon!(vqsubq_s16(a[i], b[i])))
    }
    #[inline(always)]
    fn mul_high_h(self, a: Self::H, b: Self::H) -> Self::H {
        array!(4, i => neon!(vqrdmulhq_s16(a[i], b[i])))
    }
    #[inline(always)]
    fn fold_min_h(self, a: Self::H) -> FoldedWords {
        fold_words!(vminq_s16, a)
    }
    #[inline(always)]
    fn fold_max_h(self, a: Self::H) -> FoldedWords {
        fold_words!(vmaxq_s16, a)
    }
    #[inline(always)]
    fn reduce_min_h(self, a: &[FoldedWords; BLOCK]) -> [i16; BLOCK] {
        reduce_words!(vminq_s16, vpminq_s16, a)
    }
    #[inline(always)]
    fn reduce_max_h(self, a: &[FoldedWords; BLOCK]) -> [i16; BLOCK] {
        reduce_words!(vmaxq_s16, vpmaxq_s16, a)
    }
    /// Such that the transform, which exchanges bits of a word's number as it goes, leaves them in the order of lanes.
    #[inline(always)]
    fn words<const N: usize>(self, a: [Self::F; N]) -> [Self::H; N] {
        array!(N, v => {
            // Within i16: the lower halves. Bits of the register's number, and of the lane's: (4 2) and (1 0 3).
            let a = each!(vcvtnq_s32_f32, a[v]);
            array!(4, i => {
                let at = i / 2 * 4 + i % 2;
                neon!(vtrn1q_s16(vreinterpretq_s16_s32(a[at]), vreinterpretq_s16_s32(a[at + 2])))
            })
        })
    }
    #[inline(always)]
    fn first_word<const N: usize>(self, a: [Self::H; N], x: i16) -> usize {
        // The larger the earlier.
        let mut first = neon!(vdupq_n_u16(0));
        for v in 0..N {
            for i in 0..4 {
                let at = &LATENESS[4 * v + i];
                // SAFETY: NEON is part of the target; the row has the eight words that are read.
                let at = unsafe { vld1q_u16(at.as_ptr()) };
                first = neon!(vmaxq_u16(
                    first,
                    vandq_u16(vceqq_s16(a[v][i], vdupq_n_s16(x)), at)
                ));
            }
        }
        (128 - usize::from(neon!(vmaxvq_u16(first)))) % (N * LANES)
    }
    /// Two bits of a word's number are the registers', and three are exchanged for one of those, one after the other: (4 2)
    /// and (1 0 3), (4 1) and (0 3 2), (4 0) and (3 2 1), (4 3) and (2 1 0).
    #[inline(always)]
    fn wht_words<const N: usize>(self, mut a: [Self::H; N]) -> [Self::H; N] {
        let mut stride = N / 2;
        while stride > 0 {
            for v in 0..N {
                if v & stride == 0 {
                    for i in 0..4 {
                        butterfly!(vqaddq_s16, vqsubq_s16, a[v][i], a[v + stride][i]);
                    }
                }
            }
            stride /= 2;
        }
        array!(N, v => {
            let mut a = a[v];
            for i in 0..2 {
                butterfly!(vqaddq_s16, vqsubq_s16, a[i], a[i + 2]);
            }
            for pair in a.as_chunks_mut::<2>().0 {
                butterfly!(vqaddq_s16, vqsubq_s16, pair[0], pair[1]);
                for _ in 0..3 {
                    *pair = zip!(vzip1q_s16, vzip2q_s16, *pair);
                    butterfly!(vqaddq_s16, vqsubq_s16, pair[0], pair[1]);
                }
            }
            a
        })
    }
    #[inline(always)]
    fn flip_words<const N: usize>(self, a: [Self::H; N], row: usize) -> [Self::H; N] {
        array!(N, v => {
            let signs = self.load_h(&WORD_SIGNS[sign_row(row, v) % WORD_SIGNS.len()]);
            array!(4, i => neon!(vmulq_s16(a[v][i], signs[i])))
        })
    }
    #[inline(always)]
    fn words_to_signed_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N] {
        array!(N, v => array!(2, i => neon!({
            vreinterpretq_u8_s8(vqmovn_high_s16(vqmovn_s16(a[v][2 * i]), a[v][2 * i + 1]))
        })))
    }
    #[inline(always)]
    fn words_to_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N] {
        let bytes = self.words_to_signed_bytes(a);
        array!(N, v => array!(2, i => neon!(veorq_u8(bytes[v][i], vdupq_n_u8(128)))))
    }
    /// As [`Simd::sign_ranges`], of four bits.
    #[inline(always)]
    fn wht_h(self, mut a: Self::H) -> Self::H {
        for i in 0..2 {
            butterfly!(vaddq_s16, vsubq_s16, a[i], a[i + 2]);
        }
        let pairs = array!(2, i => {
            let mut a = [a[2 * i], a[2 * i + 1]];
            butterfly!(vaddq_s16, vsubq_s16, a[0], a[1]);
            for _ in 0..3 {
                a = zip!(vzip1q_s16, vzip2q_s16, a);
                butterfly!(vaddq_s16, vsubq_s16, a[0], a[1]);
            }
            zip!(vzip1q_s16, vzip2q_s16, a)
        });
        [pairs[0][0], pairs[0][1], pairs[1][0], pairs[1][1]]
    }
    #[inline(always)]
    fn h_to_i(self, a: Self::H) -> Self::I {
        array!(WIDE, i => neon!(if i % 2 == 0 {
            vmovl_s16(vget_low_s16(a[i / 2]))
        } else {
            vmovl_high_s16(a[i / 2])
        }))
    }
    rotated_by_halves!();

    const PACKED: bool = true;
    const POWERS_READY: bool = true;
    /// Bit 2 by widening as well.
    #[inline(always)]
    fn wht_packed(self, packed: &[[u8; LANES / 2]; 2], row: usize) -> [Self::F; 2] {
        let words = wht_but_one(packed, row);
        let words = array!(8, i => opaque(words[i]));
        // (5 4 3 2) and (1 0).
        array!(2, v => array!(WIDE, i => neon!({
            let at = i / 2 % 2 * 4 + i / 4 * 2;
            let (low, high) = (words[at], words[at + 1]);
            vcvtq_f32_s32(match (v, i % 2) {
                (0, 0) => vaddl_s16(vget_low_s16(low), vget_low_s16(high)),
                (0, _) => vsubl_s16(vget_low_s16(low), vget_low_s16(high)),
                (_, 0) => vaddl_high_s16(low, high),
                _ => vsubl_high_s16(low, high),
            })
        })))
    }
    /// In each eight, four of the first 32 channels and as many of the others: what one product takes from the same halves of
    /// two registers.
    #[inline(always)]
    fn word_powers(self, exponents: &[i8; 2 * LANES], least: i8) -> WordPowers {
        let from = exponents.as_ptr();
        // SAFETY: NEON is part of the target; 64 bytes are readable behind the reference.
        let exponents = unsafe { array!(4, i => vld1q_s8(from.add(16 * i))) };
        let above = array!(4, i => neon!(vreinterpretq_u8_s8(vsubq_s8(exponents[i], vdupq_n_s8(least)))));
        let exponents = words_by_fours(above, neon!(vdupq_n_u16(0)));
        let mut powers = [[0; LANES]; 2];
        let to: *mut i16 = powers.as_flattened_mut().as_mut_ptr();
        for (i, &exponents) in exponents.iter().enumerate() {
            let power = neon!(vshlq_s16(vdupq_n_s16(1), exponents));
            // SAFETY: NEON is part of the target; the array has room for eight registers.
            unsafe { vst1q_s16(to.add(8 * i), power) };
        }
        powers
    }
    #[inline(always)]
    fn wht_packed_times(
        self,
        packed: &[[u8; LANES / 2]; 2],
        row: usize,
        powers: &WordPowers,
        x: f32,
    ) -> [Self::F; 2] {
        let mut words = wht_but_one(packed, row);
        for pair in words.as_chunks_mut::<2>().0 {
            butterfly!(vaddq_s16, vsubq_s16, pair[0], pair[1]);
        }
        // (5 4 3 2) and (1 0): one half of each for either vector.
        times_powers_of_two(
            array!(8, i => words[i / 2 % 2 * 4 + i / 4 * 2 + i % 2]),
            powers,
            x,
        )
    }
    #[inline(always)]
    fn packed_plus_times(
        self,
        packed: &[[u8; LANES / 2]; 2],
        plus: i16,
        powers: &WordPowers,
        x: f32,
    ) -> [Self::F; 2] {
        let nibbles = halves_of(packed);
        let eights = array!(4, i => neon!(vshlq_n_u8::<3>(nibbles[i])));
        let plus = neon!(vdupq_n_u16(plus as u16));
        times_powers_of_two(words_by_fours(eights, plus), powers, x)
    }
    /// Rounded once.
    #[inline(always)]
    fn plus_product(self, sum: f32, a: f32, b: f32) -> f32 {
        neon!(vfmas_lane_f32::<0>(sum, a, vdup_n_f32(b)))
    }
    #[inline(always)]
    fn packed_plus(self, packed: &[[u8; LANES / 2]; 2], x: f32) -> [Self::F; 2] {
        let nibbles = halves_of(packed);
        let places = opaque_address(FLOAT_OF_BYTE.as_ptr());
        // SAFETY: NEON is part of the target; the table has the 64 bytes that are read.
        let places = unsafe { array!(4, i => vld1q_u8(places.add(i).cast())) };
        // Opaque, or the compiler keeps it in memory as the second of two registers, and puts it back for every tile.
        let exponent = neon!(vreinterpretq_u8_s16(opaque(vreinterpretq_s16_u8(vdupq_n_u8(
            EXPONENT
        )))));
        let x = neon!(vdupq_n_f32(x - BIAS));
        array!(2, v => array!(WIDE, i => neon!({
            let biased = vqtbl2q_u8(uint8x16x2_t(nibbles[2 * v + i / 4], exponent), places[i % 4]);
            vaddq_f32(vreinterpretq_f32_u8(biased), x)
        })))
    }
}

impl WhtNibbles for Neon {
    type Nibbles<const N: usize> = [Self::I; N];

    /// Bits 4, 1 and 0 of an element's number in bytes, whose sums of eight nibbles fit; the highest bit of the vectors'
    /// by widening to words, where there is one; then the vectors' other bit, bit 3 and bit 2. Widening makes
    /// the highest bit of a lane's number the lowest of the register's, for nothing; transpositions by
    /// which bits 1, 0 and 2 come to be registers are such that the order is restored by that.
    #[inline(always)]
    fn wht_nibbles<const N: usize>(self, a: [Self::B; N], row: usize) -> [Self::I; N] {
        // Bits of a lane's number, and of the register: (3 2 1 0) and 4, (3 2 4 0) and 1, (3 2 4 1) and 0.
        let bytes = array!(N, v => {
            let flipped = usize::from(walsh(v, row / LANES)) * LANES;
            let signs = BYTE_SIGNS[flipped + row % LANES].as_ptr();
            // SAFETY: NEON is part of the target; the table's row has the 32 bytes that are read.
            let signs = unsafe { [vld1q_s8(signs), vld1q_s8(signs.add(16))] };
            let mut x = array!(2, h => neon!(vmulq_s8(vreinterpretq_s8_u8(a[v][h]), signs[h])));
            butterfly!(vaddq_s8, vsubq_s8, x[0], x[1]);
            let mut x = neon!({
                let words = [vreinterpretq_s16_s8(x[0]), vreinterpretq_s16_s8(x[1])];
                [
                    vreinterpretq_s8_s16(vtrn1q_s16(words[0], words[1])),
                    vreinterpretq_s8_s16(vtrn2q_s16(words[0], words[1])),
                ]
            });
            butterfly!(vaddq_s8, vsubq_s8, x[0], x[1]);
            let mut x = neon!([vtrn1q_s8(x[0], x[1]), vtrn2q_s8(x[0], x[1])]);
            butterfly!(vaddq_s8, vsubq_s8, x[0], x[1]);
            x
        });
        // By bits 3 and 0, as lanes (2 4 1).
        let mut words = array!(N, v => {
            let (low, high) = (bytes[v % N.div_ceil(2)], bytes[v % N.div_ceil(2) + N / 2]);
            array!(2, b => neon!(if N == 1 {
                [vmovl_s8(vget_low_s8(low[b])), vmovl_high_s8(low[b])]
            } else if v < N / 2 {
                [vaddl_s8(vget_low_s8(low[b]), vget_low_s8(high[b])), vaddl_high_s8(low[b], high[b])]
            } else {
                [vsubl_s8(vget_low_s8(low[b]), vget_low_s8(high[b])), vsubl_high_s8(low[b], high[b])]
            }))
        });
        let mut stride = N / 4;
        while stride > 0 {
            for v in 0..N {
                if v & stride == 0 {
                    for b in 0..4 {
                        butterfly!(
                            vaddq_s16,
                            vsubq_s16,
                            words[v][b / 2][b % 2],
                            words[v + stride][b / 2][b % 2]
                        );
                    }
                }
            }
            stride /= 2;
        }
        array!(N, v => {
            let mut x = words[v];
            // By bits 3 and 2, as lanes (4 1 0).
            let x = {
                for x in &mut x {
                    butterfly!(vaddq_s16, vsubq_s16, x[0], x[1]);
                }
                array!(2, b => {
                    let mut x = zip!(vzip1q_s16, vzip2q_s16, [x[0][b], x[1][b]]);
                    butterfly!(vaddq_s16, vsubq_s16, x[0], x[1]);
                    x
                })
            };
            // No shift: it would be merged with the one after `wht_h`, and the halves be taken apart before it.
            array!(WIDE, i => neon!(if i < 4 {
                vmull_n_s16(vget_low_s16(x[i / 2][i % 2]), 8)
            } else {
                vmull_high_n_s16(x[i % 4 / 2][i % 2], 8)
            }))
        })
    }
    #[inline(always)]
    fn wht_nibbles_end<const N: usize>(self, a: [Self::I; N], row: usize, x: i16) -> [Self::I; N] {
        self.add_at(a, row, x)
    }
}
