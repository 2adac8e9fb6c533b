//! A row of named values: as a line of text, of JSON, of CSV.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::notation::escaped;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A whole number.
    Number(u64),
    /// A whole number with a sign.
    Signed(i64),
    /// A word of ours.
    Word(&'static str),
    /// Text of ours.
    Text(String),
    /// A caller's bytes, shown in the notation of [`escaped`].
    Bytes(&'a [u8]),
}

/// Named values in order; those that do not apply are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row<'a>(pub Vec<(&'static str, Option<Value<'a>>)>);

impl<'a> Row<'a> {
    /// Adds a value that applies.
    pub fn put(&mut self, name: &'static str, value: Value<'a>) {
        self.0.push((name, Some(value)));
    }

    /// The names, separated by commas.
    pub fn csv_header(&self, out: &mut Vec<u8>) {
        for (i, (name, _)) in self.0.iter().enumerate() {
            separate(i, out);
            out.extend_from_slice(name.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The values by RFC 4180; nothing where one does not apply.
    pub fn csv(&self, out: &mut Vec<u8>) {
        for (i, (_, value)) in self.0.iter().enumerate() {
            separate(i, out);
            match value {
                None => {}
                Some(value) => quote(&value.text(), out),
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// One object of JSON; without the values that do not apply.
    pub fn json(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(&mut *out, self).expect("text and numbers are JSON");
        out.push(b'\n');
    }

    /// `name=value` words behind `title`.
    pub fn text(&self, title: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(title.as_bytes());
        for (name, value) in &self.0 {
            if let Some(value) = value {
                out.extend_from_slice(format!(" {name}={}", value.text()).as_bytes());
            }
        }
        out.push(b'\n');
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.0 {
            match value {
                None => {}
                Some(Value::Number(number)) => map.serialize_entry(name, number)?,
                Some(Value::Signed(number)) => map.serialize_entry(name, number)?,
                Some(value) => map.serialize_entry(name, &value.text())?,
            }
        }
        map.end()
    }
}

impl Value<'_> {
    fn text(&self) -> String {
        match self {
            Value::Number(number) => itoa::Buffer::new().format(*number).to_owned(),
            Value::Signed(number) => itoa::Buffer::new().format(*number).to_owned(),
            Value::Word(word) => (*word).to_owned(),
            Value::Text(text) => text.clone(),
            Value::Bytes(bytes) => escaped(bytes),
        }
    }
}

fn separate(i: usize, out: &mut Vec<u8>) {
    if i > 0 {
        out.push(b',');
    }
}

/// A field of RFC 4180: in quotes where it has to be.
fn quote(text: &str, out: &mut Vec<u8>) {
    if text.contains(['"', ',', '\r', '\n']) {
        out.extend_from_slice(format!("\"{}\"", text.replace('"', "\"\"")).as_bytes());
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_same_in_all_forms() {
        let mut row = Row::default();
        row.put("seq", Value::Number(u64::MAX));
        row.put("delta", Value::Signed(-5));
        row.0.push(("of", None));
        row.put("tx", Value::Bytes(b"a,\"b\"\xff"));
        let form = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(form(&|out| row.csv_header(out)), "seq,delta,of,tx\r\n");
        assert_eq!(form(&|out| row.csv(out)), "18446744073709551615,-5,,\"a,\"\"b\"\"\\xff\"\r\n");
        let json = "{\"seq\":18446744073709551615,\"delta\":-5,\"tx\":\"a,\\\"b\\\"\\\\xff\"}\n";
        assert_eq!(form(&|out| row.json(out)), json);
        assert_eq!(form(&|out| row.text("x", out)), "x seq=18446744073709551615 delta=-5 tx=a,\"b\"\\xff\n");
    }
}
