//! The encoding driver: tensor, then for each row scale and allocation, and for each tile rotation,
//! quantisation and packing.
//!
//! [`Encoder::encode`] makes a whole frame. [`Encoder::plan`] makes what all rows share and leaves the rows
//! to [`Plan::encode_rows`], in any order and by any threads.

use core::ops::Range;

use half::{bf16, f16};

use crate::allocate::{self, End, EntropySums};
use crate::arch::{Kernel, LANES, Level, Part, Scalar, Simd};
use crate::config::{Allocation, Config, Effort, Exponents, Granularity, Rank, Rotation, Rounding};
use crate::decode;
use crate::element::{Element, Elements, with_elements};
use crate::error::{ConfigError, EncodeError};
use crate::exponents::{self, estimate_exponents};
use crate::frame::{
    self, BASE_MAX, CHECKSUM_LEN, EXPONENT_MIN, Encoding, ExponentMode, HEADER_LEN, Header, PREFIX_LEN, Row,
    RowLayout, SourceType,
};
use crate::pack;
use crate::quantise::{self, Chosen, Dither, Fitting, Grid, Start, Units};
use crate::rotate::{self, Tile};
use crate::tile::{self, Factors, MAX_TILE, Scale};

/// How much narrower the rotated range must be. A plain tile decodes faster, and this costs 0.02 dB.
const NARROWER: f32 = 0.95;

/// Tiles whose coefficients are all below this, in a row scaled to about 1, are below its least unit, and are
/// left plain.
const SILENCE: f32 = 1e-30;

/// Pivots that [`Effort::Best`] tries, those of the narrowest ranges.
const PIVOTS_TRIED: usize = 4;

/// A tile is predicted to have a narrower range rotated when its range is more than so many times the root
/// mean square of what is left of it without its largest magnitude. Grows with the tile as the range of a
/// sample does.
const fn predicted_ratio(tile_len: usize) -> f32 {
    match tile_len {
        32 => 3.8,
        64 => 4.5,
        _ => 4.8,
    }
}

/// What an encoder did to a tensor, or to some of its rows; add those of row ranges with
/// [`EncodeStats::merge`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EncodeStats {
    /// Bytes written.
    pub bytes: usize,
    /// Elements encoded, pruned rows included.
    pub elements: u64,
    /// Tiles written.
    pub tiles: u64,
    /// Tiles rotated.
    pub rotated: u64,
    /// Tiles with the wide code width.
    pub high: u64,
    /// Rows dropped.
    pub pruned: u64,
    /// Values (coefficients, in a rotated tile) whose code was limited by the range of codes.
    pub clipped: u64,
    /// Sum of the squared errors of what a decoder will give, in f32.
    pub squared_error: f64,
    /// Sum of the squares of the elements.
    pub energy: f64,
    /// Sum over the rows that are not all zero of their relative squared error.
    pub relative_error: f64,
    /// Rows that are not all zero.
    pub rows: u64,
}

impl EncodeStats {
    /// Bits an element, all metadata counted.
    #[must_use]
    pub fn bits_per_element(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.elements as f64
    }

    /// Share of the tiles that are rotated.
    #[must_use]
    pub fn rotated_share(&self) -> f64 {
        self.rotated as f64 / self.tiles as f64
    }

    /// Share of the tiles that have the wide code width.
    #[must_use]
    pub fn high_share(&self) -> f64 {
        self.high as f64 / self.tiles as f64
    }

    /// Mean over rows (tokens) of the relative squared error: the NMSE that encoders are ranked by.
    #[must_use]
    pub fn nmse(&self) -> f64 {
        self.relative_error / self.rows as f64
    }

    /// Adds what was done to other rows.
    pub fn merge(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.elements += other.elements;
        self.tiles += other.tiles;
        self.rotated += other.rotated;
        self.high += other.high;
        self.pruned += other.pruned;
        self.clipped += other.clipped;
        self.squared_error += other.squared_error;
        self.energy += other.energy;
        self.relative_error += other.relative_error;
        self.rows += other.rows;
    }
}

/// Encodes tensors into buffers that the caller owns. Holds no state between calls.
///
/// ```
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// use tahq::{Config, Encoder, SourceType};
///
/// let x: Vec<f32> = (0..4 * 96).map(|i| (i as f32 * 0.7).sin()).collect();
/// let mut frame = vec![0; Config::INT4.max_frame_len(4, 96, SourceType::F32)?];
/// let len = Encoder::new(Config::INT4)?.encode(&x, 4, 96, &mut frame)?;
/// assert_eq!(len, frame.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Encoder<'a> {
    config: Config,
    level: Level,
    table: Option<&'a [i8]>,
    keep: Option<&'a [bool]>,
}

