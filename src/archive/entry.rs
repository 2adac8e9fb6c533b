//! An entry of a trail as a row: the fields of CREDIT.HISTORY (commands.md C.3), with account and place before them.

use crate::ledger::event::Event;
use crate::ledger::id::Lsn;

use super::notation::moment;
use super::row::{Row, Value};

/// The entry at `lsn` of a shard's log. Every entry has the same names in the same order.
pub(super) fn row<'a>(shard: u16, lsn: Lsn, event: &Event<'a>) -> Row<'a> {
    let number = |value| Some(Value::Number(value));
    let bytes = |bytes: &'a [u8]| (!bytes.is_empty()).then_some(Value::Bytes(bytes));
    let own = event.particulars();
    Row(vec![
        ("shard", number(u64::from(shard))),
        ("lsn", number(lsn)),
        ("account", bytes(event.account)),
        ("seq", number(event.seq)),
        ("time", number(event.time_ms)),
        ("utc", Some(Value::Text(moment(event.time_ms)))),
        ("type", Some(Value::Word(event.entry_type().word()))),
        ("tx", bytes(event.tx)),
        ("amount", number(own.amount)),
        ("delta", Some(Value::Signed(event.delta()))),
        ("rdelta", Some(Value::Signed(event.rdelta()))),
        ("balance", number(event.balance)),
        ("reserved", number(event.reserved)),
        ("expires", own.expires_at_ms.map(Value::Number)),
        ("captured", own.captured.map(Value::Number)),
        ("returned", own.returned.map(Value::Number)),
        ("lead", bytes(own.lead)),
        ("of", bytes(own.of)),
        ("cause", own.cause.map(Value::Word)),
        ("code", own.code.map(Value::Word)),
        ("reason", bytes(event.reason)),
        ("meta", bytes(event.meta)),
    ])
}
