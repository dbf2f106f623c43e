//! Every operation at every level against the scalar one, on random and on adversarial numbers. `TAHQ_SEED` repeats a
//! failure.
//!
//! Where the machine has AVX2, AVX-512 is tested as well against a model of its instructions, operation by operation
//! and in whole frames.

use std::{env, format, println, vec, vec::Vec};

use super::*;
use crate::{Config, Decoder, Effort, Element, Encoder, Exponents, TileSize, bf16, f16};

/// The levels of this machine, and those that are modelled.
fn levels() -> Vec<Level> {
    let levels = Level::available();
    #[cfg(target_arch = "x86_64")]
    let levels = levels.chain(modelled());
    levels.collect()
}

#[cfg(target_arch = "x86_64")]
fn modelled() -> Option<Level> {
    model::avx512::Avx512::detect().map(|token| Level(Kind::Avx512Model(token)))
}

fn seed(default: u64) -> u64 {
    match env::var("TAHQ_SEED") {
        Ok(seed) => seed.parse().expect("TAHQ_SEED is a decimal number"),
        Err(_) => default,
    }
}

struct Rng(u64);

impl Rng {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    fn lanes<T>(&mut self, lane: impl Fn(&mut Self) -> T) -> [T; LANES] {
        core::array::from_fn(|_| lane(self))
    }

    fn vectors<T, const N: usize>(&mut self, lane: impl Fn(&mut Self) -> T) -> [[T; LANES]; N] {
        core::array::from_fn(|_| self.lanes(&lane))
    }

    /// Not a NaN: of any size, subnormal, ties of every rounding there is, ends of ranges.
    fn float(&mut self) -> f32 {
        let bits = self.draw();
        let low = bits as u32;
        let whole = ((bits >> 32) % 601) as f32 - 300.0;
        let near = [0, 0xfff, 0x1000, 0x1001][(bits >> 40 & 3) as usize];
        let value = match bits >> 60 {
            0 => f32::from_bits(low & 0x80ff_ffff),
            1 | 2 => whole + 0.5,
            3 => whole + 0.5 + [f32::EPSILON, -f32::EPSILON][(low & 1) as usize] * whole,
            4 => whole,
            5 => [
                0.0,
                -0.0,
                f32::MAX,
                -f32::MAX,
                f32::MIN_POSITIVE,
                -f32::from_bits(1),
                65_519.996,
                65_520.0,
            ][(low & 7) as usize],
            // Between two numbers of f16, and of bf16.
            6 => f32::from_bits(f16::from_bits(low as u16).to_f32().to_bits() + near),
            7 => (low & 0xfff) as f32 * [1.0, -1.0][(low >> 31) as usize] / 33_554_432.0,
            8 => f32::from_bits((low & 0xffff_0000) + (near << 3)),
            9 => [255.5, 254.5, -128.5, 127.5, -127.5, 2_147_483_500.0, -0.5, 0.5][(low & 7) as usize],
            10..13 => ((bits >> 40) as f32 / 8_388_608.0 - 1.0) * 300.0,
            _ => f32::from_bits(low),
        };
        if value.is_nan() { 1.5 } else { value }
    }

    /// The same below `limit` in magnitude.
    fn below(&mut self, limit: f32) -> f32 {
        let value = self.float();
        if value.abs() < limit {
            value
        } else {
            f32::from_bits(limit.to_bits() - 1 - (self.draw() % 9) as u32).copysign(value)
        }
    }

    fn integer(&mut self) -> i32 {
        let bits = self.draw();
        match bits >> 61 {
            0 => [0, -1, 1, i32::MAX, i32::MIN, 255, 256, -128][(bits & 7) as usize],
            1 => bits as i32 % 1000,
            _ => bits as i32,
        }
    }

    fn byte(&mut self) -> u8 {
        let bits = self.draw();
        match bits >> 62 {
            0 => [0, 1, 127, 128, 254, 255, 15, 16][(bits & 7) as usize],
            _ => bits as u8,
        }
    }

    fn word(&mut self) -> i16 {
        let bits = self.draw();
        match bits >> 62 {
            0 => [0, -1, 1, i16::MAX, i16::MIN, 255, 256, -256][(bits & 7) as usize],
            _ => bits as i16,
        }
    }
}

/// What a failure is reported with.
#[derive(Clone, Copy)]
struct Report {
    level: &'static str,
    seed: u64,
}

type Bits = [u32; LANES];

impl Report {
    #[inline(never)]
    fn same(self, operation: &str, got: Bits, expected: Bits) {
        assert!(
            got == expected,
            "{operation} at level {}, TAHQ_SEED={}:\n got      {got:x?}\n expected {expected:x?}",
            self.level,
            self.seed
        );
    }

    /// The same numbers: either zero where they are zeros.
    #[inline(never)]
    fn equal(self, operation: &str, got: Bits, expected: Bits) {
        let unsigned = |bits: Bits| bits.map(|bits| if bits == 1 << 31 { 0 } else { bits });
        self.same(operation, unsigned(got), unsigned(expected));
    }
}

// Vectors of each kind as bits.

#[inline(always)]
fn f<S: Simd>(s: S, v: S::F) -> Bits {
    let mut out = [0.0; LANES];
    s.store(v, &mut out);
    bytemuck::cast(out)
}

#[inline(always)]
fn i<S: Simd>(s: S, v: S::I) -> Bits {
    f(s, s.float_of_bits(v))
}

#[inline(always)]
fn h<S: Simd>(s: S, v: S::H) -> Bits {
    i(s, s.h_to_i(v))
}

#[inline(always)]
fn b<S: Simd>(s: S, v: S::B) -> Bits {
    let mut out = [0; LANES];
    s.store_or(v, &mut out);
    widened(out)
}

