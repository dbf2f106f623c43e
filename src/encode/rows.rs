//! Rows of a frame: for each row scale and allocation, and for each tile rotation, quantisation and packing.
//!
//! Tiles go through the stages in blocks, so that what is decided a tile at a time, with its long chains of
//! dependent operations, overlaps with that of its neighbours.

use core::marker::PhantomData;
use core::ops::Range;

use super::{EncodeStats, Plan};
use crate::allocate::{self, End, RoughSums};
use crate::arch::{
    BLOCK, Folded, FoldedWords, Kernel, LANES, LINE, LookedUp, Part, Scalar, Simd, array, next_bit,
};
use crate::config::{Allocation, Config, Effort, Granularity, Rank, Rotation, Rounding};
use crate::decode::portable;
use crate::element::{Element, Elements, Lanes, with_elements};
use crate::error::EncodeError;
use crate::exponents;
use crate::frame::{self, BASE_MAX, Encoding, PREFIX_LEN, ROTATED, Row, RowLayout, SourceType};
use crate::pack;
use crate::part::{copy_first, from, part, part_mut, split_mut};
use crate::quantise::{self, Dither, Fitting, Grids, Start, Units, WordGrids};
use crate::rotate::{self, Tile, Words};
use crate::tile::{self, Ahead, MAX_TILE, Scale, Statistic};

/// How much narrower the rotated range must be. A plain tile decodes faster, and this costs 0.02 dB.
const NARROWER: f32 = 0.95;

/// Channel exponents that are so close bound what a row comes to without them.
const CLOSE: i32 = 8;

/// A row that a power of two of so many octaves at the most would bring to about 1 is left as it is: squares of the least of
/// its units, 40 octaves below it, are still normal.
const NEAR: i32 = 20;

/// Tiles whose coefficients are all below this, in a row scaled to about 1 or [`NEAR`] it, are below its least unit, and are
/// left plain.
const SILENCE: f32 = 1e-30;

/// So many bytes before codes are written their line is asked for: where a frame is not in the caches, a store that waits
/// for its line keeps all later ones.
const BEFORE_WRITTEN: usize = 1024;

/// Pivots that [`Effort::Best`] tries, those of the narrowest ranges.
const PIVOTS_TRIED: usize = 4;

/// The range of words below which coefficients are taken as they are. Words of the narrowest have 64 steps for each of 16
/// codes, where rounding to words adds a hundredth to the squares of what rounding to codes leaves.
const NARROWEST: f32 = 1024.0;

/// Tiles of `n` vectors in a block: as many as the level's scratch holds.
const fn tiles_in_block<S: Simd>(n: usize) -> usize {
    let tiles = S::SCRATCH / n;
    if tiles > S::TILES { S::TILES } else { tiles }
}

/// A block of tiles on their way through the stages. Aligned, as vectors that straddle two cache lines cost twice; in an
/// order that leaves the arrays of a number a tile aligned as well.
#[repr(C, align(64))]
struct Block<S: Simd, const N: usize> {
    /// The tiles' elements; then what is quantised of those that are not `worded`: coefficients where they are rotated.
    scratch: S::Scratch,
    /// Their coefficients; then codes with four fractional bits, of either, in the lower half of a tile's room.
    words: S::Words,
    /// What reductions are made from: folded numbers or words, or phases.
    first: [Folded; BLOCK],
    second: [Folded; BLOCK],
    /// Least and largest values: elements, or coefficients `H x' / G`.
    low: [f32; BLOCK],
    high: [f32; BLOCK],
    /// What a word of a coefficient is worth, and how many are 1.
    units: [f32; BLOCK],
    words_of_one: [f32; BLOCK],
    grids: Grids,
    /// As a descriptor has it: 0, or 0x80 and the pivot.
    transforms: [u8; BLOCK],
    widths: [u8; BLOCK],
    /// What is added to a tile's sixteenths before they are cut to codes.
    halves: [u8; BLOCK],
    /// The tiles a row later.
    ahead: Ahead,
    /// Tiles.
    count: usize,
    /// A bit for each tile that is quantised from its words.
    worded: u32,
    /// A bit for each tile that has sixteenths.
    cut: u32,
}

impl<S: Simd, const N: usize> Block<S, N> {
    fn new() -> Self {
        Self {
            scratch: bytemuck::Zeroable::zeroed(),
            words: bytemuck::Zeroable::zeroed(),
            first: bytemuck::Zeroable::zeroed(),
            second: bytemuck::Zeroable::zeroed(),
            low: [0.0; BLOCK],
            high: [0.0; BLOCK],
            units: [0.0; BLOCK],
            words_of_one: [0.0; BLOCK],
            grids: Grids::new(),
            transforms: [0; BLOCK],
            widths: [0; BLOCK],
            halves: [0; BLOCK],
            ahead: Ahead::NOTHING,
            count: 0,
            worded: 0,
            cut: 0,
        }
    }

    /// The tiles' numbers: within every array of the block, as the compiler can see.
    #[inline(always)]
    fn tiles(&self) -> Range<usize> {
        debug_assert!(self.count <= tiles_in_block::<S>(N));
        0..self.count.min(tiles_in_block::<S>(N))
    }

    #[inline(always)]
    fn values(&mut self, t: usize) -> &mut [[f32; LANES]; N] {
        let at = t % tiles_in_block::<S>(N);
        &mut self.scratch.as_mut().as_chunks_mut::<N>().0[at]
    }

    /// The elements of a tile.
    #[inline(always)]
    fn elements(&self, s: S, t: usize) -> Tile<S, N> {
        let at = t % tiles_in_block::<S>(N);
        let values = &self.scratch.as_ref().as_chunks::<N>().0[at];
        array!(N, v => s.load(&values[v]))
    }

    #[inline(always)]
    fn word_slot(&self, t: usize) -> &[[i16; LANES]; N] {
        &self.words.as_ref().as_chunks::<N>().0[t % tiles_in_block::<S>(N)]
    }

    #[inline(always)]
    fn word_slot_mut(&mut self, t: usize) -> &mut [[i16; LANES]; N] {
        &mut self.words.as_mut().as_chunks_mut::<N>().0[t % tiles_in_block::<S>(N)]
    }

    /// The coefficients of a tile, as words.
    #[inline(always)]
    fn words(&self, s: S, t: usize) -> Words<S, N> {
        let words = self.word_slot(t);
        array!(N, v => s.load_h(&words[v]))
    }

    #[inline(always)]
    fn set_words(&mut self, s: S, t: usize, words: &Words<S, N>) {
        let to = self.word_slot_mut(t);
        for (to, &words) in to.iter_mut().zip(words) {
            s.store_h(words, to);
        }
    }

    /// What is quantised of a tile, not rounded to words.
    #[inline(always)]
    fn quantised(&self, s: S, t: usize) -> Tile<S, N> {
        if self.worded >> (t % BLOCK) & 1 != 0 {
            self.coefficients(s, t)
        } else {
            self.elements(s, t)
        }
    }

    /// The coefficients of a rotated tile whose elements are still there.
    #[inline(always)]
    fn coefficients(&self, s: S, t: usize) -> Tile<S, N> {
        rotate::about(s, &rotate::spectrum(s, &self.elements(s, t)), self.pivot(t))
    }

    /// Of a rotated tile.
    #[inline(always)]
    fn pivot(&self, t: usize) -> usize {
        usize::from(self.transforms[t % BLOCK] & !ROTATED)
    }

    #[inline(always)]
    fn is_rotated(&self, t: usize) -> bool {
        self.transforms[t % BLOCK] != 0
    }

    /// The grids for words: see [`Grids::of_words`].
    #[inline(always)]
    fn word_grids(&self, s: S, more: f32) -> WordGrids {
        self.grids.of_words(s, &self.units, &self.words_of_one, more)
    }

    /// A tile's sixteenths, with what rounds them when they are cut.
    #[inline(always)]
    fn raised_sixteenths(&self, s: S, t: usize) -> rotate::Codes<S, N> {
        let half = s.splat_b(self.halves[t % BLOCK]);
        let slot: &[[u8; LANES]] = bytemuck::cast_slice(self.word_slot(t));
        let sixteenths = slot.first_chunk::<N>().unwrap_or(&[[0; LANES]; N]);
        array!(N, v => s.add_saturated_b(s.repeat(&sixteenths[v]), half))
    }

