//! Leads and their claims as items: two sections, each by number.
//!
//! A lead may have thousands of claims, and no step may take so long. So claims are copied apart from their leads: they
//! never change, and a lead's item says how many were its own when it was copied. Claims that came later are copied, too,
//! and left out when they are read: their records stand above the lead's `last_lsn`, and come again.

use super::form::{Items, put};
use super::restore::Restore;
use super::{PartError, Section};
use crate::ledger::credits::CREDITS_MAX;
use crate::ledger::event::NEVER_MS;
use crate::ledger::expiry::Timer;
use crate::ledger::id::{ACCOUNT_LEN_MAX, NO_LSN, TX_LEN_MAX};
use crate::ledger::kept_id::KeptId;
use crate::ledger::lead::{Claim, Lead, LeadState, Leads, MAX_CLAIMS};

/// States by their numbers in a file.
const STATES: [LeadState; 4] = [LeadState::Open, LeadState::Full, LeadState::Closed, LeadState::Expired];

impl Leads {
    /// Appends a lead.
    pub(super) fn copy_lead(&self, number: u32, out: &mut Vec<u8>) {
        let lead = self.slab.get(number);
        let (id, state) = (lead.id.as_bytes(), STATES.iter().position(|state| *state == lead.state));
        out.extend_from_slice(&[id.len() as u8, state.expect("all are there") as u8, 0, 0]);
        for word in [lead.max, lead.claims.len() as u32, 0] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        put(&[lead.opened_at_ms, lead.timer.deadline_ms, lead.seq, lead.last_lsn], out);
        out.extend_from_slice(id);
    }

    /// Appends a claim.
    pub(super) fn copy_claim(&self, number: u32, out: &mut Vec<u8>) {
        let claim = self.claims.get(number);
        let (account, tx) = (claim.account.as_bytes(), claim.tx.as_bytes());
        out.extend_from_slice(&claim.lead.to_le_bytes());
        out.extend_from_slice(&(claim.slot as u16).to_le_bytes());
        out.extend_from_slice(&[account.len() as u8, tx.len() as u8]);
        put(&[claim.cost, claim.time_ms, claim.account_seq], out);
        out.extend_from_slice(account);
        out.extend_from_slice(tx);
    }
}

impl Restore {
    /// Takes a lead, whose claims come later.
    pub(super) fn take_lead(&mut self, items: &mut Items<'_>) -> Result<(), PartError> {
        let section = Section::Leads as u8;
        let (short, item) = (PartError::Length { section }, self.taken.len() as u64);
        let check = |holds, rule| if holds { Ok(()) } else { Err(PartError::Item { section, item, rule }) };
        let [len, state, zeros @ ..] = items.array::<4>().ok_or(short)?;
        let [max, claims, zero] = [(); 3].map(|()| items.array().map(u32::from_le_bytes));
        let (max, claims, zero) = (max.ok_or(short)?, claims.ok_or(short)?, zero.ok_or(short)?);
        let [opened_at_ms, deadline_ms, seq, last_lsn] = items.words().ok_or(short)?;
        let id = items.text(len).ok_or(short)?;
        let state = STATES.get(usize::from(state)).copied();
        check((1..=ACCOUNT_LEN_MAX).contains(&id.len()) && zeros == [0; 2] && zero == 0, "a lead has a name")?;
        let state = state.ok_or(PartError::Item { section, item, rule: "a lead has a state" })?;
        check((1..=MAX_CLAIMS).contains(&max) && claims <= max, "claims <= max (I8)")?;
        check((state == LeadState::Full) == (claims == max), "full exactly if claims = max (I8)")?;
        let ends = u64::from(matches!(state, LeadState::Closed | LeadState::Expired));
        check(seq == 1 + u64::from(claims) + ends, "a lead has a record of each thing that happened to it")?;
        check(last_lsn != NO_LSN && last_lsn >> 63 == 0, "a lead has a newest record")?;
        check(deadline_ms > opened_at_ms, "a lead is open for a while")?;
        check(state != LeadState::Expired || deadline_ms != NEVER_MS, "only a lead with a deadline expires")?;
        self.newest = self.newest.max(last_lsn);
        self.taken.push(claims);
        let (timer, id, taken, claims) = (Timer::idle(deadline_ms), KeptId::new(id), claims, Vec::new());
        let lead = Lead { timer, id, state, max, opened_at_ms, seq, last_lsn, claims };
        self.ledger.leads.add_unnamed(lead, taken);
        Ok(())
    }

    /// Takes a claim, if it is one of those that its lead had.
    pub(super) fn take_claim(&mut self, items: &mut Items<'_>) -> Result<(), PartError> {
        let section = Section::Claims as u8;
        let (short, item) = (PartError::Length { section }, self.claims);
        let check = |holds, rule| if holds { Ok(()) } else { Err(PartError::Item { section, item, rule }) };
        let number = items.array().map(u32::from_le_bytes).ok_or(short)?;
        let slot = items.array().map(u16::from_le_bytes).ok_or(short)?.into();
        let [account_len, tx_len] = items.array().ok_or(short)?;
        let [cost, time_ms, account_seq] = items.words().ok_or(short)?;
        let account = items.text(account_len).ok_or(short)?;
        let tx = items.text(tx_len).ok_or(short)?;
        self.claims += 1;
        let taken = self.taken.get(number as usize).copied();
        let taken = taken.ok_or(PartError::Item { section, item, rule: "a claim has a lead" })?;
        check((1..=ACCOUNT_LEN_MAX).contains(&account.len()), "a claim has an account")?;
        check((1..=TX_LEN_MAX).contains(&tx.len()) && account_seq > 0, "a claim has an id")?;
        check(cost <= CREDITS_MAX, "a claim costs at most 2^53 - 1")?;
        if slot > taken {
            return Ok(());
        }
        let leads = &mut self.ledger.leads;
        let lead = leads.slab.get(number);
        check(slot == lead.claims.len() as u32 + 1, "claims of a lead stand by slot")?;
        check(
            (lead.opened_at_ms..lead.timer.deadline_ms).contains(&time_ms),
            "claims are made while the lead is open",
        )?;
        let (account, tx) = (KeptId::new(account), KeptId::new(tx));
        leads.add_unnamed_claim(Claim { account, tx, cost, time_ms, account_seq, lead: number, slot });
        Ok(())
    }

    /// Ends leads and claims, of which there must be so many.
    pub(super) fn end_leads(&mut self, leads: u64, claims: u64) -> Result<(), PartError> {
        for (what, expected, found) in [("leads", leads, self.taken.len() as u64), ("claims", claims, self.claims)] {
            if expected != found {
                return Err(PartError::Count { what, expected, found });
            }
        }
        let section = Section::Leads as u8;
        let claims_of = |number| self.ledger.leads.slab.get(number).claims.len();
        if let Some((number, _)) = (0..).zip(&self.taken).find(|(number, taken)| claims_of(*number) != **taken as usize)
        {
            return Err(PartError::Item { section, item: number.into(), rule: "a lead's claims are there" });
        }
        let rule = "leads have names of their own, and a claim for each claimant (I8)";
        let is_named = self.ledger.leads.name_all();
        is_named.then_some(()).ok_or(PartError::Item { section, item: 0, rule })
    }
}
