//! THE JOINT: a ledger, its log, and the replies that wait for durability. Synchronous; no threads, no clock.
//!
//! ```text
//!  command ─▶ settle ─▶ recall ─▶ decide ─▶ append ─▶ apply ─▶ pending ──(durable)──▶ reply
//!                        ▲    │                │                  ▲
//!      record that the ──┘    └▶ errand        └─▶ open block ─▶ committer
//!      id points to              (not in memory: a reader thread looks)
//! ```
//!
//! Invariants: records enter the log in the order in which they change the ledger; an outcome leaves only when every
//! record that it shows is durable. Absent on purpose: who runs the committer, and when (the server's business, and
//! the simulator's).

mod admission;
mod audit;
pub mod batch;
mod claims;
mod copying;
pub mod errand;
mod leads;
mod opened;
mod parked;
mod pending;
mod question;
mod rebuild;
mod recall;
mod trail;

pub use admission::Admission;
pub use copying::CopyStep;
pub use parked::WALKS_AWAY_MAX;
pub use rebuild::Rebuild;

use crate::journal::storage::SegmentSource;
use crate::journal::{Block, BlockKind, Log, ReadError, Reader};
use crate::ledger::codec;
use crate::ledger::command::{Command, Op};
use crate::ledger::id::{Lsn, NO_LSN};
use crate::ledger::outcome::Outcome;
use crate::ledger::rejection::Rejection;
use crate::ledger::{Decision, Ledger, Located, Prior, Sought, TxKey, outcome_of};
use batch::{Reply, Ticket};
use claims::Claims;
use errand::Task;
use opened::Opened;
use parked::{Meaning, Parked, Wanting};
use pending::Pending;
use recall::Recalled;
use std::sync::Arc;

/// Index entries looked at for forgetting, at most, each time a block is durable.
const FORGET_BUDGET: usize = 4096;

/// The single writer of its accounts.
pub struct Shard<R: SegmentSource> {
    id: u16,
    ledger: Ledger,
    log: Log,
    reader: Reader<R>,
    pending: Pending,
    now_ms: u64,
    /// Most records that one walk touches.
    walk_max: u64,
    parked: Parked,
    /// The log lets go of what stands before, if it has not yet.
    kept_from: Lsn,
    opened: Opened,
    claims: Claims,
    admission: Admission,
    /// Commands refused because the disk is full.
    refused: u64,
    /// What the ids of the command at hand mean: its own, and the one that a REFUND is of.
    recalled: [Recalled; 2],
}

/// How long a shard goes on with one command.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Most records that one walk along a trail touches.
    pub walk_max: u64,
    /// How long a client waits for the end of a claim, milliseconds.
    pub claim_timeout_ms: u64,
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

/// An old record that cannot be used. The command that needed it has changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("the record at lsn {lsn} cannot be read back: {source}")]
    Read {
        /// Where the record stands.
        lsn: Lsn,
        /// What the disk said.
        source: ReadError,
    },
    /// It reads back as something that was never written.
    #[error("the record at lsn {lsn} does not decode: {source}")]
    Decode {
        /// Where the record stands.
        lsn: Lsn,
        /// What is wrong with it.
        source: codec::DecodeError,
    },
    /// It is not the one that the chain or the index means.
    #[error("the record at lsn {lsn} is not the one that its neighbours mean")]
    Foreign {
        /// Where the record stands.
        lsn: Lsn,
    },
}

impl Fault {
    /// Where the record stands.
    pub fn lsn(&self) -> Lsn {
        match self {
            Fault::Read { lsn, .. } | Fault::Decode { lsn, .. } | Fault::Foreign { lsn } => *lsn,
        }
    }
}

impl<R: SegmentSource> Shard<R> {
    /// A shard over what recovery (or an empty directory) gave, at shard time `now_ms`.
    pub fn new(id: u16, ledger: Ledger, log: Log, reader: Reader<R>, now_ms: u64, patience: Patience) -> Self {
        Self {
            id,
            opened: Opened::all(ledger.account_count()),
            ledger,
            log,
            reader,
            pending: Pending::default(),
            now_ms,
            walk_max: patience.walk_max,
            parked: Parked::default(),
            kept_from: NO_LSN,
            claims: Claims::new(patience.claim_timeout_ms),
            admission: Admission::All,
            refused: 0,
            recalled: Default::default(),
        }
    }

    /// Hashes what a command that will run soon names. Before it runs, [`Ledger::approach`], [`Ledger::sight`] and
    /// [`Ledger::reach`] can bring that near, side by side with what other commands name.
    pub fn prepare(&self, command: &Command<'_>) -> Sought {
        self.ledger.seek(command.account, command.op.has_tx().then_some(command.tx))
    }

