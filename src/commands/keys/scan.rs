//! `SCAN cursor [MATCH pattern] [COUNT n] [TYPE type]`: the names of all accounts, in steps; to a
//! user with prefixes those within them.
//!
//! An account's number never changes and accounts are never removed, so a cursor is a place: a shard, and the number
//! below which its accounts are still to come. It goes down: an account that is there when the scan begins is told
//! exactly once, one that opens meanwhile not at all, and no scan runs for ever. A restart may number accounts anew.

use crate::commands::args::{Args, whole};
use crate::commands::keys::options::ScanOptions;
use crate::commands::refusal::Refusal;
use crate::commands::server::ServerRequest;
use crate::commands::spec::{ArgKind, ArgSpec, Class, CommandSpec, Flags};
use crate::commands::{Defaults, Request};

/// The table entry.
pub static SPEC: CommandSpec = CommandSpec {
    name: "scan",
    arity: -2,
    flags: Flags::READONLY,
    key: None,
    class: Class::Reader,
    since: "2.8.0",
    tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
    summary: "Tells the names of accounts, some at a time",
    complexity: "O(N) where N is COUNT",
    args: &[
        ArgSpec::new("cursor", ArgKind::Integer),
        ArgSpec::option("MATCH", "pattern", ArgKind::Pattern),
        ArgSpec::option("COUNT", "count", ArgKind::Integer),
        ArgSpec::option("TYPE", "type", ArgKind::String),
    ],
    parse,
    ..super::BASE
};

pub(super) const INVALID_CURSOR: Refusal = Refusal::fixed("ERR invalid cursor");

/// What a SCAN asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan<'a> {
    /// Where it goes on.
    pub cursor: Cursor,
    /// What of the names, and how many.
    pub options: ScanOptions<'a>,
}

/// Where a scan goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The shard whose accounts come next.
    pub shard: u16,
    /// Its accounts that are numbered below this come next.
    pub below: u32,
}

impl Cursor {
    /// Before all accounts of `shard`.
    pub fn before(shard: u16) -> Self {
        Self { shard, below: u32::MAX }
    }

    /// The cursor that [`Cursor::number`] made; 0 begins.
    pub fn of(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::before(0)),
            _ => Some(Self { shard: u16::try_from(number >> 32).ok()?, below: number as u32 }),
        }
    }

    /// As clients send it back. Not 0: somebody is still to come.
    pub fn number(self) -> u64 {
        assert!(self.below > 0, "a shard that is through is left");
        u64::from(self.shard) << 32 | u64::from(self.below)
    }
}

fn parse<'a>(args: &mut Args<'a>, _: &Defaults) -> Result<Request<'a>, Refusal> {
    let number = whole(args.word()?, 0, u64::MAX);
    let cursor = number.and_then(Cursor::of).ok_or(INVALID_CURSOR)?;
    let options = ScanOptions::read(args, &["MATCH", "COUNT", "TYPE"])?;
    Ok(Request::Server(ServerRequest::Scan(Scan { cursor, options })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_told() {
        for cursor in [Cursor { shard: 0, below: 1 }, Cursor::before(1), Cursor { shard: u16::MAX, below: 7 }] {
            assert_eq!(Cursor::of(cursor.number()), Some(cursor));
            assert!(cursor.number() < 1 << 53, "JavaScript can hold it");
        }
        assert_eq!((Cursor::of(0), Cursor::of(1 << 48)), (Some(Cursor::before(0)), None));
    }
}
