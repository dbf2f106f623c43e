//! A model of the AVX-512 instructions that [`super::avx512`] uses, in plain Rust after Intel's documentation: the same
//! source compiled against it, so that the level's logic is tested on machines without AVX-512. What it takes of
//! AVX2 are the machine's own instructions.

#[allow(clippy::duplicate_mod)]
#[path = "avx512.rs"]
pub(crate) mod avx512;

#[allow(non_camel_case_types, clippy::missing_safety_doc)]
pub(super) mod machine {
    pub(crate) use core::arch::x86_64::*;

    use bytemuck::{Pod, cast};
    use half::{bf16, f16};

    use crate::arch::{Part, Simd};

    /// Bytes from the lowest up, which is how lanes of any width lie in a register.
    #[derive(Clone, Copy, Debug)]
    #[repr(C, align(64))]
    pub(crate) struct __m512i([u8; 64]);

    #[derive(Clone, Copy, Debug)]
    #[repr(C, align(64))]
    pub(crate) struct __m512([f32; 16]);

    pub(crate) fn detected() -> bool {
        true
    }

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Narrower;

    impl Narrower {
        pub(crate) fn detect() -> Option<Self> {
            Some(Self)
        }

        /// To nearest, ties to even; what is subnormal is taken for zero.
        pub(crate) unsafe fn narrow(self, low: __m512, high: __m512) -> __m512i {
            let narrow = |x: f32| {
                let x = if x.is_subnormal() { 0.0f32.copysign(x) } else { x };
                bf16::from_f32(x).to_bits()
            };
            wide(core::array::from_fn::<u16, 32, _>(|i| {
                narrow([low, high][i / 16].0[i % 16])
            }))
        }
    }

    #[inline(never)]
    #[target_feature(enable = "avx2,f16c,bmi1,bmi2,popcnt")]
    pub(crate) fn enabled<S: Simd, P: Part<S>>(s: S, part: P) -> P::Output {
        part.run(s)
    }

    fn wide<L: Pod>(lanes: L) -> __m512i {
        __m512i(cast(lanes))
    }

    /// Of two registers a third, lane by lane.
    fn zip<L, const N: usize>(a: __m512i, b: __m512i, f: impl Fn(L, L) -> L) -> __m512i
    where
        L: Copy,
        [L; N]: Pod,
    {
        let (a, b): ([L; N], [L; N]) = (cast(a.0), cast(b.0));
        wide(core::array::from_fn::<L, N, _>(|i| f(a[i], b[i])))
    }

    fn zip_ps(a: __m512, b: __m512, f: impl Fn(f32, f32) -> f32) -> __m512 {
        __m512(core::array::from_fn(|i| f(a.0[i], b.0[i])))
    }

    /// Lanes of `b` where the mask has a one, of `a` elsewhere.
    fn blend<L, const N: usize>(mask: u64, a: __m512i, b: __m512i) -> __m512i
    where
        L: Copy,
        [L; N]: Pod,
    {
        let (a, b): ([L; N], [L; N]) = (cast(a.0), cast(b.0));
        wide(core::array::from_fn::<L, N, _>(|i| {
            if mask >> i & 1 == 1 { b[i] } else { a[i] }
        }))
    }

    /// The lane that each index names, of `a` and then of `b`; upper bits of indices are ignored.
    fn select<L, const N: usize>(a: [L; N], b: [L; N], index: impl Fn(usize) -> usize) -> [L; N]
    where
        L: Copy,
    {
        core::array::from_fn(|i| {
            let index = index(i) % (2 * N);
            if index < N { a[index] } else { b[index - N] }
        })
    }

    /// Each 128 bits by themselves: their lane `i` is lane `index(i)` of those of `a` and `b`, one after the other.
    fn select_128<L, const N: usize>(a: [L; N], b: [L; N], index: impl Fn(usize) -> usize) -> [L; N]
    where
        L: Copy,
    {
        let lanes = N / 4;
        select(a, b, |i| {
            let from = index(i % lanes);
            i / lanes * lanes + from % lanes + from / lanes * N
        })
    }

    // Memory.

