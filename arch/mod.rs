//! Instruction sets: the small vector trait [`Simd`] that every kernel is written over, its levels, and
//! the one place where a level is chosen. Nothing here knows the format.
//!
//! The logical vector has 32 lanes at every level, so that each kernel, and with it every order of
//! floating-point operations, is written once and gives the same bits whatever the width of the
//! registers. A level implements the operations; it may not fuse or reassociate them, unless every result is rounded the
//! same.

#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
#[allow(unsafe_code)]
mod aarch64;
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
))]
mod carry_less;
pub(crate) mod crc32;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[allow(unsafe_code)]
mod wasm32;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86_64;

#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
use aarch64::neon::Neon;
pub(crate) use scalar::{Scalar, wht_integers};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use wasm32::simd128::Simd128;
#[cfg(all(test, target_arch = "x86_64"))]
use x86_64::model;
#[cfg(target_arch = "x86_64")]
use x86_64::{avx2::Avx2, avx512::Avx512};

/// Lanes of the logical vector.
pub(crate) const LANES: usize = 32;

/// Sums, minima and maxima that are reduced together, a multiple of 8.
pub(crate) const BLOCK: usize = 16;

/// Adding 1.5 * 2^23 rounds a small number to an integer, to nearest, ties to even, in the sum's low bits; taking it away
/// again leaves the integer.
pub(crate) const ROUNDER: f32 = 12_582_912.0;

/// The largest magnitude of words that are transformed, N vectors of them.
pub(crate) const fn word_peak(n: usize) -> i16 {
    i16::MAX >> if n > 1 { 4 } else { 3 }
}

/// The number of the lowest bit that is set, which is taken away; 32 where none is.
#[inline(always)]
pub(crate) fn next_bit(bits: &mut u32) -> usize {
    let lowest = bits.trailing_zeros() as usize;
    *bits &= bits.wrapping_sub(1);
    lowest
}

/// A vector as far as it is folded by itself, to eight lanes, the rest being folded together with those of other tiles.
/// Where it is loaded with another's, it waits until both are in memory.
pub(crate) type Folded = [f32; 8];

/// A vector of words folded to sixteen, as many bytes.
pub(crate) type FoldedWords = [i16; 16];

/// What [`Simd::sums_looked_up`] comes to, in a form of the level's own, as many bytes.
pub(crate) type LookedUp = [i32; 8];

/// An instruction-set level that this machine has. Every level gives the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Level(Kind);

/// Only detection makes a value of a kind that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
    Neon(Neon),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// The same source against a model of the instructions.
    #[cfg(all(test, target_arch = "x86_64"))]
    Avx512Model(model::avx512::Avx512),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128(Simd128),
}

impl Level {
    /// Portable code, always there.
    pub const SCALAR: Self = Self(Kind::Scalar);

    /// The levels that this machine has, the fastest last.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vector = [
            Avx2::detect().map(|token| Self(Kind::Avx2(token))),
            Avx512::detect().map(|token| Self(Kind::Avx512(token))),
        ];
        #[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
        let vector = [Some(Self(Kind::Neon(Neon)))];
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        let vector = [Some(Self(Kind::Simd128(Simd128)))];
        #[cfg(not(any(
            target_arch = "x86_64",
            all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"),
            all(target_arch = "wasm32", target_feature = "simd128")
        )))]
        let vector: [Option<Self>; 0] = [];
        core::iter::once(Self::SCALAR).chain(vector.into_iter().flatten())
    }

    /// The fastest level that this machine has, with or without `std`.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::SCALAR)
    }

    /// The level's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
            Kind::Neon(_) => "neon",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(all(test, target_arch = "x86_64"))]
            Kind::Avx512Model(_) => "avx512 (model)",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128(_) => "simd128",
        }
    }

    /// The level of that name, where this machine has it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::available().find(|level| level.name() == name)
    }

    /// Runs `kernel` at this level: the one dispatch of a call.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Scalar => Scalar.outline(Whole(kernel)),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(token) => token.outline(Whole(kernel)),
            #[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
            Kind::Neon(token) => token.outline(Whole(kernel)),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(token) => token.outline(Whole(kernel)),
            #[cfg(all(test, target_arch = "x86_64"))]
            Kind::Avx512Model(token) => token.outline(Whole(kernel)),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128(simd) => simd.outline(Whole(kernel)),
        }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::detect()
    }
}

/// A driver that runs at any level, compiled once for each.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Work at one level, in a function of its own: see [`Simd::outline`].
pub(crate) trait Part<S: Simd> {
    type Output;
    fn run(self, s: S) -> Self::Output;
}

/// A whole driver as one part.
struct Whole<K>(K);

impl<S: Simd, K: Kernel> Part<S> for Whole<K> {
    type Output = K::Output;

    #[inline(always)]
    fn run(self, s: S) -> K::Output {
        self.0.run(s)
    }
}

