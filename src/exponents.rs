//! Channel exponents: the powers of two that equalise channels before tiling.
//!
//! `k_c = round((log2 m_c - typical) / 2)`, with `m_c` the mean magnitude of a channel and `typical` the mean
//! of the logarithms: the exponent one half leaves loud channels louder, but no longer loud enough to
//! drown their tile. Measuring from the typical channel before halving keeps most channels on one
//! exponent instead of splitting them at a rounding boundary. The table is then moved as a whole so that none of
//! the input looked at overflows when its exponent is taken out.

use crate::arch::{Kernel, LANES, Level, Simd};
use crate::element::{Element, Elements, Lanes, with_elements};
use crate::frame::EXPONENT_MIN;
use crate::part::{part, part_mut};

/// Channels whose means are taken in one pass over the rows where there is no room for more.
const RUN: usize = 128;

/// Estimates one exponent a channel from `x`, `rows x width` elements row-major, into `table`, which has
/// `width` entries. At most `sample` rows, evenly spaced, are looked at; 0 means all of them.
///
/// Slices that do not fit that shape give a table of zeros. Non-finite elements give some table and no
/// error; encoding reports them.
pub fn estimate_exponents<E: Element>(x: &[E], rows: u32, width: u32, sample: u32, table: &mut [i8]) {
    let scratch = &mut [0.0; RUN];
    estimate(
        Level::detect(),
        E::elements(x),
        rows,
        width,
        sample,
        (scratch, table),
        channel_means,
    );
}

/// The rows of which channels' means are taken.
#[derive(Clone, Copy)]
pub(crate) struct Sample<'x> {
    level: Level,
    x: Elements<'x>,
    width: usize,
    /// The first row looked at, and the distance of those that follow.
    first: usize,
    step: usize,
}

impl Sample<'_> {
    /// How many rows are looked at.
    pub(crate) fn rows(&self) -> usize {
        let width = self.width.max(1);
        (self.x.len() / width)
            .saturating_sub(self.first)
            .div_ceil(self.step.max(1))
    }
}

/// Takes the mean magnitudes of channels from one on: [`channel_means`], or the same by several threads.
pub(crate) type FindMeans = fn(&Sample<'_>, usize, &mut [f32]);

/// The mean magnitudes of a run of channels, from `start` on, over the sampled rows. Their bits are their logarithms in steps
/// of 2^-23, piecewise linear; 0 for a silent channel.
pub(crate) fn channel_means(sample: &Sample<'_>, start: usize, means: &mut [f32]) {
    with_elements!(Elements, sample.x, x => sample.level.run(Means {
        sample,
        x,
        start,
        means,
    }));
}

/// As [`estimate_exponents`] at a level, in one pass over `x` where `scratch` has room for a number a channel.
pub(crate) fn estimate(
    level: Level,
    x: Elements<'_>,
    rows: u32,
    width: u32,
    sample: u32,
    (scratch, table): (&mut [f32], &mut [i8]),
    find_means: FindMeans,
) {
    table.fill(0);
    let len = x.len();
    if width == 0 || rows == 0 || table.len() as u64 != u64::from(width) {
        return;
    }
    if u64::from(rows) * u64::from(width) != len as u64 {
        return;
    }
    let step = match sample {
        0 => 1,
        sample => rows.div_ceil(sample) as usize,
    };
    let mut local = [0.0; RUN];
    let scratch = if scratch.len() < RUN { &mut local } else { scratch };
    let run = scratch.len().min(width as usize).max(1);
    let sample = Sample {
        level,
        x,
        width: width as usize,
        // From the middle of the first step: the first token of a sequence is the one that carries massive
        // activations, and no sample of the others.
        first: step / 2,
        step,
    };
    let mut all = Levels::default();
    for start in (0..width as usize).step_by(run) {
        let means = part_mut(scratch, 0..run.min(width as usize - start));
        find_means(&sample, start, means);
        let some = level.run(Sum { means });
        all.sum += some.sum;
        all.heard += some.heard;
        all.loudest = all.loudest.max(some.loudest);
    }
    let Some(typical) = all.sum.checked_div(u64::from(all.heard)) else {
        return;
    };
    for (i, table) in table.chunks_mut(run).enumerate() {
        let means = part_mut(scratch, 0..table.len());
        if run < width as usize {
            find_means(&sample, i * run, means);
        }
        level.run(Halve {
            means,
            typical: typical as i32,
            table,
        });
    }
    level.run(Shift {
        table,
        quiet: all.loudest < 1f32.to_bits(),
    });
}

/// What there is of the bits of means, see [`channel_means`].
#[derive(Default)]
struct Levels {
    sum: u64,
    /// Channels that are not silent.
    heard: u32,
    loudest: u32,
}

/// Takes [`Levels`] of means.
struct Sum<'k> {
    means: &'k [f32],
}

