//! Time, as a thing that is handed in: the only caller of the system's clocks.
//!
//! The shard clock (journal.md 9) is `max(last journaled time, wall at boot) + elapsed boot time`: it never goes back,
//! and a step of the wall clock neither expires nor revives a hold. Rules, journal and shards receive `now` as a number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Unix milliseconds of the wall clock. May step; read at start and for figures about the clock itself.
    fn wall_ms(&self) -> u64;

    /// Nanoseconds since boot, suspended time included. Never goes back.
    fn boot_ns(&self) -> u64;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for the wall clock")]
    fn wall_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    fn boot_ns(&self) -> u64 {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
    }
}

/// A clock that only moves when told to.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    wall_ms: Arc<AtomicU64>,
    boot_ns: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock whose wall shows `wall_ms`.
    pub fn at(wall_ms: u64) -> Self {
        Self { wall_ms: Arc::new(AtomicU64::new(wall_ms)), boot_ns: Arc::default() }
    }

    /// Lets `ms` milliseconds pass, on the wall too.
    pub fn advance(&self, ms: u64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
        self.boot_ns.fetch_add(ms * 1_000_000, Ordering::Relaxed);
    }

    /// Sets the wall clock, as an operator or NTP would.
    pub fn step_wall(&self, wall_ms: u64) {
        self.wall_ms.store(wall_ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::Relaxed)
    }

    fn boot_ns(&self) -> u64 {
        if planted!("timer reads the wall clock") {
            return self.wall_ms() * 1_000_000;
        }
        self.boot_ns.load(Ordering::Relaxed)
    }
}

/// The clock that shards live by, in unix milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct ShardClock {
    origin_ms: u64,
    origin_boot_ns: u64,
}

impl ShardClock {
    /// Starts at the later of the newest journaled time and the wall clock.
    pub fn start(clock: &dyn Clock, last_journaled_ms: u64) -> Self {
        let last_journaled_ms = if planted!("clock forgets the log") { 0 } else { last_journaled_ms };
        Self { origin_ms: clock.wall_ms().max(last_journaled_ms), origin_boot_ns: clock.boot_ns() }
    }

    /// Unix milliseconds now, given a reading of [`Clock::boot_ns`].
    pub fn now_ms(&self, boot_ns: u64) -> u64 {
        self.origin_ms + boot_ns.saturating_sub(self.origin_boot_ns) / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_time_starts_at_the_journal_and_ignores_wall_steps() {
        let clock = ManualClock::at(1_000);
        let shard = ShardClock::start(&clock, 5_000);
        assert_eq!(shard.now_ms(clock.boot_ns()), 5_000);
        clock.advance(250);
        clock.step_wall(0);
        assert_eq!(shard.now_ms(clock.boot_ns()), 5_250);
    }
}
