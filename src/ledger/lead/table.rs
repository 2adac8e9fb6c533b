//! The leads of a shard and their claims, in slabs.
//!
//! ```text
//!   name ──hash──▶ names ──▶ number ──▶ Lead ──▶ numbers of its claims, by slot ──▶ Claim
//!   lead's number, account ──hash──▶ claimants ──▶ number of the claim
//! ```
//! Leads and claims are never removed: a claim is what says that an account has paid already.

use foldhash::quality::FixedState;
use std::hash::{BuildHasher, Hasher};

use super::super::chunks::Chunks;
use super::super::event::NEVER_MS;
use super::super::expiry::{Timer, Timers, Wheel};
use super::super::hash_index::{HashIndex, Place};
use super::super::id::{Lsn, NO_LSN};
use super::super::kept_id::KeptId;
use super::ENDED_CLAIMS_MAX;
use super::event::Refusal;
use super::view::{ClaimView, Ended, LeadState, LeadView};

/// Timers that one wake-up may move between buckets.
const MOVES_MAX: usize = 128;

/// A lead's place: found once per command. Good until the lead opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeadAt {
    pub(super) hash: u32,
    pub(super) number: Option<u32>,
}

/// One lead.
#[derive(Debug)]
pub(crate) struct Lead {
    /// Runs while the lead is open; [`NEVER_MS`] has no timer.
    pub(in crate::ledger) timer: Timer,
    pub(in crate::ledger) id: KeptId<22>,
    pub(in crate::ledger) state: LeadState,
    pub(in crate::ledger) max: u32,
    pub(in crate::ledger) opened_at_ms: u64,
    /// Of the newest record.
    pub(in crate::ledger) seq: u64,
    /// Of the newest record.
    pub(in crate::ledger) last_lsn: Lsn,
    /// By slot.
    pub(in crate::ledger) claims: Vec<u32>,
}

/// One claim. Never changes.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(in crate::ledger) account: KeptId<22>,
    pub(in crate::ledger) tx: KeptId<38>,
    pub(in crate::ledger) cost: u64,
    pub(in crate::ledger) time_ms: u64,
    pub(in crate::ledger) account_seq: u64,
    /// The lead's number.
    pub(in crate::ledger) lead: u32,
    /// The slot, from 1.
    pub(in crate::ledger) slot: u32,
}

/// All leads of a shard.
#[derive(Debug)]
pub struct Leads {
    pub(in crate::ledger) slab: Chunks<Lead>,
    names: HashIndex<u32, u32>,
    pub(in crate::ledger) claims: Chunks<Claim>,
    claimants: HashIndex<u32, u32>,
    hasher: FixedState,
    pub(in crate::ledger) wheel: Wheel,
    /// Leads that are open.
    pub(in crate::ledger) open: u32,
    /// Leads whose slots are all taken.
    pub(in crate::ledger) full: u32,
    /// Slots that are taken or can still be taken.
    pub(in crate::ledger) slots: u64,
    pub(super) leads_max: u32,
    pub(super) slots_max: u64,
}

impl Timers for Chunks<Lead> {
    fn timer(&self, slot: u32) -> &Timer {
        &self.get(slot).timer
    }
    fn timer_mut(&mut self, slot: u32) -> &mut Timer {
        &mut self.get_mut(slot).timer
    }
}

impl LeadAt {
    /// Whether the lead was there when it was looked for.
    pub fn is_known(self) -> bool {
        self.number.is_some()
    }
}

impl Lead {
    /// Its name.
    pub(super) fn id(&self) -> &[u8] {
        self.id.as_bytes()
    }

    /// Slots taken.
    pub(super) fn taken(&self) -> u32 {
        self.claims.len() as u32
    }

    /// What it says to an account that has no slot; `None`: it has one left.
    pub(super) fn refusal(&self) -> Option<Refusal<'static>> {
        match self.state {
            LeadState::Open => None,
            LeadState::Full => Some(Refusal::Full { max: self.max }),
            LeadState::Closed => Some(Refusal::Closed),
            LeadState::Expired => Some(Refusal::Expired { expires_at_ms: self.timer.deadline_ms }),
        }
    }
}

