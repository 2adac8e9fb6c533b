//! Leads, as lists; and what a claim of one is told.

use super::ledger::command::{Command, LeadOp, Op};
use super::ledger::lead::{ClaimView, ENDED_CLAIMS_MAX, Ended, LeadState, LeadView, OwnedRefusal, Refusal, Step};
use super::ledger::outcome::Outcome;
use super::ledger::rejection::{LeadConflict, Rejection, Verb};
use super::{Account, Model, State};

/// One lead.
#[derive(Clone, Debug)]
pub struct Lead {
    pub max: u32,
    pub state: LeadState,
    pub opened: u64,
    pub expires: Option<u64>,
    /// By slot.
    pub claims: Vec<Claim>,
}

/// A slot that is taken.
#[derive(Clone, Debug)]
pub struct Claim {
    pub account: Vec<u8>,
    pub tx: Vec<u8>,
    pub cost: u64,
    /// The account's entry that pays for it.
    pub account_seq: u64,
    pub time: u64,
}

impl Model {
    /// Executes what asks a lead.
    pub(super) fn ask_lead(&mut self, command: &Command<'_>, op: LeadOp, now: u64) -> Outcome {
        if let (LeadOp::Open { max, ttl_ms }, false) = (op, self.leads.contains_key(command.lead)) {
            let expires = ttl_ms.map(|ttl_ms| now + ttl_ms);
            let lead = Lead { max, state: LeadState::Open, opened: now, expires, claims: Vec::new() };
            let outcome = Outcome::Lead(Some(Box::new(lead.view(command.lead, false))));
            self.leads.insert(command.lead.to_vec(), lead);
            return outcome;
        }
        let Some(lead) = self.leads.get_mut(command.lead) else {
            return match op {
                LeadOp::Get => Outcome::Lead(None),
                LeadOp::Claims { .. } => Outcome::Claims(Vec::new()),
                LeadOp::Peek | LeadOp::Take { .. } => {
                    step(Step::Refused { refusal: OwnedRefusal::new(Refusal::Unknown), ended: None })
                }
                LeadOp::Open { .. } | LeadOp::Close => Outcome::Rejected(Rejection::NoLead),
            };
        };
        lead.settle(now);
        match op {
            LeadOp::Open { max, ttl_ms } => {
                let have = lead.expires.map(|expires| expires - lead.opened);
                let conflict = if max != lead.max {
                    LeadConflict::Max { have: lead.max, given: max }
                } else if ttl_ms != have {
                    LeadConflict::Ttl { have, given: ttl_ms }
                } else {
                    return Outcome::Lead(Some(Box::new(lead.view(command.lead, true))));
                };
                return Outcome::Rejected(Rejection::LeadExists(conflict));
            }
            LeadOp::Claims { from, count } => return Outcome::Claims(lead.views(from, count)),
            LeadOp::Peek => return step(lead.refuses(command.account).unwrap_or(Step::Open)),
            LeadOp::Take { cost, account_seq } => return step(lead.take(command, cost, account_seq, now)),
            LeadOp::Close if lead.state == LeadState::Open => lead.state = LeadState::Closed,
            LeadOp::Close | LeadOp::Get => {}
        }
        Outcome::Lead(Some(Box::new(lead.view(command.lead, false))))
    }

    /// What LEAD.CLAIM answers when the lead has said whether it is open. `None`: it is to be asked that; or for a slot,
    /// if the account holds for it now.
    pub fn claim(&mut self, command: &Command<'_>, said: Option<&Step>, now: u64) -> Option<Outcome> {
        let Op::Claim { cost } = command.op else { panic!("a claim, not {command:?}") };
        let holds_max = self.holds_max;
        let Some(account) = self.accounts.get_mut(command.account) else {
            return Some(Outcome::Rejected(Rejection::NoAccount));
        };
        account.settle(now);
        if let Some(id) = account.ids.get(command.tx) {
            let answer = id.start_again(command, Verb::Claim, cost, now);
            let waits = id.state == State::Active && matches!(answer, Outcome::Written(_));
            return (!waits).then_some(answer);
        }
        match said? {
            Step::Open => {
                let outcome = account.start(command, Verb::Claim, cost, now, holds_max);
                matches!(outcome, Outcome::Rejected(_)).then_some(outcome)
            }
            Step::Refused { refusal, .. } => Some(Outcome::Rejected(refusal.get().rejection())),
            Step::Taken { .. } | Step::Later => panic!("no answer to a claim without a hold: {said:?}"),
        }
    }

    /// What it answers when the lead has given the account a slot for its hold, or has refused.
    pub fn end_claim(&mut self, command: &Command<'_>, said: &Step, now: u64) -> Outcome {
        let account = self.accounts.get_mut(command.account).unwrap();
        account.settle(now);
        account.end_claim(command, said, now)
    }

