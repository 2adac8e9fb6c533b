//! Records round trip, have one form, and no bytes can hurt the decoder.

use super::*;
use proptest::prelude::*;

fn bytes(min: usize, max: usize) -> impl Strategy<Value = Vec<u8>> {
    // Mostly short, sometimes at the limit.
    let short = prop::collection::vec(any::<u8>(), min..=max.min(20));
    prop_oneof![4 => short, 1 => prop::collection::vec(any::<u8>(), max..=max)]
}

fn change() -> impl Strategy<Value = (u8, u64, u64, u64)> {
    (GRANT..=REFUSED, any::<u64>(), any::<u64>(), any::<u64>())
}

fn build<'a>((kind, a, b, c): (u8, u64, u64, u64), lead: &'a [u8], of: &'a [u8]) -> Change<'a> {
    let op = [DeclinedOp::Grant, DeclinedOp::Debit, DeclinedOp::Reserve, DeclinedOp::Refund, DeclinedOp::Claim];
    let (op, small) = (op[a as usize % 5], b as u32);
    let of_claim: &[u8] = if lead.is_empty() { b"l" } else { lead };
    let refusals = [
        Refusal::Unknown,
        Refusal::Full { max: small },
        Refusal::Closed,
        Refusal::Expired { expires_at_ms: b },
        Refusal::Already { tx: of, claim: small },
    ];
    let limit = DeclineCode::Limit { holds: a & 0xffff_ffff };
    match kind {
        GRANT => Change::Grant,
        DEBIT => Change::Debit,
        RESERVE => Change::Reserve { expires_at_ms: a, lead },
        CAPTURE => Change::Capture { captured: a, opened_lsn: b, lead },
        RELEASE => Change::Release { opened_lsn: a, lead },
        EXPIRE => Change::Expire { opened_lsn: a },
        DECLINE => Change::Decline {
            op,
            code: [DeclineCode::Insufficient, DeclineCode::Overflow, limit][b as usize % 3],
            of: if op == DeclinedOp::Refund { of } else { b"" },
            lead: if op == DeclinedOp::Claim { of_claim } else { b"" },
        },
        CLAIMED => Change::Claimed { opened_lsn: a, lead: of_claim, claim: small, remaining: c as u32 },
        REFUSED => Change::Refused { opened_lsn: a, lead: of_claim, refusal: refusals[c as usize % 5] },
        REFUND => Change::Refund { of, opened_lsn: a, refunded_total: b, refundable: c },
        _ => Change::Void,
    }
}

fn plain<'a>(change: Change<'a>, account: &'a [u8], tx: &'a [u8]) -> Event<'a> {
    Event {
        account,
        tx,
        reason: b"",
        meta: b"",
        time_ms: 1_790_000_000_000,
        seq: 2,
        amount: 5,
        balance: 15,
        reserved: 0,
        prev_lsn: 136,
        skip_lsn: NO_LSN,
        change,
    }
}

proptest! {
    #[test]
    fn an_event_comes_back_as_it_was(
        change in change(), words in any::<[u64; 6]>(), skip in prop_oneof![Just(0), any::<u64>()],
        (account, tx, lead, of) in (bytes(1, 128), bytes(1, 64), bytes(0, 128), bytes(1, 64)),
        (reason, meta) in (bytes(0, 64), bytes(0, 1024)),
    ) {
        let [time_ms, seq, amount, balance, reserved, prev_lsn] = words;
        let change = build(change, &lead, &of);
        let (account, tx, reason, meta) = (&account[..], &tx[..], &reason[..], &meta[..]);
        let event = Event {
            account, tx, reason, meta, time_ms, seq, amount, balance, reserved, prev_lsn, skip_lsn: skip, change,
        };
        let mut record = vec![9; 3];
        encode(&event, &mut record);
        prop_assert_eq!(decode(&record[3..]), Ok(event));
        prop_assert_eq!(ids_of(&record[3..]), (event.account, event.tx));
        // A byte less, a byte more, a word more that the length knows of: not this record.
        let mut record = record.split_off(3);
        prop_assert!(decode(&record[..record.len() - 1]).is_err());
        record.push(0);
        prop_assert!(decode(&record).is_err());
        record.extend_from_slice(&[0; 7]);
        let len = record.len() as u16;
        record[..2].copy_from_slice(&len.to_le_bytes());
        prop_assert!(decode(&record).is_err());
    }

    #[test]
    fn damaged_records_are_refused_or_mean_something_else_in_their_one_form(
        change in change(), at in any::<prop::sample::Index>(), to in any::<u8>(), meta in bytes(0, 30)
    ) {
        let mut record = Vec::new();
        encode(&Event { meta: &meta, ..plain(build(change, b"lead", b"of"), b"account", b"tx") }, &mut record);
        let at = at.index(record.len());
        record[at] = to;
        if let Ok(event) = decode(&record) {
            let mut again = Vec::new();
            encode(&event, &mut again);
            prop_assert_eq!(again, record);
        }
    }

    #[test]
    fn any_bytes_at_all_are_survived(mut junk in prop::collection::vec(any::<u8>(), 0..300), fit in any::<bool>()) {
        if fit && junk.len() >= 8 {
            junk.truncate(junk.len() / 8 * 8);
            let len = junk.len() as u16;
            junk[..2].copy_from_slice(&len.to_le_bytes());
            junk[2] %= 21;
            junk[3] %= 4;
        }
        let _ = decode_any(&junk);
        ids_of(&junk);
    }
}

