//! The powers of two that channels are multiplied by, the last step of decoding: from their exponents, or ready as floats
//! where so many rows are decoded at once that it pays.

use crate::arch::{LANES, Simd, array, exchanged};
use crate::element::Lanes;
use crate::exponents::extremes;
use crate::part::from;
use crate::rotate::Tile;
use crate::tile::{self, power_of_two};

/// Rows, the last ones aside, that are decoded by exponents where there are no more: to make the powers is what a row spends
/// on them, and storing them beside.
const FEW: u32 = 4;

/// The powers of a row's channels.
#[derive(Clone, Copy)]
pub(super) struct Powers<'k> {
    exponents: Option<&'k [i8]>,
    ready: Option<&'k [f32]>,
    /// The least base of rows without subnormal numbers, where it is known.
    normal: i32,
}

impl<'k> Powers<'k> {
    /// Those of a frame's exponents, for elements of type `E`.
    #[inline(always)]
    pub(super) fn of<S: Simd, E: Lanes>(s: S, exponents: Option<&'k [i8]>) -> Self {
        let normal = if E::narrower(s).is_some() {
            let (least, _) = extremes(exponents);
            -least
        } else {
            i32::MAX
        };
        Self {
            exponents,
            ready: None,
            normal,
        }
    }

    /// What narrows the numbers of a row of this base, if none is subnormal: the least is one unit times the least power, and
    /// units' biased exponents are 1 to 32 above the base.
    #[inline(always)]
    pub(super) fn narrower<S: Simd, E: Lanes>(self, s: S, base: u8) -> Option<S::Narrower> {
        E::narrower(s).filter(|_| i32::from(base) >= self.normal)
    }

    /// The same made ready in `room`, of which the start is overwritten, if it is large enough and aligned.
    #[inline(always)]
    pub(super) fn ready<S: Simd, E: Lanes>(self, s: S, room: &'k mut [E]) -> Self {
        let room = bytemuck::try_cast_slice_mut::<E, f32>(room).unwrap_or(&mut []);
        let Some((exponents, room)) = self
            .exponents
            .and_then(|exponents| Some((exponents, room.get_mut(..exponents.len())?)))
        else {
            return self;
        };
        let (whole, tail) = exponents.as_chunks::<LANES>();
        let (powers, last) = room.as_chunks_mut::<LANES>();
        for (power, exponents) in powers.iter_mut().zip(whole) {
            s.store(tile::powers_of_two(s, exponents), power);
        }
        for (power, &exponent) in last.iter_mut().zip(tail) {
            *power = power_of_two(exponent);
        }
        Self {
            ready: Some(room),
            ..self
        }
    }

    /// How many of `rows` rows of `E` are to be decoded by powers that stand in the others until then.
    pub(super) fn rows_before<E>(self, rows: u32) -> u32 {
        let room = size_of::<f32>().div_ceil(size_of::<E>()) as u32;
        match self.exponents {
            Some(_) if rows > FEW + room => rows - room,
            _ => 0,
        }
    }

    /// The exponents, where there are any.
    #[inline(always)]
    pub(super) fn exponents(self) -> Option<&'k [i8]> {
        self.exponents
    }

    /// Those of whole tiles of `G` channels, from tile `first` on.
    #[inline(always)]
    pub(super) fn tiles<const G: usize>(self, first: usize) -> TilePowers<'k, G> {
        match (self.ready, self.exponents) {
            (Some(ready), _) => TilePowers::Ready(from(ready.as_chunks().0, first)),
            (None, Some(exponents)) => TilePowers::Exponents(from(exponents.as_chunks().0, first)),
            (None, None) => TilePowers::One,
        }
    }
}

/// The powers of some tiles' channels.
#[derive(Clone, Copy)]
pub(super) enum TilePowers<'k, const G: usize> {
    One,
    Exponents(&'k [[i8; G]]),
    Ready(&'k [[f32; G]]),
}

impl<const G: usize> TilePowers<'_, G> {
    /// `y`, which is tile `t` exchanged by `pivot`, times its channels' powers.
    #[inline(always)]
    pub(super) fn times<S: Simd, const N: usize>(
        self,
        s: S,
        t: usize,
        y: Tile<S, N>,
        pivot: usize,
    ) -> Tile<S, N> {
        match self {
            Self::One => y,
            Self::Exponents(tiles) => match tiles.get(t) {
                Some(exponents) => tile::apply_exponents::<S, N>(s, &y, exponents, pivot),
                None => y,
            },
            Self::Ready(tiles) => match tiles
                .get(t)
                .and_then(|tile| tile.as_chunks().0.first_chunk::<N>())
            {
                Some(powers) => array!(N, v => s.mul(y[v], s.load(&powers[exchanged::<S>(v, pivot) % N]))),
                None => y,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use half::bf16;

    use crate::arch::Level;
    use crate::checksum::Shares;
    use crate::decode::Decoder;
    use crate::element::Element;
    use crate::frame::{Encoding, ExponentMode, Frame, Header, SourceType};

    /// Of plain tiles that are one unit everywhere: the least base with which they are normal, and those next to it.
    #[test]
    fn the_least_numbers_are_rounded_as_all_are() {
        // Three bits go another way than four.
        for bits in [3, 4] {
            the_least_of(bits);
        }
    }

    fn the_least_of(bits: u8) {
        let (rows, width, least) = (9, 64, 5);
        let header = Header {
            encoding: Encoding::Uniform,
            log2_tile: 6,
            hi: bits,
            lo: bits,
            source: SourceType::Bf16,
            exponents: ExponentMode::InFrame,
            table_check: 0,
            rows,
            width,
            quota: 0,
        };
        for base in [0, 3, 4, 5, 6] {
            let mut body = vec![-least as u8; width as usize];
            body.resize(header.prelude_len(), 0);
            for _ in 0..rows {
                body.extend([base, 0, 0, 0]);
                body.extend([1, 0, 0, 0]);
                body.extend(vec![0; 8 * usize::from(bits)]);
            }
            // One unit's biased exponent is one above the base, where there is no power.
            let unit = f32::from_bits((u32::from(base) + 1) << 23);
            let expected = bf16::from_f32((f64::from(unit) / f64::from(1 << least)) as f32);
            assert_eq!(expected.to_f32().is_normal(), i32::from(base) >= least);
            assert!(expected > bf16::ZERO);
            for level in Level::available() {
                let decoder = Decoder::new().with_level(level);
                let frame = Frame::from_body(header, &body, None).unwrap();
                for streamed in [false, true] {
                    let mut y = vec![bf16::ZERO; (rows * width) as usize];
                    let out = bf16::elements_mut(&mut y);
                    let result = decoder.some_rows(&frame, 0..rows, out, streamed, &mut Shares::none());
                    assert_eq!(result, Ok(()));
                    let name = level.name();
                    assert!(
                        y.iter().all(|&y| y == expected),
                        "{name}, {bits} bits, base {base}, streamed {streamed}"
                    );
                }
            }
        }
    }
}
