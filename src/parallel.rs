//! Whole frames over the threads of a rayon pool, with the bytes, values and errors of the sequential calls.
//!
//! Rows are halved until a piece is short enough. Whoever codes a piece also takes its checksum, while its
//! bytes are near; checksums of pieces combine into that of the frame, so no pass over all bytes is left to one
//! thread.

use core::ops::Range;

use crate::checksum::Checksum;
use crate::decode::{Decoder, zero_on_error};
use crate::element::{Element, Elements, with_elements};
use crate::encode::{Encoder, Passes, Plan, Ranking, row_keys};
use crate::error::{DecodeError, EncodeError};
use crate::exponents::{Sample, channel_means};
use crate::frame::{Frame, Header, Sealed};

/// Pieces for each thread, so that one that is held up does not hold up all.
const PIECES_A_THREAD: u32 = 4;

/// Channels of a piece are whole lines of every element type, as many as are worth going from row to row for.
const CHANNELS: u32 = 256;

/// Elements of a piece below which waking a thread costs more than it saves.
const LEAST_ELEMENTS: u32 = 1 << 14;

impl Encoder<'_> {
    /// As [`Encoder::encode`], by the threads of the current rayon pool; the bytes are the same. The rows
    /// to drop are found by the calling thread, tensors too small to gain are left to it, and a row is never divided.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn core::error::Error>> {
    /// use tahq::{Config, Decoder, Encoder, SourceType};
    ///
    /// let (rows, width) = (256, 512);
    /// let x: Vec<f32> = (0..rows * width).map(|i| (i as f32 * 0.7).sin()).collect();
    /// let mut frame = vec![0; Config::INT4.max_frame_len(rows, width, SourceType::F32)?];
    /// let len = Encoder::new(Config::INT4)?.encode_parallel(&x, rows, width, &mut frame)?;
    ///
    /// let mut y = vec![0.0f32; x.len()];
    /// Decoder::new().decode_parallel(&frame[..len], &mut y)?;
    /// # let mut sequential = vec![1.0f32; x.len()];
    /// # Decoder::new().decode(&frame[..len], &mut sequential)?;
    /// # assert_eq!(y, sequential);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Encoder::encode`], of several values that cannot be encoded the first.
    pub fn encode_parallel<E: Element>(
        &self,
        x: &[E],
        rows: u32,
        width: u32,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let passes = Passes {
            keys: rank_pieces,
            means: means_of_pieces,
        };
        let (plan, blocks) = self.plan_with(x, rows, width, out, passes)?;
        let end = plan.row_bytes(0..rows)?.end;
        let most = rows_of_a_piece(rows, width);
        let pieces = with_elements!(Elements, E::elements(x), x => {
            encode_pieces(&plan, 0..rows, most, x, &mut blocks[..end])
        })?;
        let mut sum = plan.checksum_before_rows()?;
        sum.append(&pieces);
        plan.seal_with(blocks, end, sum)
    }
}

impl Decoder<'_> {
    /// As [`Decoder::decode`], by the threads of the current rayon pool; the values are the same. Frames too
    /// small to gain are left to the calling thread, and a row is never divided.
    ///
    /// # Errors
    ///
    /// As [`Decoder::decode`], of several faults the first; `out` is then all zeros.
    pub fn decode_parallel<E: Element>(&self, frame: &[u8], out: &mut [E]) -> Result<Header, DecodeError> {
        let Some((sealed, parsed)) = self.decodable(frame, out.len()) else {
            // Something is wrong before the first row. The order of faults is that of the sequential call.
            return self.decode(frame, out);
        };
        let result = with_elements!(ElementsMut, E::elements_mut(out), out => {
            self.decode_sealed(&sealed, &parsed, out)
        });
        zero_on_error(result, out)
    }

    fn decode_sealed<E: Element + Send>(
        &self,
        sealed: &Sealed<'_>,
        frame: &Frame<'_>,
        out: &mut [E],
    ) -> Result<Header, DecodeError> {
        let header = sealed.header;
        let most = rows_of_a_piece(header.rows, header.width);
        let (sum, result) = self.decode_pieces(frame, 0..header.rows, most, sealed.checked, out);
        sealed.verify(sum.value())?;
        result?;
        Ok(header)
    }

    /// Decodes `rows` into `out` and takes the checksum of `bytes`, of which each piece gets its share.
    fn decode_pieces<E: Element + Send>(
        &self,
        frame: &Frame<'_>,
        rows: Range<u32>,
        most: u32,
        bytes: &[u8],
        out: &mut [E],
    ) -> (Checksum, Result<(), DecodeError>) {
        let Some(middle) = middle(&rows, most) else {
            return self.rows_and_checksum(frame, rows, bytes, out);
        };
        let (before, after) = (rows.start..middle, middle..rows.end);
        // Where the rows' own blocks are divided, but for what precedes them and where rows differ in length.
        let share = bytes.len() as u128 * before.len() as u128 / rows.len() as u128;
        let (bytes_before, bytes_after) = bytes.split_at(share as usize);
        let (out_before, out_after) = out.split_at_mut(before.len() * frame.header().width as usize);
        let ((mut sum, first), (rest, second)) = rayon::join(
            || self.decode_pieces(frame, before, most, bytes_before, out_before),
            || self.decode_pieces(frame, after, most, bytes_after, out_after),
        );
        sum.append(&rest);
        (sum, first.and(second))
    }
}