    pub(crate) unsafe fn _mm512_loadu_ps(from: *const f32) -> __m512 {
        // SAFETY: the caller's 64 bytes.
        __m512(unsafe { from.cast::<[f32; 16]>().read_unaligned() })
    }
    pub(crate) unsafe fn _mm512_loadu_epi8(from: *const i8) -> __m512i {
        // SAFETY: the caller's 64 bytes.
        __m512i(unsafe { from.cast::<[u8; 64]>().read_unaligned() })
    }
    pub(crate) unsafe fn _mm512_loadu_epi16(from: *const i16) -> __m512i {
        // SAFETY: the caller's 64 bytes.
        unsafe { _mm512_loadu_epi8(from.cast()) }
    }
    pub(crate) unsafe fn _mm512_loadu_epi32(from: *const i32) -> __m512i {
        // SAFETY: the caller's 64 bytes.
        unsafe { _mm512_loadu_epi8(from.cast()) }
    }
    pub(crate) unsafe fn _mm512_storeu_ps(to: *mut f32, a: __m512) {
        // SAFETY: the caller's 64 bytes.
        unsafe { to.cast::<[f32; 16]>().write_unaligned(a.0) }
    }
    pub(crate) unsafe fn _mm512_storeu_epi16(to: *mut i16, a: __m512i) {
        // SAFETY: the caller's 64 bytes.
        unsafe { to.cast::<[u8; 64]>().write_unaligned(a.0) }
    }
    pub(crate) unsafe fn _mm512_storeu_epi32(to: *mut i32, a: __m512i) {
        // SAFETY: the caller's 64 bytes.
        unsafe { _mm512_storeu_epi16(to.cast(), a) }
    }
    pub(crate) unsafe fn _mm512_stream_ps(to: *mut f32, a: __m512) {
        assert_eq!(to.addr() % 64, 0, "the instruction faults");
        // SAFETY: the caller's 64 bytes.
        unsafe { _mm512_storeu_ps(to, a) }
    }

    // Constants and casts.

    pub(crate) unsafe fn _mm512_set1_ps(x: f32) -> __m512 {
        __m512([x; 16])
    }
    pub(crate) unsafe fn _mm512_set1_epi8(x: i8) -> __m512i {
        wide([x; 64])
    }
    pub(crate) unsafe fn _mm512_set1_epi16(x: i16) -> __m512i {
        wide([x; 32])
    }
    pub(crate) unsafe fn _mm512_set1_epi32(x: i32) -> __m512i {
        wide([x; 16])
    }
    pub(crate) unsafe fn _mm_maskz_mov_epi8(k: __mmask16, a: __m128i) -> __m128i {
        let a: [i8; 16] = cast(a);
        cast(core::array::from_fn::<i8, 16, _>(|i| {
            if k >> i & 1 == 1 { a[i] } else { 0 }
        }))
    }
    pub(crate) unsafe fn _mm512_maskz_set1_epi32(k: __mmask16, x: i32) -> __m512i {
        blend::<i32, 16>(k.into(), wide([0i32; 16]), wide([x; 16]))
    }
    pub(crate) unsafe fn _mm512_set1_epi64(x: i64) -> __m512i {
        wide([x; 8])
    }
    pub(crate) unsafe fn _mm512_setzero_si512() -> __m512i {
        __m512i([0; 64])
    }
    #[allow(clippy::too_many_arguments)]
    pub(crate) unsafe fn _mm512_setr_epi32(
        e0: i32,
        e1: i32,
        e2: i32,
        e3: i32,
        e4: i32,
        e5: i32,
        e6: i32,
        e7: i32,
        e8: i32,
        e9: i32,
        e10: i32,
        e11: i32,
        e12: i32,
        e13: i32,
        e14: i32,
        e15: i32,
    ) -> __m512i {
        wide([
            e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, e12, e13, e14, e15,
        ])
    }
    #[allow(clippy::too_many_arguments)]
    pub(crate) unsafe fn _mm512_setr_epi64(
        e0: i64,
        e1: i64,
        e2: i64,
        e3: i64,
        e4: i64,
        e5: i64,
        e6: i64,
        e7: i64,
    ) -> __m512i {
        wide([e0, e1, e2, e3, e4, e5, e6, e7])
    }
    pub(crate) unsafe fn _mm512_castps_si512(a: __m512) -> __m512i {
        wide(a.0)
    }
    pub(crate) unsafe fn _mm512_castsi512_ps(a: __m512i) -> __m512 {
        __m512(cast(a.0))
    }
    pub(crate) unsafe fn _mm512_castsi512_si256(a: __m512i) -> __m256i {
        let [low, _]: [[u8; 32]; 2] = cast(a.0);
        cast(low)
    }
    /// The upper half is undefined: here it is a pattern that no result may show.
    pub(crate) unsafe fn _mm512_castsi256_si512(a: __m256i) -> __m512i {
        wide([cast::<__m256i, [u8; 32]>(a), [0x5a; 32]])
    }
    pub(crate) unsafe fn _mm512_extracti64x4_epi64<const IMM: i32>(a: __m512i) -> __m256i {
        let halves: [[u8; 32]; 2] = cast(a.0);
        cast(halves[(IMM & 1) as usize])
    }
    pub(crate) unsafe fn _mm512_inserti64x4<const IMM: i32>(a: __m512i, b: __m256i) -> __m512i {
        let mut halves: [[u8; 32]; 2] = cast(a.0);
        halves[(IMM & 1) as usize] = cast(b);
        wide(halves)
    }