impl<'a> Encoder<'a> {
    /// An encoder at the fastest level of this machine.
    ///
    /// # Errors
    ///
    /// What [`Config::validate`] finds.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        match config.validate() {
            Ok(()) => Ok(Self {
                config,
                level: Level::detect(),
                table: None,
                keep: None,
            }),
            Err(error) => Err(error),
        }
    }

    /// The same at another level. Every level gives the same bytes.
    #[must_use]
    pub const fn with_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// The same with the caller's table of channel exponents, one for each channel; [`Exponents`] says
    /// where it is used. [`estimate_exponents`] makes one from a calibration tensor.
    #[must_use]
    pub const fn with_exponents(self, table: &'a [i8]) -> Self {
        Self {
            table: Some(table),
            ..self
        }
    }

    /// The same with a mask of the rows to keep, one entry for each row, for [`Allocation::Prune`]: rows
    /// that it does not keep (padding) vanish from the wire, whatever they hold.
    #[must_use]
    pub const fn with_mask(self, keep: &'a [bool]) -> Self {
        Self {
            keep: Some(keep),
            ..self
        }
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Encodes `x`, `rows x width` elements row-major, as one frame at the start of `out`, which must have
    /// room for it ([`Config::max_frame_len`]); returns the frame's length.
    ///
    /// # Errors
    ///
    /// What does not fit, or the first value that cannot be encoded; the content of `out` is then
    /// unspecified.
    pub fn encode<E: Element>(
        &self,
        x: &[E],
        rows: u32,
        width: u32,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let (plan, blocks) = self.plan(x, rows, width, out)?;
        plan.encode_all(x, blocks, None)?;
        plan.seal(blocks)
    }

    /// As [`Encoder::encode`], with an account of what was done. Decodes every row to measure the error.
    ///
    /// # Errors
    ///
    /// As [`Encoder::encode`].
    pub fn encode_with_stats<E: Element>(
        &self,
        x: &[E],
        rows: u32,
        width: u32,
        out: &mut [u8],
    ) -> Result<EncodeStats, EncodeError> {
        let (plan, blocks) = self.plan(x, rows, width, out)?;
        let mut stats = EncodeStats::default();
        plan.encode_all(x, blocks, Some(&mut stats))?;
        stats.bytes = plan.seal(blocks)?;
        Ok(stats)
    }

    /// As [`Encoder::encode`] from bytes in the machine's own order, aligned for elements of type `element`.
    ///
    /// # Errors
    ///
    /// As [`Encoder::encode`], and [`EncodeError::Misaligned`].
    pub fn encode_bytes(
        &self,
        element: SourceType,
        x: &[u8],
        rows: u32,
        width: u32,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        match element {
            SourceType::F32 => bytemuck::try_cast_slice(x).map(|x| self.encode::<f32>(x, rows, width, out)),
            SourceType::F16 => bytemuck::try_cast_slice(x).map(|x| self.encode::<f16>(x, rows, width, out)),
            SourceType::Bf16 => bytemuck::try_cast_slice(x).map(|x| self.encode::<bf16>(x, rows, width, out)),
        }
        .unwrap_or(Err(EncodeError::Misaligned))
    }

    /// Encodes a body alone, for a transport that carries the header's fields its own way: returns the
    /// header and the body's length.
    ///
    /// # Errors
    ///
    /// As [`Encoder::encode`].
    pub fn encode_body<E: Element>(
        &self,
        x: &[E],
        rows: u32,
        width: u32,
        out: &mut [u8],
    ) -> Result<(Header, usize), EncodeError> {
        let (plan, blocks) = self.plan_body(x, rows, width, out, 0, row_keys)?;
        plan.encode_all(x, blocks, None)?;
        Ok((plan.header, plan.prelude.len() + blocks.len()))
    }

    /// Makes what the rows of a frame share, from the whole tensor: header, channel exponents, row map.
    ///
    /// Returns the plan and the part of `out` that holds the row blocks and the checksum. Give
    /// [`Plan::encode_rows`] the piece of it that [`Plan::row_bytes`] names for each range of rows, in any
    /// order and on any thread, then [`Plan::seal`] all of it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn core::error::Error>> {
    /// use tahq::{Config, Encoder, SourceType};
    ///
    /// let (rows, width) = (40, 64);
    /// let x: Vec<f32> = (0..rows * width).map(|i| (i as f32 * 0.7).sin()).collect();
    /// let mut frame = vec![0; Config::INT4.max_frame_len(rows, width, SourceType::F32)?];
    ///
    /// let encoder = Encoder::new(Config::INT4)?;
    /// let (plan, blocks) = encoder.plan(&x, rows, width, &mut frame)?;
    /// for range in [20..40, 0..20] {
    ///     let elements = (range.start * width) as usize..(range.end * width) as usize;
    ///     plan.encode_rows(range.clone(), &x[elements], &mut blocks[plan.row_bytes(range)?])?;
    /// }
    /// let len = plan.seal(blocks)?;
    /// # let mut whole = vec![0; len];
    /// # encoder.encode(&x, rows, width, &mut whole)?;
    /// # assert_eq!(whole, frame[..len]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What does not fit. Values that cannot be encoded are reported by [`Plan::encode_rows`].
    pub fn plan<'p, E: Element>(
        &self,
        x: &[E],
        rows: u32,
        width: u32,
        out: &'p mut [u8],
    ) -> Result<(Plan<'p>, &'p mut [u8]), EncodeError>
    where
        'a: 'p,
    {
        self.plan_with(x, rows, width, out, row_keys)
    }

    /// `keys`: finds the keys of all rows, where rows are ranked.
    pub(crate) fn plan_with<'p, E: Element>(
        &self,
        x: &[E],
        rows: u32,
        width: u32,
        out: &'p mut [u8],
        keys: FindKeys,
    ) -> Result<(Plan<'p>, &'p mut [u8]), EncodeError>
    where
        'a: 'p,
    {
        let available = out.len();
        let Some((header_bytes, rest)) = out.split_first_chunk_mut::<HEADER_LEN>() else {
            let needed = self.config.max_frame_len(rows, width, E::SOURCE)?;
            return Err(EncodeError::OutputLength { needed, available });
        };
        let (plan, blocks) = self
            .plan_body(x, rows, width, rest, CHECKSUM_LEN, keys)
            .map_err(|error| match error {
                EncodeError::OutputLength { needed, .. } => EncodeError::OutputLength {
                    needed: needed + HEADER_LEN,
                    available,
                },
                error => error,
            })?;
        *header_bytes = plan.header.to_bytes().map_err(|_| EncodeError::FrameTooLarge)?;
        Ok((plan, blocks))
    }

    /// `after`: bytes wanted after the body.
    fn plan_body<'p, E: Element>(
        &self,
        x: &[E],
        rows: u32,
        width: u32,
        out: &'p mut [u8],
        after: usize,
        keys: FindKeys,
    ) -> Result<(Plan<'p>, &'p mut [u8]), EncodeError>
    where
        'a: 'p,
    {
        let needed = u64::from(rows) * u64::from(width);
        if x.len() as u64 != needed {
            return Err(EncodeError::InputLength {
                needed,
                available: x.len(),
            });
        }
        let mut header = self.config.header(rows, width, E::SOURCE, self.table.is_some());
        let pruning = matches!(self.config.allocation, Allocation::Prune { .. });
        if let Some(keep) = self.keep
            && (!pruning || keep.len() as u64 != u64::from(rows))
        {
            return Err(EncodeError::Mask {
                needed: rows,
                available: keep.len(),
            });
        }
        if pruning && !header.is_empty() {
            let width = width as usize;
            header.quota = x
                .chunks_exact(width)
                .enumerate()
                .filter(|(r, row)| self.keeps(*r, row))
                .count() as u32;
        }
        let given = match header.exponents {
            ExponentMode::Agreed => Some(self.checked_table(width)?),
            ExponentMode::InFrame if self.config.exponents == Exponents::InFrame => {
                Some(self.checked_table(width)?)
            }
            _ => None,
        };
        if header.exponents == ExponentMode::Agreed {
            header.table_check = given.map_or(0, frame::table_check);
        }
        let body_len = header.body_len().map_err(|_| EncodeError::FrameTooLarge)?;
        let body_len = usize::try_from(body_len).map_err(|_| EncodeError::FrameTooLarge)?;
        let needed = body_len.checked_add(after).ok_or(EncodeError::FrameTooLarge)?;
        if out.len() < needed {
            return Err(EncodeError::OutputLength {
                needed,
                available: out.len(),
            });
        }
        let (prelude, blocks) = out[..needed].split_at_mut(header.prelude_len());
        blocks[body_len - prelude.len()..].fill(0);
        if header.exponents == ExponentMode::InFrame && !header.is_empty() {
            let (table, padding) = prelude[..header.row_map().start].split_at_mut(width as usize);
            let table: &mut [i8] = bytemuck::cast_slice_mut(table);
            match (given, self.config.exponents) {
                (Some(given), _) => table.copy_from_slice(given),
                (None, Exponents::Estimated { sample, .. }) => {
                    estimate_exponents(x, rows, width, sample, table)
                }
                (None, _) => table.fill(0),
            }
            padding.fill(0);
        }
        if header.encoding == Encoding::RowMixed && !header.is_empty() {
            let map_at = header.row_map();
            prelude[map_at.clone()].fill(0);
            let (before, map) = prelude.split_at_mut(map_at.start);
            match self.config.allocation {
                Allocation::Mixed { rank, .. } => {
                    let table = match header.exponents {
                        ExponentMode::InFrame => Some(bytemuck::cast_slice(&before[..width as usize])),
                        _ => given,
                    };
                    let ranking = Ranking {
                        level: self.level,
                        config: &self.config,
                        width: width as usize,
                        exponents: table,
                        rank,
                    };
                    rank_rows(&ranking, E::elements(x), &header, keys, blocks, map);
                }
                _ => {
                    for (r, row) in x.chunks_exact(width as usize).enumerate() {
                        if self.keeps(r, row) {
                            frame::set_bit(map, r);
                        }
                    }
                }
            }
        }
        if header.encoding == Encoding::Raw {
            let end = x.len() * E::SOURCE.size();
            blocks[end..].fill(0);
        }
        let prelude: &'p [u8] = prelude;
        let exponents = match header.exponents {
            ExponentMode::InFrame if !header.is_empty() => {
                Some(bytemuck::cast_slice(&prelude[..width as usize]))
            }
            ExponentMode::Agreed => given,
            _ => None,
        };
        let plan = Plan {
            encoder: *self,
            header,
            prelude,
            exponents,
            extremes: exponents::extremes(exponents),
        };
        Ok((plan, blocks))
    }

    fn checked_table(&self, width: u32) -> Result<&'a [i8], EncodeError> {
        let table = self.table.ok_or(EncodeError::TableMissing)?;
        if table.len() as u64 != u64::from(width) {
            return Err(EncodeError::TableLength {
                needed: width,
                available: table.len(),
            });
        }
        match table.iter().position(|&k| k < EXPONENT_MIN) {
            Some(channel) => Err(EncodeError::TableRange {
                channel: channel as u32,
            }),
            None => Ok(table),
        }
    }

    /// Whether a row is kept where rows are pruned. A row with a NaN is, so that it is reported.
    fn keeps<E: Element>(&self, index: usize, row: &[E]) -> bool {
        let Allocation::Prune { below } = self.config.allocation else {
            return true;
        };
        if self
            .keep
            .is_some_and(|keep| !keep.get(index).copied().unwrap_or(true))
        {
            return false;
        }
        if below == 0.0 {
            return row.iter().any(|x| x.to_f32() != 0.0);
        }
        let energy: f64 = row
            .iter()
            .map(|x| f64::from(x.to_f32()) * f64::from(x.to_f32()))
            .sum();
        let limit = f64::from(below) * f64::from(below);
        energy > limit || energy.is_nan()
    }
}

