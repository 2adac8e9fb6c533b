//! CREDIT.REFUND line by line: commands.md C.2, C.11, 1-6 and 15; and what CREDIT.TX says of every kind of id.

use super::desk::{Desk, LIMITS, SEEDS};
use super::script::{check, check_with};
use crate::ledger::command::{Command, Op};
use crate::ledger::credits::CREDITS_MAX;
use crate::ledger::event::{Change, Event};
use crate::ledger::id::Lsn;
use crate::ledger::{Decision, Ledger, Limits, Past, Prior, Recorded};

#[test]
fn a_debit_is_refunded_in_parts_and_no_further() {
    check(
        "grant   t1 g1 100            -> granted
         debit   t1 d1 40             -> debited balance=60 seq=2
         refund  t1 f1 d1 15          -> refunded balance=75 available=75 seq=3 refundable=25
         refund  t1 f2 d1 26          -> EXCEEDS limit=25 given=26
         refund  t1 f2 d1 5           -> refunded balance=80 seq=4 refundable=20
         refund  t1 f3 d1             -> refunded balance=100 seq=5 refundable=0
         refund  t1 f4 d1             -> EXCEEDS limit=0 bare
         refund  t1 f4 d1 1           -> EXCEEDS limit=0 given=1
         debit   t1 f4 1              -> debited balance=99 seq=6
         debit   t1 d1 40             -> debited balance=60 available=60 seq=2 replayed
         tx      t1 d1                -> debit debited amount=40 refunded=40 first=0-2
         tx      t1 f1                -> refund refunded amount=15 first=0-3 of=d1
         trail   t1                   -> grant@0 debit@0 refund@0 refund@0 refund@0 debit@0",
    );
}

#[test]
fn a_capture_is_refunded_up_to_what_it_took() {
    check(
        "grant   t1 g1 100            -> granted
         reserve t1 r1 40 ttl=1m      -> active seq=2
         reserve t1 r2 7              -> active seq=3
         capture t1 r1 30             -> captured balance=70 seq=4
         tick    5ms
         refund  t1 f1 r1 31          -> EXCEEDS limit=30 given=31
         refund  t1 f1 r1 20          -> refunded balance=90 available=83 seq=5 refundable=10
         reserve t1 r1 40             -> captured balance=100 available=60 seq=2 expires=60000 replayed
         capture t1 r1 30             -> captured balance=70 available=63 seq=4 captured=30 returned=10 replayed
         capture t1 r1                -> TXCONFLICT field=amount have=30 given=40
         release t1 r1                -> CAPTURED amount=30 seq=4
         debit   t1 r1 40             -> TXCONFLICT field=op have=reserve given=debit
         refund  t1 f2 r1             -> refunded balance=100 available=93 seq=6 refundable=0
         tx      t1 r1                -> reserve captured amount=40 captured=30 refunded=30 first=0-2 last=0-4 expires=60000",
    );
}

#[test]
fn a_refund_again_is_the_same_refund() {
    check(
        "grant   t1 g1 100            -> granted
         debit   t1 d1 40             -> debited
         debit   t1 d2 40             -> debited balance=20
         refund  t1 f1 d1             -> refunded balance=60 seq=4 refundable=0
         refund  t1 f1 d1             -> refunded balance=60 seq=4 refundable=0 replayed
         refund  t1 f1 d1 40          -> refunded seq=4 replayed
         refund  t1 f1 d1 39          -> TXCONFLICT field=amount have=40 given=39
         refund  t1 f1 d2             -> TXCONFLICT field=of have=d1 given=d2
         refund  t1 f1 d2 39          -> TXCONFLICT field=of have=d1 given=d2
         refund  t1 f1 nothing        -> TXCONFLICT field=of have=d1 given=nothing
         refund  t1 f2 d2 10          -> refunded balance=70 seq=5 refundable=30
         refund  t1 f3 d2             -> refunded balance=100 seq=6 refundable=0
         refund  t1 f2 d2             -> refunded balance=70 seq=5 refundable=30 replayed
         refund  t1 f2 d2 10          -> refunded balance=70 seq=5 refundable=30 replayed
         refund  t1 f2 d2 30          -> TXCONFLICT field=amount have=10 given=30
         refund  t1 f2 d2 reason=x    -> refunded seq=5 replayed
         balance t1                   -> balance=100 seq=6",
    );
}

