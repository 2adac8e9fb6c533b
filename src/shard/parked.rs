//! Commands that wait for old records: who is sent for them, and who waits behind whom.
//!
//! ```text
//!   replay of an old id ──▶ recalls ─(durable)─▶ reader thread ─▶ answered, as of the moment when it was executed
//!   TX, HISTORY, AT, AUDIT ▶ walks  ─(durable)─▶ reader thread ─▶ answered, as of the moment when it was executed
//!   REFUND of an old id ──▶ either one ────────▶ reader thread ─▶ executed again; only then is it decided
//!                             '◀── later commands of that account wait behind it, in order
//! ```
//! A core never waits. Errands read files, so one is given out when the newest record of its account is durable: its
//! answer could not leave before that anyway. Every list is bounded; beyond, commands are refused with -TRYAGAIN.

use super::batch::{Batch, Reply, Ticket};
use super::errand::{Errand, Found, Task};
use super::question::Question;
use super::recall::Recalled;
use super::trail::{Stop, Trail};
use super::{Executed, Shard};
use crate::journal::Reader;
use crate::journal::storage::SegmentSource;
use crate::ledger::command::{Command, Op};
use crate::ledger::id::Lsn;
use crate::ledger::outcome::Outcome;
use crate::ledger::rejection::{Busy, Rejection};
use crate::ledger::{Decision, HoldSlot, Located, Past, Prior, TxKey};
use std::collections::{BTreeMap, VecDeque};

/// Records that a question may touch on the core's thread: those of a HISTORY with the default COUNT.
const INLINE_RECORDS_MAX: u64 = 128;

/// Commands that may wait behind a REFUND of their account.
const BEHIND_REFUND_MAX: usize = 64;

/// Commands of a shard that may wait for records at known places.
const RECALLS_MAX: usize = 65_536;

/// Commands of a shard that may wait for a walk along a trail.
const WALKS_MAX: usize = 1024;

/// Walks of a shard that are given out at the same time.
pub const WALKS_AWAY_MAX: usize = 16;

/// All that waits.
#[derive(Default)]
pub(super) struct Parked {
    recalls: Vec<Errand>,
    /// Of the batch that is being read.
    recalls_away: usize,
    walks: VecDeque<Errand>,
    walks_away: usize,
    /// By account: the REFUND that an errand is for, and what came behind it.
    behind_refund: BTreeMap<Box<[u8]>, Batch>,
    /// What an errand has found, for the command that is now executed again.
    brought: Option<(Ticket, Result<Found, Rejection>)>,
}

/// What an id means to the command at hand.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    Unknown,
    Active(HoldSlot),
    /// As its records say.
    Recalled,
}

/// Why a command cannot be decided yet, or not at all.
pub(super) enum Wanting {
    /// This is to be read first.
    Read(Task),
    /// That was tried: nothing is executed.
    Nothing(Rejection),
}

impl Meaning {
    /// For [`Ledger::decide`](crate::ledger::Ledger::decide).
    pub(super) fn past(self, recalled: &Recalled) -> Past<'_> {
        match self {
            Meaning::Unknown => Past::Unknown,
            Meaning::Active(slot) => Past::Active(slot),
            Meaning::Recalled => recalled.past(),
        }
    }
}

impl Parked {
    /// Commands that wait.
    pub(super) fn len(&self) -> usize {
        let errands = self.recalls.len() + self.recalls_away + self.walks.len() + self.walks_away;
        errands + self.behind_refund.values().map(Batch::len).sum::<usize>()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0 && self.behind_refund.is_empty()
    }

    /// Whether a REFUND waits for an old record.
    pub(super) fn has_refund(&self) -> bool {
        !self.behind_refund.is_empty()
    }

    fn has_room(&self, errand: &Errand) -> bool {
        if errand.is_recall() {
            self.recalls.len() + self.recalls_away < RECALLS_MAX
        } else {
            self.walks.len() + self.walks_away < WALKS_MAX
        }
    }
}

impl<R: SegmentSource> Shard<R> {
    /// The errands of commands that wait for records at known places, which is up to three reads each. To be run
    /// together, on a reader thread, and given back by [`Shard::returned`]. Empty: there are none, or some are away.
    pub fn take_recalls(&mut self) -> Vec<Errand> {
        if self.parked.recalls.is_empty() || self.parked.recalls_away > 0 {
            return Vec::new();
        }
        let durable = self.log.durable_lsn();
        let ready: Vec<_> = self.parked.recalls.extract_if(.., |errand| errand.from < durable).collect();
        self.parked.recalls_away = ready.len();
        ready
    }

