//! What the checked-in vectors are: each by name, built with the reference writer. A vector's random parts are
//! seeded with its name, so that a new one changes no other.

#![allow(dead_code, unreachable_pub)]

use super::reference::{
    self, CHECKSUM_LEN, Encoding, Exponents, Fault, FrameParts, HEADER_LEN, Rng, RowParts, Shape, SourceType,
    TileParts, map_words, random_parts, seal, table_check,
};

/// A frame that every decoder must decode to exactly these bits.
pub struct Good {
    pub name: String,
    pub frame: Vec<u8>,
    pub f32_bits: Vec<u32>,
    pub table: Option<Vec<i8>>,
}

/// A frame that every decoder must refuse, for one reason alone.
pub struct Bad {
    pub name: String,
    pub frame: Vec<u8>,
    pub fault: Fault,
    pub table: Option<Vec<i8>>,
}

const SOURCES: [SourceType; 3] = [SourceType::F32, SourceType::F16, SourceType::Bf16];
const EXPONENTS: [Exponents; 3] = [Exponents::None, Exponents::InFrame, Exponents::Agreed];
const TILES: [(u8, u32); 3] = [(5, 32), (6, 64), (7, 128)];

/// The shape that most vectors are variations of.
const PLAIN: Shape = Shape {
    encoding: Encoding::Uniform,
    log2_tile: 5,
    hi: 4,
    lo: 4,
    source: SourceType::F32,
    exponents: Exponents::None,
    rows: 1,
    width: 32,
};

// ---------------------------------------------------------------------------------------------------------
// Good vectors
// ---------------------------------------------------------------------------------------------------------

#[derive(Default)]
struct GoodSet(Vec<Good>);

impl GoodSet {
    fn parts(&mut self, name: impl Into<String>, parts: &FrameParts) {
        let name = name.into();
        let (frame, table) = (parts.write(), parts.agreed());
        let decoded = reference::decode(&frame, table.as_deref())
            .unwrap_or_else(|fault| panic!("{name} is meant to be valid: {fault:?}"));
        self.0.push(Good {
            name,
            frame,
            f32_bits: decoded.bits,
            table,
        });
    }

    fn random(&mut self, name: impl Into<String>, shape: Shape) {
        let name = name.into();
        self.parts(name.clone(), &random_parts(&mut Rng::named(&name), shape));
    }

    /// A random frame in which `quota` is what it is asked to be.
    fn random_quota(&mut self, name: &str, shape: Shape, quota: u32) {
        let mut rng = Rng::named(name);
        let parts =
            std::iter::repeat_with(|| random_parts(&mut rng, shape)).find(|parts| parts.quota == quota);
        self.parts(name, &parts.unwrap());
    }
}

pub fn good() -> Vec<Good> {
    let mut set = GoodSet::default();
    worked(&mut set);
    raw(&mut set);
    code_widths(&mut set);
    shapes(&mut set);
    maps(&mut set);
    pruned(&mut set);
    exponents(&mut set);
    empty(&mut set);
    extremes(&mut set);
    set.0
}

fn name_of(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Raw => "raw",
        Encoding::Uniform => "uniform",
        Encoding::TileMixed => "tile-mixed",
        Encoding::RowMixed => "row-mixed",
    }
}

fn name_of_type(source: SourceType) -> &'static str {
    match source {
        SourceType::F32 => "f32",
        SourceType::F16 => "f16",
        SourceType::Bf16 => "bf16",
    }
}

/// A frame without body, to be filled by hand.
fn parts_of(shape: Shape) -> FrameParts {
    let empty = Shape {
        rows: 0,
        exponents: Exponents::None,
        ..shape
    };
    let parts = random_parts(&mut Rng(0), empty);
    FrameParts {
        rows: shape.rows,
        exponents: shape.exponents as u8,
        ..parts
    }
}

fn row(base: u8, tiles: Vec<TileParts>) -> RowParts {
    RowParts {
        prefix: [base, 0, 0, 0],
        tile_map: Vec::new(),
        tiles,
    }
}

/// A tile of which a few codes are not 0.
fn tile(tile_size: usize, bits: u8, z: i16, unit: u8, transform: u8, codes: &[(usize, u8)]) -> TileParts {
    let mut all = vec![0; tile_size];
    for &(i, code) in codes {
        all[i] = code;
    }
    TileParts {
        z,
        unit,
        transform,
        bits,
        codes: all,
    }
}

/// The frames that the specification takes apart byte by byte.
fn worked(set: &mut GoodSet) {
    let shape = Shape {
        encoding: Encoding::Raw,
        log2_tile: 0,
        hi: 0,
        lo: 0,
        source: SourceType::F16,
        width: 3,
        ..PLAIN
    };
    let mut parts = parts_of(shape);
    parts.raw = [0x3c00u16, 0xc100, 0x7c00]
        .iter()
        .flat_map(|bits| bits.to_le_bytes())
        .collect();
    set.parts("worked-raw", &parts);

    let shape = Shape {
        hi: 3,
        lo: 3,
        width: 3,
        exponents: Exponents::InFrame,
        ..PLAIN
    };
    let mut parts = parts_of(shape);
    parts.table = vec![0, 3, -1];
    parts.blocks = vec![row(
        120,
        vec![tile(32, 3, -20, 0x14, 0, &[(1, 5), (2, 7), (31, 6)])],
    )];
    set.parts("worked-uniform", &parts);

    let shape = Shape {
        encoding: Encoding::TileMixed,
        hi: 1,
        lo: 0,
        width: 40,
        source: SourceType::Bf16,
        ..PLAIN
    };
    let mut parts = parts_of(shape);
    parts.quota = 1;
    let tiles = vec![
        tile(32, 1, 7, 0x2a, 0x80 | 5, &[(3, 1), (16, 1)]),
        tile(32, 0, -50, 0x18, 0x80 | 2, &[]),
    ];
    parts.blocks = vec![RowParts {
        tile_map: vec![0b01],
        ..row(120, tiles)
    }];
    set.parts("worked-tile-mixed", &parts);

    let shape = Shape {
        encoding: Encoding::RowMixed,
        hi: 2,
        lo: 0,
        rows: 3,
        width: 2,
        exponents: Exponents::Agreed,
        ..PLAIN
    };
    let mut parts = parts_of(shape);
    parts.table = vec![1, -1];
    parts.table_check = table_check(&parts.table);
    parts.quota = 1;
    parts.row_map = vec![0b010];
    parts.blocks = vec![row(100, vec![tile(32, 2, -12, 0xa0, 0, &[(0, 3), (1, 1)])])];
    set.parts("worked-row-mixed", &parts);
}