fn widened<T: Into<i32>, const N: usize>(values: [T; N]) -> Bits {
    let mut bits = [0; LANES];
    for (bits, value) in bits.iter_mut().zip(values) {
        *bits = value.into() as u32;
    }
    bits
}

/// `same(operation, load, bits; arguments)`: the operation of arrays, each brought in by `load`, and its result brought
/// out by `bits`.
macro_rules! check {
    ($report:expr, $s:expr; $($how:ident($op:ident $(::<$c:tt>)?, $load:ident, $out:ident; $($a:expr),+);)+) => {$(
        $report.$how(
            stringify!($op),
            $out($s, $s.$op$(::<$c>)?($($s.$load(&$a)),+)),
            $out(Scalar, Scalar.$op$(::<$c>)?($($a),+)),
        );
    )+};
}

/// One round of an operation test.
struct Floats<'r>(Report, &'r mut Rng);

impl<S: Simd> Part<S> for Floats<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let Self(report, rng) = self;
        let (x, y) = (rng.lanes(Rng::float), rng.lanes(Rng::float));
        check!(report, s;
            same(abs, load, f; x);
            same(bits, load, i; x);
            equal(min, load, f; x, y);
            equal(max, load, f; x, y);
            same(gt, load, i; x, y);
            same(gt, load, i; x, x);
        );
        let mask = |v: u32| core::array::from_fn(|i| v >> i & 1);
        report.same(
            "above",
            mask(s.above(s.load(&x), s.load(&y))),
            mask(Scalar.above(x, y)),
        );
        let bytes = array!(BLOCK, i => [0, 0, 1, 0x7f, 0x80, 0xff][x[i].to_bits() as usize % 6]);
        let least = bytes[rng.draw() as usize % BLOCK];
        report.same(
            "at_least",
            mask(s.at_least(&bytes, least)),
            mask(Scalar.at_least(&bytes, least)),
        );
        let first = |lanes: &[f32; LANES]| array!(BLOCK, i => lanes[i]);
        let whole = |lanes: [f32; BLOCK]| of_tiles::<S, _>(lanes).map(f32::to_bits);
        let wide = array!(BLOCK, i => if x[i].to_bits() % 4 == 0 { y[i + 1] } else { x[i] });
        let (p, q) = (first(&x), first(&y));
        let [p_t, q_t, wide_t] = [s.load_t(&p), s.load_t(&q), s.load_t(&wide)];
        report.same("load_t, store_t", whole(s.store_t(p_t)), whole(p));
        report.same("splat_t", whole(s.store_t(s.splat_t(p[0]))), whole([p[0]; BLOCK]));
        let numbers = array!(BLOCK, t => [p[t], q[t], wide[t]]);
        macro_rules! scalar {
            ($p:ident, $q:ident, $wide:ident => $result:expr) => {
                some_at_a_time(&numbers, |numbers| {
                    let [$p, $q, $wide] = array!(3, i => Scalar.load_t(&array!(BLOCK, t => numbers[t][i])));
                    $result
                })
            };
        }
        report.same(
            "abs_t",
            whole(s.store_t(s.abs_t(p_t))),
            whole(scalar!(p, _q, _wide => Scalar.store_t(Scalar.abs_t(p)))),
        );
        report.same(
            "where_below",
            whole(s.store_t(s.where_below(q_t, wide_t, p_t, q_t))),
            whole(scalar!(p, q, wide => Scalar.store_t(Scalar.where_below(q, wide, p, q)))),
        );
        let bits = |bits: u32| array!(BLOCK, t => bits >> t & 1);
        report.same(
            "above_t",
            of_tiles::<S, _>(bits(s.above_t(p_t, q_t))),
            of_tiles::<S, _>(scalar!(p, q, _wide => bits(Scalar.above_t(p, q)))),
        );
        let words = array!(BLOCK, i => y[i].to_bits() as i16);
        let others = array!(BLOCK, i => x[i].to_bits() as u8);
        let quads = |quads: [[u8; 4]; BLOCK]| array!(LANES, i => u32::from_be_bytes(quads[i % BLOCK]));
        let chosen = |bytes: [u8; BLOCK]| array!(LANES, i => u32::from(bytes[i % BLOCK]));
        report.same(
            "bytes_where",
            chosen(s.bytes_where(y[0].to_bits(), &others)),
            chosen(Scalar.bytes_where(y[0].to_bits(), &others)),
        );
        report.same(
            "words_to_t",
            whole(s.store_t(s.words_to_t(&words))),
            whole(some_at_a_time(&words, |words| {
                Scalar.store_t(Scalar.words_to_t(words))
            })),
        );
        report.same(
            "quads",
            quads(s.quads(&words, [&bytes, &others])),
            quads(Scalar.quads(&words, [&bytes, &others])),
        );
        report.same("splat", f(s, s.splat(x[0])), f(Scalar, Scalar.splat(x[0])));
        let mut halves = ([0; LANES], [0; LANES]);
        s.store_f16(s.load(&x), &mut halves.0);
        Scalar.store_f16(x, &mut halves.1);
        report.same("store_f16", widened(halves.0), widened(halves.1));
        s.store_bf16(s.load(&x), &mut halves.0, None);
        Scalar.store_bf16(x, &mut halves.1, None);
        report.same("store_bf16", widened(halves.0), widened(halves.1));
        let normal = x.map(|x| if x.is_subnormal() { 0.0 } else { x });
        s.store_bf16(s.load(&normal), &mut halves.0, s.narrower());
        Scalar.store_bf16(normal, &mut halves.1, None);
        report.same("store_bf16 normal", widened(halves.0), widened(halves.1));

        // Finite, and so no difference of infinities.
        let (x, y) = (rng.lanes(|r| r.below(f32::MAX)), rng.lanes(|r| r.below(f32::MAX)));
        let (p, q) = (first(&x), first(&y));
        let (p_t, q_t) = (s.load_t(&p), s.load_t(&q));
        // Either zero of a minimum or maximum is as good.
        let sum_of_zero = |lanes: [f32; BLOCK]| whole(lanes.map(|x| x + 0.0));
        let numbers = array!(BLOCK, t => [p[t], q[t]]);
        macro_rules! operations {
            ($($op:ident $bits:ident),+) => {
                $(report.same(
                    stringify!($op),
                    $bits(s.store_t(s.$op(p_t, q_t))),
                    $bits(some_at_a_time(&numbers, |numbers| {
                        let [p, q] = array!(2, i => Scalar.load_t(&array!(BLOCK, t => numbers[t][i])));
                        Scalar.store_t(Scalar.$op(p, q))
                    })),
                );)+
            };
        }
        operations!(add_t whole, sub_t whole, mul_t whole, min_t sum_of_zero, max_t sum_of_zero);
        check!(report, s;
            same(add, load, f; x, y);
            same(sub, load, f; x, y);
            same(mul, load, f; x, y);
        );
        let x = rng.lanes(|r| r.below(4_194_304.0));
        check!(report, s; equal(round, load, f; x););
        let x = rng.lanes(|r| r.below(2_147_483_648.0));
        check!(report, s;
            same(truncate, load, i; x);
            same(to_bytes, load, b; x);
            same(to_signed_bytes, load, b; x);
        );
        let x = rng.lanes(|r| r.below(1e36));
        check!(report, s; same(wht, load, f; x););
        let y = rng.lanes(|r| r.below(1e36));
        bytes_of_tiles::<S, 1>(report, rng, s);
        bytes_of_tiles::<S, 2>(report, rng, s);
        bytes_of_tiles::<S, 4>(report, rng, s);
        // How far a vector is folded by itself is the level's own.
        let reduced = whole;
        let a: [[f32; LANES]; BLOCK] = core::array::from_fn(|_| rng.lanes(|r| r.below(1e36)));
        let v = array!(BLOCK, t => s.load(&a[t]));
        report.same(
            "fold_add, reduce_add",
            reduced(s.reduce_add(&v.map(|v| s.fold_add(v)))),
            reduced(some_at_a_time(&a.map(|a| Scalar.fold_add(a)), |a| {
                Scalar.reduce_add(a)
            })),
        );
        report.equal(
            "fold_min, reduce_min",
            reduced(s.reduce_min(&v.map(|v| s.fold_min(v)))),
            reduced(some_at_a_time(&a.map(|a| Scalar.fold_min(a)), |a| {
                Scalar.reduce_min(a)
            })),
        );
        report.equal(
            "fold_max, reduce_max",
            reduced(s.reduce_max(&v.map(|v| s.fold_max(v)))),
            reduced(some_at_a_time(&a.map(|a| Scalar.fold_max(a)), |a| {
                Scalar.reduce_max(a)
            })),
        );

        // At every alignment.
        let mut to = [0.0; LANES + 16];
        let at = (rng.draw() % 17) as usize;
        let stored = to[at..].first_chunk_mut::<LANES>().expect("16 lanes of room");
        s.store(s.load(&y), stored);
        report.same("store", bytemuck::cast(*stored), bytemuck::cast(y));
        report.same("load", f(s, s.load(stored)), bytemuck::cast(y));
        // Whether it is lines or not.
        let mut to = [Line([0; LINE]); 4];
        let stored = &mut bytemuck::cast_slice_mut(&mut to)[(rng.draw() % 17) as usize..];
        let stored = stored.first_chunk_mut::<LANES>().expect("32 lanes of room");
        s.stream(s.load(&x), stored);
        s.fence();
        report.same("stream", bytemuck::cast(*stored), bytemuck::cast(x));
        let mut line = Line([0; LINE]);
        s.stream_line(
            bytemuck::cast_slice(&x).first_chunk().expect("128 bytes"),
            &mut line,
        );
        s.fence();
        let lanes: &[u32] = bytemuck::cast_slice(core::slice::from_ref(&line));
        let expected: &[u32] = bytemuck::cast_slice(&x[..LINE / 4]);
        report.same(
            "stream_line",
            core::array::from_fn(|i| lanes[i % (LINE / 4)]),
            core::array::from_fn(|i| expected[i % (LINE / 4)]),
        );
        let to = [0.0; LANES];
        s.prefetch(to.as_ptr().cast());
        s.prefetch(core::ptr::null());
    }
}