/// How rows are ranked for the wide code width. Each row's key is its own.
#[derive(Clone, Copy)]
pub(crate) struct Ranking<'k> {
    level: Level,
    config: &'k Config,
    pub(crate) width: usize,
    exponents: Option<&'k [i8]>,
    rank: Rank,
}

/// Finds the key of each row: [`row_keys`], or the same by several threads.
pub(crate) type FindKeys = fn(&Ranking<'_>, Elements<'_>, &mut [[u8; 4]]);

pub(crate) fn row_keys(ranking: &Ranking<'_>, x: Elements<'_>, keys: &mut [[u8; 4]]) {
    with_elements!(Elements, x, x => ranking.level.run(RankRows {
        config: ranking.config,
        x,
        width: ranking.width,
        exponents: ranking.exponents,
        rank: ranking.rank,
        keys: &mut *keys,
    }));
}

/// Sets the bits of the rows that get the wide code width. The keys live where the row blocks will.
fn rank_rows(
    ranking: &Ranking<'_>,
    x: Elements<'_>,
    header: &Header,
    find_keys: FindKeys,
    blocks: &mut [u8],
    map: &mut [u8],
) {
    let keys = &mut blocks.as_chunks_mut::<4>().0[..header.rows as usize];
    find_keys(ranking, x, keys);
    // The paper counts, and so breaks ties among, the rows that get the narrow width.
    map.fill(0xff);
    for unused in header.rows as usize..map.len() * 8 {
        map[unused / 8] &= !(1 << (unused % 8));
    }
    allocate::select(keys, (header.rows - header.quota) as usize, End::Lowest, |row| {
        map[row / 8] &= !(1 << (row % 8));
    });
}