    #[inline(always)]
    fn fold_bounds(&mut self, s: S, t: usize, tile: &Tile<S, N>) {
        self.first[t % BLOCK] = tile::least(s, tile);
        self.second[t % BLOCK] = tile::most(s, tile);
    }

    /// Least and largest values of what [`Block::fold_bounds`] saw.
    #[inline(always)]
    fn reduce_bounds(&self, s: S) -> ([f32; BLOCK], [f32; BLOCK]) {
        let (mut low, mut high) = (s.reduce_min(&self.first), s.reduce_max(&self.second));
        // A sum with +0 gives +0 for either zero, whichever of two the level's minimum chose.
        for t in 0..S::TILES {
            low[t] += 0.0;
            high[t] += 0.0;
        }
        (low, high)
    }

    #[inline(always)]
    fn fold_word_bounds(&mut self, s: S, t: usize, words: &Words<S, N>) {
        let (least, most): (&mut [FoldedWords; BLOCK], &mut [FoldedWords; BLOCK]) = (
            bytemuck::cast_mut(&mut self.first),
            bytemuck::cast_mut(&mut self.second),
        );
        (least[t % BLOCK], most[t % BLOCK]) = folded_words(s, words);
    }

    /// Least and largest words of what [`Block::fold_word_bounds`] saw.
    #[inline(always)]
    fn reduce_word_bounds(&self, s: S) -> WordBounds<S> {
        WordBounds {
            low: s.words_to_t(&s.reduce_min_h(bytemuck::cast_ref(&self.first))),
            high: s.words_to_t(&s.reduce_max_h(bytemuck::cast_ref(&self.second))),
        }
    }

    #[inline(always)]
    fn fold_word_peak(&mut self, s: S, t: usize, words: &Words<S, N>) {
        let mut peak = s.abs_h(words[0]);
        for &words in &words[1..] {
            peak = s.max_h(peak, s.abs_h(words));
        }
        let peaks: &mut [FoldedWords; BLOCK] = bytemuck::cast_mut(&mut self.first);
        peaks[t % BLOCK] = s.fold_max_h(peak);
    }

    /// The range factors of the words that [`Block::fold_word_peak`] saw.
    #[inline(always)]
    fn reduce_range_factors(&self, s: S) -> [i16; BLOCK] {
        let peaks = s.reduce_max_h(bytemuck::cast_ref(&self.first));
        let mut factors = [0; BLOCK];
        for t in 0..S::TILES {
            factors[t] = rotate::range_factor(peaks[t]);
        }
        factors
    }

    /// What the tiles' elements are multiplied by to become words; sets what a word of a coefficient is worth.
    #[inline(always)]
    fn scale_words(&mut self) -> [f32; BLOCK] {
        let largest = self.peaks();
        let (mut factors, mut units) = ([0.0; BLOCK], [0.0; BLOCK]);
        let mut words_of_one = [0.0; BLOCK];
        for t in 0..S::TILES {
            // What is silent is below every unit.
            let largest = if largest[t] > SILENCE { largest[t] } else { SILENCE };
            factors[t] = rotate::word_of_peak(N * LANES) / largest;
            units[t] = largest * (share::<N>() / rotate::word_of_peak(N * LANES));
        }
        for t in 0..S::TILES {
            words_of_one[t] = factors[t] * (N * LANES) as f32;
        }
        (self.units, self.words_of_one) = (units, words_of_one);
        factors
    }

    /// Largest magnitudes of tiles whose bounds are known.
    #[inline(always)]
    fn peaks(&self) -> [f32; BLOCK] {
        let (low, high) = (self.low, self.high);
        let mut peaks = [0.0; BLOCK];
        for t in 0..S::TILES {
            peaks[t] = peak((low[t], high[t]));
        }
        peaks
    }

    #[inline(always)]
    fn bounds(&self, t: usize) -> (f32, f32) {
        (self.low[t], self.high[t])
    }

    #[inline(always)]
    fn range(&self, t: usize) -> f32 {
        self.high[t] - self.low[t]
    }

    /// The range in orthonormal units, comparable between transforms.
    #[inline(always)]
    fn orthonormal_range(&self, t: usize) -> f32 {
        if self.is_rotated(t) {
            self.range(t) * root(N * LANES)
        } else {
            self.range(t)
        }
    }

    #[inline(always)]
    fn fitting(&self, t: usize, units: Units, config: &Config) -> Fitting {
        Fitting {
            bounds: self.bounds(t),
            width: self.widths[t],
            units,
            fit: config.fit,
            effort: config.effort,
        }
    }
}

/// Least and largest words of a block of tiles, tiles as lanes.
#[derive(Clone, Copy)]
struct WordBounds<S: Simd> {
    low: S::T,
    high: S::T,
}

impl<S: Simd> WordBounds<S> {
    #[inline(always)]
    fn range(self, s: S) -> S::T {
        s.sub_t(self.high, self.low)
    }

    /// `limited` for tiles of which some word was limited, see [`Simd::wht_words`], and `others` for the others.
    #[inline(always)]
    fn where_limited(self, s: S, limited: S::T, others: S::T) -> S::T {
        let largest = s.max_t(self.high, s.sub_t(s.splat_t(0.0), self.low));
        s.where_below(largest, s.splat_t(rotate::WORD_LIMIT), others, limited)
    }
}

/// The numbers of the bits that are set.
#[inline(always)]
fn set_bits(mut bits: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        // Asked of the bits, as the number of none is no instruction's on some machines.
        (bits != 0).then(|| next_bit(&mut bits) % BLOCK)
    })
}

#[inline(always)]
fn folded_words<S: Simd, const N: usize>(s: S, words: &Words<S, N>) -> (FoldedWords, FoldedWords) {
    let (mut low, mut high) = (words[0], words[0]);
    for &words in &words[1..] {
        (low, high) = (s.min_h(low, words), s.max_h(high, words));
    }
    (s.fold_min_h(low), s.fold_max_h(high))
}

/// Largest magnitude of a tile within `bounds`.
#[inline(always)]
fn peak((low, high): (f32, f32)) -> f32 {
    if -low > high { -low } else { high }
}

/// The square root of a tile size.
const fn root(tile_len: usize) -> f32 {
    match tile_len {
        32 => core::f32::consts::SQRT_2 * 4.0,
        64 => 8.0,
        _ => core::f32::consts::SQRT_2 * 8.0,
    }
}

/// The tiles of a row.
#[derive(Clone, Copy)]
struct Source<'k> {
    row: Elements<'k>,
    /// The elements that come after this row.
    next: Elements<'k>,
    scale: &'k Scale<'k>,
    config: &'k Config,
}

impl Source<'_> {
    /// Fills `block` with the tiles from `start` on, as far as the statistic keeps them.
    #[inline(always)]
    fn fill<S: Simd, F: Statistic, const N: usize, const G: usize>(
        &self,
        s: S,
        start: usize,
        block: &mut Block<S, N>,
    ) {
        s.outline(Fill::<S, F, N, G> {
            source: self,
            start,
            block,
            statistic: PhantomData,
        });
    }

    /// Fills `block` with the tiles from `start` on, transformed as the configuration says; [`Effort::Best`] tries
    /// more than this.
    #[inline(always)]
    fn transform<S: Simd, const N: usize, const G: usize>(
        &self,
        s: S,
        start: usize,
        block: &mut Block<S, N>,
    ) {
        self.fill::<S, tile::Bounds, N, G>(s, start, block);
        let valid = self.row.len() - (start + block.count - 1) * G;
        s.outline(Transform {
            block,
            config: self.config,
            padding: (valid < G).then_some(valid),
        });
    }
}

/// Loads a block of tiles, as far as the statistic keeps them.
struct Fill<'k, S: Simd, F, const N: usize, const G: usize> {
    source: &'k Source<'k>,
    start: usize,
    block: &'k mut Block<S, N>,
    statistic: PhantomData<F>,
}