    pub(crate) unsafe fn _mm512_broadcastb_epi8(a: __m128i) -> __m512i {
        let a: [u8; 16] = cast(a);
        wide([a[0]; 64])
    }
    pub(crate) unsafe fn _mm512_broadcast_i32x4(a: __m128i) -> __m512i {
        let a: [u8; 16] = cast(a);
        wide([a; 4])
    }

    // Floating point.

    pub(crate) unsafe fn _mm512_add_ps(a: __m512, b: __m512) -> __m512 {
        zip_ps(a, b, |a, b| a + b)
    }
    pub(crate) unsafe fn _mm512_sub_ps(a: __m512, b: __m512) -> __m512 {
        zip_ps(a, b, |a, b| a - b)
    }
    pub(crate) unsafe fn _mm512_mul_ps(a: __m512, b: __m512) -> __m512 {
        zip_ps(a, b, |a, b| a * b)
    }
    /// Rounded once.
    pub(crate) unsafe fn _mm512_fmadd_ps(a: __m512, b: __m512, c: __m512) -> __m512 {
        __m512(core::array::from_fn(|i| a.0[i].mul_add(b.0[i], c.0[i])))
    }
    /// The second operand where they are equal, two zeros among them, or one is a NaN.
    pub(crate) unsafe fn _mm512_min_ps(a: __m512, b: __m512) -> __m512 {
        zip_ps(a, b, |a, b| if a < b { a } else { b })
    }
    pub(crate) unsafe fn _mm512_max_ps(a: __m512, b: __m512) -> __m512 {
        zip_ps(a, b, |a, b| if a > b { a } else { b })
    }
    pub(crate) unsafe fn _mm512_abs_ps(a: __m512) -> __m512 {
        __m512(a.0.map(|a| f32::from_bits(a.to_bits() & 0x7fff_ffff)))
    }
    pub(crate) unsafe fn _mm512_roundscale_ps<const IMM: i32>(a: __m512) -> __m512 {
        // No fractional bits, to nearest even; bit 3 is about exceptions.
        assert_eq!(IMM & !_MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT);
        __m512(a.0.map(f32::round_ties_even))
    }
    pub(crate) unsafe fn _mm512_cmp_ps_mask<const IMM: i32>(a: __m512, b: __m512) -> __mmask16 {
        let holds = |a: f32, b: f32| match IMM {
            _CMP_GT_OQ => a > b,
            _ => panic!("no such comparison in the model"),
        };
        (0..16).fold(0, |mask, i| mask | __mmask16::from(holds(a.0[i], b.0[i])) << i)
    }
    /// What a conversion to i32 gives for whatever has none.
    const INDEFINITE: i32 = i32::MIN;

