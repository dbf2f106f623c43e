//! AVX2 with F16C and FMA: a logical vector of f32 or i32 is four registers, one of i16 two, one of bytes one.
//!
//! No fused multiply-add where it would round once and the scalar level twice.

use core::arch::asm;
use core::arch::x86_64::*;
use core::convert::Infallible;

use super::{Asked, align_frame};
use crate::arch::{
    BLOCK, Folded, FoldedWords, LANES, LINE, Line, LookedUp, Part, Scales, Simd, array, first_of, nibbles,
    one_at, sign_row, tiles_are_lanes, walsh, word_signs,
};

/// Proof that the machine has AVX2, F16C and FMA, and BMI1, BMI2 and POPCNT, which came before or with AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Avx2(());

cpufeatures::new!(detected, "avx2", "fma", "bmi1", "bmi2", "popcnt");

static F16C: Asked = Asked::new();

impl Avx2 {
    /// The token, where the machine has the instructions.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        (detected::get() && F16C.or_ask((1, 0), |leaf| leaf.ecx & 1 << 29)).then_some(Self(()))
    }
}

/// An expression of AVX2, F16C and FMA intrinsics that touch no memory.
macro_rules! avx2 {
    ($e:expr) => {
        // SAFETY: `self` proves that the machine has AVX2, F16C and FMA, which is all that these intrinsics ask for.
        unsafe { $e }
    };
}

/// The same register, of which the compiler does not know how it was permuted: it would make four operations of two
/// permutations.
#[inline]
#[target_feature(enable = "avx2")]
fn opaque(mut a: __m256i) -> __m256i {
    // SAFETY: there is no instruction, so nothing but the register that is named is read or written.
    unsafe { asm!("/* {} */", inout(ymm_reg) a, options(pure, nomem, nostack, preserves_flags)) };
    a
}

/// The same register, which is made here, and not where it is wanted.
#[inline]
#[target_feature(enable = "avx2")]
fn here(mut a: __m256i) -> __m256i {
    // SAFETY: there is no instruction, so nothing but the register that is named is read or written.
    unsafe { asm!("/* {} */", inout(ymm_reg) a, options(nomem, nostack, preserves_flags)) };
    a
}

/// An intrinsic on each of four registers, with a constant first where there is one.
macro_rules! each {
    ($f:ident, $a:expr) => {
        avx2!([$f($a[0]), $f($a[1]), $f($a[2]), $f($a[3])])
    };
    ($f:ident, $a:expr, $b:expr) => {
        avx2!([
            $f($a[0], $b[0]),
            $f($a[1], $b[1]),
            $f($a[2], $b[2]),
            $f($a[3], $b[3])
        ])
    };
    ($f:ident::<$c:tt>, $a:expr) => {
        avx2!([$f::<$c>($a[0]), $f::<$c>($a[1]), $f::<$c>($a[2]), $f::<$c>($a[3])])
    };
    ($f:ident::<$c:tt>, $a:expr, $b:expr) => {
        avx2!([
            $f::<$c>($a[0], $b[0]),
            $f::<$c>($a[1], $b[1]),
            $f::<$c>($a[2], $b[2]),
            $f::<$c>($a[3], $b[3])
        ])
    };
}

/// The first two folds: lanes 16 and 8 apart are registers apart.
macro_rules! fold {
    ($f:ident, $a:expr) => {{
        let a = avx2!($f($f($a[0], $a[2]), $f($a[1], $a[3])));
        let mut folded = [0.0; 8];
        // SAFETY: AVX2 by the token; the array has the eight floats that are written.
        unsafe { _mm256_storeu_ps(folded.as_mut_ptr(), a) };
        folded
    }};
}

/// The last three folds of eight vectors, transposed: each fold takes two vectors at once.
macro_rules! reduce {
    ($f:ident, $a:expr) => {{
        let a: &[Folded; BLOCK] = $a;
        let mut reduced = [0.0; BLOCK];
        for (a, reduced) in a.as_chunks::<8>().0.iter().zip(reduced.as_chunks_mut::<8>().0) {
            // SAFETY: AVX2 by the token; each array has the eight floats that are read or written.
            unsafe {
            let v = array!(8, i => _mm256_loadu_ps(a[i].as_ptr()));
            // Vector t in the low half, t + 4 in the high one.
            let four = array!(4, t => $f(
                _mm256_permute2f128_ps::<0x20>(v[t], v[t + 4]),
                _mm256_permute2f128_ps::<0x31>(v[t], v[t + 4])
            ));
            let two = array!(2, t => $f(
                _mm256_shuffle_ps::<0b01_00_01_00>(four[t], four[t + 2]),
                _mm256_shuffle_ps::<0b11_10_11_10>(four[t], four[t + 2])
            ));
            let one = $f(
                _mm256_shuffle_ps::<0b10_00_10_00>(two[0], two[1]),
                _mm256_shuffle_ps::<0b11_01_11_01>(two[0], two[1]),
            );
            _mm256_storeu_ps(reduced.as_mut_ptr(), _mm256_permute_ps::<0b11_01_10_00>(one));
            }
        }
        reduced
    }};
}

/// Rounds to integers that are saturated to i16, and then to bytes by `$pack`.
macro_rules! pack {
    ($pack:ident, $a:expr) => {{
        let a = each!(_mm256_cvtps_epi32, $a);
        avx2!({
            let bytes = $pack(_mm256_packs_epi32(a[0], a[1]), _mm256_packs_epi32(a[2], a[3]));
            _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
        })
    }};
}

/// Sum and difference of two registers of words, limited to i16.
macro_rules! stage {
    ($a:expr) => {{
        let a = $a;
        [_mm256_adds_epi16(a[0], a[1]), _mm256_subs_epi16(a[0], a[1])]
    }};
}

/// Exchanges registers for bit 2 of a lane's number in its half, whose other bits move up, and that of the registers
/// comes last.
macro_rules! exchange_words {
    ($a:expr) => {{
        let a = $a;
        [
            _mm256_unpacklo_epi16(a[0], a[1]),
            _mm256_unpackhi_epi16(a[0], a[1]),
        ]
    }};
}

/// Which of 32 words stands at place `at` of the two registers that [`Avx2::wht_words`] gives: bits 0, 4, 2, 3 and 1 of its
/// number, from the highest of `at` down.
const fn word_at(at: usize) -> usize {
    (at >> 4 & 1) | (at >> 3 & 1) << 4 | (at >> 2 & 1) << 2 | (at >> 1 & 1) << 3 | (at & 1) << 1
}

/// The lanes of the bytes that words become when two registers are packed, each half of which has eight lanes of each.
static LANES_OF_BYTES: [u8; 2 * LANES] = {
    let mut table = [0; 2 * LANES];
    let mut at = 0;
    while at < 2 * LANES {
        // Bits 4, 2, 3, 1 and 0 of a lane's number; the half of the bytes comes first, then the register.
        let lane = (at >> 3 & 1) << 4 | (at >> 4 & 1) << 2 | (at >> 2 & 1) << 3 | at & 3;
        table[at] = (at / LANES * LANES + lane) as u8;
        at += 1;
    }
    table
};