/// Rounding of whole tiles to bytes.
#[inline(always)]
fn bytes_of_tiles<S: Simd, const N: usize>(report: Report, rng: &mut Rng, s: S) {
    let x: [[f32; LANES]; N] = rng.vectors(|r| r.below(8.0));
    let bytes = s.tile_to_bytes(array!(N, v => s.load(&x[v])));
    for v in 0..N {
        report.same("tile_to_bytes", b(s, bytes[v]), b(Scalar, Scalar.to_bytes(x[v])));
    }
}

/// Words of whole tiles, their transform and what is made of it. `limit` is the largest word, if it is less than words may be:
/// where a sum of as many may exceed i16, levels need only agree that one did.
#[inline(always)]
fn words_of_tiles<S: Simd, const N: usize>(report: Report, rng: &mut Rng, s: S, limit: f32) {
    let limit = limit.min(f32::from(word_peak(N)));
    let mut x: [[f32; LANES]; N] = rng.vectors(|r| r.below(limit));
    if rng.draw().is_multiple_of(4) {
        // A row of the matrix: all of it comes to one coefficient.
        let row = rng.draw() as usize % (N * LANES);
        for (k, x) in x.as_flattened_mut().iter_mut().enumerate() {
            *x = if walsh(row, k) { -limit } else { limit };
        }
    }
    // More than once, for some.
    for _ in 0..rng.draw() % 3 {
        let (from, to) = (
            rng.draw() as usize % (N * LANES),
            rng.draw() as usize % (N * LANES),
        );
        x.as_flattened_mut()[to] = x.as_flattened()[from];
    }
    let loaded = array!(N, v => s.load(&x[v]));
    let some = rng.draw() as usize % (N * LANES);
    let some = Scalar.words(x).as_flattened()[some];
    let first = |first: usize| [first as u32; LANES];
    report.same(
        "first_word",
        first(s.first_word(s.words(loaded), some)),
        first(Scalar.first_word(Scalar.words(x), some)),
    );
    let spectra = (s.wht_words(s.words(loaded)), Scalar.wht_words(Scalar.words(x)));
    let ends = |spectrum: &[[i16; LANES]; N]| {
        let mut words = spectrum.as_flattened().iter();
        words.any(|&word| word <= -i16::MAX || word == i16::MAX)
    };
    let mut stored = [[0; LANES]; N];
    for v in 0..N {
        s.store_h(spectra.0[v], &mut stored[v]);
    }
    let limited = |spectrum| [u32::from(ends(spectrum)); LANES];
    report.same("wht_words, limited", limited(&stored), limited(&spectra.1));
    if ends(&stored) {
        return;
    }
    let row = rng.draw() as usize % (N * LANES);
    let flipped = (s.flip_words(spectra.0, row), Scalar.flip_words(spectra.1, row));
    // Bytes show where every word is.
    let factor = [1, 64, 8192, 32767][rng.draw() as usize % 4];
    let scaled = (
        array!(N, v => s.mul_high_h(flipped.0[v], s.splat_h(factor))),
        array!(N, v => Scalar.mul_high_h(flipped.1[v], [factor; LANES])),
    );
    let signed = (
        s.words_to_signed_bytes(scaled.0),
        Scalar.words_to_signed_bytes(scaled.1),
    );
    let unsigned = (s.words_to_bytes(scaled.0), Scalar.words_to_bytes(scaled.1));
    // As they come from words scaled to 127, and fewer, of which many are equal.
    let peak = flipped
        .1
        .as_flattened()
        .iter()
        .map(|word| i32::from(*word).abs())
        .max();
    let reach = [127, 127, 31, 3][rng.draw() as usize % 4];
    let factor = (reach * 32768 / peak.unwrap_or(1).max(127)) as i16;
    let narrow = (
        array!(N, v => s.mul_high_h(flipped.0[v], s.splat_h(factor))),
        array!(N, v => Scalar.mul_high_h(flipped.1[v], [factor; LANES])),
    );
    // About another pivot, the other one is elsewhere.
    let row = rng.draw() as usize % (N * LANES);
    let found = (
        s.narrowest_two([narrow.0, s.flip_words(narrow.0, row)]),
        Scalar.narrowest_two([narrow.1, Scalar.flip_words(narrow.1, row)]),
    );
    for t in 0..2 {
        report.same(
            "narrowest_two",
            [found.0[t] as u32; LANES],
            [found.1[t] as u32; LANES],
        );
    }
    let mut least = [[0; 16]; BLOCK];
    let (mut most, mut largest) = (least, least);
    for v in 0..N {
        report.same("words_to_signed_bytes", b(s, signed.0[v]), b(Scalar, signed.1[v]));
        report.same("words_to_bytes", b(s, unsigned.0[v]), b(Scalar, unsigned.1[v]));
        (least[v], most[v]) = (s.fold_min_h(flipped.0[v]), s.fold_max_h(flipped.0[v]));
        largest[v] = s.fold_max_h(s.abs_h(flipped.0[v]));
    }
    let (least, most) = (s.reduce_min_h(&least), s.reduce_max_h(&most));
    let largest = s.reduce_max_h(&largest);
    // The order of a level's own may be one of all vectors.
    let extreme = |word: Option<i16>| [word.map_or(0, i32::from) as u32; LANES];
    let words = || flipped.1.as_flattened().iter().copied();
    report.same(
        "fold_min_h",
        extreme(least[..N].iter().copied().min()),
        extreme(words().min()),
    );
    report.same(
        "fold_max_h",
        extreme(most[..N].iter().copied().max()),
        extreme(words().max()),
    );
    report.same(
        "abs_h",
        extreme(largest[..N].iter().copied().max()),
        extreme(words().map(i16::wrapping_abs).max()),
    );
}

