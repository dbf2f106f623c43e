//! The powers of two that channels are multiplied by before they are tiled, ready as floats where so many rows are encoded
//! at once that it pays.

use super::Plan;
use crate::arch::{Kernel, LANES, Simd};
use crate::part::split_mut;
use crate::tile::power_of_two;

/// Rows at the least that are encoded by the powers: to make them is what a row or two spend on them.
const FEW: u32 = 4;

/// Where the powers of a frame's channels lie: at the end of the blocks of the last rows, until these are encoded.
pub(super) struct Powers {
    /// How many there are, 0 where they are not made.
    channels: usize,
    /// The most bytes that a row takes.
    row: usize,
}

impl Powers {
    /// Makes them in `out`, the blocks of some rows.
    pub(super) fn ready(plan: &Plan<'_>, out: &mut [u8]) -> Self {
        let table = plan.exponents.unwrap_or(&[]);
        let mut powers = Self {
            channels: table.len(),
            row: plan.header.row_layout(true).len,
        };
        let enough = powers.rows_before(out) >= Some(FEW);
        let floats = bytemuck::pod_align_to_mut::<u8, f32>(out).1;
        let before = floats.len().saturating_sub(table.len());
        let make = Make {
            table,
            powers: split_mut(floats, before).1,
        };
        if !(enough && plan.encoder.level.run(make)) {
            powers.channels = 0;
        }
        powers
    }

    /// How many rows have their blocks in `out`, what is not written yet, before the powers, where there is one.
    pub(super) fn rows_before(&self, out: &[u8]) -> Option<u32> {
        // The last of them ends where a float may.
        let bytes = self.channels * size_of::<f32>() + align_of::<f32>() - 1;
        let rows = out.len().saturating_sub(bytes).checked_div(self.row)?;
        (self.channels > 0 && rows > 0).then_some(u32::try_from(rows).unwrap_or(u32::MAX))
    }

    /// The powers, where they lie in `rest`, what is not written yet.
    pub(super) fn within<'k>(&self, rest: &'k [u8]) -> Option<&'k [f32]> {
        let floats = bytemuck::pod_align_to::<u8, f32>(rest).1;
        let before = floats.len().checked_sub(self.channels)?;
        floats.get(before..).filter(|powers| !powers.is_empty())
    }
}

/// Makes `2^-k` of every exponent, at a level that has a use for them; gives whether it has.
struct Make<'k> {
    table: &'k [i8],
    powers: &'k mut [f32],
}

impl Kernel for Make<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        if const { !S::POWERS_READY } {
            return false;
        }
        let (tiles, last) = self.table.as_chunks::<LANES>();
        let (powers, last_powers) = self.powers.as_chunks_mut::<LANES>();
        for (power, exponents) in powers.iter_mut().zip(tiles) {
            s.store(s.powers_below(127, exponents), power);
        }
        for (power, exponent) in last_powers.iter_mut().zip(last) {
            // Exponents are at least -126.
            *power = power_of_two(exponent.wrapping_neg());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use crate::arch::Level;
    use crate::config::{Config, Effort, Exponents};
    use crate::encode::Encoder;
    use crate::frame::SourceType;

    /// A row by itself is not encoded by powers that are ready, nor are the last ones of several.
    #[test]
    fn rows_are_encoded_as_alone() {
        for (width, rows) in [(70u32, 61u32), (576, 19)] {
            let mut state = 7u32;
            let mut random = || {
                state = state.wrapping_mul(0x2c92_77b5).wrapping_add(0xac56_4b05);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            };
            let table: Vec<i8> = (0..width).map(|c| (c * 37 % 41) as i8 - 20).collect();
            let x: Vec<f32> = (0..rows * width)
                .map(|i| {
                    // Near 1 and far from it, a row after the other.
                    let octave = [0, 19, -21, 90, -60][(i / width % 5) as usize]
                        + i32::from(table[(i % width) as usize]);
                    random() * 2f32.powi(octave)
                })
                .collect();
            for effort in [Effort::Fast, Effort::Balanced] {
                let config = Config {
                    effort,
                    exponents: Exponents::InFrame,
                    ..Config::INT4
                };
                for level in Level::available() {
                    let encoder = Encoder::new(config)
                        .unwrap()
                        .with_exponents(&table)
                        .with_level(level);
                    let len = config.max_frame_len(rows, width, SourceType::F32).unwrap();
                    for skew in 0..4 {
                        let mut room = vec![0x55; len + skew];
                        let len = encoder.encode(&x, rows, width, &mut room[skew..]).unwrap();
                        let mut alone = vec![0xaa; len];
                        let (plan, blocks) = encoder.plan(&x, rows, width, &mut alone).unwrap();
                        for row in 0..rows {
                            let own = plan.row_bytes(row..row + 1).unwrap();
                            let x = &x[(row * width) as usize..][..width as usize];
                            plan.encode_rows(row..row + 1, x, &mut blocks[own]).unwrap();
                        }
                        plan.seal(blocks).unwrap();
                        assert!(room[skew..][..len] == alone, "{} {width} {skew}", level.name());
                    }
                }
            }
        }
    }
}