    /// Runs one command, prepared by this shard, at shard time `now_ms`. Its outcome goes to `released` if all it shows
    /// is durable, else it comes with a later [`Shard::committed`] or [`Shard::returned`].
    pub fn execute(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        command: &Command<'_>,
        sought: Sought,
        released: &mut Vec<Reply>,
    ) -> Executed {
        let now_ms = self.advance_clock(now_ms);
        match command.op {
            Op::Lead(op) => {
                self.ask_lead(now_ms, ticket, op, command, released);
                return Executed::Decided;
            }
            Op::EventCount => {
                let (newest, count) = (self.log.next_lsn().saturating_sub(1), self.ledger.event_count());
                self.answer_behind(newest, ticket, Outcome::EventCount(count), released);
                return Executed::Decided;
            }
            _ => {}
        }
        if let Some(executed) = self.wait_behind_refund(ticket, command, released) {
            return executed;
        }
        let (at, key) = self.ledger.find(&sought, command.account);
        if !self.settle(at, now_ms) {
            self.refuse(ticket, Rejection::DiskFull { reserve_is_used: true }, released);
            return Executed::Decided;
        }
        let wanting = match command.op {
            Op::BalanceAt { .. } | Op::Tx | Op::History(_) | Op::Audit => {
                self.ask(at, key, ticket, command, now_ms, released)
            }
            _ => self.decide(at, key, ticket, command, now_ms, released),
        };
        match wanting {
            None => Executed::Decided,
            Some(task) => self.park(at, ticket, command, now_ms, task, released),
        }
    }

