//! Memory that is full, ids that are forgotten, figures of long trails.

use super::desk::{Desk, LIMITS, START_MS};
use super::script::{check, check_with};
use crate::ledger::command::{Command, Op};
use crate::ledger::event::{Change, Event, SKIP_EVERY};
use crate::ledger::id::NO_LSN;
use crate::ledger::outcome::Outcome;
use crate::ledger::rejection::{Rejection, Table};
use crate::ledger::{Decision, Ledger, Limits, Past, Prior, Recorded};

fn command<'a>(tx: &'a [u8], op: Op) -> Command<'a> {
    Command::new(b"t1", tx, op)
}

#[test]
fn a_full_index_refuses_new_ids_answers_old_ones_and_ends_holds() {
    let mut desk = Desk::new(Limits { tx_index_bytes_max: 400_000, ..LIMITS });
    desk.execute(&command(b"g", Op::Grant { amount: 1_000_000 }));
    desk.execute(&command(b"d", Op::Debit { amount: 9 }));
    desk.execute(&Command { of: b"d", ..command(b"f", Op::Refund { amount: Some(1) }) });
    for tx in [b"r1", b"r2", b"r3"] {
        assert!(matches!(desk.execute(&command(tx, Op::Reserve { amount: 5, ttl_ms: 1000 })), Outcome::Written(_)));
    }
    let debit = |desk: &mut Desk, n: u32| desk.execute(&command(&n.to_le_bytes(), Op::Debit { amount: 1 }));
    let full = Outcome::Rejected(Rejection::OutOfMemory(Table::Transactions));
    let first_refused = (0..100_000).find(|&n| debit(&mut desk, n) == full).expect("the index fills");
    let records = desk.records();
    for op in
        [Op::Grant { amount: 1 }, Op::Reserve { amount: 1, ttl_ms: 9 }, Op::Debit { amount: u64::MAX }, Op::Release]
    {
        assert_eq!(desk.execute(&command(b"new", op)), full);
    }
    let grant = Op::Grant { amount: 1 };
    assert_eq!(desk.execute(&Command { account: b"t2", ..command(b"new", grant) }), full);
    let refund = |tx, amount| Command { of: b"d", ..command(tx, Op::Refund { amount }) };
    assert_eq!(desk.execute(&refund(b"new", None)), full);
    assert_eq!(
        desk.execute(&refund(b"new", Some(9))),
        Outcome::Rejected(Rejection::Exceeds { limit: 8, given: Some(9) })
    );
    assert!(matches!(desk.execute(&refund(b"f", None)), Outcome::Written(receipt) if receipt.replayed));
    assert_eq!(desk.records(), records, "refused is not executed");
    assert!(matches!(debit(&mut desk, first_refused - 1), Outcome::Written(receipt) if receipt.replayed));
    for (tx, op) in [(b"r1", Op::Capture { amount: Some(3) }), (b"r2", Op::Release)] {
        assert!(matches!(desk.execute(&command(tx, op)), Outcome::Written(receipt) if !receipt.replayed));
    }
    desk.now_ms += 1000;
    desk.wake();
    assert_eq!(desk.records(), records + 3);
    desk.check();
    assert!(desk.ledger.totals().index_bytes <= 400_000);
}

#[test]
fn the_number_of_accounts_is_limited() {
    check_with(
        Limits { accounts_max: 1, ..LIMITS },
        "grant   t1 g1 5           -> granted
         grant   t2 g1 5           -> OOM accounts
         debit   t2 d1 5           -> NOACCOUNT
         grant   t1 g1 5           -> granted replayed
         grant   t1 g2 5           -> granted",
    );
}

#[test]
fn an_id_is_forgotten_after_its_retention_and_not_before() {
    check_with(
        Limits { tx_retention_ms: 1000, ..LIMITS },
        "grant   t1 g1 5           -> granted seq=1
         tick    999ms
         grant   t1 g1 5           -> granted seq=1 replayed
         tick    1ms
         grant   t1 g1 5           -> granted balance=10 seq=2
         grant   t1 g1 5           -> granted balance=10 seq=2 replayed
         tick    1001ms
         grant   t1 g1 6           -> granted balance=16 seq=3",
    );
}

#[test]
fn a_reservation_is_remembered_from_its_end_on() {
    check_with(
        Limits { tx_retention_ms: 1000, ..LIMITS },
        "grant   t1 g1 50          -> granted
         reserve t1 r1 5 ttl=1h    -> active seq=2
         tick    59m
         reserve t1 r1 5           -> active seq=2 replayed
         capture t1 r1 3           -> captured seq=3
         tick    999ms
         reserve t1 r1 5           -> captured seq=2 replayed
         tick    1ms
         release t1 r1             -> void seq=4
         tick    1s
         reserve t1 r1 9           -> active seq=5",
    );
}

#[test]
fn every_256th_entry_points_256_back() {
    let mut desk = Desk::new(LIMITS);
    for n in 0..1100u32 {
        desk.execute(&command(&n.to_le_bytes(), Op::Grant { amount: 1 }));
    }
    desk.check();
    let trail = desk.trail(b"t1");
    for (n, (_, event)) in trail.iter().enumerate() {
        let anchor = event.seq.is_multiple_of(SKIP_EVERY) && event.seq > SKIP_EVERY;
        let expected = if anchor { trail[n - SKIP_EVERY as usize].0 } else { NO_LSN };
        assert_eq!(event.skip_lsn, expected, "entry {}", event.seq);
    }
}