/// 1 and -1 by which these words are multiplied for a row of the matrix; the second half negated.
static WORD_SIGNS: [[i16; LANES]; 2 * LANES] = word_signs(array!(LANES, at => word_at(at)));

/// What orders the bytes of both registers within each half, which is bit 4 of a word's number.
static PACKED_WORDS: [i8; 32] = {
    let mut table = [0; 32];
    let mut word = 0;
    while word < 32 {
        table[word] = ((word & 1) << 3 | (word >> 2 & 1) << 2 | (word >> 3 & 1) << 1 | word >> 1 & 1) as i8;
        word += 1;
    }
    table
};

/// Folds words to sixteen.
macro_rules! fold_words {
    ($f:ident, $a:expr) => {{
        let a = $a;
        let mut folded = [0; 16];
        // SAFETY: AVX2 by the token; the array has the 16 words that are written.
        unsafe { _mm256_storeu_si256(folded.as_mut_ptr().cast(), $f(a[0], a[1])) };
        folded
    }};
}

/// Folds what [`fold_words`] gives, of eight vectors transposed as by [`reduce`]: a word in the lower half of each dword,
/// vectors 0, 2, 1 and 3, and those 4 further.
macro_rules! reduce_words {
    ($f:ident, $a:expr) => {{
        let a: &[FoldedWords; BLOCK] = $a;
        let mut reduced = [0; BLOCK];
        // SAFETY: AVX2 by the token; each array has the 16 words that are read or written.
        unsafe {
            let eight = array!(2, h => {
                let v = array!(8, i => _mm256_loadu_si256(a[8 * h + i].as_ptr().cast()));
                let four = array!(4, t => $f(
                    _mm256_permute2x128_si256::<0x20>(v[t], v[t + 4]),
                    _mm256_permute2x128_si256::<0x31>(v[t], v[t + 4])
                ));
                let two = array!(2, t => _mm256_castsi256_ps($f(
                    _mm256_unpacklo_epi64(four[t], four[t + 2]),
                    _mm256_unpackhi_epi64(four[t], four[t + 2])
                )));
                let one = $f(
                    _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(two[0], two[1])),
                    _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(two[0], two[1])),
                );
                let one = _mm256_shuffle_epi32::<0b11_01_10_00>($f(one, _mm256_srli_epi32::<16>(one)));
                _mm256_srai_epi32::<16>(_mm256_slli_epi32::<16>(one))
            });
            let words = _mm256_permute4x64_epi64::<UNPACK>(_mm256_packs_epi32(eight[0], eight[1]));
            _mm256_storeu_si256(reduced.as_mut_ptr().cast(), words);
        }
        reduced
    }};
}

/// Order of 64-bit quarters that undoes the interleaving of a pack within 128-bit halves.
const UNPACK: i32 = 0b11_01_10_00;

/// Exchanges the halves of a register.
macro_rules! swap_halves {
    ($a:expr) => {
        _mm256_permute2x128_si256::<0x01>($a, $a)
    };
}

/// Signs of the elements of 32 bytes of a tile in the order of [`Avx2::wht_nibbles`], by row of the matrix; the second
/// half negated.
static BYTE_SIGNS: [[i8; LANES]; 2 * LANES] = {
    let mut table = [[0; LANES]; 2 * LANES];
    let mut row = 0;
    while row < LANES {
        let mut at = 0;
        while at < LANES {
            let sign = if walsh(row, nibble_at(at)) { -1 } else { 1 };
            table[row][at] = sign;
            table[row + LANES][at] = -sign;
            at += 1;
        }
        row += 1;
    }
    table
};

/// Which element of 32 stands at byte `at`: bits 2, 1, 0, 3 and 4 of its number, from the highest of `at` down.
const fn nibble_at(at: usize) -> usize {
    (at >> 4 & 1) << 2 | (at >> 3 & 1) << 1 | (at >> 2 & 1) | (at >> 1 & 1) << 3 | (at & 1) << 4
}

/// A stage of [`Simd::sign_ranges`] between two registers, of `$t` pairs of them.
macro_rules! sign_stage {
    ($t:ident, $l:expr, $n:expr) => {{
        let (l, n) = ($l, $n);
        (
            array!($t, t => [_mm256_max_epi8(l[t][0], l[t][1]), _mm256_max_epi8(l[t][0], n[t][1])]),
            array!($t, t => [_mm256_max_epi8(n[t][0], n[t][1]), _mm256_max_epi8(n[t][0], l[t][1])]),
        )
    }};
}

macro_rules! exchange_halves {
    ($t:ident, $a:expr) => {{
        let a = $a;
        array!($t, t => [
            _mm256_permute2x128_si256::<0x20>(a[t][0], a[t][1]),
            _mm256_permute2x128_si256::<0x31>(a[t][0], a[t][1])
        ])
    }};
}

macro_rules! exchange_bytes {
    ($t:ident, $a:expr) => {{
        let a = $a;
        array!($t, t => [
            _mm256_unpacklo_epi8(a[t][0], a[t][1]),
            _mm256_unpackhi_epi8(a[t][0], a[t][1])
        ])
    }};
}

impl Avx2 {
    /// Walsh-Hadamard transform of words: the bit of the registers, then that of their halves, and three of lanes, every
    /// one of which is exchanged for the registers'.
    #[inline(always)]
    pub(super) fn wht_pair(self, a: [__m256i; 2]) -> [__m256i; 2] {
        avx2!({
            let a = stage!(a);
            let a = stage!([
                _mm256_permute2x128_si256::<0x20>(a[0], a[1]),
                _mm256_permute2x128_si256::<0x31>(a[0], a[1]),
            ]);
            let a = stage!(exchange_words!(a));
            let a = stage!(exchange_words!(a));
            stage!(exchange_words!(a))
        })
    }

