//! TAH-Quant (arXiv 2506.01352) as its formulas say, plainly and in f64: entropy ranks, the outlier ratio,
//! the pivot swap with the Walsh-Hadamard transform, and min-max quantisation with scale and zero point in
//! f16. Shares nothing with the crate.
#![allow(dead_code)]

use half::f16;

pub(crate) const G: usize = 64;
const SHARE: (usize, usize) = (4, 5);
const TAU: f64 = 2.0;

/// `-sum p ln p` with `p = |x| / sum |x|`.
pub(crate) fn entropy(x: &[f32]) -> f64 {
    let total: f64 = x.iter().map(|&x| f64::from(x).abs()).sum();
    if total == 0.0 {
        return 0.0;
    }
    -x.iter()
        .map(|&x| f64::from(x).abs() / total)
        .filter(|&p| p > 0.0)
        .map(|p| p * p.ln())
        .sum::<f64>()
}

/// What the paper decides for one tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outlier {
    /// The channel of the largest magnitude.
    pub(crate) pivot: usize,
    /// The largest magnitude over the second largest.
    pub(crate) ratio: f64,
    /// Whether the tile is rotated.
    pub(crate) rotated: bool,
}

pub(crate) fn outlier(tile: &[f32]) -> Outlier {
    let mut order: Vec<usize> = (0..tile.len()).collect();
    order.sort_by(|&a, &b| tile[b].abs().total_cmp(&tile[a].abs()).then(a.cmp(&b)));
    let magnitude = |rank: usize| order.get(rank).map_or(0.0, |&i| f64::from(tile[i]).abs());
    let ratio = if magnitude(0) == 0.0 {
        0.0
    } else {
        magnitude(0) / magnitude(1)
    };
    Outlier {
        pivot: order[0],
        ratio,
        rotated: ratio >= TAU,
    }
}

/// Tile level: which tiles of a row have the wide width.
pub(crate) fn high_tiles(row: &[f32]) -> (Vec<f64>, Vec<bool>) {
    let entropies: Vec<f64> = row.chunks(G).map(entropy).collect();
    let tiles = entropies.len();
    let high = (2 * tiles * SHARE.0 + SHARE.1) / (2 * SHARE.1);
    let mut order: Vec<usize> = (0..tiles).collect();
    order.sort_by(|&a, &b| entropies[b].total_cmp(&entropies[a]).then(a.cmp(&b)));
    let mut is_high = vec![false; tiles];
    order[..high].iter().for_each(|&t| is_high[t] = true);
    (entropies, is_high)
}

/// Token level: which rows of a sample have the wide width.
pub(crate) fn high_rows(x: &[f32], width: usize) -> (Vec<f64>, Vec<bool>) {
    let entropies: Vec<f64> = x.chunks(width).map(entropy).collect();
    let rows = entropies.len();
    let low = rows - (rows * SHARE.0).div_ceil(SHARE.1);
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|&a, &b| entropies[a].total_cmp(&entropies[b]).then(a.cmp(&b)));
    let mut is_high = vec![true; rows];
    order[..low].iter().for_each(|&r| is_high[r] = false);
    (entropies, is_high)
}

fn hadamard(x: &mut [f64]) {
    let n = x.len();
    let mut stride = 1;
    while stride < n {
        for i in 0..n {
            if i & stride == 0 {
                (x[i], x[i + stride]) = (x[i] + x[i + stride], x[i] - x[i + stride]);
            }
        }
        stride *= 2;
    }
    x.iter_mut().for_each(|x| *x /= (n as f64).sqrt());
}

/// One tile there and back.
fn round_trip(tile: &[f32], bits: u32) -> Vec<f32> {
    let mut x: Vec<f64> = tile.iter().map(|&x| f64::from(x)).collect();
    let Outlier { pivot, rotated, .. } = outlier(tile);
    if rotated {
        x.swap(0, pivot);
        hadamard(&mut x);
    }
    let low = x.iter().copied().fold(f64::INFINITY, f64::min);
    let high = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let top = f64::from((1u32 << bits) - 1);
    let scale = f16::from_f64((high - low) / top).to_f64();
    let zero = f16::from_f64(low).to_f64();
    for x in &mut x {
        let q = if scale > 0.0 {
            ((*x - zero) / scale).round_ties_even().clamp(0.0, top)
        } else {
            0.0
        };
        *x = zero + q * scale;
    }
    if rotated {
        hadamard(&mut x);
        x.swap(0, pivot);
    }
    x.iter().map(|&x| x as f32).collect()
}

/// A sample there and back, with the bits an element that the paper's layout takes.
pub(crate) fn codec(x: &[f32], width: usize, tile_level: bool) -> (Vec<f32>, f64) {
    let rows = x.len() / width;
    let by_row = (!tile_level).then(|| high_rows(x, width).1);
    let mut y = Vec::with_capacity(x.len());
    let mut bits = 0usize;
    for (r, row) in x.chunks(width).enumerate() {
        let by_tile = tile_level.then(|| high_tiles(row).1);
        for (t, tile) in row.chunks(G).enumerate() {
            let high = by_tile
                .as_ref()
                .map_or_else(|| by_row.as_ref().is_some_and(|rows| rows[r]), |tiles| tiles[t]);
            let width = if high { 4 } else { 3 };
            y.extend(round_trip(tile, width));
            // Codes, f16 scale and zero, the rotation's flag, and the pivot where there is one.
            bits += tile.len() * width as usize + 32 + 1 + if outlier(tile).rotated { 6 } else { 0 };
        }
        bits += if tile_level { width.div_ceil(G) } else { 1 };
    }
    (y, bits as f64 / (rows * width) as f64)
}
