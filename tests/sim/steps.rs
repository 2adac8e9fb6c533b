//! Steps of claims between shards. In the server they travel with the mail; here each takes its own time, and they arrive
//! in any order.

use super::clients::Request;
use super::judge::Judge;
use super::world::{Down, World};
use creditd::ledger::command::{Command, LeadOp, Op};
use creditd::ledger::lead::Step as Said;
use creditd::ledger::outcome::Outcome;
use creditd::shard::Admission;
use creditd::shard::batch::{Batch, Reply, Ticket};
use std::collections::BTreeMap;

/// What is under way.
#[derive(Default)]
pub struct Post {
    steps: Vec<(Ticket, Request)>,
    pub answers: Vec<Reply>,
    /// By shard and number of the claim: what was asked.
    asked: BTreeMap<(u16, u32), Asked>,
}

enum Asked {
    /// Whether the lead is open, for this command.
    Peek(Ticket, Request),
    /// For a slot; what claims it.
    Take(Request),
}

impl Post {
    /// How many claims are at which step: the lead is asked whether it is open; (a hold is not durable: not known here;)
    /// asked for a slot; has taken one, not durable; its answer is under way. Last: ends that nobody was told of.
    pub fn stages(&self, judge: &Judge) -> [u64; 6] {
        let mut stages = [0; 6];
        for ((shard, number), asked) in &self.asked {
            let ticket = Ticket::of_claim(*shard, *number);
            let is_answered = self.answers.iter().any(|reply| reply.ticket == ticket);
            let stage = match asked {
                Asked::Peek(..) => 0,
                Asked::Take(_) if judge.owes(ticket) => 3,
                Asked::Take(_) if is_answered => 4,
                Asked::Take(_) => 2,
            };
            stages[stage] += 1;
        }
        stages[5] = judge.untold_ends();
        stages
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.answers.is_empty()
    }
}

impl World {
    /// Takes the steps that a shard wants done, after it has executed the command of `asker`, if any.
    pub fn collect(&mut self, shard: u16, asker: Option<(Ticket, &Command<'_>)>) {
        let Some(batch) = self.process.homes[usize::from(shard)].shard.take_steps() else { return };
        for (_, ticket, command) in batch.iter() {
            self.trace.note(format_args!("ask {ticket:?} {} {:?}", command.tx.escape_ascii(), command.op));
            let number = ticket.claim().expect("a claim asks");
            if let Op::Lead(LeadOp::Take { cost, .. }) = command.op {
                self.judge.asks(&command);
                let claim = Request::copy(&Command { op: Op::Claim { cost }, ..command });
                self.process.post.asked.insert(number, Asked::Take(claim));
            } else if let Some((ticket, command)) = asker {
                self.process.post.asked.insert(number, Asked::Peek(ticket, Request::copy(command)));
            }
            assert!(self.process.post.asked.contains_key(&number), "somebody has asked: {command:?}");
            self.process.post.steps.push((ticket, Request::copy(&command)));
        }
    }

    /// Some step reaches its lead.
    pub fn do_step(&mut self) {
        let count = self.process.post.steps.len() as u64;
        if count == 0 {
            return;
        }
        let (ticket, step) = self.process.post.steps.swap_remove(self.chance.below(count) as usize);
        let mut batch = Batch::default();
        batch.push(self.knobs.shard(&step.lead), ticket, &step.command());
        self.run_batch(&batch);
    }

    /// Some answer, or word that a hold is durable, reaches its claim.
    pub fn hear_step(&mut self) {
        let count = self.process.post.answers.len() as u64;
        if count == 0 {
            return;
        }
        let reply = self.process.post.answers.swap_remove(self.chance.below(count) as usize);
        let now_ms = self.now_ms();
        let (shard, number) = reply.ticket.claim().expect("it is for a claim");
        let Outcome::Step(said) = reply.outcome.clone() else { panic!("a step is answered by a step: {reply:?}") };
        self.trace.note(format_args!("hear {shard} {number} {said:?}"));
        let home = &mut self.process.homes[usize::from(shard)];
        let admission = home.shard.admission();
        let asked = if *said == Said::Later { None } else { self.process.post.asked.remove(&(shard, number)) };
        let mut released = Vec::new();
        match asked {
            Some(Asked::Peek(ticket, claim)) if self.judge.owes(ticket) => {
                let known = self.judge.look(home.shard.ledger(), &claim.command(), now_ms);
                home.shard.step(now_ms, reply, &mut released);
                self.judge.heard(*said, ticket, &claim.command(), now_ms, &known, admission);
            }
            Some(Asked::Take(claim)) => {
                home.shard.step(now_ms, reply, &mut released);
                self.judge.ends(shard, claim, *said, now_ms, admission);
            }
            _ => home.shard.step(now_ms, reply, &mut released),
        }
        self.collect(shard, None);
        self.hand_out(shard, released);
    }

    /// Brings the claims to their ends that were cut short, before anybody is served.
    pub fn resume(&mut self) -> Result<(), Down> {
        for shard in 0..self.knobs.shards {
            let home = &mut self.process.homes[usize::from(shard)];
            home.shard.resume_claims();
            self.counts.resumed += home.shard.claims_running() as u64;
            self.collect(shard, None);
        }
        if self.claims_running() == 0 {
            self.judge.check_claims(true);
            return Ok(());
        }
        for _ in 0..self.chance.below(200) {
            self.work()?;
        }
        self.quieten()?;
        self.judge.check_claims(self.claims_running() == 0);
        Ok(())
    }

    /// Claims that run anywhere.
    pub fn claims_running(&self) -> usize {
        self.process.homes.iter().map(|home| home.shard.claims_running()).sum()
    }

    /// Whether claims cannot end: some disk has no room even for that.
    pub fn is_stuck(&self) -> bool {
        self.process.homes.iter().any(|home| home.shard.admission() == Admission::Nothing)
    }
}