struct Integers<'r>(Report, &'r mut Rng);

impl<S: Simd> Part<S> for Integers<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let Self(report, rng) = self;
        let (x, y) = (rng.lanes(Rng::integer), rng.lanes(Rng::integer));
        let mut some = [0; LANES + 1];
        some[1..].copy_from_slice(&x);
        let unaligned = some[1..].first_chunk().expect("as long as it was made");
        report.same("load_i", i(s, s.load_i(unaligned)), x.map(|x| x as u32));
        check!(report, s;
            same(float_of_bits, load_i, f; x);
            same(to_float, load_i, f; x);
            same(add_i, load_i, i; x, y);
            same(sub_i, load_i, i; x, y);
            same(mul_i, load_i, i; x, y);
            same(max_i, load_i, i; x, y);
            same(xor, load_i, i; x, y);
            same(shl::<0>, load_i, i; x);
            same(shl::<3>, load_i, i; x);
            same(shl::<23>, load_i, i; x);
            same(shl::<31>, load_i, i; x);
            same(shr::<1>, load_i, i; x);
            same(shr::<16>, load_i, i; x);
            same(shr::<31>, load_i, i; x);
            same(low_bytes, load_i, b; x);
        );
        report.same("splat_i", i(s, s.splat_i(x[0])), [x[0] as u32; LANES]);
        let largest = s.reduce_max_i(s.load_i(&x));
        report.same(
            "reduce_max_i",
            [largest as u32; LANES],
            [Scalar.reduce_max_i(x) as u32; LANES],
        );
        let x = rng.lanes(|r| r.byte() as i8);
        report.same("load_i8", i(s, s.load_i8(&x)), i(Scalar, Scalar.load_i8(&x)));
        // Of eight significant bits, and as far from the ends of the normal numbers as the exponents reach.
        let factor = f32::from_bits((127 << 23) + (u32::from(rng.byte() % 128) << 16));
        let x = x.map(|x| x.max(-126));
        report.same(
            "times_powers",
            f(s, s.times_powers(factor, &x)),
            f(Scalar, Scalar.times_powers(factor, &x)),
        );
        // So that all powers are normal, though 2^(biased - 127) need not be.
        let (least, most) = x.iter().fold((127, -126), |(least, most), &x| {
            (i32::from(x).min(least), i32::from(x).max(most))
        });
        let biased = 1 + most + i32::from(rng.byte()) % (254 - (most - least));
        report.same(
            "powers_below",
            f(s, s.powers_below(biased, &x)),
            x.map(|x| ((biased - i32::from(x)) as u32) << 23),
        );
        let numbers: [_; 7] = rng.vectors(|r| match r.byte() {
            0 => f32::from_bits(r.word() as u32 | 0xff80_0000),
            bits if bits < 128 => r.below(3.0),
            _ => r.float(),
        });
        let numbers = &numbers[..usize::from(rng.byte() % 8)];
        let exponents = numbers.as_flattened().iter().map(|x| x.abs().to_bits() >> 23);
        report.same(
            "largest_exponent",
            [s.largest_exponent(numbers) as u32; LANES],
            [exponents.max().unwrap_or(0); LANES],
        );
        report.same(
            "times_powers",
            f(s, s.times_powers(factor, &x)),
            x.map(|x| (factor * f32::from_bits((i32::from(x) + 127) as u32 * (1 << 23))).to_bits()),
        );

        let (x, y) = (rng.lanes(Rng::word), rng.lanes(Rng::word));
        check!(report, s;
            same(h_to_i, load_h, i; x);
            same(add_h, load_h, h; x, y);
            same(sub_h, load_h, h; x, y);
            same(xor_h, load_h, h; x, y);
            same(min_h, load_h, h; x, y);
            same(max_h, load_h, h; x, y);
            same(sub_saturated_h, load_h, h; x, y);
        );
        let positive = y.map(|y| y.max(-i16::MAX));
        check!(report, s; same(mul_high_h, load_h, h; x, positive););
        report.same("splat_h", h(s, s.splat_h(x[0])), h(Scalar, [x[0]; LANES]));
        let mut stored = [0; LANES + 1];
        let unaligned = stored[1..].first_chunk_mut().expect("as long as it was made");
        s.store_h(s.load_h(&x), unaligned);
        report.same("store_h", h(Scalar, *unaligned), h(Scalar, x));
        let a: [[i16; LANES]; BLOCK] = core::array::from_fn(|_| rng.lanes(Rng::word));
        let v = array!(BLOCK, t => s.load_h(&a[t]));
        let reduced = |reduced: [i16; BLOCK]| of_tiles::<S, _>(reduced).map(|x| x as u32);
        report.same(
            "fold_min_h, reduce_min_h",
            reduced(s.reduce_min_h(&v.map(|v| s.fold_min_h(v)))),
            reduced(some_at_a_time(&a.map(|a| Scalar.fold_min_h(a)), |a| {
                Scalar.reduce_min_h(a)
            })),
        );
        report.same(
            "fold_max_h, reduce_max_h",
            reduced(s.reduce_max_h(&v.map(|v| s.fold_max_h(v)))),
            reduced(some_at_a_time(&a.map(|a| Scalar.fold_max_h(a)), |a| {
                Scalar.reduce_max_h(a)
            })),
        );
        for limit in [100.0, 255.0, 1400.0, f32::INFINITY] {
            words_of_tiles::<S, 1>(report, rng, s, limit);
            words_of_tiles::<S, 2>(report, rng, s, limit);
            words_of_tiles::<S, 4>(report, rng, s, limit);
        }
        // Sums of as many do not overflow.
        let x = x.map(|x| x >> 5);
        check!(report, s; same(wht_h, load_h, h; x););
    }
}

