//! AVX-512 with byte permutations and sums of products (F, BW, VL, VBMI, VNNI and GFNI): a logical vector of f32 or i32 is
//! two registers, one of i16 is one. Bytes are a register of AVX2, whose operations they share.
//!
//! No fused multiply-add, as with AVX2, but where what is rounded once is what the scalar level rounds once.

use super::machine::*;
use crate::arch::x86_64::avx2::Avx2;
use crate::arch::{
    BLOCK, Folded, FoldedWords, LANES, LINE, Line, LookedUp, Part, Scales, Simd, array, first_of, one_at,
    tiles_are_lanes, walsh, wht_of_words,
};

/// Proof that the machine has AVX-512 F, BW, VL, VBMI, VNNI and GFNI, and what AVX2's token proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Avx512(Avx2);

impl Avx512 {
    /// The token, where the machine has the instructions.
    #[inline]
    pub(crate) fn detect() -> Option<Self> {
        match Avx2::detect() {
            Some(avx2) if detected() => Some(Self(avx2)),
            _ => None,
        }
    }
}

/// An expression of intrinsics that touch no memory.
macro_rules! avx512 {
    ($e:expr) => {
        // SAFETY: `self` proves that the machine has AVX-512 F, BW, VL, VBMI, VNNI and GFNI, AVX2 and F16C, which is all that
        // these intrinsics ask for.
        unsafe { $e }
    };
}

/// An intrinsic on each of two registers.
macro_rules! each {
    ($f:ident, $a:expr) => {
        avx512!([$f($a[0]), $f($a[1])])
    };
    ($f:ident, $a:expr, $b:expr) => {
        avx512!([$f($a[0], $b[0]), $f($a[1], $b[1])])
    };
}

/// The halves of a register.
macro_rules! halves {
    ($a:expr) => {{
        let a = $a;
        [_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64::<1>(a)]
    }};
}

/// The first two folds, to a register of AVX2: lanes 16 apart are registers apart, and lanes 8 apart halves.
macro_rules! fold {
    ($f:ident, $of_halves:ident, $a:expr) => {{
        let mut lanes = [0.0; 8];
        // SAFETY: AVX-512 by the token; the array has the eight floats that are written.
        unsafe {
            let a = halves!(_mm512_castps_si512($f($a[0], $a[1])));
            let a = $of_halves(_mm256_castsi256_ps(a[0]), _mm256_castsi256_ps(a[1]));
            _mm256_storeu_ps(lanes.as_mut_ptr(), a);
        }
        lanes
    }};
}

/// What sixteen tiles were folded to, of 32 bytes each, two in a register: eight apart, since a load of two would wait until
/// what was stored last is in memory.
macro_rules! loaded_by_two {
    ($a:expr) => {
        array!(8, i => joined!(
            _mm256_loadu_si256($a[i].as_ptr().cast()),
            _mm256_loadu_si256($a[i + 8].as_ptr().cast())
        ))
    };
}

/// In which lane of what the eight of [`loaded_by_two`] come to each tile is.
macro_rules! order_of_tiles {
    () => {
        _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15)
    };
}

/// The last three folds of sixteen vectors, transposed: each fold takes two registers of two, four or eight at once.
macro_rules! reduce {
    ($f:ident, $a:expr) => {{
        let a: &[Folded; BLOCK] = $a;
        let mut reduced = [0.0; BLOCK];
        // SAFETY: AVX-512 by the token; the arrays have the 8 or 16 floats that are read or written at a time.
        unsafe {
            let two = loaded_by_two!(a);
            let two = array!(8, i => _mm512_castsi512_ps(two[i]));
            let four = array!(4, i => $f(
                _mm512_shuffle_f32x4::<0b10_00_10_00>(two[2 * i], two[2 * i + 1]),
                _mm512_shuffle_f32x4::<0b11_01_11_01>(two[2 * i], two[2 * i + 1])
            ));
            let eight = array!(2, i => {
                let a = [_mm512_castps_si512(four[2 * i]), _mm512_castps_si512(four[2 * i + 1])];
                $f(
                    _mm512_castsi512_ps(_mm512_unpacklo_epi64(a[0], a[1])),
                    _mm512_castsi512_ps(_mm512_unpackhi_epi64(a[0], a[1])),
                )
            });
            let sixteen = $f(
                _mm512_shuffle_ps::<0b10_00_10_00>(eight[0], eight[1]),
                _mm512_shuffle_ps::<0b11_01_11_01>(eight[0], eight[1]),
            );
            _mm512_storeu_ps(reduced.as_mut_ptr(), _mm512_permutexvar_ps(order_of_tiles!(), sixteen));
        }
        reduced
    }};
}

/// Rounds to integers that are saturated to i16, and then to bytes by `$pack`.
macro_rules! pack {
    ($pack:ident, $a:expr) => {{
        let a = each!(_mm512_cvtps_epi32, $a);
        avx512!({
            // Each 128 bits have four lanes of either register.
            let words = _mm512_packs_epi32(a[0], a[1]);
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 4, 8, 12, 1, 5, 9, 13);
            _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, $pack(words, words)))
        })
    }};
}

/// Words of N vectors by `$pack` to bytes, two vectors at a time, ordered by `$order`, the bits of `$flipped` flipped.
macro_rules! pack_words {
    ($pack:ident, $order:expr, $flipped:expr, $a:expr) => {{
        let (order, a): (&Aligned<i8, 64>, _) = ($order, $a);
        // SAFETY: AVX-512 by the token; the table has the 64 bytes that are read.
        let order = unsafe { _mm512_loadu_epi8(order.0.as_ptr()) };
        let mut bytes = [avx512!(_mm256_setzero_si256()); N];
        for pair in 0..N.div_ceil(2) {
            let (low, high) = (2 * pair, (2 * pair + 1) % N);
            let both = avx512!(_mm512_xor_si512(
                _mm512_permutexvar_epi8(order, $pack(a[low], a[high])),
                _mm512_set1_epi8($flipped)
            ));
            bytes[low] = avx512!(_mm512_castsi512_si256(both));
            if N > 1 {
                bytes[high] = avx512!(_mm512_extracti64x4_epi64::<1>(both));
            }
        }
        bytes
    }};
}

/// Folds words to a register of AVX2.
macro_rules! fold_words {
    ($f:ident, $a:expr) => {{
        let mut words = [0; 16];
        // SAFETY: AVX-512 by the token; the array has the 16 words that are written.
        unsafe {
            let a = halves!($a);
            _mm256_storeu_si256(words.as_mut_ptr().cast(), $f(a[0], a[1]));
        }
        words
    }};
}

/// The other folds of sixteen vectors of words, transposed as by [`reduce`].
macro_rules! reduce_words {
    ($f:ident, $a:expr) => {{
        let a: &[FoldedWords; BLOCK] = $a;
        let mut reduced = [0; BLOCK];
        // SAFETY: AVX-512 by the token; the arrays have the 16 words that are read or written at a time.
        unsafe {
            let two = loaded_by_two!(a);
            let four = array!(4, i => $f(
                _mm512_shuffle_i64x2::<0b10_00_10_00>(two[2 * i], two[2 * i + 1]),
                _mm512_shuffle_i64x2::<0b11_01_11_01>(two[2 * i], two[2 * i + 1])
            ));
            let eight = array!(2, i => _mm512_castsi512_ps($f(
                _mm512_unpacklo_epi64(four[2 * i], four[2 * i + 1]),
                _mm512_unpackhi_epi64(four[2 * i], four[2 * i + 1])
            )));
            let sixteen = $f(
                _mm512_castps_si512(_mm512_shuffle_ps::<0b10_00_10_00>(eight[0], eight[1])),
                _mm512_castps_si512(_mm512_shuffle_ps::<0b11_01_11_01>(eight[0], eight[1])),
            );
            // The other word of two, in the lower place.
            let sixteen = $f(sixteen, _mm512_rol_epi32::<16>(sixteen));
            let words = _mm512_cvtepi32_epi16(_mm512_permutexvar_epi32(order_of_tiles!(), sixteen));
            _mm256_storeu_si256(reduced.as_mut_ptr().cast(), words);
        }
        reduced
    }};
}