#[test]
fn a_refunds_id_is_of_its_own_verb() {
    check(
        "grant   t1 g1 100            -> granted
         debit   t1 d1 40             -> debited
         refund  t1 f1 d1 10          -> refunded seq=3
         capture t1 f1                -> NORESERVATION op=refund
         release t1 f1                -> NORESERVATION op=refund
         grant   t1 f1 10             -> TXCONFLICT field=op have=refund given=grant
         debit   t1 f1 10             -> TXCONFLICT field=op have=refund given=debit
         reserve t1 f1 10             -> TXCONFLICT field=op have=refund given=reserve
         refund  t1 g1 d1             -> TXCONFLICT field=op have=grant given=refund
         refund  t1 d1 d1             -> TXCONFLICT field=op have=debit given=refund
         refund  t1 new new           -> NOTX
         reserve t1 r1 5              -> active
         refund  t1 r1 d1             -> TXCONFLICT field=op have=reserve given=refund
         refund  t1 r1 r1             -> TXCONFLICT field=op have=reserve given=refund
         release t1 v1                -> void seq=5
         refund  t1 v1 d1             -> RELEASED amount=0 seq=5
         refund  t1 v1 v1             -> RELEASED amount=0 seq=5
         balance t1                   -> balance=70 reserved=5 seq=5",
    );
}

#[test]
fn only_debits_and_captures_are_refunded_and_a_no_binds_nothing() {
    check(
        "refund  t1 f1 d1             -> NOACCOUNT
         grant   t1 g1 100            -> granted
         reserve t1 active 1          -> active
         reserve t1 expired 2 ttl=1ms -> active
         reserve t1 released 3        -> active
         release t1 released          -> released
         release t1 void              -> void
         tick    1ms
         debit   t1 declined 101      -> INSUFFICIENT
         reserve t1 hopeless 101      -> INSUFFICIENT
         grant   t1 toomuch max       -> OVERFLOW
         debit   t1 d1 10             -> debited
         refund  t1 f0 d1 4           -> refunded seq=12
         refund  t1 f1 unknown        -> NOTX
         refund  t1 f1 g1             -> NOTREFUNDABLE op=grant state=granted
         refund  t1 f1 active         -> NOTREFUNDABLE op=reserve state=active
         refund  t1 f1 expired        -> NOTREFUNDABLE op=reserve state=expired
         refund  t1 f1 released       -> NOTREFUNDABLE op=reserve state=released
         refund  t1 f1 void           -> NOTREFUNDABLE op=release state=void
         refund  t1 f1 declined       -> NOTREFUNDABLE op=debit state=declined
         refund  t1 f1 hopeless 5     -> NOTREFUNDABLE op=reserve state=declined
         refund  t1 f1 toomuch        -> NOTREFUNDABLE op=grant state=declined
         refund  t1 f1 f0             -> NOTREFUNDABLE op=refund state=refunded
         balance t1                   -> balance=94 reserved=1 seq=12
         refund  t1 f1 d1             -> refunded refundable=0 seq=13",
    );
}