impl Kernel for Sum<'_> {
    type Output = Levels;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Levels {
        let mut levels = Levels::default();
        for mean in self.means {
            let level = mean.to_bits();
            levels.sum += u64::from(level);
            levels.heard += u32::from(level > 0);
            levels.loudest = levels.loudest.max(level);
        }
        levels
    }
}

/// Half the distances in octaves of means from the typical one, to the nearest integer.
struct Halve<'k> {
    means: &'k [f32],
    typical: i32,
    table: &'k mut [i8],
}

impl Kernel for Halve<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (k, mean) in self.table.iter_mut().zip(self.means) {
            let level = mean.to_bits() as i32;
            // Within i32: neither is negative, and the typical one is no less than its share of the loudest.
            let half = level.wrapping_sub(self.typical).wrapping_add(1 << 23) >> 24;
            // A channel of which nothing was heard is taken for a typical one.
            *k = if level > 0 { half as i8 } else { 0 };
        }
    }
}

/// See [`channel_means`].
struct Means<'k, E> {
    sample: &'k Sample<'k>,
    x: &'k [E],
    start: usize,
    means: &'k mut [f32],
}

impl<E: Lanes> Kernel for Means<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let sample = self.sample;
        self.means.fill(0.0);
        let rows = self.x.chunks_exact(sample.width.max(1));
        let rows = rows.skip(sample.first).step_by(sample.step.max(1));
        add_all(s, rows.clone(), self.start, self.means);
        let each = 1.0 / sample.rows() as f32;
        let mut largest = 0;
        for mean in self.means.iter_mut() {
            *mean *= each;
            largest = largest.max(mean.to_bits());
        }
        if largest < f32::INFINITY.to_bits() {
            return;
        }
        for (i, mean) in self.means.iter_mut().enumerate() {
            if !mean.is_finite() {
                // Scaled before the sum, which so cannot overflow.
                let channel = rows.clone().filter_map(|row| row.get(self.start + i));
                *mean = channel.fold(0.0, |sum, x| sum + x.to_f32().abs() * each);
            }
        }
    }
}

/// Adds to `means` what rows have from channel `start` on.
#[inline(always)]
fn add_all<'x, S: Simd, E: Lanes>(
    s: S,
    mut rows: impl Iterator<Item = &'x [E]>,
    start: usize,
    means: &mut [f32],
) {
    // Four at once, for which the means are loaded and stored once.
    loop {
        match [rows.next(), rows.next(), rows.next(), rows.next()] {
            [Some(a), Some(b), Some(c), Some(d)] => {
                add_four(s, [a, b, c, d], start, means);
            }
            last => {
                for row in last.into_iter().flatten() {
                    add(s, row, start, means);
                }
                return;
            }
        }
    }
}

/// Adds to `means` what `row` has from channel `start` on.
#[inline(always)]
fn add<S: Simd, E: Lanes>(s: S, row: &[E], start: usize, means: &mut [f32]) {
    let (whole, tail) = part(row, start..start + means.len()).as_chunks();
    let (means, tail_means) = means.as_chunks_mut();
    for (mean, elements) in means.iter_mut().zip(whole) {
        let sum = s.load(mean);
        s.store(plus(s, sum, elements), mean);
    }
    add_tail(tail, tail_means);
}

/// [`add`] of one after the other.
#[inline(always)]
fn add_four<S: Simd, E: Lanes>(s: S, rows: [&[E]; 4], start: usize, means: &mut [f32]) {
    let [a, b, c, d] = rows.map(|row| part(row, start..start + means.len()).as_chunks());
    let (means, tail_means) = means.as_chunks_mut();
    // Zipped, so that there is one number to compare with a length.
    for ((((mean, a), b), c), d) in means.iter_mut().zip(a.0).zip(b.0).zip(c.0).zip(d.0) {
        let mut sum = s.load(mean);
        for elements in [a, b, c, d] {
            sum = plus(s, sum, elements);
        }
        s.store(sum, mean);
    }
    for tail in [a.1, b.1, c.1, d.1] {
        add_tail(tail, tail_means);
    }
}