impl<S: Simd, F: Statistic, const N: usize, const G: usize> Part<S> for Fill<'_, S, F, N, G> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let (source, start, block) = (self.source, self.start, self.block);
        let tiles = source.row.len().div_ceil(G) - start;
        block.count = tiles_in_block::<S>(N).min(tiles);
        let (first, second) = (&mut block.first, &mut block.second);
        // Reductions are of all, and what words left there may be no numbers.
        for t in block.count..BLOCK {
            (first[t], second[t]) = (bytemuck::Zeroable::zeroed(), bytemuck::Zeroable::zeroed());
        }
        let to = block.scratch.as_mut().as_chunks_mut::<N>().0;
        let to = part_mut(to, 0..block.count);
        // The row that comes next, or this one again where none does.
        let ahead = if source.next.is_empty() {
            source.row
        } else {
            source.next
        };
        block.ahead = with_elements!(Elements, ahead.from(start * G), ahead => Ahead::new(ahead, G));
        // Where a row's peak is looked for a row before, a block of it has to be there when this one is written.
        if const { S::PEAK_EARLY } {
            block.ahead = block.ahead.on(BLOCK);
        }
        // Where no transform follows that could ask for them, and tiles are loaded to be encoded.
        let last = F::FOLDS && F::KEEPS && source.config.rotation == Rotation::Never;
        let ahead = last.then_some(block.ahead);
        with_elements!(Elements, source.row, row => {
            tile::load_several::<S, _, F, N, G>(s, row, start, source.scale, to, [first, second], ahead);
        });
    }
}

/// Loads a tile.
struct Load<'k, const N: usize, const G: usize> {
    row: Elements<'k>,
    index: usize,
    scale: &'k Scale<'k>,
    to: &'k mut [[f32; LANES]; N],
}

impl<S: Simd, const N: usize, const G: usize> Part<S> for Load<'_, N, G> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        with_elements!(Elements, self.row, row => {
            tile::load::<S, _, N, G>(s, row, self.index, self.scale, self.to);
        });
    }
}

/// The biased exponent of the largest magnitude of a row.
struct PeakExponent<'k>(Elements<'k>);

impl<S: Simd> Part<S> for PeakExponent<'_> {
    type Output = i32;

    #[inline(always)]
    fn run(self, s: S) -> i32 {
        with_elements!(Elements, self.0, row => Lanes::peak_exponent(s, row))
    }
}

/// Transforms tiles as the configuration says.
struct Transform<'k, S: Simd, const N: usize> {
    block: &'k mut Block<S, N>,
    config: &'k Config,
    /// How many channels the last tile has, where it does not have all.
    padding: Option<usize>,
}

impl<S: Simd, const N: usize> Part<S> for Transform<'_, S, N> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let block = self.block;
        (block.transforms, block.worded) = ([0; BLOCK], 0);
        let last = (block.count - 1) % BLOCK;
        let ratio = matches!(self.config.rotation, Rotation::Ratio { .. });
        // A lone outlier in a tail stays alone among zeros, as the transform by the ratio wants it.
        if let Some(valid) = self.padding
            && !ratio
        {
            tile::pad::<S, N>(s, block.values(last), valid);
            let x = block.elements(s, last);
            block.fold_bounds(s, last, &x);
        }
        (block.low, block.high) = block.reduce_bounds(s);
        match self.config.rotation {
            Rotation::Never => {}
            Rotation::Ratio { tau } => {
                rotate_outliers(s, block, tau);
                if let Some(valid) = self.padding
                    && !block.is_rotated(last)
                {
                    tile::pad::<S, N>(s, block.values(last), valid);
                    let x = block.elements(s, last);
                    (block.low[last], block.high[last]) = tile::bounds(s, &x);
                }
            }
            Rotation::Narrower => {
                let pivots = if self.config.effort == Effort::Fast {
                    transform_about_peaks(s, block)
                } else {
                    transform_about_narrowest(s, block)
                };
                rotate_narrower(s, block, &pivots);
            }
        }
        if is_exact(self.config) {
            block.take_coefficients(s, block.worded);
        }
    }
}

/// Whether coefficients are to be exact. Words have room for four bits, and for what rounding leaves of them.
#[inline(always)]
fn is_exact(config: &Config) -> bool {
    config.hi > quantise::WIDEST_OF_SIXTEENTHS
        || config.rounding != Rounding::Nearest
        || config.effort == Effort::Best
}

/// Rotates the tiles whose largest magnitude is at least `tau` times the second largest, which no infinity is: those
/// of which no other element exceeds the largest when multiplied by `tau`.
#[inline(always)]
fn rotate_outliers<S: Simd, const N: usize>(s: S, block: &mut Block<S, N>, tau: f32) {
    let (mut ahead, peaks, factors) = (block.ahead, block.peaks(), block.scale_words());
    // Of nothing.
    let mut others = [u32::MAX; BLOCK];
    for t in block.tiles() {
        ahead.prefetch_next::<S, N>(s, 0);
        others[t] = tile::count_above(s, &block.elements(s, t), tau, peaks[t]);
    }
    let mut alone = [0.0; BLOCK];
    for t in 0..S::TILES {
        let itself = u32::from(tau * peaks[t] > peaks[t]);
        let is = (peaks[t] > 0.0) & (tau < f32::INFINITY) & (others[t] == itself);
        alone[t] = if is { 1.0 } else { 0.0 };
    }
    let (none, alone) = (s.splat_t(0.0), s.load_t(&alone));
    block.worded = s.above_t(alone, none);
    // Which ones is no branch's to guess.
    for t in set_bits(block.worded) {
        let x = block.elements(s, t);
        let pivot = tile::position(s, &x, peaks[t]);
        let words = s.flip_words(rotate::word_spectrum(s, &x, factors[t]), pivot);
        block.set_words(s, t, &words);
        block.fold_word_bounds(s, t, &words);
        block.transforms[t] = ROTATED | pivot as u8;
    }
    let words = block.reduce_word_bounds(s);
    let ranges = words.where_limited(s, none, words.range(s));
    block.take_words(s, words, ranges, (none, alone));
}

/// `1 / G`.
#[inline(always)]
const fn share<const N: usize>() -> f32 {
    1.0 / (N * LANES) as f32
}

/// The words of a tile, not transformed.
#[inline(always)]
fn begin_words<S: Simd, const N: usize>(s: S, block: &Block<S, N>, t: usize, factor: f32) -> Words<S, N> {
    rotate::words(s, &block.elements(s, t), factor)
}

/// Transforms tiles about their largest magnitudes, which are the pivots.
#[inline(always)]
fn transform_about_peaks<S: Simd, const N: usize>(s: S, block: &mut Block<S, N>) -> [u8; BLOCK] {
    let (mut ahead, factors) = (block.ahead, block.scale_words());
    let mut pivots = [0; BLOCK];
    let largest = rotate::word_of_peak(N * LANES) as i16;
    let extremes = array!(BLOCK, t => if -block.low[t] > block.high[t] { -largest } else { largest });
    // Where there are registers, words are begun before the tile before is transformed, and need not be waited for.
    // After the last tile they are some other's, as this is less than to ask.
    let mut next = begin_words(s, block, 0, factors[0]);
    let mut next_pivot = s.first_word(next, extremes[0]);
    for t in block.tiles() {
        if const { !S::WORDS_EARLY } {
            next = begin_words(s, block, t, factors[t]);
        }
        if const { !S::PIVOT_EARLY } {
            next_pivot = s.first_word(next, extremes[t]);
        }
        let (words, pivot) = (next, next_pivot);
        if const { S::WORDS_EARLY } {
            let later = (t + 1) % BLOCK;
            next = begin_words(s, block, later, factors[later]);
            if const { S::PIVOT_EARLY } {
                next_pivot = s.first_word(next, extremes[later]);
            }
        }
        let words = s.flip_words(s.wht_words(words), pivot);
        pivots[t] = pivot as u8;
        block.set_words(s, t, &words);
        block.fold_word_bounds(s, t, &words);
        ahead.prefetch_next::<S, N>(s, 0);
    }
    pivots
}