/// The array of `$n` values of `$value`, with `$v` its index. `core::array::from_fn` would put the intrinsics
/// of `$value` into closures, out of reach of the enclosing function's instructions.
macro_rules! array {
    ($n:expr, $v:ident => $value:expr) => {{
        let $v = 0;
        let mut array = [$value; $n];
        let mut index = 1;
        while index < $n {
            let $v = index;
            array[index] = $value;
            index += 1;
        }
        array
    }};
}
pub(crate) use array;

/// [`Simd::T`] as the first lanes of a vector.
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128"),
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
))]
macro_rules! tiles_are_lanes {
    () => {
        type T = Self::F;

        #[inline(always)]
        fn splat_t(self, x: f32) -> Self::T {
            self.splat(x)
        }
        #[inline(always)]
        fn add_t(self, a: Self::T, b: Self::T) -> Self::T {
            self.add(a, b)
        }
        #[inline(always)]
        fn sub_t(self, a: Self::T, b: Self::T) -> Self::T {
            self.sub(a, b)
        }
        #[inline(always)]
        fn mul_t(self, a: Self::T, b: Self::T) -> Self::T {
            self.mul(a, b)
        }
        #[inline(always)]
        fn min_t(self, a: Self::T, b: Self::T) -> Self::T {
            self.min(a, b)
        }
        #[inline(always)]
        fn max_t(self, a: Self::T, b: Self::T) -> Self::T {
            self.max(a, b)
        }
        #[inline(always)]
        fn abs_t(self, a: Self::T) -> Self::T {
            self.abs(a)
        }
    };
}
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128"),
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
))]
pub(crate) use tiles_are_lanes;

/// Whether the Sylvester matrix has -1 in row `row` and column `column`: a Walsh function's sign.
pub(crate) const fn walsh(row: usize, column: usize) -> bool {
    (row & column).count_ones() % 2 == 1
}

/// `SIGNS[p][k]`: the sign bit where `H[p][k]` is -1, for the lanes of one vector; then the same negated.
pub(crate) static SIGNS: [[f32; LANES]; 2 * LANES] = {
    let mut table = [[0.0; LANES]; 2 * LANES];
    let mut row = 0;
    while row < LANES {
        let mut lane = 0;
        while lane < LANES {
            let (sign, negated) = if walsh(row, lane) {
                (-0.0, 0.0)
            } else {
                (0.0, -0.0)
            };
            table[row][lane] = sign;
            table[row + LANES][lane] = negated;
            lane += 1;
        }
        row += 1;
    }
    table
};

/// As [`SIGNS`], all ones for -1.
pub(crate) static SIGNS_H: [[i16; LANES]; 2 * LANES] = {
    let mut table = [[0; LANES]; 2 * LANES];
    let mut row = 0;
    while row < LANES {
        let mut lane = 0;
        while lane < LANES {
            let sign = -(walsh(row, lane) as i16);
            table[row][lane] = sign;
            table[row + LANES][lane] = !sign;
            lane += 1;
        }
        row += 1;
    }
    table
};

/// Which row of [`SIGNS`], or of another such table, has the signs of vector `v` by row `row` of the matrix.
#[inline(always)]
pub(crate) const fn sign_row(row: usize, v: usize) -> usize {
    row % LANES + LANES * (walsh(row / LANES, v) as usize)
}

/// As [`SIGNS`], 1 and -1, for words that stand in an order of a level's own: `order[i]` is the number of word `i`.
#[cfg(any(
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128"),
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
))]
const fn word_signs(order: [usize; LANES]) -> [[i16; LANES]; 2 * LANES] {
    let mut table = [[0; LANES]; 2 * LANES];
    let mut row = 0;
    while row < LANES {
        let mut at = 0;
        while at < LANES {
            let sign = if walsh(row, order[at]) { -1 } else { 1 };
            table[row][at] = sign;
            table[row + LANES][at] = -sign;
            at += 1;
        }
        row += 1;
    }
    table
}

/// All ones in the middle, and zeros before and after.
#[cfg(any(target_arch = "x86_64", target_arch = "wasm32"))]
const ONE: &[i32; 2 * 128 - 1] = &{
    let mut table = [0; 2 * 128 - 1];
    table[127] = -1;
    table
};

/// `N` vectors, zeros but for all ones in lane `at` of all: a window of [`ONE`].
#[cfg(any(target_arch = "x86_64", target_arch = "wasm32"))]
#[inline(always)]
fn one_at<const N: usize>(at: usize) -> &'static [[i32; LANES]] {
    let window = &ONE[127 - at % 128..];
    window[..N * LANES].as_chunks().0
}

