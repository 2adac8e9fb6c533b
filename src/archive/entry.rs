//! An entry of a trail as a row: the fields of CREDIT.HISTORY (commands.md C.3), with account and place before them.

use crate::ledger::event::{Change, DeclineCode, Event};
use crate::ledger::id::Lsn;

use super::notation::moment;
use super::row::{Row, Value};

/// The entry at `lsn` of a shard's log. Every entry has the same names in the same order.
pub(super) fn row<'a>(shard: u16, lsn: Lsn, event: &Event<'a>) -> Row<'a> {
    let number = |value| Some(Value::Number(value));
    let bytes = |bytes: &'a [u8]| (!bytes.is_empty()).then_some(Value::Bytes(bytes));
    let own = Own::of(&event.change);
    let captured = own.captured;
    Row(vec![
        ("shard", number(u64::from(shard))),
        ("lsn", number(lsn)),
        ("account", bytes(event.account)),
        ("seq", number(event.seq)),
        ("time", number(event.time_ms)),
        ("utc", Some(Value::Text(moment(event.time_ms)))),
        ("type", Some(Value::Word(event.entry_type().word()))),
        ("tx", bytes(event.tx)),
        ("amount", number(captured.unwrap_or(event.amount))),
        ("delta", Some(Value::Signed(event.delta()))),
        ("rdelta", Some(Value::Signed(event.rdelta()))),
        ("balance", number(event.balance)),
        ("reserved", number(event.reserved)),
        ("expires", own.expires_at_ms.map(Value::Number)),
        ("captured", captured.map(Value::Number)),
        ("returned", captured.map(|captured| Value::Number(event.amount.saturating_sub(captured)))),
        ("lead", bytes(own.lead)),
        ("of", bytes(own.of)),
        ("cause", own.cause.map(Value::Word)),
        ("code", own.code.map(Value::Word)),
        ("reason", bytes(event.reason)),
        ("meta", bytes(event.meta)),
    ])
}

/// The fields of some types only.
#[derive(Default)]
struct Own<'a> {
    expires_at_ms: Option<u64>,
    captured: Option<u64>,
    lead: &'a [u8],
    of: &'a [u8],
    cause: Option<&'static str>,
    code: Option<&'static str>,
}

impl<'a> Own<'a> {
    fn of(change: &Change<'a>) -> Self {
        let own = Self::default();
        match *change {
            Change::Grant | Change::Debit => own,
            Change::Reserve { expires_at_ms, lead } => Self { expires_at_ms: Some(expires_at_ms), lead, ..own },
            Change::Capture { captured, lead, .. } => Self { captured: Some(captured), lead, ..own },
            Change::Release { lead, .. } => Self { cause: Some("client"), lead, ..own },
            Change::Expire { .. } => Self { cause: Some("expired"), ..own },
            Change::Void => Self { cause: Some("client"), ..own },
            Change::Refund { of, .. } => Self { of, ..own },
            Change::Decline { code, of, .. } => {
                let code = match code {
                    DeclineCode::Insufficient => "INSUFFICIENT",
                    DeclineCode::Overflow => "OVERFLOW",
                    DeclineCode::Limit { .. } => "LIMIT",
                };
                Self { code: Some(code), of, ..own }
            }
        }
    }
}
