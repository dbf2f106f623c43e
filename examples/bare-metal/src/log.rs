//! Logs a value of every public type of the library through `defmt`, to a logger that counts what it is given.

use core::sync::atomic::{AtomicU32, Ordering};

use tahq::{
    Allocation, Config, ConfigError, DecodeError, Decoder, Descriptor, Effort, EncodeError, EncodeStats,
    Encoder, Encoding, Event, ExponentMode, Exponents, Fit, Frame, Granularity, Header, Level, Plan, Rank,
    Rotation, Rounding, Row, Share, SourceType, StreamDecoder, StreamEncoder, StreamError, StreamFault,
    TileSize, WholeTensor, bf16,
};

use crate::say;

static RECORDS: AtomicU32 = AtomicU32::new(0);
static BYTES: AtomicU32 = AtomicU32::new(0);

/// One thread and no interrupts: loads and stores are enough, and Cortex-M0 has no more.
fn count(counter: &AtomicU32, by: usize) {
    counter.store(counter.load(Ordering::Relaxed) + by as u32, Ordering::Relaxed);
}

#[defmt::global_logger]
struct Counter;

// SAFETY: there is one thread, and nothing interrupts it.
unsafe impl defmt::Logger for Counter {
    fn acquire() {
        count(&RECORDS, 1);
    }
    unsafe fn flush() {}
    unsafe fn release() {}
    unsafe fn write(bytes: &[u8]) {
        count(&BYTES, bytes.len());
    }
}

/// Logs one value and says whether anything came of it.
fn logged<T: defmt::Format>(value: &T) -> Result<(), &'static str> {
    let before = BYTES.load(Ordering::Relaxed);
    defmt::println!("{}", value);
    // More than the record's own index: the value's format as well.
    if BYTES.load(Ordering::Relaxed) >= before + 4 {
        Ok(())
    } else {
        Err("a value was not logged")
    }
}

pub fn everything(bytes: &[u8]) -> Result<(), &'static str> {
    let decoder = Decoder::new();
    let frame: Frame<'_> = decoder.parse(bytes).map_err(|_| "the frame is refused")?;
    let row: Row<'_> = frame.row(0).ok_or("the frame has no row")?;
    let header: Header = *frame.header();
    let config = Config {
        exponents: Exponents::None,
        ..Config::MIXED
    };
    let encoder = Encoder::new(config).map_err(|_| "the configuration is refused")?;
    let mut out = [0; 128];
    let (plan, _): (Plan<'_>, _) = encoder
        .plan(&[bf16::ONE; 32], 1, 32, &mut out)
        .map_err(|_| "the encoder refuses")?;
    logged(&plan)?;
    let (rows, _): (StreamEncoder<'_, bf16>, _) = encoder
        .stream(1, 32, &mut out)
        .map_err(|_| "the encoder refuses")?;
    logged(&rows)?;
    let error = StreamError {
        position: 1,
        fault: StreamFault::Frame(DecodeError::BadBase { row: 1, found: 255 }),
    };

    logged(&decoder)?;
    logged(&encoder)?;
    logged(&StreamDecoder::<64>::new())?;
    logged(&Level::detect())?;
    logged(&frame)?;
    logged(&row)?;
    logged::<Descriptor>(&row.descriptor(0).ok_or("the row has no tile")?)?;
    logged(&header)?;
    logged::<Encoding>(&header.encoding)?;
    logged::<SourceType>(&header.source)?;
    logged::<ExponentMode>(&header.exponents)?;
    logged(&Event::Header(header))?;
    logged(&Event::Row { index: 3 })?;
    logged(&error)?;
    logged(&StreamFault::Capacity {
        needed: 2,
        available: 1,
    })?;
    logged(&DecodeError::Checksum {
        found: 1,
        computed: 2,
    })?;
    logged(&EncodeError::NotByRows(WholeTensor::RankedRows))?;
    logged(&WholeTensor::DroppedRows)?;
    logged(&ConfigError::Share { parts: 2, of: 1 })?;
    logged(&EncodeStats::default())?;
    logged::<Config>(&config)?;
    logged::<TileSize>(&config.tile)?;
    logged::<Allocation>(&config.allocation)?;
    logged::<Granularity>(&Granularity::Tile)?;
    logged::<Share>(&Share::FOUR_FIFTHS)?;
    logged::<Rank>(&Rank::Entropy)?;
    logged::<Rotation>(&Rotation::Ratio { tau: 2.0 })?;
    logged::<Exponents>(&config.exponents)?;
    logged::<Fit>(&config.fit)?;
    logged::<Rounding>(&Rounding::Stochastic { seed: 7 })?;
    logged::<Effort>(&config.effort)?;
    let (records, bytes) = (RECORDS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
    say!("defmt: {records} records, {bytes} bytes");
    Ok(())
}
