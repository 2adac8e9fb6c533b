//! LEAD.* byte for byte, and what CREDIT.* shows of claims.

use super::rejections::check;
use super::{check_map, encoded};
use crate::commands::reply::Proto;
use crate::ledger::lead::{ClaimView, LeadState, LeadView};
use crate::ledger::outcome::{Detail, Figures, HoldView, HoldsView, Outcome, Receipt, Status};
use crate::ledger::rejection::{Busy, Conflict, LeadConflict, OfConflict, OwnClaim, Rejection, Table};

const TIME_MS: u64 = 1_790_000_000_000;

#[test]
fn a_claim_s_receipt_has_its_slot() {
    let detail = Detail::Claim { claim: 1, remaining: 2 };
    let first = Receipt { status: Status::Claimed, balance: 15, available: 15, seq: 3, detail, replayed: false };
    let body = "$6|status|$7|claimed|$7|balance|:15|$9|available|:15|$3|seq|:3|$5|claim|:1|$9|remaining|:2|";
    check_map(&Outcome::Written(first), None, 6, body);
    let again = Receipt { replayed: true, ..first };
    check_map(&Outcome::Written(again), None, 7, &format!("{body}$8|replayed|:1|"));
    check_map(&Outcome::Written(again), Some(b"id"), 8, &format!("{body}$2|tx|$2|id|$8|replayed|:1|"));
}

#[test]
fn a_lead_shows_its_deadline_if_it_has_one() {
    for state in [LeadState::Open, LeadState::Full, LeadState::Closed, LeadState::Expired] {
        let (word, lead) = (state.word(), Box::from(&b"l\r1"[..]));
        let view =
            LeadView { lead, state, max: 3, claims: 1, opened_at_ms: TIME_MS, expires_at_ms: None, replayed: false };
        let body = format!(
            "$4|lead|$3|l\r1|$5|state|${}|{word}|$3|max|:3|$6|claims|:1|$9|remaining|:2|$6|opened|:{TIME_MS}|",
            word.len()
        );
        check_map(&Outcome::Lead(Some(Box::new(view.clone()))), None, 6, &body);
        let whole = LeadView { expires_at_ms: Some(TIME_MS + 5), replayed: true, ..view };
        let body = format!("{body}$7|expires|:1790000000005|$8|replayed|:1|");
        check_map(&Outcome::Lead(Some(Box::new(whole))), None, 8, &body);
    }
    assert_eq!(encoded(Proto::Resp2, |out| out.outcome(&Outcome::Lead(None), None)), "$-1\r\n");
    assert_eq!(encoded(Proto::Resp3, |out| out.outcome(&Outcome::Lead(None), None)), "_\r\n");
}

#[test]
fn claims_are_an_array_of_maps() {
    let claim = |claim, cost| {
        let (account, tx) = (Box::from(&b"tradie:7"[..]), Box::from(&b"c\n1"[..]));
        ClaimView { claim, account, tx, cost, time_ms: TIME_MS }
    };
    let two = Outcome::Claims(vec![claim(1, 5), claim(2, 0)]);
    let body = |head: &str, claim, cost| {
        let ids = "$7|account|$8|tradie:7|$2|tx|$3|c\n1|";
        format!("{head}|$5|claim|:{claim}|{ids}$4|cost|:{cost}|$4|time|:1790000000000|")
    };
    for (proto, head) in [(Proto::Resp2, "*10"), (Proto::Resp3, "%5")] {
        let expected = format!("*2|{}{}", body(head, 1, 5), body(head, 2, 0)).replace('|', "\r\n");
        assert_eq!(encoded(proto, |out| out.outcome(&two, None)), expected);
        assert_eq!(encoded(proto, |out| out.outcome(&Outcome::Claims(vec![]), None)), "*0\r\n");
    }
}

#[test]
fn the_hold_of_a_claim_has_a_lead_and_no_deadline() {
    let figures = Figures { balance: 20, reserved: 5, seq: 2, time_ms: TIME_MS };
    let (tx, lead) = (Box::from(&b"c1"[..]), Box::from(&b"lead:42"[..]));
    let hold = HoldView { tx, amount: 5, created_at_ms: 10, expires_at_ms: None, lead };
    let outcome = Outcome::Holds(Box::new(HoldsView { figures, holds: vec![hold] }));
    let bytes = encoded(Proto::Resp3, |out| out.outcome(&outcome, None));
    let hold = "$5|holds|*1|%4|$2|tx|$2|c1|$6|amount|:5|$7|created|:10|$4|lead|$7|lead:42|".replace('|', "\r\n");
    assert!(bytes.ends_with(&hold), "{bytes}");
}

#[test]
fn every_no_of_a_lead_has_its_facts() {
    check(Rejection::NoLead, "NOLEAD");
    check(Rejection::LeadFull { max: 3 }, "LEADFULL max=3");
    check(Rejection::LeadClosed, "LEADCLOSED");
    check(Rejection::LeadExpired { expires_at_ms: TIME_MS }, "LEADEXPIRED expires=1790000000000");
    check(Rejection::LeadExists(LeadConflict::Max { have: 3, given: 4 }), "LEADEXISTS field=max have=3 given=4");
    for (have, given, text) in [
        (Some(5), Some(6), "have=5 given=6"),
        (None, Some(6), "have=none given=6"),
        (Some(5), None, "have=5 given=none"),
    ] {
        check(Rejection::LeadExists(LeadConflict::Ttl { have, given }), &format!("LEADEXISTS field=ttl {text}"));
    }
    let own = OwnClaim { tx: Box::from(&b"c 1\r\n%"[..]), claim: 2 };
    check(Rejection::AlreadyClaimed(Box::new(own)), "ALREADYCLAIMED tx=c%201%0D%0A%25 claim=2");
    let leads = OfConflict { have: Box::from(&b"lead:1"[..]), given: Box::from(&b"lead 2"[..]) };
    let conflict = Rejection::TxConflict(Conflict::Lead(Box::new(leads)));
    check(conflict, "TXCONFLICT field=lead have=lead:1 given=lead%202");
    check(Rejection::TryAgain(Busy::Claims), "TRYAGAIN too many claims run; nothing was executed");
    check(
        Rejection::TryAgain(Busy::Claim),
        "TRYAGAIN the claim with this transaction id runs, and may succeed: send the same id again",
    );
    for (table, knob) in
        [(Table::Leads, "as many leads as leads-max"), (Table::Slots, "as many slots as lead-slots-max")]
    {
        let bytes = encoded(Proto::Resp3, |out| out.outcome(&Outcome::Rejected(Rejection::OutOfMemory(table)), None));
        assert!(bytes.starts_with("-OOM ") && bytes.contains(knob), "{bytes}");
        assert!(bytes.ends_with(" allows; nothing was executed\r\n"), "{bytes}");
    }
}