/// What the rows of one frame share, made by [`Encoder::plan`].
#[derive(Clone, Copy, Debug)]
pub struct Plan<'p> {
    encoder: Encoder<'p>,
    header: Header,
    prelude: &'p [u8],
    exponents: Option<&'p [i8]>,
    extremes: (i32, i32),
}

impl Plan<'_> {
    /// The frame's header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    fn row_map(&self) -> &[u8] {
        &self.prelude[self.header.row_map()]
    }

    fn checked(&self, rows: &Range<u32>) -> Result<(), EncodeError> {
        if rows.start > rows.end || rows.end > self.header.rows {
            return Err(EncodeError::RowRange {
                start: rows.start,
                end: rows.end,
                rows: self.header.rows,
            });
        }
        Ok(())
    }

    /// Where the blocks of `rows` lie in the bytes that [`Encoder::plan`] returned with this plan.
    ///
    /// # Errors
    ///
    /// [`EncodeError::RowRange`].
    pub fn row_bytes(&self, rows: Range<u32>) -> Result<Range<usize>, EncodeError> {
        self.checked(&rows)?;
        if self.header.is_empty() {
            return Ok(0..0);
        }
        let start = self.header.row_offset(self.row_map(), rows.start);
        Ok(start..self.header.row_offset(self.row_map(), rows.end))
    }

    /// Encodes `rows` from `x`, their elements alone, into `out`, exactly their [`Plan::row_bytes`].
    ///
    /// # Errors
    ///
    /// What does not fit, or the first value that cannot be encoded.
    pub fn encode_rows<E: Element>(
        &self,
        rows: Range<u32>,
        x: &[E],
        out: &mut [u8],
    ) -> Result<(), EncodeError> {
        self.encode_some(rows, E::elements(x), out, None)
    }

    /// As [`Plan::encode_rows`], with an account of what was done.
    ///
    /// # Errors
    ///
    /// As [`Plan::encode_rows`].
    pub fn encode_rows_with_stats<E: Element>(
        &self,
        rows: Range<u32>,
        x: &[E],
        out: &mut [u8],
    ) -> Result<EncodeStats, EncodeError> {
        let mut stats = EncodeStats::default();
        self.encode_some(rows, E::elements(x), out, Some(&mut stats))?;
        stats.bytes = out.len();
        Ok(stats)
    }

    /// Writes the checksum after the row blocks, all of which must have been encoded; returns the frame's
    /// length. `blocks` is what [`Encoder::plan`] returned with this plan.
    ///
    /// # Errors
    ///
    /// [`EncodeError::OutputLength`] where `blocks` is not that.
    pub fn seal(&self, blocks: &mut [u8]) -> Result<usize, EncodeError> {
        let header = self.header.to_bytes().map_err(|_| EncodeError::FrameTooLarge)?;
        let total = self.header.frame_len().map_err(|_| EncodeError::FrameTooLarge)?;
        let needed = total - HEADER_LEN - self.prelude.len();
        if blocks.len() != needed {
            return Err(EncodeError::OutputLength {
                needed,
                available: blocks.len(),
            });
        }
        let (blocks, checksum) = blocks.split_at_mut(needed - CHECKSUM_LEN);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&header);
        hasher.update(self.prelude);
        hasher.update(blocks);
        checksum.copy_from_slice(&hasher.finalize().to_le_bytes());
        Ok(total)
    }

    /// As [`Plan::seal`], with the checksum of the row blocks and their padding already taken.
    #[cfg(feature = "rayon")]
    pub(crate) fn seal_with(
        &self,
        blocks: &mut [u8],
        hashed: &crc32fast::Hasher,
    ) -> Result<usize, EncodeError> {
        let header = self.header.to_bytes().map_err(|_| EncodeError::FrameTooLarge)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&header);
        hasher.update(self.prelude);
        hasher.combine(hashed);
        let end = blocks.len() - CHECKSUM_LEN;
        blocks[end..].copy_from_slice(&hasher.finalize().to_le_bytes());
        Ok(HEADER_LEN + self.prelude.len() + blocks.len())
    }

    fn encode_all<E: Element>(
        &self,
        x: &[E],
        blocks: &mut [u8],
        stats: Option<&mut EncodeStats>,
    ) -> Result<(), EncodeError> {
        let rows = 0..self.header.rows;
        let out = &mut blocks[self.row_bytes(rows.clone())?];
        self.encode_some(rows, E::elements(x), out, stats)
    }

    fn encode_some(
        &self,
        rows: Range<u32>,
        x: Elements<'_>,
        out: &mut [u8],
        stats: Option<&mut EncodeStats>,
    ) -> Result<(), EncodeError> {
        let bytes = self.row_bytes(rows.clone())?;
        if out.len() != bytes.len() {
            return Err(EncodeError::OutputLength {
                needed: bytes.len(),
                available: out.len(),
            });
        }
        let needed = u64::from(rows.end - rows.start) * u64::from(self.header.width);
        let available = with_elements!(Elements, x, x => x.len());
        if available as u64 != needed {
            return Err(EncodeError::InputLength { needed, available });
        }
        if available == 0 {
            return Ok(());
        }
        with_elements!(Elements, x, x => {
            if self.header.encoding == Encoding::Raw {
                encode_raw(x, self.header.width as usize, out, stats);
                return Ok(());
            }
            self.encoder.level.run(EncodeRows {
                plan: self,
                rows,
                x,
                out,
                stats,
            })
        })
    }
}