    /// The next errand that follows a trail, which can take long. `None`: there is none, or [`WALKS_AWAY_MAX`] are away.
    pub fn take_walk(&mut self) -> Option<Errand> {
        if self.parked.walks.is_empty() || self.parked.walks_away == WALKS_AWAY_MAX {
            return None;
        }
        let durable = self.log.durable_lsn();
        let ready = self.parked.walks.iter().position(|errand| errand.from < durable)?;
        self.parked.walks_away += 1;
        self.parked.walks.remove(ready)
    }

    /// Where errands read.
    pub fn reader(&self) -> &Reader<R> {
        &self.reader
    }

    /// An errand is back. Its outcome goes to `released`, as that of [`Shard::execute`] does; or it gives commands
    /// that were [`Executed::Aside`] and now are to be executed, in this order, before anything else.
    pub fn returned(&mut self, mut errand: Errand, released: &mut Vec<Reply>) -> Option<Batch> {
        let away = if errand.is_recall() { &mut self.parked.recalls_away } else { &mut self.parked.walks_away };
        *away = away.checked_sub(1).expect("it was given out");
        let found = errand.take_found();
        let (ticket, command) = errand.command();
        if errand.is_aside() {
            self.parked.brought = Some((ticket, found));
            return Some(self.parked.behind_refund.remove(command.account).expect("a REFUND waits there"));
        }
        let outcome = match found {
            Ok(Found::Answer(outcome)) => outcome,
            Err(refusal) => Outcome::Rejected(refusal),
            Ok(Found::Past(recalled) | Found::PastOf(recalled)) => {
                let at = self.ledger.locate(command.account);
                let own = recalled.past();
                if !recalled.is_known() {
                    // Two ids with one hash. The command is new, and is executed as such.
                    let mut again = Batch::default();
                    again.push(self.id, ticket, &command);
                    self.parked.brought = Some((ticket, Ok(Found::Past(recalled))));
                    return Some(again);
                }
                match self.ledger.decide(at, &command, &own, &Past::Unknown, errand.now_ms) {
                    Decision::Answer(outcome) => {
                        self.answer(at, ticket, outcome, released);
                        return None;
                    }
                    other => panic!("a known id changes nothing: {other:?}"),
                }
            }
        };
        released.push(Reply { ticket, outcome });
        None
    }

    /// Puts the command behind the REFUND that its account waits for, if there is one.
    pub(super) fn wait_behind_refund(
        &mut self,
        ticket: Ticket,
        command: &Command<'_>,
        released: &mut Vec<Reply>,
    ) -> Option<Executed> {
        if self.parked.behind_refund.is_empty() {
            return None;
        }
        let behind = self.parked.behind_refund.get_mut(command.account)?;
        if behind.len() > BEHIND_REFUND_MAX {
            released.push(Reply { ticket, outcome: Outcome::Rejected(Rejection::TryAgain(Busy::Refund)) });
            return Some(Executed::Decided);
        }
        behind.push(self.id, ticket, command);
        Some(Executed::Aside)
    }

    /// Sends for what the command needs.
    pub(super) fn park(
        &mut self,
        at: Located,
        ticket: Ticket,
        command: &Command<'_>,
        now_ms: u64,
        task: Task,
        released: &mut Vec<Reply>,
    ) -> Executed {
        let from = self.ledger.last_lsn(at);
        let walk_max = if command.op == Op::Audit { u64::MAX } else { self.walk_max };
        let errand = Errand::new((self.id, ticket), command, now_ms, from, task, walk_max);
        if !self.parked.has_room(&errand) {
            released.push(Reply { ticket, outcome: Outcome::Rejected(Rejection::TryAgain(Busy::Readers)) });
            return Executed::Decided;
        }
        let executed = if errand.is_aside() { Executed::Aside } else { Executed::Decided };
        if executed == Executed::Aside {
            let mut behind = Batch::default();
            behind.push(self.id, ticket, command);
            self.parked.behind_refund.insert(command.account.into(), behind);
        }
        if errand.is_recall() {
            self.parked.recalls.push(errand);
        } else {
            self.parked.walks.push_back(errand);
        }
        executed
    }

