//! An event as a message of pub/sub: one object of JSON.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::ledger::codec::Record;
use crate::ledger::event::EntryId;

use super::fields::{Field, Value, fields};
use super::name::Name;

/// Appends the event that `record` of a shard is under `name`: stream, id, then the fields that entries of the stream
/// have. Bytes of a caller are text; those that are not UTF-8 are shown in ASCII, what is not printable and `%` as %XX.
pub fn json(shard: u16, id: EntryId, name: Name, record: &Record<'_>, out: &mut Vec<u8>) {
    let message = Message { shard, id, fields: &fields(name, record) };
    serde_json::to_writer(out, &message).expect("text and numbers are JSON");
}

struct Message<'a> {
    shard: u16,
    id: EntryId,
    fields: &'a [Field<'a>],
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("stream", &format_args!("credit:events:{}", self.shard))?;
        map.serialize_entry("id", &format_args!("{}-{}", self.id.time_ms, self.id.seq))?;
        for (key, value) in self.fields.iter().flatten() {
            match value {
                Value::Bytes(bytes) => map.serialize_entry(key, &text(bytes))?,
                Value::Word(word) => map.serialize_entry(key, word)?,
                Value::Number(number) => map.serialize_entry(key, number)?,
            }
        }
        map.end()
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().map(|byte| escaped(*byte)).collect::<String>().into(),
    }
}

fn escaped(byte: u8) -> Cow<'static, str> {
    match byte {
        b'%' => "%25".into(),
        b' '..=b'~' => char::from(byte).to_string().into(),
        _ => format!("%{byte:02X}").into(),
    }
}
