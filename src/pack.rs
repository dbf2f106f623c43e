//! Codes to bytes and back: the binary digits of a code width are planes of 8, 4, 2 and 1 bits, the
//! widest first and holding the most significant bits. In a plane of `w` bits of a tile of `G` codes,
//! element `i` is in byte `i mod n` at bit `w * (i div n)`, with `n = G * w / 8`: a plane unpacks with one
//! shift and one mask a field, whatever the vector width.

use crate::arch::{BLOCK, LANES, Simd, array, nibbles};
use crate::part::{from, split, split_mut};
use crate::rotate::Codes;

/// Bytes that `tile_len` codes of `width` bits take.
#[inline(always)]
pub(crate) const fn packed_len(tile_len: usize, width: u8) -> usize {
    tile_len / 8 * width as usize
}

/// How many bits of a tile's codes come before each tile's, of so many in a row: [`packed_len`] of so wide codes is where
/// they start.
#[inline(always)]
pub(crate) fn bits_before(widths: &[u8; BLOCK]) -> [u8; BLOCK] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let [mut low, mut high] = bytemuck::cast::<_, [[u8; BLOCK / 2]; 2]>(*widths).map(u64::from_le_bytes);
    // The sums of bytes up to each. They are up to 128, and nothing carries.
    (low, high) = (low.wrapping_mul(EACH), high.wrapping_mul(EACH));
    bytemuck::cast([low << 8, (high << 8).wrapping_add((low >> 56).wrapping_mul(EACH))].map(u64::to_le_bytes))
}

/// Packs `codes`, each below `2^width`, into `bytes`, which has [`packed_len`] bytes.
#[inline(always)]
pub(crate) fn pack<S: Simd, const N: usize>(s: S, codes: &Codes<S, N>, width: u8, bytes: &mut [u8]) {
    match width {
        0 => {}
        // The commonest widths have one plane.
        4 => _ = pack_plane::<S, N, 4>(s, codes, 4, bytes),
        8 => {
            if let Some(plane) = bytes.as_chunks_mut().0.first_chunk_mut::<N>() {
                for v in 0..N {
                    s.store_or::<LANES>(codes[v], &mut plane[v]);
                }
            }
        }
        _ => {
            let rest = pack_plane::<S, N, 8>(s, codes, width, bytes);
            let rest = pack_plane::<S, N, 4>(s, codes, width, rest);
            let rest = pack_plane::<S, N, 2>(s, codes, width, rest);
            pack_plane::<S, N, 1>(s, codes, width, rest);
        }
    }
}

/// [`pack`] of codes of 4 bits, which are one plane.
#[inline(always)]
pub(crate) fn pack_nibbles<S: Simd, const N: usize>(
    s: S,
    codes: &Codes<S, N>,
    plane: &mut [[u8; LANES / 2]; N],
) {
    let plane = plane.as_flattened_mut();
    if const { N == 1 } {
        pack_plane::<S, N, 4>(s, codes, 4, plane);
        return;
    }
    for (v, plane) in plane.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let high = s.shl_b(codes[(v + N / 2) % N], &[4; LANES / 4]);
        s.store_or(s.or_b(codes[v % N], high), plane);
    }
}

/// [`pack_nibbles`] of codes that are the upper halves of bytes.
#[inline(always)]
pub(crate) fn pack_sixteenths<S: Simd, const N: usize>(
    s: S,
    codes: &Codes<S, N>,
    plane: &mut [[u8; LANES / 2]; N],
) {
    if const { N == 1 } {
        let low = s.splat_b(0x0f);
        let lower = array!(N, v => s.and_b(s.shr_b(codes[v], &[4; LANES / 4]), low));
        return pack_nibbles(s, &lower, plane);
    }
    let planes = plane.as_flattened_mut().as_chunks_mut::<LANES>().0;
    for (v, plane) in planes.iter_mut().enumerate() {
        s.store_or(s.upper_halves(codes[v % N], codes[(v + N / 2) % N]), plane);
    }
}