    /// LEAD.CLAIM from its beginning to its end, where nothing comes between.
    pub(super) fn claim_at_once(&mut self, command: &Command<'_>, cost: u64, now: u64) -> Outcome {
        let ask = |model: &mut Self, op| match model.ask_lead(command, op, now) {
            Outcome::Step(step) => *step,
            other => panic!("a step is answered by a step, not {other:?}"),
        };
        if let Some(outcome) = self.claim(command, None, now) {
            return outcome;
        }
        let said = ask(self, LeadOp::Peek);
        if let Some(outcome) = self.claim(command, Some(&said), now) {
            return outcome;
        }
        let account_seq = self.accounts[command.account].seq;
        let said = ask(self, LeadOp::Take { cost, account_seq });
        self.end_claim(command, &said, now)
    }
}

impl Account {
    fn end_claim(&mut self, command: &Command<'_>, said: &Step, now: u64) -> Outcome {
        let id = self.ids.get_mut(command.tx).unwrap();
        assert!(id.verb == Verb::Claim && id.state == State::Active, "only a claim that runs ends");
        let own = Command { lead: command.lead, ..Command::new(command.account, command.tx, command.op) };
        match said {
            &Step::Taken { claim, remaining } => {
                id.claim = Some((claim, remaining));
                let cost = id.amount;
                (self.balance, self.debited) = (self.balance - cost, self.debited + cost);
                self.end(&own, State::Captured(cost), now)
            }
            Step::Refused { refusal, .. } => {
                id.refusal = Some(refusal.clone());
                id.first = Outcome::Rejected(refusal.get().rejection());
                let first = id.first.clone();
                self.end(&own, State::Released, now);
                first
            }
            Step::Open | Step::Later => panic!("no end: {said:?}"),
        }
    }
}

impl Lead {
    /// Expires it, if it is due.
    pub fn settle(&mut self, now: u64) {
        if self.state == LeadState::Open && self.expires.is_some_and(|expires| expires <= now) {
            self.state = LeadState::Expired;
        }
    }

    /// Records that it has.
    pub fn seq(&self) -> u64 {
        1 + self.claims.len() as u64 + u64::from(matches!(self.state, LeadState::Closed | LeadState::Expired))
    }

    /// As LEAD.GET shows it.
    pub fn view(&self, name: &[u8], replayed: bool) -> LeadView {
        LeadView {
            lead: name.into(),
            state: self.state,
            max: self.max,
            claims: self.claims.len() as u32,
            opened_at_ms: self.opened,
            expires_at_ms: self.expires,
            replayed,
        }
    }

    /// As LEAD.CLAIMS shows them.
    pub fn views(&self, from: u32, count: u16) -> Vec<ClaimView> {
        let slots = (1..).zip(&self.claims).filter(|(slot, _)| *slot >= from).take(usize::from(count));
        let view = |(slot, claim): (u32, &Claim)| ClaimView {
            claim: slot,
            account: claim.account.as_slice().into(),
            tx: claim.tx.as_slice().into(),
            cost: claim.cost,
            time_ms: claim.time,
        };
        slots.map(view).collect()
    }

    fn take(&mut self, command: &Command<'_>, cost: u64, account_seq: u64, now: u64) -> Step {
        let is_it = |claim: &Claim| {
            claim.account == command.account && claim.tx == command.tx && claim.account_seq == account_seq
        };
        if let Some(slot) = self.claims.iter().position(is_it) {
            return Step::Taken { claim: slot as u32 + 1, remaining: self.max - slot as u32 - 1 };
        }
        if let Some(refused) = self.refuses(command.account) {
            return refused;
        }
        let (account, tx) = (command.account.to_vec(), command.tx.to_vec());
        self.claims.push(Claim { account, tx, cost, account_seq, time: now });
        let taken = self.claims.len() as u32;
        if taken == self.max {
            self.state = LeadState::Full;
        }
        Step::Taken { claim: taken, remaining: self.max - taken }
    }

    /// Why the account gets no slot.
    pub fn refuses(&self, account: &[u8]) -> Option<Step> {
        let ended = match self.state {
            LeadState::Open => None,
            LeadState::Full => Some(Refusal::Full { max: self.max }),
            LeadState::Closed => Some(Refusal::Closed),
            LeadState::Expired => Some(Refusal::Expired { expires_at_ms: self.expires.unwrap() }),
        };
        let own = self.claims.iter().position(|claim| claim.account == account);
        let own = own.map(|slot| Refusal::Already { tx: &self.claims[slot].tx, claim: slot as u32 + 1 });
        let refusal = OwnedRefusal::new(own.or(ended)?);
        let is_small = self.claims.len() <= usize::from(ENDED_CLAIMS_MAX);
        let claims = is_small.then(|| self.views(1, ENDED_CLAIMS_MAX));
        Some(Step::Refused { refusal, ended: ended.map(|refusal| Ended { refusal, claims }) })
    }
}

fn step(step: Step) -> Outcome {
    Outcome::Step(Box::new(step))
}
