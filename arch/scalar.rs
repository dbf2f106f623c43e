//! The portable level: arrays and loops, the twin that every other level is held against.

use super::{LANES, Part, Simd, array};

/// The level that every machine has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

#[inline(always)]
fn map<A: Copy, B: Copy>(a: [A; LANES], f: impl Fn(A) -> B) -> [B; LANES] {
    array!(LANES, i => f(a[i]))
}

#[inline(always)]
fn zip<A: Copy, B: Copy>(a: [A; LANES], b: [A; LANES], f: impl Fn(A, A) -> B) -> [B; LANES] {
    array!(LANES, i => f(a[i], b[i]))
}

#[inline(always)]
fn fold<A: Copy>(mut a: [A; LANES], f: impl Fn(A, A) -> A) -> A {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            a[i] = f(a[i], a[i + half]);
        }
        half /= 2;
    }
    a[0]
}

#[inline(always)]
fn butterfly<A: Copy>(mut a: [A; LANES], add: impl Fn(A, A) -> A, sub: impl Fn(A, A) -> A) -> [A; LANES] {
    let mut stride = LANES / 2;
    while stride > 0 {
        let mut i = 0;
        while i < LANES {
            if i & stride == 0 {
                (a[i], a[i + stride]) = (add(a[i], a[i + stride]), sub(a[i], a[i + stride]));
            }
            i += 1;
        }
        stride /= 2;
    }
    a
}

impl Simd for Scalar {
    type F = [f32; LANES];
    type I = [i32; LANES];
    type H = [i16; LANES];

    #[inline(never)]
    fn outline<P: Part<Self>>(self, part: P) -> P::Output {
        part.run(self)
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        *from
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        *to = v;
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        map(a, f32::abs)
    }
    #[inline(always)]
    fn gt(self, a: Self::F, b: Self::F) -> Self::I {
        zip(a, b, |a, b| -i32::from(a > b))
    }
    #[inline(always)]
    fn bits(self, a: Self::F) -> Self::I {
        map(a, |a| a.to_bits() as i32)
    }
    #[inline(always)]
    fn float_of_bits(self, a: Self::I) -> Self::F {
        map(a, |a| f32::from_bits(a as u32))
    }
    #[inline(always)]
    fn truncate(self, a: Self::F) -> Self::I {
        map(a, |a| a as i32)
    }
    #[inline(always)]
    fn to_float(self, a: Self::I) -> Self::F {
        map(a, |a| a as f32)
    }
    #[inline(always)]
    fn wht(self, a: Self::F) -> Self::F {
        butterfly(a, |a, b| a + b, |a, b| a - b)
    }
    #[inline(always)]
    fn reduce_add(self, a: Self::F) -> f32 {
        fold(a, |a, b| a + b)
    }
    #[inline(always)]
    fn reduce_min(self, a: Self::F) -> f32 {
        fold(a, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn reduce_max(self, a: Self::F) -> f32 {
        fold(a, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> Self::I {
        map(*from, i32::from)
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> Self::I {
        [x; LANES]
    }
    #[inline(always)]
    fn iota(self) -> Self::I {
        array!(LANES, i => i as i32)
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, i32::wrapping_sub)
    }
    #[inline(always)]
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, i32::wrapping_mul)
    }
    #[inline(always)]
    fn max_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn and(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn xor(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn shl<const BITS: i32>(self, a: Self::I) -> Self::I {
        map(a, |a| a << BITS)
    }
    #[inline(always)]
    fn shr<const BITS: i32>(self, a: Self::I) -> Self::I {
        map(a, |a| (a as u32 >> BITS) as i32)
    }
    #[inline(always)]
    fn reduce_max_i(self, a: Self::I) -> i32 {
        fold(a, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn narrow(self, a: Self::I) -> Self::H {
        map(a, |a| a as i16)
    }
    #[inline(always)]
    fn store_u8(self, a: Self::I, to: &mut [u8; LANES]) {
        *to = map(a, |a| a as u8);
    }

    #[inline(always)]
    fn load_u8_h(self, from: &[u8; LANES]) -> Self::H {
        map(*from, i16::from)
    }
    #[inline(always)]
    fn load_h(self, from: &[i16; LANES]) -> Self::H {
        *from
    }
    #[inline(always)]
    fn add_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, i16::wrapping_add)
    }
    #[inline(always)]
    fn sub_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, i16::wrapping_sub)
    }
    #[inline(always)]
    fn xor_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn wht_h(self, a: Self::H) -> Self::H {
        butterfly(a, i16::wrapping_add, i16::wrapping_sub)
    }
    #[inline(always)]
    fn h_to_float(self, a: Self::H) -> Self::F {
        map(a, f32::from)
    }
    #[inline(always)]
    fn store_h(self, a: Self::H, to: &mut [i16; LANES]) {
        *to = a;
    }
    #[inline(always)]
    fn max_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn shl_h<const BITS: i32>(self, a: Self::H) -> Self::H {
        map(a, |a| a << BITS)
    }
    #[inline(always)]
    fn reduce_min_h(self, a: Self::H) -> i16 {
        fold(a, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn sign_maxima(self, mut largest: Self::H, mut negated: Self::H) -> (Self::H, Self::H) {
        let mut stride = LANES / 2;
        while stride > 0 {
            let (l, n) = (largest, negated);
            for i in 0..LANES {
                let partner = i ^ stride;
                let (own, other) = if i & stride == 0 {
                    (l[i], n[i])
                } else {
                    (n[i], l[i])
                };
                largest[i] = if own > l[partner] { own } else { l[partner] };
                negated[i] = if other > n[partner] { other } else { n[partner] };
            }
            stride /= 2;
        }
        (largest, negated)
    }
}
