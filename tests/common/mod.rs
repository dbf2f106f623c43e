//! What several integration tests share: the real tensors, and the measure of quality.
#![allow(dead_code)]

use std::path::Path;

use half::bf16;
use safetensors::{Dtype, SafeTensors};
use tahq::Config;

/// One sample of one tensor: `rows x width`, row-major.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) rows: u32,
    pub(crate) width: u32,
    pub(crate) values: Vec<f32>,
}

impl Sample {
    pub(crate) fn is_activation(&self) -> bool {
        self.name.contains("act.")
    }
}

/// Every sample of the tensors in `tests/data`, 128 rows each: what one frame carries.
pub(crate) fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    for file in [
        "smollm2_acts",
        "minilm_acts",
        "smollm2_grads",
        "minilm_grads",
        "smollm2_f32_b15",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{file}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let tensors = SafeTensors::deserialize(&bytes).expect("the test data is well-formed");
        let mut names = tensors.names();
        names.sort_unstable();
        for name in names {
            let tensor = tensors.tensor(name).expect("named a line above");
            let [batch, rows, width] = *tensor.shape() else {
                panic!("{file} {name}: three dimensions expected");
            };
            let values: Vec<f32> = match tensor.dtype() {
                Dtype::BF16 => tensor
                    .data()
                    .chunks_exact(2)
                    .map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32())
                    .collect(),
                Dtype::F32 => tensor
                    .data()
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect(),
                other => panic!("{file} {name}: {other:?}"),
            };
            assert_eq!(values.len(), batch * rows * width);
            for (i, sample) in values.chunks_exact(rows * width).enumerate() {
                samples.push(Sample {
                    name: format!("{file} {name} [{i}]"),
                    rows: rows as u32,
                    width: width as u32,
                    values: sample.to_vec(),
                });
            }
        }
    }
    assert_eq!(samples.len(), 36, "test data is missing");
    samples
}

/// The samples in BF16, without the two that repeat a cut in f32.
pub(crate) fn bf16_samples() -> Vec<Sample> {
    let mut samples = samples();
    samples.retain(|sample| !sample.name.contains("f32"));
    samples
}

/// Every preset that quantises, by the name that the command has for it.
pub(crate) const PRESETS: [(&str, Config); 7] = [
    ("tah-quant", Config::TAH_QUANT),
    ("tah-quant-token", Config::TAH_QUANT_TOKEN),
    ("int4", Config::INT4),
    ("mixed", Config::MIXED),
    ("int3", Config::INT3),
    ("gradient", Config::GRADIENT),
    ("int8", Config::INT8),
];

/// Every preset.
pub(crate) fn presets() -> impl Iterator<Item = Config> {
    PRESETS.into_iter().map(|(_, config)| config).chain([Config::RAW])
}

/// Mean over tokens of relative squared error; all-zero tokens are left out.
pub(crate) fn nmse(x: &[f32], y: &[f32], width: u32) -> f64 {
    let (mut sum, mut rows) = (0.0, 0);
    for (x, y) in x.chunks_exact(width as usize).zip(y.chunks_exact(width as usize)) {
        let energy: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
        if energy > 0.0 {
            sum += x
                .iter()
                .zip(y)
                .map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2))
                .sum::<f64>()
                / energy;
            rows += 1;
        }
    }
    sum / f64::from(rows)
}

pub(crate) fn decibels(nmse: f64) -> f64 {
    -10.0 * nmse.log10()
}