/// What is loaded by 64 bytes, from lines of the caches: indices for permutations, signs.
#[repr(align(64))]
struct Aligned<T, const N: usize>([T; N]);

/// The low bytes of the i32 of two registers; the upper half means nothing.
static LOW_BYTES: Aligned<i8, 64> = {
    let mut indices = [0; 64];
    let mut i = 0;
    while i < 64 {
        indices[i] = (4 * (i % LANES)) as i8;
        i += 1;
    }
    Aligned(indices)
};

/// The upper words of the lanes of two registers.
static UPPER: Aligned<i16, 32> = {
    let mut indices = [0; 32];
    let mut i = 0;
    while i < 32 {
        indices[i] = 2 * i as i16 + 1;
        i += 1;
    }
    Aligned(indices)
};

/// What undoes the exchanges of [`Avx512::wht`]: from where, for either register, lanes come that were left in the
/// order of bits 3, 4, 2 and 1 of their number in the register that bit 0 is.
static UNDO: [Aligned<i32, 16>; 2] = {
    let mut tables = [Aligned([0; 16]), Aligned([0; 16])];
    let mut e = 0;
    while e < LANES as i32 {
        let at = (e & 1) << 4 | (e >> 3 & 1) << 3 | (e >> 4 & 1) << 2 | (e >> 2 & 1) << 1 | e >> 1 & 1;
        tables[e as usize / 16].0[e as usize % 16] = at;
        e += 1;
    }
    tables
};

/// Where the bytes of two vectors come from once their four registers are packed to words and these to bytes, each 128
/// bits of which have four lanes of each.
static PACKED: Aligned<i8, 64> = {
    let mut table = Aligned([0; 64]);
    let mut e = 0;
    while e < 2 * LANES {
        table.0[e] = (e % 16 / 4 * 16 + e / 16 * 4 + e % 4) as i8;
        e += 1;
    }
    table
};

/// The lanes of the words of two vectors as [`Avx512::words`] has them.
static LANES_OF_WORDS: [u8; 2 * LANES] = {
    let mut table = [0; 2 * LANES];
    let mut at = 0;
    while at < 2 * LANES {
        let lane = (at >> 2 & 1) << 4 | (at >> 3 & 3) << 2 | at & 3;
        table[at] = (at / LANES * LANES + lane) as u8;
        at += 1;
    }
    table
};

/// Which of 64 words stands at place `at` of the two registers that [`Avx512::wht_words`] gives of two vectors: bits 0, 3,
/// 5, 2, 4 and 1 of its number, from the highest of `at` down. Of one vector, the same without bit 5.
const fn word_at(at: usize, vectors: usize) -> usize {
    let (register, high, low) = if vectors == 1 {
        (at >> 4, at >> 3 & 1, 0)
    } else {
        (at >> 5, at >> 4 & 1, at >> 3 & 1)
    };
    register | high << 3 | low << 5 | (at >> 2 & 1) << 2 | (at >> 1 & 1) << 4 | (at & 1) << 1
}

/// Bits of the words that [`Avx512::wht_words`] gives of one vector whose signs a row of the matrix changes: masks are a
/// sixteenth of what factors would take of the cache.
static WORD_SIGNS: [[u32; 1]; LANES] = sign_bits();

/// The same of two vectors.
static PAIR_SIGNS: [[u32; 2]; 2 * LANES] = sign_bits();

const fn sign_bits<const N: usize, const ROWS: usize>() -> [[u32; N]; ROWS] {
    let mut table = [[0; N]; ROWS];
    let mut row = 0;
    while row < ROWS {
        let mut at = 0;
        while at < N * LANES {
            table[row][at / LANES] |= (walsh(row, word_at(at, N)) as u32) << (at % LANES);
            at += 1;
        }
        row += 1;
    }
    table
}

/// Where the bytes of these words come from once they are packed, each 128 bits of which have eight of each register; one
/// vector is packed beside itself.
static PACKED_WORDS: [Aligned<i8, 64>; 2] = {
    let mut tables = [Aligned([0; 64]), Aligned([0; 64])];
    let mut at = 0;
    while at < 64 {
        let two = word_at(at, 2);
        tables[1].0[two] = (at >> 3 << 4 & 0x30 | at >> 5 << 3 | at & 7) as i8;
        let one = word_at(at % LANES, 1);
        tables[0].0[one] = ((at % LANES) >> 3 << 4 | at & 7) as i8;
        at += 1;
    }
    tables
};

/// Lanes of words whose signs a row of the matrix changes, a bit for each.
static LANE_SIGNS: [u32; LANES] = {
    let mut table = [0; LANES];
    let mut row = 0;
    while row < LANES {
        let mut lane = 0;
        while lane < LANES {
            table[row] |= (walsh(row, lane) as u32) << lane;
            lane += 1;
        }
        row += 1;
    }
    table
};

/// Where the words of two vectors' lanes come from as [`Avx512::wht_wide_codes`] leaves them, for the upper halves of the
/// four registers of lanes: bits 0, 4, 5, 3, 2 and 1 of a lane's number, from the highest of its word's place down.
static EIGHTHS: [[Aligned<i16, 32>; 2]; 2] = {
    let mut tables = [const { [const { Aligned([0; 32]) }; 2] }; 2];
    let mut e = 0;
    while e < 2 * LANES {
        let at = (e & 1) << 5 | (e >> 4 & 1) << 4 | (e >> 5) << 3 | e >> 1 & 7;
        tables[e / LANES][e / 16 % 2].0[2 * (e % 16) + 1] = at as i16;
        e += 1;
    }
    tables
};

/// Where the range about each pivot is that [`Avx512::narrowest_two`] finds: bits 5, 1, 3, 0, 2 and 4 of the pivot, from the
/// highest of its place down.
static RANGES: Aligned<i8, 64> = {
    let mut table = Aligned([0; 64]);
    let mut pivot = 0;
    while pivot < 2 * LANES {
        let low = (pivot & 1) << 2 | (pivot >> 2 & 1) << 1 | pivot >> 4 & 1;
        table.0[pivot] = (pivot & 0x20 | (pivot >> 1 & 1) << 4 | pivot & 8 | low) as i8;
        pivot += 1;
    }
    table
};

/// The bits of 3 * 2^22, to which an integer below 2^22 in magnitude is added as to an integer.
const MAGIC: i32 = 0x4b40_0000;

/// Where the bytes come from that are added up for each of 16 lanes, four for each: of two registers that
/// [`Avx512::sixteens`] gives, by the lower four bits of the pivot.
///
/// The registers are bit 0 of what an element's sum is exchanged for; bits 3, 2 and 1 are the lowest of a byte's place.
/// What has not been added up yet follows: the bit of the nibble, at 8, and the bits of the bytes' number from 4 up.
const fn addends(vectors: usize, which: usize) -> [Aligned<u8, 64>; 16] {
    let mut table = [const { Aligned([0; 64]) }; 16];
    let mut pivot = 0;
    while pivot < 16 {
        let mut at = 0;
        while at < 64 {
            let (sum, low, high) = (at >> 2 ^ pivot, at & 1, at >> 1 & 1);
            let place = match vectors {
                // The nibble's bit twice, with half of the weight.
                1 => low << 3,
                2 => which << 5 | low << 4 | high << 3,
                _ => high << 5 | low << 4 | which << 3,
            };
            table[pivot].0[at] = ((sum & 1) << 6 | place | sum >> 1) as u8;
            at += 1;
        }
        pivot += 1;
    }
    table
}

/// What four bytes are multiplied by: rows of the matrix of two bits, times eight, by the pivot's bit 4 and the register.
const fn weights(vectors: usize, negated: bool) -> [[i32; 4]; 2] {
    let mut table = [[0; 4]; 2];
    let mut at = 0;
    while at < 8 {
        let row = at >> 2 ^ at & 3;
        let mut byte = 0;
        while byte < 4 {
            // One bit is had twice of one vector.
            let (row, weight) = if vectors == 1 { (row & 1, 4) } else { (row, 8) };
            let weight: i8 = if walsh(row, byte) != negated {
                -weight
            } else {
                weight
            };
            table[at >> 2][at & 3] |= (weight as u8 as i32) << (8 * byte);
            byte += 1;
        }
        at += 1;
    }
    table
}

