//! A record as a row: the fields of CREDIT.HISTORY (commands.md C.3), with account and place before them, and those of
//! leads behind.

use crate::ledger::codec::Record;
use crate::ledger::event::{Change, Event, NEVER_MS};
use crate::ledger::id::Lsn;
use crate::ledger::lead::{LeadChange, LeadEvent};

use super::notation::moment;
use super::row::{Row, Value};

/// Types of lead records, by their words.
pub const LEAD_TYPES: [&str; 4] = ["LEAD.OPEN", "LEAD.CLAIM", "LEAD.CLOSE", "LEAD.EXPIRE"];

/// The word for the type of a record.
pub(super) fn word(record: &Record<'_>) -> &'static str {
    match record {
        Record::Entry(event) => event.entry_type().word(),
        Record::Lead(event) => match event.change {
            LeadChange::Open { .. } => LEAD_TYPES[0],
            LeadChange::Claim { .. } => LEAD_TYPES[1],
            LeadChange::Close => LEAD_TYPES[2],
            LeadChange::Expire => LEAD_TYPES[3],
        },
    }
}

/// The record at `lsn` of a shard's log. Every record has the same names in the same order.
pub(super) fn row<'a>(shard: u16, lsn: Lsn, record: &Record<'a>) -> Row<'a> {
    let columns = match record {
        Record::Entry(event) => Columns::of_entry(event),
        Record::Lead(event) => Columns::of_lead(event),
    };
    columns.row(shard, lsn, word(record))
}

/// What a row shows; what does not apply is empty or `None`.
#[derive(Default)]
struct Columns<'a> {
    account: &'a [u8],
    seq: u64,
    time_ms: u64,
    tx: &'a [u8],
    amount: Option<u64>,
    /// Changes of balance and reserved.
    deltas: Option<[i64; 2]>,
    /// Balance and reserved.
    figures: Option<[u64; 2]>,
    expires_at_ms: Option<u64>,
    captured: Option<u64>,
    returned: Option<u64>,
    lead: &'a [u8],
    of: &'a [u8],
    cause: Option<&'static str>,
    code: Option<&'static str>,
    reason: &'a [u8],
    meta: &'a [u8],
    claim: Option<u32>,
    max: Option<u32>,
}

impl<'a> Columns<'a> {
    fn of_entry(event: &Event<'a>) -> Self {
        let own = event.particulars();
        let claim = match event.change {
            Change::Claimed { claim, .. } => Some(claim),
            _ => None,
        };
        Self {
            account: event.account,
            seq: event.seq,
            time_ms: event.time_ms,
            tx: event.tx,
            amount: Some(own.amount),
            deltas: Some([event.delta(), event.rdelta()]),
            figures: Some([event.balance, event.reserved]),
            expires_at_ms: own.expires_at_ms,
            captured: own.captured,
            returned: own.returned,
            lead: own.lead,
            of: own.of,
            cause: own.cause,
            code: own.code,
            reason: event.reason,
            meta: event.meta,
            claim,
            max: None,
        }
    }

    fn of_lead(event: &LeadEvent<'a>) -> Self {
        let (seq, time_ms, reason, meta) = (event.seq, event.time_ms, event.reason, event.meta);
        let own = Self { seq, time_ms, lead: event.lead, reason, meta, max: Some(event.max), ..Self::default() };
        match event.change {
            LeadChange::Open { expires_at_ms: NEVER_MS } => own,
            LeadChange::Open { expires_at_ms } => Self { expires_at_ms: Some(expires_at_ms), ..own },
            LeadChange::Claim { account, tx, cost, .. } => {
                Self { account, tx, amount: Some(cost), claim: Some(event.claims), ..own }
            }
            LeadChange::Close | LeadChange::Expire => own,
        }
    }

    fn row(self, shard: u16, lsn: Lsn, word: &'static str) -> Row<'a> {
        let bytes = |bytes: &'a [u8]| (!bytes.is_empty()).then_some(Value::Bytes(bytes));
        let [delta, rdelta] = [0, 1].map(|i| self.deltas.map(|deltas| Value::Signed(deltas[i])));
        let [balance, reserved] = [0, 1].map(|i| self.figures.map(|figures| Value::Number(figures[i])));
        Row(vec![
            ("shard", Some(Value::Number(shard.into()))),
            ("lsn", Some(Value::Number(lsn))),
            ("account", bytes(self.account)),
            ("seq", Some(Value::Number(self.seq))),
            ("time", Some(Value::Number(self.time_ms))),
            ("utc", Some(Value::Text(moment(self.time_ms)))),
            ("type", Some(Value::Word(word))),
            ("tx", bytes(self.tx)),
            ("amount", self.amount.map(Value::Number)),
            ("delta", delta),
            ("rdelta", rdelta),
            ("balance", balance),
            ("reserved", reserved),
            ("expires", self.expires_at_ms.map(Value::Number)),
            ("captured", self.captured.map(Value::Number)),
            ("returned", self.returned.map(Value::Number)),
            ("lead", bytes(self.lead)),
            ("of", bytes(self.of)),
            ("cause", self.cause.map(Value::Word)),
            ("code", self.code.map(Value::Word)),
            ("reason", bytes(self.reason)),
            ("meta", bytes(self.meta)),
            ("claim", self.claim.map(|claim| Value::Number(claim.into()))),
            ("max", self.max.map(|max| Value::Number(max.into()))),
        ])
    }
}
