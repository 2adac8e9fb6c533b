//! The desk's leads: commands on leads, and claims step by step; and what the log says of them.

use super::desk::{Desk, push, record, write};
use crate::ledger::codec::{Record, decode_any};
use crate::ledger::command::{Command, LeadOp, Op};
use crate::ledger::event::{Change, Event};
use crate::ledger::id::Lsn;
use crate::ledger::invariants::LeadStory;
use crate::ledger::lead::{LeadAt, LeadChange, LeadDecision, LeadEvent, Step, codec};
use crate::ledger::outcome::Outcome;
use crate::ledger::{Ending, Ledger};
use std::collections::{BTreeMap, BTreeSet};

impl Desk {
    /// Executes a command on a lead.
    pub(super) fn ask(&mut self, command: &Command<'_>) -> Outcome {
        let Op::Lead(op) = command.op else { panic!("a lead does not execute {command:?}") };
        let at = self.ledger.leads().locate(command.lead);
        self.settle_lead(at);
        match self.ledger.leads().decide(at, op, command, self.now_ms) {
            LeadDecision::Answer(outcome) => outcome,
            LeadDecision::Commit(event) => {
                let lsn = write_lead(&mut self.log, &event);
                let at = self.ledger.apply_lead(at, &event, lsn);
                self.close_block();
                self.ledger.leads().outcome_of(at, &event)
            }
        }
    }

    /// Lets one of the claims that run ask its lead; and end as the lead says, if it `ends`.
    pub(super) fn run_claim(&mut self, nth: usize, ends: bool) {
        let running: Vec<_> = self.ledger.running_claims().collect();
        let Some(&slot) = running.get(nth % running.len().max(1)) else { return };
        let claim = self.ledger.running_claim(slot).expect("it runs");
        let (account, tx, lead) = (claim.account.to_vec(), claim.tx.to_vec(), claim.lead.to_vec());
        let op = Op::Lead(LeadOp::Take { cost: claim.cost, account_seq: claim.seq });
        let asked = self.ask(&Command { lead: &lead, ..Command::new(&account, &tx, op) });
        let Outcome::Step(step) = asked else { panic!("a step is answered by a step: {asked:?}") };
        let ending = match &*step {
            Step::Taken { claim, remaining } => Ending::Claimed { claim: *claim, remaining: *remaining },
            Step::Refused { refusal, .. } => Ending::Refused(refusal.get()),
            Step::Open | Step::Later => panic!("no answer: {step:?}"),
        };
        if ends {
            let at = self.ledger.locate(&account);
            self.settle(at);
            let lsn = write(&mut self.log, &self.ledger.end_claim(at, slot, ending, self.now_ms));
            let event = record(&self.log, lsn);
            self.ledger.apply(at, self.ledger.key(event.account, event.tx), &event, lsn);
            self.close_block();
        }
    }

    /// Expires the lead if it is due.
    pub(super) fn settle_lead(&mut self, at: LeadAt) {
        let Some(event) = self.ledger.leads().settle(at, self.now_ms) else { return };
        let lsn = write_lead(&mut self.log, &event);
        let Ok(Record::Lead(event)) = decode_any(self.log.last().expect("just written")) else { panic!("a lead's") };
        self.ledger.apply_lead(at, &event, lsn);
        self.close_block();
    }
}

fn write_lead(log: &mut Vec<Vec<u8>>, event: &LeadEvent<'_>) -> Lsn {
    let mut bytes = Vec::new();
    codec::encode(event, &mut bytes);
    push(log, bytes)
}

/// Account, tx, lead, cost, slot, slots left.
type Paid<'a> = (&'a [u8], &'a [u8], &'a [u8], u64, u32, u32);

/// What the records of all leads amount to.
#[derive(Default)]
pub(super) struct LeadTales<'a> {
    stories: BTreeMap<&'a [u8], LeadStory>,
    taken: BTreeSet<Paid<'a>>,
    paid: BTreeSet<Paid<'a>>,
}

impl<'a> LeadTales<'a> {
    /// The next record of a lead.
    pub(super) fn tell(&mut self, lsn: Lsn, event: &LeadEvent<'a>) {
        let story = self.stories.entry(event.lead).or_default();
        story.tell(lsn, event).unwrap_or_else(|violation| panic!("{violation}"));
        if let LeadChange::Claim { account, tx, cost, .. } = event.change {
            assert!(self.taken.insert((account, tx, event.lead, cost, event.claims, event.remaining())));
        }
    }

    /// The next entry of an account.
    pub(super) fn entry(&mut self, event: &Event<'a>) {
        if let Change::Claimed { lead, claim, remaining, .. } = event.change {
            assert!(self.paid.insert((event.account, event.tx, lead, event.amount, claim, remaining)));
        }
    }

    /// What the accounts have paid is what they have, claims that run apart (I9).
    pub(super) fn agree(&self, ledger: &Ledger) {
        assert!(self.paid.is_subset(&self.taken), "nothing is paid for that is not had");
        let running: Vec<_> = ledger.running_claims().filter_map(|slot| ledger.running_claim(slot)).collect();
        for (account, tx, lead, ..) in self.taken.difference(&self.paid) {
            let is_it = running.iter().any(|claim| (claim.account, claim.tx, claim.lead) == (*account, *tx, *lead));
            assert!(is_it, "nothing is had that is not paid for");
        }
        assert_eq!(
            (self.stories.len(), self.taken.len()),
            (ledger.leads().len() as usize, ledger.leads().claim_count() as usize)
        );
    }
}