    fn to_i32(a: f32) -> i32 {
        // 2^31 is the first that does not fit, -2^31 the last that does.
        if (-2_147_483_648.0..2_147_483_648.0).contains(&a) {
            a as i32
        } else {
            INDEFINITE
        }
    }
    pub(crate) unsafe fn _mm512_cvtps_epi32(a: __m512) -> __m512i {
        wide(a.0.map(|a| to_i32(a.round_ties_even())))
    }
    pub(crate) unsafe fn _mm512_cvttps_epi32(a: __m512) -> __m512i {
        wide(a.0.map(to_i32))
    }
    pub(crate) unsafe fn _mm512_cvtepi32_ps(a: __m512i) -> __m512 {
        let a: [i32; 16] = cast(a.0);
        __m512(a.map(|a| a as f32))
    }
    pub(crate) unsafe fn _mm512_cvtph_ps(a: __m256i) -> __m512 {
        let a: [u16; 16] = cast(a);
        __m512(a.map(|a| f16::from_bits(a).to_f32()))
    }
    pub(crate) unsafe fn _mm512_cvtps_ph<const ROUNDING: i32>(a: __m512) -> __m256i {
        // Bit 2 would take the rounding from MXCSR, bits 1 and 0 are the rounding: to nearest even.
        assert_eq!(ROUNDING & 0b111, _MM_FROUND_TO_NEAREST_INT);
        cast(a.0.map(|a| f16::from_f32(a).to_bits()))
    }

    // Integers.

