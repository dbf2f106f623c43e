//! An arbitrary tensor with an arbitrary configuration: the same bytes at every level, which decode to values within
//! the bounds of section 9 of SPEC.md; or an error that names the right place.

use arbitrary::{Result, Unstructured};
use half::{bf16, f16};
use tahq::{
    Allocation, Config, Decoder, Effort, EncodeError, EncodeStats, Encoder, Encoding, Exponents, Fit, Frame,
    Granularity, Level, Rank, Rotation, Rounding, Share, TileSize,
};

use super::case::{Output, bytes, filled};

pub(crate) fn run(data: &[u8]) {
    // An input that is too short for a choice says nothing.
    let _ = read(&mut Unstructured::new(data));
}

fn read(u: &mut Unstructured<'_>) -> Result<()> {
    let config = config(u)?;
    let Ok(encoder) = Encoder::new(config) else {
        assert!(config.validate().is_err());
        return Ok(());
    };
    let most = if config.effort == Effort::Best { 512 } else { 2048 };
    let width = u.int_in_range(0..=400)?;
    let rows = u.int_in_range(0..=most / u32::max(width, 1))?.min(64);
    let table: Option<Vec<i8>> = if u.ratio(1, 3)? {
        let len = if u.ratio(1, 32)? { width + 1 } else { width };
        let one = u.ratio(1, 4)?;
        Some((0..len).map(|_| exponent(u, one)).collect::<Result<_>>()?)
    } else {
        None
    };
    let keep: Option<Vec<bool>> = if matches!(config.allocation, Allocation::Prune { .. }) && u.arbitrary()? {
        Some((0..rows).map(|_| u.arbitrary()).collect::<Result<_>>()?)
    } else {
        None
    };
    let mut job = Job {
        encoder,
        config,
        rows,
        width,
        keep: keep.as_deref(),
        cut: u.arbitrary()?,
    };
    if let Some(table) = &table {
        job.encoder = job.encoder.with_exponents(table);
    }
    if let Some(keep) = &keep {
        job.encoder = job.encoder.with_mask(keep);
    }
    let x = tensor(u, (rows * width) as usize)?;
    match u.int_in_range(0..=3)? {
        0 => job.check(&x.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>(), &table),
        1 => job.check(&x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>(), &table),
        _ => job.check(&x, &table),
    }
    Ok(())
}

fn exponent(u: &mut Unstructured<'_>, extreme: bool) -> Result<i8> {
    if extreme {
        u.arbitrary()
    } else {
        u.int_in_range(-8..=8)
    }
}

fn share(u: &mut Unstructured<'_>) -> Result<Share> {
    let of = u.int_in_range(0..=6)?;
    Ok(Share {
        parts: u.int_in_range(0..=of)?,
        of,
    })
}

fn config(u: &mut Unstructured<'_>) -> Result<Config> {
    let presets = [
        Config::INT4,
        Config::MIXED,
        Config::INT3,
        Config::GRADIENT,
        Config::INT8,
        Config::RAW,
        Config::TAH_QUANT,
        Config::TAH_QUANT_TOKEN,
    ];
    let preset = *u.choose(&presets)?;
    let effort = *u.choose(&[Effort::Fast, Effort::Balanced, Effort::Best])?;
    if u.arbitrary()? {
        return Ok(Config { effort, ..preset });
    }
    let allocation = match u.int_in_range(0..=5)? {
        0 => Allocation::Raw,
        1 => Allocation::Uniform,
        2 => Allocation::Prune {
            below: *u.choose(&[0.0, 1.0, 1e-30, 1e30, f32::NAN])?,
        },
        _ => Allocation::Mixed {
            granularity: *u.choose(&[Granularity::Row, Granularity::Tile])?,
            share: share(u)?,
            rank: *u.choose(&[Rank::Entropy, Rank::Range])?,
        },
    };
    Ok(Config {
        tile: *u.choose(&[TileSize::G32, TileSize::G64, TileSize::G128])?,
        hi: u.int_in_range(0..=9)?,
        lo: u.int_in_range(0..=8)?,
        allocation,
        rotation: match u.int_in_range(0..=3)? {
            0 => Rotation::Never,
            1 => Rotation::Ratio {
                tau: *u.choose(&[0.0, 1.0, 2.0, 1e6, f32::INFINITY, -1.0])?,
            },
            _ => Rotation::Narrower,
        },
        exponents: match u.int_in_range(0..=3)? {
            0 => Exponents::None,
            1 => Exponents::Estimated {
                min_rows: u.int_in_range(0..=8)?,
                sample: u.int_in_range(0..=8)?,
            },
            2 => Exponents::InFrame,
            _ => Exponents::Agreed,
        },
        fit: *u.choose(&[Fit::Range, Fit::LeastError])?,
        rounding: match u.int_in_range(0..=2)? {
            0 => Rounding::Stochastic { seed: u.arbitrary()? },
            _ => Rounding::Nearest,
        },
        effort,
    })
}

