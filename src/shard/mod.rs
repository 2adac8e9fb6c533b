//! THE JOINT: a ledger, its log, and the replies that wait for durability. Synchronous; no threads, no clock.
//!
//! ```text
//!  command ─▶ settle ─▶ recall ─▶ decide ─▶ append ─▶ apply ─▶ pending ──(durable)──▶ reply
//!                         ▲                   │                   ▲
//!                         └─ record that the ─┴─▶ open block ─▶ committer
//!                            id points to
//! ```
//!
//! Invariants: records enter the log in the order in which they change the ledger; an outcome leaves only when every
//! record that it shows is durable. Absent on purpose: who runs the committer, and when (the server's business, and
//! the simulator's).

pub mod batch;
pub mod errand;
mod pending;

use crate::journal::storage::SegmentSource;
use crate::journal::{Block, BlockKind, Entry, Log, ReadError, Reader};
use crate::ledger::codec;
use crate::ledger::command::{Command, Op};
use crate::ledger::event::{Change, Event};
use crate::ledger::id::Lsn;
use crate::ledger::outcome::Outcome;
use crate::ledger::{Decision, Ledger, Limits, Located, Past, Prior, Seeds, TxKey, outcome_of};
use batch::{Reply, Ticket};
use errand::Errand;
use pending::Pending;
use std::sync::Arc;

/// Index entries looked at for forgetting, at most, each time a block is closed.
const FORGET_BUDGET: usize = 4096;

/// The single writer of its accounts.
pub struct Shard<R: SegmentSource> {
    id: u16,
    ledger: Ledger,
    log: Log,
    reader: Reader<R>,
    pending: Pending,
    now_ms: u64,
    /// Bytes of the records that an id points to, when they are no longer in memory.
    recalled: [Vec<u8>; 2],
}

/// Where a command's account and id are, from [`Shard::prepare`].
#[derive(Clone, Copy)]
pub struct Prepared {
    at: Located,
    /// Of writes: reads have no id.
    key: Option<TxKey>,
}

/// What became of a command that a shard was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Executed {
    /// It was decided at its place; its outcome has left, or waits for the disk or for an old record.
    Decided,
    /// A REFUND whose transaction must be looked for first, or a command behind one: nothing is decided yet, and
    /// [`Shard::returned`] gives it back to be executed again.
    Aside,
}

/// A fault of the disk under a running shard: the process must end (journal.md 1.2).
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An old record, to which an id points, cannot be read.
    #[error("shard {shard}: the record at lsn {lsn} cannot be read back: {source}")]
    Recall {
        /// Which shard.
        shard: u16,
        /// Where the record stands.
        lsn: Lsn,
        /// What the disk said.
        source: ReadError,
    },
    /// An old record reads back as something that was never written.
    #[error("shard {shard}: the record at lsn {lsn} does not decode: {source}")]
    Decode {
        /// Which shard.
        shard: u16,
        /// Where the record stands.
        lsn: Lsn,
        /// What is wrong with it.
        source: codec::DecodeError,
    },
}

impl<R: SegmentSource> Shard<R> {
    /// A shard over what recovery (or an empty directory) gave.
    pub fn new(id: u16, ledger: Ledger, log: Log, reader: Reader<R>, last_now_ms: u64) -> Self {
        Self { id, ledger, log, reader, pending: Pending::default(), now_ms: last_now_ms, recalled: Default::default() }
    }

    /// Finds the account and the id of a command that will run soon, which brings them into the CPU's caches: looked
    /// up one after the other they cost a main memory access each, looked up side by side about one together.
    pub fn prepare(&self, command: &Command<'_>) -> Prepared {
        let key = command.op.is_write().then(|| self.ledger.key(command.account, command.tx));
        std::hint::black_box(key.map(|key| self.ledger.lookup(key)));
        Prepared { at: self.ledger.locate(command.account), key }
    }

