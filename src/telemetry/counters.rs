//! What one core counts.

use std::collections::BTreeMap;

use super::durations::Durations;
use super::latency::Latencies;

/// One command's line in INFO commandstats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandCounter {
    /// Lower case, as in the command table.
    pub name: &'static str,
    /// Executed, with whatever outcome.
    pub calls: u64,
    /// Time spent executing, in nanoseconds: each batch's time in equal parts.
    pub busy_ns: u64,
    /// Refused before execution: arity, syntax, no authority.
    pub rejected: u64,
    /// Executed and answered by an error.
    pub failed: u64,
}

/// The writes that are counted by themselves: the word of a scrape, and the command.
pub const WRITES: [(&str, &str); 7] = [
    ("grant", "credit.grant"),
    ("debit", "credit.debit"),
    ("reserve", "credit.reserve"),
    ("capture", "credit.capture"),
    ("release", "credit.release"),
    ("refund", "credit.refund"),
    ("claim", "lead.claim"),
];

/// Error replies of one command (`None`: of a request that was none) with one first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCounter {
    /// Its index in the command table.
    pub command: Option<u16>,
    /// The first word of the replies.
    pub code: &'static str,
    /// How many.
    pub count: u64,
}

/// The counters of one core. Only the core's thread touches them; others get clones.
#[derive(Clone, Debug)]
pub struct CoreCounters {
    commands: Vec<CommandCounter>,
    /// By command, beside the counters that every command touches: each batch's time in equal parts.
    durations: Vec<Durations>,
    /// Short: commands and words are fixed sets, and a command has few errors.
    errors: Vec<ErrorCounter>,
    /// (command, calls) since the last [`Self::batch_ended`], runs of one command together.
    in_batch: Vec<(u16, u32)>,
    /// How long commands take, by stage.
    pub latencies: Latencies,
    /// Connections accepted.
    pub connections: u64,
    /// Connections closed or not taken, by the word of the reason.
    pub closed: BTreeMap<&'static str, u64>,
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes written to clients.
    pub bytes_out: u64,
    /// Batches executed, own and others'.
    pub batches: u64,
    /// Commands sent to another core.
    pub hops: u64,
    /// Messages to other cores that carried them.
    pub hop_batches: u64,
    /// Commands that waited for records at known places: old replays, mostly.
    pub recalls: u64,
    /// Commands that waited for a walk along a trail.
    pub walks: u64,
    /// Writes that happened, by [`WRITES`]; replays apart.
    pub written: [u64; WRITES.len()],
    /// Replays: commands whose id was already decided.
    pub replays: u64,
    /// Reads of accounts that exist.
    pub read_hits: u64,
    /// Reads of accounts that do not.
    pub read_misses: u64,
    /// Accounts whose figures were checked in memory.
    pub accounts_checked: u64,
    /// Logins that were refused.
    pub auth_failures: u64,
    /// Leads that the sweep has checked.
    pub leads_checked: u64,
    /// Accounts that broke an invariant when they were checked.
    pub invariant_violations: u64,
}