/// Of a block's numbers, those of as many tiles as the level has.
fn of_tiles<S: Simd, A: Copy + Default>(numbers: [A; BLOCK]) -> [A; LANES] {
    array!(LANES, i => if i < S::TILES { numbers[i % BLOCK] } else { A::default() })
}

/// What the scalar level makes of a block's numbers, as many tiles at a time as it has.
fn some_at_a_time<A: Copy, R: Copy + Default>(
    numbers: &[A; BLOCK],
    f: impl Fn(&[A; BLOCK]) -> [R; BLOCK],
) -> [R; BLOCK] {
    let mut results = [R::default(); BLOCK];
    for first in (0..BLOCK).step_by(Scalar::TILES) {
        let mut some = *numbers;
        some.rotate_left(first);
        results[first..][..Scalar::TILES].copy_from_slice(&f(&some)[..Scalar::TILES]);
    }
    results
}

struct Bytes<'r>(Report, &'r mut Rng);

impl Bytes<'_> {
    #[inline(always)]
    fn repeated<S: Simd, const BYTES: usize>(&mut self, s: S, x: &[u8; LANES]) {
        let from = x.first_chunk::<BYTES>().expect("at most 32");
        self.0
            .same("repeat", b(s, s.repeat(from)), b(Scalar, Scalar.repeat(from)));
        let mut folded = ([0; BYTES], [0; BYTES]);
        s.store_or(s.repeat(x), &mut folded.0);
        Scalar.store_or(*x, &mut folded.1);
        self.0.same("store_or", widened(folded.0), widened(folded.1));
    }

    #[inline(always)]
    fn packed<S: Simd>(&mut self, s: S, packed: &[u8; LANES]) {
        let Self(report, rng) = self;
        let packed = bytemuck::cast_ref(packed);
        let row = (rng.draw() % 64) as usize;
        let (n, expected) = (s.wht_packed(packed, row), Scalar.wht_packed(packed, row));
        let x = f32::from(rng.word()) / 8.0;
        let (sums, expected_sums) = (s.packed_plus(packed, x), Scalar.packed_plus(packed, x));
        let least = (rng.draw() % 200) as i8;
        let exponents = array!(64, _i => least.wrapping_add((rng.draw() % (WORD_POWERS as u64 + 1)) as i8));
        let plus = rng.word().min(WORD_PLUS);
        let unit = (8 + rng.draw() % 8) as f32 * 2.0f32.powi((rng.draw() % 64) as i32 - 32);
        let powers = (
            s.word_powers(&exponents, least),
            Scalar.word_powers(&exponents, least),
        );
        let times = (
            s.wht_packed_times(packed, row, &powers.0, unit),
            Scalar.wht_packed_times(packed, row, &powers.1, unit),
        );
        let plus_times = (
            s.packed_plus_times(packed, plus, &powers.0, unit),
            Scalar.packed_plus_times(packed, plus, &powers.1, unit),
        );
        for v in 0..2 {
            let operation = format!("wht_packed row {row} vector {v}");
            report.same(&operation, f(s, n[v]), f(Scalar, expected[v]));
            let operation = format!("packed_plus {x} vector {v}");
            report.same(&operation, f(s, sums[v]), f(Scalar, expected_sums[v]));
            let operation = format!("wht_packed_times row {row} vector {v}");
            report.same(&operation, f(s, times.0[v]), f(Scalar, times.1[v]));
            let operation = format!("packed_plus_times {plus} vector {v}");
            report.same(&operation, f(s, plus_times.0[v]), f(Scalar, plus_times.1[v]));
        }
    }

    #[inline(always)]
    fn vectors<S: Simd, const N: usize>(&mut self, s: S) {
        let Self(report, rng) = self;
        let floor = rng.byte();
        let a: [_; N] = rng.vectors(|r| r.byte().max(floor));
        let v = array!(N, v => s.repeat(&a[v]));
        report.same(
            "least",
            [s.least(&v) as u32; LANES],
            [Scalar.least(&a) as u32; LANES],
        );
        let mut tables = [[0i8; 16]; 2];
        tables
            .as_flattened_mut()
            .fill_with(|| (i16::from(rng.byte() % 129) - 64) as i8);
        if rng.draw() % 8 == 0 {
            tables = [[64; 16], [-64; 16]];
        }
        let mut sums = [[0; 8]; BLOCK];
        let mut expected = [[0; 8]; BLOCK];
        for t in 0..BLOCK {
            let mut a = a;
            a.as_flattened_mut().rotate_left(t);
            a[N - 1][..LANES / 2].fill((t as u8).wrapping_mul(37));
            let v = array!(N, v => s.repeat(&a[v]));
            (sums[t], expected[t]) = (s.sums_looked_up(&tables, v), Scalar.sums_looked_up(&tables, a));
        }
        let sums = s.reduce_looked_up::<N>(&sums);
        let expected = Scalar.reduce_looked_up::<N>(&expected);
        for i in 0..2 {
            report.same(
                "sums_looked_up",
                array!(LANES, t => sums[i][t % BLOCK] as u32),
                array!(LANES, t => expected[i][t % BLOCK] as u32),
            );
        }
        // As they come from numbers scaled to 127.
        let reach = 1 + rng.byte() % 127;
        let a: [_; N] = rng.vectors(|r| r.byte() as i8 % (reach as i8 + i8::from(reach < 127)));
        let a = a.map(|a| a.map(|a| a as u8));
        let values: [S::B; N] = array!(N, v => s.repeat(&a[v]));
        let mut reversed = a;
        reversed.as_flattened_mut().reverse();
        let other: [S::B; N] = array!(N, v => s.repeat(&reversed[v]));
        let ranges = s.sign_ranges(values);
        let expected = Scalar.sign_ranges(a);
        let two = s.sign_ranges_two([values, other]);
        let expected_two = Scalar.sign_ranges_two([a, reversed]);
        for v in 0..N {
            for t in 0..2 {
                report.same(
                    &format!("sign_ranges_two {N}"),
                    b(s, two[t][v]),
                    b(Scalar, expected_two[t][v]),
                );
            }
            report.same(
                &format!("sign_ranges {N}"),
                b(s, ranges[v]),
                b(Scalar, expected[v]),
            );
        }
        let kind = rng.draw() % 4;
        let a: [_; N] = rng.vectors(|r| match kind {
            0 => 15,
            1 => r.byte() % 2 * 15,
            _ => r.byte() % 16,
        });
        // One row a round, so that all are had in a few hundred.
        let row = (rng.draw() % (N * LANES) as u64) as usize;
        self.nibbles::<S, N>(s, a, row);
    }

    #[inline(never)]
    fn nibbles<S: Simd, const N: usize>(&mut self, s: S, a: [[u8; LANES]; N], row: usize) {
        s.outline(Nibbles::<N> {
            report: self.0,
            a,
            row,
        });
    }
}

