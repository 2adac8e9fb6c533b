//! The request parser: bytes of a connection in, places of arguments out.
//!
//! ```text
//! input   *2 CRLF $4 CRLF PING CRLF $2 CRLF hi CRLF *1 CRLF $4 ...      (the connection's read buffer)
//!                         ^--^              ^^     |
//!         spans (reused) ----'---------------'     `-- parse() returns this: bytes of the first request
//! ```
//! - Flat: a request is an array of strings, depth 1; what nests is an error, so no input can use the stack.
//! - Resumable: a cut request goes on where it stopped. No byte of an argument is looked at twice; a header line
//!   (at most 24 bytes) that was cut is read again from its start.
//! - Strict: canonical numbers, CRLF where the protocol has it. Redis skips two bytes after an argument unseen;
//!   here a wrong length is an error, not another command.
//! - Bounded: nothing is allocated from a claimed count, every limit is in [`Limits`].
//! - Inline requests are unquoted into memory of the parser, everything else stays in the input.
//!
//! Absent on purpose: sockets, buffers, replies, the meaning of commands.

mod error;
mod inline;
mod number;
#[cfg(test)]
mod tests;

use crate::commands::arguments::{Arguments, Span};
pub use error::ProtocolError;
use number::Number;

/// What one request may cost (security.md 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most arguments, the command's name included.
    pub args_max: usize,
    /// Longest argument in bytes.
    pub bulk_len_max: usize,
    /// Longest request in bytes, all headers included.
    pub frame_len_max: usize,
    /// Whether the client may do anything yet: decides the texts of the errors.
    pub authenticated: bool,
}

impl Limits {
    /// For clients that need no password or have given it.
    pub const AUTHENTICATED: Self =
        Self { args_max: 1024, bulk_len_max: 1 << 20, frame_len_max: 1 << 20, authenticated: true };

    /// Before AUTH, where there is a password.
    pub const UNAUTHENTICATED: Self =
        Self { args_max: 10, bulk_len_max: 512, frame_len_max: 4 << 10, authenticated: false };
}

/// Longest inline request in bytes, as in Redis.
pub const INLINE_LEN_MAX: usize = 64 << 10;

/// Where the parser stands in the request at the start of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before its first byte; spans may still hold the arguments of the request before.
    Start,
    /// After `*`.
    Count,
    /// Before `$` of the next argument; `left` are missing.
    Header { left: usize },
    /// Before the last byte of an argument, `len` bytes and CRLF from `at`; `left` includes it.
    Bulk { left: usize, len: usize },
    /// In a line without `*`.
    Line,
}

/// The state of one connection's input. Starts with [`Parser::default`].
#[derive(Debug)]
pub struct Parser {
    stage: Stage,
    /// Next byte of the input to look at, from the start of the request.
    at: usize,
    spans: Vec<Span>,
    /// Words of an inline request, unquoted. The request before is inline if [`Self::is_inline`].
    unquoted: Vec<u8>,
    is_inline: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Self { stage: Stage::Start, at: 0, spans: Vec::new(), unquoted: Vec::new(), is_inline: false }
    }
}

impl Parser {
    /// Reads one request from the start of `input`.
    ///
    /// `Some(n)`: the first `n` bytes are a request, [`Self::arguments`] has its words until the next call. No words:
    /// a blank line, `*0` or `*-1`, to be skipped without a reply. The next call gets the input from byte `n` on.
    /// `None`: the request is not complete. The next call gets the same bytes and more.
    ///
    /// # Errors
    /// [`ProtocolError`]: the connection is lost, its stream has no next request. Do not call again.
    pub fn parse(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        if self.stage == Stage::Start {
            let Some(&first) = input.first() else { return Ok(None) };
            self.spans.clear();
            self.is_inline = first != b'*';
            if self.is_inline && !first.is_ascii_alphabetic() && !b"\"' \t\r\n".contains(&first) {
                return Err(ProtocolError::Attack);
            }
            (self.stage, self.at) = if self.is_inline { (Stage::Line, 0) } else { (Stage::Count, 1) };
        }
        let consumed = if self.is_inline { self.line(input, limits)? } else { self.multibulk(input, limits)? };
        if consumed.is_some() {
            self.stage = Stage::Start;
        }
        Ok(consumed)
    }

    /// Gives back the memory of the request before.
    pub fn rest(&mut self) {
        if self.stage == Stage::Start {
            (self.spans, self.unquoted) = (Vec::new(), Vec::new());
        }
    }

