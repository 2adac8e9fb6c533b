//! What the commands mean, written down as naively as possible: the judge of the ledger, of shards and of servers.
//!
//! It keeps sorted maps and the list of all entries, recomputes every sum, copies every id, and never forgets an id.
//! Nothing here may be taken over from the ledger but the words in which questions and answers are put. The parent
//! module has `ledger` in scope (`use creditd::ledger;`), so that unit tests, the simulator and the kill tests share
//! this file.
#![allow(dead_code, reason = "no one of the tests that share it uses all of it")]

mod lead;
mod trail;

pub use lead::Lead;
pub use trail::Entry;

use super::ledger;
use ledger::command::{Command, HistoryQuery, Op};
use ledger::credits::CREDITS_MAX;
use ledger::event::{DeclineCode, EntryType, NEVER_MS};
use ledger::lead::OwnedRefusal;
use ledger::outcome::{AuditView, Detail, Figures, HoldView, HoldsView, Outcome, Receipt, Status};
use ledger::rejection::{Busy, Conflict, OfConflict, Rejection, Verb};
use std::collections::BTreeMap;

/// All accounts and leads.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Active reservations per account.
    pub holds_max: usize,
    /// By name.
    pub accounts: BTreeMap<Vec<u8>, Account>,
    /// By name.
    pub leads: BTreeMap<Vec<u8>, Lead>,
}

/// One account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub balance: u64,
    pub seq: u64,
    pub granted: u64,
    pub debited: u64,
    pub refunded: u64,
    pub ids: BTreeMap<Vec<u8>, Id>,
    /// The trail; what is forgotten of `ids` is still here.
    pub entries: Vec<Entry>,
}

/// What a transaction id means.
#[derive(Clone, Debug)]
pub struct Id {
    pub verb: Verb,
    pub amount: u64,
    /// What a refund refunds.
    pub of: Vec<u8>,
    /// What a claim claims; its slot and how many were left after it, or why there is none.
    pub lead: Vec<u8>,
    pub claim: Option<(u32, u32)>,
    pub refusal: Option<OwnedRefusal>,
    pub state: State,
    /// What the command that came first was told.
    pub first: Outcome,
    /// What the command (or the deadline) that ended the reservation was told.
    pub end: Option<Receipt>,
    pub created: u64,
    pub expires: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Done,
    Declined,
    Active,
    Captured(u64),
    Released,
    Expired,
    Void,
}

impl Model {
    /// Executes a command at `now`, which never goes back. HISTORY is asked with [`Model::history`].
    pub fn execute(&mut self, command: &Command<'_>, now: u64) -> Outcome {
        if let Op::BalanceAt { at_ms } = command.op
            && at_ms >= now
        {
            return Outcome::Rejected(Rejection::NotPast { at_ms, now_ms: now });
        }
        match command.op {
            Op::Lead(op) => return self.ask_lead(command, op, now),
            Op::Claim { cost } => return self.claim_at_once(command, cost, now),
            _ => {}
        }
        let holds_max = self.holds_max;
        if let (Op::Grant { .. }, false) = (command.op, self.accounts.contains_key(command.account)) {
            self.accounts.insert(command.account.to_vec(), Account::default());
        }
        let Some(account) = self.accounts.get_mut(command.account) else {
            return unknown_account(command.op, now);
        };
        account.settle(now);
        match command.op {
            Op::Grant { amount } => account.start(command, Verb::Grant, amount, now, holds_max),
            Op::Debit { amount } => account.start(command, Verb::Debit, amount, now, holds_max),
            Op::Reserve { amount, .. } => account.start(command, Verb::Reserve, amount, now, holds_max),
            Op::Capture { amount } => account.capture(command, amount, now),
            Op::Release => account.release(command, now),
            Op::Refund { amount } => account.refund(command, amount, now),
            Op::Balance => Outcome::Balance(account.figures(now)),
            Op::Holds => Outcome::Holds(Box::new(HoldsView { figures: account.figures(now), holds: account.holds() })),
            Op::BalanceAt { at_ms } => Outcome::Balance(account.figures_at(at_ms)),
            Op::Tx => Outcome::Tx(account.tx_view(command.tx).map(Box::new)),
            Op::Audit => Outcome::Audit(account.audit()),
            Op::History(_) => panic!("the model's history is a list"),
            Op::Claim { .. } | Op::Lead(_) | Op::EventCount => unreachable!("executed above, or never asked"),
        }
    }

    /// The entries that a CREDIT.HISTORY at `now` shows.
    pub fn history(&mut self, account: &[u8], query: &HistoryQuery, now: u64) -> Vec<Entry> {
        let Some(account) = self.accounts.get_mut(account) else { return Vec::new() };
        account.settle(now);
        account.history(query)
    }
}