/// Transforms tiles about the pivots of the narrowest ranges.
#[inline(always)]
fn transform_about_narrowest<S: Simd, const N: usize>(s: S, block: &mut Block<S, N>) -> [u8; BLOCK] {
    let (mut ahead, factors) = (block.ahead, block.scale_words());
    // As above.
    let mut next = begin_words(s, block, 0, factors[0]);
    for t in block.tiles() {
        if const { !S::WORDS_EARLY } {
            next = begin_words(s, block, t, factors[t]);
        }
        let words = next;
        if const { S::WORDS_EARLY } {
            let later = (t + 1) % BLOCK;
            next = begin_words(s, block, later, factors[later]);
        }
        let words = s.wht_words(words);
        block.set_words(s, t, &words);
        block.fold_word_peak(s, t, &words);
        ahead.prefetch_next::<S, N>(s, 0);
    }
    let factors = block.reduce_range_factors(s);
    // One after the other, so that no tile waits for its pivot.
    let mut pivots = [0; BLOCK];
    for pair in 0..block.tiles().end.div_ceil(2) {
        // The last of an odd number beside what is of no use, nor is its pivot.
        let (t, u) = (2 * pair % BLOCK, (2 * pair + 1) % BLOCK);
        let words = [&block.words(s, t), &block.words(s, u)];
        let found = rotate::narrowest_pivots(s, words, [factors[t], factors[u]]);
        (pivots[t], pivots[u]) = (found[0] as u8, found[1] as u8);
    }
    for t in block.tiles() {
        let words = s.flip_words(block.words(s, t), usize::from(pivots[t]));
        block.set_words(s, t, &words);
        block.fold_word_bounds(s, t, &words);
    }
    pivots
}

/// Chooses the transform of tiles of which the elements' bounds are known, and the words' folded.
#[inline(always)]
fn rotate_narrower<S: Simd, const N: usize>(s: S, block: &mut Block<S, N>, pivots: &[u8; BLOCK]) {
    let words = block.reduce_word_bounds(s);
    let (low, high) = (s.load_t(&block.low), s.load_t(&block.high));
    // The ranges are compared in orthonormal units.
    let units = s.mul_t(s.load_t(&block.units), s.splat_t(root(N * LANES)));
    let never = s.splat_t(f32::MAX);
    let narrow = words.where_limited(s, never, s.mul_t(words.range(s), units));
    let peak = s.max_t(high, s.sub_t(s.splat_t(0.0), low));
    let narrow = s.where_below(peak, s.splat_t(SILENCE), never, narrow);
    let wide = s.mul_t(s.sub_t(high, low), s.splat_t(NARROWER));
    block.worded = s.above_t(wide, narrow);
    block.transforms = s.bytes_where(block.worded, &array!(BLOCK, t => ROTATED | pivots[t]));
    block.take_words(s, words, words.range(s), (narrow, wide));
}

/// Puts the coefficients of rotated tiles, a bit for each, in the place of their elements.
struct TakeCoefficients<'k, S: Simd, const N: usize> {
    block: &'k mut Block<S, N>,
    tiles: u32,
}

impl<S: Simd, const N: usize> Part<S> for TakeCoefficients<'_, S, N> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let (block, tiles) = (self.block, self.tiles);
        for t in set_bits(tiles) {
            let c = block.coefficients(s, t);
            tile::store::<S, N>(s, &c, block.values(t));
            block.fold_bounds(s, t, &c);
        }
        // Of the others it is whatever was folded last.
        let (low, high) = block.reduce_bounds(s);
        for t in 0..S::TILES {
            let taken = tiles >> t & 1 != 0;
            block.low[t] = if taken { low[t] } else { block.low[t] };
            block.high[t] = if taken { high[t] } else { block.high[t] };
        }
    }
}

/// Rows of tiles of one size: a function of its own, with a stack frame for no other.
struct Each<K, const N: usize, const G: usize>(K);

impl<S: Simd, const N: usize, const G: usize> Part<S> for Each<RankRows<'_>, N, G> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        self.0.each::<S, N, G>(s);
    }
}

impl<S: Simd, const N: usize, const G: usize> Part<S> for Each<EncodeRows<'_>, N, G> {
    type Output = Result<(), EncodeError>;

    #[inline(always)]
    fn run(self, s: S) -> Self::Output {
        self.0.each::<S, N, G>(s)
    }
}

pub(super) struct RankRows<'k> {
    pub(super) config: &'k Config,
    pub(super) x: Elements<'k>,
    pub(super) width: usize,
    pub(super) exponents: Option<&'k [i8]>,
    pub(super) rank: Rank,
    pub(super) keys: &'k mut [[u8; 4]],
}

impl Kernel for RankRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.config.tile.len() {
            32 => s.outline(Each::<_, 1, 32>(self)),
            64 => s.outline(Each::<_, 2, 64>(self)),
            _ => s.outline(Each::<_, 4, MAX_TILE>(self)),
        }
    }
}

impl RankRows<'_> {
    #[inline(always)]
    fn each<S: Simd, const N: usize, const G: usize>(self, s: S) {
        let extremes = exponents::extremes(self.exponents);
        let mut block = Block::<S, N>::new();
        for (index, key) in self.keys.iter_mut().enumerate() {
            let row = self.x.from(index * self.width).first(self.width);
            // What cannot be encoded is reported when the row is.
            let powers = (self.exponents, None);
            let Ok((scale, _)) = scale_row(s, row, powers, extremes, true, 1, 0, None) else {
                *key = [0; 4];
                continue;
            };
            let source = Source {
                row,
                next: row.first(0),
                scale: &scale,
                config: self.config,
            };
            let (mut magnitudes, mut logarithms) = (0.0, 0.0);
            let mut widest = 0f32;
            for start in (0..self.width.div_ceil(G)).step_by(tiles_in_block::<S>(N)) {
                match self.rank {
                    Rank::Entropy => {
                        source.fill::<S, tile::Nothing, N, G>(s, start, &mut block);
                        let sums = s.outline(Entropies { block: &mut block });
                        for t in block.tiles() {
                            magnitudes += sums.0[t];
                            logarithms += sums.1[t];
                        }
                    }
                    Rank::Range => {
                        source.transform::<S, N, G>(s, start, &mut block);
                        for t in block.tiles() {
                            let range = block.orthonormal_range(t);
                            widest = if range > widest { range } else { widest };
                        }
                    }
                }
            }
            *key = allocate::key(match self.rank {
                Rank::Entropy => allocate::entropies(s, &[magnitudes; BLOCK], &[logarithms; BLOCK])[0],
                // Rows have scales of their own; the range is compared on the common one.
                Rank::Range => widest * f32::from_bits(((scale.exponent + 127).clamp(1, 254) as u32) << 23),
            });
        }
    }
}

/// Sums over tiles that give the entropy of each.
struct Entropies<'k, S: Simd, const N: usize> {
    block: &'k mut Block<S, N>,
}

impl<S: Simd, const N: usize> Part<S> for Entropies<'_, S, N> {
    type Output = ([f64; BLOCK], [f64; BLOCK]);

    #[inline(always)]
    fn run(self, s: S) -> Self::Output {
        let block = self.block;
        for t in block.tiles() {
            let x = block.elements(s, t);
            (block.first[t], block.second[t]) = allocate::entropy_sums::<S, N>(s, &x);
        }
        let (magnitudes, logarithms) = (s.reduce_add(&block.first), s.reduce_add(&block.second));
        (
            array!(BLOCK, t => f64::from(magnitudes[t])),
            array!(BLOCK, t => f64::from(logarithms[t])),
        )
    }
}

/// What selection by entropies gives, from rough ones and those of the few tiles near the limit. Gives whether these were
/// few, and nothing else was in the way.
struct SelectRoughly<'k, S: Simd, const N: usize, const G: usize> {
    source: &'k Source<'k>,
    tiles: &'k mut Block<S, N>,
    count: usize,
    keys: &'k mut [[u8; 4]],
    map: &'k mut [u8],
}

impl<S: Simd, const N: usize, const G: usize> Part<S> for SelectRoughly<'_, S, N, G> {
    type Output = bool;

    #[inline(always)]
    fn run(self, s: S) -> bool {
        let (source, tiles) = (self.source, self.tiles);
        for (i, keys) in self.keys.chunks_mut(tiles_in_block::<S>(N)).enumerate() {
            source.fill::<S, RoughSums, N, G>(s, i * tiles_in_block::<S>(N), tiles);
            let (magnitudes, logarithms) = (s.reduce_add(&tiles.first), s.reduce_add(&tiles.second));
            let Some(scores) = allocate::rough_entropies(s, &magnitudes, &logarithms) else {
                return false;
            };
            copy_first(keys, &array!(BLOCK, t => allocate::key(scores[t])));
        }
        let Some(close) = allocate::select_roughly(s, self.keys, self.count, self.map) else {
            return false;
        };
        let mut keys = [[0; 4]; BLOCK];
        if close.is_open() {
            if close.tiles().len() > tiles_in_block::<S>(N) {
                return false;
            }
            tiles.count = close.tiles().len();
            for (i, &index) in close.tiles().iter().enumerate() {
                s.outline(Load::<N, G> {
                    row: source.row,
                    index: index as usize,
                    scale: source.scale,
                    to: tiles.values(i),
                });
            }
            let sums = s.outline(Entropies { block: &mut *tiles });
            let entropies = allocate::entropies(s, &sums.0, &sums.1);
            keys = array!(BLOCK, t => allocate::key(entropies[t]));
        }
        close.select(&keys, self.map);
        true
    }
}

