//! Where decoded elements go: straight to the output, or past the caches where there is so much of it that it would not
//! stay in them.
//!
//! What goes past the caches must leave as whole lines. Tiles are lines where every row starts at one. Elsewhere (an
//! allocator's large blocks start 16 bytes into a line) they are decoded into one half of a [`Stage`], and leave the other
//! half meanwhile, in order, as tiles are not decoded.

use crate::arch::{LINE, Line, Simd, exchanged};
use crate::element::{Element, Lanes};
use crate::part::{copy, from, part, part_mut, split, split_mut};
use crate::rotate::Tile;

/// Tiles that are decoded together, of `G` elements: as many as half a stage holds, and 32 at the most.
pub(super) const fn tiles_together<const G: usize>() -> usize {
    if HALF / G < 32 { HALF / G } else { 32 }
}

/// Whether all of some rows' tiles of 64 are whole lines.
pub(super) fn rows_are_lines<E>(rows: &[E], width: usize) -> bool {
    rows.as_ptr().addr().is_multiple_of(LINE) && (width * size_of::<E>()).is_multiple_of(LINE)
}

/// Elements of half a stage.
const HALF: usize = 2048;

/// Elements that have room before them: those of a line that was not whole.
const CARRIED: usize = 32;

/// Two places that elements are decoded to before they are stored past the caches. Aligned as the lines that tiles are
/// made of.
#[repr(C, align(64))]
pub(super) struct Stage<E>([[E; CARRIED + HALF]; 2]);

impl<E: Element> Stage<E> {
    pub(super) fn new() -> Self {
        Self([[E::zeroed(); CARRIED + HALF]; 2])
    }

    /// The half of this number, and the other one.
    #[inline(always)]
    fn halves(&mut self, number: usize) -> [&mut [E; CARRIED + HALF]; 2] {
        let [first, second] = &mut self.0;
        if number == 0 {
            [first, second]
        } else {
            [second, first]
        }
    }
}

/// An output that is written from its start to its end.
pub(super) struct Sink<'s, 'k, E> {
    /// What is not written yet.
    rest: &'k mut [E],
    staged: Option<Staged<'s, 'k, E>>,
}

struct Staged<'s, 'k, E> {
    stage: &'s mut Stage<E>,
    /// The half to fill.
    free: usize,
    /// How many elements stand before it that are the first of [`Sink::rest`].
    carried: usize,
    /// Where in the other half the lines begin that wait, and where they are to go.
    start: usize,
    lines: &'k mut [Line],
}

impl<'s, 'k, E: Lanes> Sink<'s, 'k, E> {
    /// Writes to `out`, by way of a stage where one is given.
    #[inline(always)]
    pub(super) fn new(out: &'k mut [E], stage: Option<&'s mut Stage<E>>) -> Self {
        let staged = stage.map(|stage| Staged {
            stage,
            free: 0,
            carried: 0,
            start: 0,
            lines: &mut [],
        });
        Self { rest: out, staged }
    }

    /// Where the next `count` tiles are to be put, [`tiles_together`] at the most; [`Sink::advance`] follows.
    #[inline(always)]
    pub(super) fn place<const G: usize, const LINES: bool>(
        &mut self,
        count: usize,
    ) -> Place<'_, 'k, E, G, LINES> {
        let Some(staged) = &mut self.staged else {
            let (tiles, _) = split_mut(&mut *self.rest, count * G);
            return Place {
                tiles: tiles.as_chunks_mut().0,
                waiting: None,
            };
        };
        let [free, other] = staged.stage.halves(staged.free);
        Place {
            tiles: part_mut(free, CARRIED..CARRIED + count * G).as_chunks_mut().0,
            waiting: Some(Waiting {
                from: bytemuck::cast_slice(from(other, staged.start)).as_chunks().0,
                lines: core::mem::take(&mut staged.lines),
            }),
        }
    }

    /// Goes on after `count` elements, which the last place was filled with.
    #[inline(always)]
    pub(super) fn advance(&mut self, count: usize) {
        let Some(staged) = &mut self.staged else {
            (_, self.rest) = split_mut(core::mem::take(&mut self.rest), count);
            return;
        };
        let [full, free] = staged.stage.halves(staged.free);
        let start = CARRIED - staged.carried;
        let filled = staged.carried + count;
        // What ends within a line waits for those that follow.
        let end = self.rest.as_ptr().addr() + filled * size_of::<E>();
        let beyond = (end % LINE / size_of::<E>()).min(filled);
        let (to, rest) = split_mut(core::mem::take(&mut self.rest), filled - beyond);
        self.rest = rest;
        let (head, lines, tail) = bytemuck::pod_align_to_mut::<E, Line>(to);
        let (first, end) = (head.len(), start + filled - beyond);
        copy(head, part(full, start..start + first));
        copy(tail, part(full, end - tail.len()..end));
        copy(
            part_mut(free, CARRIED - beyond..CARRIED),
            part(full, end..end + beyond),
        );
        // The half that is full has what waits, and the other one is free: nothing waits there any more.
        (staged.start, staged.lines) = (start + first, lines);
        (staged.free, staged.carried) = (1 - staged.free % 2, beyond);
    }

