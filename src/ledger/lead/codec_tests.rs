//! The records that leads brought, a lead's own and those of claims: byte for byte, and no other bytes.

use super::*;
use crate::ledger::codec::{self, Record, decode_any};
use crate::ledger::event::{Change, DeclineCode, DeclinedOp, Event};
use crate::ledger::lead::Refusal;
use proptest::prelude::*;

const CLAIM_OF: LeadChange<'static> = LeadChange::Claim { account: b"ann", tx: b"t1", cost: 5, account_seq: 7 };

fn of_lead(change: LeadChange<'static>) -> Record<'static> {
    let (reason, meta, time_ms) = (&b"why"[..], &b""[..], 1_790_000_000_000);
    Record::Lead(LeadEvent {
        lead: b"lead:42",
        reason,
        meta,
        time_ms,
        seq: 2,
        prev_lsn: 136,
        max: 3,
        claims: 1,
        change,
    })
}

fn of_account(change: Change<'static>) -> Record<'static> {
    Record::Entry(Event {
        account: b"ann",
        tx: b"t1",
        reason: b"",
        meta: b"m",
        time_ms: 1_790_000_000_000,
        seq: 2,
        amount: 5,
        balance: 15,
        reserved: 0,
        prev_lsn: 136,
        skip_lsn: 0,
        change,
    })
}

fn encoded(record: &Record<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let format = match record {
        Record::Entry(event) => codec::encode(event, &mut out),
        Record::Lead(event) => encode(event, &mut out),
    };
    assert_eq!(format, 2, "no reader of format 1 knows it");
    out
}

/// Every type of record that format 2 brought.
fn all() -> Vec<Record<'static>> {
    let (opened_lsn, lead) = (96, &b"lead:42"[..]);
    let refused = |refusal| of_account(Change::Refused { opened_lsn, lead, refusal });
    let (op, code) = (DeclinedOp::Claim, DeclineCode::Insufficient);
    vec![
        of_lead(LeadChange::Open { expires_at_ms: 9 }),
        of_lead(CLAIM_OF),
        of_lead(LeadChange::Close),
        of_lead(LeadChange::Expire),
        of_account(Change::Reserve { expires_at_ms: u64::MAX, lead }),
        of_account(Change::Claimed { opened_lsn, lead, claim: 1, remaining: 2 }),
        refused(Refusal::Unknown),
        refused(Refusal::Full { max: 3 }),
        refused(Refusal::Closed),
        refused(Refusal::Expired { expires_at_ms: 9 }),
        refused(Refusal::Already { tx: b"t0", claim: 1 }),
        of_account(Change::Decline { op, code, of: b"", lead }),
    ]
}

/// The words of a record: head, words, and the bytes behind them with their zeros.
fn bytes(head: [u8; 8], words: &[u64], rest: &[u8]) -> Vec<u8> {
    let mut out = head.to_vec();
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    out.extend_from_slice(rest);
    assert_eq!((out.len(), out.len() % 8), (usize::from(head[0]), 0), "the length is right");
    out
}

#[test]
fn each_type_has_the_bytes_that_the_format_promises() {
    let (time_ms, slots) = (1_790_000_000_000, 1 << 32 | 3);
    let [open, claim, close, expire, reserve, claimed, .., already, decline] = &all()[..] else { panic!("all") };
    let lead = |kind, own: &[u64], len, lens: [u8; 2], rest: &[u8]| {
        let words = [&[136, time_ms, 2, slots], own].concat();
        bytes([len, 0, kind, 0, 7, lens[0], lens[1], 3], &words, rest)
    };
    assert_eq!(encoded(open), lead(16, &[9], 64, [0, 0], b"lead:42why\0\0\0\0\0\0"));
    assert_eq!(encoded(claim), lead(17, &[5, 7], 72, [2, 3], b"lead:42t1annwhy\0"));
    assert_eq!(encoded(close), lead(18, &[], 56, [0, 0], b"lead:42why\0\0\0\0\0\0"));
    assert_eq!(encoded(expire), lead(19, &[], 56, [0, 0], b"lead:42why\0\0\0\0\0\0"));
    let entry = |kind, own: &[u64], len, other_len, rest: &[u8]| {
        let words = [&[136, time_ms, 2, 5, 15, 0], own].concat();
        bytes([len, 0, kind, 2, 3, 2, other_len, 0], &words, rest)
    };
    let (lead, meta) = (b"annt1lead:42", b"\x01\0m");
    let with_lead = [&lead[..], meta, b"\0"].concat();
    assert_eq!(encoded(reserve), entry(3, &[u64::MAX], 80, 7, &with_lead));
    assert_eq!(encoded(claimed), entry(10, &[96, 2 << 32 | 1], 88, 7, &with_lead));
    let with_tx = [&lead[..], b"t0", meta, &[0; 7]].concat();
    assert_eq!(encoded(already), entry(11, &[96, 7 << 8 | 5, 1], 104, 9, &with_tx));
    assert_eq!(encoded(decline), entry(7, &[1 << 8 | 17], 80, 7, &with_lead));
    for (record, (code, fact)) in all()[6..].iter().zip([(1, 0), (2, 3), (3, 0), (4, 9)]) {
        assert_eq!(encoded(record), entry(11, &[96, 7 << 8 | code, fact], 96, 7, &with_lead));
    }
}

#[test]
fn every_bit_matters_and_nothing_may_be_missing() {
    for record in all() {
        let whole = encoded(&record);
        assert_eq!(decode_any(&whole), Ok(record));
        assert_eq!(codec::decode(&whole).is_ok(), matches!(record, Record::Entry(_)));
        for bit in 0..whole.len() * 8 {
            let mut other = whole.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            check_is_another_or_none(&other, &record);
        }
        for len in 0..whole.len() {
            assert!(decode_any(&whole[..len]).is_err(), "{record:?} cut at {len}");
            let mut shorter = whole[..len].to_vec();
            if let Some(length) = shorter.first_mut() {
                *length = len as u8;
            }
            check_is_another_or_none(&shorter, &record);
        }
    }
}

/// What is decoded from other bytes is another record, in the one form that it has.
fn check_is_another_or_none(bytes: &[u8], record: &Record<'_>) {
    let Ok(found) = decode_any(bytes) else { return };
    assert_ne!(found, *record);
    let mut again = Vec::new();
    match &found {
        Record::Entry(event) => drop(codec::encode(event, &mut again)),
        Record::Lead(event) => drop(encode(event, &mut again)),
    }
    assert_eq!(again, bytes, "{found:?}");
}

proptest! {
    #[test]
    fn a_leads_record_comes_back_as_it_was(
        kind in 0..4, words in any::<[u64; 5]>(), (max, claims) in any::<(u32, u32)>(),
        lead in prop::collection::vec(any::<u8>(), 1..=128), account in prop::collection::vec(any::<u8>(), 1..=128),
        tx in prop::collection::vec(any::<u8>(), 1..=64), reason in prop::collection::vec(any::<u8>(), 0..=64),
        meta in prop::collection::vec(any::<u8>(), 0..=1024),
    ) {
        let [time_ms, seq, prev_lsn, one, two] = words;
        let change = match kind {
            0 => LeadChange::Open { expires_at_ms: one },
            1 => LeadChange::Claim { account: &account, tx: &tx, cost: one, account_seq: two },
            2 => LeadChange::Close,
            _ => LeadChange::Expire,
        };
        let (lead, reason, meta) = (&lead[..], &reason[..], &meta[..]);
        let event = LeadEvent { lead, reason, meta, time_ms, seq, prev_lsn, max, claims, change };
        let mut record = Vec::new();
        encode(&event, &mut record);
        prop_assert_eq!(decode_any(&record), Ok(Record::Lead(event)));
    }
}
