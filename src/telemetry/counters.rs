//! What one core counts.

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

/// The counters of one core. Only the core's thread touches them; others get clones.
#[derive(Clone, Debug)]
pub struct CoreCounters {
    commands: Vec<CommandCounter>,
    /// Error replies by their first word. Short: the words are a fixed set.
    errors: Vec<(&'static str, u64)>,
    /// (command, calls) since the last [`Self::batch_ended`], runs of one command together.
    in_batch: Vec<(u16, u32)>,
    /// How long commands take, by stage.
    pub latencies: Latencies,
    /// Connections accepted.
    pub connections: u64,
    /// Connections turned away: maxclients.
    pub connections_rejected: u64,
    /// Connections closed because the client did not read its replies.
    pub connections_overflowed: u64,
    /// Those of subscribers, who did not read their messages.
    pub subscribers_overflowed: u64,
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
    /// Replays: commands whose id was already decided.
    pub replays: u64,
    /// Reads of accounts that exist.
    pub read_hits: u64,
    /// Reads of accounts that do not.
    pub read_misses: u64,
}

impl CoreCounters {
    /// Zeros. `names` are the commands in the order of the command table: a command's index there is its index here.
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let zero = |name| CommandCounter { name, calls: 0, busy_ns: 0, rejected: 0, failed: 0 };
        Self {
            commands: names.into_iter().map(zero).collect(),
            errors: Vec::new(),
            in_batch: Vec::new(),
            latencies: Latencies::new(),
            connections: 0,
            connections_rejected: 0,
            connections_overflowed: 0,
            subscribers_overflowed: 0,
            bytes_in: 0,
            bytes_out: 0,
            batches: 0,
            hops: 0,
            hop_batches: 0,
            recalls: 0,
            walks: 0,
            replays: 0,
            read_hits: 0,
            read_misses: 0,
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
        }
        calls
    }

    /// A command of the table was refused before it was executed.
    pub fn rejected(&mut self, command: usize, code: &'static str) {
        self.commands[command].rejected += 1;
        self.error(code);
    }

    /// A command was executed and answered by an error.
    pub fn failed(&mut self, command: usize, code: &'static str) {
        self.commands[command].failed += 1;
        self.error(code);
    }

    /// An error reply that belongs to no command of the table. `code` is its first word.
    pub fn error(&mut self, code: &'static str) {
        match self.errors.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += 1,
            None => self.errors.push((code, 1)),
        }
    }

    /// By command, in the order of the table.
    pub fn commands(&self) -> &[CommandCounter] {
        &self.commands
    }

    /// Error replies by first word, in no particular order.
    pub fn errors(&self) -> &[(&'static str, u64)] {
        &self.errors
    }

    /// Commands executed.
    pub fn calls(&self) -> u64 {
        self.commands.iter().map(|command| command.calls).sum()
    }

    /// Error replies.
    pub fn error_replies(&self) -> u64 {
        self.errors.iter().map(|(_, count)| count).sum()
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
        for (code, count) in &other.errors {
            match self.errors.iter_mut().find(|(known, _)| known == code) {
                Some((_, sum)) => *sum += count,
                None => self.errors.push((code, *count)),
            }
        }
        self.latencies.merge(&other.latencies);
        self.connections += other.connections;
        self.connections_rejected += other.connections_rejected;
        self.connections_overflowed += other.connections_overflowed;
        self.subscribers_overflowed += other.subscribers_overflowed;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.batches += other.batches;
        self.hops += other.hops;
        self.hop_batches += other.hop_batches;
        self.recalls += other.recalls;
        self.walks += other.walks;
        self.replays += other.replays;
        self.read_hits += other.read_hits;
        self.read_misses += other.read_misses;
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
        a.merge(&b);
        assert_eq!((a.calls(), a.error_replies(), a.bytes_in, a.hops, a.batches), (2, 5, 10, 3, 2));
        let debit = a.commands()[1];
        assert_eq!((debit.rejected, debit.failed), (2, 3));
        let mut errors = a.errors().to_vec();
        errors.sort_unstable();
        assert_eq!(errors, [("ERR", 2), ("INSUFFICIENT", 2), ("NOACCOUNT", 1)]);
    }
}
