//! What was answered, and how long it took: a slice a second from each thread, added up by whoever wants sums.

use hdrhistogram::Histogram;

use super::workload::Op;

/// A reply this late helps nobody: a caller has given up.
pub(super) const LATE_NS: u64 = 1_000_000_000;

/// Latencies are told apart from half a microsecond to ten minutes, to three digits.
const LATENCY_NS: (u64, u64, u8) = (1_000, 600_000_000_000, 3);

fn latencies() -> Histogram<u64> {
    let (low, high, digits) = LATENCY_NS;
    Histogram::new_with_bounds(low, high, digits).expect("the bounds are constants")
}

/// The answers to one kind of command.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Of every answer, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    /// Answers that are no error reply.
    pub(super) done: u64,
    /// Error replies by their code, in the order of their first coming.
    pub(super) refused: Vec<(String, u64)>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { latency: latencies(), done: 0, refused: Vec::new() }
    }

    /// Counts `count` answers that were no error.
    pub(super) fn add_done(&mut self, latency_ns: u64, count: u64) {
        self.latency.saturating_record_n(latency_ns, count);
        self.done += count;
    }

    /// Counts an error reply by its first word.
    pub(super) fn add_refused(&mut self, latency_ns: u64, words: &[u8]) {
        self.latency.saturating_record(latency_ns);
        let code = words.split(|&byte| byte == b' ').next().unwrap_or_default();
        self.add_code(&String::from_utf8_lossy(code), 1);
    }

    /// Adds another's answers.
    pub(super) fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
        self.done += other.done;
        other.refused.iter().for_each(|(code, count)| self.add_code(code, *count));
    }

    /// All answers.
    pub(super) fn answers(&self) -> u64 {
        self.latency.len()
    }

    /// All error replies.
    pub(super) fn errors(&self) -> u64 {
        self.answers() - self.done
    }

    /// Answers that took longer than [`LATE_NS`].
    pub(super) fn late(&self) -> u64 {
        let slowest = self.latency.high().max(LATE_NS);
        self.latency.count_between(self.latency.next_non_equivalent(LATE_NS), slowest)
    }

    fn add_code(&mut self, code: &str, count: u64) {
        match self.refused.iter_mut().find(|(known, _)| known == code) {
            Some((_, sum)) => *sum += count,
            None => self.refused.push((code.to_owned(), count)),
        }
    }
}

/// The answers of some time, by the kind of command; a kind that was not answered takes no room.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    tallies: [Option<Box<Tally>>; Op::ALL.len()],
    lag: Option<Box<Histogram<u64>>>,
    /// Connections that were lost and opened again.
    pub(super) reconnects: u64,
}

impl Slice {
    /// Where answers to `op` are counted.
    pub(super) fn tally(&mut self, op: Op) -> &mut Tally {
        self.tallies[op as usize].get_or_insert_with(|| Box::new(Tally::new()))
    }

    /// By how many nanoseconds the test itself asked later than it should have.
    pub(super) fn lag(&mut self) -> &mut Histogram<u64> {
        self.lag.get_or_insert_with(|| Box::new(latencies()))
    }

    /// The lag that 99 % stayed within; `None` in a closed loop.
    pub(super) fn lag_p99_ns(&self) -> Option<u64> {
        Some(self.lag.as_ref()?.value_at_quantile(0.99))
    }

    /// What was answered of each kind.
    pub(super) fn by_op(&self) -> impl Iterator<Item = (Op, &Tally)> {
        Op::ALL.into_iter().filter_map(|op| Some((op, self.tallies[op as usize].as_deref()?)))
    }

    /// Everything together.
    pub(super) fn all(&self) -> Tally {
        let mut all = Tally::new();
        self.by_op().for_each(|(_, tally)| all.add(tally));
        all
    }

    /// How many commands of this kind were done.
    pub(super) fn done(&self, op: Op) -> u64 {
        self.tallies[op as usize].as_ref().map_or(0, |tally| tally.done)
    }

    /// Adds another's answers.
    pub(super) fn add(&mut self, other: &Self) {
        self.reconnects += other.reconnects;
        if let Some(lag) = &other.lag {
            self.lag().add(&**lag).expect("all histograms have the same bounds");
        }
        other.by_op().for_each(|(op, tally)| self.tally(op).add(tally));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_add_up() {
        let mut sum = Slice::default();
        for _ in 0..2 {
            let mut slice = Slice::default();
            slice.tally(Op::Debit).add_done(2_000_000_000, 3);
            slice.tally(Op::Debit).add_refused(LATE_NS, b"INSUFFICIENT available=1 required=2");
            slice.tally(Op::Capture).add_refused(5_000, b"ERR");
            sum.add(&slice);
        }
        assert_eq!((sum.done(Op::Debit), sum.done(Op::Capture), sum.done(Op::Fund)), (6, 0, 0));
        let all = sum.all();
        assert_eq!((all.answers(), all.errors(), all.late()), (10, 4, 6));
        assert_eq!(all.refused, [("INSUFFICIENT".to_owned(), 2), ("ERR".to_owned(), 2)]);
        assert_eq!(sum.by_op().map(|(op, _)| op.name()).collect::<Vec<_>>(), ["debit", "capture"]);
    }
}
