//! What a known id answers: the first outcome again, or why not (commands.md C.7, C.11, 1-6).
//!
//! The figures are those of the entry that decided the command, whatever happened to the account since.

use super::super::account::Account;
use super::super::command::Command;
use super::super::event::{Change, DeclineCode, Event};
use super::super::outcome::{Detail, Figures, Outcome, Receipt, Status};
use super::super::rejection::{Conflict, OfConflict, Rejection, Verb};
use super::super::reservation::{Hold, HoldSlot};
use super::super::tx_view::first_verb;
use super::{Decision, Recorded};

/// The past of an id, its ids compared.
pub(super) enum Known<'a> {
    Nothing,
    /// A reservation that holds.
    Held(&'a Hold),
    /// A claim that runs.
    Claiming {
        slot: HoldSlot,
        hold: &'a Hold,
        lead: &'a [u8],
    },
    Entry(&'a Recorded<'a>),
}

impl Known<'_> {
    /// What a GRANT, DEBIT, RESERVE, REFUND or claim of a known id answers: burned, another verb, another `of`, lead or
    /// amount (C.11, 6), or again what it answered before, or what the claim that runs will answer. An `amount`
    /// of `None` is whatever it was.
    pub(super) fn answer_again(
        &self,
        given: Verb,
        command: &Command<'_>,
        amount: Option<u64>,
        now_ms: u64,
    ) -> Option<Decision<'static>> {
        let (have, [have_of, have_lead], have_amount) = match self {
            Known::Nothing => return None,
            Known::Held(hold) => (Verb::Reserve, [&b""[..]; 2], hold.amount),
            Known::Claiming { hold, lead, .. } => (Verb::Claim, [&b""[..], lead], hold.amount),
            Known::Entry(Recorded { event, .. }) if event.change == Change::Void => {
                return Some(reject(released(event)));
            }
            Known::Entry(Recorded { event, .. }) => (first_verb(event), [event.of(), event.lead()], event.amount),
        };
        let conflict = match amount {
            _ if have != given => Some(Conflict::Op { have, given }),
            _ if have_of != command.of => Some(Conflict::Of(two(have_of, command.of))),
            _ if have_lead != command.lead => Some(Conflict::Lead(two(have_lead, command.lead))),
            Some(given) if given != have_amount => Some(Conflict::Amount { have: have_amount, given }),
            _ => None,
        };
        Some(match (conflict, self) {
            (Some(conflict), _) => reject(Rejection::TxConflict(conflict)),
            (None, Known::Nothing) => return None,
            (None, Known::Held(hold)) => Decision::Answer(Outcome::Written(held(hold))),
            (None, Known::Claiming { slot, .. }) => Decision::Wait(*slot),
            (None, Known::Entry(recorded)) => recorded.answer_again(now_ms),
        })
    }
}

impl Recorded<'_> {
    /// What the first use of the id answers now.
    fn answer_again(&self, now_ms: u64) -> Decision<'static> {
        match self.event.change {
            Change::Capture { opened_lsn, .. } => {
                let reserve = self.opened.as_ref().expect("the caller reads the RESERVE behind a CAPTURE");
                let Change::Reserve { expires_at_ms, .. } = reserve.change else {
                    panic!("the record at {opened_lsn} is the RESERVE that a CAPTURE ended")
                };
                let detail = Detail::Expires(expires_at_ms);
                Decision::Answer(Outcome::Written(receipt(reserve, Status::Captured, detail, true)))
            }
            Change::Release { .. } => reject(released(&self.event)),
            Change::Refused { refusal, .. } => reject(refusal.rejection()),
            Change::Expire { .. } => reject(expired(&self.event, now_ms)),
            _ => Decision::Answer(outcome(&self.event, true)),
        }
    }
}

/// The answer that an entry gives to the command that it decides.
pub(super) fn outcome(event: &Event<'_>, replayed: bool) -> Outcome {
    let (status, detail) = match event.change {
        Change::Grant => (Status::Granted, Detail::None),
        Change::Debit => (Status::Debited, Detail::None),
        Change::Reserve { expires_at_ms, .. } => (Status::Active, Detail::Expires(expires_at_ms)),
        Change::Capture { captured, .. } => {
            (Status::Captured, Detail::Captured { captured, returned: event.amount - captured })
        }
        Change::Release { .. } => (Status::Released, Detail::None),
        Change::Claimed { claim, remaining, .. } => (Status::Claimed, Detail::Claim { claim, remaining }),
        Change::Refused { refusal, .. } => return Outcome::Rejected(refusal.rejection()),
        Change::Expire { .. } => (Status::Expired, Detail::None),
        Change::Void => (Status::Void, Detail::None),
        Change::Refund { refundable, .. } => (Status::Refunded, Detail::Refundable(refundable)),
        Change::Decline { code, .. } => return Outcome::Rejected(declined(event, code)),
    };
    Outcome::Written(receipt(event, status, detail, replayed))
}

fn two(have: &[u8], given: &[u8]) -> Box<OfConflict> {
    Box::new(OfConflict { have: have.into(), given: given.into() })
}

pub(super) fn receipt(event: &Event<'_>, status: Status, detail: Detail, replayed: bool) -> Receipt {
    let available = event.balance - event.reserved;
    Receipt { status, balance: event.balance, available, seq: event.seq, detail, replayed }
}

/// A RESERVE again while its hold is active: from memory, with the figures of then.
fn held(hold: &Hold) -> Receipt {
    Receipt {
        status: Status::Active,
        balance: hold.balance,
        available: hold.balance - hold.reserved,
        seq: hold.seq,
        detail: Detail::Expires(hold.expires_at_ms()),
        replayed: true,
    }
}

fn declined(event: &Event<'_>, code: DeclineCode) -> Rejection {
    match code {
        DeclineCode::Insufficient => {
            Rejection::Insufficient { available: event.balance - event.reserved, required: event.amount }
        }
        DeclineCode::Overflow => Rejection::Overflow { balance: event.balance },
        DeclineCode::Limit { holds } => Rejection::Limit { holds },
    }
}

pub(super) fn released(event: &Event<'_>) -> Rejection {
    Rejection::Released { amount: event.amount, seq: event.seq }
}

pub(super) fn expired(event: &Event<'_>, now_ms: u64) -> Rejection {
    Rejection::Expired { expires_at_ms: event.time_ms, now_ms }
}

/// The `op` of a -NORESERVATION: what the id is instead. A declined RESERVE is nothing.
pub(super) fn no_reservation(event: &Event<'_>) -> Option<Verb> {
    Some(first_verb(event)).filter(|&verb| verb != Verb::Reserve)
}

pub(super) fn figures(account: &Account, now_ms: u64) -> Figures {
    Figures { balance: account.balance, reserved: account.reserved, seq: account.seq, time_ms: now_ms }
}

pub(super) fn reject(rejection: Rejection) -> Decision<'static> {
    Decision::Answer(Outcome::Rejected(rejection))
}