/// Encodes `rows` from `x` into `out` and takes the checksum of it.
fn encode_pieces<E: Element + Sync>(
    plan: &Plan<'_>,
    rows: Range<u32>,
    most: u32,
    x: &[E],
    out: &mut [u8],
) -> Result<Checksum, EncodeError> {
    let Some(middle) = middle(&rows, most) else {
        let mut sum = Checksum::new();
        plan.encode_runs(rows, E::elements(x), out, None, Some(&mut sum))?;
        return Ok(sum);
    };
    let (before, after) = (rows.start..middle, middle..rows.end);
    let (x_before, x_after) = x.split_at(before.len() * plan.header().width as usize);
    let (out_before, out_after) = out.split_at_mut(plan.row_bytes(before.clone())?.len());
    // Both run to their end, so that of two faults the first is known.
    let (first, second) = rayon::join(
        || encode_pieces(plan, before, most, x_before, out_before),
        || encode_pieces(plan, after, most, x_after, out_after),
    );
    let mut sum = first?;
    sum.append(&second?);
    Ok(sum)
}

/// As [`row_keys`], by the threads of the pool.
fn rank_pieces(ranking: &Ranking<'_>, x: Elements<'_>, keys: &mut [[u8; 4]]) {
    let rows = 0..keys.len() as u32;
    let most = rows_of_a_piece(rows.end, ranking.width as u32);
    with_elements!(Elements, x, x => rank_some(ranking, rows, most, x, keys));
}

fn rank_some<E: Element + Sync>(
    ranking: &Ranking<'_>,
    rows: Range<u32>,
    most: u32,
    x: &[E],
    keys: &mut [[u8; 4]],
) {
    let Some(middle) = middle(&rows, most) else {
        return row_keys(ranking, E::elements(x), keys);
    };
    let len = (middle - rows.start) as usize;
    let (x_before, x_after) = x.split_at(len * ranking.width);
    let (keys_before, keys_after) = keys.split_at_mut(len);
    rayon::join(
        || rank_some(ranking, rows.start..middle, most, x_before, keys_before),
        || rank_some(ranking, middle..rows.end, most, x_after, keys_after),
    );
}

/// As [`channel_means`], by the threads of the pool, which have some channels each.
fn means_of_pieces(sample: &Sample<'_>, start: usize, means: &mut [f32]) {
    let (channels, rows) = (means.len() as u32, sample.rows() as u32);
    let most = rows_of_a_piece(channels, rows).checked_next_multiple_of(CHANNELS);
    let most = most.unwrap_or(u32::MAX);
    means_of_some(sample, start, most, means);
}

fn means_of_some(sample: &Sample<'_>, start: usize, most: u32, means: &mut [f32]) {
    let Some(middle) = middle(&(0..means.len() as u32), most) else {
        return channel_means(sample, start, means);
    };
    let (before, after) = means.split_at_mut(middle as usize);
    rayon::join(
        || means_of_some(sample, start, most, before),
        || means_of_some(sample, start + middle as usize, most, after),
    );
}

/// The most rows of a piece.
fn rows_of_a_piece(rows: u32, width: u32) -> u32 {
    let threads = u32::try_from(rayon::current_num_threads()).unwrap_or(u32::MAX);
    if threads == 1 {
        return u32::MAX;
    }
    let pieces = threads.saturating_mul(PIECES_A_THREAD);
    let least = LEAST_ELEMENTS.div_ceil(width.max(1));
    rows.div_ceil(pieces).max(least)
}

/// Where to halve `rows` so that all pieces but the last have `most` rows; `None` for one piece.
fn middle(rows: &Range<u32>, most: u32) -> Option<u32> {
    let len = rows.end - rows.start;
    (len > most).then(|| rows.start + len.div_ceil(most) / 2 * most)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn pieces(rows: Range<u32>, most: u32, out: &mut Vec<Range<u32>>) {
        match middle(&rows, most) {
            Some(middle) => {
                pieces(rows.start..middle, most, out);
                pieces(middle..rows.end, most, out);
            }
            None => out.push(rows),
        }
    }

    #[test]
    fn pieces_cover_all_rows() {
        for rows in [0, 1, 2, 7, 8, 9, 256, u32::MAX] {
            for most in [1, 2, 3, 31, 32, 1 << 30, u32::MAX] {
                if rows / most > 1000 {
                    continue;
                }
                let mut all = Vec::new();
                pieces(0..rows, most, &mut all);
                assert_eq!(all[0].start, 0);
                assert_eq!(all[all.len() - 1].end, rows);
                assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start));
                assert!(
                    all[..all.len() - 1]
                        .iter()
                        .all(|piece| piece.len() == most as usize)
                );
            }
        }
    }
}
