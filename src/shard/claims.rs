//! Claims on their way: LEAD.CLAIM as its account's shard drives it (commands.md C.6).
//!
//! ```text
//!            account's shard                            lead's shard
//!   claim ─▶ id known? answer. Lead known to have
//!            ended? refuse ────────── Peek ───────────▶ reads
//!            decide: DECLINE, or ◀─── Open / Refused ── (what it shows is durable)
//!            RESERVE ─(durable)────── Take ───────────▶ appends CLAIM, once per account
//!            Claimed or Refused ◀──── Taken / Refused ─ (durable)
//!         ◀─(durable)
//! ```
//! Each arrow leaves when what it says is durable, so a crash at any point leaves a hold whose Take can be asked again:
//! a Take is answered the same, however often it is asked. The CLAIM record decides.
//!
//! Invariants: a claim's hold ends only here; each claim has at most one question out. Every list is bounded.
//! Absent on purpose: where shards run, and how steps travel (the server's business, and the simulator's).

mod ended;

use super::Shard;
use super::batch::{Batch, Reply, Ticket};
use crate::journal::storage::SegmentSource;
use crate::ledger::command::{Command, LeadOp, Op};
use crate::ledger::id::Lsn;
use crate::ledger::lead::{OwnedRefusal, Step};
use crate::ledger::outcome::Outcome;
use crate::ledger::rejection::{Busy, Rejection};
use crate::ledger::{Ending, HoldSlot, codec, outcome_again, outcome_of};
use ended::EndedLeads;
use std::collections::{BTreeMap, VecDeque};

/// Claims of a shard that may run at the same time; those that recovery found are not counted.
const CLAIMS_MAX: usize = 65_536;

/// Commands that may wait for the end of one claim.
const WAITERS_MAX: usize = 8;

/// When a step that could not be done is asked again, milliseconds.
const RETRY_MS: u64 = 100;

/// The claims of a shard that run.
pub(super) struct Claims {
    claims: BTreeMap<u32, Claim>,
    /// The claims that have a hold, by its slot.
    by_hold: BTreeMap<u32, u32>,
    next_number: u32,
    /// When which claim has a waiter whose patience ends.
    patience: VecDeque<(u64, u32)>,
    /// When which claim asks again.
    retries: VecDeque<(u64, u32)>,
    /// Steps that are to be sent.
    outgoing: Batch,
    ended: EndedLeads,
    /// What a lead has said to the claim that is now executed again.
    said: Option<Said>,
    timeout_ms: u64,
}

/// One claim.
struct Claim {
    stage: Stage,
    waiters: Vec<(Ticket, u64)>,
}

/// How far a claim is.
enum Stage {
    /// The lead was asked whether it is open. The command, to be executed then.
    Peeking(Batch),
    /// Its RESERVE is on its way to the disk.
    Holding(HoldSlot),
    /// The lead was asked for a slot.
    Taking(HoldSlot),
    /// The lead has decided; the disk has no room for the end.
    Decided(HoldSlot, Box<Step>),
}

/// What a lead said to a Peek.
enum Said {
    Open,
    Refused(OwnedRefusal),
}

impl Claims {
    /// No claims. A client waits for `timeout_ms` at most.
    pub(super) fn new(timeout_ms: u64) -> Self {
        Self {
            claims: BTreeMap::new(),
            by_hold: BTreeMap::new(),
            next_number: 0,
            patience: VecDeque::new(),
            retries: VecDeque::new(),
            outgoing: Batch::default(),
            ended: EndedLeads::default(),
            said: None,
            timeout_ms,
        }
    }

    /// When [`Shard::review_claims`] has work, unix milliseconds.
    pub(super) fn next_review(&self) -> Option<u64> {
        let first = |queue: &VecDeque<(u64, u32)>| queue.front().map(|(at_ms, _)| *at_ms);
        [first(&self.patience), first(&self.retries)].into_iter().flatten().min()
    }

    fn add(&mut self, stage: Stage, waiter: Option<(Ticket, u64)>) -> u32 {
        let number = self.next_number;
        self.next_number = self.next_number.wrapping_add(1);
        if let Stage::Holding(slot) | Stage::Taking(slot) = &stage {
            self.by_hold.insert(slot.0, number);
        }
        let before = self.claims.insert(number, Claim { stage, waiters: waiter.into_iter().collect() });
        assert!(before.is_none(), "numbers go round long after their claims have ended");
        if let Some((_, now_ms)) = waiter {
            self.be_patient(number, now_ms);
        }
        number
    }

    /// A command waits for the claim from `now_ms` on.
    fn be_patient(&mut self, number: u32, now_ms: u64) {
        self.patience.push_back((now_ms.saturating_add(self.timeout_ms), number));
    }