struct Nibbles<const N: usize> {
    report: Report,
    a: [[u8; LANES]; N],
    row: usize,
}

impl<S: Simd, const N: usize> Part<S> for Nibbles<N> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let own: [S::B; N] = array!(N, v => s.repeat(&self.a[v]));
        let z = (self.row as i16).wrapping_mul(257) ^ i16::MIN;
        let n = s.wht_codes::<N>(own, self.row, z);
        let n = array!(N, v => n[exchanged::<S>(v, self.row) % N]);
        let expected = Scalar.wht_codes::<N>(self.a, self.row, z);
        // Up to 255.
        let wide = self.a.map(|a| a.map(|nibble| nibble << 4 | nibble));
        let all: [S::B; N] = array!(N, v => s.repeat(&wide[v]));
        let all = s.wht_wide_codes::<N>(all, self.row, z);
        let expected_all = Scalar.wht_wide_codes::<N>(wide, self.row, z);
        for v in 0..N {
            self.report.same(
                &format!("wht_wide_codes {N} row {}", self.row),
                i(s, all[exchanged::<S>(v, self.row) % N]),
                i(Scalar, expected_all[v]),
            );
        }
        let moved = s.add_at(n, self.row, z);
        let expected_moved = Scalar.add_at(expected, self.row, z);
        let packed: [[u8; LANES / 2]; N] =
            array!(N, v => array!(LANES / 2, i => self.a[v][2 * i] | self.a[v][2 * i + 1] << 4));
        let mut reversed = packed;
        reversed.as_flattened_mut().reverse();
        let rows = [self.row, N * LANES - 1 - self.row];
        let x = [z, !z];
        // From the least unit to the largest of which 2^24 are finite, the fourth of any mantissa.
        let least = 8u32;
        for bits in [
            least,
            127 * 8 + 5,
            230 * 8 + 7,
            least + (self.row as u32 * 29) % (223 * 8),
        ] {
            let units = [f32::from_bits(bits << 20), f32::from_bits((bits ^ 1) << 20)];
            // Of any of the tiles.
            let (t, other) = (self.row % LANES, (self.row + 1) % LANES);
            let (mut all_x, mut all_units) = ([0x1234; LANES], [1.0; LANES]);
            (all_x[t], all_x[other]) = (x[0], x[1]);
            (all_units[t], all_units[other]) = (units[0], units[1]);
            let scales = s.scales::<N>(all_x, all_units);
            let scalar_scales = Scalar.scales::<N>(all_x, all_units);
            let halfway = s.halfway_two([&packed, &reversed], rows);
            let places = [t, other];
            let two = array!(2, t => s.rotated_end(halfway[t], rows[t], &scales, places[t]));
            for (t, packed) in [packed, reversed].iter().enumerate() {
                let (row, x, unit) = (rows[t], x[t], units[t]);
                let one = s.rotated(packed, row, &scales, places[t]);
                let expected = Scalar.rotated(packed, row, &scalar_scales, places[t]);
                let plain = s.plain(packed, &scales, places[t]);
                let expected_plain = Scalar.plain(packed, &scalar_scales, places[t]);
                for v in 0..N {
                    let at = exchanged::<S>(v, row) % N;
                    let operation = format!("rotated {N} row {row} x {x} unit {unit} vector {v}");
                    self.report
                        .same(&operation, f(s, one[at]), f(Scalar, expected[v]));
                    let operation = format!("halfway_two {t} {N} row {row} x {x} unit {unit} vector {v}");
                    self.report
                        .same(&operation, f(s, two[t][at]), f(Scalar, expected[v]));
                    let operation = format!("plain {N} x {x} unit {unit} vector {v}");
                    self.report
                        .same(&operation, f(s, plain[v]), f(Scalar, expected_plain[v]));
                }
            }
        }
        for v in 0..N {
            let operation = format!("wht_codes {N} row {} vector {v}", self.row);
            self.report.same(&operation, i(s, n[v]), i(Scalar, expected[v]));
            let operation = format!("add_at {N} at {} vector {v}", self.row);
            self.report
                .same(&operation, i(s, moved[v]), i(Scalar, expected_moved[v]));
        }
    }
}