pub(super) struct EncodeRows<'k> {
    pub(super) plan: &'k Plan<'k>,
    pub(super) rows: Range<u32>,
    pub(super) x: Elements<'k>,
    /// `2^(-k_c)` of each channel, where these are ready.
    pub(super) powers: Option<&'k [f32]>,
    pub(super) out: &'k mut [u8],
    pub(super) stats: Option<&'k mut EncodeStats>,
}

impl Kernel for EncodeRows<'_> {
    type Output = Result<(), EncodeError>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        match self.plan.header.tile_len() {
            32 => s.outline(Each::<_, 1, 32>(self)),
            64 => s.outline(Each::<_, 2, 64>(self)),
            _ => s.outline(Each::<_, 4, MAX_TILE>(self)),
        }
    }
}

impl EncodeRows<'_> {
    #[inline(always)]
    fn each<S: Simd, const N: usize, const G: usize>(mut self, s: S) -> Result<(), EncodeError> {
        let header = &self.plan.header;
        let map = self.plan.row_map();
        let layouts = [header.row_layout(false), header.row_layout(true)];
        let mut tiles = Block::<S, N>::new();
        let (mut x, mut out) = (self.x, self.out);
        let mut peak = None;
        for index in self.rows {
            let hi = match header.encoding {
                Encoding::RowMixed => frame::bit(map, index as usize),
                _ => true,
            };
            let layout = layouts[usize::from(hi)];
            let (block, rest) = split_mut(core::mem::take(&mut out), layout.len);
            out = rest;
            let row = x.first(header.width as usize);
            x = x.from(header.width as usize);
            let job = RowJob {
                plan: self.plan,
                index,
                layout,
                hi,
                peak,
                powers: self.powers,
            };
            peak = if layout.len > 0 {
                job.encode::<S, N, G>(s, row, x, block, &mut tiles, self.stats.as_deref_mut())?
            } else {
                None
            };
            if let Some(stats) = self.stats.as_deref_mut() {
                job.measure(row, block, stats);
            }
        }
        Ok(())
    }
}

/// Finds the power of two that brings the row to about 1, or leaves it as it is where it is near, unless it is `always` to be
/// brought there, and the base that its units count from.
/// `width` is the least code width of the row, at least 1; `peak` the row's [`PeakExponent`], where it is known.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn scale_row<'t, S: Simd>(
    s: S,
    row: Elements<'_>,
    (exponents, powers): (Option<&'t [i8]>, Option<&'t [f32]>),
    (least, most): (i32, i32),
    always: bool,
    width: u8,
    index: u32,
    peak: Option<i32>,
) -> Result<(Scale<'t>, u8), EncodeError> {
    let peak = match peak {
        Some(peak) => peak,
        None => s.outline(PeakExponent(row)),
    };
    // What no channel exceeds once its exponent is taken out. Little is lost where exponents are close: units span
    // 32 octaves.
    let mut octave = peak - least;
    if let Some(table) = exponents
        && (most - least > CLOSE || octave >= 255 - CLOSE || peak >= 255)
    {
        octave = with_elements!(Elements, row, row => tile::equalised_peak_exponent(row, table));
    }
    if octave >= 255 || peak >= 255 {
        return Err(with_elements!(Elements, row, row => find_unfit(row, exponents, index)));
    }
    // A factor 2^(-k - exponent) must not exceed 2^127.
    let to_one = (octave - 127).max(-127 - least);
    // Twice the peak is the widest range, and 2^(3 + width - 1) - 8 units at least cover it; one octave
    // more leaves room for coarser candidates.
    let widest = -1 - i32::from(width);
    let base = (to_one + widest + 129 - 31).clamp(0, i32::from(BASE_MAX));
    let exponent = if always || to_one.abs() > NEAR { to_one } else { 0 };
    let scale = Scale {
        exponents,
        powers,
        exponent,
        to_one,
        octave: peak - 126,
        split: exponent + most >= 127,
    };
    Ok((scale, base as u8))
}

/// Whether some element below 2^`octave`, as it is, might decode to an infinity, before its channel exponent of at most
/// `most` or in the source type after it, with an error of up to twice `error` of the row brought to 1, which is below 2.
#[inline(always)]
fn may_overflow(source: SourceType, error: f32, scale: &Scale<'_>, octave: i32, most: i32) -> bool {
    // Above the binary logarithm of a number above 0.
    let above = |x: f32| (x.to_bits() >> 23) as i32 - 126;
    let error_octave = above(2.0 * error) + scale.to_one + most;
    octave.max(error_octave) + 1 > source.safe_exponent() || above(2.0 + 2.0 * error) + scale.to_one > 127
}

#[cold]
fn find_unfit<E: Element>(row: &[E], exponents: Option<&[i8]>, index: u32) -> EncodeError {
    let non_finite = row.iter().position(|x| !x.to_f32().is_finite());
    if let Some(channel) = non_finite {
        return EncodeError::NonFinite {
            row: index,
            channel: channel as u32,
        };
    }
    let table = exponents.unwrap_or(&[]);
    let overflows = |(x, k): (&E, &i8)| {
        let factor = f32::from_bits(((127 - i32::from(*k)).clamp(1, 254) as u32) << 23);
        !(x.to_f32() * factor).is_finite()
    };
    let channel = row.iter().zip(table).position(overflows).unwrap_or(0);
    EncodeError::ExponentOverflow {
        row: index,
        channel: channel as u32,
    }
}

/// One row on its way into its block.
struct RowJob<'k> {
    plan: &'k Plan<'k>,
    index: u32,
    layout: RowLayout,
    hi: bool,
    /// The row's, as [`PeakExponent`] has it, where it is known.
    peak: Option<i32>,
    powers: Option<&'k [f32]>,
}

