//! Plays the shard's part: drives commands through a ledger, with a log that is a vector of records.

use super::lead_desk::LeadTales;
use crate::ledger::codec::{Record, decode, decode_any, encode};
use crate::ledger::command::{Command, Op};
use crate::ledger::event::{Change, Event};
use crate::ledger::id::Lsn;
use crate::ledger::invariants::{Story, check_trail};
use crate::ledger::outcome::{Outcome, TxView};
use crate::ledger::rejection::{Busy, Rejection};
use crate::ledger::snapshot::{Restore, Section};
use crate::ledger::{Decision, Ledger, Limits, Located, Past, Prior, Recorded, Seeds, outcome_of, tx_view};
use std::collections::BTreeMap;

pub(super) const SEEDS: Seeds = Seeds { index_key: [1, 2], map_seed: 3 };

pub(super) const LIMITS: Limits = Limits {
    holds_per_account_max: 3,
    accounts_max: 1000,
    leads_max: 100,
    lead_slots_max: 10_000,
    tx_index_bytes_max: 1 << 20,
    tx_retention_ms: u64::MAX,
};

/// Unix milliseconds at which every story starts.
pub(super) const START_MS: u64 = 1_790_000_000_000;

/// A part of a snapshot.
pub(super) type Part = (Section, u32, Vec<u8>);

pub(super) struct Desk {
    pub(super) ledger: Ledger,
    pub(super) now_ms: u64,
    limits: Limits,
    /// When the ledger forgot last.
    forgot_ms: u64,
    pub(super) log: Vec<Vec<u8>>,
    /// End and time of every block.
    blocks: Vec<(Lsn, u64)>,
    /// Records of a block, at least: mostly every command has its own.
    pub(super) block_len: usize,
}

impl Desk {
    pub(super) fn new(limits: Limits) -> Self {
        let ledger = Ledger::new(limits, SEEDS);
        Self {
            ledger,
            now_ms: START_MS,
            limits,
            forgot_ms: START_MS,
            log: Vec::new(),
            blocks: Vec::new(),
            block_len: 1,
        }
    }

    pub(super) fn execute(&mut self, command: &Command<'_>) -> Outcome {
        self.ledger.forget(self.now_ms, 100);
        self.forgot_ms = self.now_ms;
        let at = self.ledger.locate(command.account);
        self.settle(at);
        let key = self.ledger.key(command.account, command.tx);
        let past = self.past(command.account, command.tx, command.op == Op::Tx);
        if command.op == Op::Tx {
            return Outcome::Tx(self.view(&past).map(Box::new));
        }
        let is_refund = matches!(command.op, Op::Refund { .. });
        let of = if is_refund { self.past(command.account, command.of, true) } else { Past::Unknown };
        let before = self.ledger.last_lsn(at);
        match self.ledger.decide(at, command, &past, &of, self.now_ms) {
            Decision::Answer(outcome) => outcome,
            Decision::Wait(_) => Outcome::Rejected(Rejection::TryAgain(Busy::Claim)),
            Decision::Commit(event) => {
                assert!(command.op.is_write(), "reads commit nothing");
                let lsn = write(&mut self.log, &event);
                let outcome = outcome_of(&event);
                let at = self.ledger.apply(at, key, &event, lsn);
                assert!(before < lsn && self.ledger.last_lsn(at) == lsn);
                assert_eq!(at, self.ledger.locate(command.account));
                self.close_block();
                outcome
            }
        }
    }

    /// Settles every account and lead with something due, as the driver does when the wheel wakes it.
    pub(super) fn wake(&mut self) {
        loop {
            while let Some(at) = self.ledger.due(self.now_ms) {
                self.settle(at);
            }
            while let Some(at) = self.ledger.due_lead(self.now_ms) {
                self.settle_lead(at);
            }
            let next = [self.ledger.next_expiry(), self.ledger.leads().next_expiry()];
            if next.into_iter().flatten().all(|at| at > self.now_ms) {
                return;
            }
        }
    }

