//! CREDIT.TX, CREDIT.HISTORY and CREDIT.AUDIT, byte for byte.

use super::{check_map, encoded};
use crate::commands::reply::Proto;
use crate::ledger::event::{Change, DeclineCode, DeclinedOp, EntryId, Event, NEVER_MS};
use crate::ledger::id::NO_LSN;
use crate::ledger::lead::Refusal;
use crate::ledger::outcome::{AuditView, Entries, Outcome, TxState, TxView};
use crate::ledger::rejection::Verb;

const TIME_MS: u64 = 1_790_000_000_000;

fn view(op: Verb, state: TxState) -> TxView {
    TxView {
        op,
        state,
        amount: 10,
        captured: None,
        refunded: None,
        first: EntryId { time_ms: TIME_MS, seq: 3 },
        last: None,
        expires_at_ms: None,
        lead: Box::default(),
        of: Box::default(),
        code: None,
        reason: Box::default(),
        meta: Box::default(),
    }
}

fn check_tx(view: TxView, fields: usize, body: &str) {
    check_map(&Outcome::Tx(Some(Box::new(view))), None, fields, body);
}

#[test]
fn an_unknown_transaction_is_null() {
    assert_eq!(encoded(Proto::Resp2, |out| out.outcome(&Outcome::Tx(None), None)), "$-1\r\n");
    assert_eq!(encoded(Proto::Resp3, |out| out.outcome(&Outcome::Tx(None), None)), "_\r\n");
}

#[test]
fn a_transaction_shows_what_applies_to_it() {
    let grant = "$2|op|$5|grant|$5|state|$7|granted|$6|amount|:10|$3|seq|:3|$4|time|:1790000000000|";
    check_tx(view(Verb::Grant, TxState::Granted), 5, grant);

    let code = Some("INSUFFICIENT");
    let declined = TxView { code, reason: Box::from(&b"job 7"[..]), ..view(Verb::Debit, TxState::Declined) };
    let body = "$2|op|$5|debit|$5|state|$8|declined|$6|amount|:10|$3|seq|:3|$4|time|:1790000000000|\
                $4|code|$12|INSUFFICIENT|$6|reason|$5|job 7|";
    check_tx(declined, 7, body);

    let refund = TxView { of: Box::from(&b"d\r1"[..]), ..view(Verb::Refund, TxState::Refunded) };
    let body = "$2|op|$6|refund|$5|state|$8|refunded|$6|amount|:10|$3|seq|:3|$4|time|:1790000000000|$2|of|$3|d\r1|";
    check_tx(refund, 6, body);
}

#[test]
fn a_transaction_with_everything_has_its_fields_in_order() {
    let all = TxView {
        captured: Some(4),
        refunded: Some(1),
        last: Some(EntryId { time_ms: TIME_MS + 9, seq: 5 }),
        expires_at_ms: Some(TIME_MS + 60_000),
        lead: Box::from(&b"lead:42"[..]),
        of: Box::from(&b"of"[..]),
        code: Some("LIMIT"),
        reason: Box::from(&b"why"[..]),
        meta: Box::from(&b"{}"[..]),
        ..view(Verb::Claim, TxState::Captured)
    };
    let body = "$2|op|$5|claim|$5|state|$8|captured|$6|amount|:10|$8|captured|:4|$8|refunded|:1|$3|seq|:3|\
                $4|time|:1790000000000|$9|final_seq|:5|$10|final_time|:1790000000009|$7|expires|:1790000060000|\
                $4|lead|$7|lead:42|$2|of|$2|of|$4|code|$5|LIMIT|$6|reason|$3|why|$4|meta|$2|{}|";
    check_tx(all, 15, body);
}