fn encode_raw<E: Element>(x: &[E], width: usize, out: &mut [u8], stats: Option<&mut EncodeStats>) {
    for (element, bytes) in x.iter().zip(out.chunks_exact_mut(E::SOURCE.size())) {
        element.to_wire(bytes);
    }
    let Some(stats) = stats else {
        return;
    };
    stats.elements += x.len() as u64;
    for row in x.chunks_exact(width) {
        let energy: f64 = row
            .iter()
            .map(|x| f64::from(x.to_f32()) * f64::from(x.to_f32()))
            .sum();
        stats.energy += energy;
        stats.rows += u64::from(energy > 0.0);
    }
}

struct RankRows<'k, E> {
    config: &'k Config,
    x: &'k [E],
    width: usize,
    exponents: Option<&'k [i8]>,
    rank: Rank,
    keys: &'k mut [[u8; 4]],
}

impl<E: Element> Kernel for RankRows<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.config.tile.len() {
            32 => self.each::<S, 2, 32>(s),
            64 => self.each::<S, 4, 64>(s),
            _ => self.each::<S, 8, MAX_TILE>(s),
        }
    }
}

impl<E: Element> RankRows<'_, E> {
    #[inline(always)]
    fn each<S: Simd, const N: usize, const G: usize>(self, s: S) {
        let extremes = exponents::extremes(self.exponents);
        for (row, key) in self.x.chunks_exact(self.width).zip(self.keys) {
            // What cannot be encoded is reported when the row is.
            let Ok((scale, _)) = scale_row::<S, E, N, G>(s, row, self.exponents, extremes, 1, 0) else {
                *key = [0; 4];
                continue;
            };
            let mut sums = EntropySums::default();
            let mut widest = 0f32;
            for t in 0..self.width.div_ceil(G) {
                let x: Tile<S, N> = tile::load::<S, E, N, G>(s, row, t, &scale);
                match self.rank {
                    Rank::Entropy => sums.add(EntropySums::of(s, &x)),
                    Rank::Range => {
                        let valid = G.min(self.width - t * G);
                        let range = transform::<S, N, G>(s, x, valid, self.config).orthonormal_range();
                        widest = if range > widest { range } else { widest };
                    }
                }
            }
            *key = allocate::key(match self.rank {
                Rank::Entropy => sums.entropy(s),
                // Rows have scales of their own; the range is compared on the common one.
                Rank::Range => widest * f32::from_bits(((scale.exponent + 127).clamp(1, 254) as u32) << 23),
            });
        }
    }
}

struct EncodeRows<'k, E> {
    plan: &'k Plan<'k>,
    rows: Range<u32>,
    x: &'k [E],
    out: &'k mut [u8],
    stats: Option<&'k mut EncodeStats>,
}

impl<E: Element> Kernel for EncodeRows<'_, E> {
    type Output = Result<(), EncodeError>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        match self.plan.header.tile_len() {
            32 => self.each::<S, 2, 32>(s),
            64 => self.each::<S, 4, 64>(s),
            _ => self.each::<S, 8, MAX_TILE>(s),
        }
    }
}

impl<E: Element> EncodeRows<'_, E> {
    #[inline(always)]
    fn each<S: Simd, const N: usize, const G: usize>(mut self, s: S) -> Result<(), EncodeError> {
        let header = &self.plan.header;
        let map = self.plan.row_map();
        let layouts = [header.row_layout(false), header.row_layout(true)];
        let mut out = self.out;
        for (index, x) in self.rows.zip(self.x.chunks_exact(header.width as usize)) {
            let hi = match header.encoding {
                Encoding::RowMixed => frame::bit(map, index as usize),
                _ => true,
            };
            let layout = layouts[usize::from(hi)];
            let (block, rest) = core::mem::take(&mut out).split_at_mut(layout.len);
            out = rest;
            let job = RowJob {
                plan: self.plan,
                index,
                layout,
                hi,
            };
            if layout.len > 0 {
                job.encode::<S, E, N, G>(s, x, block, self.stats.as_deref_mut())?;
            }
            if let Some(stats) = self.stats.as_deref_mut() {
                job.measure::<E, N, G>(x, block, stats);
            }
        }
        Ok(())
    }
}

