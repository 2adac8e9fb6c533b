//! Leads by themselves: what a command does to one, and which records cannot follow from which.

use super::*;
use crate::ledger::command::{Command, LeadOp, Op};
use crate::ledger::event::NEVER_MS;
use crate::ledger::id::Lsn;
use crate::ledger::invariants::Fault;
use crate::ledger::outcome::Outcome;
use crate::ledger::rejection::{LeadConflict, Rejection, Table};

const START_MS: u64 = 1_790_000_000_000;

/// A shard's leads, driven as a shard drives them.
struct Desk {
    leads: Leads,
    now_ms: u64,
    lsn: Lsn,
}

impl Desk {
    fn new() -> Self {
        Self { leads: Leads::new(1, 3, 20), now_ms: START_MS, lsn: 4096 }
    }

    fn run(&mut self, command: &Command<'_>) -> Outcome {
        let Op::Lead(op) = command.op else { panic!("not for a lead") };
        let at = self.leads.locate(command.lead);
        if let Some(event) = self.leads.settle(at, self.now_ms) {
            let name = event.lead.to_vec();
            let event = LeadEvent { lead: &name, reason: b"", meta: b"", change: LeadChange::Expire, ..event };
            self.apply(at, &event);
        }
        match self.leads.decide(at, op, command, self.now_ms) {
            LeadDecision::Answer(outcome) => outcome,
            LeadDecision::Commit(event) => {
                let at = self.apply(at, &event);
                self.leads.outcome_of(at, &event)
            }
        }
    }

    /// Applies the event as it reads back from its record.
    fn apply(&mut self, at: LeadAt, event: &LeadEvent<'_>) -> LeadAt {
        let mut record = Vec::new();
        assert_eq!(codec::encode(event, &mut record), 2);
        let read = codec::decode(&record).expect("just encoded");
        assert_eq!(read, *event);
        self.lsn += record.len() as u64;
        self.leads.apply(at, &read, self.lsn)
    }

    /// `state max/claims`, and `again` for a replay.
    fn show(&mut self, name: &[u8], op: LeadOp) -> String {
        match self.run(&Command::of_lead(name, Op::Lead(op))) {
            Outcome::Lead(None) => "unknown".to_owned(),
            Outcome::Lead(Some(view)) => {
                let again = if view.replayed { " again" } else { "" };
                format!("{} {}/{}{again}", view.state.word(), view.claims, view.max)
            }
            Outcome::Rejected(rejection) => format!("{rejection:?}"),
            other => panic!("no answer to {op:?}: {other:?}"),
        }
    }

    fn take(&mut self, name: &[u8], account: &[u8], tx: &[u8], account_seq: u64) -> Step {
        let op = Op::Lead(LeadOp::Take { cost: 5, account_seq });
        let outcome = self.run(&Command { lead: name, ..Command::new(account, tx, op) });
        let Outcome::Step(step) = outcome else { panic!("a step answers a step") };
        *step
    }
}

fn open(max: u32, ttl_ms: Option<u64>) -> LeadOp {
    LeadOp::Open { max, ttl_ms }
}

fn refused(step: &Step) -> Refusal<'_> {
    let Step::Refused { refusal, .. } = step else { panic!("refused: {step:?}") };
    refusal.get()
}

#[test]
fn a_lead_opens_once_and_what_it_was_opened_with_is_compared() {
    let mut desk = Desk::new();
    assert_eq!(desk.show(b"a", LeadOp::Get), "unknown");
    assert_eq!(desk.show(b"a", open(2, Some(50))), "open 0/2");
    assert_eq!(desk.show(b"a", open(2, Some(50))), "open 0/2 again");
    let max = Rejection::LeadExists(LeadConflict::Max { have: 2, given: 3 });
    assert_eq!(desk.show(b"a", open(3, None)), format!("{max:?}"), "max comes first");
    let ttl = Rejection::LeadExists(LeadConflict::Ttl { have: Some(50), given: None });
    assert_eq!(desk.show(b"a", open(2, None)), format!("{ttl:?}"));
    desk.now_ms += 49;
    assert_eq!(desk.show(b"a", LeadOp::Get), "open 0/2");
    desk.now_ms += 1;
    assert_eq!(desk.show(b"a", open(2, Some(50))), "expired 0/2 again", "gone at its deadline");
    assert_eq!(desk.show(b"a", LeadOp::Close), "expired 0/2", "what has ended stays as it is");
    assert_eq!(desk.show(b"b", LeadOp::Close), format!("{:?}", Rejection::NoLead));
    assert_eq!(desk.show(b"b", open(5, None)), "open 0/5");
    assert_eq!(
        (desk.show(b"b", LeadOp::Close), desk.show(b"b", LeadOp::Close)),
        ("closed 0/5".into(), "closed 0/5".into())
    );
}

