//! The fields of an event, in the order of the contract, once for replies and messages.

use crate::ledger::codec::Record;
use crate::ledger::event::{Change, Event, NEVER_MS, Particulars};
use crate::ledger::lead::{LeadChange, LeadEvent};

use super::name::Name;

/// A field's name and value; `None`: it does not apply.
pub(super) type Field<'a> = Option<(&'static str, Value<'a>)>;

pub(super) enum Value<'a> {
    /// A caller's bytes.
    Bytes(&'a [u8]),
    /// A word of ours.
    Word(&'static str),
    Number(u64),
}

/// The fields of the event that `record` is under `name`.
pub(super) fn fields<'a>(name: Name, record: &Record<'a>) -> [Field<'a>; 21] {
    let columns = match record {
        Record::Entry(event) => Columns::of_entry(event),
        Record::Lead(event) if name == Name::LeadFull => Columns::of_full(event),
        Record::Lead(event) => Columns::of_lead(event),
    };
    columns.fields(name)
}

/// What an event shows; what does not apply is empty or `None`.
#[derive(Default)]
struct Columns<'a> {
    account: &'a [u8],
    tx: &'a [u8],
    amount: Option<u64>,
    /// Balance and reserved.
    figures: Option<(u64, u64)>,
    seq: u64,
    time_ms: u64,
    via: Option<&'static str>,
    lead: &'a [u8],
    claim: Option<u32>,
    max: Option<u32>,
    remaining: Option<u32>,
    cause: Option<&'static str>,
    code: Option<&'static str>,
    of: &'a [u8],
    expires_at_ms: Option<u64>,
    returned: Option<u64>,
    reason: &'a [u8],
    meta: &'a [u8],
}

impl<'a> Columns<'a> {
    fn of_entry(event: &Event<'a>) -> Self {
        let Particulars { amount, expires_at_ms, returned, lead, of, cause, code, .. } = event.particulars();
        let shared = Self {
            account: event.account,
            tx: event.tx,
            amount: Some(amount),
            figures: Some((event.balance, event.reserved)),
            seq: event.seq,
            time_ms: event.time_ms,
            lead,
            cause,
            code,
            of,
            expires_at_ms,
            reason: event.reason,
            meta: event.meta,
            ..Self::default()
        };
        match event.change {
            Change::Debit => Self { via: Some("debit"), ..shared },
            Change::Capture { .. } => Self { via: Some("capture"), returned, ..shared },
            Change::Claimed { claim, remaining, .. } => {
                Self { via: Some("claim"), claim: Some(claim), remaining: Some(remaining), ..shared }
            }
            _ => shared,
        }
    }

    fn of_lead(event: &LeadEvent<'a>) -> Self {
        let shared = Self { reason: event.reason, meta: event.meta, ..Self::of_full(event) };
        match event.change {
            LeadChange::Open { expires_at_ms: NEVER_MS } | LeadChange::Close => shared,
            LeadChange::Open { expires_at_ms } => Self { expires_at_ms: Some(expires_at_ms), ..shared },
            LeadChange::Claim { account, tx, cost, .. } => {
                let (claim, remaining) = (Some(event.claims), Some(event.remaining()));
                Self { account, tx, amount: Some(cost), claim, remaining, ..shared }
            }
            LeadChange::Expire => Self { cause: Some("expired"), ..shared },
        }
    }

    /// What lead.full shows, and all other events of leads too.
    fn of_full(event: &LeadEvent<'a>) -> Self {
        let (lead, seq, time_ms, max) = (event.lead, event.seq, event.time_ms, Some(event.max));
        Self { lead, seq, time_ms, max, ..Self::default() }
    }

    fn fields(self, name: Name) -> [Field<'a>; 21] {
        [
            word("event", Some(name.word())),
            bytes("account", self.account),
            bytes("tx", self.tx),
            number("amount", self.amount),
            number("balance", self.figures.map(|(balance, _)| balance)),
            number("reserved", self.figures.map(|(_, reserved)| reserved)),
            // A record that says otherwise is AUDIT's to name; to show it must not end the process.
            number("available", self.figures.map(|(balance, reserved)| balance.saturating_sub(reserved))),
            number("seq", Some(self.seq)),
            number("time", Some(self.time_ms)),
            word("via", self.via),
            bytes("lead", self.lead),
            number("claim", self.claim),
            number("max", self.max),
            number("remaining", self.remaining),
            word("cause", self.cause),
            word("code", self.code),
            bytes("of", self.of),
            number("expires", self.expires_at_ms),
            number("returned", self.returned),
            bytes("reason", self.reason),
            bytes("meta", self.meta),
        ]
    }
}

fn number<N: Into<u64>>(key: &'static str, value: Option<N>) -> Field<'static> {
    value.map(|value| (key, Value::Number(value.into())))
}

fn word(key: &'static str, word: Option<&'static str>) -> Field<'static> {
    word.map(|word| (key, Value::Word(word)))
}

/// Bytes of a caller; none is no field.
fn bytes<'a>(key: &'static str, bytes: &'a [u8]) -> Field<'a> {
    (!bytes.is_empty()).then_some((key, Value::Bytes(bytes)))
}
