//! How long commands take, split into the stages of their life.
//!
//! ```text
//! read ──queue──► executing ──execute──► waiting for disk ──sync──► durable ──reply──► written
//! ```
//!
//! Recorded once a batch with the number of commands as weight: the stages of a batch are the stages of its commands.

use super::durations::Durations;
use hdrhistogram::Histogram;

/// A part of a command's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the socket to its turn on the shard.
    Queue,
    /// On the shard, without the disk.
    Execute,
    /// From executed to durable.
    Sync,
    /// From durable to written to the socket.
    Reply,
}

/// All stages with their names in INFO.
pub(super) const STAGES: [(Stage, &str); 4] =
    [(Stage::Queue, "queue"), (Stage::Execute, "execute"), (Stage::Sync, "sync"), (Stage::Reply, "reply")];

/// Longest latency told apart, in nanoseconds: a minute. A slower disk ends the process before (journal.md 7).
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// Two significant digits: 1 % is finer than machines repeat, and a histogram stays at some 30 KB.
const DIGITS: u8 = 2;

/// One histogram a stage, in nanoseconds. Recording allocates nothing.
#[derive(Clone, Debug)]
pub struct Latencies([Histogram<u64>; 4]);

impl Latencies {
    /// Empty histograms of a fixed size.
    pub fn new() -> Self {
        let empty = || Histogram::new_with_bounds(1, LATENCY_NS_MAX, DIGITS).expect("the bounds are constants");
        Self([empty(), empty(), empty(), empty()])
    }

    /// `commands` commands spent `ns` nanoseconds each in `stage`. Beyond a minute counts as a minute.
    pub fn record(&mut self, stage: Stage, ns: u64, commands: u64) {
        self.0[stage as usize].saturating_record_n(ns, commands);
    }

    /// Adds another core's latencies.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.add(theirs).expect("all histograms have the same bounds");
        }
    }

    /// The latencies of `stage` in the buckets of a scrape, to the histogram's 1 %.
    pub(super) fn durations(&self, stage: Stage) -> Durations {
        let mut durations = Durations::default();
        for value in self.0[stage as usize].iter_recorded() {
            durations.record(value.value_iterated_to(), value.count_since_last_iteration());
        }
        durations
    }

    /// By stage that was recorded: name, commands, and how many took at most so many microseconds, by powers of two.
    pub fn by_microsecond(&self) -> impl Iterator<Item = (&'static str, u64, Vec<(u64, u64)>)> {
        let recorded = STAGES.iter().filter(|(stage, _)| self.count(*stage) > 0);
        recorded.map(|(stage, name)| {
            let mut counts: Vec<(u64, u64)> = Vec::new();
            let mut sum = 0;
            for value in self.0[*stage as usize].iter_recorded() {
                let us = value.value_iterated_to().div_ceil(1000).next_power_of_two();
                sum += value.count_since_last_iteration();
                match counts.last_mut() {
                    Some((bound_us, count)) if *bound_us == us => *count = sum,
                    _ => counts.push((us, sum)),
                }
            }
            (*name, sum, counts)
        })
    }

    /// Commands recorded for `stage`.
    pub fn count(&self, stage: Stage) -> u64 {
        self.0[stage as usize].len()
    }

    /// The latency in nanoseconds that `quantile` (0 to 1) of the commands stayed within; 0 if none were recorded.
    pub fn quantile_ns(&self, stage: Stage, quantile: f64) -> u64 {
        self.0[stage as usize].value_at_quantile(quantile)
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_by_its_commands() {
        let mut latencies = Latencies::new();
        latencies.record(Stage::Sync, 100_000, 98);
        latencies.record(Stage::Sync, 5_000_000, 2);
        let mut other = Latencies::new();
        other.record(Stage::Sync, 100_000, 100);
        other.record(Stage::Execute, 300, 7);
        latencies.merge(&other);
        assert_eq!((latencies.count(Stage::Sync), latencies.count(Stage::Execute)), (200, 7));
        let near = |ns: u64, of: u64| ns.abs_diff(of) * 50 <= of;
        assert!(near(latencies.quantile_ns(Stage::Sync, 0.5), 100_000));
        assert!(near(latencies.quantile_ns(Stage::Sync, 0.99), 100_000));
        assert!(near(latencies.quantile_ns(Stage::Sync, 0.999), 5_000_000));
        assert_eq!(latencies.quantile_ns(Stage::Reply, 0.99), 0, "nothing recorded");
    }

    #[test]
    fn a_histogram_counts_up_by_powers_of_two() {
        let mut latencies = Latencies::new();
        for (ns, commands) in [(900, 5), (1_500, 1), (100_000, 10)] {
            latencies.record(Stage::Execute, ns, commands);
        }
        let seen: Vec<_> = latencies.by_microsecond().collect();
        assert_eq!(seen, [("execute", 16, vec![(1, 5), (2, 6), (128, 16)])]);
    }

    #[test]
    fn the_extremes_are_kept_not_refused() {
        let mut latencies = Latencies::new();
        latencies.record(Stage::Queue, 0, 1);
        latencies.record(Stage::Queue, u64::MAX, 1);
        assert_eq!(latencies.count(Stage::Queue), 2);
        assert!(latencies.quantile_ns(Stage::Queue, 1.0) >= LATENCY_NS_MAX);
    }
}
