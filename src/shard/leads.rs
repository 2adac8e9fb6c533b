//! Commands that a lead executes, a step of another shard's claim among them.
//!
//! As with accounts: settle, decide, append, apply; what is shown of a lead leaves when the lead's newest record is
//! durable.

use super::Shard;
use super::batch::{Reply, Ticket};
use crate::journal::storage::SegmentSource;
use crate::ledger::command::{Command, LeadOp};
use crate::ledger::lead::{LeadAt, LeadDecision, Step, codec};
use crate::ledger::outcome::Outcome;
use crate::ledger::rejection::Rejection;

impl<R: SegmentSource> Shard<R> {
    /// Runs a command on a lead.
    pub(super) fn ask_lead(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        op: LeadOp,
        command: &Command<'_>,
        released: &mut Vec<Reply>,
    ) {
        let at = self.ledger.leads().locate(command.lead);
        if !self.settle_lead(at, now_ms) {
            return self.refuse_lead(ticket, op, Rejection::DiskFull { reserve_is_used: true }, released);
        }
        match self.ledger.leads().decide(at, op, command, now_ms) {
            LeadDecision::Answer(outcome) => {
                self.answer_behind(self.ledger.leads().last_lsn(at), ticket, outcome, released);
            }
            LeadDecision::Commit(ref event) => {
                if let Some(rejection) = self.admission.refuses_of_lead(&event.change) {
                    return self.refuse_lead(ticket, op, rejection, released);
                }
                let lsn = self.log.append(now_ms, |record| codec::encode(event, record));
                let at = self.ledger.apply_lead(at, event, lsn);
                self.pending.hold_write(lsn, ticket, self.ledger.leads().outcome_of(at, event));
            }
        }
    }

    /// Expires the lead if it is due, at its deadline. `false`: it is, and nothing may become a record now.
    pub(super) fn settle_lead(&mut self, at: LeadAt, now_ms: u64) -> bool {
        let Some(event) = self.ledger.leads().settle(at, now_ms) else { return true };
        if self.admission.refuses_of_lead(&event.change).is_some() {
            return false;
        }
        let lsn = self.log.append(now_ms, |record| codec::encode(&event, record));
        // It was made of the lead that it changes.
        let record = self.log.record(lsn).expect("a record just appended is in memory");
        let event = codec::decode(record).expect("a record just encoded decodes");
        self.ledger.apply_lead(at, &event, lsn);
        true
    }

    /// A client hears why; a claim asks again.
    fn refuse_lead(&mut self, ticket: Ticket, op: LeadOp, rejection: Rejection, released: &mut Vec<Reply>) {
        match op {
            LeadOp::Peek | LeadOp::Take { .. } => {
                released.push(Reply { ticket, outcome: Outcome::Step(Box::new(Step::Later)) });
            }
            _ => self.refuse(ticket, rejection, released),
        }
    }
}