#[test]
fn a_refund_that_would_pass_the_largest_balance_is_declined_and_the_decline_is_bound() {
    check(
        "grant   t1 g1 max            -> granted
         debit   t1 d1 10             -> debited
         debit   t1 d2 1              -> debited
         grant   t1 g2 6              -> granted balance=9007199254740986 seq=4
         refund  t1 f1 d1 6           -> OVERFLOW balance=9007199254740986
         refund  t1 f2 d1             -> OVERFLOW balance=9007199254740986
         tx      t1 f2                -> refund declined amount=10 first=0-6 code=overflow of=d1
         debit   t1 d3 10             -> debited seq=7
         refund  t1 f1 d1 6           -> OVERFLOW balance=9007199254740986
         refund  t1 f1 d1             -> OVERFLOW balance=9007199254740986
         refund  t1 f1 d1 5           -> TXCONFLICT field=amount have=6 given=5
         refund  t1 f1 d2 5           -> TXCONFLICT field=of have=d1 given=d2
         refund  t1 f2 d1             -> OVERFLOW
         refund  t1 f2 d1 10          -> OVERFLOW
         release t1 f2                -> NORESERVATION op=refund
         capture t1 f2                -> NORESERVATION op=refund
         debit   t1 f2 10             -> TXCONFLICT field=op have=refund given=debit
         refund  t1 f3 f2             -> NOTREFUNDABLE op=refund state=declined
         refund  t1 f3 d1             -> refunded refundable=0 seq=8
         tx      t1 d1                -> debit debited amount=10 refunded=10",
    );
}

#[test]
fn every_kind_of_id_tells_what_became_of_it() {
    check(
        "tx      t1 g1                        -> unknown
         grant   t1 g1 100 reason=a meta=b    -> granted
         tx      t1 nothing                   -> unknown
         tx      t1 g1                        -> grant granted amount=100 first=0-1 reason=a meta=b
         reserve t1 r1 5 ttl=9ms reason=first -> active
         tx      t1 r1                        -> reserve active amount=5 first=0-2 expires=9 reason=first
         tick    9ms
         tx      t1 r1                        -> reserve expired amount=5 first=0-2 last=9-3 expires=9 reason=first
         reserve t1 r2 5 ttl=9ms meta=m       -> active
         release t1 r2 reason=second          -> released
         tx      t1 r2                        -> reserve released amount=5 first=9-4 last=9-5 expires=18 meta=m
         release t1 v1 reason=burned          -> void
         tx      t1 v1                        -> release void amount=0 first=9-6 reason=burned
         debit   t1 d1 500 reason=no          -> INSUFFICIENT
         tx      t1 d1                        -> debit declined amount=500 first=9-7 code=insufficient reason=no
         debit   t1 d2 50                     -> debited
         refund  t1 f1 d2 20 reason=sorry     -> refunded
         tx      t1 f1                        -> refund refunded amount=20 first=9-9 of=d2 reason=sorry
         tx      t1 d2                        -> debit debited amount=50 refunded=20 first=9-8",
    );
}

#[test]
fn refunds_keep_what_they_refund_alive_and_reach_further_back_than_the_index() {
    check_with(
        Limits { tx_retention_ms: 1000, ..LIMITS },
        "grant   t1 g1 100            -> granted
         debit   t1 d1 40             -> debited balance=60 seq=2
         tick    999ms
         refund  t1 f1 d1 10          -> refunded seq=3
         tick    999ms
         debit   t1 d1 40             -> debited balance=60 seq=2 replayed
         refund  t1 f1 d1 10          -> refunded seq=3 replayed
         refund  t1 f2 d1 10          -> refunded seq=4 refundable=20
         tick    1ms
         refund  t1 f1 d1 10          -> refunded seq=5 refundable=10
         tick    1h
         refund  t1 f4 d1 11          -> EXCEEDS limit=10 given=11
         tx      t1 d1                -> debit debited refunded=30
         refund  t1 d1 d1             -> NOTX
         debit   t1 d1 1              -> debited balance=89 seq=6
         refund  t1 f4 d1 2           -> EXCEEDS limit=1 given=2
         tick    1h
         refund  t1 f4 d1             -> refunded balance=90 seq=7 refundable=0
         tx      t1 d1                -> debit debited amount=1 refunded=1 first=3601999-6",
    );
}

fn do_it(desk: &mut Desk, tx: &[u8], of: &[u8], op: Op) {
    desk.execute(&Command { of, ..Command::new(b"t1", tx, op) });
}