impl<S: Simd> Part<S> for Bytes<'_> {
    type Output = ();

    #[inline(always)]
    fn run(mut self, s: S) {
        let Self(report, rng) = &mut self;
        let (x, y) = (rng.lanes(Rng::byte), rng.lanes(Rng::byte));
        check!(report, s;
            same(eight_times, repeat, f; x);
            same(bytes_to_h, repeat, h; x);
            same(and_b, repeat, b; x, y);
            same(or_b, repeat, b; x, y);
            same(upper_halves, repeat, b; x, y);
            same(min_b, repeat, b; x, y);
            same(add_saturated_b, repeat, b; x, y);
        );
        let by = core::array::from_fn(|_| (rng.draw() % 8) as u32);
        report.same(
            "shl_b",
            b(s, s.shl_b(s.repeat(&x), &by)),
            b(Scalar, Scalar.shl_b(x, &by)),
        );
        report.same(
            "shr_b",
            b(s, s.shr_b(s.repeat(&x), &by)),
            b(Scalar, Scalar.shr_b(x, &by)),
        );
        report.same("splat_b", b(s, s.splat_b(x[0])), widened([x[0]; LANES]));
        self.repeated::<S, 4>(s, &x);
        self.repeated::<S, 8>(s, &x);
        self.repeated::<S, 16>(s, &x);
        self.repeated::<S, 32>(s, &x);
        self.packed(s, &x);
        self.vectors::<S, 1>(s);
        self.vectors::<S, 2>(s);
        self.vectors::<S, 4>(s);
    }
}

