//! The element types that tensors come in: f32, f16 and bf16.

use bytemuck::Pod;
use half::{bf16, f16};

use crate::arch::{LANES, Line, Simd};
use crate::frame::SourceType;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
    impl Sealed for half::bf16 {}
}

/// Runs `$body` with `$slice` bound to the typed slice inside.
macro_rules! with_elements {
    ($kind:ident, $elements:expr, $slice:ident => $body:expr) => {
        match $elements {
            $crate::element::$kind::F32($slice) => $body,
            $crate::element::$kind::F16($slice) => $body,
            $crate::element::$kind::Bf16($slice) => $body,
        }
    };
}
pub(crate) use with_elements;

/// A slice of elements whose type is known at run time: what public functions, generic over [`Element`],
/// hand on, so that the kernels are compiled once, in this crate.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
    Bf16(&'a [bf16]),
}

impl<'a> Elements<'a> {
    pub(crate) const fn source(self) -> SourceType {
        match self {
            Self::F32(_) => SourceType::F32,
            Self::F16(_) => SourceType::F16,
            Self::Bf16(_) => SourceType::Bf16,
        }
    }

    pub(crate) const fn len(self) -> usize {
        with_elements!(Elements, self, x => x.len())
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The elements from `start` on, none where there are none.
    pub(crate) fn from(self, start: usize) -> Self {
        match self {
            Self::F32(x) => Self::F32(x.get(start..).unwrap_or(&[])),
            Self::F16(x) => Self::F16(x.get(start..).unwrap_or(&[])),
            Self::Bf16(x) => Self::Bf16(x.get(start..).unwrap_or(&[])),
        }
    }

    /// The first `len` elements, or all.
    pub(crate) fn first(self, len: usize) -> Self {
        match self {
            Self::F32(x) => Self::F32(x.get(..len).unwrap_or(x)),
            Self::F16(x) => Self::F16(x.get(..len).unwrap_or(x)),
            Self::Bf16(x) => Self::Bf16(x.get(..len).unwrap_or(x)),
        }
    }

    /// Calls `f` with each element's index and value.
    pub(crate) fn for_each(self, mut f: impl FnMut(usize, f32)) {
        with_elements!(Elements, self, x => x.iter().enumerate().for_each(|(i, x)| f(i, x.to_f32())));
    }
}

impl SourceType {
    /// An exponent `e` for which every value below `2^e` in magnitude is finite after rounding.
    pub(crate) const fn safe_exponent(self) -> i32 {
        match self {
            Self::F32 | Self::Bf16 => 127,
            Self::F16 => 15,
        }
    }

    /// Whether `value` is finite after rounding.
    pub(crate) fn holds(self, value: f32) -> bool {
        match self {
            Self::F32 => value.is_finite(),
            Self::F16 => f16::from_f32(value).is_finite(),
            Self::Bf16 => bf16::from_f32(value).is_finite(),
        }
    }
}

/// As [`Elements`], to write to.
#[doc(hidden)]
#[derive(Debug)]
pub enum ElementsMut<'a> {
    F32(&'a mut [f32]),
    F16(&'a mut [f16]),
    Bf16(&'a mut [bf16]),
}

/// An element type: `f32`, [`half::f16`] or [`half::bf16`]. Sealed.
pub trait Element: Pod + sealed::Sealed {
    /// Its code in the header.
    const SOURCE: SourceType;
    /// Rounds to nearest, ties to even; overflow gives an infinity, a NaN stays a NaN.
    fn from_f32(value: f32) -> Self;
    /// Exact.
    fn to_f32(self) -> f32;
    /// Reads the wire's little-endian bytes, of which there must be as many as the element has.
    #[doc(hidden)]
    fn from_wire(bytes: &[u8]) -> Self;
    /// Writes the wire's little-endian bytes.
    #[doc(hidden)]
    fn to_wire(self, bytes: &mut [u8]);
    #[doc(hidden)]
    fn elements(slice: &[Self]) -> Elements<'_>;
    #[doc(hidden)]
    fn elements_mut(slice: &mut [Self]) -> ElementsMut<'_>;
}

macro_rules! common {
    ($variant:ident) => {
        #[inline(always)]
        fn elements(slice: &[Self]) -> Elements<'_> {
            Elements::$variant(slice)
        }
        #[inline(always)]
        fn elements_mut(slice: &mut [Self]) -> ElementsMut<'_> {
            ElementsMut::$variant(slice)
        }
        #[inline(always)]
        fn from_wire(bytes: &[u8]) -> Self {
            Self::from_le_bytes(*bytes.first_chunk().unwrap_or(&[0; size_of::<Self>()]))
        }
        #[inline(always)]
        fn to_wire(self, bytes: &mut [u8]) {
            if let Some(bytes) = bytes.first_chunk_mut() {
                *bytes = self.to_le_bytes();
            }
        }
    };
}

impl Element for f32 {
    const SOURCE: SourceType = SourceType::F32;
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
    common!(F32);
}

impl Element for f16 {
    const SOURCE: SourceType = SourceType::F16;
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self.to_f32()
    }
    common!(F16);
}

