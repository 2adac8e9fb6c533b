//! What the commands mean, written down as naively as possible: the judge of the ledger, of shards and of servers.
//!
//! It keeps sorted maps, recomputes every sum, copies every id, and never forgets an id. Nothing here may be taken over
//! from the ledger but the words in which questions and answers are put. The parent module has `ledger` in scope
//! (`use creditd::ledger;`), so that unit tests, the simulator and the kill tests share this file.

use super::ledger::command::{Command, Op};
use super::ledger::credits::CREDITS_MAX;
use super::ledger::outcome::{Detail, Figures, HoldView, HoldsView, Outcome, Receipt, Status};
use super::ledger::rejection::{Conflict, Rejection, Verb};
use std::collections::BTreeMap;

/// All accounts.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Active reservations per account.
    pub holds_max: usize,
    /// By name.
    pub accounts: BTreeMap<Vec<u8>, Account>,
}

/// One account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub balance: u64,
    pub seq: u64,
    pub granted: u64,
    pub debited: u64,
    pub ids: BTreeMap<Vec<u8>, Id>,
}

/// What a transaction id means.
#[derive(Clone, Debug)]
pub struct Id {
    pub verb: Verb,
    pub amount: u64,
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
    /// Executes a command at `now`, which never goes back.
    pub fn execute(&mut self, command: &Command<'_>, now: u64) -> Outcome {
        let holds_max = self.holds_max;
        if let (Op::Grant { .. }, false) = (command.op, self.accounts.contains_key(command.account)) {
            self.accounts.insert(command.account.to_vec(), Account::default());
        }
        let Some(account) = self.accounts.get_mut(command.account) else {
            let figures = Figures { time_ms: now, ..Figures::default() };
            return match command.op {
                Op::Balance => Outcome::Balance(figures),
                Op::Holds => Outcome::Holds(Box::new(HoldsView { figures, holds: vec![] })),
                _ => Outcome::Rejected(Rejection::NoAccount),
            };
        };
        account.settle(now);
        match command.op {
            Op::Grant { amount } => account.start(command.tx, Verb::Grant, amount, now, 0, holds_max),
            Op::Debit { amount } => account.start(command.tx, Verb::Debit, amount, now, 0, holds_max),
            Op::Reserve { amount, ttl_ms } => {
                account.start(command.tx, Verb::Reserve, amount, now, now + ttl_ms, holds_max)
            }
            Op::Capture { amount } => account.capture(command.tx, amount, now),
            Op::Release => account.release(command.tx),
            Op::Refund { .. } | Op::BalanceAt { .. } | Op::Tx | Op::History(_) | Op::Audit => todo!(),
            Op::Balance => Outcome::Balance(account.figures(now)),
            Op::Holds => Outcome::Holds(Box::new(HoldsView { figures: account.figures(now), holds: account.holds() })),
        }
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
        while let Some((_, _, tx)) = self.active().into_iter().next().filter(|(expires, ..)| *expires <= now) {
            self.end(&tx, State::Expired, Status::Expired, Detail::None);
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
            .map(|(tx, id)| HoldView { tx, amount: id.amount, created_at_ms: id.created, expires_at_ms: id.expires })
            .collect()
    }

    fn receipt(&self, status: Status, detail: Detail) -> Receipt {
        let available = self.balance - self.reserved();
        Receipt { status, balance: self.balance, available, seq: self.seq, detail, replayed: false }
    }

    /// GRANT, DEBIT, RESERVE.
    fn start(&mut self, tx: &[u8], verb: Verb, amount: u64, now: u64, expires: u64, holds_max: usize) -> Outcome {
        if let Some(id) = self.ids.get(tx) {
            return id.start_again(verb, amount, now);
        }
        let (balance, available) = (self.balance, self.balance - self.reserved());
        let declined = match verb {
            Verb::Grant if balance + amount > CREDITS_MAX => Some(Rejection::Overflow { balance }),
            Verb::Debit | Verb::Reserve if amount > available => {
                Some(Rejection::Insufficient { available, required: amount })
            }
            Verb::Reserve if self.active().len() >= holds_max => Some(Rejection::Limit { holds: holds_max as u64 }),
            _ => None,
        };
        self.seq += 1;
        let (status, detail, state) = match verb {
            Verb::Grant => (Status::Granted, Detail::None, State::Done),
            Verb::Debit => (Status::Debited, Detail::None, State::Done),
            _ => (Status::Active, Detail::Expires(expires), State::Active),
        };
        let state = if declined.is_some() { State::Declined } else { state };
        match verb {
            Verb::Grant if state == State::Done => {
                (self.balance, self.granted) = (balance + amount, self.granted + amount)
            }
            Verb::Debit if state == State::Done => {
                (self.balance, self.debited) = (balance - amount, self.debited + amount)
            }
            _ => {}
        }
        let first = Outcome::Rejected(Rejection::NoAccount);
        self.ids.insert(tx.to_vec(), Id { verb, amount, state, first, end: None, created: now, expires });
        let first = declined.map_or_else(|| Outcome::Written(self.receipt(status, detail)), Outcome::Rejected);
        self.ids.get_mut(tx).unwrap().first = first.clone();
        // A decline shows figures too, when its id is released later.
        let end = (state == State::Declined).then(|| self.receipt(Status::Void, Detail::None));
        self.ids.get_mut(tx).unwrap().end = end;
        first
    }

    fn capture(&mut self, tx: &[u8], amount: Option<u64>, now: u64) -> Outcome {
        let Some(id) = self.ids.get(tx).cloned() else {
            return Outcome::Rejected(Rejection::NoReservation { op: None });
        };
        let given = amount.unwrap_or(id.amount);
        match id.state {
            State::Active if given > id.amount => {
                Outcome::Rejected(Rejection::Exceeds { limit: id.amount, given: Some(given) })
            }
            State::Active => {
                (self.balance, self.debited) = (self.balance - given, self.debited + given);
                let detail = Detail::Captured { captured: given, returned: id.amount - given };
                self.end(tx, State::Captured(given), Status::Captured, detail)
            }
            State::Captured(have) if have != given => {
                Outcome::Rejected(Rejection::TxConflict(Conflict::Amount { have, given }))
            }
            State::Captured(_) => again(id.end.unwrap()),
            State::Released | State::Expired | State::Void => id.gone(now),
            State::Done | State::Declined => id.no_reservation(),
        }
    }

    fn release(&mut self, tx: &[u8]) -> Outcome {
        let Some(id) = self.ids.get(tx).cloned() else {
            let (first, verb) = (Outcome::Rejected(Rejection::NoAccount), Verb::Release);
            let id = Id { verb, amount: 0, state: State::Void, first, end: None, created: 0, expires: 0 };
            self.ids.insert(tx.to_vec(), id);
            return self.end(tx, State::Void, Status::Void, Detail::None);
        };
        match id.state {
            State::Active => self.end(tx, State::Released, Status::Released, Detail::None),
            State::Captured(amount) => Outcome::Rejected(Rejection::Captured { amount, seq: id.end.unwrap().seq }),
            State::Released | State::Expired | State::Void => again(id.end.unwrap()),
            State::Declined if id.verb == Verb::Reserve => again(id.end.unwrap()),
            State::Done | State::Declined => id.no_reservation(),
        }
    }

    fn end(&mut self, tx: &[u8], state: State, status: Status, detail: Detail) -> Outcome {
        self.seq += 1;
        self.ids.get_mut(tx).unwrap().state = state;
        let receipt = self.receipt(status, detail);
        self.ids.get_mut(tx).unwrap().end = Some(receipt);
        Outcome::Written(receipt)
    }
}

impl Id {
    fn start_again(&self, given: Verb, amount: u64, now: u64) -> Outcome {
        if self.state == State::Void {
            return self.gone(now);
        }
        if self.verb != given {
            return Outcome::Rejected(Rejection::TxConflict(Conflict::Op { have: self.verb, given }));
        }
        if self.amount != amount {
            return Outcome::Rejected(Rejection::TxConflict(Conflict::Amount { have: self.amount, given: amount }));
        }
        match (self.state, &self.first) {
            (State::Released | State::Expired, _) => self.gone(now),
            (State::Captured(_), Outcome::Written(first)) => again(Receipt { status: Status::Captured, ..*first }),
            (_, Outcome::Written(first)) => again(*first),
            (_, declined) => declined.clone(),
        }
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
