//! An event as a record of the log, byte by byte (journal.md 5).
//!
//! Little-endian. `len` counts everything, the padding to the next multiple of 8 included.
//!
//! ```text
//!  at  size  field
//!   0   2    len
//!   2   1    type         1 GRANT  2 DEBIT  3 RESERVE  4 CAPTURE  5 RELEASE  6 EXPIRE  7 DECLINE  8 VOID
//!                         9 REFUND  10 CAPTURE and 11 RELEASE, of a claim; 16 to 19: of leads (lead/codec.rs)
//!   3   1    flags        1 = skip_lsn is there   2 = meta is there
//!   4   1    account length, 1..=128
//!   5   1    tx length, 1..=64
//!   6   1    length of the other id:   lead, 0..=128 (RESERVE, CAPTURE, RELEASE)
//!                                      of, 1..=64 (REFUND, DECLINE of a REFUND)
//!                                      lead, 1..=128 (types 10, 11, DECLINE of a claim); in type 11 a tx behind it
//!   7   1    reason length, 0..=64
//!   8   8    prev_lsn
//!  16   8    time_ms
//!  24   8    seq
//!  32   8    amount
//!  40   8    balance      after the entry
//!  48   8    reserved     after the entry
//!  56        by type      RESERVE: expires_at_ms u64
//!                         CAPTURE: captured u64, opened_lsn u64
//!                         RELEASE, EXPIRE: opened_lsn u64
//!                         REFUND: opened_lsn u64, refunded_total u64, refundable u64
//!                         10: opened_lsn u64, slot u32, slots left u32
//!                         11: opened_lsn u64, code u8, length of the lead u8, 0 [6], fact u64
//!                         DECLINE: op u8 (type number of the verb), code u8, 0 u16, holds u32 (LIMIT, else 0)
//!            skip_lsn u64 (flag 1)
//!            account, tx, lead or of, reason; meta length u16 (1..=1024) and meta (flag 2)
//!            zeros up to len
//! ```
//! One event has one encoding, and decoding accepts no other: records that differ in bytes differ in meaning. Amounts
//! and sequence are not judged here but in replay. Absent on purpose: checksums (the block has one), compression.

use super::event::{Change, DeclineCode, DeclinedOp, Event};
use super::id::{ACCOUNT_LEN_MAX, META_LEN_MAX, NO_LSN, REASON_LEN_MAX, TX_LEN_MAX};
use super::lead::{self, LeadEvent, Refusal};
use std::ops::RangeInclusive;

/// No record is longer (journal.md 5). The longest event of today has 1,568 bytes.
pub const RECORD_LEN_MAX: usize = 4096;

const GRANT: u8 = 1;
const DEBIT: u8 = 2;
const RESERVE: u8 = 3;
const CAPTURE: u8 = 4;
const RELEASE: u8 = 5;
const EXPIRE: u8 = 6;
const DECLINE: u8 = 7;
const VOID: u8 = 8;
const REFUND: u8 = 9;
const CLAIMED: u8 = 10;
const REFUSED: u8 = 11;
/// In DECLINE: the refused verb was LEAD.CLAIM.
const CLAIM: u8 = 17;

const INSUFFICIENT: u8 = 1;
const OVERFLOW: u8 = 2;
const LIMIT: u8 = 3;

const LEAD_UNKNOWN: u8 = 1;
const LEAD_FULL: u8 = 2;
const LEAD_CLOSED: u8 = 3;
const LEAD_EXPIRED: u8 = 4;
const LEAD_ALREADY: u8 = 5;

/// Format of blocks with entries of claims, or records of leads.
const WITH_LEADS: u16 = 2;

/// Most words that a type of record has of its own.
const CHANGE_WORDS_MAX: usize = 3;

/// Where the fields by type begin.
const CHANGE_AT: usize = 56;

const HAS_SKIP: u8 = 1;
pub(super) const HAS_META: u8 = 2;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The length field and the number of bytes differ, or a field stands beyond the end.
    #[error("record length {found} does not fit its content")]
    Length {
        /// Number of bytes given.
        found: usize,
    },
    /// A type that this version does not know: written by a newer one, if the block's checksum is right.
    #[error("unknown record type {found}")]
    Type {
        /// The type byte.
        found: u8,
    },
    /// A byte that must have another value.
    #[error("record field {field} is malformed")]
    Field {
        /// Which field.
        field: &'static str,
    },
}