    /// Runs one command, prepared by this shard, at shard time `now_ms`. Its outcome goes to `released` if all it shows
    /// is durable, else it comes with a later [`Shard::committed`].
    ///
    /// # Errors
    /// A [`Fault`] if the disk cannot give back the record of an old transaction. The command has changed nothing.
    pub fn execute(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        command: &Command<'_>,
        prepared: Prepared,
        released: &mut Vec<Reply>,
    ) -> Result<(), Fault> {
        let now_ms = self.advance_clock(now_ms);
        let Prepared { at, key } = prepared;
        // A command in between may have opened the account; an account that is there stays where it is.
        let at = if at.is_known() { at } else { self.ledger.locate(command.account) };
        self.settle(at, now_ms);
        let prior = key.map_or(Prior::Unknown, |key| self.ledger.lookup(key));
        let past = recall(self.id, &self.log, &self.reader, &mut self.recalled, prior, command)?;
        match self.ledger.decide(at, command, &past, &Past::Unknown, now_ms) {
            Decision::Answer(outcome) => self.answer(at, ticket, outcome, released),
            Decision::Commit(event) => {
                let key = key.expect("only writes make events");
                let lsn = self.log.append(now_ms, |record| codec::encode(&event, record));
                self.ledger.apply(at, key, &event, lsn);
                self.pending.hold_write(lsn, ticket, outcome_of(&event));
            }
        }
        Ok(())
    }

    /// The errands of commands that wait for a record at a known place, which is one or two reads each. To be run
    /// together, on a reader thread, and given back by [`Shard::returned`]. Empty: there are none, or some are under
    /// way.
    pub fn take_recalls(&mut self) -> Vec<Errand> {
        Vec::new()
    }

    /// The next errand that follows a trail, which can take long. `None`: there is none, or enough are under way.
    pub fn take_walk(&mut self) -> Option<Errand> {
        None
    }

    /// Where errands read.
    pub fn reader(&self) -> &Reader<R> {
        &self.reader
    }

    /// An errand is back. Its outcome goes to `released`, as that of [`Shard::execute`] does; or it gives commands
    /// that were [`Executed::Aside`] and now are to be executed, in this order, before anything else.
    pub fn returned(&mut self, _errand: Errand, _released: &mut Vec<Reply>) -> Option<batch::Batch> {
        None
    }

