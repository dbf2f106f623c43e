//! Quality on real tensors: the paper's algorithm is reproduced, and the presets hold their distance to
//! it. Run with `--nocapture` for the table.

mod common;
mod paper;

use common::{Sample, bf16_samples, decibels, nmse};
use tahq::{Config, Decoder, Effort, Encoder, SourceType};

/// Bits an element and quality of one sample.
fn measure(config: Config, sample: &Sample) -> (f64, f64) {
    let Sample {
        rows, width, values, ..
    } = sample;
    let encoder = Encoder::new(config).expect("a preset");
    let mut frame = vec![
        0;
        config
            .max_frame_len(*rows, *width, SourceType::F32)
            .expect("a small frame")
    ];
    let stats = encoder
        .encode_with_stats(values, *rows, *width, &mut frame)
        .expect("finite values");
    frame.truncate(stats.bytes);
    let mut y = vec![f32::NAN; values.len()];
    Decoder::new().decode(&frame, &mut y).expect("our own frame");
    let quality = nmse(values, &y, *width);
    assert!(
        (quality - stats.nmse()).abs() <= 1e-9 * quality,
        "stats and decoder disagree on {}",
        sample.name
    );
    (stats.bits_per_element(), decibels(quality))
}

/// Means over the samples.
fn mean(samples: &[Sample], f: impl Fn(&Sample) -> (f64, f64)) -> (f64, f64) {
    let (mut bits, mut quality) = (0.0, 0.0);
    for sample in samples {
        let (b, q) = f(sample);
        bits += b / samples.len() as f64;
        quality += q / samples.len() as f64;
    }
    (bits, quality)
}

#[test]
fn presets_keep_their_distance() {
    let all = bf16_samples();
    let (activations, gradients): (Vec<_>, Vec<_>) = all.into_iter().partition(Sample::is_activation);
    println!("{:<28}{:>22}{:>22}", "", "activations", "gradients");
    println!("{:<28}{:>11}{:>11}{:>11}{:>11}", "", "bits", "dB", "bits", "dB");
    let line = |name: &str, f: &dyn Fn(&Sample) -> (f64, f64)| {
        let (a, g) = (mean(&activations, f), mean(&gradients, f));
        println!("{name:<28}{:>11.3}{:>11.2}{:>11.3}{:>11.2}", a.0, a.1, g.0, g.1);
        [a, g]
    };
    let reference = |tile_level: bool| {
        move |sample: &Sample| {
            let (y, bits) = paper::codec(&sample.values, sample.width as usize, tile_level);
            (bits, decibels(nmse(&sample.values, &y, sample.width)))
        }
    };
    let reference_tile = line("reference, tile level", &reference(true))[0];
    let reference_token = line("reference, token level", &reference(false))[0];
    // Searching everything takes minutes without optimisation and is measured with it.
    let efforts = [
        (Effort::Fast, "fast"),
        (Effort::Balanced, "balanced"),
        #[cfg(not(debug_assertions))]
        (Effort::Best, "best"),
    ];
    let mut results = Vec::new();
    for (name, config) in common::PRESETS {
        for (effort, label) in efforts {
            let config = Config { effort, ..config };
            let [a, _] = line(&format!("{name} {label}"), &|sample| measure(config, sample));
            results.push((name, effort, a));
        }
    }
    let find =
        |name: &str, effort: Effort| results.iter().find(|r| r.0 == name && r.1 == effort).map(|r| r.2);
    let balanced = |name: &str| find(name, Effort::Balanced).expect("measured above");
    let tile = balanced("tah-quant");
    let token = balanced("tah-quant-token");
    assert!(
        (tile.1 - reference_tile.1).abs() < 0.3,
        "{tile:?} {reference_tile:?}"
    );
    assert!(
        (token.1 - reference_token.1).abs() < 0.3,
        "{token:?} {reference_token:?}"
    );
    let best_paper = tile.1.max(token.1);
    assert!(balanced("mixed").0 <= tile.0 + 0.1);
    assert!(balanced("mixed").1 >= best_paper + 3.0);
    assert!(balanced("int4").1 >= best_paper + 4.5);
    for name in ["int4", "mixed", "int3", "gradient", "int8"] {
        let fast = find(name, Effort::Fast).expect("measured above");
        // The pivot of the largest magnitude costs 0.4 dB, unit and zero point by rule 0.6.
        assert!(fast.1 >= balanced(name).1 - 1.1, "{name}: {fast:?}");
        if let Some(best) = find(name, Effort::Best) {
            assert!(best.1 > balanced(name).1, "{name}: {best:?}");
        }
    }
    if let Some(best) = find("int4", Effort::Best) {
        assert!(best.1 >= best_paper + 5.0);
    }
}