#[test]
fn the_past_of_another_id_is_no_past() {
    let mut desk = Desk::new(LIMITS);
    desk.execute(&command(b"g", Op::Grant { amount: 100 }));
    desk.execute(&command(b"r", Op::Reserve { amount: 9, ttl_ms: 50 }));
    let (ledger, event) = (&desk.ledger, desk.trail(b"t1")[0].1);
    let Prior::Active(slot) = ledger.lookup(ledger.key(b"t1", b"r")) else { panic!("r is active") };
    // As if the hashes of "g", "r" and "d" were equal.
    for past in [Past::Recorded(Recorded { event, lsn: 4096, opened: None, refunded: 0 }), Past::Active(slot)] {
        let debit = command(b"d", Op::Debit { amount: 1 });
        let decision = ledger.decide(ledger.locate(b"t1"), &debit, &past, &Past::Unknown, desk.now_ms);
        assert!(matches!(decision, Decision::Commit(event) if event.change == Change::Debit));
    }
}

#[test]
fn totals_add_up() {
    let mut desk = Desk::new(LIMITS);
    desk.execute(&command(b"g", Op::Grant { amount: 100 }));
    desk.execute(&command(b"d", Op::Debit { amount: 10 }));
    desk.execute(&command(b"no", Op::Debit { amount: 100 }));
    desk.execute(&command(b"r1", Op::Reserve { amount: 20, ttl_ms: 5 }));
    desk.execute(&command(b"r2", Op::Reserve { amount: 30, ttl_ms: 9 }));
    desk.execute(&command(b"r3", Op::Reserve { amount: 1, ttl_ms: 99 }));
    desk.execute(&command(b"r2", Op::Capture { amount: Some(4) }));
    desk.now_ms += 5;
    assert_eq!(desk.ledger.next_expiry().map(|at| at <= START_MS + 5), Some(true));
    desk.wake();
    let totals = desk.ledger.totals();
    assert_eq!((totals.granted, totals.debited, totals.captured, totals.balance), (100, 14, 4, 86));
    assert_eq!((totals.accounts, totals.holds, totals.reserved, totals.declined, totals.expired), (1, 1, 1, 1, 1));
    assert_eq!((totals.entries, totals.index_entries), (8, 6));
}

#[test]
fn recovery_refuses_what_does_not_follow() {
    let mut desk = Desk::new(LIMITS);
    desk.execute(&command(b"g", Op::Grant { amount: 100 }));
    desk.execute(&command(b"r", Op::Reserve { amount: 20, ttl_ms: 50 }));
    desk.execute(&command(b"r", Op::Capture { amount: Some(5) }));
    let trail = desk.trail(b"t1");
    let (last_lsn, last) = trail[2];
    let Change::Capture { opened_lsn, lead, .. } = last.change else { panic!("the third entry captures") };
    let too_much = Change::Capture { captured: 21, opened_lsn, lead };
    let wrong = [
        (Event { seq: 4, ..last }, "entry 4: seq (I6) is 4, must be 3"),
        (Event { balance: 94, ..last }, "balance follows from delta (I6)"),
        (Event { reserved: 1, ..last }, "reserved follows too (I6)"),
        (Event { prev_lsn: 8, ..last }, "prev_lsn is 8"),
        (Event { skip_lsn: 8, ..last }, "skip_lsn is 8"),
        (Event { tx: b"other", ..last }, "only an active hold ends (I4)"),
        (Event { account: b"other", ..last }, "an account opens with a grant"),
        (Event { change: too_much, balance: 79, ..last }, "captured + returned"),
        (Event { change: Change::Capture { captured: 5, opened_lsn: 8, lead }, ..last }, "opened_lsn is 8"),
        (Event { time_ms: START_MS + 50, ..last }, "due holds expire before anything else happens (R3)"),
        (Event { change: Change::Void, amount: 0, balance: 100, reserved: 20, ..last }, "one effect (I5)"),
        (Event { change: Change::Debit, balance: 80, reserved: 20, ..last }, "one effect (I5)"),
        (Event { change: Change::Expire { opened_lsn }, balance: 100, ..last }, "time of the expiry (I7)"),
    ];
    for (event, complaint) in wrong {
        let mut ledger = Ledger::new(LIMITS, super::desk::SEEDS);
        trail[..2].iter().for_each(|(lsn, event)| ledger.replay(event, *lsn).unwrap());
        let before = ledger.digest();
        let found = ledger.replay(&event, last_lsn).unwrap_err().to_string();
        assert!(found.contains(complaint), "{found} is not: {complaint}");
        assert_eq!(ledger.digest(), before, "a refused event changes nothing");
        ledger.replay(&last, last_lsn).unwrap();
        assert_eq!(ledger.digest(), desk.ledger.digest());
    }
}

#[test]
#[should_panic(expected = "found")]
fn a_story_that_is_wrong_fails() {
    check("grant t1 g1 5 -> granted balance=6");
}