fn raw(set: &mut GoodSet) {
    for source in SOURCES {
        let shape = Shape {
            encoding: Encoding::Raw,
            source,
            ..PLAIN
        };
        let name = name_of_type(source);
        for (rows, width) in [(1, 1), (1, 2), (3, 5), (4, 33)] {
            set.random(
                format!("raw-{name}-{rows}x{width}"),
                Shape { rows, width, ..shape },
            );
        }

        // Every class of value that the type knows.
        let bits: Vec<u32> = match source {
            SourceType::F32 => vec![
                0,
                0x8000_0000,
                1,
                0x8000_0001,
                0x007f_ffff,
                0x0080_0000,
                0x3f80_0000,
                0xbf80_0000,
                0x3f80_0001,
                0x7f7f_ffff,
                0xff7f_ffff,
                0x7f80_0000,
                0xff80_0000,
                0x7fc0_0000,
                0xffc0_0000,
                0x7f80_0001,
                0xffbf_ffff,
                0x7fff_ffff,
                0x477f_efff,
                0x477f_f000,
                0x3300_0000,
                0x3300_0001,
                0x3f80_8000,
            ],
            SourceType::F16 => vec![
                0, 0x8000, 1, 0x8001, 0x03ff, 0x0400, 0x3c00, 0xbc00, 0x3c01, 0x7bff, 0xfbff, 0x7c00, 0xfc00,
                0x7e00, 0xfe00, 0x7c01, 0xfdff, 0x7fff, 0x3555, 0x0200, 0x5bff,
            ],
            SourceType::Bf16 => vec![
                0, 0x8000, 1, 0x8001, 0x007f, 0x0080, 0x3f80, 0xbf80, 0x3f81, 0x7f7f, 0xff7f, 0x7f80, 0xff80,
                0x7fc0, 0xffc0, 0x7f81, 0xffbf, 0x7fff, 0x3eab, 0x0040, 0x477f,
            ],
        };
        let mut parts = parts_of(Shape {
            width: bits.len() as u32,
            log2_tile: 0,
            hi: 0,
            lo: 0,
            ..shape
        });
        let size = if source == SourceType::F32 { 4 } else { 2 };
        parts.raw = bits
            .iter()
            .flat_map(|bits| bits.to_le_bytes().into_iter().take(size))
            .collect();
        set.parts(format!("raw-{name}-values"), &parts);
    }
}

/// Every code width and pair of code widths at tiles of 32; at the larger tiles every uniform width and some
/// pairs.
fn code_widths(set: &mut GoodSet) {
    let mut turn = 0;
    let mut next = |shape: Shape| {
        turn += 1;
        Shape {
            source: SOURCES[turn % 3],
            exponents: EXPONENTS[turn / 3 % 3],
            ..shape
        }
    };
    for (log2_tile, tile_size) in TILES {
        let shape = Shape { log2_tile, ..PLAIN };
        for hi in 1..=8 {
            let shape = next(Shape {
                hi,
                lo: hi,
                rows: 2,
                width: 2 * tile_size + 7,
                ..shape
            });
            set.random(format!("uniform-g{tile_size}-b{hi}"), shape);
        }
        for (hi, lo) in (1..=8).flat_map(|hi| (0..=hi).map(move |lo| (hi, lo))) {
            let some = [
                (1, 0),
                (2, 2),
                (3, 2),
                (4, 3),
                (5, 0),
                (6, 4),
                (7, 1),
                (8, 0),
                (8, 7),
            ];
            if tile_size > 32 && !some.contains(&(hi, lo)) {
                continue;
            }
            let shape = Shape { hi, lo, ..shape };
            let tile_mixed = next(Shape {
                encoding: Encoding::TileMixed,
                rows: 2,
                width: 3 * tile_size - 5,
                ..shape
            });
            set.random(format!("tile-mixed-g{tile_size}-b{hi}-{lo}"), tile_mixed);
            let row_mixed = next(Shape {
                encoding: Encoding::RowMixed,
                rows: 4,
                width: tile_size + 1,
                ..shape
            });
            set.random(format!("row-mixed-g{tile_size}-b{hi}-{lo}"), row_mixed);
        }
    }
}

/// Widths at and around the tile size, with few rows and several.
fn shapes(set: &mut GoodSet) {
    for (log2_tile, tile_size) in TILES {
        for width in [1, tile_size - 1, tile_size, tile_size + 1, 2 * tile_size] {
            let rows = 1 + width % 3;
            let shape = Shape {
                log2_tile,
                rows,
                width,
                ..PLAIN
            };
            set.random(format!("shape-uniform-g{tile_size}-{rows}x{width}"), shape);
            let mixed = Shape {
                encoding: Encoding::TileMixed,
                lo: 3,
                ..shape
            };
            set.random(format!("shape-tile-mixed-g{tile_size}-{rows}x{width}"), mixed);
            let mixed = Shape {
                encoding: Encoding::RowMixed,
                lo: 3,
                ..shape
            };
            set.random(format!("shape-row-mixed-g{tile_size}-{rows}x{width}"), mixed);
        }
    }
}

/// Maps around one and two words, and quotas of none and all.
fn maps(set: &mut GoodSet) {
    for count in [31, 32, 33, 64, 65] {
        for lo in [0, 1] {
            let shape = Shape { hi: 2, lo, ..PLAIN };
            let rows = Shape {
                encoding: Encoding::RowMixed,
                rows: count,
                width: 3,
                ..shape
            };
            set.random_quota(&format!("row-map-{count}-b2-{lo}"), rows, count / 2);
        }
        if count == 64 {
            continue;
        }
        // One channel of the last tile is enough to have it.
        let tiles = Shape {
            encoding: Encoding::TileMixed,
            hi: 2,
            lo: 1,
            width: 32 * (count - 1) + 1,
            ..PLAIN
        };
        set.random_quota(&format!("tile-map-{count}-b2-1"), tiles, count / 2);
    }
    for (name, encoding) in [("row", Encoding::RowMixed), ("tile", Encoding::TileMixed)] {
        for lo in [0, 3] {
            let shape = Shape {
                encoding,
                lo,
                rows: 3,
                width: 70,
                ..PLAIN
            };
            for quota in [0, 3] {
                set.random_quota(&format!("quota-{name}-mixed-b4-{lo}-{quota}-of-3"), shape, quota);
            }
        }
    }
}

