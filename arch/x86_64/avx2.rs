//! AVX2: a logical vector of f32 or i32 is two registers, one of i16 is one.
//!
//! No fused multiply-add: it would round once where the scalar level rounds twice.

use core::arch::x86_64::*;

use crate::arch::{LANES, Part, Simd};

/// Proof that the machine has AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Avx2(());

cpufeatures::new!(detected, "avx2");

impl Avx2 {
    /// The token, where the machine has the instructions.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        detected::get().then_some(Self(()))
    }
}

/// An expression of AVX2 intrinsics that touch no memory.
macro_rules! avx2 {
    ($e:expr) => {
        // SAFETY: `self` proves that the machine has AVX2, which is all that these intrinsics ask for.
        unsafe { $e }
    };
}

/// Folds eight lanes as [`Simd::reduce_add`] asks.
macro_rules! fold {
    ($f:ident, $a:expr) => {
        avx2!({
            let a = $a;
            let a = $f(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let a = $f(a, _mm_movehl_ps(a, a));
            _mm_cvtss_f32($f(a, _mm_movehdup_ps(a)))
        })
    };
}

/// One stage of [`Simd::sign_maxima`]: partners come by `$partner`, uppers are those of the mask.
macro_rules! sign_maxima_stage {
    ($l:ident, $n:ident, $partner:expr, $blend:ident::<$uppers:literal>) => {
        avx2!((
            _mm256_max_epi16($partner($l), $blend::<$uppers>($l, $n)),
            _mm256_max_epi16($partner($n), $blend::<$uppers>($n, $l)),
        ))
    };
}

/// Order of 64-bit quarters that undoes the interleaving of a pack within 128-bit halves.
const UNPACK: i32 = 0b11_01_10_00;

/// Exchanges the two i16 of each 32-bit lane.
#[inline]
#[target_feature(enable = "avx2")]
fn swap_neighbours(a: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_slli_epi32::<16>(a), _mm256_srli_epi32::<16>(a))
}

/// Exchanges the two 128-bit halves.
#[inline]
#[target_feature(enable = "avx2")]
fn swap_halves(a: __m256i) -> __m256i {
    _mm256_permute2x128_si256::<0x01>(a, a)
}

impl Avx2 {
    /// `b + a`, `a` negated in the lanes where `negated` has the sign bit.
    #[inline(always)]
    fn signed_sum(self, a: __m256, b: __m256, negated: __m256) -> __m256 {
        avx2!(_mm256_add_ps(b, _mm256_xor_ps(a, negated)))
    }

    #[inline(always)]
    fn wht_8(self, a: __m256) -> __m256 {
        avx2!({
            let high_4 = _mm256_setr_ps(0.0, 0.0, 0.0, 0.0, -0.0, -0.0, -0.0, -0.0);
            let high_2 = _mm256_setr_ps(0.0, 0.0, -0.0, -0.0, 0.0, 0.0, -0.0, -0.0);
            let high_1 = _mm256_setr_ps(0.0, -0.0, 0.0, -0.0, 0.0, -0.0, 0.0, -0.0);
            let a = self.signed_sum(a, _mm256_permute2f128_ps::<0x01>(a, a), high_4);
            let a = self.signed_sum(a, _mm256_permute_ps::<0b01_00_11_10>(a), high_2);
            self.signed_sum(a, _mm256_permute_ps::<0b10_11_00_01>(a), high_1)
        })
    }
}

impl Simd for Avx2 {
    type F = [__m256; 2];
    type I = [__m256i; 2];
    type H = __m256i;