/// The least lane of which a bit is set, where one is: 32 bits for each of N vectors, and the lanes of those of two.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn first_of<const N: usize>(bits: [u32; N], lanes: &[u8; 2 * LANES]) -> usize {
    for pair in 0..N.div_ceil(2) {
        let (low, high) = (bits[2 * pair], bits[(2 * pair + 1) % N]);
        let mut bits = u64::from(low);
        if N > 1 {
            bits |= u64::from(high) << LANES;
        }
        // Of two vectors, the first lane stands for none.
        if N > 2 && bits == 0 {
            continue;
        }
        let mut lane = lanes[bits.trailing_zeros() as usize % (2 * LANES)];
        bits &= bits.wrapping_sub(1);
        // More than one is rare.
        while bits != 0 {
            lane = lane.min(lanes[bits.trailing_zeros() as usize % (2 * LANES)]);
            bits &= bits - 1;
        }
        return pair * 2 * LANES + usize::from(lane);
    }
    0
}

/// Bytes of a line of the caches, as most machines have them.
pub(crate) const LINE: usize = 64;

/// A line of the caches.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line([u8; LINE]);

// SAFETY: zeros are bytes.
#[allow(unsafe_code)]
unsafe impl bytemuck::Zeroable for Line {}
// SAFETY: bytes, of any value and without any between them.
#[allow(unsafe_code)]
unsafe impl bytemuck::Pod for Line {}

/// Vectors of 32 lanes: f32, i32, i16 and bytes. A value of the implementing type is the proof that the machine
/// has the instructions.
///
/// Floating-point operations are IEEE 754 binary32, to nearest, ties to even, with subnormals, each
/// rounded by itself. `min` and `max` may give either zero for two zeros, and are unspecified for NaN;
/// `round` may give either zero; kernels neither depend on the one nor meet the other. Sums and wholes of lanes are folded in one order
/// everywhere: lanes 16 apart, then 8, 4, 2 and 1.
pub(crate) trait Simd: Copy {
    /// 32 x f32.
    type F: Copy;
    /// 32 x i32.
    type I: Copy;
    /// 32 x i16.
    type H: Copy;
    /// 32 bytes, signed or not as the operation says.
    type B: Copy;

    /// Whether there are vectors at all.
    const VECTORS: bool = true;
    /// The most tiles that are on their way together: beyond these, a block's numbers may be anything.
    const TILES: usize = BLOCK;
    /// Whether there are registers for a tile's words while those of another are transformed.
    const WORDS_EARLY: bool = false;
    /// Whether the pivot of these is looked for as early.
    const PIVOT_EARLY: bool = false;
    /// Whether the encoder loads channels' powers that are ready faster than it makes them.
    const POWERS_READY: bool = false;
    /// Whether a row's peak is looked for between the stages of the row before, whose long chains leave a core idle.
    const PEAK_EARLY: bool = false;
    /// Whether there are registers to begin two tiles before two others are ended, so that neither waits.
    const EARLY: bool = false;

    /// Room for the vectors of a block of tiles.
    type Scratch: AsRef<[[f32; LANES]]> + AsMut<[[f32; LANES]]> + bytemuck::Zeroable;
    /// Room for as many vectors of words.
    type Words: AsRef<[[i16; LANES]]> + AsMut<[[i16; LANES]]> + bytemuck::Zeroable;
    /// Proof that the machine has an instruction, beyond those that the level asks for, which narrows f32 to bf16, but takes
    /// subnormal numbers for zero.
    type Narrower: Copy;
    /// How many vectors [`Simd::Scratch`] has room for.
    const SCRATCH: usize = size_of::<Self::Scratch>() / size_of::<[f32; LANES]>();

    /// Runs `part` in a function of its own, compiled for this level: for what is rare or long, since
    /// everything else is inlined into the function that [`Level::run`] calls.
    fn outline<P: Part<Self>>(self, part: P) -> P::Output;