/// Rows without a block and tiles without codes.
fn pruned(set: &mut GoodSet) {
    for exponents in EXPONENTS {
        let shape = Shape {
            encoding: Encoding::RowMixed,
            lo: 0,
            rows: 40,
            width: 5,
            exponents,
            ..PLAIN
        };
        let name = format!("pruned-all-exponents-{}", exponents as u8);
        set.random_quota(&name, shape, 0);
        let name = format!("pruned-all-but-one-exponents-{}", exponents as u8);
        set.random_quota(&name, shape, 1);
    }
    for (log2_tile, tile_size) in TILES {
        let shape = Shape {
            encoding: Encoding::TileMixed,
            log2_tile,
            hi: 1,
            lo: 0,
            width: 5 * tile_size - 3,
            ..PLAIN
        };
        let size = tile_size as usize;
        let last = 0x80 | (tile_size - 1) as u8;
        let mut parts = parts_of(shape);
        // A constant, spikes at the first and last element, no energy at all, and a spike beyond `width`.
        let tiles = vec![
            tile(size, 0, 1000, 0x21, 0, &[]),
            tile(size, 0, -300, 0x32, 0x80, &[]),
            tile(size, 0, 77, 0x43, last, &[]),
            tile(size, 0, 0, 0x54, last, &[]),
            tile(size, 0, 500, 0x65, last, &[]),
        ];
        parts.blocks = vec![RowParts {
            tile_map: vec![0],
            ..row(101, tiles)
        }];
        set.parts(format!("codeless-tiles-g{tile_size}"), &parts);
    }
}

/// Channel exponents of every alignment and at their bounds.
fn exponents(set: &mut GoodSet) {
    for exponents in [Exponents::InFrame, Exponents::Agreed] {
        let kind = exponents as u8;
        for width in 1..=5 {
            let shape = Shape {
                exponents,
                width,
                rows: 2,
                ..PLAIN
            };
            set.random(format!("exponents-{kind}-width-{width}"), shape);
        }
        for encoding in [Encoding::TileMixed, Encoding::RowMixed] {
            let shape = Shape {
                encoding,
                lo: 2,
                exponents,
                width: 67,
                rows: 3,
                ..PLAIN
            };
            set.random(format!("exponents-{kind}-{}", name_of(encoding)), shape);
        }
        // Each exponent once, on a tile of ones.
        let mut parts = parts_of(Shape {
            exponents,
            width: 254,
            hi: 1,
            lo: 1,
            ..PLAIN
        });
        parts.table = (-126..=127).collect();
        if exponents == Exponents::Agreed {
            parts.table_check = table_check(&parts.table);
        }
        parts.blocks = vec![row(126, (0..8).map(|_| tile(32, 1, 8, 0, 0, &[])).collect())];
        set.parts(format!("exponents-{kind}-all"), &parts);
    }
}

fn empty(set: &mut GoodSet) {
    for encoding in [
        Encoding::Raw,
        Encoding::Uniform,
        Encoding::TileMixed,
        Encoding::RowMixed,
    ] {
        let name = name_of(encoding);
        let shape = Shape {
            encoding,
            lo: 2,
            ..PLAIN
        };
        for (rows, width) in [(0, 0), (0, 40), (3, 0)] {
            set.random(
                format!("empty-{name}-{rows}x{width}"),
                Shape { rows, width, ..shape },
            );
        }
        // The largest numbers of nothing: neither has a body.
        set.random(
            format!("empty-{name}-0xmax"),
            Shape {
                rows: 0,
                width: u32::MAX,
                ..shape
            },
        );
        set.random(
            format!("empty-{name}-maxx0"),
            Shape {
                rows: u32::MAX,
                width: 0,
                ..shape
            },
        );
    }
    for exponents in [Exponents::InFrame, Exponents::Agreed] {
        let kind = exponents as u8;
        for (rows, width) in [(0, 5), (5, 0)] {
            let shape = Shape {
                encoding: Encoding::RowMixed,
                lo: 0,
                exponents,
                rows,
                width,
                ..PLAIN
            };
            set.random(format!("empty-exponents-{kind}-{rows}x{width}"), shape);
        }
    }
}