/// `len` numbers: bits as they come, or small integers times powers of two; what the input does not fill repeats.
fn tensor(u: &mut Unstructured<'_>, len: usize) -> Result<Vec<f32>> {
    let kind: u8 = u.int_in_range(0..=4)?;
    let scale = 2f32.powi(u.int_in_range(-126..=120)?);
    let special = if u.ratio(1, 8)? {
        Some((
            u.choose_index(len.max(1))?,
            *u.choose(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX])?,
        ))
    } else {
        None
    };
    let from = u.peek_bytes(u.len().min(len * 4)).unwrap_or(&[]);
    let from = if from.is_empty() { &[0x3f] } else { from };
    let byte = |i: usize| from[i % from.len()];
    let mut x: Vec<f32> = (0..len)
        .map(|i| {
            let x = match kind {
                0 => f32::from_le_bytes([byte(4 * i), byte(4 * i + 1), byte(4 * i + 2), byte(4 * i + 3)]),
                1 => f32::from_bits(u32::from(byte(2 * i)) << 24 | u32::from(byte(2 * i + 1)) << 16),
                2 => f32::from(byte(i) as i8) * scale,
                // Halves: ties of the quantiser.
                3 => f32::from((byte(i) % 32) as i8 - 16) * 0.5 * scale,
                // Outliers among little.
                _ if byte(i) & 0xe0 == 0xe0 => f32::from(byte(i) as i8) * 64.0 * scale,
                _ => f32::from((byte(i) & 15) as i8 - 8) / 16.0 * scale,
            };
            if x.is_finite() { x } else { 1.0 }
        })
        .collect();
    if let Some((at, value)) = special
        && let Some(x) = x.get_mut(at)
    {
        *x = value;
    }
    Ok(x)
}

struct Job<'a> {
    encoder: Encoder<'a>,
    config: Config,
    rows: u32,
    width: u32,
    keep: Option<&'a [bool]>,
    /// Where rows are shared out.
    cut: u8,
}