/// A debit, refunded twice in parts; a capture, refunded.
fn refunded() -> Desk {
    let mut desk = Desk::new(LIMITS);
    do_it(&mut desk, b"g", b"", Op::Grant { amount: 100 });
    do_it(&mut desk, b"d", b"", Op::Debit { amount: 50 });
    do_it(&mut desk, b"r", b"", Op::Reserve { amount: 20, ttl_ms: 50 });
    do_it(&mut desk, b"f1", b"d", Op::Refund { amount: Some(10) });
    do_it(&mut desk, b"r", b"", Op::Capture { amount: Some(15) });
    do_it(&mut desk, b"f2", b"d", Op::Refund { amount: Some(20) });
    do_it(&mut desk, b"f3", b"r", Op::Refund { amount: None });
    desk
}

#[test]
fn both_ids_of_a_refund_point_to_its_record() {
    let desk = refunded();
    let lsn = |place: usize| desk.trail(b"t1")[place].0;
    let points_to = |tx: &[u8]| desk.ledger.lookup(desk.ledger.key(b"t1", tx));
    for (tx, place) in [(&b"f1"[..], 3), (b"f2", 5), (b"f3", 6), (b"d", 5), (b"r", 6), (b"g", 0)] {
        assert_eq!(points_to(tx), Prior::Recorded(lsn(place)), "{}", tx.escape_ascii());
    }
    let change = Change::Refund { of: b"d", opened_lsn: lsn(1), refunded_total: 30, refundable: 20 };
    assert_eq!(desk.trail(b"t1")[5].1.change, change);
    let change = Change::Refund { of: b"r", opened_lsn: lsn(4), refunded_total: 15, refundable: 0 };
    assert_eq!(desk.trail(b"t1")[6].1.change, change);
    let totals = desk.ledger.totals();
    assert_eq!((totals.refunded, totals.debited, totals.balance, totals.index_entries), (45, 65, 80, 6));
    desk.check();
}

#[test]
fn recovery_refuses_a_refund_that_does_not_follow() {
    let desk = refunded();
    let trail = desk.trail(b"t1");
    let (lsn, last) = trail[5];
    let debit: Lsn = trail[1].0;
    let refund = |opened_lsn, refunded_total, refundable| {
        let change = Change::Refund { of: b"d", opened_lsn, refunded_total, refundable };
        Event { change, ..last }
    };
    let wrong = [
        (refund(debit, 20, 30), "refunds add up"),
        (refund(trail[3].0, 30, 20), "refunds add up"),
        (refund(debit, 19, 31), "part of its total"),
        (refund(debit, 30, CREDITS_MAX - 29), "no more is refunded"),
        (refund(debit, 30, u64::MAX), "no more is refunded"),
        (refund(0, 30, 20), "stands behind"),
        (refund(lsn, 30, 20), "stands behind"),
        (Event { tx: b"d", ..last }, "nothing refunds itself"),
        (Event { amount: 0, balance: last.balance - 20, ..last }, "part of its total"),
    ];
    for (event, complaint) in wrong {
        let mut ledger = Ledger::new(LIMITS, SEEDS);
        trail[..5].iter().for_each(|(lsn, event)| ledger.replay(event, *lsn).unwrap());
        let before = ledger.digest();
        let violation = ledger.replay(&event, lsn).unwrap_err();
        assert!(violation.to_string().contains(complaint), "{violation} is not: {complaint}");
        assert_eq!((violation.fault.field(), ledger.digest()), ("refund", before));
        ledger.replay(&last, lsn).unwrap();
    }
}

#[test]
fn the_past_of_another_id_is_not_refunded() {
    let desk = refunded();
    let (lsn, event) = desk.trail(b"t1")[1];
    let past = Past::Recorded(Recorded { event, lsn, opened: None, refunded: 0 });
    // As if the hashes of "d" and "other" were equal.
    for (of, is_refund) in [(&b"d"[..], true), (b"other", false)] {
        let refund = Command { of, ..Command::new(b"t1", b"new", Op::Refund { amount: Some(1) }) };
        let decision = desk.ledger.decide(desk.ledger.locate(b"t1"), &refund, &Past::Unknown, &past, desk.now_ms);
        assert_eq!(matches!(decision, Decision::Commit(_)), is_refund);
    }
}
