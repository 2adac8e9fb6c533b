//! The oracle's half about claims: who waits for the end of which, and that leads and accounts tell the same (I8, I9).

use super::belief::{Answer, Heard, Name, Step};
use super::clients::Request;
use super::judge::{Judge, Known, Owed};
use super::model::{Entry, Lead, State};
use creditd::ledger::command::{Command, LeadOp, Op};
use creditd::ledger::event::EntryType;
use creditd::ledger::lead::{LeadState, Step as Said};
use creditd::ledger::outcome::{Outcome, Receipt, Status};
use creditd::ledger::rejection::{Busy, Rejection, Verb};
use creditd::ledger::{Ledger, Prior};
use creditd::shard::Admission;
use creditd::shard::batch::Ticket;
use std::collections::{BTreeMap, BTreeSet};

/// Commands that may wait for the end of one claim (commands.md C.6, 7).
const WAITERS_MAX: usize = 8;

/// Claims that run.
pub struct Claims {
    timeout_ms: u64,
    /// By account and transaction: who waits, in order.
    waiting: BTreeMap<(Vec<u8>, Vec<u8>), Vec<Ticket>>,
    /// The leads have decided, and the accounts' shards had no room for it.
    late: Vec<(u16, Request, Said)>,
    /// Ends of claims that began with a hold, and those of them that got a slot.
    pub ended: u64,
    pub taken: u64,
    /// Whose patience has ended.
    pub impatient: u64,
}

impl Claims {
    /// None runs.
    pub fn new(timeout_ms: u64) -> Self {
        Self { timeout_ms, waiting: BTreeMap::new(), late: Vec::new(), ended: 0, taken: 0, impatient: 0 }
    }

    /// The process is gone.
    pub fn down(&mut self) {
        self.waiting.clear();
        self.late.clear();
    }

    /// A command waits for the end of its claim, which has a hold; or too many do.
    pub fn wait(&mut self, ticket: Ticket, command: &Command<'_>, now_ms: u64) -> Answer {
        let waiting = self.waiting.entry((command.account.to_vec(), command.tx.to_vec())).or_default();
        if waiting.len() >= WAITERS_MAX {
            return Answer::refusal(Rejection::TryAgain(Busy::Claim));
        }
        waiting.push(ticket);
        Answer::Undecided(now_ms, command.lead.to_vec())
    }
}

impl Judge {
    /// Whether a command is to be answered still.
    pub fn owes(&self, ticket: Ticket) -> bool {
        self.owed.contains_key(&ticket)
    }

    /// Claims that have ended, whose clients wait for the disk.
    pub fn untold_ends(&self) -> u64 {
        let is_end = |owed: &&Owed| {
            let ended = matches!(&owed.answer, Answer::Outcome(Outcome::Written(it)) if it.status == Status::Claimed);
            ended && owed.seq > 0
        };
        self.owed.values().filter(is_end).count() as u64
    }

    /// A lead has said `said` to a claim that has asked it before anything else.
    pub fn heard(
        &mut self,
        said: Said,
        ticket: Ticket,
        command: &Command<'_>,
        now_ms: u64,
        known: &Known,
        admission: Admission,
    ) {
        self.owed.remove(&ticket).expect("nobody executes a claim that has been answered");
        if self.asides.waits(command.account) {
            self.aside(ticket, command, known);
        } else {
            self.decided_after(Heard::Peek(said), ticket, command, now_ms, known, admission);
        }
    }

    /// A claim that waits is refused although nothing is decided: its patience has ended, or its lead is known to have.
    pub(super) fn refused_meanwhile(
        &mut self,
        ticket: Ticket,
        account: &[u8],
        (since_ms, lead): (u64, &[u8]),
        rejection: &Rejection,
        now_ms: u64,
    ) {
        if *rejection == Rejection::TryAgain(Busy::Claim) {
            assert!(now_ms - since_ms >= self.claims.timeout_ms, "a claim is patient");
            self.claims.impatient += 1;
        } else {
            let case =
                self.cases.get(&Name::Lead(lead.to_vec())).expect("nothing is known of a lead that nobody asked");
            let Some(lead) = case.now.model.leads.get(lead) else { panic!("{rejection:?} of no lead") };
            assert!(lead.state != LeadState::Open && case.shown_seq == lead.seq(), "{rejection:?} is no durable fact");
            let refused = lead.refuses(account);
            let Some(Said::Refused { refusal, .. }) = refused else { panic!("not {refused:?}") };
            assert_eq!(*rejection, refusal.get().rejection());
        }
        self.claims.waiting.values_mut().for_each(|waiting| waiting.retain(|other| *other != ticket));
    }

    /// A claim asks its lead for a slot.
    pub fn asks(&self, command: &Command<'_>) {
        let Op::Lead(LeadOp::Take { cost, account_seq }) = command.op else { return };
        let account = &self.cases[&Name::Account(command.account.to_vec())].now.model.accounts[command.account];
        let id = &account.ids[command.tx];
        assert_eq!((id.verb, id.state), (Verb::Claim, State::Active), "only a hold asks for a slot");
        assert_eq!((id.amount, id.lead.as_slice()), (cost, command.lead), "it asks for what it holds for");
        assert!(matches!(id.first, Outcome::Written(Receipt { seq, .. }) if seq == account_seq), "it says which hold");
    }

