//! Claims that run: reservations that belong to a lead until it has decided.
//!
//! ```text
//!   LEAD.CLAIM ──▶ RESERVE (lead, no deadline) ──▶ the lead decides ──▶ Claimed: a CAPTURE of all of it
//!                                                                 '──▶ Refused: a RELEASE, with the reason
//! ```

use super::event::{Change, Event};
use super::lead::Refusal;
use super::reservation::HoldSlot;
use super::{Ledger, Located};

/// A claim whose hold is there and whose end is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningClaim<'a> {
    /// Who claims.
    pub account: &'a [u8],
    /// By which transaction.
    pub tx: &'a [u8],
    /// What.
    pub lead: &'a [u8],
    /// For so many credits.
    pub cost: u64,
    /// Of the RESERVE.
    pub seq: u64,
}

/// How a lead has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    /// The account has this slot.
    Claimed {
        /// From 1.
        claim: u32,
        /// Slots left after it.
        remaining: u32,
    },
    /// It gets none.
    Refused(Refusal<'a>),
}

impl Ledger {
    /// The claim that a hold belongs to; `None`: a plain reservation.
    pub fn running_claim(&self, slot: HoldSlot) -> Option<RunningClaim<'_>> {
        let lead = self.holds.lead(slot);
        (!lead.is_empty()).then(|| {
            let hold = self.holds.get(slot);
            let account = self.accounts.get(hold.account).id();
            RunningClaim { account, tx: hold.tx(), lead, cost: hold.amount, seq: hold.seq }
        })
    }

    /// The holds of all claims that run: what recovery has to end.
    pub fn running_claims(&self) -> impl Iterator<Item = HoldSlot> {
        self.holds.claims()
    }

    /// The event that ends a claim, to journal and apply at `now_ms`. `at` is its account's place, which is settled.
    pub fn end_claim<'a>(&'a self, at: Located, slot: HoldSlot, ending: Ending<'a>, now_ms: u64) -> Event<'a> {
        let (account, hold) = (self.account(at).expect("a hold has an account"), self.holds.get(slot));
        assert_eq!(Some(hold.account), at.number, "the place is the claim's account's");
        assert!(account.next_deadline_ms > now_ms, "settle first (R3)");
        let (opened_lsn, lead) = (hold.opened_lsn, self.holds.lead(slot));
        let (taken, change) = match ending {
            Ending::Claimed { claim, remaining } => {
                (hold.amount, Change::Claimed { opened_lsn, lead, claim, remaining })
            }
            Ending::Refused(refusal) => (0, Change::Refused { opened_lsn, lead, refusal }),
        };
        Event {
            account: account.id(),
            tx: hold.tx(),
            reason: b"",
            meta: b"",
            time_ms: now_ms,
            seq: account.seq + 1,
            amount: hold.amount,
            balance: account.balance - taken,
            reserved: account.reserved - hold.amount,
            prev_lsn: account.last_lsn,
            skip_lsn: self.skip_lsn(at, account.seq + 1),
            change,
        }
    }
}