    /// A bit for each lane, which is all ones or 0.
    #[inline(always)]
    fn bit_of_each(self, a: [__m256i; 4]) -> u32 {
        avx2!({
            // All ones and zeros stay what they are when they are packed.
            let bytes = _mm256_packs_epi16(_mm256_packs_epi32(a[0], a[1]), _mm256_packs_epi32(a[2], a[3]));
            _mm256_movemask_epi8(_mm256_permutevar8x32_epi32(
                bytes,
                _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7),
            )) as u32
        })
    }

    #[inline(always)]
    fn wht_16_h(self, a: __m256i) -> __m256i {
        avx2!({
            let high_8 = _mm256_setr_epi16(1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1);
            let high_4 = _mm256_setr_epi16(1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1);
            let high_2 = _mm256_setr_epi16(1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1);
            let high_1 = _mm256_setr_epi16(1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1);
            let a = _mm256_add_epi16(swap_halves!(a), _mm256_sign_epi16(a, high_8));
            let a = _mm256_add_epi16(
                _mm256_shuffle_epi32::<0b01_00_11_10>(a),
                _mm256_sign_epi16(a, high_4),
            );
            let a = _mm256_add_epi16(
                _mm256_shuffle_epi32::<0b10_11_00_01>(a),
                _mm256_sign_epi16(a, high_2),
            );
            let neighbours = _mm256_or_si256(_mm256_slli_epi32::<16>(a), _mm256_srli_epi32::<16>(a));
            _mm256_add_epi16(neighbours, _mm256_sign_epi16(a, high_1))
        })
    }

    /// [`Simd::sign_ranges`] of 64 lanes of pairs whose longer strides are done, of `T` at once. Unpacking exchanges a
    /// register for a lane, so that every stage is one of whole registers; five of them and two exchanges of halves
    /// restore the order.
    #[inline(always)]
    fn sign_ranges_64<const T: usize>(
        self,
        values: [[__m256i; 2]; T],
        negated: [[__m256i; 2]; T],
    ) -> [[__m256i; 2]; T] {
        avx2!({
            let (l, n) = sign_stage!(T, values, negated);
            let (l, n) = sign_stage!(T, exchange_halves!(T, l), exchange_halves!(T, n));
            let (l, n) = sign_stage!(T, exchange_bytes!(T, l), exchange_bytes!(T, n));
            let (l, n) = sign_stage!(T, exchange_bytes!(T, l), exchange_bytes!(T, n));
            let (l, n) = sign_stage!(T, exchange_bytes!(T, l), exchange_bytes!(T, n));
            let (l, n) = sign_stage!(T, exchange_bytes!(T, l), exchange_bytes!(T, n));
            let sums = array!(T, t => [
                _mm256_add_epi8(l[t][0], n[t][0]),
                _mm256_add_epi8(l[t][1], n[t][1])
            ]);
            exchange_halves!(T, exchange_bytes!(T, sums))
        })
    }

    #[inline(always)]
    fn negated<const N: usize>(self, values: &[__m256i; N]) -> [__m256i; N] {
        array!(N, v => avx2!(_mm256_sub_epi8(_mm256_setzero_si256(), values[v])))
    }

    /// Elements in the order in which [`Avx2::wht_bytes`] takes them.
    #[inline(always)]
    fn ordered(self, a: __m256i) -> __m256i {
        // Bytes of dwords (4 3 2) to (2 4 3), then bits (4 3 1 0) of a byte's place to (1 0 3 4).
        avx2!({
            let dwords = opaque(_mm256_permutevar8x32_epi32(
                a,
                _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7),
            ));
            let order = _mm_setr_epi8(0, 8, 4, 12, 1, 9, 5, 13, 2, 10, 6, 14, 3, 11, 7, 15);
            _mm256_shuffle_epi8(dwords, _mm256_broadcastsi128_si256(order))
        })
    }

    /// The nibbles of a tile, [`Avx2::ordered`].
    #[inline(always)]
    fn ordered_nibbles<const N: usize>(self, packed: &[[u8; LANES / 2]; N]) -> [__m256i; N] {
        if N == 1 {
            let nibbles = nibbles::<Self, N>(self, packed);
            return [self.ordered(nibbles[0]); N];
        }
        // Half of what there is to order if it is done before the halves of bytes are taken apart.
        let packed = packed.as_flattened().as_chunks().0;
        array!(N, v => {
            let bytes = self.ordered(self.repeat::<LANES>(&packed[v % N.div_ceil(2)]));
            avx2!({
                let nibbles = if v < N / 2 { bytes } else { _mm256_srli_epi16::<4>(bytes) };
                _mm256_and_si256(nibbles, _mm256_set1_epi8(15))
            })
        })
    }

    /// The Walsh-Hadamard transform of `T` tiles of `N` registers of [`Avx2::ordered`] bytes below 16, each taken with its sign
    /// by a row of the matrix: bits 2, 1 and 0 of an element's number in bytes, whose sums
    /// of eight nibbles fit; bit 4 by adding neighbours into words, and the registers' bits between words. Bit 3 is
    /// left for [`Avx2::wht_bytes_end`].
    #[inline(always)]
    fn wht_bytes<const N: usize, const T: usize>(
        self,
        a: [[__m256i; N]; T],
        rows: [usize; T],
    ) -> [[[__m256i; 2]; N]; T] {
        let mut x = a;
        for t in 0..T {
            for v in 0..N {
                let flipped = usize::from(walsh(v, rows[t] / LANES)) * LANES;
                let signs = &BYTE_SIGNS[flipped + rows[t] % LANES];
                // SAFETY: AVX2 by the token; the table's row has the 32 bytes that are read.
                let signs = unsafe { _mm256_loadu_si256(signs.as_ptr().cast()) };
                x[t][v] = avx2!(_mm256_sign_epi8(x[t][v], signs));
            }
        }
        avx2!({
            let high_16 = _mm256_setr_epi64x(POSITIVE, POSITIVE, NEGATIVE, NEGATIVE);
            let high_8 = _mm256_setr_epi64x(POSITIVE, NEGATIVE, POSITIVE, NEGATIVE);
            let high_4 = _mm256_set1_epi64x(NEGATIVE << 32 | POSITIVE & 0xffff_ffff);
            for x in x.as_flattened_mut() {
                *x = _mm256_add_epi8(swap_halves!(*x), _mm256_sign_epi8(*x, high_16));
            }
            for x in x.as_flattened_mut() {
                let swapped = _mm256_shuffle_epi32::<0b01_00_11_10>(*x);
                *x = _mm256_add_epi8(swapped, _mm256_sign_epi8(*x, high_8));
            }
            for x in x.as_flattened_mut() {
                let swapped = _mm256_shuffle_epi32::<0b10_11_00_01>(*x);
                *x = _mm256_add_epi8(swapped, _mm256_sign_epi8(*x, high_4));
            }
        });
        let mut sums = [[[self.splat_b(0); 2]; N]; T];
        for t in 0..T {
            for v in 0..N {
                sums[t][v] = avx2!({
                    let ones = _mm256_set1_epi8(1);
                    let high_1 = _mm256_set1_epi16(0xff01u16 as i16);
                    [
                        _mm256_maddubs_epi16(ones, x[t][v]),
                        _mm256_maddubs_epi16(ones, _mm256_sign_epi8(x[t][v], high_1)),
                    ]
                });
            }
        }
        let mut stride = N / 2;
        while stride > 0 {
            for sums in &mut sums {
                for v in 0..N {
                    if v & stride == 0 {
                        let (low, high) = (sums[v], sums[v + stride]);
                        (sums[v], sums[v + stride]) = avx2!((
                            [
                                _mm256_add_epi16(low[0], high[0]),
                                _mm256_add_epi16(low[1], high[1])
                            ],
                            [
                                _mm256_sub_epi16(low[0], high[0]),
                                _mm256_sub_epi16(low[1], high[1])
                            ]
                        ));
                    }
                }
            }
            stride /= 2;
        }
        sums
    }

    /// What is left of [`Avx2::wht_bytes`], times eight: neighbours are added into i32. The bits that end in registers are those
    /// that widening puts there.
    #[inline(always)]
    fn wht_bytes_end<const N: usize>(self, a: [[__m256i; 2]; N]) -> [[__m256i; 4]; N] {
        array!(N, v => avx2!({
            let eight = _mm256_set1_epi16(8);
            let high = _mm256_set1_epi32(0xfff8_0008u32 as i32);
            [
                _mm256_madd_epi16(a[v][0], eight),
                _mm256_madd_epi16(a[v][0], high),
                _mm256_madd_epi16(a[v][1], eight),
                _mm256_madd_epi16(a[v][1], high),
            ]
        }))
    }
}

