//! CREDIT.REFUND: gives back a debit or a capture, or a part of it (commands.md C.2, C.11, 3-4; I10).
//!
//! What is left to refund stands in the newest REFUND of the transaction, not in memory: the caller brings it
//! ([`Recorded::refunded`]).

use super::super::account::Account;
use super::super::credits::CREDITS_MAX;
use super::super::event::{Change, DeclineCode, DeclinedOp};
use super::super::outcome::TxState;
use super::super::rejection::{Rejection, Verb};
use super::super::tx_view::{first_verb, state_of};
use super::answers::{Known, reject};
use super::{Decision, Draft, Recorded};

impl<'c> Draft<'_, '_, 'c> {
    /// `known` is the past of the refund's own id, `of` that of the transaction to refund.
    pub(super) fn refund(
        &self,
        account: &Account,
        given: Option<u64>,
        known: &Known<'_>,
        of: &Known<'_>,
    ) -> Decision<'c> {
        if let Some(answer) = known.answer_again(Verb::Refund, self.command, given, self.now_ms) {
            return answer;
        }
        let Recorded { event, lsn, refunded, .. } = match of {
            // Nothing refunds itself: its own id is unknown here, even if the trail reaches further back than the index.
            _ if self.command.tx == self.command.of => return reject(Rejection::NoTx),
            Known::Nothing => return reject(Rejection::NoTx),
            Known::Held(_) => {
                return reject(Rejection::NotRefundable { op: Verb::Reserve, state: TxState::Active });
            }
            Known::Claiming { .. } => {
                return reject(Rejection::NotRefundable { op: Verb::Claim, state: TxState::Pending });
            }
            Known::Entry(recorded) => recorded,
        };
        let Some(taken) = event.taken() else {
            return reject(Rejection::NotRefundable { op: first_verb(event), state: state_of(event) });
        };
        let left = taken.checked_sub(*refunded).expect("no more is refunded than was taken (I10)");
        let amount = given.unwrap_or(left);
        if left == 0 || amount > left {
            return reject(Rejection::Exceeds { limit: left, given });
        }
        if amount > CREDITS_MAX - account.balance {
            return self.decline(amount, DeclinedOp::Refund, DeclineCode::Overflow);
        }
        let change = Change::Refund {
            of: self.command.of,
            opened_lsn: *lsn,
            refunded_total: refunded + amount,
            refundable: left - amount,
        };
        self.enter(amount, account.balance + amount, account.reserved, change)
    }
}
