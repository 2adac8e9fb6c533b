//! What a command does: the tables of commands.md C.2, C.7 and C.11 as code.
//!
//! One function per verb; in each, what the id already means comes first (R2; [`answers`]), then the account's state.
//! Pure: reads the ledger, changes nothing. Settling is done before (R3), so no hold met here is due.

mod answers;
mod refund;

use super::account::Account;
use super::command::{Command, Op};
use super::credits::CREDITS_MAX;
use super::event::{Change, DeclineCode, DeclinedOp, Event, NEVER_MS};
use super::id::{Lsn, NO_LSN};
use super::outcome::{Detail, Figures, HoldView, HoldsView, Outcome, Status};
use super::rejection::{Busy, Conflict, Rejection, Table, Verb};
use super::reservation::{Hold, HoldSlot};
use super::{Ledger, Located};
use answers::{Known, expired, figures, no_reservation, outcome, receipt, reject, released};

/// What the caller found behind a [`Prior`](super::Prior). Ids are compared here; a hash collision is no past.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "lives on the stack for one command: a box would be an allocation")]
pub enum Past<'a> {
    /// The id is new.
    Unknown,
    /// The id is an active reservation.
    Active(HoldSlot),
    /// The id was decided.
    Recorded(Recorded<'a>),
}

/// An id's past, from its records. A REFUND *of* the id is not its past but a figure of it: `refunded`.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// The entry that decided the id, or ended its reservation.
    pub event: Event<'a>,
    /// Where that stands.
    pub lsn: Lsn,
    /// The RESERVE that `event` ended; needed when that is a CAPTURE and the command a RESERVE.
    pub opened: Option<Event<'a>>,
    /// Sum of the refunds of it.
    pub refunded: u64,
}

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<'c> {
    /// Journal and apply this; the answer is its [`outcome_of`].
    Commit(Event<'c>),
    /// Answer this; nothing changes.
    Answer(Outcome),
    /// The claim with this id runs; what it comes to is the answer.
    Wait(HoldSlot),
}

/// The reply to a command whose decision was to commit `event`.
pub fn outcome_of(event: &Event<'_>) -> Outcome {
    outcome(event, false)
}

/// As [`outcome_of`], to whoever asked for the same while `event` was decided.
pub fn outcome_again(event: &Event<'_>) -> Outcome {
    outcome(event, true)
}

impl Ledger {
    /// Decides a command on the account at `at`, which is settled at `now_ms`. `past` is what its id answers now, `of`
    /// what the id answers that a REFUND is of; where there is none, they are not looked at. Reads of the trail are not
    /// for the ledger, which does not have it.
    ///
    /// # Panics
    /// If a hold is due, or the RESERVE behind a CAPTURE is missing: the caller left a step out.
    pub fn decide<'c>(
        &self,
        at: Located,
        command: &Command<'c>,
        past: &Past<'_>,
        of: &Past<'_>,
        now_ms: u64,
    ) -> Decision<'c> {
        let account = self.account(at);
        assert!(account.is_none_or(|a| a.next_deadline_ms > now_ms), "settle first (R3)");
        let Some(account) = account else { return self.decide_unknown(at, command, now_ms) };
        let known = self.know(at, command.account, command.tx, past);
        let draft = Draft { ledger: self, at, account: Some(account), command, now_ms };
        match command.op {
            Op::Grant { amount } => draft.grant(amount, &known),
            Op::Debit { amount } => draft.debit(account, amount, &known),
            Op::Reserve { amount, ttl_ms } => draft.reserve(account, amount, ttl_ms, &known),
            Op::Capture { amount } => draft.capture(account, amount, &known),
            Op::Release => draft.release(account, &known),
            Op::Balance => Decision::Answer(Outcome::Balance(figures(account, now_ms))),
            Op::Holds => Decision::Answer(Outcome::Holds(Box::new(self.holds_view(at, account, now_ms)))),
            Op::Refund { amount } => {
                draft.refund(account, amount, &known, &self.know(at, command.account, command.of, of))
            }
            Op::Claim { cost } => draft.claim(account, cost, &known),
            Op::BalanceAt { .. } | Op::Tx | Op::History(_) | Op::Audit => panic!("the ledger has no trail"),
            Op::Lead(_) | Op::EventCount => panic!("no account decides this"),
        }
    }

    fn decide_unknown<'c>(&self, at: Located, command: &Command<'c>, now_ms: u64) -> Decision<'c> {
        let figures = Figures { time_ms: now_ms, ..Figures::default() };
        match command.op {
            Op::Grant { .. } if self.accounts.len() >= self.limits.accounts_max => {
                reject(Rejection::OutOfMemory(Table::Accounts))
            }
            Op::Grant { amount } => {
                Draft { ledger: self, at, account: None, command, now_ms }.grant(amount, &Known::Nothing)
            }
            Op::Balance => Decision::Answer(Outcome::Balance(figures)),
            Op::Holds => Decision::Answer(Outcome::Holds(Box::new(HoldsView { figures, holds: Vec::new() }))),
            Op::Debit { .. } | Op::Reserve { .. } | Op::Capture { .. } | Op::Release | Op::Refund { .. } => {
                reject(Rejection::NoAccount)
            }
            Op::Claim { .. } => reject(Rejection::NoAccount),
            Op::BalanceAt { .. } | Op::Tx | Op::History(_) | Op::Audit => panic!("the ledger has no trail"),
            Op::Lead(_) | Op::EventCount => panic!("no account decides this"),
        }
    }

    /// What `past` says about `id`: nothing, where it is another id's.
    fn know<'a>(&'a self, at: Located, account: &[u8], id: &[u8], past: &'a Past<'_>) -> Known<'a> {
        match past {
            Past::Active(slot) => {
                let hold = self.holds.get(*slot);
                let is_same = Some(hold.account) == at.number && hold.tx() == id;
                match self.holds.lead(*slot) {
                    _ if !is_same => Known::Nothing,
                    b"" => Known::Held(hold),
                    lead => Known::Claiming { slot: *slot, hold, lead },
                }
            }
            Past::Recorded(recorded) if recorded.event.account == account && recorded.event.tx == id => {
                let is_open = matches!(recorded.event.change, Change::Reserve { .. });
                assert!(!is_open, "an active reservation answers from memory, an ended one from its end");
                Known::Entry(recorded)
            }
            Past::Unknown | Past::Recorded(_) => Known::Nothing,
        }
    }

    fn holds_view(&self, at: Located, account: &Account, now_ms: u64) -> HoldsView {
        let view = |(slot, hold): (HoldSlot, &Hold)| HoldView {
            tx: hold.tx().into(),
            amount: hold.amount,
            created_at_ms: hold.created_at_ms,
            expires_at_ms: Some(hold.expires_at_ms()).filter(|&at_ms| at_ms != NEVER_MS),
            lead: self.holds.lead(slot).into(),
        };
        let holds = self.holds.of(self.hold_list(at)).map(view).collect();
        HoldsView { figures: figures(account, now_ms), holds }
    }
}

