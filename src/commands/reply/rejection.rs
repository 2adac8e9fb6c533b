//! A "no" as an error reply: its code, then its facts (commands.md C.9).
//!
//! Codes of the ledger have facts as `key=value`, numbers in decimal, ids percent-escaped, so that a program can split
//! them at blanks. What only says that a question cannot be answered is Redis' own code and a sentence with the way out.

use super::Encoder;
use super::trail::state_word;
use crate::ledger::credits::CREDITS_MAX;
use crate::ledger::event::EntryId;
use crate::ledger::rejection::{Busy, Conflict, LeadConflict, Rejection, Table, Verb};

impl Encoder<'_> {
    /// Answers with the code and the facts of a "no".
    pub(super) fn rejection(&mut self, rejection: &Rejection) {
        match *rejection {
            Rejection::Insufficient { available, required } => {
                self.facts("INSUFFICIENT", &[("available", available), ("required", required)]);
            }
            Rejection::Overflow { balance } => self.facts("OVERFLOW", &[("balance", balance), ("max", CREDITS_MAX)]),
            Rejection::Limit { holds } => self.facts("LIMIT", &[("holds", holds)]),
            Rejection::TxConflict(Conflict::Amount { have, given }) => {
                self.facts("TXCONFLICT field=amount", &[("have", have), ("given", given)]);
            }
            Rejection::TxConflict(Conflict::Op { have, given }) => {
                self.words(&["TXCONFLICT field=op have=", verb_word(have), " given=", verb_word(given)]);
            }
            Rejection::TxConflict(Conflict::Of(ref of)) => {
                self.words(&["TXCONFLICT field=of have=", &escaped(&of.have), " given=", &escaped(&of.given)]);
            }
            Rejection::TxConflict(Conflict::Lead(ref lead)) => {
                self.words(&["TXCONFLICT field=lead have=", &escaped(&lead.have), " given=", &escaped(&lead.given)]);
            }
            Rejection::NoLead => self.words(&["NOLEAD"]),
            Rejection::LeadFull { max } => self.facts("LEADFULL", &[("max", max.into())]),
            Rejection::LeadClosed => self.words(&["LEADCLOSED"]),
            Rejection::LeadExpired { expires_at_ms } => self.facts("LEADEXPIRED", &[("expires", expires_at_ms)]),
            Rejection::LeadExists(LeadConflict::Max { have, given }) => {
                self.facts("LEADEXISTS field=max", &[("have", have.into()), ("given", given.into())]);
            }
            Rejection::LeadExists(LeadConflict::Ttl { have, given }) => {
                let word = |ttl_ms: Option<u64>| ttl_ms.map_or("none".to_owned(), |ttl_ms| ttl_ms.to_string());
                self.words(&["LEADEXISTS field=ttl have=", &word(have), " given=", &word(given)]);
            }
            Rejection::AlreadyClaimed(ref own) => {
                let claim = own.claim.to_string();
                self.words(&["ALREADYCLAIMED tx=", &escaped(&own.tx), " claim=", &claim]);
            }
            Rejection::NoAccount => self.words(&["NOACCOUNT"]),
            Rejection::NoReservation { op: None } => self.words(&["NORESERVATION"]),
            Rejection::NoReservation { op: Some(op) } => self.words(&["NORESERVATION op=", verb_word(op)]),
            Rejection::Expired { expires_at_ms, now_ms } => {
                self.facts("EXPIRED", &[("expires", expires_at_ms), ("now", now_ms)]);
            }
            Rejection::Released { amount, seq } => self.facts("RELEASED", &[("amount", amount), ("seq", seq)]),
            Rejection::Captured { amount, seq } => self.facts("CAPTURED", &[("amount", amount), ("seq", seq)]),
            Rejection::Exceeds { limit, given: Some(given) } => {
                self.facts("EXCEEDS", &[("limit", limit), ("given", given)])
            }
            Rejection::Exceeds { limit, given: None } => self.facts("EXCEEDS", &[("limit", limit)]),
            Rejection::NoTx => self.words(&["NOTX"]),
            Rejection::NotRefundable { op, state } => {
                self.words(&["NOTREFUNDABLE op=", verb_word(op), " state=", state_word(state)]);
            }
            Rejection::Corrupt { seq, field } => {
                self.words(&["CORRUPT seq=", itoa::Buffer::new().format(seq), " field=", field]);
            }
            Rejection::HistoryStarts { at: EntryId { time_ms, seq } } => self.error(&format!(
                "ERR history starts at {time_ms}-{seq}: what is older is not kept; ask for that moment or a later one"
            )),
            Rejection::NotPast { at_ms, now_ms } => {
                self.error(&format!("ERR AT must be past: {at_ms} is not before the server's time, {now_ms}"));
            }
            Rejection::WalkTooLong { entries } => self.error(&format!(
                "ERR walked {entries} entries without reaching the end, which is as far as history-walk-max allows: \
                 narrow the range or raise history-walk-max; nothing was executed"
            )),
            Rejection::Unreadable { lsn } => self.error(&format!(
                "ERR the log cannot be read at lsn {lsn}: check the disk, and the log with creditd verify; \
                 nothing was executed"
            )),
            Rejection::DiskFull { reserve_is_used: false } => self.error(
                "MISCONF disk full: nothing was executed; reads, and CAPTURE and RELEASE of active reservations, go on; \
                 free space on the file system of the data directory, and it ends by itself",
            ),
            Rejection::DiskFull { reserve_is_used: true } => self.error(
                "MISCONF disk full and the reserve used up: nothing was executed; only reads go on; \
                 free space on the file system of the data directory, and it ends by itself",
            ),
            Rejection::TryAgain(busy) => self.words(&[try_again(busy)]),
            Rejection::OutOfMemory(table) => self.words(&[out_of_memory(table)]),
        }
    }

    /// `-code key=value ...`
    fn facts(&mut self, code: &str, facts: &[(&str, u64)]) {
        self.out.push(b'-');
        self.out.extend_from_slice(code.as_bytes());
        for (key, value) in facts {
            self.out.push(b' ');
            self.out.extend_from_slice(key.as_bytes());
            self.out.push(b'=');
            self.out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// An error of the server's own words.
    fn words(&mut self, words: &[&str]) {
        self.out.push(b'-');
        words.iter().for_each(|word| self.out.extend_from_slice(word.as_bytes()));
        self.out.extend_from_slice(b"\r\n");
    }
}

/// A verb in lower case, as facts and CREDIT.TX name it.
pub(super) fn verb_word(verb: Verb) -> &'static str {
    match verb {
        Verb::Grant => "grant",
        Verb::Debit => "debit",
        Verb::Reserve => "reserve",
        Verb::Capture => "capture",
        Verb::Release => "release",
        Verb::Refund => "refund",
        Verb::Claim => "claim",
    }
}