    fn load(self, from: &[f32; LANES]) -> Self::F;
    /// From the bits of binary16.
    fn load_f16(self, from: &[u16; LANES]) -> Self::F;
    /// From the upper halves of f32.
    fn load_bf16(self, from: &[u16; LANES]) -> Self::F;
    fn store(self, v: Self::F, to: &mut [f32; LANES]);
    /// Rounded to binary16; no lane is a NaN.
    fn store_f16(self, v: Self::F, to: &mut [u16; LANES]);
    /// Rounded to bf16; no lane is a NaN, and none is subnormal where there is a `narrower`.
    fn store_bf16(self, v: Self::F, to: &mut [u16; LANES], narrower: Option<Self::Narrower>);
    /// The proof, if this machine has it.
    #[inline(always)]
    fn narrower(self) -> Option<Self::Narrower> {
        None
    }
    /// Whether [`Simd::stream`] goes past the caches.
    const STREAMS: bool = false;
    /// Stores past the caches where the machine can and it is lines that are written; [`Simd::fence`] follows.
    #[inline(always)]
    fn stream(self, v: Self::F, to: &mut [f32; LANES]) {
        self.store(v, to);
    }
    /// The same of a line of bytes.
    #[inline(always)]
    fn stream_line(self, from: &[u8; LINE], to: &mut Line) {
        to.0 = *from;
    }
    /// Orders what [`Simd::stream`] stored before whatever follows.
    #[inline(always)]
    fn fence(self) {}
    /// Asks for the 64 bytes around an address, which may be any, or for none where the machine has no such hint.
    #[inline(always)]
    fn prefetch(self, _: *const u8) {}
    /// Asks for a line as far as the second-level cache, which has room for what is wanted a row later.
    #[inline(always)]
    fn prefetch_far(self, at: *const u8) {
        self.prefetch(at);
    }
    fn splat(self, x: f32) -> Self::F;
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// To the nearest integer, ties to even; lanes are below 2^22 in magnitude.
    fn round(self, a: Self::F) -> Self::F;
    /// All ones where `a > b`, else 0.
    fn gt(self, a: Self::F, b: Self::F) -> Self::I;
    /// Bit i is set where lane i of `a` is above that of `b`.
    fn above(self, a: Self::F, b: Self::F) -> u32;
    /// A number of each tile of a block.
    type T: Copy;
    fn load_t(self, from: &[f32; BLOCK]) -> Self::T;
    fn store_t(self, a: Self::T) -> [f32; BLOCK];
    /// Of words.
    #[inline(always)]
    fn words_to_t(self, from: &[i16; BLOCK]) -> Self::T {
        self.load_t(&array!(BLOCK, t => f32::from(from[t])))
    }
    fn splat_t(self, x: f32) -> Self::T;
    fn add_t(self, a: Self::T, b: Self::T) -> Self::T;
    fn sub_t(self, a: Self::T, b: Self::T) -> Self::T;
    fn mul_t(self, a: Self::T, b: Self::T) -> Self::T;
    fn min_t(self, a: Self::T, b: Self::T) -> Self::T;
    fn max_t(self, a: Self::T, b: Self::T) -> Self::T;
    fn abs_t(self, a: Self::T) -> Self::T;
    /// Those of `a` where `narrow` is below `wide`, else those of `b`.
    fn where_below(self, narrow: Self::T, wide: Self::T, a: Self::T, b: Self::T) -> Self::T;
    /// Bit t is set where the number of tile t is above that of `b`.
    fn above_t(self, a: Self::T, b: Self::T) -> u32;
    /// The bytes of tiles whose bits are set, and zeros in the place of the others.
    fn bytes_where(self, bits: u32, bytes: &[u8; BLOCK]) -> [u8; BLOCK];
    /// The two bytes of each of `words`, the low one first, and behind them one of each of `bytes`.
    #[inline(always)]
    fn quads(self, words: &[i16; BLOCK], bytes: [&[u8; BLOCK]; 2]) -> [[u8; 4]; BLOCK] {
        array!(BLOCK, t => {
            let upper = u32::from(bytes[0][t]) << 16 | u32::from(bytes[1][t]) << 24;
            (u32::from(words[t] as u16) | upper).to_le_bytes()
        })
    }
    /// Bit i is set where byte i is `least` or more.
    fn at_least(self, a: &[u8; BLOCK], least: u8) -> u32;
    /// Bits of the lanes, reinterpreted.
    fn bits(self, a: Self::F) -> Self::I;
    /// Bits of the lanes, reinterpreted.
    fn float_of_bits(self, a: Self::I) -> Self::F;
    /// To the integer below in magnitude; lanes are within i32.
    fn truncate(self, a: Self::F) -> Self::I;
    fn to_float(self, a: Self::I) -> Self::F;
    /// Walsh-Hadamard butterfly over the lanes, unnormalised, strides 16, 8, 4, 2, 1 in this order.
    fn wht(self, a: Self::F) -> Self::F;
    /// The first folds.
    fn fold_add(self, a: Self::F) -> Folded;
    fn fold_min(self, a: Self::F) -> Folded;
    fn fold_max(self, a: Self::F) -> Folded;
    /// The other folds of each of several.
    fn reduce_add(self, a: &[Folded; BLOCK]) -> [f32; BLOCK];
    fn reduce_min(self, a: &[Folded; BLOCK]) -> [f32; BLOCK];
    fn reduce_max(self, a: &[Folded; BLOCK]) -> [f32; BLOCK];