fn unknown_account(op: Op, now: u64) -> Outcome {
    let figures = |time_ms| Figures { time_ms, ..Figures::default() };
    match op {
        Op::Balance => Outcome::Balance(figures(now)),
        Op::Holds => Outcome::Holds(Box::new(HoldsView { figures: figures(now), holds: vec![] })),
        Op::BalanceAt { at_ms } => Outcome::Balance(figures(at_ms)),
        Op::Tx => Outcome::Tx(None),
        Op::Audit => Outcome::Audit(AuditView::default()),
        _ => Outcome::Rejected(Rejection::NoAccount),
    }
}

impl Account {
    pub fn reserved(&self) -> u64 {
        self.ids.values().filter(|id| id.state == State::Active).map(|id| id.amount).sum()
    }

    pub fn figures(&self, now: u64) -> Figures {
        Figures { balance: self.balance, reserved: self.reserved(), seq: self.seq, time_ms: now }
    }

    /// Expires what is due, oldest deadline first.
    pub fn settle(&mut self, now: u64) {
        while let Some((expires, _, tx)) = self.active().into_iter().next().filter(|(expires, ..)| *expires <= now) {
            self.end(&Command::new(b"", &tx, Op::Balance), State::Expired, expires);
        }
    }

    /// Active reservations by deadline, then age.
    fn active(&self) -> Vec<(u64, u64, Vec<u8>)> {
        let seq = |id: &Id| if let Outcome::Written(receipt) = &id.first { receipt.seq } else { 0 };
        let active = self.ids.iter().filter(|(_, id)| id.state == State::Active);
        let mut active: Vec<_> = active.map(|(tx, id)| (id.expires, seq(id), tx.clone())).collect();
        active.sort();
        active
    }

    fn holds(&self) -> Vec<HoldView> {
        let view = |tx: &Vec<u8>| (tx.clone().into_boxed_slice(), &self.ids[tx]);
        let active = self.active();
        let views = active.iter().map(|(_, _, tx)| view(tx));
        views
            .map(|(tx, id)| HoldView {
                tx,
                amount: id.amount,
                created_at_ms: id.created,
                expires_at_ms: Some(id.expires).filter(|expires| *expires != NEVER_MS),
                lead: id.lead.as_slice().into(),
            })
            .collect()
    }

    fn receipt(&self, status: Status, detail: Detail) -> Receipt {
        let available = self.balance - self.reserved();
        Receipt { status, balance: self.balance, available, seq: self.seq, detail, replayed: false }
    }

    /// GRANT, DEBIT, RESERVE; the hold of a claim.
    fn start(&mut self, command: &Command<'_>, verb: Verb, amount: u64, now: u64, holds_max: usize) -> Outcome {
        if let Some(id) = self.ids.get(command.tx) {
            return id.start_again(command, verb, amount, now);
        }
        let (balance, available) = (self.balance, self.balance - self.reserved());
        let declined = match verb {
            Verb::Grant if balance + amount > CREDITS_MAX => Some(Rejection::Overflow { balance }),
            Verb::Debit | Verb::Reserve | Verb::Claim if amount > available => {
                Some(Rejection::Insufficient { available, required: amount })
            }
            Verb::Reserve | Verb::Claim if self.active().len() >= holds_max => {
                Some(Rejection::Limit { holds: holds_max as u64 })
            }
            _ => None,
        };
        self.begin(command, verb, amount, now, declined)
    }

    fn refund(&mut self, command: &Command<'_>, amount: Option<u64>, now: u64) -> Outcome {
        if let Some(id) = self.ids.get(command.tx) {
            return id.refund_again(command.of, amount, now);
        }
        // An id that is new to writes cannot be refunded by itself, whatever it meant before it was forgotten.
        let Some(of) = self.tx_view(command.of).filter(|_| command.tx != command.of) else {
            return Outcome::Rejected(Rejection::NoTx);
        };
        let Some(left) = self.refundable(command.of) else {
            return Outcome::Rejected(Rejection::NotRefundable { op: of.op, state: of.state });
        };
        let resolved = amount.unwrap_or(left);
        if left == 0 || resolved > left {
            return Outcome::Rejected(Rejection::Exceeds { limit: left, given: amount });
        }
        let balance = self.balance;
        let declined = (balance + resolved > CREDITS_MAX).then_some(Rejection::Overflow { balance });
        self.begin(command, Verb::Refund, resolved, now, declined)
    }