/// What the sums of the first two registers start from: `zero`, and 2^11 less for each vector in that which the pivot is in,
/// as bytes have been 128 too large: all have one sign there, and elsewhere they cancel. The pivot itself needs none of it, as
/// nibbles that have been eight too small cancel it there. By the register and the pivot's bit 4.
const fn starts(vectors: usize, zero: i32) -> [[i32; 2]; 2] {
    let less = zero - ((vectors as i32) << 11);
    [[less, zero], [zero, less]]
}

/// What [`Avx512::sums`] looks up for a tile, of one size.
struct Tables {
    /// Of two vectors for either of two tiles; of four, of the low nibbles and of the high ones; of one vector there is one.
    addends: [[Aligned<u8, 64>; 16]; 2],
    /// As integers, and upon [`MAGIC`].
    starts: [[[i32; 2]; 2]; 2],
    /// What bytes are multiplied by; and the high nibbles' in the upper two of four vectors.
    weights: [[[i32; 4]; 2]; 2],
}

/// A bit for the pivot's lane, in either register: masks take less to be loaded than what they mask, or to be made.
const PIVOTS: &[[u16; 2]; LANES] = &{
    let mut pivots = [[0; 2]; LANES];
    let mut pivot = 0;
    while pivot < LANES {
        pivots[pivot][pivot / 16] = 1 << (pivot % 16);
        pivot += 1;
    }
    pivots
};

impl Tables {
    const fn of(vectors: usize) -> Self {
        Self {
            addends: [addends(vectors, 0), addends(vectors, 1)],
            starts: [starts(vectors, 0), starts(vectors, MAGIC)],
            weights: [weights(vectors, false), weights(vectors, true)],
        }
    }
}

/// By the logarithm of the number of vectors. A constant, as a static's address is loaded first.
const TABLES: &[Tables; 3] = &[Tables::of(1), Tables::of(2), Tables::of(4)];

/// What nibbles stand for.
const EIGHTS: &[f32; 16] = &array!(16, i => 8.0 * i as f32);

/// The second and fourth, or third and fourth, quarters of two registers after the others: exchanges the registers for
/// a lane's bit 3 ([`exchange_8`]), or bit 2 for bit 3 and bit 3 for the registers ([`exchange_4`]).
macro_rules! exchange_8 {
    ($a:expr) => {{
        let a = $a;
        [
            _mm512_shuffle_f32x4::<0b01_00_01_00>(a[0], a[1]),
            _mm512_shuffle_f32x4::<0b11_10_11_10>(a[0], a[1]),
        ]
    }};
}

macro_rules! exchange_4 {
    ($a:expr) => {{
        let a = $a;
        [
            _mm512_shuffle_f32x4::<0b10_00_10_00>(a[0], a[1]),
            _mm512_shuffle_f32x4::<0b11_01_11_01>(a[0], a[1]),
        ]
    }};
}

/// The same of words.
macro_rules! exchange_words_8 {
    ($a:expr) => {{
        let a = $a;
        [
            _mm512_shuffle_i64x2::<0b01_00_01_00>(a[0], a[1]),
            _mm512_shuffle_i64x2::<0b11_10_11_10>(a[0], a[1]),
        ]
    }};
}

macro_rules! exchange_words_4 {
    ($a:expr) => {{
        let a = $a;
        [
            _mm512_shuffle_i64x2::<0b10_00_10_00>(a[0], a[1]),
            _mm512_shuffle_i64x2::<0b11_01_11_01>(a[0], a[1]),
        ]
    }};
}

/// The registers become bit 2 of a word's number in its 128 bits, whose lower two move up, and come last.
macro_rules! exchange_words {
    ($a:expr) => {{
        let a = $a;
        [
            _mm512_unpacklo_epi16(a[0], a[1]),
            _mm512_unpackhi_epi16(a[0], a[1]),
        ]
    }};
}

/// A stage of words between two registers.
macro_rules! word_stage {
    ($a:expr) => {{
        let a = $a;
        [_mm512_add_epi16(a[0], a[1]), _mm512_sub_epi16(a[0], a[1])]
    }};
}

/// The same, limited to i16.
macro_rules! limited_stage {
    ($a:expr) => {{
        let a = $a;
        [_mm512_adds_epi16(a[0], a[1]), _mm512_subs_epi16(a[0], a[1])]
    }};
}

/// The registers become bit 1 of a lane, which becomes bit 0 was, which becomes what the registers were.
macro_rules! exchange_2 {
    ($a:expr) => {{
        let a = $a;
        [_mm512_unpacklo_ps(a[0], a[1]), _mm512_unpackhi_ps(a[0], a[1])]
    }};
}

/// A stage between two registers.
macro_rules! stage {
    ($a:expr) => {{
        let a = $a;
        [_mm512_add_ps(a[0], a[1]), _mm512_sub_ps(a[0], a[1])]
    }};
}

/// A stage of [`Simd::sign_ranges`] between two registers that have values in the low half, negated ones in the high;
/// or between two of values, with those of negated ones.
macro_rules! sign_stage {
    ($a:expr) => {{
        let a = $a;
        let other = swap_halves!(a[1]);
        [_mm512_max_epi8(a[0], a[1]), _mm512_max_epi8(a[0], other)]
    }};
    ($l:expr, $n:expr) => {{
        let (l, n) = ($l, $n);
        (
            [_mm512_max_epi8(l[0], l[1]), _mm512_max_epi8(l[0], n[1])],
            [_mm512_max_epi8(n[0], n[1]), _mm512_max_epi8(n[0], l[1])],
        )
    }};
}

macro_rules! swap_halves {
    ($a:expr) => {{
        let a = $a;
        _mm512_shuffle_i64x2::<0b01_00_11_10>(a, a)
    }};
}

macro_rules! exchange_bytes {
    ($a:expr) => {{
        let a = $a;
        [_mm512_unpacklo_epi8(a[0], a[1]), _mm512_unpackhi_epi8(a[0], a[1])]
    }};
}

/// A stage of bytes between two registers.
macro_rules! byte_stage {
    ($a:expr) => {{
        let a = $a;
        [_mm512_add_epi8(a[0], a[1]), _mm512_sub_epi8(a[0], a[1])]
    }};
}

/// The same of registers of AVX2.
macro_rules! exchange_half_bytes {
    ($a:expr) => {{
        let a = $a;
        [_mm256_unpacklo_epi8(a[0], a[1]), _mm256_unpackhi_epi8(a[0], a[1])]
    }};
}

macro_rules! half_byte_stage {
    ($a:expr) => {{
        let a = $a;
        [_mm256_add_epi8(a[0], a[1]), _mm256_sub_epi8(a[0], a[1])]
    }};
}

/// Both as the halves of one register.
macro_rules! joined {
    ($low:expr, $high:expr) => {
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512($low), $high)
    };
}

/// The low nibbles of bytes and the high ones, each less eight: by a matrix with a row for every bit of what comes, three of
/// the nibble's and five times the opposite of its highest.
macro_rules! nibbles_less_eight {
    ($affine:ident, $splat:ident, $packed:expr) => {{
        let (packed, low, high) = ($packed, 0x0102_0408_0808_0808, 0x1020_4080_8080_8080u64 as i64);
        avx512!([
            $affine::<0xf8>(packed, $splat(low)),
            $affine::<0xf8>(packed, $splat(high)),
        ])
    }};
}

/// 32 bytes of a tile's nibbles, which has so many if it is not of one vector.
#[inline(always)]
fn half_of<const N: usize>(packed: &[[u8; LANES / 2]; N], half: usize) -> &[u8; LANES] {
    packed
        .as_flattened()
        .as_chunks()
        .0
        .get(half)
        .unwrap_or(&[0; LANES])
}

impl Avx512 {
    /// Values in the low half, negated in the high one.
    #[inline(always)]
    fn with_negated(self, values: __m256i) -> __m512i {
        avx512!(joined!(values, _mm256_sub_epi8(_mm256_setzero_si256(), values)))
    }