#[test]
fn each_account_has_one_slot_and_its_own_claim_is_answered_again() {
    let mut desk = Desk::new();
    desk.show(b"a", open(2, None));
    assert_eq!(desk.take(b"a", b"ann", b"c1", 2), Step::Taken { claim: 1, remaining: 1 });
    assert_eq!(desk.take(b"a", b"ann", b"c1", 2), Step::Taken { claim: 1, remaining: 1 }, "idempotent");
    let already = Refusal::Already { tx: b"c1", claim: 1 };
    assert_eq!(refused(&desk.take(b"a", b"ann", b"c2", 3)), already);
    assert_eq!(refused(&desk.take(b"a", b"ann", b"c1", 9)), already, "the id of another claim (C.6, 6)");
    assert_eq!(desk.take(b"a", b"bob", b"c1", 2), Step::Taken { claim: 2, remaining: 0 });
    assert_eq!(desk.take(b"a", b"ann", b"c1", 2), Step::Taken { claim: 1, remaining: 1 }, "as it was then");
    let step = desk.take(b"a", b"eve", b"c1", 2);
    assert_eq!(refused(&step), Refusal::Full { max: 2 });
    let Step::Refused { ended: Some(ended), .. } = step else { panic!("it has ended") };
    assert_eq!((ended.refuses(b"eve"), ended.refuses(b"ann")), (Some(Refusal::Full { max: 2 }), Some(already)));
    assert_eq!(refused(&desk.take(b"none", b"ann", b"c1", 2)), Refusal::Unknown);
    let page =
        |from, count| desk.leads.claim_views(desk.leads.locate(b"a"), from, count).iter().map(|c| c.claim).collect();
    let pages: [Vec<u32>; 4] = [page(1, 9), page(2, 9), page(1, 1), page(3, 9)];
    assert_eq!(pages, [vec![1, 2], vec![2], vec![1], vec![]]);
}

#[test]
fn slots_that_nobody_can_take_any_more_are_room_for_others() {
    let mut desk = Desk::new();
    let full = |table| format!("{:?}", Rejection::OutOfMemory(table));
    assert_eq!(desk.show(b"a", open(15, None)), "open 0/15");
    assert_eq!(desk.show(b"b", open(6, None)), full(Table::Slots), "20 in all");
    desk.take(b"a", b"ann", b"c1", 2);
    desk.show(b"a", LeadOp::Close);
    assert_eq!(desk.show(b"b", open(19, None)), "open 0/19");
    assert_eq!(desk.show(b"b", open(19, None)), "open 0/19 again", "a replay needs no room");
    desk.show(b"b", LeadOp::Close);
    assert_eq!(desk.show(b"c", open(1, None)), "open 0/1");
    assert_eq!(desk.show(b"d", open(1, None)), full(Table::Leads));
}

#[test]
fn records_that_do_not_follow_are_refused_and_change_nothing() {
    let mut desk = Desk::new();
    desk.show(b"a", open(2, Some(50)));
    desk.take(b"a", b"ann", b"c1", 2);
    let claim = |account| LeadChange::Claim { account, tx: b"c", cost: 5, account_seq: 2 };
    let next = LeadEvent {
        lead: b"a",
        reason: b"",
        meta: b"",
        time_ms: START_MS + 1,
        seq: 3,
        prev_lsn: desk.lsn,
        max: 2,
        claims: 2,
        change: claim(b"bob"),
    };
    let deadline_ms = START_MS + 50;
    let fresh = LeadChange::Open { expires_at_ms: NEVER_MS };
    let first = LeadEvent { lead: b"new", seq: 1, prev_lsn: 0, claims: 0, change: fresh, ..next };
    for (event, field) in [
        (LeadEvent { seq: 4, ..next }, "seq"),
        (LeadEvent { prev_lsn: 8, ..next }, "prev_lsn"),
        (LeadEvent { max: 3, ..next }, "max"),
        (LeadEvent { claims: 1, ..next }, "claims"),
        (LeadEvent { change: claim(b"ann"), ..next }, "claims"),
        (LeadEvent { time_ms: deadline_ms, ..next }, "time"),
        (LeadEvent { change: fresh, ..next }, "lead"),
        (LeadEvent { change: LeadChange::Close, ..next }, "claims"),
        (LeadEvent { change: LeadChange::Expire, claims: 1, ..next }, "time"),
        (LeadEvent { lead: b"new", change: LeadChange::Close, ..first }, "lead"),
        (LeadEvent { max: 0, ..first }, "max"),
        (LeadEvent { max: MAX_CLAIMS + 1, ..first }, "max"),
        (LeadEvent { claims: 1, ..first }, "claims"),
        (LeadEvent { change: LeadChange::Open { expires_at_ms: first.time_ms }, ..first }, "expires"),
    ] {
        let fault: Fault = desk.leads.replay(&event, desk.lsn + 64).expect_err("it does not follow").fault;
        assert_eq!(fault.field(), field, "{event:?}");
    }
    desk.leads.replay(&next, desk.lsn + 64).expect("nothing was changed");
    let after = LeadEvent { seq: 4, prev_lsn: desk.lsn + 64, change: LeadChange::Close, ..next };
    let fault = desk.leads.replay(&after, desk.lsn + 128).expect_err("it is full").fault;
    assert_eq!(fault.field(), "state");
}

#[test]
fn a_sweep_finds_the_wrong_lead_wherever_it_begins() {
    let mut desk = Desk::new();
    for name in [b"a", b"b", b"c"] {
        desk.show(name, open(2, None));
        desk.take(name, b"ann", b"c1", 2);
    }
    desk.leads.slab.get_mut(1).max = 0;
    let sweep = |leads: &Leads, first, items| {
        let (judged, violations) = leads.check_some(first, items);
        (judged, violations.iter().map(|violation| violation.account.to_vec()).collect::<Vec<_>>())
    };
    assert_eq!(sweep(&desk.leads, 0, 2), (1, vec![]), "a lead and its claim");
    assert_eq!(sweep(&desk.leads, 1, 3), (2, vec![b"b".to_vec()]));
    assert_eq!(sweep(&desk.leads, 3, 3), (0, vec![]));
}