/// Finds the power of two that brings the row to about 1, and the base that its units count from.
/// `width` is the least code width of the row, at least 1.
#[inline(always)]
fn scale_row<'t, S: Simd, E: Element, const N: usize, const G: usize>(
    s: S,
    row: &[E],
    exponents: Option<&'t [i8]>,
    (least, most): (i32, i32),
    width: u8,
    index: u32,
) -> Result<(Scale<'t>, u8), EncodeError> {
    let bound = Scale {
        exponents,
        exponent: 0,
        factors: Factors::Bounding,
    };
    let mut peak = s.splat_i(0);
    for t in 0..row.len().div_ceil(G) {
        let x: Tile<S, N> = tile::load::<S, E, N, G>(s, row, t, &bound);
        peak = s.max_i(peak, tile::peak_bits(s, &x));
    }
    let peak = s.reduce_max_i(peak);
    if peak >= 0x7f80_0000 {
        return Err(find_unfit(row, exponents, index));
    }
    // A factor 2^(-k - exponent) must not exceed 2^127.
    let exponent = ((peak >> 23) - 127).max(-127 - least);
    // Twice the peak is the widest range, and 2^(3 + width - 1) - 8 units at least cover it; one octave
    // more leaves room for coarser candidates.
    let widest = -1 - i32::from(width);
    let base = (exponent + widest + 129 - 31).clamp(0, i32::from(BASE_MAX));
    let scale = Scale {
        exponents,
        exponent,
        factors: if exponent + most >= 127 {
            Factors::Split
        } else {
            Factors::Single
        },
    };
    Ok((scale, base as u8))
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

/// A tile after its transform, with the bounds of what is quantised.
#[derive(Clone, Copy)]
struct Transformed<S: Simd, const N: usize> {
    tile: Tile<S, N>,
    pivot: Option<u8>,
    bounds: (f32, f32),
}

impl<S: Simd, const N: usize> Transformed<S, N> {
    #[inline(always)]
    fn plain(s: S, tile: Tile<S, N>) -> Self {
        Self {
            tile,
            pivot: None,
            bounds: tile::bounds(s, &tile),
        }
    }

    #[inline(always)]
    fn about(s: S, spectrum: &Tile<S, N>, pivot: usize) -> Self {
        let tile = rotate::about(s, spectrum, pivot);
        Self {
            tile,
            pivot: Some(pivot as u8),
            bounds: tile::bounds(s, &tile),
        }
    }

    #[inline(always)]
    fn range(&self) -> f32 {
        self.bounds.1 - self.bounds.0
    }

    /// The range in orthonormal units, comparable between transforms.
    #[inline(always)]
    fn orthonormal_range(&self) -> f32 {
        match self.pivot {
            Some(_) => self.range() * root(N * LANES),
            None => self.range(),
        }
    }
}

/// Largest magnitude of a tile within `bounds`.
#[inline(always)]
fn peak((low, high): (f32, f32)) -> f32 {
    if -low > high { -low } else { high }
}

/// Transforms a tile as the configuration says, of whose channels `valid` exist. [`Effort::Best`] tries more
/// than this.
#[inline(always)]
fn transform<S: Simd, const N: usize, const G: usize>(
    s: S,
    loaded: Tile<S, N>,
    valid: usize,
    config: &Config,
) -> Transformed<S, N> {
    // The paper's ratio is one of the channels that exist.
    let ratio_pivot = match config.rotation {
        Rotation::Ratio { tau } => {
            let (largest, second, pivot) = tile::peaks(s, &loaded);
            // The product is NaN, and so not reached, where tau is infinite and the second is 0.
            (largest > 0.0 && largest >= tau * second).then_some(pivot)
        }
        _ => None,
    };
    let mut x = loaded;
    // A lone outlier in a tail stays alone among zeros, as the transform wants it.
    if valid < G && ratio_pivot.is_none() {
        tile::pad::<S, N, G>(s, &mut x, valid);
    }
    match config.rotation {
        Rotation::Never => Transformed::plain(s, x),
        Rotation::Ratio { .. } => match ratio_pivot {
            Some(pivot) => Transformed::about(s, &rotate::spectrum(s, &x), pivot),
            None => Transformed::plain(s, x),
        },
        Rotation::Narrower => {
            let plain = Transformed::plain(s, x);
            if config.effort == Effort::Fast {
                let largest = peak(plain.bounds);
                let rest = (tile::energy(s, &x) - largest * largest) / (G - 1) as f32;
                let range = plain.range();
                if range * range <= predicted_ratio(G) * predicted_ratio(G) * rest {
                    return plain;
                }
            }
            let spectrum = rotate::spectrum(s, &x);
            let largest = peak(tile::bounds(s, &spectrum));
            if largest < SILENCE {
                return plain;
            }
            let ranges = rotate::pivot_ranges(s, &spectrum, largest);
            let rotated = Transformed::about(s, &spectrum, rotate::narrowest(s, &ranges));
            if config.effort == Effort::Fast || rotated.orthonormal_range() < NARROWER * plain.range() {
                rotated
            } else {
                plain
            }
        }
    }
}

/// The square root of a tile size.
const fn root(tile_len: usize) -> f32 {
    match tile_len {
        32 => core::f32::consts::SQRT_2 * 4.0,
        64 => 8.0,
        _ => core::f32::consts::SQRT_2 * 8.0,
    }
}

/// A tile as it goes to the wire.
struct Coded<S: Simd, const N: usize> {
    tile: Tile<S, N>,
    pivot: Option<u8>,
    grid: Grid,
}

/// One row on its way into its block.
struct RowJob<'k> {
    plan: &'k Plan<'k>,
    index: u32,
    layout: RowLayout,
    hi: bool,
}

