//! The events of a record as the contract lists them (commands.md C.5), written down once more: a consumer must be shown
//! these words.

use creditd::journal::Lsn;
use creditd::ledger::codec::{self, Record};
use creditd::ledger::event::{Change, EntryId, Event, NEVER_MS};
use creditd::ledger::lead::{LeadChange, LeadEvent};
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;

/// An event's id, and its fields as words.
pub type Shown = (EntryId, String);

/// What a record of a block with the time `now_ms` is shown as.
pub fn events(now_ms: u64, lsn: Lsn, record: &[u8]) -> Vec<Shown> {
    let id = |seq| EntryId { time_ms: now_ms, seq };
    match codec::decode_any(record).expect("it was encoded") {
        Record::Entry(event) => vec![(id(lsn), of_account(&event))],
        Record::Lead(event) => {
            let mut shown = vec![(id(lsn), of_lead(&event))];
            if matches!(event.change, LeadChange::Claim { .. }) && event.claims == event.max {
                let (lead, seq, time) = (words("lead", event.lead), event.seq, event.time_ms);
                shown.push((id(lsn + 1), format!("event=lead.full seq={seq} time={time}{lead} max={}", event.max)));
            }
            shown
        }
    }
}

fn of_account(event: &Event<'_>) -> String {
    let mut amount = event.amount;
    let (name, own) = match event.change {
        Change::Grant => ("granted", String::new()),
        Change::Debit => ("debited", " via=debit".to_owned()),
        Change::Reserve { expires_at_ms: NEVER_MS, lead } => ("reserved", words("lead", lead)),
        Change::Reserve { expires_at_ms, lead } => {
            ("reserved", format!("{} expires={expires_at_ms}", words("lead", lead)))
        }
        Change::Capture { captured, lead, .. } => {
            amount = captured;
            ("debited", format!(" via=capture{} returned={}", words("lead", lead), event.amount - captured))
        }
        Change::Claimed { lead, claim, remaining, .. } => {
            ("debited", format!(" via=claim{} claim={claim} remaining={remaining}", words("lead", lead)))
        }
        Change::Release { lead, .. } => ("released", format!("{} cause=client", words("lead", lead))),
        Change::Refused { lead, refusal, .. } => {
            ("released", format!("{} cause=lead code={}", words("lead", lead), refusal.word()))
        }
        Change::Expire { .. } => ("released", " cause=expired".to_owned()),
        Change::Void => ("released", " cause=client".to_owned()),
        Change::Decline { code, of, lead, .. } => {
            ("declined", format!("{} code={}{}", words("lead", lead), code.word(), words("of", of)))
        }
        Change::Refund { of, .. } => ("refunded", words("of", of)),
    };
    let Event { balance, reserved, seq, time_ms, .. } = event;
    let head =
        format!("event=credit.{name}{}{} amount={amount}", words("account", event.account), words("tx", event.tx));
    let sums = format!("balance={balance} reserved={reserved} available={}", balance - reserved);
    format!("{head} {sums} seq={seq} time={time_ms}{own}{}{}", words("reason", event.reason), words("meta", event.meta))
}

fn of_lead(event: &LeadEvent<'_>) -> String {
    let LeadEvent { seq, time_ms, max, claims, .. } = event;
    let middle = format!(" seq={seq} time={time_ms}{}", words("lead", event.lead));
    let shown = match event.change {
        LeadChange::Open { expires_at_ms: NEVER_MS } => format!("opened{middle} max={max}"),
        LeadChange::Open { expires_at_ms } => format!("opened{middle} max={max} expires={expires_at_ms}"),
        LeadChange::Claim { account, tx, cost, .. } => {
            let who = format!("{}{} amount={cost}", words("account", account), words("tx", tx));
            format!("claimed{who}{middle} claim={claims} max={max} remaining={}", max - claims)
        }
        LeadChange::Close => format!("closed{middle} max={max}"),
        LeadChange::Expire => format!("expired{middle} max={max} cause=expired"),
    };
    format!("event=lead.{shown}{}{}", words("reason", event.reason), words("meta", event.meta))
}

/// A field with a caller's bytes; none is no field.
fn words(name: &str, bytes: &[u8]) -> String {
    if bytes.is_empty() { String::new() } else { format!(" {name}={}", bytes.escape_ascii()) }
}

/// The entries that the bytes of a page are.
pub fn entries(mut bytes: &[u8]) -> Vec<Shown> {
    let mut shown = Vec::new();
    while let Some((frame, len)) = decode(bytes).expect("a page is RESP") {
        let OwnedFrame::Array(parts) = frame else { panic!("an entry, not {frame:?}") };
        let [OwnedFrame::BulkString(id), OwnedFrame::Array(fields)] = &parts[..] else { panic!("an entry: {parts:?}") };
        let id = std::str::from_utf8(id).ok().and_then(|id| id.split_once('-')).expect("two numbers");
        let [time_ms, seq] = [id.0, id.1].map(|number| number.parse().expect("a number"));
        let text = |frame: &OwnedFrame| match frame {
            OwnedFrame::BulkString(bytes) => bytes.escape_ascii().to_string(),
            other => panic!("a field, not {other:?}"),
        };
        let fields: Vec<_> = fields.chunks(2).map(|pair| format!("{}={}", text(&pair[0]), text(&pair[1]))).collect();
        shown.push((EntryId { time_ms, seq }, fields.join(" ")));
        bytes = &bytes[len..];
    }
    assert!(bytes.is_empty(), "half an entry");
    shown
}