    /// Asks the lead whether it is open.
    fn peek(&mut self, shard: u16, number: u32) {
        let Stage::Peeking(command) = &self.claims[&number].stage else { panic!("it has no hold yet") };
        let (_, _, command) = command.iter().next().expect("a claim has a command");
        let peek = Command { op: Op::Lead(LeadOp::Peek), ..command };
        self.outgoing.push(shard, Ticket::of_claim(shard, number), &peek);
    }
}

impl<R: SegmentSource> Shard<R> {
    /// How many claims run.
    pub fn claims_running(&self) -> usize {
        self.claims.claims.len()
    }

    /// Steps of claims that are to be executed where their leads are; the answers come to [`Shard::step`].
    pub fn take_steps(&mut self) -> Option<Batch> {
        (!self.claims.outgoing.is_empty()).then(|| std::mem::take(&mut self.claims.outgoing))
    }

    /// Goes on with the claims whose holds recovery has found.
    pub fn resume_claims(&mut self) {
        let slots: Vec<_> = self.ledger.running_claims().collect();
        for slot in slots {
            if !self.claims.by_hold.contains_key(&slot.0) && !planted!("claims not resumed at a start") {
                let number = self.claims.add(Stage::Holding(slot), None);
                self.ask_for_slot(number, slot);
            }
        }
    }

    /// The answer to a step: `reply`'s ticket is one of [`Shard::take_steps`], or of a hold that now is durable.
    pub fn step(&mut self, now_ms: u64, reply: Reply, released: &mut Vec<Reply>) {
        let now_ms = self.advance_clock(now_ms);
        let (_, number) = reply.ticket.claim().expect("the answer to a step");
        let Outcome::Step(step) = reply.outcome else { panic!("a step is answered by a step: {:?}", reply.outcome) };
        let claim = self.claims.claims.get_mut(&number).expect("a claim that runs");
        match (&claim.stage, *step) {
            (&Stage::Holding(slot), _) => self.ask_for_slot(number, slot),
            (Stage::Peeking(_) | Stage::Taking(_), Step::Later) => {
                self.claims.retries.push_back((now_ms + RETRY_MS, number));
            }
            (Stage::Peeking(_), step) => self.peeked(now_ms, number, step, released),
            (&Stage::Taking(slot), step) => self.end_claim(now_ms, number, slot, step),
            (Stage::Decided(..), step) => panic!("nothing was asked: {step:?}"),
        }
    }

    /// Asks again what could not be done before, and lets waiters go whose patience has ended. The claims go on.
    pub(super) fn review_claims(&mut self, now_ms: u64, released: &mut Vec<Reply>) {
        while let Some((at_ms, number)) = self.claims.patience.pop_front_if(|(at_ms, _)| *at_ms <= now_ms) {
            let Some(claim) = self.claims.claims.get_mut(&number) else { continue };
            let timeout_ms = self.claims.timeout_ms;
            for (ticket, _) in
                claim.waiters.extract_if(.., |(_, since_ms)| since_ms.saturating_add(timeout_ms) <= at_ms)
            {
                released.push(Reply { ticket, outcome: Outcome::Rejected(Rejection::TryAgain(Busy::Claim)) });
            }
        }
        while let Some((_, number)) = self.claims.retries.pop_front_if(|(at_ms, _)| *at_ms <= now_ms) {
            let claim = self.claims.claims.get_mut(&number).expect("a claim that asks again runs");
            match &claim.stage {
                Stage::Peeking(_) if claim.waiters.is_empty() => drop(self.claims.claims.remove(&number)),
                Stage::Peeking(_) => self.claims.peek(self.id, number),
                &Stage::Holding(slot) | &Stage::Taking(slot) => self.ask_for_slot(number, slot),
                Stage::Decided(slot, step) => {
                    let (slot, step) = (*slot, (**step).clone());
                    self.end_claim(now_ms, number, slot, step);
                }
            }
        }
    }

    /// What the lead says before a hold is made. `Ok(true)`: it is open. `Ok(false)`: it is asked, and the command waits.
    pub(super) fn hear_lead(&mut self, ticket: Ticket, command: &Command<'_>, now_ms: u64) -> Result<bool, Rejection> {
        match self.claims.said.take() {
            Some(Said::Open) => return Ok(true),
            Some(Said::Refused(refusal)) => return Err(refusal.get().rejection()),
            None => {}
        }
        if let Some(refusal) = self.claims.ended.refusal(command.lead, command.account) {
            return Err(refusal.rejection());
        }
        if self.claims.claims.len() >= CLAIMS_MAX {
            return Err(Rejection::TryAgain(Busy::Claims));
        }
        let mut copy = Batch::default();
        copy.push(self.id, ticket, command);
        let number = self.claims.add(Stage::Peeking(copy), Some((ticket, now_ms)));
        self.claims.peek(self.id, number);
        Ok(false)
    }