    fn load_i(self, from: &[i32; LANES]) -> Self::I;
    fn load_i8(self, from: &[i8; LANES]) -> Self::I;
    fn splat_i(self, x: i32) -> Self::I;
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// Low 32 bits of the product.
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn max_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn xor(self, a: Self::I, b: Self::I) -> Self::I;
    fn shl<const BITS: i32>(self, a: Self::I) -> Self::I;
    /// `x`, of 8 significant bits at most, times two to the power of each exponent. `x` and all products are normal.
    #[inline(always)]
    fn times_powers(self, x: f32, exponents: &[i8; LANES]) -> Self::F {
        let bits = self.splat_i(x.to_bits() as i32);
        self.float_of_bits(self.add_i(self.shl::<23>(self.load_i8(exponents)), bits))
    }
    /// Two to the power of `biased` less 127 and less each exponent. All products with them are normal.
    #[inline(always)]
    fn powers_below(self, biased: i32, exponents: &[i8; LANES]) -> Self::F {
        let exponents = self.shl::<23>(self.load_i8(exponents));
        self.float_of_bits(self.sub_i(self.splat_i(biased << 23), exponents))
    }
    /// The biased exponent of the largest magnitude of some numbers: 255 where one is no number.
    #[inline(always)]
    fn largest_exponent(self, x: &[[f32; LANES]]) -> i32 {
        // Four at a time: the loop itself would be a third of the work.
        let (several, few) = x.as_chunks::<4>();
        let mut peak = self.splat_i(0);
        for x in several {
            for x in x {
                peak = self.max_i(peak, self.bits(self.abs(self.load(x))));
            }
        }
        for x in few {
            peak = self.max_i(peak, self.bits(self.abs(self.load(x))));
        }
        self.reduce_max_i(peak) >> 23
    }
    /// Zeros shifted in; `BITS` is 1 to 31.
    fn shr<const BITS: i32>(self, a: Self::I) -> Self::I;
    fn reduce_max_i(self, a: Self::I) -> i32;
    /// Adds 32 N times `x` to lane `at`, below 32 N. N is 1, 2 or 4.
    fn add_at<const N: usize>(self, a: [Self::I; N], at: usize, x: i16) -> [Self::I; N];
    /// The low byte of each lane.
    fn low_bytes(self, a: Self::I) -> Self::B;

    /// To the nearest integer, ties to even, within 0..=255; lanes are within i32.
    fn to_bytes(self, a: Self::F) -> Self::B;
    /// To the nearest integer, ties to even, within -128..=127; lanes are within i32.
    fn to_signed_bytes(self, a: Self::F) -> Self::B;
    /// [`Simd::to_bytes`] of N vectors, 1, 2 or 4.
    #[inline(always)]
    fn tile_to_bytes<const N: usize>(self, a: [Self::F; N]) -> [Self::B; N] {
        array!(N, v => self.to_bytes(a[v]))
    }
    /// The sums of the numbers, from -64 to 64, that each table has at the lower four bits of each byte, for
    /// [`Simd::reduce_looked_up`]. N is 1, 2 or 4.
    fn sums_looked_up<const N: usize>(self, tables: &[[i8; 16]; 2], at: [Self::B; N]) -> LookedUp;
    /// The sums of either table of several, all of N vectors.
    fn reduce_looked_up<const N: usize>(self, a: &[LookedUp; BLOCK]) -> [[i32; BLOCK]; 2];
    /// Eight times each byte, unsigned.
    fn eight_times(self, a: Self::B) -> Self::F;
    fn bytes_to_h(self, a: Self::B) -> Self::H;
    fn splat_b(self, x: u8) -> Self::B;
    /// As many copies of the `BYTES` bytes, 4, 8, 16 or 32, as there is room for.
    fn repeat<const BYTES: usize>(self, from: &[u8; BYTES]) -> Self::B;
    /// Folds halves by OR until `BYTES`, 4, 8, 16 or 32, are left.
    fn store_or<const BYTES: usize>(self, a: Self::B, to: &mut [u8; BYTES]);
    fn and_b(self, a: Self::B, b: Self::B) -> Self::B;
    fn or_b(self, a: Self::B, b: Self::B) -> Self::B;
    /// Unsigned; 255 where the sum exceeds it.
    fn add_saturated_b(self, a: Self::B, b: Self::B) -> Self::B;
    /// The lesser, unsigned.
    fn min_b(self, a: Self::B, b: Self::B) -> Self::B;
    /// Shifts four bytes together as a little-endian number, each four by its own count below 8.
    fn shl_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B;
    fn shr_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B;
    /// The upper four bits of each byte of `low`, and above them those of `high`.
    #[inline(always)]
    fn upper_halves(self, low: Self::B, high: Self::B) -> Self::B {
        let low = self.and_b(self.shr_b(low, &[4; LANES / 4]), self.splat_b(0x0f));
        self.or_b(low, self.and_b(high, self.splat_b(0xf0)))
    }
    /// The least lane, unsigned, and the first of several: its number in `a`, which is 1, 2 or 4 vectors.
    fn least<const N: usize>(self, a: &[Self::B; N]) -> usize;
    /// The butterfly of the largest value under every pattern of signs that is a row of `H`: of the pair of (largest
    /// value, largest negated value), signed, over every stride of the 32 N lanes, the pair of both lanes into the lower,
    /// and that of the lower and the negated upper into the upper. Gives the sum of each lane's pair,
    /// which is not negative, unsigned. N is 1, 2 or 4.
    fn sign_ranges<const N: usize>(self, values: [Self::B; N]) -> [Self::B; N];
    /// [`Simd::sign_ranges`] of two at once, for levels on which one alone waits for itself.
    #[inline(always)]
    fn sign_ranges_two<const N: usize>(self, values: [[Self::B; N]; 2]) -> [[Self::B; N]; 2] {
        let [a, b] = values;
        [self.sign_ranges(a), self.sign_ranges(b)]
    }

