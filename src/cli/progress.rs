//! How far a long reading is: a bar on a terminal, else a line every five seconds; on standard error.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::{Clock, SystemClock};

const LINE_EVERY_NS: u64 = 5_000_000_000;

/// Bytes done of bytes in all. Told from any thread.
pub(super) struct Progress {
    what: &'static str,
    total: u64,
    done: AtomicU64,
    bar: Option<ProgressBar>,
    started_ns: u64,
    told_ns: AtomicU64,
}

impl Progress {
    /// `what` is done to `total` bytes.
    pub fn new(what: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {percent:>3} % {bytes_per_sec} {eta}");
            ProgressBar::new(total).with_message(what).with_style(style.expect("the template is right"))
        });
        let now_ns = SystemClock.boot_ns();
        Self { what, total, done: AtomicU64::new(0), bar, started_ns: now_ns, told_ns: AtomicU64::new(now_ns) }
    }

    /// So many more bytes are done.
    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.set(done, self.total);
    }

    /// So many bytes are done of what is now known to be `total`.
    pub fn set(&self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            return bar.set_position(done);
        }
        let (now_ns, told_ns) = (SystemClock.boot_ns(), self.told_ns.load(Ordering::Relaxed));
        let is_time = now_ns.saturating_sub(told_ns) >= LINE_EVERY_NS;
        if is_time && self.told_ns.compare_exchange(told_ns, now_ns, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let per_second = u128::from(done) * 1_000_000_000 / u128::from(now_ns - self.started_ns);
            let percent = done * 100 / total.max(1);
            let mib = |bytes: u128| bytes >> 20;
            super::say(&format!(
                "{}: {} of {} MiB, {percent} %, {} MiB/s\n",
                self.what,
                mib(done.into()),
                mib(total.into()),
                mib(per_second)
            ));
        }
    }

    /// The bar goes away, so that what was found stands alone.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
