//! A slow walk over all accounts and leads in memory that checks their invariants, a step a second.
//!
//! The rules make no state that breaks them; this looks for bugs in what they are made of, and for memory that lies.
//! A step is short beside a turn's work and runs where connections are looked at for time-outs, so commands never wait
//! for more than one. Absent on purpose: sums over all accounts, which cannot be taken a step at a time.

use super::home::Home;
use crate::telemetry::CoreCounters;

/// Accounts and holds, or leads and claims, that a step looks at: some 100 us. A lead has 10,000 claims at most.
const STEP_ITEMS: usize = 500;

/// Where a core's walk is.
#[derive(Default)]
pub(super) struct Patrol {
    place: usize,
    /// Whether it has come to the leads of that shard.
    at_leads: bool,
    /// Of the next account or lead.
    number: u32,
}

impl Patrol {
    /// Checks the next accounts or leads of a shard.
    pub(super) fn step(&mut self, homes: &[Home], counters: &mut CoreCounters) {
        let Some(home) = homes.get(self.place) else {
            *self = Self::default();
            return;
        };
        let ledger = home.shard.ledger();
        let (checked, violations) = if self.at_leads {
            ledger.leads().check_some(self.number, STEP_ITEMS)
        } else {
            ledger.check_some(self.number, STEP_ITEMS)
        };
        if let Some(violation) = violations.first() {
            let (shard, in_this_step) = (home.shard.id(), violations.len());
            tracing::error!(shard, in_this_step, %violation, "figures in memory break an invariant");
        }
        counters.invariant_violations += violations.len() as u64;
        self.number += checked;
        if self.at_leads {
            counters.leads_checked += u64::from(checked);
            if self.number >= ledger.leads().len() {
                *self = Self { place: self.place + 1, ..Self::default() };
            }
        } else {
            counters.accounts_checked += u64::from(checked);
            if u64::from(self.number) >= ledger.account_count() {
                (self.at_leads, self.number) = (true, 0);
            }
        }
    }
}