impl Leads {
    /// No leads. `seed` as for the accounts; `leads_max`, `slots_max`: see [`Limits`](crate::ledger::Limits).
    pub(crate) fn new(seed: u64, leads_max: u32, slots_max: u64) -> Self {
        Self {
            slab: Chunks::new(),
            names: HashIndex::new(),
            claims: Chunks::new(),
            claimants: HashIndex::new(),
            hasher: FixedState::with_seed(seed),
            wheel: Wheel::new(),
            open: 0,
            full: 0,
            slots: 0,
            leads_max,
            slots_max,
        }
    }

    /// Finds the place of a lead, known or not.
    pub fn locate(&self, id: &[u8]) -> LeadAt {
        let hash = self.hash(0, id);
        let place = self.names.find(hash, |&number| self.slab.get(number).id() == id);
        LeadAt { hash, number: place.map(|place| *self.names.get(place)) }
    }

    /// The lead's newest record: what an answer about it waits for (I12). [`NO_LSN`] if it is unknown.
    pub fn last_lsn(&self, at: LeadAt) -> Lsn {
        self.lead(at).map_or(NO_LSN, |lead| lead.last_lsn)
    }

    /// When to call [`Ledger::due_lead`](crate::ledger::Ledger::due_lead), unix milliseconds. `None`: no open lead has a
    /// deadline.
    pub fn next_expiry(&self) -> Option<u64> {
        self.wheel.next_expiry()
    }

    /// A lead that is to be settled, until it is. `None`: none is due, or the rest is for the next slice.
    pub(in crate::ledger) fn due(&mut self, now_ms: u64) -> Option<LeadAt> {
        let number = self.wheel.advance(&mut self.slab, now_ms, MOVES_MAX)?;
        Some(LeadAt { hash: self.hash(0, self.slab.get(number).id()), number: Some(number) })
    }