/// Every value of a field, and the values at the bounds of the arithmetic.
fn extremes(set: &mut GoodSet) {
    // A row of one channel each.
    let column = |rows, bits| {
        parts_of(Shape {
            rows,
            width: 1,
            hi: bits,
            lo: bits,
            ..PLAIN
        })
    };
    let mut parts = column(223, 1);
    parts.blocks = (0..=222)
        .map(|base| row(base, vec![tile(32, 1, 3, 0x0b, 0, &[(0, 1)])]))
        .collect();
    set.parts("every-base", &parts);
    let mut parts = column(256, 1);
    parts.blocks = (0..=255)
        .map(|unit| row(110, vec![tile(32, 1, -5, unit, 0, &[(0, 1)])]))
        .collect();
    set.parts("every-unit", &parts);
    for bits in 1..=8 {
        let codes = 1u32 << bits;
        let mut parts = column(codes, bits);
        parts.blocks = (0..codes)
            .map(|q| row(117, vec![tile(32, bits, -100, 0, 0, &[(0, q as u8)])]))
            .collect();
        set.parts(format!("every-code-b{bits}"), &parts);
    }
    for (log2_tile, tile_size) in TILES {
        let size = tile_size as usize;
        let shape = Shape {
            log2_tile,
            hi: 1,
            lo: 1,
            ..PLAIN
        };
        let pivots: Vec<u8> = match tile_size {
            32 => (0..32).collect(),
            _ => (0..tile_size as u8)
                .filter(|p| p.is_power_of_two() || [0, 31, 33, 45, 63, 65, 85, 127].contains(p))
                .collect(),
        };
        let mut rng = Rng::named("every-pivot");
        let mut parts = parts_of(Shape {
            width: pivots.len() as u32 * tile_size,
            ..shape
        });
        let tiles = pivots.iter().map(|&p| {
            let codes = (0..size).map(|_| rng.below(2) as u8).collect();
            TileParts {
                z: 9 * i16::from(p) - 400,
                unit: 0x1d,
                transform: 0x80 | p,
                bits: 1,
                codes,
            }
        });
        parts.blocks = vec![row(113, tiles.collect())];
        set.parts(format!("pivots-g{tile_size}"), &parts);

        // One code set at a time: where each element lies in its planes, and every row of the matrix.
        let bits = 7;
        let mut parts = parts_of(Shape {
            hi: bits,
            lo: bits,
            width: 8 * tile_size,
            ..shape
        });
        let tiles = (0..8).map(|j| {
            let i = j * size / 8 + j;
            tile(
                size,
                bits,
                0,
                0x20,
                if j % 2 == 0 { 0 } else { 0x80 },
                &[(i.min(size - 1), 0b101_1011)],
            )
        });
        parts.blocks = vec![row(113, tiles.collect())];
        set.parts(format!("impulses-g{tile_size}"), &parts);

        // The largest sums: all codes 255, with the zero point at either end.
        let mut parts = parts_of(Shape {
            hi: 8,
            lo: 8,
            width: 4 * tile_size,
            ..shape
        });
        let all = vec![255; size];
        let full = |z, transform| TileParts {
            z,
            unit: 0x3f,
            transform,
            bits: 8,
            codes: all.clone(),
        };
        let last = 0x80 | (tile_size - 1) as u8;
        let tiles = vec![
            full(i16::MAX, 0),
            full(i16::MIN, 0),
            full(i16::MAX, last),
            full(i16::MIN, 0x80),
        ];
        parts.blocks = vec![row(100, tiles)];
        set.parts(format!("largest-sums-g{tile_size}"), &parts);
    }

    let two_by = |exponents, width| Shape {
        hi: 2,
        lo: 2,
        exponents,
        width,
        ..PLAIN
    };
    // The smallest and the largest unit, with zero points at both ends; the largest overflows.
    for (name, base, unit) in [("smallest", 0, 0), ("largest", 222, 255)] {
        let mut parts = parts_of(two_by(Exponents::None, 256));
        let tiles = [0, 0x80 | 31].iter().flat_map(|&transform| {
            [i16::MIN, -8, 0, i16::MAX].map(|z| tile(32, 2, z, unit, transform, &[(0, 1), (1, 2), (7, 3)]))
        });
        parts.blocks = vec![row(base, tiles.collect())];
        set.parts(format!("{name}-unit"), &parts);
    }
    // Around the largest finite value: 15 * 2^124 is one unit; 17 of 15 * 2^120 are the last below 2^128.
    let mut parts = parts_of(two_by(Exponents::None, 128));
    let tiles =
        [(255, 1), (255, 2), (255 - 32, 17), (255 - 32, 18)].map(|(unit, z)| tile(32, 2, z, unit, 0, &[]));
    parts.blocks = vec![row(222, tiles.to_vec())];
    set.parts("overflow-edge", &parts);

    // An overflow stays one under a negative exponent; a small value may be brought back to the normal range or
    // be pushed out of either end of it.
    let mut parts = parts_of(two_by(Exponents::InFrame, 32));
    parts.table = (0..32)
        .map(|c| [-126, -1, 0, 1, 127, -100, -30, 64][c % 8])
        .collect();
    parts.rows = 5;
    let codes: Vec<(usize, u8)> = (0..32).map(|c| (c, (c / 8) as u8)).collect();
    parts.blocks = vec![
        row(222, vec![tile(32, 2, 32000, 255, 0, &codes)]),
        row(222, vec![tile(32, 2, -32000, 255, 0x80 | 6, &codes)]),
        row(0, vec![tile(32, 2, -8, 3, 0, &codes)]),
        row(103, vec![tile(32, 2, -3, 0x3f, 0, &codes)]),
        row(103, vec![tile(32, 2, 11, 0x37, 0x80 | 9, &codes)]),
    ];
    set.parts("exponents-after-overflow", &parts);

    // Subnormal results, ties among them, and zeros of both signs: units near 2^-24 with exponents near -126.
    let mut parts = parts_of(two_by(Exponents::InFrame, 32));
    parts.table = (0..32).map(|c| -126 + (c / 4) as i8).collect();
    parts.rows = 16;
    parts.blocks = (0..16)
        .map(|r| {
            let codes: Vec<(usize, u8)> = (0..32).map(|c| (c, (c % 4) as u8)).collect();
            let unit = r as u8 & 7 | 0x10;
            row(
                94 + r as u8 / 2,
                vec![tile(32, 2, if r % 2 == 0 { -11 } else { 5 }, unit, 0, &codes)],
            )
        })
        .collect();
    set.parts("subnormal-ties", &parts);

    // 8q + z = 0 gives +0, before and after an exponent.
    let mut parts = parts_of(two_by(Exponents::InFrame, 32));
    parts.table = vec![-126; 32];
    parts.rows = 3;
    parts.blocks = vec![
        row(222, vec![tile(32, 2, -8, 255, 0, &[(0, 1), (5, 1), (6, 2)])]),
        row(0, vec![tile(32, 2, 0, 0, 0, &[(3, 1)])]),
        row(0, vec![tile(32, 2, 0, 0, 0x80 | 3, &[])]),
    ];
    set.parts("zeros", &parts);

    // The tail's codes and a pivot in the tail take part although the values there are dropped.
    for (log2_tile, tile_size) in TILES {
        let size = tile_size as usize;
        let mut parts = parts_of(Shape {
            log2_tile,
            hi: 2,
            lo: 2,
            width: tile_size / 2,
            ..PLAIN
        });
        let codes: Vec<(usize, u8)> = (size / 2..size).map(|i| (i, (i % 4) as u8)).collect();
        parts.blocks = vec![row(
            110,
            vec![tile(size, 2, 900, 0x31, 0x80 | (tile_size - 2) as u8, &codes)],
        )];
        set.parts(format!("pivot-in-tail-g{tile_size}"), &parts);
    }
}

// ---------------------------------------------------------------------------------------------------------
// Bad vectors
// ---------------------------------------------------------------------------------------------------------

#[derive(Default)]
struct BadSet(Vec<Bad>);

impl BadSet {
    fn frame(&mut self, fault: Fault, name: impl Into<String>, frame: Vec<u8>, table: Option<Vec<i8>>) {
        self.0.push(Bad {
            name: name.into(),
            frame,
            fault,
            table,
        });
    }

    fn parts(&mut self, fault: Fault, name: impl Into<String>, parts: &FrameParts) {
        self.frame(fault, name, parts.write(), parts.agreed());
    }

    /// One change to a frame, under a checksum that holds.
    fn patched(
        &mut self,
        fault: Fault,
        name: impl Into<String>,
        parts: &FrameParts,
        patch: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut frame = parts.write();
        patch(&mut frame);
        seal(&mut frame);
        self.frame(fault, name, frame, parts.agreed());
    }
}