/// `sum` and magnitudes.
#[inline(always)]
fn plus<S: Simd, E: Lanes>(s: S, sum: S::F, elements: &[E; LANES]) -> S::F {
    s.add(sum, s.abs(E::load(s, elements)))
}

#[inline(always)]
fn add_tail<E: Element>(tail: &[E], means: &mut [f32]) {
    for (mean, element) in means.iter_mut().zip(tail) {
        *mean += element.to_f32().abs();
    }
}

/// Moves the table so that taking it out shrinks loud tensors and magnifies quiet ones: neither leaves
/// the range of f32.
struct Shift<'k> {
    table: &'k mut [i8],
    quiet: bool,
}

impl Kernel for Shift<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (low, high) = extremes(Some(self.table));
        let origin = if self.quiet { high } else { low };
        for k in self.table {
            *k = (i32::from(*k) - origin).clamp(i32::from(EXPONENT_MIN), 126) as i8;
        }
    }
}

/// The least and the largest exponent of a table; 0 and 0 where there is none.
#[inline]
pub(crate) fn extremes(table: Option<&[i8]>) -> (i32, i32) {
    let Some(table @ [_, ..]) = table else {
        return (0, 0);
    };
    // Unsigned, of which every machine with vectors has minima.
    let (least, most) = table.iter().fold((u8::MAX, 0), |(least, most), &k| {
        let k = k as u8 ^ 0x80;
        (least.min(k), most.max(k))
    });
    (i32::from(least) - 128, i32::from(most) - 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_moved_by_a_constant() {
        // Means 16, 1, silent and 256: typical is 16, so k = 0, -2, 0 and 2; loud, so the least becomes 0.
        let x = [16.0f32, -1.0, 0.0, 256.0, -16.0, 1.0, 0.0, -256.0];
        let mut table = [9; 4];
        estimate_exponents(&x, 2, 4, 0, &mut table);
        assert_eq!(table, [2, 0, 2, 4]);
        let quiet: [f32; 8] = core::array::from_fn(|i| x[i] / 65536.0);
        estimate_exponents(&quiet, 2, 4, 0, &mut table);
        assert_eq!(table, [-2, -4, -2, 0]);
    }

    #[test]
    fn sampling_leaves_the_first_row_out() {
        let mut x = [1.0f32; 8 * 2];
        x[0] = 1e6;
        let mut table = [0; 2];
        estimate_exponents(&x, 8, 2, 4, &mut table);
        assert_eq!(table, [0, 0]);
        estimate_exponents(&x, 8, 2, 0, &mut table);
        assert_ne!(table, [0, 0]);
    }

    #[test]
    fn extremes_of_f32_are_covered() {
        let x = [f32::MAX, f32::from_bits(1), 1.0, 0.0];
        let mut table = [0; 4];
        estimate_exponents(&x, 1, 4, 0, &mut table);
        assert!(table.iter().all(|&k| (-126..=126).contains(&k)));
        assert!(table[0] > table[2] && table[2] > table[1]);
    }

    #[test]
    fn sums_beyond_f32_have_means() {
        let x = [f32::MAX, 1.0, -f32::MAX, f32::from_bits(1), 1e-30];
        let (mut one, mut many) = ([0; 5], [0; 5]);
        estimate_exponents(&x, 1, 5, 0, &mut one);
        estimate_exponents(&x.repeat(9), 9, 5, 0, &mut many);
        assert_eq!(one[0], one[2]);
        assert_eq!(one, many);
        // Beside channels as many as there are lanes, and beyond a run.
        let row: std::vec::Vec<f32> = x.iter().copied().cycle().take(2 * RUN + 7).collect();
        let (mut one, mut many) = (std::vec![0; row.len()], std::vec![0; row.len()]);
        let width = row.len() as u32;
        estimate_exponents(&row, 1, width, 0, &mut one);
        estimate_exponents(&row.repeat(5), 5, width, 0, &mut many);
        assert_eq!(one, many);
    }

    #[test]
    fn shapes_that_do_not_fit_give_zeros() {
        let mut table = [7; 3];
        estimate_exponents(&[1.0f32; 4], 2, 2, 0, &mut table);
        assert_eq!(table, [0; 3]);
    }
}