    fn load_h(self, from: &[i16; LANES]) -> Self::H;
    fn store_h(self, v: Self::H, to: &mut [i16; LANES]);
    fn splat_h(self, x: i16) -> Self::H;
    fn add_h(self, a: Self::H, b: Self::H) -> Self::H;
    fn sub_h(self, a: Self::H, b: Self::H) -> Self::H;
    fn xor_h(self, a: Self::H, b: Self::H) -> Self::H;
    fn min_h(self, a: Self::H, b: Self::H) -> Self::H;
    fn max_h(self, a: Self::H, b: Self::H) -> Self::H;
    /// Magnitudes; -2^15 stays.
    fn abs_h(self, a: Self::H) -> Self::H;
    /// The nearest in i16 to the difference.
    fn sub_saturated_h(self, a: Self::H, b: Self::H) -> Self::H;
    /// Products over 2^15, to the nearest integer, ties up. Of two lanes one at least is above -2^15.
    fn mul_high_h(self, a: Self::H, b: Self::H) -> Self::H;
    /// Folds in any order.
    fn fold_min_h(self, a: Self::H) -> FoldedWords;
    fn fold_max_h(self, a: Self::H) -> FoldedWords;
    /// The least of each of several.
    fn reduce_min_h(self, a: &[FoldedWords; BLOCK]) -> [i16; BLOCK];
    fn reduce_max_h(self, a: &[FoldedWords; BLOCK]) -> [i16; BLOCK];
    /// To the nearest integers, ties to even, of lanes within i16: the words of N vectors, 1, 2 or 4, in an order of the
    /// level's own.
    fn words<const N: usize>(self, a: [Self::F; N]) -> [Self::H; N];
    /// The first lane of what [`Simd::words`] gives that is `x`, which one is.
    fn first_word<const N: usize>(self, a: [Self::H; N], x: i16) -> usize;
    /// Walsh-Hadamard transform of what [`Simd::words`] gives, all 32 N lanes of it, at most [`word_peak`] in magnitude, in
    /// another order of the level's own.
    ///
    /// Sums are limited to i16, which those of the first three stages need not be, nor those of the fourth of two vectors
    /// or more. A butterfly's terms are nowhere larger than what comes of them, so that where no result is an end of i16,
    /// nothing was limited, and every order of the strides gives the same; where something was, some result is an end of
    /// i16 at every level.
    fn wht_words<const N: usize>(self, a: [Self::H; N]) -> [Self::H; N];
    /// Changes signs of what [`Simd::wht_words`] gives by row `row` of the matrix, below 32 N; -2^15 stays.
    fn flip_words<const N: usize>(self, a: [Self::H; N], row: usize) -> [Self::H; N];
    /// What is in the order of [`Simd::wht_words`] to the nearest in -128..=127, in the order of lanes.
    fn words_to_signed_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N];
    /// The same, 128 added.
    fn words_to_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N];
    /// Of two at once in the order of [`Simd::wht_words`], each at most 127 in magnitude: [`Simd::least`] of
    /// [`Simd::sign_ranges`]. Of one of which a word is more, any row.
    #[inline(always)]
    fn narrowest_two<const N: usize>(self, a: [[Self::H; N]; 2]) -> [usize; 2] {
        let ranges = self.sign_ranges_two(array!(2, t => self.words_to_signed_bytes(a[t])));
        array!(2, t => self.least(&ranges[t]))
    }
    /// Walsh-Hadamard butterfly over the lanes; no partial sum overflows.
    fn wht_h(self, a: Self::H) -> Self::H;
    fn h_to_i(self, a: Self::H) -> Self::I;
    /// Whether vectors of rotated tiles are in an order of their own: vector `v` of the tile is in the place of
    /// [`exchanged`].
    const EXCHANGED: bool = false;
    /// A rotated tile on its way from 32 N nibbles to its values.
    type Halfway<const N: usize>: Copy;
    /// The first half of [`Simd::rotated`].
    fn halfway<const N: usize>(self, packed: &[[u8; LANES / 2]; N], pivot: usize) -> Self::Halfway<N>;
    /// The same of two at once, of which one alone would wait for itself.
    #[inline(always)]
    fn halfway_two<const N: usize>(
        self,
        packed: [&[[u8; LANES / 2]; N]; 2],
        pivots: [usize; 2],
    ) -> [Self::Halfway<N>; 2] {
        array!(2, t => self.halfway(packed[t], pivots[t]))
    }
    /// And the second half, of tile `t` of the scales.
    fn rotated_end<const N: usize>(
        self,
        tile: Self::Halfway<N>,
        pivot: usize,
        scales: &Scales,
        t: usize,
    ) -> [Self::F; N];
    /// The values of a rotated tile of 32 N nibbles, about a pivot below 32 N: eight times the Walsh-Hadamard
    /// transform of the nibbles, each taken with its sign by the pivot's row of the matrix, with 32 N times the zero point
    /// added at the pivot; times the unit. The low halves of the bytes are the first. N is 1, 2 or 4.
    #[inline(always)]
    fn rotated<const N: usize>(
        self,
        packed: &[[u8; LANES / 2]; N],
        pivot: usize,
        scales: &Scales,
        t: usize,
    ) -> [Self::F; N] {
        self.rotated_end(self.halfway(packed, pivot), pivot, scales, t)
    }
    /// The scales of tiles of 32 N nibbles with these zero points and units, which have at most seven significant bits, are
    /// normal, and of which 2^24 are finite.
    #[inline(always)]
    fn scales<const N: usize>(self, zero_points: [i16; LANES], units: [f32; LANES]) -> Scales {
        Scales {
            units,
            zero_points: zero_points.map(i32::from),
            #[cfg(target_arch = "x86_64")]
            moves: [[0.0; LANES]; 2],
        }
    }
    /// Eight times the Walsh-Hadamard transform of 32 N bytes below 16, each taken with its sign by row `row` of the matrix,
    /// with 32 N times `x` added to lane `row`; vectors may be [`Simd::EXCHANGED`]. N is 1, 2 or 4.
    fn wht_codes<const N: usize>(self, a: [Self::B; N], row: usize, x: i16) -> [Self::I; N];
    /// The same of any bytes.
    #[inline(always)]
    fn wht_wide_codes<const N: usize>(self, a: [Self::B; N], row: usize, x: i16) -> [Self::I; N] {
        wht_of_words(self, a, row, x)
    }
    /// The values of a plain tile, tile `t` of the scales: eight times each nibble, plus the zero point, times the unit.
    #[inline(always)]
    fn plain<const N: usize>(self, packed: &[[u8; LANES / 2]; N], scales: &Scales, t: usize) -> [Self::F; N] {
        let t = t % LANES;
        let (nibbles, unit) = (nibbles(self, packed), self.splat(scales.units[t]));
        let zero_point = self.splat(scales.zero_points[t] as f32);
        array!(N, v => self.mul(self.add(self.eight_times(nibbles[v]), zero_point), unit))
    }

    /// Whether [`Simd::wht_packed`] and what follows it are faster than the operations that they are made of here.
    const PACKED: bool = false;
    /// The Walsh-Hadamard transform of 64 nibbles, each taken with its sign by row `row` of the matrix, below 64. The low
    /// halves of the bytes are the first 32.
    #[inline(always)]
    fn wht_packed(self, packed: &[[u8; LANES / 2]; 2], row: usize) -> [Self::F; 2] {
        let scales = self.scales::<2>([0; LANES], [1.0 / 8.0; LANES]);
        let y = self.rotated(packed, row, &scales, 0);
        array!(2, v => y[exchanged::<Self>(v, row) % 2])
    }
    /// Each of 64 nibbles plus `x`, which is a number of eighths and at most 4096 in magnitude.
    #[inline(always)]
    fn packed_plus(self, packed: &[[u8; LANES / 2]; 2], x: f32) -> [Self::F; 2] {
        let (nibbles, eight_times) = (nibbles(self, packed), self.splat(8.0 * x));
        let eighth = self.splat(1.0 / 8.0);
        array!(2, v => self.mul(self.add(self.eight_times(nibbles[v]), eight_times), eighth))
    }
    /// Two to the powers of so many channels' exponents, which are up to [`WORD_POWERS`] above the least, less that one: in an
    /// order of the level's own.
    #[inline(always)]
    fn word_powers(self, exponents: &[i8; 2 * LANES], least: i8) -> WordPowers {
        let mut powers = [[0; LANES]; 2];
        for (power, &k) in powers.as_flattened_mut().iter_mut().zip(exponents) {
            *power = 1i16.wrapping_shl(u32::from(k.wrapping_sub(least) as u8));
        }
        powers
    }
    /// [`Simd::wht_packed`] times such powers, and times `x`; no product is rounded.
    #[inline(always)]
    fn wht_packed_times(
        self,
        packed: &[[u8; LANES / 2]; 2],
        row: usize,
        powers: &WordPowers,
        x: f32,
    ) -> [Self::F; 2] {
        let (n, x) = (self.wht_packed(packed, row), self.splat(x));
        array!(2, v => {
            let powers = self.to_float(self.h_to_i(self.load_h(&powers[v])));
            self.mul(self.mul(n[v], powers), x)
        })
    }
    /// Eight times each nibble plus `plus`, which is at most [`WORD_PLUS`], times powers and `x` in the same way.
    #[inline(always)]
    fn packed_plus_times(
        self,
        packed: &[[u8; LANES / 2]; 2],
        plus: i16,
        powers: &WordPowers,
        x: f32,
    ) -> [Self::F; 2] {
        let (n, x) = (nibbles(self, packed), self.splat(x));
        let plus = self.splat(f32::from(plus));
        array!(2, v => {
            let powers = self.to_float(self.h_to_i(self.load_h(&powers[v])));
            self.mul(self.mul(self.add(self.eight_times(n[v]), plus), powers), x)
        })
    }
    /// `sum` and a product that is exact.
    #[inline(always)]
    fn plus_product(self, sum: f32, a: f32, b: f32) -> f32 {
        sum + a * b
    }
}