pub fn bad() -> Vec<Bad> {
    let mut set = BadSet::default();
    bad_length(&mut set);
    bad_header(&mut set);
    bad_sizes(&mut set);
    bad_body(&mut set);
    bad_tables(&mut set);
    set.0
}

fn sample(shape: Shape) -> FrameParts {
    random_parts(&mut Rng::named("bad"), shape)
}

fn bad_length(set: &mut BadSet) {
    let uniform = sample(Shape {
        rows: 2,
        width: 40,
        exponents: Exponents::InFrame,
        ..PLAIN
    })
    .write();
    let raw = sample(Shape {
        encoding: Encoding::Raw,
        rows: 1,
        width: 3,
        ..PLAIN
    })
    .write();
    let empty = sample(Shape { rows: 0, ..PLAIN }).write();
    for (name, length) in [
        ("nothing", 0),
        ("one-byte", 1),
        ("magic", 4),
        ("header-but-one", HEADER_LEN - 1),
        ("header", HEADER_LEN),
        ("first-body-byte", HEADER_LEN + 1),
        ("exponents", HEADER_LEN + 40),
        ("body-but-one", uniform.len() - CHECKSUM_LEN - 1),
        ("body", uniform.len() - CHECKSUM_LEN),
        ("frame-but-one", uniform.len() - 1),
    ] {
        set.frame(
            Fault::Truncated,
            format!("truncated-{name}"),
            uniform[..length].to_vec(),
            None,
        );
    }
    set.frame(
        Fault::Truncated,
        "truncated-raw-body",
        raw[..raw.len() - 5].to_vec(),
        None,
    );
    set.frame(
        Fault::Truncated,
        "truncated-empty-checksum",
        empty[..empty.len() - 1].to_vec(),
        None,
    );
    for (name, frame) in [("uniform", &uniform), ("raw", &raw), ("empty", &empty)] {
        set.frame(
            Fault::TrailingBytes,
            format!("trailing-byte-{name}"),
            [frame, &[0u8][..]].concat(),
            None,
        );
    }
    set.frame(
        Fault::TrailingBytes,
        "trailing-frame",
        [&uniform[..], &uniform[..]].concat(),
        None,
    );

    for at in [0, 1, 2, 3] {
        let mut frame = uniform.clone();
        let end = frame.len() - CHECKSUM_LEN;
        frame[end + at] ^= 1 << (2 * at);
        set.frame(Fault::Checksum, format!("checksum-byte-{at}"), frame, None);
    }
    // A bit of the content that breaks no other rule: a hint, an exponent, a code, a raw element.
    for (name, at) in [
        ("source-type", 8),
        ("exponent", HEADER_LEN + 3),
        ("code", uniform.len() - CHECKSUM_LEN - 1),
    ] {
        let mut frame = uniform.clone();
        frame[at] ^= if at == 8 { 3 } else { 1 };
        set.frame(Fault::Checksum, format!("checksum-{name}"), frame, None);
    }
    let mut frame = raw;
    frame[HEADER_LEN] ^= 0x80;
    set.frame(Fault::Checksum, "checksum-raw", frame, None);
    let mut frame = empty;
    frame[16] ^= 1;
    set.frame(Fault::Checksum, "checksum-empty", frame, None);
}

fn bad_header(set: &mut BadSet) {
    let uniform = sample(PLAIN);
    let tile_mixed = sample(Shape {
        encoding: Encoding::TileMixed,
        lo: 3,
        width: 64,
        ..PLAIN
    });
    let row_mixed = sample(Shape {
        encoding: Encoding::RowMixed,
        lo: 3,
        rows: 2,
        ..PLAIN
    });
    let raw = sample(Shape {
        encoding: Encoding::Raw,
        ..PLAIN
    });
    for at in 0..4 {
        set.patched(Fault::BadMagic, format!("magic-byte-{at}"), &uniform, |frame| {
            frame[at] ^= 0x20
        });
    }
    let mut byte = |fault, name: &str, parts: &FrameParts, at: usize, value: u8| {
        set.patched(fault, format!("{name}-{value}"), parts, |frame| frame[at] = value);
    };
    for version in [0, 2, 255] {
        byte(Fault::UnsupportedVersion, "version", &uniform, 4, version);
    }
    for encoding in [4, 255] {
        byte(Fault::UnknownEncoding, "encoding", &uniform, 5, encoding);
    }
    for log2_tile in [0, 4, 8, 37, 255] {
        byte(Fault::BadTileSize, "tile-size", &uniform, 6, log2_tile);
    }
    for log2_tile in [1, 5] {
        byte(Fault::BadTileSize, "tile-size-raw", &raw, 6, log2_tile);
    }
    for widths in [0x00, 0x40, 0x43, 0x45, 0x99] {
        byte(Fault::BadWidths, "widths-uniform", &uniform, 7, widths);
    }
    for widths in [0x00, 0x34, 0x90, 0xf4] {
        byte(Fault::BadWidths, "widths-tile-mixed", &tile_mixed, 7, widths);
        byte(Fault::BadWidths, "widths-row-mixed", &row_mixed, 7, widths);
    }
    for widths in [0x01, 0x10, 0x44] {
        byte(Fault::BadWidths, "widths-raw", &raw, 7, widths);
    }
    for source in [0, 4, 255] {
        byte(Fault::UnknownSourceType, "source-type", &uniform, 8, source);
    }
    byte(
        Fault::UnknownSourceType,
        "source-type-empty",
        &sample(Shape { rows: 0, ..PLAIN }),
        8,
        0,
    );
    for exponents in [3, 255] {
        byte(Fault::UnknownExponents, "exponents", &uniform, 9, exponents);
    }
    for exponents in [1, 2, 3] {
        byte(Fault::UnknownExponents, "exponents-raw", &raw, 9, exponents);
    }
    let in_frame = sample(Shape {
        exponents: Exponents::InFrame,
        ..PLAIN
    });
    byte(Fault::BadTableCheck, "table-check-none-low", &uniform, 10, 1);
    byte(Fault::BadTableCheck, "table-check-none-high", &uniform, 11, 128);
    byte(Fault::BadTableCheck, "table-check-in-frame", &in_frame, 10, 1);
    byte(Fault::BadTableCheck, "table-check-raw", &raw, 11, 1);

    let mut quota = |name: &str, parts: &FrameParts, quota: u32| {
        set.patched(Fault::BadQuota, format!("quota-{name}"), parts, |frame| {
            frame[20..24].copy_from_slice(&quota.to_le_bytes());
        });
    };
    quota("raw", &raw, 1);
    quota("uniform", &uniform, 1);
    quota("tile-mixed-3-of-2", &tile_mixed, 3);
    quota("tile-mixed-max", &tile_mixed, u32::MAX);
    quota("row-mixed-3-of-2", &row_mixed, 3);
    quota("row-mixed-max", &row_mixed, u32::MAX);
    for (name, encoding) in [("tile", Encoding::TileMixed), ("row", Encoding::RowMixed)] {
        quota(
            &format!("{name}-mixed-no-rows"),
            &sample(Shape {
                encoding,
                lo: 3,
                rows: 0,
                ..PLAIN
            }),
            1,
        );
        quota(
            &format!("{name}-mixed-no-channels"),
            &sample(Shape {
                encoding,
                lo: 3,
                width: 0,
                ..PLAIN
            }),
            1,
        );
    }
}