    /// The next `count` elements themselves, to be written at once.
    #[inline(always)]
    pub(super) fn direct(&mut self, count: usize) -> &'k mut [E] {
        if let Some(staged) = &mut self.staged {
            let (to, rest) = split_mut(core::mem::take(&mut self.rest), staged.carried);
            self.rest = rest;
            let [half, _] = staged.stage.halves(staged.free);
            copy(to, part(half, CARRIED - staged.carried..CARRIED));
            staged.carried = 0;
        }
        let (now, rest) = split_mut(core::mem::take(&mut self.rest), count);
        self.rest = rest;
        now
    }

    /// Writes what is not written yet.
    #[inline(always)]
    pub(super) fn finish<S: Simd>(mut self, s: S) {
        self.direct(0);
        self.place::<1, false>(0).finish(s);
    }
}

/// Tiles to be decoded, in any order; with `LINES` they go past the caches, being whole lines.
pub(super) struct Place<'p, 'k, E, const G: usize, const LINES: bool> {
    tiles: &'p mut [[E; G]],
    /// What is to be stored meanwhile.
    waiting: Option<Waiting<'p, 'k>>,
}

impl<'p, E: Lanes, const G: usize> Place<'p, '_, E, G, false> {
    /// These, that do not go past the caches.
    #[inline(always)]
    pub(super) fn new(tiles: &'p mut [[E; G]]) -> Self {
        Self { tiles, waiting: None }
    }
}

impl<E: Lanes, const G: usize, const LINES: bool> Place<'_, '_, E, G, LINES> {
    /// Whether the output goes past the caches.
    #[inline(always)]
    pub(super) fn is_streamed(&self) -> bool {
        LINES || self.waiting.is_some()
    }

    /// How many tiles.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.tiles.len()
    }

    /// Writes tile `t`, which is exchanged by `pivot`, and of which no element is subnormal where there is a `narrower`.
    #[inline(always)]
    pub(super) fn put<S: Simd, const N: usize>(
        &mut self,
        s: S,
        t: usize,
        y: Tile<S, N>,
        pivot: usize,
        narrower: Option<S::Narrower>,
    ) {
        if let Some(out) = self
            .tiles
            .get_mut(t)
            .and_then(|out| out.as_chunks_mut().0.first_chunk_mut::<N>())
        {
            for (v, &y) in y.iter().enumerate() {
                let out = &mut out[exchanged::<S>(v, pivot) % N];
                if LINES {
                    E::stream(s, y, out, narrower);
                } else {
                    E::store(s, y, out, narrower);
                }
            }
        }
        if let Some(waiting) = &mut self.waiting {
            waiting.store(s, G * size_of::<E>() / LINE);
        }
    }

    /// All tiles are written.
    #[inline(always)]
    pub(super) fn finish<S: Simd>(self, s: S) {
        if let Some(mut waiting) = self.waiting {
            waiting.store(s, usize::MAX);
        }
    }
}

/// Lines to be stored past the caches.
struct Waiting<'p, 'k> {
    from: &'p [[u8; LINE]],
    lines: &'k mut [Line],
}