impl RowJob<'_> {
    /// Gives the peak of the next row, where there was time to look for it.
    #[inline(always)]
    fn encode<S: Simd, const N: usize, const G: usize>(
        &self,
        s: S,
        x: Elements<'_>,
        next: Elements<'_>,
        block: &mut [u8],
        tiles: &mut Block<S, N>,
        mut stats: Option<&mut EncodeStats>,
    ) -> Result<Option<i32>, EncodeError> {
        let header = &self.plan.header;
        let config = &self.plan.encoder.config;
        let narrowest = match header.encoding {
            Encoding::TileMixed => header.lo,
            _ if self.hi => header.hi,
            _ => header.lo,
        };
        // Entropies are not the same to the last bit on another scale.
        let always = matches!(
            config.allocation,
            Allocation::Mixed {
                granularity: Granularity::Tile,
                rank: Rank::Entropy,
                ..
            }
        );
        let (scale, base) = scale_row(
            s,
            x,
            (self.plan.exponents, self.powers),
            self.plan.extremes,
            always,
            narrowest.max(1),
            self.index,
            self.peak,
        )?;
        let units = Units::new(i32::from(base) - 129 - scale.exponent);
        let dither = match config.rounding {
            Rounding::Nearest => None,
            Rounding::Stochastic { seed } => Some(Dither::new(seed, self.index)),
        };
        let searched = config.rotation == Rotation::Narrower
            && config.effort == Effort::Best
            && config.rounding == Rounding::Nearest;
        // No error exceeds what G codes of the widest unit can make.
        let watched = may_overflow(x.source(), 512.0, &scale, scale.octave, self.plan.extremes.1);
        let mut source = Source {
            row: x,
            next: x.first(0),
            scale: &scale,
            config,
        };

        if let Some(prefix) = block.first_chunk_mut::<PREFIX_LEN>() {
            *prefix = [base, 0, 0, 0];
        }
        if header.encoding == Encoding::TileMixed {
            self.rank_tiles::<S, N, G>(s, &source, tiles, block);
        }
        source.next = next;
        let mut next_peak = (S::PEAK_EARLY && next.len() >= x.len()).then_some(0);
        let (head, mut codes) = split_mut(block, self.layout.descriptors().end);
        let (head, descriptors) = split_mut(head, self.layout.descriptors().start);
        let map = part(head, self.layout.map());
        let mut descriptors = descriptors.as_chunks_mut::<4>().0;
        let width = if self.hi { header.hi } else { header.lo };
        let mut wide = if self.hi { u32::MAX } else { 0 };
        tiles.widths = [width; BLOCK];
        for start in (0..self.layout.tiles).step_by(tiles_in_block::<S>(N)) {
            let count = tiles_in_block::<S>(N).min(self.layout.tiles - start);
            let mut len = pack::packed_len(G, width) * count;
            if header.encoding == Encoding::TileMixed {
                wide = frame::bits_from(map, start) & ((1 << count) - 1);
                let (hi, lo) = (header.hi, header.lo);
                for t in 0..BLOCK {
                    tiles.widths[t] = lo + (wide >> t & 1) as u8 * (hi - lo);
                }
                let high = wide.count_ones() as usize;
                len = pack::packed_len(G, hi) * high + pack::packed_len(G, lo) * (count - high);
            }
            if searched {
                source.fill::<S, tile::Nothing, N, G>(s, start, tiles);
                s.outline(Searched {
                    block: &mut *tiles,
                    config,
                    units,
                    padding: x.len() - start * G,
                });
            } else {
                source.transform::<S, N, G>(s, start, tiles);
                s.outline(Fit {
                    block: &mut *tiles,
                    config,
                    units,
                });
            }
            // Loads that wait for a cache, while grids wait for one another.
            if let Some(peak) = &mut next_peak {
                let len = (count * G).min(x.len() - start * G);
                let some = next.from(start * G).first(len);
                *peak = s.outline(PeakExponent(some)).max(*peak);
            }
            if header.lo == 0 && tiles.widths.contains(&0) {
                for t in tiles.tiles() {
                    if tiles.widths[t] == 0 {
                        let valid = G.min(x.len() - (start + t) * G);
                        s.outline(Codeless {
                            block: &mut *tiles,
                            t,
                            valid,
                            units,
                        });
                    }
                }
            }
            let (some, rest) = split_mut(core::mem::take(&mut codes), len);
            codes = rest;
            let (described, rest) = split_mut(core::mem::take(&mut descriptors), tiles.count);
            descriptors = rest;
            s.outline(Write {
                block: &*tiles,
                dither: dither.map(|dither| dither.at((start * G) as u32)),
                descriptors: &mut *described,
                codes: &mut *some,
            });
            // A constant may be as far from an element as the row's largest is.
            let error = |step: f32, width: u8| {
                if width == 0 {
                    2.0
                } else {
                    step * (G as f32 * tile::power_of_two((scale.exponent - scale.to_one) as i8))
                }
            };
            let goes_beyond =
                |error| may_overflow(x.source(), error, &scale, scale.octave, self.plan.extremes.1);
            // Few blocks have such tiles.
            if watched && goes_beyond(error(tiles.grids.largest_step(), header.hi).max(error(0.0, header.lo)))
            {
                let mut codes = some;
                for (t, descriptor) in described.iter_mut().enumerate() {
                    let width = tiles.widths[t % BLOCK];
                    let (packed, rest) = split_mut(codes, pack::packed_len(G, width));
                    codes = rest;
                    let error = error(tiles.grids.get(t).step(), width);
                    if goes_beyond(error) {
                        let t = start + t;
                        self.limit::<N, G>(x, t, &scale, base, width, units, error, descriptor, packed);
                    }
                }
            }
            if let Some(stats) = stats.as_deref_mut() {
                for (t, descriptor) in tiles.tiles().zip(described.iter()) {
                    stats.tiles += 1;
                    stats.high += u64::from(wide >> t & 1);
                    stats.rotated += u64::from(descriptor[3] != 0);
                    if tiles.widths[t] > 0 {
                        stats.clipped += u64::from(s.outline(Clipped { block: &*tiles, t }));
                    }
                }
            }
        }
        Ok(next_peak)
    }

    /// Writes the tile map. The keys live where the descriptors will.
    #[inline(always)]
    fn rank_tiles<S: Simd, const N: usize, const G: usize>(
        &self,
        s: S,
        source: &Source<'_>,
        tiles: &mut Block<S, N>,
        block: &mut [u8],
    ) {
        let rank = match source.config.allocation {
            Allocation::Mixed {
                granularity: Granularity::Tile,
                rank,
                ..
            } => rank,
            _ => Rank::Range,
        };
        let (head, keys) = split_mut(block, self.layout.descriptors().start);
        let map = part_mut(head, self.layout.map());
        let keys = part_mut(keys.as_chunks_mut::<4>().0, 0..self.layout.tiles);
        let count = self.plan.header.quota as usize;
        tiles.widths = [self.plan.header.hi; BLOCK];
        if rank == Rank::Entropy
            && s.outline(SelectRoughly::<S, N, G> {
                source,
                tiles: &mut *tiles,
                count,
                keys: &mut *keys,
                map: &mut *map,
            })
        {
            return;
        }
        for (i, keys) in keys.chunks_mut(tiles_in_block::<S>(N)).enumerate() {
            let start = i * tiles_in_block::<S>(N);
            let scores = match rank {
                Rank::Entropy => {
                    source.fill::<S, tile::Nothing, N, G>(s, start, tiles);
                    let sums = s.outline(Entropies { block: &mut *tiles });
                    allocate::entropies(s, &sums.0, &sums.1)
                }
                Rank::Range => {
                    source.transform::<S, N, G>(s, start, tiles);
                    array!(BLOCK, t => tiles.orthonormal_range(t))
                }
            };
            copy_first(keys, &array!(BLOCK, t => allocate::key(scores[t])));
        }
        allocate::select(keys, count, End::Highest, map);
    }

    /// Makes sure that a tile near the end of the source type's range decodes to finite values: as it is
    /// if it does, else as a plain tile whose codes are moved towards zero until it does.
    #[cold]
    #[inline(never)]
    #[allow(clippy::too_many_arguments)]
    fn limit<const N: usize, const G: usize>(
        &self,
        x: Elements<'_>,
        t: usize,
        scale: &Scale<'_>,
        base: u8,
        width: u8,
        units: Units,
        error: f32,
        descriptor: &mut [u8; 4],
        packed: &mut [u8],
    ) {
        // Every level gives the same bits, and this one is not compiled for each of them.
        let s = Scalar;
        let valid = G.min(x.len() - t * G);
        let table = self.plan.exponents.map(|table| from(table, t * G));
        // The row is near the end, but most of its tiles are not.
        let peak = s.outline(PeakExponent(x.from(t * G).first(valid)));
        let (_, most) = exponents::extremes(table.map(|table| part(table, 0..valid)));
        if !may_overflow(x.source(), error, scale, peak - 126, most) {
            return;
        }
        let mut codes = pack::unpack::<Scalar, N>(s, packed, width);
        // The first element that decodes to an infinity, and whether it is the positive one.
        let overflowing = |descriptor: &[u8; 4], codes: &[[u8; LANES]; N]| {
            let descriptor = frame::Descriptor::parse(*descriptor, G).ok()?;
            let mut codes: [i16; G] = array!(G, i => i16::from(codes.as_flattened()[i]));
            let mut values = [0f32; G];
            portable::decode_tile(
                &mut codes,
                descriptor,
                base,
                table,
                part_mut(&mut values, 0..valid),
            );
            let mut values = values.iter().enumerate().take(valid);
            values
                .find(|(_, y)| !x.source().holds(**y))
                .map(|(i, y)| (i, *y > 0.0))
        };
        if overflowing(descriptor, &codes).is_none() {
            return;
        }
        let mut tile = [[0.0; LANES]; N];
        s.outline(Load::<N, G> {
            row: x,
            index: t,
            scale,
            to: &mut tile,
        });
        if valid < G {
            tile::pad::<Scalar, N>(s, &mut tile, valid);
        }
        if width == 0 {
            // The constant farthest from zero that is finite everywhere; zero is.
            let zero_point = i32::from(i16::from_le_bytes([descriptor[0], descriptor[1]]));
            let constant = |magnitude: i32| {
                let [low, high] = ((magnitude * zero_point.signum()) as i16).to_le_bytes();
                [low, high, descriptor[2], 0]
            };
            let (mut finite, mut beyond) = (0, zero_point.abs() + 1);
            while beyond - finite > 1 {
                let middle = (finite + beyond) / 2;
                match overflowing(&constant(middle), &codes) {
                    None => finite = middle,
                    Some(_) => beyond = middle,
                }
            }
            *descriptor = constant(finite);
            return;
        }
        let grid = quantise::cover(tile::bounds(s, &tile), width, units, Start::TowardsZero);
        let top = quantise::top_code(width);
        codes = grid.codes(s, &tile, top);
        *descriptor = grid.descriptor().to_bytes();
        // Zero is a value of the grid, or the grid's end next to zero is nearer to it than every number of
        // the tile: either way the walk ends at a finite value, less than a step from the number, and takes
        // no element through more codes than there are.
        for _ in 0..G << width {
            let Some((i, positive)) = overflowing(descriptor, &codes) else {
                break;
            };
            let code = &mut codes[i / LANES % N][i % LANES];
            *code = if positive {
                code.saturating_sub(1)
            } else {
                code.saturating_add(1).min(top)
            };
        }
        pack::pack::<Scalar, N>(s, &codes, width, packed);
    }

    /// Decodes what was written and adds it to the account.
    #[inline(never)]
    fn measure(&self, x: Elements<'_>, block: &[u8], stats: &mut EncodeStats) {
        stats.elements += x.len() as u64;
        stats.pruned += u64::from(block.is_empty());
        let (mut error, mut energy) = (0.0, 0.0);
        let mut add = |x: f32, y: f32| {
            error += (f64::from(y) - f64::from(x)) * (f64::from(y) - f64::from(x));
            energy += f64::from(x) * f64::from(x);
        };
        if block.is_empty() {
            x.for_each(|_, x| add(x, 0.0));
        } else {
            let row = Row::of_block(self.plan.header, self.hi, self.layout, block);
            let tile_len = self.plan.header.tile_len();
            let mut packed = row.codes();
            for (t, bytes) in row.descriptors().iter().enumerate() {
                let x = x.from(t * tile_len).first(tile_len);
                let mut values = [0f32; MAX_TILE];
                let decoded = part_mut(&mut values, 0..x.len());
                let table = self.plan.exponents;
                portable::decode_next(&row, tile_len, t, bytes, &mut packed, table, decoded);
                x.for_each(|i, x| add(x, values[i % MAX_TILE]));
            }
        }
        stats.squared_error += error;
        stats.energy += energy;
        if energy > 0.0 {
            stats.relative_error += error / energy;
            stats.rows += 1;
        }
    }
}

