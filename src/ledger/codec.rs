//! An event as a record of the log, byte by byte (journal.md 5).
//!
//! Little-endian. `len` counts everything, the padding to the next multiple of 8 included.
//!
//! ```text
//!  at  size  field
//!   0   2    len
//!   2   1    type         1 GRANT  2 DEBIT  3 RESERVE  4 CAPTURE  5 RELEASE  6 EXPIRE  7 DECLINE  8 VOID
//!                         9 REFUND     kept free: 16 LEAD.OPEN  17 LEAD.CLAIM  18 LEAD.CLOSE  19 LEAD.EXPIRE
//!   3   1    flags        1 = skip_lsn is there   2 = meta is there
//!   4   1    account length, 1..=128
//!   5   1    tx length, 1..=64
//!   6   1    length of the other id:   lead, 0..=128 (RESERVE, CAPTURE, RELEASE)
//!                                      of, 1..=64 (REFUND, DECLINE of a REFUND)
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
//!                         DECLINE: op u8 (type number of the verb), code u8, 0 u16, holds u32 (LIMIT, else 0)
//!            skip_lsn u64 (flag 1)
//!            account, tx, lead or of, reason; meta length u16 (1..=1024) and meta (flag 2)
//!            zeros up to len
//! ```
//! One event has one encoding, and decoding accepts no other: records that differ in bytes differ in meaning. Amounts
//! and sequence are not judged here but in replay. Absent on purpose: checksums (the block has one), compression.

use super::event::{Change, DeclineCode, DeclinedOp, Event};
use super::id::{ACCOUNT_LEN_MAX, META_LEN_MAX, NO_LSN, REASON_LEN_MAX, TX_LEN_MAX};
use std::ops::RangeInclusive;

/// No record is longer (journal.md 5). The longest event of today has 1,496 bytes.
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

const INSUFFICIENT: u8 = 1;
const OVERFLOW: u8 = 2;
const LIMIT: u8 = 3;

/// Most words that a type of record has of its own.
const CHANGE_WORDS_MAX: usize = 3;

/// Where the fields by type begin.
const CHANGE_AT: usize = 56;

const HAS_SKIP: u8 = 1;
const HAS_META: u8 = 2;

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

/// Appends the record of `event`: a multiple of 8 bytes, at most [`RECORD_LEN_MAX`].
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    let other = other_id(&event.change);
    assert!((1..=ACCOUNT_LEN_MAX).contains(&event.account.len()) && (1..=TX_LEN_MAX).contains(&event.tx.len()));
    assert!(event.reason.len() <= REASON_LEN_MAX && event.meta.len() <= META_LEN_MAX);
    assert!(other.len() <= ACCOUNT_LEN_MAX);
    let skip_flag = if event.skip_lsn == NO_LSN { 0 } else { HAS_SKIP };
    let flags = skip_flag | if event.meta.is_empty() { 0 } else { HAS_META };
    out.extend_from_slice(&[0, 0, type_of(&event.change), flags]);
    out.extend_from_slice(&[event.account.len(), event.tx.len(), other.len(), event.reason.len()].map(|len| len as u8));
    for word in [event.prev_lsn, event.time_ms, event.seq, event.amount, event.balance, event.reserved] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    encode_change(&event.change, out);
    if event.skip_lsn != NO_LSN {
        out.extend_from_slice(&event.skip_lsn.to_le_bytes());
    }
    for bytes in [event.account, event.tx, other, event.reason] {
        out.extend_from_slice(bytes);
    }
    if !event.meta.is_empty() {
        out.extend_from_slice(&(event.meta.len() as u16).to_le_bytes());
        out.extend_from_slice(event.meta);
    }
    let len = (out.len() - start).next_multiple_of(8);
    assert!(len <= RECORD_LEN_MAX, "field limits keep a record below its own");
    out.resize(start + len, 0);
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