/// Redis' code word, and the knob that is the way out.
fn out_of_memory(table: Table) -> &'static str {
    match table {
        Table::Accounts => "OOM the shard has as many accounts as accounts-max allows; nothing was executed",
        Table::Transactions => {
            "OOM the shard remembers as many transactions as tx-index-memory allows; nothing was executed"
        }
        Table::Leads => "OOM the shard has as many leads as leads-max allows; nothing was executed",
        Table::Slots => "OOM the shard's leads have as many slots as lead-slots-max allows; nothing was executed",
    }
}

fn try_again(busy: Busy) -> &'static str {
    match busy {
        Busy::Refund => {
            "TRYAGAIN too many commands wait behind a REFUND on this account whose transaction is being looked for; \
             nothing was executed"
        }
        Busy::Claims => "TRYAGAIN too many claims run; nothing was executed",
        Busy::Claim => "TRYAGAIN the claim with this transaction id runs, and may succeed: send the same id again",
        Busy::Storage => "TRYAGAIN storage slow: nothing was executed",
        Busy::Readers => "TRYAGAIN too many commands wait for old entries to be read; nothing was executed",
    }
}

/// An id of any bytes as one word of a line: what is not printable ASCII, blanks and `%` are `%` and two hex digits.
fn escaped(id: &[u8]) -> String {
    let escape = |&byte: &u8| match byte {
        b'!'..=b'~' if byte != b'%' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    id.iter().map(escape).collect()
}