/// Chooses the grids of transformed tiles.
struct Fit<'k, S: Simd, const N: usize> {
    block: &'k mut Block<S, N>,
    config: &'k Config,
    units: Units,
}

impl<S: Simd, const N: usize> Part<S> for Fit<'_, S, N> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let (block, units) = (self.block, self.units);
        block.cut = 0;
        if self.config.rounding != Rounding::Nearest || self.config.effort == Effort::Best {
            for t in block.tiles() {
                if block.widths[t] == 0 {
                    continue;
                }
                let grid = if self.config.rounding == Rounding::Nearest {
                    let x = block.elements(s, t);
                    block.fitting(t, units, self.config).search(s, &x).grid
                } else {
                    quantise::cover(block.bounds(t), block.widths[t], units, Start::Anywhere)
                };
                block.grids.set(t, grid);
            }
            return;
        }
        let kinds = quantise::fit_all::<S>(
            (&block.low, &block.high),
            &block.widths,
            block.count,
            units,
            self.config,
            &mut block.grids,
        );
        // Next to so wide a step words are no distance at all, or their distances are no words.
        let bounds = [s.load_t(&block.low), s.load_t(&block.high)];
        let steps = block.grids.word_steps(s, bounds, s.load_t(&block.words_of_one));
        let silent = block.worded & s.above_t(s.splat_t(1.0), steps);
        // Before bounds become those of coefficients: both grids are of the same ones.
        for t in set_bits(kinds.two) {
            let (_, _, other) = block.fitting(t, units, self.config).candidates();
            s.outline(ChooseGrid {
                block: &mut *block,
                t,
                other,
            });
        }
        if silent != 0 {
            block.take_coefficients(s, silent);
        }
        let moved = kinds.moved;
        if moved == 0 {
            return;
        }
        let (finer, words) = (block.grids.finer::<S>(), block.word_grids(s, 0.0));
        // Those that are alike one after the other.
        let worded = block.worded;
        for t in set_bits(moved & worded) {
            block.cut_words(s, t, &words);
        }
        for t in set_bits(moved & !worded) {
            block.cut(s, t, &finer.get(t));
        }
        let phases = quantise::phases::<S, N>(s, bytemuck::cast_ref(&block.first));
        let moves = quantise::best_moves::<S>(moved, &phases, (&block.low, &block.high), &block.grids);
        block.grids = block.grids.moved::<S>(&moves);
        block.halves = quantise::halves::<S>(&moves);
        block.cut = moved & !s.at_least(&block.widths, quantise::WIDEST_OF_SIXTEENTHS + 1);
    }
}

impl<S: Simd, const N: usize> Block<S, N> {
    /// Takes the bounds of worded tiles, of which `narrow` is below `wide`, from those of their words; the coefficients as they
    /// are of those whose words are too few steps for their narrow range.
    #[inline(always)]
    fn take_words(&mut self, s: S, words: WordBounds<S>, ranges: S::T, (narrow, wide): (S::T, S::T)) {
        let units = s.load_t(&self.units);
        for (bounds, words) in [(&mut self.low, words.low), (&mut self.high, words.high)] {
            let taken = s.where_below(narrow, wide, s.mul_t(words, units), s.load_t(bounds));
            *bounds = s.store_t(taken);
        }
        let coarse = self.worded & s.above_t(s.splat_t(NARROWEST), ranges);
        if coarse != 0 {
            self.take_coefficients(s, coarse);
        }
    }

    /// Makes worded tiles, of which the bits are given, such as are quantised from their coefficients. What has no codes is
    /// made anew from its elements.
    #[inline(always)]
    fn take_coefficients(&mut self, s: S, tiles: u32) {
        self.worded &= !tiles;
        let tiles = tiles & s.at_least(&self.widths, 1);
        if tiles != 0 {
            s.outline(TakeCoefficients { block: self, tiles });
        }
    }

    /// Makes the sixteenths of tile `t` by its grid with a sixteenth of the step, and from them its phase.
    #[inline(always)]
    fn cut(&mut self, s: S, t: usize, finer: &quantise::Grid) {
        let (t, x) = (t % BLOCK, self.elements(s, t));
        if self.widths[t] > quantise::WIDEST_OF_SIXTEENTHS {
            return self.set_phase(s, t, finer.low_bytes(s, &x));
        }
        let sixteenths = finer.bytes(s, &x);
        self.set_sixteenths(s, t, &sixteenths);
        self.set_phase(s, t, sixteenths);
    }

    /// The same of a rotated one, by its words.
    #[inline(always)]
    fn cut_words(&mut self, s: S, t: usize, grids: &WordGrids) {
        let (t, words) = (t % BLOCK, self.words(s, t));
        let sixteenths = grids.sixteenths(s, t, &words);
        self.set_sixteenths(s, t, &sixteenths);
        self.set_phase(s, t, sixteenths);
    }

    #[inline(always)]
    fn set_phase(&mut self, s: S, t: usize, fractions: rotate::Codes<S, N>) {
        let phases: &mut [LookedUp; BLOCK] = bytemuck::cast_mut(&mut self.first);
        phases[t % BLOCK] = quantise::phase(s, fractions);
    }

    #[inline(always)]
    fn set_sixteenths(&mut self, s: S, t: usize, sixteenths: &rotate::Codes<S, N>) {
        let slot: &mut [[u8; LANES]] = bytemuck::cast_slice_mut(self.word_slot_mut(t));
        for (to, &sixteenths) in slot.iter_mut().zip(sixteenths) {
            s.store_or(sixteenths, to);
        }
    }
}

/// Takes `other` for the grid of tile `t` where its error is less. Rare, and of large tiles in hand.
struct ChooseGrid<'k, S: Simd, const N: usize> {
    block: &'k mut Block<S, N>,
    t: usize,
    other: quantise::Grid,
}