/// A frame of a header and a checksum around `body` bytes of zeros: what a decoder whose sizes wrap would take
/// for a whole one.
fn hollow(shape: Shape, quota: u32, body: u32) -> Vec<u8> {
    let mut frame = FrameParts {
        rows: shape.rows,
        quota,
        ..parts_of(shape)
    }
    .write();
    frame[24..28].copy_from_slice(&body.to_le_bytes());
    frame.resize(HEADER_LEN + body as usize + CHECKSUM_LEN, 0);
    seal(&mut frame);
    frame
}

fn bad_sizes(set: &mut BadSet) {
    let shape = Shape {
        rows: 2,
        width: 40,
        ..PLAIN
    };
    for encoding in [
        Encoding::Raw,
        Encoding::Uniform,
        Encoding::TileMixed,
        Encoding::RowMixed,
    ] {
        let parts = sample(Shape {
            encoding,
            lo: 3,
            ..shape
        });
        for (name, by) in [("plus-4", 4), ("minus-4", u32::MAX - 3), ("plus-1", 1)] {
            set.patched(
                Fault::BodyLength,
                format!("body-length-{}-{name}", name_of(encoding)),
                &parts,
                |frame| {
                    let length = reference::read_u32(frame, 24).wrapping_add(by);
                    frame[24..28].copy_from_slice(&length.to_le_bytes());
                },
            );
        }
    }
    let parts = sample(shape);
    for (name, length) in [("0", 0), ("max", u32::MAX)] {
        set.patched(
            Fault::BodyLength,
            format!("body-length-{name}"),
            &parts,
            |frame| {
                frame[24..28].copy_from_slice(&u32::to_le_bytes(length));
            },
        );
    }
    // The field names the bytes that are there; the other fields call for another number.
    set.patched(Fault::BodyLength, "body-length-as-found", &parts, |frame| {
        let end = frame.len() - CHECKSUM_LEN;
        frame.splice(end..end, [0; 4]);
        let length = reference::read_u32(frame, 24) + 4;
        frame[24..28].copy_from_slice(&length.to_le_bytes());
    });
    let empty = sample(Shape { rows: 0, ..PLAIN });
    set.frame(
        Fault::BodyLength,
        "body-length-empty-4",
        hollow(Shape { rows: 0, ..PLAIN }, 0, 4),
        None,
    );
    set.patched(Fault::BodyLength, "body-length-empty-max", &empty, |frame| {
        frame[24..28].fill(255)
    });
    // An empty frame carries no exponents and no row map.
    let no_rows = Shape {
        rows: 0,
        width: 4,
        exponents: Exponents::InFrame,
        ..PLAIN
    };
    set.frame(
        Fault::BodyLength,
        "body-length-no-rows-exponents",
        hollow(no_rows, 0, 4),
        None,
    );
    let no_channels = Shape {
        encoding: Encoding::RowMixed,
        rows: 3,
        width: 0,
        ..PLAIN
    };
    set.frame(
        Fault::BodyLength,
        "body-length-no-channels-map",
        hollow(no_channels, 0, 4),
        None,
    );

    // Lengths below 2^32 whose making overflows 32 bits on the way: rows + 31 and width + G - 1.
    let pruned = Shape {
        encoding: Encoding::RowMixed,
        lo: 0,
        rows: u32::MAX,
        width: 1,
        ..PLAIN
    };
    set.frame(
        Fault::BodyLength,
        "body-length-row-map-wraps",
        hollow(pruned, 0, 0),
        None,
    );
    let wide = Shape {
        hi: 1,
        width: u32::MAX,
        ..PLAIN
    };
    set.frame(
        Fault::BodyLength,
        "body-length-tiles-wrap",
        hollow(wide, 0, 4),
        None,
    );
    let wide = Shape {
        encoding: Encoding::TileMixed,
        hi: 1,
        lo: 0,
        width: u32::MAX,
        ..PLAIN
    };
    set.frame(
        Fault::BodyLength,
        "body-length-tile-map-wraps",
        hollow(wide, 0, 4),
        None,
    );

    // Bodies of 2^32 bytes and more, each with the body that its length leaves modulo 2^32.
    let mut large = |name: &str, shape: Shape, quota: u32, body: u32| {
        set.frame(
            Fault::FrameTooLarge,
            format!("too-large-{name}"),
            hollow(shape, quota, body),
            None,
        );
    };
    let raw = Shape {
        encoding: Encoding::Raw,
        ..PLAIN
    };
    large(
        "raw-f32-least",
        Shape {
            rows: 1 << 30,
            width: 1,
            ..raw
        },
        0,
        0,
    );
    large(
        "raw-f32-least-wide",
        Shape {
            rows: 1,
            width: 1 << 30,
            ..raw
        },
        0,
        0,
    );
    large(
        "raw-f32-one-more",
        Shape {
            rows: (1 << 30) + 1,
            width: 1,
            ..raw
        },
        0,
        4,
    );
    // 2^32 - 2 bytes of elements fit; their padding does not.
    let half = Shape {
        source: SourceType::F16,
        ..raw
    };
    large(
        "raw-f16-padding",
        Shape {
            rows: 1,
            width: (1 << 31) - 1,
            ..half
        },
        0,
        0,
    );
    large(
        "raw-square-64-bits",
        Shape {
            rows: 1 << 31,
            width: 1 << 31,
            ..raw
        },
        0,
        0,
    );
    large(
        "raw-max",
        Shape {
            rows: u32::MAX,
            width: u32::MAX,
            ..raw
        },
        0,
        4,
    );
    large(
        "raw-f16-max",
        Shape {
            rows: u32::MAX,
            width: u32::MAX,
            ..half
        },
        0,
        4,
    );
    // Blocks of exactly 32 bytes.
    large(
        "uniform-least",
        Shape {
            hi: 6,
            rows: 1 << 27,
            ..PLAIN
        },
        0,
        0,
    );
    large(
        "uniform-rows-max",
        Shape {
            hi: 6,
            rows: u32::MAX,
            ..PLAIN
        },
        0,
        0,
    );
    // (2^30 - 1) / 9 tiles of 36 bytes and a prefix.
    large(
        "uniform-wide-least",
        Shape {
            hi: 8,
            width: ((1 << 30) - 1) / 9 * 32,
            ..PLAIN
        },
        0,
        0,
    );
    large(
        "uniform-wide-max",
        Shape {
            hi: 8,
            width: u32::MAX,
            ..PLAIN
        },
        0,
        0,
    );
    large(
        "uniform-64-bits",
        Shape {
            hi: 8,
            rows: u32::MAX,
            width: u32::MAX,
            ..PLAIN
        },
        0,
        0,
    );
    large(
        "tile-mixed-max",
        Shape {
            encoding: Encoding::TileMixed,
            hi: 8,
            lo: 0,
            rows: u32::MAX,
            width: u32::MAX,
            ..PLAIN
        },
        1 << 27,
        0,
    );
    let mixed = Shape {
        encoding: Encoding::RowMixed,
        hi: 6,
        lo: 0,
        ..PLAIN
    };
    large(
        "row-mixed-blocks",
        Shape {
            rows: 1 << 27,
            ..mixed
        },
        (1 << 27) - (1 << 19),
        0,
    );
    large(
        "row-mixed-max",
        Shape {
            rows: u32::MAX,
            width: u32::MAX,
            ..mixed
        },
        u32::MAX,
        0,
    );
    let in_frame = Shape {
        exponents: Exponents::InFrame,
        ..mixed
    };
    large(
        "exponents",
        Shape {
            width: u32::MAX,
            ..in_frame
        },
        0,
        4,
    );
}