/// Powers of two of the channels of a tile of 64: see [`Simd::word_powers`].
pub(crate) type WordPowers = [[i16; LANES]; 2];

/// The largest exponent that such a power has.
pub(crate) const WORD_POWERS: i32 = 14;

/// What eight times a nibble may be added to, to be a word.
pub(crate) const WORD_PLUS: i16 = i16::MAX - 8 * 15;

/// What the codes of some tiles become numbers by, made for all of them at once: where a tile is decoded they are loaded
/// into vectors, as they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scales {
    units: [f32; LANES],
    /// As a level's sums take them up, where they do: plain, or times 32 N upon what they start from.
    zero_points: [i32; LANES],
    /// What is added to products, in rotated tiles and in plain ones, where a level does.
    #[cfg(target_arch = "x86_64")]
    moves: [[f32; LANES]; 2],
}

/// Levels whose [`Simd::halfway`] is not special to packed bytes.
pub(crate) trait WhtNibbles: Simd {
    /// What is in the middle.
    type Nibbles<const N: usize>: Copy;
    /// Eight times the Walsh-Hadamard transform of 32 N bytes below 16, each taken with its sign by row `row` of the
    /// matrix: the first half of it. N is 1, 2 or 4.
    fn wht_nibbles<const N: usize>(self, a: [Self::B; N], row: usize) -> Self::Nibbles<N>;
    /// The second half, with 32 N times `x` added to lane `row`.
    fn wht_nibbles_end<const N: usize>(self, a: Self::Nibbles<N>, row: usize, x: i16) -> [Self::I; N];
}

