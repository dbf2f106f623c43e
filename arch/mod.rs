//! Instruction sets: the small vector trait [`Simd`] that every kernel is written over, its levels, and
//! the one place where a level is chosen. Nothing here knows the format.
//!
//! The logical vector has 16 lanes at every level, so that each kernel, and with it every order of
//! floating-point operations, is written once and gives the same bits whatever the width of the
//! registers. A level implements the operations; it may not fuse or reassociate them.

mod scalar;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86_64;

pub(crate) use scalar::Scalar;
#[cfg(target_arch = "x86_64")]
use x86_64::avx2::Avx2;

/// Lanes of the logical vector.
pub(crate) const LANES: usize = 16;

/// An instruction-set level that this machine has. Every level gives the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Level(Kind);

/// Only detection makes a value of a kind that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Level {
    /// Portable code, always there.
    pub const SCALAR: Self = Self(Kind::Scalar);

    /// The levels that this machine has, the fastest last.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vector = [Avx2::detect().map(|token| Self(Kind::Avx2(token)))];
        #[cfg(not(target_arch = "x86_64"))]
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

/// Sixteen-lane vectors of f32, i32 and i16. A value of the implementing type is the proof that the
/// machine has the instructions.
///
/// Floating-point operations are IEEE 754 binary32, to nearest, ties to even, with subnormals, each
/// rounded by itself. `min` and `max` may give either zero for two zeros, and are unspecified for NaN;
/// kernels neither depend on the one nor meet the other.
pub(crate) trait Simd: Copy {
    /// 16 x f32.
    type F: Copy;
    /// 16 x i32.
    type I: Copy;
    /// 16 x i16.
    type H: Copy;

    /// Runs `part` in a function of its own, compiled for this level: for what is rare or long, since
    /// everything else is inlined into the function that [`Level::run`] calls.
    fn outline<P: Part<Self>>(self, part: P) -> P::Output;

    fn load(self, from: &[f32; LANES]) -> Self::F;
    fn store(self, v: Self::F, to: &mut [f32; LANES]);
    fn splat(self, x: f32) -> Self::F;
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// All ones where `a > b`, else 0.
    fn gt(self, a: Self::F, b: Self::F) -> Self::I;
    /// Bits of the lanes, reinterpreted.
    fn bits(self, a: Self::F) -> Self::I;
    /// Bits of the lanes, reinterpreted.
    fn float_of_bits(self, a: Self::I) -> Self::F;
    /// To the integer below in magnitude; lanes are within i32.
    fn truncate(self, a: Self::F) -> Self::I;
    fn to_float(self, a: Self::I) -> Self::F;
    /// Walsh-Hadamard butterfly over the 16 lanes, unnormalised, strides 8, 4, 2, 1 in this order.
    fn wht(self, a: Self::F) -> Self::F;
    /// Folds halves: lanes i and i + 8, then 4, 2, 1 apart.
    fn reduce_add(self, a: Self::F) -> f32;
    fn reduce_min(self, a: Self::F) -> f32;
    fn reduce_max(self, a: Self::F) -> f32;

    fn load_i8(self, from: &[i8; LANES]) -> Self::I;
    fn splat_i(self, x: i32) -> Self::I;
    /// Lane numbers 0..16.
    fn iota(self) -> Self::I;
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// Low 32 bits of the product.
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn max_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn and(self, a: Self::I, b: Self::I) -> Self::I;
    fn xor(self, a: Self::I, b: Self::I) -> Self::I;
    fn shl<const BITS: i32>(self, a: Self::I) -> Self::I;
    /// Zeros shifted in.
    fn shr<const BITS: i32>(self, a: Self::I) -> Self::I;
    fn reduce_max_i(self, a: Self::I) -> i32;
    /// The low half of each lane.
    fn narrow(self, a: Self::I) -> Self::H;
    /// The low byte of each lane.
    fn store_u8(self, a: Self::I, to: &mut [u8; LANES]);

    fn load_u8_h(self, from: &[u8; LANES]) -> Self::H;
    fn load_h(self, from: &[i16; LANES]) -> Self::H;
    fn add_h(self, a: Self::H, b: Self::H) -> Self::H;
    fn sub_h(self, a: Self::H, b: Self::H) -> Self::H;
    fn xor_h(self, a: Self::H, b: Self::H) -> Self::H;
    /// Walsh-Hadamard butterfly over the 16 lanes; no partial sum overflows.
    fn wht_h(self, a: Self::H) -> Self::H;
    fn h_to_float(self, a: Self::H) -> Self::F;
    fn store_h(self, a: Self::H, to: &mut [i16; LANES]);
    fn max_h(self, a: Self::H, b: Self::H) -> Self::H;
    fn min_h(self, a: Self::H, b: Self::H) -> Self::H;
    fn shl_h<const BITS: i32>(self, a: Self::H) -> Self::H;
    /// The least of 16 lanes none of which is negative.
    fn reduce_min_h(self, a: Self::H) -> i16;
    /// The butterfly of the largest value under every pattern of signs: over strides 8, 4, 2, 1 the pair of
    /// (largest, largest negated) becomes that of both lanes in the lower, and that of the lower and
    /// the negated upper in the upper.
    fn sign_maxima(self, largest: Self::H, negated: Self::H) -> (Self::H, Self::H);
}
