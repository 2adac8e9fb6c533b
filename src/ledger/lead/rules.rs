//! What a command to a lead does (commands.md C.4, C.6, C.11, 13-14).

use super::super::command::{Command, LeadOp};
use super::super::event::NEVER_MS;
use super::super::id::NO_LSN;
use super::super::outcome::Outcome;
use super::super::rejection::{LeadConflict, Rejection, Table};
use super::event::{LeadChange, LeadEvent, Refusal};
use super::table::{Lead, LeadAt, Leads};
use super::view::{Ended, LeadState, OwnedRefusal, Step};

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeadDecision<'c> {
    /// Journal and apply this; the answer is [`Leads::outcome_of`] it.
    Commit(LeadEvent<'c>),
    /// Answer this; nothing changes.
    Answer(Outcome),
}

impl Leads {
    /// The expiry to journal and apply, if the lead is due at `now_ms` (R3). Before anything else of the lead.
    pub fn settle(&self, at: LeadAt, now_ms: u64) -> Option<LeadEvent<'_>> {
        let lead = self.lead(at)?;
        let deadline_ms = lead.timer.deadline_ms;
        let is_due = lead.state == LeadState::Open && deadline_ms <= now_ms;
        is_due.then(|| Draft { lead: Some(lead), ..Draft::of(lead.id(), deadline_ms) }.record(LeadChange::Expire))
    }

    /// Decides a command on the lead at `at`, which is settled at `now_ms`.
    ///
    /// # Panics
    /// If the lead is due: the caller left a step out.
    pub fn decide<'c>(&self, at: LeadAt, op: LeadOp, command: &Command<'c>, now_ms: u64) -> LeadDecision<'c> {
        let lead = self.lead(at);
        assert!(self.settle(at, now_ms).is_none(), "settle first (R3)");
        let Command { lead: name, reason, meta, .. } = *command;
        let draft = Draft { lead, reason, meta, ..Draft::of(name, now_ms) };
        let shown = |replayed| LeadDecision::Answer(Outcome::Lead(self.view(at, replayed)));
        match (op, lead) {
            (LeadOp::Open { max, ttl_ms }, None) => match self.no_room_for(max) {
                Some(rejection) => answer(rejection),
                None => {
                    let expires_at_ms = ttl_ms.map_or(NEVER_MS, |ttl_ms| now_ms + ttl_ms);
                    LeadDecision::Commit(Draft { max, ..draft }.record(LeadChange::Open { expires_at_ms }))
                }
            },
            (LeadOp::Open { max, ttl_ms }, Some(lead)) => match conflict(lead, max, ttl_ms) {
                Some(conflict) => answer(Rejection::LeadExists(conflict)),
                None => shown(true),
            },
            (LeadOp::Close, None) => answer(Rejection::NoLead),
            (LeadOp::Close, Some(lead)) if lead.state == LeadState::Open => {
                LeadDecision::Commit(draft.record(LeadChange::Close))
            }
            (LeadOp::Close | LeadOp::Get, _) => shown(false),
            (LeadOp::Claims { from, count }, _) => {
                LeadDecision::Answer(Outcome::Claims(self.claim_views(at, from, count)))
            }
            (LeadOp::Peek | LeadOp::Take { .. }, None) => refuse(Refusal::Unknown, None),
            (LeadOp::Peek, Some(lead)) => self.refuse_claim(at, lead, command).unwrap_or_else(|| step(Step::Open)),
            (LeadOp::Take { cost, account_seq }, Some(lead)) => {
                let own = self.claim_of(at, command.account);
                let own = own.filter(|own| own.account_seq == account_seq && own.tx.as_bytes() == command.tx);
                if let Some(own) = own.filter(|_| !planted!("a claim that asks again is refused")) {
                    return step(Step::Taken { claim: own.slot, remaining: lead.max - own.slot });
                }
                self.refuse_claim(at, lead, command).unwrap_or_else(|| {
                    let change = LeadChange::Claim { account: command.account, tx: command.tx, cost, account_seq };
                    LeadDecision::Commit(draft.record(change))
                })
            }
        }
    }

    /// Why the command's account gets no slot; `None`: it can have one.
    fn refuse_claim(&self, at: LeadAt, lead: &Lead, command: &Command<'_>) -> Option<LeadDecision<'static>> {
        let own = self.claim_of(at, command.account);
        let own = own
            .filter(|_| !planted!("an account gets two slots"))
            .map(|own| Refusal::Already { tx: own.tx.as_bytes(), claim: own.slot });
        own.or_else(|| lead.refusal()).map(|refusal| refuse(refusal, self.ended(lead)))
    }

    /// The answer to the command that made `event`, which is applied.
    pub fn outcome_of(&self, at: LeadAt, event: &LeadEvent<'_>) -> Outcome {
        match event.change {
            LeadChange::Claim { .. } => {
                Outcome::Step(Box::new(Step::Taken { claim: event.claims, remaining: event.remaining() }))
            }
            _ => Outcome::Lead(self.view(at, false)),
        }
    }

    fn no_room_for(&self, max: u32) -> Option<Rejection> {
        if self.len() >= self.leads_max {
            return Some(Rejection::OutOfMemory(Table::Leads));
        }
        (self.slots + u64::from(max) > self.slots_max).then_some(Rejection::OutOfMemory(Table::Slots))
    }
}

fn answer(rejection: Rejection) -> LeadDecision<'static> {
    LeadDecision::Answer(Outcome::Rejected(rejection))
}

fn step(step: Step) -> LeadDecision<'static> {
    LeadDecision::Answer(Outcome::Step(Box::new(step)))
}

fn refuse(refusal: Refusal<'_>, ended: Option<Ended>) -> LeadDecision<'static> {
    step(Step::Refused { refusal: OwnedRefusal::new(refusal), ended })
}

/// The first difference between what the lead is and what would be opened.
fn conflict(lead: &Lead, max: u32, ttl_ms: Option<u64>) -> Option<LeadConflict> {
    let deadline_ms = lead.timer.deadline_ms;
    let have_ttl_ms = (deadline_ms != NEVER_MS).then(|| deadline_ms - lead.opened_at_ms);
    if lead.max != max {
        return Some(LeadConflict::Max { have: lead.max, given: max });
    }
    (have_ttl_ms != ttl_ms).then_some(LeadConflict::Ttl { have: have_ttl_ms, given: ttl_ms })
}

/// A command about to become a record.
#[derive(Clone, Copy)]
struct Draft<'l, 'c> {
    /// `None`: the record opens it, with `max` slots.
    lead: Option<&'l Lead>,
    max: u32,
    name: &'c [u8],
    reason: &'c [u8],
    meta: &'c [u8],
    time_ms: u64,
}

impl<'c> Draft<'_, 'c> {
    fn of(name: &'c [u8], time_ms: u64) -> Self {
        Self { lead: None, max: 0, name, reason: b"", meta: b"", time_ms }
    }

    fn record(self, change: LeadChange<'c>) -> LeadEvent<'c> {
        let (seq, prev_lsn) = self.lead.map_or((0, NO_LSN), |lead| (lead.seq, lead.last_lsn));
        let taken = self.lead.map_or(0, Lead::taken);
        LeadEvent {
            lead: self.name,
            reason: self.reason,
            meta: self.meta,
            time_ms: self.time_ms,
            seq: seq + 1,
            prev_lsn,
            max: self.lead.map_or(self.max, |lead| lead.max),
            claims: taken + u32::from(matches!(change, LeadChange::Claim { .. })),
            change,
        }
    }
}