impl<S: Simd, const N: usize> Part<S> for ChooseGrid<'_, S, N> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let (block, t, other) = (self.block, self.t, self.other);
        let x = block.quantised(s, t);
        let error = |grid: quantise::Grid| {
            grid.squared_error(tile::single(grid.squared_steps::<S, N>(s, &x), |a, b| a + b))
        };
        if error(other) < error(block.grids.get(t)) {
            block.grids.set(t, other);
        }
    }
}

/// How many values of a tile its codes do not reach.
struct Clipped<'k, S: Simd, const N: usize> {
    block: &'k Block<S, N>,
    t: usize,
}

impl<S: Simd, const N: usize> Part<S> for Clipped<'_, S, N> {
    type Output = u32;

    #[inline(always)]
    fn run(self, s: S) -> u32 {
        let x = self.block.quantised(s, self.t);
        self.block.grids.get(self.t).clipped::<S, N>(s, &x)
    }
}

/// Writes descriptors and codes.
struct Write<'k, 'b, S: Simd, const N: usize> {
    block: &'k Block<S, N>,
    /// At the first tile.
    dither: Option<Dither>,
    descriptors: &'b mut [[u8; 4]],
    codes: &'b mut [u8],
}

impl<S: Simd, const N: usize> Part<S> for Write<'_, '_, S, N> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let block = self.block;
        copy_first(self.descriptors, &block.grids.describe(s, &block.transforms));
        let (grids, mut ahead, widths) = (&block.grids, block.ahead, &block.widths);
        if let Some(dither) = self.dither {
            let mut codes = self.codes;
            for t in block.tiles() {
                ahead.prefetch_next::<S, N>(s, 1);
                let dithered = grids
                    .get(t)
                    .dithered::<S, N>(s, &block.elements(s, t), dither, t * N);
                let (packed, rest) = split_mut(codes, pack::packed_len(N * LANES, widths[t]));
                pack::pack::<S, N>(s, &dithered, widths[t], packed);
                codes = rest;
            }
            return;
        }
        // What is written later, a line for each that is written now.
        for lines in self.codes.chunks(4 * LINE) {
            for line in 0..4 {
                s.prefetch(lines.as_ptr().wrapping_add(BEFORE_WRITTEN + line * LINE));
            }
        }
        let words = block.word_grids(s, quantise::HALF);
        let all = (1u32 << block.tiles().end) - 1;
        let (worded, cut) = (block.worded, block.cut);
        // Tiles that are written alike are written one after the other, as no branch could guess which these are. Not
        // closures, which would be compiled without the level's instructions.
        macro_rules! put {
            (
                $tiles:expr, $t:ident, $place:ident = $some:expr,
                $raised:ident => $cut:expr,
                $codes:ident, $top:expr => $rounded:expr
            ) => {
                for $t in set_bits(cut & $tiles) {
                    ahead.prefetch_next::<S, N>(s, 1);
                    if let Some($place) = $some {
                        let $raised = block.raised_sixteenths(s, $t);
                        $cut;
                    }
                }
                for $t in set_bits(worded & !cut & $tiles) {
                    ahead.prefetch_next::<S, N>(s, 1);
                    if let Some($place) = $some {
                        let $raised = words.sixteenths(s, $t, &block.words(s, $t));
                        $cut;
                    }
                }
                for $t in set_bits(!worded & !cut & $tiles) {
                    ahead.prefetch_next::<S, N>(s, 1);
                    if let Some($place) = $some {
                        let $codes = grids.get($t).codes(s, &block.elements(s, $t), $top);
                        $rounded;
                    }
                }
            };
        }
        // The commonest width by itself.
        macro_rules! put_nibbles {
            ($tiles:expr, $t:ident, $planes:expr) => {
                put!(
                    $tiles, $t, planes = $planes,
                    raised => pack::pack_sixteenths(s, &raised, planes),
                    codes, 15 => pack::pack_nibbles(s, &codes, planes)
                );
            };
        }
        if *widths == [4; BLOCK] {
            // They are all of one length.
            let planes = self.codes.as_chunks_mut().0.as_chunks_mut().0;
            put_nibbles!(all, t, planes.get_mut(t));
            return;
        }
        let before = pack::bits_before(widths);
        let start = |t: usize| pack::packed_len(N * LANES, before[t]);
        let four = s.at_least(widths, 4) & !s.at_least(widths, 5);
        put_nibbles!(all & four, t, nibbles(self.codes, start(t)));
        put!(
            all & !four, t, packed = Some(part_mut(self.codes, start(t)..start(t) + pack::packed_len(N * LANES, widths[t]))),
            raised => {
                let codes = quantise::codes_of_sixteenths(s, raised, quantise::top_code(widths[t]));
                pack::pack::<S, N>(s, &codes, widths[t], packed);
            },
            codes, quantise::top_code(widths[t]) => pack::pack::<S, N>(s, &codes, widths[t], packed)
        );
    }
}

/// The bytes at `start` that a tile's codes of 4 bits take.
#[inline(always)]
fn nibbles<const N: usize>(codes: &mut [u8], start: usize) -> Option<&mut [[u8; LANES / 2]; N]> {
    let codes = codes.get_mut(start..start + N * LANES / 2);
    debug_assert!(codes.is_some(), "codes out of bounds");
    codes?.as_chunks_mut().0.first_chunk_mut()
}

/// The search of [`Effort::Best`] for transforms and grids: plain, and rotated about the pivots of the narrowest ranges.
struct Searched<'k, S: Simd, const N: usize> {
    block: &'k mut Block<S, N>,
    config: &'k Config,
    units: Units,
    /// How many channels there are from the first tile on.
    padding: usize,
}

impl<S: Simd, const N: usize> Part<S> for Searched<'_, S, N> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let block = self.block;
        (block.cut, block.worded) = (0, 0);
        for t in block.tiles() {
            block.transforms[t] = 0;
            if block.widths[t] == 0 {
                continue;
            }
            let valid = self.padding - t * N * LANES;
            if valid < N * LANES {
                tile::pad::<S, N>(s, block.values(t), valid);
            }
            let x = block.elements(s, t);
            (block.low[t], block.high[t]) = tile::bounds(s, &x);
            let fitting = block.fitting(t, self.units, self.config);
            let mut chosen = fitting.search(s, &x);
            let spectrum = rotate::spectrum(s, &x);
            let largest = peak(tile::bounds(s, &spectrum));
            if largest >= SILENCE {
                let mut ranges = rotate::pivot_ranges::<S, N>(s, &spectrum, largest);
                for _ in 0..PIVOTS_TRIED {
                    let pivot = s.least(&ranges);
                    ranges = rotate::without(s, &ranges, pivot);
                    let c = rotate::about(s, &spectrum, pivot);
                    let fitting = Fitting {
                        bounds: tile::bounds(s, &c),
                        ..fitting
                    };
                    let mut other = fitting.search(s, &c);
                    // A coefficient's error reaches every element: G of them, each by its square.
                    other.error *= (N * LANES) as f32;
                    if other.error < chosen.error {
                        chosen = other;
                        block.transforms[t] = ROTATED | pivot as u8;
                        tile::store::<S, N>(s, &c, block.values(t));
                    }
                }
            }
            block.grids.set(t, chosen.grid);
        }
    }
}

/// Makes of a tile without codes the constant that is its mean, or the single spike that is its largest value,
/// whichever leaves less.
struct Codeless<'k, S: Simd, const N: usize> {
    block: &'k mut Block<S, N>,
    t: usize,
    valid: usize,
    units: Units,
}

impl<S: Simd, const N: usize> Part<S> for Codeless<'_, S, N> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let (block, t) = (self.block, self.t % BLOCK);
        // As it was loaded: zeros beyond the row, and not their mean.
        if self.valid < N * LANES {
            split_mut(block.values(t).as_flattened_mut(), self.valid)
                .1
                .fill(0.0);
        }
        let x = block.elements(s, t);
        let valid = self.valid as f32;
        let sum = tile::single(tile::sum(s, &x), |a, b| a + b);
        let largest = peak(tile::bounds(s, &x));
        let value = if largest * largest * valid > sum * sum {
            let pivot = tile::position(s, &x, largest);
            block.transforms[t] = ROTATED | pivot as u8;
            // Of two of the same magnitude the first is the one kept, with its own sign.
            block.values(t).as_flattened()[pivot] / (N * LANES) as f32
        } else {
            block.transforms[t] = 0;
            sum / valid
        };
        block.grids.set(t, quantise::constant(value, 0, self.units));
    }
}
