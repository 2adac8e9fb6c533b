//! XREAD, XRANGE, XREVRANGE, XLEN, XINFO: the journal as streams that Redis' clients can read (commands.md C.5).
//!
//! ```text
//!  key                     stream                                      ids
//!  credit:events:<shard>   every event of the shard, as it was logged  <ms of its block>-<LSN>
//!  credit:log:{<account>}  one account's trail: CREDIT.HISTORY         <ms>-<seq>
//! ```
//! Both are read from the log: nobody writes them, so XADD, XDEL and XTRIM are refused. Any other key is a stream
//! without entries, as a missing key is in Redis. Absent on purpose: consumer groups; a consumer keeps its last id.

pub mod info;
pub mod len;
pub mod range;
pub mod read;
pub mod refused;

use super::args::{Args, signed, whole};
use super::refusal::Refusal;
use super::spec::{Class, CommandSpec, Flags, KeyUse, Names};
use crate::ledger::command::HistoryQuery;
use crate::ledger::id::ACCOUNT_LEN_MAX;
use read::ReadRequest;

/// Most entries of one stream in one reply, and what COUNT is if it is not given.
pub const COUNT_MAX: u16 = 1000;

/// What a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream<'a> {
    /// The events of the shard with this number, if there is one.
    Events(u16),
    /// The trail of this account, if there is one.
    Log(&'a [u8]),
    /// No stream.
    Nothing,
}

impl<'a> Stream<'a> {
    /// The stream of `key`. The braces of a log are part of its key: a hash tag, which keeps it with its account.
    pub fn of(key: &'a [u8]) -> Self {
        if let Some(number) = key.strip_prefix(b"credit:events:") {
            return whole(number, 0, u16::MAX.into()).map_or(Self::Nothing, |shard| Self::Events(shard as u16));
        }
        match key.strip_prefix(b"credit:log:{").and_then(|rest| rest.strip_suffix(b"}")) {
            Some(account) if (1..=ACCOUNT_LEN_MAX).contains(&account.len()) => Self::Log(account),
            _ => Self::Nothing,
        }
    }
}

/// What is asked of streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamRequest<'a> {
    /// XREAD: the streams that have entries; a null array if none has.
    Read(ReadRequest<'a>),
    /// XRANGE, XREVRANGE of events; of a log it is a CREDIT.HISTORY.
    Range {
        /// Whose events.
        shard: u16,
        /// Which of them; ids are events', all types are wanted.
        query: HistoryQuery,
    },
    /// XLEN: a number; 0 of what is not there.
    Length(Stream<'a>),
    /// XINFO STREAM: a map; [`NO_SUCH_KEY`] of what is not there.
    Info(Stream<'a>),
}

/// What XINFO says of a stream that is not there.
pub const NO_SUCH_KEY: &str = "ERR no such key";

const BASE: CommandSpec = CommandSpec {
    group: "stream",
    flags: Flags::READONLY,
    key: Some(KeyUse::Read),
    names: Names::Stream,
    class: Class::Stream,
    categories: &["stream"],
    since: "5.0.0",
    ..CommandSpec::BASE
};

/// The value of COUNT, as Redis takes it: any number.
fn count(args: &mut Args<'_>) -> Result<i64, Refusal> {
    signed(args.word()?).ok_or(Refusal::fixed("ERR value is not an integer or out of range"))
}

const BAD_ID: Refusal = Refusal::fixed("ERR Invalid stream ID specified as stream command argument");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_streams_exactly() {
        let long = format!("credit:log:{{{}}}", "a".repeat(ACCOUNT_LEN_MAX));
        let too_long = format!("credit:log:{{{}}}", "a".repeat(ACCOUNT_LEN_MAX + 1));
        for (key, expected) in [
            ("credit:events:0", Stream::Events(0)),
            ("credit:events:65535", Stream::Events(65535)),
            ("credit:events:65536", Stream::Nothing),
            ("credit:events:00", Stream::Nothing),
            ("credit:events:", Stream::Nothing),
            ("credit:events:-1", Stream::Nothing),
            ("Credit:events:0", Stream::Nothing),
            ("credit:log:{t:1}", Stream::Log(b"t:1")),
            ("credit:log:{{a}:b}", Stream::Log(b"{a}:b")),
            ("credit:log:{}}", Stream::Log(b"}")),
            ("credit:log:{}", Stream::Nothing),
            ("credit:log:{", Stream::Nothing),
            ("credit:log:t:1", Stream::Nothing),
            ("credit:log:{a}b", Stream::Nothing),
            (&long, Stream::Log(&[b'a'; ACCOUNT_LEN_MAX])),
            (&too_long, Stream::Nothing),
            ("", Stream::Nothing),
        ] {
            assert_eq!(Stream::of(key.as_bytes()), expected, "{key:?}");
        }
    }
}