/// [`Simd::halfway`] and what follows, and [`Simd::wht_codes`], by [`WhtNibbles`].
macro_rules! rotated_by_halves {
    () => {
        type Halfway<const N: usize> = <Self as $crate::arch::WhtNibbles>::Nibbles<N>;
        #[inline(always)]
        fn halfway<const N: usize>(
            self,
            packed: &[[u8; $crate::arch::LANES / 2]; N],
            pivot: usize,
        ) -> Self::Halfway<N> {
            use $crate::arch::{WhtNibbles, nibbles};
            self.wht_nibbles(nibbles(self, packed), pivot)
        }
        #[inline(always)]
        fn rotated_end<const N: usize>(
            self,
            tile: Self::Halfway<N>,
            pivot: usize,
            scales: &$crate::arch::Scales,
            t: usize,
        ) -> [Self::F; N] {
            use $crate::arch::{LANES, WhtNibbles, array};
            let zero_point = scales.zero_points[t % LANES] as i16;
            let n = self.wht_nibbles_end(tile, pivot, zero_point);
            let unit = self.splat(scales.units[t % LANES]);
            array!(N, v => self.mul(self.to_float(n[v]), unit))
        }
        #[inline(always)]
        fn wht_codes<const N: usize>(self, a: [Self::B; N], row: usize, x: i16) -> [Self::I; N] {
            use $crate::arch::WhtNibbles;
            self.wht_nibbles_end(self.wht_nibbles(a, row), row, x)
        }
    };
}
use rotated_by_halves;

/// Where vector `v` of a tile is that is rotated about `pivot`, as [`Simd::rotated`] gives it.
#[inline(always)]
pub(crate) fn exchanged<S: Simd>(v: usize, pivot: usize) -> usize {
    if S::EXCHANGED { v ^ (pivot / LANES) } else { v }
}

/// [`Simd::wht_wide_codes`] by operations on one vector of words at a time.
#[inline(always)]
fn wht_of_words<S: Simd, const N: usize>(s: S, a: [S::B; N], row: usize, x: i16) -> [S::I; N] {
    let mut n = array!(N, v => {
        let signs = s.load_h(&SIGNS_H[sign_row(row, v)]);
        s.wht_h(s.sub_h(s.xor_h(s.bytes_to_h(a[v]), signs), signs))
    });
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
    let n = array!(N, v => s.shl::<3>(s.h_to_i(n[v])));
    let n = s.add_at(n, row, x);
    array!(N, v => n[exchanged::<S>(v, row) % N])
}

/// The low halves of bytes, and then the high ones. N is 1, 2 or 4.
#[inline(always)]
pub(crate) fn nibbles<S: Simd, const N: usize>(s: S, packed: &[[u8; LANES / 2]; N]) -> [S::B; N] {
    let mask = s.splat_b(15);
    if N == 1 {
        let both = s.repeat(&packed[0]);
        return [s.and_b(s.shr_b(both, &[0, 0, 0, 0, 4, 4, 4, 4]), mask); N];
    }
    let packed = packed.as_flattened().as_chunks().0;
    array!(N, v => {
        let bytes = s.repeat::<LANES>(&packed[v % N.div_ceil(2)]);
        s.and_b(s.shr_b(bytes, &[(v / N.div_ceil(2) * 4) as u32; LANES / 4]), mask)
    })
}
