//! How much of a tensor came through, and how figures are made from measurements.

use crate::measure::{row_nmse, snr_db};

/// Sums for the mean over tokens of the relative squared error. A plain mean squared error would tell of
/// one massive token and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quality {
    relative_error: f64,
    tokens: u64,
}

impl Quality {
    /// Adds the tokens of `x`, rows of `width`, of which `y` is what came through. Tokens that are all zero
    /// have no relative error and are left out.
    pub(crate) fn add(&mut self, x: &[f32], y: &[f32], width: usize) {
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact(width)) {
            if let Some(nmse) = row_nmse(x, y) {
                self.relative_error += nmse;
                self.tokens += 1;
            }
        }
    }

    /// In dB: infinite where every bit came through, minus infinite where a finite value became infinite,
    /// not a number without tokens.
    pub(crate) fn snr_db(&self) -> f64 {
        snr_db(self.relative_error / self.tokens as f64)
    }
}

/// The median; the mean of the middle two of an even number, 0 of none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values {
        [] => 0.0,
        _ if values.len() % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// A figure for JSON: five significant digits, `None` where it is not finite.
pub(crate) fn figure(value: f64) -> Option<f64> {
    value
        .is_finite()
        .then(|| format!("{value:.4e}").parse().unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::{Quality, figure, median};

    #[test]
    fn quality_is_a_mean_over_tokens() {
        // One token a hundredth off in energy, one exact, one all zero and so not counted.
        let mut quality = Quality::default();
        quality.add(
            &[10.0, 0.0, 1e6, 0.0, 0.0, 0.0],
            &[11.0, 0.0, 1e6, 0.0, 5.0, 0.0],
            2,
        );
        assert!((quality.snr_db() - 23.0103).abs() < 1e-3);
        quality.add(&[1.0, 0.0], &[f32::INFINITY, 0.0], 2);
        assert_eq!(quality.snr_db(), f64::NEG_INFINITY);
        assert!(Quality::default().snr_db().is_nan());
    }

    #[test]
    fn medians_and_figures() {
        assert_eq!(median(&mut []), 0.0);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(figure(123.456_789), Some(123.46));
        assert_eq!(figure(0.0), Some(0.0));
        assert_eq!(figure(f64::INFINITY), None);
    }
}
