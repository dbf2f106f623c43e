//! Progress bars: on standard error, where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that disappears when dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Counts bytes up to `total`.
    pub(crate) fn bytes(total: u64) -> Self {
        Self::new(
            total,
            "{bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}",
        )
    }

    /// Counts steps up to `total`.
    pub(crate) fn steps(total: u64) -> Self {
        Self::new(total, "{bar:32} {pos}/{len} {eta} {wide_msg}")
    }

    fn new(total: u64, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Names what is being done.
    pub(crate) fn message(&self, text: &str) {
        self.0.set_message(text.to_owned());
    }

    /// So much more is done.
    pub(crate) fn add(&self, n: u64) {
        self.0.inc(n);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