impl CoreCounters {
    /// Zeros. `names` are the commands in the order of the command table: a command's index there is its index here.
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let zero = |name| CommandCounter { name, calls: 0, busy_ns: 0, rejected: 0, failed: 0 };
        let commands: Vec<_> = names.into_iter().map(zero).collect();
        Self {
            durations: vec![Durations::default(); commands.len()],
            commands,
            errors: Vec::new(),
            in_batch: Vec::new(),
            latencies: Latencies::new(),
            connections: 0,
            closed: BTreeMap::new(),
            bytes_in: 0,
            bytes_out: 0,
            batches: 0,
            hops: 0,
            hop_batches: 0,
            recalls: 0,
            walks: 0,
            written: [0; WRITES.len()],
            replays: 0,
            read_hits: 0,
            read_misses: 0,
            accounts_checked: 0,
            auth_failures: 0,
            leads_checked: 0,
            invariant_violations: 0,
        }
    }

    /// A command was executed.
    pub fn called(&mut self, command: usize) {
        self.commands[command].calls += 1;
        let index = command as u16;
        match self.in_batch.last_mut() {
            Some((last, calls)) if *last == index => *calls += 1,
            _ => self.in_batch.push((index, 1)),
        }
    }

    /// The calls since the last time took `busy_ns` together; returns how many they were. One clock reading a batch,
    /// not one a command.
    pub fn batch_ended(&mut self, busy_ns: u64) -> u64 {
        self.batches += 1;
        let calls: u64 = self.in_batch.iter().map(|(_, calls)| u64::from(*calls)).sum();
        if calls == 0 {
            return 0;
        }
        for (command, part) in self.in_batch.drain(..) {
            self.commands[usize::from(command)].busy_ns += busy_ns * u64::from(part) / calls;
            self.durations[usize::from(command)].record(busy_ns / calls, u64::from(part));
        }
        calls
    }

    /// A command of the table was refused before it was executed.
    pub fn rejected(&mut self, command: usize, code: &'static str) {
        self.commands[command].rejected += 1;
        self.count_error(Some(command as u16), code, 1);
    }

    /// A command was executed and answered by an error.
    pub fn failed(&mut self, command: usize, code: &'static str) {
        self.commands[command].failed += 1;
        self.count_error(Some(command as u16), code, 1);
    }

    /// An error reply that belongs to no command of the table. `code` is its first word.
    pub fn error(&mut self, code: &'static str) {
        self.count_error(None, code, 1);
    }

    fn count_error(&mut self, command: Option<u16>, code: &'static str, count: u64) {
        match self.errors.iter_mut().find(|known| known.command == command && known.code == code) {
            Some(known) => known.count += count,
            None => self.errors.push(ErrorCounter { command, code, count }),
        }
    }

    /// How long the calls of a command took on the core that read them.
    pub(super) fn durations(&self, command: usize) -> &Durations {
        &self.durations[command]
    }

    /// By command, in the order of the table.
    pub fn commands(&self) -> &[CommandCounter] {
        &self.commands
    }

    /// Error replies by command and first word, in no particular order.
    pub fn errors(&self) -> &[ErrorCounter] {
        &self.errors
    }

    /// Error replies by first word.
    pub fn errors_by_code(&self) -> BTreeMap<&'static str, u64> {
        let mut by_code = BTreeMap::new();
        self.errors.iter().for_each(|error| *by_code.entry(error.code).or_default() += error.count);
        by_code
    }

    /// Adds closed connections, by word.
    pub fn add_closed(&mut self, closed: BTreeMap<&'static str, u64>) {
        closed.into_iter().for_each(|(word, count)| *self.closed.entry(word).or_default() += count);
    }

    /// Connections closed for the reason with this word.
    pub fn closed_for(&self, word: &str) -> u64 {
        self.closed.get(word).copied().unwrap_or(0)
    }

    /// Commands executed.
    pub fn calls(&self) -> u64 {
        self.commands.iter().map(|command| command.calls).sum()
    }

    /// Error replies.
    pub fn error_replies(&self) -> u64 {
        self.errors.iter().map(|error| error.count).sum()
    }

    /// Adds another core's figures.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.commands.len(), other.commands.len(), "cores count the same commands");
        for (mine, theirs) in self.commands.iter_mut().zip(&other.commands) {
            assert_eq!(mine.name, theirs.name, "cores count the same commands in the same order");
            mine.calls += theirs.calls;
            mine.busy_ns += theirs.busy_ns;
            mine.rejected += theirs.rejected;
            mine.failed += theirs.failed;
        }
        self.durations.iter_mut().zip(&other.durations).for_each(|(mine, theirs)| mine.merge(theirs));
        for error in &other.errors {
            self.count_error(error.command, error.code, error.count);
        }
        self.latencies.merge(&other.latencies);
        self.connections += other.connections;
        self.add_closed(other.closed.clone());
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.batches += other.batches;
        self.hops += other.hops;
        self.hop_batches += other.hop_batches;
        self.recalls += other.recalls;
        self.walks += other.walks;
        self.written.iter_mut().zip(other.written).for_each(|(mine, theirs)| *mine += theirs);
        self.replays += other.replays;
        self.read_hits += other.read_hits;
        self.read_misses += other.read_misses;
        self.accounts_checked += other.accounts_checked;
        self.auth_failures += other.auth_failures;
        self.leads_checked += other.leads_checked;
        self.invariant_violations += other.invariant_violations;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_charged_to_its_commands_in_equal_parts() {
        let mut core = CoreCounters::new(["ping", "credit.debit"]);
        for command in [1, 1, 0, 1] {
            core.called(command);
        }
        core.batch_ended(400);
        core.called(0);
        core.batch_ended(7);
        core.batch_ended(1_000);
        let busy: Vec<_> = core.commands().iter().map(|c| (c.name, c.calls, c.busy_ns)).collect();
        assert_eq!(busy, [("ping", 2, 107), ("credit.debit", 3, 300)]);
        assert_eq!((core.batches, core.calls()), (3, 5));
    }

    #[test]
    fn merging_cores_adds_everything() {
        let mut a = CoreCounters::new(["ping", "credit.debit"]);
        a.called(0);
        a.batch_ended(10);
        a.failed(1, "INSUFFICIENT");
        a.rejected(1, "ERR");
        a.bytes_in = 5;
        let mut b = a.clone();
        b.failed(1, "NOACCOUNT");
        b.hops = 3;
        b.add_closed(BTreeMap::from([("quit", 2)]));
        a.merge(&b);
        assert_eq!((a.calls(), a.error_replies(), a.bytes_in, a.hops, a.batches), (2, 5, 10, 3, 2));
        assert_eq!((a.closed_for("quit"), a.closed_for("peer")), (2, 0));
        let debit = a.commands()[1];
        assert_eq!((debit.rejected, debit.failed), (2, 3));
        assert_eq!(
            a.errors_by_code().into_iter().collect::<Vec<_>>(),
            [("ERR", 2), ("INSUFFICIENT", 2), ("NOACCOUNT", 1)]
        );
        assert_eq!((a.durations(0).count(), a.durations(0).sum_ns(), a.durations(1).count()), (2, 20, 0));
    }
}