    /// Where the next record will stand.
    pub(super) fn next_lsn(&self) -> Lsn {
        lsn_of(self.log.len())
    }

    /// Where the newest block ends, or one of so many before it.
    pub(super) fn closed_lsn(&self, back: usize) -> Lsn {
        self.blocks.iter().rev().nth(back).map_or(lsn_of(0), |(end_lsn, _)| *end_lsn)
    }

    /// The record at `lsn`.
    pub(super) fn record(&self, lsn: Lsn) -> Event<'_> {
        record(&self.log, lsn)
    }

    /// What a start makes of a snapshot's parts, if there is one, and the log from `begin` on.
    pub(super) fn restore(&self, parts: &[Part], begin: Lsn) -> Ledger {
        let mut restore = Restore::new(self.limits, SEEDS);
        for (section, count, bytes) in parts {
            restore.part(*section as u8, *count, bytes).unwrap_or_else(|error| panic!("{error}"));
        }
        let first = (begin.max(lsn_of(0)) as usize - 4096) / 8;
        let mut blocks = self.blocks.iter().filter(|(end_lsn, _)| *end_lsn > begin).peekable();
        for n in first..self.log.len() {
            let lsn = lsn_of(n);
            let is_first = n == first || blocks.next_if(|(end_lsn, _)| *end_lsn == lsn).is_some();
            if is_first {
                let (end_lsn, now_ms) = blocks.peek().map_or((self.next_lsn(), self.now_ms), |block| **block);
                restore.block(lsn, now_ms, &self.log[n..(end_lsn as usize - 4096) / 8].concat()).expect("in order");
            }
            restore.record(&any(&self.log, n), lsn).unwrap_or_else(|violation| panic!("{violation}"));
        }
        let mut ledger = restore.into_ledger().unwrap_or_else(|violation| panic!("{violation}"));
        if let Some(&(end_lsn, now_ms)) = self.blocks.last() {
            ledger.mark_block(end_lsn, now_ms); // as the next block would
        }
        ledger.forget(self.forgot_ms, 0);
        ledger
    }

    pub(super) fn records(&self) -> usize {
        self.log.len()
    }

    /// The entries of an account, oldest first.
    pub(super) fn trail(&self, account: &[u8]) -> Vec<(Lsn, Event<'_>)> {
        let entries = (0..self.log.len()).filter_map(|n| match any(&self.log, n) {
            Record::Entry(event) => Some((lsn_of(n), event)),
            Record::Lead(_) => None,
        });
        entries.filter(|(_, event)| event.account == account).collect()
    }

    /// Everything that must hold at any moment: the state's invariants, every trail's, that claims are paid for, and that a
    /// recovery from the log would give this very state.
    pub(super) fn check(&self) {
        self.ledger.check().unwrap_or_else(|violation| panic!("{violation}"));
        let mut trails: BTreeMap<&[u8], Vec<(Lsn, Event<'_>)>> = BTreeMap::new();
        let (mut recovered, mut leads) = (Ledger::new(self.limits, SEEDS), LeadTales::default());
        for (n, lsn) in (0..self.log.len()).map(|n| (n, lsn_of(n))) {
            let told = match any(&self.log, n) {
                Record::Entry(event) => {
                    trails.entry(event.account).or_default().push((lsn, event));
                    leads.entry(&event);
                    recovered.replay(&event, lsn)
                }
                Record::Lead(event) => {
                    leads.tell(lsn, &event);
                    recovered.replay_lead(&event, lsn)
                }
            };
            told.unwrap_or_else(|violation| panic!("{violation}"));
        }
        leads.agree(&self.ledger);
        for (account, trail) in trails {
            check_trail(&trail).unwrap_or_else(|violation| panic!("{violation}"));
            // Told from any entry on, the story ends where the account is.
            let from = trail.len() / 3;
            let mut story = Story::starting_at(trail[from].0, &trail[from].1);
            for (lsn, event) in &trail[from..] {
                story.tell(*lsn, event, None).unwrap_or_else(|violation| panic!("{violation}"));
            }
            let state = self.ledger.state(self.ledger.locate(account)).expect("who has entries is there");
            story.agrees(&state).unwrap_or_else(|violation| panic!("{violation}"));
        }
        self.blocks.iter().for_each(|&(end_lsn, now_ms)| recovered.mark_block(end_lsn, now_ms));
        recovered.forget(self.forgot_ms, 0);
        assert_eq!(recovered.digest(), self.ledger.digest(), "recovery gives the live state");
        recovered.check().unwrap_or_else(|violation| panic!("{violation}"));
    }

    /// What an id means. The index forgets; the trail, if it `reaches_back` so far, does not.
    fn past(&self, account: &[u8], tx: &[u8], reaches_back: bool) -> Past<'_> {
        let is_of = |event: &Event<'_>| matches!(event.change, Change::Refund { of, .. } if of == tx);
        let lsn = match self.ledger.lookup(self.ledger.key(account, tx)) {
            Prior::Active(slot) => return Past::Active(slot),
            Prior::Recorded(lsn) => Some(lsn),
            Prior::Unknown if reaches_back => {
                self.trail(account).iter().rfind(|(_, event)| event.tx == tx || is_of(event)).map(|(lsn, _)| *lsn)
            }
            Prior::Unknown => None,
        };
        lsn.map_or(Past::Unknown, |lsn| Past::Recorded(self.recorded(lsn, tx)))
    }

    fn recorded(&self, lsn: Lsn, tx: &[u8]) -> Recorded<'_> {
        let newest = record(&self.log, lsn);
        let (event, lsn, refunded) = match newest.change {
            Change::Refund { of, opened_lsn, refunded_total, .. } if of == tx => {
                (record(&self.log, opened_lsn), opened_lsn, refunded_total)
            }
            _ => (newest, lsn, 0),
        };
        let opened = event.opened_lsn().map(|opened_lsn| record(&self.log, opened_lsn));
        Recorded { event, lsn, opened, refunded }
    }

    fn view(&self, past: &Past<'_>) -> Option<TxView> {
        match past {
            Past::Unknown => None,
            Past::Active(slot) => Some(tx_view(&record(&self.log, self.ledger.opened_lsn(*slot)), None, 0)),
            Past::Recorded(recorded) => Some(tx_view(&recorded.event, recorded.opened.as_ref(), recorded.refunded)),
        }
    }

    pub(super) fn settle(&mut self, at: Located) {
        while let Some(event) = self.ledger.settle(at, self.now_ms) {
            let lsn = write(&mut self.log, &event);
            let event = record(&self.log, lsn);
            let key = self.ledger.key(event.account, event.tx);
            self.ledger.apply(at, key, &event, lsn);
            self.close_block();
        }
    }

    pub(super) fn close_block(&mut self) {
        let end_lsn = self.next_lsn();
        if end_lsn < self.closed_lsn(0) + 8 * self.block_len as u64 {
            return;
        }
        self.blocks.push((end_lsn, self.now_ms));
        self.ledger.mark_block(end_lsn, self.now_ms);
    }
}

fn lsn_of(n: usize) -> Lsn {
    4096 + n as u64 * 8
}

pub(super) fn write(log: &mut Vec<Vec<u8>>, event: &Event<'_>) -> Lsn {
    let mut bytes = Vec::new();
    encode(event, &mut bytes);
    push(log, bytes)
}

pub(super) fn push(log: &mut Vec<Vec<u8>>, record: Vec<u8>) -> Lsn {
    log.push(record);
    lsn_of(log.len() - 1)
}

fn any(log: &[Vec<u8>], n: usize) -> Record<'_> {
    decode_any(&log[n]).expect("a record that was written is read")
}

pub(super) fn record(log: &[Vec<u8>], lsn: Lsn) -> Event<'_> {
    decode(&log[(lsn as usize - 4096) / 8]).expect("a record that was written is read")
}