/// What a log holds: an entry of an account's trail, or a record of a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// An account's.
    Entry(Event<'a>),
    /// A lead's.
    Lead(LeadEvent<'a>),
}

/// Appends the record of `event`: a multiple of 8 bytes, at most [`RECORD_LEN_MAX`]. Returns the lowest format of a
/// block that may hold it.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) -> u16 {
    let start = out.len();
    let (other, second) = other_ids(&event.change);
    let other_len = other.len() + second.len();
    assert!((1..=ACCOUNT_LEN_MAX).contains(&event.account.len()) && (1..=TX_LEN_MAX).contains(&event.tx.len()));
    assert!(event.reason.len() <= REASON_LEN_MAX && event.meta.len() <= META_LEN_MAX);
    assert!(other.len() <= ACCOUNT_LEN_MAX && second.len() <= TX_LEN_MAX);
    let skip_flag = if event.skip_lsn == NO_LSN { 0 } else { HAS_SKIP };
    let flags = skip_flag | if event.meta.is_empty() { 0 } else { HAS_META };
    // One piece of a length that the compiler knows: no check, no call for each field.
    let mut head = [0; CHANGE_AT];
    (head[2], head[3]) = (type_of(&event.change), flags);
    let lens = [event.account.len(), event.tx.len(), other_len, event.reason.len()].map(|len| len as u8);
    head[4..8].copy_from_slice(&lens);
    let words = [event.prev_lsn, event.time_ms, event.seq, event.amount, event.balance, event.reserved];
    for (place, word) in head[8..].as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    out.extend_from_slice(&head);
    encode_change(&event.change, out);
    if event.skip_lsn != NO_LSN {
        out.extend_from_slice(&event.skip_lsn.to_le_bytes());
    }
    out.extend_from_slice(event.account);
    out.extend_from_slice(event.tx);
    for bytes in [other, second, event.reason].into_iter().filter(|bytes| !bytes.is_empty()) {
        out.extend_from_slice(bytes);
    }
    end_record(event.meta, start, out);
    if event.is_of_claim() { WITH_LEADS } else { 1 }
}

/// Ends the record that begins at `start`: META, padding, length.
pub(super) fn end_record(meta: &[u8], start: usize, out: &mut Vec<u8>) {
    if !meta.is_empty() {
        out.extend_from_slice(&(meta.len() as u16).to_le_bytes());
        out.extend_from_slice(meta);
    }
    let len = (out.len() - start).next_multiple_of(8);
    assert!(len <= RECORD_LEN_MAX, "field limits keep a record below its own");
    out.extend_from_slice(&[0; 8]);
    out.truncate(start + len);
    out[start..start + 2].copy_from_slice(&(len as u16).to_le_bytes());
}

/// The records of a run of records, as [`encode`] wrote them one after the other. Ends where none can start.
pub fn records(mut run: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_le_bytes(*run.first_chunk()?));
        let (record, rest) = run.split_at_checked(len).filter(|(record, _)| !record.is_empty())?;
        run = rest;
        Some(record)
    })
}

/// What one record holds.
///
/// # Errors
/// As [`decode`].
pub fn decode_any(record: &[u8]) -> Result<Record<'_>, DecodeError> {
    match record.get(2) {
        Some(&kind) if lead::codec::is_of_lead(kind) => lead::codec::decode(record).map(Record::Lead),
        _ => decode(record).map(Record::Entry),
    }
}

