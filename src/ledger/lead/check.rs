//! Whether leads and claims are what they must be, judged by themselves (I8).

use super::super::event::NEVER_MS;
use super::super::invariants::{Fault, Violation, rule, same};
use super::MAX_CLAIMS;
use super::table::{Lead, LeadAt, Leads};
use super::view::LeadState;

impl Leads {
    /// Judges all leads: I8, their counts, and that leads and claims are found by their names.
    ///
    /// # Errors
    /// The first lead that breaks an invariant.
    pub(in crate::ledger) fn check(&self) -> Result<(), Violation> {
        let (_, violations) = self.check_some(0, usize::MAX);
        violations.into_iter().next().map_or(Ok(()), Err)?;
        let (mut open, mut full, mut claims, mut slots) = (0u32, 0u32, 0u32, 0u64);
        for number in 0..self.len() {
            let lead = self.slab.get(number);
            let is_open = lead.state == LeadState::Open;
            (open, claims) = (open + u32::from(is_open), claims + lead.taken());
            full += u32::from(lead.state == LeadState::Full);
            slots += u64::from(if is_open { lead.max } else { lead.taken() });
        }
        same("open leads", open, self.open)
            .and_then(|()| same("full leads", full, self.full))
            .and_then(|()| same("claims", claims, self.claim_count()))
            .and_then(|()| same("slots", slots, self.slots))
            .map_err(|fault| Violation { account: [].into(), seq: 0, fault })
    }

    /// Judges some leads by themselves, by number from `first` on; ends when it has looked at `items` leads and claims, or
    /// at the last lead. Returns how many leads it has judged, and those that are wrong.
    pub fn check_some(&self, first: u32, items: usize) -> (u32, Vec<Violation>) {
        let (mut judged, mut looked, mut violations) = (0, 0, Vec::new());
        while first + judged < self.len() && looked < items {
            let number = first + judged;
            let lead = self.slab.get(number);
            if let Err(fault) = self.check_lead(number, lead) {
                violations.push(Violation { account: lead.id().into(), seq: lead.seq, fault });
            }
            judged += 1;
            looked += 1 + lead.taken() as usize;
        }
        (judged, violations)
    }

    fn check_lead(&self, number: u32, lead: &Lead) -> Result<(), Fault> {
        let (at, taken) = (self.locate(lead.id()), lead.taken());
        rule(at.number == Some(number), "lead", "a lead is found by its name")?;
        rule((1..=MAX_CLAIMS).contains(&lead.max) && taken <= lead.max, "claims", "claims <= max (I8)")?;
        rule((lead.state == LeadState::Full) == (taken == lead.max), "state", "full exactly if claims = max (I8)")?;
        let ends = matches!(lead.state, LeadState::Closed | LeadState::Expired);
        same("seq", 1 + u64::from(taken) + u64::from(ends), lead.seq)?;
        let has_timer = lead.state == LeadState::Open && lead.timer.deadline_ms != NEVER_MS;
        rule(has_timer == lead.timer.is_running(), "deadline", "an open lead with a deadline waits for it")?;
        (1..).zip(&lead.claims).try_for_each(|(slot, &claim)| self.check_claim(at, slot, claim))
    }

    fn check_claim(&self, at: LeadAt, slot: u32, number: u32) -> Result<(), Fault> {
        let claim = self.claims.get(number);
        rule(Some(claim.lead) == at.number, "claims", "a claim is of its lead")?;
        same("claim", slot, claim.slot)?;
        let found = self.claim_of(at, claim.account.as_bytes());
        rule(found.is_some_and(|found| found.slot == slot), "claims", "an account has one claim of a lead (I8)")
    }
}
