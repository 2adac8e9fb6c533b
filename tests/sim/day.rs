//! A month of journaled time with the retention that is usual, over many starts: what is remembered, and how long.
//!
//! ```text
//!  hour  0         12           20              24               36               44        day 30      31
//!        ids ───── REFUND ───── a hold ──────── forgotten; ───── the refunded ─── the ───── the long ── that, too
//!                  of one       runs out        TX, REFUND       one, too         hold      hold ends
//!                                               still find them
//! ```
//! Absent on purpose: chance (the worlds have it), and the seconds by which groups of blocks may be remembered longer.

use super::desk::{ACCOUNT, DAY_MS, Desk, START_MS, receipt};
use creditd::ledger::command::{Command, Op};
use creditd::ledger::credits::TTL_MS_MAX;
use creditd::ledger::outcome::{Detail, Outcome, Receipt, Status, TxState};
use creditd::ledger::rejection::{Rejection, Verb};
use creditd::shard::batch::Ticket;

const HOUR_MS: u64 = 3_600_000;

/// Ids of the first hour that nothing keeps alive.
const PLAIN: [&str; 7] = ["open", "debit", "captured", "released", "poor", "void", "again"];

#[test]
fn ids_are_remembered_for_a_day_and_no_longer() {
    let mut desk = Desk::new();
    let first = the_first_hour(&mut desk);
    for hour in 1..24 {
        desk.at(hour * HOUR_MS);
        if hour == 12 {
            let outcome = desk.refund("f1", "kept", Some(4));
            assert_eq!(receipt(&outcome).detail, Detail::Refundable(6));
        }
        desk.check(&PLAIN, &[]);
        desk.check(&["kept", "brief", "long"], &[]);
    }
    desk.at(DAY_MS - 1);
    desk.check(&PLAIN, &[]);
    let replay = Outcome::Written(Receipt { replayed: true, ..first });
    assert_eq!(desk.ask(Op::Debit { amount: 10 }, "debit"), replay);

    desk.at(DAY_MS);
    desk.check(&["kept", "f1", "brief", "long"], &PLAIN);
    the_trail_remembers(&mut desk);
    // The refund has brought the debit back.
    assert_eq!(desk.ask(Op::Debit { amount: 10 }, "debit"), replay);

    desk.at(DAY_MS + 12 * HOUR_MS - 1);
    desk.check(&["kept", "f1", "f2", "debit", "brief", "long"], &[]);
    desk.at(DAY_MS + 12 * HOUR_MS);
    desk.check(&["f2", "debit", "brief", "long"], &["kept", "f1"]);
    assert_eq!(desk.view("kept").refunded, Some(4));
    let outcome = desk.refund("f3", "kept", None);
    assert_eq!(receipt(&outcome).detail, Detail::Refundable(0), "the sum of refunds outlives the index");
    assert_eq!(desk.view("kept").refunded, Some(10));
    let limit = Outcome::Rejected(Rejection::Exceeds { limit: 0, given: Some(1) });
    assert_eq!(desk.refund("f4", "kept", Some(1)), limit);

    // It ran out at hour 20.
    desk.at(44 * HOUR_MS - 1);
    desk.check(&["brief"], &[]);
    desk.at(44 * HOUR_MS);
    desk.check(&["long"], &["brief"]);
    a_long_hold(&mut desk);
}

/// Every kind of id, and two holds. The first answer to `debit`.
fn the_first_hour(desk: &mut Desk) -> Receipt {
    desk.ask(Op::Grant { amount: 1_000 }, "open");
    let first = desk.ask(Op::Debit { amount: 10 }, "debit");
    for tx in ["again", "kept"] {
        desk.ask(Op::Debit { amount: 10 }, tx);
    }
    for tx in ["captured", "released"] {
        desk.ask(Op::Reserve { amount: 10, ttl_ms: HOUR_MS }, tx);
    }
    desk.ask(Op::Capture { amount: Some(6) }, "captured");
    desk.ask(Op::Release, "released");
    desk.ask(Op::Release, "void");
    let poor = desk.ask(Op::Debit { amount: 10_000 }, "poor");
    assert_eq!(poor, Outcome::Rejected(Rejection::Insufficient { available: 964, required: 10_000 }));
    desk.ask(Op::Reserve { amount: 5, ttl_ms: 20 * HOUR_MS }, "brief");
    desk.ask(Op::Reserve { amount: 7, ttl_ms: TTL_MS_MAX }, "long");
    receipt(&first)
}