    /// A lead has decided a claim of a shard's account.
    pub fn ends(&mut self, shard: u16, claim: Request, said: Said, now_ms: u64, admission: Admission) {
        if admission == Admission::Nothing {
            self.claims.late.push((shard, claim, said));
        } else {
            self.end(claim, said, now_ms);
        }
    }

    /// A shard has tried again to end the claims for which it had no room.
    pub fn end_late(&mut self, shard: u16, ledger: &Ledger, now_ms: u64) {
        let ended_at = |of: u16, claim: &Request| match ledger.lookup(ledger.key(&claim.account, &claim.tx)) {
            Prior::Recorded(lsn) if of == shard => Some(lsn),
            _ => None,
        };
        let late = std::mem::take(&mut self.claims.late);
        let (mut ended, late): (Vec<_>, _) =
            late.into_iter().partition(|(of, claim, _)| ended_at(*of, claim).is_some());
        self.claims.late = late;
        ended.sort_by_key(|(of, claim, _)| ended_at(*of, claim));
        ended.into_iter().for_each(|(_, claim, said)| self.end(claim, said, now_ms));
    }

    fn end(&mut self, claim: Request, said: Said, now_ms: u64) {
        let key = (claim.account.clone(), claim.tx.clone());
        let name = Name::Account(claim.account.clone());
        let case = self.cases.get_mut(&name).expect("it has claimed");
        self.claims.ended += 1;
        self.claims.taken += u64::from(matches!(said, Said::Taken { .. }));
        let mut step = Step { request: claim, now_ms, forgotten: false, heard: Heard::Take(said), seq: 0 };
        let (Answer::Outcome(outcome), true) = case.now.take(&step) else { panic!("the end of a claim is an entry") };
        step.seq = case.now.seq(&name);
        for (n, ticket) in self.claims.waiting.remove(&key).unwrap_or_default().into_iter().enumerate() {
            let owed = self.owed.get_mut(&ticket).expect("it waits");
            let again = |receipt| Outcome::Written(Receipt { replayed: n > 0, ..receipt });
            let outcome = if let Outcome::Written(receipt) = outcome { again(receipt) } else { outcome.clone() };
            (owed.answer, owed.seq) = (Answer::Outcome(outcome), step.seq);
        }
        case.history.push(step);
    }

    /// I8, and I9: every claim is paid for by the entry that it names, and captured at most once by that; every capture of
    /// a claim has its slot. `done`: no claim runs, so each is captured and none holds.
    pub fn check_claims(&self, done: bool) {
        let mut captured = BTreeSet::new();
        for case in self.cases.values() {
            for (name, account) in &case.now.model.accounts {
                let running = account.ids.values().filter(|id| id.state == State::Active && id.verb == Verb::Claim);
                assert!(!done || running.count() == 0, "{}: a hold is left of a claim", name.escape_ascii());
                for entry in account.entries.iter().filter(|entry| entry.claim.is_some()) {
                    self.check_capture(name, entry);
                    let (slot, _) = entry.claim.expect("just seen");
                    assert!(
                        captured.insert((entry.lead.as_slice(), slot)),
                        "two captures of one claim: {entry:?} (I9)"
                    );
                }
            }
        }
        for case in self.cases.values() {
            for (name, lead) in &case.now.model.leads {
                self.check_lead(name, lead);
                let is_captured = |slot: &u32| captured.contains(&(name.as_slice(), *slot));
                assert!(!done || (1..=lead.claims.len() as u32).all(|slot| is_captured(&slot)), "a free lead (I9)");
            }
        }
    }

    fn check_capture(&self, account: &[u8], entry: &Entry) {
        let (slot, _) = entry.claim.expect("the end of a claim");
        let lead =
            self.cases.get(&Name::Lead(entry.lead.clone())).and_then(|case| case.now.model.leads.get(&entry.lead));
        let claim = lead.and_then(|lead| lead.claims.get(slot as usize - 1));
        let is_it = claim.is_some_and(|claim| {
            (claim.account.as_slice(), &claim.tx, Some(claim.cost)) == (account, &entry.tx, entry.captured)
        });
        assert!(is_it, "{}: a capture without its claim: {entry:?} (I9)", account.escape_ascii());
    }

    fn check_lead(&self, name: &[u8], lead: &Lead) {
        let accounts: BTreeSet<_> = lead.claims.iter().map(|claim| &claim.account).collect();
        assert!(lead.claims.len() as u32 <= lead.max && accounts.len() == lead.claims.len(), "{lead:?} (I8)");
        assert_eq!(lead.claims.len() as u32 == lead.max, lead.state == LeadState::Full, "{lead:?} (I8)");
        for claim in &lead.claims {
            let case = self.cases.get(&Name::Account(claim.account.clone()));
            let account = case.and_then(|case| case.now.model.accounts.get(&claim.account));
            let pays = |entry: &&Entry| {
                let what =
                    (entry.entry_type, entry.seq, entry.amount) == (EntryType::Reserve, claim.account_seq, claim.cost);
                what && (entry.tx.as_slice(), entry.lead.as_slice()) == (claim.tx.as_slice(), name)
            };
            let paid = account.is_some_and(|account| account.entries.iter().any(|entry| pays(&entry)));
            assert!(paid, "nobody pays for {claim:?} of {} (I9)", name.escape_ascii());
        }
    }
}