#[test]
fn every_state_has_its_word() {
    for (state, word) in [
        (TxState::Granted, "granted"),
        (TxState::Debited, "debited"),
        (TxState::Active, "active"),
        (TxState::Captured, "captured"),
        (TxState::Released, "released"),
        (TxState::Expired, "expired"),
        (TxState::Declined, "declined"),
        (TxState::Void, "void"),
        (TxState::Refunded, "refunded"),
        (TxState::Pending, "pending"),
    ] {
        let bytes =
            encoded(Proto::Resp3, |out| out.outcome(&Outcome::Tx(Some(Box::new(view(Verb::Reserve, state)))), None));
        assert!(bytes.contains(&format!("$5\r\nstate\r\n${}\r\n{word}\r\n", word.len())), "{bytes}");
    }
}

/// The entry after which an account has 90 credits, 30 of them held.
fn entry(amount: u64, change: Change<'_>) -> Event<'_> {
    Event {
        account: b"a",
        tx: b"t1",
        reason: b"",
        meta: b"",
        time_ms: TIME_MS,
        seq: 7,
        amount,
        balance: 90,
        reserved: 30,
        prev_lsn: 8,
        skip_lsn: NO_LSN,
        change,
    }
}

/// The history of these entries in both protocols, which must be the same; blanks for line ends, lengths left out.
fn history(events: &[Event<'_>]) -> String {
    let mut entries = Entries::default();
    for event in events {
        let mut record = Vec::new();
        crate::ledger::codec::encode(event, &mut record);
        entries.push(&record);
    }
    let outcome = Outcome::History(entries);
    let [flat, same] = [Proto::Resp2, Proto::Resp3].map(|proto| encoded(proto, |out| out.outcome(&outcome, None)));
    assert_eq!(flat, same);
    flat.split("\r\n").filter(|line| !line.starts_with('$')).collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

#[test]
fn a_history_has_the_shape_of_xrange() {
    let mut entries = Entries::default();
    for (seq, time_ms) in [(9, TIME_MS), (10, TIME_MS + 1)] {
        let mut record = Vec::new();
        let event = Event { seq, time_ms, reason: b"a\rb", ..entry(5, Change::Debit) };
        crate::ledger::codec::encode(&event, &mut record);
        entries.push(&record);
    }
    let fields = "*16|$4|type|$5|DEBIT|$2|tx|$2|t1|$6|amount|$1|5|$5|delta|$2|-5|$6|rdelta|$1|0|\
                  $7|balance|$2|90|$8|reserved|$2|30|$6|reason|$3|a\rb|";
    let expected = format!("*2|*2|$15|1790000000000-9|{fields}*2|$16|1790000000001-10|{fields}").replace('|', "\r\n");
    for proto in [Proto::Resp2, Proto::Resp3] {
        assert_eq!(encoded(proto, |out| out.outcome(&Outcome::History(entries.clone()), None)), expected);
        let none = Outcome::History(Entries::default());
        assert_eq!(encoded(proto, |out| out.outcome(&none, None)), "*0\r\n");
    }
}

#[test]
fn every_type_of_entry_has_its_fields_in_order() {
    let opened_lsn = 8;
    let capture = Change::Capture { captured: 4, opened_lsn, lead: b"" };
    let overflow = Change::Decline { op: DeclinedOp::Refund, code: DeclineCode::Overflow, of: b"d1", lead: b"" };
    let limit = Change::Decline { op: DeclinedOp::Reserve, code: DeclineCode::Limit { holds: 2 }, of: b"", lead: b"" };
    let refund = Change::Refund { of: b"d1", opened_lsn, refunded_total: 6, refundable: 4 };
    for (amount, change, before, after) in [
        (5, Change::Grant, "GRANT tx t1 amount 5 delta 5 rdelta 0", ""),
        (5, Change::Debit, "DEBIT tx t1 amount 5 delta -5 rdelta 0", ""),
        (
            5,
            Change::Reserve { expires_at_ms: TIME_MS + 5, lead: b"" },
            "RESERVE tx t1 amount 5 delta 0 rdelta 5",
            " expires 1790000000005",
        ),
        (10, capture, "CAPTURE tx t1 amount 4 delta -4 rdelta -10", " captured 4 returned 6"),
        (10, Change::Release { opened_lsn, lead: b"" }, "RELEASE tx t1 amount 10 delta 0 rdelta -10", " cause client"),
        (10, Change::Expire { opened_lsn }, "EXPIRE tx t1 amount 10 delta 0 rdelta -10", " cause expired"),
        (5, refund, "REFUND tx t1 amount 5 delta 5 rdelta 0", " of d1"),
        (5, overflow, "DECLINE tx t1 amount 5 delta 0 rdelta 0", " of d1 code OVERFLOW"),
        (5, limit, "DECLINE tx t1 amount 5 delta 0 rdelta 0", " code LIMIT"),
        (0, Change::Void, "VOID tx t1 amount 0 delta 0 rdelta 0", " cause client"),
    ] {
        let text = format!("type {before} balance 90 reserved 30{after}");
        let words = text.split(' ').count();
        assert_eq!(history(&[entry(amount, change)]), format!("*1 *2 1790000000000-7 *{words} {text}"));
        let explained = Event { reason: b"why", meta: b"{}", ..entry(amount, change) };
        let words = words + 4;
        assert_eq!(history(&[explained]), format!("*1 *2 1790000000000-7 *{words} {text} reason why meta {{}}"));
    }
    for change in [
        Change::Reserve { expires_at_ms: 5, lead: b"lead:42" },
        Change::Capture { captured: 1, opened_lsn, lead: b"lead:42" },
        Change::Release { opened_lsn, lead: b"lead:42" },
    ] {
        assert!(history(&[entry(1, change)]).contains(" lead lead:42"), "{change:?}");
    }
}

#[test]
fn the_entries_of_a_claim_name_its_lead() {
    let (opened_lsn, lead) = (8, &b"lead:42"[..]);
    let refused = |refusal| Change::Refused { opened_lsn, lead, refusal };
    for (amount, change, text) in [
        (
            5,
            Change::Reserve { expires_at_ms: NEVER_MS, lead },
            "RESERVE tx t1 amount 5 delta 0 rdelta 5 balance 90 reserved 30 lead lead:42",
        ),
        (
            5,
            Change::Claimed { opened_lsn, lead, claim: 1, remaining: 2 },
            "CAPTURE tx t1 amount 5 delta -5 rdelta -5 balance 90 reserved 30 captured 5 returned 0 lead lead:42",
        ),
        (
            0,
            refused(Refusal::Full { max: 3 }),
            "RELEASE tx t1 amount 0 delta 0 rdelta 0 balance 90 reserved 30 lead lead:42 cause lead code LEADFULL",
        ),
        (
            5,
            refused(Refusal::Already { tx: b"t0", claim: 1 }),
            "RELEASE tx t1 amount 5 delta 0 rdelta -5 balance 90 reserved 30 lead lead:42 cause lead code ALREADYCLAIMED",
        ),
        (
            5,
            Change::Decline { op: DeclinedOp::Claim, code: DeclineCode::Insufficient, of: b"", lead },
            "DECLINE tx t1 amount 5 delta 0 rdelta 0 balance 90 reserved 30 lead lead:42 code INSUFFICIENT",
        ),
    ] {
        let words = 1 + text.split(' ').count();
        assert_eq!(history(&[entry(amount, change)]), format!("*1 *2 1790000000000-7 *{words} type {text}"));
    }
}

#[test]
fn an_audit_says_what_it_read() {
    let whole = AuditView { entries: 9, balance: 20, reserved: 5, starts: None };
    let body = "$2|ok|:1|$7|entries|:9|$7|balance|:20|$8|reserved|:5|";
    check_map(&Outcome::Audit(whole), None, 4, body);
    let cut = AuditView { starts: Some(EntryId { time_ms: TIME_MS, seq: 12 }), ..whole };
    check_map(&Outcome::Audit(cut), None, 5, &format!("{body}$6|starts|$16|1790000000000-12|"));
    check_map(&Outcome::Audit(AuditView::default()), None, 4, "$2|ok|:1|$7|entries|:0|$7|balance|:0|$8|reserved|:0|");
}