/// The event of one record of an account: exactly its bytes, padding included.
///
/// # Errors
/// [`DecodeError`] for bytes that [`encode`] did not write, a lead's among them. Never panics.
pub fn decode(record: &[u8]) -> Result<Event<'_>, DecodeError> {
    let (mut rest, [kind, flags, account_len, tx_len, other_len, reason_len]) = Rest::of(record)?;
    check(flags & !(HAS_SKIP | HAS_META) == 0, "flags")?;
    let (prev_lsn, time_ms, seq) = (rest.word()?, rest.word()?, rest.word()?);
    let (amount, balance, reserved) = (rest.word()?, rest.word()?, rest.word()?);
    let mut own = [0; CHANGE_WORDS_MAX];
    for word in own.iter_mut().take(change_words(kind).ok_or(DecodeError::Type { found: kind })?) {
        *word = rest.word()?;
    }
    let skip_lsn = if flags & HAS_SKIP == 0 { NO_LSN } else { rest.word()? };
    check(flags & HAS_SKIP == 0 || skip_lsn != NO_LSN, "skip_lsn")?;
    let account = rest.text(account_len, 1..=ACCOUNT_LEN_MAX, "account")?;
    let tx = rest.text(tx_len, 1..=TX_LEN_MAX, "tx")?;
    let other = rest.text(other_len, 0..=ACCOUNT_LEN_MAX + TX_LEN_MAX, "other id")?;
    let reason = rest.text(reason_len, 0..=REASON_LEN_MAX, "reason")?;
    let meta = rest.end(flags)?;
    let change = decode_change(kind, own, other)?;
    Ok(Event { account, tx, reason, meta, time_ms, seq, amount, balance, reserved, prev_lsn, skip_lsn, change })
}

/// The account and the tx of a record, without a look at the rest; of a lead's record and of other bytes any short slices
/// or none. For whoever
/// looks them up before it decodes.
pub fn ids_of(record: &[u8]) -> (&[u8], &[u8]) {
    let Some(&[_, _, kind, flags, account_len, tx_len, ..]) = record.first_chunk::<8>() else { return (&[], &[]) };
    let at = CHANGE_AT + 8 * change_words(kind).unwrap_or(0) + if flags & HAS_SKIP == 0 { 0 } else { 8 };
    let (account_len, tx_len) = (ACCOUNT_LEN_MAX.min(account_len.into()), TX_LEN_MAX.min(tx_len.into()));
    let account = record.get(at..at + account_len).unwrap_or_default();
    (account, record.get(at + account_len..at + account_len + tx_len).unwrap_or_default())
}

fn type_of(change: &Change<'_>) -> u8 {
    match change {
        Change::Grant => GRANT,
        Change::Debit => DEBIT,
        Change::Reserve { .. } => RESERVE,
        Change::Capture { .. } => CAPTURE,
        Change::Release { .. } => RELEASE,
        Change::Expire { .. } => EXPIRE,
        Change::Decline { .. } => DECLINE,
        Change::Void => VOID,
        Change::Refund { .. } => REFUND,
        Change::Claimed { .. } => CLAIMED,
        Change::Refused { .. } => REFUSED,
    }
}

/// The lead or the transaction that the change names beside its own, and the second such id.
fn other_ids<'a>(change: &Change<'a>) -> (&'a [u8], &'a [u8]) {
    match *change {
        Change::Reserve { lead, .. } | Change::Capture { lead, .. } | Change::Release { lead, .. } => (lead, b""),
        Change::Refund { of, .. } => (of, b""),
        Change::Decline { of, lead, .. } => (if of.is_empty() { lead } else { of }, b""),
        Change::Claimed { lead, .. } => (lead, b""),
        Change::Refused { lead, refusal: Refusal::Already { tx, .. }, .. } => (lead, tx),
        Change::Refused { lead, .. } => (lead, b""),
        Change::Grant | Change::Debit | Change::Expire { .. } | Change::Void => (b"", b""),
    }
}

/// How many words of its own a type of record has.
fn change_words(kind: u8) -> Option<usize> {
    match kind {
        GRANT | DEBIT | VOID => Some(0),
        RESERVE | RELEASE | EXPIRE | DECLINE => Some(1),
        CAPTURE | CLAIMED => Some(2),
        REFUND | REFUSED => Some(CHANGE_WORDS_MAX),
        _ => None,
    }
}

