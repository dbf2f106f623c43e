//! Codes to bytes and back: the binary digits of a code width are planes of 8, 4, 2 and 1 bits, the
//! widest first and holding the most significant bits. In a plane of `w` bits of a tile of `G` codes,
//! element `i` is in byte `i mod n` at bit `w * (i div n)`, with `n = G * w / 8`: a plane unpacks with one
//! shift and one mask a field, whatever the vector width.

/// Bytes that `tile_len` codes of `width` bits take.
#[inline(always)]
pub(crate) const fn packed_len(tile_len: usize, width: u8) -> usize {
    tile_len / 8 * width as usize
}

/// Packs `codes`, each below `2^width`, into `bytes`, which has [`packed_len`] bytes.
#[inline(always)]
pub(crate) fn pack<const G: usize>(codes: &[u8; G], width: u8, bytes: &mut [u8]) {
    if width == 4 {
        // The commonest width is worth constants.
        pack_plane::<G, 4>(codes, 4, &mut bytes[..G / 2]);
        return;
    }
    let mut rest = bytes;
    rest = pack_plane::<G, 8>(codes, width, rest);
    rest = pack_plane::<G, 4>(codes, width, rest);
    rest = pack_plane::<G, 2>(codes, width, rest);
    pack_plane::<G, 1>(codes, width, rest);
}

/// Unpacks what [`pack`] made of codes of `width` bits.
#[inline(always)]
pub(crate) fn unpack<const G: usize>(bytes: &[u8], width: u8, codes: &mut [u8; G]) {
    *codes = [0; G];
    if width == 4 {
        // The commonest width is worth constants.
        unpack_plane::<G, 4>(&bytes[..G / 2], 4, codes);
        return;
    }
    let mut rest = bytes;
    rest = unpack_plane::<G, 8>(rest, width, codes);
    rest = unpack_plane::<G, 4>(rest, width, codes);
    rest = unpack_plane::<G, 2>(rest, width, codes);
    unpack_plane::<G, 1>(rest, width, codes);
}

#[inline(always)]
fn pack_plane<'a, const G: usize, const W: usize>(
    codes: &[u8; G],
    width: u8,
    bytes: &'a mut [u8],
) -> &'a mut [u8] {
    if usize::from(width) & W == 0 {
        return bytes;
    }
    // The digits of the width below this plane are the planes that follow.
    let below = usize::from(width) & (W - 1);
    let mask = u8::MAX >> (8 - W);
    let n = G * W / 8;
    let (plane, rest) = bytes.split_at_mut(n);
    for (j, byte) in plane.iter_mut().enumerate() {
        *byte = codes[j] >> below & mask;
    }
    for field in 1..8 / W {
        for (j, byte) in plane.iter_mut().enumerate() {
            *byte |= (codes[field * n + j] >> below & mask) << (W * field);
        }
    }
    rest
}

#[inline(always)]
fn unpack_plane<'a, const G: usize, const W: usize>(
    bytes: &'a [u8],
    width: u8,
    codes: &mut [u8; G],
) -> &'a [u8] {
    if usize::from(width) & W == 0 {
        return bytes;
    }
    let below = usize::from(width) & (W - 1);
    let mask = u8::MAX >> (8 - W);
    let n = G * W / 8;
    let (plane, rest) = bytes.split_at(n);
    for field in 0..8 / W {
        for (j, byte) in plane.iter().enumerate() {
            codes[field * n + j] |= (byte >> (W * field) & mask) << below;
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<const G: usize>() {
        for width in 0..=8u8 {
            let top = ((1u16 << width) - 1) as u8;
            let codes: [u8; G] = core::array::from_fn(|i| (i as u8).wrapping_mul(37).wrapping_add(11) & top);
            let mut bytes = [0xaa; 128];
            let len = packed_len(G, width);
            pack(&codes, width, &mut bytes[..len]);
            assert!(bytes[len..].iter().all(|&byte| byte == 0xaa));
            let mut back = [0xff; G];
            unpack(&bytes[..len], width, &mut back);
            assert_eq!(codes, back, "G {G} width {width}");
        }
    }

    #[test]
    fn every_width_round_trips() {
        round_trip::<32>();
        round_trip::<64>();
        round_trip::<128>();
    }

    #[test]
    fn planes_are_where_the_format_says() {
        // Width 3: a 2-bit plane of 8 bytes, then a 1-bit plane of 4, at G 32.
        let mut codes = [0u8; 32];
        codes[0] = 0b110;
        codes[9] = 0b011;
        let mut bytes = [0; 12];
        pack(&codes, 3, &mut bytes);
        // Element 0: top bits 11 in byte 0, field 0; low bit 0.
        assert_eq!(bytes[0], 0b11);
        // Element 9: top bits 01 in byte 1, field 1; low bit 1 in byte 1 (9 mod 4) of the second plane, field 2.
        assert_eq!(bytes[1], 0b01 << 2);
        assert_eq!(bytes[8 + 1], 1 << 2);
        assert_eq!(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 4);
    }
}