impl RowJob<'_> {
    #[inline(always)]
    fn encode<S: Simd, E: Element, const N: usize, const G: usize>(
        &self,
        s: S,
        x: &[E],
        block: &mut [u8],
        mut stats: Option<&mut EncodeStats>,
    ) -> Result<(), EncodeError> {
        let header = &self.plan.header;
        let config = &self.plan.encoder.config;
        let narrowest = match header.encoding {
            Encoding::TileMixed => header.lo,
            _ if self.hi => header.hi,
            _ => header.lo,
        };
        let (scale, base) = scale_row::<S, E, N, G>(
            s,
            x,
            self.plan.exponents,
            self.plan.extremes,
            narrowest.max(1),
            self.index,
        )?;
        let units = Units::new(i32::from(base) - 129 - scale.exponent);
        let dither = match config.rounding {
            Rounding::Nearest => None,
            Rounding::Stochastic { seed } => Some(Dither::new(seed, self.index)),
        };

        block[..PREFIX_LEN].copy_from_slice(&[base, 0, 0, 0]);
        if header.encoding == Encoding::TileMixed {
            self.rank_tiles::<S, E, N, G>(s, x, &scale, block);
        }
        let (head, mut codes) = block.split_at_mut(self.layout.descriptors().end);
        let (head, descriptors) = head.split_at_mut(self.layout.descriptors().start);
        let map = &head[self.layout.map()];
        let descriptors = descriptors.as_chunks_mut::<4>().0;
        for (t, descriptor) in descriptors.iter_mut().enumerate() {
            let hi = match header.encoding {
                Encoding::TileMixed => frame::bit(map, t),
                _ => self.hi,
            };
            let width = if hi { header.hi } else { header.lo };
            let valid = G.min(x.len() - t * G);
            let loaded: Tile<S, N> = tile::load::<S, E, N, G>(s, x, t, &scale);
            let coded = match width {
                0 => code_constant::<S, N, G>(s, loaded, valid, units),
                _ => code::<S, N, G>(s, loaded, valid, width, units, config),
            };
            let (packed, rest) = codes.split_at_mut(pack::packed_len(G, width));
            codes = rest;
            let mut unpacked = [0; G];
            let channel = (t * G) as u32;
            if width > 0 {
                let dither = dither.map(|dither| dither.at(channel));
                coded.grid.codes(s, &coded.tile, dither, &mut unpacked);
            }
            *descriptor = coded.grid.descriptor(coded.pivot).to_bytes();
            if self.may_overflow::<S, E, N>(s, &loaded, &coded, scale.exponent) {
                self.limit::<E, N, G>(x, t, &scale, base, width, units, descriptor, &mut unpacked);
            }
            pack::pack(&unpacked, width, packed);
            if let Some(stats) = stats.as_deref_mut() {
                stats.tiles += 1;
                stats.high += u64::from(hi);
                stats.rotated += u64::from(descriptor[3] != 0);
                if width > 0 {
                    let mut values = [[0.0; LANES]; N];
                    tile::store(s, &coded.tile, values.as_flattened_mut());
                    stats.clipped += u64::from(coded.grid.clipped::<Scalar, N>(Scalar, &values));
                }
            }
        }
        Ok(())
    }

    /// Writes the tile map. The keys live where the descriptors will.
    #[inline(always)]
    fn rank_tiles<S: Simd, E: Element, const N: usize, const G: usize>(
        &self,
        s: S,
        x: &[E],
        scale: &Scale<'_>,
        block: &mut [u8],
    ) {
        let config = &self.plan.encoder.config;
        let rank = match config.allocation {
            Allocation::Mixed {
                granularity: Granularity::Tile,
                rank,
                ..
            } => rank,
            _ => Rank::Range,
        };
        let (head, keys) = block.split_at_mut(self.layout.descriptors().start);
        let map = &mut head[self.layout.map()];
        let keys = &mut keys.as_chunks_mut::<4>().0[..self.layout.tiles];
        for (t, key) in keys.iter_mut().enumerate() {
            let loaded: Tile<S, N> = tile::load::<S, E, N, G>(s, x, t, scale);
            *key = allocate::key(match rank {
                Rank::Entropy => EntropySums::of(s, &loaded).entropy(s),
                Rank::Range => {
                    let valid = G.min(x.len() - t * G);
                    transform::<S, N, G>(s, loaded, valid, config).orthonormal_range()
                }
            });
        }
        map.fill(0);
        allocate::select(keys, self.plan.header.quota as usize, End::Highest, |t| {
            frame::set_bit(map, t);
        });
    }

    /// Whether some element might decode to an infinity, before its channel exponent or in the source type
    /// after it: the peak plus what the largest unit of error in every code makes of it.
    #[inline(always)]
    fn may_overflow<S: Simd, E: Element, const N: usize>(
        &self,
        s: S,
        loaded: &Tile<S, N>,
        coded: &Coded<S, N>,
        exponent: i32,
    ) -> bool {
        let highest = self.plan.extremes.1;
        // The row is scaled to below 4, and no error exceeds what G codes of the widest unit can make.
        if exponent + highest + 12 < E::SAFE_EXPONENT && exponent + 12 < 127 {
            return false;
        }
        let peak = f32::from_bits(s.reduce_max_i(tile::peak_bits(s, loaded)) as u32);
        let bound = peak + coded.grid.step() * (N * LANES) as f32;
        let bound_exponent = (bound.to_bits() >> 23) as i32 - 126 + exponent;
        bound_exponent + highest > E::SAFE_EXPONENT || bound_exponent > 127
    }

    /// Makes sure that a tile near the end of the source type's range decodes to finite values: as it is
    /// if it does, else as a plain tile whose codes are moved towards zero until it does.
    #[cold]
    #[inline(never)]
    #[allow(clippy::too_many_arguments)]
    fn limit<E: Element, const N: usize, const G: usize>(
        &self,
        x: &[E],
        t: usize,
        scale: &Scale<'_>,
        base: u8,
        width: u8,
        units: Units,
        descriptor: &mut [u8; 4],
        codes: &mut [u8; G],
    ) {
        // Every level gives the same bits, and this one is not compiled for each of them.
        let s = Scalar;
        let elements = tile::run::<E, G>(x, t);
        let factor = |i: usize| match self.plan.exponents {
            Some(table) => f32::from_bits(((i32::from(table[t * G + i]) + 127) as u32) << 23),
            None => 1.0,
        };
        // The first element that decodes to an infinity, and whether it is the positive one.
        let overflowing = |descriptor: &[u8; 4], codes: &[u8; G]| {
            let descriptor = frame::Descriptor::parse(*descriptor, G).ok()?;
            let y: Tile<Scalar, N> = decode::reconstruct(s, codes, descriptor, base);
            let mut values = [0.0; G];
            tile::store(s, &y, &mut values);
            let decoded = |i: usize| E::from_f32(values[i] * factor(i)).to_f32();
            (0..elements.len())
                .find(|&i| !decoded(i).is_finite())
                .map(|i| (i, values[i] > 0.0))
        };
        if overflowing(descriptor, codes).is_none() {
            return;
        }
        let mut tile: Tile<Scalar, N> = tile::load::<Scalar, E, N, G>(s, x, t, scale);
        if elements.len() < G {
            tile::pad::<Scalar, N, G>(s, &mut tile, elements.len());
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
                match overflowing(&constant(middle), codes) {
                    None => finite = middle,
                    Some(_) => beyond = middle,
                }
            }
            *descriptor = constant(finite);
            return;
        }
        let grid = quantise::cover(tile::bounds(s, &tile), width, units, Start::TowardsZero);
        grid.codes(s, &tile, None, codes);
        *descriptor = grid.descriptor(None).to_bytes();
        let top = ((1u32 << width) - 1) as u8;
        // Zero is a value of the grid, or the grid's end next to zero is nearer to it than every number of
        // the tile: either way the walk ends at a finite value, less than a step from the number, and takes
        // no element through more codes than there are.
        for _ in 0..G << width {
            let Some((i, positive)) = overflowing(descriptor, codes) else {
                return;
            };
            codes[i] = if positive {
                codes[i].saturating_sub(1)
            } else {
                codes[i].saturating_add(1).min(top)
            };
        }
    }

    /// Decodes what was written and adds it to the account.
    #[inline(never)]
    fn measure<E: Element, const N: usize, const G: usize>(
        &self,
        x: &[E],
        block: &[u8],
        stats: &mut EncodeStats,
    ) {
        stats.elements += x.len() as u64;
        stats.pruned += u64::from(block.is_empty());
        let (mut error, mut energy) = (0.0, 0.0);
        let mut add = |x: f32, y: f32| {
            error += (f64::from(y) - f64::from(x)) * (f64::from(y) - f64::from(x));
            energy += f64::from(x) * f64::from(x);
        };
        if block.is_empty() {
            x.iter().for_each(|x| add(x.to_f32(), 0.0));
        } else {
            let row = Row::of_block(self.plan.header, self.hi, self.layout, block);
            let mut codes = row.codes();
            for (t, x) in x.chunks(G).enumerate() {
                let (packed, rest) = codes.split_at(pack::packed_len(G, row.code_width(t)));
                codes = rest;
                let mut values = [0.0; G];
                if let Some(descriptor) = row.descriptor(t) {
                    let y: Tile<Scalar, N> = decode::decode_tile::<Scalar, N, G>(
                        Scalar,
                        &row,
                        t,
                        packed,
                        descriptor,
                        self.plan.exponents,
                    );
                    tile::store(Scalar, &y, &mut values);
                }
                for (x, y) in x.iter().zip(values) {
                    add(x.to_f32(), y);
                }
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

/// Transform and grid of a tile with codes.
#[inline(always)]
fn code<S: Simd, const N: usize, const G: usize>(
    s: S,
    loaded: Tile<S, N>,
    valid: usize,
    width: u8,
    units: Units,
    config: &Config,
) -> Coded<S, N> {
    let coding = Coding { width, units, config };
    let searched = config.rotation == Rotation::Narrower
        && config.effort == Effort::Best
        && config.rounding == Rounding::Nearest;
    if searched {
        return s.outline(SearchTransform::<S, N, G> {
            loaded,
            valid,
            coding,
        });
    }
    let x = transform::<S, N, G>(s, loaded, valid, config);
    let grid = coding.fit(s, &x).grid;
    Coded {
        tile: x.tile,
        pivot: x.pivot,
        grid,
    }
}

/// How a tile is to be coded.
#[derive(Clone, Copy)]
struct Coding<'k> {
    width: u8,
    units: Units,
    config: &'k Config,
}

impl Coding<'_> {
    #[inline(always)]
    fn fit<S: Simd, const N: usize>(&self, s: S, x: &Transformed<S, N>) -> Chosen {
        let fitting = Fitting {
            x: &x.tile,
            bounds: x.bounds,
            width: self.width,
            units: self.units,
            fit: self.config.fit,
        };
        match self.config.rounding {
            Rounding::Nearest => fitting.choose(s, self.config.effort),
            Rounding::Stochastic { .. } => Chosen {
                grid: quantise::cover(x.bounds, self.width, self.units, Start::Anywhere),
                error: 0.0,
            },
        }
    }
}

/// The search of [`Effort::Best`]: plain, and rotated about the pivots of the narrowest ranges.
struct SearchTransform<'k, S: Simd, const N: usize, const G: usize> {
    loaded: Tile<S, N>,
    valid: usize,
    coding: Coding<'k>,
}

