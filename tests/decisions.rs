//! `TAH_QUANT` decides what the paper's formulas decide: code widths, rotations and pivots on the real
//! tensors, at every effort, but for ties closer than 1e-5.

mod common;
mod paper;

use common::{Sample, samples};
use tahq::{Config, Effort, Encoder, Frame, SourceType};

const TIE: f64 = 1e-5;

fn encode(config: Config, sample: &Sample) -> Vec<u8> {
    let mut frame = vec![
        0;
        config
            .max_frame_len(sample.rows, sample.width, SourceType::F32)
            .expect("a small frame")
    ];
    let encoder = Encoder::new(config).expect("a preset");
    let len = encoder
        .encode(&sample.values, sample.rows, sample.width, &mut frame)
        .expect("finite values");
    frame.truncate(len);
    frame
}

/// Compares a choice of the highest entropies; a choice may differ only where exchanging the two ends of a
/// tie explains it. Returns how many were compared.
fn same_choice(what: &str, entropies: &[f64], expected: &[bool], got: &[bool]) -> usize {
    let count = |choice: &[bool]| choice.iter().filter(|&&high| high).count();
    assert_eq!(count(expected), count(got), "{what}: number of wide ones");
    let least = |choice: &[bool]| {
        entropies
            .iter()
            .zip(choice)
            .filter(|(_, high)| **high)
            .fold(f64::INFINITY, |least, (h, _)| least.min(*h))
    };
    let threshold = least(expected);
    for (i, (&entropy, (a, b))) in entropies.iter().zip(expected.iter().zip(got)).enumerate() {
        assert!(
            a == b || (entropy - threshold).abs() < TIE,
            "{what} {i}: entropy {entropy}, threshold {threshold}"
        );
    }
    expected.len()
}

fn same_rotations(what: &str, sample: &Sample, frame: &Frame<'_>) -> (usize, usize) {
    let (mut tiles, mut rotated) = (0, 0);
    for (r, row) in sample.values.chunks(sample.width as usize).enumerate() {
        let view = frame.row(r as u32).expect("no row is pruned");
        for (t, tile) in row.chunks(paper::G).enumerate() {
            let expected = paper::outlier(tile);
            let got = view.descriptor(t).expect("our own frame").pivot;
            let tie = (expected.ratio - 2.0).abs() < TIE;
            assert!(
                tie || got.is_some() == expected.rotated,
                "{what} row {r} tile {t}: {expected:?} {got:?}"
            );
            if let Some(pivot) = got {
                assert_eq!(
                    usize::from(pivot),
                    expected.pivot,
                    "{what} row {r} tile {t}: pivot"
                );
                rotated += 1;
            }
            tiles += 1;
        }
    }
    (tiles, rotated)
}

#[test]
fn tah_quant_decides_as_the_paper_does() {
    let (mut tiles, mut rotated, mut ranked) = (0, 0, 0);
    for sample in &samples() {
        for effort in [Effort::Fast, Effort::Balanced] {
            let what = &format!("{} {effort:?}", sample.name);
            let bytes = encode(
                Config {
                    effort,
                    ..Config::TAH_QUANT
                },
                sample,
            );
            let frame = Frame::parse(&bytes, None).expect("our own frame");
            for (r, row) in sample.values.chunks(sample.width as usize).enumerate() {
                let (entropies, expected) = paper::high_tiles(row);
                let view = frame.row(r as u32).expect("no row is pruned");
                let got: Vec<bool> = (0..view.tiles()).map(|t| view.code_width(t) == 4).collect();
                ranked += same_choice(&format!("{what} row {r} tile"), &entropies, &expected, &got);
            }
            let counts = same_rotations(what, sample, &frame);
            tiles += counts.0;
            rotated += counts.1;

            let bytes = encode(
                Config {
                    effort,
                    ..Config::TAH_QUANT_TOKEN
                },
                sample,
            );
            let frame = Frame::parse(&bytes, None).expect("our own frame");
            let (entropies, expected) = paper::high_rows(&sample.values, sample.width as usize);
            let got: Vec<bool> = (0..sample.rows).map(|r| frame.row_is_hi(r)).collect();
            ranked += same_choice(&format!("{what} row"), &entropies, &expected, &got);
            same_rotations(what, sample, &frame);
        }
    }
    println!("{tiles} tiles, {rotated} rotated, {ranked} widths compared");
    assert!(tiles > 70_000 && rotated > tiles / 20 && ranked > tiles);
}

#[test]
fn best_effort_keeps_the_papers_decisions() {
    let all = samples();
    let sample = all
        .iter()
        .find(|sample| sample.name.contains("smollm2_acts act.15"))
        .expect("test data");
    let few = Sample {
        rows: 20,
        values: sample.values[..20 * sample.width as usize].to_vec(),
        ..sample.clone()
    };
    let bytes = encode(
        Config {
            effort: Effort::Best,
            ..Config::TAH_QUANT
        },
        &few,
    );
    let frame = Frame::parse(&bytes, None).expect("our own frame");
    let (tiles, rotated) = same_rotations("best", &few, &frame);
    assert!(tiles == 180 && rotated > 0);
    for (r, row) in few.values.chunks(few.width as usize).enumerate() {
        let (entropies, expected) = paper::high_tiles(row);
        let view = frame.row(r as u32).expect("no row is pruned");
        let got: Vec<bool> = (0..view.tiles()).map(|t| view.code_width(t) == 4).collect();
        same_choice(&format!("row {r} tile"), &entropies, &expected, &got);
    }
}
