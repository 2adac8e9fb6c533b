//! Durations in a few fixed buckets: what a scrape shows of them.
//!
//! Kept by command, where an hdrhistogram each would be a megabyte a core; the stages' are put into the same buckets.

/// Upper ends of the buckets, in nanoseconds: 1 us to 10 s, three a decade. Behind the last one there is no end.
pub(super) const BOUNDS_NS: [u64; 22] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// How many durations fell into each bucket, and their sum. Recording allocates nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    counts: [u64; BOUNDS_NS.len() + 1],
    /// 128 bits: a million commands a second that wait a millisecond each fill 64 in seven months.
    sum_ns: u128,
}

impl Durations {
    /// `count` durations of `ns` nanoseconds each.
    pub fn record(&mut self, ns: u64, count: u64) {
        self.counts[BOUNDS_NS.partition_point(|bound_ns| *bound_ns < ns)] += count;
        self.sum_ns += u128::from(ns) * u128::from(count);
    }

    /// Adds another core's.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.sum_ns += other.sum_ns;
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum in nanoseconds.
    pub fn sum_ns(&self) -> u128 {
        self.sum_ns
    }

    /// Upper end in seconds and count of each bucket, the one without end last.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let ends = BOUNDS_NS.iter().map(|ns| *ns as f64 / 1e9).chain([f64::INFINITY]);
        ends.zip(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let mut durations = Durations::default();
        for (ns, count) in [(0, 1), (1_000, 2), (1_001, 3), (10_000_000_000, 4), (u64::MAX, 5)] {
            durations.record(ns, count);
        }
        let mut twice = durations;
        twice.merge(&durations);
        let filled: Vec<_> = twice.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(1e-6, 6), (2.5e-6, 6), (10.0, 8), (f64::INFINITY, 10)]);
        let sum_ns = 2 * (2_000 + 3_003 + 40_000_000_000 + 5 * u128::from(u64::MAX));
        assert_eq!((twice.count(), twice.sum_ns()), (30, sum_ns));
    }
}
