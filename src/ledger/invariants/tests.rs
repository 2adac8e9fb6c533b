//! A trail that is right passes; one change anywhere, and it does not.

use super::super::id::{Lsn, NO_LSN};
use super::*;

fn entry<'a>(tx: &'a [u8], seq: u64, time_ms: u64, figures: [u64; 3], change: Change<'a>) -> (Lsn, Event<'a>) {
    let [amount, balance, reserved] = figures;
    let (account, reason, meta, prev_lsn) = (&b"t1"[..], &b""[..], &b""[..], (seq - 1) * 8);
    let event = Event {
        account,
        tx,
        reason,
        meta,
        time_ms,
        seq,
        amount,
        balance,
        reserved,
        prev_lsn,
        skip_lsn: NO_LSN,
        change,
    };
    (seq * 8, event)
}

fn trail() -> Vec<(Lsn, Event<'static>)> {
    let reserve = |expires_at_ms| Change::Reserve { expires_at_ms, lead: b"" };
    vec![
        entry(b"g1", 1, 10, [100, 100, 0], Change::Grant),
        entry(b"r1", 2, 20, [30, 100, 30], reserve(100)),
        entry(b"r2", 3, 30, [20, 100, 50], reserve(90)),
        entry(b"r3", 4, 30, [10, 100, 60], reserve(90)),
        entry(b"r1", 5, 40, [30, 75, 30], Change::Capture { captured: 25, opened_lsn: 16, lead: b"" }),
        entry(b"r2", 6, 90, [20, 75, 10], Change::Expire { opened_lsn: 24 }),
        entry(b"r3", 7, 90, [10, 75, 0], Change::Expire { opened_lsn: 32 }),
        entry(b"d1", 8, 95, [5, 70, 0], Change::Debit),
        entry(b"v1", 9, 95, [0, 70, 0], Change::Void),
    ]
}

#[test]
fn a_right_trail_passes() {
    check_trail(&trail()).unwrap();
}

#[test]
fn any_wrong_word_is_found() {
    type Damage = fn(&mut Vec<(Lsn, Event<'static>)>);
    let damages: [(Damage, &str); 14] = [
        (|t| t[7].1.seq = 9, "seq"),
        (|t| t[7].1.balance = 71, "balance"),
        (|t| t[2].1.reserved = 51, "reserved"),
        (|t| t[7].1.time_ms = 89, "times never go back"),
        (|t| t[7].1.prev_lsn = 8, "prev_lsn"),
        (|t| t[7].1.skip_lsn = 8, "skip_lsn"),
        (|t| t[5].1.time_ms = 91, "time of the expiry"),
        (|t| t.swap(5, 6), "seq"),
        (|t| t[5].1.tx = b"r9", "only an active hold ends"),
        (|t| t[5].1.change = Change::Expire { opened_lsn: 16 }, "opened_lsn"),
        (|t| t[4].1.time_ms = 90, "due holds expire"),
        (|t| t[3].1.tx = b"r2", "one effect"),
        (|t| t[8].1.amount = 1, "burned"),
        (|t| t[8].1.account = b"t2", "one account"),
    ];
    for (damage, complaint) in damages {
        let mut trail = trail();
        damage(&mut trail);
        let found = check_trail(&trail).unwrap_err().to_string();
        assert!(found.contains(complaint), "{found} is not: {complaint}");
    }
}

#[test]
fn equal_deadlines_expire_by_age() {
    let mut trail = trail();
    let (r2, r3) = (trail[5].1, trail[6].1);
    (trail[5].1.tx, trail[5].1.change, trail[5].1.amount, trail[5].1.reserved) = (r3.tx, r3.change, r3.amount, 20);
    (trail[6].1.tx, trail[6].1.change, trail[6].1.amount) = (r2.tx, r2.change, r2.amount);
    assert!(check_trail(&trail).unwrap_err().to_string().contains("R4"));
}