/// Unpacks what [`pack`] made of codes of `width` bits.
#[inline(always)]
pub(crate) fn unpack<S: Simd, const N: usize>(s: S, bytes: &[u8], width: u8) -> Codes<S, N> {
    let zero = [s.splat_b(0); N];
    match width {
        0 => zero,
        4 => match bytes.as_chunks().0.first_chunk() {
            Some(bytes) => nibbles(s, bytes),
            None => zero,
        },
        _ => {
            let (rest, codes) = unpack_plane::<S, N, 8>(s, bytes, width, zero);
            let (rest, codes) = unpack_plane::<S, N, 4>(s, rest, width, codes);
            let (rest, codes) = unpack_plane::<S, N, 2>(s, rest, width, codes);
            unpack_plane::<S, N, 1>(s, rest, width, codes).1
        }
    }
}

/// Unpacks as many codes of `width` bits as `codes` has room for, 32, 64 or 128, without vectors.
pub(crate) fn unpack_each(mut bytes: &[u8], width: u8, codes: &mut [i16]) {
    codes.fill(0);
    for bits in [8, 4, 2, 1] {
        if width & bits == 0 {
            continue;
        }
        let len = packed_len(codes.len(), bits);
        let (plane, rest) = split(bytes, len);
        bytes = rest;
        let (mask, below) = (u8::MAX >> (8 - bits), width & (bits - 1));
        let mut shift = 0;
        for field in codes.chunks_mut(len.max(1)) {
            for (code, byte) in field.iter_mut().zip(plane) {
                *code |= i16::from(byte >> (shift & 7) & mask) << below;
            }
            shift += bits;
        }
    }
}

/// Where a plane of `W` bits of a tile of `N` vectors has its codes: whole vectors in each field, or several
/// fields in each vector.
struct Plane<const N: usize, const W: usize>;

impl<const N: usize, const W: usize> Plane<N, W> {
    /// Bytes.
    const LEN: usize = N * LANES * W / 8;

    /// By how much each four bytes of each vector of codes are shifted.
    const SHIFTS: [[u32; LANES / 4]; N] = {
        let mut shifts = [[0; LANES / 4]; N];
        let mut v = 0;
        while v < N {
            let mut i = 0;
            while i < LANES / 4 {
                shifts[v][i] = (W * ((v * LANES + 4 * i) / Self::LEN)) as u32;
                i += 1;
            }
            v += 1;
        }
        shifts
    };

    const MASK: u8 = u8::MAX >> (8 - W);

    /// By how much codes of `width` bits are shifted to have their part of this plane lowest: the digits of the width
    /// below this one are the planes that follow.
    #[inline(always)]
    const fn below(width: u8) -> [u32; LANES / 4] {
        [width as u32 & (W as u32 - 1); LANES / 4]
    }
}

#[inline(always)]
fn pack_plane<'a, S: Simd, const N: usize, const W: usize>(
    s: S,
    codes: &Codes<S, N>,
    width: u8,
    bytes: &'a mut [u8],
) -> &'a mut [u8] {
    if usize::from(width) & W == 0 {
        return bytes;
    }
    let (plane, rest) = split_mut(bytes, Plane::<N, W>::LEN);
    let below = Plane::<N, W>::below(width);
    let mask = s.splat_b(Plane::<N, W>::MASK);
    let fields = array!(N, v => {
        let field = s.and_b(s.shr_b(codes[v], &below), mask);
        s.shl_b(field, &Plane::<N, W>::SHIFTS[v])
    });
    if Plane::<N, W>::LEN < LANES {
        let mut all = fields[0];
        for &field in &fields[1..] {
            all = s.or_b(all, field);
        }
        if let Some(plane) = plane.first_chunk_mut::<16>() {
            s.store_or(all, plane);
        } else if let Some(plane) = plane.first_chunk_mut::<8>() {
            s.store_or(all, plane);
        } else if let Some(plane) = plane.first_chunk_mut::<4>() {
            s.store_or(all, plane);
        }
        return rest;
    }
    let planes = plane.as_chunks_mut::<LANES>().0.iter_mut();
    for (j, (plane, field)) in planes.zip(&fields).enumerate() {
        let mut all = *field;
        let mut v = j + Plane::<N, W>::LEN / LANES;
        while v < N {
            all = s.or_b(all, fields[v]);
            v += Plane::<N, W>::LEN / LANES;
        }
        s.store_or(all, plane);
    }
    rest
}