impl Simd for Avx2 {
    type Narrower = Infallible;
    type Scratch = [[f32; LANES]; 2 * BLOCK];
    type Words = [[i16; LANES]; 2 * BLOCK];
    type F = [__m256; 4];
    type I = [__m256i; 4];
    type H = [__m256i; 2];
    type B = __m256i;

    #[inline(always)]
    fn outline<P: Part<Self>>(self, part: P) -> P::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2,f16c,fma,bmi1,bmi2,popcnt")]
        fn enabled<P: Part<Avx2>>(token: Avx2, part: P) -> P::Output {
            align_frame();
            part.run(token)
        }
        // SAFETY: a token exists only where `detect` saw the features that `enabled` requires.
        unsafe { enabled(self, part) }
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        let from = from.as_ptr();
        // SAFETY: AVX2 by the token; 32 floats are readable behind the reference, at any alignment.
        unsafe { array!(4, i => _mm256_loadu_ps(from.add(8 * i))) }
    }
    #[inline(always)]
    fn load_f16(self, from: &[u16; LANES]) -> Self::F {
        let from = from.as_ptr();
        // SAFETY: F16C by the token; 64 bytes are readable behind the reference, at any alignment.
        unsafe { array!(4, i => _mm256_cvtph_ps(_mm_loadu_si128(from.add(8 * i).cast()))) }
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16; LANES]) -> Self::F {
        let from = from.as_ptr();
        // SAFETY: AVX2 by the token; 64 bytes are readable behind the reference, at any alignment.
        unsafe {
            array!(4, i => _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(
                _mm_loadu_si128(from.add(8 * i).cast())
            ))))
        }
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        let to = to.as_mut_ptr();
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: AVX2 by the token; 32 floats are writable behind the reference, at any alignment.
            unsafe { _mm256_storeu_ps(to.add(8 * i), v) }
        }
    }
    #[inline(always)]
    fn store_f16(self, v: Self::F, to: &mut [u16; LANES]) {
        let to = to.as_mut_ptr();
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: F16C by the token; 64 bytes are writable behind the reference, at any alignment.
            unsafe {
                _mm_storeu_si128(
                    to.add(8 * i).cast(),
                    _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v),
                )
            }
        }
    }
    #[inline(always)]
    fn store_bf16(self, v: Self::F, to: &mut [u16; LANES], _: Option<Self::Narrower>) {
        // Half a unit in the last place, less one for even numbers: ties go to even.
        let rounded = array!(4, i => avx2!({
            let bits = _mm256_castps_si256(v[i]);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let bits = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
            _mm256_srli_epi32::<16>(bits)
        }));
        let to = to.as_mut_ptr();
        for i in 0..2 {
            // SAFETY: AVX2 by the token; 64 bytes are writable behind the reference, at any alignment.
            unsafe {
                let words = _mm256_packus_epi32(rounded[2 * i], rounded[2 * i + 1]);
                _mm256_storeu_si256(to.add(16 * i).cast(), _mm256_permute4x64_epi64::<UNPACK>(words));
            }
        }
    }
    const STREAMS: bool = true;
    const WORDS_EARLY: bool = true;
    const PIVOT_EARLY: bool = true;
    #[inline(always)]
    fn stream(self, v: Self::F, to: &mut [f32; LANES]) {
        if !to.as_ptr().addr().is_multiple_of(LINE) {
            return self.store(v, to);
        }
        let to = to.as_mut_ptr();
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: AVX2 by the token; 32 floats are writable behind the reference, aligned as asked for.
            unsafe { _mm256_stream_ps(to.add(8 * i), v) }
        }
    }
    #[inline(always)]
    fn stream_line(self, from: &[u8; LINE], to: &mut Line) {
        let (from, to): (*const __m256i, *mut __m256i) = (from.as_ptr().cast(), to.0.as_mut_ptr().cast());
        // SAFETY: AVX2 by the token; 64 bytes are readable behind the one reference, and writable behind the other,
        // aligned as asked for.
        unsafe {
            _mm256_stream_si256(to, _mm256_loadu_si256(from));
            _mm256_stream_si256(to.add(1), _mm256_loadu_si256(from.add(1)));
        }
    }
    #[inline(always)]
    fn fence(self) {
        // SAFETY: every x86_64 has the instruction.
        unsafe { _mm_sfence() }
    }
    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        // SAFETY: every x86_64 has the instruction, which reads nothing that a program could see, and faults nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[inline(always)]
    fn prefetch_far(self, at: *const u8) {
        // SAFETY: every x86_64 has the instruction, which reads nothing that a program could see, and faults nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) };
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        avx2!([_mm256_set1_ps(x); 4])
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each!(_mm256_add_ps, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each!(_mm256_sub_ps, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each!(_mm256_mul_ps, a, b)
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each!(_mm256_min_ps, a, b)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each!(_mm256_max_ps, a, b)
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        let sign = self.splat(-0.0);
        each!(_mm256_andnot_ps, sign, a)
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        each!(
            _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>,
            a
        )
    }
    #[inline(always)]
    fn gt(self, a: Self::F, b: Self::F) -> Self::I {
        let above = each!(_mm256_cmp_ps::<_CMP_GT_OQ>, a, b);
        each!(_mm256_castps_si256, above)
    }
    #[inline(always)]
    fn above(self, a: Self::F, b: Self::F) -> u32 {
        self.bit_of_each(self.gt(a, b))
    }
    tiles_are_lanes!();

    #[inline(always)]
    fn where_below(self, narrow: Self::T, wide: Self::T, a: Self::T, b: Self::T) -> Self::T {
        array!(4, i => avx2!({
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(narrow[i], wide[i]);
            _mm256_blendv_ps(b[i], a[i], below)
        }))
    }
    #[inline(always)]
    fn load_t(self, from: &[f32; BLOCK]) -> Self::T {
        let from = from.as_ptr();
        // SAFETY: AVX2 by the token; 16 floats are readable behind the reference.
        let lanes = unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] };
        let zero = avx2!(_mm256_setzero_ps());
        [lanes[0], lanes[1], zero, zero]
    }
    #[inline(always)]
    fn store_t(self, a: Self::T) -> [f32; BLOCK] {
        let mut to = [0.0; BLOCK];
        for (i, a) in a.into_iter().take(2).enumerate() {
            // SAFETY: AVX2 by the token; the array has the 16 floats that are written.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr().add(8 * i), a) };
        }
        to
    }
    #[inline(always)]
    fn above_t(self, a: Self::T, b: Self::T) -> u32 {
        let above = array!(2, i => avx2!(_mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a[i], b[i]))));
        above[0] as u32 | (above[1] as u32) << 8
    }
    #[inline(always)]
    fn bytes_where(self, bits: u32, bytes: &[u8; BLOCK]) -> [u8; BLOCK] {
        let mut chosen = [0; BLOCK];
        // SAFETY: AVX2 by the token; 16 bytes are readable behind the reference, and writable in the array.
        unsafe {
            let halves = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
            let lanes = _mm_set1_epi64x(0x8040_2010_0804_0201u64 as i64);
            let bits = _mm_shuffle_epi8(_mm_cvtsi32_si128(bits as i32), halves);
            let set = _mm_cmpeq_epi8(_mm_and_si128(bits, lanes), lanes);
            let lanes = _mm_and_si128(set, _mm_loadu_si128(bytes.as_ptr().cast()));
            _mm_storeu_si128(chosen.as_mut_ptr().cast(), lanes);
        }
        chosen
    }
    #[inline(always)]
    fn quads(self, words: &[i16; BLOCK], bytes: [&[u8; BLOCK]; 2]) -> [[u8; 4]; BLOCK] {
        // SAFETY: AVX2 by the token; 16 bytes are readable behind either reference.
        let [low, high] = unsafe { array!(2, i => _mm_loadu_si128(bytes[i].as_ptr().cast())) };
        let upper = avx2!([_mm_unpacklo_epi8(low, high), _mm_unpackhi_epi8(low, high)]);
        let mut quads = [[0; 4]; BLOCK];
        let to = quads.as_flattened_mut().as_mut_ptr();
        for (i, upper) in upper.into_iter().enumerate() {
            // SAFETY: AVX2 by the token; 16 words are readable behind the reference, and 32 writable in the array.
            unsafe {
                let lower = _mm_loadu_si128(words.as_ptr().add(8 * i).cast());
                _mm_storeu_si128(to.add(32 * i).cast(), _mm_unpacklo_epi16(lower, upper));
                _mm_storeu_si128(to.add(32 * i + 16).cast(), _mm_unpackhi_epi16(lower, upper));
            }
        }
        quads
    }
    #[inline(always)]
    fn at_least(self, a: &[u8; BLOCK], least: u8) -> u32 {
        // SAFETY: AVX2 by the token; the array has the 16 bytes that are read.
        let a = unsafe { _mm_loadu_si128(a.as_ptr().cast()) };
        avx2!(_mm_movemask_epi8(_mm_cmpeq_epi8(
            _mm_max_epu8(a, _mm_set1_epi8(least as i8)),
            a
        ))) as u32
    }
    #[inline(always)]
    fn bits(self, a: Self::F) -> Self::I {
        each!(_mm256_castps_si256, a)
    }
    #[inline(always)]
    fn float_of_bits(self, a: Self::I) -> Self::F {
        each!(_mm256_castsi256_ps, a)
    }
    #[inline(always)]
    fn truncate(self, a: Self::F) -> Self::I {
        each!(_mm256_cvttps_epi32, a)
    }
    #[inline(always)]
    fn to_float(self, a: Self::I) -> Self::F {
        each!(_mm256_cvtepi32_ps, a)
    }
    #[inline(always)]
    fn wht(self, a: Self::F) -> Self::F {
        let [a, b, c, d] = avx2!([
            _mm256_add_ps(a[0], a[2]),
            _mm256_add_ps(a[1], a[3]),
            _mm256_sub_ps(a[0], a[2]),
            _mm256_sub_ps(a[1], a[3]),
        ]);
        let a = avx2!([
            _mm256_add_ps(a, b),
            _mm256_sub_ps(a, b),
            _mm256_add_ps(c, d),
            _mm256_sub_ps(c, d),
        ]);
        // A stage on all registers before the next on any: one register alone would wait for itself.
        let [high_4, high_2, high_1] = avx2!([
            [_mm256_setr_ps(0.0, 0.0, 0.0, 0.0, -0.0, -0.0, -0.0, -0.0); 4],
            [_mm256_setr_ps(0.0, 0.0, -0.0, -0.0, 0.0, 0.0, -0.0, -0.0); 4],
            [_mm256_setr_ps(0.0, -0.0, 0.0, -0.0, 0.0, -0.0, 0.0, -0.0); 4],
        ]);
        let partners = each!(_mm256_permute2f128_ps::<0x01>, a, a);
        let signed = each!(_mm256_xor_ps, a, high_4);
        let a = each!(_mm256_add_ps, partners, signed);
        let partners = each!(_mm256_permute_ps::<0b01_00_11_10>, a);
        let signed = each!(_mm256_xor_ps, a, high_2);
        let a = each!(_mm256_add_ps, partners, signed);
        let partners = each!(_mm256_permute_ps::<0b10_11_00_01>, a);
        let signed = each!(_mm256_xor_ps, a, high_1);
        each!(_mm256_add_ps, partners, signed)
    }
    #[inline(always)]
    fn fold_add(self, a: Self::F) -> Folded {
        fold!(_mm256_add_ps, a)
    }
    #[inline(always)]
    fn fold_min(self, a: Self::F) -> Folded {
        fold!(_mm256_min_ps, a)
    }
    #[inline(always)]
    fn fold_max(self, a: Self::F) -> Folded {
        fold!(_mm256_max_ps, a)
    }
    #[inline(always)]
    fn reduce_add(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce!(_mm256_add_ps, a)
    }
    #[inline(always)]
    fn reduce_min(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce!(_mm256_min_ps, a)
    }
    #[inline(always)]
    fn reduce_max(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce!(_mm256_max_ps, a)
    }

    #[inline(always)]
    fn load_i(self, from: &[i32; LANES]) -> Self::I {
        let from = from.as_ptr();
        // SAFETY: AVX2 by the token; 32 numbers are readable behind the reference, at any alignment.
        unsafe { array!(4, i => _mm256_loadu_si256(from.add(8 * i).cast())) }
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> Self::I {
        let from = from.as_ptr();
        // SAFETY: AVX2 by the token; 32 bytes are readable behind the reference, at any alignment.
        unsafe { array!(4, i => _mm256_cvtepi8_epi32(_mm_loadl_epi64(from.add(8 * i).cast()))) }
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> Self::I {
        avx2!([_mm256_set1_epi32(x); 4])
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(_mm256_add_epi32, a, b)
    }
    #[inline(always)]
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(_mm256_sub_epi32, a, b)
    }
    #[inline(always)]
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(_mm256_mullo_epi32, a, b)
    }
    #[inline(always)]
    fn max_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(_mm256_max_epi32, a, b)
    }
    #[inline(always)]
    fn xor(self, a: Self::I, b: Self::I) -> Self::I {
        each!(_mm256_xor_si256, a, b)
    }
    #[inline(always)]
    fn shl<const BITS: i32>(self, a: Self::I) -> Self::I {
        each!(_mm256_slli_epi32::<BITS>, a)
    }
    #[inline(always)]
    fn shr<const BITS: i32>(self, a: Self::I) -> Self::I {
        each!(_mm256_srli_epi32::<BITS>, a)
    }
    #[inline(always)]
    fn reduce_max_i(self, a: Self::I) -> i32 {
        avx2!({
            let a = _mm256_max_epi32(_mm256_max_epi32(a[0], a[1]), _mm256_max_epi32(a[2], a[3]));
            let a = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
            let a = _mm_max_epi32(a, _mm_shuffle_epi32::<0b01_00_11_10>(a));
            _mm_cvtsi128_si32(_mm_max_epi32(a, _mm_shuffle_epi32::<0b10_11_00_01>(a)))
        })
    }
    #[inline(always)]
    fn add_at<const N: usize>(self, a: [Self::I; N], at: usize, x: i16) -> [Self::I; N] {
        let whole = self.splat_i(i32::from(x) * (N * LANES) as i32);
        let one = one_at::<N>(at);
        array!(N, v => {
            let one = self.load_i(&one[v]);
            self.add_i(a[v], each!(_mm256_and_si256, one, whole))
        })
    }
    #[inline(always)]
    fn low_bytes(self, a: Self::I) -> Self::B {
        let mask = self.splat_i(0xff);
        let a = each!(_mm256_and_si256, a, mask);
        avx2!({
            let bytes = _mm256_packus_epi16(_mm256_packus_epi32(a[0], a[1]), _mm256_packus_epi32(a[2], a[3]));
            _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
        })
    }

    #[inline(always)]
    fn to_bytes(self, a: Self::F) -> Self::B {
        pack!(_mm256_packus_epi16, a)
    }
    #[inline(always)]
    fn to_signed_bytes(self, a: Self::F) -> Self::B {
        pack!(_mm256_packs_epi16, a)
    }
    #[inline(always)]
    fn eight_times(self, a: Self::B) -> Self::F {
        let wide = avx2!({
            let (low, high) = (_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
            [
                _mm256_cvtepu8_epi32(low),
                _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(low, low)),
                _mm256_cvtepu8_epi32(high),
                _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(high, high)),
            ]
        });
        self.to_float(self.shl::<3>(wide))
    }
    #[inline(always)]
    fn bytes_to_h(self, a: Self::B) -> Self::H {
        avx2!([
            _mm256_cvtepu8_epi16(_mm256_castsi256_si128(a)),
            _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(a)),
        ])
    }
    #[inline(always)]
    fn splat_b(self, x: u8) -> Self::B {
        avx2!(_mm256_set1_epi8(x as i8))
    }
    #[inline(always)]
    fn repeat<const BYTES: usize>(self, from: &[u8; BYTES]) -> Self::B {
        let at = from.as_ptr();
        // SAFETY: AVX2 by the token; as many bytes as the slice has are read, at any alignment.
        unsafe {
            match BYTES {
                4 => _mm256_set1_epi32(at.cast::<i32>().read_unaligned()),
                8 => _mm256_set1_epi64x(at.cast::<i64>().read_unaligned()),
                16 => _mm256_broadcastsi128_si256(_mm_loadu_si128(at.cast())),
                32 => _mm256_loadu_si256(at.cast()),
                _ => unreachable!("bytes are repeated by 4, 8, 16 or 32"),
            }
        }
    }
    #[inline(always)]
    fn store_or<const BYTES: usize>(self, a: Self::B, to: &mut [u8; BYTES]) {
        let at = to.as_mut_ptr();
        // SAFETY: AVX2 by the token; as many bytes as the slice has are written, at any alignment.
        unsafe {
            if BYTES == 32 {
                return _mm256_storeu_si256(at.cast(), a);
            }
            let a = _mm_or_si128(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
            if BYTES == 16 {
                return _mm_storeu_si128(at.cast(), a);
            }
            let a = _mm_cvtsi128_si64(_mm_or_si128(a, _mm_unpackhi_epi64(a, a)));
            match BYTES {
                8 => at.cast::<i64>().write_unaligned(a),
                4 => at.cast::<i32>().write_unaligned((a | a >> 32) as i32),
                _ => unreachable!("bytes are folded to 4, 8, 16 or 32"),
            }
        }
    }
    #[inline(always)]
    fn and_b(self, a: Self::B, b: Self::B) -> Self::B {
        avx2!(_mm256_and_si256(a, b))
    }
    #[inline(always)]
    fn or_b(self, a: Self::B, b: Self::B) -> Self::B {
        avx2!(_mm256_or_si256(a, b))
    }
    #[inline(always)]
    fn sums_looked_up<const N: usize>(self, tables: &[[i8; 16]; 2], at: [Self::B; N]) -> LookedUp {
        let sums = array!(2, i => {
            // SAFETY: AVX2 by the token; the table has the 16 bytes that are read.
            let table = unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(tables[i].as_ptr().cast())) };
            avx2!({
                // Unsigned, of which there are sums.
                let table = _mm256_add_epi8(table, _mm256_set1_epi8(64));
                let mut sums = _mm256_setzero_si256();
                for &at in &at {
                    let found = _mm256_shuffle_epi8(table, _mm256_and_si256(at, _mm256_set1_epi8(15)));
                    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(found, _mm256_setzero_si256()));
                }
                sums
            })
        });
        let mut folded = [0; 8];
        // SAFETY: AVX2 by the token; the array has the 32 bytes that are written.
        unsafe {
            let both = _mm256_or_si256(sums[0], _mm256_slli_epi64::<32>(sums[1]));
            _mm256_storeu_si256(folded.as_mut_ptr().cast(), both);
        }
        folded
    }
    /// Four pairs of both sums each, a half of 64 bits each.
    #[inline(always)]
    fn reduce_looked_up<const N: usize>(self, a: &[LookedUp; BLOCK]) -> [[i32; BLOCK]; 2] {
        let mut reduced = [[0; BLOCK]; 2];
        // SAFETY: AVX2 by the token; the arrays have the 8 numbers that are read or written at a time.
        unsafe {
            for (i, eight) in a.as_chunks::<8>().0.iter().enumerate() {
                let eight = array!(8, t => _mm256_loadu_si256(eight[t].as_ptr().cast()));
                let two = array!(4, i => _mm256_add_epi64(
                    _mm256_unpacklo_epi64(eight[2 * i], eight[2 * i + 1]),
                    _mm256_unpackhi_epi64(eight[2 * i], eight[2 * i + 1])
                ));
                let four = array!(2, i => _mm256_castsi256_ps(_mm256_add_epi64(
                    _mm256_permute2x128_si256::<0x20>(two[2 * i], two[2 * i + 1]),
                    _mm256_permute2x128_si256::<0x31>(two[2 * i], two[2 * i + 1])
                )));
                let sums = [
                    _mm256_shuffle_ps::<0b10_00_10_00>(four[0], four[1]),
                    _mm256_shuffle_ps::<0b11_01_11_01>(four[0], four[1]),
                ];
                for (reduced, sums) in reduced.iter_mut().zip(sums) {
                    let sums = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(sums));
                    let sums = _mm256_sub_epi32(sums, _mm256_set1_epi32((64 * N * LANES) as i32));
                    _mm256_storeu_si256(reduced.as_mut_ptr().add(8 * i).cast(), sums);
                }
            }
        }
        reduced
    }
    #[inline(always)]
    fn add_saturated_b(self, a: Self::B, b: Self::B) -> Self::B {
        avx2!(_mm256_adds_epu8(a, b))
    }
    #[inline(always)]
    fn min_b(self, a: Self::B, b: Self::B) -> Self::B {
        avx2!(_mm256_min_epu8(a, b))
    }
    #[inline(always)]
    fn shl_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B {
        // SAFETY: AVX2 by the token; the 32 bytes of the array are read, at any alignment.
        unsafe { _mm256_sllv_epi32(a, _mm256_loadu_si256(by.as_ptr().cast())) }
    }
    #[inline(always)]
    fn shr_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B {
        // SAFETY: AVX2 by the token; the 32 bytes of the array are read, at any alignment.
        unsafe { _mm256_srlv_epi32(a, _mm256_loadu_si256(by.as_ptr().cast())) }
    }
    #[inline(always)]
    fn least<const N: usize>(self, a: &[Self::B; N]) -> usize {
        avx2!({
            let mut least = a[0];
            for &a in &a[1..] {
                least = _mm256_min_epu8(least, a);
            }
            let bytes = _mm_min_epu8(
                _mm256_castsi256_si128(least),
                _mm256_extracti128_si256::<1>(least),
            );
            // The upper byte of each word becomes 0 and the lower the lesser of both: a word to be compared.
            let words = _mm_min_epu8(bytes, _mm_srli_epi16::<8>(bytes));
            let least = _mm256_broadcastb_epi8(_mm_minpos_epu16(words));
            let mut v = 0;
            loop {
                let mask = _mm256_movemask_epi8(_mm256_cmpeq_epi8(a[v], least)) as u32;
                // The last vector has it where no other does.
                if mask != 0 || v + 1 == N {
                    break LANES * v + mask.trailing_zeros() as usize % LANES;
                }
                v += 1;
            }
        })
    }
    #[inline(always)]
    fn sign_ranges<const N: usize>(self, values: [Self::B; N]) -> [Self::B; N] {
        let negated = self.negated(&values);
        let mut ranges = values;
        match N {
            // Beside numbers that are never the largest.
            1 => {
                let lowest = self.splat_b(i8::MIN as u8);
                ranges[0] = self.sign_ranges_64([[values[0], lowest]], [[negated[0], lowest]])[0][0];
            }
            2 => {
                let both = self.sign_ranges_64([[values[0], values[N - 1]]], [[negated[0], negated[N - 1]]]);
                (ranges[0], ranges[N - 1]) = (both[0][0], both[0][1]);
            }
            _ => {
                // The stage of 64: lowers, then uppers.
                let (mut l, mut n) = ([[values[0]; 2]; 2], [[values[0]; 2]; 2]);
                for i in 0..2 {
                    let (low, high) = (i, i + N / 2);
                    avx2!({
                        l[0][i] = _mm256_max_epi8(values[low], values[high]);
                        n[0][i] = _mm256_max_epi8(negated[low], negated[high]);
                        l[1][i] = _mm256_max_epi8(values[low], negated[high]);
                        n[1][i] = _mm256_max_epi8(negated[low], values[high]);
                    });
                }
                let both = self.sign_ranges_64(l, n);
                for (range, both) in ranges.iter_mut().zip(both.as_flattened()) {
                    *range = *both;
                }
            }
        }
        ranges
    }
    #[inline(always)]
    fn sign_ranges_two<const N: usize>(self, values: [[Self::B; N]; 2]) -> [[Self::B; N]; 2] {
        if N != 2 {
            return [self.sign_ranges(values[0]), self.sign_ranges(values[1])];
        }
        let negated = [self.negated(&values[0]), self.negated(&values[1])];
        let both = self.sign_ranges_64(
            array!(2, t => [values[t][0], values[t][N - 1]]),
            array!(2, t => [negated[t][0], negated[t][N - 1]]),
        );
        array!(2, t => array!(N, v => both[t][v % 2]))
    }

    #[inline(always)]
    fn load_h(self, from: &[i16; LANES]) -> Self::H {
        let from = from.as_ptr();
        // SAFETY: AVX2 by the token; 64 bytes are readable behind the reference, at any alignment.
        unsafe { array!(2, i => _mm256_loadu_si256(from.add(16 * i).cast())) }
    }
    #[inline(always)]
    fn store_h(self, v: Self::H, to: &mut [i16; LANES]) {
        let to = to.as_mut_ptr();
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: AVX2 by the token; 64 bytes are writable behind the reference, at any alignment.
            unsafe { _mm256_storeu_si256(to.add(16 * i).cast(), v) }
        }
    }
    #[inline(always)]
    fn splat_h(self, x: i16) -> Self::H {
        avx2!([_mm256_set1_epi16(x); 2])
    }
    #[inline(always)]
    fn add_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!([_mm256_add_epi16(a[0], b[0]), _mm256_add_epi16(a[1], b[1])])
    }
    #[inline(always)]
    fn sub_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!([_mm256_sub_epi16(a[0], b[0]), _mm256_sub_epi16(a[1], b[1])])
    }
    #[inline(always)]
    fn xor_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!([_mm256_xor_si256(a[0], b[0]), _mm256_xor_si256(a[1], b[1])])
    }
    #[inline(always)]
    fn min_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!([_mm256_min_epi16(a[0], b[0]), _mm256_min_epi16(a[1], b[1])])
    }
    #[inline(always)]
    fn max_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!([_mm256_max_epi16(a[0], b[0]), _mm256_max_epi16(a[1], b[1])])
    }
    #[inline(always)]
    fn abs_h(self, a: Self::H) -> Self::H {
        avx2!([_mm256_abs_epi16(a[0]), _mm256_abs_epi16(a[1])])
    }
    #[inline(always)]
    fn sub_saturated_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!([_mm256_subs_epi16(a[0], b[0]), _mm256_subs_epi16(a[1], b[1])])
    }
    #[inline(always)]
    fn mul_high_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!([_mm256_mulhrs_epi16(a[0], b[0]), _mm256_mulhrs_epi16(a[1], b[1])])
    }
    #[inline(always)]
    fn fold_min_h(self, a: Self::H) -> FoldedWords {
        fold_words!(_mm256_min_epi16, a)
    }
    #[inline(always)]
    fn fold_max_h(self, a: Self::H) -> FoldedWords {
        fold_words!(_mm256_max_epi16, a)
    }
    #[inline(always)]
    fn reduce_min_h(self, a: &[FoldedWords; BLOCK]) -> [i16; BLOCK] {
        reduce_words!(_mm256_min_epi16, a)
    }
    #[inline(always)]
    fn reduce_max_h(self, a: &[FoldedWords; BLOCK]) -> [i16; BLOCK] {
        reduce_words!(_mm256_max_epi16, a)
    }
    /// Bit 4 of a lane's number is the register's, 2 the half's, then 3, 1 and 0.
    #[inline(always)]
    fn words<const N: usize>(self, a: [Self::F; N]) -> [Self::H; N] {
        array!(N, v => {
            let a = each!(_mm256_cvtps_epi32, a[v]);
            avx2!([_mm256_packs_epi32(a[0], a[1]), _mm256_packs_epi32(a[2], a[3])])
        })
    }
    #[inline(always)]
    fn first_word<const N: usize>(self, a: [Self::H; N], x: i16) -> usize {
        let x = self.splat_h(x);
        let equal = array!(N, v => avx2!(_mm256_movemask_epi8(_mm256_packs_epi16(
            _mm256_cmpeq_epi16(a[v][0], x[0]),
            _mm256_cmpeq_epi16(a[v][1], x[1])
        )) as u32));
        first_of(equal, &LANES_OF_BYTES)
    }
    #[inline(always)]
    fn wht_words<const N: usize>(self, mut a: [Self::H; N]) -> [Self::H; N] {
        let mut stride = N / 2;
        while stride > 0 {
            for v in 0..N {
                if v & stride == 0 {
                    for i in 0..2 {
                        [a[v][i], a[v + stride][i]] = avx2!(stage!([a[v][i], a[v + stride][i]]));
                    }
                }
            }
            stride /= 2;
        }
        array!(N, v => self.wht_pair(a[v]))
    }
    #[inline(always)]
    fn flip_words<const N: usize>(self, a: [Self::H; N], row: usize) -> [Self::H; N] {
        array!(N, v => {
            let signs = self.load_h(&WORD_SIGNS[sign_row(row, v) % WORD_SIGNS.len()]);
            avx2!([
                _mm256_sign_epi16(a[v][0], signs[0]),
                _mm256_sign_epi16(a[v][1], signs[1])
            ])
        })
    }
    #[inline(always)]
    fn words_to_signed_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N] {
        // SAFETY: AVX2 by the token; the table has the 32 bytes that are read.
        let order = unsafe { _mm256_loadu_si256(PACKED_WORDS.as_ptr().cast()) };
        array!(N, v => avx2!(_mm256_shuffle_epi8(_mm256_packs_epi16(a[v][0], a[v][1]), order)))
    }
    #[inline(always)]
    fn words_to_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N] {
        let bytes = self.words_to_signed_bytes(a);
        array!(N, v => avx2!(_mm256_xor_si256(bytes[v], _mm256_set1_epi8(i8::MIN))))
    }
    #[inline(always)]
    fn wht_h(self, a: Self::H) -> Self::H {
        avx2!([
            self.wht_16_h(_mm256_add_epi16(a[0], a[1])),
            self.wht_16_h(_mm256_sub_epi16(a[0], a[1])),
        ])
    }
    #[inline(always)]
    fn h_to_i(self, a: Self::H) -> Self::I {
        avx2!([
            _mm256_cvtepi16_epi32(_mm256_castsi256_si128(a[0])),
            _mm256_cvtepi16_epi32(_mm256_extracti128_si256::<1>(a[0])),
            _mm256_cvtepi16_epi32(_mm256_castsi256_si128(a[1])),
            _mm256_cvtepi16_epi32(_mm256_extracti128_si256::<1>(a[1])),
        ])
    }
    type Halfway<const N: usize> = [[__m256i; 2]; N];
    #[inline(always)]
    fn halfway<const N: usize>(self, packed: &[[u8; LANES / 2]; N], pivot: usize) -> Self::Halfway<N> {
        let [a] = self.wht_bytes([self.ordered_nibbles(packed)], [pivot]);
        a
    }
    #[inline(always)]
    fn halfway_two<const N: usize>(
        self,
        packed: [&[[u8; LANES / 2]; N]; 2],
        pivots: [usize; 2],
    ) -> [Self::Halfway<N>; 2] {
        let mut tiles = self.wht_bytes(array!(2, t => self.ordered_nibbles(packed[t])), pivots);
        // The compiler would make the second after the first is stored, and both would wait for themselves.
        for word in tiles[1].as_flattened_mut() {
            *word = avx2!(here(*word));
        }
        tiles
    }
    /// Both products are exact, so that only their sum is rounded, as it would be if it were multiplied.
    #[inline(always)]
    fn rotated_end<const N: usize>(
        self,
        tile: Self::Halfway<N>,
        pivot: usize,
        scales: &Scales,
        t: usize,
    ) -> [Self::F; N] {
        let n = self.wht_bytes_end(tile);
        let zero_points = avx2!(_mm256_set1_ps(scales.moves[0][t % LANES]));
        let unit = avx2!(_mm256_set1_ps(scales.units[t % LANES]));
        let one = one_at::<N>(pivot);
        array!(N, v => {
            let one = self.load_i(&one[v]);
            array!(4, i => avx2!({
                let zero_points = _mm256_and_ps(_mm256_castsi256_ps(one[i]), zero_points);
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(n[v][i]), unit, zero_points)
            }))
        })
    }
    #[inline(always)]
    fn scales<const N: usize>(self, zero_points: [i16; LANES], units: [f32; LANES]) -> Scales {
        let mut moves = [[0.0; LANES]; 2];
        for t in 0..LANES {
            let x = i32::from(zero_points[t]);
            moves[0][t] = (x * (N * LANES) as i32) as f32 * units[t];
            moves[1][t] = (x - BIAS) as f32 * units[t];
        }
        Scales {
            units,
            zero_points: [0; LANES],
            moves,
        }
    }
    #[inline(always)]
    fn wht_codes<const N: usize>(self, a: [Self::B; N], row: usize, x: i16) -> [Self::I; N] {
        let [a] = self.wht_bytes([array!(N, v => self.ordered(a[v]))], [row]);
        self.add_at(self.wht_bytes_end(a), row, x)
    }
    /// A nibble of which four times are the second byte of an f32 of [`BIAS`] adds eight times itself. Both products are exact,
    /// so that only their sum is rounded.
    #[inline(always)]
    fn plain<const N: usize>(self, packed: &[[u8; LANES / 2]; N], scales: &Scales, t: usize) -> [Self::F; N] {
        let offset = avx2!(_mm256_set1_ps(scales.moves[1][t % LANES]));
        let unit = avx2!(_mm256_set1_ps(scales.units[t % LANES]));
        let places = array!(2, half => avx2!({
            // In each 128 bits four elements, of which the lower have none of the others.
            let element = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let place = _mm256_add_epi32(element, _mm256_set1_epi32(8 * half as i32));
            _mm256_or_si256(_mm256_slli_epi32::<8>(place), _mm256_set1_epi32(0x8080_0080u32 as i32))
        }));
        let fourfold = array!(2, high => array!(N, i => {
            let bytes = self.repeat(&packed[i]);
            avx2!({
                let shifted = if high == 0 { _mm256_slli_epi16::<2>(bytes) } else { _mm256_srli_epi16::<2>(bytes) };
                _mm256_and_si256(shifted, _mm256_set1_epi8(0x3c))
            })
        }));
        array!(N, v => array!(4, i => {
            let eight = 4 * v + i;
            let bytes = fourfold[eight / (2 * N)][eight / 2 % N];
            avx2!({
                let nibbles = _mm256_shuffle_epi8(bytes, places[eight % 2]);
                let biased = _mm256_or_si256(nibbles, _mm256_castps_si256(_mm256_set1_ps(BIAS as f32)));
                _mm256_fmadd_ps(_mm256_castsi256_ps(biased), unit, offset)
            })
        }))
    }
}

/// What a plain tile's numbers are added to.
const BIAS: i32 = 1 << 16;

/// Eight bytes of 1, and of -1.
const POSITIVE: i64 = 0x0101_0101_0101_0101;
const NEGATIVE: i64 = -1;