fn encode_change(change: &Change<'_>, out: &mut Vec<u8>) {
    match *change {
        Change::Grant | Change::Debit | Change::Void => {}
        Change::Reserve { expires_at_ms, .. } => out.extend_from_slice(&expires_at_ms.to_le_bytes()),
        Change::Capture { captured, opened_lsn, .. } => {
            out.extend_from_slice(&captured.to_le_bytes());
            out.extend_from_slice(&opened_lsn.to_le_bytes());
        }
        Change::Release { opened_lsn, .. } | Change::Expire { opened_lsn } => {
            out.extend_from_slice(&opened_lsn.to_le_bytes());
        }
        Change::Refund { opened_lsn, refunded_total, refundable, .. } => {
            for word in [opened_lsn, refunded_total, refundable] {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
        Change::Claimed { opened_lsn, claim, remaining, .. } => {
            out.extend_from_slice(&opened_lsn.to_le_bytes());
            out.extend_from_slice(&claim.to_le_bytes());
            out.extend_from_slice(&remaining.to_le_bytes());
        }
        Change::Refused { opened_lsn, lead, refusal } => {
            let (code, fact) = match refusal {
                Refusal::Unknown => (LEAD_UNKNOWN, 0),
                Refusal::Full { max } => (LEAD_FULL, max.into()),
                Refusal::Closed => (LEAD_CLOSED, 0),
                Refusal::Expired { expires_at_ms } => (LEAD_EXPIRED, expires_at_ms),
                Refusal::Already { claim, .. } => (LEAD_ALREADY, claim.into()),
            };
            out.extend_from_slice(&opened_lsn.to_le_bytes());
            out.extend_from_slice(&[code, lead.len() as u8, 0, 0, 0, 0, 0, 0]);
            out.extend_from_slice(&fact.to_le_bytes());
        }
        Change::Decline { op, code, .. } => {
            let op = match op {
                DeclinedOp::Claim => CLAIM,
                DeclinedOp::Refund => REFUND,
                DeclinedOp::Grant => GRANT,
                DeclinedOp::Debit => DEBIT,
                DeclinedOp::Reserve => RESERVE,
            };
            let (code, holds) = match code {
                DeclineCode::Insufficient => (INSUFFICIENT, 0),
                DeclineCode::Overflow => (OVERFLOW, 0),
                DeclineCode::Limit { holds } => (LIMIT, u32::try_from(holds).expect("holds are counted in 32 bits")),
            };
            out.extend_from_slice(&[op, code, 0, 0]);
            out.extend_from_slice(&holds.to_le_bytes());
        }
    }
}

/// The change of a record of type `kind`, with its own words and its lead or refunded transaction.
fn decode_change(kind: u8, own: [u64; CHANGE_WORDS_MAX], other: &[u8]) -> Result<Change<'_>, DecodeError> {
    let [first, second, third] = own;
    if kind == REFUSED {
        return decode_refused(own, other);
    }
    check(other.len() <= ACCOUNT_LEN_MAX, "other id")?;
    let change = match kind {
        RESERVE => return Ok(Change::Reserve { expires_at_ms: first, lead: other }),
        CAPTURE => return Ok(Change::Capture { captured: first, opened_lsn: second, lead: other }),
        RELEASE => return Ok(Change::Release { opened_lsn: first, lead: other }),
        DECLINE => return decode_decline(first, other),
        CLAIMED => {
            check(!other.is_empty(), "other id")?;
            let (claim, remaining) = (second as u32, (second >> 32) as u32);
            return Ok(Change::Claimed { opened_lsn: first, lead: other, claim, remaining });
        }
        REFUND => {
            check((1..=TX_LEN_MAX).contains(&other.len()), "other id")?;
            return Ok(Change::Refund { opened_lsn: first, refunded_total: second, refundable: third, of: other });
        }
        GRANT => Change::Grant,
        DEBIT => Change::Debit,
        VOID => Change::Void,
        EXPIRE => Change::Expire { opened_lsn: first },
        found => return Err(DecodeError::Type { found }),
    };
    check(other.is_empty(), "other id")?;
    Ok(change)
}

fn decode_refused([opened_lsn, code, fact]: [u64; CHANGE_WORDS_MAX], other: &[u8]) -> Result<Change<'_>, DecodeError> {
    let [code, lead_len, zeros @ ..] = code.to_le_bytes();
    check(zeros == [0; 6], "refusal")?;
    let ids = other.split_at_checked(lead_len.into()).filter(|(lead, _)| (1..=ACCOUNT_LEN_MAX).contains(&lead.len()));
    let (lead, tx) = ids.ok_or(DecodeError::Field { field: "other id" })?;
    let number = || u32::try_from(fact).map_err(|_| DecodeError::Field { field: "refusal" });
    let refusal = match code {
        LEAD_UNKNOWN => Refusal::Unknown,
        LEAD_FULL => Refusal::Full { max: number()? },
        LEAD_CLOSED => Refusal::Closed,
        LEAD_EXPIRED => Refusal::Expired { expires_at_ms: fact },
        LEAD_ALREADY => Refusal::Already { tx, claim: number()? },
        _ => return Err(DecodeError::Field { field: "refusal" }),
    };
    let has_tx = matches!(refusal, Refusal::Already { .. });
    check(if has_tx { (1..=TX_LEN_MAX).contains(&tx.len()) } else { tx.is_empty() }, "other id")?;
    check(fact == 0 || !matches!(refusal, Refusal::Unknown | Refusal::Closed), "refusal")?;
    Ok(Change::Refused { opened_lsn, lead, refusal })
}