    #[inline(always)]
    fn outline<P: Part<Self>>(self, part: P) -> P::Output {
        #[inline(never)]
        #[target_feature(enable = "avx2")]
        fn enabled<P: Part<Avx2>>(token: Avx2, part: P) -> P::Output {
            part.run(token)
        }
        // SAFETY: a token exists only where `detect` saw the feature that `enabled` requires.
        unsafe { enabled(self, part) }
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        let from = from.as_ptr();
        // SAFETY: AVX2 by the token; 16 floats are readable behind the reference, at any alignment.
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        let to = to.as_mut_ptr();
        // SAFETY: AVX2 by the token; 16 floats are writable behind the reference, at any alignment.
        unsafe {
            _mm256_storeu_ps(to, v[0]);
            _mm256_storeu_ps(to.add(8), v[1]);
        }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        avx2!([_mm256_set1_ps(x); 2])
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        avx2!([_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        avx2!([_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        avx2!([_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        avx2!([_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        avx2!([_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        avx2!({
            let sign = _mm256_set1_ps(-0.0);
            [_mm256_andnot_ps(sign, a[0]), _mm256_andnot_ps(sign, a[1])]
        })
    }
    #[inline(always)]
    fn gt(self, a: Self::F, b: Self::F) -> Self::I {
        avx2!([
            _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GT_OQ>(a[0], b[0])),
            _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GT_OQ>(a[1], b[1])),
        ])
    }
    #[inline(always)]
    fn bits(self, a: Self::F) -> Self::I {
        avx2!([_mm256_castps_si256(a[0]), _mm256_castps_si256(a[1])])
    }
    #[inline(always)]
    fn float_of_bits(self, a: Self::I) -> Self::F {
        avx2!([_mm256_castsi256_ps(a[0]), _mm256_castsi256_ps(a[1])])
    }
    #[inline(always)]
    fn truncate(self, a: Self::F) -> Self::I {
        avx2!([_mm256_cvttps_epi32(a[0]), _mm256_cvttps_epi32(a[1])])
    }
    #[inline(always)]
    fn to_float(self, a: Self::I) -> Self::F {
        avx2!([_mm256_cvtepi32_ps(a[0]), _mm256_cvtepi32_ps(a[1])])
    }
    #[inline(always)]
    fn wht(self, a: Self::F) -> Self::F {
        avx2!([
            self.wht_8(_mm256_add_ps(a[0], a[1])),
            self.wht_8(_mm256_sub_ps(a[0], a[1])),
        ])
    }
    #[inline(always)]
    fn reduce_add(self, a: Self::F) -> f32 {
        fold!(_mm_add_ps, _mm256_add_ps(a[0], a[1]))
    }
    #[inline(always)]
    fn reduce_min(self, a: Self::F) -> f32 {
        fold!(_mm_min_ps, _mm256_min_ps(a[0], a[1]))
    }
    #[inline(always)]
    fn reduce_max(self, a: Self::F) -> f32 {
        fold!(_mm_max_ps, _mm256_max_ps(a[0], a[1]))
    }

    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> Self::I {
        // SAFETY: AVX2 by the token; 16 bytes are readable behind the reference, at any alignment.
        unsafe {
            let bytes = _mm_loadu_si128(from.as_ptr().cast());
            [
                _mm256_cvtepi8_epi32(bytes),
                _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(bytes, bytes)),
            ]
        }
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> Self::I {
        avx2!([_mm256_set1_epi32(x); 2])
    }
    #[inline(always)]
    fn iota(self) -> Self::I {
        avx2!([
            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
            _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)
        ])
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        avx2!([_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])])
    }
    #[inline(always)]
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I {
        avx2!([_mm256_sub_epi32(a[0], b[0]), _mm256_sub_epi32(a[1], b[1])])
    }
    #[inline(always)]
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I {
        avx2!([_mm256_mullo_epi32(a[0], b[0]), _mm256_mullo_epi32(a[1], b[1])])
    }
    #[inline(always)]
    fn max_i(self, a: Self::I, b: Self::I) -> Self::I {
        avx2!([_mm256_max_epi32(a[0], b[0]), _mm256_max_epi32(a[1], b[1])])
    }
    #[inline(always)]
    fn and(self, a: Self::I, b: Self::I) -> Self::I {
        avx2!([_mm256_and_si256(a[0], b[0]), _mm256_and_si256(a[1], b[1])])
    }
    #[inline(always)]
    fn xor(self, a: Self::I, b: Self::I) -> Self::I {
        avx2!([_mm256_xor_si256(a[0], b[0]), _mm256_xor_si256(a[1], b[1])])
    }
    #[inline(always)]
    fn shl<const BITS: i32>(self, a: Self::I) -> Self::I {
        avx2!([_mm256_slli_epi32::<BITS>(a[0]), _mm256_slli_epi32::<BITS>(a[1])])
    }
    #[inline(always)]
    fn shr<const BITS: i32>(self, a: Self::I) -> Self::I {
        avx2!([_mm256_srli_epi32::<BITS>(a[0]), _mm256_srli_epi32::<BITS>(a[1])])
    }
    #[inline(always)]
    fn reduce_max_i(self, a: Self::I) -> i32 {
        avx2!({
            let a = _mm256_max_epi32(a[0], a[1]);
            let a = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
            let a = _mm_max_epi32(a, _mm_shuffle_epi32::<0b01_00_11_10>(a));
            _mm_cvtsi128_si32(_mm_max_epi32(a, _mm_shuffle_epi32::<0b10_11_00_01>(a)))
        })
    }
    #[inline(always)]
    fn narrow(self, a: Self::I) -> Self::H {
        avx2!({
            // Sign-extended first, so that the saturation of the pack changes nothing.
            let low = _mm256_srai_epi32::<16>(_mm256_slli_epi32::<16>(a[0]));
            let high = _mm256_srai_epi32::<16>(_mm256_slli_epi32::<16>(a[1]));
            _mm256_permute4x64_epi64::<UNPACK>(_mm256_packs_epi32(low, high))
        })
    }
    #[inline(always)]
    fn store_u8(self, a: Self::I, to: &mut [u8; LANES]) {
        // SAFETY: AVX2 by the token; 16 bytes are writable behind the reference, at any alignment.
        unsafe {
            let low = _mm256_set1_epi32(0xff);
            let words = _mm256_packus_epi32(_mm256_and_si256(a[0], low), _mm256_and_si256(a[1], low));
            let words = _mm256_permute4x64_epi64::<UNPACK>(words);
            let bytes = _mm_packus_epi16(
                _mm256_castsi256_si128(words),
                _mm256_extracti128_si256::<1>(words),
            );
            _mm_storeu_si128(to.as_mut_ptr().cast(), bytes);
        }
    }

    #[inline(always)]
    fn load_u8_h(self, from: &[u8; LANES]) -> Self::H {
        // SAFETY: AVX2 by the token; 16 bytes are readable behind the reference, at any alignment.
        unsafe { _mm256_cvtepu8_epi16(_mm_loadu_si128(from.as_ptr().cast())) }
    }
    #[inline(always)]
    fn load_h(self, from: &[i16; LANES]) -> Self::H {
        // SAFETY: AVX2 by the token; 32 bytes are readable behind the reference, at any alignment.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_h(self, a: Self::H, to: &mut [i16; LANES]) {
        // SAFETY: AVX2 by the token; 32 bytes are writable behind the reference, at any alignment.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), a) }
    }
    #[inline(always)]
    fn add_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!(_mm256_add_epi16(a, b))
    }
    #[inline(always)]
    fn sub_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!(_mm256_sub_epi16(a, b))
    }
    #[inline(always)]
    fn xor_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!(_mm256_xor_si256(a, b))
    }
    #[inline(always)]
    fn max_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!(_mm256_max_epi16(a, b))
    }
    #[inline(always)]
    fn wht_h(self, a: Self::H) -> Self::H {
        avx2!({
            let high_8 = _mm256_setr_epi16(1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1);
            let high_4 = _mm256_setr_epi16(1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1);
            let high_2 = _mm256_setr_epi16(1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1);
            let high_1 = _mm256_setr_epi16(1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1);
            let a = _mm256_add_epi16(swap_halves(a), _mm256_sign_epi16(a, high_8));
            let a = _mm256_add_epi16(
                _mm256_shuffle_epi32::<0b01_00_11_10>(a),
                _mm256_sign_epi16(a, high_4),
            );
            let a = _mm256_add_epi16(
                _mm256_shuffle_epi32::<0b10_11_00_01>(a),
                _mm256_sign_epi16(a, high_2),
            );
            _mm256_add_epi16(swap_neighbours(a), _mm256_sign_epi16(a, high_1))
        })
    }
    #[inline(always)]
    fn h_to_float(self, a: Self::H) -> Self::F {
        avx2!([
            _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(a))),
            _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm256_extracti128_si256::<1>(a))),
        ])
    }
    #[inline(always)]
    fn min_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx2!(_mm256_min_epi16(a, b))
    }
    #[inline(always)]
    fn shl_h<const BITS: i32>(self, a: Self::H) -> Self::H {
        avx2!(_mm256_slli_epi16::<BITS>(a))
    }
    #[inline(always)]
    fn reduce_min_h(self, a: Self::H) -> i16 {
        avx2!({
            let a = _mm_min_epi16(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
            // Not negative, so that the order is that of unsigned numbers.
            _mm_cvtsi128_si32(_mm_minpos_epu16(a)) as i16
        })
    }
    #[inline(always)]
    fn sign_maxima(self, largest: Self::H, negated: Self::H) -> (Self::H, Self::H) {
        let (l, n) = (largest, negated);
        let (l, n) = sign_maxima_stage!(l, n, swap_halves, _mm256_blend_epi32::<0b1111_0000>);
        let (l, n) = sign_maxima_stage!(
            l,
            n,
            _mm256_shuffle_epi32::<0b01_00_11_10>,
            _mm256_blend_epi32::<0b1100_1100>
        );
        let (l, n) = sign_maxima_stage!(
            l,
            n,
            _mm256_shuffle_epi32::<0b10_11_00_01>,
            _mm256_blend_epi32::<0b1010_1010>
        );
        sign_maxima_stage!(l, n, swap_neighbours, _mm256_blend_epi16::<0b1010_1010>)
    }
}