    /// Does what is due by time: at most `budget` holds of accounts and as many leads that nobody asks about expire, claims
    /// ask again. Returns whether more is due.
    pub fn expire(&mut self, now_ms: u64, budget: usize, released: &mut Vec<Reply>) -> bool {
        let now_ms = self.advance_clock(now_ms);
        self.review_claims(now_ms, released);
        if !self.admission.expires_the_idle() {
            return false;
        }
        for _ in 0..budget {
            let Some(at) = self.ledger.due_lead(now_ms) else { break };
            if !self.settle_lead(at, now_ms) {
                break;
            }
        }
        for _ in 0..budget {
            let Some(at) = self.ledger.due(now_ms) else { break };
            if !self.settle(at, now_ms) {
                break;
            }
        }
        self.next_expiry().is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// Unix milliseconds of the next deadline, at the latest: when [`Shard::expire`] has work. Never after it. Holds and
    /// leads have none while [`Admission`] lets nothing expire.
    pub fn next_expiry(&self) -> Option<u64> {
        let idle = [self.ledger.next_expiry(), self.ledger.leads().next_expiry()];
        let idle = idle.into_iter().flatten().filter(|_| self.admission.expires_the_idle());
        idle.chain(self.claims.next_review()).min()
    }

    /// From now on only such changes are taken.
    pub fn set_admission(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// Which changes are taken.
    pub fn admission(&self) -> Admission {
        self.admission
    }

    /// Commands refused so far because the disk was full.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Closes the open block and gives it out for commit. `None`: nothing to commit, or one is in flight.
    pub fn take_block(&mut self) -> Option<Arc<Block>> {
        let block = self.log.take()?;
        self.opened.mark(self.log.next_lsn(), self.ledger.account_count());
        self.ledger.mark_block(block.end_lsn(), block.now_ms());
        Some(block)
    }

    /// The block in flight is durable, up to `durable`: releases what waited for it. Ids are forgotten by its time, not by
    /// the clock: no start may know what a life before it had forgotten, for the log may have let go of that.
    pub fn committed(&mut self, durable: Lsn, released: &mut Vec<Reply>) {
        let now_ms = self.log.committed(durable);
        self.opened.committed(durable);
        self.pending.release(durable, released);
        self.ledger.forget(now_ms, FORGET_BUDGET);
    }

    /// Appends a block that only says something: FENCE at start, CLEAN_STOP at the end.
    pub fn mark(&mut self, kind: BlockKind, now_ms: u64) {
        let now_ms = self.advance_clock(now_ms);
        self.log.mark(kind, now_ms);
    }

    /// Whether everything that was executed is durable and answered.
    pub fn is_quiet(&self) -> bool {
        self.pending.is_empty() && self.parked.is_empty() && !self.is_dirty()
    }

    /// Commands that are taken and not answered: outcomes that wait for the disk, commands that wait for old records, claims.
    pub fn waiting(&self) -> usize {
        self.pending.len() + self.parked.len() + self.claims_running()
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

    /// Accounts that no crash can undo: those numbered below this.
    pub fn durable_accounts(&self) -> u64 {
        self.opened.durable()
    }

    /// The log, for figures.
    pub fn log(&self) -> &Log {
        &self.log
    }

    fn advance_clock(&mut self, now_ms: u64) -> u64 {
        self.now_ms = self.now_ms.max(now_ms);
        self.now_ms
    }

    /// Expires every due hold of the account, each at its deadline (R3, R4). `false`: one is due, and may not become a
    /// record now.
    fn settle(&mut self, at: Located, now_ms: u64) -> bool {
        while let Some(event) = self.ledger.settle(at, now_ms) {
            if self.admission.refuses_an_ending() {
                return false;
            }
            let lsn = self.log.append(now_ms, |record| codec::encode(&event, record));
            self.apply_appended(at, lsn);
        }
        true
    }

    /// Applies the entry of the account at `at` that was just appended at `lsn`, as it reads back: it was made of the ledger
    /// that it changes.
    fn apply_appended(&mut self, at: Located, lsn: Lsn) {
        let record = self.log.record(lsn).expect("a record just appended is in memory");
        let event = codec::decode(record).expect("a record just encoded decodes");
        let key = self.ledger.key(event.account, event.tx);
        self.ledger.apply(at, key, &event, lsn);
    }

    /// Decides a command, if all that its ids mean is at hand; else says what is to be read.
    fn decide(
        &mut self,
        at: Located,
        key: Option<TxKey>,
        ticket: Ticket,
        command: &Command<'_>,
        now_ms: u64,
        released: &mut Vec<Reply>,
    ) -> Option<Task> {
        let [own, of] = match key.map_or(Ok([Meaning::Unknown; 2]), |key| self.recall(at, key, ticket, command)) {
            Ok(meanings) => meanings,
            Err(Wanting::Read(task)) => return Some(task),
            Err(Wanting::Nothing(refusal)) => {
                self.answer(at, ticket, Outcome::Rejected(refusal), released);
                return None;
            }
        };
        self.recalled[1].forget_below(self.kept_from);
        let is_claim = matches!(command.op, Op::Claim { .. });
        if is_claim && matches!(own, Meaning::Unknown) && at.is_known() {
            match self.hear_lead(ticket, command, now_ms) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(rejection) => {
                    self.refuse(ticket, rejection, released);
                    return None;
                }
            }
        }
        let own = own.past(&self.recalled[0]);
        let of = of.past(&self.recalled[1]);
        match self.ledger.decide(at, command, &own, &of, now_ms) {
            Decision::Answer(outcome) => self.answer(at, ticket, outcome, released),
            Decision::Wait(slot) => self.join_claim(slot, ticket, now_ms, released),
            Decision::Commit(ref event) => {
                if let Some(rejection) = self.admission.refuses(event) {
                    self.refuse(ticket, rejection, released);
                    return None;
                }
                let key = key.expect("only writes make events");
                let lsn = self.log.append(now_ms, |record| codec::encode(event, record));
                self.ledger.apply(at, key, event, lsn);
                if planted!("acknowledged before the sync") {
                    released.push(Reply { ticket, outcome: outcome_of(event) });
                    return None;
                }
                if is_claim && let Prior::Active(slot) = self.ledger.lookup(key) {
                    self.begin_claim(slot, lsn, ticket, now_ms);
                } else {
                    self.pending.hold_write(lsn, ticket, outcome_of(event));
                }
            }
        }
        None
    }

    /// A "no" that shows nothing of the account, so it waits for nothing.
    fn refuse(&mut self, ticket: Ticket, rejection: Rejection, released: &mut Vec<Reply>) {
        self.refused += u64::from(matches!(rejection, Rejection::DiskFull { .. }));
        released.push(Reply { ticket, outcome: Outcome::Rejected(rejection) });
    }

    /// A read or a replay: it shows the account's newest record at most.
    fn answer(&mut self, at: Located, ticket: Ticket, outcome: Outcome, released: &mut Vec<Reply>) {
        let gate = if planted!("read before it is durable") { NO_LSN } else { self.ledger.last_lsn(at) };
        self.answer_behind(gate, ticket, outcome, released);
    }

    /// An outcome that shows nothing newer than the record at `gate`; [`NO_LSN`]: no record at all.
    fn answer_behind(&mut self, gate: Lsn, ticket: Ticket, outcome: Outcome, released: &mut Vec<Reply>) {
        if gate == NO_LSN || gate < self.log.durable_lsn() {
            released.push(Reply { ticket, outcome });
        } else {
            self.pending.hold_read(gate, ticket, outcome);
        }
    }
}

#[cfg(test)]
mod tests;