    /// The first entry of an id: it happens, or is declined.
    fn begin(
        &mut self,
        command: &Command<'_>,
        verb: Verb,
        amount: u64,
        now: u64,
        declined: Option<Rejection>,
    ) -> Outcome {
        let expires = match command.op {
            Op::Reserve { ttl_ms, .. } => now + ttl_ms,
            Op::Claim { .. } => NEVER_MS,
            _ => 0,
        };
        let state = match verb {
            _ if declined.is_some() => State::Declined,
            Verb::Reserve | Verb::Claim => State::Active,
            _ => State::Done,
        };
        match verb {
            _ if declined.is_some() => {}
            Verb::Grant => (self.balance, self.granted) = (self.balance + amount, self.granted + amount),
            Verb::Debit => (self.balance, self.debited) = (self.balance - amount, self.debited + amount),
            Verb::Refund => (self.balance, self.refunded) = (self.balance + amount, self.refunded + amount),
            _ => {}
        }
        let is_refund = verb == Verb::Refund && declined.is_none();
        // Refunded so far and left to refund, after this.
        let refund = is_refund.then(|| {
            let (refunds, left) = (self.refunds(command.of), self.refundable(command.of).unwrap());
            (refunds.iter().sum::<u64>() + amount, left - amount)
        });
        let id = Id { amount, state, created: now, expires, ..Id::new(verb, command) };
        self.ids.insert(command.tx.to_vec(), id);
        let entry_type = match verb {
            _ if declined.is_some() => EntryType::Decline,
            Verb::Grant => EntryType::Grant,
            Verb::Debit => EntryType::Debit,
            Verb::Refund => EntryType::Refund,
            _ => EntryType::Reserve,
        };
        let entry = self.enter(entry_type, command, amount, now);
        entry.of = command.of.to_vec();
        entry.lead = command.lead.to_vec();
        entry.expires = (state == State::Active && expires != NEVER_MS).then_some(expires);
        entry.refund = refund;
        entry.declined = declined.as_ref().map(|rejection| (verb, code(rejection)));
        let (status, detail) = match verb {
            Verb::Grant => (Status::Granted, Detail::None),
            Verb::Debit => (Status::Debited, Detail::None),
            Verb::Refund => (Status::Refunded, Detail::Refundable(refund.map_or(0, |(_, left)| left))),
            _ => (Status::Active, Detail::Expires(expires)),
        };
        let first = declined.map_or_else(|| Outcome::Written(self.receipt(status, detail)), Outcome::Rejected);
        // A decline shows figures too, when its id is released later.
        let end = (state == State::Declined).then(|| self.receipt(Status::Void, Detail::None));
        let id = self.ids.get_mut(command.tx).unwrap();
        (id.first, id.end) = (first.clone(), end);
        first
    }

    fn capture(&mut self, command: &Command<'_>, amount: Option<u64>, now: u64) -> Outcome {
        let Some(id) = self.ids.get(command.tx).cloned() else {
            return Outcome::Rejected(Rejection::NoReservation { op: None });
        };
        if id.verb == Verb::Claim {
            return id.no_reservation();
        }
        let given = amount.unwrap_or(id.amount);
        match id.state {
            State::Active if given > id.amount => {
                Outcome::Rejected(Rejection::Exceeds { limit: id.amount, given: Some(given) })
            }
            State::Active => {
                (self.balance, self.debited) = (self.balance - given, self.debited + given);
                self.end(command, State::Captured(given), now)
            }
            State::Captured(have) if have != given => {
                Outcome::Rejected(Rejection::TxConflict(Conflict::Amount { have, given }))
            }
            State::Captured(_) => again(id.end.unwrap()),
            State::Released | State::Expired | State::Void => id.gone(now),
            State::Done | State::Declined => id.no_reservation(),
        }
    }

    fn release(&mut self, command: &Command<'_>, now: u64) -> Outcome {
        let Some(id) = self.ids.get(command.tx).cloned() else {
            let id = Id { state: State::Void, ..Id::new(Verb::Release, command) };
            self.ids.insert(command.tx.to_vec(), id);
            return self.end(command, State::Void, now);
        };
        match id.state {
            State::Active if id.verb == Verb::Claim => Outcome::Rejected(Rejection::TryAgain(Busy::Claim)),
            State::Active => self.end(command, State::Released, now),
            State::Captured(amount) => Outcome::Rejected(Rejection::Captured { amount, seq: id.end.unwrap().seq }),
            State::Released | State::Expired | State::Void => again(id.end.unwrap()),
            State::Declined if id.verb == Verb::Reserve => again(id.end.unwrap()),
            State::Done | State::Declined => id.no_reservation(),
        }
    }

