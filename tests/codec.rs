//! The codec from outside: every configuration round trips, every limit holds, every error is the right one.

mod common;

use half::{bf16, f16};
use tahq::{
    Allocation, Config, ConfigError, DecodeError, Decoder, Effort, Element, EncodeError, Encoder, Exponents,
    Fit, Frame, Granularity, Rank, Rotation, Rounding, Share, SourceType, TileSize, delta,
    estimate_exponents,
};

/// A small deterministic generator; the seed is printed by every failure that carries it.
#[derive(Clone, Copy, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Uniform on -1..1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 8_388_608.0 - 1.0
    }
    /// Roughly normal, with an outlier now and then.
    fn value(&mut self) -> f32 {
        let normal = (0..4).map(|_| self.unit()).sum::<f32>();
        if self.next().is_multiple_of(50) {
            normal * 40.0
        } else {
            normal
        }
    }
    fn tensor(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.value()).collect()
    }
}

fn encode<E: Element>(encoder: &Encoder<'_>, x: &[E], rows: u32, width: u32) -> Vec<u8> {
    let bound = encoder
        .config()
        .max_frame_len(rows, width, E::SOURCE)
        .expect("a small frame");
    let mut frame = vec![0xa5; bound + 3];
    let len = encoder.encode(x, rows, width, &mut frame).expect("finite values");
    assert!(len <= bound);
    assert!(
        frame[len..].iter().all(|&byte| byte == 0xa5),
        "wrote beyond the frame"
    );
    frame.truncate(len);
    frame
}

/// Decodes over two fills, which must agree.
fn decode<E: Element + PartialEq + core::fmt::Debug>(
    decoder: &Decoder<'_>,
    frame: &[u8],
    len: usize,
) -> Vec<E> {
    let mut first = vec![E::from_f32(0.0); len];
    let mut second = vec![E::from_f32(f32::NAN); len];
    decoder.decode(frame, &mut first).expect("our own frame");
    decoder.decode(frame, &mut second).expect("our own frame");
    assert_eq!(
        bytemuck::cast_slice::<E, u8>(&first),
        bytemuck::cast_slice::<E, u8>(&second)
    );
    first
}

fn every_config() -> Vec<Config> {
    let mut configs = Vec::new();
    let mixed = |granularity, rank| Allocation::Mixed {
        granularity,
        share: Share::FOUR_FIFTHS,
        rank,
    };
    let allocations = [
        Allocation::Uniform,
        mixed(Granularity::Tile, Rank::Entropy),
        mixed(Granularity::Tile, Rank::Range),
        mixed(Granularity::Row, Rank::Entropy),
        mixed(Granularity::Row, Rank::Range),
        Allocation::Prune { below: 0.0 },
    ];
    for tile in [TileSize::G32, TileSize::G64, TileSize::G128] {
        for hi in 1..=8 {
            for allocation in allocations {
                let by_row = matches!(
                    allocation,
                    Allocation::Mixed {
                        granularity: Granularity::Row,
                        ..
                    }
                );
                let mut lows = vec![u8::from(by_row), hi / 2, hi];
                lows.retain(|&lo| !by_row || lo > 0);
                for lo in lows {
                    for rotation in [Rotation::Never, Rotation::Ratio { tau: 2.0 }, Rotation::Narrower] {
                        let effort =
                            [Effort::Fast, Effort::Balanced, Effort::Best][(usize::from(hi + lo)) % 3];
                        let exponents = Exponents::Estimated {
                            min_rows: 4,
                            sample: 3,
                        };
                        configs.push(Config {
                            tile,
                            hi,
                            lo,
                            allocation,
                            rotation,
                            effort,
                            exponents,
                            ..Config::INT4
                        });
                    }
                }
            }
        }
    }
    configs
}

#[test]
fn every_configuration_round_trips() {
    let mut random = Random(11);
    for (i, config) in every_config().into_iter().enumerate() {
        let width = [1u32, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200][i % 11];
        let rows = [1u32, 2, 5][i % 3];
        let x = random.tensor((rows * width) as usize);
        let encoder = Encoder::new(config).expect("valid");
        let frame = encode(&encoder, &x, rows, width);
        Frame::parse(&frame, None)
            .expect("valid")
            .validate()
            .expect("valid");
        let y: Vec<f32> = decode(&Decoder::new(), &frame, x.len());
        let least = match config.allocation {
            Allocation::Mixed { .. } => config.lo,
            _ => config.hi,
        };
        let energy = common::nmse(&x, &y, width);
        // A bit is worth 6 dB, but for the narrowest codes in tiles with outliers, and these the more where
        // nothing or little is rotated.
        let bound = [4.0, 4.0, 2.0, 0.3, 0.06, 0.02, 0.005, 0.001, 0.0003][usize::from(least)];
        let bound = if config.rotation == Rotation::Narrower {
            bound
        } else {
            8.0 * bound
        };
        assert!(energy < bound, "{energy} {bound} width {width} {config:?}");
    }
}

