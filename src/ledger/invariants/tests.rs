//! A trail that is right passes; one change anywhere, and it does not.

use super::super::id::{Lsn, NO_LSN};
use super::super::{Limits, Seeds};
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
        entry(b"f1", 10, 96, [4, 74, 0], refund(b"d1", 64, 4, 1)),
        entry(b"f2", 11, 97, [25, 99, 0], refund(b"r1", 40, 25, 0)),
        entry(b"f3", 12, 98, [1, 100, 0], refund(b"d1", 64, 5, 0)),
    ]
}

fn refund(of: &[u8], opened_lsn: Lsn, refunded_total: u64, refundable: u64) -> Change<'_> {
    Change::Refund { of, opened_lsn, refunded_total, refundable }
}

#[test]
fn a_right_trail_passes() {
    check_trail(&trail()).unwrap();
}

#[test]
fn any_wrong_word_is_found() {
    type Damage = fn(&mut Vec<(Lsn, Event<'static>)>);
    let damages: [(Damage, &str); 29] = [
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
        (|t| t[7].1.amount = u64::MAX, "at most 2^53"),
        (|t| t[4].1.change = Change::Capture { captured: 1 << 63, opened_lsn: 16, lead: b"" }, "balance follows"),
        (|t| t[4].1.change = Change::Capture { captured: u64::MAX, opened_lsn: 16, lead: b"" }, "balance follows"),
        (|t| (t[8].1.change, t[8].1.tx) = (Change::Debit, b"d9"), "at least 1"),
        (|t| t[0].1.change = Change::Debit, "opens with a grant"),
        (|t| t[9].1.change = refund(b"d1", 64, 5, 0), "refunded_total (I10) is 5, must be 4"),
        (|t| t[9].1.change = refund(b"d1", 64, 4, 2), "refundable (I10) is 6, must be 5"),
        (|t| t[9].1.change = refund(b"d1", 40, 4, 1), "of the refunded transaction"),
        (|t| t[9].1.change = refund(b"d2", 64, 4, 1), "of the refunded transaction"),
        (|t| t[9].1.change = refund(b"g1", 8, 4, 96), "only debits and captures"),
        (|t| t[9].1.change = refund(b"d1", 80, 4, 1), "stands behind"),
        (|t| t[11].1.change = refund(b"d1", 64, 1, 4), "refunded_total (I10) is 1, must be 5"),
        (|t| t[11].1.change = refund(b"r1", 40, 1, 24), "refunded_total (I10) is 1, must be 26"),
        (|t| t[11].1.tx = b"d1", "nothing refunds itself"),
        (|t| t[10].1.change = refund(b"r1", 40, 25, u64::MAX), "no more is refunded"),
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

/// Tells entries without those that they refund, from `from` on.
fn tell<'a>(entries: &[(Lsn, Event<'a>)], from: usize) -> Result<Story, Violation> {
    let (lsn, first) = &entries[from];
    let mut story = Story::starting_at(*lsn, first);
    entries[from..].iter().try_for_each(|(lsn, event)| story.tell(*lsn, event, None))?;
    Ok(story)
}

#[test]
fn a_story_that_is_cut_ends_as_the_whole_one_does() {
    let trail = trail();
    let whole = tell(&trail, 0).unwrap();
    for from in 1..trail.len() {
        let cut = tell(&trail, from).unwrap();
        assert_eq!(cut.state(), whole.state());
        cut.agrees(whole.state()).unwrap();
    }
    // What is opened after the cut, or before it and refunded twice after it, is judged as ever.
    let mut wrong = trail.clone();
    wrong[11].1.change = refund(b"d1", 64, 4, 1);
    assert!(tell(&wrong, 7).unwrap_err().to_string().contains("refunded_total"));
    assert!(tell(&wrong, 9).unwrap_err().to_string().contains("refunded_total"));
    assert!(tell(&wrong, 10).is_ok(), "the refund before is cut off");
    // More than was held at the cut does not end after it.
    wrong[4].1.change = Change::Capture { captured: 25, opened_lsn: 32, lead: b"" };
    assert!(tell(&wrong, 3).unwrap_err().to_string().contains("only an active hold ends"));
}

#[test]
fn a_state_that_differs_from_its_trail_is_found() {
    type Damage = fn(&mut AccountState);
    let damages: [(Damage, &str); 8] = [
        (|s| s.seq += 1, "seq"),
        (|s| s.last_lsn += 8, "last_lsn"),
        (|s| s.balance += 1, "balance"),
        (|s| s.reserved += 1, "reserved"),
        (|s| s.holds[0].amount += 1, "hold"),
        (|s| s.holds.swap(0, 1), "hold"),
        (|s| s.holds[1].expires_at_ms += 1, "hold"),
        (|s| drop(s.holds.pop()), "hold"),
    ];
    let trail = &trail()[..4];
    let story = tell(trail, 0).unwrap();
    assert_eq!(story.state().holds.iter().map(|hold| &*hold.tx).collect::<Vec<_>>(), [b"r2", b"r3", b"r1"]);
    story.agrees(story.state()).unwrap();
    for (damage, field) in damages {
        let mut state = story.state().clone();
        damage(&mut state);
        let violation = story.agrees(&state).unwrap_err();
        assert_eq!((violation.seq, violation.fault.field()), (4, field));
    }
}

#[test]
fn a_story_is_small_however_much_is_refunded() {
    assert_eq!(size_of::<Story>(), 112, "memory per account is a promise");
    let debits = story::REFUNDED_MAX as u64 + 2;
    let mut story = Story::new(b"t1");
    let mut tell = |tx: &str, seq, amount, balance, change| {
        let (lsn, mut event) = entry(tx.as_bytes(), seq, 9, [amount, balance, 0], change);
        event.skip_lsn = if seq % 256 == 0 { (seq - 256) * 8 } else { NO_LSN };
        story.tell(lsn, &event, None).map_err(|violation| violation.to_string())
    };
    tell("g", 1, 2 * debits, 2 * debits, Change::Grant).unwrap();
    (0..debits).for_each(|n| tell("d", n + 2, 2, 2 * (debits - n - 1), Change::Debit).unwrap());
    // Half of every debit comes back. Then the halves of the two oldest are let go: whatever comes of them is believed.
    (0..debits).for_each(|n| tell("f", debits + n + 2, 1, n + 1, refund(b"d", 8 * (n + 2), 1, 1)).unwrap());
    let seq = 2 * debits + 2;
    for (n, lsn) in (0..).zip([16, 24, 16, 32]) {
        tell("f", seq + n, 1, debits + 1 + n, refund(b"d", lsn, 2, 0)).unwrap();
    }
    assert!(tell("f", seq + 4, 1, debits + 5, refund(b"d", 40, 1, 1)).unwrap_err().contains("refunded_total"));
}

#[test]
fn a_walk_in_steps_sees_every_account_once_and_what_is_wrong_with_some() {
    let limits = Limits {
        holds_per_account_max: 1,
        accounts_max: 10,
        leads_max: 1,
        lead_slots_max: 1,
        tx_index_bytes_max: 1 << 20,
        tx_retention_ms: u64::MAX,
    };
    let mut ledger = Ledger::new(limits, Seeds { index_key: [1, 2], map_seed: 3 });
    for number in 0..10 {
        ledger.accounts.open_unnamed(&[b'a' + number]);
    }
    ledger.check().unwrap();
    ledger.accounts.get_mut(3).0.reserved = 5;
    ledger.accounts.get_mut(9).0.next_deadline_ms = 7;
    let (mut judged, mut wrong) = (0, Vec::new());
    while judged < 10 {
        let (some, violations) = ledger.check_some(judged, 4);
        assert_eq!(some, 4.min(10 - judged));
        wrong.extend(violations.into_iter().map(|violation| (violation.account[0], violation.fault.field())));
        judged += some;
    }
    assert_eq!(wrong, [(b'd', "balance"), (b'j', "hold")]);
    assert_eq!(ledger.check_some(10, 4), (0, Vec::new()));
    assert_eq!(&*ledger.check().unwrap_err().account, b"d");
}
