//! Every "no", and the code that the counters keep it by.

use super::encoded;
use crate::commands::reply::{Proto, error_code};
use crate::ledger::event::EntryId;
use crate::ledger::outcome::{Outcome, TxState};
use crate::ledger::rejection::{Busy, Conflict, OfConflict, Rejection, Table, Verb};

pub(super) fn check(rejection: Rejection, text: &str) {
    let outcome = Outcome::Rejected(rejection);
    for proto in [Proto::Resp2, Proto::Resp3] {
        assert_eq!(encoded(proto, |out| out.outcome(&outcome, None)), format!("-{text}\r\n"));
    }
    assert_eq!(error_code(text.as_bytes()), text.split(' ').next().expect("a word"), "interned");
}

#[test]
fn writes_that_the_account_s_state_refuses() {
    check(Rejection::Insufficient { available: 15, required: 50 }, "INSUFFICIENT available=15 required=50");
    check(Rejection::Overflow { balance: 9 }, "OVERFLOW balance=9 max=9007199254740991");
    check(Rejection::Limit { holds: 1024 }, "LIMIT holds=1024");
    check(Rejection::NoAccount, "NOACCOUNT");
    check(Rejection::NoReservation { op: None }, "NORESERVATION");
    check(Rejection::NoReservation { op: Some(Verb::Debit) }, "NORESERVATION op=debit");
    let expired = Rejection::Expired { expires_at_ms: 1_790_000_300_000, now_ms: 1_790_000_300_412 };
    check(expired, "EXPIRED expires=1790000300000 now=1790000300412");
    check(Rejection::Released { amount: 0, seq: 3 }, "RELEASED amount=0 seq=3");
    check(Rejection::Captured { amount: 5, seq: 12 }, "CAPTURED amount=5 seq=12");
    check(Rejection::Exceeds { limit: 5, given: Some(7) }, "EXCEEDS limit=5 given=7");
}

#[test]
fn ids_with_another_meaning() {
    let amount = Conflict::Amount { have: 5, given: 7 };
    check(Rejection::TxConflict(amount), "TXCONFLICT field=amount have=5 given=7");
    for (have, given, text) in [
        (Verb::Grant, Verb::Debit, "have=grant given=debit"),
        (Verb::Reserve, Verb::Capture, "have=reserve given=capture"),
        (Verb::Release, Verb::Claim, "have=release given=claim"),
        (Verb::Refund, Verb::Refund, "have=refund given=refund"),
    ] {
        check(Rejection::TxConflict(Conflict::Op { have, given }), &format!("TXCONFLICT field=op {text}"));
    }
    for (have, given, text) in [
        (&b"order:7/1"[..], &b"order:7/2"[..], "have=order:7/1 given=order:7/2"),
        (b"50% off", b"\r\n-ERR", "have=50%25%20off given=%0D%0A-ERR"),
        (b"\0\x7f\xff", "\u{e9}!~".as_bytes(), "have=%00%7F%FF given=%C3%A9!~"),
    ] {
        let of = Box::new(OfConflict { have: have.into(), given: given.into() });
        check(Rejection::TxConflict(Conflict::Of(of)), &format!("TXCONFLICT field=of {text}"));
    }
}

#[test]
fn refunds_of_what_cannot_be_refunded() {
    check(Rejection::Exceeds { limit: 0, given: None }, "EXCEEDS limit=0");
    check(Rejection::NoTx, "NOTX");
    for (op, state, text) in [
        (Verb::Grant, TxState::Granted, "op=grant state=granted"),
        (Verb::Debit, TxState::Declined, "op=debit state=declined"),
        (Verb::Reserve, TxState::Active, "op=reserve state=active"),
        (Verb::Reserve, TxState::Released, "op=reserve state=released"),
        (Verb::Reserve, TxState::Expired, "op=reserve state=expired"),
        (Verb::Release, TxState::Void, "op=release state=void"),
        (Verb::Refund, TxState::Refunded, "op=refund state=refunded"),
        (Verb::Claim, TxState::Pending, "op=claim state=pending"),
    ] {
        check(Rejection::NotRefundable { op, state }, &format!("NOTREFUNDABLE {text}"));
    }
}

#[test]
fn questions_that_have_no_answer() {
    check(Rejection::Corrupt { seq: 7, field: "balance" }, "CORRUPT seq=7 field=balance");
    check(
        Rejection::HistoryStarts { at: EntryId { time_ms: 1_790_000_000_000, seq: 12 } },
        "ERR history starts at 1790000000000-12: what is older is not kept; ask for that moment or a later one",
    );
    check(
        Rejection::NotPast { at_ms: 1_790_000_000_001, now_ms: 1_790_000_000_000 },
        "ERR AT must be past: 1790000000001 is not before the server's time, 1790000000000",
    );
    check(
        Rejection::WalkTooLong { entries: 100_000 },
        "ERR walked 100000 entries without reaching the end, which is as far as history-walk-max allows: \
         narrow the range or raise history-walk-max; nothing was executed",
    );
    check(
        Rejection::Unreadable { lsn: 4096 },
        "ERR the log cannot be read at lsn 4096: check the disk, and the log with creditd verify; \
         nothing was executed",
    );
    for (busy, text) in [(Busy::Refund, "wait behind a REFUND"), (Busy::Readers, "old entries")] {
        let outcome = Outcome::Rejected(Rejection::TryAgain(busy));
        let bytes = encoded(Proto::Resp3, |out| out.outcome(&outcome, None));
        assert!(bytes.starts_with("-TRYAGAIN too many commands ") && bytes.contains(text), "{bytes}");
        assert!(bytes.ends_with("; nothing was executed\r\n"), "{bytes}");
    }
    for (table, knob) in [(Table::Accounts, "accounts-max"), (Table::Transactions, "tx-index-memory")] {
        let bytes = encoded(Proto::Resp3, |out| out.outcome(&Outcome::Rejected(Rejection::OutOfMemory(table)), None));
        assert!(bytes.starts_with("-OOM ") && bytes.contains(knob) && bytes.ends_with("\r\n"), "{bytes}");
    }
}