    /// A claim has a hold: its RESERVE stands at `lsn`. What follows is asked when that is durable.
    pub(super) fn begin_claim(&mut self, slot: HoldSlot, lsn: Lsn, ticket: Ticket, now_ms: u64) {
        let number = self.claims.add(Stage::Holding(slot), Some((ticket, now_ms)));
        if planted!("lead asked before the hold is durable") {
            return self.ask_for_slot(number, slot);
        }
        self.pending.hold_write(lsn, Ticket::of_claim(self.id, number), Outcome::Step(Box::new(Step::Open)));
    }

    /// The same claim again while it runs: its outcome will be this command's, too.
    pub(super) fn join_claim(&mut self, slot: HoldSlot, ticket: Ticket, now_ms: u64, released: &mut Vec<Reply>) {
        let number = self.claims.by_hold[&slot.0];
        let claim = self.claims.claims.get_mut(&number).expect("it has a hold, so it runs");
        if claim.waiters.len() >= WAITERS_MAX {
            return self.refuse(ticket, Rejection::TryAgain(Busy::Claim), released);
        }
        claim.waiters.push((ticket, now_ms));
        self.claims.be_patient(number, now_ms);
    }

    /// The lead has said whether it is open: executes the command, from the start.
    fn peeked(&mut self, now_ms: u64, number: u32, step: Step, released: &mut Vec<Reply>) {
        let claim = self.claims.claims.remove(&number).expect("it was just found");
        let Stage::Peeking(command) = claim.stage else { panic!("it was just seen") };
        let (_, ticket, command) = command.iter().next().expect("a claim has a command");
        let said = match step {
            Step::Open => Said::Open,
            Step::Refused { refusal, ended } => {
                self.claims.ended.learn(command.lead, ended);
                Said::Refused(refusal)
            }
            Step::Taken { .. } | Step::Later => panic!("no answer to a Peek: {step:?}"),
        };
        if claim.waiters.is_empty() {
            return; // it has heard TRYAGAIN, and nothing was executed
        }
        self.claims.said = Some(said);
        let sought = self.prepare(&command);
        // What is set aside comes back with its errand, and asks again.
        let _ = self.execute(now_ms, ticket, &command, sought, released);
        self.claims.said = None;
    }

    /// Asks the lead for a slot. The hold is durable.
    fn ask_for_slot(&mut self, number: u32, slot: HoldSlot) {
        let claim = self.ledger.running_claim(slot).expect("a claim's hold ends only here");
        let op = Op::Lead(LeadOp::Take { cost: claim.cost, account_seq: claim.seq });
        let take = Command { lead: claim.lead, ..Command::new(claim.account, claim.tx, op) };
        self.claims.outgoing.push(self.id, Ticket::of_claim(self.id, number), &take);
        self.claims.claims.get_mut(&number).expect("it runs").stage = Stage::Taking(slot);
    }

    /// The lead has decided: journals the end of the claim.
    fn end_claim(&mut self, now_ms: u64, number: u32, slot: HoldSlot, step: Step) {
        let claim = self.ledger.running_claim(slot).expect("a claim's hold ends only here");
        let at = self.ledger.locate(claim.account);
        if !self.settle(at, now_ms) || self.admission.refuses_an_ending() {
            self.claims.claims.get_mut(&number).expect("it runs").stage = Stage::Decided(slot, Box::new(step));
            self.claims.retries.push_back((now_ms + RETRY_MS, number));
            return;
        }
        let refusal;
        let ending = match step {
            Step::Taken { claim, remaining } => Ending::Claimed { claim, remaining },
            Step::Refused { refusal: owned, ended } => {
                let claim = self.ledger.running_claim(slot).expect("it was just seen");
                self.claims.ended.learn(claim.lead, ended);
                refusal = owned;
                Ending::Refused(refusal.get())
            }
            Step::Open | Step::Later => panic!("no answer to a Take: {step:?}"),
        };
        let event = self.ledger.end_claim(at, slot, ending, now_ms);
        let lsn = self.log.append(now_ms, |record| codec::encode(&event, record));
        let (outcome, again) = (outcome_of(&event), outcome_again(&event));
        self.apply_appended(at, lsn);
        self.claims.by_hold.remove(&slot.0);
        let claim = self.claims.claims.remove(&number).expect("it runs");
        let mut waiters = claim.waiters.into_iter().map(|(ticket, _)| ticket);
        if let Some(ticket) = waiters.next() {
            self.pending.hold_write(lsn, ticket, outcome);
        }
        for ticket in waiters {
            self.pending.hold_read(lsn, ticket, again.clone());
        }
    }
}

#[cfg(test)]
mod tests;
