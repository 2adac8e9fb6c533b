//! Leads that are known to have ended: their claims are refused at once, without a question and without a hold.

use crate::ledger::lead::{Ended, Refusal};
use std::collections::{BTreeMap, VecDeque};

/// Ended leads of other shards that one shard remembers; beyond, the one that was learned first is asked again.
const ENDED_MAX: usize = 16_384;

/// Facts that never change, so they are never out of date.
#[derive(Default)]
pub(super) struct EndedLeads {
    leads: BTreeMap<Box<[u8]>, Ended>,
    /// By age.
    names: VecDeque<Box<[u8]>>,
}

impl EndedLeads {
    /// Remembers what a lead said of its end. Leads that are open, or too large to tell all of their claims, say nothing.
    pub(super) fn learn(&mut self, lead: &[u8], ended: Option<Ended>) {
        let Some(ended) = ended.filter(|ended| ended.claims.is_some()) else { return };
        if self.leads.insert(lead.into(), ended).is_some() {
            return;
        }
        self.names.push_back(lead.into());
        if self.names.len() > ENDED_MAX
            && let Some(oldest) = self.names.pop_front()
        {
            self.leads.remove(&oldest);
        }
    }

    /// What the lead says to the account. `None`: it is to be asked.
    pub(super) fn refusal(&self, lead: &[u8], account: &[u8]) -> Option<Refusal<'_>> {
        self.leads.get(lead)?.refuses(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::lead::ClaimView;

    #[test]
    fn the_oldest_is_forgotten_and_large_leads_are_asked_again() {
        let mut leads = EndedLeads::default();
        let full = |claims| Some(Ended { refusal: Refusal::Full { max: 1 }, claims });
        leads.learn(b"large", full(None));
        leads.learn(b"open", None);
        for n in 0..=ENDED_MAX {
            let (account, tx) = (b"ann"[..].into(), b"t1"[..].into());
            let own = ClaimView { claim: 1, account, tx, cost: 5, time_ms: 0 };
            leads.learn(&n.to_le_bytes(), full(Some(vec![own])));
        }
        assert_eq!(leads.names.len(), ENDED_MAX);
        assert_eq!(leads.refusal(b"large", b"ann"), None);
        assert_eq!(leads.refusal(b"open", b"ann"), None);
        assert_eq!(leads.refusal(&0usize.to_le_bytes(), b"ann"), None, "learned first");
        assert_eq!(leads.refusal(&1usize.to_le_bytes(), b"bob"), Some(Refusal::Full { max: 1 }));
        assert_eq!(leads.refusal(&1usize.to_le_bytes(), b"ann"), Some(Refusal::Already { tx: b"t1", claim: 1 }));
    }
}