    /// Answers a question about the trail from memory, if few records are needed and all of them are there.
    pub(super) fn ask(
        &mut self,
        at: Located,
        key: Option<TxKey>,
        ticket: Ticket,
        command: &Command<'_>,
        now_ms: u64,
        released: &mut Vec<Reply>,
    ) -> Option<Task> {
        let question = match command.op {
            Op::BalanceAt { at_ms } if at_ms >= now_ms => {
                self.answer(at, ticket, Outcome::Rejected(Rejection::NotPast { at_ms, now_ms }), released);
                return None;
            }
            Op::BalanceAt { at_ms } => Question::At(at_ms),
            Op::History(query) => Question::History(query),
            Op::Audit => Question::Audit(Box::new(self.ledger.state(at).unwrap_or_default())),
            _ => {
                let hint = match self.ledger.lookup(key.expect("TX names an id")) {
                    Prior::Unknown => None,
                    Prior::Active(slot) => Some(self.ledger.opened_lsn(slot)),
                    Prior::Recorded(lsn) => Some(lsn),
                };
                Question::Tx { tx: command.tx.into(), hint }
            }
        };
        let from = self.ledger.last_lsn(at);
        match question.answer(&self.log, command.account, from, INLINE_RECORDS_MAX) {
            Ok(outcome) => {
                self.answer(at, ticket, outcome, released);
                None
            }
            Err(Stop::Elsewhere | Stop::TooLong) => Some(Task::Answer(question)),
            Err(stop) => panic!("memory has what was written: {stop:?}"),
        }
    }

    /// What the ids of a write mean: its own, and the one that a new REFUND is of.
    pub(super) fn recall(
        &mut self,
        at: Located,
        key: TxKey,
        ticket: Ticket,
        command: &Command<'_>,
    ) -> Result<[Meaning; 2], Wanting> {
        let brought = self.parked.brought.take_if(|(for_ticket, _)| *for_ticket == ticket).map(|(_, found)| found);
        let (own, brought) = match (self.meaning(0, key, command.account, command.tx, &command.op), brought) {
            (Ok(meaning), brought) => (meaning, brought),
            (Err(_), Some(Ok(Found::Past(_)))) => (Meaning::Unknown, None),
            (Err(lsn), _) => return Err(Wanting::Read(Task::Recall(lsn))),
        };
        let is_new = matches!(own.past(&self.recalled[0]), Past::Unknown);
        let needs_of = matches!(command.op, Op::Refund { .. }) && is_new && at.is_known() && command.of != command.tx;
        if !needs_of {
            return Ok([own, Meaning::Unknown]);
        }
        let key = self.ledger.key(command.account, command.of);
        let hint = match self.meaning(1, key, command.account, command.of, &command.op) {
            Ok(Meaning::Unknown) => None,
            Ok(meaning) => return Ok([own, meaning]),
            Err(lsn) => Some(lsn),
        };
        match brought {
            Some(Ok(Found::PastOf(recalled))) => {
                self.recalled[1] = recalled;
                Ok([own, Meaning::Recalled])
            }
            Some(Err(refusal)) => Err(Wanting::Nothing(refusal)),
            _ => match hint {
                Some(_) if planted!("refund decided without what it refunds") => Ok([own, Meaning::Unknown]),
                Some(lsn) => Err(Wanting::Read(Task::RecallOf(Some(lsn)))),
                None => Ok([own, self.find_of(at, command)?]),
            },
        }
    }

    /// What the index and memory say of an id. Error: the record at this place does, and is not in memory.
    fn meaning(&mut self, which: usize, key: TxKey, account: &[u8], tx: &[u8], op: &Op) -> Result<Meaning, Lsn> {
        let lsn = match self.ledger.lookup(key) {
            Prior::Unknown => return Ok(Meaning::Unknown),
            Prior::Active(slot) => return Ok(Meaning::Active(slot)),
            Prior::Recorded(lsn) => lsn,
        };
        match self.recalled[which].read(&mut &self.log, account, tx, lsn, op) {
            Ok(()) => Ok(Meaning::Recalled),
            Err(Stop::Elsewhere) => Err(lsn),
            Err(stop) => panic!("memory has what was written: {stop:?}"),
        }
    }

    /// What the id that a REFUND is of means, although the index does not know it: trails remember longer.
    fn find_of(&mut self, at: Located, command: &Command<'_>) -> Result<Meaning, Wanting> {
        let mut trail = Trail::new(&self.log, command.account, INLINE_RECORDS_MAX);
        let found = match trail.find(self.ledger.last_lsn(at), command.of) {
            Ok(None) => return Ok(Meaning::Unknown),
            Ok(Some(lsn)) => lsn,
            Err(Stop::Elsewhere | Stop::TooLong) => return Err(Wanting::Read(Task::RecallOf(None))),
            Err(stop) => panic!("memory has what was written: {stop:?}"),
        };
        match self.recalled[1].read(&mut &self.log, command.account, command.of, found, &command.op) {
            Ok(()) => Ok(Meaning::Recalled),
            Err(_) => Err(Wanting::Read(Task::RecallOf(Some(found)))),
        }
    }
}