    pub(crate) unsafe fn _mm512_add_epi8(a: __m512i, b: __m512i) -> __m512i {
        zip::<i8, 64>(a, b, i8::wrapping_add)
    }
    pub(crate) unsafe fn _mm512_sub_epi8(a: __m512i, b: __m512i) -> __m512i {
        zip::<i8, 64>(a, b, i8::wrapping_sub)
    }
    pub(crate) unsafe fn _mm512_min_epu8(a: __m512i, b: __m512i) -> __m512i {
        zip::<u8, 64>(a, b, Ord::min)
    }
    pub(crate) unsafe fn _mm512_cmpeq_epi8_mask(a: __m512i, b: __m512i) -> __mmask64 {
        (0..64).fold(0, |mask, i| mask | __mmask64::from(a.0[i] == b.0[i]) << i)
    }
    /// Sums of the distances of eight bytes each.
    pub(crate) unsafe fn _mm512_sad_epu8(a: __m512i, b: __m512i) -> __m512i {
        let distances: [[u8; 8]; 8] = cast(zip::<u8, 64>(a, b, u8::abs_diff).0);
        wide(distances.map(|eight| eight.map(u64::from).iter().sum::<u64>()))
    }
    pub(crate) unsafe fn _mm512_add_epi64(a: __m512i, b: __m512i) -> __m512i {
        zip::<i64, 8>(a, b, i64::wrapping_add)
    }
    pub(crate) unsafe fn _mm512_slli_epi64<const IMM: u32>(a: __m512i) -> __m512i {
        let a: [u64; 8] = cast(a.0);
        wide(a.map(|a| a.checked_shl(IMM).unwrap_or(0)))
    }
    pub(crate) unsafe fn _mm512_max_epi8(a: __m512i, b: __m512i) -> __m512i {
        zip::<i8, 64>(a, b, Ord::max)
    }
    pub(crate) unsafe fn _mm512_add_epi16(a: __m512i, b: __m512i) -> __m512i {
        zip::<i16, 32>(a, b, i16::wrapping_add)
    }
    pub(crate) unsafe fn _mm512_abs_epi16(a: __m512i) -> __m512i {
        zip::<i16, 32>(a, a, |a, _| a.wrapping_abs())
    }
    pub(crate) unsafe fn _mm512_adds_epi16(a: __m512i, b: __m512i) -> __m512i {
        zip::<i16, 32>(a, b, i16::saturating_add)
    }
    pub(crate) unsafe fn _mm512_subs_epi16(a: __m512i, b: __m512i) -> __m512i {
        zip::<i16, 32>(a, b, i16::saturating_sub)
    }
    pub(crate) unsafe fn _mm512_min_epi16(a: __m512i, b: __m512i) -> __m512i {
        zip::<i16, 32>(a, b, Ord::min)
    }
    pub(crate) unsafe fn _mm512_max_epi16(a: __m512i, b: __m512i) -> __m512i {
        zip::<i16, 32>(a, b, Ord::max)
    }
    /// Products over 2^15, half of a unit added before the lower bits are dropped.
    pub(crate) unsafe fn _mm512_mulhrs_epi16(a: __m512i, b: __m512i) -> __m512i {
        zip::<i16, 32>(a, b, |a, b| {
            ((((i32::from(a) * i32::from(b)) >> 14) + 1) >> 1) as i16
        })
    }
    pub(crate) unsafe fn _mm512_cmpeq_epi16_mask(a: __m512i, b: __m512i) -> __mmask32 {
        let (a, b): ([i16; 32], [i16; 32]) = (cast(a.0), cast(b.0));
        (0..32).fold(0, |mask, i| mask | __mmask32::from(a[i] == b[i]) << i)
    }
    pub(crate) unsafe fn _mm512_sub_epi16(a: __m512i, b: __m512i) -> __m512i {
        zip::<i16, 32>(a, b, i16::wrapping_sub)
    }
    pub(crate) unsafe fn _mm512_mask_sub_epi16(
        src: __m512i,
        k: __mmask32,
        a: __m512i,
        b: __m512i,
    ) -> __m512i {
        blend::<i16, 32>(k.into(), src, zip::<i16, 32>(a, b, i16::wrapping_sub))
    }
    pub(crate) unsafe fn _mm512_add_epi32(a: __m512i, b: __m512i) -> __m512i {
        zip::<i32, 16>(a, b, i32::wrapping_add)
    }
    pub(crate) unsafe fn _mm512_sub_epi32(a: __m512i, b: __m512i) -> __m512i {
        zip::<i32, 16>(a, b, i32::wrapping_sub)
    }
    pub(crate) unsafe fn _mm512_mullo_epi32(a: __m512i, b: __m512i) -> __m512i {
        zip::<i32, 16>(a, b, i32::wrapping_mul)
    }
    pub(crate) unsafe fn _mm512_max_epi32(a: __m512i, b: __m512i) -> __m512i {
        zip::<i32, 16>(a, b, Ord::max)
    }
    pub(crate) unsafe fn _mm512_and_si512(a: __m512i, b: __m512i) -> __m512i {
        zip::<u8, 64>(a, b, |a, b| a & b)
    }
    pub(crate) unsafe fn _mm512_or_si512(a: __m512i, b: __m512i) -> __m512i {
        zip::<u8, 64>(a, b, |a, b| a | b)
    }
    pub(crate) unsafe fn _mm512_xor_si512(a: __m512i, b: __m512i) -> __m512i {
        zip::<u8, 64>(a, b, |a, b| a ^ b)
    }
    pub(crate) unsafe fn _mm512_sllv_epi32(a: __m512i, count: __m512i) -> __m512i {
        zip::<u32, 16>(a, count, |a, count| a.checked_shl(count).unwrap_or(0))
    }
    pub(crate) unsafe fn _mm512_srlv_epi32(a: __m512i, count: __m512i) -> __m512i {
        zip::<u32, 16>(a, count, |a, count| a.checked_shr(count).unwrap_or(0))
    }
    pub(crate) unsafe fn _mm512_slli_epi32<const IMM: u32>(a: __m512i) -> __m512i {
        let a: [u32; 16] = cast(a.0);
        wide(a.map(|a| a.checked_shl(IMM).unwrap_or(0)))
    }
    pub(crate) unsafe fn _mm512_srli_epi32<const IMM: u32>(a: __m512i) -> __m512i {
        let a: [u32; 16] = cast(a.0);
        wide(a.map(|a| a.checked_shr(IMM).unwrap_or(0)))
    }
    pub(crate) unsafe fn _mm512_srai_epi32<const IMM: u32>(a: __m512i) -> __m512i {
        let a: [i32; 16] = cast(a.0);
        wide(a.map(|a| a >> IMM.min(31)))
    }
    pub(crate) unsafe fn _mm512_mask_add_epi32(
        src: __m512i,
        k: __mmask16,
        a: __m512i,
        b: __m512i,
    ) -> __m512i {
        blend::<i32, 16>(k.into(), src, zip::<i32, 16>(a, b, i32::wrapping_add))
    }
    pub(crate) unsafe fn _mm512_rol_epi32<const IMM: i32>(a: __m512i) -> __m512i {
        let a: [u32; 16] = cast(a.0);
        wide(a.map(|a| a.rotate_left(IMM as u32 % 32)))
    }
    pub(crate) unsafe fn _mm512_reduce_max_epi32(a: __m512i) -> i32 {
        let a: [i32; 16] = cast(a.0);
        a.into_iter().fold(i32::MIN, i32::max)
    }
    /// `sum` and the products of both words.
    pub(crate) unsafe fn _mm512_dpwssd_epi32(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        let (a, b): ([[i16; 2]; 16], [[i16; 2]; 16]) = (cast(a.0), cast(b.0));
        let sum: [i32; 16] = cast(sum.0);
        wide(core::array::from_fn::<i32, 16, _>(|i| {
            let products = [0, 1].map(|j| i32::from(a[i][j]) * i32::from(b[i][j]));
            sum[i].wrapping_add(products[0]).wrapping_add(products[1])
        }))
    }