fn decode_decline(word: u64, of: &[u8]) -> Result<Change<'_>, DecodeError> {
    let [op, code, zero, zero_too, holds @ ..] = word.to_le_bytes();
    let holds = u64::from(u32::from_le_bytes(holds));
    check(zero == 0 && zero_too == 0 && (code == LIMIT || holds == 0), "decline")?;
    let op = match op {
        GRANT => DeclinedOp::Grant,
        DEBIT => DeclinedOp::Debit,
        RESERVE => DeclinedOp::Reserve,
        REFUND => DeclinedOp::Refund,
        CLAIM => DeclinedOp::Claim,
        _ => return Err(DecodeError::Field { field: "declined op" }),
    };
    let (of, lead): (&[u8], &[u8]) = if op == DeclinedOp::Claim { (b"", of) } else { (of, b"") };
    check(if op == DeclinedOp::Refund { (1..=TX_LEN_MAX).contains(&of.len()) } else { of.is_empty() }, "other id")?;
    check((op == DeclinedOp::Claim) != lead.is_empty(), "other id")?;
    let code = match code {
        INSUFFICIENT => DeclineCode::Insufficient,
        OVERFLOW => DeclineCode::Overflow,
        LIMIT => DeclineCode::Limit { holds },
        _ => return Err(DecodeError::Field { field: "decline code" }),
    };
    Ok(Change::Decline { op, code, of, lead })
}

pub(super) fn check(holds: bool, field: &'static str) -> Result<(), DecodeError> {
    if holds { Ok(()) } else { Err(DecodeError::Field { field }) }
}

/// The bytes that are not decoded yet.
pub(super) struct Rest<'a> {
    bytes: &'a [u8],
    length: DecodeError,
}

impl<'a> Rest<'a> {
    /// A record after its length, which fits, and the six bytes behind that.
    pub(super) fn of(record: &'a [u8]) -> Result<(Self, [u8; 6]), DecodeError> {
        let length = DecodeError::Length { found: record.len() };
        let mut rest = Self { bytes: record, length };
        let len = usize::from(u16::from_le_bytes(rest.array()?));
        let fits = len == record.len() && len.is_multiple_of(8) && len <= RECORD_LEN_MAX;
        let head = rest.array()?;
        if fits { Ok((rest, head)) } else { Err(length) }
    }

    /// META, which is the last field, and the padding.
    pub(super) fn end(mut self, flags: u8) -> Result<&'a [u8], DecodeError> {
        let meta: &[u8] = if flags & HAS_META == 0 {
            &[]
        } else {
            let meta_len = u16::from_le_bytes(self.array()?);
            self.text(meta_len, 1..=META_LEN_MAX, "meta")?
        };
        check(self.bytes.len() < 8 && self.bytes.iter().all(|&byte| byte == 0), "padding")?;
        Ok(meta)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, bytes) = self.bytes.split_first_chunk().ok_or(self.length)?;
        self.bytes = bytes;
        Ok(*array)
    }

    pub(super) fn word(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn text(
        &mut self,
        len: impl Into<usize>,
        allowed: RangeInclusive<usize>,
        field: &'static str,
    ) -> Result<&'a [u8], DecodeError> {
        let len = len.into();
        check(allowed.contains(&len), field)?;
        let (text, bytes) = self.bytes.split_at_checked(len).ok_or(self.length)?;
        self.bytes = bytes;
        Ok(text)
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