    /// Expires at most `budget` holds of accounts that nobody asks about. Returns whether more are due.
    pub fn expire(&mut self, now_ms: u64, budget: usize) -> bool {
        let now_ms = self.advance_clock(now_ms);
        for _ in 0..budget {
            match self.ledger.due(now_ms) {
                Some(at) => self.settle(at, now_ms),
                None => break,
            }
        }
        self.next_expiry().is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// Unix milliseconds of the next deadline, at the latest: when [`Shard::expire`] has work. Never after it.
    pub fn next_expiry(&self) -> Option<u64> {
        self.ledger.next_expiry()
    }

    /// Closes the open block and gives it out for commit. `None`: nothing to commit, or one is in flight.
    pub fn take_block(&mut self) -> Option<Arc<Block>> {
        let block = self.log.take()?;
        self.ledger.mark_block(block.end_lsn(), block.now_ms());
        self.ledger.forget(self.now_ms, FORGET_BUDGET);
        Some(block)
    }

    /// The block in flight is durable, up to `durable`: releases what waited for it.
    pub fn committed(&mut self, durable: Lsn, released: &mut Vec<Reply>) {
        self.log.committed(durable);
        self.pending.release(durable, released);
    }

    /// Appends a block that only says something: FENCE at start, CLEAN_STOP at the end.
    pub fn mark(&mut self, kind: BlockKind, now_ms: u64) {
        let now_ms = self.advance_clock(now_ms);
        self.log.mark(kind, now_ms);
    }

    /// Whether everything that was executed is durable and answered.
    pub fn is_quiet(&self) -> bool {
        self.pending.is_empty() && !self.is_dirty()
    }

    /// Whether something is executed that is not durable.
    pub fn is_dirty(&self) -> bool {
        self.log.undurable_bytes() > 0
    }

    /// Bytes that are executed and not durable.
    pub fn undurable_bytes(&self) -> u64 {
        self.log.undurable_bytes() as u64
    }

    /// The shard's number.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// The rules' state, for figures and checks.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The log, for figures.
    pub fn log(&self) -> &Log {
        &self.log
    }

    fn advance_clock(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        self.now_ms
    }

    /// Expires every due hold of the account, each at its deadline (R3, R4).
    fn settle(&mut self, at: Located, now_ms: u64) {
        while let Some(event) = self.ledger.settle(at, now_ms) {
            let lsn = self.log.append(now_ms, |record| codec::encode(&event, record));
            let record = self.log.record(lsn).expect("a record just appended is in memory");
            let event = codec::decode(record).expect("a record just encoded decodes");
            let key = self.ledger.key(event.account, event.tx);
            self.ledger.apply(at, key, &event, lsn);
        }
    }

    /// A read or a replay: it shows the account's newest record at most.
    fn answer(&mut self, at: Located, ticket: Ticket, outcome: Outcome, released: &mut Vec<Reply>) {
        let gate = self.ledger.last_lsn(at);
        if gate < self.log.durable_lsn() {
            released.push(Reply { ticket, outcome });
        } else {
            self.pending.hold_read(gate, ticket, outcome);
        }
    }
}

/// What the id of `command` means already: from memory, or from the record that the index points to.
fn recall<'a, R: SegmentSource>(
    shard: u16,
    log: &'a Log,
    reader: &Reader<R>,
    buffers: &'a mut [Vec<u8>; 2],
    prior: Prior,
    command: &Command<'_>,
) -> Result<Past<'a>, Fault> {
    let lsn = match prior {
        Prior::Unknown => return Ok(Past::Unknown),
        Prior::Active(hold) => return Ok(Past::Active(hold)),
        Prior::Recorded(lsn) => lsn,
    };
    let [latest, first] = buffers;
    let event = recall_event(shard, log, reader, latest, lsn)?;
    let opened = match (command.op, event.change) {
        (Op::Reserve { .. }, Change::Capture { opened_lsn, .. }) => {
            Some(recall_event(shard, log, reader, first, opened_lsn)?)
        }
        _ => None,
    };
    Ok(Past::Recorded(crate::ledger::Recorded { event, lsn, opened, refunded: 0 }))
}

fn recall_event<'a, R: SegmentSource>(
    shard: u16,
    log: &'a Log,
    reader: &Reader<R>,
    buffer: &'a mut Vec<u8>,
    lsn: Lsn,
) -> Result<Event<'a>, Fault> {
    let record = match log.record(lsn) {
        Some(record) => record,
        None => {
            reader.record(lsn, buffer).map_err(|source| Fault::Recall { shard, lsn, source })?;
            buffer.as_slice()
        }
    };
    codec::decode(record).map_err(|source| Fault::Decode { shard, lsn, source })
}

/// Rebuilds a ledger from what recovery reads, entry by entry.
pub struct Rebuild {
    ledger: Ledger,
    /// Time of the block that is being read.
    block_ms: Option<u64>,
}

impl Rebuild {
    /// Starts from nothing.
    pub fn new(limits: Limits, seeds: Seeds) -> Self {
        Self { ledger: Ledger::new(limits, seeds), block_ms: None }
    }

    /// Takes the next entry of the log.
    ///
    /// # Errors
    /// In words, if the entry contradicts the state that the entries before it made (case 13 of journal.md 6).
    pub fn take(&mut self, entry: Entry<'_>) -> Result<(), String> {
        match entry {
            Entry::Block { lsn, now_ms } => {
                if let Some(before_ms) = self.block_ms.replace(now_ms) {
                    self.ledger.mark_block(lsn, before_ms);
                }
                Ok(())
            }
            Entry::Record { lsn, bytes } => {
                let event = codec::decode(bytes).map_err(|e| e.to_string())?;
                self.ledger.replay(&event, lsn).map_err(|e| e.to_string())
            }
        }
    }

    /// The state after the last entry.
    pub fn into_ledger(self) -> Ledger {
        self.ledger
    }
}