    /// `sum` and the products of four unsigned bytes of `a` and signed ones of `b`.
    pub(crate) unsafe fn _mm512_dpbusd_epi32(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        let (a, b): ([[u8; 4]; 16], [[i8; 4]; 16]) = (cast(a.0), cast(b.0));
        let sum: [i32; 16] = cast(sum.0);
        wide(core::array::from_fn::<i32, 16, _>(|i| {
            let products = [0, 1, 2, 3].map(|j| i32::from(a[i][j]) * i32::from(b[i][j]));
            products.into_iter().fold(sum[i], i32::wrapping_add)
        }))
    }
    /// Each byte times the 8 x 8 bits of its 64, of which the last byte gives the lowest bit, and the bits of `B` flipped.
    pub(crate) unsafe fn _mm512_gf2p8affine_epi64_epi8<const B: i32>(x: __m512i, a: __m512i) -> __m512i {
        wide(core::array::from_fn::<u8, 64, _>(|i| {
            let bit = |j: usize| ((a.0[i / 8 * 8 + 7 - j] & x.0[i]).count_ones() % 2) as u8;
            (0..8).fold(B as u8, |byte, j| byte ^ bit(j) << j)
        }))
    }
    /// The same of half as much.
    pub(crate) unsafe fn _mm256_gf2p8affine_epi64_epi8<const B: i32>(x: __m256i, a: __m256i) -> __m256i {
        // SAFETY: nothing is asked for.
        unsafe {
            let (x, a) = (_mm512_castsi256_si512(x), _mm512_castsi256_si512(a));
            _mm512_castsi512_si256(_mm512_gf2p8affine_epi64_epi8::<B>(x, a))
        }
    }
    pub(crate) unsafe fn _mm512_mask_mov_epi32(src: __m512i, mask: u16, a: __m512i) -> __m512i {
        blend::<u32, 16>(u64::from(mask), src, a)
    }

    // Widening and narrowing.