    /// [`Simd::sign_ranges`] of 64 lanes, after the stage of stride 32. As with AVX2, unpacking exchanges a register for
    /// a lane.
    #[inline(always)]
    fn sign_ranges_64(self, a: [__m512i; 2]) -> [__m256i; 2] {
        avx512!({
            let low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
            let high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
            let a = sign_stage!([
                _mm512_permutex2var_epi64(a[0], low, a[1]),
                _mm512_permutex2var_epi64(a[0], high, a[1]),
            ]);
            let a = sign_stage!(exchange_bytes!(a));
            let a = sign_stage!(exchange_bytes!(a));
            let a = sign_stage!(exchange_bytes!(a));
            let a = sign_stage!(exchange_bytes!(a));
            // The order is restored by a sixth exchange, and one of halves.
            let sums = [
                _mm256_add_epi8(_mm512_castsi512_si256(a[0]), _mm512_extracti64x4_epi64::<1>(a[0])),
                _mm256_add_epi8(_mm512_castsi512_si256(a[1]), _mm512_extracti64x4_epi64::<1>(a[1])),
            ];
            let sums = [
                _mm256_unpacklo_epi8(sums[0], sums[1]),
                _mm256_unpackhi_epi8(sums[0], sums[1]),
            ];
            [
                _mm256_permute2x128_si256::<0x20>(sums[0], sums[1]),
                _mm256_permute2x128_si256::<0x31>(sums[0], sums[1]),
            ]
        })
    }

    /// The stages over bits 3 to 0 of the numbers of nibbles less eight, in bytes, whose sums of sixteen fit; 128 is added,
    /// so that none is negative. Low nibbles and high ones are two registers, and unpacking exchanges these for a bit of the
    /// bytes' numbers before every stage.
    #[inline(always)]
    fn sixteens(self, a: [__m512i; 2]) -> [__m512i; 2] {
        avx512!({
            let a = byte_stage!(exchange_bytes!(a));
            let a = byte_stage!(exchange_bytes!(a));
            let a = byte_stage!(exchange_bytes!(a));
            let [first, second] = exchange_bytes!(a);
            byte_stage!([_mm512_xor_si512(first, _mm512_set1_epi8(-128)), second])
        })
    }

    /// The same of half as many, in the lower halves.
    #[inline(always)]
    fn half_sixteens(self, a: [__m256i; 2]) -> [__m512i; 2] {
        avx512!({
            let a = half_byte_stage!(exchange_half_bytes!(a));
            let a = half_byte_stage!(exchange_half_bytes!(a));
            let a = half_byte_stage!(exchange_half_bytes!(a));
            let [first, second] = exchange_half_bytes!(a);
            let [sums, differences] =
                half_byte_stage!([_mm256_xor_si256(first, _mm256_set1_epi8(-128)), second]);
            [_mm512_castsi256_si512(sums), _mm512_castsi256_si512(differences)]
        })
    }

    /// [`Avx512::sixteens`] of 64 bytes' nibbles: those of a tile of 128, or of two of 64.
    #[inline(always)]
    fn sixteens_of(self, halves: [&[u8; LANES]; 2]) -> [__m512i; 2] {
        self.sixteens(nibbles_less_eight!(
            _mm512_gf2p8affine_epi64_epi8,
            _mm512_set1_epi64,
            avx512!(joined!(self.repeat(halves[0]), self.repeat(halves[1])))
        ))
    }

    /// [`Avx512::half_sixteens`] of 32 bytes' nibbles, a tile of 64, or of a tile of 32 twice.
    #[inline(always)]
    fn half_sixteens_of(self, packed: __m256i) -> [__m512i; 2] {
        self.half_sixteens(nibbles_less_eight!(
            _mm256_gf2p8affine_epi64_epi8,
            _mm256_set1_epi64x,
            packed
        ))
    }

    /// The stages that are left, times eight, of what [`Avx512::sixteens`] gave: of tile `which` of two where they have both.
    /// As integers, or upon [`MAGIC`]; what the pivot's sum starts from is `at_pivot`, upon it likewise. Vectors are exchanged.
    #[inline(always)]
    fn sums<const N: usize, const UPON_MAGIC: bool>(
        self,
        sixteens: [__m512i; 2],
        which: usize,
        pivot: usize,
        at_pivot: i32,
    ) -> [[__m512i; 2]; N] {
        let (low, high) = (pivot % 16, pivot / 16 % 2);
        let tables = &TABLES[N.ilog2() as usize % 3];
        let addends = array!(2, i => {
            let places = &tables.addends[if N == 4 { i } else { which % N }][low];
            // SAFETY: AVX-512 by the token; the table has the 64 bytes that are read.
            let places = unsafe { _mm512_loadu_epi8(places.0.as_ptr().cast()) };
            avx512!(_mm512_permutex2var_epi8(sixteens[0], places, sixteens[1]))
        });
        let zero = self.splat_i(if UPON_MAGIC { MAGIC } else { 0 });
        // The pivot is in the first vector, which its own is exchanged with.
        let at_pivot = self.splat_i(at_pivot);
        let masks = PIVOTS[pivot % LANES];
        let first = array!(2, half => avx512!({
            let start = _mm512_set1_epi32(tables.starts[usize::from(UPON_MAGIC)][half][high]);
            _mm512_mask_mov_epi32(start, masks[half], at_pivot[half])
        }));
        array!(N, v => array!(2, half => {
            let start = if v == 0 { first[half] } else { zero[half] };
            let vector = 2 * v + half;
            let weights = array!(2, i => avx512!(_mm512_set1_epi32(
                tables.weights[i * (vector / 4)][high][vector % 4]
            )));
            avx512!({
                let sum = _mm512_dpbusd_epi32(start, addends[0], weights[0]);
                if N == 4 {
                    _mm512_dpbusd_epi32(sum, addends[1], weights[1])
                } else {
                    sum
                }
            })
        }))
    }
}

impl Simd for Avx512 {
    type Narrower = Narrower;
    type Scratch = [[f32; LANES]; 2 * BLOCK];
    type Words = [[i16; LANES]; 2 * BLOCK];
    type F = [__m512; 2];
    type I = [__m512i; 2];
    type H = __m512i;
    type B = __m256i;