/// What the index has forgotten, CREDIT.TX and REFUND still find.
fn the_trail_remembers(desk: &mut Desk) {
    let states = PLAIN.map(|tx| desk.view(tx).state);
    use TxState::{Captured, Debited, Declined, Granted, Released, Void};
    assert_eq!(states, [Granted, Debited, Captured, Released, Declined, Void, Debited]);
    assert_eq!(desk.view("captured").captured, Some(6));
    assert_eq!(desk.ask(Op::Tx, "never"), Outcome::Tx(None));

    let outcome = desk.ask(Op::Debit { amount: 10 }, "again");
    assert!(!receipt(&outcome).replayed, "after its time an id is new");
    assert_eq!(desk.view("again").first.time_ms, START_MS + DAY_MS, "TX tells of its newest life");

    let outcome = desk.refund("f2", "debit", None);
    assert_eq!((receipt(&outcome).status, receipt(&outcome).detail), (Status::Refunded, Detail::Refundable(0)));
    let refusal = |rejection| Outcome::Rejected(rejection);
    let exceeds = Rejection::Exceeds { limit: 6, given: Some(7) };
    assert_eq!(desk.refund("f9", "captured", Some(7)), refusal(exceeds));
    let declined = Rejection::NotRefundable { op: Verb::Debit, state: Declined };
    assert_eq!(desk.refund("f9", "poor", None), refusal(declined));
    assert_eq!(desk.refund("f9", "never", None), refusal(Rejection::NoTx));
}

/// `long` is held for 30 days, whatever happens, and is then remembered for one more.
fn a_long_hold(desk: &mut Desk) {
    for day in 3..30 {
        desk.at(day * DAY_MS);
        desk.check(&["long"], &["debit"]);
    }
    desk.at(TTL_MS_MAX - 1);
    let outcome = desk.ask(Op::Reserve { amount: 7, ttl_ms: 1 }, "long");
    assert_eq!((receipt(&outcome).status, receipt(&outcome).replayed), (Status::Active, true));
    desk.at(TTL_MS_MAX);
    let expires_at_ms = START_MS + TTL_MS_MAX;
    let expired = Rejection::Expired { expires_at_ms, now_ms: expires_at_ms };
    assert_eq!(desk.ask(Op::Release, "long"), desk.ask(Op::Release, "long"));
    assert_eq!(desk.ask(Op::Reserve { amount: 7, ttl_ms: 1 }, "long"), Outcome::Rejected(expired));
    desk.at(TTL_MS_MAX + DAY_MS - 1);
    desk.check(&["long"], &[]);
    desk.at(TTL_MS_MAX + DAY_MS);
    desk.check(&[], &["long"]);
    let view = desk.view("long");
    assert_eq!((view.state, view.last.map(|last| last.time_ms)), (TxState::Expired, Some(expires_at_ms)));
}

#[test]
fn the_memory_of_forgotten_ids_comes_back() {
    const IDS: u64 = 40_000;
    let mut desk = Desk::new();
    for n in 0..IDS {
        let (tx, ticket) = (format!("m{n}"), Ticket { core: 0, connection: 0, generation: 0, slot: n as u32 });
        let command = Command::new(ACCOUNT, tx.as_bytes(), Op::Grant { amount: 1 });
        let prepared = desk.shard.prepare(&command);
        let _ = desk.shard.execute(desk.now_ms, ticket, &command, prepared, &mut Vec::new());
    }
    assert_eq!(desk.commit().len() as u64, IDS);
    let full = desk.shard.ledger().totals();
    for step in 1..=8 {
        // Blocks come once an hour: forgetting needs no more.
        desk.at(step * 3 * HOUR_MS);
        let totals = desk.shard.ledger().totals();
        assert!(step == 8 || totals.index_entries == IDS, "nothing is dropped before its time");
    }
    desk.restart();
    for hour in 25..50 {
        desk.at(hour * HOUR_MS);
    }
    let totals = desk.shard.ledger().totals();
    assert_eq!((full.index_entries, totals.index_entries), (IDS, 0));
    assert!(totals.index_bytes * 10 < full.index_bytes, "{} of {}", totals.index_bytes, full.index_bytes);
    assert_eq!(totals.balance, u128::from(IDS));
}