    pub(crate) unsafe fn _mm512_cvtepi8_epi32(a: __m128i) -> __m512i {
        let a: [i8; 16] = cast(a);
        wide(a.map(i32::from))
    }
    pub(crate) unsafe fn _mm512_cvtepu8_epi32(a: __m128i) -> __m512i {
        let a: [u8; 16] = cast(a);
        wide(a.map(u32::from))
    }
    pub(crate) unsafe fn _mm512_cvtepu8_epi16(a: __m256i) -> __m512i {
        let a: [u8; 32] = cast(a);
        wide(a.map(u16::from))
    }
    pub(crate) unsafe fn _mm512_cvtepi16_epi32(a: __m256i) -> __m512i {
        let a: [i16; 16] = cast(a);
        wide(a.map(i32::from))
    }
    pub(crate) unsafe fn _mm512_cvtepu16_epi32(a: __m256i) -> __m512i {
        let a: [u16; 16] = cast(a);
        wide(a.map(u32::from))
    }
    /// In each 128 bits four of the first, then four of the second.
    pub(crate) unsafe fn _mm512_packs_epi32(a: __m512i, b: __m512i) -> __m512i {
        let (a, b): ([[i32; 4]; 4], [[i32; 4]; 4]) = (cast(a.0), cast(b.0));
        let saturated = |x: i32| x.clamp(-32768, 32767) as i16;
        wide::<[[[i16; 4]; 2]; 4]>(core::array::from_fn(|q| {
            [a[q].map(saturated), b[q].map(saturated)]
        }))
    }
    pub(crate) unsafe fn _mm512_packs_epi16(a: __m512i, b: __m512i) -> __m512i {
        let (a, b): ([[i16; 8]; 4], [[i16; 8]; 4]) = (cast(a.0), cast(b.0));
        let saturated = |x: i16| x.clamp(-128, 127) as i8;
        wide::<[[[i8; 8]; 2]; 4]>(core::array::from_fn(|q| {
            [a[q].map(saturated), b[q].map(saturated)]
        }))
    }
    /// From signed words to unsigned bytes.
    pub(crate) unsafe fn _mm512_packus_epi16(a: __m512i, b: __m512i) -> __m512i {
        let (a, b): ([[i16; 8]; 4], [[i16; 8]; 4]) = (cast(a.0), cast(b.0));
        let saturated = |x: i16| x.clamp(0, 255) as u8;
        wide::<[[[u8; 8]; 2]; 4]>(core::array::from_fn(|q| {
            [a[q].map(saturated), b[q].map(saturated)]
        }))
    }

    /// The lower words.
    pub(crate) unsafe fn _mm512_cvtepi32_epi16(a: __m512i) -> __m256i {
        let a: [i32; 16] = cast(a.0);
        cast(a.map(|a| a as i16))
    }

    // Permutations.