impl Waiting<'_, '_> {
    /// Stores some of them.
    #[inline(always)]
    fn store<S: Simd>(&mut self, s: S, most: usize) {
        let most = most.min(self.lines.len());
        let (now, later) = split_mut(core::mem::take(&mut self.lines), most);
        let (from, rest) = split(self.from, most);
        for (line, from) in now.iter_mut().zip(from) {
            s.stream_line(from, line);
        }
        (self.from, self.lines) = (rest, later);
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use crate::arch::Level;
    use crate::checksum::Shares;
    use crate::config::{Config, Exponents, TileSize};
    use crate::decode::Decoder;
    use crate::element::Element;
    use crate::encode::Encoder;
    use crate::error::DecodeError;
    use crate::frame::{CHECKSUM_LEN, Frame, HEADER_LEN};

    /// Rows of `width`, every third one zeros, which `GRADIENT` drops.
    fn tensor<E: Element>(rows: u32, width: u32) -> std::vec::Vec<E> {
        let value = |i: u32| {
            let hash = (i + 1).wrapping_mul(0x9e37_79b9) ^ (i >> 3);
            let x = (hash >> 8) as f32 / 16_777_216.0 - 0.5;
            if hash.is_multiple_of(61) { 20.0 * x } else { x }
        };
        let dropped = |i: u32| (i / width) % 3 == 1;
        (0..rows * width)
            .map(|i| E::from_f32(if dropped(i) { 0.0 } else { value(i) }))
            .collect()
    }

    /// An exponent for each channel, none like those next to it.
    fn table(width: u32) -> std::vec::Vec<i8> {
        (0..width).map(|channel| (channel * 7 % 19) as i8 - 9).collect()
    }

    fn check<E: Element + PartialEq + core::fmt::Debug>(config: Config, rows: u32, width: u32) {
        let x = tensor::<E>(rows, width);
        let mut frame = std::vec![0; config.max_frame_len(rows, width, E::SOURCE).expect("small")];
        let table = table(width);
        let encoder = Encoder::new(config).expect("valid").with_exponents(&table);
        let len = encoder.encode(&x, rows, width, &mut frame).expect("finite");
        let parsed = Frame::parse(&frame[..len], None).expect("whole");
        let mut expected = x.clone();
        let scalar = Decoder::new().with_level(Level::SCALAR);
        scalar.decode(&frame[..len], &mut expected).expect("whole");
        for level in Level::available() {
            let decoder = Decoder::new().with_level(level);
            // From everywhere in a line, with elements before and after that must stay; and through the caches.
            let places = (0..=64 / size_of::<E>()).map(|at| (at, true));
            for (at, streamed) in places.chain([(0, false), (1, false)]) {
                let mark = E::from_f32(-77.0);
                let mut out = std::vec![mark; x.len() + 2 * 64];
                let own = &mut out[at..at + x.len()];
                let own = E::elements_mut(own);
                let result = decoder.some_rows(&parsed, 0..rows, own, streamed, &mut Shares::none());
                assert_eq!(result, Ok(()));
                let case = (level.name(), config.tile, width, at, streamed);
                assert!(out[at..at + x.len()] == expected, "{case:?}");
                let outside = out[..at].iter().chain(&out[at + x.len()..]);
                assert!(outside.into_iter().all(|x| *x == mark), "{case:?}");
            }
        }
    }

    #[test]
    fn what_goes_past_the_caches_is_what_does_not() {
        for tile in [TileSize::G32, TileSize::G64, TileSize::G128] {
            // Rows shorter than a tile, of one, with a tail, of lines and not, and more tiles than go together.
            for width in [5, 64, 100, 128, 32 * 67, 64 * 70 + 8] {
                for config in [Config::INT4, Config::MIXED, Config::GRADIENT] {
                    // Few rows without exponents, and so many that the last ones have the powers of the others.
                    for (rows, exponents) in [(4, Exponents::None), (9, Exponents::InFrame)] {
                        let config = Config {
                            tile,
                            exponents,
                            ..config
                        };
                        check::<f32>(config, rows, width);
                        check::<f16>(config, rows, width);
                        check::<bf16>(config, rows, width);
                    }
                }
            }
        }
    }

    #[test]
    fn faults_are_those_of_the_usual_way() {
        let (rows, width) = (9, 64 * 70 + 8);
        let x = tensor::<f32>(rows, width);
        let config = Config {
            exponents: Exponents::InFrame,
            ..Config::INT4
        };
        let mut frame = std::vec![0; config.max_frame_len(rows, width, f32::SOURCE).expect("small")];
        let table = table(width);
        let encoder = Encoder::new(config).expect("valid").with_exponents(&table);
        let len = encoder.encode(&x, rows, width, &mut frame).expect("finite");
        let header = *Frame::parse(&frame[..len], None).expect("whole").header();
        let layout = header.row_layout(true);
        let mut body = frame[HEADER_LEN..len - CHECKSUM_LEN].to_vec();
        // Of a tile in the middle, and of the tail; of a row that is decoded by ready powers, and of the one that they are in.
        for (row, tile) in [(4, 40), (4, 70), (8, 40), (8, 70)] {
            let start = header.prelude_len() + row * layout.len;
            let transform = start + layout.descriptors().start + 4 * tile + 3;
            let before = core::mem::replace(&mut body[transform], 0x01);
            let frame = Frame::from_body(header, &body, None).expect("of the right length");
            let expected = DecodeError::BadTransform {
                row: row as u32,
                tile: tile as u32,
                found: 0x01,
            };
            for level in Level::available() {
                let decoder = Decoder::new().with_level(level);
                for (at, streamed) in [(0, true), (1, true), (4, true), (0, false)] {
                    let mut out = std::vec![0.0; x.len() + 4];
                    let own = f32::elements_mut(&mut out[at..at + x.len()]);
                    let result = decoder.some_rows(&frame, 0..rows, own, streamed, &mut Shares::none());
                    assert_eq!(result, Err(expected));
                    let own = &mut out[at..at + x.len()];
                    assert_eq!(decoder.decode_rows(&frame, 0..rows, own), Err(expected));
                    assert!(own.iter().all(|&x| x == 0.0));
                }
            }
            body[transform] = before;
        }
    }
}