/// The 65536 numbers of either half-precision type.
struct Halves(Report);

impl<S: Simd> Part<S> for Halves {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        // A NaN is one, whatever its bits.
        let quiet = |bits: Bits| bits.map(|bits| if f32::from_bits(bits).is_nan() { !0 } else { bits });
        for start in (0..=u16::MAX).step_by(LANES) {
            let bits: [u16; LANES] = core::array::from_fn(|i| start + i as u16);
            let expected = bits.map(|bits| f16::from_bits(bits).to_f32().to_bits());
            self.0
                .same("load_f16", quiet(f(s, s.load_f16(&bits))), quiet(expected));
            let expected = bits.map(|bits| bf16::from_bits(bits).to_f32().to_bits());
            self.0
                .same("load_bf16", quiet(f(s, s.load_bf16(&bits))), quiet(expected));
        }
    }
}

/// All of it at one level.
struct Operations {
    report: Report,
    rounds: usize,
}

impl Kernel for Operations {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rng = &mut Rng(self.report.seed);
        for _ in 0..self.rounds {
            s.outline(Floats(self.report, &mut *rng));
            s.outline(Integers(self.report, &mut *rng));
            s.outline(Bytes(self.report, &mut *rng));
        }
        s.outline(Halves(self.report));
        // Every row.
        let mut bytes = Bytes(self.report, rng);
        for row in 0..LANES {
            let a = bytes.1.vectors(|r| r.byte() % 16);
            bytes.nibbles::<S, 1>(s, a, row);
        }
        for row in 0..2 * LANES {
            let a = bytes.1.vectors(|r| r.byte() % 16);
            bytes.nibbles::<S, 2>(s, a, row);
        }
        for row in 0..4 * LANES {
            let a = bytes.1.vectors(|r| r.byte() % 16);
            bytes.nibbles::<S, 4>(s, a, row);
        }
    }
}

#[test]
fn operations_are_the_same_at_every_level() {
    let seed = seed(0x7461_6871);
    for level in levels() {
        let report = Report {
            level: level.name(),
            seed,
        };
        level.run(Operations { report, rounds: 3000 });
        println!("level {}, TAHQ_SEED={seed}: every operation", level.name());
    }
}

/// Whole frames, of every element type, on models as well; `tests/levels.rs` has more, for the levels of the machine.
#[test]
fn frames_are_the_same_at_every_level() {
    let seed = seed(0x6672_616d);
    let rng = &mut Rng(seed);
    let mut count = 0;
    for config in [
        Config::TAH_QUANT,
        Config::TAH_QUANT_TOKEN,
        Config::INT4,
        Config::MIXED,
        Config::INT3,
        Config::GRADIENT,
        Config::INT8,
    ] {
        for tile in [TileSize::G32, TileSize::G64, TileSize::G128] {
            for effort in [Effort::Fast, Effort::Balanced, Effort::Best] {
                // Of eight rows the first are decoded by ready powers.
                let (rows, width) = ([2, 8][rng.draw() as usize % 2], 1 + (rng.draw() % 700) as u32);
                let exponents = [config.exponents, Exponents::InFrame][rng.draw() as usize % 2];
                let config = Config {
                    tile,
                    effort,
                    exponents,
                    ..config
                };
                let spiky = rng.draw().is_multiple_of(2);
                let x: Vec<f32> = (0..rows * width)
                    .map(|_| match rng.draw() {
                        bits if spiky && bits.is_multiple_of(61) => rng.below(1e30),
                        _ => rng.below(3.0),
                    })
                    .collect();
                check_frame(config, &x, rows, width, seed);
                let x: Vec<f16> = x.iter().map(|&x| f16::from_f32(x.clamp(-6e4, 6e4))).collect();
                check_frame(config, &x, rows, width, seed);
                let x: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(x.to_f32())).collect();
                check_frame(config, &x, rows, width, seed);
                count += 3;
            }
        }
    }
    for level in levels() {
        println!("level {}, TAHQ_SEED={seed}: {count} frames", level.name());
    }
}

fn check_frame<E: Element>(config: Config, x: &[E], rows: u32, width: u32, seed: u64) {
    let table: Vec<i8> = (0..width).map(|channel| (channel * 7 % 19) as i8 - 9).collect();
    let encoder = Encoder::new(config).expect("a preset").with_exponents(&table);
    let encode = |level| {
        let len = config
            .max_frame_len(rows, width, E::SOURCE)
            .expect("a small frame");
        let mut frame = vec![0; len];
        let len = encoder.with_level(level).encode(x, rows, width, &mut frame);
        frame.truncate(len.expect("finite values"));
        frame
    };
    let frame = encode(Level::SCALAR);
    let decode = |level| {
        let mut y = vec![E::zeroed(); x.len()];
        let decoder = Decoder::new().with_exponents(&table).with_level(level);
        decoder.decode(&frame, &mut y).expect("our own frame");
        bytemuck::cast_slice::<E, u8>(&y).to_vec()
    };
    let values = decode(Level::SCALAR);
    for level in levels() {
        let same = (encode(level) == frame, decode(level) == values);
        assert!(
            same == (true, true),
            "(encoding, decoding) {same:?} at level {}, TAHQ_SEED={seed}: {rows} x {width} {:?} {config:?}",
            level.name(),
            E::SOURCE
        );
    }
}