    pub(crate) unsafe fn _mm512_permutexvar_epi8(idx: __m512i, a: __m512i) -> __m512i {
        // The index has six bits.
        wide(select(a.0, a.0, |i| usize::from(idx.0[i] % 64)))
    }
    pub(crate) unsafe fn _mm512_permutexvar_epi32(idx: __m512i, a: __m512i) -> __m512i {
        let (idx, a): ([u32; 16], [u32; 16]) = (cast(idx.0), cast(a.0));
        wide(select(a, a, |i| idx[i] as usize % 16))
    }
    /// Each 128 bits by themselves; 0 where the index has its highest bit.
    pub(crate) unsafe fn _mm512_shuffle_epi8(a: __m512i, idx: __m512i) -> __m512i {
        let found = core::array::from_fn::<u8, 64, _>(|i| a.0[i / 16 * 16 + usize::from(idx.0[i] % 16)]);
        wide(core::array::from_fn::<u8, 64, _>(|i| {
            if idx.0[i] < 128 { found[i] } else { 0 }
        }))
    }
    pub(crate) unsafe fn _mm512_permutex2var_epi8(a: __m512i, idx: __m512i, b: __m512i) -> __m512i {
        wide(select(a.0, b.0, |i| usize::from(idx.0[i])))
    }
    pub(crate) unsafe fn _mm512_permutex2var_epi16(a: __m512i, idx: __m512i, b: __m512i) -> __m512i {
        let (a, idx, b): ([u16; 32], [u16; 32], [u16; 32]) = (cast(a.0), cast(idx.0), cast(b.0));
        wide(select(a, b, |i| usize::from(idx[i])))
    }
    pub(crate) unsafe fn _mm512_maskz_permutex2var_epi16(
        k: __mmask32,
        a: __m512i,
        idx: __m512i,
        b: __m512i,
    ) -> __m512i {
        // SAFETY: nothing is asked for.
        blend::<i16, 32>(k.into(), wide([0u8; 64]), unsafe {
            _mm512_permutex2var_epi16(a, idx, b)
        })
    }
    pub(crate) unsafe fn _mm512_permutex2var_epi64(a: __m512i, idx: __m512i, b: __m512i) -> __m512i {
        let (a, idx, b): ([u64; 8], [u64; 8], [u64; 8]) = (cast(a.0), cast(idx.0), cast(b.0));
        wide(select(a, b, |i| (idx[i] % 16) as usize))
    }
    pub(crate) unsafe fn _mm512_permutex2var_ps(a: __m512, idx: __m512i, b: __m512) -> __m512 {
        let idx: [u32; 16] = cast(idx.0);
        __m512(select(a.0, b.0, |i| idx[i] as usize))
    }
    /// Two quarters of the first, then two of the second, each by two bits.
    pub(crate) unsafe fn _mm512_shuffle_i64x2<const IMM: i32>(a: __m512i, b: __m512i) -> __m512i {
        let (a, b): ([[u8; 16]; 4], [[u8; 16]; 4]) = (cast(a.0), cast(b.0));
        let field = |i: usize| (IMM >> (2 * i) & 3) as usize;
        wide([a[field(0)], a[field(1)], b[field(2)], b[field(3)]])
    }
    pub(crate) unsafe fn _mm512_shuffle_f32x4<const IMM: i32>(a: __m512, b: __m512) -> __m512 {
        // SAFETY: nothing is asked for.
        __m512(cast(
            unsafe { _mm512_shuffle_i64x2::<IMM>(wide(a.0), wide(b.0)) }.0,
        ))
    }
    pub(crate) unsafe fn _mm512_shuffle_epi32<const IMM: _MM_PERM_ENUM>(a: __m512i) -> __m512i {
        let a: [u32; 16] = cast(a.0);
        wide(select_128(a, a, |i| (IMM >> (2 * i) & 3) as usize))
    }
    pub(crate) unsafe fn _mm512_unpacklo_ps(a: __m512, b: __m512) -> __m512 {
        __m512(select_128(a.0, b.0, |i| i / 2 + i % 2 * 4))
    }
    pub(crate) unsafe fn _mm512_unpackhi_ps(a: __m512, b: __m512) -> __m512 {
        __m512(select_128(a.0, b.0, |i| 2 + i / 2 + i % 2 * 4))
    }
    pub(crate) unsafe fn _mm512_unpacklo_epi64(a: __m512i, b: __m512i) -> __m512i {
        let (a, b): ([u64; 8], [u64; 8]) = (cast(a.0), cast(b.0));
        wide(select_128(a, b, |i| 2 * i))
    }
    pub(crate) unsafe fn _mm512_unpackhi_epi64(a: __m512i, b: __m512i) -> __m512i {
        let (a, b): ([u64; 8], [u64; 8]) = (cast(a.0), cast(b.0));
        wide(select_128(a, b, |i| 1 + 2 * i))
    }
    pub(crate) unsafe fn _mm512_shuffle_ps<const IMM: i32>(a: __m512, b: __m512) -> __m512 {
        __m512(select_128(a.0, b.0, |i| {
            (IMM >> (2 * i) & 3) as usize + i / 2 * 4
        }))
    }
    pub(crate) unsafe fn _mm512_permutexvar_ps(index: __m512i, a: __m512) -> __m512 {
        let index: [u32; 16] = cast(index.0);
        __m512(core::array::from_fn(|i| a.0[index[i] as usize % 16]))
    }
    pub(crate) unsafe fn _mm512_unpacklo_epi16(a: __m512i, b: __m512i) -> __m512i {
        let (a, b): ([u16; 32], [u16; 32]) = (cast(a.0), cast(b.0));
        wide(select_128(a, b, |i| i / 2 + i % 2 * 8))
    }
    pub(crate) unsafe fn _mm512_unpackhi_epi16(a: __m512i, b: __m512i) -> __m512i {
        let (a, b): ([u16; 32], [u16; 32]) = (cast(a.0), cast(b.0));
        wide(select_128(a, b, |i| 4 + i / 2 + i % 2 * 8))
    }
    pub(crate) unsafe fn _mm512_unpacklo_epi8(a: __m512i, b: __m512i) -> __m512i {
        wide(select_128(a.0, b.0, |i| i / 2 + i % 2 * 16))
    }
    pub(crate) unsafe fn _mm512_unpackhi_epi8(a: __m512i, b: __m512i) -> __m512i {
        wide(select_128(a.0, b.0, |i| 8 + i / 2 + i % 2 * 16))
    }
}