/// The event of one record: exactly its bytes, padding included.
///
/// # Errors
/// [`DecodeError`] for bytes that [`encode`] did not write. Never panics.
pub fn decode(record: &[u8]) -> Result<Event<'_>, DecodeError> {
    let length = DecodeError::Length { found: record.len() };
    let mut rest = Rest { bytes: record, length };
    let [len_low, len_high, kind, flags, account_len, tx_len, other_len, reason_len] = rest.array()?;
    let len = usize::from(u16::from_le_bytes([len_low, len_high]));
    if len != record.len() || !len.is_multiple_of(8) || len > RECORD_LEN_MAX {
        return Err(length);
    }
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
    let other = rest.text(other_len, 0..=ACCOUNT_LEN_MAX, "other id")?;
    let reason = rest.text(reason_len, 0..=REASON_LEN_MAX, "reason")?;
    let meta: &[u8] = if flags & HAS_META == 0 {
        &[]
    } else {
        let meta_len = u16::from_le_bytes(rest.array()?);
        rest.text(meta_len, 1..=META_LEN_MAX, "meta")?
    };
    check(rest.bytes.len() < 8 && rest.bytes.iter().all(|&byte| byte == 0), "padding")?;
    let change = decode_change(kind, own, other)?;
    Ok(Event { account, tx, reason, meta, time_ms, seq, amount, balance, reserved, prev_lsn, skip_lsn, change })
}

/// The account and the tx of a record, without a look at the rest; of other bytes any short slices or none. For whoever
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
    }
}

/// The lead or the transaction that the change names beside its own.
fn other_id<'a>(change: &Change<'a>) -> &'a [u8] {
    match *change {
        Change::Reserve { lead, .. } | Change::Capture { lead, .. } | Change::Release { lead, .. } => lead,
        Change::Refund { of, .. } | Change::Decline { of, .. } => of,
        Change::Grant | Change::Debit | Change::Expire { .. } | Change::Void => &[],
    }
}

/// How many words of its own a type of record has.
fn change_words(kind: u8) -> Option<usize> {
    match kind {
        GRANT | DEBIT | VOID => Some(0),
        RESERVE | RELEASE | EXPIRE | DECLINE => Some(1),
        CAPTURE => Some(2),
        REFUND => Some(CHANGE_WORDS_MAX),
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
        Change::Decline { op, code, .. } => {
            let op = match op {
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
    let change = match kind {
        RESERVE => return Ok(Change::Reserve { expires_at_ms: first, lead: other }),
        CAPTURE => return Ok(Change::Capture { captured: first, opened_lsn: second, lead: other }),
        RELEASE => return Ok(Change::Release { opened_lsn: first, lead: other }),
        DECLINE => return decode_decline(first, other),
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

fn decode_decline(word: u64, of: &[u8]) -> Result<Change<'_>, DecodeError> {
    let [op, code, zero, zero_too, holds @ ..] = word.to_le_bytes();
    let holds = u64::from(u32::from_le_bytes(holds));
    check(zero == 0 && zero_too == 0 && (code == LIMIT || holds == 0), "decline")?;
    let op = match op {
        GRANT => DeclinedOp::Grant,
        DEBIT => DeclinedOp::Debit,
        RESERVE => DeclinedOp::Reserve,
        REFUND => DeclinedOp::Refund,
        _ => return Err(DecodeError::Field { field: "declined op" }),
    };
    let is_refund = op == DeclinedOp::Refund;
    check(if is_refund { (1..=TX_LEN_MAX).contains(&of.len()) } else { of.is_empty() }, "other id")?;
    let code = match code {
        INSUFFICIENT => DeclineCode::Insufficient,
        OVERFLOW => DeclineCode::Overflow,
        LIMIT => DeclineCode::Limit { holds },
        _ => return Err(DecodeError::Field { field: "decline code" }),
    };
    Ok(Change::Decline { op, code, of })
}

fn check(holds: bool, field: &'static str) -> Result<(), DecodeError> {
    if holds { Ok(()) } else { Err(DecodeError::Field { field }) }
}

/// The bytes that are not decoded yet.
struct Rest<'a> {
    bytes: &'a [u8],
    length: DecodeError,
}

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, bytes) = self.bytes.split_first_chunk().ok_or(self.length)?;
        self.bytes = bytes;
        Ok(*array)
    }

    fn word(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(
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