#[test]
fn a_debit_with_twelve_byte_ids_takes_80_bytes_in_this_layout() {
    let mut record = Vec::new();
    encode(&plain(Change::Debit, b"account-0042", b"txn-00000009"), &mut record);
    let mut expected = vec![80, 0, DEBIT, 0, 12, 12, 0, 0];
    for word in [136u64, 1_790_000_000_000, 2, 5, 15, 0] {
        expected.extend_from_slice(&word.to_le_bytes());
    }
    expected.extend_from_slice(b"account-0042txn-00000009");
    assert_eq!(record, expected);
}

#[test]
fn the_longest_event_fits_a_record_with_room_to_spare() {
    let (id, meta) = ([1; ACCOUNT_LEN_MAX], [2; META_LEN_MAX]);
    let (of, code) = (&id[..TX_LEN_MAX], DeclineCode::Limit { holds: u32::MAX.into() });
    for (change, len) in [
        (Change::Capture { captured: 1, opened_lsn: 8, lead: &id }, 1_496),
        (Change::Refund { of, opened_lsn: 8, refunded_total: 1, refundable: 0 }, 1_440),
        (Change::Decline { op: DeclinedOp::Refund, code, of, lead: b"" }, 1_424),
        (Change::Refused { opened_lsn: 8, lead: &id, refusal: Refusal::Already { tx: of, claim: 1 } }, 1_568),
    ] {
        let reason = &meta[..REASON_LEN_MAX];
        let event = Event { reason, meta: &meta, skip_lsn: 8, ..plain(change, &id, &id[..TX_LEN_MAX]) };
        let mut record = Vec::new();
        encode(&event, &mut record);
        assert_eq!(record.len(), len);
        assert_eq!(decode(&record), Ok(event));
    }
}

#[test]
fn the_other_id_is_there_where_it_must_be_and_only_there() {
    let id = [b'x'; 100];
    let of = &id[..8];
    let (grant, refund) = (DeclinedOp::Grant, DeclinedOp::Refund);
    let decline = |op, of| Change::Decline { op, code: DeclineCode::Overflow, of, lead: b"" };
    // A record of each, its other id made longer or shorter by whole words, its length mended.
    for (change, other_len) in [
        (Change::Refund { of, opened_lsn: 8, refunded_total: 1, refundable: 0 }, 0),
        (Change::Refund { of, opened_lsn: 8, refunded_total: 1, refundable: 0 }, 72),
        (decline(refund, of), 0),
        (decline(refund, of), 72),
        (decline(grant, b""), 8),
        (Change::Grant, 8),
        (Change::Void, 8),
        (Change::Expire { opened_lsn: 8 }, 8),
        (Change::Release { opened_lsn: 8, lead: of }, 136),
        (Change::Claimed { opened_lsn: 8, lead: of, claim: 1, remaining: 0 }, 0),
        (Change::Claimed { opened_lsn: 8, lead: of, claim: 1, remaining: 0 }, 136),
        (Change::Refused { opened_lsn: 8, lead: of, refusal: Refusal::Closed }, 0),
        (Change::Refused { opened_lsn: 8, lead: of, refusal: Refusal::Closed }, 16),
        (Change::Decline { op: DeclinedOp::Claim, code: DeclineCode::Insufficient, of: b"", lead: of }, 0),
    ] {
        let mut record = Vec::new();
        encode(&plain(change, b"accounts", &[b't'; 16]), &mut record);
        let end = record.len();
        record.splice(end - other_ids(&change).0.len().., [b'x'; 136][..other_len].iter().copied());
        record[6] = other_len as u8;
        let len = record.len() as u16;
        record[..2].copy_from_slice(&len.to_le_bytes());
        assert_eq!(decode(&record), Err(DecodeError::Field { field: "other id" }), "{change:?} with {other_len}");
    }
}
