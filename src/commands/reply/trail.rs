//! Answers that tell of the past: CREDIT.TX, CREDIT.HISTORY, CREDIT.AUDIT (commands.md C.3; C.11, 7-10).
//!
//! Both of the first name fields that not every transaction or entry has. They are listed once, in the order of the
//! contract; those that do not apply are left out. TX shows numbers as integers; HISTORY has the shape of XRANGE, where
//! every value is a bulk string.

use super::Encoder;
use super::rejection::verb_word;
use crate::ledger::event::{EntryId, Event};
use crate::ledger::outcome::{AuditView, Entries, TxState, TxView};

/// A field's name and value; `None`: it does not apply.
type Field<'a> = Option<(&'static str, Value<'a>)>;

enum Value<'a> {
    Text(&'a [u8]),
    Number(u64),
    Signed(i64),
}

impl Encoder<'_> {
    pub(super) fn tx(&mut self, view: &TxView) {
        let fields = [
            word("op", verb_word(view.op)),
            word("state", state_word(view.state)),
            number("amount", view.amount),
            view.captured.and_then(|captured| number("captured", captured)),
            view.refunded.and_then(|refunded| number("refunded", refunded)),
            number("seq", view.first.seq),
            number("time", view.first.time_ms),
            view.last.and_then(|last| number("final_seq", last.seq)),
            view.last.and_then(|last| number("final_time", last.time_ms)),
            view.expires_at_ms.and_then(|at_ms| number("expires", at_ms)),
            text("lead", &view.lead),
            text("of", &view.of),
            view.code.and_then(|code| word("code", code)),
            text("reason", &view.reason),
            text("meta", &view.meta),
        ];
        self.map(fields.iter().flatten().count());
        for (key, value) in fields.into_iter().flatten() {
            self.text(key);
            match value {
                Value::Text(bytes) => self.bulk(bytes),
                Value::Number(value) => self.integer(value),
                Value::Signed(value) => self.signed(value),
            }
        }
    }

    pub(super) fn history(&mut self, entries: &Entries) {
        self.array(entries.len());
        self.entries(entries);
    }

    /// Entries without the head of the array that they are.
    pub fn entries(&mut self, entries: &Entries) {
        for event in entries.iter() {
            let fields = entry_fields(&event);
            self.array(2);
            self.entry_id(event.id());
            self.array(2 * fields.iter().flatten().count());
            for (key, value) in fields.into_iter().flatten() {
                self.text(key);
                match value {
                    Value::Text(bytes) => self.bulk(bytes),
                    Value::Number(value) => self.text(itoa::Buffer::new().format(value)),
                    Value::Signed(value) => self.text(itoa::Buffer::new().format(value)),
                }
            }
        }
    }

    pub(super) fn audit(&mut self, view: &AuditView) {
        self.map(4 + usize::from(view.starts.is_some()));
        self.number("ok", 1);
        self.number("entries", view.entries);
        self.number("balance", view.balance);
        self.number("reserved", view.reserved);
        if let Some(starts) = view.starts {
            self.text("starts");
            self.entry_id(starts);
        }
    }

    /// The id of an entry, as a bulk string.
    pub fn entry_id(&mut self, EntryId { time_ms, seq }: EntryId) {
        let (mut time, mut number) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (time, number) = (time.format(time_ms).as_bytes(), number.format(seq).as_bytes());
        self.count(b'$', time.len() + 1 + number.len());
        for part in [time, b"-", number, b"\r\n"] {
            self.out.extend_from_slice(part);
        }
    }
}

/// The fields of an entry.
fn entry_fields<'a>(event: &Event<'a>) -> [Field<'a>; 16] {
    let own = event.particulars();
    [
        word("type", event.entry_type().word()),
        text("tx", event.tx),
        number("amount", own.amount),
        Some(("delta", Value::Signed(event.delta()))),
        Some(("rdelta", Value::Signed(event.rdelta()))),
        number("balance", event.balance),
        number("reserved", event.reserved),
        own.expires_at_ms.and_then(|at_ms| number("expires", at_ms)),
        own.captured.and_then(|captured| number("captured", captured)),
        own.returned.and_then(|returned| number("returned", returned)),
        text("lead", own.lead),
        text("of", own.of),
        own.cause.and_then(|cause| word("cause", cause)),
        own.code.and_then(|code| word("code", code)),
        text("reason", event.reason),
        text("meta", event.meta),
    ]
}

fn number(key: &'static str, value: u64) -> Field<'static> {
    Some((key, Value::Number(value)))
}

fn word(key: &'static str, word: &'static str) -> Field<'static> {
    Some((key, Value::Text(word.as_bytes())))
}

/// Bytes of a caller; none is no field.
fn text<'a>(key: &'static str, bytes: &'a [u8]) -> Field<'a> {
    (!bytes.is_empty()).then_some((key, Value::Text(bytes)))
}

/// The state of a transaction, as facts and CREDIT.TX name it.
pub(super) fn state_word(state: TxState) -> &'static str {
    match state {
        TxState::Granted => "granted",
        TxState::Debited => "debited",
        TxState::Active => "active",
        TxState::Captured => "captured",
        TxState::Released => "released",
        TxState::Expired => "expired",
        TxState::Declined => "declined",
        TxState::Void => "void",
        TxState::Refunded => "refunded",
        TxState::Pending => "pending",
    }
}