    /// Bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        self.spans.capacity() * size_of::<Span>() + self.unquoted.capacity()
    }

    /// The words of the request that [`Self::parse`] just found in `input`.
    pub fn arguments<'a>(&'a self, input: &'a [u8]) -> Arguments<'a> {
        assert!(self.stage == Stage::Start, "arguments of an incomplete request");
        Arguments::new(if self.is_inline { &self.unquoted } else { input }, &self.spans)
    }

    fn multibulk(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        loop {
            match self.stage {
                Stage::Count => {
                    let Some(count) = self.count(input, limits)? else { return Ok(None) };
                    self.stage = Stage::Header { left: count };
                }
                Stage::Header { left } => {
                    let left = self.short_bulks(input, limits, left);
                    if left == 0 {
                        return Ok(Some(self.at));
                    }
                    self.stage = Stage::Header { left };
                    let Some(len) = self.bulk_header(input, limits)? else { return Ok(None) };
                    self.stage = Stage::Bulk { left, len };
                }
                Stage::Bulk { left, len } => {
                    let end = self.at + len;
                    let Some(tail) = input.get(end..end + 2) else { return Ok(None) };
                    if tail != b"\r\n" && !planted!("end of an argument not looked at") {
                        return Err(ProtocolError::BulkNotTerminated);
                    }
                    self.spans.push(Span::new(self.at, end));
                    self.at = end + 2;
                    self.stage = Stage::Header { left: left - 1 };
                }
                Stage::Start | Stage::Line => unreachable!("an array has no such stage"),
            }
        }
    }

    /// Takes arguments of less than 100 bytes that are there whole: nearly all are. Returns how many are left; the first
    /// of them is another one, cut, or wrong.
    fn short_bulks(&mut self, input: &[u8], limits: &Limits, mut left: usize) -> usize {
        let mut at = self.at;
        while left > 0
            && let Some((start, len)) = short_bulk(&input[at..])
            && len <= limits.bulk_len_max
            && at + start + len + 2 <= limits.frame_len_max
        {
            self.spans.push(Span::new(at + start, at + start + len));
            at += start + len + 2;
            left -= 1;
        }
        self.at = at;
        left
    }

    /// The number after `*`; 0 for what is to be skipped.
    fn count(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let (count, next) = match number::read(&input[self.at..]) {
            Number::Partial => return Ok(None),
            Number::Bad => return Err(ProtocolError::InvalidMultibulkLength),
            Number::TooLong => return Err(ProtocolError::TooBigMultibulkCount),
            Number::Negative { len } => (0, self.at + len),
            Number::Whole { value, len } => (value, self.at + len),
        };
        self.at = next;
        match usize::try_from(count) {
            Ok(count) if count <= limits.args_max => Ok(Some(count)),
            _ if limits.authenticated => Err(ProtocolError::InvalidMultibulkLength),
            _ => Err(ProtocolError::UnauthenticatedMultibulkLength),
        }
    }

    /// The number after `$`, which must leave the argument and the request within their limits.
    fn bulk_header(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let Some(&first) = input.get(self.at) else { return Ok(None) };
        if first != b'$' {
            return Err(ProtocolError::ExpectedDollar(first));
        }
        let (value, len) = match number::read(&input[self.at + 1..]) {
            Number::Partial => return Ok(None),
            Number::Bad | Number::Negative { .. } => return Err(ProtocolError::InvalidBulkLength),
            Number::TooLong => return Err(ProtocolError::TooBigBulkCount),
            Number::Whole { value, len } => (value, len),
        };
        self.at += 1 + len;
        match usize::try_from(value) {
            Ok(len) if len <= limits.bulk_len_max && self.at + len + 2 <= limits.frame_len_max => Ok(Some(len)),
            _ if limits.authenticated => Err(ProtocolError::InvalidBulkLength),
            _ => Err(ProtocolError::UnauthenticatedBulkLength),
        }
    }

    fn line(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let len_max = INLINE_LEN_MAX.min(limits.frame_len_max);
        let seen = input.len().min(len_max);
        let Some(offset) = input[self.at..seen].iter().position(|&byte| byte == b'\n') else {
            self.at = seen;
            return if seen == len_max { Err(ProtocolError::TooBigInlineRequest) } else { Ok(None) };
        };
        let end = self.at + offset;
        self.unquoted.clear();
        inline::split(&input[..end], limits, &mut self.unquoted, &mut self.spans)?;
        let words = self.arguments_of_line();
        let first = words.get(0).unwrap_or_default();
        let is_http = words.iter().last().is_some_and(|last| last.starts_with(b"HTTP/"));
        if is_http || first.eq_ignore_ascii_case(b"post") || first.eq_ignore_ascii_case(b"host:") {
            return Err(ProtocolError::Attack);
        }
        Ok(Some(end + 1))
    }

    fn arguments_of_line(&self) -> Arguments<'_> {
        Arguments::new(&self.unquoted, &self.spans)
    }
}

/// Where an argument of less than 100 bytes starts and how long it is, if `input` starts with all of it.
#[inline]
fn short_bulk(input: &[u8]) -> Option<(usize, usize)> {
    let (start, len) = match *input {
        [b'$', one @ b'0'..=b'9', b'\r', b'\n', ..] => (4, usize::from(one - b'0')),
        [b'$', ten @ b'1'..=b'9', one @ b'0'..=b'9', b'\r', b'\n', ..] => {
            (5, usize::from(ten - b'0') * 10 + usize::from(one - b'0'))
        }
        _ => return None,
    };
    (input.get(start + len..start + len + 2)? == b"\r\n").then_some((start, len))
}