    /// A reservation ends, or an id is burned.
    fn end(&mut self, command: &Command<'_>, state: State, time: u64) -> Outcome {
        let id = self.ids.get_mut(command.tx).unwrap();
        id.state = state;
        let (amount, claim, refusal, lead) = (id.amount, id.claim, id.refusal.clone(), id.lead.clone());
        let (entry_type, status, detail) = match (state, claim) {
            (_, Some((claim, remaining))) => (EntryType::Capture, Status::Claimed, Detail::Claim { claim, remaining }),
            (State::Captured(captured), None) => {
                let detail = Detail::Captured { captured, returned: amount - captured };
                (EntryType::Capture, Status::Captured, detail)
            }
            (State::Released, _) => (EntryType::Release, Status::Released, Detail::None),
            (State::Expired, _) => (EntryType::Expire, Status::Expired, Detail::None),
            _ => (EntryType::Void, Status::Void, Detail::None),
        };
        let entry = self.enter(entry_type, command, amount, time);
        entry.captured = if let State::Captured(captured) = state { Some(captured) } else { None };
        (entry.claim, entry.refusal, entry.lead) = (claim, refusal, lead);
        let receipt = self.receipt(status, detail);
        self.ids.get_mut(command.tx).unwrap().end = Some(receipt);
        Outcome::Written(receipt)
    }
}

impl Id {
    /// That means nothing yet.
    fn new(verb: Verb, command: &Command<'_>) -> Self {
        Self {
            verb,
            amount: 0,
            of: command.of.to_vec(),
            lead: command.lead.to_vec(),
            claim: None,
            refusal: None,
            state: State::Done,
            first: Outcome::Rejected(Rejection::NoAccount),
            end: None,
            created: 0,
            expires: 0,
        }
    }

    fn start_again(&self, command: &Command<'_>, given: Verb, amount: u64, now: u64) -> Outcome {
        if self.state == State::Void {
            return self.gone(now);
        }
        if self.verb != given {
            return Outcome::Rejected(Rejection::TxConflict(Conflict::Op { have: self.verb, given }));
        }
        if self.lead != command.lead {
            let (have, given) = (self.lead.as_slice().into(), command.lead.into());
            return Outcome::Rejected(Rejection::TxConflict(Conflict::Lead(Box::new(OfConflict { have, given }))));
        }
        if self.amount != amount {
            return Outcome::Rejected(Rejection::TxConflict(Conflict::Amount { have: self.amount, given: amount }));
        }
        match (self.state, &self.first) {
            (State::Released, refused) if self.refusal.is_some() => refused.clone(),
            (State::Released | State::Expired, _) => self.gone(now),
            (State::Captured(_), _) if self.claim.is_some() => again(self.end.unwrap()),
            (State::Captured(_), Outcome::Written(first)) => again(Receipt { status: Status::Captured, ..*first }),
            (_, Outcome::Written(first)) => again(*first),
            (_, declined) => declined.clone(),
        }
    }

    fn refund_again(&self, of: &[u8], amount: Option<u64>, now: u64) -> Outcome {
        let given = Verb::Refund;
        let conflict = if self.state == State::Void {
            return self.gone(now);
        } else if self.verb != given {
            Conflict::Op { have: self.verb, given }
        } else if self.of != of {
            Conflict::Of(Box::new(OfConflict { have: self.of.clone().into(), given: of.into() }))
        } else if let Some(given) = amount.filter(|amount| *amount != self.amount) {
            Conflict::Amount { have: self.amount, given }
        } else if let Outcome::Written(first) = self.first {
            return again(first);
        } else {
            return self.first.clone();
        };
        Outcome::Rejected(Rejection::TxConflict(conflict))
    }

    fn gone(&self, now_ms: u64) -> Outcome {
        let seq = self.end.unwrap().seq;
        Outcome::Rejected(match self.state {
            State::Expired => Rejection::Expired { expires_at_ms: self.expires, now_ms },
            _ => Rejection::Released { amount: self.amount, seq },
        })
    }

    fn no_reservation(&self) -> Outcome {
        let op = if self.verb == Verb::Reserve { None } else { Some(self.verb) };
        Outcome::Rejected(Rejection::NoReservation { op })
    }
}

fn again(receipt: Receipt) -> Outcome {
    Outcome::Written(Receipt { replayed: true, ..receipt })
}

fn code(declined: &Rejection) -> DeclineCode {
    match *declined {
        Rejection::Insufficient { .. } => DeclineCode::Insufficient,
        Rejection::Overflow { .. } => DeclineCode::Overflow,
        Rejection::Limit { holds } => DeclineCode::Limit { holds },
        _ => panic!("not bound: {declined:?}"),
    }
}