impl Job<'_> {
    fn check<E: Output>(&self, x: &[E], table: &Option<Vec<i8>>) {
        let Self { rows, width, .. } = *self;
        let bound = self
            .config
            .max_frame_len(rows, width, E::SOURCE)
            .expect("a small tensor");
        let encode = |level| {
            let mut frame = vec![0xa5; bound];
            let result = self.encoder.with_level(level).encode(x, rows, width, &mut frame);
            frame.truncate(*result.as_ref().unwrap_or(&0));
            (result, frame)
        };
        let (result, frame) = encode(Level::SCALAR);
        for level in Level::available() {
            assert_eq!(
                encode(level),
                (result, frame.clone()),
                "level {}: {:?}",
                level.name(),
                self.config
            );
        }
        match result {
            Ok(len) => {
                assert_eq!(len, frame.len());
                self.decoded(x, table, &frame);
                self.other_ways(x, &frame);
            }
            Err(error) => self.refused(x, table, error),
        }
    }

    /// The first value that cannot be encoded, among the rows that are kept.
    fn first_bad<E: Output>(&self, x: &[E]) -> Option<(u32, u32)> {
        x.iter().enumerate().find_map(|(i, x)| {
            let (row, channel) = (i as u32 / self.width, i as u32 % self.width);
            let kept = self.keep.is_none_or(|keep| keep[row as usize]);
            (kept && !x.to_f32().is_finite()).then_some((row, channel))
        })
    }

    fn refused<E: Output>(&self, x: &[E], table: &Option<Vec<i8>>, error: EncodeError) {
        let in_frame = matches!(self.config.exponents, Exponents::InFrame | Exponents::Agreed);
        let right = match error {
            EncodeError::NonFinite { row, channel } => self.first_bad(x) == Some((row, channel)),
            // Exponents from a sample know nothing of the other rows.
            EncodeError::ExponentOverflow { .. }
                if matches!(self.config.exponents, Exponents::Estimated { sample, .. }
                    if sample > 0 && (sample < self.rows || self.config.effort == Effort::Fast)) =>
            {
                true
            }
            EncodeError::ExponentOverflow { row, channel } => {
                let k = table.as_ref().and_then(|table| table.get(channel as usize));
                let x = x[(row * self.width + channel) as usize].to_f32();
                k.is_some_and(|&k| {
                    x.is_finite() && !((f64::from(x) * 2f64.powi(-i32::from(k))) as f32).is_finite()
                })
            }
            EncodeError::TableMissing => table.is_none() && in_frame,
            EncodeError::TableLength { needed, available } => table
                .as_ref()
                .is_some_and(|table| table.len() == available && available as u32 != needed),
            EncodeError::TableRange { channel } => table
                .as_ref()
                .is_some_and(|table| table.iter().position(|&k| k < -126) == Some(channel as usize)),
            _ => false,
        };
        assert!(right, "{error:?}: {:?}", self.config);
    }

    fn decoded<E: Output>(&self, x: &[E], table: &Option<Vec<i8>>, frame: &[u8]) {
        let table = table.as_deref();
        let raw = self.config.allocation == Allocation::Raw;
        assert!(
            raw || self.first_bad(x).is_none(),
            "what is not finite was encoded"
        );
        let mut decoder = Decoder::new();
        if let Some(table) = table {
            decoder = decoder.with_exponents(table);
        }
        let mut own = filled::<E>(x.len(), 0x5a);
        let header = decoder.decode(frame, &mut own).expect("a frame of ours");
        assert_eq!((header.rows, header.width), (self.rows, self.width));
        if raw {
            assert!(bytes(x) == bytes(&own), "raw is not exact");
            return;
        }
        let mut y = vec![f32::NAN; x.len()];
        decoder.decode(frame, &mut y).expect("a frame of ours");
        assert!(y.iter().all(|y| y.is_finite()), "{:?}", self.config);
        assert!(own.iter().all(|y| y.to_f32().is_finite()), "{:?}", self.config);
        if header.is_empty() {
            return;
        }

        let view = Frame::parse(frame, table).expect("a frame of ours");
        let width = self.width as usize;
        let mut blocks = vec![0; frame.len()];
        let (plan, blocks) = self
            .encoder
            .plan(x, self.rows, self.width, &mut blocks)
            .expect("encoded above");
        let mut all = EncodeStats::default();
        for (row, block) in view.rows(0..self.rows) {
            let at = row as usize * width..(row as usize + 1) * width;
            let bytes = plan.row_bytes(row..row + 1).expect("a row of the frame");
            let stats = plan
                .encode_rows_with_stats(row..row + 1, &x[at.clone()], &mut blocks[bytes])
                .expect("encoded above");
            all.merge(&stats);
            let Some(block) = block else {
                assert!(y[at].iter().all(|y| y.to_bits() == 0), "a pruned row is not zero");
                continue;
            };
            // What is clipped on purpose has no bound.
            if stats.clipped > 0 {
                continue;
            }
            for (channel, (x, y)) in x[at.clone()].iter().zip(&y[at]).enumerate() {
                let tile = channel / header.tile_len();
                // A tile without codes is one number: how far it is from its elements has no bound.
                if block.code_width(tile) == 0 {
                    continue;
                }
                let descriptor = block.descriptor(tile).expect("a valid frame");
                let exponent = i32::from(descriptor.unit >> 3) + i32::from(block.base()) - 129;
                let unit = f64::from(8 + (descriptor.unit & 7)) * 2f64.powi(exponent);
                let k = view.exponents().map_or(0, |table| i32::from(table[channel]));
                let spread = if descriptor.pivot.is_some() {
                    header.tile_len()
                } else {
                    1
                };
                let step = 8.0 * unit * spread as f64 * 2f64.powi(k);
                // The encoder computes in f32, and so does a decoder with channel exponents.
                let rounding = 2f64.powi(-149) * 2f64.powi(k.max(0));
                let error = (f64::from(*y) - f64::from(x.to_f32())).abs();
                assert!(
                    error <= step * 1.01 + rounding,
                    "row {row}, channel {channel}: {:e} became {y:e}, {error:e} apart, the bound is {step:e}; {:?}",
                    x.to_f32(),
                    self.config
                );
            }
        }
        let squared: f64 = x
            .iter()
            .zip(&y)
            .map(|(x, y)| (f64::from(x.to_f32()) - f64::from(*y)).powi(2))
            .sum();
        assert_eq!(all.elements, x.len() as u64);
        let kept = self.keep.is_none_or(|keep| keep.iter().all(|&keep| keep));
        assert!(
            !kept || (squared - all.squared_error).abs() <= 1e-3 * squared + 1e-60,
            "the account says {:e}, the error is {squared:e}; {:?}",
            all.squared_error,
            self.config
        );
        let len = plan.seal(blocks).expect("every row is there");
        assert_eq!(len, frame.len());
    }

    /// Row by row, where that gives a frame at all; rows that the mask keeps are sent whatever they hold.
    fn by_rows<E: Output>(&self, x: &[E], frame: &[u8]) {
        if matches!(self.config.allocation, Allocation::Prune { .. }) {
            return;
        }
        let mut piece = vec![
            0x3c;
            self.config
                .stream_capacity(self.rows, self.width, E::SOURCE)
                .expect("small")
        ];
        let (mut stream, len) = match self.encoder.stream::<E>(self.rows, self.width, &mut piece) {
            Ok(begun) => begun,
            Err(EncodeError::NotByRows(_)) => return,
            Err(error) => panic!("{error:?}: {:?}", self.config),
        };
        let mut all = piece[..len].to_vec();
        for row in 0..self.rows as usize {
            let x = &x[row * self.width as usize..(row + 1) * self.width as usize];
            let len = stream.row(x, &mut piece).expect("encoded above");
            all.extend(&piece[..len]);
        }
        let len = stream.finish(&mut piece).expect("every row is there");
        all.extend(&piece[..len]);
        assert!(all == frame, "row by row gives other bytes: {:?}", self.config);
    }

    /// Rows shared out, a body alone, and buffers that are too short.
    fn other_ways<E: Output>(&self, x: &[E], frame: &[u8]) {
        let Self { rows, width, .. } = *self;
        let mut other = vec![0x3c; frame.len()];
        let (plan, blocks) = self
            .encoder
            .plan(x, rows, width, &mut other)
            .expect("encoded above");
        let cut = u32::from(self.cut) % (rows + 1);
        for range in [cut..rows, 0..cut] {
            let elements = (range.start * width) as usize..(range.end * width) as usize;
            let bytes = plan.row_bytes(range.clone()).expect("rows of the frame");
            plan.encode_rows(range, &x[elements], &mut blocks[bytes])
                .expect("encoded above");
        }
        assert_eq!(plan.seal(blocks), Ok(frame.len()));
        assert!(
            other == frame,
            "rows shared out give other bytes: {:?}",
            self.config
        );

        let body = 28..frame.len() - 4;
        let mut alone = vec![0x3c; body.len()];
        let (header, len) = self
            .encoder
            .encode_body(x, rows, width, &mut alone)
            .expect("encoded above");
        assert_eq!(len, alone.len());
        assert!(alone == frame[body]);
        assert!(header.encoding != Encoding::Raw || self.config.allocation == Allocation::Raw);

        self.by_rows(x, frame);

        let short = frame.len() - 1 - usize::from(self.cut) % frame.len();
        assert!(matches!(
            self.encoder.encode(x, rows, width, &mut other[..short]),
            Err(EncodeError::OutputLength { needed, available }) if needed >= frame.len() && available == short
        ));
    }
}
