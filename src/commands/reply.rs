//! The one encoder: replies as bytes, RESP2 or RESP3.
//!
//! Types used: `+ - : $ * % ~ = _ >`. Never `!`, `|` or streamed aggregates: clients die of them (redis-protocol.md C).
//! Maps are flat arrays in RESP2, sets are arrays, verbatim text is a bulk string; order is contract in both.
//! No reply nests deeper than seven. Nothing is formatted on the way of a command: templates and `itoa`.

mod hello;
mod key;
mod lead;
mod outcome;
mod rejection;
mod stream;
#[cfg(test)]
mod tests;
mod trail;

pub use hello::HelloFacts;

use super::refusal::Refusal;

/// First words of all error replies: what counters are kept by.
const ERROR_CODES: &[&str] = &[
    "ERR",
    "INSUFFICIENT",
    "OVERFLOW",
    "LIMIT",
    "TXCONFLICT",
    "NOACCOUNT",
    "NORESERVATION",
    "EXPIRED",
    "RELEASED",
    "CAPTURED",
    "EXCEEDS",
    "NOTX",
    "NOTREFUNDABLE",
    "NOLEAD",
    "LEADFULL",
    "LEADCLOSED",
    "LEADEXPIRED",
    "LEADEXISTS",
    "ALREADYCLAIMED",
    "CORRUPT",
    "OOM",
    "LOADING",
    "TRYAGAIN",
    "MISCONF",
    "NOAUTH",
    "WRONGPASS",
    "NOPROTO",
    "EXECABORT",
    "NOGROUP",
    "WRONGTYPE",
    "UNBLOCKED",
];

/// The first word of an error's text, as one of the known ones.
pub fn error_code(text: &[u8]) -> &'static str {
    let word = text.split(|&byte| byte == b' ' || byte == b'\r').next().unwrap_or_default();
    ERROR_CODES.iter().find(|code| code.as_bytes() == word).copied().unwrap_or("ERR")
}

/// The protocol's version on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proto {
    /// How every connection starts.
    #[default]
    Resp2,
    /// After HELLO 3.
    Resp3,
}

/// Writes replies at the end of a buffer.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    proto: Proto,
}

impl<'a> Encoder<'a> {
    /// Appends to `out` in version `proto`.
    pub fn new(out: &'a mut Vec<u8>, proto: Proto) -> Self {
        Self { out, proto }
    }

    /// `+OK`
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// `+text`; `text` is the server's own and has no line break.
    pub fn simple(&mut self, text: &str) {
        assert!(!text.bytes().any(|byte| byte == b'\r' || byte == b'\n'), "line break in simple string {text:?}");
        self.line(b'+', text.as_bytes());
    }

    /// `-CODE text`; a line break in it, which no caller should have, becomes a space, so that no reply can be forged.
    pub fn error(&mut self, text: &str) {
        self.out.push(b'-');
        self.out.extend(text.bytes().map(|byte| if byte == b'\r' || byte == b'\n' { b' ' } else { byte }));
        self.out.extend_from_slice(b"\r\n");
    }

    /// The error reply of a request that was not executed.
    pub fn refusal(&mut self, refusal: &Refusal) {
        self.error(refusal.text());
    }

    /// A string of any bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.count(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A bulk string of text.
    pub fn text(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }

    /// A text for people: INFO, CLIENT LIST. Its lines end with what the caller put there.
    pub fn verbatim(&mut self, text: &str) {
        match self.proto {
            Proto::Resp2 => self.text(text),
            Proto::Resp3 => {
                self.count(b'=', text.len() + 4);
                self.out.extend_from_slice(b"txt:");
                self.out.extend_from_slice(text.as_bytes());
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// A whole number.
    pub fn integer(&mut self, value: u64) {
        self.line(b':', itoa::Buffer::new().format(value).as_bytes());
    }

    /// A whole number that may be below zero: an arity.
    pub fn signed(&mut self, value: i64) {
        self.line(b':', itoa::Buffer::new().format(value).as_bytes());
    }

    /// A number with three decimals: `value` thousandths.
    pub fn thousandths(&mut self, value: u64) {
        let text = format!("{}.{:03}", value / 1000, value % 1000);
        match self.proto {
            Proto::Resp2 => self.text(&text),
            Proto::Resp3 => self.line(b',', text.as_bytes()),
        }
    }

    /// Nothing, where a value could be.
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.proto {
            Proto::Resp2 => b"$-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// Starts an array: `len` values follow.
    pub fn array(&mut self, len: usize) {
        self.count(b'*', len);
    }

    /// Starts what nobody has asked for just now, a message or its like: `len` values follow.
    pub fn push(&mut self, len: usize) {
        self.count(if self.proto == Proto::Resp3 { b'>' } else { b'*' }, len);
    }

    /// Starts a set: `len` values follow.
    pub fn set(&mut self, len: usize) {
        self.count(if self.proto == Proto::Resp3 { b'~' } else { b'*' }, len);
    }

    /// Starts a map: `len` keys, each with its value, follow.
    pub fn map(&mut self, len: usize) {
        match self.proto {
            Proto::Resp2 => self.count(b'*', len * 2),
            Proto::Resp3 => self.count(b'%', len),
        }
    }

    /// A key of a map with text.
    pub fn field(&mut self, key: &str, value: &str) {
        self.text(key);
        self.text(value);
    }

    /// A key of a map with a number.
    pub fn number(&mut self, key: &str, value: u64) {
        self.text(key);
        self.integer(value);
    }

    /// That client-side caching is off.
    pub fn tracking_info(&mut self) {
        self.map(3);
        self.text("flags");
        self.set(1);
        self.text("off");
        self.text("redirect");
        self.signed(-1);
        self.text("prefixes");
        self.array(0);
    }

    /// The lines of a HELP subcommand.
    pub fn help(&mut self, lines: &[&str]) {
        self.array(lines.len());
        lines.iter().for_each(|line| self.simple(line));
    }

    fn count(&mut self, kind: u8, len: usize) {
        self.line(kind, itoa::Buffer::new().format(len).as_bytes());
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.push(kind);
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }
}