    #[inline(always)]
    fn outline<P: Part<Self>>(self, part: P) -> P::Output {
        // SAFETY: a token exists only where `detect` saw the features that `enabled` requires.
        unsafe { enabled(self, part) }
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        let from = from.as_ptr();
        // SAFETY: AVX-512 by the token; 32 floats are readable behind the reference, at any alignment.
        unsafe { [_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(16))] }
    }
    #[inline(always)]
    fn load_f16(self, from: &[u16; LANES]) -> Self::F {
        let from = from.as_ptr();
        // SAFETY: AVX-512 by the token; 64 bytes are readable behind the reference, at any alignment.
        unsafe { array!(2, i => _mm512_cvtph_ps(_mm256_loadu_si256(from.add(16 * i).cast()))) }
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16; LANES]) -> Self::F {
        let from = from.as_ptr();
        // SAFETY: AVX-512 by the token; 64 bytes are readable behind the reference, at any alignment.
        unsafe {
            array!(2, i => _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(
                _mm256_loadu_si256(from.add(16 * i).cast())
            ))))
        }
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; LANES]) {
        let to = to.as_mut_ptr();
        // SAFETY: AVX-512 by the token; 32 floats are writable behind the reference, at any alignment.
        unsafe {
            _mm512_storeu_ps(to, v[0]);
            _mm512_storeu_ps(to.add(16), v[1]);
        }
    }
    #[inline(always)]
    fn store_f16(self, v: Self::F, to: &mut [u16; LANES]) {
        let to = to.as_mut_ptr();
        // To nearest, by the zeros of the lower bits.
        let half = avx512!([
            _mm512_cvtps_ph::<_MM_FROUND_NO_EXC>(v[0]),
            _mm512_cvtps_ph::<_MM_FROUND_NO_EXC>(v[1]),
        ]);
        // SAFETY: AVX2 by the token; 64 bytes are writable behind the reference, at any alignment.
        unsafe {
            _mm256_storeu_si256(to.cast(), half[0]);
            _mm256_storeu_si256(to.add(16).cast(), half[1]);
        }
    }
    #[inline(always)]
    fn store_bf16(self, v: Self::F, to: &mut [u16; LANES], narrower: Option<Narrower>) {
        if let Some(narrower) = narrower {
            // SAFETY: AVX-512 by the token; 64 bytes are writable behind the reference, at any alignment.
            unsafe { _mm512_storeu_epi16(to.as_mut_ptr().cast(), narrower.narrow(v[0], v[1])) };
            return;
        }
        // Half a unit in the last place, less one for even numbers: ties go to even. Both are words of one register, of
        // which the sum of products brings the upper one down.
        let rounded = array!(2, i => avx512!({
            let bits = _mm512_castps_si512(v[i]);
            let odd = _mm512_and_si512(bits, _mm512_set1_epi32(0x1_0000));
            let half = _mm512_or_si512(odd, _mm512_set1_epi32(0x7fff));
            _mm512_dpwssd_epi32(bits, half, _mm512_set1_epi16(1))
        }));
        // SAFETY: AVX-512 by the token; the table has the 64 bytes that are read, and 64 bytes are writable behind the
        // reference, at any alignment.
        unsafe {
            let upper = _mm512_loadu_epi16(UPPER.0.as_ptr());
            let words = _mm512_permutex2var_epi16(rounded[0], upper, rounded[1]);
            _mm512_storeu_epi16(to.as_mut_ptr().cast(), words);
        }
    }
    #[inline(always)]
    fn narrower(self) -> Option<Narrower> {
        Narrower::detect()
    }
    const STREAMS: bool = true;
    #[inline(always)]
    fn stream(self, v: Self::F, to: &mut [f32; LANES]) {
        if !to.as_ptr().addr().is_multiple_of(LINE) {
            return self.store(v, to);
        }
        let to = to.as_mut_ptr();
        // SAFETY: AVX-512 by the token; 32 floats are writable behind the reference, aligned as asked for.
        unsafe {
            _mm512_stream_ps(to, v[0]);
            _mm512_stream_ps(to.add(16), v[1]);
        }
    }
    #[inline(always)]
    fn stream_line(self, from: &[u8; LINE], to: &mut Line) {
        let (from, to) = (from.as_ptr().cast(), to.0.as_mut_ptr().cast());
        // SAFETY: AVX-512 by the token; 64 bytes are readable behind the one reference, and writable behind the other,
        // aligned as asked for.
        unsafe { _mm512_stream_ps(to, _mm512_loadu_ps(from)) }
    }
    #[inline(always)]
    fn fence(self) {
        self.0.fence();
    }
    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        self.0.prefetch(at);
    }
    #[inline(always)]
    fn prefetch_far(self, at: *const u8) {
        self.0.prefetch_far(at);
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        avx512!([_mm512_set1_ps(x); 2])
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each!(_mm512_add_ps, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each!(_mm512_sub_ps, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each!(_mm512_mul_ps, a, b)
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each!(_mm512_min_ps, a, b)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each!(_mm512_max_ps, a, b)
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        each!(_mm512_abs_ps, a)
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        avx512!([
            _mm512_roundscale_ps::<NEAREST>(a[0]),
            _mm512_roundscale_ps::<NEAREST>(a[1]),
        ])
    }
    #[inline(always)]
    fn gt(self, a: Self::F, b: Self::F) -> Self::I {
        array!(2, i => avx512!(
            _mm512_maskz_set1_epi32(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a[i], b[i]), -1)
        ))
    }
    #[inline(always)]
    fn above(self, a: Self::F, b: Self::F) -> u32 {
        let masks = array!(2, i => avx512!(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a[i], b[i])));
        u32::from(masks[0]) | u32::from(masks[1]) << 16
    }
    tiles_are_lanes!();

    #[inline(always)]
    fn where_below(self, narrow: Self::T, wide: Self::T, a: Self::T, b: Self::T) -> Self::T {
        array!(2, i => avx512!({
            let below = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(wide[i], narrow[i]);
            let lanes = _mm512_mask_mov_epi32(_mm512_castps_si512(b[i]), below, _mm512_castps_si512(a[i]));
            _mm512_castsi512_ps(lanes)
        }))
    }
    #[inline(always)]
    fn load_t(self, from: &[f32; BLOCK]) -> Self::T {
        // SAFETY: AVX-512 by the token; 16 floats are readable behind the reference.
        unsafe { [_mm512_loadu_ps(from.as_ptr()), _mm512_set1_ps(0.0)] }
    }
    #[inline(always)]
    fn store_t(self, a: Self::T) -> [f32; BLOCK] {
        let mut to = [0.0; BLOCK];
        // SAFETY: AVX-512 by the token; the array has the 16 floats that are written.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), a[0]) };
        to
    }
    #[inline(always)]
    fn above_t(self, a: Self::T, b: Self::T) -> u32 {
        avx512!(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a[0], b[0])).into()
    }
    #[inline(always)]
    fn bytes_where(self, bits: u32, bytes: &[u8; BLOCK]) -> [u8; BLOCK] {
        let mut chosen = [0; BLOCK];
        // SAFETY: AVX-512 by the token; 16 bytes are readable behind the reference, and writable in the array.
        unsafe {
            let lanes = _mm_maskz_mov_epi8(bits as __mmask16, _mm_loadu_si128(bytes.as_ptr().cast()));
            _mm_storeu_si128(chosen.as_mut_ptr().cast(), lanes);
        }
        chosen
    }
    #[inline(always)]
    fn quads(self, words: &[i16; BLOCK], bytes: [&[u8; BLOCK]; 2]) -> [[u8; 4]; BLOCK] {
        self.0.quads(words, bytes)
    }
    #[inline(always)]
    fn at_least(self, a: &[u8; BLOCK], least: u8) -> u32 {
        self.0.at_least(a, least)
    }
    #[inline(always)]
    fn bits(self, a: Self::F) -> Self::I {
        each!(_mm512_castps_si512, a)
    }
    #[inline(always)]
    fn float_of_bits(self, a: Self::I) -> Self::F {
        each!(_mm512_castsi512_ps, a)
    }
    #[inline(always)]
    fn truncate(self, a: Self::F) -> Self::I {
        each!(_mm512_cvttps_epi32, a)
    }
    #[inline(always)]
    fn to_float(self, a: Self::I) -> Self::F {
        each!(_mm512_cvtepi32_ps, a)
    }
    /// Every stage is between two registers, which are exchanged for a bit of the lanes' numbers in between; the order
    /// is restored at the end.
    #[inline(always)]
    fn wht(self, a: Self::F) -> Self::F {
        // SAFETY: AVX-512 by the token; each table has the 64 bytes that are read.
        let undo = unsafe {
            [
                _mm512_loadu_epi32(UNDO[0].0.as_ptr()),
                _mm512_loadu_epi32(UNDO[1].0.as_ptr()),
            ]
        };
        avx512!({
            let a = stage!(a);
            let a = stage!(exchange_8!(a));
            let a = stage!(exchange_4!(a));
            let a = stage!(exchange_2!(a));
            let a = stage!(exchange_2!(a));
            [
                _mm512_permutex2var_ps(a[0], undo[0], a[1]),
                _mm512_permutex2var_ps(a[0], undo[1], a[1]),
            ]
        })
    }
    #[inline(always)]
    fn fold_add(self, a: Self::F) -> Folded {
        fold!(_mm512_add_ps, _mm256_add_ps, a)
    }
    #[inline(always)]
    fn fold_min(self, a: Self::F) -> Folded {
        fold!(_mm512_min_ps, _mm256_min_ps, a)
    }
    #[inline(always)]
    fn fold_max(self, a: Self::F) -> Folded {
        fold!(_mm512_max_ps, _mm256_max_ps, a)
    }
    #[inline(always)]
    fn reduce_add(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce!(_mm512_add_ps, a)
    }
    #[inline(always)]
    fn reduce_min(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce!(_mm512_min_ps, a)
    }
    #[inline(always)]
    fn reduce_max(self, a: &[Folded; BLOCK]) -> [f32; BLOCK] {
        reduce!(_mm512_max_ps, a)
    }

    #[inline(always)]
    fn load_i(self, from: &[i32; LANES]) -> Self::I {
        let from = from.as_ptr();
        // SAFETY: AVX-512 by the token; 32 numbers are readable behind the reference, at any alignment.
        unsafe { [_mm512_loadu_epi32(from), _mm512_loadu_epi32(from.add(16))] }
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8; LANES]) -> Self::I {
        let from = from.as_ptr();
        // SAFETY: AVX-512 by the token; 32 bytes are readable behind the reference, at any alignment.
        unsafe { array!(2, i => _mm512_cvtepi8_epi32(_mm_loadu_si128(from.add(16 * i).cast()))) }
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> Self::I {
        avx512!([_mm512_set1_epi32(x); 2])
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(_mm512_add_epi32, a, b)
    }
    #[inline(always)]
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(_mm512_sub_epi32, a, b)
    }
    #[inline(always)]
    fn mul_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(_mm512_mullo_epi32, a, b)
    }
    #[inline(always)]
    fn max_i(self, a: Self::I, b: Self::I) -> Self::I {
        each!(_mm512_max_epi32, a, b)
    }
    #[inline(always)]
    fn xor(self, a: Self::I, b: Self::I) -> Self::I {
        each!(_mm512_xor_si512, a, b)
    }
    // Constant counts in every lane become immediate ones; the immediate's type is not that of `BITS`.
    #[inline(always)]
    fn shl<const BITS: i32>(self, a: Self::I) -> Self::I {
        let by = self.splat_i(BITS);
        each!(_mm512_sllv_epi32, a, by)
    }
    #[inline(always)]
    fn shr<const BITS: i32>(self, a: Self::I) -> Self::I {
        let by = self.splat_i(BITS);
        each!(_mm512_srlv_epi32, a, by)
    }
    #[inline(always)]
    fn reduce_max_i(self, a: Self::I) -> i32 {
        avx512!(_mm512_reduce_max_epi32(_mm512_max_epi32(a[0], a[1])))
    }
    #[inline(always)]
    fn add_at<const N: usize>(self, a: [Self::I; N], at: usize, x: i16) -> [Self::I; N] {
        let whole = self.splat_i(i32::from(x) * (N * LANES) as i32);
        let one = one_at::<N>(at);
        array!(N, v => {
            let one = self.load_i(&one[v]);
            self.add_i(a[v], array!(2, i => avx512!(_mm512_and_si512(one[i], whole[i]))))
        })
    }
    #[inline(always)]
    fn low_bytes(self, a: Self::I) -> Self::B {
        // SAFETY: AVX-512 by the token; the table has the 64 bytes that are read.
        let low = unsafe { _mm512_loadu_epi8(LOW_BYTES.0.as_ptr()) };
        avx512!(_mm512_castsi512_si256(_mm512_permutex2var_epi8(a[0], low, a[1])))
    }

    #[inline(always)]
    fn to_bytes(self, a: Self::F) -> Self::B {
        pack!(_mm512_packus_epi16, a)
    }
    #[inline(always)]
    fn to_signed_bytes(self, a: Self::F) -> Self::B {
        pack!(_mm512_packs_epi16, a)
    }
    #[inline(always)]
    fn tile_to_bytes<const N: usize>(self, a: [Self::F; N]) -> [Self::B; N] {
        let words = self.words(a);
        pack_words!(_mm512_packus_epi16, &PACKED, 0, words)
    }
    #[inline(always)]
    fn eight_times(self, a: Self::B) -> Self::F {
        let wide = avx512!([
            _mm512_cvtepu8_epi32(_mm256_castsi256_si128(a)),
            _mm512_cvtepu8_epi32(_mm256_extracti128_si256::<1>(a)),
        ]);
        self.to_float(self.shl::<3>(wide))
    }
    #[inline(always)]
    fn bytes_to_h(self, a: Self::B) -> Self::H {
        avx512!(_mm512_cvtepu8_epi16(a))
    }
    #[inline(always)]
    fn splat_b(self, x: u8) -> Self::B {
        self.0.splat_b(x)
    }
    #[inline(always)]
    fn repeat<const BYTES: usize>(self, from: &[u8; BYTES]) -> Self::B {
        self.0.repeat(from)
    }
    #[inline(always)]
    fn store_or<const BYTES: usize>(self, a: Self::B, to: &mut [u8; BYTES]) {
        self.0.store_or(a, to);
    }
    #[inline(always)]
    fn and_b(self, a: Self::B, b: Self::B) -> Self::B {
        self.0.and_b(a, b)
    }
    #[inline(always)]
    fn or_b(self, a: Self::B, b: Self::B) -> Self::B {
        self.0.or_b(a, b)
    }
    #[inline(always)]
    fn sums_looked_up<const N: usize>(self, tables: &[[i8; 16]; 2], at: [Self::B; N]) -> LookedUp {
        if N == 1 {
            return self.0.sums_looked_up(tables, at);
        }
        let sums = array!(2, i => {
            // SAFETY: AVX-512 by the token; the table has the 16 bytes that are read.
            let table = unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(tables[i].as_ptr().cast())) };
            avx512!({
                // Unsigned, of which there are sums.
                let table = _mm512_add_epi8(table, _mm512_set1_epi8(64));
                let mut sums = _mm512_setzero_si512();
                for at in at.as_chunks::<2>().0 {
                    let at = _mm512_and_si512(joined!(at[0], at[1]), _mm512_set1_epi8(15));
                    let found = _mm512_shuffle_epi8(table, at);
                    sums = _mm512_add_epi64(sums, _mm512_sad_epu8(found, _mm512_setzero_si512()));
                }
                sums
            })
        });
        let mut folded = [0; 8];
        // SAFETY: AVX-512 by the token; the array has the 32 bytes that are written.
        unsafe {
            let both = _mm512_add_epi64(sums[0], _mm512_slli_epi64::<32>(sums[1]));
            let both = halves!(both);
            _mm256_storeu_si256(folded.as_mut_ptr().cast(), _mm256_add_epi64(both[0], both[1]));
        }
        folded
    }
    /// As AVX2's, of twice as many.
    #[inline(always)]
    fn reduce_looked_up<const N: usize>(self, a: &[LookedUp; BLOCK]) -> [[i32; BLOCK]; 2] {
        let mut reduced = [[0; BLOCK]; 2];
        // SAFETY: AVX-512 by the token; the arrays have the 16 numbers that are read or written at a time.
        unsafe {
            let two = loaded_by_two!(a);
            let four = array!(4, i => _mm512_add_epi64(
                _mm512_shuffle_i64x2::<0b10_00_10_00>(two[2 * i], two[2 * i + 1]),
                _mm512_shuffle_i64x2::<0b11_01_11_01>(two[2 * i], two[2 * i + 1])
            ));
            let eight = array!(2, i => _mm512_castsi512_ps(_mm512_add_epi64(
                _mm512_unpacklo_epi64(four[2 * i], four[2 * i + 1]),
                _mm512_unpackhi_epi64(four[2 * i], four[2 * i + 1])
            )));
            let sums = [
                _mm512_shuffle_ps::<0b10_00_10_00>(eight[0], eight[1]),
                _mm512_shuffle_ps::<0b11_01_11_01>(eight[0], eight[1]),
            ];
            for (reduced, sums) in reduced.iter_mut().zip(sums) {
                let sums = _mm512_permutexvar_epi32(order_of_tiles!(), _mm512_castps_si512(sums));
                let sums = _mm512_sub_epi32(sums, _mm512_set1_epi32((64 * N * LANES) as i32));
                _mm512_storeu_epi32(reduced.as_mut_ptr(), sums);
            }
        }
        reduced
    }
    #[inline(always)]
    fn add_saturated_b(self, a: Self::B, b: Self::B) -> Self::B {
        self.0.add_saturated_b(a, b)
    }
    #[inline(always)]
    fn min_b(self, a: Self::B, b: Self::B) -> Self::B {
        self.0.min_b(a, b)
    }
    #[inline(always)]
    fn shl_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B {
        self.0.shl_b(a, by)
    }
    #[inline(always)]
    fn shr_b(self, a: Self::B, by: &[u32; LANES / 4]) -> Self::B {
        self.0.shr_b(a, by)
    }
    #[inline(always)]
    fn least<const N: usize>(self, a: &[Self::B; N]) -> usize {
        self.0.least(a)
    }
    #[inline(always)]
    fn sign_ranges<const N: usize>(self, values: [Self::B; N]) -> [Self::B; N] {
        let mut ranges = values;
        match N {
            1 => {
                let all = self.with_negated(values[0]);
                ranges[0] = self.sign_ranges_64([all, all])[0];
            }
            2 => {
                let pair = [self.with_negated(values[0]), self.with_negated(values[N - 1])];
                let both = self.sign_ranges_64(avx512!(sign_stage!(pair)));
                (ranges[0], ranges[N - 1]) = (both[0], both[1]);
            }
            _ => {
                let a = array!(N, v => self.with_negated(values[v]));
                // The stage of 64: lowers, then uppers.
                let (low, high) = avx512!((sign_stage!([a[0], a[N / 2]]), sign_stage!([a[1], a[N / 2 + 1]])));
                for half in 0..2 {
                    let both = self.sign_ranges_64(avx512!(sign_stage!([low[half], high[half]])));
                    (ranges[half * 2], ranges[half * 2 + 1]) = (both[0], both[1]);
                }
            }
        }
        ranges
    }

    #[inline(always)]
    fn load_h(self, from: &[i16; LANES]) -> Self::H {
        // SAFETY: AVX-512 by the token; 64 bytes are readable behind the reference, at any alignment.
        unsafe { _mm512_loadu_epi16(from.as_ptr()) }
    }
    #[inline(always)]
    fn store_h(self, v: Self::H, to: &mut [i16; LANES]) {
        // SAFETY: AVX-512 by the token; 64 bytes are writable behind the reference, at any alignment.
        unsafe { _mm512_storeu_epi16(to.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn splat_h(self, x: i16) -> Self::H {
        avx512!(_mm512_set1_epi16(x))
    }
    #[inline(always)]
    fn add_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx512!(_mm512_add_epi16(a, b))
    }
    #[inline(always)]
    fn sub_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx512!(_mm512_sub_epi16(a, b))
    }
    #[inline(always)]
    fn xor_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx512!(_mm512_xor_si512(a, b))
    }
    #[inline(always)]
    fn min_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx512!(_mm512_min_epi16(a, b))
    }
    #[inline(always)]
    fn max_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx512!(_mm512_max_epi16(a, b))
    }
    #[inline(always)]
    fn abs_h(self, a: Self::H) -> Self::H {
        avx512!(_mm512_abs_epi16(a))
    }
    #[inline(always)]
    fn sub_saturated_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx512!(_mm512_subs_epi16(a, b))
    }
    #[inline(always)]
    fn mul_high_h(self, a: Self::H, b: Self::H) -> Self::H {
        avx512!(_mm512_mulhrs_epi16(a, b))
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
        reduce_words!(_mm512_min_epi16, a)
    }
    #[inline(always)]
    fn reduce_max_h(self, a: &[FoldedWords; BLOCK]) -> [i16; BLOCK] {
        reduce_words!(_mm512_max_epi16, a)
    }
    /// Each 128 bits have four lanes of either register: bits 3, 2, 4, 1 and 0 of a lane's number, from the highest of its
    /// place down.
    #[inline(always)]
    fn words<const N: usize>(self, a: [Self::F; N]) -> [Self::H; N] {
        array!(N, v => {
            let a = each!(_mm512_cvtps_epi32, a[v]);
            avx512!(_mm512_packs_epi32(a[0], a[1]))
        })
    }
    #[inline(always)]
    fn first_word<const N: usize>(self, a: [Self::H; N], x: i16) -> usize {
        let x = self.splat_h(x);
        first_of(
            array!(N, v => avx512!(_mm512_cmpeq_epi16_mask(a[v], x))),
            &LANES_OF_WORDS,
        )
    }
    /// Two vectors are a pair of registers, which are exchanged for a bit of the lanes' numbers after every stage; one
    /// is a pair of halves.
    #[inline(always)]
    fn wht_words<const N: usize>(self, mut a: [Self::H; N]) -> [Self::H; N] {
        if N == 1 {
            let halves = self.0.wht_pair(avx512!(halves!(a[0])));
            a[0] = avx512!(joined!(halves[0], halves[1]));
            return a;
        }
        if N == 4 {
            for v in 0..N / 2 {
                [a[v], a[v + N / 2]] = avx512!(word_stage!([a[v], a[v + N / 2]]));
            }
        }
        for pair in a.as_chunks_mut::<2>().0 {
            *pair = avx512!({
                let a = word_stage!(*pair);
                let a = word_stage!(exchange_words_8!(a));
                let a = word_stage!(exchange_words_4!(a));
                let a = if N == 4 {
                    limited_stage!(exchange_words!(a))
                } else {
                    word_stage!(exchange_words!(a))
                };
                let a = limited_stage!(exchange_words!(a));
                limited_stage!(exchange_words!(a))
            });
        }
        a
    }
    #[inline(always)]
    fn flip_words<const N: usize>(self, a: [Self::H; N], row: usize) -> [Self::H; N] {
        array!(N, v => {
            let bits = if N == 1 {
                WORD_SIGNS[row % WORD_SIGNS.len()][0]
            } else {
                PAIR_SIGNS[row % PAIR_SIGNS.len()][v % 2]
            };
            // Of four vectors bit 6 is the pair's.
            let negated = if walsh(v / 2, row / PAIR_SIGNS.len()) { !bits } else { bits };
            let (a, zero) = (a[v], self.splat_h(0));
            avx512!(_mm512_mask_sub_epi16(a, negated, zero, a))
        })
    }
    #[inline(always)]
    fn words_to_signed_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N] {
        pack_words!(_mm512_packs_epi16, &PACKED_WORDS[usize::from(N > 1)], 0, a)
    }
    #[inline(always)]
    fn words_to_bytes<const N: usize>(self, a: [Self::H; N]) -> [Self::B; N] {
        pack_words!(_mm512_packs_epi16, &PACKED_WORDS[usize::from(N > 1)], i8::MIN, a)
    }
    /// Two vectors of each as bytes of both, largest values and largest negated ones in registers of their own, so that no
    /// stage but those that exchange the registers for a bit of the words' numbers moves bytes. The places of
    /// [`RANGES`] are what these leave.
    #[inline(always)]
    fn narrowest_two<const N: usize>(self, a: [[Self::H; N]; 2]) -> [usize; 2] {
        if N != 2 {
            let ranges = array!(2, t => self.sign_ranges(self.words_to_signed_bytes(a[t])));
            return array!(2, t => self.least(&ranges[t]));
        }
        // SAFETY: AVX-512 by the token; the table has the 64 bytes that are read.
        let order = unsafe { _mm512_loadu_epi8(RANGES.0.as_ptr()) };
        avx512!({
            let values = array!(2, t => _mm512_packs_epi16(a[t][0], a[t][N - 1]));
            let l = exchange_words_8!(values);
            let n = array!(2, i => _mm512_sub_epi8(_mm512_setzero_si512(), l[i]));
            let (mut l, mut n) = sign_stage!(l, n);
            for _ in 0..4 {
                (l, n) = sign_stage!(exchange_bytes!(l), exchange_bytes!(n));
            }
            let (l, n) = sign_stage!(exchange_words_4!(l), exchange_words_4!(n));
            let sums = array!(2, i => _mm512_add_epi8(l[i], n[i]));
            // The least of either, in a half of 128 bits each.
            let least = _mm512_min_epu8(sums[0], sums[1]);
            let least = halves!(least);
            let least = _mm256_min_epu8(least[0], least[1]);
            // As in AVX2's `least`.
            let least = _mm256_min_epu8(least, _mm256_srli_epi16::<8>(least));
            let least = [
                _mm_minpos_epu16(_mm256_castsi256_si128(least)),
                _mm_minpos_epu16(_mm256_extracti128_si256::<1>(least)),
            ];
            let ranges = exchange_words_4!(sums);
            array!(2, t => {
                let ranges = _mm512_permutexvar_epi8(order, ranges[t]);
                let found = _mm512_cmpeq_epi8_mask(ranges, _mm512_broadcastb_epi8(least[t]));
                found.trailing_zeros() as usize % (2 * LANES)
            })
        })
    }
    #[inline(always)]
    fn wht_h(self, a: Self::H) -> Self::H {
        let halves = self.0.wht_h(avx512!(halves!(a)));
        avx512!(joined!(halves[0], halves[1]))
    }
    #[inline(always)]
    fn h_to_i(self, a: Self::H) -> Self::I {
        avx512!({
            let a = halves!(a);
            [_mm512_cvtepi16_epi32(a[0]), _mm512_cvtepi16_epi32(a[1])]
        })
    }
    const EXCHANGED: bool = true;
    const EARLY: bool = true;
    const WORDS_EARLY: bool = true;
    const PEAK_EARLY: bool = true;
    /// What [`Avx512::sixteens`] gives, and which of two tiles it is.
    type Halfway<const N: usize> = ([__m512i; 2], usize);
    #[inline(always)]
    fn halfway<const N: usize>(self, packed: &[[u8; LANES / 2]; N], _: usize) -> Self::Halfway<N> {
        let sixteens = match N {
            1 => self.half_sixteens_of(self.repeat(&packed[0])),
            2 => self.half_sixteens_of(self.repeat(half_of(packed, 0))),
            _ => self.sixteens_of([half_of(packed, 0), half_of(packed, 1)]),
        };
        (sixteens, 0)
    }
    /// Two tiles of 64 are halves of a register.
    #[inline(always)]
    fn halfway_two<const N: usize>(
        self,
        packed: [&[[u8; LANES / 2]; N]; 2],
        pivots: [usize; 2],
    ) -> [Self::Halfway<N>; 2] {
        if N != 2 {
            return array!(2, t => self.halfway(packed[t], pivots[t]));
        }
        let sixteens = self.sixteens_of([half_of(packed[0], 0), half_of(packed[1], 0)]);
        [(sixteens, 0), (sixteens, 1)]
    }
    #[inline(always)]
    fn rotated_end<const N: usize>(
        self,
        (sixteens, which): Self::Halfway<N>,
        pivot: usize,
        scales: &Scales,
        t: usize,
    ) -> [Self::F; N] {
        let t = t % LANES;
        let (at_pivot, unit) = (scales.zero_points[t], avx512!(_mm512_set1_ps(scales.units[t])));
        if N == 4 {
            // Integers may be 2^22 here.
            let sums = self.sums::<N, false>(sixteens, which, pivot, at_pivot);
            return array!(N, v => self.mul(self.to_float(sums[v]), [unit; 2]));
        }
        let sums = self.sums::<N, true>(sixteens, which, pivot, at_pivot);
        // The number of units is exact before the one rounding, as it is in a product.
        let less = avx512!(_mm512_set1_ps(scales.moves[0][t]));
        array!(N, v => array!(2, half => avx512!(
            _mm512_fmadd_ps(_mm512_castsi512_ps(sums[v][half]), unit, less)
        )))
    }
    #[inline(always)]
    fn scales<const N: usize>(self, zero_points: [i16; LANES], units: [f32; LANES]) -> Scales {
        let upon = if N == 4 { 0 } else { MAGIC };
        let mut scales = Scales {
            units,
            zero_points: [0; LANES],
            moves: [[0.0; LANES]; 2],
        };
        for t in 0..LANES {
            let x = i32::from(zero_points[t]);
            scales.zero_points[t] = upon + x * (N * LANES) as i32;
            scales.moves[0][t] = -f32::from_bits(MAGIC as u32) * units[t];
            scales.moves[1][t] = x as f32 * units[t];
        }
        scales
    }
    #[inline(always)]
    fn wht_codes<const N: usize>(self, a: [Self::B; N], row: usize, x: i16) -> [Self::I; N] {
        let less_eight = array!(N, v => avx512!(_mm256_sub_epi8(a[v], _mm256_set1_epi8(8))));
        let sixteens = match less_eight[..] {
            [both] => self.half_sixteens([both, avx512!(_mm256_permute2x128_si256::<0x11>(both, both))]),
            [low, high] => self.half_sixteens([low, high]),
            [a, b, c, d] => self.sixteens(avx512!([joined!(a, b), joined!(c, d)])),
            _ => [avx512!(_mm512_setzero_si512()); 2],
        };
        self.sums::<N, false>(sixteens, 0, row, i32::from(x) * (N * LANES) as i32)
    }
    /// Pairs of registers, which are exchanged for a bit of the words' numbers after every stage. [`EIGHTHS`] undoes that and
    /// widens at once.
    #[inline(always)]
    fn wht_wide_codes<const N: usize>(self, a: [Self::B; N], row: usize, x: i16) -> [Self::I; N] {
        if N == 1 {
            return wht_of_words(self, a, row, x);
        }
        let (negated, zero) = (LANE_SIGNS[row % LANES], self.splat_h(0));
        let mut words = array!(N, v => {
            let word = self.bytes_to_h(a[v]);
            avx512!(_mm512_mask_sub_epi16(word, negated, zero, word))
        });
        if N == 4 {
            for v in 0..N / 2 {
                [words[v], words[v + N / 2]] = avx512!(word_stage!([words[v], words[v + N / 2]]));
            }
        }
        for pair in words.as_chunks_mut::<2>().0 {
            *pair = avx512!({
                let a = word_stage!(*pair);
                let a = word_stage!(exchange_words_8!(a));
                let a = word_stage!(exchange_words_4!(a));
                let a = word_stage!(exchange_words!(a));
                let a = word_stage!(exchange_words!(a));
                word_stage!(exchange_words!(a))
            });
        }
        let mut n = array!(N, v => array!(2, half => {
            let (low, high) = (words[v / 2 * 2], words[(v / 2 * 2 + 1) % N]);
            // SAFETY: AVX-512 by the token; the table has the 64 bytes that are read.
            let order = unsafe { _mm512_loadu_epi16(EIGHTHS[v % 2][half].0.as_ptr()) };
            avx512!(_mm512_srai_epi32::<13>(_mm512_maskz_permutex2var_epi16(
                0xaaaa_aaaa, low, order, high
            )))
        }));
        let x = avx512!(_mm512_set1_epi32(i32::from(x) * (N * LANES) as i32));
        for half in 0..2 {
            let pivot = PIVOTS[row % LANES][half];
            n[0][half] = avx512!(_mm512_mask_add_epi32(n[0][half], pivot, n[0][half], x));
        }
        n
    }
    /// A nibble is one of sixteen numbers, which a register has room for; what is above it is not looked at.
    #[inline(always)]
    fn plain<const N: usize>(self, packed: &[[u8; LANES / 2]; N], scales: &Scales, t: usize) -> [Self::F; N] {
        // SAFETY: AVX-512 by the token; the array has the 16 floats that are read.
        let eights = unsafe { _mm512_loadu_ps(EIGHTS.as_ptr()) };
        // Both products are exact, so that only their sum is rounded.
        let numbers = avx512!(_mm512_fmadd_ps(
            eights,
            _mm512_set1_ps(scales.units[t % LANES]),
            _mm512_set1_ps(scales.moves[1][t % LANES])
        ));
        let low = array!(N, i => {
            // SAFETY: AVX-512 by the token; the array has the 16 bytes that are read.
            unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(packed[i].as_ptr().cast())) }
        });
        let high = array!(N, i => avx512!(_mm512_srli_epi32::<4>(low[i])));
        array!(N, v => array!(2, half => {
            let i = 2 * v + half;
            let nibbles = if i < N { low[i % N] } else { high[i % N] };
            avx512!(_mm512_permutexvar_ps(nibbles, numbers))
        }))
    }
}
