//! Quality: errors are taken row by row, relative to the row's own energy, so that no massive token drowns
//! the others.

use tahq::EncodeStats;

/// The signal-to-noise ratio in dB of a mean relative squared error; infinite where nothing is lost.
pub(crate) fn snr_db(nmse: f64) -> f64 {
    // Not -0 for an error of 1.
    0.0 - 10.0 * nmse.log10()
}

/// dB as people read it.
pub(crate) fn show_db(db: f64) -> String {
    if db.is_nan() {
        "-".to_owned()
    } else if db == f64::INFINITY {
        "exact".to_owned()
    } else {
        format!("{db:.2}")
    }
}

/// The SNR of what was encoded, not a number where every row is zero.
pub(crate) fn stats_db(stats: &EncodeStats) -> f64 {
    snr_db(stats.nmse())
}

/// Relative squared error of a row; `None` where it is all zeros.
pub(crate) fn row_nmse(x: &[f32], y: &[f32]) -> Option<f64> {
    let (mut error, mut energy) = (0.0, 0.0);
    for (&x, &y) in x.iter().zip(y) {
        let (x, y) = (f64::from(x), f64::from(y));
        error += (y - x) * (y - x);
        energy += x * x;
    }
    (energy > 0.0).then(|| error / energy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels() {
        assert_eq!(show_db(snr_db(0.01)), "20.00");
        assert_eq!(show_db(snr_db(1.0)), "0.00");
        assert_eq!(show_db(snr_db(0.0)), "exact");
        assert_eq!(show_db(stats_db(&EncodeStats::default())), "-");
    }

    #[test]
    fn rows() {
        assert_eq!(row_nmse(&[3.0, 4.0], &[3.0, 3.0]), Some(0.04));
        assert_eq!(row_nmse(&[0.0, 0.0], &[0.0, 1.0]), None);
    }
}