    /// How many leads there are.
    pub fn len(&self) -> u32 {
        self.slab.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are open.
    pub fn open_count(&self) -> u32 {
        self.open
    }

    /// How many have no slot left.
    pub fn full_count(&self) -> u32 {
        self.full
    }

    /// How many claims there are.
    pub fn claim_count(&self) -> u32 {
        self.claims.len()
    }

    /// Memory of leads and claims; ids that do not fit inline are not counted.
    pub fn bytes(&self) -> usize {
        let slots = self.claims.len() as usize * size_of::<u32>();
        self.slab.bytes() + self.names.bytes() + self.claims.bytes() + self.claimants.bytes() + slots
    }

    /// The lead as it is. `None`: it is unknown.
    pub fn view(&self, at: LeadAt, replayed: bool) -> Option<Box<LeadView>> {
        let lead = self.lead(at)?;
        Some(Box::new(LeadView {
            lead: lead.id().into(),
            state: lead.state,
            max: lead.max,
            claims: lead.taken(),
            opened_at_ms: lead.opened_at_ms,
            expires_at_ms: Some(lead.timer.deadline_ms).filter(|&at_ms| at_ms != NEVER_MS),
            replayed,
        }))
    }

    /// Up to `count` of the lead's claims from slot `from` on.
    pub fn claim_views(&self, at: LeadAt, from: u32, count: u16) -> Vec<ClaimView> {
        self.lead(at).map_or_else(Vec::new, |lead| self.views(lead, from, count))
    }

    fn views(&self, lead: &Lead, from: u32, count: u16) -> Vec<ClaimView> {
        let wanted = lead.claims.iter().skip(from.saturating_sub(1) as usize).take(count.into());
        let view = |&number: &u32| {
            let claim = self.claims.get(number);
            let (account, tx) = (claim.account.as_bytes().into(), claim.tx.as_bytes().into());
            ClaimView { claim: claim.slot, account, tx, cost: claim.cost, time_ms: claim.time_ms }
        };
        wanted.map(view).collect()
    }

    /// All there is to know of the lead, if it has ended.
    pub(super) fn ended(&self, lead: &Lead) -> Option<Ended> {
        let refusal = lead.refusal()?;
        let claims = (lead.taken() <= ENDED_CLAIMS_MAX.into()).then(|| self.views(lead, 1, ENDED_CLAIMS_MAX));
        Some(Ended { refusal, claims })
    }

    pub(super) fn lead(&self, at: LeadAt) -> Option<&Lead> {
        at.number.map(|number| self.slab.get(number))
    }

    /// The claim that the account has of the lead.
    pub(super) fn claim_of(&self, at: LeadAt, account: &[u8]) -> Option<&Claim> {
        let number = at.number?;
        let is_it = |&claim: &u32| {
            let claim = self.claims.get(claim);
            claim.lead == number && claim.account.as_bytes() == account
        };
        let place = self.claimants.find(self.hash(u64::from(number) + 1, account), is_it)?;
        Some(self.claims.get(*self.claimants.get(place)))
    }

    /// Adds a lead without claims, open, and gives its number.
    pub(super) fn add_lead(&mut self, hash: u32, lead: Lead) -> u32 {
        assert_eq!(lead.state, LeadState::Open, "leads begin open");
        let number = self.add_unnamed(lead, 0);
        self.names.insert(hash, number, Place::NOWHERE);
        number
    }

    /// Adds a lead in whatever state, of which `taken` claims will be added. It is not found before [`Leads::name_all`].
    pub(in crate::ledger) fn add_unnamed(&mut self, lead: Lead, taken: u32) -> u32 {
        let (deadline_ms, opened_at_ms) = (lead.timer.deadline_ms, lead.opened_at_ms);
        let is_open = lead.state == LeadState::Open;
        self.open += u32::from(is_open);
        self.full += u32::from(lead.state == LeadState::Full);
        self.slots += u64::from(if is_open { lead.max } else { taken });
        let number = self.slab.push(lead);
        if is_open && deadline_ms != NEVER_MS {
            self.wheel.insert(&mut self.slab, number, opened_at_ms);
        }
        number
    }

    /// Adds a claim to its lead, in the next slot.
    pub(super) fn add_claim(&mut self, claim: Claim) {
        let hash = self.claimant_hash(&claim);
        let number = self.add_unnamed_claim(claim);
        self.claimants.insert(hash, number, Place::NOWHERE);
    }

    /// As [`Leads::add_claim`], but it is not found before [`Leads::name_all`].
    pub(in crate::ledger) fn add_unnamed_claim(&mut self, claim: Claim) -> u32 {
        let lead = claim.lead;
        let number = self.claims.push(claim);
        self.slab.get_mut(lead).claims.push(number);
        number
    }

    /// Makes all leads and claims known by their names, when none is. Says no if two leads have the same name, or an
    /// account two claims of one lead.
    pub(in crate::ledger) fn name_all(&mut self) -> bool {
        assert_eq!((self.names.len(), self.claimants.len()), (0, 0), "leads are named once");
        let (id, claim) = (|number| self.slab.get(number).id(), |number| self.claims.get(number));
        let name = |number: u32| (claim(number).lead, claim(number).account.as_bytes());
        let names = HashIndex::of_numbers(self.len(), |n| self.hash(0, id(n)), |n, other| id(n) == id(other));
        let claimants = HashIndex::of_numbers(
            self.claim_count(),
            |n| self.claimant_hash(claim(n)),
            |n, other| name(n) == name(other),
        );
        let (Some(names), Some(claimants)) = (names, claimants) else { return false };
        (self.names, self.claimants) = (names, claimants);
        true
    }

    /// The lead is open no more; slots that were not taken never will be.
    pub(super) fn end(&mut self, number: u32, state: LeadState) {
        let lead = self.slab.get_mut(number);
        assert_eq!(std::mem::replace(&mut lead.state, state), LeadState::Open, "a lead ends once");
        self.slots -= u64::from(lead.max - lead.claims.len() as u32);
        self.open -= 1;
        self.full += u32::from(state == LeadState::Full);
        if lead.timer.deadline_ms != NEVER_MS {
            self.wheel.cancel(&mut self.slab, number);
        }
    }

    fn claimant_hash(&self, claim: &Claim) -> u32 {
        self.hash(u64::from(claim.lead) + 1, claim.account.as_bytes())
    }

    /// The hash of a name (`of` is 0) or of a claimant of lead `of - 1`; never 0.
    fn hash(&self, of: u64, id: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(of);
        hasher.write(id);
        ((hasher.finish() >> 32) as u32).max(1)
    }
}
