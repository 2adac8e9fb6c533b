//! A slow walk over all accounts in memory that checks their invariants, a step a second.
//!
//! The rules make no state that breaks them; this looks for bugs in what they are made of, and for memory that lies.
//! A step is short beside a turn's work and runs where connections are looked at for time-outs, so commands never wait
//! for more than one. Absent on purpose: leads, and sums over all accounts, which cannot be taken a step at a time.

use super::home::Home;
use crate::telemetry::CoreCounters;

/// Accounts and holds that a step looks at: some 100 us.
const STEP_ITEMS: usize = 500;

/// Where a core's walk is.
#[derive(Default)]
pub(super) struct Patrol {
    place: usize,
    /// Of the next account in that shard.
    account: u32,
}

impl Patrol {
    /// Checks the next accounts of a shard.
    pub(super) fn step(&mut self, homes: &[Home], counters: &mut CoreCounters) {
        let Some(home) = homes.get(self.place) else {
            (self.place, self.account) = (0, 0);
            return;
        };
        let (checked, violations) = home.shard.ledger().check_some(self.account, STEP_ITEMS);
        if let Some(violation) = violations.first() {
            let (shard, in_this_step) = (home.shard.id(), violations.len());
            tracing::error!(shard, in_this_step, %violation, "figures in memory break an invariant");
        }
        counters.accounts_checked += u64::from(checked);
        counters.invariant_violations += violations.len() as u64;
        self.account += checked;
        if u64::from(self.account) >= home.shard.ledger().account_count() {
            (self.place, self.account) = (self.place + 1, 0);
        }
    }
}