#[inline(always)]
fn unpack_plane<S: Simd, const N: usize, const W: usize>(
    s: S,
    bytes: &[u8],
    width: u8,
    codes: Codes<S, N>,
) -> (&[u8], Codes<S, N>) {
    if usize::from(width) & W == 0 {
        return (bytes, codes);
    }
    let (plane, rest) = split(bytes, Plane::<N, W>::LEN);
    let below = Plane::<N, W>::below(width);
    let mask = s.splat_b(Plane::<N, W>::MASK);
    let codes = array!(N, v => {
        let at = from(plane, v * LANES % Plane::<N, W>::LEN);
        let bytes = if let Some(bytes) = at.first_chunk::<LANES>() {
            s.repeat(bytes)
        } else if let Some(bytes) = at.first_chunk::<16>() {
            s.repeat(bytes)
        } else if let Some(bytes) = at.first_chunk::<8>() {
            s.repeat(bytes)
        } else if let Some(bytes) = at.first_chunk::<4>() {
            s.repeat(bytes)
        } else {
            s.splat_b(0)
        };
        let field = s.and_b(s.shr_b(bytes, &Plane::<N, W>::SHIFTS[v]), mask);
        s.or_b(codes[v], s.shl_b(field, &below))
    });
    (rest, codes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Scalar;

    #[test]
    fn bits_before_are_sums() {
        for seed in 0..200usize {
            let widths: [u8; BLOCK] =
                array!(BLOCK, t => if seed == 0 { 8 } else { (seed * (2 * t + 3) % 9) as u8 });
            let mut before = 0;
            for (width, bits) in widths.into_iter().zip(bits_before(&widths)) {
                assert_eq!(bits, before, "{widths:?}");
                before += width;
            }
        }
    }

    fn round_trip<const N: usize>() {
        let g = N * LANES;
        for width in 0..=8u8 {
            let top = ((1u16 << width) - 1) as u8;
            let codes: [[u8; LANES]; N] = core::array::from_fn(|v| {
                core::array::from_fn(|i| ((v * LANES + i) as u8).wrapping_mul(37).wrapping_add(11) & top)
            });
            let mut bytes = [0xaa; 128];
            let len = packed_len(g, width);
            pack::<_, N>(Scalar, &codes, width, &mut bytes[..len]);
            assert!(bytes[len..].iter().all(|&byte| byte == 0xaa));
            let back = unpack::<_, N>(Scalar, &bytes[..len], width);
            assert_eq!(codes, back, "G {g} width {width}");
            let mut each = [-1; 128];
            unpack_each(&bytes[..len], width, &mut each[..g]);
            assert!(
                each.iter()
                    .zip(codes.as_flattened())
                    .all(|(&a, &b)| a == i16::from(b))
            );
        }
    }

    #[test]
    fn every_width_round_trips() {
        round_trip::<1>();
        round_trip::<2>();
        round_trip::<4>();
    }

    #[test]
    fn planes_are_where_the_format_says() {
        // Width 3: a 2-bit plane of 8 bytes, then a 1-bit plane of 4, at G 32.
        let mut codes = [[0u8; LANES]; 1];
        codes[0][0] = 0b110;
        codes[0][9] = 0b011;
        let mut bytes = [0; 12];
        pack::<_, 1>(Scalar, &codes, 3, &mut bytes);
        // Element 0: top bits 11 in byte 0, field 0; low bit 0.
        assert_eq!(bytes[0], 0b11);
        // Element 9: top bits 01 in byte 1, field 1; low bit 1 in byte 1 (9 mod 4) of the second plane, field 2.
        assert_eq!(bytes[1], 0b01 << 2);
        assert_eq!(bytes[8 + 1], 1 << 2);
        assert_eq!(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 4);
    }
}