fn bad_body(set: &mut BadSet) {
    for source in [SourceType::F16, SourceType::Bf16] {
        let raw = sample(Shape {
            encoding: Encoding::Raw,
            source,
            width: 3,
            ..PLAIN
        });
        for at in 0..2 {
            let name = format!("raw-padding-{}-{at}", name_of_type(source));
            set.patched(Fault::RawPadding, name, &raw, |frame| {
                frame[HEADER_LEN + 6 + at] = 1
            });
        }
    }

    for width in 1..=3 {
        let parts = sample(Shape {
            exponents: Exponents::InFrame,
            width,
            ..PLAIN
        });
        for at in width as usize..4 {
            let name = format!("exponent-padding-width-{width}-byte-{at}");
            set.patched(Fault::ExponentPadding, name, &parts, |frame| {
                frame[HEADER_LEN + at] = 1
            });
        }
    }
    let parts = sample(Shape {
        exponents: Exponents::InFrame,
        width: 40,
        ..PLAIN
    });
    for (at, k) in [(0, -127), (0, -128), (17, -128), (39, -127)] {
        let name = format!("exponent-range-channel-{at}-minus-{}", -k);
        set.patched(Fault::ExponentRange, name, &parts, |frame| {
            frame[HEADER_LEN + at] = k as u8
        });
    }
    let parts = sample(Shape {
        encoding: Encoding::RowMixed,
        lo: 0,
        exponents: Exponents::InFrame,
        width: 6,
        ..PLAIN
    });
    set.patched(
        Fault::ExponentRange,
        "exponent-range-row-mixed",
        &parts,
        |frame| frame[HEADER_LEN + 5] = 0x80,
    );

    // Row maps: every bit that one row and that 33 rows leave unused.
    let map_at = HEADER_LEN;
    let row_mixed = |rows, lo, set_rows: u32| {
        let shape = Shape {
            encoding: Encoding::RowMixed,
            hi: 1,
            lo,
            rows,
            width: 2,
            ..PLAIN
        };
        let mut rng = Rng::named("row map");
        std::iter::repeat_with(|| random_parts(&mut rng, shape))
            .find(|parts| parts.quota == set_rows)
            .unwrap()
    };
    for (rows, first) in [(1, 1), (33, 1)] {
        let parts = row_mixed(rows, 0, 1);
        for bit in first..32 {
            let name = format!("row-map-padding-{rows}-rows-bit-{bit}");
            let at = map_at + rows as usize / 32 * 4 + bit / 8;
            set.patched(Fault::RowMapPadding, name, &parts, |frame| {
                frame[at] |= 1 << (bit % 8)
            });
        }
    }
    let with_exponents = Shape {
        encoding: Encoding::RowMixed,
        lo: 1,
        rows: 31,
        width: 2,
        exponents: Exponents::InFrame,
        ..PLAIN
    };
    let parts = sample(with_exponents);
    set.patched(Fault::RowMapPadding, "row-map-padding-31-rows", &parts, |frame| {
        frame[HEADER_LEN + 7] |= 0x80
    });
    // Widths that are equal leave the map without effect on the layout, which is no excuse.
    let mut count = |name: &str, parts: &FrameParts, flip: u32| {
        let mut parts = parts.clone();
        parts.row_map[0] ^= flip;
        set.parts(Fault::RowMapCount, format!("row-map-count-{name}"), &parts);
    };
    let all = row_mixed(4, 1, 4);
    count("one-less", &all, 0b0100);
    count("one-more", &row_mixed(4, 1, 0), 0b0010);
    count("pruned-one-more", &row_mixed(4, 0, 0), 0b0001);
    count("pruned-one-less", &row_mixed(4, 0, 4), 0b1000);
    count("all-inverted", &all, 0b1111);

    // Row prefixes, in the first and the last row.
    let parts = sample(Shape {
        rows: 3,
        width: 33,
        ..PLAIN
    });
    let block = (parts.write().len() - HEADER_LEN - CHECKSUM_LEN) / 3;
    for row in [0, 2] {
        let at = HEADER_LEN + row * block;
        for base in [223, 224, 255] {
            set.patched(
                Fault::BadBase,
                format!("base-{base}-row-{row}"),
                &parts,
                |frame| frame[at] = base,
            );
        }
        for byte in 1..4 {
            let name = format!("row-padding-byte-{byte}-row-{row}");
            set.patched(Fault::RowPadding, name, &parts, |frame| {
                frame[at + byte] = 1 << (2 * byte)
            });
        }
    }
    let kinds = [
        ("tile-mixed", Encoding::TileMixed),
        ("row-mixed", Encoding::RowMixed),
    ];
    for (name, encoding) in kinds {
        let mut parts = sample(Shape {
            encoding,
            lo: 3,
            rows: 3,
            width: 70,
            ..PLAIN
        });
        parts.blocks[1].prefix[0] = 223;
        set.parts(Fault::BadBase, format!("base-{name}"), &parts);
        parts.blocks[1].prefix = [7, 0, 255, 0];
        set.parts(Fault::RowPadding, format!("row-padding-{name}"), &parts);
    }

    // Tile maps.
    let tile_mixed = |rows, tiles: u32, set_tiles: u32| {
        let shape = Shape {
            encoding: Encoding::TileMixed,
            hi: 1,
            lo: 0,
            rows,
            width: 32 * tiles,
            ..PLAIN
        };
        let mut rng = Rng::named("tile map");
        std::iter::repeat_with(|| random_parts(&mut rng, shape))
            .find(|parts| parts.quota == set_tiles)
            .unwrap()
    };
    for tiles in [1, 33] {
        let parts = tile_mixed(1, tiles, 1);
        for bit in 1..32 {
            let mut parts = parts.clone();
            *parts.blocks[0].tile_map.last_mut().unwrap() |= 1 << bit;
            set.parts(
                Fault::TileMapPadding,
                format!("tile-map-padding-{tiles}-tiles-bit-{bit}"),
                &parts,
            );
        }
    }
    let mut parts = tile_mixed(3, 2, 1);
    parts.blocks[2].tile_map[0] |= 1 << 2;
    set.parts(Fault::TileMapPadding, "tile-map-padding-last-row", &parts);
    for (name, row, map) in [
        ("none", 0, 0b00),
        ("both", 0, 0b11),
        ("last-row-none", 2, 0b00),
        ("last-row-both", 2, 0b11),
    ] {
        let mut parts = tile_mixed(3, 2, 1);
        parts.blocks[row].tile_map = vec![map];
        set.parts(Fault::TileMapCount, format!("tile-map-count-{name}"), &parts);
    }
    let mut parts = tile_mixed(1, 33, 32);
    parts.blocks[0].tile_map = map_words(&[true; 33]);
    set.parts(Fault::TileMapCount, "tile-map-count-33-of-32", &parts);

    // Transforms.
    for (log2_tile, tile_size) in TILES {
        let parts = sample(Shape {
            log2_tile,
            rows: 2,
            width: tile_size + 1,
            ..PLAIN
        });
        let mut transforms = vec![0x01, 0x05, 0x40, 0x7f];
        if tile_size < 128 {
            transforms.extend([0x80 | tile_size as u8, 0xff]);
        }
        for transform in transforms {
            for (row, tile) in [(0, 0), (1, 1)] {
                let mut parts = parts.clone();
                parts.blocks[row].tiles[tile].transform = transform;
                let name = format!("transform-g{tile_size}-{transform:02x}-row-{row}-tile-{tile}");
                set.parts(Fault::BadTransform, name, &parts);
            }
        }
    }
    for (name, encoding) in kinds {
        let mut parts = sample(Shape {
            encoding,
            lo: 3,
            rows: 2,
            width: 70,
            ..PLAIN
        });
        parts.blocks[1].tiles[2].transform = 0xa0;
        set.parts(Fault::BadTransform, format!("transform-{name}"), &parts);
    }
    // A tile without codes has a transform all the same.
    let mut parts = tile_mixed(1, 2, 0);
    parts.blocks[0].tiles[1].transform = 2;
    set.parts(Fault::BadTransform, "transform-codeless", &parts);
}