impl Element for bf16 {
    const SOURCE: SourceType = SourceType::Bf16;
    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self.to_f32()
    }
    common!(Bf16);
}

/// Elements in and out of vectors.
pub(crate) trait Lanes: Element {
    fn load<S: Simd>(s: S, from: &[Self; LANES]) -> S::F;
    /// No lane is a NaN, and none is subnormal where there is a `narrower`.
    fn store<S: Simd>(s: S, v: S::F, to: &mut [Self; LANES], narrower: Option<S::Narrower>);
    /// The same past the caches, where it is lines that are written.
    fn stream<S: Simd>(s: S, v: S::F, to: &mut [Self; LANES], narrower: Option<S::Narrower>);
    /// What only such lanes are stored by, where the machine has it.
    #[inline(always)]
    fn narrower<S: Simd>(s: S) -> Option<S::Narrower> {
        match Self::SOURCE {
            SourceType::Bf16 => s.narrower(),
            _ => None,
        }
    }
    /// The biased exponent of the largest magnitude of a row, as f32: 255 where it is not finite, or a NaN is in it.
    fn peak_exponent<S: Simd>(s: S, row: &[Self]) -> i32;
}

/// The bits of the largest magnitude of a row of halves, which order as the magnitudes do.
#[inline(always)]
fn peak_of_halves(row: &[u16]) -> u16 {
    row.iter().fold(0, |peak, &bits| {
        let magnitude = bits & 0x7fff;
        if magnitude > peak { magnitude } else { peak }
    })
}

impl Lanes for f32 {
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[Self; LANES]) -> S::F {
        s.load(from)
    }
    #[inline(always)]
    fn store<S: Simd>(s: S, v: S::F, to: &mut [Self; LANES], _: Option<S::Narrower>) {
        s.store(v, to);
    }
    #[inline(always)]
    fn stream<S: Simd>(s: S, v: S::F, to: &mut [Self; LANES], _: Option<S::Narrower>) {
        s.stream(v, to);
    }
    #[inline(always)]
    fn peak_exponent<S: Simd>(s: S, row: &[Self]) -> i32 {
        let (whole, tail) = row.as_chunks::<LANES>();
        tail.iter().fold(s.largest_exponent(whole), |exponent, element| {
            exponent.max(element.abs().to_bits() as i32 >> 23)
        })
    }
}

macro_rules! halves {
    ($element:ident, $load:ident, $store:ident, $narrower:ident, [$($argument:tt)*]) => {
        impl Lanes for $element {
            #[inline(always)]
            fn load<S: Simd>(s: S, from: &[Self; LANES]) -> S::F {
                s.$load(bytemuck::cast_ref(from))
            }
            #[inline(always)]
            fn store<S: Simd>(s: S, v: S::F, to: &mut [Self; LANES], $narrower: Option<S::Narrower>) {
                s.$store(v, bytemuck::cast_mut(to) $($argument)*);
            }
            #[inline(always)]
            fn stream<S: Simd>(s: S, v: S::F, to: &mut [Self; LANES], $narrower: Option<S::Narrower>) {
                let mut halves = [0u16; LANES];
                s.$store(v, &mut halves $($argument)*);
                if let Ok(line) = bytemuck::try_cast_mut::<[Self; LANES], Line>(to) {
                    s.stream_line(bytemuck::cast_ref(&halves), line);
                } else {
                    s.$store(v, bytemuck::cast_mut(to) $($argument)*);
                }
            }
            #[inline(always)]
            fn peak_exponent<S: Simd>(_: S, row: &[Self]) -> i32 {
                let peak = Self::from_bits(peak_of_halves(bytemuck::cast_slice(row)));
                peak.to_f32().to_bits() as i32 >> 23
            }
        }
    };
}

halves!(f16, load_f16, store_f16, _narrower, []);
halves!(bf16, load_bf16, store_bf16, narrower, [, narrower]);
