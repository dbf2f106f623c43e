//! The encoding driver: tensor, then for each row scale and allocation, and for each tile rotation,
//! quantisation and packing.
//!
//! [`Encoder::encode`] makes a whole frame. [`Encoder::plan`] makes what all rows share and leaves the rows
//! to [`Plan::encode_rows`], in any order and by any threads.

use core::ops::Range;

use half::{bf16, f16};

use crate::allocate::{self, End};
use crate::arch::Level;
use crate::checksum::{self, Checksum};
use crate::config::{Allocation, Config, Effort, Exponents, Rank};
use crate::element::{Element, Elements, with_elements};
use crate::error::{ConfigError, EncodeError};
use crate::exponents::{self, FindMeans, channel_means};
use crate::frame::{self, CHECKSUM_LEN, Encoding, ExponentMode, HEADER_LEN, Header, SourceType};

mod powers;
mod rows;

use crate::part::{copy, from, part, part_mut, split_mut};
use powers::Powers;
use rows::{EncodeRows, RankRows};

/// Bytes of a frame that are still near when the checksum is taken of them.
const SUMMED_TOGETHER: usize = 32 << 10;

/// What an encoder did to a tensor, or to some of its rows; add those of row ranges with
/// [`EncodeStats::merge`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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
    /// where it is used. [`crate::estimate_exponents`] makes one from a calibration tensor.
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

    /// The mask of the rows to keep.
    pub(crate) const fn mask(&self) -> Option<&'a [bool]> {
        self.keep
    }

    /// Whether the caller gave a table of channel exponents.
    #[cfg(feature = "defmt")]
    pub(crate) const fn has_table(&self) -> bool {
        self.table.is_some()
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
        plan.encode_and_seal(E::elements(x), blocks, None)
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
        stats.bytes = plan.encode_and_seal(E::elements(x), blocks, Some(&mut stats))?;
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
        let (plan, blocks) = self.plan_body(x, rows, width, out, 0, Passes::SEQUENTIAL)?;
        let out = part_mut(blocks, plan.row_bytes(0..rows)?);
        plan.encode_some(0..rows, E::elements(x), out, None)?;
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
        self.plan_with(x, rows, width, out, Passes::SEQUENTIAL)
    }

    pub(crate) fn plan_with<'p, E: Element>(
        &self,
        x: &[E],
        rows: u32,
        width: u32,
        out: &'p mut [u8],
        passes: Passes,
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
            .plan_body(x, rows, width, rest, CHECKSUM_LEN, passes)
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
        passes: Passes,
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
        let (mut header, given) = self.begin(rows, width, E::SOURCE)?;
        if matches!(self.config.allocation, Allocation::Prune { .. }) && !header.is_empty() {
            let width = width as usize;
            header.quota = x
                .chunks_exact(width.max(1))
                .enumerate()
                .filter(|(r, row)| self.keeps(*r, row))
                .count() as u32;
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
        let (prelude, blocks) = split_mut(part_mut(out, 0..needed), header.prelude_len());
        split_mut(blocks, body_len - prelude.len()).1.fill(0);
        if header.exponents == ExponentMode::InFrame && !header.is_empty() {
            let (table, padding) = split_mut(part_mut(prelude, 0..header.row_map().start), width as usize);
            let table: &mut [i8] = bytemuck::cast_slice_mut(table);
            match (given, self.config.exponents) {
                (Some(given), _) => copy(table, given),
                (None, Exponents::Estimated { sample, .. }) => {
                    // To look at all of a few dozen rows is a tenth of this effort's time.
                    let sample = match self.config.effort {
                        Effort::Fast => sample.min(rows.div_ceil(2)),
                        _ => sample,
                    };
                    // The row blocks are not written yet.
                    let scratch = bytemuck::pod_align_to_mut::<u8, f32>(blocks).1;
                    exponents::estimate(
                        self.level,
                        E::elements(x),
                        rows,
                        width,
                        sample,
                        (scratch, table),
                        passes.means,
                    );
                }
                (None, _) => table.fill(0),
            }
            padding.fill(0);
        }
        if header.encoding == Encoding::RowMixed && !header.is_empty() {
            let (before, map) = split_mut(prelude, header.row_map().start);
            map.fill(0);
            match self.config.allocation {
                Allocation::Mixed { rank, .. } => {
                    let table = match header.exponents {
                        ExponentMode::InFrame => Some(bytemuck::cast_slice(part(before, 0..width as usize))),
                        _ => given,
                    };
                    let ranking = Ranking {
                        level: self.level,
                        config: &self.config,
                        width: width as usize,
                        exponents: table,
                        rank,
                    };
                    rank_rows(&ranking, E::elements(x), &header, passes.keys, blocks, map);
                }
                _ => {
                    for (r, row) in x.chunks_exact((width as usize).max(1)).enumerate() {
                        if self.keeps(r, row) {
                            frame::set_bit(map, r);
                        }
                    }
                }
            }
        }
        if header.encoding == Encoding::Raw {
            let end = x.len() * E::SOURCE.size();
            split_mut(blocks, end).1.fill(0);
        }
        let prelude: &'p [u8] = prelude;
        let exponents = match header.exponents {
            ExponentMode::InFrame if !header.is_empty() => {
                Some(bytemuck::cast_slice(part(prelude, 0..width as usize)))
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

    /// The header as far as it follows from the configuration and what goes with it, and the caller's table where the
    /// frame uses it; checks the mask and the table.
    pub(crate) fn begin(
        &self,
        rows: u32,
        width: u32,
        source: SourceType,
    ) -> Result<(Header, Option<&'a [i8]>), EncodeError> {
        let mut header = self.config.header(rows, width, source, self.table.is_some());
        if let Some(keep) = self.keep
            && (!matches!(self.config.allocation, Allocation::Prune { .. })
                || keep.len() as u64 != u64::from(rows))
        {
            return Err(EncodeError::Mask {
                needed: rows,
                available: keep.len(),
            });
        }
        let table = match (header.exponents, self.config.exponents) {
            (ExponentMode::Agreed, _) | (ExponentMode::InFrame, Exponents::InFrame) => {
                Some(self.checked_table(width)?)
            }
            _ => None,
        };
        if header.exponents == ExponentMode::Agreed {
            header.table_check = table.map_or(0, frame::table_check);
        }
        Ok((header, table))
    }

    fn checked_table(&self, width: u32) -> Result<&'a [i8], EncodeError> {
        let table = self.table.ok_or(EncodeError::TableMissing)?;
        if table.len() as u64 != u64::from(width) {
            return Err(EncodeError::TableLength {
                needed: width,
                available: table.len(),
            });
        }
        match frame::exponent_out_of_range(table) {
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

/// The passes over the tensor that precede encoding, by one thread or by several.
#[derive(Clone, Copy)]
pub(crate) struct Passes {
    /// Where rows are ranked.
    pub(crate) keys: FindKeys,
    /// Where channel exponents are estimated.
    pub(crate) means: FindMeans,
}

impl Passes {
    const SEQUENTIAL: Self = Self {
        keys: row_keys,
        means: channel_means,
    };
}

/// Finds the key of each row: [`row_keys`], or the same by several threads.
pub(crate) type FindKeys = fn(&Ranking<'_>, Elements<'_>, &mut [[u8; 4]]);

pub(crate) fn row_keys(ranking: &Ranking<'_>, x: Elements<'_>, keys: &mut [[u8; 4]]) {
    ranking.level.run(RankRows {
        config: ranking.config,
        x,
        width: ranking.width,
        exponents: ranking.exponents,
        rank: ranking.rank,
        keys,
    });
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
    let keys = part_mut(blocks.as_chunks_mut::<4>().0, 0..header.rows as usize);
    find_keys(ranking, x, keys);
    // The paper counts, and so breaks ties among, the rows that get the narrow width.
    allocate::select(keys, (header.rows - header.quota) as usize, End::Lowest, map);
    for byte in &mut *map {
        *byte = !*byte;
    }
    for unused in header.rows as usize..map.len() * 8 {
        frame::clear_bit(map, unused);
    }
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

impl<'p> Plan<'p> {
    /// A plan for [`Plan::encode_row`]: of a frame whose rows all have the layout that `header` gives the first.
    pub(crate) fn of_rows(encoder: Encoder<'p>, header: Header, exponents: Option<&'p [i8]>) -> Self {
        Self {
            encoder,
            header,
            prelude: &[],
            exponents,
            extremes: exponents::extremes(exponents),
        }
    }

    /// Encodes row `row` from its elements, of which there must be `width`, into its block, which must have the
    /// layout's length.
    pub(crate) fn encode_row(&self, row: u32, x: Elements<'_>, block: &mut [u8]) -> Result<(), EncodeError> {
        self.encode_fitting(row..row + 1, x, None, block, None)
    }
}

impl Plan<'_> {
    /// The frame's header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    fn row_map(&self) -> &[u8] {
        part(self.prelude, self.header.row_map())
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
        let total = self.header.frame_len().map_err(|_| EncodeError::FrameTooLarge)?;
        let needed = total - HEADER_LEN - self.prelude.len();
        if blocks.len() != needed {
            return Err(EncodeError::OutputLength {
                needed,
                available: blocks.len(),
            });
        }
        let Some((blocks, checksum)) = blocks.split_last_chunk_mut::<CHECKSUM_LEN>() else {
            return Err(EncodeError::FrameTooLarge);
        };
        let mut sum = self.checksum_before_rows()?;
        sum.update(blocks);
        *checksum = sum.value().to_le_bytes();
        Ok(total)
    }

    /// The checksum of the header and of what precedes the rows.
    pub(crate) fn checksum_before_rows(&self) -> Result<Checksum, EncodeError> {
        let mut sum = Checksum::new();
        sum.update(&self.header.to_bytes().map_err(|_| EncodeError::FrameTooLarge)?);
        sum.update(self.prelude);
        Ok(sum)
    }

    /// Writes `sum`, which lacks only the padding that follows the rows; `end` is where it starts in `blocks`. Returns the
    /// frame's length.
    pub(crate) fn seal_with(
        &self,
        blocks: &mut [u8],
        end: usize,
        mut sum: Checksum,
    ) -> Result<usize, EncodeError> {
        let len = HEADER_LEN + self.prelude.len() + blocks.len();
        let Some((blocks, checksum)) = blocks.split_last_chunk_mut::<CHECKSUM_LEN>() else {
            return Err(EncodeError::FrameTooLarge);
        };
        sum.update(from(blocks, end));
        *checksum = sum.value().to_le_bytes();
        Ok(len)
    }

    /// Encodes all rows, and then does what [`Plan::seal`] does.
    fn encode_and_seal(
        &self,
        x: Elements<'_>,
        blocks: &mut [u8],
        stats: Option<&mut EncodeStats>,
    ) -> Result<usize, EncodeError> {
        let rows = 0..self.header.rows;
        let end = self.row_bytes(rows.clone())?.end;
        let mut sum = self.checksum_before_rows()?;
        self.encode_runs(rows, x, part_mut(blocks, 0..end), stats, Some(&mut sum))?;
        self.seal_with(blocks, end, sum)
    }

    /// Encodes `rows` from `x`, which has their elements, into `out`, which has their bytes, and adds these to `sum`, where
    /// there is one, a run of rows at a time, while they are near.
    pub(crate) fn encode_runs(
        &self,
        mut rows: Range<u32>,
        mut x: Elements<'_>,
        mut out: &mut [u8],
        mut stats: Option<&mut EncodeStats>,
        mut sum: Option<&mut Checksum>,
    ) -> Result<(), EncodeError> {
        if x.is_empty() {
            return Ok(());
        }
        let count = rows.end - rows.start;
        let most = match sum {
            Some(_) => checksum::rows_of_a_run(count, out.len(), SUMMED_TOGETHER),
            None => count,
        };
        let powers = Powers::ready(self, out);
        while rows.start < rows.end {
            let most = powers.rows_before(out).map_or(most, |rows| rows.min(most));
            let run = rows.start..rows.end.min(rows.start.saturating_add(most));
            rows.start = run.end;
            let bytes = self.row_bytes(run.clone())?;
            let (own, rest) = split_mut(out, bytes.end - bytes.start);
            let len = (run.end - run.start) as usize * self.header.width as usize;
            // The elements after the run's are what is prefetched during its last row.
            self.encode_fitting(run, x, powers.within(rest), own, stats.as_deref_mut())?;
            x = x.from(len);
            if let Some(sum) = &mut sum {
                sum.update(own);
            }
            out = rest;
        }
        Ok(())
    }

    fn encode_some(
        &self,
        rows: Range<u32>,
        x: Elements<'_>,
        out: &mut [u8],
        stats: Option<&mut EncodeStats>,
    ) -> Result<(), EncodeError> {
        let bytes = self.row_bytes(rows.clone())?;
        // `Range::len` asserts.
        let needed = bytes.end - bytes.start;
        if out.len() != needed {
            let available = out.len();
            return Err(EncodeError::OutputLength { needed, available });
        }
        let needed = u64::from(rows.end - rows.start) * u64::from(self.header.width);
        let available = x.len();
        if available as u64 != needed {
            return Err(EncodeError::InputLength { needed, available });
        }
        self.encode_runs(rows, x, out, stats, None)
    }

    /// `x` may have more than the elements of `rows`.
    fn encode_fitting(
        &self,
        rows: Range<u32>,
        x: Elements<'_>,
        powers: Option<&[f32]>,
        out: &mut [u8],
        stats: Option<&mut EncodeStats>,
    ) -> Result<(), EncodeError> {
        if self.header.encoding == Encoding::Raw {
            let x = x.first((rows.end - rows.start) as usize * self.header.width as usize);
            with_elements!(Elements, x, x => encode_raw(x, self.header.width as usize, out, stats));
            return Ok(());
        }
        self.encoder.level.run(EncodeRows {
            plan: self,
            rows,
            x,
            powers,
            out,
            stats,
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
    for row in x.chunks_exact(width.max(1)) {
        let energy: f64 = row
            .iter()
            .map(|x| f64::from(x.to_f32()) * f64::from(x.to_f32()))
            .sum();
        stats.energy += energy;
        stats.rows += u64::from(energy > 0.0);
    }
}
