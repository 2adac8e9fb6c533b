//! CREDIT.TX: what the records of a transaction id say about it (commands.md C.3, C.11, 9-10).

use super::event::{Change, DeclinedOp, Event};
use super::outcome::{TxState, TxView};
use super::rejection::Verb;

/// What is known of an id. `event` is the entry that decided it or ended its reservation, or the RESERVE of an active
/// one; `opened` the RESERVE behind an end, if it is kept; `refunded` the sum of refunds of it.
pub fn tx_view(event: &Event<'_>, opened: Option<&Event<'_>>, refunded: u64) -> TxView {
    let is_end = event.ends_hold();
    let first = opened.filter(|_| is_end).unwrap_or(event);
    let expires_at_ms = match first.change {
        Change::Reserve { lead: b"", expires_at_ms } => Some(expires_at_ms),
        _ => None,
    };
    TxView {
        op: first_verb(first),
        state: state_of(event),
        amount: first.amount,
        captured: event.taken().filter(|_| is_end),
        refunded: Some(refunded).filter(|&sum| sum > 0),
        first: first.id(),
        last: is_end.then(|| event.id()),
        expires_at_ms,
        lead: first.lead().into(),
        of: event.of().into(),
        code: event.particulars().code,
        reason: first.reason.into(),
        meta: first.meta.into(),
    }
}

/// The verb that used the id first.
pub(super) fn first_verb(event: &Event<'_>) -> Verb {
    match event.change {
        Change::Grant | Change::Decline { op: DeclinedOp::Grant, .. } => Verb::Grant,
        Change::Debit | Change::Decline { op: DeclinedOp::Debit, .. } => Verb::Debit,
        Change::Refund { .. } | Change::Decline { op: DeclinedOp::Refund, .. } => Verb::Refund,
        Change::Void => Verb::Release,
        Change::Decline { op: DeclinedOp::Reserve, .. } | Change::Expire { .. } => Verb::Reserve,
        Change::Decline { op: DeclinedOp::Claim, .. } => Verb::Claim,
        Change::Claimed { .. } | Change::Refused { .. } => Verb::Claim,
        Change::Reserve { lead, .. } | Change::Capture { lead, .. } | Change::Release { lead, .. } => {
            if lead.is_empty() { Verb::Reserve } else { Verb::Claim }
        }
    }
}

/// What became of the id, as its newest entry says.
pub(super) fn state_of(event: &Event<'_>) -> TxState {
    match event.change {
        Change::Grant => TxState::Granted,
        Change::Debit => TxState::Debited,
        Change::Reserve { lead: b"", .. } => TxState::Active,
        Change::Reserve { .. } => TxState::Pending,
        Change::Capture { .. } | Change::Claimed { .. } => TxState::Captured,
        Change::Release { .. } | Change::Refused { .. } => TxState::Released,
        Change::Expire { .. } => TxState::Expired,
        Change::Decline { .. } => TxState::Declined,
        Change::Void => TxState::Void,
        Change::Refund { .. } => TxState::Refunded,
    }
}
