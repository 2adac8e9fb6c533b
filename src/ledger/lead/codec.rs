//! A lead's records as bytes: types 16 to 19 of docs/log-format.md. Little-endian, a multiple of 8 bytes.
//!
//! ```text
//!  0 len u16  2 type u8  3 flags u8  4 lead_len u8  5 tx_len u8  6 account_len u8  7 reason_len u8
//!  8 prev_lsn  16 time_ms  24 seq  32 max u32  36 claims u32  40 own words by type
//!  lead, tx, account, reason; with flag 2: meta_len u16, meta; zeros
//! ```

use super::event::{LeadChange, LeadEvent};
use crate::ledger::codec::{DecodeError, HAS_META, Rest, check, end_record};
use crate::ledger::id::{ACCOUNT_LEN_MAX, META_LEN_MAX, REASON_LEN_MAX, TX_LEN_MAX};

const OPEN: u8 = 16;
const CLAIM: u8 = 17;
const CLOSE: u8 = 18;
const EXPIRE: u8 = 19;

/// Whether a record of this type is a lead's.
pub(in crate::ledger) fn is_of_lead(kind: u8) -> bool {
    (OPEN..=EXPIRE).contains(&kind)
}

/// Appends the record of `event`, and returns the lowest format of a block that may hold it.
pub fn encode(event: &LeadEvent<'_>, out: &mut Vec<u8>) -> u16 {
    let start = out.len();
    let (kind, tx, account, own): (_, &[u8], &[u8], &[u64]) = match event.change {
        LeadChange::Open { expires_at_ms } => (OPEN, b"", b"", &[expires_at_ms]),
        LeadChange::Claim { account, tx, cost, account_seq } => (CLAIM, tx, account, &[cost, account_seq]),
        LeadChange::Close => (CLOSE, b"", b"", &[]),
        LeadChange::Expire => (EXPIRE, b"", b"", &[]),
    };
    assert!((1..=ACCOUNT_LEN_MAX).contains(&event.lead.len()) && account.len() <= ACCOUNT_LEN_MAX);
    assert!(tx.len() <= TX_LEN_MAX && event.reason.len() <= REASON_LEN_MAX && event.meta.len() <= META_LEN_MAX);
    out.extend_from_slice(&[0, 0, kind, if event.meta.is_empty() { 0 } else { HAS_META }]);
    out.extend_from_slice(&[event.lead.len(), tx.len(), account.len(), event.reason.len()].map(|len| len as u8));
    let slots = u64::from(event.claims) << 32 | u64::from(event.max);
    for word in [event.prev_lsn, event.time_ms, event.seq, slots].iter().chain(own) {
        out.extend_from_slice(&word.to_le_bytes());
    }
    for bytes in [event.lead, tx, account, event.reason] {
        out.extend_from_slice(bytes);
    }
    end_record(event.meta, start, out);
    2
}

/// The event of one record: exactly its bytes, padding included.
///
/// # Errors
/// [`DecodeError`] for bytes that [`encode`] did not write. Never panics.
pub fn decode(record: &[u8]) -> Result<LeadEvent<'_>, DecodeError> {
    let (mut rest, [kind, flags, lead_len, tx_len, account_len, reason_len]) = Rest::of(record)?;
    check(flags & !HAS_META == 0, "flags")?;
    let (prev_lsn, time_ms, seq, slots) = (rest.word()?, rest.word()?, rest.word()?, rest.word()?);
    let mut own = [0; 2];
    let words = match kind {
        OPEN => 1,
        CLAIM => 2,
        CLOSE | EXPIRE => 0,
        found => return Err(DecodeError::Type { found }),
    };
    for word in own.iter_mut().take(words) {
        *word = rest.word()?;
    }
    let (id_min, tx_max, account_max) = if kind == CLAIM { (1, TX_LEN_MAX, ACCOUNT_LEN_MAX) } else { (0, 0, 0) };
    let lead = rest.text(lead_len, 1..=ACCOUNT_LEN_MAX, "lead")?;
    let tx = rest.text(tx_len, id_min..=tx_max, "tx")?;
    let account = rest.text(account_len, id_min..=account_max, "account")?;
    let reason = rest.text(reason_len, 0..=REASON_LEN_MAX, "reason")?;
    let meta = rest.end(flags)?;
    let change = match kind {
        OPEN => LeadChange::Open { expires_at_ms: own[0] },
        CLAIM => LeadChange::Claim { account, tx, cost: own[0], account_seq: own[1] },
        CLOSE => LeadChange::Close,
        _ => LeadChange::Expire,
    };
    let (max, claims) = (slots as u32, (slots >> 32) as u32);
    Ok(LeadEvent { lead, reason, meta, time_ms, seq, prev_lsn, max, claims, change })
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
