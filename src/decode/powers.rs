//! The powers of two that channels are multiplied by, the last step of decoding: from their exponents, or ready as floats
//! where so many rows are decoded at once that it pays.

use crate::arch::{LANES, Simd, array, exchanged};
use crate::element::Lanes;
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
}

impl<'k> Powers<'k> {
    /// Those of a frame's exponents.
    #[inline(always)]
    pub(super) fn of(exponents: Option<&'k [i8]>) -> Self {
        Self {
            exponents,
            ready: None,
        }
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
