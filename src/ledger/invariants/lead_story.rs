//! One lead's records, told oldest first, each judged by those before it: I8, the chain, times.
//!
//! As a [`Story`](super::Story) of an account it keeps its own state and borrows no record. Where history was cut, what
//! stands before it is taken on trust: who has the first slots, and the deadline.

use std::collections::BTreeSet;

use super::super::event::NEVER_MS;
use super::super::id::{Lsn, NO_LSN};
use super::super::lead::{LeadChange, LeadEvent, MAX_CLAIMS};
use super::{Fault, Violation, rule, same};

/// What the records of one lead amount to so far; by default, nothing: it is not opened yet.
#[derive(Clone, Debug, Default)]
pub struct LeadStory {
    max: u32,
    claims: u32,
    /// Slots that were taken before the first record that is kept.
    before: u32,
    claimants: BTreeSet<Box<[u8]>>,
    has_ended: bool,
    /// `None`: its opening is cut off.
    deadline_ms: Option<u64>,
    seq: u64,
    last_lsn: Lsn,
    time_ms: u64,
}

impl LeadStory {
    /// Before `first`, a lead's oldest record that is kept; to be told next.
    pub fn starting_at(first: &LeadEvent<'_>) -> Self {
        let is_claim = matches!(first.change, LeadChange::Claim { .. });
        let claims = first.claims.saturating_sub(u32::from(is_claim));
        Self {
            max: first.max,
            claims,
            before: claims,
            seq: first.seq.saturating_sub(1),
            last_lsn: first.prev_lsn,
            ..Self::default()
        }
    }

    /// The next record, which stands at `lsn`.
    ///
    /// # Errors
    /// If it breaks an invariant. Nothing can be told after it.
    pub fn tell(&mut self, lsn: Lsn, event: &LeadEvent<'_>) -> Result<(), Violation> {
        let of = |fault| Violation { account: event.lead.into(), seq: event.seq, fault };
        self.judge(lsn, event).map_err(of)?;
        (self.max, self.claims, self.seq) = (event.max, event.claims, event.seq);
        (self.last_lsn, self.time_ms) = (lsn, event.time_ms);
        match event.change {
            LeadChange::Open { expires_at_ms } => self.deadline_ms = Some(expires_at_ms),
            LeadChange::Claim { account, .. } => {
                self.claimants.insert(account.into());
                self.has_ended = event.claims == event.max;
            }
            LeadChange::Close | LeadChange::Expire => self.has_ended = true,
        }
        Ok(())
    }

    /// Slots that were taken before the first record that is kept.
    pub fn before(&self) -> u32 {
        self.before
    }

    fn judge(&self, lsn: Lsn, event: &LeadEvent<'_>) -> Result<(), Fault> {
        same("seq", u128::from(self.seq) + 1, event.seq.into())?;
        same("prev_lsn", self.last_lsn, event.prev_lsn)?;
        rule(lsn > self.last_lsn, "lsn", "a lead's records stand in order")?;
        rule(event.time_ms >= self.time_ms, "time", "a lead's times never go back")?;
        rule((1..=MAX_CLAIMS).contains(&event.max), "max", "a lead has 1 to 10,000 slots (I8)")?;
        rule(event.claims <= event.max, "claims", "claims <= max (I8)")?;
        if let LeadChange::Open { expires_at_ms } = event.change {
            rule(self.last_lsn == NO_LSN, "lead", "a lead opens once")?;
            rule(expires_at_ms > event.time_ms, "expires", "a lead is open for a while")?;
            return same("claims", 0, event.claims);
        }
        rule(self.last_lsn != NO_LSN, "lead", "a lead begins with its opening")?;
        rule(!self.has_ended, "state", "a lead that has ended has no more records (I8)")?;
        same("max", self.max, event.max)?;
        let deadline_ms = self.deadline_ms.unwrap_or(NEVER_MS);
        let is_claim = matches!(event.change, LeadChange::Claim { .. });
        same("claims", self.claims + u32::from(is_claim), event.claims)?;
        match event.change {
            LeadChange::Expire if self.deadline_ms.is_some() => same("time of the expiry", deadline_ms, event.time_ms),
            LeadChange::Expire => Ok(()),
            _ => rule(event.time_ms < deadline_ms, "time", "a due lead expires before anything else happens (R3)"),
        }?;
        match event.change {
            LeadChange::Claim { account, .. } => {
                rule(!self.claimants.contains(account), "claims", "an account has one claim of a lead (I8)")
            }
            _ => Ok(()),
        }
    }
}
