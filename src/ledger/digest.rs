//! One number for a whole ledger: equal states have equal digests, however they came about.
//!
//! A sum of hashes, one per account, hold, remembered id, lead and claim, so it depends neither on the order of tables nor
//! on the numbers of slots. Reads everything; for tests, the simulator and verification.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

use super::Ledger;
use super::transactions::Prior;

const ACCOUNT: u64 = 1;
const HOLD: u64 = 2;
const TRANSACTION: u64 = 3;
const SUMS: u64 = 4;
const LEAD: u64 = 5;
const CLAIM: u64 = 6;

impl Ledger {
    /// The digest of the state: accounts, holds in their order, ids that are not forgotten, leads, claims, sums. Ledgers are
    /// compared under equal [`Seeds`](super::Seeds).
    pub fn digest(&self) -> u128 {
        let totals = self.totals();
        let credits = [totals.granted, totals.debited, totals.captured, totals.refunded].map(|sum| sum as u64);
        let mut sum = item(SUMS, &[&credits[..], &[totals.entries, totals.declined]].concat(), &[]);
        for number in 0..self.accounts.len() {
            let (account, seldom) = (self.accounts.get(number), self.accounts.seldom(number));
            let figures = [account.balance, account.reserved, account.seq, account.last_lsn, seldom.anchor_lsn];
            sum = sum.wrapping_add(item(ACCOUNT, &figures, &[account.id()]));
            for (place, (slot, hold)) in self.holds.of(&seldom.holds).enumerate() {
                let times = [place as u64, hold.created_at_ms, hold.expires_at_ms(), hold.seq, hold.opened_lsn];
                let figures = [hold.amount, hold.balance, hold.reserved];
                sum = sum.wrapping_add(item(
                    HOLD,
                    &[&times[..], &figures].concat(),
                    &[account.id(), hold.tx(), self.holds.lead(slot)],
                ));
            }
        }
        for (key, prior) in self.index.kept() {
            let answer = match prior {
                Prior::Unknown => [0, 0],
                Prior::Recorded(lsn) => [1, lsn],
                Prior::Active(slot) => [2, self.holds.get(slot).opened_lsn],
            };
            sum = sum.wrapping_add(item(TRANSACTION, &[&key[..], &answer].concat(), &[]));
        }
        sum.wrapping_add(self.leads_digest())
    }

    fn leads_digest(&self) -> u128 {
        let mut sum = 0u128;
        for number in 0..self.leads.len() {
            let lead = self.leads.slab.get(number);
            let (id, figures) = (lead.id.as_bytes(), [lead.state as u64, lead.max.into(), lead.seq, lead.last_lsn]);
            let times = [lead.opened_at_ms, lead.timer.deadline_ms];
            sum = sum.wrapping_add(item(LEAD, &[&figures[..], &times].concat(), &[id]));
            for (place, claim) in lead.claims.iter().map(|&claim| self.leads.claims.get(claim)).enumerate() {
                let figures = [place as u64, claim.slot.into(), claim.cost, claim.time_ms, claim.account_seq];
                sum = sum.wrapping_add(item(CLAIM, &figures, &[id, claim.account.as_bytes(), claim.tx.as_bytes()]));
            }
        }
        sum
    }
}

fn item(kind: u64, words: &[u64], texts: &[&[u8]]) -> u128 {
    let mut hasher = SipHasher13::new_with_keys(kind, 0);
    words.iter().for_each(|&word| hasher.write_u64(word));
    for text in texts {
        hasher.write_u64(text.len() as u64);
        hasher.write(text);
    }
    hasher.finish128().as_u128()
}