impl<S: Simd, const N: usize, const G: usize> Part<S> for SearchTransform<'_, S, N, G> {
    type Output = Coded<S, N>;

    #[inline(always)]
    fn run(self, s: S) -> Coded<S, N> {
        let mut x = self.loaded;
        if self.valid < G {
            tile::pad::<S, N, G>(s, &mut x, self.valid);
        }
        let mut best = Transformed::plain(s, x);
        let mut chosen = self.coding.fit(s, &best);
        let spectrum = rotate::spectrum(s, &x);
        let largest = peak(tile::bounds(s, &spectrum));
        if largest >= SILENCE {
            let mut keys = [[0i16; LANES]; N];
            for (ranges, keys) in rotate::pivot_ranges(s, &spectrum, largest)
                .into_iter()
                .zip(&mut keys)
            {
                s.store_h(ranges, keys);
            }
            let keys = keys.as_flattened_mut();
            // The narrowest first.
            keys.select_nth_unstable(PIVOTS_TRIED - 1);
            let keys = &mut keys[..PIVOTS_TRIED];
            keys.sort_unstable();
            for key in keys {
                let pivot = usize::from(*key as u16 % 128);
                let rotated = Transformed::about(s, &spectrum, pivot);
                let mut other = self.coding.fit(s, &rotated);
                // A coefficient's error reaches every element: G of them, each by its square.
                other.error *= G as f32;
                if other.error < chosen.error {
                    (best, chosen) = (rotated, other);
                }
            }
        }
        Coded {
            tile: best.tile,
            pivot: best.pivot,
            grid: chosen.grid,
        }
    }
}

/// A tile without codes: the constant that is its mean, or the single spike that is its largest value,
/// whichever leaves less.
#[inline(always)]
fn code_constant<S: Simd, const N: usize, const G: usize>(
    s: S,
    loaded: Tile<S, N>,
    valid: usize,
    units: Units,
) -> Coded<S, N> {
    let sum = tile::sum(s, &loaded);
    let largest = peak(tile::bounds(s, &loaded));
    let (pivot, value) = if largest * largest * valid as f32 > sum * sum {
        let pivot = tile::position(s, &loaded, largest);
        // Of two of the same magnitude the first is the one kept, with its own sign.
        let mut values = [0.0; G];
        tile::store(s, &loaded, &mut values);
        (Some(pivot as u8), values[pivot] / G as f32)
    } else {
        (None, sum / valid as f32)
    };
    Coded {
        tile: loaded,
        pivot,
        grid: quantise::constant(value, 0, units),
    }
}