/// A command about to become an entry.
struct Draft<'l, 'd, 'c> {
    ledger: &'l Ledger,
    at: Located,
    /// `None`: the entry opens it.
    account: Option<&'l Account>,
    command: &'d Command<'c>,
    now_ms: u64,
}

impl<'c> Draft<'_, '_, 'c> {
    fn grant(&self, amount: u64, known: &Known<'_>) -> Decision<'c> {
        if let Some(answer) = known.answer_again(Verb::Grant, self.command, Some(amount), self.now_ms) {
            return answer;
        }
        let (balance, reserved) = self.account.map_or((0, 0), |a| (a.balance, a.reserved));
        if amount > CREDITS_MAX - balance {
            return self.decline(amount, DeclinedOp::Grant, DeclineCode::Overflow);
        }
        self.enter(amount, balance + amount, reserved, Change::Grant)
    }

    fn debit(&self, account: &Account, amount: u64, known: &Known<'_>) -> Decision<'c> {
        if let Some(answer) = known.answer_again(Verb::Debit, self.command, Some(amount), self.now_ms) {
            return answer;
        }
        if amount > account.available() {
            return self.decline(amount, DeclinedOp::Debit, DeclineCode::Insufficient);
        }
        self.enter(amount, account.balance - amount, account.reserved, Change::Debit)
    }

    fn reserve(&self, account: &Account, amount: u64, ttl_ms: u64, known: &Known<'_>) -> Decision<'c> {
        if let Some(answer) = known.answer_again(Verb::Reserve, self.command, Some(amount), self.now_ms) {
            return answer;
        }
        self.hold(account, amount, DeclinedOp::Reserve, self.now_ms + ttl_ms)
    }

    /// LEAD.CLAIM, of a lead that is open as far as anybody knows.
    fn claim(&self, account: &Account, cost: u64, known: &Known<'_>) -> Decision<'c> {
        if let Some(answer) = known.answer_again(Verb::Claim, self.command, Some(cost), self.now_ms) {
            return answer;
        }
        self.hold(account, cost, DeclinedOp::Claim, NEVER_MS)
    }

    /// Holds the amount, if it is there.
    fn hold(&self, account: &Account, amount: u64, op: DeclinedOp, expires_at_ms: u64) -> Decision<'c> {
        if amount > account.available() {
            return self.decline(amount, op, DeclineCode::Insufficient);
        }
        let holds = self.ledger.hold_list(self.at).len;
        if holds >= self.ledger.limits.holds_per_account_max {
            return self.decline(amount, op, DeclineCode::Limit { holds: u64::from(holds) });
        }
        let change = Change::Reserve { expires_at_ms, lead: self.command.lead };
        self.enter(amount, account.balance, account.reserved + amount, change)
    }

    fn capture(&self, account: &Account, amount: Option<u64>, known: &Known<'_>) -> Decision<'c> {
        let event = match known {
            Known::Nothing => return reject(Rejection::NoReservation { op: None }),
            Known::Claiming { .. } => return reject(Rejection::NoReservation { op: Some(Verb::Claim) }),
            Known::Held(hold) => {
                let captured = amount.unwrap_or(hold.amount);
                if captured > hold.amount {
                    return reject(Rejection::Exceeds { limit: hold.amount, given: Some(captured) });
                }
                let change = Change::Capture { captured, opened_lsn: hold.opened_lsn, lead: b"" };
                let kept = if planted!("capture returns nothing") { hold.amount - captured } else { 0 };
                return self.end(hold, account.balance - captured, account.reserved - hold.amount + kept, change);
            }
            Known::Entry(recorded) => &recorded.event,
        };
        match event.change {
            Change::Capture { captured, .. } => {
                // Absent means the whole hold, then and now; so the same request again names the same sum.
                let given = amount.unwrap_or(event.amount);
                if given != captured {
                    return reject(Rejection::TxConflict(Conflict::Amount { have: captured, given }));
                }
                Decision::Answer(outcome(event, true))
            }
            Change::Release { .. } | Change::Void => reject(released(event)),
            Change::Expire { .. } => reject(expired(event, self.now_ms)),
            _ => reject(Rejection::NoReservation { op: no_reservation(event) }),
        }
    }

    fn release(&self, account: &Account, known: &Known<'_>) -> Decision<'c> {
        let event = match known {
            Known::Nothing => return self.enter(0, account.balance, account.reserved, Change::Void),
            Known::Claiming { .. } => return reject(Rejection::TryAgain(Busy::Claim)),
            Known::Held(hold) => {
                let change = Change::Release { opened_lsn: hold.opened_lsn, lead: b"" };
                return self.end(hold, account.balance, account.reserved - hold.amount, change);
            }
            Known::Entry(recorded) => &recorded.event,
        };
        match event.change {
            Change::Capture { captured, .. } => reject(Rejection::Captured { amount: captured, seq: event.seq }),
            Change::Claimed { .. } => reject(Rejection::Captured { amount: event.amount, seq: event.seq }),
            Change::Refused { .. } => {
                Decision::Answer(Outcome::Written(receipt(event, Status::Released, Detail::None, true)))
            }
            Change::Release { .. } | Change::Expire { .. } | Change::Void => Decision::Answer(outcome(event, true)),
            Change::Decline { op: DeclinedOp::Reserve, .. } => {
                Decision::Answer(Outcome::Written(receipt(event, Status::Void, Detail::None, true)))
            }
            _ => reject(Rejection::NoReservation { op: no_reservation(event) }),
        }
    }

    /// An entry that ends a hold; its id is in the index already, so memory cannot refuse it.
    fn end(&self, hold: &Hold, balance: u64, reserved: u64, change: Change<'c>) -> Decision<'c> {
        Decision::Commit(self.event(hold.amount, balance, reserved, change))
    }

    fn decline(&self, amount: u64, op: DeclinedOp, code: DeclineCode) -> Decision<'c> {
        let (balance, reserved) = self.account.map_or((0, 0), |a| (a.balance, a.reserved));
        self.enter(
            amount,
            balance,
            reserved,
            Change::Decline { op, code, of: self.command.of, lead: self.command.lead },
        )
    }

    /// An entry that brings a new id into the index.
    fn enter(&self, amount: u64, balance: u64, reserved: u64, change: Change<'c>) -> Decision<'c> {
        if self.ledger.index.is_full() {
            return reject(Rejection::OutOfMemory(Table::Transactions));
        }
        Decision::Commit(self.event(amount, balance, reserved, change))
    }

    fn event(&self, amount: u64, balance: u64, reserved: u64, change: Change<'c>) -> Event<'c> {
        let (last_seq, prev_lsn) = self.account.map_or((0, NO_LSN), |a| (a.seq, a.last_lsn));
        Event {
            account: self.command.account,
            tx: self.command.tx,
            reason: self.command.reason,
            meta: self.command.meta,
            time_ms: self.now_ms,
            seq: last_seq + 1,
            amount,
            balance,
            reserved,
            prev_lsn,
            skip_lsn: self.ledger.skip_lsn(self.at, last_seq + 1),
            change,
        }
    }
}
