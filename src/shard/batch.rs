//! Commands on their way to a shard and outcomes on their way back, many at a time.
//!
//! ```text
//!  connection (core A) --Batch--> shard (core B)        one arena of id bytes, one vector of fixed-size items:
//!  connection (core A) <--Vec<Reply>-- shard (core B)   two allocations a batch, reused, none a command
//! ```

use crate::ledger::command::{Command, Op};
use crate::ledger::outcome::Outcome;

/// Where an outcome goes: one slot of one connection of one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    /// The core that has the connection.
    pub core: u16,
    /// The connection's place on that core.
    pub connection: u32,
    /// Tells this connection from earlier ones in the same place.
    pub generation: u32,
    /// The connection's reply slot; counts up and wraps.
    pub slot: u32,
}

/// In [`Ticket::connection`]: none; the answer is for a claim of the shard in the other bits.
const CLAIM: u32 = 1 << 31;

/// In [`Ticket::connection`]: none; the answer is for a reading.
const READING: u32 = 1 << 30;

impl Ticket {
    /// Where the answer to a step of a claim goes; whoever sends the step adds the core.
    pub fn of_claim(shard: u16, number: u32) -> Self {
        Self { core: 0, connection: CLAIM | u32::from(shard), generation: 0, slot: number }
    }

    /// Where the answer to a command of a reading goes: a request for streams, on `core`.
    pub fn of_reading(core: u16, reading: u32, ask: usize) -> Self {
        Self { core, connection: READING | ask as u32, generation: reading, slot: 0 }
    }

    /// The reading and its ask that the answer is for; `None`: a connection's, or a claim's.
    pub fn reading(&self) -> Option<(u32, usize)> {
        let is_its = self.connection & (CLAIM | READING) == READING;
        is_its.then_some((self.generation, (self.connection & !READING) as usize))
    }

    /// The shard and the number of the claim that the answer is for; `None`: a connection's.
    pub fn claim(&self) -> Option<(u16, u32)> {
        (self.connection & CLAIM != 0).then_some((self.connection as u16, self.slot))
    }
}

/// An outcome and its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Where to.
    pub ticket: Ticket,
    /// What.
    pub outcome: Outcome,
}

/// Commands for the shards of one core, in the order in which they were issued.
#[derive(Debug, Default)]
pub struct Batch {
    /// When its first command came, in nanoseconds of a clock of the sender's choice; for figures only.
    pub opened_at_ns: u64,
    arena: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    ticket: Ticket,
    shard: u16,
    account_len: u8,
    tx_len: u8,
    of_len: u8,
    lead_len: u8,
    reason_len: u8,
    meta_len: u16,
    start: u32,
    op: Op,
}

impl Batch {
    /// Copies `command` in, for `shard`. Its outcome is owed to `ticket`.
    pub fn push(&mut self, shard: u16, ticket: Ticket, command: &Command<'_>) {
        let start = u32::try_from(self.arena.len()).expect("a batch is flushed long before 4 GiB");
        self.arena.extend_from_slice(command.account);
        self.arena.extend_from_slice(command.tx);
        for part in [command.of, command.lead, command.reason, command.meta] {
            if !part.is_empty() {
                self.arena.extend_from_slice(part);
            }
        }
        self.items.push(Item {
            ticket,
            shard,
            account_len: u8::try_from(command.account.len()).expect("account ids are at most 128 bytes"),
            tx_len: u8::try_from(command.tx.len()).expect("transaction ids are at most 64 bytes"),
            of_len: u8::try_from(command.of.len()).expect("transaction ids are at most 64 bytes"),
            lead_len: u8::try_from(command.lead.len()).expect("lead ids are at most 128 bytes"),
            reason_len: u8::try_from(command.reason.len()).expect("reasons are at most 64 bytes"),
            meta_len: u16::try_from(command.meta.len()).expect("metas are at most 1,024 bytes"),
            start,
            op: command.op,
        });
    }

    /// The commands in order: shard, destination, command.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u16, Ticket, Command<'_>)> {
        self.items.iter().map(|item| (item.shard, item.ticket, self.command(item)))
    }

    /// How many commands wait in it.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it holds no command.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.items.clear();
    }

    fn command(&self, item: &Item) -> Command<'_> {
        let mut rest = &self.arena[item.start as usize..];
        let mut take = |len: usize| {
            let (part, tail) = rest.split_at(len);
            rest = tail;
            part
        };
        let account = take(item.account_len as usize);
        let tx = take(item.tx_len as usize);
        let of = take(item.of_len as usize);
        let lead = take(item.lead_len as usize);
        let reason = take(item.reason_len as usize);
        let meta = take(item.meta_len as usize);
        Command { account, tx, of, lead, reason, meta, op: item.op }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_for_each_command_stays_small() {
        assert_eq!((size_of::<Item>(), size_of::<Reply>()), (72, 72));
    }

    #[test]
    fn commands_come_out_as_they_went_in() {
        let ticket = Ticket { core: 1, connection: 2, generation: 3, slot: 4 };
        let debit = Command { meta: b"{}", ..Command::new(b"tradie:1", b"t1", Op::Debit { amount: 5 }) };
        let read = Command { of: b"t1", lead: b"l", ..Command::new(b"tradie:2", b"f1", Op::Refund { amount: None }) };
        let mut batch = Batch::default();
        batch.push(7, ticket, &debit);
        batch.push(0, ticket, &read);
        let out: Vec<_> = batch.iter().collect();
        assert_eq!(out, [(7, ticket, debit), (0, ticket, read)]);
        batch.clear();
        assert!(batch.is_empty());
    }
}
