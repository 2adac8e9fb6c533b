//! Applying a lead's records: the only code that changes leads. Live and replayed ones take the same way.

use super::super::event::NEVER_MS;
use super::super::expiry::Timer;
use super::super::id::{Lsn, NO_LSN};
use super::super::invariants::{Fault, Violation, rule, same};
use super::super::kept_id::KeptId;
use super::MAX_CLAIMS;
use super::event::{LeadChange, LeadEvent};
use super::table::{Claim, Lead, LeadAt, Leads};
use super::view::LeadState;

impl Leads {
    /// Applies an event that was just decided or settled and stands in the log at `lsn`. Gives the lead's place.
    ///
    /// # Panics
    /// If the event does not follow from the state: it was not decided here and now.
    pub(in crate::ledger) fn apply(&mut self, at: LeadAt, event: &LeadEvent<'_>, lsn: Lsn) -> LeadAt {
        self.step(at, event, lsn).unwrap_or_else(|fault| panic!("{}", violation(event, fault)))
    }

    /// Applies an event that recovery read at `lsn`.
    ///
    /// # Errors
    /// If it does not follow from those before it. Nothing is changed then.
    pub(in crate::ledger) fn replay(&mut self, event: &LeadEvent<'_>, lsn: Lsn) -> Result<(), Violation> {
        self.step(self.locate(event.lead), event, lsn).map(drop).map_err(|fault| violation(event, fault))
    }

    fn step(&mut self, at: LeadAt, event: &LeadEvent<'_>, lsn: Lsn) -> Result<LeadAt, Fault> {
        self.judge(at, event, lsn)?;
        let number = match (event.change, at.number) {
            (LeadChange::Open { expires_at_ms }, _) => {
                let lead = Lead {
                    timer: Timer::idle(expires_at_ms),
                    id: KeptId::new(event.lead),
                    state: LeadState::Open,
                    max: event.max,
                    opened_at_ms: event.time_ms,
                    seq: 0,
                    last_lsn: NO_LSN,
                    claims: Vec::new(),
                };
                self.add_lead(at.hash, lead)
            }
            (_, Some(number)) => number,
            (_, None) => unreachable!("judged: a lead begins with its opening"),
        };
        match event.change {
            LeadChange::Open { .. } => {}
            LeadChange::Claim { account, tx, cost, account_seq } => {
                let (account, tx) = (KeptId::new(account), KeptId::new(tx));
                let (slot, time_ms) = (event.claims, event.time_ms);
                self.add_claim(Claim { account, tx, cost, time_ms, account_seq, lead: number, slot });
                if event.claims == event.max {
                    self.end(number, LeadState::Full);
                }
            }
            LeadChange::Close => self.end(number, LeadState::Closed),
            LeadChange::Expire => self.end(number, LeadState::Expired),
        }
        let lead = self.slab.get_mut(number);
        (lead.seq, lead.last_lsn) = (event.seq, lsn);
        Ok(LeadAt { hash: at.hash, number: Some(number) })
    }

    /// Whether the event follows from the state.
    fn judge(&self, at: LeadAt, event: &LeadEvent<'_>, lsn: Lsn) -> Result<(), Fault> {
        let lead = self.lead(at);
        let (seq, last_lsn) = lead.map_or((0, NO_LSN), |lead| (lead.seq, lead.last_lsn));
        same("seq", seq + 1, event.seq)?;
        same("prev_lsn", last_lsn, event.prev_lsn)?;
        rule(lsn > last_lsn && lsn >> 63 == 0, "lsn", "a lead's records stand in order")?;
        let Some(lead) = lead else {
            let LeadChange::Open { expires_at_ms } = event.change else {
                return Err(Fault::Rule { field: "lead", rule: "a lead begins with its opening" });
            };
            rule((1..=MAX_CLAIMS).contains(&event.max), "max", "a lead has 1 to 10,000 slots (I8)")?;
            rule(expires_at_ms > event.time_ms, "expires", "a lead is open for a while")?;
            return same("claims", 0, event.claims);
        };
        rule(lead.state == LeadState::Open, "state", "a lead that has ended has no more records (I8)")?;
        same("max", lead.max, event.max)?;
        let deadline_ms = lead.timer.deadline_ms;
        match event.change {
            LeadChange::Open { .. } => rule(false, "lead", "a lead opens once"),
            LeadChange::Expire => {
                rule(deadline_ms != NEVER_MS, "time", "only a lead with a deadline expires")?;
                same("time of the expiry", deadline_ms, event.time_ms)
            }
            _ => rule(event.time_ms < deadline_ms, "time", "a due lead expires before anything else happens (R3)"),
        }?;
        let LeadChange::Claim { account, .. } = event.change else { return same("claims", lead.taken(), event.claims) };
        same("claims", lead.taken() + 1, event.claims)?;
        rule(event.claims <= event.max, "claims", "claims <= max (I8)")?;
        rule(self.claim_of(at, account).is_none(), "claims", "an account has one claim of a lead (I8)")
    }
}

/// A fault of a lead's record.
fn violation(event: &LeadEvent<'_>, fault: Fault) -> Violation {
    Violation { account: event.lead.into(), seq: event.seq, fault }
}