fn bad_tables(set: &mut BadSet) {
    let shape = Shape {
        exponents: Exponents::Agreed,
        rows: 2,
        width: 37,
        ..PLAIN
    };
    for encoding in [Encoding::Uniform, Encoding::TileMixed, Encoding::RowMixed] {
        let name = name_of(encoding);
        let parts = random_parts(
            &mut Rng::named(name),
            Shape {
                encoding,
                lo: 3,
                ..shape
            },
        );
        set.frame(
            Fault::TableMissing,
            format!("table-missing-{name}"),
            parts.write(),
            None,
        );

        // Tables of the wrong length whose check the header names, so that the length alone is wrong.
        let table = &parts.table;
        for (what, other) in [
            ("empty", Vec::new()),
            ("short", table[..36].to_vec()),
            ("long", [table, &[0i8][..]].concat()),
            ("padded", [table, &[0i8; 3][..]].concat()),
        ] {
            let check = table_check(&other);
            let frame = FrameParts {
                table_check: check,
                ..parts.clone()
            }
            .write();
            set.frame(
                Fault::TableLength,
                format!("table-length-{what}-{name}"),
                frame,
                Some(other),
            );
        }

        for (what, at) in [("first", 0), ("last", 36)] {
            let mut other = table.clone();
            other[at] ^= 1;
            // The change must not itself leave the range.
            other[at] = other[at].max(-126);
            if other == *table {
                other[at] = 5;
            }
            set.frame(
                Fault::TableMismatch,
                format!("table-mismatch-{what}-{name}"),
                parts.write(),
                Some(other),
            );
        }
        for (what, check) in [("low", 1), ("high", 0x8000)] {
            let frame = FrameParts {
                table_check: parts.table_check ^ check,
                ..parts.clone()
            }
            .write();
            set.frame(
                Fault::TableMismatch,
                format!("table-mismatch-check-{what}-{name}"),
                frame,
                Some(table.clone()),
            );
        }

        for (at, k) in [(0, -127), (36, -128)] {
            let mut parts = parts.clone();
            parts.table[at] = k;
            parts.table_check = table_check(&parts.table);
            set.parts(
                Fault::TableRange,
                format!("table-range-channel-{at}-{name}"),
                &parts,
            );
        }
    }
    // Pruned rows need their table like any others.
    let pruned = Shape {
        encoding: Encoding::RowMixed,
        lo: 0,
        rows: 2,
        width: 3,
        exponents: Exponents::Agreed,
        ..PLAIN
    };
    let mut rng = Rng::named("pruned table");
    let parts = std::iter::repeat_with(|| random_parts(&mut rng, pruned))
        .find(|parts| parts.quota == 0)
        .unwrap();
    set.frame(Fault::TableMissing, "table-missing-pruned", parts.write(), None);
}