#[test]
fn errors_stay_within_a_step() {
    // Stochastic rounding clips nothing, so the bound holds for every element without exception.
    let mut random = Random(5);
    for (i, config) in every_config().into_iter().enumerate().filter(|(i, _)| i % 3 == 0) {
        let (rows, width) = (3u32, 150u32);
        let config = Config {
            rounding: Rounding::Stochastic { seed: i as u64 },
            exponents: Exponents::None,
            ..config
        };
        let x = random.tensor((rows * width) as usize);
        let frame = encode(&Encoder::new(config).expect("valid"), &x, rows, width);
        let y: Vec<f32> = decode(&Decoder::new(), &frame, x.len());
        let view = Frame::parse(&frame, None).expect("valid");
        let g = config.tile.len();
        for r in 0..rows {
            let row = view.row(r).expect("a row that is not zero");
            for (t, start) in (0..width as usize).step_by(g).enumerate() {
                if row.code_width(t) == 0 {
                    continue;
                }
                let descriptor = row.descriptor(t).expect("valid");
                let (e, m) = (i32::from(descriptor.unit >> 3), f64::from(descriptor.unit & 7));
                let step = 8.0 * (8.0 + m) * 2f64.powi(i32::from(row.base()) + e - 129);
                let reach = if descriptor.pivot.is_some() {
                    step * g as f64
                } else {
                    step
                };
                for c in start..(start + g).min(width as usize) {
                    let i = r as usize * width as usize + c;
                    let error = (f64::from(x[i]) - f64::from(y[i])).abs();
                    assert!(
                        error <= reach * 1.0001,
                        "{error} {reach} row {r} channel {c} {config:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn halves_encode_what_they_hold() {
    let mut random = Random(3);
    let (rows, width) = (40u32, 100u32);
    let x = random.tensor((rows * width) as usize);
    let f16s: Vec<f16> = x.iter().map(|&x| f16::from_f32(x)).collect();
    let bf16s: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(x)).collect();
    for config in [Config::INT4, Config::MIXED, Config::TAH_QUANT_TOKEN, Config::INT8] {
        let encoder = Encoder::new(config).expect("a preset");
        let widened: Vec<f32> = f16s.iter().map(|x| x.to_f32()).collect();
        let (a, b) = (
            encode(&encoder, &f16s, rows, width),
            encode(&encoder, &widened, rows, width),
        );
        assert_eq!(
            a[28..a.len() - 4],
            b[28..b.len() - 4],
            "f16 and the same in f32 differ"
        );
        let whole: Vec<f32> = decode(&Decoder::new(), &a, x.len());
        let narrow: Vec<f16> = decode(&Decoder::new(), &a, x.len());
        assert!(whole.iter().zip(narrow).all(|(y, n)| f16::from_f32(*y) == n));

        let frame = encode(&encoder, &bf16s, rows, width);
        let whole: Vec<f32> = decode(&Decoder::new(), &frame, x.len());
        let narrow: Vec<bf16> = decode(&Decoder::new(), &frame, x.len());
        assert!(whole.iter().zip(narrow).all(|(y, n)| bf16::from_f32(*y) == n));
    }
}

#[test]
fn extremes_decode_to_finite_values() {
    let mut random = Random(17);
    let scales = [
        f32::MAX,
        1e38,
        65504.0,
        1.0,
        1e-30,
        1e-38,
        1e-42,
        f32::from_bits(1),
    ];
    for config in every_config().into_iter().step_by(7) {
        for scale in scales {
            for kind in 0..3 {
                let (rows, width) = (5u32, 130u32);
                let x: Vec<f32> = (0..rows * width)
                    .map(|i| match kind {
                        // Everything at the end of the range, one channel in seven, or any size at all.
                        0 => scale * random.unit().signum(),
                        1 if i % 7 == 0 => scale,
                        1 => random.unit(),
                        _ => scale * 2f32.powi(-((random.next() % 60) as i32)) * random.unit(),
                    })
                    .collect();
                let encoder = Encoder::new(config).expect("valid");
                let y: Vec<f32> = decode(&Decoder::new(), &encode(&encoder, &x, rows, width), x.len());
                assert!(y.iter().all(|y| y.is_finite()), "f32 {scale} {kind} {config:?}");

                let narrow: Vec<f16> = x
                    .iter()
                    .map(|&x| f16::from_f32(x.clamp(-65504.0, 65504.0)))
                    .collect();
                let y: Vec<f16> = decode(&Decoder::new(), &encode(&encoder, &narrow, rows, width), x.len());
                assert!(y.iter().all(|y| y.is_finite()), "f16 {scale} {kind} {config:?}");

                let narrow: Vec<bf16> = x
                    .iter()
                    .map(|&x| bf16::from_bits((x.to_bits() >> 16) as u16))
                    .collect();
                let y: Vec<bf16> = decode(&Decoder::new(), &encode(&encoder, &narrow, rows, width), x.len());
                assert!(y.iter().all(|y| y.is_finite()), "bf16 {scale} {kind} {config:?}");
            }
        }
    }
}

#[test]
fn the_end_of_the_range_is_kept() {
    // A row whose peak is in the last octave of f32.
    let x: Vec<f32> = (0..64).map(|i| f32::MAX * (i as f32 / 32.0 - 1.0)).collect();
    for config in [Config::INT8, Config::INT4, Config::TAH_QUANT] {
        let config = Config {
            exponents: Exponents::None,
            ..config
        };
        let frame = encode(&Encoder::new(config).expect("valid"), &x, 1, 64);
        let y: Vec<f32> = decode(&Decoder::new(), &frame, 64);
        let largest = x
            .iter()
            .zip(&y)
            .map(|(x, y)| (x / 2.0 - y / 2.0).abs())
            .fold(0.0, f32::max);
        assert!(
            largest < f32::MAX / 16.0 && y.iter().all(|y| y.is_finite()),
            "{largest} {config:?}"
        );
    }
    // A channel whose exponent takes a power of two out that f32 does not hold.
    let mut table = vec![0i8; 64];
    table[40] = 30;
    let mut x: Vec<f32> = (0..64)
        .map(|i| 2f32.powi(100) * (i as f32 / 32.0 - 1.0))
        .collect();
    x[40] = 2f32.powi(127);
    let config = Config {
        exponents: Exponents::Agreed,
        ..Config::INT8
    };
    let frame = encode(
        &Encoder::new(config).expect("valid").with_exponents(&table),
        &x,
        1,
        64,
    );
    let y: Vec<f32> = decode(&Decoder::new().with_exponents(&table), &frame, 64);
    assert!((y[40] / x[40] - 1.0).abs() < 0.2, "{} {}", y[40], x[40]);
    // The loudest and the quietest numbers at once.
    let mut table = vec![-126i8; 64];
    table[7] = 127;
    let mut x = vec![f32::from_bits(3); 64];
    x[7] = f32::MAX;
    let frame = encode(
        &Encoder::new(config).expect("valid").with_exponents(&table),
        &x,
        1,
        64,
    );
    let y: Vec<f32> = decode(&Decoder::new().with_exponents(&table), &frame, 64);
    assert!(y.iter().all(|y| y.is_finite()) && y[7] > f32::MAX / 2.0, "{y:?}");
}

#[test]
fn tables_of_negative_exponents_overflow_nothing() {
    let mut random = Random(71);
    for exponent in [-20i8, -126, 20] {
        let table = vec![exponent; 64];
        for config in every_config().into_iter().step_by(5) {
            let config = Config {
                exponents: Exponents::Agreed,
                ..config
            };
            let encoder = Encoder::new(config).expect("valid").with_exponents(&table);
            let decoder = Decoder::new().with_exponents(&table);
            let end = f32::MAX * 2f32.powi(i32::from(exponent).min(0));
            let x: Vec<f32> = (0..128).map(|_| end * random.unit().signum()).collect();
            let y: Vec<f32> = decode(&decoder, &encode(&encoder, &x, 2, 64), 128);
            assert!(y.iter().all(|y| y.is_finite()), "{exponent} {config:?}");
        }
    }
}

#[test]
fn quality_does_not_depend_on_the_scale() {
    let mut random = Random(23);
    let (rows, width) = (40u32, 192u32);
    let x = random.tensor((rows * width) as usize);
    for config in [
        Config::INT4,
        Config::MIXED,
        Config::TAH_QUANT,
        Config::TAH_QUANT_TOKEN,
        Config::GRADIENT,
    ] {
        let encoder = Encoder::new(config).expect("a preset");
        let quality = |scale: f32| {
            let x: Vec<f32> = x.iter().map(|x| x * scale).collect();
            let y: Vec<f32> = decode(&Decoder::new(), &encode(&encoder, &x, rows, width), x.len());
            common::decibels(common::nmse(&x, &y, width))
        };
        let plain = quality(1.0);
        for exponent in [-100, -60, -30, 30, 60, 110] {
            let scaled = quality(2f32.powi(exponent));
            assert!(
                (scaled - plain).abs() < 1e-3,
                "2^{exponent}: {scaled} {plain} {config:?}"
            );
        }
    }
}

#[test]
fn constants_spikes_and_zeros_are_kept() {
    for config in [
        Config::INT4,
        Config::INT3,
        Config::INT8,
        Config::MIXED,
        Config::TAH_QUANT,
    ] {
        let encoder = Encoder::new(config).expect("a preset");
        let zeros = vec![0.0f32; 3 * 70];
        let y: Vec<f32> = decode(&Decoder::new(), &encode(&encoder, &zeros, 3, 70), zeros.len());
        assert!(y.iter().all(|y| y.to_bits() == 0));
        for value in [-1234.5f32, 0.5, 1.1, -3e-5] {
            let constant = vec![bf16::from_f32(value); 70];
            let y: Vec<bf16> = decode(&Decoder::new(), &encode(&encoder, &constant, 1, 70), 70);
            assert_eq!(y, constant);
        }
        // The rotation turns a lone outlier into an offset.
        let mut spike = vec![0.0f32; 64];
        spike[37] = 22_912.0;
        let y: Vec<f32> = decode(&Decoder::new(), &encode(&encoder, &spike, 1, 64), 64);
        assert!((y[37] - 22_912.0).abs() < 40.0, "{}", y[37]);
        assert!(y.iter().enumerate().all(|(i, y)| i == 37 || y.abs() < 40.0));
    }
}

#[test]
fn codeless_tiles_are_a_constant_or_a_spike() {
    let config = Config {
        hi: 4,
        lo: 0,
        allocation: Allocation::Mixed {
            granularity: Granularity::Tile,
            share: Share { parts: 0, of: 1 },
            rank: Rank::Range,
        },
        ..Config::INT4
    };
    let mut x = vec![3.0f32; 128];
    x[64..].fill(0.0);
    x[64 + 9] = -7.0;
    // Where two are of one size, the spike is one of them as it is.
    let mut twins = vec![0.0f32; 64];
    (twins[3], twins[5]) = (-3.0, 3.0);
    let y: Vec<f32> = decode(
        &Decoder::new(),
        &encode(&Encoder::new(config).expect("valid"), &twins, 1, 64),
        64,
    );
    assert_eq!((y[3], y[5]), (-3.0, 0.0));
    let frame = encode(&Encoder::new(config).expect("valid"), &x, 1, 128);
    assert_eq!(frame.len(), 28 + 4 + 4 + 8 + 4);
    let y: Vec<f32> = decode(&Decoder::new(), &frame, 128);
    assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-3), "{y:?}");
}

#[test]
fn non_finite_input_is_named_unless_raw() {
    let (rows, width) = (5u32, 70u32);
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN] {
        for (row, channel) in [(0, 0), (4, 69), (2, 33)] {
            let mut x = vec![1.0f32; (rows * width) as usize];
            x[(row * width + channel) as usize] = value;
            for config in [
                Config::INT4,
                Config::TAH_QUANT,
                Config::TAH_QUANT_TOKEN,
                Config::GRADIENT,
                Config::MIXED,
            ] {
                let encoder = Encoder::new(config).expect("a preset");
                let mut out = vec![0; 4096];
                assert_eq!(
                    encoder.encode(&x, rows, width, &mut out),
                    Err(EncodeError::NonFinite { row, channel })
                );
            }
            let frame = encode(&Encoder::new(Config::RAW).expect("a preset"), &x, rows, width);
            let y: Vec<f32> = decode(&Decoder::new(), &frame, x.len());
            assert!(x.iter().zip(y).all(|(x, y)| x.to_bits() == y.to_bits()));
        }
    }
}

#[test]
fn row_ranges_in_any_order_give_the_whole_frame() {
    let mut random = Random(29);
    let (rows, width) = (37u32, 150u32);
    let mut x = random.tensor((rows * width) as usize);
    x[150..450].fill(0.0);
    let configs = [
        Config::RAW,
        Config::INT4,
        Config::MIXED,
        Config::TAH_QUANT,
        Config::TAH_QUANT_TOKEN,
        Config::GRADIENT,
        Config {
            rounding: Rounding::Stochastic { seed: 9 },
            ..Config::GRADIENT
        },
    ];
    for config in configs {
        let encoder = Encoder::new(config).expect("a preset");
        let whole = encode(&encoder, &x, rows, width);
        let mut frame = vec![0x77; whole.len()];
        let (plan, blocks) = encoder.plan(&x, rows, width, &mut frame).expect("room");
        for range in [20..37, 5..5, 7..20, 0..7] {
            let elements = (range.start * width) as usize..(range.end * width) as usize;
            let bytes = plan.row_bytes(range.clone()).expect("in range");
            plan.encode_rows(range, &x[elements], &mut blocks[bytes])
                .expect("finite");
        }
        assert_eq!(plan.seal(blocks), Ok(whole.len()));
        assert_eq!(frame, whole, "{config:?}");

        let view = Frame::parse(&frame, None).expect("valid");
        let y: Vec<f32> = decode(&Decoder::new(), &frame, x.len());
        for range in [36..37, 0..1, 3..30, 0..37, 8..8] {
            let mut part = vec![f32::NAN; ((range.end - range.start) * width) as usize];
            Decoder::new()
                .decode_rows(&view, range.clone(), &mut part)
                .expect("in range");
            let elements = (range.start * width) as usize..(range.end * width) as usize;
            assert_eq!(part, y[elements], "{range:?} {config:?}");
        }
        for range in [30..38u32, 38..38] {
            let (start, end) = (range.start, range.end);
            let mut none: [f32; 0] = [];
            let error = Decoder::new().decode_rows(&view, range.clone(), &mut none);
            assert_eq!(error, Err(DecodeError::RowRange { start, end, rows }));
        }
    }
}

#[test]
fn bodies_travel_without_their_header() {
    let x = Random(31).tensor(40 * 64);
    for config in [Config::RAW, Config::INT4, Config::TAH_QUANT_TOKEN] {
        let encoder = Encoder::new(config).expect("a preset");
        let frame = encode(&encoder, &x, 40, 64);
        let mut body = vec![0; frame.len()];
        let (header, len) = encoder.encode_body(&x, 40, 64, &mut body).expect("room");
        assert_eq!(body[..len], frame[28..frame.len() - 4]);
        let mut y = vec![0.0f32; x.len()];
        Decoder::new()
            .decode_body(&header, &body[..len], &mut y)
            .expect("our own body");
        assert_eq!(y, decode::<f32>(&Decoder::new(), &frame, x.len()));
        assert!(matches!(
            Decoder::new().decode_body(&header, &body[..len - 1], &mut y),
            Err(DecodeError::Truncated { .. })
        ));
        assert!(y.iter().all(|&y| y == 0.0), "a failed decode leaves zeros");
    }
}

#[test]
fn buffers_of_every_wrong_length_are_refused() {
    let x = Random(37).tensor(33 * 40);
    for config in [
        Config::RAW,
        Config::INT4,
        Config::GRADIENT,
        Config::TAH_QUANT_TOKEN,
    ] {
        let encoder = Encoder::new(config).expect("a preset");
        let frame = encode(&encoder, &x, 33, 40);
        for len in 0..frame.len() {
            let mut out = vec![0; len];
            let error = encoder.encode(&x, 33, 40, &mut out);
            assert_eq!(
                error,
                Err(EncodeError::OutputLength {
                    needed: frame.len(),
                    available: len
                })
            );
            let mut y = vec![1.0f32; x.len()];
            assert!(Decoder::new().decode(&frame[..len], &mut y).is_err());
            assert!(y.iter().all(|&y| y == 0.0), "a failed decode leaves zeros");
        }
        for len in [0, 1, x.len() - 1, x.len() + 1] {
            let mut y = vec![1.0f32; len];
            let error = Decoder::new().decode(&frame, &mut y);
            assert_eq!(
                error,
                Err(DecodeError::OutputLength {
                    needed: x.len() as u64,
                    available: len
                })
            );
            assert!(y.iter().all(|&y| y == 0.0));
        }
        let mut out = vec![0; frame.len()];
        assert_eq!(
            encoder.encode(&x[1..], 33, 40, &mut out),
            Err(EncodeError::InputLength {
                needed: x.len() as u64,
                available: x.len() - 1
            })
        );
    }
}

#[test]
fn shapes_near_the_limits_are_errors_and_not_panics() {
    let max = u32::MAX;
    let shapes = [
        (max, max),
        (max, 1),
        (1, max),
        (1 << 31, 2),
        (1 << 17, 1 << 17),
        (max, 64),
        (max - 1, 33),
    ];
    for (rows, width) in shapes {
        for config in [
            Config::RAW,
            Config::INT8,
            Config::MIXED,
            Config::TAH_QUANT_TOKEN,
            Config::GRADIENT,
        ] {
            // One row of the widest possible fits where its codes are narrow, and nothing else does.
            let fits = rows == 1 && config != Config::RAW && config != Config::INT8;
            let result = config.max_frame_len(rows, width, SourceType::F32);
            assert_eq!(result.is_ok(), fits, "{rows} {width} {config:?} {result:?}");
            let encoder = Encoder::new(config).expect("a preset");
            let mut out = [0; 64];
            assert!(encoder.encode(&[0.0f32; 4], rows, width, &mut out).is_err());
        }
    }
    // The largest single row that still fits: 2^32 - 1 bytes is no multiple of 4, so one tile less.
    let widest = Config {
        exponents: Exponents::None,
        ..Config::INT8
    };
    let tiles = (max - 4) / 68;
    assert!(widest.max_frame_len(1, tiles * 64, SourceType::F32).is_ok());
    assert!(
        widest
            .max_frame_len(1, (tiles + 1) * 64, SourceType::F32)
            .is_err()
    );
}

#[test]
fn empty_tensors_are_empty_frames() {
    for (rows, width) in [(0u32, 0u32), (0, 5), (7, 0), (u32::MAX, 0), (0, u32::MAX)] {
        for config in [
            Config::RAW,
            Config::INT4,
            Config::MIXED,
            Config::TAH_QUANT_TOKEN,
            Config::GRADIENT,
        ] {
            let frame = encode::<f32>(&Encoder::new(config).expect("a preset"), &[], rows, width);
            assert_eq!(frame.len(), 32);
            let mut none: [f32; 0] = [];
            let header = Decoder::new().decode(&frame, &mut none).expect("valid");
            assert_eq!((header.rows, header.width), (rows, width));
            let view = Frame::parse(&frame, None).expect("valid");
            view.validate().expect("valid");
            assert!(view.row(0).is_none());
        }
    }
}

#[test]
fn agreed_and_given_exponents() {
    let mut random = Random(41);
    let (rows, width) = (6u32, 100u32);
    let loud: Vec<f32> = (0..width).map(|c| if c % 9 == 0 { 500.0 } else { 1.0 }).collect();
    let x: Vec<f32> = (0..rows * width)
        .map(|i| random.value() * loud[(i % width) as usize])
        .collect();
    let mut table = vec![0; width as usize];
    estimate_exponents(&x, rows, width, 0, &mut table);
    assert!(table.contains(&0) && table.iter().any(|&k| k > 2));

    let agreed = Config {
        exponents: Exponents::Agreed,
        ..Config::INT4
    };
    let encoder = Encoder::new(agreed).expect("valid");
    let mut out = vec![0; 4096];
    assert_eq!(
        encoder.encode(&x, rows, width, &mut out),
        Err(EncodeError::TableMissing)
    );
    let short = encoder.with_exponents(&table[1..]);
    let error = EncodeError::TableLength {
        needed: width,
        available: 99,
    };
    assert_eq!(short.encode(&x, rows, width, &mut out), Err(error));
    let mut low = table.clone();
    low[3] = -127;
    let error = EncodeError::TableRange { channel: 3 };
    assert_eq!(
        encoder.with_exponents(&low).encode(&x, rows, width, &mut out),
        Err(error)
    );

    let frame = encode(&encoder.with_exponents(&table), &x, rows, width);
    let y: Vec<f32> = decode(&Decoder::new().with_exponents(&table), &frame, x.len());
    let mut z = vec![1.0f32; x.len()];
    assert_eq!(
        Decoder::new().decode(&frame, &mut z),
        Err(DecodeError::TableMissing)
    );
    let mut other = table.clone();
    other[0] += 1;
    let error = Decoder::new().with_exponents(&other).decode(&frame, &mut z);
    assert!(matches!(error, Err(DecodeError::TableMismatch { .. })));

    // The same table in the frame gives the same values, and so does the default for short frames.
    let in_frame = Config {
        exponents: Exponents::InFrame,
        ..Config::INT4
    };
    let frame = encode(
        &Encoder::new(in_frame).expect("valid").with_exponents(&table),
        &x,
        rows,
        width,
    );
    assert_eq!(y, decode::<f32>(&Decoder::new(), &frame, x.len()));
    let frame = encode(
        &Encoder::new(Config::INT4).expect("valid").with_exponents(&table),
        &x,
        rows,
        width,
    );
    assert_eq!(
        y,
        decode::<f32>(&Decoder::new().with_exponents(&table), &frame, x.len())
    );
}

#[test]
fn fast_estimates_exponents_from_half_of_the_rows_at_the_most() {
    let mut random = Random(43);
    let width = 70u32;
    // By every effort, and by `Fast`.
    for (rows, sample, fast) in [
        (32u32, 64, 16),
        (33, 64, 17),
        (64, 64, 32),
        (65, 64, 33),
        (100, 64, 64),
        (100, 7, 7),
        (1, 64, 1),
        (40, 0, 0),
    ] {
        // Every row is loud elsewhere, so that each set of rows has a table of its own.
        let x: Vec<f32> = (0..rows * width)
            .map(|i| {
                let loud = (i / width).is_multiple_of(i % width + 1);
                random.value() * if loud { 3000.0 } else { 1.0 }
            })
            .collect();
        let tables = [sample, fast].map(|sample| {
            let mut table = vec![0; width as usize];
            estimate_exponents(&x, rows, width, sample, &mut table);
            table
        });
        let fewer = fast != sample && (2..=64).contains(&rows);
        assert_eq!(tables[0] != tables[1], fewer, "{rows} {sample}");
        for (effort, table) in [(Effort::Balanced, &tables[0]), (Effort::Fast, &tables[1])] {
            let config = Config {
                effort,
                exponents: Exponents::Estimated { min_rows: 1, sample },
                ..Config::INT4
            };
            let frame = encode(&Encoder::new(config).expect("valid"), &x, rows, width);
            let sent = Frame::parse(&frame, None).expect("our own frame").exponents();
            assert_eq!(sent, Some(&table[..]), "{rows} {sample} {effort:?}");
        }
    }
}

#[test]
fn exponents_that_overflow_are_an_error() {
    let mut table = vec![0i8; 70];
    table[66] = -126;
    let config = Config {
        exponents: Exponents::Agreed,
        ..Config::INT4
    };
    let encoder = Encoder::new(config).expect("valid").with_exponents(&table);
    let mut x = vec![1.0f32; 140];
    x[70 + 66] = 5.0;
    let mut out = vec![0; 1024];
    let error = EncodeError::ExponentOverflow { row: 1, channel: 66 };
    assert_eq!(encoder.encode(&x, 2, 70, &mut out), Err(error));
    x[70 + 66] = 3.0;
    let frame = encode(&encoder, &x, 2, 70);
    let y: Vec<f32> = decode(&Decoder::new().with_exponents(&table), &frame, 140);
    assert!((y[136] - 3.0).abs() < 0.3 && y.iter().all(|y| y.is_finite()));
}

#[test]
fn pruned_rows_cost_a_bit() {
    let mut random = Random(43);
    let (rows, width) = (64u32, 128u32);
    let mut x = random.tensor((rows * width) as usize);
    for row in [0, 5, 6, 63] {
        x[row * 128..][..128].fill(if row == 5 { -0.0 } else { 0.0 });
    }
    let stats = |config: Config, keep: Option<&[bool]>, x: &[f32]| {
        let encoder = Encoder::new(config).expect("valid");
        let encoder = keep.map_or(encoder, |keep| encoder.with_mask(keep));
        let mut out = vec![0; 64 * 1024];
        let stats = encoder
            .encode_with_stats(x, rows, width, &mut out)
            .expect("finite");
        let mut y = vec![f32::NAN; x.len()];
        Decoder::new()
            .decode(&out[..stats.bytes], &mut y)
            .expect("our own frame");
        (stats, y)
    };
    let (all, y) = stats(Config::GRADIENT, None, &x);
    assert_eq!(all.pruned, 4);
    assert!(
        [0, 5, 6, 63]
            .iter()
            .all(|&r| y[r * 128..][..128].iter().all(|y| y.to_bits() == 0))
    );
    // Header and checksum, exponents, row map, then 60 rows of 2 tiles.
    assert_eq!(all.bytes, 32 + 128 + 8 + 60 * (4 + 2 * (4 + 48)));

    x[2 * 128..3 * 128].iter_mut().for_each(|x| *x *= 1e-6);
    let (few, _) = stats(
        Config {
            allocation: Allocation::Prune { below: 1e-3 },
            ..Config::GRADIENT
        },
        None,
        &x,
    );
    assert_eq!(few.pruned, 5);

    // A dropped row may hold anything.
    let mut keep = vec![true; 64];
    keep[9] = false;
    x[9 * 128] = f32::NAN;
    let encoder = Encoder::new(Config::GRADIENT).expect("valid").with_mask(&keep);
    let frame = encode(&encoder, &x, rows, width);
    let y: Vec<f32> = decode(&Decoder::new(), &frame, x.len());
    assert!(y[9 * 128..10 * 128].iter().all(|&y| y == 0.0));
    let mut out = vec![0; 64 * 1024];
    let error = EncodeError::Mask {
        needed: 64,
        available: 63,
    };
    let short = Encoder::new(Config::GRADIENT)
        .expect("valid")
        .with_mask(&keep[1..]);
    assert_eq!(short.encode(&x, rows, width, &mut out), Err(error));
    let wrong = Encoder::new(Config::INT4).expect("valid").with_mask(&keep);
    assert!(matches!(
        wrong.encode(&x, rows, width, &mut out),
        Err(EncodeError::Mask { .. })
    ));
}

#[test]
fn stochastic_rounding_is_unbiased_and_keyed() {
    let (rows, width) = (2u32, 64u32);
    let x = Random(47).tensor(128);
    let config = |seed| Config {
        rounding: Rounding::Stochastic { seed },
        ..Config::INT3
    };
    let once = encode(&Encoder::new(config(1)).expect("valid"), &x, rows, width);
    assert_eq!(
        once,
        encode(&Encoder::new(config(1)).expect("valid"), &x, rows, width)
    );
    assert_ne!(
        once,
        encode(&Encoder::new(config(2)).expect("valid"), &x, rows, width)
    );
    assert_ne!(
        once,
        encode(
            &Encoder::new(config(1 << 32 | 1)).expect("valid"),
            &x,
            rows,
            width
        )
    );
    let draws = 4000;
    let mut mean = vec![0.0f64; 128];
    let mut square = vec![0.0f64; 128];
    for seed in 0..draws {
        let frame = encode(&Encoder::new(config(seed)).expect("valid"), &x, rows, width);
        let y: Vec<f32> = decode(&Decoder::new(), &frame, 128);
        for (i, y) in y.iter().enumerate() {
            let error = f64::from(*y) - f64::from(x[i]);
            mean[i] += error / draws as f64;
            square[i] += error * error / draws as f64;
        }
    }
    for i in 0..128 {
        // Five standard errors.
        assert!(
            mean[i].abs() <= 5.0 * (square[i] / draws as f64).sqrt() + 1e-6,
            "{i}: {} {}",
            mean[i],
            square[i]
        );
    }
}

#[test]
fn delta_coding_converges_and_both_ends_agree() {
    let mut random = Random(53);
    let (rows, width) = (8u32, 96u32);
    let mut x = random.tensor(768);
    let encoder = Encoder::new(Config::INT3).expect("a preset");
    let (mut ours, mut theirs, mut scratch) = (vec![0.0f32; 768], vec![0.0f32; 768], vec![0.0f32; 768]);
    let mut frame = vec![0; 8192];
    let mut last = f64::INFINITY;
    for visit in 0..5 {
        x.iter_mut().for_each(|x| *x *= 1.0001);
        let len = delta::encode(&encoder, &x, &ours, rows, width, &mut scratch, &mut frame).expect("finite");
        delta::apply(&Decoder::new(), &frame[..len], &mut ours, &mut scratch).expect("our own frame");
        delta::apply(&Decoder::new(), &frame[..len], &mut theirs, &mut scratch).expect("our own frame");
        assert_eq!(ours, theirs);
        let error = common::nmse(&x, &theirs, width);
        assert!(error < last, "visit {visit}: {error} after {last}");
        last = error;
    }
    assert!(last < 1e-6);
    let before = theirs.clone();
    frame[40] ^= 1;
    assert!(delta::apply(&Decoder::new(), &frame, &mut theirs, &mut scratch).is_err());
    assert_eq!(before, theirs, "a bad frame leaves the reference alone");
    let error = delta::encode(&encoder, &x, &ours[1..], rows, width, &mut scratch, &mut frame);
    assert_eq!(
        error,
        Err(EncodeError::InputLength {
            needed: 768,
            available: 767
        })
    );
}

#[test]
fn bytes_in_and_out() {
    let x = Random(59).tensor(2 * 64);
    let encoder = Encoder::new(Config::INT4).expect("a preset");
    let bytes: &[u8] = bytemuck::cast_slice(&x);
    let mut frame = vec![0; 1024];
    let len = encoder
        .encode_bytes(SourceType::F32, bytes, 2, 64, &mut frame)
        .expect("aligned");
    assert_eq!(frame[..len], encode(&encoder, &x, 2, 64));
    let mut out = vec![1.0f32; 129];
    let out: &mut [u8] = bytemuck::cast_slice_mut(&mut out);
    let header = Decoder::new()
        .decode_bytes(&frame[..len], SourceType::F32, &mut out[4..])
        .expect("aligned");
    assert_eq!(header.rows, 2);
    let error = Decoder::new().decode_bytes(&frame[..len], SourceType::F32, &mut out[1..513]);
    assert_eq!(error, Err(DecodeError::Misaligned));
    assert!(out[1..513].iter().all(|&byte| byte == 0));
    let error = encoder.encode_bytes(SourceType::F32, &bytes[1..], 2, 64, &mut frame);
    assert_eq!(error, Err(EncodeError::Misaligned));
    let error = encoder.encode_bytes(SourceType::F32, &bytes[..510], 2, 64, &mut frame);
    assert_eq!(error, Err(EncodeError::Misaligned));
}

#[test]
fn configurations_out_of_rule_are_refused() {
    let widths = |hi, lo| Config {
        hi,
        lo,
        ..Config::MIXED
    };
    for (hi, lo) in [(0, 0), (9, 4), (4, 5), (255, 255)] {
        assert_eq!(
            Encoder::new(widths(hi, lo)).map(|_| ()),
            Err(ConfigError::Widths { hi, lo })
        );
    }
    let token = Config {
        lo: 0,
        ..Config::TAH_QUANT_TOKEN
    };
    assert_eq!(token.validate(), Err(ConfigError::Widths { hi: 4, lo: 0 }));
    for (parts, of) in [(1, 0), (5, 4)] {
        let allocation = Allocation::Mixed {
            granularity: Granularity::Tile,
            share: Share { parts, of },
            rank: Rank::Range,
        };
        assert_eq!(
            Config {
                allocation,
                ..Config::MIXED
            }
            .validate(),
            Err(ConfigError::Share { parts, of })
        );
    }
    for tau in [f32::NAN, -1.0] {
        assert_eq!(
            Config {
                rotation: Rotation::Ratio { tau },
                ..Config::INT4
            }
            .validate(),
            Err(ConfigError::Tau)
        );
    }
    for below in [f32::NAN, -1.0, f32::INFINITY] {
        assert_eq!(
            Config {
                allocation: Allocation::Prune { below },
                ..Config::INT4
            }
            .validate(),
            Err(ConfigError::Prune)
        );
    }
    assert_eq!(
        Config {
            fit: Fit::Range,
            ..Config::default()
        }
        .validate(),
        Ok(())
    );
}

#[test]
fn tau_from_always_to_never() {
    let x = Random(61).tensor(20 * 64);
    let rotated = |tau: f32| {
        let config = Config {
            rotation: Rotation::Ratio { tau },
            ..Config::TAH_QUANT
        };
        let mut out = vec![0; 8192];
        let encoder = Encoder::new(config).expect("valid");
        encoder
            .encode_with_stats(&x, 20, 64, &mut out)
            .expect("finite")
            .rotated
    };
    assert_eq!(rotated(0.0), 20);
    assert_eq!(rotated(f32::INFINITY), 0);
    let counts: Vec<u64> = [0.0, 1.0, 1.2, 2.0, 4.0, 100.0]
        .into_iter()
        .map(rotated)
        .collect();
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
}

#[test]
fn stats_tell_what_was_done() {
    let x = Random(67).tensor(64 * 640);
    let mut out = vec![0; 64 * 640];
    let stats = Encoder::new(Config::MIXED)
        .expect("valid")
        .encode_with_stats(&x, 64, 640, &mut out)
        .expect("finite");
    assert_eq!(
        (stats.elements, stats.tiles, stats.high, stats.pruned),
        (64 * 640, 640, 512, 0)
    );
    assert!((stats.high_share() - 0.8).abs() < 1e-12 && stats.rotated_share() <= 1.0);
    assert!((stats.bits_per_element() - stats.bytes as f64 * 8.0 / 40960.0).abs() < 1e-12);
    let y: Vec<f32> = decode(&Decoder::new(), &out[..stats.bytes], x.len());
    let squared: f64 = x.iter().zip(&y).map(|(x, y)| f64::from(x - y).powi(2)).sum();
    assert!((stats.squared_error / squared - 1.0).abs() < 1e-5);
    assert!((stats.nmse() / common::nmse(&x, &y, 640) - 1.0).abs() < 1e-9);
    assert!(
        stats.clipped > 0 && stats.clipped < stats.elements / 10,
        "{}",
        stats.clipped
    );
}
